//! What a transformer is made of, whatever family it comes from.

mod heads;
mod layers;

use std::fmt;

use serde_json::{Map, Value};

use crate::error::Result;
use crate::families::Family;
use crate::names::HeadKind;
use crate::rotary::Rotary;

pub use heads::{CausalLmConfig, ClassifierConfig, DenseConfig, MaskedLmConfig};
pub use layers::{
    Alibi, Convolution, DistanceBias, Experts, FeedForwardKind, Fusion, NormConfig, NormKind,
    NormOrder, Relative, ScoreBuckets, Sharing,
};

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

/// The shape of an encoder or decoder: everything that the one transformer needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformerConfig {
    /// Number of token ids.
    pub vocabulary: usize,
    /// Width of the hidden states.
    pub hidden: usize,
    /// How tokens become the first hidden states.
    pub embedding: EmbeddingConfig,
    /// Tokens of the longest text that it was made for, where the file says so; a table of positions bounds it, rotations do not.
    pub context: Option<usize>,
    /// Number of layers that a token passes.
    pub layers: usize,
    /// Whether several of these layers are one.
    pub sharing: Option<Sharing>,
    /// Number of attention heads.
    pub heads: usize,
    /// Channels of a head.
    pub head_dim: usize,
    /// Number of heads of keys and values; divides `heads`, and each serves as many neighbouring heads.
    pub key_value_heads: usize,
    /// Whether a token sees those before it alone, as in a language model that writes on.
    pub causal: bool,
    /// The width of the encoder's hidden states that every layer attends to as well, in the decoder of an encoder-decoder.
    pub cross_attention: Option<usize>,
    /// How the queries, keys and values lie in the output of one linear layer, if they come from one.
    pub fused_attention: Option<Fusion>,
    /// Whether the linear layers to queries, keys and values have a bias.
    pub attention_bias: bool,
    /// Whether the linear layer after attention has one.
    pub attention_output_bias: bool,
    /// The norm of each head's queries and keys, if they have one.
    pub query_key_norm: Option<NormConfig>,
    /// The scale of the scores, where it is not one over the root of `head_dim` times `score_terms`.
    pub attention_scale: Option<f64>,
    /// Whether the scores of layer `n`, counted from 1, are divided by `n` too.
    pub scale_by_layer: bool,
    /// Scores become `cap * tanh(score / cap)`, if given.
    pub attention_soft_cap: Option<f64>,
    /// What is added to scores by distance, if anything is.
    pub distance_bias: Option<DistanceBias>,
    /// How rotations tell positions apart, if they do.
    pub rotary: Option<Rotary>,
    /// Which layers do not rotate; empty if all do.
    pub unrotated: Vec<bool>,
    /// How attention depends on distances, if it does (DeBERTa).
    pub relative: Option<Relative>,
    /// The number of terms that a score is the sum of: it is scaled by the root of their number too.
    pub score_terms: usize,
    /// The convolution beside the first layer, if there is one (DeBERTa).
    pub convolution: Option<Convolution>,
    /// How far each layer's attention reaches: keys less than this many positions away; none for all. Empty if all layers see all.
    pub windows: Vec<Option<usize>>,
    /// The experts that stand in the place of feed-forward layers, if there are any.
    pub experts: Option<Experts>,
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
    /// What the norm after the last layer adds to the variance, where that is not what the others add.
    pub last_norm_epsilon: Option<f64>,
    /// Where they stand.
    pub order: NormOrder,
    /// Factor of the normalised states that [`NormOrder::PreResidual`] adds to, if there is one (arXiv 2203.00555).
    pub residual_scale: Option<f64>,
    /// Where training drops activations out.
    pub dropout: DropoutConfig,
    /// Standard deviation of newly drawn weights.
    pub initializer_range: f64,
    /// Whether training keeps of each layer its input alone and computes the layer once more in the backward pass.
    pub recomputes: bool,
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
    /// Factor of the tokens' vectors, if there is one (Gemma).
    pub scale: Option<f64>,
    /// Width of the vectors of structure that may come with tokens, if the model has a layer for them (AIDO.Protein-RAG).
    pub structures: Option<usize>,
    /// Whether the tokens' vectors are those of another transformer, the encoder that a decoder stands beside.
    pub shared: bool,
}

/// A table with a vector for each position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionTable {
    /// Its rows.
    pub rows: usize,
    /// The row of the first token: RoBERTa counts from the padding id + 1.
    pub offset: usize,
    /// What its rows are.
    pub vectors: PositionVectors,
}

/// What the rows of a table of positions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionVectors {
    /// Trained; fresh ones are drawn.
    Drawn,
    /// Trained; fresh ones are sines and cosines.
    Sinusoidal,
    /// Sines, then cosines, which are neither trained nor stored.
    Fixed(Sinusoids),
}

/// How fast the sines of a fixed table go round, from one column to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sinusoids {
    /// By `10000^(-2 column / width)` (Vaswani et al., arXiv 1706.03762).
    Halves,
    /// By `10000^(-column / (width / 2 - 1))`, so that the last column has the rate 1 / 10000 (tensor2tensor, fairseq).
    WholeRange,
}

/// Where the linear layer of the embeddings stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingProjection {
    /// Before the norm, without a bias (DeBERTa).
    BeforeNorm,
    /// After the norm, with a bias (ALBERT, ELECTRA).
    AfterNorm,
    /// Before positions are added, without a bias; another one leads back from the hidden states (OPT).
    BeforePositions,
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
    /// What the norm after the last layer gives.
    pub output: f64,
}

impl TransformerConfig {
    /// Whether it tells apart in which row of an alignment a token stands.
    pub fn reads_alignments(&self) -> bool {
        self.rotary.as_ref().is_some_and(|rotary| rotary.aligned)
    }

    /// The shape of Llama; families change what differs.
    pub(crate) fn llama(vocabulary: usize, hidden: usize, layers: usize, heads: usize) -> Self {
        let bert = Self::bert(vocabulary, hidden, layers, heads);
        Self {
            embedding: EmbeddingConfig {
                norm: false,
                ..bert.embedding
            },
            causal: true,
            attention_bias: false,
            attention_output_bias: false,
            feed_forward: FeedForwardKind::Gated,
            feed_forward_bias: false,
            activation: Activation::Silu,
            norm: NormConfig::root_mean_square(1e-6),
            order: NormOrder::Pre { skips_first: false },
            dropout: DropoutConfig::default(),
            ..bert
        }
    }

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
                scale: None,
                structures: None,
                shared: false,
            },
            context: None,
            layers,
            sharing: None,
            heads,
            head_dim: hidden / heads.max(1),
            key_value_heads: heads,
            causal: false,
            cross_attention: None,
            fused_attention: None,
            attention_bias: true,
            attention_output_bias: true,
            query_key_norm: None,
            attention_scale: None,
            scale_by_layer: false,
            attention_soft_cap: None,
            distance_bias: None,
            rotary: None,
            unrotated: Vec::new(),
            relative: None,
            score_terms: 1,
            convolution: None,
            windows: Vec::new(),
            experts: None,
            intermediate: 4 * hidden,
            feed_forward: FeedForwardKind::Plain,
            feed_forward_bias: true,
            activation: Activation::Gelu,
            norm: NormConfig::layer(1e-12),
            last_norm_epsilon: None,
            order: NormOrder::Post,
            residual_scale: None,
            dropout: DropoutConfig::uniform(0.1, 0.1),
            initializer_range: 0.02,
            recomputes: false,
        }
    }

    /// The longest sequence that has positions, special tokens included; none if any has.
    pub fn longest(&self) -> Option<usize> {
        let table = self.embedding.positions?;
        // These go on without end.
        if table.vectors == PositionVectors::Fixed(Sinusoids::WholeRange) {
            return None;
        }
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

    /// Whether layer `layer` rotates.
    pub(crate) fn rotates(&self, layer: usize) -> bool {
        !self.unrotated.get(layer).copied().unwrap_or(false)
    }

    /// The experts of layer `layer`, if it has any.
    pub(crate) fn experts(&self, layer: usize) -> Option<&Experts> {
        let experts = self.experts.as_ref()?;
        let has = experts.layers.get(layer).copied().unwrap_or(true);
        has.then_some(experts)
    }

    /// Width of the vectors that come out: that of the hidden states, or of the embeddings where a linear layer leads back.
    pub fn output_width(&self) -> usize {
        match self.embedding.projection {
            Some(EmbeddingProjection::BeforePositions) => self.embedding.width,
            _ => self.hidden,
        }
    }

    /// The factor of attention scores in layer `layer`.
    pub(crate) fn scale(&self, layer: usize) -> f32 {
        let usual = || 1.0 / ((self.head_dim * self.score_terms) as f64).sqrt();
        let scale = self.attention_scale.unwrap_or_else(usual);
        if self.scale_by_layer {
            (scale / (layer + 1) as f64) as f32
        } else {
            scale as f32
        }
    }

    /// The buckets of distances that layer `layer` has values of its own for.
    pub(crate) fn own_buckets(&self, layer: usize) -> Option<usize> {
        match self.distance_bias {
            Some(DistanceBias::Buckets(it)) if it.every_layer || layer == 0 => Some(it.rule.count),
            _ => None,
        }
    }

    /// The norm that follows the last layer, where one does.
    pub(crate) fn last_norm(&self) -> NormConfig {
        NormConfig {
            epsilon: self.last_norm_epsilon.unwrap_or(self.norm.epsilon),
            ..self.norm
        }
    }

    /// Whether a norm follows the last layer.
    pub(crate) fn ends_with_norm(&self) -> bool {
        self.order != NormOrder::Post
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
            output: 0.0,
        }
    }
}

/// The decoder of an encoder-decoder, which writes what follows from what the encoder has read.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    /// Its shape.
    pub transformer: TransformerConfig,
    /// Its language-model head.
    pub head: CausalLmConfig,
    /// What it begins with.
    pub start: DecoderStart,
}

/// What the decoder of an encoder-decoder begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecoderStart {
    /// A token.
    Token(u32),
    /// The last token of what is to be written (mBART); before that is known, the token that `config.json` states, if it does.
    LastWritten(Option<u32>),
}

/// A checkpoint's `config.json`, understood.
#[derive(Clone)]
pub struct ModelConfig {
    /// The family that understood it.
    pub family: &'static Family,
    /// The encoder or decoder.
    pub transformer: TransformerConfig,
    /// Its masked-LM head, if it is an encoder.
    pub masked_lm: Option<MaskedLmConfig>,
    /// Its causal-LM head, if it is a decoder.
    pub causal_lm: Option<CausalLmConfig>,
    /// The decoder beside the encoder, if it is an encoder-decoder.
    pub decoder: Option<DecoderConfig>,
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

impl ModelConfig {
    /// Understands a `config.json`; `place` names it in messages.
    ///
    /// # Errors
    /// No or an unknown `model_type`, sizes that cannot be.
    pub fn read(place: &str, json: Map<String, Value>) -> Result<Self> {
        Ok(Family::read(place, json)?.0)
    }

    /// Whether the projection of a language-model head of this kind is the token embeddings.
    pub fn is_tied(&self, kind: HeadKind) -> bool {
        match kind {
            HeadKind::MaskedLm => self.masked_lm.as_ref().is_some_and(|head| head.tied),
            HeadKind::CausalLm => self.causal_lm.is_some_and(|head| head.tied),
            HeadKind::Seq2SeqLm => self.decoder.as_ref().is_some_and(|it| it.head.tied),
            _ => false,
        }
    }
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
