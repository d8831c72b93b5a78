//! A model that reads texts into the slots of a cache, many at a time.

use engraft_models::{EncodedCache, KeyValueCache, PackedTokens};

use crate::model::LanguageModel;

/// Tokens of new prompts that are read in one pass, unless a single prompt has more.
const PROMPT_TOKENS: usize = 2048;

/// Tokens that a slot has room for at first.
const FIRST_CAPACITY: usize = 64;

/// A text in a slot, which is read as far as it is not yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane<'a> {
    pub(crate) slot: usize,
    /// All tokens of the text.
    pub(crate) tokens: &'a [u32],
    pub(crate) wants: Wants,
}

/// Of how many of the tokens that are read, the last ones, something is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wants {
    /// The logits of what follows.
    pub(crate) logits: usize,
    /// The hidden states.
    pub(crate) states: usize,
}

impl Wants {
    /// The logits that follow the last token.
    pub(crate) const NEXT: Self = Self {
        logits: 1,
        states: 0,
    };
}

/// What was wanted of a lane, one token after the other.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    /// `[tokens * vocabulary]`.
    pub(crate) logits: &'a mut [f32],
    /// `[tokens * width]`.
    pub(crate) states: &'a [f32],
}

/// What a pass gave for some of the lanes.
#[derive(Debug)]
pub(crate) struct Reading {
    lanes: Vec<usize>,
    logits: Vec<f32>,
    states: Vec<f32>,
}

/// A model with the texts that it has read.
#[derive(Debug)]
pub(crate) struct Reader<'m> {
    pub(crate) model: &'m LanguageModel,
    pub(crate) cache: KeyValueCache,
    /// What the encoder has read for each slot, where there is an encoder.
    encoded: Option<EncodedCache>,
}

impl<'m> Reader<'m> {
    /// Room for `slots` texts at first. What [`goes_back`](KeyValueCache::that_goes_back) reads several tokens after others.
    pub(crate) fn new(model: &'m LanguageModel, slots: usize, goes_back: bool) -> Self {
        Self {
            model,
            cache: model.cache(slots, FIRST_CAPACITY, goes_back),
            encoded: model.encoded_cache(slots),
        }
    }

    /// Adds empty slots, so that there are `slots` at least.
    pub(crate) fn reserve(&mut self, slots: usize) {
        self.cache.reserve(slots);
        if let Some(encoded) = &mut self.encoded {
            encoded.reserve(slots);
        }
    }

    /// Lets the encoder read texts, each for the slots beside it.
    pub(crate) fn encode(&mut self, texts: &[(&[u32], &[usize])]) {
        let Some(encoded) = &mut self.encoded else {
            return;
        };
        let mut rest = texts;
        while !rest.is_empty() {
            let mut count = 0;
            let fits = rest.iter().take_while(|(ids, _)| {
                count += ids.len();
                count <= PROMPT_TOKENS
            });
            let (some, after) = rest.split_at(fits.count().max(1));
            rest = after;
            let sources: Vec<&[u32]> = some.iter().map(|(ids, _)| *ids).collect();
            let first = some.iter().filter_map(|(_, slots)| slots.first());
            let first: Vec<usize> = first.copied().collect();
            self.model.encode(&sources, &first, encoded);
            for (_, slots) in some {
                for slot in slots.iter().skip(1) {
                    encoded.share(slots[0], *slot);
                }
            }
        }
    }

    /// Forgets what was read for a slot.
    pub(crate) fn forget(&mut self, slot: usize) {
        if let Some(encoded) = &mut self.encoded {
            encoded.clear(slot);
        }
    }

    /// Reads what every lane has beyond the cache.
    pub(crate) fn read(&mut self, lanes: &[Lane<'_>]) -> Vec<Reading> {
        let (mut whole, mut next) = (Vec::new(), Vec::new());
        for (at, lane) in lanes.iter().enumerate() {
            let kept = self.cache.length(lane.slot);
            let mut lengths = kept + 1..=lane.tokens.len();
            if kept == 0 || lengths.any(|length| self.model.reads_anew_at(length)) {
                whole.push(at)
            } else {
                next.push(at)
            }
        }
        let mut readings = Vec::new();
        if !next.is_empty() {
            readings.push(self.pass(lanes, next));
        }
        while !whole.is_empty() {
            let mut count = 0;
            let fits = whole.iter().take_while(|&&at| {
                count += lanes[at].tokens.len();
                count <= PROMPT_TOKENS
            });
            let some: Vec<usize> = whole.drain(..fits.count().max(1)).collect();
            some.iter().for_each(|&at| self.cache.clear(lanes[at].slot));
            readings.push(self.pass(lanes, some));
        }
        readings
    }

    fn pass(&mut self, lanes: &[Lane<'_>], some: Vec<usize>) -> Reading {
        let mut packed = PackedTokens::default();
        let (mut slots, mut starts) = (Vec::new(), Vec::new());
        let [mut of_logits, mut of_states] = [Vec::new(), Vec::new()];
        let mut end = 0;
        for &at in &some {
            let Lane {
                slot,
                tokens,
                wants,
            } = lanes[at];
            let start = self.cache.length(slot);
            let ids = &tokens[start..];
            packed.push(ids, &vec![0; ids.len()]);
            slots.push(slot);
            starts.push(start);
            end += ids.len();
            of_logits.extend(end - wants.logits..end);
            of_states.extend(end - wants.states..end);
        }
        let rows = [&of_logits[..], &of_states];
        let [logits, states] = self.model.read(
            &packed,
            starts,
            &slots,
            rows,
            &mut self.cache,
            self.encoded.as_ref(),
        );
        Reading {
            lanes: some,
            logits,
            states,
        }
    }
}

/// What was read, lane by lane in the order of `wants`.
pub(crate) fn outputs<'r>(
    readings: &'r mut [Reading],
    wants: &[Wants],
    vocabulary: usize,
) -> Vec<Output<'r>> {
    let mut found: Vec<(usize, Output<'r>)> = Vec::with_capacity(wants.len());
    for reading in readings {
        let tokens: usize = reading.lanes.iter().map(|&at| wants[at].states).sum();
        let width = reading.states.len().checked_div(tokens).unwrap_or(0);
        let (mut logits, mut states) = (&mut reading.logits[..], &reading.states[..]);
        for &at in &reading.lanes {
            let (own, rest) = logits.split_at_mut(wants[at].logits * vocabulary);
            let (own_states, rest_states) = states.split_at(wants[at].states * width);
            found.push((
                at,
                Output {
                    logits: own,
                    states: own_states,
                },
            ));
            (logits, states) = (rest, rest_states);
        }
    }
    found.sort_unstable_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, output)| output).collect()
}
