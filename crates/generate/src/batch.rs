//! Continuous batching: texts of different lengths go on together, and as one ends the next waiting one takes its place.

use std::collections::VecDeque;
use std::sync::Arc;

use engraft_component::Refusal;
use engraft_models::{KeyValueCache, PackedTokens};
use rayon::prelude::*;

use crate::error::Result;
use crate::limits::RowLimits;
use crate::model::LanguageModel;
use crate::penalty::SeenTokens;
use crate::processors::{Processors, SoFar};
use crate::prompt::Prompt;
use crate::sampler::{Sampler, log_probability};
use crate::seed::RowSeed;

/// Tokens of new prompts that are read in one pass, unless a single prompt has more.
const PROMPT_TOKENS: usize = 2048;

/// Tokens that a slot has room for at first.
const FIRST_CAPACITY: usize = 64;

/// A text to be continued.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it begins with; at least one id.
    pub prompt: Prompt,
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
    /// Why the text ends with it, if it does.
    pub end: Option<End>,
}

/// Texts being continued: some in slots, the rest waiting.
#[derive(Debug)]
pub struct Batch<'m> {
    model: &'m LanguageModel,
    waiting: VecDeque<Row>,
    /// The text of each slot.
    slots: Vec<Option<Row>>,
    cache: KeyValueCache,
    added: usize,
}

/// A text being continued.
#[derive(Debug)]
struct Row {
    number: usize,
    request: Request,
    tokens: Vec<u32>,
    seen: SeenTokens,
}

impl<'m> Batch<'m> {
    /// Room for `width` texts at a time.
    pub fn new(model: &'m LanguageModel, width: usize) -> Self {
        let width = width.max(1);
        Self {
            model,
            waiting: VecDeque::new(),
            slots: (0..width).map(|_| None).collect(),
            cache: model.cache(width, FIRST_CAPACITY),
            added: 0,
        }
    }

    /// Adds a text to be continued; returns its number.
    ///
    /// # Errors
    /// An empty prompt, ids outside the vocabulary, no room for a new token.
    pub fn add(&mut self, request: Request) -> Result<usize> {
        if request.prompt.ids.is_empty() {
            let problem = "the prompt is empty: give at least one token to go on from";
            return Err(Refusal::plain(problem).into());
        }
        self.model.check_ids(&request.prompt.ids)?;
        let total = request
            .prompt
            .ids
            .len()
            .saturating_add(request.limits.max_new);
        if let Some(positions) = self.model.config().longest()
            && total > positions
        {
            return Err(Refusal::plain(format!(
                "{total} tokens are more than the {positions} positions of the model"
            ))
            .into());
        }
        let number = self.added;
        self.added += 1;
        self.waiting.push_back(Row {
            number,
            tokens: request.prompt.ids.clone(),
            seen: SeenTokens::new(if request.processors.needs_seen() {
                &request.prompt.ids
            } else {
                &[]
            }),
            request,
        });
        Ok(number)
    }

    /// Whether all texts have ended.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.slots.iter().all(Option::is_none)
    }

    /// Ends text `number` where it is.
    pub fn end(&mut self, number: usize) {
        self.waiting.retain(|row| row.number != number);
        for slot in 0..self.slots.len() {
            if self.slots[slot]
                .as_ref()
                .is_some_and(|row| row.number == number)
            {
                self.free(slot);
            }
        }
    }

    /// Gives waiting texts the free slots and every text in a slot its next token, in the order of the slots.
    ///
    /// # Errors
    /// Logits that are no numbers.
    pub fn step(&mut self) -> Result<Vec<Token>> {
        for slot in &mut self.slots {
            if slot.is_none() {
                *slot = self.waiting.pop_front();
            }
        }
        let (mut whole, mut next) = (Vec::new(), Vec::new());
        for (slot, row) in self.slots.iter().enumerate() {
            let Some(row) = row else { continue };
            let kept = self.cache.length(slot);
            if kept == 0 || self.model.reads_anew_at(row.tokens.len()) {
                whole.push(slot)
            } else {
                next.push(slot)
            }
        }
        let mut tokens = Vec::with_capacity(whole.len() + next.len());
        if !next.is_empty() {
            self.read(&next, &mut tokens)?;
        }
        while !whole.is_empty() {
            let mut count = 0;
            let fits = whole.iter().take_while(|&&slot| {
                count += self.length(slot);
                count <= PROMPT_TOKENS
            });
            let some: Vec<usize> = whole.drain(..fits.count().max(1)).collect();
            some.iter().for_each(|&slot| self.cache.clear(slot));
            self.read(&some, &mut tokens)?;
        }
        Ok(tokens)
    }

    /// Tokens of the text in `slot`.
    fn length(&self, slot: usize) -> usize {
        let row = self.slots[slot].as_ref();
        row.map_or(0, |row| row.tokens.len())
    }

    /// Reads what the texts in these slots have beyond the cache, and chooses the token that follows each.
    fn read(&mut self, slots: &[usize], tokens: &mut Vec<Token>) -> Result<()> {
        let mut packed = PackedTokens::default();
        let mut starts = Vec::with_capacity(slots.len());
        for &slot in slots {
            let start = self.cache.length(slot);
            if let Some(row) = &self.slots[slot] {
                let ids = &row.tokens[start..];
                packed.push(ids, &vec![0; ids.len()]);
                starts.push(start);
            }
        }
        let mut logits = self.model.read(&packed, starts, slots, &mut self.cache);
        let vocabulary = self.model.config().vocabulary;
        let mut rows: Vec<&mut Row> = Vec::with_capacity(slots.len());
        for (slot, row) in self.slots.iter_mut().enumerate() {
            rows.extend(row.as_mut().filter(|_| slots.contains(&slot)));
        }
        let chosen: Result<Vec<Token>> = rows
            .into_par_iter()
            .zip(logits.par_chunks_mut(vocabulary))
            .map(|(row, logits)| row.choose(logits))
            .collect();
        let chosen = match chosen {
            Ok(chosen) => chosen,
            Err(error) => {
                // A text without its token could not go on.
                slots.iter().for_each(|&slot| self.free(slot));
                return Err(error);
            }
        };
        for (&slot, token) in slots.iter().zip(chosen) {
            tokens.push(token);
            if token.end.is_some() {
                self.free(slot);
            }
        }
        Ok(())
    }

    fn free(&mut self, slot: usize) {
        self.slots[slot] = None;
        self.cache.clear(slot);
    }
}

impl Row {
    /// The token that follows, by the logits of the last one.
    fn choose(&mut self, logits: &mut [f32]) -> Result<Token> {
        let request = &self.request;
        let plain = request.log_probabilities.then(|| logits.to_vec());
        let prompt = request.prompt.ids.len();
        let new = self.tokens.len() - prompt;
        let limits = request.limits;
        let so_far = SoFar {
            tokens: &self.tokens,
            prompt,
            seen: &self.seen,
            limits,
            stop_tokens: &request.stop_tokens,
        };
        request.processors.apply(so_far, logits);
        let draw = if request.sampler.draws() {
            request.seed.draw(self.tokens.len() as u64)
        } else {
            0.0
        };
        let id = request.sampler.choose(logits, draw)?;
        let log_probability = plain
            .map(|logits| log_probability(&logits, id))
            .transpose()?;
        self.tokens.push(id);
        if request.processors.needs_seen() {
            self.seen.insert(id);
        }
        let end = if request.stop_tokens.contains(&id) {
            Some(End::StopToken)
        } else {
            limits.is_full(new + 1).then_some(End::Length)
        };
        Ok(Token {
            row: self.number,
            id,
            log_probability,
            end,
        })
    }
}
