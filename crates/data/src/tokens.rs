//! Labels of letters or words.
//!
//! How a column writes them is decided once for all splits: as lists if any of its cells is a list
//! or has commas or white space in it, else as one letter for each label.

use crate::cell::Cell;
use crate::draft::{Draft, Place};
use crate::error::Error;
use crate::labels::{Label, Labels};
use crate::list;
use crate::unit::TokenUnit;

/// The token labels of each split.
///
/// # Errors
/// The column is missing, a cell is not a list of labels or a text of letters, or it has more or
/// fewer labels than its row has letters (or words).
pub(crate) fn read(column: &str, drafts: &[Draft]) -> Result<Vec<Labels>, Error> {
    let (unit, form) = (unit_of(drafts)?, Form::of(column, drafts)?);
    for draft in drafts {
        for (place, count) in draft.labels(column)?.zip(draft.first_texts().counts(unit)) {
            form.entries_of(place, unit, count?)?;
        }
    }
    let label = |entry: Option<Cell>| entry.and_then(|entry| Label::of(&entry));
    let row = |place: Place| -> Result<Vec<Option<Label>>, Error> {
        Ok(form.entries(place)?.into_iter().map(label).collect())
    };
    drafts
        .iter()
        .map(|draft| {
            let rows = draft.labels(column)?.map(row).collect::<Result<_, _>>()?;
            Ok(Labels::Tokens { unit, rows })
        })
        .collect()
}

/// The rows of each split whose labels cannot be read, by their numbers there, with what is wrong with each.
///
/// # Errors
/// The column is missing, or a text cannot be read.
pub(crate) fn problems(column: &str, drafts: &[Draft]) -> Result<Vec<Vec<(usize, Error)>>, Error> {
    let (unit, form) = (unit_of(drafts)?, Form::of(column, drafts)?);
    let mut all = vec![];
    for draft in drafts {
        let mut found = vec![];
        let rows = draft.labels(column)?.zip(draft.first_texts().counts(unit));
        for (row, (place, count)) in rows.enumerate() {
            if let Err(error) = form.entries_of(place, unit, count?) {
                found.push((row, error));
            }
        }
        all.push(found);
    }
    Ok(all)
}

/// What labels stand beside, in all splits.
pub(crate) fn unit_of(drafts: &[Draft]) -> Result<TokenUnit, Error> {
    TokenUnit::of_texts(drafts.iter().map(Draft::first_texts))
}

/// How a column writes labels.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `0120` or `HHEC`.
    Letters,
    /// `[0, 1, 2, 0]`, `0,1,2,0`, `DET NOUN`.
    List,
}

impl Form {
    /// That of a column in all splits.
    fn of(column: &str, drafts: &[Draft]) -> Result<Form, Error> {
        for draft in drafts {
            let mut places = draft.labels(column)?;
            if places.any(|place| list::is_list(place.cell())) {
                return Ok(Form::List);
            }
        }
        Ok(Form::Letters)
    }

    /// The labels of a cell, as many as the `expected` units of its text.
    fn entries_of(
        self,
        place: Place,
        unit: TokenUnit,
        expected: usize,
    ) -> Result<Vec<Option<Cell>>, Error> {
        let entries = self.entries(place)?;
        if entries.len() == expected {
            return Ok(entries);
        }
        Err(Error::TokenCount {
            origin: place.origin(),
            column: place.column(),
            found: entries.len(),
            expected: unit.counted(expected),
        })
    }

    /// The labels of a cell; nothing for those that are not scored.
    fn entries(self, place: Place) -> Result<Vec<Option<Cell>>, Error> {
        const WANTED: &str = "a text with a letter for each label, or a list of labels";
        let cell = place.filled()?;
        let no_list = || place.wrong_label(WANTED, cell);
        match (self, list::items(cell), cell) {
            (Form::Letters, _, Cell::Text(text)) => {
                let letter = |letter: char| Some(Cell::Text(letter.to_string()));
                Ok(text.trim().chars().map(letter).collect())
            }
            (_, Some(items), _) => items.into_iter().map(|item| entry(place, item)).collect(),
            (Form::List, None, Cell::Text(text)) => list::separated(text)
                .map(|item| entry(place, Cell::from(item)))
                .collect(),
            _ => Err(no_list()),
        }
    }
}

fn entry(place: Place, item: Cell) -> Result<Option<Cell>, Error> {
    match &item {
        _ if is_unscored(&item) => Ok(None),
        Cell::Text(text) if text.is_empty() => {
            Err(place.wrong_label("labels (-100 for what is not scored)", &item))
        }
        Cell::List(_) | Cell::Object(_) => {
            Err(place.wrong_label("single labels in its list", &item))
        }
        _ => Ok(Some(item)),
    }
}

/// Whether this stands for a letter or word that is not scored.
pub(crate) fn is_unscored(item: &Cell) -> bool {
    match item {
        Cell::Missing | Cell::Integer(-100) => true,
        Cell::Float(number) => *number == -100.0,
        Cell::Text(text) => matches!(text.as_str(), "-100" | "-100.0"),
        _ => false,
    }
}
