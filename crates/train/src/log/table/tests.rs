//! The log against what a reader finds in it.

use std::fs;

use super::*;

fn metrics(pairs: &[(&str, f64)]) -> Vec<(String, f64)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

fn text(log: &CsvLog) -> String {
    fs::read_to_string(log.path()).unwrap()
}

/// Four rows of three steps, the second of which brings a new metric.
fn filled(folder: &Path) -> CsvLog {
    let mut log = CsvLog::open(folder).unwrap();
    log.log(0, 1, &metrics(&[("train_loss", 0.5), ("lr", 1e-5)]))
        .unwrap();
    log.log(
        0,
        2,
        &metrics(&[("val_loss", 0.25), ("train_loss", 0.1 + 0.2)]),
    )
    .unwrap();
    log.log(0, 2, &metrics(&[("lr", 1.0)])).unwrap();
    log.log(1, 3, &metrics(&[("val_loss", f64::NAN)])).unwrap();
    log
}

const FILLED: &str = "epoch,step,train_loss,lr,val_loss\n\
    0,1,0.5,1e-5,\n\
    0,2,0.30000000000000004,,0.25\n\
    0,2,,1.0,\n\
    1,3,,,nan\n";

#[test]
fn columns_come_in_the_order_in_which_they_first_appear() {
    let folder = tempfile::tempdir().unwrap();
    let log = filled(folder.path());
    assert_eq!(text(&log), FILLED);
    assert_eq!(log.rows(), 4);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_log_opened_again_goes_on_below_its_last_complete_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).path().to_owned();
    fs::write(&path, format!("{FILLED}1,4,0.1")).unwrap();
    let mut log = CsvLog::open(folder.path()).unwrap();
    assert_eq!(log.rows(), 4);
    log.log(1, 4, &metrics(&[("lr", 2.0)])).unwrap();
    assert_eq!(text(&log), format!("{FILLED}1,4,,2.0,\n"));
}

#[test]
fn a_header_cut_off_by_a_crash_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(CsvLog::FILE), "epoch,st").unwrap();
    assert_eq!(text(&CsvLog::open(folder.path()).unwrap()), "epoch,step\n");
}

#[test]
fn rows_of_lost_steps_are_cut_and_writing_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = filled(folder.path());
    log.truncate_rows(3).unwrap();
    assert_eq!(log.rows(), 3);
    log.log(1, 3, &metrics(&[("val_loss", f64::NAN)])).unwrap();
    assert_eq!(text(&log), FILLED);
    log.truncate_rows(1).unwrap();
    assert_eq!(
        text(&log),
        "epoch,step,train_loss,lr,val_loss\n0,1,0.5,1e-5,\n"
    );
    log.truncate_rows(0).unwrap();
    assert_eq!(log.rows(), 0);
}

#[test]
fn a_name_that_means_something_in_a_table_stays_one_column() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = CsvLog::open(folder.path()).unwrap();
    log.log(0, 1, &metrics(&[("a,\"b\"\n", 1.0)])).unwrap();
    assert_eq!(text(&log), "epoch,step,a__b__\n0,1,1.0\n");
}

#[test]
fn a_file_that_is_no_log_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(CsvLog::FILE);
    for other in ["name,age\n", "epoch,steps\n", "x", "\u{0}\n"] {
        fs::write(&path, other).unwrap();
        let error = CsvLog::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("metrics.csv:1: the header"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), other);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_a_log_or_an_error(bytes: Vec<u8>, header: bool) {
        let folder = tempfile::tempdir().unwrap();
        let start = if header { "epoch,step,a\n0,1,2.0\n" } else { "" };
        let bytes = [start.as_bytes(), &bytes].concat();
        fs::write(folder.path().join(CsvLog::FILE), bytes).unwrap();
        if let Ok(mut log) = CsvLog::open(folder.path()) {
            let _ = log.log(1, 2, &metrics(&[("b", 0.5)]));
            let _ = log.truncate_rows(1);
        }
    }
}
