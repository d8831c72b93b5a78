//! The windows in which the rows of a split are read, where a long row takes several.

use std::collections::HashMap;

use engraft_data::Examples;

use crate::documents::Documents;
use crate::error::Result;
use crate::rows::{EncodedRow, RowEncoder};

/// Rows that are turned into tokens at a time while they are counted.
const ROWS_AT_ONCE: usize = 1024;

/// The windows of a split, in the order of its rows.
pub(super) struct Windows {
    /// The row of each window, its number within the row, and the tokens that are read of it.
    places: Vec<(usize, usize, usize)>,
    /// The tokens of rows of several windows: it would take long to find them again for each.
    long: HashMap<usize, EncodedRow>,
}

impl Windows {
    /// Those of all rows.
    ///
    /// # Errors
    /// A row cannot be encoded.
    pub(super) fn of(
        documents: &Documents,
        encoder: &RowEncoder,
        examples: &Examples,
    ) -> Result<Self> {
        let rows: Vec<usize> = (0..examples.len()).collect();
        let mut windows = Self {
            places: Vec::with_capacity(rows.len()),
            long: HashMap::new(),
        };
        for rows in rows.chunks(ROWS_AT_ONCE) {
            let encoded = encoder.encode(examples, rows, None)?;
            for (&row, encoded) in rows.iter().zip(encoded) {
                // The last token is predicted, not read.
                let mut rest = encoded.encoding.len().saturating_sub(1);
                let count = documents.windows(encoded.encoding.len());
                let longest = documents.length().unwrap_or(usize::MAX);
                for number in 0..count {
                    let read = rest.min(longest);
                    rest -= read;
                    windows.places.push((row, number, read));
                }
                if count > 1 {
                    windows.long.insert(row, encoded);
                }
            }
        }
        Ok(windows)
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// How many windows batches of so many rows have.
    pub(super) fn of_batches(&self, batches: &[usize]) -> Vec<usize> {
        let (mut end, mut left) = (0, self.places.as_slice());
        let counts = batches.iter().map(|rows| {
            end += rows;
            let own = left.partition_point(|(row, ..)| *row < end);
            left = &left[own..];
            own
        });
        counts.collect()
    }

    /// The tokens that are read of each.
    pub(super) fn lengths(&self) -> Vec<usize> {
        self.places.iter().map(|(_, _, read)| *read).collect()
    }

    /// The rows that windows are of, and their tokens.
    pub(super) fn encode(
        &self,
        documents: &Documents,
        encoder: &RowEncoder,
        examples: &Examples,
        numbers: &[usize],
    ) -> Result<(Vec<usize>, Vec<EncodedRow>)> {
        let places = || numbers.iter().filter_map(|&number| self.places.get(number));
        let rows: Vec<usize> = places().map(|(row, ..)| *row).collect();
        let short: Vec<usize> = rows
            .iter()
            .copied()
            .filter(|row| !self.long.contains_key(row))
            .collect();
        let mut short = encoder.encode(examples, &short, None)?.into_iter();
        let window = |(row, number, _): &(usize, usize, usize)| match self.long.get(row) {
            Some(row) => Some(documents.window(row, *number)),
            None => short.next(),
        };
        let encoded = places().filter_map(window).collect();
        Ok((rows, encoded))
    }
}
