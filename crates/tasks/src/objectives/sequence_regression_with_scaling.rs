//! One or several numbers from 0 on for each row, from tokens that are no special ones.

use std::sync::Arc;

use engraft_component::{Component, Refusal};
use engraft_data::{Compat, Labels};
use engraft_models::{Adapter, BoxedHead, Checkpoint, RunFile};

use super::sequence_regression::{Numbers, check_outputs};
use crate::backbone::BackboneSlot;
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::learned::Learned;
use crate::objective::{Basis, Objective, TaskArguments};
use crate::output::RowOutput;
use crate::preset::OfRun;

/// Assigns one or several numbers from 0 on to each sequence, as a mean load of ribosomes is.
///
/// The head reads all tokens but special ones, and learns numbers of mean 0 and deviation 1 over the training rows, by their squared
/// errors, whether or not the data module normalises. Predictions and metrics are in the units of the data, and what would be below 0 is 0.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.SequenceRegressionWithScaling")]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    loss_func = "the loss is the mean of squares",
))]
pub struct SequenceRegressionWithScaling {
    /// The pretrained encoder.
    pub backbone: BackboneSlot,
    /// The head on tokens that are no special ones; ResNet1DAdapter is made for it.
    #[arg(default = Adapter::default())]
    pub adapter: Adapter,
    /// Numbers of a row, each a column of the data.
    #[arg(default = 1)]
    pub num_outputs: usize,
    /// Only false: the checkpoint's own head reads special tokens.
    #[arg(default = false)]
    pub use_legacy_adapter: bool,
    /// `mgen`: as in ModelGenerator, epoch 0 only counts: its steps move the schedule on, and no weight.
    pub compat: Option<Compat>,
}

impl TaskArguments for SequenceRegressionWithScaling {
    /// In the units of the data, one for each output.
    type Prediction = Vec<f32>;
    const DATA_MODULE: &'static str = "SequenceRegressionDataModule";

    fn of_run(&self, run: &RunFile, labels: Option<&Labels>) -> Result<OfRun> {
        let Some([mean, deviation]) = run.scaler()? else {
            let problem = format!(
                "{} has no scaler._mean and scaler._std, so it is of no SequenceRegressionWithScaling",
                run.name()
            );
            return Err(Refusal::plain(problem)
                .help("A run of SequenceRegression has none")
                .into());
        };
        let numbered = || (0..self.num_outputs).map(|number| number.to_string());
        let names = match labels {
            Some(Labels::Numbers { names, .. }) => names.clone(),
            _ => numbered().collect(),
        };
        Ok(OfRun {
            learned: Some(Learned {
                labels: Some(names),
                means: Some(vec![mean; self.num_outputs]),
                deviations: Some(vec![deviation; self.num_outputs]),
                ..Learned::default()
            }),
            taken: Some(format!("the scaler (mean {mean}, deviation {deviation})")),
            note: None,
        })
    }

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            adapter: Adapter::default(),
            num_outputs: 1,
            use_legacy_adapter: false,
            compat: None,
        }
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        let skips_first_epoch = self.compat == Some(Compat::Mgen);
        let numbers = Numbers::with_scaling(self.num_outputs, skips_first_epoch, basis)?;
        Ok(Arc::new(numbers))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        loading.adapter_at_sites(&self.adapter)
    }

    fn prediction(_objective: &dyn Objective, output: RowOutput) -> Vec<f32> {
        output.values
    }

    fn backbone(&self) -> &BackboneSlot {
        &self.backbone
    }

    fn backbone_mut(&mut self) -> &mut BackboneSlot {
        &mut self.backbone
    }

    fn compat_mut(&mut self) -> Option<&mut Option<Compat>> {
        Some(&mut self.compat)
    }

    fn uses_checkpoint_head(&self) -> bool {
        false
    }

    fn check_backbone(&self, checkpoint: &Checkpoint) -> Result<()> {
        let width = checkpoint.config().transformer.output_width();
        Ok(self.adapter.check_on(width)?)
    }

    fn check(&self) -> Result<()> {
        check_outputs(self.num_outputs)?;
        if self.use_legacy_adapter {
            let problem = "the checkpoint's own head reads special tokens, which are left out here; remove it";
            return Err(Error::refused("model.use_legacy_adapter", problem));
        }
        Ok(self.adapter.check()?)
    }
}

#[cfg(test)]
mod tests;
