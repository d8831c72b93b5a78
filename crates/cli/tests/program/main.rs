//! The program as a user runs it: help, refusals, and a walk from fitting to exporting.

#![allow(clippy::unwrap_used, clippy::panic)]

mod alignments;
mod benchmarks;
mod cache;
mod causal;
mod checkpoints;
mod claims;
mod commands;
mod compat;
mod configuration;
mod convert;
mod diffusion;
mod documentation;
#[cfg(unix)]
mod documented;
mod elsewhere;
mod explaining;
mod folds;
mod formats;
mod fusion;
mod generate;
mod help;
mod hubs;
mod knowing;
mod logs;
mod lora;
mod pairs_of_texts;
mod proteins;
mod published;
mod refusals;
mod report;
mod resume;
mod run_files;
mod scores;
mod seq2seq;
mod signals;
mod tasks;
mod trainer;
mod training;
mod unused;
mod walk;
mod writers;
mod zeroshot;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where no hub answers.
const NOBODY: &str = "http://127.0.0.1:9";

/// A folder to run the program in.
struct Workplace {
    folder: tempfile::TempDir,
}

/// What the program said and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Workplace {
    /// A folder with a tiny classifier `tiny`, tables `train.tsv` and `unlabelled.csv`, and an experiment `fit.yaml`.
    fn new() -> Self {
        let place = Self::empty();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models");
        for (preset, model) in [("tiny", "bert_cls"), ("lm", "bert_mlm")] {
            let preset = place.path(preset);
            std::fs::create_dir(&preset).unwrap();
            for file in ["config.json", "model.safetensors"] {
                std::fs::copy(golden.join(model).join(file), preset.join(file)).unwrap();
            }
            place.write(
                &format!("{}/vocab.txt", preset.display()),
                &vocabulary(&preset),
            );
        }
        let rows: Vec<String> = (0..24)
            .map(|row| {
                let label = ["low", "middle", "high"][row % 3];
                format!(
                    "r{row}\t{} w{} w{}\t{label}\t{row}\n",
                    ["a", "b", "c"][row % 3],
                    row % 7,
                    row % 5
                )
            })
            .collect();
        place.write(
            "train.tsv",
            &format!("id\tsequences\tlabels\tage\n{}", rows.concat()),
        );
        place.write("unlabelled.csv", "sequence\na w1\nb w2 w3\n");
        place.write("fit.yaml", FIT);
        place
    }

    fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs the program in the folder, with words divided at spaces.
    fn run(&self, words: &str) -> Said {
        let words: Vec<&str> = words.split_whitespace().collect();
        self.run_words(&words)
    }

    fn run_words(&self, words: &[&str]) -> Said {
        let output = self.command().args(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_engraft"));
        command
            .current_dir(self.folder.path())
            .env_remove("ENGRAFT_THREADS")
            .env("HF_HOME", self.path("hf"))
            .env("KAGGLEHUB_CACHE", self.path("kagglehub"))
            .env("KAGGLE_CONFIG_DIR", self.path("kaggle"))
            // No hub is asked but those of a test.
            .env("HF_ENDPOINT", NOBODY)
            .env("KAGGLE_API_ENDPOINT", NOBODY)
            .env("HOME", self.path("home"))
            .env("ENGRAFT_CACHE", self.path("engraft-cache"));
        for other in [
            "ENGRAFT_MIRRORS",
            "HF_HUB_CACHE",
            "HF_HUB_OFFLINE",
            "HF_TOKEN",
            "HF_TOKEN_PATH",
            "HTTPS_PROXY",
            "HTTP_PROXY",
            "HUGGINGFACE_HUB_CACHE",
            "HUGGING_FACE_HUB_TOKEN",
            "KAGGLE_API_ENVIRONMENT",
            "KAGGLE_API_TOKEN",
            "KAGGLE_KEY",
            "KAGGLE_USERNAME",
            "TRANSFORMERS_OFFLINE",
            "XDG_CONFIG_HOME",
        ] {
            command.env_remove(other);
        }
        command
    }

    /// What a run that must succeed printed on standard output.
    fn succeed(&self, words: &str) -> String {
        let said = self.run(words);
        assert_eq!(said.code, Some(0), "{words}: {said:?}");
        said.out
    }
}

/// As many words as the preset's embedding has rows.
fn vocabulary(preset: &Path) -> String {
    let config = std::fs::read_to_string(preset.join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    let size = config["vocab_size"].as_u64().unwrap() as usize;
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c"].map(str::to_owned);
    let words = (0..).map(|number| format!("w{number}"));
    special
        .into_iter()
        .chain(words)
        .take(size)
        .collect::<Vec<_>>()
        .join("\n")
}

const FIT: &str = "seed_everything: 3
model:
  class_path: SequenceClassification
  init_args:
    backbone: ./tiny
    use_legacy_adapter: true
    optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 1e-3}}
data:
  class_path: SequenceClassificationDataModule
  init_args:
    path: train.tsv
    batch_size: 4
trainer:
  max_epochs: 2
  log_every_n_steps: 2
";
