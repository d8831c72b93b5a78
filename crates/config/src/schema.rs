//! The JSON Schema (draft 2020-12) of experiment files, for editors that complete and check them.
//!
//! It is found by walking through the same typed registry that files are read with, so that a component which can be named is in
//! it. A schema sees keys, types and names; what it cannot see (ranges that depend on another key, files that are not there) the
//! program refuses.

mod kinds;
mod slots;

use engraft_component::{Component, ComponentInfo};
use serde_json::{Map, Value, json};

use crate::experiment::Experiment;
use kinds::{boolean, integer, number, text};

/// Which files the schema is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaForm {
    /// Whole experiments: what is required must be there.
    Complete,
    /// Parts of an experiment, which other files or options complete: nothing is required.
    Partial,
}

/// The schema of experiment files.
pub fn schema(form: SchemaForm) -> Value {
    let about = match form {
        SchemaForm::Complete => "An experiment of Engraft: model, data, trainer.",
        SchemaForm::Partial => {
            "A part of an experiment of Engraft, which other files or options complete."
        }
    };
    let definitions = Definitions {
        form,
        composes: true,
        written: Map::new(),
    };
    definitions.schema(&Experiment::info(), "Engraft experiment", about)
}

/// The schema of a file or a request that holds the arguments of one component.
pub fn component_schema<T: Component>() -> Value {
    let definitions = Definitions {
        form: SchemaForm::Complete,
        composes: false,
        written: Map::new(),
    };
    let info = T::info();
    let mut schema = definitions.schema(&info, info.name, info.doc);
    let required = slots::required(&slots::required_names(&info), true);
    if let (Some(schema), Value::Object(required)) = (schema.as_object_mut(), required) {
        schema.extend(required);
    }
    schema
}

/// The parts of the schema that others refer to, written as they are first met.
struct Definitions {
    form: SchemaForm,
    /// Whether files are composed, so that one may add to the lists of those before it.
    composes: bool,
    written: Map<String, Value>,
}

impl Definitions {
    /// The schema of the arguments of a component, with all that it refers to.
    fn schema(mut self, info: &ComponentInfo, title: &str, about: &str) -> Value {
        for (name, definition) in [
            ("boolean", boolean()),
            ("integer", integer()),
            ("number", number()),
            ("text", text()),
        ] {
            self.written.insert(name.to_owned(), definition);
        }
        let root = self.arguments(info);
        let mut schema = Map::new();
        for (key, value) in [
            (
                "$schema",
                json!("https://json-schema.org/draft/2020-12/schema"),
            ),
            ("title", json!(title)),
            ("description", json!(about)),
        ] {
            schema.insert(key.to_owned(), value);
        }
        let root = root.as_object().cloned().unwrap_or_default();
        for (key, value) in root {
            schema.entry(key).or_insert(value);
        }
        schema.insert("$defs".to_owned(), Value::Object(self.written));
        Value::Object(schema)
    }

    /// A reference to a definition, which `write` makes if it is not there yet. Components may contain each other, so its place is taken
    /// before it is made.
    fn refer(&mut self, name: &str, write: impl FnOnce(&mut Self) -> Value) -> Value {
        if !self.written.contains_key(name) {
            self.written.insert(name.to_owned(), Value::Null);
            let definition = write(self);
            self.written.insert(name.to_owned(), definition);
        }
        json!({"$ref": format!("#/$defs/{name}")})
    }

    /// The arguments of a component as keys of a mapping, without what is required.
    fn arguments(&mut self, info: &ComponentInfo) -> Value {
        let mut properties = Map::new();
        for argument in info.arguments() {
            let value = self.kind(&argument.kind, argument.name);
            let mut property = Map::new();
            property.insert("description".to_owned(), argument.doc.into());
            if let Some(default) = kinds::default_of(&argument) {
                property.insert("default".to_owned(), default);
            }
            property.extend(value.as_object().cloned().unwrap_or_default());
            for &alias in argument.aliases {
                let mut other = property.clone();
                let text = format!("The same as `{}`. {}", argument.name, argument.doc);
                other.insert("description".to_owned(), text.into());
                properties.insert(alias.to_owned(), Value::Object(other));
            }
            if self.composes && kinds::is_list(&argument.kind) {
                let mut appended = property.clone();
                appended.remove("default");
                let text = format!("Added to the `{}` of earlier files.", argument.name);
                appended.insert("description".to_owned(), text.into());
                properties.insert(format!("{}+", argument.name), Value::Object(appended));
            }
            properties.insert(argument.name.to_owned(), Value::Object(property));
        }
        for ignored in info.ignored() {
            let text = format!("Accepted without effect: {}.", ignored.instead);
            properties
                .entry(ignored.key)
                .or_insert_with(|| json!({"description": text, "deprecated": true}));
        }
        json!({
            "title": info.name,
            "description": info.doc,
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests;
