//! Running a network: hidden states at the sites of a batch, through its head.

use std::borrow::Cow;

use burn::tensor::{Int, Tensor, TensorData};
use engraft_kernels::{ClassTargets, Segments, gather_rows, sum_squares};
use engraft_models::{
    DECODER, DecoderStart, ENCODER, Encoded, HeadInput, Mode, PackedTokens, PairTargets,
    TokenBatch, TowerStates, Transformer,
};

use crate::inputs::{Inputs, RowValues, Sites, TOKENS_AT_ONCE};
use crate::network::Network;
use crate::output::{Grain, RowOutput};

/// What a decoder draws under, beside an encoder (0), a head (1) and the towers of a task with several.
const DECODERS_DRAWS: u64 = 16;

/// Each sequence without its last token, after what a decoder begins with.
pub(crate) fn shifted(tokens: &PackedTokens, start: DecoderStart) -> PackedTokens {
    let mut shifted = PackedTokens::default();
    let mut rest = tokens.ids.as_slice();
    for &length in &tokens.lengths {
        let (ids, after) = rest.split_at(length);
        rest = after;
        let Some((last, before)) = ids.split_last() else {
            shifted.push(&[], &[]);
            continue;
        };
        let first = match start {
            DecoderStart::Token(id) => id,
            DecoderStart::LastWritten(_) => *last,
        };
        let ids = [&[first], before].concat();
        shifted.push(&ids, &vec![0; ids.len()]);
    }
    shifted
}

/// Hidden states on their way into the head.
struct Hidden {
    states: Tensor<2>,
    /// How many of them each row has, where they are of tokens.
    of_row: Vec<usize>,
    tokens: TokenBatch,
    is_pooled: bool,
    /// Those of the other towers.
    others: Vec<TowerStates>,
    /// The tokens that are asked for, where the states are those of others too.
    sites: Option<Tensor<1, Int>>,
    conditions: Option<Tensor<2>>,
}

impl Hidden {
    fn input<'a>(&'a self, network: &'a Network) -> HeadInput<'a> {
        HeadInput {
            hidden: self.states.clone(),
            of_row: &self.of_row,
            tokens: &self.tokens,
            is_pooled: self.is_pooled,
            towers: network.towers(),
            others: &self.others,
            sites: self.sites.clone(),
            conditions: self.conditions.clone(),
        }
    }
}

impl Network {
    /// What the head gives at the sites of `inputs`, which has some: `[sites, values]`.
    pub fn outputs(&self, inputs: &Inputs, mode: Mode) -> Tensor<2> {
        match mode {
            Mode::Evaluate => joined(self.outputs_in_parts(inputs)),
            // What dropout draws depends on a token's place in its batch.
            Mode::Train(_) => self.outputs_at_once(inputs, mode),
        }
    }

    /// The loss of predicting one class at each site of `inputs`, which has some, as [`Head::class_losses`](engraft_models::Head) gives it.
    pub fn class_losses(
        &self,
        inputs: &Inputs,
        targets: ClassTargets,
        mode: Mode,
    ) -> (Tensor<1>, Tensor<2>) {
        let hidden = self.hidden_of_all(inputs, mode);
        let input = hidden.input(self);
        self.head().class_losses(input, targets, mode.at(1))
    }

    /// The loss of predicting yes or no for each pair of the sites of a row, as [`Head::pair_losses`](engraft_models::Head) gives it.
    pub fn pair_losses(
        &self,
        inputs: &Inputs,
        targets: &PairTargets,
        mode: Mode,
    ) -> (Tensor<1>, Tensor<2>) {
        let hidden = self.hidden_of_all(inputs, mode);
        let input = hidden.input(self);
        self.head().pair_losses(input, targets, mode.at(1))
    }

    /// What the network says of each row of `inputs` in one pass: `grain` says how many vectors of `width` values that is, where nothing is
    /// computed.
    pub fn predict(&self, inputs: &Inputs, grain: Grain, width: usize) -> Vec<RowOutput> {
        let (mut width, mut values) = (width, Vec::new());
        if !inputs.is_unscored() {
            for output in self.outputs_in_parts(inputs) {
                width = output.dims()[1];
                values.extend(output.into_data().iter::<f32>());
            }
        }
        let (mut start, of_row) = (0, inputs.of_row());
        let rows = (0..inputs.rows()).map(|row| {
            let several = of_row.get(row).copied().unwrap_or(0);
            let shape = match grain {
                Grain::Row => vec![width],
                Grain::Pair => vec![several, several],
                Grain::Unit | Grain::Token => vec![several, width],
            };
            let end = start + shape.iter().product::<usize>();
            let values = values[start..end].to_vec();
            start = end;
            RowOutput { row, shape, values }
        });
        rows.collect()
    }

    /// The first tower's layer after which a forward pass first has a value that is not finite, in words; none if all are finite.
    ///
    /// With the mode of a training step its dropout is the same, though this network is not one that is trained.
    pub(crate) fn first_not_finite(&self, inputs: &Inputs, mode: Mode) -> Option<String> {
        let tokens = self.batch(inputs.first()?);
        let mut found = None;
        let mut look = |tower: &str, name: &str, hidden: &Tensor<2>| {
            if found.is_none() && !sum_squares(hidden.clone()).is_finite() {
                found = Some(format!("the hidden states after {tower}.{name}"));
            }
        };
        let encoder = self.encoder();
        let states = encoder.forward_seen(&tokens, None, mode.at(0), &mut |name, hidden| {
            look(ENCODER, name, hidden);
        });
        if let Some((decoder, written)) = self.decoder().zip(self.decoder_tokens(inputs)) {
            let encoded = Encoded::of(encoder, states, &tokens);
            let tokens = self.decoder_batch(decoder, &written);
            let mode = mode.at(DECODERS_DRAWS);
            decoder.forward_seen(&tokens, Some(&encoded), mode, &mut |name, hidden| {
                look(DECODER, name, hidden);
            });
        }
        found
    }

    /// The tokens that the decoder reads, if there is one: its own, or what the encoder reads, shifted by one.
    fn decoder_tokens<'i>(&self, inputs: &'i Inputs) -> Option<Cow<'i, PackedTokens>> {
        let start = self.start()?;
        match inputs.stream(DECODER) {
            Some(own) => Some(Cow::Borrowed(own)),
            None => Some(Cow::Owned(shifted(inputs.first()?, start))),
        }
    }

    fn decoder_batch(&self, decoder: &Transformer, tokens: &PackedTokens) -> TokenBatch {
        TokenBatch::new(tokens, decoder.config(), &self.device())
    }

    /// [`Self::outputs`] outside training, a few rows at a time: one after the other they are the whole.
    fn outputs_in_parts(&self, inputs: &Inputs) -> Vec<Tensor<2>> {
        // Hidden states that are kept are computed one row a thread, however many rows there are.
        let tokens = match &self.cached {
            Some(_) => usize::MAX,
            None => TOKENS_AT_ONCE,
        };
        let parts = inputs.parts(tokens);
        parts
            .map(|part| self.outputs_at_once(&part, Mode::Evaluate))
            .collect()
    }

    fn outputs_at_once(&self, inputs: &Inputs, mode: Mode) -> Tensor<2> {
        let hidden = self.hidden(inputs, mode);
        self.head().forward(hidden.input(self), mode.at(1))
    }

    /// The hidden states that the head is computed from, outside training those of a few rows after the other.
    fn hidden_of_all(&self, inputs: &Inputs, mode: Mode) -> Hidden {
        if mode != Mode::Evaluate || self.head().reads_rows() {
            return self.hidden(inputs, mode);
        }
        let parts = inputs.parts(TOKENS_AT_ONCE);
        let parts: Vec<Hidden> = parts.map(|part| self.hidden(&part, mode)).collect();
        let nothing = PackedTokens::default();
        let packed = inputs.first().unwrap_or(&nothing);
        // Of what is aligned with them the parts have made use; numbers about structure are large.
        let mut tokens = match (self.decoder(), self.decoder_tokens(inputs)) {
            (Some(decoder), Some(written)) => self.decoder_batch(decoder, &written),
            _ => self.batch(&PackedTokens {
                aligned: None,
                ..packed.clone()
            }),
        };
        if packed.aligned.is_some() {
            tokens.segments = Segments::from_lengths(packed.query_lengths());
        }
        Hidden {
            is_pooled: parts.iter().any(|part| part.is_pooled),
            states: joined(parts.into_iter().map(|part| part.states).collect()),
            of_row: inputs.of_row(),
            tokens,
            others: Vec::new(),
            sites: None,
            conditions: self.conditions(inputs),
        }
    }

    /// The hidden states that the head is computed from.
    fn hidden(&self, inputs: &Inputs, mode: Mode) -> Hidden {
        let nothing = PackedTokens::default();
        let packed = inputs.first().unwrap_or(&nothing);
        let mut tokens = self.batch(packed);
        let cached = self.cached.as_ref();
        // What is kept is of sequences alone.
        let (mut states, is_pooled) = match cached.filter(|_| packed.aligned.is_none()) {
            Some(cached) => {
                let states = cached.forward(packed, &self.device());
                (states, cached.pooling().is_some())
            }
            None => (self.encoder().forward(&tokens, mode.at(0)), false),
        };
        let written = self.decoder().zip(self.decoder_tokens(inputs));
        let mut count = packed.ids.len();
        if let Some((decoder, written)) = written {
            let encoded = Encoded::of(self.encoder(), states, &tokens);
            tokens = self.decoder_batch(decoder, &written);
            states = decoder.forward_after(&tokens, &encoded, mode.at(DECODERS_DRAWS));
            count = written.ids.len();
        }
        // What is aligned with a sequence has served once the sequence has attended to it.
        let queries = packed.query_tokens();
        if let Some(queries) = &queries {
            states = gather_rows(states, self.numbers(queries));
            tokens.segments = Segments::from_lengths(packed.query_lengths());
        }
        let mut sites = None;
        // Where every token is asked for, all are there in order.
        if let Sites::Tokens { at, of_row } = &inputs.sites
            && at.len() < queries.as_ref().map_or(count, Vec::len)
        {
            let rows = match &queries {
                Some(queries) => self.numbers(&among(at, queries)),
                None => self.numbers(at),
            };
            if self.head().reads_rows() {
                sites = Some(rows);
            } else {
                states = gather_rows(states, rows);
                tokens.segments = Segments::from_lengths(of_row.iter().copied());
            }
        }
        Hidden {
            states,
            of_row: inputs.of_row(),
            tokens,
            is_pooled,
            others: self.others(inputs, mode),
            sites,
            conditions: self.conditions(inputs),
        }
    }

    /// The hidden states of the towers that are fed beside the first.
    fn others(&self, inputs: &Inputs, mode: Mode) -> Vec<TowerStates> {
        // What the first tower and the head draw is under 0 and 1.
        let streams = inputs.streams.iter().skip(1).zip(2..);
        let beside = streams.filter(|(stream, _)| stream.tower != DECODER);
        let states = beside.filter_map(|(stream, part)| {
            let tower = self.towers().get(stream.tower)?;
            let tokens = TokenBatch::new(&stream.tokens, tower.config(), &self.device());
            let hidden = tower.forward(&tokens, mode.at(part));
            Some(TowerStates { hidden, tokens })
        });
        states.collect()
    }

    /// What the head is told of each row, `[rows, width]`.
    fn conditions(&self, inputs: &Inputs) -> Option<Tensor<2>> {
        let RowValues { values, width } = inputs.conditions.as_ref()?;
        let values = TensorData::new(values.clone(), [inputs.rows(), *width]);
        Some(Tensor::from_data(values, &self.device()))
    }

    fn numbers(&self, numbers: &[u32]) -> Tensor<1, Int> {
        let numbers: Vec<i32> = numbers.iter().map(|&number| number as i32).collect();
        let count = numbers.len();
        Tensor::from_data(TensorData::new(numbers, [count]), &self.device())
    }

    fn batch(&self, tokens: &PackedTokens) -> TokenBatch {
        TokenBatch::new(tokens, self.encoder().config(), &self.device())
    }
}

/// Where tokens stand among `all`, which they are of; both ascend.
fn among(tokens: &[u32], all: &[u32]) -> Vec<u32> {
    let found = tokens
        .iter()
        .filter_map(|token| all.binary_search(token).ok());
    found.map(|at| at as u32).collect()
}

fn joined(mut parts: Vec<Tensor<2>>) -> Tensor<2> {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => Tensor::cat(parts, 0),
    }
}

#[cfg(test)]
mod tests;
