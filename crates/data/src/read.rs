//! Reading tables from files: which format each is in, and the checks that all formats share.

mod arguments;
mod delimited;
mod fasta;
mod fastq;
mod format;
mod header;
mod json;
mod open;
mod parquet;
mod plain;
mod remarks;
mod structures;
mod text;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::builder::{TEXT_MEMORY, TableBuilder};
use crate::error::{self, Error, missing_column};
use crate::skipped::{OnBadRow, SkippedRow};
use crate::table::Table;

pub use arguments::{Header, Quote, ReaderArguments, SampleBy};
pub(crate) use format::Compression;
pub use format::Format;
use open::Contents;
use text::TextReader;

/// How tables are read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReaderOptions {
    /// The format; by default the one that the file's extension stands for.
    pub format: Option<Format>,
    /// What the user says of how files are read.
    pub arguments: ReaderArguments,
    /// Columns whose cells all stay in memory.
    pub held: Vec<String>,
    /// Columns of nested lists, which are read one by one: their cells are JSON texts.
    pub packed: Vec<String>,
    /// What is done with a row that cannot be read.
    pub on_bad_row: OnBadRow,
    /// Bytes of text that stay in memory; the texts of a table that has more lie in a temporary file.
    pub text_memory: usize,
}

impl Default for ReaderOptions {
    fn default() -> ReaderOptions {
        ReaderOptions {
            format: None,
            arguments: ReaderArguments::default(),
            held: vec![],
            packed: vec![],
            on_bad_row: OnBadRow::Refuse,
            text_memory: TEXT_MEMORY,
        }
    }
}

/// Reads all rows of a file.
///
/// What is compressed by gzip or Zstandard is read as what it holds. In texts, a byte order mark
/// is skipped, lines may end in any of the three ways, and blank lines outside quotes are no rows.
///
/// # Errors
/// The file is missing, unreadable, empty, without rows, binary, of an unknown extension, cut
/// short, or not well formed; the message names the line.
pub fn read_table(path: &Path, options: &ReaderOptions) -> Result<Table, Error> {
    read_tables(&[path.to_path_buf()], options)
}

/// Reads all rows of several files into one table. A column that a file does not have is missing
/// in its rows.
///
/// # Errors
/// Those of [`read_table`].
pub(crate) fn read_tables(paths: &[PathBuf], options: &ReaderOptions) -> Result<Table, Error> {
    let mut builder = builder(options)?;
    for path in paths {
        read_into(path, Contents::open(path)?, options, &mut builder)?;
    }
    builder.finish()
}

/// Reads all rows of a file that is in memory, and is called `name`.
///
/// # Errors
/// Those of [`read_table`].
pub fn table_of_bytes(name: &Path, bytes: &[u8], options: &ReaderOptions) -> Result<Table, Error> {
    let mut builder = builder(options)?;
    read_into(name, Contents::Bytes(bytes), options, &mut builder)?;
    builder.finish()
}

fn builder(options: &ReaderOptions) -> Result<TableBuilder, Error> {
    options.arguments.check()?;
    let only = options.arguments.columns.as_deref();
    let builder = TableBuilder::new(options.text_memory, &options.held, only);
    let builder = builder.packing(&options.packed);
    Ok(builder.on_bad_row(options.on_bad_row))
}

fn read_into(
    path: &Path,
    mut contents: Contents<'_>,
    options: &ReaderOptions,
    builder: &mut TableBuilder,
) -> Result<(), Error> {
    let format = options.format.or_else(|| Format::of(path));
    let Some(format) = format else {
        return Err(Error::UnknownExtension {
            path: path.to_path_buf(),
            looks: looks_like(contents, path),
            known: Format::known(),
        });
    };
    let arguments = &options.arguments;
    arguments.check_for(format)?;
    let file: Arc<Path> = Arc::from(path);
    builder.begin_file();
    let (before, skipped) = (builder.rows(), builder.skipped().len());
    let has_content = if format == Format::Parquet {
        if contents.compression(path)?.is_some() {
            contents = unpacked(contents, path)?;
        }
        let has_content = !contents.is_empty(path)?;
        if has_content {
            parquet::read(contents, &file, builder)?;
        }
        has_content
    } else {
        let contents = contents.decompressed(path)?;
        let mut reader = match format {
            Format::Fasta => TextReader::of_records(contents, file, b">"),
            Format::Fastq => TextReader::of_records(contents, file, b"@+"),
            _ => TextReader::new(contents, file),
        };
        let text = &mut reader;
        let dialect = |delimiter| delimited::Dialect::new(delimiter, arguments);
        let result = match format {
            Format::Csv => delimited::read(text, &dialect(b',')?, builder),
            Format::Tsv => delimited::read(text, &dialect(b'\t')?, builder),
            Format::Json => json::read(text, builder),
            Format::Fasta => fasta::read(text, arguments, builder),
            Format::Fastq => fastq::read(text, arguments, builder),
            Format::Ct | Format::Bpseq | Format::DotBracket => {
                structures::read(text, format, builder)
            }
            Format::Text | Format::Parquet => plain::read(text, arguments, builder),
        };
        reader.finish(result)?
    };
    if !has_content {
        return Err(Error::EmptyFile {
            path: path.to_path_buf(),
        });
    }
    if let Some(missing) = builder.unseen() {
        let key = "extra_reader_kwargs.columns";
        return Err(missing_column(path, key, missing, &builder.seen()));
    }
    let rows = builder.rows() - before;
    let bad = builder.bad();
    if let Some(error) = SkippedRow::too_many(bad, rows + bad.len()) {
        return Err(error);
    }
    if rows > 0 {
        return Ok(());
    }
    // Of a file of nothing but empty records, the first says what is wrong.
    Err(match builder.skipped().get(skipped) {
        Some(SkippedRow { origin, problem }) => error::record(origin, problem.as_str()),
        None => Error::NoRows {
            path: path.to_path_buf(),
        },
    })
}

/// What contents look like by how they begin, and an extension for that.
fn looks_like(contents: Contents<'_>, path: &Path) -> Option<[&'static str; 2]> {
    let mut start = [0; 4];
    let mut bytes = contents.decompressed(path).ok()?;
    io::Read::read_exact(&mut bytes, &mut start).ok()?;
    match &start {
        b"PAR1" => Some(["Parquet", ".parquet"]),
        [b'>', ..] => Some(["FASTA", ".fasta"]),
        [b'@', ..] => Some(["FASTQ", ".fastq"]),
        [b'{', ..] => Some(["JSON lines", ".jsonl"]),
        _ => None,
    }
}

/// The contents of a compressed file, in a temporary one: the parts of a Parquet file are not read in their order.
fn unpacked(contents: Contents<'_>, path: &Path) -> Result<Contents<'static>, Error> {
    let folder = std::env::temp_dir();
    let failed = |source: io::Error| Error::Store {
        folder: folder.clone(),
        action: "put",
        source,
    };
    let mut file = tempfile::tempfile_in(&folder).map_err(failed)?;
    let mut bytes = contents.decompressed(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = io::Read::read(&mut bytes, &mut buffer);
        match read {
            Ok(0) => return Ok(Contents::File(file)),
            Ok(count) => io::Write::write_all(&mut file, &buffer[..count]).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(open::read_failed(path, error)),
        }
    }
}

#[cfg(test)]
mod tests;
