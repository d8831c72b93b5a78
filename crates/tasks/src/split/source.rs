//! Rows as tokens: each as a sequence, or as the windows in which it is read.

use std::sync::Arc;

use engraft_data::{Examples, Texts, TokenUnit};

use super::windows::Windows;
use crate::error::Result;
use crate::objective::Reading;
use crate::rows::{Draws, EncodedRow, RowEncoder};

/// The rows of a split, and how they become tokens.
pub struct Source {
    encoder: RowEncoder,
    examples: Arc<Examples>,
    /// What is told apart in a row, where letters or words are.
    unit: Option<TokenUnit>,
    /// The windows in which rows are read, where these may be several.
    windows: Option<Windows>,
}

impl Source {
    /// Rows as `encoder` reads them; `unit` is what has a class each, where the rows say so.
    ///
    /// # Errors
    /// A text cannot be read, or a row that is read in windows cannot be encoded.
    pub(crate) fn new(
        encoder: RowEncoder,
        examples: Arc<Examples>,
        unit: Option<TokenUnit>,
    ) -> Result<Self> {
        encoder.check_sequences(&examples)?;
        let unit = match &encoder.reading {
            Reading::Units(known) => match unit.or(*known) {
                None => Some(TokenUnit::of_texts(&examples.texts)?),
                known => known,
            },
            _ => None,
        };
        let windows = match encoder.documents() {
            Some(documents) => Some(Windows::of(documents, &encoder, &examples)?),
            None => None,
        };
        Ok(Self {
            encoder,
            examples,
            unit,
            windows,
        })
    }

    /// The rows.
    pub fn examples(&self) -> &Arc<Examples> {
        &self.examples
    }

    /// Number of rows, or of the windows in which they are read.
    pub fn len(&self) -> usize {
        match &self.windows {
            Some(windows) => windows.len(),
            None => self.examples.len(),
        }
    }

    /// How many rows, or windows in which they are read, each batch has, where rows come in batches that are kept as they are.
    pub fn batches(&self) -> Option<Vec<usize>> {
        let batches = self.examples.batches.as_ref()?;
        Some(match &self.windows {
            Some(windows) => windows.of_batches(batches),
            None => batches.clone(),
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a row may be read in several windows.
    pub fn is_divided(&self) -> bool {
        self.windows.is_some()
    }

    /// Tokens of each row or window, of which only a few are encoded at a time.
    ///
    /// # Errors
    /// A row cannot be encoded.
    pub fn lengths(&self) -> Result<Vec<usize>> {
        match &self.windows {
            Some(windows) => Ok(windows.lengths()),
            None => self.encoder.lengths(&self.examples, self.unit),
        }
    }

    /// Encodes every row once, so that one that cannot be is found before anything is computed; nothing is done where every row fits, as
    /// rows of texts may.
    ///
    /// # Errors
    /// The first row that cannot be encoded.
    pub fn check(&self) -> Result<()> {
        let refuses = self.encoder.refuses() || self.examples.tokens.is_some();
        if refuses && self.windows.is_none() {
            self.lengths().map(drop)
        } else {
            Ok(())
        }
    }

    /// Gives the bytes of every text to `eat`.
    ///
    /// # Errors
    /// A text cannot be read from where it is stored.
    pub fn digest(&self, eat: &mut dyn FnMut(&[u8])) -> Result<()> {
        let aligned = self.examples.alignments.iter().flat_map(|it| it.texts());
        let texts = self.examples.texts.iter().chain(aligned);
        for text in texts.flat_map(Texts::iter) {
            eat(text?.as_bytes());
            eat(&[0xff]);
        }
        Ok(())
    }

    /// The rows that rows or windows of these numbers are of, and their tokens; what is drawn for a row is drawn by `draws`.
    pub(crate) fn encode(
        &self,
        numbers: Vec<usize>,
        draws: Draws,
    ) -> Result<(Vec<usize>, Vec<EncodedRow>)> {
        match (&self.windows, self.encoder.documents()) {
            (Some(windows), Some(documents)) => {
                windows.encode(documents, &self.encoder, &self.examples, &numbers)
            }
            _ => {
                let encoder = &self.encoder;
                let rows = encoder.encode_drawn(&self.examples, &numbers, self.unit, draws)?;
                Ok((numbers, rows))
            }
        }
    }
}
