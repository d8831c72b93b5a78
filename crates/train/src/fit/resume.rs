//! Going on where a checkpoint was written.

use std::path::Path;

use burn::module::Module;

use super::Loop;
use crate::callback::Moment;
use crate::error::Result;
use crate::evaluate::limited;
use crate::outset::{OPTIMIZER, trained_parameters};
use crate::snapshot::{self, Position, State};

impl Loop<'_> {
    /// Takes up a checkpoint's state; the weights are in the model already. None if they are all that is taken, which is so where the
    /// checkpoint may be another run's and is.
    pub(super) fn restore(&mut self, path: &Path) -> Result<Option<State>> {
        let state = snapshot::read_state(path)?;
        let mut signature = state.signature.clone();
        if self.fit.training.reset_optimizer_states {
            signature.data.remove(OPTIMIZER);
        }
        let notes = match signature.check(&self.signature, path) {
            Err(difference) if !self.fit.training.strict_loading => {
                self.fit.progress.note(&format!(
                    "strict_loading: false: a new run begins from the checkpoint's weights, as {difference}"
                ));
                return Ok(None);
            }
            checked => checked?,
        };
        for note in notes {
            self.fit.progress.note(&note);
        }
        if !self.fit.training.reset_optimizer_states {
            self.rates.restore(state.plateau.clone());
            // What has taken a step is what was trained when the last one was taken.
            let Position { epoch, batch, .. } = state.position;
            self.unfreeze(match batch {
                0 => epoch.saturating_sub(1),
                _ => epoch,
            });
            let trained = trained_parameters(self.network()?);
            let device = self
                .network()?
                .devices()
                .into_iter()
                .next()
                .unwrap_or_default()
                .inner();
            self.optimizer =
                snapshot::read_optimizer(path, &self.fit.training.optimizer, &trained, &device)?;
        }
        self.position = state.position;
        (self.loss, self.accuracy) = (state.loss, state.accuracy);
        self.stopped.clone_from(&state.stopped);
        self.owes_validation = state.owes_validation;
        self.clock.resume(state.elapsed);
        self.metrics = state
            .metrics
            .iter()
            .map(|metric| (metric.name.clone(), metric.value))
            .collect();
        Ok(Some(state))
    }

    /// Does the validation that was broken off after the latest step, and all that follows it.
    pub(super) fn catch_up_on_validation(&mut self) -> Result<()> {
        let plan = limited(
            self.loader.plan(self.position.epoch),
            self.fit.plan.limits.train,
        );
        let last = self.position.batch == plan.len() as u64;
        self.after_step(true, last)?;
        match last && !self.owes_validation {
            true => self.end_epoch(),
            false => Ok(()),
        }
    }

    /// Lets callbacks act that were due at the moment of the checkpoint, but after it; the others know that they have acted.
    pub(super) fn catch_up(&mut self, moment: Moment) -> Result<()> {
        let Position { epoch, .. } = self.position;
        match moment {
            // The position already points at the next epoch.
            Moment::TrainEpochEnd => self.keep(moment, epoch.saturating_sub(1)),
            Moment::ValidationEnd => {
                self.keep(moment, epoch)?;
                self.keep(Moment::Step, epoch)
            }
            Moment::Step => self.keep(moment, epoch),
        }
    }
}
