//! Tokens to the first hidden states.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::batch::TokenBatch;
use crate::config::{EmbeddingProjection, TransformerConfig};
use crate::initial::Initial;
use crate::layers::{Embedding, Linear, Norm};
use crate::mode::Mode;

/// The sum of token, position and type embeddings, normalised and brought to the width of the hidden states.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `[vocabulary, width]`.
    pub tokens: Embedding,
    /// `[positions, width]`, where positions have vectors.
    pub positions: Option<Embedding>,
    /// `[token types, width]`, where the family has them.
    pub types: Option<Embedding>,
    /// Vectors of structure to `width`, where the model has a layer for them.
    pub structures: Option<Linear>,
    /// Norm of the sum.
    pub norm: Option<Norm>,
    /// `width` to `hidden`, where they differ.
    pub projection: Option<Linear>,
    #[module(skip)]
    scale: Option<f64>,
    #[module(skip)]
    projects: Option<EmbeddingProjection>,
    #[module(skip)]
    dropout: f64,
}

impl Embeddings {
    pub(crate) fn new(config: &TransformerConfig, initial: &Initial) -> Self {
        let embedding = &config.embedding;
        let range = config.initializer_range;
        let table =
            |rows, part| Embedding::normal([rows, embedding.width], range, &initial.at(part));
        let early = embedding.projection == Some(EmbeddingProjection::BeforePositions);
        let position_width = if early {
            config.hidden
        } else {
            embedding.width
        };
        let norm_dim = match embedding.projection {
            Some(EmbeddingProjection::BeforeNorm | EmbeddingProjection::BeforePositions) => {
                config.hidden
            }
            _ => embedding.width,
        };
        Self {
            tokens: if embedding.one_hot {
                Embedding {
                    weight: initial.identity(config.vocabulary),
                }
            } else {
                table(config.vocabulary, 0)
            },
            positions: embedding.positions.map(|positions| {
                if positions.sinusoidal {
                    Embedding {
                        weight: initial.sinusoidal([positions.rows, position_width]),
                    }
                } else {
                    let shape = [positions.rows, position_width];
                    Embedding::normal(shape, range, &initial.at(1))
                }
            }),
            types: (embedding.token_types > 0).then(|| table(embedding.token_types, 2)),
            structures: embedding.structures.map(|structure| {
                Linear::normal([structure, embedding.width], false, range, &initial.at(4))
            }),
            norm: embedding
                .norm
                .then(|| Norm::new(norm_dim, config.norm, initial)),
            projection: embedding.projection.map(|projection| {
                let bias = projection == EmbeddingProjection::AfterNorm;
                let shape = [embedding.width, config.hidden];
                Linear::normal(shape, bias, range, &initial.at(3))
            }),
            scale: embedding.scale,
            projects: embedding.projection,
            dropout: config.dropout.embedding,
        }
    }

    /// `[tokens, hidden]`.
    pub(crate) fn forward(&self, batch: &TokenBatch, mode: Mode) -> Tensor<2> {
        let mut sum = self.tokens.forward(batch.ids.clone());
        if let Some(scale) = &batch.embedding_scale {
            sum = sum * scale.clone();
        }
        if let Some(scale) = self.scale {
            sum = sum * scale as f32;
        }
        if let (Some(structures), Some(values)) = (&self.structures, &batch.structures) {
            sum = sum + structures.forward(values.clone(), mode.at(2));
        }
        let project = |states, when| match &self.projection {
            Some(projection) if self.projects == Some(when) => {
                projection.forward(states, mode.at(1))
            }
            _ => states,
        };
        sum = project(sum, EmbeddingProjection::BeforePositions);
        if let Some(positions) = &self.positions {
            sum = sum + positions.forward(batch.positions.clone());
        }
        if let (Some(types), Some(ids)) = (&self.types, &batch.type_ids) {
            sum = sum + types.forward(ids.clone());
        }
        sum = project(sum, EmbeddingProjection::BeforeNorm);
        if let Some(norm) = &self.norm {
            sum = norm.forward(sum);
        }
        project(
            mode.dropout(sum, self.dropout),
            EmbeddingProjection::AfterNorm,
        )
    }
}
