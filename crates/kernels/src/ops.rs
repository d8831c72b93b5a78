//! The operations as an extension of Burn's backends.
//!
//! Each differentiable operation `x` has `x_forward` and `x_backward` beside it. Their default bodies (module `plain`) use Burn's own
//! operations and so run on every device; `flex` replaces them on the CPU; `autodiff` makes `x` one node of the graph.

use std::sync::Arc;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, backend_extension};

use crate::{
    AdamWStep, Attention, CachedAttention, ClassTargets, Disentangled, Dropout, GateActivation,
    Gelu, LinearCrossEntropy, LowRank, RotaryLayout, Segments, plain,
};

/// Operations that the models need beyond Burn's own.
///
/// Shapes are as documented at the functions of the same names in the crate root, which are the ones to call.
#[backend_extension(Flex, Autodiff)]
pub trait Kernels: Backend {
    /// Attention; `[queries, heads * dim]`.
    fn attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        table: FloatTensor<Self>,
        call: Arc<Attention>,
    ) -> FloatTensor<Self> {
        Self::attention_forward(query, key, value, table, call).0
    }
    /// Attention and the logarithm of each row's sum of exponentials, `[queries, heads]`.
    fn attention_forward(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        table: FloatTensor<Self>,
        call: Arc<Attention>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        plain::attention::forward::<Self>(query, key, value, table, &call)
    }
    /// Gradients of query, key, value and table.
    #[allow(clippy::too_many_arguments)]
    fn attention_backward(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        table: FloatTensor<Self>,
        output: FloatTensor<Self>,
        log_sum: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        call: Arc<Attention>,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        plain::attention::backward::<Self>(
            query, key, value, table, output, log_sum, gradient, &call,
        )
    }

    /// Attention of single queries to a cache; without a kernel of its own for gradients.
    fn cached_attention(
        query: FloatTensor<Self>,
        keys: FloatTensor<Self>,
        values: FloatTensor<Self>,
        call: Arc<CachedAttention>,
    ) -> FloatTensor<Self> {
        plain::cached::attend::<Self>(query, keys, values, &call)
    }
    /// Rows of a cache replaced.
    fn write_rows(
        cache: FloatTensor<Self>,
        rows: Arc<[usize]>,
        values: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        plain::cached::write_rows::<Self>(cache, &rows, values)
    }

    /// Disentangled attention; an absent table is a single row.
    fn disentangled_attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        position_key: FloatTensor<Self>,
        position_query: FloatTensor<Self>,
        call: Arc<Disentangled>,
    ) -> FloatTensor<Self> {
        Self::disentangled_attention_forward(query, key, value, position_key, position_query, call)
            .0
    }
    /// Disentangled attention and the logarithm of each row's sum of exponentials, `[tokens, heads]`.
    fn disentangled_attention_forward(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        position_key: FloatTensor<Self>,
        position_query: FloatTensor<Self>,
        call: Arc<Disentangled>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (inputs, tables) = ([query, key, value], [position_key, position_query]);
        plain::disentangled::forward::<Self>(inputs, tables, &call)
    }
    /// Gradients of query, key, value, position keys and position queries.
    #[allow(clippy::too_many_arguments, clippy::type_complexity)]
    fn disentangled_attention_backward(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        position_key: FloatTensor<Self>,
        position_query: FloatTensor<Self>,
        output: FloatTensor<Self>,
        log_sum: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        call: Arc<Disentangled>,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        let (inputs, tables) = ([query, key, value], [position_key, position_query]);
        let saved = [output, log_sum, gradient];
        plain::disentangled::backward::<Self>(inputs, tables, saved, &call).into()
    }

    /// Dropout of a matrix; its own derivative, applied to the gradient.
    fn dropout(input: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        plain::dropout::<Self>(input, dropout)
    }

    /// `x W^T`.
    fn linear(input: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        plain::linear::<Self>(input, weight)
    }
    /// `x W^T + b`.
    fn linear_bias(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        plain::linear_bias::<Self>(input, weight, bias)
    }
    /// `g W`, the gradient of a linear layer's input.
    fn linear_backward_input(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::float_matmul(gradient, weight)
    }
    /// `g^T x`, the gradient of a linear layer's weight.
    fn linear_backward_weight(
        gradient: FloatTensor<Self>,
        input: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::float_matmul(Self::float_transpose(gradient), input)
    }
    /// `x W^T` with a weight for each group of rows.
    fn grouped_linear(
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        groups: Segments,
    ) -> FloatTensor<Self> {
        plain::grouped::forward::<Self>(input, weights, &groups)
    }
    /// The gradient of its input.
    fn grouped_linear_backward_input(
        gradient: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        groups: Segments,
    ) -> FloatTensor<Self> {
        plain::grouped::backward_input::<Self>(gradient, weights, &groups)
    }
    /// The gradient of its weights.
    fn grouped_linear_backward_weight(
        gradient: FloatTensor<Self>,
        input: FloatTensor<Self>,
        groups: Segments,
    ) -> FloatTensor<Self> {
        plain::grouped::backward_weight::<Self>(gradient, input, &groups)
    }

    /// A linear layer's output plus a low-rank update.
    fn add_low_rank(
        base: FloatTensor<Self>,
        input: FloatTensor<Self>,
        down: FloatTensor<Self>,
        up: FloatTensor<Self>,
        call: LowRank,
    ) -> FloatTensor<Self> {
        Self::add_low_rank_forward(base, input, down, up, call).0
    }
    /// The same with the input times the first factor, `[rows, rank]`.
    fn add_low_rank_forward(
        base: FloatTensor<Self>,
        input: FloatTensor<Self>,
        down: FloatTensor<Self>,
        up: FloatTensor<Self>,
        call: LowRank,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        plain::low_rank::forward::<Self>(base, input, down, up, call)
    }
    /// Gradients of input and factors; the base's is the output's.
    fn add_low_rank_backward(
        input: FloatTensor<Self>,
        down: FloatTensor<Self>,
        up: FloatTensor<Self>,
        low: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        call: LowRank,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        plain::low_rank::backward::<Self>(input, down, up, low, gradient, call)
    }

    /// The sum over rows, in fixed chunks.
    fn column_sum(input: FloatTensor<Self>) -> FloatTensor<Self> {
        plain::column_sum::<Self>(input)
    }

    /// Layer normalisation.
    fn layer_norm(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        Self::layer_norm_forward(input, weight, bias, epsilon).0
    }
    /// Layer normalisation with each row's mean and inverse deviation, `[rows, 2]`.
    fn layer_norm_forward(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        plain::norm::layer_norm::<Self>(input, weight, bias, epsilon)
    }
    /// Gradients of input, weight and bias.
    fn layer_norm_backward(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        plain::norm::layer_norm_backward::<Self>(input, weight, statistics, gradient)
    }

    /// Normalisation by the root of the mean square.
    fn rms_norm(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        Self::rms_norm_forward(input, weight, epsilon).0
    }
    /// The same with the inverse of each row's root, `[rows, 1]`.
    fn rms_norm_forward(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        epsilon: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        plain::norm::rms_norm::<Self>(input, weight, epsilon)
    }
    /// Gradients of input and weight.
    fn rms_norm_backward(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        inverse: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        plain::norm::rms_norm_backward::<Self>(input, weight, inverse, gradient)
    }

    /// GELU.
    fn gelu(input: FloatTensor<Self>, kind: Gelu) -> FloatTensor<Self> {
        plain::activation::gelu::<Self>(input, kind)
    }
    /// The gradient of GELU's input.
    fn gelu_backward(
        input: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        kind: Gelu,
    ) -> FloatTensor<Self> {
        plain::activation::gelu_backward::<Self>(input, gradient, kind)
    }

    /// SiLU.
    fn silu(input: FloatTensor<Self>) -> FloatTensor<Self> {
        plain::activation::silu::<Self>(input)
    }
    /// The gradient of SiLU's input.
    fn silu_backward(input: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        plain::activation::silu_backward::<Self>(input, gradient)
    }

    /// The activation of a gate times what it gates.
    fn gated(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        activation: GateActivation,
    ) -> FloatTensor<Self> {
        plain::activation::gated::<Self>(gate, up, activation)
    }
    /// Gradients of the gate and of what it gates.
    fn gated_backward(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        activation: GateActivation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        plain::activation::gated_backward::<Self>(gate, up, gradient, activation)
    }

    /// Rotary positions; with the sines negated, their own derivative applied to the gradient.
    fn rotary(
        input: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        heads: usize,
        layout: RotaryLayout,
    ) -> FloatTensor<Self> {
        plain::rotary::rotary::<Self>(input, cos, sin, heads, layout)
    }

    /// Rows of a table by number.
    fn gather_rows(table: FloatTensor<Self>, rows: IntTensor<Self>) -> FloatTensor<Self> {
        Self::float_select(table, 0, rows)
    }
    /// The gradient of the table of `count` rows.
    fn gather_rows_backward(
        gradient: FloatTensor<Self>,
        rows: IntTensor<Self>,
        count: usize,
    ) -> FloatTensor<Self> {
        plain::gather_rows_backward::<Self>(gradient, rows, count)
    }

    /// Each row replaced by the one `offset` further on in its segment; with the opposite offset, its own derivative.
    fn shift_rows(
        input: FloatTensor<Self>,
        segments: Segments,
        offset: isize,
    ) -> FloatTensor<Self> {
        plain::shift_rows::<Self>(input, &segments, offset)
    }

    /// The mean of each segment's rows.
    fn segment_mean(input: FloatTensor<Self>, segments: Segments) -> FloatTensor<Self> {
        plain::segment_mean::<Self>(input, &segments)
    }
    /// The gradient of the rows averaged.
    fn segment_mean_backward(gradient: FloatTensor<Self>, segments: Segments) -> FloatTensor<Self> {
        plain::segment_mean_backward::<Self>(gradient, &segments)
    }
    /// The maximum of each segment's rows, column by column.
    fn segment_max(input: FloatTensor<Self>, segments: Segments) -> FloatTensor<Self> {
        Self::segment_max_forward(input, segments).0
    }
    /// The maximum and the row it was found in (the first of equals), `[segments, dim]` each.
    fn segment_max_forward(
        input: FloatTensor<Self>,
        segments: Segments,
    ) -> (FloatTensor<Self>, IntTensor<Self>) {
        plain::segment_max::<Self>(input, &segments)
    }
    /// The gradient of the rows compared.
    fn segment_max_backward(
        gradient: FloatTensor<Self>,
        rows: IntTensor<Self>,
        count: usize,
    ) -> FloatTensor<Self> {
        plain::segment_max_backward::<Self>(gradient, rows, count)
    }

    /// The weighted sum of the rows' cross-entropies, `[1]`.
    fn cross_entropy(logits: FloatTensor<Self>, targets: Arc<ClassTargets>) -> FloatTensor<Self> {
        plain::cross_entropy::<Self>(logits, &targets)
    }
    /// The gradient of the logits for a gradient `[1]` of the sum.
    fn cross_entropy_backward(
        logits: FloatTensor<Self>,
        targets: Arc<ClassTargets>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        plain::cross_entropy_backward::<Self>(logits, &targets, gradient)
    }

    /// The weighted sum of the cross-entropies of a projection, `[1]`, and each row's loss and hit, `[rows, 2]`, which is outside the graph.
    fn linear_cross_entropy(
        hidden: FloatTensor<Self>,
        projection: FloatTensor<Self>,
        call: Arc<LinearCrossEntropy>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        plain::linear_cross_entropy::forward::<Self>(hidden, projection, &call)
    }
    /// The gradients of hidden states and projection for a gradient `[1]` of the sum; one that is not needed is a single zero.
    fn linear_cross_entropy_backward(
        hidden: FloatTensor<Self>,
        projection: FloatTensor<Self>,
        call: Arc<LinearCrossEntropy>,
        gradient: FloatTensor<Self>,
        needed: [bool; 2],
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        plain::linear_cross_entropy::backward::<Self>(hidden, projection, &call, gradient, needed)
    }

    /// The sum of squares in double precision, in fixed chunks.
    fn sum_squares(input: FloatTensor<Self>) -> f64 {
        plain::sum_squares::<Self>(input)
    }
    /// One step of AdamW: new parameter and moments.
    fn adamw_step(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first_moment: FloatTensor<Self>,
        second_moment: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        plain::adamw_step::<Self>(parameter, gradient, first_moment, second_moment, step)
    }
}
