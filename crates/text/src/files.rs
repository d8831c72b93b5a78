//! The files of a preset that make or describe a tokenizer.

use serde_json::{Map, Value};

use crate::{Error, LetterPolicy, Result, built_in};

/// How a file of the preset is read: its bytes, or none if the preset does not have it.
pub type ReadFile<'a> =
    dyn Fn(&str) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> + 'a;

/// Files, each with its name.
pub type NamedFiles = Vec<(String, Vec<u8>)>;

pub(crate) const TOKENIZER_JSON: &str = "tokenizer.json";
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub(crate) const SPECIAL_TOKENS_MAP: &str = "special_tokens_map.json";
pub(crate) const ADDED_TOKENS: &str = "added_tokens.json";
pub(crate) const VOCAB_TXT: &str = "vocab.txt";
pub(crate) const VOCAB_JSON: &str = "vocab.json";
pub(crate) const MERGES_TXT: &str = "merges.txt";
/// Marian's files: what it reads by, what it writes by, and the tokens of the latter where the two have lists of their own.
pub(crate) const SOURCE_SPM: &str = "source.spm";
pub(crate) const TARGET_SPM: &str = "target.spm";
pub(crate) const TARGET_VOCAB: &str = "target_vocab.json";

/// The key of `tokenizer_config.json` for the policy for letters; ours.
const LETTER_POLICY: &str = "letter_policy";

/// The names that a SentencePiece file has, the first found being read.
pub(crate) const SENTENCE_PIECE: [&str; 5] = [
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "vocabulary.spm",
];

const OTHERS: [&str; 10] = [
    TOKENIZER_JSON,
    TOKENIZER_CONFIG,
    SPECIAL_TOKENS_MAP,
    ADDED_TOKENS,
    VOCAB_TXT,
    VOCAB_JSON,
    MERGES_TXT,
    SOURCE_SPM,
    TARGET_SPM,
    TARGET_VOCAB,
];

/// A tokenizer's files as they were read, kept so that they can be saved with a fine-tuned model.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    files: Vec<(String, Vec<u8>)>,
}

impl Files {
    /// Reads all that the preset has of them.
    pub(crate) fn read(read: &ReadFile<'_>) -> Result<Files> {
        let mut files = Vec::new();
        for file in OTHERS.into_iter().chain(SENTENCE_PIECE) {
            if let Some(bytes) = read_one(read, file)? {
                files.push((file.to_owned(), bytes));
            }
        }
        Ok(Files { files })
    }

    /// Adds the files that are part of the program, for a model that may come without any vocabulary and does.
    pub(crate) fn add_built_in(&mut self, config: &Map<String, Value>) {
        let has_vocabulary = [TOKENIZER_JSON, VOCAB_TXT, VOCAB_JSON]
            .into_iter()
            .any(|file| self.get(file).is_some());
        if has_vocabulary {
            return;
        }
        for (file, bytes) in built_in::files(config).into_iter().flatten() {
            if self.get(file).is_none() {
                self.files.push((file.to_owned(), bytes.to_vec()));
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let (_, bytes) = self.files.iter().find(|(file, _)| file == name)?;
        Some(bytes)
    }

    /// A file that holds a JSON object, empty if it is absent.
    pub(crate) fn object(&self, name: &str) -> Result<Map<String, Value>> {
        match self.get(name) {
            None => Ok(Map::new()),
            Some(bytes) => serde_json::from_slice(bytes).map_err(|error| Error::json(name, &error)),
        }
    }

    /// The policy for letters that was kept with the files.
    pub(crate) fn letter_policy(&self) -> Result<Option<LetterPolicy>> {
        let settings = self.object(TOKENIZER_CONFIG)?;
        let Some(value) = settings.get(LETTER_POLICY) else {
            return Ok(None);
        };
        let policy = value.as_str().and_then(LetterPolicy::from_name);
        policy.map(Some).ok_or_else(|| {
            let names = LetterPolicy::ALL.map(LetterPolicy::name).join(", ");
            Error::malformed(
                TOKENIZER_CONFIG,
                format!("{LETTER_POLICY} should be one of {names}, not {value}"),
            )
        })
    }

    /// Keeps the policy for letters with the files.
    pub(crate) fn set_letter_policy(&mut self, policy: LetterPolicy) {
        self.set(LETTER_POLICY, policy.name());
    }

    /// Keeps a setting in `tokenizer_config.json`.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        let mut settings = self.object(TOKENIZER_CONFIG).unwrap_or_default();
        settings.insert(key.to_owned(), Value::from(value));
        let bytes = format!("{:#}\n", Value::Object(settings)).into_bytes();
        match self
            .files
            .iter_mut()
            .find(|(file, _)| file == TOKENIZER_CONFIG)
        {
            Some((_, held)) => *held = bytes,
            None => self.files.push((TOKENIZER_CONFIG.to_owned(), bytes)),
        }
    }

    pub(crate) fn into_inner(self) -> Vec<(String, Vec<u8>)> {
        self.files
    }
}

/// The error for a preset without a tokenizer that can be read.
pub(crate) fn not_found(files: &Files) -> Error {
    let has = |file| files.get(file).is_some();
    let hint = if has(SOURCE_SPM) || has(TARGET_SPM) {
        let needed = [SOURCE_SPM, TARGET_SPM, VOCAB_JSON];
        let lacking: Vec<&str> = needed.into_iter().filter(|file| !has(file)).collect();
        format!(
            "; of the three files of Marian's tokenizer it lacks {}",
            lacking.join(" and ")
        )
    } else if has(VOCAB_JSON) {
        format!("; it has {VOCAB_JSON} but no {MERGES_TXT}")
    } else {
        String::new()
    };
    Error::NotFound { hint }
}

fn read_one(read: &ReadFile<'_>, file: &str) -> Result<Option<Vec<u8>>> {
    read(file).map_err(|source| Error::Read {
        file: file.to_owned(),
        source,
    })
}
