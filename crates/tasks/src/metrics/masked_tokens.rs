//! Scores where tokens are guessed from their surroundings.

use serde::{Deserialize, Serialize};

use super::Metrics;

/// The accuracy of masked-language modelling.
///
/// Which positions are scored is the caller's choice: only masked ones say something about the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskedTokens {
    hits: u64,
    tokens: u64,
}

impl MaskedTokens {
    /// Takes in one token: whether the likeliest token, the [`largest`](crate::output::largest) of its logits,
    /// is the true one.
    pub fn update(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.tokens += 1;
    }
}

impl Metrics for MaskedTokens {
    /// The number of tokens seen.
    fn rows(&self) -> usize {
        usize::try_from(self.tokens).unwrap_or(usize::MAX)
    }

    /// The share of tokens that were guessed, as `accuracy`; NaN when none was seen.
    fn finish(&self) -> Vec<(&'static str, f64)> {
        vec![("accuracy", self.hits as f64 / self.tokens as f64)]
    }
}
