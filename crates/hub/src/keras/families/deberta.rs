//! DeBERTa v3.

use serde_json::{Map, Value, json};

use super::encoders::{BERT_HEADS, BERT_LAYER, bert_keys, encoder_arguments};
use super::heads::{Heads, Widths};
use super::{Block, Family, Model, Sizes, Tasks, feed_forward, keys};
use crate::Result;
use crate::keras::map::TensorMap;
use crate::keras::stated::{Arguments, Stated};
use crate::keras::tokenizers::Tokenizer;

const LAYER: Block = Block {
    query: "attention.self.query_proj",
    key: "attention.self.key_proj",
    value: "attention.self.value_proj",
    ..BERT_LAYER
};

const HEADS: Heads = Heads {
    architectures: [
        "DebertaV2Model",
        "DebertaV2ForMaskedLM",
        "DebertaV2ForSequenceClassification",
    ],
    classifier: &["pooler.dense", "classifier"],
    dropout: "pooler_dropout",
    ..BERT_HEADS
};

pub(super) const DEBERTA_V3: Family = Family {
    stem: "DebertaV3",
    module: "deberta_v3",
    model_types: &["deberta-v2"],
    tasks: Tasks::Encoder(&HEADS),
    arguments,
    translate,
    tokenizer: Tokenizer::pieces("spm.model", "DebertaV2Tokenizer"),
};

fn arguments(stated: &Stated<'_>) -> Arguments {
    let mut arguments = encoder_arguments(stated);
    arguments.extend([
        (
            "max_sequence_length",
            stated.or("max_position_embeddings", 512),
        ),
        ("bucket_size", stated.or("position_buckets", 256)),
    ]);
    arguments
}

fn translate(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = Sizes::of(backbone)?;
    let hidden = sizes.hidden;
    let vocabulary = backbone.size("vocabulary_size")?;
    let buckets = backbone.size_or("bucket_size", 256)?;
    let mut config = bert_keys(backbone, sizes, "deberta-v2", 1e-7)?;
    config.extend(keys(json!({
        "vocab_size": vocabulary,
        "max_position_embeddings": backbone.size_or("max_sequence_length", 512)?,
        "type_vocab_size": 0,
        "position_biased_input": false,
        "relative_attention": true,
        "max_relative_positions": -1,
        "position_buckets": buckets,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": true,
        "pos_att_type": ["p2c", "c2p"],
        "pooler_hidden_size": hidden,
        "pooler_hidden_act": "gelu",
        "pooler_dropout": 0.0,
        "cls_dropout": backbone.number("dropout", 0.1)?,
        "legacy": true,
    })));
    let mut layers = map.at("layers", "deberta");
    let tables = [
        (
            "reversible_embedding",
            "embeddings.word_embeddings",
            vocabulary,
        ),
        ("relative_embedding", "encoder.rel_embeddings", 2 * buckets),
    ];
    for (layer, module, rows) in tables {
        layers.table(layer, module, rows, hidden);
    }
    layers.norm("layer_normalization", "embeddings.LayerNorm", hidden);
    layers.norm("relative_embedding/layer_norm", "encoder.LayerNorm", hidden);
    let count = backbone.layers("num_layers")?;
    let kind = "disentangled_attention_encoder";
    map.layers(kind, "deberta.encoder.layer", count, |_, layer| {
        let heads = [sizes.heads, sizes.head_dim];
        let parts = [
            ("query", LAYER.query),
            ("key", LAYER.key),
            ("value", LAYER.value),
        ];
        for (part, name) in parts {
            let part = format!("_self_attention_layer/_{part}_dense");
            layer.linear(&part, name, &[hidden], &heads);
        }
        let output = "_self_attention_layer/_output_dense";
        layer.linear(output, LAYER.output, &[hidden], &[hidden]);
        layer.norm("_self_attention_layer_norm", LAYER.attention_norm, hidden);
        feed_forward(layer, sizes, &LAYER);
    });
    let widths = Widths {
        hidden,
        embedding: hidden,
        vocabulary,
    };
    HEADS.add(model.head, map, &mut config, widths);
    Ok(config)
}
