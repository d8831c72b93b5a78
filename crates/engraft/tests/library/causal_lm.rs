//! Language models that write on: alone, together, in pieces, and to their ends.

use std::collections::BTreeSet;
use std::path::Path;

use engraft::component::Component;
use engraft::generate::{End, Written};
use engraft::prelude::*;

/// A golden decoder with a vocabulary of letters: `<s>`, `</s>`, `<unk>` and the characters from `!` on.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(case: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/decoders");
        for file in ["config.json", "model.safetensors"] {
            std::fs::copy(golden.join(case).join(file), folder.path().join(file)).unwrap();
        }
        let place = Self { folder };
        let config = std::fs::read(golden.join(case).join("config.json")).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        let letters = config["vocab_size"].as_u64().unwrap() as u8 - 3;
        let letters = (b'!'..b'!' + letters).map(|letter| format!("{}\n", letter as char));
        place.write(
            "vocab.txt",
            &format!("<s>\n</s>\n<unk>\n{}", letters.collect::<String>()),
        );
        place
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.path().join(file), text).unwrap();
    }

    fn open(&self) -> CausalLm {
        CausalLm::from_preset(self.folder.path().to_str().unwrap())
            .unwrap()
            .build()
            .unwrap()
    }
}

fn sampled(seed: u64) -> Compile {
    let temperature = 1.5;
    Compile {
        sampler: TopK {
            k: 20,
            seed: Some(seed),
            temperature,
        }
        .into(),
        ..Compile::default()
    }
}

fn free(max_new_tokens: usize) -> Generate {
    Generate {
        max_new_tokens: Some(max_new_tokens),
        stop_token_ids: StopTokens::None,
        ..Generate::default()
    }
}

const PROMPTS: [&str; 7] = ["A", "BCDEF", "GH", "IJKLMNOPQRST", "U", "VWX", "YZ"];

fn ids(written: Vec<Written>) -> Vec<Vec<u32>> {
    written.into_iter().map(|written| written.ids).collect()
}

/// Windows that come round, experts, stretched rotations, distances instead of positions.
const CASES: [&str; 6] = [
    "gpt2",
    "mistral",
    "gemma3_text",
    "mixtral",
    "llama_rope_longrope",
    "bloom",
];

#[test]
fn seeded_texts_are_the_same_alone_together_and_as_places_become_free() {
    for case in CASES {
        let mut lm = Place::new(case).open();
        lm.compile(sampled(3)).unwrap();
        // Some letters end a text, so that places become free one by one.
        let some_end = |batch_size| Generate {
            batch_size,
            stop_token_ids: StopTokens::Ids((3..12).collect()),
            ..free(20)
        };
        let together = ids(lm.generate_written(PROMPTS, some_end(7)).unwrap());
        for width in [1, 2, 3] {
            let fewer = ids(lm.generate_written(PROMPTS, some_end(width)).unwrap());
            assert_eq!(fewer, together, "{case}: {width} at a time");
        }
        let alone = ids(lm.generate_written([PROMPTS[0]], some_end(1)).unwrap());
        assert_eq!(alone[0], together[0], "{case}");
        // The tokenizer begins every text with a token of its own.
        let new = PROMPTS.iter().zip(&together);
        let new: BTreeSet<usize> = new
            .map(|(prompt, ids)| ids.len() - prompt.len() - 1)
            .collect();
        assert!(new.len() > 1, "{case}: {new:?}");
        assert_ne!(together, {
            lm.compile(sampled(4)).unwrap();
            ids(lm.generate_written(PROMPTS, some_end(7)).unwrap())
        });
    }
}

#[test]
fn several_texts_of_a_prompt_differ_and_the_first_is_that_of_one() {
    let mut lm = Place::new("llama").open();
    lm.compile(sampled(1)).unwrap();
    let mut three = free(16);
    three.num_return_sequences = Some(3);
    let texts = lm.generate(["AB", "CD"], three).unwrap();
    assert_eq!(texts.len(), 6);
    assert!(texts[..3].iter().all(|text| text.starts_with("AB")));
    assert!(texts[0] != texts[1] && texts[1] != texts[2]);
    assert_eq!(
        lm.generate(["AB", "CD"], free(16)).unwrap(),
        [texts[0].clone(), texts[3].clone()]
    );
}

#[test]
fn a_stream_is_the_text_in_pieces_with_and_without_its_prompt() {
    let mut lm = Place::new("gpt2").open();
    lm.compile(sampled(5)).unwrap();
    for strip_prompt in [false, true] {
        let generate = Generate {
            strip_prompt,
            ..free(20)
        };
        let whole = &lm.generate(["QRS"], generate.clone()).unwrap()[0];
        let pieces: Vec<String> = lm
            .stream("QRS", generate)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(pieces.len() > 10, "{pieces:?}");
        assert_eq!(pieces.concat(), *whole);
        assert_eq!(whole.starts_with("QRS"), !strip_prompt);
    }
}

#[test]
fn texts_end_at_stop_tokens_before_stop_strings_at_limits_and_where_the_context_ends() {
    let mut lm = Place::new("gpt2").open();
    lm.compile(Compile {
        sampler: Greedy::default().into(),
        ..Compile::default()
    })
    .unwrap();
    let one = |generate: Generate| lm.generate_written(["^"], generate).unwrap().remove(0);
    let whole = one(free(30));
    assert_eq!((whole.end, whole.ids.len()), (Some(End::Length), 32));
    let text = whole.text.clone();

    let third = whole.new_ids()[2];
    let stopped = one(Generate {
        stop_token_ids: StopTokens::Ids(vec![third]),
        ..free(30)
    });
    let first = whole.new_ids().iter().position(|id| *id == third).unwrap();
    assert_eq!(stopped.end, Some(End::StopToken));
    assert_eq!(stopped.ids[..], whole.ids[..first + 3]);
    let later = one(Generate {
        stop_token_ids: StopTokens::Ids(vec![third]),
        min_new_tokens: Some(first + 2),
        ..free(30)
    });
    assert!(later.ids.len() > first + 3 && !later.new_ids()[..=first].contains(&third));

    let cut = one(Generate {
        stop: vec![text[5..8].to_owned()],
        ..free(30)
    });
    assert_eq!(cut.end, Some(End::StopString));
    assert_eq!(cut.text, text[..1 + text[1..].find(&text[5..8]).unwrap()]);

    let by_total = one(Generate {
        max_length: Some(9),
        stop_token_ids: StopTokens::None,
        ..Generate::default()
    });
    assert_eq!(by_total.ids[..], whole.ids[..9]);
    // The model has 40 positions.
    assert_eq!(one(free(1000)).ids.len(), 40);
    let shorter = one(Generate {
        context_length: Some(12),
        ..free(1000)
    });
    assert_eq!(shorter.ids[..], whole.ids[..12]);
}

#[test]
fn log_probabilities_are_those_of_scoring_the_text() {
    let mut lm = Place::new("qwen3").open();
    lm.compile(sampled(9)).unwrap();
    let generate = Generate {
        logprobs: true,
        ..free(12)
    };
    let written = lm.generate_written(["ABC"], generate).unwrap().remove(0);
    let scores = lm.model().score(&written.ids).unwrap();
    assert_eq!(written.log_probabilities.len(), 12);
    for (one, other) in written.log_probabilities.iter().zip(&scores[3..]) {
        assert!((one - other).abs() < 1e-4, "{one} {other}");
    }
    let score = lm.score(["ABCD"]).unwrap()[0];
    assert_eq!(score.tokens, 4);
    let sum: f64 = lm
        .model()
        .score(&lm.encode("ABCD").unwrap().ids)
        .unwrap()
        .iter()
        .sum();
    assert!((score.nll + sum).abs() < 1e-9);
    assert!((score.perplexity() - (-sum / 4.0).exp()).abs() < 1e-9);
}

#[test]
fn a_preset_says_how_it_is_to_write() {
    let place = Place::new("llama");
    assert_eq!(place.open().sampler().unwrap(), Sampler::default());
    place.write(
        "generation_config.json",
        r#"{"do_sample": true, "temperature": 0.6, "top_p": 0.9, "eos_token_id": [7, 9], "max_new_tokens": 5}"#,
    );
    let lm = place.open();
    assert_eq!(
        lm.sampler().unwrap().to_string(),
        "chain top_k=50 top_p=0.9 temperature=0.6"
    );
    assert_eq!(lm.defaults().stop_token_ids().unwrap(), [7, 9]);
    let written = lm
        .generate_written(["AB"], Generate::default())
        .unwrap()
        .remove(0);
    assert!(written.new_ids().len() <= 5);
    place.write(
        "generation_config.json",
        r#"{"do_sample": true, "temperature": "warm"}"#,
    );
    let error = place.open().generate(["AB"], free(1)).unwrap_err();
    assert!(
        error.to_string().contains("temperature: expected a number"),
        "{error}"
    );
}

#[test]
fn prompts_and_settings_that_cannot_be_are_refused() {
    let lm = Place::new("gpt2").open();
    let refusal = |prompt: &str, generate: Generate| {
        let error = lm.generate([prompt], generate).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };
    assert!(refusal("", free(1)).contains("the prompt is empty"));
    assert!(refusal(&"A".repeat(40), free(1)).contains("leaves no room"));
    let both = Generate {
        max_length: Some(9),
        ..free(3)
    };
    assert!(refusal("A", both).contains("give one of them"));
    let none = Generate {
        num_return_sequences: Some(0),
        ..free(3)
    };
    assert!(refusal("A", none).contains("at least 1"));
    let long = Generate {
        context_length: Some(41),
        ..free(3)
    };
    assert!(refusal("A", long).contains("40 positions"));
    let penalty = Generate {
        repetition_penalty: Some(0.0),
        ..free(3)
    };
    assert!(refusal("A", penalty).contains("above 0"));
    let outside = Generate {
        stop_token_ids: StopTokens::Ids(vec![67]),
        ..free(3)
    };
    assert!(refusal("A", outside).contains("67"));
    assert!(lm.model().check_ids(&[66]).is_ok());
    assert!(lm.model().check_ids(&[67]).is_err());

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models/bert_mlm");
    let builder = CausalLm::from_preset(golden.to_str().unwrap()).unwrap();
    let error = builder.build().unwrap_err().to_string();
    assert!(
        error.contains("is an encoder (bert), which sees all of them"),
        "{error}"
    );
}

#[test]
fn what_a_request_may_say_has_a_schema() {
    let schema = engraft::config::component_schema::<Generate>();
    let described: BTreeSet<&str> = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let arguments = Generate::arguments();
    assert_eq!(
        described,
        arguments.iter().map(|argument| argument.name).collect()
    );
    assert!(schema["$defs"]["sampler.top_k"]["properties"]["k"].is_object());
}
