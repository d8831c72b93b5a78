//! Tasks by the names of KerasHub's classes.

use engraft_component::{Mapping, Node, Refusal, class_word, nearest};
use engraft_hub::{Preset, keras_families};

/// What names of classes end in, with the task that is the same.
const TASKS: [(&str, &str); 7] = [
    ("TextClassifier", "SequenceClassification"),
    ("ProteinClassifier", "SequenceClassification"),
    ("MaskedLM", "MLM"),
    ("MaskedPLM", "MLM"),
    ("CausalLM", "CausalLM"),
    ("Seq2SeqLM", "Seq2SeqLM"),
    ("TextEmbedder", "Embed"),
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
    let mut tasks = TASKS.iter();
    let found = tasks.find_map(|(end, task)| Some((word.strip_suffix(end)?, *task)));
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
mod tests {
    use engraft_component::Choice;
    use engraft_tasks::Task;

    use crate::{Experiment, compose, parse_overrides};

    fn task(options: &[&str]) -> Result<Task, String> {
        let options: Vec<String> = options.iter().map(|word| (*word).to_owned()).collect();
        let composed = compose(&parse_overrides(&options).unwrap());
        let read = composed.and_then(|composed| Experiment::read(&composed));
        let (experiment, _) = read.map_err(|error| error.to_string())?;
        Ok(experiment.model.unwrap().task())
    }

    #[test]
    fn classes_of_keras_hub_are_the_tasks_that_are_the_same() {
        let names = [
            ("TextClassifier", "SequenceClassification"),
            ("RobertaTextClassifier", "SequenceClassification"),
            (
                "keras_hub.models.RobertaTextClassifier",
                "SequenceClassification",
            ),
            ("MaskedLM", "MLM"),
            ("RobertaMaskedLM", "MLM"),
            ("TextEmbedder", "Embed"),
            ("CausalLM", "CausalLM"),
            ("GPT2CausalLM", "CausalLM"),
            ("keras_hub.models.T5Seq2SeqLM", "Seq2SeqLM"),
        ];
        for (name, expected) in names {
            let backbone = if expected.ends_with("LM") && expected != "MLM" {
                "./absent"
            } else {
                "sapiens_vh"
            };
            let task = task(&["--model", name, "--model.backbone", backbone]).unwrap();
            assert_eq!(task.name(), expected, "{name}");
        }
    }

    #[test]
    fn a_text_classifier_has_its_familys_head_and_a_fresh_one_if_classes_are_counted() {
        let read = |more: &[&str]| {
            let options = [
                &[
                    "--model",
                    "TextClassifier",
                    "--model.backbone",
                    "sapiens_vh",
                ],
                more,
            ];
            match task(&options.concat()).unwrap() {
                Task::SequenceClassification(task) => task,
                other => panic!("{other:?}"),
            }
        };
        let kept = read(&[]);
        assert!(kept.use_legacy_adapter && !kept.fresh_head && kept.n_classes.is_none());
        let fresh = read(&["--model.num_classes", "3"]);
        assert!(fresh.use_legacy_adapter && fresh.fresh_head);
        assert_eq!(fresh.n_classes, Some(3));
        let other = read(&["--model.adapter", "LinearCLSAdapter"]);
        assert!(!other.use_legacy_adapter && other.adapter.is_some());
    }

    #[test]
    fn another_family_and_an_unknown_class_are_refused() {
        let error = task(&[
            "--model",
            "BertTextClassifier",
            "--model.backbone",
            "sapiens_vh",
        ]);
        let expected = "BertTextClassifier is for models of the type bert, and sapiens_vh is of the type roberta";
        assert!(error.as_ref().unwrap_err().contains(expected), "{error:?}");
        let error = task(&[
            "--model",
            "BertyTextClassifier",
            "--model.backbone",
            "sapiens_vh",
        ]);
        let error = error.unwrap_err();
        assert!(
            error.contains("unknown class \"BertyTextClassifier\""),
            "{error}"
        );
        assert!(error.contains("\"BertTextClassifier\""), "{error}");
    }
}
