//! Presets that KerasHub wrote: their texts become the tokens that KerasHub makes of them, and they are used as any other.

use std::path::{Path, PathBuf};

use engraft::hub::Preset;
use engraft::models::Checkpoint;
use engraft::prelude::*;
use engraft::tasks::preset_tokenizer;
use engraft_text::Tokenizer;
use serde_json::{Map, Value};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden/keras")
        .join(name)
}

fn about(name: &str) -> Value {
    let bytes = std::fs::read(golden(name).join("case.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn names() -> Vec<String> {
    let names = std::fs::read_dir(golden("")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| golden(name).join("case.json").exists())
        .collect();
    names.sort();
    assert!(names.len() >= 37, "golden cases are missing: {names:?}");
    names
}

fn tokenizer(name: &str) -> Result<Tokenizer, String> {
    let preset = Preset::from_name(golden(name).to_str().unwrap());
    let preset = preset.map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::open(preset, &Map::new(), false);
    let checkpoint = checkpoint.map_err(|error| error.to_string())?;
    preset_tokenizer(&checkpoint, None).map_err(|error| error.to_string())
}

/// Token ids of each row.
fn rows(value: &Value) -> Vec<Vec<u32>> {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

/// Texts of which ours are other tokens, and why.
const OTHERS: [(&str, &str, &str); 5] = [
    (
        "esm",
        "MKTVRQ",
        "a protein is read by its letters, not as one unknown word",
    ),
    ("esm", "G <mask> L", "what is masked is written so"),
    ("esm_masked_lm", "MKTVRQ", "as above"),
    ("esm_masked_lm", "G <mask> L", "as above"),
    (
        "albert",
        "one [MASK] two",
        "a special token in a text is text, also where the vocabulary would find it",
    ),
];

#[test]
fn texts_become_the_tokens_that_keras_hub_makes_of_them() {
    let mut found = Vec::new();
    for name in names() {
        let about = about(&name);
        let tokenizer = match tokenizer(&name) {
            Ok(tokenizer) => tokenizer,
            Err(error) => {
                found.push(format!("{name}: {error}"));
                continue;
            }
        };
        let texts: Vec<String> = serde_json::from_value(about["texts"].clone()).unwrap();
        let expected = rows(&about["token_ids"]);
        let is_other = |text: &str| {
            let mut others = OTHERS.iter();
            others.any(|(case, other, _)| *case == name && *other == text)
        };
        for (text, expected) in texts
            .iter()
            .zip(&expected)
            .filter(|(text, _)| !is_other(text))
        {
            let encoding = tokenizer.encode(text, None).unwrap();
            let pairs = encoding.ids.iter().zip(&encoding.special);
            let ids: Vec<u32> = pairs
                .filter(|(_, special)| !**special)
                .map(|(id, _)| *id)
                .collect();
            if ids != *expected {
                found.push(format!("{name}: {text:?}: {ids:?}, not {expected:?}"));
            }
        }
        let packed = &about["packed"];
        let packed = packed
            .get("token_ids")
            .or_else(|| packed.get("encoder_token_ids"));
        let packed = rows(packed.unwrap());
        for (text, expected) in texts
            .iter()
            .zip(&packed)
            .filter(|(text, _)| !is_other(text))
        {
            let ids = tokenizer.encode(text, None).unwrap().ids;
            // Those of KerasHub are cut.
            let length = expected.len().saturating_sub(1).min(ids.len());
            if ids[..length] != expected[..length] || ids.len() < expected.len() {
                found.push(format!(
                    "{name}: packed {text:?}: {ids:?}, not {expected:?}"
                ));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_preset_of_keras_is_used_as_any_other() {
    let folder = |name: &str| golden(name).to_str().unwrap().to_owned();
    // Its own head, trained on and saved as transformers has it.
    let classifier = TextClassifier::from_preset(&folder("bert")).unwrap();
    let mut classifier = classifier.build().unwrap();
    let texts = ["The cat sat.", "I run"];
    let before = classifier.predict(texts).unwrap();
    assert_eq!(before[0].probabilities.len(), 5);
    let scratch = tempfile::tempdir().unwrap();
    let table = scratch.path().join("train.tsv");
    std::fs::write(&table, "text\tlabel\nThe cat sat.\t0\nI run\t1\n").unwrap();
    let examples = read_examples(&table, "text", "label").unwrap();
    let fit = Fit {
        epochs: 1,
        batch_size: 2,
        verbose: false,
        ..Fit::default()
    };
    classifier.fit(&examples, fit).unwrap();
    let after = classifier.predict(texts).unwrap();
    assert_ne!(before[0].probabilities, after[0].probabilities);
    let saved = scratch.path().join("saved");
    classifier.save_to_preset(&saved).unwrap();
    assert!(saved.join("model.safetensors").exists());
    let again = TextClassifier::from_preset(saved.to_str().unwrap()).unwrap();
    let again = again.build().unwrap().predict(texts).unwrap();
    assert_eq!(again[0].probabilities, after[0].probabilities);

    // What is written begins with the preprocessor's start token.
    let lm = CausalLm::from_preset(&folder("gpt2")).unwrap();
    let generate = Generate {
        max_new_tokens: Some(3),
        sampler: Some(Greedy::default().into()),
        ..Generate::default()
    };
    let written = lm.generate_written(["Ok"], generate.clone()).unwrap();
    assert_eq!(written[0].ids[..3], [300, 46, 74]);

    // A decoder begins with its two tokens.
    let s2s = Seq2SeqLm::from_preset(&folder("bart")).unwrap();
    let s2s = s2s.build().unwrap();
    let written = s2s.generate_written(["Ok"], generate).unwrap();
    assert_eq!(written[0].ids[..2], [2, 0]);
}
