//! What a file of rows, or a folder of split files, holds: which splits, which columns, and what is in them.
//!
//! For proposing an experiment. Nothing is decided here; whoever proposes sees what there is.

mod column;
mod letters;

use std::path::{Path, PathBuf};

pub use column::{ColumnSurvey, Content, Lengths, Values};
pub use letters::Alphabet;
pub(crate) use letters::Letters;

use crate::arguments::Source;
use crate::cell::Cell;
use crate::error::Error;
use crate::layout::{self, Layout};
use crate::list;
use crate::read::{Format, ReaderOptions, read_table, read_tables};
use crate::table::Table;
use crate::unit::TokenUnit;

/// What a file of rows, or a folder of split files, holds.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The file or folder.
    pub path: PathBuf,
    /// The file of the training, validation and test split; none for one file, which is divided by seed.
    pub splits: Option<[Option<SplitSurvey>; 3]>,
    /// The rows to train on; of one file all of them.
    pub rows: usize,
    /// The columns of these rows, in the order of the file.
    pub columns: Vec<ColumnSurvey>,
    /// What the user should know of how the files were read.
    pub notes: Vec<String>,
    tables: Vec<Table>,
}

/// The file of one split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitSurvey {
    /// The name of the file without its extension, by which a data module finds it.
    pub name: String,
    /// Its rows.
    pub rows: usize,
}

/// Reads a file or folder and looks at each column. A folder of one table, whatever its name, is that table.
///
/// # Errors
/// There is no such file or folder, a file cannot be read, or the folder has no file of training rows.
pub fn survey(path: &Path) -> Result<Survey, Error> {
    let source = Source::new(path);
    if !path.exists() {
        return Err(Error::NotFound {
            path: path.to_path_buf(),
        });
    }
    let folder = match layout::find(&source, &mut vec![])? {
        Layout::Files(files) => {
            let tables = vec![read_tables(&files, &ReaderOptions::default())?];
            return Ok(Survey::of(path, None, tables));
        }
        Layout::Folder(folder) => folder,
    };
    let Some(train) = &folder.train else {
        let is_table = |name: &&String| Format::of(Path::new(name)).is_some();
        let tables: Vec<&String> = folder.there.iter().filter(is_table).collect();
        if let [only] = tables.as_slice() {
            return self::survey(&folder.path.join(only));
        }
        let nearest = tables.iter().find(|name| name.contains("train"));
        let what = "file of training rows, such as train.tsv".to_owned();
        return Err(folder.missing(what, nearest.map(|name| (*name).clone())));
    };
    let read = |files: &[PathBuf]| -> Result<Vec<Table>, Error> {
        let tables = files.iter();
        tables
            .map(|file| read_table(file, &ReaderOptions::default()))
            .collect()
    };
    let tables = read(train)?;
    let named = |files: &[PathBuf], tables: &[Table]| {
        let name = files.first().and_then(|file| file.file_name());
        let name = name.unwrap_or_default().to_string_lossy();
        // The names by which splits are found have no dots, whatever extensions follow.
        let stem = name.split('.').next().unwrap_or_default();
        SplitSurvey {
            name: stem.to_owned(),
            rows: tables.iter().map(Table::len).sum(),
        }
    };
    let other = |files: &Option<Vec<PathBuf>>| -> Result<Option<SplitSurvey>, Error> {
        let files = files.as_deref();
        let split = files.map(|files| Ok(named(files, &read(files)?)));
        split.transpose()
    };
    let splits = [
        Some(named(train, &tables)),
        other(&folder.valid)?,
        other(&folder.test)?,
    ];
    Ok(Survey::of(path, Some(splits), tables))
}

impl Survey {
    fn of(path: &Path, splits: Option<[Option<SplitSurvey>; 3]>, tables: Vec<Table>) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for name in tables.iter().flat_map(Table::names) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let columns = names
            .iter()
            .map(|name| ColumnSurvey::of(name, cells(&tables, name)))
            .collect();
        Survey {
            path: path.to_path_buf(),
            splits,
            rows: tables.iter().map(Table::len).sum(),
            columns,
            notes: tables.iter().flat_map(|it| it.notes.clone()).collect(),
            tables,
        }
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&ColumnSurvey> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// What each label of the column `labels` stands beside, if every row has as many as the text in `texts` has letters or words.
    pub fn token_labels(&self, texts: &str, labels: &str) -> Option<TokenUnit> {
        let text_of = |cell: &Cell| cell.text().map(|text| text.trim().to_owned());
        // Texts may be more than fit into memory, so they are gone through again instead of gathered.
        let all = || cells(&self.tables, texts).map(text_of);
        let unit = TokenUnit::of(all().flatten());
        let lists = cells(&self.tables, labels).any(list::is_list);
        let count = |cell: &Cell| match (list::items(cell), cell.text()) {
            (Some(items), _) => Some(items.len()),
            (None, Some(text)) if lists => Some(list::separated(text.trim()).count()),
            (None, Some(text)) => Some(text.trim().chars().count()),
            (None, None) => None,
        };
        let mut rows = all().zip(cells(&self.tables, labels));
        let fits = rows.all(|(text, labels)| {
            let text = text.as_deref().map(|text| unit.count(text));
            text.is_some() && text == count(labels)
        });
        // Texts of one letter have labels of one letter whatever they are.
        let longest = all().flatten().map(|text| unit.count(&text)).max();
        (fits && longest > Some(1)).then_some(unit)
    }
}

/// The cells of a column in all tables; missing ones for a table that has no such column.
fn cells<'a>(tables: &'a [Table], name: &'a str) -> impl Iterator<Item = &'a Cell> {
    tables.iter().flat_map(move |table| {
        let column = table.column(name).map(|column| column.cells.as_slice());
        let missing = match column {
            Some(_) => 0,
            None => table.len(),
        };
        let absent = std::iter::repeat_n(&Cell::Missing, missing);
        column.unwrap_or_default().iter().chain(absent)
    })
}

#[cfg(test)]
mod tests;
