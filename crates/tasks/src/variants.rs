//! What zero-shot tasks have in common: variants that are measured, and scored against what is known of them, while nothing is learned.

use std::fmt::Debug;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use engraft_data::{Cell, Label, Labels};
use engraft_models::Mode;

use crate::error::{Error, Result, place};
use crate::inputs::Inputs;
use crate::metrics::{MetricError, Scored, VariantEffects};
use crate::network::Network;
use crate::objective::{Comparison, Labelled, Learns, Loss, Objective, Reading};
use crate::observer::Observer;
use crate::output::{Form, Grain, RowOutput, number};
use crate::rows::{Draws, EncodedRow};
use crate::split::{Learning, learning};

/// How variants are measured.
pub(crate) trait Measure: Debug + Send + Sync + 'static {
    /// Which of what is computed for a batch is a row's.
    type Row: Send + 'static;

    /// What the scores of each measure of a layer are called: the area under the ROC curve, that under precision by recall, Spearman's
    /// correlation.
    const SCORES: &'static [[&'static str; 3]];

    /// How many layers are measured.
    fn layers(&self) -> usize {
        1
    }

    /// Which of them are scored.
    fn scored(&self) -> Scored {
        Scored {
            layers: self.layers(),
            first: 0,
        }
    }

    /// What a reference and its variant must be.
    fn comparison(&self) -> Comparison;

    /// What is computed for rows, each sequence once.
    fn inputs(&self, rows: Vec<EncodedRow>) -> (Inputs, Vec<Self::Row>);

    /// What is measured of each row: layer by layer, each measure.
    fn measured(&self, network: &Network, inputs: &Inputs, rows: &[Self::Row]) -> Vec<Vec<f32>>;

    /// The columns of what is measured.
    fn columns(&self) -> Vec<String>;
}

/// Variants by what is measured of them.
#[derive(Debug)]
pub(crate) struct Variants<M>(pub(crate) M);

impl<M: Measure> Objective for Variants<M> {
    fn predict(&self, network: &Network, rows: Vec<EncodedRow>) -> Vec<RowOutput> {
        let (inputs, rows) = self.0.inputs(rows);
        let measured = self.0.measured(network, &inputs, &rows).into_iter();
        let outputs = measured.enumerate().map(|(row, values)| RowOutput {
            row,
            shape: vec![values.len()],
            values,
        });
        outputs.collect()
    }

    fn reading(&self) -> Reading {
        Reading::Variants(self.0.comparison())
    }

    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

    fn grain(&self) -> Grain {
        Grain::Row
    }

    fn columns(&self, _form: Form, _width: usize) -> Vec<String> {
        self.0.columns()
    }

    fn cells(&self, _form: Form, output: &RowOutput) -> Vec<Cell> {
        output.values.iter().map(|&value| number(value)).collect()
    }

    fn has_largest(&self) -> bool {
        false
    }
}

impl<M: Measure> Learns for Variants<M> {
    /// What is known of each variant.
    type Targets = Vec<f32>;
    type BatchTargets = (Vec<M::Row>, Vec<f32>);
    type Metrics = VariantEffects;

    fn targets(&self, rows: &Labelled<'_>) -> Result<Vec<f32>> {
        effects(rows)
    }

    fn digest(&self, targets: &Vec<f32>, eat: &mut dyn FnMut(&[u8])) {
        targets.iter().for_each(|effect| eat(&effect.to_le_bytes()));
    }

    fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        targets: &Vec<f32>,
        _draws: Draws,
    ) -> (Inputs, Self::BatchTargets) {
        let (inputs, rows) = self.0.inputs(rows);
        let effects = numbers.iter().map(|&number| targets[number]).collect();
        (inputs, (rows, effects))
    }

    /// A loss that has no weight, as nothing is learned.
    fn loss(
        &self,
        network: &Network,
        inputs: &Inputs,
        (rows, _): &Self::BatchTargets,
        _mode: Mode,
    ) -> Loss {
        let device = network.device();
        let measured = self.0.measured(network, inputs, rows);
        let shape = [measured.len(), M::SCORES.len() * self.0.layers()];
        Loss {
            sum: Tensor::zeros([1], &device),
            weight: 0.0,
            outputs: Tensor::from_data(TensorData::new(measured.concat(), shape), &device),
        }
    }

    fn metrics(&self) -> VariantEffects {
        VariantEffects::new(M::SCORES, self.0.layers(), self.0.scored())
    }

    fn score(
        &self,
        metrics: &mut VariantEffects,
        outputs: Tensor<2>,
        (_, effects): &Self::BatchTargets,
        _observer: &mut dyn Observer,
    ) -> std::result::Result<(), MetricError> {
        let width = outputs.dims()[1].max(1);
        let values: Vec<f32> = outputs.into_data().iter::<f32>().collect();
        let mut rows = values.chunks_exact(width).zip(effects);
        rows.try_for_each(|(values, &effect)| metrics.update(values, effect))
    }
}

/// What is known of each variant: 0 or 1, or a number that was measured.
///
/// # Errors
/// There are no labels, several for a row, or some that are no numbers.
fn effects(rows: &Labelled<'_>) -> Result<Vec<f32>> {
    match rows.labels()? {
        Labels::Numbers { names, rows } if names.len() == 1 => {
            Ok(rows.iter().flatten().map(|&number| number as f32).collect())
        }
        Labels::Classes(classes) => {
            let number = |(row, label): (usize, &Label)| {
                let number = match label {
                    Label::Index(class) => Some(*class as f32),
                    Label::Name(name) => {
                        name.parse().ok().filter(|number: &f32| number.is_finite())
                    }
                };
                number.ok_or_else(|| Error::Row {
                    row: place(rows.examples, row),
                    problem: format!(
                        "the label {:?} is no number: variants are scored against 0 and 1, or against numbers that were measured",
                        label.to_string()
                    ),
                })
            };
            classes.iter().enumerate().map(number).collect()
        }
        labels => Err(Error::plain(format!(
            "the labels are {}, but variants are scored against one number each; name its column with data.y_col",
            labels.kind()
        ))),
    }
}

#[cfg(test)]
pub(crate) mod tests;
