//! Any task in a few lines of Rust: a pretrained backbone, trained, scored, asked and saved.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use engraft_component::{Note, NoteKind};
use engraft_config::RustDefaults;
use engraft_data::{
    Batching, DataModule, Examples, MLMDataModule, Masking, Naming, Rows, Seq2SeqDataModule,
    SequenceClassificationDataModule, SequenceRegressionDataModule, Splits, Stage,
    TokenClassificationDataModule,
};
use engraft_files::atomic;
use engraft_hub::Preset;
use engraft_models::Compute;
use engraft_run::{Display, ProgressLine};
use engraft_tasks::{
    Backbone, BackboneSlot, Embed, Learned, MLM, Model, PairwiseTokenClassification, PresetForm,
    RowOutput, SequenceClassification, SequenceRegression, Task as AnyTask, TaskArguments,
    TokenClassification, TrainingRows, may_replace,
};
use engraft_train::settings::{Amount, Trainer};
use engraft_train::{Evaluation, Observer, Training};

use crate::error::{Error, Result};
use crate::scores::Scores;

/// Assigns a class to each text: KerasHub's `TextClassifier`.
pub type TextClassifier = Task<SequenceClassification>;
/// Assigns a class to each letter of a sequence or each word of a text.
pub type TokenClassifier = Task<TokenClassification>;
/// Says of each pair of letters of a sequence, or words of a text, how likely they belong together.
pub type PairClassifier = Task<PairwiseTokenClassification>;
/// Assigns one or several numbers to each text.
pub type Regressor = Task<SequenceRegression>;
/// Predicts masked tokens: KerasHub's `MaskedLM`.
pub type MaskedLm = Task<MLM>;
/// Turns texts into vectors.
pub type Embedder = Task<Embed>;

/// A task on a pretrained backbone. `A` are the task's arguments, which say what is predicted.
///
/// ```no_run
/// use engraft::prelude::*;
///
/// let mut regressor = Regressor::from_preset("./esm")?.max_length(512).lora(8).build()?;
/// regressor.fit(&read_numbers("train.tsv", "sequence", "fitness")?, Fit::default())?;
/// let fitness: Vec<Vec<f32>> = regressor.predict(["MKTAYIAK"])?;
/// println!("{fitness:?}");
/// # Ok::<(), engraft::Error>(())
/// ```
pub struct Task<A> {
    model: Model,
    arguments: PhantomData<A>,
}

/// A [`Task`] in the making.
#[derive(Clone, Debug)]
pub struct TaskBuilder<A> {
    preset: Preset,
    /// Those that the preset was saved with, if it was for this task, else the defaults; as they were changed since.
    arguments: A,
    /// Whether the preset was saved for this task, and if so the rank of its LoRA updates, where it has some.
    saved_with_rank: Option<Option<usize>>,
    /// The classes, if they are said.
    learned: Option<Learned>,
    /// Whether the head starts anew although the preset was saved with one.
    starts_head: bool,
    seed: u64,
}

/// How to train. The defaults are KerasHub's: Adam at 5e-5, batches of 32.
#[derive(Clone, Debug)]
pub struct Fit<'a> {
    /// Passes over the training rows.
    pub epochs: u64,
    /// Rows of a batch.
    pub batch_size: usize,
    /// Scored after each epoch.
    pub validation: Option<&'a Examples>,
    /// What turns gradients into new weights.
    pub training: Training,
    /// Whether rows are visited in a new random order in each epoch.
    pub shuffle: bool,
    /// Decides the order of rows and all dropout.
    pub seed: u64,
    /// If given, the gradient's norm is clipped to this.
    pub clip_norm: Option<f64>,
    /// Whether progress shows on standard error.
    pub verbose: bool,
}

impl Default for Fit<'_> {
    fn default() -> Self {
        let face = RustDefaults::default();
        let epochs = face.trainer.max_epochs.map(u64::try_from);
        Self {
            epochs: epochs.and_then(|epochs| epochs.ok()).unwrap_or(1),
            batch_size: face.batching.batch_size,
            validation: None,
            training: face.training,
            shuffle: face.batching.shuffle,
            seed: 0,
            clip_norm: None,
            verbose: true,
        }
    }
}

impl<A: TaskArguments> TaskBuilder<A> {
    /// Changes any argument of the task, by the names that experiments have for them. A preset that was saved for the task begins with the
    /// arguments that it was saved with.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut A)) -> Self {
        change(&mut self.arguments);
        self
    }

    /// Changes any argument of the backbone.
    #[must_use]
    pub fn backbone(self, change: impl FnOnce(&mut Backbone)) -> Self {
        self.with(|arguments| change(arguments.backbone_mut().backbone_mut()))
    }

    /// Texts are cut to this many tokens; without it to as many as the model has positions for. How many were cut is said in a note.
    #[must_use]
    pub fn max_length(self, tokens: usize) -> Self {
        self.backbone(|backbone| backbone.max_length = Some(tokens))
    }

    /// Trains the head only.
    #[must_use]
    pub fn frozen(self, frozen: bool) -> Self {
        self.backbone(|backbone| backbone.frozen = frozen)
    }

    /// Trains low-rank updates of the backbone's weights beside the head: KerasHub's `enable_lora`.
    #[must_use]
    pub fn lora(self, rank: usize) -> Self {
        self.backbone(|backbone| {
            backbone.use_peft = true;
            backbone.lora_r = rank;
        })
    }

    /// Decides fresh weights.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Loads the weights.
    ///
    /// A preset that this library saved for the same task keeps its head and its classes, unless a number of classes or other names are asked for.
    ///
    /// # Errors
    /// The preset lacks a head that the task must have, its weights do not fit, ...
    pub fn build(self) -> Result<Task<A>> {
        let compute = Compute::cpu();
        let Some(saved_rank) = self.saved_with_rank else {
            return self.start(&compute);
        };
        let wanted: AnyTask = self.arguments.clone().into();
        let name = self.preset.name();
        match (lora_rank(wanted.backbone().backbone()), saved_rank) {
            (Some(_), None) => {
                return Err(Error::Argument(format!(
                    "{name} was saved without LoRA: give use_peft to the backbone that it is trained on, or name the folder as a backbone in an experiment"
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
            return Ok(model.into());
        }
        // A new head of the saved kind on the saved encoder.
        let mut task = wanted;
        let backbone = task.backbone_mut().backbone_mut();
        self.preset.name().clone_into(&mut backbone.preset);
        let learned = self.learned.as_ref();
        let model = Model::build_on(task, self.preset, learned, &compute, self.seed)?;
        Ok(model.into())
    }

    /// The task on a preset that was not saved for it.
    fn start(self, compute: &Compute) -> Result<Task<A>> {
        let name = self.preset.name().to_owned();
        let learned = self.learned.as_ref();
        let task: AnyTask = self.arguments.into();
        let model = Model::build_on(task, self.preset, learned, compute, self.seed);
        let model = model.map_err(|error| match error.refusal() {
            Some(refusal) if refusal.key == "model.n_classes" && learned.is_none() => {
                Error::Argument(format!(
                    "{name} has no classification head of its own: call num_classes to start one"
                ))
            }
            _ => error.into(),
        })?;
        Ok(model.into())
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

    fn classes(mut self, count: usize, names: Option<Vec<String>>) -> Self {
        self.learned = Some(Learned {
            classes: Some(count),
            labels: names,
            ..Learned::default()
        });
        self.arguments.set_classes(Some(count));
        self
    }
}

/// The rank of a backbone's LoRA updates, if it is trained with some.
fn lora_rank(backbone: &Backbone) -> Option<usize> {
    backbone.use_peft.then_some(backbone.lora_r)
}

/// Tasks whose builder can be given classes.
pub trait Classifies: TaskArguments {}

impl Classifies for SequenceClassification {}
impl Classifies for TokenClassification {}

impl<A: Classifies> TaskBuilder<A> {
    /// Number of classes; their names are taken from the training labels. A saved head of another number is replaced by a fresh one. As in KerasHub, one on
    /// whole texts that this library or KerasHub saved is replaced also where it has as many: leave the number out to keep it.
    #[must_use]
    pub fn num_classes(mut self, classes: usize) -> Self {
        if self.saved_with_rank.is_some() || self.preset.is_of_keras_hub() {
            self.starts_head = self.arguments.start_head_anew();
        }
        self.classes(classes, None)
    }

    /// Names of the classes, in order; also sets their number.
    #[must_use]
    pub fn class_names<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.classes(names.len(), Some(names))
    }
}

impl<A> fmt::Debug for Task<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.model.spec.task();
        f.debug_struct("Task")
            .field("task", task)
            .finish_non_exhaustive()
    }
}

impl<A> From<Model> for Task<A> {
    fn from(model: Model) -> Self {
        Self {
            model,
            arguments: PhantomData,
        }
    }
}

impl<A: TaskArguments> Task<A> {
    /// A preset by name: built in, `hf://org/repo`, or a folder, among them one that [`Self::save_to_preset`] wrote.
    ///
    /// # Errors
    /// There is no such preset.
    pub fn from_preset(preset: &str) -> Result<TaskBuilder<A>> {
        let backbone = BackboneSlot::Pretrained(Backbone::new(preset));
        let preset = Preset::from_name(preset)?;
        let saved = Model::saved_task(&preset)?;
        let saved = saved.and_then(|saved| A::try_from(saved).ok());
        Ok(TaskBuilder {
            preset,
            saved_with_rank: saved
                .as_ref()
                .map(|saved| lora_rank(saved.backbone().backbone())),
            arguments: saved.unwrap_or_else(|| A::on(backbone).in_rust()),
            learned: None,
            starts_head: false,
            seed: 0,
        })
    }

    /// Trains on labelled examples; the latest value of every metric.
    ///
    /// # Errors
    /// The task only predicts, labels are missing or out of range, a text is too long, the loss is no longer finite.
    pub fn fit(&mut self, train: &Examples, fit: Fit<'_>) -> Result<Scores> {
        let trainer = Trainer {
            max_epochs: Some(i64::try_from(fit.epochs).unwrap_or(i64::MAX)),
            gradient_clip_val: fit.clip_norm,
            enable_report: Some(false),
            ..RustDefaults::default().trainer
        };
        let (mut plan, _) = trainer.plan().map_err(engraft_train::Error::from)?;
        plan.log = false;
        let batching = Batching {
            batch_size: fit.batch_size.max(1),
            shuffle: fit.shuffle,
            ..RustDefaults::default().batching
        };
        let splits = Splits {
            train: Some(train.clone()),
            valid: fit.validation.cloned(),
            test: None,
            ..Splits::default()
        };
        // A copy goes through the loop, so that an error leaves this model as it was.
        let spec = self.model.spec.informed_by(TrainingRows::new(train))?;
        let display = Display::detect(fit.verbose, plan.log_every_n_steps);
        let mut progress = ProgressLine::new(display);
        let structures = spec.note_on_structures(train);
        for text in spec.objective().notes().into_iter().chain(structures) {
            (&mut progress as &mut dyn Observer).note(Note::new(NoteKind::Model, text));
        }
        let model = Model {
            spec: Arc::new(spec),
            network: self.model.network.clone(),
        };
        let outcome = engraft_train::fit(
            model,
            engraft_train::Fit {
                training: &fit.training,
                plan: &plan,
                callbacks: &[],
                splits,
                batching: &batching,
                masking: None,
                seed: fit.seed,
                config: "",
                resume: None,
                fold: None,
                stop: Arc::default(),
                observer: &mut progress,
            },
        )?;
        self.model = outcome.model;
        Ok(outcome.metrics.into())
    }

    /// Loss and metrics over labelled examples: `test_loss`, `test_accuracy`, ...
    ///
    /// # Errors
    /// The task only predicts, labels are missing or out of range, a text is too long.
    pub fn evaluate(&self, examples: &Examples) -> Result<Scores> {
        let evaluation = Evaluation {
            stage: "test",
            of: "the model",
            examples: Arc::new(examples.clone()),
            batching: &RustDefaults::default().batching,
            masking: None,
            limit: Amount::ALL,
            stop: None,
            observer: &mut ProgressLine::new(Display::Silent),
        };
        Ok(engraft_train::evaluate(&self.model, evaluation)?.into())
    }

    /// What the model predicts of each text, in order.
    ///
    /// # Errors
    /// A text is too long.
    pub fn predict<T: Into<String>>(
        &self,
        texts: impl IntoIterator<Item = T>,
    ) -> Result<Vec<A::Prediction>> {
        self.predict_examples(Examples::from_texts(texts))
    }

    /// What the model predicts of each row, which may be a pair of texts.
    ///
    /// # Errors
    /// A row is too long.
    pub fn predict_examples(&self, examples: Examples) -> Result<Vec<A::Prediction>> {
        let prediction = engraft_train::Prediction {
            examples: Arc::new(examples),
            batching: &RustDefaults::default().batching,
            limit: Amount::ALL,
            seed: 0,
            observer: &mut ProgressLine::new(Display::Silent),
        };
        let objective = self.model.spec.objective();
        let mut predictions = Vec::new();
        engraft_train::predict(&self.model, prediction, |row: RowOutput| {
            predictions.push(A::prediction(&**objective, row));
            Ok::<(), engraft_train::Error>(())
        })?;
        Ok(predictions)
    }

    /// Names of the classes, numbers standing in for missing ones; none if the task has no classes.
    pub fn class_names(&self) -> Vec<String> {
        let classes = self.model.spec.classes();
        classes
            .map(|classes| classes.names_or_numbers())
            .unwrap_or_default()
    }

    /// The model, for everything beyond.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Writes a preset: a folder that [`Self::from_preset`], the command line and the reference library open.
    ///
    /// # Errors
    /// The folder cannot be written, or holds something else than a preset.
    pub fn save_to_preset(&self, folder: impl AsRef<Path>) -> Result<()> {
        may_replace(folder.as_ref())?;
        let folder = atomic::Folder::create(folder.as_ref())?;
        let Model { spec, network } = self.model.clone().with_family_head();
        spec.write_preset(&network, PresetForm::Whole, folder.path())?;
        folder.commit()?;
        Ok(())
    }
}

/// Reads examples that have a class each from a file of any format that is read: the texts of column `x_col`, the classes of column `y_col`.
///
/// # Errors
/// The file or a column is missing, or a row is broken.
pub fn read_examples(path: impl AsRef<Path>, x_col: &str, y_col: &str) -> Result<Examples> {
    read(SequenceClassificationDataModule {
        rows: Rows::new(path.as_ref()),
        x_col: vec![x_col.to_owned()],
        y_col: vec![y_col.to_owned()],
        selection: Default::default(),
        alignment: Default::default(),
    })
}

/// As [`read_examples`], with a number each, which a [`Regressor`] learns.
///
/// # Errors
/// The file or a column is missing, or a row is broken.
pub fn read_numbers(path: impl AsRef<Path>, x_col: &str, y_col: &str) -> Result<Examples> {
    read(SequenceRegressionDataModule {
        rows: Rows::new(path.as_ref()),
        x_col: vec![x_col.to_owned()],
        y_col: vec![y_col.to_owned()],
        normalize: false,
        naming: Naming::default(),
        alignment: Default::default(),
    })
}

/// As [`read_examples`], with a class for each letter or word, which a [`TokenClassifier`] learns.
///
/// # Errors
/// The file or a column is missing, or a row is broken.
pub fn read_token_labels(path: impl AsRef<Path>, x_col: &str, y_col: &str) -> Result<Examples> {
    read_letters(path.as_ref(), [x_col, y_col], false)
}

/// As [`read_examples`], with the pairs of letters or words that belong together, which a [`PairClassifier`] learns.
///
/// # Errors
/// The file or a column is missing, or a row is broken.
pub fn read_pair_labels(path: impl AsRef<Path>, x_col: &str, y_col: &str) -> Result<Examples> {
    read_letters(path.as_ref(), [x_col, y_col], true)
}

/// Labels of letters or words, or of pairs of them.
fn read_letters(path: &Path, [x_col, y_col]: [&str; 2], pairwise: bool) -> Result<Examples> {
    read(TokenClassificationDataModule {
        rows: Rows::new(path),
        x_col: vec![x_col.to_owned()],
        y_col: vec![y_col.to_owned()],
        max_length: None,
        truncate_extra_cols: false,
        pairwise,
        class_weight: None,
        naming: Naming::default(),
        alignment: Default::default(),
    })
}

/// As [`read_examples`], with a text each that is to be written for the one of `x_col`.
///
/// # Errors
/// The file or a column is missing, or a row is broken or has no text to be written.
pub fn read_pairs(path: impl AsRef<Path>, x_col: &str, y_col: &str) -> Result<Examples> {
    read(Seq2SeqDataModule {
        rows: Rows::new(path.as_ref()),
        x_col: vec![x_col.to_owned()],
        y_col: vec![y_col.to_owned()],
        naming: Naming::default(),
    })
}

/// Reads texts without labels, which a [`MaskedLm`] and an [`Embedder`] take.
///
/// # Errors
/// The file or the column is missing, or a row is broken.
pub fn read_texts(path: impl AsRef<Path>, x_col: &str) -> Result<Examples> {
    read(MLMDataModule {
        rows: Rows::new(path.as_ref()),
        x_col: vec![x_col.to_owned()],
        masking: Masking::default(),
        naming: Naming::default(),
    })
}

/// All rows of a data module's file.
fn read(module: impl Into<DataModule>) -> Result<Examples> {
    let module = module.into();
    let path = module.source().path.display().to_string();
    let test = module.load(Stage::Test)?.test;
    test.ok_or_else(|| Error::Argument(format!("{path}: no rows")))
}
