//! The tokenizer as the other crates use it.

mod document;
mod sides;
mod words;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rayon::prelude::*;
use tokenizers::utils::truncation::{TruncationDirection, TruncationParams, truncate_encodings};

use crate::alphabet::{Alphabet, Spelled};
use crate::clean_up::clean_up;
use crate::files::{Files, NamedFiles};
use crate::languages::Languages;
use crate::pipeline::{Pipeline, Places};
use crate::proteins::Prefixes;
use crate::settings::{Manner, lower_case};
use crate::unknown::{Unknown, expected};
use crate::{Error, LetterPolicy, Pieces, Result, SpecialIds};

pub use document::Frame;
pub use words::EncodedWords;

/// One row's tokens: the text or texts, with the special tokens around them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// The token ids.
    pub ids: Vec<u32>,
    /// For each token, which of two texts it belongs to, in the numbering of the tokenizer's template.
    pub type_ids: Vec<u32>,
    /// For each token, whether the template added it. Special tokens written out in the text itself are not marked.
    pub special: Vec<bool>,
    /// How many letters of the row the model's alphabet lacks, whatever the [`LetterPolicy`] made of them; those cut off are
    /// not counted. Always 0 where a tokenizer is not one of letters or k-mers.
    pub outside: usize,
    /// How many tokens of the texts are the unknown token.
    pub unknown: usize,
    /// How many letters of the texts no token stands for, of a row that was cut also of what was cut off; white space is none.
    pub dropped: usize,
    /// What of the texts the vocabulary lacks, letters or the beginnings of words, and how often each is met. Of a row that was cut,
    /// what was cut off may be among it.
    pub missing: BTreeMap<String, usize>,
}

impl Encoding {
    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// What is encoded as one row: a text, or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// The first text.
    pub text: &'a str,
    /// The second, for tasks on pairs.
    pub pair: Option<&'a str>,
}

impl<'a> From<&'a str> for Row<'a> {
    fn from(text: &'a str) -> Row<'a> {
        Row { text, pair: None }
    }
}

impl<'a> From<(&'a str, &'a str)> for Row<'a> {
    fn from((text, pair): (&'a str, &'a str)) -> Row<'a> {
        Row {
            text,
            pair: Some(pair),
        }
    }
}

/// Turns text into token ids and back. Made by [`Tokenizer::from_preset_files`].
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Pipeline,
    special: SpecialIds,
    /// How sequences of letters are encoded; none for other texts.
    alphabet: Option<Alphabet>,
    policy: LetterPolicy,
    manner: Manner,
    unknown: Unknown,
    files: Files,
    /// Of a tokenizer that serves several languages, these.
    languages: Option<Languages>,
    /// The tokenizer of what is written, where it is made of other files.
    target: Option<Arc<Tokenizer>>,
    /// What is put before a sequence according to its letters.
    prefixes: Option<Prefixes>,
}

/// One text of a row, before special tokens surround it.
struct Part {
    /// The token before it that its letters ask for.
    prefix: Option<u32>,
    tokens: tokenizers::Encoding,
    /// For each token, how many of its letters the alphabet lacks; empty where there is no alphabet.
    outside: Vec<usize>,
    /// The letters that the alphabet lacks, each with the number of its token.
    missing: Vec<(usize, char)>,
}

impl Tokenizer {
    pub(crate) fn new(
        inner: Pipeline,
        special: SpecialIds,
        alphabet: Option<Alphabet>,
        policy: LetterPolicy,
        files: Files,
    ) -> Tokenizer {
        Tokenizer {
            unknown: Unknown::of(&inner, special),
            inner,
            special,
            alphabet,
            policy,
            manner: Manner::default(),
            files,
            languages: None,
            target: None,
            prefixes: None,
        }
    }

    pub(crate) fn with_manner(mut self, manner: Manner) -> Tokenizer {
        self.manner = manner;
        self
    }

    /// What the files of the preset say without effect, and what they leave open that may surprise: sentences for the user.
    pub fn notes(&self) -> &[String] {
        &self.manner.notes
    }

    /// The same tokenizer with another policy for letters that its alphabet lacks. It is kept in [`files`](Tokenizer::files),
    /// so that a model opened again reads sequences as it was trained to.
    ///
    /// A tokenizer of words that are all letters, or all k-mers of one length, becomes one of letters: as the vocabularies of proteins and
    /// DNA that were saved as BERT's, which would have each sequence written with spaces. K-mers then overlap. Without effect where
    /// [`letter_policy`](Tokenizer::letter_policy) stays none.
    pub fn with_letters(mut self, policy: LetterPolicy) -> Tokenizer {
        let is_new = self.alphabet.is_none();
        self.alphabet = self.alphabet.or_else(|| Alphabet::of_words(&self.inner));
        if self.alphabet.is_some() && (is_new || self.policy != policy) {
            self.policy = policy;
            self.files.set_letter_policy(policy);
        }
        self
    }

    /// The same tokenizer with all texts lower-cased before anything else is made of them, special tokens in them left alone; as it is if
    /// it does so already. This is not kept in [`files`](Tokenizer::files).
    ///
    /// # Errors
    ///
    /// It is made of a SentencePiece file.
    pub fn with_lower_case(mut self) -> Result<Tokenizer> {
        if lower_case(&mut self.inner)? {
            // It would read letters as they are.
            self.alphabet = None;
        }
        Ok(self)
    }

    /// What texts are to be so that the vocabulary has tokens for them, as advice for a user.
    pub fn expects(&self) -> String {
        match &self.alphabet {
            Some(alphabet) => alphabet.expects(self.policy),
            None => expected(&self.inner),
        }
    }

    /// What is done with letters that the alphabet lacks; none where the tokenizer is not one of letters or k-mers.
    pub fn letter_policy(&self) -> Option<LetterPolicy> {
        self.alphabet.as_ref().map(|_| self.policy)
    }

    /// Encodes a text, or two, with the special tokens around them and at whatever length that gives.
    ///
    /// # Errors
    ///
    /// When the vocabulary lacks part of the text and has no token for what it lacks, or the policy for letters refuses it.
    pub fn encode(&self, text: &str, pair: Option<&str>) -> Result<Encoding> {
        if self.alphabet.is_some() {
            let (first, second) = self.parts(text, pair)?;
            return self.join(first, second);
        }
        let encoding = using("encode a text", || match pair {
            Some(pair) => self.inner.encode_fast((text, pair), true),
            None => self.inner.encode_fast(text, true),
        })?;
        Ok(self.noting_unknown(self.convert(&encoding, 0), text, pair))
    }

    /// Encodes as [`encode`](Tokenizer::encode), then cuts to at most `max_length` tokens, special ones included, and says
    /// whether anything was cut. Texts lose their ends, or their beginnings ([`keeps_ends`](Tokenizer::keeps_ends)); of two texts,
    /// the longer one first, or with `truncation_strategy: only_second` the second one.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Tokenizer::encode), for what is cut off too, and when `max_length` is less than the number of
    /// special tokens.
    pub fn encode_truncated(
        &self,
        text: &str,
        pair: Option<&str>,
        max_length: usize,
    ) -> Result<(Encoding, bool)> {
        let specials = self.specials_added(pair.is_some());
        if max_length < specials {
            return Err(Error::MaxLength {
                max_length,
                specials,
            });
        }
        if pair.is_none()
            && let Some(start) = self.long_enough_start(text, max_length - specials)
        {
            let (kept, _) = self.cut(self.part(start, 0)?, None, max_length - specials)?;
            return Ok((self.join(kept, None)?, true));
        }
        let whole = self.encode(text, pair)?;
        if whole.len() <= max_length {
            return Ok((whole, false));
        }
        let (first, second) = self.parts(text, pair)?;
        let (first, second) = self.cut(first, second, max_length - specials)?;
        let joined = self.join(first, second)?;
        Ok((self.noting_unknown(joined, text, pair), true))
    }

    /// Whether texts that are cut lose their beginnings, as `truncation_side: left` has it.
    pub fn keeps_ends(&self) -> bool {
        self.manner.cuts == TruncationDirection::Left
    }

    /// Encodes many rows on all threads, in their order, each with whether it was cut to `max_length`.
    ///
    /// # Errors
    ///
    /// Those of [`encode_truncated`](Tokenizer::encode_truncated), naming the first row they occur in.
    pub fn encode_rows(
        &self,
        rows: &[Row<'_>],
        max_length: Option<usize>,
    ) -> Result<Vec<(Encoding, bool)>> {
        let encoded: Vec<_> = rows
            .par_iter()
            .map(|row| match max_length {
                Some(max_length) => self.encode_truncated(row.text, row.pair, max_length),
                None => Ok((self.encode(row.text, row.pair)?, false)),
            })
            .collect();
        // Collected before errors are looked for, so that the row named does not depend on the threads.
        let name_row = |(row, result): (usize, Result<_>)| {
            result.map_err(|source| Error::Row {
                row,
                source: Box::new(source),
            })
        };
        encoded.into_iter().enumerate().map(name_row).collect()
    }

    /// The characters of `text` that each of its tokens stands for, special tokens around it left out. A token that begins with white
    /// space, as those of SentencePiece do, may count it as its own.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Tokenizer::encode).
    pub fn spans(&self, text: &str) -> Result<Vec<Range<usize>>> {
        if self.alphabet.is_some() {
            return Ok(self.spelled(text, 0)?.spans);
        }
        if self.inner.normalizes_as_a_whole() {
            return self.spans_of_words(text);
        }
        let encoding = using("encode a text", || {
            self.inner.encode_char_offsets(text, false)
        })?;
        let offsets = encoding.get_offsets().iter();
        Ok(offsets.map(|&(start, end)| start..end).collect())
    }

    /// As [`Self::spans`] where the pipeline does not keep track of places: word by word, if that gives the text's own tokens. Of a word
    /// the first token begins with it, and the others after.
    fn spans_of_words(&self, text: &str) -> Result<Vec<Range<usize>>> {
        let ids = |text: &str| {
            let encoding = using("encode a text", || self.inner.encode_fast(text, false))?;
            Ok::<_, Error>(encoding.get_ids().to_vec())
        };
        let letters: Vec<char> = text.chars().collect();
        let mut spans = Vec::new();
        let mut found = Vec::new();
        let mut at = 0;
        while at < letters.len() {
            let is_space = |letter: &char| letter.is_whitespace();
            let start = at
                + letters[at..]
                    .iter()
                    .take_while(|letter| is_space(letter))
                    .count();
            let length = letters[start..]
                .iter()
                .take_while(|letter| !is_space(letter))
                .count();
            at = start + length;
            if length == 0 {
                break;
            }
            let word: String = letters[start..at].iter().collect();
            let tokens = ids(&word)?;
            spans.extend((0..tokens.len()).map(|token| (start + token.min(1)).min(at)..at));
            found.extend(tokens);
        }
        if found != ids(text)? {
            return Err(Error::Use {
                action: "tell which words the tokens of a text belong to",
                reason: "its tokens are not those of its words".to_owned(),
            });
        }
        Ok(spans)
    }

    /// The text of ids, with or without the special tokens among them. Ids that the vocabulary lacks are left out.
    ///
    /// # Errors
    ///
    /// When the tokenizer's own rules for joining tokens fail.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        let mut text = using("decode ids", || self.inner.decode(ids, skip_special))?;
        self.join_letters(&mut text);
        Ok(if self.manner.cleans_up {
            clean_up(&text)
        } else {
            text
        })
    }

    /// The text of ids that come one by one, with or without the special tokens among them: what [`decode`](Tokenizer::decode) makes of
    /// them, in pieces that are whole characters and never change.
    pub fn pieces(&self, skip_special: bool) -> Pieces<'_> {
        Pieces::new(self, skip_special)
    }

    /// The id of a token.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token of an id.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// How many tokens there are, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The ids of the tokens that play a role.
    pub fn special_ids(&self) -> SpecialIds {
        self.special
    }

    /// How many special tokens are added to one text, or to a pair.
    pub fn specials_added(&self, pair: bool) -> usize {
        use tokenizers::PostProcessor;
        let framing = self.inner.get_post_processor();
        let framing = framing.map_or(0, |processor| processor.added_tokens(pair));
        framing + usize::from(self.prefixes.is_some())
    }

    /// Checks that a model of `vocab_size` embeddings has one for every token.
    ///
    /// # Errors
    ///
    /// [`Error::IdOutOfRange`], with the token of the largest id.
    pub fn check_vocab_size(&self, vocab_size: usize) -> Result<()> {
        let largest = self
            .inner
            .get_vocab(true)
            .into_iter()
            .max_by_key(|(_, id)| *id);
        match largest {
            Some((token, id)) if usize::try_from(id).map_or(true, |id| id >= vocab_size) => {
                Err(Error::IdOutOfRange {
                    token,
                    id,
                    vocab_size,
                })
            }
            _ => Ok(()),
        }
    }

    /// The files it was made from, names and bytes, to be saved beside a fine-tuned model.
    pub fn files(&self) -> NamedFiles {
        self.files.clone().into_inner()
    }

    /// Takes the spaces out of a decoded text where they only set letters apart.
    pub(crate) fn join_letters(&self, text: &mut String) {
        if self.manner.joins_letters {
            text.retain(|letter| letter != ' ');
        }
    }

    /// Whether what is around a text depends on a language that a row is given.
    pub(crate) fn serves_languages(&self) -> bool {
        self.languages.is_some()
    }

    pub(crate) fn cleans_up(&self) -> bool {
        self.manner.cleans_up
    }

    pub(crate) fn inner(&self) -> &Pipeline {
        &self.inner
    }

    /// [`Self::encode_truncated`] of one text, by its tokens as a whole.
    #[cfg(test)]
    pub(crate) fn encode_whole_then_cut(&self, text: &str, max_length: usize) -> (Encoding, bool) {
        let whole = self.encode(text, None).unwrap();
        if whole.len() <= max_length {
            return (whole, false);
        }
        let room = max_length - self.specials_added(false);
        let (kept, _) = self.cut(self.part(text, 0).unwrap(), None, room).unwrap();
        (self.join(kept, None).unwrap(), true)
    }

    /// The ids that the crate `tokenizers` alone gives a text.
    #[cfg(test)]
    pub(crate) fn inner_ids(&self, text: &str) -> Vec<u32> {
        let encoding = self.inner.encode_fast(text, true).unwrap();
        encoding.get_ids().to_vec()
    }

    /// A start of a long sequence whose first `room` tokens are those of the whole, and that has more; none where the whole is as well
    /// encoded. It spares what is cut off, a chromosome perhaps, from becoming tokens first.
    fn long_enough_start<'t>(&self, text: &'t str, room: usize) -> Option<&'t str> {
        let alphabet = self.alphabet.as_ref()?;
        // Refusing a letter means looking at all of them, as a prefix does, and the end of a text is not found from its start.
        if self.policy == LetterPolicy::Error || self.keeps_ends() || self.prefixes.is_some() {
            return None;
        }
        let mut bytes = (room + 1).saturating_mul(alphabet.longest());
        // Where much of the text is no token, as white space is not, more of it is needed.
        for _ in 0..4 {
            bytes = bytes.saturating_mul(2).saturating_add(64);
            if bytes >= text.len() {
                return None;
            }
            let start = &text[..text.floor_char_boundary(bytes)];
            let spelled = alphabet.spell(start, self.policy).ok()?;
            // What the cut went through may be told otherwise than in the whole; a token's length before it, all is the same.
            let safe = start.chars().count().saturating_sub(alphabet.longest());
            let told = spelled.spans.iter().take_while(|span| span.end <= safe);
            if told.take(room + 1).count() > room {
                return Some(start);
            }
        }
        None
    }

    /// Encodes the texts without special tokens.
    fn parts(&self, text: &str, pair: Option<&str>) -> Result<(Part, Option<Part>)> {
        let first = self.part(text, 0)?;
        let second = pair.map(|pair| self.part(pair, 1)).transpose()?;
        Ok((first, second))
    }

    /// Encodes one text, which is the `index`-th of its row, without special tokens.
    fn part(&self, text: &str, index: u32) -> Result<Part> {
        if self.alphabet.is_none() {
            let mut tokens = using("encode a text", || self.inner.encode_fast(text, false))?;
            tokens.set_type_ids(vec![index; tokens.len()]);
            return Ok(Part {
                prefix: None,
                tokens,
                outside: Vec::new(),
                missing: Vec::new(),
            });
        }
        let prefix = self.prefixes.as_ref().map(|prefixes| prefixes.of(text));
        let prefix = prefix.filter(|_| index == 0).map(|(id, _)| id);
        let spelled = self.spelled(text, index)?;
        let token = |id| tokenizers::Token::new(id, String::new(), (0, 0));
        let tokens = spelled.ids.into_iter().map(token).collect();
        Ok(Part {
            prefix,
            tokens: tokenizers::Encoding::from_tokens(tokens, index),
            outside: spelled.outside,
            missing: spelled.missing,
        })
    }

    /// Spells one text, which is the `index`-th of its row, by the alphabet; nothing without one.
    fn spelled(&self, text: &str, index: u32) -> Result<Spelled> {
        let Some(alphabet) = &self.alphabet else {
            return Ok(Spelled::default());
        };
        // A prefix that is written out is not one of the letters.
        let written = self.prefixes.as_ref().map(|prefixes| prefixes.of(text));
        let rest = written.map_or(text, |(_, rest)| rest);
        let skipped = text.chars().count() - rest.chars().count();
        let mut spelled = alphabet
            .spell(rest, self.policy)
            .map_err(|refused| Error::Letter {
                letter: refused.letter,
                position: skipped + refused.position,
                second: index > 0,
                alphabet: alphabet.listed().to_owned(),
            })?;
        for span in &mut spelled.spans {
            *span = span.start + skipped..span.end + skipped;
        }
        Ok(spelled)
    }

    /// Puts the special tokens around the texts of a row.
    fn join(&self, first: Part, second: Option<Part>) -> Result<Encoding> {
        let count = |part: &Part| part.outside.iter().sum::<usize>();
        let outside = count(&first) + second.as_ref().map_or(0, count);
        let mut missing = BTreeMap::new();
        let all = first.missing.iter();
        for (_, letter) in all.chain(second.iter().flat_map(|part| &part.missing)) {
            *missing.entry(letter.to_string()).or_default() += 1;
        }
        let prefix = first.prefix;
        let (first, second) = (first.tokens, second.map(|part| part.tokens));
        let joined = using("encode a text", || {
            self.inner.post_process(first, second, true)
        })?;
        let mut encoding = self.convert(&joined, outside);
        if let Some(id) = prefix {
            encoding.ids.insert(0, id);
            encoding.type_ids.insert(0, 0);
            encoding.special.insert(0, true);
        }
        encoding.unknown = self.unknown.among(&encoding);
        encoding.missing = missing;
        Ok(encoding)
    }

    /// Cuts the texts of a row to `room` tokens together.
    fn cut(&self, first: Part, second: Option<Part>, room: usize) -> Result<(Part, Option<Part>)> {
        let limit = TruncationParams {
            max_length: room,
            direction: self.manner.cuts,
            ..TruncationParams::default()
        };
        let (second, second_told) = second
            .map(|part| (part.tokens, (part.outside, part.missing)))
            .unzip();
        let (tokens, second) = using("cut a text", || match second {
            Some(second) if self.manner.cuts_second => {
                let alone = |tokens: tokenizers::Encoding, room: usize| {
                    let limit = TruncationParams {
                        max_length: room,
                        ..limit.clone()
                    };
                    truncate_encodings(tokens, None, &limit).map(|(tokens, _)| tokens)
                };
                let kept = alone(first.tokens, room)?;
                let rest = room - kept.len();
                Ok((kept, Some(alone(second, rest)?)))
            }
            second => truncate_encodings(first.tokens, second, &limit),
        })?;
        type Told = (Vec<usize>, Vec<(usize, char)>);
        let kept = |mut tokens: tokenizers::Encoding, (mut outside, mut missing): Told| {
            // The parts cut off would be given special tokens too.
            tokens.take_overflowing();
            let lost = outside.len().saturating_sub(tokens.len());
            let first = if self.keeps_ends() { lost } else { 0 };
            outside.drain(..first);
            outside.truncate(tokens.len());
            missing.retain(|(token, _)| (first..first + tokens.len()).contains(token));
            Part {
                prefix: None,
                tokens,
                outside,
                missing,
            }
        };
        let second = second.zip(second_told);
        let cut = Part {
            prefix: first.prefix,
            ..kept(tokens, (first.outside, first.missing))
        };
        Ok((cut, second.map(|(tokens, told)| kept(tokens, told))))
    }

    /// An encoding with what of its texts is unknown, where no alphabet has told it.
    fn noting_unknown(&self, mut encoding: Encoding, text: &str, pair: Option<&str>) -> Encoding {
        if self.alphabet.is_some() {
            return encoding;
        }
        encoding.unknown = self.unknown.among(&encoding);
        if encoding.unknown > 0 || self.unknown.drops() {
            for text in [Some(text), pair].into_iter().flatten() {
                encoding.dropped += self.unknown.find(&self.inner, text, &mut encoding.missing);
            }
        }
        encoding
    }

    /// An encoding as the other crates see it.
    fn convert(&self, encoding: &tokenizers::Encoding, outside: usize) -> Encoding {
        let mut converted = convert(encoding, outside);
        if !self.manner.has_types {
            converted.type_ids.fill(0);
        }
        converted
    }
}

/// Does something with the crate `tokenizers`.
pub(crate) fn using<T>(
    action: &'static str,
    run: impl FnOnce() -> tokenizers::Result<T>,
) -> Result<T> {
    let reason = match shielded(run) {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => error.to_string(),
        Err(reason) => reason,
    };
    Err(Error::Use { action, reason })
}

fn convert(encoding: &tokenizers::Encoding, outside: usize) -> Encoding {
    Encoding {
        ids: encoding.get_ids().to_vec(),
        type_ids: encoding.get_type_ids().to_vec(),
        special: encoding
            .get_special_tokens_mask()
            .iter()
            .map(|mark| *mark != 0)
            .collect(),
        outside,
        ..Encoding::default()
    }
}

/// Runs code of the crate `tokenizers`, which panics on some broken files; what it said if it did.
pub(crate) fn shielded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let said = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        format!(
            "its settings contradict each other ({})",
            said.unwrap_or("no reason given")
        )
    })
}
