//! A checkpoint: a preset that predicts by itself, and in its folder `training/` what a run needs to go on as if nothing had happened.

mod optimizer;

use std::collections::BTreeMap;
use std::path::{Component, Path};

use engraft_files::atomic;
use engraft_tasks::metrics::{Mean, exact};
use engraft_tasks::{Network, PresetForm, TaskSpec};
use serde::{Deserialize, Serialize};

use crate::callback::{KeeperState, Moment, StopperState};
use crate::error::{Error, Result};
use crate::optimizer::OptimizerState;
use crate::schedule::PlateauState;
use crate::signature::Signature;

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
    /// The epoch of the latest validation.
    #[serde(default)]
    pub(crate) validated: Option<u64>,
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

/// All that a checkpoint is made of.
pub(crate) struct Present<'a> {
    pub(crate) spec: &'a TaskSpec,
    pub(crate) network: &'a Network,
    /// None for weights alone.
    pub(crate) optimizer: Option<&'a OptimizerState>,
    pub(crate) state: State,
    /// The experiment as it was resolved.
    pub(crate) config: &'a str,
}

/// Writes a checkpoint to `path`: complete or absent.
pub(crate) fn save(path: &Path, present: &Present<'_>) -> Result<()> {
    let Present {
        spec,
        network,
        optimizer,
        state,
        config,
    } = present;
    let folder = atomic::Folder::create(path)?;
    spec.write_preset(network, PresetForm::AsTrained, folder.path())?;
    let training = folder.path().join(FOLDER);
    std::fs::create_dir(&training)
        .map_err(|error| Error::checkpoint(path, format!("cannot create {FOLDER}: {error}")))?;
    if let Some(optimizer) = optimizer {
        optimizer::write(&training, optimizer)?;
    }
    let json = serde_json::to_vec_pretty(state).map_err(|error| {
        Error::checkpoint(path, format!("the state cannot be written: {error}"))
    })?;
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
        let problem = if error.kind() == std::io::ErrorKind::NotFound {
            "holds a model without the state of its training, as exports do, so that it cannot be resumed. Train on from its weights by \
             naming it as model.backbone"
                .to_owned()
        } else {
            format!("cannot be resumed: {}: {error}", file.display())
        };
        Error::checkpoint(path, problem)
    })?;
    let state: State = serde_json::from_slice(&bytes).map_err(|error| {
        Error::checkpoint(path, format!("{} is damaged: {error}", file.display()))
    })?;
    let names = state
        .keepers
        .iter()
        .flat_map(|(_, keeper)| keeper.kept.iter().map(|kept| &kept.name));
    if let Some(name) = names
        .chain(&state.leaving)
        .find(|name| !is_plain_name(name))
    {
        return Err(Error::checkpoint(
            path,
            format!(
                "{} names {name:?}, which is no folder beside it",
                file.display()
            ),
        ));
    }
    if state.format > FORMAT {
        return Err(Error::checkpoint(
            path,
            "was written by a later version of engraft",
        ));
    }
    Ok(state)
}

/// Whether a checkpoint holds what training needs to go on from it.
pub(crate) fn is_resumable(checkpoint: &Path) -> bool {
    let optimizer = checkpoint.join(FOLDER).join(optimizer::FILE);
    optimizer.exists()
}

/// Whether a name from a file is the name of something beside it, and not a way out.
fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    )
}

impl State {
    pub(crate) const FORMAT: u64 = FORMAT;

    /// What orders the checkpoints of a run.
    pub(crate) fn age(&self) -> [u64; 4] {
        let Position {
            step, seen, epoch, ..
        } = self.position;
        [step, seen, epoch, self.saves]
    }
}
