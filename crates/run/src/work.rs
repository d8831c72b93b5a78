//! What every run begins with: its notes said, its model and rows found.

use std::collections::BTreeSet;
use std::path::Path;

use engraft_component::{Choice, Mistake, Note, NoteKind, Refusal};
use engraft_config::Model as ModelSettings;
use engraft_data::{DataModule, Examples, Splits, Stage};
use engraft_tasks::{Model, Task, TrainingRows};
use engraft_train::{Event, Observer};

use crate::error::{Error, Result};
use crate::fold;
use crate::session::Session;

/// What an experiment is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To train.
    Fit,
    /// To score the validation rows.
    Validate,
    /// To score the test rows.
    Test,
    /// To predict.
    Predict,
    /// To make a preset of a checkpoint.
    Export,
}

impl Purpose {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Validate => "validate",
            Self::Test => "test",
            Self::Predict => "predict",
            Self::Export => "export",
        }
    }

    /// Whether what comes of it depends on a head that nobody trains on the way.
    pub(crate) fn uses_head(self) -> bool {
        matches!(self, Self::Validate | Self::Test | Self::Predict)
    }
}

/// One use of a session.
pub(crate) struct Work<'a> {
    pub(crate) session: &'a Session,
    pub(crate) purpose: Purpose,
    pub(crate) observer: &'a mut dyn Observer,
}

impl<'a> Work<'a> {
    /// Says something that the user should know.
    pub(crate) fn note(&mut self, kind: NoteKind, text: impl Into<String>) {
        self.observer.note(Note::new(kind, text));
    }

    /// What is computed and how it is trained, as the experiment says.
    pub(crate) fn model(&self) -> Result<&'a ModelSettings> {
        let model = self.session.experiment.model.as_ref();
        model.ok_or_else(|| self.lacks("model"))
    }

    /// Where the rows come from.
    pub(crate) fn data(&self) -> Result<&'a DataModule> {
        let data = self.session.experiment.data.as_ref();
        data.ok_or_else(|| self.lacks("data"))
    }

    fn lacks(&self, key: &str) -> Error {
        let owner = self.purpose.name();
        let refusal = Refusal::of(key, format!("missing, {owner} requires it"));
        Error::Refused(refusal.of_kind(Mistake::Missing { owner }))
    }

    /// Reads the rows of a stage; of a cross-validation, those of the fold that is asked for, or else of the checkpoint's.
    pub(crate) fn rows(&mut self, stage: Stage, checkpoint: Option<&Path>) -> Result<Splits> {
        let data = self.data()?;
        let splits = match fold::meant(data, checkpoint)? {
            Some(fold) => data.with_test_fold(fold).load(stage),
            None => data.load(stage),
        };
        let splits = splits.map_err(Error::before)?;
        for text in &splits.notes {
            self.note(NoteKind::Data, text);
        }
        Ok(splits)
    }

    /// Refuses rows with one text for a task that compares two, and rows that are to be compared for a task that does not.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn check_texts(&self, task: &Task, examples: &Examples) -> Result<()> {
        let name = task.name();
        if task.compares() && examples.texts.len() != 2 {
            let problem = format!(
                "{name} compares a reference with a variant of it, and each row has one text. Name the columns of both, as data.x_col: [reference, variant], or take MutationScanDataModule or ZeroshotClassificationRetrieveDataModule"
            );
            return Err(Error::of("data", problem));
        }
        let data = self.session.experiment.data.as_ref();
        if !task.compares() && data.is_some_and(DataModule::compares) {
            let problem = format!(
                "each row is a reference and a variant of it, which {name} does not compare. Take a model that scores variants, or name one column"
            );
            return Err(Error::of("data", problem));
        }
        Ok(())
    }

    /// Refuses alignments that the model does not read, and says what only the model or only the rows have of the structure of residues.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn check_alignments(&mut self, model: &Model, splits: &[&Examples]) -> Result<()> {
        for examples in splits {
            let checked = model.spec.check_alignments(examples);
            checked.map_err(Error::before)?;
        }
        let mut notes = splits.iter();
        let note = notes.find_map(|examples| model.spec.note_on_structures(examples));
        if let Some(text) = note {
            self.note(NoteKind::Model, text);
        }
        Ok(())
    }

    /// What training rows say about a model; rows held out of the same files, by folds or by seed, may name classes too.
    pub(crate) fn training_rows<'s>(&self, splits: &'s Splits) -> Option<TrainingRows<'s>>
    where
        'a: 's,
    {
        let data = self.session.experiment.data.as_ref();
        let train = splits.train.as_ref()?;
        let own = files(train);
        let held_out = |rows: &&Examples| files(rows).is_subset(&own);
        let others = [&splits.valid, &splits.test].map(|split| split.as_ref().filter(held_out));
        Some(TrainingRows {
            others,
            normalize: data.is_some_and(DataModule::normalizes),
            class_weight: data.and_then(DataModule::class_weight),
            ..TrainingRows::new(train)
        })
    }

    /// The model that the experiment describes, on its backbone; `splits` are the rows that may name its classes.
    pub(crate) fn build(&mut self, splits: Option<&Splits>) -> Result<Model> {
        let model = self.build_silently(splits)?;
        let name = model.spec.task().backbone().backbone().preset.clone();
        self.loaded(&model, &name);
        Ok(model)
    }

    /// [`Self::build`] without a word about what was loaded.
    pub(crate) fn build_silently(&mut self, splits: Option<&Splits>) -> Result<Model> {
        let task = self.model()?.task();
        let seed = self.session.experiment.seed_everything.number();
        let train = splits.and_then(|splits| self.training_rows(splits));
        let model = Model::build(&task, train, &self.session.plan.compute, seed);
        self.with_cache(model.map_err(Error::before)?)
    }

    /// The model with the cache of hidden states that the experiment asks for.
    pub(crate) fn with_cache(&mut self, mut model: Model) -> Result<Model> {
        let task = self.session.experiment.model.as_ref();
        let task = task.map(ModelSettings::task);
        let settings = task.as_ref().map(|task| &task.backbone().backbone().cache);
        let settings = settings.filter(|settings| settings.enable_cache);
        let Some(settings) = settings.filter(|_| self.purpose != Purpose::Export) else {
            return Ok(model);
        };
        model.network.open_cache(settings).map_err(Error::before)?;
        for text in model.network.cache_notes() {
            self.note(NoteKind::Model, text);
        }
        Ok(model)
    }

    /// Closes the cache of hidden states, if there is one, and says what it was good for.
    pub(crate) fn close_cache(&mut self, model: &Model) {
        let report = model.network.close_cache();
        for text in model.network.cache_notes().into_iter().chain(report) {
            self.note(NoteKind::Model, text);
        }
    }

    /// Says what was loaded.
    pub(crate) fn loaded(&mut self, model: &Model, name: &str) {
        let checkpoint = model.spec.checkpoint();
        let needs_weights = !checkpoint.config().transformer.embedding.one_hot;
        if self.purpose.uses_head() && needs_weights && !checkpoint.has_weights() {
            let text =
                format!("no weights are loaded for {name}: what comes of it is of random ones");
            self.note(NoteKind::Model, text);
        }
        let lora = model.spec.lora(&model.network);
        for text in model.spec.notes() {
            self.note(NoteKind::Model, text);
        }
        self.observer.event(Event::Loaded {
            name,
            report: &model.spec.report(),
            lora: lora.as_deref(),
        });
        for text in model.spec.objective().notes() {
            self.note(NoteKind::Model, text);
        }
    }
}

/// The files that rows are from.
fn files(examples: &Examples) -> BTreeSet<&Path> {
    let files = examples.origins.iter().map(|origin| &*origin.file);
    files.collect()
}
