//! What a user says about the files of predictions.

use std::path::PathBuf;

use engraft_component::{Component, Words};

/// Writes what `predict` and `test` find, row by row, into one file each: `predict_predictions` and `test_predictions`.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.callbacks.PredictionWriter")]
pub struct PredictionWriter {
    /// Folder of the file, made if it is not there.
    pub output_dir: PathBuf,
    /// Format of the file: `tsv` for a table, `pt` for tensors, which are written as safetensors.
    pub filetype: FileType,
    /// Columns to write, in this order: `id`, `predictions` (all that the model says) or single ones of its columns, `labels`, `sequences`, and
    /// those of the data module's `extra_cols`; all if not given.
    pub write_cols: Option<Vec<String>>,
    /// Leave out the positions of special tokens.
    #[arg(default = false)]
    pub drop_special_tokens: bool,
    /// Write the index of the largest value instead of all values.
    #[arg(default = false)]
    pub argmax_predictions: bool,
    /// Write only the first of several rows with one id.
    #[arg(default = false)]
    pub remove_duplicates: bool,
    /// `batch` for a file of each batch beside the one of all rows; `epoch`, or nothing, for that one alone.
    pub write_interval: Option<WriteInterval>,
    /// Remove the files of batches once the one of all rows is complete.
    #[arg(default = false)]
    pub delete_intermediate_files: bool,
}

impl PredictionWriter {
    /// Whether there is a file of each batch.
    pub fn writes_batches(&self) -> bool {
        self.write_interval == Some(WriteInterval::Batch)
    }
}

/// Format of a file of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum FileType {
    /// A table of tab-separated columns.
    Tsv,
    /// Tensors. The name is ModelGenerator's, whose pickled files are never written here.
    Pt,
}

/// How often predictions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum WriteInterval {
    /// After each batch, and at the end.
    #[word(alias = "batch_and_epoch")]
    Batch,
    /// At the end.
    Epoch,
}
