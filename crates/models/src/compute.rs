//! Where work is done, and in what.

use burn::tensor::{DType, Device};

/// Where work is done, and in which numbers: decided once, when a run or a library call begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Compute {
    /// What computes.
    pub device: Device,
    /// The numbers that weights are rounded to; activations are 32-bit floats.
    pub dtype: DType,
}

impl Compute {
    /// All cores of the CPU, in 32-bit floats.
    pub fn cpu() -> Self {
        Self {
            device: Device::flex(),
            dtype: DType::F32,
        }
    }
}
