//! The training loop.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use engraft_data::{Batching, Examples, Masking, Splits};
use engraft_kernels::Key;
use engraft_models::Mode;
use engraft_tasks::metrics::{Mean, Metrics};
use engraft_tasks::{Batch, Draws, Model, Network};

use crate::callback::{Callback, Moment};
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, Handled, limited, score};
use crate::loader::Loader;
use crate::optimizer::{GradientSum, OptimizerState};
use crate::outset::{data_signature, first_rows, known_metrics, total_steps, warn_about_schedule};
use crate::progress::Progress;
use crate::run::{Present, Run};
use crate::settings::Plan;
use crate::snapshot::{Metric, Position, Signature, State};
use crate::training::Training;

mod resume;

/// The stream of random draws that dropout comes from.
const DROPOUT: u64 = 0xd0;

/// What [`fit`] does, and with what.
pub struct Fit<'a> {
    /// Optimizer and schedule.
    pub training: &'a Training,
    /// How long, how often, where to.
    pub plan: &'a Plan,
    /// Checkpoints and early stopping.
    pub callbacks: &'a [Callback],
    /// The rows; the test split, if any, is scored at the end.
    pub splits: Splits,
    /// How rows are put into batches.
    pub batching: &'a Batching,
    /// How tokens are masked, where they are.
    pub masking: Option<Masking>,
    /// Decides the order of rows and all dropout.
    pub seed: u64,
    /// The experiment as it was resolved, saved with the run.
    pub config: &'a str,
    /// The checkpoint folder to go on from; the model was opened from it.
    pub resume: Option<&'a Path>,
    /// Set from outside to end training at the next step, saved.
    pub stop: Arc<AtomicBool>,
    /// Where progress shows.
    pub progress: &'a mut Progress,
    /// Called once everything is checked and the first step begins.
    pub started: &'a mut dyn FnMut(),
}

/// What came of a run.
pub struct FitOutcome {
    /// The trained model, its weights those of the last step.
    pub model: Model,
    /// The run's folder.
    pub folder: Option<PathBuf>,
    /// The best checkpoint by the first monitored metric, else the newest.
    pub checkpoint: Option<PathBuf>,
    /// Optimizer steps done.
    pub steps: u64,
    /// The latest value of every metric.
    pub metrics: Vec<(String, f64)>,
    /// The test split's scores, by the checkpoint above; none without a test split or after an interruption.
    pub test: Option<Vec<(String, f64)>>,
    /// Why training ended early, if it did.
    pub stopped: Option<String>,
    /// Whether it was stopped from outside.
    pub interrupted: bool,
}

/// Trains `model` by the plan.
///
/// # Errors
/// Nothing is trained if settings, callbacks, labels or the checkpoint to resume do not fit; while training, a row that cannot be encoded,
/// a loss that is not finite, a file that cannot be written.
pub fn fit(model: Model, fit: Fit<'_>) -> Result<FitOutcome> {
    let mut trainer = Loop::prepare(model, fit)?;
    (trainer.fit.started)();
    trainer.train()?;
    trainer.conclude()
}

/// A run in progress.
struct Loop<'a> {
    fit: Fit<'a>,
    model: Model,
    /// Absent only while the optimizer holds it.
    network: Option<Network>,
    optimizer: OptimizerState,
    loader: Loader,
    valid: Option<Arc<Examples>>,
    run: Run,
    signature: Signature,
    position: Position,
    /// Steps of the whole run, for schedules.
    total_steps: Option<u64>,
    validation_interval: u64,
    /// Of the present epoch.
    loss: Mean,
    accuracy: Mean,
    metrics: BTreeMap<String, f64>,
    stopped: Option<String>,
    interrupted: bool,
}

impl<'a> Loop<'a> {
    fn prepare(mut model: Model, mut fit: Fit<'a>) -> Result<Self> {
        fit.training.check()?;
        if !model.task().is_trainable() {
            return Err(Error::Argument(
                "model: this task only predicts and cannot be fitted; use predict".into(),
            ));
        }
        let train = fit.splits.train.take().filter(|train| !train.is_empty());
        let train = Arc::new(
            train.ok_or_else(|| Error::Argument("data: there are no training rows".into()))?,
        );
        let targets = model.targets(&train, fit.masking)?;
        let valid = fit
            .splits
            .valid
            .take()
            .filter(|valid| !valid.is_empty())
            .map(Arc::new);
        let seed = fit.batching.shuffle.then_some(fit.seed);
        let loader = Loader::new(&model, train, targets, fit.batching, seed)?;

        loader.check_rows()?;
        for examples in valid
            .iter()
            .cloned()
            .chain(fit.splits.test.clone().map(Arc::new))
        {
            let targets = model.targets(&examples, fit.masking)?;
            Loader::new(&model, examples, targets, fit.batching, None)?.check_rows()?;
        }

        let batches = loader.plan(0).len() as u64;
        if fit.plan.limits.train.of(batches) == 0 {
            return Err(Error::Argument(
                "trainer.limit_train_batches: leaves no batch to train on".into(),
            ));
        }
        let valid_batches = valid.as_ref().map_or(0, |valid| {
            valid.len().div_ceil(fit.batching.batch_size.max(1)) as u64
        });
        let validation = fit.plan.validation(valid_batches);
        let valid =
            valid.filter(|_| valid_batches > 0 && fit.plan.limits.val.of(valid_batches) > 0);
        let total_steps = total_steps(fit.plan, &loader);
        let known = known_metrics(&model, valid.is_some());
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let mut run = Run::new(fit.plan, fit.callbacks, &known, validation, fit.config)?;
        warn_about_schedule(&fit, batches, total_steps)?;
        // The schedule is asked once before anything is written: an endless run has no end to decay to.
        fit.training
            .learning_rate(0, 0, total_steps, fit.plan.max_epochs)?;

        let network = Some(model.take_network().train());
        let signature = Signature {
            data: data_signature(&model, &fit, &loader)?,
            machine: Signature::machine(),
        };
        let mut trainer = Self {
            validation_interval: fit.plan.validation_interval(batches)?,
            fit,
            model,
            network,
            optimizer: OptimizerState::default(),
            loader,
            valid,
            run: Run::new_empty(),
            signature,
            position: Position::default(),
            total_steps,
            loss: Mean::default(),
            accuracy: Mean::default(),
            metrics: BTreeMap::new(),
            stopped: None,
            interrupted: false,
        };
        let resumed = match trainer.fit.resume {
            Some(path) => trainer.restore(path)?,
            None => None,
        };
        run.open(trainer.fit.plan, trainer.fit.resume.zip(resumed.as_ref()))?;
        trainer.run = run;
        if let Some(moment) = resumed.and_then(|state| state.moment) {
            trainer.catch_up(moment)?;
        }
        Ok(trainer)
    }

    fn network(&self) -> Result<&Network> {
        // Out only inside `advance`, which puts it back.
        self.network
            .as_ref()
            .ok_or_else(|| Error::Argument("the weights are in use".into()))
    }

    fn train(&mut self) -> Result<()> {
        while !self.finished() {
            self.epoch()?;
        }
        Ok(())
    }

    fn finished(&self) -> bool {
        let Position { epoch, step, .. } = self.position;
        self.stopped.is_some()
            || self.interrupted
            || self
                .fit
                .plan
                .max_epochs
                .is_some_and(|epochs| epoch >= epochs)
            || self.fit.plan.max_steps.is_some_and(|steps| step >= steps)
    }

    /// The rest of the present epoch.
    fn epoch(&mut self) -> Result<()> {
        let epoch = self.position.epoch;
        let plan = limited(self.loader.plan(epoch), self.fit.plan.limits.train);
        let batches = plan.len() as u64;
        let label = match self.fit.plan.max_epochs {
            Some(epochs) => format!("epoch {}/{epochs}", epoch + 1),
            None => format!("epoch {}", epoch + 1),
        };
        self.fit
            .progress
            .start(label, self.position.batch, Some(batches));
        let rest: Vec<Vec<usize>> = plan
            .into_iter()
            .skip(self.position.batch as usize)
            .collect();
        let mut handled = Handled::default();
        let mut step = Step::default();
        let interval = if self.loader.is_even() {
            self.validation_interval
        } else {
            self.fit.plan.validation_interval(batches)?
        };
        // A validation due inside a step waits for the step's end, where callbacks can act on it.
        let mut validates = false;
        let draws = Draws::Epoch {
            seed: self.fit.seed,
            epoch,
        };
        for batch in self.loader.batches(rest, draws) {
            let batch = batch?;
            handled.add(&batch);
            self.backward(&batch, &mut step)?;
            let last = self.position.batch == batches;
            if step.batches == self.fit.plan.accumulate || last {
                self.advance(std::mem::take(&mut step))?;
            }
            let done = self.position.batch - 1;
            validates |= self
                .fit
                .plan
                .validates_after(epoch, done, self.position.seen, interval);
            if step.batches == 0 {
                self.after_step(std::mem::take(&mut validates), last)?;
            }
            self.show(&batch);
            if step.batches == 0 && self.finished() && !last {
                self.fit.progress.finish(self.shown());
                return Ok(());
            }
        }
        if epoch == 0 {
            let max_length = self.model.task().backbone().backbone().max_length;
            let policy = self.model.row_encoder().tokenizer().letter_policy();
            for note in handled.notes(self.loader.rows(), max_length, policy) {
                self.fit.progress.note(&format!("training: {note}"));
            }
        }
        self.end_epoch()
    }

    /// Adds a micro-batch's gradients to the step's.
    fn backward(&mut self, batch: &Batch, step: &mut Step) -> Result<()> {
        let Position {
            epoch,
            batch: number,
            ..
        } = self.position;
        let key = Key::new(self.fit.seed)
            .with(DROPOUT)
            .with(epoch)
            .with(number);
        step.rows.extend(&batch.rows);
        step.batches += 1;
        self.position.batch += 1;
        self.position.seen += 1;
        if batch.is_unscored() {
            return Ok(());
        }
        let loss = self.model.loss(self.network()?, batch, Mode::Train(key))?;
        let sum = f64::from(loss.sum.clone().inner().into_scalar::<f32>());
        if !sum.is_finite() {
            return Err(Error::Diverged {
                what: "loss",
                value: sum,
                step: self.position.step + 1,
                epoch,
                rows: first_rows(&batch.rows),
            });
        }
        if step.metrics.is_none() {
            step.metrics = self.model.metrics();
        }
        if let Some(metrics) = &mut step.metrics {
            self.model.score(metrics, loss.outputs.inner(), batch)?;
        }
        step.gradients
            .add(self.network()?, loss.sum.backward(), loss.weight);
        step.loss.add(sum, loss.weight);
        self.loss.add(sum, loss.weight);
        Ok(())
    }

    /// One optimizer step.
    fn advance(&mut self, step: Step) -> Result<()> {
        let Position {
            epoch,
            step: number,
            ..
        } = self.position;
        let rate = self.fit.training.learning_rate(
            number,
            epoch,
            self.total_steps,
            self.fit.plan.max_epochs,
        )?;
        let norm = step.gradients.norm();
        // Rows of classes that weigh nothing teach nothing.
        let teaches = step.loss.weight > 0.0;
        if teaches && !norm.is_finite() {
            return Err(Error::Diverged {
                what: "gradient's norm",
                value: norm,
                step: number + 1,
                epoch,
                rows: first_rows(&step.rows),
            });
        }
        let clip = self.fit.plan.clip_norm.map(|limit| (limit, norm));
        if let Some(network) = self.network.take_if(|_| teaches) {
            let optimizer = &self.fit.training.optimizer;
            self.network =
                Some(optimizer.step(network, step.gradients, &mut self.optimizer, rate, clip));
        }
        self.position.step += 1;

        let scores = step
            .metrics
            .as_ref()
            .map(Metrics::finish)
            .unwrap_or_default();
        let rows = step.metrics.as_ref().map_or(0, Metrics::rows) as f64;
        if let Some((_, accuracy)) = scores.iter().find(|(name, _)| name == "accuracy") {
            self.accuracy.add(accuracy * rows, rows);
        }
        let mut logged = vec![("train_loss".to_owned(), step.loss.value())];
        logged.extend(
            scores
                .into_iter()
                .map(|(name, value)| (format!("train_{name}"), value)),
        );
        logged.push(("lr".to_owned(), rate));
        logged.push(("grad_norm".to_owned(), norm));
        self.metrics.extend(logged.iter().cloned());
        if self
            .position
            .step
            .is_multiple_of(self.fit.plan.log_every_n_steps)
        {
            self.run.log(epoch, self.position.step, &logged)?;
        }
        Ok(())
    }

    /// What follows an optimizer step: validation, early stopping, checkpoints, and a look at the outside.
    fn after_step(&mut self, validates: bool, last: bool) -> Result<()> {
        if validates {
            self.validate()?;
            self.at(Moment::ValidationEnd)?;
        }
        self.at(Moment::Step)?;
        if self.fit.stop.load(Ordering::Relaxed) && !last {
            self.interrupted = true;
        }
        Ok(())
    }

    /// Scores the validation rows.
    fn validate(&mut self) -> Result<()> {
        let Some(valid) = self.valid.clone() else {
            return Ok(());
        };
        let evaluation = Evaluation {
            stage: "val",
            examples: valid,
            batching: self.fit.batching,
            masking: self.fit.masking,
            limit: self.fit.plan.limits.val,
            progress: &mut Progress::new(crate::progress::Display::Silent),
        };
        let scores = score(&self.model, &self.network()?.valid(), evaluation)?;
        self.metrics.extend(scores.iter().cloned());
        self.run
            .log(self.position.epoch, self.position.step, &scores)
    }

    fn end_epoch(&mut self) -> Result<()> {
        if self.loss.weight == 0.0 && self.position.epoch == 0 {
            return Err(Error::Argument(
                "data: no training row has anything to learn from: every label is left out, or no token can be masked".into(),
            ));
        }
        let Position { epoch, step, .. } = self.position;
        let mut logged = vec![("train_loss_epoch".to_owned(), self.loss.value())];
        if self.accuracy.weight > 0.0 {
            logged.push(("train_accuracy_epoch".to_owned(), self.accuracy.value()));
        }
        self.metrics.extend(logged.iter().cloned());
        self.run.log(epoch, step, &logged)?;
        self.fit.progress.finish(self.shown());
        // A checkpoint of this moment goes on with the next epoch.
        let done = self.position;
        self.position = Position {
            epoch: epoch + 1,
            batch: 0,
            ..done
        };
        (self.loss, self.accuracy) = (Mean::default(), Mean::default());
        self.observe_and_keep(Moment::TrainEpochEnd, epoch)?;
        if self.fit.stop.load(Ordering::Relaxed) {
            self.interrupted = true;
        }
        Ok(())
    }

    fn at(&mut self, moment: Moment) -> Result<()> {
        self.observe_and_keep(moment, self.position.epoch)
    }

    fn observe_and_keep(&mut self, moment: Moment, epoch: u64) -> Result<()> {
        let metrics: Vec<(String, f64)> = self.metrics.clone().into_iter().collect();
        let reason = self.run.observe(moment, &metrics);
        let enough =
            epoch + 1 >= self.fit.plan.min_epochs && self.position.step >= self.fit.plan.min_steps;
        if enough && self.stopped.is_none() {
            self.stopped = reason;
        }
        self.keep(moment, epoch)
    }

    /// Lets the checkpoints' keepers decide and save.
    fn keep(&mut self, moment: Moment, epoch: u64) -> Result<()> {
        let metrics: Vec<(String, f64)> = self.metrics.clone().into_iter().collect();
        let mut run = std::mem::replace(&mut self.run, Run::new_empty());
        let trained = self.network()?;
        let network = std::cell::OnceCell::new();
        let kept = run.keep(moment, epoch, self.position.step, &metrics, || {
            self.present(network.get_or_init(|| trained.valid()))
        });
        self.run = run;
        kept
    }

    /// The present state for a checkpoint.
    fn present<'b>(&'b self, network: &'b Network) -> Present<'b> {
        let metrics = self.metrics.iter().map(|(name, &value)| Metric {
            name: name.clone(),
            value,
        });
        Present {
            model: &self.model,
            network,
            optimizer: &self.optimizer,
            state: State {
                format: State::FORMAT,
                position: self.position,
                signature: self.signature.clone(),
                loss: self.loss,
                accuracy: self.accuracy,
                metrics: metrics.collect(),
                keepers: Vec::new(),
                stoppers: Vec::new(),
                stopped: self.stopped.clone(),
                moment: None,
                saves: 0,
                log_rows: 0,
                leaving: Vec::new(),
            },
        }
    }

    /// Saves what is not saved, and scores the test split.
    fn conclude(mut self) -> Result<FitOutcome> {
        let network = self.network()?.valid();
        let mut run = std::mem::replace(&mut self.run, Run::new_empty());
        run.keep_last(self.fit.plan.checkpoints, self.present(&network))?;
        if !self.interrupted {
            run.drop_stale_last();
        }
        (self.model.network, self.network) = (network, None);
        let mut test = None;
        if let (Some(examples), false) = (
            self.fit.splits.test.take().filter(|test| !test.is_empty()),
            self.interrupted,
        ) {
            let best = run.best().map(|(path, _)| open(&path)).transpose()?;
            let evaluation = Evaluation {
                stage: "test",
                examples: Arc::new(examples),
                batching: self.fit.batching,
                masking: self.fit.masking,
                limit: self.fit.plan.limits.test,
                progress: self.fit.progress,
            };
            let scored = best.as_ref().unwrap_or(&self.model);
            let scores = score(scored, &scored.network, evaluation)?;
            run.log(self.position.epoch, self.position.step, &scores)?;
            test = Some(scores);
        }
        Ok(FitOutcome {
            folder: run.folder().map(Path::to_owned),
            checkpoint: run.checkpoint(),
            steps: self.position.step,
            metrics: self.metrics.into_iter().collect(),
            model: self.model,
            test,
            stopped: self.stopped,
            interrupted: self.interrupted,
        })
    }

    fn show(&mut self, batch: &Batch) {
        let shown = self.shown();
        self.fit.progress.advance(batch.len() as u64, || shown);
    }

    /// What the progress shows: the epoch so far, and the latest validation.
    fn shown(&self) -> Vec<(String, f64)> {
        let mut shown = vec![("loss".to_owned(), self.loss.value())];
        if self.accuracy.weight > 0.0 {
            shown.push(("accuracy".to_owned(), self.accuracy.value()));
        }
        let latest = ["val_loss", "val_accuracy", "val_spearman"]
            .iter()
            .filter_map(|&name| Some((name.to_owned(), *self.metrics.get(name)?)));
        shown.extend(latest);
        shown
    }
}

/// What one optimizer step gathers.
#[derive(Default)]
struct Step {
    gradients: GradientSum,
    loss: Mean,
    metrics: Option<Metrics>,
    /// Their numbers in the split.
    rows: Vec<usize>,
    /// Micro-batches gathered so far.
    batches: u64,
}

/// Opens a checkpoint for scoring.
fn open(path: &Path) -> Result<Model> {
    let preset = engraft_hub::Preset::open(&engraft_hub::Handle::Folder(path.to_owned()))?;
    Ok(Model::open(preset, &burn::tensor::Device::default())?)
}
