//! A folder of sentence-transformers: the modules that make one vector of a text, and what stands beside them.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::activation::{gelu, relu, sigmoid, silu, tanh};
use burn::tensor::{Device, Tensor, TensorData};
use engraft_component::Refusal;
use engraft_hub::{Preset, TensorRef, Weights};
use engraft_kernels::linear;
use engraft_models::Pooling;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The list of modules.
const MODULES: &str = "modules.json";

/// How a folder without a list of modules pools.
const POOLING: &str = "1_Pooling/config.json";

/// Prompts, among other things.
const SETTINGS: &str = "config_sentence_transformers.json";

/// What is said of the transformer, under the names that the library has given the file.
const TRANSFORMER: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// A length that stands for none, in `tokenizer_config.json`.
const ENDLESS: u64 = 1 << 40;

/// Modes of pooling in the order in which their vectors stand beside each other, each with its older name.
const MODES: [(&str, &str, Pooling); 6] = [
    ("cls", "pooling_mode_cls_token", Pooling::Cls),
    ("max", "pooling_mode_max_tokens", Pooling::Max),
    ("mean", "pooling_mode_mean_tokens", Pooling::Mean),
    (
        "mean_sqrt_len_tokens",
        "pooling_mode_mean_sqrt_len_tokens",
        Pooling::MeanSqrtLen,
    ),
    (
        "weightedmean",
        "pooling_mode_weightedmean_tokens",
        Pooling::WeightedMean,
    ),
    ("lasttoken", "pooling_mode_lasttoken", Pooling::Last),
];

/// What a folder of sentence-transformers says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Modules {
    /// How hidden states become vectors, which stand beside each other; not at all if there are none.
    pub(super) poolings: Vec<Pooling>,
    /// Whether tokens of the prompt are left out of these.
    pub(super) leaves_out_prompt: bool,
    /// What is made of the vectors.
    pub(super) steps: Vec<Step>,
    /// Texts are cut to this many tokens.
    pub(super) max_length: Option<usize>,
    /// Whether texts are lower-cased.
    pub(super) lower_case: bool,
    /// Texts to be put in front of others, by name.
    pub(super) prompts: BTreeMap<String, String>,
    /// The one that is put there unless another is asked for.
    pub(super) default_prompt: Option<String>,
    /// What is said without effect.
    pub(super) notes: Vec<String>,
    /// The files all this stands in.
    files: BTreeSet<String>,
}

/// What is made of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is scaled to length 1.
    Normalize,
    /// A linear layer, of this folder.
    Dense(DenseModule),
}

/// A linear layer with its activation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DenseModule {
    folder: String,
    inputs: usize,
    outputs: usize,
    bias: bool,
    activation: Activation,
    residual: bool,
}

/// An activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activation {
    Identity,
    Tanh,
    Gelu,
    Relu,
    Silu,
    Sigmoid,
}

impl Modules {
    /// Whether the preset says how its hidden states become vectors.
    pub(super) fn are_in(preset: &Preset) -> bool {
        preset.has(MODULES) || preset.has(POOLING)
    }

    /// What the preset says; none if it is no folder of sentence-transformers.
    ///
    /// # Errors
    /// A file is damaged; a module, an activation or a mode of pooling is not known.
    pub(super) fn of(preset: &Preset) -> Result<Option<Self>> {
        if !Self::are_in(preset) {
            return Ok(None);
        }
        let mut modules = Self::default();
        match preset.read(MODULES)? {
            Some(bytes) => {
                modules.files.insert(MODULES.to_owned());
                let listed: Value = serde_json::from_slice(&bytes)
                    .map_err(|error| malformed(preset, MODULES, error.to_string()))?;
                let listed = listed
                    .as_array()
                    .ok_or_else(|| malformed(preset, MODULES, "a list of modules is expected"))?;
                for module in listed {
                    modules.add(preset, module)?;
                }
            }
            None => modules.add_pooling(preset, POOLING)?,
        }
        modules.read_transformer(preset)?;
        modules.read_prompts(preset)?;
        Ok(Some(modules))
    }

    /// Adds the module that an entry of the list describes.
    fn add(&mut self, preset: &Preset, module: &Value) -> Result<()> {
        let text = |key: &str| module.get(key).and_then(Value::as_str);
        let (Some(kind), Some(path)) = (text("type"), text("path")) else {
            return Err(malformed(
                preset,
                MODULES,
                format!("a module should have a type and a path, not {module}"),
            ));
        };
        let own = kind.starts_with("sentence_transformers.");
        let name = kind.rsplit('.').next().unwrap_or(kind);
        let config = format!("{path}/config.json");
        match name {
            "Transformer" if own && path.is_empty() => Ok(()),
            "Pooling" if own => self.add_pooling(preset, &config),
            "Normalize" if own => {
                if preset.has(&config) {
                    self.files.insert(config);
                }
                self.steps.push(Step::Normalize);
                Ok(())
            }
            "Dense" if own => self.add_dense(preset, path, &config),
            // Nothing is left out but in training.
            "Dropout" if own => {
                if preset.has(&config) {
                    self.files.insert(config);
                }
                Ok(())
            }
            "Transformer" if own => Err(refused(
                preset,
                MODULES,
                format!("the transformer is in the folder {path}, and only one beside {MODULES} is read"),
            )
            .into()),
            _ => Err(refused(
                preset,
                MODULES,
                format!("the module {kind} is not known (known are Transformer, Pooling, Dense, Normalize and Dropout)"),
            )
            .help("model.pooling: none gives the hidden states of all tokens, without any module after the transformer")
            .into()),
        }
    }

    fn add_pooling(&mut self, preset: &Preset, file: &str) -> Result<()> {
        let Some(config) = self.object(preset, file)? else {
            return Err(malformed(preset, file, "the file is missing"));
        };
        let unknown = |mode: &str| -> Error {
            let known = MODES.map(|(mode, ..)| mode).join(", ");
            refused(
                preset,
                file,
                format!("the pooling {mode} is not known (known are {known})"),
            )
            .help("choose one with model.pooling")
            .into()
        };
        let by_name = |mode: &Value| {
            let name = mode.as_str().unwrap_or_default();
            let found = MODES.iter().find(|(mode, ..)| *mode == name);
            found
                .map(|(_, _, pooling)| *pooling)
                .ok_or_else(|| unknown(&mode.to_string()))
        };
        self.poolings = match config.get("pooling_mode") {
            Some(Value::Array(modes)) => modes.iter().map(by_name).collect::<Result<_>>()?,
            Some(mode) => vec![by_name(mode)?],
            None => {
                let is_on = |key: &str| config.get(key).and_then(Value::as_bool) == Some(true);
                let is_known = |key: &str| MODES.iter().any(|(_, older, _)| *older == key);
                let mut keys = config.keys().filter(|key| key.starts_with("pooling_mode_"));
                if let Some(other) = keys.find(|key| is_on(key) && !is_known(key)) {
                    return Err(unknown(other));
                }
                let on = MODES.iter().filter(|(_, key, _)| is_on(key));
                on.map(|(_, _, pooling)| *pooling).collect()
            }
        };
        if self.poolings.is_empty() {
            self.poolings.push(Pooling::Mean);
        }
        self.leaves_out_prompt = config.get("include_prompt") == Some(&Value::Bool(false));
        Ok(())
    }

    fn add_dense(&mut self, preset: &Preset, path: &str, file: &str) -> Result<()> {
        let Some(config) = self.object(preset, file)? else {
            return Err(malformed(preset, file, "the file is missing"));
        };
        let size = |key: &str| {
            let size = config.get(key).and_then(Value::as_u64);
            let size = size.and_then(|size| usize::try_from(size).ok());
            size.ok_or_else(|| malformed(preset, file, format!("{key} should be a number")))
        };
        let flag = |key: &str, usual: bool| match config.get(key) {
            None | Some(Value::Null) => Ok(usual),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => Err(malformed(
                preset,
                file,
                format!("{key} should be true or false, not {other}"),
            )),
        };
        for key in ["module_input_name", "module_output_name"] {
            let name = config.get(key).and_then(Value::as_str);
            if let Some(name) = name.filter(|name| *name != "sentence_embedding") {
                let problem = format!(
                    "{key} \"{name}\": only a layer on the vector of the whole text is read"
                );
                return Err(refused(preset, file, problem).into());
            }
        }
        let activation = match config.get("activation_function").and_then(Value::as_str) {
            None => Activation::Tanh,
            Some(name) => Activation::named(name).ok_or_else(|| {
                refused(preset, file, format!("the activation {name} is not known"))
            })?,
        };
        self.steps.push(Step::Dense(DenseModule {
            folder: path.to_owned(),
            inputs: size("in_features")?,
            outputs: size("out_features")?,
            bias: flag("bias", true)?,
            activation,
            residual: flag("use_residual", false)?,
        }));
        for weights in WEIGHTS {
            let weights = format!("{path}/{weights}");
            if preset.has(&weights) {
                self.files.insert(weights);
            }
        }
        Ok(())
    }

    /// How long texts are, and whether case is kept.
    fn read_transformer(&mut self, preset: &Preset) -> Result<()> {
        let file = TRANSFORMER.into_iter().find(|file| preset.has(file));
        let config = match file {
            Some(file) => self.object(preset, file)?.unwrap_or_default(),
            None => Map::new(),
        };
        let length = |config: &Map<String, Value>, key: &str| {
            let length = config.get(key).and_then(Value::as_f64);
            let length = length.filter(|length| (1.0..ENDLESS as f64).contains(length));
            length.map(|length| length as usize)
        };
        self.max_length = match length(&config, "max_seq_length") {
            Some(length) => Some(length),
            None => {
                let tokenizer = preset.json_object("tokenizer_config.json")?;
                tokenizer.and_then(|config| length(&config, "model_max_length"))
            }
        };
        self.lower_case = config.get("do_lower_case") == Some(&Value::Bool(true));
        let is_set = |key: &&str| {
            config
                .get(*key)
                .and_then(Value::as_object)
                .is_some_and(|arguments| !arguments.is_empty())
        };
        let keys = [
            "model_args",
            "config_args",
            "tokenizer_args",
            "model_kwargs",
            "config_kwargs",
            "processor_kwargs",
        ];
        for key in keys.into_iter().filter(is_set) {
            self.notes.push(format!(
                "{}: {key} is not read, so what it changes in the model is not changed here",
                preset.locate(file.unwrap_or_default())
            ));
        }
        Ok(())
    }

    fn read_prompts(&mut self, preset: &Preset) -> Result<()> {
        let Some(config) = self.object(preset, SETTINGS)? else {
            return Ok(());
        };
        if let Some(Value::Object(prompts)) = config.get("prompts") {
            for (name, prompt) in prompts {
                let prompt = prompt.as_str().ok_or_else(|| {
                    malformed(
                        preset,
                        SETTINGS,
                        format!("the prompt \"{name}\" should be a text"),
                    )
                })?;
                self.prompts.insert(name.clone(), prompt.to_owned());
            }
        }
        let default = config.get("default_prompt_name").and_then(Value::as_str);
        if let Some(name) = default {
            if !self.prompts.contains_key(name) {
                return Err(malformed(
                    preset,
                    SETTINGS,
                    format!("default_prompt_name \"{name}\" is no prompt of the file"),
                ));
            }
            self.default_prompt = Some(name.to_owned());
        }
        Ok(())
    }

    /// Whether vectors are scaled to length 1 at some point.
    pub(super) fn normalizes(&self) -> bool {
        self.steps.contains(&Step::Normalize)
    }

    /// The files of all modules.
    ///
    /// # Errors
    /// One cannot be read.
    pub(super) fn files(&self, preset: &Preset) -> Result<Vec<(String, Vec<u8>)>> {
        let mut files = Vec::new();
        for name in &self.files {
            if let Some(bytes) = preset.read(name)? {
                files.push((name.clone(), bytes.into_owned()));
            }
        }
        Ok(files)
    }

    /// Reads a file that holds an object, and takes it to those of the modules.
    fn object(&mut self, preset: &Preset, file: &str) -> Result<Option<Map<String, Value>>> {
        let object = preset.json_object(file)?;
        if object.is_some() {
            self.files.insert(file.to_owned());
        }
        Ok(object)
    }
}

/// The names that a module's weights have.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

impl DenseModule {
    /// The layer, on `device`; `width` is that of the vectors that it is given.
    ///
    /// # Errors
    /// The weights are missing, damaged, or of another shape than the layer or the vectors.
    pub(super) fn load(&self, preset: &Preset, width: usize, device: &Device) -> Result<Dense> {
        let config = format!("{}/config.json", self.folder);
        if self.inputs != width {
            let problem = format!(
                "in_features is {}, but the vectors it is given have {width} numbers",
                self.inputs
            );
            return Err(refused(preset, &config, problem).into());
        }
        let files = WEIGHTS.map(|file| format!("{}/{file}", self.folder));
        let Some(file) = files.iter().find(|file| preset.has(file)) else {
            return Err(malformed(
                preset,
                &config,
                format!(
                    "its weights are missing: neither {} is there",
                    files.join(" nor ")
                ),
            ));
        };
        let bytes = preset.read(file)?.unwrap_or_default();
        let weights = Weights::from_bytes(&preset.locate(file), bytes)?;
        let shape = [self.outputs, self.inputs];
        let matrix = |name: &str| -> Result<Tensor<2>> {
            let values = values(preset, file, weights.require(name)?, &shape)?;
            Ok(Tensor::from_data(TensorData::new(values, shape), device))
        };
        let bias = if self.bias {
            let values = values(preset, file, weights.require("linear.bias")?, &shape[..1])?;
            Some(Tensor::from_data(
                TensorData::new(values, [self.outputs]),
                device,
            ))
        } else {
            None
        };
        let residual = match (self.residual, self.inputs == self.outputs) {
            (false, _) => Residual::None,
            (true, true) => Residual::Itself,
            (true, false) => Residual::Layer(Box::new(matrix("residual.weight")?)),
        };
        Ok(Dense {
            weight: matrix("linear.weight")?,
            bias,
            activation: self.activation,
            residual,
        })
    }

    /// How many numbers its vectors have.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }
}

/// The numbers of a tensor of this shape.
fn values(preset: &Preset, file: &str, tensor: TensorRef<'_>, shape: &[usize]) -> Result<Vec<f32>> {
    if tensor.shape() != shape {
        return Err(malformed(
            preset,
            file,
            format!(
                "{} has the shape {:?}, and its config.json says {shape:?}",
                tensor.name(),
                tensor.shape()
            ),
        ));
    }
    Ok(tensor.to_f32()?)
}

/// A linear layer with its weights.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    /// `[out, in]`.
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
    residual: Residual,
}

/// What is added to what a layer gives.
#[derive(Clone, Debug)]
enum Residual {
    None,
    /// What the layer is given.
    Itself,
    /// Another layer of the same.
    Layer(Box<Tensor<2>>),
}

impl Dense {
    /// `[rows, in]` to `[rows, out]`.
    pub(super) fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let (device, dtype) = (input.device(), input.dtype());
        let weight = |weight: &Tensor<2>| weight.clone().to_device(&device).cast(dtype);
        let bias = self.bias.as_ref();
        let bias = bias.map(|bias| bias.clone().to_device(&device).cast(dtype));
        let given = linear(input.clone(), weight(&self.weight), bias);
        let given = self.activation.apply(given);
        match &self.residual {
            Residual::None => given,
            Residual::Itself => given + input,
            Residual::Layer(residual) => given + linear(input, weight(residual), None),
        }
    }
}

impl Activation {
    /// The one with this name of PyTorch's.
    fn named(name: &str) -> Option<Self> {
        let class = name.strip_prefix("torch.nn.")?.rsplit('.').next()?;
        Some(match class {
            "Identity" => Self::Identity,
            "Tanh" => Self::Tanh,
            "GELU" => Self::Gelu,
            "ReLU" => Self::Relu,
            "SiLU" => Self::Silu,
            "Sigmoid" => Self::Sigmoid,
            _ => return None,
        })
    }

    fn apply(self, input: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Identity => input,
            Self::Tanh => tanh(input),
            Self::Gelu => gelu(input),
            Self::Relu => relu(input),
            Self::Silu => silu(input),
            Self::Sigmoid => sigmoid(input),
        }
    }
}

/// A file that is not as it should be.
fn malformed(preset: &Preset, file: &str, problem: impl std::fmt::Display) -> Error {
    Error::plain(format!("{}: {problem}", preset.locate(file)))
}

/// A file that asks for what is not there.
fn refused(preset: &Preset, file: &str, problem: impl std::fmt::Display) -> Refusal {
    Refusal::plain(format!("{}: {problem}", preset.locate(file)))
}
