//! The logs of a run, all in its folder: a table always, JSON lines and TensorBoard's event files where they are asked for.
//!
//! Every log holds the same rows. Each is written in one piece as it comes, and a run that is resumed cuts every log back to the rows that the
//! checkpoint knows of, so that a log never tells of steps that were lost.

mod events;
mod lines;
mod reading;
mod table;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub use events::EventLog;
pub use lines::LineLog;
pub use table::CsvLog;

pub(crate) use reading::read_log;

/// Why the log cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}; choose another folder with trainer.default_root_dir", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The version that is asked for exists.
    #[error("trainer.logger.version: {} is not empty; name another version, leave it out for the next free one, or go on with that run by ckpt_path: last", folder.display())]
    Taken {
        /// The folder of the run.
        folder: PathBuf,
    },
    /// The file is not a log of a run.
    #[error("{}:{line}: {reason}; move the file away to log into a new one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A kind of log beside the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogFormat {
    /// One JSON object a row.
    Lines,
    /// TensorBoard's event files.
    Events,
}

/// What is logged at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The epoch, from 0.
    pub epoch: u64,
    /// Optimizer steps done.
    pub step: u64,
    /// Seconds since 1970.
    pub time: f64,
    /// Values by name; of two with one name the later counts.
    pub metrics: &'a [(String, f64)],
}

/// A file, or several, that rows are written to.
pub trait Sink {
    /// What tells it from the other logs of a run.
    fn name(&self) -> &'static str;

    /// Rows written, those before a resume included.
    fn rows(&self) -> u64;

    /// Appends a row.
    ///
    /// # Errors
    /// The file cannot be written.
    fn append(&mut self, row: &Row<'_>) -> Result<(), LogError>;

    /// Cuts all rows but the first `rows`, for a checkpoint that remembers how many there were.
    ///
    /// # Errors
    /// The file cannot be written.
    fn truncate_rows(&mut self, rows: u64) -> Result<(), LogError>;
}

/// All logs of a run.
pub struct Logs(Vec<Box<dyn Sink>>);

impl Logs {
    /// Opens the logs in the folder of a run; `config` is the experiment, and `from` the first step that a resumed run will do.
    ///
    /// # Errors
    /// A file cannot be opened, or is no such log.
    pub fn open(
        folder: &Path,
        formats: &[LogFormat],
        config: &str,
        from: Option<u64>,
    ) -> Result<Self, LogError> {
        let mut logs: Vec<Box<dyn Sink>> = vec![Box::new(CsvLog::open(folder)?)];
        for format in formats {
            logs.push(match format {
                LogFormat::Lines => Box::new(LineLog::open(folder)?),
                LogFormat::Events => Box::new(EventLog::open(folder, config, from)?),
            });
        }
        Ok(Self(logs))
    }

    /// Appends a row to each.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn append(
        &mut self,
        epoch: u64,
        step: u64,
        metrics: &[(String, f64)],
    ) -> Result<(), LogError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let row = Row {
            epoch,
            step,
            time: since.unwrap_or_default().as_secs_f64(),
            metrics,
        };
        self.0.iter_mut().try_for_each(|log| log.append(&row))
    }

    /// How many rows each has, to save with a checkpoint.
    pub fn rows(&self) -> BTreeMap<String, u64> {
        let rows = self.0.iter().map(|log| (log.name().to_owned(), log.rows()));
        rows.collect()
    }

    /// Cuts each to the rows that a checkpoint knows of. One that it does not know was not written then, and what it holds is older.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn truncate(&mut self, rows: &BTreeMap<String, u64>) -> Result<(), LogError> {
        for log in &mut self.0 {
            if let Some(&rows) = rows.get(log.name()) {
                log.truncate_rows(rows)?;
            }
        }
        Ok(())
    }
}

/// Writes to the end of a file in one piece.
fn append(file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    file.write_all(bytes).map_err(log_error("write", path))
}

pub(crate) fn log_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    move |source| LogError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests;
