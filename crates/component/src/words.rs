//! Enums of words: arguments that are one of a few.

use crate::context::Context;
use crate::decode::FromNode;
use crate::kind::Kind;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::suggest::nearest;

/// An enum whose values are words that a user may write, in upper or lower case.
///
/// Derive it; see the [crate](crate) for the attributes.
pub trait Words: FromNode + Copy + PartialEq {
    /// Every word with its value. The first of a value is the one that is written, the others are read as well.
    fn words() -> Vec<(&'static str, Self)>;
}

/// Reads one of the words.
///
/// # Errors
/// The node is none of them.
pub fn decode_word<T: Words>(node: &Node, cx: &Context) -> Result<T, Refusal> {
    let words = T::words();
    let text = node.as_text();
    let is_meant = |word: &str| text.is_some_and(|text| text.eq_ignore_ascii_case(word));
    if let Some((_, value)) = words.iter().find(|(word, _)| is_meant(word)) {
        return Ok(*value);
    }
    let written = words.iter().enumerate().filter(|(at, (_, value))| {
        let mut earlier = words.iter().take(*at);
        earlier.all(|(_, other)| other != value)
    });
    let written: Vec<&str> = written.map(|(_, (word, _))| *word).collect();
    let wanted = match written.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => written.concat(),
    };
    let error = cx.expected(node, &wanted);
    let near = text.and_then(|text| nearest(text, words.iter().map(|(word, _)| *word)));
    Err(match near {
        Some(near) => error.help(format!("Did you mean \"{near}\"?")),
        None => error,
    })
}

/// The word that is written for a value.
pub fn encode_word<T: Words>(value: &T) -> Node {
    let words = T::words().into_iter();
    let mut written = words.filter(|(_, other)| other == value);
    written
        .next()
        .map_or_else(Node::null, |(word, _)| Node::text(word))
}

/// All words, for help texts and the schema.
pub fn kind_of_words<T: Words>() -> Kind {
    Kind::Words(T::words().into_iter().map(|(word, _)| word).collect())
}
