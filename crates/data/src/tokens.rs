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
    let unit = TokenUnit::of_texts(drafts.iter().map(Draft::first_texts))?;
    let mut form = Form::Letters;
    for draft in drafts {
        if draft
            .labels(column)?
            .any(|place| list::is_list(place.cell()))
        {
            form = Form::List;
        }
    }
    for draft in drafts {
        for (place, text) in draft.labels(column)?.zip(draft.first_texts().iter()) {
            let entries = form.entries(place)?;
            let expected = unit.count(&text?);
            if entries.len() != expected {
                return Err(Error::TokenCount {
                    origin: place.origin(),
                    column: place.column(),
                    found: entries.len(),
                    expected: unit.counted(expected),
                });
            }
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

/// How a column writes labels.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `0120` or `HHEC`.
    Letters,
    /// `[0, 1, 2, 0]`, `0,1,2,0`, `DET NOUN`.
    List,
}

impl Form {
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
fn is_unscored(item: &Cell) -> bool {
    match item {
        Cell::Missing | Cell::Integer(-100) => true,
        Cell::Float(number) => *number == -100.0,
        Cell::Text(text) => matches!(text.as_str(), "-100" | "-100.0"),
        _ => false,
    }
}
