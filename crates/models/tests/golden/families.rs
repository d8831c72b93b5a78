//! Every family against its reference implementation, on the seeded checkpoints of `tests/golden/models`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use engraft_hub::{Handle, Preset, Weights};
use engraft_kernels::{ClassTargets, Key, cross_entropy};
use engraft_models::{Checkpoint, HeadKind, Mode, PackedTokens, TokenBatch};
use serde_json::{Map, Value};

use crate::reference::{
    check_gradient, golden, gradients_in_order, head_kind, initial, largest_difference, no_dropout,
    sequences, values, whole,
};

fn folder() -> PathBuf {
    golden("models")
}

/// One case: the checkpoint, the inputs and the reference's outputs.
struct Case {
    checkpoint: Checkpoint,
    head: String,
    tensors: Weights,
    /// Each sequence's ids and types.
    sequences: Vec<(Vec<u32>, Vec<u32>)>,
}

fn open(name: &str, overwrites: &Map<String, Value>) -> Case {
    let path = folder().join(name);
    let preset = Preset::open(&Handle::Folder(path.clone())).unwrap();
    let checkpoint = Checkpoint::open(preset, overwrites, false).unwrap();
    let about: Value =
        serde_json::from_slice(&std::fs::read(path.join("case.json")).unwrap()).unwrap();
    let tensors = Weights::open_file(&path.join("case.safetensors")).unwrap();
    Case {
        checkpoint,
        head: about["head"].as_str().unwrap().to_owned(),
        sequences: sequences(&tensors),
        tensors,
    }
}

fn pack(sequences: &[(Vec<u32>, Vec<u32>)]) -> PackedTokens {
    let mut packed = PackedTokens::default();
    for (ids, types) in sequences {
        packed.push(ids, types);
    }
    packed
}

/// The hidden states, and the output of the head that the case is about.
fn run(case: &Case, sequences: &[(Vec<u32>, Vec<u32>)]) -> (Vec<f32>, Option<Vec<f32>>) {
    let device = Device::flex();
    let checkpoint = &case.checkpoint;
    let encoder = checkpoint.encoder(&initial(&device)).unwrap();
    let batch = TokenBatch::new(&pack(sequences), &checkpoint.config().transformer, &device);
    let hidden = encoder.forward(&batch, Mode::Evaluate);
    let output = match case.head.as_str() {
        "none" => None,
        "pooler" => Some(
            checkpoint
                .pooler(&initial(&device))
                .unwrap()
                .forward(hidden.clone(), &batch),
        ),
        "masked_lm" => Some(
            checkpoint
                .masked_lm(true, &initial(&device))
                .unwrap()
                .forward(hidden.clone(), &encoder),
        ),
        "classification" | "token_classification" => {
            let kind = head_kind(&case.head);
            let classes = checkpoint.stored_classes(kind).unwrap();
            let head = checkpoint
                .classifier(kind, classes, true, &initial(&device))
                .unwrap();
            Some(head.forward(hidden.clone(), &batch, Mode::Evaluate))
        }
        other => panic!("unknown head {other}"),
    };
    (values(hidden), output.map(values))
}

fn cases() -> Vec<String> {
    crate::reference::cases(&folder(), 75)
}

#[test]
fn hidden_states_and_logits_agree_with_the_reference_library() {
    for name in cases() {
        let case = open(&name, &Map::new());
        let (hidden, output) = run(&case, &case.sequences);
        let expected = case.tensors.require("hidden").unwrap().to_f32().unwrap();
        let error = largest_difference(&hidden, &expected);
        assert!(error < 1e-4, "{name}: hidden states differ by {error}");
        if let Some(output) = output {
            let expected = case
                .tensors
                .get("logits")
                .or(case.tensors.get("pooled"))
                .unwrap()
                .to_f32()
                .unwrap();
            let error = largest_difference(&output, &expected);
            assert!(error < 1e-4, "{name}: the head's output differs by {error}");
        }
        let report = case.checkpoint.report();
        assert!(report.is_complete(), "{name}: {report}");
    }
}

#[test]
fn a_batch_equals_its_sequences_one_by_one() {
    for name in cases() {
        let name = name.as_str();
        let case = open(name, &Map::new());
        let (together, _) = run(&case, &case.sequences);
        let alone: Vec<f32> = case
            .sequences
            .iter()
            .flat_map(|sequence| run(&case, std::slice::from_ref(sequence)).0)
            .collect();
        assert!(largest_difference(&together, &alone) < 1e-5, "{name}");
    }
}

fn config_of(name: &str) -> Map<String, Value> {
    let json = std::fs::read(folder().join(name).join("config.json")).unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// The gradients of a module's parameters under the checkpoint's names.
fn gradients(
    checkpoint: &Checkpoint,
    module: &impl Module,
    part: HeadKind,
    beside: HeadKind,
    grads: &Gradients,
) -> BTreeMap<String, Vec<f32>> {
    let found = gradients_in_order(module, grads);
    let named = checkpoint
        .named_values(module, part, beside, found)
        .into_iter();
    named.map(|tensor| (tensor.name, tensor.values)).collect()
}

fn check_gradients(name: &str, ours: &BTreeMap<String, Vec<f32>>) {
    let expected = Weights::open_file(&folder().join(name).join("gradients.safetensors")).unwrap();
    for tensor in expected.iter() {
        let theirs = tensor.to_f32().unwrap();
        let ours = ours
            .get(tensor.name())
            .unwrap_or_else(|| panic!("{name}: no gradient for {}", tensor.name()));
        check_gradient(name, tensor.name(), ours, &theirs);
    }
    assert_eq!(ours.len(), expected.len());
}

#[test]
fn the_gradient_of_every_parameter_agrees_with_the_reference_library() {
    let names: Vec<String> = cases()
        .into_iter()
        .filter(|name| folder().join(name).join("gradients.safetensors").exists())
        .collect();
    assert!(names.len() >= 8, "golden gradients are missing: {names:?}");
    for name in names {
        let case = open(&name, &no_dropout(&config_of(&name)));
        let device = Device::flex().autodiff();
        let encoder = case.checkpoint.encoder(&initial(&device)).unwrap();
        let config = case.checkpoint.config();
        let batch = TokenBatch::new(&pack(&case.sequences), &config.transformer, &device);
        let targets = ClassTargets::new(whole(&case.tensors, "labels"));
        let count = targets.classes.len() as f64;
        let hidden = encoder.forward(&batch, Mode::Train(Key::new(1)));
        let kind = head_kind(&case.head);
        let ours = |grads: &Gradients, head: BTreeMap<String, Vec<f32>>| {
            let mut ours = gradients(&case.checkpoint, &encoder, HeadKind::None, kind, grads);
            ours.extend(head);
            ours
        };
        let ours = if kind == HeadKind::MaskedLm {
            let head = case.checkpoint.masked_lm(true, &initial(&device)).unwrap();
            let logits = head.forward(hidden, &encoder);
            let grads = (cross_entropy(logits, targets) / count).backward();
            ours(
                &grads,
                gradients(&case.checkpoint, &head, kind, kind, &grads),
            )
        } else {
            let classes = case.checkpoint.stored_classes(kind).unwrap();
            let head = case
                .checkpoint
                .classifier(kind, classes, true, &initial(&device))
                .unwrap();
            let logits = head.forward(hidden, &batch, Mode::Train(Key::new(2)));
            let grads = (cross_entropy(logits, targets) / count).backward();
            ours(
                &grads,
                gradients(&case.checkpoint, &head, kind, kind, &grads),
            )
        };
        check_gradients(&name, &ours);
    }
}

#[test]
fn vectors_of_structure_are_added_to_the_tokens() {
    let case = open("fm4bio_structures", &Map::new());
    let device = Device::flex();
    let config = &case.checkpoint.config().transformer;
    let stored = case.tensors.require("structures").unwrap();
    let shape = [stored.shape()[0], stored.shape()[1]];
    assert_eq!(config.embedding.structures, Some(shape[1]));
    let structures = TensorData::new(stored.to_f32().unwrap(), shape);
    let batch = TokenBatch::new(&pack(&case.sequences), config, &device)
        .with_structures(Tensor::from_data(structures, &device));
    let encoder = case.checkpoint.encoder(&initial(&device)).unwrap();
    let hidden = values(encoder.forward(&batch, Mode::Evaluate));
    let expected = case.tensors.require("structured_hidden").unwrap();
    assert!(largest_difference(&hidden, &expected.to_f32().unwrap()) < 1e-4);
    let note = case.checkpoint.lacks_structures().unwrap();
    assert!(
        note.contains("str_embedding_in: the model has a layer for 10 numbers"),
        "{note}"
    );
}

#[test]
fn dropout_draws_depend_on_the_key_alone() {
    let case = open("bert_base", &Map::new());
    let device = Device::flex();
    let encoder = case.checkpoint.encoder(&initial(&device)).unwrap();
    let batch = TokenBatch::new(
        &pack(&case.sequences),
        &case.checkpoint.config().transformer,
        &device,
    );
    let hidden = |key| values(encoder.forward(&batch, Mode::Train(Key::new(key))));
    assert_eq!(hidden(1), hidden(1));
    assert_ne!(hidden(1), hidden(2));
    assert_ne!(hidden(1), values(encoder.forward(&batch, Mode::Evaluate)));
}

#[test]
fn what_is_saved_is_what_was_loaded() {
    for (name, kind) in [
        ("bert_cls", HeadKind::Classification),
        ("roberta_cls", HeadKind::Classification),
        ("distilbert_base", HeadKind::None),
        ("albert_cls", HeadKind::Classification),
        ("electra_cls", HeadKind::Classification),
        ("deberta_v3_cls", HeadKind::Classification),
        ("modernbert_cls", HeadKind::Classification),
        ("rnabert_cls", HeadKind::Classification),
        ("fm4bio_cls", HeadKind::Classification),
        ("fm4bio_experts", HeadKind::MaskedLm),
        ("t5_base", HeadKind::None),
        ("t5_gated", HeadKind::None),
        ("mt5_base", HeadKind::None),
        ("umt5_base", HeadKind::None),
    ] {
        let case = open(name, &Map::new());
        let device = Device::flex();
        let encoder = case.checkpoint.encoder(&initial(&device)).unwrap();
        let mut saved = case.checkpoint.named(&encoder, HeadKind::None, kind);
        if kind == HeadKind::Classification {
            let head = case
                .checkpoint
                .classifier(
                    kind,
                    case.checkpoint.stored_classes(kind).unwrap(),
                    true,
                    &initial(&device),
                )
                .unwrap();
            saved.extend(case.checkpoint.named(&head, kind, kind));
        }
        if kind == HeadKind::MaskedLm {
            let head = case.checkpoint.masked_lm(true, &initial(&device)).unwrap();
            saved.extend(case.checkpoint.named(&head, kind, kind));
        }
        let stored = Weights::open(case.checkpoint.preset()).unwrap();
        assert_eq!(saved.len(), stored.len(), "{name}");
        for tensor in saved {
            let original = stored.require(&tensor.name).unwrap();
            assert_eq!(original.shape(), tensor.shape);
            assert_eq!(
                original.to_f32().unwrap(),
                tensor.values,
                "{name}: {}",
                tensor.name
            );
        }
    }
}
