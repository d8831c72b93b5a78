//! From fitting to exporting, on a model of a few thousand weights.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::Workplace;

/// The only checkpoint of a run.
fn checkpoint(place: &Workplace, run: &str) -> String {
    let folder = format!("logs/{run}/checkpoints");
    let mut names = std::fs::read_dir(place.path(&folder)).unwrap();
    format!(
        "{folder}/{}",
        names.next().unwrap().unwrap().file_name().to_str().unwrap()
    )
}

#[test]
fn a_classifier_is_fitted_scored_used_and_exported() {
    let place = Workplace::new();
    let said = place.run("fit -c fit.yaml");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out.starts_with("test_loss  ") && said.out.contains("\ntest_accuracy  "),
        "{}",
        said.out
    );
    let checkpoint = checkpoint(&place, "version_0");
    for place in [
        &checkpoint,
        "logs/version_0/metrics.csv",
        "logs/version_0/config.yaml",
    ] {
        assert!(
            said.err.contains(&format!(" {place}\n")),
            "{place}: {}",
            said.err
        );
    }

    let scores = place.succeed(&format!("test -c fit.yaml --ckpt_path {checkpoint}"));
    assert!(scores.starts_with("test_loss  "), "{scores}");
    let scores = place.succeed("validate -c fit.yaml --ckpt_path last");
    assert!(scores.starts_with("val_loss  "), "{scores}");

    let data = "--data SequencesDataModule --data.path unlabelled.csv";
    place.succeed(&format!(
        "predict --ckpt_path {checkpoint} {data} --output p.tsv"
    ));
    let table = place.read("p.tsv");
    assert_eq!(
        table.lines().next(),
        Some("id\tprediction\tlabel\tp_low\tp_middle\tp_high")
    );
    assert_eq!(table.lines().count(), 3);

    place.succeed(&format!("export --ckpt_path {checkpoint} --output mine"));
    assert!(
        place.path("mine/model.safetensors").is_file() && !place.path("mine/training").exists()
    );
    // An export is a checkpoint for predicting, a preset for everything else, and may be replaced by another.
    place.succeed(&format!("predict --ckpt_path mine {data} --output q.tsv"));
    assert_eq!(place.read("q.tsv"), table);
    place.succeed(&format!("export --ckpt_path {checkpoint} --output mine"));
    let other = "predict --model SequenceClassification --model.backbone ./mine --model.use_legacy_adapter true";
    place.succeed(&format!("{other} {data} --output r.tsv"));
    assert_eq!(place.read("r.tsv"), table);
}

#[test]
fn predictions_keep_ids_order_and_the_columns_asked_for() {
    let place = Workplace::new();
    let model =
        "--model SequenceClassification --model.backbone ./tiny --model.use_legacy_adapter true";
    let data = "--data SequenceClassificationDataModule --data.path train.tsv --data.extra_cols [age] --data.batch_size 5";
    place.succeed(&format!("predict {model} {data} --output p.csv"));
    let table = place.read("p.csv");
    let mut lines = table.lines();
    assert_eq!(
        lines.next(),
        Some("id,prediction,label,p_low,p_middle,p_high,age")
    );
    for (row, line) in lines.enumerate() {
        assert!(
            line.starts_with(&format!("r{row},")) && line.ends_with(&format!(",{row}")),
            "{line}"
        );
        let cells: Vec<&str> = line.split(',').collect();
        let total: f64 = cells[3..6]
            .iter()
            .map(|cell| cell.parse::<f64>().unwrap())
            .sum();
        assert!((total - 1.0).abs() < 1e-6, "{line}");
        assert_eq!(
            cells[2],
            ["low", "middle", "high"][cells[1].parse::<usize>().unwrap()]
        );
    }
    place.succeed(&format!("predict {model} {data} --output p.safetensors"));
    let bytes = std::fs::read(place.path("p.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("predictions").unwrap().shape(), [24, 3]);
}

#[test]
fn embeddings_are_tables_when_pooled_and_tensors_always() {
    let place = Workplace::new();
    let embed = "predict --model Embed --model.backbone ./tiny --data SequencesDataModule --data.path unlabelled.csv";
    place.succeed(&format!(
        "{embed} --model.pooling mean_pooling --output e.tsv"
    ));
    let table = place.read("e.tsv");
    assert!(
        table.starts_with("id\te0\te1\t") && table.lines().next().unwrap().ends_with("\te39"),
        "{table}"
    );
    place.succeed(&format!("{embed} --output e.safetensors"));
    let inference = embed.replace("Embed", "Inference").replace("tiny", "lm");
    place.succeed(&format!("{inference} --output i.safetensors"));
    for name in ["e.safetensors", "i.safetensors"] {
        let bytes = std::fs::read(place.path(name)).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["ids"], "[\"0\",\"1\"]");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        // Special tokens are included: [CLS] a w1 [SEP].
        assert_eq!(tensors.tensor("predictions.0").unwrap().shape()[0], 4);
        assert_eq!(tensors.tensor("predictions.1").unwrap().shape()[0], 5);
    }
}

#[test]
fn a_run_goes_on_from_its_last_checkpoint_to_the_same_end() {
    let place = Workplace::new();
    let whole = place.succeed("fit -c fit.yaml");
    place.succeed("fit -c fit.yaml --trainer.max_epochs 1 --trainer.default_root_dir other");
    let resumed =
        place.succeed("fit -c fit.yaml --trainer.default_root_dir other --ckpt_path last");
    assert_eq!(resumed, whole);
    assert!(!place.path("other/version_1").exists());
    // Its configuration is that of the whole run, which it now is.
    let configuration = place.read("other/version_0/config.yaml");
    assert!(configuration.contains("ckpt_path: null") && configuration.contains("max_epochs: 2"));
}

#[test]
fn a_writer_among_the_callbacks_names_the_output() {
    let place = Workplace::new();
    let writer = "--trainer.callbacks PredictionWriter --trainer.callbacks.output_dir out --trainer.callbacks.filetype tsv";
    place.succeed(&format!("predict -c fit.yaml {writer}"));
    assert_eq!(
        place.read("out/predict_predictions.tsv").lines().count(),
        25
    );
}

#[test]
fn a_rehearsal_leaves_no_files() {
    let place = Workplace::new();
    let said = place.run("fit -c fit.yaml --trainer.fast_dev_run");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(!place.path("logs").exists());
}

#[test]
fn a_number_of_threads_can_be_given_by_option_and_environment() {
    let place = Workplace::new();
    place.succeed("test -c fit.yaml --threads 1");
    let set = |value: &str| {
        place
            .command()
            .env("ENGRAFT_THREADS", value)
            .args(["test", "-c", "fit.yaml"])
            .output()
            .unwrap()
    };
    assert_eq!(set("2").status.code(), Some(0));
    assert_eq!(set("").status.code(), Some(0));
    let refused = set("many");
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&refused.stderr)
            .contains("ENGRAFT_THREADS: expected a number of threads")
    );
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_saves_itself_and_can_go_on() {
    let place = Workplace::new();
    let endless = "fit -c fit.yaml --trainer.max_epochs 1000000 --trainer.enable_checkpointing true --trainer.log_every_n_steps 1";
    let mut child = place
        .command()
        .args(endless.split(' '))
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let log = place.path("logs/version_0/metrics.csv");
    while std::fs::read_to_string(&log).map_or(0, |log| log.lines().count()) < 3 {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let said = place
        .run("fit -c fit.yaml --ckpt_path last --trainer.max_epochs 1000000 --trainer.max_steps 1");
    assert!(
        said.err
            .contains("note: ckpt_path: last is logs/version_0/checkpoints/"),
        "{}",
        said.err
    );
    assert_eq!(said.code, Some(0), "{}", said.err);
}
