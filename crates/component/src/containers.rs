//! Optional values, lists and mappings.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::decode::FromNode;
use crate::kind::Kind;
use crate::node::{Mapping, Node, Value};
use crate::refusal::Refusal;

impl FromNode for Node {
    fn from_node(node: &Node, _: &mut Context) -> Result<Self, Refusal> {
        Ok(node.clone())
    }

    fn to_node(&self) -> Node {
        self.clone()
    }

    fn kind() -> Kind {
        Kind::Any
    }
}

impl<T: FromNode> FromNode for Box<T> {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        T::from_node(node, cx).map(Box::new)
    }

    fn to_node(&self) -> Node {
        T::to_node(self)
    }

    fn kind() -> Kind {
        T::kind()
    }

    fn absent() -> Option<Self> {
        T::absent().map(Box::new)
    }
}

impl<T: FromNode> FromNode for Option<T> {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        if node.is_null() {
            Ok(None)
        } else {
            T::from_node(node, cx).map(Some)
        }
    }

    fn to_node(&self) -> Node {
        self.as_ref().map_or_else(Node::null, T::to_node)
    }

    fn kind() -> Kind {
        Kind::Optional(Box::new(T::kind()))
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// The items of a list; a bare value counts as a list of one.
fn items<T: FromNode>(node: &Node, cx: &mut Context) -> Result<Vec<T>, Refusal> {
    match &node.value {
        Value::List(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| cx.within_item(index, |cx| T::from_node(item, cx)))
            .collect(),
        Value::Scalar(scalar) if scalar.is_null() => Err(cx.expected(node, "a list")),
        _ => T::from_node(node, cx).map(|item| vec![item]),
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        items(node, cx)
    }

    fn to_node(&self) -> Node {
        Node::list(self.iter().map(T::to_node).collect())
    }

    fn kind() -> Kind {
        Kind::List(Box::new(T::kind()))
    }
}

impl<T: FromNode, const N: usize> FromNode for [T; N] {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        let items: Vec<T> = items(node, cx)?;
        let found = items.len();
        <[T; N]>::try_from(items).map_err(|_| {
            cx.error(
                &node.span,
                format!("expected a list of {N} values, found {found}"),
            )
        })
    }

    fn to_node(&self) -> Node {
        Node::list(self.iter().map(T::to_node).collect())
    }

    fn kind() -> Kind {
        Kind::Array(Box::new(T::kind()), N)
    }
}

impl<T: FromNode> FromNode for BTreeMap<String, T> {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        let mapping = node
            .as_map()
            .ok_or_else(|| cx.expected(node, "a mapping of names to values"))?;
        mapping
            .iter()
            .map(|entry| {
                let value = cx.within(&entry.key, |cx| T::from_node(&entry.value, cx))?;
                Ok((entry.key.clone(), value))
            })
            .collect()
    }

    fn to_node(&self) -> Node {
        let mut mapping = Mapping::default();
        for (key, value) in self {
            mapping.set(key.as_str(), value.to_node());
        }
        Node::map(mapping)
    }

    fn kind() -> Kind {
        Kind::Map(Box::new(T::kind()))
    }
}
