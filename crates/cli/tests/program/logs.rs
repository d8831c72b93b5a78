//! What a run logs, and where.

use crate::Workplace;

/// The lines of the table, each as its step and the metrics that it has.
fn table(place: &Workplace, run: &str) -> Vec<(String, Vec<(String, f64)>)> {
    let text = place.read(&format!("{run}/metrics.csv"));
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows = lines.map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let metrics = header
            .iter()
            .zip(&cells)
            .skip(2)
            .filter(|(_, cell)| !cell.is_empty());
        let metrics = metrics.map(|(name, cell)| ((*name).to_owned(), cell.parse().unwrap()));
        (cells[1].to_owned(), metrics.collect())
    });
    rows.collect()
}

/// The lines of the JSON log in the form of the table's.
fn lines(place: &Workplace, run: &str) -> Vec<(String, Vec<(String, f64)>)> {
    let text = place.read(&format!("{run}/metrics.jsonl"));
    let rows = text.lines().map(|line| {
        let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        assert!(row["time"].as_f64().unwrap() > 1.7e9 && row["epoch"].is_u64());
        let metrics = row
            .iter()
            .skip(3)
            .map(|(name, value)| (name.clone(), value.as_f64().unwrap()));
        (row["step"].to_string(), metrics.collect())
    });
    rows.collect()
}

/// Rows with their metrics by name, in single precision: the JSON reader of this test rounds the last bit of others.
fn sorted(rows: Vec<(String, Vec<(String, f64)>)>) -> Vec<(String, Vec<(String, f32)>)> {
    let single = |(name, value): (String, f64)| (name, value as f32);
    let rows = rows.into_iter();
    let mut rows: Vec<(String, Vec<(String, f32)>)> = rows
        .map(|(step, metrics)| (step, metrics.into_iter().map(single).collect()))
        .collect();
    rows.iter_mut()
        .for_each(|(_, metrics)| metrics.sort_by(|a, b| a.0.cmp(&b.0)));
    rows
}

fn event_files(place: &Workplace, run: &str) -> usize {
    let entries = std::fs::read_dir(place.path(run)).unwrap().flatten();
    entries
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("events.out.tfevents.")
        })
        .count()
}

#[test]
fn every_logger_writes_the_same_rows_and_a_resumed_run_goes_on_with_them() {
    let place = Workplace::new();
    let fit = "fit -c fit.yaml --trainer.log_every_n_steps 1 --trainer.logger [TensorBoardLogger,JSONLinesLogger]";
    place.succeed(&format!("{fit} --trainer.max_epochs 1"));
    let run = "logs/version_0";
    assert_eq!(sorted(lines(&place, run)), sorted(table(&place, run)));
    assert_eq!(event_files(&place, run), 1);
    place.succeed(&format!("{fit} --ckpt_path last"));
    place.succeed(&format!("{fit} --trainer.default_root_dir whole"));
    assert_eq!(table(&place, run), table(&place, "whole/version_0"));
    assert_eq!(lines(&place, run), lines(&place, "whole/version_0"));
    assert_eq!(
        [
            event_files(&place, run),
            event_files(&place, "whole/version_0")
        ],
        [2, 1]
    );
}

#[test]
fn a_logger_of_a_service_leaves_a_file_to_sync_and_says_which() {
    let place = Workplace::new();
    place.write(
        "wandb.yaml",
        "trainer:\n  logger:\n    class_path: lightning.pytorch.loggers.WandbLogger\n    init_args: {name: a, project: b, save_dir: elsewhere}\n",
    );
    let said = place.run("fit -c fit.yaml -c wandb.yaml");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err.contains("WandbLogger: Weights & Biases is not available here; metrics.jsonl in the folder of the run has what to sync"),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("logs/version_0/metrics.jsonl"),
        "{}",
        said.err
    );
    assert!(!lines(&place, "logs/version_0").is_empty());
    assert!(!place.path("elsewhere").exists());
}

#[test]
fn a_run_lies_where_its_logger_says_and_is_found_there_again() {
    let place = Workplace::new();
    let fit = "fit -c fit.yaml --trainer.logger CSVLogger --trainer.logger.save_dir out --trainer.logger.name peptides --trainer.logger.version";
    place.succeed(&format!("{fit} first --trainer.max_epochs 1"));
    assert!(place.path("out/peptides/first/metrics.csv").is_file());
    let taken = place.run(&format!("{fit} first"));
    assert_eq!(taken.code, Some(2), "{taken:?}");
    assert!(
        taken
            .err
            .contains("out/peptides/first is not empty; name another version"),
        "{}",
        taken.err
    );
    place.succeed(&format!("{fit} first --ckpt_path last"));
    assert_eq!(
        std::fs::read_dir(place.path("out/peptides"))
            .unwrap()
            .count(),
        1
    );
    place.succeed(&format!("{fit} 7 --trainer.max_epochs 1"));
    assert!(place.path("out/peptides/version_7/checkpoints").is_dir());
    let refused = place.run(&format!("{fit} ../first"));
    assert_eq!(refused.code, Some(2));
    assert!(
        refused
            .err
            .contains("trainer.logger.version: \"../first\" is no name of a folder"),
        "{}",
        refused.err
    );
}

#[test]
fn what_is_asked_of_the_optimizer_and_its_gradients_is_in_the_log() {
    let place = Workplace::new();
    place.write(
        "monitor.yaml",
        "trainer:\n  callbacks:\n  - class_path: lightning.pytorch.callbacks.LearningRateMonitor\n    init_args: {logging_interval: epoch, log_momentum: true, log_weight_decay: true}\n",
    );
    place.succeed("fit -c fit.yaml -c monitor.yaml --model.log_grad_norm_step 3 --trainer.log_every_n_steps 2 --trainer.max_epochs 2");
    let rows = table(&place, "logs/version_0");
    let steps = |name: &str| -> Vec<u64> {
        let having = rows
            .iter()
            .filter(|(_, metrics)| metrics.iter().any(|(metric, _)| metric == name));
        having.map(|(step, _)| step.parse().unwrap()).collect()
    };
    let last: u64 = rows.last().unwrap().0.parse().unwrap();
    let in_epoch = last / 2;
    assert_eq!(steps("lr"), [1, in_epoch + 1]);
    assert_eq!(steps("momentum"), steps("lr"));
    assert_eq!(steps("weight_decay"), steps("lr"));
    let thirds: Vec<u64> = (1..=last).filter(|step| step % 3 == 0).collect();
    for name in ["total_norm", "adaptor_param_norm", "adaptor_grad_norm"] {
        assert_eq!(steps(name), thirds, "{name}");
    }
    let halves: Vec<u64> = (1..=last).filter(|step| step % 2 == 0).collect();
    assert_eq!(steps("train_loss"), halves);
    let value = |row: &Vec<(String, f64)>, name: &str| {
        row.iter().find(|(metric, _)| metric == name).unwrap().1
    };
    let sixth = &rows.iter().find(|(step, _)| step == "6").unwrap().1;
    assert_eq!(value(sixth, "total_norm"), value(sixth, "grad_norm"));
    assert!(value(sixth, "adaptor_grad_norm") < value(sixth, "total_norm"));
}
