//! The data modules themselves: their arguments and defaults.

use engraft_component::Component;

use crate::alignments::AlignedRows;
use crate::arguments::Rows;
use crate::class_weight::ClassWeight;
use crate::error::{Error, argument};
use crate::masking::Masking;
use crate::naming::{Naming, Selection};
use crate::roles::{Cut, LabelKind};

/// Texts with ids, for embedding, masked language models and other work without labels.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.SequencesDataModule")]
pub struct SequencesDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of texts, or two columns for text pairs.
    #[arg(default = vec!["sequence".to_owned()])]
    pub x_col: Vec<String>,
    /// The column of row ids; without a column `id`, rows are numbered from 0.
    #[arg(default = "id".to_owned())]
    pub id_col: String,
    /// Alignments beside the sequences.
    #[arg(flatten)]
    pub alignment: AlignedRows,
}

/// Sequences with a class each, or several.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.SequenceClassificationDataModule")]
pub struct SequenceClassificationDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of sequences, or two columns for pairs.
    #[arg(default = vec!["sequences".to_owned()])]
    pub x_col: Vec<String>,
    /// The column of classes, numbers or names; or a column for each class that says with 0 and 1, or false and true, which rows are of it.
    #[arg(default = vec!["labels".to_owned()])]
    pub y_col: Vec<String>,
    /// Row ids, new names and filters.
    #[arg(flatten)]
    pub selection: Selection,
    /// Alignments beside the sequences.
    #[arg(flatten)]
    pub alignment: AlignedRows,
}

/// Texts with a class each, or several, in columns of any name.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.ClassificationDataModule")]
pub struct ClassificationDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of texts, or two columns for pairs.
    pub x_col: Vec<String>,
    /// The column of classes, numbers or names; or a column for each class that says with 0 and 1, or false and true, which rows are of it.
    pub y_col: Vec<String>,
    /// Row ids, new names and filters.
    #[arg(flatten)]
    pub selection: Selection,
}

/// Sequences with a class for each letter, or texts with a class for each word.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.TokenClassificationDataModule")]
pub struct TokenClassificationDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of sequences, or of lists of words. White space around a sequence is left out; white space inside any of them makes it words that are labelled, else letters are.
    #[arg(default = vec!["sequences".to_owned()])]
    pub x_col: Vec<String>,
    /// The column of classes: a letter each (`HHEEC`), a digit each (`0120`), a list (`[0, 1, 2, 0]`), or numbers or names between commas or white space. In a list, -100 and null stand for what is not scored.
    #[arg(default = vec!["labels".to_owned()])]
    pub y_col: Vec<String>,
    /// Cut sequences and labels to one letter (or word) less than this, which leaves room for one special token; the tokenizer may cut further.
    pub max_length: Option<usize>,
    /// Whether extra columns of texts and lists are cut likewise.
    #[arg(default = false)]
    pub truncate_extra_cols: bool,
    /// Whether pairs of letters (or words) have labels: `y_col` holds a matrix of 0 and 1, a list of the pairs that belong together (`[[0, 7], [2, 5]]`, counted from 0), or a structure in brackets (`((..))`).
    #[arg(default = false)]
    pub pairwise: bool,
    /// What each class weighs in the loss: `auto`, which is letters (or words) / (those of the class x classes) of the training split, or a number for each class.
    pub class_weight: Option<ClassWeight>,
    /// Row ids, new names and row numbers.
    #[arg(flatten)]
    pub naming: Naming,
    /// Alignments beside the sequences.
    #[arg(flatten)]
    pub alignment: AlignedRows,
}

/// Sequences with a number each, or several.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.SequenceRegressionDataModule")]
pub struct SequenceRegressionDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of sequences, two columns for pairs, or one for each of the sequences that a model of several backbones reads.
    #[arg(default = vec!["sequences".to_owned()])]
    pub x_col: Vec<String>,
    /// The column of numbers, or several columns for several numbers a row.
    #[arg(default = vec!["labels".to_owned()])]
    pub y_col: Vec<String>,
    /// Whether the model learns numbers of mean 0 and standard deviation 1, by those of the training split; predictions come in the file's own units.
    #[arg(default = true)]
    pub normalize: bool,
    /// Row ids, new names and row numbers.
    #[arg(flatten)]
    pub naming: Naming,
    /// Alignments beside the sequences.
    #[arg(flatten)]
    pub alignment: AlignedRows,
}

/// Texts with a number each, or several, in columns of any name.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.RegressionDataModule")]
pub struct RegressionDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of texts, two columns for pairs, or one for each of the sequences that a model of several backbones reads.
    pub x_col: Vec<String>,
    /// The column of numbers, or several columns for several numbers a row.
    pub y_col: Vec<String>,
    /// Whether the model learns numbers of mean 0 and standard deviation 1, by those of the training split; predictions come in the file's own units.
    #[arg(default = true)]
    pub normalize: bool,
    /// Row ids, new names and row numbers.
    #[arg(flatten)]
    pub naming: Naming,
}

/// Sequences without labels, of which parts are masked and predicted.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.MLMDataModule")]
#[component(ignored(y_col = "what is masked is what is predicted, so no labels are read"))]
pub struct MLMDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of sequences, or two columns for pairs.
    #[arg(default = vec!["sequences".to_owned()])]
    pub x_col: Vec<String>,
    /// What is masked.
    #[arg(flatten)]
    pub masking: Masking,
    /// Row ids, new names and row numbers.
    #[arg(flatten)]
    pub naming: Naming,
}

/// Texts that a language model learns to write, or answers to prompts.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(y_col = "every token is what those before it predict, so no labels are read"))]
pub struct CausalLMDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of texts.
    #[arg(default = vec!["text".to_owned()])]
    pub x_col: Vec<String>,
    /// The column of what comes before each text and is read but not learned, such as a question; none without.
    pub prompt_col: Option<String>,
    /// Row ids, new names and row numbers.
    #[arg(flatten)]
    pub naming: Naming,
}

impl TokenClassificationDataModule {
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.max_length {
            Some(0 | 1) => Err(argument("max_length", "must be at least 2")),
            _ => Ok(()),
        }
    }

    pub(crate) fn label_kind(&self) -> LabelKind<'_> {
        if self.pairwise {
            LabelKind::Pairs
        } else {
            LabelKind::Tokens
        }
    }

    pub(crate) fn cut(&self) -> Option<Cut> {
        let cut = |length: usize| Cut {
            length: length.saturating_sub(1),
            extra: self.truncate_extra_cols,
        };
        self.max_length.map(cut)
    }
}

impl CausalLMDataModule {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.x_col.len() != 1 {
            return Err(argument(
                "x_col",
                "give one column; what comes before its texts has a column of its own, prompt_col",
            ));
        }
        match &self.prompt_col {
            Some(prompt) if self.x_col.contains(prompt) => Err(argument(
                "prompt_col",
                format!("\"{prompt}\" is the column of texts; name another, or none"),
            )),
            _ => Ok(()),
        }
    }
}
