//! `engraft cache`: what was fetched, whether it is whole, and how to be rid of it.

use std::sync::Arc;

use engraft_hub::Handle;
use engraft_hub::fetch::{Checked, Hubs, Kind, Snapshot, Wish, size_in_words};

use crate::arguments::Command;
use crate::failure::{Failure, print};
use crate::given::Given;
use crate::help;
use crate::named::Named;
use crate::text::columns;

/// What the command does.
const DOES: &str = "cache list, cache verify HANDLE or cache remove HANDLE";

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let given = Given::read(Command::Cache, words, &[])?;
    if given.help {
        return print(&help::command(Command::Cache));
    }
    match given.words.as_slice() {
        [list] if list == "list" => self::list(),
        [verify, names @ ..] if verify == "verify" => self::verify(names),
        [remove, names @ ..] if remove == "remove" && !names.is_empty() => {
            names.iter().try_for_each(|name| self::remove(name))
        }
        [remove] if remove == "remove" => Err(Failure::refused(
            "cache remove: what? `engraft cache list` shows what there is",
        )),
        [] => Err(Failure::refused(format!(
            "cache: what to do? engraft {DOES}"
        ))),
        [other, ..] => Err(Failure::refused(format!(
            "cache: unexpected \"{other}\"; there is {DOES}"
        ))),
    }
}

fn list() -> Result<(), Failure> {
    let hubs = Hubs::of_process();
    let mut rows = Vec::new();
    for cached in hubs.cache().repositories() {
        let revisions = match cached.revisions.as_slice() {
            [] => String::new(),
            revisions => format!("  ({})", revisions.join(", ")),
        };
        let place = cached.folder.display();
        let text = format!("{}  {place}{revisions}", size_in_words(cached.bytes));
        rows.push((cached.kind.handle(&cached.name, None), text));
    }
    for cached in hubs.kaggle_models() {
        let text = format!(
            "{}  {}",
            size_in_words(cached.bytes),
            cached.folder.display()
        );
        rows.push((cached.model.to_string(), text));
    }
    let mut page = String::new();
    columns(&mut page, &rows, 0);
    if rows.is_empty() {
        page.push_str("nothing was fetched yet\n");
    }
    print(&page)
}

/// What a name stands for in the cache, whatever the user's mirrors are.
fn cached(name: &str) -> Result<Named, Failure> {
    match Named::understand(name)? {
        Named::Preset(Handle::BuiltIn(_) | Handle::Folder(_)) => Err(Failure::refused(format!(
            "cache: {name} is not of a hub; `engraft cache list` shows what is in the cache"
        ))),
        named => Ok(named),
    }
}

fn verify(names: &[String]) -> Result<(), Failure> {
    // What is in the cache is looked at, and nothing else.
    let hubs = Hubs::of_process();
    hubs.set_offline(true);
    let mut broken = Vec::new();
    if names.is_empty() {
        for cached in hubs.cache().repositories() {
            let name = cached.kind.handle(&cached.name, None);
            for commit in &cached.commits {
                let found =
                    hubs.repository(cached.kind, &cached.name, Some(commit), Wish::AsCached);
                verify_one(&name, found, &mut broken)?;
            }
        }
        for cached in hubs.kaggle_models() {
            let found = hubs.kaggle(&cached.model, Wish::AsCached);
            verify_one(&cached.model.to_string(), found, &mut broken)?;
        }
    }
    for name in names {
        let found = match cached(name)? {
            Named::Preset(Handle::Kaggle(model)) => hubs.kaggle(&model, Wish::AsCached),
            Named::Preset(Handle::HuggingFace {
                repository,
                revision,
            }) => hubs.repository(
                Kind::Model,
                &repository,
                revision.as_deref(),
                Wish::AsCached,
            ),
            Named::Preset(_) => continue,
            Named::DataSet(data) => {
                let revision = data.revision.as_deref();
                hubs.repository(Kind::DataSet, &data.repository, revision, Wish::AsCached)
            }
        };
        if found.is_err() {
            return Err(Failure::refused(format!(
                "cache verify: {name} is not in the cache; `engraft cache list` shows what there is"
            )));
        }
        verify_one(name, found, &mut broken)?;
    }
    if broken.is_empty() {
        return Ok(());
    }
    broken.dedup();
    let all: Vec<String> = broken.iter().map(|name| without_revision(name)).collect();
    Err(Failure::Broke(format!(
        "not all files are what their hub announced; `engraft cache remove {}` removes them, and they are fetched again when they are needed",
        all.join(" ")
    )))
}

/// Looks at what was fetched of a preset or data set, a line for each file.
fn verify_one(
    name: &str,
    found: engraft_hub::fetch::Result<Arc<Snapshot>>,
    broken: &mut Vec<String>,
) -> Result<(), Failure> {
    let checked = found.and_then(|snapshot| snapshot.verify());
    let checked = match checked {
        Ok(checked) => checked,
        // One that cannot be read is no reason to leave the others out.
        Err(error) => {
            broken.push(name.to_owned());
            return print(&format!("broken     {name}  {error}\n"));
        }
    };
    let mut page = String::new();
    for (path, checked) in &checked {
        let said = match checked {
            Checked::Whole => "whole",
            Checked::Broken => "broken",
            _ => "not known",
        };
        page.push_str(&format!("{said:9}  {name}  {path}\n"));
    }
    if checked
        .iter()
        .any(|(_, checked)| *checked == Checked::Broken)
    {
        broken.push(name.to_owned());
    }
    print(&page)
}

/// What `cache remove` takes: all revisions of a repository.
fn without_revision(name: &str) -> String {
    name.split('@').next().unwrap_or(name).to_owned()
}

fn remove(name: &str) -> Result<(), Failure> {
    let hubs = Hubs::of_process();
    let whole = |revision: &Option<String>| match revision {
        None => Ok(()),
        Some(revision) => Err(Failure::refused(format!(
            "cache remove: all revisions of a repository are removed together; leave out @{revision}"
        ))),
    };
    let removed = match cached(name)? {
        Named::Preset(Handle::HuggingFace {
            repository,
            revision,
        }) => {
            whole(&revision)?;
            hubs.cache().remove(Kind::Model, &repository)
        }
        Named::Preset(Handle::Kaggle(model)) => hubs.remove_kaggle(&model),
        Named::Preset(_) => Ok(None),
        Named::DataSet(data) => {
            whole(&data.revision)?;
            hubs.cache().remove(Kind::DataSet, &data.repository)
        }
    };
    match removed.map_err(Failure::refused)? {
        Some(bytes) => print(&format!("removed  {name} ({})\n", size_in_words(bytes))),
        None => Err(Failure::refused(format!(
            "cache remove: {name} is not in the cache; `engraft cache list` shows what there is"
        ))),
    }
}
