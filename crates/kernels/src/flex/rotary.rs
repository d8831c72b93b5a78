//! Rotary positions, a row at a time.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::buffer::{contiguous, matrix, tensor, unwritten, values, vectorised};
use crate::RotaryLayout;
use crate::plain::ROWS_PER_CHUNK;

pub(crate) fn rotary(
    input: FlexTensor,
    cos: FlexTensor,
    sin: FlexTensor,
    heads: usize,
    layout: RotaryLayout,
) -> FlexTensor {
    let [rows, columns] = matrix(&input);
    let [angle_rows, angles] = matrix(&cos);
    let dim = columns / heads;
    assert!(
        rows == angle_rows && matrix(&sin) == matrix(&cos) && 2 * angles <= dim,
        "angles for every row, and no more than pairs of channels"
    );
    let (input, cos, sin) = (contiguous(input), contiguous(cos), contiguous(sin));
    let mut output = unwritten(rows * columns);
    if rows * columns == 0 {
        return tensor(output, [rows, columns]);
    }
    let chunk = ROWS_PER_CHUNK * columns;
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
                    let start = (chunk * ROWS_PER_CHUNK + row) * angles;
                    let cos = &values(&cos)[start..][..angles];
                    let sin = &values(&sin)[start..][..angles];
                    let heads = output.chunks_exact_mut(dim).zip(input.chunks_exact(dim));
                    for (output, input) in heads {
                        let (rotated, kept) = output.split_at_mut(2 * angles);
                        let (input, rest) = input.split_at(2 * angles);
                        match layout {
                            RotaryLayout::Halves => halves(rotated, input, cos, sin),
                            RotaryLayout::Interleaved => interleaved(rotated, input, cos, sin),
                        }
                        kept.copy_from_slice(rest);
                    }
                }
            });
        });
    tensor(output, [rows, columns])
}

#[inline(always)]
fn halves(output: &mut [f32], input: &[f32], cos: &[f32], sin: &[f32]) {
    let (first, second) = output.split_at_mut(cos.len());
    let (x, y) = input.split_at(cos.len());
    let outputs = first.iter_mut().zip(second);
    for (((first, second), (&x, &y)), (&cos, &sin)) in
        outputs.zip(x.iter().zip(y)).zip(cos.iter().zip(sin))
    {
        *first = x * cos - y * sin;
        *second = y * cos + x * sin;
    }
}

#[inline(always)]
fn interleaved(output: &mut [f32], input: &[f32], cos: &[f32], sin: &[f32]) {
    let (outputs, inputs) = (output.as_chunks_mut::<2>().0, input.as_chunks::<2>().0);
    for ((output, &[x, y]), (&cos, &sin)) in outputs.iter_mut().zip(inputs).zip(cos.iter().zip(sin))
    {
        *output = [x * cos - y * sin, y * cos + x * sin];
    }
}
