//! From the cells of label columns to labels, of all splits at once.

use crate::cell::Cell;
use crate::draft::{Draft, Place};
use crate::error::Error;
use crate::labels::{Label, Labels};
use crate::list;
use crate::pairs;
use crate::roles::{LabelKind, LabelRole};
use crate::tokens;

/// The labels of each split, all of one kind.
///
/// # Errors
/// A column is missing, or a cell has no value or one that it cannot have.
pub(crate) fn read(role: &LabelRole, drafts: &[Draft]) -> Result<Vec<Labels>, Error> {
    let flags = || Wide::read(role.columns, drafts, Cell::flag, "0 or 1");
    match (role.kind, role.columns) {
        (LabelKind::Tokens, columns) => {
            let column = columns.first().map_or("", String::as_str);
            tokens::read(column, drafts)
        }
        (LabelKind::Pairs, columns) => {
            let column = columns.first().map_or("", String::as_str);
            pairs::read(column, drafts)
        }
        (LabelKind::Numbers | LabelKind::Conditions, columns) => {
            let wide = Wide::read(columns, drafts, Cell::number, "a finite number")?;
            Ok(wide.labels(|names, rows| Labels::Numbers { names, rows }))
        }
        (LabelKind::Texts, columns) => {
            let column = columns.first().map_or("", String::as_str);
            let texts = |draft: &Draft| {
                let rows = draft.labels(column)?.map(Place::text_to_write);
                Ok(Labels::Texts(rows.collect::<Result<_, Error>>()?))
            };
            drafts.iter().map(texts).collect()
        }
        (LabelKind::Classes { .. }, [column]) if !begins_with_list(column, drafts)? => {
            classes(column, drafts)
        }
        (LabelKind::Classes { .. }, _) => {
            Ok(flags()?.labels(|names, rows| Labels::MultiLabel { names, rows }))
        }
    }
}

/// The rows of each split whose labels cannot be read, by their numbers there, with what is wrong with each.
///
/// # Errors
/// A column is missing.
pub(crate) fn problems(
    role: &LabelRole,
    drafts: &[Draft],
) -> Result<Vec<Vec<(usize, Error)>>, Error> {
    match (role.kind, role.columns) {
        (LabelKind::Tokens, columns) => {
            let column = columns.first().map_or("", String::as_str);
            tokens::problems(column, drafts)
        }
        (LabelKind::Pairs, columns) => {
            let column = columns.first().map_or("", String::as_str);
            pairs::problems(column, drafts)
        }
        (LabelKind::Numbers | LabelKind::Conditions, columns) => {
            wide_problems(columns, drafts, Cell::number, "a finite number")
        }
        (LabelKind::Texts, columns) => {
            let column = columns.first().map_or("", String::as_str);
            single_problems(column, drafts, |place| place.text_to_write().map(drop))
        }
        (LabelKind::Classes { .. }, [column]) if !begins_with_list(column, drafts)? => {
            single_problems(column, drafts, |place| match place.filled()?.text() {
                Some(_) => Ok(()),
                None => Err(place.neither_text()),
            })
        }
        (LabelKind::Classes { .. }, columns) => {
            wide_problems(columns, drafts, Cell::flag, "0 or 1")
        }
    }
}

/// [`problems`] of one value a row, each by itself.
fn single_problems(
    column: &str,
    drafts: &[Draft],
    check: impl Fn(Place) -> Result<(), Error>,
) -> Result<Vec<Vec<(usize, Error)>>, Error> {
    let of = |draft: &Draft| {
        let places = draft.labels(column)?.enumerate();
        Ok(places
            .filter_map(|(row, place)| Some((row, check(place).err()?)))
            .collect())
    };
    drafts.iter().map(of).collect()
}

/// [`problems`] of several values a row.
fn wide_problems<T>(
    columns: &[String],
    drafts: &[Draft],
    value: impl Fn(&Cell) -> Option<T>,
    wanted: &'static str,
) -> Result<Vec<Vec<(usize, Error)>>, Error> {
    let mut width = match columns {
        [column] if begins_with_list(column, drafts)? => Some(None),
        _ => None,
    };
    let mut all = vec![];
    for draft in drafts {
        let mut found: Vec<(usize, Error)> = vec![];
        for column in columns {
            for (row, place) in draft.labels(column)?.enumerate() {
                let read = match &mut width {
                    Some(width) => list_of_values(place, width, &value, wanted).map(drop),
                    None => value_of(place, &value, wanted).map(drop),
                };
                if let Err(error) = read {
                    found.push((row, error));
                }
            }
        }
        // Of a row with several wrong cells, the first counts.
        found.sort_by_key(|(row, _)| *row);
        found.dedup_by_key(|(row, _)| *row);
        all.push(found);
    }
    Ok(all)
}

/// The value of a cell.
fn value_of<T>(
    place: Place,
    value: &impl Fn(&Cell) -> Option<T>,
    wanted: &'static str,
) -> Result<T, Error> {
    let cell = place.filled()?;
    value(cell).ok_or_else(|| place.wrong_label(wanted, cell))
}

/// The values of a list, which has as many as the first of its column, whose number `width` holds.
fn list_of_values<T>(
    place: Place,
    width: &mut Option<usize>,
    value: &impl Fn(&Cell) -> Option<T>,
    wanted: &'static str,
) -> Result<Vec<T>, Error> {
    let cell = place.filled()?;
    let no_list = || place.wrong_label("a list, as the first row does", cell);
    let items = list::items(cell).ok_or_else(no_list)?;
    let expected = *width.get_or_insert(items.len());
    if items.len() != expected || expected == 0 {
        return Err(Error::ListLength {
            origin: place.origin(),
            column: place.column(),
            found: items.len(),
            expected,
        });
    }
    let item = |item: &Cell| value(item).ok_or_else(|| place.wrong_label(wanted, item));
    items.iter().map(item).collect()
}

/// One class a row.
fn classes(column: &str, drafts: &[Draft]) -> Result<Vec<Labels>, Error> {
    let single = |place: Place| Label::of(place.filled()?).ok_or_else(|| place.neither_text());
    let labels = |draft: &Draft| {
        let rows = draft.labels(column)?.map(single);
        Ok(Labels::Classes(rows.collect::<Result<_, Error>>()?))
    };
    drafts.iter().map(labels).collect()
}

/// Several values a row, of several columns or of lists in one.
struct Wide<T> {
    names: Vec<String>,
    /// `[split][row][name]`.
    splits: Vec<Vec<Vec<T>>>,
}

impl<T> Wide<T> {
    /// `value` takes a cell apart, or refuses what is not `wanted`.
    fn read(
        columns: &[String],
        drafts: &[Draft],
        value: impl Fn(&Cell) -> Option<T>,
        wanted: &'static str,
    ) -> Result<Wide<T>, Error> {
        if let [column] = columns
            && begins_with_list(column, drafts)?
        {
            return Wide::of_lists(column, drafts, value, wanted);
        }
        let mut splits = vec![];
        for draft in drafts {
            let mut rows: Vec<Vec<T>> = vec![];
            rows.resize_with(draft.examples.len(), Vec::new);
            for column in columns {
                for (row, place) in rows.iter_mut().zip(draft.labels(column)?) {
                    row.push(value_of(place, &value, wanted)?);
                }
            }
            splits.push(rows);
        }
        Ok(Wide {
            names: columns.to_vec(),
            splits,
        })
    }

    /// One column of lists, all as long as the first.
    fn of_lists(
        column: &str,
        drafts: &[Draft],
        value: impl Fn(&Cell) -> Option<T>,
        wanted: &'static str,
    ) -> Result<Wide<T>, Error> {
        let mut width = None;
        let mut row = |place: Place| list_of_values(place, &mut width, &value, wanted);
        let splits = drafts
            .iter()
            .map(|draft| draft.labels(column)?.map(&mut row).collect())
            .collect::<Result<_, _>>()?;
        let names = 0..width.unwrap_or(0);
        Ok(Wide {
            names: names.map(|at| format!("{column}_{at}")).collect(),
            splits,
        })
    }

    fn labels(self, labels: impl Fn(Vec<String>, Vec<Vec<T>>) -> Labels) -> Vec<Labels> {
        let splits = self.splits.into_iter();
        splits
            .map(|rows| labels(self.names.clone(), rows))
            .collect()
    }
}

/// Whether the column holds lists, by its first cell.
fn begins_with_list(column: &str, drafts: &[Draft]) -> Result<bool, Error> {
    let mut first = None;
    for draft in drafts {
        first = first.or(draft.labels(column)?.next());
    }
    Ok(first.is_some_and(|place| list::items(place.cell()).is_some()))
}
