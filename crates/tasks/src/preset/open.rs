//! Opening a preset, as the model it was saved as or as what another task starts from.

use std::path::Path;
use std::sync::Arc;

use engraft_hub::{Preset, Weights};
use engraft_models::{Checkpoint, Compute};

use super::{DESCRIPTION, HERE, WEIGHTS, hash_of_other, place_of_other, read_description};
use crate::backbone::{Backbone, Cuts};
use crate::building::{Building, TrainingRows};
use crate::error::{Error, Result};
use crate::several::{OtherBackbone, argument};
use crate::spec::Model;
use crate::task::Task;

impl Model {
    /// The task that a preset was saved with, if it was saved by this library.
    ///
    /// # Errors
    /// The description is damaged or of a later version.
    pub fn saved_task(preset: &Preset) -> Result<Option<Task>> {
        Ok(read_description(preset)?.map(|description| description.task))
    }

    /// Opens a preset that [`TaskSpec::write_preset`](crate::TaskSpec::write_preset) wrote.
    ///
    /// # Errors
    /// It was not written by this library, a file is missing or damaged, or the weights do not fit.
    pub fn open(preset: Preset, compute: &Compute) -> Result<Self> {
        Self::open_with(preset, compute, |_| {})
    }

    /// As [`Self::open`], with the saved task adjusted before it is built.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        preset: Preset,
        compute: &Compute,
        adjust: impl FnOnce(&mut Task),
    ) -> Result<Self> {
        Self::opened(preset, compute, Cuts::No, adjust)
    }

    /// As [`Self::open_with`]; rows without a length are cut to the positions that the model has.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_to_cut(
        preset: Preset,
        compute: &Compute,
        adjust: impl FnOnce(&mut Task),
    ) -> Result<Self> {
        Self::opened(preset, compute, Cuts::ToPositions, adjust)
    }

    fn opened(
        preset: Preset,
        compute: &Compute,
        cuts: Cuts,
        adjust: impl FnOnce(&mut Task),
    ) -> Result<Self> {
        let Some(description) = read_description(&preset)? else {
            return Err(Error::plain(format!(
                "{} holds no {DESCRIPTION}: it is not a model saved by engraft; name it as model.backbone instead",
                preset.name()
            )));
        };
        let place = preset.locate(DESCRIPTION);
        let mut task = description.task;
        let backbone = task.backbone_mut().backbone_mut();
        let is_whole = backbone.preset == HERE;
        if is_whole {
            backbone.preset = preset.name().to_owned();
        }
        if backbone.peft_path.is_some() {
            backbone.peft_path = Some(preset.name().to_owned());
        }
        for (slot, number) in task.others_mut().into_iter().zip(1..) {
            let described = slot.backbone().clone();
            take_over(slot.backbone_mut(), &described, &preset, number);
        }
        adjust(&mut task);
        task.check()?;
        let backbone = task.backbone().backbone();
        let folder = preset.dir().map(Path::to_path_buf);
        let checkpoint = if is_whole {
            backbone.open_preset(preset)?
        } else {
            open_base(backbone, &preset, has_adapter_head(&task))?
        };
        let building = Building {
            learned: Some(&description.learned),
            run: None,
            train: None,
            require_head: true,
            cuts,
            compute,
            seed: 0,
        };
        let model = Self::on(task, checkpoint, building).map_err(|error| match error {
            Error::Saved(problem) => Error::plain(format!("{place}: {problem}")),
            other => other,
        })?;
        check_beside(&model.spec.others, folder.as_deref())?;
        Ok(model)
    }

    /// Refuses a saved model whose backbone lies elsewhere and is not the one it was trained on, before weights are read; the saved task is
    /// adjusted before.
    ///
    /// # Errors
    /// The backbone cannot be opened, or has other weights.
    pub fn check_base(preset: &Preset, adjust: impl FnOnce(&mut Task)) -> Result<()> {
        let Some(mut task) = Self::saved_task(preset)? else {
            return Ok(());
        };
        if !Self::lies_elsewhere(Some(&task)) {
            return Ok(());
        }
        let backbone = task.backbone_mut().backbone_mut();
        if backbone.peft_path.is_some() {
            backbone.peft_path = Some(preset.name().to_owned());
        }
        adjust(&mut task);
        let has_adapter_head = has_adapter_head(&task);
        open_base(task.backbone().backbone(), preset, has_adapter_head).map(drop)
    }

    /// Puts `task` on the backbone of a checkpoint that may be another task's: its encoder, with its LoRA updates, and what fits of its
    /// head. The second part are notes on what does not.
    ///
    /// # Errors
    /// The encoder does not fit, or whatever [`Self::build`] refuses.
    pub fn adopt(
        task: &Task,
        preset: Preset,
        train: Option<TrainingRows<'_>>,
        compute: &Compute,
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
        let described = saved.as_ref().map(|saved| saved.others());
        let described = described.into_iter().flatten().zip(1..);
        for (slot, (described, number)) in task.others_mut().into_iter().zip(described) {
            take_over(slot.backbone_mut(), described.backbone(), &preset, number);
        }
        let building = |require_head| Building {
            learned: None,
            run: None,
            train,
            require_head,
            cuts: Cuts::No,
            compute,
            seed,
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

/// Refuses backbones beside the first that have other weights than those a model was trained on, where a preset holds none of them.
fn check_beside(others: &[OtherBackbone], folder: Option<&Path>) -> Result<()> {
    let file = folder.map(|folder| folder.join(WEIGHTS));
    let Some(file) = file.filter(|file| !others.is_empty() && file.is_file()) else {
        return Ok(());
    };
    let weights = Weights::open_file(&file)?;
    for other in others {
        let Some(trained_on) = weights.notes().get(&hash_of_other(other.number)) else {
            continue;
        };
        if other.checkpoint.fingerprint().as_ref() != Some(trained_on) {
            let problem = format!(
                "{} was trained on other weights than those of {}",
                file.display(),
                other.checkpoint.preset().name()
            );
            let key = format!("model.{}", argument(other.number));
            return Err(Error::refused(&key, problem));
        }
    }
    Ok(())
}

/// Makes backbone `number` beside the first what lies in a preset, if something of it does, as it is described there.
fn take_over(backbone: &mut Backbone, described: &Backbone, preset: &Preset, number: usize) {
    let place = place_of_other(number);
    let folder = preset.dir().map(|folder| folder.join(argument(number)));
    let folder = folder.map(|folder| std::fs::canonicalize(&folder).unwrap_or(folder));
    let Some(folder) = folder.map(|folder| folder.display().to_string()) else {
        return;
    };
    if described.preset == place {
        backbone.preset.clone_from(&folder);
        backbone.from_scratch = false;
        backbone.save_peft_only = false;
    }
    if described.peft_path.as_deref() == Some(&place) {
        backbone.peft_path = Some(folder);
    }
}

/// Whether a task's head is one of ours.
fn has_adapter_head(task: &Task) -> bool {
    task.learns() && !task.uses_checkpoint_head()
}

/// Opens the backbone that the weights in `preset` were trained on, with their heads; heads of our own kind have a file of their own.
fn open_base(backbone: &Backbone, preset: &Preset, has_adapter_head: bool) -> Result<Checkpoint> {
    let base = Preset::from_name(backbone.preset_name()).map_err(|error| {
        Error::plain(format!(
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
        _ if has_adapter_head => Err(Error::plain(format!(
            "{} is missing: it holds the head",
            preset.locate(WEIGHTS)
        ))),
        _ => Ok(checkpoint),
    }
}
