//! Whether two tokenizers give the same tokens.

use std::borrow::Cow;

use engraft_hub::Preset;
use engraft_models::Checkpoint;
use engraft_text::Tokenizer;
use serde_json::Map;

use crate::error::Result;

/// Texts of several scripts, of accents, signs, spaces and of biological sequences.
const TEXTS: [&str; 9] = [
    "The cat doesn't sit: it runs, 1234567 times!",
    "Déjà vu à l'hôtel, naïve façade",
    "自然言語処理は楽しい",
    "I ❤️ 🦀 and 👩‍👩‍👧",
    "two  spaces\nand a newline",
    "MKTVRQERLKSIVRILERSKEPVSGAQ",
    "ACGTACGTTTGACA",
    "M K T V R Q",
    "Ok!",
];

/// The files of a tokenizer for other programs: with a `tokenizer.json` in any case, but where that would make other tokens.
///
/// # Errors
/// Its files cannot be read again.
pub(crate) fn files(tokenizer: &Tokenizer) -> Result<Vec<(String, Vec<u8>)>> {
    let files = tokenizer.described_files()?;
    let read = |name: &str| {
        let found = files.iter().find(|(file, _)| file == name);
        Ok(found.map(|(_, bytes)| bytes.clone()))
    };
    let described = Tokenizer::from_preset_files(&read, &Map::new());
    let is_same = described.is_ok_and(|described| first_unlike(tokenizer, &described).is_none());
    Ok(if is_same { files } else { tokenizer.files() })
}

/// The tokenizer of a preset; none if it has none.
///
/// # Errors
/// Its files cannot be read.
pub(crate) fn tokenizer(preset: &Preset) -> Result<Option<Tokenizer>> {
    let read = |name: &str| Ok(preset.read(name)?.map(Cow::into_owned));
    let config = preset.config()?;
    match Tokenizer::from_preset_files(&read, &config) {
        Ok(tokenizer) => Ok(Some(tokenizer)),
        Err(engraft_text::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.located(|file| preset.locate(file)).into()),
    }
}

/// The tokenizer of a model's preset; none if it has none.
///
/// # Errors
/// Its files cannot be read, or it has more tokens than the model has vectors.
pub(crate) fn tokenizer_of(checkpoint: &Checkpoint) -> Result<Option<Tokenizer>> {
    let found = tokenizer(checkpoint.preset())?;
    if let Some(tokenizer) = &found {
        tokenizer.check_vocab_size(checkpoint.config().transformer.vocabulary)?;
    }
    Ok(found)
}

/// The first text of which two tokenizers make other tokens, with these, the special tokens around it left out.
pub(crate) fn first_unlike(one: &Tokenizer, other: &Tokenizer) -> Option<String> {
    let ids = |tokenizer: &Tokenizer, text: &str| {
        let encoding = tokenizer.encode(text, None).ok()?;
        let tokens = encoding.ids.into_iter().zip(encoding.special);
        let own = tokens.filter(|(_, special)| !special);
        Some(own.map(|(id, _)| id).collect::<Vec<u32>>())
    };
    let unlike = |text: &&&str| ids(one, text) != ids(other, text);
    TEXTS.iter().find(unlike).map(|text| (*text).to_owned())
}
