//! What becomes of letters that a vocabulary of letters lacks, as users name it.

use engraft_component::{Context, Error, FromNode, Kind, Node};

/// What becomes of a letter that the vocabulary lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterPolicy {
    /// Its row is refused.
    Error,
    /// It is one unknown token.
    Unknown,
    /// It is its upper case, or T for U or U for T, or the letter for any (N or X), whichever the vocabulary has first; else unknown.
    Map,
}

impl LetterPolicy {
    const NAMES: [(&'static str, Self); 3] = [
        ("error", Self::Error),
        ("unknown", Self::Unknown),
        ("map", Self::Map),
    ];
}

impl FromNode for LetterPolicy {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Error> {
        let found = node
            .as_text()
            .and_then(|text| Self::NAMES.iter().find(|(name, _)| *name == text));
        found
            .map(|(_, policy)| *policy)
            .ok_or_else(|| cx.expected(node, "error, unknown or map"))
    }

    fn to_node(&self) -> Node {
        let name = Self::NAMES.iter().find(|(_, policy)| policy == self);
        name.map_or("", |(name, _)| *name).to_owned().to_node()
    }

    fn kind() -> Kind {
        Kind::Words(Self::NAMES.iter().map(|(name, _)| *name).collect())
    }
}
