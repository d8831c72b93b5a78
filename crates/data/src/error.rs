//! Everything that can be wrong with data, each as one sentence.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use engraft_component::{Refusal, nearest};

use crate::origin::Origin;

/// What was wrong with a file, a column, a row or an argument of a data module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `path` names nothing.
    #[error("{}: there is no such file or folder{}", path.display(), of_hub(path))]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, such as `read the file`.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The file's extension is none that can be read.
    #[error("{}: unknown kind of table{}; the extensions read are {known}", path.display(), looks_like(*looks))]
    UnknownExtension {
        /// The file.
        path: PathBuf,
        /// What it looks like, and an extension for that.
        looks: Option<[&'static str; 2]>,
        /// The extensions that can be read.
        known: String,
    },
    /// The file holds no bytes, or only white space.
    #[error("{}: the file is empty", path.display())]
    EmptyFile {
        /// The file.
        path: PathBuf,
    },
    /// The file holds a header, or an empty array, but no rows.
    #[error("{}: the file has no rows", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// The file is not text.
    #[error("{}:{line}: {reason}; is this a text file in UTF-8?", path.display())]
    Binary {
        /// The file.
        path: PathBuf,
        /// The line of the first offending byte.
        line: u64,
        /// What the byte is.
        reason: &'static str,
    },
    /// The file was cut short or is damaged.
    #[error("{}{}: {reason}", path.display(), line.map_or_else(String::new, |line| format!(":{line}")))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line that was reached, where lines are known.
        line: Option<u64>,
        /// What is wrong and what would fix it.
        reason: String,
    },
    /// Texts that do not fit into memory could not be kept in a temporary file.
    #[error("cannot {action} texts in a temporary file in {}: {source}. Set TMPDIR to a folder with room for the whole data set", folder.display())]
    Store {
        /// The folder of the file.
        folder: PathBuf,
        /// What was tried: `put` or `read back`.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// A record of a file is not as its format wants it.
    #[error("{origin}: {message}")]
    Record {
        /// The record, or the line within it.
        origin: Origin,
        /// What is wrong and what would fix it.
        message: String,
    },
    /// A row has more or fewer cells than the header.
    #[error("{origin}: expected {expected} cells as {like}, found {found}{}", open_quote(*lines))]
    Width {
        /// The row.
        origin: Origin,
        /// Cells in the header.
        expected: usize,
        /// Where their number comes from: `in the header`.
        like: &'static str,
        /// Cells in the row.
        found: usize,
        /// Lines of the file that the row spans.
        lines: u64,
    },
    /// Two columns have one name.
    #[error("{origin}: the header names the column \"{name}\" twice")]
    DuplicateColumn {
        /// The header.
        origin: Origin,
        /// The name.
        name: String,
    },
    /// The file is not the JSON it claims to be.
    #[error("{origin}: {message}")]
    Json {
        /// The file and line.
        origin: Origin,
        /// What is wrong.
        message: String,
    },
    /// A JSON row is something other than an object.
    #[error("{origin}: a row must be an object of column names and values, this one is {found}")]
    NotAnObject {
        /// The row.
        origin: Origin,
        /// What the row is.
        found: &'static str,
    },
    /// A column that the data module needs is not in the file.
    #[error("{}: no column \"{column}\" ({key}); the file has {available}{}", path.display(), suggest(nearest))]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The argument that names the column.
        key: &'static str,
        /// The column.
        column: String,
        /// The file's columns.
        available: String,
        /// The file's column that is spelled most alike.
        nearest: Option<String>,
    },
    /// A cell that must have a value has none.
    #[error("{origin}: the column \"{column}\" has no value in this row")]
    MissingCell {
        /// The row.
        origin: Origin,
        /// The column.
        column: String,
    },
    /// A cell holds something that the column's use does not allow.
    #[error("{origin}: the column \"{column}\" must hold text or a number, here it holds {found}")]
    WrongCell {
        /// The row.
        origin: Origin,
        /// The column.
        column: String,
        /// What the cell holds.
        found: &'static str,
    },
    /// A cell is not what a label must be.
    #[error("{origin}: the column \"{column}\" must hold {wanted}, here it holds {found}")]
    WrongLabel {
        /// The row.
        origin: Origin,
        /// The column.
        column: String,
        /// What a label must be.
        wanted: &'static str,
        /// The value, or the entry of a list, that is not.
        found: String,
    },
    /// A list of labels is empty, or not as long as that of the first row.
    #[error("{origin}: the column \"{column}\" holds a list of {}, {}", labels(*found), list_width(*expected))]
    ListLength {
        /// The row.
        origin: Origin,
        /// The column.
        column: String,
        /// Labels in this row.
        found: usize,
        /// Labels in the first row.
        expected: usize,
    },
    /// A row has more or fewer labels than letters or words.
    #[error("{origin}: the column \"{column}\" has {} for a text of {expected}", labels(*found))]
    TokenCount {
        /// The row.
        origin: Origin,
        /// The column of labels.
        column: String,
        /// Labels in this row.
        found: usize,
        /// What they are for, such as `5 letters`.
        expected: String,
    },
    /// A split that was asked for is not in the folder.
    #[error("{}: no {what}; there is {there}{}", path.display(), suggest(nearest))]
    MissingSplit {
        /// The folder, or the single file.
        path: PathBuf,
        /// What was looked for, such as `split named "dev" (valid_split_name)`.
        what: String,
        /// The files of the folder.
        there: String,
        /// The entry that is spelled most alike.
        nearest: Option<String>,
    },
    /// Several files could be the split.
    #[error("{}: {split} could be {candidates}; say which with {split}_split_files", path.display())]
    AmbiguousSplit {
        /// The folder.
        path: PathBuf,
        /// `train`, `valid` or `test`.
        split: &'static str,
        /// The files in question.
        candidates: String,
    },
    /// Nothing would be left of a split.
    #[error("{}: {message}", path.display())]
    EmptySplit {
        /// The file or folder.
        path: PathBuf,
        /// Which split, and why.
        message: String,
    },
    /// An argument of a data module has a value it cannot have.
    #[error("{key}: {message}")]
    Argument {
        /// The argument.
        key: String,
        /// What is wrong and what would fix it.
        message: String,
    },
    /// A prediction table cannot be written in the format that its name asks for.
    #[error("{}: unknown output format; tables are written as {known}", path.display())]
    UnknownOutput {
        /// The file.
        path: PathBuf,
        /// The extensions that can be written.
        known: String,
    },
    /// A table to be written has two columns of one name.
    #[error("{}: two columns would be named \"{name}\"; rename one of them", path.display())]
    DuplicateOutput {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A row given to a writer does not have the writer's columns.
    #[error("{}: row {row} has {found} values for {expected} columns", path.display())]
    OutputWidth {
        /// The file being written.
        path: PathBuf,
        /// The row, counted from 1.
        row: u64,
        /// Columns of the table.
        expected: usize,
        /// Values given.
        found: usize,
    },
}

impl Error {
    /// The row that is wrong, where a single one is.
    pub(crate) fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Record { origin, .. }
            | Self::Width { origin, .. }
            | Self::Json { origin, .. }
            | Self::NotAnObject { origin, .. }
            | Self::MissingCell { origin, .. }
            | Self::WrongCell { origin, .. }
            | Self::WrongLabel { origin, .. }
            | Self::ListLength { origin, .. }
            | Self::TokenCount { origin, .. } => Some(origin),
            _ => None,
        }
    }

    /// What is refused, where an argument of the data module is to blame rather than a file.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Argument { key, message } => {
                Some(Refusal::of(key.as_str(), message.as_str()).within("data"))
            }
            _ => None,
        }
    }
}

fn looks_like(looks: Option<[&'static str; 2]>) -> String {
    match looks {
        Some([format, extension]) => {
            format!(". It looks like {format}: give it a name that ends in {extension}")
        }
        None => String::new(),
    }
}

fn suggest(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!(". Did you mean \"{name}\"?"),
        None => String::new(),
    }
}

fn labels(count: usize) -> String {
    format!("{count} label{}", if count == 1 { "" } else { "s" })
}

fn list_width(expected: usize) -> String {
    match expected {
        0 => "but at least one is needed".to_owned(),
        _ => format!("that of the first row has {expected}"),
    }
}

fn open_quote(lines: u64) -> String {
    match lines {
        0 | 1 => String::new(),
        _ => format!(" (the row spans {lines} lines; is a quote left open?)"),
    }
}

/// `"a", "b" and 3 more`, for messages; `nothing` when there is none.
pub(crate) fn list<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 20;
    let quoted = |name: &S| format!("\"{}\"", name.as_ref());
    let shown: Vec<String> = names.iter().take(SHOWN).map(quoted).collect();
    match names.len() {
        0 => "nothing".to_owned(),
        length if length > SHOWN => format!("{} and {} more", shown.join(", "), length - SHOWN),
        _ => shown.join(", "),
    }
}

/// The argument `key` has a value that it cannot have.
pub(crate) fn argument(key: &str, message: impl Into<String>) -> Error {
    Error::Argument {
        key: key.to_owned(),
        message: message.into(),
    }
}

/// What to do with a name of a hub where a file is wanted.
fn of_hub(path: &Path) -> String {
    match path.to_str().filter(|path| path.starts_with("hf://")) {
        Some(name) => format!(
            "; of a hub only whole data sets are read, as data.path: `engraft download {name}` brings its files, and says where they are"
        ),
        None => String::new(),
    }
}

/// Refuses names of the argument `key` of which one is given twice.
pub(crate) fn once<N: AsRef<str>>(
    key: &str,
    names: impl IntoIterator<Item = N>,
) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for name in names {
        let name = name.as_ref();
        if !seen.insert(name.to_owned()) {
            return Err(argument(key, format!("\"{name}\" is given twice")));
        }
    }
    Ok(())
}

/// A file does not have the column that the argument `key` names; `there` are those it has.
pub(crate) fn missing_column(path: &Path, key: &'static str, name: &str, there: &[&str]) -> Error {
    Error::MissingColumn {
        path: path.to_path_buf(),
        key,
        column: name.to_owned(),
        available: list(there),
        nearest: nearest(name, there.iter().copied()).map(str::to_owned),
    }
}

/// The record that begins at `origin` is not as its format wants it.
pub(crate) fn record(origin: &Origin, message: impl Into<String>) -> Error {
    Error::Record {
        origin: origin.clone(),
        message: message.into(),
    }
}
