//! Sequences of letters, or of k-mers, into tokens, with a policy for the letters that the vocabulary lacks.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use serde_json::{Map, Value};
use tokenizers::models::ModelWrapper;

use crate::files::TOKENIZER_CONFIG;
use crate::pipeline::{Part, Pipeline};
use crate::tokenizer::shielded;
use crate::vocabulary::is_bracketed;
use crate::{Error, LetterPolicy, Result};

/// The key of `tokenizer_config.json` for letters that are read as another token.
const SYNONYMS: &str = "synonyms";

/// How many letters a message lists at most.
const MOST_LISTED: usize = 60;

/// A vocabulary of letters or k-mers: at each place of a sequence, the longest of its tokens that fits.
#[derive(Debug, Clone)]
pub(crate) struct Alphabet {
    tokens: HashMap<Box<str>, Entry>,
    /// For each character, how long the tokens are that begin with it, in bytes, the longest first.
    lengths: HashMap<char, Vec<usize>>,
    /// What the ordinary tokens are made of.
    letters: BTreeSet<char>,
    /// The letters in the order of the vocabulary, for messages.
    listed: String,
    unknown: u32,
    kind: Kind,
    /// Whether a run of unknown letters is one token.
    fuses: bool,
    /// Whether white space is no letter.
    drops_space: bool,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u32,
    /// Whether it stands for letters, rather than being found as a whole, as `[MASK]`.
    ordinary: bool,
}

/// What the letters stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nucleotides,
    AminoAcids,
    Other,
}

/// The tokens of a sequence, without special tokens around it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Spelled {
    pub(crate) ids: Vec<u32>,
    /// For each token, how many of its letters the vocabulary lacks.
    pub(crate) outside: Vec<usize>,
    /// For each token, the characters of the text that it stands for.
    pub(crate) spans: Vec<Range<usize>>,
}

/// A letter that the policy refuses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) letter: char,
    /// Its place among the characters of the text, from 1.
    pub(crate) position: usize,
}

impl Alphabet {
    /// The alphabet of a tokenizer; none if it does not divide a text into letters, or k-mers where these are allowed.
    ///
    /// Of all ways to read letters, that one is taken which agrees with the tokenizer on texts of its tokens, of unknown
    /// letters and of white space. So a `tokenizer.json` keeps its meaning, however it is written.
    pub(crate) fn of(inner: &Pipeline, allows_kmers: bool) -> Option<Alphabet> {
        let Part::Library(ModelWrapper::WordLevel(model)) = inner.get_model() else {
            return None;
        };
        if inner.get_normalizer().is_some() {
            return None;
        }
        let mut alphabet = Alphabet::empty(inner.token_to_id(&model.unk_token)?);
        let is_letter = |token: &str| token.chars().count() == 1;
        let one_letter = inner
            .get_vocab(false)
            .keys()
            .all(|token| is_letter(token) || is_bracketed(token));
        if !(one_letter || allows_kmers) {
            return None;
        }
        let added = inner.get_added_tokens_decoder();
        let mut vocabulary: Vec<(String, u32)> = inner.get_vocab(true).into_iter().collect();
        vocabulary.sort_by(|(a, a_id), (b, b_id)| (a_id, a).cmp(&(b_id, b)));
        for (token, id) in &vocabulary {
            let ordinary = is_letter(token) || (!one_letter && !is_bracketed(token));
            if ordinary || added.contains_key(id) {
                alphabet.insert(token, *id, ordinary);
            }
        }
        alphabet.kind = Kind::of(&alphabet.letters);

        let probes = alphabet.probes(inner, vocabulary.iter().map(|(token, _)| token))?;
        for (drops_space, fuses) in [(true, false), (true, true), (false, false), (false, true)] {
            (alphabet.drops_space, alphabet.fuses) = (drops_space, fuses);
            let agrees = |(text, ids): &(String, Vec<u32>)| {
                alphabet.divide(text, &[], drops_space).ids == *ids
            };
            if probes.iter().all(agrees) {
                return Some(alphabet);
            }
        }
        None
    }

    /// Adds the letters that the settings say are read as another token.
    ///
    /// # Errors
    ///
    /// When they do not name tokens that there are.
    pub(crate) fn add_synonyms(&mut self, settings: &Map<String, Value>) -> Result<()> {
        let malformed = |reason: String| Error::malformed(TOKENIZER_CONFIG, reason);
        let synonyms = match settings.get(SYNONYMS) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Object(synonyms)) => synonyms,
            Some(other) => {
                return Err(malformed(format!(
                    "{SYNONYMS} should be an object of letters and tokens, not {other}"
                )));
            }
        };
        for (letter, token) in synonyms {
            let entry = token.as_str().and_then(|token| self.tokens.get(token));
            match entry {
                Some(entry) if !letter.is_empty() => self.insert(letter, entry.id, false),
                _ => {
                    return Err(malformed(format!(
                        "{SYNONYMS} says that \"{letter}\" is read as {token}, which is no token of the vocabulary"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The letters, for messages.
    pub(crate) fn listed(&self) -> &str {
        &self.listed
    }

    /// The length of the longest token in bytes, at least 4: that of any letter.
    pub(crate) fn longest(&self) -> usize {
        let longest = self.tokens.keys().map(|token| token.len()).max();
        longest.unwrap_or(0).max(4)
    }

    /// Divides a sequence into tokens.
    ///
    /// # Errors
    ///
    /// The first letter that the vocabulary lacks, if the policy refuses such letters.
    pub(crate) fn spell(&self, text: &str, policy: LetterPolicy) -> Result<Spelled, Refused> {
        match policy {
            LetterPolicy::Unknown => Ok(self.divide(text, &[], self.drops_space)),
            LetterPolicy::Error => match self.first_outside(text) {
                Some(refused) => Err(refused),
                None => Ok(self.divide(text, &[], true)),
            },
            LetterPolicy::Map => {
                let (mapped, places) = self.map(text);
                Ok(self.divide(&mapped, &places, true))
            }
        }
    }

    fn empty(unknown: u32) -> Alphabet {
        Alphabet {
            tokens: HashMap::new(),
            lengths: HashMap::new(),
            letters: BTreeSet::new(),
            listed: String::new(),
            unknown,
            kind: Kind::Other,
            fuses: false,
            drops_space: true,
        }
    }

    fn insert(&mut self, token: &str, id: u32, ordinary: bool) {
        let Some(first) = token.chars().next() else {
            return;
        };
        self.tokens.insert(token.into(), Entry { id, ordinary });
        let lengths = self.lengths.entry(first).or_default();
        if let Err(place) = lengths.binary_search_by(|length| token.len().cmp(length)) {
            lengths.insert(place, token.len());
        }
        if ordinary {
            for letter in token.chars() {
                if self.letters.insert(letter) && self.letters.len() <= MOST_LISTED + 1 {
                    let more = self.letters.len() > MOST_LISTED;
                    self.listed.push(if more { '…' } else { letter });
                }
            }
        }
    }

    /// Divides a text whose bytes at `mapped` begin letters that the policy replaced.
    fn divide(&self, text: &str, mapped: &[usize], drops_space: bool) -> Spelled {
        let mut spelled = Spelled::default();
        let mut mapped = mapped.iter().copied().peekable();
        let mut at = 0;
        let mut place = 0;
        let mut in_unknown_run = false;
        while let Some((rest, letter)) = rest_of(text, at) {
            let token = self.longest_at(rest, letter, |_| true);
            let length = token.map_or(letter.len_utf8(), |(length, _)| length);
            at += length;
            let letters = rest.get(..length).map_or(1, |token| token.chars().count());
            let span = place..place + letters;
            place = span.end;
            let mut replaced = 0;
            while mapped.next_if(|place| *place < at).is_some() {
                replaced += 1;
            }
            if let Some((_, entry)) = token {
                spelled.ids.push(entry.id);
                spelled.outside.push(replaced);
                spelled.spans.push(span);
                in_unknown_run = false;
            } else if drops_space && letter.is_whitespace() {
                in_unknown_run = false;
            } else if let Some(outside) = spelled
                .outside
                .last_mut()
                .filter(|_| self.fuses && in_unknown_run)
            {
                *outside += 1;
                if let Some(run) = spelled.spans.last_mut() {
                    run.end = span.end;
                }
            } else {
                spelled.ids.push(self.unknown);
                spelled.outside.push(1);
                spelled.spans.push(span);
                in_unknown_run = true;
            }
        }
        spelled
    }

    /// The first letter that no ordinary token has, outside the tokens found as a whole.
    fn first_outside(&self, text: &str) -> Option<Refused> {
        let mut at = 0;
        let mut position = 1;
        while let Some((rest, letter)) = rest_of(text, at) {
            if let Some((length, _)) = self.whole_at(rest, letter) {
                at += length;
                position += rest.get(..length).map_or(0, |whole| whole.chars().count());
                continue;
            }
            if !letter.is_whitespace() && !self.letters.contains(&letter) {
                return Some(Refused { letter, position });
            }
            at += letter.len_utf8();
            position += 1;
        }
        None
    }

    /// The text with every letter that the vocabulary lacks replaced by its nearest, and where such letters begin in it.
    fn map(&self, text: &str) -> (String, Vec<usize>) {
        let mut mapped = String::with_capacity(text.len());
        let mut places = Vec::new();
        let mut at = 0;
        while let Some((rest, letter)) = rest_of(text, at) {
            if let Some((length, _)) = self.whole_at(rest, letter) {
                mapped.push_str(rest.get(..length).unwrap_or_default());
                at += length;
                continue;
            }
            at += letter.len_utf8();
            let known = letter.is_whitespace() || self.letters.contains(&letter);
            let nearest = if known { None } else { self.nearest(letter) };
            if nearest.is_some() {
                places.push(mapped.len());
            }
            mapped.push(nearest.unwrap_or(letter));
        }
        (mapped, places)
    }

    /// The letter of the vocabulary that comes nearest to one that it lacks.
    fn nearest(&self, letter: char) -> Option<char> {
        let upper = letter.to_ascii_uppercase();
        let (exchanged, any) = match self.kind {
            Kind::Nucleotides => {
                let exchanged = match upper {
                    'U' => Some('T'),
                    'T' => Some('U'),
                    _ => None,
                };
                (exchanged, Some('N'))
            }
            Kind::AminoAcids => (None, Some('X')),
            Kind::Other => (None, None),
        };
        [Some(upper), exchanged, any]
            .into_iter()
            .flatten()
            .find(|letter| self.letters.contains(letter))
    }

    /// The longest token that `rest` begins with and that stands for no letters, with its length in bytes.
    fn whole_at(&self, rest: &str, first: char) -> Option<(usize, Entry)> {
        self.longest_at(rest, first, |entry| !entry.ordinary)
    }

    fn longest_at(
        &self,
        rest: &str,
        first: char,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Option<(usize, Entry)> {
        self.lengths.get(&first)?.iter().find_map(|length| {
            let entry = self.tokens.get(rest.get(..*length)?)?;
            wanted(entry).then_some((*length, *entry))
        })
    }

    /// Texts on which two ways of reading letters would differ, each with the ids that the tokenizer gives it; none if it
    /// cannot encode one.
    fn probes<'a>(
        &self,
        inner: &Pipeline,
        tokens: impl Iterator<Item = &'a String> + Clone,
    ) -> Option<Vec<(String, Vec<u32>)>> {
        let letter = self.letters.first()?;
        let strange = ['?', '\u{2603}', '\u{1f9ec}']
            .into_iter()
            .find(|letter| !self.letters.contains(letter))?;
        let every: String = tokens.clone().map(String::as_str).collect();
        let each = |before: &str, after: &str| -> String {
            let one = |token: &String| format!("{before}{token}{after}");
            tokens.clone().map(one).collect()
        };
        let texts = [
            each("", &letter.to_string()),
            each("", &format!("{strange}{strange}")),
            each(" ", " \n"),
            every.to_lowercase(),
            every,
        ];
        let with_ids = |text: String| {
            let encoding = shielded(|| inner.encode_fast(text.as_str(), false));
            let ids = encoding.ok()?.ok()?.get_ids().to_vec();
            Some((text, ids))
        };
        texts.into_iter().map(with_ids).collect()
    }
}

impl Kind {
    fn of(letters: &BTreeSet<char>) -> Kind {
        /// The codes of IUPAC for nucleotides, those for several included.
        const NUCLEOTIDES: &str = "ACGTUNRYSWKMBDHV";
        const AMINO_ACIDS: &str = "ACDEFGHIKLMNPQRSTVWY";
        let has_all = |wanted: &str| wanted.chars().all(|letter| letters.contains(&letter));
        let is_nucleotide =
            |letter: &char| !letter.is_alphabetic() || NUCLEOTIDES.contains(*letter);
        if has_all(AMINO_ACIDS) {
            Kind::AminoAcids
        } else if has_all("ACG") && letters.iter().all(is_nucleotide) {
            Kind::Nucleotides
        } else {
            Kind::Other
        }
    }
}

/// What follows the first `at` bytes, and its first character; none at the end.
fn rest_of(text: &str, at: usize) -> Option<(&str, char)> {
    let rest = text.get(at..)?;
    Some((rest, rest.chars().next()?))
}

#[cfg(test)]
mod tests;
