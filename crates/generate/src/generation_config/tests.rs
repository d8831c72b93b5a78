//! What a file says, what is refused of it and when, and what is said of it.

use serde_json::json;

use super::notes::WITHOUT_EFFECT;
use super::*;
use crate::options::Generate;
use crate::penalty::RepetitionPenalty;

fn read(value: Value) -> GenerationConfig {
    GenerationConfig::read(value.to_string().as_bytes(), "m/generation_config.json").unwrap()
}

fn sampler(value: Value) -> String {
    read(value).sampler(None).unwrap().to_string()
}

#[test]
fn the_file_of_a_llama_is_read_whole() {
    let config = read(json!({
        "bos_token_id": 128000, "do_sample": true, "eos_token_id": [128001, 128008, 128009], "temperature": 0.6, "top_p": 0.9,
        "transformers_version": "4.45.0.dev0", "max_length": 4096, "repetition_penalty": 1.1, "max_new_tokens": null,
    }));
    let ends = config.eos_token_id().unwrap().unwrap();
    assert_eq!(ends, [128_001, 128_008, 128_009]);
    let penalty = config.penalty("repetition_penalty").unwrap();
    assert_eq!(penalty, Some(RepetitionPenalty::new(1.1).unwrap()));
    assert_eq!(config.most("max_length").unwrap(), Some(4096));
    assert_eq!(config.most("max_new_tokens").unwrap(), None);
    assert_eq!(
        config.sampler(None).unwrap().to_string(),
        "chain top_k=50 top_p=0.9 temperature=0.6"
    );
    let one = read(json!({"eos_token_id": 50256}));
    assert_eq!(one.eos_token_id().unwrap().unwrap(), [50256]);
    assert!(config.notes(&Generate::default(), 128_256).is_empty());
}

#[test]
fn without_do_sample_it_is_greedy_and_one_rule_alone_is_its_sampler() {
    assert_eq!(sampler(json!({})), "greedy");
    assert_eq!(
        sampler(json!({"do_sample": false, "temperature": 0.0})),
        "greedy"
    );
    assert_eq!(sampler(json!({"temperature": 0.6, "top_k": 3})), "greedy");
    let with = |mut value: Value| {
        value["do_sample"] = json!(true);
        sampler(value)
    };
    assert_eq!(with(json!({})), "top_k k=50");
    assert_eq!(with(json!({"top_k": 0})), "random");
    assert_eq!(with(json!({"top_k": null})), "top_k k=50");
    assert_eq!(
        with(json!({"top_k": 0, "top_p": 1.0, "temperature": 2.0})),
        "random temperature=2"
    );
    assert_eq!(with(json!({"top_k": 0, "min_p": 0.05})), "min_p min_p=0.05");
    assert_eq!(with(json!({"top_k": 0, "top_p": 0.95})), "chain top_p=0.95");
    assert_eq!(
        with(json!({"top_k": 20, "min_p": 0.05})),
        "chain top_k=20 min_p=0.05"
    );
    assert_eq!(
        with(json!({"typical_p": 0.9, "epsilon_cutoff": 0.0, "eta_cutoff": 0.002, "top_h": 0.5})),
        "chain top_h=0.5 top_k=50 typical_p=0.9 eta_cutoff=0.002"
    );
}

#[test]
fn beams_and_contrastive_search_are_read_and_refused_by_their_keys() {
    assert_eq!(
        sampler(
            json!({"num_beams": 4, "length_penalty": 2, "early_stopping": "never", "top_k": 3})
        ),
        "beam num_beams=4 length_penalty=2 early_stopping=never"
    );
    assert_eq!(
        sampler(json!({"num_beams": 4, "early_stopping": true, "do_sample": true})),
        "beam num_beams=4 length_penalty=1 early_stopping=true"
    );
    assert_eq!(
        sampler(json!({"penalty_alpha": 0.6, "top_k": 4, "num_beams": 1})),
        "contrastive k=4 alpha=0.6"
    );
    // As the reference has it, one token to look at is no search, and draws go before it.
    assert_eq!(sampler(json!({"penalty_alpha": 0.6, "top_k": 1})), "greedy");
    assert_eq!(
        sampler(json!({"penalty_alpha": 0.6, "do_sample": true})),
        "top_k k=50"
    );
    for (wrong, problem) in [
        (
            json!({"num_beams": 2, "early_stopping": "sometimes"}),
            "early_stopping: expected true, false or \"never\", found \"sometimes\"",
        ),
        (
            json!({"num_beams": 2.5}),
            "num_beams: expected a whole number from 1, found 2.5",
        ),
        (
            json!({"penalty_alpha": 1.5}),
            "penalty_alpha: expected a number from 0 to 1, found 1.5",
        ),
    ] {
        let error = read(wrong).sampler(None).unwrap_err().to_string();
        assert_eq!(error, format!("m/generation_config.json: {problem}"));
    }
    let drawn = read(json!({"num_beams": 2, "do_sample": true, "stop_strings": "x"}));
    assert_eq!(
        drawn.notes_of_beams(&Generate::default()).unwrap(),
        [
            "m/generation_config.json: do_sample true: beams are searched without draws",
            "m/generation_config.json: stop_strings: texts that beams search for end by tokens alone",
        ]
    );
}

#[test]
fn wrong_types_and_values_are_refused_by_file_and_key_when_they_are_used() {
    let file = "m/generation_config.json";
    let drawn = |mut value: Value| {
        value["do_sample"] = json!(true);
        read(value).sampler(None).unwrap_err().to_string()
    };
    let wrong = read(json!({"eos_token_id": [1, "x"], "do_sample": 1}));
    assert_eq!(
        wrong.eos_token_id().unwrap_err().to_string(),
        format!("{file}: eos_token_id: expected a token id or a list of them, found [1,\"x\"]")
    );
    assert_eq!(
        wrong.sampler(None).unwrap_err().to_string(),
        format!("{file}: do_sample: expected true or false, found 1")
    );
    for wrong in [json!(1.5), json!(-1)] {
        assert_eq!(
            drawn(json!({"top_k": wrong})),
            format!("{file}: top_k: expected a whole number, zero or more, found {wrong}")
        );
    }
    assert!(drawn(json!({"temperature": "hot"})).contains("temperature: expected a number"));
    assert!(drawn(json!({"temperature": 0})).starts_with(&format!(
        "{file}: temperature: expected a number above 0, found 0"
    )));
    assert_eq!(
        drawn(json!({"top_p": 1.5})),
        format!("{file}: top_p: expected a number above 0 and at most 1, found 1.5")
    );
    let hot = read(json!({"do_sample": true, "temperature": "hot"}));
    assert_eq!(
        hot.sampler(Some(2.0)).unwrap().to_string(),
        "top_k k=50 temperature=2"
    );
    let broken = |text: &str| {
        let error = GenerationConfig::read(text.as_bytes(), file).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        broken("[]"),
        format!("{file}: line 1: expected an object of settings")
    );
    assert_eq!(
        broken("{\n\"top_k\": }"),
        format!("{file}: line 2: it is not valid JSON")
    );
}

#[test]
fn numbers_below_zero_and_ids_of_no_token_are_none_as_the_reference_has_it() {
    let config = read(json!({
        "no_repeat_ngram_size": -1, "min_length": -3, "eos_token_id": -1, "suppress_tokens": [-1, 3, -2], "max_length": -1,
        "begin_suppress_tokens": [8, 9],
    }));
    assert_eq!(config.least("no_repeat_ngram_size").unwrap(), Some(0));
    assert_eq!(config.least("min_length").unwrap(), Some(0));
    assert_eq!(config.eos_token_id().unwrap(), Some(Vec::new()));
    assert_eq!(config.ids("suppress_tokens").unwrap(), Some(vec![3]));
    assert!(config.most("max_length").is_err());
    assert_eq!(
        config.notes(&Generate::default(), 9),
        [
            "m/generation_config.json: eos_token_id: -1 is no token of the 9 that the model has, and is left out",
            "m/generation_config.json: suppress_tokens: -1, -2 are no tokens of the 9 that the model has, and are left out",
            "m/generation_config.json: begin_suppress_tokens: 9 is no token of the 9 that the model has, and is left out",
        ]
    );
}

#[test]
fn what_changes_texts_and_is_not_honoured_is_named_in_one_note() {
    let notes = |value: Value| read(value).notes(&Generate::default(), 9);
    assert_eq!(
        notes(json!({
            "num_beams": 4, "num_beam_groups": 2, "length_penalty": 0.8, "early_stopping": true, "guidance_scale": 1.5, "max_time": 2.5,
            "watermarking_config": {"bias": 2.5}, "num_return_sequences": 3, "token_healing": true, "use_cache": false,
        })),
        [
            "m/generation_config.json: not honoured: num_beam_groups 2, guidance_scale 1.5, watermarking_config, token_healing true, max_time 2.5"
        ]
    );
    // What changes nothing is not mentioned.
    let none = json!({
        "num_beams": 1, "length_penalty": 0.8, "guidance_scale": 1, "token_healing": false, "diversity_penalty": 0.0,
        "constraints": null, "pad_token_id": 0, "cache_implementation": "hybrid", "prompt_lookup_num_tokens": 10,
    });
    assert!(notes(none).is_empty());
    assert_eq!(
        notes(json!({"presence_penalty": 0.4, "no_repeat_ngram": 2, "top_k": 3})),
        [
            "m/generation_config.json: keys that are not known, and without effect: no_repeat_ngram, presence_penalty"
        ]
    );
}

#[test]
fn every_key_of_the_reference_is_of_one_kind() {
    let honoured = HONOURED.iter().chain(&WITHOUT_EFFECT);
    let mut all: Vec<&str> = honoured.copied().collect();
    all.extend(NOT_HONOURED.iter().map(|(key, _)| key));
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
    let golden = include_str!("../../../../tests/golden/generation/samplers.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    let keys = golden["keys"].as_array().unwrap().iter();
    for key in keys.map(|key| key.as_str().unwrap()) {
        assert!(all.contains(&key), "{key}");
    }
}
