//! The operations as fused, parallel loops on the CPU.
//!
//! Single precision is what they are written for; other types take the plain bodies. Parallel tasks own disjoint parts of the output or
//! add up in a fixed order, so that results do not depend on timing.

mod attention;
mod buffer;
mod math;
mod norm;
mod product;
mod rows;

use std::sync::Arc;

use burn::backend::Flex;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use self::buffer::{
    GRAIN, contiguous, is_f32, map, matrix, tensor, unwritten, values, vectorised, zip,
};
use self::product::{Before, Matrix, Target, Threads, multiply};
use crate::{AdamWStep, Attention, ClassTargets, Dropout, Gelu, Kernels, Segments, plain};

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
        product(&contiguous(input), false, &contiguous(weight), true, None)
    }

    fn linear_bias(input: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
        if !is_f32(&[&input, &weight, &bias]) {
            return plain::linear_bias::<Self>(input, weight, bias);
        }
        product(
            &contiguous(input),
            false,
            &contiguous(weight),
            true,
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
            return plain::layer_norm::<Self>(input, weight, bias, epsilon);
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
            return plain::layer_norm_backward::<Self>(input, weight, statistics, gradient);
        }
        norm::backward(input, weight, statistics, gradient)
    }

    fn gelu(input: FlexTensor, kind: Gelu) -> FlexTensor {
        if !is_f32(&[&input]) {
            return plain::gelu::<Self>(input, kind);
        }
        let input = contiguous(input);
        match kind {
            Gelu::Exact => map(&input, |x| x * math::normal(x).0),
            Gelu::Tanh => map(&input, |x| x * math::sigmoid(2.0 * gelu_argument(x))),
        }
    }

    fn gelu_backward(input: FlexTensor, gradient: FlexTensor, kind: Gelu) -> FlexTensor {
        if !is_f32(&[&input, &gradient]) {
            return plain::gelu_backward::<Self>(input, gradient, kind);
        }
        let (input, gradient) = (contiguous(input), contiguous(gradient));
        match kind {
            Gelu::Exact => zip(&input, &gradient, |x, gradient| {
                let (cumulative, density) = math::normal(x);
                gradient * (cumulative + x * density)
            }),
            Gelu::Tanh => zip(&input, &gradient, |x, gradient| {
                // (1 + tanh u) / 2 is the sigmoid of 2u.
                let sigmoid = math::sigmoid(2.0 * gelu_argument(x));
                let slope = 2.0 * plain::GELU_SLOPE * (1.0 + 3.0 * plain::GELU_CUBIC * x * x);
                gradient * sigmoid * (1.0 + x * slope * (1.0 - sigmoid))
            }),
        }
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
        adamw_step(
            parameter,
            &contiguous(gradient),
            first_moment,
            second_moment,
            step,
        )
    }
}

/// A contiguous tensor as the operand of a product.
fn operand(tensor: &FlexTensor, transposed: bool) -> Matrix<'_> {
    let whole = Matrix::whole(values(tensor), matrix(tensor));
    if transposed {
        whole.transposed()
    } else {
        whole
    }
}

/// `left * right (+ bias)` of two contiguous matrices, either of them transposed on the way.
fn product(
    left: &FlexTensor,
    left_transposed: bool,
    right: &FlexTensor,
    right_transposed: bool,
    bias: Option<&FlexTensor>,
) -> FlexTensor {
    let (left, right) = (
        operand(left, left_transposed),
        operand(right, right_transposed),
    );
    let (rows, columns, inner) = (left.rows(), right.columns(), left.columns());
    // A product of nothing is zero, and `multiply` would leave it unwritten.
    let mut output = if inner == 0 {
        vec![0.0; rows * columns]
    } else {
        unwritten(rows * columns)
    };
    let before = match bias {
        Some(bias) => {
            let bias = values(bias);
            output
                .par_chunks_mut(columns.max(1))
                .with_min_len(64)
                .for_each(|row| row.copy_from_slice(bias));
            Before::Addend
        }
        None => Before::Unwritten,
    };
    if inner > 0 {
        let target = Target::new(&mut output, columns);
        // SAFETY: `output` has exactly the product's size and is borrowed here alone.
        unsafe { multiply(left, right, 1.0, target, before, Threads::All) };
    }
    tensor(output, [rows, columns])
}

/// `sqrt(2 / pi) (x + 0.044715 x³)`.
#[inline(always)]
fn gelu_argument(x: f32) -> f32 {
    plain::GELU_SLOPE * x * (1.0 + plain::GELU_CUBIC * x * x)
}

/// One pass over memory; in place where nobody else holds the tensors.
fn adamw_step(
    parameter: FlexTensor,
    gradient: &FlexTensor,
    first_moment: FlexTensor,
    second_moment: FlexTensor,
    step: AdamWStep,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let c = step.coefficients();
    let [mut parameter, mut first, mut second] =
        [parameter, first_moment, second_moment].map(owned);
    let gradients = values(gradient);
    let chunks = parameter
        .storage_mut::<f32>()
        .par_chunks_mut(GRAIN)
        .zip(first.storage_mut::<f32>().par_chunks_mut(GRAIN))
        .zip(second.storage_mut::<f32>().par_chunks_mut(GRAIN))
        .zip(gradients.par_chunks(GRAIN));
    chunks.for_each(|(((parameter, first), second), gradient)| {
        vectorised(|| {
            for (((p, m), v), &g) in parameter.iter_mut().zip(first).zip(second).zip(gradient) {
                let g = c.gradient * g;
                *m = c.beta1 * *m + c.rest1 * g;
                *v = c.beta2 * *v + c.rest2 * (g * g);
                *p = c.decay * *p - c.size * (*m / (c.root * v.sqrt() + c.epsilon));
            }
        });
    });
    (parameter, first, second)
}

/// The tensor in row order from the first element of its storage, so that its storage is its values.
fn owned(tensor: FlexTensor) -> FlexTensor {
    let tensor = contiguous(tensor);
    let exact = tensor.layout().start_offset() == 0
        && tensor.storage::<f32>().len() == tensor.layout().shape().num_elements();
    if exact {
        return tensor;
    }
    buffer::tensor(values(&tensor).to_vec(), tensor.layout().shape().clone())
}
