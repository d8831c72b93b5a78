//! Scoring and predicting: every row once, in the order of the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engraft_component::{Note, NoteKind};
use engraft_data::{Batching, Examples, Hiding};
use engraft_models::Mode;
use engraft_tasks::metrics::{Detail, Mean, staged};
use engraft_tasks::{Draws, Model, Network, Observer as RowObserver, RowOutput, TaskSpec};

use crate::error::{Error, Result};
use crate::events::{Event, Observer, Progress};
use crate::handled::{Handled, fed};
use crate::loader::{Batches, Loader, limited};
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
    pub masking: Option<Hiding>,
    /// How many batches are scored.
    pub limit: Amount,
    /// What is scored, in words: a checkpoint, or other weights.
    pub of: &'a str,
    /// Set from outside to stop at the next batch.
    pub stop: Option<&'a AtomicBool>,
    /// Who is told how far it has come.
    pub observer: &'a mut dyn Observer,
}

/// The loss and metrics of a model over all rows, named `<stage>_loss`, `<stage>_accuracy`, ...; at the stage `test` those of each class,
/// label or number too, as `test_f1[positive]`.
///
/// # Errors
/// The task has no loss, labels are missing or unknown, a row cannot be encoded; [`Error::Interrupted`] if it was stopped.
pub fn evaluate(model: &Model, evaluation: Evaluation<'_>) -> Result<Vec<(String, f64)>> {
    Ok(evaluation.run(model, &mut ())?.scores)
}

impl Evaluation<'_> {
    /// Scores a model, with somebody who looks at each row.
    pub(crate) fn run(self, model: &Model, rows: &mut dyn RowObserver) -> Result<Scoring> {
        let Model { spec, network } = model;
        let loader = Loader::in_order(spec, self.examples, self.masking, self.batching)?;
        let pass = ScoringPass {
            stage: self.stage,
            limit: self.limit,
            of: self.of,
            stop: self.stop,
            observer: self.observer,
        };
        pass.run(spec, network, &loader, rows)
    }
}

/// What [`evaluate`] gives, and of what.
#[derive(Debug)]
pub(crate) struct Scoring {
    pub(crate) scores: Vec<(String, f64)>,
    /// The same for a report, which calls single classes, labels and numbers by number: `test_f1_0`.
    pub(crate) numbered: Vec<(String, f64)>,
    /// Rows that were run, which a limit may make fewer than there are.
    pub(crate) rows: usize,
    pub(crate) took: Duration,
}

/// One pass over rows that are scored.
pub(crate) struct ScoringPass<'a> {
    pub(crate) stage: &'a str,
    pub(crate) limit: Amount,
    /// What is scored, in words.
    pub(crate) of: &'a str,
    pub(crate) stop: Option<&'a AtomicBool>,
    pub(crate) observer: &'a mut dyn Observer,
}

impl ScoringPass<'_> {
    /// Scores the rows of `loader` with the weights of `network`.
    pub(crate) fn run(
        self,
        spec: &TaskSpec,
        network: &Network,
        loader: &Loader,
        rows: &mut dyn RowObserver,
    ) -> Result<Scoring> {
        let Self {
            stage,
            limit,
            of,
            stop,
            observer,
        } = self;
        let shown = spec.learning()?.shown();
        // What nothing is learned from has no loss.
        let learns = spec.learns();
        let began = Instant::now();
        let plan = limited(loader.plan(0), limit);
        let total = Some(plan.len() as u64);
        let run = plan.iter().map(Vec::len).sum();
        let mut loss = Mean::default();
        let mut handled = Handled::default();
        let fed = fed(run, &plan, loader.rows(), &format!("limit_{stage}_batches"));
        observer.event(Event::Progress(Progress::Began {
            label: stage,
            done: 0,
            total,
            ahead: None,
        }));
        let mut pass = loader.pass(plan, Draws::Fixed);
        while let Some(batch) = pass.advance() {
            let batch = batch?;
            if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(Error::Interrupted);
            }
            handled.add(&batch);
            if let Some(scored) = pass.loss(network, Mode::Evaluate)? {
                loss.add(f64::from(scored.sum.into_scalar::<f32>()), scored.weight);
                pass.score(scored.outputs, rows)?;
            }
            observer.event(Event::Progress(Progress::Advanced {
                rows: batch.rows.len() as u64,
                metrics: &|| losses(learns, stage, &loss),
            }));
        }
        let staged = |(name, value): (String, f64)| (staged(stage, &name), value);
        let details = if stage == "test" {
            pass.details()
        } else {
            Vec::new()
        };
        let found = pass.take_scores();
        let mut scores = losses(learns, stage, &loss);
        scores.extend(found.all.into_iter().map(staged));
        // The scores follow, once.
        observer.event(Event::Progress(Progress::Ended { metrics: &[] }));
        for note in handled.notes(&fed, spec, stage) {
            observer.note(note);
        }
        let mut numbered = scores.clone();
        for Detail {
            score,
            number,
            value,
        } in details
        {
            let name = shown.names().get(number);
            let name = name.map_or_else(|| number.to_string(), |name| single_line(name));
            numbered.push((format!("{stage}_{score}_{number}"), value));
            scores.push((format!("{stage}_{score}[{name}]"), value));
        }
        observer.event(Event::Scored {
            stage,
            scores: &scores,
            of,
            positive: shown.positive(),
        });
        Ok(Scoring {
            scores,
            numbered,
            rows: run,
            took: began.elapsed(),
        })
    }
}

/// The loss under its name, of a task that has one.
fn losses(learns: bool, stage: &str, loss: &Mean) -> Vec<(String, f64)> {
    let loss = learns.then(|| (format!("{stage}_loss"), loss.value()));
    loss.into_iter().collect()
}

/// A name without what would break a line or a table.
fn single_line(name: &str) -> String {
    name.replace(char::is_control, " ")
}

/// What [`predict`] runs over.
pub struct Prediction<'a> {
    /// The rows; labels are not looked at.
    pub examples: Arc<Examples>,
    /// How they are put into batches.
    pub batching: &'a Batching,
    /// How many batches are run.
    pub limit: Amount,
    /// What draws are made by, where predicting draws.
    pub seed: u64,
    /// Who is told how far it has come.
    pub observer: &'a mut dyn Observer,
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
        seed,
        observer,
    } = prediction;
    let Model { spec, network } = model;
    let source = spec.rows(examples).map_err(Error::from)?;
    let batches = Batches::in_order(&source, batching)?;
    let plan = limited(batches.plan(0), limit);
    let run = plan.iter().map(Vec::len).sum();
    let fed = fed(run, &plan, batches.rows(), "limit_predict_batches");
    let mut handled = Handled::default();
    observer.event(Event::Progress(Progress::Began {
        label: "predict",
        done: 0,
        total: Some(plan.len() as u64),
        ahead: None,
    }));
    let ids = source.examples().ids.clone();
    for batch in spec.predictions(network, source, plan).seeded(seed) {
        let (batch, outputs) = batch.map_err(Error::from)?;
        for output in &outputs {
            let id = ids.as_ref().and_then(|ids| ids.get(output.row));
            let id = id.map_or_else(|| output.row.to_string(), |id| single_line(id));
            for step in spec.objective().steps(output) {
                observer.note(Note::new(NoteKind::Model, format!("row {id}: {step}")));
            }
        }
        outputs.into_iter().try_for_each(&mut sink)?;
        handled.add(&batch);
        observer.event(Event::Progress(Progress::Advanced {
            rows: batch.rows.len() as u64,
            metrics: &Vec::new,
        }));
    }
    observer.event(Event::Progress(Progress::Ended { metrics: &[] }));
    for note in handled.notes(&fed, spec, "") {
        observer.note(note);
    }
    Ok(handled)
}
