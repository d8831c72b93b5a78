//! Scores of a whole split, gathered row by row.
//!
//! The definitions are torchmetrics'. Nothing is averaged over batches: counts are whole numbers, sums
//! are taken in `f64` in the order of the rows, so a score does not depend on how rows were batched.
//!
//! All state serialises exactly, so that a run stopped in the middle of an epoch resumes to the same
//! scores. What a row costs in memory:
//!
//! | scores | bytes a row |
//! |---|---|
//! | [`Classification`] | 8 with two classes, 4 + 4 for each class with more |
//! | [`MultiLabel`] | 5 for each label |
//! | [`Regression`] | 8 for each output |
//! | [`MaskedTokens`], [`NextTokens`] | none |

mod classification;
mod counts;
pub mod exact;
mod masked_tokens;
mod multi_label;
mod next_tokens;
mod ranking;
mod regression;

use serde::{Deserialize, Serialize};

pub use classification::Classification;
pub use masked_tokens::MaskedTokens;
pub use multi_label::MultiLabel;
pub use next_tokens::NextTokens;
pub use ranking::auroc;
pub use regression::Regression;

/// The scores of one task, whichever it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Metrics {
    /// One class for each row, or for each token.
    Classification(Classification),
    /// Any number of labels for each row.
    MultiLabel(MultiLabel),
    /// Numbers for each row.
    Regression(Regression),
    /// Tokens guessed from their surroundings.
    MaskedTokens(MaskedTokens),
    /// Tokens told from those before them.
    NextTokens(NextTokens),
}

impl Metrics {
    /// Nothing seen yet, of rows that belong to one of `n_classes` classes.
    pub fn classification(n_classes: usize) -> Self {
        Self::Classification(Classification::new(n_classes))
    }

    /// Nothing seen yet, of rows that each of `labels` labels applies to or not.
    pub fn multi_label(labels: usize) -> Self {
        Self::MultiLabel(MultiLabel::new(labels))
    }

    /// Nothing seen yet, of rows of `outputs` numbers.
    pub fn regression(outputs: usize) -> Self {
        Self::Regression(Regression::new(outputs))
    }

    /// Nothing seen yet, of masked tokens.
    pub fn masked_tokens() -> Self {
        Self::MaskedTokens(MaskedTokens::default())
    }

    /// Nothing seen yet, of tokens told from those before them.
    pub fn next_tokens() -> Self {
        Self::NextTokens(NextTokens::default())
    }

    /// The number of rows (of tokens, where tokens are scored) seen.
    pub fn rows(&self) -> usize {
        match self {
            Self::Classification(scores) => scores.rows(),
            Self::MultiLabel(scores) => scores.rows(),
            Self::Regression(scores) => scores.rows(),
            Self::MaskedTokens(scores) => scores.rows(),
            Self::NextTokens(scores) => scores.rows(),
        }
    }

    /// The scores of all rows seen, by name: one number each over all classes, labels or outputs.
    ///
    /// All are NaN when no row was seen.
    pub fn finish(&self) -> Vec<(String, f64)> {
        let scores = match self {
            Self::Classification(scores) => scores.finish(),
            Self::MultiLabel(scores) => scores.finish(),
            Self::Regression(scores) => scores.finish(),
            Self::MaskedTokens(scores) => scores.finish(),
            Self::NextTokens(scores) => scores.finish(),
        };
        let owned = |(name, value): (&str, f64)| (name.to_owned(), value);
        scores.into_iter().map(owned).collect()
    }

    /// The scores of each class, label or output alone, named by its number: `f1_0`, ..., `f1_1`, ...
    ///
    /// Empty where they would say nothing new: two classes, one output, tokens.
    pub fn details(&self) -> Vec<(String, f64)> {
        match self {
            Self::Classification(scores) => scores.details(),
            Self::MultiLabel(scores) => scores.details(),
            Self::Regression(scores) => scores.details(),
            Self::MaskedTokens(_) | Self::NextTokens(_) => Vec::new(),
        }
    }
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

/// Scores of one class, label or output, with its number after each name.
fn numbered<const N: usize>(
    number: usize,
    names: [&str; N],
    scores: [f64; N],
) -> impl Iterator<Item = (String, f64)> {
    let named = names.map(|name| format!("{name}_{number}"));
    named.into_iter().zip(scores)
}

#[cfg(test)]
mod tests;
