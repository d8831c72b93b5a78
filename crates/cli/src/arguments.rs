//! The command line: the command itself, and what its tail says to the program rather than to the experiment.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, Command as Clap};
use engraft::convert::Format;
use engraft_component::{Component, did_you_mean};
use engraft_config::{Experiment, Source, as_key, parse_overrides};
use engraft_hub::fetch::Hubs;
use engraft_run::{LoraExport, Purpose};

use crate::commands::convert::format;
use crate::elsewhere;
use crate::failure::{Failure, print};

/// The option that keeps the program from fetching anything.
pub(crate) const OFFLINE: &str = "--offline";

/// The program's version, and that of the engine, which the workspace manifest pins.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (burn 0.22.1)");

/// What the program is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Fit,
    Validate,
    Test,
    Predict,
    Generate,
    Export,
    Convert,
    Presets,
    Download,
    Cache,
    Components,
    Schema,
    Init,
    Completions,
}

impl Command {
    pub(crate) const ALL: [Self; 14] = [
        Self::Init,
        Self::Fit,
        Self::Validate,
        Self::Test,
        Self::Predict,
        Self::Generate,
        Self::Export,
        Self::Convert,
        Self::Presets,
        Self::Download,
        Self::Cache,
        Self::Components,
        Self::Schema,
        Self::Completions,
    ];

    /// The command that uses an experiment for this.
    pub(crate) fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Fit => Self::Fit,
            Purpose::Validate => Self::Validate,
            Purpose::Test => Self::Test,
            Purpose::Predict => Self::Predict,
            Purpose::Export => Self::Export,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Validate => "validate",
            Self::Test => "test",
            Self::Predict => "predict",
            Self::Generate => "generate",
            Self::Export => "export",
            Self::Convert => "convert",
            Self::Presets => "presets",
            Self::Download => "download",
            Self::Cache => "cache",
            Self::Components => "components",
            Self::Schema => "schema",
            Self::Init => "init",
            Self::Completions => "completions",
        }
    }

    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Fit => "Train a model, validate it on the way and test it at the end",
            Self::Validate => "Score a checkpoint on the validation rows",
            Self::Test => "Score a checkpoint on the test rows",
            Self::Predict => "Write a model's predictions for every row into one file",
            Self::Generate => {
                "Let a model go on from prompts, or write what an encoder-decoder makes of them"
            }
            Self::Export => "Turn a checkpoint into a preset that can be used as a backbone",
            Self::Convert => "Write a preset in the format of another library",
            Self::Presets => "List the presets that have a name, or show one",
            Self::Download => "Fetch presets and data sets ahead of time",
            Self::Cache => "List, check or remove what was fetched",
            Self::Components => "List all that an experiment can name, or explain one of it",
            Self::Schema => {
                "Print the schema of experiment files, with which editors complete and check them"
            }
            Self::Init => "Look at a table and write an experiment for it",
            Self::Completions => "Print what makes a shell complete commands and options",
        }
    }

    /// Whether it may fetch something of a hub.
    pub(crate) fn can_fetch(self) -> bool {
        !matches!(
            self,
            Self::Cache | Self::Components | Self::Schema | Self::Completions
        )
    }

    /// Whether it writes the file or folder that `--output` names.
    pub(crate) fn writes_output(self) -> bool {
        matches!(self, Self::Predict | Self::Export | Self::Test)
    }
}

/// The option that asks for a form of LoRA updates.
pub(crate) fn lora_option(form: LoraExport) -> &'static str {
    match form {
        LoraExport::Merged => "--merge-lora",
        LoraExport::Adapter => "--peft",
    }
}

/// The tail of a command line, taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tail {
    /// Files and options of the experiment, in the order given.
    pub(crate) sources: Vec<Source>,
    /// Threads to compute with.
    pub(crate) threads: Option<usize>,
    /// The file or folder to write.
    pub(crate) output: Option<PathBuf>,
    /// What export makes of LoRA updates.
    pub(crate) lora: Option<LoraExport>,
    /// The format that export writes.
    pub(crate) to: Option<Format>,
    /// Whether export writes what the format cannot hold exactly.
    pub(crate) approximate: bool,
    /// Texts to predict, in the place of a file's.
    pub(crate) texts: Vec<String>,
    /// Print the resolved experiment instead of running it.
    pub(crate) print_config: bool,
    /// Whether each tensor of a checkpoint is named.
    pub(crate) verbose: bool,
    /// Print help instead: on the command, or on a key and perhaps one of its classes.
    pub(crate) help: Option<Topic>,
}

/// What help is wanted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// The command.
    Command,
    /// A key of the experiment.
    Key { key: String, class: Option<String> },
}

/// Reads the command line of this process: the command, and the words after it.
pub(crate) fn from_process() -> Result<(Command, Vec<String>), Failure> {
    let words: Result<Vec<String>, OsString> =
        std::env::args_os().map(OsString::into_string).collect();
    let words = words
        .map_err(|word| Failure::refused(format!("command line: {word:?} is not valid UTF-8")))?;
    let words = without_offline(words);
    if let Some(words) = asks_for_help(&words) {
        return words;
    }
    let matches = match outer().try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(error) => return refuse_or_help(&error, &words),
    };
    let found = matches.subcommand().and_then(|(name, matches)| {
        let command = Command::ALL.into_iter().find(|it| it.name() == name)?;
        let tail = matches.get_many::<String>("tail").unwrap_or_default();
        Some((command, tail.cloned().collect()))
    });
    found.ok_or_else(|| unknown(&words))
}

/// The words without `--offline`, which every command takes: this process then fetches nothing.
fn without_offline(mut words: Vec<String>) -> Vec<String> {
    let before = words.len();
    words.retain(|word| word != OFFLINE);
    if words.len() < before {
        Hubs::of_process().set_offline(true);
    }
    words
}

/// `help` and `help fit`, as the options that mean the same; `help` with the name of a component or key explains that.
fn asks_for_help(words: &[String]) -> Option<Result<(Command, Vec<String>), Failure>> {
    let [_, help, rest @ ..] = words else {
        return None;
    };
    if help != "help" {
        return None;
    }
    let topic = rest.iter().find(|word| !word.starts_with('-'));
    let Some(topic) = topic.filter(|topic| *topic != "help") else {
        let page = print(&outer().render_help().to_string());
        return Some(page.and(Err(Failure::Done)));
    };
    let command = Command::ALL.into_iter().find(|it| it.name() == topic);
    if let Some(command) = command {
        return Some(Ok((command, vec!["--help".to_owned()])));
    }
    if elsewhere::command(topic).is_some() {
        return Some(Err(unknown(&[String::new(), topic.clone()])));
    }
    let key = topic.trim_start_matches('-');
    let is_key = Experiment::arguments()
        .iter()
        .any(|group| key.split('.').next() == Some(group.name));
    Some(Ok(if is_key {
        (Command::Fit, vec!["--help".to_owned(), key.to_owned()])
    } else {
        (Command::Components, vec![topic.clone()])
    }))
}

/// What is left to clap: the commands, their lines of help, and the version.
fn outer() -> Clap {
    let mut outer = Clap::new("engraft")
        .about("Fine-tune, evaluate and predict with pretrained transformers, from one YAML file")
        .version(VERSION)
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .after_help("`engraft help COMMAND` lists the options of a command.");
    for command in Command::ALL {
        let tail = Arg::new("tail")
            .num_args(0..)
            .trailing_var_arg(true)
            .allow_hyphen_values(true);
        let command = Clap::new(command.name()).about(command.about());
        outer = outer.subcommand(command.disable_help_flag(true).arg(tail));
    }
    outer
}

/// What clap did not take for a command: a wish for help, or a mistake said in one sentence.
fn refuse_or_help<T>(error: &clap::Error, words: &[String]) -> Result<T, Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            print(&error.to_string())?;
            Err(Failure::Done)
        }
        ErrorKind::MissingSubcommand => Err(Failure::refused(format!(
            "no command given. There are: {}",
            names().join(", ")
        ))),
        _ => Err(unknown(words)),
    }
}

fn unknown(words: &[String]) -> Failure {
    let word = words.get(1).map_or("", String::as_str);
    if word.starts_with('-') {
        return Failure::refused(format!(
            "\"{word}\" comes before a command. Options follow one of: {}",
            names().join(", ")
        ));
    }
    if let Some(here) = elsewhere::command(word) {
        return Failure::refused(format!("there is no command \"{word}\": {here}"));
    }
    let help = did_you_mean(word, &names(), "There are").unwrap_or_default();
    Failure::refused(format!("unknown command \"{word}\". {help}"))
}

fn names() -> Vec<&'static str> {
    Command::ALL.into_iter().map(Command::name).collect()
}

impl Tail {
    /// Takes the words after a command apart.
    pub(crate) fn read(command: Command, words: &[String]) -> Result<Self, Failure> {
        let words: Vec<String> = words
            .iter()
            .map(|word| match word.as_str() {
                "-h" => "--help".to_owned(),
                "-v" => "--verbose".to_owned(),
                _ => word.clone(),
            })
            .collect();
        let mut tail = Self::default();
        for source in parse_overrides(&words)? {
            let Source::Override { key, value } = &source else {
                tail.sources.push(source);
                continue;
            };
            let value = value.as_deref();
            match key.as_str() {
                "threads" => tail.threads = Some(threads("--threads", value.unwrap_or_default())?),
                "output" => tail.output = Some(output(command, value)?),
                "text" => tail.texts.push(text(command, value)?),
                "merge_lora" => {
                    tail.lora = Some(export_lora(command, LoraExport::Merged, value, tail.lora)?);
                }
                "peft" => {
                    tail.lora = Some(export_lora(command, LoraExport::Adapter, value, tail.lora)?);
                }
                "to" => tail.to = Some(export_to(command, value)?),
                "approximate" => tail.approximate = approximate(command, value)?,
                "print_config" => tail.print_config = print_config(value)?,
                "verbose" => tail.verbose = verbose(value)?,
                "help" => tail.help = Some(Topic::on(value)),
                key => match key.strip_suffix(".help") {
                    Some(key) => tail.ask(key, value),
                    None => tail.sources.push(source),
                },
            }
        }
        if tail.threads.is_none()
            && let Some(value) =
                std::env::var_os("ENGRAFT_THREADS").filter(|value| !value.is_empty())
        {
            tail.threads = Some(threads("ENGRAFT_THREADS", &value.to_string_lossy())?);
        }
        Ok(tail)
    }

    /// Notes that help is wanted on a key. A class that was asked about before leads to what is asked now.
    fn ask(&mut self, key: &str, class: Option<&str>) {
        let earlier = self.help.take();
        if let Some(Topic::Key {
            key,
            class: Some(class),
        }) = earlier
        {
            self.sources.push(Source::Override {
                key,
                value: Some(class),
            });
        }
        self.help = Some(Topic::Key {
            key: key.to_owned(),
            class: class.map(str::to_owned),
        });
    }
}

impl Topic {
    fn on(key: Option<&str>) -> Self {
        key.map_or(Self::Command, |key| Self::Key {
            key: as_key(key),
            class: None,
        })
    }
}

pub(crate) fn threads(source: &str, value: &str) -> Result<usize, Failure> {
    /// More than any machine has; each costs memory for its stack.
    const MOST: usize = 4096;
    let number = value
        .parse()
        .ok()
        .filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| {
        Failure::refused(format!(
            "{source}: expected a number of threads from 1 to {MOST}, found \"{value}\""
        ))
    })
}

fn export_lora(
    command: Command,
    option: LoraExport,
    value: Option<&str>,
    earlier: Option<LoraExport>,
) -> Result<LoraExport, Failure> {
    let flag = lora_option(option);
    if command != Command::Export {
        return Err(Failure::refused(format!("{flag}: only export takes it")));
    }
    if let Some(value) = value.filter(|value| *value != "true") {
        return Err(Failure::refused(format!(
            "{flag}: takes no value, found \"{value}\""
        )));
    }
    match earlier {
        Some(earlier) if earlier != option => Err(Failure::refused(format!(
            "{flag}: {} is given too; choose one",
            lora_option(earlier)
        ))),
        _ => Ok(option),
    }
}

fn export_to(command: Command, value: Option<&str>) -> Result<Format, Failure> {
    match command {
        Command::Export => format(value),
        _ => Err(Failure::refused("--to: only export and convert take it")),
    }
}

fn approximate(command: Command, value: Option<&str>) -> Result<bool, Failure> {
    match value {
        _ if command != Command::Export => Err(Failure::refused(
            "--approximate: only export and convert take it",
        )),
        Some(value) if value != "true" => Err(Failure::refused(format!(
            "--approximate: takes no value, found \"{value}\""
        ))),
        _ => Ok(true),
    }
}

fn output(command: Command, value: Option<&str>) -> Result<PathBuf, Failure> {
    if !command.writes_output() {
        return Err(Failure::refused(format!(
            "--output: {} writes no file of its own. Its logs and checkpoints go to trainer.default_root_dir",
            command.name()
        )));
    }
    match value {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => Err(Failure::refused("--output needs the name of what to write")),
    }
}

fn text(command: Command, value: Option<&str>) -> Result<String, Failure> {
    if command != Command::Predict {
        return Err(Failure::refused("--text: only predict takes it"));
    }
    let text = value.filter(|text| !text.trim().is_empty());
    text.map(str::to_owned).ok_or_else(|| {
        Failure::refused("--text needs the text to predict, or - for standard input")
    })
}

fn print_config(value: Option<&str>) -> Result<bool, Failure> {
    let is_flag = |flag: &str| matches!(flag, "comments" | "skip_null" | "skip_default" | "true");
    match value {
        // Flags of jsonargparse, which choose among forms of the same experiment.
        Some(flags) if !flags.split(',').all(is_flag) => Err(Failure::refused(format!(
            "--print_config takes no value, found \"{flags}\""
        ))),
        _ => Ok(true),
    }
}

fn verbose(value: Option<&str>) -> Result<bool, Failure> {
    match value {
        Some(value) if value != "true" => Err(Failure::refused(format!(
            "--verbose takes no value, found \"{value}\""
        ))),
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(command: Command, words: &str) -> Result<Tail, Failure> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Tail::read(command, &words)
    }

    fn set(key: &str, value: &str) -> Source {
        Source::Override {
            key: key.to_owned(),
            value: Some(value.to_owned()),
        }
    }

    #[test]
    fn the_version_of_the_engine_is_the_one_in_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        let burn = VERSION
            .split(['(', ')', ' '])
            .rfind(|word| !word.is_empty())
            .unwrap();
        assert!(
            lock.contains(&format!("name = \"burn\"\nversion = \"{burn}\"")),
            "{burn}"
        );
    }

    #[test]
    fn options_of_the_program_are_taken_out_wherever_they_stand() {
        let tail = read(
            Command::Predict,
            "--config a.yaml --threads 3 --model Embed --output e.tsv --print_config -c b.yaml",
        )
        .unwrap();
        assert_eq!((tail.threads, tail.print_config), (Some(3), true));
        assert_eq!(tail.output, Some(PathBuf::from("e.tsv")));
        let files = |name: &str| Source::File(PathBuf::from(name));
        assert_eq!(
            tail.sources,
            [files("a.yaml"), set("model", "Embed"), files("b.yaml")]
        );
    }

    #[test]
    fn words_of_an_option_are_joined_by_either_sign() {
        let tail = read(
            Command::Export,
            "--print-config --merge-lora --ckpt-path a-b --trainer.max-epochs 3",
        )
        .unwrap();
        assert!(tail.print_config);
        assert_eq!(tail.lora, Some(LoraExport::Merged));
        assert_eq!(
            tail.sources,
            [set("ckpt_path", "a-b"), set("trainer.max_epochs", "3")]
        );
        assert_eq!(
            tail.lora,
            read(Command::Export, "--merge_lora").unwrap().lora
        );
    }

    #[test]
    fn all_tensors_are_named_on_demand() {
        for words in ["-v", "--verbose", "-c a.yaml -v"] {
            assert!(read(Command::Fit, words).unwrap().verbose, "{words}");
        }
        assert!(!read(Command::Fit, "-c a.yaml").unwrap().verbose);
        assert!(read(Command::Fit, "--verbose=2").is_err());
    }

    #[test]
    fn texts_are_for_predict() {
        let tail = read(Command::Predict, "--text one --text=two").unwrap();
        assert_eq!(tail.texts, ["one", "two"]);
        assert!(read(Command::Fit, "--text one").is_err());
        assert!(read(Command::Predict, "--text").is_err());
    }

    #[test]
    fn help_is_wanted_on_the_command_a_key_or_a_class() {
        let topic = |words| read(Command::Fit, words).unwrap().help.unwrap();
        let key = |key: &str, class: Option<&str>| Topic::Key {
            key: key.to_owned(),
            class: class.map(str::to_owned),
        };
        assert_eq!(topic("--help"), Topic::Command);
        assert_eq!(topic("--config a.yaml -h"), Topic::Command);
        assert_eq!(topic("--trainer.help"), key("trainer", None));
        assert_eq!(topic("--help model.backbone"), key("model.backbone", None));
        assert_eq!(topic("--model.help Embed"), key("model", Some("Embed")));
    }

    #[test]
    fn help_on_a_class_leads_to_help_on_what_is_in_it() {
        let tail = read(Command::Fit, "--model.help Embed --model.backbone.help").unwrap();
        assert_eq!(tail.sources, [set("model", "Embed")]);
        let topic = Topic::Key {
            key: "model.backbone".to_owned(),
            class: None,
        };
        assert_eq!(tail.help, Some(topic));
    }

    #[test]
    fn a_command_that_writes_nothing_takes_no_output() {
        assert!(read(Command::Fit, "--output a.tsv").is_err());
        assert!(read(Command::Validate, "--output a").is_err());
        assert!(read(Command::Export, "--output a").is_ok());
        assert!(read(Command::Predict, "--output").is_err());
    }
}
