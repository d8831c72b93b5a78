//! The content of a SentencePiece file: pieces with scores, how they were trained, and how text is normalised.
//!
//! Field numbers are those of `sentencepiece_model.proto`; what makes a file invalid is what the SentencePiece library
//! refuses, and a file without one of its three parts, which is how a file cut between two fields shows.

use std::collections::HashMap;

use super::wire::{Broken, Content, Field, Message};
use crate::{Error, Result};

/// How pieces are chosen for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// The pieces whose scores add up to most. Paper: arXiv 1804.10959.
    Unigram,
    /// Neighbours merged, the best score first. Paper: arXiv 1508.07909.
    BytePair,
    /// Whole words.
    Word,
    /// Single characters.
    Character,
}

/// What a piece is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    /// Stands for what the vocabulary lacks.
    Unknown,
    /// Has an id, but no text ever becomes it.
    Control,
    /// Found in a text before anything else is.
    UserDefined,
    /// Takes part in merges, but does not appear in the result.
    Unused,
    /// One byte of a character that the vocabulary lacks.
    Byte,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) score: f32,
    pub(super) kind: Kind,
}

impl Piece {
    /// Whether text may become it.
    pub(super) fn is_ordinary(&self) -> bool {
        matches!(self.kind, Kind::Normal | Kind::UserDefined | Kind::Unused)
    }
}

/// What a SentencePiece file says, checked.
#[derive(Debug, Clone)]
pub(super) struct ModelFile {
    pub(super) pieces: Vec<Piece>,
    /// The place of the piece for what the vocabulary lacks.
    pub(super) unknown: u32,
    /// The places of the pieces for single bytes, if characters that the vocabulary lacks become bytes.
    pub(super) bytes: Option<Vec<u32>>,
    pub(super) algorithm: Algorithm,
    pub(super) whitespace_as_suffix: bool,
    /// What an unknown token is decoded as.
    pub(super) unknown_surface: String,
    /// Rules of replacement; empty if there are none.
    pub(super) charsmap: Vec<u8>,
    pub(super) add_dummy_prefix: bool,
    pub(super) remove_extra_whitespaces: bool,
    pub(super) escape_whitespaces: bool,
}

impl ModelFile {
    /// Reads a file; `name` is for errors.
    pub(super) fn read(name: &str, bytes: &[u8]) -> Result<ModelFile> {
        let mut raw = Raw::default();
        raw.read(Message::whole(bytes)).map_err(|broken| {
            let Broken { place, reason } = broken;
            Error::malformed(
                name,
                format!("it is damaged, or no SentencePiece model, at byte {place}: {reason}; fetch it again"),
            )
        })?;
        raw.check().map_err(|reason| Error::malformed(name, reason))
    }
}

/// A file's fields as they were read.
struct Raw {
    pieces: Vec<Piece>,
    has_trainer: bool,
    has_normalizer: bool,
    byte_fallback: bool,
    algorithm: Algorithm,
    whitespace_as_suffix: bool,
    unknown_surface: String,
    charsmap: Vec<u8>,
    add_dummy_prefix: bool,
    remove_extra_whitespaces: bool,
    escape_whitespaces: bool,
}

impl Default for Raw {
    /// The values of fields that a file leaves out.
    fn default() -> Raw {
        Raw {
            pieces: Vec::new(),
            has_trainer: false,
            has_normalizer: false,
            byte_fallback: false,
            algorithm: Algorithm::Unigram,
            whitespace_as_suffix: false,
            unknown_surface: " \u{2047} ".to_owned(),
            charsmap: Vec::new(),
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
        }
    }
}

impl Raw {
    fn read(&mut self, message: Message<'_>) -> Result<(), Broken> {
        for field in message.fields() {
            let Field { number, content } = field?;
            match (number, content) {
                (1, Content::Bytes(message)) => self.read_piece(message)?,
                (2, Content::Bytes(message)) => self.read_trainer(message)?,
                (3, Content::Bytes(message)) => self.read_normalizer(message)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_piece(&mut self, message: Message<'_>) -> Result<(), Broken> {
        let index = self.pieces.len();
        let refuse = |reason: &str| Broken {
            place: message.place,
            reason: format!("piece {index} {reason}"),
        };
        let mut piece = Piece {
            text: String::new(),
            score: 0.0,
            kind: Kind::Normal,
        };
        for field in message.fields() {
            let Field { number, content } = field?;
            match (number, content) {
                (1, Content::Bytes(text)) => {
                    piece.text = text_of(text).ok_or_else(|| refuse("is not UTF-8 text"))?;
                }
                // Adding zero makes one of the two zeros, which compare as equal.
                (2, Content::Four(bytes)) => piece.score = f32::from_le_bytes(bytes) + 0.0,
                (3, Content::Number(kind)) => {
                    piece.kind = match kind {
                        1 => Kind::Normal,
                        2 => Kind::Unknown,
                        3 => Kind::Control,
                        4 => Kind::UserDefined,
                        5 => Kind::Unused,
                        6 => Kind::Byte,
                        _ => return Err(refuse(&format!("is of the unknown type {kind}"))),
                    };
                }
                _ => {}
            }
        }
        if piece.text.is_empty() {
            return Err(refuse("is empty"));
        }
        if !piece.score.is_finite() {
            return Err(refuse("has a score that is not a finite number"));
        }
        self.pieces.push(piece);
        Ok(())
    }

    fn read_trainer(&mut self, message: Message<'_>) -> Result<(), Broken> {
        self.has_trainer = true;
        for field in message.fields() {
            let Field { number, content } = field?;
            match (number, content) {
                (3, Content::Number(kind)) => {
                    self.algorithm = match kind {
                        1 => Algorithm::Unigram,
                        2 => Algorithm::BytePair,
                        3 => Algorithm::Word,
                        4 => Algorithm::Character,
                        _ => {
                            return Err(Broken {
                                place: message.place,
                                reason: format!(
                                    "model_type {kind} is none of unigram, bpe, word and char"
                                ),
                            });
                        }
                    };
                }
                (24, Content::Number(flag)) => self.whitespace_as_suffix = flag != 0,
                (35, Content::Number(flag)) => self.byte_fallback = flag != 0,
                (44, Content::Bytes(text)) => {
                    self.unknown_surface = text_of(text).ok_or_else(|| Broken {
                        place: text.place,
                        reason: "unk_surface is not UTF-8 text".to_owned(),
                    })?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_normalizer(&mut self, message: Message<'_>) -> Result<(), Broken> {
        self.has_normalizer = true;
        for field in message.fields() {
            let Field { number, content } = field?;
            match (number, content) {
                (2, Content::Bytes(map)) => self.charsmap = map.bytes.to_vec(),
                (3, Content::Number(flag)) => self.add_dummy_prefix = flag != 0,
                (4, Content::Number(flag)) => self.remove_extra_whitespaces = flag != 0,
                (5, Content::Number(flag)) => self.escape_whitespaces = flag != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn check(self) -> Result<ModelFile, String> {
        if self.pieces.is_empty() {
            return Err(
                "it is no SentencePiece model, or an empty one: it has no pieces".to_owned(),
            );
        }
        for (there, part) in [
            (self.has_trainer, "trainer_spec"),
            (self.has_normalizer, "normalizer_spec"),
        ] {
            if !there {
                return Err(format!("it is cut off: it has no {part}; fetch it again"));
            }
        }
        let unknown = check_pieces(&self.pieces)?;
        Ok(ModelFile {
            bytes: byte_pieces(&self.pieces, self.byte_fallback)?,
            unknown,
            pieces: self.pieces,
            algorithm: self.algorithm,
            whitespace_as_suffix: self.whitespace_as_suffix,
            unknown_surface: self.unknown_surface,
            charsmap: self.charsmap,
            add_dummy_prefix: self.add_dummy_prefix,
            remove_extra_whitespaces: self.remove_extra_whitespaces,
            escape_whitespaces: self.escape_whitespaces,
        })
    }
}

/// Checks that pieces are distinct and that one of them is for the unknown; the place of that one.
fn check_pieces(pieces: &[Piece]) -> Result<u32, String> {
    let mut unknown = None;
    let mut seen: HashMap<(&str, bool), usize> = HashMap::new();
    for (index, piece) in pieces.iter().enumerate() {
        let text = piece.text.as_str();
        if text.contains('\0') {
            return Err(format!("piece {index} contains a null character"));
        }
        // A piece for text may be written as a control piece is.
        if let Some(earlier) = seen.insert((text, piece.is_ordinary()), index) {
            return Err(format!(
                "piece {index}, \"{text}\", is there already as piece {earlier}"
            ));
        }
        if piece.kind == Kind::Unknown
            && let Some(earlier) = unknown.replace(index)
        {
            return Err(format!(
                "pieces {earlier} and {index} are both of the type for unknown text; one may be"
            ));
        }
    }
    let unknown = unknown.ok_or("no piece is of the type for unknown text; one has to be")?;
    u32::try_from(unknown).map_err(|_| "it has too many pieces".to_owned())
}

/// The places of the pieces `<0x00>` to `<0xFF>`, if the model falls back to bytes.
fn byte_pieces(pieces: &[Piece], byte_fallback: bool) -> Result<Option<Vec<u32>>, String> {
    let mut places: Vec<Option<u32>> = vec![None; 256];
    for (index, piece) in (0u32..).zip(pieces) {
        if piece.kind != Kind::Byte {
            continue;
        }
        let text = &piece.text;
        if !byte_fallback {
            return Err(format!(
                "piece {index}, \"{text}\", is a byte, but byte_fallback is off"
            ));
        }
        let place = byte_of(text).and_then(|byte| places.get_mut(usize::from(byte)));
        *place
            .ok_or_else(|| format!("piece {index}, \"{text}\", should be a byte, as <0x00>"))? =
            Some(index);
    }
    if !byte_fallback {
        return Ok(None);
    }
    let found: Option<Vec<u32>> = places.into_iter().collect();
    found
        .map(Some)
        .ok_or_else(|| "byte_fallback is on, but not every byte has a piece".to_owned())
}

/// The byte that a piece such as `<0x0A>` stands for.
pub(super) fn byte_of(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    let byte = u8::from_str_radix(digits, 16).ok()?;
    (format!("{byte:02X}") == digits).then_some(byte)
}

fn text_of(message: Message<'_>) -> Option<String> {
    std::str::from_utf8(message.bytes).ok().map(str::to_owned)
}
