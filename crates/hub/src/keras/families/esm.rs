//! ESM-2.

use serde_json::{Map, Value, json};

use super::encoders::{BERT_HEADS, BERT_LAYER, bert_keys, encoder_arguments};
use super::heads::{Heads, Widths};
use super::{Family, Head, Model, Sizes, Tasks, keys};
use crate::Result;
use crate::keras::map::{Rows, Scaled, TensorMap, nth};
use crate::keras::stated::{Arguments, Stated};
use crate::keras::tokenizers::Tokenizer;

/// KerasHub gives the first token the row of the padding token's id, and Hugging Face the one after.
const OFFSET: usize = 1;

/// The table of tokens.
const TABLE: &str = "esm.embeddings.word_embeddings.weight";

/// What a token's vector is multiplied by with `token_dropout`, where no token of a text is masked: the share of tokens that was left in training.
const LEFT_BY_DROPOUT: f32 = 1.0 - 0.15 * 0.8;

/// The table of tokens as `token_dropout` of ESM reads it where no token of a text is masked; none of other models, and without it.
pub(in crate::keras) fn scaled_tokens(stated: &Stated<'_>) -> Option<Scaled> {
    let mask = stated.size("mask_token_id")?;
    let is_esm = stated.word("model_type") == Some("esm");
    let drops = is_esm && stated.flag("token_dropout", false);
    drops.then(|| Scaled {
        tensor: TABLE.to_owned(),
        factor: LEFT_BY_DROPOUT,
        zero: mask as usize,
    })
}

const HEADS: Heads = Heads {
    architectures: ["EsmModel", "EsmForMaskedLM", "EsmForSequenceClassification"],
    classifier: &["classifier.dense", "classifier.out_proj"],
    ..BERT_HEADS
};

pub(super) const ESM: Family = Family {
    stem: "ESM",
    module: "esm",
    model_types: &["esm"],
    tasks: Tasks::Proteins(&HEADS),
    arguments,
    translate,
    tokenizer: Tokenizer::Letters,
};

fn arguments(stated: &Stated<'_>) -> Arguments {
    let rows = stated.size("max_position_embeddings").unwrap_or(0);
    let mut arguments = encoder_arguments(stated);
    arguments.extend([
        ("max_wavelength", stated.or("rope_theta", 10_000)),
        ("use_bias", json!(true)),
        ("activation", json!("gelu")),
        ("layer_norm_eps", stated.or("layer_norm_eps", 1e-12)),
        (
            "use_pre_layer_norm",
            stated.or("emb_layer_norm_before", false),
        ),
        (
            "position_embedding_type",
            stated.or("position_embedding_type", "absolute"),
        ),
        (
            "max_sequence_length",
            json!(rows.saturating_sub(OFFSET as u64)),
        ),
        ("pad_token_id", stated.or("pad_token_id", 1)),
    ]);
    arguments
}

fn translate(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = Sizes::of(backbone)?;
    let hidden = sizes.hidden;
    let vocabulary = backbone.size("vocabulary_size")?;
    let kind = backbone.one_of("position_embedding_type", &["rotary", "absolute"])?;
    backbone.one_of("activation", &["gelu"])?;
    backbone.needs("use_bias", true)?;
    let before = backbone.flag("use_pre_layer_norm", false)?;
    let positions = backbone.size_or("max_sequence_length", 1024)?;
    let mut config = bert_keys(backbone, sizes, "esm", 1e-12)?;
    config.extend(keys(json!({
        "vocab_size": vocabulary,
        "layer_norm_eps": backbone.number("layer_norm_eps", 1e-12)?,
        "max_position_embeddings": positions + OFFSET,
        "position_embedding_type": kind,
        "rope_theta": backbone.number("max_wavelength", 10_000.0)?,
        "emb_layer_norm_before": before,
        "token_dropout": false,
        "pad_token_id": backbone.optional_id("pad_token_id")?.unwrap_or(0),
    })));
    let mut layers = map.at("layers", "esm");
    let words = "embeddings.word_embeddings";
    layers.table("embedding", words, vocabulary, hidden);
    if kind == "absolute" {
        let module = "embeddings.position_embeddings";
        layers.rows_of_table("position_embedding", module, OFFSET, positions, hidden);
    }
    if before {
        layers.norm("layer_normalization", "embeddings.layer_norm", hidden);
    }
    let after = nth("layer_normalization", usize::from(before));
    layers.norm(&after, "encoder.emb_layer_norm_after", hidden);
    let count = backbone.layers("num_layers")?;
    map.layers("esm_encoder", "esm.encoder.layer", count, |_, layer| {
        let inner = sizes.intermediate;
        let linears = [
            ("attention_layer/q_dense", BERT_LAYER.query, hidden, hidden),
            ("attention_layer/k_dense", BERT_LAYER.key, hidden, hidden),
            ("attention_layer/v_dense", BERT_LAYER.value, hidden, hidden),
            ("attention_layer/o_dense", BERT_LAYER.output, hidden, hidden),
            (
                "feedforward_intermediate_dense",
                BERT_LAYER.inner,
                hidden,
                inner,
            ),
            ("feedforward_output_dense", BERT_LAYER.outer, inner, hidden),
        ];
        for (part, name, input, output) in linears {
            layer.linear(part, name, &[input], &[output]);
        }
        layer.norm("attention_norm", "attention.LayerNorm", hidden);
        layer.norm("feedforward_norm", "LayerNorm", hidden);
    });
    if *model.head != Head::MaskedLm {
        let widths = Widths {
            hidden,
            embedding: hidden,
            vocabulary,
        };
        HEADS.add(model.head, map, &mut config, widths);
        return Ok(config);
    }
    // It has a matrix of its own.
    HEADS.name(model.head, &mut config);
    let twin = TABLE.to_owned();
    map.twins.insert("lm_head.decoder.weight".to_owned(), twin);
    let mut head = map.at("task/layers/masked_lm_head", "lm_head");
    let (matrix, bias) = (head.named("decoder", "weight"), head.named("bias", ""));
    head.turned(
        "",
        0,
        matrix,
        &[hidden],
        &[vocabulary],
        Rows::all(vocabulary),
    );
    head.vector("", 1, bias, vocabulary);
    head.linear("_intermediate_dense", "dense", &[hidden], &[hidden]);
    head.norm("_intermediate_layer_norm", "layer_norm", hidden);
    config.insert("tie_word_embeddings".to_owned(), json!(false));
    Ok(config)
}
