//! Attention to a cache and writing to one, in Burn's own terms.

use std::ops::Range;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Slice;

use super::{attention, upload_rows};
use crate::{Attention, CachedAttention, Mask, Segments};

/// Copies what each query sees and attends to it as to a sequence of its own.
pub(crate) fn attend<B: Backend>(
    query: FloatTensor<B>,
    keys: FloatTensor<B>,
    values: FloatTensor<B>,
    table: FloatTensor<B>,
    call: &CachedAttention,
) -> FloatTensor<B> {
    let seen = call.ranges.iter().cloned().flatten();
    let seen = upload_rows::<B>(seen, &query);
    let attention = Attention {
        key_segments: Segments::from_lengths(call.ranges.iter().map(Range::len)),
        key_value_heads: call.key_value_heads,
        mask: Mask::Causal,
        soft_cap: call.soft_cap,
        bias: call.bias.clone(),
        ..Attention::new(
            Segments::from_lengths(call.ranges.iter().map(|_| 1)),
            call.heads,
            call.scale,
        )
    };
    let keys = B::float_select(keys, 0, seen.clone());
    let values = B::float_select(values, 0, seen);
    attention::forward::<B>(query, keys, values, table, &attention).0
}

/// Runs of neighbouring rows are written as one.
pub(crate) fn write_rows<B: Backend>(
    cache: FloatTensor<B>,
    rows: &[usize],
    values: FloatTensor<B>,
) -> FloatTensor<B> {
    let width = cache.shape()[1];
    let mut cache = cache;
    let mut first = 0;
    for run in rows.chunk_by(|row, next| row + 1 == *next) {
        let whole = Slice::from(0..width);
        let part = B::float_slice(
            values.clone(),
            &[Slice::from(first..first + run.len()), whole],
        );
        let place = Slice::from(run[0]..run[0] + run.len());
        cache = B::float_slice_assign(cache, &[place, whole], part);
        first += run.len();
    }
    cache
}
