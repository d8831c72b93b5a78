//! SentencePiece files: `spiece.model`, `spm.model`, `sentencepiece.bpe.model`, `tokenizer.model`, `vocabulary.spm`, and Marian's
//! `source.spm` and `target.spm`.
//! Paper: arXiv 1808.06226.
//!
//! The ids are those of the SentencePiece library, with what a family's tokenizer adds: shifted ids, special tokens that the
//! file lacks, lower case ([`family`]). Control pieces are never produced from text, user-defined ones always are.

mod charsmap;
mod description;
mod family;
mod file;
mod joining;
mod merges;
mod names;
mod normalizer;
mod preparation;
mod segmenter;
mod templates;
#[cfg(test)]
mod tests;
mod translating;
mod trie;
mod wire;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};
use tokenizers::Token;

use self::family::Family;
use self::file::{Kind, ModelFile};
use self::joining::AfterAdded;
pub(crate) use self::joining::Joining;
use self::names::Names;
use self::normalizer::Normalizer;
use self::preparation::Preparation;
use self::segmenter::{Segment, Segmenter};
use self::translating::split_code;
use self::trie::Trie;
use crate::files::{Files, TOKENIZER_CONFIG};
use crate::pipeline::{Part, Pipeline};
use crate::special::{Declared, Role};
use crate::{Error, Result};

/// What stands for a space within pieces.
const SPACE: &str = "\u{2581}";

/// Makes the tokenizer of a SentencePiece file. `declared` gets the special tokens of the family.
pub(crate) fn build(
    name: &'static str,
    bytes: &[u8],
    files: &Files,
    declared: &mut Declared,
    config: &Map<String, Value>,
) -> Result<Pipeline> {
    let settings = files.object(TOKENIZER_CONFIG)?;
    let family = Family::of(name, files, &settings, config)?;
    let malformed = |reason: String| Error::malformed(name, reason);

    let file = ModelFile::read(name, bytes)?;
    let user_defined = Trie::new(
        (0u32..)
            .zip(&file.pieces)
            .filter(|(_, piece)| piece.kind == Kind::UserDefined)
            .map(|(index, piece)| (piece.text.as_str(), index)),
    );
    let normalizer = Normalizer::new(&file, user_defined.clone()).map_err(malformed)?;
    let at_front = Stripping {
        once: file.add_dummy_prefix,
        all: file.remove_extra_whitespaces,
    };
    let unknown_surface = file.unknown_surface.clone();
    let segmenter = Segmenter::new(file, user_defined);

    let (names, added) = family.names(name, &segmenter, files, &settings, declared)?;
    let template = family.template(&names, &segmenter, declared, &settings)?;
    let spacing = match family.spaces_beginning_alone(&settings)? {
        None => Spacing::EveryPart,
        Some(space) => {
            let stand_in = declared.token(Role::Unk).unwrap_or_default().to_owned();
            let dropped = segmenter
                .segment(&normalizer.normalize(&stand_in, false))
                .len();
            Spacing::Beginning {
                space,
                stand_in,
                dropped,
            }
        }
    };
    let model = SentencePiece(Arc::new(Inner {
        preparation: family.preparation(&settings)?,
        spacing,
        divides_commas: family.divides_commas(),
        has_codes_in_front: family.has_codes_in_front(),
        after_added: family.after_added(),
        trims: family.trims(),
        added: added.iter().map(|token| token.content.clone()).collect(),
        ids: names.ids(&segmenter),
        vocabulary_size: names.vocabulary_size(&segmenter),
        names,
        segmenter,
        normalizer,
        at_front,
        unknown_surface,
    }));

    let mut pipeline = Pipeline::new(Part::SentencePiece(model.clone()));
    let broken = |error: tokenizers::Error| malformed(error.to_string());
    pipeline
        .with_normalizer(Some(Part::SentencePiece(model.clone())))
        .map_err(broken)?;
    pipeline.with_decoder(Some(Part::SentencePiece(model)));
    if let Some(template) = template {
        let processor: tokenizers::PostProcessorWrapper =
            serde_json::from_value(template).map_err(|error| malformed(error.to_string()))?;
        pipeline.with_post_processor(Some(processor));
    }
    pipeline.add_tokens(added).map_err(broken)?;
    Ok(pipeline)
}

/// A SentencePiece model with the conventions of its family. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct SentencePiece(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    preparation: Preparation,
    spacing: Spacing,
    /// Whether a comma that follows a digit becomes a token of its own.
    divides_commas: bool,
    normalizer: Normalizer,
    segmenter: Segmenter,
    /// The ids of the pieces, by their places.
    ids: Vec<u32>,
    names: Names,
    vocabulary_size: usize,
    /// Tokens found in a text before it comes here, which are decoded as they are.
    added: HashSet<String>,
    after_added: AfterAdded,
    /// Whether what stands before `<<` at the front of a text is one token.
    has_codes_in_front: bool,
    at_front: Stripping,
    /// Whether decoded texts lose the spaces at their ends.
    trims: bool,
    unknown_surface: String,
}

/// Which parts of a text get a space in front.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Spacing {
    /// Every part between special tokens, if the model says so.
    EveryPart,
    /// The beginning of the text alone.
    Beginning {
        /// Whether that gets one.
        space: bool,
        /// A special token that is put before spaces in front, so that they are kept, as the reference does.
        stand_in: String,
        /// How many tokens it becomes, which are dropped again.
        dropped: usize,
    },
}

/// Which spaces are dropped when tokens at the front are decoded.
#[derive(Debug, Clone, Copy)]
struct Stripping {
    once: bool,
    all: bool,
}

impl SentencePiece {
    /// Normalises a part of a text between special tokens.
    pub(crate) fn normalize(&self, text: &str, at_begin: bool) -> String {
        let Inner {
            preparation,
            normalizer,
            ..
        } = &*self.0;
        if self.0.has_codes_in_front {
            let (code, text) = split_code(text);
            return code.to_owned() + &normalizer.normalize(text, true);
        }
        let text = preparation.apply(text);
        let Spacing::Beginning {
            space, stand_in, ..
        } = &self.0.spacing
        else {
            return normalizer.normalize(&text, true);
        };
        let mut text = text.replace(SPACE, " ");
        if at_begin && *space {
            text.insert_str(0, SPACE);
        }
        if text.starts_with([' ', '\u{2581}']) {
            text.insert_str(0, stand_in);
        }
        normalizer.normalize(&text, false)
    }

    /// Divides a normalised text.
    pub(crate) fn tokenize(&self, text: &str) -> Vec<Token> {
        let dropped = match &self.0.spacing {
            Spacing::Beginning {
                stand_in, dropped, ..
            } if text.starts_with(stand_in) => *dropped,
            _ => 0,
        };
        let mut tokens = Vec::new();
        let (code, text) = if self.0.has_codes_in_front {
            split_code(text)
        } else {
            ("", text)
        };
        if !code.is_empty() {
            tokens.extend(self.listed(code, (0, code.len())));
        }
        for segment in self.0.segmenter.segment(text).into_iter().skip(dropped) {
            let surface = text.get(segment.range.clone()).unwrap_or_default();
            let offsets = (
                code.len() + segment.range.start,
                code.len() + segment.range.end,
            );
            if segment.piece == self.0.segmenter.unknown
                && let Some(token) = self.listed(surface, offsets)
            {
                // A list may have more than there are pieces.
                tokens.push(token);
            } else if self.0.divides_commas && is_number_with_comma(surface) {
                self.divide_comma(surface, &segment, &mut tokens);
            } else {
                tokens.push(self.token(segment.piece, offsets));
            }
        }
        tokens
    }

    /// The token that a list has for a text; none without a list.
    fn listed(&self, text: &str, offsets: (usize, usize)) -> Option<Token> {
        let id = self.0.names.own_id(text)?;
        self.0
            .names
            .are_listed()
            .then(|| Token::new(id, text.to_owned(), offsets))
    }

    /// The rule of ALBERT's and XLNet's tokenizers for a piece such as "9,": what stands before the comma is divided anew.
    fn divide_comma(&self, surface: &str, segment: &Segment, tokens: &mut Vec<Token>) {
        let Inner {
            normalizer,
            segmenter,
            ..
        } = &*self.0;
        let place = |text: &str| segmenter.find(text).unwrap_or(segmenter.unknown);
        let number = surface
            .strip_suffix(',')
            .unwrap_or(surface)
            .replace(SPACE, "");
        let number = normalizer.normalize(&number, true);
        for (index, part) in segmenter.segment(&number).into_iter().enumerate() {
            let text = number.get(part.range).unwrap_or_default();
            let piece = match text.strip_prefix(SPACE) {
                Some("") if index == 0 && !surface.starts_with(SPACE) => continue,
                Some(rest) if index == 0 && !surface.starts_with(SPACE) => place(rest),
                _ => part.piece,
            };
            tokens.push(self.token(piece, (segment.range.start, segment.range.end)));
        }
        tokens.push(self.token(place(","), (segment.range.start, segment.range.end)));
    }

    fn token(&self, place: u32, offsets: (usize, usize)) -> Token {
        let id = usize::try_from(place)
            .ok()
            .and_then(|place| self.0.ids.get(place));
        let text = self
            .0
            .segmenter
            .piece(place)
            .map(|piece| piece.text.clone());
        Token::new(
            id.copied().unwrap_or_default(),
            text.unwrap_or_default(),
            offsets,
        )
    }

    pub(crate) fn token_to_id(&self, token: &str) -> Option<u32> {
        self.0.names.id(token, &self.0.segmenter)
    }

    pub(crate) fn id_to_token(&self, id: u32) -> Option<&str> {
        self.0.names.token(id, &self.0.segmenter)
    }

    pub(crate) fn vocabulary(&self) -> HashMap<String, u32> {
        self.0.names.vocabulary(&self.0.segmenter)
    }

    /// The id of what the vocabulary lacks.
    pub(crate) fn unknown_id(&self) -> Option<u32> {
        let place = usize::try_from(self.0.segmenter.unknown).ok()?;
        self.0.ids.get(place).copied()
    }

    pub(crate) fn vocabulary_size(&self) -> usize {
        self.0.vocabulary_size
    }

    /// The text of tokens, as the SentencePiece library joins pieces; tokens that were added stay as they are.
    pub(crate) fn decode(&self, tokens: &[String]) -> String {
        let mut joining = self.joining();
        let mut text = String::new();
        for token in tokens {
            joining.push(token, &mut text);
        }
        joining.finish(&mut text);
        text
    }

    /// The same for tokens that come one by one.
    pub(crate) fn joining(&self) -> Joining {
        Joining::new(self.clone())
    }
}

/// Whether a piece ends in a digit and a comma.
fn is_number_with_comma(piece: &str) -> bool {
    piece
        .strip_suffix(',')
        .and_then(|number| number.chars().next_back())
        .is_some_and(char::is_numeric)
}
