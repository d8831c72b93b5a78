//! What a vocabulary lacks is counted as the reference library meets it, and letters are read without the spaces that theirs wants.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use engraft_text::{LetterPolicy, Tokenizer};
use serde_json::{Map, Value, json};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/tokenizers")
}

fn bytes(content: &Value) -> Vec<u8> {
    match content.as_str() {
        Some(name) => fs::read(golden().join(name.strip_prefix('@').unwrap())).unwrap(),
        None => content.to_string().into_bytes(),
    }
}

fn open(files: &Value, config: &Value) -> Tokenizer {
    let read = |name: &str| Ok(files.get(name).map(bytes));
    let config = config.as_object().cloned().unwrap_or_default();
    Tokenizer::from_preset_files(&read, &config).unwrap()
}

fn groups() -> Vec<Value> {
    serde_json::from_slice(&fs::read(golden().join("unknown.json")).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn unknown_tokens_are_counted_with_what_they_stand_for() {
    for group in groups() {
        let name = &group["name"];
        let tokenizer = open(&group["files"], &group["config"]);
        for row in group["rows"].as_array().unwrap() {
            let text = row["text"].as_str().unwrap();
            let encoding = tokenizer.encode(text, None).unwrap();
            assert_eq!(encoding.ids, numbers(&row["ids"]), "{name}: {row}");
            let count = usize::try_from(row["unknown"].as_u64().unwrap()).unwrap();
            assert_eq!(
                (encoding.unknown, encoding.dropped),
                (count, 0),
                "{name}: {row}"
            );
            let missing: BTreeMap<String, usize> =
                serde_json::from_value(row["missing"].clone()).unwrap();
            assert_eq!(encoding.missing, missing, "{name}: {row}");
            // Both texts of a pair, and what is left of a text that is cut.
            let pair = tokenizer.encode(text, Some(text)).unwrap();
            assert_eq!(pair.unknown, 2 * count, "{name}: {row}");
            let (cut, _) = tokenizer.encode_truncated(text, None, 3).unwrap();
            let first = encoding
                .ids
                .get(1)
                .is_some_and(|id| Some(*id) == tokenizer.special_ids().unk);
            assert_eq!(cut.unknown, usize::from(first), "{name}: {row}");
        }
    }
}

#[test]
fn letters_and_kmers_saved_as_words_are_read_without_the_spaces_that_these_want() {
    let mut seen = 0;
    for group in groups().iter().filter(|group| group["length"].is_number()) {
        let name = &group["name"];
        let tokenizer = open(&group["files"], &group["config"]);
        assert_eq!(tokenizer.letter_policy(), None);
        let letters = tokenizer.clone().with_letters(LetterPolicy::Unknown);
        assert_eq!(letters.letter_policy(), Some(LetterPolicy::Unknown));
        for row in group["spaced"].as_array().unwrap() {
            let text = row["text"].as_str().unwrap();
            assert_eq!(
                letters.encode(text, None).unwrap().ids,
                numbers(&row["ids"]),
                "{name}: {row}"
            );
        }
        // The files say it, and a tokenizer opened from them reads alike.
        let files = letters.files();
        let read = |file: &str| {
            Ok(files
                .iter()
                .find(|(name, _)| name == file)
                .map(|(_, bytes)| bytes.clone()))
        };
        let again = Tokenizer::from_preset_files(&read, &Map::new()).unwrap();
        assert_eq!(again.letter_policy(), Some(LetterPolicy::Unknown), "{name}");
        assert_eq!(
            again.encode("ACGTA", None).unwrap(),
            letters.encode("ACGTA", None).unwrap()
        );
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn letters_that_the_words_lack_are_mapped_refused_and_counted() {
    let groups = groups();
    let of = |name: &str| {
        let group = groups.iter().find(|group| group["name"] == name).unwrap();
        open(&group["files"], &group["config"])
    };
    let proteins = of("letters as words").with_letters(LetterPolicy::Map);
    let encoding = proteins.encode("mk?", None).unwrap();
    // The question mark becomes X.
    assert_eq!(encoding.ids, proteins.encode("MKX", None).unwrap().ids);
    assert_eq!((encoding.outside, encoding.unknown), (3, 0));
    let missing: Vec<&str> = encoding.missing.keys().map(String::as_str).collect();
    assert_eq!(missing, ["?", "k", "m"]);

    let dna = of("k-mers as words");
    let mapped = dna.clone().with_letters(LetterPolicy::Map);
    let encoding = mapped.encode("acguAC", None).unwrap();
    assert_eq!(encoding.ids, mapped.encode("ACGTAC", None).unwrap().ids);
    assert_eq!(encoding.outside, 4);
    let unknown = dna.clone().with_letters(LetterPolicy::Unknown);
    let encoding = unknown.encode("ACGNACG", None).unwrap();
    assert_eq!(
        (encoding.len(), encoding.outside, encoding.unknown),
        (7, 1, 3)
    );
    assert_eq!(encoding.missing, BTreeMap::from([("N".to_owned(), 1)]));
    assert_eq!(unknown.spans("ACGT A").unwrap(), [0..3, 1..4, 5..6]);
    let refused = dna.with_letters(LetterPolicy::Error).encode("ACGN", None);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("the letter 'N' at position 4")
    );
}

#[test]
fn what_a_vocabulary_expects_is_said() {
    let expects = |name: &str| {
        let groups = groups();
        let group = groups.iter().find(|group| group["name"] == name).unwrap();
        open(&group["files"], &group["config"]).expects()
    };
    assert_eq!(
        expects("letters as words"),
        "its vocabulary has single letters with spaces between them: give model.backbone.letters: unknown, which reads sequences as they \
         are, or write them with spaces"
    );
    assert_eq!(
        expects("k-mers as words, saved again"),
        "its vocabulary has k-mers of 3 letters with spaces between them: give model.backbone.letters: unknown, which reads sequences as \
         the 3-mers that begin at each letter, or write them so"
    );
    let words = expects("word pieces");
    assert!(
        words.starts_with("its vocabulary has pieces such as \""),
        "{words}"
    );
    assert!(
        words.ends_with("take a backbone that was trained on texts like yours"),
        "{words}"
    );
    let letters = open(&json!({"vocab.txt": "@letters_esm/vocab.txt"}), &json!({}));
    assert_eq!(
        letters.expects(),
        "its vocabulary has the letters LAGVSERTIDPKQNFYMHWCXBUZO.-: give sequences of these, take model.backbone.letters: map for the \
         nearest letter, or a backbone that knows yours"
    );
}

#[test]
fn letters_that_vanish_are_counted_too() {
    // Byte pairs without tokens for all bytes, and without an unknown token.
    let files = json!({"vocab.json": {"A": 0, "C": 1, "G": 2, "T": 3, "AC": 4}, "merges.txt": "@settings/acgt.merges"});
    let tokenizer = open(&files, &json!({}));
    let encoding = tokenizer.encode("hello ACGT", None).unwrap();
    assert_eq!(
        (encoding.len(), encoding.unknown, encoding.dropped),
        (3, 0, 5)
    );
    assert_eq!(
        encoding.missing.into_iter().collect::<Vec<_>>(),
        [
            ("e".to_owned(), 1),
            ("h".to_owned(), 1),
            ("l".to_owned(), 2),
            ("o".to_owned(), 1)
        ]
    );
    let known = tokenizer.encode("ACGT", None).unwrap();
    assert_eq!((known.dropped, known.missing.len()), (0, 0));
    // All bytes have a token in published vocabularies.
    let whole = open(
        &json!({"vocab.json": "@byte_pair/vocab.json", "merges.txt": "@byte_pair/merges.txt"}),
        &json!({}),
    );
    let encoding = whole.encode("日本 é", None).unwrap();
    assert_eq!((encoding.unknown, encoding.dropped), (0, 0));
}

#[test]
fn pieces_of_a_sentence_piece_file_are_counted_by_their_letters() {
    let folder = golden().join("sentence_piece");
    let read = |file: &str| {
        Ok((file == "spiece.model").then(|| fs::read(folder.join("unigram.model")).unwrap()))
    };
    let config = json!({"tokenizer_class": "SentencePieceTokenizer"});
    let tokenizer = Tokenizer::from_preset_files(&read, config.as_object().unwrap()).unwrap();
    let encoding = tokenizer.encode("the ♞ and ♞♞ again", None).unwrap();
    assert_eq!(encoding.unknown, 2);
    assert_eq!(encoding.missing, BTreeMap::from([("♞".to_owned(), 3)]));
    let known = tokenizer.encode("the and again", None).unwrap();
    assert_eq!((known.unknown, known.missing.len()), (0, 0));
}
