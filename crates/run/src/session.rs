//! An experiment that was read and is to be run.

use engraft_component::{Choice, Mistake, Note, NoteKind, Refusal};
use engraft_config::{Composed, Experiment, Seed};
use engraft_data::DataModule;
use engraft_tasks::Task;
use engraft_train::{Observer, Plan};

use crate::checkpoint::KEY;
use crate::error::{Error, Result};
use crate::work::{Purpose, Work};

/// An experiment that was read and is to be run, any number of times.
///
/// Its methods are the commands of the program. Each tells an observer what happens; none prints anything.
#[derive(Debug)]
pub struct Session {
    pub(crate) experiment: Experiment,
    pub(crate) plan: Plan,
    plan_notes: Vec<String>,
    pub(crate) composed: Composed,
}

impl Session {
    /// Reads an experiment that was [composed](crate::compose_for), for its purpose or any other. A seed that is left to chance is drawn here, once for all that the
    /// session runs.
    ///
    /// # Errors
    /// A key is unknown, missing or wrong.
    pub fn open(composed: Composed, observer: &mut dyn Observer) -> Result<Self> {
        let (mut experiment, notes) = Experiment::read(&composed)?;
        notes.into_iter().for_each(|note| observer.note(note));
        if experiment.seed_everything == Seed::Fresh {
            let seed = experiment.seed_everything.number();
            observer.note(Note::of(
                NoteKind::Setting,
                "seed_everything",
                format!("false: this run has the seed {seed}"),
            ));
            experiment.seed_everything = Seed::Fixed(seed);
        }
        let plan = experiment.trainer.plan();
        let (plan, plan_notes) = plan.map_err(|refusal| Experiment::locate(&composed, refusal))?;
        Ok(Self {
            experiment,
            plan,
            plan_notes,
            composed,
        })
    }

    /// The experiment, with every default filled in.
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// What its trainer means.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Does `work` for a purpose; what it refuses is put where the user wrote it.
    pub(crate) fn work<T>(
        &self,
        purpose: Purpose,
        observer: &mut dyn Observer,
        work: impl FnOnce(&mut Work<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut ground = Work {
            session: self,
            purpose,
            observer,
        };
        let done = self.check(purpose).and_then(|()| {
            self.advise(&mut ground);
            work(&mut ground)
        });
        done.map_err(|error| match error {
            Error::Refused(refusal) => self.located(refusal),
            other => other,
        })
    }

    /// A refusal, put where the user wrote what is refused.
    pub(crate) fn located(&self, refusal: Refusal) -> Error {
        Error::Refused(Experiment::locate(&self.composed, refusal))
    }

    /// Refuses what no run of this purpose can have.
    fn check(&self, purpose: Purpose) -> Result<()> {
        let Some(model) = &self.experiment.model else {
            return Ok(());
        };
        let task = model.task();
        let data = self.experiment.data.as_ref();
        let caches = task.backbone().backbone().cache.enable_cache;
        if caches && data.is_some_and(DataModule::brings_alignments) {
            return Err(Error::of(
                "model.backbone.enable_cache",
                "true, but the hidden states of a sequence depend on what is aligned with it (data.is_rag_dataset), so none can be kept. Remove it",
            ));
        }
        if purpose == Purpose::Fit {
            return task.check_training().map_err(Error::before);
        }
        match self.untrained(&task) {
            Some(problem) if purpose.uses_head() && !self.plan.rehearsal => {
                let owner = purpose.name();
                let problem = format!("missing, {owner} requires it: {problem}");
                let refusal = Refusal::of(KEY, problem).of_kind(Mistake::Missing { owner });
                Err(Error::Refused(refusal.help(
                    "Give a trained checkpoint, such as last for the newest of all runs",
                )))
            }
            _ => Ok(()),
        }
    }

    /// Why the predictions of a task mean nothing, where that is so without a checkpoint.
    fn untrained(&self, task: &Task) -> Option<String> {
        if !task.learns() || self.experiment.ckpt_path.is_some() {
            return None;
        }
        let backbone = task.backbone().backbone();
        let (name, preset) = (task.name(), backbone.preset_name());
        if backbone.from_scratch {
            Some(format!(
                "the weights of {name} on {preset} start from scratch, and say nothing before they are trained"
            ))
        } else if task.uses_checkpoint_head() {
            None
        } else {
            Some(format!(
                "{name} puts a head with fresh weights on {preset}, which says nothing before it is trained"
            ))
        }
    }

    /// Says what is easily overlooked.
    fn advise(&self, work: &mut Work<'_>) {
        if work.purpose == Purpose::Fit || self.plan.rehearsal {
            for text in &self.plan_notes {
                work.note(NoteKind::Training, text);
            }
        }
        if work.purpose.uses_head()
            && let Some(model) = &self.experiment.model
            && let Some(problem) = self.untrained(&model.task())
        {
            work.note(NoteKind::Model, format!("no {KEY} is given: {problem}"));
        }
    }
}
