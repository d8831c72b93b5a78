//! Cross-validation: all folds, one fold, killed and resumed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Workplace;

/// What makes a run one of all folds.
pub(crate) const FOLDS: &str = "--data.cv_num_folds 4 --data.random_seed 5";

/// The rows of a table without its header, cut into cells.
fn rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.split('\t').map(str::to_owned).collect();
    text.lines().skip(1).map(cells).collect()
}

fn value(cell: &str) -> f64 {
    cell.parse().unwrap()
}

#[test]
fn fit_on_all_folds_tests_every_row_once_and_tells_mean_and_spread() {
    let place = Workplace::new();
    let printed = place.succeed(&format!("fit -c fit.yaml {FOLDS}"));
    let table = place.read("logs/version_0/folds.tsv");
    assert!(
        table.starts_with("fold\ttest_loss\ttest_accuracy\t"),
        "{table}"
    );
    let rows_of = rows(&table);
    let names: Vec<&str> = rows_of.iter().map(|row| &*row[0]).collect();
    assert_eq!(names, ["0", "1", "2", "3", "mean", "sd"]);
    let losses: Vec<f64> = rows_of.iter().map(|row| value(&row[1])).collect();
    let mean = losses[..4].iter().sum::<f64>() / 4.0;
    let squares: f64 = losses[..4].iter().map(|loss| (loss - mean).powi(2)).sum();
    assert!((losses[4] - mean).abs() < 1e-12);
    assert!((losses[5] - (squares / 3.0).sqrt()).abs() < 1e-12);
    let said = printed.lines().find(|line| line.starts_with("test_loss "));
    let said: Vec<&str> = said.unwrap().split_whitespace().collect();
    assert_eq!(
        said[1..3],
        [format!("{mean:.4}"), format!("{:.4}", losses[5])]
    );

    let mut tested = BTreeSet::new();
    for (fold, (row, loss)) in rows_of.iter().zip(&losses).take(4).enumerate() {
        let checkpoint = format!("logs/version_0/{}", row.last().unwrap());
        // The checkpoint knows for which of the folds it was trained.
        place.succeed(&format!(
            "predict -c fit.yaml {FOLDS} --ckpt_path {checkpoint} --output p{fold}.tsv"
        ));
        let predicted = rows(&place.read(&format!("p{fold}.tsv")));
        assert_eq!(predicted.len(), 6);
        tested.extend(predicted.into_iter().map(|row| row[0].clone()));
        let scores = place.succeed(&format!(
            "test -c fit.yaml {FOLDS} --ckpt_path {checkpoint}"
        ));
        assert!(scores.contains(&format!("{loss:.4}")), "{scores}");
    }
    assert_eq!(tested.len(), 24);
    let said = place.run(&format!(
        "test -c fit.yaml {FOLDS} --ckpt_path logs/version_0"
    ));
    let expected = "error: --ckpt_path: logs/version_0 is the folder of a run; name one of its checkpoints, such as logs/version_0/fold_3/checkpoints/";
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains(expected), "{}", said.err);
}

#[test]
fn a_folds_own_experiment_repeats_that_fold_alone() {
    let place = Workplace::new();
    place.succeed(&format!("fit -c fit.yaml {FOLDS}"));
    place.succeed("fit -c logs/version_0/fold_2/config.yaml");
    let bytes =
        |run: &str, file: &str| fs::read(place.path(&format!("logs/{run}/{file}"))).unwrap();
    let both = |file: &str| {
        assert!(
            bytes("version_0/fold_2", file) == bytes("version_1", file),
            "{file} differs"
        );
    };
    both("metrics.csv");
    let checkpoints = fs::read_dir(place.path("logs/version_1/checkpoints")).unwrap();
    for checkpoint in checkpoints {
        let name = checkpoint.unwrap().file_name().into_string().unwrap();
        both(&format!("checkpoints/{name}/model.safetensors"));
    }
}

#[test]
fn a_checkpoint_is_not_scored_on_another_fold() {
    let place = Workplace::new();
    place.succeed(&format!("fit -c fit.yaml {FOLDS} --data.cv_test_fold_id 1"));
    let said = place.run(&format!(
        "test -c fit.yaml {FOLDS} --data.cv_test_fold_id 2 --ckpt_path last"
    ));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err
            .contains("was trained for fold 1, so it has seen rows of fold 2"),
        "{}",
        said.err
    );
    // Other folds than these are not the checkpoint's.
    let said = place.run("test -c fit.yaml --data.cv_num_folds 4 --ckpt_path last");
    assert_eq!(said.code, Some(2));
    assert!(
        said.err
            .contains("does not say for which of these folds it was trained"),
        "{}",
        said.err
    );
    place.succeed(&format!("test -c fit.yaml {FOLDS} --ckpt_path last"));
    place.succeed(&format!("validate -c fit.yaml {FOLDS} --ckpt_path last"));
    place.succeed("test -c fit.yaml --ckpt_path last");
}

#[test]
fn all_folds_know_a_class_that_only_one_of_them_has() {
    let place = Workplace::new();
    let mut table = "sequences\tlabels\n".to_owned();
    for row in 0..20 {
        table.push_str(&format!("a w{}\t{}\n", row % 7, ["x", "y"][row % 2]));
    }
    table.push_str("b w1\tz\n");
    place.write("rare.tsv", &table);
    place.succeed(&format!(
        "fit -c fit.yaml {FOLDS} --data.path rare.tsv --model.use_legacy_adapter false --trainer.max_epochs 1"
    ));
    assert_eq!(rows(&place.read("logs/version_0/folds.tsv")).len(), 6);
}

#[test]
fn a_rehearsal_of_all_folds_leaves_nothing() {
    let place = Workplace::new();
    let printed = place.succeed(&format!(
        "fit -c fit.yaml {FOLDS} --trainer.fast_dev_run true"
    ));
    assert!(printed.contains("fold 3"), "{printed}");
    assert!(!place.path("logs").exists());
}

pub(crate) fn fit(place: &Workplace, words: &str) -> Command {
    let mut command = place.command();
    command
        .args(["fit", "-c", "fit.yaml"])
        .args(words.split_whitespace());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Waits until there is something at a path; the process must not end before.
pub(crate) fn wait_for(child: &mut Child, path: &Path) {
    let began = Instant::now();
    while !path.exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "ended without {}",
            path.display()
        );
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "no {}",
            path.display()
        );
        sleep(Duration::from_millis(1));
    }
}

/// Every file of a run of all folds, with what is in it, but those that name the run's own folder or tell of the time it took.
fn results(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if ["config.yaml", ".lock", "report.html", "plots"].contains(&&*name) {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(run, &mut found);
    found.sort();
    let read = |path: PathBuf| {
        let mut bytes = fs::read(&path).unwrap();
        if path.ends_with("state.json") {
            // An interruption saves once more than there would have been, and saves are counted.
            let text = String::from_utf8(bytes).unwrap();
            let lines = text.lines().filter(|line| !line.contains("\"saves\""));
            bytes = lines.collect::<Vec<_>>().join("\n").into_bytes();
        }
        (path.strip_prefix(run).unwrap().to_owned(), bytes)
    };
    found.into_iter().map(read).collect()
}

fn assert_same(place: &Workplace, whole: &str, other: &str) {
    let [whole, other] = [whole, other].map(|root| results(&place.path(root).join("version_0")));
    let names = |files: &[(PathBuf, Vec<u8>)]| {
        files
            .iter()
            .map(|(path, _)| path.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&whole), names(&other));
    for ((path, whole), (_, other)) in whole.iter().zip(&other) {
        assert!(whole == other, "{} differs", path.display());
    }
}

fn long(root: &str) -> String {
    format!("{FOLDS} --threads 2 --trainer.max_epochs 6 --trainer.default_root_dir {root}")
}

#[cfg(unix)]
#[test]
fn a_run_preempted_in_fold_3_goes_on_there_to_the_same_bits() {
    let place = Workplace::new();
    assert!(fit(&place, &long("whole")).status().unwrap().success());
    let mut child = fit(&place, &long("cut")).spawn().unwrap();
    wait_for(&mut child, &place.path("cut/version_0/fold_3/checkpoints"));
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(!child.wait().unwrap().success());
    let finished = |table: &str| {
        rows(table)
            .iter()
            .map(|row| row[0].clone())
            .collect::<Vec<_>>()
    };
    let table = place.read("cut/version_0/folds.tsv");
    assert_eq!(finished(&table), ["0", "1", "2"]);
    let said = place.run(&format!("fit -c fit.yaml {} --ckpt_path last", long("cut")));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("fold 2: test_loss "), "{}", said.err);
    assert!(said.err.contains("(done before)"), "{}", said.err);
    assert!(!place.path("cut/version_1").exists());
    assert_same(&place, "whole", "cut");
}

#[test]
fn a_run_of_all_folds_killed_at_any_moment_ends_in_the_same_bits() {
    let place = Workplace::new();
    assert!(fit(&place, &long("whole")).status().unwrap().success());
    for kill in 0..40u64 {
        let run = place.path("killed/version_0");
        let resume = if run.join("fold_0").exists() {
            " --ckpt_path last"
        } else {
            ""
        };
        let before = results_so_far(&run);
        let mut child = fit(&place, &format!("{}{resume}", long("killed")))
            .spawn()
            .unwrap();
        // Each process gets a little further than the one before, and is then killed somewhere.
        let began = Instant::now();
        while results_so_far(&run) <= before
            && child.try_wait().unwrap().is_none()
            && began.elapsed() < Duration::from_secs(60)
        {
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_millis(kill * 37 % 90));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            assert!(kill > 2, "the run ended before it was killed often enough");
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let words = format!("fit -c fit.yaml {} --ckpt_path last", long("killed"));
    place.succeed(&words);
    assert!(!place.path("killed/version_1").exists());
    assert_same(&place, "whole", "killed");
}

/// How far a run has come: the newest moment at which any of its checkpoints was finished.
fn results_so_far(run: &Path) -> Option<std::time::SystemTime> {
    let folds = fs::read_dir(run).ok()?.flatten();
    let checkpoints = folds.filter_map(|fold| fs::read_dir(fold.path().join("checkpoints")).ok());
    let entries = checkpoints.flatten().flatten();
    let finished = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    finished
        .filter_map(|entry| entry.metadata().ok()?.modified().ok())
        .max()
}

#[test]
fn all_folds_are_trained_by_one_experiment() {
    let place = Workplace::new();
    place.succeed(&format!("fit -c fit.yaml {FOLDS} --trainer.max_epochs 1"));
    for (change, said) in [
        (
            "--model.optimizer.lr 1e-2",
            "model.optimizer.lr is 0.01, and was 0.001",
        ),
        (
            "--data.cv_val_offset 2",
            "data.cv_val_offset is 2, and was 1",
        ),
        (
            "--trainer.max_epochs 2",
            "trainer.max_epochs is 2, and was 1",
        ),
    ] {
        let words =
            format!("fit -c fit.yaml {FOLDS} --trainer.max_epochs 1 {change} --ckpt_path last");
        let refused = place.run(&words);
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        let expected = format!("logs/version_0 was begun with another experiment: {said}.");
        assert!(refused.err.contains(&expected), "{}", refused.err);
    }
    let table = place.path("logs/version_0/folds.tsv");
    fs::write(&table, "fold\tcheckpoint\nfirst\t\n").unwrap();
    let refused = place.run(&format!(
        "fit -c fit.yaml {FOLDS} --trainer.max_epochs 1 --ckpt_path logs/version_0"
    ));
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(
        refused.err.contains("folds.tsv: is no table of folds"),
        "{}",
        refused.err
    );
}

#[test]
fn classes_weigh_what_the_data_says_and_a_resumed_run_weighs_them_alike() {
    let place = Workplace::new();
    let saved = |run: &str| {
        let folder = fs::read_dir(place.path(&format!("{run}/version_0/checkpoints"))).unwrap();
        let folder = folder
            .flatten()
            .find(|it| !it.file_name().to_string_lossy().starts_with('.'));
        let text = fs::read_to_string(folder.unwrap().path().join("engraft.yaml")).unwrap();
        let after = text
            .split_once("class_weights:")
            .map(|(_, after)| after.to_owned());
        let lines = after.unwrap_or_default();
        let numbers = lines
            .lines()
            .map(str::trim)
            .skip_while(|line| line.is_empty());
        let numbers = numbers.take_while(|line| line.starts_with('-'));
        numbers
            .map(|line| line.trim_start_matches('-').trim().parse::<f64>().unwrap())
            .collect::<Vec<f64>>()
    };
    let fit = |root: &str, words: &str| {
        format!("fit -c fit.yaml --trainer.max_epochs 1 --trainer.default_root_dir {root} {words}")
    };
    place.succeed(&fit("given", "--data.class_weight [0.5,1,2]"));
    assert_eq!(saved("given"), [0.5, 1.0, 2.0]);
    place.succeed(&fit("auto", "--data.class_weight auto"));
    place.succeed(&fit("loss", "--model.weighted_loss true"));
    let auto = saved("auto");
    assert_eq!((auto.len(), &auto), (3, &saved("loss")));
    let metrics = |root: &str| place.read(&format!("{root}/version_0/metrics.csv"));
    assert_eq!(metrics("auto"), metrics("loss"));
    assert_ne!(metrics("auto"), metrics("given"));

    let words = fit("given", "--data.class_weight auto --ckpt_path last");
    let refused = place.run(&words);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(
        refused
            .err
            .contains("data.class_weight: the run was begun with classes that weigh 0.5, 1, 2,"),
        "{}",
        refused.err
    );
    place.succeed(&fit(
        "given",
        "--data.class_weight [0.5,1,2] --ckpt_path last",
    ));
}

#[test]
fn retrieved_columns_and_mutants_come_back_with_their_predictions() {
    let place = Workplace::new();
    place.write("seq.tsv", "name\tdna\tkind\nfirst\tACG\tx\nsecond\tTT\ty\n");
    place.write("letters.txt", "A\nC\n");
    let embed =
        "predict --model Embed --model.backbone aido_dna_debug --model.pooling mean_pooling";
    place.succeed(&format!(
        "{embed} --data ColumnRetrievalDataModule --data.path seq.tsv --data.in_cols [name,dna,kind] --data.out_cols [ids,sequences,kind] --output p.tsv"
    ));
    let text = place.read("p.tsv");
    assert!(
        text.lines().next().unwrap().ends_with("\tsequences\tkind"),
        "{text}"
    );
    let second = &rows(&text)[1];
    assert_eq!(second[0], "second");
    assert_eq!(second[second.len() - 2..], ["TT", "y"]);

    place.succeed(&format!(
        "{embed} --data DependencyMappingDataModule --data.path seq.tsv --data.x_col dna --data.id_col name --data.vocab_file letters.txt --output m.tsv"
    ));
    let text = place.read("m.tsv");
    assert!(
        text.lines().next().unwrap().ends_with("\tpos_i\tmut_i"),
        "{text}"
    );
    let mutants = rows(&text);
    assert_eq!(mutants.len(), 3 * 2 + 1 + 2 * 2 + 1);
    let tail = |row: &[String]| row[row.len() - 2..].join(" ");
    assert_eq!(tail(&mutants[3]), "1 1");
    assert_eq!(
        (mutants[7][0].as_str(), tail(&mutants[6])),
        ("second", "-1 -1".to_owned())
    );
    // A replaced by A is the sequence itself.
    assert_eq!(mutants[0][1], mutants[6][1]);
    assert_ne!(mutants[1][1], mutants[6][1]);
}
