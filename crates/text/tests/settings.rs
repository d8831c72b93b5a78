//! What the files of a preset say beside its vocabulary does what it does in the reference library, or is named in a note.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use engraft_text::Tokenizer;
use serde_json::{Map, Value, json};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/tokenizers")
}

/// The bytes of a file of a preset: those of a committed one, the same with further lines, or a value.
fn bytes(content: &Value) -> Vec<u8> {
    let committed = |name: &str| fs::read(golden().join(name.strip_prefix('@').unwrap())).unwrap();
    match content {
        Value::String(name) => committed(name),
        Value::Array(parts) => {
            let mut bytes = committed(parts[0].as_str().unwrap());
            for line in &parts[1..] {
                bytes.extend(line.as_str().unwrap().bytes().chain(*b"\n"));
            }
            bytes
        }
        object => object.to_string().into_bytes(),
    }
}

fn open(files: &Value, config: &Value) -> Tokenizer {
    let read = |name: &str| Ok(files.get(name).map(bytes));
    Tokenizer::from_preset_files(&read, config.as_object().unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn groups() -> Vec<Value> {
    serde_json::from_slice(&fs::read(golden().join("settings.json")).unwrap()).unwrap()
}

#[test]
fn settings_do_what_they_do_in_the_reference_library() {
    let groups = groups();
    assert!(groups.len() > 100);
    for group in &groups {
        let name = group["name"].as_str().unwrap();
        let tokenizer = open(&group["files"], &group["config"]);
        for case in group["cases"].as_array().unwrap() {
            let (text, pair) = (case["text"].as_str().unwrap(), case["pair"].as_str());
            let limit = case["max_length"]
                .as_u64()
                .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap());
            let (encoding, cut) = tokenizer.encode_truncated(text, pair, limit).unwrap();
            assert_eq!(encoding.ids, numbers(&case["ids"]), "{name}: {case}");
            let types = case.get("type_ids").map(numbers);
            let types = types.unwrap_or_else(|| vec![0; encoding.len()]);
            if group["typed"] == true {
                assert_eq!(encoding.type_ids, types, "{name}: {case}");
            }
            let whole = tokenizer.encode(text, pair).unwrap();
            assert_eq!(cut, whole.len() > limit, "{name}: {case}");
        }
        for case in group["decoded"].as_array().unwrap() {
            let (ids, text) = (numbers(&case["ids"]), case["text"].as_str().unwrap());
            assert_eq!(tokenizer.decode(&ids, true).unwrap(), text, "{name}");
            let mut pieces = tokenizer.pieces(true);
            let grown: String = ids.iter().map(|id| pieces.push(*id).unwrap()).collect();
            assert_eq!(grown + &pieces.finish().unwrap(), text, "{name}");
        }
    }
}

/// The notes of a preset of the golden cases, with other settings.
fn notes(name: &str, more: &Value) -> Vec<String> {
    let groups = groups();
    let mut group = groups
        .into_iter()
        .find(|group| group["name"] == name)
        .unwrap();
    let settings = group["files"]["tokenizer_config.json"].as_object_mut();
    settings.unwrap().extend(more.as_object().unwrap().clone());
    open(&group["files"], &group["config"]).notes().to_vec()
}

#[test]
fn what_has_no_effect_is_named() {
    let generic = "PreTrainedTokenizerFast, lower-casing file";
    let no_effect = "which has no effect here: tokenizer.json decides, as in transformers 5";
    for (key, value) in [
        ("do_lower_case", false),
        ("strip_accents", false),
        ("tokenize_chinese_chars", false),
    ] {
        assert_eq!(
            notes(generic, &json!({key: value})),
            [format!(
                "tokenizer_config.json says {key}: {value}, {no_effect}"
            )]
        );
        assert!(notes(generic, &json!({key: true})).is_empty());
        assert!(notes("BertTokenizer, lower-casing file", &json!({key: value})).is_empty());
    }
    let ends = json!({"bos_token": "[CLS]", "eos_token": "[SEP]", "add_bos_token": false, "add_eos_token": true});
    assert_eq!(
        notes(generic, &ends),
        [format!(
            "tokenizer_config.json says add_bos_token: false, {no_effect}"
        )]
    );
    assert_eq!(
        notes(
            "RobertaTokenizer, {}",
            &json!({"add_eos_token": false, "eos_token": "</s>", "do_lower_case": true})
        ),
        [
            "tokenizer_config.json says do_lower_case: true, which has no effect here: this kind of tokenizer, made of vocab.json, \
             keeps case, as in transformers 5",
            "tokenizer_config.json says add_eos_token: false, which has no effect here: this kind of tokenizer, made of vocab.json, \
             always adds one, as in transformers 5"
        ]
    );
    assert!(notes(generic, &json!({"split_special_tokens": true})).is_empty());
}

#[test]
fn a_default_that_the_file_contradicts_is_named() {
    assert_eq!(
        notes("BertTokenizer, cased file", &json!({})),
        [
            "tokenizer.json keeps case, but texts are lower-cased, as BERT's tokenizer in transformers does unless \
             tokenizer_config.json says do_lower_case: false"
        ]
    );
    assert!(notes("PreTrainedTokenizerFast, cased file", &json!({})).is_empty());
}

#[test]
fn a_token_without_an_embedding_stays_text_and_is_named() {
    let files = json!({
        "vocab.txt": "@wordpiece/vocab.txt",
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "additional_special_tokens": ["[E1]", "[E2]"]},
    });
    let size = open(&files, &json!({})).vocab_size() - 2;
    let full = open(&files, &json!({"vocab_size": size + 1}));
    full.check_vocab_size(size + 1).unwrap();
    assert!(full.token_to_id("[E1]").is_some() && full.token_to_id("[E2]").is_none());
    assert_eq!(
        full.notes(),
        [
            "\"[E2]\", a special token of tokenizer_config.json, is in no vocabulary and the model has no embedding for one more: in a \
             text it is read as any other word"
        ]
    );
    let silent = open(
        &json!({"vocab.txt": "@wordpiece/vocab.txt"}),
        &json!({"vocab_size": size}),
    );
    assert!(silent.notes().is_empty());
}

#[test]
fn settings_of_the_wrong_kind_and_classes_that_divide_otherwise_are_refused() {
    let refusal = |files: &Value| {
        let read = |name: &str| Ok(files.get(name).map(bytes));
        let opened = Tokenizer::from_preset_files(&read, &Map::new());
        opened.unwrap_err().to_string()
    };
    let with = |settings: Value| json!({"vocab.txt": "@wordpiece/vocab.txt", "tokenizer_config.json": settings});
    assert_eq!(
        refusal(&with(json!({"truncation_side": "both"}))),
        "tokenizer_config.json: truncation_side should be \"left\" or \"right\", not \"both\""
    );
    assert_eq!(
        refusal(&with(json!({"additional_special_tokens": "[E1]"}))),
        "tokenizer_config.json: additional_special_tokens should be a list of tokens, not \"[E1]\""
    );
    assert_eq!(
        refusal(&json!({
            "vocab.json": "@byte_pair/vocab.json", "merges.txt": "@byte_pair/merges.txt",
            "tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer"},
        })),
        "vocab.json: Qwen2Tokenizer divides texts otherwise than GPT-2 before it looks for pairs, which these files do not say; save the \
         preset with a tokenizer.json"
    );
}
