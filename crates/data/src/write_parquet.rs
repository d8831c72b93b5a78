//! Tables as Parquet: columns of one type each.
//!
//! What type a column is of shows with its last row, so that rows wait in a temporary file until then.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use serde_json::{Map, Value};

use crate::cell::Cell;

/// Rows of one row group.
const GROUP: usize = 10_000;

/// What stands for a number that JSON has no word for, in the temporary file.
const NOT_FINITE: &str = "";

/// What cells of a column have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Common {
    /// None holds anything.
    #[default]
    Nothing,
    Flags,
    Whole,
    Numbers,
    /// Anything else, as a table of texts would hold it.
    Texts,
}

impl Common {
    fn of(cell: &Cell) -> Self {
        match cell {
            Cell::Missing => Self::Nothing,
            Cell::Bool(_) => Self::Flags,
            Cell::Integer(_) => Self::Whole,
            Cell::Float(_) => Self::Numbers,
            _ => Self::Texts,
        }
    }

    fn with(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Nothing, one) | (one, Self::Nothing) => one,
            (Self::Whole, Self::Numbers) | (Self::Numbers, Self::Whole) => Self::Numbers,
            _ => Self::Texts,
        }
    }
}

/// What a column is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kind {
    /// Of its cells, if no list is among them.
    cells: Common,
    /// Of the items of its lists, if there are any.
    items: Option<Common>,
}

impl Kind {
    fn add(&mut self, cell: &Cell) {
        match cell {
            Cell::List(items) => {
                let common = items.iter().map(Common::of);
                let common = common.fold(Common::Nothing, Common::with);
                self.items = Some(self.items.unwrap_or_default().with(common));
            }
            cell => self.cells = self.cells.with(Common::of(cell)),
        }
    }

    /// The type of what is stored, and whether it is a list of that.
    fn settled(self) -> (Common, bool) {
        match self {
            Self {
                cells: Common::Nothing,
                items: Some(items),
            } => (items, true),
            Self { items: Some(_), .. } => (Common::Texts, false),
            Self { cells, .. } => (cells, false),
        }
    }

    fn schema(self, name: &str) -> Result<Type, ParquetError> {
        let (common, is_list) = self.settled();
        let (physical, logical) = match common {
            Common::Flags => (Physical::BOOLEAN, None),
            Common::Whole => (Physical::INT64, None),
            Common::Numbers => (Physical::DOUBLE, None),
            Common::Nothing | Common::Texts => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let value = |name: &str| {
            Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical.clone())
                .build()
                .map(Arc::new)
        };
        if !is_list {
            return value(name).map(Arc::unwrap_or_clone);
        }
        let items = Type::group_type_builder("list")
            .with_repetition(Repetition::REPEATED)
            .with_fields(vec![value("element")?])
            .build()?;
        Type::group_type_builder(name)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(Some(LogicalType::List))
            .with_fields(vec![Arc::new(items)])
            .build()
    }

    /// Writes the cells of one column.
    fn write(
        self,
        column: &mut SerializedColumnWriter<'_>,
        cells: &[Cell],
    ) -> Result<(), ParquetError> {
        let (common, is_list) = self.settled();
        match common {
            Common::Flags => put::<BoolType>(column, cells, is_list, |cell| match cell {
                Cell::Bool(truth) => Some(*truth),
                _ => None,
            }),
            Common::Whole => put::<Int64Type>(column, cells, is_list, |cell| match cell {
                Cell::Integer(number) => Some(*number),
                _ => None,
            }),
            Common::Numbers => put::<DoubleType>(column, cells, is_list, |cell| match cell {
                Cell::Integer(number) => Some(*number as f64),
                Cell::Float(number) => Some(*number),
                _ => None,
            }),
            Common::Nothing | Common::Texts => {
                put::<ByteArrayType>(column, cells, is_list, |cell| match cell {
                    Cell::Missing => None,
                    cell => Some(ByteArray::from(cell.to_string().into_bytes())),
                })
            }
        }
    }
}

/// Writes values with their levels: which are there, and where a list begins.
fn put<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    cells: &[Cell],
    is_list: bool,
    value: impl Fn(&Cell) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let (mut values, mut there, mut begins) = (Vec::new(), Vec::new(), Vec::new());
    for cell in cells {
        let items = match cell {
            Cell::List(items) if is_list => items.as_slice(),
            cell if is_list => {
                debug_assert!(matches!(cell, Cell::Missing));
                there.push(0);
                begins.push(0);
                continue;
            }
            cell => std::slice::from_ref(cell),
        };
        if items.is_empty() {
            there.push(1);
            begins.push(0);
        }
        for (at, item) in items.iter().enumerate() {
            let value = value(item);
            // A value lies one level below its absence, and within a list both lie two levels deeper.
            there.push(i16::from(value.is_some()) + if is_list { 2 } else { 0 });
            begins.push(i16::from(at > 0));
            values.extend(value);
        }
    }
    let begins = is_list.then_some(begins);
    column
        .typed::<T>()
        .write_batch(&values, Some(&there), begins.as_deref())
        .map(drop)
}

/// Rows that wait for the last of them.
#[derive(Debug)]
pub(crate) struct Spool {
    destination: BufWriter<File>,
    rows: BufWriter<File>,
    kinds: Vec<Kind>,
}

impl Spool {
    pub(crate) fn new(destination: BufWriter<File>, columns: usize) -> io::Result<Self> {
        Ok(Self {
            destination,
            rows: BufWriter::new(tempfile::tempfile()?),
            kinds: vec![Kind::default(); columns],
        })
    }

    pub(crate) fn add(&mut self, row: &[Cow<'_, Cell>]) -> io::Result<()> {
        for (kind, cell) in self.kinds.iter_mut().zip(row) {
            kind.add(cell);
        }
        let row: Value = row.iter().map(|cell| to_line(cell)).collect();
        writeln!(self.rows, "{row}")
    }

    /// Writes what has come as a table; the file is then to be put in place.
    pub(crate) fn finish(self, columns: &[String]) -> io::Result<BufWriter<File>> {
        let mut rows = self.rows.into_inner().map_err(|error| error.into_error())?;
        rows.rewind()?;
        let fields = columns.iter().zip(&self.kinds);
        let fields = fields.map(|(name, kind)| kind.schema(name).map(Arc::new));
        let fields = fields.collect::<Result<_, _>>().map_err(in_parquet)?;
        let schema = Type::group_type_builder("schema").with_fields(fields);
        let schema = Arc::new(schema.build().map_err(in_parquet)?);
        let compression = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(compression);
        let properties = Arc::new(properties.build());
        let writer = SerializedFileWriter::new(self.destination, schema, properties);
        let mut writer = writer.map_err(in_parquet)?;
        let mut lines = BufReader::new(rows).lines();
        loop {
            let group = lines.by_ref().take(GROUP).map(|line| {
                let row: Vec<Value> = serde_json::from_str(&line?)?;
                Ok(row.into_iter().map(of_line).collect())
            });
            let group: Vec<Vec<Cell>> = group.collect::<io::Result<_>>()?;
            if group.is_empty() {
                return writer.into_inner().map_err(in_parquet);
            }
            write_group(&mut writer, &self.kinds, group).map_err(in_parquet)?;
        }
    }
}

fn write_group(
    writer: &mut SerializedFileWriter<BufWriter<File>>,
    kinds: &[Kind],
    rows: Vec<Vec<Cell>>,
) -> Result<(), ParquetError> {
    let mut columns = vec![Vec::with_capacity(rows.len()); kinds.len()];
    for row in rows {
        for (column, cell) in columns.iter_mut().zip(row) {
            column.push(cell);
        }
    }
    let mut group = writer.next_row_group()?;
    for (kind, cells) in kinds.iter().zip(&columns) {
        if let Some(mut column) = group.next_column()? {
            kind.write(&mut column, cells)?;
            column.close()?;
        }
    }
    group.close().map(drop)
}

fn in_parquet(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

/// A cell in the temporary file: as JSON, where every number comes back as it was.
fn to_line(cell: &Cell) -> Value {
    match cell {
        Cell::Float(number) if !number.is_finite() => {
            let text = Value::from(cell.to_string());
            Value::Object(Map::from_iter([(NOT_FINITE.to_owned(), text)]))
        }
        Cell::List(items) => items.iter().map(to_line).collect(),
        // Written as the text that it is.
        Cell::Object(text) => Value::from(text.as_str()),
        cell => cell.to_json(),
    }
}

fn of_line(value: Value) -> Cell {
    match value {
        Value::Object(object) => {
            let number = object.get(NOT_FINITE).and_then(Value::as_str);
            let number = number.and_then(|number| number.parse().ok());
            number.map_or(Cell::Missing, Cell::Float)
        }
        Value::Array(items) => Cell::List(items.into_iter().map(of_line).collect()),
        value => Cell::from_json(value),
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Error;
    use crate::read::ReaderOptions;
    use crate::{RowWriter, read_table};

    use super::*;

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    /// What is read of a table of these rows.
    fn written(columns: &[&str], rows: &[Vec<Cell>]) -> Vec<Vec<Cell>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let mut writer = RowWriter::create(&path, columns).unwrap();
        for row in rows {
            writer.write(row).unwrap();
        }
        writer.finish().unwrap();
        let table = read_table(&path, &ReaderOptions::default()).unwrap();
        let names: Vec<&str> = table.columns.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, columns);
        let columns = &table.columns;
        let row = |at: usize| columns.iter().map(|it| it.cells[at].clone()).collect();
        (0..table.len()).map(row).collect()
    }

    #[test]
    fn a_table_comes_back_as_it_was() {
        let rows = [
            vec![
                text("r1"),
                Cell::Integer(-3),
                Cell::Float(0.1),
                Cell::Bool(true),
                Cell::List(vec![Cell::Float(0.25), Cell::Float(1e-300)]),
                Cell::List(vec![text("B"), Cell::Missing]),
            ],
            vec![
                text("with \"quotes\"\tand\nlines"),
                Cell::Missing,
                Cell::Missing,
                Cell::Missing,
                Cell::List(vec![]),
                Cell::Missing,
            ],
            vec![
                Cell::Missing,
                Cell::Integer(i64::MAX),
                Cell::Float(f64::INFINITY),
                Cell::Bool(false),
                Cell::List(vec![Cell::Float(-1.5)]),
                Cell::List(vec![text("O")]),
            ],
        ];
        let columns = ["id", "count", "p", "is_known", "values", "tags"];
        assert_eq!(written(&columns, &rows), rows);
    }

    #[test]
    fn a_column_of_several_types_is_of_the_one_that_holds_all() {
        let column = |cells: Vec<Cell>| {
            let rows: Vec<Vec<Cell>> = cells.into_iter().map(|cell| vec![cell]).collect();
            let read = written(&["x"], &rows).into_iter().flatten();
            read.collect::<Vec<Cell>>()
        };
        assert_eq!(
            column(vec![Cell::Integer(1), Cell::Float(0.5)]),
            [Cell::Float(1.0), Cell::Float(0.5)]
        );
        assert_eq!(
            column(vec![Cell::Integer(1), text("a")]),
            [text("1"), text("a")]
        );
        assert_eq!(
            column(vec![Cell::List(vec![Cell::Integer(1)]), text("a")]),
            [text("[1]"), text("a")]
        );
    }

    #[test]
    fn rows_of_several_groups_and_of_none_are_a_table() {
        let rows: Vec<Vec<Cell>> = (0..2 * GROUP as i64 + 1)
            .map(|row| vec![Cell::Integer(row)])
            .collect();
        assert!(written(&["x"], &rows) == rows);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let writer = RowWriter::create(&path, &["x"]).unwrap();
        writer.finish().unwrap();
        // It is whole, and what is refused is that it has no rows.
        let read = read_table(&path, &ReaderOptions::default());
        assert!(matches!(read, Err(Error::NoRows { .. })), "{read:?}");
    }
}
