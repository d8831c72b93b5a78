//! Presets of KerasHub, seen as Hugging Face has the same models: with its `config.json`, its tokenizer's files and its tensors.
//!
//! A backbone is told by the class in `config.json`; [`families`] says which data sets of the HDF5 files are which tensors, turned or laid side by
//! side where the two differ. A head that was saved is read from `task.json` and `task.weights.h5`.

mod families;
mod h5;
mod map;
mod object;
mod pieces;
mod quantised;
mod stated;
#[cfg(test)]
mod tests;
mod tokenizers;
mod words;
mod write;

pub use self::families::KERAS_HUB;
pub(crate) use self::tokenizers::{SETTINGS as TOKENIZER_SETTINGS, TOKENS};
pub(crate) use self::write::keras_modules;
pub use self::write::{KerasModel, KerasPacking, keras_families};

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use serde_json::{Map, Value};

use self::families::{FAMILIES, Family, Head, Model};
use self::h5::{DataPlace, DataSet};
use self::map::{Part, TensorMap, bare};
use self::object::Object;
use self::tokenizers::Reading;
use crate::bytes::Bytes;
use crate::pieces::Piece;
use crate::{Error, Result, Weights, preset, shards};

/// The files of a preset.
const BACKBONE: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.weights.h5";
pub(crate) const SHARDS: &str = "model.weights.json";
const TASK: &str = "task.json";
pub(crate) const TASK_WEIGHTS: &str = "task.weights.h5";

/// What paths of a head's data sets begin with, to tell them from the backbone's.
const OF_TASK: &str = "task/";

/// What tf.keras 2.13 called `layers`, without its underscore.
const FORMER_LAYERS: &str = "layer_checkpoint_dependencies/";

/// Classes of backbones that had another name, by what theirs began with.
const FORMER_STEMS: [(&str, &str); 2] = [("Qwen2", "Qwen"), ("SmolLM", "SmolLM3")];

/// A preset of KerasHub.
#[derive(Debug)]
pub(crate) struct KerasPreset {
    folder: PathBuf,
    /// The tokens that its preprocessor cuts a text to.
    text_length: Option<usize>,
    family: &'static Family,
    /// The class of a task whose head has no weights.
    bare_task: Option<String>,
    /// Files that Hugging Face would have, by name.
    files: BTreeMap<String, Vec<u8>>,
    map: TensorMap,
    store: Store,
}

/// The data sets of a preset's HDF5 files.
#[derive(Debug, Default)]
struct Store {
    /// The names of the files.
    files: Vec<String>,
    /// Where each data set lies: the number of its file, and the place in it.
    sets: BTreeMap<String, (usize, DataSet)>,
}

impl KerasPreset {
    /// The preset in a folder whose `config.json` is one of KerasHub; none if it is another's.
    ///
    /// # Errors
    ///
    /// A class that is not read, an argument that it cannot have, a file that cannot be read.
    pub(crate) fn open(name: &str, folder: &Path) -> Result<Option<Self>> {
        let Some(backbone) = backbone_in(folder)? else {
            return Ok(None);
        };
        let family = family_of(&backbone).ok_or_else(|| unread(name, &backbone))?;
        let mut store = Store::default();
        store.add_backbone(name, folder)?;
        let task = match read_json(folder, TASK)? {
            Some(task) => Some(Object::read(located(folder, TASK), &task)?),
            None => None,
        };
        let head = match &task {
            Some(task) if folder.join(TASK_WEIGHTS).is_file() => {
                store.add(folder, TASK_WEIGHTS, OF_TASK)?;
                head_of(family, task)?
            }
            _ => Head::None,
        };
        // KerasHub gives such a task a fresh head.
        let bare = task.filter(|task| {
            let has_head = head_of(family, task).is_ok_and(|head| head != Head::None);
            has_head && head == Head::None
        });
        let mut map = TensorMap::default();
        let has = |path: &str| store.sets.contains_key(path);
        let model = Model {
            backbone: &backbone,
            head: &head,
            has: &has,
        };
        let mut config = (family.translate)(&model, &mut map)?;
        let text_length = tokenizers::text_length(folder)?;
        let mut files = tokenizers::files(folder, family, Reading::AsTrained, &mut config)?;
        files.insert(
            BACKBONE.to_owned(),
            Value::Object(config).to_string().into_bytes(),
        );
        Ok(Some(Self {
            folder: folder.to_owned(),
            family,
            bare_task: bare.map(|task| task.class),
            text_length,
            files,
            map,
            store,
        }))
    }

    /// The folder that it lies in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The tokens that its preprocessor cuts a text to, special ones included; none if it does not say so.
    pub(crate) fn text_length(&self) -> Option<usize> {
        self.text_length
    }

    /// The class of its task, if that has a head of which there are no weights.
    pub(crate) fn bare_task(&self) -> Option<&str> {
        self.bare_task.as_deref()
    }

    /// Where a file that Hugging Face would have is made from.
    pub(crate) fn locate(&self, name: &str) -> PathBuf {
        let own = match name {
            "vocab.txt" => Some("vocabulary.txt"),
            _ => name.ends_with(".model").then_some("vocabulary.spm"),
        };
        match own.filter(|_| self.files.contains_key(name)) {
            Some(own) => self.folder.join(tokenizers::ASSETS).join(own),
            None => self.folder.join(name),
        }
    }

    /// A file that Hugging Face would have.
    pub(crate) fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// The files of a tokenizer that makes KerasHub's tokens also where these are a mistake.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub(crate) fn own_tokenizer(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let config = self.file(BACKBONE).unwrap_or_default();
        let mut config = crate::preset::json_object(BACKBONE, config)?;
        tokenizers::files(&self.folder, self.family, Reading::AsKerasHub, &mut config)
    }

    /// Its tensors, by the names that Hugging Face has for them.
    ///
    /// # Errors
    ///
    /// There are none, one is missing or of another shape than the configuration says, or a file cannot be read.
    pub(crate) fn weights(&self) -> Result<Weights> {
        let label = located(&self.folder, WEIGHTS);
        let has_backbone = self
            .store
            .sets
            .keys()
            .any(|path| !path.starts_with(OF_TASK));
        if !has_backbone {
            return Err(Error::MissingFile {
                preset: self.folder.display().to_string(),
                file: format!("{WEIGHTS}, no {SHARDS}"),
                hint: "a preset of KerasHub has its weights there".to_owned(),
            });
        }
        let mut weights = Weights::empty(label);
        let mut numbers = Vec::new();
        for name in &self.store.files {
            let path = self.folder.join(name);
            numbers.push(weights.add_file(path.display().to_string(), Bytes::map(&path)?));
        }
        let mut parts: BTreeMap<&str, Vec<&Part>> = BTreeMap::new();
        for part in &self.map.parts {
            parts.entry(&part.tensor).or_default().push(part);
        }
        for (name, shape) in &self.map.tensors {
            let parts = parts.remove(name.as_str()).unwrap_or_default();
            self.add(&mut weights, &numbers, (name, shape), &parts)?;
        }
        Ok(weights)
    }

    /// Adds a tensor that is made of `parts`.
    fn add(
        &self,
        weights: &mut Weights,
        numbers: &[usize],
        (name, shape): (&String, &Vec<usize>),
        parts: &[&Part],
    ) -> Result<()> {
        let mut dtype = None;
        let mut pieces = Vec::new();
        for part in parts {
            let stored = part.path.strip_prefix(OF_TASK);
            let (about, weights_file) = match stored {
                Some(_) => (TASK, TASK_WEIGHTS),
                None => (BACKBONE, WEIGHTS),
            };
            let stored = stored.unwrap_or(&part.path);
            let set = self.store.sets.get(&bare(&part.path));
            let (file, set) = set.ok_or_else(|| Error::MissingTensor {
                file: located(&self.folder, weights_file),
                tensor: stored.to_owned(),
            })?;
            let refuse = |reason: String| Error::Malformed {
                file: located(&self.folder, &self.store.files[*file]),
                reason: format!("{stored} {reason}"),
            };
            if set.shape != part.stored {
                let reason = format!(
                    "has the shape {:?}, where {about} asks for {:?}",
                    set.shape, part.stored
                );
                return Err(refuse(reason));
            }
            if *dtype.get_or_insert(set.dtype) != set.dtype {
                return Err(refuse(format!(
                    "has the type {}, unlike others of {name}",
                    set.dtype
                )));
            }
            let (file, bytes) = match &set.place {
                DataPlace::File(range) => (numbers[*file], range.clone()),
                DataPlace::Read(read) => self.hold(weights, *file, read.clone()),
                DataPlace::Scaled(scaled) => {
                    let read = scaled.weights(weights.bytes_of_file(numbers[*file]));
                    self.hold(weights, *file, read)
                }
            };
            pieces.push(Piece {
                file,
                bytes,
                moved: part.moved.clone(),
            });
        }
        let stored = match parts {
            [only] => only.path.clone(),
            _ => name.clone(),
        };
        let dtype = dtype.unwrap_or(Dtype::F32);
        weights.add_pieces(name.clone(), stored, dtype, shape.clone(), pieces);
        Ok(())
    }

    /// Keeps numbers that were read of a file; gives where.
    fn hold(&self, weights: &mut Weights, file: usize, read: Vec<u8>) -> (usize, Range<usize>) {
        let label = located(&self.folder, &self.store.files[file]);
        let length = read.len();
        (weights.add_file(label, Bytes::Held(read.into())), 0..length)
    }
}

impl Store {
    /// Adds the data sets of a backbone, which lie in one file or in several that a list names.
    fn add_backbone(&mut self, name: &str, folder: &Path) -> Result<()> {
        if folder.join(WEIGHTS).is_file() {
            return self.add(folder, WEIGHTS, "");
        }
        let Some(list) = read_json(folder, SHARDS)? else {
            return Ok(());
        };
        let malformed = |reason: String| Error::Malformed {
            file: located(folder, SHARDS),
            reason,
        };
        let Some(Value::Object(groups)) = list.get("weight_map") else {
            let reason = "\"weight_map\" is missing or not an object of groups and files";
            return Err(malformed(reason.to_owned()));
        };
        let mut names = BTreeSet::new();
        for (group, files) in groups {
            let files = match files {
                Value::Array(files) => files.as_slice(),
                one => std::slice::from_ref(one),
            };
            for file in files {
                let name = file
                    .as_str()
                    .filter(|name| shards::is_plain_file_name(name));
                names.insert(name.ok_or_else(|| {
                    let reason = format!(
                        "\"{group}\" is said to lie in {file}, which is not a plain file name"
                    );
                    malformed(reason)
                })?);
            }
        }
        for shard in names {
            if !folder.join(shard).is_file() {
                return Err(Error::MissingFile {
                    preset: name.to_owned(),
                    file: shard.to_owned(),
                    hint: format!("{SHARDS} lists it: fetch the preset again"),
                });
            }
            self.add(folder, shard, "")?;
        }
        Ok(())
    }

    /// Adds the data sets of a file, below `prefix`.
    fn add(&mut self, folder: &Path, name: &str, prefix: &str) -> Result<()> {
        let number = self.files.len();
        self.files.push(name.to_owned());
        for set in h5::open(&folder.join(name))? {
            let path = match set.path.strip_prefix(FORMER_LAYERS) {
                Some(rest) => format!("{prefix}layers/{rest}"),
                None => format!("{prefix}{}", set.path),
            };
            let path = path.replace(&format!("/{FORMER_LAYERS}"), "/layers/");
            self.sets.insert(path, (number, set));
        }
        Ok(())
    }
}

/// The families that are read, by what their classes begin with.
fn stems() -> Vec<&'static str> {
    FAMILIES.iter().map(|family| family.stem).collect()
}

/// Whether a folder has the `config.json` of a preset of KerasHub, whose weights need not be there yet.
///
/// # Errors
///
/// It has, but of a class that is not read.
pub(crate) fn is_described_in(name: &str, folder: &Path) -> Result<bool> {
    match backbone_in(folder)? {
        Some(backbone) if family_of(&backbone).is_none() => Err(unread(name, &backbone)),
        backbone => Ok(backbone.is_some()),
    }
}

/// The backbone that `config.json` describes in a folder; none if it is not one of KerasHub.
fn backbone_in(folder: &Path) -> Result<Option<Object>> {
    // What is broken is told by whoever reads it.
    let Ok(Some(config)) = read_json(folder, BACKBONE) else {
        return Ok(None);
    };
    let is_keras = config.contains_key("registered_name") || config.contains_key("module");
    if !is_keras || !config.contains_key("class_name") {
        return Ok(None);
    }
    Object::read(located(folder, BACKBONE), &config).map(Some)
}

/// That a backbone is of a family that is not read.
fn unread(name: &str, backbone: &Object) -> Error {
    Error::Handle {
        handle: name.to_owned(),
        reason: format!(
            "{} of KerasHub is not read; these backbones are: {}",
            backbone.class,
            stems().join(", ")
        ),
    }
}

/// The family of a backbone.
fn family_of(backbone: &Object) -> Option<&'static Family> {
    family_of_class(backbone, "Backbone")
}

/// The family of a class that is named by its stem and `suffix`.
fn family_of_class(object: &Object, suffix: &str) -> Option<&'static Family> {
    let stem = object.class.strip_suffix(suffix)?;
    let former = FORMER_STEMS.iter().find(|(former, _)| *former == stem);
    let stem = former.map_or(stem, |(_, stem)| stem);
    FAMILIES.iter().find(|family| family.stem == stem)
}

/// The head that a task with weights of its own has.
fn head_of(family: &Family, task: &Object) -> Result<Head> {
    let is_any = |classes: &[&str]| {
        let mut classes = classes.iter();
        classes.any(|class| task.is(&format!("{}{class}", family.stem)))
    };
    if is_any(&["TextClassifier", "ProteinClassifier"]) {
        let activation = task.word("activation")?.unwrap_or("linear");
        if !["linear", "softmax"].contains(&activation) {
            let reason = format!("expected linear or softmax, found {activation}");
            return Err(task.refuse("activation", &reason));
        }
        return Ok(Head::Classifier {
            classes: task.size("num_classes")?,
            hidden: task.optional_size("hidden_dim")?,
            dropout: task.number("dropout", 0.0)?,
        });
    }
    if is_any(&["MaskedLM", "MaskedPLM"]) {
        return Ok(Head::MaskedLm);
    }
    // These have no weights of their own.
    if is_any(family.tasks.suffixes()) || is_any(&["TextEmbedder"]) {
        return Ok(Head::None);
    }
    let known = match family.tasks.suffixes() {
        [] => "none is".to_owned(),
        suffixes => {
            let classes = suffixes.iter().map(|it| format!("{}{it}", family.stem));
            let classes: Vec<String> = classes.collect();
            format!("those that are: {}", classes.join(", "))
        }
    };
    Err(Error::Malformed {
        file: task.file.clone(),
        reason: format!(
            "{} of KerasHub is not read beside {}Backbone; {known}",
            task.class, family.stem
        ),
    })
}

fn located(folder: &Path, file: &str) -> String {
    folder.join(file).display().to_string()
}

/// A file of JSON that holds an object; none if there is no such file.
fn read_json(folder: &Path, name: &str) -> Result<Option<Map<String, Value>>> {
    let path = folder.join(name);
    let bytes = preset::read_text(&path)?;
    let object = bytes.map(|bytes| preset::json_object(&path.display().to_string(), &bytes));
    object.transpose()
}
