//! T5, mT5 and UMT5, and models in their shape, such as ProtT5 and Ankh: no position has a vector, and scores know distances by trained
//! values.
//! Papers: arXiv 1910.10683 (T5), arXiv 2010.11934 (mT5), arXiv 2304.09151 (UMT5).

use engraft_kernels::Buckets;
use serde_json::Value;

use super::{Family, LoraDefaults, NameTable, bart, bert};
use crate::config::{
    Activation, CausalLmConfig, ClassifierConfig, DecoderConfig, DecoderStart, DistanceBias,
    DropoutConfig, FeedForwardKind, NormConfig, NormOrder, ScoreBuckets, TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "t5",
    hugging_face: &["t5"],
    prefix: "transformer.",
    prefixed_beside_lm: false,
    variant: |_, config| (!has_gates(config)).then_some(&WITHOUT_GATES),
    config: |c| encoder(c, false, "relu"),
    decoder_config: Some(|c, encoder| decoder(c, encoder, output_scale(c, encoder)?)),
    classifier: bart::classifier,
    token_classifier,
    masked_lm_config: None,
    encoder: &[LAYERS, GATED],
    decoder: &[DECODER, DECODERS_GATED],
    pooler: &[],
    masked_lm: &[],
    seq2seq_lm: &[("decoder", "lm_head.weight")],
    classification: &[
        ("dense.linear", "classification_head.dense"),
        ("projection", "classification_head.out_proj"),
    ],
    token_classification: &[("projection", "classifier")],
    beside: &["decoder."],
    // The first T5 stored one that nothing reads.
    derived: &["decoder.block.{}.layer.{}.EncDecAttention.relative_attention_bias.weight"],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["q", "v"],
    },
    architectures: [
        "T5EncoderModel",
        "T5ForConditionalGeneration",
        "T5ForSequenceClassification",
        "T5ForTokenClassification",
    ],
    ..bert::FAMILY
};

/// The same of many languages.
pub(crate) const MT5: Family = Family {
    name: "mt5",
    hugging_face: &["mt5"],
    config: |c| encoder(c, false, "gated-gelu"),
    decoder_config: Some(|c, encoder| decoder(c, encoder, None)),
    variant: |_, config| (!has_gates(config)).then_some(&MT5_WITHOUT_GATES),
    architectures: [
        "MT5EncoderModel",
        "MT5ForConditionalGeneration",
        "MT5ForSequenceClassification",
        "MT5ForTokenClassification",
    ],
    ..FAMILY
};

/// With values of distances in every layer.
pub(crate) const UMT5: Family = Family {
    name: "umt5",
    hugging_face: &["umt5"],
    variant: |_, config| (!has_gates(config)).then_some(&UMT5_WITHOUT_GATES),
    config: |c| encoder(c, true, "gated-gelu"),
    architectures: [
        "UMT5EncoderModel",
        "UMT5ForConditionalGeneration",
        "UMT5ForSequenceClassification",
        "UMT5ForTokenClassification",
    ],
    ..FAMILY
};

const LAYERS: NameTable = &[
    ("embeddings.tokens", "shared"),
    ("embeddings.tokens", "encoder.embed_tokens"),
    ("embeddings.tokens", "decoder.embed_tokens"),
    (
        "layers.{}.attention.inputs.query",
        "encoder.block.{}.layer.0.SelfAttention.q",
    ),
    (
        "layers.{}.attention.inputs.key",
        "encoder.block.{}.layer.0.SelfAttention.k",
    ),
    (
        "layers.{}.attention.inputs.value",
        "encoder.block.{}.layer.0.SelfAttention.v",
    ),
    (
        "layers.{}.attention.output",
        "encoder.block.{}.layer.0.SelfAttention.o",
    ),
    (
        "layers.{}.attention.buckets",
        "encoder.block.{}.layer.0.SelfAttention.relative_attention_bias",
    ),
    (
        "layers.{}.attention_norm",
        "encoder.block.{}.layer.0.layer_norm",
    ),
    (
        "layers.{}.feed_forward.down",
        "encoder.block.{}.layer.1.DenseReluDense.wo",
    ),
    (
        "layers.{}.feed_forward_norm",
        "encoder.block.{}.layer.1.layer_norm",
    ),
    ("norm", "encoder.final_layer_norm"),
];

const GATED: NameTable = &[
    (
        "layers.{}.feed_forward.gate",
        "encoder.block.{}.layer.1.DenseReluDense.wi_0",
    ),
    (
        "layers.{}.feed_forward.up",
        "encoder.block.{}.layer.1.DenseReluDense.wi_1",
    ),
];

const PLAIN: &[NameTable] = &[
    LAYERS,
    &[(
        "layers.{}.feed_forward.up",
        "encoder.block.{}.layer.1.DenseReluDense.wi",
    )],
];

const DECODER: NameTable = &[
    (
        "layers.{}.attention.inputs.query",
        "decoder.block.{}.layer.0.SelfAttention.q",
    ),
    (
        "layers.{}.attention.inputs.key",
        "decoder.block.{}.layer.0.SelfAttention.k",
    ),
    (
        "layers.{}.attention.inputs.value",
        "decoder.block.{}.layer.0.SelfAttention.v",
    ),
    (
        "layers.{}.attention.output",
        "decoder.block.{}.layer.0.SelfAttention.o",
    ),
    (
        "layers.{}.attention.buckets",
        "decoder.block.{}.layer.0.SelfAttention.relative_attention_bias",
    ),
    (
        "layers.{}.attention_norm",
        "decoder.block.{}.layer.0.layer_norm",
    ),
    (
        "layers.{}.encoder_attention.query",
        "decoder.block.{}.layer.1.EncDecAttention.q",
    ),
    (
        "layers.{}.encoder_attention.key",
        "decoder.block.{}.layer.1.EncDecAttention.k",
    ),
    (
        "layers.{}.encoder_attention.value",
        "decoder.block.{}.layer.1.EncDecAttention.v",
    ),
    (
        "layers.{}.encoder_attention.output",
        "decoder.block.{}.layer.1.EncDecAttention.o",
    ),
    (
        "layers.{}.encoder_attention_norm",
        "decoder.block.{}.layer.1.layer_norm",
    ),
    (
        "layers.{}.feed_forward.down",
        "decoder.block.{}.layer.2.DenseReluDense.wo",
    ),
    (
        "layers.{}.feed_forward_norm",
        "decoder.block.{}.layer.2.layer_norm",
    ),
    ("norm", "decoder.final_layer_norm"),
];

const DECODERS_GATED: NameTable = &[
    (
        "layers.{}.feed_forward.gate",
        "decoder.block.{}.layer.2.DenseReluDense.wi_0",
    ),
    (
        "layers.{}.feed_forward.up",
        "decoder.block.{}.layer.2.DenseReluDense.wi_1",
    ),
];

const DECODERS_PLAIN: &[NameTable] = &[
    DECODER,
    &[(
        "layers.{}.feed_forward.up",
        "decoder.block.{}.layer.2.DenseReluDense.wi",
    )],
];

/// Without gates, as the first T5 is.
const WITHOUT_GATES: Family = Family {
    encoder: PLAIN,
    decoder: DECODERS_PLAIN,
    ..FAMILY
};

const MT5_WITHOUT_GATES: Family = Family {
    encoder: PLAIN,
    decoder: DECODERS_PLAIN,
    ..MT5
};

const UMT5_WITHOUT_GATES: Family = Family {
    encoder: PLAIN,
    decoder: DECODERS_PLAIN,
    ..UMT5
};

fn has_gates(config: &TransformerConfig) -> bool {
    config.feed_forward == FeedForwardKind::Gated
}

/// The encoder's shape; `projection` is what `feed_forward_proj` is where the file does not say.
fn encoder(
    c: &ConfigReader<'_>,
    every_layer: bool,
    projection: &'static str,
) -> Result<TransformerConfig> {
    let bert = TransformerConfig::bert(
        c.size("vocab_size")?,
        c.size("d_model")?,
        c.size("num_layers")?,
        c.size("num_heads")?,
    );
    let hidden = bert.hidden;
    let head_dim = c.size("d_kv")?;
    let rate = c.dropout_or("dropout_rate", 0.1)?;
    let (feed_forward, activation) = feed_forward(c, projection)?;
    let mut embedding = bert.embedding;
    embedding.norm = false;
    Ok(TransformerConfig {
        embedding,
        head_dim,
        attention_bias: false,
        attention_output_bias: false,
        // Scores are not scaled: weights begin smaller instead.
        attention_scale: Some(1.0),
        distance_bias: Some(DistanceBias::Buckets(ScoreBuckets {
            rule: buckets(c)?,
            every_layer,
        })),
        intermediate: c.size("d_ff")?,
        feed_forward,
        feed_forward_bias: false,
        activation,
        norm: NormConfig::root_mean_square(c.number_or("layer_norm_epsilon", 1e-6)?),
        order: NormOrder::Pre { skips_first: false },
        dropout: DropoutConfig {
            embedding: rate,
            attention: rate,
            attention_output: rate,
            feed_forward: rate,
            feed_forward_output: rate,
            output: rate,
        },
        initializer_range: c.number_or("initializer_factor", 1.0)? / (hidden as f64).sqrt(),
        ..bert
    })
}

/// As the encoder but for the number of layers, looking back alone.
fn decoder(
    c: &ConfigReader<'_>,
    encoder: &TransformerConfig,
    scale: Option<f64>,
) -> Result<DecoderConfig> {
    let mut transformer = encoder.clone();
    transformer.layers = c.size_or("num_decoder_layers", encoder.layers)?;
    transformer.causal = true;
    transformer.recomputes = false;
    transformer.cross_attention = Some(encoder.hidden);
    transformer.embedding.shared = true;
    if let Some(DistanceBias::Buckets(buckets)) = &mut transformer.distance_bias {
        buckets.rule.bidirectional = false;
        check_reach(c, buckets.rule)?;
    }
    Ok(DecoderConfig {
        transformer,
        head: CausalLmConfig {
            // Whatever the file says: a head of its own is one that is stored.
            tied: true,
            soft_cap: None,
            scale,
        },
        start: bart::start(c, DecoderStart::Token(0))?,
    })
}

/// The factor of what the head reads: as the file says, else there is one unless the file says that the head is not the embeddings.
fn output_scale(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<Option<f64>> {
    let scales = if c.value("scale_decoder_outputs").is_some() {
        c.ignores(&["tie_word_embeddings"], "without scale_decoder_outputs");
        c.flag_or("scale_decoder_outputs", true)?
    } else {
        c.flag_or("tie_word_embeddings", true)?
    };
    Ok(scales.then(|| 1.0 / (encoder.hidden as f64).sqrt()))
}

/// How distances fall into buckets, half of them for keys behind the query.
fn buckets(c: &ConfigReader<'_>) -> Result<Buckets> {
    let (count, max_distance) = (
        c.size_or("relative_attention_num_buckets", 32)?,
        c.size_or("relative_attention_max_distance", 128)?,
    );
    if count < 4 {
        let problem = format!("{count} buckets leave none for farther distances; 4 is the least");
        return Err(c.error("relative_attention_num_buckets", problem));
    }
    let rule = Buckets {
        count,
        max_distance,
        bidirectional: true,
    };
    check_reach(c, rule)?;
    Ok(rule)
}

/// Refuses a distance that lies within the buckets of single distances, which are half of those on one side: where the others, whose widths
/// grow up to it, would lie is not defined.
fn check_reach(c: &ConfigReader<'_>, rule: Buckets) -> Result<()> {
    let sides = if rule.bidirectional { 2 } else { 1 };
    let single = rule.count / sides / 2;
    if rule.max_distance > single {
        return Ok(());
    }
    let problem = format!(
        "{} is no farther than the {single} buckets of single distances reach",
        rule.max_distance
    );
    Err(c.error("relative_attention_max_distance", problem))
}

/// Such as `relu` and `gated-gelu`, which stands for GELU by the hyperbolic tangent. Newer files state both parts under keys of their own,
/// which then count.
fn feed_forward(
    c: &ConfigReader<'_>,
    default: &'static str,
) -> Result<(FeedForwardKind, Activation)> {
    let key = "feed_forward_proj";
    let refuse = || {
        c.error(
            key,
            "expected relu, gelu, gelu_new or silu, perhaps with gated- before it",
        )
    };
    let stated = c.value(key).map_or(Some(default), Value::as_str);
    let stated = stated.ok_or_else(refuse)?;
    let (gated, name) = match stated.strip_prefix("gated-") {
        Some(name) => (true, name),
        None => (false, stated),
    };
    let named = match (gated, name) {
        (_, "relu") => Some(Activation::Relu),
        (false, "gelu") => Some(Activation::Gelu),
        (true, "gelu") | (_, "gelu_new") => Some(Activation::GeluTanh),
        (_, "silu") => Some(Activation::Silu),
        _ => None,
    };
    let activation = c.activation_or("dense_act_fn", named.unwrap_or(Activation::Relu))?;
    if named.is_none() && !c.states("dense_act_fn") {
        return Err(refuse());
    }
    let kind = if c.flag_or("is_gated_act", gated)? {
        FeedForwardKind::Gated
    } else {
        FeedForwardKind::Plain
    };
    Ok((kind, activation))
}

fn token_classifier(c: &ConfigReader<'_>, _: &TransformerConfig) -> Result<ClassifierConfig> {
    Ok(ClassifierConfig::tokens(
        c.dropout_or("classifier_dropout", 0.0)?,
    ))
}
