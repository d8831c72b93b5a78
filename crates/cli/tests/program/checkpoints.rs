//! What is said of checkpoints: what of them is read, why some are not, and what other programs make of those that are exported.

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::{Map, Value, json};

use crate::causal::decoder;
use crate::{Said, Workplace};

const PREDICT: &str =
    "predict --data SequencesDataModule --data.path unlabelled.csv --output p.tsv";

/// Keys that models with code of their own have.
fn auto_map() -> Value {
    json!({
        "AutoConfig": "configuration_own.OwnConfig",
        "AutoModel": "modeling_own.OwnModel",
        "AutoTokenizer": ["tokenization_own.OwnTokenizer", null],
    })
}

/// A copy of a folder with keys of its `config.json` replaced.
fn like(place: &Workplace, from: &Path, to: &str, keys: Value) -> PathBuf {
    let folder = place.path(to);
    std::fs::create_dir(&folder).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
    }
    let file = folder.join("config.json");
    let mut config: Map<String, Value> =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    config.extend(keys.as_object().unwrap().clone());
    std::fs::write(&file, serde_json::to_vec(&config).unwrap()).unwrap();
    folder
}

/// Writes the weights of a folder anew, without some tensors and with others, which hold zeros.
fn change(folder: &Path, without: &str, with: &[(&str, usize)]) {
    let file = folder.join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let stored = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors = stored.tensors();
    tensors.retain(|(name, _)| !name.contains(without) || without.is_empty());
    let zeros = vec![0u8; 4096];
    for (name, size) in with {
        let view = safetensors::tensor::TensorView::new(
            safetensors::Dtype::F32,
            vec![*size],
            &zeros[..size * 4],
        );
        tensors.push(((*name).to_owned(), view.unwrap()));
    }
    let written = safetensors::serialize(tensors, None).unwrap();
    std::fs::write(file, written).unwrap();
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(name)
}

/// The lines that are neither notes on data nor about the sampler, without where the test runs.
fn heard(place: &Workplace, words: &str, said: &Said) -> String {
    let root = place.path("").display().to_string();
    let root = root.trim_end_matches('/');
    let lines = said.err.lines().filter(|line| {
        line.starts_with("error: ") || line.starts_with("model: ") || line.contains("auto_map")
    });
    let lines: Vec<String> = lines.map(|line| line.replace(root, "{place}")).collect();
    format!("{words}\n    {}\n", lines.join("\n    "))
}

/// A workplace with checkpoints that are not what they seem.
fn place() -> Workplace {
    let place = Workplace::new();
    let own = || json!({"auto_map": auto_map()});
    let with = |more: Value| {
        let mut keys = own();
        let keys_map = keys.as_object_mut().unwrap();
        keys_map.extend(more.as_object().unwrap().clone());
        keys
    };
    let tiny = place.path("tiny");
    // Its tensors are a family's: read.
    like(&place, &tiny, "own_but_bert", own());
    // Layers of another kind, as DNABERT-2 has.
    let folder = like(&place, &tiny, "fused", own());
    change(
        &folder,
        ".attention.self.",
        &[("bert.encoder.layer.0.attention.self.Wqkv.weight", 8)],
    );
    // Gated layers, as the Nucleotide Transformer of the second version has.
    let gated = like(
        &place,
        &golden("models/esm_base"),
        "gated",
        with(json!({"intermediate_size": 24})),
    );
    std::fs::write(gated.join("vocab.txt"), crate::vocabulary(&gated)).unwrap();
    // All that the family has, and more.
    let folder = like(&place, &tiny, "normed", own());
    change(
        &folder,
        "",
        &[("bert.encoder.layer.0.attention.self.query_norm.weight", 8)],
    );
    // Types of model that are not read, with a family near by and without.
    like(
        &place,
        &tiny,
        "plusplus",
        with(json!({"model_type": "ESMplusplus"})),
    );
    like(
        &place,
        &tiny,
        "hyena",
        with(json!({"model_type": "hyenadna", "architectures": ["HyenaDNAForCausalLM"]})),
    );
    like(&place, &tiny, "stranger", json!({"model_type": "mamba"}));
    // Values that the family cannot have.
    like(
        &place,
        &tiny,
        "alibi",
        with(json!({"position_embedding_type": "alibi"})),
    );
    // Decoders without a head, and adapters without a base.
    let gpt2 = like(
        &place,
        &golden("decoders/gpt2"),
        "gpt2",
        json!({"tie_word_embeddings": false}),
    );
    let letters = (b'!'..=b'`').map(|letter| format!("{}\n", letter as char));
    let vocabulary = format!("<s>\n</s>\n<unk>\n{}", letters.collect::<String>());
    std::fs::write(gpt2.join("vocab.txt"), vocabulary).unwrap();
    change(&gpt2, "lm_head", &[]);
    let lora = golden("lora_decoders/gpt2_attention/adapter");
    for (name, base) in [("adapter", json!("./nowhere")), ("nameless", json!(null))] {
        let folder = place.path(name);
        std::fs::create_dir(&folder).unwrap();
        let config = std::fs::read(lora.join("adapter_config.json")).unwrap();
        let mut config: Map<String, Value> = serde_json::from_slice(&config).unwrap();
        config.insert("base_model_name_or_path".to_owned(), base);
        std::fs::write(
            folder.join("adapter_config.json"),
            serde_json::to_vec(&config).unwrap(),
        )
        .unwrap();
        let weights = "adapter_model.safetensors";
        std::fs::copy(lora.join(weights), folder.join(weights)).unwrap();
    }
    place.write(
        "own.yaml",
        "model:\n  class_path: SequenceClassification\n  init_args:\n    backbone: ./adapter\n",
    );
    let rows = ["low", "middle", "-1", "high"].map(|label| format!("a w1\t{label}\n"));
    place.write(
        "stray.tsv",
        &format!("sequences\tlabels\n{}", rows.concat()),
    );
    place
}

const HEARD: &[&str] = &[
    "predict --model Embed --model.pooling mean_pooling --model.backbone ./own_but_bert",
    "predict --model Embed --model.pooling mean_pooling --model.backbone ./fused",
    "predict --model Embed --model.pooling mean_pooling --model.backbone ./gated",
    "predict --model Embed --model.pooling mean_pooling --model.backbone ./normed",
    "predict --model Embed --model.pooling mean_pooling --model.backbone ./plusplus",
    "predict --model Embed --model.pooling mean_pooling --model.backbone ./hyena",
    "predict --model Embed --model.pooling mean_pooling --model.backbone ./stranger",
    "predict --model Embed --model.pooling mean_pooling --model.backbone ./alibi",
    "predict --model CausalLM --model.backbone ./tiny",
    "predict --model CausalLM --model.backbone ./gpt2",
    "predict --model Embed --model.pooling mean_pooling --model.backbone ./adapter",
    "predict -c own.yaml --model.use_legacy_adapter true",
    "predict --model CausalLM --model.backbone ./nowhere",
    "predict --model CausalLM --model.backbone ./gpt2 --model.backbone.peft_path ./nowhere",
    "generate ./gpt2 --prompt A",
    "generate ./gpt2 --prompt A --lora ./nowhere",
    "generate ./tiny --prompt A",
    "generate ./fused --prompt A",
    "generate ./adapter --prompt A",
    "generate ./nameless --prompt A",
    "fit -c fit.yaml --data.path stray.tsv --data.valid_split_size 0 --data.test_split_size 0",
];

#[test]
fn what_is_wrong_with_a_checkpoint_is_said_in_its_own_words() {
    let place = place();
    let answers: Vec<String> = HEARD
        .iter()
        .map(|words| {
            let said = if words.starts_with("predict") {
                place.run(&words.replacen("predict", PREDICT, 1))
            } else {
                place.run(words)
            };
            heard(&place, words, &said)
        })
        .collect();
    insta::assert_snapshot!("heard", answers.join("\n"));
}

#[test]
fn heads_that_are_not_needed_are_said_in_one_line_and_listed_on_demand() {
    let place = Workplace::new();
    let embed = |backbone: &str, more: &str| {
        let said = place.run(&format!("{PREDICT} --model Embed --model.pooling mean_pooling --model.backbone {backbone} {more}"));
        assert_eq!(said.code, Some(0), "{said:?}");
        let lines = said.err.lines();
        let lines: Vec<&str> = lines
            .filter(|line| line.starts_with("model: ") || line.starts_with("  "))
            .collect();
        lines.join("\n")
    };
    let answers = [
        embed("./tiny", ""),
        embed("./lm", ""),
        embed("./tiny", "-v"),
        embed("./lm", "--verbose"),
    ];
    insta::assert_snapshot!("loaded", answers.join("\n\n"));

    let place = decoder(false);
    place.succeed("fit --model CausalLM --model.backbone ./llama --model.backbone.from_scratch true --data CausalLMDataModule --data.path rows.tsv --trainer.max_steps 1");
    let said = place.run("generate --ckpt_path last --prompt A --max-new-tokens 2 -v");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("tensors loaded"), "{}", said.err);
}

/// The tensors of predictions, one after the other.
fn outputs(place: &Workplace, words: &str) -> Vec<f32> {
    place.succeed(&format!("predict {words} --output o.safetensors"));
    let bytes = std::fs::read(place.path("o.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let values = tensors.tensor("predictions").unwrap().data().to_vec();
    let values = values.chunks_exact(4);
    values
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}

/// What other programs see of an exported folder: the class, the head's tensors and the names of its outputs.
fn seen(place: &Workplace, folder: &str, exported: &Said) -> String {
    assert_eq!(exported.code, Some(0), "{exported:?}");
    let config: Value =
        serde_json::from_str(&place.read(&format!("{folder}/config.json"))).unwrap();
    let file = ["model.safetensors", "adapter_model.safetensors"]
        .map(|file| place.path(&format!("{folder}/{file}")))
        .into_iter()
        .find(|file| file.exists());
    let bytes = std::fs::read(file.unwrap()).unwrap();
    let mut names: Vec<String> = SafeTensors::deserialize(&bytes)
        .unwrap()
        .names()
        .into_iter()
        .filter(|name| !name.contains("layer") || name.starts_with("adapter."))
        .filter(|name| !name.contains("embed") && !name.contains("norm"))
        .map(str::to_owned)
        .collect();
    names.sort();
    let notes = exported
        .err
        .lines()
        .filter(|line| line.contains(" opens it as "));
    format!(
        "{folder}: {} {} {}\n    {}\n    {}\n",
        config["architectures"],
        config["id2label"],
        config["problem_type"],
        names.join(", "),
        notes.collect::<Vec<_>>().join("\n    ")
    )
}

fn difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    let pairs = left.iter().zip(right);
    pairs
        .map(|(left, right)| (left - right).abs())
        .fold(0.0, f32::max)
}

#[test]
fn linear_heads_are_exported_as_the_familys_own_and_others_with_the_names_of_their_outputs() {
    let mut all = Vec::new();
    // Letters of sequences.
    let place = Workplace::new();
    let rows = (0..12).map(|row| {
        let labels = ["up", "down", "up"];
        let words = json!({"tokens": ["a", "b", "w3"], "tags": labels, "id": row});
        format!("{words}\n")
    });
    place.write("ner.jsonl", &rows.collect::<String>());
    let data = "--data TokenClassificationDataModule --data.path ner.jsonl --data.x_col tokens --data.y_col tags";
    let fit = "--data.test_split_size 0 --data.valid_split_size 0 --trainer.max_steps 2 --model.optimizer.lr 1e-2";
    let exported = |place: &Workplace, root: &str, to: &str, more: &str| {
        let said = place.run(&format!(
            "export --ckpt_path last --trainer.default_root_dir {root} --output {to} {more}"
        ));
        seen(place, to, &said)
    };
    for (to, more, form) in [
        ("tokens", "", ""),
        (
            "perceptron",
            "--model.adapter MLPAdapter --model.adapter.hidden_sizes [5]",
            "",
        ),
        ("updates", "--model.backbone.use_peft true", "--peft"),
    ] {
        place.succeed(&format!("fit --model TokenClassification --model.backbone ./tiny {data} {fit} --trainer.default_root_dir of_{to} {more}"));
        all.push(exported(&place, &format!("of_{to}"), to, form));
        let trained = outputs(
            &place,
            &format!("--ckpt_path last --trainer.default_root_dir of_{to} {data}"),
        );
        let again = outputs(&place, &format!("--ckpt_path {to} {data}"));
        assert!(difference(&trained, &again) < 1e-5, "{to}");
        if to != "perceptron" {
            let own = outputs(
                &place,
                &format!(
                    "--model TokenClassification --model.use_legacy_adapter true --model.backbone ./{to} {data}"
                ),
            );
            assert!(difference(&trained, &own) < 1e-5, "{to}");
        }
    }
    // Rows, read by their mean or their first token.
    place.succeed("fit -c fit.yaml --model.use_legacy_adapter false --model.adapter LinearMeanPoolAdapter --trainer.default_root_dir of_rows --trainer.max_steps 1");
    all.push(exported(&place, "of_rows", "rows", ""));

    // Rows, read by the last token of a decoder.
    let place = decoder(true);
    let data = "--data SequenceClassificationDataModule --data.path rows.tsv --data.x_col text --data.y_col labels";
    place.succeed(&format!("fit --model SequenceClassification --model.backbone ./llama --model.backbone.from_scratch true {data} {fit} --trainer.default_root_dir of_scores"));
    all.push(exported(&place, "of_scores", "scores", ""));
    let trained = outputs(
        &place,
        &format!("--ckpt_path last --trainer.default_root_dir of_scores {data}"),
    );
    for model in [
        "--ckpt_path scores",
        "--model SequenceClassification --model.use_legacy_adapter true --model.backbone ./scores",
    ] {
        let again = outputs(&place, &format!("{model} {data}"));
        assert!(difference(&trained, &again) < 1e-5, "{model}");
    }
    let numbers = "--data SequenceRegressionDataModule --data.path rows.tsv --data.x_col text --data.y_col labels";
    place.succeed(&format!("fit --model SequenceRegression --model.backbone ./llama --model.backbone.from_scratch true {numbers} {fit} --trainer.default_root_dir of_numbers"));
    all.push(exported(&place, "of_numbers", "numbers", ""));
    let trained = outputs(
        &place,
        &format!("--ckpt_path last --trainer.default_root_dir of_numbers {numbers}"),
    );
    let again = outputs(&place, &format!("--ckpt_path numbers {numbers}"));
    assert!(difference(&trained, &again) < 1e-4);
    insta::assert_snapshot!("exported", all.join("\n"));
}
