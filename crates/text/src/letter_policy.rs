//! What is done with letters that a model's alphabet lacks.

use std::fmt;

use engraft_component::Words;

/// What becomes of a letter that a vocabulary of letters lacks. In every case such letters are counted
/// ([`Encoding::outside`](crate::Encoding::outside)).
///
/// Tokens written out in a sequence (`[MASK]`, `<mask>`) are no letters: they stay what they are. White space is dropped; only
/// under [`Unknown`](LetterPolicy::Unknown) may a `tokenizer.json` make it a letter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Words)]
pub enum LetterPolicy {
    /// The row is refused, naming the letter and its place.
    Error,
    /// Each becomes the unknown token, so that tokens and residues correspond. (ESM's own tokenizer gives one unknown token to
    /// a whole run of them. So does this one where the vocabulary has k-mers, as tokens and residues differ there anyway, and
    /// where a `tokenizer.json` does so.)
    #[default]
    Unknown,
    /// Each becomes the nearest letter that the vocabulary has: its upper case; among nucleotides T for U, or U for T; else
    /// N among nucleotides and X among amino acids; else the unknown token.
    ///
    /// A vocabulary with both T and U, as the one of AIDO.DNA and AIDO.RNA, keeps both as they are. The latter were trained
    /// on T.
    Map,
}

impl LetterPolicy {
    /// Every policy.
    pub const ALL: [LetterPolicy; 3] = [
        LetterPolicy::Error,
        LetterPolicy::Unknown,
        LetterPolicy::Map,
    ];

    /// The policy of this name.
    pub fn from_name(name: &str) -> Option<LetterPolicy> {
        LetterPolicy::ALL
            .into_iter()
            .find(|policy| policy.name() == name)
    }

    /// `error`, `unknown` or `map`.
    pub fn name(self) -> &'static str {
        match self {
            LetterPolicy::Error => "error",
            LetterPolicy::Unknown => "unknown",
            LetterPolicy::Map => "map",
        }
    }
}

impl fmt::Display for LetterPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
