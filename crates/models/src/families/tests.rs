//! What a `config.json` of an encoder-decoder means, and what of it is refused.

use serde_json::{Map, Value, json};

use super::Family;
use crate::config::{Activation, DecoderConfig, FeedForwardKind, ModelConfig, TransformerConfig};
use crate::overwrites::overwrite;

fn object(json: Value) -> Map<String, Value> {
    json.as_object().unwrap().clone()
}

fn read(json: Value) -> Result<ModelConfig, String> {
    let config = Family::read("config.json", object(json));
    config.map(|it| it.0).map_err(|error| error.to_string())
}

/// A configuration with some keys replaced by the user.
fn overwritten(json: Value, overwrites: Value) -> Result<ModelConfig, String> {
    let (mut json, overwrites) = (object(json), object(overwrites));
    let read = overwrite(&mut json, &overwrites, "config.json").and_then(|()| {
        let (config, keys) = Family::read("config.json", json)?;
        keys.check_overwrites(&overwrites, config.family)?;
        Ok(config)
    });
    read.map_err(|error| error.to_string())
}

/// `json` with `more` keys.
fn with(mut json: Value, more: Value) -> Value {
    json.as_object_mut().unwrap().extend(object(more));
    json
}

#[track_caller]
fn refused(found: Result<ModelConfig, String>, parts: &[&str]) {
    let problem = found.map(|_| ()).unwrap_err();
    for part in parts {
        assert!(problem.contains(part), "{problem}");
    }
}

fn t5(model_type: &str) -> Value {
    json!({"model_type": model_type, "vocab_size": 9, "d_model": 8, "num_layers": 1, "num_heads": 2, "d_kv": 3, "d_ff": 5})
}

fn bart() -> Value {
    json!({"model_type": "bart", "vocab_size": 9, "d_model": 12, "encoder_layers": 1, "decoder_layers": 1,
        "encoder_attention_heads": 3, "decoder_attention_heads": 4, "encoder_ffn_dim": 5, "decoder_ffn_dim": 7})
}

fn t5gemma() -> Value {
    let stack = |hidden: usize, layers: usize| {
        json!({"vocab_size": 9, "hidden_size": hidden, "intermediate_size": 5, "num_hidden_layers": layers,
            "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 6, "sliding_window": 4,
            "attention_dropout": 0.3, "dropout_rate": 0.4})
    };
    json!({"model_type": "t5gemma", "encoder": stack(12, 3), "decoder": stack(15, 2), "dropout_rate": 0.1})
}

fn decoder(config: &ModelConfig) -> &DecoderConfig {
    config.decoder.as_ref().unwrap()
}

#[test]
fn a_family_that_is_not_known_is_refused_with_those_that_are() {
    for model_type in ["nllb-moe", "t5gemma2", "led", "t5_gemma_module"] {
        let named = format!("the family {model_type:?} is not supported yet");
        let parts = [named.as_str(), "m2m_100", "t5gemma", "umt5"];
        refused(
            read(with(bart(), json!({"model_type": model_type}))),
            &parts,
        );
    }
}

#[test]
fn heads_of_either_stack_that_do_not_divide_its_width_are_refused_by_their_key() {
    for key in ["encoder_attention_heads", "decoder_attention_heads"] {
        let place = format!("config.json: {key}");
        let parts = [place.as_str(), "12 hidden units", "5 attention heads"];
        refused(read(with(bart(), json!({key: 5}))), &parts);
    }
    for (key, place) in [
        ("encoder", "config.json: encoder"),
        ("decoder", "config.json: decoder"),
    ] {
        let mut json = t5gemma();
        json[key]["num_key_value_heads"] = json!(2);
        refused(
            read(json),
            &[place, "3 attention heads do not divide among 2"],
        );
    }
}

#[test]
fn sizes_of_a_stack_that_are_missing_or_wrong_are_named_with_their_object() {
    let mut json = t5gemma();
    json["decoder"]["hidden_size"] = json!(0);
    refused(
        read(json),
        &["config.json: decoder: hidden_size", "found 0"],
    );
    let mut json = t5gemma();
    json["encoder"]
        .as_object_mut()
        .unwrap()
        .remove("vocab_size");
    refused(read(json), &["config.json: encoder: vocab_size", "missing"]);
    refused(
        read(with(t5gemma(), json!({"decoder": 3}))),
        &["config.json: decoder", "an object"],
    );
    let mut json = t5gemma();
    json.as_object_mut().unwrap().remove("encoder");
    refused(read(json), &["config.json: encoder", "missing"]);
}

#[test]
fn both_stacks_of_t5gemma_drop_out_at_the_rates_beside_them() {
    let config = read(t5gemma()).unwrap();
    for stack in [&config.transformer, &decoder(&config).transformer] {
        assert_eq!((stack.dropout.output, stack.dropout.attention), (0.1, 0.0));
    }
    assert_eq!(config.transformer.windows, [Some(5), None, Some(5)]);
    assert_eq!(decoder(&config).transformer.windows, [Some(4), None]);
    assert_eq!(decoder(&config).transformer.cross_attention, Some(12));
}

#[test]
fn keys_inside_of_a_stack_are_replaced_one_by_one_and_refused_where_they_change_nothing() {
    let wider = json!({"encoder": {"sliding_window": 8}, "decoder": {"num_hidden_layers": 1}});
    let config = overwritten(t5gemma(), wider).unwrap();
    assert_eq!(config.transformer.windows[0], Some(9));
    let TransformerConfig { hidden, layers, .. } = decoder(&config).transformer;
    assert_eq!((hidden, layers), (15, 1));
    refused(
        overwritten(t5gemma(), json!({"encoder": {"sliding_windows": 8}})),
        &["config_overwrites.encoder.sliding_windows", "no such key"],
    );
    refused(
        overwritten(t5gemma(), json!({"decoder": {"attention_dropout": 0.2}})),
        &[
            "config_overwrites.decoder.attention_dropout",
            "changes nothing here",
            "beside encoder and decoder",
        ],
    );
}

#[test]
fn the_parts_of_feed_forward_proj_count_before_it_where_they_are_stated() {
    let shape = |json: Value| {
        let config = read(json).unwrap();
        let of = |it: &TransformerConfig| (it.feed_forward, it.activation);
        assert_eq!(of(&config.transformer), of(&decoder(&config).transformer));
        of(&config.transformer)
    };
    let (plain, gated) = (FeedForwardKind::Plain, FeedForwardKind::Gated);
    assert_eq!(shape(t5("t5")), (plain, Activation::Relu));
    // These are gated unless the file says otherwise.
    assert_eq!(shape(t5("mt5")), (gated, Activation::GeluTanh));
    assert_eq!(shape(t5("umt5")), (gated, Activation::GeluTanh));
    let stated = |more| shape(with(t5("t5"), more));
    let gelu = json!({"feed_forward_proj": "gated-gelu"});
    assert_eq!(stated(gelu.clone()), (gated, Activation::GeluTanh));
    let parts =
        json!({"feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu", "is_gated_act": false});
    assert_eq!(stated(parts.clone()), (plain, Activation::Gelu));
    assert_eq!(
        stated(json!({"dense_act_fn": "silu", "is_gated_act": true})),
        (gated, Activation::Silu)
    );
    assert_eq!(
        stated(json!({"feed_forward_proj": "gated-quick_gelu", "dense_act_fn": "relu"})),
        (gated, Activation::Relu)
    );
    let key = "feed_forward_proj";
    refused(
        read(with(t5("t5"), json!({key: "gated-quick_gelu"}))),
        &[key, "expected relu"],
    );
    refused(
        read(with(t5("t5"), json!({key: 3}))),
        &[key, "expected relu"],
    );
    let key = "dense_act_fn";
    refused(
        read(with(t5("t5"), json!({key: "mish"}))),
        &[key, "unknown activation"],
    );
    // Who replaces the whole means its parts as well.
    let config = overwritten(with(t5("t5"), parts), gelu).unwrap();
    assert_eq!(config.transformer.feed_forward, gated);
    assert_eq!(config.transformer.activation, Activation::GeluTanh);
}

#[test]
fn a_decoder_begins_with_a_token_of_its_vocabulary() {
    let key = "decoder_start_token_id";
    for json in [t5("t5"), bart()] {
        assert!(read(with(json.clone(), json!({key: 8}))).is_ok());
        let outside = with(json, json!({key: 9}));
        refused(read(outside), &[key, "token 9", "its vocabulary has 9"]);
    }
    // What counts where the file says nothing is the id that published models have.
    let marian = with(bart(), json!({"model_type": "marian"}));
    refused(read(marian), &[key, "token 58100"]);
    let mut json = t5gemma();
    json["decoder"]["bos_token_id"] = json!(9);
    refused(
        read(json),
        &["config.json: decoder: bos_token_id", "token 9"],
    );
}

#[test]
fn positions_of_m2m_100_begin_after_the_id_of_the_padding() {
    let m2m_100 = |more: Value| {
        let json = with(bart(), json!({"model_type": "m2m_100"}));
        read(with(json, more))
    };
    for (more, first) in [(json!({}), 2), (json!({"pad_token_id": 5}), 6)] {
        let config = m2m_100(more).unwrap();
        for stack in [&config.transformer, &decoder(&config).transformer] {
            assert_eq!(stack.embedding.positions.unwrap().offset, first);
        }
    }
    refused(
        m2m_100(json!({"pad_token_id": 9})),
        &["config.json: pad_token_id", "none of the 9 tokens"],
    );
}

#[test]
fn buckets_of_either_stack_reach_farther_than_single_distances() {
    let keys = |count: usize, distance: usize| json!({"relative_attention_num_buckets": count, "relative_attention_max_distance": distance});
    // An encoder has 8 on each side, 4 of them for one distance each; a decoder has all 16 on one, 8 of them so.
    assert!(read(with(t5("t5"), keys(16, 9))).is_ok());
    for (distance, single) in [(8, 8), (5, 8), (4, 4)] {
        let single = format!("the {single} buckets of single distances");
        refused(
            read(with(t5("t5"), keys(16, distance))),
            &["relative_attention_max_distance", &single],
        );
    }
}

/// Three heads of 6 channels beside 20 hidden units: the width of a head is a key of its own.
#[test]
fn heads_of_t5_need_not_divide_its_width() {
    let config = read(with(
        t5("t5"),
        json!({"d_model": 20, "num_heads": 3, "d_kv": 6}),
    ))
    .unwrap();
    assert_eq!(decoder(&config).transformer.head_dim, 6);
}
