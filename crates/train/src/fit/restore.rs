//! Going on where a checkpoint was written.

use std::path::Path;

use burn::module::Module;
use engraft_component::{Note, NoteKind};
use engraft_tasks::Network;

use super::Loop;
use crate::callback::Moment;
use crate::error::Result;
use crate::events::Observer;
use crate::loader::limited;
use crate::optimizer::OptimizerState;
use crate::outset::{OPTIMIZER, trained_parameters};
use crate::run::Weights;
use crate::signature::Signature;
use crate::snapshot::{self, Position, State};
use crate::training::Training;
use crate::unfreezing::Unfreezing;

/// What was taken up of a checkpoint.
pub(super) struct Restored {
    /// None if the weights are all that is taken, which is so where the checkpoint may be another run's and is.
    pub(super) state: Option<State>,
    pub(super) optimizer: OptimizerState,
    pub(super) network: Network,
}

impl Restored {
    /// Nothing but the weights.
    pub(super) fn anew(network: Network) -> Self {
        Self {
            state: None,
            optimizer: OptimizerState::default(),
            network,
        }
    }
}

impl Loop<'_> {
    /// Reads a checkpoint's state; the weights are in the network already.
    pub(super) fn restore(
        checkpoint: &Path,
        now: &Signature,
        training: &Training,
        unfreezing: Option<&Unfreezing>,
        mut network: Network,
        observer: &mut dyn Observer,
    ) -> Result<Restored> {
        let state = snapshot::read_state(checkpoint)?;
        let mut signature = state.signature.clone();
        if training.reset_optimizer_states {
            signature.data.remove(OPTIMIZER);
        }
        let notes = match signature.check(now, checkpoint) {
            Err(difference) if !training.strict_loading => {
                observer.note(Note::of(
                    NoteKind::Model,
                    "strict_loading",
                    format!(
                        "false: a new run begins from the checkpoint's weights, as {difference}"
                    ),
                ));
                return Ok(Restored::anew(network));
            }
            checked => checked?,
        };
        notes.into_iter().for_each(|note| observer.note(note));
        let mut optimizer = OptimizerState::default();
        if !training.reset_optimizer_states {
            // What has taken a step is what was trained when the last one was taken.
            let Position { epoch, batch, .. } = state.position;
            let epoch = match batch {
                0 => epoch.saturating_sub(1),
                _ => epoch,
            };
            if let Some(unfreezing) = unfreezing {
                network = unfreezing.apply(network, epoch);
            }
            let trained = trained_parameters(&network);
            let device = network.device().inner();
            optimizer =
                snapshot::read_optimizer(checkpoint, &training.optimizer, &trained, &device)?;
        }
        Ok(Restored {
            state: Some(state),
            optimizer,
            network,
        })
    }

    /// Does the validation that was broken off after the latest step, and all that follows it.
    pub(super) fn catch_up_on_validation(&mut self, network: &Network) -> Result<()> {
        let Position { epoch, batch, .. } = self.standing.position;
        let plan = limited(self.train.plan(epoch), self.plan.limits.train);
        let last = batch == plan.len() as u64;
        self.after_step(network, true, last)?;
        if last && !self.standing.owes_validation {
            self.end_epoch(network)?;
        }
        Ok(())
    }

    /// Does what was due at the moment of the checkpoint but after it: the `last` beside it, and what other callbacks do; those that have
    /// acted know it.
    pub(super) fn catch_up(&mut self, network: &Network, saved: &State) -> Result<()> {
        let state = State {
            moment: saved.moment,
            leaving: saved.leaving.clone(),
            ..self.state()
        };
        let weights = Weights {
            spec: &self.spec,
            network: &network.valid(),
            optimizer: &self.optimizer,
        };
        self.run.catch_up_on_last(weights, &state)?;
        let epoch = self.standing.position.epoch;
        match saved.moment {
            // The position already points at the next epoch.
            Some(moment @ Moment::TrainEpochEnd) => {
                self.keep(network, moment, epoch.saturating_sub(1))
            }
            Some(moment @ Moment::ValidationEnd) => {
                self.keep(network, moment, epoch)?;
                self.keep(network, Moment::Step, epoch)
            }
            Some(moment @ Moment::Step) => self.keep(network, moment, epoch),
            None => Ok(()),
        }
    }
}
