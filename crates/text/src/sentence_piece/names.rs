//! Which ids the pieces of a file have, and which tokens there are besides.

use std::collections::{HashMap, HashSet};

use super::segmenter::Segmenter;
use crate::vocabulary::Vocabulary;

/// Ids of pieces and of further tokens.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// What is added to a piece's place to get its id.
    shift: u32,
    /// The id of the first piece, where the shift is not for it.
    first: Option<u32>,
    /// The id of all that has none of its own, where a list gives the ids and places do not.
    unlisted: Option<u32>,
    /// Tokens with ids of their own, whether they are pieces or not.
    ids: HashMap<String, u32>,
    tokens: HashMap<u32, String>,
}

impl Names {
    /// Pieces have their places as ids.
    pub(super) fn by_place() -> Names {
        Names::default()
    }

    /// Ids of fairseq's dictionaries: pieces are shifted, the first piece has the id `first`.
    pub(super) fn shifted(shift: u32, first: u32) -> Names {
        Names {
            shift,
            first: Some(first),
            ..Names::default()
        }
    }

    /// Ids are those of a list; what it lacks has the id `unlisted`.
    pub(super) fn listed(vocabulary: &Vocabulary, unlisted: u32) -> Names {
        let mut names = Names {
            unlisted: Some(unlisted),
            ..Names::default()
        };
        for (token, id) in vocabulary.entries() {
            names.insert(token, id);
        }
        names
    }

    /// Whether a list gives the ids.
    pub(super) fn are_listed(&self) -> bool {
        self.unlisted.is_some()
    }

    /// The id that a token has of its own; where a list gives the ids, all that it lacks have one too.
    pub(super) fn own_id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied().or(self.unlisted)
    }

    /// Gives a token an id of its own.
    pub(super) fn insert(&mut self, token: &str, id: u32) {
        self.ids.insert(token.to_owned(), id);
        self.tokens.insert(id, token.to_owned());
    }

    pub(super) fn id(&self, token: &str, segmenter: &Segmenter) -> Option<u32> {
        let own = self.ids.get(token).copied();
        if self.are_listed() {
            return own;
        }
        own.or_else(|| self.id_of_piece(segmenter.find(token)?))
    }

    pub(super) fn token<'a>(&'a self, id: u32, segmenter: &'a Segmenter) -> Option<&'a str> {
        let own = self.tokens.get(&id).map(String::as_str);
        if self.are_listed() {
            return own;
        }
        own.or_else(|| {
            let piece = segmenter.piece(id.checked_sub(self.shift)?)?;
            Some(piece.text.as_str())
        })
    }

    /// The ids of all pieces, by their places.
    pub(super) fn ids(&self, segmenter: &Segmenter) -> Vec<u32> {
        let id = |(place, text): (u32, &String)| {
            let own = self.own_id(text);
            own.or_else(|| self.id_of_piece(place)).unwrap_or(u32::MAX)
        };
        let texts = segmenter.pieces.iter().map(|piece| &piece.text);
        (0u32..).zip(texts).map(id).collect()
    }

    /// All tokens with their ids.
    pub(super) fn vocabulary(&self, segmenter: &Segmenter) -> HashMap<String, u32> {
        let texts = segmenter.pieces.iter().map(|piece| piece.text.as_str());
        texts
            .chain(self.ids.keys().map(String::as_str))
            .filter_map(|token| Some((token.to_owned(), self.id(token, segmenter)?)))
            .collect()
    }

    /// How many tokens there are.
    pub(super) fn vocabulary_size(&self, segmenter: &Segmenter) -> usize {
        if self.are_listed() {
            return self.ids.len();
        }
        let texts = segmenter.pieces.iter().map(|piece| piece.text.as_str());
        let distinct: HashSet<&str> = texts.chain(self.ids.keys().map(String::as_str)).collect();
        distinct.len()
    }

    fn id_of_piece(&self, place: u32) -> Option<u32> {
        match self.first {
            Some(first) if place == 0 => Some(first),
            _ => place.checked_add(self.shift),
        }
    }
}
