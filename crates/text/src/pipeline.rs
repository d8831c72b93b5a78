//! The pipeline of the crate `tokenizers`, with SentencePiece as one more kind of normaliser, model and decoder.
//!
//! That crate's own forms of SentencePiece's normaliser and models give other ids for some texts: it replaces the shortest
//! rule of a grapheme where SentencePiece replaces the longest of the text, adds scores in double precision, and finds
//! control pieces in texts. Special tokens, templates and cutting are its own for every kind.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use tokenizers::models::TrainerWrapper;
use tokenizers::{
    DecoderWrapper, ModelWrapper, NormalizedString, NormalizerWrapper, PostProcessorWrapper,
    PreTokenizerWrapper, Token, TokenizerImpl,
};

use crate::pieces::{Replaced, byte_of};
use crate::sentence_piece::SentencePiece;

/// From text to tokens and back.
pub(crate) type Pipeline = TokenizerImpl<
    Part<ModelWrapper>,
    Part<NormalizerWrapper>,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    Part<DecoderWrapper>,
>;

/// What the crate's own type cannot say of itself.
pub(crate) trait Places {
    /// Whether the text is normalised as a whole, so that tokens cannot be traced to its characters.
    fn normalizes_as_a_whole(&self) -> bool;
}

impl Places for Pipeline {
    fn normalizes_as_a_whole(&self) -> bool {
        matches!(self.get_normalizer(), Some(Part::SentencePiece(_)))
            || matches!(self.get_model(), Part::SentencePiece(_))
    }
}

/// A part of the pipeline: one of the crate's, or SentencePiece's.
#[derive(Debug, Clone)]
pub(crate) enum Part<T> {
    Library(T),
    SentencePiece(SentencePiece),
}

/// What `tokenizer.json` describes is always the crate's.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Part<T>, D::Error> {
        T::deserialize(deserializer).map(Part::Library)
    }
}

impl tokenizers::Normalizer for Part<NormalizerWrapper> {
    fn normalize(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        match self {
            Part::Library(normalizer) => normalizer.normalize(text),
            Part::SentencePiece(model) => {
                let (begin, _) = text.offsets_original();
                *text = NormalizedString::from(model.normalize(text.get(), begin == 0));
                Ok(())
            }
        }
    }
}

impl tokenizers::Decoder for Part<DecoderWrapper> {
    fn decode_chain(&self, tokens: Vec<String>) -> tokenizers::Result<Vec<String>> {
        match self {
            Part::Library(decoder) => chain(decoder, tokens),
            Part::SentencePiece(model) => Ok(vec![model.decode(&tokens)]),
        }
    }
}

/// The crate's decoder, but for byte tokens: a byte that is no part of a character does not make one more of those around it unreadable.
/// This is SentencePiece's own rule, and lets a text be shown while it grows.
fn chain(decoder: &DecoderWrapper, tokens: Vec<String>) -> tokenizers::Result<Vec<String>> {
    use tokenizers::Decoder;
    match decoder {
        DecoderWrapper::Sequence(sequence) => sequence
            .get_decoders()
            .iter()
            .try_fold(tokens, |tokens, decoder| chain(decoder, tokens)),
        DecoderWrapper::ByteFallback(_) => Ok(join_bytes(tokens)),
        other => other.decode_chain(tokens),
    }
}

/// Each run of byte tokens as the text of its bytes.
fn join_bytes(tokens: Vec<String>) -> Vec<String> {
    let mut joined = Vec::with_capacity(tokens.len());
    let mut bytes = Vec::new();
    let flush = |bytes: &mut Vec<u8>, joined: &mut Vec<String>| {
        if !bytes.is_empty() {
            let mut text = String::new();
            Replaced::EachByte.flush(bytes, &mut text);
            joined.push(text);
        }
    };
    for token in tokens {
        match byte_of(&token) {
            Some(byte) => bytes.push(byte),
            None => {
                flush(&mut bytes, &mut joined);
                joined.push(token);
            }
        }
    }
    flush(&mut bytes, &mut joined);
    joined
}

impl tokenizers::Model for Part<ModelWrapper> {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, text: &str) -> tokenizers::Result<Vec<Token>> {
        match self {
            Part::Library(model) => model.tokenize(text),
            Part::SentencePiece(model) => Ok(model.tokenize(text)),
        }
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        match self {
            Part::Library(model) => model.token_to_id(token),
            Part::SentencePiece(model) => model.token_to_id(token),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            Part::Library(model) => model.id_to_token(id),
            Part::SentencePiece(model) => model.id_to_token(id).map(str::to_owned),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            Part::Library(model) => model.get_vocab(),
            Part::SentencePiece(model) => model.vocabulary(),
        }
    }

    fn get_vocab_size(&self) -> usize {
        match self {
            Part::Library(model) => model.get_vocab_size(),
            Part::SentencePiece(model) => model.vocabulary_size(),
        }
    }

    fn save(&self, folder: &Path, prefix: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        match self {
            Part::Library(model) => model.save(folder, prefix),
            Part::SentencePiece(_) => {
                Err("a SentencePiece model is saved as the file it was".into())
            }
        }
    }

    fn get_trainer(&self) -> TrainerWrapper {
        match self {
            Part::Library(model) => model.get_trainer(),
            // Nothing is ever trained; the trait wants one.
            Part::SentencePiece(_) => ModelWrapper::BPE(Default::default()).get_trainer(),
        }
    }
}
