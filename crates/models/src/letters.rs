//! What becomes of letters that a vocabulary of letters lacks, as users name it.

use engraft_component::Words;

/// What becomes of a letter that the vocabulary lacks; that it does is the tokenizer's affair, whose crate this one does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum LetterPolicy {
    /// Its row is refused.
    Error,
    /// It is one unknown token.
    Unknown,
    /// It is its upper case, or T for U or U for T, or the letter for any (N or X), whichever the vocabulary has first; else unknown.
    Map,
}
