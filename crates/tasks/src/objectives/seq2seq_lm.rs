//! One text from another, by an encoder that reads and a decoder that writes.

use std::sync::Arc;

use burn::tensor::Tensor;
use engraft_component::Component;
use engraft_data::{Cell, Labels};
use engraft_kernels::ClassTargets;
use engraft_models::{BoxedHead, Checkpoint, DECODER, DecoderStart, ENCODER, Mode, PackedTokens};

use crate::backbone::BackboneSlot;
use crate::error::{Error, Result};
use crate::forward::shifted;
use crate::head_loading::HeadLoading;
use crate::inputs::{Inputs, Sites, Stream};
use crate::loss::rows_of;
use crate::metrics::{MetricError, NextTokens};
use crate::network::Network;
use crate::objective::{Basis, Labelled, Learns, Loss, Objective, Reading, TaskArguments};
use crate::observer::Observer;
use crate::output::{Form, Grain, RowOutput};
use crate::rows::{Draws, EncodedRow, WrittenTexts};
use crate::split::{Learning, learning};

/// Trains an encoder-decoder: to write a text for each text that it reads, as in summaries and translation.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    use_legacy_adapter = "the checkpoint's own head is always used"
))]
pub struct Seq2SeqLM {
    /// The pretrained encoder-decoder, with its head. `max_length` is that of texts that are read.
    pub backbone: BackboneSlot,
    /// Tokens of a text that is written at most, what ends it among them; longer ones are cut. Left out, the positions of the decoder.
    pub max_output_length: Option<usize>,
    /// The language of the texts that are read, for models that know several, such as `eng_Latn`; by default the preset's.
    pub source_lang: Option<String>,
    /// The language of the texts that are written; by default the preset's.
    pub target_lang: Option<String>,
    /// The share of each target that goes to all words alike, from 0 to below 1, in the loss that is trained and scored; perplexity is without.
    #[arg(default = 0.0)]
    pub label_smoothing: f64,
    /// Do not train the encoder, nor with it token embeddings that it shares with the decoder.
    #[arg(default = false)]
    pub frozen_encoder: bool,
    /// Do not train the decoder.
    #[arg(default = false)]
    pub frozen_decoder: bool,
}

impl TaskArguments for Seq2SeqLM {
    /// The text that is written.
    type Prediction = String;
    const DATA_MODULE: &'static str = "Seq2SeqDataModule";

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            max_output_length: None,
            source_lang: None,
            target_lang: None,
            label_smoothing: 0.0,
            frozen_encoder: false,
            frozen_decoder: false,
        }
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        let decoder = basis.checkpoint.decoder_config()?;
        let target = basis.tokenizer.clone();
        target.check_vocab_size(decoder.transformer.vocabulary)?;
        Ok(Arc::new(Writing {
            texts: WrittenTexts {
                tokenizer: target,
                max_length: self.max_output_length,
                longest: decoder.transformer.longest(),
            },
            start: decoder.start,
        }))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        let head = loading.seq2seq_lm()?;
        Ok(BoxedHead::new(head.with_smoothing(self.label_smoothing)))
    }

    fn prediction(objective: &dyn Objective, output: RowOutput) -> String {
        let cells = objective.cells(Form::Values, &output);
        cells.first().and_then(Cell::text).unwrap_or_default()
    }

    fn backbone(&self) -> &BackboneSlot {
        &self.backbone
    }

    fn backbone_mut(&mut self) -> &mut BackboneSlot {
        &mut self.backbone
    }

    fn uses_decoder(&self) -> bool {
        true
    }

    fn frozen_towers(&self) -> Vec<&'static str> {
        let stacks = [
            (self.frozen_encoder, ENCODER),
            (self.frozen_decoder, DECODER),
        ];
        let frozen = stacks.into_iter().filter(|(is_frozen, _)| *is_frozen);
        frozen.map(|(_, tower)| tower).collect()
    }

    fn predicts_sequences(&self) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        if self.max_output_length == Some(0) {
            let problem = "must be at least 1";
            return Err(Error::refused("model.max_output_length", problem));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let problem = format!(
                "expected a share from 0 to below 1, found {}",
                self.label_smoothing
            );
            return Err(Error::refused("model.label_smoothing", problem));
        }
        if self.backbone.backbone().cache.enable_cache {
            let problem =
                "hidden states of an encoder that a decoder reads are not kept; remove it";
            return Err(Error::refused("model.backbone.enable_cache", problem));
        }
        Ok(())
    }

    fn check_backbone(&self, checkpoint: &Checkpoint) -> Result<()> {
        let config = checkpoint.config();
        let name = checkpoint.preset().name();
        let Some(decoder) = &config.decoder else {
            let instead = if config.transformer.causal {
                "which writes on alone; use CausalLM"
            } else {
                "an encoder that writes nothing"
            };
            return Err(Error::refused(
                "model",
                format!(
                    "Seq2SeqLM writes a text for each that it reads, which takes an encoder and a decoder, but {name} is of the family {}, {instead}",
                    checkpoint.family()
                ),
            ));
        };
        let longest = decoder.transformer.longest();
        if let (Some(length), Some(longest)) = (self.max_output_length, longest)
            && length > longest
        {
            return Err(Error::refused(
                "model.max_output_length",
                format!(
                    "{length}, but the decoder of {name} has positions for {longest} tokens; give as many at most"
                ),
            ));
        }
        let rests = self.backbone.backbone().frozen
            || self.frozen_encoder && self.frozen_decoder && !checkpoint.has_lora();
        let untied = !config.is_tied(engraft_models::HeadKind::Seq2SeqLm);
        if rests && !checkpoint.has_lora() && !untied {
            return Err(Error::refused(
                "model.backbone.frozen",
                format!(
                    "the head of {name} is its embeddings, so that nothing is left to train; remove it, or use_peft"
                ),
            ));
        }
        Ok(())
    }
}

/// What is written for what is read.
#[derive(Debug)]
struct Writing {
    texts: WrittenTexts,
    start: DecoderStart,
}

impl Writing {
    /// What both stacks are fed, the head computed at each token that the decoder reads; and the token after each.
    fn inputs(&self, rows: &[EncodedRow]) -> (Inputs, Vec<u32>) {
        let mut written = PackedTokens::default();
        for target in rows.iter().filter_map(|row| row.others.first()) {
            written.push(&target.ids, &target.type_ids);
        }
        let inputs = Inputs {
            streams: vec![
                Stream {
                    tower: ENCODER,
                    tokens: EncodedRow::pack(rows),
                },
                Stream {
                    tower: DECODER,
                    tokens: shifted(&written, self.start),
                },
            ],
            sites: Sites::Tokens {
                at: (0..written.ids.len() as u32).collect(),
                of_row: written.lengths.clone(),
            },
            conditions: None,
        };
        (inputs, written.ids)
    }
}

impl Objective for Writing {
    fn reading(&self) -> Reading {
        Reading::Writing(self.texts.clone())
    }

    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

    fn grain(&self) -> Grain {
        Grain::Row
    }

    fn columns(&self, _form: Form, _width: usize) -> Vec<String> {
        vec!["prediction".to_owned()]
    }

    fn cells(&self, _form: Form, output: &RowOutput) -> Vec<Cell> {
        let ids: Vec<u32> = output.values.iter().map(|&id| id as u32).collect();
        let text = self.texts.tokenizer.decode(&ids, true);
        vec![Cell::Text(text.unwrap_or_default())]
    }

    fn has_largest(&self) -> bool {
        false
    }
}

impl Learns for Writing {
    /// What follows is in the rows themselves.
    type Targets = ();
    /// The tokens that are to be written.
    type BatchTargets = Vec<u32>;
    type Metrics = NextTokens;

    fn targets(&self, rows: &Labelled<'_>) -> Result<()> {
        match &rows.examples.labels {
            Some(Labels::Texts(_)) => Ok(()),
            Some(other) => Err(Error::refused(
                "data",
                format!(
                    "Seq2SeqLM learns from texts that are to be written, not from {}; use Seq2SeqDataModule",
                    other.kind()
                ),
            )),
            None => Err(Error::refused(
                "data.y_col",
                "there are no texts to be written; name their column",
            )),
        }
    }

    fn digest(&self, _targets: &(), eat: &mut dyn FnMut(&[u8])) {
        eat(b"seq2seq");
    }

    fn collate(
        &self,
        _numbers: &[usize],
        rows: Vec<EncodedRow>,
        _targets: &(),
        _draws: Draws,
    ) -> (Inputs, Vec<u32>) {
        self.inputs(&rows)
    }

    fn loss(&self, network: &Network, inputs: &Inputs, targets: &Vec<u32>, mode: Mode) -> Loss {
        let (sum, outputs) = network.class_losses(inputs, ClassTargets::new(targets.clone()), mode);
        Loss {
            sum,
            weight: targets.len() as f64,
            outputs,
        }
    }

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
