//! The one transformer.
//!
//! Embeddings, then layers of attention and feed-forward, each added to its input and normalised after (Vaswani et al., arXiv 1706.03762;
//! BERT, arXiv 1810.04805) or before (Xiong et al., arXiv 2002.04745).

use burn::module::Module;
use burn::tensor::Tensor;
use engraft_kernels::{GateActivation, Gelu, gated};

use crate::attention::{Context, SelfAttention};
use crate::batch::TokenBatch;
use crate::config::{Activation, FeedForwardKind, NormOrder, TransformerConfig};
use crate::convolution::TokenConvolution;
use crate::embeddings::Embeddings;
use crate::initial::Initial;
use crate::layers::{Linear, Norm};
use crate::mode::Mode;
use crate::relative::RelativePositions;

/// An encoder: token ids to hidden states.
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
    /// The layer of each pass.
    #[module(skip)]
    passes: Vec<usize>,
    /// The angle from one position to the next of each pair of channels, where the checkpoint states it.
    #[module(skip)]
    frequencies: Option<Vec<f32>>,
    #[module(skip)]
    config: TransformerConfig,
}

/// Attention and feed-forward.
#[derive(Module, Debug)]
pub struct Layer {
    /// Attention of the sequence to itself.
    pub attention: SelfAttention,
    /// Norm before or after attention.
    pub attention_norm: Option<Norm>,
    /// The feed-forward layer.
    pub feed_forward: FeedForward,
    /// Norm before or after feed-forward.
    pub feed_forward_norm: Norm,
    #[module(skip)]
    order: NormOrder,
    #[module(skip)]
    attention_dropout: f64,
    #[module(skip)]
    feed_forward_dropout: f64,
}

/// Two linear layers with an activation between, which a third may gate.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `hidden` to the gate's `intermediate`, where it is a layer of its own.
    pub gate: Option<Linear>,
    /// `hidden` to `intermediate`; twice as wide, gate first, if it is fused.
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
            norm: matches!(config.order, NormOrder::Pre { .. })
                .then(|| Norm::new(config.hidden, config.norm, initial)),
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

    /// The last layer's hidden states, `[tokens, hidden]`.
    pub fn forward(&self, batch: &TokenBatch, mode: Mode) -> Tensor<2> {
        self.forward_seen(batch, mode, &mut |_, _| {})
    }

    /// As [`Self::forward`]; `see` is shown every layer's hidden states on the way, with the path of what gives them.
    pub fn forward_seen(
        &self,
        batch: &TokenBatch,
        mode: Mode,
        see: &mut dyn FnMut(&str, &Tensor<2>),
    ) -> Tensor<2> {
        let embedded = self.embeddings.forward(batch, mode.at(0));
        see("encoder.embeddings", &embedded);
        let frequencies = self.frequencies.as_deref();
        let context = Context::new(batch, &self.config, self.relative.as_ref(), frequencies);
        let mut hidden = embedded.clone();
        for (pass, &layer) in self.passes.iter().enumerate() {
            let mode = mode.at(1 + pass as u64);
            hidden = self.layers[layer].forward(hidden, &context, pass, mode);
            if let (0, Some(convolution)) = (pass, &self.convolution) {
                hidden = convolution.forward(embedded.clone(), hidden, batch, mode.at(9));
            }
            see(&format!("encoder.layers.{layer}"), &hidden);
        }
        if let Some(norm) = &self.norm {
            hidden = norm.forward(hidden);
            see("encoder.norm", &hidden);
        }
        hidden
    }

    /// Every linear layer with its path, in the order of the fields.
    pub(crate) fn linears(&self) -> Vec<(String, &Linear)> {
        let mut found: Vec<(String, &Linear)> = Vec::new();
        let projection = self.embeddings.projection.iter();
        found.extend(projection.map(|linear| ("embeddings.projection".to_owned(), linear)));
        for (layer, number) in self.layers.iter().zip(0..) {
            let parts = layer.attention.linears().into_iter();
            let parts = parts.chain(layer.feed_forward.linears());
            found.extend(parts.map(|(part, linear)| (format!("layers.{number}.{part}"), linear)));
        }
        found
    }

    /// As [`Self::linears`], to change them.
    pub(crate) fn linears_mut(&mut self) -> Vec<(String, &mut Linear)> {
        let mut found: Vec<(String, &mut Linear)> = Vec::new();
        let projection = self.embeddings.projection.iter_mut();
        found.extend(projection.map(|linear| ("embeddings.projection".to_owned(), linear)));
        for (layer, number) in self.layers.iter_mut().zip(0..) {
            let parts = layer.attention.linears_mut().into_iter();
            let parts = parts.chain(layer.feed_forward.linears_mut());
            found.extend(parts.map(|(part, linear)| (format!("layers.{number}.{part}"), linear)));
        }
        found
    }
}

impl Layer {
    fn new(config: &TransformerConfig, number: usize, initial: &Initial) -> Self {
        let norm = || Norm::new(config.hidden, config.norm, initial);
        let skips_norm = config.order == NormOrder::Pre { skips_first: true } && number == 0;
        Self {
            attention: SelfAttention::new(config, initial),
            attention_norm: (!skips_norm).then(norm),
            feed_forward: FeedForward::new(config, initial),
            feed_forward_norm: norm(),
            order: config.order,
            attention_dropout: config.dropout.attention_output,
            feed_forward_dropout: config.dropout.feed_forward_output,
        }
    }

    fn forward(
        &self,
        input: Tensor<2>,
        context: &Context<'_>,
        pass: usize,
        mode: Mode,
    ) -> Tensor<2> {
        let attend = |states| {
            let attended = self.attention.forward(states, context, pass, mode.at(0));
            mode.at(1).dropout(attended, self.attention_dropout)
        };
        let feed = |states| {
            let fed = self.feed_forward.forward(states, mode);
            mode.at(2).dropout(fed, self.feed_forward_dropout)
        };
        let normalise = |states| match &self.attention_norm {
            Some(norm) => norm.forward(states),
            None => states,
        };
        match self.order {
            NormOrder::Post => {
                let hidden = normalise(input.clone() + attend(input));
                self.feed_forward_norm
                    .forward(hidden.clone() + feed(hidden))
            }
            NormOrder::Pre { .. } => {
                let hidden = input.clone() + attend(normalise(input));
                hidden.clone() + feed(self.feed_forward_norm.forward(hidden))
            }
        }
    }
}

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
            FeedForwardKind::GatedFused => 2 * inner,
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
            (None, FeedForwardKind::GatedFused) => {
                let both = self.up.forward(input, mode.at(3));
                let [rows, width] = both.dims();
                let half = width / 2;
                self.gate(
                    both.clone().slice([0..rows, 0..half]),
                    both.slice([0..rows, half..width]),
                )
            }
            (None, _) => self.activation.apply(self.up.forward(input, mode.at(3))),
        };
        self.down
            .forward(mode.at(5).dropout(inner, self.dropout), mode.at(4))
    }

    fn gate(&self, gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
        match self.activation {
            Activation::Silu => gated(gate, up, GateActivation::Silu),
            Activation::Gelu => gated(gate, up, GateActivation::Gelu(Gelu::Exact)),
            Activation::GeluTanh => gated(gate, up, GateActivation::Gelu(Gelu::Tanh)),
            Activation::Relu | Activation::Tanh => self.activation.apply(gate) * up,
        }
    }

    fn linears(&self) -> Vec<(&'static str, &Linear)> {
        let gate = self.gate.iter().map(|gate| ("feed_forward.gate", gate));
        gate.chain([
            ("feed_forward.up", &self.up),
            ("feed_forward.down", &self.down),
        ])
        .collect()
    }

    fn linears_mut(&mut self) -> Vec<(&'static str, &mut Linear)> {
        let gate = self.gate.iter_mut().map(|gate| ("feed_forward.gate", gate));
        gate.chain([
            ("feed_forward.up", &mut self.up),
            ("feed_forward.down", &mut self.down),
        ])
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use engraft_kernels::Key;

    use super::*;
    use crate::config::{EmbeddingProjection, Relative};
    use crate::names::parameters;

    /// Shapes that together have every linear layer there is.
    fn shapes() -> Vec<TransformerConfig> {
        let plain = TransformerConfig::bert(9, 8, 2, 2);
        let mut fused = plain.clone();
        fused.fused_attention = true;
        fused.feed_forward = FeedForwardKind::GatedFused;
        let mut gated = plain.clone();
        gated.feed_forward = FeedForwardKind::Gated;
        gated.embedding.width = 4;
        gated.embedding.projection = Some(EmbeddingProjection::AfterNorm);
        let mut distances = plain.clone();
        distances.relative = Some(Relative {
            span: 3,
            buckets: None,
            content_to_position: true,
            position_to_content: true,
            shared: false,
            norm: true,
        });
        vec![plain, fused, gated, distances]
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
            let changed: Vec<String> = transformer
                .linears_mut()
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
