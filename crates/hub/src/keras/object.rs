//! An object as Keras writes it: its class and its arguments.

use serde_json::{Map, Value};

use crate::{Error, Result};

/// Sizes beyond this are hostile or damaged: three of them multiplied still are a number.
const LARGEST_SIZE: u64 = 1 << 20;

/// More than any model has, of what is gone through one by one.
const MOST_LAYERS: usize = 1024;
const MOST_EXPERTS: usize = 4096;

/// Classes that had another name, by what the name ends in.
const FORMER: [(&str, &str); 2] = [
    ("Classifier", "TextClassifier"),
    ("Preprocessor", "TextClassifierPreprocessor"),
];

/// An object that a file describes.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// The file, for messages.
    pub(super) file: String,
    /// Its class, without the package that registered it: `BertBackbone`.
    pub(super) class: String,
    arguments: Map<String, Value>,
}

impl Object {
    /// One that is to be made: of a class, from arguments that `file` led to.
    pub(super) fn new(file: String, class: String, arguments: Map<String, Value>) -> Self {
        Self {
            file,
            class,
            arguments,
        }
    }

    /// What it is made from.
    pub(super) fn arguments(&self) -> &Map<String, Value> {
        &self.arguments
    }

    /// The object that a whole file is.
    pub(super) fn read(file: String, json: &Map<String, Value>) -> Result<Self> {
        let malformed = |reason: &str| Error::Malformed {
            file: file.clone(),
            reason: reason.to_owned(),
        };
        let name = |key: &str| json.get(key).and_then(Value::as_str);
        let class = name("registered_name").or_else(|| name("class_name"));
        let class = class.ok_or_else(|| malformed("it names no class (registered_name)"))?;
        let class = class.rsplit('>').next().unwrap_or(class).to_owned();
        match json.get("config") {
            Some(Value::Object(arguments)) => Ok(Self {
                class,
                arguments: arguments.clone(),
                file,
            }),
            _ => Err(malformed("\"config\" is missing or not an object")),
        }
    }

    /// What is wrong with an argument.
    pub(super) fn refuse(&self, key: &str, reason: &str) -> Error {
        Error::Malformed {
            file: self.file.clone(),
            reason: format!("{key} of {}: {reason}", self.class),
        }
    }

    /// An argument that is not null.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.arguments.get(key).filter(|value| !value.is_null())
    }

    /// A whole number that must be there, from 1.
    pub(super) fn size(&self, key: &str) -> Result<usize> {
        let size = self.optional_size(key)?;
        size.ok_or_else(|| self.refuse(key, "missing, and the model's shape depends on it"))
    }

    /// A whole number from 1; `default` if it is missing or null.
    pub(super) fn size_or(&self, key: &str, default: usize) -> Result<usize> {
        Ok(self.optional_size(key)?.unwrap_or(default))
    }

    /// A whole number from 1; none if it is missing or null.
    pub(super) fn optional_size(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_u64() {
            Some(size) if (1..=LARGEST_SIZE).contains(&size) => Ok(Some(size as usize)),
            _ => {
                let reason =
                    format!("expected a whole number from 1 to {LARGEST_SIZE}, found {value}");
                Err(self.refuse(key, &reason))
            }
        }
    }

    /// A number of layers, or of groups of them.
    pub(super) fn layers(&self, key: &str) -> Result<usize> {
        self.at_most(key, MOST_LAYERS)
    }

    /// The same; `default` if it is missing or null.
    pub(super) fn layers_or(&self, key: &str, default: usize) -> Result<usize> {
        match self.get(key) {
            Some(_) => self.layers(key),
            None => Ok(default),
        }
    }

    /// A number of experts.
    pub(super) fn experts(&self, key: &str) -> Result<usize> {
        self.at_most(key, MOST_EXPERTS)
    }

    fn at_most(&self, key: &str, most: usize) -> Result<usize> {
        match self.size(key)? {
            count if count <= most => Ok(count),
            count => Err(self.refuse(key, &format!("expected at most {most}, found {count}"))),
        }
    }

    /// A token's id, from 0; none if it is missing or null.
    pub(super) fn optional_id(&self, key: &str) -> Result<Option<usize>> {
        match self.get(key) {
            Some(Value::Number(id)) if id.as_u64() == Some(0) => Ok(Some(0)),
            _ => self.optional_size(key),
        }
    }

    /// A number.
    pub(super) fn number(&self, key: &str, default: f64) -> Result<f64> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => value
                .as_f64()
                .ok_or_else(|| self.refuse(key, &format!("expected a number, found {value}"))),
        }
    }

    /// True or false.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.refuse(key, &format!("expected true or false, found {value}"))),
        }
    }

    /// Refuses a flag that is not as the models of other libraries have it; missing, it is so.
    pub(super) fn needs(&self, key: &str, needed: bool) -> Result<()> {
        if self.flag(key, needed)? == needed {
            return Ok(());
        }
        Err(self.refuse(
            key,
            &format!("expected {needed}: models with {} are not read", !needed),
        ))
    }

    /// One of some words, without the package that registered it; the first if it is missing or null.
    pub(super) fn one_of<'w>(&self, key: &str, words: &[&'w str]) -> Result<&'w str> {
        let found = self
            .word(key)?
            .map(|word| word.rsplit('>').next().unwrap_or(word));
        let found = found.or(words.first().copied()).unwrap_or_default();
        let known = words.iter().find(|word| **word == found);
        known.copied().ok_or_else(|| {
            self.refuse(
                key,
                &format!("expected {}, found {found}", words.join(" or ")),
            )
        })
    }

    /// A word; none if it is missing or null.
    pub(super) fn word(&self, key: &str) -> Result<Option<&str>> {
        match self.get(key) {
            None => Ok(None),
            // A function is an object that names it.
            Some(value) => match value.as_str().or_else(|| value.get("config")?.as_str()) {
                Some(word) => Ok(Some(word)),
                None => Err(self.refuse(key, &format!("expected a word, found {value}"))),
            },
        }
    }

    /// Whether the object is of this class, or was saved under a former name of it.
    pub(super) fn is(&self, class: &str) -> bool {
        let former = FORMER.iter().filter_map(|(before, now)| {
            let stem = class.strip_suffix(now)?;
            // `BertMaskedLMPreprocessor` has no former name.
            self.class.strip_prefix(stem).filter(|rest| rest == before)
        });
        self.class == class || former.count() > 0
    }
}
