//! Token ids as users write them: a list, or one word such as `1,2`.

use std::ops::Deref;

use engraft_component::{Context, FromNode, Kind, Node, Refusal};

use crate::error::{Error, Result};

/// Token ids, in the order given.
///
/// ```
/// use engraft_component::{decode, read_yaml};
/// use engraft_generate::TokenIds;
///
/// for yaml in ["[7, 2]", "7,2"] {
///     let (ids, _) = decode::<TokenIds>(&read_yaml(yaml.as_bytes(), "request")?)?;
///     assert_eq!(ids, TokenIds(vec![7, 2]));
/// }
/// # Ok::<(), engraft_component::Refusal>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenIds(pub Vec<u32>);

impl Deref for TokenIds {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.0
    }
}

/// `none`, a list of ids, or ids in one word such as `1,2`.
impl FromNode for TokenIds {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        if node.as_list().is_some() {
            return Vec::from_node(node, cx).map(Self);
        }
        match node.as_text().map(str::trim) {
            Some("none") => Ok(Self::default()),
            text => text
                .and_then(ids_in)
                .map(Self)
                .ok_or_else(|| cx.expected(node, "none, or token ids such as 1,2")),
        }
    }

    fn to_node(&self) -> Node {
        self.0.to_node()
    }

    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::Words(vec!["none"]), Vec::<u32>::kind()])
    }
}

/// The ids in a word such as `1,2`.
pub(crate) fn ids_in(word: &str) -> Option<Vec<u32>> {
    let ids = word.split(',').map(|id| id.trim().parse().ok());
    ids.collect()
}

/// Refuses ids that a vocabulary of `vocabulary` tokens lacks, as those of the argument `name`.
///
/// # Errors
/// The first of them.
pub(crate) fn check(name: &str, ids: &[u32], vocabulary: usize) -> Result<()> {
    let outside = |id: &&u32| usize::try_from(**id).is_ok_and(|id| id >= vocabulary);
    match ids.iter().find(outside) {
        Some(id) => Err(Error::expected(
            name,
            &format!("ids below the vocabulary's size {vocabulary}"),
            id,
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use engraft_component::{decode, read_yaml};

    use super::*;

    #[test]
    fn ids_are_a_list_or_a_word_and_are_written_as_they_are_read() {
        let read = |yaml: &str| {
            let node = read_yaml(yaml.as_bytes(), "f.yaml").unwrap();
            decode::<TokenIds>(&node).map(|(ids, _)| ids)
        };
        for (yaml, ids) in [
            ("[3, 1]", vec![3, 1]),
            ("' 3, 1'", vec![3, 1]),
            ("3", vec![3]),
            ("[]", vec![]),
            ("none", vec![]),
        ] {
            let found = read(yaml).unwrap();
            assert_eq!(*found, *ids, "{yaml}");
            assert_eq!(decode::<TokenIds>(&found.to_node()).unwrap().0, found);
        }
        for wrong in ["''", "auto", "-1", "[1, x]", "{a: 1}"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            read("1,x").unwrap_err().to_string(),
            "f.yaml:1: expected none, or token ids such as 1,2, found \"1,x\""
        );
        assert_eq!(
            check("suppress_tokens", &[6, 7], 7)
                .unwrap_err()
                .to_string(),
            "suppress_tokens: expected ids below the vocabulary's size 7, found 7"
        );
    }
}
