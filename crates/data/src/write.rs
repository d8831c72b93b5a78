//! Writing tables of predictions row by row; the file appears complete or not at all.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use engraft_files::Aside;
use serde_json::{Map, Value};

use crate::cell::Cell;
use crate::error::Error;
use crate::write_parquet::Spool;

/// A format that tables are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// Comma separated, quoted only where needed.
    Csv,
    /// Tab separated, quoted only where needed.
    Tsv,
    /// One JSON object a line.
    JsonLines,
    /// Columns of one type each, compressed.
    Parquet,
}

const EXTENSIONS: [(&str, OutputFormat); 4] = [
    ("tsv", OutputFormat::Tsv),
    ("csv", OutputFormat::Csv),
    ("jsonl", OutputFormat::JsonLines),
    ("parquet", OutputFormat::Parquet),
];

impl OutputFormat {
    /// The format that a file's extension stands for, in upper or lower case.
    pub fn of(path: &Path) -> Option<OutputFormat> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        EXTENSIONS
            .iter()
            .find(|(known, _)| *known == extension)
            .map(|(_, format)| *format)
    }

    /// The extensions that are written, as a list for messages.
    pub fn known() -> String {
        EXTENSIONS
            .map(|(extension, _)| format!(".{extension}"))
            .join(", ")
    }
}

/// A table being written, to a temporary file beside its destination.
///
/// [`RowWriter::finish`] puts the file in place; a writer that is dropped before removes it.
#[derive(Debug)]
pub struct RowWriter {
    path: PathBuf,
    columns: Vec<String>,
    rows: u64,
    sink: Sink,
    // Declared last, so that the file is closed before it is removed.
    partial: Aside,
}

#[derive(Debug)]
enum Sink {
    Delimited(Box<csv::Writer<BufWriter<File>>>),
    JsonLines(BufWriter<File>),
    Parquet(Box<Spool>),
}

impl Sink {
    fn delimited(file: BufWriter<File>, delimiter: u8) -> Sink {
        let writer = csv::WriterBuilder::new()
            .delimiter(delimiter)
            .from_writer(file);
        Sink::Delimited(Box::new(writer))
    }
}

impl RowWriter {
    /// Opens the table and writes its header.
    ///
    /// # Errors
    /// The extension is unknown, two columns have one name, the path is a folder, or its folder is
    /// missing or not writable.
    pub fn create<S: AsRef<str>>(path: &Path, columns: &[S]) -> Result<RowWriter, Error> {
        let format = OutputFormat::of(path).ok_or_else(|| Error::UnknownOutput {
            path: path.to_path_buf(),
            known: OutputFormat::known(),
        })?;
        let columns: Vec<String> = columns
            .iter()
            .map(|name| name.as_ref().to_owned())
            .collect();
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|name| !seen.insert(*name)) {
            return Err(Error::DuplicateOutput {
                path: path.to_path_buf(),
                name: twice.clone(),
            });
        }
        let (partial, file) = begin(path)?;
        let file = BufWriter::new(file);
        let sink = match format {
            OutputFormat::Csv => Sink::delimited(file, b','),
            OutputFormat::Tsv => Sink::delimited(file, b'\t'),
            OutputFormat::JsonLines => Sink::JsonLines(file),
            OutputFormat::Parquet => {
                let spool = Spool::new(file, columns.len());
                Sink::Parquet(Box::new(spool.map_err(|error| failed(path, error))?))
            }
        };
        let mut writer = RowWriter {
            path: path.to_path_buf(),
            columns,
            rows: 0,
            sink,
            partial,
        };
        if let Sink::Delimited(sink) = &mut writer.sink {
            sink.write_record(&writer.columns)
                .map_err(|error| failed(path, error.into()))?;
        }
        Ok(writer)
    }

    /// Writes one row: a cell for each column.
    ///
    /// # Errors
    /// The row has another number of cells, or the system refuses (a full disk).
    pub fn write(&mut self, row: &[Cell]) -> Result<(), Error> {
        self.rows += 1;
        if row.len() != self.columns.len() {
            return Err(Error::OutputWidth {
                path: self.path.clone(),
                row: self.rows,
                expected: self.columns.len(),
                found: row.len(),
            });
        }
        let row = row.iter().map(Cell::loaded);
        let row: Vec<Cow<Cell>> = row.collect::<Result<_, _>>()?;
        let result = match &mut self.sink {
            Sink::Delimited(sink) => sink
                .write_record(row.iter().map(ToString::to_string))
                .map_err(io::Error::from),
            Sink::JsonLines(sink) => {
                let pairs = self.columns.iter().zip(&row);
                let object: Map<String, Value> = pairs
                    .map(|(name, cell)| (name.clone(), cell.to_json()))
                    .collect();
                writeln!(sink, "{}", Value::Object(object))
            }
            Sink::Parquet(spool) => spool.add(&row),
        };
        result.map_err(|error| failed(&self.path, error))
    }

    /// Completes the file and puts it in place, over one of the same name.
    ///
    /// # Errors
    /// The system refuses; the destination is then as it was before.
    pub fn finish(self) -> Result<(), Error> {
        let RowWriter {
            path,
            columns,
            sink,
            partial,
            ..
        } = self;
        let file = match sink {
            Sink::Delimited(sink) => sink.into_inner().map_err(|error| error.into_error()),
            Sink::JsonLines(sink) => Ok(sink),
            Sink::Parquet(spool) => spool.finish(&columns),
        };
        let file = file.and_then(|file| file.into_inner().map_err(|error| error.into_error()));
        file.and_then(|file| file.sync_all())
            .map_err(|error| failed(&path, error))?;
        let placed = partial.put_in_place(&path);
        placed.map_err(|error| failed(&path, error))
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Io {
        path: path.to_path_buf(),
        action: "write the file",
        source,
    }
}

/// The temporary file, which is removed unless it is put in place.
fn begin(destination: &Path) -> Result<(Aside, File), Error> {
    let name = destination
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let (Some(name), false) = (name, destination.is_dir()) else {
        let source = io::Error::from(io::ErrorKind::IsADirectory);
        return Err(failed(destination, source));
    };
    let path = destination.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    Aside::file(path).map_err(|error| failed(destination, error))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::labels::Label;
    use crate::list;
    use crate::read::{ReaderOptions, read_table};
    use proptest::prelude::*;

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    fn written(name: &str, columns: &[&str], rows: &[Vec<Cell>]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let mut writer = RowWriter::create(&path, columns).unwrap();
        for row in rows {
            writer.write(row).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(entries(folder.path()), 1);
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn cells_are_quoted_only_where_needed() {
        let list = Cell::List(vec![Cell::Integer(1), Cell::from("x")]);
        let row = vec![
            Cell::from("a\"b, c"),
            Cell::from("x\ny"),
            Cell::Float(1.0),
            Cell::Missing,
            list,
        ];
        let columns = ["id", "text", "p", "none", "list"];
        assert_eq!(
            written("a.csv", &columns, std::slice::from_ref(&row)),
            "id,text,p,none,list\n\"a\"\"b, c\",\"x\ny\",1.0,,\"[1,\"\"x\"\"]\"\n"
        );
        assert_eq!(
            written("a.jsonl", &columns, &[row]),
            "{\"id\":\"a\\\"b, c\",\"text\":\"x\\ny\",\"p\":1.0,\"none\":null,\"list\":[1,\"x\"]}\n"
        );
    }

    #[test]
    fn predictions_of_every_kind_come_back_from_every_format() {
        let columns = [
            "id",
            "prediction",
            "p_a",
            "p_b",
            "yield",
            "labels",
            "logits",
        ];
        let row = vec![
            Cell::from("007"),
            Cell::from(&Label::from("a")),
            Cell::from(0.75f32),
            Cell::from(0.25f32),
            Cell::from(-1.5),
            Cell::from(vec!["H", "E"]),
            Cell::from(vec![vec![0.5f32, -1.0], vec![2.0, 1e-8]]),
        ];
        for name in ["a.csv", "a.tsv", "a.jsonl"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            let mut writer = RowWriter::create(&path, &columns).unwrap();
            writer.write(&row).unwrap();
            writer.finish().unwrap();
            let table = read_table(&path, &ReaderOptions::default()).unwrap();
            assert_eq!(table.names(), columns);
            let cell = |at: usize| &table.columns[at].cells[0];
            let texts: Vec<String> = (0..5).map(|at| cell(at).to_string()).collect();
            assert_eq!(texts, ["007", "a", "0.75", "0.25", "-1.5"]);
            assert_eq!(list::items(cell(5)).map(Cell::List).as_ref(), row.get(5));
            assert_eq!(list::items(cell(6)).map(Cell::List).as_ref(), row.get(6));
        }
    }

    #[test]
    fn a_table_has_each_column_once() {
        let folder = tempfile::tempdir().unwrap();
        let columns = ["id", "labels", "labels"];
        let error = RowWriter::create(&folder.path().join("a.tsv"), &columns).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("two columns would be named \"labels\"; rename one of them")
        );
        assert_eq!(entries(folder.path()), 0);
    }

    #[test]
    fn an_unfinished_table_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tsv");
        fs::write(&path, "before").unwrap();
        let mut writer = RowWriter::create(&path, &["id"]).unwrap();
        writer.write(&[Cell::Integer(1)]).unwrap();
        assert_eq!(entries(folder.path()), 2);
        drop(writer);
        assert_eq!(entries(folder.path()), 1);
        assert_eq!(fs::read_to_string(path).unwrap(), "before");
    }

    #[test]
    fn places_that_cannot_be_written_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let message = |path: &Path| RowWriter::create(path, &["id"]).unwrap_err().to_string();
        let missing = message(&folder.path().join("none/a.tsv"));
        assert!(
            missing.contains("none/a.tsv: cannot write the file: No such file"),
            "{missing}"
        );
        fs::create_dir(folder.path().join("b.tsv")).unwrap();
        assert!(message(&folder.path().join("b.tsv")).contains("directory"));
        assert_eq!(
            message(Path::new("out.xlsx")),
            "out.xlsx: unknown output format; tables are written as .tsv, .csv, .jsonl, .parquet"
        );
    }

    #[test]
    fn a_row_of_wrong_width_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = RowWriter::create(&folder.path().join("a.tsv"), &["id", "x"]).unwrap();
        assert!(
            writer
                .write(&[Cell::Missing])
                .unwrap_err()
                .to_string()
                .ends_with("row 1 has 1 values for 2 columns")
        );
    }

    proptest! {
        // Each case waits for the disk.
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn text_comes_back_as_it_was_written(
            rows in proptest::collection::vec(proptest::array::uniform2("[a\"',\t\r\n é]{0,6}"), 1..6),
        ) {
            for name in ["a.csv", "a.tsv", "a.jsonl"] {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join(name);
                let mut writer = RowWriter::create(&path, &["x", "y"]).unwrap();
                for row in &rows {
                    writer.write(&row.clone().map(Cell::from)).unwrap();
                }
                writer.finish().unwrap();
                let table = read_table(&path, &ReaderOptions::default()).unwrap();
                for (row, expected) in rows.iter().enumerate() {
                    prop_assert_eq!(&table.columns[0].cells[row], &Cell::from(expected[0].as_str()));
                    prop_assert_eq!(&table.columns[1].cells[row], &Cell::from(expected[1].as_str()));
                }
            }
        }
    }
}
