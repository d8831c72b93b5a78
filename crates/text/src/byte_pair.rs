//! `vocab.json` and `merges.txt`: byte pair encoding over bytes, as GPT-2 and RoBERTa have it.
//! Papers: arXiv 1508.07909, arXiv 1907.11692.

use serde_json::{Map, Value, json};

use crate::files::{MERGES_TXT, VOCAB_JSON};
use crate::letters::present_steps;
use crate::settings::{Kind, class};
use crate::special::{Declared, Role, Step, template};
use crate::vocabulary::{Vocabulary, lines, text};
use crate::wordpiece::flag;
use crate::{Error, Result};

/// Classes with a vocabulary of the same form whose texts are divided otherwise.
const DIVIDED_OTHERWISE: [&str; 5] = [
    "CLIPTokenizer",
    "CTRLTokenizer",
    "CohereTokenizer",
    "GPTNeoXTokenizer",
    "Qwen2Tokenizer",
];

/// The `tokenizer.json` of a byte pair vocabulary. GPT-2's class puts around a text what is asked for; else, with a token that begins
/// a text and one that ends it, the template is RoBERTa's: `<s> a </s>`, and `<s> a </s></s> b </s>` for two texts.
pub(crate) fn build(
    vocabulary: &Vocabulary,
    merges: &[u8],
    declared: &Declared,
    settings: &Map<String, Value>,
    config: &Map<String, Value>,
) -> Result<Value> {
    let class = class(settings, config).unwrap_or_default();
    if DIVIDED_OTHERWISE.contains(&class.as_str()) {
        return Err(Error::malformed(
            VOCAB_JSON,
            format!(
                "{class} divides texts otherwise than GPT-2 before it looks for pairs, which these files do not say; save the \
                 preset with a tokenizer.json"
            ),
        ));
    }
    let merges = read_merges(merges, vocabulary)?;
    let add_prefix_space = flag(settings, "add_prefix_space")?.unwrap_or(false);
    let token = |role| {
        let token = declared.token(role)?;
        Some(json!([token, vocabulary.id(token)?]))
    };
    let post_processor = match (token(Role::Cls), token(Role::Sep)) {
        _ if Kind::of(settings, config) == Kind::Gpt2 => as_asked(vocabulary, declared, settings)?,
        (Some(cls), Some(sep)) => json!({
            "type": "RobertaProcessing", "cls": cls, "sep": sep, "trim_offsets": false, "add_prefix_space": add_prefix_space,
        }),
        _ => Value::Null,
    };
    Ok(json!({
        "version": "1.0",
        "added_tokens": declared.entries(|token| vocabulary.id(token), []),
        "pre_tokenizer": {
            "type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": false, "use_regex": true,
        },
        "post_processor": post_processor,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
            "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary.to_json(), "merges": merges,
        },
    }))
}

/// The token that begins a text before each of them, and the one that ends it after, where the settings ask for them.
fn as_asked(
    vocabulary: &Vocabulary,
    declared: &Declared,
    settings: &Map<String, Value>,
) -> Result<Value> {
    let step = |key, role| -> Result<Option<Step<'_>>> {
        let asked = flag(settings, key)?.unwrap_or(false);
        let token = declared.token(role).filter(|_| asked);
        Ok(token.and_then(|token| Some(Step::Token(token, vocabulary.id(token)?))))
    };
    let begin = step("add_bos_token", Role::Bos)?;
    let end = step("add_eos_token", Role::Eos)?;
    let single = [(begin, 0), (Some(Step::First), 0), (end, 0)];
    let second = [(begin, 1), (Some(Step::Second), 1), (end, 1)];
    Ok(template(
        &present_steps(&single),
        &present_steps(&[single, second].concat()),
    ))
}

/// Reads the pairs to merge, first before last; each pair and what it makes must be in the vocabulary.
fn read_merges(bytes: &[u8], vocabulary: &Vocabulary) -> Result<Vec<Value>> {
    let mut merges = Vec::new();
    for (index, line) in lines(text(MERGES_TXT, bytes)?).enumerate() {
        if line.is_empty() || (index == 0 && line.starts_with("#version")) {
            continue;
        }
        let refuse = |reason: String| Error::line(MERGES_TXT, index + 1, reason);
        let (left, right) = line
            .split_once(' ')
            .filter(|(left, right)| !left.is_empty() && !right.is_empty() && !right.contains(' '))
            .ok_or_else(|| {
                refuse("a line should be two tokens with one space between them".into())
            })?;
        for token in [left, right, &format!("{left}{right}")] {
            if vocabulary.id(token).is_none() {
                return Err(refuse(format!("\"{token}\" is not in vocab.json")));
            }
        }
        merges.push(json!([left, right]));
    }
    Ok(merges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_that_do_not_fit_the_vocabulary_are_named_by_line() {
        let vocabulary = Vocabulary::from_json(br#"{"a":0,"b":1,"ab":2}"#).unwrap();
        let merges = |text: &str| {
            read_merges(text.as_bytes(), &vocabulary).map_err(|error| error.to_string())
        };
        assert_eq!(merges("#version: 0.2\na b\n").unwrap(), [json!(["a", "b"])]);
        assert_eq!(
            merges("a b\nb a").unwrap_err(),
            "merges.txt:2: \"ba\" is not in vocab.json"
        );
        assert!(merges("a").unwrap_err().contains("two tokens"));
        assert!(merges("a b c").unwrap_err().contains("two tokens"));
    }
}
