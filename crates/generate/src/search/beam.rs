//! Beam search as Hugging Face's `generate` does it.

use super::beams::{Beams, Continuation, Found, Scoring, tokens_of};
use super::{Step, end};
use crate::batch::Request;
use crate::error::Result;
use crate::reader::{Lane, Output};
use crate::sampler::{Beam, EarlyStopping};

/// A text that is searched for.
#[derive(Debug)]
pub(crate) struct BeamSearch {
    rules: Beam,
    beams: Beams,
    /// The best texts that have ended, at most as many as there are beams, the best first.
    ended: Vec<Found>,
}

impl BeamSearch {
    pub(super) fn new(rules: Beam, request: &Request, slots: &[usize]) -> Self {
        Self {
            rules,
            beams: Beams::new(request, slots),
            ended: Vec::new(),
        }
    }

    pub(super) fn lanes(&self) -> Vec<Lane<'_>> {
        self.beams.lanes()
    }

    pub(super) fn step(
        &mut self,
        row: usize,
        request: &Request,
        outputs: Vec<Output<'_>>,
    ) -> Result<Step> {
        let width = self.rules.num_beams;
        // Even if every stop token of every beam is among them, enough are left to go on with.
        let looked_at = width * (1 + request.stop_tokens.len()).max(2);
        let best = self
            .beams
            .best(request, outputs, looked_at, Scoring::Processed)?;
        let new = 1 + self.beams.going[0].line.new_tokens(request);
        let mut next = Vec::with_capacity(width);
        for (rank, one) in best.into_iter().enumerate() {
            match end(request, one.id, new) {
                None if next.len() < width => next.push(one),
                Some(end) if rank < width => {
                    let beam = &self.beams.going[one.beam];
                    let mut ids = beam.line.tokens[request.prompt.ids.len()..].to_vec();
                    ids.push(one.id);
                    let mut log_probabilities = beam.log_probabilities.clone();
                    log_probabilities.extend(one.log_probability);
                    self.ended.push(Found {
                        ids,
                        log_probabilities,
                        score: self.score(one.score, new),
                        end,
                    });
                }
                _ => {}
            }
        }
        self.ended.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.ended.truncate(width);
        if self.is_done(next.first(), new, request.limits.max_new) {
            return Ok(Step {
                tokens: tokens_of(row, request, &self.ended),
                ended: true,
                ..Step::default()
            });
        }
        Ok(Step {
            copies: self.beams.go_on(request, &next),
            ..Step::default()
        })
    }

    /// That of a text of `new` tokens.
    fn score(&self, sum: f64, new: usize) -> f64 {
        sum / (new as f64).powf(self.rules.length_penalty)
    }

    /// Whether nothing is to be gained by going on, where `best` is the best text that would, with `new` tokens.
    fn is_done(&self, best: Option<&Continuation>, new: usize, most: usize) -> bool {
        let Some(best) = best else {
            return true;
        };
        let worst = match self.ended.last() {
            Some(worst) if self.ended.len() == self.rules.num_beams => worst.score,
            _ => return false,
        };
        let length = match self.rules.early_stopping {
            EarlyStopping::True => return true,
            EarlyStopping::Never if self.rules.length_penalty > 0.0 => most,
            _ => new,
        };
        self.score(best.score, length) <= worst
    }
}
