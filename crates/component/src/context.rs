//! What decoding carries along: the key it is at, and the notes it collects.

use crate::node::Node;
use crate::note::{Note, NoteKind};
use crate::refusal::{Refusal, Span};

/// The key being decoded, and notes about keys that were accepted without effect.
#[derive(Clone, Debug, Default)]
pub struct Context {
    path: String,
    notes: Vec<Note>,
}

impl Context {
    /// At the root.
    pub fn new() -> Self {
        Self::default()
    }

    /// At a dotted key, for decoding a part on its own.
    pub fn at(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            notes: Vec::new(),
        }
    }

    /// The key being decoded, such as `model.init_args.adapter`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Runs `read` one key deeper.
    pub fn within<R>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.path.len();
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(key);
        let result = read(self);
        self.path.truncate(length);
        result
    }

    /// Runs `read` at an element of the list being decoded.
    pub fn within_item<R>(&mut self, index: usize, read: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.path.len();
        self.path.push_str(&format!("[{index}]"));
        let result = read(self);
        self.path.truncate(length);
        result
    }

    /// Adds a note about the key being decoded, which was written at `span`, unless it is there already.
    pub fn note_at(&mut self, span: &Span, text: &str) {
        let note = Note {
            kind: NoteKind::Setting,
            place: span.clone(),
            key: self.path.clone(),
            text: text.to_owned(),
        };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The notes so far.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The notes.
    pub fn into_notes(self) -> Vec<Note> {
        self.notes
    }

    /// An error at the key being decoded.
    pub fn error(&self, span: &Span, message: impl Into<String>) -> Refusal {
        Refusal::new(span, self.path.clone(), message)
    }

    /// The error that this node is not what was wanted: `expected a number, found "abc"`.
    pub fn expected(&self, node: &Node, wanted: &str) -> Refusal {
        self.error(
            &node.span,
            format!("expected {wanted}, found {}", node.describe()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_kept_once() {
        let mut cx = Context::new();
        for text in ["a", "b", "a"] {
            cx.within("key", |cx| cx.note_at(&Span::none(), text));
        }
        let notes: Vec<String> = cx.notes().iter().map(ToString::to_string).collect();
        assert_eq!(notes, ["key: a", "key: b"]);
    }

    #[test]
    fn paths_grow_and_shrink_with_nesting() {
        let mut cx = Context::at("trainer");
        cx.within("callbacks", |cx| {
            cx.within_item(1, |cx| {
                cx.within("init_args", |cx| {
                    assert_eq!(cx.path(), "trainer.callbacks[1].init_args");
                });
            });
        });
        assert_eq!(cx.path(), "trainer");
    }
}
