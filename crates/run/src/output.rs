//! Files of predictions: a table with a row for each, or tensors.

mod array;
mod columns;
mod records;
mod scans;
mod tensors;
mod writer;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engraft_component::Refusal;
use engraft_data::{Cell, Examples, OutputFormat, RowWriter, StructureFormat};
use engraft_files::atomic::Writer;
use engraft_tasks::{RowOutput, TaskSpec};

use crate::error::{Error, Result};

use columns::Columns;
pub(crate) use records::RecordFormat;
use records::Records;
pub(crate) use scans::Scans;
pub(crate) use writer::{AtWork, Writers, WritingStage};

/// What a file of predictions is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// A table.
    Table,
    /// A safetensors file.
    Tensors,
    /// A NumPy array of the raw values, without ids.
    Array,
    /// A file of records, where what is predicted are sequences or structures.
    Records(RecordFormat),
}

impl FileKind {
    /// What the extension of a file asks for.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let extension = path
            .extension()
            .map(|extension| extension.to_ascii_lowercase());
        let extension = extension.as_deref().and_then(OsStr::to_str);
        if OutputFormat::of(path).is_some() {
            return Ok(Self::Table);
        }
        if let Some(format) = RecordFormat::of(path) {
            return Ok(Self::Records(format));
        }
        match extension {
            Some("safetensors") => Ok(Self::Tensors),
            Some("npy") => Ok(Self::Array),
            _ => Err(Error::of(
                "output",
                format!(
                    "{}: unknown output format; predictions are written as {}, .safetensors, .npy, of sequences .fasta, or of structures {}",
                    path.display(),
                    OutputFormat::known(),
                    StructureFormat::known()
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

/// Refuses to write over one of these files, which are read.
///
/// # Errors
/// The refusal, which is about `key`.
pub fn check_other<'a>(
    output: &Path,
    read: impl IntoIterator<Item = &'a Path>,
    key: &str,
) -> Result<()> {
    let Ok(there) = output.canonicalize() else {
        return Ok(());
    };
    let is_meant = |path: &Path| path.canonicalize().is_ok_and(|path| path == there);
    match read.into_iter().find(|path| is_meant(path)) {
        Some(path) => {
            let problem = format!(
                "{}: this run reads {}, which would be written over. Name another file",
                output.display(),
                path.display()
            );
            Err(Error::of(key, problem))
        }
        None => Ok(()),
    }
}

/// Predictions on their way into a file, which appears when all are there.
pub(crate) struct PredictionFile {
    path: PathBuf,
    kind: FileKind,
    columns: Columns,
    /// Opened with the first row, which says how many columns there are.
    table: Option<RowWriter>,
    records: Option<Records>,
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
            records: match kind {
                FileKind::Records(format) => Some(Records::create(path, format)?),
                _ => None,
            },
            tensors: Vec::new(),
        })
    }

    /// Adds a row's prediction.
    pub(crate) fn add(&mut self, output: RowOutput) -> Result<()> {
        if self.kind == FileKind::Array
            && let Some(first) = self.tensors.first()
            && first.shape != output.shape
        {
            let (one, other) = (self.columns.id(first.row), self.columns.id(output.row));
            let problem = format!(
                "{}: what is predicted of the rows {one} and {other} has the shapes {:?} and {:?}, which are no one array. Name a .safetensors file",
                self.path.display(),
                first.shape,
                output.shape
            );
            return Err(Error::of("output", problem).late());
        }
        if let Some(records) = &mut self.records {
            return records.add(&self.columns, &output);
        }
        if self.kind != FileKind::Table {
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
            FileKind::Array => array::write(&self.path, &self.columns, self.tensors),
            FileKind::Records(_) => self.records.map_or(Ok(()), Records::finish),
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

/// Predictions of a few rows, as a table of them would be.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictedRows {
    /// The columns' names: the row's number, what is predicted, the text.
    pub columns: Vec<String>,
    /// Each row's cells.
    pub rows: Vec<Vec<Cell>>,
}

impl PredictedRows {
    /// Those of outputs in the order of their rows.
    pub(crate) fn of(outputs: &[RowOutput], examples: Arc<Examples>, spec: &TaskSpec) -> Self {
        let columns = Columns::all(examples, Arc::clone(spec.objective()));
        let width = outputs.first().map_or(0, |output| output.values.len());
        let rows = outputs.iter().map(|output| columns.cells(output));
        Self {
            rows: rows.collect(),
            columns: columns.names(width),
        }
    }
}

#[cfg(test)]
mod tests;
