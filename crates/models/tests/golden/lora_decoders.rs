//! PEFT's adapters of decoders, on the cases of `tests/golden/lora_decoders`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use engraft_hub::{Handle, Preset, Weights};
use engraft_models::{
    Checkpoint, HeadKind, LoraOrigin, LoraRule, LoraSettings, Mode, PackedTokens, PeftFolder,
    TokenBatch,
};
use serde_json::{Map, Value};

use crate::reference::{cases, golden, initial, largest_difference, sequences, values};

fn folder(name: &str) -> PathBuf {
    golden("lora_decoders").join(name)
}

fn preset(path: &Path) -> Preset {
    Preset::open(&Handle::Folder(path.to_owned())).unwrap()
}

fn about(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder(name).join("case.json")).unwrap()).unwrap()
}

fn base(name: &str) -> Checkpoint {
    Checkpoint::open(preset(&folder(name).join("base")), &Map::new(), false).unwrap()
}

fn adapter(name: &str) -> Arc<PeftFolder> {
    Arc::new(PeftFolder::open(preset(&folder(name).join("adapter"))).unwrap())
}

/// The hidden states and logits of an adapted checkpoint.
fn run(name: &str, checkpoint: &Checkpoint) -> engraft_models::Result<[Vec<f32>; 2]> {
    let device = Device::flex();
    let tensors = Weights::open_file(&folder(name).join("case.safetensors")).unwrap();
    let mut packed = PackedTokens::default();
    for (ids, types) in sequences(&tensors) {
        packed.push(&ids, &types);
    }
    let decoder = checkpoint.encoder(&initial(&device))?;
    let batch = TokenBatch::new(&packed, &checkpoint.config().transformer, &device);
    let hidden = decoder.forward(&batch, Mode::Evaluate);
    let logits = if about(name)["head"] == "classification" {
        let kind = HeadKind::Classification;
        let head = checkpoint.classifier(kind, 3, true, &initial(&device))?;
        head.forward(hidden.clone(), &batch, Mode::Evaluate)
    } else {
        let head = checkpoint.causal_lm(true, &initial(&device))?;
        head.forward(hidden.clone(), &decoder)
    };
    Ok([hidden, logits].map(values))
}

#[test]
fn adapters_of_decoders_give_what_peft_gives() {
    let mut failures = Vec::new();
    for name in cases(&golden("lora_decoders"), 17) {
        let tensors = Weights::open_file(&folder(&name).join("case.safetensors")).unwrap();
        let checkpoint = base(&name)
            .with_lora(LoraOrigin::Merged(adapter(&name)))
            .unwrap();
        let refused = about(&name)["refused"].as_str().unwrap().to_owned();
        match run(&name, &checkpoint) {
            Err(error) if !refused.is_empty() => {
                assert!(error.to_string().contains(&refused), "{name}: {error}");
            }
            Err(error) => failures.push(format!("{name}: {error}")),
            Ok(_) if !refused.is_empty() => failures.push(format!("{name}: not refused")),
            Ok(found) => {
                for (found, what) in found.iter().zip(["hidden", "logits"]) {
                    let expected = tensors.require(what).unwrap().to_f32().unwrap();
                    let error = largest_difference(found, &expected);
                    if error > 1e-4 {
                        failures.push(format!("{name}: {what} differ by {error}"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn what_lies_beside_updates_is_not_trained_on_without_a_word() {
    for name in [
        "llama_tied_embeddings",
        "llama_head",
        "gpt2_tied_head_adapted",
    ] {
        let refused = base(name).with_lora(LoraOrigin::Saved(adapter(name)));
        let words = refused.map(|_| ()).unwrap_err().to_string();
        assert!(words.contains("use_peft"), "{name}: {words}");
    }
    for name in ["gpt2_attention", "gpt2_classification", "gpt2_scale_0"] {
        let checkpoint = base(name).with_lora(LoraOrigin::Saved(adapter(name)));
        assert!(run(name, &checkpoint.unwrap()).is_ok(), "{name}");
    }
}

#[test]
fn an_adapter_of_transposed_layers_says_so() {
    for (name, target, transposed) in [
        ("gpt2_attention", "c_attn", true),
        ("llama_head", "q_proj", false),
    ] {
        let settings = LoraSettings {
            rule: LoraRule {
                r: 2,
                alpha: 4.0,
                rank_stabilised: false,
                dropout: 0.0,
            },
            targets: vec![target.to_owned()],
        };
        let checkpoint = base(name).with_lora(LoraOrigin::Fresh(settings)).unwrap();
        let config = checkpoint.adapter_config(HeadKind::CausalLm, "base", &[]);
        assert_eq!(config.unwrap()["fan_in_fan_out"], transposed, "{name}");
    }
}
