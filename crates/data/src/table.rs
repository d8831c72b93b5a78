//! Tables in memory: named columns of cells, and where in which file every row began.

use std::path::Path;
use std::sync::Arc;

use crate::cell::Cell;
use crate::error::{Error, missing_column};
use crate::origin::Origin;
use crate::skipped::SkippedRow;

/// A named column of a [`Table`].
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name in the file's header, or the JSON key.
    pub name: String,
    /// One cell for every row.
    pub cells: Vec<Cell>,
}

/// Rows read from one or several files. Every column has one cell for each entry of `origins`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The columns, in the order of the file; names are distinct.
    pub columns: Vec<Column>,
    /// Where each row began.
    pub origins: Vec<Origin>,
    /// The column of texts, for formats that have just one: `sequence` or `text`.
    pub text_column: Option<&'static str>,
    /// Rows that were not read, by file and line.
    pub skipped: Vec<SkippedRow>,
    /// What the user should know of how the files were read.
    pub notes: Vec<String>,
}

impl Table {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Whether the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column of this name, which the argument `key` asks for.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn required(&self, name: &str, key: &'static str) -> Result<&Column, Error> {
        self.column(name)
            .ok_or_else(|| missing_column(&self.origin(0).file, key, name, &self.names()))
    }

    /// The names of all columns, in order.
    pub fn names(&self) -> Vec<&str> {
        self.columns
            .iter()
            .map(|column| column.name.as_str())
            .collect()
    }

    /// Where a row began; for a row that is not there, line 0 of a file without a name.
    pub(crate) fn origin(&self, row: usize) -> Origin {
        let nowhere = || Origin {
            file: Arc::from(Path::new("")),
            line: 0,
        };
        self.origins.get(row).cloned().unwrap_or_else(nowhere)
    }
}

/// The values of these rows, in this order. Numbers that are no row are left out.
pub(crate) fn pick<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter()
        .filter_map(|row| values.get(*row).cloned())
        .collect()
}
