//! Parsed values that remember where they were written.

use crate::refusal::Span;

/// A parsed value with its place.
///
/// Two nodes are equal if their values are; places do not count.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the value was written.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, not yet read as a number, a flag or a name: the type it is decoded into decides.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// Keys with their values, in the order written.
    Map(Mapping),
}

/// The raw text of a scalar.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// The text without its quotes.
    pub text: String,
    /// How it was written.
    pub style: Style,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: `null` is null.
    Plain,
    /// In quotes or as a block of text: `"null"` is text.
    Quoted,
    /// An option without a value (`--trainer.fast_dev_run`), read as true.
    Flag,
}

/// Keys with their values, in the order written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    entries: Vec<Entry>,
}

/// One key of a mapping.
///
/// Two entries are equal if their keys and values are.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key was written.
    pub span: Span,
    /// Its value.
    pub value: Node,
    /// Given for a class that a later source replaced: the new class may drop it.
    pub inherited: bool,
}

impl Node {
    /// A node made in code.
    pub fn new(value: Value) -> Self {
        Self {
            span: Span::none(),
            value,
        }
    }

    /// A node written at `span`.
    pub fn at(span: &Span, value: Value) -> Self {
        Self {
            span: span.clone(),
            value,
        }
    }

    /// `null`.
    pub fn null() -> Self {
        Self::plain("null")
    }

    /// A scalar without quotes, such as a number or a class name.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(Value::Scalar(Scalar {
            text: text.into(),
            style: Style::Plain,
        }))
    }

    /// Text that is read back as this text, quoted where it would otherwise mean something else.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        let style = if means_something_else(&text) {
            Style::Quoted
        } else {
            Style::Plain
        };
        Self::new(Value::Scalar(Scalar { text, style }))
    }

    /// A scalar's text as text, at the same place: a class name handed on as a value.
    pub(crate) fn text_at(node: &Node) -> Self {
        let text = node.as_scalar().map_or("", |scalar| scalar.text.as_str());
        Self {
            span: node.span.clone(),
            ..Self::text(text)
        }
    }

    /// A list.
    pub fn list(items: Vec<Node>) -> Self {
        Self::new(Value::List(items))
    }

    /// A mapping.
    pub fn map(mapping: Mapping) -> Self {
        Self::new(Value::Map(mapping))
    }

    /// A class with its arguments: `{class_path, init_args}`.
    pub fn class(name: &str, arguments: Mapping) -> Self {
        let mut class = Mapping::default();
        class.set("class_path", Self::plain(name));
        class.set("init_args", Self::map(arguments));
        Self::map(class)
    }

    /// Whether this is null: `null`, `~`, `None` or nothing at all, without quotes.
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(Scalar::is_null)
    }

    /// The scalar, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text of a scalar that is neither null nor an option without a value.
    pub fn as_text(&self) -> Option<&str> {
        self.as_scalar()
            .filter(|scalar| !scalar.is_null() && scalar.style != Style::Flag)
            .map(|scalar| scalar.text.as_str())
    }

    /// The mapping, if it is one.
    pub fn as_map(&self) -> Option<&Mapping> {
        match &self.value {
            Value::Map(mapping) => Some(mapping),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// What this is, for the words after "found" in an error: `"abc"`, `null`, `a list`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Scalar(scalar) if scalar.style == Style::Flag => "no value".to_owned(),
            Value::Scalar(scalar) if scalar.is_null() => "null".to_owned(),
            Value::Scalar(scalar) => quote(&scalar.text),
            Value::List(items) if items.is_empty() => "an empty list".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Scalar {
    /// Whether this is null: `null`, `~`, `None` or nothing at all, without quotes.
    pub fn is_null(&self) -> bool {
        self.style == Style::Plain && is_null_text(&self.text)
    }

    /// Whether this can be a name: text that is neither null, a flag nor a number.
    pub fn is_word(&self) -> bool {
        self.style != Style::Flag
            && !is_null_text(&self.text)
            && crate::scalars::boolean(&self.text).is_none()
            && crate::scalars::float(&self.text).is_none()
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        match (self.is_null(), other.is_null()) {
            (true, true) => true,
            (false, false) => self.text == other.text,
            _ => false,
        }
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value
    }
}

impl Mapping {
    /// Number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    /// The entries in order, to be changed.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Entry> {
        self.entries.iter_mut()
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }

    /// Whether the key is there.
    pub fn contains(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entry_mut(key).map(|entry| &mut entry.value)
    }

    /// The entry of a key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The entry of a key, to be changed.
    pub fn entry_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// Sets a key to a value, at the value's own place; a key already there keeps its position.
    pub fn set(&mut self, key: impl Into<String>, value: Node) {
        let span = value.span.clone();
        self.insert(Entry {
            key: key.into(),
            span,
            value,
            inherited: false,
        });
    }

    /// Puts an entry in place of one with the same key, or at the end.
    pub fn insert(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|old| old.key == entry.key) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }

    /// Appends an entry known to be new, which spares the search for one with the same key.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        let position = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(position))
    }
}

impl IntoIterator for Mapping {
    type Item = Entry;
    type IntoIter = std::vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a> IntoIterator for &'a Mapping {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter()
    }
}

/// A value in quotes for an error text: one line, of bounded length.
pub(crate) fn quote(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    let shown: String = shown
        .chars()
        .flat_map(|char| {
            let escaped: Vec<char> = if char.is_control() {
                char.escape_default().collect()
            } else {
                vec![char]
            };
            escaped
        })
        .collect();
    format!("\"{shown}\"")
}

pub(crate) fn is_null_text(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL" | "None")
}

/// Whether some reader would take this text, without quotes, for null, a flag, a number or a merge key.
fn means_something_else(text: &str) -> bool {
    is_null_text(text)
        || text == "<<"
        || crate::scalars::boolean(text).is_some()
        || crate::scalars::float(text).is_some()
        || text.starts_with("0x")
        || text.starts_with("0o")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_compared_by_value_not_by_place() {
        let mut one = Node::plain("a");
        one.span = Span::source("--x");
        assert_eq!(one, Node::plain("a"));
        assert_ne!(one, Node::plain("b"));
    }

    #[test]
    fn quoted_null_is_text() {
        assert!(Node::plain("null").is_null());
        assert!(!Node::text("null").is_null());
        assert_ne!(Node::plain("null"), Node::text("null"));
    }

    #[test]
    fn setting_a_key_again_keeps_its_position() {
        let mut mapping = Mapping::default();
        mapping.set("a", Node::plain("1"));
        mapping.set("b", Node::plain("2"));
        mapping.set("a", Node::plain("3"));
        assert_eq!(mapping.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(mapping.get("a"), Some(&Node::plain("3")));
    }

    #[test]
    fn long_and_multiline_values_are_shown_on_one_short_line() {
        assert_eq!(quote("a\nb"), "\"a\\nb\"");
        assert!(quote(&"x".repeat(500)).chars().count() < 70);
    }
}
