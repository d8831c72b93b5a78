//! Scores where masked tokens are revealed step by step.

use serde::{Deserialize, Serialize};

use super::{Metrics, exact};

/// Scores of masked diffusion, of all rows that have masked tokens with a known token each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Denoised {
    /// Sum of each row's share of tokens that were told.
    #[serde(with = "exact")]
    accuracy: f64,
    rows: u64,
    /// Sum of the bounds of all rows.
    #[serde(with = "exact")]
    bound: f64,
    tokens: u64,
}

/// What is scored of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DenoisedRow {
    /// Masked tokens that were told.
    pub hits: usize,
    /// Masked tokens of which it is known what they are.
    pub masked: usize,
    /// An upper bound of the negative logarithm of the row's probability, in nats.
    pub bound: f64,
    /// How many tokens the bound is of.
    pub tokens: usize,
}

impl Denoised {
    /// Takes in a row; one without masked tokens that are known says nothing.
    pub fn update(&mut self, row: DenoisedRow) {
        if row.masked == 0 {
            return;
        }
        self.accuracy += row.hits as f64 / row.masked as f64;
        self.rows += 1;
        self.bound += row.bound;
        self.tokens += row.tokens as u64;
    }
}

impl Metrics for Denoised {
    fn rows(&self) -> usize {
        usize::try_from(self.rows).unwrap_or(usize::MAX)
    }

    /// `accuracy`, the mean over rows of the share of masked tokens that were told, and `likelihood_bound`, an upper bound of the negative
    /// log-likelihood in nats a token; NaN when no row was seen.
    fn finish(&self) -> Vec<(&'static str, f64)> {
        vec![
            ("accuracy", self.accuracy / self.rows as f64),
            ("likelihood_bound", self.bound / self.tokens as f64),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_alike_for_accuracy_and_tokens_for_the_bound() {
        let mut scores = Denoised::default();
        assert!(scores.finish().iter().all(|(_, score)| score.is_nan()));
        for (hits, masked, bound, tokens) in [(1, 4, 6.0, 3), (2, 2, 1.0, 1), (0, 0, 9.0, 5)] {
            scores.update(DenoisedRow {
                hits,
                masked,
                bound,
                tokens,
            });
        }
        let stored = serde_json::to_string(&scores).unwrap();
        assert_eq!(serde_json::from_str::<Denoised>(&stored).unwrap(), scores);
        assert_eq!(scores.rows(), 2);
        let expected = [("accuracy", 0.625), ("likelihood_bound", 1.75)];
        assert_eq!(scores.finish(), expected);
    }
}
