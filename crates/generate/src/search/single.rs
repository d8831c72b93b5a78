//! One token after the other.

use super::{Line, Step, end};
use crate::batch::{Request, Token};
use crate::error::Result;
use crate::reader::{Lane, Output, Wants};
use crate::sampler::log_probability;

#[derive(Debug)]
pub(crate) struct Single {
    line: Line,
    slot: usize,
}

impl Single {
    pub(super) fn new(request: &Request, slots: &[usize]) -> Self {
        Self {
            line: Line::new(request),
            slot: slots[0],
        }
    }

    pub(super) fn lanes(&self) -> Vec<Lane<'_>> {
        vec![Lane {
            slot: self.slot,
            tokens: &self.line.tokens,
            wants: Wants::NEXT,
        }]
    }

    /// The token that follows, by the logits of the last one.
    pub(super) fn step(
        &mut self,
        row: usize,
        request: &Request,
        mut outputs: Vec<Output<'_>>,
    ) -> Result<Step> {
        let logits = &mut outputs[0].logits;
        let plain = request.log_probabilities.then(|| logits.to_vec());
        self.line.process(request, logits);
        let draw = if request.sampler.draws() {
            request.seed.draw(self.line.tokens.len() as u64)
        } else {
            0.0
        };
        let id = request.sampler.choose(logits, draw)?;
        let log_probability = plain
            .map(|logits| log_probability(&logits, id))
            .transpose()?;
        self.line.push(request, id);
        let end = end(request, id, self.line.new_tokens(request));
        let token = Token {
            row,
            id,
            log_probability,
            score: None,
            end,
        };
        Ok(Step {
            tokens: vec![token],
            ended: end.is_some(),
            ..Step::default()
        })
    }
}
