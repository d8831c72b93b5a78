//! The backbone as users name it.

use std::collections::BTreeMap;
use std::sync::Arc;

use engraft_component::{Choice, Component, Node, Refusal, Style, Value as NodeValue, Words};
use engraft_hub::{Preset, Weights};
use engraft_models::{
    Checkpoint, LoraOrigin, LoraRule, LoraSettings, PeftFolder, RunFile, base_of, refuse,
};
use engraft_text::LetterPolicy;
use serde_json::{Map, Value};

use crate::cache_settings::CacheSettings;
use crate::error::Result;

/// The pretrained encoder of a task: the name of a built-in preset, `hf://org/repo[@revision]`, or a folder.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(otherwise = Pretrained, kind = "backbone")]
pub enum BackboneSlot {
    /// A preset.
    Pretrained(Backbone),
}

/// Whose tokens are made of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum TokensOf {
    /// KerasHub's.
    KerasHub,
}

/// A pretrained encoder.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "Pretrained")]
#[component(ignored(model_init_args = "weights are always loaded in single precision"))]
pub struct Backbone {
    /// The preset: a built-in name, `hf://org/repo[@revision]` in the local cache, or a folder; a folder of a PEFT adapter stands for the
    /// preset that it adapts.
    #[arg(name_slot)]
    pub preset: String,
    /// Sequences are cut to this many tokens, special tokens included; without it a longer sequence than the model has positions for is an error.
    pub max_length: Option<usize>,
    /// Letters that a vocabulary of letters lacks: `unknown` makes each an unknown token, `map` first tries its upper case, T for U or U for
    /// T, and N or X, `error` refuses the row; without it as the preset was trained, else `unknown`. Any of them reads a vocabulary of letters
    /// or k-mers that was saved as BERT's without the spaces that it expects.
    pub letters: Option<LetterPolicy>,
    /// Of a preset of KerasHub: `keras_hub` makes the tokens that it makes itself, also where the model was trained with others: a protein is
    /// one unknown word to ESM, byte pairs are merged across words, and of all spaces only U+0020 and control characters divide words.
    pub tokens: Option<TokensOf>,
    /// Start from fresh weights in the shape that the preset's config.json gives; built-in shapes without weights always do.
    #[arg(default = false)]
    pub from_scratch: bool,
    /// Train the head only; the encoder's dropout stays on, unless its hidden states are cached. With `use_peft` the LoRA updates are trained too.
    #[arg(default = false)]
    pub frozen: bool,
    /// Keys of config.json to replace, such as `hidden_dropout_prob`.
    pub config_overwrites: Option<BTreeMap<String, Node>>,
    /// Train low-rank updates of the encoder's linear layers (LoRA) instead of its weights.
    #[arg(default = false)]
    pub use_peft: bool,
    /// Rank of the updates.
    #[arg(default = 16)]
    pub lora_r: usize,
    /// Their scale is `lora_alpha / lora_r`; without it 32 for ESM, AIDO.DNA and AIDO.RNA, else 16.
    pub lora_alpha: Option<f64>,
    /// Dropout of their inputs.
    #[arg(default = 0.1)]
    pub lora_dropout: f64,
    /// The layers that have one, by their names in the reference library or the end of these after a dot, such as `[query, value]`, or
    /// `all-linear`; without it the family's queries and values, or what computes them.
    pub lora_target_modules: Option<Vec<String>>,
    /// Scale by `lora_alpha / sqrt(lora_r)`.
    #[arg(default = false)]
    pub lora_use_rslora: bool,
    /// Only null: heads are always trained and saved whole.
    pub lora_modules_to_save: Option<Vec<String>>,
    /// A folder of a PEFT adapter: its updates are the start with `use_peft`, and are added to the weights without. Rank, scale, dropout and
    /// layers are the adapter's own.
    pub peft_path: Option<String>,
    /// Refuse rows without alignments, of a model that reads them; rows that bring some (`data.is_rag_dataset`) are read with them all the same.
    #[arg(default = false)]
    pub enable_rag: bool,
    /// With `use_peft` or `frozen`: checkpoints leave out the encoder's weights, which are those of the preset.
    #[arg(default = true)]
    pub save_peft_only: bool,
    /// Where hidden states are kept between runs.
    #[arg(flatten)]
    pub cache: CacheSettings,
}

/// What becomes of rows that are longer than a model can read, where nobody says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cuts {
    /// They are refused.
    No,
    /// They are cut to the positions that the model has.
    ToPositions,
    /// They are cut to so many tokens, or to the positions if these are fewer.
    To(usize),
}

impl BackboneSlot {
    /// The backbone, of whichever kind.
    pub fn backbone(&self) -> &Backbone {
        match self {
            Self::Pretrained(backbone) => backbone,
        }
    }

    /// The backbone, of whichever kind.
    pub fn backbone_mut(&mut self) -> &mut Backbone {
        match self {
            Self::Pretrained(backbone) => backbone,
        }
    }
}

impl Backbone {
    /// A backbone with every argument at its default.
    pub fn new(preset: impl Into<String>) -> Self {
        Self {
            preset: preset.into(),
            max_length: None,
            from_scratch: false,
            frozen: false,
            letters: None,
            tokens: None,
            config_overwrites: None,
            use_peft: false,
            lora_r: 16,
            lora_alpha: None,
            lora_dropout: 0.1,
            lora_target_modules: None,
            lora_use_rslora: false,
            lora_modules_to_save: None,
            peft_path: None,
            enable_rag: false,
            save_peft_only: true,
            cache: CacheSettings::default(),
        }
    }

    /// Opens the preset with the overwrites applied.
    ///
    /// # Errors
    /// An argument that no model can have, or whatever [`Checkpoint::open`] refuses.
    pub fn open(&self) -> Result<Checkpoint> {
        self.check()?;
        self.open_preset(Preset::from_name(self.preset_name())?)
    }

    /// The name of the preset: what ModelGenerator's dotted names end in.
    pub fn preset_name(&self) -> &str {
        self.preset
            .strip_prefix("modelgenerator.backbones.")
            .unwrap_or(&self.preset)
    }

    /// As [`Self::open`], on a preset that is already found.
    ///
    /// # Errors
    /// Whatever [`Checkpoint::open`] refuses.
    pub fn open_preset(&self, preset: Preset) -> Result<Checkpoint> {
        let mut adapter = match &self.peft_path {
            Some(path) => {
                let folder = Preset::from_name(path);
                let folder = folder.map_err(|error| refuse("peft_path", error.to_string()))?;
                Some(PeftFolder::open(folder)?)
            }
            None => None,
        };
        let preset = if PeftFolder::is_in(&preset) {
            let folder = PeftFolder::open(preset.clone())?;
            let base = folder.base_preset(&preset)?;
            adapter.get_or_insert(folder);
            base
        } else {
            preset
        };
        let preset = match stands_on(&preset)? {
            Some(base) if !self.from_scratch => Preset::from_name(&base).map_err(|error| {
                let problem = format!(
                    "the backbone that the heads in {} were trained on cannot be opened: {error}",
                    preset.name()
                );
                let help =
                    "Put it back there, or name it as model.backbone and this folder as ckpt_path";
                Refusal::of("model.backbone", problem).help(help)
            })?,
            _ => preset,
        };
        let from_scratch = self.from_scratch || preset.is_shape_only();
        // What the shape of the model forbids is said before weights are read, or fetched.
        let shape = Checkpoint::open(preset.clone(), &self.overwrites(), true)?;
        self.check_length(&shape)?;
        self.check_alignments(&shape)?;
        let checkpoint = Checkpoint::open(preset, &self.overwrites(), from_scratch)?;
        match adapter {
            Some(folder) if self.use_peft => {
                Ok(checkpoint.with_lora(LoraOrigin::Saved(Arc::new(folder)))?)
            }
            Some(folder) => Ok(checkpoint.with_lora(LoraOrigin::Merged(Arc::new(folder)))?),
            None if self.use_peft => {
                let settings = self.lora_settings(&checkpoint);
                Ok(checkpoint.with_lora(LoraOrigin::Fresh(settings))?)
            }
            None => Ok(checkpoint),
        }
    }

    /// As [`Self::open_preset`], with what a run's file has of backbone `number`: its encoder, or only the updates of the preset's. Where
    /// they are not `required`, fresh updates stand for those that the file lacks.
    ///
    /// # Errors
    /// Whatever [`Checkpoint::open`] refuses; the file has updates and the experiment no LoRA, or the other way round.
    pub(crate) fn open_run(
        &self,
        preset: Preset,
        run: &RunFile,
        number: usize,
        required: bool,
    ) -> Result<Checkpoint> {
        if self.peft_path.is_some() || PeftFolder::is_in(&preset) {
            let problem = format!(
                "an adapter of its own beside {}, which holds what the run trained",
                run.name()
            );
            return Err(refuse("peft_path", problem)
                .help("Name the preset without an adapter")
                .into());
        }
        let overwrites = self.overwrites();
        let checkpoint = if run.has_encoder(number) {
            Checkpoint::open_run(preset, &overwrites, run, number)?
        } else if self.from_scratch || preset.is_shape_only() {
            let problem = format!(
                "{} has no weights, and {} has none of its encoder: the run left them out, as it did not train them",
                preset.name(),
                run.name()
            );
            let help = "Name the preset with the weights that the run began with";
            return Err(Refusal::of("model.backbone", problem).help(help).into());
        } else {
            Checkpoint::open(preset, &overwrites, false)?.of_run(run)
        };
        self.check_length(&checkpoint)?;
        self.check_alignments(&checkpoint)?;
        let settings = self.lora_settings(&checkpoint);
        match (self.use_peft, run.has_updates(number)) {
            (false, false) => Ok(checkpoint),
            (true, true) => Ok(checkpoint.with_updates(run, number, &settings)?),
            (true, false) if !required => Ok(checkpoint.with_lora(LoraOrigin::Fresh(settings))?),
            (true, false) => {
                let problem = format!("true, but {} holds no LoRA updates", run.name());
                Err(refuse("use_peft", problem).help("Remove it").into())
            }
            (false, true) => {
                let problem = format!("false, but {} holds LoRA updates", run.name());
                let help = "Give use_peft: true with the lora_r, lora_alpha and lora_use_rslora of the run";
                Err(refuse("use_peft", problem).help(help).into())
            }
        }
    }

    /// The keys of `config.json` to replace.
    fn overwrites(&self) -> Map<String, Value> {
        self.config_overwrites
            .iter()
            .flatten()
            .map(|(key, node)| (key.clone(), to_json(node)))
            .collect()
    }

    /// Says how many tokens rows are cut to, where nobody does: what the preprocessor of a preset of KerasHub cuts them to, else what `cuts`
    /// says.
    pub(crate) fn settle_length(&mut self, checkpoint: &Checkpoint, cuts: Cuts) {
        if self.max_length.is_some() {
            return;
        }
        let longest = checkpoint.config().transformer.longest();
        let own = checkpoint.preset().text_length();
        let own = own.or(match cuts {
            Cuts::To(length) => Some(length),
            Cuts::No | Cuts::ToPositions => None,
        });
        self.max_length = match (own, longest) {
            (Some(own), Some(longest)) => Some(own.min(longest)),
            (own, longest) => own.or(longest.filter(|_| cuts != Cuts::No)),
        };
    }

    /// Refuses rows that are cut to more tokens than the model has positions.
    pub(crate) fn check_length(&self, checkpoint: &Checkpoint) -> Result<()> {
        if let (Some(length), Some(longest)) =
            (self.max_length, checkpoint.config().transformer.longest())
            && length > longest
        {
            let problem = format!(
                "{length} is more than the {longest} positions of {}",
                checkpoint.preset().name()
            );
            let help = format!("Give {longest} or less");
            return Err(refuse("max_length", problem).help(help).into());
        }
        Ok(())
    }

    /// Refuses to read alignments with a model that tells none of their rows apart.
    fn check_alignments(&self, checkpoint: &Checkpoint) -> Result<()> {
        if !self.enable_rag || checkpoint.config().transformer.reads_alignments() {
            return Ok(());
        }
        let problem = format!(
            "true, but {} tells no rows of an alignment apart, which takes position_embedding_type: rope_2d in its config.json",
            checkpoint.preset().name()
        );
        let help = "Remove it, or name a model that reads alignments, such as aido_protein_rag_16b";
        Err(refuse("enable_rag", problem).help(help).into())
    }

    /// What a fresh adapter of a preset is to be.
    fn lora_settings(&self, checkpoint: &Checkpoint) -> LoraSettings {
        let defaults = checkpoint.config().family.lora;
        let targets = || {
            let targets = defaults.targets.iter();
            targets.map(|&target| target.to_owned()).collect()
        };
        LoraSettings {
            rule: self.lora_rule(defaults.alpha),
            targets: self.lora_target_modules.clone().unwrap_or_else(targets),
        }
    }

    fn lora_rule(&self, alpha: f64) -> LoraRule {
        LoraRule {
            r: self.lora_r,
            alpha: self.lora_alpha.unwrap_or(alpha),
            rank_stabilised: self.lora_use_rslora,
            dropout: self.lora_dropout,
        }
    }

    /// What of these arguments is without effect on the checkpoint that they opened, under its own head or, without `own_head`, another.
    pub(crate) fn notes(&self, checkpoint: &Checkpoint, own_head: bool) -> Vec<String> {
        let mut notes = Vec::new();
        let why = match checkpoint.saved_adapter() {
            _ if !self.use_peft => Some("use_peft is false".to_owned()),
            Some(folder) => Some(format!("the adapter in {folder} has its own")),
            None => None,
        };
        let lora = self.lora_arguments();
        if let (Some(why), false) = (why, lora.is_empty()) {
            let be = if lora.len() == 1 { "is" } else { "are" };
            notes.push(format!(
                "model.backbone: {} {be} without effect, as {why}",
                lora.join(", ")
            ));
        }
        let of_heads = ["id2label", "label2id", "num_labels", "problem_type"];
        let overwrites = self.config_overwrites.iter().flatten();
        let unused = overwrites.filter(|(key, _)| !own_head && of_heads.contains(&key.as_str()));
        notes.extend(unused.map(|(key, _)| {
            format!(
                "model.backbone.config_overwrites.{key} is without effect, as it is about the checkpoint's own head, which is not used"
            )
        }));
        notes
    }

    /// The names of LoRA's arguments that are not at their defaults.
    fn lora_arguments(&self) -> Vec<&'static str> {
        let default = Self::new("");
        let arguments = [
            ("lora_r", self.lora_r != default.lora_r),
            ("lora_alpha", self.lora_alpha.is_some()),
            ("lora_dropout", self.lora_dropout != default.lora_dropout),
            ("lora_target_modules", self.lora_target_modules.is_some()),
            ("lora_use_rslora", self.lora_use_rslora),
        ];
        let given = arguments.into_iter().filter(|(_, is_given)| *is_given);
        given.map(|(name, _)| name).collect()
    }

    /// Whether the encoder's own weights stay as they are.
    pub fn keeps_weights(&self) -> bool {
        self.use_peft || self.frozen
    }

    /// Refuses to train an encoder whose hidden states are to be cached, before anything is read.
    ///
    /// # Errors
    /// They would change with every step.
    pub fn check_training(&self) -> Result<()> {
        let (problem, help) = match (self.cache.enable_cache, self.use_peft, self.frozen) {
            (false, ..) | (true, false, true) => return Ok(()),
            (true, true, _) => (
                "LoRA's updates change the hidden states at every step, so none can be kept",
                "Remove it, or use_peft",
            ),
            (true, false, false) => (
                "training changes the encoder, and with it the hidden states, at every step, so none can be kept",
                "Remove it, or add frozen: true to train the head only",
            ),
        };
        Err(refuse("enable_cache", problem).help(help).into())
    }

    /// Refuses arguments that no model can have, before anything is read.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self) -> Result<()> {
        if self.max_length == Some(0) {
            let refusal = refuse("max_length", "no sequence fits in 0 tokens");
            return Err(refusal
                .help("Give a positive length or leave it out")
                .into());
        }
        if self
            .lora_modules_to_save
            .as_ref()
            .is_some_and(|modules| !modules.is_empty())
        {
            let problem = "not supported: heads are always trained and saved whole, and of the encoder only LoRA's updates are";
            return Err(refuse("lora_modules_to_save", problem)
                .help("Remove it")
                .into());
        }
        if self.lora_target_modules.as_ref().is_some_and(Vec::is_empty) {
            let refusal = refuse("lora_target_modules", "an empty list adapts nothing");
            return Err(refusal.help("Name layers or leave it out").into());
        }
        self.cache.check()?;
        if self.use_peft {
            self.lora_rule(1.0).check()?;
        }
        Ok(())
    }
}

/// The preset whose encoder the heads in a folder were trained on, where the folder holds heads alone.
fn stands_on(preset: &Preset) -> Result<Option<String>> {
    let file = preset.dir().map(|folder| folder.join("model.safetensors"));
    let Some(file) = file.filter(|file| file.is_file()) else {
        return Ok(None);
    };
    Ok(base_of(&Weights::open_file(&file)?))
}

/// A YAML value as `config.json` would hold it.
fn to_json(node: &Node) -> Value {
    match &node.value {
        NodeValue::Scalar(scalar) if scalar.style == Style::Plain => match scalar.text.as_str() {
            "null" | "Null" | "NULL" | "None" | "~" | "" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            text => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(whole), _) => whole.into(),
                (_, Ok(number)) if number.is_finite() => number.into(),
                _ => text.into(),
            },
        },
        NodeValue::Scalar(scalar) => scalar.text.as_str().into(),
        NodeValue::List(items) => items.iter().map(to_json).collect(),
        NodeValue::Map(mapping) => mapping
            .iter()
            .map(|entry| (entry.key.clone(), to_json(&entry.value)))
            .collect::<Map<_, _>>()
            .into(),
    }
}
