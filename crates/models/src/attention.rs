//! Multi-head attention of a sequence to itself.

use burn::module::Module;
use burn::tensor::Tensor;
use engraft_kernels::{
    Attention, CachedAttention, Disentangled, Mask, ScoreBias, Segments, attention,
    disentangled_attention,
};

use crate::batch::TokenBatch;
use crate::config::{Alibi, DistanceBias, Fusion, Relative, TransformerConfig};
use crate::encoder_attention::Source;
use crate::initial::Initial;
use crate::key_value_cache::LayerCache;
use crate::layers::{Embedding, Linear, Norm};
use crate::linears::walk;
use crate::mode::Mode;
use crate::relative::RelativePositions;
use crate::rotary::LayerAngles;

/// Multi-head attention of a sequence to itself.
#[derive(Module, Debug)]
pub struct SelfAttention {
    /// `hidden` to queries, keys and values of all heads.
    pub inputs: QueryKeyValue,
    /// The norm of each head's queries, where it has one.
    pub query_norm: Option<Norm>,
    /// The norm of each head's keys, where it has one.
    pub key_norm: Option<Norm>,
    /// Heads back to `hidden`.
    pub output: Linear,
    /// Distances to keys and queries, where they have projections of their own.
    pub distances: Option<DistanceProjections>,
    /// What is added to the scores of each bucket of distances, `[buckets, heads]`, where this layer has values of its own.
    pub buckets: Option<Embedding>,
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
    /// One for all, which lie side by side.
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
    angles: Option<LayerAngles>,
    /// Vectors of distances, `[2 * span, hidden]`.
    distances: Option<Tensor<2>>,
    /// What is added to the scores of each bucket of distances, `[buckets, heads]`, in layers that have no values of their own.
    buckets: Option<Tensor<2>>,
    bias: ScoreBias,
    /// What a decoder reads of its encoder.
    source: Option<Source<'a>>,
}

/// The same apart from what it was made of, for a pass that is computed once more.
pub(crate) struct KeptContext {
    batch: TokenBatch,
    config: TransformerConfig,
    angles: Option<LayerAngles>,
    bias: ScoreBias,
}

impl KeptContext {
    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            batch: &self.batch,
            config: &self.config,
            angles: self.angles.clone(),
            distances: None,
            buckets: None,
            bias: self.bias.clone(),
            source: None,
        }
    }
}

impl<'a> Context<'a> {
    /// The transformer's shape.
    pub(crate) fn config(&self) -> &TransformerConfig {
        self.config
    }

    /// Where the sequences begin and end.
    pub(crate) fn segments(&self) -> Segments {
        self.batch.segments.clone()
    }

    /// All of it but vectors and values of distances, whose gradients a pass that is computed again would lose.
    pub(crate) fn kept(&self) -> KeptContext {
        KeptContext {
            batch: self.batch.clone(),
            config: self.config.clone(),
            angles: self.angles.clone(),
            bias: self.bias.clone(),
        }
    }

    pub(crate) fn new(
        batch: &'a TokenBatch,
        config: &'a TransformerConfig,
        relative: Option<&RelativePositions>,
        frequencies: Option<&[f32]>,
    ) -> Self {
        let rotation = config.rotary.as_ref();
        Self {
            batch,
            config,
            angles: rotation.map(|rotation| LayerAngles::new(rotation, batch, frequencies)),
            distances: relative.map(RelativePositions::vectors),
            buckets: None,
            bias: score_bias(config),
            source: None,
        }
    }

    /// What a decoder reads of its encoder.
    pub(crate) fn source(&self) -> Option<Source<'a>> {
        self.source
    }

    /// The same with what a decoder reads of its encoder.
    pub(crate) fn with_source(self, source: Option<Source<'a>>) -> Self {
        Self { source, ..self }
    }

    /// The same with the values of distances that layers without their own share.
    pub(crate) fn with_buckets(self, table: Option<&Embedding>) -> Self {
        Self {
            buckets: table.map(|table| table.weight.val()),
            ..self
        }
    }
}

/// What is added to the scores.
fn score_bias(config: &TransformerConfig) -> ScoreBias {
    let slopes = || slopes(config.heads).into();
    match config.distance_bias {
        None => ScoreBias::None,
        Some(DistanceBias::Buckets(buckets)) => ScoreBias::Buckets(buckets.rule),
        Some(DistanceBias::Alibi(Alibi::AfterScale)) => ScoreBias::Alibi(slopes()),
        Some(DistanceBias::Alibi(Alibi::BeforeScale)) => ScoreBias::RoundedAlibi {
            slopes: slopes(),
            scale: config.scale(0),
        },
    }
}

/// ALiBi's slopes: powers of `2^(-8 / heads)`; where the heads are no power of two, those of the next smaller one and then every other one
/// of its double (Press et al., arXiv 2108.12409).
fn slopes(heads: usize) -> Vec<f32> {
    let powers = |count: usize| {
        let ratio = 2f64.powf(-8.0 / count as f64);
        (1..=count).map(move |power| ratio.powi(power as i32) as f32)
    };
    let below = if heads.is_power_of_two() {
        heads
    } else {
        heads.next_power_of_two() / 2
    };
    powers(below)
        .chain(powers(2 * below).step_by(2))
        .take(heads)
        .collect()
}

impl SelfAttention {
    pub(crate) fn new(config: &TransformerConfig, layer: usize, initial: &Initial) -> Self {
        let hidden = config.hidden;
        let linear = |shape, bias, part| {
            Linear::normal(shape, bias, config.initializer_range, &initial.at(part))
        };
        let input = |width, part| linear([hidden, width], config.attention_bias, part);
        let queries = config.heads * config.head_dim;
        let keys = config.key_value_heads * config.head_dim;
        let inputs = match config.fused_attention {
            Some(_) => QueryKeyValue::Fused(input(queries + 2 * keys, 0)),
            None => QueryKeyValue::Separate(Separate {
                query: input(queries, 0),
                key: input(keys, 1),
                value: input(keys, 2),
            }),
        };
        let norm = || {
            let norm = config.query_key_norm?;
            Some(Norm::new(config.head_dim, norm, initial))
        };
        let own = config.relative.filter(|relative| !relative.shared);
        Self {
            inputs,
            query_norm: norm(),
            key_norm: norm(),
            output: linear([queries, hidden], config.attention_output_bias, 3),
            distances: own.map(|relative| DistanceProjections {
                key: relative.content_to_position.then(|| input(hidden, 7)),
                query: relative.position_to_content.then(|| input(hidden, 8)),
            }),
            buckets: config.own_buckets(layer).map(|buckets| {
                let shape = [buckets, config.heads];
                Embedding::normal(shape, config.initializer_range, &initial.at(9))
            }),
            dropout: config.dropout.attention,
            relative: config.relative,
        }
    }

    /// `[tokens, hidden]` to the same; `pass` counts the layers gone through. With a cache, the tokens' keys and values are kept in it, and
    /// a sequence that goes on attends to those kept before.
    pub(crate) fn forward(
        &self,
        input: Tensor<2>,
        context: &Context<'_>,
        pass: usize,
        mode: Mode,
        cache: Option<LayerCache<'_>>,
    ) -> Tensor<2> {
        let config = context.config;
        let scale = config.scale(pass);
        let own = self.buckets.as_ref().map(|table| table.weight.val());
        let buckets = own.or_else(|| context.buckets.clone());
        let [mut query, mut key, value] = self.inputs.forward(input, config, mode);
        let segments = context.batch.segments.clone();
        let attended =
            if let (Some(relative), Some(distances)) = (self.relative, &context.distances) {
                let [position_key, position_query] =
                    self.position_vectors(distances.clone(), relative, context, mode);
                let call = Disentangled {
                    segments,
                    heads: config.heads,
                    scale,
                    span: relative.span,
                    buckets: relative.buckets,
                    dropout: mode.rate(self.dropout),
                };
                disentangled_attention(query, key, value, position_key, position_query, call)
            } else {
                let window = config.window(pass);
                query = normalise(self.query_norm.as_ref(), query, config.head_dim);
                key = normalise(self.key_norm.as_ref(), key, config.head_dim);
                if let Some(angles) = &context.angles
                    && config.rotates(pass)
                {
                    query = angles.rotate(query, config.heads, window.is_some());
                    key = angles.rotate(key, config.key_value_heads, window.is_some());
                }
                match cache {
                    Some(mut cache) if cache.continues() => {
                        let (keys, values) = cache.write(key, value);
                        let call = CachedAttention {
                            ranges: cache.visible(),
                            heads: config.heads,
                            key_value_heads: config.key_value_heads,
                            scale,
                            soft_cap: config.attention_soft_cap.map(|cap| cap as f32),
                            bias: context.bias.clone(),
                        };
                        engraft_kernels::cached_attention(query, keys, values, buckets, call)
                    }
                    cache => {
                        if let Some(mut cache) = cache {
                            cache.write(key.clone(), value.clone());
                        }
                        let mut call = Attention::new(segments, config.heads, scale);
                        call.key_value_heads = config.key_value_heads;
                        call.dropout = mode.rate(self.dropout);
                        call.window = window;
                        call.soft_cap = config.attention_soft_cap.map(|cap| cap as f32);
                        call.bias = context.bias.clone();
                        if config.causal {
                            call.mask = Mask::Causal;
                        }
                        attention(query, key, value, buckets, call)
                    }
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
}

walk!(SelfAttention: |attention, found| {
    let SelfAttention {
        inputs,
        output,
        distances,
        ..
    } = attention;
    match inputs {
        QueryKeyValue::Separate(Separate { query, key, value }) => {
            let inputs = [("query", query), ("key", key), ("value", value)];
            found.extend(inputs.map(|(part, linear)| (format!("inputs.{part}"), linear)));
        }
        QueryKeyValue::Fused(fused) => found.push(("inputs".to_owned(), fused)),
    }
    found.push(("output".to_owned(), output));
    if let Some(DistanceProjections { key, query }) = distances {
        let both = [("key", key), ("query", query)];
        let both = both.into_iter().flat_map(|(part, linear)| {
            linear.into_iter().map(move |linear| (format!("distances.{part}"), linear))
        });
        found.extend(both);
    }
});

/// Each head of `[tokens, heads * dim]` by itself.
fn normalise(norm: Option<&Norm>, states: Tensor<2>, dim: usize) -> Tensor<2> {
    let Some(norm) = norm else {
        return states;
    };
    let [tokens, width] = states.dims();
    let heads = states.reshape([tokens * (width / dim), dim]);
    norm.forward(heads).reshape([tokens, width])
}

impl QueryKeyValue {
    fn forward(&self, input: Tensor<2>, config: &TransformerConfig, mode: Mode) -> [Tensor<2>; 3] {
        match self {
            Self::Separate(separate) => [
                separate.query.forward(input.clone(), mode.at(1)),
                separate.key.forward(input.clone(), mode.at(2)),
                separate.value.forward(input, mode.at(3)),
            ],
            Self::Fused(fused) => {
                let all = fused.forward(input, mode.at(1));
                let [rows, width] = all.dims();
                let (groups, dim) = (config.key_value_heads, config.head_dim);
                let group = config.heads / groups;
                match config.fused_attention {
                    Some(Fusion::Groups) => {
                        let heads = all.reshape([rows, groups, width / groups]);
                        [0..group, group..group + 1, group + 1..group + 2].map(|part| {
                            let channels = part.start * dim..part.end * dim;
                            let wide = groups * channels.len();
                            let part = heads.clone().slice([0..rows, 0..groups, channels]);
                            part.reshape([rows, wide])
                        })
                    }
                    _ => {
                        let keys = groups * dim;
                        let queries = width - 2 * keys;
                        [0..queries, queries..queries + keys, queries + keys..width]
                            .map(|columns| all.clone().slice([0..rows, columns]))
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_powers_also_where_the_heads_are_no_power_of_two() {
        assert_eq!(slopes(4), [0.25, 0.0625, 0.015625, 0.00390625]);
        let six = slopes(6);
        assert_eq!(six[..4], slopes(4));
        assert_eq!(six[4..], [0.5, 0.125]);
    }
}
