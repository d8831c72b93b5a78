//! Linear layers of few rows, as token-by-token decoding has them: the weight streams from memory once, all threads share it, and each part
//! of it that is in a register serves several rows.
//!
//! There are two arrangements, both with the weight as checkpoints hold it, `[out, in]`, and no copy of it:
//! * up to [`FEW`] rows, vectors run along `in`: tiles of all rows by a few outputs, each element a dot product;
//! * up to [`SOME`] rows, vectors run along the rows: the input is transposed, and each number of the weight multiplies vectors of it.
//!
//! An element of the output is summed in one order over `in`, whatever the number of threads.

use std::borrow::Cow;

use burn_flex::FlexTensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::current_num_threads;
use rayon::prelude::*;

use super::buffer::{matrix, tensor, unwritten, values};
use super::product::{Target, product};

/// Rows up to which vectors run along `in`: 576 x 576 takes 99 us for 8 rows on one thread against 121 the other way, 146 against 120 for 16.
const FEW: usize = 8;

/// Rows up to which `gemm` is slower: 576 x 1536 takes 3.1 ms for 256 rows on one thread against its 3.5, 7.1 against 6.8 for 512.
const SOME: usize = 256;

/// Numbers of the transposed input, which should stay in the cache next to the processor while the weight passes.
const CACHED: usize = 400_000;

/// Outputs of a part are a multiple of this, which every height of a tile divides.
const GRAIN: usize = 48;

/// Weights times vectors of rows below which one thread is done before others have woken.
const WORTH_THREADS: usize = 128 * 1024;

/// `input * weight^T (+ bias)` of contiguous tensors `[rows, in]`, `[out, in]` and `[out]`.
pub(crate) fn linear(
    input: &FlexTensor,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
) -> FlexTensor {
    let ([rows, inner], [outputs, other]) = (matrix(input), matrix(weight));
    assert_eq!(inner, other, "inner sizes of a product");
    let long = rows > SOME || (rows > FEW && rows * inner > CACHED);
    if long || rows * inner * outputs == 0 {
        return product(input, false, weight, true, bias);
    }
    let arch = Arch::new();
    let mut arranged = Cow::Borrowed(values(input));
    if rows > FEW {
        let panels = Panels {
            input: values(input),
            inner,
        };
        arranged = Cow::Owned(arch.dispatch(panels));
    } else if !rows.is_power_of_two() {
        let length = rows.next_power_of_two() * inner;
        arranged.to_mut().resize(length, 0.0);
    }
    let mut output = unwritten(rows * outputs);
    let whole = Part {
        input: &arranged,
        rows,
        inner,
        weight: values(weight),
        bias: bias.map(values),
        output: Target::new(&mut output, outputs),
    };
    if inner * outputs * rows.div_ceil(FEW) < WORTH_THREADS {
        arch.dispatch(whole);
    } else {
        let share = outputs.div_ceil(4 * current_num_threads());
        let share = share.next_multiple_of(GRAIN);
        let parts = whole.weight.par_chunks(share * inner).enumerate();
        parts.for_each(|(part, weight)| {
            let first = part * share;
            arch.dispatch(Part {
                weight,
                bias: whole.bias.map(|bias| &bias[first..]),
                // SAFETY: column `first` of the first row lies inside `output`.
                output: unsafe { whole.output.offset(first) },
                ..whole
            });
        });
    }
    tensor(output, [rows, outputs])
}

/// The input transposed by panels: of two vectors of rows, the last one perhaps of one, each column by column and filled up with zeros.
struct Panels<'a> {
    input: &'a [f32],
    inner: usize,
}

impl WithSimd for Panels<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let rows = (self.input.len() / self.inner).next_multiple_of(S::F32_LANES);
        let mut panels = unwritten(rows * self.inner);
        let most = 2 * S::F32_LANES * self.inner;
        for (panel, input) in panels.chunks_mut(most).zip(self.input.chunks(most)) {
            if panel.len() == most {
                transpose::<S, 2>(input, self.inner, panel);
            } else {
                transpose::<S, 1>(input, self.inner, panel);
            }
        }
        panels
    }
}

/// At most `V` vectors of rows, column by column. A block goes over the stack, where sizes are known: 5 us for 32 x 576 against 13.
#[inline(always)]
fn transpose<S: Simd, const V: usize>(input: &[f32], inner: usize, panel: &mut [f32]) {
    const COLUMNS: usize = 16;
    let width = V * S::F32_LANES;
    let mut block = [[0.0; COLUMNS]; 32];
    for first in (0..inner).step_by(COLUMNS) {
        for (block, row) in block.iter_mut().zip(input.chunks_exact(inner)) {
            let row = &row[first..];
            match row.first_chunk() {
                Some(chunk) => *block = *chunk,
                None => block[..row.len()].copy_from_slice(row),
            }
        }
        let columns = panel[first * width..].chunks_exact_mut(width);
        for (column, output) in columns.take(COLUMNS).enumerate() {
            for row in 0..width {
                output[row] = block[row][column];
            }
        }
    }
}

/// Some outputs of a linear layer, for all rows.
#[derive(Clone, Copy)]
struct Part<'a> {
    /// Up to [`FEW`] rows `[rows, inner]` with rows of zeros up to a power of two, beyond that by [`Panels`].
    input: &'a [f32],
    rows: usize,
    inner: usize,
    /// `[outputs of the part, inner]`.
    weight: &'a [f32],
    /// From the part's first output.
    bias: Option<&'a [f32]>,
    /// From the part's first output; nobody else writes the part's columns.
    output: Target,
}

impl WithSimd for Part<'_> {
    type Output = ();

    /// The sums of a tile, and what they are made of, fit in the registers.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            match self.rows {
                1 => self.few::<S, 1, 8>(simd),
                2 => self.few::<S, 2, 8>(simd),
                3..=4 => self.few::<S, 4, 6>(simd),
                5..=FEW => self.few::<S, 8, 3>(simd),
                _ => self.some::<S, 12>(simd),
            }
        } else {
            match self.rows {
                1 => self.few::<S, 1, 8>(simd),
                2 => self.few::<S, 2, 4>(simd),
                3..=4 => self.few::<S, 4, 2>(simd),
                5..=FEW => self.few::<S, 8, 1>(simd),
                _ => self.some::<S, 6>(simd),
            }
        }
    }
}

impl Part<'_> {
    fn outputs(&self) -> usize {
        self.weight.len() / self.inner
    }

    fn bias(&self, output: usize) -> f32 {
        self.bias.map_or(0.0, |bias| bias[output])
    }

    /// Tiles of `R` rows by `N` outputs, then by one.
    #[inline(always)]
    fn few<S: Simd, const R: usize, const N: usize>(&self, simd: S) {
        let mut first = 0;
        while self.outputs() - first >= N {
            self.dots::<S, R, N>(simd, first);
            first += N;
        }
        while self.outputs() > first {
            self.dots::<S, R, 1>(simd, first);
            first += 1;
        }
    }

    /// `N` outputs of all rows, filled up to `R`.
    #[inline(always)]
    fn dots<S: Simd, const R: usize, const N: usize>(&self, simd: S, first: usize) {
        let Self { input, inner, .. } = *self;
        let weight = &self.weight[first * inner..];
        assert!(input.len() == R * inner && weight.len() >= N * inner);
        let next = weight.as_ptr().wrapping_add(N * inner);
        let mut sums = [[simd.splat_f32s(0.0); R]; N];
        let mut part = [simd.splat_f32s(0.0); R];
        let whole = inner / S::F32_LANES;
        for vector in 0..whole {
            let start = vector * S::F32_LANES;
            for (row, part) in part.iter_mut().enumerate() {
                // SAFETY: the input has `R` rows, and the vector ends inside one.
                *part = unsafe { vector_at::<S>(input.as_ptr().add(row * inner + start)) };
            }
            for (output, sums) in sums.iter_mut().enumerate() {
                prefetch(next.wrapping_add((vector * N + output) * S::F32_LANES));
                // SAFETY: the weight has `N` rows from here on, and the vector ends inside one.
                let weight = unsafe { vector_at::<S>(weight.as_ptr().add(output * inner + start)) };
                for (sum, &part) in sums.iter_mut().zip(&part) {
                    *sum = simd.mul_add_e_f32s(weight, part, *sum);
                }
            }
        }
        let rest = whole * S::F32_LANES..inner;
        if !rest.is_empty() {
            for (row, part) in part.iter_mut().enumerate() {
                *part = simd.partial_load_f32s(&input[row * inner..][rest.clone()]);
            }
            for (output, sums) in sums.iter_mut().enumerate() {
                let weight = simd.partial_load_f32s(&weight[output * inner..][rest.clone()]);
                for (sum, &part) in sums.iter_mut().zip(&part) {
                    *sum = simd.mul_add_e_f32s(weight, part, *sum);
                }
            }
        }
        // All of them, though rows of zeros are not needed: vectors that are picked by number are kept in memory, not in registers.
        let mut totals = [[0.0; N]; R];
        for (output, sums) in sums.into_iter().enumerate() {
            for (totals, sum) in totals.iter_mut().zip(sums) {
                totals[output] = simd.reduce_sum_f32s(sum) + self.bias(first + output);
            }
        }
        for (row, totals) in totals.iter().enumerate().take(self.rows) {
            // SAFETY: the row's `N` elements from the part's output `first` lie inside the output, and nobody else writes them.
            unsafe { self.output.offset(first).row(row, N) }.copy_from_slice(totals);
        }
    }

    /// Tiles of two vectors of rows by `N` outputs, then by one.
    #[inline(always)]
    fn some<S: Simd, const N: usize>(&self, simd: S) {
        let mut first = 0;
        while self.outputs() - first >= N {
            self.columns::<S, N>(simd, first);
            first += N;
        }
        while self.outputs() > first {
            self.columns::<S, 1>(simd, first);
            first += 1;
        }
    }

    /// `N` outputs of all rows. The weight comes from memory with the first panel and stays in the cache for the others.
    #[inline(always)]
    fn columns<S: Simd, const N: usize>(&self, simd: S, first: usize) {
        let most = 2 * S::F32_LANES;
        let mut row = 0;
        for panel in self.input.chunks(most * self.inner) {
            if panel.len() == most * self.inner {
                self.tile::<S, 2, N>(simd, first, row, panel);
            } else {
                self.tile::<S, 1, N>(simd, first, row, panel);
            }
            row += most;
        }
    }

    /// `N` outputs of the rows of one panel.
    #[inline(always)]
    fn tile<S: Simd, const V: usize, const N: usize>(
        &self,
        simd: S,
        first: usize,
        row: usize,
        panel: &[f32],
    ) {
        let inner = self.inner;
        let weight = &self.weight[first * inner..];
        let vectors = S::as_simd_f32s(panel).0.as_chunks::<V>().0;
        assert!(vectors.len() == inner && weight.len() >= N * inner);
        let next = weight.as_ptr().wrapping_add(N * inner);
        let mut sums = [[simd.splat_f32s(0.0); V]; N];
        for (column, vectors) in vectors.iter().enumerate() {
            if row == 0 {
                prefetch(next.wrapping_add(column * N));
            }
            for (output, sums) in sums.iter_mut().enumerate() {
                // SAFETY: the weight has `N` rows from here on, and `column` is less than their length.
                let weight = unsafe { *weight.as_ptr().add(output * inner + column) };
                let weight = simd.splat_f32s(weight);
                for (sum, &vector) in sums.iter_mut().zip(vectors) {
                    *sum = simd.mul_add_e_f32s(weight, vector, *sum);
                }
            }
        }
        let width = V * S::F32_LANES;
        let mut block = [[0.0; 32]; N];
        for (output, (block, sums)) in block.iter_mut().zip(sums).enumerate() {
            let bias = simd.splat_f32s(self.bias(first + output));
            let (block, _) = S::as_mut_simd_f32s(&mut block[..width]);
            for (block, sum) in block.iter_mut().zip(sums) {
                *block = simd.add_f32s(sum, bias);
            }
        }
        for index in 0..width.min(self.rows - row) {
            // SAFETY: the row's `N` elements from the part's output `first` lie inside the output, and nobody else writes them.
            let target = unsafe { self.output.offset(first).row(row + index, N) };
            for (target, block) in target.iter_mut().zip(&block) {
                *target = block[index];
            }
        }
    }
}

/// The vector that begins at `pointer`.
///
/// # Safety
/// A vector's numbers may be read from there.
#[inline(always)]
unsafe fn vector_at<S: Simd>(pointer: *const f32) -> S::f32s {
    // SAFETY: the caller's promise; nothing is assumed of the alignment.
    unsafe { pointer.cast::<S::f32s>().read_unaligned() }
}

/// Asks for a part of the weight before its turn comes: what is used together lies in several rows, too short to be foreseen. 16 GB/s by
/// one thread against 11.
#[inline(always)]
fn prefetch(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which reads nothing and accepts any address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
