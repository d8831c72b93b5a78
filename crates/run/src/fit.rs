//! Training, with a test at its end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engraft_component::Choice;
use engraft_config::Experiment;
use engraft_data::{Examples, Splits, Stage};
use engraft_tasks::{Model, Task};
use engraft_train::callback;
use engraft_train::{CrossValidation, Event, Fit, FitOutcome, Observer, Resume};

use crate::checkpoint::is_file;
use crate::error::{Error, Result};
use crate::folds::Folded;
use crate::session::Session;
use crate::skipped;
use crate::sources::begun_with;
use crate::work::{Purpose, Work};

/// What was trained.
pub enum Fitted {
    /// One run.
    Run(Box<FitOutcome>),
    /// A run for each fold of a cross-validation.
    Folds(Folded),
}

impl Session {
    /// Trains the experiment's model on its rows, on all folds where it asks for them; `ckpt_path` goes on with a run. `stop` is set from
    /// outside, at any time, to end training at the next step, saved.
    ///
    /// # Errors
    /// What the user gave does not fit together, or something went wrong on the way.
    pub fn fit(&self, stop: &Arc<AtomicBool>, observer: &mut dyn Observer) -> Result<Fitted> {
        self.work(Purpose::Fit, observer, |work| work.fit(stop))
    }
}

impl Work<'_> {
    fn fit(&mut self, stop: &Arc<AtomicBool>) -> Result<Fitted> {
        let settings = self.model()?;
        let task = settings.task();
        if !task.learns() {
            let [does, commands] = if task.scores() {
                ["scores variants without learning", "test or predict"]
            } else {
                ["only predicts", "predict"]
            };
            return Err(Error::of(
                "model",
                format!(
                    "{} {does}, so there is nothing to fit. Use {commands}, or a model that learns: {}",
                    settings.name(),
                    Task::that_learn().join(", ")
                ),
            ));
        }
        let session = self.session;
        callback::check(session.experiment.trainer.callbacks())?;
        if let Some(all) = self.data()?.folds().all() {
            return self.fit_folds(all, stop).map(Fitted::Folds);
        }
        let checkpoint = self.checkpoint()?;
        let checkpoint = checkpoint.as_deref();
        let folder = checkpoint.filter(|checkpoint| !is_file(checkpoint));
        let resume = folder.map(|folder| self.claimed(folder)).transpose()?;
        let checkpoint = resume.as_ref().map(Resume::checkpoint).or(checkpoint);
        self.check_backbone(checkpoint)?;
        let splits = self.rows(Stage::Fit, checkpoint)?;
        let (model, goes_on) = match checkpoint {
            Some(folder) => self.resumed(folder, &splits)?,
            None => (self.build(Some(&splits))?, false),
        };
        let resume = resume.filter(|_| goes_on);
        let mut begun = begun_anew(&session.experiment);
        if let Some(resume) = &resume {
            begun.ckpt_path = begun_with(resume.checkpoint())?;
        }
        let training = OneTraining {
            config: &begun.to_yaml(),
            splits,
            resume,
            fold: None,
            stop,
        };
        let outcome = self.train(model, training)?;
        Ok(Fitted::Run(Box::new(outcome)))
    }

    /// A checkpoint to go on from, before anything of it is read.
    pub(crate) fn claimed(&self, folder: &Path) -> Result<Resume> {
        Resume::from(folder, &self.session.plan).map_err(Error::before)
    }

    /// The model of a checkpoint, and whether its run can go on.
    pub(crate) fn resumed(&mut self, folder: &Path, splits: &Splits) -> Result<(Model, bool)> {
        let opened = self.open_checkpoint(folder, Some(splits))?;
        if let (true, Some(train)) = (opened.goes_on, self.training_rows(splits)) {
            let checked = opened.model.spec.check_training_rows(train);
            checked.map_err(Error::before)?;
        }
        Ok((opened.model, opened.goes_on))
    }

    /// Trains and tests a model that is built already.
    pub(crate) fn train(&mut self, model: Model, training: OneTraining<'_>) -> Result<FitOutcome> {
        let Splits {
            train, valid, test, ..
        } = &training.splits;
        let splits: Vec<&Examples> = [train, valid, test].into_iter().flatten().collect();
        self.check_alignments(&model, &splits)?;
        let data = self.data()?;
        let experiment = &self.session.experiment;
        let skipped = training.splits.skipped.clone();
        let mut has_started = false;
        let result = engraft_train::fit(
            model,
            Fit {
                training: self.model()?.training(),
                plan: &self.session.plan,
                callbacks: experiment.trainer.callbacks(),
                splits: training.splits,
                batching: data.batching(),
                masking: data.hiding(),
                seed: experiment.seed_everything.number(),
                config: training.config,
                optimizer: Default::default(),
                resume: training.resume,
                fold: training.fold,
                stop: Arc::clone(training.stop),
                observer: &mut |event: Event<'_>| {
                    has_started |= matches!(event, Event::Started);
                    self.observer.event(event);
                },
            },
        );
        let outcome = result.map_err(|error| {
            if has_started {
                Error::during(error)
            } else {
                Error::before(error)
            }
        })?;
        if let Some(reason) = &outcome.stopped {
            let steps = outcome.steps;
            self.observer.event(Event::Stopped { steps, reason });
        }
        self.close_cache(&outcome.model);
        if let Some(folder) = &outcome.folder {
            self.list_skipped(&skipped, &skipped::within(folder))?;
        }
        Ok(outcome)
    }
}

/// One training.
pub(crate) struct OneTraining<'a> {
    /// The experiment that repeats it.
    pub(crate) config: &'a str,
    pub(crate) splits: Splits,
    pub(crate) resume: Option<Resume>,
    pub(crate) fold: Option<(&'a mut CrossValidation, u64)>,
    pub(crate) stop: &'a Arc<AtomicBool>,
}

/// A resumed run is the run it goes on with: what reruns it starts at its beginning. That of a run which began with the weights of another
/// program's file does so too.
pub(crate) fn begun_anew(experiment: &Experiment) -> Experiment {
    let mut begun = experiment.clone();
    begun.ckpt_path = begun.ckpt_path.filter(|named| is_file(Path::new(named)));
    begun
}
