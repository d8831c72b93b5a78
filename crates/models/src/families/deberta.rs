//! DeBERTa, versions 2 and 3: attention to distances apart from contents.
//! Papers: arXiv 2006.03654, arXiv 2111.09543.

use engraft_kernels::LogBuckets;
use serde_json::Value;

use super::{Family, LoraDefaults, bert};
use crate::adapters::Pooling;
use crate::config::{
    Activation, ClassifierConfig, Convolution, DenseConfig, EmbeddingProjection, MaskedLmConfig,
    PositionTable, PositionVectors, Relative, TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "deberta-v2",
    hugging_face: &["deberta-v2"],
    prefix: "deberta.",
    config,
    classifier,
    token_classifier,
    masked_lm_config: Some(masked_lm_config),
    encoder: &[&[
        ("embeddings.tokens", "embeddings.word_embeddings"),
        ("embeddings.positions", "embeddings.position_embeddings"),
        ("embeddings.types", "embeddings.token_type_embeddings"),
        ("embeddings.projection", "embeddings.embed_proj"),
        ("embeddings.norm", "embeddings.LayerNorm"),
        ("relative.table", "encoder.rel_embeddings"),
        ("relative.norm", "encoder.LayerNorm"),
        ("convolution", "encoder.conv.conv"),
        ("convolution.norm", "encoder.conv.LayerNorm"),
        (
            "layers.{}.attention.inputs.query",
            "encoder.layer.{}.attention.self.query_proj",
        ),
        (
            "layers.{}.attention.inputs.key",
            "encoder.layer.{}.attention.self.key_proj",
        ),
        (
            "layers.{}.attention.inputs.value",
            "encoder.layer.{}.attention.self.value_proj",
        ),
        (
            "layers.{}.attention.distances.key",
            "encoder.layer.{}.attention.self.pos_key_proj",
        ),
        (
            "layers.{}.attention.distances.query",
            "encoder.layer.{}.attention.self.pos_query_proj",
        ),
        (
            "layers.{}.attention.output",
            "encoder.layer.{}.attention.output.dense",
        ),
        (
            "layers.{}.attention_norm",
            "encoder.layer.{}.attention.output.LayerNorm",
        ),
        (
            "layers.{}.feed_forward.up",
            "encoder.layer.{}.intermediate.dense",
        ),
        (
            "layers.{}.feed_forward.down",
            "encoder.layer.{}.output.dense",
        ),
        (
            "layers.{}.feed_forward_norm",
            "encoder.layer.{}.output.LayerNorm",
        ),
    ]],
    pooler: &[],
    masked_lm: &[
        ("dense.linear", "cls.predictions.transform.dense"),
        ("dense.linear", "lm_predictions.lm_head.dense"),
        ("dense.norm", "cls.predictions.transform.LayerNorm"),
        ("dense.norm", "lm_predictions.lm_head.LayerNorm"),
        ("decoder", "cls.predictions.decoder.weight"),
        ("bias", "cls.predictions.bias"),
        ("bias", "!cls.predictions.decoder.bias"),
        ("bias", "lm_predictions.lm_head.bias"),
    ],
    classification: &[
        ("dense.linear", "pooler.dense"),
        ("projection", "classifier"),
    ],
    derived: &[
        "embeddings.position_ids",
        // Stored in some checkpoints that have no use for them.
        "embeddings.position_embeddings.weight",
        "encoder.LayerNorm.weight",
        "encoder.LayerNorm.bias",
    ],
    lora: LoraDefaults {
        alpha: 16.0,
        targets: &["query_proj", "value_proj"],
    },
    // The masked-LM head's names are those of the first of its two layouts.
    naming_flags: &[("legacy", true)],
    architectures: [
        "DebertaV2Model",
        "DebertaV2ForMaskedLM",
        "DebertaV2ForSequenceClassification",
        "DebertaV2ForTokenClassification",
    ],
    ..bert::FAMILY
};

fn config(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = TransformerConfig::bert(
        c.size("vocab_size")?,
        c.size("hidden_size")?,
        c.size("num_hidden_layers")?,
        c.size("num_attention_heads")?,
    );
    let rows = c.size_or("max_position_embeddings", 512)?;
    config.intermediate = c.size("intermediate_size")?;
    config.activation = c.activation_or("hidden_act", Activation::Gelu)?;
    config.norm.epsilon = c.number_or("layer_norm_eps", 1e-7)?;
    let absolute = c.flag_or("position_biased_input", true)?;
    config.embedding.positions = absolute.then_some(PositionTable {
        rows,
        offset: 0,
        vectors: PositionVectors::Drawn,
    });
    config.embedding.token_types = c.id_or("type_vocab_size", 0)?;
    config.embedding.width = c.size_or("embedding_size", config.hidden)?;
    config.embedding.projection =
        (config.embedding.width != config.hidden).then_some(EmbeddingProjection::BeforeNorm);
    config.dropout = bert::dropout(c, 0.1)?;
    config.initializer_range = c.number_or("initializer_range", 0.02)?;
    let kinds = attention_kinds(c)?;
    let spans_positions =
        c.flag_or("relative_attention", false)? && count(c, "max_relative_positions")? == 0;
    if !absolute && !spans_positions {
        let because = "with position_biased_input: true, or for relative_attention without max_relative_positions";
        c.ignores(&["max_position_embeddings"], because);
    }
    config.relative = relative(c, rows, &kinds)?;
    // The reference counts them even where attention knows no distances.
    config.score_terms = 1 + kinds.len();
    config.convolution = convolution(c)?;
    let head = c.size_or("attention_head_size", config.hidden / config.heads)?;
    if head * config.heads != config.hidden {
        return Err(c.error(
            "attention_head_size",
            "only hidden_size / num_attention_heads is supported",
        ));
    }
    Ok(config)
}

/// A count for which numbers below 1 stand for none.
fn count(c: &ConfigReader<'_>, key: &'static str) -> Result<usize> {
    match c.value(key) {
        Some(value) if value.as_i64().is_some_and(|count| count < 1) => Ok(0),
        _ => c.id_or(key, 0),
    }
}

/// The convolution beside the first layer.
fn convolution(c: &ConfigReader<'_>) -> Result<Option<Convolution>> {
    let kernel = count(c, "conv_kernel_size")?;
    let activation = c.activation_or("conv_act", Activation::Tanh)?;
    let groups = c.size_or("conv_groups", 1)?;
    if kernel > 0 && (kernel.is_multiple_of(2) || groups != 1) {
        return Err(c.error(
            "conv_kernel_size",
            "only an odd size and conv_groups 1 are supported",
        ));
    }
    if kernel == 0 {
        c.ignores(&["conv_act", "conv_groups"], "with a conv_kernel_size");
    }
    Ok((kernel > 0).then_some(Convolution { kernel, activation }))
}

/// What attention knows of distances.
fn relative(c: &ConfigReader<'_>, positions: usize, kinds: &[String]) -> Result<Option<Relative>> {
    let longest = match count(c, "max_relative_positions")? {
        0 => positions,
        longest => longest,
    };
    let buckets = count(c, "position_buckets")?;
    let normed = c.value("norm_rel_ebd").and_then(Value::as_str);
    let shared = c.flag_or("share_att_key", false)?;
    if !c.flag_or("relative_attention", false)? {
        let keys = [
            "max_relative_positions",
            "position_buckets",
            "norm_rel_ebd",
            "share_att_key",
        ];
        c.ignores(&keys, "with relative_attention: true");
        return Ok(None);
    }
    if buckets == 1 || (buckets > 0 && longest <= buckets / 2 + 1) {
        return Err(c.error(
            "position_buckets",
            format!("{buckets} buckets do not spread over {longest} positions"),
        ));
    }
    Ok(Some(Relative {
        span: if buckets > 0 { buckets } else { longest },
        buckets: (buckets > 0).then_some(LogBuckets {
            count: buckets,
            max_distance: longest,
        }),
        content_to_position: kinds.iter().any(|kind| kind == "c2p"),
        position_to_content: kinds.iter().any(|kind| kind == "p2c"),
        shared,
        norm: normed.is_some_and(|words| words.to_lowercase().contains("layer_norm")),
    }))
}

/// `pos_att_type`: a list, or words with bars between.
fn attention_kinds(c: &ConfigReader<'_>) -> Result<Vec<String>> {
    let words: Vec<String> = match c.value("pos_att_type") {
        None => Vec::new(),
        Some(Value::String(words)) => words
            .split('|')
            .map(|word| word.trim().to_lowercase())
            .collect(),
        Some(Value::Array(words)) => words
            .iter()
            .map(|word| word.as_str().unwrap_or_default().to_owned())
            .collect(),
        Some(other) => vec![other.to_string()],
    };
    match words.iter().find(|word| *word != "c2p" && *word != "p2c") {
        Some(word) => Err(c.error(
            "pos_att_type",
            format!("expected c2p and p2c, found {word:?}"),
        )),
        None => Ok(words),
    }
}

fn classifier(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<ClassifierConfig> {
    let width = c.size_or("pooler_hidden_size", encoder.hidden)?;
    if width != encoder.hidden {
        return Err(c.error(
            "pooler_hidden_size",
            format!(
                "{width} differs from the {} hidden units that it reads",
                encoder.hidden
            ),
        ));
    }
    let activation = c.activation_or("pooler_hidden_act", Activation::Gelu)?;
    let hidden = c.dropout_or("hidden_dropout_prob", 0.1)?;
    Ok(ClassifierConfig {
        pooling: Some(Pooling::Cls),
        input_dropout: c.dropout_or("pooler_dropout", 0.0)?,
        dense: Some(DenseConfig::plain(width, activation)),
        dropout: c.dropout_or("cls_dropout", hidden)?,
        bias: true,
    })
}

/// In the second layout of the head's names there is no projection but the embeddings.
fn masked_lm_config(c: &ConfigReader<'_>, encoder: &TransformerConfig) -> Result<MaskedLmConfig> {
    let mut head = bert::narrow_masked_lm_config(c, encoder)?;
    if !c.flag_or("legacy", true)? {
        head.tied = true;
        c.ignores(&["tie_word_embeddings"], "with legacy: true");
    }
    Ok(head)
}

fn token_classifier(c: &ConfigReader<'_>, _: &TransformerConfig) -> Result<ClassifierConfig> {
    let dropout = c.dropout_or("hidden_dropout_prob", 0.1)?;
    Ok(ClassifierConfig::tokens(dropout))
}
