//! A run that is killed again and again ends in the same weights as one that is left alone, to the bit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// How often the run is killed.
const KILLS: usize = 10;

/// Tokens of the vocabulary: with 64 dimensions the embedding has more than 4 Mi elements, where a parallel sum is tempted to depend on timing.
const VOCABULARY: usize = 65_600;

/// An experiment with everything that has state: dropout, clipping, accumulation, warm-up, shuffling, early stopping, and checkpoints that are
/// saved every few steps and, two at one moment, at the ends of epochs.
const EXPERIMENT: &str = "
seed_everything: 3
model:
  class_path: SequenceClassification
  init_args:
    backbone: {class_path: ., init_args: {from_scratch: true}}
    optimizer: {class_path: AdamW, init_args: {lr: 1e-3}}
    lr_scheduler: {class_path: CosineWithWarmup, init_args: {warmup_ratio: 0.1}}
data:
  class_path: SequenceClassificationDataModule
  init_args: {path: train.tsv, x_col: text, y_col: label, batch_size: 4, test_split_size: 0}
trainer:
  max_epochs: 24
  accumulate_grad_batches: 2
  gradient_clip_val: 0.5
  log_every_n_steps: 1
  callbacks:
  - {class_path: ModelCheckpoint, init_args: {every_n_train_steps: 3}}
  - {class_path: ModelCheckpoint, init_args: {monitor: val_loss, filename: 'best-{epoch}', save_top_k: 2}}
  - {class_path: ModelCheckpoint, init_args: {monitor: train_loss_epoch, filename: 'lowest-{epoch}'}}
  - {class_path: EarlyStopping, init_args: {monitor: val_loss, patience: 50}}
";

/// A folder with a model's shape, its vocabulary, a table and the experiment.
fn prepare(folder: &Path) {
    let config = format!(
        "{{\"model_type\": \"bert\", \"vocab_size\": {VOCABULARY}, \"hidden_size\": 64, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \
         \"intermediate_size\": 96, \"max_position_embeddings\": 64}}"
    );
    fs::write(folder.join("config.json"), config).unwrap();
    let words = (5..VOCABULARY).map(|i| format!("w{i}"));
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
    let vocabulary: Vec<String> = special.into_iter().chain(words).collect();
    fs::write(folder.join("vocab.txt"), vocabulary.join("\n")).unwrap();
    let mut table = "text\tlabel\n".to_owned();
    for row in 0..60usize {
        let words: Vec<String> = (0..row * 7 % 29 + 1)
            .map(|i| format!("w{}", 5 + (row * 7919 + i * 104_729) % (VOCABULARY - 5)))
            .collect();
        let label = if row * row % 7 < 3 { "yes" } else { "no" };
        table.push_str(&format!("{}\t{label}\n", words.join(" ")));
    }
    fs::write(folder.join("train.tsv"), table).unwrap();
    fs::write(folder.join("fit.yaml"), EXPERIMENT).unwrap();
}

fn fit(folder: &Path, root: &str, resume: bool) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engraft"));
    command.current_dir(folder).args([
        "fit",
        "--config",
        "fit.yaml",
        "--trainer.default_root_dir",
        root,
        "--threads",
        "2",
    ]);
    if resume {
        command.args(["--ckpt_path", "last"]);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The files of the run's only version, but for what names the run's own folder.
fn results(folder: &Path, root: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let run = folder.join(root).join("version_0");
    assert!(
        !folder.join(root).join("version_1").exists(),
        "{root}: a resumed run began another folder"
    );
    let mut files = vec![run.join("metrics.csv")];
    for checkpoint in fs::read_dir(run.join("checkpoints")).unwrap() {
        let checkpoint = checkpoint.unwrap().path();
        files.extend(
            [
                "model.safetensors",
                "training/optimizer.safetensors",
                "training/state.json",
            ]
            .map(|file| checkpoint.join(file)),
        );
    }
    files.sort();
    files
        .into_iter()
        .map(|path| {
            (
                path.strip_prefix(&run).unwrap().to_owned(),
                fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            )
        })
        .collect()
}

/// When the newest checkpoint was finished, if there is one.
fn saved(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder.join("killed/version_0/checkpoints"))
        .ok()?
        .flatten();
    let finished = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    finished
        .filter_map(|entry| entry.metadata().ok()?.modified().ok())
        .max()
}

/// A moment that no two runs of the test share.
fn jitter() -> Duration {
    let nanos = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    Duration::from_micros(u64::from(nanos / 1000 % 250_000))
}

#[test]
fn a_run_killed_ten_times_ends_in_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepare(folder);
    assert!(fit(folder, "whole", false).status().unwrap().success());

    let mut kills = 0;
    while kills < KILLS {
        let resume = saved(folder).is_some();
        let mut child = fit(folder, "killed", resume).spawn().unwrap();
        // Every run gets at least one checkpoint further, or ten kills would get nowhere.
        let (before, began) = (saved(folder), Instant::now());
        while saved(folder) == before
            && child.try_wait().unwrap().is_none()
            && began.elapsed() < Duration::from_secs(60)
        {
            sleep(Duration::from_millis(2));
        }
        sleep(jitter());
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert_eq!(
        kills, KILLS,
        "the run ended before it was killed often enough"
    );
    assert!(fit(folder, "killed", true).status().unwrap().success());

    let (whole, killed) = (results(folder, "whole"), results(folder, "killed"));
    let names = |files: &[(PathBuf, Vec<u8>)]| {
        files
            .iter()
            .map(|(path, _)| path.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&whole), names(&killed));
    for ((path, whole), (_, killed)) in whole.iter().zip(&killed) {
        assert!(
            whole == killed,
            "{} differs after {KILLS} kills",
            path.display()
        );
    }
}

#[test]
fn a_run_goes_on_only_as_the_model_that_it_was() {
    let place = crate::Workplace::new();
    assert_eq!(place.run("fit --config fit.yaml").code, Some(0));
    let said = place.run("fit --config fit.yaml --ckpt_path last --model.weighted_loss true");
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err
            .contains("was trained with other arguments of model"),
        "{}",
        said.err
    );
    let said = place.run("fit --config fit.yaml --ckpt_path last --seed_everything 77");
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("seed_everything"), "{}", said.err);
}
