//! SentencePiece files as a `tokenizer.json` describes them, for programs that read nothing else.
//!
//! The crate `tokenizers` has the same models and rules, but for a few texts: see [`crate::pipeline`].

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};
use tokenizers::AddedToken;
use tokenizers::normalizers::Precompiled;

use super::file::{Algorithm, Kind, ModelFile, Piece};
use super::segmenter::score_of;
use super::{Inner, SPACE, SentencePiece, Spacing, is_number_with_comma};
use crate::files::{NamedFiles, SENTENCE_PIECE, TOKENIZER_CONFIG, TOKENIZER_JSON};
use crate::pipeline::{Part, Pipeline};
use crate::{Error, Result, Tokenizer};

/// Settings of the classes that read SentencePiece files, all of which a description says itself.
const OF_CLASSES: [&str; 11] = [
    "add_bos_token",
    "add_eos_token",
    "add_prefix_space",
    "do_lower_case",
    "extra_ids",
    "keep_accents",
    "legacy",
    "remove_space",
    "sp_model_kwargs",
    "split_by_punct",
    "use_fast",
];

/// What ALBERT's and XLNet's classes take off the score of a piece such as "9,", so that its number is divided by itself.
const COMMA_PENALTY: f64 = 100.0;

impl Tokenizer {
    /// Its [`files`](Tokenizer::files) and a `tokenizer.json` besides, if it is made of a SentencePiece file: that describes what the file and the class
    /// of its settings do together, and the settings go with it. None if it is made of anything else, or does what cannot be described.
    ///
    /// Texts in which rules of replacement overlap within a character, or that spell out a control token or a byte, become other tokens by the
    /// description, as they do in other programs that read it. So do those with signs of vowels where accents are taken out (ALBERT), and those that
    /// begin with a space or a user-defined piece where a file of byte pairs has such pieces and a space in front.
    ///
    /// # Errors
    ///
    /// The file cannot be read again.
    pub fn described_files(&self) -> Result<Option<NamedFiles>> {
        let mut files: BTreeMap<String, Vec<u8>> = self.files().into_iter().collect();
        let Some(description) = self.description(&files)? else {
            return Ok(None);
        };
        let mut settings: Map<String, Value> = match files.get(TOKENIZER_CONFIG) {
            None => Map::new(),
            Some(bytes) => serde_json::from_slice(bytes)
                .map_err(|error| Error::json(TOKENIZER_CONFIG, &error))?,
        };
        settings.retain(|key, _| !OF_CLASSES.contains(&key.as_str()));
        let class = json!("PreTrainedTokenizerFast");
        settings.insert("tokenizer_class".to_owned(), class);
        let special = self.special_ids();
        for (role, id) in [
            ("bos_token", special.bos),
            ("cls_token", special.cls),
            ("eos_token", special.eos),
            ("mask_token", special.mask),
            ("pad_token", special.pad),
            ("sep_token", special.sep),
            ("unk_token", special.unk),
        ] {
            if let Some(token) = id.and_then(|id| self.id_to_token(id)) {
                settings.entry(role).or_insert(json!(token));
            }
        }
        for (name, json) in [
            (TOKENIZER_JSON, description),
            (TOKENIZER_CONFIG, Value::Object(settings)),
        ] {
            files.insert(name.to_owned(), json.to_string().into_bytes());
        }
        Ok(Some(files.into_iter().collect()))
    }

    /// The description of a tokenizer that is made of one of `files`.
    fn description(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<Option<Value>> {
        let Part::SentencePiece(model) = self.inner().get_model() else {
            return Ok(None);
        };
        let mut names = SENTENCE_PIECE.into_iter();
        let found = names.find_map(|name| Some((name, files.get(name)?)));
        let Some((name, bytes)) = found.filter(|_| !self.serves_languages()) else {
            return Ok(None);
        };
        let file = ModelFile::read(name, bytes)?;
        Ok(model.described(&file, self.inner()))
    }
}

impl SentencePiece {
    /// The description of this model, read from `file`, with what `pipeline` adds to it; none if there is none.
    fn described(&self, file: &ModelFile, pipeline: &Pipeline) -> Option<Value> {
        let Inner {
            spacing,
            names,
            divides_commas,
            has_codes_in_front,
            ids,
            ..
        } = &*self.0;
        let is_described = *spacing == Spacing::EveryPart
            && !names.are_listed()
            && !has_codes_in_front
            && file.escape_whitespaces
            && !file.whitespace_as_suffix
            && file.pieces.iter().all(|piece| piece.kind != Kind::Unused)
            && (file.algorithm == Algorithm::Unigram || is_of_pairs(file, *divides_commas));
        if !is_described {
            return None;
        }
        // Tokens beyond the last piece follow it as added ones.
        let last = ids.iter().max()?;
        let tokens: Option<Vec<&str>> = (0..=*last).map(|id| self.id_to_token(id)).collect();
        let tokens = tokens?;
        let unknown = usize::try_from(self.unknown_id()?).ok()?;
        let model = match file.algorithm {
            Algorithm::Unigram => self.unigram(file, &tokens, unknown),
            Algorithm::BytePair => byte_pairs(file, &tokens, unknown),
            Algorithm::Word | Algorithm::Character => return None,
        };
        let post_processor = pipeline
            .get_post_processor()
            .map(serde_json::to_value)
            .transpose();
        Some(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added(file, &tokens, pipeline)?,
            "normalizer": {"type": "Sequence", "normalizers": self.normalizers(file)?},
            "pre_tokenizer": spaces_the_first_alone(file).then(|| {
                json!({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": false})
            }),
            "post_processor": post_processor.ok()?,
            "decoder": {"type": "Sequence", "decoders": decoders(file)},
            "model": model?,
        }))
    }

    fn unigram(&self, file: &ModelFile, tokens: &[&str], unknown: usize) -> Option<Value> {
        let scores: HashMap<&str, f32> = file
            .pieces
            .iter()
            .map(|piece| (piece.text.as_str(), score_of(piece)))
            .collect();
        // Of a piece for text and a control piece that are written alike one would be lost.
        if scores.len() < file.pieces.len() {
            return None;
        }
        let score = |token: &&str| {
            let score = f64::from(scores.get(token).copied().unwrap_or_default());
            if self.0.divides_commas && is_number_with_comma(token) {
                score - COMMA_PENALTY
            } else {
                score
            }
        };
        let vocabulary: Vec<(&str, f64)> =
            tokens.iter().map(|token| (*token, score(token))).collect();
        Some(json!({
            "type": "Unigram",
            "unk_id": unknown,
            "vocab": vocabulary,
            "byte_fallback": file.bytes.is_some(),
        }))
    }

    /// What texts go through before they are divided.
    fn normalizers(&self, file: &ModelFile) -> Option<Vec<Value>> {
        let regex = |pattern: &str, content: &str| json!({"type": "Replace", "pattern": {"Regex": pattern}, "content": content});
        let letters = |from: &str, to: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": to});
        let mut steps = Vec::new();
        let preparation = self.0.preparation;
        if preparation.lower_case {
            steps.push(json!({"type": "Lowercase"}));
        }
        if let Some(rewriting) = preparation.rewriting {
            if rewriting.remove_space {
                steps.push(regex(r"[\s\x{1c}-\x{1f}]+", " "));
                steps.push(regex(r"\A +| +\z", ""));
            }
            steps.push(letters("``", "\""));
            steps.push(letters("''", "\""));
            if !rewriting.keep_accents {
                steps.push(json!({"type": "NFKD"}));
                steps.push(json!({"type": "StripAccents"}));
                if preparation.lower_case {
                    steps.push(json!({"type": "Lowercase"}));
                }
            }
        }
        if !file.charsmap.is_empty() {
            let charsmap = Precompiled::from(&file.charsmap).ok()?;
            steps.push(serde_json::to_value(charsmap).ok()?);
        }
        if file.remove_extra_whitespaces {
            steps.push(regex(" {2,}", " "));
            steps.push(regex(r"\A +| +\z", ""));
        }
        if file.add_dummy_prefix && !spaces_the_first_alone(file) {
            steps.push(json!({"type": "Prepend", "prepend": SPACE}));
        }
        steps.push(letters(" ", SPACE));
        Some(steps)
    }
}

fn byte_pairs(file: &ModelFile, tokens: &[&str], unknown: usize) -> Option<Value> {
    let ids = tokens.iter().zip(0..);
    let vocabulary: Map<String, Value> = ids
        .map(|(token, id)| ((*token).to_owned(), json!(id)))
        .collect();
    if vocabulary.len() < tokens.len() {
        return None;
    }
    Some(json!({
        "type": "BPE",
        "dropout": null,
        "unk_token": tokens.get(unknown)?,
        "continuing_subword_prefix": null,
        "end_of_word_suffix": null,
        "fuse_unk": true,
        "byte_fallback": file.bytes.is_some(),
        "ignore_merges": false,
        "vocab": vocabulary,
        "merges": merges(&file.pieces),
    }))
}

/// Every pair of pieces that makes a third, the best first.
fn merges(pieces: &[Piece]) -> Vec<[&str; 2]> {
    let ordinary = || {
        pieces
            .iter()
            .enumerate()
            .filter(|(_, piece)| piece.is_ordinary())
    };
    let places: HashMap<&str, usize> = ordinary()
        .map(|(place, piece)| (piece.text.as_str(), place))
        .collect();
    let mut whole: Vec<(usize, &Piece)> = ordinary().collect();
    // Sorting keeps the order of the file among equals.
    whole.sort_by(|(_, one), (_, other)| other.score.total_cmp(&one.score));
    let mut merges = Vec::new();
    for (_, piece) in whole {
        let middles = piece.text.char_indices().skip(1);
        let halves = middles.map(|(middle, _)| piece.text.split_at(middle));
        let mut pairs: Vec<[&str; 2]> = halves
            .filter(|(left, right)| places.contains_key(left) && places.contains_key(right))
            .map(|(left, right)| [left, right])
            .collect();
        pairs.sort_by_key(|pair| pair.map(|half| places.get(half)));
        merges.extend(pairs);
    }
    merges
}

/// Whether a file is one of byte pairs that can be described: a piece with a mark of a space in it would be looked for where a space in front has been
/// added to it.
fn is_of_pairs(file: &ModelFile, divides_commas: bool) -> bool {
    let mut whole = whole_pieces(file).into_iter();
    let is_moved = file.add_dummy_prefix && whole.any(|piece| piece.contains(SPACE));
    file.algorithm == Algorithm::BytePair && !divides_commas && !is_moved
}

/// Whether a space goes before a text and not before what follows a piece that was found in it.
fn spaces_the_first_alone(file: &ModelFile) -> bool {
    file.add_dummy_prefix && !whole_pieces(file).is_empty()
}

/// Pieces that stay as they are in a text, and that pairs would make parts of others.
fn whole_pieces(file: &ModelFile) -> HashSet<&str> {
    let is_found =
        |piece: &&Piece| file.algorithm == Algorithm::BytePair && piece.kind == Kind::UserDefined;
    let pieces = file.pieces.iter().filter(is_found);
    pieces.map(|piece| piece.text.as_str()).collect()
}

/// The tokens that are found in a text before it is divided, by their ids.
fn added(file: &ModelFile, tokens: &[&str], pipeline: &Pipeline) -> Option<Vec<Value>> {
    let mut added = BTreeMap::new();
    let whole = whole_pieces(file);
    let own = (0..)
        .zip(tokens)
        .filter(|(_, token)| whole.contains(**token));
    for (id, token) in own {
        let of_spaces = token.contains(SPACE);
        added.insert(id, AddedToken::from(*token, false).normalized(of_spaces));
    }
    let vocabulary = pipeline.get_added_vocabulary();
    let listed = vocabulary.get_added_tokens_decoder();
    added.extend(listed.iter().map(|(id, token)| (*id, token.clone())));
    // Where special tokens in a text are text, those that are found all the same are not special.
    if vocabulary.get_encode_special_tokens() {
        let pieces = file.pieces.iter();
        let user_defined = pieces.filter(|piece| piece.kind == Kind::UserDefined);
        let user_defined: HashSet<&str> = user_defined.map(|piece| piece.text.as_str()).collect();
        for token in added.values_mut() {
            token.special &= !user_defined.contains(token.content.as_str());
        }
    }
    let with_id = |(id, token): (u32, AddedToken)| {
        let mut token = serde_json::to_value(token).ok()?;
        token.as_object_mut()?.insert("id".to_owned(), json!(id));
        Some(token)
    };
    added.into_iter().map(with_id).collect()
}

fn decoders(file: &ModelFile) -> Vec<Value> {
    let mut steps = vec![json!({"type": "Replace", "pattern": {"String": SPACE}, "content": " "})];
    if file.bytes.is_some() {
        steps.push(json!({"type": "ByteFallback"}));
    }
    steps.push(json!({"type": "Fuse"}));
    if file.add_dummy_prefix {
        steps.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    steps
}
