//! A decoder's attention to its encoder: the queries are the decoder's, keys and values the encoder's (Vaswani et al., arXiv 1706.03762).

use std::ops::Range;

use burn::module::Module;
use burn::tensor::Tensor;
use engraft_kernels::{Attention, CachedAttention, ScoreBias, Segments, attention};

use crate::attention::Context;
use crate::batch::TokenBatch;
use crate::config::TransformerConfig;
use crate::encoded_cache::EncodedCache;
use crate::initial::Initial;
use crate::layers::Linear;
use crate::linears::walk;
use crate::mode::Mode;
use crate::transformer::Transformer;

/// What a decoder is given of its encoder.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The encoder's hidden states, `[tokens, width]`.
    pub hidden: Tensor<2>,
    /// Where its sequences begin and end; as many as the decoder reads.
    pub segments: Segments,
    /// The encoder's token embeddings, `[vocabulary, width]`, which a decoder without its own reads.
    pub(crate) table: Tensor<2>,
}

impl Encoded {
    /// The hidden states `[tokens, width]` that `encoder` has of `batch`.
    ///
    /// # Panics
    /// If it is a decoder without token embeddings of its own.
    pub fn of(encoder: &Transformer, hidden: Tensor<2>, batch: &TokenBatch) -> Self {
        Self {
            hidden,
            segments: batch.segments.clone(),
            table: encoder.embeddings.table(),
        }
    }
}

/// What the attention of each layer reads of the encoder.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// Its hidden states, which are projected anew.
    States(&'a Encoded),
    /// Keys and values that were projected before: which rows of them each of the decoder's tokens sees.
    Kept(&'a EncodedCache, &'a [Range<usize>]),
}

/// Multi-head attention of a decoder to its encoder's states.
#[derive(Module, Debug)]
pub struct EncoderAttention {
    /// `hidden` to queries.
    pub query: Linear,
    /// The encoder's width to keys.
    pub key: Linear,
    /// The encoder's width to values.
    pub value: Linear,
    /// Heads back to `hidden`.
    pub output: Linear,
    #[module(skip)]
    dropout: f64,
}

impl EncoderAttention {
    pub(crate) fn new(config: &TransformerConfig, width: usize, initial: &Initial) -> Self {
        let linear = |shape, bias, part| {
            Linear::normal(shape, bias, config.initializer_range, &initial.at(part))
        };
        let queries = config.heads * config.head_dim;
        let keys = config.key_value_heads * config.head_dim;
        let bias = config.attention_bias;
        Self {
            query: linear([config.hidden, queries], bias, 0),
            key: linear([width, keys], bias, 1),
            value: linear([width, keys], bias, 2),
            output: linear([queries, config.hidden], config.attention_output_bias, 3),
            dropout: config.dropout.attention,
        }
    }

    /// The encoder's hidden states `[tokens, width]` as keys and values, `[tokens, key/value heads * dim]` each.
    pub(crate) fn keys_and_values(&self, hidden: Tensor<2>, mode: Mode) -> [Tensor<2>; 2] {
        [
            self.key.forward(hidden.clone(), mode.at(2)),
            self.value.forward(hidden, mode.at(3)),
        ]
    }

    /// `[tokens, hidden]` to the same; `pass` counts the layers gone through. Nothing is added to the scores: positions of two sequences
    /// have no distance.
    pub(crate) fn forward(
        &self,
        input: Tensor<2>,
        source: Source<'_>,
        context: &Context<'_>,
        pass: usize,
        mode: Mode,
    ) -> Tensor<2> {
        let config = context.config();
        let query = self.query.forward(input, mode.at(1));
        let soft_cap = config.attention_soft_cap.map(|cap| cap as f32);
        let scale = config.scale(pass);
        let attended = match source {
            Source::States(encoded) => {
                let [key, value] = self.keys_and_values(encoded.hidden.clone(), mode);
                let call = Attention {
                    key_segments: encoded.segments.clone(),
                    key_value_heads: config.key_value_heads,
                    dropout: mode.rate(self.dropout),
                    soft_cap,
                    ..Attention::new(context.segments(), config.heads, scale)
                };
                attention(query, key, value, None, call)
            }
            Source::Kept(cache, ranges) => {
                let [keys, values] = cache.layer(pass);
                let call = CachedAttention {
                    ranges: ranges.to_vec(),
                    heads: config.heads,
                    key_value_heads: config.key_value_heads,
                    scale,
                    soft_cap,
                    bias: ScoreBias::None,
                };
                engraft_kernels::cached_attention(query, keys, values, None, call)
            }
        };
        self.output.forward(attended, mode.at(4))
    }
}

walk!(EncoderAttention: |attention, found| {
    let EncoderAttention { query, key, value, output, .. } = attention;
    let all = [("query", query), ("key", key), ("value", value), ("output", output)];
    found.extend(all.map(|(part, linear)| (part.to_owned(), linear)));
});
