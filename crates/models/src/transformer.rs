//! The one transformer.
//!
//! Embeddings, then layers of attention and feed-forward, each added to its input and normalised after (Vaswani et al., arXiv 1706.03762;
//! BERT, arXiv 1810.04805) or before (Xiong et al., arXiv 2002.04745). A decoder is the same with attention that looks back alone; that of an
//! encoder-decoder attends to what its encoder has read as well.

use std::ops::Range;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use engraft_kernels::{gated, recomputed};

use crate::attention::{Context, SelfAttention};
use crate::batch::TokenBatch;
use crate::config::{
    Activation, EmbeddingProjection, FeedForwardKind, NormOrder, TransformerConfig,
};
use crate::convolution::TokenConvolution;
use crate::embeddings::Embeddings;
use crate::encoded_cache::EncodedCache;
use crate::encoder_attention::{Encoded, EncoderAttention, Source};
use crate::experts::ExpertLayer;
use crate::initial::Initial;
use crate::key_value_cache::{KeyValueCache, LayerCache};
use crate::layers::{Linear, Norm};
use crate::linears::{under, walk};
use crate::mode::Mode;
use crate::relative::RelativePositions;

/// An encoder or decoder: token ids to hidden states.
#[derive(Module, Debug)]
pub struct Transformer {
    /// Tokens to the first hidden states.
    pub embeddings: Embeddings,
    /// The distinct layers.
    pub layers: Vec<Layer>,
    /// What attention knows of distances, where they have vectors of their own.
    pub relative: Option<RelativePositions>,
    /// The convolution beside the first layer, where there is one.
    pub convolution: Option<TokenConvolution>,
    /// The norm after the last layer, where norms stand before attention and feed-forward.
    pub norm: Option<Norm>,
    /// The hidden states back to the width of the embeddings, where these are narrower (OPT).
    pub projection: Option<Linear>,
    /// The layer of each pass.
    #[module(skip)]
    passes: Vec<usize>,
    /// The angle from one position to the next of each pair of channels, where the checkpoint states it.
    #[module(skip)]
    frequencies: Option<Vec<f32>>,
    #[module(skip)]
    config: TransformerConfig,
}

/// What a decoder reads of its encoder while it writes.
#[derive(Debug)]
pub struct Kept<'a> {
    /// The keys and values of what was read.
    pub cache: &'a EncodedCache,
    /// The encoder's token embeddings, `[vocabulary, width]`, which a decoder without its own reads.
    pub table: Tensor<2>,
}

/// Attention and feed-forward.
#[derive(Module, Debug)]
pub struct Layer {
    /// Attention of the sequence to itself.
    pub attention: SelfAttention,
    /// Norm before or after attention.
    pub attention_norm: Option<Norm>,
    /// Norm after attention, where there is one before it too.
    pub attention_output_norm: Option<Norm>,
    /// Attention to the encoder, in the decoder of an encoder-decoder.
    pub encoder_attention: Option<EncoderAttention>,
    /// Norm before or after that.
    pub encoder_attention_norm: Option<Norm>,
    /// Norm after it, where there is one before it too.
    pub encoder_attention_output_norm: Option<Norm>,
    /// The feed-forward layer, or the experts in its place.
    pub feed_forward: FeedForwardLayer,
    /// Norm before or after feed-forward, where it has one of its own.
    pub feed_forward_norm: Option<Norm>,
    /// Norm after feed-forward, where there is one before it too.
    pub feed_forward_output_norm: Option<Norm>,
    #[module(skip)]
    order: NormOrder,
    #[module(skip)]
    residual_scale: Option<f64>,
    #[module(skip)]
    attention_dropout: f64,
    #[module(skip)]
    feed_forward_dropout: f64,
}

/// What follows attention.
// A few hundred bytes more in a layer are nothing beside its weights.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub enum FeedForwardLayer {
    /// One for all tokens.
    Dense(FeedForward),
    /// Experts, a few for each token.
    Experts(ExpertLayer),
}

/// Two linear layers with an activation between, which a third may gate.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `hidden` to the gate's `intermediate`, where it is a layer of its own.
    pub gate: Option<Linear>,
    /// `hidden` to `intermediate`; twice as wide if it is fused.
    pub up: Linear,
    /// `intermediate` to `hidden`.
    pub down: Linear,
    #[module(skip)]
    kind: FeedForwardKind,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    dropout: f64,
}

impl Transformer {
    /// A transformer with fresh weights.
    pub fn new(config: &TransformerConfig, initial: &Initial) -> Self {
        let layers = initial.at(1);
        Self {
            embeddings: Embeddings::new(config, &initial.at(0)),
            layers: (0..config.distinct_layers())
                .map(|layer| Layer::new(config, layer, &layers.at(layer as u64)))
                .collect(),
            relative: config
                .relative
                .map(|relative| RelativePositions::new(config, relative, &initial.at(2))),
            convolution: config.convolution.map(|convolution| {
                TokenConvolution::new(config, convolution, &initial.at(2).at(1))
            }),
            norm: config
                .ends_with_norm()
                .then(|| Norm::new(config.hidden, config.last_norm(), initial)),
            projection: (config.embedding.projection == Some(EmbeddingProjection::BeforePositions))
                .then(|| {
                    let shape = [config.hidden, config.embedding.width];
                    Linear::normal(shape, false, config.initializer_range, &initial.at(4))
                }),
            passes: config.passes(),
            frequencies: None,
            config: config.clone(),
        }
    }

    /// Takes rotations from a checkpoint that states them: published ones were rounded in training.
    pub(crate) fn set_frequencies(&mut self, frequencies: Option<Vec<f32>>) {
        self.frequencies = frequencies;
    }

    pub(crate) fn frequencies(&self) -> Option<&[f32]> {
        self.frequencies.as_deref()
    }

    /// Its shape.
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// The last layer's hidden states, `[tokens, output width]`.
    ///
    /// # Panics
    /// If it is the decoder of an encoder-decoder, which [`Self::forward_after`] is for.
    pub fn forward(&self, batch: &TokenBatch, mode: Mode) -> Tensor<2> {
        self.forward_seen(batch, None, mode, &mut |_, _| {})
    }

    /// As [`Self::forward`], of a decoder that is given what its encoder has read: a sequence for each of `batch`.
    pub fn forward_after(&self, batch: &TokenBatch, encoded: &Encoded, mode: Mode) -> Tensor<2> {
        self.forward_seen(batch, Some(encoded), mode, &mut |_, _| {})
    }

    /// As either; `see` is shown every layer's hidden states on the way, with the path of what gives them.
    pub fn forward_seen(
        &self,
        batch: &TokenBatch,
        encoded: Option<&Encoded>,
        mode: Mode,
        see: &mut dyn FnMut(&str, &Tensor<2>),
    ) -> Tensor<2> {
        let table = encoded.map(|encoded| encoded.table.clone());
        self.run(batch, table, encoded.map(Source::States), mode, see, None)
    }

    /// As [`Self::forward`] without dropout, keeping the tokens' keys and values in `cache`; sequence `i` of the batch is that of slot
    /// `slots[i]`, and goes on where the slot ends. A decoder that attends to an encoder is given what [`Self::keep_encoded`] has kept.
    ///
    /// # Panics
    /// If there are not as many slots as sequences, a sequence starts elsewhere than its slot ends, or one goes on and not every one has one token.
    pub fn forward_cached(
        &self,
        batch: &TokenBatch,
        slots: &[usize],
        cache: &mut KeyValueCache,
        encoded: Option<Kept<'_>>,
    ) -> Tensor<2> {
        assert_eq!(slots.len(), batch.starts.len(), "a slot for each sequence");
        for (&slot, &start) in slots.iter().zip(&batch.starts) {
            assert_eq!(start, cache.length(slot), "the slot's tokens");
        }
        let reading: Vec<(usize, usize)> = slots
            .iter()
            .copied()
            .zip(batch.segments.lengths())
            .collect();
        let seen = |kept: &Kept<'_>| -> Vec<Range<usize>> {
            let reading = reading.iter();
            let ranges = reading
                .flat_map(|&(slot, length)| std::iter::repeat_n(kept.cache.range(slot), length));
            ranges.collect()
        };
        let ranges = encoded.as_ref().map_or(Vec::new(), seen);
        cache.begin(reading);
        let source = encoded
            .as_ref()
            .map(|kept| Source::Kept(kept.cache, &ranges));
        let table = encoded.as_ref().map(|kept| kept.table.clone());
        let hidden = self.run(
            batch,
            table,
            source,
            Mode::Evaluate,
            &mut |_, _| {},
            Some(cache),
        );
        cache.end();
        hidden
    }

    /// Keeps the keys and values that the layers have of what the encoder has read: sequence `i` for slot `slots[i]`.
    ///
    /// # Panics
    /// If there are not as many slots as sequences.
    pub fn keep_encoded(&self, encoded: &Encoded, slots: &[usize], cache: &mut EncodedCache) {
        let lengths: Vec<usize> = encoded.segments.lengths().collect();
        assert_eq!(slots.len(), lengths.len(), "a slot for each sequence");
        let rows = cache.begin(slots, &lengths);
        for (pass, &layer) in self.passes.iter().enumerate() {
            if let Some(attention) = &self.layers[layer].encoder_attention {
                let hidden = encoded.hidden.clone();
                let new = attention.keys_and_values(hidden, Mode::Evaluate);
                cache.write(pass, &rows, new);
            }
        }
    }

    fn run(
        &self,
        batch: &TokenBatch,
        table: Option<Tensor<2>>,
        source: Option<Source<'_>>,
        mode: Mode,
        see: &mut dyn FnMut(&str, &Tensor<2>),
        mut cache: Option<&mut KeyValueCache>,
    ) -> Tensor<2> {
        let embedded = self.embeddings.forward(batch, table, mode.at(0));
        see("embeddings", &embedded);
        let frequencies = self.frequencies.as_deref();
        let first = self.layers.first();
        let buckets = first.and_then(|layer| layer.attention.buckets.as_ref());
        let context = Context::new(batch, &self.config, self.relative.as_ref(), frequencies)
            .with_buckets(buckets)
            .with_source(source);
        let kept = self.recomputes(mode).then(|| Arc::new(context.kept()));
        let mut hidden = embedded.clone();
        for (pass, &layer) in self.passes.iter().enumerate() {
            let mode = mode.at(1 + pass as u64);
            let cache = cache.as_mut().map(|cache| cache.layer(pass));
            let module = &self.layers[layer];
            hidden = match kept.clone() {
                Some(kept) => recomputed(module, hidden, move |module: &Layer, hidden| {
                    module.forward(hidden, &kept.context(), pass, mode, None)
                }),
                None => module.forward(hidden, &context, pass, mode, cache),
            };
            if let (0, Some(convolution)) = (pass, &self.convolution) {
                hidden = convolution.forward(embedded.clone(), hidden, batch, mode.at(9));
            }
            see(&format!("layers.{layer}"), &hidden);
        }
        if let Some(norm) = &self.norm {
            hidden = norm.forward(hidden);
            see("norm", &hidden);
        }
        hidden = mode
            .at(2 + self.passes.len() as u64)
            .dropout(hidden, self.config.dropout.output);
        if let Some(projection) = &self.projection {
            hidden = projection.forward(hidden, mode.at(1 + self.passes.len() as u64));
        }
        hidden
    }

    /// Whether the layers' activations are computed once more in the backward pass.
    fn recomputes(&self, mode: Mode) -> bool {
        self.config.recomputes && matches!(mode, Mode::Train(_))
    }
}

walk!(Transformer: |transformer, found| {
    let Transformer {
        embeddings,
        layers,
        projection,
        ..
    } = transformer;
    let Embeddings { projection: narrow, structures, .. } = embeddings;
    found.extend(structures.into_iter().map(|linear| ("embeddings.structures".to_owned(), linear)));
    found.extend(narrow.into_iter().map(|linear| ("embeddings.projection".to_owned(), linear)));
    for (layer, number) in layers.into_iter().zip(0..) {
        let Layer {
            attention,
            encoder_attention,
            feed_forward,
            ..
        } = layer;
        let mut layer: Vec<_> = under("attention", attention.linears()).collect();
        if let Some(attention) = encoder_attention {
            layer.extend(under("encoder_attention", attention.linears()));
        }
        layer.extend(under("feed_forward", feed_forward.linears()));
        found.extend(under(format!("layers.{number}"), layer));
    }
    found.extend(projection.into_iter().map(|linear| ("projection".to_owned(), linear)));
});

impl Layer {
    pub(crate) fn new(config: &TransformerConfig, number: usize, initial: &Initial) -> Self {
        let norm = || Norm::new(config.hidden, config.norm, initial);
        let skips_norm = config.order == NormOrder::Pre { skips_first: true } && number == 0;
        let shares_norm = config.order == NormOrder::Parallel { shared: true };
        let both = config.order == NormOrder::Both;
        Self {
            attention: SelfAttention::new(config, number, initial),
            attention_norm: (!skips_norm).then(norm),
            attention_output_norm: both.then(norm),
            encoder_attention: config
                .cross_attention
                .map(|width| EncoderAttention::new(config, width, &initial.at(10))),
            encoder_attention_norm: config.cross_attention.map(|_| norm()),
            encoder_attention_output_norm: config.cross_attention.and_then(|_| both.then(norm)),
            feed_forward: match config.experts(number) {
                Some(experts) => {
                    FeedForwardLayer::Experts(ExpertLayer::new(config, experts, initial))
                }
                None => FeedForwardLayer::Dense(FeedForward::new(config, initial)),
            },
            feed_forward_norm: (!shares_norm).then(norm),
            feed_forward_output_norm: both.then(norm),
            order: config.order,
            residual_scale: config.residual_scale,
            attention_dropout: config.dropout.attention_output,
            feed_forward_dropout: config.dropout.feed_forward_output,
        }
    }

    /// `[tokens, hidden]` to the same; `pass` counts the layers gone through.
    pub(crate) fn forward(
        &self,
        input: Tensor<2>,
        context: &Context<'_>,
        pass: usize,
        mode: Mode,
        cache: Option<LayerCache<'_>>,
    ) -> Tensor<2> {
        let attend = |states| {
            let attention = &self.attention;
            let attended = attention.forward(states, context, pass, mode.at(0), cache);
            let attended = normalised(&self.attention_output_norm, attended);
            mode.at(1).dropout(attended, self.attention_dropout)
        };
        let feed = |states| {
            let fed = match &self.feed_forward {
                FeedForwardLayer::Dense(layer) => layer.forward(states, mode),
                FeedForwardLayer::Experts(layer) => layer.forward(states, mode),
            };
            let fed = normalised(&self.feed_forward_output_norm, fed);
            mode.at(2).dropout(fed, self.feed_forward_dropout)
        };
        let (attention_norm, feed_forward_norm) = (&self.attention_norm, &self.feed_forward_norm);
        match self.order {
            NormOrder::Post => {
                let hidden = normalised(attention_norm, input.clone() + attend(input));
                let hidden = self.attended_to_encoder(hidden, context, pass, mode);
                normalised(feed_forward_norm, hidden.clone() + feed(hidden))
            }
            NormOrder::Pre { .. } | NormOrder::Both => {
                let hidden = input.clone() + attend(normalised(attention_norm, input));
                let hidden = self.attended_to_encoder(hidden, context, pass, mode);
                hidden.clone() + feed(normalised(feed_forward_norm, hidden))
            }
            NormOrder::PreResidual => {
                let input = normalised(attention_norm, input);
                let residual = self.scaled(input.clone());
                let hidden = normalised(feed_forward_norm, residual + attend(input));
                self.scaled(hidden.clone()) + feed(hidden)
            }
            NormOrder::Parallel { shared } => {
                let first = normalised(attention_norm, input.clone());
                let second = if shared {
                    first.clone()
                } else {
                    normalised(feed_forward_norm, input.clone())
                };
                input + attend(first) + feed(second)
            }
        }
    }

    /// The states with what attention to the encoder adds, where there is such attention.
    fn attended_to_encoder(
        &self,
        hidden: Tensor<2>,
        context: &Context<'_>,
        pass: usize,
        mode: Mode,
    ) -> Tensor<2> {
        let Some(attention) = &self.encoder_attention else {
            return hidden;
        };
        let Some(source) = context.source() else {
            unreachable!("a decoder that attends to an encoder, of which it is given nothing")
        };
        let attend = |states| {
            let attended = attention.forward(states, source, context, pass, mode.at(7));
            let attended = normalised(&self.encoder_attention_output_norm, attended);
            mode.at(8).dropout(attended, self.attention_dropout)
        };
        let norm = &self.encoder_attention_norm;
        match self.order {
            NormOrder::Post => normalised(norm, hidden.clone() + attend(hidden)),
            _ => hidden.clone() + attend(normalised(norm, hidden)),
        }
    }

    /// The states that attention or feed-forward is added to, times their factor.
    fn scaled(&self, states: Tensor<2>) -> Tensor<2> {
        match self.residual_scale {
            Some(scale) => states * scale as f32,
            None => states,
        }
    }
}

impl FeedForwardKind {
    /// Gate and what it gates, of a linear layer that gives both side by side.
    pub(crate) fn halves(self, both: Tensor<2>) -> [Tensor<2>; 2] {
        let [rows, width] = both.dims();
        let half = width / 2;
        let first = both.clone().slice([0..rows, 0..half]);
        let second = both.slice([0..rows, half..width]);
        match self {
            Self::GatedFusedLast => [second, first],
            Self::Plain | Self::Gated | Self::GatedFused => [first, second],
        }
    }
}

fn normalised(norm: &Option<Norm>, states: Tensor<2>) -> Tensor<2> {
    match norm {
        Some(norm) => norm.forward(states),
        None => states,
    }
}

// Those of experts are listed by `expert_linears`.
walk!(FeedForwardLayer: |layer, found| {
    match layer {
        FeedForwardLayer::Dense(dense) => found.extend(dense.linears()),
        FeedForwardLayer::Experts(ExpertLayer { router, .. }) => {
            found.push(("router".to_owned(), router));
        }
    }
});

walk!(FeedForward: |layer, found| {
    let FeedForward { gate, up, down, .. } = layer;
    found.extend(gate.into_iter().map(|gate| ("gate".to_owned(), gate)));
    found.extend([("up".to_owned(), up), ("down".to_owned(), down)]);
});

impl FeedForward {
    fn new(config: &TransformerConfig, initial: &Initial) -> Self {
        let linear = |input, output, part| {
            Linear::normal(
                [input, output],
                config.feed_forward_bias,
                config.initializer_range,
                &initial.at(part),
            )
        };
        let (hidden, inner) = (config.hidden, config.intermediate);
        let up = match config.feed_forward {
            FeedForwardKind::GatedFused | FeedForwardKind::GatedFusedLast => 2 * inner,
            _ => inner,
        };
        Self {
            gate: (config.feed_forward == FeedForwardKind::Gated).then(|| linear(hidden, inner, 6)),
            up: linear(hidden, up, 4),
            down: linear(inner, hidden, 5),
            kind: config.feed_forward,
            activation: config.activation,
            dropout: config.dropout.feed_forward,
        }
    }

    /// Draws under parts 3 to 6 of `mode`, which is its layer's.
    fn forward(&self, input: Tensor<2>, mode: Mode) -> Tensor<2> {
        let inner = match (&self.gate, self.kind) {
            (Some(gate), _) => {
                let gate = gate.forward(input.clone(), mode.at(6));
                self.gate(gate, self.up.forward(input, mode.at(3)))
            }
            (None, FeedForwardKind::GatedFused | FeedForwardKind::GatedFusedLast) => {
                let [gate, up] = self.kind.halves(self.up.forward(input, mode.at(3)));
                self.gate(gate, up)
            }
            (None, _) => self.activation.apply(self.up.forward(input, mode.at(3))),
        };
        self.down
            .forward(mode.at(5).dropout(inner, self.dropout), mode.at(4))
    }

    fn gate(&self, gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
        match self.activation.gate() {
            Some(activation) => gated(gate, up, activation),
            None => self.activation.apply(gate) * up,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use engraft_kernels::Key;

    use super::*;
    use crate::config::{Fusion, Relative};
    use crate::linears::Linears;
    use crate::names::parameters;

    /// Shapes that together have every linear layer there is.
    fn shapes() -> Vec<TransformerConfig> {
        let plain = TransformerConfig::bert(9, 8, 2, 2);
        let mut fused = plain.clone();
        fused.fused_attention = Some(Fusion::Blocks);
        fused.feed_forward = FeedForwardKind::GatedFused;
        let mut gated = plain.clone();
        gated.feed_forward = FeedForwardKind::Gated;
        gated.embedding.width = 4;
        gated.embedding.projection = Some(EmbeddingProjection::AfterNorm);
        gated.embedding.structures = Some(5);
        let mut distances = plain.clone();
        distances.relative = Some(Relative {
            span: 3,
            buckets: None,
            content_to_position: true,
            position_to_content: true,
            shared: false,
            norm: true,
        });
        let mut decoder = plain.clone();
        decoder.cross_attention = Some(6);
        let mut projected = plain.clone();
        projected.embedding.width = 4;
        projected.embedding.projection = Some(EmbeddingProjection::BeforePositions);
        vec![plain, fused, gated, distances, decoder, projected]
    }

    #[test]
    fn every_linear_layer_is_listed_once_and_can_be_changed() {
        for config in shapes() {
            let initial = Initial {
                device: Device::flex(),
                key: Key::new(1),
            };
            let mut transformer = Transformer::new(&config, &initial);
            let mut weights: Vec<String> = parameters(&transformer)
                .into_iter()
                .filter(|(_, shape, _)| shape.len() == 2)
                .filter_map(|(path, _, _)| path.strip_suffix(".weight").map(str::to_owned))
                .filter(|path| !matches!(path.as_str(), "embeddings.tokens" | "relative.table"))
                .collect();
            let paths = |listed: Vec<(String, &Linear)>| -> Vec<String> {
                listed.into_iter().map(|(path, _)| path).collect()
            };
            let mut listed = paths(transformer.linears());
            let changed: Vec<String> = (&mut transformer)
                .linears()
                .into_iter()
                .map(|(path, _)| path)
                .collect();
            assert_eq!(listed, changed);
            listed.sort();
            weights.sort();
            assert_eq!(listed, weights);
        }
    }
}
