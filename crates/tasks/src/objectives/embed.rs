//! Hidden states of the last layer: one vector a row if pooled, else one a token.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use engraft_component::{Component, Words};
use engraft_data::{Cell, Labels};
use engraft_models::{
    BoxedHead, Checkpoint, Compute, Head, HeadInput, HeadKind, Mode, Pooling, Towers,
};

mod modules;

use engraft_text::Tokenizer;

use self::modules::{Dense, Modules, Step};
use super::inference::every_token;
use crate::backbone::BackboneSlot;
use crate::classes::unfit;
use crate::compiled::{SiteTargets, TargetKind};
use crate::error::{Error, Result};
use crate::head_loading::HeadLoading;
use crate::inputs::Inputs;
use crate::metrics::{MetricError, Metrics};
use crate::network::Network;
use crate::objective::{Basis, Labelled, Learns, Loss, Objective, Reading, TaskArguments};
use crate::observer::Observer;
use crate::output::{Form, Grain, RowOutput, largest, number, place};
use crate::rows::{Draws, EncodedRow};
use crate::spec::Model;
use crate::split::{Learning, learning};

/// Computes what the backbone makes of each sequence, for every token or pooled into one vector.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.Embed")]
#[component(alias = "keras_hub.models.TextEmbedder")]
#[component(ignored(
    batch_size = "the data module's batch_size is used",
    use_legacy_adapter = "embedding uses no head"
))]
pub struct Embed {
    /// The pretrained encoder.
    pub backbone: BackboneSlot,
    /// `none`, `cls_pooling`, `mean_pooling`, `max_pooling`, `last_pooling`, `mean_sqrt_len_pooling` or `weighted_mean_pooling`; without it, what the
    /// preset's own `1_Pooling/config.json` says, else `none`. `as_preset` stands for several poolings of a preset beside each other.
    pub pooling: Option<EmbedPooling>,
    /// Scale each pooled vector to length 1; without it, as the preset's `modules.json` says, else not.
    pub normalize: Option<bool>,
    /// A text to put in front of each, such as `"query: "`; without it, the one of `prompt_name`.
    pub prompt: Option<String>,
    /// The prompt to take from the preset's `config_sentence_transformers.json`, by name; without it, the one it says is the default.
    pub prompt_name: Option<String>,
    /// Of an encoder-decoder, whose hidden states: the `encoder`'s, or those of the `decoder`, which then reads the same tokens behind the one that it
    /// begins with.
    #[arg(default = EmbedStack::Encoder)]
    pub stack: EmbedStack,
}

/// Which of the transformers of an encoder-decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum EmbedStack {
    /// The one that reads.
    Encoder,
    /// The one that writes.
    Decoder,
}

/// How [`Embed`] pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum EmbedPooling {
    /// Not at all: one vector a token.
    None,
    /// One vector a row.
    By(Pooling),
    /// One vector a row, by several poolings as the preset says.
    AsPreset,
}

impl TaskArguments for Embed {
    /// The vectors of a row: one if pooled, else one for every token.
    type Prediction = Vec<Vec<f32>>;
    const LEARNS: bool = false;
    const DATA_MODULE: &'static str = "SequencesDataModule";

    fn on(backbone: BackboneSlot) -> Self {
        Self {
            backbone,
            pooling: None,
            normalize: None,
            prompt: None,
            prompt_name: None,
            stack: EmbedStack::Encoder,
        }
    }

    fn uses_decoder(&self) -> bool {
        self.stack == EmbedStack::Decoder
    }

    fn check_backbone(&self, checkpoint: &Checkpoint) -> Result<()> {
        if self.uses_decoder() && checkpoint.config().decoder.is_none() {
            let problem = format!(
                "decoder, but {} is no encoder-decoder ({}); remove it",
                checkpoint.preset().name(),
                checkpoint.family()
            );
            return Err(Error::refused("model.stack", problem));
        }
        if self.uses_decoder() && self.backbone.backbone().cache.enable_cache {
            let problem =
                "hidden states of an encoder that a decoder reads are not kept; remove it";
            return Err(Error::refused("model.backbone.enable_cache", problem));
        }
        Ok(())
    }

    fn settle(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let preset = checkpoint.preset();
        let modules = match Modules::of(preset) {
            Ok(modules) => modules.unwrap_or_default(),
            // Tokens are as they are before any module.
            Err(_) if self.pooling == Some(EmbedPooling::None) => Modules::default(),
            Err(error) => return Err(error),
        };
        let stated = match modules.poolings.as_slice() {
            [] => EmbedPooling::None,
            [one] => EmbedPooling::By(*one),
            _ => EmbedPooling::AsPreset,
        };
        let pooling = match self.pooling {
            Some(EmbedPooling::AsPreset) if stated == EmbedPooling::None => {
                return Err(Error::refused(
                    "model.pooling",
                    format!("{} says nothing of pooling", preset.name()),
                ));
            }
            None | Some(EmbedPooling::AsPreset) => stated,
            Some(pooling) => pooling,
        };
        self.pooling = Some(pooling);
        self.normalize
            .get_or_insert(modules.normalizes() && pooling != EmbedPooling::None);
        self.settle_prompt(preset.name(), &modules)?;
        let positions = checkpoint.config().transformer.longest();
        let backbone = self.backbone.backbone_mut();
        if let (None, Some(length)) = (backbone.max_length, modules.max_length) {
            backbone.max_length = Some(positions.map_or(length, |most| most.min(length)));
        }
        Ok(())
    }

    fn tokenizer(&self, tokenizer: Tokenizer, checkpoint: &Checkpoint) -> Result<Tokenizer> {
        let modules = self.modules(checkpoint)?;
        if modules.lower_case {
            Ok(tokenizer.with_lower_case()?)
        } else {
            Ok(tokenizer)
        }
    }

    fn notes(&self, checkpoint: &Checkpoint) -> Result<Vec<String>> {
        let modules = self.modules(checkpoint)?;
        let mut notes = modules.notes;
        if self.prompt.is_none() && !modules.prompts.is_empty() {
            let names: Vec<&str> = modules.prompts.keys().map(String::as_str).collect();
            notes.push(format!(
                "the preset has prompts ({}) and none is put in front of the texts; model.prompt_name takes one",
                names.join(", ")
            ));
        }
        Ok(notes)
    }

    fn files(
        &self,
        checkpoint: &Checkpoint,
        _tokenizer: &Tokenizer,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        self.modules(checkpoint)?.files(checkpoint.preset())
    }

    fn length_in_rust(&self) -> Option<usize> {
        Some(512)
    }

    fn objective(&self, basis: &Basis<'_>) -> Result<Arc<dyn Objective>> {
        Ok(Arc::new(Vectors {
            is_pooled: self.is_pooled(),
            width: self.width(basis.checkpoint)?,
            prompt: self.prompt.clone().unwrap_or_default(),
        }))
    }

    fn head(&self, loading: &HeadLoading<'_>) -> Result<BoxedHead> {
        let checkpoint = loading.checkpoint;
        let mut modules = self.modules(checkpoint)?;
        let poolings = match self.pooling {
            Some(EmbedPooling::By(pooling)) => vec![pooling],
            Some(EmbedPooling::AsPreset) => std::mem::take(&mut modules.poolings),
            Some(EmbedPooling::None) | None => Vec::new(),
        };
        if poolings.is_empty() {
            modules.steps.clear();
        }
        match self.normalize {
            Some(true) if !modules.normalizes() => modules.steps.push(Step::Normalize),
            Some(false) => modules.steps.retain(|step| *step != Step::Normalize),
            _ => {}
        }
        let skipped = match &self.prompt {
            Some(prompt) if modules.leaves_out_prompt => prompt_length(loading.tokenizer, prompt)?,
            _ => 0,
        };
        let width = checkpoint.config().transformer.output_width();
        let mut width = width * poolings.len().max(1);
        let mut steps = Vec::new();
        for step in &modules.steps {
            steps.push(match step {
                Step::Normalize => LoadedStep::Normalize,
                Step::Dense(dense) => {
                    let device = &loading.initial.device;
                    let loaded = dense.load(checkpoint.preset(), width, device)?;
                    width = dense.outputs();
                    LoadedStep::Dense(Box::new(loaded))
                }
            });
        }
        Ok(BoxedHead::new(VectorHead {
            poolings,
            skipped,
            steps,
        }))
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

    fn uses_checkpoint_head(&self) -> bool {
        false
    }

    /// A pooling that is left open is the preset's own, if it states one.
    fn predicts_tokens(&self, is_saved: bool) -> bool {
        match self.pooling {
            Some(pooling) => pooling == EmbedPooling::None,
            None => {
                let name = self.backbone.backbone().preset_name();
                let preset = engraft_hub::Preset::from_name(name);
                // A preset that cannot be opened is reported when it is.
                !is_saved && preset.is_ok_and(|preset| !Modules::are_in(&preset))
            }
        }
    }

    fn fill_in(&mut self, saved: &Self) {
        self.pooling = self.pooling.or(saved.pooling);
        self.normalize = self.normalize.or(saved.normalize);
        if self.prompt.is_none() && self.prompt_name.is_none() {
            self.prompt.clone_from(&saved.prompt);
            self.prompt_name.clone_from(&saved.prompt_name);
        }
    }
}

impl Embed {
    fn is_pooled(&self) -> bool {
        !matches!(self.pooling, Some(EmbedPooling::None) | None)
    }

    /// How many numbers a vector has.
    fn width(&self, checkpoint: &Checkpoint) -> Result<usize> {
        let modules = self.modules(checkpoint)?;
        let poolings = match self.pooling {
            Some(EmbedPooling::AsPreset) => modules.poolings.len(),
            _ => 1,
        };
        let steps = modules.steps.iter().filter(|_| self.is_pooled());
        let mut denses = steps.filter_map(|step| match step {
            Step::Dense(dense) => Some(dense.outputs()),
            Step::Normalize => None,
        });
        let hidden = checkpoint.config().transformer.output_width();
        Ok(denses.next_back().unwrap_or(hidden * poolings.max(1)))
    }

    /// What the preset says of its modules, as far as the task follows it.
    fn modules(&self, checkpoint: &Checkpoint) -> Result<Modules> {
        match Modules::of(checkpoint.preset()) {
            Ok(modules) => Ok(modules.unwrap_or_default()),
            Err(_) if self.pooling == Some(EmbedPooling::None) => Ok(Modules::default()),
            Err(error) => Err(error),
        }
    }

    /// Finds the prompt that is asked for by its name.
    fn settle_prompt(&mut self, preset: &str, modules: &Modules) -> Result<()> {
        let name = self
            .prompt_name
            .as_ref()
            .or(modules.default_prompt.as_ref());
        let (None, Some(name)) = (&self.prompt, name) else {
            return Ok(());
        };
        let Some(prompt) = modules.prompts.get(name) else {
            let known: Vec<&str> = modules.prompts.keys().map(String::as_str).collect();
            let known = match known.as_slice() {
                [] => "none".to_owned(),
                known => known.join(", "),
            };
            return Err(Error::refused(
                "model.prompt_name",
                format!("{preset} has no prompt \"{name}\"; its prompts: {known}"),
            ));
        };
        self.prompt = Some(prompt.clone());
        Ok(())
    }
}

/// How many tokens a prompt has at the start of a text, the first special ones included.
fn prompt_length(tokenizer: &Tokenizer, prompt: &str) -> Result<usize> {
    if prompt.is_empty() {
        return Ok(0);
    }
    let encoding = tokenizer.encode(prompt, None)?;
    let ends = encoding.special.last() == Some(&true);
    Ok(encoding.len() - usize::from(ends))
}

/// Vectors of rows, or of their tokens.
#[derive(Debug)]
struct Vectors {
    is_pooled: bool,
    /// How many numbers a vector has.
    width: usize,
    /// What is put in front of each text.
    prompt: String,
}

impl Objective for Vectors {
    fn learning(self: Arc<Self>) -> Option<Arc<dyn Learning>> {
        Some(learning(self))
    }

    fn reads_alignments(&self) -> bool {
        self.prompt.is_empty()
    }

    fn reading(&self) -> Reading {
        if self.prompt.is_empty() {
            Reading::Sequences
        } else {
            Reading::Prompted(self.prompt.clone())
        }
    }

    fn grain(&self) -> Grain {
        if self.is_pooled {
            Grain::Row
        } else {
            Grain::Token
        }
    }

    fn columns(&self, form: Form, width: usize) -> Vec<String> {
        match (self.grain(), form) {
            (Grain::Row, Form::Values) => (0..width).map(|value| format!("e{value}")).collect(),
            (Grain::Row, Form::Largest) => vec!["prediction".to_owned()],
            _ => vec!["predictions".to_owned()],
        }
    }

    fn cells(&self, form: Form, output: &RowOutput) -> Vec<Cell> {
        match (self.grain(), form) {
            (Grain::Row, Form::Values) => output.values.iter().map(|&it| number(it)).collect(),
            (Grain::Row, Form::Largest) => vec![place(largest(&output.values))],
            _ => vec![every_token(form, output)],
        }
    }
}

impl Model {
    /// The encoder of a model alone, which gives the hidden states of its last layer for each token.
    ///
    /// # Errors
    /// A file of the preset is damaged.
    pub fn encoder_alone(&self) -> Result<Self> {
        let Self { spec, network } = self;
        let checkpoint = spec.checkpoint();
        let mut embed = Embed::on(spec.task().backbone().clone());
        embed.pooling = Some(EmbedPooling::None);
        TaskArguments::settle(&mut embed, checkpoint)?;
        let tokenizer = spec.tokenizer();
        let objective = TaskArguments::objective(
            &embed,
            &Basis {
                checkpoint,
                tokenizer,
                others: &[],
                learned: None,
                train: None,
            },
        )?;
        let compute = Compute {
            device: network.device(),
            ..Compute::cpu()
        };
        let head = VectorHead {
            poolings: Vec::new(),
            skipped: 0,
            steps: Vec::new(),
        };
        let towers = Towers::one(network.encoder().clone());
        Ok(Self {
            network: Network::new(towers, BoxedHead::new(head), &compute),
            spec: Arc::new(spec.for_task(embed.into(), objective)),
        })
    }
}

/// Learns vectors that are given for rows, by whatever loss it is compiled with.
impl Learns for Vectors {
    type Targets = Vec<Vec<f64>>;
    /// `[rows * width]`.
    type BatchTargets = Vec<f32>;
    type Metrics = Unscored;

    const KIND: TargetKind = TargetKind::Numbers;
    const HAS_LOSS: bool = false;

    fn targets(&self, rows: &Labelled<'_>) -> Result<Vec<Vec<f64>>> {
        if !self.is_pooled {
            let problem = "one vector a token is not trained towards a vector; give a pooling";
            return Err(Error::refused("model.pooling", problem));
        }
        match rows.labels()? {
            Labels::Numbers { names, .. } if names.len() != self.width => Err(Error::refused(
                "labels",
                format!(
                    "the model makes vectors of {} numbers of texts, but rows have {}",
                    self.width,
                    names.len()
                ),
            )),
            Labels::Numbers { rows, .. } => Ok(rows.clone()),
            other => Err(unfit(other, "a vector for each row")),
        }
    }

    fn digest(&self, targets: &Vec<Vec<f64>>, eat: &mut dyn FnMut(&[u8])) {
        let numbers = targets.iter().flatten();
        numbers.for_each(|number| eat(&number.to_le_bytes()));
    }

    fn collate(
        &self,
        numbers: &[usize],
        rows: Vec<EncodedRow>,
        targets: &Vec<Vec<f64>>,
        _draws: Draws,
    ) -> (Inputs, Vec<f32>) {
        let targets = numbers.iter().flat_map(|&row| &targets[row]);
        let targets = targets.map(|&number| number as f32).collect();
        (Inputs::whole(EncodedRow::pack(&rows)), targets)
    }

    /// Nothing, in the place of which comes what it is compiled with.
    fn loss(&self, network: &Network, inputs: &Inputs, _targets: &Vec<f32>, mode: Mode) -> Loss {
        let outputs = network.outputs(inputs, mode);
        Loss {
            sum: Tensor::zeros([1], &outputs.device()),
            weight: inputs.rows() as f64,
            outputs,
        }
    }

    fn sites<'t>(&'t self, targets: &'t Vec<f32>) -> Option<SiteTargets<'t>> {
        Some(SiteTargets::Numbers {
            numbers: targets.clone(),
            in_data: targets.clone(),
            loss: None,
        })
    }

    fn metrics(&self) -> Unscored {
        Unscored::default()
    }

    fn score(
        &self,
        metrics: &mut Unscored,
        outputs: Tensor<2>,
        _targets: &Vec<f32>,
        _observer: &mut dyn Observer,
    ) -> std::result::Result<(), MetricError> {
        metrics.rows += outputs.dims()[0];
        Ok(())
    }
}

/// Nothing but the number of rows.
#[derive(Debug, Default)]
struct Unscored {
    rows: usize,
}

impl Metrics for Unscored {
    fn rows(&self) -> usize {
        self.rows
    }

    fn finish(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// A head without trained parameters: hidden states, pooled, and what the preset's modules make of them.
#[derive(Module, Debug)]
struct VectorHead {
    /// Their vectors stand beside each other; none for a vector a token.
    #[module(skip)]
    poolings: Vec<Pooling>,
    /// How many tokens at the start of a row are not pooled.
    #[module(skip)]
    skipped: usize,
    #[module(skip)]
    steps: Vec<LoadedStep>,
}

/// What is made of a vector.
#[derive(Clone, Debug)]
enum LoadedStep {
    Normalize,
    Dense(Box<Dense>),
}

impl Head for VectorHead {
    fn forward(&self, input: HeadInput<'_>, _mode: Mode) -> Tensor<2> {
        let pool = |pooling: &Pooling| {
            pooling.apply_after(self.skipped, input.hidden.clone(), input.tokens)
        };
        let vectors = match self.poolings.as_slice() {
            [] => input.hidden,
            [_] if input.is_pooled => input.hidden,
            [one] => pool(one),
            several => Tensor::cat(several.iter().map(pool).collect(), 1),
        };
        let steps = self.steps.iter();
        steps.fold(vectors, |vectors, step| match step {
            LoadedStep::Dense(dense) => dense.forward(vectors),
            LoadedStep::Normalize => {
                let squares = vectors.clone().powi_scalar(2).sum_dim(1);
                // The floor that PyTorch's normalize has.
                vectors / squares.sqrt().clamp_min(1e-12)
            }
        })
    }

    fn pooling(&self) -> Option<Pooling> {
        match self.poolings.as_slice() {
            [one] if self.skipped == 0 => Some(*one),
            _ => None,
        }
    }

    fn kind(&self) -> HeadKind {
        HeadKind::None
    }
}

#[cfg(test)]
mod tests;
