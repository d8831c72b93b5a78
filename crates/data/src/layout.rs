//! Which files hold which split.
//!
//! A split that the user named and that is not there is an error listing what is there, never a
//! silent random split: a misspelt name must not change what a model is trained on.

mod repository;

use std::fs;
use std::path::{Path, PathBuf};

use engraft_component::nearest;
use engraft_hub::fetch::Hubs;

use crate::arguments::Source;
use crate::error::{Error, argument, list};
use crate::pattern;
use crate::read::{Compression, Format};
use repository::Repository;

/// Names under which a validation split is found when none is given.
const VALID_STEMS: [&str; 4] = ["valid", "validation", "val", "dev"];

/// Where the rows of a [`Source`] lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The one file with all rows, or several that a pattern stands for.
    Files(Vec<PathBuf>),
    /// Files for each split.
    Folder(Folder),
}

/// The files of each split of a folder; a split without files is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Folder {
    /// The folder.
    pub(crate) path: PathBuf,
    /// The names of everything in it, for messages.
    pub(crate) there: Vec<String>,
    pub(crate) train: Option<Vec<PathBuf>>,
    pub(crate) valid: Option<Vec<PathBuf>>,
    pub(crate) test: Option<Vec<PathBuf>>,
}

impl Folder {
    pub(crate) fn missing(&self, what: String, nearest: Option<String>) -> Error {
        Error::MissingSplit {
            path: self.path.clone(),
            what,
            there: list(&self.there),
            nearest,
        }
    }
}

/// The arguments of one split.
struct Wanted<'a> {
    split: &'static str,
    name: Option<&'a str>,
    files: Option<&'a [String]>,
}

impl<'a> Wanted<'a> {
    fn all(source: &'a Source) -> [Wanted<'a>; 3] {
        let wanted = |split, name: &'a Option<String>, files: &'a Option<Vec<String>>| Wanted {
            split,
            name: name.as_deref(),
            files: files.as_deref(),
        };
        [
            wanted("train", &source.train_split_name, &source.train_split_files),
            wanted("valid", &source.valid_split_name, &source.valid_split_files),
            wanted("test", &source.test_split_name, &source.test_split_files),
        ]
    }

    /// Whether the name is the one that a data module has unless it is given another.
    fn has_default_name(&self) -> bool {
        self.split != "valid" && self.name == Some(self.split)
    }

    fn named(&self, name: &str) -> String {
        format!("split named \"{name}\" ({}_split_name)", self.split)
    }
}

/// Finds the files of every split.
///
/// # Errors
/// The path does not exist, a split that was named is not there, a pattern matches no file, or
/// several files could be one split.
pub(crate) fn find(source: &Source, notes: &mut Vec<String>) -> Result<Layout, Error> {
    let wanted = Wanted::all(source);
    if source.path.is_file() {
        return files_without_splits(source, vec![source.path.clone()], &wanted);
    }
    if is_pattern(&source.path) && !source.path.exists() {
        let files = files_of_pattern(&source.path)?;
        if files.is_empty() {
            let path = source.path.display();
            let message = format!("no file here fits the pattern \"{path}\"");
            return Err(argument("path", message));
        }
        return files_without_splits(source, files, &wanted);
    }
    Repository::check(&source.path)?;
    if let Some(repository) = Repository::named(&source.path).filter(|_| !source.path.is_dir()) {
        let folder = repository.find(source, &wanted, notes, Hubs::of_process())?;
        return Ok(Layout::Folder(folder));
    }
    let path = folder_path(source)?;
    let there = entries(&path)?;
    let mut folder = Folder {
        path,
        there,
        ..Folder::default()
    };
    let by_files = wanted.iter().any(|wanted| wanted.files.is_some());
    let [train, valid, test] = wanted.each_ref().map(|one| {
        if by_files {
            by_lists(&folder, one, &wanted)
        } else {
            by_stem(&folder, one, notes)
        }
    });
    (folder.train, folder.valid, folder.test) = (train?, valid?, test?);
    Ok(Layout::Folder(folder))
}

/// A file beside the rows of a repository of data sets; none if `path` names no repository, or that has no such file.
///
/// # Errors
/// The repository is not here and cannot be fetched.
pub(crate) fn file_of_repository(source: &Source, name: &str) -> Result<Option<PathBuf>, Error> {
    if source.path.exists() {
        return Ok(None);
    }
    match Repository::named(&source.path) {
        Some(repository) => repository.file(source, name, Hubs::of_process()),
        None => Ok(None),
    }
}

fn files_without_splits(
    source: &Source,
    files: Vec<PathBuf>,
    wanted: &[Wanted; 3],
) -> Result<Layout, Error> {
    let path = source.path.clone();
    if source.config_name.is_some() {
        return Err(argument(
            "config_name",
            "names a folder within the path, but the path is a file",
        ));
    }
    if let Some(listed) = wanted.iter().find(|wanted| wanted.files.is_some()) {
        let key = format!("{}_split_files", listed.split);
        return Err(argument(
            &key,
            "the path is a file; make it the folder of the split files",
        ));
    }
    for wanted in wanted.iter().filter(|wanted| !wanted.has_default_name()) {
        if let Some(name) = wanted.name {
            let there = "one file without splits".to_owned();
            return Err(Error::MissingSplit {
                path,
                what: wanted.named(name),
                there,
                nearest: None,
            });
        }
    }
    Ok(Layout::Files(files))
}

/// Whether a path is a pattern of names rather than one name.
fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.contains(['*', '?']))
}

/// The files that fit a pattern, in alphabetical order; `*` and `?` may stand in folders' names too.
fn files_of_pattern(pattern: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut places = vec![PathBuf::new()];
    let mut parts = pattern.components().peekable();
    while let Some(part) = parts.next() {
        let name = part.as_os_str().to_str().unwrap_or_default();
        let is_last = parts.peek().is_none();
        let mut found = vec![];
        for place in places {
            if !name.contains(['*', '?']) {
                let path = place.join(part);
                if !is_last || path.is_file() {
                    found.push(path);
                }
                continue;
            }
            let folder = if place.as_os_str().is_empty() {
                Path::new(".")
            } else {
                &place
            };
            if !folder.is_dir() {
                continue;
            }
            for entry in entries(folder)? {
                let is_wanted = entry.ends_with('/') != is_last;
                let entry = entry.trim_end_matches('/');
                if is_wanted && pattern::matches(name, entry) {
                    found.push(place.join(entry));
                }
            }
        }
        places = found;
    }
    Ok(places)
}

fn folder_path(source: &Source) -> Result<PathBuf, Error> {
    if !source.path.is_dir() {
        let path = source.path.display().to_string();
        let message = match path.strip_prefix("hf://") {
            Some(rest) => format!(
                "\"{path}\" is no data set; one of Hugging Face is written hf://datasets/{}",
                rest.trim_start_matches("datasets/")
            ),
            None => format!(
                "\"{path}\" is no file or folder here; a data set of Hugging Face is written hf://datasets/org/name"
            ),
        };
        return Err(argument("path", message));
    }
    let Some(name) = &source.config_name else {
        return Ok(source.path.clone());
    };
    let path = source.path.join(name);
    if path.is_dir() {
        return Ok(path);
    }
    let there = entries(&source.path)?;
    Err(Error::MissingSplit {
        path: source.path.clone(),
        what: format!("folder \"{name}\" (config_name)"),
        nearest: nearest(name, there.iter().map(|entry| entry.trim_end_matches('/')))
            .map(str::to_owned),
        there: list(&there),
    })
}

/// The names in a folder in alphabetical order, folders with a `/`, hidden ones left out.
fn entries(folder: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| Error::Io {
        path: folder.to_path_buf(),
        action: "list the folder",
        source,
    };
    let mut names = vec![];
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            let slash = if entry.path().is_dir() { "/" } else { "" };
            names.push(format!("{name}{slash}"));
        }
    }
    names.sort();
    Ok(names)
}

/// A split where files are listed: `train`, `valid` and `test` are the names of the three lists,
/// and other files of the folder are not looked at.
fn by_lists(
    folder: &Folder,
    wanted: &Wanted,
    all: &[Wanted; 3],
) -> Result<Option<Vec<PathBuf>>, Error> {
    if let Some(patterns) = wanted.files {
        return expand(folder, wanted.split, patterns).map(Some);
    }
    let Some(name) = wanted.name else {
        return Ok(None);
    };
    let listed = all.iter().find(|other| other.split == name);
    match listed.and_then(|other| Some((other.split, other.files?))) {
        Some((split, patterns)) => expand(folder, split, patterns).map(Some),
        None if wanted.has_default_name() => Ok(None),
        None => {
            let lists = all.iter().filter(|other| other.files.is_some());
            let there: Vec<&str> = lists.map(|other| other.split).collect();
            Err(Error::MissingSplit {
                path: folder.path.clone(),
                what: wanted.named(name),
                there: list(&there),
                nearest: nearest(name, there.iter().copied()).map(str::to_owned),
            })
        }
    }
}

/// The files that a list of names and patterns stands for.
fn expand(folder: &Folder, split: &str, patterns: &[String]) -> Result<Vec<PathBuf>, Error> {
    let mut files = vec![];
    for pattern in patterns {
        let path = folder.path.join(pattern);
        let before = files.len();
        match (
            path.parent(),
            path.file_name().and_then(|name| name.to_str()),
        ) {
            (Some(parent), Some(name)) if name.contains(['*', '?']) && parent.is_dir() => {
                let names = entries(parent)?;
                let matching = names
                    .iter()
                    .filter(|candidate| pattern::matches(name, candidate));
                files.extend(matching.map(|name| parent.join(name)));
            }
            _ if path.is_file() => files.push(path),
            _ => {}
        }
        if files.len() == before {
            let nearest = nearest(pattern, folder.there.iter().map(String::as_str));
            let what = format!("file \"{pattern}\" ({split}_split_files)");
            return Err(folder.missing(what, nearest.map(str::to_owned)));
        }
    }
    if files.is_empty() {
        let key = format!("{split}_split_files");
        return Err(argument(&key, "the list is empty"));
    }
    Ok(files)
}

/// A split that is the file of its name, such as `train.tsv`.
fn by_stem(
    folder: &Folder,
    wanted: &Wanted,
    notes: &mut Vec<String>,
) -> Result<Option<Vec<PathBuf>>, Error> {
    let stems: &[&str] = match (&wanted.name, wanted.split) {
        (Some(name), _) => std::slice::from_ref(name),
        (None, "valid") => &VALID_STEMS,
        (None, _) => return Ok(None),
    };
    let files = files_of(folder, stems);
    if files.is_empty()
        && let Some(found) = folder_of(folder, wanted.split, stems)?
    {
        return Ok(Some(found));
    }
    match (files.as_slice(), wanted.name) {
        ([], Some(name)) if !wanted.has_default_name() => {
            let names = folder.there.iter().map(String::as_str);
            let stems = names.filter(|name| !name.ends_with('/')).map(stem);
            Err(folder.missing(wanted.named(name), nearest(name, stems).map(str::to_owned)))
        }
        ([], _) => Ok(None),
        ([file], name) => {
            if name.is_none() {
                let folder = folder.path.display();
                notes.push(format!(
                    "valid_split_name is null, so {file} of {folder} is the validation split"
                ));
            }
            Ok(Some(vec![folder.path.join(file)]))
        }
        (several, _) => Err(Error::AmbiguousSplit {
            path: folder.path.clone(),
            split: wanted.split,
            candidates: list(several),
        }),
    }
}

/// Names of the folders of splits in bpRNA's data sets, of each split.
const BPRNA: [(&str, &str); 3] = [("train", "TR0"), ("valid", "VL0"), ("test", "TS0")];

/// All files that can be read of a folder with one of these names, of which each split may have one; none if there is no such folder.
fn folder_of(folder: &Folder, split: &str, stems: &[&str]) -> Result<Option<Vec<PathBuf>>, Error> {
    let own = BPRNA
        .iter()
        .filter(|(of, _)| *of == split)
        .map(|(_, name)| *name);
    let mut names = stems.iter().copied().chain(own);
    let is_there = |name: &str| folder.there.contains(&format!("{name}/"));
    let Some(name) = names.find(|name| is_there(name)) else {
        return Ok(None);
    };
    let path = folder.path.join(name);
    let files = entries(&path)?.into_iter().map(|file| path.join(file));
    let files: Vec<PathBuf> = files.filter(|file| Format::of(file).is_some()).collect();
    Ok((!files.is_empty()).then_some(files))
}

/// The files with one of these stems: tables, or else whatever has the name, for reading to refuse.
fn files_of<'a>(folder: &'a Folder, stems: &[&str]) -> Vec<&'a str> {
    let names = folder.there.iter().map(String::as_str);
    let files = names.filter(|name| !name.ends_with('/') && stems.contains(&stem(name)));
    let (tables, others): (Vec<&str>, Vec<&str>) =
        files.partition(|name| Format::of(Path::new(name)).is_some());
    if tables.is_empty() { others } else { tables }
}

/// A file's name up to its extension, that of a compression left out; up to the first dot if the extension is none of a table.
fn stem(name: &str) -> &str {
    let split = if Format::of(Path::new(name)).is_some() {
        Compression::split(name).0.rsplit_once('.')
    } else {
        name.split_once('.')
    };
    split.map_or(name, |(stem, _)| stem)
}

/// The split that a file holds by its name, of which it may be a part: `train` of `train-00000-of-00002.parquet`.
fn split_of_stem(name: &str) -> Option<&str> {
    Format::of(Path::new(name))?;
    let stem = stem(name);
    let is_part = |part: &str| {
        let numbers = part.split_once("-of-");
        numbers.is_some_and(|(part, of)| {
            [part, of]
                .iter()
                .all(|it| it.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    match stem.split_once('-') {
        Some((split, part)) if is_part(part) => Some(split),
        _ => Some(stem),
    }
}

#[cfg(test)]
mod tests;
