//! The cache of hidden states: found again by other runs, safe for several at once, and never a reason to fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{Said, Workplace};

/// Embeds the rows of `peptides.tsv`, keeping what is computed.
const EMBED: &str = "predict --model Embed --model.backbone sapiens_vh --model.backbone.max_length 64 --model.pooling mean_pooling \
    --model.backbone.enable_cache true --data.path peptides.tsv --data.x_col sequences --data.batch_size 8 --output";

/// A head on a frozen encoder.
const FIT: &str = "seed_everything: 3
model:
  class_path: SequenceClassification
  init_args:
    n_classes: 2
    backbone:
      class_path: sapiens_vh
      init_args:
        max_length: 64
        frozen: true
        enable_cache: true
        file_cache_dir: states
    adapter: {class_path: MLPPoolAdapter, init_args: {hidden_sizes: [16], dropout: 0.2}}
    optimizer: {class_path: AdamW, init_args: {lr: 1e-2}}
data:
  class_path: SequenceClassificationDataModule
  init_args: {path: peptides.tsv, batch_size: 8, test_split_size: 0.2}
trainer:
  max_epochs: 3
  log_every_n_steps: 1
  callbacks:
  - {class_path: ModelCheckpoint, init_args: {every_n_train_steps: 3}}
  - {class_path: ModelCheckpoint, init_args: {monitor: val_loss, filename: best}}
";

fn workplace(rows: usize) -> Workplace {
    let place = Workplace::empty();
    let letters: Vec<char> = "ACDEFGHIKLMNPQRSTVWY".chars().collect();
    let rows: Vec<String> = (0..rows)
        .map(|row| {
            let length = 3 + row * 7 % 29;
            let letters = (0..length).map(|at| letters[(row * 31 + at * (row % 11 + 1)) % 20]);
            format!("{}\t{}\n", letters.collect::<String>(), row * row % 7 / 4)
        })
        .collect();
    place.write(
        "peptides.tsv",
        &format!("sequences\tlabels\n{}", rows.concat()),
    );
    place.write("fit.yaml", FIT);
    place
}

/// The note that says what the cache was good for.
fn report(said: &Said) -> &str {
    assert_eq!(said.code, Some(0), "{}", said.err);
    let mut lines = said.err.lines();
    let found = lines.find(|line| line.starts_with("note: hidden states of "));
    found.unwrap_or_else(|| panic!("no report: {}", said.err))
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "segment")
        })
        .collect()
}

#[test]
fn a_second_run_computes_nothing_and_says_the_same() {
    let place = workplace(60);
    let plain = EMBED.replace("enable_cache true", "enable_cache false");
    place.succeed(&format!("{plain} plain.tsv"));
    let first = place.run(&format!("{EMBED} first.tsv"));
    assert!(
        report(&first).contains("of 60 sequences: 0 were in the cache, 60 were computed;"),
        "{}",
        first.err
    );
    let folder = place.path("engraft-cache/hidden-states");
    assert!(
        report(&first).contains(folder.to_str().unwrap()),
        "{}",
        first.err
    );
    assert!(report(&first).contains("of at most 10GB"), "{}", first.err);
    let again = place.run(&format!(
        "{EMBED} again.tsv --data.batch_size 60 --threads 1"
    ));
    assert!(
        report(&again).contains("60 were in the cache, 0 were computed;"),
        "{}",
        again.err
    );
    assert_eq!(place.read("first.tsv"), place.read("again.tsv"));
    let numbers = |name: &str| -> Vec<f64> {
        let text = place.read(name);
        text.lines()
            .skip(1)
            .flat_map(|line| {
                line.split('\t')
                    .skip(1)
                    .map(|cell| cell.parse().unwrap())
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    for (plain, cached) in numbers("plain.tsv").into_iter().zip(numbers("first.tsv")) {
        assert!((plain - cached).abs() < 1e-5, "{plain} {cached}");
    }
    let anew = place.run(&format!(
        "{EMBED} anew.tsv --model.backbone.overwrite_file_cache true"
    ));
    assert!(report(&anew).contains("60 were computed;"), "{}", anew.err);
}

#[test]
fn epochs_splits_and_runs_share_what_was_computed() {
    let place = workplace(60);
    let said = place.run("fit -c fit.yaml");
    let fitted = said.out.clone();
    let words: Vec<&str> = report(&said).split(' ').collect();
    let after = |word: &str| words[words.iter().position(|found| *found == word).unwrap() + 1];
    // Of 60 rows some are the same, each was asked for in each epoch or scoring.
    let [asked, found] = [words[4], after("sequences:")].map(|word| word.parse::<usize>().unwrap());
    assert!(asked > 3 * 40 && asked - found <= 60, "{}", said.err);
    let checkpoint = said
        .err
        .lines()
        .find_map(|line| line.strip_prefix("checkpoint  "))
        .unwrap();
    for command in ["validate", "test"] {
        let said = place.run(&format!(
            "{command} -c fit.yaml --ckpt_path {checkpoint} --data.batch_size 60"
        ));
        assert!(report(&said).contains(" 0 were computed;"), "{}", said.err);
        assert!(
            !said.err.contains("differs from the checkpoint"),
            "{}",
            said.err
        );
    }
    let said = place.run(&format!(
        "predict -c fit.yaml --ckpt_path {checkpoint} --output p.tsv"
    ));
    assert!(report(&said).contains(" 0 were computed;"), "{}", said.err);
    // A checkpoint by itself is scored without a cache: it does not name the folder.
    let said = place.run(&format!(
        "predict --ckpt_path {checkpoint} --data SequencesDataModule --data.path peptides.tsv --data.x_col sequences --output q.tsv"
    ));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(!said.err.contains("hidden states"), "{}", said.err);
    let again = place.run("fit -c fit.yaml");
    assert!(
        report(&again).contains(" 0 were computed;"),
        "{}",
        again.err
    );
    assert_eq!(again.out, fitted);
}

#[test]
fn two_processes_at_once_share_one_folder() {
    let place = workplace(150);
    let embed = EMBED.replace(
        "--data.batch_size 8",
        "--data.batch_size 4 --model.backbone.cache_write_buffer_size 5",
    );
    let start = |output: &str| -> Child {
        let words = format!("{embed} {output}");
        let mut command = place.command();
        command
            .args(words.split_whitespace())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let running: Vec<Child> = ["a.tsv", "b.tsv", "c.tsv"].into_iter().map(start).collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{err}");
        assert!(!err.contains("damaged"), "{err}");
    }
    assert_eq!(place.read("a.tsv"), place.read("b.tsv"));
    assert_eq!(place.read("a.tsv"), place.read("c.tsv"));
    let said = place.run(&format!("{EMBED} d.tsv"));
    assert!(report(&said).contains(" 0 were computed;"), "{}", said.err);
    assert_eq!(place.read("a.tsv"), place.read("d.tsv"));
}

#[test]
fn a_process_killed_while_it_writes_leaves_what_the_next_one_can_use() {
    let place = workplace(400);
    let folder = place.path("engraft-cache/hidden-states");
    let embed = EMBED.replace(
        "--data.batch_size 8",
        "--data.batch_size 4 --model.backbone.cache_write_buffer_size 1",
    );
    let written = || -> u64 {
        segments(&folder)
            .iter()
            .map(|path| path.metadata().map_or(0, |data| data.len()))
            .sum()
    };
    for kill in 0..5 {
        let before = written();
        let mut command = place.command();
        command
            .args(format!("{embed} killed.tsv").split_whitespace())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let began = Instant::now();
        while written() == before
            && child.try_wait().unwrap().is_none()
            && began.elapsed() < Duration::from_secs(60)
        {
            sleep(Duration::from_micros(200));
        }
        sleep(Duration::from_micros(700 * kill));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(written() >= before);
    }
    let said = place.run(&format!("{embed} after.tsv"));
    assert!(
        !report(&said).contains(": 0 were in the cache"),
        "{}",
        said.err
    );
    assert!(
        !said.err.contains("damaged"),
        "a death is no damage: {}",
        said.err
    );
    place.succeed(&format!(
        "{EMBED} fresh.tsv --model.backbone.file_cache_dir fresh"
    ));
    assert_eq!(place.read("after.tsv"), place.read("fresh.tsv"));
}

#[test]
fn a_run_killed_and_resumed_ends_in_the_same_bits_whatever_the_cache_holds() {
    let place = workplace(160);
    let fit = |root: &str, cache: &str, resume: bool| -> Command {
        let mut command = place.command();
        let words = format!(
            "fit -c fit.yaml --trainer.default_root_dir {root} --model.backbone.file_cache_dir {cache} --model.backbone.cache_write_buffer_size 3 \
             --trainer.max_epochs 8 --threads 2"
        );
        command
            .args(words.split_whitespace())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if resume {
            command.args(["--ckpt_path", "last"]);
        }
        command
    };
    assert!(fit("whole", "states", false).status().unwrap().success());
    let checkpoints = place.path("killed/version_0/checkpoints");
    let saved = || checkpoints_in(&checkpoints);
    for kill in 0..4 {
        let before = saved();
        let mut child = fit("killed", "others", !before.is_empty()).spawn().unwrap();
        let began = Instant::now();
        while saved() == before
            && child.try_wait().unwrap().is_none()
            && began.elapsed() < Duration::from_secs(60)
        {
            sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if kill == 1 {
            // What was computed is computed again.
            fs::remove_dir_all(place.path("others")).unwrap();
        }
    }
    assert!(fit("killed", "others", true).status().unwrap().success());
    for file in [
        "checkpoints/best/model.safetensors",
        "checkpoints/best/training/optimizer.safetensors",
        "metrics.csv",
    ] {
        let [whole, killed] = ["whole", "killed"].map(|root| {
            let path = place.path(root).join("version_0").join(file);
            fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        });
        assert!(whole == killed, "{file} differs");
    }
}

/// The checkpoints that are complete, and when each was.
fn checkpoints_in(folder: &Path) -> Vec<(PathBuf, std::time::SystemTime)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.modified().ok()?)))
        .collect();
    found.sort();
    found
}

#[test]
fn a_damaged_file_is_named_and_what_it_held_is_computed_anew() {
    let place = workplace(30);
    place.succeed(&format!("{EMBED} first.tsv"));
    let path = &segments(&place.path("engraft-cache/hidden-states"))[0];
    let whole = fs::read(path).unwrap();
    for (at, what) in [
        (64 + 64 + 100, "is damaged at byte 128"),
        (64 + 3, "is damaged after byte 64"),
        (3, "is damaged after byte 0"),
    ] {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 4;
        fs::write(path, bytes).unwrap();
        let said = place.run(&format!("{EMBED} again.tsv"));
        assert!(!report(&said).contains(" 0 were computed;"), "{}", said.err);
        let note = said
            .err
            .lines()
            .find(|line| line.contains(what))
            .unwrap_or_else(|| panic!("{what}: {}", said.err));
        assert!(note.contains(path.to_str().unwrap()), "{note}");
        assert_eq!(place.read("first.tsv"), place.read("again.tsv"));
        let said = place.run(&format!("{EMBED} again.tsv"));
        assert!(
            report(&said).contains(" 0 were computed;") && !said.err.contains("damaged"),
            "{}",
            said.err
        );
    }
    assert_eq!(fs::read(path).unwrap().len(), whole.len());
}

#[test]
fn a_cache_that_is_too_small_keeps_what_fits_and_says_so() {
    let place = workplace(60);
    let said = place.run(&format!(
        "{EMBED} a.tsv --model.backbone.cache_max_size 8KiB"
    ));
    assert!(
        report(&said).contains("of which were not kept")
            && report(&said).contains("of at most 8KiB"),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("is full of what is in use"),
        "{}",
        said.err
    );
    let size: u64 = segments(&place.path("engraft-cache/hidden-states"))
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .sum();
    assert!((1..=8192).contains(&size), "{size}");
    let again = place.run(&format!(
        "{EMBED} b.tsv --model.backbone.cache_max_size 8KiB"
    ));
    assert!(
        !report(&again).contains(": 0 were in the cache"),
        "{}",
        again.err
    );
    assert_eq!(place.read("a.tsv"), place.read("b.tsv"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_to_is_said_and_the_run_goes_on() {
    let place = workplace(20);
    let said = place.run(&format!(
        "{EMBED} a.tsv --model.backbone.file_cache_dir /proc/cache"
    ));
    assert!(
        report(&said).contains("20 were computed, 20 of which were not kept"),
        "{}",
        said.err
    );
    assert!(
        said.err
            .contains("note: the cache cannot write to /proc/cache"),
        "{}",
        said.err
    );
    place.succeed(&format!("{EMBED} b.tsv"));
    assert_eq!(place.read("a.tsv"), place.read("b.tsv"));
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_said_once_and_the_run_goes_on() {
    let place = workplace(60);
    place.succeed("fit -c fit.yaml --trainer.max_steps 1");
    let predict =
        "predict -c fit.yaml --ckpt_path last --model.backbone.cache_write_buffer_size 10";
    place.succeed(&format!("{predict} --output whole.tsv"));
    // No file may grow beyond 8 or 16 kB, as blocks are counted; the one of predictions is smaller.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_engraft")]);
    command.args(
        format!("{predict} --output a.tsv --model.backbone.file_cache_dir full").split_whitespace(),
    );
    let output = command.current_dir(place.folder.path()).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    let notes = err
        .lines()
        .filter(|line| line.contains("is not kept"))
        .count();
    assert_eq!(notes, 1, "{err}");
    assert!(err.contains("of which were not kept"), "{err}");
    assert_eq!(place.read("a.tsv"), place.read("whole.tsv"));
}

#[test]
fn what_cannot_be_cached_is_refused_before_anything_is_read() {
    let place = workplace(20);
    place.succeed("fit -c fit.yaml --trainer.max_steps 1");
    for (words, what) in [
        (
            "fit -c fit.yaml --model.backbone.frozen false",
            "add frozen: true",
        ),
        (
            "fit -c fit.yaml --model.backbone.use_peft true",
            "LoRA's updates change the hidden states",
        ),
        (
            "predict -c fit.yaml --ckpt_path last --output p.tsv --model.backbone.cache_max_size 0",
            "cache_max_size",
        ),
        (
            "predict -c fit.yaml --ckpt_path last --output p.tsv --model.backbone.cache_max_size big",
            "expected a size such as",
        ),
        (
            "predict -c fit.yaml --ckpt_path last --output p.tsv --model.backbone.cache_write_buffer_size 0",
            "cache_write_buffer_size",
        ),
        (
            "predict -c fit.yaml --ckpt_path last --output p.tsv --model.backbone.file_cache_dir peptides.tsv",
            "is a file; name a folder",
        ),
    ] {
        let said = place.run(words);
        assert_eq!(said.code, Some(2), "{words}: {}", said.err);
        assert!(said.err.contains(what), "{words}: {}", said.err);
    }
    place.write("fit.yaml", &FIT.replace("        frozen: true\n", ""));
    let said = place.run("fit -c fit.yaml");
    assert!(
        said.err
            .contains("fit.yaml:10: model.init_args.backbone.init_args.enable_cache"),
        "{}",
        said.err
    );
    let said = place.run(
        "fit --model MLM --model.backbone sapiens_vh --model.backbone.frozen true --model.backbone.enable_cache true --data.path peptides.tsv",
    );
    assert!(
        said.code == Some(2) && said.err.contains("other tokens are masked"),
        "{}",
        said.err
    );
}

#[test]
fn a_run_goes_on_with_the_cache_as_it_was_trained_with() {
    let place = workplace(40);
    place.succeed("fit -c fit.yaml --trainer.max_epochs 1");
    let said = place.run("fit -c fit.yaml --ckpt_path last --model.backbone.enable_cache false");
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("enable_cache is false, and was true"),
        "{}",
        said.err
    );
    let said = place.run("fit -c fit.yaml --ckpt_path last --model.backbone.file_cache_dir elsewhere --model.backbone.cache_max_size 1MB");
    assert_eq!(said.code, Some(0), "{}", said.err);
}
