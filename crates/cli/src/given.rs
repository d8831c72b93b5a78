//! The words after a command that reads no experiment: what it works on, and a few options.

use engraft_component::{did_you_mean, nearest};

use crate::arguments::Command;
use crate::elsewhere;
use crate::failure::Failure;

/// A list of more options than this is left to the page of help.
const LISTED: usize = 12;

/// An option that a command takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// As it is typed, such as `--output`.
    pub(crate) name: &'static str,
    /// What its value is called in help texts; none for one without a value.
    pub(crate) value: Option<&'static str>,
    /// What it does.
    pub(crate) about: &'static str,
}

/// What was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// The words that belong to no option, in order.
    pub(crate) words: Vec<String>,
    /// Whether help is wanted instead.
    pub(crate) help: bool,
    options: Vec<(&'static str, String)>,
}

impl Given {
    /// Takes the words after a command apart.
    pub(crate) fn read(
        command: Command,
        words: &[String],
        known: &[Known],
    ) -> Result<Self, Failure> {
        let refuse = |message: String| Failure::refused(format!("{}: {message}", command.name()));
        let mut given = Self::default();
        let mut rest = words.iter().map(String::as_str);
        while let Some(word) = rest.next() {
            let is_verbose = word == "-v" && known.iter().any(|it| it.name == "--verbose");
            let word = if is_verbose { "--verbose" } else { word };
            let (name, attached) = match word.split_once('=') {
                Some((name, value)) if word.starts_with("--") => (name, Some(value)),
                _ => (word, None),
            };
            if matches!(word, "--help" | "-h") {
                given.help = true;
                continue;
            }
            if !word.starts_with("--") {
                given.words.push(word.to_owned());
                continue;
            }
            // Words are joined by either sign.
            let dashed = name.replace('_', "-");
            let is_meant = |option: &&Known| option.name.replace('_', "-") == dashed;
            let Some(option) = known.iter().find(is_meant) else {
                if let Some(said) = elsewhere::option(command, name) {
                    return Err(refuse(format!("{name}: {said}")));
                }
                let names: Vec<&str> = known.iter().map(|option| option.name).collect();
                let help = match nearest(name, names.iter().copied()) {
                    None if names.len() > LISTED => {
                        format!("`engraft help {}` lists its options", command.name())
                    }
                    _ => did_you_mean(name, &names, "It takes").unwrap_or_default(),
                };
                return Err(refuse(format!("unknown option \"{name}\". {help}")));
            };
            let value = match (option.value, attached) {
                (None, None) => String::new(),
                (None, Some(value)) => {
                    return Err(refuse(format!("{name} takes no value, found \"{value}\"")));
                }
                (Some(_), Some(value)) => value.to_owned(),
                (Some(what), None) => match rest.next() {
                    Some(value) => value.to_owned(),
                    None => return Err(refuse(format!("{name} needs a value: {name} {what}"))),
                },
            };
            given.options.push((option.name, value));
        }
        Ok(given)
    }

    /// The one word that the command works on, if it is there.
    pub(crate) fn word(&self, command: Command) -> Result<Option<&str>, Failure> {
        match self.words.as_slice() {
            [] => Ok(None),
            [word] => Ok(Some(word)),
            [_, second, ..] => {
                let instead = match command {
                    Command::Generate => "a prompt is given as --prompt TEXT",
                    _ => "it takes one at a time",
                };
                Err(Failure::refused(format!(
                    "{}: unexpected \"{second}\"; {instead}",
                    command.name()
                )))
            }
        }
    }

    /// All values of an option that may be given several times, in order.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let given = self
            .options
            .iter()
            .filter(move |(option, _)| *option == name);
        given.map(|(_, value)| value.as_str())
    }

    /// Whether an option without a value was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The value of an option; the last one counts.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let mut options = self.options.iter().rev();
        let (_, value) = options.find(|(option, _)| *option == name)?;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Known] = &[
        Known {
            name: "--output",
            value: Some("FILE"),
            about: "",
        },
        Known {
            name: "--force",
            value: None,
            about: "",
        },
        Known {
            name: "--x-col",
            value: Some("COLUMN"),
            about: "",
        },
    ];

    fn read(words: &str) -> Result<Given, Failure> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Given::read(Command::Init, &words, KNOWN)
    }

    #[test]
    fn words_and_options_may_come_in_any_order() {
        for words in ["a.tsv --output b --force", "--force --output=b a.tsv"] {
            let given = read(words).unwrap();
            assert_eq!(given.words, ["a.tsv"]);
            assert_eq!(given.value("--output"), Some("b"));
            assert!(given.has("--force") && !given.help);
        }
        assert!(read("-h").unwrap().help);
        assert_eq!(
            read("--output a --output b").unwrap().value("--output"),
            Some("b")
        );
    }

    #[test]
    fn words_of_an_option_may_be_joined_by_underscores() {
        for words in ["--x-col a", "--x_col a", "--x_col=a"] {
            assert_eq!(read(words).unwrap().value("--x-col"), Some("a"));
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (words, expected) in [
            (
                "--ouput a",
                "init: unknown option \"--ouput\". Did you mean \"--output\"?",
            ),
            ("--output", "init: --output needs a value: --output FILE"),
            ("--force=1", "init: --force takes no value, found \"1\""),
        ] {
            assert_eq!(read(words), Err(Failure::refused(expected)));
        }
        let given = read("a b").unwrap();
        assert!(given.word(Command::Init).is_err());
    }
}
