//! How alike predicted secondary structures are to the true ones, by the probability from which on a pair is taken.

use serde::{Deserialize, Serialize};

use super::{Mean, Metrics};
use crate::structure::{Comparison, Likeness};

/// Thresholds that are tried, in hundredths: 0.01, 0.02, ..., 0.29.
const TRIED: std::ops::RangeInclusive<u32> = 1..=29;

/// The least of them.
pub const LEAST_THRESHOLD: f64 = 0.01;

/// Scores at one threshold: precision, recall and F1 as means over rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct At {
    threshold: f64,
    relaxed: [Mean; 3],
    strict: [Mean; 3],
    crossing: Mean,
}

impl At {
    fn add(&mut self, comparison: &Comparison, count: usize) {
        let add = |means: &mut [Mean; 3], likeness: Likeness| {
            for (mean, value) in means.iter_mut().zip(likeness) {
                mean.add(value, 1.0);
            }
        };
        add(&mut self.relaxed, comparison.likeness(count, true));
        add(&mut self.strict, comparison.likeness(count, false));
        if let Some(f1) = comparison.of_crossing(count) {
            self.crossing.add(f1, 1.0);
        }
    }
}

/// Precision, recall and F1 of structures: of pairs that may be one off at one of their ends, strictly, and of pseudoknots; each the mean over
/// rows, at the threshold that is kept, or where it is tuned at the one of 0.01 to 0.29 whose mean F1 is best.
///
/// Precision is the share of the predicted pairs that are next to true ones, recall that of the true ones that are next to predicted ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Structures {
    rows: usize,
    tunes: bool,
    /// The one that is kept first.
    thresholds: Vec<At>,
}

impl Structures {
    /// Nothing seen yet; `tunes` says whether thresholds are tried besides the one that is `kept`.
    pub fn new(kept: f64, tunes: bool) -> Self {
        let tried = TRIED.filter(|_| tunes).map(|it| f64::from(it) / 100.0);
        let at = |threshold| At {
            threshold,
            ..At::default()
        };
        Self {
            rows: 0,
            tunes,
            thresholds: std::iter::once(kept).chain(tried).map(at).collect(),
        }
    }

    /// The least threshold from which on pairs are looked at.
    pub(crate) fn least(&self) -> f64 {
        let thresholds = self.thresholds.iter().map(|at| at.threshold);
        thresholds.fold(f64::INFINITY, f64::min)
    }

    /// Takes in one row by its predicted pairs, the most probable first, and how they compare to the true ones.
    pub(crate) fn update(&mut self, predicted: &[([usize; 2], f64)], comparison: &Comparison) {
        self.rows += 1;
        for at in &mut self.thresholds {
            let count = predicted.partition_point(|(_, probability)| *probability > at.threshold);
            at.add(comparison, count);
        }
    }

    /// The scores at the threshold that counts.
    fn best(&self) -> Option<&At> {
        if !self.tunes {
            return self.thresholds.first();
        }
        let mut tried = self.thresholds.iter().skip(1);
        let first = tried.next()?;
        Some(tried.fold(first, |best, at| {
            if at.relaxed[2].value() > best.relaxed[2].value() {
                at
            } else {
                best
            }
        }))
    }
}

impl Metrics for Structures {
    fn rows(&self) -> usize {
        self.rows
    }

    /// `f1` and the threshold have several names, under which ModelGenerator logs them.
    fn finish(&self) -> Vec<(&'static str, f64)> {
        let Some(best) = self.best() else {
            return Vec::new();
        };
        let [precision, recall, f1] = [0, 1, 2].map(|score: usize| best.relaxed[score].value());
        let strict = [0, 1, 2].map(|score: usize| best.strict[score].value());
        vec![
            ("f1", f1),
            ("=thresh", best.threshold),
            ("/precision", precision),
            ("/recall", recall),
            ("/f1", f1),
            ("/threshold", best.threshold),
            ("strict_precision", strict[0]),
            ("strict_recall", strict[1]),
            ("strict_f1", strict[2]),
            ("pseudoknot_f1", best.crossing.value()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use engraft_models::Plane;

    use super::*;

    fn score(metrics: &Structures, name: &str) -> f64 {
        let scores = metrics.finish();
        scores.iter().find(|(score, _)| *score == name).unwrap().1
    }

    #[test]
    fn the_threshold_is_the_first_of_the_best_of_all_rows() {
        let mut truth = Plane::new(12);
        truth.set([0, 11], 1);
        truth.set([2, 8], 1);
        let predicted = [([0, 11], 0.9), ([2, 8], 0.2), ([3, 7], 0.105)];
        let comparison = Comparison::new(&predicted, &truth);
        let mut tuned = Structures::new(0.5, true);
        tuned.update(&predicted, &comparison);
        assert_eq!(score(&tuned, "/threshold"), 0.11);
        assert_eq!(
            (score(&tuned, "f1"), score(&tuned, "/precision")),
            (1.0, 1.0)
        );
        let mut kept = Structures::new(0.5, false);
        kept.update(&predicted, &comparison);
        assert_eq!(score(&kept, "=thresh"), 0.5);
        assert_eq!(
            (score(&kept, "/precision"), score(&kept, "/recall")),
            (1.0, 0.5)
        );
        assert!(score(&kept, "pseudoknot_f1").is_nan());
        assert_eq!(tuned.least(), LEAST_THRESHOLD);
        assert_eq!(kept.least(), 0.5);
    }
}
