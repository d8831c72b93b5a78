//! What a value is as far as its shape tells, and classes taken apart.

use engraft_component::{Entry, Mapping, Node, Refusal, Span, Value, class_word};

/// The shape of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A bare class name.
    Name,
    /// `{class_path, init_args, dict_kwargs}`, or a part of it.
    Class,
    /// Another mapping: names of the user's choice, or the arguments of a class that is left out.
    Mapping,
    /// A list.
    List,
    /// Null, a flag, a number, or `auto`.
    Other,
}

impl Shape {
    pub(super) fn of(node: &Node) -> Self {
        match &node.value {
            // `strategy: auto` over a strategy class ends that class instead of renaming it.
            Value::Scalar(scalar) if scalar.is_word() && scalar.text != "auto" => Self::Name,
            Value::Scalar(_) => Self::Other,
            Value::List(_) => Self::List,
            Value::Map(mapping)
                if mapping
                    .keys()
                    .any(|key| key == "class_path" || is_wrapper(key)) =>
            {
                Self::Class
            }
            Value::Map(_) => Self::Mapping,
        }
    }
}

/// Whether a key holds the arguments of a class.
pub(super) fn is_wrapper(key: &str) -> bool {
    matches!(key, "init_args" | "dict_kwargs")
}

/// A dotted path with one more key.
pub(super) fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// A class with its arguments in one mapping.
pub(super) struct Class {
    pub(super) span: Span,
    /// The `class_path`, where it is known.
    name: Option<Entry>,
    /// The `init_args` and `dict_kwargs` together.
    pub(super) arguments: Mapping,
    arguments_span: Span,
    /// Keys that a class does not have, kept for the decoder to refuse at their place.
    others: Vec<Entry>,
}

impl Class {
    /// Takes a value apart: a bare name is a class without arguments, a mapping the arguments of a class not yet named.
    pub(super) fn read(node: Node, path: &str) -> Result<Self, Refusal> {
        let shape = Shape::of(&node);
        let mut class = Self {
            span: node.span.clone(),
            name: None,
            arguments: Mapping::default(),
            arguments_span: node.span.clone(),
            others: Vec::new(),
        };
        match node.value {
            Value::Scalar(_) if shape == Shape::Name => class.set_name(node),
            Value::Map(arguments) if shape == Shape::Mapping => class.arguments = arguments,
            Value::Map(parts) => {
                for part in parts {
                    class.add(part, path)?;
                }
            }
            Value::Scalar(_) | Value::List(_) => {}
        }
        Ok(class)
    }

    fn add(&mut self, part: Entry, path: &str) -> Result<(), Refusal> {
        if part.key == "class_path" {
            self.name = Some(part);
            return Ok(());
        }
        if !is_wrapper(&part.key) {
            self.others.push(part);
            return Ok(());
        }
        let path = joined(path, &part.key);
        let found = part.value.describe();
        let is_null = part.value.is_null();
        let Value::Map(arguments) = part.value.value else {
            let message = format!("expected a mapping of arguments, found {found}");
            return if is_null {
                Ok(())
            } else {
                Err(Refusal::new(&part.value.span, path, message))
            };
        };
        self.arguments_span = part.value.span;
        for argument in arguments {
            if self.arguments.contains(&argument.key) {
                let message = "given twice: under init_args and under dict_kwargs";
                let error = Refusal::new(&argument.span, joined(&path, &argument.key), message);
                return Err(error.help("Keep one of them"));
            }
            self.arguments.insert(argument);
        }
        Ok(())
    }

    fn set_name(&mut self, name: Node) {
        self.name = Some(Entry {
            key: "class_path".to_owned(),
            span: name.span.clone(),
            value: name,
            inherited: false,
        });
    }

    /// Names the class; if it is another one, the arguments given so far become inherited.
    pub(super) fn rename(&mut self, name: Node) {
        let old = self.name.as_ref().and_then(|old| old.value.as_text());
        let same = match (old, name.as_text()) {
            (Some(old), Some(new)) => {
                old == new || class_word(old).is_some_and(|word| class_word(new) == Some(word))
            }
            _ => false,
        };
        if !same {
            self.arguments
                .iter_mut()
                .for_each(|argument| argument.inherited = true);
        }
        self.set_name(name);
    }

    /// Takes over what a later value says about the keys other than the arguments; those are returned.
    pub(super) fn absorb(&mut self, later: Self) -> Mapping {
        if let Some(name) = later.name {
            self.rename(name.value);
        }
        self.others.extend(later.others);
        later.arguments
    }

    /// The class as a value again; one without a name stays a mapping of `init_args`, or of arguments alone if it was.
    pub(super) fn write(self, shape: Shape) -> Node {
        if shape == Shape::Mapping && self.name.is_none() {
            return Node::at(&self.span, Value::Map(self.arguments));
        }
        let mut class = Mapping::default();
        if let Some(name) = self.name {
            class.insert(name);
        }
        class.set(
            "init_args",
            Node::at(&self.arguments_span, Value::Map(self.arguments)),
        );
        for other in self.others {
            class.insert(other);
        }
        Node::at(&self.span, Value::Map(class))
    }
}
