//! Types described in words, for help texts and the schema.

use std::fmt;

/// The type of an argument.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number, with the least and greatest value allowed.
    Integer {
        /// Least value.
        min: i128,
        /// Greatest value.
        max: i128,
    },
    /// A number.
    Number,
    /// Text.
    Text,
    /// A file or folder.
    Path,
    /// Anything at all.
    Any,
    /// One of these words.
    Words(Vec<&'static str>),
    /// One of several types, such as a count or a fraction.
    OneOf(Vec<Kind>),
    /// The type, or null.
    Optional(Box<Kind>),
    /// A list of any length; one bare value counts as a list of one.
    List(Box<Kind>),
    /// A list of a fixed length.
    Array(Box<Kind>, usize),
    /// Keys of the user's choice, each with a value of the type.
    Map(Box<Kind>),
    /// The arguments of one component.
    Component(ComponentInfo),
    /// A class slot.
    Choice(ChoiceInfo),
}

/// What a user can learn about a component.
///
/// Arguments are found on demand, because components may contain each other.
#[derive(Clone, Copy)]
pub struct ComponentInfo {
    /// The name users write.
    pub name: &'static str,
    /// Other names that are accepted.
    pub aliases: &'static [&'static str],
    /// The first paragraph of its documentation, on one line.
    pub summary: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    pub(crate) arguments: fn() -> Vec<Argument>,
    pub(crate) ignored: fn() -> Vec<Ignored>,
    pub(crate) ready_made: Option<&'static ReadyMade>,
}

/// A class under a name of its own, with other defaults: a row of data where a struct would say nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyMade {
    /// The name users write; a dotted path that ends in it is the same.
    pub name: &'static str,
    /// The name of the class.
    pub class: &'static str,
    /// What it is, on one line.
    pub summary: &'static str,
    /// The arguments with other defaults, each as one line of YAML.
    pub defaults: &'static [(&'static str, &'static str)],
}

impl ReadyMade {
    fn default_of(&self, argument: &str) -> Option<&'static str> {
        let found = self.defaults.iter().find(|(name, _)| *name == argument);
        found.map(|(_, value)| *value)
    }
}

/// Classes, and after them those that are ready-made from them.
#[doc(hidden)]
pub fn with_ready_made(
    classes: Vec<ComponentInfo>,
    ready_made: &'static [ReadyMade],
) -> Vec<ComponentInfo> {
    let named = ready_made.iter().filter_map(|ready| {
        let class = classes.iter().find(|class| class.name == ready.class)?;
        Some(ComponentInfo {
            name: ready.name,
            aliases: &[],
            summary: ready.summary,
            doc: ready.summary,
            ready_made: Some(ready),
            ..*class
        })
    });
    let named: Vec<ComponentInfo> = named.collect();
    [classes, named].concat()
}

impl ComponentInfo {
    /// The class that it is, under a name of its own and with other defaults; none if it is a class itself.
    pub fn ready_made(&self) -> Option<&'static ReadyMade> {
        self.ready_made
    }

    /// The arguments in order, those of flattened structs included.
    pub fn arguments(&self) -> Vec<Argument> {
        let mut arguments = (self.arguments)();
        if let Some(ready) = self.ready_made {
            for argument in &mut arguments {
                if let Some(value) = ready.default_of(argument.name) {
                    argument.default = Some(value.to_owned());
                    argument.required = false;
                }
            }
        }
        arguments
    }

    /// The keys that are accepted without effect.
    pub fn ignored(&self) -> Vec<Ignored> {
        (self.ignored)()
    }
}

impl fmt::Debug for ComponentInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentInfo")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a user can learn about a class slot.
#[derive(Clone, Copy)]
pub struct ChoiceInfo {
    /// What the classes are, such as `optimizer`.
    pub kind_name: &'static str,
    /// The class meant when only arguments are given.
    pub default: Option<&'static str>,
    /// The class that takes names which are no class's.
    pub otherwise: Option<&'static str>,
    pub(crate) variants: fn() -> Vec<ComponentInfo>,
}

impl ChoiceInfo {
    /// The classes in order.
    pub fn variants(&self) -> Vec<ComponentInfo> {
        (self.variants)()
    }
}

impl fmt::Debug for ChoiceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChoiceInfo")
            .field("kind_name", &self.kind_name)
            .finish_non_exhaustive()
    }
}

/// One argument of a component.
#[derive(Clone, Debug)]
pub struct Argument {
    /// Its key.
    pub name: &'static str,
    /// Other keys that are accepted.
    pub aliases: &'static [&'static str],
    /// Its documentation.
    pub doc: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its default, as one line of YAML; none if it is required.
    pub default: Option<String>,
    /// Whether it must be given.
    pub required: bool,
}

impl Argument {
    /// Whether this is its key, or another that is accepted.
    pub fn is_called(&self, key: &str) -> bool {
        self.name == key || self.aliases.contains(&key)
    }
}

/// A key that is accepted without effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The key.
    pub key: &'static str,
    /// What happens instead.
    pub instead: &'static str,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("true or false"),
            Self::Integer { .. } => f.write_str("whole number"),
            Self::Number => f.write_str("number"),
            Self::Text => f.write_str("text"),
            Self::Path => f.write_str("path"),
            Self::Any => f.write_str("anything"),
            Self::Words(words) => f.write_str(&words.join(", ")),
            Self::OneOf(kinds) => {
                let words: Vec<String> = kinds.iter().map(Kind::to_string).collect();
                f.write_str(&words.join(" or "))
            }
            Self::Optional(kind) => write!(f, "{kind} or null"),
            Self::List(kind) => write!(f, "list of {kind}"),
            Self::Array(kind, length) => write!(f, "list of {length}, each {kind}"),
            Self::Map(kind) => write!(f, "mapping of names to {kind}"),
            Self::Component(info) => write!(f, "arguments of {}", info.name),
            Self::Choice(info) => f.write_str(info.kind_name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_as_words() {
        let kind = Kind::Optional(Box::new(Kind::List(Box::new(Kind::Text))));
        assert_eq!(kind.to_string(), "list of text or null");
        assert_eq!(
            Kind::OneOf(vec![Kind::Boolean, Kind::Number]).to_string(),
            "true or false or number"
        );
    }
}
