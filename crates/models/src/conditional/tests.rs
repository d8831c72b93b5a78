//! The head against PyTorch's layers, put together along each sequence.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{ModuleMapper, Param};
use burn::tensor::{Device, TensorData};
use engraft_kernels::Key;
use serde_json::Value;

use super::*;
use crate::batch::PackedTokens;
use crate::names::{ParameterPath, parameters};
use crate::towers::Towers;
use crate::transformer::Transformer;

fn floats(value: &Value) -> Vec<f32> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|it| it.as_f64().unwrap() as f32).collect()
}

fn case() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/diffusion/conditional_head.json"
    );
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Puts the case's values in the place of fresh parameters.
struct Values<'a> {
    case: &'a Value,
    device: Device,
    path: ParameterPath,
}

impl ModuleMapper for Values<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.leave(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let stored = &self.case["parameters"][self.path.joined()];
        let shape = param.lazy_shape();
        let expected: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
        assert_eq!(stored["shape"], serde_json::json!(expected));
        let values = TensorData::new(floats(&stored["values"]), shape);
        let tensor = Tensor::from_data(values, &self.device);
        Param::initialized(param.id, tensor).set_require_grad(true)
    }
}

#[track_caller]
fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() <= 1e-4 * expected.abs().max(1.0),
            "{what}: {found} instead of {expected}"
        );
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The case's head, its tokens, and the towers of which it reads nothing.
fn setting(case: &Value, device: &Device) -> (ConditionalLmHead, TokenBatch, Towers) {
    let size = |key: &str| case[key].as_u64().unwrap() as usize;
    let adapter = ConditionalAdapter::from(ConditionalLMAdapter {
        nhead: size("heads"),
        dim_feedforward: size("inner"),
        num_layers: size("layers"),
    });
    let initial = Initial {
        device: device.clone(),
        key: Key::new(3),
    };
    let shape = [size("width"), size("vocabulary")];
    let decoder = TokenDecoder::Linear(Linear::uniform(shape, true, &initial));
    let widths = [size("width"), size("conditions")];
    let head = ConditionalLmHead::new(&adapter, widths, decoder, &initial);
    let head = head.map(&mut Values {
        case,
        device: device.clone(),
        path: ParameterPath::default(),
    });
    let mut packed = PackedTokens::default();
    for length in case["lengths"].as_array().unwrap() {
        let length = length.as_u64().unwrap() as usize;
        packed.push(&vec![0; length], &vec![0; length]);
    }
    let config = TransformerConfig::bert(3, size("width"), 1, 1);
    let tokens = TokenBatch::new(&packed, &config, device);
    (
        head,
        tokens,
        Towers::one(Transformer::new(&config, &initial)),
    )
}

#[test]
fn outputs_and_gradients_are_those_of_layers_along_each_sequence() {
    let (case, device) = (case(), Device::flex().autodiff());
    let (head, tokens, towers) = setting(&case, &device);
    let matrix = |key: &str, columns: &str| {
        let (values, columns) = (floats(&case[key]), case[columns].as_u64().unwrap() as usize);
        let shape = [values.len() / columns, columns];
        Tensor::<2>::from_data(TensorData::new(values, shape), &device)
    };
    let hidden = matrix("hidden", "width").require_grad();
    let input = |sites| HeadInput {
        hidden: hidden.clone(),
        tokens: &tokens,
        is_pooled: false,
        others: &[],
        of_row: &[],
        towers: &towers,
        sites,
        conditions: Some(matrix("told", "conditions")),
    };
    let outputs = Head::forward(&head, input(None), Mode::Evaluate);
    close(
        &values(outputs.clone().inner()),
        &floats(&case["outputs"]),
        "outputs",
    );
    // Some tokens alone are what they are among all.
    let sites = Tensor::<1, Int>::from_data([7i32, 1], &device);
    let some = values(Head::forward(&head, input(Some(sites)), Mode::Evaluate).inner());
    let all = values(outputs.clone().inner());
    close(&some, &[&all[35..40], &all[5..10]].concat(), "sites");

    let gradients = (outputs * matrix("weights", "vocabulary")).sum().backward();
    let found = values(hidden.grad(&gradients).unwrap());
    close(&found, &floats(&case["hidden_gradient"]), "hidden");
    let found: BTreeMap<String, Vec<f32>> = gradients_of(&head, &gradients);
    let expected = case["parameters"].as_object().unwrap();
    let names: BTreeSet<&String> = expected.keys().collect();
    assert_eq!(found.keys().collect::<BTreeSet<_>>(), names);
    for (path, found) in &found {
        close(found, &floats(&expected[path]["gradient"]), path);
    }
}

fn gradients_of(
    head: &ConditionalLmHead,
    gradients: &burn::tensor::Gradients,
) -> BTreeMap<String, Vec<f32>> {
    struct Visitor<'a>(
        ParameterPath,
        &'a burn::tensor::Gradients,
        BTreeMap<String, Vec<f32>>,
    );
    impl burn::module::ModuleVisitor for Visitor<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, container: &str) {
            self.0.leave(container);
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(self.1).unwrap();
            self.2.insert(self.0.joined(), values(gradient));
        }
    }
    let mut visitor = Visitor(ParameterPath::default(), gradients, BTreeMap::new());
    head.visit(&mut visitor);
    visitor.2
}

#[test]
fn a_sequence_is_the_same_alone_and_in_a_batch() {
    let (case, device) = (case(), Device::flex());
    let (head, tokens, _) = setting(&case, &device);
    let (hidden, told) = (floats(&case["hidden"]), floats(&case["told"]));
    let matrix = |values: &[f32], columns: usize| {
        let shape = [values.len() / columns, columns];
        Tensor::<2>::from_data(TensorData::new(values.to_vec(), shape), &device)
    };
    let width = 12;
    let all = head.states(
        matrix(&hidden, width),
        Some(matrix(&told, 2)),
        &tokens,
        Mode::Evaluate,
    );
    let all = values(all);
    let mut last = PackedTokens::default();
    last.push(&[0; 6], &[0; 6]);
    let config = TransformerConfig::bert(3, width, 1, 1);
    let alone = head.states(
        matrix(&hidden[5 * width..], width),
        Some(matrix(&told[4..], 2)),
        &TokenBatch::new(&last, &config, &device),
        Mode::Evaluate,
    );
    close(&values(alone), &all[5 * width..], "alone");
}

#[test]
fn parameters_start_as_pytorch_starts_them() {
    let initial = Initial {
        device: Device::flex(),
        key: Key::new(3),
    };
    let adapter = ConditionalAdapter::default();
    let decoder = TokenDecoder::Linear(Linear::uniform([16, 5], true, &initial));
    let head = ConditionalLmHead::new(&adapter, [16, 3], decoder, &initial);
    let bound = |path: &str| {
        let found = parameters(&head).into_iter().find(|it| it.0 == path);
        values(found.unwrap().2)
            .into_iter()
            .fold(0f32, |most, it| most.max(it.abs()))
    };
    for (path, expected) in [
        ("label_encoder.weight", (1f32 / 3.0).sqrt()),
        ("layers.1.attention.inputs.key.weight", (6f32 / 64.0).sqrt()),
        ("layers.1.attention.output.weight", 0.25),
        ("layers.0.feed_forward.up.weight", 0.25),
        ("layers.0.feed_forward.down.weight", (1f32 / 2048.0).sqrt()),
    ] {
        let found = bound(path);
        assert!(
            found <= expected && found > 0.85 * expected,
            "{path}: {found}"
        );
    }
    assert_eq!(bound("layers.0.attention.inputs.value.bias"), 0.0);
    assert_eq!(bound("layers.0.attention.output.bias"), 0.0);
}
