//! Beams of a text, each in a slot of its own.

use engraft_models::SlotCopy;
use rayon::prelude::*;

use super::Line;
use crate::batch::{End, Request, Token};
use crate::error::{Error, Result};
use crate::reader::{Lane, Output, Wants};
use crate::sampler::{log_probability, log_softmax, possible};

/// A text that goes on.
#[derive(Clone, Debug)]
pub(super) struct Beam {
    pub(super) line: Line,
    /// The sum of what its tokens scored.
    pub(super) score: f64,
    /// Those of its new tokens, where they are wanted.
    pub(super) log_probabilities: Vec<f64>,
    slot: usize,
}

/// A beam with one more token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Continuation {
    pub(super) beam: usize,
    pub(super) id: u32,
    /// That of the beam with the token's.
    pub(super) score: f64,
    pub(super) log_probability: Option<f64>,
}

/// The beams of a text: at first its prompt alone, which is read once.
#[derive(Debug)]
pub(super) struct Beams {
    pub(super) going: Vec<Beam>,
    slots: Vec<usize>,
}

/// How the scores of tokens are made of logits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scoring {
    /// Log-probabilities go through the processors, and are not made to sum to 1 again.
    Processed,
    /// Logits go through the processors, and become log-probabilities at a temperature.
    Normalised(f32),
}

impl Beams {
    pub(super) fn new(request: &Request, slots: &[usize]) -> Self {
        Self {
            going: vec![Beam {
                line: Line::new(request),
                score: 0.0,
                log_probabilities: Vec::new(),
                slot: slots[0],
            }],
            slots: slots.to_vec(),
        }
    }

    pub(super) fn lanes(&self) -> Vec<Lane<'_>> {
        let beams = self.going.iter();
        beams
            .map(|beam| Lane {
                slot: beam.slot,
                tokens: &beam.line.tokens,
                wants: Wants::NEXT,
            })
            .collect()
    }

    /// The `count` best continuations of all beams, the best first; of equals, that of the earlier beam.
    ///
    /// # Errors
    /// Logits that are no numbers, or leave no token.
    pub(super) fn best(
        &self,
        request: &Request,
        outputs: Vec<Output<'_>>,
        count: usize,
        scoring: Scoring,
    ) -> Result<Vec<Continuation>> {
        let beams = self.going.par_iter().zip(outputs).enumerate();
        let found = beams.map(|(at, (beam, output))| {
            beam.continuations(at, request, output.logits, count, scoring)
        });
        let found: Vec<Vec<Continuation>> = found.collect::<Result<_>>()?;
        let mut all = found.concat();
        if all.is_empty() {
            return Err(Error::Logits("leaves none possible"));
        }
        all.sort_by(|a, b| b.score.total_cmp(&a.score));
        all.truncate(count);
        Ok(all)
    }

    /// Goes on with these continuations, at most as many as there are slots. A beam stays in its slot with the first of its continuations; others
    /// get slots that are free, and what they hold.
    pub(super) fn go_on(&mut self, request: &Request, next: &[Continuation]) -> Vec<SlotCopy> {
        let old = std::mem::take(&mut self.going);
        let goes_on = |slot: &usize| next.iter().any(|it| old[it.beam].slot == *slot);
        let mut free: Vec<usize> = self.slots.to_vec();
        free.retain(|slot| !goes_on(slot));
        let mut taken = vec![false; old.len()];
        let mut copies = Vec::new();
        for one in next {
            let parent = &old[one.beam];
            let mut beam = parent.clone();
            if taken[one.beam] {
                // What ended there shares a beginning with the parent: the longest is the least to copy.
                let shared = |slot: usize| {
                    let held = old.iter().find(|beam| beam.slot == slot);
                    held.map_or(0, |held| common(&held.line.tokens, &parent.line.tokens))
                };
                let places = (0..free.len()).map(|place| (shared(free[place]), place));
                if let Some((shared, place)) = places.max() {
                    let to = free.swap_remove(place);
                    copies.push(SlotCopy {
                        from: parent.slot,
                        to,
                        shared,
                    });
                    beam.slot = to;
                }
            }
            taken[one.beam] = true;
            beam.line.push(request, one.id);
            beam.score = one.score;
            beam.log_probabilities.extend(one.log_probability);
            self.going.push(beam);
        }
        copies
    }
}

impl Beam {
    fn continuations(
        &self,
        beam: usize,
        request: &Request,
        logits: &mut [f32],
        count: usize,
        scoring: Scoring,
    ) -> Result<Vec<Continuation>> {
        let plain = request.log_probabilities.then(|| logits.to_vec());
        match scoring {
            Scoring::Processed => {
                log_softmax(logits, 1.0)?;
                self.line.process(request, logits);
            }
            Scoring::Normalised(temperature) => {
                self.line.process(request, logits);
                log_softmax(logits, temperature)?;
            }
        }
        let found = possible(logits, count)?.into_iter().map(|token| {
            let plain = plain.as_ref();
            let log_probability = plain.map(|plain| log_probability(plain, token.id));
            Ok(Continuation {
                beam,
                id: token.id,
                score: self.score + f64::from(token.logit),
                log_probability: log_probability.transpose()?,
            })
        });
        found.collect()
    }
}

/// How many tokens two texts have in common at the front.
fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// A text that a search has found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Its new tokens.
    pub(super) ids: Vec<u32>,
    pub(super) log_probabilities: Vec<f64>,
    pub(super) score: f64,
    pub(super) end: End,
}

/// The tokens of the best texts, as many texts as are wanted; where there are fewer, the last of them is given again.
pub(super) fn tokens_of(row: usize, request: &Request, found: &[Found]) -> Vec<Token> {
    let mut tokens = Vec::new();
    for sequence in 0..request.sequences {
        let Some(text) = found.get(sequence).or(found.last()) else {
            break;
        };
        for (at, &id) in text.ids.iter().enumerate() {
            let is_last = at + 1 == text.ids.len();
            tokens.push(Token {
                row: row + sequence,
                id,
                log_probability: text.log_probabilities.get(at).copied(),
                score: is_last.then_some(text.score),
                end: is_last.then_some(text.end),
            });
        }
    }
    tokens
}
