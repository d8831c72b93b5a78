//! What logits go through before a sampler sees them: biases, penalties, and tokens that are forbidden or forced.

use crate::limits::RowLimits;
use crate::penalty::{RepetitionPenalty, SeenTokens};

/// What is done with the logits of every token, in the order of the fields. Each is what Hugging Face's `generate` means by that key, but for
/// `frequency_penalty`. The encoder's tokens are the prompt's in a decoder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Processors {
    /// What is added to the logit of a sequence's last token where those before it are the row's end.
    pub sequence_bias: Vec<(Vec<u32>, f32)>,
    /// Above 1, makes the encoder's tokens more probable.
    pub encoder_repetition_penalty: RepetitionPenalty,
    /// Above 1, makes tokens that the row has already less probable.
    pub repetition_penalty: RepetitionPenalty,
    /// What a token loses for each time that it was generated, as OpenAI defines it.
    pub frequency_penalty: f32,
    /// No sequence of so many tokens occurs twice; 0 for any.
    pub no_repeat_ngram_size: usize,
    /// No sequence of so many tokens of the encoder occurs; 0 for any.
    pub encoder_no_repeat_ngram_size: usize,
    /// Sequences that never occur.
    pub bad_words: Vec<Vec<u32>>,
    /// What follows a prompt of a single token.
    pub forced_first: Option<u32>,
    /// What the last token of a row is, where its limit ends it: the most probable of these.
    pub forced_last: Vec<u32>,
    /// Whether logits that are no numbers are made some.
    pub remove_invalid_values: bool,
    /// After how many new tokens those that end a row gain, and by which factor with each further one.
    pub length_decay: Option<(usize, f64)>,
    /// Tokens that are never chosen.
    pub suppress: Vec<u32>,
    /// Tokens that are not chosen first.
    pub suppress_first: Vec<u32>,
}

/// A row whose next token is to be chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SoFar<'a> {
    /// Its tokens, the prompt's among them.
    pub(crate) tokens: &'a [u32],
    /// How many of them are the prompt's.
    pub(crate) prompt: usize,
    /// What the encoder read; the prompt in a decoder.
    pub(crate) encoder: &'a [u32],
    /// Each of its tokens once, where [`Processors::needs_seen`].
    pub(crate) seen: &'a SeenTokens,
    pub(crate) limits: RowLimits,
    /// The tokens that end it.
    pub(crate) stop_tokens: &'a [u32],
}

impl Processors {
    /// Whether the tokens of a row have to be kept each once.
    pub(crate) fn needs_seen(&self) -> bool {
        !self.repetition_penalty.is_none()
    }

    /// Changes the logits (`[vocabulary]`) of the token that follows.
    pub(crate) fn apply(&self, row: SoFar<'_>, logits: &mut [f32]) {
        let new = row.tokens.len() - row.prompt;
        for (sequence, bias) in &self.sequence_bias {
            if let Some(logit) = completed(sequence, row.tokens).and_then(|id| at(logits, id)) {
                *logit += bias;
            }
        }
        if !self.encoder_repetition_penalty.is_none() {
            let seen = SeenTokens::new(row.encoder);
            self.encoder_repetition_penalty
                .inverse()
                .apply(logits, &seen);
        }
        self.repetition_penalty.apply(logits, row.seen);
        if self.frequency_penalty != 0.0 {
            for &id in &row.tokens[row.prompt..] {
                if let Some(logit) = at(logits, id) {
                    *logit -= self.frequency_penalty;
                }
            }
        }
        forbid_repeated(self.no_repeat_ngram_size, row.tokens, row.tokens, logits);
        forbid_repeated(
            self.encoder_no_repeat_ngram_size,
            row.tokens,
            row.encoder,
            logits,
        );
        for sequence in &self.bad_words {
            // A single token that ends rows may end them.
            let ends = matches!(sequence[..], [id] if row.stop_tokens.contains(&id));
            if !ends && let Some(id) = completed(sequence, row.tokens) {
                forbid(&[id], logits);
            }
        }
        row.limits.forbid_early_stops(new, row.stop_tokens, logits);
        if row.tokens.len() == 1
            && let Some(id) = self.forced_first
        {
            force(&[id], logits);
        }
        if !self.forced_last.is_empty() && row.limits.is_full(new + 1) {
            force(&self.forced_last, logits);
        }
        if self.remove_invalid_values {
            logits.iter_mut().for_each(make_valid);
        }
        if let Some((start, factor)) = self.length_decay
            && new > start
        {
            let gain = factor.powf((new - start) as f64) - 1.0;
            for &id in row.stop_tokens {
                if let Some(logit) = at(logits, id).filter(|logit| logit.is_finite()) {
                    *logit += (f64::from(logit.abs()) * gain) as f32;
                }
            }
        }
        forbid(&self.suppress, logits);
        // A forced first token comes before the first that is chosen.
        let forced = usize::from(row.prompt == 1 && self.forced_first.is_some());
        if new == forced {
            forbid(&self.suppress_first, logits);
        }
    }
}

fn at(logits: &mut [f32], id: u32) -> Option<&mut f32> {
    usize::try_from(id).ok().and_then(|id| logits.get_mut(id))
}

/// The last token of `sequence` if `tokens` end in those before it.
fn completed(sequence: &[u32], tokens: &[u32]) -> Option<u32> {
    let (last, before) = sequence.split_last()?;
    tokens.ends_with(before).then_some(*last)
}

fn forbid(ids: &[u32], logits: &mut [f32]) {
    for &id in ids {
        if let Some(logit) = at(logits, id) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

fn force(ids: &[u32], logits: &mut [f32]) {
    logits.fill(f32::NEG_INFINITY);
    for &id in ids {
        if let Some(logit) = at(logits, id) {
            *logit = 0.0;
        }
    }
}

fn make_valid(logit: &mut f32) {
    *logit = if logit.is_nan() {
        0.0
    } else {
        logit.clamp(f32::MIN, f32::MAX)
    };
}

/// Forbids what would complete a sequence of `size` tokens that `earlier` has.
fn forbid_repeated(size: usize, tokens: &[u32], earlier: &[u32], logits: &mut [f32]) {
    let Some(before) = size.checked_sub(1) else {
        return;
    };
    let Some(start) = tokens.len().checked_sub(before) else {
        return;
    };
    let end = &tokens[start..];
    for window in earlier.windows(size) {
        if let Some((last, first)) = window.split_last()
            && first == end
        {
            forbid(&[*last], logits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: f32 = f32::NEG_INFINITY;

    fn applied(processors: &Processors, tokens: &[u32], prompt: usize, max_new: usize) -> [f32; 5] {
        let mut logits = [1.0, -1.0, 2.0, 0.5, f32::NAN];
        let limits = RowLimits {
            prompt,
            max_new,
            min_new: 0,
            cut_by_context: false,
        };
        let row = SoFar {
            tokens,
            prompt,
            encoder: &tokens[..prompt],
            seen: &SeenTokens::new(tokens),
            limits,
            stop_tokens: &[1],
        };
        processors.apply(row, &mut logits);
        logits
    }

    #[test]
    fn logits_that_are_no_numbers_become_some_where_that_is_wanted() {
        let none = Processors::default();
        assert!(applied(&none, &[3], 1, 9)[4].is_nan());
        let mut valid = Processors {
            remove_invalid_values: true,
            ..none
        };
        assert_eq!(applied(&valid, &[3], 1, 9), [1.0, -1.0, 2.0, 0.5, 0.0]);
        valid.bad_words = vec![vec![2], vec![1]];
        assert_eq!(applied(&valid, &[3], 1, 9), [1.0, -1.0, f32::MIN, 0.5, 0.0]);
    }

    #[test]
    fn what_is_forced_excludes_all_else_and_may_be_suppressed() {
        let mut processors = Processors {
            forced_first: Some(3),
            forced_last: vec![0, 2],
            ..Processors::default()
        };
        assert_eq!(applied(&processors, &[4], 1, 9), [LOW, LOW, LOW, 0.0, LOW]);
        assert!(applied(&processors, &[4, 4], 2, 9)[4].is_nan());
        assert_eq!(
            applied(&processors, &[4, 4, 4], 1, 3),
            [0.0, LOW, 0.0, LOW, LOW]
        );
        processors.suppress = vec![0, 99];
        assert_eq!(
            applied(&processors, &[4, 4, 4], 1, 3),
            [LOW, LOW, 0.0, LOW, LOW]
        );
    }

    #[test]
    fn a_token_loses_each_time_that_it_was_generated() {
        let processors = Processors {
            frequency_penalty: 0.25,
            ..Processors::default()
        };
        // The prompt's own do not count.
        let logits = applied(&processors, &[0, 0, 2, 0, 2, 1], 2, 9);
        assert_eq!(logits[..4], [0.75, -1.25, 1.5, 0.5]);
    }

    #[test]
    fn sequences_longer_than_the_row_are_no_matter() {
        let processors = Processors {
            no_repeat_ngram_size: 7,
            encoder_no_repeat_ngram_size: 3,
            bad_words: vec![vec![1, 2, 3, 4], Vec::new()],
            sequence_bias: vec![(vec![1, 1, 0], 9.0), (Vec::new(), 5.0)],
            ..Processors::default()
        };
        let logits = applied(&processors, &[1, 1], 2, 9);
        assert_eq!(logits[..4], [10.0, -1.0, 2.0, 0.5]);
    }
}
