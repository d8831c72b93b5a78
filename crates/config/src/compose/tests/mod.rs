//! Composition as users see it, with stand-ins for the components.

mod components;
mod errors;
mod merging;
mod overrides;
mod peer_files;
mod properties;

use std::path::{Path, PathBuf};

use engraft_component::{Context, FromNode, Refusal, to_flow};

use super::{Composed, Source, compose, parse_overrides};
use components::*;

/// A folder with the files `a.yaml`, `b.yaml`, ... in it.
struct Files {
    folder: tempfile::TempDir,
    names: Vec<PathBuf>,
}

impl Files {
    fn new(texts: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut names = Vec::new();
        for (text, letter) in texts.iter().zip('a'..='z') {
            let path = folder.path().join(format!("{letter}.yaml"));
            std::fs::write(&path, text).unwrap();
            names.push(path);
        }
        Self { folder, names }
    }

    /// Every file from the first to the last, then the options.
    fn sources(&self, options: &str) -> Result<Vec<Source>, Refusal> {
        let mut sources: Vec<Source> = self.names.iter().cloned().map(Source::File).collect();
        sources.extend(parse_overrides(&words(options))?);
        Ok(sources)
    }

    fn composed(&self, options: &str) -> Result<Composed, Refusal> {
        compose(&self.sources(options)?)
    }

    /// A text without the name of the folder.
    fn local(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Splits options at spaces, with `'` as the shell's quote.
fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for char in options.chars() {
        match char {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words
}

/// The composed root on one line.
fn root(texts: &[&str], options: &str) -> String {
    let files = Files::new(texts);
    to_flow(
        &files
            .composed(options)
            .unwrap_or_else(|error| panic!("{error}"))
            .root,
    )
}

/// The decoded experiment and the notes of composition and decoding.
fn experiment(texts: &[&str], options: &str) -> (Experiment, Vec<String>) {
    let files = Files::new(texts);
    let composed = files
        .composed(options)
        .unwrap_or_else(|error| panic!("{error}"));
    let mut cx = Context::new();
    let experiment =
        Experiment::from_node(&composed.root, &mut cx).unwrap_or_else(|error| panic!("{error}"));
    let mut notes = composed.notes;
    notes.extend(cx.into_notes());
    (
        experiment,
        notes
            .iter()
            .map(|note| files.local(&note.to_string()))
            .collect(),
    )
}

/// Why composition or decoding fails.
fn refusal(texts: &[&str], options: &str) -> String {
    let files = Files::new(texts);
    let decoded = files
        .composed(options)
        .and_then(|composed| Experiment::from_node(&composed.root, &mut Context::new()));
    match decoded {
        Ok(experiment) => panic!("{} was accepted", to_flow(&experiment.to_node())),
        Err(error) => files.local(&error.to_string()),
    }
}
