//! The experiment files, by their classes and keys.

use std::fmt::Write;

use super::rows::{DNA, Label, PROTEIN, RNA, Rows};

/// What a published file trains.
pub(super) struct Published {
    /// A name of its own, which is also that of the folder of its rows.
    pub(super) name: &'static str,
    /// The task, and its arguments beside the backbone, the adapter and those that all have.
    pub(super) task: &'static str,
    pub(super) arguments: &'static str,
    pub(super) backbone: &'static str,
    pub(super) backbone_arguments: &'static str,
    /// The adapter as flow YAML, if there is one.
    pub(super) adapter: Option<&'static str>,
    pub(super) data: &'static str,
    pub(super) data_arguments: &'static str,
    pub(super) trainer: &'static str,
    /// The backbone's smallest shape.
    pub(super) debug: &'static str,
    pub(super) rows: Rows,
}

const SPLITS: &[&str] = &["train.csv", "test.csv"];
const THREE_SPLITS: &[&str] = &["train.tsv", "validation.tsv", "test.tsv"];

const DNA_LORA: &str = "{from_scratch: false, use_peft: true, save_peft_only: true, lora_r: 16, lora_alpha: 32, lora_dropout: 0.1, lora_target_modules: [query, value], \
                        config_overwrites: {hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1}, model_init_args: null}";
const RNA_LORA: &str = "{from_scratch: false, max_length: 1024, use_peft: true, save_peft_only: true, lora_r: 32, lora_alpha: 64, lora_dropout: 0.1, \
                        lora_target_modules: [query, value], config_overwrites: {hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1}, model_init_args: null}";
const RNA_WHOLE: &str = "{from_scratch: false, max_length: 1024, use_peft: false, config_overwrites: {hidden_dropout_prob: 0, attention_probs_dropout_prob: 0}, model_init_args: null}";
const LINEAR: Option<&str> = Some("modelgenerator.adapters.LinearCLSAdapter");
const MEAN: Option<&str> = Some(
    "{class_path: modelgenerator.adapters.MLPPoolAdapter, init_args: {pooling: mean_pooling, hidden_sizes: [512], bias: true, dropout: 0.1, dropout_in_middle: false}}",
);
const FIRST: Option<&str> = Some(
    "{class_path: modelgenerator.adapters.MLPPoolAdapter, init_args: {pooling: cls_pooling, hidden_sizes: [512, 128], bias: true, dropout: 0.1, dropout_in_middle: false}}",
);

const ON_DNA: &str = "{accelerator: auto, devices: 4, strategy: {class_path: lightning.pytorch.strategies.DDPStrategy, init_args: {find_unused_parameters: true}}, \
    precision: 32, max_epochs: 20, gradient_clip_val: 1, log_every_n_steps: 50, default_root_dir: logs, \
    logger: {class_path: lightning.pytorch.loggers.WandbLogger, init_args: {name: null, project: AIDO, save_dir: logs}}, callbacks: [\
    {class_path: lightning.pytorch.callbacks.ModelCheckpoint, dict_kwargs: {filename: \"{epoch}-{val_mcc:.3f}\", monitor: val_mcc, mode: max, save_top_k: 1}}, \
    {class_path: lightning.pytorch.callbacks.EarlyStopping, dict_kwargs: {monitor: val_mcc, mode: max, patience: 10}}]}";
const ON_RNA: &str = "{accelerator: auto, devices: auto, num_nodes: 1, strategy: {class_path: lightning.pytorch.strategies.DDPStrategy, init_args: {find_unused_parameters: true}}, \
    precision: bf16-mixed, max_epochs: 15, max_steps: -1, gradient_clip_val: 1, gradient_clip_algorithm: null, accumulate_grad_batches: 1, profiler: null, val_check_interval: null, \
    check_val_every_n_epoch: null, default_root_dir: null, detect_anomaly: false, logger: true, callbacks: [\
    {class_path: lightning.pytorch.callbacks.ModelCheckpoint, init_args: {dirpath: null, filename: \"best_val:{epoch}-{val_loss:.3f}\", monitor: val_loss, mode: min, every_n_epochs: 1, save_top_k: 1, \
    save_last: true, save_weights_only: false}}]}";

const PROTEIN_LORA: &str = "{from_scratch: false, max_length: 2048, use_peft: true, save_peft_only: true, lora_r: 16, lora_alpha: 16, lora_dropout: 0, lora_use_rslora: true, \
    lora_target_modules: [query, value, key, dense, router], config_overwrites: {hidden_dropout_prob: 0, attention_probs_dropout_prob: 0, gradient_checkpointing: true}, model_init_args: null}";
const PROTEIN_FROZEN: &str =
    "{max_length: 2048, frozen: true, use_peft: false, save_peft_only: true}";
const WIDE: Option<&str> = Some(
    "{class_path: modelgenerator.adapters.MLPPoolAdapter, init_args: {pooling: mean_pooling, hidden_sizes: [1152], activation_layer: {class_path: torch.nn.Tanh}, bias: true, dropout: 0.1, dropout_in_middle: false}}",
);
const PROBE: Option<&str> = Some(
    "{class_path: modelgenerator.adapters.MLPPoolAdapter, init_args: {pooling: mean_pooling, hidden_sizes: [128], bias: true, dropout: 0.1, dropout_in_middle: false}}",
);
const ON_TOKENS: Option<&str> = Some(
    "{class_path: modelgenerator.adapters.MLPAdapter, init_args: {hidden_sizes: [128], bias: true, dropout: 0.1, dropout_in_middle: false}}",
);
const ON_PAIRS: Option<&str> = Some(
    "{class_path: modelgenerator.adapters.MLPAdapter, init_args: {hidden_sizes: [128], activation_layer: {class_path: torch.nn.ReLU}, bias: true, dropout: 0, dropout_in_middle: false}}",
);
const ON_PROTEIN: &str = "{accelerator: auto, devices: 8, num_nodes: 4, strategy: {class_path: lightning.pytorch.strategies.DDPStrategy, dict_kwargs: {find_unused_parameters: true}}, \
    precision: bf16, max_epochs: 15, max_steps: -1, gradient_clip_val: 0.1, gradient_clip_algorithm: norm, accumulate_grad_batches: 2, profiler: null, val_check_interval: 100, log_every_n_steps: 5, \
    default_root_dir: logs, logger: {class_path: lightning.pytorch.loggers.WandbLogger, init_args: {name: run, project: AIDO, save_dir: logs, save_code: true}}, callbacks: [\
    {class_path: lightning.pytorch.callbacks.LearningRateMonitor, init_args: {logging_interval: step, log_momentum: false, log_weight_decay: false}}, \
    {class_path: lightning.pytorch.callbacks.ModelCheckpoint, init_args: {dirpath: null, filename: \"best_val:{step}-{val_loss:.3f}\", monitor: val_loss, mode: min, save_top_k: 1, every_n_epochs: 1, \
    save_on_train_epoch_end: null}}]}";
const SHARDED: &str = "{accelerator: auto, devices: 8, num_nodes: 2, strategy: {class_path: lightning.pytorch.strategies.FSDPStrategy, init_args: {sharding_strategy: HYBRID_SHARD, \
    auto_wrap_policy: modelgenerator.distributed.fsdp.wrap.AutoWrapPolicy}}, precision: bf16-mixed, max_epochs: null, max_steps: 10000, gradient_clip_val: 0.1, gradient_clip_algorithm: value, \
    logger: false, callbacks: [{class_path: lightning.pytorch.callbacks.EarlyStopping, dict_kwargs: {monitor: val_loss, mode: min, patience: 5, verbose: true}}]}";
const UNFREEZING: &str = "{accelerator: auto, devices: 1, precision: 32, max_epochs: 70, logger: false, callbacks: [\
    {class_path: lightning.pytorch.callbacks.ModelCheckpoint, dict_kwargs: {monitor: val_r2, mode: max, save_top_k: 1, auto_insert_metric_name: false}}, \
    {class_path: lightning.pytorch.callbacks.LearningRateMonitor, dict_kwargs: {logging_interval: step}}, \
    {class_path: modelgenerator.callbacks.FTScheduler, dict_kwargs: {ft_schedule_path: null}}]}";

const FOLDS: &str = "{path: genbio-ai/rna-downstream-tasks, config_name: null, train_split_name: train, test_split_name: null, valid_split_name: null, cv_num_folds: 5, cv_test_fold_id: 0, \
    cv_enable_val_fold: true, cv_fold_id_col: fold_id, random_seed: 42, normalize: true, batch_size: 4, shuffle: true, sampler: null, num_workers: 0, pin_memory: true, persistent_workers: false}";

const RAG_LORA: &str = "{from_scratch: false, max_length: 12800, use_peft: true, save_peft_only: true, lora_r: 16, lora_alpha: 16, lora_dropout: 0, \
    lora_target_modules: [query, value, key, dense, router], config_overwrites: {hidden_dropout_prob: 0, attention_probs_dropout_prob: 0, str_embedding_in: 384}, model_init_args: null}";
const RAG_RANKED: &str = "{from_scratch: false, max_length: 12800, use_peft: true, save_peft_only: true, lora_r: 16, lora_alpha: 16, lora_dropout: 0, lora_use_rslora: true, \
    lora_target_modules: [query, value, key, dense, router], config_overwrites: {hidden_dropout_prob: 0, attention_probs_dropout_prob: 0, gradient_checkpointing: true}, model_init_args: null}";
const RAG_REQUIRED: &str = "{from_scratch: false, max_length: 6400, use_peft: true, save_peft_only: true, lora_r: 16, lora_alpha: 16, lora_dropout: 0, enable_rag: true, \
    lora_target_modules: [query, value, key, dense, router], config_overwrites: {hidden_dropout_prob: 0, attention_probs_dropout_prob: 0}, model_init_args: null}";
const ON_CONTACTS: Option<&str> = Some(
    "{class_path: modelgenerator.adapters.MLPAdapterWithoutOutConcat, init_args: {hidden_sizes: [128], activation_layer: {class_path: torch.nn.ReLU}, bias: true, dropout: 0, dropout_in_middle: false}}",
);
/// The smallest shape that reads alignments, and three numbers about the structure of each residue.
const ALIGNED_DEBUG: &str = "aido_protein_debug --model.backbone.config_overwrites.position_embedding_type rope_2d --model.backbone.config_overwrites.str_embedding_in 3";
const ALIGNED_SPLITS: &[&str] = &["train.jsonl", "valid.jsonl", "test.jsonl"];

/// Contacts of proteins, of which each brings an alignment.
const ALIGNED_CONTACTS: Published = Published {
    name: "rag_contacts_ddp",
    task: "PairwiseTokenClassification",
    arguments: "adapter_dim_multiplier: 1, use_legacy_adapter: false",
    backbone: "aido_protein_rag_16b",
    backbone_arguments: RAG_RANKED,
    adapter: ON_CONTACTS,
    data: "ContactPredictionBinary",
    data_arguments: "{path: proteinglm/contact_prediction_binary, config_name: null, batch_size: 1, max_length: 12800, truncate_extra_cols: true, extra_cols: [msa, str_emb], random_seed: 42, shuffle: true, is_rag_dataset: true, max_context_length: 12800, msa_random_seed: 1}",
    trainer: ON_PROTEIN,
    debug: ALIGNED_DEBUG,
    rows: Rows {
        folder: "",
        files: ALIGNED_SPLITS,
        letters: PROTEIN,
        text: "seq",
        label: Label::Pairs("label"),
    },
};

/// Two classes of DNA.
const DNA_CLASSES: Published = Published {
    name: "nt_enhancers",
    task: "SequenceClassification",
    arguments: "n_classes: 2",
    backbone: "aido_dna_7b",
    backbone_arguments: DNA_LORA,
    adapter: LINEAR,
    data: "NTClassification",
    data_arguments: "{path: InstaDeepAI/nucleotide_transformer_downstream_tasks, config_name: enhancers, batch_size: 8}",
    trainer: ON_DNA,
    debug: "aido_dna_debug",
    rows: Rows {
        folder: "enhancers",
        files: SPLITS,
        letters: DNA,
        text: "sequence",
        label: Label::Class("label", 2),
    },
};

/// Two classes of RNA.
const RNA_CLASSES: Published = Published {
    name: "splice_site",
    task: "SequenceClassification",
    arguments: "n_classes: 2, multilabel: false",
    backbone: "aido_rna_1b600m",
    backbone_arguments: RNA_LORA,
    adapter: FIRST,
    data: "SpliceSitePrediction",
    data_arguments: "{path: genbio-ai/rna-downstream-tasks, config_name: splice_site_acceptor, train_split_name: train, valid_split_name: validation, test_split_name: test_danio, batch_size: 16}",
    trainer: ON_RNA,
    debug: "aido_rna_debug",
    rows: Rows {
        folder: "splice_site_acceptor",
        files: &["train.tsv", "validation.tsv", "test_danio.tsv"],
        letters: RNA,
        text: "sequences",
        label: Label::Class("labels", 2),
    },
};

/// A number of RNA, in folds.
const RNA_NUMBERS: Published = Published {
    name: "transcript_abundance",
    task: "SequenceRegression",
    arguments: "num_outputs: 1",
    backbone: "aido_rna_1b600m",
    backbone_arguments: RNA_LORA,
    adapter: MEAN,
    data: "TranscriptAbundance",
    data_arguments: FOLDS,
    trainer: ON_RNA,
    debug: "aido_rna_debug",
    rows: Rows {
        folder: "",
        files: &["train.tsv"],
        letters: RNA,
        text: "sequences",
        label: Label::Folds("labels", 5),
    },
};

/// Two classes of proteins.
const PROTEIN_CLASSES: Published = Published {
    name: "tcr_pmhc_affinity",
    task: "SequenceClassification",
    arguments: "n_classes: 2, use_legacy_adapter: false",
    backbone: "aido_protein_16b",
    backbone_arguments: PROTEIN_LORA,
    adapter: WIDE,
    data: "TcrPmhcAffinity",
    data_arguments: "{path: proteinglm/tcr_pmhc_affinity, config_name: null, batch_size: 2, shuffle: true}",
    trainer: ON_PROTEIN,
    debug: "aido_protein_debug",
    rows: Rows {
        folder: "",
        files: &["train.tsv", "valid.tsv", "test.tsv"],
        letters: PROTEIN,
        text: "seq",
        label: Label::Class("label", 2),
    },
};

/// A scan of a protein, in folds.
const PROTEIN_SCAN: Published = Published {
    name: "dms_indels_lora",
    task: "SequenceRegression",
    arguments: "num_outputs: 1, use_legacy_adapter: false",
    backbone: "aido_protein_16b",
    backbone_arguments: PROTEIN_LORA,
    adapter: PROBE,
    data: "DMSFitnessPrediction",
    data_arguments: "{path: genbio-ai/ProteinGYM-DMS, train_split_name: train, train_split_files: [indels.tsv], cv_num_folds: 5, cv_test_fold_id: 0, cv_enable_val_fold: true, cv_fold_id_col: fold_id, valid_split_name: null, valid_split_size: 0, test_split_name: null, test_split_size: 0, batch_size: 4, num_workers: 4, pin_memory: true, persistent_workers: true, prefetch_factor: 2}",
    trainer: ON_PROTEIN,
    debug: "aido_protein_debug",
    rows: Rows {
        folder: "",
        files: &["indels.tsv"],
        letters: PROTEIN,
        text: "sequences",
        label: Label::Folds("labels", 5),
    },
};

pub(super) const PUBLISHED: &[Published] = &[
    Published {
        name: "gue_core_promoter_all",
        data: "GUEClassification",
        data_arguments: "{path: leannmlindsey/GUE, config_name: prom_core_all, batch_size: 4, shuffle: true, num_workers: 0}",
        rows: Rows {
            folder: "prom_core_all",
            files: &["train.csv", "dev.csv", "test.csv"],
            ..DNA_CLASSES.rows
        },
        ..DNA_CLASSES
    },
    Published {
        name: "gue_splice_reconstruction",
        arguments: "n_classes: 3",
        adapter: Some(
            "{class_path: modelgenerator.adapters.MLPPoolAdapter, init_args: {pooling: mean_pooling, hidden_sizes: [128], bias: true, dropout: 0.1, dropout_in_middle: false}}",
        ),
        data: "GUEClassification",
        data_arguments: "{path: leannmlindsey/GUE, config_name: splice_reconstructed, batch_size: 4}",
        rows: Rows {
            folder: "splice_reconstructed",
            label: Label::Class("label", 3),
            ..DNA_CLASSES.rows
        },
        ..DNA_CLASSES
    },
    DNA_CLASSES,
    Published {
        name: "nt_promoter_all",
        data_arguments: "{path: InstaDeepAI/nucleotide_transformer_downstream_tasks, config_name: promoter_all, batch_size: 4}",
        rows: Rows {
            folder: "promoter_all",
            ..DNA_CLASSES.rows
        },
        ..DNA_CLASSES
    },
    Published {
        name: "translation_efficiency",
        arguments: "num_outputs: 1, log_grad_norm_step: 0",
        backbone_arguments: RNA_WHOLE,
        data: "TranslationEfficiency",
        data_arguments: "{path: genbio-ai/rna-downstream-tasks, config_name: translation_efficiency_Muscle, cv_num_folds: 10, cv_test_fold_id: 0, cv_enable_val_fold: true, cv_fold_id_col: fold_id, normalize: true, batch_size: 8}",
        rows: Rows {
            folder: "translation_efficiency_Muscle",
            label: Label::Folds("labels", 10),
            ..RNA_NUMBERS.rows
        },
        ..RNA_NUMBERS
    },
    Published {
        name: "expression_level",
        arguments: "num_outputs: 1, loss_func: {class_path: torch.nn.L1Loss}",
        backbone_arguments: RNA_WHOLE,
        data: "ExpressionLevel",
        data_arguments: "{path: genbio-ai/rna-downstream-tasks, config_name: expression_Muscle, cv_num_folds: 10, cv_test_fold_id: 0, cv_enable_val_fold: true, cv_replace_val_fold_as_test_fold: false, batch_size: 32}",
        rows: Rows {
            folder: "expression_Muscle",
            label: Label::Folds("labels", 10),
            ..RNA_NUMBERS.rows
        },
        ..RNA_NUMBERS
    },
    RNA_NUMBERS,
    Published {
        name: "protein_abundance",
        backbone: "aido_rna_1b600m_cds",
        data: "ProteinAbundance",
        ..RNA_NUMBERS
    },
    Published {
        name: "ncrna_family",
        arguments: "n_classes: 88, multilabel: false",
        adapter: MEAN,
        data: "NcrnaFamilyClassification",
        data_arguments: "{path: genbio-ai/rna-downstream-tasks, config_name: ncrna_family_bnoise0, train_split_name: train, valid_split_name: validation, test_split_name: test, batch_size: 32}",
        rows: Rows {
            folder: "ncrna_family_bnoise0",
            files: THREE_SPLITS,
            label: Label::Class("labels", 88),
            ..RNA_CLASSES.rows
        },
        ..RNA_CLASSES
    },
    RNA_CLASSES,
    Published {
        name: "modification_site",
        arguments: "n_classes: 12, multilabel: true",
        data: "ModificationSitePrediction",
        data_arguments: "{path: genbio-ai/rna-downstream-tasks, config_name: modification_site, train_split_name: train, valid_split_name: validation, test_split_name: test, batch_size: 4}",
        rows: Rows {
            folder: "modification_site",
            files: THREE_SPLITS,
            label: Label::Flags("labels_", 12),
            ..RNA_CLASSES.rows
        },
        ..RNA_CLASSES
    },
    Published {
        name: "fold_prediction",
        arguments: "n_classes: 1195, use_legacy_adapter: false",
        data: "FoldPrediction",
        data_arguments: "{path: proteinglm/fold_prediction, config_name: null, batch_size: 2, shuffle: true}",
        rows: Rows {
            label: Label::Class("label", 8),
            ..PROTEIN_CLASSES.rows
        },
        ..PROTEIN_CLASSES
    },
    PROTEIN_CLASSES,
    Published {
        name: "peptide_hla_mhc_affinity",
        data: "PeptideHlaMhcAffinity",
        data_arguments: "{path: proteinglm/peptide_hla_mhc_affinity, config_name: null, batch_size: 2, shuffle: true}",
        ..PROTEIN_CLASSES
    },
    Published {
        name: "ssp_q3",
        task: "TokenClassification",
        arguments: "n_classes: 3, use_legacy_adapter: false",
        adapter: ON_TOKENS,
        data: "SspQ3",
        data_arguments: "{path: proteinglm/ssp_q3, config_name: null, batch_size: 1, max_length: 512, random_seed: 42, shuffle: true}",
        rows: Rows {
            label: Label::Letters("label"),
            ..PROTEIN_CLASSES.rows
        },
        ..PROTEIN_CLASSES
    },
    Published {
        name: "fluorescence",
        task: "SequenceRegression",
        arguments: "num_outputs: 1, use_legacy_adapter: false",
        data: "FluorescencePrediction",
        data_arguments: "{path: proteinglm/fluorescence, config_name: null, batch_size: 2, shuffle: true}",
        rows: Rows {
            label: Label::Number("label"),
            ..PROTEIN_CLASSES.rows
        },
        ..PROTEIN_CLASSES
    },
    Published {
        name: "stability",
        task: "SequenceRegression",
        arguments: "num_outputs: 1, use_legacy_adapter: false",
        backbone: "aido_protein_debug",
        data: "StabilityPrediction",
        data_arguments: "{path: proteinglm/stability, config_name: null, batch_size: 2, shuffle: true}",
        rows: Rows {
            label: Label::Number("label"),
            ..PROTEIN_CLASSES.rows
        },
        ..PROTEIN_CLASSES
    },
    Published {
        name: "contacts",
        task: "PairwiseTokenClassification",
        arguments: "adapter_dim_multiplier: 2, use_legacy_adapter: false",
        adapter: ON_PAIRS,
        data: "ContactPredictionBinary",
        data_arguments: "{path: proteinglm/contacts, config_name: null, batch_size: 1, max_length: 512, random_seed: 42, shuffle: true}",
        rows: Rows {
            label: Label::Pairs("label"),
            ..PROTEIN_CLASSES.rows
        },
        ..PROTEIN_CLASSES
    },
    Published {
        name: "dms_indels_probe",
        backbone_arguments: PROTEIN_FROZEN,
        ..PROTEIN_SCAN
    },
    PROTEIN_SCAN,
    Published {
        name: "dms_substitution_ddp",
        backbone: "aido_protein_16b_v1",
        data_arguments: "{path: genbio-ai/ProteinGYM-DMS, train_split_name: train, train_split_files: [substitutions.tsv], cv_num_folds: 5, cv_test_fold_id: 0, cv_enable_val_fold: true, cv_fold_id_col: fold_id, valid_split_name: null, valid_split_size: 0, test_split_name: null, test_split_size: 0, batch_size: 4, num_workers: 4, pin_memory: true, persistent_workers: true, prefetch_factor: 2}",
        rows: Rows {
            files: &["substitutions.tsv"],
            ..PROTEIN_SCAN.rows
        },
        ..PROTEIN_SCAN
    },
    Published {
        name: "dms_substitution_fsdp",
        backbone: "aido_protein_16b_v1",
        data_arguments: "{path: genbio-ai/ProteinGYM-DMS, train_split_name: train, train_split_files: [substitutions.tsv], cv_num_folds: 5, cv_test_fold_id: 0, cv_enable_val_fold: true, cv_fold_id_col: fold_id, valid_split_name: null, valid_split_size: 0, test_split_name: null, test_split_size: 0, batch_size: 4, num_workers: 4, pin_memory: true, persistent_workers: true, prefetch_factor: 2}",
        trainer: SHARDED,
        rows: Rows {
            files: &["substitutions.tsv"],
            ..PROTEIN_SCAN.rows
        },
        ..PROTEIN_SCAN
    },
    Published {
        name: "rag_dms_substitution",
        backbone: "aido_protein_rag_16b",
        backbone_arguments: RAG_REQUIRED,
        data_arguments: "{path: genbio-ai/ProteinGYM-DMS-RAG, train_split_name: train, train_split_files: [substitutions.jsonl], cv_num_folds: 5, cv_test_fold_id: 0, cv_enable_val_fold: true, cv_fold_id_col: fold_id, valid_split_name: null, valid_split_size: 0, test_split_name: null, test_split_size: 0, batch_size: 1, num_workers: 4, pin_memory: true, persistent_workers: true, is_rag_dataset: true, max_context_length: 6400, msa_random_seed: 1}",
        debug: ALIGNED_DEBUG,
        rows: Rows {
            files: &["substitutions.jsonl"],
            ..PROTEIN_SCAN.rows
        },
        ..PROTEIN_SCAN
    },
    ALIGNED_CONTACTS,
    Published {
        name: "rag_contacts_fsdp",
        trainer: SHARDED,
        ..ALIGNED_CONTACTS
    },
    Published {
        name: "rag_fluorescence",
        task: "SequenceRegression",
        arguments: "num_outputs: 1, use_legacy_adapter: false",
        backbone_arguments: RAG_LORA,
        adapter: WIDE,
        data: "FluorescencePrediction",
        data_arguments: "{path: proteinglm/fluorescence_prediction, config_name: null, batch_size: 2, shuffle: true, is_rag_dataset: true, max_context_length: 12800, msa_random_seed: 1}",
        rows: Rows {
            label: Label::Number("label"),
            ..ALIGNED_CONTACTS.rows
        },
        ..ALIGNED_CONTACTS
    },
    Published {
        name: "rag_fold_prediction",
        task: "SequenceClassification",
        arguments: "n_classes: 1195, use_legacy_adapter: false",
        backbone_arguments: RAG_LORA,
        adapter: WIDE,
        data: "FoldPrediction",
        data_arguments: "{path: proteinglm/fold_prediction, config_name: null, batch_size: 2, shuffle: true, is_rag_dataset: true, max_context_length: 12800, msa_random_seed: 1}",
        rows: Rows {
            label: Label::Class("label", 8),
            ..ALIGNED_CONTACTS.rows
        },
        ..ALIGNED_CONTACTS
    },
    Published {
        name: "rag_ssp_q3",
        task: "TokenClassification",
        arguments: "n_classes: 3, use_legacy_adapter: false",
        adapter: ON_TOKENS,
        data: "SspQ3",
        data_arguments: "{path: proteinglm/ssp_q3, config_name: null, batch_size: 1, max_length: 12800, truncate_extra_cols: true, extra_cols: [msa, str_emb], random_seed: 42, shuffle: true, is_rag_dataset: true, max_context_length: 12800, msa_random_seed: 1}",
        rows: Rows {
            label: Label::Letters("label"),
            ..ALIGNED_CONTACTS.rows
        },
        ..ALIGNED_CONTACTS
    },
    Published {
        name: "mean_ribosome_load",
        task: "SequenceRegressionWithScaling",
        backbone_arguments: RNA_WHOLE,
        adapter: Some(
            "{class_path: modelgenerator.adapters.ResNet1DAdapter, init_args: {dropout: 0.1, channels: 16, num_blocks: 2}}",
        ),
        data: "RNAMeanRibosomeLoadDataModule",
        data_arguments: "{path: genbio-ai/rna-downstream-tasks, config_name: mean_ribosome_load, x_col: sequence, y_col: label, train_split_name: train, valid_split_name: validation, test_split_name: test, batch_size: 8, normalize: false}",
        trainer: UNFREEZING,
        rows: Rows {
            folder: "mean_ribosome_load",
            files: THREE_SPLITS,
            text: "sequence",
            label: Label::Number("label"),
            ..RNA_NUMBERS.rows
        },
        ..RNA_NUMBERS
    },
];

impl Published {
    /// The file, with the keys that all of them have.
    pub(super) fn yaml(&self) -> String {
        let mut text = format!(
            "seed_everything: 42\nckpt_path: null\nmodel:\n  class_path: modelgenerator.tasks.{}\n  init_args:\n    backbone: {{class_path: modelgenerator.backbones.{}, init_args: {}}}\n",
            self.task, self.backbone, self.backbone_arguments
        );
        for argument in split_flow(self.arguments) {
            let _ = writeln!(text, "    {argument}");
        }
        if let Some(adapter) = self.adapter {
            let _ = writeln!(text, "    adapter: {adapter}");
            text += "    strict_loading: true\n    reset_optimizer_states: false\n";
            text += "    optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 1e-4, betas: [0.9, 0.95], eps: 1e-8, weight_decay: 0.01, amsgrad: false, \
                     capturable: false, differentiable: false, foreach: null, fused: null, maximize: false}}\n";
            text += "    lr_scheduler: {class_path: modelgenerator.lr_schedulers.CosineWithWarmup, init_args: {warmup_ratio: 0.05, num_warmup_steps: null, last_epoch: -1}}\n";
        }
        let _ = writeln!(
            text,
            "data: {{class_path: modelgenerator.data.{}, init_args: {}}}\ntrainer: {}",
            self.data, self.data_arguments, self.trainer
        );
        text
    }
}

/// The items of a flow mapping, divided at the commas that lie in none of its values.
fn split_flow(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ',' if depth == 0 => {
                items.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(text[start..].trim());
    items.retain(|item| !item.is_empty());
    items
}
