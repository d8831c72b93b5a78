//! An object as Keras writes it: its class and its arguments.

use serde_json::{Map, Value};

use crate::{Error, Result};

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
        size.ok_or_else(|| self.refuse(key, "missing; expected a whole number"))
    }

    /// A whole number from 1; none if it is missing or null.
    pub(super) fn optional_size(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        // Far below what would overflow where sizes are multiplied.
        let size = value.as_u64().filter(|size| (1..1 << 31).contains(size));
        match size.and_then(|size| usize::try_from(size).ok()) {
            Some(size) => Ok(Some(size)),
            None => Err(self.refuse(
                key,
                &format!("expected a whole number from 1, found {value}"),
            )),
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
