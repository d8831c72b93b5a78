//! `engraft export`: a checkpoint without what only resuming needs, as a preset of its own.

use std::fs;
use std::path::Path;

use engraft_hub::atomic::Folder;
use engraft_tasks::{Model, may_replace};

use crate::failure::{Failure, say};
use crate::session::{Session, in_checkpoint, preset_in};

pub(crate) fn run(session: &Session) -> Result<(), Failure> {
    let output = session.output.as_deref();
    let output = output
        .ok_or_else(|| Failure::refused("export requires --output DIR, the preset's folder"))?;
    let checkpoint = session.checkpoint()?.ok_or_else(|| {
        Failure::refused("export requires --ckpt_path DIR, the checkpoint to export, or last")
    })?;
    may_replace(output).map_err(|error| Failure::refused(format!("--output: {error}")))?;
    let inside = |path: &Path| fs::canonicalize(path).ok();
    if inside(output).is_some() && inside(output) == inside(&checkpoint) {
        return Err(Failure::refused(
            "--output: the checkpoint itself cannot be its own export. Name another folder",
        ));
    }
    let folder = Folder::create(output);
    let folder = folder.map_err(|error| Failure::refused(format!("--output: {error}")))?;
    let model = Model::open(preset_in(&checkpoint)?, &Default::default()).map_err(in_checkpoint)?;
    model
        .write_preset(&model.network, folder.path())
        .map_err(|error| Failure::Broke(error.to_string()))?;
    folder
        .commit()
        .map_err(|error| Failure::Broke(error.to_string()))?;
    say(&format!("preset  {}", output.display()));
    Ok(())
}
