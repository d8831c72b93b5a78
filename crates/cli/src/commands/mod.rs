//! What each command does, once its experiment is read.

pub(crate) mod components;
mod evaluate;
mod export;
mod fit;
mod folds;
pub(crate) mod generate;
pub(crate) mod init;
mod predict;
mod presets;
pub(crate) mod schema;

use engraft_data::Stage;

use crate::arguments::Command;
use crate::failure::Failure;
use crate::session::Session;

/// Runs a command on the words after it.
pub(crate) fn run(command: Command, words: &[String]) -> Result<(), Failure> {
    match command {
        Command::Presets => return presets::run(words),
        Command::Components => return components::run(words),
        Command::Schema => return schema::run(words),
        Command::Init => return init::run(words),
        Command::Generate => return generate::run(words),
        _ => {}
    }
    let session = Session::open(command, words)?;
    match command {
        Command::Fit => fit::run(&session),
        Command::Validate => evaluate::run(&session, Stage::Validate),
        Command::Test => evaluate::run(&session, Stage::Test),
        Command::Predict => predict::run(&session),
        Command::Export => export::run(&session),
        Command::Presets
        | Command::Components
        | Command::Schema
        | Command::Init
        | Command::Generate => Ok(()),
    }
}
