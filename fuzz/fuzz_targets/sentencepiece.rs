//! Any bytes are a SentencePiece file or refused, and what a file that opens makes of texts is within its bounds.

#![no_main]

use engraft_text::Tokenizer;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, json};

const CLASSES: [&str; 7] = [
    "SentencePieceTokenizer",
    "AlbertTokenizer",
    "CamembertTokenizer",
    "DebertaV2Tokenizer",
    "LlamaTokenizer",
    "T5Tokenizer",
    "XLMRobertaTokenizer",
];

const TEXTS: [&str; 5] = [
    "",
    "The old  mill's café, cafe\u{301} ``9,'' ABC 12,345\t<mask>",
    "日本 ｶﾞ 각 👩\u{200d}👩\u{200d}👧 🇫🇷 ﷺ \u{0}\u{1f}",
    "aaaaaaaabababab<s></s><unk>\u{2581}\u{2581} ",
    "  \u{a0}\u{3000}\n",
];

fuzz_target!(|file: &[u8]| {
    // Which family, and in which of its forms, is part of the input, so that one file is tried in several.
    let choice = file.len();
    let settings = json!({
        "tokenizer_class": CLASSES.get(choice % CLASSES.len()),
        "legacy": choice % 2 == 0,
        "do_lower_case": choice % 3 == 0,
        "extra_ids": 3,
    });
    let read = |name: &str| {
        Ok(match name {
            "spiece.model" => Some(file.to_vec()),
            "tokenizer_config.json" => Some(settings.to_string().into_bytes()),
            _ => None,
        })
    };
    match Tokenizer::from_preset_files(&read, &Map::new()) {
        Ok(tokenizer) => use_it(&tokenizer),
        Err(error) => assert!(error.to_string().starts_with("spiece.model: ")),
    }
});

/// Encodes and decodes; nothing of this may fail, whatever the file says.
fn use_it(tokenizer: &Tokenizer) {
    for text in TEXTS {
        let encoding = tokenizer
            .encode(text, Some("ab"))
            .expect("a text is encoded");
        for id in &encoding.ids {
            assert!(tokenizer.id_to_token(*id).is_some(), "{id} is no token");
        }
        tokenizer
            .decode(&encoding.ids, true)
            .expect("ids are decoded");
        let cut = tokenizer.encode_truncated(text, Some("ab"), 9);
        assert!(cut.expect("a text is cut").0.len() <= 9);
    }
    let every: Vec<u32> = (0..400).collect();
    tokenizer.decode(&every, false).expect("ids are decoded");
}
