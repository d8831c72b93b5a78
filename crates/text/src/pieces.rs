//! Ids into text one by one, as fast and as exactly as all at once.
//!
//! A tokenizer's rules for joining tokens are taken apart into steps, each of which passes on what no later token can change: bytes wait
//! until they are a character, spaces that are dropped at the end of a text wait for what follows. No text is ever decoded twice.

mod steps;
#[cfg(test)]
mod tests;

use crate::clean_up::{clean_up, settled};
use crate::pipeline::Part;
use crate::sentence_piece::Joining;
use crate::tokenizer::using;
use crate::{Result, Tokenizer};
use steps::Steps;
pub(crate) use steps::{byte_letters, byte_of};

/// Text that grows with its ids. Made by [`Tokenizer::pieces`].
///
/// ```
/// # let vocabulary = "<cls>\n<pad>\n<eos>\n<unk>\nA\nC\nG\nT\n";
/// # let read = |file: &str| Ok((file == "vocab.txt").then(|| vocabulary.as_bytes().to_vec()));
/// # let tokenizer = engraft_text::Tokenizer::from_preset_files(&read, &serde_json::Map::new())?;
/// let mut pieces = tokenizer.pieces(true);
/// let mut text = String::new();
/// for id in [0, 6, 4, 7] {
///     text += &pieces.push(id)?;
/// }
/// text += &pieces.finish()?;
/// assert_eq!(text, tokenizer.decode(&[0, 6, 4, 7], true)?);
/// # Ok::<(), engraft_text::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pieces<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    way: Way,
    /// Text of which spaces may still be taken out.
    unclean: String,
}

/// How tokens become text.
#[derive(Debug, Clone)]
enum Way {
    SentencePiece(Joining),
    Steps(Steps),
    /// The tokenizer's rules look at the whole text, so there is none before its end.
    AtTheEnd(Vec<u32>),
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(tokenizer: &'a Tokenizer, skip_special: bool) -> Pieces<'a> {
        let way = match tokenizer.inner().get_decoder() {
            Some(Part::SentencePiece(model)) => Way::SentencePiece(model.joining()),
            Some(Part::Library(decoder)) => {
                Steps::of(decoder).map_or_else(|| Way::AtTheEnd(Vec::new()), Way::Steps)
            }
            None => Way::Steps(Steps::spaced()),
        };
        Pieces {
            tokenizer,
            skip_special,
            way,
            unclean: String::new(),
        }
    }

    /// The text that `id` adds; empty while that may still change. All of it together, with what [`finish`](Pieces::finish) gives, is
    /// what [`Tokenizer::decode`] makes of all ids.
    ///
    /// # Errors
    ///
    /// When the tokenizer's own rules for joining tokens fail.
    pub fn push(&mut self, id: u32) -> Result<String> {
        let mut text = self.joined(id)?;
        self.tokenizer.join_letters(&mut text);
        if !self.tokenizer.cleans_up() {
            return Ok(text);
        }
        self.unclean.push_str(&text);
        let rest = self.unclean.split_off(settled(&self.unclean));
        Ok(clean_up(&std::mem::replace(&mut self.unclean, rest)))
    }

    /// The text that `id` adds before anything is taken out of it.
    fn joined(&mut self, id: u32) -> Result<String> {
        let mut text = String::new();
        if let Way::AtTheEnd(ids) = &mut self.way {
            ids.push(id);
            return Ok(text);
        }
        let pipeline = self.tokenizer.inner();
        let special = |token: &str| pipeline.get_added_vocabulary().is_special_token(token);
        let Some(token) = pipeline.id_to_token(id) else {
            return Ok(text);
        };
        if self.skip_special && special(&token) {
            return Ok(text);
        }
        match &mut self.way {
            Way::SentencePiece(joining) => joining.push(&token, &mut text),
            Way::Steps(steps) => using("decode ids", || steps.push(token, &mut text))?,
            Way::AtTheEnd(_) => {}
        }
        Ok(text)
    }

    /// The text that was still waiting for what follows.
    ///
    /// # Errors
    ///
    /// When the tokenizer's own rules for joining tokens fail.
    pub fn finish(self) -> Result<String> {
        let mut text = self.unclean;
        match self.way {
            Way::SentencePiece(mut joining) => joining.finish(&mut text),
            Way::Steps(mut steps) => using("decode ids", || steps.finish(&mut text))?,
            Way::AtTheEnd(ids) => return self.tokenizer.decode(&ids, self.skip_special),
        }
        self.tokenizer.join_letters(&mut text);
        if self.tokenizer.cleans_up() {
            text = clean_up(&text);
        }
        Ok(text)
    }
}

/// What stands for bytes that are no character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replaced {
    /// One replacement character for each byte, as SentencePiece has it.
    EachByte,
    /// One for the start of a character that does not go on, as the Unicode standard has it.
    EachStart,
}

impl Replaced {
    /// Moves into `text` what no further byte can change: all but the start of a character at the end of `bytes`.
    pub(crate) fn settle(self, bytes: &mut Vec<u8>, text: &mut String) {
        let mut settled = 0;
        while let Some(rest) = bytes.get(settled..).filter(|rest| !rest.is_empty()) {
            let Some(chunk) = rest.utf8_chunks().next() else {
                break;
            };
            text.push_str(chunk.valid());
            settled += chunk.valid().len();
            let invalid = chunk.invalid();
            // Of a character cut off by the end, the length of the error is not known yet.
            let open = std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if settled + invalid.len() == bytes.len() && open {
                break;
            }
            self.mark(invalid, text);
            settled += invalid.len();
        }
        bytes.drain(..settled);
    }

    /// Moves all into `text`, as nothing follows.
    pub(crate) fn flush(self, bytes: &mut Vec<u8>, text: &mut String) {
        self.settle(bytes, text);
        self.mark(bytes, text);
        bytes.clear();
    }

    fn mark(self, invalid: &[u8], text: &mut String) {
        let count = match self {
            Replaced::EachByte => invalid.len(),
            Replaced::EachStart => usize::from(!invalid.is_empty()),
        };
        text.extend(std::iter::repeat_n('\u{fffd}', count));
    }
}
