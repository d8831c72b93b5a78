//! How the program ends when not all goes well.

use std::io::Write;
use std::process::ExitCode;

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

impl From<engraft_component::Refusal> for Failure {
    fn from(error: engraft_component::Refusal) -> Self {
        Self::refused(error)
    }
}

impl From<engraft_train::Error> for Failure {
    fn from(error: engraft_train::Error) -> Self {
        match error {
            engraft_train::Error::Interrupted => Self::Interrupted,
            other => Self::Broke(other.to_string()),
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

fn one_line(text: &str) -> String {
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
