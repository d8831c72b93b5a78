//! Pieces put together are the text of all ids, whatever the tokenizer, and each is settled as soon as it can be.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/tokenizers");

fn open(folder: &str, files: &[(&str, &str)], settings: Value) -> Tokenizer {
    let read = |name: &str| {
        if name == "tokenizer_config.json" {
            return Ok(Some(settings.to_string().into_bytes()));
        }
        let file = files.iter().find(|(as_name, _)| *as_name == name);
        Ok(file.map(|(_, file)| std::fs::read(Path::new(FOLDER).join(folder).join(file)).unwrap()))
    };
    Tokenizer::from_preset_files(&read, &Map::new()).unwrap()
}

/// Tokens of every kind that decoders treat in their own way, with this decoder.
fn with_decoder(decoder: Value) -> Tokenizer {
    let mut tokens: Vec<String> = [
        "<unk>", "<s>", "a", "▁", "▁▁", "▁b", "##c", ".", "n't", "'s", "d</w>", "</w>", "|", "e|",
        "Ġ", "Ġf", "Ċ", "é", "</s>", "ä", "½", "ŀ", "ç", "·", "ÃĹ",
    ]
    .map(str::to_owned)
    .into();
    tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
    let vocabulary: Map<String, Value> = (0u32..)
        .zip(tokens)
        .map(|(id, token)| (token, json!(id)))
        .collect();
    let special = |id, content| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true})
    };
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "pre_tokenizer": null, "post_processor": null,
        "added_tokens": [special(1, "<s>"), special(18, "</s>")], "decoder": decoder,
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocabulary, "merges": []},
    });
    let read = |name: &str| Ok((name == "tokenizer.json").then(|| file.to_string().into_bytes()));
    Tokenizer::from_preset_files(&read, &Map::new()).unwrap()
}

fn llama_decoder() -> Value {
    json!({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ]})
}

fn tokenizers() -> Vec<(String, Tokenizer)> {
    let mut all: Vec<(String, Tokenizer)> = Vec::new();
    let decoders = json!({
        "none": null,
        "llama": llama_decoder(),
        "gemma": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "stripped": {"type": "Sequence", "decoders": [
            {"type": "Fuse"}, {"type": "Strip", "content": "a", "start": 2, "stop": 0}]},
        "byte_level": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "wordpiece": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "metaspace": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "bpe": {"type": "BPEDecoder", "suffix": "</w>"},
        "ctc": {"type": "CTC", "pad_token": "<unk>", "word_delimiter_token": "|", "cleanup": true},
        "words_of_metaspaces": {"type": "Sequence", "decoders": [
            {"type": "WordPiece", "prefix": "##", "cleanup": false},
            {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true}]},
        "at_the_end": {"type": "Sequence", "decoders": [
            {"type": "Fuse"}, {"type": "Replace", "pattern": {"String": "aa"}, "content": "b"}]},
    });
    for (name, decoder) in decoders.as_object().unwrap() {
        all.push((name.clone(), with_decoder(decoder.clone())));
    }
    let class = |name: &str| json!({"tokenizer_class": name});
    let words = [("vocab.txt", "vocab.txt")];
    all.push((
        "wordpiece file".into(),
        open("wordpiece", &words, class("BertTokenizer")),
    ));
    all.push((
        "letters".into(),
        open("letters_esm", &words, class("EsmTokenizer")),
    ));
    all.push((
        "kmers".into(),
        open("kmers_esm", &words, class("EsmTokenizer")),
    ));
    let pairs = [("vocab.json", "vocab.json"), ("merges.txt", "merges.txt")];
    all.push((
        "byte pairs".into(),
        open("byte_pair", &pairs, class("GPT2Tokenizer")),
    ));
    for (file, model, name) in [
        ("tokenizer.model", "bpe_bytes.model", "LlamaTokenizer"),
        ("tokenizer.model", "gemma.model", "GemmaTokenizer"),
        ("spiece.model", "t5.model", "T5Tokenizer"),
        ("spiece.model", "albert.model", "AlbertTokenizer"),
        ("spiece.model", "xlnet.model", "XLNetTokenizer"),
        ("spm.model", "deberta.model", "DebertaV2Tokenizer"),
        ("spiece.model", "unigram_bytes.model", ""),
        ("spiece.model", "suffix.model", ""),
        ("spiece.model", "unescaped.model", ""),
        ("spiece.model", "word.model", ""),
    ] {
        let settings = if name.is_empty() {
            json!({})
        } else {
            class(name)
        };
        all.push((
            format!("{model} {name}"),
            open("sentence_piece", &[(file, model)], settings),
        ));
    }
    all
}

fn check(name: &str, tokenizer: &Tokenizer, ids: &[u32]) {
    for skip_special in [true, false] {
        let mut pieces = tokenizer.pieces(skip_special);
        let mut text = String::new();
        for &id in ids {
            text += &pieces.push(id).unwrap();
        }
        text += &pieces.finish().unwrap();
        let expected = tokenizer.decode(ids, skip_special).unwrap();
        assert_eq!(
            text, expected,
            "{name}: {ids:?}, skip_special {skip_special}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn pieces_of_any_ids_are_the_text_of_all(
        draws in prop::collection::vec((any::<u32>(), any::<bool>()), 0..40)
    ) {
        thread_local!(static ALL: Vec<(String, Tokenizer)> = tokenizers());
        ALL.with(|all| for (name, tokenizer) in all {
            let size = u32::try_from(tokenizer.vocab_size()).unwrap();
            // Half of the ids are low ones, among which special tokens and bytes are dense; a few are no tokens at all.
            let ids: Vec<u32> = draws
                .iter()
                .map(|&(draw, low)| if low { draw % 24 } else { draw % (size + 3) })
                .collect();
            check(name, tokenizer, &ids);
        });
    }
}

#[test]
fn pieces_of_texts_of_many_scripts_are_the_text_of_all() {
    let texts = [
        "Once upon a time, there was a mill.",
        "emoji 😀 👩‍👩‍👧 🇫🇷🇩🇪 👍🏽 ❤️ in text",
        "白鹭站在浅水里，磨坊主的女儿",
        "川のそばの古い水車は、ガラスの窓",
        "  spaces  at\tboth ends \n\n ",
        "Le café près de la gare — e\u{301}t\u{e9}",
        "MKTAYIAKQR GATTACA",
    ];
    for (name, tokenizer) in tokenizers() {
        for text in texts {
            if let Ok(encoding) = tokenizer.encode(text, None) {
                check(&name, &tokenizer, &encoding.ids);
            }
        }
    }
}

/// The ids of tokens.
fn ids(tokenizer: &Tokenizer, tokens: &[&str]) -> Vec<u32> {
    let id = |token: &&str| tokenizer.token_to_id(token).unwrap();
    tokens.iter().map(id).collect()
}

fn each(tokenizer: &Tokenizer, tokens: &[&str]) -> Vec<String> {
    let mut pieces = tokenizer.pieces(true);
    let ids = ids(tokenizer, tokens);
    let mut found: Vec<String> = ids.iter().map(|&id| pieces.push(id).unwrap()).collect();
    found.push(pieces.finish().unwrap());
    found
}

#[test]
fn characters_and_line_ends_come_with_their_last_byte() {
    let tokenizer = with_decoder(llama_decoder());
    let tokens = [
        "▁b", "<0x0A>", "<0x0A>", "<0xE5>", "<0x8F>", "<0xAB>", "<0xE5>", "a",
    ];
    assert_eq!(
        each(&tokenizer, &tokens),
        ["b", "\n", "\n", "", "", "叫", "", "\u{fffd}a", ""]
    );
    // What is no character takes nothing with it.
    assert_eq!(
        tokenizer.decode(&ids(&tokenizer, &tokens), true).unwrap(),
        "b\n\n叫\u{fffd}a"
    );
    let tokenizer = with_decoder(
        json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}),
    );
    // 你 is E4 BD A0; the last E4 stays alone.
    assert_eq!(
        each(&tokenizer, &["Ġf", "ä", "½", "ł", "Ċ", "ä"][..3]),
        [" f", "", "", "\u{fffd}"]
    );
    assert_eq!(
        each(&tokenizer, &["ä", "½", "ŀ", "Ċ"]),
        ["", "", "\u{4f5e}", "\n", ""]
    );
}

#[test]
fn spaces_that_a_text_loses_at_its_end_wait_for_what_follows() {
    let tokenizer = open(
        "sentence_piece",
        &[("spiece.model", "t5.model")],
        json!({"tokenizer_class": "T5Tokenizer"}),
    );
    let found = each(&tokenizer, &["▁", "a", "▁", "▁", "a", "▁"]);
    assert_eq!(found, ["", "a", "", "", "  a", "", ""]);
}

#[test]
fn every_piece_but_the_last_bytes_is_settled_at_once_in_a_long_text() {
    let tokenizer = with_decoder(llama_decoder());
    let mut pieces = tokenizer.pieces(true);
    let broken = tokenizer.token_to_id("<0xFF>").unwrap();
    for _ in 0..50_000 {
        assert_eq!(pieces.push(broken).unwrap(), "\u{fffd}");
    }
}
