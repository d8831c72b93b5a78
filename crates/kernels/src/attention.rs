//! What one call of attention computes, beside its tensors.

use std::ops::Range;
use std::sync::Arc;

use crate::{Dropout, Segments};

/// Which keys a query may see, by position inside the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Every key of the sequence.
    Full,
    /// Keys up to the query's own position. The last query stands at the last key, so that cached decoding
    /// (fewer queries than keys) needs nothing else.
    Causal,
}

/// What is added to the scaled scores, or done to them, before the softmax.
#[derive(Clone, Debug, PartialEq)]
pub enum ScoreBias {
    /// Nothing.
    None,
    /// `-slope * distance` per head (Press et al., arXiv 2108.12409). One slope a head.
    Alibi(Arc<[f32]>),
    /// The same as Falcon was trained with it: `slope * position of the key`, slope, position and product rounded to bfloat16, times the
    /// scale of the scores.
    RoundedAlibi {
        /// One a head.
        slopes: Arc<[f32]>,
        /// The scale of the scores.
        scale: f32,
    },
    /// A trained value per head and bucket of relative positions (T5, arXiv 1910.10683); the `[buckets, heads]` table
    /// is an input of the operation and receives its gradient.
    Buckets(Buckets),
}

/// How relative positions fall into the buckets of a [`ScoreBias::Buckets`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// Number of buckets, the rows of the table.
    pub count: usize,
    /// Distances from here on share the last bucket.
    pub max_distance: usize,
    /// Whether keys after the query have buckets of their own (half of them).
    pub bidirectional: bool,
}

/// The bias of [`ScoreBias::RoundedAlibi`] for a key at `position` of its sequence.
#[inline(always)]
pub(crate) fn rounded_alibi(slope: f32, position: usize, scale: f32) -> f32 {
    let rounded = |value: f32| half::bf16::from_f32(value).to_f32();
    rounded(rounded(slope) * rounded(position as f32)) * scale
}

impl Buckets {
    /// The bucket of a key `relative = key position - query position` away: small distances have one each, larger ones share
    /// logarithmically wider buckets.
    pub fn of(&self, relative: i64) -> usize {
        let count = if self.bidirectional {
            self.count / 2
        } else {
            self.count
        };
        let (side, distance) = match (self.bidirectional, relative) {
            (true, after) if after > 0 => (count, after as usize),
            (false, after) if after > 0 => (0, 0),
            (_, before) => (0, before.unsigned_abs() as usize),
        };
        let exact = count / 2;
        if distance < exact {
            return side + distance;
        }
        let ratio =
            (distance as f32 / exact as f32).ln() / (self.max_distance as f32 / exact as f32).ln();
        side + (exact + (ratio * (count - exact) as f32) as usize).min(count - 1)
    }
}

/// Everything about one call of attention that is not a tensor.
///
/// Queries are `[query tokens, heads * dim]`, keys and values `[key tokens, key_value_heads * dim]`; sequence `i` of the queries attends to
/// sequence `i` of the keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Boundaries of the queries' sequences.
    pub query_segments: Segments,
    /// Boundaries of the keys' sequences; as many as the queries have.
    pub key_segments: Segments,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key and value heads; divides `heads`, and each serves `heads / key_value_heads` neighbouring query heads.
    pub key_value_heads: usize,
    /// Factor of the scores, usually `1 / sqrt(dim)`.
    pub scale: f32,
    /// Which keys are visible.
    pub mask: Mask,
    /// If given, only keys less than this many positions away are visible (both sides under [`Mask::Full`]).
    pub window: Option<usize>,
    /// If given, scores become `cap * tanh(score / cap)` before the bias.
    pub soft_cap: Option<f32>,
    /// What is added to the scores.
    pub bias: ScoreBias,
    /// Dropout of the attention probabilities.
    pub dropout: Option<Dropout>,
}

impl Attention {
    /// Plain attention of each sequence to itself.
    pub fn new(segments: Segments, heads: usize, scale: f32) -> Self {
        Self {
            query_segments: segments.clone(),
            key_segments: segments,
            heads,
            key_value_heads: heads,
            scale,
            mask: Mask::Full,
            window: None,
            soft_cap: None,
            bias: ScoreBias::None,
            dropout: None,
        }
    }

    /// The visible keys of `query` (an index inside its sequence) in a sequence of `queries` and `keys`.
    #[inline(always)]
    pub(crate) fn visible(&self, query: usize, queries: usize, keys: usize) -> Range<usize> {
        let position = (query + keys).saturating_sub(queries);
        let end = match self.mask {
            Mask::Causal => (position + 1).min(keys),
            Mask::Full => self
                .window
                .map_or(keys, |window| (position + window).min(keys)),
        };
        let start = self
            .window
            .map_or(0, |window| (position + 1).saturating_sub(window));
        start.min(end)..end
    }

    /// Row number of the dropout draws of query row `query` (of the whole batch) and `head`.
    #[inline(always)]
    pub(crate) fn dropout_row(&self, query: usize, head: usize) -> usize {
        query * self.heads + head
    }
}

/// Attention of single queries to rows of a cache, beside its tensors: token-by-token decoding.
///
/// Queries are `[queries, heads * dim]`, the caches of keys and values `[slots, key_value_heads * dim]`.
#[derive(Clone, Debug, PartialEq)]
pub struct CachedAttention {
    /// The slots that each query sees, in the order of positions. The query stands at the last of them.
    pub ranges: Vec<Range<usize>>,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key and value heads; divides `heads`, and each serves `heads / key_value_heads` neighbouring query heads.
    pub key_value_heads: usize,
    /// Factor of the scores, usually `1 / sqrt(dim)`.
    pub scale: f32,
    /// If given, scores become `cap * tanh(score / cap)` before the bias.
    pub soft_cap: Option<f32>,
    /// What is added to the scores.
    pub bias: ScoreBias,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_the_definition_of_t5() {
        let both = Buckets {
            count: 32,
            max_distance: 128,
            bidirectional: true,
        };
        let expected = [
            (0, 0),
            (-1, 1),
            (-7, 7),
            (-8, 8),
            (-11, 8),
            (-12, 9),
            (-200, 15),
            (1, 17),
            (7, 23),
            (8, 24),
            (90, 30),
            (200, 31),
        ];
        for (relative, bucket) in expected {
            assert_eq!(both.of(relative), bucket, "{relative}");
        }
        let past = Buckets {
            bidirectional: false,
            ..both
        };
        for (relative, bucket) in [(5, 0), (0, 0), (-15, 15), (-16, 16), (-1000, 31)] {
            assert_eq!(past.of(relative), bucket, "{relative}");
        }
    }

    #[test]
    fn visible_keys_follow_mask_window_and_cache() {
        let mut attention = Attention::new(Segments::from_lengths([6]), 1, 1.0);
        assert_eq!(attention.visible(2, 6, 6), 0..6);
        attention.window = Some(2);
        assert_eq!(attention.visible(2, 6, 6), 1..4);
        attention.mask = Mask::Causal;
        assert_eq!(attention.visible(2, 6, 6), 1..3);
        assert_eq!(attention.visible(0, 1, 6), 4..6);
    }
}
