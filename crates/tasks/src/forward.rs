//! Running a network: hidden states at the sites of a batch, through its head.

use burn::tensor::{Int, Tensor, TensorData};
use engraft_kernels::{ClassTargets, gather_rows, sum_squares};
use engraft_models::{HeadInput, Mode, PackedTokens, TokenBatch};

use crate::inputs::{Inputs, RowValues, Sites, TOKENS_AT_ONCE};
use crate::network::Network;
use crate::output::{Grain, RowOutput};

/// Hidden states on their way into the head.
struct Hidden {
    states: Tensor<2>,
    tokens: TokenBatch,
    is_pooled: bool,
    /// The tokens that are asked for, where the states are those of others too.
    sites: Option<Tensor<1, Int>>,
    conditions: Option<Tensor<2>>,
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
        let parts: Vec<Hidden> = match mode {
            Mode::Evaluate if !self.head().reads_rows() => {
                let parts = inputs.parts(TOKENS_AT_ONCE);
                parts.map(|part| self.hidden(&part, mode)).collect()
            }
            _ => vec![self.hidden(inputs, mode)],
        };
        let is_pooled = parts.iter().any(|part| part.is_pooled);
        let sites = parts.first().and_then(|part| part.sites.clone());
        let states = parts.into_iter().map(|part| part.states).collect();
        let nothing = PackedTokens::default();
        let input = HeadInput {
            hidden: joined(states),
            tokens: &self.batch(inputs.first().unwrap_or(&nothing)),
            is_pooled,
            towers: self.towers(),
            sites,
            conditions: self.conditions(inputs),
        };
        self.head().class_losses(input, targets, mode.at(1))
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
        let mut start = 0;
        let rows = (0..inputs.rows()).map(|row| {
            let several = match (grain, &inputs.sites) {
                (Grain::Row, _) => None,
                (_, Sites::Tokens { of_row, .. }) => Some(of_row[row]),
                (_, Sites::Whole) => inputs.first().map(|tokens| tokens.lengths[row]),
            };
            let end = start + several.unwrap_or(1) * width;
            let shape = several.map_or(vec![width], |several| vec![several, width]);
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
        self.encoder()
            .forward_seen(&tokens, mode.at(0), &mut |name, hidden| {
                if found.is_none() && !sum_squares(hidden.clone()).is_finite() {
                    found = Some(format!("the hidden states after {name}"));
                }
            });
        found
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
        let input = HeadInput {
            hidden: hidden.states,
            tokens: &hidden.tokens,
            is_pooled: hidden.is_pooled,
            towers: self.towers(),
            sites: hidden.sites,
            conditions: hidden.conditions,
        };
        self.head().forward(input, mode.at(1))
    }

    /// The hidden states that the head is computed from.
    fn hidden(&self, inputs: &Inputs, mode: Mode) -> Hidden {
        let nothing = PackedTokens::default();
        let packed = inputs.first().unwrap_or(&nothing);
        let tokens = self.batch(packed);
        let (mut states, is_pooled) = match &self.cached {
            Some(cached) => {
                let states = cached.forward(packed, &self.device());
                (states, cached.pooling().is_some())
            }
            None => (self.encoder().forward(&tokens, mode.at(0)), false),
        };
        let mut sites = None;
        // Where every token is asked for, all are there in order.
        if let Sites::Tokens { at, .. } = &inputs.sites
            && at.len() < packed.ids.len()
        {
            let rows: Vec<i32> = at.iter().map(|&row| row as i32).collect();
            let rows = TensorData::new(rows, [at.len()]);
            let rows = Tensor::<1, Int>::from_data(rows, &self.device());
            if self.head().reads_rows() {
                sites = Some(rows);
            } else {
                states = gather_rows(states, rows);
            }
        }
        Hidden {
            states,
            tokens,
            is_pooled,
            sites,
            conditions: self.conditions(inputs),
        }
    }

    /// What the head is told of each row, `[rows, width]`.
    fn conditions(&self, inputs: &Inputs) -> Option<Tensor<2>> {
        let RowValues { values, width } = inputs.conditions.as_ref()?;
        let values = TensorData::new(values.clone(), [inputs.rows(), *width]);
        Some(Tensor::from_data(values, &self.device()))
    }

    fn batch(&self, tokens: &PackedTokens) -> TokenBatch {
        TokenBatch::new(tokens, self.encoder().config(), &self.device())
    }
}

fn joined(mut parts: Vec<Tensor<2>>) -> Tensor<2> {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => Tensor::cat(parts, 0),
    }
}

#[cfg(test)]
mod tests;
