//! Opening a model from the checkpoint file of a ModelGenerator run, which holds weights and not what they are of.

use std::collections::BTreeSet;
use std::sync::Arc;

use engraft_component::Refusal;
use engraft_hub::{Preset, Weights};
use engraft_models::{Checkpoint, Compute, HeadUse, RunFile};

use crate::backbone::Cuts;
use crate::building::{Building, TrainingRows};
use crate::error::{Error, Result};
use crate::learned::Learned;
use crate::several::argument;
use crate::spec::Model;
use crate::task::Task;

/// How many names a message spells out.
const SHOWN: usize = 8;

impl Model {
    /// Puts `task` on its backbone, with the weights of a run's file: the encoder's where the file has them, the head's, and what the task had
    /// learned of its training rows. `train` are rows to train on, whose labels may name the classes; with `is_strict`, the head must be there
    /// and fit, else it starts anew where it does not. The second part are notes on what was taken and what was not.
    ///
    /// # Errors
    /// The backbone cannot be read, or the file does not fit the task.
    pub fn open_run(
        task: &Task,
        run: &RunFile,
        train: Option<TrainingRows<'_>>,
        compute: &Compute,
        seed: u64,
        is_strict: bool,
    ) -> Result<(Self, Vec<String>)> {
        task.check()?;
        let mut task = task.clone();
        let backbone = task.backbone().backbone();
        backbone.check()?;
        let preset = Preset::from_name(backbone.preset_name());
        let preset = preset.map_err(|error| Refusal::of("model.backbone", error.to_string()))?;
        let checkpoint = backbone.open_run(preset, run, 0, is_strict)?;
        let uses = HeadUse {
            is_checkpoints: task.uses_checkpoint_head(),
            takes_last_output: task.takes_last_output(),
        };
        let heads = Arc::new(run.heads(checkpoint.config().family, uses));
        let checkpoint = checkpoint.with_heads(Arc::clone(&heads), run.name())?;
        take_over(&mut task, run);
        let mut taken = Taken::default();
        let learned = taken.learned(&task, run, train)?;
        let building = |require_head| Building {
            learned: learned.as_ref(),
            run: Some(run),
            train,
            require_head,
            cuts: Cuts::No,
            compute,
            seed,
        };
        let needs_head = task.learns() || task.uses_checkpoint_head();
        let opened = Self::on(task.clone(), checkpoint.clone(), building(needs_head));
        let opened = opened.and_then(|model| {
            // Under the other name of a checkpoint's own head is the same once more.
            if task.learns() && !task.uses_checkpoint_head() {
                unread(run, &heads, model.spec.checkpoint())?;
            }
            Ok(model)
        });
        let model = match opened {
            Ok(model) => model,
            Err(error) if is_strict => {
                return Err(match error {
                    Error::Saved(problem) => Error::plain(format!("{}: {problem}", run.name())),
                    other => other,
                });
            }
            // What else is wrong is wrong again.
            Err(error) => {
                let model = Self::on(task, checkpoint, building(false))?;
                taken.notes.push(format!(
                    "strict_loading: false: the head starts anew, as that of {} does not fit: {error}",
                    run.name()
                ));
                model
            }
        };
        taken.say(run, &model, &heads);
        Ok((model, taken.notes))
    }
}

/// What a task takes of a run's file beside its tensors.
#[derive(Clone, Debug, Default)]
pub struct OfRun {
    /// What it had learned of its training rows.
    pub learned: Option<Learned>,
    /// What that is, in words.
    pub taken: Option<String>,
    /// What else is to be said.
    pub note: Option<String>,
}

/// What was taken of a file beside its tensors, and what is to be said of it all.
#[derive(Default)]
struct Taken {
    parts: Vec<String>,
    uses_scaler: bool,
    notes: Vec<String>,
}

impl Taken {
    /// What the task had learned of its training rows, as far as the file says.
    fn learned(
        &mut self,
        task: &Task,
        run: &RunFile,
        train: Option<TrainingRows<'_>>,
    ) -> Result<Option<Learned>> {
        let labels = train.and_then(|train| train.examples.labels.as_ref());
        let OfRun {
            learned,
            taken,
            note,
        } = task.of_run(run, labels)?;
        self.parts.extend(taken);
        self.notes.extend(note);
        self.uses_scaler = learned.as_ref().is_some_and(|it| it.means.is_some());
        Ok(learned)
    }

    /// Says what was taken and what was not.
    fn say(&mut self, run: &RunFile, model: &Model, heads: &Weights) {
        let checkpoint = model.spec.checkpoint();
        let count = 1 + model.spec.others.len();
        let mut parts = Vec::new();
        for number in 0..count {
            let of = if count == 1 {
                String::new()
            } else {
                format!(" of {}", argument(number))
            };
            match (run.has_encoder(number), run.has_updates(number)) {
                (true, true) => parts.push(format!("the encoder{of} with its LoRA updates")),
                (true, false) => parts.push(format!("the encoder{of}")),
                (false, true) => parts.push(format!("the LoRA updates of the encoder{of}")),
                (false, false) => {}
            }
        }
        let read = heads
            .iter()
            .filter(|it| has_read(heads, checkpoint, it.name()));
        let read: BTreeSet<String> = read.map(|it| it.name().to_owned()).collect();
        match read.len() {
            0 => {}
            1 => parts.push("1 tensor of the head".to_owned()),
            count => parts.push(format!("{count} tensors of the head")),
        }
        parts.append(&mut self.parts);
        let parts = match parts.as_slice() {
            [] => "nothing".to_owned(),
            [only] => only.clone(),
            [all @ .., last] => format!("{} and {last}", all.join(", ")),
        };
        self.notes.insert(
            0,
            format!(
                "taken from {}: {parts}; not its optimizer's state, its step and its settings",
                run.name()
            ),
        );
        let mut others = run.others(count);
        if !self.uses_scaler && matches!(run.scaler(), Ok(Some(_))) {
            others.push("scaler._mean, scaler._std");
        }
        if !others.is_empty() {
            let more = match others.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            others.truncate(SHOWN);
            let others = others.join(", ");
            let text = format!("not taken from {}: {others}{more}", run.name());
            self.notes.push(text);
        }
    }
}

/// Makes a task one that is saved whole where its weights lie in a file that need not stay.
fn take_over(task: &mut Task, run: &RunFile) {
    if run.has_encoder(0) {
        let backbone = task.backbone_mut().backbone_mut();
        backbone.from_scratch = false;
        backbone.save_peft_only = false;
    }
    for (slot, number) in task.others_mut().into_iter().zip(1..) {
        if run.has_encoder(number) {
            let backbone = slot.backbone_mut();
            backbone.from_scratch = false;
            backbone.save_peft_only = false;
        }
    }
}

/// Whether a tensor of the file was read, by whichever of the names that it has among `heads`.
fn has_read(heads: &Weights, checkpoint: &Checkpoint, stored: &str) -> bool {
    let mut names = heads.names();
    names.any(|name| {
        let is_it = heads
            .get(name)
            .is_some_and(|tensor| tensor.name() == stored);
        is_it && checkpoint.has_read(name)
    })
}

/// Refuses a file with tensors of a head that the task's has no place for.
fn unread(run: &RunFile, heads: &Weights, checkpoint: &Checkpoint) -> Result<()> {
    // A projection that is tied to the embeddings is stored and is no parameter of the head.
    let is_tied = |name: &str| name.ends_with(".decoder.weight") || run.repeats(name);
    let mut names = run.head_names();
    let left = names.find(|name| !has_read(heads, checkpoint, name) && !is_tied(name));
    let Some(left) = left else {
        return Ok(());
    };
    let problem = format!(
        "{} does not fit the experiment's model: its head has {left}, for which the experiment's has no place; the file has {}",
        run.name(),
        run.shown_head()
    );
    Err(Refusal::plain(problem)
        .help("Give the model and adapter that the run was trained with")
        .into())
}

#[cfg(test)]
mod tests;
