//! Rotary positions, by looking up each channel's partner and angle.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};

use super::{matrix, row, upload, upload_rows, zeros};
use crate::RotaryLayout;

pub(crate) fn rotary<B: Backend>(
    input: FloatTensor<B>,
    cos: FloatTensor<B>,
    sin: FloatTensor<B>,
    heads: usize,
    layout: RotaryLayout,
) -> FloatTensor<B> {
    let [rows, columns] = matrix::<B>(&input);
    let angles = cos.shape()[1];
    let dim = columns / heads;
    let channels: Vec<Channel> = (0..columns)
        .map(|column| Channel::of(column, dim, angles, layout))
        .collect();
    // Channels that stay read an angle of zero from one more column.
    let zero = zeros::<B>([rows, 1], &input);
    let one = B::float_add_scalar(zero.clone(), 1f32.into());
    let spread = |table: FloatTensor<B>, more: FloatTensor<B>| {
        let indices = upload_rows::<B>(channels.iter().map(|channel| channel.angle), &input);
        B::float_select(B::float_cat(vec![table, more], 1), 1, indices)
    };
    let partners = upload_rows::<B>(channels.iter().map(|channel| channel.partner), &input);
    let signs = channels.iter().map(|channel| channel.sign).collect();
    let signs = row::<B>(upload::<B>(signs, [columns], &input));
    let turned = B::float_mul(B::float_select(input.clone(), 1, partners), signs);
    B::float_add(
        B::float_mul(input.clone(), spread(cos, one)),
        B::float_mul(turned, spread(sin, zero)),
    )
}

/// What one channel of the output is made of: `x[channel] cos[angle] + sign x[partner] sin[angle]`.
struct Channel {
    partner: usize,
    sign: f32,
    angle: usize,
}

impl Channel {
    fn of(column: usize, dim: usize, angles: usize, layout: RotaryLayout) -> Self {
        let inside = column % dim;
        let (angle, second, step) = match layout {
            _ if inside >= 2 * angles => {
                return Self {
                    partner: column,
                    sign: 0.0,
                    angle: angles,
                };
            }
            RotaryLayout::Halves => (inside % angles, inside >= angles, angles),
            RotaryLayout::Interleaved => (inside / 2, inside % 2 == 1, 1),
        };
        if second {
            Self {
                partner: column - step,
                sign: 1.0,
                angle,
            }
        } else {
            Self {
                partner: column + step,
                sign: -1.0,
                angle,
            }
        }
    }
}
