//! CSV and TSV, with the rules of Python's `csv` module in its default dialect.
//!
//! A field that starts with `"` runs to the closing quote, through delimiters and line ends; a
//! doubled quote inside stands for one. A quote anywhere else is an ordinary character.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use csv::{ReaderBuilder, StringRecord};

use super::arguments::{Header, Quote, ReaderArguments};
use super::open::read_failed;
use super::text::TextReader;
use crate::builder::TableBuilder;
use crate::cell::Cell;
use crate::error::Error;
use crate::origin::Origin;

/// How cells are separated and where their names come from.
#[derive(Clone, Debug)]
pub(super) struct Dialect<'a> {
    delimiter: u8,
    quote: Option<u8>,
    header: Header,
    names: Option<&'a [String]>,
    skipped: usize,
}

impl<'a> Dialect<'a> {
    /// The dialect of a format whose cells `delimiter` separates, with what the user says of it.
    ///
    /// # Errors
    /// The separator and the quote are one character.
    pub(super) fn new(delimiter: u8, arguments: &'a ReaderArguments) -> Result<Dialect<'a>, Error> {
        let quote = match arguments.quotechar {
            Quote::Default => Some(b'"'),
            Quote::Character(quote) => Some(quote),
            Quote::Off => None,
        };
        let delimiter = arguments.one_byte_separator()?.unwrap_or(delimiter);
        if quote == Some(delimiter) {
            return Err(ReaderArguments::wrong(
                "quotechar",
                "is the separator of cells as well",
            ));
        }
        Ok(Dialect {
            delimiter,
            quote,
            header: arguments.header,
            names: arguments.names.as_deref(),
            skipped: arguments.skiprows,
        })
    }
}

/// Reads every row of `text`; the first record is the header unless the dialect says otherwise.
pub(super) fn read(
    text: &mut TextReader<'_>,
    dialect: &Dialect<'_>,
    builder: &mut TableBuilder,
) -> Result<(), Error> {
    text.skip_lines(dialect.skipped)?;
    let file = &text.file();
    let mut reader = ReaderBuilder::new()
        .delimiter(dialect.delimiter)
        .quoting(dialect.quote.is_some())
        .quote(dialect.quote.unwrap_or(b'"'))
        .has_headers(false)
        .flexible(true)
        .from_reader(LineEnds::new(text));
    let mut record = StringRecord::new();
    let mut columns: Option<Vec<usize>> = None;
    while read_record(&mut reader, &mut record, file)? {
        let start = record.position().map_or(0, |position| position.byte());
        let origin = Origin {
            file: Arc::clone(file),
            line: reader.get_mut().line_of_record(start),
        };
        let known = match &columns {
            Some(columns) => columns,
            None => {
                let (found, is_row) = names(&record, dialect, &origin)?;
                let found = found.iter().map(|name| builder.column(name)).collect();
                let found = columns.insert(found);
                if !is_row {
                    continue;
                }
                found
            }
        };
        if known.len() != record.len() {
            let after = reader.position().byte();
            let lines = reader.get_ref().last_line(after) - origin.line + 1;
            let error = Error::Width {
                expected: known.len(),
                found: record.len(),
                lines,
                like: match (dialect.names, dialect.header) {
                    (Some(_), _) => "in names",
                    (None, Header::Absent) => "in the first row",
                    (None, _) => "in the header",
                },
                origin,
            };
            // Over several lines goes a quote that was left open, and what it hides may be many rows.
            if lines > 1 {
                return Err(error);
            }
            builder.reject(error)?;
            continue;
        }
        for (column, cell) in known.iter().zip(&record) {
            builder.push(*column, Cell::from(cell))?;
        }
        builder.end_row(origin);
    }
    Ok(())
}

fn read_record<R: Read>(
    reader: &mut csv::Reader<R>,
    record: &mut StringRecord,
    file: &Arc<Path>,
) -> Result<bool, Error> {
    reader.read_record(record).map_err(|error| {
        let error = match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            other => io::Error::other(format!("{other:?}")),
        };
        read_failed(file, error)
    })
}

/// The names of the columns, and whether the record they were looked for in is a row.
fn names(
    record: &StringRecord,
    dialect: &Dialect<'_>,
    origin: &Origin,
) -> Result<(Vec<String>, bool), Error> {
    let is_row = match dialect.header {
        Header::Infer => dialect.names.is_some(),
        Header::First => false,
        Header::Absent => true,
    };
    if let Some(names) = dialect.names {
        return Ok((names.to_vec(), is_row));
    }
    if is_row {
        return Ok(((0..record.len()).map(|at| at.to_string()).collect(), true));
    }
    let mut seen = HashSet::new();
    if let Some(name) = record.iter().find(|name| !seen.insert(*name)) {
        return Err(Error::DuplicateColumn {
            origin: origin.clone(),
            name: name.to_owned(),
        });
    }
    Ok((record.iter().map(str::to_owned).collect(), false))
}

/// Remembers where lines end in what passes through, until the records there are read: the reader of records reads ahead.
struct LineEnds<'a, 'b> {
    inner: &'a mut TextReader<'b>,
    /// Lines that ended before what is remembered.
    ended: u64,
    offset: u64,
    /// Where each `\r` and `\n` lies, and whether it ends a line: the `\r` of a `\r\n` does not.
    ends: VecDeque<(u64, bool)>,
    last: u8,
}

impl<'a, 'b> LineEnds<'a, 'b> {
    fn new(inner: &'a mut TextReader<'b>) -> Self {
        Self {
            ended: inner.line() - 1,
            inner,
            offset: 0,
            ends: VecDeque::new(),
            last: 0,
        }
    }

    /// The line on which a record begins that is read from `start` on, past the line ends there (the `\n` of the `\r\n`
    /// before, and blank lines).
    fn line_of_record(&mut self, mut start: u64) -> u64 {
        while let Some((end, ends)) = self.ends.front().copied() {
            if end > start {
                break;
            }
            start += u64::from(end == start);
            self.ended += u64::from(ends);
            self.ends.pop_front();
        }
        self.ended + 1
    }

    /// The line of the last byte before `after`, its line end left out.
    fn last_line(&self, after: u64) -> u64 {
        let before = after.saturating_sub(1);
        let is_end = self.ends.iter().any(|(end, _)| *end == before);
        let limit = if is_end { before } else { after };
        let ended = self.ends.iter().filter(|(end, ends)| *end < limit && *ends);
        self.ended + ended.count() as u64 + 1
    }
}

impl Read for LineEnds<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        for byte in &buffer[..count] {
            if matches!(byte, b'\r' | b'\n') {
                if let (b'\n', b'\r', Some((_, ends))) = (*byte, self.last, self.ends.back_mut()) {
                    *ends = false;
                }
                self.ends.push_back((self.offset, true));
            }
            self.last = *byte;
            self.offset += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{ReaderOptions, table_of_bytes};
    use crate::table::Table;

    fn csv(text: &str) -> Result<Table, Error> {
        csv_with(text, &ReaderArguments::default())
    }

    fn csv_with(text: &str, arguments: &ReaderArguments) -> Result<Table, Error> {
        let options = ReaderOptions {
            arguments: arguments.clone(),
            ..ReaderOptions::default()
        };
        table_of_bytes(Path::new("t.csv"), text.as_bytes(), &options)
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
