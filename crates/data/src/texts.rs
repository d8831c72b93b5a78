//! The texts of rows, in memory or, where they are many, in a temporary file.

use std::borrow::Cow;

use crate::cell::Cell;
use crate::error::Error;
use crate::stored::{StoredText, TextWriter};
use crate::table::pick;
use crate::unit::TokenUnit;

/// A text for each row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    rows: Vec<Text>,
}

#[derive(Clone, Debug)]
pub(crate) enum Text {
    Held(String),
    Stored(StoredText),
    Words(Words),
}

/// Words that a row lists, whatever they are: one may hold white space, or nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Words {
    /// All of them, with a space between two.
    text: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Words {
    /// Each word.
    fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let word = self.text.get(start..*end).unwrap_or_default();
            start = end + 1;
            word
        })
    }
}

impl<W: AsRef<str>> FromIterator<W> for Words {
    fn from_iter<I: IntoIterator<Item = W>>(words: I) -> Words {
        let (mut text, mut ends) = (String::new(), vec![]);
        for word in words {
            if !ends.is_empty() {
                text.push(' ');
            }
            text.push_str(word.as_ref());
            ends.push(text.len());
        }
        Words { text, ends }
    }
}

impl Texts {
    /// Adds the texts of more rows.
    pub(crate) fn append(&mut self, more: Texts) {
        self.rows.extend(more.rows);
    }
}

impl Text {
    /// How many letters or words it has.
    fn count(&self, unit: TokenUnit) -> Result<usize, Error> {
        match self {
            Text::Words(words) => Ok(words.ends.len()),
            text => Ok(unit.count(&text.read()?)),
        }
    }

    pub(crate) fn read(&self) -> Result<Cow<'_, str>, Error> {
        match self {
            Text::Held(text) => Ok(Cow::Borrowed(text)),
            Text::Stored(text) => text.read().map(Cow::Owned),
            Text::Words(words) => Ok(Cow::Borrowed(&words.text)),
        }
    }

    fn len(&self) -> usize {
        match self {
            Text::Held(text) => text.len(),
            Text::Stored(text) => text.len(),
            Text::Words(words) => words.text.len(),
        }
    }

    /// Keeps its first `count` letters or words; whether it had more.
    fn cut(&mut self, unit: TokenUnit, count: usize) -> Result<bool, Error> {
        if let Text::Words(words) = self {
            let is_longer = words.ends.len() > count;
            words.ends.truncate(count);
            words.text.truncate(words.ends.last().copied().unwrap_or(0));
            return Ok(is_longer);
        }
        let (whole, kept) = {
            let text = self.read()?;
            (text.len(), unit.first(&text, count).len())
        };
        if kept == whole {
            return Ok(false);
        }
        match self {
            // A copy gives back the room of what is cut off.
            Text::Held(text) => *text = unit.first(text, count).to_owned(),
            Text::Stored(text) => *text = text.part(0, kept),
            Text::Words(_) => {}
        }
        Ok(true)
    }
}

/// Wherever they lie; a text that cannot be read is like none.
impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        match (self, other) {
            (Text::Held(text), Text::Held(other)) => text == other,
            (Text::Stored(text), Text::Stored(other)) => text == other,
            (Text::Words(words), Text::Words(other)) => words == other,
            (Text::Words(_), _) | (_, Text::Words(_)) => false,
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

    /// The words of a row, where it lists them; its text is these with spaces between them.
    pub fn words(&self, row: usize) -> Option<Vec<&str>> {
        match self.rows.get(row)? {
            Text::Words(words) => Some(words.iter().collect()),
            Text::Held(_) | Text::Stored(_) => None,
        }
    }

    /// Whether any row lists its words.
    pub fn lists_words(&self) -> bool {
        self.rows.iter().any(|text| matches!(text, Text::Words(_)))
    }

    /// How many letters or words each row has; of words that are listed, as many as there are.
    pub(crate) fn counts(&self, unit: TokenUnit) -> impl Iterator<Item = Result<usize, Error>> {
        self.rows.iter().map(move |text| text.count(unit))
    }

    /// The text of a row as a cell, which is not read before it is written; missing for a row that is not there.
    pub fn cell(&self, row: usize) -> Cell {
        match self.rows.get(row) {
            Some(Text::Held(text)) => Cell::from(text.as_str()),
            Some(Text::Stored(text)) => Cell::Stored(text.clone()),
            Some(Text::Words(words)) => Cell::from(words.iter().collect::<Vec<_>>()),
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
        // Listed words stay where they are.
        let store = |text| match text {
            Text::Held(text) => writer.write(&text).map(Text::Stored),
            stored => Ok(stored),
        };
        let rows = self.rows.into_iter().map(store).collect::<Result<_, _>>()?;
        writer.flush()?;
        Ok(Texts { rows })
    }

    /// Cuts every text to its first `count` letters or words, and says how many became shorter.
    pub(crate) fn cut(&mut self, unit: TokenUnit, count: usize) -> Result<usize, Error> {
        let mut shorter = 0;
        for text in &mut self.rows {
            shorter += usize::from(text.cut(unit, count)?);
        }
        Ok(shorter)
    }
}

/// Makes texts that are not read from a file: so many bytes of them stay in memory, and the others lie in a temporary file.
pub(crate) struct TextKeeper {
    room: usize,
    writer: Option<TextWriter>,
}

impl TextKeeper {
    /// Nothing yet, with room for so many bytes.
    pub(crate) fn new(room: usize) -> TextKeeper {
        TextKeeper { room, writer: None }
    }

    /// A text of which there are to be so many copies.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub(crate) fn keep(&mut self, text: String, copies: usize) -> Result<Text, Error> {
        let bytes = text.len().saturating_mul(copies);
        if bytes <= self.room {
            self.room -= bytes;
            return Ok(Text::Held(text));
        }
        // What comes later goes there too, however short.
        self.room = 0;
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => TextWriter::create()?,
        };
        self.writer.insert(writer).write(&text).map(Text::Stored)
    }

    /// Ends the temporary file, so that what is in it can be read.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        match &mut self.writer {
            Some(writer) => writer.flush(),
            None => Ok(()),
        }
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
    fn texts_are_kept_in_memory_as_long_as_there_is_room() {
        let mut keeper = TextKeeper::new(9);
        let kept = [("ACG", 2), ("ACGT", 1), ("A", 1)]
            .map(|(text, copies)| keeper.keep(text.to_owned(), copies).unwrap());
        keeper.finish().unwrap();
        let held = kept.each_ref().map(|text| matches!(text, Text::Held(_)));
        assert_eq!(held, [true, false, false]);
        assert_eq!(Texts::from_iter(kept.to_vec()), ["ACG", "ACGT", "A"]);
    }

    #[test]
    fn texts_are_cut_wherever_they_lie() {
        let held: Texts = ["néon", "a"].map(String::from).into_iter().collect();
        for mut texts in [held.clone(), held.stored().unwrap()] {
            assert_eq!(texts.cut(TokenUnit::Letter, 2).unwrap(), 1);
            assert_eq!(texts, ["né", "a"]);
        }
    }

    #[test]
    fn listed_words_are_what_they_are() {
        let words = ["New York", "", "\u{200b}", "x"];
        let text = Text::Words(words.iter().collect());
        let mut texts: Texts = [text, Text::Held("a b".to_owned())].into_iter().collect();
        assert_eq!(texts.words(0).unwrap(), words);
        assert_eq!(texts.words(1), None);
        assert_eq!(texts.get(0).unwrap(), "New York  \u{200b} x");
        let counts = texts.counts(TokenUnit::Word);
        assert_eq!(counts.map(Result::unwrap).collect::<Vec<_>>(), [4, 2]);
        assert_eq!(texts.cell(0), Cell::from(words.to_vec()));
        assert_eq!(texts.cut(TokenUnit::Word, 2).unwrap(), 1);
        assert_eq!(texts.words(0).unwrap(), ["New York", ""]);
        assert_eq!(texts.clone().stored().unwrap(), texts);
        let none = Text::Words(std::iter::empty::<&str>().collect());
        let none: Texts = std::iter::once(none).collect();
        assert_eq!(none.words(0).unwrap(), Vec::<&str>::new());
    }
}
