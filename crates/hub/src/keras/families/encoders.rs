//! Encoders.

use serde_json::{Map, Value, json};

use super::{Block, Family, Head, Model, Sizes, block, keys, otherwise, with_head};
use crate::Result;
use crate::keras::map::{Rows, Scope, TensorMap, nth};
use crate::keras::object::Object;
use crate::keras::tokenizers::{BytePair, Division, Tokenizer};

/// What KerasHub's BERT and ALBERT compute by the hyperbolic tangent, as Hugging Face calls it.
const GELU_TANH: &str = "gelu_new";

/// Rows before the first position in the tables of RoBERTa and its like: of a padding token with the id 1 and of one before it.
const ROBERTA_OFFSET: usize = 2;

const BERT_LAYER: Block = Block {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    inner: "intermediate.dense",
    outer: "output.dense",
    norm: "output.LayerNorm",
};

pub(super) const BERT: Family = Family {
    stem: "Bert",
    translate: bert,
    tokenizer: Tokenizer::WordPiece,
};

pub(super) const ELECTRA: Family = Family {
    stem: "Electra",
    translate: electra,
    tokenizer: Tokenizer::WordPiece,
};

pub(super) const ALBERT: Family = Family {
    stem: "Albert",
    translate: albert,
    tokenizer: Tokenizer::SentencePiece {
        file: "spiece.model",
        class: "AlbertTokenizer",
        ends: None,
    },
};

pub(super) const DISTIL_BERT: Family = Family {
    stem: "DistilBert",
    translate: distil_bert,
    tokenizer: Tokenizer::WordPiece,
};

pub(super) const ROBERTA: Family = Family {
    stem: "Roberta",
    translate: |model, map| roberta(["roberta", "Roberta"], model, map),
    tokenizer: Tokenizer::BytePair(BytePair {
        division: Division::Gpt2,
        start: Some("<s>"),
        end: "</s>",
        reads_pairs: true,
    }),
};

pub(super) const XLM_ROBERTA: Family = Family {
    stem: "XLMRoberta",
    translate: |model, map| roberta(["xlm-roberta", "XLMRoberta"], model, map),
    tokenizer: Tokenizer::SentencePiece {
        file: "sentencepiece.bpe.model",
        class: "XLMRobertaTokenizer",
        ends: None,
    },
};

pub(super) const DEBERTA_V3: Family = Family {
    stem: "DebertaV3",
    translate: deberta_v3,
    tokenizer: Tokenizer::SentencePiece {
        file: "spm.model",
        class: "DebertaV2Tokenizer",
        ends: None,
    },
};

pub(super) const ESM: Family = Family {
    stem: "ESM",
    translate: esm,
    tokenizer: Tokenizer::Letters,
};

/// The keys that `config.json` has of BERT and its like.
fn bert_keys(backbone: &Object, sizes: Sizes, model_type: &str, epsilon: f64) -> Result<Value> {
    let dropout = backbone.number("dropout", 0.1)?;
    Ok(json!({
        "model_type": model_type,
        "hidden_size": sizes.hidden,
        "num_hidden_layers": backbone.size("num_layers")?,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.intermediate,
        "hidden_act": "gelu",
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "layer_norm_eps": epsilon,
        "initializer_range": 0.02,
    }))
}

/// The masked-LM head, whose matrix is that of the token embeddings. KerasHub has one norm and, but for ALBERT, one activation for all families.
fn masked_lm(
    map: &mut TensorMap,
    config: &mut Map<String, Value>,
    names: [&str; 3],
    [hidden, width, vocabulary]: [usize; 3],
) {
    let [dense, norm, bias] = names;
    otherwise(
        config,
        json!({"masked_lm_activation": "gelu", "masked_lm_norm_eps": 1e-5}),
    );
    let mut head = map.at("task/layers/masked_lm_head", "");
    head.vector("", 0, bias.to_owned(), vocabulary);
    head.linear("intermediate_dense", dense, &[hidden], &[width]);
    head.norm("intermediate_layer_norm", norm, width);
}

/// The classifier's last layer, behind as many others of its kind.
fn logits(map: &mut TensorMap, before: usize, name: &str, width: usize, classes: usize) {
    let mut head = map.at("task/layers", "");
    head.linear(&nth("dense", before), name, &[width], &[classes]);
}

/// The classifier's two layers; what `config.json` says of the first where it is not as wide as the hidden states.
fn two_layers(
    map: &mut TensorMap,
    config: &mut Map<String, Value>,
    [dense, projection]: [&str; 2],
    sizes: Sizes,
    (classes, inner): (usize, Option<usize>),
) {
    let inner = inner.unwrap_or(sizes.hidden);
    if inner != sizes.hidden {
        otherwise(config, json!({"classifier_hidden_dim": inner}));
    }
    let mut head = map.at("task/layers", "");
    head.linear("dense", dense, &[sizes.hidden], &[inner]);
    logits(map, 1, projection, inner, classes);
}

fn bert(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let Model { backbone, head, .. } = *model;
    let sizes = Sizes::of(backbone)?;
    let vocabulary = backbone.size("vocabulary_size")?;
    let mut config = keys(bert_keys(backbone, sizes, "bert", 1e-12)?);
    let segments = backbone.optional_size("num_segments")?.unwrap_or(2);
    let positions = backbone
        .optional_size("max_sequence_length")?
        .unwrap_or(512);
    config.extend(keys(json!({
        "vocab_size": vocabulary,
        "hidden_act": GELU_TANH,
        "max_position_embeddings": positions,
        "type_vocab_size": segments,
    })));
    let mut layers = map.at("layers", "bert");
    bert_embeddings(&mut layers, [vocabulary, positions, segments], sizes.hidden);
    layers.linear("dense", "pooler.dense", &[sizes.hidden], &[sizes.hidden]);
    bert_layers(backbone, map, "bert", sizes)?;
    match head {
        Head::None => {}
        Head::MaskedLm => {
            let names = [
                "cls.predictions.transform.dense",
                "cls.predictions.transform.LayerNorm",
                "cls.predictions.bias",
            ];
            masked_lm(
                map,
                &mut config,
                names,
                [sizes.hidden, sizes.hidden, vocabulary],
            );
        }
        Head::Classifier {
            classes, dropout, ..
        } => {
            config.insert("classifier_dropout".to_owned(), json!(dropout));
            logits(map, 0, "classifier", sizes.hidden, *classes);
        }
    }
    let architectures = [
        "BertModel",
        "BertForMaskedLM",
        "BertForSequenceClassification",
    ];
    Ok(with_head(config, head, architectures))
}

/// The tables of BERT's embeddings and their norm.
fn bert_embeddings(
    layers: &mut Scope<'_>,
    [vocabulary, positions, segments]: [usize; 3],
    width: usize,
) {
    let tables = [
        ("reversible_embedding", "word_embeddings", vocabulary),
        ("position_embedding", "position_embeddings", positions),
        ("embedding", "token_type_embeddings", segments),
    ];
    for (layer, module, rows) in tables {
        layers.table(layer, &format!("embeddings.{module}"), rows, width);
    }
    layers.norm("layer_normalization", "embeddings.LayerNorm", width);
}

fn bert_layers(backbone: &Object, map: &mut TensorMap, prefix: &str, sizes: Sizes) -> Result<()> {
    for layer in 0..backbone.size("num_layers")? {
        let path = format!("layers/{}", nth("transformer_encoder", layer));
        let mut layer = map.at(path, format!("{prefix}.encoder.layer.{layer}"));
        block(&mut layer, sizes, &BERT_LAYER);
    }
    Ok(())
}

fn electra(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let Model { backbone, head, .. } = *model;
    let sizes = Sizes::of(backbone)?;
    let width = backbone.size("embedding_dim")?;
    let vocabulary = backbone.size("vocab_size")?;
    let segments = backbone.optional_size("num_segments")?.unwrap_or(2);
    let positions = backbone
        .optional_size("max_sequence_length")?
        .unwrap_or(512);
    let mut config = keys(bert_keys(backbone, sizes, "electra", 1e-12)?);
    config.extend(keys(json!({
        "vocab_size": vocabulary,
        "embedding_size": width,
        "hidden_act": GELU_TANH,
        "max_position_embeddings": positions,
        "type_vocab_size": segments,
    })));
    let mut layers = map.at("layers", "electra");
    bert_embeddings(&mut layers, [vocabulary, positions, segments], width);
    if width != sizes.hidden {
        layers.linear("dense", "embeddings_project", &[width], &[sizes.hidden]);
    }
    bert_layers(backbone, map, "electra", sizes)?;
    let architectures = [
        "ElectraModel",
        "ElectraForMaskedLM",
        "ElectraForSequenceClassification",
    ];
    Ok(with_head(config, head, architectures))
}

fn albert(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let Model { backbone, head, .. } = *model;
    const LAYER: Block = Block {
        query: "attention.query",
        key: "attention.key",
        value: "attention.value",
        output: "attention.dense",
        attention_norm: "attention.LayerNorm",
        inner: "ffn",
        outer: "ffn_output",
        norm: "full_layer_layer_norm",
    };
    let sizes = Sizes::of(backbone)?;
    let width = backbone.size("embedding_dim")?;
    let vocabulary = backbone.size("vocabulary_size")?;
    let segments = backbone.optional_size("num_segments")?.unwrap_or(2);
    let positions = backbone
        .optional_size("max_sequence_length")?
        .unwrap_or(512);
    let groups = backbone.optional_size("num_groups")?.unwrap_or(1);
    let inner = backbone
        .optional_size("num_inner_repetitions")?
        .unwrap_or(1);
    let dropout = backbone.number("dropout", 0.0)?;
    let mut config = keys(bert_keys(backbone, sizes, "albert", 1e-12)?);
    config.extend(keys(json!({
        "vocab_size": vocabulary,
        "embedding_size": width,
        "hidden_act": GELU_TANH,
        "max_position_embeddings": positions,
        "type_vocab_size": segments,
        "num_hidden_groups": groups,
        "inner_group_num": inner,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    })));
    let mut layers = map.at("layers", "albert");
    bert_embeddings(&mut layers, [vocabulary, positions, segments], width);
    let hidden = [sizes.hidden];
    layers.linear(
        "dense",
        "encoder.embedding_hidden_mapping_in",
        &[width],
        &hidden,
    );
    layers.linear("dense_1", "pooler", &hidden, &hidden);
    for group in 0..groups {
        for repeated in 0..inner {
            let path = nth("transformer_encoder", group * inner + repeated);
            let name =
                format!("albert.encoder.albert_layer_groups.{group}.albert_layers.{repeated}");
            let mut layer = map.at(format!("layers/{path}"), name);
            block(&mut layer, sizes, &LAYER);
        }
    }
    match head {
        Head::None => {}
        Head::MaskedLm => {
            let names = [
                "predictions.dense",
                "predictions.LayerNorm",
                "predictions.bias",
            ];
            masked_lm(map, &mut config, names, [sizes.hidden, width, vocabulary]);
            otherwise(&mut config, json!({"masked_lm_activation": GELU_TANH}));
        }
        Head::Classifier {
            classes, dropout, ..
        } => {
            config.insert("classifier_dropout_prob".to_owned(), json!(dropout));
            logits(map, 0, "classifier", sizes.hidden, *classes);
        }
    }
    let architectures = [
        "AlbertModel",
        "AlbertForMaskedLM",
        "AlbertForSequenceClassification",
    ];
    Ok(with_head(config, head, architectures))
}

/// The tables of tokens and positions, `before` rows before the first position, and the norm of their sum.
fn token_and_position(
    layers: &mut Scope<'_>,
    [vocabulary, positions]: [usize; 2],
    width: usize,
    before: usize,
) {
    let both = "token_and_position_embedding";
    layers.table(
        &format!("{both}/token_embedding"),
        "embeddings.word_embeddings",
        vocabulary,
        width,
    );
    layers.rows_of_table(
        &format!("{both}/position_embedding"),
        "embeddings.position_embeddings",
        before,
        positions,
        width,
    );
    layers.norm("layer_normalization", "embeddings.LayerNorm", width);
}

fn distil_bert(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let Model { backbone, head, .. } = *model;
    const LAYER: Block = Block {
        query: "attention.q_lin",
        key: "attention.k_lin",
        value: "attention.v_lin",
        output: "attention.out_lin",
        attention_norm: "sa_layer_norm",
        inner: "ffn.lin1",
        outer: "ffn.lin2",
        norm: "output_layer_norm",
    };
    let sizes = Sizes::of(backbone)?;
    let vocabulary = backbone.size("vocabulary_size")?;
    let positions = backbone
        .optional_size("max_sequence_length")?
        .unwrap_or(512);
    let dropout = backbone.number("dropout", 0.1)?;
    let layers = backbone.size("num_layers")?;
    let mut config = keys(json!({
        "model_type": "distilbert",
        "vocab_size": vocabulary,
        "dim": sizes.hidden,
        "n_layers": layers,
        "n_heads": sizes.heads,
        "hidden_dim": sizes.intermediate,
        "activation": "gelu",
        "max_position_embeddings": positions,
        "dropout": dropout,
        "attention_dropout": dropout,
        "initializer_range": 0.02,
    }));
    let mut whole = map.at("layers", "distilbert");
    token_and_position(&mut whole, [vocabulary, positions], sizes.hidden, 0);
    for layer in 0..layers {
        let path = format!("layers/{}", nth("transformer_encoder", layer));
        let mut layer = map.at(path, format!("distilbert.transformer.layer.{layer}"));
        block(&mut layer, sizes, &LAYER);
    }
    match head {
        Head::None => {}
        Head::MaskedLm => {
            let names = [
                "vocab_transform",
                "vocab_layer_norm",
                "vocab_projector.bias",
            ];
            masked_lm(
                map,
                &mut config,
                names,
                [sizes.hidden, sizes.hidden, vocabulary],
            );
        }
        Head::Classifier {
            classes,
            hidden,
            dropout,
        } => {
            config.insert("seq_classif_dropout".to_owned(), json!(dropout));
            let names = ["pre_classifier", "classifier"];
            two_layers(map, &mut config, names, sizes, (*classes, *hidden));
        }
    }
    let architectures = [
        "DistilBertModel",
        "DistilBertForMaskedLM",
        "DistilBertForSequenceClassification",
    ];
    Ok(with_head(config, head, architectures))
}

fn roberta(
    [model_type, class]: [&str; 2],
    model: &Model<'_>,
    map: &mut TensorMap,
) -> Result<Map<String, Value>> {
    let Model { backbone, head, .. } = *model;
    let sizes = Sizes::of(backbone)?;
    let vocabulary = backbone.size("vocabulary_size")?;
    let positions = backbone
        .optional_size("max_sequence_length")?
        .unwrap_or(512);
    let mut config = keys(bert_keys(backbone, sizes, model_type, 1e-5)?);
    config.extend(keys(json!({
        "vocab_size": vocabulary,
        "max_position_embeddings": positions + ROBERTA_OFFSET,
        "type_vocab_size": 1,
        "pad_token_id": ROBERTA_OFFSET - 1,
    })));
    let mut layers = map.at("layers", "roberta");
    token_and_position(
        &mut layers,
        [vocabulary, positions],
        sizes.hidden,
        ROBERTA_OFFSET,
    );
    layers.zeros(
        "embeddings.token_type_embeddings.weight",
        &[1, sizes.hidden],
    );
    bert_layers(backbone, map, "roberta", sizes)?;
    match head {
        Head::None => {}
        Head::MaskedLm => {
            let names = ["lm_head.dense", "lm_head.layer_norm", "lm_head.bias"];
            masked_lm(
                map,
                &mut config,
                names,
                [sizes.hidden, sizes.hidden, vocabulary],
            );
        }
        Head::Classifier {
            classes,
            hidden,
            dropout,
        } => {
            config.insert("classifier_dropout".to_owned(), json!(dropout));
            let names = ["classifier.dense", "classifier.out_proj"];
            two_layers(map, &mut config, names, sizes, (*classes, *hidden));
        }
    }
    let architectures = ["Model", "ForMaskedLM", "ForSequenceClassification"];
    let architectures = architectures.map(|what| format!("{class}{what}"));
    Ok(with_head(
        config,
        head,
        architectures.each_ref().map(String::as_str),
    ))
}

fn deberta_v3(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let Model { backbone, head, .. } = *model;
    const LAYER: Block = Block {
        query: "attention.self.query_proj",
        key: "attention.self.key_proj",
        value: "attention.self.value_proj",
        ..BERT_LAYER
    };
    let sizes = Sizes::of(backbone)?;
    let vocabulary = backbone.size("vocabulary_size")?;
    let positions = backbone
        .optional_size("max_sequence_length")?
        .unwrap_or(512);
    let buckets = backbone.optional_size("bucket_size")?.unwrap_or(256);
    let dropout = backbone.number("dropout", 0.1)?;
    let mut config = keys(bert_keys(backbone, sizes, "deberta-v2", 1e-7)?);
    config.extend(keys(json!({
        "vocab_size": vocabulary,
        "max_position_embeddings": positions,
        "type_vocab_size": 0,
        "position_biased_input": false,
        "relative_attention": true,
        "max_relative_positions": -1,
        "position_buckets": buckets,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": true,
        "pos_att_type": ["p2c", "c2p"],
        "pooler_hidden_size": sizes.hidden,
        "pooler_hidden_act": "gelu",
        "pooler_dropout": 0.0,
        "legacy": true,
    })));
    let hidden = sizes.hidden;
    let mut layers = map.at("layers", "deberta");
    layers.table(
        "reversible_embedding",
        "embeddings.word_embeddings",
        vocabulary,
        hidden,
    );
    layers.norm("layer_normalization", "embeddings.LayerNorm", hidden);
    layers.table(
        "relative_embedding",
        "encoder.rel_embeddings",
        2 * buckets,
        hidden,
    );
    layers.norm("relative_embedding/layer_norm", "encoder.LayerNorm", hidden);
    for layer in 0..backbone.size("num_layers")? {
        let path = format!("layers/{}", nth("disentangled_attention_encoder", layer));
        let mut layer = map.at(path, format!("deberta.encoder.layer.{layer}"));
        let heads = [sizes.heads, sizes.head_dim];
        let parts = [
            ("query", LAYER.query),
            ("key", LAYER.key),
            ("value", LAYER.value),
        ];
        for (part, name) in parts {
            let part = format!("self_attention_layer/{part}_dense");
            layer.linear(&part, name, &[hidden], &heads);
        }
        let output = "self_attention_layer/output_dense";
        layer.linear(output, LAYER.output, &[hidden], &[hidden]);
        layer.norm("self_attention_layer_norm", LAYER.attention_norm, hidden);
        super::feed_forward(&mut layer, sizes, &LAYER);
    }
    match head {
        Head::None => {}
        Head::MaskedLm => {
            let names = [
                "cls.predictions.transform.dense",
                "cls.predictions.transform.LayerNorm",
                "cls.predictions.bias",
            ];
            masked_lm(map, &mut config, names, [hidden, hidden, vocabulary]);
        }
        Head::Classifier {
            classes,
            hidden,
            dropout: before,
        } => {
            config.insert("pooler_dropout".to_owned(), json!(before));
            config.insert("cls_dropout".to_owned(), json!(dropout));
            let names = ["pooler.dense", "classifier"];
            two_layers(map, &mut config, names, sizes, (*classes, *hidden));
        }
    }
    let architectures = [
        "DebertaV2Model",
        "DebertaV2ForMaskedLM",
        "DebertaV2ForSequenceClassification",
    ];
    Ok(with_head(config, head, architectures))
}

fn esm(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let Model { backbone, head, .. } = *model;
    let sizes = Sizes::of(backbone)?;
    let vocabulary = backbone.size("vocabulary_size")?;
    let kind = backbone
        .word("position_embedding_type")?
        .unwrap_or("rotary");
    if !["rotary", "absolute"].contains(&kind) {
        let reason = format!("expected rotary or absolute, found {kind}");
        return Err(backbone.refuse("position_embedding_type", &reason));
    }
    if !backbone.flag("use_bias", true)? {
        return Err(backbone.refuse("use_bias", "false, which ESM of other libraries cannot be"));
    }
    let before = backbone.flag("use_pre_layer_norm", false)?;
    let positions = backbone
        .optional_size("max_sequence_length")?
        .unwrap_or(1024);
    // KerasHub gives the first token the row of the padding token's id, and Hugging Face the one after.
    let padding = backbone.optional_id("pad_token_id")?.unwrap_or(0);
    let offset = 1;
    let mut config = keys(bert_keys(backbone, sizes, "esm", 1e-12)?);
    config.extend(keys(json!({
        "vocab_size": vocabulary,
        "hidden_act": backbone.word("activation")?.unwrap_or("gelu"),
        "layer_norm_eps": backbone.number("layer_norm_eps", 1e-12)?,
        "max_position_embeddings": positions + offset,
        "position_embedding_type": kind,
        "rope_theta": backbone.number("max_wavelength", 10_000.0)?,
        "emb_layer_norm_before": before,
        "token_dropout": false,
        "pad_token_id": padding,
    })));
    let hidden = sizes.hidden;
    let mut layers = map.at("layers", "esm");
    layers.table(
        "embedding",
        "embeddings.word_embeddings",
        vocabulary,
        hidden,
    );
    if kind == "absolute" {
        let module = "embeddings.position_embeddings";
        layers.rows_of_table("position_embedding", module, offset, positions, hidden);
    }
    if before {
        layers.norm("layer_normalization", "embeddings.layer_norm", hidden);
    }
    layers.norm(
        &nth("layer_normalization", usize::from(before)),
        "encoder.emb_layer_norm_after",
        hidden,
    );
    for layer in 0..backbone.size("num_layers")? {
        let path = format!("layers/{}", nth("esm_encoder", layer));
        let mut layer = map.at(path, format!("esm.encoder.layer.{layer}"));
        let parts = [
            ("q", BERT_LAYER.query),
            ("k", BERT_LAYER.key),
            ("v", BERT_LAYER.value),
            ("o", BERT_LAYER.output),
        ];
        for (part, name) in parts {
            let part = format!("attention_layer/{part}_dense");
            layer.linear(&part, name, &[hidden], &[hidden]);
        }
        layer.norm("attention_norm", "attention.LayerNorm", hidden);
        layer.norm("feedforward_norm", "LayerNorm", hidden);
        let inner = [sizes.intermediate];
        layer.linear(
            "feedforward_intermediate_dense",
            BERT_LAYER.inner,
            &[hidden],
            &inner,
        );
        layer.linear(
            "feedforward_output_dense",
            BERT_LAYER.outer,
            &inner,
            &[hidden],
        );
    }
    match head {
        Head::None => {}
        Head::MaskedLm => {
            let mut head = map.at("task/layers/masked_lm_head", "lm_head");
            let matrix = head.named("decoder", "weight");
            let rows = Rows {
                first: 0,
                of: vocabulary,
            };
            head.turned("", 0, matrix, &[hidden], &[vocabulary], rows);
            head.vector("", 1, "lm_head.bias".to_owned(), vocabulary);
            head.linear("intermediate_dense", "dense", &[hidden], &[hidden]);
            head.norm("intermediate_layer_norm", "layer_norm", hidden);
            config.insert("tie_word_embeddings".to_owned(), json!(false));
        }
        Head::Classifier {
            classes, hidden, ..
        } => {
            let names = ["classifier.dense", "classifier.out_proj"];
            two_layers(map, &mut config, names, sizes, (*classes, *hidden));
        }
    }
    let architectures = ["EsmModel", "EsmForMaskedLM", "EsmForSequenceClassification"];
    Ok(with_head(config, head, architectures))
}
