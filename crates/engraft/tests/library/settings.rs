//! Settings of generation: what the reference library writes under them, what options replace, and what is said.

use std::path::Path;

use engraft::component::{Component, FromNode, Mapping, Node, decode, read_yaml};
use engraft::generate::Prompt;
use engraft::prelude::*;
use serde_json::{Map, Value, json};

fn golden(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(path)
}

fn read(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden(path)).unwrap()).unwrap()
}

/// The golden Llama with a token for each character from `?` to `~`, as in `tests/golden/generation`.
fn place(file: &Value, config: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    let weights = golden("decoders/llama/model.safetensors");
    std::fs::copy(weights, folder.path().join("model.safetensors")).unwrap();
    let mut own = read("decoders/llama/config.json");
    for (key, value) in config.as_object().into_iter().flatten() {
        own[key] = value.clone();
    }
    write("config.json", own.to_string());
    if !file.is_null() {
        write("generation_config.json", file.to_string());
    }
    let letters = (b'?'..=b'~').map(|letter| format!("{}\n", letter as char));
    let vocabulary = letters.collect::<String>();
    write("vocab.txt", format!("<s>\n</s>\n<unk>\n{vocabulary}"));
    folder
}

fn open(folder: &tempfile::TempDir) -> CausalLm {
    CausalLm::from_preset(folder.path().to_str().unwrap())
        .unwrap()
        .build()
        .unwrap()
}

/// Options as a request would say them.
fn options(options: &Value) -> Generate {
    let mut named = Map::new();
    for (key, value) in options.as_object().unwrap() {
        let key = match key.as_str() {
            "eos_token_id" => "stop_token_ids",
            key => key,
        };
        named.insert(key.to_owned(), value.clone());
    }
    let node = read_yaml(Value::from(named).to_string().as_bytes(), "request").unwrap();
    decode::<Generate>(&node).unwrap().0
}

#[test]
fn texts_are_those_of_the_reference_under_every_setting_of_the_preset_and_every_option() {
    let golden = read("generation/texts.json");
    let prompts: Vec<Vec<u32>> = serde_json::from_value(golden["prompts"].clone()).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let lm = open(&place(&case["file"], &case["config"]));
        let mut generate = options(&case["options"]);
        if case["file"].is_null() {
            // Without the file the family's own sampler would draw.
            generate.sampler = Greedy::default().into();
        } else if case["file"].get("eos_token_id").is_none()
            && case["options"].get("eos_token_id").is_none()
        {
            // The reference then ends no text.
            generate.stop_token_ids = StopTokens::None;
        }
        let mut texts = lm.texts(&generate, prompts.len()).unwrap();
        for prompt in &prompts {
            texts.add(&Prompt::of_ids(prompt.as_slice())).unwrap();
        }
        while !texts.is_done() {
            texts.step().unwrap();
        }
        for (row, expected) in case["ids"].as_array().unwrap().iter().enumerate() {
            let found = json!(texts.take(row).new_ids());
            assert_eq!(&found, expected, "{}: prompt {row}", case["name"]);
        }
    }
}

#[test]
fn a_text_that_a_stop_string_of_the_preset_ends_is_without_it() {
    let lm = open(&place(&json!({"stop_strings": ["Qsk"]}), &json!({})));
    let mut texts = lm.texts(
        &options(&json!({"max_new_tokens": 14, "stop_token_ids": "none"})),
        1,
    );
    let texts = texts.as_mut().unwrap();
    let prompts = read("generation/texts.json")["prompts"][0].clone();
    let prompt: Vec<u32> = serde_json::from_value(prompts).unwrap();
    texts.add(&Prompt::of_ids(prompt)).unwrap();
    while !texts.is_done() {
        texts.step().unwrap();
    }
    let written = texts.take(0);
    assert_eq!(written.end.unwrap().word(), "stop_string");
    assert!(!written.text.contains("Qsk"), "{}", written.text);
}

/// Values of a file that cannot be, with an option that takes their place, and the key that the refusal names without it.
#[test]
fn a_default_fails_where_it_is_used_by_its_file_and_never_where_an_option_replaces_it() {
    let drawn = |mut file: Value| {
        file["do_sample"] = json!(true);
        file
    };
    for (file, key, option) in [
        (
            drawn(json!({"temperature": 0})),
            "temperature",
            json!({"sampler": "greedy"}),
        ),
        (
            drawn(json!({"temperature": 0})),
            "temperature",
            json!({"temperature": 0.5}),
        ),
        (
            drawn(json!({"temperature": "warm"})),
            "temperature",
            json!({"top_k": 3, "temperature": 1}),
        ),
        (drawn(json!({"top_k": -1})), "top_k", json!({"top_k": 5})),
        (
            drawn(json!({"top_k": -1})),
            "top_k",
            json!({"sampler": "greedy"}),
        ),
        (drawn(json!({"top_p": 7})), "top_p", json!({"top_p": 0.5})),
        (
            drawn(json!({"typical_p": 0})),
            "typical_p",
            json!({"min_p": 0.5}),
        ),
        (
            json!({"do_sample": "yes"}),
            "do_sample",
            json!({"sampler": "random"}),
        ),
        (
            json!({"eos_token_id": "x"}),
            "eos_token_id",
            json!({"stop_token_ids": "none"}),
        ),
        (
            json!({"repetition_penalty": 0}),
            "repetition_penalty",
            json!({"repetition_penalty": 1.1}),
        ),
        (
            json!({"max_length": 0}),
            "max_length",
            json!({"max_new_tokens": 2}),
        ),
        (
            json!({"max_new_tokens": -5}),
            "max_new_tokens",
            json!({"max_length": 9}),
        ),
        (
            json!({"min_new_tokens": "x"}),
            "min_new_tokens",
            json!({"min_length": 2}),
        ),
        (
            json!({"no_repeat_ngram_size": 1.5}),
            "no_repeat_ngram_size",
            json!({"no_repeat_ngram_size": 0}),
        ),
        (
            json!({"bad_words_ids": [[67]]}),
            "bad_words_ids",
            json!({"bad_words_ids": [[1]]}),
        ),
        (
            json!({"suppress_tokens": "x"}),
            "suppress_tokens",
            json!({"suppress_tokens": []}),
        ),
        (
            json!({"begin_suppress_tokens": {}}),
            "begin_suppress_tokens",
            json!({"begin_suppress_tokens": "none"}),
        ),
        (
            json!({"forced_bos_token_id": 67}),
            "forced_bos_token_id",
            json!({"forced_bos_token_id": 5}),
        ),
        (
            json!({"forced_eos_token_id": [5, -1]}),
            "forced_eos_token_id",
            json!({"forced_eos_token_id": "none"}),
        ),
        (
            json!({"stop_strings": [""]}),
            "stop_strings",
            json!({"stop": ["x"]}),
        ),
        (
            json!({"sequence_bias": [[5, 1.0]]}),
            "sequence_bias",
            json!({"ignore_generation_config": true}),
        ),
    ] {
        let folder = place(&file, &json!({}));
        let lm = open(&folder);
        let path = folder.path().join("generation_config.json");
        let error = lm.generate(["AB"], Generate::default()).unwrap_err();
        let start = format!("{}: {key}: expected ", path.display());
        assert!(error.to_string().starts_with(&start), "{error}");
        let mut generate = options(&option);
        if generate.max_length.is_none() && generate.max_new_tokens.is_none() && key != "max_length"
        {
            generate.max_new_tokens = Some(2);
        }
        let texts = lm.generate(["AB"], generate.clone());
        assert!(texts.is_ok(), "{file} {option}: {texts:?}");
        // Also where it is opened to write as options say.
        let backbone = engraft::tasks::Backbone::new(folder.path().to_str().unwrap());
        let refused = engraft::Writer::open(&backbone, Some(&Generate::default())).unwrap_err();
        assert_eq!(refused.to_string(), error.to_string());
    }
}

#[test]
fn a_limit_of_the_preset_is_called_by_its_file() {
    let lm = open(&place(
        &json!({"max_length": 4, "min_new_tokens": 50}),
        &json!({}),
    ));
    let error = lm.generate(["ABCDEF"], Generate::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the prompt has 7 tokens, and max_length 4 of the preset's generation_config.json counts them; give max_length or max_new_tokens"
    );
    // The least number that the file wants gives way.
    let few = options(&json!({"max_new_tokens": 3}));
    let written = lm.generate_written(["ABCDEF"], few).unwrap();
    assert_eq!(written[0].new_ids().len(), 3);
    let warm = lm
        .generate(["A"], options(&json!({"temperature": 0.5})))
        .unwrap_err();
    assert_eq!(
        warm.to_string(),
        "temperature changes nothing with the sampler greedy, which the preset's generation_config.json leads to; choose one that draws, such as sampler random"
    );
}

#[test]
fn a_sampler_of_compile_stands_for_one_that_the_preset_cannot_have() {
    let mut lm = open(&place(&json!({"do_sample": true, "top_k": -1}), &json!({})));
    assert!(lm.sampler().is_err());
    lm.compile(Compile {
        sampler: TopK::default().into(),
        ..Compile::default()
    })
    .unwrap();
    assert!(
        lm.generate(["AB"], options(&json!({"max_new_tokens": 2})))
            .is_ok()
    );
    assert!(
        lm.prompt_notes(["AB"], &Generate::default())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn what_is_not_honoured_and_what_prompts_lose_is_said() {
    let file = json!({"num_beam_groups": 4, "eos_token_id": -1, "do_sample": true});
    let folder = place(&file, &json!({}));
    let lm = open(&folder);
    let path = folder.path().join("generation_config.json");
    let path = path.display();
    assert_eq!(
        lm.prompt_notes(["AB", "A 12!"], &Generate::default()).unwrap(),
        [
            "sampler: top_k k=50 (as the preset's generation_config.json says)".to_owned(),
            format!("{path}: not honoured: num_beam_groups 4"),
            format!("{path}: eos_token_id: -1 is no token of the 67 that the model has, and is left out"),
            "3 of the 4 tokens of the prompt are unknown to the model's vocabulary (\"!\", \"1\", \"2\")".to_owned(),
        ]
    );
    let silent = options(&json!({"sampler": "greedy", "ignore_generation_config": true}));
    assert!(lm.prompt_notes(["AB"], &silent).unwrap().is_empty());
}

#[test]
fn prompts_stand_in_texts_as_they_were_given() {
    let lm = open(&place(&Value::Null, &json!({})));
    let generate = || options(&json!({"max_new_tokens": 5, "seed": 1, "stop_token_ids": "none"}));
    for prompt in ["AB", "1 A", "hello 2 world!", "12 34", "é\u{1f600}"] {
        let written = lm.generate_written([prompt], generate()).unwrap().remove(0);
        assert!(written.text.starts_with(prompt), "{:?}", written.text);
        let stripped = Generate {
            strip_prompt: true,
            ..generate()
        };
        let stripped = lm.generate([prompt], stripped).unwrap().remove(0);
        assert_eq!(written.text, format!("{prompt}{stripped}"));
        let unknown = prompt
            .chars()
            .filter(|it| !('?'..='~').contains(it) && *it != ' ');
        assert_eq!(written.lost.unknown, unknown.count(), "{prompt}");
        let pieces = lm.stream(prompt, generate()).unwrap();
        let pieces: Vec<String> = pieces.collect::<Result<_, _>>().unwrap();
        assert_eq!(pieces.concat(), written.text);
    }
}

#[test]
fn options_are_read_from_one_definition() {
    let typed = Generate {
        bad_words_ids: vec![TokenIds(vec![4]), TokenIds(vec![5, 6])],
        suppress_tokens: Some(TokenIds(vec![7, 8])),
        min_length: Some(3),
        typical_p: Some(0.5),
        ..Generate::default()
    };
    let written = options(&json!({
        "bad_words_ids": ["4", [5, 6]], "suppress_tokens": "7,8", "min_length": 3, "typical_p": 0.5,
    }));
    assert_eq!(typed, written);
    let mut all = Mapping::default();
    for argument in Generate::arguments() {
        let node = typed.to_node();
        let value = node.as_map().unwrap().get(argument.name).cloned();
        all.set(argument.name, value.unwrap());
    }
    assert_eq!(decode::<Generate>(&Node::map(all)).unwrap().0, typed);
}
