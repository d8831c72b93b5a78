//! `vocab.txt` as WordPiece: BERT's normalisation and division into words, each word the longest pieces of the vocabulary.
//! Paper: arXiv 1810.04805.

use serde_json::{Map, Value, json};

use crate::files::{TOKENIZER_CONFIG, VOCAB_TXT};
use crate::special::{Declared, Role, Step, template};
use crate::vocabulary::Vocabulary;
use crate::{Error, Result};

/// The `tokenizer.json` of a WordPiece vocabulary.
pub(crate) fn build(
    vocabulary: &Vocabulary,
    declared: &Declared,
    settings: &Map<String, Value>,
) -> Result<Value> {
    let (unk, _) = required(vocabulary, declared, Role::Unk)?;
    let (cls, cls_id) = required(vocabulary, declared, Role::Cls)?;
    let (sep, sep_id) = required(vocabulary, declared, Role::Sep)?;
    let (cls, sep) = (Step::Token(cls, cls_id), Step::Token(sep, sep_id));

    Ok(json!({
        "version": "1.0",
        "added_tokens": declared.entries(|token| vocabulary.id(token), []),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": flag(settings, "tokenize_chinese_chars")?.unwrap_or(true),
            // Left open, accents go when case does, as in the original.
            "strip_accents": flag(settings, "strip_accents")?,
            "lowercase": flag(settings, "do_lower_case")?.unwrap_or(true),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template(
            &[(cls, 0), (Step::First, 0), (sep, 0)],
            &[(cls, 0), (Step::First, 0), (sep, 0), (Step::Second, 1), (sep, 1)],
        ),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece",
            "unk_token": unk,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary.to_json(),
        },
    }))
}

/// The token of a role that WordPiece cannot do without, and its id.
fn required<'a>(
    vocabulary: &Vocabulary,
    declared: &'a Declared,
    role: Role,
) -> Result<(&'a str, u32)> {
    let token = declared.token(role);
    match token.and_then(|token| Some((token, vocabulary.id(token)?))) {
        Some(found) => Ok(found),
        None => {
            let name = token.unwrap_or(role.name());
            Err(Error::malformed(
                VOCAB_TXT,
                format!("it has no \"{name}\", which WordPiece needs"),
            ))
        }
    }
}

/// A setting that is true, false, or left open.
pub(crate) fn flag(settings: &Map<String, Value>, key: &str) -> Result<Option<bool>> {
    match settings.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(other) => Err(Error::malformed(
            TOKENIZER_CONFIG,
            format!("{key} should be true or false, not {other}"),
        )),
    }
}
