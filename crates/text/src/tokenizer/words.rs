//! Texts that come as lists of words, each of which is encoded by itself.

use tokenizers::PreTokenizerWrapper;

use super::{Encoding, Part, Tokenizer};
use crate::{Error, Result};

/// A list of words as tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedWords {
    /// The tokens of all words, with the special tokens around them.
    pub encoding: Encoding,
    /// For each token that is no special one, the number of its word. A word may have none.
    pub word_of: Vec<usize>,
    /// Whether anything was cut.
    pub cut: bool,
}

impl Tokenizer {
    /// Encodes each word by itself, lays the tokens end to end with the special tokens around them, and cuts to `max_length` tokens,
    /// special ones included.
    ///
    /// Where a word's tokens depend on a space before it, as those of GPT-2 and RoBERTa do, each word has one, the first too
    /// (`add_prefix_space` of the reference library).
    ///
    /// # Errors
    ///
    /// Those of [`encode_truncated`](Tokenizer::encode_truncated).
    pub fn encode_words(&self, words: &[&str], max_length: Option<usize>) -> Result<EncodedWords> {
        let spaced =
            self.alphabet.is_none() && self.inner.get_pre_tokenizer().is_some_and(marks_spaces);
        let (mut tokens, mut outside, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for (number, word) in words.iter().enumerate() {
            let part = if spaced && !word.is_empty() && !word.starts_with(' ') {
                self.part(&format!(" {word}"), 0)?
            } else {
                self.part(word, 0)?
            };
            let before = tokens.len();
            let letters = part.missing.into_iter();
            missing.extend(letters.map(|(token, letter)| (before + token, letter)));
            // The place of a token is the number of its word, which cutting keeps.
            let place = (number, number + 1);
            let ids = part.tokens.get_ids().iter();
            tokens.extend(ids.map(|id| tokenizers::Token::new(*id, String::new(), place)));
            outside.extend(part.outside);
        }
        let prefixes = self.prefixes.as_ref();
        let mut part = Part {
            prefix: prefixes.map(|prefixes| prefixes.of(&words.concat()).0),
            tokens: tokenizers::Encoding::from_tokens(tokens, 0),
            outside,
            missing,
        };
        let mut is_cut = false;
        if let Some(max_length) = max_length {
            let specials = self.specials_added(false);
            let Some(room) = max_length.checked_sub(specials) else {
                return Err(Error::MaxLength {
                    max_length,
                    specials,
                });
            };
            is_cut = part.tokens.len() > room;
            if is_cut {
                (part, _) = self.cut(part, None, room)?;
            }
        }
        let word_of = part.tokens.get_offsets().iter().map(|place| place.0);
        let word_of = word_of.collect();
        Ok(EncodedWords {
            encoding: self.join(part, None)?,
            word_of,
            cut: is_cut,
        })
    }
}

/// Whether a space before a word is part of its first token, and none is put there where there is none.
fn marks_spaces(pre_tokenizer: &PreTokenizerWrapper) -> bool {
    match pre_tokenizer {
        PreTokenizerWrapper::ByteLevel(bytes) => !bytes.add_prefix_space,
        PreTokenizerWrapper::Sequence(parts) => parts.as_ref().iter().any(marks_spaces),
        _ => false,
    }
}
