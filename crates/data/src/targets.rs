//! From the cells of label columns to labels, of all splits at once.

use crate::draft::{Draft, Place};
use crate::error::Error;
use crate::labels::{Label, Labels};
use crate::list;
use crate::module::{LabelKind, LabelRole};
use crate::table::Cell;
use crate::tokens;

/// The labels of each split, all of one kind.
///
/// # Errors
/// A column is missing, or a cell has no value or one that it cannot have.
pub(crate) fn read(role: &LabelRole, drafts: &[Draft]) -> Result<Vec<Labels>, Error> {
    let flags = || Wide::read(role.columns, drafts, flag, "0 or 1");
    match (role.kind, role.columns) {
        (LabelKind::Tokens, columns) => {
            let column = columns.first().map_or("", String::as_str);
            tokens::read(column, drafts)
        }
        (LabelKind::Numbers, columns) => {
            let wide = Wide::read(columns, drafts, number, "a finite number")?;
            Ok(wide.labels(|names, rows| Labels::Numbers { names, rows }))
        }
        (LabelKind::Classes { .. }, [column]) if !begins_with_list(column, drafts)? => {
            classes(column, drafts)
        }
        (LabelKind::Classes { .. }, _) => {
            Ok(flags()?.labels(|names, rows| Labels::MultiLabel { names, rows }))
        }
    }
}

/// Numbers if the labels of all splits are numbers, else names.
fn classes(column: &str, drafts: &[Draft]) -> Result<Vec<Labels>, Error> {
    let single = |place: Place| match place.filled()?.text() {
        Some(text) => Ok((place.cell().whole(), text)),
        None => Err(place.neither_text()),
    };
    let splits: Vec<Vec<(Option<u64>, String)>> = drafts
        .iter()
        .map(|draft| draft.labels(column)?.map(single).collect())
        .collect::<Result<_, Error>>()?;
    let numbered = splits.iter().flatten().all(|(index, _)| index.is_some());
    let label = |(index, name): (Option<u64>, String)| match index {
        Some(index) if numbered => Label::Index(index),
        _ => Label::Name(name),
    };
    let labels = |rows: Vec<_>| Labels::Classes(rows.into_iter().map(label).collect());
    Ok(splits.into_iter().map(labels).collect())
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
                    let cell = place.filled()?;
                    row.push(value(cell).ok_or_else(|| place.wrong_label(wanted, cell))?);
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
        let mut row = |place: Place| {
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
        };
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

fn flag(cell: &Cell) -> Option<bool> {
    match (cell, cell.whole()) {
        (Cell::Bool(flag), _) => Some(*flag),
        (_, Some(0)) => Some(false),
        (_, Some(1)) => Some(true),
        (Cell::Text(text), _) => text.trim().to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

fn number(cell: &Cell) -> Option<f64> {
    let number = match cell {
        Cell::Integer(number) => Some(*number as f64),
        Cell::Float(number) => Some(*number),
        Cell::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_0_and_1_or_false_and_true() {
        for (cell, expected) in [
            (Cell::Integer(0), Some(false)),
            (Cell::Float(1.0), Some(true)),
            (Cell::Bool(true), Some(true)),
            (" 1 ".into(), Some(true)),
            ("0.0".into(), Some(false)),
            ("True".into(), Some(true)),
            ("FALSE".into(), Some(false)),
            (Cell::Integer(2), None),
            (Cell::Integer(-1), None),
            ("yes".into(), None),
            (Cell::List(vec![]), None),
        ] {
            assert_eq!(flag(&cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn numbers_are_finite_and_may_be_text() {
        for (cell, expected) in [
            (Cell::Integer(-3), Some(-3.0)),
            (Cell::Float(0.5), Some(0.5)),
            (" -1.5e-3".into(), Some(-0.0015)),
            ("+7".into(), Some(7.0)),
            ("nan".into(), None),
            ("-inf".into(), None),
            ("1e999".into(), None),
            (Cell::Float(f64::NAN), None),
            ("1,5".into(), None),
            ("".into(), None),
            (Cell::Bool(true), None),
        ] {
            assert_eq!(number(&cell), expected, "{cell:?}");
        }
    }
}
