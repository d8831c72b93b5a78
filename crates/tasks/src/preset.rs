//! A model as files: the Hugging Face layout, and beside it `engraft.yaml` with what the task needs.

use std::borrow::Cow;
use std::path::Path;

use burn::tensor::Device;
use engraft_component::{Component, FromNode, decode, read_yaml, to_yaml};
use engraft_hub::{Preset, TensorData, TensorToWrite, atomic, write_safetensors};
use engraft_kernels::Key;
use engraft_models::{HeadKind, Initial, NamedTensor};

use crate::error::{Error, Result};
use crate::labels::LabelSpace;
use crate::model::{Building, Model};
use crate::network::{Network, TaskHead};
use crate::task::Task;

/// The file that makes a Hugging Face folder a preset of ours.
const DESCRIPTION: &str = "engraft.yaml";

/// The version of that file's layout.
const FORMAT: u64 = 1;

/// What a preset says of its task.
#[derive(Clone, Debug, PartialEq, Component)]
struct Description {
    /// Version of this layout.
    format: u64,
    /// Version of the program that wrote it.
    engraft: String,
    /// The task; its backbone is this folder.
    task: Task,
    /// Number of classes.
    classes: Option<usize>,
    /// Names of the classes, in order.
    labels: Option<Vec<String>>,
    /// What each class weighs in the loss, where classes are weighed.
    class_weights: Option<Vec<f64>>,
}

impl Model {
    /// Writes the preset's files into `folder`, which exists: `config.json`, `model.safetensors`, the tokenizer's files, `engraft.yaml`.
    ///
    /// The encoder opens in the reference library, and the head too where it is of the checkpoint's own kind.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_preset(&self, network: &Network, folder: &Path) -> Result<()> {
        let kind = network.head_kind();
        let mut tensors = self
            .checkpoint
            .named(&network.encoder, HeadKind::None, kind);
        match &network.head {
            Some(TaskHead::Adapter(head)) => {
                tensors.extend(self.checkpoint.named(head, kind, kind))
            }
            Some(TaskHead::Classifier(head)) => {
                tensors.extend(self.checkpoint.named(head, kind, kind))
            }
            Some(TaskHead::MaskedLm(head)) => {
                tensors.extend(self.checkpoint.named(head, kind, kind))
            }
            None => {}
        }
        let tensors = tensors.into_iter().map(
            |NamedTensor {
                 name,
                 shape,
                 values,
             }| TensorToWrite {
                name: Cow::Owned(name),
                shape,
                data: TensorData::F32(Cow::Owned(values)),
            },
        );
        write_safetensors(
            &folder.join("model.safetensors"),
            tensors,
            &Default::default(),
        )?;

        let own = (kind == HeadKind::Classification)
            .then(|| self.labels.as_ref().map(LabelSpace::names_or_numbers))
            .flatten();
        let config = self.checkpoint.config_json(kind, own.as_deref());
        let config = serde_json::to_vec_pretty(&config)
            .map_err(|error| Error::Argument(format!("config.json: {error}")))?;
        atomic::write(&folder.join("config.json"), &config)?;
        for (name, bytes) in self.tokenizer.files() {
            atomic::write(&folder.join(name), &bytes)?;
        }
        atomic::write(
            &folder.join(DESCRIPTION),
            to_yaml(&self.description().to_node()).as_bytes(),
        )?;
        Ok(())
    }

    fn description(&self) -> Description {
        let mut task = self.task.clone();
        let backbone = task.backbone_mut().backbone_mut();
        backbone.preset = ".".into();
        // The overwrites are in the saved config.json, and the weights are no longer fresh.
        backbone.config_overwrites = None;
        backbone.from_scratch = false;
        if let Task::Embed(embed) = &mut task {
            (embed.pooling, embed.normalize) = (Some(self.pooling()), Some(self.normalizes()));
        }
        let weights = !self.class_weights.is_empty();
        Description {
            format: FORMAT,
            engraft: env!("CARGO_PKG_VERSION").into(),
            task,
            classes: self.labels.as_ref().map(LabelSpace::count),
            labels: self
                .labels
                .as_ref()
                .and_then(|labels| labels.names().map(<[String]>::to_vec)),
            class_weights: weights.then(|| {
                self.class_weights
                    .iter()
                    .map(|&weight| f64::from(weight))
                    .collect()
            }),
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
        let mut task = description.task;
        task.backbone_mut().backbone_mut().preset = preset.name().to_owned();
        adjust(&mut task);
        task.check()?;
        let weights = description.class_weights.unwrap_or_default();
        let labels = description
            .classes
            .map(|count| LabelSpace::new(count, description.labels));
        let checkpoint = task.backbone().backbone().open_preset(preset)?;
        let initial = Initial {
            device: device.clone(),
            key: Key::new(0),
        };
        Self::on(
            task,
            checkpoint,
            Building {
                labels,
                class_weights: weights.into_iter().map(|weight| weight as f32).collect(),
                train: None,
                require_head: true,
                initial,
            },
        )
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
