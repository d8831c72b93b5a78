//! Multi-head attention of a sequence to itself.

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use engraft_kernels::{
    Attention, Disentangled, RotaryLayout, attention, disentangled_attention, gather_rows, rotary,
};

use crate::batch::TokenBatch;
use crate::config::{Relative, TransformerConfig};
use crate::initial::Initial;
use crate::layers::Linear;
use crate::mode::Mode;
use crate::relative::RelativePositions;

/// Multi-head attention of a sequence to itself.
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// `hidden` to queries, keys and values of all heads.
    pub inputs: QueryKeyValue,
    /// Heads back to `hidden`.
    pub output: Linear,
    /// Distances to keys and queries, where they have projections of their own.
    pub distances: Option<DistanceProjections>,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    dropout: f64,
    #[module(skip)]
    relative: Option<Relative>,
}

/// The linear layers before attention.
// A few hundred bytes more in a layer are nothing beside its weights.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub enum QueryKeyValue {
    /// One each.
    Separate(Separate),
    /// One for all: queries, keys and values side by side.
    Fused(Linear),
}

/// The linear layers before attention, one each.
#[derive(Module, Debug)]
pub struct Separate {
    /// `hidden` to queries.
    pub query: Linear,
    /// `hidden` to keys.
    pub key: Linear,
    /// `hidden` to values.
    pub value: Linear,
}

/// DeBERTa-v2's layers from vectors of distances to keys and queries.
#[derive(Module, Debug)]
pub struct DistanceProjections {
    /// `hidden` to keys, if contents attend to positions.
    pub key: Option<Linear>,
    /// `hidden` to queries, if positions attend to contents.
    pub query: Option<Linear>,
}

/// What all layers of a forward pass share.
pub(crate) struct Context<'a> {
    batch: &'a TokenBatch,
    config: &'a TransformerConfig,
    /// Angles where attention sees everything, and where it has a window.
    angles: Option<[Angles; 2]>,
    /// Vectors of distances, `[2 * span, hidden]`.
    distances: Option<Tensor<2>>,
}

/// Cosines and sines of each token's rotations, `[tokens, rotary dim / 2]`.
#[derive(Clone)]
struct Angles {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        batch: &'a TokenBatch,
        config: &'a TransformerConfig,
        relative: Option<&RelativePositions>,
        frequencies: Option<&[f32]>,
    ) -> Self {
        let angles = config.rotary.map(|rotary| {
            let longest = batch.segments.iter().map(|range| range.len()).max();
            let count = longest.unwrap_or(0);
            let angles = |theta| {
                let computed = || rotary.frequencies(theta);
                let frequencies = frequencies.map_or_else(computed, <[f32]>::to_vec);
                Angles::new(count, &frequencies, batch.positions.clone())
            };
            let everywhere = angles(rotary.theta);
            let local = match rotary.local_theta == rotary.theta {
                true => everywhere.clone(),
                false => angles(rotary.local_theta),
            };
            [everywhere, local]
        });
        Self {
            batch,
            config,
            angles,
            distances: relative.map(RelativePositions::vectors),
        }
    }
}

impl Angles {
    /// Those of `positions`, all below `count`, for pairs of channels of these frequencies.
    fn new(count: usize, frequencies: &[f32], positions: Tensor<1, Int>) -> Self {
        let half = frequencies.len();
        // The references compute the angle in single precision before taking its cosine.
        let angles = || {
            let of = |position: usize| frequencies.iter().map(move |rate| position as f32 * rate);
            (0..count).flat_map(of)
        };
        let device = positions.device();
        let table = |values: Vec<f32>| {
            let table = Tensor::<2>::from_data(TensorData::new(values, [count, half]), &device);
            gather_rows(table, positions.clone())
        };
        Self {
            cos: table(angles().map(f32::cos).collect()),
            sin: table(angles().map(f32::sin).collect()),
        }
    }
}

impl SelfAttention {
    pub(crate) fn new(config: &TransformerConfig, initial: &Initial) -> Self {
        let hidden = config.hidden;
        let linear = |width, part| {
            Linear::normal(
                [hidden, width],
                config.attention_bias,
                config.initializer_range,
                &initial.at(part),
            )
        };
        let inputs = if config.fused_attention {
            QueryKeyValue::Fused(linear(3 * hidden, 0))
        } else {
            QueryKeyValue::Separate(Separate {
                query: linear(hidden, 0),
                key: linear(hidden, 1),
                value: linear(hidden, 2),
            })
        };
        let own = config.relative.filter(|relative| !relative.shared);
        Self {
            inputs,
            output: linear(hidden, 3),
            distances: own.map(|relative| DistanceProjections {
                key: relative.content_to_position.then(|| linear(hidden, 7)),
                query: relative.position_to_content.then(|| linear(hidden, 8)),
            }),
            heads: config.heads,
            dropout: config.dropout.attention,
            relative: config.relative,
        }
    }

    /// `[tokens, hidden]` to the same; `pass` counts the layers gone through.
    pub(crate) fn forward(
        &self,
        input: Tensor<2>,
        context: &Context<'_>,
        pass: usize,
        mode: Mode,
    ) -> Tensor<2> {
        let [mut query, mut key, value] = self.inputs.forward(input, mode);
        let dim = query.dims()[1] / self.heads;
        let scale = 1.0 / ((dim * context.config.score_terms) as f32).sqrt();
        let segments = context.batch.segments.clone();
        let attended = match (self.relative, &context.distances) {
            (Some(relative), Some(distances)) => {
                let [position_key, position_query] =
                    self.position_vectors(distances.clone(), relative, context, mode);
                let call = Disentangled {
                    segments,
                    heads: self.heads,
                    scale,
                    span: relative.span,
                    buckets: relative.buckets,
                    dropout: mode.rate(self.dropout),
                };
                disentangled_attention(query, key, value, position_key, position_query, call)
            }
            _ => {
                let mut call = Attention::new(segments, self.heads, scale);
                call.dropout = mode.rate(self.dropout);
                call.window = context.config.window(pass);
                if let Some([everywhere, local]) = &context.angles {
                    let angles = call.window.map_or(everywhere, |_| local);
                    query = angles.rotate(query, self.heads);
                    key = angles.rotate(key, self.heads);
                }
                attention(query, key, value, None, call)
            }
        };
        self.output.forward(attended, mode.at(4))
    }

    /// The keys and queries that distances have.
    fn position_vectors(
        &self,
        distances: Tensor<2>,
        relative: Relative,
        context: &Context<'_>,
        mode: Mode,
    ) -> [Option<Tensor<2>>; 2] {
        let mode = mode.at(5);
        let distances = mode.dropout(distances, context.config.dropout.attention_output);
        let project = |linear: &Linear, part| linear.forward(distances.clone(), mode.at(part));
        let (key, query) = match (&self.distances, &self.inputs) {
            (Some(own), _) => (own.key.as_ref(), own.query.as_ref()),
            (None, QueryKeyValue::Separate(shared)) => (Some(&shared.key), Some(&shared.query)),
            (None, QueryKeyValue::Fused(_)) => (None, None),
        };
        [
            key.filter(|_| relative.content_to_position)
                .map(|key| project(key, 1)),
            query
                .filter(|_| relative.position_to_content)
                .map(|query| project(query, 2)),
        ]
    }

    pub(crate) fn linears(&self) -> Vec<(&'static str, &Linear)> {
        let mut found = match &self.inputs {
            QueryKeyValue::Separate(separate) => vec![
                ("attention.inputs.query", &separate.query),
                ("attention.inputs.key", &separate.key),
                ("attention.inputs.value", &separate.value),
            ],
            QueryKeyValue::Fused(fused) => vec![("attention.inputs", fused)],
        };
        found.push(("attention.output", &self.output));
        if let Some(distances) = &self.distances {
            let key = distances.key.iter();
            found.extend(key.map(|key| ("attention.distances.key", key)));
            let query = distances.query.iter();
            found.extend(query.map(|query| ("attention.distances.query", query)));
        }
        found
    }

    pub(crate) fn linears_mut(&mut self) -> Vec<(&'static str, &mut Linear)> {
        let mut found = match &mut self.inputs {
            QueryKeyValue::Separate(separate) => vec![
                ("attention.inputs.query", &mut separate.query),
                ("attention.inputs.key", &mut separate.key),
                ("attention.inputs.value", &mut separate.value),
            ],
            QueryKeyValue::Fused(fused) => vec![("attention.inputs", fused)],
        };
        found.push(("attention.output", &mut self.output));
        if let Some(distances) = &mut self.distances {
            let key = distances.key.iter_mut();
            found.extend(key.map(|key| ("attention.distances.key", key)));
            let query = distances.query.iter_mut();
            found.extend(query.map(|query| ("attention.distances.query", query)));
        }
        found
    }
}

impl Angles {
    fn rotate(&self, input: Tensor<2>, heads: usize) -> Tensor<2> {
        let (cos, sin) = (self.cos.clone(), self.sin.clone());
        rotary(input, cos, sin, heads, RotaryLayout::Halves)
    }
}

impl QueryKeyValue {
    fn forward(&self, input: Tensor<2>, mode: Mode) -> [Tensor<2>; 3] {
        match self {
            Self::Separate(separate) => [
                separate.query.forward(input.clone(), mode.at(1)),
                separate.key.forward(input.clone(), mode.at(2)),
                separate.value.forward(input, mode.at(3)),
            ],
            Self::Fused(fused) => {
                let all = fused.forward(input, mode.at(1));
                let [rows, width] = all.dims();
                let third = width / 3;
                [0, 1, 2].map(|part| {
                    let columns = part * third..(part + 1) * third;
                    all.clone().slice([0..rows, columns])
                })
            }
        }
    }
}
