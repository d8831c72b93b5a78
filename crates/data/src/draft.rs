//! What is read of a split's rows without knowing the other splits: everything but labels.

use crate::cell::Cell;
use crate::error::Error;
use crate::examples::Examples;
use crate::origin::Origin;
use crate::roles::{DEFAULT_ID, Roles};
use crate::shares::Share;
use crate::table::{Column, Table};
use crate::texts::{Text, Texts};

/// A split whose labels are still cells: what they mean is known only when those of all splits
/// are read.
pub(crate) struct Draft<'a> {
    /// `train`, `valid` or `test`.
    pub(crate) split: &'static str,
    share: &'a Share,
    /// The rows without labels.
    pub(crate) examples: Examples,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(
        split: &'static str,
        share: &'a Share,
        roles: &Roles,
    ) -> Result<Draft<'a>, Error> {
        let Share { table, rows } = share;
        let texts = roles.texts.iter().map(|name| {
            let column = text_column(table, name, roles)?;
            let text = |place: Place| place.text(roles.of_tokens());
            Place::each(table, column, rows).map(text).collect()
        });
        let examples = Examples {
            texts: texts.collect::<Result<_, _>>()?,
            ids: Some(ids(table, rows, roles)?),
            labels: None,
            extra: extra(table, rows, roles)?,
            origins: rows.iter().map(|row| table.origin(*row)).collect(),
        };
        Ok(Draft {
            split,
            share,
            examples,
        })
    }

    /// Whether the file has this column.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.share.table.column(name).is_some()
    }

    /// The cells of a column of labels, one for each row.
    pub(crate) fn labels(&self, name: &str) -> Result<impl Iterator<Item = Place<'a>>, Error> {
        let column = self.share.table.required(name, "y_col")?;
        Ok(Place::each(&self.share.table, column, &self.share.rows))
    }

    /// The texts of the first, or only, segment.
    pub(crate) fn first_texts(&self) -> &Texts {
        static NONE: Texts = Texts::none();
        self.examples.texts.first().unwrap_or(&NONE)
    }
}

/// A cell, and where it is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    table: &'a Table,
    column: &'a Column,
    row: usize,
}

impl<'a> Place<'a> {
    pub(crate) fn each(
        table: &'a Table,
        column: &'a Column,
        rows: &'a [usize],
    ) -> impl Iterator<Item = Place<'a>> {
        rows.iter().map(move |row| Place {
            table,
            column,
            row: *row,
        })
    }

    pub(crate) fn cell(self) -> &'a Cell {
        self.column.cells.get(self.row).unwrap_or(&Cell::Missing)
    }

    pub(crate) fn origin(self) -> Origin {
        self.table.origin(self.row)
    }

    pub(crate) fn column(self) -> String {
        self.column.name.clone()
    }

    /// The text of the cell, possibly empty, and without white space around it if it is `trimmed`. What is stored stays there.
    fn text(self, trimmed: bool) -> Result<Text, Error> {
        if let Cell::Stored(text) = self.cell() {
            if !trimmed {
                return Ok(Text::Stored(text.clone()));
            }
            let whole = text.read()?;
            let start = whole.len() - whole.trim_start().len();
            return Ok(Text::Stored(text.part(start, whole.trim().len())));
        }
        let text = self.cell().text().ok_or_else(|| self.neither_text())?;
        Ok(Text::Held(if trimmed {
            text.trim().to_owned()
        } else {
            text
        }))
    }

    /// The cell, which must have a value.
    pub(crate) fn filled(self) -> Result<&'a Cell, Error> {
        let is_blank = match self.cell() {
            Cell::Missing => true,
            Cell::Text(text) => text.trim().is_empty(),
            _ => false,
        };
        if is_blank {
            return Err(Error::MissingCell {
                origin: self.origin(),
                column: self.column(),
            });
        }
        Ok(self.cell())
    }

    /// The error that the cell is missing, or no text and no number.
    pub(crate) fn neither_text(self) -> Error {
        let wrong = |cell: &Cell| Error::WrongCell {
            origin: self.origin(),
            column: self.column(),
            found: cell.kind(),
        };
        self.filled().map_or_else(|missing| missing, wrong)
    }

    /// The error that the cell, or this entry of it, is not what a label must be.
    pub(crate) fn wrong_label(self, wanted: &'static str, found: &Cell) -> Error {
        Error::WrongLabel {
            origin: self.origin(),
            column: self.column(),
            wanted,
            found: found.shown(),
        }
    }
}

/// A text column by the name it has in the file, or by the name it is given.
fn text_column<'a>(table: &'a Table, name: &str, roles: &Roles) -> Result<&'a Column, Error> {
    let renamed = || {
        let pairs = roles.rename.into_iter().flatten();
        pairs
            .filter(|(_, to)| *to == name)
            .find_map(|(from, _)| table.column(from))
    };
    // A format with just one column of texts gives it its own name, whatever a data module expects it to be called.
    let only = || {
        let is_expected = ["sequence", "sequences", "text", "texts"].contains(&name);
        table.column(table.text_column.filter(|_| is_expected)?)
    };
    match table.column(name).or_else(renamed).or_else(only) {
        Some(column) => Ok(column),
        None => table.required(name, roles.key_of(name)),
    }
}

fn ids(table: &Table, rows: &[usize], roles: &Roles) -> Result<Vec<String>, Error> {
    let column = match table.column(roles.id) {
        None if roles.id == DEFAULT_ID => return Ok(rows.iter().map(usize::to_string).collect()),
        None => table.required(roles.id, "id_col")?,
        Some(column) => column,
    };
    let id = |place: Place| Ok(place.text(false)?.read()?.into_owned());
    Place::each(table, column, rows).map(id).collect()
}

fn extra(table: &Table, rows: &[usize], roles: &Roles) -> Result<Vec<(String, Vec<Cell>)>, Error> {
    let mut columns = vec![];
    for carried in &roles.extra {
        let column = table.required(carried.column, carried.key)?;
        let cells = rows
            .iter()
            .filter_map(|row| column.cells.get(*row).cloned());
        columns.push((carried.name.to_owned(), cells.collect()));
    }
    if roles.uid {
        let uids = rows.iter().map(|row| Cell::Integer(*row as i64));
        columns.push(("uid".to_owned(), uids.collect()));
    }
    Ok(columns)
}
