//! The log as TensorBoard's event files: `version_N/events.out.tfevents.*`.
//!
//! A row is one record with a scalar for each metric, and one for the epoch, as Lightning logs it. A run that is resumed cuts its files back to
//! the checkpoint's rows and goes on in a file of its own, whose start tells a TensorBoard that is looking on to forget the steps that were
//! lost. The first file begins with the experiment as a text.

mod record;

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Seek};
use std::path::{Path, PathBuf};

use self::record::{Content, holds_scalars, read_record, record};
use super::{LogError, Row, Sink, append, log_error};

/// A log that TensorBoard shows.
#[derive(Debug)]
pub struct EventLog {
    folder: PathBuf,
    config: String,
    /// The first step that a resumed run does.
    from: Option<u64>,
    rows: u64,
    /// Made with its first row.
    file: Option<(PathBuf, File)>,
}

const PREFIX: &str = "events.out.tfevents.";

impl EventLog {
    /// Opens the log in the folder of a run, or starts one there. `config` is the experiment; `from` is the first step that a resumed run does.
    ///
    /// A last record that was cut off in the middle, as by a crash, is dropped.
    ///
    /// # Errors
    /// The folder or a file in it cannot be read.
    pub fn open(folder: &Path, config: &str, from: Option<u64>) -> Result<Self, LogError> {
        let mut log = Self {
            folder: folder.to_owned(),
            config: config.to_owned(),
            from,
            rows: 0,
            file: None,
        };
        log.truncate_rows(u64::MAX)?;
        Ok(log)
    }

    /// Whether a folder holds event files.
    pub fn is_in(folder: &Path) -> bool {
        files(folder).is_ok_and(|files| !files.is_empty())
    }

    fn files(&self) -> Result<Vec<PathBuf>, LogError> {
        files(&self.folder)
    }

    /// Begins a file that comes after all others, whatever the clock says.
    fn begin(&self, time: f64) -> Result<(PathBuf, File), LogError> {
        let files = self.files()?;
        let newest = files.iter().filter_map(|file| second_of(file)).max();
        let second = newest.map_or(0, |newest| newest + 1).max(time as u64);
        let name = format!("{PREFIX}{second:010}.{}.{}.0", host(), std::process::id());
        let path = self.folder.join(name);
        let mut options = OpenOptions::new();
        let opening = options.append(true).create_new(true).open(&path);
        let mut file = opening.map_err(log_error("make the file", &path))?;
        let mut start = record(time, 0, &Content::Version);
        if files.is_empty() {
            let text = format!("```yaml\n{}\n```", self.config.trim_end());
            start.extend(record(time, 0, &Content::Text("config", &text)));
        }
        if let Some(from) = self.from {
            start.extend(record(time, from, &Content::Start));
        }
        append(&mut file, &path, &start)?;
        Ok((path, file))
    }
}

impl Sink for EventLog {
    fn name(&self) -> &'static str {
        "events"
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn append(&mut self, row: &Row<'_>) -> Result<(), LogError> {
        let (path, mut file) = match self.file.take() {
            Some(file) => file,
            None => self.begin(row.time)?,
        };
        let mut scalars = row.metrics.to_vec();
        scalars.push(("epoch".to_owned(), row.epoch as f64));
        let bytes = record(row.time, row.step, &Content::Scalars(&scalars));
        append(&mut file, &path, &bytes)?;
        self.file = Some((path, file));
        self.rows += 1;
        Ok(())
    }

    fn truncate_rows(&mut self, rows: u64) -> Result<(), LogError> {
        self.file = None;
        self.rows = 0;
        for path in self.files()? {
            let left = rows - self.rows;
            if left == 0 {
                fs::remove_file(&path).map_err(log_error("remove", &path))?;
            } else {
                self.rows += cut(&path, left)?;
            }
        }
        Ok(())
    }
}

/// The event files in a folder, the oldest first.
fn files(folder: &Path) -> Result<Vec<PathBuf>, LogError> {
    let entries = fs::read_dir(folder).map_err(log_error("read the folder", folder))?;
    let named = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(PREFIX);
    let files = entries.flatten().filter(named).map(|entry| entry.path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    Ok(files)
}

/// Cuts a file behind its first `rows` rows, or behind its last whole record; returns how many rows are left.
fn cut(path: &Path, rows: u64) -> Result<u64, LogError> {
    let mut options = OpenOptions::new();
    let opening = options.read(true).write(true).open(path);
    let file = opening.map_err(log_error("open", path))?;
    let mut reader = BufReader::new(&file);
    let (mut found, mut end) = (0, 0);
    while found < rows {
        let message = read_record(&mut reader).map_err(log_error("read", path))?;
        let Some(message) = message else { break };
        found += u64::from(holds_scalars(&message));
        end = reader.stream_position().map_err(log_error("read", path))?;
    }
    file.set_len(end).map_err(log_error("write", path))?;
    Ok(found)
}

/// The second in a file's name, by which TensorBoard orders them.
fn second_of(file: &Path) -> Option<u64> {
    let name = file.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    name.split('.').next()?.parse().ok()
}

/// The name of this machine, as far as a file's name can hold it.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok());
    let name = name.unwrap_or_default();
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || "-_.".contains(*letter);
    let name: String = name.trim().chars().filter(plain).collect();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests;
