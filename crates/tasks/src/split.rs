//! The rows of a split, bound to what a task makes of them: batches, their loss, their scores.
//!
//! Here a task's types meet its rows once. A [`Split`] and a [`Pass`] over it hold targets, batches and metrics of one kind; whoever trains
//! or scores asks them and does not know which.

mod source;
mod windows;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use burn::tensor::Tensor;
use engraft_data::Examples;
use engraft_kernels::sum_squares;
use engraft_models::Mode;

pub use source::Source;

use crate::compiled::{Compiled, Seen, TargetKind, vector};
use crate::error::{Error, Result, place};
use crate::inputs::{Inputs, Sites};
use crate::loss::rows_of;
use crate::metrics::{Detail, Mean, Metrics};
use crate::network::Network;
use crate::objective::{Asked, Labelled, Learns, Loss};
use crate::observer::{Observer, Shown};
use crate::output::RowOutput;
use crate::rows::{Draws, EncodedRow, RowEncoder};
use crate::spec::TaskSpec;
use crate::unknown::Unknown;

/// Batches that wait to be computed.
const AHEAD: usize = 4;

/// How an objective learns, whatever its types.
pub trait Learning: Send + Sync {
    /// Binds labelled rows to it.
    ///
    /// # Errors
    /// Labels are missing, of another kind, out of range or unknown; the rows cannot be read.
    fn bind(
        &self,
        labelled: &Labelled<'_>,
        encoder: RowEncoder,
        examples: Arc<Examples>,
    ) -> Result<Box<dyn Split>>;

    /// Refuses labels that cannot be learned or scored, before anything is computed.
    ///
    /// # Errors
    /// Labels are missing, of another kind, out of range or unknown.
    fn check(&self, labelled: &Labelled<'_>) -> Result<()>;

    /// The names of its scores.
    fn metrics(&self) -> Vec<String>;

    /// What its sites have as targets.
    fn kind(&self) -> TargetKind;

    /// Whether it has a loss of its own.
    fn has_loss(&self) -> bool;

    /// What observers are shown.
    fn shown(&self) -> Shown;

    /// Whether `exp` of the loss is a perplexity that the metrics do not have.
    fn has_perplexity(&self) -> bool;
}

/// The rows of a split, each with what is to be predicted of it.
pub trait Split: Send + Sync {
    /// Its rows.
    fn source(&self) -> &Source;

    /// Gives every byte that tells these targets from others to `eat`.
    fn digest(&self, eat: &mut dyn FnMut(&[u8]));

    /// A pass over the batches of `plan`, tokenised ahead on a thread of its own; dropping it ends the thread.
    fn pass(&self, plan: Vec<Vec<usize>>, draws: Draws) -> Box<dyn Pass>;
}

/// A pass over batches, of which one is present at a time.
pub trait Pass {
    /// Moves on to the next batch; none behind the last.
    fn advance(&mut self) -> Option<Result<Handled>>;

    /// The loss of the present batch by `network`, which may be under autodiff; none if there is nothing in it to learn from or to score.
    ///
    /// # Errors
    /// A loss of the user's gives another number of values than there are rows, or no gradient passes through it.
    fn loss(&self, network: &Network, mode: Mode) -> Result<Option<Loss>>;

    /// Takes what the loss of the present batch was computed from into the scores.
    ///
    /// # Errors
    /// A row cannot be scored.
    fn score(&mut self, outputs: Tensor<2>, observer: &mut dyn Observer) -> Result<()>;

    /// The scores of each class, label or number by itself, which take longer, of what was scored so far.
    fn details(&self) -> Vec<Detail>;

    /// The scores since the last call, which then begin anew.
    fn take_scores(&mut self) -> Scores;

    /// What a forward pass over the present batch first makes a value of that is not finite, in words; none if all are finite. `network` is one
    /// that is not trained.
    fn first_not_finite(&self, network: &Network, mode: Mode) -> Option<String>;
}

/// What a pass has scored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// Rows, or tokens where these are scored.
    pub rows: usize,
    /// Each score over all of them, by name.
    pub all: Vec<(String, f64)>,
    /// Those of them that are means beside the task's own scores, with what they were divided by.
    pub means: Vec<(String, Mean)>,
}

/// What was done to the rows of a batch to feed them to a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handled {
    /// Their numbers in the split.
    pub rows: Vec<usize>,
    /// How many of them were cut to the maximal length.
    pub cut: usize,
    /// How many letters the model's alphabet lacks, and in how many rows.
    pub outside: [usize; 2],
    /// Its words that have no token, where some have none.
    pub unsaid: Option<Unsaid>,
    /// What the vocabulary lacks.
    pub unknown: Unknown,
    /// How many of them are given back as they are, where rows with nothing to predict are.
    pub copied: usize,
}

/// Words that have no token, so that nothing can be said of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsaid {
    /// How many there are.
    pub words: usize,
    /// In how many rows.
    pub rows: usize,
    /// The first of them, with its number, counted from 1, and its row.
    pub first: String,
}

impl Unsaid {
    fn of(numbers: &[usize], rows: &[EncodedRow], examples: &Examples) -> Option<Self> {
        let rows = rows.iter().zip(numbers);
        let rows: Vec<_> = rows.filter(|(row, _)| !row.unsaid.is_empty()).collect();
        let (row, number) = rows.first()?;
        let (unit, word) = row.unsaid.first()?;
        Some(Self {
            words: rows.iter().map(|(row, _)| row.unsaid.len()).sum(),
            rows: rows.len(),
            first: format!(
                "word {}, \"{}\", of {}",
                unit + 1,
                word.escape_default(),
                place(examples, **number)
            ),
        })
    }
}

impl Handled {
    fn of(numbers: &[usize], rows: &[EncodedRow], examples: &Examples) -> Self {
        let rows = rows.get(..numbers.len()).unwrap_or(rows);
        let of_row = |row: &EncodedRow| row.encodings().map(|it| it.outside).sum::<usize>();
        let outside = || rows.iter().map(of_row);
        let mut unknown = Unknown::default();
        rows.iter().for_each(|row| unknown.add(row));
        Self {
            rows: numbers.to_vec(),
            cut: rows.iter().filter(|row| row.cut).count(),
            outside: [outside().sum(), outside().filter(|&it| it > 0).count()],
            unsaid: Unsaid::of(numbers, rows, examples),
            unknown,
            copied: 0,
        }
    }
}

/// How `objective` learns.
pub fn learning<O: Learns>(objective: Arc<O>) -> Arc<dyn Learning> {
    Arc::new(Learner(objective))
}

struct Learner<O>(Arc<O>);

impl<O: Learns> Learning for Learner<O> {
    fn bind(
        &self,
        labelled: &Labelled<'_>,
        encoder: RowEncoder,
        examples: Arc<Examples>,
    ) -> Result<Box<dyn Split>> {
        self.check_compiled(labelled)?;
        let targets = self.0.targets(labelled)?;
        let unit = self.0.unit(&targets);
        Ok(Box::new(Bound {
            compiled: labelled.compiled.cloned().unwrap_or_default(),
            source: Arc::new(Source::new(encoder, examples, unit)?),
            objective: Arc::clone(&self.0),
            targets: Arc::new(targets),
        }))
    }

    fn check(&self, labelled: &Labelled<'_>) -> Result<()> {
        self.check_compiled(labelled)?;
        self.0.targets(labelled).map(drop)
    }

    fn metrics(&self) -> Vec<String> {
        let scores = self.0.metrics().finish().into_iter();
        scores.map(|(name, _)| name.to_owned()).collect()
    }

    fn kind(&self) -> TargetKind {
        O::KIND
    }

    fn has_loss(&self) -> bool {
        O::HAS_LOSS
    }

    fn shown(&self) -> Shown {
        Learns::shown(&*self.0)
    }

    fn has_perplexity(&self) -> bool {
        Learns::has_perplexity(&*self.0)
    }
}

impl<O: Learns> Learner<O> {
    /// Refuses weights of rows that no loss can take, and a task that has no loss.
    fn check_compiled(&self, labelled: &Labelled<'_>) -> Result<()> {
        if labelled.examples.weights.is_some() && !O::KIND.weighs() {
            return Err(Error::refused(
                "weights",
                "rows weigh differently only where each has targets of its own; here tokens or pairs have them, and weigh the same",
            ));
        }
        let compiled = labelled
            .compiled
            .and_then(|compiled| compiled.loss.as_ref());
        if !O::HAS_LOSS && compiled.is_none() {
            return Err(Error::refused(
                "loss",
                "this task has none of its own: compile it with one",
            ));
        }
        Ok(())
    }
}

/// The rows of a split and their targets.
struct Bound<O: Learns> {
    objective: Arc<O>,
    compiled: Arc<Compiled>,
    source: Arc<Source>,
    targets: Arc<O::Targets>,
}

/// A batch to be computed.
struct Batch<T> {
    inputs: Inputs,
    targets: T,
    /// What each of its sites weighs, where rows weigh differently.
    weights: Option<Vec<f32>>,
}

/// A batch that waits, and what was done to its rows.
type Waiting<O> = Result<(Batch<<O as Learns>::BatchTargets>, Handled)>;

/// What the sites of rows of these numbers weigh, if their split says it.
fn site_weights(examples: &Examples, numbers: &[usize], inputs: &Inputs) -> Option<Vec<f32>> {
    let weights = examples.weights.as_ref()?;
    let of_row = match &inputs.sites {
        Sites::Whole => vec![1; numbers.len()],
        Sites::Tokens { of_row, .. } => of_row.clone(),
    };
    let rows = numbers.iter().zip(of_row);
    let sites = rows.flat_map(|(&row, sites)| {
        let weight = weights.get(row).copied().unwrap_or(1.0);
        std::iter::repeat_n(weight, sites)
    });
    Some(sites.collect())
}

impl<O: Learns> Split for Bound<O> {
    fn source(&self) -> &Source {
        &self.source
    }

    fn digest(&self, eat: &mut dyn FnMut(&[u8])) {
        self.objective.digest(&self.targets, eat);
    }

    fn pass(&self, plan: Vec<Vec<usize>>, draws: Draws) -> Box<dyn Pass> {
        let left = plan.len();
        let (sender, receiver) = sync_channel(AHEAD);
        let (objective, source) = (Arc::clone(&self.objective), Arc::clone(&self.source));
        let targets = Arc::clone(&self.targets);
        std::thread::spawn(move || {
            for numbers in plan {
                let batch = match objective.read(&numbers, &targets, draws) {
                    Some(read) => source.encode(read, draws).map(|(_, rows)| (numbers, rows)),
                    None => source.encode(numbers, draws),
                };
                let batch = batch.map(|(numbers, rows)| {
                    // Of rows that come more than once, the first of each counts.
                    let handled = Handled::of(&numbers, &rows, source.examples());
                    let (inputs, targets) = objective.collate(&numbers, rows, &targets, draws);
                    let batch = Batch {
                        weights: site_weights(source.examples(), &numbers, &inputs),
                        inputs,
                        targets,
                    };
                    (batch, handled)
                });
                if sender.send(batch).is_err() {
                    return;
                }
            }
        });
        Box::new(BoundPass {
            metrics: self.objective.metrics(),
            seen: Seen::new(Arc::clone(&self.compiled)),
            compiled: Arc::clone(&self.compiled),
            objective: Arc::clone(&self.objective),
            receiver,
            left,
            present: None,
        })
    }
}

struct BoundPass<O: Learns> {
    objective: Arc<O>,
    receiver: Receiver<Waiting<O>>,
    /// Batches still to come.
    left: usize,
    present: Option<Batch<O::BatchTargets>>,
    metrics: O::Metrics,
    compiled: Arc<Compiled>,
    /// What metrics beside the task's own have seen.
    seen: Seen,
}

impl<O: Learns> BoundPass<O> {
    /// The present batch, if there is something to compute.
    fn present(&self) -> Option<&Batch<O::BatchTargets>> {
        self.present
            .as_ref()
            .filter(|batch| !batch.inputs.is_unscored())
    }

    /// The loss of a batch: the task's own, unless another is compiled or sites weigh differently. What it is divided by does not depend on
    /// the weights, as in Keras.
    fn loss_of(
        &self,
        batch: &Batch<O::BatchTargets>,
        network: &Network,
        mode: Mode,
    ) -> Result<Loss> {
        let own = (self.objective).loss(network, &batch.inputs, &batch.targets, mode);
        let other = self.compiled.loss.as_ref();
        if other.is_none() && batch.weights.is_none() {
            return Ok(own);
        }
        let Some(sites) = self.objective.sites(&batch.targets) else {
            return Ok(own);
        };
        let outputs = own.outputs.clone();
        let (losses, divisor) = match other {
            Some(loss) => {
                let [rows, _] = outputs.dims();
                let is_learned = outputs.is_tracked();
                let losses = loss.of(outputs, &sites);
                let [count] = losses.dims();
                if count != rows {
                    let problem = format!(
                        "the function gives {count} values for {rows} rows; expected one for each"
                    );
                    return Err(Error::refused("loss", problem));
                }
                // What no gradient passes through teaches nothing; burn would not go on.
                if is_learned && !losses.is_tracked() {
                    let problem = "the function's values do not depend on the outputs by operations that have gradients";
                    return Err(Error::refused("loss", problem));
                }
                (losses, count as f64)
            }
            None => (sites.own_losses(outputs), own.weight),
        };
        let losses = match &batch.weights {
            Some(weights) => {
                let weights = vector(weights.clone(), &losses.device());
                losses * weights
            }
            None => losses,
        };
        Ok(Loss {
            sum: losses.sum(),
            weight: divisor,
            ..own
        })
    }
}

impl<O: Learns> Pass for BoundPass<O> {
    fn advance(&mut self) -> Option<Result<Handled>> {
        self.present = None;
        let next = received(&self.receiver, &mut self.left)?;
        Some(next.map(|(batch, handled)| {
            self.present = Some(batch);
            handled
        }))
    }

    fn loss(&self, network: &Network, mode: Mode) -> Result<Option<Loss>> {
        let present = self.present();
        present
            .map(|batch| self.loss_of(batch, network, mode))
            .transpose()
    }

    fn score(&mut self, outputs: Tensor<2>, observer: &mut dyn Observer) -> Result<()> {
        let Some(batch) = &self.present else {
            return Ok(());
        };
        let targets = &batch.targets;
        if let Some(sites) = self.objective.sites(targets).filter(|_| self.seen.looks()) {
            let (values, width) = rows_of(outputs.clone());
            let values = self.objective.in_data(values);
            self.seen
                .add(&values, width, &sites, batch.weights.as_deref());
        }
        let metrics = &mut self.metrics;
        self.objective.score(metrics, outputs, targets, observer)?;
        Ok(())
    }

    fn details(&self) -> Vec<Detail> {
        self.metrics.details()
    }

    fn take_scores(&mut self) -> Scores {
        let all = self.metrics.finish().into_iter();
        let all = all.map(|(name, value)| (name.to_owned(), value));
        let means = self.seen.take();
        let scores = Scores {
            rows: self.metrics.rows(),
            all: self.compiled.reported(all.collect(), &means),
            means,
        };
        self.metrics = self.objective.metrics();
        scores
    }

    fn first_not_finite(&self, network: &Network, mode: Mode) -> Option<String> {
        let batch = self.present()?;
        network.first_not_finite(&batch.inputs, mode).or_else(|| {
            let loss = self.loss_of(batch, network, mode).ok()?;
            let is_finite = sum_squares(loss.outputs).is_finite();
            (!is_finite).then(|| "the outputs of the head".to_owned())
        })
    }
}

/// The next batch of a thread that has `left` to send.
fn received<T>(receiver: &Receiver<Result<T>>, left: &mut usize) -> Option<Result<T>> {
    *left = left.checked_sub(1)?;
    // A thread that died must not look like the end of the rows.
    Some(receiver.recv().unwrap_or_else(|_| {
        Err(Error::plain(
            "internal error: tokenising ended before the rows did; please report it",
        ))
    }))
}

/// A pass over rows that are predicted, in their order.
pub struct Predictions<'n> {
    spec: Arc<TaskSpec>,
    source: Arc<Source>,
    network: &'n Network,
    receiver: Receiver<Result<(Vec<usize>, Vec<EncodedRow>)>>,
    left: usize,
    /// The row of which more windows may come.
    open: Option<RowOutput>,
    is_divided: bool,
    /// What is drawn on the way is drawn by it.
    seed: u64,
}

impl<'n> Predictions<'n> {
    /// Of the batches of `plan`, tokenised ahead on a thread of its own.
    pub(crate) fn new(
        spec: Arc<TaskSpec>,
        network: &'n Network,
        source: Arc<Source>,
        plan: Vec<Vec<usize>>,
    ) -> Self {
        let left = plan.len();
        let is_divided = source.is_divided();
        let (sender, receiver) = sync_channel(AHEAD);
        let rows = Arc::clone(&source);
        std::thread::spawn(move || {
            for numbers in plan {
                if sender.send(rows.encode(numbers, Draws::Fixed)).is_err() {
                    return;
                }
            }
        });
        Self {
            spec,
            source,
            network,
            receiver,
            left,
            open: None,
            is_divided,
            seed: 0,
        }
    }

    /// The same with draws by `seed`, where any are made; else by 0.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The rows of which nothing more is to come.
    fn closed(&mut self, outputs: Vec<RowOutput>) -> Vec<RowOutput> {
        if !self.is_divided {
            return outputs;
        }
        let mut closed = Vec::new();
        for output in outputs {
            match &mut self.open {
                Some(open) if open.row == output.row => self.spec.objective().join(open, output),
                open => closed.extend(open.replace(output)),
            }
        }
        if self.left == 0 {
            closed.extend(self.open.take());
        }
        closed
    }
}

impl Iterator for Predictions<'_> {
    type Item = Result<(Handled, Vec<RowOutput>)>;

    /// What was done to the rows of the next batch, and what is predicted of rows that are complete with it.
    fn next(&mut self) -> Option<Self::Item> {
        let next = received(&self.receiver, &mut self.left)?;
        Some(next.map(|(numbers, rows)| {
            let examples = self.source.examples();
            let objective = self.spec.objective();
            let mut handled = Handled::of(&numbers, &rows, examples);
            handled.copied = rows.iter().filter(|row| objective.copies(row)).count();
            let asked = Asked {
                numbers: &numbers,
                labels: examples.labels.as_ref(),
                seed: self.seed,
            };
            let mut outputs = objective.predict_asked(self.network, rows, &asked);
            for output in &mut outputs {
                output.row = numbers[output.row];
            }
            (handled, self.closed(outputs))
        }))
    }
}
