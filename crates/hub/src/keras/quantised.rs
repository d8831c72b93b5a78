//! Kernels that Keras stored as whole numbers of 8 bits with a scale for each output.

use std::collections::BTreeMap;
use std::ops::Range;

use safetensors::Dtype;

use super::h5::{DataPlace, DataSet};

/// A kernel and its scales: a weight is its whole number divided by the scale of its output, as `q = round(w * scale)`.
#[derive(Debug)]
pub(super) struct Scaled {
    /// The whole numbers within the file, row by row.
    values: Range<usize>,
    /// The scales, 32-bit floats.
    scales: Range<usize>,
    /// Whether there is one for each row, of as many numbers; else they repeat from row to row.
    row: Option<usize>,
}

impl Scaled {
    /// The weights as 32-bit floats, of the bytes of the file.
    pub(super) fn weights(&self, file: &[u8]) -> Vec<u8> {
        let bytes = |range: &Range<usize>| file.get(range.clone()).unwrap_or_default();
        let scales = bytes(&self.scales).as_chunks().0.iter();
        let scales: Vec<f32> = scales.map(|scale| f32::from_le_bytes(*scale)).collect();
        let values = bytes(&self.values).iter().enumerate();
        let weights = values.flat_map(|(at, value)| {
            let output = match self.row {
                Some(length) => at / length.max(1),
                None => at % scales.len().max(1),
            };
            let scale = scales.get(output).copied().unwrap_or(f32::NAN);
            (f32::from(value.cast_signed()) / scale).to_le_bytes()
        });
        weights.collect()
    }
}

/// Puts kernels of whole numbers together with their scales, which are data sets after them in the same group: the last, or in an embedding each the
/// next. The others are then numbered as if there were none.
///
/// # Errors
/// A kernel without scales that fit it.
pub(super) fn join(sets: Vec<DataSet>) -> Result<Vec<DataSet>, String> {
    let mut groups: BTreeMap<String, BTreeMap<usize, DataSet>> = BTreeMap::new();
    let mut joined = Vec::new();
    for set in sets {
        let (group, number) = set.path.rsplit_once('/').unwrap_or(("", &set.path));
        match number.parse() {
            Ok(number) => {
                let group = groups.entry(group.to_owned()).or_default();
                group.insert(number, set);
            }
            Err(_) => joined.push(set),
        }
    }
    for (group, mut sets) in groups {
        if !sets.values().any(|set| set.dtype == Dtype::I8) {
            joined.extend(sets.into_values());
            continue;
        }
        let is_embedding = group.contains("embedding");
        let mut number = 0;
        while let Some((first, set)) = sets.pop_first() {
            let path = format!("{group}/{number}");
            number += 1;
            let (DataPlace::File(values), Dtype::I8) = (&set.place, set.dtype) else {
                joined.push(DataSet { path, ..set });
                continue;
            };
            let scale = if is_embedding {
                sets.remove(&(first + 1))
            } else {
                sets.pop_last().map(|(_, scale)| scale)
            };
            let by_row = is_embedding && first == 0;
            let fits = |scale: &DataSet| scale.dtype == Dtype::F32 && fits(scale, &set, by_row);
            let Some(DataPlace::File(scales)) = scale.filter(fits).map(|scale| scale.place) else {
                return Err(format!(
                    "{}: 8-bit whole numbers without a scale for each output behind them",
                    set.path
                ));
            };
            joined.push(DataSet {
                path,
                dtype: Dtype::F32,
                place: DataPlace::Scaled(Scaled {
                    values: values.clone(),
                    scales,
                    row: by_row.then(|| set.shape.iter().skip(1).product()),
                }),
                shape: set.shape,
            });
        }
    }
    Ok(joined)
}

/// Whether scales are one for each row of a kernel, or for each number of the dimensions that come last.
fn fits(scale: &DataSet, kernel: &DataSet, by_row: bool) -> bool {
    let shape: Vec<usize> = scale
        .shape
        .iter()
        .copied()
        .skip_while(|size| *size == 1)
        .collect();
    if by_row {
        kernel.shape.first() == shape.first() && shape.len() == 1
    } else {
        kernel.shape.ends_with(&shape)
    }
}
