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
  - {class_path: ModelCheckpoint, init_args: {every_n_train_steps: 3, save_last: true}}
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

/// Checkpoints at every third step, each followed by `last` and by the best, which every later one is.
const THREE_EACH: &str = "
  max_steps: 9
  callbacks:
  - {class_path: ModelCheckpoint, init_args: {every_n_train_steps: 3, save_last: true}}
  - {class_path: ModelCheckpoint, init_args: {every_n_train_steps: 3, monitor: step, mode: max, filename: 'best-{step}'}}
";

/// The step of a checkpoint that is complete.
fn step_of(checkpoint: &Path) -> Option<u64> {
    let state = fs::read_to_string(checkpoint.join("training/state.json")).ok()?;
    let state: serde_json::Value = serde_json::from_str(&state).ok()?;
    state["position"]["step"].as_u64()
}

/// Whether a run stands between two of its saves, by the folder of its checkpoints.
type Between = fn(&Path) -> bool;

#[test]
fn a_run_killed_between_its_last_checkpoints_ends_with_last_as_the_last_and_best_as_the_best() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepare(folder);
    let (before, _) = EXPERIMENT.split_once("  callbacks:").unwrap();
    let before = before.replace("  max_epochs: 24\n", "");
    let experiment = before.trim_end().to_owned() + THREE_EACH;
    fs::write(folder.join("fit.yaml"), experiment).unwrap();
    assert!(fit(folder, "whole", false).status().unwrap().success());
    let names = |root: &str| {
        let names = results(folder, root).into_iter();
        let names = names.filter_map(|(path, _)| {
            let path = path.strip_prefix("checkpoints").ok()?.to_owned();
            path.iter().next()?.to_str().map(str::to_owned)
        });
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let three: Vec<String> = names("whole").into_iter().collect();
    assert!(
        matches!(&three[..], [best, numbered, last] if best == "best-step=9" && numbered.ends_with("-step=9") && last == "last"),
        "{three:?}"
    );

    let cases: [(&str, Between); 2] = [
        ("before_last", |folder| {
            step_of(&folder.join("last")) == Some(6) && has_numbered(folder)
        }),
        ("before_best", |folder| {
            step_of(&folder.join("last")) == Some(9)
                && step_of(&folder.join("best-step=9")).is_none()
        }),
    ];
    for (name, is_between) in cases {
        // Between the saves are tens of milliseconds, which a busy machine may let pass.
        let killed = (0..20)
            .map(|attempt| format!("{name}_{attempt}"))
            .find(|root| {
                let checkpoints = folder.join(root).join("version_0/checkpoints");
                let mut child = fit(folder, root, false).spawn().unwrap();
                while !is_between(&checkpoints) && child.try_wait().unwrap().is_none() {
                    sleep(Duration::from_micros(200));
                }
                child.kill().unwrap();
                child.wait().unwrap();
                is_between(&checkpoints)
            });
        let killed = killed.unwrap_or_else(|| panic!("{name}: never killed at the right moment"));
        assert!(fit(folder, &killed, true).status().unwrap().success());
        assert_eq!(names(&killed), names("whole"), "{name}");
        for ((path, whole), (_, killed)) in results(folder, "whole")
            .iter()
            .zip(&results(folder, &killed))
        {
            assert!(whole == killed, "{name}: {} differs", path.display());
        }
    }
}

/// Whether the numbered checkpoint of the ninth step is complete.
fn has_numbered(checkpoints: &Path) -> bool {
    let entries = fs::read_dir(checkpoints).into_iter().flatten().flatten();
    let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.any(|name| name.starts_with("epoch=") && name.ends_with("-step=9"))
}

#[test]
fn the_last_of_an_interruption_goes_as_soon_as_a_later_checkpoint_is_there() {
    let place = crate::Workplace::new();
    let fit = "fit -c fit.yaml --trainer.callbacks ModelCheckpoint --trainer.callbacks.every_n_train_steps 2";
    place.succeed(&format!("{fit} --trainer.max_steps 2"));
    let checkpoints = place.path("logs/version_0/checkpoints");
    // As an interruption would leave it, of an earlier step than the checkpoint beside it.
    let copy = place.path("last");
    fs::rename(checkpoints.join("epoch=0-step=2"), &copy).unwrap();
    fs::rename(&copy, checkpoints.join("last")).unwrap();
    place.succeed(&format!("{fit} --trainer.max_steps 4 --ckpt_path last"));
    let names = fs::read_dir(&checkpoints).unwrap().flatten();
    let names: Vec<String> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    assert_eq!(names, ["epoch=0-step=4"]);
}

#[test]
fn a_checkpoint_has_the_same_name_wherever_in_an_epoch_training_ends() {
    let place = crate::Workplace::new();
    // An epoch has five steps.
    for (steps, name) in [
        (5, "epoch=0-step=5"),
        (7, "epoch=1-step=7"),
        (10, "epoch=1-step=10"),
    ] {
        let root = format!("root_{steps}");
        let said = place.run(&format!(
            "fit -c fit.yaml --trainer.max_steps {steps} --trainer.default_root_dir {root}"
        ));
        assert_eq!(said.code, Some(0), "{}", said.err);
        let checkpoints = place.path(&format!("{root}/version_0/checkpoints"));
        let names = fs::read_dir(checkpoints).unwrap().flatten();
        let names: Vec<_> = names
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        assert_eq!(names, [name]);
        assert!(
            said.err.contains(&format!("checkpoints/{name}\n")),
            "{}",
            said.err
        );
    }
    // Where `last` is kept too, it is of the end.
    place.succeed("fit -c fit.yaml --trainer.max_steps 7 --trainer.default_root_dir both --trainer.callbacks ModelCheckpoint --trainer.callbacks.save_last true");
    let both = place.path("both/version_0/checkpoints");
    for name in ["last", "epoch=1-step=7"] {
        assert_eq!(step_of(&both.join(name)), Some(7), "{name}");
    }
    // A best that came earlier does not keep `last` from being of the end.
    place.succeed("fit -c fit.yaml --trainer.max_steps 7 --trainer.default_root_dir best --trainer.callbacks ModelCheckpoint --trainer.callbacks.save_last true --trainer.callbacks.monitor val_loss");
    let best = place.path("best/version_0/checkpoints");
    assert_eq!(step_of(&best.join("last")), Some(7));
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
