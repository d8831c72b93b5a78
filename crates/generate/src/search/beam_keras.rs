//! Beam search as KerasHub does it.

use super::Step;
use super::beams::{Beams, Found, Scoring, tokens_of};
use crate::batch::{End, Request};
use crate::error::Result;
use crate::reader::{Lane, Output};
use crate::sampler::BeamKeras;

/// A text that is searched for. Beams that have ended go on, and what follows the end counts until all have.
#[derive(Debug)]
pub(crate) struct KerasBeamSearch {
    rules: BeamKeras,
    beams: Beams,
}

impl KerasBeamSearch {
    pub(super) fn new(rules: BeamKeras, request: &Request, slots: &[usize]) -> Self {
        Self {
            rules,
            beams: Beams::new(request, slots),
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
        let scoring = Scoring::Normalised(self.rules.temperature as f32);
        let best = self.beams.best(request, outputs, width, scoring)?;
        let copies = self.beams.go_on(request, &best);
        let prompt = request.prompt.ids.len();
        let found: Vec<Found> = self
            .beams
            .going
            .iter()
            .map(|beam| {
                let new = &beam.line.tokens[prompt..];
                let stop = new.iter().position(|id| request.stop_tokens.contains(id));
                let length = stop.map_or(new.len(), |stop| stop + 1);
                let own = beam.log_probabilities.iter().take(length);
                Found {
                    ids: new[..length].to_vec(),
                    log_probabilities: own.copied().collect(),
                    score: beam.score,
                    end: stop.map_or(End::Length, |_| End::StopToken),
                }
            })
            .collect();
        let new = self.beams.going[0].line.new_tokens(request);
        let ended = request.limits.is_full(new) || found.iter().all(|it| it.end == End::StopToken);
        let tokens = if ended {
            tokens_of(row, request, &found)
        } else {
            Vec::new()
        };
        Ok(Step {
            tokens,
            copies,
            ended,
            ..Step::default()
        })
    }
}
