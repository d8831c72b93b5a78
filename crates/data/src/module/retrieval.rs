//! Data modules that only serve predicting: chosen columns, and the mutants of sequences.

use std::path::PathBuf;

use engraft_component::Component;

use crate::arguments::Rows;
use crate::error::{Error, argument, once};
use crate::roles::{Carried, Roles};

/// Names under which the text column is offered to a task.
const TEXTS: [&str; 2] = ["sequences", "sequence"];
/// Names under which row ids are.
const IDS: [&str; 2] = ["ids", "id"];

/// Some columns of a table under other names, without labels: one is the text, and all come back with the predictions.
///
/// The text is the column that is named `sequences` or `sequence`, else the first. One named `ids` or `id` holds the row ids.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.ColumnRetrievalDataModule")]
pub struct ColumnRetrievalDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// The columns to take, at least one.
    #[arg(default = Vec::new())]
    pub in_cols: Vec<String>,
    /// The names that they are given, in the same order; by default those of the file.
    pub out_cols: Option<Vec<String>>,
}

impl ColumnRetrievalDataModule {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.in_cols.is_empty() {
            return Err(argument("in_cols", "name at least one column"));
        }
        once("in_cols", &self.in_cols)?;
        once("out_cols", self.names())?;
        let (names, columns) = (self.names().len(), self.in_cols.len());
        if names != columns {
            let message = format!("give one name for each of in_cols: {names} for {columns}");
            return Err(argument("out_cols", message));
        }
        Ok(())
    }

    fn names(&self) -> &[String] {
        self.out_cols.as_deref().unwrap_or(&self.in_cols)
    }

    /// Which of the columns has one of these names, the first of them above all.
    fn named(&self, names: [&str; 2]) -> Option<usize> {
        let place = |wanted: &str| self.names().iter().position(|name| name == wanted);
        names.into_iter().find_map(place)
    }

    fn text(&self) -> usize {
        self.named(TEXTS).unwrap_or(0)
    }

    /// The name under which the text is offered to a task.
    pub(crate) fn text_name(&self) -> Option<&str> {
        self.names().get(self.text()).map(String::as_str)
    }

    pub(crate) fn roles(&self) -> Roles<'_> {
        let text = self.in_cols.get(self.text());
        let id = self.named(IDS).filter(|id| *id != self.text());
        let mut roles = Roles::new(text.map_or(&[], std::slice::from_ref), &self.rows.source);
        roles.texts_key = "in_cols";
        if let Some(id) = id.and_then(|id| self.in_cols.get(id)) {
            roles.id = id;
        }
        let columns = self.in_cols.iter().zip(self.names()).enumerate();
        let carried = columns.filter(|(place, _)| Some(*place) != id);
        let carried = carried.map(|(_, (column, name))| Carried {
            column,
            name,
            key: "in_cols",
        });
        roles.extra.splice(..0, carried);
        roles
    }
}

/// All mutants of one letter of each sequence, and the sequence itself, to predict what depends on what.
///
/// Each row of the predictions has the sequence's id, `pos_i`, the place of the letter that was replaced, from 0, and `mut_i`, the letter that
/// replaced it, counted in `vocab_file` from 0. Both are -1 for the sequence itself, which comes after its mutants. A letter is replaced by
/// itself too, so that a sequence of n letters has n x v mutants.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.data.DependencyMappingDataModule")]
pub struct DependencyMappingDataModule {
    /// Which rows there are, and how they come.
    #[arg(flatten)]
    pub rows: Rows,
    /// A file of the letters to put in, one on each line.
    pub vocab_file: PathBuf,
    /// The column of sequences.
    #[arg(default = vec!["sequence".to_owned()])]
    pub x_col: Vec<String>,
    /// The column of row ids; without a column `id`, rows are numbered from 0.
    #[arg(default = "id".to_owned())]
    pub id_col: String,
}

impl DependencyMappingDataModule {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.x_col.len() != 1 {
            let message = "give one column, whose letters are replaced";
            return Err(argument("x_col", message));
        }
        Ok(())
    }
}
