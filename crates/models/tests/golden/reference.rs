//! What all golden cases share: their folders, their tensors, and how far two lists of numbers are apart.

use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use engraft_hub::Weights;
use engraft_kernels::Key;
use engraft_models::{HeadKind, Initial};
use serde_json::{Map, Value, json};

/// A folder of golden cases.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(name)
}

/// The cases in a folder, at least so many.
pub(crate) fn cases(folder: &Path, at_least: usize) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| folder.join(name).join("case.json").exists())
        .collect();
    names.sort();
    assert!(
        names.len() >= at_least,
        "golden cases are missing: {names:?}"
    );
    names
}

/// A tensor of 32-bit integers.
pub(crate) fn whole(tensors: &Weights, name: &str) -> Vec<u32> {
    let bytes = tensors.require(name).unwrap().bytes();
    bytes
        .chunks_exact(4)
        .map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as u32)
        .collect()
}

/// Ids and types of each sequence of a case; types are 0 where the case has none.
pub(crate) fn sequences(tensors: &Weights) -> Vec<(Vec<u32>, Vec<u32>)> {
    let ids = whole(tensors, "ids");
    let types = match tensors.get("type_ids") {
        Some(_) => whole(tensors, "type_ids"),
        None => vec![0; ids.len()],
    };
    let mut start = 0;
    let lengths = whole(tensors, "lengths").into_iter();
    lengths
        .map(|length| {
            let range = start..start + length as usize;
            start = range.end;
            (ids[range.clone()].to_vec(), types[range].to_vec())
        })
        .collect()
}

pub(crate) fn head_kind(head: &str) -> HeadKind {
    match head {
        "masked_lm" => HeadKind::MaskedLm,
        "classification" => HeadKind::Classification,
        "token_classification" => HeadKind::TokenClassification,
        "none" | "pooler" => HeadKind::None,
        other => panic!("unknown head {other}"),
    }
}

/// The dropout rates of a config.json, all to be 0, so that gradients can be compared.
pub(crate) fn no_dropout(config: &Map<String, Value>) -> Map<String, Value> {
    // No rates of ours: a trait of ESM's embedding, and the rate of a head for questions.
    let other = ["token_dropout", "qa_dropout"];
    let rates = config.iter().filter(|(key, value)| {
        key.contains("dropout") && value.is_number() && !other.contains(&key.as_str())
    });
    rates.map(|(key, _)| (key.clone(), json!(0.0))).collect()
}

pub(crate) fn initial(device: &Device) -> Initial {
    Initial {
        device: device.clone(),
        key: Key::new(0),
    }
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The gradient of each parameter of a module, in their order; none for one that has no gradient.
pub(crate) fn gradients_in_order(module: &impl Module, grads: &Gradients) -> Vec<Option<Vec<f32>>> {
    struct Collector<'a> {
        grads: &'a Gradients,
        found: Vec<Option<Vec<f32>>>,
    }
    impl ModuleVisitor for Collector<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.found.push(param.val().grad(self.grads).map(values));
        }
    }
    let mut collector = Collector {
        grads,
        found: Vec::new(),
    };
    module.visit(&mut collector);
    collector.found
}

pub(crate) fn largest_difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter()
        .zip(right)
        .map(|(left, right)| (left - right).abs())
        .fold(0.0, f32::max)
}

/// Whether a gradient is within `1e-3` of the largest of its tensor, or `1e-6` where that is tiny.
pub(crate) fn check_gradient(name: &str, tensor: &str, ours: &[f32], theirs: &[f32]) {
    let scale = theirs
        .iter()
        .fold(0f32, |largest, value| largest.max(value.abs()));
    let error = largest_difference(ours, theirs);
    assert!(
        error <= 1e-3 * scale + 1e-6,
        "{name}: the gradient of {tensor} differs by {error} of {scale}"
    );
}
