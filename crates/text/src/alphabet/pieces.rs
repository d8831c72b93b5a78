//! Alphabets of SentencePiece vocabularies whose pieces are single letters of proteins.

use tokenizers::models::ModelWrapper;

use super::{Alphabet, Kind};
use crate::pipeline::{Part, Pipeline};
use crate::tokenizer::shielded;
use crate::vocabulary::is_bracketed;

/// What stands for the space before a letter.
const SPACE: char = '\u{2581}';

/// How many tokens a vocabulary of letters has at most, sentinels included; it spares others a look at each of theirs.
const MOST_TOKENS: usize = 2_000;

/// Amino acids that ProtT5 was trained to read as any.
const RARE: [&str; 4] = ["U", "Z", "O", "B"];

impl Alphabet {
    /// The alphabet of a vocabulary of amino acids under SentencePiece, and whether the rare ones among them are read as any: so it is
    /// where each piece is a letter with a space before it, as ProtT5's are, unlike Ankh's. None if there are other pieces, or not every
    /// letter by itself is one token and the same in a sequence.
    pub(crate) fn of_pieces(inner: &Pipeline, unknown: u32) -> Option<(Alphabet, bool)> {
        let is_sentence_piece = matches!(
            inner.get_model(),
            Part::SentencePiece(_) | Part::Library(ModelWrapper::Unigram(_))
        );
        if !is_sentence_piece || inner.get_vocab_size(true) > MOST_TOKENS {
            return None;
        }
        let added = inner.get_added_tokens_decoder();
        let mut tokens: Vec<(String, u32)> = inner.get_vocab(true).into_iter().collect();
        tokens.sort_by(|(a, a_id), (b, b_id)| (a_id, a).cmp(&(b_id, b)));
        let mut alphabet = Alphabet::empty(unknown);
        let mut letters = Vec::new();
        for (token, id) in &tokens {
            let text = token.strip_prefix(SPACE).unwrap_or(token);
            let mut characters = text.chars();
            match (characters.next(), characters.next()) {
                (None, _) => {}
                (Some(letter), None) if letter.is_ascii_alphabetic() || "-.*".contains(letter) => {
                    letters.push(letter);
                }
                _ if added.contains_key(id) => alphabet.insert(token, *id, false),
                _ if is_bracketed(token) => {}
                _ => return None,
            }
        }
        let ids = |text: &str| {
            let encoding = shielded(|| inner.encode_fast(text, false));
            Some(encoding.ok()?.ok()?.get_ids().to_vec())
        };
        let mut expected = Vec::new();
        for letter in &letters {
            let letter = letter.to_string();
            let [id] = ids(&letter)?[..] else {
                return None;
            };
            alphabet.insert(&letter, id, true);
            expected.push(id);
        }
        alphabet.kind = Kind::of(&alphabet.letters);
        let with_between = |between: &str| {
            let letters: Vec<String> = letters.iter().map(char::to_string).collect();
            ids(&letters.join(between))
        };
        let agrees = [" ", ""]
            .into_iter()
            .any(|between| with_between(between).as_ref() == Some(&expected));
        if alphabet.kind != Kind::AminoAcids || !agrees {
            return None;
        }
        let any = alphabet.tokens.get("X").map(|entry| entry.id);
        let is_spaced = any
            .and_then(|id| inner.id_to_token(id))
            .is_some_and(|token| token.starts_with(SPACE));
        if let Some(any) = any.filter(|_| is_spaced) {
            for letter in RARE {
                alphabet.insert(letter, any, true);
            }
        }
        Some((alphabet, is_spaced))
    }
}
