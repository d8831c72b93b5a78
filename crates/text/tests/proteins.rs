//! T5's models of proteins read sequences letter by letter, spaced or not.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

use engraft_text::{LetterPolicy, Tokenizer};
use serde_json::{Map, Value, json};

fn model() -> Vec<u8> {
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/tokenizers/translation");
    fs::read(golden.join("prot.model")).unwrap()
}

fn open(added: Value) -> Tokenizer {
    let read = |file: &str| {
        Ok(match file {
            "spiece.model" => Some(model()),
            "added_tokens.json" => Some(added.to_string().into_bytes()),
            _ => None,
        })
    };
    let config = json!({"model_type": "t5"});
    Tokenizer::from_preset_files(&read, config.as_object().unwrap()).unwrap()
}

fn prot_t5() -> Tokenizer {
    open(json!({}))
}

fn prost_t5() -> Tokenizer {
    open(json!({"a": 128, "d": 129, "v": 130, "p": 131, "<fold2AA>": 132, "<AA2fold>": 133}))
}

/// A vocabulary without spaces before letters, as Ankh's.
fn ankh() -> Tokenizer {
    let letters = "ALGVSREDTIPKFQNYMHWCXBOUZ"
        .chars()
        .map(|letter| json!([letter, -3.0]));
    let special = ["<pad>", "</s>", "<unk>"];
    let vocabulary: Vec<Value> = special
        .iter()
        .map(|token| json!([token, 0.0]))
        .chain(letters)
        .collect();
    let added: Vec<Value> = (0..)
        .zip(special)
        .map(|(id, token)| {
            json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let description = json!({
        "version": "1.0", "added_tokens": added, "normalizer": null, "pre_tokenizer": null, "decoder": null,
        "post_processor": {
            "type": "TemplateProcessing", "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
        },
        "model": {"type": "Unigram", "unk_id": 2, "vocab": vocabulary, "byte_fallback": false},
    });
    let read =
        |file: &str| Ok((file == "tokenizer.json").then(|| description.to_string().into_bytes()));
    Tokenizer::from_preset_files(&read, &Map::new()).unwrap()
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, None).unwrap().ids
}

#[test]
fn a_sequence_of_fasta_is_read_as_if_it_were_spaced() {
    for tokenizer in [prot_t5(), ankh()] {
        let expected = ids(&tokenizer, "M K T V R Q");
        assert_eq!(expected.len(), 7);
        assert_eq!(ids(&tokenizer, "MKTVRQ"), expected);
        assert_eq!(ids(&tokenizer, " MKT\nVRQ\n"), expected);
        assert_eq!(tokenizer.decode(&expected, true).unwrap(), "MKTVRQ");
        assert_eq!(tokenizer.letter_policy(), Some(LetterPolicy::Unknown));
    }
    let sentinel = prot_t5().token_to_id("<extra_id_0>").unwrap();
    let masked = ids(&prot_t5(), "MK<extra_id_0>T");
    assert_eq!(
        masked,
        [
            ids(&prot_t5(), "MK")[..2].to_vec(),
            vec![sentinel],
            ids(&prot_t5(), "T")
        ]
        .concat()
    );
}

#[test]
fn rare_amino_acids_are_any_for_prot_t5_and_themselves_for_ankh() {
    let tokenizer = prot_t5();
    assert_eq!(ids(&tokenizer, "MUZOBK"), ids(&tokenizer, "MXXXXK"));
    assert_eq!(ids(&tokenizer, "M U Z K"), ids(&tokenizer, "M X X K"));
    assert_eq!(tokenizer.encode("MUZOB", None).unwrap().outside, 0);
    assert!(tokenizer.notes()[0].ends_with("U, Z, O and B are read as X, as ProtT5 was trained"));
    let ankh = ankh();
    assert_ne!(ids(&ankh, "U"), ids(&ankh, "X"));
    assert_eq!(ids(&ankh, "U"), [ankh.token_to_id("U").unwrap(), 1]);
}

#[test]
fn each_letter_that_is_lacking_is_one_token_as_the_policy_has_it() {
    let tokenizer = prot_t5();
    let encoding = tokenizer.encode("MJJkT", None).unwrap();
    assert_eq!(
        (encoding.len(), encoding.outside, encoding.unknown),
        (6, 3, 3)
    );
    let mapped = tokenizer.with_letters(LetterPolicy::Map);
    assert_eq!(ids(&mapped, "MJkT"), ids(&mapped, "MXKT"));
}

#[test]
fn prost_t5_has_a_prefix_before_amino_acids_and_another_before_structures() {
    let tokenizer = prost_t5();
    let id = |token: &str| tokenizer.token_to_id(token).unwrap();
    let (amino, structure, end) = (id("<AA2fold>"), id("<fold2AA>"), 1);
    let (m, k) = (id("\u{2581}M"), id("\u{2581}K"));
    let sequence = tokenizer.encode("MK", None).unwrap();
    assert_eq!(sequence.ids, [amino, m, k, end]);
    assert_eq!(sequence.special, [true, false, false, true]);
    for written in ["<AA2fold> M K", "<AA2fold>MK", " <AA2fold> MK"] {
        assert_eq!(
            tokenizer.encode(written, None).unwrap(),
            sequence,
            "{written}"
        );
    }
    let structures = tokenizer.encode("dvvp", None).unwrap();
    assert_eq!(
        structures.ids,
        [structure, id("d"), id("v"), id("v"), id("p"), end]
    );
    assert_eq!(structures.unknown, 0);
    assert_eq!(tokenizer.encode("d v v p", None).unwrap(), structures);
    assert_eq!(ids(&tokenizer, ""), [structure, end]);
    assert_eq!(tokenizer.specials_added(false), 2);
}

#[test]
fn a_prefix_counts_when_a_text_is_cut_and_places_are_those_of_the_text() {
    let tokenizer = prost_t5();
    let (cut, is_cut) = tokenizer.encode_truncated("MKMKMK", None, 5).unwrap();
    assert!(is_cut);
    assert_eq!(cut.ids, ids(&tokenizer, "MKM"));
    let (whole, is_cut) = tokenizer.encode_truncated("MKM", None, 5).unwrap();
    assert!(!is_cut);
    assert_eq!(whole.ids, cut.ids);
    assert_eq!(tokenizer.spans("MKM").unwrap(), [0..1, 1..2, 2..3]);
    assert_eq!(tokenizer.spans("<AA2fold> MK").unwrap(), [10..11, 11..12]);
    let words = tokenizer.encode_words(&["MK", "M"], None).unwrap();
    assert_eq!(
        (words.encoding.ids, words.word_of),
        (cut.ids, vec![0, 0, 1])
    );
}

#[test]
fn what_prost_t5_writes_has_no_prefix() {
    let tokenizer = prost_t5();
    let written = tokenizer.for_target(None).unwrap();
    let structures = ids(&tokenizer, "dvvp");
    assert_eq!(ids(&written, "dvvp"), structures[1..]);
    assert_eq!(written.decode(&structures[1..], true).unwrap(), "dvvp");
}
