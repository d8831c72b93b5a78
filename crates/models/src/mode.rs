//! Whether a forward pass trains or evaluates.

use burn::tensor::Tensor;
use engraft_kernels::{Dropout, Key, dropout};

/// Whether a forward pass drops activations out, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is dropped.
    Evaluate,
    /// Dropout draws under this key, which each layer refines.
    Train(Key),
}

impl Mode {
    /// The mode one level deeper, for part number `coordinate`.
    pub fn at(self, coordinate: u64) -> Self {
        match self {
            Self::Evaluate => Self::Evaluate,
            Self::Train(key) => Self::Train(key.with(coordinate)),
        }
    }

    /// The dropout that an operation should do by itself, if any.
    pub(crate) fn rate(self, rate: f64) -> Option<Dropout> {
        match self {
            Self::Train(key) if rate > 0.0 => Some(Dropout {
                rate: rate as f32,
                key,
            }),
            _ => None,
        }
    }

    /// Drops out elements of `[rows, columns]`.
    pub(crate) fn dropout(self, input: Tensor<2>, rate: f64) -> Tensor<2> {
        match self.rate(rate) {
            Some(rate) => dropout(input, rate),
            None => input,
        }
    }
}
