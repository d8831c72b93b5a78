//! What a run works out before its first step: the metrics it will produce, its length, and what a resumed run must share with it.

use std::collections::BTreeMap;

use engraft_component::Choice;
use engraft_models::parameters;
use engraft_tasks::{Model, Network};

use crate::error::Result;
use crate::fit::{Fit, GRADIENT_NORMS};
use crate::loader::Loader;
use crate::rate_log::RateLog;
use crate::settings::Plan;
use crate::training::Interval;

/// The metrics that a run produces.
pub(crate) fn known_metrics(model: &Model, fit: &Fit<'_>, validates: bool) -> Vec<String> {
    let scores = model
        .metrics()
        .map_or_else(Vec::new, |metrics| metrics.finish());
    let names: Vec<String> = std::iter::once("loss".to_owned())
        .chain(scores.into_iter().map(|(name, _)| name))
        .collect();
    let mut known: Vec<String> = names.iter().map(|name| format!("train_{name}")).collect();
    known.push("train_loss_epoch".to_owned());
    if names.iter().any(|name| name == "accuracy") {
        known.push("train_accuracy_epoch".to_owned());
    }
    known.extend(RateLog::new(fit.callbacks).names().map(str::to_owned));
    known.push("grad_norm".to_owned());
    if fit.training.log_grad_norm_step > 0 {
        known.extend(GRADIENT_NORMS.map(str::to_owned));
    }
    if validates {
        known.extend(names.iter().map(|name| format!("val_{name}")));
    }
    known
}

/// Says so if the schedule ends the learning before the first epoch does.
pub(crate) fn warn_about_schedule(fit: &Fit<'_>, batches: u64, total: Option<u64>) -> Result<()> {
    let (Some(schedule), Interval::Step) = (
        &fit.training.lr_scheduler,
        fit.training.lr_scheduler_interval,
    ) else {
        return Ok(());
    };
    if let Some(step) = schedule.vanishes_within(fit.plan.steps_in_epoch(batches), total)? {
        fit.progress.note(&format!(
            "the learning rate falls below a ten thousandth of its start at step {step}, within the first epoch: the schedule counts optimizer steps; \
             give lr_scheduler_interval: epoch to count epochs"
        ));
    }
    Ok(())
}

/// What the class of the optimizer is called where a resumed run must share it.
pub(crate) const OPTIMIZER: &str = "the optimizer";

/// What decides which rows come when, and what is drawn for them.
pub(crate) fn data_signature(
    model: &Model,
    fit: &Fit<'_>,
    loader: &Loader,
) -> Result<BTreeMap<String, String>> {
    let max_length = model.max_length();
    let some =
        |value: Option<usize>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
    let pairs = [
        ("seed_everything", fit.seed.to_string()),
        (
            "training rows",
            format!("{} ({:016x})", loader.rows(), loader.fingerprint()?),
        ),
        (
            "limit_train_batches",
            format!("{:?}", fit.plan.limits.train),
        ),
        ("max_length", some(max_length)),
        (OPTIMIZER, fit.training.optimizer.name().to_owned()),
        ("batch_size", fit.batching.batch_size.to_string()),
        ("token_budget", some(fit.batching.token_budget)),
        ("batch_window", some(fit.batching.batch_window)),
        ("shuffle", fit.batching.shuffle.to_string()),
        ("accumulate_grad_batches", fit.plan.accumulate.to_string()),
    ];
    Ok(pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}

/// Path and shape of every parameter that is trained.
pub(crate) fn trained_parameters(network: &Network) -> Vec<(String, Vec<usize>)> {
    let all = parameters(network).into_iter();
    all.filter(|(_, _, tensor)| tensor.is_tracked())
        .map(|(path, shape, _)| (path, shape))
        .collect()
}

/// Optimizer steps of the whole run, if it has an end; epochs of different numbers of batches are counted one by one.
pub(crate) fn total_steps(plan: &Plan, loader: &Loader) -> Option<u64> {
    let first = loader.plan(0).len() as u64;
    let Some(epochs) = plan.max_epochs.filter(|_| !loader.is_even()) else {
        return plan.total_steps(first);
    };
    let steps = (0..epochs)
        .map(|epoch| plan.steps_in_epoch(loader.plan(epoch).len() as u64))
        .sum::<u64>();
    Some(plan.max_steps.map_or(steps, |limit| limit.min(steps)))
}

pub(crate) fn first_rows(rows: &[usize]) -> String {
    let rows: Vec<String> = rows.iter().take(4).map(ToString::to_string).collect();
    format!("{}, ...", rows.join(", "))
}
