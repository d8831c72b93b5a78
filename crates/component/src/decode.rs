//! The trait between configuration and typed values.

use crate::context::Context;
use crate::kind::Kind;
use crate::node::Node;
use crate::note::Note;
use crate::refusal::Refusal;

/// A type that can be written in configuration.
pub trait FromNode: Sized {
    /// Reads a node.
    ///
    /// # Errors
    /// One sentence naming the first thing that is wrong, its place and its key.
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal>;

    /// The node that [`Self::from_node`] reads as this value.
    fn to_node(&self) -> Node;

    /// The type in words.
    fn kind() -> Kind;

    /// The value of an argument that is not given and has no default; none if it must be given.
    fn absent() -> Option<Self> {
        None
    }
}

/// Reads a whole node on its own; the second part are the notes.
///
/// # Errors
/// As [`FromNode::from_node`].
pub fn decode<T: FromNode>(node: &Node) -> Result<(T, Vec<Note>), Refusal> {
    let mut cx = Context::new();
    let value = T::from_node(node, &mut cx)?;
    Ok((value, cx.into_notes()))
}

/// `Default` under a bound that the derives can leave open: implemented for every type that has `Default`.
pub trait DefaultIfAny<'a>: Default {}

impl<T: Default> DefaultIfAny<'_> for T {}
