//! A task in the making.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use engraft_component::{Mapping, Node};
use engraft_hub::{KERAS_HUB, Preset};
use engraft_models::Compute;
use engraft_tasks::{
    Backbone, BackboneSlot, Embed, Learned, Model, SequenceClassification, Task as AnyTask,
    TaskArguments, TokenClassification,
};

use crate::core::{Core, Preprocessing};
use crate::error::{Error, Result};
use crate::task::TaskModel;

/// A task in the making: what [`TaskModel::from_preset`] gives, and `build` makes a model of. `A` are the task's arguments, in the place of which
/// `AnyBuilder` takes those of the preset.
///
/// ```
/// use engraft::prelude::*;
///
/// let classifier = TextClassifier::from_preset("sapiens_vh")?
///     .num_classes(3)
///     .dropout(0.2)
///     .sequence_length(128)
///     .dtype(DType::BF16)
///     .build()?;
/// assert_eq!(classifier.class_names(), ["0", "1", "2"]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TaskBuilder<A> {
    pub(crate) start: Start,
    arguments: PhantomData<A>,
}

/// What a model is made from.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) preset: Preset,
    /// Those that the preset was saved with, if it was for this task, else the defaults; as they were changed since.
    pub(crate) arguments: AnyTask,
    /// Whether the preset was saved for this task, and if so the rank of its LoRA updates, where it has some.
    saved_with_rank: Option<Option<usize>>,
    /// The classes, if they are said.
    learned: Option<Learned>,
    /// Whether the head starts anew although the preset was saved with one.
    starts_head: bool,
    /// Whether any number of classes was said.
    counts_classes: bool,
    /// What is wrong with an argument that a method was given.
    refused: Option<String>,
    pub(crate) seed: u64,
    pub(crate) dtype: DType,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) compiles: bool,
}

/// The numbers that weights are rounded to. Products are computed in 32-bit floats all the same, so that a model of `BF16` is that of `F32` on
/// rounded weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DType {
    /// 32-bit floats: as they are.
    #[default]
    F32,
    /// The upper 16 bits of these: `bfloat16`.
    BF16,
}

/// What is made of the outputs of a classifier's head for those who read them; its loss is computed from the outputs themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// Probabilities that add up to 1.
    #[default]
    Softmax,
    /// Probabilities, each by itself.
    Sigmoid,
    /// Nothing: logits.
    Linear,
}

/// The preset of a name; what is fetched is shown as it comes.
pub(crate) fn found(name: &str) -> Result<Preset> {
    engraft_run::show_fetching();
    Ok(Preset::from_name(name)?)
}

impl Start {
    /// Of a preset by name, for a task of which `in_rust` gives the arguments if it was not saved for it.
    pub(crate) fn of<A: TaskArguments>(preset: &str) -> Result<Self> {
        let backbone = BackboneSlot::Pretrained(Backbone::new(preset));
        let preset = found(preset)?;
        let saved = Model::saved_task(&preset)?;
        let saved = saved.and_then(|saved| A::try_from(saved).ok());
        let saved = saved.map(Into::into);
        let start = A::on(backbone).in_rust().into();
        Ok(Self::from_saved(preset, saved, start))
    }

    pub(crate) fn from_saved(preset: Preset, saved: Option<AnyTask>, start: AnyTask) -> Self {
        let rank = |saved: &AnyTask| lora_rank(saved.backbone().backbone());
        Self {
            preset,
            saved_with_rank: saved.as_ref().map(rank),
            arguments: saved.unwrap_or(start),
            learned: None,
            starts_head: false,
            counts_classes: false,
            refused: None,
            seed: 0,
            dtype: DType::F32,
            preprocessing: Preprocessing::Own,
            compiles: true,
        }
    }

    pub(crate) fn compute(&self) -> Compute {
        let cpu = Compute::cpu();
        match self.dtype {
            DType::F32 => cpu,
            DType::BF16 => Compute {
                dtype: burn::tensor::DType::BF16,
                ..cpu
            },
        }
    }

    /// The model.
    pub(crate) fn build(mut self) -> Result<Core> {
        if let Some(problem) = self.refused {
            return Err(Error::Argument(problem));
        }
        // Low-rank updates come with the head that they were trained with.
        let has_head = self.saved_with_rank.is_some() || self.preset.is_of_keras_hub();
        if self.counts_classes && has_head && self.backbone().peft_path.is_none() {
            self.starts_head = self.arguments.start_head_anew();
        }
        let (preprocessing, compiles) = (self.preprocessing.clone(), self.compiles);
        Core::new(self.model()?, preprocessing, compiles)
    }

    fn model(self) -> Result<Model> {
        let compute = self.compute();
        let from_scratch = self.arguments.backbone().backbone().from_scratch;
        let Some(saved_rank) = self.saved_with_rank.filter(|_| !from_scratch) else {
            return self.anew(&compute);
        };
        let wanted = self.arguments.clone();
        let name = self.preset.name();
        match (lora_rank(wanted.backbone().backbone()), saved_rank) {
            (Some(_), None) => {
                return Err(Error::Argument(format!(
                    "{name} was saved without LoRA: call enable_lora on the built model, which goes on from its weights"
                )));
            }
            (Some(rank), Some(saved)) if rank != saved => {
                return Err(Error::Argument(format!(
                    "{name} was saved with LoRA updates of rank {saved}, which cannot become {rank}: leave the rank out to go on with them"
                )));
            }
            _ => {}
        }
        let model = Model::open_to_cut(self.preset.clone(), &compute, |saved| {
            let found = saved.backbone().backbone();
            let (preset, peft_path) = (found.preset.clone(), found.peft_path.clone());
            saved.clone_from(&wanted);
            let backbone = saved.backbone_mut().backbone_mut();
            (backbone.preset, backbone.peft_path) = (preset, peft_path);
        })?;
        if !self.starts_head && self.keeps_classes(&model) {
            return Ok(model);
        }
        // A new head of the saved kind on the saved encoder.
        let mut task = wanted;
        let backbone = task.backbone_mut().backbone_mut();
        self.preset.name().clone_into(&mut backbone.preset);
        let learned = self.learned.as_ref();
        Ok(Model::build_on(
            task,
            self.preset,
            learned,
            &compute,
            self.seed,
        )?)
    }

    /// The task on a preset that was not saved for it, or of whose weights nothing is taken.
    fn anew(self, compute: &Compute) -> Result<Model> {
        let name = self.preset.name().to_owned();
        let learned = self.learned.as_ref();
        let model = Model::build_on(self.arguments, self.preset, learned, compute, self.seed);
        model.map_err(|error| match error.refusal() {
            Some(refusal) if refusal.key == "model.n_classes" && learned.is_none() => {
                Error::Argument(format!(
                    "{name} has no classification head of its own: call num_classes to start one"
                ))
            }
            _ => error.into(),
        })
    }

    /// Whether the classes of a saved model are those that are asked for, if any are.
    fn keeps_classes(&self, model: &Model) -> bool {
        let Some(learned) = &self.learned else {
            return true;
        };
        let own = model.spec.classes();
        let same_names = learned.labels.is_none()
            || learned.labels.as_deref() == own.and_then(|classes| classes.names());
        learned.classes == own.map(|classes| classes.count()) && same_names
    }

    pub(crate) fn backbone(&mut self) -> &mut Backbone {
        self.arguments.backbone_mut().backbone_mut()
    }

    /// Starts a head of so many classes, whatever the preset's has.
    pub(crate) fn num_classes(&mut self, classes: usize) {
        self.counts_classes = true;
        self.classes(classes, None);
    }

    /// Remembers that an argument is wrong, for `build` to say so.
    fn refuse(&mut self, problem: Option<String>) {
        self.refused = self.refused.take().or(problem);
    }

    /// Whether classes are said.
    pub(crate) fn asks_for_classes(&self) -> bool {
        self.learned.is_some()
    }

    fn classes(&mut self, count: usize, names: Option<Vec<String>>) {
        self.learned = Some(Learned {
            classes: Some(count),
            labels: names,
            ..Learned::default()
        });
        self.arguments.set_classes(Some(count));
    }
}

/// The methods that all builders have.
macro_rules! builder_methods {
    ([$($generics:tt)*] $builder:ty) => {
        impl<$($generics)*> $builder {
        /// Changes any argument of the backbone, by the names that experiments have for them: `config_overwrites` for keys of `config.json`, `letters`,
        /// LoRA's arguments.
        #[must_use]
        pub fn backbone(mut self, change: impl FnOnce(&mut $crate::tasks::Backbone)) -> Self {
            change(self.start.backbone());
            self
        }

        /// Texts are cut to this many tokens, special ones included. Without it: what a preset of KerasHub says; else 512 of classifiers, embedders
        /// and masked language models, 1024 of models that write, or the positions that the model has, if these are fewer; and these of
        /// everything else. How many were cut is among the [notes](crate::TaskModel::notes) of each call.
        #[must_use]
        pub fn sequence_length(self, tokens: usize) -> Self {
            self.backbone(|backbone| backbone.max_length = Some(tokens))
        }

        /// Trains the head only.
        #[must_use]
        pub fn frozen(self, frozen: bool) -> Self {
            self.backbone(|backbone| backbone.frozen = frozen)
        }

        /// Trains low-rank updates of the backbone's weights beside the head, as [`TaskModel::enable_lora`](crate::TaskModel::enable_lora) does once the model is built.
        #[must_use]
        pub fn lora(self, rank: usize) -> Self {
            self.backbone(|backbone| {
                backbone.use_peft = true;
                backbone.lora_r = rank;
            })
        }

        /// Whether the preset's weights are read; without, all start anew.
        #[must_use]
        pub fn load_weights(self, loads: bool) -> Self {
            self.backbone(|backbone| backbone.from_scratch = !loads)
        }

        /// The numbers that weights are rounded to.
        #[must_use]
        pub fn dtype(mut self, dtype: $crate::DType) -> Self {
            self.start.dtype = dtype;
            self
        }

        /// What makes tokens of texts in the place of the task's own; with `None` rows are tokens.
        #[must_use]
        pub fn preprocessor(mut self, preprocessor: Option<$crate::Preprocessor>) -> Self {
            self.start.preprocessing = preprocessor.into();
            self
        }

        /// Whether the model is compiled as it is usual for the task, so that it can be trained at once.
        #[must_use]
        pub fn compile(mut self, compiles: bool) -> Self {
            self.start.compiles = compiles;
            self
        }

        /// Decides fresh weights.
        #[must_use]
        pub fn seed(mut self, seed: u64) -> Self {
            self.start.seed = seed;
            self
        }

        }
    };
}

pub(crate) use builder_methods;

builder_methods!([A] TaskBuilder<A>);

/// Declares the builder of something that is no [`TaskModel`].
macro_rules! builder {
    ($(#[$doc:meta])* $builder:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $builder {
            pub(crate) start: $crate::builder::Start,
        }

        impl $builder {
            pub(crate) fn new(start: $crate::builder::Start) -> Self {
                Self { start }
            }
        }

        $crate::builder::builder_methods!([] $builder);
    };
}

pub(crate) use builder;

impl<A> TaskBuilder<A> {
    pub(crate) fn new(start: Start) -> Self {
        Self {
            start,
            arguments: PhantomData,
        }
    }

    /// Replaces a key of `config.json`.
    fn overwrite(self, key: &str, value: Node) -> Self {
        self.backbone(|backbone| {
            let overwrites = backbone.config_overwrites.get_or_insert_with(BTreeMap::new);
            overwrites.insert(key.to_owned(), value);
        })
    }

    /// Says something of the head that KerasHub's presets say.
    fn of_head(mut self, key: &str, value: String) -> Self {
        let overwrites = &self.start.backbone().config_overwrites;
        let known = overwrites.as_ref().and_then(|all| all.get(KERAS_HUB));
        let mut said: Mapping = known.and_then(Node::as_map).cloned().unwrap_or_default();
        said.set(key, Node::plain(value));
        self.overwrite(KERAS_HUB, Node::map(said))
    }
}

impl<A: TaskArguments> TaskBuilder<A> {
    /// Changes any argument of the task, by the names that experiments have for them. A preset that was saved for the task begins with the
    /// arguments that it was saved with.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut A)) -> Self {
        if let Ok(mut arguments) = A::try_from(self.start.arguments.clone()) {
            change(&mut arguments);
            self.start.arguments = arguments.into();
        }
        self
    }

    /// Loads the weights.
    ///
    /// A preset that this library saved for the same task keeps its head and its classes, unless a number of classes or other names are asked for.
    ///
    /// # Errors
    /// The preset lacks a head that the task must have, is one of another kind, its weights do not fit, ...
    pub fn build(self) -> Result<TaskModel<A>> {
        let start = self.start.clone();
        Ok(TaskModel::new(self.start.build()?, start))
    }
}

/// Tasks whose builder can be given classes.
pub trait Classifies {}

impl Classifies for SequenceClassification {}
impl Classifies for TokenClassification {}

impl<A: Classifies> TaskBuilder<A> {
    /// Number of classes; their names are taken from the training labels. A saved head of another number is replaced by a fresh one. As in KerasHub, one on
    /// whole texts that this library or KerasHub saved is replaced also where it has as many: leave the number out to keep it.
    #[must_use]
    pub fn num_classes(mut self, classes: usize) -> Self {
        self.start.num_classes(classes);
        self
    }

    /// Names of the classes, in order; also sets their number.
    #[must_use]
    pub fn class_names<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let mut seen = BTreeSet::new();
        let twice = names.iter().find(|name| !seen.insert(*name));
        let problem = twice.map(|name| format!("class_names: two classes are called \"{name}\""));
        self.start.refuse(problem);
        self.start.classes(names.len(), Some(names));
        self
    }
}

impl TaskBuilder<SequenceClassification> {
    /// What is made of the head's outputs where they are predicted: [`Prediction::probabilities`](crate::Prediction); softmax if it is not said.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        let name = match activation {
            Activation::Softmax => "softmax",
            Activation::Sigmoid => "sigmoid",
            Activation::Linear => "identity",
        };
        self.overwrite("function_to_apply", Node::text(name))
    }

    /// Dropout inside the head, from 0 to below 1; what KerasHub has for the family if it is not said.
    #[must_use]
    pub fn dropout(mut self, rate: f64) -> Self {
        if !(0.0..1.0).contains(&rate) {
            let problem = format!("dropout: expected a rate from 0 to below 1, found {rate}");
            self.start.refuse(Some(problem));
        }
        self.of_head("classifier_dropout", rate.to_string())
    }

    /// The width of the head's first layer, of families whose heads have two; that of the model if it is not said.
    #[must_use]
    pub fn hidden_dim(mut self, width: usize) -> Self {
        if width == 0 {
            let problem = "hidden_dim: expected at least 1, found 0";
            self.start.refuse(Some(problem.to_owned()));
        }
        self.of_head("classifier_hidden_dim", width.to_string())
    }
}

impl TaskBuilder<Embed> {
    /// How the tokens of a text become one vector.
    #[must_use]
    pub fn pooling(self, pooling: engraft_models::Pooling) -> Self {
        self.with(|embed| embed.pooling = Some(engraft_tasks::EmbedPooling::By(pooling)))
    }

    /// Whether each vector is scaled to length 1.
    #[must_use]
    pub fn normalize(self, normalizes: bool) -> Self {
        self.with(|embed| embed.normalize = Some(normalizes))
    }
}

/// The rank of a backbone's LoRA updates, if it is trained with some.
pub(crate) fn lora_rank(backbone: &Backbone) -> Option<usize> {
    backbone.use_peft.then_some(backbone.lora_r)
}
