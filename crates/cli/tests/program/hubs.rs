//! Presets and data sets that are fetched from hubs of the test's own, as a user fetches them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::Duration;

use engraft_loopback::{Access, Content, Fault, Hub, KaggleModel, Origin, Repository, What};

use crate::{Said, Workplace};

/// The bytes of the model that is killed while it is fetched, beside which others are small.
const LARGE: u64 = 3_000_000;

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(path)
}

/// A hub with small models and a table, and an empty workplace.
struct Place {
    hub: Hub,
    place: Workplace,
}

/// A hub with what pages of the guide name, for as long as the tests run.
pub(crate) fn shared() -> &'static Hub {
    static HUB: LazyLock<Hub> = LazyLock::new(hub);
    &HUB
}

fn hub() -> Hub {
    let hub = Hub::start().unwrap();
    hub.add_kaggle(keras(
        KaggleModel::new("keras/bert/keras/bert_base_en"),
        "bert",
    ));
    hub.add_kaggle(keras(
        KaggleModel::new("keras/gpt2/keras/gpt2_base_en"),
        "gpt2",
    ));
    let encoder = golden("models/bert_cls");
    hub.add(of_folder(Repository::model("org/encoder"), &encoder).revision("v2"));
    hub.add(of_folder(
        Repository::model("sentence-transformers/all-MiniLM-L6-v2"),
        &encoder,
    ));
    let row = |row: usize| format!("{} w{row},{}\n", ["a", "b", "c"][row % 3], row % 3);
    let rows: String = (0..24).map(row).collect();
    let card = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: tables/train-*.csv\n---\n";
    hub.add(
        Repository::data_set("org/rows")
            .file("README.md", card)
            .file(
                "tables/train-0.csv",
                format!("sequence,label\n{rows}").into_bytes(),
            )
            .file("tables/extra.csv", "not wanted"),
    );
    hub
}

impl Place {
    fn new() -> Self {
        Self {
            hub: hub(),
            place: Workplace::empty(),
        }
    }

    fn command(&self) -> Command {
        let mut command = self.place.command();
        command
            .env("HF_ENDPOINT", self.hub.url())
            .env("KAGGLE_API_ENDPOINT", self.hub.url());
        command
    }

    fn run(&self, words: &str) -> Said {
        self.run_with(words, &[])
    }

    fn run_with(&self, words: &str, variables: &[(&str, &str)]) -> Said {
        let mut command = self.command();
        command.args(words.split_whitespace());
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    fn succeed(&self, words: &str) -> Said {
        let said = self.run(words);
        assert_eq!(said.code, Some(0), "{words}: {said:?}");
        said
    }

    /// What is said in one line of error, with code 2.
    fn refused(&self, words: &str, variables: &[(&str, &str)]) -> String {
        let said = self.run_with(words, variables);
        assert_eq!(said.code, Some(2), "{words}: {said:?}");
        let error = said.err.lines().find(|line| line.starts_with("error: "));
        let error = error.unwrap_or_else(|| panic!("{said:?}")).to_owned();
        assert_eq!(said.err.lines().last(), Some(error.as_str()), "{said:?}");
        error
    }
}

/// A preset of KerasHub of the golden cases.
fn keras(model: KaggleModel, case: &str) -> KaggleModel {
    let folder = golden("keras").join(case);
    let names = [
        "config.json",
        "metadata.json",
        "model.weights.h5",
        "preprocessor.json",
        "tokenizer.json",
    ];
    let files = names.into_iter().map(str::to_owned).chain(
        fs::read_dir(folder.join("assets/tokenizer"))
            .unwrap()
            .map(|entry| {
                format!(
                    "assets/tokenizer/{}",
                    entry.unwrap().file_name().to_str().unwrap()
                )
            }),
    );
    files.fold(model.version(3), |model, path| {
        let bytes = fs::read(folder.join(&path)).unwrap();
        model.file(&path, bytes)
    })
}

/// What Hugging Face has of `gpt2_base_en`.
fn mirror() -> Repository {
    let folder = golden("keras/gpt2");
    let mut mirror = Repository::model("keras/gpt2_base_en");
    for path in [
        "config.json",
        "model.weights.h5",
        "tokenizer.json",
        "preprocessor.json",
        "assets/tokenizer/vocabulary.json",
        "assets/tokenizer/merges.txt",
    ] {
        mirror = mirror.file(path, fs::read(folder.join(path)).unwrap());
    }
    mirror
}

/// A model of the golden cases, with a vocabulary.
fn of_folder(repository: Repository, folder: &Path) -> Repository {
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    repository
        .file("config.json", read("config.json"))
        .file("vocab.txt", crate::vocabulary(folder).as_bytes())
        .large("model.safetensors", read("model.safetensors"))
        .file("README.md", &b"not wanted"[..])
        .large("pytorch_model.bin", vec![0; 1000])
}

const EMBED: &str = "predict --model Embed --model.pooling mean --text a --text b --model.backbone";

#[test]
fn a_preset_by_name_is_fetched_from_kaggle_and_then_lies_here() {
    let place = Place::new();
    let said = place.succeed("generate gpt2_base_en --prompt a --max-new-tokens 3 --seed 1");
    assert!(
        said.err
            .contains("fetching    kaggle://keras/gpt2/keras/gpt2_base_en/3: "),
        "{said:?}"
    );
    place.hub.forget();
    let again = place.succeed("generate gpt2_base_en --prompt a --max-new-tokens 3 --seed 1");
    assert_eq!(again.out, said.out);
    assert!(!again.err.contains("fetching") && place.hub.seen().is_empty());
    let offline =
        place.succeed("generate gpt2_base_en --prompt a --max-new-tokens 3 --seed 1 --offline");
    assert_eq!(offline.out, said.out);
    assert!(place.hub.seen().is_empty());
}

#[test]
fn where_kaggle_refuses_the_mirror_at_hugging_face_is_used_and_said() {
    let place = Place::new();
    place.hub.add_kaggle(
        keras(KaggleModel::new("keras/gpt2/keras/gpt2_base_en"), "gpt2")
            .access(Access::Gated)
            .authorization("Bearer x"),
    );
    let message = place.refused("generate gpt2_base_en --prompt a", &[]);
    assert!(
        message.contains("Kaggle refuses without a token")
            && message.contains("; hf://keras/gpt2_base_en was tried too: "),
        "{message}"
    );
    place.hub.add(mirror());
    let said = place.succeed("generate gpt2_base_en --prompt a --max-new-tokens 3");
    assert!(
        said.err.contains(
            "note: cannot fetch kaggle://keras/gpt2/keras/gpt2_base_en/3: Kaggle refuses"
        ),
        "{said:?}"
    );
    assert!(
        said.err
            .contains("; hf://keras/gpt2_base_en is used instead"),
        "{said:?}"
    );
    place.hub.forget();
    place.succeed("generate gpt2_base_en --prompt a --max-new-tokens 3");
    assert!(place.hub.seen().is_empty(), "what the mirror gave is here");
}

#[test]
fn a_mirror_serves_offline_too_where_kaggle_lists_and_does_not_give() {
    let place = Place::new();
    let refused = What::Status {
        code: 403,
        headers: Vec::new(),
        body: String::new(),
    };
    place
        .hub
        .misbehave(Fault::new("DownloadModelInstanceVersion", refused));
    place.hub.add(mirror());
    let words = "generate gpt2_base_en --prompt a --max-new-tokens 3 --seed 1";
    let said = place.succeed(words);
    place.hub.forget();
    assert_eq!(place.succeed(&format!("{words} --offline")).out, said.out);
    assert_eq!(place.succeed(words).out, said.out);
    assert!(place.hub.seen().is_empty());
}

#[test]
fn only_what_a_model_needs_is_fetched_in_one_form_of_weights() {
    let place = Place::new();
    place.succeed(&format!("{EMBED} hf://org/encoder@v2"));
    let files = |origin| {
        let seen = place.hub.seen().into_iter();
        let seen = seen.filter(|it| it.origin == origin && it.target.contains("encoder"));
        let names = seen.map(|it| {
            it.target
                .split('?')
                .next()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned()
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(files(Origin::Store), ["model.safetensors"]);
    assert!(
        !files(Origin::Hub)
            .iter()
            .any(|it| it == "README.md" || it == "pytorch_model.bin")
    );
    let shown = place.succeed("presets show hf://org/encoder@v2").out;
    assert!(
        shown.contains("3 of 3 files, in") && shown.contains("loading fetches  nothing"),
        "{shown}"
    );
}

#[test]
fn what_cannot_be_is_refused_before_weights_are_fetched() {
    let place = Place::new();
    let words = "fit --model SequenceClassification --model.backbone hf://org/encoder --model.backbone.max_length 99999 \
                 --data SequenceClassificationDataModule --data.path hf://datasets/org/rows --data.x_col sequence --data.y_col label";
    place.refused(words, &[]);
    place
        .hub
        .add(Repository::model("org/gguf").large("model-q4.gguf", vec![0; 1000]));
    let message = place.refused(&format!("{EMBED} hf://org/gguf"), &[]);
    assert!(
        message.contains("it has no config.json but model-q4.gguf, a GGUF file"),
        "{message}"
    );
    place.hub.add(
        Repository::model("org/strange")
            .file("config.json", &br#"{"model_type": "strange"}"#[..])
            .large("model.safetensors", vec![0; 1000]),
    );
    let message = place.refused(&format!("{EMBED} hf://org/strange"), &[]);
    assert!(message.contains("strange"), "{message}");
    assert!(
        place
            .hub
            .seen()
            .iter()
            .all(|request| request.origin == Origin::Hub)
    );
}

#[test]
fn a_model_is_trained_on_a_data_set_and_both_are_fetched() {
    let place = Place::new();
    let said = place.succeed(
        "fit --model SequenceClassification --model.n_classes 3 --model.backbone hf://org/encoder --data SequenceClassificationDataModule \
         --data.path hf://datasets/org/rows --data.x_col sequence --data.y_col label --data.batch_size 4 --trainer.max_steps 2 --trainer.max_epochs null",
    );
    assert!(
        said.err
            .contains("fetching    hf://datasets/org/rows: 1 file, "),
        "{said:?}"
    );
    assert!(
        !place
            .hub
            .seen()
            .iter()
            .any(|it| it.target.contains("extra.csv"))
    );
}

#[test]
fn a_token_is_in_nothing_that_is_said_or_written() {
    let place = Place::new();
    let encoder = of_folder(Repository::model("org/encoder"), &golden("models/bert_cls"));
    place
        .hub
        .add(encoder.access(Access::Gated).token("hf_secret"));
    let words = "fit --model SequenceClassification --model.n_classes 3 --model.backbone hf://org/encoder --data SequenceClassificationDataModule \
         --data.path hf://datasets/org/rows --data.x_col sequence --data.y_col label --data.batch_size 4 --trainer.max_steps 2 --trainer.max_epochs null";
    let token = [("HF_TOKEN", "hf_secret")];
    let said = place.run_with(words, &token);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!format!("{said:?}").contains("hf_secret"));
    let written = Command::new("grep")
        .args(["-rl", "hf_secret", "."])
        .current_dir(place.place.path("."))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(written.stdout).unwrap(), "");
}

#[test]
fn a_download_is_ahead_of_time_and_asks_for_what_is_new() {
    let place = Place::new();
    let said = place.succeed("download hf://org/encoder hf://datasets/org/rows bert_base_en");
    assert!(
        said.out.contains("hf://org/encoder  ") && said.out.contains("(3 files, "),
        "{said:?}"
    );
    let new = Repository::model("org/encoder").file("config.json", &b"{}"[..]);
    place.hub.add(new);
    let config = |words: &str| {
        let said = place.succeed(words);
        let folder = said.out.split_whitespace().nth(1).unwrap().to_owned();
        fs::read_to_string(Path::new(&folder).join("config.json")).unwrap()
    };
    assert_ne!(config("download hf://org/encoder --offline"), "{}");
    assert_eq!(config("download hf://org/encoder"), "{}");
    for (words, says) in [
        ("download", "what? A preset or a data set"),
        ("download sapiens_vh", "is part of the program"),
        ("download .", "is a folder here"),
        (
            "download hf://org/encoder@v9",
            "no branch, tag or commit \"v9\"",
        ),
        ("download hf://../x", "a repository is written"),
        ("download hf://org/encodr", "Did you mean hf://org/encoder?"),
    ] {
        let message = place.refused(words, &[]);
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_data_set_of_a_hub_where_a_file_is_wanted_is_answered_with_what_to_do() {
    let place = Place::new();
    let message = place.refused("init hf://datasets/org/rows", &[]);
    assert!(
        message.contains("`engraft download hf://datasets/org/rows` brings its files"),
        "{message}"
    );
    let words = format!("{EMBED} sapiens_vh --output p.tsv --data SequencesDataModule --data.path");
    let words = words.replace("--text a --text b ", "");
    let message = place.refused(
        &format!("{words} hf://datasets/org/rows/tables/train-0.csv"),
        &[],
    );
    assert!(message.contains("a repository is written"), "{message}");
    assert!(place.hub.seen().is_empty());
}

#[test]
fn the_cache_is_listed_looked_at_and_emptied() {
    let place = Place::new();
    assert!(
        place
            .succeed("cache list")
            .out
            .contains("nothing was fetched yet")
    );
    place.succeed("download hf://org/encoder bert_base_en hf://datasets/org/rows");
    let listed = place.succeed("cache list").out;
    for name in [
        "hf://org/encoder",
        "hf://datasets/org/rows",
        "kaggle://keras/bert/keras/bert_base_en/3",
    ] {
        assert!(listed.contains(name), "{listed}");
    }
    let verified = place.succeed("cache verify").out;
    assert!(
        verified.lines().all(|line| line.starts_with("whole ")),
        "{verified}"
    );
    let weights = place
        .place
        .path("kagglehub/models/keras/bert/keras/bert_base_en/3/model.weights.h5");
    let mut bytes = fs::read(&weights).unwrap();
    bytes[9] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let said = place.run("cache verify bert_base_en");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.out
            .contains("broken     bert_base_en  model.weights.h5")
            && said.err.contains("`engraft cache remove bert_base_en`"),
        "{said:?}"
    );
    // What is cut, or leads nowhere, is found too; and the advice that is given works.
    let files = place.place.path("hf/hub/models--org--encoder/snapshots");
    let commit = fs::read_dir(files).unwrap().next().unwrap().unwrap().path();
    fs::write(
        fs::canonicalize(commit.join("model.safetensors")).unwrap(),
        "cut",
    )
    .unwrap();
    fs::remove_file(fs::canonicalize(commit.join("vocab.txt")).unwrap()).unwrap();
    let said = place.run("cache verify");
    assert_eq!(said.code, Some(1), "{said:?}");
    for file in ["model.safetensors", "vocab.txt"] {
        assert!(
            said.out
                .contains(&format!("broken     hf://org/encoder  {file}")),
            "{said:?}"
        );
    }
    let advice = "engraft cache remove hf://org/encoder kaggle://keras/bert/keras/bert_base_en/3`";
    assert!(said.err.contains(advice), "{said:?}");
    for name in ["bert_base_en", "hf://org/encoder", "hf://datasets/org/rows"] {
        place.succeed(&format!("cache remove {name}"));
        let message = place.refused(&format!("cache remove {name}"), &[]);
        assert!(message.contains("is not in the cache"), "{message}");
    }
    assert!(
        place
            .succeed("cache list")
            .out
            .contains("nothing was fetched yet")
    );
    for words in [
        "cache",
        "cache lst",
        "cache remove",
        "cache verify hf://org/encoder",
        "cache remove hf://org/encoder@v2",
    ] {
        place.refused(words, &[]);
    }
}

#[test]
fn without_a_network_or_an_answer_it_is_said_what_to_do() {
    let place = Place::new();
    let nobody = [
        ("HF_ENDPOINT", "http://127.0.0.1:9"),
        ("KAGGLE_API_ENDPOINT", "http://127.0.0.1:9"),
    ];
    for (name, variables, says) in [
        ("hf://org/encoder", &nobody[..], "it refuses connections"),
        ("bert_base_en", &nobody[..], "it refuses connections"),
        (
            "hf://org/encoder",
            &[("HF_ENDPOINT", "http://no.such.host.invalid")][..],
            "no such host is known",
        ),
        (
            "hf://org/encoder",
            &[("HF_ENDPOINT", "nonsense")][..],
            "check HF_ENDPOINT",
        ),
        (
            "hf://org/encoder",
            &[("HF_HUB_OFFLINE", "1")][..],
            "is not in the cache",
        ),
        (
            "hf://nobody/nothing",
            &[][..],
            "has no model nobody/nothing",
        ),
    ] {
        let message = place.refused(&format!("{EMBED} {name}"), variables);
        assert!(message.contains(says), "{message}");
    }
    place.succeed(&format!("{EMBED} hf://org/encoder"));
    let said = place.run_with(&format!("{EMBED} hf://org/encoder"), &nobody);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn a_mirror_of_the_users_own_takes_the_place_of_a_name() {
    let place = Place::new();
    let folder = golden("keras/bert");
    place.place.write(
        "mirrors.yaml",
        &format!("bert_base_en: {}\n", folder.display()),
    );
    let mirrors = place.place.path("mirrors.yaml").display().to_string();
    let said = place.run_with(
        "presets show bert_base_en",
        &[("ENGRAFT_MIRRORS", &mirrors)],
    );
    assert!(
        said.out.contains("the folder ") && said.out.contains("golden/keras/bert"),
        "{said:?}"
    );
    place.place.write("mirrors.yaml", "- broken\n");
    let message = place.refused(
        "presets show bert_base_en",
        &[("ENGRAFT_MIRRORS", &mirrors)],
    );
    assert!(message.contains("mirrors.yaml"), "{message}");
    assert!(place.hub.seen().is_empty());
}

/// A model of which one file takes a while.
fn slow(place: &Place) -> Content {
    let content = Content::Generated {
        seed: 5,
        size: LARGE,
    };
    place.hub.add(
        Repository::model("org/large")
            .file("config.json", &b"{}"[..])
            .large("model.safetensors", content.clone()),
    );
    let many = (0..30).fold(
        KaggleModel::new("org/large/keras/large").version(1),
        |model, number| {
            model.file(
                &format!("part_{number:02}.weights.h5"),
                Content::Generated {
                    seed: number,
                    size: 60_000,
                },
            )
        },
    );
    place.hub.add_kaggle(many.file("config.json", &b"{}"[..]));
    let slow = What::Slow {
        bytes_per_second: 4_000_000,
    };
    place.hub.misbehave(Fault::new("", slow).at(Origin::Store));
    content
}

#[test]
fn killed_at_any_moment_a_download_goes_on_and_ends_right() {
    let place = Place::new();
    let content = slow(&place);
    let (mut killed, mut asked_from_the_middle) = (0, 0);
    for (name, root) in [
        ("hf://org/large", "hf"),
        ("kaggle://org/large/keras/large/1", "kagglehub"),
    ] {
        for moment in 0..20 {
            let words = format!("download {name} --all");
            let mut child = place
                .command()
                .args(words.split_whitespace())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            sleep(Duration::from_millis(20 + 15 * moment));
            let has_ended = child.try_wait().unwrap().is_some();
            killed += usize::from(!has_ended);
            let _ = child.kill();
            child.wait().unwrap();
            // Whatever has its final name is whole; nothing else is believed.
            let said = place.succeed("cache verify");
            assert!(!said.out.contains("broken"), "{said:?}");
            if moment % 5 == 4 || has_ended {
                place.succeed(&words);
                let said = place.succeed("cache verify");
                assert!(
                    said.out.contains("whole") && !said.out.contains("not known"),
                    "{said:?}"
                );
                fs::remove_dir_all(place.place.path(root)).unwrap();
            }
        }
    }
    for request in place.hub.seen() {
        if request.range.is_some() && request.status == 206 {
            asked_from_the_middle += 1;
        }
    }
    println!(
        "{killed} of 40 downloads were killed before their end, {asked_from_the_middle} went on in the middle of a file"
    );
    assert!(
        killed >= 30 && asked_from_the_middle >= 5,
        "{killed} {asked_from_the_middle}"
    );
    place.succeed("download hf://org/large");
    let folder = place
        .place
        .path("hf/hub/models--org--large/blobs")
        .join(content.sha256());
    assert_eq!(fs::read(folder).unwrap(), content.to_vec());
}

#[test]
fn two_processes_fetch_a_file_once() {
    let place = Place::new();
    slow(&place);
    let start = || {
        place
            .command()
            .args(["download", "hf://org/large"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let both = [start(), start(), start()];
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let stored = place
        .hub
        .seen()
        .into_iter()
        .filter(|it| it.origin == Origin::Store);
    assert_eq!(stored.count(), 1);
}
