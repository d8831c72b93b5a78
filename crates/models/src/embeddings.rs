//! Tokens to the first hidden states.

use burn::module::Module;
use burn::tensor::Tensor;
use engraft_kernels::gather_rows;

use crate::batch::TokenBatch;
use crate::config::{EmbeddingProjection, PositionVectors, TransformerConfig};
use crate::initial::Initial;
use crate::layers::{Embedding, Linear, Norm};
use crate::mode::Mode;
use crate::sinusoids::SinusoidTable;

/// The sum of token, position and type embeddings, normalised and brought to the width of the hidden states.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `[vocabulary, width]`, unless they are those of another transformer.
    pub tokens: Option<Embedding>,
    /// `[positions, width]`, where positions have vectors that are trained.
    pub positions: Option<Embedding>,
    /// `[token types, width]`, where the family has them.
    pub types: Option<Embedding>,
    /// Vectors of structure to `width`, where the model has a layer for them.
    pub structures: Option<Linear>,
    /// Norm of the sum.
    pub norm: Option<Norm>,
    /// `width` to `hidden`, where they differ.
    pub projection: Option<Linear>,
    /// The vectors of positions that are not trained.
    #[module(skip)]
    sinusoids: Option<SinusoidTable>,
    #[module(skip)]
    first_position: usize,
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
        let mut sinusoids = None;
        let positions = embedding.positions.and_then(|positions| {
            let shape = [positions.rows, position_width];
            match positions.vectors {
                PositionVectors::Drawn => Some(Embedding::normal(shape, range, &initial.at(1))),
                PositionVectors::Sinusoidal => Some(Embedding {
                    weight: initial.sinusoidal(shape),
                }),
                PositionVectors::Fixed(rule) => {
                    sinusoids = Some(SinusoidTable::new(rule, position_width));
                    None
                }
            }
        });
        Self {
            tokens: if embedding.shared {
                None
            } else if embedding.one_hot {
                Some(Embedding {
                    weight: initial.identity(config.vocabulary),
                })
            } else {
                Some(table(config.vocabulary, 0))
            },
            positions,
            sinusoids,
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
            first_position: embedding.positions.map_or(0, |table| table.offset),
            scale: embedding.scale,
            projects: embedding.projection,
            dropout: config.dropout.embedding,
        }
    }

    /// The vectors of tokens, `[vocabulary, width]`.
    ///
    /// # Panics
    /// If they are those of another transformer.
    pub fn table(&self) -> Tensor<2> {
        match &self.tokens {
            Some(tokens) => tokens.weight.val(),
            None => unreachable!("token embeddings that are the encoder's"),
        }
    }

    /// `[tokens, hidden]`; `shared` are the vectors of tokens where they are another transformer's.
    ///
    /// # Panics
    /// If they are, and are not given.
    pub(crate) fn forward(
        &self,
        batch: &TokenBatch,
        shared: Option<Tensor<2>>,
        mode: Mode,
    ) -> Tensor<2> {
        let table = match shared {
            Some(shared) if self.tokens.is_none() => shared,
            _ => self.table(),
        };
        let mut sum = gather_rows(table, batch.ids.clone());
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
        if let Some(sinusoids) = &self.sinusoids {
            sum = sum + sinusoids.of(batch, self.first_position);
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
