//! Scores where numbers are predicted.

use serde::{Deserialize, Serialize};

use super::ranking::average_ranks;
use super::{Detail, MetricError, Metrics, exact, mean, of_one};

const NAMES: [&str; 5] = ["pearson", "spearman", "mae", "r2", "mse"];

/// Correlations, errors and explained variance of regression, averaged uniformly over the outputs.
///
/// Everything is computed from the stored rows, in `f64` and about the mean, so that values far from
/// zero lose no digits. Ranks need every row anyway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    outputs: usize,
    /// What was predicted, row after row.
    #[serde(with = "exact::scores")]
    predictions: Vec<f32>,
    /// What is true, row after row.
    #[serde(with = "exact::scores")]
    targets: Vec<f32>,
}

impl Regression {
    /// Nothing seen yet, for rows of `outputs` numbers.
    pub fn new(outputs: usize) -> Self {
        Self {
            outputs,
            predictions: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// Takes in one row: what was predicted `[outputs]` and what is true `[outputs]`.
    ///
    /// # Errors
    /// The row has another width than `outputs`.
    pub fn update(&mut self, predictions: &[f32], targets: &[f32]) -> Result<(), MetricError> {
        if predictions.len() != self.outputs || targets.len() != self.outputs {
            return Err(MetricError::Outputs {
                predictions: predictions.len(),
                targets: targets.len(),
                outputs: self.outputs,
            });
        }
        self.predictions.extend_from_slice(predictions);
        self.targets.extend_from_slice(targets);
        Ok(())
    }

    /// The scores of each output, in the order of `NAMES`.
    fn each_output(&self) -> Vec<[f64; 5]> {
        let column = |values: &[f32], output| -> Vec<f64> {
            let column = values.iter().skip(output).step_by(self.outputs.max(1));
            column.copied().map(f64::from).collect()
        };
        let score = |output| {
            let predictions = column(&self.predictions, output);
            let targets = column(&self.targets, output);
            scores(&predictions, &targets)
        };
        (0..self.outputs).map(score).collect()
    }
}

impl Metrics for Regression {
    /// The number of rows seen.
    fn rows(&self) -> usize {
        self.targets.len() / self.outputs.max(1)
    }

    /// The scores of all rows seen, by name: `pearson`, `spearman`, `mae`, `r2`, `mse`.
    ///
    /// Where a formula has no value on these rows:
    ///
    /// * no rows: all are NaN;
    /// * one row: Pearson and R2 are NaN, Spearman is 0;
    /// * constant predictions or targets: Pearson is NaN, Spearman is 0; with constant targets R2 is 1
    ///   if every prediction is right and 0 otherwise;
    /// * a NaN among the values of an output: all its scores are NaN. An output that is NaN makes the
    ///   average so.
    ///
    /// These are torchmetrics' conventions, but for two: it ranks NaN as if it were a number, and it
    /// takes sums of squares under 1e-4 for zero, which on targets of a small scale makes R2 1
    /// whatever is predicted. Here R2 is the formula's.
    fn finish(&self) -> Vec<(&'static str, f64)> {
        let outputs = self.each_output();
        let average = |score: usize| {
            let each: Vec<f64> = outputs.iter().map(|scores| scores[score]).collect();
            mean(&each)
        };
        NAMES.into_iter().zip((0..).map(average)).collect()
    }

    /// The scores of each output, output after output: `pearson`, `spearman`, `mae`, `r2`, `mse`; none
    /// when there is but one output.
    fn details(&self) -> Vec<Detail> {
        if self.outputs < 2 {
            return Vec::new();
        }
        let outputs = self.each_output().into_iter().enumerate();
        outputs
            .flat_map(|(output, scores)| of_one(output, NAMES, scores))
            .collect()
    }
}

/// The scores of one output, in the order of `NAMES`.
fn scores(predictions: &[f64], targets: &[f64]) -> [f64; 5] {
    let rows = targets.len() as f64;
    let errors = || {
        let pairs = predictions.iter().zip(targets);
        pairs.map(|(prediction, target)| target - prediction)
    };
    let absolute: f64 = errors().map(f64::abs).sum();
    let squared: f64 = errors().map(|error| error * error).sum();
    [
        pearson(predictions, targets),
        spearman(predictions, targets),
        absolute / rows,
        explained(squared, targets),
        squared / rows,
    ]
}

/// Pearson's correlation; NaN when either side is constant.
fn pearson(one: &[f64], other: &[f64]) -> f64 {
    let (one, other) = (centred(one), centred(other));
    let scale = (product(&one, &one) * product(&other, &other)).sqrt();
    (product(&one, &other) / scale).clamp(-1.0, 1.0)
}

/// Spearman's correlation: Pearson's of the ranks, but 0 when either side is constant.
pub(super) fn spearman(one: &[f64], other: &[f64]) -> f64 {
    /// What torchmetrics adds to the denominator. It shows on a few rows: two in perfect order have
    /// 0.999996.
    const GUARD: f64 = 1e-6;

    if one.is_empty() || one.iter().chain(other).any(|value| value.is_nan()) {
        return f64::NAN;
    }
    let rows = one.len() as f64;
    let (one, other) = (centred(&average_ranks(one)), centred(&average_ranks(other)));
    let deviation = |ranks: &[f64]| (product(ranks, ranks) / rows).sqrt();
    let scale = deviation(&one) * deviation(&other) + GUARD;
    (product(&one, &other) / rows / scale).clamp(-1.0, 1.0)
}

/// R2, one minus the share of the targets' spread that `residual`, the sum of squared errors, leaves.
fn explained(residual: f64, targets: &[f64]) -> f64 {
    if targets.len() < 2 {
        return f64::NAN;
    }
    let targets = centred(targets);
    let spread = product(&targets, &targets);
    // A constant is summed without rounding, being 24 bits in 53, so its spread is exactly zero.
    if spread > 0.0 || spread.is_nan() || residual.is_nan() {
        1.0 - residual / spread
    } else if residual == 0.0 {
        1.0
    } else {
        0.0
    }
}

/// The values less their mean.
fn centred(values: &[f64]) -> Vec<f64> {
    let mean = mean(values);
    values.iter().map(|value| value - mean).collect()
}

fn product(one: &[f64], other: &[f64]) -> f64 {
    let pairs = one.iter().zip(other);
    pairs.map(|(one, other)| one * other).sum()
}
