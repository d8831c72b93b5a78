//! Scores where each of several labels applies to a row or not.

use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::{Detail, MetricError, Metrics, auroc, exact, mean, of_one};
use crate::output::sigmoid;

const NAMES: [&str; 4] = ["accuracy", "f1", "mcc", "auroc"];

/// Accuracy, F1, MCC and AUROC of multi-label classification.
///
/// Accuracy, F1 and AUROC are the plain mean of each label's own; MCC is that of the confusion matrix
/// summed over the labels. A label applies where its sigmoid is above 0.5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiLabel {
    /// Of each label, the rows to which it does not and does apply.
    counts: Vec<Counts>,
    /// Whether each label applies, row after row.
    #[serde(with = "exact::flags")]
    flags: Vec<bool>,
    /// The probability of each label, row after row; in `f32` for the reason that
    /// [`Classification`](super::Classification) has.
    #[serde(with = "exact::scores")]
    pub(super) scores: Vec<f32>,
}

impl MultiLabel {
    /// Nothing seen yet, for rows of `labels` logits.
    pub fn new(labels: usize) -> Self {
        Self {
            counts: vec![Counts::new(2); labels],
            flags: Vec::new(),
            scores: Vec::new(),
        }
    }

    /// Takes in one row: its logits `[labels]`, and whether each label applies `[labels]`.
    ///
    /// # Errors
    /// The row has another width than `labels`.
    pub fn update(&mut self, logits: &[f32], flags: &[bool]) -> Result<(), MetricError> {
        let labels = self.counts.len();
        if logits.len() != labels || flags.len() != labels {
            return Err(MetricError::Flags {
                logits: logits.len(),
                flags: flags.len(),
                labels,
            });
        }
        for ((counts, &logit), &flag) in self.counts.iter_mut().zip(logits).zip(flags) {
            let probability = sigmoid(logit);
            counts.add(usize::from(probability > 0.5), usize::from(flag));
            self.scores.push(probability);
        }
        self.flags.extend_from_slice(flags);
        Ok(())
    }

    /// Accuracy, F1, MCC and AUROC of each label.
    fn labels(&self) -> Vec<[f64; 4]> {
        let score = |(label, counts): (usize, &Counts)| {
            if self.rows() == 0 {
                return [f64::NAN; 4];
            }
            [
                counts.accuracy(),
                counts.f1(),
                counts.mcc(),
                self.label_area(label),
            ]
        };
        self.counts.iter().enumerate().map(score).collect()
    }

    fn label_area(&self, label: usize) -> f64 {
        let rows = self.scores.iter().zip(&self.flags);
        let rows = rows.skip(label).step_by(self.counts.len().max(1));
        auroc(rows.map(|(&score, &flag)| (score, flag)))
    }
}

impl Metrics for MultiLabel {
    /// The number of rows seen.
    fn rows(&self) -> usize {
        self.flags.len() / self.counts.len().max(1)
    }

    /// The scores of all rows seen, by name: `accuracy`, `f1`, `mcc`, `auroc`.
    ///
    /// All are NaN when no row was seen. AUROC is NaN when a logit was. A label that neither occurs
    /// nor is predicted has F1 0, one that applies to no row or to every row has AUROC 0, and both
    /// count in the means.
    fn finish(&self) -> Vec<(&'static str, f64)> {
        let labels = self.labels();
        let average = |score: usize| {
            let each: Vec<f64> = labels.iter().map(|scores| scores[score]).collect();
            mean(&each)
        };
        let pooled = self.counts.iter().fold(Counts::new(2), Counts::plus);
        let mcc = if self.rows() == 0 {
            f64::NAN
        } else {
            pooled.mcc()
        };
        let scores = [average(0), average(1), mcc, average(3)];
        NAMES.into_iter().zip(scores).collect()
    }

    /// The scores of each label as a task of its own, label after label: `accuracy`, `f1`, `mcc`,
    /// `auroc`.
    ///
    /// They are those of [`Classification`](super::Classification) with two classes.
    fn details(&self) -> Vec<Detail> {
        let labels = self.labels().into_iter().enumerate();
        labels
            .flat_map(|(label, scores)| of_one(label, NAMES, scores))
            .collect()
    }
}
