//! Strings by their first bytes.

use std::collections::VecDeque;
use std::ops::Range;

const NONE: u32 = u32::MAX;

/// Strings, each with a number, to be found at the beginning of a text.
#[derive(Debug, Clone)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// Where its children begin, which are ordered by their bytes.
    children: u32,
    count: u16,
    /// The byte that leads to it.
    byte: u8,
    /// The number of the string that ends here.
    value: u32,
}

impl Node {
    fn new(byte: u8) -> Node {
        Node {
            children: 0,
            count: 0,
            byte,
            value: NONE,
        }
    }
}

impl Trie {
    /// A trie of distinct strings.
    pub(super) fn new<'a>(strings: impl Iterator<Item = (&'a str, u32)>) -> Trie {
        let mut strings: Vec<(&[u8], u32)> = strings
            .map(|(string, value)| (string.as_bytes(), value))
            .collect();
        strings.sort_unstable();
        let mut nodes = vec![Node::new(0)];
        // Nodes whose children are still to be made, with the strings that lead through them and how deep they are.
        let mut open: VecDeque<(usize, Range<usize>, usize)> = VecDeque::new();
        open.push_back((0, 0..strings.len(), 0));
        while let Some((node, range, depth)) = open.pop_front() {
            let first_child = nodes.len();
            let mut value = NONE;
            for index in range {
                let Some((string, number)) = strings.get(index) else {
                    continue;
                };
                let Some(byte) = string.get(depth) else {
                    value = *number;
                    continue;
                };
                match open.back_mut() {
                    Some((last, range, _))
                        if *last >= first_child
                            && nodes.get(*last).is_some_and(|node| node.byte == *byte) =>
                    {
                        range.end = index + 1;
                    }
                    _ => {
                        open.push_back((nodes.len(), index..index + 1, depth + 1));
                        nodes.push(Node::new(*byte));
                    }
                }
            }
            let count = nodes.len() - first_child;
            if let Some(node) = nodes.get_mut(node) {
                node.value = value;
                node.children = u32::try_from(first_child).unwrap_or(NONE);
                node.count = u16::try_from(count).unwrap_or_default();
            }
        }
        Trie { nodes }
    }

    /// The strings that a text begins with, the shortest first: how many bytes each has, and its number.
    pub(super) fn prefixes<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (usize, u32)> + 'a {
        let mut node = self.nodes.first();
        text.bytes()
            .enumerate()
            .map_while(move |(index, byte)| {
                node = self.child(node?, byte);
                Some((index + 1, node?.value))
            })
            .filter(|(_, value)| *value != NONE)
    }

    /// How many bytes the longest string has that a text begins with.
    pub(super) fn longest(&self, text: &str) -> Option<usize> {
        self.prefixes(text).last().map(|(length, _)| length)
    }

    fn child(&self, node: &Node, byte: u8) -> Option<&Node> {
        let begin = usize::try_from(node.children).ok()?;
        let children = self
            .nodes
            .get(begin..begin.checked_add(usize::from(node.count))?)?;
        let place = children
            .binary_search_by_key(&byte, |child| child.byte)
            .ok()?;
        children.get(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_strings_found_are_those_the_text_begins_with(
            strings in prop::collection::btree_set("[abé]{1,4}", 0..20),
            text in "[abé]{0,6}",
        ) {
            let numbered = || strings.iter().map(String::as_str).zip(0..);
            let trie = Trie::new(numbered());
            let mut expected: Vec<(usize, u32)> = numbered()
                .filter(|(string, _)| text.starts_with(string))
                .map(|(string, number)| (string.len(), number))
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(trie.prefixes(&text).collect::<Vec<_>>(), expected.clone());
            prop_assert_eq!(trie.longest(&text), expected.last().map(|(length, _)| *length));
        }
    }
}
