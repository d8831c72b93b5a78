//! Keys of `config.json` that a user replaces: what the reference library computes of them, on `tests/golden/overwrites`, and that none is
//! accepted without changing anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use engraft_hub::{Handle, Preset, Weights};
use engraft_models::{Checkpoint, Mode, ModelConfig, PackedTokens, TokenBatch};
use serde_json::{Map, Value, json};

use crate::reference::{cases, golden, initial, largest_difference, sequences, values};

fn preset(folder: &Path) -> Preset {
    Preset::open(&Handle::Folder(PathBuf::from(folder))).unwrap()
}

fn object(path: &Path) -> Map<String, Value> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn hidden(checkpoint: &Checkpoint, tensors: &Weights) -> Vec<f32> {
    let device = Device::flex();
    let mut packed = PackedTokens::default();
    for (ids, types) in sequences(tensors) {
        packed.push(&ids, &types);
    }
    let encoder = checkpoint.encoder(&initial(&device)).unwrap();
    let batch = TokenBatch::new(&packed, &checkpoint.config().transformer, &device);
    values(encoder.forward(&batch, Mode::Evaluate))
}

#[test]
fn a_replaced_key_counts_in_whichever_spelling_it_and_the_file_have_it() {
    let mut compared = 0;
    for name in cases(&golden("overwrites"), 14) {
        let folder = golden("overwrites").join(&name);
        let tensors = Weights::open_file(&folder.join("case.safetensors")).unwrap();
        let about = object(&folder.join("case.json"));
        let mut failures = Vec::new();
        for case in about["cases"].as_array().unwrap() {
            let file = case["file"].as_str().unwrap();
            let copy = tempfile::tempdir().unwrap();
            std::fs::copy(folder.join(file), copy.path().join("config.json")).unwrap();
            let weights = "model.safetensors";
            std::fs::copy(folder.join(weights), copy.path().join(weights)).unwrap();
            let case_name = case["name"].as_str().unwrap();
            for (overwrites, output) in [
                (json!({}), "as_it_is"),
                (case["overwrites"].clone(), case_name),
            ] {
                let overwrites = overwrites.as_object().unwrap();
                let checkpoint = Checkpoint::open(preset(copy.path()), overwrites, false);
                let checkpoint = match checkpoint {
                    Ok(checkpoint) => checkpoint,
                    Err(error) => {
                        failures.push(format!("{case_name}: {error}"));
                        continue;
                    }
                };
                let expected = tensors.require(output).unwrap().to_f32().unwrap();
                let error = largest_difference(&hidden(&checkpoint, &tensors), &expected);
                if error > 1e-4 {
                    failures.push(format!("{case_name}, {output}: {error}"));
                }
                // What is saved says the same.
                let saved = tempfile::tempdir().unwrap();
                let config = serde_json::to_vec(&checkpoint.config().json).unwrap();
                std::fs::write(saved.path().join("config.json"), config).unwrap();
                let again = Checkpoint::open(preset(saved.path()), &Map::new(), true).unwrap();
                if !is_same(again.config(), checkpoint.config()) {
                    failures.push(format!("{case_name}, {output}: saved as another"));
                }
            }
            compared += 1;
        }
        assert!(failures.is_empty(), "{name}: {failures:#?}");
    }
    assert!(compared > 50, "{compared} cases");
}

fn is_same(one: &ModelConfig, other: &ModelConfig) -> bool {
    one.family.name == other.family.name
        && one.transformer == other.transformer
        && one.masked_lm == other.masked_lm
        && one.causal_lm == other.causal_lm
        && one.decoder == other.decoder
        && one.classifier == other.classifier
        && one.token_classifier == other.token_classifier
        && one.labels == other.labels
        && one.classes == other.classes
}

/// Every configuration of the golden cases, by its file.
fn configurations() -> BTreeMap<PathBuf, Map<String, Value>> {
    let mut found = BTreeMap::new();
    for folder in ["models", "decoders", "seq2seq", "overwrites"] {
        for name in cases(&golden(folder), 10) {
            for file in ["config.json", "config_v4.json", "older.json"] {
                let path = golden(folder).join(&name).join(file);
                if path.exists() {
                    found.insert(path.clone(), object(&path));
                }
            }
        }
    }
    found
}

/// Values that a key may have: those of all configurations, and others near them.
fn candidates(key: &str, all: &BTreeMap<PathBuf, Map<String, Value>>) -> Vec<Value> {
    let mut found = Vec::new();
    let values = all.values().filter_map(|config| config.get(key));
    // A null is what a key that is absent says.
    for value in values.filter(|value| !value.is_null()) {
        let mut add = |value: Value| {
            if !found.contains(&value) {
                found.push(value);
            }
        };
        add(value.clone());
        match value {
            Value::Bool(is_on) => add(json!(!is_on)),
            Value::Number(number) => {
                if let Some(whole) = number.as_u64() {
                    add(json!(whole * 2));
                    add(json!(whole + 1));
                } else if let Some(number) = number.as_f64() {
                    add(json!(number + 0.25));
                }
            }
            _ => {}
        }
    }
    let others = [
        json!(0.3),
        json!(3),
        json!(6),
        json!(true),
        json!(false),
        json!("relu"),
    ];
    for other in others {
        if !found.contains(&other) {
            found.push(other);
        }
    }
    found
}

/// Of a key that has one supported value, that one is accepted; of all others, each value but the file's is another model. Both layouts that
/// `legacy` tells apart are read whatever it says.
#[test]
fn no_key_is_accepted_that_changes_nothing() {
    let all = configurations();
    let mut keys: BTreeSet<&str> = all
        .values()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect();
    keys.extend([
        "n_ctx",
        "n_embed",
        "num_labels",
        "rope_local_base_freq",
        "rotary_pct",
        "rotary_emb_base",
        "original_max_position_embeddings",
        "classifier_dropout",
        "max_window_layers",
        "hidden_dropout",
    ]);
    let mut failures = BTreeSet::new();
    let mut accepted = 0;
    for path in all.keys() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(path, folder.path().join("config.json")).unwrap();
        let open = |overwrites: &Map<String, Value>| {
            Checkpoint::open(preset(folder.path()), overwrites, true)
        };
        let as_it_is = open(&Map::new()).unwrap();
        for key in keys.iter().filter(|key| **key != "legacy") {
            let mut taken = Vec::new();
            let mut changes = false;
            for value in candidates(key, &all) {
                let overwrites = Map::from_iter([((*key).to_owned(), value.clone())]);
                match open(&overwrites) {
                    Ok(checkpoint) if is_same(checkpoint.config(), as_it_is.config()) => {
                        taken.push(value);
                    }
                    Ok(_) => {
                        changes = true;
                        break;
                    }
                    Err(error) => {
                        let words = error.to_string();
                        if words.contains("no such key") || words.contains("changes nothing") {
                            break;
                        }
                    }
                }
            }
            accepted += usize::from(changes);
            if !changes && taken.len() > 1 {
                let model = path.strip_prefix(golden("")).unwrap().display();
                failures.insert(format!("{key} of {model}: {taken:?}"));
            }
        }
    }
    let failures: Vec<String> = failures.into_iter().collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(accepted > 1000, "{accepted}");
}
