//! Where each sequence of a ragged batch begins and ends.

use std::ops::Range;
use std::sync::Arc;

/// The boundaries of the sequences laid end to end in a `[tokens, ..]` tensor.
///
/// Sequence `i` owns the rows `range(i)`. A sequence may be empty. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    /// `len() + 1` ascending row numbers, the first of them 0.
    offsets: Arc<[usize]>,
}

impl Segments {
    /// Segments of the given lengths, in order.
    pub fn from_lengths(lengths: impl IntoIterator<Item = usize>) -> Self {
        let mut end = 0;
        let offsets = std::iter::once(0)
            .chain(lengths.into_iter().map(|length| {
                end += length;
                end
            }))
            .collect();
        Self { offsets }
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no sequence at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of rows of all sequences together.
    pub fn total(&self) -> usize {
        self.offsets[self.len()]
    }

    /// The rows of sequence `index`.
    pub fn range(&self, index: usize) -> Range<usize> {
        self.offsets[index]..self.offsets[index + 1]
    }

    /// The rows of each sequence, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
        self.offsets.windows(2).map(|pair| pair[0]..pair[1])
    }

    /// The length of each sequence, in order.
    pub fn lengths(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.iter().map(|range| range.len())
    }

    /// The length of the longest sequence, 0 if there is none.
    pub fn longest(&self) -> usize {
        self.lengths().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_know_their_rows_even_when_some_are_empty() {
        let segments = Segments::from_lengths([2, 0, 3]);
        assert_eq!(segments.len(), 3);
        assert_eq!(segments.total(), 5);
        assert_eq!(segments.iter().collect::<Vec<_>>(), [0..2, 2..2, 2..5]);
        assert_eq!(segments.longest(), 3);
        assert!(Segments::from_lengths([]).is_empty());
    }
}
