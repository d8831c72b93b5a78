//! Sequences of DNA, RNA and protein get the ids of the published vocabularies, under every policy for unknown letters.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

use engraft_text::{Encoding, Error, LetterPolicy, Row, Tokenizer};
use serde_json::{Map, Value, json};

/// The committed file of this name for alphabets.
fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/alphabets");
    fs::read(folder.join(name)).unwrap()
}

fn open(files: &[(String, Vec<u8>)], config: &Value) -> Tokenizer {
    let read = |name: &str| {
        let found = files.iter().find(|(file, _)| file == name);
        Ok(found.map(|(_, bytes)| bytes.clone()))
    };
    Tokenizer::from_preset_files(&read, config.as_object().unwrap()).unwrap()
}

fn owned(files: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    files
        .iter()
        .map(|(file, bytes)| ((*file).to_owned(), bytes.to_vec()))
        .collect()
}

fn numbers(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Encodes a case as it says.
fn encode(tokenizer: &Tokenizer, case: &Value) -> Result<Encoding, Error> {
    let (text, pair) = (case["text"].as_str().unwrap(), case["pair"].as_str());
    match case["max_length"].as_u64() {
        Some(limit) => tokenizer
            .encode_truncated(text, pair, usize::try_from(limit).unwrap())
            .map(|(encoding, _)| encoding),
        None => tokenizer.encode(text, pair),
    }
}

/// Checks a group of cases of `cases.json` against the tokenizer made of these files.
fn check(group: &str, files: &[(String, Vec<u8>)], config: &Value) {
    let all: Value = serde_json::from_slice(&golden("cases.json")).unwrap();
    let tokenizer = open(files, config);
    let cases = all[group]["cases"].as_array().unwrap();
    assert!(cases.len() > 25);
    for case in cases {
        let policy = LetterPolicy::from_name(case["policy"].as_str().unwrap()).unwrap();
        let encoded = encode(&tokenizer.clone().with_letters(policy), case);
        if let Some(letter) = case["letter"].as_str() {
            let Err(Error::Letter {
                letter: found,
                position,
                ..
            }) = encoded
            else {
                panic!("{case} is not refused");
            };
            assert_eq!(found.to_string(), letter, "{case}");
            assert_eq!(
                u64::try_from(position).ok(),
                case["position"].as_u64(),
                "{case}"
            );
            continue;
        }
        let encoding = encoded.unwrap();
        assert_eq!(encoding.ids, numbers(&case["ids"]), "{case}");
        assert_eq!(encoding.type_ids, numbers(&case["type_ids"]), "{case}");
        assert_eq!(
            u64::try_from(encoding.outside).ok(),
            case["outside"].as_u64(),
            "{case}"
        );
    }
}

fn config_of(group: &str) -> Value {
    let all: Value = serde_json::from_slice(&golden("cases.json")).unwrap();
    all[group]["config"].clone()
}

#[test]
fn models_that_come_without_a_vocabulary_have_the_published_one() {
    for group in ["rnabert", "fm4bio", "dna_onehot", "protein_onehot"] {
        check(group, &[], &config_of(group));
    }
}

#[test]
fn a_tokenizer_from_a_built_in_vocabulary_is_the_same_when_opened_from_its_saved_files() {
    for group in ["rnabert", "fm4bio", "dna_onehot", "protein_onehot"] {
        let config = config_of(group);
        let files = open(&[], &config).files();
        let names: Vec<&str> = files.iter().map(|(file, _)| file.as_str()).collect();
        assert_eq!(names, ["tokenizer_config.json", "vocab.txt"]);
        check(group, &files, &config);
        assert_eq!(open(&files, &config).files(), files);
        // The files alone say everything: no part is left to the kind of model.
        check(group, &files, &json!({}));
    }
}

#[test]
fn the_built_in_presets_hold_the_same_files() {
    let presets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/presets");
    for (preset, group) in [
        ("aido_dna_debug", "rnabert"),
        ("aido_rna_debug", "rnabert"),
        ("aido_protein_debug", "fm4bio"),
        ("dna_onehot", "dna_onehot"),
        ("protein_onehot", "protein_onehot"),
    ] {
        let folder = presets.join(preset);
        let config: Map<String, Value> =
            serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap();
        let tokenizer = open(&[], &Value::Object(config.clone()));
        for (file, bytes) in tokenizer.files() {
            assert!(
                fs::read(folder.join(&file)).unwrap() == bytes,
                "{preset}/{file}"
            );
        }
        // The embeddings of AIDO.Protein have rows to spare.
        let size = match group {
            "fm4bio" => 44,
            _ => config["vocab_size"].as_u64().unwrap(),
        };
        assert_eq!(u64::try_from(tokenizer.vocab_size()).unwrap(), size);
        assert_eq!(config["model_type"], config_of(group)["model_type"]);
    }
}

#[test]
fn the_vocabulary_of_a_preset_comes_before_the_built_in_one() {
    let own = owned(&[("vocab.txt", b"[UNK]\n[CLS]\n[SEP]\nT\nA\n")]);
    let settings = r#"{"tokenizer_class": "RNABertTokenizer"}"#;
    for files in [
        own.clone(),
        [
            owned(&[("tokenizer_config.json", settings.as_bytes())]),
            own,
        ]
        .concat(),
    ] {
        let tokenizer = open(&files, &json!({"model_type": "rnabert"}));
        assert_eq!(tokenizer.encode("TAC", None).unwrap().ids, [1, 3, 4, 0, 2]);
        assert_eq!(tokenizer.files(), files);
    }
}

#[test]
fn a_preset_with_settings_but_no_vocabulary_keeps_its_settings() {
    let settings: &[u8] = br#"{"cls_token": null}"#;
    let config = json!({"model_type": "rnabert"});
    let tokenizer = open(&owned(&[("tokenizer_config.json", settings)]), &config);
    assert_eq!(tokenizer.encode("ACGT", None).unwrap().ids, [5, 7, 6, 8, 3]);
    let saved = tokenizer.files();
    assert_eq!(
        saved[0],
        ("tokenizer_config.json".to_owned(), settings.to_vec())
    );
    assert_eq!(saved[1].0, "vocab.txt");
}

#[test]
fn kmers_agree_with_the_reference_whatever_is_between_them() {
    let all: Value = serde_json::from_slice(&golden("kmers.json")).unwrap();
    for (name, group) in all.as_object().unwrap() {
        let settings = group["tokenizer_config"].to_string();
        let vocabulary = golden("kmers/vocab.txt");
        let files = [
            ("vocab.txt", vocabulary.as_slice()),
            ("tokenizer_config.json", settings.as_bytes()),
        ];
        let tokenizer = open(&owned(&files), &json!({"model_type": "esm"}));
        assert_eq!(tokenizer.letter_policy(), Some(LetterPolicy::Unknown));
        for case in group["cases"].as_array().unwrap() {
            let ids = encode(&tokenizer, case).unwrap().ids;
            assert_eq!(ids, numbers(&case["ids"]), "{name}: {case}");
        }
    }
}

#[test]
fn letters_are_mapped_before_kmers_are_looked_for() {
    let files = owned(&[
        ("vocab.txt", &golden("kmers/vocab.txt")),
        (
            "tokenizer_config.json",
            br#"{"tokenizer_class": "EsmTokenizer"}"#,
        ),
    ]);
    let tokenizer = open(&files, &json!({}));
    let mapped = tokenizer.clone().with_letters(LetterPolicy::Map);
    for (text, same, outside) in [
        ("acguac", "ACGTAC", 6),
        ("ACGtAC<mask>", "ACGTAC<mask>", 1),
        ("ACRTTA", "ACNTTA", 1),
    ] {
        let encoding = mapped.encode(text, None).unwrap();
        assert_eq!(encoding.ids, tokenizer.encode(same, None).unwrap().ids);
        assert_eq!(encoding.outside, outside, "{text}");
    }
    // <cls>, then ACG with one mapped letter, then T, which is cut off, as is its mapped letter.
    let (cut, _) = mapped.encode_truncated("ACgt", None, 3).unwrap();
    assert_eq!((cut.len(), cut.outside), (3, 1));
    let unknown = tokenizer.encode("ACGacgAC", None).unwrap();
    assert_eq!((unknown.len(), unknown.outside), (6, 3));
}

#[test]
fn a_refused_letter_is_named_with_its_row_its_place_and_the_alphabet() {
    let strict = open(&[], &json!({"model_type": "rnabert"})).with_letters(LetterPolicy::Error);
    let rows = [
        Row::from("ACGT"),
        Row::from(("AC[MASK]", "A CGx")),
        Row::from("J"),
    ];
    assert_eq!(
        strict.encode_rows(&rows, None).unwrap_err().to_string(),
        "row 1: the letter 'x' at position 5 of the second sequence is not in the model's alphabet (AGCTUN); correct the \
         sequence, or choose the letter policy \"map\" or \"unknown\""
    );
    let message = strict.encode("ACG\u{301}", None).unwrap_err().to_string();
    assert!(
        message.starts_with("the letter '\\u{301}' at position 4 is not"),
        "{message}"
    );
    // What would be cut off is looked at too: the row is wrong, however much of it is used.
    assert!(strict.encode_truncated("ACGTx", None, 4).is_err());
}

#[test]
fn the_characters_of_each_token_are_known() {
    let files = owned(&[(
        "vocab.txt",
        b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\nC\nG\nT",
    )]);
    let tokenizer = open(&files, &json!({}));
    assert_eq!(
        tokenizer.spans("AC x[MASK]g").unwrap(),
        [0..1, 1..2, 3..4, 4..10, 10..11]
    );
}
