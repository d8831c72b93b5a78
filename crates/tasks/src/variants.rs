//! What zero-shot tasks have in common: what is known of variants, and scores that nothing is learned from.

use burn::tensor::{Tensor, TensorData};
use engraft_data::{Label, Labels};

use crate::error::{Error, Result, place};
use crate::metrics::{MetricError, VariantEffects};
use crate::network::Network;
use crate::objective::{Labelled, Loss};

/// What is known of each variant: 0 or 1, or a number that was measured.
///
/// # Errors
/// There are no labels, several for a row, or some that are no numbers.
pub(crate) fn effects(rows: &Labelled<'_>) -> Result<Vec<f32>> {
    match rows.labels()? {
        Labels::Numbers { names, rows } if names.len() == 1 => {
            Ok(rows.iter().flatten().map(|&number| number as f32).collect())
        }
        Labels::Classes(classes) => {
            let number = |(row, label): (usize, &Label)| {
                match label {
                Label::Index(class) => Ok(*class as f32),
                Label::Name(name) => name.parse().map_err(|_| Error::Row {
                    row: place(rows.examples, row),
                    problem: format!(
                        "the label {name:?} is no number: variants are scored against 0 and 1, or against numbers that were measured"
                    ),
                }),
            }
            };
            classes.iter().enumerate().map(number).collect()
        }
        labels => Err(Error::plain(format!(
            "the labels are {}, but variants are scored against one number each; name its column with data.y_col",
            labels.kind()
        ))),
    }
}

/// What is measured of rows, `values` of `width` each, where it is to be scored: with a loss that has no weight, as nothing is learned.
pub(crate) fn scored(values: Vec<f32>, width: usize, network: &Network) -> Loss {
    let device = network.device();
    let rows = values.len() / width.max(1);
    Loss {
        sum: Tensor::zeros([1], &device),
        weight: 0.0,
        outputs: Tensor::from_data(TensorData::new(values, [rows, width]), &device),
    }
}

/// Takes what was measured of rows, `[rows, measures]`, into the scores.
///
/// # Errors
/// Rows are of another width.
pub(crate) fn score(
    metrics: &mut VariantEffects,
    outputs: Tensor<2>,
    effects: &[f32],
) -> std::result::Result<(), MetricError> {
    let width = outputs.dims()[1].max(1);
    let values: Vec<f32> = outputs.into_data().iter::<f32>().collect();
    let mut rows = values.chunks_exact(width).zip(effects);
    rows.try_for_each(|(values, &effect)| metrics.update(values, effect))
}

/// Gives every byte of what is known of variants to `eat`.
pub(crate) fn digest(effects: &[f32], eat: &mut dyn FnMut(&[u8])) {
    effects.iter().for_each(|effect| eat(&effect.to_le_bytes()));
}

#[cfg(test)]
pub(crate) mod tests;
