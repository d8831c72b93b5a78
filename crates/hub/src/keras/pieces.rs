//! The pieces of a SentencePiece file, as far as their ids are needed.

use std::collections::BTreeMap;

/// The field of the pieces in a model, and of the text in a piece.
const PIECES: u64 = 1;
const TEXT: u64 = 1;

/// The ids of all pieces: their places in the file. Of a file that is broken, those before the break; whoever reads it as a tokenizer tells.
pub(super) fn ids(model: &[u8]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let pieces = Fields(model).filter(|(field, _)| *field == PIECES);
    for (id, (_, piece)) in pieces.enumerate() {
        let text = Fields(piece).find(|(field, _)| *field == TEXT);
        let text = text.and_then(|(_, text)| std::str::from_utf8(text).ok());
        found.insert(text.unwrap_or_default().to_owned(), id);
    }
    found
}

/// The fields of a message that have a length, each with its number.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let key = self.number()?;
            match key & 7 {
                0 => {
                    self.number()?;
                }
                1 => {
                    self.take(8)?;
                }
                2 => {
                    let length = usize::try_from(self.number()?).ok()?;
                    return Some((key >> 3, self.take(length)?));
                }
                5 => {
                    self.take(4)?;
                }
                _ => return None,
            }
        }
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A whole number, seven bits a byte, the lowest first.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_numbered_in_their_order() {
        // Two pieces with a score each, and a field between that is none.
        let file = [
            10, 10, 10, 3, b'<', b's', b'>', 21, 0, 0, 0, 0, 16, 5, 10, 3, 10, 1, b'a',
        ];
        let found = ids(&file);
        assert_eq!((found["<s>"], found["a"]), (0, 1));
        for end in 0..file.len() {
            ids(&file[..end]);
        }
        assert!(ids(&[0xff; 40]).is_empty());
    }
}
