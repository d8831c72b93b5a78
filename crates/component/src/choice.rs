//! Class slots: enums of components, chosen by name.

use crate::component::{Component, Fields, class_fields};
use crate::context::Context;
use crate::decode::FromNode;
use crate::kind::{ChoiceInfo, ComponentInfo, ReadyMade};
use crate::node::{Mapping, Node, Value, quote};
use crate::refusal::{Mistake, Refusal, Span};
use crate::suggest::{did_you_mean, listed, nearest};

/// An enum of components, one of which the user chooses by name.
///
/// Derive it; see the [crate](crate) for the attributes.
pub trait Choice: FromNode {
    /// What the classes are, such as `optimizer`.
    const KIND_NAME: &'static str;
    /// The class meant when only arguments are given.
    const DEFAULT: Option<&'static str>;
    /// The class that takes names which are no class's.
    const OTHERWISE: Option<&'static str>;
    /// Names of classes that users may know from elsewhere, each with why it is not here.
    const ABSENT: &'static [(&'static str, &'static str)] = &[];
    /// Classes under names of their own, with other defaults; they stand behind the others in [`Self::variants`].
    const READY_MADE: &'static [ReadyMade] = &[];

    /// The classes in order.
    fn variants() -> Vec<ComponentInfo>;

    /// Reads the class at `position` among [`Self::variants`].
    ///
    /// # Errors
    /// Unknown, missing or wrong arguments.
    fn decode(position: usize, fields: Fields<'_>, cx: &mut Context) -> Result<Self, Refusal>;

    /// The argument of the class at `position` that takes names which are no class's.
    fn name_slot(position: usize) -> Option<&'static str>;

    /// The name of the chosen class.
    fn name(&self) -> &'static str;

    /// All that a user can learn about this slot.
    fn info() -> ChoiceInfo {
        ChoiceInfo {
            kind_name: Self::KIND_NAME,
            default: Self::DEFAULT,
            otherwise: Self::OTHERWISE,
            variants: Self::variants,
        }
    }
}

/// Where the names of all classes are longer than this together, a message names some of them.
const LONG: usize = 300;
const SOME: usize = 8;

/// Reads a component that [`Choice::decode`] selected.
///
/// # Errors
/// Unknown, missing or wrong arguments.
pub fn decode_variant<T: Component>(fields: Fields<'_>, cx: &mut Context) -> Result<T, Refusal> {
    fields.decode(cx)
}

/// The node of a chosen class.
pub fn encode_variant<T: Component>(component: &T) -> Node {
    let mut arguments = Mapping::default();
    component.encode(&mut arguments);
    Node::class(T::NAME, arguments)
}

/// Which of `variants` a class name means.
///
/// The name itself or an alias; else a dotted path whose last word is the name, or the last word of an alias.
pub(crate) fn matches(name: &str, variants: &[ComponentInfo]) -> Option<usize> {
    let exact = variants.iter().position(|info| info.name == name);
    let alias = || {
        variants
            .iter()
            .position(|info| info.aliases.contains(&name))
    };
    exact.or_else(alias).or_else(|| {
        let word = class_word(name)?;
        let named = variants.iter().position(|info| info.name == word);
        let alias = || {
            variants.iter().position(|info| {
                info.aliases
                    .iter()
                    .any(|alias| class_word(alias) == Some(word))
            })
        };
        named.or_else(alias)
    })
}

/// The last word of a class name, a dotted path of identifiers; none if it is a path of a file or another text.
pub fn class_word(name: &str) -> Option<&str> {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|char| char.is_alphanumeric() || char == '_')
    };
    if name.split('.').all(is_word) {
        name.rsplit('.').next()
    } else {
        None
    }
}

/// Reads a class slot: a bare class name, `{class_path, init_args, dict_kwargs}`, or the arguments of the default class.
///
/// # Errors
/// An unknown class, or unknown, missing or wrong arguments.
pub fn decode_choice<T: Choice>(node: &Node, cx: &mut Context) -> Result<T, Refusal> {
    let variants = T::variants();
    match &node.value {
        Value::Map(mapping) => match mapping.get("class_path") {
            Some(class) => {
                let Some(name) = class.as_text() else {
                    return Err(
                        cx.within("class_path", |cx| cx.expected(class, "the name of a class"))
                    );
                };
                let position = cx.within("class_path", |cx| {
                    find::<T>(name, &class.span, &variants, cx)
                })?;
                let owner = variants.get(position).map_or("the class", |info| info.name);
                let mut fields = class_fields(owner, mapping, &class.span, cx)?;
                name_by_class::<T>(&mut fields, position, class, &variants);
                decode_class(position, fields, &class.span, &variants, cx)
            }
            None => {
                let is_class_path =
                    |entry: &&crate::node::Entry| nearest(&entry.key, ["class_path"]).is_some();
                if let Some(entry) = mapping.iter().find(is_class_path) {
                    return Err(cx.within(&entry.key, |cx| {
                        let error = cx.error(&entry.span, "unknown key");
                        error.help("Did you mean \"class_path\"?")
                    }));
                }
                let default = T::DEFAULT.and_then(|default| matches(default, &variants));
                let Some((position, info)) = default.and_then(|at| Some((at, variants.get(at)?)))
                else {
                    return Err(cx
                        .error(
                            &node.span,
                            format!(
                                "no class_path, so it is not clear which {} is meant",
                                T::KIND_NAME
                            ),
                        )
                        .help(choose_from(&variants)));
                };
                let is_wrapped = mapping.contains("init_args") || mapping.contains("dict_kwargs");
                let fields = if is_wrapped {
                    class_fields(info.name, mapping, &node.span, cx)?
                } else {
                    Fields::plain(info.name, mapping, &node.span)
                };
                T::decode(position, fields, cx)
            }
        },
        Value::Scalar(_) => {
            let wanted = format!("the name of {}", with_article(T::KIND_NAME));
            let Some(name) = node.as_text() else {
                return Err(cx.expected(node, &wanted).help(choose_from(&variants)));
            };
            let position = find::<T>(name, &node.span, &variants, cx)?;
            let owner = variants.get(position).map_or("the class", |info| info.name);
            let mut fields = Fields::empty(owner, &node.span);
            name_by_class::<T>(&mut fields, position, node, &variants);
            decode_class(position, fields, &node.span, &variants, cx)
        }
        Value::List(_) => Err(cx.expected(node, &format!("one {}", T::KIND_NAME))),
    }
}

/// Reads the class at `position`, or the one that it is ready-made from.
fn decode_class<'a, T: Choice>(
    position: usize,
    mut fields: Fields<'a>,
    span: &'a Span,
    variants: &[ComponentInfo],
    cx: &mut Context,
) -> Result<T, Refusal> {
    let info = variants.get(position);
    let Some((info, ready)) = info.and_then(|info| Some((info, info.ready_made?))) else {
        return T::decode(position, fields, cx);
    };
    fields.fill(info, ready, span)?;
    let class = matches(ready.class, variants).unwrap_or(position);
    T::decode(class, fields, cx)
}

/// Hands a class string that is no class's name to the argument that wants it.
fn name_by_class<'a, T: Choice>(
    fields: &mut Fields<'a>,
    position: usize,
    class: &'a Node,
    variants: &[ComponentInfo],
) {
    let is_class = class
        .as_text()
        .is_some_and(|name| matches(name, variants).is_some());
    if let (false, Some(slot)) = (is_class, T::name_slot(position)) {
        fields.name(slot, class);
    }
}

fn find<T: Choice>(
    name: &str,
    span: &Span,
    variants: &[ComponentInfo],
    cx: &Context,
) -> Result<usize, Refusal> {
    if let Some(position) = matches(name, variants) {
        return Ok(position);
    }
    if let Some(position) = T::OTHERWISE.and_then(|otherwise| matches(otherwise, variants)) {
        return Ok(position);
    }
    let word = name.rsplit('.').next().unwrap_or(name);
    if let Some((_, reason)) = T::ABSENT.iter().find(|(absent, _)| *absent == word) {
        return Err(cx.error(span, format!("{word} cannot be used: {reason}")));
    }
    let mut error = cx.error(span, format!("unknown {} {}", T::KIND_NAME, quote(name)));
    let all = variants.iter().map(|info| info.name);
    error.help = match nearest(word, all) {
        Some(near) => Some(format!("Did you mean \"{near}\"?")),
        None => did_you_mean(word, &classes(variants), "There are"),
    };
    error.mistake = Mistake::UnknownClass {
        name: name.to_owned(),
    };
    Err(error)
}

fn choose_from(variants: &[ComponentInfo]) -> String {
    let classes = classes(variants);
    let all = listed(&classes);
    match classes.split_at_checked(SOME) {
        Some((some, more)) if all.len() > LONG => format!(
            "Choose from: {}, and {} more, which `engraft components` lists",
            some.join(", "),
            more.len()
        ),
        _ => format!("Choose from: {all}"),
    }
}

/// The names of the classes themselves, without those that are ready-made from them.
fn classes(variants: &[ComponentInfo]) -> Vec<&'static str> {
    let classes = variants.iter().filter(|info| info.ready_made.is_none());
    classes.map(|info| info.name).collect()
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}
