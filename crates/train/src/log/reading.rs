//! The log read again, cell by cell.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::{CsvLog, LogError, log_error};

/// Gives every number in the log of a run's folder to `each`, row after row: the step, the metric and its value.
///
/// Cells that are no numbers are passed over.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn read_log(
    folder: &Path,
    mut each: impl FnMut(u64, &str, f64),
) -> Result<(), LogError> {
    let path = folder.join(CsvLog::FILE);
    let file = File::open(&path).map_err(log_error("open", &path))?;
    let mut columns: Vec<String> = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(log_error("read", &path))?;
        if number == 0 {
            columns = line.split(',').map(str::to_owned).collect();
            continue;
        }
        let cells = line.split(',').collect::<Vec<_>>();
        let Some(step) = cells.get(1).and_then(|cell| cell.parse::<u64>().ok()) else {
            continue;
        };
        for (metric, cell) in columns.iter().zip(cells).skip(2) {
            if let Ok(value) = cell.parse::<f64>() {
                each(step, metric, value);
            }
        }
    }
    Ok(())
}
