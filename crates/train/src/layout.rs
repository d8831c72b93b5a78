//! The folders of runs: their names, and which is the newest.
//!
//! `ROOT/version_N` is a run: `config.yaml`, logs, `checkpoints/NAME`. A run of all folds has a `fold_N` for each, laid out as a run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::log::{LogError, log_error};
use crate::snapshot::{State, is_resumable, read_state};

/// Where runs lie unless an experiment says otherwise.
pub const LOGS: &str = "logs";

/// The name of the checkpoint that is replaced at each save.
pub(crate) const LAST: &str = "last";

/// The folder of checkpoints in that of a run.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// The experiment of a run, in its folder.
pub(crate) const EXPERIMENT: &str = "config.yaml";

/// What a run's folder is called before its number.
const VERSION: &str = "version_";

/// What a fold's folder is called before its number.
pub(crate) const FOLD: &str = "fold_";

/// Makes the folder of a new run in `root`: the one named, or `version_N`, one above the highest there is.
///
/// Making the folder is what claims the number, so two runs that start together get two folders.
///
/// # Errors
/// The folder cannot be made, or the one named holds a run.
pub(crate) fn new_version(
    root: &Path,
    named: Option<&str>,
) -> std::result::Result<PathBuf, LogError> {
    fs::create_dir_all(root).map_err(log_error("make the folder", root))?;
    if let Some(named) = named {
        let folder = root.join(named);
        fs::create_dir_all(&folder).map_err(log_error("make the folder", &folder))?;
        let mut entries = fs::read_dir(&folder).map_err(log_error("read the folder", &folder))?;
        return match entries.next() {
            None => Ok(folder),
            Some(_) => Err(LogError::Taken { folder }),
        };
    }
    let entries = fs::read_dir(root).map_err(log_error("read the folder", root))?;
    let taken = entries.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?.strip_prefix(VERSION)?.parse::<u64>().ok()
    });
    let mut version = taken.max().map_or(0, |highest| highest.saturating_add(1));
    loop {
        let folder = root.join(format!("{VERSION}{version}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists && version < u64::MAX => {
                version += 1
            }
            Err(source) => return Err(log_error("make the folder", &folder)(source)),
        }
    }
}

/// The newest checkpoint, the one with most steps, of the newest run under `root`, or of the run whose folder `root` is. Of a run of all
/// folds, that of `fold`, or else of the last fold that has one.
///
/// # Errors
/// There is none.
pub fn newest(root: &Path, fold: Option<u64>) -> Result<PathBuf> {
    let newest = newest_of(root, fold).or_else(|| {
        let runs = versions(root);
        runs.iter().rev().find_map(|run| newest_of(run, fold))
    });
    newest.ok_or_else(|| {
        Error::checkpoint(
            root,
            "holds no run with a checkpoint; name one with ckpt_path",
        )
    })
}

/// The folder of runs, `root` or one below it, whose newest checkpoint was written last; none if there is no checkpoint.
///
/// Numbers of runs say which is newer within one folder alone.
pub fn newest_root(root: &Path) -> Option<PathBuf> {
    /// As deep as experiments are sorted by people.
    const DEPTH: usize = 3;
    let mut found = Vec::new();
    let mut level = vec![root.to_owned()];
    for _ in 0..DEPTH {
        let mut next = Vec::new();
        for folder in level {
            let is_run = |path: &PathBuf| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(VERSION))
            };
            next.extend(folders(&folder).into_iter().filter(|path| !is_run(path)));
            if let Ok(newest) = newest(&folder, None) {
                let written = fs::metadata(newest).and_then(|it| it.modified()).ok();
                found.push((written, folder));
            }
        }
        level = next;
    }
    found.into_iter().max().map(|(_, folder)| folder)
}

/// The newest checkpoint of the run in a folder, if it is one's; of a run of all folds as [`newest`] says.
pub fn newest_of(run: &Path, fold: Option<u64>) -> Option<PathBuf> {
    in_run(&run.join("checkpoints")).or_else(|| {
        let folds = folds_in(run).into_iter().rev();
        let wanted = folds.filter(|own| fold.is_none_or(|fold| fold == *own));
        wanted
            .map(|own| fold_folder(run, own).join("checkpoints"))
            .find_map(|checkpoints| in_run(&checkpoints))
    })
}

/// The folders of the runs under `root`, the newest last.
pub(crate) fn versions(root: &Path) -> Vec<PathBuf> {
    let runs = folders(root).into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        let number: u64 = name.strip_prefix(VERSION)?.parse().ok()?;
        Some((number, path))
    });
    let mut runs: Vec<_> = runs.collect();
    runs.sort();
    runs.into_iter().map(|(_, run)| run).collect()
}

/// The newest checkpoint that can be resumed, if there is one.
pub(crate) fn newest_resumable(checkpoints: &Path) -> Option<PathBuf> {
    in_run(checkpoints).filter(|newest| is_resumable(newest))
}

/// The newest checkpoint of a run, one that can be resumed if there is any.
fn in_run(checkpoints: &Path) -> Option<PathBuf> {
    let states = folders(checkpoints)
        .into_iter()
        .filter_map(|path| Some((is_resumable(&path), read_state(&path).ok()?.age(), path)));
    states.max().map(|(_, _, path)| path)
}

/// Whether a folder holds a checkpoint that was saved after `state` and from which a run can go on. Weights alone that a run saved before it
/// died are saved again.
pub(crate) fn holds_later(checkpoints: &Path, state: &State) -> bool {
    let states = folders(checkpoints)
        .into_iter()
        .filter(|path| is_resumable(path))
        .filter_map(|path| read_state(&path).ok());
    states.map(|other| other.age()).any(|age| age > state.age())
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let visible = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| !name.starts_with('.'))
    };
    entries
        .filter(|path| path.is_dir() && visible(path))
        .collect()
}

/// The newest run of all folds under `root`, or the one whose folder `root` is.
///
/// # Errors
/// There is none.
pub fn newest_cross_validation(root: &Path) -> Result<PathBuf> {
    let mut runs = versions(root);
    runs.push(root.to_owned());
    runs.reverse();
    let newest = runs.into_iter().find(|run| is_cross_validation(run));
    newest.ok_or_else(|| {
        Error::checkpoint(
            root,
            "holds no run of all folds; leave ckpt_path out to begin one",
        )
    })
}

/// Whether a folder is that of a run of all folds.
pub fn is_cross_validation(folder: &Path) -> bool {
    !folds_in(folder).is_empty()
}

/// The folds that were begun in the folder of a run, in ascending order.
pub(crate) fn folds_in(run: &Path) -> Vec<u64> {
    let entries = std::fs::read_dir(run).into_iter().flatten().flatten();
    let mut folds: Vec<u64> = entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix(FOLD)?.parse().ok())
        .collect();
    folds.sort_unstable();
    folds
}

/// The folder of a fold.
pub(crate) fn fold_folder(run: &Path, fold: u64) -> PathBuf {
    run.join(format!("{FOLD}{fold}"))
}
