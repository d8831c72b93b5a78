//! Contrastive search: each step reads all tokens that may follow, and takes one that is probable and unlike those before it.

use engraft_models::SlotCopy;

use super::{Line, Step, end};
use crate::batch::{Request, Token};
use crate::error::{Error, Result};
use crate::reader::{Lane, Output, Wants};
use crate::sampler::{Contrastive, log_probability, log_softmax, possible};

/// A text with the tokens that may follow.
#[derive(Debug)]
pub(crate) struct ContrastiveSearch {
    rules: Contrastive,
    line: Line,
    /// They hold the same, which is `line`.
    slots: Vec<usize>,
    /// Hidden states of `line`, each of length 1, `[tokens * width]`.
    states: Vec<f32>,
    next: Vec<Next>,
}

/// A token that may follow.
#[derive(Debug)]
struct Next {
    /// The text with it.
    tokens: Vec<u32>,
    id: u32,
    probability: f64,
    log_probability: Option<f64>,
}

impl ContrastiveSearch {
    pub(super) fn new(rules: Contrastive, request: &Request, slots: &[usize]) -> Self {
        Self {
            rules,
            line: Line::new(request),
            slots: slots.to_vec(),
            states: Vec::new(),
            next: Vec::new(),
        }
    }

    /// The prompt; then the text with every token that may follow.
    pub(super) fn lanes(&self) -> Vec<Lane<'_>> {
        if self.states.is_empty() {
            return vec![Lane {
                slot: self.slots[0],
                tokens: &self.line.tokens,
                wants: Wants {
                    logits: 1,
                    states: self.line.tokens.len(),
                },
            }];
        }
        let next = self.next.iter().zip(&self.slots);
        next.map(|(next, &slot)| Lane {
            slot,
            tokens: &next.tokens,
            wants: Wants {
                logits: 1,
                states: 1,
            },
        })
        .collect()
    }

    pub(super) fn step(
        &mut self,
        row: usize,
        request: &Request,
        mut outputs: Vec<Output<'_>>,
    ) -> Result<Step> {
        if self.states.is_empty() {
            let prompt = &mut outputs[0];
            let width = prompt.states.len() / self.line.tokens.len();
            for state in prompt.states.chunks(width) {
                self.states.extend(unit(state));
            }
            self.look_ahead(request, prompt.logits)?;
            return Ok(Step {
                copies: self.copies(0, 0),
                ..Step::default()
            });
        }
        let states: Vec<Vec<f32>> = outputs.iter().map(|it| unit(it.states)).collect();
        let mut best = (0, f64::NEG_INFINITY);
        for (at, (next, state)) in self.next.iter().zip(&states).enumerate() {
            let score = (1.0 - self.rules.alpha) * next.probability
                - self.rules.alpha * self.similarity(state);
            if score > best.1 {
                best = (at, score);
            }
        }
        let (chosen, _) = best;
        let (id, log_probability) = (self.next[chosen].id, self.next[chosen].log_probability);
        let read = self.line.tokens.len();
        self.line.push(request, id);
        self.states.extend(&states[chosen]);
        let end = end(request, id, self.line.new_tokens(request));
        let token = Token {
            row,
            id,
            log_probability,
            score: None,
            end,
        };
        if end.is_none() {
            self.look_ahead(request, outputs[chosen].logits)?;
        }
        Ok(Step {
            tokens: vec![token],
            copies: self.copies(chosen, read),
            ended: end.is_some(),
            ..Step::default()
        })
    }

    /// Finds the tokens that may follow.
    fn look_ahead(&mut self, request: &Request, logits: &mut [f32]) -> Result<()> {
        let plain = request.log_probabilities.then(|| logits.to_vec());
        self.line.process(request, logits);
        log_softmax(logits, self.rules.temperature as f32)?;
        let next = possible(logits, self.rules.k)?.into_iter().map(|token| {
            let plain = plain.as_ref();
            let log_probability = plain.map(|plain| log_probability(plain, token.id));
            let mut tokens = self.line.tokens.clone();
            tokens.push(token.id);
            Ok::<_, Error>(Next {
                tokens,
                id: token.id,
                probability: f64::from(token.logit).exp(),
                log_probability: log_probability.transpose()?,
            })
        });
        self.next = next.collect::<Result<_>>()?;
        Ok(())
    }

    /// The largest cosine between a state of length 1 and those of the text.
    fn similarity(&self, state: &[f32]) -> f64 {
        let earlier = self.states.chunks(state.len());
        let cosines = earlier.map(|earlier| {
            let products = earlier.iter().zip(state);
            products.map(|(a, b)| f64::from(a * b)).sum()
        });
        cosines.fold(f64::NEG_INFINITY, f64::max)
    }

    /// Every slot becomes the same as that of place `chosen`, which differs after `shared` tokens.
    fn copies(&self, chosen: usize, shared: usize) -> Vec<SlotCopy> {
        let from = self.slots[chosen];
        let others = self.slots.iter().filter(|slot| **slot != from);
        others.map(|&to| SlotCopy { from, to, shared }).collect()
    }
}

/// The same direction with a length of 1.
fn unit(state: &[f32]) -> Vec<f32> {
    let squares = state.iter().map(|&value| f64::from(value).powi(2));
    let length = squares.sum::<f64>().sqrt();
    let scaled = state
        .iter()
        .map(|&value| (f64::from(value) / length) as f32);
    scaled.collect()
}
