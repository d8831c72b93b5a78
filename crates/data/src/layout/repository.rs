//! Data sets by the names of their repositories, fetched from Hugging Face as far as they are wanted, and kept as its own tools keep them.
//!
//! A card (`README.md`) may say which files are which split of which configuration:
//! <https://huggingface.co/docs/hub/datasets-manual-configuration>.

use std::env;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use engraft_component::{Mapping, Node, nearest, read_yaml};
use engraft_hub::DataSetHandle;
use engraft_hub::fetch::{Hubs, Kind, Snapshot, Wish};
use tempfile::TempDir;

use super::{Folder, VALID_STEMS, Wanted, by_lists, entries, files_of_pattern, split_of_stem};
use crate::arguments::Source;
use crate::error::{Error, argument, list};
use crate::read::Format;

/// What a name of a repository may begin with.
const PREFIX: &str = "hf://datasets/";

/// The variable that names the folder of data sets that are not Hugging Face's.
const DATA_DIR: &str = "GENBIO_DATA_DIR";

/// The card of a data set.
const CARD: &str = "README.md";

/// The folder in which a repository without a card's word may have its splits.
const DATA: &str = "data";

/// A data set named by its repository.
pub(super) struct Repository {
    name: String,
    revision: Option<String>,
}

impl Repository {
    /// The repository that a path names: `hf://datasets/org/name[@revision]`, or `org/name`, which is no name of a file.
    pub(super) fn named(path: &Path) -> Option<Self> {
        let text = path.to_str()?;
        let is_handle = text.starts_with(PREFIX);
        let is_bare = text.split('/').count() == 2 && Format::of(path).is_none();
        let handle = match (is_handle, is_bare) {
            (true, _) => DataSetHandle::parse(text),
            (false, true) => DataSetHandle::parse(&format!("{PREFIX}{text}")),
            (false, false) => return None,
        };
        // What is wrong with a handle is said by `check`.
        let handle = handle.ok().flatten()?;
        let is_plain = is_handle || handle.revision.is_none();
        is_plain.then_some(Self {
            name: handle.repository,
            revision: handle.revision,
        })
    }

    /// Refuses a handle that cannot be one.
    ///
    /// # Errors
    /// It begins as one and has another form.
    pub(super) fn check(path: &Path) -> Result<(), Error> {
        let text = path.to_string_lossy();
        let parsed = DataSetHandle::parse(&text);
        parsed
            .map(|_| ())
            .map_err(|error| argument("path", error.to_string()))
    }

    /// Finds the files of every split: below the folder that `GENBIO_DATA_DIR` names, else at the hub or in its cache.
    ///
    /// # Errors
    /// The data set is not here and cannot be fetched, or has no such configuration or split.
    pub(super) fn find(
        &self,
        source: &Source,
        wanted: &[Wanted; 3],
        notes: &mut Vec<String>,
        hubs: &'static Hubs,
    ) -> Result<Folder, Error> {
        if let Some(folder) = self.own_folder() {
            return self.splits(&folder, source, wanted, notes);
        }
        let snapshot = self.snapshot(source, hubs)?;
        if snapshot.is_listed() {
            self.fetch(&snapshot, source, wanted, notes)
        } else {
            self.splits(snapshot.folder(), source, wanted, notes)
        }
    }

    /// A file of the data set beside its rows, fetched where it is missing; none if there is no such file.
    ///
    /// # Errors
    /// The data set is not here and cannot be fetched.
    pub(super) fn file(
        &self,
        source: &Source,
        path: &str,
        hubs: &'static Hubs,
    ) -> Result<Option<PathBuf>, Error> {
        let folder = match self.own_folder() {
            Some(folder) => folder,
            None => {
                let snapshot = self.snapshot(source, hubs)?;
                if snapshot.is_missing(path) {
                    let fetched = snapshot.fetch([path]);
                    fetched.map_err(|error| argument("path", error.to_string()))?;
                }
                snapshot.folder().to_path_buf()
            }
        };
        Ok(Some(folder.join(path)).filter(|file| file.is_file()))
    }

    fn own_folder(&self) -> Option<PathBuf> {
        let below = env::var_os(DATA_DIR).map(|folder| PathBuf::from(folder).join(&self.name));
        below.filter(|folder| folder.is_dir())
    }

    fn snapshot(&self, source: &Source, hubs: &'static Hubs) -> Result<Arc<Snapshot>, Error> {
        let found = hubs.repository(
            Kind::DataSet,
            &self.name,
            self.revision.as_deref(),
            Wish::AsCached,
        );
        found.map_err(|error| {
            let is_handle = source.path.starts_with(PREFIX);
            let message = if is_handle {
                error.to_string()
            } else {
                let name = &self.name;
                let place = match &source.config_name {
                    Some(config) => format!("{name}/{config}"),
                    None => name.to_owned(),
                };
                format!(
                    "\"{name}\" is no folder here, and {error}. Where its files are at hand, such as train.csv and test.csv, put them into the folder {place} here or below the folder that {DATA_DIR} names"
                )
            };
            argument("path", message)
        })
    }

    /// Brings the files of the splits that are wanted; gives where they are.
    fn fetch(
        &self,
        snapshot: &Snapshot,
        source: &Source,
        wanted: &[Wanted; 3],
        notes: &mut Vec<String>,
    ) -> Result<Folder, Error> {
        let fetch = |paths: &[&str]| {
            let fetched = snapshot.fetch(paths.iter().copied());
            fetched.map_err(|error| argument("path", error.to_string()))
        };
        if snapshot.is_missing(CARD) {
            fetch(&[CARD])?;
        }
        // Which files these are is read off a folder of the same names, in which nothing is but the card.
        let names = names_of(snapshot)?;
        let found = self.splits(names.path(), source, wanted, notes);
        let mut found = found.map_err(|error| located(error, names.path(), snapshot))?;
        let path_of = |file: &Path| -> PathBuf {
            let inside = file.strip_prefix(names.path());
            inside.map_or_else(|_| file.to_path_buf(), Path::to_path_buf)
        };
        let mut paths = Vec::new();
        for files in [&mut found.train, &mut found.valid, &mut found.test] {
            for file in files.iter_mut().flatten() {
                let path = path_of(file);
                *file = snapshot.folder().join(&path);
                paths.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
        found.path = snapshot.folder().join(path_of(&found.path));
        fetch(&paths.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(found)
    }

    fn splits(
        &self,
        folder: &Path,
        source: &Source,
        wanted: &[Wanted; 3],
        notes: &mut Vec<String>,
    ) -> Result<Folder, Error> {
        let config = source.config_name.as_deref();
        let mut found = Folder {
            path: folder.to_path_buf(),
            there: entries(folder)?,
            ..Folder::default()
        };
        if wanted.iter().any(|wanted| wanted.files.is_some()) {
            let lists = wanted.each_ref().map(|one| by_lists(&found, one, wanted));
            let [train, valid, test] = lists;
            (found.train, found.valid, found.test) = (train?, valid?, test?);
            return Ok(found);
        }
        let splits = match self.configuration(folder, config, notes)? {
            Some(splits) => splits,
            None => {
                found.path = self.folder_of(folder, config)?;
                found.there = entries(&found.path)?;
                let splits = by_shards(&found);
                only_table(&splits, wanted).map_or(splits, |split| vec![split])
            }
        };
        found.there = splits.iter().map(|split| split.name.clone()).collect();
        let [train, valid, test] = wanted.each_ref().map(|one| one.among(&splits, &found));
        (found.train, found.valid, found.test) = (train?, valid?, test?);
        Ok(found)
    }

    /// The splits that the card names for a configuration; none if it says nothing of files.
    fn configuration(
        &self,
        folder: &Path,
        config: Option<&str>,
        notes: &mut Vec<String>,
    ) -> Result<Option<Vec<Split>>, Error> {
        let card = fs::read_to_string(folder.join(CARD)).unwrap_or_default();
        let Some(said) = front_matter(&card) else {
            return Ok(None);
        };
        let said = match read_yaml(said.as_bytes(), &folder.join(CARD).display().to_string()) {
            Ok(said) => said,
            Err(error) => {
                notes.push(format!(
                    "the card of {} says nothing of its splits: {error}",
                    self.name
                ));
                return Ok(None);
            }
        };
        let configs: Vec<&Mapping> = said
            .as_map()
            .and_then(|said| said.get("configs")?.as_list())
            .unwrap_or_default()
            .iter()
            .filter_map(Node::as_map)
            .filter(|config| config.contains("data_files"))
            .collect();
        let name = |config: &&Mapping| config.get("config_name")?.as_text().map(str::to_owned);
        let chosen = match config {
            Some(wanted) => configs
                .iter()
                .find(|it| name(it).as_deref() == Some(wanted)),
            None => {
                let is_default = |config: &&&Mapping| {
                    let flag = config.get("default").and_then(Node::as_scalar);
                    flag.is_some_and(|flag| flag.text == "true")
                };
                let called_so = |config: &&&Mapping| name(config).as_deref() == Some("default");
                let flagged = configs.iter().find(is_default);
                let only = configs.first().filter(|_| configs.len() == 1);
                flagged.or_else(|| configs.iter().find(called_so)).or(only)
            }
        };
        match chosen {
            Some(config) => splits_of(folder, config).map(Some),
            None if configs.is_empty() || config.is_some_and(|it| folder.join(it).is_dir()) => {
                Ok(None)
            }
            None => {
                let names: Vec<String> = configs.iter().filter_map(name).collect();
                let near = config.and_then(|it| nearest(it, names.iter().map(String::as_str)));
                let near = near.map(|near| format!(" Did you mean \"{near}\"?"));
                let problem = match config {
                    Some(config) => format!("{} has no configuration \"{config}\"", self.name),
                    None => format!("{} has several configurations", self.name),
                };
                let message = format!(
                    "{problem}; there are {}.{}",
                    list(&names),
                    near.unwrap_or_default()
                );
                Err(argument("config_name", message))
            }
        }
    }

    /// The folder of a configuration of which the card says nothing.
    fn folder_of(&self, folder: &Path, config: Option<&str>) -> Result<PathBuf, Error> {
        let folder = match config {
            Some(config) => folder.join(config),
            None => folder.to_path_buf(),
        };
        if !folder.is_dir() {
            let message = format!(
                "{} has no such configuration: {} is no folder",
                self.name,
                folder.display()
            );
            return Err(argument("config_name", message));
        }
        let data = folder.join(DATA);
        Ok(if data.is_dir() { data } else { folder })
    }
}

/// A folder with the names of a data set's files and its card.
fn names_of(snapshot: &Snapshot) -> Result<TempDir, Error> {
    let make = |folder: &Path| {
        for path in snapshot.files() {
            let place = folder.join(&path);
            if let Some(above) = place.parent() {
                fs::create_dir_all(above)?;
            }
            fs::write(&place, "")?;
        }
        let card = snapshot.folder().join(CARD);
        if card.is_file() {
            fs::copy(card, folder.join(CARD))?;
        }
        Ok(())
    };
    let made = tempfile::tempdir();
    made.and_then(|folder| make(folder.path()).map(|()| folder))
        .map_err(|source| Error::Io {
            path: env::temp_dir(),
            action: "make a folder",
            source,
        })
}

/// What is wrong with a data set, which was seen by a folder of its names.
fn located(error: Error, names: &Path, snapshot: &Snapshot) -> Error {
    match error {
        Error::MissingSplit {
            what,
            there,
            nearest,
            ..
        } => Error::MissingSplit {
            path: snapshot.name().into(),
            what,
            there,
            nearest,
        },
        Error::Argument { key, message } => {
            let folder = names.display().to_string();
            argument(&key, message.replace(&folder, snapshot.name()))
        }
        error => error,
    }
}

/// The files of a split.
struct Split {
    name: String,
    files: Vec<PathBuf>,
}

impl Wanted<'_> {
    /// The files of this split among those that a data set has.
    fn among(&self, splits: &[Split], folder: &Folder) -> Result<Option<Vec<PathBuf>>, Error> {
        let called = |name: &str| splits.iter().find(|split| split.name == name);
        let found = match self.name {
            Some(name) => called(name),
            None if self.split == "valid" => VALID_STEMS.iter().find_map(|name| called(name)),
            None => None,
        };
        match (found, self.name) {
            (Some(split), _) => Ok(Some(split.files.clone())),
            (None, Some(name)) if !self.has_default_name() => {
                let names = splits.iter().map(|split| split.name.as_str());
                let near = nearest(name, names).map(str::to_owned);
                Err(folder.missing(self.named(name), near))
            }
            (None, _) => Ok(None),
        }
    }
}

/// What stands between the two lines of dashes that a card begins with.
fn front_matter(card: &str) -> Option<&str> {
    let rest = card.strip_prefix("---")?.trim_start_matches([' ', '\r']);
    let rest = rest.strip_prefix('\n')?;
    let end = rest.find("\n---")?;
    rest.get(..end)
}

/// The splits of a configuration: a path or several are the training rows, `{split, path}` any.
fn splits_of(folder: &Path, config: &Mapping) -> Result<Vec<Split>, Error> {
    let inside = config.get("data_dir").and_then(Node::as_text);
    let folder = inside.map_or_else(|| folder.to_path_buf(), |inside| folder.join(inside));
    let files = config.get("data_files");
    let texts = |node: &Node| -> Vec<String> {
        let several = node.as_list().unwrap_or(std::slice::from_ref(node));
        several
            .iter()
            .filter_map(Node::as_text)
            .map(str::to_owned)
            .collect()
    };
    let mut named: Vec<(String, Vec<String>)> = Vec::new();
    if let Some(files) = files {
        let split = |node: &Node| {
            let node = node.as_map()?;
            Some((
                node.get("split")?.as_text()?.to_owned(),
                texts(node.get("path")?),
            ))
        };
        named.extend(files.as_list().unwrap_or_default().iter().filter_map(split));
        if named.is_empty() {
            named.push(("train".to_owned(), texts(files)));
        }
    }
    let mut splits = Vec::new();
    for (name, patterns) in named {
        let mut files = Vec::new();
        for pattern in &patterns {
            if Path::new(pattern)
                .components()
                .any(|part| part == Component::ParentDir)
            {
                let message =
                    format!("the data set's card names the file {pattern}, outside of its folder");
                return Err(argument("path", message));
            }
            files.extend(files_of_pattern(&folder.join(pattern))?);
        }
        if files.is_empty() {
            let message = format!(
                "the data set's card names {} as the split {name}, but {} has no such file",
                list(&patterns),
                folder.display()
            );
            return Err(argument("path", message));
        }
        splits.push(Split { name, files });
    }
    Ok(splits)
}

/// The splits that names of files tell: `train.csv`, or the parts `train-00000-of-00002.parquet` and so on.
fn by_shards(folder: &Folder) -> Vec<Split> {
    let mut splits: Vec<Split> = Vec::new();
    for name in folder.there.iter().filter(|name| !name.ends_with('/')) {
        let Some(stem) = split_of_stem(name) else {
            continue;
        };
        let file = folder.path.join(name);
        match splits.iter_mut().find(|split| split.name == stem) {
            Some(split) => split.files.push(file),
            None => splits.push(Split {
                name: stem.to_owned(),
                files: vec![file],
            }),
        }
    }
    splits
}

/// The training split that is the only table of a data set, where none is called as a split that is wanted.
fn only_table(splits: &[Split], wanted: &[Wanted; 3]) -> Option<Split> {
    let is_called = |split: &Split| {
        let name = split.name.as_str();
        VALID_STEMS.contains(&name) || wanted.iter().any(|it| it.name == Some(name))
    };
    // Texts beside a table are its licence or notes, and an object in JSON describes it.
    let is_table = |split: &&Split| {
        let file = split
            .files
            .first()
            .and_then(|file| file.file_name()?.to_str());
        file.is_some_and(|file| !file.ends_with(".txt") && file != "dataset_infos.json")
    };
    let mut tables = splits.iter().filter(is_table);
    match (tables.next(), tables.next()) {
        (Some(only), None) if !splits.iter().any(is_called) => Some(Split {
            name: "train".to_owned(),
            files: only.files.clone(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use engraft_hub::fetch::Settings;
    use engraft_loopback::{Hub, Repository as Published};

    use super::*;

    /// A data set of two configurations with a card, and one folder of which the card says nothing.
    fn data_set() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let card = "---\nlicense: mit\nconfigs:\n- config_name: a\n  data_files:\n  - split: train\n    path: a/part-*.csv\n  - split: test_danio\n    path: [a/held.csv]\n- config_name: b\n  data_dir: b\n  data_files: all.csv\n---\n# About\n";
        write(CARD, card);
        for name in ["a/part-0.csv", "a/part-1.csv", "a/held.csv", "b/all.csv"] {
            write(name, "x,y\n1,2\n");
        }
        write("c/data/train-00000-of-00002.parquet", "");
        write("c/data/train-00001-of-00002.parquet", "");
        write("c/data/validation-00000-of-00001.parquet", "");
        folder
    }

    /// The files of the three splits, or what is wrong.
    fn found(change: impl FnOnce(&mut Source)) -> Result<[String; 3], String> {
        let folder = data_set();
        let mut source = Source::new("org/name");
        change(&mut source);
        let path = source.path.clone();
        let repository = Repository::named(&path).unwrap();
        let wanted = Wanted::all(&source);
        let found = repository.splits(folder.path(), &source, &wanted, &mut vec![]);
        let short = |text: String| text.replace(&folder.path().display().to_string(), "HERE");
        let shown = |files: Option<Vec<PathBuf>>| {
            let files = files.unwrap_or_default();
            let files: Vec<String> = files.iter().map(|it| it.display().to_string()).collect();
            short(files.join(" "))
        };
        let found = found.map_err(|error| short(error.to_string()))?;
        Ok([found.train, found.valid, found.test].map(shown))
    }

    /// A hub with the same data set, and the files that a source has of it after they were fetched.
    fn fetched(change: impl FnOnce(&mut Source)) -> (Hub, Result<Vec<String>, String>) {
        let hub = Hub::start().unwrap();
        let folder = data_set();
        let mut published = Published::data_set("org/name");
        for path in [
            CARD,
            "a/part-0.csv",
            "a/part-1.csv",
            "a/held.csv",
            "b/all.csv",
            "c/data/train-00000-of-00002.parquet",
            "c/data/train-00001-of-00002.parquet",
            "c/data/validation-00000-of-00001.parquet",
        ] {
            published = published.file(path, fs::read(folder.path().join(path)).unwrap());
        }
        hub.add(published);
        let cache = tempfile::tempdir().unwrap();
        let settings = Settings::from_variables(|name| match name {
            "HF_ENDPOINT" => Some(hub.url().into()),
            "HF_HOME" => Some(cache.path().into()),
            _ => None,
        });
        let hubs: &'static Hubs = Box::leak(Box::new(Hubs::new(settings)));
        let mut source = Source::new("hf://datasets/org/name");
        change(&mut source);
        let path = source.path.clone();
        let repository = Repository::named(&path).unwrap();
        let wanted = Wanted::all(&source);
        let found = repository.find(&source, &wanted, &mut vec![], hubs);
        let names = found.map(|found| {
            let files = [found.train, found.valid, found.test];
            let files = files.into_iter().flatten().flatten();
            let names = files.map(|file| {
                assert!(file.is_file(), "{}", file.display());
                file.file_name().unwrap().to_str().unwrap().to_owned()
            });
            names.collect()
        });
        (hub, names.map_err(|error| error.to_string()))
    }

    #[test]
    fn only_the_files_of_the_splits_that_are_wanted_are_fetched() {
        let (hub, names) = fetched(|source| source.config_name = Some("a".to_owned()));
        assert_eq!(names.unwrap(), ["part-0.csv", "part-1.csv"]);
        let asked = hub
            .seen()
            .into_iter()
            .filter(|it| it.target.contains("/resolve/"));
        let asked: Vec<String> = asked
            .map(|it| it.target.rsplit('/').next().unwrap().to_owned())
            .collect();
        // The card, and two files of the same bytes.
        assert_eq!(asked.len(), 2, "{asked:?}");
        let (_hub, names) = fetched(|source| source.config_name = Some("c".to_owned()));
        assert_eq!(names.unwrap().len(), 3);
    }

    #[test]
    fn what_a_fetched_data_set_lacks_is_said_by_its_name() {
        let (_hub, names) = fetched(|source| {
            source.config_name = Some("a".to_owned());
            source.test_split_name = Some("test_dani".to_owned());
        });
        assert_eq!(
            names.unwrap_err(),
            "hf://datasets/org/name: no split named \"test_dani\" (test_split_name); there is \"train\", \"test_danio\". Did you mean \"test_danio\"?"
        );
        let (_hub, names) = fetched(|source| source.path = "hf://datasets/org/names".into());
        let message = names.unwrap_err();
        assert!(
            message.contains("has no data set org/names")
                && message.contains("Did you mean hf://datasets/org/name?"),
            "{message}"
        );
    }

    #[test]
    fn repositories_are_told_from_other_paths() {
        let named = |text: &str| {
            let path = PathBuf::from(text);
            let found = Repository::named(&path);
            found.map(|it| (it.name, it.revision))
        };
        let plain = Some(("org/name".to_owned(), None));
        assert_eq!(named("org/name"), plain);
        assert_eq!(named("hf://datasets/org/name"), plain);
        let revised = Some(("org/name".to_owned(), Some("v2".to_owned())));
        assert_eq!(named("hf://datasets/org/name@v2"), revised);
        for other in [
            "name",
            "/org/name",
            "./name",
            "a/b/c",
            "../name",
            "org/name/",
            "data/train.csv",
            "org/name@v2",
            "hf://datasets/org/name@../x",
            "hf://datasets/../x",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    #[test]
    fn the_card_says_which_files_are_which_split() {
        let config = |name: &str| {
            let name = Some(name.to_owned());
            move |source: &mut Source| source.config_name = name
        };
        let both = "HERE/a/part-0.csv HERE/a/part-1.csv";
        assert_eq!(found(config("a")).unwrap(), [both, "", ""]);
        let test = found(|source| {
            source.config_name = Some("a".to_owned());
            source.test_split_name = Some("test_danio".to_owned());
        });
        assert_eq!(test.unwrap(), [both, "", "HERE/a/held.csv"]);
        assert_eq!(found(config("b")).unwrap(), ["HERE/b/all.csv", "", ""]);
        let shards =
            "HERE/c/data/train-00000-of-00002.parquet HERE/c/data/train-00001-of-00002.parquet";
        let validation = "HERE/c/data/validation-00000-of-00001.parquet";
        assert_eq!(found(config("c")).unwrap(), [shards, validation, ""]);
        let listed = found(|source| source.train_split_files = Some(vec!["b/all.csv".to_owned()]));
        assert_eq!(listed.unwrap(), ["HERE/b/all.csv", "", ""]);
    }

    #[test]
    fn the_only_table_of_a_data_set_is_its_training_split() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["reviews.csv", "LICENSE.txt", "dataset_infos.json"] {
            fs::write(folder.path().join(name), "x,y\n1,2\n").unwrap();
        }
        let source = Source::new("org/name");
        let path = source.path.clone();
        let repository = Repository::named(&path).unwrap();
        let splits = |folder: &Path| {
            let found = repository.splits(folder, &source, &Wanted::all(&source), &mut vec![]);
            found.unwrap().train
        };
        let only = vec![folder.path().join("reviews.csv")];
        assert_eq!(splits(folder.path()), Some(only));
        fs::write(folder.path().join("more.csv"), "x,y\n1,2\n").unwrap();
        assert_eq!(splits(folder.path()), None);
    }

    #[test]
    fn what_a_data_set_lacks_is_said_with_what_it_has() {
        let config = |name: Option<&str>| {
            let name = name.map(str::to_owned);
            found(|source| source.config_name = name).unwrap_err()
        };
        assert_eq!(
            config(None),
            "config_name: org/name has several configurations; there are \"a\", \"b\"."
        );
        assert_eq!(
            config(Some("d")),
            "config_name: org/name has no configuration \"d\"; there are \"a\", \"b\". Did you mean \"a\"?"
        );
        let split = found(|source| {
            source.config_name = Some("a".to_owned());
            source.test_split_name = Some("test_dani".to_owned());
        });
        assert_eq!(
            split.unwrap_err(),
            "HERE: no split named \"test_dani\" (test_split_name); there is \"train\", \"test_danio\". Did you mean \"test_danio\"?"
        );
    }
}
