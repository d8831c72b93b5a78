//! `engraft generate`: prompts from everywhere, texts to everywhere, and what is refused.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Said, Workplace};

/// A workplace with the golden GPT-2 as `gpt2`.
fn place() -> Workplace {
    let place = Workplace::empty();
    gpt2(&place);
    place
}

/// Puts the golden GPT-2 there as `gpt2`, its 67 tokens three special ones and the characters from `!` on.
pub(crate) fn gpt2(place: &Workplace) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/decoders/gpt2");
    std::fs::create_dir(place.path("gpt2")).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(golden.join(file), place.path(&format!("gpt2/{file}"))).unwrap();
    }
    let letters = (b'!'..=b'`').map(|letter| format!("{}\n", letter as char));
    let vocabulary = format!("<s>\n</s>\n<unk>\n{}", letters.collect::<String>());
    place.write("gpt2/vocab.txt", &vocabulary);
}

fn lines(said: &Said) -> Vec<Value> {
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = said.out.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_golden_prompt_goes_on_as_the_reference_library_writes_it() {
    let place = place();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/decoders/gpt2");
    let case = std::fs::read(golden.join("case.json")).unwrap();
    let case: Value = serde_json::from_slice(&case).unwrap();
    let written = case["generate"].as_array().unwrap();
    let words = |ids: &Value| -> String {
        let ids = ids.as_array().unwrap().iter().map(Value::to_string);
        ids.collect::<Vec<_>>().join(",")
    };
    let mut arguments = vec!["generate".to_owned(), "gpt2".to_owned()];
    for one in written {
        arguments.extend(["--input-ids".to_owned(), words(&one["prompt"])]);
    }
    let options =
        "--max-new-tokens 20 --sampler greedy --stop-token-ids none --output-ids --strip-prompt";
    arguments.extend(options.split(' ').map(str::to_owned));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let lines = lines(&place.run_words(&arguments));
    assert_eq!(lines.len(), written.len());
    for (line, one) in lines.iter().zip(written) {
        assert_eq!(line["ids"], one["ids"]);
    }
}

#[test]
fn a_file_of_prompts_becomes_a_table_in_its_order_whatever_the_width() {
    let place = place();
    let prompts: Vec<String> = (0..9).map(|row| "ABCDEFGHI"[..=row].to_owned()).collect();
    place.write("prompts.tsv", &format!("prompt\n{}\n", prompts.join("\n")));
    let run = |width: &str, output: &str| {
        let said = place.run_words(&[
            "generate",
            "gpt2",
            "--input",
            "prompts.tsv",
            "--x-col",
            "prompt",
            "--output",
            output,
            "--max-length",
            "30",
            "--seed",
            "4",
            "--batch-size",
            width,
            "--logprobs",
        ]);
        assert_eq!(said.code, Some(0), "{said:?}");
        std::fs::read_to_string(place.path(output)).unwrap()
    };
    let read = |table: String| -> Vec<Value> {
        let rows = table.lines();
        rows.map(|row| serde_json::from_str(row).unwrap()).collect()
    };
    let [wide, narrow] = ["32", "2"].map(|width| read(run(width, "texts.jsonl")));
    assert_eq!((wide.len(), narrow.len()), (9, 9));
    for (row, (wide, narrow)) in wide.iter().zip(&narrow).enumerate() {
        assert_eq!(wide["row"], row);
        assert_eq!(wide["prompt"], prompts[row].as_str());
        assert!(wide["text"].as_str().unwrap().starts_with(&prompts[row]));
        assert_eq!(wide["text"], narrow["text"]);
        // Products of few and of many rows round differently.
        let values = |row: &Value| -> Vec<f64> {
            let values = row["logprobs"].as_array().unwrap().iter();
            values.map(|value| value.as_f64().unwrap()).collect()
        };
        let (ours, theirs) = (values(wide), values(narrow));
        assert_eq!(ours.len() as u64, wide["tokens"].as_u64().unwrap());
        assert!(
            ours.iter()
                .zip(&theirs)
                .all(|(one, other)| (one - other).abs() < 1e-4)
        );
    }
    assert!(run("32", "wide.tsv").starts_with("row\tprompt\ttext\ttokens\tend\tlogprobs\n"));
}

#[test]
fn a_prompt_may_come_from_standard_input() {
    let place = place();
    let mut child = Command::new(env!("CARGO_BIN_EXE_engraft"))
        .args(["generate", "gpt2", "--max-new-tokens", "4", "--seed", "1"])
        .current_dir(place.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"ABC\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let piped = String::from_utf8(output.stdout).unwrap();
    let arguments = ["generate", "gpt2", "--max-new-tokens", "4", "--seed", "1"];
    let given = place.run_words(&[&arguments[..], &["--prompt", "ABC"]].concat());
    assert_eq!(piped, given.out);
    let streamed = place.run_words(&[&arguments[..], &["--prompt", "ABC", "--stream"]].concat());
    assert_eq!(streamed.out, given.out);
    let told = "note: sampler: top_k k=5";
    assert!(given.err.starts_with(told), "{}", given.err);
}

#[test]
fn the_default_sampler_is_said_once() {
    let place = place();
    let said = place.run_words(&[
        "generate",
        "gpt2",
        "--prompt",
        "A",
        "--prompt",
        "B",
        "--max-length",
        "9",
    ]);
    assert_eq!(
        said.err,
        "note: sampler: top_k k=5 (KerasHub's default; the preset has no generation_config.json)\n"
    );
}

#[test]
fn letters_that_the_vocabulary_lacks_stay_in_the_text_and_are_counted() {
    let place = place();
    let options = ["--max-new-tokens", "3", "--sampler", "greedy"];
    let said = place.run_words(
        &[
            &["generate", "gpt2", "--prompt", "hello WORLD"],
            &options[..],
        ]
        .concat(),
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with("hello WORLD"), "{}", said.out);
    assert_eq!(
        said.err,
        "note: 5 of the 10 tokens of the prompt are unknown to the model's vocabulary (\"l\", \"e\", \"h\", \"o\"); in capitals all of it is known\n"
    );
    place.write("prompts.tsv", "prompt\nABC\nabc\nAbC\n");
    let table = [
        "--input",
        "prompts.tsv",
        "--output",
        "texts.jsonl",
        "--strip-prompt",
    ];
    let said = place.run_words(&[&["generate", "gpt2"], &table[..], &options].concat());
    assert!(
        said.err.starts_with("note: 4 of the 6 tokens of 2 prompts are unknown to the model's vocabulary (\"b\", \"a\", \"c\"); in capitals"),
        "{}",
        said.err
    );
}

#[test]
fn a_run_into_a_file_ends_with_its_rows_tokens_and_pace() {
    let place = place();
    place.write("prompts.tsv", "prompt\nABC\nB\n");
    let said = place.run_words(&[
        "generate",
        "gpt2",
        "--input",
        "prompts.tsv",
        "--x-col",
        "prompt",
        "--output",
        "texts.tsv",
        "--max-new-tokens",
        "5",
        "--sampler",
        "greedy",
        "--stop-token-ids",
        "none",
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let rate = said
        .err
        .strip_prefix("texts  texts.tsv (2 rows, 10 tokens, ");
    assert!(
        rate.is_some_and(|it| it.ends_with(" tokens/s)\n")),
        "{}",
        said.err
    );
}

#[test]
fn what_the_presets_file_says_is_honoured_named_or_refused_by_the_file() {
    let place = place();
    let run = |file: &str, options: &str| {
        place.write("gpt2/generation_config.json", file);
        let words = format!("generate gpt2 --prompt ABC --max-new-tokens 4 {options}");
        place.run_words(&words.split_whitespace().collect::<Vec<_>>())
    };
    let said = run(
        r#"{"num_beam_groups": 3, "presence_penalty": 1, "no_repeat_ngram_size": 1}"#,
        "",
    );
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(
        said.err.replace(&place.path("").display().to_string(), ""),
        "note: sampler: greedy (the preset's generation_config.json does not ask for sampling)\n\
         note: gpt2/generation_config.json: not honoured: num_beam_groups 3\n\
         note: gpt2/generation_config.json: keys that are not known, and without effect: presence_penalty\n"
    );
    let wrong = r#"{"do_sample": true, "temperature": 0, "top_k": -1, "eos_token_id": -1, "max_length": 0}"#;
    let said = run(wrong, "");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err.contains(
            "gpt2/generation_config.json: temperature: expected a number above 0, found 0"
        ),
        "{}",
        said.err
    );
    for options in [
        "--sampler greedy",
        "--temperature 1 --top-k 3",
        "--ignore-generation-config",
    ] {
        let said = run(wrong, options);
        assert_eq!(said.code, Some(0), "{options}: {said:?}");
    }
    let said = run(r#"{"max_length": 3}"#, "--sampler greedy");
    assert_eq!(said.code, Some(0), "{said:?}");
    place.write("gpt2/generation_config.json", r#"{"max_length": 3}"#);
    let said = place.run_words(&["generate", "gpt2", "--prompt", "ABCD"]);
    assert!(
        said.err.contains("max_length 3 of the preset's generation_config.json counts them; give --max-length or --max-new-tokens"),
        "{}",
        said.err
    );
    let broken = run("{", "");
    assert_eq!(broken.code, Some(2), "{broken:?}");
    assert_eq!(run("{", "--ignore-generation-config").code, Some(0));
}

#[test]
fn beams_are_asked_for_by_options_or_by_the_preset_and_give_their_best_texts() {
    let place = place();
    let run = |options: &str| {
        let words =
            format!("generate gpt2 --input-ids 1,9,4 --input-ids 30 --output-ids {options}");
        place.run_words(&words.split_whitespace().collect::<Vec<_>>())
    };
    let limits = "--max-new-tokens 6 --min-new-tokens 0 --stop-token-ids none";
    let beams = format!("{limits} --num-beams 4 --length-penalty 2 --early-stopping never");
    let best = lines(&run(&beams));
    let three = format!("{beams} --sampler beam --num-return-sequences 3 --logprobs");
    let three = lines(&run(&three));
    assert_eq!((best.len(), three.len()), (2, 6));
    for (best, three) in best.iter().zip(three.chunks(3)) {
        assert_eq!(best["ids"], three[0]["ids"]);
        let scores: Vec<f64> = three
            .iter()
            .map(|it| it["score"].as_f64().unwrap())
            .collect();
        assert!(scores.is_sorted_by(|a, b| a > b), "{scores:?}");
        for (text, score) in three.iter().zip(scores) {
            let own = text["logprobs"].as_array().unwrap().iter();
            let sum: f64 = own.map(|it| it.as_f64().unwrap()).sum();
            assert!((sum / 36.0 - score).abs() < 1e-5, "{sum} {score}");
        }
    }
    place.write(
        "gpt2/generation_config.json",
        r#"{"num_beams": 4, "length_penalty": 2, "early_stopping": "never", "num_return_sequences": 3}"#,
    );
    let said = run(limits);
    assert_eq!(
        said.err,
        "note: sampler: beam num_beams=4 length_penalty=2 early_stopping=never (as the preset's generation_config.json says)\n"
    );
    let found = lines(&said);
    let ids = |lines: &[Value]| lines.iter().map(|it| it["ids"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&found), ids(&three));
    let table = format!("{limits} --output found.tsv").replace("--output-ids", "");
    let words = format!("generate gpt2 --input-ids 1,9,4 {table}");
    let said = place.run_words(&words.split_whitespace().collect::<Vec<_>>());
    assert_eq!(said.code, Some(0), "{said:?}");
    let written = std::fs::read_to_string(place.path("found.tsv")).unwrap();
    assert!(written.starts_with("row\tsequence\tprompt\t"), "{written}");
    assert_eq!(written.lines().count(), 4);
    let single = lines(&run(&format!(
        "{limits} --num-beams 1 --num-return-sequences 1"
    )));
    let greedy = lines(&run(&format!(
        "{limits} --sampler greedy --num-return-sequences 1"
    )));
    assert_eq!(ids(&single), ids(&greedy));
    assert_ne!(ids(&single), ids(&best));
}

#[test]
fn drafts_of_the_model_itself_are_all_accepted_and_change_nothing() {
    let place = place();
    let run = |options: &str| {
        let words = format!(
            "generate gpt2 --input-ids 1,9,4 --max-new-tokens 11 --stop-token-ids none --output-ids --sampler greedy {options}"
        );
        place.run_words(&words.split_whitespace().collect::<Vec<_>>())
    };
    let drafted = run("--draft gpt2 --num-speculative-tokens 4");
    assert_eq!(drafted.out, run("").out);
    // Two drafts of four, each with the token that follows; after ten tokens there is room for one more.
    assert_eq!(drafted.err, "note: 8 of 8 drafted tokens were accepted\n");
}

#[test]
fn samplers_and_what_else_can_be_said_of_texts_are_listed_with_their_arguments() {
    let place = place();
    let told = |words: &[&str]| {
        let said = place.run_words(words);
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out
    };
    let all = told(&["components"]);
    for name in [
        "sampler, at generate --sampler",
        "beam_keras",
        "contrastive",
        "speculative",
    ] {
        assert!(all.contains(name), "{name}");
    }
    assert!(told(&["components", "sampler"]).contains("top_k"));
    let beam = told(&["components", "beam"]);
    for argument in ["num_beams", "length_penalty", "early_stopping"] {
        assert!(beam.contains(argument), "{beam}");
    }
    assert!(told(&["components", "BeamSampler"]).contains("beam_keras"));
    let generation = told(&["components", "generation"]);
    for argument in ["frequency_penalty", "logit_bias", "forced_eos_token_id"] {
        assert!(generation.contains(argument), "{generation}");
    }
}

#[test]
fn what_cannot_be_written_is_refused_in_one_sentence() {
    let place = place();
    place.write("prompts.tsv", "id\tprompt\n1\tA\n");
    let mut hostile: Value =
        serde_json::from_slice(&std::fs::read(place.path("gpt2/config.json")).unwrap()).unwrap();
    std::fs::create_dir(place.path("odd")).unwrap();
    for file in ["model.safetensors", "vocab.txt"] {
        std::fs::copy(
            place.path(&format!("gpt2/{file}")),
            place.path(&format!("odd/{file}")),
        )
        .unwrap();
    }
    hostile["activation_function"] = "mish".into();
    place.write("odd/config.json", &hostile.to_string());
    for (arguments, expected) in [
        ("gpt2 --prompt=", "--prompt: the prompt is empty"),
        (
            "gpt2 --input-ids 1,67",
            "67 is outside the model's vocabulary",
        ),
        ("gpt2 --input-ids 1,x", "--input-ids: expected token ids"),
        (
            "gpt2 --prompt A --temperature 0",
            "expected a number above 0, found 0",
        ),
        (
            "gpt2 --prompt A --temperature=-1",
            "expected a number above 0, found -1",
        ),
        (
            "gpt2 --prompt A --top-k 0",
            "expected a whole number from 1",
        ),
        (
            "gpt2 --prompt A --sampler greedy --top-p 0.5",
            "--top-p changes nothing",
        ),
        ("gpt2 --prompt A --sampler topk", "Did you mean \"top_k\"?"),
        (
            "gpt2 --prompt A --max-length 9 --max-new-tokens 3",
            "give one of them",
        ),
        (
            "gpt2 --prompt A --max-length 1",
            "--max-length 1 counts them",
        ),
        ("gpt2 --prompt A --context-length 41", "40 positions"),
        ("gpt2 --prompt A --stop=", "--stop: an empty string"),
        (
            "gpt2 --prompt A --stop-token-ids 1,67",
            "below the vocabulary's size 67",
        ),
        ("gpt2 --prompt A --stream --no-stream", "give one of them"),
        ("gpt2 --prompt A --stream --output-ids", "leave out one"),
        (
            "gpt2 --prompt A --output a.tsv --output-ids",
            "texts go to one of them",
        ),
        (
            "gpt2 --prompt A --logprobs",
            "add --output FILE or --output-ids",
        ),
        (
            "gpt2 --prompt A --input prompts.tsv",
            "prompts come from one of them",
        ),
        (
            "gpt2 --input prompts.tsv --x-col promt",
            "Did you mean \"prompt\"?",
        ),
        (
            "gpt2 --input prompts.tsv",
            "which column holds the prompts?",
        ),
        ("gpt2 --prompt A --output texts.doc", ".tsv"),
        (
            "gpt2 --input prompts.tsv --x-col prompt --output ./prompts.tsv",
            "which would be written over",
        ),
        ("gpt2 --prompt A --dtype float16", "only float32"),
        (
            "gpt2 --prompt A --max-new-token 3",
            "Did you mean \"--max-new-tokens\"?",
        ),
        ("gpt2 --prompt A --num-return-sequences 0", "at least 1"),
        (
            "gpt2 --prompt A --suppress-tokens 67",
            "--suppress-tokens: expected ids below the vocabulary's size 67",
        ),
        (
            "gpt2 --prompt A --bad-words-ids 1,x",
            "expected none, or token ids such as 1,2",
        ),
        (
            "gpt2 --prompt A --forced-bos-token-id 67",
            "--forced-bos-token-id: expected ids below",
        ),
        (
            "gpt2 --prompt A --sampler top_k --typical-p 0.5",
            "--typical-p changes nothing",
        ),
        (
            "gpt2 --prompt A --repetition-penalty 0",
            "--repetition-penalty",
        ),
        (
            "gpt2 --prompt A --num-beams 68",
            "--num-beams: expected at most the vocabulary's size 67, found 68",
        ),
        (
            "gpt2 --prompt A --num-beams 2 --num-return-sequences 3",
            "--num-return-sequences: expected at most the number of beams, 2, found 3",
        ),
        (
            "gpt2 --prompt A --num-beams 2 --top-k 3",
            "--top-k changes nothing with the sampler beam; leave it out, or choose another --sampler",
        ),
        (
            "gpt2 --prompt A --sampler beam --temperature 2",
            "--temperature changes nothing with the sampler beam; choose one that draws, such as --sampler random",
        ),
        (
            "gpt2 --prompt A --num-beams 2 --early-stopping maybe",
            "--early-stopping: expected true, false or never, found \"maybe\"",
        ),
        (
            "gpt2 --prompt A --length-penalty 2",
            "--length-penalty changes nothing with the sampler top_k",
        ),
        (
            "gpt2 --prompt A --num-beams 2 --stop x",
            "--stop: texts that beam searches for end by tokens alone; give --stop-token-ids",
        ),
        (
            "gpt2 --prompt A --num-beams 2 --stream",
            "--stream: which text beams find is known at its end alone",
        ),
        (
            "gpt2 --prompt A --sampler speculative",
            "sampler speculative: draft: expected the preset of a smaller model, found none",
        ),
        (
            "gpt2 --prompt A --draft nowhere",
            "--draft: nowhere cannot draft tokens: ",
        ),
        (
            "gpt2 --prompt A --draft gpt2 --num-beams 2",
            "--draft changes nothing with the sampler beam",
        ),
        (
            "gpt2 --prompt A --logit-bias 67:1",
            "--logit-bias: expected ids below the vocabulary's size 67",
        ),
        ("odd --prompt A", "unknown activation \"mish\""),
        ("--prompt A", "which model?"),
    ] {
        let mut words = vec!["generate"];
        words.extend(arguments.split(' '));
        let said = place.run_words(&words);
        assert_eq!(said.code, Some(2), "{arguments}: {said:?}");
        let errors: Vec<&str> = said
            .err
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert_eq!(errors.len(), 1, "{arguments}: {said:?}");
        assert!(errors[0].contains(expected), "{arguments}: {}", errors[0]);
        assert!(said.out.is_empty(), "{arguments}: {said:?}");
    }
    let long = "A".repeat(40);
    let said = place.run_words(&["generate", "gpt2", "--prompt", &long]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("no room in the model's context of 40"),
        "{}",
        said.err
    );
}
