//! What rows and columns are called, and which rows are kept.

use std::collections::BTreeMap;

use engraft_component::Component;

use crate::class_weight::ClassWeight;

/// What rows and their columns are called.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Naming {
    /// The column of row ids; without a column `id`, rows are numbered from 0.
    #[arg(default = "id".to_owned())]
    pub id_col: String,
    /// The names under which text columns are offered to the task and extra columns are written, by the names they have in the file.
    #[arg(alias = "rename_columns")]
    pub rename_cols: Option<BTreeMap<String, String>>,
    /// Add the column `uid`, the row's number in its file from 0, to the table of predictions.
    #[arg(default = false)]
    pub generate_uid: bool,
}

/// What labelled rows are called and which of them are kept.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct Selection {
    /// Row ids, new names and row numbers.
    #[arg(flatten)]
    pub naming: Naming,
    /// Keep only rows of this class or these classes; without effect where rows have several.
    pub class_filter: Option<Vec<String>>,
    /// What each class weighs in the loss: `auto`, which is rows / (rows of the class x classes) of the training split, or a number for each class.
    pub class_weight: Option<ClassWeight>,
}
