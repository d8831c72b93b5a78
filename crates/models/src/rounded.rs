//! Weights rounded to numbers of fewer bits.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Tensor, TensorData};

/// A module with each weight rounded to the nearest number that `dtype` has, of two as near the even one; products are computed in 32-bit
/// floats all the same. Nothing is done for 32-bit floats.
pub fn rounded<M: Module>(module: M, dtype: DType) -> M {
    match dtype {
        DType::BF16 => module.map(&mut Rounder),
        _ => module,
    }
}

struct Rounder;

impl ModuleMapper for Rounder {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let device = tensor.device();
            let data = tensor.into_data();
            let shape = data.shape().clone();
            let values: Vec<f32> = data.iter::<f32>().map(to_bf16).collect();
            Tensor::from_data(TensorData::new(values, shape), &device)
        })
    }
}

/// The nearest number with the upper 16 bits of a 32-bit float alone.
fn to_bf16(value: f32) -> f32 {
    if !value.is_finite() {
        return value;
    }
    let bits = value.to_bits();
    // Half of what is left out, less one where what stays is even: a tie goes to the even one.
    let half = 0x7fff + ((bits >> 16) & 1);
    f32::from_bits(bits.wrapping_add(half) & 0xffff_0000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest_and_ties_to_the_even_one() {
        let ulp = 1.0 / 128.0;
        assert_eq!(to_bf16(1.0), 1.0);
        assert_eq!(to_bf16(1.0 + ulp * 0.5), 1.0);
        assert_eq!(to_bf16(1.0 + ulp * 1.5), 1.0 + ulp * 2.0);
        assert_eq!(to_bf16(1.0 + ulp * 0.51), 1.0 + ulp);
        assert_eq!(to_bf16(-1.0 - ulp * 0.51), -1.0 - ulp);
        assert_eq!(to_bf16(0.1), 0.100_097_656);
        assert!(to_bf16(f32::NAN).is_nan());
    }
}
