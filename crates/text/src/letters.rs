//! `vocab.txt` as letters: one token a character, as protein and DNA models have it; white space is dropped.
//!
//! A letter that the vocabulary lacks becomes one unknown token, unless another [`LetterPolicy`](crate::LetterPolicy) is
//! chosen. (ESM's own tokenizer gives one to a whole run of them, after which tokens and residues no longer correspond.)
//!
//! A vocabulary of longer entries (the 6-mers of DNA models) under ESM's tokenizer is read as that one does: at each place
//! the longest entry that fits.

use serde_json::{Value, json};

use crate::files::VOCAB_TXT;
use crate::special::{Added, Declared, Role, Step, template};
use crate::vocabulary::{Vocabulary, is_bracketed};
use crate::{Error, Result};

/// Whether every token that stands for text is one character.
pub(crate) fn is_one_letter(vocabulary: &Vocabulary) -> bool {
    vocabulary.ordinary().all(is_one_character)
}

/// The `tokenizer.json` of a vocabulary of letters.
pub(crate) fn build(vocabulary: &Vocabulary, declared: &Declared) -> Result<Value> {
    let id = |token: &str| vocabulary.id(token);
    let unk = declared
        .token(Role::Unk)
        .filter(|token| id(token).is_some())
        .ok_or_else(|| {
            Error::malformed(
                VOCAB_TXT,
                "it has no token for letters it lacks (\"<unk>\" or \"[UNK]\")",
            )
        })?;

    // Bracketed entries are found in a text before it is divided, as `<mask>` in a sequence. Where entries are longer than a
    // letter, all are found so: the longest first, and what lies between them is one unknown token.
    let one_letter = is_one_letter(vocabulary);
    let found_first = vocabulary
        .tokens()
        .filter(|token| !one_letter || is_bracketed(token))
        .map(|token| Added::new(token, false));
    let words = json!({"type": "WhitespaceSplit"});
    let pre_tokenizer = if one_letter {
        let characters = json!({
            "type": "Split", "pattern": {"Regex": "(?s:.)"}, "behavior": "Isolated", "invert": false,
        });
        json!({"type": "Sequence", "pretokenizers": [words, characters]})
    } else {
        words
    };

    Ok(json!({
        "version": "1.0",
        "added_tokens": declared.entries(id, found_first),
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor(vocabulary, declared),
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "unk_token": unk, "vocab": vocabulary.to_json()},
    }))
}

/// `[CLS] a [SEP]` and `[CLS] a [SEP] b [SEP]`, or ESM's `<cls> a <eos>`; what the vocabulary lacks of these is left out.
fn post_processor(vocabulary: &Vocabulary, declared: &Declared) -> Value {
    let step = |role| {
        let token = declared.token(role)?;
        Some(Step::Token(token, vocabulary.id(token)?))
    };
    let begin = step(Role::Cls);
    let end = step(Role::Sep).or(step(Role::Eos));
    let single = [(begin, 0), (Some(Step::First), 0), (end, 0)];
    let second = [(Some(Step::Second), 1), (end, 1)];
    template(
        &present_steps(&single),
        &present_steps(&[&single[..], &second[..]].concat()),
    )
}

/// The steps that there is a token for.
pub(crate) fn present_steps<'a>(steps: &[(Option<Step<'a>>, u32)]) -> Vec<(Step<'a>, u32)> {
    steps
        .iter()
        .filter_map(|(step, type_id)| Some(((*step)?, *type_id)))
        .collect()
}

fn is_one_character(token: &str) -> bool {
    token.chars().count() == 1
}
