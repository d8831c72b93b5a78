//! Attention on the CPU: one task for each sequence and head, products inside, nothing of the scores' size kept.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::buffer::{contiguous, matrix, tensor, unwritten, values, vectorised};
use super::math;
use super::product::{Before, Matrix, Target, Threads, multiply};
use crate::{Attention, Dropout, ScoreBias};

/// Query rows handled at once, which bounds a task's scratch memory to this many rows of scores.
const QUERY_BLOCK: usize = 128;

/// Query, key, value and bias table, contiguous, with the sizes they share.
struct Inputs<'a> {
    call: &'a Attention,
    query: FlexTensor,
    key: FlexTensor,
    value: FlexTensor,
    table: FlexTensor,
    /// Width of one head.
    dim: usize,
    /// Width of the queries' rows.
    query_width: usize,
    /// Width of the keys' rows.
    key_width: usize,
}

impl<'a> Inputs<'a> {
    fn new(
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        table: FlexTensor,
        call: &'a Attention,
    ) -> Self {
        let (query_width, key_width) = (matrix(&query)[1], matrix(&key)[1]);
        Self {
            call,
            query: contiguous(query),
            key: contiguous(key),
            value: contiguous(value),
            table: contiguous(table),
            dim: query_width / call.heads,
            query_width,
            key_width,
        }
    }

    fn heads_per_key(&self) -> usize {
        self.call.heads / self.call.key_value_heads
    }
}

/// A block of queries of one sequence and head, against all keys of the sequence.
struct Block {
    head: usize,
    /// First query row, in the batch.
    row: usize,
    /// First query, in the sequence.
    query: usize,
    /// Number of queries of the block.
    count: usize,
    /// Number of queries of the sequence.
    queries: usize,
    /// First key row, in the batch.
    key_row: usize,
    /// Number of keys of the sequence.
    keys: usize,
}

impl Block {
    /// The blocks of sequence `sequence` and `head`, in order.
    fn of(call: &Attention, sequence: usize, head: usize) -> impl Iterator<Item = Self> {
        let (queries, keys) = (
            call.query_segments.range(sequence),
            call.key_segments.range(sequence),
        );
        (0..queries.len())
            .step_by(QUERY_BLOCK)
            .map(move |query| Self {
                head,
                row: queries.start + query,
                query,
                count: QUERY_BLOCK.min(queries.len() - query),
                queries: queries.len(),
                key_row: keys.start,
                keys: keys.len(),
            })
    }

    fn query_matrix<'m>(&self, values: &'m [f32], inputs: &Inputs<'_>) -> Matrix<'m> {
        let start = self.row * inputs.query_width + self.head * inputs.dim;
        Matrix::new(values, start, [self.count, inputs.dim], inputs.query_width)
    }

    fn key_matrix<'m>(&self, values: &'m [f32], inputs: &Inputs<'_>) -> Matrix<'m> {
        let start =
            self.key_row * inputs.key_width + self.head / inputs.heads_per_key() * inputs.dim;
        Matrix::new(values, start, [self.keys, inputs.dim], inputs.key_width)
    }

    /// Scores before cap and bias, `[count, keys]`.
    fn scores(&self, inputs: &Inputs<'_>, scores: &mut [f32]) {
        let query = self.query_matrix(values(&inputs.query), inputs);
        let key = self.key_matrix(values(&inputs.key), inputs).transposed();
        let target = Target::new(scores, self.keys);
        // SAFETY: `scores` holds `count * keys` elements and is borrowed here alone.
        unsafe {
            multiply(
                query,
                key,
                inputs.call.scale,
                target,
                Before::Unwritten,
                Threads::One,
            )
        };
    }

    /// Applies cap and bias to the visible part of one row of scores.
    #[inline(always)]
    fn adjust(
        &self,
        inputs: &Inputs<'_>,
        index: usize,
        visible: std::ops::Range<usize>,
        row: &mut [f32],
    ) {
        if let Some(cap) = inputs.call.soft_cap {
            for score in &mut row[visible.clone()] {
                *score = cap * math::tanh(*score / cap);
            }
        }
        match &inputs.call.bias {
            ScoreBias::None => {}
            ScoreBias::Alibi(slopes) => {
                let slope = slopes[self.head];
                for key in visible {
                    row[key] -= slope * self.relative(index, key).abs() as f32;
                }
            }
            ScoreBias::Buckets(buckets) => {
                let table = values(&inputs.table);
                for key in visible {
                    row[key] += table
                        [buckets.of(self.relative(index, key)) * inputs.call.heads + self.head];
                }
            }
        }
    }

    /// Key position less query position.
    #[inline(always)]
    fn relative(&self, index: usize, key: usize) -> i64 {
        (key + self.queries) as i64 - (self.query + index + self.keys) as i64
    }

    #[inline(always)]
    fn visible(&self, inputs: &Inputs<'_>, index: usize) -> std::ops::Range<usize> {
        inputs
            .call
            .visible(self.query + index, self.queries, self.keys)
    }

    /// Multiplies the visible part of row `index` by its dropout factors.
    #[inline(always)]
    fn drop(
        &self,
        inputs: &Inputs<'_>,
        index: usize,
        visible: std::ops::Range<usize>,
        row: &mut [f32],
    ) {
        if let Some(dropout) = inputs.call.dropout {
            let (threshold, scale) = (dropout.threshold(), dropout.scale());
            let key = dropout.row(inputs.call.dropout_row(self.row + index, self.head));
            for (column, value) in visible.clone().zip(&mut row[visible]) {
                *value *= Dropout::factor(key, column as u32, threshold, scale);
            }
        }
    }
}

pub(super) fn forward(
    query: FlexTensor,
    key: FlexTensor,
    value: FlexTensor,
    table: FlexTensor,
    call: &Attention,
) -> (FlexTensor, FlexTensor) {
    let inputs = Inputs::new(query, key, value, table, call);
    let rows = matrix(&inputs.query)[0];
    let mut output = vec![0.0; rows * inputs.query_width];
    let mut log_sums = vec![0.0; rows * call.heads];
    let output_target = Target::new(&mut output, inputs.query_width);
    let log_sum_target = Target::new(&mut log_sums, call.heads);
    let tasks = call.query_segments.len() * call.heads;
    (0..tasks)
        .into_par_iter()
        .for_each_init(Vec::new, |scratch, task| {
            for block in Block::of(call, task / call.heads, task % call.heads) {
                if block.keys == 0 {
                    continue;
                }
                scratch.resize(block.count * block.keys, 0.0);
                block.scores(&inputs, scratch);
                vectorised(|| {
                    for (index, row) in scratch.chunks_exact_mut(block.keys).enumerate() {
                        let log_sum = probabilities(&block, &inputs, index, row);
                        // SAFETY: inside `log_sums`; this task alone writes this sequence's and head's element.
                        unsafe {
                            log_sum_target.offset(block.head).row(block.row + index, 1)[0] = log_sum
                        };
                    }
                });
                let weights = Matrix::whole(scratch, [block.count, block.keys]);
                let value = block.key_matrix(values(&inputs.value), &inputs);
                // SAFETY: the block's rows and the head's columns lie inside `output`, and only this task touches them.
                unsafe {
                    let target = output_target
                        .offset(block.row * inputs.query_width + block.head * inputs.dim);
                    multiply(weights, value, 1.0, target, Before::Unwritten, Threads::One);
                }
            }
        });
    (
        tensor(output, [rows, inputs.query_width]),
        tensor(log_sums, [rows, call.heads]),
    )
}

/// Turns a row of scores into probabilities, dropped out; returns the logarithm of the sum of exponentials.
#[inline(always)]
fn probabilities(block: &Block, inputs: &Inputs<'_>, index: usize, row: &mut [f32]) -> f32 {
    let visible = block.visible(inputs, index);
    block.adjust(inputs, index, visible.clone(), row);
    row[..visible.start].fill(0.0);
    row[visible.end..].fill(0.0);
    let seen = &mut row[visible.clone()];
    if seen.is_empty() {
        return 0.0;
    }
    let maximum = math::maximum(seen);
    for score in seen.iter_mut() {
        *score = math::exp(*score - maximum);
    }
    let sum = math::sum(seen);
    let share = 1.0 / sum;
    for weight in seen.iter_mut() {
        *weight *= share;
    }
    block.drop(inputs, index, visible, row);
    maximum + sum.ln()
}

/// What the backward pass of one task works with, reused from task to task.
#[derive(Default)]
struct Scratch {
    /// Probabilities, then the gradient of the scores.
    scores: Vec<f32>,
    /// Gradient of the probabilities.
    gradients: Vec<f32>,
}

#[allow(clippy::too_many_arguments)]
pub(super) fn backward(
    query: FlexTensor,
    key: FlexTensor,
    value: FlexTensor,
    table: FlexTensor,
    output: FlexTensor,
    log_sum: FlexTensor,
    gradient: FlexTensor,
    call: &Attention,
) -> (FlexTensor, FlexTensor, FlexTensor, FlexTensor) {
    let inputs = Inputs::new(query, key, value, table, call);
    let (output, log_sum, gradient) = (
        contiguous(output),
        contiguous(log_sum),
        contiguous(gradient),
    );
    let (rows, key_rows) = (matrix(&inputs.query)[0], matrix(&inputs.key)[0]);
    // Cleared, not merely allocated: sequences without keys or queries are never written.
    let mut to_query = vec![0.0; rows * inputs.query_width];
    let mut to_key = vec![0.0; key_rows * inputs.key_width];
    let mut to_value = vec![0.0; key_rows * inputs.key_width];
    let [query_target, key_target, value_target] = [
        Target::new(&mut to_query, inputs.query_width),
        Target::new(&mut to_key, inputs.key_width),
        Target::new(&mut to_value, inputs.key_width),
    ];
    let table_size = if matches!(call.bias, ScoreBias::Buckets(_)) {
        values(&inputs.table).len()
    } else {
        0
    };

    // One task for each sequence and key head: the query heads that share a key head add up in order.
    let tasks = call.query_segments.len() * call.key_value_heads;
    let tables: Vec<Vec<f32>> = (0..tasks)
        .into_par_iter()
        .map_init(Scratch::default, |scratch, task| {
            let (sequence, key_head) = (task / call.key_value_heads, task % call.key_value_heads);
            let mut to_table = vec![0.0; table_size];
            let mut before = Before::Unwritten;
            for head in key_head * inputs.heads_per_key()..(key_head + 1) * inputs.heads_per_key() {
                for block in Block::of(call, sequence, head) {
                    if block.keys == 0 {
                        continue;
                    }
                    let places = (
                        block.row * inputs.query_width + head * inputs.dim,
                        block.key_row * inputs.key_width + key_head * inputs.dim,
                    );
                    // SAFETY: the places lie inside the three gradients; this task alone writes the sequence's rows in the key head's
                    // columns, and the query head belongs to no other key head.
                    let targets = unsafe {
                        [
                            query_target.offset(places.0),
                            key_target.offset(places.1),
                            value_target.offset(places.1),
                        ]
                    };
                    block_backward(
                        &block,
                        &inputs,
                        [&output, &log_sum, &gradient],
                        scratch,
                        targets,
                        before,
                        &mut to_table,
                    );
                    before = Before::Addend;
                }
            }
            to_table
        })
        .collect();

    let mut to_table = vec![0.0; values(&inputs.table).len()];
    for part in &tables {
        for (sum, &value) in to_table.iter_mut().zip(part) {
            *sum += value;
        }
    }
    let table_shape = inputs.table.layout().shape().clone();
    (
        tensor(to_query, [rows, inputs.query_width]),
        tensor(to_key, [key_rows, inputs.key_width]),
        tensor(to_value, [key_rows, inputs.key_width]),
        tensor(to_table, table_shape),
    )
}

/// The gradients that one block contributes; `before` tells whether the keys' gradients hold something already.
fn block_backward(
    block: &Block,
    inputs: &Inputs<'_>,
    [output, log_sum, gradient]: [&FlexTensor; 3],
    scratch: &mut Scratch,
    [query_target, key_target, value_target]: [Target; 3],
    before: Before,
    to_table: &mut [f32],
) {
    let (call, keys) = (inputs.call, block.keys);
    let Scratch { scores, gradients } = scratch;
    scores.resize(block.count * keys, 0.0);
    gradients.resize(block.count * keys, 0.0);
    block.scores(inputs, scores);
    // The derivative of the cap needs the capped scores, which the probabilities overwrite.
    let mut slopes = call.soft_cap.map(|_| unwritten(scores.len()));
    vectorised(|| {
        for (index, row) in scores.chunks_exact_mut(keys).enumerate() {
            let visible = block.visible(inputs, index);
            if let (Some(cap), Some(slopes)) = (call.soft_cap, &mut slopes) {
                for (slope, &score) in slopes[index * keys..].iter_mut().zip(row.iter()) {
                    let tanh = math::tanh(score / cap);
                    *slope = 1.0 - tanh * tanh;
                }
            }
            block.adjust(inputs, index, visible.clone(), row);
            let level = values(log_sum)[(block.row + index) * call.heads + block.head];
            row[..visible.start].fill(0.0);
            row[visible.end..].fill(0.0);
            for score in &mut row[visible.clone()] {
                *score = math::exp(*score - level);
            }
            let dropped = &mut gradients[index * keys..][..keys];
            dropped.copy_from_slice(row);
            block.drop(inputs, index, visible, dropped);
        }
    });

    let gradient_matrix = block.query_matrix(values(gradient), inputs);
    let dropped = Matrix::whole(gradients, [block.count, keys]);
    // SAFETY: the caller gave the block's own places in the gradients.
    unsafe {
        multiply(
            dropped.transposed(),
            gradient_matrix,
            1.0,
            value_target,
            before,
            Threads::One,
        )
    };
    let value = block.key_matrix(values(&inputs.value), inputs).transposed();
    let target = Target::new(gradients, keys);
    // SAFETY: `gradients` holds `count * keys` elements and is borrowed here alone.
    unsafe {
        multiply(
            gradient_matrix,
            value,
            1.0,
            target,
            Before::Unwritten,
            Threads::One,
        )
    };

    vectorised(|| {
        for (index, (row, dropped)) in scores
            .chunks_exact_mut(keys)
            .zip(gradients.chunks_exact_mut(keys))
            .enumerate()
        {
            let visible = block.visible(inputs, index);
            block.drop(inputs, index, visible.clone(), dropped);
            let start = (block.row + index) * inputs.query_width + block.head * inputs.dim;
            let mean = math::dot(
                &values(output)[start..][..inputs.dim],
                &values(gradient)[start..][..inputs.dim],
            );
            for (score, &gradient) in row[visible.clone()]
                .iter_mut()
                .zip(&dropped[visible.clone()])
            {
                *score *= gradient - mean;
            }
            if let ScoreBias::Buckets(buckets) = &call.bias {
                for key in visible {
                    to_table[buckets.of(block.relative(index, key)) * call.heads + block.head] +=
                        row[key];
                }
            }
            if let Some(slopes) = &slopes {
                for (score, &slope) in row.iter_mut().zip(&slopes[index * keys..]) {
                    *score *= slope;
                }
            }
        }
    });

    let to_scores = Matrix::whole(scores, [block.count, keys]);
    let key = block.key_matrix(values(&inputs.key), inputs);
    let query = block.query_matrix(values(&inputs.query), inputs);
    // SAFETY: the caller gave the block's own places in the gradients.
    unsafe {
        multiply(
            to_scores,
            key,
            call.scale,
            query_target,
            Before::Unwritten,
            Threads::One,
        );
        multiply(
            to_scores.transposed(),
            query,
            call.scale,
            key_target,
            before,
            Threads::One,
        );
    }
}
