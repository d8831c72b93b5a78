//! Texts being written, and one of them in pieces as it comes.

use std::collections::VecDeque;

use engraft_generate::{
    Acceptance, Limits, Piece, Prompt, Request, RowLimits, RowSeed, Settings, Sides, Texts,
    Written, fresh_seed,
};

use crate::error::{Error, Result};
use crate::stop::Stopper;

/// Texts being written by a [`Writer`](crate::Writer).
#[derive(Debug)]
pub struct Writing<'m> {
    texts: Texts<'m>,
    settings: Settings,
    /// What is read and what is written, of an encoder-decoder.
    sides: Option<Sides>,
    context: Option<usize>,
    seed: u64,
    /// Whether the log-probability of each token is wanted.
    pub(crate) log_probabilities: bool,
    prompts: u64,
}

impl<'m> Writing<'m> {
    pub(crate) fn new(
        texts: Texts<'m>,
        settings: Settings,
        sides: Option<Sides>,
        context: Option<usize>,
    ) -> Self {
        Self {
            texts,
            seed: settings.sampler.seed().unwrap_or_else(fresh_seed),
            settings,
            sides,
            context,
            log_probabilities: false,
            prompts: 0,
        }
    }

    /// What is read and what is written, of an encoder-decoder.
    pub fn sides(&self) -> Option<&Sides> {
        self.sides.as_ref()
    }

    /// What all texts have in common.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Tokens that a text may have, as far as the model bounds them.
    pub fn context(&self) -> Option<usize> {
        self.context
    }

    /// Texts for each prompt.
    pub fn sequences(&self) -> usize {
        self.settings.sequences
    }

    /// How much of what a smaller model drafted was accepted so far.
    pub fn acceptance(&self) -> Acceptance {
        self.texts.acceptance()
    }

    /// Adds a prompt; its texts get the next numbers. Returns how long they may grow.
    ///
    /// # Errors
    /// An empty prompt, ids outside the vocabulary, no room to write.
    pub fn add(&mut self, prompt: &Prompt) -> Result<RowLimits> {
        self.add_about(prompt, None)
    }

    /// As [`Self::add`], where an encoder reads `source` for it.
    ///
    /// # Errors
    /// Those of [`Self::add`]; nothing to read, or too much.
    pub fn add_about(&mut self, prompt: &Prompt, source: Option<&[u32]>) -> Result<RowLimits> {
        self.add_within(prompt, source, self.settings.limits)
    }

    /// As [`Self::add_about`], within limits of its own.
    ///
    /// # Errors
    /// Those of [`Self::add_about`].
    pub(crate) fn add_within(
        &mut self,
        prompt: &Prompt,
        source: Option<&[u32]>,
        limits: Limits,
    ) -> Result<RowLimits> {
        let settings = &self.settings;
        let limits = limits.of_row(prompt.ids.len(), self.context)?;
        // Beams give several texts at once; any other sampler writes each by itself.
        let (requests, sequences) = match settings.sampler.beams() {
            Some(_) => (1, settings.sequences),
            None => (settings.sequences, 1),
        };
        for sequence in 0..requests {
            self.texts.add(Request {
                prompt: prompt.clone(),
                source: source.map(Into::into),
                limits,
                stop_tokens: settings.stop_tokens.clone(),
                sampler: settings.sampler.clone(),
                processors: settings.processors.clone(),
                seed: RowSeed::new(self.seed, self.prompts, sequence as u64),
                sequences,
                log_probabilities: self.log_probabilities,
            })?;
        }
        self.prompts += 1;
        Ok(limits)
    }

    /// Adds several, `before` of which there were others that decide what is drawn for them; returns the number of texts.
    pub(crate) fn add_all(&mut self, before: usize, prompts: &[Begun]) -> Result<usize> {
        self.prompts = before as u64;
        let of_prompt = |number: usize, error: Error| match before + prompts.len() {
            1 => error,
            _ => Error::Prompt {
                number,
                error: Box::new(error),
            },
        };
        for (number, begun) in (before + 1..).zip(prompts) {
            let source = begun.source.as_ref().map(|source| source.ids.as_slice());
            let mut limits = self.settings.limits;
            if begun.ignores_length {
                limits.max_length = None;
            }
            if let Some(room) = begun.padded_length {
                let free = room.saturating_sub(begun.prompt.ids.len());
                if free == 0 {
                    let problem = format!(
                        "the row is full: pad it to more than its {room} tokens, which is how long it may become"
                    );
                    return Err(of_prompt(number, Error::Argument(problem)));
                }
                if limits.max_new_tokens.is_none_or(|new| new > free) {
                    (limits.max_length, limits.max_new_tokens) = (Some(room), None);
                }
            }
            let added = self.add_within(&begun.prompt, source, limits);
            added.map_err(|error| of_prompt(number, error))?;
        }
        Ok(prompts.len() * self.sequences())
    }

    /// Writes all that was added, `count` texts, to their ends.
    pub(crate) fn finish(mut self, count: usize, stopper: &Stopper) -> Result<Vec<Written>> {
        while !self.is_done() {
            stopper.check()?;
            self.step()?;
        }
        Ok((0..count).map(|row| self.take(row)).collect())
    }

    /// Whether all texts have ended.
    pub fn is_done(&self) -> bool {
        self.texts.is_done()
    }

    /// The next token of every text that is being written; all tokens of one that beams have found.
    ///
    /// # Errors
    /// Logits that are no numbers.
    pub fn step(&mut self) -> Result<Vec<Piece>> {
        Ok(self.texts.step()?)
    }

    /// What became of a text, which is not kept any longer.
    pub fn take(&mut self, row: usize) -> Written {
        self.texts.take(row)
    }
}

/// A prompt on its way to be gone on from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Begun {
    pub(crate) prompt: Prompt,
    /// What an encoder reads for it.
    pub(crate) source: Option<Prompt>,
    /// Whether no length in all that is asked for counts.
    pub(crate) ignores_length: bool,
    /// How long the row may become at most, where it has padding.
    pub(crate) padded_length: Option<usize>,
    /// Whether what is read for it was cut.
    pub(crate) cut: bool,
}

/// A text in pieces, as it is written.
#[derive(Debug)]
pub struct Stream<'m> {
    texts: Writing<'m>,
    ready: VecDeque<String>,
    stopper: Stopper,
    is_over: bool,
}

impl<'m> Stream<'m> {
    /// Of texts of which one was added.
    pub(crate) fn of(texts: Writing<'m>, stopper: Stopper) -> Self {
        Self {
            texts,
            ready: VecDeque::new(),
            stopper,
            is_over: false,
        }
    }
}

impl Iterator for Stream<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(Ok(piece));
            }
            if self.is_over || self.texts.is_done() {
                return None;
            }
            let step = self.stopper.check().and_then(|()| self.texts.step());
            self.is_over = step.is_err();
            match step {
                Ok(pieces) => {
                    let pieces = pieces.into_iter().map(|piece| piece.text);
                    self.ready.extend(pieces.filter(|piece| !piece.is_empty()));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
