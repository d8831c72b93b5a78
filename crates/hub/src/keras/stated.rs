//! A `config.json` of Hugging Face, as what a class of KerasHub is made from.

use serde_json::{Map, Value, json};

use super::families::KERAS_HUB;

/// What a class is given, in the order in which KerasHub writes it.
pub(super) type Arguments = Vec<(&'static str, Value)>;

/// What a `config.json` states.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stated<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Stated<'a> {
    /// What it states of a key; null if nothing.
    pub(super) fn get(self, key: &str) -> Value {
        self.found(key).cloned().unwrap_or(Value::Null)
    }

    /// The same, `usual` if nothing.
    pub(super) fn or(self, key: &str, usual: impl Into<Value>) -> Value {
        self.found(key).cloned().unwrap_or_else(|| usual.into())
    }

    /// A whole number.
    pub(super) fn size(self, key: &str) -> Option<u64> {
        self.found(key)?.as_u64()
    }

    /// A word.
    pub(super) fn word(self, key: &str) -> Option<&'a str> {
        self.found(key)?.as_str()
    }

    /// Whether a flag is set; `usual` if it is not stated.
    pub(super) fn flag(self, key: &str, usual: bool) -> bool {
        self.found(key).and_then(Value::as_bool).unwrap_or(usual)
    }

    /// What it states inside the object under `key`.
    pub(super) fn inside(self, key: &str) -> Option<Stated<'a>> {
        self.found(key)?.as_object().map(Stated)
    }

    /// Layers of whose kinds it states any to be `kind`.
    pub(super) fn has_layer_of(self, kind: &str) -> bool {
        let kinds = self.found("layer_types").and_then(Value::as_array);
        kinds.is_some_and(|kinds| kinds.iter().any(|other| other == kind))
    }

    /// What classes of KerasHub compute otherwise, as a preset of theirs is seen to state it.
    pub(super) fn otherwise(self, key: &str) -> Option<Value> {
        self.inside(KERAS_HUB)?.found(key).cloned()
    }

    /// What the norm after the last layer adds, where the others add `key`.
    pub(super) fn last_norm(self, key: &str, usual: f64) -> Value {
        let own = self.otherwise("last_norm_eps");
        own.unwrap_or_else(|| self.or(key, usual))
    }

    /// What it states of rotations, wherever it does; `usual` if nothing.
    pub(super) fn rotations(self, key: &str, usual: impl Into<Value>) -> Value {
        let stated = ["rope_parameters", "rope_scaling"]
            .into_iter()
            .filter_map(|place| self.inside(place)?.found(key));
        let stated = stated.chain(self.found(key)).next();
        stated.cloned().unwrap_or_else(|| usual.into())
    }

    /// How rotations are scaled; `default` if they are not.
    pub(super) fn scaling(self) -> Value {
        let former = self.rotations("type", "default");
        self.rotations("rope_type", former)
    }

    /// The factor by which positions are divided; 1 if they are not.
    pub(super) fn linear_factor(self) -> Value {
        match self.scaling().as_str() {
            Some("linear") => self.rotations("factor", 1.0),
            _ => json!(1.0),
        }
    }

    fn found(self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }
}
