//! The tokenizers of Hugging Face models as KerasHub has them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::families::Family;
use super::super::pieces;
use super::super::tokenizers::{BytePair, SETTINGS, TOKENIZER, Tokenizer};
use super::super::words;
use super::python;
use crate::{Error, Preset, Result};

/// The names that SentencePiece files go by.
const PIECES: [&str; 4] = [
    "tokenizer.model",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
];

/// The piece that stands before an image in Gemma 3.
const IMAGE: &str = "<start_of_image>";

/// More tokens than a text that is cut has.
const LONGEST: u64 = 1 << 20;

/// Tokens that KerasHub's word pieces have to have.
const WORD_PIECES: [&str; 4] = ["[CLS]", "[SEP]", "[PAD]", "[MASK]"];

/// A tokenizer of KerasHub.
pub(super) struct WrittenTokenizer {
    /// What it is made from beside its vocabulary.
    pub(super) arguments: Map<String, Value>,
    /// The tokens that its settings say a text may have, where they do.
    pub(super) length: Option<usize>,
    /// The files of its vocabulary.
    pub(super) assets: Vec<(&'static str, Vec<u8>)>,
}

/// Whether a preset has a SentencePiece file.
pub(super) fn has_pieces(preset: &Preset) -> bool {
    PIECES.iter().any(|name| preset.has(name))
}

/// The tokenizer of a preset as a family of KerasHub has it; none if the preset has none. `config` is the `config.json` of the model as written.
///
/// # Errors
/// It is of another kind than the family's, lacks a token that KerasHub has to have, or has more tokens than the model has vectors.
pub(super) fn of(
    preset: &Preset,
    family: &Family,
    config: &Map<String, Value>,
) -> Result<Option<WrittenTokenizer>> {
    let source = Source {
        preset,
        described: preset.json_object(TOKENIZER)?,
        settings: preset.json_object(SETTINGS)?.unwrap_or_default(),
    };
    let nothing = source.described.is_none() && !has_pieces(preset);
    if nothing && !preset.has("vocab.txt") && !preset.has("vocab.json") {
        return Ok(None);
    }
    let (mut written, tokens) = match &family.tokenizer {
        Tokenizer::WordPiece => source.word_pieces()?,
        Tokenizer::Letters => source.letters()?,
        Tokenizer::BytePair(pairs) => source.byte_pairs(pairs)?,
        Tokenizer::SentencePiece { .. } => source.sentence_pieces()?,
    };
    if family.stem == "Gemma3" {
        let sees = pieces_of(&written).contains_key(IMAGE);
        let arguments = &mut written.arguments;
        arguments.insert("has_vision_tokens".to_owned(), json!(sees));
    }
    // A number beyond all lengths stands for none.
    let length = source
        .settings
        .get("model_max_length")
        .and_then(Value::as_u64);
    written.length = length
        .filter(|length| *length <= LONGEST)
        .map(|length| length as usize);
    let vectors = config.get("vocab_size").and_then(Value::as_u64);
    if let Some(vectors) = vectors.filter(|vectors| *vectors < tokens as u64) {
        return Err(source.refuse(format!(
            "its vocabulary has {tokens} tokens, and the model has vectors for {vectors}"
        )));
    }
    Ok(Some(written))
}

/// A preset's tokenizer.
struct Source<'a> {
    preset: &'a Preset,
    /// `tokenizer.json`.
    described: Option<Map<String, Value>>,
    /// `tokenizer_config.json`.
    settings: Map<String, Value>,
}

/// A tokenizer, and how many tokens it has.
type Written = Result<(WrittenTokenizer, usize)>;

impl Source<'_> {
    fn refuse(&self, reason: String) -> Error {
        let file = match self.described {
            Some(_) => TOKENIZER,
            None => SETTINGS,
        };
        Error::Malformed {
            file: self.preset.locate(file),
            reason,
        }
    }

    /// The model of `tokenizer.json`, if it is of this kind.
    fn model(&self, kind: &str) -> Option<&Map<String, Value>> {
        let model = self.described.as_ref()?.get("model")?.as_object()?;
        // Files of long ago do not say it.
        let is_kind = match model.get("type").and_then(Value::as_str) {
            Some(found) => found == kind,
            None => model.contains_key("merges") == (kind == "BPE"),
        };
        is_kind.then_some(model)
    }

    /// The tokens that `tokenizer.json` adds to those of its model.
    fn added(&self) -> impl Iterator<Item = (&str, u64, bool)> {
        let described = self.described.iter();
        let added = described.filter_map(|json| json.get("added_tokens")?.as_array());
        added.flatten().filter_map(|token| {
            let is_special = token.get("special") == Some(&Value::Bool(true));
            let content = token.get("content")?.as_str()?;
            Some((content, token.get("id")?.as_u64()?, is_special))
        })
    }

    /// The tokens of a vocabulary and those that are added, by their ids, which are to have no gap.
    fn by_id(&self, vocabulary: &Map<String, Value>) -> Result<Vec<String>> {
        let mut tokens = BTreeMap::new();
        for (token, id) in vocabulary {
            let id = id.as_u64().ok_or_else(|| {
                self.refuse(format!(
                    "the token \"{token}\" has the id {id}, which is none"
                ))
            })?;
            tokens.insert(id, token.clone());
        }
        for (token, id, _) in self.added() {
            tokens.insert(id, token.to_owned());
        }
        let gap = tokens.keys().zip(0..).find(|(id, place)| **id != *place);
        if let Some((_, place)) = gap {
            return Err(self.refuse(format!(
                "no token has the id {place}, while later ones exist"
            )));
        }
        Ok(tokens.into_values().collect())
    }

    /// A special token of `tokenizer_config.json`.
    fn special(&self, role: &str) -> Option<&str> {
        let token = self.settings.get(role)?;
        token.as_str().or_else(|| token.get("content")?.as_str())
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.settings.get(key).and_then(Value::as_bool)
    }

    /// The tokens of `vocab.txt`, one a line.
    fn lines(&self) -> Result<Option<Vec<String>>> {
        const NAME: &str = "vocab.txt";
        let Some(bytes) = self.preset.read(NAME)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes).map_err(|error| Error::Malformed {
            file: self.preset.locate(NAME),
            reason: format!("it is not UTF-8: {error}"),
        })?;
        Ok(Some(
            text.lines()
                .map(|line| line.trim_end().to_owned())
                .collect(),
        ))
    }

    fn word_pieces(&self) -> Written {
        let described = self
            .model("WordPiece")
            .and_then(|model| model.get("vocab")?.as_object());
        let tokens = match (described, self.described.is_none()) {
            (Some(vocabulary), _) => self.by_id(vocabulary)?,
            (None, true) => self.lines()?.unwrap_or_default(),
            (None, false) => Vec::new(),
        };
        if tokens.is_empty() {
            let reason =
                "KerasHub's tokenizer of this family has word pieces, and this one has none";
            return Err(self.refuse(reason.to_owned()));
        }
        let unknown = self.special("unk_token").unwrap_or("[UNK]");
        for token in WORD_PIECES.into_iter().chain([unknown]) {
            if !tokens.iter().any(|other| other == token) {
                return Err(self.refuse(format!(
                    "its vocabulary has no \"{token}\", which KerasHub's tokenizer has to have"
                )));
            }
        }
        let (lowercase, strips) = self.folding();
        let arguments = json!({
            "vocabulary": null,
            "sequence_length": null,
            "lowercase": lowercase,
            "strip_accents": strips,
            "split": true,
            "suffix_indicator": "##",
            "oov_token": unknown,
            "special_tokens": null,
            "special_tokens_in_strings": !self.flag("split_special_tokens").unwrap_or(false),
        });
        Ok((
            written(arguments, vec![("vocabulary.txt", in_lines(&tokens))]),
            tokens.len(),
        ))
    }

    /// Whether letters become small, and whether accents are left out.
    fn folding(&self) -> (bool, bool) {
        let Some(normalizer) = self
            .described
            .as_ref()
            .and_then(|json| json.get("normalizer"))
        else {
            let lowercase = self
                .flag("do_lower_case")
                .unwrap_or(self.described.is_none());
            return (lowercase, self.flag("strip_accents").unwrap_or(lowercase));
        };
        let steps = normalizer.get("normalizers").and_then(Value::as_array);
        let steps = steps.map_or(std::slice::from_ref(normalizer), Vec::as_slice);
        let (mut lowercase, mut strips) = (false, false);
        for step in steps {
            let flag = |key: &str| step.get(key).and_then(Value::as_bool);
            match step.get("type").and_then(Value::as_str) {
                Some("BertNormalizer") => {
                    lowercase = flag("lowercase").unwrap_or(true);
                    strips = flag("strip_accents").unwrap_or(lowercase);
                }
                Some("Lowercase") => lowercase = true,
                Some("StripAccents") => strips = true,
                Some("Replace") if *step == words::without_accents() => strips = true,
                _ => {}
            }
        }
        (lowercase, strips)
    }

    fn letters(&self) -> Written {
        // Where KerasHub's own tokens are made, they are described as word pieces.
        let described = self
            .model("WordPiece")
            .and_then(|model| model.get("vocab")?.as_object());
        let tokens = match described {
            Some(vocabulary) => self.by_id(vocabulary)?,
            None => self.lines()?.unwrap_or_default(),
        };
        if tokens.is_empty() {
            return Err(
                self.refuse("KerasHub's tokenizer needs vocab.txt, and there is none".to_owned())
            );
        }
        let arguments = json!({
            "vocabulary": null,
            "sequence_length": null,
            "lowercase": false,
            "strip_accents": false,
            "split": true,
            "suffix_indicator": "##",
            "oov_token": "<unk>",
            "special_tokens": null,
            "special_tokens_in_strings": false,
        });
        Ok((
            written(arguments, vec![("vocabulary.txt", in_lines(&tokens))]),
            tokens.len(),
        ))
    }

    fn byte_pairs(&self, pairs: &BytePair) -> Written {
        let model = self.model("BPE");
        let (vocabulary, merges) = match model {
            Some(model) => (
                model.get("vocab").and_then(Value::as_object).cloned(),
                model
                    .get("merges")
                    .and_then(Value::as_array)
                    .map(|merges| merges_of(merges)),
            ),
            None => {
                let merges = self.preset.read("merges.txt")?;
                let lines = merges
                    .as_deref()
                    .and_then(|bytes| std::str::from_utf8(bytes).ok());
                let lines = lines.map(|text| text.lines().map(str::to_owned).collect());
                (self.preset.json_object("vocab.json")?, lines)
            }
        };
        let (Some(vocabulary), Some(merges)) = (vocabulary, merges) else {
            let reason =
                "KerasHub's tokenizer of this family has byte pairs, and this one has none";
            return Err(self.refuse(reason.to_owned()));
        };
        let merges: Vec<String> = merges
            .into_iter()
            .filter(|line| !line.contains("#version:") && !line.is_empty())
            .collect();
        let tokens = self.by_id(&vocabulary)?;
        for token in pairs.start.into_iter().chain([pairs.end]) {
            if !tokens.iter().any(|other| other == token) {
                return Err(self.refuse(format!(
                    "its vocabulary has no \"{token}\", which KerasHub's tokenizer has to have"
                )));
            }
        }
        let by_name: Map<String, Value> = tokens
            .iter()
            .enumerate()
            .map(|(id, token)| (token.clone(), json!(id)))
            .collect();
        let whole = self.added().filter(|(_, _, is_special)| *is_special);
        let whole: Vec<&str> = whole.map(|(token, ..)| token).collect();
        let arguments = json!({
            "sequence_length": null,
            "add_prefix_space": self.adds_prefix_space(),
            "unsplittable_tokens": whole,
        });
        let assets = vec![
            (
                "vocabulary.json",
                python::in_line(&Value::Object(by_name)).into_bytes(),
            ),
            ("merges.txt", in_lines(&merges)),
        ];
        Ok((written(arguments, assets), tokens.len()))
    }

    /// Whether a text begins with a space that is not in it.
    fn adds_prefix_space(&self) -> bool {
        let described = self
            .described
            .as_ref()
            .and_then(|json| json.get("pre_tokenizer"));
        let Some(described) = described else {
            return self.flag("add_prefix_space").unwrap_or(false);
        };
        let steps = described.get("pretokenizers").and_then(Value::as_array);
        let steps = steps.map_or(std::slice::from_ref(described), Vec::as_slice);
        let mut steps = steps.iter();
        steps.any(|step| step.get("add_prefix_space") == Some(&Value::Bool(true)))
    }

    fn sentence_pieces(&self) -> Written {
        let mut found = None;
        for name in PIECES {
            if let Some(bytes) = self.preset.read(name)? {
                found = Some(bytes.into_owned());
                break;
            }
        }
        let model = found.ok_or_else(|| {
            self.refuse(format!(
                "KerasHub's tokenizer of this family is a SentencePiece file, and there is none beside it ({})",
                PIECES.join(", ")
            ))
        })?;
        let tokens = pieces::ids(&model).len();
        let arguments = json!({
            "proto": null,
            "sequence_length": null,
            "add_bos": false,
            "add_eos": false,
        });
        Ok((written(arguments, vec![("vocabulary.spm", model)]), tokens))
    }
}

fn written(arguments: Value, assets: Vec<(&'static str, Vec<u8>)>) -> WrittenTokenizer {
    let arguments = match arguments {
        Value::Object(arguments) => arguments,
        _ => Map::new(),
    };
    WrittenTokenizer {
        arguments,
        length: None,
        assets,
    }
}

/// The pieces of a SentencePiece file, with their ids.
fn pieces_of(written: &WrittenTokenizer) -> BTreeMap<String, usize> {
    let file = written.assets.first();
    file.map(|(_, model)| pieces::ids(model))
        .unwrap_or_default()
}

fn in_lines(tokens: &[String]) -> Vec<u8> {
    let mut text = tokens.join("\n");
    text.push('\n');
    text.into_bytes()
}

/// Pairs as lines, whether each is a text or a list of two.
fn merges_of(merges: &[Value]) -> Vec<String> {
    let merges = merges.iter().filter_map(|merge| match merge {
        Value::String(line) => Some(line.clone()),
        Value::Array(both) => match both.as_slice() {
            [Value::String(first), Value::String(second)] => Some(format!("{first} {second}")),
            _ => None,
        },
        _ => None,
    });
    merges.collect()
}
