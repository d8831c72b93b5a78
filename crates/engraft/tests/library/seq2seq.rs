//! Encoder-decoders: what the reference library writes about what it reads, whatever else is in the batch; trained, saved, opened again.

use std::path::{Path, PathBuf};

use engraft::Writer;
use engraft::component::{decode, read_yaml};
use engraft::generate::{Batch, Prompt, Request, RowSeed, Written};
use engraft::hub::Weights;
use engraft::prelude::*;
use engraft::tasks::Backbone;
use engraft::train::Training;
use serde_json::{Value, json};

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden/seq2seq")
        .join(path)
}

fn read(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden(path)).unwrap()).unwrap()
}

/// The golden cases in which something is written.
fn cases() -> Vec<String> {
    let names = std::fs::read_dir(golden("")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let writes = |name: &String| {
        let case = golden(name).join("case.json");
        case.exists() && read(&format!("{name}/case.json"))["generate"].is_array()
    };
    let mut names: Vec<String> = names.filter(writes).collect();
    names.sort();
    assert!(names.len() > 20, "golden cases are missing: {names:?}");
    names
}

/// A golden model with a token for each character from `!` on after three special ones, unless it has a tokenizer.
struct Place(tempfile::TempDir);

impl Place {
    fn new(case: &str, options: &Value) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let folder = place.0.path();
        let mut has_tokenizer = false;
        for entry in std::fs::read_dir(golden(case)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            has_tokenizer |= name == "tokenizer_config.json";
            if !name.starts_with("case") && !name.starts_with("gradients") {
                std::fs::copy(golden(case).join(&name), folder.join(&name)).unwrap();
            }
        }
        // Older presets say it in their config.json.
        let named = ["generation_config.json", "config.json"];
        let name = named.into_iter().find(|name| folder.join(name).exists());
        let name = name.unwrap();
        let mut file = read(&format!("{case}/{name}"));
        for (key, value) in options.as_object().unwrap() {
            if key != "decoder_input_ids" {
                file[key] = value.clone();
            }
        }
        std::fs::write(folder.join(name), file.to_string()).unwrap();
        if !has_tokenizer {
            let vocabulary = "<s>\n</s>\n<unk>\nA\nB\nC\n";
            std::fs::write(folder.join("vocab.txt"), vocabulary).unwrap();
        }
        place
    }

    fn name(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn open(&self) -> Writer {
        Writer::open(&Backbone::new(self.name()), None).unwrap()
    }
}

/// The rows of a case.
fn sources(case: &str) -> Vec<Vec<u32>> {
    let tensors = Weights::open_file(&golden(case).join("case.safetensors")).unwrap();
    let whole = |name: &str| -> Vec<u32> {
        let bytes = tensors.require(name).unwrap().bytes();
        let numbers = bytes.chunks_exact(4);
        numbers
            .map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as u32)
            .collect()
    };
    let ids = whole("ids");
    let mut rest = ids.as_slice();
    let lengths = whole("lengths").into_iter();
    lengths
        .map(|length| {
            let (own, after) = rest.split_at(length as usize);
            rest = after;
            own.to_vec()
        })
        .collect()
}

fn written(
    writer: &Writer,
    sources: &[Vec<u32>],
    begins: &Value,
    batch_size: usize,
) -> Vec<Written> {
    let generate = Generate {
        batch_size,
        ..Generate::default()
    };
    let mut texts = writer.texts(&generate, sources.len()).unwrap();
    for (row, source) in sources.iter().enumerate() {
        let begins: Vec<u32> = serde_json::from_value(begins[row].clone()).unwrap_or_default();
        let sides = texts.sides().unwrap();
        let begun = sides.begun_by(&begins, texts.settings()).unwrap();
        texts.add_about(&begun, Some(source)).unwrap();
    }
    while !texts.is_done() {
        texts.step().unwrap();
    }
    let count = sources.len() * texts.sequences();
    (0..count).map(|row| texts.take(row)).collect()
}

#[test]
fn what_is_written_is_what_the_reference_library_writes_however_many_at_a_time() {
    let mut compared = 0;
    let mut failures = Vec::new();
    for case in cases() {
        let sources = sources(&case);
        let about = read(&format!("{case}/case.json"));
        for run in about["generate"].as_array().unwrap() {
            let place = Place::new(&case, &run["options"]);
            let mut writer = place.open();
            if run["options"]["num_beams"] == 1 {
                // As a preset without a generation_config.json does not say.
                let sampler = Some(Greedy::default().into());
                writer.set_sampler(sampler).unwrap();
            }
            for batch_size in [32, 2, 1] {
                let begins = &run["options"]["decoder_input_ids"];
                let texts = written(&writer, &sources, begins, batch_size);
                let expected = run["ids"].as_array().unwrap().iter();
                let expected: Vec<&Value> = expected
                    .flat_map(|texts| texts.as_array().unwrap())
                    .collect();
                assert_eq!(texts.len(), expected.len(), "{case}: {}", run["name"]);
                for (found, expected) in texts.iter().zip(expected) {
                    if json!(found.ids) != *expected {
                        failures.push(format!(
                            "{case}: {}, {batch_size} at a time: {:?} instead of {expected}",
                            run["name"], found.ids
                        ));
                    }
                    compared += 1;
                }
            }
            if let Some(expected) = run["texts"].as_array() {
                let texts = written(&writer, &sources, &Value::Null, 32);
                let texts: Vec<Value> = texts.iter().map(|it| json!([it.text])).collect();
                assert_eq!(&texts, expected, "{case}: {}", run["name"]);
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared > 800, "{compared} texts");
}

/// The folder of misaki's model, or none with a word about it.
fn misaki() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/assets/misaki-bart");
    if !path.exists() {
        eprintln!("skipped: no misaki-bart in ../shared/assets");
        return None;
    }
    Some(path)
}

#[test]
fn words_of_a_real_model_are_spelled_as_is_known() {
    let Some(path) = misaki() else { return };
    let expected = std::fs::read(path.join("expected.json")).unwrap();
    let expected: Vec<Value> = serde_json::from_slice(&expected).unwrap();
    assert_eq!(expected.len(), 10);
    let words: Vec<&str> = expected
        .iter()
        .map(|it| it["word"].as_str().unwrap())
        .collect();
    let mut s2s = Seq2SeqLm::from_preset(path.to_str().unwrap())
        .unwrap()
        .build()
        .unwrap();
    for (sampler, key) in [
        (Sampler::from(Greedy::default()), "greedy_ids"),
        (Beam::new(4).into(), "beam4_ids"),
    ] {
        s2s.compile(Compile {
            sampler: sampler.into(),
            ..Compile::default()
        })
        .unwrap();
        let written = s2s
            .generate_written(words.iter().copied(), Generate::default())
            .unwrap();
        for (written, expected) in written.iter().zip(&expected) {
            assert_eq!(json!(written.ids), expected[key], "{expected}");
            if key == "greedy_ids" {
                assert_eq!(written.text, expected["phonemes"], "{expected}");
            }
        }
    }
    let begun = s2s.generate([("orchard", "\u{2c8}\u{254}")], Generate::default());
    assert_eq!(begun.unwrap(), [expected[0]["phonemes"].as_str().unwrap()]);
}

/// A small BART of letters that has learned nothing.
fn small() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/phonemes/bart");
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let config = folder.path().join("config.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    for (key, size) in [
        ("d_model", 32),
        ("encoder_ffn_dim", 48),
        ("decoder_ffn_dim", 48),
    ] {
        json[key] = json!(size);
    }
    std::fs::write(config, json.to_string()).unwrap();
    folder
}

fn training(rate: f64) -> Training {
    let yaml = format!("optimizer: {{class_path: AdamW, init_args: {{lr: {rate}}}}}");
    let node = read_yaml(yaml.as_bytes(), "training.yaml").unwrap();
    decode(&node).unwrap().0
}

#[test]
fn pairs_are_learned_saved_and_written_again() {
    let place = small();
    let pairs = [
        ("cat", "kæt"),
        ("tac", "tæk"),
        ("act", "ækt"),
        ("kit", "kɪt"),
    ];
    let examples = Examples::from_pairs(pairs).unwrap();
    let mut s2s = Seq2SeqLm::from_preset(place.path().to_str().unwrap())
        .unwrap()
        .backbone(|backbone| backbone.from_scratch = true)
        .with(|task| task.generate = true)
        .seed(3)
        .build()
        .unwrap();
    s2s.compile(Compile {
        optimizer: training(5e-3).optimizer.into(),
        sampler: Greedy::default().into(),
        ..Compile::default()
    })
    .unwrap();
    let fit = Fit {
        epochs: 150,
        batch_size: Some(4),
        verbose: false,
        ..Fit::default()
    };
    s2s.fit(&examples, fit).unwrap();
    let words = || pairs.map(|(word, _)| word);
    let spoken = pairs.map(|(_, spoken)| spoken);
    assert_eq!(s2s.generate(words(), Generate::default()).unwrap(), spoken);
    let scores = s2s.evaluate(&examples).unwrap();
    assert_eq!(scores.get("test_exact_match").unwrap(), 1.0, "{scores:?}");
    assert_eq!(scores.get("test_edit_distance").unwrap(), 0.0);
    assert!(scores.get("test_perplexity").unwrap() < 1.5, "{scores:?}");
    let saved = tempfile::tempdir().unwrap();
    let saved = saved.path().join("speller");
    s2s.save_to_preset(&saved).unwrap();
    let mut again = Seq2SeqLm::from_preset(saved.to_str().unwrap())
        .unwrap()
        .build()
        .unwrap();
    again
        .compile(Compile {
            sampler: Beam::new(3).into(),
            ..Compile::default()
        })
        .unwrap();
    assert_eq!(
        again.generate(words(), Generate::default()).unwrap(),
        spoken
    );
    // Streams are of one text.
    let pieces = s2s.stream("cat", Generate::default()).unwrap();
    let text: String = pieces.map(Result::unwrap).collect();
    assert_eq!(text, "kæt");
    assert!(again.stream("cat", Generate::default()).is_err());
    // What it writes is probable beside what it reads, and not by itself.
    assert!(s2s.writer().model().score(&[2, 8, 9]).is_err());
}

#[test]
fn what_the_encoder_of_a_draft_cannot_read_is_refused() {
    let [place, short] = [small(), small()];
    let config = short.path().join("config.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    json["max_position_embeddings"] = json!(16);
    std::fs::write(&config, json.to_string()).unwrap();
    let open = |folder: &tempfile::TempDir| {
        let builder = Seq2SeqLm::from_preset(folder.path().to_str().unwrap()).unwrap();
        let builder = builder.backbone(|backbone| backbone.from_scratch = true);
        builder.seed(3).build().unwrap()
    };
    let [s2s, draft] = [&place, &short].map(open);
    let [model, draft] = [&s2s, &draft].map(|it| it.writer().model());
    let mut batch = Batch::with_draft(model, draft, 1).unwrap();
    let settings = s2s.writer().settings(&Generate::default()).unwrap();
    let request = |length: usize| Request {
        prompt: Prompt::of_ids([2]),
        source: Some(vec![8; length].into()),
        limits: settings.limits.of_row(1, Some(16)).unwrap(),
        stop_tokens: settings.stop_tokens.clone(),
        sampler: Greedy::default().into(),
        processors: settings.processors.clone(),
        seed: RowSeed::new(0, 0, 0),
        sequences: 1,
        log_probabilities: false,
    };
    assert!(batch.add(request(16)).is_ok());
    let mut refuses = |request: Request, problem: &str| {
        let refused = batch.add(request).unwrap_err().to_string();
        assert!(refused.contains(problem), "{refused}");
    };
    refuses(request(17), "17 tokens, more than the 16 positions");
    let several = Request {
        sequences: 2,
        ..request(4)
    };
    refuses(
        several,
        "num_return_sequences: 2, but the sampler greedy gives from 1 to 1 texts",
    );
    let beamless = Request {
        sampler: Beam::new(0).into(),
        ..request(4)
    };
    refuses(beamless, "num_beams");
}

#[test]
fn a_saved_model_says_which_language_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, json: &Value| {
        std::fs::write(folder.path().join(name), json.to_string()).unwrap();
    };
    let mut config = read("m2m_100/config.json");
    config["vocab_size"] = json!(434);
    put("config.json", &config);
    put("generation_config.json", &json!({"num_beams": 2}));
    let tokenizer = json!({"tokenizer_class": "NllbTokenizer", "src_lang": "eng_Latn"});
    put("tokenizer_config.json", &tokenizer);
    let letters = golden("../tokenizers/translation/nllb.tokenizer.json");
    std::fs::copy(letters, folder.path().join("tokenizer.json")).unwrap();
    let s2s = Seq2SeqLm::from_preset(folder.path().to_str().unwrap())
        .unwrap()
        .backbone(|backbone| backbone.from_scratch = true)
        .languages("fra_Latn", "zul_Latn")
        .build()
        .unwrap();
    let saved = folder.path().join("saved");
    s2s.save_to_preset(&saved).unwrap();
    let said = std::fs::read(saved.join("generation_config.json")).unwrap();
    let said: Value = serde_json::from_slice(&said).unwrap();
    let zulu = s2s.writer().tokenizer().token_to_id("zul_Latn").unwrap();
    assert_eq!(said["num_beams"], 2);
    assert_eq!(said["forced_bos_token_id"], zulu);
    // So it does without being told.
    let again = Seq2SeqLm::from_preset(saved.to_str().unwrap()).unwrap();
    let again = again.build().unwrap();
    let limits = Generate {
        max_new_tokens: Some(3),
        ..Generate::default()
    };
    let written = again.generate_written(["ab"], limits).unwrap();
    assert_eq!(written[0].ids[..2], [2, zulu]);
}

#[test]
fn an_adapter_of_the_decoder_alone_is_refused_where_only_the_encoder_runs() {
    let place = small();
    let speller = Seq2SeqLm::from_preset(place.path().to_str().unwrap())
        .unwrap()
        .backbone(|backbone| {
            backbone.from_scratch = true;
            backbone.use_peft = true;
            let target = "decoder.layers.0.self_attn.q_proj".to_owned();
            backbone.lora_target_modules = Some(vec![target]);
        })
        .build()
        .unwrap();
    let saved = place.path().join("saved");
    speller.save_to_preset(&saved).unwrap();
    let classifier = TextClassifier::from_preset(saved.to_str().unwrap()).unwrap();
    // The family's own head stands on the decoder.
    let classifier = classifier
        .num_classes(2)
        .with(|task| task.use_legacy_adapter = false);
    let tuned = classifier
        .clone()
        .backbone(|backbone| backbone.use_peft = true);
    let refused = tuned.build().unwrap_err().to_string();
    assert!(
        refused.contains("lora: true, but the adapter has updates only of the other stack"),
        "{refused}"
    );
    // Added to the weights, it changes none that is read.
    assert!(classifier.build().is_ok());
}
