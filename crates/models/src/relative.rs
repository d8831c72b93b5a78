//! What DeBERTa knows of distances: a vector for each.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::config::{Relative, TransformerConfig};
use crate::initial::Initial;
use crate::layers::{Embedding, Norm};

/// Vectors of distances, shared by all layers.
#[derive(Module, Debug)]
pub struct RelativePositions {
    /// `[2 * span, hidden]`.
    pub table: Embedding,
    /// Their norm.
    pub norm: Option<Norm>,
}

impl RelativePositions {
    pub(crate) fn new(config: &TransformerConfig, relative: Relative, initial: &Initial) -> Self {
        let shape = [2 * relative.span, config.hidden];
        Self {
            table: Embedding::normal(shape, config.initializer_range, &initial.at(0)),
            norm: relative
                .norm
                .then(|| Norm::new(config.hidden, config.norm, initial)),
        }
    }

    /// `[2 * span, hidden]`.
    pub(crate) fn vectors(&self) -> Tensor<2> {
        let table = self.table.weight.val();
        match &self.norm {
            Some(norm) => norm.forward(table),
            None => table,
        }
    }
}
