//! One value of a table: as its file wrote it, and what it may be read as.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::error::Error;
use crate::stored::StoredText;

/// One value of a table, as its file wrote it.
#[derive(Clone, Debug)]
pub enum Cell {
    /// A JSON `null`, or a key that this row does not have.
    Missing,
    /// Text; every cell of a CSV or TSV file, so that the id `007` stays `007`.
    Text(String),
    /// Long text of a large table, which lies in a temporary file until it is used.
    Stored(StoredText),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A JSON array.
    List(Vec<Cell>),
    /// A JSON object, as compact JSON; carried into outputs but never read as text or label.
    Object(String),
}

impl Cell {
    /// The text of a single value; `None` for a missing cell, a list and an object.
    ///
    /// Stored text that cannot be read is none; [`Cell::loaded`] says why.
    pub fn text(&self) -> Option<String> {
        match self {
            Cell::Text(text) => Some(text.clone()),
            Cell::Stored(text) => text.read().ok(),
            Cell::Integer(_) | Cell::Float(_) | Cell::Bool(_) => Some(self.to_string()),
            Cell::Missing | Cell::List(_) | Cell::Object(_) => None,
        }
    }

    /// The value itself, read from the temporary file if it lies there.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn loaded(&self) -> Result<Cow<'_, Cell>, Error> {
        match self {
            Cell::Stored(text) => Ok(Cow::Owned(Cell::Text(text.read()?))),
            Cell::List(items) if items.iter().any(|item| matches!(item, Cell::Stored(_))) => {
                let items = items.iter().map(|item| Ok(item.loaded()?.into_owned()));
                Ok(Cow::Owned(Cell::List(items.collect::<Result<_, Error>>()?)))
            }
            _ => Ok(Cow::Borrowed(self)),
        }
    }

    /// The value as a non-negative whole number: `3`, `3.0`, and text that spells one of them.
    pub fn whole(&self) -> Option<u64> {
        match self {
            Cell::Integer(number) => u64::try_from(*number).ok(),
            Cell::Float(_) => whole_text(&self.to_string()),
            Cell::Text(text) => whole_text(text.trim()),
            Cell::Stored(_) => self.text().and_then(|text| whole_text(text.trim())),
            Cell::Missing | Cell::Bool(_) | Cell::List(_) | Cell::Object(_) => None,
        }
    }

    /// The value as false or true: these words in upper or lower case, and 0 or 1.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self.whole() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => self.text()?.trim().to_ascii_lowercase().parse().ok(),
        }
    }

    /// The value as a finite number, possibly written as text.
    pub(crate) fn number(&self) -> Option<f64> {
        let text = match self {
            Cell::Bool(_) => None,
            _ => self.text(),
        };
        let number: f64 = text?.trim().parse().ok()?;
        number.is_finite().then_some(number)
    }

    /// What kind of value this is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Cell::Missing => "nothing",
            Cell::Text(_) | Cell::Stored(_) => "text",
            Cell::Integer(_) | Cell::Float(_) => "a number",
            Cell::Bool(_) => "true or false",
            Cell::List(_) => "a list",
            Cell::Object(_) => "an object",
        }
    }

    /// The value for messages, cut to a length that can be read.
    pub(crate) fn shown(&self) -> String {
        const SHOWN: usize = 40;
        match self {
            Cell::Text(text) if text.chars().count() > SHOWN => {
                let start: String = text.chars().take(SHOWN).collect();
                format!("{start:?} and more")
            }
            Cell::Text(text) => format!("{text:?}"),
            Cell::Integer(_) | Cell::Float(_) | Cell::Bool(_) => self.to_string(),
            Cell::Stored(_) | Cell::Missing | Cell::List(_) | Cell::Object(_) => {
                self.kind().to_owned()
            }
        }
    }

    pub(crate) fn from_json(value: Value) -> Cell {
        match value {
            Value::Null => Cell::Missing,
            Value::Bool(truth) => Cell::Bool(truth),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(integer), _, _) => Cell::Integer(integer),
                // Beyond `i64`: the digits are kept, which is what an id needs.
                (None, Some(_), _) | (None, None, None) => Cell::Text(number.to_string()),
                (None, None, Some(float)) => Cell::Float(float),
            },
            Value::String(text) => Cell::Text(text),
            Value::Array(items) => Cell::List(items.into_iter().map(Cell::from_json).collect()),
            Value::Object(_) => Cell::Object(value.to_string()),
        }
    }

    /// The value as JSON; a float that JSON has no word for (`inf`, `nan`) becomes `null`.
    pub fn to_json(&self) -> Value {
        match self {
            Cell::Missing => Value::Null,
            Cell::Text(text) => Value::from(text.as_str()),
            Cell::Stored(_) => Value::from(self.text()),
            Cell::Integer(number) => Value::from(*number),
            Cell::Float(number) => Value::from(*number),
            Cell::Bool(truth) => Value::from(*truth),
            Cell::List(items) => Value::Array(items.iter().map(Cell::to_json).collect()),
            Cell::Object(json) => {
                serde_json::from_str(json).unwrap_or_else(|_| Value::from(json.as_str()))
            }
        }
    }
}

/// A non-negative whole number written with digits alone, or with a fraction of zeros.
fn whole_text(text: &str) -> Option<u64> {
    let digits = match text.split_once('.') {
        Some((digits, fraction)) if !fraction.is_empty() && fraction.bytes().all(|b| b == b'0') => {
            digits
        }
        Some(_) => return None,
        None => text,
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// As a table writes it: nothing for a missing cell, lists and objects as JSON.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Missing => Ok(()),
            Cell::Text(text) | Cell::Object(text) => f.write_str(text),
            Cell::Stored(_) => f.write_str(&self.text().unwrap_or_default()),
            Cell::Integer(number) => write!(f, "{number}"),
            Cell::Float(number) if number.is_finite() => write!(f, "{number:?}"),
            Cell::Float(number) if number.is_nan() => f.write_str("nan"),
            Cell::Float(number) => f.write_str(if *number > 0.0 { "inf" } else { "-inf" }),
            Cell::Bool(truth) => write!(f, "{truth}"),
            Cell::List(_) => write!(f, "{}", self.to_json()),
        }
    }
}

/// Text is the same wherever it lies.
impl PartialEq for Cell {
    fn eq(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Missing, Cell::Missing) => true,
            (Cell::Text(text), Cell::Text(other)) => text == other,
            (Cell::Stored(text), Cell::Stored(other)) => text == other,
            (Cell::Stored(stored), Cell::Text(text)) | (Cell::Text(text), Cell::Stored(stored)) => {
                stored.len() == text.len() && stored.read().is_ok_and(|stored| stored == *text)
            }
            (Cell::Integer(number), Cell::Integer(other)) => number == other,
            (Cell::Float(number), Cell::Float(other)) => number == other,
            (Cell::Bool(truth), Cell::Bool(other)) => truth == other,
            (Cell::List(items), Cell::List(other)) => items == other,
            (Cell::Object(json), Cell::Object(other)) => json == other,
            _ => false,
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Cell {
        Cell::Integer(number)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Cell {
        Cell::Float(number)
    }
}

impl From<bool> for Cell {
    fn from(truth: bool) -> Cell {
        Cell::Bool(truth)
    }
}

/// Nothing is a missing cell.
impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Missing, Into::into)
    }
}

/// A list in one cell: text in CSV and TSV, an array in JSON.
impl<T: Into<Cell>> From<Vec<T>> for Cell {
    fn from(values: Vec<T>) -> Cell {
        Cell::List(values.into_iter().map(Into::into).collect())
    }
}

/// The `f64` with the shortest decimals that name this `f32`, so that `0.1` is written `0.1`.
impl From<f32> for Cell {
    fn from(number: f32) -> Cell {
        Cell::Float(number.to_string().parse().unwrap_or(f64::from(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_recognised_however_a_file_spells_them() {
        for cell in [
            Cell::Integer(3),
            Cell::Float(3.0),
            "3".into(),
            "3.0".into(),
            " 3 ".into(),
            "003".into(),
        ] {
            assert_eq!(cell.whole(), Some(3), "{cell:?}");
        }
        for cell in [
            "-1".into(),
            "+3".into(),
            "3.5".into(),
            "3.".into(),
            ".0".into(),
            "".into(),
            "x".into(),
            Cell::Float(-0.5),
            Cell::Bool(true),
        ] {
            assert_eq!(cell.whole(), None, "{cell:?}");
        }
    }

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
            assert_eq!(cell.flag(), expected, "{cell:?}");
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
            assert_eq!(cell.number(), expected, "{cell:?}");
        }
    }

    #[test]
    fn an_f32_is_written_with_its_own_decimals() {
        assert_eq!(Cell::from(0.1f32).to_string(), "0.1");
        assert_eq!(Cell::from(f32::NAN).to_string(), "nan");
        assert_eq!(Cell::from(f32::INFINITY).to_json(), Value::Null);
    }

    #[test]
    fn lists_are_written_as_json() {
        let logits = Cell::from(vec![vec![0.1f32, -2.0], vec![1e-7, f32::NAN]]);
        assert_eq!(logits.to_string(), "[[0.1,-2.0],[1e-7,null]]");
        let labels = Cell::from(vec![Some("H"), None]);
        assert_eq!(labels.to_string(), "[\"H\",null]");
        assert_eq!(Cell::from(vec![true]).to_string(), "[true]");
    }

    #[test]
    fn json_values_survive_the_round_trip() {
        let text = r#"[null,"a",1,-2.5,true,[1,[]],{"k":1},18446744073709551615]"#;
        let cell = Cell::from_json(serde_json::from_str(text).unwrap());
        assert_eq!(
            cell.to_json().to_string(),
            text.replace("18446744073709551615", "\"18446744073709551615\"")
        );
    }
}
