//! Scores of a whole split, gathered row by row.
//!
//! The definitions are torchmetrics': accuracy, F1, Matthews correlation and exact area under the
//! ROC curve, binary on class 1 when there are two classes, micro (accuracy) or macro (F1, AUROC)
//! averaged when there are more. Nothing is averaged over batches: counts are whole numbers, sums are
//! taken in `f64` in the order of the rows, so a score does not depend on how rows were batched.
//!
//! All state serialises exactly, so that a run stopped in the middle of an epoch resumes to the same
//! scores.

mod counts;
pub mod exact;
mod ranking;

use serde::{Deserialize, Serialize};

use counts::Counts;
pub use ranking::auroc;

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
}

/// Accuracy, F1, MCC and AUROC of single-label classification.
///
/// The exact AUROC needs every row's probabilities: 4 bytes a row for two classes, 4 bytes a row and
/// class for more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    counts: Counts,
    labels: Vec<u32>,
    /// Probabilities, row after row: of class 1 alone when there are two classes, else of each class.
    ///
    /// Kept in `f32` because that is the precision of the scores torchmetrics ranks: probabilities
    /// that saturate tie there, and must tie here.
    #[serde(with = "exact::scores")]
    scores: Vec<f32>,
}

impl Classification {
    /// Nothing seen yet, for rows of `n_classes` logits.
    pub fn new(n_classes: usize) -> Self {
        Self {
            counts: Counts::new(n_classes),
            labels: Vec::new(),
            scores: Vec::new(),
        }
    }

    /// The number of rows seen.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Takes in one row: its logits `[n_classes]` and its true class.
    ///
    /// The predicted class is the first of the largest logits, which for two classes is the
    /// threshold "probability of class 1 above 0.5".
    ///
    /// # Errors
    /// The label is out of range, or the row has another width than `n_classes`.
    pub fn update(&mut self, logits: &[f32], label: usize) -> Result<(), MetricError> {
        let classes = self.counts.classes();
        if logits.len() != classes {
            let width = logits.len();
            return Err(MetricError::Width { width, classes });
        }
        let stored = u32::try_from(label)
            .ok()
            .filter(|_| label < classes)
            .ok_or(MetricError::Label { label, classes })?;

        self.counts.add(argmax(logits), label);
        self.labels.push(stored);
        let probabilities = softmax(logits);
        if classes == 2 {
            self.scores.extend(probabilities.skip(1));
        } else {
            self.scores.extend(probabilities);
        }
        Ok(())
    }

    /// The scores of all rows seen, by name: `accuracy`, `f1`, `mcc`, `auroc`.
    ///
    /// All are NaN when no row was seen. AUROC is NaN when a logit was; a class without positive or
    /// without negative rows has AUROC 0 and counts in the mean.
    pub fn finish(&self) -> Vec<(&'static str, f64)> {
        if self.labels.is_empty() {
            return ["accuracy", "f1", "mcc", "auroc"]
                .map(|name| (name, f64::NAN))
                .to_vec();
        }
        vec![
            ("accuracy", self.counts.accuracy()),
            ("f1", self.counts.f1()),
            ("mcc", self.counts.mcc()),
            ("auroc", self.area()),
        ]
    }

    /// Area under the ROC curve: of class 1, or the mean over each class against the rest.
    fn area(&self) -> f64 {
        let classes = self.counts.classes();
        if classes == 2 {
            let rows = self.scores.iter().zip(&self.labels);
            return auroc(rows.map(|(&score, &label)| (score, label == 1)));
        }
        let one_against_rest = |class: usize| {
            let scores = self.scores.iter().skip(class).step_by(classes.max(1));
            let rows = scores.zip(&self.labels);
            auroc(rows.map(|(&score, &label)| (score, label as usize == class)))
        };
        (0..classes).map(one_against_rest).sum::<f64>() / classes as f64
    }
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

/// The first of the largest values; NaN is never the largest.
fn argmax(values: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, &value) in values.iter().enumerate() {
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}

/// Softmax in `f64`, rounded once to `f32`.
fn softmax(logits: &[f32]) -> impl Iterator<Item = f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let power = move |logit: f32| (f64::from(logit) - f64::from(largest)).exp();
    let total: f64 = logits.iter().map(|&logit| power(logit)).sum();
    logits
        .iter()
        .map(move |&logit| (power(logit) / total) as f32)
}

#[cfg(test)]
mod tests;
