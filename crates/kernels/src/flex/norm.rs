//! Normalisation, a row at a time.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::buffer::{contiguous, matrix, tensor, unwritten, values, vectorised};
use super::math;
use crate::plain::ROWS_PER_CHUNK;

pub(crate) fn forward(
    input: FlexTensor,
    weight: FlexTensor,
    bias: FlexTensor,
    epsilon: f32,
) -> (FlexTensor, FlexTensor) {
    let [rows, columns] = matrix(&input);
    let (input, weight, bias) = (contiguous(input), contiguous(weight), contiguous(bias));
    let mut output = unwritten(rows * columns);
    let mut statistics = unwritten(rows * 2);
    let chunk = ROWS_PER_CHUNK * columns.max(1);
    output
        .par_chunks_mut(chunk)
        .zip(statistics.par_chunks_mut(ROWS_PER_CHUNK * 2))
        .zip(values(&input).par_chunks(chunk))
        .for_each(|((output, statistics), input)| {
            let (weight, bias) = (values(&weight), values(&bias));
            vectorised(|| {
                let rows = output
                    .chunks_exact_mut(columns)
                    .zip(input.chunks_exact(columns));
                for ((output, input), statistics) in rows.zip(statistics.chunks_exact_mut(2)) {
                    let mean = math::sum(input) / columns as f32;
                    for (output, &x) in output.iter_mut().zip(input) {
                        *output = x - mean;
                    }
                    let variance = math::dot(output, output) / columns as f32;
                    let inverse = 1.0 / (variance + epsilon).sqrt();
                    for ((output, &weight), &bias) in output.iter_mut().zip(weight).zip(bias) {
                        *output = *output * inverse * weight + bias;
                    }
                    (statistics[0], statistics[1]) = (mean, inverse);
                }
            });
        });
    (
        tensor(output, [rows, columns]),
        tensor(statistics, [rows, 2]),
    )
}

pub(crate) fn backward(
    input: FlexTensor,
    weight: FlexTensor,
    statistics: FlexTensor,
    gradient: FlexTensor,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let [rows, columns] = matrix(&input);
    let (input, weight) = (contiguous(input), contiguous(weight));
    let (statistics, gradient) = (contiguous(statistics), contiguous(gradient));
    let mut to_input = unwritten(rows * columns);
    let chunk = ROWS_PER_CHUNK * columns.max(1);
    // Each chunk of rows sums its own share of the gradients of weight and bias.
    let partial: Vec<[Vec<f32>; 2]> = to_input
        .par_chunks_mut(chunk)
        .zip(values(&input).par_chunks(chunk))
        .zip(values(&gradient).par_chunks(chunk))
        .zip(values(&statistics).par_chunks(ROWS_PER_CHUNK * 2))
        .map(|(((to_input, input), gradient), statistics)| {
            let weight = values(&weight);
            let (mut to_weight, mut to_bias) = (vec![0.0; columns], vec![0.0; columns]);
            let mut normalised = vec![0.0; columns];
            vectorised(|| {
                let rows = to_input
                    .chunks_exact_mut(columns)
                    .zip(input.chunks_exact(columns));
                let rows = rows
                    .zip(gradient.chunks_exact(columns))
                    .zip(statistics.chunks_exact(2));
                for (((to_input, input), gradient), statistics) in rows {
                    let (mean, inverse) = (statistics[0], statistics[1]);
                    for (normalised, &x) in normalised.iter_mut().zip(input) {
                        *normalised = (x - mean) * inverse;
                    }
                    for ((sum, &g), &x) in to_weight.iter_mut().zip(gradient).zip(&normalised) {
                        *sum += g * x;
                    }
                    for (sum, &g) in to_bias.iter_mut().zip(gradient) {
                        *sum += g;
                    }
                    for ((scaled, &g), &weight) in to_input.iter_mut().zip(gradient).zip(weight) {
                        *scaled = g * weight;
                    }
                    let mean_scaled = math::sum(to_input) / columns as f32;
                    let mean_product = math::dot(to_input, &normalised) / columns as f32;
                    for (value, &x) in to_input.iter_mut().zip(&normalised) {
                        *value = (*value - mean_scaled - x * mean_product) * inverse;
                    }
                }
            });
            [to_weight, to_bias]
        })
        .collect();
    let [to_weight, to_bias] = total(&partial, columns).map(|sum| tensor(sum, [columns]));
    (tensor(to_input, [rows, columns]), to_weight, to_bias)
}

/// The chunks' shares added up in their order.
fn total<const N: usize>(partial: &[[Vec<f32>; N]], columns: usize) -> [Vec<f32>; N] {
    let mut sums = std::array::from_fn(|_| vec![0.0; columns]);
    for part in partial {
        for (sum, part) in sums.iter_mut().zip(part) {
            for (sum, &value) in sum.iter_mut().zip(part) {
                *sum += value;
            }
        }
    }
    sums
}

pub(crate) fn rms_forward(
    input: FlexTensor,
    weight: FlexTensor,
    epsilon: f32,
) -> (FlexTensor, FlexTensor) {
    let [rows, columns] = matrix(&input);
    let (input, weight) = (contiguous(input), contiguous(weight));
    assert_eq!(values(&weight).len(), columns, "a weight for each column");
    let mut output = unwritten(rows * columns);
    let mut inverses = unwritten(rows);
    let chunk = ROWS_PER_CHUNK * columns.max(1);
    output
        .par_chunks_mut(chunk)
        .zip(inverses.par_chunks_mut(ROWS_PER_CHUNK))
        .zip(values(&input).par_chunks(chunk))
        .for_each(|((output, inverses), input)| {
            let weight = values(&weight);
            vectorised(|| {
                let rows = output
                    .chunks_exact_mut(columns)
                    .zip(input.chunks_exact(columns));
                for ((output, input), inverse) in rows.zip(inverses) {
                    *inverse = 1.0 / (math::dot(input, input) / columns as f32 + epsilon).sqrt();
                    for ((output, &x), &weight) in output.iter_mut().zip(input).zip(weight) {
                        *output = x * *inverse * weight;
                    }
                }
            });
        });
    (tensor(output, [rows, columns]), tensor(inverses, [rows, 1]))
}

pub(crate) fn rms_backward(
    input: FlexTensor,
    weight: FlexTensor,
    inverse: FlexTensor,
    gradient: FlexTensor,
) -> (FlexTensor, FlexTensor) {
    let [rows, columns] = matrix(&input);
    assert_eq!(
        matrix(&gradient),
        [rows, columns],
        "a gradient as its input"
    );
    let (input, weight) = (contiguous(input), contiguous(weight));
    let (inverse, gradient) = (contiguous(inverse), contiguous(gradient));
    let mut to_input = unwritten(rows * columns);
    let chunk = ROWS_PER_CHUNK * columns.max(1);
    // Each chunk of rows sums its own share of the weight's gradient.
    let partial: Vec<[Vec<f32>; 1]> = to_input
        .par_chunks_mut(chunk)
        .zip(values(&input).par_chunks(chunk))
        .zip(values(&gradient).par_chunks(chunk))
        .zip(values(&inverse).par_chunks(ROWS_PER_CHUNK))
        .map(|(((to_input, input), gradient), inverse)| {
            let weight = values(&weight);
            let mut to_weight = vec![0.0; columns];
            vectorised(|| {
                let rows = to_input
                    .chunks_exact_mut(columns)
                    .zip(input.chunks_exact(columns));
                let rows = rows.zip(gradient.chunks_exact(columns)).zip(inverse);
                for (((to_input, input), gradient), &inverse) in rows {
                    for ((sum, &g), &x) in to_weight.iter_mut().zip(gradient).zip(input) {
                        *sum += g * (x * inverse);
                    }
                    for ((scaled, &g), &weight) in to_input.iter_mut().zip(gradient).zip(weight) {
                        *scaled = g * weight;
                    }
                    // The mean of scaled gradient times normalised input, times what normalises the input once more.
                    let mean = math::dot(to_input, input) / columns as f32;
                    let pull = mean * inverse * inverse;
                    for (value, &x) in to_input.iter_mut().zip(input) {
                        *value = (*value - x * pull) * inverse;
                    }
                }
            });
            [to_weight]
        })
        .collect();
    let [to_weight] = total(&partial, columns).map(|sum| tensor(sum, [columns]));
    (tensor(to_input, [rows, columns]), to_weight)
}
