//! Penalties: logits changed by what is already in a row, before a sampler sees them.

use crate::error::{Error, Result};

/// Makes tokens that are already in a row, its prompt included, less probable (Keskar et al., arXiv 1909.05858).
///
/// A logit above 0 is divided by the penalty and one below is multiplied by it, once however often the token occurs, as Hugging Face's
/// `repetition_penalty` does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RepetitionPenalty(f32);

/// None.
impl Default for RepetitionPenalty {
    fn default() -> Self {
        Self(1.0)
    }
}

impl RepetitionPenalty {
    /// A penalty above 1; one below 1 favours what is already there, and 1 changes nothing.
    ///
    /// # Errors
    /// A penalty that is not a finite number above 0.
    pub fn new(penalty: f64) -> Result<Self> {
        let single = penalty as f32;
        if single.is_normal() && single > 0.0 {
            Ok(Self(single))
        } else {
            Err(Error::expected(
                "repetition_penalty",
                "a number above 0 (1 for none)",
                penalty,
            ))
        }
    }

    /// The one that takes back what this one does.
    pub(crate) fn inverse(self) -> Self {
        Self(1.0 / self.0)
    }

    /// Whether it changes nothing.
    pub fn is_none(self) -> bool {
        self.0 == 1.0
    }

    /// Changes the logits (`[vocabulary]`) of the tokens that `seen` holds.
    pub fn apply(self, logits: &mut [f32], seen: &SeenTokens) {
        for &id in &seen.ids {
            if let Some(logit) = usize::try_from(id).ok().and_then(|id| logits.get_mut(id)) {
                *logit = if *logit < 0.0 {
                    *logit * self.0
                } else {
                    *logit / self.0
                };
            }
        }
    }
}

/// The tokens of a row, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenTokens {
    ids: Vec<u32>,
    /// One bit a token, so that a long row costs no more than a short one.
    marks: Vec<u64>,
}

impl SeenTokens {
    /// The tokens of a prompt.
    pub fn new(prompt: &[u32]) -> Self {
        let mut seen = Self::default();
        for &id in prompt {
            seen.insert(id);
        }
        seen
    }

    /// Adds a token that was generated.
    pub fn insert(&mut self, id: u32) {
        let (word, bit) = (id as usize / 64, 1 << (id % 64));
        if word >= self.marks.len() {
            self.marks.resize(word + 1, 0);
        }
        if let Some(mark) = self.marks.get_mut(word).filter(|mark| **mark & bit == 0) {
            *mark |= bit;
            self.ids.push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_already_there_lose_once_whatever_their_sign() {
        let mut seen = SeenTokens::new(&[3, 1, 3, 900]);
        seen.insert(0);
        seen.insert(1);
        let mut logits = [2.0, -2.0, 5.0, 0.5, -1.0];
        RepetitionPenalty::new(2.0)
            .unwrap()
            .apply(&mut logits, &seen);
        assert_eq!(logits, [1.0, -4.0, 5.0, 0.25, -1.0]);
        let mut same = logits;
        let none = RepetitionPenalty::new(1.0).unwrap();
        none.apply(&mut same, &seen);
        assert!(none.is_none() && same == logits);
    }

    #[test]
    fn an_impossible_token_stays_so() {
        let mut logits = [f32::NEG_INFINITY, 1.0];
        RepetitionPenalty::new(0.5)
            .unwrap()
            .apply(&mut logits, &SeenTokens::new(&[0, 1]));
        assert_eq!(logits, [f32::NEG_INFINITY, 2.0]);
    }

    #[test]
    fn penalties_of_zero_or_less_are_refused() {
        for wrong in [0.0, -1.5, f64::NAN, f64::INFINITY, 1e-60] {
            let message = RepetitionPenalty::new(wrong).unwrap_err().to_string();
            assert_eq!(
                message,
                format!(
                    "repetition_penalty: expected a number above 0 (1 for none), found {wrong}"
                )
            );
        }
    }
}
