//! Data modules of sequences of which parts are masked, beside that of plain masked language models: for diffusion, and with conditions.

use engraft_component::Component;

use crate::arguments::Rows;
use crate::error::{Error, argument};
use crate::masking::Masking;
use crate::naming::{Naming, Selection};
use crate::noising::Noising;

/// Sequences that a diffusion model learns to write.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.DiffusionDataModule")]
pub struct DiffusionDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of sequences. To be predicted are those tokens for which they have the mask token.
    #[arg(default = vec!["sequences".to_owned()])]
    pub x_col: Vec<String>,
    /// How rows are noised.
    #[arg(flatten)]
    pub noising: Noising,
    /// Row ids, new names and row numbers.
    #[arg(flatten)]
    pub naming: Naming,
}

/// Sequences of some classes that a diffusion model learns to write; the classes only choose the rows.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.ClassDiffusionDataModule")]
pub struct ClassDiffusionDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of sequences. To be predicted are those tokens for which they have the mask token.
    pub x_col: Vec<String>,
    /// The column of classes, numbers or names.
    pub y_col: Vec<String>,
    /// How rows are noised.
    #[arg(flatten)]
    pub noising: Noising,
    /// Row ids, new names and filters.
    #[arg(flatten)]
    pub selection: Selection,
}

/// Sequences that a diffusion model learns to write, each by numbers that it is told.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.ConditionalDiffusionDataModule")]
pub struct ConditionalDiffusionDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of sequences. To be predicted are those tokens for which they have the mask token.
    pub x_col: Vec<String>,
    /// The columns of conditions, a number each, or one column of lists; every row has them, those to be predicted too.
    pub y_col: Vec<String>,
    /// Whether the model is told numbers of mean 0 and standard deviation 1, by those of the training split; files have their own units.
    #[arg(default = true)]
    pub normalize: bool,
    /// How rows are noised.
    #[arg(flatten)]
    pub noising: Noising,
    /// Row ids, new names and row numbers.
    #[arg(flatten)]
    pub naming: Naming,
}

/// Sequences of which parts are masked and predicted, each with numbers that the model is told.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.ConditionalMLMDataModule")]
pub struct ConditionalMLMDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of sequences, or two columns for pairs.
    #[arg(default = vec!["sequences".to_owned()])]
    pub x_col: Vec<String>,
    /// The columns of conditions, a number each, or one column of lists; every row has them, those to be predicted too.
    #[arg(default = vec!["labels".to_owned()])]
    pub y_col: Vec<String>,
    /// Whether the model is told numbers of mean 0 and standard deviation 1, by those of the training split; files have their own units.
    #[arg(default = true)]
    pub normalize: bool,
    /// What is masked.
    #[arg(flatten)]
    pub masking: Masking,
    /// Row ids, new names and row numbers.
    #[arg(flatten)]
    pub naming: Naming,
}

/// Refuses pairs, of which it would not be clear what is designed.
pub(crate) fn check_one_text(columns: &[String]) -> Result<(), Error> {
    match columns {
        [_] => Ok(()),
        _ => Err(argument("x_col", "give one column, that of the sequences")),
    }
}
