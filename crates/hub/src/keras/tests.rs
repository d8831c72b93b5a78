//! Presets that are broken: each is refused in a sentence.

use std::fs;
use std::path::Path;

use crate::{Preset, Weights};

/// A copy of a golden preset.
fn copy(name: &str) -> tempfile::TempDir {
    fn files(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                files(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/keras");
    let folder = tempfile::tempdir().unwrap();
    files(&golden.join(name), folder.path());
    folder
}

/// What is said of the preset in a folder.
fn refusal(folder: &tempfile::TempDir) -> String {
    let preset = Preset::from_name(folder.path().to_str().unwrap());
    match preset.and_then(|preset| Weights::open(&preset)) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// What is said once `file` says `new` in the place of `old`.
fn with(name: &str, file: &str, old: &str, new: &str) -> String {
    let folder = copy(name);
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(old), "{text}");
    fs::write(&path, text.replace(old, new)).unwrap();
    refusal(&folder)
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let cases = [
        (
            with("bert", "config.json", "BertBackbone", "ViTBackbone"),
            "ViTBackbone of KerasHub is not read; these backbones are: Albert, ",
        ),
        (
            with(
                "bert",
                "config.json",
                "\"hidden_dim\": 24",
                "\"hidden_dim\": 25",
            ),
            "hidden_dim of BertBackbone: 25 is no multiple of num_heads, which is 3",
        ),
        (
            with(
                "bert",
                "config.json",
                "\"hidden_dim\": 24",
                "\"hidden_dim\": \"24\"",
            ),
            "hidden_dim of BertBackbone: expected a whole number from 1 to 1048576, found \"24\"",
        ),
        (
            with(
                "bert",
                "config.json",
                "\"intermediate_dim\": 40",
                "\"intermediate_dim\": 41",
            ),
            "has the shape [40], where config.json asks for [41]",
        ),
        (
            with(
                "bert",
                "config.json",
                "\"num_layers\": 2",
                "\"num_layers\": 3",
            ),
            "has no tensor \"layers/transformer_encoder_2/_self_attention_layer",
        ),
        (
            with(
                "bert",
                "task.json",
                "\"num_classes\": 5",
                "\"num_classes\": 4",
            ),
            "layers/dense/vars/1 has the shape [5], where task.json asks for [4]",
        ),
        (
            with(
                "llama_sharded",
                "model.weights.json",
                "model_00000.weights.h5",
                "../model_00000.weights.h5",
            ),
            "which is not a plain file name",
        ),
        (
            with(
                "llama_sharded",
                "model.weights.json",
                "model_00000.weights.h5",
                "model_90000.weights.h5",
            ),
            "has no model_90000.weights.h5",
        ),
        (
            with(
                "gpt2",
                "assets/tokenizer/vocabulary.json",
                "<|endoftext|>",
                "<|end|>",
            ),
            "it has no \"<|endoftext|>\", which the tokenizer needs",
        ),
        (
            with(
                "bert",
                "config.json",
                "\"num_layers\": 2",
                "\"num_layers\": 5000",
            ),
            "num_layers of BertBackbone: expected at most 1024, found 5000",
        ),
        (
            with(
                "bert",
                "task.json",
                "\"num_classes\": 5",
                "\"num_classes\": 99999999999",
            ),
            "num_classes of BertTextClassifier: expected a whole number from 1 to 1048576, found 99999999999",
        ),
        (
            with(
                "qwen3_moe",
                "config.json",
                "\"num_experts\": ",
                "\"num_experts\": 9000",
            ),
            "num_experts of Qwen3MoeBackbone: expected at most 4096, found 9000",
        ),
        (
            with(
                "esm",
                "config.json",
                "\"activation\": \"gelu\"",
                "\"activation\": \"relu\"",
            ),
            "activation of ESMBackbone: expected gelu, found relu",
        ),
        (
            with("bert", "tokenizer.json", "BertTokenizer", "FooTokenizer"),
            "FooTokenizer of KerasHub is not read beside BertBackbone; BertTokenizer is",
        ),
        (
            with(
                "bert",
                "task.json",
                "keras_hub>BertTextClassifier\"",
                "keras_hub>BertFoo\"",
            ),
            "BertFoo of KerasHub is not read beside BertBackbone; those that are: BertMaskedLM, BertTextClassifier",
        ),
    ];
    for (said, expected) in cases {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_file_that_was_cut_or_changed_is_refused_and_harms_nothing() {
    let folder = copy("bert");
    let path = folder.path().join("model.weights.h5");
    let whole = fs::read(&path).unwrap();
    for end in (0..whole.len()).step_by(1999) {
        fs::write(&path, &whole[..end]).unwrap();
        let said = refusal(&folder);
        assert!(
            said.contains("is not a usable HDF5 file: "),
            "cut to {end} bytes: {said}"
        );
        assert!(
            end < 2000 || said.contains("cut short"),
            "cut to {end} bytes: {said}"
        );
    }
    // A byte that is another may be a weight's; nothing else than an answer is asked for.
    for at in (0..whole.len()).step_by(997) {
        let mut changed = whole.clone();
        changed[at] ^= 0xff;
        fs::write(&path, changed).unwrap();
        refusal(&folder);
    }
}
