//! Scores where each token is predicted from those before it.

use serde::{Deserialize, Serialize};

use super::{Metrics, exact};

/// Perplexity and accuracy of a causal language model: of all tokens that are predicted, wherever batches or windows begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NextTokens {
    /// Sum of the negative logarithms of the tokens' probabilities.
    #[serde(with = "exact")]
    loss: f64,
    hits: u64,
    tokens: u64,
}

impl NextTokens {
    /// Takes in one token: the negative logarithm of its probability, and whether it was the likeliest.
    pub fn update(&mut self, loss: f32, hit: bool) {
        self.loss += f64::from(loss);
        self.hits += u64::from(hit);
        self.tokens += 1;
    }
}

impl Metrics for NextTokens {
    /// The number of tokens seen.
    fn rows(&self) -> usize {
        usize::try_from(self.tokens).unwrap_or(usize::MAX)
    }

    /// `accuracy`, the share of tokens that were the likeliest, and `perplexity`, `exp` of the mean loss of a token; NaN when none was
    /// seen.
    fn finish(&self) -> Vec<(&'static str, f64)> {
        let tokens = self.tokens as f64;
        vec![
            ("accuracy", self.hits as f64 / tokens),
            ("perplexity", (self.loss / tokens).exp()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perplexity_is_that_of_all_tokens_and_survives_being_stored() {
        let mut scores = NextTokens::default();
        assert!(scores.finish().iter().all(|(_, score)| score.is_nan()));
        for (probability, hit) in [(0.5f32, true), (0.25, false), (0.125, false)] {
            scores.update(-probability.ln(), hit);
        }
        let stored = serde_json::to_string(&scores).unwrap();
        let restored: NextTokens = serde_json::from_str(&stored).unwrap();
        assert_eq!(restored, scores);
        let [(_, accuracy), (name, perplexity)] = restored.finish()[..] else {
            panic!("two scores");
        };
        assert_eq!((name, restored.rows()), ("perplexity", 3));
        assert!((accuracy - 1.0 / 3.0).abs() < 1e-12);
        // The geometric mean of 2, 4 and 8.
        assert!((perplexity - 4.0).abs() < 1e-6, "{perplexity}");
    }
}
