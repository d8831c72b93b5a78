//! The operations as fused, parallel loops on the CPU.
//!
//! Single precision is what they are written for; other types take the plain bodies. Parallel tasks own disjoint parts of the output or
//! add up in a fixed order, so that results do not depend on timing.

mod activation;
mod attention;
mod buffer;
mod linear;
mod linear_cross_entropy;
mod low_rank;
mod math;
mod norm;
mod product;
mod rotary;
mod rows;
mod step;

use std::sync::Arc;

use burn::backend::Flex;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use self::buffer::{contiguous, is_f32, values, vectorised};
use self::linear::linear;
use self::product::product;
use crate::{
    AdamWStep, Attention, CachedAttention, ClassTargets, Disentangled, Dropout, GateActivation,
    Gelu, Kernels, LinearCrossEntropy, LowRank, RotaryLayout, Segments, plain,
};

impl Kernels for Flex {
    fn attention_forward(
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        table: FlexTensor,
        call: Arc<Attention>,
    ) -> (FlexTensor, FlexTensor) {
        if !is_f32(&[&query, &key, &value, &table]) {
            return plain::attention::forward::<Self>(query, key, value, table, &call);
        }
        attention::forward(query, key, value, table, &call)
    }

    fn attention_backward(
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        table: FlexTensor,
        output: FlexTensor,
        log_sum: FlexTensor,
        gradient: FlexTensor,
        call: Arc<Attention>,
    ) -> (FlexTensor, FlexTensor, FlexTensor, FlexTensor) {
        if !is_f32(&[&query, &key, &value, &table, &gradient]) {
            return plain::attention::backward::<Self>(
                query, key, value, table, output, log_sum, gradient, &call,
            );
        }
        attention::backward(query, key, value, table, output, log_sum, gradient, &call)
    }

    fn cached_attention(
        query: FlexTensor,
        keys: FlexTensor,
        values: FlexTensor,
        call: Arc<CachedAttention>,
    ) -> FlexTensor {
        if !is_f32(&[&query, &keys, &values]) {
            return plain::cached::attend::<Self>(query, keys, values, &call);
        }
        attention::cached::forward(query, keys, values, &call)
    }

    fn write_rows(cache: FlexTensor, numbers: Arc<[usize]>, values: FlexTensor) -> FlexTensor {
        if !is_f32(&[&cache, &values]) {
            return plain::cached::write_rows::<Self>(cache, &numbers, values);
        }
        rows::write(cache, &numbers, values)
    }

    fn disentangled_attention_forward(
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        position_key: FlexTensor,
        position_query: FlexTensor,
        call: Arc<Disentangled>,
    ) -> (FlexTensor, FlexTensor) {
        let (inputs, tables) = ([query, key, value], [position_key, position_query]);
        if !inputs.iter().chain(&tables).all(|tensor| is_f32(&[tensor])) {
            return plain::disentangled::forward::<Self>(inputs, tables, &call);
        }
        attention::disentangled::forward(inputs, tables, &call)
    }

    fn disentangled_attention_backward(
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        position_key: FlexTensor,
        position_query: FlexTensor,
        output: FlexTensor,
        log_sum: FlexTensor,
        gradient: FlexTensor,
        call: Arc<Disentangled>,
    ) -> (FlexTensor, FlexTensor, FlexTensor, FlexTensor, FlexTensor) {
        let (inputs, tables) = ([query, key, value], [position_key, position_query]);
        let saved = [output, log_sum, gradient];
        let all = inputs.iter().chain(&tables).chain(&saved);
        if !all.into_iter().all(|tensor| is_f32(&[tensor])) {
            return plain::disentangled::backward::<Self>(inputs, tables, saved, &call).into();
        }
        attention::disentangled::backward(inputs, tables, saved, &call).into()
    }

    fn dropout(input: FlexTensor, dropout: Dropout) -> FlexTensor {
        if !is_f32(&[&input]) {
            return plain::dropout::<Self>(input, dropout);
        }
        rows::dropout(input, dropout)
    }

    fn linear(input: FlexTensor, weight: FlexTensor) -> FlexTensor {
        if !is_f32(&[&input, &weight]) {
            return plain::linear::<Self>(input, weight);
        }
        linear(&contiguous(input), &contiguous(weight), None)
    }

    fn linear_bias(input: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
        if !is_f32(&[&input, &weight, &bias]) {
            return plain::linear_bias::<Self>(input, weight, bias);
        }
        linear(
            &contiguous(input),
            &contiguous(weight),
            Some(&contiguous(bias)),
        )
    }

    fn linear_backward_input(gradient: FlexTensor, weight: FlexTensor) -> FlexTensor {
        if !is_f32(&[&gradient, &weight]) {
            return burn_flex::ops::matmul::matmul(gradient, weight);
        }
        product(
            &contiguous(gradient),
            false,
            &contiguous(weight),
            false,
            None,
        )
    }

    fn linear_backward_weight(gradient: FlexTensor, input: FlexTensor) -> FlexTensor {
        if !is_f32(&[&gradient, &input]) {
            return burn_flex::ops::matmul::matmul(gradient.transpose(0, 1), input);
        }
        product(&contiguous(gradient), true, &contiguous(input), false, None)
    }

    fn add_low_rank_forward(
        base: FlexTensor,
        input: FlexTensor,
        down: FlexTensor,
        up: FlexTensor,
        call: LowRank,
    ) -> (FlexTensor, FlexTensor) {
        if !is_f32(&[&base, &input, &down, &up]) {
            return plain::low_rank::forward::<Self>(base, input, down, up, call);
        }
        low_rank::forward(base, input, down, up, call)
    }

    fn add_low_rank_backward(
        input: FlexTensor,
        down: FlexTensor,
        up: FlexTensor,
        low: FlexTensor,
        gradient: FlexTensor,
        call: LowRank,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        if !is_f32(&[&input, &down, &up, &low, &gradient]) {
            return plain::low_rank::backward::<Self>(input, down, up, low, gradient, call);
        }
        low_rank::backward(input, down, up, low, gradient, call)
    }

    fn column_sum(input: FlexTensor) -> FlexTensor {
        if !is_f32(&[&input]) {
            return plain::column_sum::<Self>(input);
        }
        rows::column_sum(input)
    }

    fn layer_norm_forward(
        input: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        epsilon: f32,
    ) -> (FlexTensor, FlexTensor) {
        if !is_f32(&[&input, &weight, &bias]) {
            return plain::norm::layer_norm::<Self>(input, weight, bias, epsilon);
        }
        norm::forward(input, weight, bias, epsilon)
    }

    fn layer_norm_backward(
        input: FlexTensor,
        weight: FlexTensor,
        statistics: FlexTensor,
        gradient: FlexTensor,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        if !is_f32(&[&input, &weight, &statistics, &gradient]) {
            return plain::norm::layer_norm_backward::<Self>(input, weight, statistics, gradient);
        }
        norm::backward(input, weight, statistics, gradient)
    }

    fn rms_norm_forward(
        input: FlexTensor,
        weight: FlexTensor,
        epsilon: f32,
    ) -> (FlexTensor, FlexTensor) {
        if !is_f32(&[&input, &weight]) {
            return plain::norm::rms_norm::<Self>(input, weight, epsilon);
        }
        norm::rms_forward(input, weight, epsilon)
    }

    fn rms_norm_backward(
        input: FlexTensor,
        weight: FlexTensor,
        inverse: FlexTensor,
        gradient: FlexTensor,
    ) -> (FlexTensor, FlexTensor) {
        if !is_f32(&[&input, &weight, &inverse, &gradient]) {
            return plain::norm::rms_norm_backward::<Self>(input, weight, inverse, gradient);
        }
        norm::rms_backward(input, weight, inverse, gradient)
    }

    fn gelu(input: FlexTensor, kind: Gelu) -> FlexTensor {
        if !is_f32(&[&input]) {
            return plain::activation::gelu::<Self>(input, kind);
        }
        activation::gelu(input, kind)
    }

    fn gelu_backward(input: FlexTensor, gradient: FlexTensor, kind: Gelu) -> FlexTensor {
        if !is_f32(&[&input, &gradient]) {
            return plain::activation::gelu_backward::<Self>(input, gradient, kind);
        }
        activation::gelu_backward(input, gradient, kind)
    }

    fn silu(input: FlexTensor) -> FlexTensor {
        if !is_f32(&[&input]) {
            return plain::activation::silu::<Self>(input);
        }
        activation::silu(input)
    }

    fn silu_backward(input: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        if !is_f32(&[&input, &gradient]) {
            return plain::activation::silu_backward::<Self>(input, gradient);
        }
        activation::silu_backward(input, gradient)
    }

    fn gated(gate: FlexTensor, up: FlexTensor, activation: GateActivation) -> FlexTensor {
        if !is_f32(&[&gate, &up]) {
            return plain::activation::gated::<Self>(gate, up, activation);
        }
        activation::gated(gate, up, activation)
    }

    fn gated_backward(
        gate: FlexTensor,
        up: FlexTensor,
        gradient: FlexTensor,
        activation: GateActivation,
    ) -> (FlexTensor, FlexTensor) {
        if !is_f32(&[&gate, &up, &gradient]) {
            return plain::activation::gated_backward::<Self>(gate, up, gradient, activation);
        }
        activation::gated_backward(gate, up, gradient, activation)
    }

    fn rotary(
        input: FlexTensor,
        cos: FlexTensor,
        sin: FlexTensor,
        heads: usize,
        layout: RotaryLayout,
    ) -> FlexTensor {
        if !is_f32(&[&input, &cos, &sin]) {
            return plain::rotary::rotary::<Self>(input, cos, sin, heads, layout);
        }
        rotary::rotary(input, cos, sin, heads, layout)
    }

    fn gather_rows(table: FlexTensor, rows: FlexTensor) -> FlexTensor {
        if !is_f32(&[&table]) {
            return <Self as burn::backend::ops::FloatTensorOps<Self>>::float_select(
                table, 0, rows,
            );
        }
        rows::gather(table, rows)
    }

    fn gather_rows_backward(gradient: FlexTensor, rows: FlexTensor, count: usize) -> FlexTensor {
        if !is_f32(&[&gradient]) {
            return plain::gather_rows_backward::<Self>(gradient, rows, count);
        }
        rows::gather_backward(gradient, rows, count)
    }

    fn shift_rows(input: FlexTensor, segments: Segments, offset: isize) -> FlexTensor {
        if !is_f32(&[&input]) {
            return plain::shift_rows::<Self>(input, &segments, offset);
        }
        rows::shift(input, &segments, offset)
    }

    fn segment_mean(input: FlexTensor, segments: Segments) -> FlexTensor {
        if !is_f32(&[&input]) {
            return plain::segment_mean::<Self>(input, &segments);
        }
        rows::segment_mean(input, &segments)
    }

    fn segment_mean_backward(gradient: FlexTensor, segments: Segments) -> FlexTensor {
        if !is_f32(&[&gradient]) {
            return plain::segment_mean_backward::<Self>(gradient, &segments);
        }
        rows::segment_mean_backward(gradient, &segments)
    }

    fn cross_entropy_backward(
        logits: FlexTensor,
        targets: Arc<ClassTargets>,
        gradient: FlexTensor,
    ) -> FlexTensor {
        if !is_f32(&[&logits, &gradient]) {
            return plain::cross_entropy_backward::<Self>(logits, &targets, gradient);
        }
        rows::cross_entropy_backward(logits, &targets, gradient)
    }

    fn linear_cross_entropy(
        hidden: FlexTensor,
        projection: FlexTensor,
        call: Arc<LinearCrossEntropy>,
    ) -> (FlexTensor, FlexTensor) {
        if !is_f32(&[&hidden, &projection]) {
            return plain::linear_cross_entropy::forward::<Self>(hidden, projection, &call);
        }
        linear_cross_entropy::forward(hidden, projection, &call)
    }

    fn linear_cross_entropy_backward(
        hidden: FlexTensor,
        projection: FlexTensor,
        call: Arc<LinearCrossEntropy>,
        gradient: FlexTensor,
        needed: [bool; 2],
    ) -> (FlexTensor, FlexTensor) {
        if !is_f32(&[&hidden, &projection, &gradient]) {
            return plain::linear_cross_entropy::backward::<Self>(
                hidden, projection, &call, gradient, needed,
            );
        }
        linear_cross_entropy::backward(hidden, projection, &call, gradient, needed)
    }

    fn sum_squares(input: FlexTensor) -> f64 {
        if !is_f32(&[&input]) {
            return plain::sum_squares::<Self>(input);
        }
        let input = contiguous(input);
        let sums: Vec<f64> = values(&input)
            .par_chunks(plain::ELEMENTS_PER_CHUNK)
            .map(|chunk| vectorised(|| plain::chunk_sum_squares(chunk)))
            .collect();
        sums.into_iter().sum()
    }

    fn adamw_step(
        parameter: FlexTensor,
        gradient: FlexTensor,
        first_moment: FlexTensor,
        second_moment: FlexTensor,
        step: AdamWStep,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        if !is_f32(&[&parameter, &gradient, &first_moment, &second_moment]) {
            return plain::adamw_step::<Self>(
                parameter,
                gradient,
                first_moment,
                second_moment,
                step,
            );
        }
        step::adamw(
            parameter,
            &contiguous(gradient),
            first_moment,
            second_moment,
            step,
        )
    }
}
