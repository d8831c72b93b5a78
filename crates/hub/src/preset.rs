//! A preset that has been found: its name and its files.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engraft_fetch::listing::stays_inside;
use engraft_fetch::{Hubs, Snapshot, Wish};
use serde_json::{Map, Value};

use crate::builtin::{self, BuiltIn};
use crate::bytes::Bytes;
use crate::keras::{KERAS_HUB, KerasPreset, TOKENIZER_SETTINGS, TOKENS};
use crate::{Error, Handle, Result, Weights, elsewhere, keras, needs, sources};

/// The most that is read of a configuration or tokenizer file, in bytes.
const TEXT_LIMIT: u64 = 64 << 20;

/// The file that describes a model.
const CONFIG: &str = "config.json";

/// A preset whose files can be read.
#[derive(Debug, Clone)]
pub struct Preset {
    name: String,
    place: Place,
    /// Where files come from that are not in its folder yet; none if it is no preset of a hub.
    origin: Option<Arc<Snapshot>>,
    /// Whether messages call its files by its name, and not by where they lie.
    is_called: bool,
}

#[derive(Debug, Clone)]
enum Place {
    Folder(PathBuf),
    Keras(Arc<KerasPreset>),
    BuiltIn(&'static BuiltIn),
}

impl Preset {
    /// Finds the preset that a user names; see [`Handle::parse`] for the forms a name can have.
    ///
    /// # Errors
    ///
    /// Those of [`Handle::parse`] and [`Preset::open`].
    pub fn from_name(name: &str) -> Result<Preset> {
        Preset::open(&Handle::parse(name)?)
    }

    /// Finds a preset. Of one at a hub, the files that describe it are fetched where they are not in the cache, and its weights when they are
    /// opened ([`Weights::open`]).
    ///
    /// # Errors
    ///
    /// The folder does not exist; the preset is in no cache, and no hub has it, gives it or can be reached.
    pub fn open(handle: &Handle) -> Result<Preset> {
        Preset::open_with(handle, Hubs::of_process())
    }

    /// As [`Self::open`], with hubs of one's own.
    ///
    /// # Errors
    ///
    /// Those of [`Self::open`].
    pub fn open_with(handle: &Handle, hubs: &'static Hubs) -> Result<Preset> {
        let refuse = |reason: &str| Error::Handle {
            handle: handle.to_string(),
            reason: reason.to_owned(),
        };
        let mut origin = None;
        let place = match handle {
            Handle::BuiltIn(name) => Place::BuiltIn(
                builtin::find(name)
                    .ok_or_else(|| refuse("there is no built-in preset of this name"))?,
            ),
            Handle::Folder(path) => match fs::metadata(path) {
                Ok(kind) if kind.is_dir() => Place::Folder(path.clone()),
                Ok(_) => return Err(refuse(&elsewhere::file(path))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(refuse("the folder does not exist"));
                }
                Err(error) => return Err(Error::io("open", path)(error)),
            },
            Handle::HuggingFace { .. } | Handle::Kaggle(_) => {
                let found = sources::find(handle, hubs, Wish::AsCached)?;
                let folder = found.folder().to_path_buf();
                origin = Some(found);
                Place::Folder(folder)
            }
        };
        let mut preset = Preset {
            name: handle.to_string(),
            place,
            origin,
            is_called: false,
        };
        if let Place::Folder(folder) = preset.place.clone() {
            preset.bring_early_weights(&folder)?;
            if let Some(keras) = KerasPreset::open(&preset.name, &folder)? {
                preset.place = Place::Keras(Arc::new(keras));
            }
        }
        Ok(preset)
    }

    /// Brings the weights of a preset of a hub that cannot be understood without them: of KerasHub's, whose files say in which of several forms
    /// they are, and of our own, which may be those of a head alone.
    fn bring_early_weights(&self, folder: &Path) -> Result<()> {
        let Some(origin) = self.origin.as_ref().filter(|origin| origin.is_listed()) else {
            return Ok(());
        };
        let is_keras = keras::is_described_in(&self.name, folder)?;
        let files = origin.files();
        if is_keras || needs::are_weights_wanted_at_once(&files) {
            origin.fetch(needs::weights(&files, is_keras, |file| {
                self.json_object(file)
            })?)?;
        }
        Ok(())
    }

    /// Brings the weights of a preset of a hub, where they are not here yet.
    pub(crate) fn bring_weights(&self) -> Result<()> {
        let Some(origin) = self.origin.as_ref().filter(|origin| origin.is_listed()) else {
            return Ok(());
        };
        let files = origin.files();
        let wanted = needs::weights(&files, false, |file| self.json_object(file))?;
        if wanted.is_empty()
            && let Some(reason) = elsewhere::among(&files, needs::WEIGHTS[0].0)
        {
            return Err(self.unusable(reason));
        }
        Ok(origin.fetch(wanted)?)
    }

    /// Brings a file of a preset of a hub, where it has it and it is not here yet.
    fn bring(&self, file: &str) -> Result<()> {
        match &self.origin {
            Some(origin) if origin.is_missing(file) => Ok(origin.fetch([file])?),
            _ => Ok(()),
        }
    }

    /// The same by another name, by which messages call its files too: of one that lies aside for a moment.
    #[must_use]
    pub fn called(self, name: &str) -> Preset {
        Preset {
            name: name.to_owned(),
            is_called: true,
            ..self
        }
    }

    /// The name it was found by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that holds its files; none for a built-in preset.
    pub fn dir(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::Keras(preset) => Some(preset.folder()),
            Place::BuiltIn(_) => None,
        }
    }

    /// Whether it is a built-in shape without weights, of which a model always starts from fresh ones. A folder is never one:
    /// where its weights are missing, they were lost.
    pub fn is_shape_only(&self) -> bool {
        match &self.place {
            Place::Folder(_) | Place::Keras(_) => false,
            Place::BuiltIn(preset) => preset.is_shape_only(),
        }
    }

    /// Where a file of the preset is or would be, for messages.
    pub fn locate(&self, file: &str) -> String {
        match &self.place {
            _ if self.is_called => Path::new(&self.name).join(file).display().to_string(),
            Place::Folder(folder) => folder.join(file).display().to_string(),
            Place::Keras(preset) => preset.locate(file).display().to_string(),
            Place::BuiltIn(preset) => format!("{}/{file}", preset.name),
        }
    }

    /// Whether the preset has this file; `file` may lie in a subfolder, as `1_Pooling/config.json`.
    pub fn has(&self, file: &str) -> bool {
        match &self.place {
            Place::Folder(folder) => {
                let is_at_hub = |origin: &Arc<Snapshot>| origin.is_missing(file);
                stays_inside(file)
                    && (folder.join(file).is_file() || self.origin.as_ref().is_some_and(is_at_hub))
            }
            Place::Keras(preset) => preset.file(file).is_some(),
            Place::BuiltIn(preset) => preset.file(file).is_some(),
        }
    }

    /// Reads a configuration or tokenizer file; none if the preset does not have it.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is larger than 64 MiB, or its name leads out of the preset.
    pub fn read(&self, file: &str) -> Result<Option<Cow<'static, [u8]>>> {
        match &self.place {
            Place::BuiltIn(preset) => Ok(preset.file(file).map(Cow::Borrowed)),
            Place::Keras(preset) => Ok(preset.file(file).map(|bytes| bytes.to_vec().into())),
            Place::Folder(folder) => {
                if !stays_inside(file) {
                    return Err(Error::Malformed {
                        file: self.name.clone(),
                        reason: format!("\"{file}\" does not name a file inside the preset"),
                    });
                }
                self.bring(file)?;
                Ok(read_text(&folder.join(file))?.map(Cow::Owned))
            }
        }
    }

    /// The model's description, `config.json`, with its keys in the order of the file.
    ///
    /// # Errors
    ///
    /// When it is missing, is not JSON (with line and column), or is not an object.
    pub fn config(&self) -> Result<Map<String, Value>> {
        let Some(config) = self.json_object(CONFIG)? else {
            let known = match &self.origin {
                Some(origin) => elsewhere::among(&origin.files(), CONFIG),
                None => self
                    .dir()
                    .and_then(|folder| elsewhere::folder(folder, CONFIG)),
            };
            return Err(known.map_or_else(
                || Error::MissingFile {
                    preset: self.name.clone(),
                    file: CONFIG.into(),
                    hint: "a preset is a folder with config.json, model.safetensors and a tokenizer's files".into(),
                },
                |reason| self.unusable(reason),
            ));
        };
        Ok(config)
    }

    /// Refuses weights that are stored in few bits.
    pub(crate) fn check_weights(&self) -> Result<()> {
        let config = self.json_object(CONFIG)?.unwrap_or_default();
        match elsewhere::quantised(&config, |file| self.has(file)) {
            Some(reason) => Err(self.unusable(reason)),
            None => Ok(()),
        }
    }

    /// That it cannot be used, and why.
    pub(crate) fn unusable(&self, reason: String) -> Error {
        Error::Handle {
            handle: self.name.clone(),
            reason,
        }
    }

    /// Reads a JSON file that holds an object; none if the preset does not have it.
    ///
    /// # Errors
    ///
    /// Those of [`Preset::read`], and when it is not JSON (with line and column) or not an object.
    pub fn json_object(&self, file: &str) -> Result<Option<Map<String, Value>>> {
        let bytes = self.read(file)?;
        let object = bytes.map(|bytes| json_object(&self.locate(file), &bytes));
        object.transpose()
    }

    /// Whether KerasHub wrote it.
    pub fn is_of_keras_hub(&self) -> bool {
        matches!(self.place, Place::Keras(_))
    }

    /// The tokens that texts are cut to, special ones included, where it is a preset of KerasHub whose preprocessor says it.
    pub fn text_length(&self) -> Option<usize> {
        match &self.place {
            Place::Keras(preset) => preset.text_length(),
            Place::Folder(_) | Place::BuiltIn(_) => None,
        }
    }

    /// What the task of a preset of KerasHub is called, if it has a head of which the preset has no weights.
    pub fn bare_task(&self) -> Option<&str> {
        match &self.place {
            Place::Keras(preset) => preset.bare_task(),
            Place::Folder(_) | Place::BuiltIn(_) => None,
        }
    }

    /// The files of a tokenizer that makes the tokens of KerasHub also where these are a mistake: a protein is one unknown word, byte pairs are
    /// merged across words. None if it is no preset of KerasHub.
    ///
    /// # Errors
    ///
    /// One of its files cannot be read.
    pub fn tokenizer_of_keras_hub(&self) -> Result<Option<BTreeMap<String, Vec<u8>>>> {
        match &self.place {
            Place::Keras(preset) => preset.own_tokenizer().map(Some),
            Place::Folder(_) | Place::BuiltIn(_) => Ok(None),
        }
    }

    /// Whether its own tokenizer is such a one, saved with a model that was trained with it.
    ///
    /// # Errors
    ///
    /// Its settings cannot be read.
    pub fn has_tokenizer_of_keras_hub(&self) -> Result<bool> {
        let settings = self.json_object(TOKENIZER_SETTINGS)?;
        let tokens = settings.as_ref().and_then(|it| it.get(TOKENS));
        Ok(tokens.is_some_and(|tokens| tokens == KERAS_HUB))
    }

    /// Its weights, if it is a preset of KerasHub.
    pub(crate) fn keras_weights(&self) -> Option<Result<Weights>> {
        match &self.place {
            Place::Keras(preset) => Some(preset.weights()),
            Place::Folder(_) | Place::BuiltIn(_) => None,
        }
    }

    /// The bytes of a weights file, of any size; none if the preset does not have it.
    pub(crate) fn map(&self, file: &str) -> Result<Option<Bytes>> {
        match &self.place {
            Place::BuiltIn(preset) => Ok(preset
                .file(file)
                .map(|bytes| Bytes::Held(Cow::Borrowed(bytes)))),
            Place::Keras(_) => Ok(None),
            Place::Folder(folder) => {
                self.bring(file)?;
                let path = folder.join(file);
                match fs::metadata(&path) {
                    Ok(_) => Bytes::map(&path).map(Some),
                    Err(error) if is_absence(&error) => Ok(None),
                    Err(error) => Err(Error::io("read", &path)(error)),
                }
            }
        }
    }
}

/// The object that the bytes of a JSON file hold, which messages call `file`.
pub(crate) fn json_object(file: &str, bytes: &[u8]) -> Result<Map<String, Value>> {
    match serde_json::from_slice(bytes).map_err(|error| Error::json(file, &error))? {
        Value::Object(map) => Ok(map),
        other => Err(Error::Malformed {
            file: file.to_owned(),
            reason: format!("holds {}; an object {{...}} is expected", describe(&other)),
        }),
    }
}

/// What a JSON value is, in words.
fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Reads a configuration or tokenizer file; none if it is absent.
pub(crate) fn read_text(path: &Path) -> Result<Option<Vec<u8>>> {
    read_capped(path, TEXT_LIMIT)
}

/// Reads a whole file of at most `limit` bytes; none if it is absent.
fn read_capped(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let kind = match fs::metadata(path) {
        Ok(kind) => kind,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    if !kind.is_file() {
        return Err(Error::Malformed {
            file: path.display().to_string(),
            reason: "it is not a file".into(),
        });
    }
    let too_large = |size| Error::TooLarge {
        file: path.display().to_string(),
        size,
        limit,
    };
    if kind.len() > limit {
        return Err(too_large(kind.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(kind.len()).unwrap_or_default());
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(Error::io("read", path))?;
    let size = bytes.len() as u64;
    if size > limit {
        Err(too_large(size))
    } else {
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engraft_fetch::Settings;

    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Preset) {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let preset = Preset::from_name(root.path().to_str().unwrap()).unwrap();
        (root, preset)
    }

    fn config_error(text: &str) -> String {
        folder(&[("config.json", text)])
            .1
            .config()
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_built_in_preset_has_a_config_and_a_tokenizer() {
        let preset = Preset::from_name("sapiens_vh").unwrap();
        assert_eq!(preset.config().unwrap()["model_type"], "roberta");
        assert!(preset.has("tokenizer.json") && preset.has("LICENSE"));
        assert!(preset.dir().is_none());
        assert!(preset.read("vocab.txt").unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_repository_in_the_cache_is_read_through_its_links() {
        let root = tempfile::tempdir().unwrap();
        let repository = root.path().join("models--org--name");
        for folder in ["refs", "blobs", "snapshots/c0"] {
            fs::create_dir_all(repository.join(folder)).unwrap();
        }
        fs::write(repository.join("refs/main"), "c0").unwrap();
        fs::write(repository.join("blobs/x"), "{\"model_type\":\"bert\"}").unwrap();
        std::os::unix::fs::symlink("../../blobs/x", repository.join("snapshots/c0/config.json"))
            .unwrap();
        let handle = Handle::parse("hf://org/name").unwrap();
        let hubs = Box::leak(Box::new(Hubs::new(Settings::offline_at(root.path()))));
        let preset = Preset::open_with(&handle, hubs).unwrap();
        assert_eq!(preset.name(), "hf://org/name");
        assert_eq!(preset.config().unwrap()["model_type"], "bert");
    }

    #[test]
    fn files_of_a_folder_are_read_subfolders_included() {
        let (root, preset) = folder(&[("1_Pooling/config.json", "{}")]);
        assert!(preset.has("1_Pooling/config.json") && !preset.has("1_Pooling"));
        assert_eq!(
            preset
                .read("1_Pooling/config.json")
                .unwrap()
                .unwrap()
                .as_ref(),
            b"{}"
        );
        assert!(preset.read("absent.json").unwrap().is_none());
        assert!(preset.read("1_Pooling/config.json/x").unwrap().is_none());
        assert_eq!(preset.dir(), Some(root.path()));
    }

    #[test]
    fn a_name_cannot_lead_out_of_the_preset() {
        let (_root, preset) = folder(&[("config.json", "{}")]);
        for name in ["../x", "/etc/passwd", "a/../../x", ""] {
            assert!(preset.read(name).is_err() && !preset.has(name), "{name}");
        }
    }

    #[test]
    fn a_broken_config_says_where() {
        assert!(
            config_error("{\n  \"a\": 1,\n}")
                .contains("config.json:3:1: not valid JSON: trailing comma")
        );
        assert!(config_error("[1]").contains("holds a list; an object {...} is expected"));
        assert!(config_error("").contains("config.json:1:0: not valid JSON"));
    }

    #[test]
    fn a_missing_config_says_what_a_preset_is() {
        let message = folder(&[]).1.config().unwrap_err().to_string();
        assert!(
            message.contains("has no config.json; a preset is a folder"),
            "{message}"
        );
    }

    #[test]
    fn a_missing_folder_and_a_file_in_its_place_are_told_apart() {
        let message = Preset::from_name("./no/such/folder")
            .unwrap_err()
            .to_string();
        assert!(message.contains("the folder does not exist"), "{message}");
        let message = Preset::from_name("./Cargo.toml").unwrap_err().to_string();
        assert!(message.contains("it is a file"), "{message}");
    }

    #[test]
    fn a_file_longer_than_the_limit_is_not_read() {
        let (root, _) = folder(&[("big.json", "12345")]);
        let path = root.path().join("big.json");
        assert!(matches!(
            read_capped(&path, 4),
            Err(Error::TooLarge {
                size: 5,
                limit: 4,
                ..
            })
        ));
        assert_eq!(read_capped(&path, 5).unwrap().unwrap(), b"12345");
    }
}
