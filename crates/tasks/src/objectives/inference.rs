//! The logits of the checkpoint's language-model head, masked or causal, for every token.

use std::sync::Arc;

use engraft_component::Component;
use engraft_data::Cell;
use engraft_models::BoxedHead;

use crate::backbone::BackboneSlot;
use crate::error::Result;
use crate::head_loading::HeadLoading;
use crate::objective::{Basis, Objective, TaskArguments};
use crate::output::{Form, Grain, RowOutput, largest, place};

/// Computes the logits of the backbone's own language-model head, masked or causal, for every token.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.Inference")]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    use_legacy_adapter = "the checkpoint's own head is always used"
))]
pub struct Inference {
    /// The pretrained encoder or decoder, with its head.
    pub backbone: BackboneSlot,
}

impl TaskArguments for Inference {
    /// The logits of the vocabulary, for every token.
    type Prediction = Vec<Vec<f32>>;
    const LEARNS: bool = false;
    const DATA_MODULE: &'static str = "SequencesDataModule";

    fn on(backbone: BackboneSlot) -> Self {
        Self { backbone }
    }

    fn objective(&self, _basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        Ok(Arc::new(Logits))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        let loading = HeadLoading {
            required: true,
            ..*loading
        };
        if loading.checkpoint.config().transformer.causal {
            loading.causal_lm()
        } else {
            loading.any_masked_lm()
        }
    }

    fn prediction(_objective: &dyn Objective, output: RowOutput) -> Vec<Vec<f32>> {
        output.vectors().map(<[f32]>::to_vec).collect()
    }

    fn backbone(&self) -> &BackboneSlot {
        &self.backbone
    }

    fn backbone_mut(&mut self) -> &mut BackboneSlot {
        &mut self.backbone
    }

    fn predicts_tokens(&self, _is_saved: bool) -> bool {
        true
    }
}

/// The logits of the vocabulary.
#[derive(Debug)]
struct Logits;

impl Objective for Logits {
    fn grain(&self) -> Grain {
        Grain::Token
    }

    fn columns(&self, _form: Form, _width: usize) -> Vec<String> {
        vec!["predictions".to_owned()]
    }

    fn cells(&self, form: Form, output: &RowOutput) -> Vec<Cell> {
        vec![every_token(form, output)]
    }
}

/// A cell with a vector, or the place of its largest value, for every token.
pub(super) fn every_token(form: Form, output: &RowOutput) -> Cell {
    let vectors = output.vectors();
    Cell::List(match form {
        Form::Largest => vectors.map(|values| place(largest(values))).collect(),
        Form::Values => vectors.map(|values| Cell::from(values.to_vec())).collect(),
    })
}
