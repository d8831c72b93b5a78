//! What a transformer is fed: the tokens of several sequences laid end to end.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use engraft_kernels::{Segments, gather_rows};

use crate::aligned::{AlignedTokens, AlignmentPosition, Structures};
use crate::config::TransformerConfig;

/// Tokens on the host, before they become a [`TokenBatch`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PackedTokens {
    /// Token ids of all sequences.
    pub ids: Vec<u32>,
    /// Which text of a pair each token belongs to.
    pub type_ids: Vec<u32>,
    /// The length of each sequence.
    pub lengths: Vec<usize>,
    /// What alignments add, where each sequence has one behind it.
    pub aligned: Option<AlignedTokens>,
}

impl PackedTokens {
    /// Adds a sequence.
    pub fn push(&mut self, ids: &[u32], type_ids: &[u32]) {
        self.ids.extend_from_slice(ids);
        self.type_ids.extend_from_slice(type_ids);
        self.lengths.push(ids.len());
    }

    /// Adds other sequences, which have alignments if these have.
    pub fn append(&mut self, other: &Self) {
        if let Some(aligned) = &other.aligned {
            self.aligned.get_or_insert_default().append(aligned);
        }
        self.ids.extend_from_slice(&other.ids);
        self.type_ids.extend_from_slice(&other.type_ids);
        self.lengths.extend_from_slice(&other.lengths);
    }

    /// Some of the sequences, before whose first there are `start` tokens.
    #[must_use]
    pub fn part(&self, sequences: Range<usize>, start: usize) -> Self {
        let lengths = self.lengths[sequences.clone()].to_vec();
        let tokens = start..start + lengths.iter().sum::<usize>();
        let aligned = self.aligned.as_ref();
        Self {
            ids: self.ids[tokens.clone()].to_vec(),
            type_ids: self.type_ids[tokens.clone()].to_vec(),
            lengths,
            aligned: aligned.map(|aligned| aligned.part(sequences, tokens)),
        }
    }

    /// The places of the tokens that something is computed for: those of queries, where what is aligned with them stands behind them; none
    /// where all are.
    pub fn query_tokens(&self) -> Option<Vec<u32>> {
        let aligned = self.aligned.as_ref()?;
        Some(aligned.query_tokens(&self.lengths))
    }

    /// How many such tokens each sequence has.
    pub fn query_lengths(&self) -> Vec<usize> {
        match &self.aligned {
            Some(aligned) => aligned.query_lengths().collect(),
            None => self.lengths.clone(),
        }
    }

    /// ESM-2's factor of each token's embedding: none of masked tokens is left, and the others grow as they would have to for the
    /// share that was masked in training (Lin et al., Science 2023).
    fn scale(&self, mask: u32) -> Vec<f32> {
        let mut scale = Vec::with_capacity(self.ids.len());
        let mut rest = self.ids.as_slice();
        for &length in &self.lengths {
            let (sequence, after) = rest.split_at(length);
            rest = after;
            let masked = sequence.iter().filter(|id| **id == mask).count();
            let kept = 1.0 - masked as f32 / length.max(1) as f32;
            scale.extend(sequence.iter().map(|&id| {
                if id == mask {
                    0.0
                } else {
                    (1.0 - MASKED_IN_TRAINING) / kept
                }
            }));
        }
        scale
    }
}

/// Tokens on the device.
#[derive(Clone, Debug)]
pub struct TokenBatch {
    /// Token ids, `[tokens]`.
    pub ids: Tensor<1, Int>,
    /// Token types, `[tokens]`; empty where the family has none.
    pub type_ids: Option<Tensor<1, Int>>,
    /// Rows of the position table, `[tokens]`.
    pub positions: Tensor<1, Int>,
    /// Factors of the token embeddings, `[tokens, 1]`, where the family has them.
    pub embedding_scale: Option<Tensor<2>>,
    /// What is known of each token's structure, `[tokens, width]`, where the model has a layer for it and the rows bring it.
    pub structures: Option<Tensor<2>>,
    /// The column and the row of each token in its alignment, where the model tells these apart and the rows bring some.
    pub places: Option<Arc<[AlignmentPosition]>>,
    /// Where the sequences begin and end.
    pub segments: Segments,
    /// The position of each sequence's first token: 0 unless it goes on from tokens read before.
    pub starts: Vec<usize>,
}

/// The share of tokens that were masked when ESM-2 was trained.
const MASKED_IN_TRAINING: f32 = 0.15 * 0.8;

impl TokenBatch {
    /// Puts packed tokens on `device`, positions counted from the family's offset.
    pub fn new(tokens: &PackedTokens, config: &TransformerConfig, device: &Device) -> Self {
        Self::continued(tokens, vec![0; tokens.lengths.len()], config, device)
    }

    /// As [`Self::new`], of sequences of which `starts` tokens each were read before.
    ///
    /// # Panics
    /// If there are not as many starts as sequences.
    pub fn continued(
        tokens: &PackedTokens,
        starts: Vec<usize>,
        config: &TransformerConfig,
        device: &Device,
    ) -> Self {
        assert_eq!(starts.len(), tokens.lengths.len(), "a start per sequence");
        let upload = |values: Vec<i32>| {
            let count = values.len();
            Tensor::<1, Int>::from_data(TensorData::new(values, [count]), device)
        };
        let sequences = starts.iter().zip(&tokens.lengths);
        let positions = sequences.flat_map(|(&start, &length)| start..start + length);
        let embedding = &config.embedding;
        let last_type = embedding.token_types.saturating_sub(1) as u32;
        let offset = embedding.positions.map_or(0, |table| table.offset);
        let aligned = tokens.aligned.as_ref();
        let structures = aligned.filter(|_| embedding.structures.is_some());
        let structures = structures.and_then(|aligned| aligned.spread(&tokens.lengths));
        Self {
            ids: upload(tokens.ids.iter().map(|&id| id as i32).collect()),
            // RoBERTa has one type only, and its tokenizer may still tell pairs apart.
            type_ids: (embedding.token_types > 0).then(|| {
                upload(
                    tokens
                        .type_ids
                        .iter()
                        .map(|&id| id.min(last_type) as i32)
                        .collect(),
                )
            }),
            positions: upload(
                positions
                    .map(|position| (offset + position) as i32)
                    .collect(),
            ),
            embedding_scale: embedding.token_dropout.map(|mask| {
                let scale = tokens.scale(mask);
                let count = scale.len();
                Tensor::from_data(TensorData::new(scale, [count, 1]), device)
            }),
            structures: structures.map(|Structures { values, width }| {
                let shape = [tokens.ids.len(), width];
                Tensor::from_data(TensorData::new(values, shape), device)
            }),
            places: aligned
                .filter(|_| config.reads_alignments())
                .map(AlignedTokens::shared_places),
            segments: Segments::from_lengths(tokens.lengths.iter().copied()),
            starts,
        }
    }

    /// The same with what is known of each token's structure, `[tokens, width]`.
    #[must_use]
    pub fn with_structures(self, structures: Tensor<2>) -> Self {
        Self {
            structures: Some(structures),
            ..self
        }
    }

    /// The tokens of the longest sequence, those read before included.
    pub(crate) fn longest(&self) -> usize {
        let sequences = self.starts.iter().zip(self.segments.lengths());
        sequences
            .map(|(start, length)| start + length)
            .max()
            .unwrap_or(0)
    }

    /// What each sequence's first token has in `hidden`, `[tokens, width]`, as `[sequences, width]`; zeros for an empty one.
    pub fn first(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.one_of_each(hidden, |range| range.start)
    }

    /// As [`Self::first`], of the token after the first `skipped` ones, where the sequence has one.
    pub fn nth_or_first(&self, skipped: usize, hidden: Tensor<2>) -> Tensor<2> {
        self.one_of_each(hidden, |range| {
            if skipped < range.len() {
                range.start + skipped
            } else {
                range.start
            }
        })
    }

    /// As [`Self::first`], of each sequence's last token.
    pub fn last(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.one_of_each(hidden, |range| range.end.saturating_sub(1))
    }

    fn one_of_each(&self, hidden: Tensor<2>, pick: impl Fn(Range<usize>) -> usize) -> Tensor<2> {
        let device = hidden.device();
        let width = hidden.dims()[1];
        let empty: Vec<bool> = self.segments.iter().map(|range| range.is_empty()).collect();
        let count = empty.len();
        let Some(last) = self.segments.total().checked_sub(1) else {
            return Tensor::zeros([count, width], &device);
        };
        // Where an empty sequence stands is a row of another, if it is one at all.
        let rows = self
            .segments
            .iter()
            .map(|range| pick(range).min(last) as i32);
        let rows = TensorData::new(rows.collect(), [count]);
        let picked = gather_rows(hidden, Tensor::<1, Int>::from_data(rows, &device));
        if !empty.contains(&true) {
            return picked;
        }
        let empty = Tensor::<2, Bool>::from_data(TensorData::new(empty, [count, 1]), &device);
        picked.mask_fill(empty.expand([count, width]), 0.0)
    }
}
