//! The table of operations: what each takes and gives, and what computes it. `wiring` says how an entry is read and what it becomes.
//!
//! Each differentiable operation `x` has `x_backward` beside it, and `x_forward` where the backward pass needs more than inputs and output.

// Results stand in parentheses, so that the table can be read by its macro.
#![allow(unused_parens)]

use std::sync::Arc;

use burn::backend::ops::FloatTensorOps;
use burn::backend::{AutodiffBackend, TensorMetadata, backend_extension};

use crate::autodiff::{all, linear_gradients, record, split};
use crate::flex::{contiguous, product};
use crate::wiring::{Float, Int, operations};
use crate::{
    AdamWStep, Again, Attention, CachedAttention, ClassTargets, Disentangled, Dropout,
    GateActivation, Gelu, LinearCrossEntropy, LowRank, RotaryLayout, Segments, flex, plain,
    recompute,
};

operations! {
/// Operations that the models need beyond Burn's own.
///
/// Shapes are as documented at the functions of the same names in the crate root, which are the ones to call.
#[backend_extension(Flex, Autodiff)]
pub trait Kernels: Backend {
    /// Attention; `[queries, heads * dim]`.
    fn attention(
        query: Float<Self, 2>, key: Float<Self, 2>, value: Float<Self, 2>, table: Float<Self, 2>, call: Arc<Attention>
    ) -> (Float<Self, 2>) {
        plain: Self::attention_forward(query, key, value, table, call).0,
        autodiff: {
            let (inputs, parents) = split([query, key, value, table]);
            let [query, key, value, table] = inputs.clone();
            let (output, log_sum) = B::attention_forward(query, key, value, table, call.clone());
            let state = (inputs, output.clone(), log_sum, call);
            record::<B, C, _, _>(parents, output, state, |(inputs, output, log_sum, call), gradient, _| {
                let [query, key, value, table] = inputs;
                all(B::attention_backward(query, key, value, table, output, log_sum, gradient, call))
            })
        },
    }
    /// Attention and the logarithm of each row's sum of exponentials, `[queries, heads]`.
    fn attention_forward(
        query: Float<Self, 2>, key: Float<Self, 2>, value: Float<Self, 2>, table: Float<Self, 2>, call: Arc<Attention>
    ) -> (Float<Self, 2>, Float<Self, 2>) {
        plain: plain::attention::forward::<Self>(query, key, value, table, &call),
        flex: flex::attention::forward(query, key, value, table, &call),
    }
    /// Gradients of query, key, value and table.
    #[allow(clippy::too_many_arguments)]
    fn attention_backward(
        query: Float<Self, 2>, key: Float<Self, 2>, value: Float<Self, 2>, table: Float<Self, 2>,
        output: Float<Self, 2>, log_sum: Float<Self, 2>, gradient: Float<Self, 2>, call: Arc<Attention>
    ) -> (Float<Self, 2>, Float<Self, 2>, Float<Self, 2>, Float<Self, 2>) {
        plain: plain::attention::backward::<Self>(query, key, value, table, output, log_sum, gradient, &call),
        flex: flex::attention::backward(query, key, value, table, output, log_sum, gradient, &call),
    }

    /// `output` as a node of the graph that is computed again from `input`; `probe` has no values that count.
    fn recomputed(
        input: Float<Self, 2>, output: Float<Self, 2>, probe: Float<Self, 2>, again: Again
    ) -> (Float<Self, 2>) {
        plain: {
            let _ = (input, probe, again);
            output
        },
        autodiff: recompute::record::<B, C>(input, output, probe, again),
    }

    /// Attention of single queries to a cache; without a kernel of its own for gradients.
    fn cached_attention(
        query: Float<Self, 2>, keys: Float<Self, 2>, values: Float<Self, 2>, table: Float<Self, 2>, call: Arc<CachedAttention>
    ) -> (Float<Self, 2>) {
        plain: plain::cached::attend::<Self>(query, keys, values, table, &call),
        flex: flex::attention::cached::forward(query, keys, values, table, &call),
    }
    /// Rows of a cache replaced.
    fn write_rows(cache: Float<Self, 2>, rows: Arc<[usize]>, values: Float<Self, 2>) -> (Float<Self, 2>) {
        plain: plain::cached::write_rows::<Self>(cache, &rows, values),
        flex: flex::rows::write(cache, &rows, values),
    }

    /// Disentangled attention; an absent table is a single row.
    fn disentangled_attention(
        query: Float<Self, 2>, key: Float<Self, 2>, value: Float<Self, 2>,
        position_key: Float<Self, 2>, position_query: Float<Self, 2>, call: Arc<Disentangled>
    ) -> (Float<Self, 2>) {
        plain: Self::disentangled_attention_forward(query, key, value, position_key, position_query, call).0,
        autodiff: {
            let (inputs, parents) = split([query, key, value, position_key, position_query]);
            let [query, key, value, position_key, position_query] = inputs.clone();
            let (output, log_sum) =
                B::disentangled_attention_forward(query, key, value, position_key, position_query, call.clone());
            let state = (inputs, output.clone(), log_sum, call);
            record::<B, C, _, _>(parents, output, state, |(inputs, output, log_sum, call), gradient, _| {
                let [query, key, value, position_key, position_query] = inputs;
                all(B::disentangled_attention_backward(
                    query, key, value, position_key, position_query, output, log_sum, gradient, call,
                ))
            })
        },
    }
    /// Disentangled attention and the logarithm of each row's sum of exponentials, `[tokens, heads]`.
    fn disentangled_attention_forward(
        query: Float<Self, 2>, key: Float<Self, 2>, value: Float<Self, 2>,
        position_key: Float<Self, 2>, position_query: Float<Self, 2>, call: Arc<Disentangled>
    ) -> (Float<Self, 2>, Float<Self, 2>) {
        plain: plain::disentangled::forward::<Self>([query, key, value], [position_key, position_query], &call),
        flex: flex::attention::disentangled::forward([query, key, value], [position_key, position_query], &call),
    }
    /// Gradients of query, key, value, position keys and position queries.
    #[allow(clippy::too_many_arguments, clippy::type_complexity)]
    fn disentangled_attention_backward(
        query: Float<Self, 2>, key: Float<Self, 2>, value: Float<Self, 2>,
        position_key: Float<Self, 2>, position_query: Float<Self, 2>,
        output: Float<Self, 2>, log_sum: Float<Self, 2>, gradient: Float<Self, 2>, call: Arc<Disentangled>
    ) -> (Float<Self, 2>, Float<Self, 2>, Float<Self, 2>, Float<Self, 2>, Float<Self, 2>) {
        plain: {
            let (inputs, tables) = ([query, key, value], [position_key, position_query]);
            plain::disentangled::backward::<Self>(inputs, tables, [output, log_sum, gradient], &call).into()
        },
        flex: {
            let (inputs, tables) = ([query, key, value], [position_key, position_query]);
            flex::attention::disentangled::backward(inputs, tables, [output, log_sum, gradient], &call).into()
        },
    }

    /// Dropout of a matrix; its own derivative, applied to the gradient.
    fn dropout(input: Float<Self, 2>, dropout: Dropout) -> (Float<Self, 2>) {
        plain: plain::dropout::<Self>(input, dropout),
        flex: flex::rows::dropout(input, dropout),
        autodiff: {
            let ([input], parents) = split([input]);
            let output = B::dropout(input, dropout);
            record::<B, C, _, _>(parents, output, dropout, |dropout, gradient, _| {
                [Some(B::dropout(gradient, dropout))]
            })
        },
    }

    /// `x W^T`.
    fn linear(input: Float<Self, 2>, weight: Float<Self, 2>) -> (Float<Self, 2>) {
        plain: plain::linear::<Self>(input, weight),
        flex: flex::linear::linear(&contiguous(input), &contiguous(weight), None),
        autodiff: {
            let ([input, weight], parents) = split([input, weight]);
            let output = <B as Kernels>::linear(input.clone(), weight.clone());
            record::<B, C, _, _>(parents, output, (input, weight), |state, gradient, needed| {
                linear_gradients::<B>(state, &gradient, needed)
            })
        },
    }
    /// `x W^T + b`.
    fn linear_bias(input: Float<Self, 2>, weight: Float<Self, 2>, bias: Float<Self, 1>) -> (Float<Self, 2>) {
        plain: plain::linear_bias::<Self>(input, weight, bias),
        flex: flex::linear::linear(&contiguous(input), &contiguous(weight), Some(&contiguous(bias))),
        autodiff: {
            let ([input, weight, bias], parents) = split([input, weight, bias]);
            let output = B::linear_bias(input.clone(), weight.clone(), bias);
            record::<B, C, _, _>(parents, output, (input, weight), |state, gradient, needed| {
                let [to_input, to_weight, to_bias] = needed;
                let [input, weight] = linear_gradients::<B>(state, &gradient, [to_input, to_weight]);
                [input, weight, to_bias.then(|| B::column_sum(gradient))]
            })
        },
    }
    /// `g W`, the gradient of a linear layer's input.
    fn linear_backward_input(gradient: Float<Self, 2>, weight: Float<Self, 2>) -> (Float<Self, 2>) {
        plain: Self::float_matmul(gradient, weight),
        flex: product(&contiguous(gradient), false, &contiguous(weight), false, None),
    }
    /// `g^T x`, the gradient of a linear layer's weight.
    fn linear_backward_weight(gradient: Float<Self, 2>, input: Float<Self, 2>) -> (Float<Self, 2>) {
        plain: Self::float_matmul(Self::float_transpose(gradient), input),
        flex: product(&contiguous(gradient), true, &contiguous(input), false, None),
    }
    /// `x W^T` with a weight for each group of rows.
    fn grouped_linear(input: Float<Self, 2>, weights: Float<Self, 3>, groups: Segments) -> (Float<Self, 2>) {
        plain: plain::grouped::forward::<Self>(input, weights, &groups),
        autodiff: {
            let ([input, weights], parents) = split([input, weights]);
            let output = B::grouped_linear(input.clone(), weights.clone(), groups.clone());
            record::<B, C, _, _>(parents, output, (input, weights, groups), |state, gradient, [to_input, to_weights]| {
                let (input, weights, groups) = state;
                let for_input = || B::grouped_linear_backward_input(gradient.clone(), weights, groups.clone());
                let for_input = to_input.then(for_input);
                let for_weights = || B::grouped_linear_backward_weight(gradient, input, groups);
                [for_input, to_weights.then(for_weights)]
            })
        },
    }
    /// The gradient of its input.
    fn grouped_linear_backward_input(
        gradient: Float<Self, 2>, weights: Float<Self, 3>, groups: Segments
    ) -> (Float<Self, 2>) {
        plain: plain::grouped::backward_input::<Self>(gradient, weights, &groups),
    }
    /// The gradient of its weights.
    fn grouped_linear_backward_weight(
        gradient: Float<Self, 2>, input: Float<Self, 2>, groups: Segments
    ) -> (Float<Self, 3>) {
        plain: plain::grouped::backward_weight::<Self>(gradient, input, &groups),
    }

    /// `base + scale * dropout(x) A^T B^T`, the output of a linear layer with its low-rank update: `base` is `[rows, out]`, `input` (x)
    /// `[rows, in]`, `down` (A) `[rank, in]` and `up` (B) `[out, rank]`, as PEFT stores them.
    ///
    /// # Panics
    /// If the sizes do not fit or one of them, other than the rows, is 0.
    operation add_low_rank(
        base: Float<Self, 2>, input: Float<Self, 2>, down: Float<Self, 2>, up: Float<Self, 2>, call: LowRank
    ) -> (Float<Self, 2>) {
        plain: Self::add_low_rank_forward(base, input, down, up, call).0,
        autodiff: {
            let ([base, input, down, up], parents) = split([base, input, down, up]);
            let inputs = (input.clone(), down.clone(), up.clone());
            let (output, low) = B::add_low_rank_forward(base, input, down, up, call);
            record::<B, C, _, _>(parents, output, (inputs, low, call), |(inputs, low, call), gradient, _| {
                let (input, down, up) = inputs;
                let (input, down, up) = B::add_low_rank_backward(input, down, up, low, gradient.clone(), call);
                all([gradient, input, down, up])
            })
        },
    }
    /// The same with the input times the first factor, `[rows, rank]`.
    fn add_low_rank_forward(
        base: Float<Self, 2>, input: Float<Self, 2>, down: Float<Self, 2>, up: Float<Self, 2>, call: LowRank
    ) -> (Float<Self, 2>, Float<Self, 2>) {
        plain: plain::low_rank::forward::<Self>(base, input, down, up, call),
        flex: flex::low_rank::forward(base, input, down, up, call),
    }
    /// Gradients of input and factors; the base's is the output's.
    fn add_low_rank_backward(
        input: Float<Self, 2>, down: Float<Self, 2>, up: Float<Self, 2>,
        low: Float<Self, 2>, gradient: Float<Self, 2>, call: LowRank
    ) -> (Float<Self, 2>, Float<Self, 2>, Float<Self, 2>) {
        plain: plain::low_rank::backward::<Self>(input, down, up, low, gradient, call),
        flex: flex::low_rank::backward(input, down, up, low, gradient, call),
    }

    /// The sum over rows, in fixed chunks.
    fn column_sum(input: Float<Self, 2>) -> (Float<Self, 1>) {
        plain: plain::column_sum::<Self>(input),
        flex: flex::rows::column_sum(input),
    }

    /// `(x - mean) / sqrt(variance + epsilon) * weight + bias` over the last dimension of `[rows, dim]`.
    operation layer_norm(
        input: Float<Self, 2>, weight: Float<Self, 1>, bias: Float<Self, 1>, epsilon: f32
    ) -> (Float<Self, 2>) {
        plain: Self::layer_norm_forward(input, weight, bias, epsilon).0,
        autodiff: {
            let ([input, weight, bias], parents) = split([input, weight, bias]);
            let (output, statistics) = B::layer_norm_forward(input.clone(), weight.clone(), bias, epsilon);
            record::<B, C, _, _>(parents, output, (input, weight, statistics), |state, gradient, _| {
                let (input, weight, statistics) = state;
                all(B::layer_norm_backward(input, weight, statistics, gradient))
            })
        },
    }
    /// Layer normalisation with each row's mean and inverse deviation, `[rows, 2]`.
    fn layer_norm_forward(
        input: Float<Self, 2>, weight: Float<Self, 1>, bias: Float<Self, 1>, epsilon: f32
    ) -> (Float<Self, 2>, Float<Self, 2>) {
        plain: plain::norm::layer_norm::<Self>(input, weight, bias, epsilon),
        flex: flex::norm::forward(input, weight, bias, epsilon),
    }
    /// Gradients of input, weight and bias.
    fn layer_norm_backward(
        input: Float<Self, 2>, weight: Float<Self, 1>, statistics: Float<Self, 2>, gradient: Float<Self, 2>
    ) -> (Float<Self, 2>, Float<Self, 1>, Float<Self, 1>) {
        plain: plain::norm::layer_norm_backward::<Self>(input, weight, statistics, gradient),
        flex: flex::norm::backward(input, weight, statistics, gradient),
    }

    /// `x / sqrt(mean(x²) + epsilon) * weight` over the last dimension of `[rows, dim]` (Zhang and Sennrich, arXiv 1910.07467).
    operation rms_norm(input: Float<Self, 2>, weight: Float<Self, 1>, epsilon: f32) -> (Float<Self, 2>) {
        plain: Self::rms_norm_forward(input, weight, epsilon).0,
        autodiff: {
            let ([input, weight], parents) = split([input, weight]);
            let (output, inverse) = B::rms_norm_forward(input.clone(), weight.clone(), epsilon);
            record::<B, C, _, _>(parents, output, (input, weight, inverse), |(input, weight, inverse), gradient, _| {
                all(B::rms_norm_backward(input, weight, inverse, gradient))
            })
        },
    }
    /// The same with the inverse of each row's root, `[rows, 1]`.
    fn rms_norm_forward(
        input: Float<Self, 2>, weight: Float<Self, 1>, epsilon: f32
    ) -> (Float<Self, 2>, Float<Self, 2>) {
        plain: plain::norm::rms_norm::<Self>(input, weight, epsilon),
        flex: flex::norm::rms_forward(input, weight, epsilon),
    }
    /// Gradients of input and weight.
    fn rms_norm_backward(
        input: Float<Self, 2>, weight: Float<Self, 1>, inverse: Float<Self, 2>, gradient: Float<Self, 2>
    ) -> (Float<Self, 2>, Float<Self, 1>) {
        plain: plain::norm::rms_norm_backward::<Self>(input, weight, inverse, gradient),
        flex: flex::norm::rms_backward(input, weight, inverse, gradient),
    }

    /// The Gaussian error linear unit, element by element.
    operation gelu(input: Float<Self, 2>, kind: Gelu) -> (Float<Self, 2>) {
        plain: plain::activation::gelu::<Self>(input, kind),
        flex: flex::activation::gelu(input, kind),
        autodiff: {
            let ([input], parents) = split([input]);
            let output = <B as Kernels>::gelu(input.clone(), kind);
            record::<B, C, _, _>(parents, output, (input, kind), |(input, kind), gradient, _| {
                [Some(<B as Kernels>::gelu_backward(input, gradient, kind))]
            })
        },
    }
    /// The gradient of GELU's input.
    fn gelu_backward(input: Float<Self, 2>, gradient: Float<Self, 2>, kind: Gelu) -> (Float<Self, 2>) {
        plain: plain::activation::gelu_backward::<Self>(input, gradient, kind),
        flex: flex::activation::gelu_backward(input, gradient, kind),
    }

    /// `x σ(x)`, the sigmoid linear unit, element by element.
    operation silu(input: Float<Self, 2>) -> (Float<Self, 2>) {
        plain: plain::activation::silu::<Self>(input),
        flex: flex::activation::silu(input),
        autodiff: {
            let ([input], parents) = split([input]);
            let output = <B as Kernels>::silu(input.clone());
            record::<B, C, _, _>(parents, output, input, |input, gradient, _| {
                [Some(<B as Kernels>::silu_backward(input, gradient))]
            })
        },
    }
    /// The gradient of SiLU's input.
    fn silu_backward(input: Float<Self, 2>, gradient: Float<Self, 2>) -> (Float<Self, 2>) {
        plain: plain::activation::silu_backward::<Self>(input, gradient),
        flex: flex::activation::silu_backward(input, gradient),
    }

    /// `activation(gate) * up`, element by element: the middle of a gated feed-forward layer (Shazeer, arXiv 2002.05202).
    operation gated(gate: Float<Self, 2>, up: Float<Self, 2>, activation: GateActivation) -> (Float<Self, 2>) {
        plain: plain::activation::gated::<Self>(gate, up, activation),
        flex: flex::activation::gated(gate, up, activation),
        autodiff: {
            let ([gate, up], parents) = split([gate, up]);
            let output = B::gated(gate.clone(), up.clone(), activation);
            record::<B, C, _, _>(parents, output, (gate, up, activation), |(gate, up, activation), gradient, _| {
                all(B::gated_backward(gate, up, gradient, activation))
            })
        },
    }
    /// Gradients of the gate and of what it gates.
    fn gated_backward(
        gate: Float<Self, 2>, up: Float<Self, 2>, gradient: Float<Self, 2>, activation: GateActivation
    ) -> (Float<Self, 2>, Float<Self, 2>) {
        plain: plain::activation::gated_backward::<Self>(gate, up, gradient, activation),
        flex: flex::activation::gated_backward(gate, up, gradient, activation),
    }

    /// Rotary positions (Su et al., arXiv 2104.09864): each pair of channels of each head turns by its angle at the row's position.
    ///
    /// `input` is `[tokens, heads * dim]`; `cos` and `sin` are `[tokens, rotary_dim / 2]` and get no gradient. The first
    /// `rotary_dim` channels of a head turn, the others stay. A pair `(x, y)` becomes `(x cos - y sin, y cos + x sin)`.
    ///
    /// # Panics
    /// If there are not as many rows of angles as tokens, or more angles than pairs of channels.
    operation rotary(
        input: Float<Self, 2>, cos: Float<Self, 2>, sin: Float<Self, 2>, heads: usize, layout: RotaryLayout
    ) -> (Float<Self, 2>) {
        plain: plain::rotary::rotary::<Self>(input, cos, sin, heads, layout),
        flex: flex::rotary::rotary(input, cos, sin, heads, layout),
        autodiff: {
            let ([input], parents) = split([input]);
            let (cos, sin) = (cos.into_primitive(), sin.into_primitive());
            let output = B::rotary(input, cos.clone(), sin.clone(), heads, layout);
            record::<B, C, _, _>(parents, output, (cos, sin, heads, layout), |(cos, sin, heads, layout), gradient, _| {
                // With the sines negated, it is its own derivative.
                [Some(B::rotary(gradient, cos, B::float_neg(sin), heads, layout))]
            })
        },
    }

    /// Rows of `table` `[count, dim]` by number: `[rows, dim]`. The table's gradient adds up in row order.
    operation gather_rows(table: Float<Self, 2>, rows: Int<Self, 1>) -> (Float<Self, 2>) {
        plain: Self::float_select(table, 0, rows),
        flex: flex::rows::gather(table, rows),
        autodiff: {
            let ([table], parents) = split([table]);
            let count = table.shape()[0];
            let output = B::gather_rows(table, rows.clone());
            record::<B, C, _, _>(parents, output, (rows, count), |(rows, count), gradient, _| {
                [Some(B::gather_rows_backward(gradient, rows, count))]
            })
        },
    }
    /// The gradient of the table of `count` rows.
    fn gather_rows_backward(gradient: Float<Self, 2>, rows: Int<Self, 1>, count: usize) -> (Float<Self, 2>) {
        plain: plain::gather_rows_backward::<Self>(gradient, rows, count),
        flex: flex::rows::gather_backward(gradient, rows, count),
    }

    /// `[rows, dim]` with each row replaced by the one `offset` rows further on in the same segment, zeros where there is none: what a
    /// convolution over a sequence is summed from.
    operation shift_rows(input: Float<Self, 2>, segments: Segments, offset: isize) -> (Float<Self, 2>) {
        plain: plain::shift_rows::<Self>(input, &segments, offset),
        flex: flex::rows::shift(input, &segments, offset),
        autodiff: {
            let ([input], parents) = split([input]);
            let output = B::shift_rows(input, segments.clone(), offset);
            record::<B, C, _, _>(parents, output, (segments, offset), |(segments, offset), gradient, _| {
                // With the opposite offset, it is its own derivative.
                [Some(B::shift_rows(gradient, segments, offset.wrapping_neg()))]
            })
        },
    }

    /// The mean of each segment's rows, `[segments, dim]`; zeros for an empty segment.
    operation segment_mean(input: Float<Self, 2>, segments: Segments) -> (Float<Self, 2>) {
        plain: plain::segment_mean::<Self>(input, &segments),
        flex: flex::rows::segment_mean(input, &segments),
        autodiff: {
            let ([input], parents) = split([input]);
            let output = B::segment_mean(input, segments.clone());
            record::<B, C, _, _>(parents, output, segments, |segments, gradient, _| {
                [Some(B::segment_mean_backward(gradient, segments))]
            })
        },
    }
    /// The gradient of the rows averaged.
    fn segment_mean_backward(gradient: Float<Self, 2>, segments: Segments) -> (Float<Self, 2>) {
        plain: plain::segment_mean_backward::<Self>(gradient, &segments),
        flex: flex::rows::segment_mean_backward(gradient, &segments),
    }
    /// The maximum of each segment's rows, column by column, `[segments, dim]`; zeros for an empty segment.
    /// The gradient goes to the first row that holds the maximum.
    operation segment_max(input: Float<Self, 2>, segments: Segments) -> (Float<Self, 2>) {
        plain: Self::segment_max_forward(input, segments).0,
        autodiff: {
            let ([input], parents) = split([input]);
            let count = input.shape()[0];
            let (output, rows) = B::segment_max_forward(input, segments);
            record::<B, C, _, _>(parents, output, (rows, count), |(rows, count), gradient, _| {
                [Some(B::segment_max_backward(gradient, rows, count))]
            })
        },
    }
    /// The maximum and the row it was found in (the first of equals), `[segments, dim]` each.
    fn segment_max_forward(input: Float<Self, 2>, segments: Segments) -> (Float<Self, 2>, Int<Self, 2>) {
        plain: plain::segment_max::<Self>(input, &segments),
    }
    /// The gradient of the rows compared.
    fn segment_max_backward(gradient: Float<Self, 2>, rows: Int<Self, 2>, count: usize) -> (Float<Self, 2>) {
        plain: plain::segment_max_backward::<Self>(gradient, rows, count),
    }

    /// The sum over rows of weight times cross-entropy, `[1]`, from logits `[rows, classes]`; divide by the weights' sum for the mean.
    ///
    /// The sum runs in double precision in row order.
    operation cross_entropy(logits: Float<Self, 2>, targets: Arc<ClassTargets>) -> (Float<Self, 1>) {
        plain: plain::cross_entropy::<Self>(logits, &targets),
        autodiff: {
            let ([logits], parents) = split([logits]);
            let output = B::cross_entropy(logits.clone(), targets.clone());
            record::<B, C, _, _>(parents, output, (logits, targets), |(logits, targets), gradient, _| {
                [Some(B::cross_entropy_backward(logits, targets, gradient))]
            })
        },
    }
    /// The gradient of the logits for a gradient `[1]` of the sum.
    fn cross_entropy_backward(
        logits: Float<Self, 2>, targets: Arc<ClassTargets>, gradient: Float<Self, 1>
    ) -> (Float<Self, 2>) {
        plain: plain::cross_entropy_backward::<Self>(logits, &targets, gradient),
        flex: flex::rows::cross_entropy_backward(logits, &targets, gradient),
    }

    /// The weighted sum of the cross-entropies of a projection, `[1]`, and each row's loss and hit, `[rows, 2]`, which is outside the graph.
    fn linear_cross_entropy(
        hidden: Float<Self, 2>, projection: Float<Self, 2>, call: Arc<LinearCrossEntropy>
    ) -> (Float<Self, 1>, Float<Self, 2>) {
        plain: plain::linear_cross_entropy::forward::<Self>(hidden, projection, &call),
        flex: flex::linear_cross_entropy::forward(hidden, projection, &call),
        autodiff: {
            let ([hidden, projection], parents) = split([hidden, projection]);
            let (sum, told) = B::linear_cross_entropy(hidden.clone(), projection.clone(), call.clone());
            let sum = record::<B, C, _, _>(parents, sum, (hidden, projection, call), |state, gradient, needed| {
                let (hidden, projection, call) = state;
                let (to_hidden, to_projection) =
                    B::linear_cross_entropy_backward(hidden, projection, call, gradient, needed);
                [needed[0].then_some(to_hidden), needed[1].then_some(to_projection)]
            });
            (sum, <Self as AutodiffBackend>::from_inner(told))
        },
    }
    /// The gradients of hidden states and projection for a gradient `[1]` of the sum; one that is not needed is a single zero.
    fn linear_cross_entropy_backward(
        hidden: Float<Self, 2>, projection: Float<Self, 2>, call: Arc<LinearCrossEntropy>,
        gradient: Float<Self, 1>, needed: [bool; 2]
    ) -> (Float<Self, 2>, Float<Self, 2>) {
        plain: plain::linear_cross_entropy::backward::<Self>(hidden, projection, &call, gradient, needed),
        flex: flex::linear_cross_entropy::backward(hidden, projection, &call, gradient, needed),
    }

    /// The sum of squares in double precision, in fixed chunks.
    fn sum_squares(input: Float<Self>) -> (f64) {
        plain: plain::sum_squares::<Self>(input),
        flex: flex::step::sum_squares(input),
    }
    /// One step of AdamW: new parameter and moments.
    fn adamw_step(
        parameter: Float<Self>, gradient: Float<Self>, first_moment: Float<Self>, second_moment: Float<Self>,
        step: AdamWStep
    ) -> (Float<Self>, Float<Self>, Float<Self>) {
        plain: plain::adamw_step::<Self>(parameter, gradient, first_moment, second_moment, step),
        flex: flex::step::adamw(parameter, &contiguous(gradient), first_moment, second_moment, step),
    }
}
}
