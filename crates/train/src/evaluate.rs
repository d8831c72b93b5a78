//! Scoring and predicting: every row once, in the order of the file.

use std::sync::Arc;

use engraft_data::{Batching, Examples};
use engraft_models::Mode;
use engraft_tasks::metrics::Mean;
use engraft_tasks::{Model, Network, RowOutput};

use crate::error::{Error, Result};
use crate::loader::Loader;
use crate::progress::Progress;
use crate::settings::Amount;

/// What [`evaluate`] scores, and how.
pub struct Evaluation<'a> {
    /// Prefix of the metrics' names: `val` or `test`.
    pub stage: &'a str,
    /// The rows, with labels.
    pub examples: Arc<Examples>,
    /// How they are put into batches.
    pub batching: &'a Batching,
    /// How many batches are scored.
    pub limit: Amount,
    /// Where progress shows.
    pub progress: &'a mut Progress,
}

/// The loss and metrics of a model over all rows, named `<stage>_loss`, `<stage>_accuracy`, ...
///
/// # Errors
/// The task has no loss, labels are missing or unknown, a row cannot be encoded.
pub fn evaluate(model: &Model, evaluation: Evaluation<'_>) -> Result<Vec<(String, f64)>> {
    score(model, &model.network, evaluation)
}

/// [`evaluate`] with other weights than the model's own.
pub(crate) fn score(
    model: &Model,
    network: &Network,
    evaluation: Evaluation<'_>,
) -> Result<Vec<(String, f64)>> {
    let Evaluation {
        stage,
        examples,
        batching,
        limit,
        progress,
    } = evaluation;
    let Some(mut metrics) = model.metrics() else {
        return Err(Error::Argument(format!(
            "this task only predicts: there is nothing to {stage}"
        )));
    };
    let classes = model.classes(&examples)?;
    let loader = Loader::new(model, examples, Some(classes), &in_order(batching), None)?;
    let plan = limited(loader.plan(0), limit);
    let mut loss = Mean::default();
    progress.start(stage, 0, Some(plan.len() as u64));
    for batch in loader.batches(plan) {
        let batch = batch?;
        let scored = model.loss(network, &batch, Mode::Evaluate)?;
        loss.add(f64::from(scored.sum.into_scalar::<f32>()), scored.weight);
        let width = scored.logits.dims()[1];
        let logits: Vec<f32> = scored.logits.into_data().iter::<f32>().collect();
        for (logits, &class) in logits.chunks_exact(width).zip(&batch.classes) {
            metrics
                .update(logits, class as usize)
                .map_err(engraft_tasks::Error::from)?;
        }
        progress.advance(batch.len() as u64, || {
            vec![(format!("{stage}_loss"), loss.value())]
        });
    }
    let mut scores = vec![(format!("{stage}_loss"), loss.value())];
    scores.extend(
        metrics
            .finish()
            .into_iter()
            .map(|(name, value)| (format!("{stage}_{name}"), value)),
    );
    progress.finish(scores.clone());
    Ok(scores)
}

/// What [`predict`] runs over.
pub struct Prediction<'a> {
    /// The rows; labels are not looked at.
    pub examples: Arc<Examples>,
    /// How they are put into batches.
    pub batching: &'a Batching,
    /// How many batches are run.
    pub limit: Amount,
    /// Where progress shows.
    pub progress: &'a mut Progress,
}

/// Runs a model over rows; `sink` gets each row's output in the order of the file. Returns how many rows were cut to the maximal length.
///
/// # Errors
/// A row cannot be encoded, or the sink's own.
pub fn predict<E: From<Error>>(
    model: &Model,
    prediction: Prediction<'_>,
    mut sink: impl FnMut(RowOutput) -> std::result::Result<(), E>,
) -> std::result::Result<usize, E> {
    let Prediction {
        examples,
        batching,
        limit,
        progress,
    } = prediction;
    let batching = in_order(batching);
    let loader = Loader::new(model, examples, None, &batching, None)?;
    let plan = limited(loader.plan(0), limit);
    let mut cut = 0;
    progress.start("predict", 0, Some(plan.len() as u64));
    for batch in loader.batches(plan) {
        let batch = batch?;
        for output in model.outputs(&model.network, &batch) {
            sink(output)?;
        }
        cut += batch.cut;
        progress.advance(batch.len() as u64, Vec::new);
    }
    progress.finish(Vec::new());
    Ok(cut)
}

/// Batches in the order of the file: sorting by length would save nothing, as nothing is padded, and cost the order.
fn in_order(batching: &Batching) -> Batching {
    Batching {
        batch_window: None,
        token_budget: None,
        ..batching.clone()
    }
}

/// The batches that a limit leaves.
pub(crate) fn limited(mut plan: Vec<Vec<usize>>, limit: Amount) -> Vec<Vec<usize>> {
    let count = limit.of(plan.len() as u64);
    plan.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    plan
}
