//! Texts whose tokens are drafted by a smaller model, and accepted or replaced so that their distribution is the sampler's own.

use super::{Line, Step, end};
use crate::batch::{Request, Token};
use crate::error::Result;
use crate::reader::{Lane, Output, Wants};
use crate::sampler::{Distribution, Sampler, Speculative, log_probability};

/// What the draws of a position are for: each is independent of the others.
const DRAFT: u64 = 1;
const ACCEPT: u64 = 2;
const REPLACE: u64 = 3;

/// A text with what is drafted after it.
#[derive(Debug)]
pub(crate) struct Drafted {
    base: Sampler,
    /// How many tokens are drafted at a time.
    pub(super) count: usize,
    pub(super) line: Line,
    /// The text with its draft.
    pub(super) ahead: Line,
    slot: usize,
    draft: Vec<Proposal>,
}

/// A token that was drafted, and what it was drawn from.
#[derive(Debug)]
struct Proposal {
    id: u32,
    from: Distribution,
}

impl Drafted {
    pub(super) fn new(rules: &Speculative, request: &Request, slots: &[usize]) -> Self {
        let line = Line::new(request);
        Self {
            base: rules.base(),
            count: rules.num_speculative_tokens,
            ahead: line.clone(),
            line,
            slot: slots[0],
            draft: Vec::new(),
        }
    }

    /// What the model has to read.
    pub(super) fn lanes(&self) -> Vec<Lane<'_>> {
        vec![Lane {
            wants: Wants {
                logits: 1 + self.draft.len(),
                states: 0,
            },
            ..self.drafting()
        }]
    }

    /// What the smaller model has to read.
    pub(super) fn drafting(&self) -> Lane<'_> {
        Lane {
            slot: self.slot,
            tokens: &self.ahead.tokens,
            wants: Wants::NEXT,
        }
    }

    /// Drops the draft.
    pub(super) fn begin(&mut self) {
        self.ahead.clone_from(&self.line);
        self.draft.clear();
    }

    /// Drafts a token by the smaller model's logits; whether another may follow.
    pub(super) fn propose(&mut self, request: &Request, logits: &mut [f32]) -> Result<bool> {
        self.ahead.process(request, logits);
        let from = self.base.distribution(logits)?;
        let position = self.ahead.tokens.len() as u64;
        let id = drawn(&from, request.seed.draw_for(DRAFT, position));
        self.ahead.push(request, id);
        self.draft.push(Proposal { id, from });
        Ok(!request.stop_tokens.contains(&id))
    }

    /// Accepts what is drafted up to the first token that is not, which is replaced; after all of it, one more token follows.
    ///
    /// A token that was drawn from `q` and has the probability `p` is accepted with `min(1, p / q)`, and else drawn from what `p` has beyond `q`:
    /// together that is a draw from `p` (Leviathan et al., arXiv 2211.17192, appendix A.1).
    pub(super) fn step(
        &mut self,
        row: usize,
        request: &Request,
        mut outputs: Vec<Output<'_>>,
    ) -> Result<Step> {
        let logits = &mut outputs[0].logits;
        let vocabulary = logits.len() / (1 + self.draft.len());
        let mut step = Step {
            drafted: self.draft.len(),
            ..Step::default()
        };
        for (at, logits) in logits.chunks_mut(vocabulary).enumerate() {
            let plain = request.log_probabilities.then(|| logits.to_vec());
            self.line.process(request, logits);
            let mut own = self.base.distribution(logits)?;
            let position = self.line.tokens.len() as u64;
            let accepted = self.draft.get(at).filter(|proposal| {
                let [p, q] = [&own, &proposal.from].map(|it| probability(it, proposal.id));
                request.seed.draw_for(ACCEPT, position) * q < p
            });
            let is_accepted = accepted.is_some();
            let id = match (accepted, self.draft.get(at)) {
                (Some(proposal), _) => proposal.id,
                (None, refused) => {
                    if let Some(refused) = refused {
                        own = beyond(own, &refused.from);
                    }
                    drawn(&own, request.seed.draw_for(REPLACE, position))
                }
            };
            let log_probability = plain
                .map(|logits| log_probability(&logits, id))
                .transpose()?;
            self.line.push(request, id);
            step.accepted += usize::from(is_accepted);
            let end = end(request, id, self.line.new_tokens(request));
            step.tokens.push(Token {
                row,
                id,
                log_probability,
                score: None,
                end,
            });
            step.ended = end.is_some();
            if step.ended || !is_accepted {
                break;
            }
        }
        // What follows the last token that was read and kept is not read yet.
        step.kept = Some(self.line.tokens.len() - 1);
        Ok(step)
    }
}

fn probability(distribution: &Distribution, id: u32) -> f64 {
    let at = distribution.binary_search_by_key(&id, |(id, _)| *id);
    at.map_or(0.0, |at| distribution[at].1)
}

/// What `own` has beyond `other`, token by token; all of it where rounding leaves nothing.
fn beyond(own: Distribution, other: &Distribution) -> Distribution {
    let more = own
        .iter()
        .map(|&(id, share)| (id, (share - probability(other, id)).max(0.0)));
    let more: Distribution = more.collect();
    if more.iter().any(|(_, share)| *share > 0.0) {
        more
    } else {
        own
    }
}

/// The token that a draw uniform in `[0, 1)` falls on, where tokens divide it in the order of their ids by their shares.
fn drawn(distribution: &Distribution, draw: f64) -> u32 {
    let total: f64 = distribution.iter().map(|(_, share)| share).sum();
    let mut left = draw * total;
    let mut last = 0;
    for &(id, share) in distribution.iter().filter(|(_, share)| *share > 0.0) {
        last = id;
        if left < share {
            break;
        }
        left -= share;
    }
    last
}
