//! Scores where each row belongs to one class.

use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::{Detail, MetricError, Metrics, auroc, exact, mean, of_one};
use crate::output::{largest, softmax};

/// Accuracy, F1, MCC and AUROC of single-label classification.
///
/// Binary on class 1 when there are two classes, micro (accuracy) or macro (F1, AUROC) averaged when
/// there are more. The AUROC is exact, so it needs every row's label and probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    counts: Counts,
    labels: Vec<u32>,
    /// Probabilities, row after row: of class 1 alone when there are two classes, else of each class.
    ///
    /// Kept in `f32` because that is the precision of the scores torchmetrics ranks: probabilities
    /// that saturate tie there, and must tie here.
    #[serde(with = "exact::scores")]
    pub(super) scores: Vec<f32>,
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

        self.counts.add(largest(logits), label);
        self.labels.push(stored);
        let probabilities = softmax(logits);
        if classes == 2 {
            self.scores.extend(probabilities.skip(1));
        } else {
            self.scores.extend(probabilities);
        }
        Ok(())
    }

    /// Area under the ROC curve: of class 1, or the mean over each class against the rest.
    fn area(&self) -> f64 {
        let classes = self.counts.classes();
        if classes == 2 {
            let rows = self.scores.iter().zip(&self.labels);
            return auroc(rows.map(|(&score, &label)| (score, label == 1)));
        }
        let areas: Vec<f64> = (0..classes).map(|class| self.class_area(class)).collect();
        mean(&areas)
    }

    /// Area under the ROC curve of one of more than two classes against the rest.
    fn class_area(&self, class: usize) -> f64 {
        let classes = self.counts.classes();
        let scores = self.scores.iter().skip(class).step_by(classes.max(1));
        let rows = scores.zip(&self.labels);
        auroc(rows.map(|(&score, &label)| (score, label as usize == class)))
    }
}

impl Metrics for Classification {
    /// The number of rows seen.
    fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The scores of all rows seen, by name: `accuracy`, `f1`, `mcc`, `auroc`.
    ///
    /// All are NaN when no row was seen. AUROC is NaN when a logit was; a class without positive or
    /// without negative rows has AUROC 0 and counts in the mean.
    fn finish(&self) -> Vec<(&'static str, f64)> {
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

    /// The scores of each class against the rest, class after class: `accuracy`, `f1`, `auroc`; none when
    /// there are two classes or fewer.
    ///
    /// A class's accuracy is the share of its rows that were found. A class without rows has accuracy,
    /// F1 and AUROC 0. All are NaN when no row was seen.
    fn details(&self) -> Vec<Detail> {
        let classes = self.counts.classes();
        if classes <= 2 {
            return Vec::new();
        }
        let scores = |class| {
            if self.labels.is_empty() {
                return [f64::NAN; 3];
            }
            let (found, f1) = (self.counts.found(class), self.counts.class_f1(class));
            [found, f1, self.class_area(class)]
        };
        (0..classes)
            .flat_map(|class| of_one(class, ["accuracy", "f1", "auroc"], scores(class)))
            .collect()
    }
}
