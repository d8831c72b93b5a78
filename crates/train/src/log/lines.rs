//! The log as JSON lines: `version_N/metrics.jsonl`.
//!
//! One object a row: `epoch`, `step`, `time` in seconds since 1970, and the metrics by name. JSON has no word for what is no finite number, so
//! these are the texts `NaN`, `Infinity` and `-Infinity`, as Protocol Buffers write them.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{LogError, Row, Sink, append, log_error};

/// A log that other programs read line by line.
#[derive(Debug)]
pub struct LineLog {
    path: PathBuf,
    rows: u64,
    file: File,
}

impl LineLog {
    /// Name of the file in the folder of a run.
    pub const FILE: &str = "metrics.jsonl";

    /// Opens the log in the folder of a run, or starts one there.
    ///
    /// A last line that was cut off in the middle, as by a crash, is dropped.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(folder: &Path) -> Result<Self, LogError> {
        let path = folder.join(Self::FILE);
        let mut options = OpenOptions::new();
        let opening = options.read(true).append(true).create(true);
        let file = opening.open(&path).map_err(log_error("open", &path))?;
        let mut log = Self {
            path,
            rows: 0,
            file,
        };
        log.truncate_rows(u64::MAX)?;
        Ok(log)
    }
}

impl Sink for LineLog {
    fn name(&self) -> &'static str {
        Self::FILE
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn append(&mut self, row: &Row<'_>) -> Result<(), LogError> {
        let mut object = Map::new();
        object.insert("epoch".to_owned(), row.epoch.into());
        object.insert("step".to_owned(), row.step.into());
        object.insert("time".to_owned(), row.time.into());
        for (name, value) in row.metrics {
            object.insert(name.clone(), number(*value));
        }
        let line = format!("{}\n", Value::Object(object));
        append(&mut self.file, &self.path, line.as_bytes())?;
        self.rows += 1;
        Ok(())
    }

    fn truncate_rows(&mut self, rows: u64) -> Result<(), LogError> {
        let file = File::open(&self.path).map_err(log_error("open", &self.path))?;
        let mut reader = BufReader::new(file);
        let (mut found, mut end) = (0, 0);
        let mut line = Vec::new();
        while found < rows {
            line.clear();
            let length = reader
                .read_until(b'\n', &mut line)
                .map_err(log_error("read", &self.path))?;
            if line.last() != Some(&b'\n') {
                break;
            }
            found += 1;
            end += length as u64;
        }
        self.file
            .set_len(end)
            .map_err(log_error("write", &self.path))?;
        self.rows = found;
        Ok(())
    }
}

fn number(value: f64) -> Value {
    let text = match value {
        _ if value.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => return value.into(),
    };
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<'a>(step: u64, metrics: &'a [(String, f64)]) -> Row<'a> {
        Row {
            epoch: 0,
            step,
            time: 1.5,
            metrics,
        }
    }

    #[test]
    fn a_row_is_an_object_and_every_number_has_a_spelling() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LineLog::open(folder.path()).unwrap();
        let metrics = [
            ("train_loss".to_owned(), 0.1 + 0.2),
            ("val_\"loss\"".to_owned(), f64::NAN),
            ("low".to_owned(), f64::NEG_INFINITY),
            ("train_loss".to_owned(), 0.5),
        ];
        log.append(&row(3, &metrics)).unwrap();
        let text = std::fs::read_to_string(folder.path().join(LineLog::FILE)).unwrap();
        assert_eq!(
            text,
            "{\"epoch\":0,\"step\":3,\"time\":1.5,\"train_loss\":0.5,\"val_\\\"loss\\\"\":\"NaN\",\"low\":\"-Infinity\"}\n"
        );
    }

    #[test]
    fn lines_that_a_crash_or_a_lost_step_left_are_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LineLog::FILE);
        let mut log = LineLog::open(folder.path()).unwrap();
        for step in 1..=3 {
            log.append(&row(step, &[])).unwrap();
        }
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{{\"epoch\":0,\"st")).unwrap();
        let mut log = LineLog::open(folder.path()).unwrap();
        assert_eq!(log.rows(), 3);
        log.truncate_rows(2).unwrap();
        log.append(&row(3, &[])).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        assert_eq!(log.rows(), 3);
    }
}
