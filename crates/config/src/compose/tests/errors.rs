//! What users read when something is wrong, word for word.

use super::*;

const BASE: &str = "model:
  class_path: SequenceClassification
  init_args:
    backbone: aido_rna_650m
    adapter: {class_path: MLPPoolAdapter, init_args: {hidden_sizes: [8]}}
data:
  class_path: SequenceClassificationDataModule
  init_args:
    path: a.tsv
trainer:
  max_epochs: 2
  callbacks:
  - class_path: EarlyStopping
    init_args: {monitor: val_loss}
";

/// Each case: a second file, the options, and the whole error.
const CASES: &[(&str, &str, &str)] = &[
    // Names.
    (
        "model:\n  init_args:\n    adaptr: LinearCLSAdapter",
        "",
        "b.yaml:3: model.init_args.adaptr: unknown key. Did you mean \"adapter\"?",
    ),
    (
        "modle: {}",
        "",
        "b.yaml:1: modle: unknown key. Did you mean \"model\"?",
    ),
    (
        "trainer: {max_epoch: 1}",
        "",
        "b.yaml:1: trainer.max_epoch: unknown key. Did you mean \"max_epochs\"?",
    ),
    (
        "model: SequenceClasification",
        "",
        "b.yaml:1: model.class_path: unknown task \"SequenceClasification\". Did you mean \"SequenceClassification\"?",
    ),
    (
        "model: {init_args: {adapter: Pooled}}",
        "",
        "b.yaml:1: model.init_args.adapter.class_path: unknown adapter \"Pooled\". There are: MLPPoolAdapter, LinearCLSAdapter, MMFusionSeqAdapter",
    ),
    (
        "model: {init_args: {lr_scheduler: torch.optim.lr_scheduler.Cosine}}",
        "",
        "b.yaml:1: model.init_args.lr_scheduler: unknown learning-rate schedule \"torch.optim.lr_scheduler.Cosine\". There are: CosineWithWarmup",
    ),
    (
        "model:\n  n_classes: 3\n  class_path: SequenceClassification",
        "",
        "b.yaml:2: model.n_classes: unknown key beside class_path. Arguments of SequenceClassification belong under init_args",
    ),
    // Types.
    (
        "trainer: {max_epochs: many}",
        "",
        "b.yaml:1: trainer.max_epochs: expected a whole number, found \"many\"",
    ),
    (
        "trainer: {max_epochs: 1.5}",
        "",
        "b.yaml:1: trainer.max_epochs: expected a whole number, found \"1.5\"",
    ),
    (
        "data: {init_args: {batch_size: -4}}",
        "",
        "b.yaml:1: data.init_args.batch_size: expected a whole number, zero or more, found \"-4\"",
    ),
    (
        "data:\n  init_args:\n    batch_size:",
        "",
        "b.yaml:3: data.init_args.batch_size: expected a whole number, zero or more, found null. Leave the key out for its default",
    ),
    (
        "data: {init_args: {shuffle: maybe}}",
        "",
        "b.yaml:1: data.init_args.shuffle: expected true or false, found \"maybe\"",
    ),
    (
        "model: {init_args: {optimizer: {betas: [0.9]}}}",
        "",
        "b.yaml:1: model.init_args.optimizer.betas: expected a list of 2 values, found 1",
    ),
    (
        "model: {init_args: {optimizer: {lr: fast}}}",
        "",
        "b.yaml:1: model.init_args.optimizer.lr: expected a number, found \"fast\"",
    ),
    (
        "data: {init_args: {rename_cols: [a, b]}}",
        "",
        "b.yaml:1: data.init_args.rename_cols: expected a mapping of names to values, found a list",
    ),
    (
        "data: {init_args: {path: {a: b}}}",
        "",
        "b.yaml:1: data.init_args.path: expected a path, found a mapping",
    ),
    (
        "model: {init_args: {optimizer: {class_path: SGD, init_args: 3}}}",
        "",
        "b.yaml:1: model.init_args.optimizer.init_args: expected a mapping of arguments, found \"3\"",
    ),
    (
        "model: {init_args: [3]}",
        "",
        "b.yaml:1: model.init_args: expected a mapping of arguments, found a list",
    ),
    (
        "trainer: 3",
        "",
        "b.yaml:1: trainer: expected the arguments of Trainer, found \"3\"",
    ),
    (
        "model: null\ndata: [a]",
        "",
        "b.yaml:2: data: expected one data module, found a list",
    ),
    (
        "trainer:\n  callbacks:\n  - class_path: ModelCheckpoint\n  - class_path: EarlyStopping\n    init_args: {monitor: a, patience: long}",
        "",
        "b.yaml:5: trainer.callbacks[1].init_args.patience: expected a whole number, zero or more, found \"long\"",
    ),
    (
        "trainer: {callbacks: {monitor: a}}",
        "",
        "b.yaml:1: trainer.callbacks[0]: no class_path, so it is not clear which callback is meant. Choose from: ModelCheckpoint, EarlyStopping, PredictionWriter",
    ),
    // Missing.
    (
        "trainer:\n  callbacks:\n  - class_path: PredictionWriter",
        "",
        "b.yaml:3: trainer.callbacks[0].init_args.output_dir: missing, PredictionWriter requires it",
    ),
    (
        "trainer: {callbacks+: EarlyStopping}",
        "",
        "b.yaml:1: trainer.callbacks[1].init_args.monitor: missing, EarlyStopping requires it",
    ),
    (
        "seed_everything: 1",
        "--model MMSequenceRegression",
        "--model: model.backbone_order: missing, MMSequenceRegression requires it",
    ),
    // Text that is no experiment.
    (
        "[a, b]",
        "",
        "b.yaml:1: expected keys such as model, data and trainer, found a list",
    ),
    (
        "just words",
        "",
        "b.yaml:1: expected keys such as model, data and trainer, found \"just words\"",
    ),
    (
        "",
        "",
        "b.yaml: empty, there is no YAML in it. Give it keys such as model, data and trainer; `engraft init` writes an experiment for a table",
    ),
    (
        "trainer:\n  devices: 1\n  devices: 2",
        "",
        "b.yaml:3: key \"devices\" given twice, first on line 2. Keep one of them",
    ),
    (
        "trainer:\n\tdevices: 1",
        "",
        "b.yaml:2: indented with a tab, which YAML does not allow. Use spaces",
    ),
    (
        "model: !!python/name:os.system x",
        "",
        "b.yaml:1: the tag \"!!python/name:os.system\" is not supported. Only plain values are",
    ),
    (
        "model: {init_args: {optimizer: {class_path: SGD, init_args: {lr: 1}, dict_kwargs: {lr: 2}}}}",
        "--model.optimizer.lr 3",
        "b.yaml:1: model.optimizer.dict_kwargs.lr: given twice: under init_args and under dict_kwargs. Keep one of them",
    ),
    // Options.
    (
        "seed_everything: 1",
        "--model.adaptr x",
        "--model.adaptr: unknown key. Did you mean \"adapter\"?",
    ),
    (
        "seed_everything: 1",
        "--modle.adapter x",
        "--modle.adapter: unknown key \"modle\". Did you mean \"model\"?",
    ),
    (
        "seed_everything: 1",
        "--model.n_classes",
        "--model.n_classes: expected a whole number, zero or more, found no value",
    ),
    (
        "seed_everything: 1",
        "--model.n_classes two",
        "--model.n_classes: expected a whole number, zero or more, found \"two\"",
    ),
    (
        "seed_everything: 1",
        "--model.adapter LinearClsAdaptor",
        "--model.adapter: unknown adapter \"LinearClsAdaptor\". Did you mean \"LinearCLSAdapter\"?",
    ),
    (
        "seed_everything: 1",
        "--model '{adaptr: 1}'",
        "--model.adaptr: unknown key. Did you mean \"adapter\"?",
    ),
    (
        "seed_everything: 1",
        "--trainer.callbacks.patience soon",
        "--trainer.callbacks.patience: expected a whole number, zero or more, found \"soon\"",
    ),
    (
        "seed_everything: 1",
        "--trainer.callbacks.3.patience 1",
        "--trainer.callbacks.3.patience: the list trainer.callbacks has 1 item, so it has no such item. Items are numbered from 0, and without a number the last is meant",
    ),
    (
        "trainer: {callbacks: []}",
        "--trainer.callbacks.patience 1",
        "--trainer.callbacks.patience: the list trainer.callbacks has 0 items, so it has no such item. Items are numbered from 0, and without a number the last is meant",
    ),
    (
        "seed_everything: 1",
        "--data.path.x 1",
        "--data.path.x: expected a path, found a mapping",
    ),
    (
        "seed_everything: 1",
        "--model.class_path.x 1",
        "--model.class_path.x: class_path is one name, so nothing can be set below it",
    ),
    (
        "seed_everything: 1",
        "--model.init_args 1",
        "--model.init_args: expected a mapping of arguments, found \"1\"",
    ),
    (
        "seed_everything: 1",
        "--model..x 1",
        "--model..x: not a key. Keys are words joined by dots, with a + at the end to append to a list",
    ),
    (
        "seed_everything: 1",
        "--model.x+.y 1",
        "--model.x+.y: not a key. Keys are words joined by dots, with a + at the end to append to a list",
    ),
    (
        "seed_everything: 1",
        "--model.lora [query, value]",
        "command line: unexpected \"value]\". Options are written --key value, and a value with spaces needs quotes",
    ),
    (
        "seed_everything: 1",
        "fit.yaml",
        "command line: unexpected \"fit.yaml\". An experiment file is given as --config fit.yaml",
    ),
    (
        "seed_everything: 1",
        "--config",
        "command line: --config needs a file",
    ),
    (
        "seed_everything: 1",
        "--model.x 1 -c --data.y 2",
        "command line: --config needs a file",
    ),
];

#[test]
fn every_mistake_is_one_clear_sentence() {
    let mut wrong = Vec::new();
    for (file, options, wanted) in CASES {
        let found = refusal(&[BASE, file], options);
        if found != *wanted {
            wrong.push(format!(
                "{file:?} {options:?}\n  wanted {wanted}\n  found  {found}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_missing_file_is_named() {
    let error = compose(&[Source::File("/no/such/fit.yaml".into())]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/no/such/fit.yaml: there is no such file"),
        "{error}"
    );
}

#[test]
fn endless_keys_are_refused() {
    let key = vec!["a"; 1000].join(".");
    let error = compose(&[Source::Override { key, value: None }]).unwrap_err();
    assert!(
        error.to_string().ends_with(": a key of more than 64 words"),
        "{error}"
    );
}
