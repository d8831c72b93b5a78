//! Where tasks are named: a task is one file and one line of the list, so nothing else may know it by name.

mod source;

use std::path::{Path, PathBuf};

use source::{Kind, owner, words};

macro_rules! names {
    ($($file:ident::$name:ident)+) => {
        &[$(stringify!($name)),+]
    };
}

/// The name of every task.
const NAMES: &[&str] = for_each_task!(names);

/// Types of which a variant is called like a task and is something else: kinds of heads in checkpoints, and modules of data.
const OTHERS: [&str; 2] = ["HeadKind", "DataModule"];

/// Where texts for users give a task as an example.
const ADVICE: [&str; 6] = [
    "cli/src/elsewhere.rs",
    "cli/src/help.rs",
    "config/src/elsewhere.rs",
    "config/src/propose/write.rs",
    // Its module is called like the task that it is for.
    "data/src/module/structures.rs",
    // What KerasHub calls its classes.
    "hub/src/keras/write/objects.rs",
];

/// The sources of all libraries and programs of the workspace, by their paths within `crates`.
fn sources() -> Vec<(String, String)> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<PathBuf> = entries(&crates).map(|it| it.join("src")).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            let is_rust = path.extension().is_some_and(|it| it == "rs");
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if is_rust && !path.ends_with("tests.rs") {
                let name = path.strip_prefix(&crates).unwrap();
                let name = name.to_str().unwrap().replace('\\', "/");
                sources.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort();
    sources
}

/// What lies in a folder; nothing if there is none.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path())
}

/// The place of a task's own code: `objectives/causal_lm.rs` of `CausalLM`, and what lies in a folder of that name.
fn is_own(path: &str, name: &str) -> bool {
    let Some(path) = path.strip_prefix("tasks/src/objectives/") else {
        return false;
    };
    let file = path.split('/').next().unwrap_or(path);
    let file = file.strip_suffix(".rs").unwrap_or(file);
    file.replace('_', "") == name.to_lowercase()
}

/// Whether all tasks may be named here: in the list of them, and in the face of Rust, which has a type for each.
fn lists_all(path: &str) -> bool {
    path == "tasks/src/task.rs" || path.starts_with("engraft/src/")
}

/// Where a source names tasks that it should not know.
fn named_in(path: &str, source: &str) -> Vec<String> {
    let advises = path.starts_with("tasks/src/objectives/") || ADVICE.contains(&path);
    let words = words(source);
    let named = words.iter().enumerate().filter(|(at, word)| {
        if !NAMES.contains(&word.text) || is_own(path, word.text) {
            return false;
        }
        // What users read there may send them to a task.
        let is_advice = advises && word.kind == Kind::Text;
        let is_variant = owner(&words, *at).is_some_and(|owner| OTHERS.contains(&owner));
        !is_advice && !is_variant
    });
    named
        .map(|(_, word)| format!("crates/{path}:{}: {}", word.line, word.text))
        .collect()
}

#[test]
fn no_task_is_named_outside_its_file_and_the_list() {
    let sources = sources();
    for name in NAMES {
        assert!(
            sources.iter().any(|(path, _)| is_own(path, name)),
            "{name} has no file of its own"
        );
    }
    let others = sources.iter().filter(|(path, _)| !lists_all(path));
    let found: Vec<String> = others
        .flat_map(|(path, source)| named_in(path, source))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn names_are_found_in_code_and_texts_and_nowhere_else() {
    let source = r##"
//! Not in words about the file: MLM.
/* Nor /* within */ Embed. */
use engraft_tasks::MLM; // or Embed
fn f<'a>(task: &'a Task) -> &'a str {
    match task {
        Task::Embed(_) => "say \"Inference\"",
        _ if is('"') => r#"a raw "CausalLM" "#,
        _ => HeadKind::TokenClassification.word(),
    }
}
enum HeadKind { TokenClassification }
impl HeadKind {
    fn word(self) -> &'static str { match self { Self::TokenClassification => "MLMDataModule" } }
}
enum Wish { SequenceRegression(SequenceRegression) }
#[cfg(test)]
mod tests { const NAME: &str = "MLM"; }
const LAST: [u8; 3] = *b"MLM";
"##;
    let found = named_in("cli/src/session.rs", source);
    let expected = [
        (4, "MLM"),
        (7, "Embed"),
        (7, "Inference"),
        (8, "CausalLM"),
        (16, "SequenceRegression"),
        (16, "SequenceRegression"),
        (19, "MLM"),
    ];
    let expected = expected.map(|(line, name)| format!("crates/cli/src/session.rs:{line}: {name}"));
    assert_eq!(found, expected);
    let own = "let advice = \"use CausalLM\"; MLM; Embed";
    let path = "tasks/src/objectives/mlm.rs";
    assert_eq!(named_in(path, own), [format!("crates/{path}:1: Embed")]);
}
