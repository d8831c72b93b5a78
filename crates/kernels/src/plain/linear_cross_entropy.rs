//! Cross-entropy of a projection, a chunk of rows at a time.

use std::ops::Range;

use burn::backend::tensor::FloatTensor;
use burn::backend::{IntDType, TensorMetadata};
use burn::tensor::{Shape, TensorData};

use super::grouped::rows;
use super::{cross_entropy_backward, download, matrix, read, upload_rows, zeros};
use crate::{ClassTargets, Kernels, LinearCrossEntropy};

/// Logits that are held at a time: 32 MiB of them.
const LOGITS_AT_ONCE: usize = 1 << 23;

/// The rows of each chunk: a function of the sizes alone, so that sums are the same on every device and with any number of threads.
pub(crate) fn chunks(rows: usize, classes: usize) -> impl Iterator<Item = Range<usize>> {
    let size = (LOGITS_AT_ONCE / classes.max(1)).clamp(16, 8192);
    let starts = (0..rows).step_by(size);
    starts.map(move |start| start..rows.min(start + size))
}

/// The sum over rows of weight times loss, from `[loss, hit]` of each row.
pub(crate) fn total(told: &[f32], targets: &ClassTargets) -> f32 {
    let (pairs, _) = told.as_chunks::<2>();
    let losses = pairs.iter().enumerate();
    let sum: f64 = losses
        .map(|(row, [loss, _])| f64::from(targets.weight(row)) * f64::from(*loss))
        .sum();
    sum as f32
}

/// The targets of a chunk.
fn targets_of(call: &LinearCrossEntropy, range: Range<usize>) -> ClassTargets {
    let targets = &call.targets;
    ClassTargets {
        classes: targets.classes[range.clone()].to_vec(),
        weights: range.map(|row| targets.weight(row)).collect(),
    }
}

/// The logits of a chunk before they are capped.
fn logits<B: Kernels>(
    hidden: &FloatTensor<B>,
    projection: &FloatTensor<B>,
    call: &LinearCrossEntropy,
    range: Range<usize>,
) -> FloatTensor<B> {
    let logits = <B as Kernels>::linear(rows::<B>(hidden, range), projection.clone());
    let Some(bias) = &call.bias else {
        return logits;
    };
    let bias = TensorData::new(bias.to_vec(), [1, bias.len()]);
    let bias = B::float_from_data(bias, &logits.device());
    B::float_add(logits, bias)
}

/// `tanh(logit / cap)`.
fn squashed<B: Kernels>(logits: FloatTensor<B>, cap: f64) -> FloatTensor<B> {
    B::float_tanh(B::float_div_scalar(logits, cap.into()))
}

pub(crate) fn forward<B: Kernels>(
    hidden: FloatTensor<B>,
    projection: FloatTensor<B>,
    call: &LinearCrossEntropy,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let (count, classes) = (matrix::<B>(&hidden)[0], matrix::<B>(&projection)[0]);
    let device = hidden.device();
    let mut told = Vec::with_capacity(2 * count);
    for range in chunks(count, classes) {
        let wanted = &call.targets.classes[range.clone()];
        let length = range.len();
        let mut logits = logits::<B>(&hidden, &projection, call, range);
        if let Some(cap) = call.soft_cap {
            logits = B::float_mul_scalar(squashed::<B>(logits, cap), cap.into());
        }
        let indices = upload_rows::<B>(wanted.iter().map(|&class| class as usize), &logits);
        let indices = B::int_reshape(indices, Shape::new([length, 1]));
        let best = B::float_argmax(logits.clone(), 1, IntDType::I32);
        let maximum = B::float_max_dim(logits.clone(), 1);
        let target = B::float_gather(1, logits.clone(), indices);
        let powers = B::float_exp(B::float_sub(logits, maximum.clone()));
        let sum = B::float_log(B::float_sum_dim(powers, 1));
        let losses = B::float_sub(sum, B::float_sub(target, maximum));
        let best = read(B::int_into_data(best));
        let hits = best.iter::<i64>().zip(wanted);
        let hits = hits.map(|(best, &wanted)| f32::from(best == i64::from(wanted)));
        let losses = download::<B>(losses).into_iter();
        told.extend(losses.zip(hits).flat_map(|(loss, hit)| [loss, hit]));
    }
    let sum = vec![total(&told, &call.targets)];
    (
        B::float_from_data(TensorData::new(sum, [1]), &device),
        B::float_from_data(TensorData::new(told, [count, 2]), &device),
    )
}

pub(crate) fn backward<B: Kernels>(
    hidden: FloatTensor<B>,
    projection: FloatTensor<B>,
    call: &LinearCrossEntropy,
    gradient: FloatTensor<B>,
    [to_hidden, to_projection]: [bool; 2],
) -> (FloatTensor<B>, FloatTensor<B>) {
    let [classes, width] = matrix::<B>(&projection);
    let count = matrix::<B>(&hidden)[0];
    let mut hidden_gradients = Vec::new();
    let mut projection_gradient = if to_projection {
        zeros::<B>([classes, width], &projection)
    } else {
        zeros::<B>([1, 1], &projection)
    };
    for range in chunks(count, classes) {
        let targets = targets_of(call, range.clone());
        let logits = logits::<B>(&hidden, &projection, call, range.clone());
        let gradient = match call.soft_cap {
            None => cross_entropy_backward::<B>(logits, &targets, gradient.clone()),
            Some(cap) => {
                let squashed = squashed::<B>(logits, cap);
                let capped = B::float_mul_scalar(squashed.clone(), cap.into());
                let outer = cross_entropy_backward::<B>(capped, &targets, gradient.clone());
                let square = B::float_mul(squashed.clone(), squashed);
                let slope = B::float_add_scalar(B::float_neg(square), 1.0.into());
                B::float_mul(outer, slope)
            }
        };
        if to_hidden {
            let chunk = B::linear_backward_input(gradient.clone(), projection.clone());
            hidden_gradients.push(chunk);
        }
        if to_projection {
            let chunk = B::linear_backward_weight(gradient, rows::<B>(&hidden, range));
            projection_gradient = B::float_add(projection_gradient, chunk);
        }
    }
    let hidden_gradient = match (to_hidden, hidden_gradients.is_empty()) {
        (true, true) => zeros::<B>([0, width], &hidden),
        (true, false) => B::float_cat(hidden_gradients, 0),
        (false, _) => zeros::<B>([1, 1], &hidden),
    };
    (hidden_gradient, projection_gradient)
}
