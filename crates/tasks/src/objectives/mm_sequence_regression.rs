//! One or several numbers for each row of several sequences, each of which a backbone of its own reads.

use std::sync::Arc;

use engraft_component::Component;
use engraft_models::{BoxedHead, Checkpoint, FusionAdapter, TOWERS};

use super::sequence_regression::{Numbers, check_outputs};
use crate::backbone::BackboneSlot;
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::loss::LossFunc;
use crate::objective::{Basis, Objective, TaskArguments};
use crate::output::RowOutput;
use crate::several::{Sequence, Several, argument};

/// Assigns one or several numbers to each row of several sequences, such as a gene's DNA and RNA, each of which a backbone of its own reads.
///
/// The sequence that `backbone_order` calls `rna_seq` is the column `rna_seq_sequences` of the data, or `rna_seq`. Where the data module
/// normalises, the head learns numbers of mean 0 and deviation 1 over the training rows; predictions and metrics are in the units of the data.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.MMSequenceRegression")]
#[component(ignored(batch_size = "the data module's batch_size is used"))]
pub struct MMSequenceRegression {
    /// The pretrained encoder of the first sequence.
    pub backbone: BackboneSlot,
    /// That of the second.
    pub backbone1: Option<Box<BackboneSlot>>,
    /// That of the third.
    pub backbone2: Option<Box<BackboneSlot>>,
    /// That of the fourth.
    pub backbone3: Option<Box<BackboneSlot>>,
    /// That of the fifth.
    pub backbone4: Option<Box<BackboneSlot>>,
    /// That of the sixth.
    pub backbone5: Option<Box<BackboneSlot>>,
    /// That of the seventh.
    pub backbone6: Option<Box<BackboneSlot>>,
    /// That of the eighth.
    pub backbone7: Option<Box<BackboneSlot>>,
    /// What the sequences are called, in the order of their backbones.
    #[arg(default = vec!["dna_seq".to_owned(), "rna_seq".to_owned()])]
    pub backbone_order: Vec<String>,
    /// The head on all backbones.
    #[arg(default = FusionAdapter::default())]
    pub adapter: FusionAdapter,
    /// Numbers of a row, each a column of the data.
    #[arg(default = 1)]
    pub num_outputs: usize,
    /// What is averaged over rows and numbers.
    #[arg(default = LossFunc::default())]
    pub loss_func: LossFunc,
    /// Whether a sequence of a row may be empty, as the protein of a gene that codes for none: its backbone then reads special tokens alone.
    /// Without, such a row is refused.
    #[arg(default = false)]
    pub allow_empty: bool,
    /// Only false: no checkpoint's own head reads several backbones.
    #[arg(default = false)]
    pub use_legacy_adapter: bool,
}

impl MMSequenceRegression {
    /// The backbones beside the first, in their places.
    fn places(&self) -> [&Option<Box<BackboneSlot>>; TOWERS.len() - 1] {
        [
            &self.backbone1,
            &self.backbone2,
            &self.backbone3,
            &self.backbone4,
            &self.backbone5,
            &self.backbone6,
            &self.backbone7,
        ]
    }

    /// Refuses backbones and sequences of which not each has the other.
    fn check_backbones(&self) -> Result<()> {
        let order = &self.backbone_order;
        let given = self.places().iter().filter(|slot| slot.is_some()).count() + 1;
        let gap = self.places().iter().position(|slot| slot.is_none());
        if let Some(missing) = gap.filter(|gap| gap + 1 < given) {
            let problem = format!(
                "missing, though {} is given",
                argument(
                    self.places()
                        .iter()
                        .rposition(|it| it.is_some())
                        .map_or(0, |at| at + 1)
                )
            );
            return Err(Error::refused(
                &format!("model.{}", argument(missing + 1)),
                problem,
            ));
        }
        if given < 2 {
            let problem = "missing: each of several sequences is read by a backbone of its own";
            return Err(Error::refused("model.backbone1", problem));
        }
        if order.len() != given {
            let problem = format!(
                "it calls {} sequences ({}), but there are {given} backbones: name one for each, in their order",
                order.len(),
                order.join(", ")
            );
            return Err(Error::refused("model.backbone_order", problem));
        }
        let twin = order
            .iter()
            .enumerate()
            .find(|(at, name)| order[..*at].contains(name));
        if let Some((_, name)) = twin {
            let problem = format!("{name:?} is given twice");
            return Err(Error::refused("model.backbone_order", problem));
        }
        let slots = std::iter::once(&self.backbone).chain(self.others());
        let cached = slots
            .zip(0..)
            .find(|(slot, _)| slot.backbone().cache.enable_cache);
        if let Some((_, number)) = cached {
            let key = format!("model.{}.enable_cache", argument(number));
            let problem = "hidden states of several backbones are not kept yet; remove it";
            return Err(Error::refused(&key, problem));
        }
        Ok(())
    }
}

impl TaskArguments for MMSequenceRegression {
    /// In the units of the data, one for each output.
    type Prediction = Vec<f32>;
    const DATA_MODULE: &'static str = "SequenceRegressionDataModule";

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            backbone1: None,
            backbone2: None,
            backbone3: None,
            backbone4: None,
            backbone5: None,
            backbone6: None,
            backbone7: None,
            backbone_order: vec!["dna_seq".to_owned(), "rna_seq".to_owned()],
            adapter: FusionAdapter::default(),
            num_outputs: 1,
            loss_func: LossFunc::default(),
            allow_empty: false,
            use_legacy_adapter: false,
        }
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        let first = (basis.checkpoint, basis.tokenizer, &self.backbone);
        let others = basis.others.iter().zip(self.others());
        let others = others.map(|(it, slot)| (&it.checkpoint, &it.tokenizer, slot));
        let sequences = std::iter::once(first)
            .chain(others)
            .zip(&self.backbone_order);
        let sequences = sequences.map(|((checkpoint, tokenizer, slot), name)| Sequence {
            name: name.clone(),
            tokenizer: tokenizer.clone(),
            max_length: slot.backbone().max_length,
            longest: checkpoint.config().transformer.longest(),
        });
        let several = Several::new(sequences.collect(), self.allow_empty);
        let loss = self.loss_func.clone();
        let numbers = Numbers::of_several(several, self.num_outputs, loss, basis)?;
        Ok(Arc::new(numbers))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        let others = loading.others.iter().map(|other| &other.checkpoint);
        let checkpoints = std::iter::once(loading.checkpoint).chain(others);
        let widths: Vec<usize> = checkpoints
            .map(|it| it.config().transformer.output_width())
            .collect();
        loading.own(|_, initial| self.adapter.build(&widths, loading.outputs, initial))
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

    fn others(&self) -> Vec<&BackboneSlot> {
        let given = self.places().into_iter().flatten();
        given.map(|slot| &**slot).collect()
    }

    fn others_mut(&mut self) -> Vec<&mut BackboneSlot> {
        let places = [
            &mut self.backbone1,
            &mut self.backbone2,
            &mut self.backbone3,
            &mut self.backbone4,
            &mut self.backbone5,
            &mut self.backbone6,
            &mut self.backbone7,
        ];
        let given = places.into_iter().flatten();
        given.map(|slot| &mut **slot).collect()
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
            let problem = "no checkpoint's own head reads several backbones; remove it";
            return Err(Error::refused("model.use_legacy_adapter", problem));
        }
        self.check_backbones()?;
        self.loss_func.check()?;
        Ok(self.adapter.check()?)
    }
}

#[cfg(test)]
mod tests;
