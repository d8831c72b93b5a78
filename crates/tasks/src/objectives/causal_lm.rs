//! The token after each, from those before it, by the checkpoint's own head.

use std::sync::Arc;

use burn::tensor::Tensor;
use engraft_component::{Component, Words};
use engraft_data::Cell;
use engraft_generate::GENERATION_CONFIG;
use engraft_hub::Kind;
use engraft_kernels::ClassTargets;
use engraft_models::{BoxedHead, Checkpoint, Mode};
use engraft_text::Tokenizer;

use crate::backbone::BackboneSlot;
use crate::compiled::TargetKind;
use crate::documents::{Documents, next_tokens};
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::inputs::{Inputs, Sites};
use crate::loss::rows_of;
use crate::metrics::{MetricError, NextTokens};
use crate::network::Network;
use crate::objective::{Basis, Labelled, Learns, Loss, Objective, Reading, TaskArguments};
use crate::observer::Observer;
use crate::output::{Form, Grain, RowOutput, number, place};
use crate::rows::{Draws, EncodedRow};
use crate::split::{Learning, learning};

/// Trains a causal language model: predicts each token of a text from those before it.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "keras_hub.models.CausalLM")]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    use_legacy_adapter = "the checkpoint's own head is always used"
))]
pub struct CausalLM {
    /// The pretrained decoder, with its head; the head starts anew where it has none.
    pub backbone: BackboneSlot,
    /// What becomes of texts longer than the backbone's `max_length`, without which the model's context counts: `split` into windows, so that every token is predicted once; or `cut`.
    #[arg(default = LongDocuments::Split)]
    pub long_documents: LongDocuments,
    /// Whether texts begin with the tokenizer's first token (BOS); without it, as the tokenizer itself does.
    pub add_start_token: Option<bool>,
    /// Whether texts end with the tokenizer's last token (EOS), which teaches the model to stop; without it, as the tokenizer itself does.
    pub add_end_token: Option<bool>,
    /// What the loss is divided by: `tokens`, those that are predicted; or `padded`, rows x `max_length`, as KerasHub divides it.
    #[arg(default = LossDenominator::Tokens)]
    pub loss_denominator: LossDenominator,
}

/// What becomes of texts longer than a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum LongDocuments {
    /// They are read in several windows, each token predicted in one of them.
    Split,
    /// What is past the first window is left out.
    Cut,
}

/// What a sum of losses is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum LossDenominator {
    /// The number of tokens that are predicted.
    Tokens,
    /// The number of tokens there would be if all rows were as long as they may be.
    Padded,
}

/// How likely a model finds a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likelihood {
    /// The sum of the negative log-likelihoods of all tokens that are predicted, in nats.
    pub nll: f64,
    /// How many tokens that are.
    pub tokens: usize,
}

impl Likelihood {
    /// `exp(nll / tokens)`; 1 for a text of one token, which nothing is said of.
    pub fn perplexity(&self) -> f64 {
        (self.nll / self.tokens.max(1) as f64).exp()
    }
}

impl TaskArguments for CausalLM {
    type Prediction = Likelihood;
    const DATA_MODULE: &'static str = "CausalLMDataModule";
    const STANDS_ON: &'static [Kind] = &[Kind::Decoder];

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            long_documents: LongDocuments::Split,
            add_start_token: None,
            add_end_token: None,
            loss_denominator: LossDenominator::Tokens,
        }
    }

    fn in_rust(self) -> Self {
        Self {
            long_documents: LongDocuments::Cut,
            ..self
        }
    }

    fn length_in_rust(&self) -> Option<usize> {
        Some(1024)
    }

    fn rate_in_rust(_family: &str) -> f64 {
        2e-5
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        let shape = &basis.checkpoint.config().transformer;
        let own = shape.longest().or(shape.context);
        let length = self.backbone.backbone().max_length.or(own);
        let ends = [self.add_start_token, self.add_end_token];
        Ok(Arc::new(Next {
            documents: Documents::new(basis.tokenizer, ends, self.long_documents, length)?,
            denominator: self.loss_denominator,
        }))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        loading.causal_lm()
    }

    fn files(
        &self,
        checkpoint: &Checkpoint,
        _tokenizer: &Tokenizer,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        generation_config(checkpoint)
    }

    fn prediction(_objective: &dyn Objective, output: RowOutput) -> Likelihood {
        let [nll, tokens] = [0, 1].map(|at| output.values.get(at).copied().unwrap_or(0.0));
        Likelihood {
            nll: nll.into(),
            tokens: tokens as usize,
        }
    }

    fn backbone(&self) -> &BackboneSlot {
        &self.backbone
    }

    fn backbone_mut(&mut self) -> &mut BackboneSlot {
        &mut self.backbone
    }

    fn check(&self) -> Result<()> {
        let max_length = self.backbone.backbone().max_length;
        if max_length == Some(0) {
            return Err(Error::refused(
                "model.backbone.max_length",
                "must be at least 1",
            ));
        }
        if self.loss_denominator == LossDenominator::Padded && max_length.is_none() {
            return Err(Error::refused(
                "model.loss_denominator",
                "padded: rows are counted as so many tokens as backbone.max_length says; give it",
            ));
        }
        Ok(())
    }

    fn check_backbone(&self, checkpoint: &Checkpoint) -> Result<()> {
        let name = checkpoint.preset().name();
        if checkpoint.config().decoder.is_some() {
            return Err(Error::refused(
                "model",
                format!(
                    "CausalLM predicts each token from those before it, but {name} is an encoder-decoder ({}), which reads all of one text and writes another; use Seq2SeqLM",
                    checkpoint.family()
                ),
            ));
        }
        if !checkpoint.config().transformer.causal {
            return Err(Error::refused(
                "model",
                format!(
                    "CausalLM predicts each token from those before it, but {name} is an encoder ({}), which sees all of them; use MLM",
                    checkpoint.family()
                ),
            ));
        }
        let is_tied = checkpoint.config().causal_lm.is_some_and(|head| head.tied);
        if self.backbone.backbone().frozen && !checkpoint.has_lora() && is_tied {
            return Err(Error::refused(
                "model.backbone.frozen",
                format!(
                    "the head of {name} is its embeddings, so that nothing is left to train; remove it, or use_peft"
                ),
            ));
        }
        Ok(())
    }

    fn check_length(&self, _tokenizer: &Tokenizer, checkpoint: &Checkpoint) -> Result<()> {
        let longest = checkpoint.config().transformer.longest();
        match (self.backbone.backbone().max_length, longest) {
            (Some(length), Some(longest)) if length > longest => Err(Error::refused(
                "model.backbone.max_length",
                format!(
                    "{length}, but {} has positions for {longest} tokens; give as many at most",
                    checkpoint.preset().name()
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// What the preset says of generation, for a model that writes after it was trained.
pub(super) fn generation_config(checkpoint: &Checkpoint) -> Result<Vec<(String, Vec<u8>)>> {
    let bytes = checkpoint.preset().read(GENERATION_CONFIG)?;
    let file = bytes.map(|bytes| (GENERATION_CONFIG.to_owned(), bytes.into_owned()));
    Ok(file.into_iter().collect())
}

/// The token after each.
#[derive(Debug)]
struct Next {
    documents: Documents,
    denominator: LossDenominator,
}

impl Next {
    /// What is read of each row, and the token after each site.
    fn inputs(rows: Vec<EncodedRow>) -> (Inputs, Vec<u32>) {
        let mut tokens = Vec::new();
        let rows = rows.into_iter().map(|mut row| {
            let sites = next_tokens(&row).map(|(at, id)| {
                tokens.push(id);
                at
            });
            let sites = sites.collect();
            // Nothing is predicted at the last.
            row.encoding.ids.pop();
            row.encoding.type_ids.pop();
            (sites, row.tokens())
        });
        let inputs = Inputs::at(rows);
        (inputs, tokens)
    }
}

impl Objective for Next {
    /// The negative logarithm of each row's probability, and how many tokens it is that of.
    fn predict(&self, network: &Network, rows: Vec<EncodedRow>) -> Vec<RowOutput> {
        let (inputs, tokens) = Self::inputs(rows);
        let mut losses = Vec::new();
        if !inputs.is_unscored() {
            let targets = ClassTargets::new(tokens);
            let (_, of_tokens) = network.class_losses(&inputs, targets, Mode::Evaluate);
            losses = of_tokens.into_data().iter::<f32>().collect();
        }
        let (mut rest, _) = losses.as_chunks::<2>();
        let of_row = match &inputs.sites {
            Sites::Tokens { of_row, .. } => of_row.as_slice(),
            Sites::Whole => &[],
        };
        let rows = of_row.iter().enumerate().map(|(row, &count)| {
            let (own, after) = rest.split_at(count.min(rest.len()));
            rest = after;
            let loss: f64 = own.iter().map(|[loss, _]| f64::from(*loss)).sum();
            RowOutput {
                row,
                shape: vec![2],
                values: vec![loss as f32, count as f32],
            }
        });
        rows.collect()
    }

    fn reading(&self) -> Reading {
        Reading::Windows(self.documents.clone())
    }

    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

    fn grain(&self) -> Grain {
        Grain::Row
    }

    /// A text is as likely as all of its windows.
    fn join(&self, whole: &mut RowOutput, next: RowOutput) {
        for (sum, value) in whole.values.iter_mut().zip(next.values) {
            *sum += value;
        }
    }

    fn columns(&self, _form: Form, _width: usize) -> Vec<String> {
        ["nll", "tokens"].map(str::to_owned).to_vec()
    }

    fn cells(&self, _form: Form, output: &RowOutput) -> Vec<Cell> {
        let [loss, tokens] = [0, 1].map(|at| output.values.get(at).copied());
        let tokens = tokens.map_or(0, |tokens| tokens as usize);
        vec![number(loss.unwrap_or(f32::NAN)), place(tokens)]
    }

    fn has_largest(&self) -> bool {
        false
    }
}

impl Learns for Next {
    /// What follows each token is in the rows themselves.
    type Targets = ();
    /// The tokens after the sites.
    type BatchTargets = Vec<u32>;
    type Metrics = NextTokens;

    fn targets(&self, _rows: &Labelled<'_>) -> Result<()> {
        Ok(())
    }

    fn digest(&self, _targets: &(), eat: &mut dyn FnMut(&[u8])) {
        eat(b"next");
    }

    fn collate(
        &self,
        _numbers: &[usize],
        rows: Vec<EncodedRow>,
        _targets: &(),
        _draws: Draws,
    ) -> (Inputs, Vec<u32>) {
        Self::inputs(rows)
    }

    fn loss(&self, network: &Network, inputs: &Inputs, targets: &Vec<u32>, mode: Mode) -> Loss {
        let (sum, outputs) = network.class_losses(inputs, ClassTargets::new(targets.clone()), mode);
        let weight = match self.denominator {
            LossDenominator::Padded => inputs.rows() * self.documents.length().unwrap_or(1),
            LossDenominator::Tokens => targets.len(),
        };
        Loss {
            sum,
            weight: weight as f64,
            outputs,
        }
    }

    const KIND: TargetKind = TargetKind::Tokens;

    fn metrics(&self) -> NextTokens {
        NextTokens::default()
    }

    /// `outputs` are each token's loss, and 1 if it was the likeliest.
    fn score(
        &self,
        metrics: &mut NextTokens,
        outputs: Tensor<2>,
        _targets: &Vec<u32>,
        _observer: &mut dyn Observer,
    ) -> std::result::Result<(), MetricError> {
        let (values, _) = rows_of(outputs);
        for [loss, hit] in values.as_chunks::<2>().0 {
            metrics.update(*loss, *hit > 0.5);
        }
        Ok(())
    }
}
