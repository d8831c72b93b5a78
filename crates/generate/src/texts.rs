//! Texts being written: tokens from a [`Batch`], turned into text as they come.

use engraft_text::Tokenizer;

use crate::batch::{Acceptance, Batch, End, Request, Token};
use crate::error::Result;
use crate::model::LanguageModel;
use crate::pieces::RowText;
use crate::prompt::Lost;
use crate::stop::StopStrings;

/// How the text of every row is made.
#[derive(Clone, Debug, Default)]
pub struct TextOptions {
    /// Strings that end a text, and are no part of it.
    pub stop: StopStrings,
    /// Whether a text begins after its prompt.
    pub strip_prompt: bool,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// The number of its text, in the order in which texts were added.
    pub row: usize,
    /// What the text goes on with; empty where that cannot be told yet.
    pub text: String,
    /// The token that brought it; none for the prompt's own text.
    pub token: Option<Token>,
    /// Why the text ends with it, if it does.
    pub end: Option<End>,
}

/// A text that has ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// All ids, the prompt's included.
    pub ids: Vec<u32>,
    /// How many of them are the prompt's.
    pub prompt_tokens: usize,
    /// The text, special tokens left out. It begins with the prompt as it was given.
    pub text: String,
    /// What of the prompt the model did not read.
    pub lost: Lost,
    /// The log-probability of each new token under the model, where that was asked for.
    pub log_probabilities: Vec<f64>,
    /// The score by which it is ranked, where beams found it.
    pub score: Option<f64>,
    /// Why it ended; none for one that has not.
    pub end: Option<End>,
}

impl Written {
    /// The ids that were written after the prompt.
    pub fn new_ids(&self) -> &[u32] {
        &self.ids[self.prompt_tokens.min(self.ids.len())..]
    }
}

/// Texts being written, many at a time.
#[derive(Debug)]
pub struct Texts<'m> {
    batch: Batch<'m>,
    tokenizer: &'m Tokenizer,
    options: TextOptions,
    rows: Vec<Row<'m>>,
    /// The first pieces of texts just added.
    first: Vec<Piece>,
}

#[derive(Debug)]
struct Row<'m> {
    /// What is yet to be decoded; none once the text has ended.
    text: Option<RowText<'m>>,
    written: Written,
}

impl<'m> Texts<'m> {
    /// Room for `width` texts at a time.
    pub fn new(
        model: &'m LanguageModel,
        tokenizer: &'m Tokenizer,
        width: usize,
        options: TextOptions,
    ) -> Self {
        Self::of(Batch::new(model, width), tokenizer, options)
    }

    /// Of a batch that is empty.
    pub fn of(batch: Batch<'m>, tokenizer: &'m Tokenizer, options: TextOptions) -> Self {
        Self {
            batch,
            tokenizer,
            options,
            rows: Vec::new(),
            first: Vec::new(),
        }
    }

    /// Adds a text; returns its number. A search that gives several gives them the numbers that follow.
    ///
    /// # Errors
    /// Those of [`Batch::add`], or the tokenizer's.
    pub fn add(&mut self, request: Request) -> Result<usize> {
        let options = &self.options;
        let prompt = request.prompt.clone();
        let (text, first) =
            RowText::new(self.tokenizer, &prompt, &options.stop, options.strip_prompt)?;
        let sequences = request.sequences;
        let number = self.batch.add(request)?;
        for row in number..number + sequences {
            self.rows.push(Row {
                text: Some(text.clone()),
                written: Written {
                    prompt_tokens: prompt.ids.len(),
                    ids: prompt.ids.clone(),
                    lost: prompt.lost.clone(),
                    text: first.clone(),
                    ..Written::default()
                },
            });
            if !first.is_empty() {
                self.first.push(Piece {
                    row,
                    text: first.clone(),
                    token: None,
                    end: None,
                });
            }
        }
        Ok(number)
    }

    /// How much of what was drafted was accepted so far.
    pub fn acceptance(&self) -> Acceptance {
        self.batch.acceptance()
    }

    /// Whether all texts have ended.
    pub fn is_done(&self) -> bool {
        self.first.is_empty() && self.batch.is_done()
    }

    /// The next token of every text that is being written.
    ///
    /// # Errors
    /// Logits that are no numbers, a tokenizer that cannot decode.
    pub fn step(&mut self) -> Result<Vec<Piece>> {
        let mut pieces = std::mem::take(&mut self.first);
        for token in self.batch.step()? {
            let row = &mut self.rows[token.row];
            if row.text.is_none() {
                // It was drafted with the end of a stop string, and follows it.
                continue;
            }
            let piece = row.push(token)?;
            if piece.end == Some(End::StopString) {
                self.batch.end(token.row);
            }
            pieces.push(piece);
        }
        Ok(pieces)
    }

    /// What became of text `row`, which is not kept any longer.
    pub fn take(&mut self, row: usize) -> Written {
        std::mem::take(&mut self.rows[row].written)
    }
}

impl Row<'_> {
    fn push(&mut self, token: Token) -> Result<Piece> {
        let written = &mut self.written;
        written.ids.push(token.id);
        written.log_probabilities.extend(token.log_probability);
        written.score = token.score;
        let mut piece = String::new();
        let mut end = token.end;
        if let Some(text) = &mut self.text {
            piece = text.push(token.id)?;
            if text.has_stopped() {
                end = Some(End::StopString);
            }
        }
        if end.is_some()
            && let Some(text) = self.text.take()
        {
            let (last, stopped) = text.finish()?;
            piece.push_str(&last);
            if stopped {
                end = Some(End::StopString);
            }
        }
        written.text.push_str(&piece);
        written.end = end;
        Ok(Piece {
            row: token.row,
            text: piece,
            token: Some(token),
            end,
        })
    }
}
