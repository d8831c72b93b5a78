//! Arguments that are one of a few words.

use engraft_component::{Context, Error, Kind, Node};

/// Reads the value of one of the words, whatever their case.
///
/// # Errors
/// The node is none of them.
pub(crate) fn read<T: Copy>(
    node: &Node,
    cx: &Context,
    words: &[(&'static str, T)],
) -> Result<T, Error> {
    let text = node.as_text();
    let found = words
        .iter()
        .find(|(word, _)| text.is_some_and(|text| text.eq_ignore_ascii_case(word)));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        cx.expected(node, &names.join(" or "))
    })
}

/// The word of a value.
pub(crate) fn write<T: PartialEq>(value: &T, words: &[(&'static str, T)]) -> Node {
    let found = words.iter().find(|(_, of)| of == value);
    found.map_or_else(Node::null, |(word, _)| Node::text(*word))
}

/// The words, for help texts.
pub(crate) fn kind<T>(words: &[(&'static str, T)]) -> Kind {
    Kind::Words(words.iter().map(|(word, _)| *word).collect())
}
