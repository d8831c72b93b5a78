//! Files of predictions: a table with a row for each, or tensors.

mod columns;
mod tensors;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engraft_component::Refusal;
use engraft_data::{Examples, OutputFormat, RowWriter};
use engraft_files::atomic::Writer;
use engraft_tasks::{RowOutput, TaskSpec};

use crate::error::{Error, Result};

use columns::Columns;
pub(crate) use writer::{AtWork, Writers, WritingStage};

/// What a file of predictions is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A table.
    Table,
    /// A safetensors file.
    Tensors,
}

impl FileKind {
    /// What the extension of a file asks for.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let extension = path
            .extension()
            .map(|extension| extension.to_ascii_lowercase());
        match OutputFormat::of(path) {
            Some(_) => Ok(Self::Table),
            None if extension.is_some_and(|extension| extension == "safetensors") => {
                Ok(Self::Tensors)
            }
            None => Err(Error::of(
                "output",
                format!(
                    "{}: unknown output format; predictions are written as {}, .safetensors",
                    path.display(),
                    OutputFormat::known()
                ),
            )),
        }
    }
}

/// Refuses a place where no file can be written, before anything is computed for it.
///
/// # Errors
/// The refusal, which is about `key`.
pub fn check_place(path: &Path, key: &str) -> Result<()> {
    // The file it begins is removed when it is dropped.
    let begun = Writer::create(path).map(drop);
    begun.map_err(|error| Error::Refused(Refusal::of(key, error.to_string())))
}

/// Predictions on their way into a file, which appears when all are there.
pub(crate) struct PredictionFile {
    path: PathBuf,
    kind: FileKind,
    columns: Columns,
    /// Opened with the first row, which says how many columns there are.
    table: Option<RowWriter>,
    tensors: Vec<RowOutput>,
}

impl PredictionFile {
    /// Begins a file for all that is predicted.
    pub(crate) fn new(
        path: &Path,
        kind: FileKind,
        examples: Arc<Examples>,
        spec: &TaskSpec,
    ) -> Result<Self> {
        let columns = Columns::all(examples, Arc::clone(spec.objective()));
        Self::with_columns(path, kind, columns)
    }

    /// Begins a file of these columns.
    fn with_columns(path: &Path, kind: FileKind, columns: Columns) -> Result<Self> {
        if kind == FileKind::Table {
            columns.check()?;
        }
        Ok(Self {
            path: path.to_owned(),
            kind,
            columns,
            table: None,
            tensors: Vec::new(),
        })
    }

    /// Adds a row's prediction.
    pub(crate) fn add(&mut self, output: RowOutput) -> Result<()> {
        if self.kind == FileKind::Tensors {
            self.tensors.push(output);
            return Ok(());
        }
        let cells = self.columns.cells(&output);
        let table = self.table(output.values.len())?;
        table.write(&cells).map_err(Error::during)
    }

    /// Completes the file and puts it in place.
    pub(crate) fn finish(mut self) -> Result<()> {
        match self.kind {
            FileKind::Table => {
                self.table(0)?;
                let finished = self.table.map(RowWriter::finish).transpose();
                finished.map(drop).map_err(Error::during)
            }
            FileKind::Tensors => tensors::write(&self.path, &self.columns, self.tensors),
        }
    }

    fn table(&mut self, width: usize) -> Result<&mut RowWriter> {
        let table = match self.table.take() {
            Some(table) => table,
            None => {
                RowWriter::create(&self.path, &self.columns.names(width)).map_err(Error::during)?
            }
        };
        Ok(self.table.insert(table))
    }
}

#[cfg(test)]
mod tests;
