//! A model as files: the Hugging Face layout, and beside it `engraft.yaml` with what the task needs.

mod open;
mod write;

use std::path::Path;

use engraft_component::{Component, decode, read_yaml};
use engraft_data::TokenUnit;
use engraft_hub::Preset;

use crate::error::{Error, Result};
use crate::labels::{LabelSpace, MOST_CLASSES};
use crate::scaling::Scaling;
use crate::task::Task;
use crate::told::Told;

/// The file that makes a Hugging Face folder a preset of ours.
const DESCRIPTION: &str = "engraft.yaml";

/// The weights of a preset that are not a PEFT adapter's.
const WEIGHTS: &str = "model.safetensors";

/// What stands for a preset's own folder.
const HERE: &str = ".";

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
    /// Number of classes.
    classes: Option<usize>,
    /// Names of the classes or of the numbers, in order.
    labels: Option<Vec<String>>,
    /// What each class weighs in the loss, where classes are weighed.
    class_weights: Option<Vec<f64>>,
    /// Whether words have a class each, and not letters.
    words: Option<bool>,
    /// The mean of each number over the training rows.
    means: Option<Vec<f64>>,
    /// Its standard deviation.
    deviations: Option<Vec<f64>>,
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

impl Description {
    /// What the model tells.
    ///
    /// # Errors
    /// What is wrong with the description.
    fn told(&self) -> std::result::Result<Told, String> {
        let space = || match self.classes {
            Some(count @ 1..=MOST_CLASSES) => Ok(LabelSpace::new(count, self.labels.clone())),
            other => Err(format!("classes: expected their number, found {other:?}")),
        };
        let told = match &self.task {
            Task::SequenceClassification(task) if task.multilabel => Told::Flags(space()?),
            Task::SequenceClassification(_) => Told::Classes(space()?),
            Task::TokenClassification(_) => {
                let unit = match self.words {
                    Some(true) => Some(TokenUnit::Word),
                    Some(false) => Some(TokenUnit::Letter),
                    None => None,
                };
                Told::TokenClasses(space()?, unit)
            }
            Task::SequenceRegression(task) => {
                let outputs = task.num_outputs;
                let names = self.labels.clone().unwrap_or_default();
                let (means, deviations) = (self.means.clone(), self.deviations.clone());
                match (means, deviations) {
                    (Some(means), Some(deviations))
                        if [names.len(), means.len(), deviations.len()] == [outputs; 3] =>
                    {
                        let scaling = Scaling { means, deviations };
                        Told::Numbers { names, scaling }
                    }
                    _ => {
                        return Err(format!(
                            "expected {outputs} labels, means and deviations, one for each number"
                        ));
                    }
                }
            }
            Task::MLM(_) => Told::Tokens,
            Task::CausalLM(_) => Told::NextTokens,
            Task::Embed(_) | Task::Inference(_) => Told::Nothing,
        };
        match &self.class_weights {
            Some(weights) if told.labels().map(LabelSpace::count) != Some(weights.len()) => Err(
                format!("class_weights: {} for other classes", weights.len()),
            ),
            _ => Ok(told),
        }
    }
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
    Err(Error::Argument(format!(
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
        return Err(Error::Argument(format!(
            "{place}: written by engraft {} in a later layout; this is engraft {}",
            description.engraft,
            env!("CARGO_PKG_VERSION")
        )));
    }
    Ok(Some(description))
}

#[cfg(test)]
mod tests;
