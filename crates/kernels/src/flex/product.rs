//! Matrix products on slices, by the crate `gemm`.

use burn_flex::FlexTensor;
use rayon::current_num_threads;
use rayon::prelude::*;

use super::buffer::{matrix, tensor, unwritten, values};

/// A matrix inside a slice: element `(i, j)` stands at `start + i * row + j * column`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    start: usize,
    rows: usize,
    columns: usize,
    row: usize,
    column: usize,
}

impl<'a> Matrix<'a> {
    /// `[rows, columns]` row by row from `start`, each row `stride` elements after the one before.
    ///
    /// # Panics
    /// If the slice ends before the matrix does.
    pub(super) fn new(
        values: &'a [f32],
        start: usize,
        [rows, columns]: [usize; 2],
        stride: usize,
    ) -> Self {
        assert!(
            rows == 0 || columns == 0 || start + (rows - 1) * stride + columns <= values.len(),
            "matrix past its slice"
        );
        Self {
            values,
            start,
            rows,
            columns,
            row: stride,
            column: 1,
        }
    }

    /// The whole slice as `[rows, columns]`.
    pub(super) fn whole(values: &'a [f32], shape: [usize; 2]) -> Self {
        Self::new(values, 0, shape, shape[1])
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row: self.column,
            column: self.row,
            ..self
        }
    }
}

/// Where a product goes: `[rows, columns]` from `start`, rows `stride` apart.
///
/// A raw pointer, because several tasks write disjoint columns of one tensor at a time.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pointer: *mut f32,
    stride: usize,
}

// SAFETY: a target is only a place; `multiply` states what its users must ensure.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// The place of a `[rows, columns]` matrix in `values`.
    pub(super) fn new(values: &mut [f32], stride: usize) -> Self {
        Self {
            pointer: values.as_mut_ptr(),
            stride,
        }
    }

    /// The place `elements` further on.
    ///
    /// # Safety
    /// It must lie in the same slice.
    pub(super) unsafe fn offset(self, elements: usize) -> Self {
        // SAFETY: the caller's promise.
        let pointer = unsafe { self.pointer.add(elements) };
        Self { pointer, ..self }
    }

    /// Row `row`, of `columns` elements.
    ///
    /// # Safety
    /// The row lies in the slice, is initialised, and nobody else uses it meanwhile.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn row<'a>(self, row: usize, columns: usize) -> &'a mut [f32] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(row * self.stride), columns) }
    }
}

/// What is already in the target of a product.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing: it is overwritten.
    Unwritten,
    /// A matrix to add to.
    Addend,
}

/// Whether a product may use all threads or runs inside a task of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    One,
    All,
}

/// Products below this many multiplications are not worth waking other threads for.
const WORTH_THREADS: usize = 192 * 192 * 192;

/// `target = factor * left * right`, or `target += ...`.
///
/// # Safety
/// The target's `[left.rows, right.columns]` elements lie inside one live slice, and nobody else reads or writes them during the call.
///
/// # Panics
/// If the inner sizes differ.
pub(super) unsafe fn multiply(
    left: Matrix<'_>,
    right: Matrix<'_>,
    factor: f32,
    target: Target,
    before: Before,
    threads: Threads,
) {
    assert_eq!(left.columns, right.rows, "inner sizes of a product");
    if left.rows == 0 || right.columns == 0 {
        return;
    }
    let work = left
        .rows
        .saturating_mul(right.columns)
        .saturating_mul(left.columns);
    let threads = if threads == Threads::All && work >= WORTH_THREADS {
        current_num_threads()
    } else {
        1
    };
    let parallelism = if threads > 1 {
        gemm::Parallelism::Rayon(threads)
    } else {
        gemm::Parallelism::None
    };
    // SAFETY: both matrices were checked against their slices, the target is the caller's promise.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            target.pointer,
            1,
            target.stride as isize,
            before == Before::Addend,
            left.values.as_ptr().add(left.start),
            left.column as isize,
            left.row as isize,
            right.values.as_ptr().add(right.start),
            right.column as isize,
            right.row as isize,
            1.0,
            factor,
            false,
            false,
            false,
            parallelism,
        );
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
pub(crate) fn product(
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
