//! Models that spell words in another alphabet and say both in their `config.json`: a character of `grapheme_chars` is read, and one of
//! `phoneme_chars` is written, by its place in the text (misaki).

use serde_json::{Map, Value, json};

use crate::special::{Declared, Step, template};
use crate::{Error, Result};

/// The file that says it.
pub(crate) const CONFIG_JSON: &str = "config.json";

/// Special tokens, by the keys of their ids.
const SPECIAL: [(&str, &str); 3] = [
    ("pad_token_id", "<pad>"),
    ("bos_token_id", "<s>"),
    ("eos_token_id", "</s>"),
];

/// What stands in an alphabet where there is no character; the first that is no special token is the unknown one.
const NONE: char = '_';

/// The `tokenizer.json` of what is read, or of what is written, if the configuration says both alphabets.
pub(crate) fn build(
    config: &Map<String, Value>,
    is_written: bool,
    declared: &mut Declared,
) -> Result<Option<Value>> {
    let text = |key: &str| config.get(key).and_then(Value::as_str);
    let (Some(read), Some(written)) = (text("grapheme_chars"), text("phoneme_chars")) else {
        return Ok(None);
    };
    let (key, alphabet) = if is_written {
        ("phoneme_chars", written)
    } else {
        ("grapheme_chars", read)
    };
    let special = |id: usize| {
        let is_it =
            |(key, _): &&(&str, &str)| config.get(*key).and_then(Value::as_u64) == Some(id as u64);
        SPECIAL.iter().find(is_it).map(|(_, token)| *token)
    };
    let mut vocabulary: Map<String, Value> = Map::new();
    let mut unknown = None;
    for (id, letter) in alphabet.chars().enumerate() {
        let token = match special(id) {
            Some(token) => token.to_owned(),
            None if letter == NONE && unknown.is_none() => {
                unknown = Some(id);
                "<unk>".to_owned()
            }
            None => letter.to_string(),
        };
        vocabulary.entry(token).or_insert(json!(id));
    }
    if unknown.is_none() {
        let reason = format!("{key} has no \"{NONE}\" for characters that it lacks");
        return Err(Error::malformed(CONFIG_JSON, reason));
    }
    let id = |token: &str| u32::try_from(vocabulary.get(token)?.as_u64()?).ok();
    declared.fill_by_convention(id);
    let step = |token: &'static str| Some((Step::Token(token, id(token)?), 0));
    let (begin, end) = (step("<s>"), step("</s>"));
    let single: Vec<_> = [begin, Some((Step::First, 0)), end]
        .into_iter()
        .flatten()
        .collect();
    let second = [Some((Step::Second, 1)), end].into_iter().flatten();
    let pair: Vec<_> = single.iter().copied().chain(second).collect();
    Ok(Some(json!({
        "version": "1.0",
        "added_tokens": declared.entries(id, []),
        "pre_tokenizer": {
            "type": "Split", "pattern": {"Regex": r"[\s\S]"}, "behavior": "Isolated", "invert": false,
        },
        "post_processor": template(&single, &pair),
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": vocabulary},
    })))
}
