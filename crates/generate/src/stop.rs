//! When a row ends before its limit: tokens, and strings in its text.

use std::sync::Arc;

use engraft_component::{Context, FromNode, Kind, Node, Refusal};

use crate::error::{Error, Result};

/// Which tokens end a row, as the user says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StopTokens {
    /// None: rows end by their limits and stop strings alone.
    None,
    /// The model's own end tokens: those of `generation_config.json`, else the tokenizer's.
    #[default]
    Auto,
    /// These ids.
    Ids(Vec<u32>),
}

/// `none`, `auto`, a list of ids, or ids in one word such as `1,2`.
impl FromNode for StopTokens {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        if node.as_list().is_some() {
            return Vec::from_node(node, cx).map(Self::Ids);
        }
        let ids = match node.as_text().map(str::trim) {
            Some("none") => return Ok(Self::None),
            Some("auto") => return Ok(Self::Auto),
            Some(ids) => ids.split(',').map(|id| id.trim().parse().ok()).collect(),
            None => None,
        };
        ids.map(Self::Ids)
            .ok_or_else(|| cx.expected(node, "none, auto, or token ids such as 1,2"))
    }

    fn to_node(&self) -> Node {
        match self {
            Self::None => Node::text("none"),
            Self::Auto => Node::text("auto"),
            Self::Ids(ids) => ids.to_node(),
        }
    }

    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::Words(vec!["none", "auto"]), Vec::<u32>::kind()])
    }
}

impl StopTokens {
    /// The ids that end a row, where `auto` are the model's own; sorted, each once.
    ///
    /// # Errors
    /// An id that a vocabulary of `vocabulary` tokens lacks.
    pub fn resolve(&self, auto: &[u32], vocabulary: usize) -> Result<Vec<u32>> {
        let mut ids = match self {
            Self::None => Vec::new(),
            Self::Auto => auto.to_vec(),
            Self::Ids(ids) => {
                let is_outside = |id: &&u32| usize::try_from(**id).is_ok_and(|id| id >= vocabulary);
                if let Some(id) = ids.iter().find(is_outside) {
                    return Err(Error::expected(
                        "stop_token_ids",
                        &format!("ids below the vocabulary's size {vocabulary}"),
                        id,
                    ));
                }
                ids.clone()
            }
        };
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}

/// The strings that end a row, prepared for matching. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct StopStrings(Arc<[StopString]>);

#[derive(Debug)]
struct StopString {
    bytes: Box<[u8]>,
    /// For each length of a match so far, the next shorter one that is its end (Knuth, Morris and Pratt, 1977).
    shorter: Box<[usize]>,
}

impl StopStrings {
    /// Prepares strings for matching.
    ///
    /// # Errors
    /// An empty string, which would end every row before it began.
    pub fn new<S: AsRef<str>>(strings: impl IntoIterator<Item = S>) -> Result<Self> {
        let strings = strings.into_iter().map(|string| {
            let string = string.as_ref();
            if string.is_empty() {
                return Err(Refusal::of(
                    "stop",
                    "an empty string would end every text before it began; give at least one character",
                )
                .into());
            }
            Ok(StopString::new(string.as_bytes()))
        });
        strings
            .collect::<Result<Vec<_>>>()
            .map(|strings| Self(strings.into()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A matcher for one row.
    pub fn matcher(&self) -> StopMatcher {
        StopMatcher {
            strings: self.clone(),
            lengths: vec![0; self.0.len()],
            held: String::new(),
            stopped: false,
        }
    }
}

impl StopString {
    fn new(bytes: &[u8]) -> Self {
        let mut shorter = Vec::with_capacity(bytes.len());
        let mut length = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if at > 0 {
                length = grow(bytes, &shorter, length, byte);
            }
            shorter.push(length);
        }
        Self {
            bytes: bytes.into(),
            shorter: shorter.into(),
        }
    }
}

/// How long a match is once `byte` has followed one of `length` bytes, which was not complete.
fn grow(bytes: &[u8], shorter: &[usize], mut length: usize, byte: u8) -> usize {
    while bytes.get(length) != Some(&byte) {
        match length.checked_sub(1).and_then(|last| shorter.get(last)) {
            Some(&next) => length = next,
            None => return 0,
        }
    }
    length + 1
}

/// Looks for stop strings in the text of one row as it grows.
///
/// The first string to be complete ends the text, right before that string; of several that are complete at the same place, the longest. How
/// the text is divided into pieces changes nothing. Only text that may still become a stop string is held back. The work for a piece is
/// proportional to its length, however long the strings are.
///
/// ```
/// use engraft_generate::StopStrings;
///
/// let mut matcher = StopStrings::new(["\n\n", "END"])?.matcher();
/// assert_eq!(matcher.push("a line\n"), "a line");
/// assert_eq!(matcher.push("and more E"), "\nand more ");
/// assert_eq!(matcher.push("ND, and what follows"), "");
/// assert!(matcher.has_stopped());
/// # Ok::<(), engraft_generate::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StopMatcher {
    strings: StopStrings,
    /// How much of each string the end of the text matches.
    lengths: Vec<usize>,
    /// The text that the longest of these matches consists of.
    held: String,
    stopped: bool,
}

impl StopMatcher {
    /// Adds a piece; the text that is now certain to be part of the row. Nothing is after the row has stopped.
    pub fn push(&mut self, piece: &str) -> String {
        if self.stopped {
            return String::new();
        }
        let before = self.held.len();
        self.held.push_str(piece);
        for (at, byte) in piece.bytes().enumerate() {
            let mut complete = None;
            for (string, length) in self.strings.0.iter().zip(&mut self.lengths) {
                *length = grow(&string.bytes, &string.shorter, *length, byte);
                if *length == string.bytes.len() {
                    complete = complete.max(Some(*length));
                }
            }
            if let Some(length) = complete {
                self.stopped = true;
                let mut text = std::mem::take(&mut self.held);
                text.truncate(before + at + 1 - length);
                return text;
            }
        }
        let longest = self.lengths.iter().max().copied().unwrap_or_default();
        let certain = self.held.len() - longest;
        let held = self.held.split_off(certain);
        std::mem::replace(&mut self.held, held)
    }

    /// Whether a stop string was complete.
    pub fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// The text that was held back, as nothing follows.
    pub fn finish(self) -> String {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use engraft_component::{decode, read_yaml};
    use proptest::prelude::*;

    use super::*;

    /// The row's text by looking at all of it again at every end.
    fn naive(text: &str, strings: &[String]) -> (String, bool) {
        for end in text.char_indices().map(|(at, char)| at + char.len_utf8()) {
            let complete = strings
                .iter()
                .filter(|it| text[..end].ends_with(it.as_str()));
            if let Some(length) = complete.map(String::len).max() {
                return (text[..end - length].to_owned(), true);
            }
        }
        (text.to_owned(), false)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn whatever_the_pieces_the_row_is_that_of_a_search_in_the_whole_text(
            pieces in prop::collection::vec("[abé\u{1f600}]{0,5}", 0..12),
            strings in prop::collection::vec("[abé\u{1f600}]{1,7}", 0..4),
        ) {
            let text = pieces.concat();
            let (expected, stops) = naive(&text, &strings);
            let mut matcher = StopStrings::new(&strings).unwrap().matcher();
            let (mut row, mut seen) = (String::new(), String::new());
            for piece in &pieces {
                row += &matcher.push(piece);
                seen += piece;
                // It stops as soon as it can, and holds back only what may become a stop string.
                prop_assert_eq!(matcher.has_stopped(), naive(&seen, &strings).1);
                let waits = &seen[row.len().min(seen.len())..];
                let may_become = waits.is_empty() || strings.iter().any(|it| it.starts_with(waits));
                prop_assert!(matcher.has_stopped() || may_become, "{waits:?} was held back");
            }
            prop_assert_eq!(matcher.has_stopped(), stops);
            row += &matcher.finish();
            prop_assert_eq!(row, expected);
        }
    }

    #[test]
    fn the_first_to_be_complete_wins_and_of_several_the_longest() {
        let row = |strings: &[&str], text: &str| {
            let mut matcher = StopStrings::new(strings).unwrap().matcher();
            let row = matcher.push(text);
            (row, matcher.has_stopped(), matcher.finish())
        };
        assert_eq!(row(&["bc", "abcd"], "xabcd").0, "xa");
        assert_eq!(row(&["bc", "abc"], "xabcd").0, "x");
        assert_eq!(
            row(&["abab"], "xabaab"),
            ("xaba".into(), false, "ab".into())
        );
        assert_eq!(row(&["aab"], "aaab"), ("a".into(), true, String::new()));
        assert_eq!(row(&[], "text"), ("text".into(), false, String::new()));
    }

    #[test]
    fn nothing_follows_a_stop_string() {
        let mut matcher = StopStrings::new(["."]).unwrap().matcher();
        assert_eq!(matcher.push("one. two"), "one");
        assert_eq!(matcher.push(" three"), "");
        assert_eq!(matcher.finish(), "");
    }

    #[test]
    fn an_empty_stop_string_is_refused() {
        let error = StopStrings::new(["a", ""]).unwrap_err();
        assert!(
            error.to_string().starts_with("stop: an empty string"),
            "{error}"
        );
    }

    #[test]
    fn stop_tokens_are_read_and_resolved() {
        let read = |yaml: &str| {
            let node = read_yaml(yaml.as_bytes(), "f.yaml").unwrap();
            decode::<StopTokens>(&node).map(|(tokens, _)| tokens)
        };
        assert_eq!(read("none").unwrap(), StopTokens::None);
        assert_eq!(read("' auto '").unwrap(), StopTokens::Auto);
        let ids = read("7, 2,7").unwrap();
        for yaml in ["[7, 2, 7]", "'7,2,7'"] {
            assert_eq!(read(yaml).unwrap(), ids);
        }
        assert_eq!(read("7").unwrap(), StopTokens::Ids(vec![7]));
        for tokens in [StopTokens::None, StopTokens::Auto, ids.clone()] {
            assert_eq!(decode::<StopTokens>(&tokens.to_node()).unwrap().0, tokens);
        }
        assert_eq!(ids.resolve(&[1], 10).unwrap(), [2, 7]);
        assert_eq!(StopTokens::Auto.resolve(&[3, 1], 10).unwrap(), [1, 3]);
        assert!(StopTokens::None.resolve(&[1], 10).unwrap().is_empty());
        assert_eq!(
            read("1,x").unwrap_err().to_string(),
            "f.yaml:1: expected none, auto, or token ids such as 1,2, found \"1,x\""
        );
        for wrong in ["''", "null", "[1, x]", "{a: 1}"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            ids.resolve(&[], 7).unwrap_err().to_string(),
            "stop_token_ids: expected ids below the vocabulary's size 7, found 7"
        );
    }
}
