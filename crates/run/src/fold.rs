//! Which fold of a cross-validation is meant.

use std::fs;
use std::path::Path;

use engraft_config::{Experiment, Source, compose};
use engraft_data::DataModule;

use crate::error::{Error, Result};

/// The key that says which fold is meant.
const KEY: &str = "data.cv_test_fold_id";

/// The fold that is tested: the one that is asked for, else the one that the checkpoint was trained for. None without cross-validation.
///
/// A checkpoint that was trained for another fold has seen this one's rows, so that its scores would say nothing: it is refused.
pub(crate) fn meant(data: &DataModule, checkpoint: Option<&Path>) -> Result<Option<u64>> {
    let Some(count) = data.folds().count() else {
        return Ok(None);
    };
    let trained = checkpoint.and_then(|folder| trained_for(folder, data));
    match (data.folds().cv_test_fold_id, trained, checkpoint) {
        (Some(asked), Some(trained), Some(checkpoint)) if asked != trained => {
            let problem = format!(
                "{} was trained for fold {trained}, so it has seen rows of fold {asked}. Leave cv_test_fold_id out, or set data.cv_num_folds to 1 to take every row",
                checkpoint.display()
            );
            Err(Error::of(KEY, problem))
        }
        (Some(asked), ..) => Ok(Some(asked)),
        (None, Some(trained), _) => Ok(Some(trained)),
        (None, None, _) => {
            let unknown = match checkpoint {
                Some(folder) => format!(
                    ", and {} does not say for which of these folds it was trained",
                    folder.display()
                ),
                None => String::new(),
            };
            let problem = format!(
                "missing{unknown}. Give a fold from 0 to {}, or set data.cv_num_folds to 1 to take every row",
                count - 1
            );
            Err(Error::of(KEY, problem))
        }
    }
}

/// The fold that a checkpoint was trained for, if the same rows were divided into the same folds.
fn trained_for(checkpoint: &Path, data: &DataModule) -> Option<u64> {
    let saved = trained_on(checkpoint)?;
    let (own, its) = (data.source(), saved.source());
    let is_same_seed = data.folds().cv_fold_id_col.is_some() || own.random_seed == its.random_seed;
    let is_same =
        is_same_path(data, &saved) && is_same_seed && data.folds().divide_as(saved.folds());
    saved.folds().cv_test_fold_id.filter(|_| is_same)
}

/// Whether a checkpoint was trained on rows of the one file whose rows are all taken now.
pub(crate) fn has_seen(data: &DataModule, checkpoint: &Path) -> bool {
    let takes_all = data.folds().count().is_none() && data.source().path.is_file();
    takes_all && trained_on(checkpoint).is_some_and(|saved| is_same_path(data, &saved))
}

/// The data that a checkpoint was trained on.
fn trained_on(checkpoint: &Path) -> Option<DataModule> {
    let file = checkpoint.join("training").join("config.yaml");
    if !file.is_file() {
        return None;
    }
    let composed = compose(&[Source::File(file)]).ok()?;
    let (experiment, _) = Experiment::read(&composed).ok()?;
    experiment.data
}

fn is_same_path(data: &DataModule, saved: &DataModule) -> bool {
    let (own, its) = (&data.source().path, &saved.source().path);
    match (fs::canonicalize(own), fs::canonicalize(its)) {
        (Ok(own), Ok(its)) => own == its,
        _ => own == its,
    }
}
