//! Checkpoints of several files, with a table that says which tensor lies in which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use serde_json::{Map, Value};

use crate::{Error, Preset, Result, Weights};

/// Opens every file that an index lists. The index decides: a tensor that it puts elsewhere, or leaves out, is not taken.
/// `name` is the index's own name.
pub(crate) fn open(preset: &Preset, name: &str, index: &Map<String, Value>) -> Result<Weights> {
    let label = preset.locate(name);
    let malformed = |reason: String| Error::Malformed {
        file: label.clone(),
        reason,
    };
    let Some(Value::Object(map)) = index.get("weight_map") else {
        return Err(malformed(
            "\"weight_map\" is missing or not an object of tensor names and files".into(),
        ));
    };
    let mut listed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (tensor, file) in map {
        let file = file
            .as_str()
            .filter(|file| is_plain_file_name(file))
            .ok_or_else(|| {
                malformed(format!(
                    "tensor \"{tensor}\" is said to lie in {file}, which is not a plain file name"
                ))
            })?;
        listed.entry(file).or_default().insert(tensor);
    }

    let mut weights = Weights::empty(label.clone());
    for (file, tensors) in listed {
        let bytes = preset.map(file)?.ok_or_else(|| Error::MissingFile {
            preset: preset.name().to_owned(),
            file: file.to_owned(),
            hint: format!("{name} lists it: fetch the preset again"),
        })?;
        weights.add(preset.locate(file), bytes, |name| tensors.contains(name))?;
        if let Some(absent) = tensors.iter().find(|name| weights.get(name).is_none()) {
            return Err(malformed(format!(
                "tensor \"{absent}\" should be in {file} but is not there"
            )));
        }
    }
    Ok(weights)
}

/// Whether a name from an index is one step of a path, on this system and on others.
pub(crate) fn is_plain_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
        && !name.contains(['\\', ':', '\0'])
}

#[cfg(test)]
mod tests {
    use crate::weights::tests::sharded;

    #[test]
    fn shards_are_read_as_their_index_says() {
        let weights =
            sharded(r#"{"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}"#).unwrap();
        assert_eq!(weights.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(weights.get("b").unwrap().to_f32().unwrap(), [2.0, 3.0]);
    }

    #[test]
    fn a_shard_outside_the_preset_is_refused() {
        for file in [
            "../one.safetensors",
            "/etc/passwd",
            "x/one.safetensors",
            "..",
            "",
            ".",
            "x\\y",
            "c:y",
            "one.safetensors/",
        ] {
            let index = serde_json::json!({"weight_map": {"a": file}}).to_string();
            let message = sharded(&index).unwrap_err().to_string();
            assert!(
                message.contains("not a plain file name"),
                "{file}: {message}"
            );
        }
    }

    #[test]
    fn a_missing_shard_and_a_missing_tensor_are_named() {
        let message = sharded(r#"{"weight_map":{"a":"gone.safetensors"}}"#)
            .unwrap_err()
            .to_string();
        assert!(message.contains("has no gone.safetensors"), "{message}");
        let message = sharded(r#"{"weight_map":{"b":"one.safetensors"}}"#)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("tensor \"b\" should be in one.safetensors"),
            "{message}"
        );
        assert!(
            sharded("{}")
                .unwrap_err()
                .to_string()
                .contains("\"weight_map\" is missing")
        );
    }
}
