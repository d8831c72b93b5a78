//! `engraft fit` on all folds of a cross-validation, one after the other, and what they scored.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use engraft_component::FromNode;
use engraft_config::{Experiment, Source, compose};
use engraft_data::{Examples, FoldedRows, Splits};
use engraft_report::number;
use engraft_train::callback::Callback;
use engraft_train::{CrossValidation, FitOutcome};

use crate::commands::fit::{Stop, Training, begun_anew, claimed, resumed, stopped};
use crate::failure::{Failure, note, print, say};
use crate::session::{Session, close_cache, difference, in_data};
use crate::text::spreads;

pub(crate) fn run(session: &Session, all: Range<u64>) -> Result<(), Failure> {
    check_places(session)?;
    let whole = begun_anew(&session.experiment);
    let config = whole.to_yaml();
    let mut folds = match to_go_on(session, &whole)? {
        Some(folder) => CrossValidation::go_on(&folder, &session.plan, all.end, &config)
            .map_err(Failure::refused)?,
        None => CrossValidation::new(&session.plan, all.end, &config),
    };
    let rows = session.data()?.load_folds().map_err(in_data)?;
    rows.notes.iter().for_each(|text| note(text));
    let stop = Stop::default();
    let mut has_begun = false;
    for fold in all {
        if let Some(scores) = folds.scores(fold) {
            say(&format!("fold {fold}: {} (done before)", inline(scores)));
            continue;
        }
        if has_begun && stop.flag.load(Ordering::SeqCst) {
            say(&format!(
                "interrupted before fold {fold}{}",
                goes_on(&folds)
            ));
            return Err(Failure::Interrupted);
        }
        let outcome = train(session, &rows, fold, &mut folds, &stop, has_begun);
        // Once a fold was trained, whatever goes wrong breaks a run.
        let outcome = outcome.map_err(|failure| match failure {
            Failure::Refused(message) if has_begun => Failure::Broke(message),
            other => other,
        })?;
        has_begun = true;
        stopped(&outcome);
        close_cache(&outcome.model);
        if outcome.interrupted {
            let (steps, goes_on) = (outcome.steps, goes_on(&folds));
            say(&format!(
                "interrupted after {steps} steps of fold {fold}{goes_on}"
            ));
            return Err(Failure::Interrupted);
        }
        folds.finish(fold, &outcome)?;
    }
    conclude(&folds)
}

/// How an interrupted run goes on.
fn goes_on(folds: &CrossValidation) -> &'static str {
    match folds.folder() {
        Some(_) => "; --ckpt_path last goes on from here",
        None => ", and nothing was kept",
    }
}

/// Trains on one fold, from its newest checkpoint if it has one.
fn train(
    session: &Session,
    rows: &FoldedRows,
    fold: u64,
    folds: &mut CrossValidation,
    stop: &Stop,
    is_later: bool,
) -> Result<FitOutcome, Failure> {
    let splits = rows.splits(fold).map_err(in_data)?;
    if !is_later {
        splits.notes.iter().for_each(|text| note(text));
    }
    say(&format!("fold {fold}: {}", counted(&splits)));
    let checkpoint = folds.checkpoint(fold);
    let resume = checkpoint.map(|folder| claimed(session, &folder));
    let resume = resume.transpose()?;
    let model = match (&resume, is_later) {
        (Some(resume), _) => resumed(session, resume.checkpoint(), &splits)?.0,
        (None, false) => session.build(Some(&splits))?,
        (None, true) => session.build_silently(Some(&splits))?,
    };
    let alone = begun_anew(&session.experiment);
    let data = alone.data.map(|data| data.with_test_fold(fold));
    let alone = Experiment { data, ..alone };
    Training {
        session,
        config: &alone.to_yaml(),
        splits,
        resume,
        fold: Some((folds, fold)),
        stop,
        progress: &mut session.progress(),
    }
    .run(model)
}

/// `63 rows to train, 21 to validate, 22 to test`.
fn counted(splits: &Splits) -> String {
    let rows = |split: &Option<Examples>| split.as_ref().map_or(0, Examples::len);
    format!(
        "{} rows to train, {} to validate, {} to test",
        rows(&splits.train),
        rows(&splits.valid),
        rows(&splits.test)
    )
}

/// The first scores in one line; the table has all.
fn inline(scores: &[(String, f64)]) -> String {
    const SHOWN: usize = 6;
    let scores = scores.iter().take(SHOWN);
    let scores: Vec<String> = scores
        .map(|(name, score)| format!("{name} {}", number(*score)))
        .collect();
    scores.join(", ")
}

/// Refuses a folder of checkpoints that all folds would share.
fn check_places(session: &Session) -> Result<(), Failure> {
    let callbacks = session.experiment.trainer.callbacks().iter();
    let mut places = callbacks.filter_map(|callback| match callback {
        Callback::ModelCheckpoint(keeper) => keeper.dirpath.as_deref(),
        _ => None,
    });
    match places.next() {
        None => Ok(()),
        Some(place) => Err(Failure::refused(format!(
            "trainer.callbacks: ModelCheckpoint: dirpath: all folds would keep their checkpoints in {}. Remove it, and each keeps them in its own folder, or fit one fold with data.cv_test_fold_id",
            place.display()
        ))),
    }
}

/// The folder of the run that is to be gone on with, which must be one of the same experiment.
fn to_go_on(session: &Session, whole: &Experiment) -> Result<Option<PathBuf>, Failure> {
    let refuse = |problem: String| Failure::refused(format!("ckpt_path: {problem}"));
    let Some(named) = &session.experiment.ckpt_path else {
        return Ok(None);
    };
    let folder = if named == "last" {
        let newest = engraft_train::newest_cross_validation(&session.plan.root);
        let newest = newest.map_err(|error| refuse(error.to_string()))?;
        note(&format!("ckpt_path: last is {}", newest.display()));
        newest
    } else {
        PathBuf::from(named)
    };
    if !engraft_train::is_cross_validation(&folder) {
        return Err(refuse(format!(
            "{} is not the folder of a run of all folds, such as logs/version_0. To begin every fold from a checkpoint's weights, name it as model.backbone; to go on with one fold, give data.cv_test_fold_id",
            folder.display()
        )));
    }
    let saved = saved_experiment(&folder).map_err(|error| refuse(error.to_string()))?;
    let mut wanted = whole.clone();
    // Where a run lies and how it looks are no part of what it computes.
    let trainer = &mut wanted.trainer;
    trainer
        .default_root_dir
        .clone_from(&saved.trainer.default_root_dir);
    trainer.enable_progress_bar = saved.trainer.enable_progress_bar;
    if wanted != saved {
        let difference = difference(&wanted.to_node(), &saved.to_node(), "").unwrap_or_default();
        return Err(refuse(format!(
            "{} was begun with another experiment{difference}. Go on with the same, so that all folds are trained alike, or begin anew without --ckpt_path",
            folder.display()
        )));
    }
    Ok(Some(folder))
}

/// The experiment that a run of all folds was begun with.
fn saved_experiment(folder: &Path) -> Result<Experiment, engraft_component::Refusal> {
    let composed = compose(&[Source::File(folder.join("config.yaml"))])?;
    Experiment::read(&composed).map(|(experiment, _)| experiment)
}

/// Ends with mean and spread on standard output, and where everything is.
fn conclude(folds: &CrossValidation) -> Result<(), Failure> {
    print(&spreads(&folds.spreads()))?;
    if let Some(table) = folds.table() {
        say(&format!(
            "folds       {} (scores and checkpoint of each)",
            table.display()
        ));
    }
    if let Some(folder) = folds.folder() {
        let config = folder.join("config.yaml");
        say(&format!("experiment  {}", config.display()));
        let reports = folder.join("fold_0").join("report.html");
        if reports.is_file() {
            let each = folder.join("fold_*").join("report.html");
            say(&format!("reports     {}", each.display()));
        }
    }
    Ok(())
}
