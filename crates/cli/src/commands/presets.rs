//! `engraft presets`: what can be named without a file or a download.

use engraft_hub::{Preset, Weights, built_in_names};

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
    let rows: Result<Vec<_>, Failure> = built_in_names().map(describe).collect();
    columns(&mut page, &rows?, 0);
    print(&page)
}

/// A preset's name; its kind, its size and the first line of its licence.
fn describe(name: &str) -> Result<(String, String), Failure> {
    let preset = Preset::from_name(name).map_err(Failure::refused)?;
    let weights = Weights::open(&preset).map_err(Failure::refused)?;
    let numbers: usize = weights
        .names()
        .filter_map(|tensor| weights.get(tensor))
        .map(|tensor| tensor.shape().iter().product::<usize>())
        .sum();
    let config = preset.config().map_err(Failure::refused)?;
    let family = config
        .get("model_type")
        .and_then(|family| family.as_str())
        .unwrap_or("unknown");
    let licence = preset
        .read("LICENSE")
        .map_err(Failure::refused)?
        .unwrap_or_default();
    let licence = String::from_utf8_lossy(&licence);
    let licence = licence
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("no licence given");
    let millions = numbers as f64 / 1e6;
    Ok((
        name.to_owned(),
        format!("{family}, {millions:.2} million weights, {licence}"),
    ))
}
