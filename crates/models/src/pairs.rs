//! Heads on pairs of tokens: from the hidden states of a row's letters to one logit for each pair.
//!
//! What is seen of a pair is the hidden states of both its letters, the earlier one's first, so that a plane of logits is symmetric and only
//! its upper triangle is computed. Planes grow with the square of a row's length, and layers on them with their width besides. So the loss
//! is computed tile by tile, and so are its gradients, at once: what training holds is one tile, however long the row is.

mod gradients;
mod mlp;
mod resnet;
mod targets;

use burn::module::Param;
use burn::tensor::Tensor;
use engraft_component::{Choice, Component, Refusal};
use engraft_kernels::linear;

use crate::adapters::{LinearAdapter, MLPAdapter, MlpLayers};
use crate::head::BoxedHead;
use crate::initial::Initial;
use crate::layers::Linear;

pub use mlp::PairMlp;
pub use resnet::{Convolution, PairBlock, PairResNet, ResNet2DAdapter};
pub use targets::{PairTargets, Plane};

/// A head on every pair of tokens.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(default = LinearAdapter)]
pub enum PairAdapter {
    /// A linear layer on both hidden states.
    LinearAdapter(LinearAdapter),
    /// Several layers on both hidden states.
    MLPAdapter(MLPAdapter),
    /// Several layers on both hidden states, without dropout before the first.
    MLPAdapterWithoutOutConcat(MLPAdapterWithoutOutConcat),
    /// Convolutions over the plane of all pairs.
    ResNet2DAdapter(ResNet2DAdapter),
}

/// A multi-layer perceptron on both hidden states of every pair, whose first layer always has a bias and no dropout before it.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct MLPAdapterWithoutOutConcat {
    /// Its layers; at least one hidden size.
    #[arg(flatten)]
    pub layers: MlpLayers,
}

impl PairAdapter {
    /// The head for hidden states of width `hidden`, with fresh weights.
    pub fn build(&self, hidden: usize, initial: &Initial) -> BoxedHead {
        let mlp = match self {
            Self::LinearAdapter(_) => PairMlp::new(None, true, hidden, initial),
            Self::MLPAdapter(mlp) => PairMlp::new(Some(&mlp.layers), false, hidden, initial),
            Self::MLPAdapterWithoutOutConcat(mlp) => {
                PairMlp::new(Some(&mlp.layers), true, hidden, initial)
            }
            Self::ResNet2DAdapter(net) => return BoxedHead::new(net.head(hidden, initial)),
        };
        BoxedHead::new(mlp)
    }

    /// How many hidden states wide its input is: ModelGenerator's `adapter_dim_multiplier`.
    pub fn width(&self) -> usize {
        match self {
            Self::LinearAdapter(_) | Self::MLPAdapter(_) | Self::ResNet2DAdapter(_) => 2,
            Self::MLPAdapterWithoutOutConcat(_) => 1,
        }
    }

    /// Refuses arguments that no model can have.
    ///
    /// # Errors
    /// A width of zero, a dropout outside `[0, 1)`, a perceptron without the hidden layer that its class must have.
    pub fn check(&self) -> crate::Result<()> {
        match self {
            Self::LinearAdapter(_) => Ok(()),
            Self::MLPAdapter(mlp) => mlp.layers.check(),
            Self::ResNet2DAdapter(net) => net.check(),
            Self::MLPAdapterWithoutOutConcat(mlp) if mlp.layers.hidden_sizes.is_empty() => {
                let refusal = Refusal::of(
                    "hidden_sizes",
                    "MLPAdapterWithoutOutConcat needs at least one hidden layer",
                );
                let refusal = refusal.within("model.adapter");
                Err(refusal
                    .help("Give its sizes, such as [128], or take LinearAdapter")
                    .into())
            }
            Self::MLPAdapterWithoutOutConcat(mlp) => mlp.layers.check(),
        }
    }
}

/// What each letter gives as the earlier of a pair and as the later one: its share of the output of the first layer, `[letters, width]`, of which
/// the bias is in the second.
pub(crate) fn shares(layer: &Linear, hidden: Tensor<2>) -> [Tensor<2>; 2] {
    let weight = layer.weight.val();
    let [width, both] = weight.dims();
    let weight = weight.reshape([width, both / 2, 2]);
    let side = |side: usize| {
        let columns = weight
            .clone()
            .slice([0..width, 0..both / 2, side..side + 1]);
        columns.reshape([width, both / 2])
    };
    let bias = layer.bias.as_ref().map(Param::val);
    [
        linear(hidden.clone(), side(0), None),
        linear(hidden, side(1), bias),
    ]
}

/// A symmetric plane `[n, n]` whose upper triangle, diagonal included, is that of `upper`.
pub(crate) fn mirrored(upper: Tensor<2>) -> Tensor<2> {
    upper.clone().triu(0) + upper.triu(1).transpose()
}

#[cfg(test)]
mod tests;
