//! How a text of a batch is written: which lanes it has to read, and what becomes of their logits.

mod beam;
mod beam_keras;
mod beams;
mod contrastive;
mod drafts;
mod single;
mod speculative;

use engraft_models::SlotCopy;

use crate::batch::{End, Request, Token};
use crate::error::Result;
use crate::penalty::SeenTokens;
use crate::processors::SoFar;
use crate::reader::{Lane, Output};
use crate::sampler::Sampler;
use beam::BeamSearch;
use beam_keras::KerasBeamSearch;
use contrastive::ContrastiveSearch;
use single::Single;
use speculative::Drafted;

pub(crate) use drafts::Drafts;

/// What a step did to a text.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// The tokens that were chosen, one text after the other.
    pub(crate) tokens: Vec<Token>,
    /// What slots take over from others.
    pub(crate) copies: Vec<SlotCopy>,
    /// How many tokens stay in the text's slots, where some were read in vain.
    pub(crate) kept: Option<usize>,
    /// How many tokens were drafted.
    pub(crate) drafted: usize,
    /// How many of them were accepted.
    pub(crate) accepted: usize,
    /// Whether all of its texts have ended.
    pub(crate) ended: bool,
}

/// How a text is written.
#[derive(Debug)]
pub(crate) enum Writer {
    Single(Single),
    Beam(BeamSearch),
    KerasBeam(KerasBeamSearch),
    Contrastive(ContrastiveSearch),
    Speculative(Drafted),
}

impl Writer {
    /// Slots that the text takes.
    pub(crate) fn slots(request: &Request) -> usize {
        match &request.sampler {
            Sampler::Contrastive(it) => it.k,
            sampler => sampler.beams().unwrap_or(1),
        }
    }

    /// Of a text in these slots.
    pub(crate) fn new(request: &Request, slots: &[usize]) -> Self {
        match &request.sampler {
            Sampler::Beam(rules) => Self::Beam(BeamSearch::new(rules.clone(), request, slots)),
            Sampler::BeamKeras(rules) => {
                Self::KerasBeam(KerasBeamSearch::new(rules.clone(), request, slots))
            }
            Sampler::Contrastive(rules) => {
                Self::Contrastive(ContrastiveSearch::new(rules.clone(), request, slots))
            }
            Sampler::Speculative(rules) => Self::Speculative(Drafted::new(rules, request, slots)),
            _ => Self::Single(Single::new(request, slots)),
        }
    }

    /// What is to be read.
    pub(crate) fn lanes(&self) -> Vec<Lane<'_>> {
        match self {
            Self::Single(it) => it.lanes(),
            Self::Beam(it) => it.lanes(),
            Self::KerasBeam(it) => it.lanes(),
            Self::Contrastive(it) => it.lanes(),
            Self::Speculative(it) => it.lanes(),
        }
    }

    /// Goes on by what was read, lane by lane. `row` is the number of the first text.
    pub(crate) fn step(
        &mut self,
        row: usize,
        request: &Request,
        outputs: Vec<Output<'_>>,
    ) -> Result<Step> {
        match self {
            Self::Single(it) => it.step(row, request, outputs),
            Self::Beam(it) => it.step(row, request, outputs),
            Self::KerasBeam(it) => it.step(row, request, outputs),
            Self::Contrastive(it) => it.step(row, request, outputs),
            Self::Speculative(it) => it.step(row, request, outputs),
        }
    }
}

/// The tokens of a text, with what processors look at.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) tokens: Vec<u32>,
    seen: SeenTokens,
}

impl Line {
    /// A prompt.
    pub(crate) fn new(request: &Request) -> Self {
        let prompt = &request.prompt.ids;
        let seen: &[u32] = if request.processors.needs_seen() {
            prompt
        } else {
            &[]
        };
        Self {
            tokens: prompt.clone(),
            seen: SeenTokens::new(seen),
        }
    }

    pub(crate) fn push(&mut self, request: &Request, id: u32) {
        self.tokens.push(id);
        if request.processors.needs_seen() {
            self.seen.insert(id);
        }
    }

    /// How many tokens follow the prompt.
    pub(crate) fn new_tokens(&self, request: &Request) -> usize {
        self.tokens.len() - request.prompt.ids.len()
    }

    /// Changes the logits of the token that follows.
    pub(crate) fn process(&self, request: &Request, logits: &mut [f32]) {
        let prompt = request.prompt.ids.len();
        let so_far = SoFar {
            tokens: &self.tokens,
            prompt,
            encoder: request.source.as_deref().unwrap_or(&self.tokens[..prompt]),
            seen: &self.seen,
            limits: request.limits,
            stop_tokens: &request.stop_tokens,
        };
        request.processors.apply(so_far, logits);
    }
}

/// Why a text ends with its token `new` after the prompt, counted from 1, if it does.
fn end(request: &Request, id: u32, new: usize) -> Option<End> {
    if request.stop_tokens.contains(&id) {
        Some(End::StopToken)
    } else {
        request.limits.is_full(new).then_some(End::Length)
    }
}
