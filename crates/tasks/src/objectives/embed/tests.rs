//! Folders of sentence-transformers give the vectors of the reference library.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engraft_data::Examples;
use engraft_hub::{Handle, Preset};
use engraft_models::Compute;
use serde_json::{Value, json};

use super::*;
use crate::backbone::Backbone;
use crate::preset::PresetForm;
use crate::spec::Model;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/sentence_transformers")
}

/// The real model, where it was fetched.
fn minilm() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("ENGRAFT_ASSETS")?).join("minilm");
    folder.is_dir().then_some(folder)
}

/// The files of `base` in a folder, with those of a variant over them.
fn folder(base: &Path, files: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let own = [
        "modules.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
    ];
    for file in fs::read_dir(base).unwrap() {
        let file = file.unwrap();
        let name = file.file_name();
        if file.path().is_file() && !own.iter().any(|own| *own == name) {
            fs::copy(file.path(), folder.path().join(name)).unwrap();
        }
    }
    for (name, content) in files.as_object().unwrap() {
        let target = folder.path().join(name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let bytes = match content.as_str() {
            Some(name) => fs::read(golden().join(name.strip_prefix('@').unwrap())).unwrap(),
            None => content.to_string().into_bytes(),
        };
        fs::write(target, bytes).unwrap();
    }
    folder
}

fn task(folder: &Path, asked: &Value) -> Embed {
    let text = |key: &str| asked.get(key).map(|it| it.as_str().unwrap().to_owned());
    Embed {
        prompt: text("prompt"),
        prompt_name: text("prompt_name"),
        ..Embed::on(Backbone::new(folder.to_str().unwrap()).into())
    }
}

fn build(task: Embed) -> Result<Model> {
    Model::build(&task.into(), None, &Compute::cpu(), 0)
}

fn embed(model: &Model, texts: &[&str]) -> Vec<Vec<f32>> {
    let examples = Arc::new(Examples::from_texts(texts.iter().copied()));
    let source = model.spec.rows(Arc::clone(&examples)).unwrap();
    let plan = vec![(0..texts.len()).collect()];
    let batches = model.spec.predictions(&model.network, source, plan);
    let mut outputs: Vec<RowOutput> = batches.flat_map(|batch| batch.unwrap().1).collect();
    outputs.sort_by_key(|output| output.row);
    outputs.into_iter().map(|output| output.values).collect()
}

/// The cosine of two vectors.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Compares every variant of a file with what its folder gives; how many there were.
fn check(file: &str, base: &Path) -> usize {
    let all: Value = serde_json::from_slice(&fs::read(golden().join(file)).unwrap()).unwrap();
    let texts: Vec<&str> = all["texts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    let variants = all["variants"].as_array().unwrap();
    for variant in variants {
        let name = variant["name"].as_str().unwrap();
        let folder = folder(base, &variant["files"]);
        let model = build(task(folder.path(), &variant["asked"])).unwrap();
        let found = embed(&model, &texts);
        let expected: Vec<Vec<f32>> =
            serde_json::from_value(variant["embeddings"].clone()).unwrap();
        for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let start = &found[..expected.len()];
            let near = cosine(start, expected);
            assert!(
                near > 1.0 - 1e-5,
                "{name}, {row}: {near}\n{start:?}\n{expected:?}"
            );
            let far = start
                .iter()
                .zip(expected)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(far < 2e-4, "{name}, {row}: {far}\n{start:?}\n{expected:?}");
            if let Some(norm) = variant["norms"][row].as_f64() {
                let own = found
                    .iter()
                    .map(|it| f64::from(*it).powi(2))
                    .sum::<f64>()
                    .sqrt();
                assert!(
                    (own / norm - 1.0).abs() < 1e-4,
                    "{name}, {row}: {own} for {norm}"
                );
            }
        }
        assert_eq!(found.len(), expected.len());
    }
    variants.len()
}

#[test]
fn every_module_gives_the_vectors_of_the_reference() {
    assert!(check("variants.json", &golden().join("encoder")) > 40);
}

#[test]
fn every_module_on_a_real_model_gives_the_vectors_of_the_reference() {
    let Some(folder) = minilm() else {
        eprintln!("skipped: ENGRAFT_ASSETS names no folder with minilm");
        return;
    };
    assert!(check("minilm.json", &folder) > 40);
}

const TRANSFORMER: &str = "sentence_transformers.models.Transformer";

fn listed(modules: &[&str]) -> Value {
    let entry = |(index, kind): (usize, &&str)| {
        let path = if index == 0 {
            String::new()
        } else {
            format!("{index}_Module")
        };
        json!({"idx": index, "name": index.to_string(), "path": path, "type": kind})
    };
    modules.iter().enumerate().map(entry).collect()
}

fn refusal(files: &Value, change: impl FnOnce(&mut Embed)) -> String {
    let folder = folder(&golden().join("encoder"), files);
    let mut task = task(folder.path(), &json!({}));
    change(&mut task);
    let message = match build(task) {
        Ok(_) => "nothing".to_owned(),
        Err(error) => error.to_string(),
    };
    message.replace(folder.path().to_str().unwrap(), "FOLDER")
}

#[test]
fn other_modules_activations_and_poolings_are_refused_by_name() {
    let sparse = "sentence_transformers.sparse_encoder.models.SpladePooling";
    let known = "(known are Transformer, Pooling, Dense, Normalize and Dropout)";
    let help = "model.pooling: none gives the hidden states of all tokens, without any module after the transformer";
    for module in [
        sparse,
        "sentence_transformers.models.LSTM",
        "custom_st.Pooling",
    ] {
        let files = json!({"modules.json": listed(&[TRANSFORMER, module])});
        assert_eq!(
            refusal(&files, |_| {}),
            format!("FOLDER/modules.json: the module {module} is not known {known}. {help}")
        );
        assert_eq!(
            refusal(&files, |task| task.pooling = Some(EmbedPooling::None)),
            "nothing"
        );
    }
    let pooled = |config: Value| {
        let modules = listed(&[TRANSFORMER, "sentence_transformers.models.Pooling"]);
        json!({"modules.json": modules, "1_Module/config.json": config})
    };
    let known = "(known are cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken). choose one with model.pooling";
    assert_eq!(
        refusal(&pooled(json!({"pooling_mode": "attention"})), |_| {}),
        format!("FOLDER/1_Module/config.json: the pooling \"attention\" is not known {known}")
    );
    assert_eq!(
        refusal(&pooled(json!({"pooling_mode_magic": true})), |_| {}),
        format!("FOLDER/1_Module/config.json: the pooling pooling_mode_magic is not known {known}")
    );
    let dense = |config: Value| {
        let modules = [
            TRANSFORMER,
            "sentence_transformers.models.Pooling",
            "sentence_transformers.models.Dense",
        ];
        json!({"modules.json": listed(&modules), "1_Module/config.json": {"pooling_mode": "mean"}, "2_Module/config.json": config})
    };
    let shape = |width: usize| json!({"in_features": width, "out_features": 5});
    let with = |mut config: Value, key: &str, value: &str| {
        config[key] = json!(value);
        config
    };
    assert_eq!(
        refusal(
            &dense(with(
                shape(12),
                "activation_function",
                "torch.nn.modules.activation.Softplus"
            )),
            |_| {}
        ),
        "FOLDER/2_Module/config.json: the activation torch.nn.modules.activation.Softplus is not known"
    );
    assert_eq!(
        refusal(
            &dense(with(shape(12), "module_input_name", "token_embeddings")),
            |_| {}
        ),
        "FOLDER/2_Module/config.json: module_input_name \"token_embeddings\": only a layer on the vector of the whole text is read"
    );
    assert_eq!(
        refusal(&dense(shape(13)), |_| {}),
        "FOLDER/2_Module/config.json: in_features is 13, but the vectors it is given have 12 numbers"
    );
    assert_eq!(
        refusal(&dense(shape(12)), |_| {}),
        "FOLDER/2_Module/config.json: its weights are missing: neither 2_Module/model.safetensors nor 2_Module/pytorch_model.bin is there"
    );
    let mut narrow = dense(shape(12));
    narrow["2_Module/model.safetensors"] = json!("@weights/unbiased.safetensors");
    narrow["2_Module/config.json"]["bias"] = json!(false);
    assert_eq!(
        refusal(&narrow, |_| {}),
        "FOLDER/2_Module/model.safetensors: linear.weight has the shape [7, 12], and its config.json says [5, 12]"
    );
}

fn prompted(default: Option<&str>) -> Value {
    json!({
        "1_Pooling/config.json": {"pooling_mode": "mean"},
        "config_sentence_transformers.json": {"prompts": {"query": "Q: ", "passage": "P: "}, "default_prompt_name": default},
    })
}

#[test]
fn a_prompt_that_is_not_there_is_refused_and_one_that_is_not_taken_is_named() {
    assert_eq!(
        refusal(&prompted(None), |task| task.prompt_name =
            Some("title".into())),
        "model.prompt_name: FOLDER has no prompt \"title\"; its prompts: passage, query"
    );
    assert_eq!(
        refusal(&prompted(Some("title")), |_| {}),
        "FOLDER/config_sentence_transformers.json: default_prompt_name \"title\" is no prompt of the file"
    );
    let notes = |default: Option<&str>, prompt: Option<&str>| -> Vec<String> {
        let folder = folder(&golden().join("encoder"), &prompted(default));
        let mut task = task(folder.path(), &json!({}));
        task.prompt = prompt.map(str::to_owned);
        build(task)
            .unwrap()
            .spec
            .notes()
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(
        notes(None, None),
        [
            "the preset has prompts (passage, query) and none is put in front of the texts; model.prompt_name takes one"
        ]
    );
    assert!(notes(Some("query"), None).is_empty() && notes(None, Some("")).is_empty());
}

#[test]
fn a_pooling_of_the_user_goes_before_that_of_the_folder_and_the_modules_after_it_stay() {
    let all: Value =
        serde_json::from_slice(&fs::read(golden().join("variants.json")).unwrap()).unwrap();
    let of = |name: &str| {
        let mut variants = all["variants"].as_array().unwrap().iter();
        variants
            .find(|variant| variant["name"] == name)
            .unwrap()
            .clone()
    };
    let texts = ["the bank", "Zoë"];
    let vectors = |name: &str, pooling: Option<EmbedPooling>| {
        let folder = folder(&golden().join("encoder"), &of(name)["files"]);
        let mut task = task(folder.path(), &json!({}));
        task.pooling = pooling;
        embed(&build(task).unwrap(), &texts)
    };
    let cls = Some(EmbedPooling::By(Pooling::Cls));
    assert_eq!(vectors("mean pooling", cls), vectors("cls pooling", None));
    assert_eq!(vectors("dense, Tanh", cls)[0].len(), 5);
    assert_eq!(
        vectors("two poolings", Some(EmbedPooling::AsPreset)),
        vectors("two poolings", None)
    );
    // Three or four tokens of twelve numbers.
    let tokens = vectors("dense, Tanh", Some(EmbedPooling::None));
    assert!(tokens.iter().all(|values| values.len() % 12 == 0));
    assert_eq!(
        refusal(&json!({}), |task| task.pooling =
            Some(EmbedPooling::AsPreset)),
        "model.pooling: FOLDER says nothing of pooling"
    );
}

#[test]
fn what_is_saved_holds_the_modules_and_gives_the_same_vectors() {
    let all: Value =
        serde_json::from_slice(&fs::read(golden().join("variants.json")).unwrap()).unwrap();
    let texts = ["the bank raised its rate", "Zoë"];
    for name in [
        "two dense layers",
        "all poolings, normalised",
        "prompts, default query",
        "do_lower_case",
        "max_seq_length",
    ] {
        let mut variants = all["variants"].as_array().unwrap().iter();
        let variant = variants.find(|variant| variant["name"] == name).unwrap();
        let folder = folder(&golden().join("encoder"), &variant["files"]);
        let model = build(task(folder.path(), &json!({}))).unwrap();
        let saved = tempfile::tempdir().unwrap();
        model
            .spec
            .write_preset(&model.network, PresetForm::Whole, saved.path())
            .unwrap();
        let preset = Preset::open(&Handle::Folder(saved.path().to_owned())).unwrap();
        let again = Model::open(preset, &Compute::cpu()).unwrap();
        assert_eq!(embed(&again, &texts), embed(&model, &texts), "{name}");
        assert!(saved.path().join("modules.json").is_file());
    }
}
