//! Low-rank updates of linear layers, some rows at a time, so that what lies between the two factors never leaves the cache.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::buffer::{contiguous, matrix, owned, tensor, unwritten, values, vectorised};
use super::product::{Before, Matrix, Target, Threads, multiply};
use crate::{Dropout, LowRank};

/// Rows that one task handles, and whose share of the factors' gradients is summed apart.
const ROWS: usize = 256;

/// `into = factor * left * right`, or `+=`, by one thread.
fn product(left: Matrix<'_>, right: Matrix<'_>, factor: f32, into: &mut [f32], before: Before) {
    let columns = right.columns();
    assert_eq!(into.len(), left.rows() * columns, "size of a product");
    let target = Target::new(into, columns);
    // SAFETY: `into` holds the product exactly and is borrowed here alone.
    unsafe { multiply(left, right, factor, target, before, Threads::One) };
}

/// The input and the two factors, contiguous, with their sizes.
struct Inputs {
    input: FlexTensor,
    down: FlexTensor,
    up: FlexTensor,
    rows: usize,
    inner: usize,
    outer: usize,
    rank: usize,
}

impl Inputs {
    fn new(input: FlexTensor, down: FlexTensor, up: FlexTensor) -> Self {
        let ([rows, inner], [outer, rank]) = (matrix(&input), matrix(&up));
        assert_eq!(matrix(&down), [rank, inner], "factors that fit their layer");
        // Parts of nothing would be skipped and left unwritten.
        assert!(rank * inner * outer > 0, "factors of some size");
        Self {
            input: contiguous(input),
            down: contiguous(down),
            up: contiguous(up),
            rows,
            inner,
            outer,
            rank,
        }
    }

    fn down(&self) -> Matrix<'_> {
        Matrix::whole(values(&self.down), [self.rank, self.inner])
    }

    fn up(&self) -> Matrix<'_> {
        Matrix::whole(values(&self.up), [self.outer, self.rank])
    }
}

/// Multiplies rows, of which the first is number `first` of the batch, by their dropout factors.
fn drop_out(dropout: Dropout, first: usize, columns: usize, rows: &mut [f32]) {
    let (threshold, scale) = (dropout.threshold(), dropout.scale());
    vectorised(|| {
        for (row, values) in rows.chunks_exact_mut(columns).enumerate() {
            let key = dropout.row(first + row);
            for (column, value) in values.iter_mut().enumerate() {
                *value *= Dropout::factor(key, column as u32, threshold, scale);
            }
        }
    });
}

/// The rows of the input that part `part` works on, dropped out into `scratch` if need be.
fn dropped<'a>(
    call: LowRank,
    part: usize,
    columns: usize,
    input: &'a [f32],
    scratch: &'a mut Vec<f32>,
) -> &'a [f32] {
    let Some(dropout) = call.dropout else {
        return input;
    };
    scratch.clear();
    scratch.extend_from_slice(input);
    drop_out(dropout, part * ROWS, columns, scratch);
    scratch
}

/// The updated base, and the input times the first factor, `[rows, rank]`.
pub(crate) fn forward(
    base: FlexTensor,
    input: FlexTensor,
    down: FlexTensor,
    up: FlexTensor,
    call: LowRank,
) -> (FlexTensor, FlexTensor) {
    let inputs = Inputs::new(input, down, up);
    let &Inputs {
        rows,
        inner,
        outer,
        rank,
        ..
    } = &inputs;
    assert_eq!(matrix(&base), [rows, outer], "a base of the layer's size");
    let mut base = owned(base);
    let mut low = unwritten(rows * rank);
    base.storage_mut::<f32>()
        .par_chunks_mut(ROWS * outer)
        .zip(values(&inputs.input).par_chunks(ROWS * inner))
        .zip(low.par_chunks_mut(ROWS * rank))
        .enumerate()
        .for_each_init(Vec::new, |scratch, (part, ((base, input), low))| {
            let count = low.len() / rank;
            let input = dropped(call, part, inner, input, scratch);
            let input = Matrix::whole(input, [count, inner]);
            let down = inputs.down().transposed();
            product(input, down, 1.0, low, Before::Unwritten);
            let low = Matrix::whole(low, [count, rank]);
            let up = inputs.up().transposed();
            product(low, up, call.scale, base, Before::Addend);
        });
    (base, tensor(low, [rows, rank]))
}

/// Gradients of input and factors.
pub(crate) fn backward(
    input: FlexTensor,
    down: FlexTensor,
    up: FlexTensor,
    low: FlexTensor,
    gradient: FlexTensor,
    call: LowRank,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let inputs = Inputs::new(input, down, up);
    let &Inputs {
        rows,
        inner,
        outer,
        rank,
        ..
    } = &inputs;
    let (low, gradient) = (contiguous(low), contiguous(gradient));
    assert_eq!(matrix(&low), [rows, rank], "what the forward pass saved");
    assert_eq!(matrix(&gradient), [rows, outer], "a gradient of the base");
    let mut to_input = unwritten(rows * inner);
    let partial: Vec<[Vec<f32>; 2]> = to_input
        .par_chunks_mut(ROWS * inner)
        .zip(values(&inputs.input).par_chunks(ROWS * inner))
        .zip(values(&gradient).par_chunks(ROWS * outer))
        .zip(values(&low).par_chunks(ROWS * rank))
        .enumerate()
        .map_init(
            || (Vec::new(), Vec::new()),
            |(scratch, to_low), (part, (((to_input, input), gradient), low))| {
                let count = low.len() / rank;
                let gradient = Matrix::whole(gradient, [count, outer]);
                let low = Matrix::whole(low, [count, rank]);
                let mut to_up = unwritten(outer * rank);
                let transposed = gradient.transposed();
                product(transposed, low, call.scale, &mut to_up, Before::Unwritten);
                to_low.resize(count * rank, 0.0);
                product(gradient, inputs.up(), call.scale, to_low, Before::Unwritten);
                let to_low = Matrix::whole(to_low, [count, rank]);
                let input = dropped(call, part, inner, input, scratch);
                let input = Matrix::whole(input, [count, inner]);
                let mut to_down = unwritten(rank * inner);
                let transposed = to_low.transposed();
                product(transposed, input, 1.0, &mut to_down, Before::Unwritten);
                product(to_low, inputs.down(), 1.0, to_input, Before::Unwritten);
                if let Some(dropout) = call.dropout {
                    drop_out(dropout, part * ROWS, inner, to_input);
                }
                [to_down, to_up]
            },
        )
        .collect();
    let mut sums = [vec![0.0; rank * inner], vec![0.0; outer * rank]];
    for part in &partial {
        for (sum, part) in sums.iter_mut().zip(part) {
            for (sum, &value) in sum.iter_mut().zip(part) {
                *sum += value;
            }
        }
    }
    let [to_down, to_up] = sums;
    (
        tensor(to_input, [rows, inner]),
        tensor(to_down, [rank, inner]),
        tensor(to_up, [outer, rank]),
    )
}
