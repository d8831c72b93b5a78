//! What is read of a split's rows without knowing the other splits: everything but labels.

use std::collections::HashSet;

use crate::cell::Cell;
use crate::error::Error;
use crate::examples::Examples;
use crate::list;
use crate::origin::Origin;
use crate::roles::{DEFAULT_ID, Roles};
use crate::shares::Share;
use crate::skipped::SkippedRow;
use crate::table::{Column, Table, pick};
use crate::texts::{Text, Texts};

/// A split whose labels are still cells: what they mean is known only when those of all splits
/// are read.
pub(crate) struct Draft<'a> {
    /// `train`, `valid` or `test`.
    pub(crate) split: &'static str,
    table: &'a Table,
    rows: Vec<usize>,
    /// The rows without labels.
    pub(crate) examples: Examples,
}

impl<'a> Draft<'a> {
    /// The rows of a share; with `skipped`, those without a text or an id are left out and added there.
    pub(crate) fn new(
        split: &'static str,
        share: &'a Share,
        roles: &Roles,
        skipped: Option<&mut Vec<SkippedRow>>,
    ) -> Result<Draft<'a>, Error> {
        let (table, mut rows) = (&*share.table, share.rows.clone());
        if let Some(skipped) = skipped {
            let bad = problems(table, &rows, roles)?;
            let kept = kept(rows.len(), bad, skipped)?;
            rows = pick(&rows, &kept);
        }
        let texts = roles.texts.iter().map(|name| {
            let column = text_column(table, name, roles)?;
            let text = |place: Place| place.text(roles.of_tokens());
            Place::each(table, column, &rows).map(text).collect()
        });
        let names = roles.texts.iter().map(|name| roles.renamed(name));
        let texts: Vec<Texts> = texts.collect::<Result<_, _>>()?;
        let alignments = match (&roles.alignment, texts.first()) {
            (Some(alignment), Some(texts)) => Some(alignment.read(table, &rows, texts)?),
            _ => None,
        };
        let examples = Examples {
            texts,
            alignments,
            names: names.map(str::to_owned).collect(),
            ids: Some(ids(table, &rows, roles)?),
            labels: None,
            tokens: None,
            weights: None,
            batches: None,
            extra: extra(table, &rows, roles)?,
            origins: rows.iter().map(|row| table.origin(*row)).collect(),
        };
        Ok(Draft {
            split,
            table,
            rows,
            examples,
        })
    }

    /// Leaves out rows that something is wrong with, each by its number here, and adds them to `skipped`.
    ///
    /// # Errors
    /// They are more than half of all.
    pub(crate) fn skip(
        &mut self,
        bad: Vec<(usize, Error)>,
        skipped: &mut Vec<SkippedRow>,
    ) -> Result<(), Error> {
        if bad.is_empty() {
            return Ok(());
        }
        let kept = kept(self.rows.len(), bad, skipped)?;
        self.rows = pick(&self.rows, &kept);
        self.examples = self.examples.select(&kept);
        Ok(())
    }

    /// Whether the file has this column.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.table.column(name).is_some()
    }

    /// The cells of a column of labels, one for each row.
    pub(crate) fn labels(&self, name: &str) -> Result<impl Iterator<Item = Place<'a>>, Error> {
        let column = self.table.required(name, "y_col")?;
        Ok(Place::each(self.table, column, &self.rows))
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
    pub(crate) table: &'a Table,
    pub(crate) column: &'a Column,
    pub(crate) row: usize,
}

impl<'a> Place<'a> {
    pub(crate) fn each<'r>(
        table: &'a Table,
        column: &'a Column,
        rows: &'r [usize],
    ) -> impl Iterator<Item = Place<'a>> + use<'a, 'r> {
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

    /// The text of the cell, possibly empty. Where letters or words have labels, `of_tokens`, white space around it is left out, and it
    /// may be a list of words. What is stored stays there.
    pub(crate) fn text(self, of_tokens: bool) -> Result<Text, Error> {
        let cell = self.cell();
        if !of_tokens {
            return match cell {
                Cell::Stored(text) => Ok(Text::Stored(text.clone())),
                _ => Ok(Text::Held(cell.text().ok_or_else(|| self.no_text())?)),
            };
        }
        if let Some(words) = list::texts(&*cell.loaded()?) {
            return Ok(Text::Words(words.into_iter().collect()));
        }
        match cell {
            Cell::Stored(text) => {
                let whole = text.read()?;
                let start = whole.len() - whole.trim_start().len();
                Ok(Text::Stored(text.part(start, whole.trim().len())))
            }
            _ => {
                let text = cell.text().ok_or_else(|| self.no_text())?;
                Ok(Text::Held(text.trim().to_owned()))
            }
        }
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

    /// The text of the cell, which must have a value. What is stored stays there.
    pub(crate) fn text_to_write(self) -> Result<Text, Error> {
        self.filled()?;
        self.text(false)
    }

    /// The cell as it is written, which must have a value.
    pub(crate) fn filled_text(self) -> Result<String, Error> {
        Ok(self.filled()?.loaded()?.to_string())
    }

    /// The error that the cell is missing, or no text and no number.
    pub(crate) fn neither_text(self) -> Error {
        self.wrong_kind(Cell::kind)
    }

    /// The error that the cell is none of the texts that a model reads.
    fn no_text(self) -> Error {
        self.wrong_kind(|cell| match cell {
            Cell::List(items) if items.iter().any(|item| item.text().is_none()) => {
                "a list with entries that are no texts"
            }
            Cell::List(_) => {
                "a list, which TokenClassificationDataModule reads as words and extra_cols carries along"
            }
            other => other.kind(),
        })
    }

    fn wrong_kind(self, kind: impl Fn(&Cell) -> &'static str) -> Error {
        let wrong = |cell: &Cell| Error::WrongCell {
            origin: self.origin(),
            column: self.column(),
            found: kind(cell),
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

/// The rows whose texts or ids cannot be read, by their places in `rows`, with the first thing that is wrong with each.
fn problems(table: &Table, rows: &[usize], roles: &Roles) -> Result<Vec<(usize, Error)>, Error> {
    let texts = roles.texts.iter();
    let texts = texts.map(|name| Ok((text_column(table, name, roles)?, roles.of_tokens())));
    let mut columns = texts.collect::<Result<Vec<_>, Error>>()?;
    columns.extend(id_column(table, roles)?.map(|column| (column, false)));
    let mut problems = vec![];
    let mut width = None;
    let first = roles.texts.first();
    let first = first.map(|name| text_column(table, name, roles));
    let first = first.transpose()?;
    let aligned = |row: usize, width: &mut Option<usize>| match (&roles.alignment, first) {
        (Some(alignment), Some(column)) => {
            let text = Place { table, column, row }.text(roles.of_tokens())?;
            alignment.check(table, row, &text.read()?, width)
        }
        _ => Ok(()),
    };
    for (at, row) in rows.iter().enumerate() {
        let mut texts = columns.iter().map(|(column, trimmed)| {
            let row = *row;
            Place { table, column, row }.text(*trimmed)
        });
        let wrong = texts.find_map(Result::err);
        match wrong.or_else(|| aligned(*row, &mut width).err()) {
            // A temporary file that cannot be read is no fault of a row.
            Some(error) if error.origin().is_none() => return Err(error),
            Some(error) => problems.push((at, error)),
            None => {}
        }
    }
    Ok(problems)
}

/// The places of all rows but the bad ones, which are added to `skipped`.
pub(crate) fn kept(
    rows: usize,
    bad: Vec<(usize, Error)>,
    skipped: &mut Vec<SkippedRow>,
) -> Result<Vec<usize>, Error> {
    let (places, errors): (HashSet<usize>, Vec<Error>) = bad.into_iter().unzip();
    let found: Vec<SkippedRow> = errors.iter().filter_map(SkippedRow::of).collect();
    if let Some(error) = SkippedRow::too_many(&found, rows) {
        return Err(error);
    }
    skipped.extend(found);
    Ok((0..rows).filter(|row| !places.contains(row)).collect())
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

/// The column of ids; none where there need not be one.
fn id_column<'a>(table: &'a Table, roles: &Roles) -> Result<Option<&'a Column>, Error> {
    match table.column(roles.id) {
        None if roles.id == DEFAULT_ID => Ok(None),
        None => table.required(roles.id, "id_col").map(Some),
        column => Ok(column),
    }
}

fn ids(table: &Table, rows: &[usize], roles: &Roles) -> Result<Vec<String>, Error> {
    let Some(column) = id_column(table, roles)? else {
        return Ok(rows.iter().map(usize::to_string).collect());
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
