//! Kaggle as it should be.

use std::fs;

use engraft_fetch::{Checked, KaggleModel, Wish};
use engraft_loopback::{Access, Content, KaggleModel as Published, Origin};

use crate::{Place, below, said};

const NAME: &str = "keras/bert/keras/bert_tiny";

fn bert() -> Published {
    Published::new(NAME)
        .version(3)
        .file("config.json", &b"{}"[..])
        .file("assets/tokenizer/vocabulary.txt", &b"[PAD]\n"[..])
        .file(
            "model.weights.h5",
            Content::Generated {
                seed: 2,
                size: 2_000_000,
            },
        )
}

fn model(version: Option<u32>) -> KaggleModel {
    KaggleModel {
        version,
        ..KaggleModel::parse(NAME).unwrap()
    }
}

#[test]
fn files_are_fetched_one_by_one_and_marked_as_kagglehub_marks_them() {
    let place = Place::new();
    place.hub.add_kaggle(bert());
    let snapshot = place
        .hubs()
        .kaggle(&model(Some(3)), Wish::AsCached)
        .unwrap();
    snapshot
        .fetch(["config.json", "assets/tokenizer/vocabulary.txt"])
        .unwrap();
    let variation = place.at("kagglehub/models/keras/bert/keras/bert_tiny");
    assert!(
        variation
            .join(".complete/3/assets/tokenizer/vocabulary.txt.complete")
            .exists()
    );
    assert!(!variation.join("3.complete").exists());
    snapshot.fetch(["model.weights.h5"]).unwrap();
    assert!(variation.join("3.complete").exists());
    let files = [
        "assets/tokenizer/vocabulary.txt",
        "config.json",
        "model.weights.h5",
    ];
    assert_eq!(below(&variation.join("3")), files);
    let all = snapshot.verify().unwrap();
    assert!(all.len() == 3 && all.iter().all(|(_, checked)| *checked == Checked::Whole));

    place.hub.forget();
    for version in [None, Some(3)] {
        let again = place
            .hubs()
            .kaggle(&model(version), Wish::AsCached)
            .unwrap();
        again.fetch(files).unwrap();
    }
    assert!(place.hub.seen().is_empty());
}

#[test]
fn without_a_version_the_current_one_is_asked_for() {
    let place = Place::new();
    place.hub.add_kaggle(bert().version(1));
    place.hub.add_kaggle(bert());
    let snapshot = place.hubs().kaggle(&model(None), Wish::AsCached).unwrap();
    assert!(snapshot.folder().ends_with("bert_tiny/3"));
    assert_eq!(snapshot.name(), "kaggle://keras/bert/keras/bert_tiny");
}

#[test]
fn more_than_25_files_come_as_one_archive() {
    let place = Place::new();
    let many = (0..40).fold(bert(), |model, number| {
        model.file(
            &format!("shards/model_{number:05}.weights.h5"),
            vec![7; 1000],
        )
    });
    place.hub.add_kaggle(many);
    let snapshot = place
        .hubs()
        .kaggle(&model(Some(3)), Wish::AsCached)
        .unwrap();
    let files = snapshot.files();
    assert_eq!(files.len(), 43);
    snapshot.fetch(["config.json"]).unwrap();
    place.hub.forget();
    snapshot.fetch(files.iter().map(String::as_str)).unwrap();
    assert_eq!(place.asked("DownloadModelInstanceVersion"), 1);
    let variation = place.at("kagglehub/models/keras/bert/keras/bert_tiny");
    assert_eq!(below(&variation.join("3")), files);
    assert!(variation.join("3.complete").exists() && !variation.join("3.archive").exists());
    let large = Content::Generated {
        seed: 2,
        size: 2_000_000,
    };
    assert_eq!(
        fs::read(variation.join("3/model.weights.h5")).unwrap(),
        large.to_vec()
    );
}

#[test]
fn a_file_that_came_whole_before_its_process_was_killed_is_not_fetched_again() {
    let place = Place::new();
    let many = (0..30).fold(bert(), |model, number| {
        model.file(&format!("part_{number:02}"), vec![number; 9])
    });
    place.hub.add_kaggle(many);
    let open = || {
        place
            .hubs()
            .kaggle(&model(Some(3)), Wish::AsCached)
            .unwrap()
    };
    let variation = place.at("kagglehub/models/keras/bert/keras/bert_tiny");
    let fetch_all = || {
        let snapshot = open();
        let files = snapshot.files();
        snapshot.fetch(files.iter().map(String::as_str)).unwrap();
    };
    // What a process leaves that is killed after the last byte, and before it says that it is there.
    open().fetch(["config.json"]).unwrap();
    fs::rename(
        variation.join("3/config.json"),
        variation.join("3/config.json.incomplete"),
    )
    .unwrap();
    fs::remove_dir_all(variation.join(".complete/3")).unwrap();
    place.hub.forget();
    open().fetch(["config.json"]).unwrap();
    let sent = |origin| {
        let seen = place.hub.seen().into_iter();
        seen.filter(|it| it.origin == origin && it.status < 300)
            .map(|it| it.sent)
            .sum::<u64>()
    };
    assert_eq!(sent(Origin::Store), 0);

    fetch_all();
    assert!(variation.join("3.complete").exists());
}

#[test]
fn credentials_go_to_kaggle_and_not_to_its_storage() {
    let place = Place::new();
    place
        .hub
        .add_kaggle(bert().access(Access::Private).authorization("Basic dTpr"));
    let hubs = place.hubs_with(&[("KAGGLE_USERNAME", "u"), ("KAGGLE_KEY", "k")]);
    let snapshot = hubs.kaggle(&model(None), Wish::AsCached).unwrap();
    snapshot.fetch(["config.json"]).unwrap();
    for request in place.hub.seen() {
        let expected = (request.origin == Origin::Hub).then_some("Basic dTpr");
        assert_eq!(request.authorization.as_deref(), expected);
    }
    let message = said(
        place
            .hubs_with(&[("HOME", "/nowhere")])
            .kaggle(&model(None), Wish::Newest),
    );
    assert!(message.contains("KAGGLE_API_TOKEN"), "{message}");
    let wrong = place.hubs_with(&[("KAGGLE_API_TOKEN", "secret")]);
    let message = said(wrong.kaggle(&model(None), Wish::Newest));
    assert!(
        message.contains("does not know the token") && !message.contains("secret"),
        "{message}"
    );
}

#[test]
fn what_kagglehub_began_or_fetched_is_taken_over() {
    let place = Place::new();
    place.hub.add_kaggle(bert());
    let variation = place.at("kagglehub/models/keras/bert/keras/bert_tiny");
    fs::create_dir_all(variation.join("3")).unwrap();
    let large = Content::Generated {
        seed: 2,
        size: 2_000_000,
    }
    .to_vec();
    fs::write(variation.join("3/model.weights.h5"), &large[..1_500_000]).unwrap();
    let snapshot = place
        .hubs()
        .kaggle(&model(Some(3)), Wish::AsCached)
        .unwrap();
    assert!(!snapshot.is_here("model.weights.h5"));
    snapshot.fetch(["model.weights.h5"]).unwrap();
    let store = place
        .hub
        .seen()
        .into_iter()
        .find(|it| it.origin == Origin::Store);
    assert_eq!(store.unwrap().range.as_deref(), Some("bytes=1500000-"));
    assert_eq!(
        fs::read(variation.join("3/model.weights.h5")).unwrap(),
        large
    );

    // A whole one of kagglehub's.
    let whole = variation.join("2");
    fs::create_dir_all(&whole).unwrap();
    fs::write(whole.join("config.json"), "{}").unwrap();
    fs::write(variation.join("2.complete"), "").unwrap();
    place.hub.forget();
    let snapshot = place
        .hubs()
        .kaggle(&model(Some(2)), Wish::AsCached)
        .unwrap();
    assert_eq!(snapshot.files(), ["config.json"]);
    assert!(snapshot.is_here("config.json") && place.hub.seen().is_empty());
}

#[test]
fn a_model_that_is_not_there_leaves_nothing() {
    let place = Place::new();
    let message = said(place.hubs().kaggle(&model(Some(3)), Wish::AsCached));
    assert!(
        message.contains("no such model") && message.contains("/models/keras/bert/keras/bert_tiny"),
        "{message}"
    );
    assert!(below(&place.at("kagglehub")).is_empty());
    let offline = place.hubs_with(&[("HF_HUB_OFFLINE", "1")]);
    let message = said(offline.kaggle(&model(None), Wish::AsCached));
    assert!(message.contains("is not in the cache"), "{message}");
}

#[test]
fn models_are_listed_and_removed() {
    let place = Place::new();
    place.hub.add_kaggle(bert());
    let hubs = place.hubs();
    let snapshot = hubs.kaggle(&model(Some(3)), Wish::AsCached).unwrap();
    let files = snapshot.files();
    snapshot.fetch(files.iter().map(String::as_str)).unwrap();
    let cached = hubs.kaggle_models();
    assert_eq!(cached.len(), 1);
    assert_eq!(
        cached[0].model.to_string(),
        "kaggle://keras/bert/keras/bert_tiny/3"
    );
    assert_eq!(cached[0].bytes, 2_000_008);
    assert_eq!(hubs.remove_kaggle(&model(Some(9))).unwrap(), None);
    assert_eq!(hubs.remove_kaggle(&model(None)).unwrap(), Some(2_000_008));
    assert!(hubs.kaggle_models().is_empty());
}
