//! Continuous batching: texts of different lengths go on together, and as one ends the next waiting one takes its place.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use engraft_component::{Choice, Refusal};
use rayon::prelude::*;

use crate::error::Result;
use crate::limits::RowLimits;
use crate::model::LanguageModel;
use crate::processors::Processors;
use crate::prompt::Prompt;
use crate::reader::{Lane, Reader, outputs};
use crate::sampler::Sampler;
use crate::search::{Drafts, Step, Writer};
use crate::seed::RowSeed;

/// A text to be continued.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it begins with; at least one id.
    pub prompt: Prompt,
    /// What the encoder reads, of an encoder-decoder.
    pub source: Option<Arc<[u32]>>,
    /// How long it may grow.
    pub limits: RowLimits,
    /// Tokens that end it; they are part of it.
    pub stop_tokens: Arc<[u32]>,
    /// How its tokens are chosen.
    pub sampler: Sampler,
    /// What is done with logits before.
    pub processors: Arc<Processors>,
    /// What its draws depend on.
    pub seed: RowSeed,
    /// How many texts a search by beams gives, the best ones; 1 with any other sampler.
    pub sequences: usize,
    /// Whether the log-probability of each token is wanted.
    pub log_probabilities: bool,
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By a stop token.
    StopToken,
    /// By a stop string.
    StopString,
    /// It has as many tokens as it may have.
    Length,
}

impl End {
    /// A word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::StopToken => "stop_token",
            Self::StopString => "stop_string",
            Self::Length => "length",
        }
    }
}

/// A token that was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    /// The number of its text, in the order in which texts were added.
    pub row: usize,
    /// Its id.
    pub id: u32,
    /// Its log-probability under the model itself, if wanted.
    pub log_probability: Option<f64>,
    /// With the last token of a text that beams found, the score by which it is ranked.
    pub score: Option<f64>,
    /// Why the text ends with it, if it does.
    pub end: Option<End>,
}

/// How much of what a smaller model drafted was accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// Tokens that were drafted.
    pub drafted: usize,
    /// Those of them that were accepted.
    pub accepted: usize,
}

/// Texts being continued: some in slots, the rest waiting.
#[derive(Debug)]
pub struct Batch<'m> {
    reader: Reader<'m>,
    drafts: Option<Drafts<'m>>,
    acceptance: Acceptance,
    waiting: VecDeque<(usize, Request)>,
    running: Vec<Row>,
    /// How many requests run at a time.
    width: usize,
    /// Slots that no request has.
    free: BTreeSet<usize>,
    added: usize,
}

/// A request that is being written.
#[derive(Debug)]
struct Row {
    /// The number of its first text.
    number: usize,
    request: Request,
    slots: Vec<usize>,
    writer: Writer,
}

impl<'m> Batch<'m> {
    /// Room for `width` requests at a time, each with all of its beams.
    pub fn new(model: &'m LanguageModel, width: usize) -> Self {
        Self::empty(model, width, false)
    }

    /// The same where a smaller model drafts tokens: what the sampler [`Speculative`](crate::Speculative) needs.
    ///
    /// # Errors
    /// The smaller model has another vocabulary.
    pub fn with_draft(
        model: &'m LanguageModel,
        draft: &'m LanguageModel,
        width: usize,
    ) -> Result<Self> {
        let [own, drafted] = [model, draft].map(|model| model.config().vocabulary);
        if own != drafted {
            return Err(Refusal::of(
                "draft",
                format!("the vocabulary has {drafted} tokens, and that of the model {own}; give a smaller model with the same vocabulary"),
            )
            .into());
        }
        let mut batch = Self::empty(model, width, true);
        batch.drafts = Some(Drafts::by(draft, batch.width));
        Ok(batch)
    }

    /// With a cache that may go back.
    fn empty(model: &'m LanguageModel, width: usize, goes_back: bool) -> Self {
        let width = width.max(1);
        let reader = Reader::new(model, width, goes_back);
        Self {
            free: (0..reader.cache.slots()).collect(),
            reader,
            drafts: None,
            acceptance: Acceptance::default(),
            waiting: VecDeque::new(),
            running: Vec::new(),
            width,
            added: 0,
        }
    }

    /// Adds a text to be continued; returns its number. A search that gives several gives them the numbers that follow.
    ///
    /// # Errors
    /// An empty prompt, ids outside the vocabulary, no room for a new token, a sampler with arguments that none can have, more texts than it gives, a
    /// draft without a model that drafts, a source that an encoder of either model cannot read.
    pub fn add(&mut self, request: Request) -> Result<usize> {
        if request.prompt.ids.is_empty() {
            let problem = "the prompt is empty: give at least one token to go on from";
            return Err(Refusal::plain(problem).into());
        }
        let model = self.reader.model;
        model.check_ids(&request.prompt.ids)?;
        let drafter = self.drafts.as_ref().map(|drafts| drafts.reader.model);
        for model in std::iter::once(model).chain(drafter) {
            if request.source.is_some() || model.encoder_config().is_some() {
                model.check_source(request.source.as_deref().unwrap_or_default())?;
            }
        }
        request.sampler.check()?;
        let most = request.sampler.beams().unwrap_or(1);
        if !(1..=most).contains(&request.sequences) {
            let problem = format!(
                "{}, but the sampler {} gives from 1 to {most} texts",
                request.sequences,
                request.sampler.name()
            );
            return Err(Refusal::of("num_return_sequences", problem).into());
        }
        if self.drafts.is_none() && matches!(request.sampler, Sampler::Speculative(_)) {
            let problem = "the sampler speculative needs the model that drafts";
            return Err(Refusal::of("draft", problem).into());
        }
        let total = request
            .prompt
            .ids
            .len()
            .saturating_add(request.limits.max_new);
        if let Some(positions) = model.config().longest()
            && total > positions
        {
            return Err(Refusal::plain(format!(
                "{total} tokens are more than the {positions} positions of the model"
            ))
            .into());
        }
        let number = self.added;
        self.added += request.sequences;
        self.waiting.push_back((number, request));
        Ok(number)
    }

    /// Whether all texts have ended.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// How much of what was drafted was accepted so far.
    pub fn acceptance(&self) -> Acceptance {
        self.acceptance
    }

    /// Ends text `number` where it is.
    pub fn end(&mut self, number: usize) {
        self.waiting.retain(|(first, _)| *first != number);
        if let Some(at) = self.running.iter().position(|row| row.number == number) {
            let row = self.running.remove(at);
            self.free(row);
        }
    }

    /// Gives waiting requests the free slots and goes on with every text in a slot, in the order in which they were added. A text that is searched
    /// for gives its tokens when it is found.
    ///
    /// # Errors
    /// Logits that are no numbers.
    pub fn step(&mut self) -> Result<Vec<Token>> {
        self.admit();
        let steps = self.go_on();
        let rows = std::mem::take(&mut self.running);
        let steps = match steps {
            Ok(steps) => steps,
            Err(error) => {
                // A text without its token could not go on.
                rows.into_iter().for_each(|row| self.free(row));
                return Err(error);
            }
        };
        let mut tokens = Vec::with_capacity(steps.len());
        let mut copies = Vec::new();
        for (row, step) in rows.into_iter().zip(steps) {
            tokens.extend(step.tokens);
            self.acceptance.drafted += step.drafted;
            self.acceptance.accepted += step.accepted;
            if step.ended {
                self.free(row);
                continue;
            }
            copies.extend(step.copies);
            if let Some(kept) = step.kept {
                self.keep(&row.slots, kept);
            }
            self.running.push(row);
        }
        self.reader.cache.copy(&copies);
        Ok(tokens)
    }

    /// Gives waiting requests their slots, and the encoder what they are about.
    fn admit(&mut self) {
        let before = self.running.len();
        self.take_slots();
        let new = self.running[before..].iter();
        let new = new.filter_map(|row| Some((row.request.source.as_deref()?, &row.slots[..])));
        let new: Vec<_> = new.collect();
        self.reader.encode(&new);
        if let Some(drafts) = &mut self.drafts {
            drafts.reader.encode(&new);
        }
    }

    fn take_slots(&mut self) {
        let mut count = self.reader.cache.slots();
        while self.running.len() < self.width
            && let Some((number, request)) = self.waiting.pop_front()
        {
            let needed = Writer::slots(&request);
            let more = needed.saturating_sub(self.free.len());
            self.free.extend(count..count + more);
            count += more;
            let slots = std::iter::from_fn(|| self.free.pop_first());
            let slots: Vec<usize> = slots.take(needed).collect();
            self.running.push(Row {
                number,
                writer: Writer::new(&request, &slots),
                request,
                slots,
            });
        }
        // All at once: what is kept moves when there are more slots.
        self.reader.reserve(count);
        if let Some(drafts) = &mut self.drafts {
            drafts.reader.reserve(count);
        }
    }

    /// Reads what every text has beyond the cache, and chooses what follows each.
    fn go_on(&mut self) -> Result<Vec<Step>> {
        if let Some(drafts) = &mut self.drafts {
            let texts = self
                .running
                .iter_mut()
                .filter_map(|row| match &mut row.writer {
                    Writer::Speculative(text) => Some((&row.request, text)),
                    _ => None,
                });
            drafts.draft(self.reader.model, texts.collect())?;
        }
        let own: Vec<Vec<Lane<'_>>> = self.running.iter().map(|row| row.writer.lanes()).collect();
        let counts: Vec<usize> = own.iter().map(Vec::len).collect();
        let lanes = own.concat();
        let wants: Vec<_> = lanes.iter().map(|lane| lane.wants).collect();
        let mut readings = self.reader.read(&lanes);
        let vocabulary = self.reader.model.config().vocabulary;
        let mut outputs = outputs(&mut readings, &wants, vocabulary).into_iter();
        let rows = self.running.iter_mut().zip(counts);
        let rows: Vec<_> = rows
            .map(|(row, count)| (row, outputs.by_ref().take(count).collect()))
            .collect();
        let steps = rows
            .into_par_iter()
            .map(|(row, outputs)| row.writer.step(row.number, &row.request, outputs));
        steps.collect()
    }

    /// Takes back what slots hold beyond `length` tokens.
    fn keep(&mut self, slots: &[usize], length: usize) {
        for &slot in slots {
            self.reader.cache.truncate(slot, length);
            if let Some(drafts) = &mut self.drafts {
                drafts.reader.cache.truncate(slot, length);
            }
        }
    }

    fn free(&mut self, row: Row) {
        self.keep(&row.slots, 0);
        for &slot in &row.slots {
            self.reader.forget(slot);
            if let Some(drafts) = &mut self.drafts {
                drafts.reader.forget(slot);
            }
        }
        self.free.extend(row.slots);
    }
}
