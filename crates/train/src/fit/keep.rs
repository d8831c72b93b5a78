//! What callbacks make of the present state: an early end, checkpoints.

use std::collections::BTreeMap;

use burn::module::Module;
use engraft_tasks::Network;

use super::Loop;
use crate::callback::Moment;
use crate::error::Result;
use crate::run::{Present, Run};
use crate::snapshot::{Metric, State};

impl Loop<'_> {
    pub(super) fn observe_and_keep(&mut self, moment: Moment, epoch: u64) -> Result<()> {
        let metrics: Vec<(String, f64)> = self.metrics.clone().into_iter().collect();
        let reason = self.run.observe(moment, &metrics);
        self.rates.observe(moment, &metrics);
        if self.has_done_enough(epoch) && self.stopped.is_none() {
            self.stopped = reason;
        }
        self.keep(moment, epoch)
    }

    /// Lets the checkpoints' keepers decide and save.
    pub(super) fn keep(&mut self, moment: Moment, epoch: u64) -> Result<()> {
        let metrics: Vec<(String, f64)> = self.metrics.clone().into_iter().collect();
        let mut run = std::mem::replace(&mut self.run, Run::new_empty());
        let trained = self.network()?;
        let network = std::cell::OnceCell::new();
        let kept = run.keep(moment, epoch, self.position.step, &metrics, || {
            self.present(network.get_or_init(|| trained.valid()))
        });
        self.run = run;
        kept
    }

    /// The present state for a checkpoint.
    pub(super) fn present<'b>(&'b self, network: &'b Network) -> Present<'b> {
        let metrics = self.metrics.iter().map(|(name, &value)| Metric {
            name: name.clone(),
            value,
        });
        Present {
            model: &self.model,
            network,
            optimizer: &self.optimizer,
            state: State {
                format: State::FORMAT,
                position: self.position,
                signature: self.signature.clone(),
                loss: self.loss,
                accuracy: self.accuracy,
                metrics: metrics.collect(),
                elapsed: self.clock.seconds(),
                owes_validation: self.owes_validation,
                keepers: Vec::new(),
                stoppers: Vec::new(),
                plateau: self.rates.state(),
                stopped: self.stopped.clone(),
                moment: None,
                saves: 0,
                log_rows: BTreeMap::new(),
                leaving: Vec::new(),
            },
        }
    }
}
