//! What a user should know although nothing is refused.

use std::fmt;

use crate::refusal::{Span, place};

/// Something that a user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub kind: NoteKind,
    /// Where the key was written, if it was.
    pub place: Span,
    /// The key that it is about; empty where there is none.
    pub key: String,
    /// What there is to know.
    pub text: String,
}

/// What a [`Note`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoteKind {
    /// An argument, and what becomes of it.
    Setting,
    /// The rows, and what was done to them.
    Data,
    /// The model, its weights and checkpoints.
    Model,
    /// How training goes on.
    Training,
    /// Files that are written, or are not.
    Output,
}

impl Note {
    /// About nothing that has a key.
    pub fn new(kind: NoteKind, text: impl Into<String>) -> Self {
        Self::of(kind, "", text)
    }

    /// About a key.
    pub fn of(kind: NoteKind, key: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            kind,
            place: Span::none(),
            key: key.into(),
            text: text.into(),
        }
    }
}

impl fmt::Display for Note {
    /// In the form of a refusal: where, which key, what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", place(&self.place, &self.key), self.text)
    }
}
