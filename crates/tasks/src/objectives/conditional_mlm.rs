//! The tokens that stood where some are masked, by numbers that the model is told of each row.

use std::sync::Arc;

use burn::tensor::Tensor;
use engraft_component::Component;
use engraft_data::{Cell, Compat, Examples};
use engraft_hub::Kind;
use engraft_models::{BoxedHead, Checkpoint, ConditionalAdapter, Mode};

use super::inference::every_token;
use super::mlm::{check_cache, check_not_causal};
use crate::backbone::BackboneSlot;
use crate::classes::class_loss;
use crate::conditions::Conditions;
use crate::error::Result;
use crate::head_loading::HeadLoading;
use crate::inputs::Inputs;
use crate::learned::Learned;
use crate::masking::{Masker, count_correct};
use crate::metrics::{MaskedTokens, MetricError};
use crate::network::Network;
use crate::objective::{Asked, Basis, Labelled, Learns, Loss, Objective, TaskArguments};
use crate::observer::Observer;
use crate::output::{Form, Grain, RowOutput};
use crate::rows::{Draws, EncodedRow};
use crate::split::{Learning, learning};

/// Trains a masked language model that is told numbers of each row: predicts the tokens that stood where some are masked.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.ConditionalMLM")]
#[component(ignored(batch_size = "the data module's batch_size is used"))]
pub struct ConditionalMLM {
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
    /// Average the loss and the accuracy over all tokens, special ones included, as ModelGenerator does, instead of the masked ones.
    #[arg(default = false)]
    pub loss_on_all_tokens: bool,
    /// `mgen`: as ModelGenerator does, which is `loss_on_all_tokens`.
    pub compat: Option<Compat>,
}

impl TaskArguments for ConditionalMLM {
    /// The logits of the vocabulary, for every token.
    type Prediction = Vec<Vec<f32>>;
    const DATA_MODULE: &'static str = "ConditionalMLMDataModule";
    const STANDS_ON: &'static [Kind] = &[Kind::Encoder];

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            adapter: ConditionalAdapter::default(),
            condition_dim: 1,
            use_legacy_adapter: true,
            loss_on_all_tokens: false,
            compat: None,
        }
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        Ok(Arc::new(Told {
            conditions: Conditions::new(self.condition_dim, basis)?,
            everywhere: self.loss_on_all_tokens || self.compat == Some(Compat::Mgen),
        }))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        loading.conditional_lm(&self.adapter, self.condition_dim, self.use_legacy_adapter)
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

    fn uses_checkpoint_head(&self) -> bool {
        false
    }

    fn predicts_tokens(&self, _is_saved: bool) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        Conditions::check(self.condition_dim)?;
        Ok(self.adapter.check()?)
    }

    fn check_training(&self) -> Result<()> {
        check_cache(&self.backbone)
    }

    fn check_backbone(&self, checkpoint: &Checkpoint) -> Result<()> {
        check_not_causal("ConditionalMLM", checkpoint)?;
        Ok(self.adapter.check_backbone(checkpoint)?)
    }
}

/// Tokens from their surroundings and what is told of their row.
#[derive(Debug)]
struct Told {
    conditions: Conditions,
    /// Whether tokens that were not masked count too.
    everywhere: bool,
}

impl Objective for Told {
    fn predict(&self, network: &Network, rows: Vec<EncodedRow>) -> Vec<RowOutput> {
        self.predict_asked(network, rows, &Asked::default())
    }

    fn predict_asked(
        &self,
        network: &Network,
        rows: Vec<EncodedRow>,
        asked: &Asked<'_>,
    ) -> Vec<RowOutput> {
        let all = asked.labels.and_then(|labels| labels.numbers());
        let told = all.map(|all| {
            let own = (0..rows.len()).filter_map(|at| all.get(asked.number(at)));
            self.conditions.told(own.map(Vec::as_slice))
        });
        let inputs = Inputs::whole(EncodedRow::pack(&rows)).told(told);
        network.predict(&inputs, Grain::Token, 0)
    }

    fn check_rows(&self, examples: &Examples) -> Result<()> {
        self.conditions.of(examples).map(drop)
    }

    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

    fn learned(&self) -> Learned {
        self.conditions.learned()
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

/// How rows are masked, and what the model is told of each.
struct Targets {
    masker: Masker,
    /// `[row][number]`.
    conditions: Vec<Vec<f64>>,
}

impl Learns for Told {
    type Targets = Targets;
    /// The tokens at the sites.
    type BatchTargets = Vec<u32>;
    type Metrics = MaskedTokens;

    fn targets(&self, rows: &Labelled<'_>) -> Result<Targets> {
        Ok(Targets {
            masker: Masker::new(rows.tokenizer, rows.masking(), self.everywhere)?,
            conditions: self.conditions.of(rows.examples)?.to_vec(),
        })
    }

    fn digest(&self, targets: &Targets, eat: &mut dyn FnMut(&[u8])) {
        eat(format!("{:?}", targets.masker.masking()).as_bytes());
        let numbers = targets.conditions.iter().flatten();
        numbers.for_each(|number| eat(&number.to_le_bytes()));
    }

    fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        targets: &Targets,
        draws: Draws,
    ) -> (Inputs, Vec<u32>) {
        let (inputs, tokens) = targets.masker.collate(numbers, rows, draws);
        let own = numbers
            .iter()
            .filter_map(|&row| targets.conditions.get(row));
        let told = self.conditions.told(own.map(Vec::as_slice));
        (inputs.told(Some(told)), tokens)
    }

    fn loss(&self, network: &Network, inputs: &Inputs, targets: &Vec<u32>, mode: Mode) -> Loss {
        class_loss(network.outputs(inputs, mode), targets, &[])
    }

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
