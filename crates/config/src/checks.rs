//! What is wrong with an experiment although each of its values is of the right type.

use std::error::Error;

use engraft_component::{Component, ComponentInfo, Entry, Kind, Node, Refusal, Span};

use crate::elsewhere;
use crate::experiment::Experiment;
use crate::registry::inner;

/// Refuses keys at the top that belong into one of the groups, and says into which.
pub(crate) fn places(root: &Node) -> Result<(), Refusal> {
    let groups = Experiment::arguments();
    for entry in root.as_map().into_iter().flatten() {
        let key = entry.key.as_str();
        if groups.iter().any(|group| group.name == key) {
            continue;
        }
        if let Some(here) = elsewhere::at_the_top(key) {
            let error = Refusal::new(&entry.span, key, format!("is called {here} here"));
            return Err(match entry.span.option_key() {
                Some(_) => error.help(format!("Write --{here}")),
                None => error,
            });
        }
        let owner = groups.iter().find(|group| has_argument(&group.kind, key));
        let owner = owner.or_else(|| groups.iter().find(|group| accepts(&group.kind, key)));
        if let Some(owner) = owner {
            let error = Refusal::new(&entry.span, key, format!("belongs under {}", owner.name));
            return Err(match entry.span.option_key() {
                Some(option) => error.help(format!("Write --{}.{option}", owner.name)),
                None => error,
            });
        }
    }
    Ok(())
}

/// Whether the component, or one of the classes, has this argument.
fn has_argument(kind: &Kind, key: &str) -> bool {
    let has = |info: &ComponentInfo| info.arguments().iter().any(|it| it.is_called(key));
    infos(kind).iter().any(has)
}

/// Whether the component, or one of the classes, accepts the key without effect.
fn accepts(kind: &Kind, key: &str) -> bool {
    let accepts = |info: &ComponentInfo| info.ignored().iter().any(|it| it.key == key);
    infos(kind).iter().any(accepts)
}

fn infos(kind: &Kind) -> Vec<ComponentInfo> {
    match inner(kind) {
        Kind::Component(info) => vec![*info],
        Kind::Choice(choice) => choice.variants(),
        _ => Vec::new(),
    }
}

/// Refuses values outside their ranges.
pub(crate) fn values(experiment: &Experiment, root: &Node) -> Result<(), Refusal> {
    if let Some(data) = &experiment.data {
        let checked = data.check();
        checked.map_err(|error| locate(root, within("data", error.refusal(), &error)))?;
    }
    let plan = experiment.trainer.plan();
    plan.map_err(|refusal| locate(root, refusal))?;
    let Some(model) = &experiment.model else {
        return Ok(());
    };
    let task = model.task().check();
    task.map_err(|error| locate(root, within("model", error.refusal(), &error)))?;
    let training = model.training().check();
    training.map_err(|refusal| locate(root, refusal))
}

/// What a check refuses, about `group` where it names no key.
fn within(group: &str, refusal: Option<Refusal>, error: &dyn Error) -> Refusal {
    match refusal {
        Some(refusal) if !refusal.key.is_empty() => refusal,
        Some(refusal) => refusal.within(group),
        None => Refusal::of(group, error.to_string()),
    }
}

/// The refusal with the place where the user wrote its key, or else the nearest group around it; as it is where its place is
/// known, or nothing of its key was written.
pub(crate) fn locate(root: &Node, mut refusal: Refusal) -> Refusal {
    if refusal.place != Span::none() {
        return refusal;
    }
    let mut path: Vec<String> = Vec::new();
    let mut node = Some(root);
    for step in refusal.key.split('.') {
        let (word, number) = item(step);
        let found = node.and_then(|node| find(node, word));
        if let Some((wrapper, entry)) = found {
            path.extend(wrapper.map(str::to_owned));
            refusal.place = entry.span.clone();
        }
        node = found.map(|(_, entry)| &entry.value);
        // The item of a list of one may be written without the list.
        let is_bare = number == Some(0) && node.is_some_and(|node| node.as_list().is_none());
        path.push(if is_bare { word } else { step }.to_owned());
        if let (Some(number), false) = (number, is_bare) {
            node = node.and_then(|node| node.as_list()?.get(number));
            if let Some(item) = node {
                refusal.place = item.span.clone();
            }
        }
    }
    refusal.key = path.join(".");
    refusal
}

/// A key's entry in a component, with the group of arguments that it stands in, if they are in one.
fn find<'a>(node: &'a Node, word: &str) -> Option<(Option<&'static str>, &'a Entry)> {
    let mapping = node.as_map()?;
    let within = |wrapper: &'static str| {
        let entry = mapping.get(wrapper)?.as_map()?.entry(word)?;
        Some((Some(wrapper), entry))
    };
    let plain = mapping.entry(word).map(|entry| (None, entry));
    plain
        .or_else(|| within("init_args"))
        .or_else(|| within("dict_kwargs"))
}

/// The word and the number of `callbacks[1]`.
fn item(step: &str) -> (&str, Option<usize>) {
    let parts = step.strip_suffix(']').and_then(|step| step.split_once('['));
    match parts.map(|(word, number)| (word, number.parse())) {
        Some((word, Ok(number))) => (word, Some(number)),
        _ => (step, None),
    }
}
