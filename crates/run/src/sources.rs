//! What an experiment consists of: files, options, and beneath them what the checkpoint that they name knows of its own experiment.

use std::path::{Path, PathBuf};

use engraft_component::{
    Choice, Component, Entry, FromNode, Mapping, Node, Note, NoteKind, Value, class_word, to_yaml,
};
use engraft_config::{Composed, Experiment, Source, compose, compose_over};
use engraft_data::Folds;
use engraft_tasks::{Model, Task};

use crate::checkpoint::{
    KEY, LAST, checkpoint_folder, in_checkpoint, is_file, needs_experiment, preset_in, runs,
};
use crate::error::{Error, Result};
use crate::work::Purpose;

/// What a preset says of the experiment that it comes from, beside what it says of its task.
pub(crate) const EXPERIMENT: &str = "experiment.yaml";

/// Arguments of data that divide the rows of one place into splits and folds, and say nothing about those of another.
const OF_THE_PLACE: [&str; 7] = [
    "config_name",
    "train_split_name",
    "test_split_name",
    "valid_split_name",
    "train_split_files",
    "test_split_files",
    "valid_split_files",
];

/// Composes files and options for a purpose, over what the checkpoint that they name knows of its own experiment: its model, its data module
/// and columns, and for `fit` everything. A model or data whose class is given by a file or is another, and a trainer in a
/// file, are taken as they are given.
///
/// A preset of a saved model that is named as the backbone of the same task, or of none, is used as a checkpoint by all that predict.
///
/// # Errors
/// A file that cannot be read, an option that addresses what cannot be there, or no checkpoint where the experiment needs what it knows.
pub fn compose_for(purpose: Purpose, sources: &[Source]) -> Result<Composed> {
    let mut sources = sources.to_vec();
    let mut given = compose(&sources)?;
    if let Some(root) = root_of_last(&given.root, &sources) {
        sources.push(root);
        given = compose(&sources)?;
    }
    let mut known = Known::default();
    let checkpoint = match text(group(&given.root, KEY)) {
        Some(named) => {
            let found = checkpoint(&given.root, named, purpose);
            found.map_err(|error| match error {
                Error::Refused(refusal) => Error::Refused(Experiment::locate(&given, refusal)),
                other => other,
            })?
        }
        None if purpose.uses_head() => known.saved_backbone(&given.root)?,
        None => None,
    };
    let file = checkpoint.as_deref().and_then(experiment_of);
    if let Some(file) = file.filter(|_| purpose != Purpose::Export) {
        let by_hand = Given::of(&given.root, &sources)?;
        let saved = compose(&[Source::File(file)])?.root;
        known.take_over(saved, &by_hand, purpose);
    }
    sources.extend(known.options);
    let mut composed = compose_over(known.base.clone(), &sources)?;
    if let Some(module) = data_module(&composed.root, checkpoint.as_deref()) {
        // Beneath what is given, which then are arguments of this class and no left-over of another.
        let mut class = Mapping::default();
        class.set("class_path", Node::text(module));
        known.base.set("data", Node::map(class));
        composed = compose_over(known.base, &sources)?;
    }
    if purpose == Purpose::Predict && group(&given.root, "data").is_none() {
        leave_out_placeless(&mut composed.root);
    }
    composed.notes.extend(known.notes);
    Ok(composed)
}

/// What is known without being given by hand.
#[derive(Default)]
struct Known {
    /// Beneath all that is given.
    base: Mapping,
    /// What follows from what is given.
    options: Vec<Source>,
    notes: Vec<Note>,
}

impl Known {
    /// The folder of a saved model that is named as a backbone, which then is the checkpoint.
    fn saved_backbone(&mut self, root: &Node) -> Result<Option<PathBuf>> {
        let model = group(root, "model");
        let backbone = model.and_then(|model| argument(model, "backbone"));
        let folder = backbone.and_then(name).map(PathBuf::from);
        let Some((model, folder)) = model.zip(folder).filter(|(_, folder)| folder.is_dir()) else {
            return Ok(None);
        };
        let Some(saved) = Model::saved_task(&preset_in(&folder)?).map_err(in_checkpoint)? else {
            return Ok(None);
        };
        let is_same = name(model).is_none_or(|name| class_word(name) == Some(saved.name()));
        if !is_same {
            return Ok(None);
        }
        let shown = folder.display().to_string();
        self.notes.push(Note::of(
            NoteKind::Model,
            "model.backbone",
            format!(
                "{shown} holds a model for {}, which is used whole, as --{KEY} {shown} would be",
                saved.name()
            ),
        ));
        self.base.set("model", saved.to_node());
        self.options.extend([
            option(KEY, &shown),
            option(
                "model.backbone.class_path",
                &saved.backbone().backbone().preset,
            ),
        ]);
        Ok(Some(folder))
    }

    /// Takes over of a saved experiment what a purpose needs and is not given by hand.
    fn take_over(&mut self, saved: Node, given: &Given, purpose: Purpose) {
        let Value::Map(saved) = saved.value else {
            return;
        };
        let fits = purpose == Purpose::Fit;
        for mut entry in saved {
            let takes = match entry.key.as_str() {
                // A checkpoint's own description of its model comes first where none is trained.
                "model" => (fits || given.has("model")) && !given.names_another(&entry),
                "data" => !given.names_another(&entry),
                "trainer" => fits && !given.trainer,
                "seed_everything" => fits,
                _ => false,
            };
            if !takes || self.base.contains(&entry.key) {
                continue;
            }
            if entry.key == "data" && !fits && given.path {
                without_place(&mut entry.value, purpose);
            }
            self.base.insert(entry);
        }
    }
}

/// What is given by hand.
struct Given {
    /// All of it.
    root: Node,
    /// Whether files name the class of the model, and of the data.
    classes: [(&'static str, bool); 2],
    /// Whether it is said where the rows lie.
    path: bool,
    /// Whether a file has a trainer.
    trainer: bool,
}

impl Given {
    fn of(root: &Node, sources: &[Source]) -> Result<Self> {
        let files = sources.iter().filter(|it| matches!(it, Source::File(_)));
        let files = compose(&files.cloned().collect::<Vec<_>>())?.root;
        let in_files = |key: &'static str| (key, group(&files, key).and_then(name).is_some());
        let data = group(root, "data");
        Ok(Self {
            path: text(data.and_then(|data| argument(data, "path"))).is_some(),
            trainer: group(&files, "trainer").is_some(),
            classes: [in_files("model"), in_files("data")],
            root: root.clone(),
        })
    }

    fn has(&self, key: &str) -> bool {
        group(&self.root, key).is_some()
    }

    /// Whether a group is given with its class by a file, which then says all of it, or with another class.
    fn names_another(&self, saved: &Entry) -> bool {
        let own = group(&self.root, &saved.key).and_then(name);
        let is_other = own.is_some_and(|own| {
            let saved = name(&saved.value).and_then(class_word);
            class_word(own) != saved
        });
        is_other || self.classes.contains(&(saved.key.as_str(), true))
    }
}

/// What a checkpoint knows of its data without the place of the rows.
pub(crate) fn data_of(checkpoint: &Path) -> Result<Option<String>> {
    match experiment_of(checkpoint) {
        Some(file) => Ok(data_in(&compose(&[Source::File(file)])?.root)),
        None => Ok(None),
    }
}

/// What an experiment says of its data without the place of the rows: the module, its columns, and how batches are made, as YAML.
pub(crate) fn data_in(experiment: &Node) -> Option<String> {
    let data = group(experiment, "data");
    let mut data = data.filter(|data| name(data).is_some())?.clone();
    without_place(&mut data, Purpose::Predict);
    if let Some(arguments) = arguments_of(&mut data) {
        arguments.remove("path");
    }
    let mut known = Mapping::default();
    known.set("data", data);
    Some(to_yaml(&Node::map(known)))
}

/// Takes out of a data module what says which of the rows of its own place serve for what.
fn without_place(data: &mut Node, purpose: Purpose) {
    let folds = Folds::arguments();
    let folds = folds.iter().map(|argument| argument.name);
    let mut left_out: Vec<&str> = OF_THE_PLACE.into_iter().chain(folds).collect();
    if purpose == Purpose::Predict {
        // Labels are not looked at.
        left_out.push("label_table");
    }
    if let Some(arguments) = arguments_of(data) {
        for key in left_out {
            arguments.remove(key);
        }
    }
}

/// The arguments of a class that is written with them.
fn arguments_of(class: &mut Node) -> Option<&mut Mapping> {
    let Value::Map(class) = &mut class.value else {
        return None;
    };
    match &mut class.get_mut("init_args")?.value {
        Value::Map(arguments) => Some(arguments),
        _ => None,
    }
}

/// The folder in which `last` is the newest, where nothing else says where runs lie: without an experiment, all runs below the usual folder
/// may be meant.
fn root_of_last(root: &Node, sources: &[Source]) -> Option<Source> {
    let is_open = text(group(root, KEY)) == Some(LAST)
        && group(root, "model").is_none()
        && !sources.iter().any(|it| matches!(it, Source::File(_)));
    let trainer = group(root, "trainer");
    let is_placed = |key| trainer.and_then(|trainer| argument(trainer, key)).is_some();
    if !is_open || is_placed("default_root_dir") || is_placed("logger") {
        return None;
    }
    let found = engraft_train::newest_root(Path::new(engraft_train::LOGS))?;
    Some(option("trainer.default_root_dir", &found.to_string_lossy()))
}

/// Leaves out data without a place, as an exported preset knows them, where rows may come from elsewhere.
fn leave_out_placeless(root: &mut Node) {
    let data = group(root, "data");
    let has_path = data.is_some_and(|data| argument(data, "path").is_some_and(|it| !it.is_null()));
    if let (false, Value::Map(root)) = (has_path, &mut root.value) {
        root.remove("data");
    }
}

/// The folder of the checkpoint that is meant, or of the run of all folds. Where an experiment is given whole without it, what is wrong with
/// it is said where it is used.
///
/// # Errors
/// There is none.
fn checkpoint(root: &Node, named: &str, purpose: Purpose) -> Result<Option<PathBuf>> {
    let is_needed = ["model", "data"]
        .iter()
        .any(|key| group(root, key).is_none());
    let file = Path::new(named);
    if named != LAST && is_file(file) {
        // It says nothing of its experiment.
        return match group(root, "model") {
            Some(_) => Ok(None),
            None => Err(needs_experiment(file)),
        };
    }
    let found = if named == LAST {
        last(root, purpose)
    } else {
        checkpoint_folder(named).map(Some)
    };
    match found {
        Err(_) if !is_needed => Ok(None),
        found => found,
    }
}

/// The newest checkpoint of all runs, or for `fit` without a fold the run of all folds that it lies in; none where the trainer cannot be read,
/// which is said later.
fn last(root: &Node, purpose: Purpose) -> Result<Option<PathBuf>> {
    let mut trainer = Mapping::default();
    if let Some(given) = group(root, "trainer") {
        trainer.set("trainer", given.clone());
    }
    let composed = Composed {
        root: Node::map(trainer),
        notes: Vec::new(),
    };
    let plan = Experiment::read(&composed).and_then(|(experiment, _)| experiment.trainer.plan());
    let Ok((plan, _)) = plan else {
        return Ok(None);
    };
    let data = group(root, "data");
    let fold = data.and_then(|data| text(argument(data, "cv_test_fold_id")));
    let fold = fold.and_then(|fold| fold.parse().ok());
    let newest = engraft_train::newest_checkpoint(&runs(&plan), fold);
    let newest = newest.map_err(|error| Error::within(KEY, error))?;
    // `fit` without a fold goes on with the run of all folds that it lies in.
    let whole = newest.ancestors().nth(3);
    let whole = whole.filter(|run| engraft_train::is_cross_validation(run));
    Ok(Some(match whole {
        Some(run) if purpose == Purpose::Fit && fold.is_none() => run.to_owned(),
        _ => newest,
    }))
}

/// The file that says what the experiment of a checkpoint, a preset or a run of all folds was.
fn experiment_of(folder: &Path) -> Option<PathBuf> {
    let mut files = vec![
        folder.join("training").join("config.yaml"),
        folder.join(EXPERIMENT),
    ];
    if engraft_train::is_cross_validation(folder) {
        files.push(folder.join("config.yaml"));
    }
    files.into_iter().find(|file| file.is_file())
}

/// The file of another program's run that the run of a checkpoint began with, if it did.
pub(crate) fn begun_with(checkpoint: &Path) -> Result<Option<String>> {
    let Some(file) = experiment_of(checkpoint) else {
        return Ok(None);
    };
    let saved = compose(&[Source::File(file)])?.root;
    let named = group(&saved, KEY).filter(|named| !named.is_null());
    Ok(named.and_then(name).map(str::to_owned))
}

/// The data module that the model is mostly used with, where data is given without its class.
fn data_module(root: &Node, checkpoint: Option<&Path>) -> Option<&'static str> {
    let data = group(root, "data")?;
    if name(data).is_some() {
        return None;
    }
    match group(root, "model").and_then(name).and_then(class_word) {
        Some(model) => Task::data_module_of(model),
        None => {
            let preset = preset_in(checkpoint?).ok()?;
            let saved = Model::saved_task(&preset).ok()??;
            Task::data_module_of(saved.name())
        }
    }
}

/// The backbone that an option names, if one does.
pub(crate) fn backbone_by_option(root: &Node) -> Option<&str> {
    let backbone = argument(group(root, "model")?, "backbone")?;
    let named = match backbone.as_map() {
        Some(class) => class.get("class_path")?,
        None => backbone,
    };
    named.span.option_key()?;
    named.as_text()
}

/// A group of keys that is given.
fn group<'a>(root: &'a Node, key: &str) -> Option<&'a Node> {
    let group = root.as_map()?.get(key)?;
    Some(group).filter(|group| !group.is_null())
}

fn option(key: &str, value: &str) -> Source {
    Source::Override {
        key: key.to_owned(),
        value: Some(value.to_owned()),
    }
}

fn text(node: Option<&Node>) -> Option<&str> {
    node.filter(|node| !node.is_null())?.as_text()
}

/// The name of a class, however it is written.
fn name(node: &Node) -> Option<&str> {
    match node.as_map() {
        Some(class) => text(class.get("class_path")),
        None => text(Some(node)),
    }
}

/// An argument of a class, however it is written.
pub fn argument<'a>(class: &'a Node, key: &str) -> Option<&'a Node> {
    let class = class.as_map()?;
    let groups = ["init_args", "dict_kwargs"].into_iter();
    let mut groups = groups.filter_map(|group| class.get(group)?.as_map()?.get(key));
    groups.next().or_else(|| class.get(key))
}
