//! Equivalents of the experiment files that ModelGenerator publishes, by their classes and keys: each is taken as it is, and runs on a few rows of
//! the right kind with the backbone's smallest shape.

mod experiments;
mod rows;

use std::fs;

use crate::Workplace;
use experiments::PUBLISHED;

#[test]
fn every_published_experiment_is_taken_as_it_is_and_runs_on_a_few_rows() {
    let place = Workplace::empty();
    for published in PUBLISHED {
        let name = published.name;
        let file = format!("{name}.yaml");
        place.write(&file, &published.yaml());
        let printed = place.run(&format!("fit --config {file} --print_config"));
        assert_eq!(printed.code, Some(0), "{name}: {}", printed.err);
        published.rows.write(&place, name);
        place.write("schedule.yaml", "0: [adapter.*]\n1: [backbone.*]\n");
        let schedule = if published.trainer.contains("FTScheduler") {
            "--trainer.callbacks.ft_schedule_path schedule.yaml"
        } else {
            ""
        };
        let said = place.run(&format!(
            "fit --config {file} --model.backbone {} --data.path {name} --trainer.fast_dev_run true {schedule}",
            published.debug
        ));
        assert_eq!(said.code, Some(0), "{name}: {}", said.err);
    }
}

/// The files that score, predict, or learn structures: a name, a command, options on a few rows, and the file.
const OTHERS: &[(&str, &str, &str, &str)] = &[
    (
        "clinvar_diff",
        "test",
        "--model.backbone aido_dna_debug --data.reference_file genome.fa --data.window 8",
        "model: {class_path: modelgenerator.tasks.ZeroshotPredictionDiff, init_args: {backbone: {class_path: modelgenerator.backbones.aido_dna_300m, init_args: {frozen: true}}}}\n\
         data: {class_path: modelgenerator.data.ClinvarRetrieve, init_args: {method: Diff, window: 512, batch_size: 5, path: clinvar}}\n\
         trainer: {devices: 2, logger: false, callbacks: [{class_path: modelgenerator.callbacks.PredictionWriter, dict_kwargs: {output_dir: diff, filetype: tsv, write_cols: [score, label]}}]}\n",
    ),
    (
        "clinvar_distance_300m",
        "test",
        "--model.backbone aido_dna_debug --data.reference_file genome.fa --data.window 8",
        "model: {class_path: modelgenerator.tasks.ZeroshotPredictionDistance, init_args: {all_hidden_states: true, shared_ref: false, backbone: {class_path: modelgenerator.backbones.aido_dna_300m, init_args: {frozen: true}}}}\n\
         data: {class_path: modelgenerator.data.ClinvarRetrieve, init_args: {method: Distance, window: 512, batch_size: 5, path: clinvar}}\n\
         trainer: {devices: 2, logger: false, callbacks: [{class_path: modelgenerator.callbacks.PredictionWriter, dict_kwargs: {output_dir: distance, filetype: tsv, write_cols: [score, norm_type, label, num_layer]}}]}\n",
    ),
    (
        "clinvar_distance_7b",
        "test",
        "--model.backbone aido_dna_debug --data.reference_file genome.fa --data.window 8",
        "model: {class_path: modelgenerator.tasks.ZeroshotPredictionDistance, init_args: {all_hidden_states: true, shared_ref: false, backbone: {class_path: modelgenerator.backbones.aido_dna_7b, init_args: {frozen: true}}}}\n\
         data: {class_path: modelgenerator.data.ClinvarRetrieve, init_args: {method: Distance, window: 512, batch_size: 5, path: clinvar}}\n\
         trainer: {devices: 2, logger: false}\n",
    ),
    (
        "dependency_mapping_dna",
        "predict",
        "--model.backbone aido_dna_debug",
        "model: {class_path: modelgenerator.tasks.Inference, init_args: {backbone: {class_path: modelgenerator.backbones.aido_dna_7b}}}\n\
         data: {class_path: modelgenerator.data.DependencyMappingDataModule, init_args: {path: genes, test_split_files: [genes.tsv], vocab_file: letters.txt, batch_size: 32}}\n\
         trainer: {devices: 1, precision: bf16, callbacks: {class_path: modelgenerator.callbacks.PredictionWriter, init_args: {output_dir: maps, filetype: pt, write_cols: [predictions, ids, pos_i, mut_i]}}}\n",
    ),
    (
        "dependency_mapping_rna",
        "predict",
        "--model.backbone aido_dna_debug",
        "model: {class_path: modelgenerator.tasks.Inference, init_args: {backbone: {class_path: modelgenerator.backbones.aido_rna_1b600m}}}\n\
         data: {class_path: modelgenerator.data.DependencyMappingDataModule, init_args: {path: genes, test_split_files: [genes.tsv], vocab_file: letters.txt, batch_size: 32}}\n\
         trainer: {devices: 1, precision: bf16, callbacks: [{class_path: modelgenerator.callbacks.PredictionWriter, dict_kwargs: {output_dir: rna_maps, filetype: pt, remove_duplicates: true}}]}\n",
    ),
    (
        "rna_structure",
        "fit",
        "--model.backbone aido_rna_debug --trainer.callbacks.ft_schedule_path schedule.yaml --trainer.fast_dev_run true",
        "model: {class_path: modelgenerator.rna_ss.rna_ss_task.RNASSPairwiseTokenClassification, init_args: {\
         backbone: {class_path: modelgenerator.backbones.aido_rna_1b600m, init_args: {max_length: 1024, config_overwrites: {hidden_dropout_prob: 0.1}}}, \
         adapter: {class_path: modelgenerator.adapters.ResNet2DAdapter}, optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 1e-4, weight_decay: 0.01}}, \
         lr_scheduler: {class_path: torch.optim.lr_scheduler.LinearLR, init_args: {start_factor: 1.0, end_factor: 0.1, total_iters: 100}}}}\n\
         data: {class_path: modelgenerator.rna_ss.rna_ss_data.RNASSPairwiseTokenClassification, init_args: {path: structures, dataset: bpRNA, min_seq_len: 0, max_seq_len: 500}}\n\
         trainer: {max_epochs: 60, logger: false, callbacks: [\
         {class_path: lightning.pytorch.callbacks.ModelCheckpoint, dict_kwargs: {monitor: val/f1, mode: max, save_top_k: 1, auto_insert_metric_name: false}}, \
         {class_path: modelgenerator.callbacks.FTScheduler, dict_kwargs: {ft_schedule_path: null}}]}\n",
    ),
    (
        // An example that leaves the data to the command line.
        "lora_backbone",
        "fit",
        "--model.backbone aido_dna_debug --data GUEClassification --data.path gue --data.config_name null --trainer.fast_dev_run true",
        "model: {class_path: modelgenerator.tasks.SequenceClassification, init_args: {n_classes: 2, \
         optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 1e-3, weight_decay: 0.01}}, \
         backbone: {class_path: modelgenerator.backbones.aido_dna_dummy, init_args: {use_peft: true, lora_r: 16, lora_alpha: 32, lora_dropout: 0.1}}}}\n",
    ),
];

#[test]
fn published_experiments_that_score_predict_or_learn_structures_run_too() {
    let place = Workplace::empty();
    for folder in ["clinvar", "genes", "gue", "structures/bpRNA"] {
        fs::create_dir_all(place.path(folder)).unwrap();
    }
    place.write("genome.fa", &format!(">chr1\n{}\n", "ACGT".repeat(30)));
    place.write(
        "clinvar/ClinVar_Processed.tsv",
        "chrom\tstart\tend\tref\tmutate\teffect\nchr1\t40\t41\tA\tC\t1\nchr1\t41\t42\tC\tT\t0\nchr1\t50\t51\tG\tA\t1\n",
    );
    place.write("genes/genes.tsv", "id\tsequence\ng1\tACGTAC\n");
    for split in ["train", "test"] {
        let rows = "ACGT,0\nTTGA,1\n".repeat(6);
        place.write(
            &format!("gue/{split}.csv"),
            &format!("sequence,label\n{rows}"),
        );
    }
    place.write("letters.txt", "A\nC\nG\nT\n");
    place.write("schedule.yaml", "0: [adapter.*]\n1: [backbone.*]\n");
    for split in ["train", "valid", "test"] {
        let folder = format!("structures/bpRNA/{split}");
        fs::create_dir_all(place.path(&folder)).unwrap();
        for number in 0..4 {
            place.write(
                &format!("{folder}/r{number}.bpseq"),
                "1 G 9\n2 G 8\n3 C 7\n4 A 0\n5 A 0\n6 A 0\n7 G 3\n8 C 2\n9 C 1\n",
            );
        }
    }
    for (name, command, options, yaml) in OTHERS {
        let file = format!("{name}.yaml");
        place.write(&file, yaml);
        let printed = place.run(&format!("{command} --config {file} --print_config"));
        assert_eq!(printed.code, Some(0), "{name}: {}", printed.err);
        let said = place.run(&format!("{command} --config {file} {options}"));
        assert_eq!(said.code, Some(0), "{name}: {}", said.err);
    }
}
