//! From rows of text to batches of tokens.

use engraft_data::{Examples, TokenUnit};
use engraft_models::PackedTokens;
use engraft_text::{Encoding, LetterPolicy, Row, Tokenizer};
use rayon::prelude::*;

use crate::documents::{self, Documents};
use crate::error::{Error, Result};
use crate::targets::{BatchTargets, Draws, Targets};
use crate::units::{Unit, locate};

/// The tokens of one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedRow {
    /// Its tokens.
    pub encoding: Encoding,
    /// Its letters or words that have a token, where these are told apart.
    pub units: Option<Vec<Unit>>,
    /// The tokens at its start that a causal language model is given and does not tell; the first of all is never told.
    pub given: usize,
    /// Whether it was cut to the maximal length.
    pub cut: bool,
}

/// Rows as a model is fed them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The tokens, laid end to end.
    pub tokens: PackedTokens,
    /// The tokens that the head is computed at, where it is not computed at all of them or at whole rows.
    pub heads: Option<Vec<u32>>,
    /// How many of these each row has.
    pub heads_of_row: Vec<usize>,
    /// What is to be told.
    pub targets: BatchTargets,
    /// The number of each row in its split.
    pub rows: Vec<usize>,
    /// How many of the rows were cut to the maximal length.
    pub cut: usize,
    /// How many letters the model's alphabet lacks, and in how many rows.
    pub outside: [usize; 2],
}

impl Batch {
    /// Lays rows end to end; `targets` are those of the whole split.
    pub fn collate(
        rows: &[usize],
        encoded: Vec<EncodedRow>,
        targets: &Targets,
        draws: Draws,
    ) -> Self {
        let mut batch = Self {
            rows: rows.to_vec(),
            ..Self::default()
        };
        let somewhere = matches!(
            targets,
            Targets::Tokens { .. } | Targets::Masked(_) | Targets::NextTokens
        ) || encoded.iter().any(|row| row.units.is_some());
        let mut heads = Vec::new();
        let mut told = Vec::new();
        for (mut row, &number) in encoded.into_iter().zip(rows) {
            let start = batch.tokens.ids.len();
            let before = heads.len();
            match targets {
                Targets::Tokens { rows, .. } => {
                    for unit in row.units.iter().flatten() {
                        if let Some(Some(class)) = rows[number].get(unit.unit) {
                            heads.push((start + unit.token) as u32);
                            told.push(*class);
                        }
                    }
                }
                Targets::Masked(masker) => {
                    for (at, id) in masker.mask(&mut row.encoding, draws.key(number)) {
                        heads.push((start + at) as u32);
                        told.push(id);
                    }
                }
                Targets::NextTokens => {
                    for (at, id) in documents::told(&row) {
                        heads.push((start + at) as u32);
                        told.push(id);
                    }
                    // Nothing is told at the last.
                    row.encoding.ids.pop();
                    row.encoding.type_ids.pop();
                }
                // To be predicted.
                _ => {
                    let units = row.units.iter().flatten();
                    heads.extend(units.map(|unit| (start + unit.token) as u32));
                }
            }
            batch.heads_of_row.push(heads.len() - before);
            batch.tokens.push(&row.encoding.ids, &row.encoding.type_ids);
            batch.cut += usize::from(row.cut);
            batch.outside[0] += row.encoding.outside;
            batch.outside[1] += usize::from(row.encoding.outside > 0);
        }
        batch.targets = match targets {
            Targets::None => BatchTargets::None,
            Targets::Classes(all) => {
                BatchTargets::Classes(rows.iter().map(|&row| all[row]).collect())
            }
            Targets::Flags(all) => {
                BatchTargets::Flags(rows.iter().flat_map(|&row| all[row].clone()).collect())
            }
            Targets::Numbers(all) => {
                BatchTargets::Numbers(rows.iter().flat_map(|&row| all[row].clone()).collect())
            }
            Targets::Tokens { .. } | Targets::Masked(_) | Targets::NextTokens => {
                BatchTargets::Classes(told)
            }
        };
        batch.heads = somewhere.then_some(heads);
        batch
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether the head is to be computed nowhere: none of its letters or words is scored, or has a token.
    pub fn is_unscored(&self) -> bool {
        self.heads.as_ref().is_some_and(Vec::is_empty)
    }
}

/// Bytes of text that are read from where they are stored before they become tokens, about.
const TEXT_AT_ONCE: usize = 4 << 20;

/// Divides rows into neighbours whose texts take little memory together.
fn groups<'r>(examples: &Examples, mut rows: &'r [usize]) -> impl Iterator<Item = &'r [usize]> {
    let bytes = |row: usize| -> usize { examples.texts.iter().map(|it| it.bytes(row)).sum() };
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

/// Turns rows into tokens; cheap to clone and send to another thread.
#[derive(Clone)]
pub struct RowEncoder {
    pub(crate) tokenizer: Tokenizer,
    /// Rows are cut to this many tokens.
    pub(crate) max_length: Option<usize>,
    /// The longest sequence that has positions; none if any has.
    pub(crate) longest: Option<usize>,
    /// Whether letters or words are told apart.
    pub(crate) locates: bool,
    /// How texts are read by a causal language model, if it is one.
    pub(crate) documents: Option<Documents>,
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
        let mut encoded = Vec::with_capacity(rows.len());
        for rows in groups(examples, rows) {
            encoded.extend(self.encode_at_once(examples, rows, unit)?);
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
            let encoded = self.encode_at_once(examples, rows, unit)?;
            lengths.extend(encoded.iter().map(|row| row.encoding.len()));
        }
        Ok(lengths)
    }

    /// [`Self::encode`] with all texts of the rows in memory.
    fn encode_at_once(
        &self,
        examples: &Examples,
        rows: &[usize],
        unit: Option<TokenUnit>,
    ) -> Result<Vec<EncodedRow>> {
        let place = |row: usize| {
            examples
                .origins
                .get(row)
                .map_or_else(|| format!("row {row}"), ToString::to_string)
        };
        let texts = |segment: usize| -> Option<Result<Vec<_>>> {
            let texts = examples.texts.get(segment)?;
            let text = |&row: &usize| {
                texts.get(row).map_err(|error| Error::Row {
                    row: place(row),
                    problem: error.to_string(),
                })
            };
            Some(rows.iter().map(text).collect())
        };
        let (first, second) = (texts(0).transpose()?, texts(1).transpose()?);
        let texts: Vec<Row<'_>> = (0..rows.len())
            .map(|at| Row {
                text: first.as_ref().map_or("", |texts| &texts[at]),
                pair: second.as_ref().map(|texts| &*texts[at]),
            })
            .collect();
        if let Some(documents) = &self.documents {
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

    /// A row's tokens with their letters or words, if a model can take them.
    fn checked(
        &self,
        encoding: Encoding,
        cut: bool,
        text: &str,
        unit: Option<TokenUnit>,
    ) -> std::result::Result<EncodedRow, String> {
        if encoding.is_empty() {
            return Err("no tokens: the tokenizer adds no special tokens, so an empty text leaves nothing to compute on".into());
        }
        if let Some(longest) = self.longest.filter(|longest| encoding.len() > *longest) {
            return Err(format!(
                "{} tokens, but the model has positions for {longest}: give model.backbone.max_length to cut long rows",
                encoding.len()
            ));
        }
        let units = match unit.filter(|_| self.locates) {
            Some(unit) => {
                let spans = self
                    .tokenizer
                    .spans(text)
                    .map_err(|error| error.to_string())?;
                let ordinary = encoding.special.iter().enumerate();
                let tokens: Vec<usize> = ordinary
                    .filter(|(_, special)| !**special)
                    .map(|(at, _)| at)
                    .collect();
                let units = locate(text, unit, &spans, &tokens)?;
                let all = unit.count(text);
                if !cut && units.len() < all {
                    let what = match unit {
                        TokenUnit::Letter => "letters",
                        TokenUnit::Word => "words",
                    };
                    return Err(format!(
                        "the tokenizer leaves out {} of the {all} {what}, which then have no class: take out what it does not know, or replace it",
                        all - units.len()
                    ));
                }
                Some(units)
            }
            None => None,
        };
        Ok(EncodedRow {
            encoding,
            units,
            given: 0,
            cut,
        })
    }

    /// Whether a row may be read in several windows.
    pub fn divides(&self) -> bool {
        self.documents.is_some()
    }

    /// The number of windows that a row of so many tokens is read in.
    pub fn windows(&self, tokens: usize) -> usize {
        let documents = self.documents.as_ref();
        documents.map_or(1, |documents| documents.windows(tokens))
    }

    /// One window of a row; the row itself where there is but one.
    pub fn window(&self, row: &EncodedRow, number: usize) -> EncodedRow {
        match &self.documents {
            Some(documents) => documents.window(row, number),
            None => row.clone(),
        }
    }

    /// Rows are cut to this many tokens, or read in windows of so many.
    pub fn max_length(&self) -> Option<usize> {
        self.max_length
    }

    /// Whether a row may be refused for what it is: its length, its letters, or several of these in one token.
    pub fn refuses(&self) -> bool {
        let too_long = self.max_length.is_none() && self.longest.is_some();
        let letters = self.tokenizer.letter_policy() == Some(LetterPolicy::Error);
        too_long || letters || self.locates
    }

    /// Whether letters or words are told apart.
    pub fn locates(&self) -> bool {
        self.locates
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
}
