//! The checkpoint files of `tests/golden/lightning` give what their own program computes with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engraft_component::{decode, read_yaml};
use engraft_data::Examples;
use engraft_models::Mode;
use engraft_text::Row;
use serde::Deserialize;

use super::*;
use crate::inputs::Inputs;
use crate::rows::EncodedRow;

#[derive(Deserialize)]
struct Case {
    sequences: Vec<String>,
    /// Of each row, all that the head gives.
    outputs: Vec<Vec<f32>>,
    #[serde(default)]
    mean: f64,
    #[serde(default)]
    std: f64,
    threshold: Option<f64>,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/lightning")
}

fn case(name: &str) -> Case {
    let text = std::fs::read_to_string(golden().join("cases.json")).unwrap();
    let mut cases: BTreeMap<String, Case> = serde_json::from_str(&text).unwrap();
    cases.remove(name).unwrap()
}

/// A task on the backbone that the runs began with; `arguments` are further ones of the task, `backbone` those of the backbone.
fn task(name: &str, backbone: &str, arguments: &str) -> Task {
    let folder = golden().join("backbone").display().to_string();
    let text = format!(
        "class_path: {name}\ninit_args:\n  backbone: {{class_path: {folder:?}, init_args: {{{backbone}}}}}\n{arguments}"
    );
    let (task, _) = decode::<Task>(&read_yaml(text.as_bytes(), "task").unwrap()).unwrap();
    task
}

fn run(name: &str) -> RunFile {
    RunFile::open(&golden().join(format!("{name}.ckpt"))).unwrap()
}

fn open(name: &str, task: &Task) -> Result<(Model, Vec<String>)> {
    Model::open_run(task, &run(name), None, &Compute::cpu(), 3, true)
}

/// Why a file is refused.
#[track_caller]
fn refused(name: &str, task: &Task) -> String {
    open(name, task).map(drop).unwrap_err().to_string()
}

/// What is fed of tokens.
#[derive(Clone, Copy)]
enum Fed {
    All,
    /// All but special ones.
    Own,
}

#[track_caller]
fn computes(model: &Model, case: &Case, fed: Fed) {
    for (sequence, expected) in case.sequences.iter().zip(&case.outputs) {
        let row = Row {
            text: sequence,
            pair: None,
        };
        let (encoding, _) = model
            .spec
            .tokenizer()
            .encode_rows(&[row], None)
            .unwrap()
            .remove(0);
        let row = EncodedRow {
            encoding,
            ..EncodedRow::default()
        };
        let inputs = match fed {
            Fed::All => Inputs::whole(row.tokens()),
            Fed::Own => Inputs::at([(row.own_tokens(), row.tokens())]),
        };
        let outputs = model.network.outputs(&inputs, Mode::Evaluate);
        let outputs: Vec<f32> = outputs.into_data().iter::<f32>().collect();
        assert_eq!(outputs.len(), expected.len(), "{sequence}");
        for (found, expected) in outputs.iter().zip(expected) {
            let most = 1e-5 * expected.abs().max(1.0);
            assert!(
                (found - expected).abs() < most,
                "{sequence}: {found} {expected}"
            );
        }
    }
}

const PERCEPTRON: &str = "  n_classes: 3\n  adapter: {class_path: MLPPoolAdapter, init_args: {hidden_sizes: [7, 5], dropout: 0.1}}\n";
const MEAN: &str = "  n_classes: 3\n  adapter: LinearMeanPoolAdapter\n";
const LORA: &str = "use_peft: true, lora_r: 3, lora_alpha: 5";
const CONVOLUTIONS: &str =
    "  adapter: {class_path: ResNet1DAdapter, init_args: {channels: 6, num_blocks: 2}}\n";
const PLANE: &str =
    "  adapter: {class_path: ResNet2DAdapter, init_args: {num_res_blocks: 2, conv_channels: 6}}\n";

#[test]
fn a_whole_run_gives_its_own_logits() {
    let (model, notes) = open("full", &task("SequenceClassification", "", PERCEPTRON)).unwrap();
    computes(&model, &case("full"), Fed::All);
    assert!(
        notes[0].ends_with("full.ckpt: the encoder and 6 tensors of the head; not its optimizer's state, its step and its settings"),
        "{notes:?}"
    );
    assert_eq!(notes.len(), 1, "{notes:?}");
    // It is saved with its encoder, for the file need not stay.
    assert!(!model.spec.task().backbone().backbone().save_peft_only);
}

#[test]
fn updates_alone_and_beside_the_encoder_give_the_runs_own_logits() {
    let task = task("SequenceClassification", LORA, MEAN);
    let (model, notes) = open("lora", &task).unwrap();
    computes(&model, &case("lora"), Fed::All);
    assert!(
        notes[0].contains("the LoRA updates of the encoder and 2 tensors of the head"),
        "{notes:?}"
    );
    assert!(model.spec.task().backbone().backbone().save_peft_only);
    let (model, notes) = open("lora_whole", &task).unwrap();
    computes(&model, &case("lora_whole"), Fed::All);
    assert!(
        notes[0].contains("the encoder with its LoRA updates and 2 tensors"),
        "{notes:?}"
    );
    let said: Vec<&str> = model.spec.notes().collect();
    assert!(
        !said.iter().any(|note| note.contains("without effect")),
        "{said:?}"
    );
}

#[test]
fn the_head_of_a_frozen_encoder_stands_on_the_preset() {
    let task = task(
        "SequenceRegression",
        "frozen: true",
        "  adapter: LinearMeanPoolAdapter\n",
    );
    let (model, notes) = open("frozen", &task).unwrap();
    computes(&model, &case("frozen"), Fed::All);
    assert!(
        notes[0].contains("frozen.ckpt: 2 tensors of the head;"),
        "{notes:?}"
    );
}

#[test]
fn a_scaler_is_taken_and_gives_numbers_in_the_units_of_the_data() {
    let case = case("scaler");
    let task = task("SequenceRegressionWithScaling", "", CONVOLUTIONS);
    let (model, notes) = open("scaler", &task).unwrap();
    computes(&model, &case, Fed::Own);
    let learned = model.spec.objective().learned();
    assert!((learned.means.unwrap()[0] - case.mean).abs() < 1e-6);
    assert!((learned.deviations.unwrap()[0] - case.std).abs() < 1e-6);
    assert!(notes[0].contains("the scaler (mean 4.875, "), "{notes:?}");
}

#[test]
fn a_structure_task_keeps_its_threshold() {
    let case = case("structure");
    let task = task("RNASSPairwiseTokenClassification", "", PLANE);
    let (model, notes) = open("structure", &task).unwrap();
    computes(&model, &case, Fed::Own);
    assert_eq!(model.spec.objective().learned().threshold, case.threshold);
    assert!(notes[0].contains("the threshold 0.17"), "{notes:?}");
}

#[test]
fn a_masked_language_model_has_its_own_head() {
    let (model, notes) = open("masked_lm", &task("MLM", "", "")).unwrap();
    computes(&model, &case("masked_lm"), Fed::All);
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn what_is_missing_misshaped_or_left_over_is_said_by_name() {
    let classification = |arguments: &str| task("SequenceClassification", "", arguments);
    let said = refused("full", &classification(MEAN));
    assert!(
        said.contains("full.ckpt does not fit the experiment's model: ")
            && said.contains("adapter.mlp.1.weight"),
        "{said}"
    );
    let said = refused(
        "full",
        &classification(&PERCEPTRON.replace("[7, 5]", "[7]")),
    );
    assert!(said.contains("adapter.mlp.4.weight"), "{said}");
    let said = refused(
        "full",
        &classification(&PERCEPTRON.replace("[7, 5]", "[7, 5, 4]")),
    );
    assert!(
        said.contains("adapter.layers.3.weight") && said.contains("adapter.mlp.7.weight [3, 5]"),
        "{said}"
    );
    let said = refused(
        "full",
        &classification(&PERCEPTRON.replace("classes: 3", "classes: 4")),
    );
    assert!(said.contains("adapter.mlp.7.weight"), "{said}");
    // One layer less at the end is a layer left over.
    let said = refused(
        "full",
        &classification(
            &PERCEPTRON
                .replace("[7, 5]", "[7]")
                .replace("classes: 3", "classes: 5"),
        ),
    );
    assert!(
        said.contains("its head has adapter.mlp.7.bias, for which the experiment's has no place"),
        "{said}"
    );
    let said = refused("lora", &classification(MEAN));
    assert!(
        said.contains("use_peft") && said.contains("holds LoRA updates"),
        "{said}"
    );
    let said = refused("full", &task("SequenceClassification", LORA, PERCEPTRON));
    assert!(said.contains("holds no LoRA updates"), "{said}");
    let rank = LORA.replace("lora_r: 3", "lora_r: 4");
    let said = refused("lora", &task("SequenceClassification", &rank, MEAN));
    assert!(
        said.contains("lora.ckpt: r: 4, but the update of"),
        "{said}"
    );
    let said = refused(
        "frozen",
        &task("SequenceRegressionWithScaling", "", CONVOLUTIONS),
    );
    assert!(said.contains("frozen.ckpt has no scaler._mean"), "{said}");
    let wider = "config_overwrites: {intermediate_size: 18}";
    let said = refused("full", &task("SequenceClassification", wider, PERCEPTRON));
    assert!(
        said.contains("backbone.encoder.encoder.layer.0.mlp.") && said.contains("of another shape"),
        "{said}"
    );
}

#[test]
fn a_shape_without_weights_cannot_stand_below_a_head_alone() {
    let mut task = task(
        "SequenceRegression",
        "frozen: true",
        "  adapter: LinearMeanPoolAdapter\n",
    );
    task.backbone_mut().backbone_mut().preset = "aido_dna_debug".to_owned();
    let said = refused("frozen", &task);
    assert!(said.contains("aido_dna_debug has no weights"), "{said}");
}

#[test]
fn training_begins_from_a_file_and_a_head_that_does_not_fit_starts_anew_where_it_may() {
    let rows = Examples::from_texts(["ACGT", "GGCA", "TTTT", "CAGT"])
        .labelled([0usize, 1, 2, 3])
        .unwrap();
    let train = Some(TrainingRows::new(&rows));
    let task = task(
        "SequenceClassification",
        "",
        &PERCEPTRON.replace("classes: 3", "classes: 4"),
    );
    let open =
        |is_strict| Model::open_run(&task, &run("full"), train, &Compute::cpu(), 3, is_strict);
    let said = open(true).map(drop).unwrap_err().to_string();
    assert!(said.contains("adapter.mlp.7.weight"), "{said}");
    let (model, notes) = open(false).unwrap();
    assert_eq!(model.spec.classes().unwrap().count(), 4);
    assert!(
        notes
            .iter()
            .any(|note| note.contains("the head starts anew")),
        "{notes:?}"
    );
    assert!(notes[0].contains("full.ckpt: the encoder;"), "{notes:?}");
}

#[test]
fn a_hostile_file_is_refused_and_nothing_of_it_is_run() {
    let said = RunFile::open(&golden().join("hostile.ckpt"))
        .map(drop)
        .unwrap_err();
    assert!(said.to_string().contains("it names posix.system"), "{said}");
}
