//! The folders of runs, and all logs of one run beside each other.

use std::fs;

use super::*;
use crate::layout::new_version;

#[test]
fn versions_count_up_from_the_highest() {
    let root = tempfile::tempdir().unwrap();
    let logs = root.path().join("logs");
    assert_eq!(new_version(&logs, None).unwrap(), logs.join("version_0"));
    fs::create_dir(logs.join("version_7")).unwrap();
    fs::create_dir(logs.join("version_x")).unwrap();
    assert_eq!(new_version(&logs, None).unwrap(), logs.join("version_8"));
}

#[test]
fn runs_that_start_together_get_folders_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    let start = || new_version(root.path(), None).unwrap();
    let folders: std::collections::BTreeSet<PathBuf> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..16).map(|_| scope.spawn(start)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(folders.len(), 16);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let error = new_version(&file.join("logs"), None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("file/logs") && error.contains("default_root_dir"),
        "{error}"
    );
}

#[test]
fn what_was_logged_is_read_again_cell_by_cell() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = CsvLog::open(folder.path()).unwrap();
    log.log(0, 2, &[("train_loss".to_owned(), 0.5)]).unwrap();
    let scores = [
        ("val_loss".to_owned(), 0.25),
        ("val_auroc".to_owned(), f64::NAN),
    ];
    log.log(0, 3, &scores).unwrap();
    let mut cells = Vec::new();
    read_log(folder.path(), |step, metric, value| {
        cells.push((step, metric.to_owned(), value.to_string()));
    })
    .unwrap();
    let expected = [
        (2, "train_loss", "0.5"),
        (3, "val_loss", "0.25"),
        (3, "val_auroc", "NaN"),
    ];
    let expected =
        expected.map(|(step, metric, value)| (step, metric.to_owned(), value.to_owned()));
    assert_eq!(cells, expected);
    assert!(read_log(&folder.path().join("none"), |_, _, _| {}).is_err());
}

#[test]
fn a_version_that_holds_a_run_is_not_written_into() {
    let root = tempfile::tempdir().unwrap();
    let folder = new_version(root.path(), Some("first")).unwrap();
    assert_eq!(folder, root.path().join("first"));
    fs::write(folder.join("config.yaml"), "").unwrap();
    let error = new_version(root.path(), Some("first")).unwrap_err();
    assert!(error.to_string().contains("first is not empty"), "{error}");
}

#[test]
fn logs_are_cut_to_what_a_checkpoint_knows_each_by_its_own_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let both = [LogFormat::Lines, LogFormat::Events];
    let loss = |value: f64| vec![("loss".to_owned(), value)];
    let mut logs = Logs::open(folder, &[LogFormat::Lines], "", None).unwrap();
    logs.append(0, 1, &loss(1.0)).unwrap();
    // Event files are written from here on.
    let mut logs = {
        drop(logs);
        Logs::open(folder, &both, "", Some(2)).unwrap()
    };
    logs.append(0, 2, &loss(2.0)).unwrap();
    let rows = logs.rows();
    assert_eq!(rows["metrics.csv"], 2);
    assert_eq!((rows["metrics.jsonl"], rows["events"]), (2, 1));
    logs.append(0, 3, &loss(3.0)).unwrap();
    let mut logs = Logs::open(folder, &both, "", Some(3)).unwrap();
    logs.truncate(&rows).unwrap();
    assert_eq!(logs.rows(), rows);
    // A checkpoint from before there were event files leaves them as they are.
    let mut older = rows.clone();
    older.remove("events");
    logs.truncate(&older).unwrap();
    assert_eq!(logs.rows(), rows);
}
