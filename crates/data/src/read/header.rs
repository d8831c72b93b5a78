//! The headers of sequence records: an id, a description, and what they say in either.

use std::borrow::Cow;

use regex::Regex;

use super::arguments::ReaderArguments;
use crate::builder::TableBuilder;
use crate::cell::Cell;
use crate::error::{Error, record};
use crate::origin::Origin;

/// Keys of descriptions that become columns, at most; what all say stays in the description.
const MOST_KEYS: usize = 100;

/// Columns that a key in a description does not fill.
const OWN: [&str; 4] = ["id", "description", "sequence", "quality"];

/// What a header is taken apart into.
pub(super) struct Headers {
    parts: Parts,
    id: usize,
    description: usize,
    /// The keys of descriptions found so far, with their columns.
    keys: Vec<(String, usize)>,
}

enum Parts {
    /// `key=value` in the description.
    Pairs,
    /// The named groups of a pattern, with their columns.
    Pattern(Regex, Vec<(String, usize)>),
    /// The fields between separators, with their columns.
    Fields(String, Vec<usize>),
}

impl Headers {
    pub(super) fn new(
        arguments: &ReaderArguments,
        builder: &mut TableBuilder,
    ) -> Result<Headers, Error> {
        let (id, description) = (builder.column("id"), builder.column("description"));
        let pattern = arguments.pattern()?;
        let groups = pattern.iter().flat_map(Regex::capture_names).flatten();
        let fields = arguments.header_fields();
        let fields = fields.iter().flat_map(|(_, names)| names.iter());
        let mut named = groups.map(|name| ("header_pattern", name));
        let mut fields = fields.map(|name| ("names", name.as_str()));
        let is_taken = |(_, name): &(&str, &str)| ["sequence", "quality"].contains(name);
        if let Some((key, name)) = named.find(is_taken).or_else(|| fields.find(is_taken)) {
            let message = format!("\"{name}\" is the name of a column that every record has");
            return Err(ReaderArguments::wrong(key, message));
        }
        let parts = match (pattern, arguments.header_fields()) {
            (Some(pattern), _) => {
                let names = pattern.capture_names().flatten();
                let groups = names.map(|name| (name.to_owned(), builder.column(name)));
                let groups = groups.collect();
                Parts::Pattern(pattern, groups)
            }
            (None, Some((sep, names))) => {
                let columns = names.iter().map(|name| builder.column(name));
                Parts::Fields(sep, columns.collect())
            }
            (None, None) => Parts::Pairs,
        };
        Ok(Headers {
            parts,
            id,
            description,
            keys: vec![],
        })
    }

    /// Gives the row its columns of a header, and says which id it has.
    ///
    /// # Errors
    /// The header is not as the arguments say, or the row cannot be stored.
    pub(super) fn push<'h>(
        &mut self,
        header: &'h str,
        name: &'h str,
        description: &str,
        origin: &Origin,
        builder: &mut TableBuilder,
    ) -> Result<&'h str, Error> {
        let wrong = |message: String| record(origin, message);
        let mut id = name;
        match &self.parts {
            Parts::Pairs => {}
            Parts::Pattern(pattern, groups) => {
                let found = pattern.captures(header).ok_or_else(|| {
                    wrong(format!(
                        "the header {} does not match header_pattern",
                        Cell::from(header).shown()
                    ))
                })?;
                for (group, column) in groups {
                    let text = found.name(group).map(|found| found.as_str());
                    if *column == self.id {
                        id = text.unwrap_or(name);
                    } else {
                        builder.push(*column, Cell::from(text))?;
                    }
                }
            }
            Parts::Fields(sep, columns) => {
                let fields: Vec<&str> = header.split(sep.as_str()).collect();
                if fields.len() != columns.len() {
                    return Err(wrong(format!(
                        "the header {} has {} fields between {sep:?}, and there are {} names for them",
                        Cell::from(header).shown(),
                        fields.len(),
                        columns.len()
                    )));
                }
                for (field, column) in fields.into_iter().zip(columns) {
                    if *column == self.id {
                        id = field.trim();
                    } else {
                        builder.push(*column, Cell::from(field.trim()))?;
                    }
                }
            }
        }
        builder.push(self.id, Cell::from(id))?;
        if !description.is_empty() {
            builder.push(self.description, Cell::from(description))?;
        }
        if matches!(self.parts, Parts::Pairs) {
            for (key, value) in pairs(description) {
                if let Some(column) = self.key_column(key, builder) {
                    builder.push(column, Cell::from(value.as_ref()))?;
                }
            }
        }
        Ok(id)
    }

    /// The column of a key; none for one too many.
    fn key_column(&mut self, key: &str, builder: &mut TableBuilder) -> Option<usize> {
        if let Some((_, column)) = self.keys.iter().find(|(known, _)| known == key) {
            return Some(*column);
        }
        if OWN.contains(&key) || self.keys.len() == MOST_KEYS {
            return None;
        }
        let column = builder.column(key);
        self.keys.push((key.to_owned(), column));
        Some(column)
    }
}

/// The `key=value` words of a description.
///
/// A value is one word. It is more in quotes, in brackets around the pair as in NCBI's `[organism=Homo sapiens]`, and after
/// a key of two capitals as in UniProt's `OS=Homo sapiens OX=9606`, where it goes on to the next key.
fn pairs(description: &str) -> Vec<(&str, Cow<'_, str>)> {
    let mut pairs = vec![];
    let mut rest = description;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return pairs;
        }
        let inside = rest.strip_prefix('[').and_then(|text| text.split_once(']'));
        if let Some((inside, after)) = inside
            && let Some((key, value)) = inside.split_once('=')
            && is_key(key)
        {
            pairs.push((key, Cow::Borrowed(value.trim())));
            rest = after;
            continue;
        }
        let (word, after) = first_word(rest);
        rest = after;
        let Some((key, value)) = word.split_once('=').filter(|(key, _)| is_key(key)) else {
            continue;
        };
        let start = description.len() - after.len() - value.len();
        let text = description.get(start..).unwrap_or(value);
        let quoted = text.strip_prefix('"').and_then(|text| text.split_once('"'));
        if let Some((value, after)) = quoted {
            pairs.push((key, Cow::Borrowed(value)));
            rest = after;
        } else if key.len() == 2 && key.bytes().all(|byte| byte.is_ascii_uppercase()) {
            let mut words = vec![value];
            while let (word, after) = first_word(rest)
                && !word.is_empty()
                && !word.split_once('=').is_some_and(|(key, _)| is_key(key))
            {
                words.push(word);
                rest = after;
            }
            pairs.push((key, Cow::Owned(words.join(" "))));
        } else {
            pairs.push((key, Cow::Borrowed(value)));
        }
    }
}

/// The first word and what follows it.
fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

fn is_key(key: &str) -> bool {
    let mut letters = key.chars();
    letters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_with_an_equals_sign_are_pairs() {
        for (description, expected) in [
            (
                "label=3 organism=x rest",
                vec![("label", "3"), ("organism", "x")],
            ),
            ("a kinase, E=mc^2 =3 1=2", vec![("E", "mc^2")]),
            (
                "[organism=Homo sapiens] [x] y=",
                vec![("organism", "Homo sapiens"), ("y", "")],
            ),
            (
                "name=\"two words\" n=1",
                vec![("name", "two words"), ("n", "1")],
            ),
            (
                "Tumor antigen p53 OS=Homo sapiens (Human) OX=9606 GN=TP53 SV=4",
                vec![
                    ("OS", "Homo sapiens (Human)"),
                    ("OX", "9606"),
                    ("GN", "TP53"),
                    ("SV", "4"),
                ],
            ),
            ("url=http://x/?a=b", vec![("url", "http://x/?a=b")]),
            ("", vec![]),
        ] {
            let found = pairs(description);
            let found: Vec<_> = found
                .iter()
                .map(|(key, value)| (*key, value.as_ref()))
                .collect();
            assert_eq!(found, expected, "{description}");
        }
    }

    proptest! {
        #[test]
        fn any_description_is_taken_apart(description in "[A-Zb= \\[\\]\"é\t]{0,30}") {
            for (key, value) in pairs(&description) {
                prop_assert!(is_key(key) && value.len() <= description.len());
            }
        }
    }
}
