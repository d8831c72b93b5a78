//! Dividing a normalised text into pieces.

use std::collections::HashMap;
use std::ops::Range;

use super::SPACE;
use super::file::{Algorithm, Kind, ModelFile, Piece};
use super::merges::merge;
use super::trie::Trie;

/// What a character that the vocabulary lacks costs beyond the worst piece.
const UNKNOWN_PENALTY: f32 = 10.0;

/// What a user-defined piece gains for each byte after its first.
const USER_DEFINED_SCORE: f32 = 0.1;

/// What a piece adds to the score of a path.
pub(super) fn score_of(piece: &Piece) -> f32 {
    match piece.kind {
        // Better than any, so that it is always chosen.
        Kind::UserDefined => (piece.text.len() as f32 - 1.0) * USER_DEFINED_SCORE,
        _ => piece.score,
    }
}

/// A part of a text and the place of its piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// Bytes of the normalised text.
    pub(super) range: Range<usize>,
    pub(super) piece: u32,
}

/// The pieces of a model and how a text is divided into them.
#[derive(Debug, Clone)]
pub(super) struct Segmenter {
    pub(super) pieces: Vec<Piece>,
    pub(super) unknown: u32,
    bytes: Option<Vec<u32>>,
    algorithm: Algorithm,
    /// Pieces that text may become.
    ordinary: Trie,
    /// The other pieces, by their text.
    reserved: HashMap<String, u32>,
    user_defined: Trie,
    unknown_score: f32,
}

impl Segmenter {
    pub(super) fn new(file: ModelFile, user_defined: Trie) -> Segmenter {
        let numbered = || (0u32..).zip(&file.pieces);
        let ordinary = numbered().filter(|(_, piece)| piece.is_ordinary());
        let reserved = numbered().filter(|(_, piece)| !piece.is_ordinary());
        let normal = numbered().filter(|(_, piece)| piece.kind == Kind::Normal);
        let least = normal.fold(f32::MAX, |least, (_, piece)| least.min(piece.score));
        Segmenter {
            ordinary: Trie::new(ordinary.map(|(index, piece)| (piece.text.as_str(), index))),
            reserved: reserved
                .map(|(index, piece)| (piece.text.clone(), index))
                .collect(),
            unknown_score: least - UNKNOWN_PENALTY,
            pieces: file.pieces,
            unknown: file.unknown,
            bytes: file.bytes,
            algorithm: file.algorithm,
            user_defined,
        }
    }

    /// The place of a piece that text may become.
    pub(super) fn ordinary(&self, text: &str) -> Option<u32> {
        let (length, piece) = self.ordinary.prefixes(text).last()?;
        (length == text.len()).then_some(piece)
    }

    /// The place of a piece of any kind; those that no text becomes come first.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.reserved
            .get(text)
            .copied()
            .or_else(|| self.ordinary(text))
    }

    pub(super) fn piece(&self, place: u32) -> Option<&Piece> {
        self.pieces.get(usize::try_from(place).ok()?)
    }

    /// Divides a normalised text. What the vocabulary lacks becomes bytes, or one unknown piece for a whole run.
    pub(super) fn segment(&self, text: &str) -> Vec<Segment> {
        let found = match self.algorithm {
            Algorithm::Unigram => self.best_path(text),
            Algorithm::BytePair => merge(self, text),
            Algorithm::Character => self.look_up(self.symbols(text).map(|(range, _)| range), text),
            Algorithm::Word => self.look_up(words(text).into_iter(), text),
        };
        let mut segments: Vec<Segment> = Vec::with_capacity(found.len());
        for segment in found {
            if segment.piece != self.unknown {
                segments.push(segment);
            } else if let Some(bytes) = &self.bytes {
                let unknown = text
                    .as_bytes()
                    .get(segment.range.clone())
                    .unwrap_or_default();
                segments.extend(segment.range.zip(unknown).filter_map(|(place, byte)| {
                    let piece = *bytes.get(usize::from(*byte))?;
                    let range = place..place + 1;
                    Some(Segment { range, piece })
                }));
            } else if let Some(last) = segments.last_mut()
                && last.piece == self.unknown
            {
                last.range.end = segment.range.end;
            } else {
                segments.push(segment);
            }
        }
        segments
    }

    /// The units that a text is made of: user-defined pieces, which is what the flag says, and single characters.
    pub(super) fn symbols<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = (Range<usize>, bool)> + 'a {
        let mut begin = 0;
        std::iter::from_fn(move || {
            let rest = text.get(begin..)?;
            let first = rest.chars().next()?;
            let user_defined = self.user_defined.longest(rest);
            let range = begin..begin + user_defined.unwrap_or(first.len_utf8());
            begin = range.end;
            Some((range, user_defined.is_some()))
        })
    }

    fn look_up(&self, ranges: impl Iterator<Item = Range<usize>>, text: &str) -> Vec<Segment> {
        let segment = |range: Range<usize>| {
            let found = text.get(range.clone()).and_then(|part| self.ordinary(part));
            let piece = found.unwrap_or(self.unknown);
            Segment { range, piece }
        };
        ranges.map(segment).collect()
    }

    /// The pieces whose scores add up to most: Viterbi's algorithm. Sums are single precision, as in the SentencePiece
    /// library from version 0.2.3, because ties are decided by the last bit (earlier versions round otherwise).
    fn best_path(&self, text: &str) -> Vec<Segment> {
        #[derive(Clone, Copy)]
        struct Best {
            begin: usize,
            piece: u32,
            score: f32,
        }
        let mut best: Vec<Option<Best>> = vec![None; text.len() + 1];
        for (begin, character) in text.char_indices() {
            let here = best
                .get(begin)
                .copied()
                .flatten()
                .map_or(0.0, |best| best.score);
            let width = character.len_utf8();
            let mut single = false;
            for (length, place) in self
                .ordinary
                .prefixes(text.get(begin..).unwrap_or_default())
            {
                let Some(piece) = self.piece(place) else {
                    continue;
                };
                if piece.kind == Kind::Unused {
                    continue;
                }
                let score = score_of(piece);
                single |= length == width;
                let score = score + here;
                if let Some(target) = best.get_mut(begin + length)
                    && target.is_none_or(|best| score > best.score)
                {
                    *target = Some(Best {
                        begin,
                        piece: place,
                        score,
                    });
                }
            }
            let score = self.unknown_score + here;
            if !single
                && let Some(target) = best.get_mut(begin + width)
                && target.is_none_or(|best| score > best.score)
            {
                *target = Some(Best {
                    begin,
                    piece: self.unknown,
                    score,
                });
            }
        }
        let mut segments = Vec::new();
        let mut end = text.len();
        while end > 0 {
            // A character that no piece begins or ends at cannot be: each is at least unknown.
            let Some(Best { begin, piece, .. }) = best.get(end).copied().flatten() else {
                break;
            };
            segments.push(Segment {
                range: begin..end,
                piece,
            });
            end = begin;
        }
        segments.reverse();
        segments
    }
}

/// Words, each with the space in front of it.
fn words(text: &str) -> Vec<Range<usize>> {
    let inner = text.match_indices(SPACE).map(|(place, _)| place);
    let begins: Vec<usize> = std::iter::once(0)
        .chain(inner.filter(|place| *place > 0))
        .collect();
    let ends = begins.iter().copied().skip(1).chain([text.len()]);
    begins
        .iter()
        .copied()
        .zip(ends)
        .map(|(begin, end)| begin..end)
        .collect()
}
