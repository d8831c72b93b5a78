//! What a run works out before its first step: the metrics it will produce, its length, and what a resumed run must share with it.

use std::collections::BTreeMap;

use engraft_component::Choice;
use engraft_data::Batching;
use engraft_models::parameters;
use engraft_tasks::metrics::staged;
use engraft_tasks::{Network, TaskSpec};

use crate::callback::Callback;
use crate::error::Result;
use crate::loader::Loader;
use crate::rate_log::RateLog;
use crate::settings::Plan;
use crate::training::{Interval, Training};

/// What `log_grad_norm_step` logs.
pub(crate) const GRADIENT_NORMS: [&str; 3] =
    ["total_norm", "adaptor_param_norm", "adaptor_grad_norm"];

/// What a run is begun with, as far as it decides what is worked out here.
pub(crate) struct Outset<'a> {
    pub(crate) spec: &'a TaskSpec,
    pub(crate) training: &'a Training,
    pub(crate) plan: &'a Plan,
    pub(crate) callbacks: &'a [Callback],
    pub(crate) batching: &'a Batching,
    pub(crate) seed: u64,
}

/// The metrics that a run produces.
pub(crate) fn known_metrics(outset: &Outset<'_>, validates: bool) -> Result<Vec<String>> {
    let scores = outset.spec.metrics()?;
    let scores = scores.iter().map(String::as_str);
    let names: Vec<&str> = std::iter::once("loss").chain(scores).collect();
    let mut known: Vec<String> = names.iter().map(|name| staged("train", name)).collect();
    known.push("train_loss_epoch".to_owned());
    if names.contains(&"accuracy") {
        known.push("train_accuracy_epoch".to_owned());
    }
    known.extend(RateLog::new(outset.callbacks).names().map(str::to_owned));
    known.push("grad_norm".to_owned());
    if outset.training.log_grad_norm_step > 0 {
        known.extend(GRADIENT_NORMS.map(str::to_owned));
    }
    if validates {
        known.extend(names.iter().map(|name| staged("val", name)));
    }
    Ok(known)
}

/// What to say if the schedule ends the learning before the first epoch does.
pub(crate) fn warn_about_schedule(
    outset: &Outset<'_>,
    batches: u64,
    total: Option<u64>,
) -> Result<Option<String>> {
    let training = outset.training;
    let (Some(schedule), Interval::Step) = (&training.lr_scheduler, training.lr_scheduler_interval)
    else {
        return Ok(None);
    };
    let steps = outset.plan.steps_in_epoch(batches);
    let vanishes = schedule.vanishes_within(steps, total)?;
    Ok(vanishes.map(|step| {
        format!(
            "the learning rate falls below a ten thousandth of its start at step {step}, within the first epoch: the schedule counts optimizer steps; \
             give lr_scheduler_interval: epoch to count epochs"
        )
    }))
}

/// What the class of the optimizer is called where a resumed run must share it.
pub(crate) const OPTIMIZER: &str = "the optimizer";

impl Outset<'_> {
    /// What decides which rows of `loader` come when, and what is drawn for them.
    ///
    /// # Errors
    /// A text cannot be read from where it is stored.
    pub(crate) fn signature(&self, loader: &Loader) -> Result<BTreeMap<String, String>> {
        let Self {
            plan,
            batching,
            training,
            ..
        } = self;
        let some = |value: Option<usize>| {
            value.map_or_else(|| "none".to_owned(), |value| value.to_string())
        };
        let rows = format!("{} ({:016x})", loader.rows(), loader.fingerprint()?);
        let pairs = [
            ("seed_everything", self.seed.to_string()),
            ("training rows", rows),
            ("limit_train_batches", format!("{:?}", plan.limits.train)),
            ("max_length", some(self.spec.max_length())),
            (OPTIMIZER, training.optimizer.name().to_owned()),
            ("batch_size", batching.batch_size.to_string()),
            ("token_budget", some(batching.token_budget)),
            ("batch_window", some(batching.batch_window)),
            ("shuffle", batching.shuffle.to_string()),
            ("accumulate_grad_batches", plan.accumulate.to_string()),
        ];
        let pairs = pairs.into_iter();
        Ok(pairs
            .map(|(name, value)| (name.to_owned(), value))
            .collect())
    }
}

/// Path and shape of every parameter that is trained.
pub(crate) fn trained_parameters(network: &Network) -> Vec<(String, Vec<usize>)> {
    let all = parameters(network).into_iter();
    all.filter(|(_, _, tensor)| tensor.is_tracked())
        .map(|(path, shape, _)| (path, shape))
        .collect()
}

/// How long a whole run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Length {
    /// Optimizer steps.
    pub(crate) steps: u64,
    /// Batches.
    pub(crate) batches: u64,
}

impl Length {
    /// Of a run by `plan`, if it has an end; epochs of different numbers of batches are counted one by one, if it is known how many there are.
    pub(crate) fn of(plan: &Plan, loader: &Loader) -> Option<Self> {
        let first = loader.plan(0).len() as u64;
        let Some(epochs) = plan.max_epochs.filter(|_| !loader.is_even()) else {
            return Self::of_even(plan, first);
        };
        let mut length = Self::default();
        for epoch in 0..epochs {
            length.add(plan, plan.limits.train.of(loader.plan(epoch).len() as u64));
        }
        Some(length)
    }

    /// With epochs of `batches` batches, before a limit.
    fn of_even(plan: &Plan, batches: u64) -> Option<Self> {
        let (steps, in_epoch) = (plan.total_steps(batches)?, plan.steps_in_epoch(batches));
        let batches = plan.limits.train.of(batches);
        let epochs = steps / in_epoch.max(1);
        let mut length = Self {
            steps: epochs * in_epoch,
            batches: epochs * batches,
        };
        length.add(plan, batches_of(plan, Some(steps - length.steps), batches));
        Some(length)
    }

    /// With an epoch of `batches` batches more, as far as `max_steps` goes.
    fn add(&mut self, plan: &Plan, batches: u64) {
        let left = plan.max_steps.map(|steps| steps.saturating_sub(self.steps));
        let batches = batches_of(plan, left, batches);
        self.steps += batches.div_ceil(plan.accumulate.max(1));
        self.batches += batches;
    }
}

/// Of `batches` those that are run where no more than `steps` optimizer steps are taken.
pub(crate) fn batches_of(plan: &Plan, steps: Option<u64>, batches: u64) -> u64 {
    let most = steps.map(|steps| steps.saturating_mul(plan.accumulate));
    most.map_or(batches, |most| batches.min(most))
}

pub(crate) fn first_rows(rows: &[usize]) -> String {
    let rows: Vec<String> = rows.iter().take(4).map(ToString::to_string).collect();
    format!("{}, ...", rows.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Amount, Trainer};

    #[test]
    fn a_run_is_as_long_as_its_epochs_or_its_steps() {
        let length = |epochs, max_steps, accumulate, limit: Option<u64>| {
            let trainer = Trainer {
                max_epochs: epochs,
                max_steps,
                accumulate_grad_batches: accumulate,
                limit_train_batches: limit.map(Amount::Count),
                ..Trainer::default()
            };
            let (plan, _) = trainer.plan().unwrap();
            let Length { steps, batches } = Length::of_even(&plan, 10)?;
            Some((steps, batches))
        };
        assert_eq!(length(Some(3), -1, 1, None), Some((30, 30)));
        assert_eq!(length(Some(3), 12, 1, None), Some((12, 12)));
        assert_eq!(length(Some(-1), 25, 1, None), Some((25, 25)));
        // An epoch of ten batches takes three steps, of four, four and two.
        assert_eq!(length(Some(2), -1, 4, None), Some((6, 20)));
        assert_eq!(length(Some(2), 4, 4, None), Some((4, 14)));
        assert_eq!(length(Some(2), 3, 4, None), Some((3, 10)));
        assert_eq!(length(Some(2), -1, 1, Some(4)), Some((8, 8)));
    }
}
