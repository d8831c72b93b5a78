//! The tail of the command line: files and options in the order given.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::LazyLock;

use engraft_component::{ComponentInfo, Kind, Refusal, Span};

use super::Source;
use crate::registry::{inner, registry};

/// Reads `--config FILE`, `-c FILE`, `--key value`, `--key=value` and `--key`.
///
/// Words of a key may be joined by `-` as well as by `_`. A word after an option is its value unless it looks like an option itself; negative numbers do not. What the keys mean
/// is for [`compose`](super::compose) to say.
///
/// # Errors
/// A word that belongs to no option, a key that is none, or a `--config` without a file.
pub fn parse_overrides(args: &[String]) -> Result<Vec<Source>, Refusal> {
    let mut sources = Vec::new();
    let mut words = args.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let Some((key, attached)) = option(word) else {
            let error = refusal(format!("unexpected \"{}\"", shown(word)));
            return Err(error.help(remedy(word)));
        };
        let value = match attached {
            Some(value) => Some(value),
            None => words.next_if(|next| option(next).is_none()),
        };
        if key != "config" {
            sources.push(Source::Override {
                key: as_key(key),
                value: value.map(str::to_owned),
            });
            continue;
        }
        match value {
            Some(file) if !file.is_empty() => sources.push(Source::File(PathBuf::from(file))),
            _ => return Err(refusal("--config needs a file".to_owned())),
        }
    }
    Ok(sources)
}

/// The key that an option means: `trainer.max_epochs` for `trainer.max-epochs`. Names of the user's own choice, such as those of columns, stay
/// as they are.
pub fn as_key(option: &str) -> String {
    let mut is_own = false;
    let words = option.split('.').map(|word| {
        let key = if is_own {
            word.to_owned()
        } else {
            word.replace('-', "_")
        };
        is_own |= of_own_names().contains(key.as_str());
        key
    });
    words.collect::<Vec<_>>().join(".")
}

/// The arguments that are mappings with keys of the user's choice.
fn of_own_names() -> &'static BTreeSet<&'static str> {
    static NAMES: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
        let sections = registry();
        let components = sections.iter().flat_map(|section| &section.components);
        let arguments = components.flat_map(ComponentInfo::arguments);
        let own = arguments.filter(|argument| matches!(inner(&argument.kind), Kind::Map(_)));
        own.map(|argument| argument.name).collect()
    });
    &NAMES
}

/// What to do about a word that belongs to no option.
fn remedy(word: &str) -> String {
    if word.ends_with(".yaml") || word.ends_with(".yml") {
        return format!("An experiment file is given as --config {}", shown(word));
    }
    let key = word
        .strip_prefix('-')
        .filter(|key| option(&format!("--{key}")).is_some());
    match key {
        Some(key) => format!("Options begin with two dashes: --{}", shown(key)),
        None => "Options are written --key value, and a value with spaces needs quotes".to_owned(),
    }
}

fn refusal(message: String) -> Refusal {
    Refusal::new(&Span::source("command line"), "", message)
}

fn shown(word: &str) -> String {
    word.chars()
        .take(60)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect()
}

/// The key of an option, and the value that `=` attaches to it.
fn option(word: &str) -> Option<(&str, Option<&str>)> {
    let body = match word.strip_prefix("--") {
        Some(body) => body,
        None if word == "-c" => return Some(("config", None)),
        None => return word.strip_prefix("-c=").map(|file| ("config", Some(file))),
    };
    if !body.starts_with(|first: char| first.is_alphabetic() || first == '_') {
        return None;
    }
    match body.split_once('=') {
        Some((key, value)) => Some((key, Some(value))),
        None => Some((body, None)),
    }
}
