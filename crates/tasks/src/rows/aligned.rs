//! Rows that bring alignments: the tokens of a sequence and, behind them, those of the sequences that are aligned with it.

use engraft_data::{Alignments, Examples, TokenUnit};
use engraft_kernels::Key;
use engraft_models::{AlignedTokens, Structures};
use engraft_text::Encoding;
use rayon::prelude::*;

use super::{Draws, EncodedRow, RowEncoder, ordinary};
use crate::error::{Error, Result, place};
use crate::units::Unit;

/// What stands in an aligned sequence where it has no residue.
const GAP: char = '-';

/// The share of an alignment that is taken to be residues, when it is decided how many of its sequences are read.
const RESIDUES: f64 = 0.75;

/// The stream of random draws that decides which sequences of an alignment are read.
const ALIGNED: u64 = 0xa1;

/// What a model does with alignments beside its rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct AlignmentReading {
    /// Why it cannot read any, if so.
    pub(crate) refused: Option<String>,
    /// Whether it was told to read some.
    pub(crate) is_required: bool,
    /// How many numbers about the structure of each residue it takes.
    pub(crate) width: Option<usize>,
}

impl AlignmentReading {
    /// Refuses rows that bring alignments to a model that reads none, or none to one that was told to read some.
    ///
    /// # Errors
    /// They do.
    pub(crate) fn check(&self, examples: &Examples) -> Result<()> {
        let Some(alignments) = &examples.alignments else {
            return if self.is_required {
                Err(Error::refused(
                    "model.backbone.enable_rag",
                    "true, but the rows bring no alignments; data.is_rag_dataset: true reads them from the column msa",
                ))
            } else {
                Ok(())
            };
        };
        if let Some(why) = &self.refused {
            return Err(Error::refused(
                "data.is_rag_dataset",
                format!("true, but {why}"),
            ));
        }
        if examples.texts.len() != 1 {
            let problem = "true: an alignment is one sequence's, and each row has several";
            return Err(Error::refused("data.is_rag_dataset", problem));
        }
        match (alignments.width(), self.width) {
            (Some(found), Some(wanted)) if found != wanted && !examples.is_empty() => {
                Err(Error::Row {
                    row: place(examples, 0),
                    problem: format!(
                        "the column \"str_emb\" has {found} numbers for each residue, but the model's layer for them takes {wanted} (str_embedding_in)"
                    ),
                })
            }
            _ => Ok(()),
        }
    }

    /// What a user should know of numbers about structure that only the model or only the rows have.
    pub(crate) fn note(&self, alignments: &Alignments) -> Option<String> {
        match (alignments.width(), self.width) {
            (Some(_), None) => Some(
                "data.is_rag_dataset: the column str_emb is not read, as the model has no layer for it (str_embedding_in)"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

impl RowEncoder {
    /// The tokens of `rows`, each of its text and of what is aligned with it.
    pub(super) fn encode_aligned(
        &self,
        examples: &Examples,
        alignments: &Alignments,
        rows: &[(usize, &str)],
        unit: Option<TokenUnit>,
        draws: Draws,
    ) -> Result<Vec<EncodedRow>> {
        let encode = |&(row, text): &(usize, &str)| {
            let key = draws.aligned(alignments.seed, row);
            let encoded = self.aligned(alignments, (row, text), unit, key);
            encoded.map_err(|problem| Error::Row {
                row: place(examples, row),
                problem,
            })
        };
        rows.par_iter().map(encode).collect()
    }

    fn aligned(
        &self,
        alignments: &Alignments,
        (row, text): (usize, &str),
        unit: Option<TokenUnit>,
        key: Key,
    ) -> std::result::Result<EncodedRow, String> {
        let sequences = alignments
            .sequences(row)
            .map_err(|error| error.to_string())?;
        let all = text.chars().count();
        let mut context = Context::new(text, &sequences, alignments.context, key);
        if let Some(most) = self.max_length {
            context.truncate(most.saturating_sub(self.tokenizer.specials_added(false)));
        }
        let encoding = self.tokenizer.encode(&context.letters, None);
        let encoding = encoding.map_err(|error| error.to_string())?;
        self.check(&encoding)?;
        let tokens = ordinary(&encoding);
        if tokens.len() != context.places.len() {
            return Err(format!(
                "the tokenizer makes {} tokens of the {} residues of the sequence and what is aligned with it: alignments need a vocabulary of single residues",
                tokens.len(),
                context.places.len()
            ));
        }
        let kept = context.query();
        let query = tokens.first().map_or(0..0, |&first| first..first + kept);
        let located = unit.filter(|_| self.locates());
        let units = located.map(|_| {
            let units = query.clone().zip(0..);
            units.map(|(token, unit)| Unit { unit, token }).collect()
        });
        Ok(EncodedRow {
            aligned: Some(AlignedTokens {
                places: context.spread(&encoding, &tokens),
                queries: vec![query],
                structures: self.structures(alignments, row, kept)?,
            }),
            encoding,
            units,
            cut: kept < all,
            ..EncodedRow::default()
        })
    }

    /// What the model is told of the structure of a row's first residues, if it takes anything and the row brings it.
    fn structures(
        &self,
        alignments: &Alignments,
        row: usize,
        residues: usize,
    ) -> std::result::Result<Option<Structures>, String> {
        let Some(width) = self.alignments.width else {
            return Ok(None);
        };
        let vectors = alignments
            .structures(row)
            .map_err(|error| error.to_string())?;
        Ok(vectors.map(|vectors| Structures {
            values: vectors.into_iter().take(residues).flatten().collect(),
            width,
        }))
    }
}

impl Draws {
    /// The key of what is drawn of the alignment of a row, by the seed of alignments.
    fn aligned(self, seed: u64, row: usize) -> Key {
        let pass = match self {
            Self::Epoch { epoch, .. } => 1 + epoch,
            Self::Fixed => 0,
        };
        let key = Key::new(seed).with(ALIGNED).with(pass);
        key.with(row as u64)
    }
}

/// The residues of a query and of what is aligned with it, one behind the other.
struct Context {
    letters: String,
    /// The column and the row of each.
    places: Vec<[u32; 2]>,
}

impl Context {
    /// The query, then those sequences that are drawn, the ones with the fewest gaps first. Of an alignment of a longer sequence, the columns
    /// of the query are read.
    fn new(query: &str, sequences: &[String], residues: usize, key: Key) -> Self {
        let columns = query.chars().count();
        let count = residues as f64 / columns.max(1) as f64 / RESIDUES;
        let drawn = drawn(sequences.len(), count as usize, key);
        let mut aligned: Vec<&str> = drawn
            .into_iter()
            .map(|number| first_letters(&sequences[number], columns))
            .collect();
        aligned.sort_by_key(|sequence| sequence.chars().filter(|it| *it == GAP).count());
        let mut context = Self {
            letters: query.to_owned(),
            places: (0..columns as u32).map(|column| [column, 0]).collect(),
        };
        for (sequence, row) in aligned.into_iter().zip(1..) {
            for (letter, column) in sequence.chars().zip(0..) {
                if letter != GAP {
                    context.letters.push(letter);
                    context.places.push([column, row]);
                }
            }
        }
        context
    }

    /// Keeps the first `count` residues.
    fn truncate(&mut self, count: usize) {
        self.places.truncate(count);
        let kept = first_letters(&self.letters, count).len();
        self.letters.truncate(kept);
    }

    /// Residues of the query.
    fn query(&self) -> usize {
        self.places.iter().take_while(|[_, row]| *row == 0).count()
    }

    /// The place of each token, of which those at `tokens` are residues; special ones are in the first column of the first row.
    fn spread(&self, encoding: &Encoding, tokens: &[usize]) -> Vec<[u32; 2]> {
        let mut places = vec![[0, 0]; encoding.len()];
        for (&token, place) in tokens.iter().zip(&self.places) {
            places[token] = *place;
        }
        places
    }
}

/// `count` of `total` numbers, ascending, each set of so many equally likely; all if there are no more.
fn drawn(total: usize, count: usize, key: Key) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..total).collect();
    if count >= total {
        return numbers;
    }
    // The beginning of a shuffle.
    for at in 0..count {
        let left = total - at;
        let other = (key.uniform(at as u64) * left as f64) as usize;
        numbers.swap(at, at + other.min(left - 1));
    }
    numbers.truncate(count);
    numbers.sort_unstable();
    numbers
}

/// The beginning of a text.
fn first_letters(text: &str, count: usize) -> &str {
    match text.char_indices().nth(count) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests;
