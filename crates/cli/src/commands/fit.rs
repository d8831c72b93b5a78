//! `engraft fit`: trains, tests at the end, and says where everything is.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engraft_component::Choice;
use engraft_config::Experiment;
use engraft_data::{Splits, Stage};
use engraft_tasks::Model;
use engraft_train::log::{CsvLog, EventLog, LineLog};
use engraft_train::progress::Progress;
use engraft_train::{CrossValidation, Fit, FitOutcome, Resume};

use crate::commands::folds;
use crate::failure::{Failure, print, say};
use crate::interrupt;
use crate::session::{Session, close_cache};
use crate::text::scores;

pub(crate) fn run(session: &Session) -> Result<(), Failure> {
    let settings = session.model()?;
    if !settings.task().is_trainable() {
        let name = settings.name();
        return Err(Failure::refused(format!(
            "model: {name} only predicts, so there is nothing to fit. Use predict, or a model that learns: SequenceClassification, TokenClassification, SequenceRegression, MLM, CausalLM"
        )));
    }
    let callbacks = session.experiment.trainer.callbacks();
    engraft_train::callback::check(callbacks).map_err(Failure::refused)?;
    if let Some(all) = session.data()?.folds().all() {
        return folds::run(session, all);
    }
    let resume = session.checkpoint()?;
    let resume = resume.map(|folder| claimed(session, &folder)).transpose()?;
    let checkpoint = resume.as_ref().map(Resume::checkpoint);
    let splits = session.rows(Stage::Fit, checkpoint)?;
    let (model, goes_on) = match checkpoint {
        Some(folder) => resumed(session, folder, &splits)?,
        None => (session.build(Some(&splits))?, false),
    };
    let outcome = Training {
        session,
        config: &begun_anew(&session.experiment).to_yaml(),
        splits,
        resume: resume.filter(|_| goes_on),
        fold: None,
        stop: &Stop::default(),
        progress: &mut session.progress(),
    }
    .run(model)?;
    conclude(&outcome)
}

/// A checkpoint to go on from, before anything of it is read.
pub(crate) fn claimed(session: &Session, folder: &Path) -> Result<Resume, Failure> {
    Resume::from(folder, &session.plan).map_err(Failure::refused)
}

/// The model of a checkpoint, and whether its run can go on.
pub(crate) fn resumed(
    session: &Session,
    folder: &Path,
    splits: &Splits,
) -> Result<(Model, bool), Failure> {
    let opened = session.open_checkpoint(folder, Some(splits))?;
    if let (true, Some(train)) = (opened.goes_on, session.training_rows(splits)) {
        let checked = opened.model.check_class_weights(train);
        checked.map_err(Failure::refused)?;
    }
    Ok((opened.model, opened.goes_on))
}

/// A resumed run is the run it goes on with: what reruns it starts at its beginning.
pub(crate) fn begun_anew(experiment: &Experiment) -> Experiment {
    Experiment {
        ckpt_path: None,
        ..experiment.clone()
    }
}

/// What a signal sets, once it is watched for.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    pub(crate) flag: Arc<AtomicBool>,
    watches: AtomicBool,
}

impl Stop {
    /// Watches for signals. Until then there is nothing to save, and a signal ends the program as it would any other.
    fn watch(&self) {
        if !self.watches.swap(true, Ordering::SeqCst) {
            interrupt::watch_with(Arc::clone(&self.flag), interrupt::SAVES);
        }
    }
}

/// One training, of a model that is built already.
pub(crate) struct Training<'a> {
    pub(crate) session: &'a Session,
    /// The experiment that repeats it.
    pub(crate) config: &'a str,
    pub(crate) splits: Splits,
    pub(crate) resume: Option<Resume>,
    pub(crate) fold: Option<(&'a mut CrossValidation, u64)>,
    pub(crate) stop: &'a Stop,
    pub(crate) progress: &'a mut Progress,
}

impl Training<'_> {
    /// Trains and tests.
    pub(crate) fn run(self, model: Model) -> Result<FitOutcome, Failure> {
        let session = self.session;
        let data = session.data()?;
        let started = AtomicBool::new(false);
        let result = engraft_train::fit(
            model,
            Fit {
                training: session.model()?.training(),
                plan: &session.plan,
                callbacks: session.experiment.trainer.callbacks(),
                splits: self.splits,
                batching: data.batching(),
                masking: data.masking(),
                seed: session.experiment.seed_everything.number(),
                config: self.config,
                resume: self.resume,
                fold: self.fold,
                stop: Arc::clone(&self.stop.flag),
                progress: &mut *self.progress,
                started: &mut || {
                    started.store(true, Ordering::Relaxed);
                    self.stop.watch();
                },
            },
        );
        self.progress.clear();
        result.map_err(|error| match started.load(Ordering::Relaxed) {
            true => Failure::Broke(error.to_string()),
            false => Failure::refused(error),
        })
    }
}

/// Ends with the test scores on standard output, and where everything is.
fn conclude(outcome: &FitOutcome) -> Result<(), Failure> {
    stopped(outcome);
    close_cache(&outcome.model);
    if let Some(test) = &outcome.test {
        print(&scores(test))?;
    }
    if let Some(checkpoint) = &outcome.checkpoint {
        say(&format!("checkpoint  {}", checkpoint.display()));
    }
    if let Some(folder) = &outcome.folder {
        for (title, file) in [
            ("log        ", CsvLog::FILE),
            ("log        ", LineLog::FILE),
            ("experiment ", "config.yaml"),
        ] {
            let path = folder.join(file);
            if path.is_file() {
                say(&format!("{title} {}", path.display()));
            }
        }
    }
    if let Some(folder) = outcome
        .folder
        .as_deref()
        .filter(|folder| EventLog::is_in(folder))
    {
        say(&format!(
            "events      {} (tensorboard --logdir)",
            folder.display()
        ));
    }
    if let Some(report) = &outcome.report {
        say(&format!("report      {}", report.display()));
    }
    if !outcome.interrupted {
        return Ok(());
    }
    let go_on = match &outcome.checkpoint {
        Some(_) => "; --ckpt_path last goes on from here",
        None => ", and nothing was kept",
    };
    say(&format!("interrupted after {} steps{go_on}", outcome.steps));
    Err(Failure::Interrupted)
}

/// Says why training ended early, if it did.
pub(crate) fn stopped(outcome: &FitOutcome) {
    if let Some(reason) = &outcome.stopped {
        say(&format!("stopped after {} steps: {reason}", outcome.steps));
    }
}
