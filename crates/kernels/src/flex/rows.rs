//! Operations on the rows of a matrix: dropout, sums, gathering, pooling, the loss.

use burn::backend::DType;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::buffer::{contiguous, matrix, owned, tensor, unwritten, values, vectorised};
use super::math;
use crate::plain::ROWS_PER_CHUNK;
use crate::{ClassTargets, Dropout, Segments};

pub(crate) fn dropout(input: FlexTensor, dropout: Dropout) -> FlexTensor {
    let [rows, columns] = matrix(&input);
    let input = contiguous(input);
    let mut output = unwritten(rows * columns);
    let (threshold, scale) = (dropout.threshold(), dropout.scale());
    let chunk = ROWS_PER_CHUNK * columns.max(1);
    output
        .par_chunks_mut(chunk)
        .zip(values(&input).par_chunks(chunk))
        .enumerate()
        .for_each(|(chunk, (output, input))| {
            vectorised(|| {
                let rows = output
                    .chunks_exact_mut(columns)
                    .zip(input.chunks_exact(columns));
                for (row, (output, input)) in rows.enumerate() {
                    let key = dropout.row(chunk * ROWS_PER_CHUNK + row);
                    for ((column, output), &value) in output.iter_mut().enumerate().zip(input) {
                        *output = value * Dropout::factor(key, column as u32, threshold, scale);
                    }
                }
            });
        });
    tensor(output, [rows, columns])
}

pub(crate) fn column_sum(input: FlexTensor) -> FlexTensor {
    let [_, columns] = matrix(&input);
    let input = contiguous(input);
    let partial: Vec<Vec<f32>> = values(&input)
        .par_chunks(ROWS_PER_CHUNK * columns.max(1))
        .map(|rows| {
            let mut sum = vec![0.0; columns];
            vectorised(|| {
                for row in rows.chunks_exact(columns) {
                    add(&mut sum, row);
                }
            });
            sum
        })
        .collect();
    let mut sum = vec![0.0; columns];
    for part in &partial {
        add(&mut sum, part);
    }
    tensor(sum, [columns])
}

#[inline(always)]
fn add(sum: &mut [f32], row: &[f32]) {
    for (sum, &value) in sum.iter_mut().zip(row) {
        *sum += value;
    }
}

/// Row numbers as the device's integers hold them.
fn numbers(rows: FlexTensor) -> Vec<usize> {
    let rows = contiguous(rows);
    let start = rows.layout().start_offset();
    let count = rows.layout().shape().num_elements();
    match rows.dtype() {
        DType::I64 => rows.storage::<i64>()[start..][..count]
            .iter()
            .map(|&row| row as usize)
            .collect(),
        _ => rows.storage::<i32>()[start..][..count]
            .iter()
            .map(|&row| row as usize)
            .collect(),
    }
}

pub(crate) fn gather(table: FlexTensor, rows: FlexTensor) -> FlexTensor {
    let columns = matrix(&table)[1];
    let table = contiguous(table);
    let rows = numbers(rows);
    let mut output = unwritten(rows.len() * columns);
    for (output, &row) in output.chunks_exact_mut(columns.max(1)).zip(&rows) {
        output.copy_from_slice(&values(&table)[row * columns..][..columns]);
    }
    tensor(output, [rows.len(), columns])
}

pub(crate) fn gather_backward(gradient: FlexTensor, rows: FlexTensor, count: usize) -> FlexTensor {
    let columns = matrix(&gradient)[1];
    let gradient = contiguous(gradient);
    let mut table = vec![0.0; count * columns];
    for (gradient, row) in values(&gradient)
        .chunks_exact(columns.max(1))
        .zip(numbers(rows))
    {
        add(&mut table[row * columns..][..columns], gradient);
    }
    tensor(table, [count, columns])
}

/// In place where nobody else holds the cache.
pub(crate) fn write(cache: FlexTensor, rows: &[usize], source: FlexTensor) -> FlexTensor {
    let columns = matrix(&cache)[1];
    let source = contiguous(source);
    let mut cache = owned(cache);
    let target = cache.storage_mut::<f32>();
    for (&row, source) in rows
        .iter()
        .zip(values(&source).chunks_exact(columns.max(1)))
    {
        target[row * columns..][..columns].copy_from_slice(source);
    }
    cache
}

pub(crate) fn shift(input: FlexTensor, segments: &Segments, offset: isize) -> FlexTensor {
    let [rows, columns] = matrix(&input);
    assert_eq!(rows, segments.total(), "a row for each of the segments'");
    let input = contiguous(input);
    let mut output = vec![0.0; rows * columns];
    for range in segments.iter() {
        // The part of a segment that stays inside it moves as a whole.
        let distance = offset.unsigned_abs().min(range.len());
        let kept = (range.len() - distance) * columns;
        let (from, to) = match offset {
            0.. => (range.start + distance, range.start),
            _ => (range.start, range.start + distance),
        };
        let source = &values(&input)[from * columns..][..kept];
        output[to * columns..][..kept].copy_from_slice(source);
    }
    tensor(output, [rows, columns])
}

pub(crate) fn segment_mean(input: FlexTensor, segments: &Segments) -> FlexTensor {
    let columns = matrix(&input)[1];
    let input = contiguous(input);
    let mut output = vec![0.0; segments.len() * columns];
    for (output, range) in output.chunks_exact_mut(columns.max(1)).zip(segments.iter()) {
        let share = 1.0 / range.len().max(1) as f32;
        for row in range {
            add(output, &values(&input)[row * columns..][..columns]);
        }
        for value in output {
            *value *= share;
        }
    }
    tensor(output, [segments.len(), columns])
}

pub(crate) fn segment_mean_backward(gradient: FlexTensor, segments: &Segments) -> FlexTensor {
    let columns = matrix(&gradient)[1];
    let gradient = contiguous(gradient);
    let mut output = unwritten(segments.total() * columns);
    for (gradient, range) in values(&gradient)
        .chunks_exact(columns.max(1))
        .zip(segments.iter())
    {
        let share = 1.0 / range.len().max(1) as f32;
        for row in range {
            for (output, &gradient) in output[row * columns..][..columns].iter_mut().zip(gradient) {
                *output = gradient * share;
            }
        }
    }
    tensor(output, [segments.total(), columns])
}

pub(crate) fn cross_entropy_backward(
    logits: FlexTensor,
    targets: &ClassTargets,
    gradient: FlexTensor,
) -> FlexTensor {
    let [rows, columns] = matrix(&logits);
    let (logits, gradient) = (contiguous(logits), contiguous(gradient));
    let scale = values(&gradient)[0];
    let mut output = unwritten(rows * columns);
    let pairs = output
        .par_chunks_mut(columns.max(1))
        .zip(values(&logits).par_chunks(columns.max(1)));
    pairs.enumerate().for_each(|(row, (output, logits))| {
        let weight = scale * targets.weight(row);
        vectorised(|| {
            let maximum = math::maximum(logits);
            for (output, &logit) in output.iter_mut().zip(logits) {
                *output = math::exp(logit - maximum);
            }
            let share = weight / math::sum(output);
            for value in output.iter_mut() {
                *value *= share;
            }
        });
        output[targets.classes[row] as usize] -= weight;
    });
    tensor(output, [rows, columns])
}
