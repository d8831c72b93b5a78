//! The learning rate in the log, as a LearningRateMonitor wants it.

use crate::callback::{Callback, LearningRateMonitor};
use crate::optimizer::Optimizer;
use crate::training::Interval;

/// What of the optimizer's settings is logged, and how often.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RateLog {
    /// With the first step of each epoch alone, instead of every row of a step.
    by_epoch: bool,
    momentum: bool,
    weight_decay: bool,
}

impl RateLog {
    /// As the monitors among the callbacks say; the rate by steps without one.
    pub(crate) fn new(callbacks: &[Callback]) -> Self {
        let monitors = callbacks.iter().filter_map(|callback| match callback {
            Callback::LearningRateMonitor(monitor) => Some(monitor),
            _ => None,
        });
        let monitors: Vec<&LearningRateMonitor> = monitors.collect();
        let by_epoch =
            |monitor: &&LearningRateMonitor| monitor.logging_interval == Some(Interval::Epoch);
        Self {
            by_epoch: !monitors.is_empty() && monitors.iter().all(by_epoch),
            momentum: monitors.iter().any(|monitor| monitor.log_momentum),
            weight_decay: monitors.iter().any(|monitor| monitor.log_weight_decay),
        }
    }

    /// Names of what is logged.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        let names = [
            ("lr", true),
            ("momentum", self.momentum),
            ("weight_decay", self.weight_decay),
        ];
        names
            .into_iter()
            .filter(|(_, on)| *on)
            .map(|(name, _)| name)
    }

    /// What is logged of a step at this rate.
    pub(crate) fn values(self, optimizer: &Optimizer, rate: f64) -> Vec<(String, f64)> {
        let value = |name| match name {
            "momentum" => optimizer.momentum().unwrap_or_default(),
            "weight_decay" => optimizer.weight_decay(),
            _ => rate,
        };
        self.names()
            .map(|name| (name.to_owned(), value(name)))
            .collect()
    }

    /// Whether they belong into the log now: `step` says whether a row of the step is written, `epoch` whether it is the epoch's first.
    pub(crate) fn are_due(self, step: bool, epoch: bool) -> bool {
        if self.by_epoch { epoch } else { step }
    }
}
