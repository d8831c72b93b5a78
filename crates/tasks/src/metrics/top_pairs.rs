//! How many of the pairs that score highest belong together.

use serde::{Deserialize, Serialize};

use super::{Mean, Metrics};

/// Each score with what a row's length is divided by, which gives the number of pairs that are taken.
const SCORES: [(&str, usize); 4] = [
    ("top_L_acc", 1),
    ("top_L2_acc", 2),
    ("top_L5_acc", 5),
    ("top_L10_acc", 10),
];

/// Pairs of letters that are closer than this in the row are not looked at: they nearly always touch.
const NEAREST: usize = 7;

/// The share of the pairs that score highest which belong together: of a row of `L` letters the first `L`, `L / 2`, `L / 5` and `L / 10` of
/// those more than six letters apart, one at least; the mean over rows.
///
/// A row without such pairs counts for nothing, and where it has fewer than are asked for, the share is that of all it has; unless what is asked
/// for is what counts, so that such a row can never score 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TopPairs {
    rows: usize,
    /// Whether pairs that a row does not have count as wrong.
    of_asked: bool,
    means: [Mean; SCORES.len()],
}

impl TopPairs {
    /// Where pairs that a row does not have count as wrong, as ModelGenerator counts them.
    pub fn of_all_asked_for() -> Self {
        Self {
            of_asked: true,
            ..Self::default()
        }
    }

    /// Takes in one row of `length` letters: the logit of the pair `[i, j]` is at `i * length + j`, and `class` says whether it belongs
    /// together, or nothing where that is not known.
    pub fn update(
        &mut self,
        logits: &[f32],
        length: usize,
        class: impl Fn(usize, usize) -> Option<bool>,
    ) {
        let mut pairs = Vec::new();
        for row in 0..length {
            for column in row + NEAREST..length {
                if let (Some(logit), Some(class)) =
                    (logits.get(row * length + column), class(row, column))
                {
                    pairs.push((*logit, class));
                }
            }
        }
        if pairs.is_empty() && !self.of_asked {
            return;
        }
        // Of equal logits those come first that come first in the row.
        pairs.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        self.rows += 1;
        for (mean, (_, divisor)) in self.means.iter_mut().zip(SCORES) {
            let asked = (length / divisor).max(1);
            let taken = asked.min(pairs.len());
            let hits = pairs[..taken].iter().filter(|(_, class)| *class).count();
            let of = if self.of_asked { asked } else { taken };
            mean.add(hits as f64 / of as f64, 1.0);
        }
    }
}

impl Metrics for TopPairs {
    /// The number of rows that have pairs to be looked at.
    fn rows(&self) -> usize {
        self.rows
    }

    fn finish(&self) -> Vec<(&'static str, f64)> {
        let scores = SCORES.into_iter().zip(&self.means);
        scores
            .map(|((name, _), mean)| (name, mean.value()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scores of rows, each of its length, where the logit of a pair is minus its place among all, and these belong together.
    fn scores(rows: &[(usize, &[[usize; 2]])]) -> Vec<f64> {
        scores_of(TopPairs::default(), rows)
    }

    fn scores_of(mut metrics: TopPairs, rows: &[(usize, &[[usize; 2]])]) -> Vec<f64> {
        for (length, together) in rows {
            let logits: Vec<f32> = (0..length * length).map(|at| -(at as f32)).collect();
            metrics.update(&logits, *length, |row, column| {
                Some(together.contains(&[row, column]))
            });
        }
        metrics
            .finish()
            .into_iter()
            .map(|(_, value)| value)
            .collect()
    }

    #[test]
    fn pairs_are_taken_by_the_length_of_their_own_row() {
        // Of 20 letters the first pairs are [0, 7], [0, 8], ..., [0, 19], then [1, 8], ...
        let twenty: &[[usize; 2]] = &[[0, 7], [0, 8], [0, 12], [0, 19], [1, 8], [0, 6]];
        assert_eq!(
            scores(&[(20, twenty)]),
            [5.0 / 20.0, 3.0 / 10.0, 2.0 / 4.0, 1.0]
        );
        // A row of 9 has three pairs, and a tenth of it is one.
        let nine: &[[usize; 2]] = &[[0, 8]];
        assert_eq!(scores(&[(9, nine)]), [1.0 / 3.0, 1.0 / 3.0, 0.0, 0.0]);
        let both = scores(&[(20, twenty), (9, nine), (7, &[[0, 6]])]);
        let mean = (5.0 / 20.0 + 1.0 / 3.0) / 2.0;
        assert!((both[0] - mean).abs() < 1e-12, "{both:?}");
        assert!(scores(&[(7, &[])]).iter().all(|score| score.is_nan()));
    }

    #[test]
    fn pairs_that_a_row_lacks_count_as_wrong_where_that_is_asked_for() {
        // A row of 9 letters is asked for 9 pairs, 4, one and one, and has three.
        let nine: (usize, &[[usize; 2]]) = (9, &[[0, 7], [1, 8]]);
        let metrics = TopPairs::of_all_asked_for;
        assert_eq!(
            scores_of(metrics(), &[nine]),
            [2.0 / 9.0, 2.0 / 4.0, 1.0, 1.0]
        );
        let with_none = scores_of(metrics(), &[nine, (7, &[])]);
        assert_eq!(with_none, [1.0 / 9.0, 1.0 / 4.0, 0.5, 0.5]);
    }

    #[test]
    fn pairs_of_which_nothing_is_known_are_not_taken() {
        let mut metrics = TopPairs::default();
        let logits: Vec<f32> = (0..81).map(|at| -(at as f32)).collect();
        metrics.update(&logits, 9, |row, column| {
            ([row, column] != [0, 7]).then_some([row, column] == [0, 8])
        });
        assert_eq!(metrics.finish()[3].1, 1.0);
    }
}
