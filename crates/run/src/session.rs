//! An experiment that was read and is to be run.

use engraft_component::{Note, NoteKind, Refusal};
use engraft_config::{Composed, Experiment, Seed};
use engraft_train::{Observer, Plan};

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
    composed: Composed,
}

impl Session {
    /// Reads an experiment that was [composed](engraft_config::compose()). A seed that is left to chance is drawn here, once for all that the
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
        match &self.experiment.model {
            Some(model) if purpose == Purpose::Fit => {
                model.task().check_training().map_err(Error::before)
            }
            _ => Ok(()),
        }
    }

    /// Says what is easily overlooked.
    fn advise(&self, work: &mut Work<'_>) {
        if work.purpose == Purpose::Fit || self.plan.rehearsal {
            for text in &self.plan_notes {
                work.note(NoteKind::Training, text);
            }
        }
        let is_fresh = self.experiment.ckpt_path.is_none();
        if let (true, Some(model)) = (work.purpose.uses_head() && is_fresh, &self.experiment.model)
        {
            let task = model.task();
            if task.learns() && !task.uses_checkpoint_head() {
                // Scores by a new head are those of chance.
                work.note(
                    NoteKind::Model,
                    "no ckpt_path is given, so the head has fresh weights and its predictions mean nothing",
                );
            }
        }
    }
}
