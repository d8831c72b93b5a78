//! T5's models of proteins (ProtT5, ProstT5, Ankh): SentencePiece vocabularies of single letters. Sequences are read letter by letter as
//! they stand in FASTA, where the reference wants most of them spaced.
//! Papers: ProtT5, arXiv 2007.06225; ProstT5, doi 10.1101/2023.07.23.550085; Ankh, arXiv 2301.06568.

use crate::SpecialIds;
use crate::alphabet::Alphabet;
use crate::pipeline::Pipeline;

/// What says that amino acids follow, and that letters of structure do.
const PREFIXES: [&str; 2] = ["<AA2fold>", "<fold2AA>"];

/// What stands before a sequence: one token before amino acids, which are capitals, another before letters of structure.
#[derive(Debug, Clone)]
pub(crate) struct Prefixes {
    amino_acids: u32,
    structure: u32,
}

impl Prefixes {
    fn of_vocabulary(inner: &Pipeline) -> Option<Prefixes> {
        let [amino_acids, structure] = PREFIXES.map(|token| inner.token_to_id(token));
        Some(Prefixes {
            amino_acids: amino_acids?,
            structure: structure?,
        })
    }

    /// The prefix of a text, and the text without it if it is written out.
    pub(crate) fn of<'t>(&self, text: &'t str) -> (u32, &'t str) {
        let begin = text.trim_start();
        for (token, id) in PREFIXES.into_iter().zip([self.amino_acids, self.structure]) {
            if let Some(rest) = begin.strip_prefix(token) {
                return (id, rest);
            }
        }
        let has = |is: fn(char) -> bool| text.chars().any(is);
        let id = if has(char::is_uppercase) && !has(char::is_lowercase) {
            self.amino_acids
        } else {
            self.structure
        };
        (id, text)
    }
}

/// How a model of proteins reads.
pub(crate) struct Proteins {
    pub(crate) alphabet: Alphabet,
    pub(crate) prefixes: Option<Prefixes>,
    /// A sentence for the user.
    pub(crate) note: String,
}

impl Proteins {
    /// How this tokenizer reads proteins; none if it has other pieces than their letters.
    pub(crate) fn of(inner: &Pipeline, special: SpecialIds) -> Option<Proteins> {
        let (alphabet, rare_are_any) = Alphabet::of_pieces(inner, special.unk?)?;
        let prefixes = Prefixes::of_vocabulary(inner);
        let mut note = "the tokenizer's vocabulary has single letters: sequences are read letter by letter, with spaces between them or \
                        without, and written without"
            .to_owned();
        if rare_are_any {
            note.push_str("; U, Z, O and B are read as X, as ProtT5 was trained");
        }
        if prefixes.is_some() {
            note.push_str("; <AA2fold> is put before amino acids, <fold2AA> before structures, which are in small letters");
        }
        Some(Proteins {
            alphabet,
            prefixes,
            note,
        })
    }
}
