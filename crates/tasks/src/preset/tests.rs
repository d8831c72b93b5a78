//! What is saved comes back, and says what it is.

use burn::module::Module;
use burn::tensor::Device;
use engraft_data::Examples;
use engraft_hub::{Handle, Preset, Weights};
use engraft_models::{Backbone, BackboneSlot, Mode};

use super::*;
use crate::batch::Batch;
use crate::building::TrainingRows;
use crate::model::Model;
use crate::network::Network;
use crate::targets::Draws;
use crate::task::{SequenceClassification, SequenceRegression};

fn rows(examples: &Examples) -> TrainingRows<'_> {
    TrainingRows {
        examples,
        normalize: true,
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
        Model::build(&task.into(), Some(rows(&train)), &Device::default(), 5).unwrap(),
        train,
    )
}

fn loss(model: &Model, examples: &Examples) -> (f32, f64) {
    let rows: Vec<usize> = (0..examples.len()).collect();
    let encoded = model.row_encoder().encode(examples, &rows, None).unwrap();
    let targets = model.targets(examples, None).unwrap();
    let batch = Batch::collate(&rows, encoded, &targets, Draws::Fixed);
    let loss = model.loss(&model.network, &batch, Mode::Evaluate).unwrap();
    (loss.sum.into_scalar(), loss.weight)
}

#[test]
fn a_saved_model_has_the_same_classes_weights_and_loss() {
    let (model, train) = model();
    let folder = tempfile::tempdir().unwrap();
    model
        .write_preset(&model.network, PresetForm::AsTrained, folder.path())
        .unwrap();
    let again = Model::open(folder_preset(folder.path()), &Device::default()).unwrap();
    assert_eq!(again.labels().unwrap().names().unwrap(), ["a", "b", "c"]);
    assert_eq!(again.task().backbone().backbone().max_length, Some(20));
    assert_eq!(loss(&model, &train), loss(&again, &train));
    // Four rows, three classes: two of weight 4/3, two of weight 2/3.
    assert!((loss(&again, &train).1 - 4.0).abs() < 1e-6);
}

#[test]
fn a_saved_model_without_its_head_is_refused() {
    let (model, _) = model();
    let folder = tempfile::tempdir().unwrap();
    let headless = Network {
        encoder: model.network.encoder.clone(),
        head: None,
    };
    model
        .write_preset(&headless, PresetForm::AsTrained, folder.path())
        .unwrap();
    let error = Model::open(folder_preset(folder.path()), &Device::default())
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
    let error = Model::open(Preset::from_name("sapiens_vh").unwrap(), &Device::default())
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("engraft.yaml"), "{error}");
    let (model, _) = model();
    let folder = tempfile::tempdir().unwrap();
    model
        .write_preset(&model.network, PresetForm::AsTrained, folder.path())
        .unwrap();
    let file = folder.path().join("engraft.yaml");
    let text = std::fs::read_to_string(&file)
        .unwrap()
        .replace("format: 2", "format: 9");
    std::fs::write(&file, text).unwrap();
    let error = Model::open(folder_preset(folder.path()), &Device::default())
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
    let model = Model::build(&task, Some(rows(&train)), &Device::default(), 5).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let form = PresetForm::AsTrained;
    model
        .write_preset(&model.network, form, folder.path())
        .unwrap();
    let again = Model::open(folder_preset(folder.path()), &Device::default()).unwrap();
    assert_eq!(model.told(), again.told());
    let Told::Numbers { names, scaling } = again.told() else {
        panic!("not numbers")
    };
    assert_eq!(names, &["kd", "tm"]);
    assert_eq!(scaling.means, [2.0, 300.0]);
    assert_eq!(loss(&model, &train), loss(&again, &train));
}

#[test]
fn updates_are_saved_alone_or_with_everything_and_say_the_same() {
    let backbone = Backbone {
        use_peft: true,
        lora_r: 2,
        ..Backbone::new("sapiens_vh")
    };
    let (task, train) = regression(backbone);
    let mut model = Model::build(&task, Some(rows(&train)), &Device::default(), 5).unwrap();
    // An update that was never trained adds nothing, whatever becomes of it.
    model.network.encoder = model.network.encoder.map(&mut Fill);
    let whole = loss(&model, &train);
    for (form, encoder) in [(PresetForm::Adapter, false), (PresetForm::Whole, true)] {
        let folder = tempfile::tempdir().unwrap();
        model
            .write_preset(&model.network, form, folder.path())
            .unwrap();
        let again = Model::open(folder_preset(folder.path()), &Device::default()).unwrap();
        assert!(again.network.encoder.is_adapted());
        assert_eq!(loss(&again, &train), whole, "{form:?}");
        let weights = Weights::open_file(&folder.path().join(WEIGHTS)).unwrap();
        assert_eq!(
            weights.names().any(|name| name.contains("layer.0")),
            encoder
        );
    }
    let mut merged = model.clone();
    merged.network.merge_lora();
    let folder = tempfile::tempdir().unwrap();
    merged
        .write_preset(&merged.network, PresetForm::Whole, folder.path())
        .unwrap();
    let again = Model::open(folder_preset(folder.path()), &Device::default()).unwrap();
    assert!(!again.network.encoder.is_adapted());
    assert!((loss(&again, &train).0 - whole.0).abs() < 1e-4);
}

/// Gives every parameter of an update the same small values, so that it adds something.
struct Fill;

impl burn::module::ModuleMapper for Fill {
    fn map_float<const D: usize>(
        &mut self,
        param: burn::module::Param<burn::tensor::Tensor<D>>,
    ) -> burn::module::Param<burn::tensor::Tensor<D>> {
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
    let model = Model::build(&task, Some(rows(&train)), &Device::default(), 5).unwrap();
    let folder = tempfile::tempdir().unwrap();
    model
        .write_preset(&model.network, PresetForm::Adapter, folder.path())
        .unwrap();
    let trained = |use_peft: bool, frozen: bool| {
        let (task, train) = regression(Backbone {
            peft_path: Some(folder.path().to_str().unwrap().to_owned()),
            use_peft,
            frozen,
            ..Backbone::new("sapiens_vh")
        });
        let model = Model::build(&task, Some(rows(&train)), &Device::default(), 5).unwrap();
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
    let task = Task::MLM(crate::task::MLM {
        backbone: BackboneSlot::Pretrained(Backbone::new("sapiens_vh")),
        use_legacy_adapter: true,
        loss_on_all_tokens: false,
    });
    let train = Examples::from_texts(["EVQLVESGGGLVQPGGSLRL", "GGGSGGGSGG"]);
    let model = Model::build(&task, Some(rows(&train)), &Device::default(), 5).unwrap();
    let encoded = model.row_encoder().encode(&train, &[0, 1], None).unwrap();
    let targets = model.targets(&train, None).unwrap();
    let batch = Batch::collate(&[0, 1], encoded, &targets, Draws::Fixed);
    let loss = model.loss(&model.network, &batch, Mode::Evaluate).unwrap();
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
            .write_preset(&model.network, PresetForm::AsTrained, folder.path())
            .unwrap();
        let file = folder.path().join(DESCRIPTION);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let opened = Model::open(folder_preset(folder.path()), &Device::default());
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
