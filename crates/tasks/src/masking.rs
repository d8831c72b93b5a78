//! Masked-language modelling: which tokens are hidden, and what stands in their place (Devlin et al., arXiv 1810.04805).

use std::collections::BTreeSet;

use burn::tensor::Tensor;
use engraft_data::Masking;
use engraft_kernels::Key;
use engraft_text::{Encoding, Tokenizer};

use crate::error::{Error, Result};
use crate::inputs::Inputs;
use crate::metrics::MaskedTokens;
use crate::rows::{Draws, EncodedRow};

/// Masks rows of tokens.
#[derive(Clone, Debug)]
pub struct Masker {
    masking: Masking,
    tokens: MaskTokens,
    /// Whether tokens that were not masked count too.
    everywhere: bool,
}

/// Which tokens of a vocabulary may be masked, and by which.
#[derive(Clone, Debug)]
pub(crate) struct MaskTokens {
    /// The id that stands for what is to be predicted.
    pub(crate) mask: u32,
    /// The ids of tokens with a role, which are never masked.
    roles: BTreeSet<u32>,
    /// All others, but the unknown token, ascending: those that may be written.
    pub(crate) ordinary: Vec<u32>,
}

/// What each draw of a row is for.
const CHOICE: u64 = 0;
const FATE: u64 = 1;
const REPLACEMENT: u64 = 2;

impl Masker {
    /// A masker for a tokenizer; `everywhere` if tokens that are not masked are to be predicted too.
    ///
    /// # Errors
    /// The tokenizer has no mask token, or nothing but tokens with a role.
    pub(crate) fn new(tokenizer: &Tokenizer, masking: Masking, everywhere: bool) -> Result<Self> {
        Ok(Self {
            masking,
            tokens: MaskTokens::of(tokenizer, "masked-language modelling")?,
            everywhere,
        })
    }

    /// The rates.
    pub(crate) fn masking(&self) -> Masking {
        self.masking
    }

    /// Masks a row: the places that count, ascending, and the ids that stood there.
    ///
    /// Of the tokens without a role `max(1, floor(rate * count))` are chosen, each choice as likely. Of these the mask token replaces
    /// some, a random token some, and the others stay.
    pub(crate) fn mask(&self, encoding: &mut Encoding, key: Key) -> Vec<(usize, u32)> {
        let mut places = self.tokens.places(encoding);
        let original = encoding.ids.clone();
        if !places.is_empty() {
            let count = (places.len() as f64 * self.masking.masking_rate) as usize;
            let count = count.clamp(1, places.len());
            let choice = key.with(CHOICE);
            places = chosen(places, count, |draw| choice.uniform(draw));
        }
        let Masking {
            mask_token_rate,
            random_token_rate,
            ..
        } = self.masking;
        for &place in &places {
            let fate = key.with(FATE).uniform(place as u64);
            if fate < mask_token_rate {
                encoding.ids[place] = self.tokens.mask;
            } else if fate < mask_token_rate + random_token_rate {
                let ordinary = &self.tokens.ordinary;
                let drawn = key.with(REPLACEMENT).uniform(place as u64);
                encoding.ids[place] = ordinary[below(drawn, ordinary.len())];
            }
        }
        if self.everywhere {
            return original.into_iter().enumerate().collect();
        }
        places
            .into_iter()
            .map(|place| (place, original[place]))
            .collect()
    }

    /// The rows of a batch, masked by the draws of their numbers, with the places that count as sites; and the ids that stood there.
    pub(crate) fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        draws: Draws,
    ) -> (Inputs, Vec<u32>) {
        let mut tokens = Vec::new();
        let rows = rows.into_iter().zip(numbers).map(|(mut row, &number)| {
            let masked = self.mask(&mut row.encoding, draws.key(number));
            tokens.extend(masked.iter().map(|(_, id)| *id));
            (masked.into_iter().map(|(at, _)| at).collect(), row.tokens())
        });
        let inputs = Inputs::at(rows);
        (inputs, tokens)
    }
}

/// Counts the tokens that `outputs`, `[sites, vocabulary]`, predict rightly. Outputs stay on the device, for they are as wide as the vocabulary.
pub(crate) fn count_correct(metrics: &mut MaskedTokens, outputs: Tensor<2>, targets: &[u32]) {
    let predicted = outputs.argmax(1).into_data();
    for (predicted, target) in predicted.iter::<i64>().zip(targets) {
        metrics.update(predicted == i64::from(*target));
    }
}

impl MaskTokens {
    /// Those of a tokenizer, for the `purpose` that a refusal names.
    ///
    /// # Errors
    /// The tokenizer has no mask token, or nothing but tokens with a role.
    pub(crate) fn of(tokenizer: &Tokenizer, purpose: &str) -> Result<Self> {
        let special = tokenizer.special_ids();
        let mask = special.mask.ok_or_else(|| {
            Error::plain(format!(
                "the tokenizer has no mask token, which {purpose} needs"
            ))
        })?;
        // An unknown token stands for text, so it may be masked, but is never put in the place of another.
        let roles: BTreeSet<u32> = [
            special.cls,
            special.sep,
            special.pad,
            special.mask,
            special.bos,
            special.eos,
        ]
        .into_iter()
        .flatten()
        .collect();
        let ordinary: Vec<u32> = (0..tokenizer.vocab_size() as u32)
            .filter(|id| !roles.contains(id) && special.unk != Some(*id))
            .filter(|&id| {
                tokenizer
                    .id_to_token(id)
                    .is_some_and(|token| !is_bracketed(&token))
            })
            .collect();
        if ordinary.is_empty() {
            return Err(Error::plain(
                "the tokenizer has special tokens only: there is nothing to mask",
            ));
        }
        Ok(Self {
            mask,
            roles,
            ordinary,
        })
    }

    /// Where a row has tokens that may be masked, ascending.
    pub(crate) fn places(&self, encoding: &Encoding) -> Vec<usize> {
        let places = (0..encoding.len()).filter(|&at| {
            !encoding.special.get(at).copied().unwrap_or(false)
                && !self.roles.contains(&encoding.ids[at])
        });
        places.collect()
    }

    /// Whether a token has a role.
    pub(crate) fn is_role(&self, id: u32) -> bool {
        self.roles.contains(&id)
    }
}

/// `count` of some places, ascending, each choice as likely where the numbers drawn are uniform in `[0, 1)`: the first `count` steps of a
/// shuffle.
pub(crate) fn chosen(
    mut places: Vec<usize>,
    count: usize,
    draw: impl Fn(u64) -> f64,
) -> Vec<usize> {
    let count = count.min(places.len());
    for at in 0..count {
        let other = at + below(draw(at as u64), places.len() - at);
        places.swap(at, other);
    }
    places.truncate(count);
    places.sort_unstable();
    places
}

/// The whole number below `bound`, which is not 0, that a number drawn from `[0, 1)` stands for.
fn below(drawn: f64, bound: usize) -> usize {
    ((drawn * bound as f64) as usize).min(bound.saturating_sub(1))
}

/// Whether a token is written as those with a role are: `[UNUSED1]`, `<extra_id_0>`.
fn is_bracketed(token: &str) -> bool {
    let inside = |open, close| {
        token
            .strip_prefix(open)
            .and_then(|token| token.strip_suffix(close))
            .is_some_and(|word: &str| !word.is_empty())
    };
    inside('[', ']') || inside('<', '>')
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn tokenizer() -> Tokenizer {
        let vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\nC\nG\nT\n[UNUSED]";
        let read = |file: &str| {
            let found = (file == "vocab.txt").then(|| vocabulary.as_bytes().to_vec());
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(found)
        };
        Tokenizer::from_preset_files(&read, &Map::new()).unwrap()
    }

    fn masker(rate: f64, everywhere: bool) -> Masker {
        let masking = Masking {
            masking_rate: rate,
            ..Masking::default()
        };
        Masker::new(&tokenizer(), masking, everywhere).unwrap()
    }

    fn row(letters: usize) -> Encoding {
        tokenizer()
            .encode(&"ACGT".repeat(letters / 4), None)
            .unwrap()
    }

    #[test]
    fn the_rate_of_ordinary_tokens_is_masked_and_their_ids_are_targets() {
        let mut encoding = row(400);
        let whole = encoding.clone();
        let targets = masker(0.15, false).mask(&mut encoding, Key::new(1));
        assert_eq!(targets.len(), 60);
        assert!(targets.iter().all(|(at, id)| whole.ids[*at] == *id));
        assert!(targets.is_sorted() && targets.iter().all(|(at, _)| !whole.special[*at]));
        let changed = (0..whole.len()).filter(|&at| whole.ids[at] != encoding.ids[at]);
        assert!(
            changed
                .into_iter()
                .all(|at| targets.iter().any(|(place, _)| *place == at))
        );
    }

    #[test]
    fn eight_of_ten_are_masked_one_is_random_and_one_stays() {
        let mut counts = [0; 3];
        for key in 0..100 {
            let mut encoding = row(400);
            for (at, id) in masker(0.5, false).mask(&mut encoding, Key::new(key)) {
                match encoding.ids[at] {
                    4 => counts[0] += 1,
                    other if other == id => counts[1] += 1,
                    other => {
                        assert!((5..9).contains(&other), "{other}");
                        counts[2] += 1;
                    }
                }
            }
        }
        // A random token is the old one in a quarter of its cases.
        let expected = [0.8, 0.125, 0.075].map(|rate| rate * 20_000.0);
        for (count, expected) in counts.into_iter().zip(expected) {
            assert!((f64::from(count) - expected).abs() < 200.0, "{counts:?}");
        }
    }

    #[test]
    fn one_token_is_masked_however_few_there_are() {
        let mut encoding = row(4);
        assert_eq!(
            masker(0.15, false).mask(&mut encoding, Key::new(3)).len(),
            1
        );
        let mut empty = row(0);
        assert_eq!(masker(0.15, false).mask(&mut empty, Key::new(3)), []);
        assert_eq!(empty, row(0));
    }

    #[test]
    fn every_token_is_a_target_if_all_count() {
        let mut encoding = row(8);
        let whole = encoding.clone();
        let targets = masker(0.5, true).mask(&mut encoding, Key::new(3));
        assert!(targets.into_iter().map(|(_, id)| id).eq(whole.ids));
    }

    #[test]
    fn masks_depend_on_the_key_alone() {
        let masked = |key| {
            let mut encoding = row(400);
            masker(0.15, false).mask(&mut encoding, Key::new(key));
            encoding.ids
        };
        assert_eq!(masked(1), masked(1));
        assert_ne!(masked(1), masked(2));
    }
}
