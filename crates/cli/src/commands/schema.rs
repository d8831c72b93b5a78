//! `engraft schema`: experiment files as editors understand them.

use engraft_config::{SchemaForm, schema};

use crate::arguments::Command;
use crate::failure::{Failure, print};
use crate::given::{Given, Known};
use crate::help;

/// The options of the command.
pub(crate) const OPTIONS: &[Known] = &[Known {
    name: "--partial",
    value: None,
    about: "For files that others complete: nothing is required",
}];

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let given = Given::read(Command::Schema, words, OPTIONS)?;
    if given.help {
        return print(&help::command(Command::Schema));
    }
    if let Some(word) = given.word(Command::Schema)? {
        return Err(Failure::refused(format!(
            "schema: unexpected \"{word}\". The schema goes to standard output: engraft schema > {word}"
        )));
    }
    let form = if given.has("--partial") {
        SchemaForm::Partial
    } else {
        SchemaForm::Complete
    };
    print(&format!("{:#}\n", schema(form)))
}
