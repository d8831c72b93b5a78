//! Sequences written by masked diffusion to conditions: numbers that the model is told of each.

use std::sync::Arc;

use engraft_component::Component;
use engraft_hub::Kind;
use engraft_models::{BoxedHead, Checkpoint, ConditionalAdapter};

use super::diffusion::{Denoising, Writing, written};
use super::mlm::{check_cache, check_not_causal};
use crate::backbone::BackboneSlot;
use crate::conditions::Conditions;
use crate::error::Result;
use crate::head_loading::HeadLoading;
use crate::objective::{Basis, Objective, TaskArguments};
use crate::output::RowOutput;

/// Writes what is masked of a sequence, a few tokens at a time, by numbers that it is told of the sequence.
///
/// What it is told are columns of the data, in every stage; the model keeps how they are scaled.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.ConditionalDiffusion")]
#[component(ignored(batch_size = "the data module's batch_size is used"))]
pub struct ConditionalDiffusion {
    /// The pretrained encoder, with its masked-LM head; the head starts anew where it has none.
    pub backbone: BackboneSlot,
    /// What is told the numbers, before the head that tells tokens.
    #[arg(default = ConditionalAdapter::default())]
    pub adapter: ConditionalAdapter,
    /// Numbers that are told of a row, each a column of the data.
    #[arg(default = 1)]
    pub condition_dim: usize,
    /// Begin with the checkpoint's own masked-LM head, where else a linear layer tells tokens.
    #[arg(default = true)]
    pub use_legacy_adapter: bool,
    /// How weights of rows are taken, and how sequences are written.
    #[arg(flatten)]
    pub denoising: Denoising,
}

impl TaskArguments for ConditionalDiffusion {
    /// The sequence, what was masked of it written.
    type Prediction = String;
    const DATA_MODULE: &'static str = "ConditionalDiffusionDataModule";
    const STANDS_ON: &'static [Kind] = &[Kind::Encoder];

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            adapter: ConditionalAdapter::default(),
            condition_dim: 1,
            use_legacy_adapter: true,
            denoising: Denoising::default(),
        }
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        let conditions = Conditions::new(self.condition_dim, basis)?;
        let writing = Writing::new(&self.denoising, Some(conditions), basis)?;
        Ok(Arc::new(writing))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        loading.conditional_lm(&self.adapter, self.condition_dim, self.use_legacy_adapter)
    }

    fn prediction(objective: &dyn Objective, output: RowOutput) -> String {
        written(objective, &output)
    }

    fn backbone(&self) -> &BackboneSlot {
        &self.backbone
    }

    fn backbone_mut(&mut self) -> &mut BackboneSlot {
        &mut self.backbone
    }

    fn uses_checkpoint_head(&self) -> bool {
        false
    }

    fn predicts_sequences(&self) -> bool {
        true
    }

    fn predict_as(&mut self, asked: &Self) {
        self.denoising.write_as(&asked.denoising);
    }

    fn check(&self) -> Result<()> {
        self.denoising.check()?;
        Conditions::check(self.condition_dim)?;
        Ok(self.adapter.check()?)
    }

    fn check_training(&self) -> Result<()> {
        check_cache(&self.backbone)
    }

    fn check_backbone(&self, checkpoint: &Checkpoint) -> Result<()> {
        check_not_causal("ConditionalDiffusion", checkpoint)?;
        Ok(self.adapter.check_backbone(checkpoint)?)
    }
}
