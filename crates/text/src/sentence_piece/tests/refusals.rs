//! SentencePiece files that are broken, and settings that cannot be followed.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn settings_that_cannot_be_followed_are_refused_by_name() {
    let refusal = |settings: Value| {
        open_with("spiece.model", &small().end(), &settings, json!({}))
            .unwrap_err()
            .to_string()
    };
    let message = refusal(json!({"tokenizer_class": "BigBirdTokenizerFast"}));
    assert!(message.starts_with("spiece.model: what tokenizer_class \"BigBirdTokenizer\" adds to a SentencePiece file is not known"), "{message}");
    assert!(
        message.contains("AlbertTokenizer, CamembertTokenizer"),
        "{message}"
    );
    let message = refusal(json!({"tokenizer_class": "DebertaV2Tokenizer", "split_by_punct": true}));
    assert!(
        message.starts_with("tokenizer_config.json: split_by_punct is not supported"),
        "{message}"
    );
    for count in [json!(-1), json!(65_537), json!("x")] {
        let message = refusal(json!({"tokenizer_class": "T5Tokenizer", "extra_ids": count}));
        assert!(
            message.starts_with(
                "tokenizer_config.json: extra_ids should be a number up to 65536, not"
            ),
            "{message}"
        );
    }
    let message =
        refusal(json!({"tokenizer_class": "T5Tokenizer", "additional_special_tokens": 7}));
    assert_eq!(
        message,
        "tokenizer_config.json: additional_special_tokens should be a list of tokens, not 7"
    );
    let message = open_with(
        "spiece.model",
        &small().end(),
        &json!({}),
        json!({"model_type": "big_bird"}),
    )
    .unwrap_err()
    .to_string();
    assert!(
        message.contains("what model_type \"big_bird\" adds"),
        "{message}"
    );
}

#[test]
fn broken_pieces_are_named() {
    let piece = |text: &[u8], score: f32, kind: u64| {
        refusal(
            &small()
                .message(1, &new().bytes(1, text).float(2, score).number(3, kind))
                .end(),
        )
    };
    let place = small().0.len() + 2;
    let damaged =
        format!("spiece.model: it is damaged, or no SentencePiece model, at byte {place}: ");
    for (message, expected) in [
        (
            piece(b"\xff", 0.0, 1),
            "piece 5 is not UTF-8 text; fetch it again",
        ),
        (piece(b"", 0.0, 1), "piece 5 is empty; fetch it again"),
        (
            piece(b"b", f32::NAN, 1),
            "piece 5 has a score that is not a finite number; fetch it again",
        ),
        (
            piece(b"b", f32::NEG_INFINITY, 1),
            "piece 5 has a score that is not a finite number; fetch it again",
        ),
        (
            piece(b"b", 0.0, 9),
            "piece 5 is of the unknown type 9; fetch it again",
        ),
    ] {
        assert_eq!(message, format!("{damaged}{expected}"));
    }
    for (message, expected) in [
        (
            piece(b"a", 0.0, 1),
            "piece 5, \"a\", is there already as piece 4",
        ),
        (piece(b"a\0", 0.0, 1), "piece 5 contains a null character"),
        (
            piece(b"[UNK]", 0.0, 2),
            "pieces 0 and 5 are both of the type for unknown text; one may be",
        ),
        (
            piece(b"<0x00>", 0.0, 6),
            "piece 5, \"<0x00>\", is a byte, but byte_fallback is off",
        ),
    ] {
        assert_eq!(message, format!("spiece.model: {expected}"));
    }
    // A piece for text may be written as a control piece is.
    open(&small().piece("<s>", -1.0, 1).end()).unwrap();
}

#[test]
fn a_model_that_lacks_a_part_is_refused() {
    let message = |model: Vec<u8>| refusal(&model);
    assert_eq!(
        message(Vec::new()),
        "spiece.model: it is no SentencePiece model, or an empty one: it has no pieces"
    );
    assert_eq!(
        message(new().end()),
        "spiece.model: it is no SentencePiece model, or an empty one: it has no pieces"
    );
    assert_eq!(
        message(small().0),
        "spiece.model: it is cut off: it has no trainer_spec; fetch it again"
    );
    assert_eq!(
        message(small().message(2, &new()).0),
        "spiece.model: it is cut off: it has no normalizer_spec; fetch it again"
    );
    assert_eq!(
        message(new().piece("a", 0.0, 1).end()),
        "spiece.model: no piece is of the type for unknown text; one has to be"
    );
    let bytes = new().number(35, 1);
    assert_eq!(
        message(small().rest(bytes.clone(), new())),
        "spiece.model: byte_fallback is on, but not every byte has a piece"
    );
    assert_eq!(
        message(small().piece("<0x0a>", 0.0, 6).rest(bytes, new())),
        "spiece.model: piece 5, \"<0x0a>\", should be a byte, as <0x00>"
    );
    assert!(
        message(small().rest(new().number(3, 5), new()))
            .contains("model_type 5 is none of unigram, bpe, word and char")
    );
    assert!(
        message(b"version https://git-lfs.github.com/spec/v1".to_vec())
            .contains("at byte 0: a field is of the unknown kind 6")
    );
    let long = [&small().0[..], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
    assert!(message(long).contains("a field says it has 4294967295 bytes, but 0 are left"));
}

#[test]
fn broken_rules_are_refused_before_they_are_used() {
    let message = |charsmap: &[u8]| refusal(&small().rest(new(), new().bytes(2, charsmap)));
    assert_eq!(
        message(b"ab"),
        "spiece.model: its precompiled_charsmap is damaged: it has less than four bytes"
    );
    assert!(
        message(&[255, 255, 255, 255, 0])
            .contains("its table says it has 4294967295 bytes, but 1 are left")
    );
}

#[test]
fn a_model_cut_at_any_byte_is_refused_by_name() {
    for cut in 0..UNIGRAM.len() {
        let message = refusal(&UNIGRAM[..cut]);
        assert!(
            message.starts_with("spiece.model: it is "),
            "{cut}: {message}"
        );
    }
    open(UNIGRAM).unwrap();
}

/// Uses a tokenizer in every way; what the library cannot do would be an error here.
fn use_all(tokenizer: &Tokenizer, text: &str) {
    for text in [text, "The old  mill <s> é ｶﾞ 日本 <mask>\u{0} 9, aaaa", ""] {
        let ids = tokenizer.encode(text, None).unwrap().ids;
        tokenizer.decode(&ids, false).unwrap();
        tokenizer.encode_truncated(text, Some("ab"), 12).unwrap();
    }
    tokenizer
        .decode(&(0..700).collect::<Vec<_>>(), true)
        .unwrap();
}

proptest! {
    #[test]
    fn a_model_with_bytes_changed_opens_or_is_refused(
        model in prop::sample::select(vec![UNIGRAM, UNIGRAM_BYTES, MERGES, UNUSED, RULES]),
        class in prop::sample::select(vec!["SentencePieceTokenizer", "AlbertTokenizer", "XLMRobertaTokenizer", "T5Tokenizer", "LlamaTokenizer", "CamembertTokenizer"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        legacy in any::<bool>(),
        text in "\\PC{0,30}",
    ) {
        let mut model = model.to_vec();
        for (place, byte) in changes {
            *place.get_mut(&mut model) = byte;
        }
        let settings = json!({"tokenizer_class": class, "legacy": legacy});
        match open_with("spiece.model", &model, &settings, json!({})) {
            Ok(tokenizer) => use_all(&tokenizer, &text),
            Err(error) => prop_assert!(error.to_string().starts_with("spiece.model: ")),
        }
    }

    #[test]
    fn any_bytes_are_a_model_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(tokenizer) = open(&bytes) {
            use_all(&tokenizer, "");
        }
    }
}
