//! Where a run goes on: a checkpoint, and the claim on the run that it lies in.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::layout::{CHECKPOINTS, EXPERIMENT, FOLD, holds_later};
use crate::lock::RunLock;
use crate::settings::Plan;
use crate::snapshot::{self, State};

/// A checkpoint to go on from. The run that it lies in is claimed before anything of it is read, so that no other process writes there between
/// the reading and the going on.
#[derive(Debug)]
pub struct Resume {
    checkpoint: PathBuf,
    run: Option<PathBuf>,
    claim: Option<RunLock>,
}

impl Resume {
    /// Claims the run that `checkpoint` lies in, if it lies in one.
    ///
    /// # Errors
    /// Another process is writing that run, and the checkpoint is its newest or has gone. An older one begins a run of its own.
    pub fn from(checkpoint: &Path, plan: &Plan) -> Result<Self> {
        let run = run_around(checkpoint, plan.version.as_deref());
        let claim = match run.as_deref().map(RunLock::take) {
            Some(Ok(claim)) => Some(claim),
            Some(Err(held @ Error::Held { .. })) => {
                let state = snapshot::read_state(checkpoint);
                if state.is_ok_and(|state| is_older(checkpoint, &state)) {
                    None
                } else {
                    return Err(held);
                }
            }
            // A folder that cannot be written may still be read from; to go on in it fails later.
            Some(Err(_)) | None => None,
        };
        Ok(Self {
            checkpoint: checkpoint.to_owned(),
            run,
            claim,
        })
    }

    /// The checkpoint's folder.
    pub fn checkpoint(&self) -> &Path {
        &self.checkpoint
    }

    /// The run that the checkpoint lies in, if it is its newest: going on from an older one begins a new run, and keeps what came after.
    pub(crate) fn run(&self, state: &State) -> Option<&Path> {
        let run = self.run.as_deref();
        run.filter(|_| !is_older(&self.checkpoint, state))
    }

    /// The claim on `folder`, which is the one that was made where that is the checkpoint's run.
    ///
    /// # Errors
    /// Another process has claimed it, or it cannot be written.
    pub(crate) fn claim(self, folder: &Path) -> Result<RunLock> {
        match self.claim.filter(|claim| claim.is_of(folder)) {
            Some(claim) => Ok(claim),
            None => RunLock::take(folder),
        }
    }
}

/// The folder of the run that a checkpoint lies in, as the user named it where that says enough.
fn run_around(checkpoint: &Path, version: Option<&str>) -> Option<PathBuf> {
    let full = checkpoint.canonicalize().ok()?;
    let checkpoints = full.parent()?;
    let run = checkpoints.parent()?;
    let name = run.file_name()?.to_str()?;
    let is_run = checkpoints.file_name()? == CHECKPOINTS
        && (name.starts_with("version_") || name.starts_with(FOLD) || version == Some(name));
    if !is_run || !run.join(EXPERIMENT).exists() {
        return None;
    }
    let named = checkpoint.parent().and_then(Path::parent);
    let named = named.filter(|run| run.file_name().is_some());
    Some(named.unwrap_or(run).to_owned())
}

/// Whether a checkpoint that was saved later lies beside this one.
fn is_older(checkpoint: &Path, state: &State) -> bool {
    let full = checkpoint.canonicalize();
    let checkpoints = full.as_deref().ok().and_then(Path::parent);
    checkpoints.is_some_and(|checkpoints| holds_later(checkpoints, state))
}
