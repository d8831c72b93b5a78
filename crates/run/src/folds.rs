//! Training on all folds of a cross-validation, one after the other.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engraft_component::{FromNode, NoteKind, Refusal};
use engraft_config::{Experiment, Source, compose};
use engraft_data::{Examples, FoldedRows, Splits};
use engraft_train::callback::Callback;
use engraft_train::{CrossValidation, Event, FitOutcome, Fold};

use crate::checkpoint::{KEY, difference};
use crate::error::{Error, Result};
use crate::fit::{OneTraining, begun_anew};
use crate::work::Work;

/// What was trained on the folds of a cross-validation.
#[derive(Debug)]
pub struct Folded {
    /// The folds, their scores and where they are.
    pub folds: CrossValidation,
    /// Where it was stopped, if it was.
    pub broken_off: Option<BrokenOff>,
}

/// Where a cross-validation was stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenOff {
    /// The fold that is not done.
    pub fold: u64,
    /// The optimizer steps that it had done; none if it had not begun.
    pub steps: Option<u64>,
}

impl Work<'_> {
    /// Trains on all folds.
    pub(crate) fn fit_folds(&mut self, all: Range<u64>, stop: &Arc<AtomicBool>) -> Result<Folded> {
        self.check_places()?;
        let session = self.session;
        let mut whole = begun_anew(&session.experiment);
        let begun = self.run_to_go_on(&mut whole)?;
        let file = whole.ckpt_path.as_ref().map(Path::new);
        self.check_backbone(file)?;
        let config = whole.to_yaml();
        let mut folds = match begun {
            Some(folder) => CrossValidation::go_on(&folder, &session.plan, all.end, &config)
                .map_err(Error::before)?,
            None => CrossValidation::new(&session.plan, all.end, &config),
        };
        let rows = self.data()?.load_folds().map_err(Error::before)?;
        for text in &rows.notes {
            self.note(NoteKind::Data, text);
        }
        let mut has_begun = false;
        for fold in all {
            if let Some(scores) = folds.scores(fold) {
                let state = Fold::Before(scores);
                self.observer.event(Event::Fold { fold, state });
                continue;
            }
            if has_begun && stop.load(Ordering::SeqCst) {
                let broken_off = Some(BrokenOff { fold, steps: None });
                return Ok(Folded { folds, broken_off });
            }
            let outcome = self.train_fold(&whole, &rows, fold, &mut folds, stop, has_begun);
            // Once a fold was trained, whatever goes wrong breaks a run.
            let outcome = outcome.map_err(|error| match error {
                Error::Refused(refusal) if has_begun => session.located(refusal).late(),
                error => error,
            })?;
            has_begun = true;
            if outcome.interrupted {
                let steps = Some(outcome.steps);
                let broken_off = Some(BrokenOff { fold, steps });
                return Ok(Folded { folds, broken_off });
            }
            folds.finish(fold, &outcome)?;
        }
        Ok(Folded {
            folds,
            broken_off: None,
        })
    }

    /// Trains on one fold, from its newest checkpoint if it has one; else from the weights of another program's run, if `whole` names some.
    fn train_fold(
        &mut self,
        whole: &Experiment,
        rows: &FoldedRows,
        fold: u64,
        folds: &mut CrossValidation,
        stop: &Arc<AtomicBool>,
        is_later: bool,
    ) -> Result<FitOutcome> {
        let splits = rows.splits(fold).map_err(Error::before)?;
        if !is_later {
            for text in &splits.notes {
                self.note(NoteKind::Data, text);
            }
        }
        let state = Fold::Begins(counted(&splits));
        self.observer.event(Event::Fold { fold, state });
        let checkpoint = folds.checkpoint(fold);
        let resume = checkpoint.map(|folder| self.claimed(&folder));
        let resume = resume.transpose()?;
        let model = match (&resume, &whole.ckpt_path) {
            (Some(resume), _) => self.resumed(resume.checkpoint(), &splits)?.0,
            (None, Some(file)) => self.open_file(Path::new(file), Some(&splits), !is_later)?,
            (None, None) if is_later => self.build_silently(Some(&splits))?,
            (None, None) => self.build(Some(&splits))?,
        };
        let mut alone = whole.clone();
        alone.data = alone.data.map(|data| data.with_test_fold(fold));
        let training = OneTraining {
            config: &alone.to_yaml(),
            splits,
            resume,
            fold: Some((folds, fold)),
            stop,
        };
        self.train(model, training)
    }

    /// Refuses a folder of checkpoints that all folds would share.
    fn check_places(&self) -> Result<()> {
        let callbacks = self.session.experiment.trainer.callbacks().iter();
        let mut places = callbacks.filter_map(|callback| match callback {
            Callback::ModelCheckpoint(keeper) => keeper.dirpath.as_deref(),
            _ => None,
        });
        match places.next() {
            None => Ok(()),
            Some(place) => Err(Error::of(
                "trainer.callbacks",
                format!(
                    "ModelCheckpoint: dirpath: all folds would keep their checkpoints in {}. Remove it, and each keeps them in its own folder, or fit one fold with data.cv_test_fold_id",
                    place.display()
                ),
            )),
        }
    }

    /// The folder of the run that is to be gone on with, which must be one of the same experiment; `whole` then begins with the weights that it
    /// began with.
    fn run_to_go_on(&mut self, whole: &mut Experiment) -> Result<Option<PathBuf>> {
        let session = self.session;
        let named = session.experiment.ckpt_path.as_ref();
        let Some(named) = named.filter(|_| whole.ckpt_path.is_none()) else {
            return Ok(None);
        };
        let folder = if named == "last" {
            let newest = engraft_train::newest_cross_validation(&session.plan.root);
            let newest = newest.map_err(|error| Error::within(KEY, error))?;
            self.is_last(&newest);
            newest
        } else {
            PathBuf::from(named)
        };
        if !engraft_train::is_cross_validation(&folder) {
            return Err(Error::of(
                KEY,
                format!(
                    "{} is not the folder of a run of all folds, such as logs/version_0. To begin every fold from a checkpoint's weights, name it as model.backbone; to go on with one fold, give data.cv_test_fold_id",
                    folder.display()
                ),
            ));
        }
        let saved = saved_experiment(&folder);
        let saved = saved.map_err(|error| Error::within(KEY, engraft_tasks::Error::from(error)))?;
        whole.ckpt_path.clone_from(&saved.ckpt_path);
        let mut wanted = whole.clone();
        // Where a run lies and how it looks are no part of what it computes.
        let trainer = &mut wanted.trainer;
        trainer
            .default_root_dir
            .clone_from(&saved.trainer.default_root_dir);
        trainer.enable_progress_bar = saved.trainer.enable_progress_bar;
        if wanted != saved {
            let difference = difference(&wanted.to_node(), &saved.to_node(), "");
            return Err(Error::of(
                KEY,
                format!(
                    "{} was begun with another experiment{}. Go on with the same, so that all folds are trained alike, or begin anew without {KEY}",
                    folder.display(),
                    difference.unwrap_or_default()
                ),
            ));
        }
        Ok(Some(folder))
    }
}

/// How many rows there are to train, validate and test on.
fn counted(splits: &Splits) -> [usize; 3] {
    let splits = [&splits.train, &splits.valid, &splits.test];
    splits.map(|split| split.as_ref().map_or(0, Examples::len))
}

/// The experiment that a run of all folds was begun with.
fn saved_experiment(folder: &Path) -> std::result::Result<Experiment, Refusal> {
    let composed = compose(&[Source::File(folder.join("config.yaml"))])?;
    Experiment::read(&composed).map(|(experiment, _)| experiment)
}
