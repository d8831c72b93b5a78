//! A run that is asked to end by a signal saves itself, says so by its exit code, and goes on as if nothing had happened.

#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::Workplace;

/// Few rows to train on in one step an epoch, and so many to validate on that signals come meanwhile.
fn long_validation() -> Workplace {
    let place = Workplace::new();
    let rows = |count: usize| -> String {
        let rows = (0..count).map(|row| {
            let label = ["low", "middle", "high"][row % 3];
            format!("{} w{}\t{label}\n", ["a", "b", "c"][row % 3], row % 7)
        });
        format!("sequences\tlabels\n{}", rows.collect::<String>())
    };
    std::fs::create_dir(place.path("rows")).unwrap();
    place.write("rows/train.tsv", &rows(6));
    place.write("rows/valid.tsv", &rows(6000));
    place
}

const LONG_VALIDATION: &str = "fit -c fit.yaml --data.path rows --data.train_split_files train.tsv --data.valid_split_files valid.tsv \
    --data.batch_size 3 --trainer.log_every_n_steps 1 --trainer.max_epochs 2 --threads 1 --trainer.default_root_dir";

fn start(place: &Workplace, words: &str) -> Child {
    let mut command = place.command();
    let words = command.args(words.split_whitespace());
    words
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until a run's log has so many rows.
fn wait_for_rows(place: &Workplace, root: &str, rows: usize) {
    let log = place.path(root).join("version_0/metrics.csv");
    let began = Instant::now();
    while std::fs::read_to_string(&log).map_or(0, |log| log.lines().count()) <= rows {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "no rows in {}",
            log.display()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn send(child: &Child, signal: &str) {
    let sent = std::process::Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Its exit code, and what it said on standard error.
fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

const ENDLESS: &str = "fit -c fit.yaml --trainer.max_epochs 1000000 --trainer.log_every_n_steps 1";

#[test]
fn a_run_that_a_scheduler_or_a_terminal_ends_is_saved_and_its_exit_code_says_so() {
    for (signal, code, name) in [("-TERM", 143, "SIGTERM"), ("-HUP", 129, "SIGHUP")] {
        let place = Workplace::new();
        let child = start(&place, ENDLESS);
        wait_for_rows(&place, "logs", 3);
        send(&child, signal);
        let (ended, said) = end(child);
        assert_eq!(ended, Some(code), "{said}");
        assert!(
            said.contains(&format!("{name}: stopping after this batch and saving")),
            "{said}"
        );
        assert!(
            said.contains("steps; --ckpt_path last goes on from here"),
            "{said}"
        );
        let resumed = place.run(
            "fit -c fit.yaml --ckpt_path last --trainer.max_epochs 1000000 --trainer.max_steps 1",
        );
        assert_eq!(resumed.code, Some(0), "{resumed:?}");
    }
}

/// A golden model with one more tensor that takes a while to write.
fn large_model(place: &Workplace) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models/bert_base");
    std::fs::create_dir(place.path("large")).unwrap();
    std::fs::copy(golden.join("config.json"), place.path("large/config.json")).unwrap();
    let bytes = std::fs::read(golden.join("model.safetensors")).unwrap();
    let (length, rest) = bytes.split_at(8);
    let length = usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
    let (header, tensors) = rest.split_at(length);
    let mut header: serde_json::Value = serde_json::from_slice(header).unwrap();
    let (begin, count) = (tensors.len(), 50_000_000);
    header["extra"] = serde_json::json!({"dtype": "F32", "shape": [count], "data_offsets": [begin, begin + 4 * count]});
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.into_bytes());
    bytes.extend(tensors);
    let path = place.path("large/model.safetensors");
    std::fs::write(&path, &bytes).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_len((bytes.len() + 4 * count) as u64).unwrap();
}

#[test]
fn a_conversion_that_a_signal_ends_leaves_nothing() {
    let place = Workplace::empty();
    large_model(&place);
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(place.path(".")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let mut met = false;
    // Whether the signal comes while it is written depends on the machine.
    for target in ["one", "two", "three", "four", "five"] {
        let mut child = start(&place, &format!("convert ./large {target} --to hf"));
        let is_writing = || names().iter().any(|name| name.contains(".tmp-"));
        while !is_writing() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        if child.try_wait().unwrap().is_none() {
            send(&child, "-TERM");
        }
        let (code, said) = end(child);
        assert!(!is_writing(), "{said}: {:?}", names());
        met = code == Some(143) && !place.path(target).exists();
        if met {
            break;
        }
    }
    assert!(met, "no signal came while the preset was written");
}

#[test]
fn a_step_of_many_batches_is_given_up_and_done_anew() {
    let place = Workplace::new();
    // Twelve rows a step in batches of one; the signal comes somewhere between.
    let fit = "fit -c fit.yaml --data.batch_size 1 --trainer.accumulate_grad_batches 12 --trainer.log_every_n_steps 1 --trainer.max_epochs 150 --threads 1";
    let whole = place.succeed(&format!("{fit} --trainer.default_root_dir whole"));
    let child = start(&place, &format!("{fit} --trainer.default_root_dir cut"));
    wait_for_rows(&place, "cut", 5);
    send(&child, "-TERM");
    let (code, said) = end(child);
    assert_eq!(code, Some(143), "{said}");
    let resumed = place.succeed(&format!(
        "{fit} --trainer.default_root_dir cut --ckpt_path last"
    ));
    assert_eq!(resumed, whole);
    let log = |root: &str| place.read(&format!("{root}/version_0/metrics.csv"));
    assert_eq!(log("cut"), log("whole"));
}

#[test]
fn a_validation_that_was_broken_off_is_made_up_for() {
    let place = long_validation();
    let whole = place.succeed(&format!("{LONG_VALIDATION} whole"));
    let mut met = false;
    // The signal is sent after the last step before the validation; whether it comes in time depends on the machine.
    for root in ["one", "two", "three", "four", "five"] {
        let child = start(&place, &format!("{LONG_VALIDATION} {root}"));
        wait_for_rows(&place, root, 2);
        send(&child, "-TERM");
        let (code, said) = end(child);
        assert_eq!(code, Some(143), "{said}");
        let last = place
            .path(root)
            .join("version_0/checkpoints/last/training/state.json");
        met = std::fs::read_to_string(last)
            .is_ok_and(|state| state.contains("\"owes_validation\": true"));
        let resumed = place.succeed(&format!("{LONG_VALIDATION} {root} --ckpt_path last"));
        assert_eq!(resumed, whole);
        let log = |root: &str| place.read(&format!("{root}/version_0/metrics.csv"));
        assert_eq!(log(root), log("whole"));
        if met {
            break;
        }
    }
    assert!(met, "no signal came while rows were validated on");
}

#[test]
fn scoring_and_predicting_end_within_a_batch_and_leave_nothing() {
    let place = long_validation();
    let table = place.read("rows/valid.tsv");
    let rows: String = table
        .lines()
        .skip(1)
        .map(|row| format!("{row}\n"))
        .collect();
    place.write(
        "many.tsv",
        &format!("sequences\tlabels\n{}", rows.repeat(40)),
    );
    for command in ["test", "predict --output p.tsv"] {
        let words = format!(
            "{command} -c fit.yaml --data.path many.tsv --data.batch_size 2 --trainer.log_every_n_steps 1 --threads 1"
        );
        let mut child = start(&place, &words);
        // Progress is shown once rows pass.
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("rows/s") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "{command}");
        }
        send(&child, "-TERM");
        let drained = std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let (code, _) = end(child);
        drained.join().unwrap().unwrap();
        assert_eq!(code, Some(143), "{command}");
    }
    assert!(!place.path("p.tsv").exists());
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    let place = Workplace::new();
    // One batch of all rows, which takes seconds: the first signal cannot be acted upon before the second comes.
    let words: String = (0..20).map(|word| format!(" w{word}")).collect();
    let labels = ["low", "middle", "high"];
    let rows = (0..6000).map(|row| format!("w{}{words}\t{}\n", row % 7, labels[row % 3]));
    let table = format!("sequences\tlabels\n{}", rows.collect::<String>());
    place.write("train.tsv", &table);
    let mut child = start(
        &place,
        "fit -c fit.yaml --data.batch_size 6000 --data.test_split_size 0 --data.valid_split_size 0 --threads 1",
    );
    let began = Instant::now();
    while !place.path("logs/version_0/config.yaml").exists() {
        assert!(began.elapsed() < Duration::from_secs(120));
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(100));
    send(&child, "-TERM");
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().starts_with("SIGTERM: stopping")));
    std::thread::sleep(Duration::from_millis(600));
    send(&child, "-INT");
    let (code, _) = end(child);
    assert_eq!(code, Some(130));
    assert!(!place.path("logs/version_0/checkpoints").exists());
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one() {
    let place = Workplace::new();
    let child = start(&place, ENDLESS);
    wait_for_rows(&place, "logs", 3);
    send(&child, "-TERM");
    let _ = std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .stderr(Stdio::null())
        .status();
    let (code, said) = end(child);
    assert_eq!(code, Some(143), "{said}");
    assert!(
        said.contains("--ckpt_path last goes on from here"),
        "{said}"
    );
}
