//! The types of arguments as schemas.
//!
//! Editors read YAML 1.2 and some tools 1.1, and each takes some numbers for text (`1e-3`, `196_608`) that are read as numbers
//! here, as they are by the type of the argument. So text that is written like a number is a number.

use engraft_component::{Argument, Kind, Node, read_yaml, to_flow};
use serde_json::{Value, json};

use super::Definitions;
use crate::json::node_to_json;
use crate::registry::inner;

pub(super) fn boolean() -> Value {
    json!({"anyOf": [
        {"type": "boolean"},
        {"type": "string", "pattern": "^(true|True|TRUE|yes|Yes|YES|on|On|ON|false|False|FALSE|no|No|NO|off|Off|OFF)$"},
    ]})
}

pub(super) fn integer() -> Value {
    json!({"anyOf": [
        {"type": "integer"},
        {"type": "string", "pattern": "^[-+]?(0x[0-9a-fA-F]+|[0-9][0-9_]*(\\.[0-9]*)?([eE][-+]?[0-9]+)?)$"},
    ]})
}

pub(super) fn number() -> Value {
    json!({"anyOf": [
        {"type": "number"},
        {"type": "string", "pattern": "^[-+]?([0-9][0-9_]*(\\.[0-9_]*)?|\\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?$"},
        {"type": "string", "pattern": "^([-+]?\\.?(inf|Inf|INF)|\\.?(nan|NaN|NAN))$"},
    ]})
}

/// Numbers and flags are text where text is wanted.
pub(super) fn text() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}

impl Definitions {
    /// The schema of a value of this type; `key` names the group, if it is one.
    pub(super) fn kind(&mut self, kind: &Kind, key: &str) -> Value {
        let basic = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
        match kind {
            Kind::Boolean => basic("boolean"),
            Kind::Integer { min, max } => {
                let mut value = basic("integer");
                // Bounds beyond these are the machine's, which nobody reaches in a file.
                let told = i128::from(i32::MIN)..=i128::from(u32::MAX);
                for (word, bound) in [("minimum", min), ("maximum", max)] {
                    if told.contains(bound)
                        && let (Some(object), Ok(bound)) =
                            (value.as_object_mut(), i64::try_from(*bound))
                    {
                        object.insert(word.to_owned(), bound.into());
                    }
                }
                value
            }
            Kind::Number => basic("number"),
            Kind::Text | Kind::Path => basic("text"),
            Kind::Words(words) => json!({"enum": words}),
            Kind::OneOf(kinds) => {
                let kinds: Vec<Value> = kinds.iter().map(|kind| self.kind(kind, key)).collect();
                json!({"anyOf": kinds})
            }
            Kind::Optional(kind) => {
                let value = self.kind(kind, key);
                json!({"anyOf": [value, {"enum": [null, "None"]}]})
            }
            Kind::List(kind) => {
                let item = self.kind(kind, key);
                json!({"anyOf": [{"type": "array", "items": item}, item]})
            }
            Kind::Array(kind, length) => {
                let item = self.kind(kind, key);
                json!({"type": "array", "items": item, "minItems": length, "maxItems": length})
            }
            Kind::Map(kind) => {
                let value = self.kind(kind, key);
                json!({"type": "object", "additionalProperties": value})
            }
            Kind::Component(info) => self.group(key, info),
            Kind::Choice(choice) => self.slot(choice),
            // `Any`, and what is yet unknown here.
            _ => json!({}),
        }
    }
}

/// Whether a file may append to the argument with `key+`.
pub(super) fn is_list(kind: &Kind) -> bool {
    match kind {
        Kind::List(_) => true,
        Kind::Optional(kind) => is_list(kind),
        Kind::OneOf(kinds) => kinds.iter().any(is_list),
        _ => false,
    }
}

/// The default of an argument; a class with nothing but its own defaults is its name.
pub(super) fn default_of(argument: &Argument) -> Option<Value> {
    let text = argument.default.as_deref()?;
    let node = read_yaml(text.as_bytes(), "").ok()?;
    Some(match plain_class(&node, &argument.kind) {
        Some(name) => name.into(),
        None => node_to_json(&node),
    })
}

fn plain_class(node: &Node, kind: &Kind) -> Option<String> {
    let Kind::Choice(choice) = inner(kind) else {
        return None;
    };
    let class = node.as_map()?;
    let name = class.get("class_path")?.as_text()?;
    let given = class.get("init_args")?.as_map()?;
    let variants = choice.variants();
    let info = variants.iter().find(|info| info.name == name)?;
    let is_default = |argument: &Argument| {
        let value = given.get(argument.name).map(to_flow);
        value.is_none() || value == argument.default
    };
    info.arguments()
        .iter()
        .all(is_default)
        .then(|| name.to_owned())
}
