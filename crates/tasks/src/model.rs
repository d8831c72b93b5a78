//! A task on its backbone, ready to train or predict.

use std::borrow::Cow;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use engraft_data::Examples;
use engraft_hub::{LoadReport, Preset};
use engraft_kernels::{ClassTargets, Key, cross_entropy};
use engraft_models::{Checkpoint, HeadKind, Initial, Mode, Pooling, TokenBatch, Transformer};
use engraft_text::Tokenizer;

use crate::batch::{Batch, RowEncoder};
use crate::error::{Error, Result};
use crate::labels::LabelSpace;
use crate::metrics::Classification;
use crate::network::{Network, TaskHead};
use crate::task::{EmbedPooling, SequenceClassification, Task};

/// The stream of random draws that fresh weights come from.
const WEIGHTS: u64 = 0x57;

/// The branch of that stream for the encoder.
const ENCODER: u64 = 0xe0;

/// A task on its backbone: parameters, tokenizer, classes, and how they are used.
///
/// A clone is cheap: the values are shared until one of the two changes them.
#[derive(Clone)]
pub struct Model {
    pub(crate) task: Task,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) labels: Option<LabelSpace>,
    pub(crate) class_weights: Vec<f32>,
    pooling: EmbedPooling,
    normalize: bool,
    /// The parameters. Training replaces them.
    pub network: Network,
}

/// The loss of one batch: divide the sums of all batches of a step by the sums of their weights.
pub struct Loss {
    /// The weighted sum over rows, `[1]`.
    pub sum: Tensor<1>,
    /// The sum of the rows' weights.
    pub weight: f64,
    /// The logits that it was computed from, `[rows, classes]`.
    pub logits: Tensor<2>,
}

/// What a model says of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowOutput {
    /// The number of the row in its split.
    pub row: usize,
    /// `[values]` for one vector a row, `[tokens, values]` for one a token.
    pub shape: Vec<usize>,
    /// The values, token by token.
    pub values: Vec<f32>,
}

impl RowOutput {
    /// The softmax of the values: each class's probability.
    pub fn probabilities(&self) -> Vec<f32> {
        let largest = self
            .values
            .iter()
            .copied()
            .fold(f32::NEG_INFINITY, f32::max);
        let weights: Vec<f64> = self
            .values
            .iter()
            .map(|&value| f64::from(value - largest).exp())
            .collect();
        let sum: f64 = weights.iter().sum();
        weights
            .into_iter()
            .map(|weight| (weight / sum) as f32)
            .collect()
    }

    /// The index of the largest value, the first of equals.
    pub fn largest(&self) -> usize {
        let values = self.values.iter().enumerate();
        values
            .reduce(|best, other| if other.1 > best.1 { other } else { best })
            .map_or(0, |(index, _)| index)
    }
}

/// How a model is built.
pub(crate) struct Building<'a> {
    pub(crate) labels: Option<LabelSpace>,
    /// What each class weighs, where that is decided already.
    pub(crate) class_weights: Vec<f32>,
    /// The training examples, where there are any.
    pub(crate) train: Option<&'a Examples>,
    /// Whether the head must be in the checkpoint.
    pub(crate) require_head: bool,
    pub(crate) initial: Initial,
}

impl Model {
    /// Puts `task` on its backbone. `train` are the training rows, whose labels may name the classes; `seed` decides fresh weights.
    ///
    /// # Errors
    /// The backbone cannot be read, its weights do not fit, or the classes contradict each other.
    pub fn build(
        task: &Task,
        train: Option<&Examples>,
        device: &Device,
        seed: u64,
    ) -> Result<Self> {
        task.check()?;
        let checkpoint = task.backbone().backbone().open()?;
        let initial = Initial {
            device: device.clone(),
            key: Key::new(seed).with(WEIGHTS),
        };
        Self::on(
            task.clone(),
            checkpoint,
            Building {
                labels: None,
                class_weights: Vec::new(),
                train,
                require_head: false,
                initial,
            },
        )
    }

    /// As [`Self::build`], on a preset that is already found, with `classes` and their `names` decided by the caller.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_on(
        task: Task,
        preset: Preset,
        classes: Option<usize>,
        names: Option<Vec<String>>,
        device: &Device,
        seed: u64,
    ) -> Result<Self> {
        task.check()?;
        let checkpoint = task.backbone().backbone().open_preset(preset)?;
        let names = names.or_else(|| checkpoint.config().labels.clone());
        let labels = classes.map(|count| LabelSpace::new(count, names));
        let initial = Initial {
            device: device.clone(),
            key: Key::new(seed).with(WEIGHTS),
        };
        let building = Building {
            labels,
            class_weights: Vec::new(),
            train: None,
            require_head: false,
            initial,
        };
        Self::on(task, checkpoint, building)
    }

    pub(crate) fn on(task: Task, checkpoint: Checkpoint, building: Building<'_>) -> Result<Self> {
        let tokenizer = open_tokenizer(&checkpoint)?;
        let specials = tokenizer.specials_added(false);
        if let Some(length) = task
            .backbone()
            .backbone()
            .max_length
            .filter(|length| *length < specials)
        {
            return Err(Error::Argument(format!(
                "model.backbone.max_length: {length} leaves no room for the {specials} special tokens that the tokenizer adds"
            )));
        }
        let mut labels = building.labels;
        let mut class_weights = building.class_weights;
        let (mut pooling, mut normalize) = (EmbedPooling::None, false);
        // The encoder draws from a branch of its own, so that no weight of it repeats one of the head.
        let initial = building.initial;
        let encoder = checkpoint.encoder(&initial.at(ENCODER))?;
        let head = match &task {
            Task::SequenceClassification(task) => {
                let space = match labels.take() {
                    Some(space) => space,
                    None => classes(task, &checkpoint, building.train)?,
                };
                if let (true, Some(train)) = (task.weighted_loss, building.train) {
                    class_weights = space.weights(&space.classes(train)?);
                }
                let head = if task.use_legacy_adapter {
                    TaskHead::Classifier(checkpoint.classifier(
                        space.count(),
                        building.require_head,
                        &initial,
                    )?)
                } else {
                    TaskHead::Adapter(checkpoint.adapter(
                        &task.adapter,
                        space.count(),
                        building.require_head,
                        &initial,
                    )?)
                };
                labels = Some(space);
                Some(head)
            }
            Task::Embed(task) => {
                pooling = match task.pooling {
                    Some(pooling) => pooling,
                    None => stated_pooling(&checkpoint)?,
                };
                let stated_normalize = states_normalize(&checkpoint)?;
                normalize = task
                    .normalize
                    .unwrap_or(stated_normalize && pooling != EmbedPooling::None);
                None
            }
            Task::Inference(_) => Some(TaskHead::MaskedLm(checkpoint.masked_lm(&initial)?)),
        };
        let mut network = Network { encoder, head };
        if task.backbone().backbone().frozen {
            network = network.frozen();
        }
        Ok(Self {
            task,
            checkpoint,
            tokenizer,
            labels,
            class_weights,
            pooling,
            normalize,
            network,
        })
    }

    /// The task it was built for.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Its classes, if it classifies.
    pub fn labels(&self) -> Option<&LabelSpace> {
        self.labels.as_ref()
    }

    /// What became of each tensor of the checkpoint.
    pub fn report(&self) -> LoadReport {
        self.checkpoint.report()
    }

    /// Takes the classes' names from training rows, where they have none yet.
    ///
    /// # Errors
    /// The rows have more or fewer names than the model has classes.
    pub fn name_classes(&mut self, train: &Examples) -> Result<()> {
        if let (Some(space), Some(labels)) = (&self.labels, &train.labels)
            && space.names().is_none()
        {
            let count = Some(space.count());
            self.labels = Some(LabelSpace::from_training(labels, count, None, None)?);
        }
        Ok(())
    }

    /// Which kind of head it has.
    pub fn head_kind(&self) -> HeadKind {
        self.network.head_kind()
    }

    /// How it pools, for a task that embeds.
    pub(crate) fn pooling(&self) -> EmbedPooling {
        self.pooling
    }

    /// Whether it scales embeddings to length 1.
    pub(crate) fn normalizes(&self) -> bool {
        self.normalize
    }

    /// Moves the parameters out, so that whoever trains them is their only owner and changes them in place.
    ///
    /// What is left behind takes no memory and is of no use until parameters are put back.
    pub fn take_network(&mut self) -> Network {
        let config = &self.checkpoint.config().transformer;
        let initial = Initial {
            device: Device::default(),
            key: Key::new(0),
        };
        let empty = Network {
            encoder: Transformer::new(config, &initial),
            head: None,
        };
        std::mem::replace(&mut self.network, empty)
    }

    /// Turns rows into tokens.
    pub fn row_encoder(&self) -> RowEncoder {
        RowEncoder {
            tokenizer: self.tokenizer.clone(),
            max_length: self.task.backbone().backbone().max_length,
            longest: self.checkpoint.config().transformer.longest(),
        }
    }

    /// The class of every row, where the task has classes.
    ///
    /// # Errors
    /// Labels are missing, out of range or unknown.
    pub fn classes(&self, examples: &Examples) -> Result<Vec<u32>> {
        self.labels
            .as_ref()
            .map_or_else(|| Ok(Vec::new()), |labels| labels.classes(examples))
    }

    /// Running metrics of the task; none for tasks that only predict.
    pub fn metrics(&self) -> Option<Classification> {
        self.labels
            .as_ref()
            .map(|labels| Classification::new(labels.count()))
    }

    /// The loss of `batch` by `network`, which may be this model's own under autodiff.
    ///
    /// # Errors
    /// The task has no loss.
    pub fn loss(&self, network: &Network, batch: &Batch, mode: Mode) -> Result<Loss> {
        if !self.task.is_trainable() {
            return Err(Error::Argument(
                "this task only predicts: it has no loss to train or score".into(),
            ));
        }
        let logits = self.forward(network, batch, mode);
        let weights: Vec<f32> = match self.class_weights.is_empty() {
            true => Vec::new(),
            false => batch
                .classes
                .iter()
                .map(|&class| self.class_weights[class as usize])
                .collect(),
        };
        let targets = ClassTargets {
            classes: batch.classes.clone(),
            weights,
        };
        let weight = (0..batch.len())
            .map(|row| f64::from(targets.weight(row)))
            .sum();
        Ok(Loss {
            sum: cross_entropy(logits.clone(), targets),
            weight,
            logits,
        })
    }

    /// What the model says of each row of `batch`, in order.
    pub fn outputs(&self, network: &Network, batch: &Batch) -> Vec<RowOutput> {
        let output = self.forward(network, batch, Mode::Evaluate);
        let width = output.dims()[1];
        let values: Vec<f32> = output.into_data().iter::<f32>().collect();
        let per_token = match &self.task {
            Task::SequenceClassification(_) => false,
            Task::Embed(_) => self.pooling == EmbedPooling::None,
            Task::Inference(_) => true,
        };
        let mut start = 0;
        let rows = batch
            .rows
            .iter()
            .zip(&batch.tokens.lengths)
            .map(|(&row, &length)| {
                let count = if per_token { length } else { 1 };
                let end = start + count * width;
                let shape = if per_token {
                    vec![length, width]
                } else {
                    vec![width]
                };
                let values = values[start..end].to_vec();
                start = end;
                RowOutput { row, shape, values }
            });
        rows.collect()
    }

    /// `[rows, ..]` or `[tokens, ..]`, as the task has it.
    fn forward(&self, network: &Network, batch: &Batch, mode: Mode) -> Tensor<2> {
        let device = network.devices().into_iter().next().unwrap_or_default();
        let tokens = TokenBatch::new(
            &batch.tokens,
            &self.checkpoint.config().transformer,
            &device,
        );
        let hidden = network.encoder.forward(&tokens, mode.at(0));
        match &network.head {
            Some(TaskHead::Adapter(head)) => head.forward(hidden, &tokens, mode.at(1)),
            Some(TaskHead::Classifier(head)) => head.forward(hidden, &tokens, mode.at(1)),
            Some(TaskHead::MaskedLm(head)) => head.forward(hidden, &network.encoder),
            None => self.pool(hidden, &tokens),
        }
    }

    fn pool(&self, hidden: Tensor<2>, tokens: &TokenBatch) -> Tensor<2> {
        let pooled = match self.pooling {
            EmbedPooling::None => hidden,
            EmbedPooling::By(pooling) => pooling.apply(hidden, tokens),
        };
        if !self.normalize {
            return pooled;
        }
        // The floor that PyTorch's normalize has.
        let length = pooled
            .clone()
            .powi_scalar(2)
            .sum_dim(1)
            .sqrt()
            .clamp_min(1e-12);
        pooled / length
    }
}

/// Reads the preset's tokenizer and checks it against the embedding.
fn open_tokenizer(checkpoint: &Checkpoint) -> Result<Tokenizer> {
    let preset = checkpoint.preset();
    let read = |file: &str| Ok(preset.read(file)?.map(Cow::into_owned));
    let tokenizer = Tokenizer::from_preset_files(&read, &checkpoint.config().json)?;
    tokenizer.check_vocab_size(checkpoint.config().transformer.vocabulary)?;
    Ok(tokenizer)
}

/// The classes of a classification that is about to start.
fn classes(
    task: &SequenceClassification,
    checkpoint: &Checkpoint,
    train: Option<&Examples>,
) -> Result<LabelSpace> {
    let stored = if task.use_legacy_adapter {
        checkpoint.stored_classes()
    } else {
        None
    };
    let config = checkpoint.config();
    if let (Some(stored), Some(given)) = (
        stored,
        task.n_classes.filter(|given| Some(*given) != stored),
    ) {
        return Err(Error::Argument(format!(
            "model.n_classes: {given} given, but the checkpoint's own head has {stored} classes; remove n_classes, or set use_legacy_adapter to false for a new head"
        )));
    }
    // Names that count other classes than the head has belong to something else.
    let names = config
        .labels
        .as_deref()
        .filter(|names| stored == Some(names.len()));
    let labels = train.and_then(|train| train.labels.as_deref());
    match (labels, task.n_classes.or(stored)) {
        (Some(labels), _) => LabelSpace::from_training(labels, task.n_classes, stored, names),
        (None, Some(count)) => Ok(LabelSpace::new(count, names.map(<[String]>::to_vec))),
        (None, None) => Err(Error::Argument(
            "model.n_classes: without training labels the number of classes must be given, or use_legacy_adapter with a checkpoint that has a head".into(),
        )),
    }
}

/// The pooling that a sentence-transformers preset asks for; none for other presets.
fn stated_pooling(checkpoint: &Checkpoint) -> Result<EmbedPooling> {
    let preset = checkpoint.preset();
    let file = "1_Pooling/config.json";
    let Some(config) = preset.json_object(file)? else {
        return Ok(EmbedPooling::None);
    };
    let modes = [
        ("pooling_mode_cls_token", Pooling::Cls),
        ("pooling_mode_mean_tokens", Pooling::Mean),
        ("pooling_mode_max_tokens", Pooling::Max),
    ];
    let is_on = |value: &serde_json::Value| value.as_bool() == Some(true);
    let asked = config
        .iter()
        .filter(|(key, value)| key.starts_with("pooling_mode_") && is_on(value));
    let known = asked.map(|(key, _)| {
        modes
            .iter()
            .find(|(mode, _)| mode == key)
            .map(|(_, pooling)| *pooling)
    });
    match known.collect::<Vec<_>>().as_slice() {
        [Some(one)] => Ok(EmbedPooling::By(*one)),
        _ => Err(Error::Argument(format!(
            "{}: only one of cls, mean and max pooling is supported; choose with model.pooling",
            preset.locate(file)
        ))),
    }
}

/// Whether a sentence-transformers preset scales its embeddings to length 1.
fn states_normalize(checkpoint: &Checkpoint) -> Result<bool> {
    let modules = checkpoint.preset().read("modules.json")?;
    Ok(modules.is_some_and(|bytes| {
        let modules: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap_or_default();
        let is_normalize = |name: &str| name.ends_with(".Normalize");
        modules
            .iter()
            .any(|module| module["type"].as_str().is_some_and(is_normalize))
    }))
}
