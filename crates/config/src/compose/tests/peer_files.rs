//! Files in the shapes that ModelGenerator's users have.

use std::collections::BTreeMap;

use super::*;

const CLASSIFY: &str = r#"
seed_everything: 42
ckpt_path: null
trainer:
  accelerator: auto
  devices: auto
  strategy:
    class_path: lightning.pytorch.strategies.DDPStrategy
    dict_kwargs: {find_unused_parameters: true}
  num_nodes: 1
  precision: 32
  gradient_clip_val: 0.1
  gradient_clip_algorithm: norm
  accumulate_grad_batches: 2
  check_val_every_n_epoch: null
  max_epochs: 15
  default_root_dir: logs
  profiler: null
  logger:
    class_path: lightning.pytorch.loggers.WandbLogger
    init_args: {name: fold, project: proteins, save_dir: logs}
  callbacks:
  - class_path: lightning.pytorch.callbacks.ModelCheckpoint # save the best
    dict_kwargs:
      monitor: val_accuracy
      mode: max
      filename: best_val:{step}-{val_accuracy:.3f}
      save_top_k: 1
  - class_path: lightning.pytorch.callbacks.EarlyStopping
    dict_kwargs: {monitor: val_accuracy, patience: 5}
model:
  class_path: modelgenerator.tasks.SequenceClassification
  init_args:
    n_classes: 1195
    backbone:
      class_path: modelgenerator.backbones.aido_rna_650m
      init_args:
        max_length: 196_608
        use_peft: True
        lora_r: 16
        lora_alpha: 16
        lora_dropout: 0
        lora_target_modules: [query, value, dense_h_to_4h]
        config_overwrites: {hidden_dropout_prob: 0, attention_probs_dropout_prob: 0}
        model_init_args: null
    adapter:
      class_path: modelgenerator.adapters.MLPPoolAdapter
      init_args:
        hidden_sizes: [1152]
        pooling: mean_pooling
        activation_layer: {class_path: torch.nn.Tanh}
        bias: true
        dropout: 0
        dropout_in_middle: false
    optimizer:
      class_path: torch.optim.AdamW
      init_args:
        lr: 1e-4
        weight_decay: 0
        betas: [0.9, 0.95]
        eps: 1e-8
        foreach: null
        fused: null
        amsgrad: false
    lr_scheduler:
      class_path: modelgenerator.lr_schedulers.CosineWithWarmup
      init_args: {warmup_ratio: 0.05, num_warmup_steps: null, last_epoch: -1}
    strict_loading: true
    reset_optimizer_states: false
data:
  class_path: modelgenerator.data.SequenceClassificationDataModule
  init_args:
    path: ./folds
    rename_cols: {seq: sequences}
    train_split_files: [a.tsv, b.tsv]
    test_split_files: c.tsv
    x_col: seq
    batch_size: 1
    num_workers: 4
"#;

fn classify(options: &str) -> (SequenceClassification, Experiment, Vec<String>) {
    let (experiment, notes) = experiment(&[CLASSIFY], options);
    match experiment.model.clone() {
        Some(Task::SequenceClassification(task)) => (task, experiment, notes),
        other => panic!("{other:?}"),
    }
}

fn rna(backbone: &Backbone) -> &Encoder {
    match backbone {
        Backbone::Rna(rna) => &rna.encoder,
        Backbone::Preset(preset) => panic!("{preset:?}"),
    }
}

#[test]
fn a_classification_recipe_means_what_it_says() {
    let (task, experiment, notes) = classify("");
    assert_eq!(task.n_classes, 1195);
    let encoder = rna(&task.backbone);
    assert_eq!(
        (
            encoder.max_length,
            encoder.use_peft,
            encoder.lora_alpha,
            encoder.lora_dropout
        ),
        (Some(196_608), true, 16.0, 0.0)
    );
    assert_eq!(
        encoder.lora_target_modules,
        ["query", "value", "dense_h_to_4h"]
    );
    let Adapter::Pool(adapter) = &task.adapter else {
        panic!("another head")
    };
    assert_eq!(
        (
            adapter.hidden_sizes.as_slice(),
            adapter.dropout,
            adapter.bias
        ),
        ([1152].as_slice(), 0.0, true)
    );
    assert_eq!(adapter.activation_layer, Some(Tanh.into()));
    assert_eq!(
        task.optimizer,
        AdamW {
            lr: 1e-4,
            betas: [0.9, 0.95],
            eps: 1e-8,
            weight_decay: 0.0,
            amsgrad: false
        }
        .into()
    );
    assert_eq!(
        task.lr_scheduler,
        Some(
            CosineWithWarmup {
                warmup_ratio: Some(0.05),
                num_warmup_steps: None,
                last_epoch: Some(-1)
            }
            .into()
        )
    );
    let trainer = &experiment.trainer;
    assert_eq!(
        (
            trainer.precision.as_deref(),
            trainer.gradient_clip_val,
            trainer.check_val_every_n_epoch
        ),
        (Some("32"), Some(0.1), None)
    );
    assert_eq!(trainer.callbacks.len(), 2);
    assert_eq!(trainer.profiler, None);
    assert_eq!(
        notes,
        [
            "a.yaml:79: data.init_args.num_workers: ignored, one thread reads ahead",
            "a.yaml:7: trainer.strategy: ignored, one process trains",
            "a.yaml:10: trainer.num_nodes: ignored, one machine trains",
        ]
    );
}

#[test]
fn the_usual_overrides_of_shell_scripts_work() {
    let options = "--trainer.logger.name run2 --trainer.callbacks.dirpath out --trainer.callbacks.0.dirpath best --trainer.devices 0,1,2,3 \
        --trainer.precision bf16-mixed --trainer.profiler null --trainer.max_steps -1 --trainer.fast_dev_run --data.path ./other \
        --data.batch_size 4 --data.rename_cols.id ids --data.config_name fold-1 --model.strict_loading False --model.optimizer.lr 2e-5 \
        --model.adapter modelgenerator.adapters.LinearCLSAdapter --model.backbone.use_peft false --model.lr_scheduler null --ckpt_path last";
    // The last callback is an early stop, which has no folder.
    assert_eq!(
        refusal(&[CLASSIFY], options),
        "--trainer.callbacks.dirpath: unknown key. EarlyStopping takes: monitor, patience"
    );
    let (task, experiment, _) =
        classify(&options.replace("callbacks.dirpath out", "callbacks.patience 9"));
    assert_eq!(task.adapter, LinearCLSAdapter.into());
    assert!(!task.strict_loading && !rna(&task.backbone).use_peft && task.lr_scheduler.is_none());
    assert_eq!(rna(&task.backbone).max_length, Some(196_608));
    let trainer = &experiment.trainer;
    assert_eq!(trainer.devices.as_deref(), Some("0,1,2,3"));
    assert!(trainer.fast_dev_run);
    assert_eq!(
        trainer.callbacks.get(1),
        Some(
            &EarlyStopping {
                monitor: "val_accuracy".to_owned(),
                patience: 9
            }
            .into()
        )
    );
    assert!(
        matches!(trainer.callbacks.first(), Some(Callback::ModelCheckpoint(saver)) if saver.dirpath == Some("best".into()))
    );
    let Some(Data::SequenceClassification(data)) = &experiment.data else {
        panic!("no data")
    };
    assert_eq!(data.rename_cols.as_ref().map(BTreeMap::len), Some(2));
    assert_eq!(
        (data.batch_size, data.config_name.as_deref()),
        (4, Some("fold-1"))
    );
    assert_eq!(experiment.ckpt_path, Some("last".into()));
}

#[test]
fn example_files_stack() {
    let lora = "model:\n  class_path: SequenceClassification\n  init_args:\n    n_classes: 2\n    backbone:\n      class_path: aido_rna_650m\n      init_args: {use_peft: true, lora_r: 16, lora_alpha: 32, lora_dropout: 0.1}\n";
    let quick = "trainer: {fast_dev_run: true, devices: 1, precision: 32, log_every_n_steps: 1}\n";
    let predict = "trainer:\n  callbacks:\n    class_path: modelgenerator.callbacks.PredictionWriter\n    init_args: {output_dir: predictions, filetype: pt}\n";
    let (experiment, _) = experiment(
        &[lora, quick, predict],
        "--trainer.callbacks.write_cols '[id, prediction]' --model.backbone ./minilm",
    );
    assert_eq!(
        experiment.trainer.callbacks,
        [PredictionWriter {
            output_dir: "predictions".into(),
            filetype: "pt".into(),
            write_cols: Some(vec!["id".into(), "prediction".into()])
        }
        .into()]
    );
    let Some(Task::SequenceClassification(task)) = experiment.model else {
        panic!("another task")
    };
    let Backbone::Preset(preset) = task.backbone else {
        panic!("another backbone")
    };
    assert_eq!(
        (
            preset.preset.as_str(),
            preset.encoder.lora_r,
            preset.encoder.use_peft
        ),
        ("./minilm", 16, true)
    );
}

#[test]
fn bare_strings_stand_for_classes() {
    let file = "model:\n  class_path: SequenceClassification\n  init_args:\n    backbone: aido_rna_650m\n    adapter: modelgenerator.adapters.LinearCLSAdapter\n    optimizer: torch.optim.AdamW\ndata:\n  class_path: SequenceClassificationDataModule\n  init_args: {path: a.tsv}\n";
    let (experiment, notes) = experiment(&[file], "");
    let Some(Task::SequenceClassification(task)) = experiment.model else {
        panic!("another task")
    };
    assert_eq!(
        (task.adapter, task.optimizer, notes),
        (LinearCLSAdapter.into(), Optimizer::default(), vec![])
    );
}

#[test]
fn several_backbones_and_nested_heads_are_read() {
    let file = "
model:
  class_path: MMSequenceRegression
  init_args:
    backbone: {class_path: enformer, init_args: {max_length: 196608, frozen: True}}
    backbone1: {class_path: aido_rna_650m, init_args: {config_overwrites: {hidden_dropout_prob: 0.1}}}
    backbone2: null
    backbone_order: [dna_seq, rna_seq]
    num_outputs: 30
    loss_func: {class_path: torch.nn.L1Loss}
    adapter:
      class_path: MMFusionSeqAdapter
      init_args:
        fusion: {class_path: CrossAttentionFusion, init_args: {project_size: 1024, num_attention_heads: 16}}
        adapter: {class_path: MLPPoolAdapter, init_args: {hidden_sizes: [512], dropout: 0.1, activation_layer: torch.nn.ReLU}}
";
    let (experiment, _) = experiment(
        &[file],
        "--model.adapter.adapter.dropout 0.2 --model.adapter.fusion.pooling cls",
    );
    let Some(Task::MMSequenceRegression(task)) = experiment.model else {
        panic!("another task")
    };
    let Adapter::Fusion(fusion) = task.adapter else {
        panic!("another head")
    };
    assert_eq!(
        to_flow(&fusion.fusion),
        "{class_path: CrossAttentionFusion, init_args: {project_size: 1024, num_attention_heads: 16, pooling: cls}}"
    );
    let Adapter::Pool(head) = *fusion.adapter else {
        panic!("another head")
    };
    assert_eq!(
        (head.dropout, head.activation_layer),
        (0.2, Some(ReLU.into()))
    );
}

#[test]
fn the_long_form_of_shell_scripts_works() {
    let (experiment, _) = experiment(
        &[],
        "--model SequenceClassification --model.init_args.backbone.class_path aido_rna_650m --model.init_args.backbone.init_args.max_length 7 \
         --data SequenceClassificationDataModule --data.init_args.path x.tsv --trainer.callbacks+ ModelCheckpoint --seed_everything 3",
    );
    let Some(Task::SequenceClassification(task)) = experiment.model else {
        panic!("another task")
    };
    assert_eq!(rna(&task.backbone).max_length, Some(7));
    assert_eq!(
        experiment.trainer.callbacks,
        [ModelCheckpoint::default().into()]
    );
    assert_eq!(experiment.seed_everything, Some(3));
}

#[test]
fn the_resolved_experiment_reads_back_as_itself() {
    let (experiment, _) = experiment(
        &[CLASSIFY],
        "--model.backbone ./minilm --model.optimizer SGD",
    );
    let text = engraft_component::to_yaml(&experiment.to_node());
    let (again, notes) = super::experiment(&[&text], "");
    assert_eq!((again, notes), (experiment, vec![]));
}
