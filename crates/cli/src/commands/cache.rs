//! `engraft cache`: what was fetched, whether it is whole, and how to be rid of it.

use engraft_hub::fetch::{Checked, Hubs, Kind, Snapshot, Wish, size_in_words};
use engraft_hub::{DataSetHandle, Handle, Remote};

use crate::arguments::Command;
use crate::failure::{Failure, print};
use crate::given::Given;
use crate::help;
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

/// A preset or data set of a hub, as a user names it.
enum Named {
    Preset(Handle),
    DataSet(DataSetHandle),
}

impl Named {
    fn parse(name: &str) -> Result<Self, Failure> {
        if let Some(data) = DataSetHandle::parse(name).map_err(Failure::refused)? {
            return Ok(Self::DataSet(data));
        }
        match Handle::parse(name).map_err(Failure::refused)? {
            Handle::BuiltIn(_) | Handle::Folder(_) => Err(Failure::refused(format!(
                "cache: {name} is not of a hub; `engraft cache list` shows what is in the cache"
            ))),
            handle => Ok(Self::Preset(handle)),
        }
    }
}

fn verify(names: &[String]) -> Result<(), Failure> {
    // What is in the cache is looked at, and nothing else.
    let hubs = Hubs::of_process();
    hubs.set_offline(true);
    let all;
    let names = if names.is_empty() {
        let repositories = hubs.cache().repositories().into_iter();
        let repositories = repositories.flat_map(|it| {
            let (kind, name) = (it.kind, it.name);
            let handles = it.revisions.into_iter();
            handles.map(move |revision| kind.handle(&name, Some(&revision)))
        });
        let models = hubs.kaggle_models().into_iter();
        all = repositories
            .chain(models.map(|it| it.model.to_string()))
            .collect::<Vec<_>>();
        &all
    } else {
        names
    };
    let mut broken = Vec::new();
    for name in names {
        let print_for = |snapshot: &Snapshot| -> Result<bool, Failure> {
            let checked = snapshot.verify().map_err(Failure::refused)?;
            let mut page = String::new();
            let mut is_broken = false;
            for (path, checked) in &checked {
                let said = match checked {
                    Checked::Whole => "whole",
                    Checked::Broken => "broken",
                    _ => "not known",
                };
                is_broken |= *checked == Checked::Broken;
                page.push_str(&format!("{said:9}  {name}  {path}\n"));
            }
            print(&page)?;
            Ok(is_broken)
        };
        let is_broken = match Named::parse(name)? {
            Named::Preset(handle) => {
                let remote = Remote::find(&handle, Wish::AsCached).map_err(Failure::refused)?;
                print_for(remote.snapshot())?
            }
            Named::DataSet(data) => {
                let revision = data.revision.as_deref();
                let found =
                    hubs.repository(Kind::DataSet, &data.repository, revision, Wish::AsCached);
                print_for(&*found.map_err(Failure::refused)?)?
            }
        };
        if is_broken {
            broken.push(name.as_str());
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::Broke(format!(
        "not all files are what their hub announced; remove {0} and fetch anew: engraft cache remove {0}",
        broken.join(" ")
    )))
}

fn remove(name: &str) -> Result<(), Failure> {
    let hubs = Hubs::of_process();
    let whole = |revision: &Option<String>| match revision {
        None => Ok(()),
        Some(revision) => Err(Failure::refused(format!(
            "cache remove: all revisions of a repository are removed together; leave out @{revision}"
        ))),
    };
    let removed = match Named::parse(name)? {
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
