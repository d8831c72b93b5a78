//! The texts of rows, in memory or, where they are many, in a temporary file.

use std::borrow::Cow;

use crate::cell::Cell;
use crate::error::Error;
use crate::stored::{StoredText, TextWriter};
use crate::table::pick;

/// A text for each row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    rows: Vec<Text>,
}

#[derive(Clone, Debug)]
pub(crate) enum Text {
    Held(String),
    Stored(StoredText),
}

impl Text {
    pub(crate) fn read(&self) -> Result<Cow<'_, str>, Error> {
        match self {
            Text::Held(text) => Ok(Cow::Borrowed(text)),
            Text::Stored(text) => text.read().map(Cow::Owned),
        }
    }

    fn len(&self) -> usize {
        match self {
            Text::Held(text) => text.len(),
            Text::Stored(text) => text.len(),
        }
    }

    /// Its first `bytes` bytes, which end between characters.
    fn cut(&mut self, bytes: usize) {
        match self {
            // A copy gives back the room of what is cut off.
            Text::Held(text) => *text = text.get(..bytes).unwrap_or(text).to_owned(),
            Text::Stored(text) => *text = text.part(0, bytes),
        }
    }
}

/// Wherever they lie; a text that cannot be read is like none.
impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        match (self, other) {
            (Text::Held(text), Text::Held(other)) => text == other,
            (Text::Stored(text), Text::Stored(other)) => text == other,
            _ => {
                self.len() == other.len()
                    && matches!((self.read(), other.read()), (Ok(a), Ok(b)) if a == b)
            }
        }
    }
}

impl Texts {
    pub(crate) const fn none() -> Texts {
        Texts { rows: vec![] }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text of a row; nothing for a row that is not there.
    ///
    /// # Errors
    /// It lies in a temporary file that cannot be read.
    pub fn get(&self, row: usize) -> Result<Cow<'_, str>, Error> {
        self.rows.get(row).map_or(Ok(Cow::Borrowed("")), Text::read)
    }

    /// The text of a row as a cell, which is not read before it is written; missing for a row that is not there.
    pub fn cell(&self, row: usize) -> Cell {
        match self.rows.get(row) {
            Some(Text::Held(text)) => Cell::from(text.as_str()),
            Some(Text::Stored(text)) => Cell::Stored(text.clone()),
            None => Cell::Missing,
        }
    }

    /// The length of a row's text in bytes, which takes no reading.
    pub fn bytes(&self, row: usize) -> usize {
        self.rows.get(row).map_or(0, Text::len)
    }

    /// The texts one by one, each read when its turn comes.
    pub fn iter(&self) -> impl Iterator<Item = Result<Cow<'_, str>, Error>> {
        self.rows.iter().map(Text::read)
    }

    /// The texts of these rows, in this order. Numbers that are no row are left out.
    pub fn select(&self, rows: &[usize]) -> Texts {
        Texts {
            rows: pick(&self.rows, rows),
        }
    }

    /// The same texts, moved to a temporary file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn stored(self) -> Result<Texts, Error> {
        let mut writer = TextWriter::create()?;
        let store = |text| match text {
            Text::Held(text) => writer.write(&text).map(Text::Stored),
            stored => Ok(stored),
        };
        let rows = self.rows.into_iter().map(store).collect::<Result<_, _>>()?;
        writer.flush()?;
        Ok(Texts { rows })
    }

    /// Cuts every text to what `keep` keeps of it, its start, and says how many became shorter.
    pub(crate) fn cut(&mut self, keep: impl Fn(&str) -> &str) -> Result<usize, Error> {
        let mut shorter = 0;
        for text in &mut self.rows {
            let (whole, kept) = {
                let text = text.read()?;
                (text.len(), keep(&text).len())
            };
            if kept < whole {
                shorter += 1;
                text.cut(kept);
            }
        }
        Ok(shorter)
    }
}

impl FromIterator<Text> for Texts {
    fn from_iter<I: IntoIterator<Item = Text>>(texts: I) -> Texts {
        Texts {
            rows: texts.into_iter().collect(),
        }
    }
}

impl FromIterator<String> for Texts {
    fn from_iter<I: IntoIterator<Item = String>>(texts: I) -> Texts {
        texts.into_iter().map(Text::Held).collect()
    }
}

/// The same texts in the same order.
impl<T: AsRef<str>, const N: usize> PartialEq<[T; N]> for Texts {
    fn eq(&self, other: &[T; N]) -> bool {
        let mut pairs = self.iter().zip(other);
        self.len() == N && pairs.all(|(text, other)| text.is_ok_and(|text| text == other.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_texts_are_those_that_were_held() {
        let held: Texts = ["né", "", "ACGT"].map(String::from).into_iter().collect();
        let stored = held.clone().stored().unwrap();
        assert_eq!(held, stored);
        assert_eq!(stored, ["né", "", "ACGT"]);
        assert_eq!((stored.bytes(0), stored.bytes(9)), (3, 0));
        assert_eq!(stored.get(2).unwrap(), "ACGT");
        assert_eq!(stored.get(9).unwrap(), "");
        assert_eq!(stored.cell(2), Cell::from("ACGT"));
        assert_eq!(
            Cell::List(vec![stored.cell(0)])
                .loaded()
                .unwrap()
                .to_string(),
            "[\"né\"]"
        );
        assert_eq!(stored.select(&[2, 0, 9]), ["ACGT", "né"]);
        assert_ne!(stored, ["né", "", "ACGA"]);
    }

    #[test]
    fn texts_are_cut_wherever_they_lie() {
        let held: Texts = ["néon", "a"].map(String::from).into_iter().collect();
        for mut texts in [held.clone(), held.stored().unwrap()] {
            let first = |text: &str| text.char_indices().nth(2).map_or(text.len(), |(at, _)| at);
            assert_eq!(texts.cut(|text| &text[..first(text)]).unwrap(), 1);
            assert_eq!(texts, ["né", "a"]);
        }
    }
}
