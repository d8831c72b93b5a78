//! Scoring and predicting: every row once, in the order of the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engraft_data::{Batching, Examples, Masking};
use engraft_models::Mode;
use engraft_tasks::metrics::Mean;
use engraft_tasks::{Draws, Model, Network, Observer, OutputKind, RowOutput};
use engraft_text::LetterPolicy;

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
    /// How tokens are masked, where they are.
    pub masking: Option<Masking>,
    /// How many batches are scored.
    pub limit: Amount,
    /// Set from outside to stop at the next batch.
    pub stop: Option<&'a AtomicBool>,
    /// Where progress shows.
    pub progress: &'a mut Progress,
}

/// The loss and metrics of a model over all rows, named `<stage>_loss`, `<stage>_accuracy`, ...; at the stage `test` those of each class,
/// label or number too, as `test_f1_0`.
///
/// # Errors
/// The task has no loss, labels are missing or unknown, a row cannot be encoded; [`Error::Interrupted`] if it was stopped.
pub fn evaluate(model: &Model, evaluation: Evaluation<'_>) -> Result<Vec<(String, f64)>> {
    Ok(score(model, &model.network, evaluation, &mut ())?.scores)
}

/// What [`evaluate`] gives, and of what.
#[derive(Debug)]
pub(crate) struct Scoring {
    pub(crate) scores: Vec<(String, f64)>,
    /// Rows that were run, which a limit may make fewer than there are.
    pub(crate) rows: usize,
    pub(crate) took: Duration,
}

/// [`evaluate`] with other weights than the model's own, and somebody who looks at each row.
pub(crate) fn score(
    model: &Model,
    network: &Network,
    evaluation: Evaluation<'_>,
    observer: &mut dyn Observer,
) -> Result<Scoring> {
    let Evaluation {
        stage,
        examples,
        batching,
        masking,
        limit,
        stop,
        progress,
    } = evaluation;
    let began = Instant::now();
    let Some(mut metrics) = model.metrics() else {
        return Err(Error::Argument(format!(
            "this task only predicts: there is nothing to {stage}"
        )));
    };
    let targets = model.targets(&examples, masking)?;
    let loader = Loader::in_order(model, examples, targets, batching)?;
    let plan = limited(loader.plan(0), limit);
    let mut loss = Mean::default();
    let mut handled = Handled::default();
    let rows = loader.rows();
    let run = plan.iter().map(Vec::len).sum();
    progress.start(stage, 0, Some(plan.len() as u64));
    for batch in loader.batches(plan, Draws::Fixed) {
        let batch = batch?;
        if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(Error::Interrupted);
        }
        handled.add(&batch);
        if !batch.is_unscored() {
            let scored = model.loss(network, &batch, Mode::Evaluate)?;
            loss.add(f64::from(scored.sum.into_scalar::<f32>()), scored.weight);
            model.score_seen(&mut metrics, scored.outputs, &batch, observer)?;
        }
        progress.advance(batch.len() as u64, || {
            vec![(format!("{stage}_loss"), loss.value())]
        });
    }
    let staged = |(name, value)| (format!("{stage}_{name}"), value);
    let mut scores = vec![(format!("{stage}_loss"), loss.value())];
    scores.extend(metrics.finish().into_iter().map(staged));
    progress.finish(scores.clone());
    let max_length = model.max_length();
    let policy = model.row_encoder().tokenizer().letter_policy();
    for note in handled.notes(rows, max_length, policy) {
        progress.note(&format!("{stage}: {note}"));
    }
    if stage == "test" {
        scores.extend(metrics.details().into_iter().map(staged));
    }
    Ok(Scoring {
        scores,
        rows: run,
        took: began.elapsed(),
    })
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

/// What was done to rows to feed them to a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handled {
    /// Rows that were cut to the maximal length.
    pub cut: usize,
    /// Letters that the model's alphabet lacks, and the rows that have some.
    pub outside: [usize; 2],
}

impl Handled {
    pub(crate) fn add(&mut self, batch: &engraft_tasks::Batch) {
        self.cut += batch.cut;
        self.outside[0] += batch.outside[0];
        self.outside[1] += batch.outside[1];
    }

    /// What a user should know of it.
    pub fn notes(
        &self,
        rows: usize,
        max_length: Option<usize>,
        policy: Option<LetterPolicy>,
    ) -> Vec<String> {
        let mut notes = Vec::new();
        if self.cut > 0 {
            let length = max_length.unwrap_or_default();
            notes.push(format!(
                "{} of {rows} rows were cut to {length} tokens",
                self.cut
            ));
        }
        let [letters, of] = self.outside;
        if letters > 0 {
            let letters = match letters {
                1 => "1 letter".to_owned(),
                _ => format!("{letters} letters"),
            };
            let fate = match policy {
                Some(LetterPolicy::Map) => {
                    "each became the nearest letter that it has, or else an unknown token"
                }
                _ => {
                    "each became an unknown token (model.backbone.letters: map finds the nearest letter)"
                }
            };
            notes.push(format!(
                "{letters} in {of} of {rows} rows are not in the model's alphabet: {fate}"
            ));
        }
        notes
    }
}

/// Runs a model over rows; `sink` gets each row's output in the order of the file.
///
/// # Errors
/// A row cannot be encoded, or the sink's own.
pub fn predict<E: From<Error>>(
    model: &Model,
    prediction: Prediction<'_>,
    mut sink: impl FnMut(RowOutput) -> std::result::Result<(), E>,
) -> std::result::Result<Handled, E> {
    let Prediction {
        examples,
        batching,
        limit,
        progress,
    } = prediction;
    let loader = Loader::in_order(model, examples, model.targets_of_predictions(), batching)?;
    let plan = limited(loader.plan(0), limit);
    let mut handled = Handled::default();
    progress.start("predict", 0, Some(plan.len() as u64));
    let mut whole = Whole::default();
    for batch in loader.batches(plan, Draws::Fixed) {
        let batch = batch?;
        for output in model.outputs(&model.network, &batch) {
            if let Some(output) = whole.add(output, &model.output_kind()) {
                sink(output)?;
            }
        }
        handled.add(&batch);
        progress.advance(batch.len() as u64, Vec::new);
    }
    if let Some(output) = whole.0 {
        sink(output)?;
    }
    progress.finish(Vec::new());
    Ok(handled)
}

/// The output of a row whose windows may not all have been computed yet.
#[derive(Default)]
struct Whole(Option<RowOutput>);

impl Whole {
    /// Takes in the next output, and gives one of which nothing more is to come.
    fn add(&mut self, output: RowOutput, kind: &OutputKind) -> Option<RowOutput> {
        if *kind != OutputKind::Likelihood {
            return Some(output);
        }
        match &mut self.0 {
            Some(whole) if whole.row == output.row => {
                for (sum, value) in whole.values.iter_mut().zip(output.values) {
                    *sum += value;
                }
                None
            }
            _ => self.0.replace(output),
        }
    }
}

/// The batches that a limit leaves.
pub(crate) fn limited(mut plan: Vec<Vec<usize>>, limit: Amount) -> Vec<Vec<usize>> {
    let count = limit.of(plan.len() as u64);
    plan.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    plan
}
