//! Putting a task on its backbone.

use std::borrow::Cow;

use burn::tensor::Device;
use engraft_data::{ClassWeight, Examples, Label, Labels};
use engraft_hub::Preset;
use engraft_kernels::Key;
use engraft_models::{Checkpoint, HeadKind, Initial, LetterPolicy, Pooling};
use engraft_text::Tokenizer;

use crate::class_weights::{weighs_classes, weights};
use crate::error::{Error, Result};
use crate::labels::LabelSpace;
use crate::model::Model;
use crate::network::{Network, TaskHead};
use crate::scaling::Scaling;
use crate::task::{EmbedPooling, SequenceRegression, Task};
use crate::told::{Told, check_kind, token_labels};

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
        let tokenizer = open_tokenizer(&checkpoint, task.backbone().backbone().letters)?;
        check_length(&task, &tokenizer)?;
        let told = match building.told {
            Some(told) => told,
            None => told(&task, &checkpoint, building.train)?,
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
        };
        let head = head(&task, &checkpoint, &told, loading, &building.initial)?;
        let mut network = Network { encoder, head };
        let backbone = task.backbone().backbone();
        if backbone.frozen {
            network = network.frozen();
        }
        Ok(Self {
            task,
            checkpoint,
            tokenizer,
            told,
            class_weights,
            pooling,
            normalize,
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
}

/// The head of a task: as stored if it is `required` or of the checkpoint's own kind, else fresh.
fn head(
    task: &Task,
    checkpoint: &Checkpoint,
    told: &Told,
    HeadLoading {
        required,
        is_trained,
    }: HeadLoading,
    initial: &Initial,
) -> Result<Option<TaskHead>> {
    let outputs = told.outputs().unwrap_or_default();
    let own = |kind| checkpoint.classifier(kind, outputs, required, initial);
    let head = match task {
        Task::SequenceClassification(task) if task.use_legacy_adapter => {
            TaskHead::Classifier(own(HeadKind::Classification)?)
        }
        Task::SequenceClassification(task) => {
            TaskHead::Adapter(checkpoint.adapter(&task.adapter, outputs, required, initial)?)
        }
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
        Task::SequenceRegression(task) => {
            TaskHead::Adapter(checkpoint.adapter(&task.adapter, outputs, required, initial)?)
        }
        Task::MLM(_) => TaskHead::MaskedLm(checkpoint.masked_lm(required || !is_trained, initial)?),
        Task::Inference(_) => TaskHead::MaskedLm(checkpoint.masked_lm(true, initial)?),
        Task::Embed(_) => return Ok(None),
    };
    Ok(Some(head))
}

/// Reads the preset's tokenizer and checks it against the embedding.
fn open_tokenizer(checkpoint: &Checkpoint, letters: Option<LetterPolicy>) -> Result<Tokenizer> {
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
fn check_length(task: &Task, tokenizer: &Tokenizer) -> Result<()> {
    let specials = tokenizer.specials_added(false);
    match task.backbone().backbone().max_length {
        Some(length) if length < specials => Err(Error::Argument(format!(
            "model.backbone.max_length: {length} leaves no room for the {specials} special tokens that the tokenizer adds"
        ))),
        _ => Ok(()),
    }
}

/// What a model that is about to start tells of rows.
fn told(task: &Task, checkpoint: &Checkpoint, train: Option<TrainingRows<'_>>) -> Result<Told> {
    let labels = train.and_then(|train| train.examples.labels.as_ref());
    if let Some(labels) = labels {
        check_kind(task, labels)?;
    }
    match task {
        Task::SequenceClassification(task) if task.multilabel => {
            let names = match labels {
                Some(Labels::MultiLabel { names, .. }) => Some(names.clone()),
                _ => None,
            };
            let own = own_classes(
                checkpoint,
                task.use_legacy_adapter,
                HeadKind::Classification,
            );
            let count = names
                .as_ref()
                .map(Vec::len)
                .or(task.n_classes)
                .or(own.count);
            let count = count.ok_or_else(unknown_count)?;
            check_names(own.names, names.as_deref())?;
            check_declared(task.n_classes, count, "label columns of the data")?;
            check_declared(own.count, count, "label columns of the data")?;
            Ok(Told::Flags(LabelSpace::new(
                count,
                names.or(own.names.map(<[String]>::to_vec)),
            )))
        }
        Task::SequenceClassification(task) => {
            let own = own_classes(
                checkpoint,
                task.use_legacy_adapter,
                HeadKind::Classification,
            );
            let classes_of = |labels: &Labels| labels.classes().map(<[Label]>::to_vec);
            let labels = train.and_then(|train| train.naming(classes_of));
            Ok(Told::Classes(classes(
                own,
                task.n_classes,
                labels.as_deref(),
            )?))
        }
        Task::TokenClassification(task) => {
            let kind = HeadKind::TokenClassification;
            let own = own_classes(checkpoint, task.use_legacy_adapter, kind);
            let unit = match labels {
                Some(Labels::Tokens { unit, .. }) => Some(*unit),
                _ => None,
            };
            let labels = train.and_then(|train| train.naming(token_labels));
            let space = classes(own, task.n_classes, labels.as_deref())?;
            Ok(Told::TokenClasses(space, unit))
        }
        Task::SequenceRegression(task) => numbers(task, checkpoint, train),
        Task::MLM(_) => Ok(Told::Tokens),
        Task::Embed(_) | Task::Inference(_) => Ok(Told::Nothing),
    }
}

/// The classes of the checkpoint's own head, if it is used.
struct OwnClasses<'a> {
    count: Option<usize>,
    names: Option<&'a [String]>,
}

fn own_classes(checkpoint: &Checkpoint, used: bool, kind: HeadKind) -> OwnClasses<'_> {
    let count = if used {
        checkpoint.stored_classes(kind)
    } else {
        None
    };
    // Names that count other classes than the head has belong to something else.
    let names = checkpoint.config().labels.as_deref();
    OwnClasses {
        count,
        names: names.filter(|names| count == Some(names.len())),
    }
}

/// The classes of a classification that is about to start.
fn classes(
    own: OwnClasses<'_>,
    declared: Option<usize>,
    labels: Option<&[Label]>,
) -> Result<LabelSpace> {
    if let (Some(stored), Some(given)) = (
        own.count,
        declared.filter(|given| Some(*given) != own.count),
    ) {
        return Err(Error::Argument(format!(
            "model.n_classes: {given} given, but the checkpoint's own head has {stored} classes; remove n_classes, or set use_legacy_adapter to false for a new head"
        )));
    }
    match (labels, declared.or(own.count)) {
        (Some(labels), _) => LabelSpace::from_training(labels, declared, own.count, own.names),
        (None, Some(count)) => Ok(LabelSpace::new(count, own.names.map(<[String]>::to_vec))),
        (None, None) => Err(unknown_count()),
    }
}

fn unknown_count() -> Error {
    Error::Argument(
        "model.n_classes: without training labels the number of classes must be given, or use_legacy_adapter with a checkpoint that has a head".into(),
    )
}

fn check_declared(declared: Option<usize>, found: usize, what: &str) -> Result<()> {
    match declared {
        Some(declared) if declared != found => Err(Error::Argument(format!(
            "model.n_classes: {declared} classes, but there are {found} {what}"
        ))),
        _ => Ok(()),
    }
}

/// Refuses label columns that are not those of the checkpoint's own head, whose outputs would change their meaning.
fn check_names(own: Option<&[String]>, found: Option<&[String]>) -> Result<()> {
    match (own, found) {
        (Some(own), Some(found)) if own != found => Err(Error::Argument(format!(
            "data.y_col: the checkpoint's own head tells {}, in this order, not {}; name these columns, or set use_legacy_adapter to false for a new head",
            own.join(", "),
            found.join(", ")
        ))),
        _ => Ok(()),
    }
}

/// The numbers of a regression that is about to start.
fn numbers(
    task: &SequenceRegression,
    checkpoint: &Checkpoint,
    train: Option<TrainingRows<'_>>,
) -> Result<Told> {
    let outputs = task.num_outputs;
    let labels = train.and_then(|train| train.examples.labels.as_ref());
    let own = own_classes(
        checkpoint,
        task.use_legacy_adapter,
        HeadKind::Classification,
    );
    if let Some(stored) = own.count.filter(|stored| *stored != outputs) {
        return Err(Error::Argument(format!(
            "model.num_outputs: {outputs} given, but the checkpoint's own head has {stored}; give {stored}, or set use_legacy_adapter to false for a new head"
        )));
    }
    if let Some(Labels::Numbers { names, .. }) = labels {
        check_names(own.names, Some(names))?;
    }
    let stored_names = own.names.map(<[String]>::to_vec);
    let numbered = || (0..outputs).map(|output| output.to_string()).collect();
    let Some(Labels::Numbers { names, rows }) = labels else {
        return Ok(Told::Numbers {
            names: stored_names.unwrap_or_else(numbered),
            scaling: Scaling::identity(outputs),
        });
    };
    if names.len() != outputs {
        return Err(Error::Argument(format!(
            "model.num_outputs: {outputs} given, but data.y_col names {}: {}",
            names.len(),
            names.join(", ")
        )));
    }
    let scaling = match train {
        Some(train) if train.normalize => Scaling::of(rows, outputs),
        _ => Scaling::identity(outputs),
    };
    Ok(Told::Numbers {
        names: names.clone(),
        scaling,
    })
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
