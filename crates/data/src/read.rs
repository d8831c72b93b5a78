//! Reading a table from a file: which format it is, and the checks that all formats share.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::delimited;
use crate::error::Error;
use crate::json;
use crate::table::Table;

/// A format that tables are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma separated, quoted as Python's `csv` module does.
    Csv,
    /// Tab separated, quoted as Python's `csv` module does.
    Tsv,
    /// One JSON object a line, or one array of objects.
    Json,
}

/// Extensions and the format each stands for.
const EXTENSIONS: [(&str, Format); 6] = [
    ("csv", Format::Csv),
    ("tsv", Format::Tsv),
    ("tab", Format::Tsv),
    ("jsonl", Format::Json),
    ("ndjson", Format::Json),
    ("json", Format::Json),
];

impl Format {
    /// The format that a file's extension stands for, in upper or lower case.
    pub fn of(path: &Path) -> Option<Format> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        EXTENSIONS
            .iter()
            .find(|(known, _)| *known == extension)
            .map(|(_, format)| *format)
    }

    /// The extensions that are read, as a list for messages.
    pub fn known() -> String {
        EXTENSIONS
            .map(|(extension, _)| format!(".{extension}"))
            .join(", ")
    }
}

/// How a table is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReaderOptions {
    /// The format; by default the one that the file's extension stands for.
    pub format: Option<Format>,
}

/// Reads all rows of a file.
///
/// A byte order mark is skipped, lines may end in any of the three ways, and blank lines outside
/// quotes are no rows.
///
/// # Errors
/// The file is missing, unreadable, empty, without rows, binary, of an unknown extension, or not
/// well formed; the message names the line.
pub fn read_table(path: &Path, options: &ReaderOptions) -> Result<Table, Error> {
    let known = || Error::UnknownExtension {
        path: path.to_path_buf(),
        known: Format::known(),
    };
    let bytes = read_bytes(path)?;
    let format = options
        .format
        .or_else(|| Format::of(path))
        .ok_or_else(known)?;
    parse(path, &bytes, format)
}

fn parse(path: &Path, bytes: &[u8], format: Format) -> Result<Table, Error> {
    let text = check_text(path, bytes)?;
    let file: Arc<Path> = Arc::from(path);
    let table = match format {
        Format::Csv => delimited::parse(text, b',', &file)?,
        Format::Tsv => delimited::parse(text, b'\t', &file)?,
        Format::Json => json::parse(text, &file)?,
    };
    match table.is_empty() {
        true => Err(Error::NoRows {
            path: path.to_path_buf(),
        }),
        false => Ok(table),
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound {
            path: path.to_path_buf(),
        },
        _ => Error::Io {
            path: path.to_path_buf(),
            action: "read the file",
            source,
        },
    };
    fs::read(path).map_err(failed)
}

/// The bytes as text without a byte order mark.
fn check_text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Error> {
    let binary = |offset: usize, reason| Error::Binary {
        path: path.to_path_buf(),
        line: line_of(bytes, offset),
        reason,
    };
    if let Some(offset) = bytes.iter().position(|byte| *byte == 0) {
        return Err(binary(offset, "a zero byte"));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| binary(error.valid_up_to(), "a byte that is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.trim().is_empty() {
        true => Err(Error::EmptyFile {
            path: path.to_path_buf(),
        }),
        false => Ok(text),
    }
}

/// The line, counted from 1, on which the byte at `offset` lies.
fn line_of(bytes: &[u8], offset: usize) -> u64 {
    let mut lines = Lines::default();
    lines.advance(bytes, offset)
}

/// Counts lines while walking through a text. A line ends with `\n`, `\r\n` or `\r`.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    offset: usize,
    ended: u64,
}

impl Lines {
    /// Walks on to `offset` and returns the line there, counted from 1.
    pub(crate) fn advance(&mut self, bytes: &[u8], offset: usize) -> u64 {
        let end = offset.min(bytes.len());
        while self.offset < end {
            let byte = bytes[self.offset];
            let next = bytes.get(self.offset + 1);
            // The `\r` of `\r\n` is counted with its `\n`.
            if byte == b'\n' || (byte == b'\r' && next != Some(&b'\n')) {
                self.ended += 1;
            }
            self.offset += 1;
        }
        self.ended + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::PathBuf;

    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn message(name: &str, bytes: &[u8]) -> String {
        let (folder, path) = written(name, bytes);
        let error = read_table(&path, &ReaderOptions::default())
            .unwrap_err()
            .to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_table(Path::new("no/such.tsv"), &ReaderOptions::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no/such.tsv: there is no such file or folder"
        );
    }

    #[test]
    fn files_without_rows_are_refused() {
        assert_eq!(message("a.csv", b""), "a.csv: the file is empty");
        assert_eq!(
            message("a.csv", b"\xef\xbb\xbf \n"),
            "a.csv: the file is empty"
        );
        assert_eq!(
            message("a.csv", b"text,label\n"),
            "a.csv: the file has no rows"
        );
        assert_eq!(message("a.json", b"[]"), "a.json: the file has no rows");
    }

    #[test]
    fn a_binary_file_is_refused_with_the_line() {
        assert_eq!(
            message("a.tsv", b"a\tb\n1\t2\n\x00\t"),
            "a.tsv:3: a zero byte; is this a text file in UTF-8?"
        );
        assert_eq!(
            message("a.jsonl", b"{}\r\n\xff"),
            "a.jsonl:2: a byte that is not UTF-8; is this a text file in UTF-8?"
        );
    }

    #[test]
    fn an_unknown_extension_lists_the_known_ones() {
        assert_eq!(
            message("a.parquet", b"x"),
            "a.parquet: unknown kind of table; the extensions read are .csv, .tsv, .tab, .jsonl, .ndjson, .json"
        );
    }

    #[test]
    fn a_format_can_be_forced_on_any_extension() {
        let (_folder, path) = written("a.txt", b"x,y\n1,2\n");
        let options = ReaderOptions {
            format: Some(Format::Csv),
        };
        assert_eq!(read_table(&path, &options).unwrap().names(), ["x", "y"]);
    }

    fn is_read_or_refused(bytes: &[u8]) {
        for format in [Format::Csv, Format::Tsv, Format::Json] {
            if let Ok(table) = parse(Path::new("a"), bytes, format) {
                assert!(
                    table
                        .columns
                        .iter()
                        .all(|column| column.cells.len() == table.len())
                );
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            is_read_or_refused(&bytes);
        }

        #[test]
        fn arbitrary_text_is_read_or_refused(text in "[\\[\\]{}\",:a1é\t\r\n ]{0,60}") {
            is_read_or_refused(text.as_bytes());
        }
    }
}
