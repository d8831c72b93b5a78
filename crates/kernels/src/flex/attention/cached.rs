//! Attention of single queries to rows of a cache: keys and values are read once, in the order they lie in memory, for all query heads
//! that share them.

use std::ops::Range;

use burn_flex::FlexTensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::current_num_threads;
use rayon::prelude::*;

use crate::attention::rounded_alibi;
use crate::flex::buffer::{contiguous, matrix, tensor, unwritten, values};
use crate::flex::math;
use crate::{CachedAttention, ScoreBias};

/// Keys whose values are added to an output at a time, which spares it as many trips through memory.
const KEYS: usize = 4;

/// Numbers of keys and values below which one thread is done before others have woken.
const WORTH_THREADS: usize = 64 * 1024;

pub(crate) fn forward(
    query: FlexTensor,
    keys: FlexTensor,
    cache: FlexTensor,
    table: FlexTensor,
    call: &CachedAttention,
) -> FlexTensor {
    let ([rows, width], [_, key_width]) = (matrix(&query), matrix(&keys));
    let (query, keys, cache) = (contiguous(query), contiguous(keys), contiguous(cache));
    let mut output = unwritten(rows * width);
    if output.is_empty() {
        return tensor(output, [rows, width]);
    }
    let seen: usize = call.ranges.iter().map(ExactSizeIterator::len).sum();
    let table = contiguous(table);
    let buckets = Behind::new(values(&table), call);
    let parallel = 2 * seen * key_width >= WORTH_THREADS;
    // All key heads in one task read whole rows; one each is for too few rows to keep the threads busy.
    let parts = if parallel && rows < 2 * current_num_threads() {
        call.key_value_heads
    } else {
        1
    };
    let share = width / parts;
    let attend = |scratch: &mut Vec<f32>, task: usize, output: &mut [f32]| {
        let (row, part) = (task / parts, task % parts);
        Arch::new().dispatch(Heads {
            call,
            buckets: &buckets,
            range: call.ranges[row].clone(),
            first: part * call.heads / parts,
            dim: width / call.heads,
            key_width,
            query: &values(&query)[row * width + part * share..][..share],
            keys: values(&keys),
            values: values(&cache),
            scores: scratch,
            output,
        });
    };
    if parallel {
        let tasks = output.par_chunks_mut(share).enumerate();
        tasks.for_each_init(Vec::new, |scratch, (task, output)| {
            attend(scratch, task, output);
        });
    } else {
        let mut scratch = Vec::new();
        for (task, output) in output.chunks_mut(share).enumerate() {
            attend(&mut scratch, task, output);
        }
    }
    tensor(output, [rows, width])
}

/// The values of a table of buckets for keys behind the query.
struct Behind<'a> {
    /// `[buckets, heads]`.
    table: &'a [f32],
    /// The bucket of each distance, up to one from which on all share the last.
    buckets: Vec<usize>,
}

impl<'a> Behind<'a> {
    fn new(table: &'a [f32], call: &CachedAttention) -> Self {
        let longest = call.ranges.iter().map(ExactSizeIterator::len).max();
        let buckets = match call.bias {
            ScoreBias::Buckets(rule) => {
                let distances = longest.unwrap_or(0).clamp(1, rule.max_distance + 1);
                (0..distances as i64).map(|it| rule.of(-it)).collect()
            }
            _ => Vec::new(),
        };
        Self { table, buckets }
    }

    #[inline(always)]
    fn of(&self, distance: usize, head: usize, heads: usize) -> f32 {
        let bucket = self.buckets[distance.min(self.buckets.len() - 1)];
        self.table[bucket * heads + head]
    }
}

/// Some neighbouring heads of one query.
struct Heads<'a> {
    call: &'a CachedAttention,
    buckets: &'a Behind<'a>,
    range: Range<usize>,
    /// Number of the first head.
    first: usize,
    dim: usize,
    /// Width of the caches' rows.
    key_width: usize,
    /// Of these heads.
    query: &'a [f32],
    /// The whole cache.
    keys: &'a [f32],
    /// The whole cache.
    values: &'a [f32],
    /// Room for the heads' scores, `[heads, keys]`.
    scores: &'a mut Vec<f32>,
    /// Of these heads.
    output: &'a mut [f32],
}

impl WithSimd for Heads<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.output.fill(0.0);
        let count = self.range.len();
        if count == 0 {
            return;
        }
        let heads = self.query.len() / self.dim;
        let mut scores = std::mem::take(self.scores);
        scores.resize(count * heads, 0.0);
        for (key, row) in self.range.clone().enumerate() {
            for (index, query) in self.query.chunks_exact(self.dim).enumerate() {
                let keys = &self.keys[self.place(row, index)..][..self.dim];
                scores[index * count + key] = self.call.scale * dot(simd, query, keys);
            }
        }
        for (index, scores) in scores.chunks_exact_mut(count).enumerate() {
            self.probabilities(self.first + index, scores);
        }
        for first in (0..count).step_by(KEYS) {
            let row = self.range.start + first;
            for index in 0..heads {
                let output = index * self.dim..(index + 1) * self.dim;
                let values = &self.values[self.place(row, index)..];
                let weights = &scores[index * count..][first..count];
                let output = &mut self.output[output];
                match weights.first_chunk::<KEYS>() {
                    Some(weights) => add(simd, output, weights, values, self.key_width),
                    None => {
                        for (key, &weight) in weights.iter().enumerate() {
                            let values = &values[key * self.key_width..];
                            add(simd, output, &[weight], values, self.key_width);
                        }
                    }
                }
            }
        }
        *self.scores = scores;
    }
}

/// The sum of products.
#[inline(always)]
fn dot<S: Simd>(simd: S, left: &[f32], right: &[f32]) -> f32 {
    let (left, left_rest) = S::as_simd_f32s(left);
    let (right, right_rest) = S::as_simd_f32s(right);
    let mut sum = simd.splat_f32s(0.0);
    for (&left, &right) in left.iter().zip(right) {
        sum = simd.mul_add_e_f32s(left, right, sum);
    }
    if !left_rest.is_empty() {
        let (left, right) = (left_rest, right_rest);
        let (left, right) = (simd.partial_load_f32s(left), simd.partial_load_f32s(right));
        sum = simd.mul_add_e_f32s(left, right, sum);
    }
    simd.reduce_sum_f32s(sum)
}

/// Adds `N` vectors, `stride` apart in `values`, each times its weight.
#[inline(always)]
fn add<S: Simd, const N: usize>(
    simd: S,
    output: &mut [f32],
    weights: &[f32; N],
    values: &[f32],
    stride: usize,
) {
    let mut splat = [simd.splat_f32s(0.0); N];
    let mut vectors: [&[S::f32s]; N] = [&[]; N];
    let mut rests: [&[f32]; N] = [&[]; N];
    for key in 0..N {
        splat[key] = simd.splat_f32s(weights[key]);
        (vectors[key], rests[key]) = S::as_simd_f32s(&values[key * stride..][..output.len()]);
    }
    let (output, rest) = S::as_mut_simd_f32s(output);
    for (column, output) in output.iter_mut().enumerate() {
        let mut sum = *output;
        for key in 0..N {
            sum = simd.mul_add_e_f32s(splat[key], vectors[key][column], sum);
        }
        *output = sum;
    }
    for (column, output) in rest.iter_mut().enumerate() {
        for key in 0..N {
            *output += weights[key] * rests[key][column];
        }
    }
}

impl Heads<'_> {
    /// Where the part of cache row `row` begins that belongs to head `index` of these.
    #[inline(always)]
    fn place(&self, row: usize, index: usize) -> usize {
        let group = self.call.heads / self.call.key_value_heads;
        row * self.key_width + (self.first + index) / group * self.dim
    }

    /// Turns the scores of a head into probabilities.
    #[inline(always)]
    fn probabilities(&self, head: usize, scores: &mut [f32]) {
        if let Some(cap) = self.call.soft_cap {
            for score in scores.iter_mut() {
                *score = cap * math::tanh(*score / cap);
            }
        }
        match &self.call.bias {
            ScoreBias::None => {}
            ScoreBias::Buckets(_) => {
                for (score, distance) in scores.iter_mut().rev().zip(0..) {
                    *score += self.buckets.of(distance, head, self.call.heads);
                }
            }
            ScoreBias::Alibi(slopes) => {
                let distances = (0..scores.len()).rev();
                for (score, distance) in scores.iter_mut().zip(distances) {
                    *score -= slopes[head] * distance as f32;
                }
            }
            ScoreBias::RoundedAlibi { slopes, scale } => {
                for (position, score) in scores.iter_mut().enumerate() {
                    *score += rounded_alibi(slopes[head], position, *scale);
                }
            }
        }
        let maximum = math::maximum(scores);
        for score in scores.iter_mut() {
            *score = math::exp(*score - maximum);
        }
        let share = 1.0 / math::sum(scores);
        for score in scores.iter_mut() {
            *score *= share;
        }
    }
}
