//! How the program ends when not all goes well.

use std::io::Write;
use std::process::ExitCode;

use engraft_component::{Mistake, Refusal};

/// Why the program ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Something is wrong with what the user gave; nothing has run yet.
    Refused(String),
    /// A run that had started could not go on.
    Broke(String),
    /// A signal asked it to end, as Ctrl-C does.
    Interrupted,
    /// All is done, as after printing help.
    Done,
    /// Whoever read the output has gone away, as `head` does.
    NoReader,
}

impl Failure {
    /// Something that the user gave is wrong.
    pub(crate) fn refused(message: impl ToString) -> Self {
        Self::Refused(message.to_string())
    }

    /// Says what is wrong, in one line on standard error.
    pub(crate) fn report(&self) -> ExitCode {
        let (message, code) = match self {
            Self::Refused(message) => (message, 2),
            Self::Broke(message) => (message, 1),
            Self::Done => return ExitCode::SUCCESS,
            Self::Interrupted => return ExitCode::from(crate::interrupt::exit_code()),
            Self::NoReader => return ExitCode::from(1),
        };
        say(&format!("error: {}", one_line(message)));
        ExitCode::from(code)
    }
}

/// What was refused, in the words of a command line: what the experiment lacks can be given by options, and what is none of its keys is one.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let Mistake::Missing { owner } = refusal.mistake else {
            return Self::refused(match refusal.key.as_str() {
                "output" => format!("--{refusal}"),
                _ => refusal.to_string(),
            });
        };
        match refusal.key.as_str() {
            "model" if owner == "fit" => {
                Self::refused(refusal.help("Give --model CLASS or a --config with a model"))
            }
            "model" => Self::refused(refusal.help(
                "Give --model CLASS or a --config with a model, or --ckpt_path with a checkpoint, which holds its model",
            )),
            "data" => Self::refused(refusal.help("Give --data CLASS or a --config with data")),
            "output" => Self::refused(format!(
                "{owner} requires --output FILE, such as predictions.tsv, or a PredictionWriter among trainer.callbacks"
            )),
            _ => Self::refused(refusal),
        }
    }
}

impl From<engraft_run::Error> for Failure {
    fn from(error: engraft_run::Error) -> Self {
        match error {
            engraft_run::Error::Refused(refusal) => refusal.into(),
            engraft_run::Error::Broke(error) => Self::Broke(error.to_string()),
            engraft_run::Error::Convert(error) => crate::commands::convert::refused(error),
            engraft_run::Error::Interrupted => Self::Interrupted,
        }
    }
}

/// Says something that the user should know.
pub(crate) fn note(text: &str) {
    say(&format!("note: {}", one_line(text)));
}

/// One line on standard error; a line that cannot be written is no reason to end a run.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The result on standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::NoReader,
        _ => Failure::Broke(format!("cannot write to standard output: {error}")),
    })
}

pub(crate) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Turns a panic on any thread, which only a mistake of ours can cause, into one sentence and exit code 1.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if engraft_data::panics_are_caught() {
            return;
        }
        let payload = panic.payload();
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "unknown".to_owned());
        let place = panic
            .location()
            .map(|place| format!(" at {place}"))
            .unwrap_or_default();
        say(&format!(
            "error: internal error{place}: {}; please report it with the command that led to it",
            one_line(&message)
        ));
        std::process::exit(1);
    }));
}
