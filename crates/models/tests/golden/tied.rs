//! Tied embeddings and projections against the reference library, on the checkpoints of `tests/golden/tied`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use engraft_hub::{Handle, Preset, TensorData, TensorToWrite, Weights, write_safetensors};
use engraft_models::{Checkpoint, HeadKind, Mode, PackedTokens, Problem, TokenBatch};
use serde_json::{Map, Value, json};

use crate::reference::{golden, initial, largest_difference, sequences, values};

/// One family: everything that may be stored, and what the reference makes of parts of it.
struct Family {
    name: String,
    head: HeadKind,
    stored: Weights,
    outputs: Weights,
    variants: Map<String, Value>,
}

fn family(name: &str) -> Family {
    let folder = golden("tied").join(name);
    let about: Value =
        serde_json::from_slice(&std::fs::read(folder.join("case.json")).unwrap()).unwrap();
    Family {
        name: name.to_owned(),
        head: match about["head"].as_str() {
            Some("masked_lm") => HeadKind::MaskedLm,
            _ => HeadKind::CausalLm,
        },
        stored: Weights::open_file(&folder.join("model.safetensors")).unwrap(),
        outputs: Weights::open_file(&folder.join("case.safetensors")).unwrap(),
        variants: about["variants"].as_object().unwrap().clone(),
    }
}

fn families() -> Vec<Family> {
    let names = crate::reference::cases(&golden("tied"), 22).into_iter();
    names.map(|name| family(&name)).collect()
}

impl Family {
    /// A checkpoint that lacks some tensors.
    fn without(&self, left_out: &[String], folder: &Path) -> Preset {
        let config = golden("tied").join(&self.name).join("config.json");
        std::fs::copy(config, folder.join("config.json")).unwrap();
        let kept = self
            .stored
            .iter()
            .filter(|tensor| !left_out.iter().any(|name| name == tensor.name()));
        let kept = kept.map(|tensor| {
            let values = tensor.to_f32().unwrap();
            (tensor.name().to_owned(), tensor.shape().to_vec(), values)
        });
        write(folder, kept);
        preset(folder)
    }

    /// The hidden states and logits of a checkpoint.
    fn run(&self, checkpoint: &Checkpoint) -> [Vec<f32>; 2] {
        let device = Device::flex();
        let mut packed = PackedTokens::default();
        for (ids, types) in sequences(&self.outputs) {
            packed.push(&ids, &types);
        }
        let encoder = checkpoint.encoder(&initial(&device)).unwrap();
        let batch = TokenBatch::new(&packed, &checkpoint.config().transformer, &device);
        let hidden = encoder.forward(&batch, Mode::Evaluate);
        let logits = if self.head == HeadKind::MaskedLm {
            let head = checkpoint.masked_lm(true, &initial(&device)).unwrap();
            head.forward(hidden.clone(), &encoder)
        } else {
            let head = checkpoint.causal_lm(true, &initial(&device)).unwrap();
            head.forward(hidden.clone(), &encoder)
        };
        [hidden, logits].map(values)
    }

    fn check(&self, variant: &str, checkpoint: &Checkpoint) {
        let name = &self.name;
        let found = self.run(checkpoint);
        for (found, what) in found.iter().zip(["hidden", "logits"]) {
            let expected = self.outputs.require(&format!("{variant}.{what}"));
            let error = largest_difference(found, &expected.unwrap().to_f32().unwrap());
            assert!(error < 1e-4, "{name}, {variant}: {what} differ by {error}");
        }
    }
}

/// Writes tensors as a checkpoint's.
pub(crate) fn write(folder: &Path, tensors: impl Iterator<Item = (String, Vec<usize>, Vec<f32>)>) {
    let tensors = tensors.map(|(name, shape, values)| TensorToWrite {
        name: name.into(),
        shape,
        data: TensorData::F32(values.into()),
    });
    write_safetensors(&folder.join("model.safetensors"), tensors, &BTreeMap::new()).unwrap();
}

pub(crate) fn preset(folder: &Path) -> Preset {
    Preset::open(&Handle::Folder(PathBuf::from(folder))).unwrap()
}

fn left_out(variant: &Value) -> Vec<String> {
    let names = variant["without"].as_array().unwrap().iter();
    names
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn whichever_of_two_tied_tensors_is_stored_counts_and_both_do_where_they_differ() {
    let mut compared = 0;
    for family in families() {
        for (name, variant) in &family.variants {
            let folder = tempfile::tempdir().unwrap();
            let opened = family.without(&left_out(variant), folder.path());
            let mut overwrites = variant["overwrites"].as_object().unwrap().clone();
            if name == "flag_without_effect" {
                // As an overwrite it is refused; a file may say it.
                let refused = Checkpoint::open(opened.clone(), &overwrites, false);
                let refused = refused.err().unwrap().to_string();
                assert!(refused.contains("changes nothing"), "{refused}");
                let file = folder.path().join("config.json");
                let mut config: Map<String, Value> =
                    serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
                config.append(&mut overwrites);
                std::fs::write(&file, serde_json::to_vec(&config).unwrap()).unwrap();
            }
            let checkpoint = Checkpoint::open(opened, &overwrites, false)
                .unwrap_or_else(|error| panic!("{}, {name}: {error}", family.name));
            family.check(name, &checkpoint);
            let report = checkpoint.report();
            assert!(report.is_complete(), "{}, {name}: {report}", family.name);
            // Of two biases that differ, one counts, and the other is said to serve nothing.
            let unused = report.unexpected.iter();
            let unused = unused.filter(|name| !name.ends_with("bias")).count();
            assert_eq!(unused, 0, "{}, {name}: {report}", family.name);
            compared += 1;
        }
    }
    assert!(compared > 80, "{compared} variants");
}

#[test]
fn what_was_not_tied_is_saved_with_a_head_of_its_own_and_read_again_so() {
    for family in families() {
        for name in ["both_differ", "biases_differ", "not_tied"] {
            let Some(variant) = family.variants.get(name) else {
                continue;
            };
            let folder = tempfile::tempdir().unwrap();
            let opened = family.without(&left_out(variant), folder.path());
            let overwrites = variant["overwrites"].as_object().unwrap();
            let checkpoint = Checkpoint::open(opened, overwrites, false).unwrap();
            if name != "biases_differ" {
                let is_tied = checkpoint.config().is_tied(family.head);
                assert!(!is_tied, "{}, {name}", family.name);
            }

            let kind = family.head;
            let device = Device::flex();
            let encoder = checkpoint.encoder(&initial(&device)).unwrap();
            let mut tensors = checkpoint.named(&encoder, HeadKind::None, kind);
            tensors.extend(if kind == HeadKind::MaskedLm {
                let head = checkpoint.masked_lm(true, &initial(&device)).unwrap();
                checkpoint.whole_masked_lm(checkpoint.named(&head, kind, kind), &encoder)
            } else {
                let head = checkpoint.causal_lm(true, &initial(&device)).unwrap();
                checkpoint.named(&head, kind, kind)
            });
            let saved = tempfile::tempdir().unwrap();
            let config = checkpoint.config_json(kind, Problem::SingleLabel, None);
            assert_eq!(config["tie_word_embeddings"], false, "{}", family.name);
            let config = serde_json::to_vec(&config).unwrap();
            std::fs::write(saved.path().join("config.json"), config).unwrap();
            // Without the tie the reference library reads the decoder's bias alone.
            let ends_with = |end: &str| tensors.iter().any(|tensor| tensor.name.ends_with(end));
            assert!(
                ends_with("decoder.bias")
                    || family
                        .stored
                        .names()
                        .all(|name| !name.ends_with("decoder.bias"))
            );
            let tensors = tensors.into_iter();
            write(
                saved.path(),
                tensors.map(|tensor| (tensor.name, tensor.shape, tensor.values)),
            );
            let again = Checkpoint::open(preset(saved.path()), &Map::new(), false).unwrap();
            family.check(name, &again);
            assert!(again.report().unexpected.is_empty(), "{}", family.name);
        }
    }
}

#[test]
fn whoever_asks_for_a_tied_head_gets_one() {
    for family in families() {
        if !family.variants.contains_key("both_differ") {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let opened = family.without(&left_out(&family.variants["both_differ"]), folder.path());
        let overwrites = json!({"tie_word_embeddings": true});
        let overwrites = overwrites.as_object().unwrap();
        let checkpoint = Checkpoint::open(opened, overwrites, false).unwrap();
        family.check("embeddings_stored", &checkpoint);
        let report = checkpoint.report();
        assert_eq!(report.unexpected.len(), 1, "{}: {report}", family.name);
    }
}
