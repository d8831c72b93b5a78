//! The training loop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engraft_data::{Batching, Examples, Masking, Splits};
use engraft_tasks::metrics::Mean;
use engraft_tasks::{Batch, Draws, Model, Network};

use crate::callback::{Callback, Moment};
use crate::clock::Clock;
use crate::cross_validation::CrossValidation;
use crate::error::{Error, Result};
use crate::evaluate::{Handled, limited};
use crate::loader::Loader;
use crate::optimizer::OptimizerState;
use crate::progress::Progress;
use crate::rate::Rates;
use crate::rate_log::RateLog;
use crate::record::Record;
use crate::resume::Resume;
use crate::run::Run;
use crate::settings::Plan;
use crate::snapshot::{Position, Signature};
use crate::training::Training;
use crate::unfreezing::Unfreezing;

mod conclude;
mod keep;
mod prepare;
mod report;
mod resume;
mod step;
mod unfreeze;

use step::Step;

pub(crate) use step::GRADIENT_NORMS;

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
    /// The checkpoint to go on from; the model was opened from it.
    pub resume: Option<Resume>,
    /// The fold of a cross-validation that this is, which then has its files in that run's folder.
    pub fold: Option<(&'a mut CrossValidation, u64)>,
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
    /// The report; none where none was asked for or it could not be written, which is said.
    pub report: Option<PathBuf>,
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
    rates: Rates<'a>,
    /// Which parameters are trained from which epoch on, where that changes.
    unfreezing: Option<Unfreezing>,
    validation_interval: u64,
    /// Of the present epoch.
    loss: Mean,
    accuracy: Mean,
    metrics: BTreeMap<String, f64>,
    record: Record,
    /// Why training is to end, if a callback has decided so.
    stopped: Option<String>,
    interrupted: bool,
    clock: Clock,
    /// Why training is to end, if its time is over.
    out_of_time: Option<String>,
    rate_log: RateLog,
    /// Whether the validation that follows the latest step is yet to be done.
    owes_validation: bool,
}

impl Loop<'_> {
    fn network(&self) -> Result<&Network> {
        // Out only inside `advance`, which puts it back.
        self.network
            .as_ref()
            .ok_or_else(|| Error::Argument("the weights are in use".into()))
    }

    fn train(&mut self) -> Result<()> {
        if std::mem::take(&mut self.owes_validation) {
            self.catch_up_on_validation()?;
        }
        self.look_at_the_clock(self.position.epoch);
        while !self.finished() {
            self.epoch()?;
        }
        Ok(())
    }

    fn finished(&self) -> bool {
        let Position { epoch, step, .. } = self.position;
        self.stopped.is_some()
            || self.interrupted
            || self.out_of_time.is_some()
            || self
                .fit
                .plan
                .max_epochs
                .is_some_and(|epochs| epoch >= epochs)
            || self.fit.plan.max_steps.is_some_and(|steps| step >= steps)
    }

    /// Ends training in `epoch` if its time is over. A checkpoint does not remember it: with more time the run goes on.
    fn look_at_the_clock(&mut self, epoch: u64) {
        if self.has_done_enough(epoch) && self.out_of_time.is_none() {
            self.out_of_time = self.clock.is_over();
        }
    }

    /// Whether callbacks and the clock may end training in `epoch`.
    fn has_done_enough(&self, epoch: u64) -> bool {
        let Plan {
            min_epochs,
            min_steps,
            ..
        } = *self.fit.plan;
        epoch + 1 >= min_epochs && self.position.step >= min_steps
    }

    /// The rest of the present epoch.
    fn epoch(&mut self) -> Result<()> {
        let epoch = self.position.epoch;
        self.release(epoch);
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
            let breaks_off = match step.batches {
                0 => self.finished() && (!last || self.owes_validation),
                _ => self.is_asked_to_stop(),
            };
            if breaks_off {
                self.give_up(step);
                self.fit.progress.finish(self.shown());
                return Ok(());
            }
        }
        if epoch == 0 {
            let max_length = self.model.max_length();
            let policy = self.model.row_encoder().tokenizer().letter_policy();
            for note in handled.notes(self.loader.rows(), max_length, policy) {
                self.fit.progress.note(&format!("training: {note}"));
            }
        }
        self.end_epoch()
    }

    /// What follows an optimizer step: validation, early stopping, checkpoints, and a look at the outside.
    fn after_step(&mut self, validates: bool, last: bool) -> Result<()> {
        if validates {
            match self.validate() {
                Err(Error::Interrupted) => {
                    (self.interrupted, self.owes_validation) = (true, true);
                    return Ok(());
                }
                done => done?,
            }
            self.at(Moment::ValidationEnd)?;
        }
        self.at(Moment::Step)?;
        if !last {
            self.look_at_the_clock(self.position.epoch);
            self.is_asked_to_stop();
        }
        Ok(())
    }

    /// Whether training is to stop here because it was asked to from outside.
    fn is_asked_to_stop(&mut self) -> bool {
        self.interrupted |= self.fit.stop.load(Ordering::Relaxed);
        self.interrupted
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
        self.record.step(step, &logged);
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
        self.look_at_the_clock(epoch);
        self.is_asked_to_stop();
        Ok(())
    }

    fn at(&mut self, moment: Moment) -> Result<()> {
        self.observe_and_keep(moment, self.position.epoch)
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
