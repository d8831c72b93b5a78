//! The tokens that stood where some are masked (Devlin et al., arXiv 1810.04805), by the checkpoint's own head.

use std::sync::Arc;

use burn::tensor::Tensor;
use engraft_component::Component;
use engraft_data::{Cell, Compat};
use engraft_hub::Kind;
use engraft_models::{BoxedHead, Checkpoint, Mode};

use super::inference::every_token;
use crate::backbone::BackboneSlot;
use crate::classes::class_loss;
use crate::compiled::TargetKind;
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::inputs::Inputs;
use crate::masking::{Masker, count_correct};
use crate::metrics::{MaskedTokens, MetricError};
use crate::network::Network;
use crate::objective::{Basis, Labelled, Learns, Loss, Objective, TaskArguments};
use crate::observer::Observer;
use crate::output::{Form, Grain, RowOutput};
use crate::rows::{Draws, EncodedRow};
use crate::split::{Learning, learning};

/// Trains a masked language model: predicts the tokens that stood where some are masked.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.MLM")]
#[component(alias = "keras_hub.models.MaskedLM")]
#[component(ignored(batch_size = "the data module's batch_size is used"))]
pub struct MLM {
    /// The pretrained encoder, with its masked-LM head; the head starts anew where it has none.
    pub backbone: BackboneSlot,
    /// Only true: the head is the checkpoint's own.
    #[arg(default = true)]
    pub use_legacy_adapter: bool,
    /// Average the loss and the accuracy over all tokens, special ones included, as ModelGenerator does, instead of the masked ones.
    #[arg(default = false)]
    pub loss_on_all_tokens: bool,
    /// `mgen`: as ModelGenerator does, which is `loss_on_all_tokens`.
    pub compat: Option<Compat>,
}

impl TaskArguments for MLM {
    /// The logits of the vocabulary, for every token.
    type Prediction = Vec<Vec<f32>>;
    const DATA_MODULE: &'static str = "MLMDataModule";
    const STANDS_ON: &'static [Kind] = &[Kind::Encoder];

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            use_legacy_adapter: true,
            loss_on_all_tokens: false,
            compat: None,
        }
    }

    fn length_in_rust(&self) -> Option<usize> {
        Some(512)
    }

    fn objective(&self, _basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        Ok(Arc::new(Masked {
            everywhere: self.loss_on_all_tokens || self.compat == Some(Compat::Mgen),
        }))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        loading.masked_lm()
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

    fn compat_mut(&mut self) -> Option<&mut Option<Compat>> {
        Some(&mut self.compat)
    }

    fn predicts_tokens(&self, _is_saved: bool) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        if self.use_legacy_adapter {
            Ok(())
        } else {
            Err(Error::refused(
                "model.use_legacy_adapter",
                "false: masked-language modelling is done by the checkpoint's own head; remove it",
            ))
        }
    }

    fn check_training(&self) -> Result<()> {
        check_cache(&self.backbone)
    }

    fn check_backbone(&self, checkpoint: &Checkpoint) -> Result<()> {
        check_not_causal("MLM", checkpoint)
    }
}

/// Refuses to keep hidden states of rows that are masked anew in each epoch.
pub(super) fn check_cache(backbone: &BackboneSlot) -> Result<()> {
    if backbone.backbone().cache.enable_cache {
        return Err(Error::refused(
            "model.backbone.enable_cache",
            "other tokens are masked in each epoch, so no hidden state could be used twice; remove it",
        ));
    }
    Ok(())
}

/// Refuses a decoder, which does not see what stands behind a mask.
pub(super) fn check_not_causal(task: &str, checkpoint: &Checkpoint) -> Result<()> {
    if !checkpoint.config().transformer.causal {
        return Ok(());
    }
    Err(Error::refused(
        "model",
        format!(
            "{task} predicts masked tokens from those on both sides, but {} is a decoder ({}), which sees those before alone; use CausalLM",
            checkpoint.preset().name(),
            checkpoint.family()
        ),
    ))
}

/// Tokens from their surroundings.
#[derive(Debug)]
struct Masked {
    /// Whether tokens that were not masked count too.
    everywhere: bool,
}

impl Objective for Masked {
    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

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

impl Learns for Masked {
    type Targets = Masker;
    /// The tokens at the sites.
    type BatchTargets = Vec<u32>;
    type Metrics = MaskedTokens;

    fn targets(&self, rows: &Labelled<'_>) -> Result<Masker> {
        let masking = rows.masking();
        Masker::new(rows.tokenizer, masking, self.everywhere)
    }

    fn digest(&self, targets: &Masker, eat: &mut dyn FnMut(&[u8])) {
        eat(format!("{:?}", targets.masking()).as_bytes());
    }

    fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        targets: &Masker,
        draws: Draws,
    ) -> (Inputs, Vec<u32>) {
        targets.collate(numbers, rows, draws)
    }

    fn loss(&self, network: &Network, inputs: &Inputs, targets: &Vec<u32>, mode: Mode) -> Loss {
        class_loss(network.outputs(inputs, mode), targets, &[])
    }

    const KIND: TargetKind = TargetKind::Tokens;

    fn metrics(&self) -> MaskedTokens {
        MaskedTokens::default()
    }

    fn score(
        &self,
        metrics: &mut MaskedTokens,
        outputs: Tensor<2>,
        targets: &Vec<u32>,
        _observer: &mut dyn Observer,
    ) -> std::result::Result<(), MetricError> {
        count_correct(metrics, outputs, targets);
        Ok(())
    }

    fn has_perplexity(&self) -> bool {
        true
    }
}
