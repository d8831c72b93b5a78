//! The operations on Burn's `Tensor`, for the crates above, where there is more to them than handing tensors over: inputs that are checked
//! or may be absent, several results, tensors of any rank. The table in `ops` makes the others.

use std::sync::Arc;

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::{
    AdamWStep, Attention, CachedAttention, Disentangled, Dropout, Kernels, LinearCrossEntropy,
    ScoreBias, Segments,
};

/// Attention of each sequence to its own keys, as one node of the graph: scores are recomputed in the backward pass, nothing of their size is kept.
///
/// `query` is `[query tokens, heads * dim]`, `key` and `value` are `[key tokens, key_value_heads * dim]`; returns
/// `[query tokens, heads * dim]`. A query that sees no key gets zeros. `table` is the `[buckets, heads]` parameter of
/// [`ScoreBias::Buckets`](crate::ScoreBias::Buckets).
pub fn attention(
    query: Tensor<2>,
    key: Tensor<2>,
    value: Tensor<2>,
    table: Option<Tensor<2>>,
    call: Attention,
) -> Tensor<2> {
    // The extension mechanism takes no optional tensors: without a table, an empty one stands in.
    let table = table.unwrap_or_else(|| Tensor::zeros([1, 1], &query.device()));
    Tensor::from_dispatch(Dispatch::attention(
        query.into_dispatch(),
        key.into_dispatch(),
        value.into_dispatch(),
        table.into_dispatch(),
        Arc::new(call),
    ))
}

/// Attention of single queries to rows of a cache, for decoding: `query` is `[queries, heads * dim]`, `keys` and `values` are
/// `[slots, key_value_heads * dim]`; returns `[queries, heads * dim]`. A query that sees no key gets zeros. `table` is the `[buckets, heads]`
/// parameter of [`ScoreBias::Buckets`](crate::ScoreBias::Buckets).
///
/// # Panics
/// If there are not as many ranges as queries, one of them leaves the cache, the heads do not fit the widths, or buckets have no table of
/// their size.
pub fn cached_attention(
    query: Tensor<2>,
    keys: Tensor<2>,
    values: Tensor<2>,
    table: Option<Tensor<2>>,
    call: CachedAttention,
) -> Tensor<2> {
    let ([queries, width], [slots, key_width]) = (query.dims(), keys.dims());
    assert_eq!(queries, call.ranges.len(), "a range for each query");
    assert_eq!(keys.dims(), values.dims(), "caches of one shape");
    assert!(
        call.ranges.iter().all(|range| range.end <= slots),
        "ranges inside the cache"
    );
    assert!(
        call.heads.is_multiple_of(call.key_value_heads)
            && width.is_multiple_of(call.heads)
            && width * call.key_value_heads == key_width * call.heads,
        "heads that fit the widths"
    );
    let table = table.unwrap_or_else(|| Tensor::zeros([1, 1], &query.device()));
    if let ScoreBias::Buckets(buckets) = call.bias {
        let shape = [buckets.count, call.heads];
        assert_eq!(table.dims(), shape, "a value for each bucket and head");
    }
    Tensor::from_dispatch(Dispatch::cached_attention(
        query.into_dispatch(),
        keys.into_dispatch(),
        values.into_dispatch(),
        table.into_dispatch(),
        Arc::new(call),
    ))
}

/// `cache` `[slots, dim]` with the rows of the given numbers replaced by those of `values` `[rows, dim]`, the last where one is named twice.
/// On the CPU in place if the cache is held by nobody else.
///
/// # Panics
/// If there are not as many numbers as values, one of them leaves the cache, or the widths differ.
pub fn write_rows(cache: Tensor<2>, rows: Vec<usize>, values: Tensor<2>) -> Tensor<2> {
    let [slots, width] = cache.dims();
    assert_eq!(values.dims(), [rows.len(), width], "a value for each row");
    assert!(rows.iter().all(|&row| row < slots), "rows of the cache");
    Tensor::from_dispatch(Dispatch::write_rows(
        cache.into_dispatch(),
        rows.into(),
        values.into_dispatch(),
    ))
}

/// Disentangled attention of each sequence to itself (DeBERTa), as one node of the graph like [`attention`].
///
/// `query`, `key` and `value` are `[tokens, heads * dim]`; so is the result. `position_key`, which queries are compared with
/// (content to position), and `position_query`, which keys are compared with (position to content), are `[2 * span, heads * dim]`; a term
/// whose table is absent is left out.
///
/// # Panics
/// If a table does not have `2 * span` rows.
pub fn disentangled_attention(
    query: Tensor<2>,
    key: Tensor<2>,
    value: Tensor<2>,
    position_key: Option<Tensor<2>>,
    position_query: Option<Tensor<2>>,
    call: Disentangled,
) -> Tensor<2> {
    let device = query.device();
    let [position_key, position_query] = [position_key, position_query].map(|table| match table {
        Some(table) => {
            assert_eq!(table.dims()[0], 2 * call.span, "rows of a position table");
            table
        }
        // The extension mechanism takes no optional tensors.
        None => Tensor::zeros([1, 1], &device),
    });
    Tensor::from_dispatch(Dispatch::disentangled_attention(
        query.into_dispatch(),
        key.into_dispatch(),
        value.into_dispatch(),
        position_key.into_dispatch(),
        position_query.into_dispatch(),
        Arc::new(call),
    ))
}

/// Dropout of `[rows, columns]`.
pub fn dropout(input: Tensor<2>, dropout: Dropout) -> Tensor<2> {
    if dropout.rate <= 0.0 {
        return input;
    }
    Tensor::from_dispatch(Dispatch::dropout(input.into_dispatch(), dropout))
}

/// `x W^T + b`: `[rows, in]` by a weight stored `[out, in]`, as checkpoints hold it, to `[rows, out]`.
pub fn linear(input: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let (input, weight) = (input.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::linear_bias(input, weight, bias.into_dispatch()),
        None => <Dispatch as Kernels>::linear(input, weight),
    })
}

/// Linear layers of a mixture of experts: the rows of group `g` by the weight of group `g`, so that the work is that of the rows alone.
///
/// `input` is `[rows, in]`, its rows sorted by group, `weights` `[groups, out, in]`; returns `[rows, out]`.
///
/// # Panics
/// If there are not as many groups as weights, or they do not cover the rows.
pub fn grouped_linear(input: Tensor<2>, weights: Tensor<3>, groups: Segments) -> Tensor<2> {
    assert_eq!(groups.len(), weights.dims()[0], "a weight per group");
    assert_eq!(groups.total(), input.dims()[0], "rows of the groups");
    Tensor::from_dispatch(Dispatch::grouped_linear(
        input.into_dispatch(),
        weights.into_dispatch(),
        groups,
    ))
}

/// [`cross_entropy`](crate::cross_entropy) of `hidden projection^T` as one node of the graph, in chunks of rows: neither the logits
/// `[rows, classes]` nor their gradient ever exist as a whole. At most 32 MiB of logits are held at a time (or those of 16 rows), in the
/// backward pass, which computes them again, as in the forward pass.
///
/// `hidden` is `[rows, width]`, `projection` `[classes, width]`, which may be a table of embeddings: their gradients add up. Returns the
/// sum over rows of weight times loss, `[1]`, and outside the graph `[rows, 2]`: each row's loss, and 1 where the target has the largest
/// logit (the first of equals), else 0. Chunks and the order of sums depend on the sizes alone; the sum runs in double precision.
///
/// # Panics
/// If there are not as many targets as rows, a target is no class, or there is a bias of other than all classes.
pub fn linear_cross_entropy(
    hidden: Tensor<2>,
    projection: Tensor<2>,
    call: LinearCrossEntropy,
) -> (Tensor<1>, Tensor<2>) {
    let ([rows, _], [classes, _]) = (hidden.dims(), projection.dims());
    assert_eq!(call.targets.classes.len(), rows, "a target for each row");
    let all = call.targets.classes.iter();
    let outside = all.copied().find(|&class| class as usize >= classes);
    assert_eq!(outside, None, "a target outside of {classes} classes");
    let biased = call.bias.as_ref().map_or(classes, |bias| bias.len());
    assert_eq!(biased, classes, "a bias for each class");
    let (sum, told) = Dispatch::linear_cross_entropy(
        hidden.into_dispatch(),
        projection.into_dispatch(),
        Arc::new(call),
    );
    (Tensor::from_dispatch(sum), Tensor::from_dispatch(told))
}

/// The sum of squares of a tensor's elements, in double precision, always added in the same order.
pub fn sum_squares<const D: usize>(input: Tensor<D>) -> f64 {
    Dispatch::sum_squares(input.into_dispatch())
}

/// One step of AdamW on one parameter: the new parameter and its moments. All tensors have one shape and are outside the graph.
pub fn adamw_step<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
    step: AdamWStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let [first, second] = moments;
    let (parameter, first, second) = Dispatch::adamw_step(
        parameter.into_dispatch(),
        gradient.into_dispatch(),
        first.into_dispatch(),
        second.into_dispatch(),
        step,
    );
    (
        Tensor::from_dispatch(parameter),
        [Tensor::from_dispatch(first), Tensor::from_dispatch(second)],
    )
}
