//! What SentencePiece does to a text before it divides it: rules of replacement, white space, and the space in front.

use super::SPACE;
use super::charsmap::Charsmap;
use super::file::ModelFile;
use super::trie::Trie;

/// SentencePiece's normaliser.
#[derive(Debug, Clone)]
pub(super) struct Normalizer {
    charsmap: Charsmap,
    /// Pieces that are left as they are.
    user_defined: Trie,
    add_dummy_prefix: bool,
    remove_extra_whitespaces: bool,
    escape_whitespaces: bool,
    whitespace_as_suffix: bool,
}

impl Normalizer {
    pub(super) fn new(file: &ModelFile, user_defined: Trie) -> Result<Normalizer, String> {
        Ok(Normalizer {
            charsmap: Charsmap::read(&file.charsmap)?,
            user_defined,
            add_dummy_prefix: file.add_dummy_prefix,
            remove_extra_whitespaces: file.remove_extra_whitespaces,
            escape_whitespaces: file.escape_whitespaces,
            whitespace_as_suffix: file.whitespace_as_suffix,
        })
    }

    /// Normalises a text, and puts a space in front of it if the model says so and `may_add_space` does.
    pub(super) fn normalize(&self, text: &str, may_add_space: bool) -> String {
        let strip = self.remove_extra_whitespaces;
        let mut rest = text;
        while strip && !rest.is_empty() {
            let (replacement, after) = self.step(rest);
            if replacement != " " {
                break;
            }
            rest = after;
        }
        let mut normalized = String::with_capacity(text.len() + 2 * SPACE.len());
        if rest.is_empty() {
            return normalized;
        }
        let space = if self.escape_whitespaces { SPACE } else { " " };
        let dummy = self.add_dummy_prefix && may_add_space;
        if dummy && !self.whitespace_as_suffix {
            normalized.push_str(space);
        }

        let mut after_space = strip;
        while !rest.is_empty() {
            let (mut replacement, after) = self.step(rest);
            rest = after;
            if after_space {
                replacement = replacement.trim_start_matches(' ');
            }
            if !replacement.is_empty() {
                for (index, part) in replacement.split(' ').enumerate() {
                    if index > 0 {
                        normalized.push_str(space);
                    }
                    normalized.push_str(part);
                }
                after_space = self.remove_extra_whitespaces && replacement.ends_with(' ');
            }
        }

        if self.remove_extra_whitespaces {
            normalized.truncate(normalized.trim_end_matches(space).len());
        }
        if dummy && self.whitespace_as_suffix {
            normalized.push_str(space);
        }
        normalized
    }

    /// What the beginning of a text becomes, and the text after it. The text is not empty.
    fn step<'a>(&'a self, text: &'a str) -> (&'a str, &'a str) {
        if let Some(length) = self.user_defined.longest(text) {
            return text.split_at_checked(length).unwrap_or((text, ""));
        }
        if let Some((length, replacement)) = self.charsmap.longest(text) {
            return (replacement, text.get(length..).unwrap_or_default());
        }
        let length = text.chars().next().map_or(0, char::len_utf8);
        text.split_at_checked(length).unwrap_or((text, ""))
    }
}
