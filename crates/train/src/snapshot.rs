//! A checkpoint: a preset that predicts by itself, and in its folder `training/` what a run needs to go on as if nothing had happened.

mod optimizer;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use engraft_hub::atomic;
use engraft_tasks::metrics::{Mean, exact};
use engraft_tasks::{Model, Network, PresetForm};
use serde::{Deserialize, Serialize};

use crate::callback::{KeeperState, Moment, StopperState};
use crate::error::{Error, Result};
use crate::optimizer::OptimizerState;
use crate::schedule::PlateauState;

pub(crate) use optimizer::read_optimizer;

/// The folder beside the preset's files.
const FOLDER: &str = "training";
/// The layout's version.
const FORMAT: u64 = 1;

/// Where a run stands, and all that is not weights or moments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) format: u64,
    pub(crate) position: Position,
    pub(crate) signature: Signature,
    /// Of the present epoch: what the progress shows and the epoch's end logs.
    pub(crate) loss: Mean,
    pub(crate) accuracy: Mean,
    /// The latest value of every metric.
    pub(crate) metrics: Vec<Metric>,
    /// Seconds that the run has taken, where they are limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) elapsed: Option<f64>,
    /// Whether the validation after its latest step was broken off and is to be done.
    #[serde(default)]
    pub(crate) owes_validation: bool,
    /// What each ModelCheckpoint remembers, by its settings.
    pub(crate) keepers: Vec<(String, KeeperState)>,
    /// What each EarlyStopping remembers, by its settings.
    pub(crate) stoppers: Vec<(String, StopperState)>,
    /// What ReduceLROnPlateau remembers, if that is the schedule.
    #[serde(default)]
    pub(crate) plateau: Option<PlateauState>,
    /// Why training is to end, if an EarlyStopping has decided so.
    pub(crate) stopped: Option<String>,
    /// The moment at which it was saved; callbacks due at the same moment may not have acted yet.
    pub(crate) moment: Option<Moment>,
    /// How many checkpoints the run had saved before: what orders those of one step.
    pub(crate) saves: u64,
    /// Rows of each log when the checkpoint was made.
    pub(crate) log_rows: BTreeMap<String, u64>,
    /// Names of the checkpoints beside it that are removed once this one is complete.
    pub(crate) leaving: Vec<String>,
}

/// A metric by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Metric {
    pub(crate) name: String,
    #[serde(with = "exact")]
    pub(crate) value: f64,
}

/// The data cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The epoch, from 0.
    pub(crate) epoch: u64,
    /// Micro-batches of the epoch that are done.
    pub(crate) batch: u64,
    /// Micro-batches of the run that are done.
    pub(crate) seen: u64,
    /// Optimizer steps done.
    pub(crate) step: u64,
}

/// What a resumed run must share with the one that wrote the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signature {
    /// Must be equal: name and value of what decides which rows come when.
    pub(crate) data: BTreeMap<String, String>,
    /// Should be equal, for results equal to the bit.
    pub(crate) machine: BTreeMap<String, String>,
}

impl Signature {
    pub(crate) fn machine() -> BTreeMap<String, String> {
        let program = std::env::current_exe().ok().and_then(|path| {
            let about = std::fs::metadata(path).ok()?;
            let modified = about
                .modified()
                .ok()?
                .duration_since(std::time::UNIX_EPOCH)
                .ok()?;
            Some(format!("{} bytes of {}", about.len(), modified.as_secs()))
        });
        let processor = std::fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|text| {
                let line = text.lines().find(|line| line.starts_with("model name"))?;
                Some(line.split_once(':')?.1.trim().to_owned())
            });
        BTreeMap::from([
            ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("program".to_owned(), program.unwrap_or_default()),
            (
                "processor".to_owned(),
                processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            ),
            (
                "threads".to_owned(),
                rayon::current_num_threads().to_string(),
            ),
        ])
    }

    /// Refuses a resumed run whose rows would come otherwise; the notes tell what may cost equality to the bit.
    pub(crate) fn check(&self, now: &Self, checkpoint: &Path) -> Result<Vec<String>> {
        for (name, was) in &self.data {
            let is = now.data.get(name).map_or("", String::as_str);
            if is != was {
                return Err(refuse(
                    checkpoint,
                    format!(
                        "the run was started with {name} {was} and cannot go on with {is}; give the same, or start anew from its weights"
                    ),
                ));
            }
        }
        let differing = self
            .machine
            .iter()
            .filter(|(name, was)| now.machine.get(*name) != Some(was));
        Ok(differing
            .map(|(name, was)| {
                let is = now.machine.get(name).map_or("", String::as_str);
                format!("{name}: {was} before, {is} now: results may differ in the last bits from an uninterrupted run")
            })
            .collect())
    }
}

fn refuse(checkpoint: &Path, problem: impl Into<String>) -> Error {
    Error::Checkpoint {
        checkpoint: checkpoint.display().to_string(),
        problem: problem.into(),
    }
}

/// Writes a checkpoint to `path`: complete or absent.
pub(crate) fn save(
    path: &Path,
    model: &Model,
    network: &Network,
    optimizer: Option<&OptimizerState>,
    state: &State,
    config: &str,
) -> Result<()> {
    let folder = atomic::Folder::create(path)?;
    model.write_preset(network, PresetForm::AsTrained, folder.path())?;
    let training = folder.path().join(FOLDER);
    std::fs::create_dir(&training)
        .map_err(|error| refuse(path, format!("cannot create {FOLDER}: {error}")))?;
    if let Some(optimizer) = optimizer {
        optimizer::write(&training, optimizer)?;
    }
    let json = serde_json::to_vec_pretty(state)
        .map_err(|error| refuse(path, format!("the state cannot be written: {error}")))?;
    atomic::write(&training.join("state.json"), &json)?;
    atomic::write(&training.join("config.yaml"), config.as_bytes())?;
    folder.commit()?;
    Ok(())
}

/// Reads a checkpoint's state.
///
/// # Errors
/// It has none (only weights were saved), or it is damaged.
pub(crate) fn read_state(path: &Path) -> Result<State> {
    let file = path.join(FOLDER).join("state.json");
    let bytes = std::fs::read(&file).map_err(|error| {
        refuse(
            path,
            format!("cannot be resumed: {}: {error}", file.display()),
        )
    })?;
    let state: State = serde_json::from_slice(&bytes)
        .map_err(|error| refuse(path, format!("{} is damaged: {error}", file.display())))?;
    let names = state
        .keepers
        .iter()
        .flat_map(|(_, keeper)| keeper.kept.iter().map(|kept| &kept.name));
    if let Some(name) = names
        .chain(&state.leaving)
        .find(|name| !is_plain_name(name))
    {
        return Err(refuse(
            path,
            format!(
                "{} names {name:?}, which is no folder beside it",
                file.display()
            ),
        ));
    }
    if state.format > FORMAT {
        return Err(refuse(path, "was written by a later version of engraft"));
    }
    Ok(state)
}

impl State {
    pub(crate) const FORMAT: u64 = FORMAT;

    /// What orders the checkpoints of a run.
    fn age(&self) -> [u64; 4] {
        let Position {
            step, seen, epoch, ..
        } = self.position;
        [step, seen, epoch, self.saves]
    }
}

/// The newest checkpoint, the one with most steps, of the newest run under `root`, or of the run whose folder `root` is.
///
/// # Errors
/// There is none.
pub fn newest(root: &Path) -> Result<PathBuf> {
    let runs = folders(root).into_iter().filter_map(|path| {
        let number: u64 = path
            .file_name()?
            .to_str()?
            .strip_prefix("version_")?
            .parse()
            .ok()?;
        Some((number, path))
    });
    let mut runs: Vec<_> = runs.collect();
    runs.sort();
    let newest = in_run(&root.join("checkpoints")).or_else(|| {
        let mut newest_first = runs.into_iter().rev();
        newest_first.find_map(|(_, run)| in_run(&run.join("checkpoints")))
    });
    newest.ok_or_else(|| {
        refuse(
            root,
            "holds no run with a checkpoint; name one with --ckpt_path FOLDER",
        )
    })
}

/// The newest checkpoint of a run, one that can be resumed if there is any.
fn in_run(checkpoints: &Path) -> Option<PathBuf> {
    let states = folders(checkpoints).into_iter().filter_map(|path| {
        let resumable = path.join(FOLDER).join(optimizer::FILE).exists();
        Some((resumable, read_state(&path).ok()?.age(), path))
    });
    states.max().map(|(_, _, path)| path)
}

/// Whether a folder holds a checkpoint that was saved after `state`.
pub(crate) fn holds_later(checkpoints: &Path, state: &State) -> bool {
    let states = folders(checkpoints)
        .into_iter()
        .filter_map(|path| read_state(&path).ok());
    states.map(|other| other.age()).any(|age| age > state.age())
}

/// Whether a name from a file is the name of something beside it, and not a way out.
fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    )
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
