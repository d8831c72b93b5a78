//! The text of one row, piece by piece: decoded as it grows, without its prompt if so wished, up to a stop string.

use engraft_text::{Pieces, Tokenizer};

use crate::error::Result;
use crate::prompt::Prompt;
use crate::stop::{StopMatcher, StopStrings};

/// The text of a row that grows token by token.
///
/// What [`push`](Self::push) and [`finish`](Self::finish) give, put together, is [`Tokenizer::decode`] of all ids, special tokens left out, up
/// to the first stop string in the generated part; a prompt that was given as a text stands as it was given in the place of what its ids give. A piece is never part of a character, and what was given is never taken back.
///
/// ```
/// use engraft_generate::{Prompt, RowText, StopStrings};
///
/// # let vocabulary = "<cls>\n<pad>\n<eos>\n<unk>\nA\nC\nG\nT\n";
/// # let read = |file: &str| Ok((file == "vocab.txt").then(|| vocabulary.as_bytes().to_vec()));
/// # let tokenizer = engraft_text::Tokenizer::from_preset_files(&read, &serde_json::Map::new())?;
/// let stop = StopStrings::new(["TA"])?;
/// let (mut row, prompt) = RowText::new(&tokenizer, &Prompt::of_ids([0, 6, 4]), &stop, false)?;
/// assert_eq!(prompt, "GA");
/// assert_eq!(row.push(7)?, "");
/// assert_eq!(row.push(7)?, "T");
/// assert_eq!(row.push(4)?, "");
/// assert!(row.has_stopped());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RowText<'a> {
    pieces: Pieces<'a>,
    /// What the prompt's text ends in if nothing follows it, and is yet to be seen.
    prompt_end: String,
    /// What may be the prompt's end, or the start of something else.
    waiting: String,
    stop: StopMatcher,
    /// Whether the prompt's end, once it is seen, is left out: it was given with the first piece, or is not wanted.
    skips_end: bool,
}

impl<'a> RowText<'a> {
    /// The text of a row that goes on from `prompt`, and the first piece: the prompt's own text, or nothing with `strip_prompt`.
    ///
    /// With `strip_prompt`, the text is what all ids give after the text that the prompt's ids give. Where the prompt ends within a
    /// character or in a space that only the next token brings out, that belongs to what was generated. Stop strings are looked for in what was
    /// generated alone.
    ///
    /// # Errors
    /// The tokenizer's own rules for joining tokens fail.
    pub fn new(
        tokenizer: &'a Tokenizer,
        prompt: &Prompt,
        stop: &StopStrings,
        strip_prompt: bool,
    ) -> Result<(Self, String)> {
        let mut pieces = tokenizer.pieces(true);
        let mut text = String::new();
        for &id in &prompt.ids {
            text += &pieces.push(id)?;
        }
        let mut prompt_end = pieces.clone().finish()?;
        if let Some(given) = &prompt.text
            && prompt_end.is_empty()
            && given.ends_with(' ')
            && !text.ends_with(' ')
        {
            // The space before the next token is the one that was given.
            " ".clone_into(&mut prompt_end);
        }
        let row = Self {
            pieces,
            prompt_end,
            waiting: String::new(),
            stop: stop.matcher(),
            skips_end: strip_prompt || prompt.text.is_some(),
        };
        let first = match &prompt.text {
            _ if strip_prompt => String::new(),
            Some(given) => given.clone(),
            None => text,
        };
        Ok((row, first))
    }

    /// The text that a generated token brings out; empty while it may still change or become a stop string.
    ///
    /// # Errors
    /// The tokenizer's own rules for joining tokens fail.
    pub fn push(&mut self, id: u32) -> Result<String> {
        let piece = self.pieces.push(id)?;
        Ok(self.after_prompt(&piece))
    }

    /// Whether a stop string was complete, so that the row ends.
    pub fn has_stopped(&self) -> bool {
        self.stop.has_stopped()
    }

    /// The text that was held back, as no token follows, and whether a stop string was complete, with it if not before.
    ///
    /// # Errors
    /// The tokenizer's own rules for joining tokens fail.
    pub fn finish(mut self) -> Result<(String, bool)> {
        if self.has_stopped() {
            return Ok((String::new(), true));
        }
        let last = self.pieces.clone().finish()?;
        let mut text = self.after_prompt(&last);
        // An end of the prompt that did not come out whole was generated otherwise.
        let waiting = std::mem::take(&mut self.waiting);
        text += &self.stop.push(&waiting);
        let stopped = self.has_stopped();
        if !stopped {
            text += &self.stop.finish();
        }
        Ok((text, stopped))
    }

    /// What of a piece of the row's text comes after the prompt's, and before a stop string.
    fn after_prompt(&mut self, piece: &str) -> String {
        if self.prompt_end.is_empty() {
            return self.stop.push(piece);
        }
        self.waiting.push_str(piece);
        let is_end = self.waiting.starts_with(&self.prompt_end);
        if !is_end && self.prompt_end.starts_with(&self.waiting) {
            return String::new();
        }
        let end = std::mem::take(&mut self.prompt_end);
        let waiting = std::mem::take(&mut self.waiting);
        match waiting.strip_prefix(&end).filter(|_| is_end) {
            Some(generated) => {
                let generated = self.stop.push(generated);
                if self.skips_end {
                    generated
                } else {
                    end + &generated
                }
            }
            None => self.stop.push(&waiting),
        }
    }
}
