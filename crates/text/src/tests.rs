//! What the tokenizer does with small vocabularies and with broken files.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{Error, Result, Row, Tokenizer};

const ANTIBODY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nL\nA\nG\nV\nE\nS\nI\nK\nR\nD\nT\nP\nN\nQ\nF\nY\nM\nH\nC\nW\n";
const SAPIENS: &[u8] = include_bytes!("../../hub/presets/sapiens_vh/tokenizer.json");
const WORDS: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nplay\n##ing\nthe\n##ed\n";

fn open_with(files: &[(&str, &[u8])], config: Value) -> Result<Tokenizer> {
    let read = |name: &str| {
        Ok(files
            .iter()
            .find(|(file, _)| *file == name)
            .map(|(_, bytes)| bytes.to_vec()))
    };
    let Value::Object(config) = config else {
        panic!("a config is an object")
    };
    Tokenizer::from_preset_files(&read, &config)
}

fn open(files: &[(&str, &[u8])]) -> Result<Tokenizer> {
    open_with(files, json!({}))
}

fn antibody() -> Tokenizer {
    open(&[("vocab.txt", ANTIBODY.as_bytes())]).unwrap()
}

fn refusal(files: &[(&str, &[u8])]) -> String {
    open(files).unwrap_err().to_string()
}

#[test]
fn a_vocabulary_of_letters_needs_no_spaces_and_drops_them() {
    let tokenizer = antibody();
    assert_eq!(tokenizer.encode("EVQ", None).unwrap().ids, [2, 9, 8, 18, 3]);
    assert_eq!(
        tokenizer.encode("E V\tQ\n", None).unwrap().ids,
        [2, 9, 8, 18, 3]
    );
    let special = tokenizer.special_ids();
    assert_eq!(
        (special.cls, special.sep, special.mask, special.pad),
        (Some(2), Some(3), Some(4), Some(0))
    );
}

#[test]
fn each_unknown_letter_is_one_unknown_token_and_the_mask_is_found_in_a_sequence() {
    let tokenizer = antibody();
    assert_eq!(
        tokenizer.encode("EXBé[MASK]Q", None).unwrap().ids,
        [2, 9, 1, 1, 1, 4, 18, 3]
    );
}

#[test]
fn the_tokenizer_class_decides_over_the_look_of_the_vocabulary() {
    let letters = [("vocab.txt", ANTIBODY.as_bytes())];
    let of_config = open_with(&letters, json!({"tokenizer_class": "BertTokenizer"})).unwrap();
    assert_eq!(of_config.encode("e v", None).unwrap().ids, [2, 1, 1, 3]);
    let settings: &[u8] = br#"{"tokenizer_class": "BertTokenizerFast", "do_lower_case": false}"#;
    let of_settings = open_with(
        &[letters[0], ("tokenizer_config.json", settings)],
        json!({"tokenizer_class": "EsmTokenizer"}),
    )
    .unwrap();
    assert_eq!(of_settings.encode("EV", None).unwrap().ids, [2, 1, 3]);
    let silent = open_with(&letters, json!({"tokenizer_class": "TokenizersBackend"})).unwrap();
    assert_eq!(silent.encode("EV", None).unwrap().ids, [2, 9, 8, 3]);
}

#[test]
fn two_texts_have_type_ids_and_their_special_tokens_marked() {
    let tokenizer = open(&[("vocab.txt", WORDS.as_bytes())]).unwrap();
    let encoding = tokenizer.encode("Playing the", Some("played")).unwrap();
    assert_eq!(encoding.ids, [2, 5, 6, 7, 3, 5, 8, 3]);
    assert_eq!(encoding.type_ids, [0, 0, 0, 0, 0, 1, 1, 1]);
    assert_eq!(
        encoding.special,
        [true, false, false, false, true, false, false, true]
    );
    assert_eq!(
        (
            tokenizer.specials_added(false),
            tokenizer.specials_added(true)
        ),
        (2, 3)
    );
}

#[test]
fn truncation_counts_special_tokens_and_says_whether_it_cut() {
    let tokenizer = antibody();
    let (whole, cut) = tokenizer.encode_truncated("EVQL", None, 6).unwrap();
    assert_eq!((whole.len(), cut), (6, false));
    let (encoding, cut) = tokenizer.encode_truncated("EVQL", None, 5).unwrap();
    assert_eq!(
        (encoding.ids, encoding.special, cut),
        (
            vec![2, 9, 8, 18, 3],
            vec![true, false, false, false, true],
            true
        )
    );
    let (encoding, _) = tokenizer.encode_truncated("EVQL", None, 2).unwrap();
    assert_eq!(encoding.ids, [2, 3]);
}

#[test]
fn a_limit_without_room_for_the_special_tokens_is_refused() {
    let message = antibody()
        .encode_truncated("E", Some("V"), 2)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "max_length 2 is less than the 3 special tokens that every row gets; give at least 3"
    );
}

#[test]
fn rows_come_back_in_order_and_the_first_failing_one_is_named() {
    let tokenizer = antibody();
    let texts: Vec<String> = (0..200).map(|n| "L".repeat(n)).collect();
    let rows: Vec<Row<'_>> = texts.iter().map(|text| Row::from(text.as_str())).collect();
    let encoded = tokenizer.encode_rows(&rows, Some(100)).unwrap();
    for (n, (encoding, cut)) in encoded.iter().enumerate() {
        assert_eq!((encoding.len(), *cut), ((n + 2).min(100), n > 98));
    }
    let rows = [Row::from("E"), Row::from(("E", "V")), Row::from(("E", "V"))];
    let message = tokenizer
        .encode_rows(&rows, Some(2))
        .unwrap_err()
        .to_string();
    assert!(message.starts_with("row 1: max_length 2"), "{message}");
}

#[test]
fn padding_and_truncation_stored_in_the_file_are_cleared() {
    let mut json: Value = serde_json::from_slice(SAPIENS).unwrap();
    json["truncation"] =
        json!({"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"});
    json["padding"] = json!({"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 1,
        "pad_type_id": 0, "pad_token": "<pad>"});
    let bytes = json.to_string().into_bytes();
    let tokenizer = open(&[("tokenizer.json", &bytes)]).unwrap();
    assert_eq!(tokenizer.encode("EVQLV", None).unwrap().len(), 7);
    assert_eq!(tokenizer.encode("E", None).unwrap().len(), 3);
    // What is saved with a fine-tuned model is still the author's own file.
    assert_eq!(tokenizer.files(), [("tokenizer.json".to_owned(), bytes)]);
}

#[test]
fn the_files_of_the_preset_decide_the_special_tokens() {
    let map: &[u8] = br#"{"cls_token": {"content": "<eos>", "lstrip": false}, "sep_token": null, "mask_token": "<absent>"}"#;
    let vocabulary: &[u8] = b"<cls>\n<eos>\n<unk>\n<sep>\n<pad>\nA\nC\n";
    let files = [("vocab.txt", vocabulary), ("special_tokens_map.json", map)];
    let special = open(&files).unwrap().special_ids();
    assert_eq!(
        (special.cls, special.sep, special.mask, special.pad),
        (Some(1), None, None, Some(4))
    );
    // The older file comes first, as in the reference library, unless the newer one lists all added tokens.
    let config: &[u8] = br#"{"cls_token": "<cls>"}"#;
    let special = open(&[files[0], files[1], ("tokenizer_config.json", config)])
        .unwrap()
        .special_ids();
    assert_eq!(special.cls, Some(1));
    let config: &[u8] = br#"{"cls_token": "<cls>", "added_tokens_decoder": {}}"#;
    let special = open(&[files[0], files[1], ("tokenizer_config.json", config)])
        .unwrap()
        .special_ids();
    assert_eq!((special.cls, special.sep), (Some(0), None));
    let wrong: &[u8] = br#"{"cls_token": 7}"#;
    let message = refusal(&[files[0], ("tokenizer_config.json", wrong)]);
    assert_eq!(
        message,
        "tokenizer_config.json: cls_token should be a token or null, not 7"
    );
}

#[test]
fn tokens_added_to_a_vocabulary_get_the_ids_the_files_give_them_or_are_refused() {
    let added: &[u8] = br#"{"[NEW]": 9}"#;
    let tokenizer = open(&[
        ("vocab.txt", WORDS.as_bytes()),
        ("added_tokens.json", added),
    ])
    .unwrap();
    assert_eq!(
        tokenizer.encode("the [NEW]", None).unwrap().ids,
        [2, 7, 9, 3]
    );
    assert_eq!(tokenizer.vocab_size(), 10);
    let added: &[u8] = br#"{"[NEW]": 12}"#;
    let message = refusal(&[
        ("vocab.txt", WORDS.as_bytes()),
        ("added_tokens.json", added),
    ]);
    assert_eq!(
        message,
        "vocab.txt: the added token \"[NEW]\" is said to have the id 12, but its place gives it 9"
    );
}

#[test]
fn a_tokenizer_larger_than_the_model_is_refused_by_its_last_token() {
    antibody().check_vocab_size(25).unwrap();
    let message = antibody().check_vocab_size(24).unwrap_err().to_string();
    assert!(
        message.contains("gives \"W\" the id 24, but the model's config.json says vocab_size 24"),
        "{message}"
    );
}

#[test]
fn a_preset_without_a_tokenizer_says_what_was_looked_for() {
    let message = refusal(&[]);
    assert!(
        message.contains(
            "looked for tokenizer.json, for vocab.txt, for vocab.json with merges.txt, and for a SentencePiece file (spiece.model,"
        ),
        "{message}"
    );
    assert!(refusal(&[("vocab.json", b"{}")]).ends_with("it has vocab.json but no merges.txt"));
}

#[test]
fn a_broken_tokenizer_file_says_where() {
    assert!(
        refusal(&[("tokenizer.json", b"{\n  \"version\": ,\n}")])
            .starts_with("tokenizer.json:2:14: not a valid tokenizer file")
    );
    let message = refusal(&[("tokenizer.json", b"{\"model\": {\"type\": \"Magic\"}}")]);
    assert!(message.starts_with("tokenizer.json:1:"), "{message}");
    let message = refusal(&[
        ("vocab.txt", ANTIBODY.as_bytes()),
        ("tokenizer_config.json", b"["),
    ]);
    assert!(message.starts_with("tokenizer_config.json:1:"), "{message}");
}

#[test]
fn a_vocabulary_without_the_tokens_it_needs_is_refused() {
    assert!(refusal(&[("vocab.txt", b"A\nC\n")]).contains("no token for letters it lacks"));
    assert!(
        refusal(&[("vocab.txt", b"[UNK]\n[SEP]\nword\n")])
            .contains("it has no \"[CLS]\", which WordPiece needs")
    );
    let setting: &[u8] = br#"{"do_lower_case": "yes"}"#;
    let message = refusal(&[
        ("vocab.txt", WORDS.as_bytes()),
        ("tokenizer_config.json", setting),
    ]);
    assert_eq!(
        message,
        "tokenizer_config.json: do_lower_case should be true or false, not \"yes\""
    );
}

#[test]
fn settings_on_which_the_crate_panics_are_an_error_when_opened() {
    let changed = |place: &str, value: Value| {
        let mut json: Value = serde_json::from_slice(SAPIENS).unwrap();
        *json.pointer_mut(place).unwrap() = value;
        refusal(&[("tokenizer.json", json.to_string().as_bytes())])
    };
    let merges = json!({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "####",
        "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": {"a": 0, "b": 1}, "merges": [["a", "b"]]});
    for message in [
        changed("/model", merges),
        changed("/post_processor/special_tokens", json!({})),
    ] {
        assert!(
            message.starts_with("tokenizer.json: its settings contradict each other"),
            "{message}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let read = |_: &str| Err("the disk is on fire".into());
    let error = Tokenizer::from_preset_files(&read, &Map::new()).unwrap_err();
    assert!(matches!(&error, Error::Read { file, .. } if file == "tokenizer.json"));
    assert_eq!(
        error.to_string(),
        "cannot read tokenizer.json: the disk is on fire"
    );
}

#[test]
fn word_pieces_are_joined_again() {
    let tokenizer = open(&[("vocab.txt", WORDS.as_bytes())]).unwrap();
    let ids = tokenizer.encode("playing the played", None).unwrap().ids;
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), "playing the played");
    assert_eq!(
        tokenizer.decode(&ids, false).unwrap(),
        "[CLS] playing the played [SEP]"
    );
    assert_eq!(tokenizer.decode(&[5, 4_000_000], true).unwrap(), "play");
}

proptest! {
    #[test]
    fn letters_survive_encoding_and_decoding(sequence in "[LAGVESIKRDTPNQFYMHCW]{0,60}") {
        let tokenizer = antibody();
        let ids = tokenizer.encode(&sequence, None).unwrap().ids;
        prop_assert_eq!(ids.len(), sequence.len() + 2);
        prop_assert_eq!(tokenizer.decode(&ids, true).unwrap(), sequence);
    }

    #[test]
    fn any_text_is_encoded_within_its_limit(text in "\\PC{0,40}", pair in proptest::option::of("\\PC{0,40}"), limit in 3usize..30) {
        let (encoding, cut) = antibody().encode_truncated(&text, pair.as_deref(), limit).unwrap();
        let whole = antibody().encode(&text, pair.as_deref()).unwrap();
        prop_assert_eq!(encoding.len(), whole.len().min(limit));
        prop_assert_eq!(cut, whole.len() > limit);
    }

    #[test]
    fn any_bytes_as_any_file_open_or_are_refused(
        file in prop::sample::select(vec!["tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json",
            "special_tokens_map.json", "added_tokens.json"]),
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            "[\\[\\]{}\":,a-z0-9 \n<>]{0,60}".prop_map(String::into_bytes),
        ],
    ) {
        let mut files: Vec<(&str, &[u8])> = vec![(file, &bytes)];
        for (name, content) in [("vocab.json", &b"{\"a\":0}"[..]), ("merges.txt", b"")] {
            if file != name {
                files.push((name, content));
            }
        }
        if let Ok(tokenizer) = open(&files) {
            let _ = tokenizer.encode("a b", Some("c"));
        }
    }

    #[test]
    fn a_tokenizer_file_with_one_value_changed_opens_or_is_refused(
        place in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![json!(null), json!(-1), json!(4_294_967_295u32), json!("x"), json!([]), json!({}), json!("")]),
    ) {
        let mut json: Value = serde_json::from_slice(SAPIENS).unwrap();
        let mut paths = Vec::new();
        collect_paths(&json, String::new(), &mut paths);
        *json.pointer_mut(place.get(paths.as_slice()).as_str()).unwrap() = value;
        let bytes = json.to_string().into_bytes();
        if let Ok(tokenizer) = open(&[("tokenizer.json", &bytes)]) {
            let _ = tokenizer.encode("EVQ", None);
            let _ = tokenizer.encode_truncated("EVQLLL", Some("EVLLL"), 5);
            let _ = tokenizer.decode(&[0, 4, 9, 77], true);
        }
    }
}

/// The places of all values within a value, as JSON pointers.
fn collect_paths(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            collect_paths(value, format!("{path}/{key}"), paths);
        }),
        Value::Array(list) => list.iter().enumerate().for_each(|(index, value)| {
            collect_paths(value, format!("{path}/{index}"), paths);
        }),
        _ => {}
    }
    paths.push(path);
}
