//! What is saved comes back, and says what it is.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use engraft_data::Examples;
use engraft_hub::{Handle, Preset, Weights};
use engraft_models::{BoxedHead, Compute, Head, HeadInput, Mode};

use super::*;
use crate::backbone::{Backbone, BackboneSlot};
use crate::building::TrainingRows;
use crate::objective::{Loss, TaskArguments};
use crate::objectives::{MLM, SequenceClassification, SequenceRegression};
use crate::rows::Draws;
use crate::scaling::Scaling;
use crate::spec::Model;

fn rows(examples: &Examples) -> TrainingRows<'_> {
    TrainingRows {
        normalize: true,
        ..TrainingRows::new(examples)
    }
}

fn folder_preset(path: &Path) -> Preset {
    Preset::open(&Handle::Folder(path.to_owned())).unwrap()
}

/// A weighted classifier of three named classes on the built-in antibody model, and its training rows.
fn model() -> (Model, Examples) {
    let backbone = Backbone {
        max_length: Some(20),
        ..Backbone::new("sapiens_vh")
    };
    let task = SequenceClassification {
        weighted_loss: true,
        ..SequenceClassification::on(BackboneSlot::Pretrained(backbone))
    };
    let train = Examples::from_texts(["EVQ", "GGG", "KKK", "WWW"])
        .labelled(["b", "a", "c", "c"])
        .unwrap();
    (
        Model::build(&task.into(), Some(rows(&train)), &Compute::cpu(), 5).unwrap(),
        train,
    )
}

/// The loss of all rows, and what it was computed from.
fn whole_loss(model: &Model, examples: &Examples) -> Loss {
    let split = model.spec.bind(Arc::new(examples.clone()), None).unwrap();
    let mut pass = split.pass(vec![(0..examples.len()).collect()], Draws::Fixed);
    pass.advance().unwrap().unwrap();
    pass.loss(&model.network, Mode::Evaluate).unwrap().unwrap()
}

fn loss(model: &Model, examples: &Examples) -> (f32, f64) {
    let loss = whole_loss(model, examples);
    (loss.sum.into_scalar(), loss.weight)
}

#[test]
fn a_saved_model_has_the_same_classes_weights_and_loss() {
    let (model, train) = model();
    let folder = tempfile::tempdir().unwrap();
    model
        .spec
        .write_preset(&model.network, PresetForm::AsTrained, folder.path())
        .unwrap();
    let again = Model::open(folder_preset(folder.path()), &Compute::cpu()).unwrap();
    assert_eq!(
        again.spec.classes().unwrap().names().unwrap(),
        ["a", "b", "c"]
    );
    assert_eq!(again.spec.task().backbone().backbone().max_length, Some(20));
    assert_eq!(loss(&model, &train), loss(&again, &train));
    // Four rows, three classes: two of weight 4/3, two of weight 2/3.
    assert!((loss(&again, &train).1 - 4.0).abs() < 1e-6);
}

/// A head that has nothing to save.
#[derive(Module, Debug)]
struct NoHead {}

impl Head for NoHead {
    fn forward(&self, input: HeadInput<'_>, _mode: Mode) -> Tensor<2> {
        input.hidden
    }
}

#[test]
fn a_saved_model_without_its_head_is_refused() {
    let (model, _) = model();
    let folder = tempfile::tempdir().unwrap();
    let headless = model.network.with_head(BoxedHead::new(NoHead {}));
    model
        .spec
        .write_preset(&headless, PresetForm::AsTrained, folder.path())
        .unwrap();
    let error = Model::open(folder_preset(folder.path()), &Compute::cpu())
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("required but missing: adapter.layers.0.weight"),
        "{error}"
    );
}

#[test]
fn a_foreign_preset_and_a_later_layout_are_refused() {
    let error = Model::open(Preset::from_name("sapiens_vh").unwrap(), &Compute::cpu())
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("engraft.yaml"), "{error}");
    let (model, _) = model();
    let folder = tempfile::tempdir().unwrap();
    model
        .spec
        .write_preset(&model.network, PresetForm::AsTrained, folder.path())
        .unwrap();
    let file = folder.path().join("engraft.yaml");
    let text = std::fs::read_to_string(&file)
        .unwrap()
        .replace("format: 2", "format: 9");
    std::fs::write(&file, text).unwrap();
    let error = Model::open(folder_preset(folder.path()), &Compute::cpu())
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("later layout"), "{error}");
}

/// A regression on the built-in antibody model.
fn regression(backbone: Backbone) -> (Task, Examples) {
    let task = SequenceRegression {
        backbone: BackboneSlot::Pretrained(backbone),
        adapter: Default::default(),
        num_outputs: 2,
        loss_func: Default::default(),
        use_legacy_adapter: false,
    };
    let numbers = [[1.0, 300.0], [3.0, 290.0], [2.0, 310.0]].map(|row| row.to_vec());
    let train = Examples::from_texts(["EVQ", "GGG", "KKK"])
        .with_numbers(["kd", "tm"], numbers.to_vec())
        .unwrap();
    (task.into(), train)
}

#[test]
fn a_regression_keeps_the_names_and_the_scaling_of_its_numbers() {
    let (task, train) = regression(Backbone::new("sapiens_vh"));
    let model = Model::build(&task, Some(rows(&train)), &Compute::cpu(), 5).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let form = PresetForm::AsTrained;
    model
        .spec
        .write_preset(&model.network, form, folder.path())
        .unwrap();
    let again = Model::open(folder_preset(folder.path()), &Compute::cpu()).unwrap();
    let learned = again.spec.objective().learned();
    assert_eq!(model.spec.objective().learned(), learned);
    let (names, Scaling { means, deviations }) = learned.numbers(2).unwrap();
    assert_eq!(names, ["kd", "tm"]);
    assert_eq!(means, [2.0, 300.0]);
    assert!(deviations[0] < deviations[1], "{deviations:?}");
    assert_eq!(loss(&model, &train), loss(&again, &train));
}

#[test]
fn updates_are_saved_alone_or_with_everything_and_predict_the_same() {
    let backbone = Backbone {
        use_peft: true,
        lora_r: 2,
        ..Backbone::new("sapiens_vh")
    };
    let (task, train) = regression(backbone);
    let mut model = Model::build(&task, Some(rows(&train)), &Compute::cpu(), 5).unwrap();
    // An update that was never trained adds nothing, whatever becomes of it.
    model.network = model.network.with_towers(|tower| tower.map(&mut Fill));
    let whole = loss(&model, &train);
    for (form, encoder) in [(PresetForm::Adapter, false), (PresetForm::Whole, true)] {
        let folder = tempfile::tempdir().unwrap();
        model
            .spec
            .write_preset(&model.network, form, folder.path())
            .unwrap();
        let again = Model::open(folder_preset(folder.path()), &Compute::cpu()).unwrap();
        assert!(again.network.encoder().is_adapted());
        assert_eq!(loss(&again, &train), whole, "{form:?}");
        let weights = Weights::open_file(&folder.path().join(WEIGHTS)).unwrap();
        assert_eq!(
            weights.names().any(|name| name.contains("layer.0")),
            encoder
        );
    }
    let merged = model.network.clone().with_merged_lora();
    let folder = tempfile::tempdir().unwrap();
    model
        .spec
        .write_preset(&merged, PresetForm::Whole, folder.path())
        .unwrap();
    let again = Model::open(folder_preset(folder.path()), &Compute::cpu()).unwrap();
    assert!(!again.network.encoder().is_adapted());
    assert!((loss(&again, &train).0 - whole.0).abs() < 1e-4);
}

/// Gives every parameter of an update the same small values, so that it adds something.
struct Fill;

impl burn::module::ModuleMapper for Fill {
    fn map_float<const D: usize>(
        &mut self,
        param: burn::module::Param<Tensor<D>>,
    ) -> burn::module::Param<Tensor<D>> {
        // Only an update has a side as short as its rank.
        if param.lazy_shape().iter().all(|side| *side != 2) {
            return param;
        }
        param.map(|tensor| tensor.ones_like() * 0.05)
    }
}

#[test]
fn an_adapter_that_is_added_to_the_weights_leaves_them_to_be_trained() {
    let adapted = Backbone {
        use_peft: true,
        lora_r: 2,
        ..Backbone::new("sapiens_vh")
    };
    let (task, train) = regression(adapted);
    let model = Model::build(&task, Some(rows(&train)), &Compute::cpu(), 5).unwrap();
    let folder = tempfile::tempdir().unwrap();
    model
        .spec
        .write_preset(&model.network, PresetForm::Adapter, folder.path())
        .unwrap();
    let trained = |use_peft: bool, frozen: bool| {
        let (task, train) = regression(Backbone {
            peft_path: Some(folder.path().to_str().unwrap().to_owned()),
            use_peft,
            frozen,
            ..Backbone::new("sapiens_vh")
        });
        let model = Model::build(&task, Some(rows(&train)), &Compute::cpu(), 5).unwrap();
        let network = model.network.clone().train();
        let found = engraft_models::parameters(&network).into_iter();
        let tracked = found.filter(|(_, _, tensor)| tensor.is_tracked());
        tracked.map(|(path, _, _)| path).collect::<Vec<_>>()
    };
    let is_update = |path: &String| path.contains(".lora.");
    assert!(
        trained(true, false)
            .iter()
            .filter(|path| path.starts_with("encoder"))
            .all(is_update)
    );
    assert_eq!(trained(true, true), trained(true, false));
    assert!(
        trained(false, true)
            .iter()
            .all(|path| path.starts_with("head"))
    );
    let all = trained(false, false);
    assert!(!all.iter().any(is_update));
    assert!(
        all.contains(&"encoder.layers.0.attention.inputs.query.weight".to_owned()),
        "{all:?}"
    );
}

#[test]
fn logits_of_a_masked_language_model_are_computed_where_tokens_are_masked() {
    let task = Task::MLM(MLM {
        backbone: BackboneSlot::Pretrained(Backbone::new("sapiens_vh")),
        use_legacy_adapter: true,
        loss_on_all_tokens: false,
        compat: None,
    });
    let train = Examples::from_texts(["EVQLVESGGGLVQPGGSLRL", "GGGSGGGSGG"]);
    let model = Model::build(&task, Some(rows(&train)), &Compute::cpu(), 5).unwrap();
    let loss = whole_loss(&model, &train);
    // 15 % of 20 and of 10 residues.
    assert_eq!(loss.outputs.dims()[0], 3 + 1);
    assert_eq!(loss.weight, 4.0);
}

#[test]
fn a_damaged_description_is_refused_with_its_place() {
    let (model, _) = model();
    let refusal = |from: &str, to: &str| {
        let folder = tempfile::tempdir().unwrap();
        model
            .spec
            .write_preset(&model.network, PresetForm::AsTrained, folder.path())
            .unwrap();
        let file = folder.path().join(DESCRIPTION);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let opened = Model::open(folder_preset(folder.path()), &Compute::cpu());
        opened.map(|_| ()).unwrap_err().to_string()
    };
    for (from, to, expected) in [
        (
            "classes: 3",
            "classes: null",
            "engraft.yaml: classes: expected their number",
        ),
        (
            "classes: 3",
            "classes: 2",
            "engraft.yaml: class_weights: 3 for other classes",
        ),
    ] {
        let problem = refusal(from, to);
        assert!(problem.contains(expected), "{problem}");
    }
}
