//! A block of queries of one sequence and head: the steps that every kind of attention is made of.

use burn_flex::FlexTensor;

use crate::attention::rounded_alibi;
use crate::flex::buffer::{contiguous, matrix, values, vectorised};
use crate::flex::math;
use crate::flex::product::{Before, Matrix, Target, Threads, multiply};
use crate::{Attention, Dropout, ScoreBias};

/// Query rows handled at once, which bounds a task's scratch memory to this many rows of scores.
const QUERY_BLOCK: usize = 128;

/// Query, key, value and bias table, contiguous, with the sizes they share.
pub(super) struct Inputs<'a> {
    pub(super) call: &'a Attention,
    pub(super) query: FlexTensor,
    pub(super) key: FlexTensor,
    pub(super) value: FlexTensor,
    /// Of a [`ScoreBias::Buckets`]; of no consequence without one.
    pub(super) table: FlexTensor,
    /// Width of one head.
    pub(super) dim: usize,
    /// Width of the queries' rows.
    pub(super) query_width: usize,
    /// Width of the keys' rows.
    pub(super) key_width: usize,
}

impl<'a> Inputs<'a> {
    pub(super) fn new(
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

    pub(super) fn heads_per_key(&self) -> usize {
        self.call.heads / self.call.key_value_heads
    }
}

/// A block of queries of one sequence and head, against all keys of the sequence.
pub(super) struct Block {
    pub(super) head: usize,
    /// First query row, in the batch.
    pub(super) row: usize,
    /// First query, in the sequence.
    pub(super) query: usize,
    /// Number of queries of the block.
    pub(super) count: usize,
    /// Number of queries of the sequence.
    pub(super) queries: usize,
    /// First key row, in the batch.
    pub(super) key_row: usize,
    /// Number of keys of the sequence.
    pub(super) keys: usize,
}

impl Block {
    /// The blocks of sequence `sequence` and `head`, in order.
    pub(super) fn of(call: &Attention, sequence: usize, head: usize) -> impl Iterator<Item = Self> {
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

    pub(super) fn query_matrix<'m>(&self, values: &'m [f32], inputs: &Inputs<'_>) -> Matrix<'m> {
        let start = self.row * inputs.query_width + self.head * inputs.dim;
        Matrix::new(values, start, [self.count, inputs.dim], inputs.query_width)
    }

    pub(super) fn key_matrix<'m>(&self, values: &'m [f32], inputs: &Inputs<'_>) -> Matrix<'m> {
        let start =
            self.key_row * inputs.key_width + self.head / inputs.heads_per_key() * inputs.dim;
        Matrix::new(values, start, [self.keys, inputs.dim], inputs.key_width)
    }

    /// Scores before cap and bias, `[count, keys]`.
    pub(super) fn scores(&self, inputs: &Inputs<'_>, scores: &mut [f32]) {
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
    pub(super) fn adjust(
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
            ScoreBias::RoundedAlibi { slopes, scale } => {
                let slope = slopes[self.head];
                for key in visible {
                    row[key] += rounded_alibi(slope, key, *scale);
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
    pub(super) fn relative(&self, index: usize, key: usize) -> i64 {
        (key + self.queries) as i64 - (self.query + index + self.keys) as i64
    }

    #[inline(always)]
    pub(super) fn visible(&self, inputs: &Inputs<'_>, index: usize) -> std::ops::Range<usize> {
        inputs
            .call
            .visible(self.query + index, self.queries, self.keys)
    }

    /// Multiplies the visible part of row `index` by its dropout factors.
    #[inline(always)]
    pub(super) fn drop(
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

    /// Turns row `index` of the scores into probabilities, dropped out; returns the logarithm of the sum of exponentials.
    #[inline(always)]
    pub(super) fn probabilities(&self, inputs: &Inputs<'_>, index: usize, row: &mut [f32]) -> f32 {
        let visible = self.visible(inputs, index);
        self.adjust(inputs, index, visible.clone(), row);
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
        self.drop(inputs, index, visible, row);
        maximum + sum.ln()
    }

    /// Turns scores into probabilities and their sums into values: writes the block's output and its rows' logarithms of sums.
    ///
    /// # Safety
    /// `output` and `log_sums` are whole tensors of the queries' rows, and nobody else touches the block's rows in its head's columns.
    pub(super) unsafe fn attend(
        &self,
        inputs: &Inputs<'_>,
        scores: &mut [f32],
        output: Target,
        log_sums: Target,
    ) {
        vectorised(|| {
            for (index, row) in scores.chunks_exact_mut(self.keys).enumerate() {
                let log_sum = self.probabilities(inputs, index, row);
                // SAFETY: the caller's promise; the head's column of a row lies inside `log_sums`.
                unsafe { log_sums.offset(self.head).row(self.row + index, 1)[0] = log_sum };
            }
        });
        let weights = Matrix::whole(scores, [self.count, self.keys]);
        let value = self.key_matrix(values(&inputs.value), inputs);
        // SAFETY: the caller's promise.
        unsafe {
            let target = output.offset(self.row * inputs.query_width + self.head * inputs.dim);
            multiply(weights, value, 1.0, target, Before::Unwritten, Threads::One);
        }
    }

    /// Turns scores into probabilities once more, from the sums of the forward pass, and writes a copy of them that is dropped out.
    pub(super) fn recompute(
        &self,
        inputs: &Inputs<'_>,
        log_sum: &FlexTensor,
        scores: &mut [f32],
        dropped: &mut [f32],
    ) {
        let rows = scores
            .chunks_exact_mut(self.keys)
            .zip(dropped.chunks_exact_mut(self.keys));
        vectorised(|| {
            for (index, (row, dropped)) in rows.enumerate() {
                let visible = self.visible(inputs, index);
                self.adjust(inputs, index, visible.clone(), row);
                let level = values(log_sum)[(self.row + index) * inputs.call.heads + self.head];
                row[..visible.start].fill(0.0);
                row[visible.end..].fill(0.0);
                for score in &mut row[visible.clone()] {
                    *score = math::exp(*score - level);
                }
                dropped.copy_from_slice(row);
                self.drop(inputs, index, visible, dropped);
            }
        });
    }

    /// Adds to the values' gradient, and replaces the dropped probabilities by their own gradient.
    ///
    /// # Safety
    /// `target` is the block's own place in the values' gradient.
    pub(super) unsafe fn to_values(
        &self,
        inputs: &Inputs<'_>,
        gradient: &FlexTensor,
        dropped: &mut [f32],
        target: Target,
        before: Before,
    ) {
        let gradient = self.query_matrix(values(gradient), inputs);
        let probabilities = Matrix::whole(dropped, [self.count, self.keys]).transposed();
        // SAFETY: the caller's promise.
        unsafe { multiply(probabilities, gradient, 1.0, target, before, Threads::One) };
        let value = self.key_matrix(values(&inputs.value), inputs).transposed();
        let target = Target::new(dropped, self.keys);
        // SAFETY: `dropped` holds `count * keys` elements and is borrowed here alone.
        unsafe {
            multiply(
                gradient,
                value,
                1.0,
                target,
                Before::Unwritten,
                Threads::One,
            )
        };
    }

    /// Turns probabilities into the gradient of the scores, from the gradient of the dropped probabilities.
    pub(super) fn to_scores(
        &self,
        inputs: &Inputs<'_>,
        [output, gradient]: [&FlexTensor; 2],
        probabilities: &mut [f32],
        to_dropped: &mut [f32],
    ) {
        let rows = probabilities
            .chunks_exact_mut(self.keys)
            .zip(to_dropped.chunks_exact_mut(self.keys));
        vectorised(|| {
            for (index, (row, dropped)) in rows.enumerate() {
                let visible = self.visible(inputs, index);
                self.drop(inputs, index, visible.clone(), dropped);
                let start = (self.row + index) * inputs.query_width + self.head * inputs.dim;
                let mean = math::dot(
                    &values(output)[start..][..inputs.dim],
                    &values(gradient)[start..][..inputs.dim],
                );
                let seen = row[visible.clone()].iter_mut().zip(&dropped[visible]);
                for (score, &gradient) in seen {
                    *score *= gradient - mean;
                }
            }
        });
    }

    /// Writes the queries' gradient and adds to the keys', from the gradient of the products.
    ///
    /// # Safety
    /// The targets are the block's own places in the two gradients.
    pub(super) unsafe fn to_query_and_key(
        &self,
        inputs: &Inputs<'_>,
        to_product: &[f32],
        [query_target, key_target]: [Target; 2],
        before: Before,
    ) {
        let to_product = Matrix::whole(to_product, [self.count, self.keys]);
        let key = self.key_matrix(values(&inputs.key), inputs);
        let query = self.query_matrix(values(&inputs.query), inputs);
        let scale = inputs.call.scale;
        // SAFETY: the caller's promise.
        unsafe {
            multiply(
                to_product,
                key,
                scale,
                query_target,
                Before::Unwritten,
                Threads::One,
            );
            let transposed = to_product.transposed();
            multiply(transposed, query, scale, key_target, before, Threads::One);
        }
    }
}
