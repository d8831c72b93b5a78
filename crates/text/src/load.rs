//! Making a tokenizer from whichever files a preset has.
//!
//! Lists of tokens are first described as a `tokenizer.json`, so that these forms are one from there on.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::alphabet::Alphabet;
use crate::files::{
    self, Files, MERGES_TXT, ReadFile, SENTENCE_PIECE, SOURCE_SPM, TARGET_SPM, TOKENIZER_CONFIG,
    TOKENIZER_JSON, VOCAB_JSON, VOCAB_TXT,
};
use crate::languages::Languages;
use crate::pipeline::Pipeline;
use crate::proteins::Proteins;
use crate::special::Declared;
use crate::tokenizer::{Tokenizer, shielded};
use crate::two_alphabets::{self, CONFIG_JSON};
use crate::vocabulary::Vocabulary;
use crate::{Error, Result, built_in, byte_pair, letters, sentence_piece, settings, wordpiece};

impl Tokenizer {
    /// Makes the tokenizer of a preset. `read` reads one of its files, `config` is its `config.json`.
    ///
    /// In this order: `tokenizer.json`; `vocab.txt`, as `tokenizer_class` says, else as letters if every ordinary entry is
    /// one character, else as WordPiece; `vocab.json` with `merges.txt`; a SentencePiece file, with what the tokenizer of
    /// its family (`tokenizer_class`, else `model_type`) adds; the built-in vocabulary of models that come without (`rnabert`, `fm4bio`,
    /// `onehot`). Marian's `source.spm` with `target.spm` and `vocab.json`, and M2M-100's SentencePiece file with `vocab.json`, come before all
    /// of these where the preset names them; the two alphabets of misaki's `config.json` come last. Padding and truncation stored in `tokenizer.json` are cleared.
    ///
    /// # Errors
    ///
    /// When there are no such files, or one of them is broken: the file, and where it can be told the line, are named.
    pub fn from_preset_files(
        read: &ReadFile<'_>,
        config: &Map<String, Value>,
    ) -> Result<Tokenizer> {
        let mut files = Files::read(read)?;
        files.add_built_in(config);
        Tokenizer::open(files, Side::Read, config)
    }

    fn open(files: Files, side: Side, config: &Map<String, Value>) -> Result<Tokenizer> {
        let mut declared = Declared::read(&files)?;
        let Some((file, mut inner)) = make(&files, side, &mut declared, config)? else {
            return Err(files::not_found(&files));
        };
        let malformed = |reason: String| Error::malformed(file, reason);
        let mut manner = settings::apply(&mut inner, file, &files, &declared, config)?;
        let languages = Languages::of(&mut inner, &files, &declared, config)?;
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| malformed(error.to_string()))?;
        // Contradictions within a template show only when it is used.
        shielded(|| inner.encode_fast("", true).map(drop))
            .map_err(malformed)?
            .map_err(|error| malformed(error.to_string()))?;
        if declared.is_silent() {
            declared.fill_by_convention(|token| inner.token_to_id(token));
        }
        let special = declared.ids(|token| inner.token_to_id(token));
        // Entries longer than a letter are k-mers where vocab.txt was read as letters, and words elsewhere.
        let mut alphabet = Alphabet::of(&inner, file == VOCAB_TXT);
        let policy = files.letter_policy()?;
        let mut prefixes = None;
        if alphabet.is_none()
            && let Some(proteins) = Proteins::of(&inner, special)
        {
            manner.joins_letters = true;
            manner.notes.push(proteins.note);
            (alphabet, prefixes) = (Some(proteins.alphabet), proteins.prefixes);
        }
        if alphabet.is_none() && policy.is_some() {
            alphabet = Alphabet::of_words(&inner);
        }
        let policy = policy.unwrap_or_default();
        if let Some(alphabet) = &mut alphabet {
            alphabet.add_synonyms(&files.object(TOKENIZER_CONFIG)?)?;
        }
        // Marian's own has a second file for what is written, and a configuration may state a second alphabet.
        let target = (side == Side::Read && matches!(file, SOURCE_SPM | CONFIG_JSON))
            .then(|| Tokenizer::open(files.clone(), Side::Written, config))
            .transpose()?;
        let tokenizer = Tokenizer::new(inner, special, alphabet, policy, files);
        Ok(tokenizer
            .with_manner(manner)
            .with_sides(languages, target, prefixes))
    }
}

/// Which texts a tokenizer is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Read,
    Written,
}

/// Makes the tokenizer from the first of its forms that is there, and says which file it came from.
fn make(
    files: &Files,
    side: Side,
    declared: &mut Declared,
    config: &Map<String, Value>,
) -> Result<Option<(&'static str, Pipeline)>> {
    if let Some(file) = listed_pieces(files, side, config)? {
        let Some(bytes) = files.get(file) else {
            return Ok(None);
        };
        let pipeline = sentence_piece::build(file, bytes, files, declared, config)?;
        return Ok(Some((file, pipeline)));
    }
    if let Some(bytes) = files.get(TOKENIZER_JSON) {
        return Ok(Some((TOKENIZER_JSON, parse(TOKENIZER_JSON, bytes)?)));
    }
    let settings = files.object(TOKENIZER_CONFIG)?;
    let (file, description) = if let Some(bytes) = files.get(VOCAB_TXT) {
        let vocabulary = Vocabulary::from_lines(bytes)?;
        declared.fill_by_convention(|token| vocabulary.id(token));
        let description = match Reading::of(&vocabulary, &settings, config) {
            Reading::Letters => letters::build(&vocabulary, declared)?,
            Reading::WordPiece => wordpiece::build(&vocabulary, declared, &settings)?,
        };
        (VOCAB_TXT, description)
    } else if let (Some(bytes), Some(merges)) = (files.get(VOCAB_JSON), files.get(MERGES_TXT)) {
        let vocabulary = Vocabulary::from_json(bytes)?;
        declared.fill_by_convention(|token| vocabulary.id(token));
        (
            VOCAB_JSON,
            byte_pair::build(&vocabulary, merges, declared, &settings, config)?,
        )
    } else {
        let mut names = SENTENCE_PIECE.into_iter();
        let Some((file, bytes)) = names.find_map(|name| Some((name, files.get(name)?))) else {
            let described = two_alphabets::build(config, side == Side::Written, declared)?;
            let Some(description) = described else {
                return Ok(None);
            };
            let pipeline = from_description(CONFIG_JSON, description)?;
            return Ok(Some((CONFIG_JSON, pipeline)));
        };
        let pipeline = sentence_piece::build(file, bytes, files, declared, config)?;
        return Ok(Some((file, pipeline)));
    };
    Ok(Some((file, from_description(file, description)?)))
}

/// The SentencePiece file of which a list gives the ids, as Marian's and M2M-100's tokenizers have it. These read no `tokenizer.json`.
fn listed_pieces(
    files: &Files,
    side: Side,
    config: &Map<String, Value>,
) -> Result<Option<&'static str>> {
    let settings = files.object(TOKENIZER_CONFIG)?;
    let class = settings::class(&settings, config).unwrap_or_default();
    let has = |file: &str| files.get(file).is_some();
    if has(SOURCE_SPM) && (class == "MarianTokenizer" || !has(TOKENIZER_JSON)) {
        let complete = has(TARGET_SPM) && has(VOCAB_JSON);
        let file = if side == Side::Read {
            SOURCE_SPM
        } else {
            TARGET_SPM
        };
        return if complete {
            Ok(Some(file))
        } else {
            Err(files::not_found(files))
        };
    }
    let is_listed = class == "M2M100Tokenizer" && has(VOCAB_JSON);
    Ok(SENTENCE_PIECE
        .into_iter()
        .find(|file| is_listed && has(file)))
}

/// How `vocab.txt` is to be read.
enum Reading {
    Letters,
    WordPiece,
}

impl Reading {
    fn of(
        vocabulary: &Vocabulary,
        settings: &Map<String, Value>,
        config: &Map<String, Value>,
    ) -> Reading {
        let class = settings::class(settings, config).unwrap_or_default();
        // Their own class ends in BertTokenizer but knows no word pieces.
        if class == "EsmTokenizer" || built_in::files(config).is_some() {
            Reading::Letters
        } else if class.ends_with("BertTokenizer") || class == "ElectraTokenizer" {
            Reading::WordPiece
        } else if letters::is_one_letter(vocabulary) {
            Reading::Letters
        } else {
            Reading::WordPiece
        }
    }
}

/// Reads a `tokenizer.json`.
fn parse(file: &'static str, bytes: &[u8]) -> Result<Pipeline> {
    let inner = shielded(|| serde_json::from_slice::<Pipeline>(bytes))
        .map_err(|reason| Error::malformed(file, reason))?
        .map_err(|error| Error::json(file, &error))?;
    check_added_ids(
        file,
        &inner,
        serde_json::from_slice(bytes).unwrap_or_default(),
    )?;
    Ok(inner)
}

/// Makes the tokenizer that a vocabulary was described as.
fn from_description(file: &'static str, description: Value) -> Result<Pipeline> {
    let listed = Listed::deserialize(&description).unwrap_or_default();
    let inner = shielded(|| serde_json::from_value::<Pipeline>(description))
        .map_err(|reason| Error::malformed(file, reason))?
        .map_err(|error| Error::malformed(file, error.to_string()))?;
    check_added_ids(file, &inner, listed)?;
    Ok(inner)
}

/// The added tokens of a `tokenizer.json`.
#[derive(Default, Deserialize)]
struct Listed {
    #[serde(default)]
    added_tokens: Vec<ListedToken>,
}

#[derive(Deserialize)]
struct ListedToken {
    id: u32,
    content: String,
}

/// Refuses added tokens that would get other ids than the file gives them. The crate numbers those that the vocabulary lacks
/// from its end, whatever the file says, and a wrong id is a wrong embedding.
fn check_added_ids(file: &str, inner: &Pipeline, listed: Listed) -> Result<()> {
    for ListedToken { id, content } in listed.added_tokens {
        if let Some(given) = inner.token_to_id(&content)
            && given != id
        {
            return Err(Error::malformed(
                file,
                format!(
                    "the added token \"{content}\" is said to have the id {id}, but its place gives it {given}"
                ),
            ));
        }
    }
    Ok(())
}
