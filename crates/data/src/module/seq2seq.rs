//! The data module of pairs of texts: what is read, and what is written for it.

use engraft_component::Component;

use crate::arguments::Rows;
use crate::error::{Error, argument};
use crate::naming::Naming;

/// Pairs of texts: one that a model reads, and one that it learns to write for it.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Seq2SeqDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The column of texts that are read.
    #[arg(default = vec!["text".to_owned()])]
    pub x_col: Vec<String>,
    /// The column of texts that are to be written; predicting needs none.
    #[arg(default = vec!["labels".to_owned()])]
    pub y_col: Vec<String>,
    /// Row ids, new names and row numbers.
    #[arg(flatten)]
    pub naming: Naming,
}

impl Seq2SeqDataModule {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let columns = [
            ("x_col", &self.x_col, "that of the texts that are read"),
            ("y_col", &self.y_col, "that of the texts to be written"),
        ];
        let not_one = columns.iter().find(|(_, names, _)| names.len() != 1);
        if let Some((key, _, what)) = not_one {
            return Err(argument(key, format!("give one column, {what}")));
        }
        match self.y_col.first() {
            Some(name) if self.x_col.contains(name) => Err(argument(
                "y_col",
                format!(
                    "\"{name}\" is the column that is read (x_col); name that of the texts to be written"
                ),
            )),
            _ => Ok(()),
        }
    }
}
