//! What a transformer is made of, whatever family it comes from.

use std::fmt;

use engraft_kernels::LogBuckets;
use serde_json::{Map, Value};

use crate::adapters::Pooling;
use crate::families::Family;

/// The activation inside the feed-forward layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)`.
    Gelu,
    /// GELU by the hyperbolic tangent.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x sigmoid(x)`.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
}

/// The shape of an encoder: everything that the one transformer needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformerConfig {
    /// Number of token ids.
    pub vocabulary: usize,
    /// Width of the hidden states.
    pub hidden: usize,
    /// How tokens become the first hidden states.
    pub embedding: EmbeddingConfig,
    /// Number of layers that a token passes.
    pub layers: usize,
    /// Whether several of these layers are one.
    pub sharing: Option<Sharing>,
    /// Number of attention heads; divides `hidden`.
    pub heads: usize,
    /// Whether the queries, keys and values come from one linear layer.
    pub fused_attention: bool,
    /// Whether the linear layers of attention have a bias.
    pub attention_bias: bool,
    /// How rotations tell positions apart, if they do.
    pub rotary: Option<Rotary>,
    /// How attention depends on distances, if it does (DeBERTa).
    pub relative: Option<Relative>,
    /// The number of terms that a score is the sum of: it is scaled by the root of their number too.
    pub score_terms: usize,
    /// The convolution beside the first layer, if there is one (DeBERTa).
    pub convolution: Option<Convolution>,
    /// How far each layer's attention reaches: keys less than this many positions away; none for all. Empty if all layers see all.
    pub windows: Vec<Option<usize>>,
    /// Width inside the feed-forward layers.
    pub intermediate: usize,
    /// How the feed-forward layers are made.
    pub feed_forward: FeedForwardKind,
    /// Whether they have biases.
    pub feed_forward_bias: bool,
    /// Activation inside the feed-forward layers.
    pub activation: Activation,
    /// The norms.
    pub norm: NormConfig,
    /// Where they stand.
    pub order: NormOrder,
    /// Where training drops activations out.
    pub dropout: DropoutConfig,
    /// Standard deviation of newly drawn weights.
    pub initializer_range: f64,
}

/// How tokens become the first hidden states.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingConfig {
    /// Width of the token, position and type tables.
    pub width: usize,
    /// The table of positions, if there is one.
    pub positions: Option<PositionTable>,
    /// Rows of the token-type table; 0 if the family has none.
    pub token_types: usize,
    /// Whether the sum is normalised.
    pub norm: bool,
    /// The linear layer from `width` to the hidden states, if there is one.
    pub projection: Option<EmbeddingProjection>,
    /// ESM's compensation for masked tokens, if it has it: the id of the mask token.
    pub token_dropout: Option<u32>,
    /// Whether a token's vector is 1 at its id and 0 elsewhere, and never trained.
    pub one_hot: bool,
}

/// A table with a vector for each position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionTable {
    /// Its rows.
    pub rows: usize,
    /// The row of the first token: RoBERTa counts from the padding id + 1.
    pub offset: usize,
    /// Whether fresh rows are sines and cosines instead of drawn.
    pub sinusoidal: bool,
}

/// Where the linear layer of the embeddings stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingProjection {
    /// Before the norm, without a bias (DeBERTa).
    BeforeNorm,
    /// After the norm, with a bias (ALBERT, ELECTRA).
    AfterNorm,
}

/// Layers that are used several times (ALBERT).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Number of groups; the passes are spread evenly over them.
    pub groups: usize,
    /// Distinct layers of a group, all of them gone through in each of its passes.
    pub inner: usize,
}

/// Rotary position embedding (Su et al., arXiv 2104.09864).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotary {
    /// Channels of each head that rotate; one more if it is odd.
    pub dim: usize,
    /// The base of the wavelengths.
    pub theta: f64,
    /// The base in layers whose attention has a window.
    pub local_theta: f64,
}

/// Disentangled attention (DeBERTa, arXiv 2006.03654 and 2111.09543).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relative {
    /// Distances up to this many positions, or buckets, on either side have a vector.
    pub span: usize,
    /// How far distances share rows, if they do.
    pub buckets: Option<LogBuckets>,
    /// Whether contents attend to positions (`c2p`).
    pub content_to_position: bool,
    /// Whether positions attend to contents (`p2c`).
    pub position_to_content: bool,
    /// Whether distances are projected by the layers that project contents.
    pub shared: bool,
    /// Whether the distances' vectors are normalised.
    pub norm: bool,
}

/// DeBERTa-v2's convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Its width in tokens; odd.
    pub kernel: usize,
    /// The activation after it.
    pub activation: Activation,
}

/// How a feed-forward layer is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForwardKind {
    /// `down(act(up(x)))`.
    Plain,
    /// `down(act(gate(x)) * up(x))` (Shazeer, arXiv 2002.05202).
    Gated,
    /// The same with `gate` and `up` as the two halves of one linear layer.
    GatedFused,
}

/// What the norms are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormConfig {
    /// Which of the two.
    pub kind: NormKind,
    /// Whether they have a bias.
    pub bias: bool,
    /// Added to the variance, or the mean square.
    pub epsilon: f64,
}

/// Which norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// Layer normalisation.
    Layer,
    /// Root mean square normalisation (Zhang and Sennrich, arXiv 1910.07467).
    RootMeanSquare,
}

/// Where the norms of a layer stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormOrder {
    /// After each sum.
    Post,
    /// Before attention and feed-forward, and once more at the end.
    Pre {
        /// Whether the first layer's attention has none, as the embeddings are normalised.
        skips_first: bool,
    },
}

/// Where training drops activations out, each a rate in `[0, 1)`; nowhere by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DropoutConfig {
    /// The embeddings.
    pub embedding: f64,
    /// The attention probabilities.
    pub attention: f64,
    /// What attention adds.
    pub attention_output: f64,
    /// Inside the feed-forward layer, before its last linear layer.
    pub feed_forward: f64,
    /// What the feed-forward layer adds.
    pub feed_forward_output: f64,
}

impl TransformerConfig {
    /// The shape of BERT; families change what differs.
    pub(crate) fn bert(vocabulary: usize, hidden: usize, layers: usize, heads: usize) -> Self {
        Self {
            vocabulary,
            hidden,
            embedding: EmbeddingConfig {
                width: hidden,
                positions: None,
                token_types: 0,
                norm: true,
                projection: None,
                token_dropout: None,
                one_hot: false,
            },
            layers,
            sharing: None,
            heads,
            fused_attention: false,
            attention_bias: true,
            rotary: None,
            relative: None,
            score_terms: 1,
            convolution: None,
            windows: Vec::new(),
            intermediate: 4 * hidden,
            feed_forward: FeedForwardKind::Plain,
            feed_forward_bias: true,
            activation: Activation::Gelu,
            norm: NormConfig {
                kind: NormKind::Layer,
                bias: true,
                epsilon: 1e-12,
            },
            order: NormOrder::Post,
            dropout: DropoutConfig::uniform(0.1, 0.1),
            initializer_range: 0.02,
        }
    }

    /// The longest sequence that has positions, special tokens included; none if any has.
    pub fn longest(&self) -> Option<usize> {
        let table = self.embedding.positions?;
        Some(table.rows.saturating_sub(table.offset))
    }

    /// The layer that each pass goes through, first to last.
    pub(crate) fn passes(&self) -> Vec<usize> {
        let Some(Sharing { groups, inner }) = self.sharing else {
            return (0..self.layers).collect();
        };
        // In floating point, as the reference library divides.
        let share = self.layers as f64 / groups as f64;
        let group = |pass: usize| ((pass as f64 / share) as usize).min(groups - 1);
        (0..self.layers)
            .flat_map(|pass| (0..inner).map(move |layer| group(pass) * inner + layer))
            .collect()
    }

    /// How many different layers there are.
    pub(crate) fn distinct_layers(&self) -> usize {
        self.sharing
            .map_or(self.layers, |sharing| sharing.groups * sharing.inner)
    }

    /// How far the attention of layer `layer` reaches.
    pub(crate) fn window(&self, layer: usize) -> Option<usize> {
        self.windows.get(layer).copied().flatten()
    }
}

impl Rotary {
    /// The angle from one position to the next of each pair `k` of channels, `theta^(-2 k / dim)`.
    pub(crate) fn frequencies(&self, theta: f64) -> Vec<f32> {
        let exponent = |pair: usize| -2.0 * pair as f64 / self.dim as f64;
        let pairs = 0..self.dim.div_ceil(2);
        pairs
            .map(|pair| theta.powf(exponent(pair)) as f32)
            .collect()
    }
}

impl DropoutConfig {
    /// One rate for the attention probabilities and one for all else, as in BERT.
    pub(crate) fn uniform(hidden: f64, attention: f64) -> Self {
        Self {
            embedding: hidden,
            attention,
            attention_output: hidden,
            feed_forward: 0.0,
            feed_forward_output: hidden,
        }
    }
}

/// A classification head that a family's checkpoints come with: dropout, dense, activation, norm, dropout, projection.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassifierConfig {
    /// What becomes one vector a sequence; none for a head on every token.
    pub pooling: Option<Pooling>,
    /// Dropout before the dense layer.
    pub input_dropout: f64,
    /// The dense layer, if there is one.
    pub dense: Option<DenseConfig>,
    /// Dropout before the projection.
    pub dropout: f64,
}

impl ClassifierConfig {
    /// Dropout and a projection of every token, as most families' token classifiers are.
    pub(crate) fn tokens(dropout: f64) -> Self {
        Self {
            pooling: None,
            input_dropout: 0.0,
            dense: None,
            dropout,
        }
    }
}

/// The dense layer of a head, with what follows it.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseConfig {
    /// Its width.
    pub width: usize,
    /// Whether it has a bias.
    pub bias: bool,
    /// The activation after it.
    pub activation: Activation,
    /// The norm after that, if there is one.
    pub norm: Option<NormConfig>,
}

impl DenseConfig {
    /// A layer with a bias and no norm.
    pub(crate) fn plain(width: usize, activation: Activation) -> Self {
        Self {
            width,
            bias: true,
            activation,
            norm: None,
        }
    }
}

/// The masked-LM head of a family's checkpoints: a dense layer with a norm, and a projection to the vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskedLmConfig {
    /// The dense layer; its width is that of the token embeddings where these are the projection.
    pub dense: DenseConfig,
    /// Whether the projection has a bias.
    pub bias: bool,
    /// Whether the projection is the token embeddings.
    pub tied: bool,
}

/// A checkpoint's `config.json`, understood.
#[derive(Clone)]
pub struct ModelConfig {
    /// The family that understood it.
    pub family: &'static Family,
    /// The encoder.
    pub transformer: TransformerConfig,
    /// Its masked-LM head.
    pub masked_lm: MaskedLmConfig,
    /// Its own classification head.
    pub classifier: ClassifierConfig,
    /// Its own head on every token.
    pub token_classifier: ClassifierConfig,
    /// Names of the classes in order, from `id2label`; placeholders (`LABEL_0`) are left out.
    pub labels: Option<Vec<String>>,
    /// Number of classes that the file states, by `id2label` or `num_labels`.
    pub classes: Option<usize>,
    /// The file as it was read, overwrites applied.
    pub json: Map<String, Value>,
}

impl fmt::Debug for ModelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelConfig")
            .field("family", &self.family.name)
            .field("transformer", &self.transformer)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_layers_are_spread_evenly_over_their_groups() {
        let mut config = TransformerConfig::bert(8, 8, 4, 2);
        assert_eq!(config.passes(), [0, 1, 2, 3]);
        config.sharing = Some(Sharing {
            groups: 2,
            inner: 1,
        });
        assert_eq!(config.passes(), [0, 0, 1, 1]);
        config.sharing = Some(Sharing {
            groups: 2,
            inner: 2,
        });
        assert_eq!(config.passes(), [0, 1, 0, 1, 2, 3, 2, 3]);
        assert_eq!(config.distinct_layers(), 4);
    }
}
