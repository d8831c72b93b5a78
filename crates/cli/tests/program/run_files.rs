//! Checkpoint files of ModelGenerator's runs are used by the experiment that they were trained by.

use std::path::{Path, PathBuf};

use crate::Workplace;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/lightning")
}

/// The backbone `base` that the runs began with, their files, and rows with the sequences of the cases.
fn place() -> Workplace {
    let place = Workplace::empty();
    std::fs::create_dir(place.path("base")).unwrap();
    for entry in std::fs::read_dir(golden().join("backbone")).unwrap() {
        let file = entry.unwrap();
        let to = place.path("base").join(file.file_name());
        std::fs::copy(file.path(), to).unwrap();
    }
    for name in ["full", "frozen", "scaler", "structure", "hostile"] {
        let file = format!("{name}.ckpt");
        std::fs::copy(golden().join(&file), place.path(&file)).unwrap();
    }
    let rows = "sequences,labels\nACGTACGTAC,0\nGGCANT,1\nTTTGACCAAGGT,2\nCAGT,1\n";
    std::fs::create_dir(place.path("splits")).unwrap();
    for file in [
        "rows.csv",
        "splits/train.csv",
        "splits/valid.csv",
        "splits/test.csv",
    ] {
        place.write(file, rows);
    }
    place.write("rna.csv", "sequences\nGGCUUAGCC\n");
    place
}

/// The golden case of a file.
fn case(name: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(golden().join("cases.json")).unwrap();
    let cases: serde_json::Value = serde_json::from_str(&text).unwrap();
    cases[name].clone()
}

/// The numbers of a list of a case.
fn numbers(list: &serde_json::Value) -> Vec<f64> {
    let numbers = list.as_array().unwrap().iter();
    numbers.map(|number| number.as_f64().unwrap()).collect()
}

/// The columns after the first of a table of predictions.
fn predicted(place: &Workplace, file: &str) -> Vec<Vec<f64>> {
    let text = place.read(file);
    let rows = text.lines().skip(1).map(|line| {
        let cells = line.split('\t').skip(1);
        cells.filter_map(|cell| cell.parse().ok()).collect()
    });
    rows.collect()
}

const CLASSES: &str = "--model SequenceClassification --model.backbone ./base --model.n_classes 3 \
    --model.adapter MLPPoolAdapter --model.adapter.hidden_sizes [7,5] --model.adapter.dropout 0.1";

#[test]
fn a_run_predicts_and_is_scored_as_its_own_program_did() {
    let place = place();
    let said = place.run(&format!(
        "predict {CLASSES} --ckpt_path full.ckpt --data SequencesDataModule --data.x_col sequences --data.path rows.csv --output p.tsv"
    ));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err
            .contains("taken from full.ckpt: the encoder and 6 tensors of the head"),
        "{said:?}"
    );
    let logits = case("full")["outputs"].clone();
    let rows = predicted(&place, "p.tsv");
    assert_eq!(rows.len(), 4);
    for (row, logits) in rows.iter().zip(logits.as_array().unwrap()) {
        let powers: Vec<f64> = numbers(logits).iter().map(|it| it.exp()).collect();
        let total: f64 = powers.iter().sum();
        // The probabilities come last; what is before them is the class.
        let probabilities = &row[row.len() - 3..];
        for (found, power) in probabilities.iter().zip(&powers) {
            assert!((found - power / total).abs() < 1e-5, "{rows:?}");
        }
    }
    for command in ["test", "validate"] {
        let said = place.run(&format!(
            "{command} {CLASSES} --ckpt_path full.ckpt --data SequenceClassificationDataModule --data.path splits"
        ));
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains("accuracy "), "{said:?}");
    }
}

#[test]
fn a_scaler_gives_numbers_in_the_units_of_the_data_and_a_threshold_structures() {
    let place = place();
    let encoder = "--model.backbone ./base";
    place.succeed(&format!(
        "predict --model SequenceRegressionWithScaling {encoder} --model.adapter ResNet1DAdapter --model.adapter.channels 6 --model.adapter.num_blocks 2 \
        --ckpt_path scaler.ckpt --data SequencesDataModule --data.x_col sequences --data.path rows.csv --output s.tsv"
    ));
    let restored = numbers(&case("scaler")["restored"]);
    for (row, restored) in predicted(&place, "s.tsv").iter().zip(restored) {
        assert!((row[row.len() - 1] - restored).abs() < 1e-4, "{row:?}");
    }
    place.succeed(&format!(
        "predict --model RNASSPairwiseTokenClassification {encoder} --model.adapter ResNet2DAdapter --model.adapter.num_res_blocks 2 \
        --model.adapter.conv_channels 6 --ckpt_path structure.ckpt --data SequencesDataModule --data.x_col sequences --data.path rna.csv --output r.tsv"
    ));
    let structures = place.read("r.tsv");
    let brackets = structures.lines().nth(1).unwrap().split('\t').nth(1);
    assert_eq!(brackets.unwrap().len(), 9, "{structures}");
}

#[test]
fn training_begins_anew_from_a_file() {
    let place = place();
    let said = place.run(&format!(
        "fit {CLASSES} --ckpt_path full.ckpt --data SequenceClassificationDataModule --data.path splits --data.batch_size 2 --trainer.max_epochs 1"
    ));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err
            .contains("full.ckpt is of another program, so a new run begins from its weights"),
        "{said:?}"
    );
    // What reruns it begins there too.
    let config = place.read("logs/version_0/config.yaml");
    assert!(config.contains("ckpt_path: full.ckpt"), "{config}");
    // So does what a resumed run leaves.
    place.succeed("fit --ckpt_path last --trainer.max_epochs 2");
    let config = place.read("logs/version_0/config.yaml");
    assert!(config.contains("ckpt_path: full.ckpt"), "{config}");
    // What was trained needs neither the file nor the backbone.
    std::fs::remove_file(place.path("full.ckpt")).unwrap();
    std::fs::remove_dir_all(place.path("base")).unwrap();
    place.succeed("predict --ckpt_path last --data SequencesDataModule --data.x_col sequences --data.path rows.csv --output p.tsv");
}

#[test]
fn a_run_is_exported_and_its_weights_begin_every_fold() {
    let place = place();
    let rows = "--data SequencesDataModule --data.x_col sequences --data.path rows.csv";
    let predictions = |of: &str| {
        place.succeed(&format!("predict {of} {rows} --output p.tsv"));
        place.read("p.tsv")
    };
    let own = predictions(&format!("{CLASSES} --ckpt_path full.ckpt"));
    place.succeed(&format!(
        "export {CLASSES} --ckpt_path full.ckpt --output preset"
    ));
    assert_eq!(predictions("--model.backbone ./preset"), own);
    let fit = format!(
        "fit {CLASSES} --model.optimizer SGD --model.optimizer.lr 0 --ckpt_path full.ckpt --data SequenceClassificationDataModule \
         --data.path rows.csv --data.cv_num_folds 2 --data.cv_enable_val_fold false --trainer.max_epochs 1"
    );
    let said = place.run(&fit);
    assert_eq!(said.code, Some(0), "{said:?}");
    let note = "full.ckpt is of another program, so a new run begins from its weights";
    assert_eq!(said.err.matches(note).count(), 1, "{said:?}");
    for fold in [0, 1] {
        // At a rate of 0 the weights of the file stay as they are.
        let checkpoints = place.path(&format!("logs/version_0/fold_{fold}/checkpoints"));
        let entry = std::fs::read_dir(checkpoints).unwrap().next();
        let checkpoint = entry.unwrap().unwrap().path();
        let of = format!("--ckpt_path {}", checkpoint.display());
        let numbers = |table: &str| table.replace("prediction", "");
        assert_eq!(numbers(&predictions(&of)), numbers(&own), "fold {fold}");
    }
    // A run that is complete has nothing left to do, and knows what it began with.
    place.succeed(&fit.replace("--ckpt_path full.ckpt", "--ckpt_path logs/version_0"));
}

#[test]
fn a_file_that_is_hostile_alone_or_of_another_model_is_refused_in_a_sentence() {
    let place = place();
    let data = "--data SequencesDataModule --data.x_col sequences --data.path rows.csv";
    let refused = |words: &str| {
        let said = place.run(words);
        assert_eq!(said.code, Some(2), "{words}: {said:?}");
        said.err
    };
    let said = refused(&format!(
        "predict --model SequenceRegression {data} --model.backbone ./base --ckpt_path hostile.ckpt --output p.tsv"
    ));
    assert!(
        said.contains("--ckpt_path: ") && said.contains("it names posix.system"),
        "{said}"
    );
    for command in ["predict", "test", "fit"] {
        let output = if command == "predict" {
            "--output p.tsv"
        } else {
            ""
        };
        let said = refused(&format!("{command} {data} --ckpt_path full.ckpt {output}"));
        assert!(
            said.contains("--ckpt_path: full.ckpt holds the weights of a run and does not say of what: give the experiment too"),
            "{command}: {said}"
        );
    }
    let said = refused(&format!(
        "predict --model SequenceRegression --model.backbone ./base --ckpt_path full.ckpt {data} --output p.tsv"
    ));
    assert!(
        said.contains("--ckpt_path: full.ckpt does not fit the experiment's model")
            && said.contains("adapter.mlp.1.weight"),
        "{said}"
    );
    let said = refused(&format!(
        "predict {CLASSES} --ckpt_path rows.csv {data} --output p.tsv"
    ));
    assert!(
        said.contains("cannot use the checkpoint \"rows.csv\": it is a file, but a checkpoint is a folder, or a .ckpt file of a ModelGenerator run"),
        "{said}"
    );
    // No run writes over what it reads.
    std::fs::copy(place.path("full.ckpt"), place.path("run.tsv")).unwrap();
    let said = refused(&format!(
        "predict {CLASSES} --ckpt_path run.tsv {data} --output run.tsv"
    ));
    assert!(said.contains("--output: run.tsv"), "{said}");
    let said = refused("export --ckpt_path full.ckpt --output preset");
    assert!(
        said.contains("full.ckpt holds the weights of a run and does not say of what"),
        "{said}"
    );
}
