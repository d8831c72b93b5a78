//! Presets that KerasHub wrote: their texts become the tokens that KerasHub makes of them, and they are used as any other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engraft::hub::Preset;
use engraft::models::Checkpoint;
use engraft::prelude::*;
use engraft::tasks::{Backbone, TokensOf, preset_tokenizer};
use engraft_text::{LetterPolicy, Tokenizer};
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
    tokenizer_of(&golden(name), None)
}

fn tokenizer_of(folder: &Path, tokens: Option<TokensOf>) -> Result<Tokenizer, String> {
    let preset = Preset::from_name(folder.to_str().unwrap());
    let preset = preset.map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::open(preset, &Map::new(), true);
    let checkpoint = checkpoint.map_err(|error| error.to_string())?;
    let mut backbone = Backbone::new("");
    backbone.tokens = tokens;
    preset_tokenizer(&checkpoint, &backbone).map_err(|error| error.to_string())
}

/// Token ids of each row.
fn rows(value: &Value) -> Vec<Vec<u32>> {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

/// Texts of which ours are other tokens, and why.
const OTHERS: [(&str, &str, &str); 4] = [
    (
        "esm",
        "MKTVRQ",
        "a protein is read by its letters, not as one unknown word",
    ),
    ("esm", "G <mask> L", "what is masked is written so"),
    ("esm_masked_lm", "MKTVRQ", "as above"),
    ("esm_masked_lm", "G <mask> L", "as above"),
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
            let ids = own_ids(&tokenizer, text);
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

/// The tokens of a text, but for those around it.
fn own_ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    let encoding = tokenizer.encode(text, None).unwrap();
    let pairs = encoding.ids.into_iter().zip(encoding.special);
    pairs
        .filter(|(_, special)| !special)
        .map(|(id, _)| id)
        .collect()
}

/// A case of byte pairs with a first merge across words in the place of the last one: the end of a word and the space after it.
fn merged_across_words(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let assets = folder.path().join("assets/tokenizer");
    std::fs::create_dir_all(&assets).unwrap();
    for file in ["config.json", "tokenizer.json", "model.weights.h5"] {
        std::fs::copy(golden(name).join(file), folder.path().join(file)).unwrap();
    }
    let of_golden = golden(name).join("assets/tokenizer");
    let merges = std::fs::read_to_string(of_golden.join("merges.txt")).unwrap();
    let mut merges: Vec<&str> = merges.lines().collect();
    let last = merges.pop().unwrap().replace(' ', "");
    let at = usize::from(merges[0].contains("#version"));
    merges.insert(at, "s \u{120}");
    std::fs::write(assets.join("merges.txt"), merges.join("\n")).unwrap();
    let vocabulary = std::fs::read(of_golden.join("vocabulary.json")).unwrap();
    let mut vocabulary: Map<String, Value> = serde_json::from_slice(&vocabulary).unwrap();
    let id = vocabulary.remove(&last).unwrap();
    vocabulary.insert("s\u{120}".to_owned(), id);
    let vocabulary = Value::Object(vocabulary).to_string();
    std::fs::write(assets.join("vocabulary.json"), vocabulary).unwrap();
    folder
}

/// Whether only KerasHub makes the tokens that it makes of a text of a case, and why.
fn is_mistaken(name: &str, text: &str) -> bool {
    match name {
        "esm" => !["M K T V R Q", "l a g", "A"].contains(&text),
        // Accents are not composed.
        "qwen" if text == "\u{1100}\u{1161}" => true,
        // Tokens go across words.
        "gpt2" | "llama3" | "qwen" | "falcon" | "bloom" => text.contains("runs "),
        // Spaces divide no words.
        _ => text.contains('\u{a0}'),
    }
}

#[test]
fn the_tokens_of_keras_hub_can_be_had_where_a_model_was_trained_with_others() {
    let bytes = std::fs::read(golden("texts.json")).unwrap();
    let cases: BTreeMap<String, Vec<(String, Vec<u32>)>> = serde_json::from_slice(&bytes).unwrap();
    let mut found = Vec::new();
    for (name, texts) in cases {
        let has_pairs = golden(&name).join("assets/tokenizer/merges.txt").exists();
        let changed = has_pairs.then(|| merged_across_words(&name));
        let folder = changed
            .as_ref()
            .map_or(golden(&name), |it| it.path().to_owned());
        let [usual, theirs] =
            [None, Some(TokensOf::KerasHub)].map(|tokens| tokenizer_of(&folder, tokens).unwrap());
        assert_eq!(usual.vocab_size(), theirs.vocab_size(), "{name}");
        for (text, expected) in texts {
            let ids = own_ids(&theirs, &text);
            if ids != expected {
                found.push(format!("{name}: {text:?}: {ids:?}, not {expected:?}"));
            }
            let usual = own_ids(&usual, &text);
            if (usual == expected) == is_mistaken(&name, &text) {
                found.push(format!(
                    "{name}: {text:?}: usually {usual:?}, by KerasHub {expected:?}"
                ));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_tokens_of_keras_hub_stay_so_when_saved_and_are_of_its_presets_alone() {
    let theirs = tokenizer_of(&golden("esm"), Some(TokensOf::KerasHub)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = Preset::from_name(golden("esm").to_str().unwrap())
        .unwrap()
        .config()
        .unwrap();
    let config = Value::Object(config).to_string();
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let mut backbone = Backbone::new("");
    backbone.tokens = Some(TokensOf::KerasHub);
    backbone.letters = Some(LetterPolicy::Map);
    let preset = Preset::from_name(golden("esm").to_str().unwrap()).unwrap();
    let checkpoint = Checkpoint::open(preset, &Map::new(), true).unwrap();
    let refusal = preset_tokenizer(&checkpoint, &backbone)
        .unwrap_err()
        .to_string();
    assert!(
        refusal.contains("letters and tokens cannot both"),
        "{refusal}"
    );
    let refusal = tokenizer_of(folder.path(), Some(TokensOf::KerasHub)).unwrap_err();
    let expected = "is no preset of KerasHub; remove tokens";
    assert!(refusal.contains(expected), "{refusal}");
    for (name, bytes) in theirs.files() {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    for tokens in [None, Some(TokensOf::KerasHub)] {
        let again = tokenizer_of(folder.path(), tokens).unwrap();
        assert_eq!(own_ids(&again, "MKTVRQ"), [3]);
    }
}

/// The tokens that a preset's preprocessor cuts a text to; the golden ELECTRA has none, and is cut to as many.
fn length(name: &str) -> usize {
    let preset = Preset::from_name(golden(name).to_str().unwrap()).unwrap();
    preset.text_length().unwrap_or(18)
}

#[test]
fn two_texts_are_cut_as_keras_hub_cuts_them() {
    let mut cut = 0;
    for name in names() {
        let about = about(&name);
        let Some(pairs) = about.get("pairs") else {
            continue;
        };
        let tokenizer = tokenizer(&name).unwrap();
        let texts: Vec<[String; 2]> = serde_json::from_value(pairs["texts"].clone()).unwrap();
        let packed = rows(&pairs["packed"]["token_ids"]);
        for ([first, second], expected) in texts.iter().zip(packed) {
            let encoded = tokenizer.encode_truncated(first, Some(second), length(&name));
            let (encoding, is_cut) = encoded.unwrap();
            assert_eq!(encoding.ids, expected, "{name}: {first:?}, {second:?}");
            cut += usize::from(is_cut);
        }
    }
    assert!(cut > 3, "{cut}");
}

#[test]
fn by_a_waterfall_the_second_text_alone_is_cut() {
    let copy = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.weights.h5", "tokenizer.json"] {
        std::fs::copy(golden("bert").join(file), copy.path().join(file)).unwrap();
    }
    std::fs::create_dir_all(copy.path().join("assets/tokenizer")).unwrap();
    let vocabulary = "assets/tokenizer/vocabulary.txt";
    std::fs::copy(
        golden("bert").join(vocabulary),
        copy.path().join(vocabulary),
    )
    .unwrap();
    let preprocessor = std::fs::read_to_string(golden("bert/preprocessor.json")).unwrap();
    let preprocessor = preprocessor.replace("round_robin", "waterfall");
    std::fs::write(copy.path().join("preprocessor.json"), preprocessor).unwrap();
    let preset = Preset::from_name(copy.path().to_str().unwrap()).unwrap();
    let checkpoint = Checkpoint::open(preset, &Map::new(), false).unwrap();
    let tokenizer = preset_tokenizer(&checkpoint, &Backbone::new("")).unwrap();
    let pairs = &about("bert")["pairs"];
    let texts: Vec<[String; 2]> = serde_json::from_value(pairs["texts"].clone()).unwrap();
    let ids: Vec<[Vec<u32>; 2]> = serde_json::from_value(pairs["token_ids"].clone()).unwrap();
    for ([first, second], [one, other]) in texts.iter().zip(ids) {
        for length in [one.len() + 3, one.len() + 5, 6] {
            let room = length - 3;
            let kept = &one[..one.len().min(room)];
            let rest = &other[..other.len().min(room - kept.len())];
            let expected = [&[2], kept, &[3], rest, &[3]].concat();
            let encoded = tokenizer.encode_truncated(first, Some(second), length);
            assert_eq!(encoded.unwrap().0.ids, expected, "{length}");
        }
    }
}

#[test]
fn a_number_of_classes_means_a_fresh_head() {
    let folder = golden("bert");
    let open = || TextClassifier::from_preset(folder.to_str().unwrap()).unwrap();
    let probabilities = |classifier: &TextClassifier| -> Vec<f32> {
        let predicted = classifier.predict(["The cat sat."]).unwrap();
        predicted[0].probabilities.clone()
    };
    let kept = open().build().unwrap();
    let fresh = open().num_classes(5).build().unwrap();
    assert_ne!(probabilities(&kept), probabilities(&fresh));
    assert_eq!(
        probabilities(&open().num_classes(3).build().unwrap()).len(),
        3
    );
    // One that was tuned and saved here keeps its head, unless a number is given, whichever it is; a saved fresh head is kept too.
    let scratch = tempfile::tempdir().unwrap();
    let saved = scratch.path().join("saved");
    fresh.save_to_preset(&saved).unwrap();
    let open = || TextClassifier::from_preset(saved.to_str().unwrap()).unwrap();
    assert_eq!(
        probabilities(&open().build().unwrap()),
        probabilities(&fresh)
    );
    let again = open().num_classes(5).seed(1).build().unwrap();
    assert_ne!(probabilities(&again), probabilities(&fresh));
    assert_eq!(
        probabilities(&open().num_classes(2).build().unwrap()).len(),
        2
    );
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
        batch_size: Some(2),
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
    let lm = CausalLm::from_preset(&folder("gpt2"))
        .unwrap()
        .build()
        .unwrap();
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
