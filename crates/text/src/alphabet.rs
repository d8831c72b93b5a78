//! Sequences of letters, or of k-mers, into tokens, with a policy for the letters that the vocabulary lacks.

mod pieces;

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

/// What begins a piece that goes on with a word.
const CONTINUES: &str = "##";

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
    /// Of k-mers that overlap, their length.
    overlapping: Option<usize>,
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
    /// The letters that the vocabulary lacks, each with the number of the token that it went into.
    pub(crate) missing: Vec<(usize, char)>,
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

    /// The alphabet of a vocabulary of letters, or of k-mers of one length that overlap, under a tokenizer that divides words, as those
    /// of BERT that proteins and DNA are written for with spaces; none if it has other words.
    pub(crate) fn of_words(inner: &Pipeline) -> Option<Alphabet> {
        let vocabulary = Words::of(inner)?;
        let mut alphabet = Alphabet::empty(vocabulary.unknown);
        let added = inner.get_added_tokens_decoder();
        let mut tokens: Vec<(String, u32)> = inner.get_vocab(true).into_iter().collect();
        tokens.sort_by(|(a, a_id), (b, b_id)| (a_id, a).cmp(&(b_id, b)));
        for (token, id) in &tokens {
            let ordinary = !added.contains_key(id) && !is_bracketed(token);
            if !(ordinary && token.starts_with(CONTINUES)) {
                alphabet.insert(token, *id, ordinary);
            }
        }
        alphabet.kind = Kind::of(&alphabet.letters);
        alphabet.overlapping = (vocabulary.length > 1).then_some(vocabulary.length);
        Some(alphabet)
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

    /// What sequences are to be, as advice for a user.
    pub(crate) fn expects(&self, policy: LetterPolicy) -> String {
        let what = match self.overlapping {
            Some(length) => format!("{length}-mers of the letters"),
            None => "the letters".to_owned(),
        };
        let advice = if policy == LetterPolicy::Map {
            "give sequences of these, or a backbone that knows yours"
        } else {
            "give sequences of these, take model.backbone.letters: map for the nearest letter, or a backbone that knows yours"
        };
        format!("its vocabulary has {what} {}: {advice}", self.listed)
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
            LetterPolicy::Unknown => Ok(self.read(text, &[], self.drops_space)),
            LetterPolicy::Error => match self.first_outside(text) {
                Some(refused) => Err(refused),
                None => Ok(self.read(text, &[], true)),
            },
            LetterPolicy::Map => {
                let (mapped, replaced) = self.map(text);
                Ok(self.read(&mapped, &replaced, true))
            }
        }
    }

    /// Divides a text into tokens side by side, or into those that overlap.
    fn read(&self, text: &str, replaced: &[(usize, char)], drops_space: bool) -> Spelled {
        match self.overlapping {
            Some(length) => self.overlap(text, replaced, length),
            None => self.divide(text, replaced, drops_space),
        }
    }

    /// The k-mers of a sequence, one that begins at each letter but the last ones; white space and tokens found as a whole end a
    /// sequence. What is shorter than a k-mer, or has a letter that none has, is an unknown token.
    fn overlap(&self, text: &str, replaced: &[(usize, char)], length: usize) -> Spelled {
        let mut spelled = Spelled::default();
        // Letters that follow each other.
        let mut run: Vec<Placed> = Vec::new();
        let mut at = 0;
        let mut place = 0;
        while let Some((rest, letter)) = rest_of(text, at) {
            let whole = self.whole_at(rest, letter);
            let bytes = whole.map_or(letter.len_utf8(), |(bytes, _)| bytes);
            let letters = rest.get(..bytes).map_or(1, |token| token.chars().count());
            if whole.is_none() && !letter.is_whitespace() {
                let original = replaced.binary_search_by_key(&at, |(place, _)| *place);
                let original = original.ok().and_then(|found| replaced.get(found));
                let lacking = match original {
                    Some((_, original)) => Some(*original),
                    None => (!self.letters.contains(&letter)).then_some(letter),
                };
                run.push(Placed {
                    bytes: at..at + bytes,
                    place,
                    lacking,
                });
            } else {
                self.overlap_run(text, &std::mem::take(&mut run), length, &mut spelled);
                if let Some((_, entry)) = whole {
                    spelled.push(entry.id, place..place + letters, []);
                }
            }
            at += bytes;
            place += letters;
        }
        self.overlap_run(text, &run, length, &mut spelled);
        spelled
    }

    /// The k-mers of letters that follow each other.
    fn overlap_run(&self, text: &str, run: &[Placed], length: usize, spelled: &mut Spelled) {
        // A letter counts once, with the first k-mer that has it.
        let mut counted = 0;
        for (start, letters) in run.windows(length.min(run.len()).max(1)).enumerate() {
            let end = start + letters.len();
            let (Some(first), Some(last)) = (letters.first(), letters.last()) else {
                continue;
            };
            let kmer = text.get(first.bytes.start..last.bytes.end);
            let entry = kmer.and_then(|kmer| self.tokens.get(kmer));
            let new = run.get(counted..end).unwrap_or_default();
            counted = end;
            spelled.push(
                entry.map_or(self.unknown, |entry| entry.id),
                first.place..last.place + 1,
                new.iter().filter_map(|letter| letter.lacking),
            );
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
            overlapping: None,
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

    /// Divides a text in which the policy replaced letters: those that were before the bytes at which others begin now.
    fn divide(&self, text: &str, replaced: &[(usize, char)], drops_space: bool) -> Spelled {
        let mut spelled = Spelled::default();
        let mut replaced = replaced.iter().copied().peekable();
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
            let mut lacking = Vec::new();
            while let Some((_, original)) = replaced.next_if(|(place, _)| *place < at) {
                lacking.push(original);
            }
            if let Some((_, entry)) = token {
                spelled.push(entry.id, span, lacking);
                in_unknown_run = false;
            } else if drops_space && letter.is_whitespace() {
                in_unknown_run = false;
            } else {
                let lacking = lacking.first().copied().unwrap_or(letter);
                if self.fuses && in_unknown_run {
                    spelled.extend(span.end, lacking);
                } else {
                    spelled.push(self.unknown, span, [lacking]);
                }
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

    /// The text with every letter that the vocabulary lacks replaced by its nearest; where such letters begin in it, and what they were.
    fn map(&self, text: &str) -> (String, Vec<(usize, char)>) {
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
                places.push((mapped.len(), letter));
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

impl Spelled {
    /// Adds a token with the letters that the vocabulary lacks and that went into it.
    fn push(&mut self, id: u32, span: Range<usize>, lacking: impl IntoIterator<Item = char>) {
        let number = self.ids.len();
        let before = self.missing.len();
        self.missing
            .extend(lacking.into_iter().map(|letter| (number, letter)));
        self.ids.push(id);
        self.outside.push(self.missing.len() - before);
        self.spans.push(span);
    }

    /// Takes one more letter that the vocabulary lacks into the last token, which then ends at `end`.
    fn extend(&mut self, end: usize, lacking: char) {
        if let (Some(outside), Some(span)) = (self.outside.last_mut(), self.spans.last_mut()) {
            *outside += 1;
            span.end = end;
            self.missing.push((self.ids.len() - 1, lacking));
        }
    }
}

/// A letter of a sequence.
struct Placed {
    /// Its bytes.
    bytes: Range<usize>,
    /// Its place among the characters.
    place: usize,
    /// What the vocabulary lacks, be it this letter or the one that it replaces.
    lacking: Option<char>,
}

/// A vocabulary of words that are all of one length.
pub(crate) struct Words {
    /// How many letters each has.
    pub(crate) length: usize,
    unknown: u32,
}

impl Words {
    /// The longest k-mers that are looked for.
    const LONGEST: usize = 12;

    /// The words of a vocabulary under BERT's tokenizer or one like it, if all are of one length; special tokens are none of them.
    pub(crate) fn of(inner: &Pipeline) -> Option<Words> {
        let unknown = match inner.get_model() {
            Part::Library(ModelWrapper::WordPiece(model)) => &model.unk_token,
            Part::Library(ModelWrapper::WordLevel(model)) if inner.get_normalizer().is_none() => {
                &model.unk_token
            }
            _ => return None,
        };
        let unknown = inner.token_to_id(unknown)?;
        let added = inner.get_added_tokens_decoder();
        let mut counts: HashMap<usize, usize> = HashMap::new();
        let mut all = 0;
        for (token, id) in inner.get_vocab(false) {
            if added.contains_key(&id) || is_bracketed(&token) || token.starts_with(CONTINUES) {
                continue;
            }
            all += 1;
            *counts.entry(token.chars().count()).or_default() += 1;
        }
        let (length, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        let is_one_length = count == all && (1..=Self::LONGEST).contains(&length);
        // Fewer are no alphabet.
        (is_one_length && all >= 4).then_some(Words { length, unknown })
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
