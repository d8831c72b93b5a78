//! The list of rows that were skipped, beside what a run leaves.

use std::path::{Path, PathBuf};

use engraft_component::NoteKind;
use engraft_data::{Cell, RowWriter, SkippedRow};

use crate::error::{Error, Result};
use crate::work::Work;

/// Where a row was, and what is wrong with it.
const COLUMNS: [&str; 3] = ["file", "line", "problem"];

/// Where the list beside a file lies: `predictions.skipped.tsv` beside `predictions.tsv`.
pub(crate) fn beside(output: &Path) -> PathBuf {
    output.with_extension("skipped.tsv")
}

/// The list in the folder of a run or a report.
pub(crate) fn within(folder: &Path) -> PathBuf {
    folder.join("skipped.tsv")
}

impl Work<'_> {
    /// Lists the rows that were skipped in the file `path`, and says so. Where there are none, the list of an earlier run is emptied.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn list_skipped(&mut self, rows: &[SkippedRow], path: &Path) -> Result<()> {
        if rows.is_empty() && !path.exists() {
            return Ok(());
        }
        let names = COLUMNS.map(str::to_owned);
        let mut table = RowWriter::create(path, &names).map_err(Error::during)?;
        for row in rows {
            let line = i64::try_from(row.origin.line).unwrap_or(i64::MAX);
            let cells = [
                Cell::Text(row.origin.file.display().to_string()),
                Cell::Integer(line),
                Cell::Text(row.problem.clone()),
            ];
            table.write(&cells).map_err(Error::during)?;
        }
        table.finish().map_err(Error::during)?;
        if !rows.is_empty() {
            let (count, verb) = match rows.len() {
                1 => ("1 row".to_owned(), "is"),
                count => (format!("{count} rows"), "are"),
            };
            self.note(
                NoteKind::Output,
                format!(
                    "{count} that {verb} left out {verb} listed in {}",
                    path.display()
                ),
            );
        }
        Ok(())
    }
}
