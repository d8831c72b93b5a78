//! Lists of tokens: `vocab.txt`, one a line, its id its line; and `vocab.json`, an object of tokens and ids.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::files::{VOCAB_JSON, VOCAB_TXT};
use crate::{Error, Result};

/// Tokens and their ids, each once.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// In the order of the file.
    entries: Vec<(String, u32)>,
    ids: HashMap<String, u32>,
}

impl Vocabulary {
    /// Reads `vocab.txt`: one token a line, the first of id 0.
    pub(crate) fn from_lines(bytes: &[u8]) -> Result<Vocabulary> {
        let text = text(VOCAB_TXT, bytes)?;
        let mut vocabulary = Vocabulary::empty();
        // An editor may leave blank lines at the end; anywhere else they would shift ids.
        for (index, token) in lines(text.trim_end_matches(['\n', '\r'])).enumerate() {
            let line = index + 1;
            if token.is_empty() {
                return Err(Error::line(
                    VOCAB_TXT,
                    line,
                    "the line is empty; every line is one token, whose id is its place",
                ));
            }
            let id = u32::try_from(index)
                .map_err(|_| Error::line(VOCAB_TXT, line, "too many tokens"))?;
            if let Some(earlier) = vocabulary.insert(token, id) {
                let reason = format!(
                    "\"{token}\" occurs already in line {}",
                    u64::from(earlier) + 1
                );
                return Err(Error::line(VOCAB_TXT, line, reason));
            }
        }
        vocabulary.check_not_empty(VOCAB_TXT)
    }

    /// Reads `vocab.json`: an object of tokens and ids.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Vocabulary> {
        Vocabulary::from_json_file(VOCAB_JSON, bytes)
    }

    /// Reads a file like `vocab.json`; its name is for errors.
    pub(crate) fn from_json_file(file: &str, bytes: &[u8]) -> Result<Vocabulary> {
        let Pairs(pairs) =
            serde_json::from_slice(bytes).map_err(|error| Error::json(file, &error))?;
        let mut vocabulary = Vocabulary::empty();
        let mut tokens: BTreeMap<u32, &str> = BTreeMap::new();
        for (token, id) in &pairs {
            if vocabulary.insert(token, *id).is_some() {
                return Err(Error::malformed(file, format!("\"{token}\" occurs twice")));
            }
            if let Some(other) = tokens.insert(*id, token) {
                return Err(Error::malformed(
                    file,
                    format!("\"{other}\" and \"{token}\" have the same id {id}"),
                ));
            }
        }
        vocabulary.check_not_empty(file)
    }

    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// The tokens with their ids, in the order of the file.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, u32)> {
        let entries = self.entries.iter();
        entries.map(|(token, id)| (token.as_str(), *id))
    }

    /// The tokens in the order of the file.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(token, _)| token.as_str())
    }

    /// The tokens that stand for text: all but those written `[X]` or `<x>`.
    pub(crate) fn ordinary(&self) -> impl Iterator<Item = &str> {
        self.tokens().filter(|token| !is_bracketed(token))
    }

    /// The vocabulary as the `vocab` of a `tokenizer.json`.
    pub(crate) fn to_json(&self) -> Value {
        let entries: Map<String, Value> = self
            .entries
            .iter()
            .map(|(token, id)| (token.clone(), Value::from(*id)))
            .collect();
        Value::Object(entries)
    }

    fn empty() -> Vocabulary {
        Vocabulary {
            entries: Vec::new(),
            ids: HashMap::new(),
        }
    }

    /// Adds a token; its earlier id if it is there already.
    fn insert(&mut self, token: &str, id: u32) -> Option<u32> {
        self.entries.push((token.to_owned(), id));
        self.ids.insert(token.to_owned(), id)
    }

    fn check_not_empty(self, file: &str) -> Result<Vocabulary> {
        if self.entries.is_empty() {
            return Err(Error::malformed(file, "it holds no tokens"));
        }
        Ok(self)
    }
}

/// Whether a token is written as special tokens are: `[X]` or `<x>`.
pub(crate) fn is_bracketed(token: &str) -> bool {
    token.len() > 2
        && ((token.starts_with('[') && token.ends_with(']'))
            || (token.starts_with('<') && token.ends_with('>')))
}

/// A file's text without a byte order mark.
pub(crate) fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes
            .iter()
            .take(error.valid_up_to())
            .filter(|byte| **byte == b'\n')
            .count();
        Error::line(file, line, "the line is not UTF-8 text")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Lines ended by `\n` or `\r\n` only: other separators of Unicode are tokens of real vocabularies.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = (!text.is_empty())
        .then(|| text.split('\n'))
        .into_iter()
        .flatten();
    lines.map(|line| line.strip_suffix('\r').unwrap_or(line))
}

/// An object of tokens and ids in the order of the file, repeated tokens kept so that they can be told of.
struct Pairs(Vec<(String, u32)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tokens and ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(text: &str) -> String {
        Vocabulary::from_lines(text.as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_token_has_the_number_of_its_line_whatever_ends_the_lines() {
        for text in [
            "a\nb\nc",
            "a\nb\nc\n",
            "a\r\nb\r\nc\r\n\r\n",
            "\u{feff}a\nb\nc\n\n",
        ] {
            let vocabulary = Vocabulary::from_lines(text.as_bytes()).unwrap();
            assert_eq!(
                ["a", "b", "c"].map(|token| vocabulary.id(token)),
                [Some(0), Some(1), Some(2)],
                "{text:?}"
            );
        }
    }

    #[test]
    fn separators_of_unicode_do_not_end_a_line() {
        let vocabulary = Vocabulary::from_lines("a\u{2028}b\n\u{3000}\nc".as_bytes()).unwrap();
        assert_eq!(vocabulary.id("c"), Some(2));
    }

    #[test]
    fn an_empty_or_repeated_line_is_named() {
        assert!(refusal("a\n\nb").starts_with("vocab.txt:2: the line is empty"));
        assert_eq!(
            refusal("a\nb\na"),
            "vocab.txt:3: \"a\" occurs already in line 1"
        );
        assert_eq!(refusal("\n"), "vocab.txt: it holds no tokens");
        let message = Vocabulary::from_lines(b"a\n\xff\n")
            .unwrap_err()
            .to_string();
        assert_eq!(message, "vocab.txt:2: the line is not UTF-8 text");
    }

    #[test]
    fn a_json_vocabulary_refuses_repeated_tokens_and_ids() {
        let refusal = |text: &str| {
            Vocabulary::from_json(text.as_bytes())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refusal(r#"{"a":0,"a":1}"#),
            "vocab.json: \"a\" occurs twice"
        );
        assert_eq!(
            refusal(r#"{"a":0,"b":0}"#),
            "vocab.json: \"a\" and \"b\" have the same id 0"
        );
        assert!(refusal("{\"a\":\n-1}").starts_with("vocab.json:2:2: not a valid tokenizer file"));
        assert!(refusal("[]").contains("an object of tokens and ids"));
    }

    #[test]
    fn only_tokens_in_brackets_are_not_ordinary() {
        let vocabulary = Vocabulary::from_lines(b"[PAD]\n<null_1>\n<\n[\n.\nA").unwrap();
        assert_eq!(
            vocabulary.ordinary().collect::<Vec<_>>(),
            ["<", "[", ".", "A"]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_vocabulary_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Vocabulary::from_lines(&bytes);
            let _ = Vocabulary::from_json(&bytes);
        }
    }
}
