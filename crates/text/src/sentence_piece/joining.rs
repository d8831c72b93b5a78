//! Pieces into text, one by one.

use super::file::{Kind, byte_of};
use super::{SPACE, SentencePiece, Stripping};
use crate::pieces::Replaced;

/// What a token that is decoded as it is does to the pieces after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterAdded {
    /// Nothing.
    GoOn,
    /// They are joined as those at the front of a text are.
    BeginAnew {
        /// Whether a space sets them apart.
        space: bool,
    },
}

/// The state between two pieces.
#[derive(Debug, Clone)]
pub(crate) struct Joining {
    model: SentencePiece,
    /// Bytes that were decoded one by one and are no character yet.
    bytes: Vec<u8>,
    /// Whether there was no text yet, before spaces at the ends are dropped.
    empty: bool,
    /// Whether the one space in front was dropped.
    stripped: bool,
    /// Whether other letters than spaces were given out.
    begun: bool,
    /// Spaces that are dropped if nothing follows.
    spaces: String,
}

impl Joining {
    pub(super) fn new(model: SentencePiece) -> Joining {
        Joining {
            model,
            bytes: Vec::new(),
            empty: true,
            stripped: false,
            begun: false,
            spaces: String::new(),
        }
    }

    /// Adds to `text` what `token` settles.
    pub(crate) fn push(&mut self, token: &str, text: &mut String) {
        let mut added = String::new();
        self.join(token, &mut added);
        self.give_out(&added, text);
    }

    /// Adds to `text` what waited for more.
    pub(crate) fn finish(&mut self, text: &mut String) {
        let mut added = String::new();
        Replaced::EachByte.flush(&mut self.bytes, &mut added);
        self.give_out(&added, text);
        self.spaces.clear();
    }

    fn join(&mut self, token: &str, text: &mut String) {
        let inner = &self.model.0;
        let Stripping { once, all } = inner.at_front;
        let piece = if inner.added.contains(token) {
            None
        } else {
            let place = inner.segmenter.find(token);
            place.and_then(|place| inner.segmenter.piece(place))
        };
        if piece.is_some_and(|piece| piece.kind == Kind::Byte) {
            self.bytes.extend(byte_of(token));
            Replaced::EachByte.settle(&mut self.bytes, text);
            self.empty &= text.is_empty();
            return;
        }
        Replaced::EachByte.flush(&mut self.bytes, text);
        self.empty &= text.is_empty();
        match piece.map(|piece| piece.kind) {
            Some(Kind::Control) => {}
            Some(Kind::Unknown) => text.push_str(&inner.unknown_surface),
            Some(_) => {
                let at_front = self.empty && !self.stripped && (once || all);
                let rest = token.strip_prefix(SPACE).filter(|_| at_front);
                self.stripped |= rest.is_some() && !all;
                text.push_str(&rest.unwrap_or(token).replace(SPACE, " "));
            }
            // Of tokens that a list has beyond the pieces, the mark is a space too.
            None if inner.names.are_listed() => text.push_str(&token.replace(SPACE, " ")),
            None => text.push_str(token),
        }
        if let AfterAdded::BeginAnew { space } = inner.after_added
            && inner.added.contains(token)
        {
            if space {
                text.push(' ');
            }
            (self.empty, self.stripped) = (true, false);
            return;
        }
        self.empty &= text.is_empty();
    }

    /// Adds to `text` without the spaces at both ends, if the family has none there.
    fn give_out(&mut self, added: &str, text: &mut String) {
        if !self.model.0.trims {
            text.push_str(added);
            return;
        }
        let added = if self.begun {
            added
        } else {
            added.trim_start()
        };
        let kept = added.trim_end();
        if !kept.is_empty() {
            self.begun = true;
            text.push_str(&std::mem::take(&mut self.spaces));
            text.push_str(kept);
        }
        self.spaces
            .push_str(added.get(kept.len()..).unwrap_or_default());
    }
}
