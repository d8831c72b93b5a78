//! What is saved comes back, and says what it is.

use burn::tensor::Device;
use engraft_data::Examples;
use engraft_hub::{Handle, Preset};
use engraft_models::{Backbone, BackboneSlot, Mode};

use super::*;
use crate::batch::Batch;
use crate::targets::Draws;
use crate::task::SequenceClassification;

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
