//! Two layers of PyTorch's `TransformerEncoderLayer`, ModelGenerator's `LinearTransformerAdapter`.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::attention::{Context, QueryKeyValue};
use crate::batch::TokenBatch;
use crate::config::{Activation, DropoutConfig, NormConfig, TransformerConfig};
use crate::initial::Initial;
use crate::layers::Linear;
use crate::mode::Mode;
use crate::transformer::{FeedForwardLayer, Layer};

/// Layers.
const LAYERS: usize = 2;

/// Heads of each; they divide the width.
pub(super) const HEADS: usize = 8;

/// Width inside the feed-forward layers.
const INTERMEDIATE: usize = 2048;

/// Everywhere where PyTorch's layers have it.
const DROPOUT: f64 = 0.1;

/// Layers in which the tokens of a sequence attend to each other.
#[derive(Module, Debug)]
pub struct EncoderLayers {
    /// First to last.
    pub layers: Vec<Layer>,
    #[module(skip)]
    config: TransformerConfig,
}

impl EncoderLayers {
    pub(super) fn new(hidden: usize, initial: &Initial) -> Self {
        let config = TransformerConfig {
            intermediate: INTERMEDIATE,
            activation: Activation::Relu,
            norm: NormConfig::layer(1e-5),
            dropout: DropoutConfig {
                feed_forward: DROPOUT,
                ..DropoutConfig::uniform(DROPOUT, DROPOUT)
            },
            ..TransformerConfig::bert(0, hidden, LAYERS, HEADS)
        };
        let layer = |number| {
            let initial = initial.at(number as u64);
            let fresh = Layer::new(&config, number, &initial);
            started(fresh, hidden, &initial)
        };
        Self {
            layers: (0..LAYERS).map(layer).collect(),
            config,
        }
    }

    /// `[tokens, hidden]` to the same.
    pub(super) fn forward(&self, hidden: Tensor<2>, batch: &TokenBatch, mode: Mode) -> Tensor<2> {
        let context = Context::new(batch, &self.config, None, None);
        let layers = self.layers.iter().enumerate();
        layers.fold(hidden, |hidden, (number, layer)| {
            layer.forward(hidden, &context, number, mode.at(number as u64), None)
        })
    }
}

/// A layer that starts as PyTorch's does: the projections before attention are drawn as one matrix by Glorot and Bengio's rule, the others
/// from their inputs' number, and the biases of attention are 0.
fn started(mut layer: Layer, hidden: usize, initial: &Initial) -> Layer {
    let bound = (6.0 / (4 * hidden) as f64).sqrt();
    if let QueryKeyValue::Separate(inputs) = &mut layer.attention.inputs {
        let projections = [&mut inputs.query, &mut inputs.key, &mut inputs.value];
        for (projection, part) in projections.into_iter().zip(0..) {
            projection.weight = initial.at(10 + part).uniform([hidden, hidden], bound);
        }
    }
    let uniform = |shape, part| Linear::uniform(shape, true, &initial.at(part));
    layer.attention.output.weight = uniform([hidden, hidden], 13).weight;
    if let FeedForwardLayer::Dense(feed_forward) = &mut layer.feed_forward {
        feed_forward.up = uniform([hidden, INTERMEDIATE], 14);
        feed_forward.down = uniform([INTERMEDIATE, hidden], 15);
    }
    layer
}
