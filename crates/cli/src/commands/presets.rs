//! `engraft presets`: what can be named without a file.

use engraft_hub::named_presets;

use crate::arguments::{Command, Tail};
use crate::failure::{Failure, print};
use crate::help;
use crate::text::columns;

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let tail = Tail::read(Command::Presets, words)?;
    if let Some(topic) = &tail.help {
        return Err(help::answer(Command::Presets, topic, &tail.sources)?);
    }
    if !tail.sources.is_empty() || tail.print_config {
        return Err(Failure::refused("presets takes no options"));
    }
    let mut page = String::new();
    let rows: Vec<(String, String)> = named_presets()
        .iter()
        .map(|preset| {
            let place = preset.repository.map_or_else(
                || "part of the program".to_owned(),
                |repository| format!("hf://{repository}, from the local cache"),
            );
            let text = format!("{}, {}; {place}", preset.description, preset.parameters);
            (preset.name.to_owned(), text)
        })
        .collect();
    columns(&mut page, &rows, 0);
    print(&page)
}
