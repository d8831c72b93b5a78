//! BERT, ELECTRA, ALBERT, DistilBERT, RoBERTa and XLM-R.

use serde_json::{Map, Value, json};

use super::heads::{Heads, Widths};
use super::{Block, Family, Model, Sizes, Tasks, block, keys};
use crate::Result;
use crate::keras::map::{Scope, TensorMap, nth};
use crate::keras::object::Object;
use crate::keras::stated::{Arguments, Stated};
use crate::keras::tokenizers::{BytePair, Division, Tokenizer};

/// What KerasHub's BERT, ELECTRA and ALBERT compute by the hyperbolic tangent, as Hugging Face calls it.
const GELU_TANH: &str = "gelu_new";

/// Rows before the first position in the tables of RoBERTa and its like: of a padding token with the id 1 and of one before it.
const ROBERTA_OFFSET: usize = 2;

/// Positions where a configuration states none.
const POSITIONS: usize = 512;

pub(super) const BERT_LAYER: Block = Block {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    inner: "intermediate.dense",
    outer: "output.dense",
    norm: "output.LayerNorm",
};

pub(super) const BERT_HEADS: Heads = Heads {
    architectures: [
        "BertModel",
        "BertForMaskedLM",
        "BertForSequenceClassification",
    ],
    masked_lm: [
        "cls.predictions.transform.dense",
        "cls.predictions.transform.LayerNorm",
        "cls.predictions.bias",
    ],
    activation: "gelu",
    classifier: &["classifier"],
    dropout: "classifier_dropout",
};

/// KerasHub has none of ELECTRA.
const ELECTRA_HEADS: Heads = Heads {
    architectures: ["ElectraModel"; 3],
    classifier: &[],
    ..BERT_HEADS
};

const ALBERT_HEADS: Heads = Heads {
    architectures: [
        "AlbertModel",
        "AlbertForMaskedLM",
        "AlbertForSequenceClassification",
    ],
    masked_lm: [
        "predictions.dense",
        "predictions.LayerNorm",
        "predictions.bias",
    ],
    activation: GELU_TANH,
    dropout: "classifier_dropout_prob",
    ..BERT_HEADS
};

const DISTIL_BERT_HEADS: Heads = Heads {
    architectures: [
        "DistilBertModel",
        "DistilBertForMaskedLM",
        "DistilBertForSequenceClassification",
    ],
    masked_lm: [
        "vocab_transform",
        "vocab_layer_norm",
        "vocab_projector.bias",
    ],
    classifier: &["pre_classifier", "classifier"],
    dropout: "seq_classif_dropout",
    ..BERT_HEADS
};

const ROBERTA_HEADS: Heads = Heads {
    architectures: [
        "RobertaModel",
        "RobertaForMaskedLM",
        "RobertaForSequenceClassification",
    ],
    masked_lm: ["lm_head.dense", "lm_head.layer_norm", "lm_head.bias"],
    classifier: &["classifier.dense", "classifier.out_proj"],
    ..BERT_HEADS
};

const XLM_ROBERTA_HEADS: Heads = Heads {
    architectures: [
        "XLMRobertaModel",
        "XLMRobertaForMaskedLM",
        "XLMRobertaForSequenceClassification",
    ],
    ..ROBERTA_HEADS
};

pub(super) const BERT: Family = Family {
    stem: "Bert",
    module: "bert",
    model_types: &["bert"],
    tasks: Tasks::Encoder(&BERT_HEADS),
    arguments: bert_arguments,
    translate: bert,
    tokenizer: Tokenizer::WordPiece,
};

pub(super) const ELECTRA: Family = Family {
    stem: "Electra",
    module: "electra",
    model_types: &["electra"],
    tasks: Tasks::None,
    arguments: electra_arguments,
    translate: electra,
    tokenizer: Tokenizer::WordPiece,
};

pub(super) const ALBERT: Family = Family {
    stem: "Albert",
    module: "albert",
    model_types: &["albert"],
    tasks: Tasks::Encoder(&ALBERT_HEADS),
    arguments: albert_arguments,
    translate: albert,
    // ALBERT's own class changes letters, quotes and numbers first; this one does not.
    tokenizer: Tokenizer::pieces("spiece.model", "DebertaV2Tokenizer"),
};

pub(super) const DISTIL_BERT: Family = Family {
    stem: "DistilBert",
    module: "distil_bert",
    model_types: &["distilbert"],
    tasks: Tasks::Encoder(&DISTIL_BERT_HEADS),
    arguments: distil_bert_arguments,
    translate: distil_bert,
    tokenizer: Tokenizer::WordPiece,
};

pub(super) const ROBERTA: Family = Family {
    stem: "Roberta",
    module: "roberta",
    model_types: &["roberta"],
    tasks: Tasks::Encoder(&ROBERTA_HEADS),
    arguments: roberta_arguments,
    translate: |model, map| roberta("roberta", &ROBERTA_HEADS, model, map),
    tokenizer: Tokenizer::BytePair(BytePair {
        reads_pairs: true,
        ..BytePair::between(Division::Gpt2, "<s>", "</s>")
    }),
};

pub(super) const XLM_ROBERTA: Family = Family {
    stem: "XLMRoberta",
    module: "xlm_roberta",
    model_types: &["xlm-roberta"],
    tasks: Tasks::Encoder(&XLM_ROBERTA_HEADS),
    arguments: roberta_arguments,
    translate: |model, map| roberta("xlm-roberta", &XLM_ROBERTA_HEADS, model, map),
    tokenizer: Tokenizer::pieces("sentencepiece.bpe.model", "XLMRobertaTokenizer"),
};

/// What `config.json` says of an encoder with BERT's keys.
pub(super) fn bert_keys(
    backbone: &Object,
    sizes: Sizes,
    model_type: &str,
    epsilon: f64,
) -> Result<Map<String, Value>> {
    let dropout = backbone.number("dropout", 0.1)?;
    Ok(keys(json!({
        "model_type": model_type,
        "hidden_size": sizes.hidden,
        "num_hidden_layers": backbone.layers("num_layers")?,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.intermediate,
        "hidden_act": "gelu",
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "layer_norm_eps": epsilon,
        "initializer_range": 0.02,
    })))
}

/// The tables of BERT, ELECTRA and ALBERT, `width` wide, and their norm; gives what `config.json` says of all but the layers.
fn bert_embeddings(
    backbone: &Object,
    map: &mut TensorMap,
    model_type: &str,
    [vocabulary, width]: [usize; 2],
    sizes: Sizes,
) -> Result<Map<String, Value>> {
    let positions = backbone.size_or("max_sequence_length", POSITIONS)?;
    let segments = backbone.size_or("num_segments", 2)?;
    let tables = [
        ("reversible_embedding", "word_embeddings", vocabulary),
        ("position_embedding", "position_embeddings", positions),
        ("embedding", "token_type_embeddings", segments),
    ];
    let mut layers = map.at("layers", model_type);
    for (layer, module, rows) in tables {
        layers.table(layer, &format!("embeddings.{module}"), rows, width);
    }
    layers.norm("layer_normalization", "embeddings.LayerNorm", width);
    let mut config = bert_keys(backbone, sizes, model_type, 1e-12)?;
    config.extend(keys(json!({
        "vocab_size": vocabulary,
        "hidden_act": GELU_TANH,
        "max_position_embeddings": positions,
        "type_vocab_size": segments,
    })));
    Ok(config)
}

/// The arguments that the classes of encoders with BERT's keys begin with.
pub(super) fn encoder_arguments(stated: &Stated<'_>) -> Arguments {
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("num_layers", stated.get("num_hidden_layers")),
        ("num_heads", stated.get("num_attention_heads")),
        ("hidden_dim", stated.get("hidden_size")),
        ("intermediate_dim", stated.get("intermediate_size")),
        ("dropout", stated.or("hidden_dropout_prob", 0.1)),
    ]
}

fn bert_arguments(stated: &Stated<'_>) -> Arguments {
    let mut arguments = encoder_arguments(stated);
    arguments.extend([
        (
            "max_sequence_length",
            stated.or("max_position_embeddings", POSITIONS),
        ),
        ("num_segments", stated.or("type_vocab_size", 2)),
    ]);
    arguments
}

fn electra_arguments(stated: &Stated<'_>) -> Arguments {
    vec![
        ("vocab_size", stated.get("vocab_size")),
        ("num_layers", stated.get("num_hidden_layers")),
        ("num_heads", stated.get("num_attention_heads")),
        ("hidden_dim", stated.get("hidden_size")),
        (
            "embedding_dim",
            stated.or("embedding_size", stated.get("hidden_size")),
        ),
        ("intermediate_dim", stated.get("intermediate_size")),
        ("dropout", stated.or("hidden_dropout_prob", 0.1)),
        (
            "max_sequence_length",
            stated.or("max_position_embeddings", POSITIONS),
        ),
        ("num_segments", stated.or("type_vocab_size", 2)),
    ]
}

fn albert_arguments(stated: &Stated<'_>) -> Arguments {
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("num_layers", stated.get("num_hidden_layers")),
        ("num_heads", stated.get("num_attention_heads")),
        ("num_groups", stated.or("num_hidden_groups", 1)),
        ("num_inner_repetitions", stated.or("inner_group_num", 1)),
        ("embedding_dim", stated.get("embedding_size")),
        ("hidden_dim", stated.get("hidden_size")),
        ("intermediate_dim", stated.get("intermediate_size")),
        ("dropout", stated.or("hidden_dropout_prob", 0.0)),
        (
            "max_sequence_length",
            stated.or("max_position_embeddings", POSITIONS),
        ),
        ("num_segments", stated.or("type_vocab_size", 2)),
    ]
}

fn distil_bert_arguments(stated: &Stated<'_>) -> Arguments {
    vec![
        ("vocabulary_size", stated.get("vocab_size")),
        ("num_layers", stated.get("n_layers")),
        ("num_heads", stated.get("n_heads")),
        ("hidden_dim", stated.get("dim")),
        ("intermediate_dim", stated.get("hidden_dim")),
        ("dropout", stated.or("dropout", 0.1)),
        (
            "max_sequence_length",
            stated.or("max_position_embeddings", POSITIONS),
        ),
    ]
}

fn roberta_arguments(stated: &Stated<'_>) -> Arguments {
    let rows = stated.size("max_position_embeddings").unwrap_or(0);
    let mut arguments = encoder_arguments(stated);
    arguments.extend([(
        "max_sequence_length",
        json!(rows.saturating_sub(ROBERTA_OFFSET as u64)),
    )]);
    arguments
}

fn bert_layers(backbone: &Object, map: &mut TensorMap, prefix: &str, sizes: Sizes) -> Result<()> {
    let count = backbone.layers("num_layers")?;
    let module = format!("{prefix}.encoder.layer");
    map.layers("transformer_encoder", &module, count, |_, layer| {
        block(layer, sizes, &BERT_LAYER);
    });
    Ok(())
}

fn bert(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = Sizes::of(backbone)?;
    let hidden = sizes.hidden;
    let vocabulary = backbone.size("vocabulary_size")?;
    let mut config = bert_embeddings(backbone, map, "bert", [vocabulary, hidden], sizes)?;
    let mut layers = map.at("layers", "bert");
    layers.linear("dense", "pooler.dense", &[hidden], &[hidden]);
    bert_layers(backbone, map, "bert", sizes)?;
    let widths = Widths {
        hidden,
        embedding: hidden,
        vocabulary,
    };
    BERT_HEADS.add(model.head, map, &mut config, widths);
    Ok(config)
}

fn electra(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = Sizes::of(backbone)?;
    let width = backbone.size("embedding_dim")?;
    let vocabulary = backbone.size("vocab_size")?;
    let mut config = bert_embeddings(backbone, map, "electra", [vocabulary, width], sizes)?;
    config.insert("embedding_size".to_owned(), json!(width));
    let hidden = [sizes.hidden];
    let mut layers = map.at("layers", "electra");
    let projects = width != sizes.hidden;
    if projects {
        layers.linear("dense", "embeddings_project", &[width], &hidden);
    }
    // Hugging Face's has none.
    let pooler = nth("dense", usize::from(projects));
    layers.linear(&pooler, "pooler.dense", &hidden, &hidden);
    bert_layers(backbone, map, "electra", sizes)?;
    ELECTRA_HEADS.name(model.head, &mut config);
    Ok(config)
}

fn albert(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
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
    let backbone = model.backbone;
    let sizes = Sizes::of(backbone)?;
    let hidden = [sizes.hidden];
    let width = backbone.size("embedding_dim")?;
    let vocabulary = backbone.size("vocabulary_size")?;
    let groups = backbone.layers_or("num_groups", 1)?;
    let inner = backbone.layers_or("num_inner_repetitions", 1)?;
    let dropout = backbone.number("dropout", 0.0)?;
    let mut config = bert_embeddings(backbone, map, "albert", [vocabulary, width], sizes)?;
    config.extend(keys(json!({
        "embedding_size": width,
        "num_hidden_groups": groups,
        "inner_group_num": inner,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    })));
    let mut layers = map.at("layers", "albert");
    let projection = "encoder.embedding_hidden_mapping_in";
    layers.linear("dense", projection, &[width], &hidden);
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
    let widths = Widths {
        hidden: sizes.hidden,
        embedding: width,
        vocabulary,
    };
    ALBERT_HEADS.add(model.head, map, &mut config, widths);
    Ok(config)
}

/// The tables of tokens and positions, `before` rows before the first position, and the norm of their sum.
fn token_and_position(
    layers: &mut Scope<'_>,
    [vocabulary, positions]: [usize; 2],
    width: usize,
    before: usize,
) {
    let [tokens, places] = ["token", "position"]
        .map(|table| format!("token_and_position_embedding/{table}_embedding"));
    layers.table(&tokens, "embeddings.word_embeddings", vocabulary, width);
    let module = "embeddings.position_embeddings";
    layers.rows_of_table(&places, module, before, positions, width);
    layers.norm("layer_normalization", "embeddings.LayerNorm", width);
}

fn distil_bert(model: &Model<'_>, map: &mut TensorMap) -> Result<Map<String, Value>> {
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
    let backbone = model.backbone;
    let sizes = Sizes::of(backbone)?;
    let hidden = sizes.hidden;
    let vocabulary = backbone.size("vocabulary_size")?;
    let positions = backbone.size_or("max_sequence_length", POSITIONS)?;
    let dropout = backbone.number("dropout", 0.1)?;
    let count = backbone.layers("num_layers")?;
    let mut config = keys(json!({
        "model_type": "distilbert",
        "vocab_size": vocabulary,
        "dim": hidden,
        "n_layers": count,
        "n_heads": sizes.heads,
        "hidden_dim": sizes.intermediate,
        "activation": "gelu",
        "max_position_embeddings": positions,
        "dropout": dropout,
        "attention_dropout": dropout,
        "initializer_range": 0.02,
    }));
    let mut layers = map.at("layers", "distilbert");
    token_and_position(&mut layers, [vocabulary, positions], hidden, 0);
    let module = "distilbert.transformer.layer";
    map.layers("transformer_encoder", module, count, |_, layer| {
        block(layer, sizes, &LAYER);
    });
    let widths = Widths {
        hidden,
        embedding: hidden,
        vocabulary,
    };
    DISTIL_BERT_HEADS.add(model.head, map, &mut config, widths);
    Ok(config)
}

fn roberta(
    model_type: &str,
    heads: &Heads,
    model: &Model<'_>,
    map: &mut TensorMap,
) -> Result<Map<String, Value>> {
    let backbone = model.backbone;
    let sizes = Sizes::of(backbone)?;
    let hidden = sizes.hidden;
    let vocabulary = backbone.size("vocabulary_size")?;
    let positions = backbone.size_or("max_sequence_length", POSITIONS)?;
    let mut config = bert_keys(backbone, sizes, model_type, 1e-5)?;
    config.extend(keys(json!({
        "vocab_size": vocabulary,
        "max_position_embeddings": positions + ROBERTA_OFFSET,
        "type_vocab_size": 1,
        "pad_token_id": ROBERTA_OFFSET - 1,
    })));
    let mut layers = map.at("layers", "roberta");
    let rows = [vocabulary, positions];
    token_and_position(&mut layers, rows, hidden, ROBERTA_OFFSET);
    // Every token has a position, so that what all of them are given can lie there. In the table of tokens it would change logits too.
    let places = "token_and_position_embedding/position_embedding";
    layers.folded("embeddings.token_type_embeddings", hidden, places);
    bert_layers(backbone, map, "roberta", sizes)?;
    let widths = Widths {
        hidden,
        embedding: hidden,
        vocabulary,
    };
    heads.add(model.head, map, &mut config, widths);
    Ok(config)
}
