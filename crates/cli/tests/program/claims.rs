//! Two processes at once: each has a folder of its own, and one alone goes on with a run.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use crate::Workplace;
use crate::folds::{FOLDS, fit, wait_for};

#[test]
fn two_processes_on_one_log_folder_get_a_folder_each() {
    let place = Workplace::new();
    let mut runs: Vec<Child> = (0..4)
        .map(|run| {
            let folds = if run % 2 == 0 { "" } else { FOLDS };
            fit(&place, &format!("{folds} --trainer.max_epochs 2"))
                .spawn()
                .unwrap()
        })
        .collect();
    for run in &mut runs {
        assert!(run.wait().unwrap().success());
    }
    let whole = |version: usize| {
        let run = place.path(&format!("logs/version_{version}"));
        let folds = run.join("fold_3/metrics.csv").exists() && run.join("folds.tsv").exists();
        let single = run.join("metrics.csv").exists();
        assert!(
            folds != single && run.join("config.yaml").exists(),
            "{}",
            run.display()
        );
        folds
    };
    assert_eq!((0..4).filter(|version| whole(*version)).count(), 2);
    assert!(!place.path("logs/version_4").exists());
}

#[test]
fn a_run_that_another_process_is_writing_is_not_gone_on_with() {
    let place = Workplace::new();
    for (folds, checkpoints) in [("", "checkpoints"), (FOLDS, "fold_0/checkpoints")] {
        let root = if folds.is_empty() { "one" } else { "all" };
        // Every checkpoint is kept, so that none goes away while it is looked at.
        let words = format!(
            "{folds} --trainer.max_epochs 100000 --trainer.default_root_dir {root} \
             --trainer.callbacks ModelCheckpoint --trainer.callbacks.save_top_k -1"
        );
        let mut first = fit(&place, &words).spawn().unwrap();
        let checkpoints = place.path(root).join("version_0").join(checkpoints);
        wait_for(&mut first, &checkpoints);
        // The first checkpoint is complete when it has its name.
        while !fs::read_dir(&checkpoints)
            .unwrap()
            .flatten()
            .any(|it| !it.file_name().to_string_lossy().starts_with('.'))
        {
            sleep(Duration::from_millis(1));
        }
        let second = place.run(&format!("fit -c fit.yaml {words} --ckpt_path last"));
        let pid = first.id();
        first.kill().unwrap();
        first.wait().unwrap();
        assert_eq!(second.code, Some(2), "{}", second.err);
        let expected = format!("process {pid} is writing this run; wait until it has ended");
        assert!(second.err.contains(&expected), "{}", second.err);
        assert!(!place.path(root).join("version_1").exists());
    }
    // A dead process claims nothing.
    place.succeed(
        "fit -c fit.yaml --trainer.max_epochs 1 --trainer.default_root_dir one --ckpt_path last",
    );
}

#[test]
fn a_run_is_claimed_before_its_checkpoint_is_read() {
    let place = Workplace::new();
    place.succeed("fit -c fit.yaml --trainer.max_epochs 2 --trainer.callbacks ModelCheckpoint --trainer.callbacks.save_top_k -1");
    let run = place.path("logs/version_0");
    let mut checkpoints: Vec<_> = fs::read_dir(run.join("checkpoints"))
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    checkpoints.sort();
    let [older, newest] = checkpoints.try_into().unwrap();
    let mut lock = fs::File::options()
        .write(true)
        .truncate(true)
        .open(run.join(".lock"))
        .unwrap();
    lock.try_lock().unwrap();
    write!(lock, "{}", std::process::id()).unwrap();

    let go_on = |checkpoint: &Path| {
        let checkpoint = checkpoint.strip_prefix(place.path("")).unwrap();
        place.run(&format!(
            "fit -c fit.yaml --trainer.max_epochs 3 --ckpt_path {}",
            checkpoint.display()
        ))
    };
    // An older checkpoint begins a run of its own, whoever goes on with this one.
    let branch = go_on(&older);
    assert_eq!(branch.code, Some(0), "{}", branch.err);
    assert!(place.path("logs/version_1/metrics.csv").exists());
    // The newest is in the hands of the process that writes it, whatever it has removed already.
    for gone in ["training/state.json", "model.safetensors", "engraft.yaml"] {
        fs::remove_file(newest.join(gone)).unwrap();
        let refused = go_on(&newest);
        let expected = format!("process {} is writing this run", std::process::id());
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        assert!(refused.err.contains(&expected), "{}", refused.err);
    }
    assert!(!place.path("logs/version_2").exists());
}
