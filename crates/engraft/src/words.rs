//! Sentences of the crates below, which name keys of an experiment, in the words of the library: methods and fields.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use crate::task::rust_name;

/// What whole phrases become; the first that fits counts.
const PHRASES: [(&str, &str); 16] = [
    (
        "remove n_classes, or set use_legacy_adapter to false for a new head",
        "call num_classes on the builder for a fresh head, or leave it out",
    ),
    (
        "or set use_legacy_adapter to false for a new head",
        "or call num_classes on the builder for a fresh head",
    ),
    (
        "Set model.use_legacy_adapter to false for a new head",
        "Call num_classes on the builder for a fresh head",
    ),
    (
        "Train it as a SequenceRegression, or set use_legacy_adapter to false for a new head",
        "Open it as a Regressor, or call num_classes on the builder for a fresh head",
    ),
    ("; trainer.detect_anomaly: true finds where", ""),
    (
        "name their column with data.y_col",
        "give them beside the texts",
    ),
    (
        "name it as model.backbone instead",
        "open it by the builder of a task",
    ),
    ("name as many columns with data.y_col", "give as many"),
    (
        "choose another data module or model",
        "give other labels, or open another task",
    ),
    (
        "Name a column of 0 and 1 for each class with data.y_col",
        "Give a flag for each class",
    ),
    (
        "name a column of 0 and 1 for each class with data.y_col, or remove multilabel",
        "give a flag for each class, or open it without multilabel",
    ),
    ("or null to clip nothing", "or None to clip nothing"),
    (
        "for several columns of 0 and 1 give model.multilabel: true",
        "for a flag for each of several, build it with multilabel: `with(|task| task.multilabel = true)`",
    ),
    (
        "several columns of 0 and 1 (data.y_col)",
        "a flag for each class",
    ),
    (
        "use Seq2SeqDataModule",
        "give a text to be written for each",
    ),
    (
        "Seq2SeqDataModule reads them, from this column",
        "give one for each text that is read",
    ),
];

/// What keys are called in Rust, behind their group.
const KEYS: [(&str, &str); 7] = [
    ("max_length", "sequence_length"),
    ("n_classes", "num_classes"),
    ("y_col", "labels"),
    ("x_col", "texts"),
    ("gradient_clip_val", "clip_norm"),
    ("use_peft", "lora"),
    ("lora_r", "lora"),
];

/// Words that stand for a key without its group too.
const ALONE: [&str; 1] = ["gradient_clip_val"];

/// The groups of an experiment.
const GROUPS: [&str; 3] = ["model.", "data.", "trainer."];

/// The sentence in the words of the library.
pub(crate) fn in_rust(sentence: impl ToString) -> String {
    let mut text = sentence.to_string();
    for (phrase, instead) in PHRASES {
        text = text.replace(phrase, instead);
    }
    let mut said = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find(is_word) {
        let (before, word) = rest.split_at(start);
        let end = word.find(|letter| !is_word(letter) && letter != '.');
        let (word, after) = word.split_at(end.unwrap_or(word.len()));
        // What ends a sentence is no part of a key.
        let key = word.trim_end_matches('.');
        let follows_path = before.ends_with(['/', '\\', '-']) || said.ends_with(['/', '\\', '-']);
        said.push_str(before);
        match renamed(key).filter(|_| !follows_path) {
            Some(name) => said.push_str(&name),
            None => said.push_str(key),
        }
        said.push_str(&word[key.len()..]);
        rest = after;
    }
    said.push_str(rest);
    said
}

/// What arguments of an experiment are called, so that files are told from them.
fn arguments() -> &'static BTreeSet<&'static str> {
    static ALL: OnceLock<BTreeSet<&'static str>> = OnceLock::new();
    ALL.get_or_init(|| {
        let sections = engraft_config::registry().into_iter();
        let components = sections.flat_map(|section| section.components);
        let arguments = components.flat_map(|component| component.arguments());
        arguments.map(|argument| argument.name).collect()
    })
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// What a dotted key of an experiment, or a task of one, is called here; none if it is neither.
fn renamed(key: &str) -> Option<String> {
    let called = |key: &str| {
        let found = KEYS.iter().find(|(own, _)| *own == key);
        found.map_or_else(|| key.to_owned(), |(_, name)| (*name).to_owned())
    };
    if ALONE.contains(&key) {
        return Some(called(key));
    }
    let task = rust_name(key);
    if task != key {
        return Some(task.to_owned());
    }
    let inner = GROUPS.iter().find_map(|group| key.strip_prefix(group))?;
    // What follows this argument are keys of a file.
    let mut names = inner
        .split('.')
        .take_while(|name| *name != "config_overwrites");
    if !names.all(|name| arguments().contains(name)) {
        return None;
    }
    Some(match inner.strip_prefix("backbone.") {
        Some(argument) => match called(argument) {
            name if name != argument => name,
            name => format!("backbone.{name}"),
        },
        None => called(inner),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{PHRASES, in_rust};

    #[test]
    fn keys_of_an_experiment_become_names_of_methods() {
        let cases = [
            (
                "row 3: 600 tokens, but the model has positions for 512: give model.backbone.max_length to cut long rows",
                "row 3: 600 tokens, but the model has positions for 512: give sequence_length to cut long rows",
            ),
            (
                "model.n_classes: a classifier needs at least 2 classes",
                "num_classes: a classifier needs at least 2 classes",
            ),
            (
                "model.backbone.peft_path: there is no such folder.",
                "backbone.peft_path: there is no such folder.",
            ),
            (
                "the data has no labels, which this stage needs; name their column with data.y_col",
                "the data has no labels, which this stage needs; give them beside the texts",
            ),
            // Files stay what they are.
            (
                "the folder has no model.safetensors and no data.tsv",
                "the folder has no model.safetensors and no data.tsv",
            ),
            (
                "/tmp/model.safetensors and ./data.tsv: cut short",
                "/tmp/model.safetensors and ./data.tsv: cut short",
            ),
            (
                "data.path.tsv has no column x",
                "data.path.tsv has no column x",
            ),
            (
                "SequenceClassification needs labels; BertForSequenceClassification is no task",
                "TextClassifier needs labels; BertForSequenceClassification is no task",
            ),
        ];
        for (theirs, ours) in cases {
            assert_eq!(in_rust(theirs), ours);
        }
    }

    /// What no crate says any longer would be replaced in vain.
    #[test]
    fn phrases_are_said_by_the_crates_below() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut said = String::new();
        for name in ["data", "models", "tasks", "train"] {
            let mut folders = vec![crates.join(name).join("src")];
            while let Some(folder) = folders.pop() {
                for entry in std::fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        folders.push(path);
                    } else if path.extension().is_some_and(|it| it == "rs") {
                        said.push_str(&std::fs::read_to_string(path).unwrap());
                    }
                }
            }
        }
        for (phrase, _) in PHRASES {
            assert!(said.contains(phrase), "{phrase}");
        }
    }
}
