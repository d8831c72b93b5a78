//! PEFT's adapters of encoder-decoders, on the cases of `tests/golden/lora_seq2seq`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use engraft_hub::Weights;
use engraft_kernels::ClassTargets;
use engraft_models::{
    Checkpoint, HeadKind, LoraOrigin, LoraRule, LoraSettings, Mode, NamedTensor, PeftFolder,
    Transformer, parameters,
};
use serde_json::{Map, Value};

use crate::reference::{cases, check_gradient, golden, gradients_in_order, initial, whole};
use crate::seq2seq::{Case, of_checkpoint};
use crate::tied::{preset, write};

const KIND: HeadKind = HeadKind::Seq2SeqLm;

fn names() -> Vec<String> {
    cases(&golden("lora_seq2seq"), 6)
}

fn folder(name: &str) -> PathBuf {
    golden("lora_seq2seq").join(name)
}

fn about(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder(name).join("case.json")).unwrap()).unwrap()
}

fn base(name: &str) -> Checkpoint {
    let base = preset(&folder(name).join("base"));
    Checkpoint::open(base, &Map::new(), false).unwrap()
}

fn adapter(folder: &Path) -> Arc<PeftFolder> {
    Arc::new(PeftFolder::open(preset(folder)).unwrap())
}

fn saved(name: &str) -> LoraOrigin {
    LoraOrigin::Saved(adapter(&folder(name).join("adapter")))
}

fn open(name: &str, lora: LoraOrigin, device: Device) -> Case {
    let checkpoint = base(name).with_lora(lora).unwrap();
    let tensors = Weights::open_file(&folder(name).join("case.safetensors")).unwrap();
    of_checkpoint(name, checkpoint, tensors, about(name), device)
}

fn named(case: &Case) -> Vec<NamedTensor> {
    let stacks = [&case.encoder, &case.decoder];
    let updates = stacks.map(|stack| case.checkpoint.named_lora(stack, KIND));
    updates.into_iter().flatten().collect()
}

#[test]
fn adapters_of_both_stacks_give_what_peft_gives_beside_the_weights_and_added_to_them() {
    for name in names() {
        let merged = LoraOrigin::Merged(adapter(&folder(&name).join("adapter")));
        for (what, lora) in [("beside", saved(&name)), ("merged", merged)] {
            let case = open(&name, lora, Device::flex());
            let is_adapted = case.encoder.is_adapted() || case.decoder.is_adapted();
            assert_eq!(is_adapted, what == "beside", "{name}");
            assert_eq!(case.differences(), Vec::<String>::new(), "{name} {what}");
        }
    }
}

#[test]
fn what_is_saved_of_both_stacks_is_what_peft_saved() {
    for name in names() {
        let case = open(&name, saved(&name), Device::flex());
        let file = folder(&name).join("adapter/adapter_model.safetensors");
        let theirs = Weights::open_file(&file).unwrap();
        let ours = named(&case);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for tensor in ours {
            let original = theirs.require(&tensor.name).unwrap();
            assert_eq!(original.shape(), tensor.shape, "{name}");
            assert_eq!(original.to_f32().unwrap(), tensor.values, "{name}");
        }
        let config = case.checkpoint.adapter_config(KIND, "base", &[]).unwrap();
        assert_eq!(config["task_type"], "SEQ_2_SEQ_LM", "{name}");
    }
    let names = named(&open("bart", saved("bart"), Device::flex()));
    let cross = "base_model.model.model.decoder.layers.0.encoder_attn.q_proj.lora_A.weight";
    assert!(names.iter().any(|tensor| tensor.name == cross));
}

/// The gradients of a stack's updates under PEFT's names: which is which is told by the values, all of which were drawn.
fn gradients(
    case: &Case,
    stack: &Transformer,
    grads: &burn::tensor::Gradients,
) -> BTreeMap<String, Vec<f32>> {
    let named = case.checkpoint.named_lora(stack, KIND);
    let all = parameters(stack).into_iter();
    let all = all.zip(gradients_in_order(stack, grads));
    let found = all.filter_map(|((path, _, values), gradient)| {
        let gradient = gradient?;
        assert!(path.contains(".lora."), "{path} has a gradient");
        let values: Vec<f32> = values.into_data().iter::<f32>().collect();
        let twin = named.iter().find(|tensor| tensor.values == values).unwrap();
        Some((twin.name.clone(), gradient))
    });
    found.collect()
}

#[test]
fn updates_of_both_stacks_are_trained_by_the_gradients_that_peft_has() {
    for name in names() {
        let case = open(&name, saved(&name), Device::flex().autodiff());
        let encoded = case.encoded(&case.read(), Mode::Evaluate);
        let hidden = case.decoded(&encoded, &case.written(), Mode::Evaluate);
        let targets = ClassTargets::new(whole(&case.tensors, "labels"));
        let count = targets.classes.len() as f32;
        let (sum, _) = case.head().loss(hidden, &case.words(), targets);
        let loss = sum / count;
        let expected = about(&name)["loss"].as_f64().unwrap();
        let found = f64::from(loss.clone().into_scalar::<f32>());
        assert!(
            (found - expected).abs() < 1e-5 * expected,
            "{name}: {found}"
        );
        let grads = loss.backward();
        let mut ours = gradients(&case, &case.encoder, &grads);
        ours.extend(gradients(&case, &case.decoder, &grads));
        let theirs = Weights::open_file(&folder(&name).join("gradients.safetensors")).unwrap();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (tensor, ours) in ours {
            let theirs = theirs.require(&tensor).unwrap().to_f32().unwrap();
            check_gradient(&name, &tensor, &ours, &theirs);
        }
    }
}

fn fresh(targets: &[String]) -> LoraOrigin {
    LoraOrigin::Fresh(LoraSettings {
        rule: LoraRule {
            r: 2,
            alpha: 4.0,
            rank_stabilised: false,
            dropout: 0.0,
        },
        targets: targets.to_vec(),
    })
}

#[test]
fn fresh_updates_are_on_the_layers_that_peft_adapts_be_they_of_one_stack_alone() {
    let mut of_one = 0;
    for name in names() {
        let Some(targets) = about(&name)["targets"].as_array().cloned() else {
            continue;
        };
        let targets = targets
            .iter()
            .map(|target| target.as_str().unwrap().to_owned());
        let targets: Vec<String> = targets.collect();
        let case = open(&name, fresh(&targets), Device::flex());
        let mut ours: Vec<String> = named(&case).into_iter().map(|it| it.name).collect();
        ours.sort();
        let file = folder(&name).join("adapter/adapter_model.safetensors");
        let theirs = Weights::open_file(&file).unwrap();
        let mut theirs: Vec<String> = theirs.names().map(str::to_owned).collect();
        theirs.sort();
        assert_eq!(ours, theirs, "{name}");
        of_one += usize::from(!case.encoder.is_adapted());
        assert!(case.decoder.is_adapted(), "{name}");
        let config = case.checkpoint.adapter_config(KIND, "base", &[]).unwrap();
        assert_eq!(config["task_type"], "SEQ_2_SEQ_LM", "{name}");
    }
    assert!(of_one >= 2);
    let case = open(
        "bart",
        fresh(&["encoder.layers.1.fc2".to_owned()]),
        Device::flex(),
    );
    assert!(case.encoder.is_adapted() && !case.decoder.is_adapted());
}

#[test]
fn targets_that_are_linear_layers_of_neither_stack_are_refused_with_those_of_both() {
    // The second is a norm of both stacks, and the third a layer that only decoders have.
    for (name, target) in [
        ("bart", "query"),
        ("bart", "self_attn_layer_norm"),
        ("t5", "encoder.block.0.layer.1.EncDecAttention.q"),
        ("t5gemma", "embed_tokens"),
    ] {
        let checkpoint = base(name).with_lora(fresh(&[target.to_owned()])).unwrap();
        let refused = checkpoint.encoder(&initial(&Device::flex()));
        let problem = refused.map(|_| ()).unwrap_err().to_string();
        let cross = match name {
            "bart" => "encoder_attn.q_proj",
            "t5" => "EncDecAttention.q",
            _ => "cross_attn.q_proj",
        };
        for part in ["matches no linear layer", cross] {
            assert!(problem.contains(part), "{name}: {problem}");
        }
        assert!(!problem.contains("norm,"), "{name}: {problem}");
    }
}

#[test]
fn an_update_of_a_layer_that_neither_stack_has_is_refused() {
    for (name, module, other) in [
        (
            "bart",
            "model.decoder.layers.2.encoder_attn.q_proj",
            "model.decoder.layers.3.encoder_attn.q_proj",
        ),
        (
            "bart",
            "model.encoder.layers.0.self_attn.q_proj",
            "model.encoder.layers.0.encoder_attn.q_proj",
        ),
        (
            "t5",
            "encoder.block.2.layer.0.SelfAttention.q",
            "encoder.block.3.layer.0.SelfAttention.q",
        ),
        (
            "t5gemma",
            "model.decoder.layers.0.cross_attn.q_proj",
            "model.decoder.layers.0.encoder_attn.q_proj",
        ),
    ] {
        let changed = tempfile::tempdir().unwrap();
        let original = folder(name).join("adapter");
        let config = "adapter_config.json";
        std::fs::copy(original.join(config), changed.path().join(config)).unwrap();
        let weights = Weights::open_file(&original.join("adapter_model.safetensors")).unwrap();
        let tensors = weights.iter().map(|tensor| {
            let name = tensor.name().replace(module, other);
            (name, tensor.shape().to_vec(), tensor.to_f32().unwrap())
        });
        write(changed.path(), tensors);
        let [from, to] = ["model.safetensors", "adapter_model.safetensors"];
        std::fs::rename(changed.path().join(from), changed.path().join(to)).unwrap();
        let lora = LoraOrigin::Saved(adapter(changed.path()));
        let checkpoint = base(name).with_lora(lora).unwrap();
        let initial = initial(&Device::flex());
        let both = checkpoint
            .encoder(&initial)
            .and_then(|_| checkpoint.decoder(&initial));
        let problem = both.map(|_| ()).unwrap_err().to_string();
        assert!(
            problem.contains(other) && problem.contains("no linear layer of"),
            "{name}: {problem}"
        );
    }
}

#[test]
fn a_base_without_an_adapter_is_not_the_adapted_model() {
    // Else the cases would prove nothing.
    for name in names() {
        let tensors = Weights::open_file(&folder(&name).join("case.safetensors")).unwrap();
        let case = of_checkpoint(&name, base(&name), tensors, about(&name), Device::flex());
        assert!(!case.differences().is_empty(), "{name}");
    }
}
