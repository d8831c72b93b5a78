//! Tasks by the names of KerasHub's classes.

use engraft_component::{Choice, Mapping, Node, Refusal, class_word, nearest};
use engraft_hub::{Preset, keras_families};
use engraft_tasks::Task;

/// What the aliases begin with that tasks have of KerasHub's classes.
const KERAS_HUB: &str = "keras_hub.models.";

/// Ends of names for which others stand: proteins are texts here.
const SAME: [(&str, &str); 2] = [
    ("ProteinClassifier", "TextClassifier"),
    ("MaskedPLM", "MaskedLM"),
];

/// The number of classes as KerasHub calls it, and as it is called here.
const NUM_CLASSES: &str = "num_classes";
const CLASSES: &str = "n_classes";

/// Makes of a model that is named by a class of KerasHub the task that is the same: `TextClassifier`, or `BertTextClassifier` and its like, whose backbone
/// has to be of that family. Of `TextClassifier` the head is that of the family, and a fresh one if `num_classes` is given.
///
/// # Errors
/// The backbone is of another family, or there is no such class.
pub(crate) fn translate(root: &mut Mapping) -> Result<(), Refusal> {
    let Some(model) = root.get_mut("model") else {
        return Ok(());
    };
    let found = class_of(model).and_then(|name| {
        let word = class_word(name)?.to_owned();
        let (stem, task) = named(&word)?;
        Some((word.clone(), stem.to_owned(), task))
    });
    let Some((word, stem, task)) = found else {
        return Ok(());
    };
    if !stem.is_empty() && !check(model, &word, &stem)? {
        return Ok(());
    }
    if model.as_map().is_none() {
        *model = Node {
            span: model.span.clone(),
            ..Node::class(task, Mapping::default())
        };
    }
    let span = model.span.clone();
    let engraft_component::Value::Map(class) = &mut model.value else {
        return Ok(());
    };
    let path = class
        .get("class_path")
        .map_or(&span, |path| &path.span)
        .clone();
    class.set(
        "class_path",
        Node {
            span: path,
            ..Node::plain(task)
        },
    );
    if !word.ends_with("Classifier") {
        return Ok(());
    }
    if !class.contains("init_args") {
        class.set("init_args", Node::map(Mapping::default()));
    }
    let arguments = class.get_mut("init_args").map(|node| &mut node.value);
    if let Some(engraft_component::Value::Map(arguments)) = arguments {
        if let Some(mut classes) = arguments.remove(NUM_CLASSES) {
            CLASSES.clone_into(&mut classes.key);
            arguments.insert(classes);
            arguments.set("fresh_head", Node::plain("true"));
        }
        if !arguments.contains("adapter") && !arguments.contains("use_legacy_adapter") {
            arguments.set("use_legacy_adapter", Node::plain("true"));
        }
    }
    Ok(())
}

/// The class that a model is named by.
fn class_of(model: &Node) -> Option<&str> {
    match model.as_map() {
        Some(class) => class.get("class_path")?.as_text(),
        None => model.as_text(),
    }
}

/// What a class's name begins with, and the task that it ends in; none if it is no class of KerasHub, or is called so here too.
fn named(word: &str) -> Option<(&str, &'static str)> {
    let tasks = Task::variants();
    let mut ends = tasks.iter().flat_map(|task| {
        let ends = task
            .aliases
            .iter()
            .filter_map(|alias| alias.strip_prefix(KERAS_HUB));
        ends.map(|end| (end, task.name))
    });
    let found = ends.find_map(|(end, task)| {
        let others = SAME
            .iter()
            .filter(|(_, same)| *same == end)
            .map(|(other, _)| *other);
        let stem = std::iter::once(end)
            .chain(others)
            .find_map(|end| word.strip_suffix(end))?;
        Some((stem, task))
    });
    found.filter(|(_, task)| *task != word)
}

/// That the backbone is of the family that a class is for; false if there is no such class.
fn check(model: &Node, word: &str, stem: &str) -> Result<bool, Refusal> {
    let refuse = |problem: String| Refusal::new(&model.span, "model", problem);
    let family = keras_families().find(|(name, _)| *name == stem);
    let Some((_, kinds)) = family else {
        let end = word.trim_start_matches(stem);
        let classes: Vec<String> = keras_families()
            .map(|(name, _)| format!("{name}{end}"))
            .collect();
        // What is no misspelt class of KerasHub is no class at all, which whoever reads it says.
        return match nearest(word, classes.iter().map(String::as_str)) {
            Some(class) => {
                let error = refuse(format!("unknown class \"{word}\""));
                Err(error.help(format!("Did you mean \"{class}\"?")))
            }
            None => Ok(false),
        };
    };
    let arguments = model
        .as_map()
        .and_then(|class| class.get("init_args")?.as_map());
    let backbone = arguments.and_then(|arguments| class_of(arguments.get("backbone")?));
    // What cannot be opened is said by whoever opens it.
    let preset = backbone.and_then(|name| Preset::from_name(name).ok());
    let config = preset.and_then(|preset| preset.config().ok());
    let kind = config
        .as_ref()
        .and_then(|config| config.get("model_type")?.as_str());
    match (kind, backbone) {
        (Some(kind), Some(name)) if !kinds.contains(&kind) => Err(refuse(format!(
            "{word} is for models of the type {}, and {name} is of the type {kind}",
            kinds.join(" or ")
        ))
        .help(format!(
            "Name {} for any family",
            word.trim_start_matches(stem)
        ))),
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests;
