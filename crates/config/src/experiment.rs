//! The whole of an experiment file as typed values.

use engraft_component::{Component, Context, FromNode, Note, NoteKind, Refusal, to_yaml};
use engraft_data::{Compat, DataModule};
use engraft_tasks::Task;
use engraft_train::Trainer;

use crate::checks;
use crate::compose::Composed;
use crate::explain::explain;
use crate::model::Model;
use crate::seed::Seed;

/// A run of any kind: what is computed, on which rows, and how.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "experiment")]
#[component(ignored(return_predictions = "predictions go into the file named by --output"))]
pub struct Experiment {
    /// Seed of every random draw: a whole number, or true for 0; false draws one, which is saved with the run.
    #[arg(default)]
    pub seed_everything: Seed,
    /// The task, with its backbone, its head and how they are trained.
    pub model: Option<Model>,
    /// The rows.
    pub data: Option<DataModule>,
    /// How long to train, how often to validate, and what to keep.
    #[arg(default)]
    pub trainer: Trainer,
    /// `mgen`: results as ModelGenerator has them where they differ from what is right, in a task and a data module that take `compat`.
    pub compat: Option<Compat>,
    /// A checkpoint's folder, or `last` for the newest of all runs: what to go on from, or to use.
    pub ckpt_path: Option<String>,
}

impl Experiment {
    /// Reads what was composed; the second part are the notes, those of composing first.
    ///
    /// All that can be told without opening a file is checked.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place and key.
    pub fn read(composed: &Composed) -> Result<(Self, Vec<Note>), Refusal> {
        checks::places(&composed.root)?;
        let mut cx = Context::new();
        let mut experiment = Self::from_node(&composed.root, &mut cx).map_err(explain)?;
        checks::values(&experiment, &composed.root)?;
        let mut notes = composed.notes.clone();
        notes.extend(cx.into_notes());
        notes.extend(experiment.spread_compat());
        Ok((experiment, notes))
    }

    /// Hands `compat` on to the model and the data, where it stands from then on; says so if neither takes it. Without a model it waits for the
    /// one that is opened.
    fn spread_compat(&mut self) -> Option<Note> {
        let compat = self.compat?;
        if let Some(own) = self.data.as_mut().and_then(DataModule::compat_mut) {
            *own = Some(compat);
        }
        let mut task = self.model.as_ref()?.task();
        self.compat = None;
        if let Some(own) = task.compat_mut() {
            *own = Some(compat);
        }
        let note = self.unused_compat(&task);
        self.model = self.model.take().map(|model| model.with_task(task));
        note
    }

    /// That `compat` changes nothing, where neither `task` nor the data takes it.
    pub fn unused_compat(&self, task: &Task) -> Option<Note> {
        let by_data = self.data.as_ref().and_then(DataModule::compat);
        let text =
            "compat: mgen changes nothing here: neither the task nor the data module takes it";
        (task.compat().or(by_data).is_none()).then(|| Note::new(NoteKind::Model, text))
    }

    /// The resolved experiment: every argument with its value, defaults included, so that reading it gives the same one.
    pub fn to_yaml(&self) -> String {
        to_yaml(&self.to_node())
    }

    /// What was refused later, at the place where the user wrote its key in what was composed, or else the nearest group around it.
    ///
    /// A refusal that has a place, or of whose key nothing was written, stays as it is.
    pub fn locate(composed: &Composed, refusal: Refusal) -> Refusal {
        checks::locate(&composed.root, refusal)
    }
}

#[cfg(test)]
mod tests;
