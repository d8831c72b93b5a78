//! A model as files: the Hugging Face layout, and beside it `engraft.yaml` with what the task needs.

mod open;
mod run;
mod write;

use std::path::Path;

use engraft_component::{Component, decode, read_yaml};
use engraft_hub::Preset;

use crate::error::{Error, Result};
use crate::learned::Learned;
use crate::several::argument;
use crate::task::Task;

pub use run::OfRun;

/// The file that makes a Hugging Face folder a preset of ours.
const DESCRIPTION: &str = "engraft.yaml";

/// The weights of a preset that are not a PEFT adapter's.
const WEIGHTS: &str = "model.safetensors";

/// What stands for a preset's own folder.
const HERE: &str = ".";

/// What stands for the folder within a preset's own that holds backbone `number` of a task with several.
fn place_of_other(number: usize) -> String {
    format!("{HERE}/{}", argument(number))
}

/// The note beside the weights that says on which of backbone `number`'s a model was trained, where these are not written.
fn hash_of_other(number: usize) -> String {
    format!("{}_fingerprint", argument(number))
}

/// The version of that file's layout.
const FORMAT: u64 = 2;

/// What a preset says of its task.
#[derive(Clone, Debug, PartialEq, Component)]
struct Description {
    /// Version of this layout.
    format: u64,
    /// Version of the program that wrote it.
    engraft: String,
    /// The task; its backbone is this folder, or the preset that the weights here were trained on.
    task: Task,
    /// What was learned of the training rows beside the weights.
    #[arg(flatten)]
    learned: Learned,
}

/// How much of a model a preset holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresetForm {
    /// What training changed, if the backbone's `save_peft_only` says so and its weights stay as they are, else everything. Such a preset
    /// is opened on the backbone it was trained on.
    AsTrained,
    /// Everything.
    Whole,
    /// What training changed, where the backbone's weights stay as they are.
    Adapter,
}

/// Refuses to put a preset in the place of a folder that holds something else: all of it would be lost.
///
/// # Errors
/// The folder is neither absent, nor empty, nor a preset of this library.
pub fn may_replace(folder: &Path) -> Result<()> {
    let Ok(mut entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    let is_preset = folder.join("config.json").is_file() && folder.join(DESCRIPTION).is_file();
    if is_preset || entries.next().is_none() {
        return Ok(());
    }
    Err(Error::plain(format!(
        "the folder {} holds something else than a preset, which would be lost. Name another folder",
        folder.display()
    )))
}

fn read_description(preset: &Preset) -> Result<Option<Description>> {
    let Some(bytes) = preset.read(DESCRIPTION)? else {
        return Ok(None);
    };
    let place = preset.locate(DESCRIPTION);
    let (description, _) = decode::<Description>(&read_yaml(&bytes, &place)?)?;
    if description.format > FORMAT {
        return Err(Error::plain(format!(
            "{place}: written by engraft {} in a later layout; this is engraft {}",
            description.engraft,
            env!("CARGO_PKG_VERSION")
        )));
    }
    Ok(Some(description))
}

#[cfg(test)]
mod tests;
