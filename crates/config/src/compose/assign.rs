//! Options: one dotted key set to one value.

use engraft_component::{
    Entry, Mapping, Node, Note, Refusal, Scalar, Span, Style, Value, read_yaml,
};

use super::class::{Class, Shape, is_wrapper};
use super::merge;

/// Words of a dotted key; deeper than any experiment goes.
const DEEPEST: usize = 64;

/// Sets what `--key value` says.
pub(super) fn assign(
    root: &mut Mapping,
    key: &str,
    value: Option<&str>,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    let key = key.trim_start_matches("--");
    let span = Span::source(format!("--{key}"));
    let (path, appends) = match key.strip_suffix('+') {
        Some(path) => (path, true),
        None => (key, false),
    };
    let words: Vec<&str> = path.split('.').collect();
    if words
        .iter()
        .any(|word| word.is_empty() || word.contains('+'))
    {
        let message =
            "not a key. Keys are words joined by dots, with a + at the end to append to a list";
        return Err(Refusal::new(&span, "", message));
    }
    if words.len() > DEEPEST {
        return Err(Refusal::new(
            &span,
            "",
            format!("a key of more than {DEEPEST} words"),
        ));
    }
    let mut value = read_value(value, &span);
    if path == "trainer" && !appends {
        let entry = Entry {
            key: path.to_owned(),
            span,
            value,
            inherited: false,
        };
        return merge::trainer(root, entry, notes);
    }
    if path == "trainer.callbacks" {
        value = merge::listed(value);
    }
    let mut assignment = Assignment {
        span: &span,
        words: &words,
        appends,
        notes,
    };
    match words.as_slice() {
        ["trainer", rest @ ..] if !rest.is_empty() => {
            let empty = Node::at(&span, Value::Map(Mapping::default()));
            if root.get("trainer").is_none_or(Node::is_null) {
                root.set("trainer", empty);
            }
            match root.get_mut("trainer").map(|trainer| &mut trainer.value) {
                Some(Value::Map(trainer)) => assignment.key(trainer, rest, value),
                _ => Ok(()),
            }
        }
        words => assignment.key(root, words, value),
    }
}

/// The value of an option: YAML where it opens a list, a mapping or a quotation, else the text as it stands.
///
/// Any other text is one word whatever YAML would make of it: `|`, `-` and a tab are separators of tables.
fn read_value(text: Option<&str>, span: &Span) -> Node {
    let scalar = |text: &str, style| {
        let text = text.to_owned();
        Node::at(span, Value::Scalar(Scalar { text, style }))
    };
    let Some(text) = text else {
        return scalar("true", Style::Flag);
    };
    let trimmed = text.trim();
    let opens = trimmed.starts_with(['[', '{', '"', '\'']) || trimmed.starts_with("- ");
    if let Some(Ok(node)) = opens.then(|| read_yaml(trimmed.as_bytes(), &span.source)) {
        return placed(node, span);
    }
    if trimmed.is_empty() {
        // Nothing, or only blanks, was typed on purpose. It is a text, not null.
        scalar(text, Style::Quoted)
    } else {
        scalar(text, Style::Plain)
    }
}

/// The same value, with an option for its place.
fn placed(node: Node, span: &Span) -> Node {
    let value = match node.value {
        Value::Scalar(scalar) => Value::Scalar(scalar),
        Value::List(items) => {
            Value::List(items.into_iter().map(|item| placed(item, span)).collect())
        }
        Value::Map(mapping) => {
            let mut moved = Mapping::default();
            for entry in mapping {
                moved.insert(Entry {
                    span: span.clone(),
                    value: placed(entry.value, span),
                    ..entry
                });
            }
            Value::Map(moved)
        }
    };
    Node::at(span, value)
}

/// One option on its way down to the value it sets.
struct Assignment<'a> {
    span: &'a Span,
    words: &'a [&'a str],
    appends: bool,
    notes: &'a mut Vec<Note>,
}

impl Assignment<'_> {
    /// The key down to where `rest` begins.
    fn path(&self, rest: &[&str]) -> String {
        let taken = self.words.len().saturating_sub(rest.len());
        self.words.get(..taken).unwrap_or(self.words).join(".")
    }

    fn error(&self, message: String) -> Refusal {
        Refusal::new(self.span, "", message)
    }

    /// Goes down one key of a mapping.
    fn key(&mut self, mapping: &mut Mapping, words: &[&str], value: Node) -> Result<(), Refusal> {
        let Some((word, rest)) = words.split_first() else {
            return Ok(());
        };
        if let Some(entry) = mapping.entry_mut(word) {
            entry.inherited = false;
            if rest.is_empty() {
                entry.span = self.span.clone();
            }
            let old = std::mem::replace(&mut entry.value, Node::null());
            entry.value = self.set(old, rest, value)?;
        } else {
            let nothing = Node::at(self.span, Node::null().value);
            mapping.set(*word, self.set(nothing, rest, value)?);
        }
        Ok(())
    }

    /// Sets what `words` address below a value.
    fn set(&mut self, mut node: Node, words: &[&str], value: Node) -> Result<Node, Refusal> {
        let path = self.path(words);
        let shape = Shape::of(&node);
        let Some(word) = words.first() else {
            if self.appends {
                merge::append(&mut node, merge::settled(value, &path, self.notes)?);
            } else {
                merge::slot(&mut node, value, &path, self.notes)?;
            }
            return Ok(node);
        };
        match shape {
            Shape::List => self.item(node, words, value),
            Shape::Name | Shape::Class => self.class(node, words, value),
            Shape::Mapping | Shape::Other if *word == "class_path" || is_wrapper(word) => {
                self.class(node, words, value)
            }
            Shape::Mapping | Shape::Other => {
                let mut mapping = match node.value {
                    Value::Map(mapping) => mapping,
                    _ => Mapping::default(),
                };
                let span = if shape == Shape::Other {
                    self.span.clone()
                } else {
                    node.span
                };
                self.key(&mut mapping, words, value)?;
                Ok(Node::at(&span, Value::Map(mapping)))
            }
        }
    }

    /// Goes on at the item with the number given, else at the last.
    fn item(&mut self, node: Node, words: &[&str], value: Node) -> Result<Node, Refusal> {
        let path = self.path(words);
        let span = node.span;
        let (Value::List(mut items), Some((word, rest))) = (node.value, words.split_first()) else {
            return Ok(value);
        };
        let count = items.len();
        let (item, rest) = match word.parse::<usize>() {
            Ok(number) => (items.get_mut(number), rest),
            Err(_) => (items.last_mut(), words),
        };
        let Some(item) = item else {
            let items = if count == 1 { "item" } else { "items" };
            return Err(self
                .error(format!(
                    "the list {path} has {count} {items}, so it has no such item"
                ))
                .help("Items are numbered from 0, and without a number the last is meant"));
        };
        let old = std::mem::replace(item, Node::null());
        *item = self.set(old, rest, value)?;
        Ok(Node::at(&span, Value::List(items)))
    }

    /// Goes on at a class: at its name, or among its arguments.
    fn class(&mut self, node: Node, words: &[&str], value: Node) -> Result<Node, Refusal> {
        let path = self.path(words);
        let shape = Shape::of(&node);
        let mut class = Class::read(node, &path)?;
        if shape == Shape::Name {
            // That there are arguments to this name is the option's doing.
            class.span = self.span.clone();
        }
        match words {
            ["class_path"] if !self.appends => class.rename(value),
            ["class_path", ..] => {
                return Err(
                    self.error("class_path is one name, so nothing can be set below it".to_owned())
                );
            }
            [word] if is_wrapper(word) => {
                let found = value.describe();
                let Value::Map(arguments) = value.value else {
                    return Err(
                        self.error(format!("expected a mapping of arguments, found {found}"))
                    );
                };
                for argument in arguments {
                    merge::put(&mut class.arguments, argument, &path, self.notes)?;
                }
            }
            [word, rest @ ..] if is_wrapper(word) => self.key(&mut class.arguments, rest, value)?,
            words => self.key(&mut class.arguments, words, value)?,
        }
        Ok(class.write(shape))
    }
}
