//! A model as files: the Hugging Face layout, and beside it `engraft.yaml` with what the task needs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use engraft_component::{Component, FromNode, decode, read_yaml, to_yaml};
use engraft_data::TokenUnit;
use engraft_hub::{Preset, TensorData, TensorToWrite, Weights, atomic, write_safetensors};
use engraft_models::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, Backbone, CacheSettings, Checkpoint, HeadKind, NamedTensor,
    Problem, base_notes,
};

use crate::building::{Building, TrainingRows, initial};
use crate::error::{Error, Result};
use crate::labels::{LabelSpace, MOST_CLASSES};
use crate::model::Model;
use crate::network::{Network, TaskHead};
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

impl Model {
    /// Writes the preset's files into `folder`, which exists: `config.json`, the weights, the tokenizer's files, `engraft.yaml`.
    ///
    /// Weights are in `model.safetensors`; the encoder opens in the reference library, and the head too where it is of the checkpoint's own
    /// kind. With LoRA there is a PEFT adapter beside them.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_preset(&self, network: &Network, form: PresetForm, folder: &Path) -> Result<()> {
        let kind = network.head_kind();
        let is_small = self.leaves_encoder(network, form);
        let head = self.named_head(network);
        let notes = match self.checkpoint.fingerprint() {
            Some(fingerprint) if is_small => {
                BTreeMap::from(base_notes(&self.base_name(), &fingerprint))
            }
            _ => BTreeMap::new(),
        };
        let is_adapted = network.encoder.is_adapted();
        if is_adapted {
            self.write_adapter(network, is_small, &head, &notes, folder)?;
        }
        let mut tensors = Vec::new();
        if !is_small {
            let encoder = &network.encoder;
            tensors.extend(self.checkpoint.named(encoder, HeadKind::None, kind));
            tensors.extend(self.checkpoint.named_constants(kind)?);
        }
        // PEFT keeps heads of the family's own kind beside its updates.
        if !(is_small && is_adapted && kind.is_familys()) {
            tensors.extend(head);
        }
        if !tensors.is_empty() {
            write_safetensors(
                &folder.join(WEIGHTS),
                tensors.into_iter().map(whole),
                &notes,
            )?;
        }

        let (problem, names) = self.own_labels(kind);
        let config = self.checkpoint.config_json(kind, problem, names.as_deref());
        write_json(&folder.join("config.json"), &config)?;
        if !is_small {
            for (name, bytes) in self.tokenizer.files() {
                atomic::write(&folder.join(name), &bytes)?;
            }
        }
        let description = self.description(is_small, is_adapted);
        atomic::write(
            &folder.join(DESCRIPTION),
            to_yaml(&description.to_node()).as_bytes(),
        )?;
        Ok(())
    }

    /// Writes PEFT's two files; a head of the family's own kind goes with the updates.
    fn write_adapter(
        &self,
        network: &Network,
        is_small: bool,
        head: &[NamedTensor],
        notes: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<()> {
        let kind = network.head_kind();
        let heads = match kind {
            HeadKind::MaskedLm => self
                .checkpoint
                .whole_masked_lm(head.to_vec(), &network.encoder),
            kind if kind.is_familys() => head.to_vec(),
            _ => Vec::new(),
        };
        let base = match is_small {
            true => self.base_name(),
            false => HERE.to_owned(),
        };
        // PEFT knows repositories by their bare names.
        let base = base.strip_prefix("hf://").unwrap_or(&base);
        if let Some(config) = self.checkpoint.adapter_config(kind, base, &heads) {
            write_json(&folder.join(ADAPTER_CONFIG), &config)?;
        }
        let updates = self.checkpoint.named_lora(&network.encoder, kind);
        let heads = heads.into_iter().map(Checkpoint::beside_lora);
        let tensors = updates.into_iter().chain(heads).map(whole);
        write_safetensors(&folder.join(ADAPTER_WEIGHTS), tensors, notes)?;
        Ok(())
    }

    /// The head's tensors under the reference library's names, or ours.
    fn named_head(&self, network: &Network) -> Vec<NamedTensor> {
        let kind = network.head_kind();
        match &network.head {
            Some(TaskHead::Adapter(head)) => self.checkpoint.named(head, kind, kind),
            Some(TaskHead::Classifier(head) | TaskHead::TokenClassifier(head)) => {
                self.checkpoint.named(head, kind, kind)
            }
            Some(TaskHead::MaskedLm(head)) => self.checkpoint.named(head, kind, kind),
            None => Vec::new(),
        }
    }

    /// Whether the encoder's weights are left out, being those of its preset.
    fn leaves_encoder(&self, network: &Network, form: PresetForm) -> bool {
        let backbone = self.task.backbone().backbone();
        // An adapter that was added to the weights made them others.
        let is_same = network.encoder.is_adapted() || !self.checkpoint.has_lora();
        let can = backbone.keeps_weights() && self.checkpoint.has_weights() && is_same;
        match form {
            PresetForm::AsTrained => can && backbone.save_peft_only,
            PresetForm::Adapter => can,
            PresetForm::Whole => false,
        }
    }

    /// The name under which the backbone's preset is found again, from wherever the program runs.
    fn base_name(&self) -> String {
        let preset = self.checkpoint.preset();
        let folder = preset.dir().filter(|_| !preset.name().starts_with("hf://"));
        let whole = folder.and_then(|folder| std::fs::canonicalize(folder).ok());
        whole.map_or_else(
            || preset.name().to_owned(),
            |folder| folder.display().to_string(),
        )
    }

    /// What the head of the family's own kind is for, and the names it has in `config.json`.
    fn own_labels(&self, kind: HeadKind) -> (Problem, Option<Vec<String>>) {
        let is_classifier = matches!(
            kind,
            HeadKind::Classification | HeadKind::TokenClassification
        );
        let (problem, names) = match &self.told {
            Told::Classes(space) | Told::TokenClasses(space, _) => {
                (Problem::SingleLabel, Some(space.names_or_numbers()))
            }
            Told::Flags(space) => (Problem::MultiLabel, Some(space.names_or_numbers())),
            Told::Numbers { names, .. } => (Problem::Regression, Some(names.clone())),
            Told::Nothing | Told::Tokens => (Problem::SingleLabel, None),
        };
        (problem, names.filter(|_| is_classifier))
    }

    fn description(&self, is_small: bool, is_adapted: bool) -> Description {
        let mut task = self.task.clone();
        let base = self.base_name();
        let backbone = task.backbone_mut().backbone_mut();
        if is_small {
            backbone.preset = base;
        } else {
            backbone.preset = HERE.into();
            // The overwrites are in the saved config.json.
            backbone.config_overwrites = None;
            // What goes on from this folder cannot rely on it to stay.
            backbone.save_peft_only = false;
        }
        // Where hidden states are kept is no part of a model; that it was trained on such, without dropout, is.
        backbone.cache = CacheSettings {
            enable_cache: backbone.cache.enable_cache,
            ..CacheSettings::default()
        };
        backbone.use_peft &= is_adapted;
        backbone.peft_path = is_adapted.then(|| HERE.to_owned());
        backbone.from_scratch = false;
        if let Task::Embed(embed) = &mut task {
            (embed.pooling, embed.normalize) = (Some(self.pooling), Some(self.normalize));
        }
        let weights = self.class_weights.iter().map(|&weight| f64::from(weight));
        let (names, scaling) = match &self.told {
            Told::Numbers { names, scaling } => (Some(names.clone()), Some(scaling.clone())),
            told => {
                let names = told.labels().and_then(LabelSpace::names);
                (names.map(<[String]>::to_vec), None)
            }
        };
        let (means, deviations) = scaling
            .map(|scaling| (scaling.means, scaling.deviations))
            .unzip();
        Description {
            format: FORMAT,
            engraft: env!("CARGO_PKG_VERSION").into(),
            task,
            classes: self.told.labels().map(LabelSpace::count),
            labels: names,
            class_weights: (!self.class_weights.is_empty()).then(|| weights.collect()),
            words: match &self.told {
                Told::TokenClasses(_, unit) => unit.map(|unit| unit == TokenUnit::Word),
                _ => None,
            },
            means,
            deviations,
        }
    }

    /// The task that a preset was saved with, if it was saved by this library.
    ///
    /// # Errors
    /// The description is damaged or of a later version.
    pub fn saved_task(preset: &Preset) -> Result<Option<Task>> {
        Ok(read_description(preset)?.map(|description| description.task))
    }

    /// Opens a preset that [`Self::write_preset`] wrote.
    ///
    /// # Errors
    /// It was not written by this library, a file is missing or damaged, or the weights do not fit.
    pub fn open(preset: Preset, device: &Device) -> Result<Self> {
        Self::open_with(preset, device, |_| {})
    }

    /// As [`Self::open`], with the saved task adjusted before it is built.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        preset: Preset,
        device: &Device,
        adjust: impl FnOnce(&mut Task),
    ) -> Result<Self> {
        let Some(description) = read_description(&preset)? else {
            return Err(Error::Argument(format!(
                "{} holds no {DESCRIPTION}: it is not a model saved by engraft; name it as model.backbone instead",
                preset.name()
            )));
        };
        let told = description.told().map_err(|problem| {
            Error::Argument(format!("{}: {problem}", preset.locate(DESCRIPTION)))
        })?;
        let mut task = description.task;
        let backbone = task.backbone_mut().backbone_mut();
        let is_whole = backbone.preset == HERE;
        if is_whole {
            backbone.preset = preset.name().to_owned();
        }
        if backbone.peft_path.is_some() {
            backbone.peft_path = Some(preset.name().to_owned());
        }
        adjust(&mut task);
        task.check()?;
        let backbone = task.backbone().backbone();
        let checkpoint = if is_whole {
            backbone.open_preset(preset)?
        } else {
            open_base(backbone, &preset, has_adapter_head(&task))?
        };
        let weights = description.class_weights.unwrap_or_default();
        let building = Building {
            told: Some(told),
            class_weights: weights.into_iter().map(|weight| weight as f32).collect(),
            train: None,
            require_head: true,
            initial: initial(device, 0),
        };
        Self::on(task, checkpoint, building)
    }
}

impl Model {
    /// Puts `task` on the backbone of a checkpoint that may be another task's: its encoder, with its LoRA updates, and what fits of its
    /// head. The second part are notes on what does not.
    ///
    /// # Errors
    /// The encoder does not fit, or whatever [`Self::build`] refuses.
    pub fn adopt(
        task: &Task,
        preset: Preset,
        train: Option<TrainingRows<'_>>,
        device: &Device,
        seed: u64,
    ) -> Result<(Self, Vec<String>)> {
        task.check()?;
        let saved = read_description(&preset)?.map(|description| description.task);
        let mut task = task.clone();
        let backbone = task.backbone_mut().backbone_mut();
        let described = saved.as_ref().map(|saved| saved.backbone().backbone());
        if described.is_some_and(|described| described.peft_path.is_some()) {
            backbone.peft_path = Some(preset.name().to_owned());
        }
        let checkpoint = if Self::lies_elsewhere(saved.as_ref()) {
            let saved = saved.as_ref();
            open_base(backbone, &preset, saved.is_some_and(has_adapter_head))?
        } else {
            backbone.preset = preset.name().to_owned();
            backbone.from_scratch = false;
            // What goes on from this folder cannot rely on it to stay.
            backbone.save_peft_only = false;
            backbone.open_preset(preset.clone())?
        };
        let building = |require_head| Building {
            told: None,
            class_weights: Vec::new(),
            train,
            require_head,
            initial: initial(device, seed),
        };
        match Self::on(task.clone(), checkpoint.clone(), building(true)) {
            Ok(model) => Ok((model, Vec::new())),
            // What else is wrong is wrong again.
            Err(error) => {
                let model = Self::on(task, checkpoint, building(false))?;
                let note = format!(
                    "strict_loading: false: the head starts anew, as that of {} does not fit: {error}",
                    preset.name()
                );
                Ok((model, vec![note]))
            }
        }
    }

    /// Whether a saved task's backbone is another preset than the folder it was saved in.
    pub fn lies_elsewhere(saved: Option<&Task>) -> bool {
        saved.is_some_and(|saved| saved.backbone().backbone().preset != HERE)
    }
}

/// Whether a task's head is one of ours.
fn has_adapter_head(task: &Task) -> bool {
    task.is_trainable() && !task.uses_legacy_adapter()
}

/// Opens the backbone that the weights in `preset` were trained on, with their heads; heads of our own kind have a file of their own.
fn open_base(backbone: &Backbone, preset: &Preset, has_adapter_head: bool) -> Result<Checkpoint> {
    let base = Preset::from_name(backbone.preset_name()).map_err(|error| {
        Error::Argument(format!(
            "the backbone that {} was trained on cannot be opened: {error}. If it is elsewhere, name it as model.backbone",
            preset.name()
        ))
    })?;
    let checkpoint = backbone.open_preset(base)?;
    match preset.dir().map(|folder| folder.join(WEIGHTS)) {
        Some(file) if file.exists() => {
            let weights = Arc::new(Weights::open_file(&file)?);
            Ok(checkpoint.with_heads(weights, preset.name())?)
        }
        _ if has_adapter_head => Err(Error::Argument(format!(
            "{} is missing: it holds the head",
            preset.locate(WEIGHTS)
        ))),
        _ => Ok(checkpoint),
    }
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

/// A tensor as a file holds it.
fn whole(tensor: NamedTensor) -> TensorToWrite<'static> {
    TensorToWrite {
        name: Cow::Owned(tensor.name),
        shape: tensor.shape,
        data: TensorData::F32(Cow::Owned(tensor.values)),
    }
}

fn write_json(path: &Path, object: &serde_json::Map<String, serde_json::Value>) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(object)
        .map_err(|error| Error::Argument(format!("{}: {error}", path.display())))?;
    atomic::write(path, &bytes)?;
    Ok(())
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
