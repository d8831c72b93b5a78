//! All that a user can name in an experiment, found by walking through its arguments.

use engraft_component::{
    Argument, ChoiceInfo, Component, ComponentInfo, Kind, Node, Refusal, Span, class_word,
    did_you_mean,
};

use crate::experiment::Experiment;

mod look_up;

pub use look_up::{Named, look_up};

/// The components of one kind.
#[derive(Clone, Debug)]
pub struct Section {
    /// What they are, such as `optimizer`.
    pub kind: &'static str,
    /// Where one of them is named.
    pub places: Vec<Place>,
    /// The one meant when none is named.
    pub default: Option<&'static str>,
    /// The one that takes names which are no class's, such as those of presets.
    pub otherwise: Option<&'static str>,
    /// The components, in the order of their declaration.
    pub components: Vec<ComponentInfo>,
}

/// A key that names a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The key, such as `model.optimizer`.
    pub key: String,
    /// The classes that have it among their arguments; none where every experiment has it.
    pub owners: Vec<&'static str>,
    /// Whether it takes several.
    pub is_list: bool,
    /// The components that it can name: all of the kind, or those that have a meaning there.
    pub names: Vec<&'static str>,
}

impl Section {
    /// The first key that names one of the components, such as `model.optimizer`.
    pub fn key(&self) -> &str {
        self.places.first().map_or("", |place| place.key.as_str())
    }
}

/// What a key stands for.
#[derive(Clone, Debug)]
pub enum Slot {
    /// A group of arguments.
    Group(ComponentInfo),
    /// One of several classes.
    Class(ChoiceInfo),
    /// A value.
    Value(Box<Argument>),
}

/// Every component, by kind, in the order in which an experiment comes upon them.
pub fn registry() -> Vec<Section> {
    let mut sections = Vec::new();
    walk(&Experiment::info(), None, "", &mut sections);
    sections
}

/// Adds what the arguments of a component can name; `owner` is its class where the user chooses among several.
fn walk(
    component: &ComponentInfo,
    owner: Option<&'static str>,
    path: &str,
    sections: &mut Vec<Section>,
) {
    for argument in component.arguments() {
        let key = joined(path, argument.name);
        let (kind, choice, components) = match inner(&argument.kind) {
            Kind::Component(info) => (argument.name, None, vec![*info]),
            Kind::Choice(choice) => (choice.kind_name, Some(choice), choice.variants()),
            _ => continue,
        };
        let place = Place {
            key: key.clone(),
            owners: owner.into_iter().collect(),
            is_list: is_list(&argument.kind),
            names: components.iter().map(|it| it.name).collect(),
        };
        if let Some(section) = sections.iter_mut().find(|section| section.kind == kind) {
            section.add(place);
            continue;
        }
        sections.push(Section {
            kind,
            places: vec![place],
            default: choice.and_then(|choice| choice.default),
            otherwise: choice.and_then(|choice| choice.otherwise),
            components: components.clone(),
        });
        // What is ready-made has the arguments of its class.
        let classes = components.iter().filter(|it| it.ready_made().is_none());
        for component in classes {
            walk(component, choice.map(|_| component.name), &key, sections);
        }
    }
}

impl Section {
    fn add(&mut self, new: Place) {
        match self.places.iter_mut().find(|place| place.key == new.key) {
            Some(place) => {
                let owners = new.owners.into_iter();
                let owners: Vec<_> = owners.filter(|it| !place.owners.contains(it)).collect();
                place.owners.extend(owners);
            }
            None => self.places.push(new),
        }
    }
}

fn is_list(kind: &Kind) -> bool {
    match kind {
        Kind::Optional(kind) => is_list(kind),
        Kind::OneOf(kinds) => kinds.iter().any(is_list),
        Kind::List(_) | Kind::Array(..) => true,
        _ => false,
    }
}

/// The component or class slot within optional values and lists, or the type itself.
pub(crate) fn inner(kind: &Kind) -> &Kind {
    match kind {
        Kind::Optional(kind) | Kind::List(kind) | Kind::Array(kind, _) => inner(kind),
        Kind::OneOf(kinds) => kinds
            .iter()
            .map(inner)
            .find(|kind| matches!(kind, Kind::Component(_) | Kind::Choice(_)))
            .unwrap_or(kind),
        _ => kind,
    }
}

/// What a dotted key stands for, such as `model.backbone`.
///
/// Where a key leads through a class slot, the class that `root` names there is meant; where it names none, the first that
/// has the argument.
///
/// # Errors
/// There is no such key.
pub fn find_slot(key: &str, root: &Node) -> Result<Slot, Refusal> {
    let mut slot = Slot::Group(Experiment::info());
    let mut path = String::new();
    let words = key
        .split('.')
        .filter(|word| !matches!(*word, "init_args" | "dict_kwargs"));
    for word in words {
        let infos = match &slot {
            Slot::Group(info) => vec![*info],
            Slot::Class(choice) => match named(choice, root, &path) {
                Some(info) => vec![info],
                None => choice.variants(),
            },
            Slot::Value(_) => Vec::new(),
        };
        let known: Vec<Argument> = infos.iter().flat_map(ComponentInfo::arguments).collect();
        let is_meant =
            |argument: &&Argument| argument.name == word || argument.aliases.contains(&word);
        let Some(argument) = known.iter().find(is_meant) else {
            let mut names: Vec<&str> = known.iter().map(|argument| argument.name).collect();
            names.dedup();
            let owner = if path.is_empty() {
                "There are".to_owned()
            } else {
                format!("{path} takes")
            };
            let mut error = Refusal::new(
                &Span::source(format!("--{key}.help")),
                "",
                format!("there is no argument \"{word}\""),
            );
            error.help = did_you_mean(word, &names, &owner);
            return Err(error);
        };
        slot = match inner(&argument.kind) {
            Kind::Component(info) => Slot::Group(*info),
            Kind::Choice(choice) => Slot::Class(*choice),
            _ => Slot::Value(Box::new(argument.clone())),
        };
        path = joined(&path, argument.name);
    }
    Ok(slot)
}

/// The class that `root` names at a key.
pub(crate) fn named(choice: &ChoiceInfo, root: &Node, key: &str) -> Option<ComponentInfo> {
    let mut node = root;
    for word in key.split('.') {
        let mapping = node.as_map()?;
        let arguments = |wrapper| mapping.get(wrapper).and_then(Node::as_map);
        node = mapping
            .get(word)
            .or_else(|| arguments("init_args")?.get(word))
            .or_else(|| arguments("dict_kwargs")?.get(word))?;
        if let Some(last) = node.as_list() {
            node = last.last()?;
        }
    }
    let name = node
        .as_text()
        .or_else(|| node.as_map()?.get("class_path")?.as_text())?;
    class(choice, name)
}

/// The class of this name, or of a dotted path that ends in it.
fn class(choice: &ChoiceInfo, name: &str) -> Option<ComponentInfo> {
    let word = class_word(name).unwrap_or(name);
    let is_meant = |info: &ComponentInfo| {
        info.name == word
            || info
                .aliases
                .iter()
                .any(|alias| *alias == name || class_word(alias) == Some(word))
    };
    choice.variants().into_iter().find(is_meant)
}

impl Slot {
    /// The component that this is or, in a class slot, the one that `name` or else `root` says; none if that is open.
    ///
    /// # Errors
    /// There is no class of that name.
    pub fn component(
        &self,
        key: &str,
        name: Option<&str>,
        root: &Node,
    ) -> Result<Option<ComponentInfo>, Refusal> {
        let refuse =
            |message: String| Refusal::new(&Span::source(format!("--{key}.help")), "", message);
        match (self, name) {
            (Self::Class(choice), Some(name)) => {
                let names: Vec<&str> = choice.variants().iter().map(|info| info.name).collect();
                let found = class(choice, name).map(Some);
                found.ok_or_else(|| {
                    let mut error = refuse(format!("unknown {} \"{name}\"", choice.kind_name));
                    error.help = did_you_mean(name, &names, "There are");
                    error
                })
            }
            (Self::Class(choice), None) => {
                let only = || {
                    choice
                        .variants()
                        .first()
                        .copied()
                        .filter(|_| choice.variants().len() == 1)
                };
                Ok(named(choice, root, key).or_else(only))
            }
            (Self::Group(info), Some(name)) if class_word(name) != Some(info.name) => {
                Err(refuse(format!("{key} takes no class, found \"{name}\"")))
            }
            (Self::Group(info), _) => Ok(Some(*info)),
            (Self::Value(_), _) => Ok(None),
        }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

#[cfg(test)]
mod tests;
