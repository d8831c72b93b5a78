//! Stand-ins for the components, with the arguments that real files give them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use engraft_component::{Choice, Component, Node};

/// Everything in an experiment file.
#[derive(Clone, Debug, PartialEq, Component)]
pub(super) struct Experiment {
    pub(super) model: Option<Task>,
    pub(super) data: Option<Data>,
    #[arg(default)]
    pub(super) trainer: Trainer,
    pub(super) seed_everything: Option<u64>,
    pub(super) ckpt_path: Option<PathBuf>,
    pub(super) return_predictions: Option<bool>,
}

/// Labels for whole sequences.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.tasks.SequenceClassification")]
#[component(ignored(log_grad_norm_step = "norms are always logged"))]
pub(super) struct SequenceClassification {
    pub(super) backbone: Backbone,
    #[arg(default = Adapter::Pool(MlpPoolAdapter::default()))]
    pub(super) adapter: Adapter,
    #[arg(default)]
    pub(super) optimizer: Optimizer,
    pub(super) lr_scheduler: Option<Scheduler>,
    #[arg(default = 2)]
    pub(super) n_classes: usize,
    #[arg(default = false)]
    pub(super) multilabel: bool,
    #[arg(default = true)]
    pub(super) strict_loading: bool,
    #[arg(default = false)]
    pub(super) reset_optimizer_states: bool,
    #[arg(default = false)]
    pub(super) use_legacy_adapter: bool,
}

/// Vectors for sequences.
#[derive(Clone, Debug, PartialEq, Component)]
pub(super) struct Embed {
    pub(super) backbone: Backbone,
    pub(super) pooling: Option<String>,
}

/// Several backbones at once.
#[derive(Clone, Debug, PartialEq, Component)]
pub(super) struct MMSequenceRegression {
    pub(super) backbone: Backbone,
    pub(super) backbone1: Option<Backbone>,
    pub(super) backbone2: Option<Backbone>,
    pub(super) backbone_order: Vec<String>,
    pub(super) adapter: Adapter,
    #[arg(default)]
    pub(super) optimizer: Optimizer,
    #[arg(default = 1)]
    pub(super) num_outputs: usize,
    pub(super) loss_func: Option<Activation>,
}

/// What is learned.
#[derive(Clone, Debug, PartialEq, Choice)]
pub(super) enum Task {
    SequenceClassification(SequenceClassification),
    MMSequenceRegression(Box<MMSequenceRegression>),
    Embed(Embed),
}

/// A registered model.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "aido_rna_650m")]
#[component(ignored(model_init_args = "the checkpoint decides"))]
pub(super) struct Rna {
    #[arg(flatten)]
    pub(super) encoder: Encoder,
    pub(super) enable_rag: Option<bool>,
}

/// Any other model.
#[derive(Clone, Debug, PartialEq, Component)]
pub(super) struct Preset {
    #[arg(name_slot)]
    pub(super) preset: String,
    #[arg(flatten)]
    pub(super) encoder: Encoder,
}

/// Arguments of every backbone.
#[derive(Clone, Debug, PartialEq, Component)]
pub(super) struct Encoder {
    pub(super) max_length: Option<usize>,
    #[arg(default = false)]
    pub(super) use_peft: bool,
    #[arg(default = 16)]
    pub(super) lora_r: usize,
    #[arg(default = 32.0)]
    pub(super) lora_alpha: f64,
    #[arg(default = 0.1)]
    pub(super) lora_dropout: f64,
    #[arg(default = Vec::new())]
    pub(super) lora_target_modules: Vec<String>,
    #[arg(default = false)]
    pub(super) lora_use_rslora: bool,
    #[arg(default = false)]
    pub(super) save_peft_only: bool,
    #[arg(default = false)]
    pub(super) frozen: bool,
    #[arg(default = false)]
    pub(super) from_scratch: bool,
    pub(super) config_overwrites: Option<BTreeMap<String, Node>>,
}

/// Pretrained encoders.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(otherwise = Preset)]
pub(super) enum Backbone {
    Rna(Rna),
    Preset(Preset),
}

/// A pooled head.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "MLPPoolAdapter")]
pub(super) struct MlpPoolAdapter {
    #[arg(default = vec![128])]
    pub(super) hidden_sizes: Vec<usize>,
    pub(super) activation_layer: Option<Activation>,
    #[arg(default = true)]
    pub(super) bias: bool,
    #[arg(default = 0.0)]
    pub(super) dropout: f64,
    #[arg(default = true)]
    pub(super) dropout_in_middle: bool,
    pub(super) pooling: Option<String>,
}

/// A linear head.
#[derive(Clone, Debug, PartialEq, Component)]
pub(super) struct LinearCLSAdapter;

/// A head over several backbones.
#[derive(Clone, Debug, PartialEq, Component)]
pub(super) struct MMFusionSeqAdapter {
    pub(super) fusion: Node,
    pub(super) adapter: Box<Adapter>,
}

/// Heads.
#[derive(Clone, Debug, PartialEq, Choice)]
pub(super) enum Adapter {
    Pool(MlpPoolAdapter),
    Linear(LinearCLSAdapter),
    Fusion(MMFusionSeqAdapter),
}

/// Rectified.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.nn.ReLU")]
pub(super) struct ReLU;

/// Squashed.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "torch.nn.Tanh")]
pub(super) struct Tanh;

/// Absolute differences.
#[derive(Clone, Debug, PartialEq, Component)]
pub(super) struct L1Loss;

/// Functions.
#[derive(Clone, Debug, PartialEq, Choice)]
pub(super) enum Activation {
    ReLU(ReLU),
    Tanh(Tanh),
    L1Loss(L1Loss),
}

/// Adam with decoupled decay.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(
    fused = "the step is always fused",
    foreach = "all parameters step at once"
))]
pub(super) struct AdamW {
    #[arg(default = 1e-3)]
    pub(super) lr: f64,
    #[arg(default = [0.9, 0.999])]
    pub(super) betas: [f64; 2],
    #[arg(default = 1e-8)]
    pub(super) eps: f64,
    #[arg(default = 0.01)]
    pub(super) weight_decay: f64,
    #[arg(default = false)]
    pub(super) amsgrad: bool,
}

/// Gradient descent.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "SGD")]
pub(super) struct Sgd {
    #[arg(default = 1e-3)]
    pub(super) lr: f64,
    #[arg(default = 0.0)]
    pub(super) momentum: f64,
}

/// Optimizers.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(default = AdamW)]
pub(super) enum Optimizer {
    AdamW(AdamW),
    Sgd(Sgd),
}

/// A cosine.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(verbose = "the rate is always logged"))]
pub(super) struct CosineWithWarmup {
    pub(super) warmup_ratio: Option<f64>,
    pub(super) num_warmup_steps: Option<u64>,
    pub(super) last_epoch: Option<i64>,
}

/// Schedules.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(kind = "learning-rate schedule")]
pub(super) enum Scheduler {
    Cosine(CosineWithWarmup),
}

/// Rows of sequences.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(
    num_workers = "one thread reads ahead",
    pin_memory = "memory is never pinned"
))]
pub(super) struct SequenceClassificationDataModule {
    pub(super) path: PathBuf,
    pub(super) config_name: Option<String>,
    #[arg(default = vec!["sequences".to_owned()])]
    pub(super) x_col: Vec<String>,
    pub(super) y_col: Option<String>,
    pub(super) rename_cols: Option<BTreeMap<String, String>>,
    pub(super) train_split_files: Option<Vec<String>>,
    pub(super) test_split_files: Option<Vec<String>>,
    #[arg(default = 0.1)]
    pub(super) valid_split_size: f64,
    #[arg(default = 128)]
    pub(super) batch_size: usize,
    #[arg(default = 42)]
    pub(super) random_seed: u64,
    #[arg(default = true)]
    pub(super) shuffle: bool,
}

/// Data.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(kind = "data module")]
pub(super) enum Data {
    SequenceClassification(SequenceClassificationDataModule),
}

/// How to train.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(ignored(strategy = "one process trains", num_nodes = "one machine trains"))]
pub(super) struct Trainer {
    #[arg(default = 1)]
    pub(super) max_epochs: i64,
    #[arg(default = -1)]
    pub(super) max_steps: i64,
    pub(super) devices: Option<String>,
    pub(super) precision: Option<String>,
    pub(super) accelerator: Option<String>,
    pub(super) default_root_dir: Option<PathBuf>,
    pub(super) gradient_clip_val: Option<f64>,
    pub(super) gradient_clip_algorithm: Option<String>,
    #[arg(default = 1)]
    pub(super) accumulate_grad_batches: usize,
    #[arg(default = 50)]
    pub(super) log_every_n_steps: usize,
    pub(super) check_val_every_n_epoch: Option<usize>,
    #[arg(default = false)]
    pub(super) fast_dev_run: bool,
    pub(super) logger: Option<Node>,
    pub(super) profiler: Option<Node>,
    #[arg(default = Vec::new())]
    pub(super) callbacks: Vec<Callback>,
}

/// Saves.
#[derive(Clone, Debug, Default, PartialEq, Component)]
#[component(no_default)]
pub(super) struct ModelCheckpoint {
    pub(super) dirpath: Option<PathBuf>,
    pub(super) filename: Option<String>,
    pub(super) monitor: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) save_top_k: Option<i64>,
    pub(super) every_n_epochs: Option<u64>,
}

/// Stops.
#[derive(Clone, Debug, PartialEq, Component)]
pub(super) struct EarlyStopping {
    pub(super) monitor: String,
    #[arg(default = 3)]
    pub(super) patience: usize,
}

/// Writes.
#[derive(Clone, Debug, PartialEq, Component)]
pub(super) struct PredictionWriter {
    pub(super) output_dir: PathBuf,
    #[arg(default = "tsv".to_owned())]
    pub(super) filetype: String,
    pub(super) write_cols: Option<Vec<String>>,
}

/// Callbacks.
#[derive(Clone, Debug, PartialEq, Choice)]
pub(super) enum Callback {
    ModelCheckpoint(ModelCheckpoint),
    EarlyStopping(EarlyStopping),
    PredictionWriter(PredictionWriter),
}
