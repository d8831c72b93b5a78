//! From rows of text to batches of tokens.

use engraft_data::Examples;
use engraft_models::PackedTokens;
use engraft_text::{Encoding, Row, Tokenizer};

use crate::error::{Error, Result};

/// The tokens of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRow {
    /// Its tokens.
    pub encoding: Encoding,
    /// Whether it was cut to the maximal length.
    pub cut: bool,
}

/// Rows as a model is fed them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The tokens, laid end to end.
    pub tokens: PackedTokens,
    /// The class of each row; empty without labels.
    pub classes: Vec<u32>,
    /// The number of each row in its split.
    pub rows: Vec<usize>,
    /// How many of the rows were cut to the maximal length.
    pub cut: usize,
}

impl Batch {
    /// Lays rows end to end; `classes` are those of the whole split, or none.
    pub fn collate(rows: &[usize], encoded: &[EncodedRow], classes: Option<&[u32]>) -> Self {
        let mut batch = Self {
            rows: rows.to_vec(),
            ..Self::default()
        };
        for row in encoded {
            batch.tokens.push(&row.encoding.ids, &row.encoding.type_ids);
            batch.cut += usize::from(row.cut);
        }
        if let Some(classes) = classes {
            batch.classes = rows.iter().map(|&row| classes[row]).collect();
        }
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
}

/// Turns rows into tokens; cheap to clone and send to another thread.
#[derive(Clone)]
pub struct RowEncoder {
    pub(crate) tokenizer: Tokenizer,
    /// Rows are cut to this many tokens.
    pub(crate) max_length: Option<usize>,
    /// The longest sequence that has positions.
    pub(crate) longest: usize,
}

impl RowEncoder {
    /// The tokens of `rows` of `examples`, in that order, on all threads.
    ///
    /// # Errors
    /// A row is longer than the model has positions for and no `max_length` allows cutting it; a text that cannot be encoded.
    pub fn encode(&self, examples: &Examples, rows: &[usize]) -> Result<Vec<EncodedRow>> {
        let place = |row: usize| {
            examples
                .origins
                .get(row)
                .map_or_else(|| format!("row {row}"), ToString::to_string)
        };
        let texts: Vec<Row<'_>> = rows
            .iter()
            .map(|&row| Row {
                text: examples.texts.first().map_or("", |texts| &texts[row]),
                pair: examples.texts.get(1).map(|texts| texts[row].as_str()),
            })
            .collect();
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
        let encoded = encoded.into_iter().zip(rows).map(|((encoding, cut), &row)| {
            if encoding.is_empty() {
                let problem = "no tokens: the tokenizer adds no special tokens, so an empty text leaves nothing to compute on".into();
                return Err(Error::Row {
                    row: place(row),
                    problem,
                });
            }
            if encoding.len() > self.longest {
                let problem = format!(
                    "{} tokens, but the model has positions for {}: give model.backbone.max_length to cut long rows",
                    encoding.len(),
                    self.longest
                );
                return Err(Error::Row { row: place(row), problem });
            }
            Ok(EncodedRow { encoding, cut })
        });
        encoded.collect()
    }

    /// Whether long rows are cut instead of refused.
    pub fn cuts(&self) -> bool {
        self.max_length.is_some()
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }
}
