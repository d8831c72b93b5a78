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
                Err(_) => match quoted(inside) {
                    Some(texts) => Some(texts.into_iter().map(Cell::from).collect()),
                    None => Some(separated(inside).map(printed).collect()),
                },
            }
        }
        _ => None,
    }
}

/// The texts of a list: a list of single values, or a text that is a list of texts in quotes. `None` for anything else.
pub(crate) fn texts(cell: &Cell) -> Option<Vec<String>> {
    match cell {
        Cell::List(items) => items.iter().map(Cell::text).collect(),
        Cell::Text(text) => {
            let text = text.trim();
            let inside = text.strip_prefix('[')?.strip_suffix(']')?;
            match serde_json::from_str(text) {
                Ok(texts) => Some(texts),
                Err(_) => quoted(inside),
            }
        }
        _ => None,
    }
}

/// The texts in quotes that commas or white space part, as Python and NumPy print them; `None` if there is anything else.
fn quoted(inside: &str) -> Option<Vec<String>> {
    let mut texts = vec![];
    let mut rest = inside.trim_start();
    while let Some(quote) = rest.chars().next() {
        if !matches!(quote, '\'' | '"') {
            return None;
        }
        let mut text = String::new();
        let mut letters = rest.char_indices().skip(1);
        let end = loop {
            match letters.next()? {
                (at, letter) if letter == quote => break at,
                (_, '\\') => text.push(match letters.next()?.1 {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    code @ ('x' | 'u' | 'U') => {
                        let digits = match code {
                            'x' => 2,
                            'u' => 4,
                            _ => 8,
                        };
                        let digits: String = letters.by_ref().take(digits).map(|it| it.1).collect();
                        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                    }
                    other => other,
                }),
                (_, letter) => text.push(letter),
            }
        };
        texts.push(text);
        let after = rest.get(end + 1..)?;
        rest = after.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
        } else if !rest.is_empty() && rest.len() == after.len() {
            return None;
        }
    }
    Some(texts)
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

    #[test]
    fn texts_in_quotes_are_read_however_they_are_printed() {
        for (text, expected) in [
            (
                "['EU', 'rejects', \"it's\", ',']",
                vec!["EU", "rejects", "it's", ","],
            ),
            (
                r"['it\'s' 'a\\b' '\u200b' '\x0b\n']",
                vec!["it's", "a\\b", "\u{200b}", "\u{b}\n"],
            ),
            ("[\"a b\", \"\"]", vec!["a b", ""]),
            ("['a'\n 'b']", vec!["a", "b"]),
        ] {
            let expected: Vec<String> = expected.into_iter().map(String::from).collect();
            assert_eq!(texts(&text.into()), Some(expected), "{text}");
        }
        for text in [
            "[CLS] a [SEP]",
            "['a', b]",
            "['a",
            "['a''b']",
            "a",
            "[1, 2]",
            "['a', None]",
        ] {
            assert_eq!(texts(&text.into()), None, "{text}");
        }
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
