//! Which of a repository's files a model needs: those that describe it at once, its weights when they are read, and nothing else.

use std::path::Path;

use serde_json::{Map, Value};

use crate::keras;
use crate::shards::is_plain_file_name;

/// Endings of files that describe a model and its tokenizer.
const ENDINGS: [&str; 5] = ["json", "txt", "model", "jinja", "yaml"];

/// What begins the names of such files that say how a model was trained, or how its weights lie in a form that is not read.
const NOT_NEEDED: [&str; 8] = [
    "trainer_state",
    "training_args",
    "all_results",
    "train_results",
    "eval_results",
    "flax_model",
    "tf_model",
    "requirements",
];

/// The files of weights of a model, in order of preference: of one file, and of the table of contents of several.
pub(crate) const WEIGHTS: [(&str, &str); 2] = [
    ("model.safetensors", "model.safetensors.index.json"),
    ("pytorch_model.bin", "pytorch_model.bin.index.json"),
];

/// The same of KerasHub's.
const KERAS_WEIGHTS: (&str, &str) = (keras::WEIGHTS, keras::SHARDS);

/// The weights of an adapter, in order of preference.
const ADAPTERS: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];

/// What a preset of ours says of its task. Its weights are looked into before anything else.
const OURS: &str = "engraft.yaml";

/// Where KerasHub has vocabularies.
const ASSETS: &str = "assets/";

/// Of all files, those that say what a model is: its configuration and tokenizer, and small weights beside the model's own.
pub(crate) fn descriptions(files: &[String]) -> Vec<&str> {
    let mut wanted: Vec<&str> = files
        .iter()
        .map(String::as_str)
        .filter(|path| describes(path))
        .collect();
    wanted.extend(first_of(&ADAPTERS, files));
    // Modules of sentence-transformers, as 2_Dense, have weights of their own.
    for folder in files.iter().filter_map(|path| module_of(path)) {
        let names = WEIGHTS.map(|(single, _)| format!("{folder}/{single}"));
        let names = names.each_ref().map(String::as_str);
        wanted.extend(first_of(&names, files));
    }
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// Whether weights are wanted as soon as the preset is opened.
pub(crate) fn are_weights_wanted_at_once(files: &[String]) -> bool {
    files.iter().any(|path| path == OURS)
}

/// Whether files are those of a preset of KerasHub.
pub(crate) fn are_of_keras(files: &[String]) -> bool {
    let (single, index) = KERAS_WEIGHTS;
    files
        .iter()
        .any(|path| [single, index].contains(&path.as_str()))
}

/// Of all files, those that hold the model's weights; `read` gives the object in a file that describes the model.
///
/// # Errors
///
/// A table of contents cannot be read.
pub(crate) fn weights<E>(
    files: &[String],
    is_keras: bool,
    read: impl Fn(&str) -> Result<Option<Map<String, Value>>, E>,
) -> Result<Vec<&str>, E> {
    let forms: &[(&str, &str)] = if is_keras { &[KERAS_WEIGHTS] } else { &WEIGHTS };
    let has = |name: &str| files.iter().map(String::as_str).find(|path| *path == name);
    let mut wanted = Vec::new();
    for (single, index) in forms {
        if let Some(single) = has(single) {
            wanted.push(single);
            break;
        }
        if has(index).is_some()
            && let Some(index) = read(index)?
        {
            wanted.extend(shards_of(&index).into_iter().filter_map(|name| has(&name)));
            break;
        }
    }
    if is_keras {
        wanted.extend(has(keras::TASK_WEIGHTS));
    }
    Ok(wanted)
}

/// Of all files, those that a model needs, as far as their names tell: where a table of contents is not read, all shards that are called so.
pub(crate) fn by_names(files: &[String]) -> Vec<&str> {
    let index = |name: &str| {
        let (begin, end) = match name {
            "model.safetensors.index.json" => ("model-", ".safetensors"),
            "pytorch_model.bin.index.json" => ("pytorch_model-", ".bin"),
            _ => ("model_", ".weights.h5"),
        };
        let shards = files
            .iter()
            .filter(|path| path.starts_with(begin) && path.ends_with(end));
        let map: Map<String, Value> = shards
            .map(|path| (path.clone(), path.as_str().into()))
            .collect();
        Ok::<_, std::convert::Infallible>(Some(Map::from_iter([(
            "weight_map".to_owned(),
            map.into(),
        )])))
    };
    let Ok(weights) = weights(files, are_of_keras(files), index);
    let mut wanted = descriptions(files);
    wanted.extend(weights);
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// The names of files that a table of contents says tensors lie in; whoever reads them refuses what it lacks.
fn shards_of(index: &Map<String, Value>) -> Vec<String> {
    let map = index.get("weight_map").and_then(Value::as_object);
    let names = map.into_iter().flat_map(Map::values).flat_map(|files| {
        let several = files.as_array().map(Vec::as_slice);
        several.unwrap_or(std::slice::from_ref(files))
    });
    let mut names: Vec<String> = names
        .filter_map(Value::as_str)
        .filter(|name| is_plain_file_name(name))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

fn first_of<'a>(names: &[&str], files: &'a [String]) -> Option<&'a str> {
    let mut names = names.iter();
    names.find_map(|name| files.iter().map(String::as_str).find(|path| path == name))
}

fn describes(path: &str) -> bool {
    let Some((folder, name)) = path.rsplit_once('/') else {
        return is_text(path) && !NOT_NEEDED.iter().any(|begin| path.starts_with(begin));
    };
    let is_module = module_of(path) == Some(folder);
    path.starts_with(ASSETS) || (is_module && is_text(name))
}

fn is_text(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(|it| it.to_str());
    ending.is_some_and(|ending| ENDINGS.contains(&ending))
}

/// The folder of a module of sentence-transformers, as `1_Pooling`, that a file lies in.
fn module_of(path: &str) -> Option<&str> {
    let (folder, name) = path.split_once('/')?;
    let (number, _) = folder.split_once('_')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !name.contains('/')).then_some(folder)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn files(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// What is wanted of a repository, with a table of contents that every index has.
    fn wanted(names: &[&str], is_keras: bool) -> (Vec<String>, Vec<String>) {
        let files = files(names);
        let index = json!({"weight_map": {
            "a": "model-00001-of-00002.safetensors",
            "b": "model-00002-of-00002.safetensors",
            "/layers/c": ["model_00000.weights.h5", "model_00001.weights.h5"],
            "d": "../evil",
        }});
        let read = |_: &str| Ok::<_, ()>(index.as_object().cloned());
        let owned = |paths: Vec<&str>| paths.into_iter().map(str::to_owned).collect();
        let weights = weights(&files, is_keras, read).unwrap();
        (owned(descriptions(&files)), owned(weights))
    }

    #[test]
    fn of_a_published_encoder_one_form_of_weights_is_wanted() {
        // What sentence-transformers/all-MiniLM-L6-v2 has.
        let (described, weights) = wanted(
            &[
                ".gitattributes",
                "1_Pooling/config.json",
                "README.md",
                "config.json",
                "config_sentence_transformers.json",
                "data_config.json",
                "model.safetensors",
                "modules.json",
                "onnx/model.onnx",
                "onnx/model_O1.onnx",
                "openvino/openvino_model.bin",
                "pytorch_model.bin",
                "sentence_bert_config.json",
                "special_tokens_map.json",
                "tf_model.h5",
                "tokenizer.json",
                "tokenizer_config.json",
                "train_script.py",
                "vocab.txt",
            ],
            false,
        );
        assert_eq!(
            described,
            [
                "1_Pooling/config.json",
                "config.json",
                "config_sentence_transformers.json",
                "data_config.json",
                "modules.json",
                "sentence_bert_config.json",
                "special_tokens_map.json",
                "tokenizer.json",
                "tokenizer_config.json",
                "vocab.txt",
            ]
        );
        assert_eq!(weights, ["model.safetensors"]);
    }

    #[test]
    fn shards_are_wanted_as_the_table_of_contents_names_them() {
        let names = [
            "config.json",
            "consolidated.00.pth",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "pytorch_model.bin",
        ];
        let (_, weights) = wanted(&names, false);
        assert_eq!(weights, names[2..4]);
        let (_, weights) = wanted(&["pytorch_model.bin", "flax_model.msgpack"], false);
        assert_eq!(weights, ["pytorch_model.bin"]);
    }

    #[test]
    fn of_a_preset_of_keras_hub_all_is_wanted_but_its_card() {
        let (described, weights) = wanted(
            &[
                "README.md",
                "assets/tokenizer/merges.txt",
                "assets/tokenizer/vocabulary.json",
                "config.json",
                "metadata.json",
                "model.weights.json",
                "model_00000.weights.h5",
                "model_00001.weights.h5",
                "preprocessor.json",
                "task.json",
                "task.weights.h5",
                "tokenizer.json",
            ],
            true,
        );
        assert_eq!(described.len(), 8);
        assert_eq!(
            weights,
            [
                "model_00000.weights.h5",
                "model_00001.weights.h5",
                "task.weights.h5"
            ]
        );
    }

    #[test]
    fn adapters_and_modules_bring_their_small_weights_at_once() {
        let (described, weights) = wanted(
            &[
                "2_Dense/config.json",
                "2_Dense/model.safetensors",
                "2_Dense/pytorch_model.bin",
                "adapter_config.json",
                "adapter_model.bin",
                "adapter_model.safetensors",
                "checkpoint-10/trainer_state.json",
            ],
            false,
        );
        assert_eq!(
            described,
            [
                "2_Dense/config.json",
                "2_Dense/model.safetensors",
                "adapter_config.json",
                "adapter_model.safetensors",
            ]
        );
        assert!(weights.is_empty());
    }
}
