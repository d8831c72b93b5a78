//! Experiments that are refused, word for word: `refusals/messages.txt` beside the files that are wrong.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use engraft_config::{Experiment, Source, compose, parse_overrides};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refusals")
}

/// The end of a command line, and the message that answers it.
struct Case {
    words: String,
    message: String,
}

/// The comment at the head of the file, and its cases.
fn cases() -> (String, Vec<Case>) {
    let text = std::fs::read_to_string(folder().join("messages.txt")).unwrap();
    let is_comment = |line: &&str| line.starts_with('#') || line.is_empty();
    let head: Vec<&str> = text.lines().take_while(is_comment).collect();
    let mut cases: Vec<Case> = Vec::new();
    for line in text
        .lines()
        .skip(head.len())
        .filter(|line| !line.is_empty())
    {
        match line.strip_prefix("    ") {
            Some(message) => cases.last_mut().unwrap().message.push_str(message),
            None => cases.push(Case {
                words: line.to_owned(),
                message: String::new(),
            }),
        }
    }
    (head.join("\n"), cases)
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

#[test]
fn every_invalid_experiment_is_refused_with_its_message() {
    let (head, cases) = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    let mut different = Vec::new();
    let mut written = head + "\n";
    for case in &cases {
        let found = refusal(&case.words).unwrap_or_else(|| panic!("accepted: {}", case.words));
        written.push_str(&format!("\n{}\n    {found}\n", case.words));
        if found != case.message {
            let (words, message) = (&case.words, &case.message);
            different.push(format!("{words}\n  wanted  {message}\n  found   {found}"));
        }
    }
    if std::env::var_os("ENGRAFT_WRITE_MESSAGES").is_some() {
        std::fs::write(folder().join("messages.txt"), written).unwrap();
        return;
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
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
    for case in cases().1 {
        let message = &case.message;
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
    let used: BTreeSet<String> = cases()
        .1
        .iter()
        .flat_map(|case| words(&case.words))
        .filter(|word| word.ends_with(".yaml"))
        .collect();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "messages.txt" || used.contains(&name), "{name}");
    }
    assert_eq!(refusal("--config whole.yaml"), None);
}
