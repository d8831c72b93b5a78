use engraft_component::{Span, read_yaml};
use engraft_data::SplitSize;

use crate::{Model, Source, compose, parse_overrides};

use super::*;

/// An experiment in a file `a.yaml`, and options divided at spaces.
fn composed(yaml: &str, options: &str) -> Composed {
    let words: Vec<String> = options.split_whitespace().map(str::to_owned).collect();
    let options: Vec<Source> = parse_overrides(&words).unwrap();
    let mut composed = compose(&options).unwrap();
    if !yaml.is_empty() {
        composed.root = read_yaml(yaml.as_bytes(), "a.yaml").unwrap();
    }
    composed
}

fn read(yaml: &str, options: &str) -> (Experiment, Vec<String>) {
    let (experiment, notes) =
        Experiment::read(&composed(yaml, options)).unwrap_or_else(|error| panic!("{error}"));
    (experiment, notes.iter().map(ToString::to_string).collect())
}

fn refusal(yaml: &str, options: &str) -> String {
    Experiment::read(&composed(yaml, options))
        .unwrap_err()
        .to_string()
}

/// The example of ModelGenerator's documentation, on a backbone that is here.
const DOCUMENTED: &str = "
seed_everything: 42
model:
  class_path: modelgenerator.tasks.SequenceClassification
  init_args:
    backbone:
      class_path: modelgenerator.backbones.sapiens_vh
      init_args: {max_length: 144, use_peft: false, model_init_args: null}
    adapter:
      class_path: modelgenerator.adapters.MLPPoolAdapter
      init_args:
        pooling: mean_pooling
        hidden_sizes: [512, 256]
        bias: true
        dropout: 0.1
        dropout_in_middle: false
    optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 1e-4}}
    lr_scheduler: {class_path: torch.optim.lr_scheduler.StepLR, init_args: {step_size: 1, gamma: 0.1}}
    batch_size: 8
data:
  class_path: modelgenerator.data.SequenceClassificationDataModule
  init_args: {path: peptides, batch_size: 16, valid_split_size: 0.2, num_workers: 4}
trainer:
  strategy: {class_path: lightning.pytorch.strategies.DDPStrategy, init_args: {find_unused_parameters: true}}
  accelerator: auto
  max_epochs: 5
ckpt_path: null
";

#[test]
fn a_modelgenerator_file_reads_with_a_note_for_each_key_without_meaning() {
    let (experiment, notes) = read(DOCUMENTED, "");
    let Some(Model::SequenceClassification(model)) = &experiment.model else {
        panic!("{experiment:?}")
    };
    assert_eq!(model.task.backbone.backbone().max_length, Some(144));
    assert!(model.training.lr_scheduler.is_some());
    assert_eq!(experiment.seed_everything, Seed::Fixed(42));
    let source = experiment.data.as_ref().map(|data| data.source());
    assert_eq!(source.unwrap().valid_split_size, SplitSize::Fraction(0.2));
    assert_eq!(
        notes,
        [
            "a.yaml:19: model.init_args.batch_size: ignored, the data module's batch_size is used",
            "a.yaml:22: data.init_args.num_workers: ignored, tokenising runs ahead on a thread of its own",
            "a.yaml:24: trainer.strategy: ignored, one process trains the whole model",
        ]
    );
}

#[test]
fn the_resolved_experiment_reads_back_as_the_same_without_notes() {
    for (yaml, options) in [
        (DOCUMENTED, ""),
        ("", ""),
        ("", "--seed_everything false --ckpt_path last"),
        (
            "",
            "--model Embed --model.backbone ./minilm --model.pooling mean --data SequencesDataModule --data.path a.tsv",
        ),
        (
            "",
            "--model Inference --model.backbone hf://org/name@main --trainer.callbacks EarlyStopping --trainer.callbacks.monitor val_loss",
        ),
    ] {
        let (experiment, _) = read(yaml, options);
        let written = experiment.to_yaml();
        assert_eq!(read(&written, ""), (experiment, Vec::new()), "{written}");
    }
}

#[test]
fn an_empty_experiment_has_a_seed_and_a_trainer_and_nothing_else() {
    let (experiment, _) = read("", "");
    assert_eq!(experiment, Experiment::default());
    assert_eq!(experiment.seed_everything.number(), 0);
    assert!(experiment.model.is_none() && experiment.data.is_none());
}

#[test]
fn a_key_of_a_group_at_the_top_is_sent_where_it_belongs() {
    for (yaml, expected) in [
        (
            "optimizer: AdamW",
            "a.yaml:1: optimizer: belongs under model",
        ),
        (
            "lr_scheduler: {class_path: StepLR}",
            "a.yaml:1: lr_scheduler: belongs under model",
        ),
        ("batch_size: 3", "a.yaml:1: batch_size: belongs under data"),
        ("x_col: text", "a.yaml:1: x_col: belongs under data"),
        (
            "max_epochs: 3",
            "a.yaml:1: max_epochs: belongs under trainer",
        ),
        ("devices: 3", "a.yaml:1: devices: belongs under trainer"),
    ] {
        let error = refusal(yaml, "");
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(
        refusal("", "--optimizer.lr 3"),
        "--optimizer.lr: belongs under model. Write --model.optimizer.lr"
    );
}

#[test]
fn a_value_out_of_range_is_refused_where_it_was_written() {
    let model = "--model SequenceClassification --model.backbone sapiens_vh";
    for (options, expected) in [
        (
            "--data SequencesDataModule --data.path a --data.batch_size 0",
            "--data.batch_size: must be at least 1, found 0",
        ),
        (
            "--trainer.max_steps -5",
            "--trainer.max_steps: -5 is no limit; use a number, or -1 for none",
        ),
        (
            &format!("{model} --model.n_classes 1"),
            "--model.n_classes: a classifier needs at least 2 classes",
        ),
        (
            &format!("{model} --model.lr_scheduler ConstantWithWarmup"),
            "--model.lr_scheduler: ConstantWithWarmup needs warmup_ratio or num_warmup_steps; 0 means no warm-up",
        ),
        (
            &format!("{model} --model.adapter MLPPoolAdapter --model.adapter.dropout 1"),
            "--model.adapter.dropout: expected a rate from 0 to below 1, found 1",
        ),
    ] {
        assert_eq!(refusal("", options), expected);
    }
    let yaml = "trainer:\n  accumulate_grad_batches: 0";
    assert_eq!(
        refusal(yaml, ""),
        "a.yaml:2: trainer.accumulate_grad_batches: 0 is too small; it must be at least 1"
    );
    // One that comes from a default is named without a place.
    let yaml = "data:\n  class_path: SequencesDataModule\n  init_args: {path: a, x_col: []}";
    assert!(refusal(yaml, "").starts_with("a.yaml:3: data.init_args.x_col: give one column"));
}

#[test]
fn what_a_library_refuses_is_put_in_its_place() {
    let file = composed(DOCUMENTED, "");
    let locate = |composed: &Composed, key: &str| {
        Experiment::locate(composed, Refusal::of(key, "no")).to_string()
    };
    for (key, expected) in [
        (
            "model.backbone.max_length",
            "a.yaml:8: model.init_args.backbone.init_args.max_length: no",
        ),
        // What was left out is in the nearest group around it.
        ("model.n_classes", "a.yaml:3: model.n_classes: no"),
        (
            "model.lr_scheduler.gamma",
            "a.yaml:18: model.init_args.lr_scheduler.init_args.gamma: no",
        ),
        (
            "trainer.callbacks[0].monitor",
            "a.yaml:23: trainer.callbacks[0].monitor: no",
        ),
        ("", "no"),
        ("elsewhere", "elsewhere: no"),
    ] {
        assert_eq!(locate(&file, key), expected);
    }
    // An item of a list is found in it, and the only one without it.
    let listed = "
trainer:
  callbacks:
    - ModelCheckpoint
    - class_path: EarlyStopping
      init_args: {monitor: val_loss,
        patience: 3}";
    let listed = composed(listed, "");
    for (key, expected) in [
        (
            "trainer.callbacks[1].patience",
            "a.yaml:7: trainer.callbacks[1].init_args.patience: no",
        ),
        (
            "trainer.callbacks[1].mode",
            "a.yaml:5: trainer.callbacks[1].mode: no",
        ),
        ("trainer.callbacks[0]", "a.yaml:4: trainer.callbacks[0]: no"),
        ("trainer.callbacks[2]", "a.yaml:3: trainer.callbacks[2]: no"),
    ] {
        assert_eq!(locate(&listed, key), expected);
    }
    let bare = "trainer:\n  callbacks:\n    class_path: EarlyStopping\n    init_args:\n      monitor: loss";
    assert_eq!(
        locate(&composed(bare, ""), "trainer.callbacks[0].monitor"),
        "a.yaml:5: trainer.callbacks.init_args.monitor: no"
    );
    let options = composed("", "--model Embed --model.backbone.lora_r 3");
    assert_eq!(
        locate(&options, "model.backbone.lora_r"),
        "--model.backbone.lora_r: no"
    );
    // Nothing is more exact than where it was found.
    let found = Refusal::new(&Span::source("ft.yaml"), "trainer", "no");
    assert_eq!(Experiment::locate(&file, found.clone()), found);
}
