//! The ids of families that read one sequence and write another: those of a list, and those that make room for further tokens.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::names::Names;
use super::segmenter::Segmenter;
use crate::files::{Files, TARGET_SPM, TARGET_VOCAB, TOKENIZER_CONFIG, VOCAB_JSON};
use crate::languages::Speakers;
use crate::special::{Added, Declared, Role};
use crate::vocabulary::Vocabulary;
use crate::wordpiece::flag;
use crate::{Error, Result};

/// How many ids Pegasus keeps free before its pieces where nothing else is said.
const OFFSET: u32 = 103;

/// The tokens to be found in a text, by their text.
pub(super) type Found = BTreeMap<String, Added>;

/// The ids of a tokenizer that is given a language: fairseq's, with the languages after the pieces, or those of a list.
pub(super) fn languages(
    speakers: Speakers,
    segmenter: &Segmenter,
    files: &Files,
    settings: &Map<String, Value>,
    declared: &Declared,
    found: &mut Found,
) -> Result<Names> {
    let (mut names, first) = if speakers == Speakers::M2m100 {
        let names = list(files, VOCAB_JSON, declared)?;
        let count = names.vocabulary_size(segmenter);
        (names, u32::try_from(count).unwrap_or(u32::MAX))
    } else {
        let mut names = Names::shifted(1, 3);
        for (token, id) in [("<s>", 0), ("<pad>", 1), ("</s>", 2), ("<unk>", 3)] {
            names.insert(token, id);
        }
        let size = u32::try_from(segmenter.pieces.len()).unwrap_or(u32::MAX);
        (names, size.saturating_add(1))
    };
    let mut next = first;
    for code in speakers.codes(settings)? {
        let token = speakers.token(code);
        names.insert(&token, next);
        found.insert(token.clone(), Added::new(&token, true));
        next = next.saturating_add(1);
    }
    if let Some(mask) = declared.token(Role::Mask)
        && speakers != Speakers::M2m100
    {
        names.insert(mask, next);
    }
    Ok(names)
}

/// The ids of Marian's tokenizer for the file `name`, which is of what is read or of what is written.
pub(super) fn marian(
    name: &str,
    files: &Files,
    settings: &Map<String, Value>,
    declared: &Declared,
) -> Result<Names> {
    let separate = flag(settings, "separate_vocabs")?.unwrap_or(false);
    let file = if separate && name == TARGET_SPM {
        TARGET_VOCAB
    } else {
        VOCAB_JSON
    };
    list(files, file, declared)
}

/// The ids that a list gives.
fn list(files: &Files, file: &str, declared: &Declared) -> Result<Names> {
    let bytes = files.get(file).ok_or_else(|| {
        Error::malformed(
            file,
            "it is missing; the tokenizer of this family takes the ids of its SentencePiece file's pieces from it",
        )
    })?;
    let vocabulary = Vocabulary::from_json_file(file, bytes)?;
    let unknown = declared.token(Role::Unk).unwrap_or("<unk>");
    let unknown = vocabulary.id(unknown).ok_or_else(|| {
        Error::malformed(
            file,
            format!("it has no token \"{unknown}\" for what it lacks"),
        )
    })?;
    Ok(Names::listed(&vocabulary, unknown))
}

/// The ids of Pegasus: tokens of its training first, then the pieces.
pub(super) fn pegasus(
    settings: &Map<String, Value>,
    declared: &Declared,
    found: &mut Found,
) -> Result<Names> {
    let malformed = |reason: String| Error::malformed(TOKENIZER_CONFIG, reason);
    let offset = match settings.get("offset") {
        None | Some(Value::Null) => OFFSET,
        Some(value) => value
            .as_u64()
            .and_then(|offset| u32::try_from(offset).ok())
            .filter(|offset| *offset <= u32::from(u16::MAX))
            .ok_or_else(|| {
                malformed(format!(
                    "offset should be a number up to 65535, not {value}"
                ))
            })?,
    };
    let sentence = match settings.get("mask_token_sent") {
        None => Some("<mask_1>".to_owned()),
        Some(Value::Null) => None,
        Some(value) => {
            let text = value.as_str().or_else(|| value.get("content")?.as_str());
            let text = text.ok_or_else(|| {
                malformed(format!(
                    "mask_token_sent should be a token or null, not {value}"
                ))
            })?;
            Some(text.to_owned())
        }
    };
    let role = |role| declared.token(role).map(str::to_owned);
    let mut first = vec![role(Role::Pad), role(Role::Eos)];
    if sentence.is_some() {
        first.extend([sentence, role(Role::Mask)]);
    }
    first.extend((2..offset).map(|index| Some(format!("<unk_{index}>"))));
    let mut names = Names::shifted(offset, offset);
    for (id, token) in (0u32..).zip(first) {
        if let Some(token) = token {
            names.insert(&token, id);
            found.insert(token.clone(), Added::new(&token, true));
        }
    }
    Ok(names)
}

/// Divides what stands for a language at the front of one of Marian's texts, as `>>fra<<`, from the rest.
pub(super) fn split_code(text: &str) -> (&str, &str) {
    let end = text
        .starts_with(">>")
        .then(|| text.find("<<"))
        .flatten()
        .map_or(0, |place| place + "<<".len());
    text.split_at_checked(end).unwrap_or(("", text))
}
