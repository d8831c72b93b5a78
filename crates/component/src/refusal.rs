//! Where a value came from, and how a refused one is reported.

use std::fmt;
use std::sync::Arc;

/// Where a piece of configuration was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The file as the user named it, an option such as `--model.lr`, or empty for values made in code.
    pub source: Arc<str>,
    /// Line in that file, counted from 1.
    pub line: Option<u32>,
}

impl Span {
    /// A line of a file.
    pub fn line(source: &Arc<str>, line: u32) -> Self {
        Self {
            source: Arc::clone(source),
            line: Some(line),
        }
    }

    /// A source without lines, such as `--model.lr` or `command line`.
    pub fn source(source: impl Into<Arc<str>>) -> Self {
        Self {
            source: source.into(),
            line: None,
        }
    }

    /// The place of values made in code.
    pub fn none() -> Self {
        Self::source("")
    }

    /// The option's dotted key, if the value came from an option such as `--model.lr`.
    pub fn option_key(&self) -> Option<&str> {
        self.source.strip_prefix("--")
    }
}

impl Default for Span {
    fn default() -> Self {
        Self::none()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.source),
            None => f.write_str(&self.source),
        }
    }
}

/// A refused piece of configuration: one sentence saying where, what, and what would fix it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{}", self.prefix(), self.said(), .help.as_ref().map(|help| format!(". {help}")).unwrap_or_default())]
pub struct Refusal {
    /// Where the offending text stands; nowhere for what was made in code.
    pub place: Span,
    /// The key, as written such as `model.init_args.adapter`, or `model.adapter` before its place is known; empty where there is none.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What would fix it.
    pub help: Option<String>,
    /// What kind of mistake it is, for whoever knows more about it.
    pub mistake: Mistake,
}

/// Kinds of mistakes about which more can be said where all components are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mistake {
    /// Any other.
    #[default]
    Other,
    /// A file has nothing in it.
    EmptyFile,
    /// A component has no argument of this key, the last of the path.
    UnknownKey {
        /// The component.
        owner: &'static str,
    },
    /// A slot has no class of this name.
    UnknownClass {
        /// The name.
        name: String,
    },
    /// A component lacks an argument, the last of the path.
    Missing {
        /// The component.
        owner: &'static str,
    },
}

impl Refusal {
    /// About `key`, written at `place`.
    pub fn new(place: &Span, key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.clone(),
            key: key.into(),
            problem: problem.into(),
            help: None,
            mistake: Mistake::Other,
        }
    }

    /// About a key of the experiment, such as `model.n_classes`, by somebody who does not know where it was written.
    pub fn of(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(&Span::none(), key, problem)
    }

    /// About no single key.
    pub fn plain(problem: impl Into<String>) -> Self {
        Self::of("", problem)
    }

    /// Says what kind of mistake it is.
    #[must_use]
    pub fn of_kind(mut self, mistake: Mistake) -> Self {
        self.mistake = mistake;
        self
    }

    /// The same about a key inside a group of the experiment, such as `model.optimizer`, or about the group itself where no key is said.
    #[must_use]
    pub fn within(mut self, group: &str) -> Self {
        self.key = match self.key.as_str() {
            "" => group.to_owned(),
            key => format!("{group}.{key}"),
        };
        self
    }

    /// Whether something is not there that must be.
    pub fn is_missing(&self) -> bool {
        matches!(self.mistake, Mistake::Missing { .. })
    }

    /// The last word of the key.
    pub fn last_word(&self) -> &str {
        self.key.rsplit('.').next().unwrap_or(&self.key)
    }

    /// Where it is, as the prefix of a sentence; an unknown key in the value of an option is named as an option of its own.
    fn prefix(&self) -> String {
        let path = as_option(&self.key);
        let within = |option: &str| path.starts_with(option) && path != option;
        match (&self.mistake, self.place.option_key()) {
            (Mistake::UnknownKey { .. }, Some(option)) if within(option) => format!("--{path}: "),
            _ => place(&self.place, &self.key),
        }
    }

    /// The problem; for an option that leads through an unknown key, with the word that this is.
    fn said(&self) -> String {
        let is_inner = self.place.option_key().is_some_and(|option| {
            let (option, path) = (plain_key(option), plain_key(&self.key));
            option.len() > path.len() && option.starts_with(&path)
        });
        match self.mistake {
            Mistake::UnknownKey { .. } if is_inner => {
                format!("{} \"{}\"", self.problem, self.last_word())
            }
            _ => self.problem.clone(),
        }
    }

    /// Adds what would fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// `experiment.yaml:14: model.init_args.lr: ` or `--model.lr: `, as the prefix of a sentence.
///
/// On the command line nobody writes `init_args`, so paths shown for options leave it out, and a path that only repeats
/// the option, or its beginning, is left out altogether.
pub(crate) fn place(span: &Span, path: &str) -> String {
    let mut text = String::new();
    let mut path = path.to_owned();
    if let Some(key) = span.option_key() {
        path = as_option(&path);
        if plain_key(key).starts_with(&plain_key(&path)) {
            path.clear();
        }
    }
    if !span.source.is_empty() {
        text.push_str(&format!("{span}: "));
    }
    if !path.is_empty() {
        text.push_str(&format!("{path}: "));
    }
    text
}

fn is_wrapper(segment: &str) -> bool {
    matches!(segment, "init_args" | "dict_kwargs")
}

fn as_option(path: &str) -> String {
    let kept: Vec<&str> = path.split('.').filter(|part| !is_wrapper(part)).collect();
    kept.join(".")
}

/// A key without list positions, `init_args` and the `+` of appending, for comparing what was typed with where it landed.
fn plain_key(key: &str) -> Vec<String> {
    key.split('.')
        .map(|part| part.split('[').next().unwrap_or(part).trim_end_matches('+'))
        .filter(|part| {
            !is_wrapper(part)
                && *part != "class_path"
                && !part.is_empty()
                && !part.bytes().all(|byte| byte.is_ascii_digit())
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_error_names_file_line_and_key() {
        let span = Span::line(&Arc::from("experiment.yaml"), 14);
        let error = Refusal::new(&span, "model.init_args.adaptr", "unknown key")
            .help("Did you mean \"adapter\"?");
        assert_eq!(
            error.to_string(),
            "experiment.yaml:14: model.init_args.adaptr: unknown key. Did you mean \"adapter\"?"
        );
    }

    #[test]
    fn a_refusal_inside_a_group_is_about_the_key_in_it_or_else_the_group() {
        let one = Refusal::of("lr", "no").within("optimizer");
        assert_eq!(one.within("model").key, "model.optimizer.lr");
        assert_eq!(Refusal::plain("no").within("model").key, "model");
    }

    #[test]
    fn an_option_error_names_the_option_once() {
        let span = Span::source("--model.adaptr");
        assert_eq!(
            Refusal::new(&span, "model.init_args.adaptr", "unknown key").to_string(),
            "--model.adaptr: unknown key"
        );
        let span = Span::source("--trainer.callbacks.patience");
        assert_eq!(
            Refusal::new(&span, "trainer.callbacks[2].init_args.patience", "no").to_string(),
            "--trainer.callbacks.patience: no"
        );
    }

    #[test]
    fn an_option_error_about_another_key_names_both() {
        let span = Span::source("--model");
        assert_eq!(
            Refusal::new(&span, "model.init_args.path", "missing").to_string(),
            "--model: model.path: missing"
        );
    }

    #[test]
    fn an_unknown_key_in_the_value_of_an_option_is_named_once() {
        let span = Span::source("--data.reader");
        let unknown = Refusal::new(&span, "data.init_args.reader.seperator", "unknown key")
            .of_kind(Mistake::UnknownKey { owner: "Reader" });
        assert_eq!(unknown.to_string(), "--data.reader.seperator: unknown key");
    }

    #[test]
    fn an_option_that_leads_through_an_unknown_key_names_that_word() {
        let span = Span::source("--model.masking.rate");
        let unknown = |path: &str| {
            Refusal::new(&span, path, "unknown key").of_kind(Mistake::UnknownKey { owner: "Embed" })
        };
        assert_eq!(
            unknown("model.init_args.masking").to_string(),
            "--model.masking.rate: unknown key \"masking\""
        );
        assert_eq!(
            unknown("model.init_args.masking.rate").to_string(),
            "--model.masking.rate: unknown key"
        );
        assert_eq!(
            Refusal::new(&span, "model", "no class_path").to_string(),
            "--model.masking.rate: no class_path"
        );
    }

    #[test]
    fn a_value_made_in_code_shows_its_path_alone() {
        assert_eq!(
            Refusal::new(&Span::none(), "a.b", "no").to_string(),
            "a.b: no"
        );
        assert_eq!(Refusal::new(&Span::none(), "", "no").to_string(), "no");
    }
}
