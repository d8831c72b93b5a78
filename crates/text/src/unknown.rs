//! What of a text a vocabulary lacks.

use std::collections::BTreeMap;

use tokenizers::{ModelWrapper, PreTokenizerWrapper};

use crate::SpecialIds;
use crate::alphabet::Words;
use crate::pieces::byte_letters;
use crate::pipeline::{Part, Pipeline, Places};
use crate::tokenizer::{Encoding, shielded};
use crate::vocabulary::is_bracketed;

/// How many letters of an unknown word are shown.
const MOST_LETTERS: usize = 20;

/// How a tokenizer shows that it lacks something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// The token that stands for it.
    id: Option<u32>,
    /// Whether letters without a token vanish.
    drops: bool,
}

impl Unknown {
    pub(crate) fn of(inner: &Pipeline, special: SpecialIds) -> Unknown {
        let id = |token: &str| inner.token_to_id(token);
        let (id, drops) = match inner.get_model() {
            Part::SentencePiece(model) => (model.unknown_id(), false),
            Part::Library(ModelWrapper::WordPiece(model)) => (id(&model.unk_token), false),
            Part::Library(ModelWrapper::WordLevel(model)) => (id(&model.unk_token), false),
            Part::Library(ModelWrapper::BPE(model)) => match &model.unk_token {
                Some(token) => (id(token), false),
                None => (None, !has_bytes(inner, model.byte_fallback)),
            },
            Part::Library(ModelWrapper::Unigram(model)) => {
                (special.unk.filter(|_| !model.byte_fallback()), false)
            }
        };
        Unknown { id, drops }
    }

    /// Whether letters without a token vanish.
    pub(crate) fn drops(self) -> bool {
        self.drops
    }

    /// How many tokens of a row's texts are the unknown one.
    pub(crate) fn among(self, encoding: &Encoding) -> usize {
        let Some(unknown) = self.id else {
            return 0;
        };
        let tokens = encoding.ids.iter().zip(&encoding.special);
        tokens
            .filter(|(id, special)| !**special && **id == unknown)
            .count()
    }

    /// Adds to `missing` what of a text is unknown; how many letters have no token at all.
    pub(crate) fn find(
        self,
        inner: &Pipeline,
        text: &str,
        missing: &mut BTreeMap<String, usize>,
    ) -> usize {
        // Where letters vanish or the text is prepared as a whole, offsets do not say which token stands for which letter.
        if self.drops || inner.normalizes_as_a_whole() {
            return self.find_letters(inner, text, missing);
        }
        let encoded = shielded(|| inner.encode_char_offsets(text, false));
        let Ok(Ok(encoded)) = encoded else {
            return 0;
        };
        let letters: Vec<char> = text.chars().collect();
        for (id, &(start, end)) in encoded.get_ids().iter().zip(encoded.get_offsets()) {
            if Some(*id) == self.id {
                let end = end.min(letters.len());
                let word = letters.get(start..end).unwrap_or_default();
                *missing.entry(shown(word)).or_default() += 1;
            }
        }
        0
    }

    /// As [`Self::find`], of letters that are unknown, or vanish, by themselves.
    fn find_letters(
        self,
        inner: &Pipeline,
        text: &str,
        missing: &mut BTreeMap<String, usize>,
    ) -> usize {
        let added = inner.get_added_tokens_decoder();
        let whole = added.values().map(|token| token.content.as_str());
        // What is found as a whole is not made of letters.
        let text = whole
            .filter(|token| !token.is_empty())
            .fold(text.to_owned(), |text, token| text.replace(token, " "));
        let mut counts: BTreeMap<char, usize> = BTreeMap::new();
        for letter in text.chars() {
            if !letter.is_whitespace() && !letter.is_control() {
                *counts.entry(letter).or_default() += 1;
            }
        }
        let mut dropped = 0;
        for (letter, count) in counts {
            let alone = shielded(|| inner.encode_fast(letter.to_string(), false));
            let Ok(Ok(alone)) = alone else {
                continue;
            };
            let vanishes = self.drops && alone.get_ids().is_empty();
            if vanishes || alone.get_ids().iter().any(|id| Some(*id) == self.id) {
                *missing.entry(letter.to_string()).or_default() += count;
            }
            if vanishes {
                dropped += count;
            }
        }
        dropped
    }
}

/// What is missing, the most frequent first, and of equally frequent ones by their letters.
pub fn most_often(missing: &BTreeMap<String, usize>) -> Vec<(&str, usize)> {
    let mut sorted: Vec<(&str, usize)> = missing
        .iter()
        .map(|(what, count)| (what.as_str(), *count))
        .collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sorted
}

/// Whether any byte has a token.
fn has_bytes(inner: &Pipeline, falls_back: bool) -> bool {
    let is_byte_level = |tokenizer: &PreTokenizerWrapper| match tokenizer {
        PreTokenizerWrapper::ByteLevel(_) => true,
        PreTokenizerWrapper::Sequence(sequence) => sequence
            .as_ref()
            .iter()
            .any(|part| matches!(part, PreTokenizerWrapper::ByteLevel(_))),
        _ => false,
    };
    let has = |token: &str| inner.token_to_id(token).is_some();
    if inner.get_pre_tokenizer().is_some_and(is_byte_level) {
        return byte_letters().all(|letter| has(letter.encode_utf8(&mut [0; 4])));
    }
    falls_back && (0..=u8::MAX).all(|byte| has(&format!("<0x{byte:02X}>")))
}

/// The beginning of a word.
fn shown(word: &[char]) -> String {
    match word.get(..MOST_LETTERS) {
        Some(start) if word.len() > MOST_LETTERS + 4 => start.iter().chain(&['…']).collect(),
        _ => word.iter().collect(),
    }
}

/// What texts are to be so that the vocabulary has tokens for them.
pub(crate) fn expected(inner: &Pipeline) -> String {
    match Words::of(inner).map(|words| words.length) {
        Some(1) => "its vocabulary has single letters with spaces between them: give model.backbone.letters: unknown, which reads \
                    sequences as they are, or write them with spaces"
            .to_owned(),
        Some(length) => format!(
            "its vocabulary has k-mers of {length} letters with spaces between them: give model.backbone.letters: unknown, which reads \
             sequences as the {length}-mers that begin at each letter, or write them so"
        ),
        None => {
            let mut tokens: Vec<(String, u32)> = inner.get_vocab(false).into_iter().collect();
            tokens.retain(|(token, _)| token.chars().count() > 1 && !is_bracketed(token));
            tokens.sort_by_key(|(_, id)| *id);
            // From the middle, where vocabularies have neither special tokens nor their rarest ones.
            let middle = tokens.get(tokens.len() / 2..).unwrap_or_default();
            let some: Vec<String> = middle.iter().take(5).map(|(token, _)| format!("{token:?}")).collect();
            format!(
                "its vocabulary has pieces such as {}: take a backbone that was trained on texts like yours",
                some.join(", ")
            )
        }
    }
}
