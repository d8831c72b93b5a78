//! Data modules: the components that a user names under `data`.

mod components;
mod roles;

use engraft_component::Choice;

use crate::arguments::{Batching, Folds, Source};
use crate::error::Error;

pub use components::{
    ClassificationDataModule, MLMDataModule, Masking, Naming, RegressionDataModule, Selection,
    SequenceClassificationDataModule, SequenceRegressionDataModule, SequencesDataModule,
    TokenClassificationDataModule,
};
pub(crate) use roles::{Cut, DEFAULT_ID, LabelKind, LabelRole, Roles};

/// Where examples come from.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(kind = "data module")]
pub enum DataModule {
    /// Texts with ids.
    Sequences(SequencesDataModule),
    /// Sequences with a class each, or several.
    SequenceClassification(SequenceClassificationDataModule),
    /// Texts with a class each, or several, in columns of any name.
    Classification(ClassificationDataModule),
    /// Sequences with a class for each letter, or texts with a class for each word.
    TokenClassification(TokenClassificationDataModule),
    /// Sequences with a number each, or several.
    SequenceRegression(SequenceRegressionDataModule),
    /// Texts with a number each, or several, in columns of any name.
    Regression(RegressionDataModule),
    /// Sequences without labels, of which parts are masked and predicted.
    Mlm(MLMDataModule),
}

impl DataModule {
    /// Where the rows lie and how they are split.
    pub fn source(&self) -> &Source {
        self.shared().0
    }

    /// How rows are put together into batches.
    pub fn batching(&self) -> &Batching {
        self.shared().1
    }

    /// Whether every row has labels in each stage but predicting.
    pub fn is_labelled(&self) -> bool {
        self.roles().labels.is_some()
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

    /// The columns of labels: one for each label of a row, except that a single column may hold
    /// lists. Empty for data without labels.
    pub fn label_names(&self) -> &[String] {
        self.roles().labels.map_or(&[], |labels| labels.columns)
    }

    /// Whether numbers are to be learned with mean 0 and standard deviation 1.
    ///
    /// The examples hold the file's own numbers: who trains computes both from the training split.
    pub fn normalizes(&self) -> bool {
        match self {
            DataModule::SequenceRegression(module) => module.normalize,
            DataModule::Regression(module) => module.normalize,
            _ => false,
        }
    }

    /// What is to be masked, if the rows are for a masked language model.
    pub fn masking(&self) -> Option<Masking> {
        match self {
            DataModule::Mlm(module) => Some(module.masking),
            _ => None,
        }
    }

    /// Checks the arguments that need no file to be checked.
    ///
    /// # Errors
    /// The first argument with a value it cannot have.
    pub fn check(&self) -> Result<(), Error> {
        let (source, batching, folds) = self.shared();
        source.check()?;
        folds.check()?;
        batching.check()?;
        if let DataModule::TokenClassification(module) = self {
            module.check()?;
        }
        if let Some(masking) = self.masking() {
            masking.check()?;
        }
        self.roles().check()
    }

    /// The arguments that every data module has.
    fn shared(&self) -> (&Source, &Batching, &Folds) {
        match self {
            DataModule::Sequences(it) => (&it.source, &it.batching, &it.folds),
            DataModule::SequenceClassification(it) => (&it.source, &it.batching, &it.folds),
            DataModule::Classification(it) => (&it.source, &it.batching, &it.folds),
            DataModule::TokenClassification(it) => (&it.source, &it.batching, &it.folds),
            DataModule::SequenceRegression(it) => (&it.source, &it.batching, &it.folds),
            DataModule::Regression(it) => (&it.source, &it.batching, &it.folds),
            DataModule::Mlm(it) => (&it.source, &it.batching, &it.folds),
        }
    }

    /// Which column serves for what.
    pub(crate) fn roles(&self) -> Roles<'_> {
        let classes = |filter| LabelKind::Classes { filter };
        match self {
            DataModule::Sequences(it) => Roles {
                id: &it.id_col,
                ..Roles::new(&it.x_col, &it.source)
            },
            DataModule::SequenceClassification(it) => Roles::new(&it.x_col, &it.source)
                .named(&it.selection.naming)
                .labelled(&it.y_col, classes(it.selection.class_filter.as_deref())),
            DataModule::Classification(it) => Roles::new(&it.x_col, &it.source)
                .named(&it.selection.naming)
                .labelled(&it.y_col, classes(it.selection.class_filter.as_deref())),
            DataModule::TokenClassification(it) => Roles {
                cut: it.cut(),
                ..Roles::new(&it.x_col, &it.source)
                    .named(&it.naming)
                    .labelled(&it.y_col, LabelKind::Tokens)
            },
            DataModule::SequenceRegression(it) => Roles::new(&it.x_col, &it.source)
                .named(&it.naming)
                .labelled(&it.y_col, LabelKind::Numbers),
            DataModule::Regression(it) => Roles::new(&it.x_col, &it.source)
                .named(&it.naming)
                .labelled(&it.y_col, LabelKind::Numbers),
            DataModule::Mlm(it) => Roles::new(&it.x_col, &it.source).named(&it.naming),
        }
    }
}
