//! One text from another, by an encoder that reads and a decoder that writes.

mod author;

use std::borrow::Cow;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use engraft_component::Component;
use engraft_data::{Cell, Examples, Labels, Texts};
use engraft_generate::{GENERATION_CONFIG, Generate};
use engraft_hub::Kind;
use engraft_kernels::ClassTargets;
use engraft_models::{
    BoxedHead, Checkpoint, DECODER, DecoderStart, ENCODER, HeadKind, Mode, PackedTokens,
};
use engraft_text::Tokenizer;

use self::author::{Author, refused};
use super::causal_lm::generation_config;
use crate::backbone::BackboneSlot;
use crate::compiled::TargetKind;
use crate::error::{Error, Result};
use crate::forward::shifted;
use crate::head_loading::HeadLoading;
use crate::inputs::{Inputs, Sites, Stream};
use crate::loss::rows_of;
use crate::metrics::{MetricError, WrittenScores};
use crate::network::Network;
use crate::objective::{Asked, Basis, Labelled, Learns, Loss, Objective, Reading, TaskArguments};
use crate::observer::Observer;
use crate::output::{Form, Grain, RowOutput};
use crate::rows::{Draws, EncodedRow, WrittenTexts};
use crate::split::{Learning, learning};

/// Trains an encoder-decoder: to write a text for each text that it reads, as in summaries and translation.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "keras_hub.models.Seq2SeqLM")]
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
    /// Whether `validate` and `test`, and the validation of `fit`, write a text for each row and score it too, which takes longer.
    #[arg(default = false)]
    pub generate: bool,
    /// How texts are written, as `engraft generate` has it, of `max_output_length` tokens at most where this names no limit; by default as the preset
    /// says, else by the likeliest token each time.
    pub generation: Option<Box<Generate>>,
}

impl TaskArguments for Seq2SeqLM {
    /// The text that is written.
    type Prediction = String;
    const DATA_MODULE: &'static str = "Seq2SeqDataModule";
    const STANDS_ON: &'static [Kind] = &[Kind::EncoderDecoder];

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            max_output_length: None,
            source_lang: None,
            target_lang: None,
            label_smoothing: 0.0,
            frozen_encoder: false,
            frozen_decoder: false,
            generate: false,
            generation: None,
        }
    }

    fn tokenizer(&self, tokenizer: Tokenizer, _checkpoint: &Checkpoint) -> Result<Tokenizer> {
        let refused = |key: &str| {
            let key = key.to_owned();
            move |error: engraft_text::Error| Error::refused(&key, error.to_string())
        };
        let tokenizer = match &self.source_lang {
            Some(code) => {
                let tokenizer = tokenizer.with_source_language(code);
                tokenizer.map_err(refused("model.source_lang"))?
            }
            None => tokenizer,
        };
        match &self.target_lang {
            Some(code) => {
                let tokenizer = tokenizer.with_target_language(code);
                tokenizer.map_err(refused("model.target_lang"))
            }
            None => Ok(tokenizer),
        }
    }

    fn length_in_rust(&self) -> Option<usize> {
        Some(LENGTH)
    }

    fn cut_written(&mut self, checkpoint: &Checkpoint) {
        let decoder = checkpoint.config().decoder.as_ref();
        let longest = decoder.and_then(|decoder| decoder.transformer.longest());
        let length = longest.map_or(LENGTH, |longest| longest.min(LENGTH));
        self.max_output_length.get_or_insert(length);
    }

    fn rate_in_rust(_family: &str) -> f64 {
        2e-5
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        let decoder = basis.checkpoint.decoder_config()?;
        let author = Author::new(self, basis)?;
        Ok(Arc::new(Writing {
            texts: WrittenTexts {
                tokenizer: author.sides.target.clone(),
                max_length: self.max_output_length,
                longest: decoder.transformer.longest(),
            },
            start: decoder.start,
            author,
            generates: self.generate,
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

    /// Generation settings, by which other programs too write in the language that was asked for.
    fn files(
        &self,
        checkpoint: &Checkpoint,
        tokenizer: &Tokenizer,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        match &self.target_lang {
            Some(language) => {
                let bytes = author::in_language(language, checkpoint, tokenizer)?;
                Ok(vec![(GENERATION_CONFIG.to_owned(), bytes)])
            }
            None => generation_config(checkpoint),
        }
    }

    fn predict_as(&mut self, asked: &Self) {
        self.generate = asked.generate;
        self.generation.clone_from(&asked.generation);
        self.max_output_length = asked.max_output_length.or(self.max_output_length);
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
        let rests = self.backbone.backbone().frozen || self.frozen_encoder && self.frozen_decoder;
        let is_tied = config.is_tied(HeadKind::Seq2SeqLm);
        if rests && !checkpoint.has_lora() && is_tied {
            let key = if self.backbone.backbone().frozen {
                "model.backbone.frozen"
            } else {
                "model.frozen_decoder"
            };
            return Err(Error::refused(
                key,
                format!(
                    "the head of {name} is its embeddings, so that nothing is left to train; remove it, or use_peft"
                ),
            ));
        }
        Ok(())
    }
}

/// Tokens of a text, read or written, where the Rust library is not told how many: KerasHub's number.
const LENGTH: usize = 1024;

/// Stands before the tokens of a text that was written, so that a text without any is not missing; it is no token's id.
const BEGINS: f32 = -1.0;

/// What is written for what is read.
#[derive(Debug)]
struct Writing {
    texts: WrittenTexts,
    start: DecoderStart,
    author: Author,
    /// Whether texts are written to be scored.
    generates: bool,
}

/// What is to be written for the rows of a batch.
#[derive(Debug)]
struct Wanted {
    tokens: Vec<u32>,
    /// Each row's number and text, where the written ones are scored.
    texts: Vec<(usize, String)>,
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

    /// The tokens that are written for what the encoder reads, each behind the number of its row, `[rows + tokens, 2]`: a text begins with [`BEGINS`].
    fn written(&self, network: &Network, inputs: &Inputs, wanted: &Wanted) -> Tensor<2> {
        let mut rest = inputs.first().map_or(&[][..], |tokens| &tokens.ids);
        let lengths = inputs.first().map_or(&[][..], |tokens| &tokens.lengths);
        let sources = lengths.iter().zip(&wanted.texts);
        let sources = sources.map(|(&length, (number, _))| {
            let (own, after) = rest.split_at(length);
            rest = after;
            (*number, own)
        });
        let written = self.author.write(network, sources, 0).into_iter();
        let written = written.enumerate().flat_map(|(row, ids)| {
            let ids = ids.unwrap_or_default().into_iter().map(|id| id as f32);
            let begun = std::iter::once(BEGINS).chain(ids);
            begun.flat_map(move |id| [row as f32, id])
        });
        let written: Vec<f32> = written.collect();
        let shape = [written.len() / 2, 2];
        Tensor::from_data(TensorData::new(written, shape), &network.device())
    }

    fn text(&self, ids: &[u32]) -> String {
        self.texts.tokenizer.decode(ids, true).unwrap_or_default()
    }
}

impl Objective for Writing {
    fn predict(&self, network: &Network, rows: Vec<EncodedRow>) -> Vec<RowOutput> {
        self.predict_asked(network, rows, &Asked::default())
    }

    /// The tokens that are written, without those that begin or end a text; no number where none could be chosen.
    fn predict_asked(
        &self,
        network: &Network,
        rows: Vec<EncodedRow>,
        asked: &Asked<'_>,
    ) -> Vec<RowOutput> {
        let sources = rows.iter().enumerate();
        let sources = sources.map(|(row, it)| (asked.number(row), it.encoding.ids.as_slice()));
        let written = self.author.write(network, sources, asked.seed);
        let rows = written.into_iter().enumerate().map(|(row, ids)| {
            let values = match ids {
                Some(ids) => ids.into_iter().map(|id| id as f32).collect(),
                None => vec![f32::NAN],
            };
            RowOutput {
                row,
                shape: vec![values.len()],
                values,
            }
        });
        rows.collect()
    }

    fn check_rows(&self, _examples: &Examples) -> Result<()> {
        self.author.sides.start().map(drop).map_err(refused)
    }

    fn notes(&self) -> Vec<String> {
        self.author.notes.clone()
    }

    fn reading(&self) -> Reading {
        Reading::Writing(Box::new(self.texts.clone()))
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
        if output.values.iter().any(|id| id.is_nan()) {
            return vec![Cell::Missing];
        }
        let ids: Vec<u32> = output.values.iter().map(|&id| id as u32).collect();
        vec![Cell::Text(self.text(&ids))]
    }

    fn has_largest(&self) -> bool {
        false
    }
}

impl Learns for Writing {
    /// The texts that are to be written.
    type Targets = Texts;
    type BatchTargets = Wanted;
    type Metrics = WrittenScores;

    fn targets(&self, rows: &Labelled<'_>) -> Result<Texts> {
        if self.generates {
            self.author.sides.start().map_err(refused)?;
        }
        match &rows.examples.labels {
            Some(Labels::Texts(texts)) => Ok(texts.clone()),
            Some(other) => Err(Error::refused(
                "data",
                format!(
                    "Seq2SeqLM learns from texts that are to be written, not from {}; use Seq2SeqDataModule",
                    other.kind()
                ),
            )),
            None => Err(Error::refused(
                "data.y_col",
                "there are no texts to be written: Seq2SeqDataModule reads them, from this column",
            )),
        }
    }

    fn digest(&self, targets: &Texts, eat: &mut dyn FnMut(&[u8])) {
        eat(b"seq2seq");
        for text in targets.iter().flatten() {
            eat(text.as_bytes());
            eat(&[0]);
        }
    }

    fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        targets: &Texts,
        _draws: Draws,
    ) -> (Inputs, Wanted) {
        let (inputs, tokens) = self.inputs(&rows);
        let text = |&number: &usize| {
            // One that cannot be read had no tokens either, which was refused.
            let text = targets.get(number);
            (number, text.map(Cow::into_owned).unwrap_or_default())
        };
        let numbers = if self.generates { numbers } else { &[] };
        let texts = numbers.iter().map(text).collect();
        (inputs, Wanted { tokens, texts })
    }

    fn loss(&self, network: &Network, inputs: &Inputs, targets: &Wanted, mode: Mode) -> Loss {
        let tokens = ClassTargets::new(targets.tokens.clone());
        let (sum, mut outputs) = network.class_losses(inputs, tokens, mode);
        if self.generates && mode == Mode::Evaluate {
            outputs = Tensor::cat(vec![outputs, self.written(network, inputs, targets)], 0);
        }
        Loss {
            sum,
            weight: targets.tokens.len() as f64,
            outputs,
        }
    }

    const KIND: TargetKind = TargetKind::Tokens;

    fn metrics(&self) -> WrittenScores {
        WrittenScores::new(self.generates)
    }

    /// `outputs` are the loss of each token that is wanted, and 1 if it was the likeliest; behind them what [`Writing::written`] gives, which there
    /// is not in training.
    fn score(
        &self,
        metrics: &mut WrittenScores,
        outputs: Tensor<2>,
        targets: &Wanted,
        _observer: &mut dyn Observer,
    ) -> std::result::Result<(), MetricError> {
        let (values, _) = rows_of(outputs);
        let (pairs, _) = values.as_chunks::<2>();
        let (tokens, written) = pairs.split_at(targets.tokens.len().min(pairs.len()));
        for [loss, hit] in tokens {
            metrics.tokens.update(*loss, *hit > 0.5);
        }
        if let Some(scores) = &mut metrics.texts
            && !written.is_empty()
        {
            let mut ids = vec![Vec::new(); targets.texts.len()];
            for [row, id] in written.iter().filter(|[_, id]| *id >= 0.0) {
                ids[*row as usize].push(*id as u32);
            }
            for (ids, (_, wanted)) in ids.iter().zip(&targets.texts) {
                scores.update(&self.text(ids), wanted);
            }
        }
        Ok(())
    }
}
