//! Tokenizers of encoder-decoders agree with the reference library on what is read, what is written, and in which languages.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use engraft_text::{TargetStart, Tokenizer};
use serde_json::{Map, Value, json};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/tokenizers/translation")
}

fn groups(file: &str) -> Map<String, Value> {
    serde_json::from_slice(&fs::read(golden().join(file)).unwrap()).unwrap()
}

fn group(file: &str, name: &str) -> Value {
    groups(file).remove(name).unwrap()
}

/// Opens the tokenizer of a group, with some of its JSON files replaced.
fn open_with(group: &Value, replaced: &[(&str, Value)]) -> engraft_text::Result<Tokenizer> {
    let read = |file: &str| {
        if let Some((_, value)) = replaced.iter().find(|(name, _)| *name == file) {
            return Ok((!value.is_null()).then(|| value.to_string().into_bytes()));
        }
        if let Some(value) = group["more"].get(file) {
            return Ok(Some(value.to_string().into_bytes()));
        }
        let stored = group["files"].get(file).and_then(Value::as_str);
        Ok(stored.map(|name| fs::read(golden().join(name)).unwrap()))
    };
    Tokenizer::from_preset_files(&read, group["config"].as_object().unwrap())
}

fn open(group: &Value) -> Tokenizer {
    open_with(group, &[]).unwrap()
}

fn numbers(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Which texts of ids are compared.
#[derive(Clone, Copy, PartialEq)]
enum Decodes {
    /// None.
    Nothing,
    /// Those without special tokens.
    Text,
    /// Those with special tokens too.
    All,
}

/// Checks texts of one side; what differs.
fn differences(what: &str, tokenizer: &Tokenizer, cases: &Value, decodes: Decodes) -> Vec<String> {
    let mut found = Vec::new();
    let frame = tokenizer.frame().unwrap();
    let joins = |text: &str| text.replace(' ', "");
    let is_protein = tokenizer.letter_policy().is_some();
    for case in cases.as_array().unwrap() {
        let (text, pair) = (case["text"].as_str().unwrap(), case["pair"].as_str());
        let encoding = tokenizer.encode(text, pair).unwrap();
        let expected = numbers(&case["ids"]);
        if encoding.ids != expected {
            let ids = &encoding.ids;
            found.push(format!(
                "{what}: {text:?} {pair:?}: {ids:?}, not {expected:?}"
            ));
            continue;
        }
        let (before, after) = (frame.before.len(), frame.after.len());
        let inner = expected.len() - before - after;
        let special = [vec![true; before], vec![false; inner], vec![true; after]].concat();
        if !is_protein && pair.is_none() && encoding.special != special {
            found.push(format!("{what}: {text:?}: special {:?}", encoding.special));
        }
        assert!(encoding.type_ids.iter().all(|kind| *kind == 0));
        for (key, skip) in [("decoded", true), ("all", false)] {
            let is_compared = decodes == Decodes::All || (skip && decodes == Decodes::Text);
            let Some(text) = case[key].as_str().filter(|_| is_compared) else {
                continue;
            };
            let decoded = tokenizer.decode(&expected, skip).unwrap();
            let agrees = if is_protein {
                decoded == joins(text)
            } else {
                decoded == text
            };
            if !agrees {
                found.push(format!("{what}: {key} {decoded:?}, not {text:?}"));
            }
            let mut pieces = tokenizer.pieces(skip);
            let mut grown = String::new();
            for id in &expected {
                grown += &pieces.push(*id).unwrap();
            }
            assert_eq!(
                grown + &pieces.finish().unwrap(),
                decoded,
                "{what} {text:?}"
            );
        }
    }
    found
}

fn check(file: &str) {
    let mut found = Vec::new();
    for (name, group) in groups(file) {
        let opened = open(&group);
        let size = usize::try_from(group["size"].as_u64().unwrap()).unwrap();
        if opened.vocab_size() != size {
            found.push(format!(
                "{name}: {} tokens, not {size}",
                opened.vocab_size()
            ));
        }
        for direction in group["directions"].as_array().unwrap() {
            let (source, target) = (direction["source"].as_str(), direction["target"].as_str());
            let what = format!("{name} {source:?}");
            let reading = match source {
                Some(code) => opened.clone().with_source_language(code).unwrap(),
                None => opened.clone(),
            };
            // The reference decodes both sides by the list of what is written and the pieces of what is read, here each side decodes its own.
            let (read, wrote) = match name.as_str() {
                "marian_separate" => (Decodes::Nothing, Decodes::Text),
                "marian" => (Decodes::All, Decodes::Text),
                _ => (Decodes::All, Decodes::All),
            };
            found.extend(differences(&what, &reading, &direction["read"], read));
            if let Some(written) = direction.get("written") {
                let writing = reading.for_target(target).unwrap();
                let what = format!("{name} written {target:?}");
                found.extend(differences(&what, &writing, written, wrote));
            }
            if let Some(start) = direction.get("start") {
                let id = |key: &str| Some(u32::try_from(start.get(key)?.as_u64()?).unwrap());
                let expected = id("decoder_start").map(TargetStart::DecoderStart);
                let expected =
                    expected.or_else(|| id("forced_first").map(TargetStart::ForcedFirst));
                assert_eq!(
                    Some(opened.target_start(target.unwrap()).unwrap()),
                    expected
                );
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn presets_with_sentence_piece_files_give_the_ids_of_their_own_tokenizers() {
    check("cases_4.json");
}

#[test]
fn presets_as_they_are_saved_today_give_the_ids_of_their_own_tokenizers() {
    check("cases_5.json");
}

#[test]
fn a_language_that_is_not_there_is_refused_with_the_nearest_and_all() {
    let nllb = open(&group("cases_5.json", "nllb"));
    assert_eq!(nllb.languages().len(), 202);
    let refusal = |error: engraft_text::Error| error.to_string();
    let message = refusal(nllb.clone().with_source_language("de").unwrap_err());
    assert!(message.starts_with(
        "the language \"de\" cannot be chosen: the tokenizer does not know it; did you mean \"deu_Latn\"? It knows ace_Arab, ace_Latn"
    ));
    assert!(message.ends_with("and 162 more"), "{message}");
    let message = refusal(nllb.for_target(Some("fra_Lant")).unwrap_err());
    assert!(message.contains("did you mean \"fra_Latn\"?"), "{message}");
    let message = refusal(nllb.target_start("Klingon").unwrap_err());
    assert!(
        message.contains("does not know it. It knows ace_Arab"),
        "{message}"
    );

    let t5 = open(&group("cases_5.json", "t5"));
    assert!(t5.languages().is_empty());
    assert_eq!(
        refusal(t5.target_start("de").unwrap_err()),
        "the language \"de\" cannot be chosen: this tokenizer serves no languages; leave it out"
    );
    let marian = open(&group("cases_5.json", "marian"));
    assert_eq!(
        refusal(marian.for_target(Some("fra")).unwrap_err()),
        "the language \"fra\" cannot be chosen: this tokenizer takes the language to be written at the beginning of each text, as in \
         \">>deu<< Hello\"; it knows >>deu<<, >>fra<<"
    );
}

#[test]
fn chosen_languages_are_kept_with_the_files_and_a_token_is_as_good_as_a_code() {
    let many = open(&group("cases_5.json", "m2m"));
    assert_eq!(many.languages().len(), 100);
    let chosen = many.with_source_language("__fr__").unwrap();
    let chosen = chosen.with_target_language("zu").unwrap();
    let files = chosen.files();
    let read = |file: &str| {
        let found = files.iter().find(|(name, _)| name == file);
        Ok(found.map(|(_, bytes)| bytes.clone()))
    };
    let again = Tokenizer::from_preset_files(&read, &Map::new()).unwrap();
    let first = |tokenizer: &Tokenizer| tokenizer.encode("house", None).unwrap().ids[0];
    assert_eq!(first(&again), again.token_to_id("__fr__").unwrap());
    let written = again.for_target(None).unwrap();
    assert_eq!(first(&written), again.token_to_id("__zu__").unwrap());
    assert!(written.notes().is_empty());
}

#[test]
fn what_is_written_is_what_is_read_where_nothing_is_said_and_a_note_says_so() {
    let mbart = open(&group("cases_4.json", "mbart"));
    let written = mbart.for_target(None).unwrap();
    let ids = |tokenizer: &Tokenizer| tokenizer.encode("house", None).unwrap().ids;
    assert_eq!(ids(&written), ids(&mbart));
    assert_eq!(
        written.notes(),
        [
            "nothing says which language is written, so texts are written in the one that is read, en_XX"
        ]
    );
}

#[test]
fn nllb_has_its_languages_after_the_pieces_and_its_mask_after_them_where_its_files_do_not_say() {
    let group = group("cases_4.json", "nllb");
    let settings = json!({"tokenizer_class": "NllbTokenizer"});
    let stated = open(&group);
    let alone = open_with(&group, &[("tokenizer_config.json", settings)]).unwrap();
    assert_eq!(alone.languages(), stated.languages());
    for token in [
        "ace_Arab",
        "eng_Latn",
        "zul_Latn",
        "<mask>",
        "</s>",
        "\u{2581}the",
    ] {
        assert_eq!(
            alone.token_to_id(token),
            stated.token_to_id(token),
            "{token}"
        );
    }
    // As models of M2M-100's type that have no list of tokens, it is known without its class.
    let mut group = group;
    group["config"] = json!({"model_type": "m2m_100"});
    let unnamed = open_with(&group, &[("tokenizer_config.json", Value::Null)]).unwrap();
    assert_eq!(unnamed.languages(), stated.languages());
}

#[test]
fn languages_that_were_added_later_are_known() {
    let group = group("cases_4.json", "nllb");
    let mut settings = group["more"]["tokenizer_config.json"].clone();
    settings["additional_special_tokens"] = json!(["deu_Latn", "tlh_Latn"]);
    settings["tgt_lang"] = json!("tlh_Latn");
    let tokenizer = open_with(&group, &[("tokenizer_config.json", settings.clone())]).unwrap();
    let mask = tokenizer.token_to_id("<mask>").unwrap();
    assert_eq!(tokenizer.languages().last(), Some(&"tlh_Latn"));
    assert_eq!(
        tokenizer.target_start("tlh_Latn").unwrap(),
        TargetStart::ForcedFirst(mask + 1)
    );
    settings["tgt_lang"] = json!("tlh");
    let error = open_with(&group, &[("tokenizer_config.json", settings)]).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("tokenizer_config.json: tgt_lang: the language \"tlh\" cannot be chosen: the tokenizer does not know it; did"),
        "{message}"
    );
}

#[test]
fn a_preset_of_marian_without_one_of_its_files_says_which() {
    let mut marian = group("cases_5.json", "marian");
    marian["files"]
        .as_object_mut()
        .unwrap()
        .remove("target.spm");
    let message = open_with(&marian, &[]).unwrap_err().to_string();
    assert!(
        message.ends_with("; of the three files of Marian's tokenizer it lacks target.spm"),
        "{message}"
    );
    let mut separate = group("cases_5.json", "marian_separate");
    separate["files"]
        .as_object_mut()
        .unwrap()
        .remove("target_vocab.json");
    let message = open_with(&separate, &[]).unwrap_err().to_string();
    assert!(
        message.starts_with("target_vocab.json: it is missing"),
        "{message}"
    );
    let vocabulary = json!({"</s>": 0, "a": 1});
    let message = open_with(
        &group("cases_5.json", "marian"),
        &[("vocab.json", vocabulary)],
    );
    assert_eq!(
        message.unwrap_err().to_string(),
        "vocab.json: it has no token \"<unk>\" for what it lacks"
    );
}
