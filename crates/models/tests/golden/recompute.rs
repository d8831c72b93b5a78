//! Layers that are computed once more in the backward pass: the same gradients as without, to the bit.

use std::collections::BTreeMap;

use burn::tensor::Device;
use engraft_hub::{Handle, Preset, Weights};
use engraft_kernels::Key;
use engraft_models::{Checkpoint, Mode, PackedTokens, TokenBatch, parameters};
use serde_json::{Map, json};

use crate::reference::{cases, golden, gradients_in_order, initial, sequences, values};

/// Gradients of parameters by their paths; none for one that has no part.
type Gradients = BTreeMap<String, Option<Vec<f32>>>;

/// The hidden states of a case in training, and the gradient of each parameter by its path.
fn run(folder: &str, name: &str, again: bool) -> engraft_models::Result<(Vec<f32>, Gradients)> {
    let path = golden(folder).join(name);
    let preset = Preset::open(&Handle::Folder(path.clone())).unwrap();
    let mut overwrites = Map::new();
    if again {
        overwrites.insert("gradient_checkpointing".to_owned(), json!(true));
    }
    let checkpoint = Checkpoint::open(preset, &overwrites, false)?;
    let device = Device::flex().autodiff();
    let encoder = checkpoint.encoder(&initial(&device)).unwrap();
    let tensors = Weights::open_file(&path.join("case.safetensors")).unwrap();
    let mut packed = PackedTokens::default();
    for (ids, types) in sequences(&tensors) {
        packed.push(&ids, &types);
    }
    let batch = TokenBatch::new(&packed, &checkpoint.config().transformer, &device);
    let hidden = encoder.forward(&batch, Mode::Train(Key::new(7)));
    let loss = hidden.clone().powi_scalar(2).mean();
    let gradients = gradients_in_order(&encoder, &loss.backward());
    let paths = parameters(&encoder).into_iter().map(|(path, _, _)| path);
    Ok((values(hidden), paths.zip(gradients).collect()))
}

#[test]
fn layers_computed_again_have_the_gradients_of_layers_that_are_kept() {
    let mut compared = 0;
    for (folder, at_least) in [("models", 59), ("decoders", 42)] {
        for name in cases(&golden(folder), at_least) {
            if ["deberta", "t5", "mt5"]
                .iter()
                .any(|it| name.starts_with(it))
            {
                let problem = run(folder, &name, true).unwrap_err().to_string();
                assert!(
                    problem.contains("gradient_checkpointing: not supported"),
                    "{problem}"
                );
                continue;
            }
            // The dropout of these configurations is on.
            let (hidden, gradients) = run(folder, &name, true).unwrap();
            let (expected_hidden, expected) = run(folder, &name, false).unwrap();
            assert_eq!(hidden, expected_hidden, "{name}");
            for (path, gradient) in &expected {
                assert!(gradients[path] == *gradient, "{name}: {path}");
            }
            compared += expected.values().flatten().count();
        }
    }
    assert!(compared > 1000, "{compared}");
}
