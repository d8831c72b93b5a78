//! The table of a run: `version_N/metrics.csv`.
//!
//! One row a call, with the columns `epoch`, `step` and then the metrics in the order in which they
//! first appeared; a cell is empty where the row has no such metric. A row is written in one piece.
//! A new column means a new header, so the table is then written aside and renamed: whoever reads the
//! file finds a complete one at any moment. Rows are never held in memory.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use engraft_files::Aside;

use super::{LogError, Row, Sink, append, log_error};

/// A table of metrics that grows by rows, and now and then by a column.
#[derive(Debug)]
pub struct CsvLog {
    path: PathBuf,
    /// The metrics in the header, without `epoch` and `step`.
    metrics: Vec<String>,
    rows: u64,
    file: File,
}

impl CsvLog {
    /// Name of the file in the folder of a run.
    pub const FILE: &str = "metrics.csv";

    /// Opens the log in the folder of a run, or starts one there.
    ///
    /// A last row that was cut off in the middle, as by a crash, is dropped.
    ///
    /// # Errors
    /// The file cannot be opened, or is not such a log.
    pub fn open(folder: &Path) -> Result<Self, LogError> {
        let path = folder.join(Self::FILE);
        let opening = || {
            OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(&path)
        };
        let mut file = opening().map_err(log_error("open", &path))?;
        let (metrics, rows) = match read_header(&mut file, &path)? {
            Some(metrics) => (metrics, finish_last_row(&mut file, &path)?),
            None => {
                file.set_len(0).map_err(log_error("write", &path))?;
                append(&mut file, &path, header(&[]).as_bytes())?;
                (Vec::new(), 0)
            }
        };
        Ok(Self {
            path,
            metrics,
            rows,
            file,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one row: the epoch, the number of optimizer steps done, and metrics by name.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn log(
        &mut self,
        epoch: u64,
        step: u64,
        metrics: &[(String, f64)],
    ) -> Result<(), LogError> {
        let mut columns = self.metrics.clone();
        for (name, _) in metrics {
            let name = column(name);
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
        if columns.len() > self.metrics.len() {
            self.widen(columns)?;
        }
        let mut row = format!("{epoch},{step}");
        for of in &self.metrics {
            row.push(',');
            // The later one of two values with one name.
            let value = metrics.iter().rev().find(|(name, _)| column(name) == *of);
            if let Some((_, value)) = value {
                row.push_str(&number(*value));
            }
        }
        row.push('\n');
        append(&mut self.file, &self.path, row.as_bytes())?;
        self.rows += 1;
        Ok(())
    }

    fn widen(&mut self, columns: Vec<String>) -> Result<(), LogError> {
        self.rewrite(columns, |_, _| Ok(true))
    }

    /// Writes the table aside with these columns and the rows that `keep` wants, then renames it over
    /// the old one.
    fn rewrite(
        &mut self,
        columns: Vec<String>,
        keep: impl Fn(u64, &str) -> Result<bool, LogError>,
    ) -> Result<(), LogError> {
        let (aside, rows) = write_aside(&self.path, &columns, keep)?;
        let placed = aside.put_in_place(&self.path);
        placed.map_err(log_error("write", &self.path))?;
        self.file = OpenOptions::new()
            .append(true)
            .open(&self.path)
            .map_err(log_error("open", &self.path))?;
        self.metrics = columns;
        self.rows = rows;
        Ok(())
    }
}

impl Sink for CsvLog {
    fn name(&self) -> &'static str {
        Self::FILE
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn append(&mut self, row: &Row<'_>) -> Result<(), LogError> {
        self.log(row.epoch, row.step, row.metrics)
    }

    fn truncate_rows(&mut self, rows: u64) -> Result<(), LogError> {
        self.rewrite(self.metrics.clone(), |index, _| Ok(index < rows))
    }
}

/// Copies the table to a file beside it; returns that and the number of rows kept.
fn write_aside(
    path: &Path,
    columns: &[String],
    keep: impl Fn(u64, &str) -> Result<bool, LogError>,
) -> Result<(Aside, u64), LogError> {
    let old = File::open(path).map_err(log_error("open", path))?;
    let beside = path.with_extension("csv.partial");
    let begun = Aside::file(beside.clone());
    let (aside, new) = begun.map_err(log_error("write", &beside))?;
    let mut new = BufWriter::new(new);
    let mut put = |line: &str| {
        new.write_all(line.as_bytes())
            .map_err(log_error("write", &beside))
    };
    put(&header(columns))?;
    let cells = columns.len() + 2;
    let mut rows = 0;
    for (index, row) in BufReader::new(old).lines().skip(1).enumerate() {
        let row = row.map_err(log_error("read", path))?;
        if keep(index as u64, &row)? {
            let missing = cells.saturating_sub(row.split(',').count());
            put(&row)?;
            put(&",".repeat(missing))?;
            put("\n")?;
            rows += 1;
        }
    }
    let new = new
        .into_inner()
        .map_err(|failed| log_error("write", &beside)(failed.into_error()))?;
    new.sync_all().map_err(log_error("write", &beside))?;
    Ok((aside, rows))
}

/// The metrics in the first line; none if there is no complete line yet.
fn read_header(file: &mut File, path: &Path) -> Result<Option<Vec<String>>, LogError> {
    let mut line = Vec::new();
    let mut start = BufReader::new(&mut *file).take(1 << 20);
    start
        .read_until(b'\n', &mut line)
        .map_err(log_error("read", path))?;
    if b"epoch,step".starts_with(&line) {
        return Ok(None);
    }
    let line = String::from_utf8(line).ok();
    let line = line.as_deref().and_then(|line| line.strip_suffix('\n'));
    let columns = line.and_then(|line| line.strip_prefix("epoch,step"));
    let metrics = match columns.map(|columns| columns.strip_prefix(',').ok_or(columns)) {
        Some(Ok(metrics)) => metrics.split(',').map(str::to_owned).collect(),
        Some(Err("")) => Vec::new(),
        _ => {
            return Err(LogError::Damaged {
                path: path.to_owned(),
                line: 1,
                reason: "the header does not begin with \"epoch,step\", so this is not a log of a run",
            });
        }
    };
    Ok(Some(metrics))
}

/// Drops what follows the last line end and counts the rows before it.
fn finish_last_row(file: &mut File, path: &Path) -> Result<u64, LogError> {
    file.seek(SeekFrom::Start(0))
        .map_err(log_error("read", path))?;
    let mut reader = BufReader::new(&mut *file);
    let (mut lines, mut complete) = (0_u64, 0_u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader
            .read_until(b'\n', &mut line)
            .map_err(log_error("read", path))?;
        if line.last() != Some(&b'\n') {
            break;
        }
        lines += 1;
        complete += length as u64;
    }
    file.set_len(complete).map_err(log_error("write", path))?;
    Ok(lines.saturating_sub(1))
}

fn header(metrics: &[String]) -> String {
    let mut line = "epoch,step".to_owned();
    for metric in metrics {
        line.push(',');
        line.push_str(metric);
    }
    line.push('\n');
    line
}

/// The column of a metric: its name, with the characters replaced that mean something in a table.
fn column(metric: &str) -> String {
    metric.replace([',', '"', '\n', '\r'], "_")
}

/// The shortest text that reads back as the same number, in the spelling that table readers know.
fn number(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else {
        format!("{value:?}")
    }
}

#[cfg(test)]
mod tests;
