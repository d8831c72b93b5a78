//! Lists within a cell: JSON arrays, what Python and NumPy print, and entries with separators.

use serde_json::Value;

use crate::cell::Cell;

/// The entries of a list: a JSON array, or text in square brackets. `None` for anything else.
///
/// Text may be a JSON array, a Python list (`['a', None]`) or a NumPy array (`[0 1]`).
pub(crate) fn items(cell: &Cell) -> Option<Vec<Cell>> {
    match cell {
        Cell::List(items) => Some(items.clone()),
        Cell::Stored(text) => items(&Cell::Text(text.read().ok()?)),
        Cell::Text(text) => {
            let text = text.trim();
            let inside = text.strip_prefix('[')?.strip_suffix(']')?;
            match serde_json::from_str::<Vec<Value>>(text) {
                Ok(values) => Some(values.into_iter().map(Cell::from_json).collect()),
                Err(_) if inside.trim().is_empty() => Some(vec![]),
                Err(_) => Some(separated(inside).map(printed).collect()),
            }
        }
        _ => None,
    }
}

/// The entries between commas or, in a text without any, between white space.
pub(crate) fn separated(text: &str) -> Box<dyn Iterator<Item = &str> + '_> {
    if text.contains(',') {
        Box::new(text.split(',').map(str::trim))
    } else {
        Box::new(text.split_whitespace())
    }
}

/// Whether there are entries to be separated.
fn is_separated(text: &str) -> bool {
    text.contains(|letter: char| letter == ',' || letter.is_whitespace())
}

/// Whether a cell holds a list, in brackets or as entries with separators.
pub(crate) fn is_list(cell: &Cell) -> bool {
    let separated = |text: String| is_separated(text.trim());
    items(cell).is_some() || cell.text().is_some_and(separated)
}

/// A value as Python prints it within a list.
fn printed(text: &str) -> Cell {
    let quoted = ['\'', '"'].iter().find_map(|quote| {
        text.strip_prefix(*quote)
            .and_then(|text| text.strip_suffix(*quote))
    });
    match (quoted, text) {
        (Some(inside), _) => Cell::from(inside),
        (None, "None") => Cell::Missing,
        (None, _) => Cell::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_are_read_however_they_are_printed() {
        let (zero, one) = (Cell::Integer(0), Cell::Integer(1));
        for (text, expected) in [
            ("[0, 1]", vec![zero.clone(), one.clone()]),
            (" [0,null] ", vec![zero, Cell::Missing]),
            ("[0 1]", vec!["0".into(), "1".into()]),
            ("['H', None]", vec!["H".into(), Cell::Missing]),
            ("[\"H\", 'None']", vec!["H".into(), "None".into()]),
            ("[0., 1.]", vec!["0.".into(), "1.".into()]),
            ("[ ]", vec![]),
            ("[]", vec![]),
        ] {
            assert_eq!(items(&text.into()), Some(expected), "{text}");
        }
        for text in ["0, 1", "[0", "]", "[", ""] {
            assert_eq!(items(&text.into()), None, "{text}");
        }
        assert_eq!(items(&one), None);
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_a_list_or_not(text in "\\PC{0,20}", inside in "[\\[\\]'\",0-9a N\u{e9}-]{0,20}") {
            let length = |text: &str| items(&text.into()).map_or(0, |items| items.len());
            prop_assert!(length(&text) <= text.len());
            let bracketed = format!("[{inside}]");
            prop_assert!(length(&bracketed) <= inside.len() + 1);
        }
    }
}
