//! What the labels of a text's tokens stand beside: its letters, or its words.

use crate::error::Error;
use crate::texts::Texts;

/// What one label of a text with token labels belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenUnit {
    /// A letter: a residue or nucleotide of a sequence, any Unicode character of a text.
    Letter,
    /// A word: what lies between white space.
    Word,
}

impl TokenUnit {
    /// Words if white space lies inside any of the texts, else letters.
    ///
    /// White space around a text does not count.
    pub fn of<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> TokenUnit {
        let has_words = |text: T| text.as_ref().trim().contains(char::is_whitespace);
        if texts.into_iter().any(has_words) {
            TokenUnit::Word
        } else {
            TokenUnit::Letter
        }
    }

    /// [`TokenUnit::of`] all of these texts, of which stored ones are read one by one. Listed words are words.
    ///
    /// # Errors
    /// A text cannot be read.
    pub fn of_texts<'a>(all: impl IntoIterator<Item = &'a Texts>) -> Result<TokenUnit, Error> {
        for texts in all {
            if texts.lists_words() {
                return Ok(TokenUnit::Word);
            }
            for text in texts.iter() {
                if TokenUnit::of([text?]) == TokenUnit::Word {
                    return Ok(TokenUnit::Word);
                }
            }
        }
        Ok(TokenUnit::Letter)
    }

    /// How many labels a text takes.
    pub fn count(self, text: &str) -> usize {
        match self {
            TokenUnit::Letter => text.trim().chars().count(),
            TokenUnit::Word => text.split_whitespace().count(),
        }
    }

    /// The text up to its first `count` letters or words, without white space around it.
    pub(crate) fn first(self, text: &str, count: usize) -> &str {
        let text = text.trim();
        let end = match self {
            TokenUnit::Letter => text.char_indices().nth(count).map(|(at, _)| at),
            TokenUnit::Word => {
                let mut inside = false;
                let mut starts = text.char_indices().filter(|(_, letter)| {
                    let starts = !letter.is_whitespace() && !inside;
                    inside = !letter.is_whitespace();
                    starts
                });
                starts.nth(count).map(|(at, _)| at)
            }
        };
        let end = end.unwrap_or(text.len());
        text.get(..end).unwrap_or(text).trim_end()
    }

    /// `1 letter`, `5 words`.
    pub(crate) fn counted(self, count: usize) -> String {
        let name = match self {
            TokenUnit::Letter => "letter",
            TokenUnit::Word => "word",
        };
        format!("{count} {name}{}", if count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_inside_any_text_makes_words() {
        assert_eq!(TokenUnit::of(["EVQL", " KK\n"]), TokenUnit::Letter);
        assert_eq!(TokenUnit::of(["EVQL", "a b"]), TokenUnit::Word);
        assert_eq!(TokenUnit::of(Vec::<&str>::new()), TokenUnit::Letter);
    }

    #[test]
    fn letters_and_words_are_counted_and_cut() {
        let (letter, word) = (TokenUnit::Letter, TokenUnit::Word);
        assert_eq!((letter.count(" né "), word.count(" a  né ")), (2, 2));
        assert_eq!(letter.first("néon", 2), "né");
        assert_eq!(letter.first(" ab ", 5), "ab");
        assert_eq!(word.first(" one  two three", 2), "one  two");
        assert_eq!(word.first("one", 2), "one");
        assert_eq!((letter.first("ab", 0), word.first("a b", 0)), ("", ""));
    }
}
