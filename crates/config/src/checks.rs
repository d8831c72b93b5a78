//! What is wrong with an experiment although each of its values is of the right type.

use engraft_component::{Component, ComponentInfo, Kind, Node, Refusal, Span};
use engraft_data::Error as DataError;
use engraft_train::schedule::LrScheduler;

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
        data.check().map_err(|error| match error {
            DataError::Argument { key, message } => at(root, &format!("data.{key}"), message),
            other => at(root, "data", other.to_string()),
        })?;
    }
    let plan = experiment.trainer.plan();
    plan.map_err(|error| at(root, &format!("trainer.{}", error.key), error.reason))?;
    let Some(model) = &experiment.model else {
        return Ok(());
    };
    let in_model = |text: String| in_model(root, &text).unwrap_or_else(|| at(root, "model", text));
    let task = model.task().check();
    task.map_err(|error| in_model(error.to_string()))?;
    let schedule = model.training().lr_scheduler.as_ref();
    let schedule = schedule.map_or(Ok(()), LrScheduler::check);
    schedule.map_err(|error| at(root, "model.lr_scheduler", error.to_string()))?;
    let training = model.training().check();
    training.map_err(|error| in_model(error.to_string()))
}

/// The error whose text begins with a key of the model, as `model.n_classes: ...` or `backbone.max_length: ...`.
pub(crate) fn in_model(root: &Node, text: &str) -> Option<Refusal> {
    let (key, message) = text.split_once(": ")?;
    let key = key.strip_prefix("model.").unwrap_or(key);
    let first = key.split('.').next()?;
    let model = Experiment::arguments()
        .into_iter()
        .find(|group| group.name == "model")?;
    (has_argument(&model.kind, first) || accepts(&model.kind, first))
        .then(|| at(root, &format!("model.{key}"), message.to_owned()))
}

/// The error that a key's value is wrong, at the place where the user wrote it, or the nearest group around it.
fn at(root: &Node, key: &str, message: String) -> Refusal {
    let mut span = Span::none();
    let mut path: Vec<&str> = Vec::new();
    let mut node = Some(root);
    for word in key.split('.') {
        let found = node.and_then(Node::as_map).and_then(|mapping| {
            let within = |wrapper: &'static str| {
                let entry = mapping.get(wrapper)?.as_map()?.entry(word)?;
                Some((Some(wrapper), entry))
            };
            let plain = mapping.entry(word).map(|entry| (None, entry));
            plain
                .or_else(|| within("init_args"))
                .or_else(|| within("dict_kwargs"))
        });
        if let Some((wrapper, entry)) = found {
            path.extend(wrapper);
            span = entry.span.clone();
        }
        path.push(word);
        node = found.map(|(_, entry)| &entry.value);
    }
    Refusal::new(&span, path.join("."), message)
}
