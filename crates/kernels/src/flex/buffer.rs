//! Between Burn's tensors on the CPU and slices of `f32`.

use burn::backend::DType;
use burn::tensor::{Bytes, Shape};
use burn_flex::{FlexTensor, Layout};
use rayon::prelude::*;

/// Elements that one task of an element-wise pass handles: enough to be worth a task, little enough to stay in the cache.
pub(super) const GRAIN: usize = 16_384;

/// The tensor with its elements in row order.
pub(crate) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

/// The tensor in row order from the first element of its storage, so that its storage is its values.
pub(super) fn owned(input: FlexTensor) -> FlexTensor {
    let input = contiguous(input);
    let exact = input.layout().start_offset() == 0
        && input.storage::<f32>().len() == input.layout().shape().num_elements();
    if exact {
        return input;
    }
    tensor(values(&input).to_vec(), input.layout().shape().clone())
}

/// The elements of a contiguous tensor.
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    let start = tensor.layout().start_offset();
    &tensor.storage::<f32>()[start..][..tensor.layout().shape().num_elements()]
}

/// The `[rows, columns]` of a matrix.
pub(super) fn matrix(tensor: &FlexTensor) -> [usize; 2] {
    let shape = tensor.layout().shape();
    [shape[0], shape[1]]
}

/// Whether a tensor is of single precision, which is what the kernels are written for.
pub(crate) fn is_f32(tensor: &FlexTensor) -> bool {
    tensor.dtype() == DType::F32
}

pub(super) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(shape.into()),
        DType::F32,
    )
}

/// A vector of `length` elements that the caller writes, every one, before anything reads them.
///
/// Clearing pages that are overwritten at once was a fifth of a training step.
#[allow(clippy::uninit_vec)]
pub(super) fn unwritten(length: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(length);
    // SAFETY: the capacity is `length`, every bit pattern is an `f32`, and each caller in this crate overwrites all elements.
    unsafe { values.set_len(length) };
    values
}

/// `f` of every element, in parallel.
pub(super) fn map(input: &FlexTensor, f: impl Fn(f32) -> f32 + Sync + Copy) -> FlexTensor {
    let source = values(input);
    let mut output = unwritten(source.len());
    output
        .par_chunks_mut(GRAIN)
        .zip(source.par_chunks(GRAIN))
        .for_each(|(output, source)| {
            vectorised(|| {
                for (output, &value) in output.iter_mut().zip(source) {
                    *output = f(value);
                }
            });
        });
    tensor(output, input.layout().shape().clone())
}

/// `f` of every pair of elements, in parallel.
pub(super) fn zip(
    left: &FlexTensor,
    right: &FlexTensor,
    f: impl Fn(f32, f32) -> f32 + Sync + Copy,
) -> FlexTensor {
    let (left_values, right_values) = (values(left), values(right));
    let mut output = unwritten(left_values.len());
    let sources = left_values
        .par_chunks(GRAIN)
        .zip(right_values.par_chunks(GRAIN));
    output
        .par_chunks_mut(GRAIN)
        .zip(sources)
        .for_each(|(output, (left, right))| {
            vectorised(|| {
                for ((output, &left), &right) in output.iter_mut().zip(left).zip(right) {
                    *output = f(left, right);
                }
            });
        });
    tensor(output, left.layout().shape().clone())
}

/// Runs `body` compiled for the widest vectors this processor has.
#[inline(always)]
pub(super) fn vectorised<R>(body: impl FnOnce() -> R) -> R {
    struct Body<F>(F);
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Body<F> {
        type Output = R;
        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Body(body))
}
