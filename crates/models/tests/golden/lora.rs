//! LoRA against PEFT, on the adapters of `tests/golden/lora`: outputs, gradients, files and merged weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor};
use engraft_hub::{Handle, Preset, Weights};
use engraft_kernels::{ClassTargets, cross_entropy};
use engraft_models::{
    Checkpoint, ExpertLayer, FeedForwardLayer, HeadKind, LoraOrigin, LoraRule, LoraSettings, Mode,
    NamedTensor, PackedTokens, PeftFolder, TokenBatch, Transformer, parameters,
};
use serde_json::{Map, Value};

use crate::reference::{
    check_gradient, golden, gradients_in_order, head_kind, initial, largest_difference, no_dropout,
    sequences, values, whole,
};

fn folder() -> PathBuf {
    golden("lora")
}

fn preset(path: &Path) -> Preset {
    Preset::open(&Handle::Folder(path.to_owned())).unwrap()
}

fn cases() -> Vec<String> {
    crate::reference::cases(&folder(), 16)
}

/// A base with its adapter, the inputs and PEFT's outputs.
struct Case {
    name: String,
    checkpoint: Checkpoint,
    head: HeadKind,
    tensors: Weights,
    packed: PackedTokens,
}

/// Every dropout of the base is off, so that gradients can be compared.
fn open(name: &str) -> Case {
    let path = folder().join(name);
    let base = preset(&path.join("base"));
    let config = base.config().unwrap();
    let overwrites = no_dropout(&config);
    let about: Value =
        serde_json::from_slice(&std::fs::read(path.join("case.json")).unwrap()).unwrap();
    let adapter = PeftFolder::open(preset(&path.join("adapter"))).unwrap();
    let checkpoint = Checkpoint::open(base, &overwrites, false)
        .unwrap()
        .with_lora(LoraOrigin::Saved(Arc::new(adapter)))
        .unwrap();
    let tensors = Weights::open_file(&path.join("case.safetensors")).unwrap();
    let mut packed = PackedTokens::default();
    for (ids, types) in sequences(&tensors) {
        packed.push(&ids, &types);
    }
    Case {
        name: name.to_owned(),
        checkpoint,
        head: head_kind(about["head"].as_str().unwrap()),
        tensors,
        packed,
    }
}

/// The hidden states and logits that an encoder gives.
fn outputs(case: &Case, encoder: &Transformer) -> (Vec<f32>, Option<Vec<f32>>) {
    let device = Device::flex();
    let config = &case.checkpoint.config().transformer;
    let batch = TokenBatch::new(&case.packed, config, &device);
    let hidden = encoder.forward(&batch, Mode::Evaluate);
    let logits = (case.head != HeadKind::None)
        .then(|| values(logits(case, encoder, hidden.clone(), &batch, &device)));
    (values(hidden), logits)
}

/// What the case's head makes of hidden states.
fn logits(
    case: &Case,
    encoder: &Transformer,
    hidden: Tensor<2>,
    batch: &TokenBatch,
    device: &Device,
) -> Tensor<2> {
    let checkpoint = &case.checkpoint;
    if case.head == HeadKind::MaskedLm {
        let head = checkpoint.masked_lm(true, &initial(device)).unwrap();
        return head.forward(hidden, encoder);
    }
    let classes = checkpoint.stored_classes(case.head).unwrap();
    let head = checkpoint.classifier(case.head, classes, true, &initial(device));
    head.unwrap().forward(hidden, batch, Mode::Evaluate)
}

fn check_outputs(case: &Case, encoder: &Transformer, what: &str) {
    let (hidden, logits) = outputs(case, encoder);
    let expected = case.tensors.require("hidden").unwrap().to_f32().unwrap();
    let error = largest_difference(&hidden, &expected);
    assert!(
        error < 1e-4,
        "{} {what}: hidden states differ by {error}",
        case.name
    );
    if let Some(logits) = logits {
        let expected = case.tensors.require("logits").unwrap().to_f32().unwrap();
        // Logits of these seeded models run to 13: a hundred thousandth of the largest, and no less than of ten.
        let scale = expected
            .iter()
            .fold(10f32, |most, value| most.max(value.abs()));
        let error = largest_difference(&logits, &expected);
        assert!(
            error < 1e-5 * scale,
            "{} {what}: logits differ by {error}",
            case.name
        );
    }
}

#[test]
fn an_adapter_of_peft_gives_its_outputs_beside_the_weights_and_added_to_them() {
    for name in cases() {
        let case = open(&name);
        let mut encoder = case.checkpoint.encoder(&initial(&Device::flex())).unwrap();
        check_outputs(&case, &encoder, "beside");
        encoder.merge_lora();
        assert!(!encoder.is_adapted());
        check_outputs(&case, &encoder, "merged");
    }
}

#[test]
fn merged_weights_are_those_that_peft_writes() {
    let mut checked = 0;
    for name in cases() {
        let file = folder().join(&name).join("merged.safetensors");
        if !file.exists() {
            continue;
        }
        let case = open(&name);
        let merged = Weights::open_file(&file).unwrap();
        let mut encoder = case.checkpoint.encoder(&initial(&Device::flex())).unwrap();
        encoder.merge_lora();
        for tensor in case.checkpoint.named(&encoder, HeadKind::None, case.head) {
            let Some(expected) = merged.get(&tensor.name) else {
                continue;
            };
            let error = largest_difference(&tensor.values, &expected.to_f32().unwrap());
            assert!(error < 1e-5, "{name}: {} differs by {error}", tensor.name);
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked} tensors");
}

/// Gradients of a module's parameters by their paths.
fn gradients(module: &impl Module, grads: &Gradients) -> BTreeMap<String, Vec<f32>> {
    parameters(module)
        .into_iter()
        .zip(gradients_in_order(module, grads))
        .filter_map(|((path, _, _), gradient)| Some((path, gradient?)))
        .collect()
}

/// Gradients of all experts' updates that are kept in one, each under its path with the expert's number in the place of `experts`.
fn by_expert(
    encoder: &Transformer,
    gradients: BTreeMap<String, Vec<f32>>,
) -> BTreeMap<String, Vec<f32>> {
    let mut adapted: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, layer) in encoder.layers.iter().enumerate() {
        if let FeedForwardLayer::Experts(ExpertLayer { experts, .. }) = &layer.feed_forward {
            for (part, linear) in [("gate_up", &experts.gate_up), ("down", &experts.down)] {
                if let Some(lora) = &linear.lora {
                    let path = format!("layers.{number}.feed_forward.experts.{part}");
                    adapted.insert(path, lora.experts().to_vec());
                }
            }
        }
    }
    let split = gradients.into_iter().flat_map(|(path, gradient)| {
        let module = path.rsplit_once(".lora.").unwrap().0;
        let Some(experts) = adapted.get(module) else {
            return vec![(path, gradient)];
        };
        let parts = gradient.chunks_exact(gradient.len() / experts.len());
        experts
            .iter()
            .zip(parts)
            .map(|(expert, part)| {
                let path = path.replace(".experts.", &format!(".experts#{expert}."));
                (path, part.to_vec())
            })
            .collect()
    });
    split.collect()
}

#[test]
fn only_updates_and_heads_have_gradients_and_they_are_those_of_peft() {
    for name in cases() {
        let case = open(&name);
        let rates = case.checkpoint.config().transformer.dropout;
        assert_eq!(rates.attention + rates.attention_output, 0.0, "{name}");
        let device = Device::flex().autodiff();
        let encoder = case.checkpoint.encoder(&initial(&device)).unwrap();
        let batch = TokenBatch::new(&case.packed, &case.checkpoint.config().transformer, &device);
        // Evaluation has the same graph, and PEFT's own dropout of these cases is 0 or was off.
        let hidden = encoder.forward(&batch, Mode::Evaluate);
        let loss = if case.head == HeadKind::None {
            let count = hidden.dims().iter().product::<usize>() as f64;
            hidden.powi_scalar(2).sum() / count
        } else {
            let targets = ClassTargets::new(whole(&case.tensors, "labels"));
            let count = targets.classes.len() as f64;
            cross_entropy(logits(&case, &encoder, hidden, &batch, &device), targets) / count
        };
        let grads = loss.backward();
        let ours = gradients(&encoder, &grads);
        assert!(
            ours.keys().all(|path| path.contains(".lora.")),
            "{name}: frozen weights have gradients"
        );
        let ours = by_expert(&encoder, ours);
        // The names of the updates, in the order of their gradients.
        let named = case.checkpoint.named_lora(&encoder, case.head);
        let expected =
            Weights::open_file(&folder().join(&name).join("gradients.safetensors")).unwrap();
        let mut found: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        for NamedTensor { name, values, .. } in named {
            let is_a = name.ends_with("lora_A.weight");
            let path = ours.iter().find(|(path, gradient)| {
                path.ends_with(if is_a { ".lora.a" } else { ".lora.b" })
                    && gradient.len() == values.len()
                    && has_name(&case, path, &name)
            });
            found.insert(name, path.unwrap().1.clone());
        }
        let mut checked = 0;
        for tensor in expected
            .iter()
            .filter(|tensor| tensor.name().contains("lora_"))
        {
            let Some(ours) = found.get(tensor.name()) else {
                // An update of a head, which is added to its weight when it is loaded.
                continue;
            };
            let theirs = tensor.to_f32().unwrap();
            check_gradient(&name, tensor.name(), ours, &theirs);
            checked += 1;
        }
        assert_eq!(checked, found.len(), "{name}");
    }
}

/// Whether the update at `path` is PEFT's tensor of this name.
fn has_name(case: &Case, path: &str, name: &str) -> bool {
    let module = path.rsplit_once(".lora.").unwrap().0;
    let expert = module
        .split_once("experts#")
        .and_then(|(_, rest)| rest.split_once('.'));
    let module = match expert {
        Some((expert, part)) => {
            let all = module.replace(&format!("#{expert}.{part}"), &format!(".{part}"));
            case.checkpoint
                .module_name(&all)
                .unwrap()
                .replace('*', expert)
        }
        None => case.checkpoint.module_name(module).unwrap(),
    };
    let bare = name.trim_start_matches("base_model.model.");
    let bare = bare.strip_prefix(case.checkpoint.prefix()).unwrap_or(bare);
    bare.starts_with(&format!("{module}.lora_"))
}

#[test]
fn what_is_saved_is_what_peft_saved() {
    for name in cases() {
        let case = open(&name);
        let stored = Weights::open_file(
            &folder()
                .join(&name)
                .join("adapter/adapter_model.safetensors"),
        )
        .unwrap();
        let encoder = case.checkpoint.encoder(&initial(&Device::flex())).unwrap();
        let named = case.checkpoint.named_lora(&encoder, case.head);
        assert!(!named.is_empty());
        for tensor in named {
            let original = stored.require(&tensor.name).unwrap();
            assert_eq!(original.shape(), tensor.shape, "{name}");
            assert_eq!(original.to_f32().unwrap(), tensor.values, "{name}");
        }
    }
}

/// How many linear layers a fresh adapter of these targets updates.
fn adapted(name: &str, targets: &[&str]) -> Result<usize, String> {
    let case = folder().join(name).join("base");
    let checkpoint = Checkpoint::open(preset(&case), &Map::new(), false).unwrap();
    let settings = LoraSettings {
        rule: LoraRule {
            r: 4,
            alpha: 8.0,
            rank_stabilised: false,
            dropout: 0.0,
        },
        targets: targets.iter().map(|&target| target.to_owned()).collect(),
    };
    let checkpoint = checkpoint.with_lora(LoraOrigin::Fresh(settings)).unwrap();
    let encoder = checkpoint
        .encoder(&initial(&Device::flex()))
        .map_err(|error| error.to_string())?;
    Ok(checkpoint.named_lora(&encoder, HeadKind::None).len() / 2)
}

#[test]
fn targets_are_ends_of_names_after_a_dot() {
    let layers = 3;
    assert_eq!(adapted("bert_cls", &["query", "value"]), Ok(2 * layers));
    assert_eq!(adapted("bert_cls", &["dense"]), Ok(3 * layers));
    assert_eq!(adapted("bert_cls", &["output.dense"]), Ok(2 * layers));
    assert_eq!(adapted("bert_cls", &["all-linear"]), Ok(6 * layers));
    assert_eq!(
        adapted(
            "bert_cls",
            &["encoder.layer.1.attention.self.key", "router"]
        ),
        Ok(1)
    );
    let problem = adapted("bert_cls", &["ery", "q_proj"]).unwrap_err();
    assert!(
        problem.contains("ery, q_proj matches no linear layer")
            && problem.contains("attention.self.query")
            && problem.contains("output.dense"),
        "{problem}"
    );
}

/// As PEFT does on AIDO.Protein, whose experts are layers of their own.
#[test]
fn experts_have_updates_only_if_they_are_named() {
    let (layers, experts) = (2, 3);
    let name = "fm4bio_experts";
    let default = ["query", "value", "key", "dense", "router"];
    assert_eq!(adapted(name, &default), Ok(5 * layers));
    assert_eq!(
        adapted(name, &["dense_h_to_4h", "dense_4h_to_h_2"]),
        Ok(layers)
    );
    assert_eq!(
        adapted(name, &["encoder.layer.1.mlp.dense_h_to_4h_0", "key"]),
        Ok(1 + layers)
    );
    assert_eq!(
        adapted(name, &["all-linear"]),
        Ok((5 + 2 * experts) * layers)
    );
    let problem = adapted(name, &["dense_h_to_4h"]).unwrap_err();
    assert!(problem.contains("mlp.dense_h_to_4h_0"), "{problem}");
}

#[test]
fn a_fresh_adapter_changes_nothing_yet() {
    for name in ["bert_cls", "fm4bio_experts"] {
        check_fresh(name);
    }
}

fn check_fresh(name: &str) {
    let case = open(name);
    let base = preset(&folder().join(name).join("base"));
    let plain = Checkpoint::open(base, &Map::new(), false);
    let plain = plain.unwrap();
    let settings = LoraSettings {
        rule: LoraRule {
            r: 4,
            alpha: 8.0,
            rank_stabilised: false,
            dropout: 0.0,
        },
        targets: vec!["query".to_owned(), "dense_h_to_4h_1".to_owned()],
    };
    let fresh = plain
        .clone()
        .with_lora(LoraOrigin::Fresh(settings))
        .unwrap();
    let device = Device::flex();
    let batch = TokenBatch::new(&case.packed, &plain.config().transformer, &device);
    let hidden = |checkpoint: &Checkpoint| {
        let encoder = checkpoint.encoder(&initial(&device)).unwrap();
        values(encoder.forward(&batch, Mode::Evaluate))
    };
    assert_eq!(hidden(&plain), hidden(&fresh));
}

#[test]
fn an_adapter_of_another_family_or_size_is_refused() {
    let refusal = |base: &str, adapter: &str| {
        let checkpoint = Checkpoint::open(
            preset(&folder().join(base).join("base")),
            &Map::new(),
            false,
        );
        let adapter = PeftFolder::open(preset(&folder().join(adapter).join("adapter"))).unwrap();
        let checkpoint = checkpoint
            .unwrap()
            .with_lora(LoraOrigin::Saved(Arc::new(adapter)));
        let encoder = checkpoint.unwrap().encoder(&initial(&Device::flex()));
        encoder.map(|_| ()).unwrap_err().to_string()
    };
    let problem = refusal("bert_cls", "modernbert_fused");
    assert!(problem.contains("belongs to another backbone"), "{problem}");
    assert!(problem.contains("attn.Wo"), "{problem}");
    let problem = refusal("rnabert_encoder", "bert_rslora");
    assert!(problem.contains("belongs to another backbone"), "{problem}");
}
