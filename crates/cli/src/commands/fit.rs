//! `engraft fit`: trains, tests at the end, and says where everything is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engraft_component::Choice;
use engraft_config::Experiment;
use engraft_data::Stage;
use engraft_train::log::{CsvLog, EventLog, LineLog};
use engraft_train::{Fit, FitOutcome};

use crate::failure::{Failure, print, say};
use crate::interrupt;
use crate::session::{Session, close_cache};
use crate::text::scores;

pub(crate) fn run(session: &Session) -> Result<(), Failure> {
    let settings = session.model()?;
    if !settings.task().is_trainable() {
        let name = settings.name();
        return Err(Failure::refused(format!(
            "model: {name} only predicts, so there is nothing to fit. Use predict, or a model that learns: SequenceClassification, TokenClassification, SequenceRegression, MLM"
        )));
    }
    let callbacks = session.experiment.trainer.callbacks();
    engraft_train::callback::check(callbacks).map_err(Failure::refused)?;
    let data = session.data()?;
    let resume = session.checkpoint()?;
    let splits = session.rows(Stage::Fit)?;
    let (model, resume) = match resume {
        Some(folder) => {
            let opened = session.open_checkpoint(&folder, splits.train.as_ref())?;
            (opened.model, Some(folder).filter(|_| opened.goes_on))
        }
        None => (session.build(splits.train.as_ref())?, None),
    };

    // A resumed run is the run it goes on with: what reruns it starts at its beginning.
    let whole = Experiment {
        ckpt_path: None,
        ..session.experiment.clone()
    };
    let started = AtomicBool::new(false);
    let stop = Arc::new(AtomicBool::new(false));
    let mut progress = session.progress();
    let result = engraft_train::fit(
        model,
        Fit {
            training: settings.training(),
            plan: &session.plan,
            callbacks,
            splits,
            batching: data.batching(),
            masking: data.masking(),
            seed: session.experiment.seed_everything.number(),
            config: &whole.to_yaml(),
            resume: resume.as_deref(),
            stop: Arc::clone(&stop),
            progress: &mut progress,
            // Until then there is nothing to save, and a signal ends the program as it would any other.
            started: &mut || {
                started.store(true, Ordering::Relaxed);
                interrupt::watch_with(Arc::clone(&stop), interrupt::SAVES);
            },
        },
    );
    progress.clear();
    let outcome = result.map_err(|error| match started.load(Ordering::Relaxed) {
        true => Failure::Broke(error.to_string()),
        false => Failure::refused(error),
    })?;
    conclude(&outcome)
}

/// Ends with the test scores on standard output, and where everything is.
fn conclude(outcome: &FitOutcome) -> Result<(), Failure> {
    if let Some(reason) = &outcome.stopped {
        say(&format!("stopped after {} steps: {reason}", outcome.steps));
    }
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
            "events       {} (tensorboard --logdir)",
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
