//! Where a row came from, for messages and for the table of predictions.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a row came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, as the user named it.
    pub file: Arc<Path>,
    /// The line on which the row starts, counted from 1; for Parquet files and texts given in code, the row.
    pub line: u64,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}
