//! Experiments that are refused, word for word: `refusals/messages.snap` beside the files that are wrong.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use engraft_config::{Experiment, Source, compose, parse_overrides};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refusals")
}

/// The ends of command lines that are refused.
fn commands() -> Vec<String> {
    let text = std::fs::read_to_string(folder().join("commands.txt")).unwrap();
    let is_command = |line: &&str| !line.is_empty() && !line.starts_with('#');
    text.lines().filter(is_command).map(str::to_owned).collect()
}

/// Words as a shell divides them, with `'` for its quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words
}

/// What the program says of a command line that it refuses.
fn refusal(line: &str) -> Option<String> {
    let here = |source: Source| match source {
        Source::File(name) => Source::File(folder().join(name)),
        option => option,
    };
    let read = || {
        let sources = parse_overrides(&words(line))?;
        let sources: Vec<Source> = sources.into_iter().map(here).collect();
        Experiment::read(&compose(&sources)?)
    };
    let message = read().err()?.to_string();
    Some(message.replace(&format!("{}/", folder().display()), ""))
}

/// What the program says of a command line that it must refuse.
fn message(line: &str) -> String {
    refusal(line).unwrap_or_else(|| panic!("accepted: {line}"))
}

/// A change of the messages fails here; `INSTA_UPDATE=always` takes it over, to be read line by line as somebody would who has just made the
/// mistake.
#[test]
fn every_invalid_experiment_is_refused_with_its_message() {
    let commands = commands();
    assert!(commands.len() >= 60, "{}", commands.len());
    let answers: Vec<String> = commands
        .iter()
        .map(|line| format!("{line}\n    {}\n", message(line)))
        .collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("refusals");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("messages", answers.join("\n")));
}

#[test]
fn every_message_is_one_line_that_says_where_and_what_would_fix_it() {
    const REMEDIES: &[&str] = &[
        "Did you mean",
        "expected ",
        "There are",
        "takes",
        "Choose from",
        "belongs under",
        "belong under",
        "must be",
        "Use ",
        "use ",
        "Give ",
        "give ",
        "Keep one",
        "Put ",
        "Save ",
        "Write ",
        "Close ",
        "Name ",
        "remove",
        "needs",
        "requires it",
        "are numbered from 0",
        "Options are written",
        "Keys are words",
        "no such file",
        "at least",
        "nothing can be set below",
        "Only plain values",
        "Is its line",
        "leave it out",
        "It is an argument of",
    ];
    for line in commands() {
        let message = message(&line);
        assert!(!message.contains('\n') && message.len() < 400, "{message}");
        let place = message.split(": ").next().unwrap();
        let in_file = place
            .split_once(".yaml:")
            .is_some_and(|(_, line)| line.parse::<u32>().is_ok());
        let in_words =
            place.starts_with("--") || place == "command line" || place.ends_with(".yaml");
        assert!(in_file || in_words, "no place: {message}");
        assert!(
            REMEDIES.iter().any(|words| message.contains(words)),
            "no remedy: {message}"
        );
    }
}

#[test]
fn every_file_of_the_folder_is_a_case_and_the_whole_one_has_no_mistake() {
    let used: BTreeSet<String> = commands()
        .iter()
        .flat_map(|line| words(line))
        .filter(|word| word.ends_with(".yaml"))
        .collect();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_listing = ["commands.txt", "messages.snap"].contains(&name.as_str());
        assert!(is_listing || used.contains(&name), "{name}");
    }
    assert_eq!(refusal("--config whole.yaml"), None);
}
