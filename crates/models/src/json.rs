//! Reading `config.json`: typed, with the file and key in every message, remembering which keys a family knows.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use engraft_component::Refusal;
use serde_json::{Map, Value};

use crate::config::Activation;
use crate::error::{Error, Result, refuse};
use crate::families::Family;

/// Sizes beyond this are hostile or damaged, and would overflow or exhaust memory.
const LARGEST_SIZE: u64 = 1 << 26;

/// Deeper than any model there is.
pub(crate) const MOST_LAYERS: usize = 1024;

/// The object of a `config.json` and the keys asked of it so far.
pub(crate) struct ConfigReader<'a> {
    place: &'a str,
    object: &'a Map<String, Value>,
    spellings: &'static [Spellings],
    keys: RefCell<Keys>,
}

/// Keys that all say the same, the one that counts first; a file has one of them.
pub(crate) type Spellings = &'static [&'static str];

/// What became of the keys that a family knows.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    /// Those that were asked for.
    asked: BTreeSet<&'static str>,
    /// Those that count for nothing, and why.
    ignored: BTreeMap<&'static str, &'static str>,
    /// Those inside the objects that state a stack each.
    inside: BTreeMap<&'static str, Keys>,
}

impl Keys {
    /// Refuses values that would change nothing: of keys that the family does not know, or that do not count here.
    pub(crate) fn check_overwrites(
        &self,
        overwrites: &Map<String, Value>,
        family: &Family,
    ) -> Result<()> {
        self.check_object(overwrites, family, "config_overwrites")
    }

    /// The same of an object at `place`.
    fn check_object(
        &self,
        overwrites: &Map<String, Value>,
        family: &Family,
        place: &str,
    ) -> Result<()> {
        for (key, value) in overwrites {
            let place = format!("{place}.{key}");
            if let (Some(inside), Some(object)) = (self.inside.get(key.as_str()), value.as_object())
            {
                inside.check_object(object, family, &place)?;
                continue;
            }
            let refuse = |problem| refuse(&place, problem);
            if let Some(because) = self.ignored.get(key.as_str()) {
                let refusal = refuse("changes nothing here".to_owned());
                return Err(refusal.help(format!("It counts only {because}")).into());
            }
            if !self.asked.contains(key.as_str()) {
                let known: Vec<&str> = self.asked.iter().copied().collect();
                let refusal = refuse(format!("the family {} has no such key", family.name));
                return Err(Refusal {
                    help: engraft_component::did_you_mean(key, &known, "keys"),
                    ..refusal
                }
                .into());
            }
        }
        Ok(())
    }
}

impl<'a> ConfigReader<'a> {
    pub(crate) fn new(place: &'a str, object: &'a Map<String, Value>) -> Self {
        Self {
            place,
            object,
            spellings: &[],
            keys: RefCell::default(),
        }
    }

    /// The same for a family that has several names for some keys.
    pub(crate) fn with_spellings(self, spellings: &'static [Spellings]) -> Self {
        Self { spellings, ..self }
    }

    /// What became of the family's keys so far.
    pub(crate) fn keys(&self) -> Keys {
        self.keys.borrow().clone()
    }

    /// What `read` makes of the object under `key`, which the model's shape depends on.
    pub(crate) fn inside<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&ConfigReader<'_>) -> Result<T>,
    ) -> Result<T> {
        let value = self.required(key)?;
        let object = value
            .as_object()
            .ok_or_else(|| self.error(key, format!("expected an object, found {value}")))?;
        let place = self.place_of(key);
        let inner = ConfigReader::new(&place, object);
        let found = read(&inner)?;
        self.keys.borrow_mut().inside.insert(key, inner.keys());
        Ok(found)
    }

    /// Notes that keys count for nothing in this configuration: they count only `because` of something that is not so.
    pub(crate) fn ignores(&self, keys: &[&'static str], because: &'static str) {
        let mut known = self.keys.borrow_mut();
        known.ignored.extend(keys.iter().map(|key| (*key, because)));
    }

    pub(crate) fn error(&self, key: &str, problem: impl Into<String>) -> Error {
        Error::Config {
            place: self.place_of(key),
            problem: problem.into(),
        }
    }

    /// The value of `key`, unless absent or null.
    pub(crate) fn value(&self, key: &'static str) -> Option<&'a Value> {
        let mut found = self.ask(key).filter_map(|key| self.object.get(key));
        found.find(|value| !value.is_null())
    }

    /// Whether `key` has a value, be it one that the family reads or not.
    pub(crate) fn states(&self, key: &str) -> bool {
        self.object.get(key).is_some_and(|value| !value.is_null())
    }

    /// Whether `key` is there with no value.
    pub(crate) fn is_null(&self, key: &'static str) -> bool {
        self.ask(key)
            .filter_map(|key| self.object.get(key))
            .any(Value::is_null)
    }

    /// The spellings of `key`, all of which count as asked for.
    fn ask(&self, key: &'static str) -> impl Iterator<Item = &'static str> {
        let same = self.spellings.iter().find(|same| same.contains(&key));
        let same = same.map_or_else(|| vec![key], |same| same.to_vec());
        self.keys.borrow_mut().asked.extend(&same);
        same.into_iter()
    }

    /// A size: a positive whole number.
    pub(crate) fn size(&self, key: &'static str) -> Result<usize> {
        let value = self.required(key)?;
        self.check_size(key, value)
    }

    fn required(&self, key: &'static str) -> Result<&'a Value> {
        let missing = || self.error(key, "missing, and the model's shape depends on it");
        self.value(key).ok_or_else(missing)
    }

    /// A number of layers, bounded before anything is made for each of them.
    pub(crate) fn layers(&self, key: &'static str) -> Result<usize> {
        match self.size(key)? {
            layers if layers <= MOST_LAYERS => Ok(layers),
            layers => Err(self.error(
                key,
                format!("{layers} layers are more than the {MOST_LAYERS} that a model may have"),
            )),
        }
    }

    /// A size that has a default.
    pub(crate) fn size_or(&self, key: &'static str, default: usize) -> Result<usize> {
        self.value(key)
            .map_or(Ok(default), |value| self.check_size(key, value))
    }

    /// A size that may be absent.
    pub(crate) fn optional_size(&self, key: &'static str) -> Result<Option<usize>> {
        self.value(key)
            .map(|value| self.check_size(key, value))
            .transpose()
    }

    /// The file and `key`, for a reader of the object inside.
    pub(crate) fn place_of(&self, key: &str) -> String {
        format!("{}: {key}", self.place)
    }

    fn check_size(&self, key: &str, value: &Value) -> Result<usize> {
        match value.as_u64() {
            Some(size) if (1..=LARGEST_SIZE).contains(&size) => Ok(size as usize),
            _ => Err(self.error(
                key,
                format!("expected a whole number from 1 to {LARGEST_SIZE}, found {value}"),
            )),
        }
    }

    /// A token id; may be 0.
    pub(crate) fn id_or(&self, key: &'static str, default: usize) -> Result<usize> {
        let Some(value) = self.value(key) else {
            return Ok(default);
        };
        match value.as_u64() {
            Some(id) if id <= LARGEST_SIZE => Ok(id as usize),
            _ => Err(self.error(key, format!("expected a token id, found {value}"))),
        }
    }

    /// A finite number of at least 0.
    pub(crate) fn number_or(&self, key: &'static str, default: f64) -> Result<f64> {
        let Some(value) = self.value(key) else {
            return Ok(default);
        };
        match value.as_f64() {
            Some(number) if number.is_finite() && number >= 0.0 => Ok(number),
            _ => Err(self.error(
                key,
                format!("expected a number of at least 0, found {value}"),
            )),
        }
    }

    /// A share in `[0, 1)`.
    pub(crate) fn dropout_or(&self, key: &'static str, default: f64) -> Result<f64> {
        let rate = self.number_or(key, default)?;
        if rate < 1.0 {
            Ok(rate)
        } else {
            Err(self.error(
                key,
                format!("expected a dropout rate from 0 to below 1, found {rate}"),
            ))
        }
    }

    pub(crate) fn flag_or(&self, key: &'static str, default: bool) -> Result<bool> {
        let Some(value) = self.value(key) else {
            return Ok(default);
        };
        value
            .as_bool()
            .ok_or_else(|| self.error(key, format!("expected true or false, found {value}")))
    }

    pub(crate) fn activation_or(
        &self,
        key: &'static str,
        default: Activation,
    ) -> Result<Activation> {
        let Some(value) = self.value(key) else {
            return Ok(default);
        };
        match value.as_str() {
            Some("gelu") => Ok(Activation::Gelu),
            Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_python_tanh") => {
                Ok(Activation::GeluTanh)
            }
            Some("relu") => Ok(Activation::Relu),
            Some("silu" | "swish") => Ok(Activation::Silu),
            Some("tanh") => Ok(Activation::Tanh),
            _ => Err(self.error(
                key,
                format!("unknown activation {value}; known are gelu, gelu_new, relu, silu, tanh"),
            )),
        }
    }

    /// Refuses a value that the family's implementation here does not cover.
    pub(crate) fn only(&self, key: &'static str, supported: &str) -> Result<()> {
        match self.value(key) {
            Some(value) if value.as_str() != Some(supported) => Err(self.error(
                key,
                format!("{value} is not supported yet, only {supported:?}"),
            )),
            _ => Ok(()),
        }
    }

    /// The number of classes and their names, as the reference library stores them; names that are placeholders are none.
    pub(crate) fn labels(&self) -> Result<(Option<usize>, Option<Vec<String>>)> {
        let Some(map) = self.value("id2label") else {
            let count = self
                .value("num_labels")
                .map(|value| self.check_size("num_labels", value))
                .transpose()?;
            return Ok((count, None));
        };
        let map = map.as_object().ok_or_else(|| {
            self.error("id2label", "expected an object of class numbers and names")
        })?;
        let mut names = vec![None; map.len()];
        for (id, name) in map {
            let slot = id.parse::<usize>().ok().and_then(|id| names.get_mut(id));
            match (slot, name.as_str()) {
                (Some(slot), Some(name)) => *slot = Some(name.to_owned()),
                _ => {
                    let last = map.len().saturating_sub(1);
                    return Err(self.error("id2label", format!("expected the class numbers 0 to {last} with a name each, found {id:?}: {name}")));
                }
            }
        }
        let names: Vec<String> = names.into_iter().flatten().collect();
        let placeholders = names
            .iter()
            .enumerate()
            .all(|(id, name)| *name == format!("LABEL_{id}"));
        if self.value("num_labels").and_then(Value::as_u64) != Some(names.len() as u64) {
            self.ignores(&["num_labels"], "without id2label");
        }
        Ok((Some(names.len()), (!placeholders).then_some(names)))
    }
}
