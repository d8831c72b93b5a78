//! ModelGenerator's own documentation example runs as it is written, on a small backbone.

use crate::Workplace;

/// The example's model and optimizer; data and trainer as its users fill them in.
const EXAMPLE: &str = "
model:
  class_path: modelgenerator.tasks.SequenceClassification
  init_args:
    n_classes: 2
    backbone:
      class_path: sapiens_vh
      init_args:
        max_length: 64
        frozen: false
    adapter:
      class_path: modelgenerator.adapters.MLPPoolAdapter
      init_args:
        pooling: mean_pooling
        hidden_sizes:
        - 512
        - 256
        bias: true
        dropout: 0.1
        dropout_in_middle: false
    optimizer:
      class_path: torch.optim.AdamW
      init_args:
        lr: 1e-4
    lr_scheduler:
      class_path: torch.optim.lr_scheduler.StepLR
      init_args:
        step_size: 1
        gamma: 0.1
data:
  class_path: modelgenerator.data.SequenceClassificationDataModule
  init_args:
    path: rows.tsv
    x_col: sequence
    y_col: label
    rename_cols: {sequence: sequences}
    batch_size: 4
    num_workers: 8
    pin_memory: true
    persistent_workers: true
trainer:
  accelerator: auto
  devices: 0,1,2,3
  num_nodes: 1
  strategy:
    class_path: lightning.pytorch.strategies.DDPStrategy
    init_args: {find_unused_parameters: true}
  precision: bf16-mixed
  max_epochs: 1
  profiler: null
  logger:
    class_path: lightning.pytorch.loggers.WandbLogger
    init_args: {name: run, project: peptides, save_dir: logs}
  callbacks:
  - class_path: lightning.pytorch.callbacks.ModelCheckpoint
    dict_kwargs: {monitor: val_loss, mode: min, filename: 'best_val:{step}-{val_loss:.3f}'}
  - class_path: lightning.pytorch.callbacks.EarlyStopping
    dict_kwargs: {monitor: val_loss, patience: 5, mode: min}
";

#[test]
fn the_documentation_example_of_modelgenerator_runs_and_says_what_is_different_here() {
    let place = Workplace::empty();
    let rows: Vec<String> = (0..40)
        .map(|row| format!("{}{}\t{}\n", "GIGKFLKKAKKF", "WL".repeat(row % 6), row % 2))
        .collect();
    place.write("rows.tsv", &format!("sequence\tlabel\n{}", rows.concat()));
    place.write("example.yaml", EXAMPLE);
    let said = place.run("fit --config example.yaml");
    assert_eq!(said.code, Some(0), "{}", said.err);
    // The schedule divides the rate by ten at every optimizer step, as the original does: said, not silently done.
    assert!(
        said.err.contains("lr_scheduler_interval: epoch"),
        "{}",
        said.err
    );
    for key in [
        "strategy",
        "devices",
        "precision",
        "WandbLogger",
        "num_workers",
        "pin_memory",
        "persistent_workers",
    ] {
        assert!(
            said.err.lines().any(|line| line.contains(key)),
            "no word about {key}: {}",
            said.err
        );
    }
    assert!(said.out.contains("test_accuracy"), "{}", said.out);
}
