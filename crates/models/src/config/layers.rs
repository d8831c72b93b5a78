//! What layers are made of.

use engraft_kernels::{Buckets, LogBuckets};

use super::Activation;

/// How queries, keys and values lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fusion {
    /// All queries, then all keys, then all values.
    Blocks,
    /// For each head of keys its queries, its key and its value.
    Groups,
}

/// What is added to scores by how far a key is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DistanceBias {
    /// A slope of each head.
    Alibi(Alibi),
    /// Trained values.
    Buckets(ScoreBuckets),
}

/// Scores that fall in proportion to distance, steeper in some heads than in others (Press et al., arXiv 2108.12409).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alibi {
    /// Added to the scaled scores (BLOOM).
    AfterScale,
    /// Added before they are scaled, rounded to bfloat16 as these models were trained (Falcon).
    BeforeScale,
}

/// Trained values, one for each head and bucket of distances (T5, arXiv 1910.10683).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreBuckets {
    /// How distances fall into buckets.
    pub rule: Buckets,
    /// Whether every layer has values of its own; else all have those of the first.
    pub every_layer: bool,
}

/// A mixture of experts: feed-forward layers of which each token passes a few (Shazeer et al., arXiv 1701.06538).
#[derive(Clone, Debug, PartialEq)]
pub struct Experts {
    /// How many there are.
    pub count: usize,
    /// How many a token passes.
    pub per_token: usize,
    /// Width inside an expert.
    pub intermediate: usize,
    /// Whether the chosen experts' shares are made to add up to 1.
    pub renormalise: bool,
    /// Which layers have them; empty if all do.
    pub layers: Vec<bool>,
    /// Whether each is a layer of its own in the reference library, so that LoRA may name it.
    pub separate: bool,
}

/// Layers that are used several times (ALBERT).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Number of groups; the passes are spread evenly over them.
    pub groups: usize,
    /// Distinct layers of a group, all of them gone through in each of its passes.
    pub inner: usize,
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
    /// The same with `up` and `gate` as the two halves of one linear layer (Megatron).
    GatedFusedLast,
}

/// What the norms are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormConfig {
    /// Which of the two.
    pub kind: NormKind,
    /// Whether they have a weight.
    pub weight: bool,
    /// Whether they have a bias.
    pub bias: bool,
    /// Added to the variance, or the mean square.
    pub epsilon: f64,
    /// Whether 1 is added to the stored weight (Gemma).
    pub unit_offset: bool,
}

impl NormConfig {
    /// Layer normalisation with a bias.
    pub(crate) fn layer(epsilon: f64) -> Self {
        Self {
            kind: NormKind::Layer,
            weight: true,
            bias: true,
            epsilon,
            unit_offset: false,
        }
    }

    /// Root mean square normalisation.
    pub(crate) fn root_mean_square(epsilon: f64) -> Self {
        Self {
            kind: NormKind::RootMeanSquare,
            weight: true,
            bias: false,
            epsilon,
            unit_offset: false,
        }
    }
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
    /// Before attention and feed-forward and after each of them, before the sum; and once more at the end (Gemma 2).
    Both,
    /// As [`Self::Pre`], and what attention and feed-forward are added to are the normalised states (an option of BLOOM's).
    PreResidual,
    /// Before, with attention and feed-forward side by side, and once more at the end (GPT-J, GPT-NeoX, Falcon).
    Parallel {
        /// Whether one norm serves both.
        shared: bool,
    },
}
