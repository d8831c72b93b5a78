//! Presets that KerasHub wrote, against what KerasHub computes with them, on the cases of `tests/golden/keras`.

use burn::tensor::Device;
use engraft_hub::{Handle, Preset, Weights};
use engraft_models::{Checkpoint, HeadKind, Mode, PackedTokens, TokenBatch};
use serde_json::{Map, Value};

use crate::reference::{cases, golden, initial, largest_difference, values};
use crate::seq2seq::of_checkpoint;

/// A preset beside what KerasHub makes of its texts.
struct Case {
    name: String,
    checkpoint: Checkpoint,
    tensors: Weights,
    about: Value,
}

fn open(name: &str) -> Case {
    let folder = golden("keras").join(name);
    let preset = Preset::open(&Handle::Folder(folder.clone()));
    let preset = preset.unwrap_or_else(|error| panic!("{name}: {error}"));
    let checkpoint = Checkpoint::open(preset, &Map::new(), false);
    let about = std::fs::read(folder.join("case.json")).unwrap();
    Case {
        name: name.to_owned(),
        checkpoint: checkpoint.unwrap_or_else(|error| panic!("{name}: {error}")),
        tensors: Weights::open_file(&folder.join("case.safetensors")).unwrap(),
        about: serde_json::from_slice(&about).unwrap(),
    }
}

/// Numbers of each row.
fn rows(packed: &Value, key: &str) -> Option<Vec<Vec<u32>>> {
    serde_json::from_value(packed.get(key)?.clone()).ok()
}

impl Case {
    /// What differs from KerasHub's by more than 1e-4.
    fn differences(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.checkpoint.config().decoder.is_some() {
            self.compare_pairs(&mut found);
        } else {
            self.compare(&self.about["packed"], "", &mut found);
            self.compare(&self.about["pairs"]["packed"], "pairs.", &mut found);
        }
        found
    }

    fn close(&self, name: String, ours: &[f32], found: &mut Vec<String>) {
        let expected = self.tensors.require(&name).unwrap().to_f32().unwrap();
        let error = largest_difference(ours, &expected);
        if error >= 1e-4 {
            found.push(format!("{}: {name} differs by {error}", self.name));
        }
    }

    /// An encoder or decoder, with the head that the preset has.
    fn compare(&self, packed: &Value, prefix: &str, found: &mut Vec<String>) {
        let device = Device::flex();
        let start = initial(&device);
        let checkpoint = &self.checkpoint;
        let Some(ids) = rows(packed, "token_ids") else {
            return;
        };
        let types = rows(packed, "segment_ids");
        let encoder = checkpoint.encoder(&start);
        let encoder = encoder.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let class = self.about["class"].as_str().unwrap();
        for (row, ids) in ids.iter().enumerate() {
            let mut tokens = PackedTokens::default();
            let zeros = vec![0; ids.len()];
            tokens.push(ids, types.as_ref().map_or(&zeros, |types| &types[row]));
            let batch = TokenBatch::new(&tokens, &checkpoint.config().transformer, &device);
            let hidden = encoder.forward(&batch, Mode::Evaluate);
            self.close(
                format!("{prefix}hidden.{row}"),
                &values(hidden.clone()),
                found,
            );
            let pooled = format!("{prefix}pooled.{row}");
            // ELECTRA has no pooler but KerasHub's.
            if self.tensors.get(&pooled).is_some() && checkpoint.family() != "electra" {
                let pooler = checkpoint.pooler(&start).unwrap();
                let ours = values(pooler.forward(hidden.clone(), &batch));
                self.close(pooled, &ours, found);
            }
            let logits = if class.ends_with("MaskedLM") || class.ends_with("MaskedPLM") {
                values(
                    checkpoint
                        .masked_lm(true, &start)
                        .unwrap()
                        .forward(hidden, &encoder),
                )
            } else if class.ends_with("CausalLM") {
                values(
                    checkpoint
                        .causal_lm(true, &start)
                        .unwrap()
                        .forward(hidden, &encoder),
                )
            } else if class.ends_with("Classifier") {
                let kind = HeadKind::Classification;
                let classes = checkpoint.stored_classes(kind).unwrap();
                let head = checkpoint.classifier(kind, classes, true, &start).unwrap();
                values(head.forward(hidden, &batch, Mode::Evaluate))
            } else {
                continue;
            };
            self.close(format!("{prefix}logits.{row}"), &logits, found);
        }
    }

    /// An encoder-decoder.
    fn compare_pairs(&self, found: &mut Vec<String>) {
        let packed = &self.about["packed"];
        let [read, written] =
            ["encoder_token_ids", "decoder_token_ids"].map(|key| rows(packed, key).unwrap());
        let tensors =
            Weights::open_file(&golden("keras").join(&self.name).join("case.safetensors"));
        let case = of_checkpoint(
            &self.name,
            self.checkpoint.clone(),
            tensors.unwrap(),
            Value::Null,
            Device::flex(),
        );
        for (row, (read, written)) in read.iter().zip(&written).enumerate() {
            let encoded = case.encoded(std::slice::from_ref(read), Mode::Evaluate);
            let states = values(encoded.hidden.clone());
            self.close(format!("encoder.{row}"), &states, found);
            let hidden = case.decoded(&encoded, std::slice::from_ref(written), Mode::Evaluate);
            self.close(format!("decoder.{row}"), &values(hidden.clone()), found);
            if self.tensors.get(&format!("logits.{row}")).is_some() {
                let logits = values(case.head().forward(hidden, &case.words()));
                self.close(format!("logits.{row}"), &logits, found);
            }
        }
    }
}

#[test]
fn presets_of_keras_compute_what_keras_hub_computes() {
    let names = cases(&golden("keras"), 37);
    let found: Vec<String> = names
        .iter()
        .flat_map(|name| open(name).differences())
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}
