//! Parquet, row group by row group.
//!
//! The records are assembled by the crate `parquet`, without Arrow. On damaged files that crate may panic, believe a length
//! or a count that the file cannot hold, or give rows of nothing where a page is missing. So it runs behind a shield, reads
//! through a [`Source`] that has no more bytes than the file, sees only footers and headers of pages that are what the format
//! says, and its counts are checked against each other first.

mod layout;
mod thrift;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use serde_json::{Map, Value};

use super::open::{Contents, read_failed};
use crate::builder::TableBuilder;
use crate::cell::Cell;
use crate::error::{Error, record};
use crate::origin::Origin;
use crate::shield::shielded;
use thrift::{Fault, varint};

/// Bytes of values decoded at once, about.
const AT_ONCE: u64 = 4 << 20;

/// Rows that a file may claim, whatever its size and then for each of its bytes: values that repeat take almost no room.
const ROWS: (u64, u64) = (100_000, 1_000);

/// A page that may be of this size, in bytes, in the smallest of files.
const LARGE_PAGE: u64 = 64 << 20;

/// Bytes at the end of a file, which are no page.
const FOOTER: u64 = 8;

/// Bytes that the header of a page takes at first sight, and at most: statistics in it may hold whole values.
const PAGE_HEADER: (u64, u64) = (64, 16 << 20);

/// How many levels columns may be nested: each is a call within a call.
const DEEPEST: usize = 64;

/// Reads every row.
pub(super) fn read(
    contents: Contents<'_>,
    file: &Arc<Path>,
    builder: &mut TableBuilder,
) -> Result<(), Error> {
    let damaged = |reason: String| {
        // Messages may quote whole values.
        let reason: String = reason.chars().take(200).collect();
        Error::Damaged {
            path: file.to_path_buf(),
            line: None,
            reason: format!("cannot be read as Parquet: {reason}"),
        }
    };
    let source = Source::new(contents).map_err(|error| read_failed(file, error))?;
    let result = shielded(|| read_rows(source, file, builder));
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Failed::Here(error))) => Err(error),
        Ok(Err(Failed::Parquet(error))) => Err(damaged(said(&error))),
        Err(panic) => Err(damaged(format!(
            "it is damaged or holds a kind of value that is not read ({panic})"
        ))),
    }
}

/// What is wrong, and what to do about it.
fn said(error: &ParquetError) -> String {
    match error {
        ParquetError::General(reason) if reason.contains("compile time: brotli") => {
            "its columns are compressed by Brotli, which is not read; write it again with zstd or snappy".to_owned()
        }
        ParquetError::General(reason) => format!("{reason}; fetch or write it again"),
        other => format!("{other}; fetch or write it again"),
    }
}

enum Failed {
    Here(Error),
    Parquet(ParquetError),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Here(error)
    }
}

impl From<ParquetError> for Failed {
    fn from(error: ParquetError) -> Failed {
        Failed::Parquet(error)
    }
}

fn read_rows(source: Source, file: &Arc<Path>, builder: &mut TableBuilder) -> Result<(), Failed> {
    let length = source.len();
    source.check_footer()?;
    let reader = SerializedFileReader::new(source)?;
    let metadata = reader.metadata();
    check(metadata, length)?;
    let schema = metadata.file_metadata().schema();
    let fields = schema.get_fields();
    let origin = |line: u64| Origin {
        file: Arc::clone(file),
        line,
    };
    for (at, field) in fields.iter().enumerate() {
        if fields[..at]
            .iter()
            .any(|other| other.name() == field.name())
        {
            let name = field.name().to_owned();
            let origin = origin(1);
            return Err(Error::DuplicateColumn { origin, name }.into());
        }
    }
    // In the order of the file, whatever the first rows lack.
    let columns: Vec<usize> = fields.iter().map(|it| builder.column(it.name())).collect();
    let wanted = fields.iter().zip(&columns);
    let wanted = wanted.filter(|(_, column)| builder.keeps(**column));
    let (wanted, columns): (Vec<_>, Vec<_>) =
        wanted.map(|(field, at)| (field.clone(), *at)).unzip();
    if wanted.is_empty() {
        return Ok(());
    }
    let projection = Type::group_type_builder(schema.name())
        .with_fields(wanted)
        .build()?;
    let batch = values_at_once(metadata);
    let rows = RowIter::from_file_into(Box::new(reader));
    let rows = rows.project(Some(projection))?.with_batch_size(batch);
    'rows: for (row, number) in rows.zip(1..) {
        let row = row.map_err(|error| match error {
            ParquetError::General(reason) if reason.contains("BYTE_ARRAY as String") => {
                let message = "a column of texts holds bytes that are not UTF-8";
                Failed::Here(record(&origin(number), message))
            }
            other => Failed::Parquet(other),
        })?;
        for ((name, field), column) in row.into_columns().into_iter().zip(&columns) {
            match cell(field) {
                Ok(cell) => builder.push(*column, cell)?,
                Err(what) => {
                    let message = format!(
                        "the column \"{name}\" holds {what}, which is neither text nor a number"
                    );
                    builder.reject(record(&origin(number), message))?;
                    continue 'rows;
                }
            }
        }
        builder.end_row(origin(number));
    }
    Ok(())
}

/// Refuses counts that contradict each other or that no file of this length would have.
fn check(metadata: &ParquetMetaData, length: u64) -> ParquetResult<()> {
    let implausible = |what: &str| Err(ParquetError::General(format!("the file says that {what}")));
    let schema = metadata.file_metadata().schema_descr();
    let depth =
        |column: &Arc<parquet::schema::types::ColumnDescriptor>| column.path().parts().len();
    if schema.columns().iter().map(depth).max() > Some(DEEPEST) {
        return implausible("columns lie within columns more than 64 times");
    }
    let mut rows = 0_u64;
    for group in metadata.row_groups() {
        let Ok(count) = u64::try_from(group.num_rows()) else {
            return implausible("a group has a negative number of rows");
        };
        rows = rows.saturating_add(count);
        for column in group.columns() {
            let values = u64::try_from(column.num_values()).unwrap_or(0);
            let repeats = column.column_descr().max_rep_level() > 0;
            if values < count || (values > count && !repeats) {
                return implausible("a column has more or fewer values than rows");
            }
        }
    }
    let (any, each) = ROWS;
    if rows > any.saturating_add(length.saturating_mul(each)) {
        return implausible(&format!("it has {rows} rows"));
    }
    Ok(())
}

/// How many values of a column are decoded at once, so that long ones do not fill the memory.
fn values_at_once(metadata: &ParquetMetaData) -> usize {
    let sizes = metadata.row_groups().iter().map(|group| {
        let rows = u64::try_from(group.num_rows()).unwrap_or(0).max(1);
        u64::try_from(group.total_byte_size()).unwrap_or(0) / rows
    });
    let longest = sizes.max().unwrap_or(0).max(1);
    usize::try_from(AT_ONCE / longest)
        .unwrap_or(1)
        .clamp(1, 1024)
}

/// A value as a cell; what it is if there is no cell for it.
fn cell(field: Field) -> Result<Cell, &'static str> {
    Ok(match field {
        Field::Null => Cell::Missing,
        Field::Bool(truth) => Cell::Bool(truth),
        Field::Byte(number) => Cell::Integer(number.into()),
        Field::Short(number) => Cell::Integer(number.into()),
        Field::Int(number) => Cell::Integer(number.into()),
        Field::Long(number) => Cell::Integer(number),
        Field::UByte(number) => Cell::Integer(number.into()),
        Field::UShort(number) => Cell::Integer(number.into()),
        Field::UInt(number) => Cell::Integer(number.into()),
        // Beyond `i64` the digits are kept, which is what an id needs.
        Field::ULong(number) => {
            i64::try_from(number).map_or_else(|_| Cell::Text(number.to_string()), Cell::Integer)
        }
        Field::Float16(number) => Cell::Float(number.into()),
        Field::Float(number) => Cell::from(number),
        Field::Double(number) => Cell::Float(number),
        Field::Str(text) => Cell::Text(text),
        Field::Bytes(bytes) => match String::from_utf8(bytes.data().to_vec()) {
            Ok(text) => Cell::Text(text),
            Err(_) => return Err("bytes that are not UTF-8"),
        },
        Field::Decimal(_)
        | Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_) => Cell::Text(field.to_string()),
        Field::ListInternal(list) => {
            let items = list.elements().iter().cloned().map(cell);
            Cell::List(items.collect::<Result<_, _>>()?)
        }
        Field::Group(row) => object(row)?,
        Field::MapInternal(map) => {
            let mut object = Map::new();
            for (key, value) in map.entries() {
                let key = cell(key.clone())?.to_string();
                object.insert(key, cell(value.clone())?.to_json());
            }
            Cell::Object(Value::Object(object).to_string())
        }
    })
}

fn object(row: Row) -> Result<Cell, &'static str> {
    let mut object = Map::new();
    for (name, field) in row.into_columns() {
        object.insert(name, cell(field)?.to_json());
    }
    Ok(Cell::Object(Value::Object(object).to_string()))
}

/// A file, or its bytes, from which no more is read than there is.
struct Source {
    place: Place,
    length: u64,
}

enum Place {
    File(File),
    Bytes(Bytes),
}

impl Source {
    fn new(contents: Contents<'_>) -> std::io::Result<Source> {
        Ok(match contents {
            Contents::File(file) => Source {
                length: file.metadata()?.len(),
                place: Place::File(file),
            },
            Contents::Bytes(bytes) => Source {
                length: bytes.len() as u64,
                place: Place::Bytes(Bytes::copy_from_slice(bytes)),
            },
        })
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Source {
    type T = Box<dyn Read>;

    /// What follows `start`, which is the header of a page or the end of the file.
    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        let start = start.min(self.length);
        let left = self.length - start;
        if left > FOOTER {
            self.check_page(start, left)?;
        }
        self.read_from(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let left = self.length.saturating_sub(start);
        if length as u64 > left {
            return Err(ParquetError::EOF(format!(
                "{length} bytes are wanted at {start}, and the file has {}",
                self.length
            )));
        }
        let mut bytes = vec![0; length];
        self.read_from(start)?.read_exact(&mut bytes)?;
        Ok(Bytes::from(bytes))
    }
}

impl Source {
    /// Refuses a footer that is not there, or is not what the format says.
    fn check_footer(&self) -> ParquetResult<()> {
        let none = || {
            let reason = "it does not end as Parquet does, so it is cut short or another format";
            Err(ParquetError::General(reason.to_owned()))
        };
        let Some(end) = self.length.checked_sub(FOOTER) else {
            return none();
        };
        match &self.get_bytes(end + 4, 4)?[..] {
            b"PAR1" => {}
            b"PARE" => {
                let reason = "it is encrypted, which is not read";
                return Err(ParquetError::General(reason.to_owned()));
            }
            _ => return none(),
        }
        let size = self.get_bytes(end, 4)?.get_u32_le();
        let Some(start) = end.checked_sub(size.into()) else {
            return Ok(());
        };
        let footer = self.get_bytes(start, usize::try_from(size)?)?;
        match thrift::check(&footer, layout::FILE) {
            Ok(()) => Ok(()),
            Err(fault) => Err(wrong("footer", fault)),
        }
    }

    /// Refuses the header of a page at `start`, with `left` bytes to the end of the file, that is not what the format says.
    fn check_page(&self, start: u64, left: u64) -> ParquetResult<()> {
        let (first, most) = PAGE_HEADER;
        let mut length = first;
        loop {
            let bytes = self.get_bytes(start, usize::try_from(length.min(left))?)?;
            match thrift::check(&bytes, layout::PAGE) {
                Ok(()) => return check_page(&bytes, self.length),
                Err(Fault::Ends) if length < left && length < most => length *= 4,
                Err(fault) => return Err(wrong("header of a page", fault)),
            }
        }
    }

    fn read_from(&self, start: u64) -> ParquetResult<Box<dyn Read>> {
        Ok(match &self.place {
            Place::File(file) => {
                let mut file = file.try_clone()?;
                file.seek(SeekFrom::Start(start))?;
                Box::new(BufReader::new(file))
            }
            Place::Bytes(bytes) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                Box::new(bytes.slice(start.min(bytes.len())..).reader())
            }
        })
    }
}

fn wrong(part: &str, fault: Fault) -> ParquetError {
    let what = match fault {
        Fault::Ends => "ends within a value",
        Fault::Wrong(what) => what,
    };
    ParquetError::General(format!("the {part} {what}"))
}

/// Refuses the header of a page that claims more than the file can hold: the crate would make room for it first.
///
/// A header is a Thrift struct in the compact protocol: type, size and compressed size as its fields 1 to 3, perhaps a checksum
/// as field 4, and for dictionaries, as field 7, a struct whose field 1 is the number of values.
fn check_page(header: &[u8], file: u64) -> ParquetResult<()> {
    const NEXT_INTEGER: u8 = 0x15;
    const DICTIONARY: u64 = 2;
    let wrong = |what: &str| Err(ParquetError::General(format!("a page {what}")));
    let mut rest = header;
    let mut integer = || -> Option<u64> {
        let after = rest.strip_prefix(&[NEXT_INTEGER])?;
        let (value, after) = varint(after)?;
        rest = after;
        // Zigzag: the lowest bit is the sign.
        (value & 1 == 0).then_some(value >> 1)
    };
    let (Some(kind), Some(size), Some(_)) = (integer(), integer(), integer()) else {
        return wrong("has no header where one should be");
    };
    if size > LARGE_PAGE && size > file.saturating_mul(ROWS.1) {
        return wrong(&format!("claims {size} bytes"));
    }
    if kind == DICTIONARY {
        let _checksum = integer();
        // Three or four fields on, a struct.
        rest = match rest {
            [0x3c | 0x4c, rest @ ..] => rest,
            _ => return wrong("has no header of a dictionary where one should be"),
        };
        let count = rest.strip_prefix(&[NEXT_INTEGER]).and_then(varint);
        match count {
            // Each value takes a byte at least.
            Some((count, _)) if count & 1 == 0 && count >> 1 <= size => {}
            _ => return wrong("claims more values than it has bytes"),
        }
    }
    Ok(())
}
