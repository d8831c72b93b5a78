//! From rows of text to their tokens.

mod aligned;
mod given;
mod variants;
mod written;

use std::borrow::Cow;
use std::ops::Range;

use engraft_data::{Examples, TokenUnit};
use engraft_kernels::Key;
use engraft_models::{AlignedTokens, PackedTokens};
use engraft_text::{Encoding, LetterPolicy, Row, Tokenizer};
use rayon::prelude::*;

use crate::documents::Documents;
use crate::error::{Error, Result, place};
use crate::objective::Reading;
use crate::units::{Unit, locate, of_words, without_token};

pub(crate) use aligned::AlignmentReading;
pub(crate) use written::WrittenTexts;

/// The tokens of one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncodedRow {
    /// Its tokens.
    pub encoding: Encoding,
    /// The tokens of its other sequences, where a row has several.
    pub others: Vec<Encoding>,
    /// Those of its variant, where it is compared with one.
    pub variant: Option<Encoding>,
    /// Which of its tokens are its own sequence's and which those of what is aligned with it, where it brings an alignment.
    pub aligned: Option<AlignedTokens>,
    /// Its letters or words that have a token, where these are told apart.
    pub units: Option<Vec<Unit>>,
    /// Its words that have no token, each with its number, so that nothing can be said of them. Behind where a row was cut, none is named.
    pub unsaid: Vec<(usize, String)>,
    /// The tokens at its start that a causal language model is given and does not predict; the first of all is never predicted.
    pub given: usize,
    /// Whether it was cut to the maximal length.
    pub cut: bool,
}

/// What batches of a split are drawn under, where something is drawn for their rows: masks, noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    /// Others in each epoch of a run with a seed.
    Epoch {
        /// The seed of the run.
        seed: u64,
        /// From 0.
        epoch: u64,
    },
    /// Always the same, so that scores can be compared.
    Fixed,
}

/// The stream of random draws that masks come from.
const MASKS: u64 = 0x3a;

impl Draws {
    /// The key of a row.
    pub(crate) fn key(self, row: usize) -> Key {
        let key = match self {
            Self::Epoch { seed, epoch } => Key::new(seed).with(MASKS).with(1 + epoch),
            Self::Fixed => Key::new(0).with(MASKS).with(0),
        };
        key.with(row as u64)
    }
}

/// Bytes of text that are read from where they are stored before they become tokens, about.
const TEXT_AT_ONCE: usize = 4 << 20;

/// Divides rows into neighbours whose texts take little memory together.
fn groups<'r>(examples: &Examples, mut rows: &'r [usize]) -> impl Iterator<Item = &'r [usize]> {
    let aligned = |row: usize| examples.alignments.as_ref().map_or(0, |it| it.bytes(row));
    let bytes = move |row: usize| -> usize {
        let texts = examples.texts.iter().map(|it| it.bytes(row));
        texts.sum::<usize>() + aligned(row)
    };
    std::iter::from_fn(move || {
        let mut total = 0;
        let fits = |row: &&usize| {
            total += bytes(**row);
            total <= TEXT_AT_ONCE
        };
        let count = rows.iter().take_while(fits).count().max(1);
        let (group, rest) = rows.split_at_checked(count)?;
        rows = rest;
        Some(group)
    })
}

/// Where the tokens of an encoding are that are no special ones.
fn ordinary(encoding: &Encoding) -> Vec<usize> {
    let marks = encoding.special.iter().enumerate();
    marks
        .filter(|(_, special)| !**special)
        .map(|it| it.0)
        .collect()
}

/// The same, of nothing but special tokens all of them.
pub(crate) fn ordinary_or_all(encoding: &Encoding) -> Vec<usize> {
    let ordinary = ordinary(encoding);
    if ordinary.is_empty() {
        (0..encoding.len()).collect()
    } else {
        ordinary
    }
}

/// Turns rows into tokens; cheap to clone and send to another thread.
#[derive(Clone)]
pub struct RowEncoder {
    pub(crate) tokenizer: Tokenizer,
    /// Rows are cut to this many tokens.
    pub(crate) max_length: Option<usize>,
    /// The longest sequence that has positions; none if any has.
    pub(crate) longest: Option<usize>,
    /// What of a row becomes tokens.
    pub(crate) reading: Reading,
    /// What is done with alignments beside rows.
    pub(crate) alignments: AlignmentReading,
    /// How many tokens the model has vectors for, and its decoder where it has one.
    pub(crate) vocabularies: [usize; 2],
    /// How many texts of a row it tells apart.
    pub(crate) segments: usize,
}

impl EncodedRow {
    /// Its tokens as a batch of one row.
    pub fn tokens(&self) -> PackedTokens {
        let mut tokens = PackedTokens::default();
        tokens.push(&self.encoding.ids, &self.encoding.type_ids);
        tokens.aligned.clone_from(&self.aligned);
        tokens
    }

    /// The tokens of each of its sequences.
    pub(crate) fn encodings(&self) -> impl Iterator<Item = &Encoding> {
        std::iter::once(&self.encoding).chain(&self.others)
    }

    /// Tokens of all its sequences.
    fn len(&self) -> usize {
        self.encodings().map(Encoding::len).sum()
    }

    /// The places of its tokens that are no special ones, nor those of what is aligned with it; of all where it has no other.
    pub(crate) fn own_tokens(&self) -> Vec<usize> {
        if let Some(aligned) = &self.aligned {
            return aligned.queries.iter().flat_map(Range::clone).collect();
        }
        ordinary_or_all(&self.encoding)
    }

    /// The tokens of rows, laid end to end.
    pub fn pack(rows: &[Self]) -> PackedTokens {
        let mut tokens = PackedTokens::default();
        for row in rows {
            tokens.append(&row.tokens());
        }
        tokens
    }
}

impl RowEncoder {
    /// The tokens of `rows` of `examples`, in that order, on all threads; `unit` is what has a class each where letters or words have.
    ///
    /// # Errors
    /// A row is longer than the model has positions for and no `max_length` allows cutting it; a text that cannot be encoded; letters of
    /// which several are one token.
    pub fn encode(
        &self,
        examples: &Examples,
        rows: &[usize],
        unit: Option<TokenUnit>,
    ) -> Result<Vec<EncodedRow>> {
        self.encode_drawn(examples, rows, unit, Draws::Fixed)
    }

    /// [`Self::encode`], where something is drawn for a row by `draws`.
    ///
    /// # Errors
    /// Those of [`Self::encode`].
    pub(crate) fn encode_drawn(
        &self,
        examples: &Examples,
        rows: &[usize],
        unit: Option<TokenUnit>,
        draws: Draws,
    ) -> Result<Vec<EncodedRow>> {
        let mut encoded = Vec::with_capacity(rows.len());
        for rows in groups(examples, rows) {
            encoded.extend(self.encode_at_once(examples, rows, unit, draws)?);
        }
        Ok(encoded)
    }

    /// How many tokens each row of `examples` has, of which only a few are encoded at a time.
    ///
    /// # Errors
    /// Those of [`Self::encode`].
    pub fn lengths(&self, examples: &Examples, unit: Option<TokenUnit>) -> Result<Vec<usize>> {
        let rows: Vec<usize> = (0..examples.len()).collect();
        let mut lengths = Vec::with_capacity(rows.len());
        for rows in groups(examples, &rows) {
            let encoded = self.encode_at_once(examples, rows, unit, Draws::Fixed)?;
            lengths.extend(encoded.iter().map(EncodedRow::len));
        }
        Ok(lengths)
    }

    /// [`Self::encode`] with all texts of the rows in memory.
    fn encode_at_once(
        &self,
        examples: &Examples,
        rows: &[usize],
        unit: Option<TokenUnit>,
        draws: Draws,
    ) -> Result<Vec<EncodedRow>> {
        if let Some(given) = &examples.tokens {
            return self.encode_given(given, examples, rows);
        }
        if let Reading::Several(several) = &self.reading {
            return several.encode(examples, rows);
        }
        if let Reading::Writing(written) = &self.reading {
            return self.encode_writing(written, examples, rows);
        }
        let place = |row: usize| place(examples, row);
        let prompt = match &self.reading {
            Reading::Prompted(prompt) => Some(prompt),
            _ => None,
        };
        let texts = |segment: usize| -> Option<Result<Vec<_>>> {
            let texts = examples.texts.get(segment)?;
            let prompt = prompt.filter(|_| segment == 0);
            let text = |&row: &usize| {
                let text = texts.get(row).map_err(|error| Error::Row {
                    row: place(row),
                    problem: error.to_string(),
                })?;
                Ok(match prompt {
                    Some(prompt) => Cow::Owned(format!("{prompt}{text}")),
                    None => text,
                })
            };
            Some(rows.iter().map(text).collect())
        };
        let (first, second) = (texts(0).transpose()?, texts(1).transpose()?);
        if let Reading::Variants(comparison) = &self.reading {
            return self.encode_variants(*comparison, examples, rows, [first, second]);
        }
        if let (Some(alignments), Some(first)) = (&examples.alignments, &first) {
            let rows: Vec<_> = rows
                .iter()
                .copied()
                .zip(first.iter().map(|it| &**it))
                .collect();
            return self.encode_aligned(examples, alignments, &rows, unit, draws);
        }
        let texts: Vec<Row<'_>> = (0..rows.len())
            .map(|at| Row {
                text: first.as_ref().map_or("", |texts| &texts[at]),
                pair: second.as_ref().map(|texts| &*texts[at]),
            })
            .collect();
        if let Some(documents) = self.documents() {
            let encoded: Vec<_> = texts
                .par_iter()
                .map(|text| documents.encode(&self.tokenizer, text))
                .collect();
            let encoded = encoded.into_iter().zip(rows);
            return encoded
                .map(|(encoded, &row)| {
                    encoded.map_err(|error| Error::Row {
                        row: place(row),
                        problem: error.to_string(),
                    })
                })
                .collect();
        }
        let listed = examples.texts.first().filter(|_| self.locates());
        let words: Vec<Option<Vec<&str>>> = match listed {
            Some(listed) => rows.iter().map(|&row| listed.words(row)).collect(),
            None => Vec::new(),
        };
        if words.iter().any(Option::is_some) {
            let encoded: Vec<_> = words
                .par_iter()
                .zip(&texts)
                .map(|(words, text)| match words {
                    Some(words) => self.of_words(words),
                    None => self.of_text(text.text, unit),
                })
                .collect();
            let encoded = encoded.into_iter().zip(rows);
            return encoded
                .map(|(encoded, &row)| {
                    encoded.map_err(|problem| Error::Row {
                        row: place(row),
                        problem,
                    })
                })
                .collect();
        }
        let encoded = self.tokenizer.encode_rows(&texts, self.max_length);
        let encoded = encoded.map_err(|error| match (error, rows) {
            (engraft_text::Error::Row { row, source }, _) => Error::Row {
                row: rows.get(row).map_or_else(String::new, |&row| place(row)),
                problem: source.to_string(),
            },
            (error, [row]) => Error::Row {
                row: place(*row),
                problem: error.to_string(),
            },
            (error, _) => Error::Text(error),
        })?;
        let encoded = encoded.into_iter().zip(&texts).zip(rows);
        encoded
            .map(|(((encoding, cut), text), &row)| {
                self.checked(encoding, cut, text.text, unit)
                    .map_err(|problem| Error::Row {
                        row: place(row),
                        problem,
                    })
            })
            .collect()
    }

    /// The tokens of a row that is a list of words.
    fn of_words(&self, words: &[&str]) -> std::result::Result<EncodedRow, String> {
        let encoded = self.tokenizer.encode_words(words, self.max_length);
        let encoded = encoded.map_err(|error| error.to_string())?;
        self.check(&encoded.encoding)?;
        let units = of_words(&encoded.word_of, &ordinary(&encoded.encoding));
        let unsaid = without_token(&units, words.len(), encoded.cut).into_iter();
        let unsaid = unsaid.map(|number| (number, words[number].to_owned()));
        Ok(EncodedRow {
            unsaid: unsaid.collect(),
            encoding: encoded.encoding,
            others: Vec::new(),
            variant: None,
            units: Some(units),
            aligned: None,
            given: 0,
            cut: encoded.cut,
        })
    }

    /// The tokens of a row that is a text, among others that list words.
    fn of_text(
        &self,
        text: &str,
        unit: Option<TokenUnit>,
    ) -> std::result::Result<EncodedRow, String> {
        let (encoding, cut) = self.tokens_of(text)?;
        self.checked(encoding, cut, text, unit)
    }

    /// The tokens of a text, and whether it was cut.
    fn tokens_of(&self, text: &str) -> std::result::Result<(Encoding, bool), String> {
        let encoded = match self.max_length {
            Some(most) => self.tokenizer.encode_truncated(text, None, most),
            None => self.tokenizer.encode(text, None).map(|it| (it, false)),
        };
        encoded.map_err(|error| error.to_string())
    }

    /// Refuses tokens that no model can take.
    fn check(&self, encoding: &Encoding) -> std::result::Result<(), String> {
        if encoding.is_empty() {
            return Err("no tokens: the tokenizer adds no special tokens, so an empty text leaves nothing to compute on".into());
        }
        if let Some(longest) = self.longest.filter(|longest| encoding.len() > *longest) {
            return Err(format!(
                "{} tokens, but the model has positions for {longest}: give model.backbone.max_length to cut long rows",
                encoding.len()
            ));
        }
        Ok(())
    }

    /// A row's tokens with their letters or words, if a model can take them.
    fn checked(
        &self,
        encoding: Encoding,
        cut: bool,
        text: &str,
        unit: Option<TokenUnit>,
    ) -> std::result::Result<EncodedRow, String> {
        self.check(&encoding)?;
        let mut unsaid = Vec::new();
        let units = match unit.filter(|_| self.locates()) {
            Some(unit) => {
                let spans = self
                    .tokenizer
                    .spans(text)
                    .map_err(|error| error.to_string())?;
                let tokens = ordinary(&encoding);
                // Of a row that lost its beginning, the last tokens are left.
                let lost = if self.tokenizer.keeps_ends() {
                    spans.len().saturating_sub(tokens.len())
                } else {
                    0
                };
                let kept = spans.get(lost..).unwrap_or_default();
                let units = locate(text, unit, kept, &tokens)?;
                let all = unit.count(text);
                match unit {
                    TokenUnit::Letter if !cut && units.len() < all => {
                        return Err(format!(
                            "the tokenizer leaves out {} of the {all} letters, which then have no class: take out what it does not know, or replace it",
                            all - units.len()
                        ));
                    }
                    TokenUnit::Letter => {}
                    TokenUnit::Word => {
                        let words = || text.split_whitespace();
                        unsaid = without_token(&units, all, cut)
                            .into_iter()
                            .filter_map(|number| Some((number, words().nth(number)?.to_owned())))
                            .collect();
                    }
                }
                Some(units)
            }
            None => None,
        };
        Ok(EncodedRow {
            encoding,
            others: Vec::new(),
            variant: None,
            units,
            unsaid,
            aligned: None,
            given: 0,
            cut,
        })
    }

    /// How texts are divided, where they are.
    pub(crate) fn documents(&self) -> Option<&Documents> {
        match &self.reading {
            Reading::Windows(documents) => Some(documents),
            _ => None,
        }
    }

    /// Whether letters or words are told apart.
    pub(crate) fn locates(&self) -> bool {
        matches!(self.reading, Reading::Units(_))
    }

    /// Rows are cut to this many tokens, or read in windows of so many.
    pub fn max_length(&self) -> Option<usize> {
        self.max_length
    }

    /// Refuses rows of more sequences than are read, or of others, and alignments that are not.
    ///
    /// # Errors
    /// They are such.
    pub(crate) fn check_sequences(&self, examples: &Examples) -> Result<()> {
        self.alignments.check(examples)?;
        match &self.reading {
            Reading::Several(several) => several.check(examples),
            _ if examples.texts.len() > 2 => Err(Error::refused(
                "data.x_col",
                format!(
                    "the model reads one column, or two for text pairs, not the {} of {}",
                    examples.texts.len(),
                    examples.names.join(", ")
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Whether a row may be refused for what it is: its length, its letters, or several of these in one token.
    pub(crate) fn refuses(&self) -> bool {
        let too_long = self.max_length.is_none() && self.longest.is_some();
        let letters = self.tokenizer.letter_policy() == Some(LetterPolicy::Error);
        let together = matches!(
            self.reading,
            Reading::Several(_) | Reading::Variants(_) | Reading::Writing(_)
        );
        too_long || letters || together || self.locates()
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
}

#[cfg(test)]
mod tests;
