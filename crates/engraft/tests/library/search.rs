//! Searches: what the reference libraries find, whatever else is in the batch, and drafts that change no distribution.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use engraft::CausalLm;
use engraft::component::{decode, read_yaml};
use engraft::generate::{Acceptance, BaseSampler, Prompt, Written};
use engraft::prelude::*;
use serde_json::{Value, json};

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(path)
}

fn read(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden(path)).unwrap()).unwrap()
}

/// A golden decoder with a token for each character from `!` on after three special ones.
struct Place(tempfile::TempDir);

impl Place {
    fn new(model: &str, file: &Value) -> Self {
        Self::with_config(model, file, |_| {})
    }

    /// The same after a change to its `config.json`.
    fn with_config(model: &str, file: &Value, change: impl FnOnce(&mut Value)) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let write = |name: &str, text: String| std::fs::write(place.0.path().join(name), text);
        let weights = golden("decoders").join(model).join("model.safetensors");
        std::fs::copy(weights, place.0.path().join("model.safetensors")).unwrap();
        write("generation_config.json", file.to_string()).unwrap();
        let mut config = read(&format!("decoders/{model}/config.json"));
        change(&mut config);
        write("config.json", config.to_string()).unwrap();
        let letters = config["vocab_size"].as_u64().unwrap() as u8 - 3;
        let letters = (b'!'..b'!' + letters).map(|letter| format!("{}\n", letter as char));
        let letters = letters.collect::<String>();
        write("vocab.txt", format!("<s>\n</s>\n<unk>\n{letters}")).unwrap();
        place
    }

    fn name(&self) -> String {
        self.0.path().to_str().unwrap().to_owned()
    }

    fn open(&self) -> CausalLm {
        CausalLm::from_preset(&self.name())
            .unwrap()
            .build()
            .unwrap()
    }
}

fn options(options: &Value) -> Generate {
    let node = read_yaml(options.to_string().as_bytes(), "request").unwrap();
    decode::<Generate>(&node).unwrap().0
}

fn prompts(value: &Value) -> Vec<Vec<u32>> {
    serde_json::from_value(value.clone()).unwrap()
}

/// All texts of these prompts, those of one prompt side by side, and how many drafted tokens were accepted.
fn written_with(
    lm: &CausalLm,
    prompts: &[Vec<u32>],
    generate: &Generate,
) -> (Vec<Written>, Acceptance) {
    let mut texts = lm.texts(generate, prompts.len()).unwrap();
    for prompt in prompts {
        texts.add(&Prompt::of_ids(prompt.as_slice())).unwrap();
    }
    while !texts.is_done() {
        texts.step().unwrap();
    }
    let count = prompts.len() * texts.sequences();
    let written = (0..count).map(|row| texts.take(row)).collect();
    (written, texts.acceptance())
}

fn written(lm: &CausalLm, prompts: &[Vec<u32>], generate: &Generate) -> Vec<Written> {
    written_with(lm, prompts, generate).0
}

fn new_ids(written: &[Written]) -> Vec<Vec<u32>> {
    let new = written.iter().map(|text| text.new_ids().to_vec());
    new.collect()
}

/// The keys of both.
fn joined(mut left: Value, right: &Value) -> Value {
    for (key, value) in right.as_object().unwrap() {
        left[key] = value.clone();
    }
    left
}

/// Rows at a time: all of them, fewer than there are, and each alone.
const WIDTHS: [usize; 3] = [32, 2, 1];

#[test]
fn beams_find_the_references_texts_with_their_scores_however_many_are_searched_at_a_time() {
    let golden = read("generation/search.json");
    let mut compared = 0;
    for case in golden["cases"].as_array().unwrap() {
        let model = case["model"].as_str().unwrap();
        let prompts = prompts(&case["prompts"]);
        for run in case["runs"].as_array().unwrap() {
            let file = joined(case["settings"].clone(), &run["settings"]);
            let what = format!("{}, {}", case["name"], run["settings"]);
            let lm = Place::new(model, &file).open();
            for batch_size in WIDTHS {
                let mut generate = options(&json!({"batch_size": batch_size}));
                if file["eos_token_id"].is_null() {
                    generate.stop_token_ids = StopTokens::None;
                }
                let texts = written(&lm, &prompts, &generate);
                let expected = run["texts"].as_array().unwrap().iter();
                let expected: Vec<&Value> = expected
                    .flat_map(|texts| texts.as_array().unwrap())
                    .collect();
                assert_eq!(texts.len(), expected.len(), "{what}");
                for (found, expected) in texts.iter().zip(expected) {
                    assert_eq!(json!(found.new_ids()), expected["ids"], "{what}");
                    let score = expected["score"].as_f64().unwrap();
                    let error = (found.score.unwrap() - score).abs();
                    assert!(error < 1e-3 * score.abs().max(1.0), "{what}: {error}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 500, "{compared} texts");
}

#[test]
fn options_of_beams_are_those_of_the_file() {
    let golden = read("generation/search.json");
    let case = &golden["cases"][0];
    let prompts = prompts(&case["prompts"]);
    let settings = &case["settings"];
    let bias = settings["sequence_bias"][0].clone();
    let lm = Place::new("llama", &json!({})).open();
    for run in case["runs"].as_array().unwrap() {
        let mut asked = joined(
            json!({
                "num_beams": settings["num_beams"],
                "max_new_tokens": settings["max_new_tokens"],
                "stop_token_ids": settings["eos_token_id"],
                "logit_bias": [format!("{}:{}", bias[0][0], bias[1])],
                "logprobs": true,
            }),
            &run["settings"],
        );
        for sampler in [json!(null), json!("beam")] {
            asked["sampler"] = sampler;
            let texts = written(&lm, &prompts, &options(&asked));
            for (found, expected) in texts.iter().zip(run["texts"].as_array().unwrap()) {
                assert_eq!(json!(found.new_ids()), expected[0]["ids"], "{asked}");
                // Those of the model itself, without the bias.
                let scores = lm.model().score(&found.ids).unwrap();
                let own = &scores[found.prompt_tokens - 1..];
                assert_eq!(own.len(), found.log_probabilities.len());
                for (own, told) in own.iter().zip(&found.log_probabilities) {
                    assert!((own - told).abs() < 1e-4, "{own} {told}");
                }
            }
        }
    }
}

#[test]
fn keras_hubs_searches_find_what_it_finds() {
    let golden = read("generation/kerashub.json");
    let prompts = prompts(&golden["prompts"]);
    for case in golden["cases"].as_array().unwrap() {
        let lm = Place::new(case["model"].as_str().unwrap(), &json!({})).open();
        let stops: Vec<u32> = serde_json::from_value(case["stops"].clone()).unwrap();
        let arguments = &case["arguments"];
        let count = |key: &str| arguments[key].as_u64().unwrap() as usize;
        let number = |key: &str| arguments[key].as_f64().unwrap();
        let sampler: Sampler = match case["sampler"].as_str().unwrap() {
            "beam" => BeamKeras {
                num_beams: count("num_beams"),
                temperature: number("temperature"),
                ..BeamKeras::default()
            }
            .into(),
            _ => Contrastive {
                k: count("k"),
                alpha: number("alpha"),
                temperature: number("temperature"),
            }
            .into(),
        };
        for batch_size in WIDTHS {
            let generate = Generate {
                sampler: Some(sampler.clone()),
                max_new_tokens: golden["new"].as_u64().map(|new| new as usize),
                stop_token_ids: StopTokens::Ids(stops.clone()),
                batch_size,
                ..Generate::default()
            };
            let texts = written(&lm, &prompts, &generate);
            assert_eq!(json!(new_ids(&texts)), case["texts"], "{case}");
        }
    }
}

#[test]
fn contrastive_search_finds_the_references_texts_however_many_are_searched_at_a_time() {
    let golden = read("generation/contrastive.json");
    for case in golden["cases"].as_array().unwrap() {
        let file = joined(
            case["settings"].clone(),
            &json!({"max_new_tokens": golden["new"]}),
        );
        let lm = Place::new(case["model"].as_str().unwrap(), &file).open();
        let prompts = prompts(&case["prompts"]);
        for batch_size in WIDTHS {
            let mut generate = options(&json!({"batch_size": batch_size}));
            if file.get("eos_token_id").is_none() {
                generate.stop_token_ids = StopTokens::None;
            }
            let texts = written(&lm, &prompts, &generate);
            // The reference fills texts that have ended.
            let expected: Vec<Vec<u32>> = serde_json::from_value(case["ids"].clone()).unwrap();
            let end = file["eos_token_id"].as_u64();
            for (found, expected) in texts.iter().zip(expected) {
                let ids = expected.iter().map(|&id| u64::from(id));
                let length = ids.clone().position(|id| Some(id) == end);
                let length = length.map_or(expected.len(), |at| at + 1);
                assert_eq!(found.new_ids(), &expected[..length], "{case}");
            }
        }
    }
}

const PROMPTS: [&[u32]; 5] = [
    &[1, 4],
    &[17, 9, 33, 40, 8, 12],
    &[5],
    &[60, 61, 62],
    &[7; 11],
];

fn some_prompts() -> Vec<Vec<u32>> {
    PROMPTS.iter().map(|prompt| prompt.to_vec()).collect()
}

/// Windows that come round, rotations that are computed anew, distances instead of positions.
const MODELS: [&str; 5] = [
    "mistral",
    "gemma3_text",
    "llama_rope_dynamic",
    "llama_rope_longrope",
    "bloom",
];

fn free(sampler: impl Into<Sampler>) -> Generate {
    Generate {
        sampler: Some(sampler.into()),
        max_new_tokens: Some(18),
        stop_token_ids: StopTokens::Ids((3..20).collect()),
        ..Generate::default()
    }
}

#[test]
fn searches_are_the_same_alone_together_and_as_places_become_free() {
    for model in MODELS {
        let lm = Place::new(model, &json!({})).open();
        let beams = Generate {
            num_return_sequences: Some(2),
            ..free(Beam::new(3))
        };
        let mut lengths = BTreeSet::new();
        for generate in [
            beams,
            free(Contrastive::default()),
            free(BeamKeras::default()),
        ] {
            let together = new_ids(&written(&lm, &some_prompts(), &generate));
            for batch_size in [1, 2] {
                let fewer = Generate {
                    batch_size,
                    ..generate.clone()
                };
                let fewer = new_ids(&written(&lm, &some_prompts(), &fewer));
                assert_eq!(
                    fewer, together,
                    "{model}: {batch_size} at a time, {generate:?}"
                );
            }
            lengths.extend(together.iter().map(Vec::len));
        }
        assert!(lengths.len() > 1, "{model}: {lengths:?}");
    }
}

/// Drafts of a model with the same vocabulary and other weights, `count` at a time.
fn drafted(draft: &Place, base: impl Into<BaseSampler>, count: usize) -> Speculative {
    Speculative {
        draft: Some(draft.name()),
        num_speculative_tokens: count,
        base_sampler: Some(base.into()),
        ..Speculative::default()
    }
}

#[test]
fn drafts_change_no_text_of_the_most_probable_tokens() {
    let mut all = Acceptance::default();
    for model in MODELS {
        let place = Place::new(model, &json!({}));
        // Its own drafts are all accepted; another model's, with windows or not, seldom.
        for drafter in [model, "llama", "mistral"] {
            let draft = Place::new(drafter, &json!({}));
            let lm = place.open();
            let mut plain = free(Greedy::default());
            plain.no_repeat_ngram_size = Some(2);
            plain.logprobs = true;
            let expected = written(&lm, &some_prompts(), &plain);
            for (count, batch_size) in [(1, 32), (4, 2), (7, 1)] {
                let generate = Generate {
                    sampler: drafted(&draft, Greedy::default(), count).into(),
                    batch_size,
                    ..plain.clone()
                };
                let (found, acceptance) = written_with(&lm, &some_prompts(), &generate);
                assert_eq!(new_ids(&found), new_ids(&expected), "{model}, {count}");
                for (found, expected) in found.iter().zip(&expected) {
                    let both = found
                        .log_probabilities
                        .iter()
                        .zip(&expected.log_probabilities);
                    assert!(both.into_iter().all(|(a, b)| (a - b).abs() < 1e-4));
                    assert_eq!(found.end, expected.end);
                }
                let Acceptance { drafted, accepted } = acceptance;
                assert!(drafter != model || accepted == drafted, "{model}, {count}");
                all.drafted += acceptance.drafted;
                all.accepted += acceptance.accepted;
            }
        }
    }
    assert!(
        all.accepted > 200 && all.drafted > all.accepted + 500,
        "{all:?}"
    );
}

const DRAWS: usize = 20_000;

/// How often each text of three tokens is drawn after one prompt.
fn counts(lm: &CausalLm, sampler: Sampler) -> (BTreeMap<Vec<u32>, f64>, Acceptance) {
    let generate = Generate {
        sampler: Some(sampler),
        max_new_tokens: Some(3),
        stop_token_ids: StopTokens::None,
        num_return_sequences: Some(DRAWS),
        batch_size: 500,
        ..Generate::default()
    };
    let (written, acceptance) = written_with(lm, &[vec![1, 47, 17, 46]], &generate);
    let mut counts = BTreeMap::new();
    for text in &written {
        *counts.entry(text.new_ids().to_vec()).or_insert(0.0) += 1.0;
    }
    (counts, acceptance)
}

/// The 99.9th percentile of chi-squared (Wilson and Hilferty, 1931).
fn bound(freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + 3.09 * spread.sqrt()).powi(3)
}

#[test]
fn drafts_change_no_distribution_by_chi_squared_over_twenty_thousand_draws() {
    let lm = Place::new("llama", &json!({})).open();
    // The same weights with other norms: near enough for many drafts to be accepted.
    let draft = Place::with_config("llama", &json!({}), |config| {
        config["rms_norm_eps"] = json!(0.3);
    });
    let base = |seed| TopK {
        k: 4,
        temperature: 1.3,
        seed: Some(seed),
    };
    let (plain, _) = counts(&lm, base(1).into());
    // Two drafts at a time are followed by a third token; a single one is not always.
    for count in [1, 2] {
        let (found, acceptance) = counts(&lm, drafted(&draft, base(2), count).into());
        let Acceptance { drafted, accepted } = acceptance;
        assert!(
            drafted > DRAWS && accepted > drafted / 10 && accepted < drafted * 9 / 10,
            "{acceptance:?}"
        );
        // Texts that are seldom drawn count together.
        let mut cells = vec![[0.0; 2]];
        for text in plain
            .keys()
            .chain(found.keys().filter(|it| !plain.contains_key(*it)))
        {
            let cell = [&plain, &found].map(|counts| counts.get(text).copied().unwrap_or(0.0));
            if cell[0] + cell[1] < 20.0 {
                cells[0][0] += cell[0];
                cells[0][1] += cell[1];
            } else {
                cells.push(cell);
            }
        }
        cells.retain(|[a, b]| a + b > 0.0);
        let distance: f64 = cells.iter().map(|[a, b]| (a - b).powi(2) / (a + b)).sum();
        let freedom = cells.len() as f64 - 1.0;
        assert!(freedom > 20.0, "{freedom}");
        assert!(
            distance < bound(freedom),
            "{count}: {distance} of {}",
            bound(freedom)
        );
    }
}

#[test]
fn a_stop_string_ends_a_text_that_is_drafted_where_it_would_end_anyway() {
    let place = Place::new("llama", &json!({}));
    let lm = place.open();
    let mut plain = free(Greedy::default());
    plain.stop_token_ids = StopTokens::None;
    let whole = written(&lm, &some_prompts(), &plain);
    let letters: String = whole[1].text.chars().rev().take(9).collect();
    let letters: String = letters.chars().rev().take(2).collect();
    plain.stop = vec![letters];
    let expected = written(&lm, &some_prompts(), &plain);
    plain.sampler = drafted(&place, Greedy::default(), 6).into();
    let found = written(&lm, &some_prompts(), &plain);
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!((&found.text, &found.ids), (&expected.text, &expected.ids));
    }
    assert!(found[1].text.len() < whole[1].text.len());
}

#[test]
fn searches_that_there_cannot_be_are_refused_in_a_sentence() {
    let place = Place::new("llama", &json!({}));
    let lm = place.open();
    let other = Place::new("qwen2_window", &json!({}));
    let classifier = Place::new("llama_classification", &json!({}));
    let renamed = Place::new("llama", &json!({}));
    let letters = (b'"'..=b'a').map(|letter| format!("{}\n", letter as char));
    let letters = format!("<s>\n</s>\n<unk>\n{}", letters.collect::<String>());
    std::fs::write(renamed.0.path().join("vocab.txt"), letters).unwrap();
    let (vocabulary, words) = (other.name(), renamed.name());
    let refused = |asked: Value| match lm.texts(&options(&asked), 1) {
        Ok(_) => panic!("{asked} is not refused"),
        Err(error) => error.to_string(),
    };
    for (asked, expected) in [
        (
            json!({"num_beams": 68}),
            "num_beams: expected at most the vocabulary's size 67, found 68".to_owned(),
        ),
        (
            json!({"num_beams": 2, "num_return_sequences": 3}),
            "num_return_sequences: expected at most the number of beams, 2, found 3".to_owned(),
        ),
        (
            json!({"sampler": "contrastive", "top_k": 68}),
            "top_k: expected at most the vocabulary's size 67, found 68".to_owned(),
        ),
        (
            json!({"num_beams": 2, "stop": ["x"]}),
            "stop: texts that beam searches for end by tokens alone; give stop_token_ids, or choose another sampler".to_owned(),
        ),
        (
            json!({"draft": vocabulary}),
            format!("draft: {vocabulary} has another vocabulary, of 71 tokens instead of 67; give a smaller model with the same one"),
        ),
        (
            json!({"draft": words}),
            format!("draft: {words} has another vocabulary, in which the token 3 is not the same; give a smaller model with the same one"),
        ),
    ] {
        assert_eq!(refused(asked), expected);
    }
    let message = refused(json!({"draft": classifier.name()}));
    assert!(message.contains(" cannot draft tokens: "), "{message}");
    let beams = Generate {
        num_beams: Some(2),
        ..Generate::default()
    };
    let message = lm.stream("AB", beams).unwrap_err().to_string();
    assert_eq!(
        message,
        format!("sampler: {}", engraft::BEAMS_DO_NOT_STREAM)
    );
    for (file, expected) in [
        (
            json!({"num_beams": 99}),
            "num_beams: expected at most the vocabulary's size 67, found 99",
        ),
        (
            json!({"num_beams": 2, "num_return_sequences": 3}),
            "num_return_sequences: expected at most the number of beams, 2, found 3",
        ),
    ] {
        let lm = Place::new("llama", &file).open();
        let error = lm.texts(&Generate::default(), 1).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("generation_config.json: {expected}")),
            "{error}"
        );
    }
}
