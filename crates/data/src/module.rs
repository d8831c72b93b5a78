//! Data modules: the components that a user names under `data`.

use std::collections::BTreeMap;

use engraft_component::{Choice, Component, nearest};

use crate::arguments::{Batching, Folds, Source, argument};
use crate::error::{Error, list};

/// Texts with ids, for embedding, masked language models and other work without labels.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.SequencesDataModule")]
pub struct SequencesDataModule {
    /// Where the rows lie.
    #[arg(flatten)]
    pub source: Source,
    /// How rows are batched.
    #[arg(flatten)]
    pub batching: Batching,
    /// Cross-validation.
    #[arg(flatten)]
    pub folds: Folds,
    /// The column of texts, or two columns for text pairs.
    #[arg(default = vec!["sequence".to_owned()])]
    pub x_col: Vec<String>,
    /// The column of row ids; without a column `id`, rows are numbered from 0.
    #[arg(default = "id".to_owned())]
    pub id_col: String,
}

/// Sequences with a class each.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.SequenceClassificationDataModule")]
pub struct SequenceClassificationDataModule {
    /// Where the rows lie.
    #[arg(flatten)]
    pub source: Source,
    /// How rows are batched.
    #[arg(flatten)]
    pub batching: Batching,
    /// Cross-validation.
    #[arg(flatten)]
    pub folds: Folds,
    /// The column of sequences, or two columns for pairs.
    #[arg(default = vec!["sequences".to_owned()])]
    pub x_col: Vec<String>,
    /// The column of classes: numbers or names.
    #[arg(default = vec!["labels".to_owned()])]
    pub y_col: Vec<String>,
    /// Row ids, new names and filters.
    #[arg(flatten)]
    pub selection: Selection,
}

/// Texts with a class each, in columns of any name.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.ClassificationDataModule")]
pub struct ClassificationDataModule {
    /// Where the rows lie.
    #[arg(flatten)]
    pub source: Source,
    /// How rows are batched.
    #[arg(flatten)]
    pub batching: Batching,
    /// Cross-validation.
    #[arg(flatten)]
    pub folds: Folds,
    /// The column of texts, or two columns for pairs.
    pub x_col: Vec<String>,
    /// The column of classes: numbers or names.
    pub y_col: Vec<String>,
    /// Row ids, new names and filters.
    #[arg(flatten)]
    pub selection: Selection,
}

/// What labelled rows are called and which of them are kept.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Selection {
    /// The column of row ids; without a column `id`, rows are numbered from 0.
    #[arg(default = "id".to_owned())]
    pub id_col: String,
    /// The names under which text columns are offered to the task, by the names they have in the file.
    #[arg(alias = "rename_columns")]
    pub rename_cols: Option<BTreeMap<String, String>>,
    /// Keep only rows of this class or these classes.
    pub class_filter: Option<Vec<String>>,
    /// Add the column `uid`, the row's number in its file from 0, to the table of predictions.
    #[arg(default = false)]
    pub generate_uid: bool,
}

/// Where examples come from.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(kind = "data module")]
pub enum DataModule {
    /// Texts with ids.
    Sequences(SequencesDataModule),
    /// Sequences with a class each.
    SequenceClassification(SequenceClassificationDataModule),
    /// Texts with a class each, in columns of any name.
    Classification(ClassificationDataModule),
}

impl DataModule {
    /// Where the rows lie and how they are split.
    pub fn source(&self) -> &Source {
        match self {
            DataModule::Sequences(module) => &module.source,
            DataModule::SequenceClassification(module) => &module.source,
            DataModule::Classification(module) => &module.source,
        }
    }

    /// How rows are put together into batches.
    pub fn batching(&self) -> &Batching {
        match self {
            DataModule::Sequences(module) => &module.batching,
            DataModule::SequenceClassification(module) => &module.batching,
            DataModule::Classification(module) => &module.batching,
        }
    }

    /// Whether every row has a label in each stage but predicting.
    pub fn is_labelled(&self) -> bool {
        self.roles().label.is_some()
    }

    /// The names under which text columns are offered to the task, one for each segment.
    pub fn text_names(&self) -> Vec<&str> {
        let roles = self.roles();
        roles
            .texts
            .iter()
            .map(|column| roles.renamed(column))
            .collect()
    }

    /// Checks the arguments that need no file to be checked.
    ///
    /// # Errors
    /// The first argument with a value it cannot have.
    pub fn check(&self) -> Result<(), Error> {
        let folds = match self {
            DataModule::Sequences(module) => &module.folds,
            DataModule::SequenceClassification(module) => &module.folds,
            DataModule::Classification(module) => &module.folds,
        };
        folds.check()?;
        self.batching().check()?;
        self.roles().check()
    }

    /// Which column serves for what.
    pub(crate) fn roles(&self) -> Roles<'_> {
        let (texts, labels, selection) = match self {
            DataModule::Sequences(module) => {
                return Roles {
                    texts: &module.x_col,
                    label: None,
                    id: &module.id_col,
                    extra: &module.source.extra_cols,
                    rename: None,
                    class_filter: None,
                    uid: false,
                };
            }
            DataModule::SequenceClassification(module) => {
                (&module.x_col, &module.y_col, &module.selection)
            }
            DataModule::Classification(module) => (&module.x_col, &module.y_col, &module.selection),
        };
        Roles {
            texts,
            label: Some(labels),
            id: &selection.id_col,
            extra: &self.source().extra_cols,
            rename: selection.rename_cols.as_ref(),
            class_filter: selection.class_filter.as_deref(),
            uid: selection.generate_uid,
        }
    }
}

/// Which column serves for what.
#[derive(Clone, Debug)]
pub(crate) struct Roles<'a> {
    pub(crate) texts: &'a [String],
    /// Exactly one, once checked.
    pub(crate) label: Option<&'a [String]>,
    pub(crate) id: &'a str,
    pub(crate) extra: &'a [String],
    pub(crate) rename: Option<&'a BTreeMap<String, String>>,
    pub(crate) class_filter: Option<&'a [String]>,
    pub(crate) uid: bool,
}

impl<'a> Roles<'a> {
    fn renamed(&self, column: &'a str) -> &'a str {
        self.rename
            .and_then(|rename| rename.get(column))
            .map_or(column, String::as_str)
    }

    fn check(&self) -> Result<(), Error> {
        if !(1..=2).contains(&self.texts.len()) {
            return Err(argument("x_col", "give one column, or two for text pairs"));
        }
        if self.label.is_some_and(|columns| columns.len() != 1) {
            return Err(argument(
                "y_col",
                "give one column; several labels a row are not supported yet",
            ));
        }
        if let Some(twice) = self
            .extra
            .iter()
            .enumerate()
            .find(|(at, name)| self.extra[..*at].contains(name))
        {
            return Err(argument(
                "extra_cols",
                format!("\"{}\" is given twice", twice.1),
            ));
        }
        let names = || self.texts.iter().map(String::as_str);
        for (from, to) in self.rename.into_iter().flatten() {
            if !self.texts.contains(from) && !self.texts.contains(to) {
                let nearest =
                    nearest(from, names()).map(|name| format!(". Did you mean \"{name}\"?"));
                let message = format!(
                    "\"{from}\" is no text column (x_col is {}){}",
                    list(self.texts),
                    nearest.unwrap_or_default()
                );
                return Err(argument("rename_cols", message));
            }
        }
        Ok(())
    }
}
