//! Model families: how a checkpoint's configuration and tensor names become the one transformer's.

mod albert;
mod bart;
mod bert;
mod bloom;
mod deberta;
mod distilbert;
mod electra;
mod esm;
mod falcon;
mod fm4bio;
mod gemma;
mod gpt2;
mod gpt_neox;
mod keras_hub;
mod layer_types;
mod llama;
mod m2m_100;
mod marian;
mod mbart;
mod mistral;
mod modernbert;
mod one_hot;
mod opt;
mod pegasus;
mod phi3;
mod qwen;
mod rnabert;
mod roberta;
mod rope;
mod smollm3;
mod t5;
mod t5gemma;

use serde_json::{Map, Value};

use crate::config::{
    CausalLmConfig, ClassifierConfig, DecoderConfig, DecoderStart, DistanceBias, FeedForwardKind,
    MaskedLmConfig, ModelConfig, TransformerConfig,
};
use crate::error::{Error, Result};
use crate::json::{ConfigReader, Keys, MOST_LAYERS, Spellings};
use crate::names::HeadKind;
use crate::own_code::known;

/// Larger than the memory of most machines.
const MOST_WEIGHTS: f64 = 1e11;

/// A model family, as data.
pub struct Family {
    /// The name of the family.
    pub name: &'static str,
    /// Values of `model_type` in `config.json`.
    pub hugging_face: &'static [&'static str],
    /// What the names of the encoder's tensors begin with where a head stands beside it.
    pub(crate) prefix: &'static str,
    /// Whether they do where the head is an encoder-decoder's language model.
    pub(crate) prefixed_beside_lm: bool,
    /// The family as it is where the shape has other names, if it is such a shape.
    pub(crate) variant: fn(&ConfigReader<'_>, &TransformerConfig) -> Option<&'static Family>,
    /// Keys of `config.json` that have several names.
    pub(crate) spellings: &'static [Spellings],
    /// Reads the shape of the encoder or decoder.
    pub(crate) config: fn(&ConfigReader<'_>) -> Result<TransformerConfig>,
    /// Reads the head on a sequence.
    pub(crate) classifier: HeadReader<ClassifierConfig>,
    /// Reads the head on every token.
    pub(crate) token_classifier: HeadReader<ClassifierConfig>,
    /// Reads the masked-LM head; none if the family has none.
    pub(crate) masked_lm_config: Option<HeadReader<MaskedLmConfig>>,
    /// Reads the causal-LM head; none if the family's models are encoders.
    pub(crate) causal_lm_config: Option<HeadReader<CausalLmConfig>>,
    /// Reads the decoder beside the encoder; none if there is none.
    pub(crate) decoder_config: Option<HeadReader<DecoderConfig>>,
    /// Our modules and theirs, in tables that families share: `{}` stands for the layer's number, two of them for its group's and its own
    /// inside the group, `*` for an expert's, and `(a,b)` for two tensors that are kept here as one.
    pub(crate) encoder: &'static [NameTable],
    /// The same of the decoder beside the encoder; empty if there is none.
    pub(crate) decoder: &'static [NameTable],
    /// The pooler's names, inside the encoder's prefix; empty if the family has none.
    pub(crate) pooler: NameTable,
    /// The masked-LM head's names; empty if the family has none. One with a leading `!` counts before the others of the same parameter where
    /// both are stored.
    pub(crate) masked_lm: NameTable,
    /// The causal-LM head's names; empty if the family has none.
    pub(crate) causal_lm: NameTable,
    /// The names of an encoder-decoder's language-model head; empty if the family has none.
    pub(crate) seq2seq_lm: NameTable,
    /// The name of what is added to its logits, if checkpoints store such.
    pub(crate) logits_bias: Option<&'static str>,
    /// The names of the head on a sequence; a leading `^` means inside the encoder's prefix. Empty if the family has none.
    pub(crate) classification: NameTable,
    /// The names of the head on every token; empty if the family has none.
    pub(crate) token_classification: NameTable,
    /// What the names of parts begin with that stand beside the encoder and may be left unread, such as a decoder's.
    pub(crate) beside: &'static [&'static str],
    /// Tensors stored in some checkpoints that follow from others or serve nothing; `{}` stands for a number.
    pub(crate) derived: &'static [&'static str],
    /// Whether the weights of layers' linear layers are stored `[in, out]`.
    pub(crate) transposed: bool,
    /// Names under which checkpoints store the frequencies of rotations, where these count.
    pub(crate) frequencies: &'static [&'static str],
    /// Flags of `config.json` that tell between names of tensors, with their values for the names above, under which models are saved.
    pub(crate) naming_flags: &'static [(&'static str, bool)],
    /// What LoRA adapts, and how strongly, unless the user says.
    pub lora: LoraDefaults,
    /// The reference library's classes: encoder alone, language model, classification of sequences and of tokens.
    pub(crate) architectures: [&'static str; 4],
}

/// Our names of modules and theirs.
pub(crate) type NameTable = &'static [(&'static str, &'static str)];

/// Reads a head's or a decoder's shape, given its encoder's.
pub(crate) type HeadReader<T> = fn(&ConfigReader<'_>, &TransformerConfig) -> Result<T>;

/// What LoRA adapts, and how strongly, unless the user says.
#[derive(Clone, Copy, Debug)]
pub struct LoraDefaults {
    /// Numerator of the scale.
    pub alpha: f64,
    /// Names of linear layers, without what stands before the last dots.
    pub targets: &'static [&'static str],
}

/// Every family there is.
pub fn families() -> &'static [&'static Family] {
    &[
        &bert::FAMILY,
        &roberta::FAMILY,
        &roberta::XLM,
        &distilbert::FAMILY,
        &albert::FAMILY,
        &electra::FAMILY,
        &modernbert::FAMILY,
        &deberta::FAMILY,
        &esm::FAMILY,
        &rnabert::FAMILY,
        &fm4bio::FAMILY,
        &one_hot::FAMILY,
        &bart::FAMILY,
        &mbart::FAMILY,
        &pegasus::FAMILY,
        &marian::FAMILY,
        &m2m_100::FAMILY,
        &t5::FAMILY,
        &t5::MT5,
        &t5::UMT5,
        &t5gemma::FAMILY,
        &gpt2::FAMILY,
        &gpt_neox::FAMILY,
        &opt::FAMILY,
        &bloom::FAMILY,
        &falcon::FAMILY,
        &llama::FAMILY,
        &mistral::FAMILY,
        &mistral::MIXTRAL,
        &qwen::QWEN2,
        &qwen::QWEN3,
        &qwen::QWEN3_MOE,
        &gemma::GEMMA,
        &gemma::GEMMA2,
        &gemma::GEMMA3,
        &phi3::FAMILY,
        &smollm3::FAMILY,
    ]
}

impl Family {
    /// What the names of the encoder's tensors begin with beside a head of a kind.
    pub(crate) fn prefix_beside(&self, head: HeadKind) -> &'static str {
        if head.is_familys() && (self.prefixed_beside_lm || head != HeadKind::Seq2SeqLm) {
            self.prefix
        } else {
            ""
        }
    }

    /// The family of a `config.json`.
    ///
    /// # Errors
    /// No or an unknown `model_type`.
    pub(crate) fn of(place: &str, json: &Map<String, Value>) -> Result<&'static Family> {
        let reader = ConfigReader::new(place, json);
        let model_type = reader
            .value("model_type")
            .and_then(Value::as_str)
            .ok_or_else(|| {
                reader.error(
                    "model_type",
                    format!("missing: it names the model's family, one of {}", known()),
                )
            })?;
        families()
            .iter()
            .copied()
            .find(|family| family.hugging_face.contains(&model_type))
            .ok_or_else(|| {
                reader.error(
                    "model_type",
                    format!(
                        "the family {model_type:?} is not supported yet; supported are {}",
                        known()
                    ),
                )
            })
    }

    /// Understands a `config.json`; `place` names it in messages.
    ///
    /// # Errors
    /// No or an unknown `model_type`, sizes that cannot be.
    pub(crate) fn read(place: &str, json: Map<String, Value>) -> Result<(ModelConfig, Keys)> {
        let family = Self::of(place, &json)?;
        let reader = ConfigReader::new(place, &json).with_spellings(family.spellings);
        // Read elsewhere, and keys like others.
        reader.value("model_type");
        reader.value("function_to_apply");
        let mut transformer = (family.config)(&reader)?;
        transformer.recomputes = recomputes(&reader, &transformer)?;
        check(&reader, &transformer)?;
        let family = (family.variant)(&reader, &transformer).unwrap_or(family);
        let mut classifier = (family.classifier)(&reader, &transformer)?;
        let token_classifier = (family.token_classifier)(&reader, &transformer)?;
        let masked_lm = family.masked_lm_config;
        let mut masked_lm = masked_lm
            .map(|read| read(&reader, &transformer))
            .transpose()?;
        keras_hub::apply(
            &reader,
            family.name,
            &mut transformer,
            &mut classifier,
            masked_lm.as_mut(),
        )?;
        let causal_lm = family.causal_lm_config;
        let causal_lm = causal_lm
            .map(|read| read(&reader, &transformer))
            .transpose()?;
        let decoder = family.decoder_config;
        let decoder = decoder
            .map(|read| read(&reader, &transformer))
            .transpose()?;
        if let Some(decoder) = &decoder {
            check(&reader, &decoder.transformer)?;
            check_start(&reader, "decoder_start_token_id", decoder)?;
        }
        if let Some(masked_lm) = &masked_lm
            && masked_lm.tied
            && masked_lm.width(transformer.hidden) != transformer.embedding.width
        {
            return Err(reader.error(
                "tie_word_embeddings",
                format!(
                    "a head of width {} cannot share token embeddings of width {}",
                    masked_lm.width(transformer.hidden),
                    transformer.embedding.width
                ),
            ));
        }
        let (classes, labels) = reader.labels()?;
        let keys = reader.keys();
        let config = ModelConfig {
            family,
            transformer,
            masked_lm,
            causal_lm,
            decoder,
            classifier,
            token_classifier,
            labels,
            classes,
            json,
        };
        Ok((config, keys))
    }
}

/// Whether layers are to be computed again in the backward pass, under the reference library's name for it.
fn recomputes(reader: &ConfigReader<'_>, config: &TransformerConfig) -> Result<bool> {
    let key = "gradient_checkpointing";
    let wanted = reader.flag_or(key, false)?;
    let shares = matches!(config.distance_bias, Some(DistanceBias::Buckets(it)) if !it.every_layer);
    if wanted && (config.relative.is_some() || config.convolution.is_some() || shares) {
        let problem = "not supported where layers share more than hidden states, as in DeBERTa and T5: leave it out";
        return Err(reader.error(key, problem));
    }
    Ok(wanted)
}

/// Refuses a token under `key` that the decoder has no embedding of.
fn check_start(reader: &ConfigReader<'_>, key: &str, decoder: &DecoderConfig) -> Result<()> {
    let vocabulary = decoder.transformer.vocabulary;
    match decoder.start {
        DecoderStart::Token(id) | DecoderStart::LastWritten(Some(id))
            if id as usize >= vocabulary =>
        {
            let problem = format!(
                "the decoder begins with the token {id}, but its vocabulary has {vocabulary}"
            );
            Err(reader.error(key, problem))
        }
        _ => Ok(()),
    }
}

/// Refuses shapes that no model can have.
fn check(reader: &ConfigReader<'_>, config: &TransformerConfig) -> Result<()> {
    let refuse = |key: &str, problem: String| Err::<(), Error>(reader.error(key, problem));
    // Where a head's width is no key of its own, it is what the heads share the hidden units by.
    if !["head_dim", "d_kv"].iter().any(|key| reader.states(key))
        && config.head_dim == config.hidden / config.heads
        && !config.hidden.is_multiple_of(config.heads)
    {
        return refuse(
            "hidden_size",
            format!(
                "{} hidden units do not divide into {} attention heads",
                config.hidden, config.heads
            ),
        );
    }
    if !config.heads.is_multiple_of(config.key_value_heads) {
        return refuse(
            "num_key_value_heads",
            format!(
                "{} attention heads do not divide among {} heads of keys and values",
                config.heads, config.key_value_heads
            ),
        );
    }
    if config.experts.is_some() && config.activation.gate().is_none() {
        return refuse(
            "hidden_act",
            "experts are gated by silu or gelu alone".into(),
        );
    }
    if let Some(experts) = &config.experts
        && experts.per_token > experts.count
    {
        return refuse(
            "num_experts_per_tok",
            format!(
                "a token cannot pass {} of {} experts",
                experts.per_token, experts.count
            ),
        );
    }
    if let (Some(0), Some(table)) = (config.longest(), config.embedding.positions) {
        let problem = format!(
            "{} positions leave none, as this family counts from {}",
            table.rows, table.offset
        );
        return refuse("max_position_embeddings", problem);
    }
    let head = config.head_dim;
    if let Some(rotary) = &config.rotary
        && rotary.dim.next_multiple_of(2) > head
    {
        return refuse(
            "num_attention_heads",
            format!("{head} channels of a head cannot rotate in pairs"),
        );
    }
    if config.layers.max(config.distinct_layers()) > MOST_LAYERS {
        return refuse(
            "num_hidden_layers",
            format!(
                "{} layers are more than the {MOST_LAYERS} that a model may have",
                config.layers
            ),
        );
    }
    // In floating point, which cannot overflow.
    let [hidden, intermediate] = [config.hidden, config.intermediate].map(|size| size as f64);
    let embedding = &config.embedding;
    let rows = [
        config.vocabulary,
        embedding.positions.map_or(0, |table| table.rows),
        embedding.token_types,
    ];
    let tables = rows.iter().sum::<usize>() as f64 * embedding.width as f64;
    let distances = config
        .relative
        .map_or(0.0, |relative| 2.0 * relative.span as f64 * hidden);
    let matrices = match config.feed_forward {
        FeedForwardKind::Plain => 2.0,
        FeedForwardKind::Gated | FeedForwardKind::GatedFused | FeedForwardKind::GatedFusedLast => {
            3.0
        }
    };
    let heads = (2 * (config.heads + config.key_value_heads)) as f64 * config.head_dim as f64;
    let experts = config.experts.as_ref().map_or(0.0, |experts| {
        3.0 * experts.count as f64 * experts.intermediate as f64
    });
    let feed_forward = matrices * intermediate + experts;
    let layers = config.distinct_layers() as f64 * hidden * (heads + feed_forward);
    let convolution = config.convolution.map_or(0.0, |convolution| {
        convolution.kernel as f64 * hidden * hidden
    });
    let projection = match embedding.projection {
        Some(_) => embedding.width as f64 * hidden,
        None => 0.0,
    };
    let weights = tables + distances + convolution + projection + layers;
    if weights > MOST_WEIGHTS {
        return refuse(
            "hidden_size",
            format!(
                "this shape has {weights:.0} weights, more than the {MOST_WEIGHTS:.0} that are supported"
            ),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
