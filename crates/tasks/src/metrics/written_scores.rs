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

    /// Those of [`NextTokens`], then those of [`TextScores`], unless tokens alone were scored, as in training.
    fn finish(&self) -> Vec<(&'static str, f64)> {
        let mut scores = self.tokens.finish();
        let is_new = self.tokens.rows() == 0;
        let texts = self.texts.iter();
        let texts = texts.filter(|texts| is_new || texts.rows() > 0);
        scores.extend(texts.flat_map(Metrics::finish));
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_no_scores_where_tokens_alone_were_scored() {
        let has_texts = |scores: &WrittenScores| {
            let scores = scores.finish();
            scores.iter().any(|(name, _)| *name == "bleu")
        };
        let mut scores = WrittenScores::new(true);
        // By a new one, names are known.
        assert!(has_texts(&scores));
        assert!(!has_texts(&WrittenScores::new(false)));
        scores.tokens.update(0.5, true);
        assert!(!has_texts(&scores));
        let mut texts = TextScores::default();
        texts.update("", "a");
        scores.texts = Some(texts);
        assert!(has_texts(&scores));
    }
}
