//! `engraft presets`: what can be named without a file, and what is known of one of them.

use engraft_component::{Choice, did_you_mean};
use engraft_hub::fetch::{Wish, size_in_words};
use engraft_hub::{Handle, Kind, NamedPreset, Remote, named_presets};
use engraft_tasks::Task;

use crate::arguments::Command;
use crate::failure::{Failure, print};
use crate::given::{Given, Known};
use crate::help;
use crate::text::columns;

/// The options of the command.
pub(crate) const OPTIONS: &[Known] = &[Known {
    name: "--task",
    value: Some("TASK"),
    about: "Only presets that suit a task, by its name in `engraft components model`",
}];

/// What prints one preset.
const SHOW: &str = "show";

/// What begins the names of tasks in the words of KerasHub.
const KERAS_HUB: &str = "keras_hub.models.";

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let given = Given::read(Command::Presets, words, OPTIONS)?;
    if given.help {
        return print(&help::command(Command::Presets));
    }
    match given.words.as_slice() {
        [] => list(given.value("--task")),
        [show, name] if show == SHOW => show_one(name),
        [show] if show == SHOW => Err(Failure::refused(
            "presets show: which one? engraft presets show bert_base_en",
        )),
        [other, ..] => Err(Failure::refused(format!(
            "presets: unexpected \"{other}\"; one preset is shown by engraft presets show NAME"
        ))),
    }
}

fn list(task: Option<&str>) -> Result<(), Failure> {
    let kinds = task.map(kinds_of).transpose()?;
    let suits = |preset: &&NamedPreset| {
        let kinds = kinds.as_ref();
        kinds.is_none_or(|kinds| preset.is_read && kinds.contains(&preset.kind))
    };
    let row = |preset: &NamedPreset| {
        let place = match preset.handle() {
            Handle::BuiltIn(_) => "part of the program",
            Handle::Kaggle(_) => "Kaggle",
            _ => "Hugging Face",
        };
        let text = format!("{}, {}; {place}", preset.description, preset.parameters);
        (preset.name.to_owned(), text)
    };
    let (read, unread): (Vec<_>, Vec<_>) = named_presets()
        .iter()
        .filter(suits)
        .partition(|preset| preset.is_read);
    let mut page = String::new();
    let rows: Vec<_> = read.into_iter().map(row).collect();
    columns(&mut page, &rows, 0);
    if !unread.is_empty() {
        page.push_str("\nOf families that are not read yet; they can be downloaded:\n");
        let rows: Vec<_> = unread.into_iter().map(row).collect();
        columns(&mut page, &rows, 0);
    }
    print(&page)
}

/// The kinds of models that suit a task.
fn kinds_of(task: &str) -> Result<&'static [Kind], Failure> {
    let variants = Task::variants();
    let is_called = |alias: &&'static str| alias.strip_prefix(KERAS_HUB) == Some(task);
    let mut known = variants.iter();
    let found = known.find(|known| known.name == task || known.aliases.iter().any(is_called));
    let Some(found) = found else {
        let names: Vec<&str> = variants.iter().map(|known| known.name).collect();
        let help = did_you_mean(task, &names, "There are").unwrap_or_default();
        return Err(Failure::refused(format!(
            "--task: there is no task \"{task}\". {help}"
        )));
    };
    Ok(Task::stands_on(found.name).unwrap_or_default())
}

fn show_one(name: &str) -> Result<(), Failure> {
    let handle = Handle::parse(name).map_err(Failure::refused)?;
    let mut rows = vec![("name".to_owned(), name.to_owned())];
    let mut row = |about: &str, text: String| rows.push((about.to_owned(), text));
    let named = named_presets().iter().find(|preset| preset.name == name);
    if let Some(preset) = named {
        row("what", preset.description.clone());
        row("parameters", preset.parameters.clone());
        if let Some(family) = preset.family {
            let is_read = if preset.is_read {
                ""
            } else {
                ", which is not read yet"
            };
            row("family", format!("{family}{is_read}"));
        }
    }
    match &handle {
        Handle::BuiltIn(_) => row("from", "part of the program".to_owned()),
        Handle::Folder(path) => row("from", format!("the folder {}", path.display())),
        handle => {
            row("from", handle.to_string());
            match Remote::find(handle, Wish::AsCached) {
                Ok(remote) => describe(&remote, &mut row),
                // What is known of a name is worth showing all the same.
                Err(error) if named.is_some() => row("files", format!("not known: {error}")),
                Err(error) => return Err(Failure::refused(error)),
            }
        }
    }
    let mut page = String::new();
    columns(&mut page, &rows, 0);
    print(&page)
}

/// What of a preset is here, and what loading would fetch.
fn describe(remote: &Remote, row: &mut impl FnMut(&str, String)) {
    let snapshot = remote.snapshot();
    let needed = remote.needed();
    let (missing, bytes) = snapshot.missing(needed.iter().map(String::as_str));
    let here = needed.len() - missing;
    if here > 0 {
        let folder = snapshot.folder().display();
        row(
            "in the cache",
            format!("{here} of {} files, in {folder}", needed.len()),
        );
    } else {
        row("in the cache", "nothing".to_owned());
    }
    let fetched = if missing == 0 {
        "nothing".to_owned()
    } else {
        format!("{missing} files, {}", size_in_words(bytes))
    };
    row("loading fetches", fetched);
    for path in &needed {
        let size = snapshot
            .size(path)
            .map_or_else(|| "size not known".to_owned(), size_in_words);
        let here = if snapshot.is_here(path) {
            ", in the cache"
        } else {
            ""
        };
        row("", format!("{path}  {size}{here}"));
    }
}
