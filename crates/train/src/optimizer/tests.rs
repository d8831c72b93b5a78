//! Optimizers and clipping against PyTorch, step by step, and the rules for frozen weights and for groups of parameters.

use std::path::Path;

use burn::tensor::{Device, TensorData};
use engraft_hub::Weights;
use serde_json::Value;

use super::*;

#[derive(Module, Debug)]
struct Three {
    a: Param<Tensor<2>>,
    b: Param<Tensor<1>>,
    c: Param<Tensor<3>>,
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/training")
}

/// Tensor `name`, or its part at `step`, of rank `D`.
fn tensor<const D: usize>(
    weights: &Weights,
    name: &str,
    step: Option<usize>,
    device: &Device,
) -> Tensor<D> {
    let stored = weights.require(name).unwrap();
    let values = stored.to_f32().unwrap();
    let (shape, values) = match step {
        None => (stored.shape().to_vec(), values),
        Some(step) => {
            let shape = stored.shape()[1..].to_vec();
            let count: usize = shape.iter().product();
            (shape, values[step * count..][..count].to_vec())
        }
    };
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn param<const D: usize>(tensor: Tensor<D>) -> Param<Tensor<D>> {
    Param::from_tensor(tensor)
}

/// A loss whose gradient is the one given.
fn gradients(module: &Three, weights: &Weights, step: usize, device: &Device) -> Gradients {
    let a = (module.a.val() * tensor::<2>(weights, "gradients.0", Some(step), device)).sum();
    let b = (module.b.val() * tensor::<1>(weights, "gradients.1", Some(step), device)).sum();
    let c = (module.c.val() * tensor::<3>(weights, "gradients.2", Some(step), device)).sum();
    (a + b + c).backward()
}

/// How far a weight may be from PyTorch's, computed in double precision, after up to twenty steps.
///
/// It is what rounding adds up to: weights are up to 4 in size, where two numbers of single precision are 2.4e-7 apart, and each step rounds
/// them twice, by the decay and by the change. With everything else in double precision the same differences remain, up to 1.3e-6 in two of the
/// cases of [`CLIPPED_ROUNDING`]; and PyTorch in single precision has them as well.
const ROUNDING: f32 = 1e-6;

/// The same for AdamW, clipped or with a decay of 0.3 in one case each.
const CLIPPED_ROUNDING: f32 = 1.5e-6;

impl Three {
    /// As all cases begin.
    fn initial(given: &Weights, device: &Device) -> Self {
        Self {
            a: param(tensor(given, "initial.0", None, device)),
            b: param(tensor(given, "initial.1", None, device)),
            c: param(tensor(given, "initial.2", None, device)),
        }
    }

    /// Compares with the tensors of a case after a step.
    fn assert_after(
        &self,
        (wanted, case): (&Weights, &str),
        step: usize,
        bound: f32,
        device: &Device,
    ) {
        let after = |index: usize| format!("{case}.after.{index}");
        let step = Some(step);
        let errors = [
            difference(self.a.val(), tensor(wanted, &after(0), step, device)),
            difference(self.b.val(), tensor(wanted, &after(1), step, device)),
            difference(self.c.val(), tensor(wanted, &after(2), step, device)),
        ];
        assert!(
            errors.iter().all(|&error| error < bound),
            "{case}, step {step:?}: {errors:?}"
        );
    }
}

fn difference<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> f32 {
    (left.inner() - right.inner()).abs().max().into_scalar()
}

#[test]
fn twenty_steps_agree_with_pytorch_with_and_without_clipping() {
    let about: Value =
        serde_json::from_slice(&std::fs::read(folder().join("adamw.json")).unwrap()).unwrap();
    let weights = Weights::open_file(&folder().join("adamw.safetensors")).unwrap();
    let rates: Vec<f64> = about["learning_rates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rate| rate.as_f64().unwrap())
        .collect();
    let device = Device::flex().autodiff();
    let variants = about["variants"].as_object().unwrap();
    assert!(variants.len() >= 3);
    for (name, settings) in variants {
        let number = |key: &str| settings[key].as_f64();
        let betas = [
            settings["betas"][0].as_f64().unwrap(),
            settings["betas"][1].as_f64().unwrap(),
        ];
        let optimizer = Optimizer::from(AdamW {
            betas,
            eps: number("eps").unwrap(),
            weight_decay: number("weight_decay").unwrap(),
            ..AdamW::default()
        });
        let mut module = Three::initial(&weights, &device);
        let mut state = OptimizerState::default();
        for (step, &rate) in rates.iter().enumerate() {
            // Two micro-batches of half the gradient each, with weights that cancel: the sum is what counts.
            let mut sum = GradientSum::default();
            sum.add(&module, gradients(&module, &weights, step, &device), 0.5);
            sum.add(&module, gradients(&module, &weights, step, &device), 1.5);
            let norm = sum.norm();
            let clip = number("max_norm").map(|limit| (limit, norm));
            let next = optimizer.step(module, sum, &mut state, rate, clip);
            module = next;
            if clip.is_some() {
                let expected = weights.require("clipped.norms").unwrap().to_f32().unwrap()[step];
                assert!(
                    (norm as f32 - expected).abs() < 1e-4 * expected,
                    "{name}, step {step}: norm {norm} against {expected}"
                );
            }
            module.assert_after((&weights, name), step, CLIPPED_ROUNDING, &device);
        }
        assert_eq!(state.parameters.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(state.parameters.values().all(|it| it.step == 20));
    }
}

#[derive(Module, Debug)]
struct Partly {
    frozen: Param<Tensor<1>>,
    trained: Param<Tensor<1>>,
}

#[test]
fn a_frozen_parameter_does_not_move_and_keeps_no_state() {
    let device = Device::flex().autodiff();
    let ones = || Tensor::<1>::ones([3], &device);
    let module = Partly {
        frozen: Param::from_tensor(ones()).set_require_grad(false),
        trained: Param::from_tensor(ones()),
    };
    let loss = (module.frozen.val() * module.trained.val()).sum();
    let mut sum = GradientSum::default();
    sum.add(&module, loss.backward(), 1.0);
    let mut state = OptimizerState::default();
    let module = Optimizer::default().step(module, sum, &mut state, 0.1, None);
    assert_eq!(
        module
            .frozen
            .val()
            .into_data()
            .iter::<f32>()
            .collect::<Vec<_>>(),
        [1.0; 3]
    );
    assert!(
        module
            .trained
            .val()
            .into_data()
            .iter::<f32>()
            .all(|value| value < 1.0)
    );
    assert_eq!(state.parameters.keys().collect::<Vec<_>>(), ["trained"]);
    assert!(!module.frozen.is_require_grad() && module.trained.is_require_grad());
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    let refused = |adamw: AdamW| refusal(Optimizer::from(adamw));
    assert!(
        refused(AdamW {
            lr: -1.0,
            ..AdamW::default()
        })
        .starts_with("model.optimizer.lr: ")
    );
    assert!(
        refused(AdamW {
            betas: [0.9, 1.0],
            ..AdamW::default()
        })
        .starts_with("model.optimizer.betas: ")
    );
    assert!(
        refused(AdamW {
            weight_decay: f64::NAN,
            ..AdamW::default()
        })
        .starts_with("model.optimizer.weight_decay: ")
    );
    assert!(
        refused(AdamW {
            options: StepOptions {
                groups: ParameterGroups {
                    layer_decay: Some(1.5),
                    ..ParameterGroups::default()
                },
                ..StepOptions::default()
            },
            ..AdamW::default()
        })
        .starts_with("model.optimizer.layer_decay: ")
    );
    for (text, key) in [
        ("{class_path: SGD, init_args: {momentum: 1}}", "momentum"),
        ("{class_path: SGD, init_args: {dampening: -1}}", "dampening"),
        ("{class_path: SGD, init_args: {nesterov: true}}", "nesterov"),
        ("{class_path: Adafactor, init_args: {d: 0.5}}", "d"),
        ("{class_path: Adafactor, init_args: {eps: [0, 0.1]}}", "eps"),
        (
            "{class_path: Adafactor, init_args: {beta2_decay: 0.8}}",
            "beta2_decay",
        ),
        ("{class_path: RMSprop, init_args: {alpha: 1}}", "alpha"),
        (
            "{class_path: Adagrad, init_args: {lr_decay: -1}}",
            "lr_decay",
        ),
        (
            "{class_path: Adam, init_args: {weight_decay: -1}}",
            "weight_decay",
        ),
    ] {
        let refused = refusal(read(text));
        assert!(
            refused.starts_with(&format!("model.optimizer.{key}: ")),
            "{refused}"
        );
    }
}

fn refusal(optimizer: Optimizer) -> String {
    optimizer.check().unwrap_err().to_string()
}

fn read(text: &str) -> Optimizer {
    let node = engraft_component::read_yaml(text.as_bytes(), "a.yaml").unwrap();
    engraft_component::decode(&node).unwrap().0
}

#[test]
fn every_optimizer_steps_as_pytorch_does() {
    let about: Value =
        serde_json::from_slice(&std::fs::read(folder().join("optimizers.json")).unwrap()).unwrap();
    let given = Weights::open_file(&folder().join("adamw.safetensors")).unwrap();
    let wanted = Weights::open_file(&folder().join("optimizers.safetensors")).unwrap();
    let rates = about["learning_rates"].as_array().unwrap();
    let device = Device::flex().autodiff();
    let mut classes = std::collections::BTreeSet::new();
    for (name, case) in about["cases"].as_object().unwrap() {
        let optimizer = read(&case.to_string());
        optimizer.check().unwrap();
        classes.insert(optimizer.name());
        let mut module = Three::initial(&given, &device);
        let mut state = OptimizerState::default();
        for (step, rate) in rates.iter().enumerate() {
            let mut sum = GradientSum::default();
            // A loss that is a sum over two.
            sum.add(&module, gradients(&module, &given, step, &device), 0.5);
            sum.add(&module, gradients(&module, &given, step, &device), 1.5);
            let rate = rate.as_f64().unwrap();
            module = optimizer.step(module, sum, &mut state, rate, None);
            module.assert_after((&wanted, name), step, ROUNDING, &device);
        }
        // What is kept of a parameter is what is said to be kept.
        for (path, shape) in [("a", &[7, 5][..]), ("b", &[11]), ("c", &[3, 2, 4])] {
            let kept = state.parameters[path].parts.iter();
            let kept: Vec<(&str, usize)> = kept.map(|(name, it)| (*name, it.dims()[0])).collect();
            let mut said = optimizer.parts(shape);
            said.sort_unstable();
            assert_eq!(kept, said, "{name}");
        }
    }
    assert_eq!(classes.len(), Optimizer::variants().len());
}

#[derive(Module, Debug)]
struct Norms {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
}

#[derive(Module, Debug)]
struct Layered {
    layers: Vec<Norms>,
    norm: Norms,
}

#[derive(Module, Debug)]
struct Headed {
    encoder: Layered,
    head: Norms,
}

/// A network of ones, one step of `optimizer` on gradients of ones at rate 1, and how far each parameter has come.
fn moves(optimizer: &Optimizer) -> BTreeMap<String, f32> {
    let device = Device::flex().autodiff();
    let norms = || Norms {
        weight: param(Tensor::ones([3], &device)),
        bias: param(Tensor::ones([3], &device)),
    };
    let network = Headed {
        encoder: Layered {
            layers: vec![norms(), norms()],
            norm: norms(),
        },
        head: norms(),
    };
    let of = |it: &Norms| it.weight.val().sum() + it.bias.val().sum();
    let layers = network.encoder.layers.iter().map(of);
    let loss = layers.fold(of(&network.head) + of(&network.encoder.norm), |sum, it| {
        sum + it
    });
    let mut sum = GradientSum::default();
    sum.add(&network, loss.backward(), 1.0);
    let network = optimizer.step(network, sum, &mut OptimizerState::default(), 1.0, None);
    let parameters = engraft_models::parameters(&network).into_iter();
    parameters
        .map(|(path, _, values)| {
            (
                path,
                1.0 - values.inner().into_data().iter::<f32>().next().unwrap(),
            )
        })
        .collect()
}

#[test]
fn lower_layers_take_smaller_steps_where_the_rate_decays() {
    let found = moves(&read("{class_path: SGD, init_args: {layer_decay: 0.5}}"));
    for (path, wanted) in [
        ("head.weight", 1.0),
        ("encoder.norm.bias", 1.0),
        ("encoder.layers.1.weight", 0.5),
        ("encoder.layers.0.bias", 0.25),
    ] {
        assert_eq!(found[path], wanted, "{path}");
    }
}

#[test]
fn norms_and_biases_do_not_decay_where_they_are_excluded() {
    let found = moves(&read(
        "{class_path: SGD, init_args: {weight_decay: 0.5, exclude_norm_and_bias: true}}",
    ));
    for (path, wanted) in [
        ("head.weight", 1.5),
        ("head.bias", 1.0),
        ("encoder.norm.weight", 1.0),
        ("encoder.layers.0.weight", 1.5),
        ("encoder.layers.0.bias", 1.0),
    ] {
        assert_eq!(found[path], wanted, "{path}");
    }
    let found = moves(&read("{class_path: SGD, init_args: {weight_decay: 0.5}}"));
    assert!(found.values().all(|&moved| moved == 1.5));
}
