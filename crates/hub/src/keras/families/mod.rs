//! The families of KerasHub: what their backbones and heads are called and made of, and what Hugging Face calls the same.

mod bloom;
mod deberta;
mod encoder_decoders;
mod encoders;
mod esm;
mod experts;
mod gemma;
mod gpt;
mod heads;
mod llama;
mod phi3;
mod qwen;
mod smollm3;

use serde_json::{Map, Value, json};

pub(super) use self::esm::scaled_tokens;
use self::heads::Heads;
use super::map::{Scope, TensorMap};
use super::object::Object;
use super::stated::{Arguments, Stated};
use super::tokenizers::Tokenizer;
use crate::Result;

/// A family of KerasHub.
#[derive(Debug)]
pub(super) struct Family {
    /// What its classes begin with: `Bert` of `BertBackbone`.
    pub(super) stem: &'static str,
    /// What the modules of its classes are called, and the folder that they lie in.
    pub(super) module: &'static str,
    /// What `config.json` of Hugging Face calls the same models.
    pub(super) model_types: &'static [&'static str],
    /// The tasks that it has classes for.
    pub(super) tasks: Tasks,
    /// What its backbone is made from that is to be a model of Hugging Face: the way back from `translate`, which then tells whether it is the same.
    pub(super) arguments: fn(&Stated<'_>) -> Arguments,
    /// How its backbone, and a head that was saved with it, are seen as a model of Hugging Face: the keys of its `config.json`.
    pub(super) translate: fn(&Model<'_>, &mut TensorMap) -> Result<Map<String, Value>>,
    /// How its texts become tokens.
    pub(super) tokenizer: Tokenizer,
}

/// The tasks that a family has classes for.
#[derive(Debug)]
pub(super) enum Tasks {
    /// None.
    None,
    /// To classify texts, and to say what masked tokens were.
    Encoder(&'static Heads),
    /// The same of proteins.
    Proteins(&'static Heads),
    /// Language models.
    Decoder,
    /// Language models that read one text and write another.
    EncoderDecoder,
}

/// A preset's model.
pub(super) struct Model<'a> {
    /// Its backbone.
    pub(super) backbone: &'a Object,
    /// Its head.
    pub(super) head: &'a Head,
    /// Whether its files have this data set.
    pub(super) has: &'a dyn Fn(&str) -> bool,
}

/// The head that was saved beside a backbone.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Head {
    /// None, or one without weights of its own.
    None,
    /// One that classifies texts: classes, and the width of the layer before, where there is one.
    Classifier {
        classes: usize,
        hidden: Option<usize>,
        dropout: f64,
    },
    /// One that says what masked tokens were.
    MaskedLm,
}

/// All families, in the order of the alphabet.
pub(super) const FAMILIES: &[Family] = &[
    encoders::ALBERT,
    encoder_decoders::BART,
    encoders::BERT,
    bloom::BLOOM,
    deberta::DEBERTA_V3,
    encoders::DISTIL_BERT,
    encoders::ELECTRA,
    esm::ESM,
    bloom::FALCON,
    gemma::GEMMA,
    gemma::GEMMA3,
    gpt::GPT2,
    gpt::GPT_NEO_X,
    llama::LLAMA,
    llama::LLAMA3,
    llama::MISTRAL,
    experts::MIXTRAL,
    gpt::OPT,
    phi3::PHI3,
    qwen::QWEN,
    qwen::QWEN3,
    experts::QWEN3_MOE,
    encoders::ROBERTA,
    smollm3::SMOLLM3,
    encoder_decoders::T5,
    encoder_decoders::T5_GEMMA,
    encoders::XLM_ROBERTA,
];

/// The sizes that the blocks of most families share.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    hidden: usize,
    heads: usize,
    head_dim: usize,
    intermediate: usize,
}

impl Sizes {
    /// Those of a backbone whose heads divide its hidden states.
    fn of(backbone: &Object) -> Result<Self> {
        Self::with_heads(backbone, "num_heads")
    }

    /// The same, with the key of the number of heads.
    fn with_heads(backbone: &Object, key: &str) -> Result<Self> {
        let [hidden, heads] = [backbone.size("hidden_dim")?, backbone.size(key)?];
        if !hidden.is_multiple_of(heads) {
            let reason = format!("{hidden} is no multiple of {key}, which is {heads}");
            return Err(backbone.refuse("hidden_dim", &reason));
        }
        Ok(Self {
            hidden,
            heads,
            head_dim: hidden / heads,
            intermediate: backbone.size("intermediate_dim")?,
        })
    }
}

/// What Hugging Face calls the modules of a block of two residual branches.
struct Block {
    query: &'static str,
    key: &'static str,
    value: &'static str,
    output: &'static str,
    attention_norm: &'static str,
    inner: &'static str,
    outer: &'static str,
    norm: &'static str,
}

/// The modules of BART, and of OPT.
const FAIRSEQ_LAYER: Block = Block {
    query: "self_attn.q_proj",
    key: "self_attn.k_proj",
    value: "self_attn.v_proj",
    output: "self_attn.out_proj",
    attention_norm: "self_attn_layer_norm",
    inner: "fc1",
    outer: "fc2",
    norm: "final_layer_norm",
};

/// The parameters of KerasHub's `TransformerEncoder`, and of what a decoder of that kind has beside cross-attention.
fn block(scope: &mut Scope<'_>, sizes: Sizes, names: &Block) {
    attention(
        scope,
        "_self_attention_layer",
        sizes,
        [names.query, names.key, names.value, names.output],
    );
    scope.norm(
        "_self_attention_layer_norm",
        names.attention_norm,
        sizes.hidden,
    );
    feed_forward(scope, sizes, names);
}

/// The parameters of the second branch.
fn feed_forward(scope: &mut Scope<'_>, sizes: Sizes, names: &Block) {
    let [hidden, intermediate] = [&[sizes.hidden], &[sizes.intermediate]];
    scope.linear(
        "_feedforward_intermediate_dense",
        names.inner,
        hidden,
        intermediate,
    );
    scope.linear(
        "_feedforward_output_dense",
        names.outer,
        intermediate,
        hidden,
    );
    scope.norm("_feedforward_layer_norm", names.norm, sizes.hidden);
}

/// The parameters of attention: its query, key, value and output.
fn attention(scope: &mut Scope<'_>, layer: &str, sizes: Sizes, names: [&str; 4]) {
    let heads = [sizes.heads, sizes.head_dim];
    let [query, key, value, output] = names;
    for (part, name) in [("query", query), ("key", key), ("value", value)] {
        scope.linear(
            &format!("{layer}/{part}_dense"),
            name,
            &[sizes.hidden],
            &heads,
        );
    }
    scope.linear(
        &format!("{layer}/output_dense"),
        output,
        &heads,
        &[sizes.hidden],
    );
}

/// An object of JSON as a map.
fn keys(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The key under which `config.json` says what a class of KerasHub computes otherwise than the family that it is of.
pub const KERAS_HUB: &str = "keras_hub";

/// Adds to what is said there.
fn otherwise(config: &mut Map<String, Value>, said: Value) {
    let before = config
        .entry(KERAS_HUB)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(before) = before {
        before.extend(keys(said));
    }
}

/// Says what the norm after the last layer adds, where the blocks add something else whatever the backbone says.
fn last_norm(backbone: &Object, of_blocks: f64, config: &mut Map<String, Value>) -> Result<()> {
    let epsilon = backbone.number("layer_norm_epsilon", of_blocks)?;
    if epsilon != of_blocks {
        otherwise(config, json!({"last_norm_eps": epsilon}));
    }
    Ok(())
}
