//! The tokenizers of presets: their vocabularies as Hugging Face has them, with settings by which texts become the same tokens.
//!
//! Word pieces and byte pairs are described as a `tokenizer.json`; SentencePiece files are given as they are, with the class of the family.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::families::{Family, KERAS_HUB};
use super::object::Object;
use super::{family_of_class, located, pieces, read_json, words};
use crate::{Error, Result};

pub(super) const TOKENIZER: &str = "tokenizer.json";
const PREPROCESSOR: &str = "preprocessor.json";
pub(crate) const SETTINGS: &str = "tokenizer_config.json";
/// The key of the settings that says whose tokens are made, where they are not those that a model was trained with; ours.
pub(crate) const TOKENS: &str = "tokens";

pub(super) const ASSETS: &str = "assets/tokenizer";

/// What GPT-2 divides texts into before it looks for pairs: contractions, words, numbers, signs and spaces.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// The same of Llama 3, with at most three digits to a number.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The same of Qwen, with one.
const QWEN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// What BLOOM divides texts into: words and what is between, by the signs of many scripts.
const BLOOM: &str = r" ?[^(\s|[.,!?…。，、।۔،])]+";

/// Tokens that T5's class adds to those of its file.
const T5_EXTRA: u64 = 100;

/// How a family's texts become tokens.
#[derive(Debug)]
pub(super) enum Tokenizer {
    /// Word pieces.
    WordPiece,
    /// Letters of proteins.
    Letters,
    /// Byte pairs.
    BytePair(BytePair),
    /// SentencePiece: its file and class beside a Hugging Face model, with the tokens that begin and end a text where the class leaves them open.
    SentencePiece {
        file: &'static str,
        class: &'static str,
        ends: Option<[&'static str; 2]>,
    },
}

/// Byte pairs of a family.
#[derive(Debug)]
pub(super) struct BytePair {
    /// What texts are divided by.
    pub(super) division: Division,
    /// The token that begins a text, if one does.
    pub(super) start: Option<&'static str>,
    /// The token that ends one.
    pub(super) end: &'static str,
    /// The token between two texts, twice, where the family reads two.
    pub(super) reads_pairs: bool,
}

impl Tokenizer {
    /// SentencePiece with a class that knows the tokens around a text.
    pub(super) const fn pieces(file: &'static str, class: &'static str) -> Self {
        Self::SentencePiece {
            file,
            class,
            ends: None,
        }
    }

    /// The same of decoders, with the tokens that begin and end a text.
    pub(super) const fn framed_pieces(class: &'static str, ends: [&'static str; 2]) -> Self {
        Self::SentencePiece {
            file: "tokenizer.model",
            class,
            ends: Some(ends),
        }
    }
}

impl BytePair {
    /// Texts between a token that begins them and one that ends them.
    pub(super) const fn between(
        division: Division,
        start: &'static str,
        end: &'static str,
    ) -> Self {
        Self {
            division,
            start: Some(start),
            end,
            reads_pairs: false,
        }
    }

    /// Texts before a token that ends them.
    pub(super) const fn before(division: Division, end: &'static str) -> Self {
        Self {
            division,
            start: None,
            end,
            reads_pairs: false,
        }
    }
}

/// What divides texts before pairs are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Division {
    Gpt2,
    Llama3,
    Qwen,
    Bloom,
    Falcon,
}

/// How texts are read where KerasHub makes other tokens than a model was trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// As it was trained.
    AsTrained,
    /// As KerasHub: a protein without spaces is one unknown word, byte pairs are merged across words and without composing accents, and of all spaces
    /// one divides words.
    AsKerasHub,
}

/// The files of a preset's tokenizer as Hugging Face would have them; none if it has no tokenizer. Adds to `config.json` the tokens that a decoder
/// begins and ends with.
pub(super) fn files(
    folder: &Path,
    family: &Family,
    reading: Reading,
    config: &mut Map<String, Value>,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let Some(json) = read_json(folder, TOKENIZER)? else {
        return Ok(BTreeMap::new());
    };
    let preset = Preset {
        folder,
        reading,
        tokenizer: Object::read(located(folder, TOKENIZER), &json)?,
        preprocessor: match read_json(folder, PREPROCESSOR)? {
            Some(json) => Some(Object::read(located(folder, PREPROCESSOR), &json)?),
            None => None,
        },
    };
    let of_family = family_of_class(&preset.tokenizer, "Tokenizer");
    if of_family.is_none_or(|other| other.stem != family.stem) {
        return Err(Error::Malformed {
            file: located(folder, TOKENIZER),
            reason: format!(
                "{} of KerasHub is not read beside {}Backbone; {}Tokenizer is",
                preset.tokenizer.class, family.stem, family.stem
            ),
        });
    }
    match &family.tokenizer {
        Tokenizer::WordPiece => preset.word_pieces(["[CLS]", "[SEP]", "[PAD]", "[MASK]"]),
        Tokenizer::Letters if reading == Reading::AsKerasHub => {
            preset.word_pieces(["<cls>", "<eos>", "<pad>", "<mask>"])
        }
        Tokenizer::Letters => preset.letters(),
        Tokenizer::BytePair(pairs) => preset.byte_pairs(pairs, config),
        Tokenizer::SentencePiece { file, class, ends } => {
            preset.sentence_pieces(file, class, *ends, config)
        }
    }
}

/// The tokens that a preset's preprocessor cuts a text to; none if it does not say so.
pub(super) fn text_length(folder: &Path) -> Result<Option<usize>> {
    let Some(json) = read_json(folder, PREPROCESSOR)? else {
        return Ok(None);
    };
    let preprocessor = Object::read(located(folder, PREPROCESSOR), &json)?;
    match preprocessor.optional_size("sequence_length")? {
        None => preprocessor.optional_size("encoder_sequence_length"),
        length => Ok(length),
    }
}

/// A preset that has a tokenizer.
struct Preset<'a> {
    folder: &'a Path,
    reading: Reading,
    tokenizer: Object,
    preprocessor: Option<Object>,
}

type Files = BTreeMap<String, Vec<u8>>;

impl Preset<'_> {
    fn asset(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.folder.join(ASSETS).join(name);
        crate::preset::read_text(&path)?.ok_or_else(|| Error::MissingFile {
            preset: self.folder.display().to_string(),
            file: format!("{ASSETS}/{name}"),
            hint: format!("{TOKENIZER} says that its vocabulary lies there"),
        })
    }

    /// Whether texts are packed with a token, as `preprocessor.json` says.
    fn adds(&self, key: &str) -> Result<bool> {
        match &self.preprocessor {
            Some(preprocessor) => preprocessor.flag(key, true),
            None => Ok(true),
        }
    }

    fn malformed(&self, asset: &str, reason: String) -> Error {
        Error::Malformed {
            file: located(self.folder, &format!("{ASSETS}/{asset}")),
            reason,
        }
    }

    /// Word pieces, with the tokens that begin and end a text, fill rows up and stand for what is masked.
    fn word_pieces(&self, [cls, sep, pad, mask]: [&str; 4]) -> Result<Files> {
        const ASSET: &str = "vocabulary.txt";
        let bytes = self.asset(ASSET)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| self.malformed(ASSET, format!("it is not UTF-8: {error}")))?;
        let mut vocabulary = Map::new();
        for (id, line) in text.lines().enumerate() {
            // As KerasHub, the last of several that are the same counts.
            vocabulary.insert(line.trim_end().to_owned(), json!(id));
        }
        let unknown = self.tokenizer.word("oov_token")?.unwrap_or("[UNK]");
        let roles = [
            ("cls_token", cls),
            ("sep_token", sep),
            ("pad_token", pad),
            ("unk_token", unknown),
            ("mask_token", mask),
        ];
        let id = |token: &str| {
            let found = vocabulary.get(token);
            found.ok_or_else(|| {
                self.malformed(
                    ASSET,
                    format!("it has no \"{token}\", which the tokenizer needs"),
                )
            })
        };
        let mut added = Vec::new();
        let mut settings = self.settings();
        for (role, token) in roles {
            added.push(special(id(token)?, token));
            settings.insert(role.to_owned(), json!(token));
        }
        let in_texts = self.tokenizer.flag("special_tokens_in_strings", false)?;
        settings.insert("split_special_tokens".to_owned(), json!(!in_texts));
        let [lowercase, strips_accents] =
            ["lowercase", "strip_accents"].map(|key| self.tokenizer.flag(key, false));
        let [normalizer, pre_tokenizer] =
            words::division(lowercase?, strips_accents?, self.reading);
        let step = |first: &str, id: &Value| json!({"SpecialToken": {"id": first, "type_id": id}});
        let text = |which: &str, id: u8| json!({"Sequence": {"id": which, "type_id": id}});
        let described = json!({
            "version": "1.0",
            "added_tokens": added,
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [step(cls, &json!(0)), text("A", 0), step(sep, &json!(0))],
                "pair": [
                    step(cls, &json!(0)), text("A", 0), step(sep, &json!(0)), text("B", 1), step(sep, &json!(1)),
                ],
                "special_tokens": {
                    cls: {"id": cls, "ids": [id(cls)?], "tokens": [cls]},
                    sep: {"id": sep, "ids": [id(sep)?], "tokens": [sep]},
                },
            },
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": false},
            "model": {
                "type": "WordPiece",
                "unk_token": unknown,
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
                "vocab": vocabulary,
            },
        });
        Ok(described_files(&described, settings))
    }

    /// The letters of a vocabulary, as which sequences are read.
    fn letters(&self) -> Result<Files> {
        let mut settings = self.settings();
        settings.insert("tokenizer_class".to_owned(), json!("EsmTokenizer"));
        Ok(BTreeMap::from([
            ("vocab.txt".to_owned(), self.asset("vocabulary.txt")?),
            (SETTINGS.to_owned(), bytes(&Value::Object(settings))),
        ]))
    }

    fn byte_pairs(&self, pairs: &BytePair, config: &mut Map<String, Value>) -> Result<Files> {
        const ASSET: &str = "vocabulary.json";
        const MERGES: &str = "merges.txt";
        let read = self.asset(ASSET)?;
        let file = located(self.folder, &format!("{ASSETS}/{ASSET}"));
        let vocabulary: Map<String, Value> =
            serde_json::from_slice(&read).map_err(|error| Error::json(&file, &error))?;
        let read = self.asset(MERGES)?;
        let merges = std::str::from_utf8(&read)
            .map_err(|error| self.malformed(MERGES, format!("it is not UTF-8: {error}")))?;
        let merges: Vec<&str> = merges
            .lines()
            .map(str::trim_end)
            .filter(|line| !line.is_empty() && !line.contains("#version:"))
            .collect();
        let id = |token: &str| {
            let found = vocabulary.get(token);
            found.ok_or_else(|| {
                self.malformed(
                    ASSET,
                    format!("it has no \"{token}\", which the tokenizer needs"),
                )
            })
        };
        let mut settings = self.settings();
        let mut added = BTreeMap::new();
        let listed = self
            .tokenizer
            .get("unsplittable_tokens")
            .and_then(Value::as_array);
        let listed = listed.into_iter().flatten().filter_map(Value::as_str);
        let own = pairs.start.into_iter().chain([pairs.end]);
        for token in listed.chain(own) {
            added.insert(token, special(id(token)?, token));
        }
        let start = match pairs.start {
            Some(start) if self.adds("add_start_token")? => Some(start),
            _ => None,
        };
        let end = Some(pairs.end).filter(|_| pairs.reads_pairs);
        let end = match end {
            None if self.adds("add_end_token")? => Some(pairs.end),
            end => end,
        };
        let roles = [("bos_token", pairs.start), ("eos_token", Some(pairs.end))];
        for (role, token) in roles {
            if let Some(token) = token {
                settings.insert(role.to_owned(), json!(token));
                config.insert(format!("{role}_id"), id(token)?.clone());
            }
        }
        // BART's decoder begins with the end, and its first token is the start.
        if config.get("is_encoder_decoder") == Some(&Value::Bool(true)) {
            for (key, token) in [
                ("decoder_start_token_id", Some(pairs.end)),
                ("forced_bos_token_id", pairs.start),
            ] {
                if let Some(token) = token {
                    config.insert(key.to_owned(), id(token)?.clone());
                }
            }
        }
        let usual = [
            ("pad_token", "<pad>"),
            ("mask_token", "<mask>"),
            ("unk_token", "<unk>"),
        ];
        for (role, token) in usual {
            if added.contains_key(token) {
                settings.insert(role.to_owned(), json!(token));
            }
        }
        if pairs.reads_pairs {
            settings.insert("cls_token".to_owned(), json!(pairs.start));
            settings.insert("sep_token".to_owned(), json!(pairs.end));
        }
        let as_trained = self.reading == Reading::AsTrained;
        let composes = as_trained && pairs.division == Division::Qwen;
        let whole_first = as_trained && pairs.division == Division::Llama3;
        let mut divisions = if as_trained {
            pairs.division.described()
        } else {
            Vec::new()
        };
        let prefix = self.tokenizer.flag("add_prefix_space", false)?;
        divisions.push(json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": false, "use_regex": false}));
        let described = json!({
            "version": "1.0",
            "added_tokens": added.values().collect::<Vec<_>>(),
            "normalizer": composes.then(|| json!({"type": "NFC"})),
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": divisions},
            "post_processor": frame([start, end], pairs.reads_pairs, &id)?,
            "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                "fuse_unk": false, "byte_fallback": false, "ignore_merges": whole_first,
                "vocab": vocabulary, "merges": merges,
            },
        });
        Ok(described_files(&described, settings))
    }

    fn sentence_pieces(
        &self,
        file: &str,
        class: &str,
        ends: Option<[&str; 2]>,
        config: &mut Map<String, Value>,
    ) -> Result<Files> {
        const ASSET: &str = "vocabulary.spm";
        let model = self.asset(ASSET)?;
        let mut settings = self.settings();
        settings.insert("tokenizer_class".to_owned(), json!(class));
        // Special tokens that are written out in a text are text, but for those that the file itself looks for.
        settings.insert("split_special_tokens".to_owned(), json!(true));
        if let Some([start, end]) = ends {
            settings.insert("bos_token".to_owned(), json!(start));
            settings.insert("eos_token".to_owned(), json!(end));
            settings.insert(
                "add_bos_token".to_owned(),
                json!(self.adds("add_start_token")?),
            );
            settings.insert(
                "add_eos_token".to_owned(),
                json!(self.adds("add_end_token")?),
            );
        }
        // Of these the class names tokens that the file may not have, or adds some that the model has no vectors for.
        match class {
            "DebertaV2Tokenizer" => {
                let ids = pieces::ids(&model);
                for (role, names) in [
                    ("pad_token", ["[PAD]", "<pad>"]),
                    ("unk_token", ["[UNK]", "<unk>"]),
                ] {
                    if let Some(name) = names.into_iter().find(|name| ids.contains_key(*name)) {
                        settings.insert(role.to_owned(), json!(name));
                    }
                }
            }
            "T5Tokenizer" => {
                let known = config
                    .get("vocab_size")
                    .and_then(Value::as_u64)
                    .unwrap_or(0);
                let pieces = pieces::ids(&model).len() as u64;
                let has_room = known >= pieces + T5_EXTRA;
                let extra = if has_room { T5_EXTRA } else { 0 };
                settings.insert("extra_ids".to_owned(), json!(extra));
            }
            _ => {}
        }
        let roles = [
            ("bos_token_id", ["<bos>", "<s>"]),
            ("eos_token_id", ["<eos>", "</s>"]),
            ("pad_token_id", ["<pad>", "[PAD]"]),
        ];
        // XLM-R's ids are not those of the file.
        if !config.contains_key("pad_token_id") {
            let ids = pieces::ids(&model);
            for (role, names) in roles {
                if let Some(id) = names.iter().find_map(|name| ids.get(*name)) {
                    config.insert(role.to_owned(), json!(id));
                }
            }
        }
        if config.get("is_encoder_decoder") == Some(&Value::Bool(true)) {
            let start = match class {
                "T5Tokenizer" => "pad_token_id",
                _ => "bos_token_id",
            };
            if let Some(id) = config.get(start).cloned() {
                config.insert("decoder_start_token_id".to_owned(), id);
            }
        }
        Ok(BTreeMap::from([
            (file.to_owned(), model),
            (SETTINGS.to_owned(), bytes(&Value::Object(settings))),
        ]))
    }

    /// What all tokenizers' settings say.
    fn settings(&self) -> Map<String, Value> {
        let mut settings = Map::new();
        if self.reading == Reading::AsKerasHub {
            settings.insert(TOKENS.to_owned(), json!(KERAS_HUB));
        }
        settings.insert(
            "tokenizer_class".to_owned(),
            json!("PreTrainedTokenizerFast"),
        );
        let length = self.preprocessor.as_ref();
        let length = length.and_then(|preprocessor| preprocessor.get("sequence_length"));
        if let Some(length) = length {
            settings.insert("model_max_length".to_owned(), length.clone());
        }
        let truncate = self.preprocessor.as_ref();
        let truncate = truncate.and_then(|preprocessor| preprocessor.get("truncate"));
        // Without it both texts of a row lose in turn, as with other libraries.
        if truncate.and_then(Value::as_str) == Some("waterfall") {
            settings.insert("truncation_strategy".to_owned(), json!("only_second"));
        }
        settings
    }
}

impl Division {
    /// The steps that divide a text.
    fn described(self) -> Vec<Value> {
        let split = |pattern: &str| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
        match self {
            Self::Gpt2 => vec![split(GPT2)],
            Self::Llama3 => vec![split(LLAMA3)],
            Self::Qwen => vec![split(QWEN)],
            Self::Bloom => vec![split(BLOOM)],
            Self::Falcon => vec![
                json!({"type": "Punctuation", "behavior": "Contiguous"}),
                split(GPT2),
                json!({"type": "Digits", "individual_digits": false}),
                split("[0-9][0-9][0-9]"),
            ],
        }
    }
}

/// The tokens around a text, and around two.
fn frame<'v>(
    [start, end]: [Option<&str>; 2],
    reads_pairs: bool,
    id: &dyn Fn(&str) -> Result<&'v Value>,
) -> Result<Value> {
    let token = |token: Option<&str>| {
        token.map(|token| json!({"SpecialToken": {"id": token, "type_id": 0}}))
    };
    let text = |which: &str| Some(json!({"Sequence": {"id": which, "type_id": 0}}));
    let single = [token(start), text("A"), token(end)];
    let between = token(end).filter(|_| reads_pairs);
    let second = if reads_pairs {
        [between, text("B"), token(end)]
    } else {
        [token(start), text("B"), token(end)]
    };
    let pair: Vec<Value> = single.iter().chain(&second).flatten().cloned().collect();
    let mut tokens = Map::new();
    for token in [start, end].into_iter().flatten() {
        tokens.insert(
            token.to_owned(),
            json!({"id": token, "ids": [id(token)?], "tokens": [token]}),
        );
    }
    Ok(json!({
        "type": "TemplateProcessing",
        "single": single.into_iter().flatten().collect::<Vec<_>>(),
        "pair": pair,
        "special_tokens": tokens,
    }))
}

/// A token that stands for no text.
fn special(id: &Value, token: &str) -> Value {
    json!({
        "id": id, "content": token, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
    })
}

fn described_files(described: &Value, settings: Map<String, Value>) -> Files {
    BTreeMap::from([
        (TOKENIZER.to_owned(), bytes(described)),
        (SETTINGS.to_owned(), bytes(&Value::Object(settings))),
    ])
}

fn bytes(json: &Value) -> Vec<u8> {
    json.to_string().into_bytes()
}
