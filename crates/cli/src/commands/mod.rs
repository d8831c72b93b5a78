//! What each command does, once its experiment is read.

mod evaluate;
mod export;
mod fit;
mod folds;
mod predict;
mod presets;

use engraft_data::Stage;

use crate::arguments::Command;
use crate::failure::Failure;
use crate::session::Session;

/// Runs a command on the words after it.
pub(crate) fn run(command: Command, words: &[String]) -> Result<(), Failure> {
    if command == Command::Presets {
        return presets::run(words);
    }
    let session = Session::open(command, words)?;
    match command {
        Command::Fit => fit::run(&session),
        Command::Validate => evaluate::run(&session, Stage::Validate),
        Command::Test => evaluate::run(&session, Stage::Test),
        Command::Predict => predict::run(&session),
        Command::Export => export::run(&session),
        Command::Presets => Ok(()),
    }
}
