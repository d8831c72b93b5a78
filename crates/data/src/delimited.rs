//! CSV and TSV, with the rules of Python's `csv` module in its default dialect.
//!
//! A field that starts with `"` runs to the closing quote, through delimiters and line ends; a
//! doubled quote inside stands for one. A quote anywhere else is an ordinary character.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use csv::{ReaderBuilder, StringRecord};

use crate::error::Error;
use crate::read::Lines;
use crate::table::{Cell, Column, Origin, Table};

/// The rows of `text`, whose first record is the header.
pub(crate) fn parse(text: &str, delimiter: u8, file: &Arc<Path>) -> Result<Table, Error> {
    let bytes = text.as_bytes();
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes);
    let mut lines = Lines::default();
    let mut record = StringRecord::new();
    let mut table: Option<Table> = None;
    while read_record(&mut reader, &mut record, file)? {
        let start = record_start(bytes, &record);
        let origin = Origin {
            file: Arc::clone(file),
            line: lines.advance(bytes, start),
        };
        match &mut table {
            None => {
                table = Some(Table {
                    columns: header(&record, &origin)?,
                    origins: vec![],
                })
            }
            Some(table) if table.columns.len() == record.len() => {
                for (column, cell) in table.columns.iter_mut().zip(&record) {
                    column.cells.push(Cell::from(cell));
                }
                table.origins.push(origin);
            }
            Some(table) => {
                let last = lines.advance(bytes, record_end(bytes, &reader));
                let spanned = last - origin.line + 1;
                let expected = table.columns.len();
                return Err(Error::Width {
                    origin,
                    expected,
                    found: record.len(),
                    lines: spanned,
                });
            }
        }
    }
    Ok(table.unwrap_or_default())
}

fn read_record(
    reader: &mut csv::Reader<&[u8]>,
    record: &mut StringRecord,
    file: &Arc<Path>,
) -> Result<bool, Error> {
    reader.read_record(record).map_err(|error| Error::Io {
        path: file.to_path_buf(),
        action: "read the table",
        source: error.into(),
    })
}

/// Where the record's first byte lies: the reader's position, past the line ends it still has to
/// skip (the `\n` of the `\r\n` before, and blank lines).
fn record_start(bytes: &[u8], record: &StringRecord) -> usize {
    let before = record
        .position()
        .map_or(0, |position| position.byte() as usize);
    let skipped = bytes
        .iter()
        .skip(before)
        .take_while(|byte| matches!(byte, b'\r' | b'\n'));
    before + skipped.count()
}

/// Where the last byte lies of the record that was read last, its line end left out.
fn record_end(bytes: &[u8], reader: &csv::Reader<&[u8]>) -> usize {
    let after = (reader.position().byte() as usize).min(bytes.len());
    let ended = bytes[..after]
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'));
    after - ended.count().min(1)
}

fn header(record: &StringRecord, origin: &Origin) -> Result<Vec<Column>, Error> {
    let mut seen = HashSet::new();
    if let Some(name) = record.iter().find(|name| !seen.insert(*name)) {
        return Err(Error::DuplicateColumn {
            origin: origin.clone(),
            name: name.to_owned(),
        });
    }
    Ok(record
        .iter()
        .map(|name| Column {
            name: name.to_owned(),
            cells: vec![],
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str) -> Result<Table, Error> {
        parse(text, b',', &Arc::from(Path::new("t.csv")))
    }

    fn cells(text: &str) -> Vec<String> {
        let table = csv(text).unwrap();
        table
            .columns
            .iter()
            .flat_map(|c| c.cells.iter().map(Cell::to_string))
            .collect()
    }

    fn lines(text: &str) -> Vec<u64> {
        csv(text)
            .unwrap()
            .origins
            .iter()
            .map(|origin| origin.line)
            .collect()
    }

    #[test]
    fn cells_stay_verbatim() {
        assert_eq!(cells("id\n007\n 1.50 \n1e3\n"), ["007", " 1.50 ", "1e3"]);
    }

    #[test]
    fn quoting_is_that_of_python() {
        assert_eq!(cells("a\n\"x,\"\"y\"\"\nz\"\n"), ["x,\"y\"\nz"]);
        assert_eq!(cells("a\nsays \"no\" twice\n"), ["says \"no\" twice"]);
        assert_eq!(cells("a\n\"x\"y\"z\n"), ["xy\"z"]);
        assert_eq!(cells("a,b\n\"\",\n"), ["", ""]);
        assert_eq!(cells("a\n\"open\n"), ["open\n"]);
    }

    #[test]
    fn rows_know_the_line_they_start_on() {
        assert_eq!(lines("a\nx\ny\n"), [2, 3]);
        assert_eq!(lines("a\r\nx\r\ny\r\n"), [2, 3]);
        assert_eq!(lines("a\rx\ry"), [2, 3]);
        assert_eq!(lines("\n\na\n\nx\n\"y\ny\"\n\nz"), [5, 6, 9]);
    }

    #[test]
    fn a_row_of_wrong_width_is_named_with_both_widths() {
        let message = |text| csv(text).unwrap_err().to_string();
        assert_eq!(
            message("a,b\n1,2\n1,2,3\n"),
            "t.csv:3: expected 2 cells as in the header, found 3"
        );
        assert_eq!(
            message("a,b\r\n1\r\n\r\n1,2\r\n"),
            "t.csv:2: expected 2 cells as in the header, found 1"
        );
        assert_eq!(
            message("a,b\n\"1,2\n3,4\n5,6"),
            "t.csv:2: expected 2 cells as in the header, found 1 (the row spans 3 lines; is a quote left open?)"
        );
    }

    #[test]
    fn a_header_that_repeats_a_name_is_refused() {
        assert_eq!(
            csv("a,b,a\n1,2,3\n").unwrap_err().to_string(),
            "t.csv:1: the header names the column \"a\" twice"
        );
    }
}
