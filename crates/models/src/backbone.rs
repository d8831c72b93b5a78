//! The backbone as users name it.

use std::collections::BTreeMap;

use engraft_component::{Choice, Component, Node, Style, Value as NodeValue};
use engraft_hub::Preset;
use serde_json::{Map, Value};

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};

/// The pretrained encoder of a task: the name of a built-in preset, `hf://org/repo[@revision]`, or a folder.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(otherwise = Pretrained, kind = "backbone")]
pub enum BackboneSlot {
    /// A preset.
    Pretrained(Backbone),
}

/// A pretrained encoder.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "Pretrained")]
#[component(ignored(
    model_init_args = "weights are always loaded in single precision",
    save_peft_only = "LoRA is not supported yet: checkpoints hold the whole model",
    lora_r = "LoRA is not supported yet",
    lora_alpha = "LoRA is not supported yet",
    lora_dropout = "LoRA is not supported yet",
    lora_target_modules = "LoRA is not supported yet",
    lora_modules_to_save = "LoRA is not supported yet",
    lora_use_rslora = "LoRA is not supported yet",
    enable_cache = "hidden states are always computed",
    file_cache_dir = "hidden states are always computed",
    overwrite_file_cache = "hidden states are always computed"
))]
pub struct Backbone {
    /// The preset: a built-in name, `hf://org/repo[@revision]` in the local cache, or a folder.
    #[arg(name_slot)]
    pub preset: String,
    /// Sequences are cut to this many tokens, special tokens included; without it a longer sequence than the model has positions for is an error.
    pub max_length: Option<usize>,
    /// Start from fresh weights in the shape that the preset's config.json gives.
    #[arg(default = false)]
    pub from_scratch: bool,
    /// Train the head only; the encoder's dropout stays on.
    #[arg(default = false)]
    pub frozen: bool,
    /// Keys of config.json to replace, such as `hidden_dropout_prob`.
    pub config_overwrites: Option<BTreeMap<String, Node>>,
    /// Not supported yet.
    #[arg(default = false)]
    pub use_peft: bool,
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
            config_overwrites: None,
            use_peft: false,
        }
    }

    /// Opens the preset with the overwrites applied.
    ///
    /// # Errors
    /// An argument that is not supported, or whatever [`Checkpoint::open`] refuses.
    pub fn open(&self) -> Result<Checkpoint> {
        self.check()?;
        // ModelGenerator's dotted names end in the name of the preset.
        let name = self
            .preset
            .strip_prefix("modelgenerator.backbones.")
            .unwrap_or(&self.preset);
        self.open_preset(Preset::from_name(name)?)
    }

    /// As [`Self::open`], on a preset that is already found.
    ///
    /// # Errors
    /// Whatever [`Checkpoint::open`] refuses.
    pub fn open_preset(&self, preset: Preset) -> Result<Checkpoint> {
        let overwrites: Map<String, Value> = self
            .config_overwrites
            .iter()
            .flatten()
            .map(|(key, node)| (key.clone(), to_json(node)))
            .collect();
        let checkpoint = Checkpoint::open(preset, &overwrites, self.from_scratch)?;
        let longest = checkpoint.config().transformer.longest();
        match self.max_length {
            Some(length) if length > longest => Err(Error::Argument(format!(
                "backbone.max_length: {length} is more than the {longest} positions of {}; give {longest} or less",
                checkpoint.preset().name()
            ))),
            _ => Ok(checkpoint),
        }
    }

    /// Refuses arguments that no model can have, before anything is read.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self) -> Result<()> {
        if self.use_peft {
            return Err(Error::Argument("backbone.use_peft: LoRA is not supported yet; remove it to train all weights, or give frozen: true to train the head only".into()));
        }
        if self.max_length == Some(0) {
            return Err(Error::Argument("backbone.max_length: no sequence fits in 0 tokens; give a positive length or leave it out".into()));
        }
        Ok(())
    }
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
