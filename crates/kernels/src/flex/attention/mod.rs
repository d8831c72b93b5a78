//! Attention on the CPU: one task for each sequence and head, products inside, nothing of the scores' size kept.

mod block;
pub(crate) mod cached;
pub(crate) mod disentangled;

use burn_flex::FlexTensor;
use rayon::prelude::*;

use self::block::{Block, Inputs};
use super::buffer::{contiguous, matrix, tensor, unwritten, values, vectorised};
use super::math;
use super::product::{Before, Target};
use crate::{Attention, ScoreBias};

pub(crate) fn forward(
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
                // SAFETY: both are whole tensors, and this task alone has this sequence and head.
                unsafe { block.attend(&inputs, scratch, output_target, log_sum_target) };
            }
        });
    (
        tensor(output, [rows, inputs.query_width]),
        tensor(log_sums, [rows, call.heads]),
    )
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
pub(crate) fn backward(
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
    // The derivative of the cap needs the products, which the probabilities overwrite.
    let slopes = call.soft_cap.map(|cap| cap_slopes(scores, cap));
    block.recompute(inputs, log_sum, scores, gradients);
    // SAFETY: the caller gave the block's own places in the gradients.
    unsafe { block.to_values(inputs, gradient, gradients, value_target, before) };
    block.to_scores(inputs, [output, gradient], scores, gradients);
    if let ScoreBias::Buckets(buckets) = &call.bias {
        for (index, row) in scores.chunks_exact(keys).enumerate() {
            for key in block.visible(inputs, index) {
                to_table[buckets.of(block.relative(index, key)) * call.heads + block.head] +=
                    row[key];
            }
        }
    }
    for (score, slope) in scores.iter_mut().zip(slopes.into_iter().flatten()) {
        *score *= slope;
    }
    let targets = [query_target, key_target];
    // SAFETY: the caller gave the block's own places in the gradients.
    unsafe { block.to_query_and_key(inputs, scores, targets, before) };
}

/// The derivative of `cap tanh(score / cap)` at each score.
fn cap_slopes(scores: &[f32], cap: f32) -> Vec<f32> {
    let mut slopes = unwritten(scores.len());
    vectorised(|| {
        for (slope, &score) in slopes.iter_mut().zip(scores) {
            let tanh = math::tanh(score / cap);
            *slope = 1.0 - tanh * tanh;
        }
    });
    slopes
}
