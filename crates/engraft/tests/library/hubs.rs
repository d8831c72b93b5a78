//! Presets that are fetched, as a program of a user's does it.

use std::path::Path;
use std::process::Command;

use engraft::prelude::*;
use engraft_loopback::{Hub, KaggleModel, Repository};

/// Says that a process is the one that fetches: the environment decides where hubs are, and belongs to a whole process.
const FETCHES: &str = "ENGRAFT_TEST_FETCHES";

/// A model of KerasHub's and one of Hugging Face's, of the golden cases.
fn hub() -> Hub {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let read = |path: &str| std::fs::read(golden.join(path)).unwrap();
    let hub = Hub::start().unwrap();
    let mut bert = KaggleModel::new("keras/bert/keras/bert_base_en").version(3);
    for path in [
        "config.json",
        "model.weights.h5",
        "tokenizer.json",
        "preprocessor.json",
        "assets/tokenizer/vocabulary.txt",
    ] {
        bert = bert.file(path, read(&format!("keras/bert/{path}")));
    }
    hub.add_kaggle(bert);
    let config = read("models/bert_cls/config.json");
    let parsed: serde_json::Value = serde_json::from_slice(&config).unwrap();
    let words = (5..parsed["vocab_size"].as_u64().unwrap()).map(|word| format!("w{word}"));
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
    let vocabulary: Vec<String> = special.into_iter().chain(words).collect();
    hub.add(
        Repository::model("org/encoder")
            .file("config.json", config)
            .file("vocab.txt", vocabulary.join("\n").into_bytes())
            .large(
                "model.safetensors",
                read("models/bert_cls/model.safetensors"),
            ),
    );
    hub
}

#[test]
fn from_preset_takes_handles_of_hubs_and_fetches_them() {
    let hub = hub();
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hubs::presets_are_fetched", "--nocapture"])
        .env(FETCHES, "1")
        .env("HF_ENDPOINT", hub.url())
        .env("KAGGLE_API_ENDPOINT", hub.url())
        .env("HF_HOME", folder.path().join("huggingface"))
        .env("KAGGLEHUB_CACHE", folder.path().join("kagglehub"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("fetching    kaggle://keras/bert/keras/bert_base_en/3: "),
        "{said}"
    );
    assert!(
        folder
            .path()
            .join("huggingface/hub/models--org--encoder")
            .is_dir()
    );
}

/// What the process does that has hubs in its environment; nothing in any other.
#[test]
fn presets_are_fetched() {
    if std::env::var_os(FETCHES).is_none() {
        return;
    }
    let classifier = TextClassifier::from_preset("bert_base_en").unwrap();
    let classifier = classifier.num_classes(2).build().unwrap();
    assert_eq!(classifier.predict("a text").unwrap().probabilities.len(), 2);
    for name in ["kaggle://keras/bert/keras/bert_base_en", "hf://org/encoder"] {
        let backbone = Backbone::from_preset(name).unwrap().build().unwrap();
        assert!(!backbone.call("a").unwrap().sequence_output.is_empty());
    }
}
