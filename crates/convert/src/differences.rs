//! What two descriptions of a model compute otherwise.

use std::collections::BTreeSet;
use std::fmt;

use engraft_hub::KERAS_HUB;
use engraft_models::{DropoutConfig, HeadKind, ModelConfig};
use serde_json::{Map, Value};

use crate::error::Result;

/// Something that one library's class computes otherwise than the model that it is to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// A key of `config.json`.
    Key {
        /// The key.
        key: String,
        /// What the model states; null if nothing.
        stated: Value,
        /// What the class has; null if nothing.
        held: Value,
    },
    /// Keys that only together say it.
    Together(String),
    /// A tensor that the class needs and the model has not.
    Missing(String),
    /// A tensor that has another shape there.
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        stated: Vec<usize>,
        /// The one that the class has.
        held: Vec<usize>,
    },
    /// A tensor of the model that counts and the class has no place for.
    Extra(String),
    /// A text of which the other library's tokenizer makes other tokens.
    Tokens(String),
}

impl Difference {
    /// The key, the keys, the tensor or the text.
    pub fn key(&self) -> &str {
        match self {
            Self::Key { key, .. } | Self::Together(key) => key,
            Self::Shape { name, .. } => name,
            Self::Missing(name) | Self::Extra(name) | Self::Tokens(name) => name,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { key, stated, held } => match (stated, held) {
                (Value::Null, held) => {
                    write!(f, "{key} is {} there, and not stated here", short(held))
                }
                (stated, Value::Null) => {
                    write!(f, "{key} is {}, which it cannot have", short(stated))
                }
                (stated, held) => {
                    write!(f, "{key} is {}, and {} there", short(stated), short(held))
                }
            },
            Self::Shape { name, stated, held } => {
                write!(f, "{name} has the shape {stated:?}, and {held:?} there")
            }
            Self::Together(keys) => write!(f, "it cannot have what {keys} say together"),
            Self::Missing(name) => write!(f, "the source has no {name}"),
            Self::Extra(name) => write!(f, "{name} has no place there"),
            Self::Tokens(text) => write!(f, "its tokenizer makes other tokens of \"{text}\""),
        }
    }
}

/// A value on one line that is read at a glance.
fn short(value: &Value) -> String {
    const LETTERS: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Differences as sentences: tensors of which the same is to be said are in one, the first of them by name.
pub fn sentences(differences: &[Difference]) -> Vec<String> {
    const NAMED: usize = 3;
    let kinds = differences.chunk_by(|one, other| {
        let both = [one, other].map(std::mem::discriminant);
        both[0] == both[1] && !matches!(one, Difference::Key { .. })
    });
    let said = kinds.flat_map(|alike| {
        let named = alike.iter().take(NAMED).map(ToString::to_string);
        let more = alike.len().saturating_sub(NAMED);
        named.chain((more > 0).then(|| format!("so it is with {more} more")))
    });
    said.collect()
}

/// Whether a description says what classes of KerasHub compute otherwise.
pub(crate) fn is_of_keras(json: &Map<String, Value>) -> bool {
    json.contains_key(KERAS_HUB)
}

/// What of a model is compared: its transformers, and the head of a kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compared {
    pub(crate) head: HeadKind,
    /// Whether the matrix of logits may be stored beside the table of tokens that it is equal to.
    pub(crate) may_untie: bool,
}

/// The keys by which what `held` describes computes otherwise than what `stated` describes; none if it computes the same.
///
/// A key is found by changing it alone: it counts if the model is then nearer to the other one.
///
/// # Errors
/// One of the two describes no model.
pub(crate) fn differences(
    place: &str,
    stated: &Map<String, Value>,
    held: &Map<String, Value>,
    compared: Compared,
) -> Result<Vec<Difference>> {
    let shape = |json: &Map<String, Value>| -> Result<String> {
        let config = ModelConfig::read(place, json.clone())?;
        Ok(compared.shape(&config))
    };
    let [own, wanted] = [shape(stated)?, shape(held)?];
    let before = apart(&own, &wanted);
    if before == 0 {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mut counting = Vec::new();
    for path in paths(stated).union(&paths(held)) {
        let [stated_value, held_value] = [stated, held].map(|json| at(json, path).cloned());
        if stated_value == held_value {
            continue;
        }
        let mut changed = stated.clone();
        put(&mut changed, path, held_value.clone());
        let changed = shape(&changed).ok();
        if changed
            .as_ref()
            .is_some_and(|shape| apart(shape, &wanted) < before)
        {
            found.push(Difference::Key {
                key: path.join("."),
                stated: stated_value.unwrap_or(Value::Null),
                held: held_value.unwrap_or(Value::Null),
            });
        } else if changed.is_none_or(|shape| shape != own) {
            counting.push(path.join("."));
        }
    }
    if found.is_empty() {
        found.push(Difference::Together(counting.join(", ")));
    }
    Ok(found)
}

impl Compared {
    /// What a model computes, as a text.
    fn shape(self, config: &ModelConfig) -> String {
        let mut stacks = vec![config.transformer.clone()];
        stacks.extend(
            config
                .decoder
                .iter()
                .map(|decoder| decoder.transformer.clone()),
        );
        for stack in &mut stacks {
            // What only training depends on, and what nothing does.
            stack.dropout = DropoutConfig::default();
            stack.initializer_range = 0.0;
            stack.recomputes = false;
            stack.context = None;
        }
        let head = match self.head {
            HeadKind::MaskedLm => config.masked_lm.clone().map(|mut head| {
                head.tied &= !self.may_untie;
                format!("{head:#?}")
            }),
            HeadKind::Classification => {
                let mut head = config.classifier.clone();
                (head.input_dropout, head.dropout) = (0.0, 0.0);
                Some(format!("{head:#?}"))
            }
            _ => {
                let head = config.decoder.as_ref().map(|decoder| decoder.head);
                head.or(config.causal_lm).map(|mut head| {
                    head.tied &= !self.may_untie;
                    format!("{head:#?}")
                })
            }
        };
        format!("{stacks:#?}\n{}", head.unwrap_or_default())
    }
}

/// How many lines differ.
fn apart(one: &str, other: &str) -> usize {
    let [mut one, mut other] = [one, other].map(str::lines);
    let mut count = 0;
    loop {
        match (one.next(), other.next()) {
            (None, None) => return count,
            (first, second) => count += usize::from(first != second),
        }
    }
}

/// The keys of a description; inside the object of what KerasHub computes otherwise, each of its own.
fn paths(json: &Map<String, Value>) -> BTreeSet<Vec<&str>> {
    let inside = json.get(KERAS_HUB).and_then(Value::as_object);
    let inner = inside.into_iter().flat_map(Map::keys);
    let inner = inner.map(|key| vec![KERAS_HUB, key.as_str()]);
    let outer = json
        .keys()
        .map(String::as_str)
        .filter(|key| *key != KERAS_HUB);
    outer.map(|key| vec![key]).chain(inner).collect()
}

fn at<'j>(json: &'j Map<String, Value>, path: &[&str]) -> Option<&'j Value> {
    match path {
        [outer, inner] => json.get(*outer)?.get(inner),
        _ => json.get(*path.first()?),
    }
}

fn put(json: &mut Map<String, Value>, path: &[&str], value: Option<Value>) {
    let (object, key) = match path {
        [outer, inner] => {
            let outer = json
                .entry(*outer)
                .or_insert_with(|| Value::Object(Map::new()));
            (outer.as_object_mut(), *inner)
        }
        [key] => (Some(json), *key),
        _ => return,
    };
    let Some(object) = object else { return };
    match value {
        Some(value) => object.insert(key.to_owned(), value),
        None => object.remove(key),
    };
}
