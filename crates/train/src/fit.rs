//! The training loop, from top to bottom: prepare, epochs of steps, conclude.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use engraft_component::{Note, NoteKind};
use engraft_data::{Batching, Hiding, Splits};
use engraft_tasks::{Draws, Model, Network, TaskSpec};

use crate::callback::{Callback, Moment};
use crate::clock::Clock;
use crate::cross_validation::CrossValidation;
use crate::error::{Error, Result};
use crate::evaluate::ScoringPass;
use crate::events::{Ahead, Event, Inside, Observer, Progress, Saved};
use crate::handled::{Handled, fed};
use crate::loader::{Loader, limited};
use crate::optimizer::OptimizerState;
use crate::outcome::FitOutcome;
use crate::outset::{Length, batches_of};
use crate::rate::Rates;
use crate::rate_log::RateLog;
use crate::record::Record;
use crate::report::{Ending, Testing, of_fit};
use crate::resume::Resume;
use crate::run::{Run, Weights};
use crate::settings::Plan;
use crate::signature::Signature;
use crate::snapshot::{Metric, Position, State};
use crate::standing::Standing;
use crate::training::Training;
use crate::unfreezing::Unfreezing;

mod prepare;
mod restore;
mod step;

use prepare::Prepared;
use step::Step;

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
    pub masking: Option<Hiding>,
    /// Decides the order of rows and all dropout.
    pub seed: u64,
    /// The experiment as it was resolved, saved with the run.
    pub config: &'a str,
    /// What the optimizer kept of an earlier training of the same model; empty for one that begins.
    pub optimizer: OptimizerState,
    /// The checkpoint to go on from, with what its optimizer kept; the model was opened from it.
    pub resume: Option<Resume>,
    /// The fold of a cross-validation that this is, which then has its files in that run's folder.
    pub fold: Option<(&'a mut CrossValidation, u64)>,
    /// Set from outside to end training at the next step, saved.
    pub stop: Arc<AtomicBool>,
    /// Who is told what happens.
    pub observer: &'a mut dyn Observer,
}

/// Trains `model` by the plan.
///
/// # Errors
/// Nothing is trained if settings, callbacks, labels or the checkpoint to resume do not fit; while training, a row that cannot be encoded,
/// a loss that is not finite, a file that cannot be written.
pub fn fit(model: Model, fit: Fit<'_>) -> Result<FitOutcome> {
    let Prepared {
        mut trainer,
        network,
        resumed,
    } = Loop::prepare(model, fit)?;
    trainer.observer.event(Event::Started);
    if let Some(state) = &resumed {
        trainer.catch_up(&network, state)?;
    }
    let network = trainer.train(network)?;
    trainer.conclude(network)
}

/// A run in progress: all of it but the weights, which go from step to step by themselves.
struct Loop<'a> {
    training: &'a Training,
    plan: &'a Plan,

    seed: u64,
    config: &'a str,
    stop: Arc<AtomicBool>,
    observer: &'a mut dyn Observer,
    spec: Arc<TaskSpec>,
    optimizer: OptimizerState,
    train: Loader,
    valid: Option<Loader>,
    test: Option<Loader>,
    run: Run,
    signature: Signature,
    /// Where the run stands.
    standing: Standing,
    rates: Rates<'a>,
    /// Which parameters are trained from which epoch on, where that changes.
    unfreezing: Option<Unfreezing>,
    validation_interval: u64,
    /// None of a run that only callbacks or the clock end.
    length: Option<Length>,
    record: Record,
    interrupted: bool,
    clock: Clock,
    /// Why training is to end, if its time is over.
    out_of_time: Option<String>,
    rate_log: RateLog,
}

impl Loop<'_> {
    fn train(&mut self, mut network: Network) -> Result<Network> {
        if std::mem::take(&mut self.standing.owes_validation) {
            self.catch_up_on_validation(&network)?;
        }
        self.look_at_the_clock(self.standing.position.epoch);
        while !self.is_finished() {
            network = self.epoch(network)?;
        }
        Ok(network)
    }

    /// The rest of the present epoch.
    fn epoch(&mut self, mut network: Network) -> Result<Network> {
        let epoch = self.standing.position.epoch;
        network = self.unfreeze(network, epoch);
        let plan = limited(self.train.plan(epoch), self.plan.limits.train);
        let batches = plan.len() as u64;
        let mut read = 0;
        let interval = if self.train.is_even() {
            self.validation_interval
        } else {
            self.plan.validation_interval(batches)?
        };
        let rest = plan.get(self.standing.position.batch as usize..);
        let rest = rest.unwrap_or_default().to_vec();
        self.begin_progress(epoch, batches);

        let seed = self.seed;
        let mut pass = self.train.pass(rest, Draws::Epoch { seed, epoch });
        let mut handled = Handled::default();
        let mut step = Step::default();
        // A validation due inside a step waits for the step's end, where callbacks can act on it.
        let mut validates = false;
        while let Some(batch) = pass.advance() {
            let batch = batch?;
            handled.add(&batch);
            read += batch.rows.len();
            self.backward(&network, &mut *pass, &batch, &mut step)?;
            let position = self.standing.position;
            let last = position.batch == batches;
            validates |=
                self.plan
                    .validates_after(epoch, position.batch - 1, position.seen, interval);
            let is_whole = step.batches == self.plan.accumulate || last;
            if is_whole {
                let gathered = std::mem::take(&mut step);
                network = self.update(network, gathered, pass.take_scores())?;
                self.after_step(&network, std::mem::take(&mut validates), last)?;
            }
            self.show(batch.rows.len());
            let breaks_off = if is_whole {
                self.is_finished() && (!last || self.standing.owes_validation)
            } else {
                self.is_asked_to_stop()
            };
            if breaks_off {
                self.give_up(step);
                self.end_progress();
                self.say_handled(&handled, epoch, read, &plan);
                return Ok(network);
            }
        }
        self.say_handled(&handled, epoch, read, &plan);
        self.end_epoch(&network)?;
        Ok(network)
    }

    /// Says what was done to the rows of the first epoch; every other has the same.
    fn say_handled(&mut self, handled: &Handled, epoch: u64, read: usize, plan: &[Vec<usize>]) {
        if epoch == 0 {
            let fed = fed(read, plan, self.train.rows(), "limit_train_batches");
            for note in handled.notes(&fed, &self.spec, "training") {
                self.observer.note(note);
            }
        }
    }

    /// What follows an optimizer step: validation, early stopping, checkpoints, and a look at the outside.
    fn after_step(&mut self, network: &Network, validates: bool, last: bool) -> Result<()> {
        let epoch = self.standing.position.epoch;
        if validates {
            match self.validate(network) {
                Err(Error::Interrupted) => {
                    (self.interrupted, self.standing.owes_validation) = (true, true);
                    return Ok(());
                }
                done => done?,
            }
            self.observe_and_keep(network, Moment::ValidationEnd, epoch)?;
        }
        self.observe_and_keep(network, Moment::Step, epoch)?;
        if !last {
            self.look_at_the_clock(epoch);
            self.is_asked_to_stop();
        }
        Ok(())
    }

    fn end_epoch(&mut self, network: &Network) -> Result<()> {
        let Position { epoch, step, .. } = self.standing.position;
        if self.standing.loss.weight == 0.0 && epoch == 0 {
            return Err(Error::refused(
                "data",
                "no training row has anything to learn from: every label is left out, or no token can be masked",
            ));
        }
        let watched = self.run.deciders.watched();
        let logged = self.standing.end_epoch(&watched);
        self.record.step(step, &logged.metrics);
        self.run.log(epoch, step, &logged.metrics)?;
        self.observer.event(Event::Progress(Progress::Ended {
            metrics: &logged.shown,
        }));
        if let Some(values) = self.standing.history.last() {
            self.observer.event(Event::Epoch { epoch, values });
        }
        // A checkpoint of this moment goes on with the next epoch.
        self.observe_and_keep(network, Moment::TrainEpochEnd, epoch)?;
        self.look_at_the_clock(epoch);
        self.is_asked_to_stop();
        Ok(())
    }

    /// Scores the validation rows.
    fn validate(&mut self, network: &Network) -> Result<()> {
        let Some(valid) = &self.valid else {
            return Ok(());
        };
        let mut sight = self.record.validation_sight(&self.spec)?;
        let of = format!("the weights of step {}", self.standing.position.step);
        let pass = ScoringPass {
            stage: "val",
            limit: self.plan.limits.val,
            of: &of,
            stop: Some(&self.stop),
            observer: &mut Inside::new(self.observer),
        };
        let objective = self.spec.objective();
        objective.validating(self.standing.position.epoch);
        let scoring = pass.run(&self.spec, &network.valid(), valid, &mut sight);
        let scores = scoring
            .as_ref()
            .map_or(&[][..], |scoring| &scoring.scores[..]);
        objective.validated(scores);
        let scoring = scoring?;
        let Position { epoch, step, .. } = self.standing.position;
        self.record.validated(step, &scoring, sight);
        self.standing.metrics.extend(scoring.scores.iter().cloned());
        self.standing.validated = Some(epoch);
        self.run.log(epoch, step, &scoring.scores)
    }

    /// Lets the callbacks look at the metrics: whether training ends early, which rate comes next, what is saved.
    fn observe_and_keep(&mut self, network: &Network, moment: Moment, epoch: u64) -> Result<()> {
        let metrics = self.standing.metrics();
        let reason = self.run.deciders.observe(moment, &metrics);
        self.rates.observe(moment, &metrics);
        if self.has_done_enough(epoch) && self.standing.stopped.is_none() {
            self.standing.stopped = reason;
        }
        self.keep(network, moment, epoch)
    }

    /// Lets the checkpoints' keepers decide and save.
    fn keep(&mut self, network: &Network, moment: Moment, epoch: u64) -> Result<()> {
        let step = self.standing.position.step;
        if !self.run.is_due(moment, epoch, step) {
            return Ok(());
        }
        let state = self.state();
        let weights = Weights {
            spec: &self.spec,
            network: &network.valid(),
            optimizer: &self.optimizer,
        };
        let metrics = self.standing.metrics();
        let kept = self.run.keep(moment, epoch, &metrics, weights, &state)?;
        for path in kept {
            self.observer.event(Event::Saved {
                what: Saved::Checkpoint,
                path: &path,
            });
        }
        Ok(())
    }

    /// All of the present state but weights and moments.
    fn state(&self) -> State {
        let standing = &self.standing;
        let metrics = standing.metrics.iter().map(|(name, &value)| Metric {
            name: name.clone(),
            value,
        });
        State {
            format: State::FORMAT,
            position: standing.position,
            signature: self.signature.clone(),
            loss: standing.loss,
            accuracy: standing.accuracy,
            metrics: metrics.collect(),
            elapsed: self.clock.seconds(),
            owes_validation: standing.owes_validation,
            validated: standing.validated,
            keepers: Vec::new(),
            stoppers: Vec::new(),
            plateau: self.rates.state(),
            stopped: standing.stopped.clone(),
            moment: None,
            saves: 0,
            log_rows: Default::default(),
            leaving: Vec::new(),
        }
    }

    /// Trains what is to be trained in `epoch`, and says so where that is more than before.
    fn unfreeze(&mut self, network: Network, epoch: u64) -> Network {
        let Some(unfreezing) = &self.unfreezing else {
            return network;
        };
        if let Some(note) = unfreezing.note(epoch) {
            self.observer.note(Note::new(NoteKind::Training, note));
        }
        unfreezing.apply(network, epoch)
    }

    /// Whether there is nothing more to train, or no time for it.
    fn is_finished(&self) -> bool {
        let Position { epoch, step, .. } = self.standing.position;
        self.standing.stopped.is_some()
            || self.interrupted
            || self.out_of_time.is_some()
            || self.plan.max_epochs.is_some_and(|epochs| epoch >= epochs)
            || self.plan.max_steps.is_some_and(|steps| step >= steps)
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
        } = *self.plan;
        epoch + 1 >= min_epochs && self.standing.position.step >= min_steps
    }

    /// Whether training is to stop here because it was asked to from outside.
    fn is_asked_to_stop(&mut self) -> bool {
        self.interrupted |= self.stop.load(Ordering::Relaxed);
        self.interrupted
    }

    fn begin_progress(&mut self, epoch: u64, batches: u64) {
        let label = match self.plan.max_epochs {
            Some(epochs) => format!("epoch {epoch}/{}", epochs.saturating_sub(1)),
            None => format!("epoch {epoch}"),
        };
        let Position {
            batch, step, seen, ..
        } = self.standing.position;
        let steps = self.plan.max_steps;
        let steps = steps.map(|steps| steps.saturating_sub(step));
        let rest = batches_of(self.plan, steps, batches.saturating_sub(batch));
        let ahead = Ahead {
            batches: self
                .length
                .map(|length| length.batches.saturating_sub(seen + rest)),
            time: self.clock.left(),
        };
        self.observer.event(Event::Progress(Progress::Began {
            label: &label,
            done: batch,
            total: Some(batch + rest),
            ahead: Some(ahead),
        }));
    }

    fn show(&mut self, rows: usize) {
        let (standing, deciders) = (&self.standing, &self.run.deciders);
        self.observer.event(Event::Progress(Progress::Advanced {
            rows: rows as u64,
            metrics: &|| standing.shown(&deciders.watched()),
        }));
    }

    fn end_progress(&mut self) {
        let metrics = self.standing.shown(&self.run.deciders.watched());
        let ended = Progress::Ended { metrics: &metrics };
        self.observer.event(Event::Progress(ended));
    }

    /// Saves what is not saved, scores the test split, and writes the report.
    fn conclude(mut self, network: Network) -> Result<FitOutcome> {
        self.record.trained();
        let network = network.valid();
        let step = self.standing.position.step;
        if self.plan.checkpoints {
            self.keep_the_end(&network)?;
        }
        let testing = match self.score_test_rows(&network) {
            Err(Error::Interrupted) => {
                self.interrupted = true;
                None
            }
            tested => tested?,
        };
        let test = testing.as_ref();
        let test = test.map(|testing| testing.scoring.scores.clone());
        let folder = self.run.folder().map(ToOwned::to_owned);
        let checkpoint = self.run.checkpoint();
        let metrics = self.standing.metrics();
        let history = std::mem::take(&mut self.standing.history);
        let optimizer = std::mem::take(&mut self.optimizer);
        let interrupted = self.interrupted;
        let stopped = self.standing.stopped.clone().or(self.out_of_time.clone());
        let model = Model {
            spec: Arc::clone(&self.spec),
            network,
        };
        Ok(FitOutcome {
            report: self.report(testing),
            folder,
            checkpoint,
            steps: step,
            metrics,
            history,
            optimizer,
            model,
            test,
            stopped,
            interrupted,
        })
    }

    /// Saves what is not saved yet of where training ended, and lets `last` be the last.
    fn keep_the_end(&mut self, network: &Network) -> Result<()> {
        let state = self.state();
        let weights = Weights {
            spec: &self.spec,
            network,
            optimizer: &self.optimizer,
        };
        let Position {
            epoch, batch, step, ..
        } = self.standing.position;
        if !self.run.has_resumable(step) && !self.interrupted {
            let metrics = self.standing.metrics();
            // After the last batch of an epoch the position points at the next one.
            let epoch = if batch == 0 {
                epoch.saturating_sub(1)
            } else {
                epoch
            };
            let state = state.clone();
            for path in self.run.keep_end(epoch, &metrics, weights, state)? {
                self.observer.event(Event::Saved {
                    what: Saved::Checkpoint,
                    path: &path,
                });
            }
        }
        self.run.bring_last_up(weights, &state)?;
        if !self.run.has_resumable(step) {
            let path = self.run.keep_last(weights, state)?;
            self.observer.event(Event::Saved {
                what: Saved::Checkpoint,
                path: &path,
            });
        }
        self.run.drop_stale_last();
        Ok(())
    }

    /// Scores the test rows by the best checkpoint, or by the present weights without one.
    fn score_test_rows(&mut self, network: &Network) -> Result<Option<Testing>> {
        let Some(test) = self.test.take().filter(|_| !self.interrupted) else {
            return Ok(None);
        };
        let best = match self.run.best() {
            Some((path, _)) => {
                let mut best = open(&path, self.plan)?;
                best.network.share_cache(network);
                Some(best)
            }
            None => None,
        };
        let mut sight = self.record.test_sight(&self.spec)?;
        let of = self.tested();
        let pass = ScoringPass {
            stage: "test",
            limit: self.plan.limits.test,
            of: &of,
            stop: Some(&self.stop),
            observer: self.observer,
        };
        let scored = best.as_ref().map_or(network, |best| &best.network);
        let objective = self.spec.objective();
        let latest = objective.learned();
        if let Some(best) = &best {
            objective.relearn(&best.spec.objective().learned());
        }
        let scoring = pass.run(&self.spec, scored, &test, &mut sight);
        objective.relearn(&latest);
        let scoring = scoring?;
        let Position { epoch, step, .. } = self.standing.position;
        self.run.log(epoch, step, &scoring.scores)?;
        Ok(Some(Testing {
            scoring,
            findings: sight.findings(),
        }))
    }

    /// What the test rows are scored with, in words.
    fn tested(&self) -> String {
        let step = self.standing.position.step;
        match (self.run.best(), self.run.checkpoint()) {
            (Some((path, monitor)), _) => format!("{} (best {monitor})", path.display()),
            (None, Some(path)) => format!("{} (the end of training)", path.display()),
            (None, None) => format!("the weights of step {step}"),
        }
    }

    /// Writes the report; that it cannot be written is said, and no reason to lose the run.
    fn report(self, testing: Option<Testing>) -> Option<std::path::PathBuf> {
        let wanted = self.plan.report && !self.interrupted;
        let folder = self.run.folder().filter(|_| wanted)?;
        let scored_with = self.tested();
        let Position { step, epoch, .. } = self.standing.position;
        let written = of_fit(Ending {
            record: self.record,
            spec: &self.spec,
            folder,
            fold: self.run.fold(),
            checkpoint: self.run.checkpoint(),
            scored_with,
            testing,
            steps: step,
            epochs: epoch,
            stopped: self
                .standing
                .stopped
                .as_deref()
                .or(self.out_of_time.as_deref()),
            seed: self.seed,
            config: self.config,
        });
        match written {
            Ok(path) => Some(path),
            Err(error) => {
                let text = format!("no report was written: {error}");
                self.observer.note(Note::new(NoteKind::Output, text));
                None
            }
        }
    }
}

/// Opens a checkpoint for scoring.
fn open(path: &std::path::Path, plan: &Plan) -> Result<Model> {
    let preset = engraft_hub::Preset::open(&engraft_hub::Handle::Folder(path.to_owned()))?;
    Ok(Model::open(preset, &plan.compute)?)
}
