//! Files of predictions: a table with a row for each, or tensors.

mod columns;
mod tensors;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engraft_data::{Examples, OutputFormat, RowWriter};
use engraft_hub::atomic::Writer;
use engraft_tasks::{Model, RowOutput};

use crate::failure::Failure;

use columns::Columns;
pub(crate) use writer::{AtWork, Stage, Writers};

/// What a file of predictions is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A table.
    Table,
    /// A safetensors file.
    Tensors,
}

impl Form {
    /// What the extension of a file asks for.
    pub(crate) fn of(path: &Path) -> Result<Self, Failure> {
        let extension = path
            .extension()
            .map(|extension| extension.to_ascii_lowercase());
        match OutputFormat::of(path) {
            Some(_) => Ok(Self::Table),
            None if extension.is_some_and(|extension| extension == "safetensors") => {
                Ok(Self::Tensors)
            }
            None => Err(Failure::refused(format!(
                "--output: {}: unknown output format; predictions are written as {}, .safetensors",
                path.display(),
                OutputFormat::known()
            ))),
        }
    }
}

/// Refuses a place where no file can be written, before anything is computed for it.
///
/// `key` is what says so.
pub(crate) fn check_place(path: &Path, key: &str) -> Result<(), Failure> {
    // The file it begins is removed when it is dropped.
    Writer::create(path)
        .map(drop)
        .map_err(|error| Failure::refused(format!("{key}: {error}")))
}

/// Predictions on their way into a file, which appears when all are there.
pub(crate) struct PredictionFile {
    path: PathBuf,
    form: Form,
    columns: Columns,
    /// Opened with the first row, which says how many columns there are.
    table: Option<RowWriter>,
    tensors: Vec<RowOutput>,
}

impl PredictionFile {
    /// Begins a file for all that `model` says.
    pub(crate) fn new(
        path: &Path,
        form: Form,
        examples: Arc<Examples>,
        model: &Model,
    ) -> Result<Self, Failure> {
        let columns = Columns::all(examples, model.output_kind(), model.labels());
        Self::with_columns(path, form, columns)
    }

    /// Begins a file of these columns.
    fn with_columns(path: &Path, form: Form, columns: Columns) -> Result<Self, Failure> {
        if form == Form::Table {
            columns.check()?;
        }
        Ok(Self {
            path: path.to_owned(),
            form,
            columns,
            table: None,
            tensors: Vec::new(),
        })
    }

    /// Adds a row's prediction.
    pub(crate) fn add(&mut self, output: RowOutput) -> Result<(), Failure> {
        if self.form == Form::Tensors {
            self.tensors.push(output);
            return Ok(());
        }
        let cells = self.columns.cells(&output);
        self.table(output.values.len())?
            .write(&cells)
            .map_err(|error| Failure::Broke(error.to_string()))
    }

    /// Completes the file and puts it in place.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let broke = |error: &dyn std::fmt::Display| Failure::Broke(error.to_string());
        match self.form {
            Form::Table => {
                self.table(0)?;
                let finished = self.table.map(RowWriter::finish).transpose();
                finished.map(drop).map_err(|error| broke(&error))
            }
            Form::Tensors => tensors::write(&self.path, &self.columns, self.tensors),
        }
    }

    fn table(&mut self, width: usize) -> Result<&mut RowWriter, Failure> {
        let table = match self.table.take() {
            Some(table) => table,
            None => RowWriter::create(&self.path, &self.columns.names(width))
                .map_err(|error| Failure::Broke(error.to_string()))?,
        };
        Ok(self.table.insert(table))
    }
}

#[cfg(test)]
mod tests;
