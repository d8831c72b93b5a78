//! Components: structs whose fields are the arguments a user may write.

use std::borrow::Cow;

use crate::context::Context;
use crate::decode::FromNode;
use crate::kind::{Argument, ComponentInfo, Ignored, ReadyMade};
use crate::node::{Entry, Mapping, Node, quote};
use crate::refusal::{Mistake, Refusal, Span};
use crate::suggest::{did_you_mean, nearest};
use crate::yaml::read_yaml;

/// A struct whose fields are the arguments a user may write.
///
/// Derive it; see the [crate](crate) for the attributes.
pub trait Component: FromNode {
    /// The name users write.
    const NAME: &'static str;
    /// Other names that are accepted.
    const ALIASES: &'static [&'static str];
    /// The first paragraph of the documentation, on one line.
    const SUMMARY: &'static str;
    /// The documentation.
    const DOC: &'static str;
    /// The argument that a name which is no class's goes to.
    const NAME_SLOT: Option<&'static str>;

    /// The arguments in order, those of flattened structs included.
    fn arguments() -> Vec<Argument>;

    /// The keys that are accepted without effect.
    fn ignored() -> Vec<Ignored>;

    /// Adds the keys of the arguments, and their aliases.
    fn keys(keys: &mut Vec<&'static str>);

    /// Takes the arguments out of `fields`.
    ///
    /// # Errors
    /// The first argument that is missing or wrong.
    fn decode(fields: &mut Fields<'_>, cx: &mut Context) -> Result<Self, Refusal>;

    /// Writes every argument into `arguments`.
    fn encode(&self, arguments: &mut Mapping);

    /// All that a user can learn about this component.
    fn info() -> ComponentInfo {
        ComponentInfo {
            name: Self::NAME,
            aliases: Self::ALIASES,
            summary: Self::SUMMARY,
            doc: Self::DOC,
            arguments: Self::arguments,
            ignored: Self::ignored,
            ready_made: None,
        }
    }
}

impl<T: Component> Component for Box<T> {
    const NAME: &'static str = T::NAME;
    const ALIASES: &'static [&'static str] = T::ALIASES;
    const SUMMARY: &'static str = T::SUMMARY;
    const DOC: &'static str = T::DOC;
    const NAME_SLOT: Option<&'static str> = T::NAME_SLOT;

    fn arguments() -> Vec<Argument> {
        T::arguments()
    }

    fn ignored() -> Vec<Ignored> {
        T::ignored()
    }

    fn keys(keys: &mut Vec<&'static str>) {
        T::keys(keys);
    }

    fn decode(fields: &mut Fields<'_>, cx: &mut Context) -> Result<Self, Refusal> {
        T::decode(fields, cx).map(Box::new)
    }

    fn encode(&self, arguments: &mut Mapping) {
        T::encode(self, arguments);
    }
}

/// Reads a component from a mapping of its arguments, or from `{class_path, init_args}` naming it.
///
/// # Errors
/// Unknown, missing or wrong arguments, or another class.
pub fn decode_component<T: Component>(node: &Node, cx: &mut Context) -> Result<T, Refusal> {
    let Some(mapping) = node.as_map() else {
        let error = cx.expected(node, &format!("the arguments of {}", T::NAME));
        // `key:value` without a space is one word to YAML.
        return Err(if node.as_text().is_some_and(|text| text.contains(':')) {
            error.help("A key is followed by a colon and a space")
        } else {
            error
        });
    };
    let Some(class) = mapping.get("class_path") else {
        let mut fields = Fields::new(T::NAME, &node.span);
        fields.add(mapping, None);
        return fields.decode(cx);
    };
    let named = class
        .as_text()
        .is_some_and(|name| crate::choice::matches(name, &[T::info()]) == Some(0));
    if !named {
        let message = format!("expected the class {}, found {}", T::NAME, class.describe());
        return Err(cx.within("class_path", |cx| cx.error(&class.span, message)));
    }
    class_fields(T::NAME, mapping, &class.span, cx)?.decode(cx)
}

/// The node of a component's arguments.
pub fn encode_component<T: Component>(component: &T) -> Node {
    let mut arguments = Mapping::default();
    component.encode(&mut arguments);
    Node::map(arguments)
}

/// The keys of a class with its arguments.
pub(crate) const CLASS_KEYS: [&str; 3] = ["class_path", "init_args", "dict_kwargs"];

/// The arguments in `{class_path, init_args, dict_kwargs}`.
pub(crate) fn class_fields<'a>(
    owner: &'static str,
    class: &'a Mapping,
    span: &Span,
    cx: &mut Context,
) -> Result<Fields<'a>, Refusal> {
    let mut fields = Fields::new(owner, span);
    fields.missing_under = Some("init_args");
    for entry in class {
        match entry.key.as_str() {
            "class_path" => {}
            group @ ("init_args" | "dict_kwargs") => {
                let group = if group == "init_args" {
                    "init_args"
                } else {
                    "dict_kwargs"
                };
                match entry.value.as_map() {
                    Some(arguments) => fields.add(arguments, Some(group)),
                    None if entry.value.is_null() => {}
                    None => {
                        return Err(cx.within(group, |cx| {
                            cx.expected(&entry.value, "a mapping of arguments")
                        }));
                    }
                }
            }
            key => {
                let help = match nearest(key, CLASS_KEYS) {
                    Some(near) => format!("Did you mean \"{near}\"?"),
                    None => format!("Arguments of {owner} belong under init_args"),
                };
                return Err(cx.within(key, |cx| {
                    cx.error(&entry.span, "unknown key beside class_path")
                        .help(help)
                }));
            }
        }
    }
    Ok(fields)
}

/// The arguments given for one component, taken out one by one.
#[derive(Debug)]
pub struct Fields<'a> {
    owner: &'static str,
    span: Span,
    missing_under: Option<&'static str>,
    given: Vec<Given<'a>>,
}

#[derive(Debug)]
struct Given<'a> {
    key: &'a str,
    span: &'a Span,
    value: Cow<'a, Node>,
    inherited: bool,
    under: Option<&'static str>,
    /// The class string itself, which stands at the slot and not at a key.
    is_name: bool,
}

impl<'a> Given<'a> {
    fn new(entry: &'a Entry, under: Option<&'static str>) -> Self {
        Self {
            key: &entry.key,
            span: &entry.span,
            value: Cow::Borrowed(&entry.value),
            inherited: entry.inherited,
            under,
            is_name: false,
        }
    }

    fn at<R>(&self, cx: &mut Context, read: impl FnOnce(&mut Context) -> R) -> R {
        match self.under {
            _ if self.is_name => read(cx),
            Some(under) => cx.within(under, |cx| cx.within(self.key, read)),
            None => cx.within(self.key, read),
        }
    }
}

impl<'a> Fields<'a> {
    fn new(owner: &'static str, span: &Span) -> Self {
        Self {
            owner,
            span: span.clone(),
            missing_under: None,
            given: Vec::new(),
        }
    }

    /// Plain arguments, as of a slot whose class is left out.
    pub(crate) fn plain(owner: &'static str, mapping: &'a Mapping, span: &Span) -> Self {
        let mut fields = Self::new(owner, span);
        fields.add(mapping, None);
        fields
    }

    /// No arguments, as of a bare class name.
    pub(crate) fn empty(owner: &'static str, span: &Span) -> Self {
        let mut fields = Self::new(owner, span);
        fields.missing_under = Some("init_args");
        fields
    }

    /// Gives the class string to the argument `slot`; a value inherited from an earlier class gives way.
    pub(crate) fn name(&mut self, slot: &'static str, name: &'a Node) {
        self.given
            .retain(|given| !(given.inherited && given.key == slot));
        self.given.push(Given {
            key: slot,
            span: &name.span,
            value: Cow::Owned(Node::text_at(name)),
            inherited: false,
            under: None,
            is_name: true,
        });
    }

    /// Gives what `ready` has for arguments that are not given, as if it stood at `span`.
    pub(crate) fn fill(
        &mut self,
        info: &ComponentInfo,
        ready: &'static ReadyMade,
        span: &'a Span,
    ) -> Result<(), Refusal> {
        let arguments = info.arguments();
        for (key, value) in ready.defaults {
            let argument = arguments.iter().find(|argument| argument.name == *key);
            let is_given =
                |given: &Given<'_>| argument.is_some_and(|argument| argument.is_called(given.key));
            if self.given.iter().any(is_given) {
                continue;
            }
            self.given.push(Given {
                key,
                span,
                value: Cow::Owned(read_yaml(value.as_bytes(), ready.name)?),
                inherited: false,
                under: None,
                is_name: false,
            });
        }
        Ok(())
    }

    fn add(&mut self, mapping: &'a Mapping, under: Option<&'static str>) {
        self.given
            .extend(mapping.iter().map(|entry| Given::new(entry, under)));
    }

    /// Reads a component after checking that it knows every key.
    pub(crate) fn decode<T: Component>(mut self, cx: &mut Context) -> Result<T, Refusal> {
        let mut keys = Vec::new();
        T::keys(&mut keys);
        self.check(&keys, &T::ignored(), cx)?;
        T::decode(&mut self, cx)
    }

    /// Refuses unknown keys, before a missing argument hides the misspelt one.
    fn check(
        &mut self,
        keys: &[&'static str],
        ignored: &[Ignored],
        cx: &mut Context,
    ) -> Result<(), Refusal> {
        let owner = self.owner;
        let mut kept = Vec::with_capacity(self.given.len());
        for given in self.given.drain(..) {
            if keys.contains(&given.key) {
                kept.push(given);
            } else if let Some(ignored) = ignored.iter().find(|ignored| ignored.key == given.key) {
                if !given.value.is_null() {
                    given.at(cx, |cx| {
                        cx.note_at(given.span, &format!("ignored, {}", ignored.instead))
                    });
                }
            } else if given.inherited {
                let note = format!("dropped, {owner} has no argument {}", quote(given.key));
                given.at(cx, |cx| cx.note_at(given.span, &note));
            } else {
                let mut error = given.at(cx, |cx| cx.error(given.span, "unknown key"));
                error.mistake = Mistake::UnknownKey { owner };
                error.help = if keys.is_empty() {
                    Some(format!("{owner} takes no arguments"))
                } else {
                    did_you_mean(given.key, keys, &format!("{owner} takes"))
                };
                return Err(error);
            }
        }
        self.given = kept;
        Ok(())
    }

    /// Takes one argument out: as given, else its default.
    ///
    /// # Errors
    /// The value is wrong, missing, or given twice under different keys.
    pub fn take<T: FromNode>(
        &mut self,
        name: &'static str,
        aliases: &[&str],
        default: Option<fn() -> T>,
        cx: &mut Context,
    ) -> Result<T, Refusal> {
        let is_mine = |given: &Given<'_>| given.key == name || aliases.contains(&given.key);
        let (mut mine, others): (Vec<Given<'a>>, Vec<Given<'a>>) =
            self.given.drain(..).partition(is_mine);
        self.given = others;
        if mine.iter().any(|given| !given.inherited) {
            mine.retain(|given| !given.inherited);
        }
        let mut mine = mine.into_iter();
        let (first, second) = (mine.next(), mine.next());
        if let (Some(first), Some(second)) = (&first, &second) {
            let late = if second.is_name { first } else { second };
            let message = if first.is_name || second.is_name {
                "given twice: by the class name and as an argument".to_owned()
            } else if first.key == second.key {
                "given twice: under init_args and under dict_kwargs".to_owned()
            } else {
                let (first, second) = (quote(first.key), quote(second.key));
                format!("given twice: {first} and {second} are the same argument")
            };
            return Err(late.at(cx, |cx| {
                cx.error(late.span, message).help("Keep one of them")
            }));
        }
        if let Some(given) = first {
            match given.at(cx, |cx| T::from_node(&given.value, cx)) {
                Err(_) if given.inherited => {
                    let note = format!("dropped, it does not fit {}", self.owner);
                    given.at(cx, |cx| cx.note_at(given.span, &note));
                }
                Err(error)
                    if given.value.is_null() && default.is_some() && error.help.is_none() =>
                {
                    return Err(error.help("Leave the key out for its default"));
                }
                result => return result,
            }
        }
        if let Some(value) = default.map(|default| default()).or_else(T::absent) {
            return Ok(value);
        }
        let missing = |cx: &mut Context| {
            let owner = self.owner;
            let error = cx.error(&self.span, format!("missing, {owner} requires it"));
            error.of_kind(Mistake::Missing { owner })
        };
        Err(match self.missing_under {
            Some(under) => cx.within(under, |cx| cx.within(name, missing)),
            None => cx.within(name, missing),
        })
    }
}
