//! Putting a task on its backbone.

mod telling;

use std::borrow::Cow;

use burn::tensor::Device;
use engraft_data::{ClassWeight, Examples, Labels};
use engraft_hub::Preset;
use engraft_kernels::Key;
use engraft_models::{Adapter, Checkpoint, HeadKind, Initial, LetterPolicy, Pooling};
use engraft_text::Tokenizer;

use crate::class_weights::{weighs_classes, weights};
use crate::documents::Documents;
use crate::error::{Error, Result};
use crate::labels::LabelSpace;
use crate::model::Model;
use crate::network::{Network, TaskHead};
use crate::task::{EmbedPooling, Task};
use crate::told::Told;

/// The stream of random draws that fresh weights come from.
const WEIGHTS: u64 = 0x57;

/// The branch of that stream for the encoder.
const ENCODER: u64 = 0xe0;

/// The training rows, from which a model takes what it is not told otherwise.
#[derive(Clone, Copy, Debug)]
pub struct TrainingRows<'a> {
    /// The rows, whose labels may name the classes.
    pub examples: &'a Examples,
    /// Other rows whose labels may name classes too: those that were held out of the same files, by folds or by a seed, so that which rows are held out does not decide the classes.
    pub others: [Option<&'a Examples>; 2],
    /// Whether numbers are learned with mean 0 and deviation 1 over the rows.
    pub normalize: bool,
    /// What each class weighs, where the data says so.
    pub class_weight: Option<&'a ClassWeight>,
}

impl<'a> TrainingRows<'a> {
    /// The rows alone.
    pub fn new(examples: &'a Examples) -> Self {
        Self {
            examples,
            others: [None; 2],
            normalize: false,
            class_weight: None,
        }
    }

    /// The labels of all rows that may name classes.
    fn naming<'r, T: Clone + 'a>(
        &'r self,
        labels: impl Fn(&'a Labels) -> Option<Vec<T>> + 'r,
    ) -> Option<Vec<T>> {
        let of = |examples: &'a Examples| labels(examples.labels.as_ref()?);
        let mut all = of(self.examples)?;
        all.extend(self.others.into_iter().flatten().filter_map(of).flatten());
        Some(all)
    }
}

/// How a model is built.
pub(crate) struct Building<'a> {
    /// What it tells, where that is decided already.
    pub(crate) told: Option<Told>,
    /// What each class weighs, where that is decided already.
    pub(crate) class_weights: Vec<f32>,
    /// The training rows, where there are any.
    pub(crate) train: Option<TrainingRows<'a>>,
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
        train: Option<TrainingRows<'_>>,
        device: &Device,
        seed: u64,
    ) -> Result<Self> {
        task.check()?;
        let checkpoint = task.backbone().backbone().open()?;
        let building = Building {
            told: None,
            class_weights: Vec::new(),
            train,
            // Nothing is worth predicting by a head of the checkpoint's own kind that it does not have.
            require_head: train.is_none() && task.uses_legacy_adapter(),
            initial: initial(device, seed),
        };
        Self::on(task.clone(), checkpoint, building)
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
        let building = Building {
            told: classes.map(|count| Told::Classes(LabelSpace::new(count, names))),
            class_weights: Vec::new(),
            train: None,
            require_head: false,
            initial: initial(device, seed),
        };
        Self::on(task, checkpoint, building)
    }

    pub(crate) fn on(task: Task, checkpoint: Checkpoint, building: Building<'_>) -> Result<Self> {
        check_direction(&task, &checkpoint)?;
        let tokenizer = preset_tokenizer(&checkpoint, task.backbone().backbone().letters)?;
        check_length(&task, &tokenizer, &checkpoint)?;
        let documents = match &task {
            Task::CausalLM(task) => {
                let shape = &checkpoint.config().transformer;
                let own = shape.longest().or(shape.context);
                let length = task.backbone.backbone().max_length.or(own);
                Some(Documents::new(task, &tokenizer, length)?)
            }
            _ => None,
        };
        let told = match building.told {
            Some(told) => told,
            None => telling::told(&task, &checkpoint, building.train)?,
        };
        let mut class_weights = building.class_weights;
        if let Some(train) = building.train
            && weighs_classes(&task, train)
        {
            class_weights = weights(&told, train)?;
        }
        let (mut pooling, mut normalize) = (EmbedPooling::None, false);
        if let Task::Embed(task) = &task {
            pooling = match task.pooling {
                Some(pooling) => pooling,
                None => stated_pooling(&checkpoint)?,
            };
            let stated = states_normalize(&checkpoint)?;
            normalize = task
                .normalize
                .unwrap_or(stated && pooling != EmbedPooling::None);
        }
        // The encoder draws from a branch of its own, so that no weight of it repeats one of the head. It is read first: where neither
        // fits, the encoder is what is wrong.
        let encoder = checkpoint.encoder(&building.initial.at(ENCODER))?;
        let loading = HeadLoading {
            required: building.require_head,
            is_trained: building.train.is_some(),
            rests: checkpoint.has_lora(),
        };
        let head = head(&task, &checkpoint, &told, loading, &building.initial)?;
        let mut network = Network { encoder, head };
        let backbone = task.backbone().backbone();
        if backbone.frozen {
            network = network.frozen();
        }
        if network.head_rests() {
            network = network.with_resting_head();
        }
        Ok(Self {
            task,
            checkpoint,
            tokenizer,
            told,
            class_weights,
            pooling,
            normalize,
            documents,
            cached: None,
            network,
        })
    }
}

/// Where fresh weights are made, and from what.
pub(crate) fn initial(device: &Device, seed: u64) -> Initial {
    Initial {
        device: device.clone(),
        key: Key::new(seed).with(WEIGHTS),
    }
}

/// Where a head comes from.
#[derive(Clone, Copy)]
struct HeadLoading {
    /// Whether the checkpoint must have it.
    required: bool,
    /// Whether it will be trained, and so may start anew.
    is_trained: bool,
    /// Whether it stays as it is all the same, if it is a causal language model's.
    rests: bool,
}

/// The head of a task: as stored if it is `required` or of the checkpoint's own kind, else fresh.
fn head(
    task: &Task,
    checkpoint: &Checkpoint,
    told: &Told,
    HeadLoading {
        required,
        is_trained,
        rests,
    }: HeadLoading,
    initial: &Initial,
) -> Result<Option<TaskHead>> {
    let outputs = told.outputs().unwrap_or_default();
    let adapter = |named: &Option<Adapter>| {
        let default = || Adapter::for_backbone(checkpoint.config().transformer.causal);
        named.clone().unwrap_or_else(default)
    };
    let own = |kind| checkpoint.classifier(kind, outputs, required, initial);
    let head = match task {
        Task::SequenceClassification(task) if task.use_legacy_adapter => {
            TaskHead::Classifier(own(HeadKind::Classification)?)
        }
        Task::SequenceClassification(task) => TaskHead::Adapter(checkpoint.adapter(
            &adapter(&task.adapter),
            outputs,
            required,
            initial,
        )?),
        Task::TokenClassification(task) if task.use_legacy_adapter => {
            TaskHead::TokenClassifier(own(HeadKind::TokenClassification)?)
        }
        Task::TokenClassification(task) => TaskHead::Adapter(checkpoint.token_adapter(
            &task.adapter,
            outputs,
            required,
            initial,
        )?),
        Task::SequenceRegression(task) if task.use_legacy_adapter => {
            TaskHead::Classifier(own(HeadKind::Classification)?)
        }
        Task::SequenceRegression(task) => TaskHead::Adapter(checkpoint.adapter(
            &adapter(&task.adapter),
            outputs,
            required,
            initial,
        )?),
        Task::MLM(_) => TaskHead::MaskedLm(checkpoint.masked_lm(required || !is_trained, initial)?),
        Task::CausalLM(_) => {
            TaskHead::CausalLm(checkpoint.causal_lm(required || !is_trained || rests, initial)?)
        }
        Task::Inference(_) if checkpoint.config().transformer.causal => {
            TaskHead::CausalLm(checkpoint.causal_lm(true, initial)?)
        }
        Task::Inference(_) => TaskHead::MaskedLm(checkpoint.masked_lm(true, initial)?),
        Task::Embed(_) => return Ok(None),
    };
    Ok(Some(head))
}

/// Refuses a language model of the other direction, whose head would mean nothing on this backbone, before any weight is read.
fn check_direction(task: &Task, checkpoint: &Checkpoint) -> Result<()> {
    let name = checkpoint.preset().name();
    let shape = &checkpoint.config().transformer;
    match task {
        Task::MLM(_) if shape.causal => Err(Error::Argument(format!(
            "model: MLM tells masked tokens from those on both sides, but {name} is a decoder ({}), which sees those before alone; use CausalLM",
            checkpoint.family()
        ))),
        Task::CausalLM(_) if !shape.causal => Err(Error::Argument(format!(
            "model: CausalLM tells each token from those before it, but {name} is an encoder ({}), which sees all of them; use MLM",
            checkpoint.family()
        ))),
        Task::CausalLM(task)
            if task.backbone.backbone().frozen
                && !checkpoint.has_lora()
                && checkpoint.config().causal_lm.is_some_and(|head| head.tied) =>
        {
            Err(Error::Argument(format!(
                "model.backbone.frozen: the head of {name} is its embeddings, so that nothing is left to train; remove it, or use_peft"
            )))
        }
        _ => Ok(()),
    }
}

/// Reads the preset's tokenizer and checks it against the embedding.
///
/// # Errors
/// The preset has none, it has more tokens than the embedding has vectors, or `letters` where it knows words.
pub fn preset_tokenizer(
    checkpoint: &Checkpoint,
    letters: Option<LetterPolicy>,
) -> Result<Tokenizer> {
    let preset = checkpoint.preset();
    let read = |file: &str| Ok(preset.read(file)?.map(Cow::into_owned));
    let tokenizer = Tokenizer::from_preset_files(&read, &checkpoint.config().json)
        .map_err(|error| error.located(|file| preset.locate(file)))?;
    tokenizer.check_vocab_size(checkpoint.config().transformer.vocabulary)?;
    let Some(letters) = letters else {
        return Ok(tokenizer);
    };
    if tokenizer.letter_policy().is_none() {
        return Err(Error::Argument(format!(
            "model.backbone.letters: {} has no vocabulary of letters, so no letter is outside it; remove letters",
            preset.name()
        )));
    }
    let policy = match letters {
        LetterPolicy::Error => engraft_text::LetterPolicy::Error,
        LetterPolicy::Unknown => engraft_text::LetterPolicy::Unknown,
        LetterPolicy::Map => engraft_text::LetterPolicy::Map,
    };
    Ok(tokenizer.with_letters(policy))
}

/// Refuses a maximal length that leaves no room for text.
fn check_length(task: &Task, tokenizer: &Tokenizer, checkpoint: &Checkpoint) -> Result<()> {
    if let Task::CausalLM(task) = task {
        let longest = checkpoint.config().transformer.longest();
        return match (task.backbone.backbone().max_length, longest) {
            (Some(length), Some(longest)) if length > longest => Err(Error::Argument(format!(
                "model.backbone.max_length: {length}, but {} has positions for {longest} tokens; give as many at most",
                checkpoint.preset().name()
            ))),
            _ => Ok(()),
        };
    }
    let specials = tokenizer.specials_added(false);
    match task.backbone().backbone().max_length {
        Some(length) if length < specials => Err(Error::Argument(format!(
            "model.backbone.max_length: {length} leaves no room for the {specials} special tokens that the tokenizer adds"
        ))),
        _ => Ok(()),
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
        ("pooling_mode_lasttoken", Pooling::Last),
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
            "{}: only one of cls, mean, max and last pooling is supported; choose with model.pooling",
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
