//! One tensor of a checkpoint, as its file stores it.

use std::borrow::Cow;

use half::{bf16, f16};
use safetensors::Dtype;

use crate::pieces::Piece;
use crate::{Error, Result, Weights};

/// A tensor within a file that stays open.
#[derive(Debug, Clone, Copy)]
pub struct TensorRef<'a> {
    pub(crate) file: &'a str,
    pub(crate) name: &'a str,
    pub(crate) dtype: Dtype,
    pub(crate) shape: &'a [usize],
    /// How many numbers apart neighbours lie along each dimension; none when the numbers lie row by row without gaps.
    pub(crate) strides: Option<&'a [usize]>,
    /// From the first number to the last; both may be the same, and others may lie between.
    pub(crate) bytes: &'a [u8],
    /// What it is put together from, where it lies nowhere as a whole.
    pub(crate) pieces: Option<Pieces<'a>>,
}

/// What a tensor is put together from; what none of them covers is zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pieces<'a> {
    pub(crate) weights: &'a Weights,
    pub(crate) pieces: &'a [Piece],
}

impl<'a> TensorRef<'a> {
    /// Its name in the file.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The file it lies in, for messages.
    pub fn file(&self) -> &'a str {
        self.file
    }

    /// The type of its numbers.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Its shape, outermost dimension first; empty for a single number.
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// Its numbers row by row, least significant byte first: as the file stores them, or gathered when it stores them in
    /// another order, as PyTorch's and Keras's files may.
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        if let Some(Pieces { weights, pieces }) = self.pieces {
            let size = self.dtype.bitsize() / 8;
            let mut whole = vec![0; self.shape.iter().product::<usize>() * size];
            for piece in pieces {
                let source = weights.bytes_of(piece).unwrap_or_default();
                piece.moved.carry(source, &mut whole, size);
            }
            return Cow::Owned(whole);
        }
        match self.strides {
            None => Cow::Borrowed(self.bytes),
            Some(strides) => Cow::Owned(self.gather(strides)),
        }
    }

    /// Its numbers as 32-bit floats, row by row; F64 is rounded to the nearest.
    ///
    /// # Errors
    ///
    /// [`Error::Dtype`] when they are of another type than F32, F16, BF16 or F64.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        match self.dtype {
            Dtype::F32 => Ok(self.numbers(f32::from_le_bytes)),
            Dtype::F16 => Ok(self.numbers(|bytes| f16::from_le_bytes(bytes).to_f32())),
            Dtype::BF16 => Ok(self.numbers(|bytes| bf16::from_le_bytes(bytes).to_f32())),
            Dtype::F64 => Ok(self.numbers(|bytes| f64::from_le_bytes(bytes) as f32)),
            _ => Err(Error::Dtype {
                file: self.file.to_owned(),
                tensor: self.name.to_owned(),
                dtype: self.dtype.to_string(),
            }),
        }
    }

    /// Whether another tensor has the same shape and, as 32-bit floats, the same numbers.
    ///
    /// # Errors
    ///
    /// Those of [`Self::to_f32`], where the two are of different types.
    pub fn equals(&self, other: &TensorRef<'_>) -> Result<bool> {
        if self.shape != other.shape {
            return Ok(false);
        }
        if self.dtype == other.dtype {
            let is_itself = self.pieces.is_none()
                && std::ptr::eq(self.bytes, other.bytes)
                && self.strides == other.strides;
            return Ok(is_itself || self.bytes() == other.bytes());
        }
        Ok(self.to_f32()? == other.to_f32()?)
    }

    /// How many of its numbers are infinite or not numbers as 32-bit floats; zero for types that have none.
    pub fn non_finite(&self) -> usize {
        let bytes = self.bytes();
        let count = |finite: &dyn Fn(&[u8]) -> bool, size| {
            bytes.chunks_exact(size).filter(|n| !finite(n)).count()
        };
        // All bits of the exponent set means infinite or not a number, in each of these formats.
        match self.dtype {
            Dtype::F32 => bytes
                .as_chunks()
                .0
                .iter()
                .filter(|bytes| u32::from_le_bytes(**bytes) & 0x7f80_0000 == 0x7f80_0000)
                .count(),
            Dtype::F16 => count(&|n| matches!(n, [_, high] if high & 0x7c != 0x7c), 2),
            Dtype::BF16 => count(
                &|n| matches!(n, [low, high] if high & 0x7f != 0x7f || low & 0x80 == 0),
                2,
            ),
            Dtype::F64 => self
                .numbers(|bytes| f64::from_le_bytes(bytes) as f32)
                .iter()
                .filter(|n| !n.is_finite())
                .count(),
            _ => 0,
        }
    }

    fn numbers<const SIZE: usize>(&self, read: impl Fn([u8; SIZE]) -> f32) -> Vec<f32> {
        self.bytes()
            .as_chunks()
            .0
            .iter()
            .map(|bytes| read(*bytes))
            .collect()
    }

    /// The numbers in the order of their indices, of which the last runs fastest.
    fn gather(&self, strides: &[usize]) -> Vec<u8> {
        let size = self.dtype.bitsize() / 8;
        let count: usize = self.shape.iter().product();
        let mut gathered = Vec::with_capacity(count * size);
        let mut index = vec![0; self.shape.len()];
        let mut at = 0;
        for _ in 0..count {
            gathered.extend_from_slice(self.bytes.get(at..at + size).unwrap_or_default());
            // To the next index, as an odometer turns: a dimension at its end begins anew and its neighbour takes a step.
            let dimensions = index.iter_mut().zip(self.shape).zip(strides).rev();
            for ((index, length), stride) in dimensions {
                *index += 1;
                at += stride * size;
                if *index < *length {
                    break;
                }
                at -= *index * stride * size;
                *index = 0;
            }
        }
        gathered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(dtype: Dtype, bytes: &[u8]) -> TensorRef<'_> {
        TensorRef {
            file: "model.safetensors",
            name: "w",
            dtype,
            shape: &[],
            strides: None,
            bytes,
            pieces: None,
        }
    }

    #[test]
    fn each_floating_type_reads_as_the_same_numbers() {
        let numbers = [1.0f32, -2.5, 0.0, 65504.0];
        let f32s: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let f64s: Vec<u8> = numbers
            .iter()
            .flat_map(|n| f64::from(*n).to_le_bytes())
            .collect();
        let f16s: Vec<u8> = numbers
            .iter()
            .flat_map(|n| f16::from_f32(*n).to_le_bytes())
            .collect();
        assert_eq!(tensor(Dtype::F32, &f32s).to_f32().unwrap(), numbers);
        assert_eq!(tensor(Dtype::F64, &f64s).to_f32().unwrap(), numbers);
        assert_eq!(tensor(Dtype::F16, &f16s).to_f32().unwrap(), numbers);
        let bf16s: Vec<u8> = [1.0f32, -2.5]
            .iter()
            .flat_map(|n| bf16::from_f32(*n).to_le_bytes())
            .collect();
        assert_eq!(tensor(Dtype::BF16, &bf16s).to_f32().unwrap(), [1.0, -2.5]);
    }

    #[test]
    fn numbers_in_another_order_are_gathered_row_by_row() {
        let stored: Vec<u8> = (0..24u16).flat_map(u16::to_le_bytes).collect();
        let gathered = |shape: &[usize], strides: &[usize]| -> Vec<u16> {
            let tensor = TensorRef {
                shape,
                strides: Some(strides),
                ..tensor(Dtype::U16, &stored)
            };
            let bytes = tensor.bytes();
            let numbers = bytes.as_chunks().0.iter();
            numbers.map(|bytes| u16::from_le_bytes(*bytes)).collect()
        };
        assert_eq!(gathered(&[3, 2], &[1, 3]), [0, 3, 1, 4, 2, 5]);
        assert_eq!(gathered(&[2, 3], &[12, 2]), [0, 2, 4, 12, 14, 16]);
        assert_eq!(gathered(&[2, 2, 2], &[0, 1, 6]), [0, 6, 1, 7, 0, 6, 1, 7]);
        assert_eq!(gathered(&[], &[]), [0]);
    }

    #[test]
    fn a_type_that_is_not_floating_is_refused_by_the_tensors_name() {
        let message = tensor(Dtype::I64, &[0; 8])
            .to_f32()
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("tensor \"w\" has the type I64"),
            "{message}"
        );
    }

    #[test]
    fn infinite_numbers_and_not_numbers_are_counted_in_every_type() {
        let numbers = [
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            3.0e38,
            -0.0,
            1e-40,
        ];
        let f32s: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let bf16s: Vec<u8> = numbers
            .iter()
            .flat_map(|n| bf16::from_f32(*n).to_le_bytes())
            .collect();
        let f64s: Vec<u8> = numbers
            .iter()
            .flat_map(|n| f64::from(*n).to_le_bytes())
            .collect();
        assert_eq!(tensor(Dtype::F32, &f32s).non_finite(), 3);
        assert_eq!(tensor(Dtype::BF16, &bf16s).non_finite(), 3);
        assert_eq!(tensor(Dtype::F64, &f64s).non_finite(), 3);
        let f16s: Vec<u8> = [f32::NAN, 65504.0, -1.0]
            .iter()
            .flat_map(|n| f16::from_f32(*n).to_le_bytes())
            .collect();
        assert_eq!(tensor(Dtype::F16, &f16s).non_finite(), 1);
        assert_eq!(tensor(Dtype::U8, &[255]).non_finite(), 0);
    }
}
