//! Scores of a model that writes a text for each that it reads.

use serde::{Deserialize, Serialize};

use super::{Metrics, NextTokens, TextScores};

/// How well the tokens of wanted texts were predicted, and where texts were written, how these are beside them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WrittenScores {
    /// Each token of the wanted texts, from those before it.
    pub tokens: NextTokens,
    /// The written texts, where some were.
    pub texts: Option<TextScores>,
}

impl WrittenScores {
    /// Those of tokens, and with `writes` those of texts.
    pub fn new(writes: bool) -> Self {
        Self {
            tokens: NextTokens::default(),
            texts: writes.then(TextScores::default),
        }
    }
}

impl Metrics for WrittenScores {
    /// The number of tokens seen.
    fn rows(&self) -> usize {
        self.tokens.rows()
    }

    /// Those of [`NextTokens`], then those of [`TextScores`].
    fn finish(&self) -> Vec<(&'static str, f64)> {
        let mut scores = self.tokens.finish();
        scores.extend(self.texts.iter().flat_map(Metrics::finish));
        scores
    }
}
