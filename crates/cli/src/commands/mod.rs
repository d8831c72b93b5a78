//! What each command does.

pub(crate) mod cache;
pub(crate) mod completions;
pub(crate) mod components;
pub(crate) mod convert;
pub(crate) mod download;
mod evaluate;
mod export;
mod fit;
pub(crate) mod generate;
pub(crate) mod init;
mod predict;
pub(crate) mod presets;
pub(crate) mod schema;

use crate::arguments::Command;
use crate::failure::Failure;

/// Runs a command on the words after it.
pub(crate) fn run(command: Command, words: &[String]) -> Result<(), Failure> {
    match command {
        Command::Fit => fit::run(words),
        Command::Validate => evaluate::validate(words),
        Command::Test => evaluate::test(words),
        Command::Predict => predict::run(words),
        Command::Export => export::run(words),
        Command::Convert => convert::run(words),
        Command::Presets => presets::run(words),
        Command::Download => download::run(words),
        Command::Cache => cache::run(words),
        Command::Components => components::run(words),
        Command::Schema => schema::run(words),
        Command::Init => init::run(words),
        Command::Generate => generate::run(words),
        Command::Completions => completions::run(words),
    }
}
