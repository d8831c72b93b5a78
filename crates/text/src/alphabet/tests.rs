//! Which tokenizers have an alphabet, and that it reads as they do.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{LetterPolicy, Result, Tokenizer};

const ESM: &str = r#"{"tokenizer_class": "EsmTokenizer"}"#;
const SAPIENS: &[u8] = include_bytes!("../../../hub/presets/sapiens_vh/tokenizer.json");

fn open(files: &[(&str, &[u8])]) -> Result<Tokenizer> {
    let read = |name: &str| {
        let found = files.iter().find(|(file, _)| *file == name);
        Ok(found.map(|(_, bytes)| bytes.to_vec()))
    };
    Tokenizer::from_preset_files(&read, &Map::new())
}

fn letters(vocabulary: &str) -> Tokenizer {
    open(&[("vocab.txt", vocabulary.as_bytes())]).unwrap()
}

fn tokens(tokenizer: &Tokenizer, policy: LetterPolicy, text: &str) -> Vec<String> {
    let encoding = tokenizer
        .clone()
        .with_letters(policy)
        .encode(text, None)
        .unwrap();
    let token = |id: &u32| tokenizer.id_to_token(*id).unwrap();
    encoding.ids.iter().map(token).collect()
}

fn mapped(vocabulary: &str, text: &str) -> String {
    tokens(&letters(vocabulary), LetterPolicy::Map, text).concat()
}

#[test]
fn t_and_u_are_exchanged_only_among_nucleotides() {
    assert_eq!(mapped("<unk>\nA\nC\nG\nT\n", "AUu"), "ATT");
    assert_eq!(mapped("<unk>\nA\nC\nG\nU\n", "ATt"), "AUU");
    assert_eq!(mapped("<unk>\nA\nC\nG\nT\nU\n", "AUTu"), "AUTU");
    // U is selenocysteine here, which is not threonine.
    let amino_acids: String = "<unk>ACDEFGHIKLMNPQRSTVWY"
        .split_inclusive('>')
        .flat_map(|part| match part {
            "<unk>" => vec!["<unk>\n".to_owned()],
            letters => letters
                .chars()
                .map(|letter| format!("{letter}\n"))
                .collect(),
        })
        .collect();
    assert_eq!(mapped(&amino_acids, "aUN"), "A<unk>N");
    assert_eq!(mapped(&format!("{amino_acids}X\n"), "aUN"), "AXN");
}

#[test]
fn the_letter_for_any_other_is_used_only_where_the_vocabulary_has_it_and_says_what_it_is() {
    assert_eq!(mapped("<unk>\nA\nC\nG\nT\n", "R-"), "<unk><unk>");
    assert_eq!(mapped("<unk>\nA\nC\nG\nT\nN\n", "R-"), "NN");
    // An alphabet of unknown meaning.
    assert_eq!(mapped("<unk>\nA\nB\nZ\nN\nX\n", "aQ"), "A<unk>");
}

#[test]
fn a_tokenizer_json_of_letters_has_a_policy_and_keeps_its_own_rule_for_white_space() {
    let tokenizer = open(&[("tokenizer.json", SAPIENS)]).unwrap();
    assert_eq!(tokenizer.letter_policy(), Some(LetterPolicy::Unknown));
    let read = |policy| tokens(&tokenizer, policy, "E v<mask>J").concat();
    assert_eq!(read(LetterPolicy::Unknown), "<s>E<unk><unk><mask><unk></s>");
    assert_eq!(read(LetterPolicy::Map), "<s>EV<mask><unk></s>");
    assert_eq!(tokenizer.encode("E vJ", None).unwrap().outside, 3);
    let strict = tokenizer.clone().with_letters(LetterPolicy::Error);
    assert!(strict.encode("E V", None).is_ok());
    assert!(strict.encode("E v", None).is_err());
}

#[test]
fn a_tokenizer_json_that_gives_a_run_of_unknown_letters_one_token_keeps_doing_so() {
    let mut json: Value = serde_json::from_slice(SAPIENS).unwrap();
    let letters: Vec<Value> = (4..24)
        .map(|id| {
            let content = json["model"]["vocab"].as_object().unwrap().iter().find(|(_, place)| **place == id).unwrap().0;
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                "special": false})
        })
        .collect();
    let added = json["added_tokens"].as_array_mut().unwrap();
    added.extend(letters);
    added.sort_by_key(|token| token["id"].as_u64());
    json["pre_tokenizer"] = json!({"type": "WhitespaceSplit"});
    let tokenizer = open(&[("tokenizer.json", json.to_string().as_bytes())]).unwrap();
    assert_eq!(
        tokens(&tokenizer, LetterPolicy::Unknown, "E xyV zz<mask>J").concat(),
        "<s>E<unk>V<unk><mask><unk></s>"
    );
    let encoding = tokenizer.encode("E xyV zz<mask>J", None).unwrap();
    assert_eq!(encoding.outside, 5);
}

#[test]
fn two_letters_of_a_tokenizer_json_may_have_one_id() {
    let mut json: Value = serde_json::from_slice(SAPIENS).unwrap();
    json["model"]["vocab"]["U"] = json["model"]["vocab"]["C"].clone();
    let tokenizer = open(&[("tokenizer.json", json.to_string().as_bytes())]).unwrap();
    let encoding = tokenizer.encode("CU", None).unwrap();
    assert_eq!((encoding.ids, encoding.outside), (vec![0, 5, 5, 2], 0));
}

#[test]
fn tokenizers_of_words_have_no_policy_and_are_left_as_they_are() {
    let words: &[u8] = b"[UNK]\n[CLS]\n[SEP]\nplay\n##ing\n";
    let mut json: Value = serde_json::from_slice(SAPIENS).unwrap();
    json["model"]["vocab"]["EVQ"] = json!(25);
    let words_as_json = json.to_string();
    json["model"]["vocab"]["EVQ"].take();
    json["model"]["vocab"]
        .as_object_mut()
        .unwrap()
        .remove("EVQ");
    json["normalizer"] = json!({"type": "Lowercase"});
    let lower_case = json.to_string();
    for files in [
        [("vocab.txt", words)],
        [("tokenizer.json", words_as_json.as_bytes())],
        [("tokenizer.json", lower_case.as_bytes())],
    ] {
        let tokenizer = open(&files).unwrap();
        let before = tokenizer.encode("play EVQ", None).unwrap();
        let tokenizer = tokenizer.with_letters(LetterPolicy::Error);
        assert_eq!(tokenizer.letter_policy(), None);
        assert_eq!(tokenizer.encode("play EVQ", None).unwrap(), before);
        assert_eq!(tokenizer.files().len(), 1);
    }
}

#[test]
fn a_policy_is_kept_with_the_files_beside_their_other_settings() {
    let vocabulary: &[u8] = b"<unk>\n<x>\nA\nC\nG\nT\nN\n";
    let settings: &[u8] = br#"{"z": [1], "cls_token": "<x>"}"#;
    let tokenizer = open(&[
        ("vocab.txt", vocabulary),
        ("tokenizer_config.json", settings),
    ])
    .unwrap();
    assert!(
        tokenizer
            .files()
            .contains(&("tokenizer_config.json".into(), settings.to_vec()))
    );

    let saved = tokenizer.with_letters(LetterPolicy::Map).files();
    let saved: Vec<(&str, &[u8])> = saved
        .iter()
        .map(|(file, bytes)| (file.as_str(), bytes.as_slice()))
        .collect();
    let again = open(&saved).unwrap();
    assert_eq!(again.letter_policy(), Some(LetterPolicy::Map));
    assert_eq!(again.encode("ar", None).unwrap().ids, [1, 2, 6]);
    let kept: Value = serde_json::from_slice(&again.files()[0].1).unwrap();
    assert_eq!(
        kept,
        json!({"z": [1], "cls_token": "<x>", "letter_policy": "map"})
    );

    let back = again.with_letters(LetterPolicy::Unknown).files();
    let kept: Value = serde_json::from_slice(&back[0].1).unwrap();
    assert_eq!(kept["letter_policy"], "unknown");
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let refusal = |settings: &str| {
        let files: [(&str, &[u8]); 2] = [
            ("vocab.txt", b"<unk>\nA\nC\n"),
            ("tokenizer_config.json", settings.as_bytes()),
        ];
        open(&files).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(r#"{"letter_policy": "Map"}"#),
        "tokenizer_config.json: letter_policy should be one of error, unknown, map, not \"Map\""
    );
    assert_eq!(
        refusal(r#"{"synonyms": {"|": "[SEP]"}}"#),
        "tokenizer_config.json: synonyms says that \"|\" is read as \"[SEP]\", which is no token of the vocabulary"
    );
    assert_eq!(
        refusal(r#"{"synonyms": ["|"]}"#),
        "tokenizer_config.json: synonyms should be an object of letters and tokens, not [\"|\"]"
    );
}

#[test]
fn a_long_alphabet_is_cut_short_in_messages() {
    let many: String = ('a'..='z')
        .chain('A'..='Z')
        .chain('0'..='9')
        .map(|letter| format!("{letter}\n"))
        .collect();
    let strict = letters(&format!("<unk>\n{many}")).with_letters(LetterPolicy::Error);
    let message = strict.encode("a-", None).unwrap_err().to_string();
    assert!(
        message.contains("(abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567…)"),
        "{message}"
    );
}

proptest! {
    /// The crate `tokenizers` is the oracle.
    #[test]
    fn any_text_is_read_as_the_tokenizer_reads_it(
        entries in prop::collection::btree_set("[ACGN]{1,3}|[A<\\[|]|<[ACm]{1,2}>|\\[A\\]", 1..12),
        one_letter: bool,
        text in "[ACGNacx<>\\[\\]| é]{0,30}",
    ) {
        let entries = entries.iter().filter(|entry| !one_letter || entry.len() == 1 || entry.starts_with(['<', '[']));
        let vocabulary: String = entries.map(|entry| format!("{entry}\n")).collect();
        let vocabulary = format!("<unk>\n{vocabulary}A{0}{0}\n", if one_letter { "" } else { "C" });
        let files = [("vocab.txt", vocabulary.as_bytes()), ("tokenizer_config.json", ESM.as_bytes())];
        if let Ok(tokenizer) = open(&files) {
            let oracle = tokenizer.inner_ids(&text);
            prop_assert!(tokenizer.letter_policy().is_some(), "{}", vocabulary);
            prop_assert_eq!(tokenizer.encode(&text, None).unwrap().ids, oracle, "{}", vocabulary);
        }
    }

    #[test]
    fn under_every_policy_each_letter_is_one_token_and_each_outside_letter_is_counted(text in "[ACGUTNacgutnRYx.-]{0,40}") {
        let tokenizer = letters("<unk>\nA\nC\nG\nT\nN\n");
        let outside = text.chars().filter(|letter| !"ACGTN".contains(*letter)).count();
        for policy in LetterPolicy::ALL {
            match tokenizer.clone().with_letters(policy).encode(&text, None) {
                Ok(encoding) => {
                    prop_assert_eq!((encoding.len(), encoding.outside), (text.len(), outside));
                    let unknown = encoding.ids.iter().filter(|id| **id == 0).count();
                    prop_assert_eq!(unknown, if policy == LetterPolicy::Map { 0 } else { outside });
                }
                Err(_) => prop_assert!(policy == LetterPolicy::Error && outside > 0),
            }
        }
    }

    #[test]
    fn any_text_is_cut_to_any_length_with_the_letters_left_counted(
        text in "\\PC{0,30}", pair in proptest::option::of("\\PC{0,30}"), limit in 0usize..20,
    ) {
        let tokenizer = letters("<unk>\nA\nC\nG\nT\nN\n");
        for policy in [LetterPolicy::Unknown, LetterPolicy::Map] {
            let (encoding, _) =
                tokenizer.clone().with_letters(policy).encode_truncated(&text, pair.as_deref(), limit).unwrap();
            prop_assert!(encoding.len() <= limit && encoding.outside <= encoding.len());
        }
    }
}

/// Vocabularies of letters and of k-mers, the latter with unknown letters fused.
const CUT: [&str; 3] = [
    "<unk>\n<cls>\n<eos>\n<mask>\nA\nC\nG\nT\nN\n",
    "[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\nC\nG\nT\n",
    "<unk>\n<cls>\n<eos>\nACG\nAC\nA\nC\nGGTA\nT\n",
];

proptest! {
    #[test]
    fn a_long_sequence_is_cut_before_it_is_spelled_and_nothing_changes(
        unit in "(A|C|G|T|ACG|GGTA|N|u|é|🧬|-| |\n|<mask>|\\[MASK\\]|<ma){1,12}",
        times in 1usize..120,
        room in 0usize..40,
        vocabulary in 0usize..3,
        policy in 0usize..2,
    ) {
        let (vocabulary, text) = (CUT[vocabulary].as_bytes(), unit.repeat(times));
        let policy = [LetterPolicy::Unknown, LetterPolicy::Map][policy];
        for config in ["{}", ESM] {
            let files = [("vocab.txt", vocabulary), ("tokenizer_config.json", config.as_bytes())];
            let Ok(tokenizer) = open(&files) else { continue };
            let tokenizer = tokenizer.with_letters(policy);
            let length = tokenizer.specials_added(false) + room;
            let cut = tokenizer.encode_truncated(&text, None, length).unwrap();
            prop_assert_eq!(cut, tokenizer.encode_whole_then_cut(&text, length), "{:?}", text);
        }
    }
}
