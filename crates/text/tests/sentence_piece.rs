//! Ids of SentencePiece files agree with the SentencePiece library, and with the families' own tokenizers.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use engraft_text::Tokenizer;
use serde_json::{Map, Value};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/tokenizers/sentence_piece")
}

fn groups(file: &str) -> Map<String, Value> {
    serde_json::from_slice(
        &fs::read(
            std::env::var_os("SPDIFF")
                .map_or(golden(), PathBuf::from)
                .join(file),
        )
        .unwrap(),
    )
    .unwrap()
}

/// A field of bytes: its number, how many there are, and they.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        field.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    field.push(u8::try_from(length).unwrap());
    field.extend(bytes);
    field
}

/// A model with the rules of its normaliser, which are kept beside it; fields of a part that comes twice are merged.
fn model(name: &str) -> Vec<u8> {
    let mut model = fs::read(golden().join(format!("{name}.model"))).unwrap();
    for rules in ["nmt_nfkc", "nfkc_cf"] {
        if model
            .windows(rules.len())
            .any(|part| part == rules.as_bytes())
        {
            let charsmap = fs::read(golden().join(format!("{rules}.charsmap"))).unwrap();
            model.extend(field(3, &field(2, &charsmap)));
        }
    }
    model
}

fn open(group: &Value) -> Tokenizer {
    let model = model(group["model"].as_str().unwrap());
    let read = |file: &str| {
        if file == group["file"] {
            return Ok(Some(model.clone()));
        }
        let settings = group.get("tokenizer_config");
        Ok(settings
            .filter(|_| file == "tokenizer_config.json")
            .map(|settings| settings.to_string().into_bytes()))
    };
    Tokenizer::from_preset_files(&read, &Map::new()).unwrap()
}

fn numbers(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|n| u32::try_from(n.as_u64().unwrap()).unwrap())
        .collect()
}

/// Checks every case of a group; what differs.
fn differences(name: &str, group: &Value, tokenizer: &Tokenizer) -> Vec<String> {
    let mut found = Vec::new();
    let cases = group["cases"].as_array().unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let (text, pair) = (case["text"].as_str().unwrap(), case["pair"].as_str());
        let encoding = match case["max_length"].as_u64() {
            None => tokenizer.encode(text, pair).unwrap(),
            Some(limit) => {
                let limit = usize::try_from(limit).unwrap();
                tokenizer.encode_truncated(text, pair, limit).unwrap().0
            }
        };
        let expected = numbers(&case["ids"]);
        if encoding.ids != expected {
            let ids = &encoding.ids;
            found.push(format!(
                "{name}: {text:?} {pair:?}: {ids:?}, not {expected:?}"
            ));
        } else if case.get("type_ids").is_some() && encoding.type_ids != numbers(&case["type_ids"])
        {
            let types = &encoding.type_ids;
            found.push(format!("{name}: {text:?} {pair:?}: types {types:?}"));
        }
        if let Some(expected) = case["decoded"].as_str() {
            let decoded = tokenizer.decode(&numbers(&case["ids"]), true).unwrap();
            if decoded != expected {
                found.push(format!(
                    "{name}: {text:?}: decoded {decoded:?}, not {expected:?}"
                ));
            }
        }
    }
    found
}

#[test]
fn every_kind_of_model_gives_the_ids_and_texts_of_the_library() {
    let mut found = Vec::new();
    for (name, group) in groups("models.json") {
        let tokenizer = open(&group);
        found.extend(differences(&name, &group, &tokenizer));
        let pieces = group["pieces"].as_array().unwrap();
        for (id, expected) in (0u32..).zip(pieces) {
            let decoded = tokenizer.decode(&[id], false).unwrap();
            if decoded != *expected {
                found.push(format!("{name}: id {id} is {decoded:?}, not {expected}"));
            }
        }
        let every: Vec<u32> = (0u32..).zip(pieces).map(|(id, _)| id).collect();
        assert_eq!(
            tokenizer.decode(&every, false).unwrap(),
            group["together"],
            "{name}"
        );
        assert_eq!(tokenizer.vocab_size(), every.len());
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_family_gives_the_ids_of_its_own_tokenizer() {
    let mut found = Vec::new();
    for (name, group) in groups("families.json") {
        let tokenizer = open(&group);
        found.extend(differences(&name, &group, &tokenizer));
        let size = tokenizer.vocab_size();
        assert_eq!(
            size,
            usize::try_from(group["size"].as_u64().unwrap()).unwrap(),
            "{name}"
        );
        let largest = usize::try_from(group["largest"].as_u64().unwrap()).unwrap();
        tokenizer.check_vocab_size(largest + 1).unwrap();
        tokenizer.check_vocab_size(largest).unwrap_err();
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The tokenizer that the description of another makes; none if there is none.
fn described(tokenizer: &Tokenizer) -> Option<Tokenizer> {
    let files = tokenizer.described_files().unwrap()?;
    let read = |name: &str| {
        let mut files = files.iter();
        let found = files.find(|(file, _)| file == name);
        Ok(found.map(|(_, bytes)| bytes.clone()))
    };
    Some(Tokenizer::from_preset_files(&read, &Map::new()).unwrap())
}

/// Whether a family makes other tokens of a text by its description: several rules of replacement apply to one of its characters, or a sign goes with
/// the accents.
fn is_described_otherwise(family: &str, text: &str) -> bool {
    let overlaps = ["\u{ff76}\u{ff9e}", "\u{301} alone"];
    let has_rules = !["llama", "gemma_family", "albert", "fnet", "xlnet"].contains(&family);
    has_rules && overlaps.iter().any(|start| text.starts_with(start))
}

#[test]
fn the_description_of_a_file_gives_the_same_tokens() {
    let mut found = Vec::new();
    for (name, group) in groups("families.json") {
        let tokenizer = open(&group);
        let Some(described) = described(&tokenizer) else {
            // They keep spaces in front of a text by a token of their own.
            assert!(
                ["llama_newer", "t5_newer"].contains(&name.as_str()),
                "{name}"
            );
            continue;
        };
        let ids = 0..u32::try_from(tokenizer.vocab_size()).unwrap();
        for id in ids {
            assert_eq!(
                described.id_to_token(id),
                tokenizer.id_to_token(id),
                "{name}"
            );
        }
        for case in group["cases"].as_array().unwrap() {
            let (text, pair) = (case["text"].as_str().unwrap(), case["pair"].as_str());
            let [one, other] =
                [&tokenizer, &described].map(|tokenizer| tokenizer.encode(text, pair).unwrap());
            let differs = one.ids != other.ids || one.type_ids != other.type_ids;
            if differs != is_described_otherwise(&name, text) {
                let (ids, expected) = (&other.ids, &one.ids);
                found.push(format!(
                    "{name}: {text:?} {pair:?}: {ids:?}, not {expected:?}"
                ));
            }
            if differs {
                continue;
            }
            let [one, other] =
                [&tokenizer, &described].map(|tokenizer| tokenizer.decode(&one.ids, true).unwrap());
            if one.trim_end() != other.trim_end() {
                found.push(format!("{name}: {text:?}: decoded {other:?}, not {one:?}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
