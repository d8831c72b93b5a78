//! `engraft export`: a checkpoint without what only resuming needs, as a preset of its own.

use std::fs;
use std::path::Path;

use engraft_hub::atomic::Folder;
use engraft_tasks::{Model, PresetForm, may_replace};

use crate::arguments::LoraExport;
use crate::failure::{Failure, say};
use crate::session::Session;

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
    let mut model = session.open_checkpoint(&checkpoint, None)?.model;
    let form = form(&mut model, session.lora)?;
    model
        .write_preset(&model.network, form, folder.path())
        .map_err(|error| Failure::Broke(error.to_string()))?;
    folder
        .commit()
        .map_err(|error| Failure::Broke(error.to_string()))?;
    say(&format!("preset  {}", output.display()));
    Ok(())
}

/// How much is written; updates that are to be merged are.
fn form(model: &mut Model, lora: Option<LoraExport>) -> Result<PresetForm, Failure> {
    let is_adapted = model.network.encoder.is_adapted();
    match (lora, is_adapted) {
        (None, true) => Err(Failure::refused(
            "export: the checkpoint has LoRA updates. Give --merge-lora to add them to the weights, or --peft for the adapter alone",
        )),
        (None, false) => Ok(PresetForm::Whole),
        (Some(LoraExport::Merged), true) => {
            model.network.merge_lora();
            Ok(PresetForm::Whole)
        }
        (Some(LoraExport::Adapter), true) => Ok(PresetForm::Adapter),
        (Some(option), false) => Err(Failure::refused(format!(
            "{}: the checkpoint has no LoRA updates; leave it out",
            option.flag()
        ))),
    }
}
