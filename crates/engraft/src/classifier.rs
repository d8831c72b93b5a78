//! The text classifier, in a few lines of Rust.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use engraft_config::RustDefaults;
use engraft_data::{
    Batching, DataModule, Examples, SequenceClassificationDataModule, Splits, Stage,
};
use engraft_hub::{Preset, atomic};
use engraft_models::{Backbone, BackboneSlot, HeadKind};
use engraft_tasks::{Model, PresetForm, RowOutput, SequenceClassification, Task, may_replace};
use engraft_train::progress::{Display, Progress};
use engraft_train::settings::{Amount, Trainer};
use engraft_train::{Evaluation, Training};

use crate::error::{Error, Result};

/// A classifier of texts: a pretrained encoder with the classification head of its own kind.
pub struct TextClassifier {
    model: Model,
}

/// A [`TextClassifier`] in the making.
#[derive(Clone, Debug)]
pub struct TextClassifierBuilder {
    preset: Preset,
    task: SequenceClassification,
    labels: Option<Vec<String>>,
    seed: u64,
}

/// How to train a classifier. The defaults are KerasHub's: Adam at 5e-5, batches of 32.
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

/// What a classifier says of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The name of the likeliest class, or its number if the classes have no names.
    pub label: String,
    /// Its number.
    pub class: usize,
    /// The probability of each class.
    pub probabilities: Vec<f32>,
}

impl Prediction {
    /// The probability of the likeliest class.
    pub fn probability(&self) -> f32 {
        self.probabilities
            .get(self.class)
            .copied()
            .unwrap_or(f32::NAN)
    }
}

impl TextClassifierBuilder {
    /// Number of classes. A saved head of another number is replaced by a fresh one; their names are taken from the training labels.
    pub fn num_classes(mut self, classes: usize) -> Self {
        self.task.n_classes = Some(classes);
        self
    }

    /// Names of the classes, in order; also sets their number.
    pub fn class_names<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.task.n_classes = Some(names.len());
        self.labels = Some(names);
        self
    }

    /// Texts are cut to this many tokens; without it a text longer than the model has positions for is an error.
    pub fn max_length(mut self, tokens: usize) -> Self {
        self.task.backbone.backbone_mut().max_length = Some(tokens);
        self
    }

    /// Trains the head only.
    pub fn frozen(mut self, frozen: bool) -> Self {
        self.task.backbone.backbone_mut().frozen = frozen;
        self
    }

    /// Decides fresh weights.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Loads the weights.
    ///
    /// A preset that this library saved keeps its head and its classes, unless another number of classes is asked for.
    ///
    /// # Errors
    /// The preset has no head and no number of classes is given, its weights do not fit, ...
    pub fn build(self) -> Result<TextClassifier> {
        let device = Device::default();
        let wanted = self.task.backbone.backbone().clone();
        // What the builder was told goes before what the preset was saved with.
        let adjust = |task: &mut Task| {
            let saved = task.backbone_mut().backbone_mut();
            saved.max_length = wanted.max_length.or(saved.max_length);
            saved.frozen |= wanted.frozen;
        };
        if let Some(Task::SequenceClassification(saved)) = Model::saved_task(&self.preset)? {
            let model = Model::open_with(self.preset.clone(), &device, adjust)?;
            let count = model.labels().map(|labels| labels.count());
            let same_names = self.labels.is_none()
                || self.labels.as_deref() == model.labels().and_then(|labels| labels.names());
            if self.task.n_classes.is_none() || (self.task.n_classes == count && same_names) {
                return Ok(TextClassifier { model });
            }
            // A new head of the saved kind on the saved encoder.
            let mut task = Task::SequenceClassification(SequenceClassification {
                n_classes: self.task.n_classes,
                ..saved
            });
            adjust(&mut task);
            task.backbone_mut()
                .backbone_mut()
                .preset
                .clone_from(&wanted.preset);
            let model = Model::build_on(
                task,
                self.preset,
                self.task.n_classes,
                self.labels,
                &device,
                self.seed,
            )?;
            return Ok(TextClassifier { model });
        }
        let mut task = self.task;
        let stored = task
            .backbone
            .backbone()
            .open_preset(self.preset.clone())?
            .stored_classes(HeadKind::Classification);
        let Some(classes) = task.n_classes.or(stored) else {
            return Err(Error::Argument(format!(
                "{} has no classification head of its own: call num_classes to start one",
                self.preset.name()
            )));
        };
        task.n_classes = Some(classes);
        let task = Task::SequenceClassification(task);
        let model = Model::build_on(
            task,
            self.preset,
            Some(classes),
            self.labels,
            &device,
            self.seed,
        )?;
        Ok(TextClassifier { model })
    }
}

impl TextClassifier {
    /// A preset by name: built in, `hf://org/repo`, or a folder, among them one that [`Self::save_to_preset`] wrote.
    ///
    /// # Errors
    /// There is no such preset.
    pub fn from_preset(preset: &str) -> Result<TextClassifierBuilder> {
        let backbone = BackboneSlot::Pretrained(Backbone::new(preset));
        let task = RustDefaults::classification(backbone);
        Ok(TextClassifierBuilder {
            preset: Preset::from_name(preset)?,
            task,
            labels: None,
            seed: 0,
        })
    }

    /// Trains on labelled examples.
    ///
    /// # Errors
    /// Labels are missing or out of range, a text is too long, the loss is no longer finite.
    pub fn fit(&mut self, train: &Examples, fit: Fit<'_>) -> Result<Vec<(String, f64)>> {
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
            notes: Vec::new(),
        };
        // A copy goes through the loop, so that an error leaves this classifier as it was.
        let mut model = self.model.clone();
        model.name_classes(train)?;
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
                stop: Arc::new(AtomicBool::new(false)),
                progress: &mut Progress::new(Display::detect(fit.verbose, plan.log_every_n_steps)),
                started: &mut || {},
            },
        )?;
        self.model = outcome.model;
        Ok(outcome.metrics)
    }

    /// Loss and metrics over labelled examples: `test_loss`, `test_accuracy`, ...
    ///
    /// # Errors
    /// Labels are missing or out of range, a text is too long.
    pub fn evaluate(&self, examples: &Examples) -> Result<Vec<(String, f64)>> {
        let evaluation = Evaluation {
            stage: "test",
            examples: Arc::new(examples.clone()),
            batching: &RustDefaults::default().batching,
            masking: None,
            limit: Amount::ALL,
            stop: None,
            progress: &mut Progress::new(Display::Silent),
        };
        Ok(engraft_train::evaluate(&self.model, evaluation)?)
    }

    /// The class of each text, in order.
    ///
    /// # Errors
    /// A text is too long.
    pub fn predict<T: Into<String>>(
        &self,
        texts: impl IntoIterator<Item = T>,
    ) -> Result<Vec<Prediction>> {
        let prediction = engraft_train::Prediction {
            examples: Arc::new(Examples::from_texts(texts)),
            batching: &RustDefaults::default().batching,
            limit: Amount::ALL,
            progress: &mut Progress::new(Display::Silent),
        };
        let names = self.class_names();
        let mut predictions = Vec::new();
        engraft_train::predict(&self.model, prediction, |row: RowOutput| {
            let probabilities = row.probabilities();
            let class = row.largest();
            predictions.push(Prediction {
                label: names.get(class).cloned().unwrap_or_default(),
                class,
                probabilities,
            });
            Ok::<(), engraft_train::Error>(())
        })?;
        Ok(predictions)
    }

    /// Names of the classes, numbers standing in for missing ones.
    pub fn class_names(&self) -> Vec<String> {
        self.model
            .labels()
            .map(|labels| labels.names_or_numbers())
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
        self.model
            .write_preset(&self.model.network, PresetForm::Whole, folder.path())?;
        folder.commit()?;
        Ok(())
    }
}

/// Reads labelled examples from a file of any format that is read: the texts of column `x_col`, the labels of column `y_col`.
///
/// # Errors
/// The file or a column is missing, or a row is broken.
pub fn read_examples(path: impl AsRef<Path>, x_col: &str, y_col: &str) -> Result<Examples> {
    let module = SequenceClassificationDataModule {
        rows: engraft_data::Rows::new(path.as_ref()),
        x_col: vec![x_col.to_owned()],
        y_col: vec![y_col.to_owned()],
        selection: Default::default(),
    };
    let splits = DataModule::from(module).load(Stage::Test)?;
    splits
        .test
        .ok_or_else(|| Error::Argument(format!("{}: no rows", path.as_ref().display())))
}
