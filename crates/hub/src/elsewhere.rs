//! Models of other programs, by their names and files: what each is, that it is not read yet, and what to name in its place.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

/// Files of one kind.
struct Kind {
    /// What their names end in.
    endings: &'static [&'static str],
    /// What one of them is.
    what: &'static str,
    /// Why it is no preset, and what would do.
    instead: &'static str,
}

/// What would do in the place of a model in another form.
const INSTEAD: &str = "which is not read yet; name the same model in the layout of transformers, a folder or hf://org/name with config.json and \
                       model.safetensors";

const KINDS: [Kind; 7] = [
    Kind {
        endings: &["gguf", "ggml"],
        what: "a GGUF file, the form of llama.cpp",
        instead: INSTEAD,
    },
    Kind {
        endings: &["h5", "keras"],
        what: "a file of Keras",
        instead: "which says too little of its model; name the folder of the preset, with config.json and model.weights.h5",
    },
    Kind {
        endings: &["onnx", "tflite", "pb"],
        what: "a program for an inference engine",
        instead: INSTEAD,
    },
    Kind {
        endings: &["msgpack"],
        what: "a file of Flax",
        instead: INSTEAD,
    },
    Kind {
        endings: &["ckpt"],
        what: "a checkpoint of PyTorch Lightning",
        instead: "which says too little of its model; name it as --ckpt_path beside the experiment that it was trained by",
    },
    Kind {
        endings: &["safetensors", "bin", "pt", "pth"],
        what: "a file of weights alone",
        instead: "which says too little of its model; name a folder that holds it with config.json and a tokenizer's files",
    },
    Kind {
        endings: &["zip", "tar", "gz", "tgz", "zst"],
        what: "an archive",
        instead: "which is not looked into; unpack it and name the folder",
    },
];

/// Ways of storing weights in few bits, as `config.json` and their users write them.
const METHODS: [(&str, &str); 5] = [
    ("gptq", "GPTQ"),
    ("awq", "AWQ"),
    ("fp8", "FP8"),
    ("mxfp4", "MXFP4"),
    ("aqlm", "AQLM"),
];

/// Where GPTQ and AWQ wrote what they did before `config.json` had a place for it.
const METHOD_FILES: [(&str, &str); 2] = [
    ("quantize_config.json", "GPTQ"),
    ("quant_config.json", "AWQ"),
];

/// Models of ModelGenerator that are none of letters, by what their names begin with, and what they read.
const NOT_OF_LETTERS: [(&str, &str); 8] = [
    ("aido_cell", "counts of genes in cells"),
    (
        "aido_tissue",
        "counts of genes in cells and where these lie",
    ),
    ("scfoundation", "counts of genes in cells"),
    ("geneformer", "counts of genes in cells"),
    ("scimilarity", "counts of genes in cells"),
    ("enformer", "long DNA by convolutions"),
    ("borzoi", "long DNA by convolutions"),
    ("flashzoi", "long DNA by convolutions"),
];

/// Of a model's name alone; none if nothing is known of it.
pub(crate) fn model(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    let mut known = NOT_OF_LETTERS.iter();
    let (_, reads) = known.find(|(begins, _)| name.starts_with(begins))?;
    Some(format!(
        "it is a model of ModelGenerator that reads {reads}, of which none is supported yet"
    ))
}

/// Of a name with a scheme that is not ours.
pub(crate) fn scheme(scheme: &str, rest: &str) -> String {
    let hub = rest.strip_prefix("huggingface.co/");
    match (scheme, hub) {
        ("http" | "https", Some(path)) => {
            let repository: Vec<&str> = path.split('/').take(2).collect();
            format!(
                "a page is no preset; its repository is written hf://{}",
                repository.join("/")
            )
        }
        _ => format!(
            "\"{scheme}://\" is not a kind of preset; use hf://org/name, kaggle://owner/model/framework/variation or a folder"
        ),
    }
}

/// Of a file in the place of a folder.
pub(crate) fn file(path: &Path) -> String {
    kind(path).map_or_else(
        || "it is a file; a preset is a folder with config.json and model.safetensors".to_owned(),
        |kind| format!("it is {}, {}", kind.what, kind.instead),
    )
}

/// Of a folder that lacks a file of a preset, by what lies in it instead; none if nothing in it is known.
pub(crate) fn folder(path: &Path, lacks: &str) -> Option<String> {
    let names = fs::read_dir(path).ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        Some(name.to_string_lossy().into_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    among(&names, lacks)
}

/// The same of a preset by the names of its files.
pub(crate) fn among(names: &[String], lacks: &str) -> Option<String> {
    let (name, kind) = names.iter().find_map(|name| {
        let kind = kind(Path::new(name)).filter(|kind| kind.instead == INSTEAD)?;
        Some((name, kind))
    })?;
    Some(format!(
        "it has no {lacks} but {name}, {}, {}",
        kind.what, kind.instead
    ))
}

/// Of weights in few bits; none if `config.json` and the files beside it speak of none.
pub(crate) fn quantised(config: &Map<String, Value>, has: impl Fn(&str) -> bool) -> Option<String> {
    let stated = config
        .get("quantization_config")
        .filter(|stated| !stated.is_null());
    let method = match stated {
        Some(stated) => {
            let method = stated.get("quant_method").and_then(Value::as_str);
            let method = method.unwrap_or("a method that it does not name");
            let known = METHODS.iter().find(|(key, _)| *key == method);
            known.map_or(method, |(_, name)| *name)
        }
        None => METHOD_FILES.iter().find(|(file, _)| has(file))?.1,
    };
    Some(format!(
        "its weights are quantised by {method}, which is not read yet; name the model that it was made from, whose weights are in floating point"
    ))
}

fn kind(path: &Path) -> Option<&'static Kind> {
    let ending = path.extension()?.to_str()?.to_lowercase();
    KINDS
        .iter()
        .find(|kind| kind.endings.contains(&ending.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Preset, Weights};

    #[test]
    fn an_ending_is_of_one_kind() {
        let endings: Vec<&str> = KINDS
            .iter()
            .flat_map(|kind| kind.endings)
            .copied()
            .collect();
        for ending in &endings {
            let same = endings.iter().filter(|other| *other == ending);
            assert_eq!(same.count(), 1, "{ending}");
        }
    }

    #[test]
    fn models_that_read_no_letters_are_known_by_name() {
        for name in ["aido_cell_3m", "aido_tissue_60m", "enformer", "Geneformer"] {
            let message = Preset::from_name(name).unwrap_err().to_string();
            assert!(
                message.contains("that reads ") && message.ends_with("supported yet"),
                "{message}"
            );
        }
        assert_eq!(model("aido_dna_7b"), None);
    }

    #[test]
    fn quantised_weights_are_refused_whatever_their_files_are_called() {
        for (file, text) in [
            (
                "config.json",
                r#"{"quantization_config": {"quant_method": "awq"}}"#,
            ),
            ("quant_config.json", "{}"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("config.json"), "{}").unwrap();
            fs::write(folder.path().join(file), text).unwrap();
            let preset = Preset::from_name(folder.path().to_str().unwrap()).unwrap();
            let message = Weights::open(&preset).unwrap_err().to_string();
            assert!(message.contains("quantised by AWQ"), "{file}: {message}");
        }
        let plain = json!({"quantization_config": null});
        assert_eq!(quantised(plain.as_object().unwrap(), |_| false), None);
    }
}
