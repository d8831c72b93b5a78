//! Whether two tokenizers give the same tokens.

use std::borrow::Cow;

use engraft_hub::Preset;
use engraft_models::Checkpoint;
use engraft_text::{NamedFiles, ReadFile, Tokenizer};

use crate::error::Result;

/// The file that describes a tokenizer.
const DESCRIPTION: &str = "tokenizer.json";

/// Texts of several scripts, of accents, signs, spaces and of biological sequences.
const TEXTS: [&str; 10] = [
    "The cat doesn't sit: it runs, 1234567 times!",
    "Déjà vu à l'hôtel, naïve façade",
    "自然言語処理は楽しい",
    "नमस्ते दुनिया",
    "I ❤️ 🦀 and 👩‍👩‍👧",
    "two  spaces\nand a newline",
    "MKTVRQERLKSIVRILERSKEPVSGAQ",
    "ACGTACGTTTGACA",
    "M K T V R Q",
    "Ok!",
];

/// The files of a tokenizer for transformers: with a `tokenizer.json` in any case, but where that would make other tokens, which `notes` says.
///
/// # Errors
/// Its files cannot be read again.
pub(crate) fn files_for_transformers(
    tokenizer: &Tokenizer,
    checkpoint: &Checkpoint,
    notes: &mut Vec<String>,
) -> Result<NamedFiles> {
    let own = tokenizer.files();
    let pieces = own.iter().find(|(name, _)| name.ends_with(".model"));
    let Some((pieces, _)) = pieces.filter(|_| own.iter().all(|(name, _)| name != DESCRIPTION))
    else {
        return Ok(own);
    };
    let Some(files) = tokenizer.described_files()? else {
        notes.push(format!(
            "there is no {DESCRIPTION}, as none says what its {pieces} does"
        ));
        return Ok(own);
    };
    let read = |name: &str| {
        let found = files.iter().find(|(file, _)| file == name);
        Ok(found.map(|(_, bytes)| bytes.clone()))
    };
    let described = Tokenizer::from_preset_files(&read, &checkpoint.config().json)?;
    if let Some(text) = first_unlike_in_frame(tokenizer, &described) {
        notes.push(format!("there is no {DESCRIPTION}, as it would make other tokens of \"{text}\" than its {pieces}"));
        return Ok(own);
    }
    Ok(files)
}

/// The tokenizer of a preset; none if it has none.
///
/// # Errors
/// Its files cannot be read.
pub(crate) fn tokenizer(preset: &Preset) -> Result<Option<Tokenizer>> {
    read_with(preset, &|name| Ok(preset.read(name)?.map(Cow::into_owned)))
}

/// The tokenizer of a preset of KerasHub that makes KerasHub's own tokens; none if it has none.
///
/// # Errors
/// Its files cannot be read.
pub(crate) fn tokenizer_of_keras_hub(preset: &Preset) -> Result<Option<Tokenizer>> {
    let files = preset.tokenizer_of_keras_hub()?.unwrap_or_default();
    read_with(preset, &|name| Ok(files.get(name).cloned()))
}

fn read_with(preset: &Preset, read: &ReadFile<'_>) -> Result<Option<Tokenizer>> {
    let config = preset.config()?;
    match Tokenizer::from_preset_files(read, &config) {
        Ok(tokenizer) => Ok(Some(tokenizer)),
        Err(engraft_text::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.located(|file| preset.locate(file)).into()),
    }
}

/// The tokenizer of a model's preset; none if it has none.
///
/// # Errors
/// Its files cannot be read, or it has more tokens than the model has vectors.
pub(crate) fn checked_tokenizer(checkpoint: &Checkpoint) -> Result<Option<Tokenizer>> {
    let found = tokenizer(checkpoint.preset())?;
    if let Some(tokenizer) = &found {
        tokenizer.check_vocab_size(checkpoint.config().transformer.vocabulary)?;
    }
    Ok(found)
}

/// That a vocabulary has fewer tokens than its model has vectors, as one that was cut short has; none if it has as many.
pub(crate) fn shortage(tokenizer: &Tokenizer, checkpoint: &Checkpoint) -> Option<String> {
    let [tokens, vectors] = [
        tokenizer.vocab_size(),
        checkpoint.config().transformer.vocabulary,
    ];
    (tokens < vectors).then(|| {
        format!("its vocabulary has {tokens} tokens, and the model has vectors for {vectors}: they are padded, or the vocabulary was cut")
    })
}

/// The first text of which two tokenizers make other tokens, with these, or put other tokens around it.
fn first_unlike_in_frame(one: &Tokenizer, other: &Tokenizer) -> Option<&'static str> {
    let encoded = |tokenizer: &Tokenizer, text: &str| {
        let encoding = tokenizer.encode(text, Some("and another")).ok()?;
        Some((encoding.ids, encoding.type_ids, encoding.special))
    };
    let mut texts = TEXTS.into_iter();
    texts.find(|text| encoded(one, text) != encoded(other, text))
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
