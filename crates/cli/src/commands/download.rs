//! `engraft download`: presets and data sets, ahead of time.

use engraft_hub::fetch::{Hubs, Kind, Snapshot, Wish, size_in_words};
use engraft_hub::{Handle, Remote};

use crate::arguments::Command;
use crate::failure::{Failure, print};
use crate::given::{Given, Known};
use crate::help;
use crate::named::Named;

/// The options of the command.
pub(crate) const OPTIONS: &[Known] = &[Known {
    name: "--all",
    value: None,
    about: "All files of a preset, also those that no model here needs",
}];

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let given = Given::read(Command::Download, words, OPTIONS)?;
    if given.help {
        return print(&help::command(Command::Download));
    }
    if given.words.is_empty() {
        return Err(Failure::refused(
            "download: what? A preset or a data set: engraft download bert_base_en, engraft download hf://org/repo, engraft download hf://datasets/org/name",
        ));
    }
    // What is no name is refused before anything is fetched.
    let names: Result<Vec<Named>, Failure> = given.words.iter().map(|it| wanted(it)).collect();
    for named in names? {
        fetch(&named, given.has("--all"))?;
    }
    Ok(())
}

/// What a name stands for that is to be fetched.
fn wanted(name: &str) -> Result<Named, Failure> {
    let refuse = |message: String| Err(Failure::refused(format!("download: {message}")));
    match Named::parse(name)? {
        Named::Preset(Handle::BuiltIn(name)) => refuse(format!(
            "{name} is part of the program; there is nothing to fetch"
        )),
        Named::Preset(Handle::Folder(path)) if path.is_dir() => refuse(format!(
            "{} is a folder here; there is nothing to fetch",
            path.display()
        )),
        Named::Preset(Handle::Folder(path)) => refuse(format!(
            "there is no folder {}, and it is no name of a preset",
            path.display()
        )),
        named => Ok(named),
    }
}

fn fetch(named: &Named, all: bool) -> Result<(), Failure> {
    let hubs = Hubs::of_process();
    // Offline, what is in the cache is all there can be.
    let wish = if hubs.is_offline() {
        Wish::AsCached
    } else {
        Wish::Newest
    };
    let bring_all = |snapshot: &Snapshot| {
        let files = snapshot.files();
        let fetched = snapshot.fetch(files.iter().map(String::as_str));
        fetched.map_err(Failure::refused)
    };
    match named {
        Named::Preset(handle) => {
            let remote = Remote::find(handle, wish).map_err(Failure::refused)?;
            if all {
                bring_all(remote.snapshot())?;
            } else {
                remote.fetch().map_err(Failure::refused)?;
            }
            said(remote.snapshot())
        }
        Named::DataSet(data) => {
            let revision = data.revision.as_deref();
            let found = hubs.repository(Kind::DataSet, &data.repository, revision, wish);
            let snapshot = found.map_err(Failure::refused)?;
            bring_all(&snapshot)?;
            said(&snapshot)
        }
    }
}

/// Says where it is.
fn said(snapshot: &Snapshot) -> Result<(), Failure> {
    let files = snapshot.files();
    let here: Vec<&String> = files.iter().filter(|path| snapshot.is_here(path)).collect();
    let bytes: u64 = here.iter().filter_map(|path| snapshot.size(path)).sum();
    print(&format!(
        "{}  {} ({} {}, {})\n",
        snapshot.name(),
        snapshot.folder().display(),
        here.len(),
        if here.len() == 1 { "file" } else { "files" },
        size_in_words(bytes)
    ))
}
