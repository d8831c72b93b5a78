//! What alignments add to the tokens of sequences.

use std::ops::Range;
use std::sync::Arc;

/// Tokens of sequences of which each is a query and, behind it, the sequences that are aligned with it, gaps left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlignedTokens {
    /// The column and the row of each token in its alignment. The query is row 0; special tokens are in column 0 of row 0.
    pub places: Vec<AlignmentPosition>,
    /// Which tokens of each sequence are the query's, counted from its first.
    pub queries: Vec<Range<usize>>,
    /// What is known of the structure of the queries' tokens, where anything is.
    pub structures: Option<Structures>,
}

/// The column and the row of a token in an alignment.
pub type AlignmentPosition = [u32; 2];

/// Numbers about the structure of the tokens of queries, one token after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Structures {
    /// The numbers.
    pub values: Vec<f32>,
    /// How many each token has.
    pub width: usize,
}

impl AlignedTokens {
    /// Adds those of other sequences, of which structures are known where they are of these.
    pub(crate) fn append(&mut self, other: &Self) {
        self.places.extend(&other.places);
        match (&mut self.structures, &other.structures) {
            (Some(structures), Some(other)) => structures.values.extend(&other.values),
            (structures @ None, other) if self.queries.is_empty() => structures.clone_from(other),
            _ => {}
        }
        self.queries.extend(other.queries.iter().cloned());
    }

    /// Those of some of the sequences, whose tokens these are.
    pub(crate) fn part(&self, sequences: Range<usize>, tokens: Range<usize>) -> Self {
        let before: usize = self.query_lengths().take(sequences.start).sum();
        let queries = self.queries[sequences].to_vec();
        let count: usize = queries.iter().map(Range::len).sum();
        let structures = self
            .structures
            .as_ref()
            .map(|Structures { values, width }| {
                let values = values[before * width..(before + count) * width].to_vec();
                Structures {
                    values,
                    width: *width,
                }
            });
        Self {
            places: self.places[tokens].to_vec(),
            queries,
            structures,
        }
    }

    /// The query tokens of each sequence.
    pub fn query_lengths(&self) -> impl Iterator<Item = usize> {
        self.queries.iter().map(Range::len)
    }

    /// The places of all query tokens among the tokens of sequences of these lengths, ascending.
    pub(crate) fn query_tokens(&self, lengths: &[usize]) -> Vec<u32> {
        let mut start = 0;
        let mut tokens = Vec::new();
        for (query, length) in self.queries.iter().zip(lengths) {
            tokens.extend(query.clone().map(|at| (start + at) as u32));
            start += length;
        }
        tokens
    }

    /// What is known of the structure of each of so many tokens, zeros for those that are no query's.
    pub(crate) fn spread(&self, lengths: &[usize]) -> Option<Structures> {
        let Structures { values, width } = self.structures.as_ref()?;
        let tokens: usize = lengths.iter().sum();
        let mut spread = vec![0.0; tokens * width];
        let known = values.chunks_exact((*width).max(1));
        for (token, known) in self.query_tokens(lengths).into_iter().zip(known) {
            let start = token as usize * width;
            spread[start..start + width].copy_from_slice(known);
        }
        Some(Structures {
            values: spread,
            width: *width,
        })
    }

    /// The places, to be shared by all layers.
    pub(crate) fn shared_places(&self) -> Arc<[AlignmentPosition]> {
        self.places.as_slice().into()
    }
}
