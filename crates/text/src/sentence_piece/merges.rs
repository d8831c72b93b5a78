//! Byte pair encoding as SentencePiece has it: merges are not listed, any two neighbours that make a piece together may merge.
//! Paper: arXiv 1508.07909.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;

use super::file::Kind;
use super::segmenter::{Segment, Segmenter};

/// A part of the text, in a list of neighbours.
struct Symbol {
    /// Empty once it has merged into the symbol before it.
    range: Range<usize>,
    previous: Option<usize>,
    next: Option<usize>,
    /// A user-defined piece, which never merges.
    fixed: bool,
}

/// Two neighbours that may merge.
struct Candidate {
    score: f32,
    left: usize,
    right: usize,
    /// Their bytes together; if these have changed, one of them has merged otherwise.
    length: usize,
}

impl Ord for Candidate {
    /// The best score first; among equals the leftmost.
    fn cmp(&self, other: &Candidate) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Candidate) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Candidate) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

/// Divides a text by merging neighbours until none are left that make a piece.
pub(super) fn merge(segmenter: &Segmenter, text: &str) -> Vec<Segment> {
    let mut merging = Merging {
        segmenter,
        text,
        symbols: Vec::new(),
        candidates: BinaryHeap::new(),
        parts: HashMap::new(),
    };
    for (index, (range, fixed)) in segmenter.symbols(text).enumerate() {
        if let Some(last) = merging.symbols.last_mut() {
            last.next = Some(index);
        }
        merging.symbols.push(Symbol {
            range,
            previous: index.checked_sub(1),
            next: None,
            fixed,
        });
    }
    for right in 1..merging.symbols.len() {
        merging.propose(Some(right - 1), Some(right));
    }
    while let Some(candidate) = merging.candidates.pop() {
        merging.apply(&candidate);
    }
    merging.finish()
}

struct Merging<'a> {
    segmenter: &'a Segmenter,
    text: &'a str,
    symbols: Vec<Symbol>,
    candidates: BinaryHeap<Candidate>,
    /// What unused pieces were merged from, to take them apart again.
    parts: HashMap<&'a str, (Range<usize>, Range<usize>)>,
}

impl<'a> Merging<'a> {
    /// Notes two neighbours if they make a piece together.
    fn propose(&mut self, left: Option<usize>, right: Option<usize>) {
        let (Some(left), Some(right)) = (left, right) else {
            return;
        };
        let (Some(first), Some(second)) = (self.symbols.get(left), self.symbols.get(right)) else {
            return;
        };
        if first.fixed || second.fixed {
            return;
        }
        let Some(merged) = self.text.get(first.range.start..second.range.end) else {
            return;
        };
        let Some(piece) = self
            .segmenter
            .ordinary(merged)
            .and_then(|place| self.segmenter.piece(place))
        else {
            return;
        };
        if piece.kind == Kind::Unused {
            self.parts
                .insert(merged, (first.range.clone(), second.range.clone()));
        }
        self.candidates.push(Candidate {
            score: piece.score,
            left,
            right,
            length: merged.len(),
        });
    }

    fn apply(&mut self, candidate: &Candidate) {
        let &Candidate {
            left,
            right,
            length,
            ..
        } = candidate;
        let range = |index: usize| self.symbols.get(index).map(|symbol| symbol.range.clone());
        let (Some(first), Some(second)) = (range(left), range(right)) else {
            return;
        };
        if first.is_empty() || second.is_empty() || first.len() + second.len() != length {
            return;
        }
        let mut next = None;
        if let Some(symbol) = self.symbols.get_mut(right) {
            symbol.range.end = symbol.range.start;
            next = symbol.next;
        }
        if let Some(symbol) = next.and_then(|next| self.symbols.get_mut(next)) {
            symbol.previous = Some(left);
        }
        let mut previous = None;
        if let Some(symbol) = self.symbols.get_mut(left) {
            symbol.range.end = second.end;
            symbol.next = next;
            previous = symbol.previous;
        }
        self.propose(previous, Some(left));
        self.propose(Some(left), next);
    }

    fn finish(self) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut open = Vec::new();
        for symbol in self.symbols {
            if symbol.range.is_empty() {
                continue;
            }
            open.push(symbol.range);
            while let Some(range) = open.pop() {
                let part = self.text.get(range.clone()).unwrap_or_default();
                let place = self.segmenter.ordinary(part);
                let piece = place.and_then(|place| self.segmenter.piece(place));
                if piece.is_some_and(|piece| piece.kind == Kind::Unused)
                    && let Some((left, right)) = self.parts.get(part)
                {
                    // The parts may have been noted at another place where the same text stands.
                    let middle = range.start + left.len();
                    debug_assert_eq!(left.len() + right.len(), range.len());
                    open.push(middle..range.end);
                    open.push(range.start..middle);
                } else {
                    segments.push(Segment {
                        piece: place.unwrap_or(self.segmenter.unknown),
                        range,
                    });
                }
            }
        }
        segments
    }
}
