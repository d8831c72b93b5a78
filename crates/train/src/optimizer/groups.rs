//! Parameters that are trained otherwise than the rest: no decay on norms and biases, lower rates in lower layers.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use engraft_component::Component;
use engraft_models::ParameterPath;

/// How parameters differ in decay and rate.
#[derive(Clone, Debug, PartialEq, Component)]
pub struct ParameterGroups {
    /// Leave the weights of norms, and all biases, out of weight decay.
    #[arg(default = false)]
    pub exclude_norm_and_bias: bool,
    /// Each layer's rate is this times that of the layer above it: the head has the full rate, the last layer `layer_decay` times it, the
    /// embeddings the lowest.
    pub layer_decay: Option<f64>,
}

impl ParameterGroups {
    /// Whether the parameter at `path` is left out of weight decay.
    pub(crate) fn excludes(&self, path: &str) -> bool {
        self.exclude_norm_and_bias && is_norm_or_bias(path)
    }
}

/// Whether the parameter at `path` is a bias, or the weight of a norm.
fn is_norm_or_bias(path: &str) -> bool {
    let (module, name) = path.rsplit_once('.').unwrap_or(("", path));
    name == "bias" || module.ends_with("norm")
}

/// The share of the rate that each layer has.
pub(crate) struct LayerRates {
    decay: f64,
    /// The number of the encoder's layers.
    layers: u32,
}

impl LayerRates {
    /// The shares of a network with an encoder.
    pub(crate) fn new(network: &impl Module, decay: f64) -> Self {
        struct Counter {
            path: ParameterPath,
            layers: u32,
        }
        impl ModuleVisitor for Counter {
            fn enter_module(&mut self, name: &str, container: &str) {
                self.path.enter(name, container);
            }
            fn exit_module(&mut self, _name: &str, container: &str) {
                self.path.leave(container);
            }
            fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
                if let Some(layer) = layer(&self.path.joined()) {
                    self.layers = self.layers.max(layer + 1);
                }
            }
        }
        let mut counter = Counter {
            path: ParameterPath::default(),
            layers: 0,
        };
        network.visit(&mut counter);
        Self {
            decay,
            layers: counter.layers,
        }
    }

    /// The share of the parameter at `path`.
    pub(crate) fn share(&self, path: &str) -> f64 {
        // Steps down from the head: none for it and for the norm that closes the encoder.
        let below = match (path.strip_prefix("encoder."), layer(path)) {
            (None, _) => 0,
            (Some(_), Some(layer)) => self.layers.saturating_sub(layer),
            (Some(rest), None) if rest.starts_with("norm.") => 0,
            (Some(rest), None) if rest.starts_with("convolution.") => self.layers,
            (Some(_), None) => self.layers + 1,
        };
        self.decay.powi(below as i32)
    }
}

/// The number of the encoder's layer that the parameter at `path` is in.
fn layer(path: &str) -> Option<u32> {
    let rest = path.strip_prefix("encoder.layers.")?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn biases_and_weights_of_norms_are_told_from_other_weights() {
        for path in [
            "encoder.layers.0.attention.inputs.query.bias",
            "encoder.layers.0.attention_norm.weight",
            "encoder.embeddings.norm.weight",
            "encoder.norm.weight",
            "head.dense.norm.bias",
            "head.bias",
        ] {
            assert!(is_norm_or_bias(path), "{path}");
        }
        for path in [
            "encoder.layers.0.attention.inputs.query.weight",
            "encoder.layers.0.attention.inputs.query.lora.a",
            "encoder.embeddings.tokens.weight",
            "head.layers.0.weight",
            "head.decoder",
        ] {
            assert!(!is_norm_or_bias(path), "{path}");
        }
    }

    #[test]
    fn the_head_has_the_full_rate_and_the_embeddings_the_lowest() {
        let rates = LayerRates {
            decay: 0.5,
            layers: 2,
        };
        for (path, share) in [
            ("head.layers.0.weight", 1.0),
            ("encoder.norm.weight", 1.0),
            ("encoder.layers.1.feed_forward.up.weight", 0.5),
            ("encoder.layers.0.attention.output.bias", 0.25),
            ("encoder.convolution.weight", 0.25),
            ("encoder.embeddings.tokens.weight", 0.125),
            ("encoder.relative.table.weight", 0.125),
        ] {
            assert_eq!(rates.share(path), share, "{path}");
        }
    }
}
