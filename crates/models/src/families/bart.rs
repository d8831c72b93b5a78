//! BART, and what the families in its shape have in common: an encoder and a decoder of one width, with biases everywhere.
//! Paper: arXiv 1910.13461.

use super::{Family, LoraDefaults, NameTable, bert};
use crate::adapters::Pooling;
use crate::config::{
    Activation, CausalLmConfig, ClassifierConfig, DecoderConfig, DecoderStart, DenseConfig,
    DropoutConfig, NormConfig, NormOrder, PositionTable, PositionVectors, TransformerConfig,
};
use crate::error::Result;
use crate::json::{ConfigReader, Spellings};

pub(crate) const FAMILY: Family = Family {
    name: "bart",
    hugging_face: &["bart"],
    prefix: "model.",
    variant: |c, _| (!is_tied(c)).then_some(&UNTIED),
    spellings: SPELLINGS,
    config: |c| encoder(c, &SHAPE),
    decoder_config: Some(|c, _| decoder(c, &SHAPE)),
    classifier,
    token_classifier: |_, _| Ok(ClassifierConfig::tokens(0.0)),
    masked_lm_config: None,
    encoder: &[SHARED, ENCODER],
    decoder: &[DECODER],
    pooler: &[],
    masked_lm: &[],
    seq2seq_lm: &[("decoder", "lm_head.weight")],
    logits_bias: Some("final_logits_bias"),
    classification: &[
        ("dense.linear", "classification_head.dense"),
        ("projection", "classification_head.out_proj"),
    ],
    token_classification: &[],
    beside: &["decoder.", "final_logits_bias"],
    derived: &["encoder.version", "decoder.version"],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["q_proj", "v_proj"],
    },
    architectures: [
        "BartModel",
        "BartForConditionalGeneration",
        "BartForSequenceClassification",
        "BartModel",
    ],
    ..bert::FAMILY
};

/// With tables of their own for the encoder, the decoder and the head.
const UNTIED: Family = Family {
    encoder: &[OWN, ENCODER],
    decoder: &[DECODERS_OWN, DECODER],
    derived: &["encoder.version", "decoder.version", "shared.weight"],
    ..FAMILY
};

/// Older files name both stacks' sizes at once.
pub(super) const SPELLINGS: &[Spellings] = &[
    &["encoder_layers", "num_hidden_layers"],
    &["encoder_attention_heads", "num_attention_heads"],
    &["d_model", "hidden_size"],
];

/// One table for both stacks, under whichever of its names it is stored.
pub(super) const SHARED: NameTable = &[
    ("embeddings.tokens", "shared"),
    ("embeddings.tokens", "encoder.embed_tokens"),
    ("embeddings.tokens", "decoder.embed_tokens"),
];

pub(super) const OWN: NameTable = &[("embeddings.tokens", "encoder.embed_tokens")];

pub(super) const DECODERS_OWN: NameTable = &[("embeddings.tokens", "decoder.embed_tokens")];

macro_rules! stack {
    ($side:literal) => {
        &[
            ("embeddings.positions", concat!($side, ".embed_positions")),
            ("embeddings.norm", concat!($side, ".layernorm_embedding")),
            (
                "layers.{}.attention.inputs.query",
                concat!($side, ".layers.{}.self_attn.q_proj"),
            ),
            (
                "layers.{}.attention.inputs.key",
                concat!($side, ".layers.{}.self_attn.k_proj"),
            ),
            (
                "layers.{}.attention.inputs.value",
                concat!($side, ".layers.{}.self_attn.v_proj"),
            ),
            (
                "layers.{}.attention.output",
                concat!($side, ".layers.{}.self_attn.out_proj"),
            ),
            (
                "layers.{}.attention_norm",
                concat!($side, ".layers.{}.self_attn_layer_norm"),
            ),
            (
                "layers.{}.encoder_attention.query",
                concat!($side, ".layers.{}.encoder_attn.q_proj"),
            ),
            (
                "layers.{}.encoder_attention.key",
                concat!($side, ".layers.{}.encoder_attn.k_proj"),
            ),
            (
                "layers.{}.encoder_attention.value",
                concat!($side, ".layers.{}.encoder_attn.v_proj"),
            ),
            (
                "layers.{}.encoder_attention.output",
                concat!($side, ".layers.{}.encoder_attn.out_proj"),
            ),
            (
                "layers.{}.encoder_attention_norm",
                concat!($side, ".layers.{}.encoder_attn_layer_norm"),
            ),
            (
                "layers.{}.feed_forward.up",
                concat!($side, ".layers.{}.fc1"),
            ),
            (
                "layers.{}.feed_forward.down",
                concat!($side, ".layers.{}.fc2"),
            ),
            (
                "layers.{}.feed_forward_norm",
                concat!($side, ".layers.{}.final_layer_norm"),
            ),
            ("norm", concat!($side, ".layer_norm")),
        ]
    };
}

/// The encoder's layers.
pub(super) const ENCODER: NameTable = stack!("encoder");

/// The decoder's layers.
pub(super) const DECODER: NameTable = stack!("decoder");

/// How the families in BART's shape differ.
pub(super) struct Shape {
    /// Where norms stand.
    pub(super) order: NormOrder,
    /// Whether the sum of token and position vectors is normalised.
    pub(super) embedding_norm: bool,
    /// Rows of the table of positions before the first position.
    pub(super) offset: usize,
    /// What the rows are.
    pub(super) positions: PositionVectors,
    /// What is the activation, unless the file says.
    pub(super) activation: Activation,
    /// Whether token vectors are scaled, unless the file says.
    pub(super) scales: bool,
    /// How attention probabilities are dropped out, unless the file says.
    pub(super) attention_dropout: f64,
    /// How many tokens there are, unless the file says.
    pub(super) vocabulary: usize,
    /// What the decoder begins with, unless the file says.
    pub(super) start: DecoderStart,
}

pub(super) const SHAPE: Shape = Shape {
    order: NormOrder::Post,
    embedding_norm: true,
    offset: 2,
    positions: PositionVectors::Drawn,
    activation: Activation::Gelu,
    scales: false,
    attention_dropout: 0.0,
    vocabulary: 50265,
    start: DecoderStart::Token(2),
};

/// Whether head, encoder and decoder have one table.
pub(super) fn is_tied(c: &ConfigReader<'_>) -> bool {
    c.flag_or("tie_word_embeddings", true).unwrap_or(true)
}

/// The encoder's shape.
pub(super) fn encoder(c: &ConfigReader<'_>, shape: &Shape) -> Result<TransformerConfig> {
    c.ignores(
        &["encoder_layerdrop", "decoder_layerdrop"],
        "with layers that are left out in training, which none is here",
    );
    // Refused here if it is no flag, as `is_tied` refuses nothing.
    c.flag_or("tie_word_embeddings", true)?;
    let keys = [
        "encoder_layers",
        "encoder_attention_heads",
        "encoder_ffn_dim",
    ];
    stack(c, shape, keys)
}

/// The decoder's shape, with its head.
pub(super) fn decoder(c: &ConfigReader<'_>, shape: &Shape) -> Result<DecoderConfig> {
    let keys = [
        "decoder_layers",
        "decoder_attention_heads",
        "decoder_ffn_dim",
    ];
    let tied = c.flag_or("tie_word_embeddings", true)?;
    let mut transformer = stack(c, shape, keys)?;
    transformer.causal = true;
    transformer.cross_attention = Some(transformer.hidden);
    transformer.embedding.shared = tied;
    Ok(DecoderConfig {
        transformer,
        head: CausalLmConfig {
            tied,
            soft_cap: None,
            scale: None,
        },
        start: start(c, shape.start)?,
    })
}

/// What the decoder begins with.
pub(super) fn start(c: &ConfigReader<'_>, default: DecoderStart) -> Result<DecoderStart> {
    let key = "decoder_start_token_id";
    if c.value(key).is_none() {
        return Ok(default);
    }
    let stated = c.id_or(key, 0)? as u32;
    Ok(match default {
        DecoderStart::Token(_) => DecoderStart::Token(stated),
        DecoderStart::LastWritten(_) => DecoderStart::LastWritten(Some(stated)),
    })
}

fn stack(
    c: &ConfigReader<'_>,
    shape: &Shape,
    [layers, heads, intermediate]: [&'static str; 3],
) -> Result<TransformerConfig> {
    let mut config = TransformerConfig::bert(
        c.size_or("vocab_size", shape.vocabulary)?,
        c.size_or("d_model", 1024)?,
        c.size_or(layers, 12)?,
        c.size_or(heads, 16)?,
    );
    if !config.hidden.is_multiple_of(config.heads) {
        let problem = format!(
            "{} hidden units (d_model) do not divide into {} attention heads",
            config.hidden, config.heads
        );
        return Err(c.error(heads, problem));
    }
    let positions = c.size_or("max_position_embeddings", 1024)?;
    config.embedding.positions = Some(PositionTable {
        rows: positions + shape.offset,
        offset: shape.offset,
        vectors: shape.positions,
    });
    config.embedding.norm = shape.embedding_norm;
    let scales = c.flag_or("scale_embedding", shape.scales)?;
    config.embedding.scale = scales.then(|| (config.hidden as f64).sqrt());
    config.intermediate = c.size_or(intermediate, 4096)?;
    config.activation = c.activation_or("activation_function", shape.activation)?;
    config.norm = NormConfig::layer(1e-5);
    config.order = shape.order;
    let rate = c.dropout_or("dropout", 0.1)?;
    config.dropout = DropoutConfig {
        feed_forward: c.dropout_or("activation_dropout", 0.0)?,
        ..DropoutConfig::uniform(
            rate,
            c.dropout_or("attention_dropout", shape.attention_dropout)?,
        )
    };
    config.initializer_range = c.number_or("init_std", 0.02)?;
    Ok(config)
}

/// On the last token of the decoder, which has read what the encoder has.
pub(super) fn classifier(
    c: &ConfigReader<'_>,
    encoder: &TransformerConfig,
) -> Result<ClassifierConfig> {
    let rate = c.dropout_or("classifier_dropout", 0.0)?;
    Ok(ClassifierConfig {
        pooling: Some(Pooling::Last),
        input_dropout: rate,
        dense: Some(DenseConfig::plain(encoder.hidden, Activation::Tanh)),
        dropout: rate,
        bias: true,
    })
}
