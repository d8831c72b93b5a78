//! Scores of a whole split, gathered row by row.
//!
//! The definitions are torchmetrics', and for written texts sacreBLEU's, rouge-score's and KerasHub's.
//! Nothing is averaged over batches: counts are whole numbers, sums are taken in `f64` in the order of
//! the rows, so a score does not depend on how rows were batched.
//!
//! All state serialises exactly, so that a run stopped in the middle of an epoch resumes to the same
//! scores. What a row costs in memory:
//!
//! | scores | bytes a row |
//! |---|---|
//! | [`Classification`] | 8 with two classes, 4 + 4 for each class with more |
//! | [`MultiLabel`] | 5 for each label |
//! | [`Regression`] | 8 for each output |
//! | [`VariantEffects`] | 4 and 4 for each measure of each layer |
//! | [`MaskedTokens`], [`NextTokens`], [`TopPairs`], [`Structures`], [`Denoised`], [`TextScores`], [`WrittenScores`] | none |

mod classification;
mod counts;
mod denoised;
pub mod exact;
mod masked_tokens;
mod multi_label;
mod next_tokens;
mod ranking;
mod regression;
mod structures;
mod texts;
mod top_pairs;
mod variant_effects;
mod written_scores;

use serde::{Deserialize, Serialize};

pub use classification::Classification;
pub use denoised::{Denoised, DenoisedRow};
pub use masked_tokens::MaskedTokens;
pub use multi_label::MultiLabel;
pub use next_tokens::NextTokens;
pub use ranking::{auroc, average_precision};
pub use regression::Regression;
pub use structures::{LEAST_THRESHOLD, Structures};
pub use texts::{TextScores, edit_distance};
pub use top_pairs::TopPairs;
pub use variant_effects::{Scored, VariantEffects};
pub use written_scores::WrittenScores;

/// Scores of a split, gathered row by row.
pub trait Metrics: Send + 'static {
    /// The number of rows (of tokens, where tokens are scored) seen.
    fn rows(&self) -> usize;

    /// The scores of all rows seen, by name: one number each over all classes, labels or outputs.
    ///
    /// All are NaN when no row was seen.
    fn finish(&self) -> Vec<(&'static str, f64)>;

    /// The scores of each class, label or output alone.
    ///
    /// Empty where they would say nothing new: two classes, one output, tokens.
    fn details(&self) -> Vec<Detail> {
        Vec::new()
    }
}

/// The name under which a score of a stage is logged: `val_f1` of `f1`. One that begins with `/` follows the stage at once (`val/f1`), and one that
/// begins with `=` stands alone.
pub fn staged(stage: &str, score: &str) -> String {
    match (score.strip_prefix('='), score.starts_with('/')) {
        (Some(alone), _) => alone.to_owned(),
        (None, true) => format!("{stage}{score}"),
        (None, false) => format!("{stage}_{score}"),
    }
}

/// Whether a metric is one of a stage, by its name.
pub fn is_of(stage: &str, metric: &str) -> bool {
    let rest = metric.strip_prefix(stage);
    rest.is_some_and(|rest| rest.starts_with(['_', '/']))
}

/// A score of one class, label or output alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detail {
    /// Its name: `f1` and the like.
    pub score: &'static str,
    /// Which class, label or output it is of, from 0.
    pub number: usize,
    /// Its value.
    pub value: f64,
}

/// Why a row cannot be scored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// The label is no class.
    #[error("label {label} is not one of the {classes} classes; labels run from 0 to {}", classes.saturating_sub(1))]
    Label {
        /// The label given.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// The row has another width than there are classes.
    #[error(
        "a row of {width} logits cannot be scored against {classes} classes; both must be equal"
    )]
    Width {
        /// The number of logits given.
        width: usize,
        /// The number of classes.
        classes: usize,
    },
    /// The row has another width than there are labels.
    #[error(
        "a row of {logits} logits and {flags} flags cannot be scored against {labels} labels; all must be equal"
    )]
    Flags {
        /// The number of logits given.
        logits: usize,
        /// The number of flags given.
        flags: usize,
        /// The number of labels.
        labels: usize,
    },
    /// The row has another width than there are outputs.
    #[error(
        "a row of {predictions} predictions and {targets} targets cannot be scored against {outputs} outputs; all must be equal"
    )]
    Outputs {
        /// The number of predictions given.
        predictions: usize,
        /// The number of targets given.
        targets: usize,
        /// The number of outputs.
        outputs: usize,
    },
}

/// A weighted mean that is divided once, at the end: the loss of an epoch or a split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// Sum of the weighted values.
    #[serde(with = "exact")]
    pub sum: f64,
    /// Sum of the weights.
    #[serde(with = "exact")]
    pub weight: f64,
}

impl Mean {
    /// Adds values that are already summed, with the sum of their weights.
    pub fn add(&mut self, sum: f64, weight: f64) {
        self.sum += sum;
        self.weight += weight;
    }

    /// The mean so far; NaN before anything was added.
    pub fn value(&self) -> f64 {
        self.sum / self.weight
    }
}

/// The mean of a few scores, taken in their order; NaN of none.
fn mean(scores: &[f64]) -> f64 {
    scores.iter().sum::<f64>() / scores.len() as f64
}

/// Scores of one class, label or output.
fn of_one<const N: usize>(
    number: usize,
    names: [&'static str; N],
    scores: [f64; N],
) -> impl Iterator<Item = Detail> {
    let scores = names.into_iter().zip(scores);
    scores.map(move |(score, value)| Detail {
        score,
        number,
        value,
    })
}

#[cfg(test)]
mod tests;
