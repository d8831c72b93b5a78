//! What a checkpoint knows of its experiment need not be given again, and what is given wins.

use std::fs;

use crate::Workplace;

/// A place where a classifier with a head of our own was trained on columns of other names than the usual, in `logs`.
fn trained() -> (Workplace, String) {
    let place = Workplace::new();
    let rows =
        place
            .read("train.tsv")
            .replacen("id\tsequences\tlabels\tage", "id\twords\tkind\tage", 1);
    place.write("rows.tsv", &rows);
    place.write("new.tsv", "id\twords\nn1\ta w1\nn2\tb w2 w3\n");
    place.succeed(&format!("fit {FIT}"));
    let checkpoint = "logs/version_0/checkpoints/epoch=0-step=5".to_owned();
    assert!(place.path(&checkpoint).is_dir());
    (place, checkpoint)
}

const FIT: &str = "-c fit.yaml --model.use_legacy_adapter false --seed_everything 5 --trainer.max_epochs 1 --data.path rows.tsv --data.x_col words --data.y_col kind";

#[test]
fn a_checkpoint_and_new_rows_are_all_that_predicting_needs() {
    let (place, checkpoint) = trained();
    let place = &place;
    place.succeed(&format!(
        "predict --ckpt_path {checkpoint} --data.path new.tsv --output p.tsv"
    ));
    let table = place.read("p.tsv");
    let mut lines = table.lines();
    assert_eq!(
        lines.next(),
        Some("id\tprediction\tlabel\tp_high\tp_low\tp_middle")
    );
    assert!(lines.next().unwrap().starts_with("n1\t"), "{table}");
    assert_eq!(lines.count(), 1);
    // The same with `last`, and by hand.
    place.succeed("predict --ckpt_path last --data.path new.tsv --output q.tsv");
    place.succeed(&format!("predict --ckpt_path {checkpoint} --data SequencesDataModule --data.path new.tsv --data.x_col words --output r.tsv"));
    assert_eq!(place.read("q.tsv"), table);
    assert_eq!(place.read("r.tsv"), table);

    // Without rows, those that it was trained on, which is said.
    let said = place.run(&format!(
        "predict --ckpt_path {checkpoint} --output own.tsv"
    ));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(place.read("own.tsv").lines().count(), 25);
    assert!(
        said.err
            .contains("every row of rows.tsv is predicted, those that"),
        "{}",
        said.err
    );
}

#[test]
fn a_checkpoint_is_all_that_scoring_and_going_on_need() {
    let (place, checkpoint) = trained();
    let by_hand = format!("{FIT} --ckpt_path {checkpoint}");
    for command in ["test", "validate"] {
        assert_eq!(
            place.succeed(&format!("{command} --ckpt_path {checkpoint}")),
            place.succeed(&format!("{command} {by_hand}"))
        );
    }
    // A scored table of its own needs no more than its name.
    let rows = place.read("rows.tsv");
    let few: Vec<&str> = rows.lines().take(9).collect();
    place.write("few.tsv", &few.join("\n"));
    let scores = place.succeed(&format!(
        "test --ckpt_path {checkpoint} --data.path few.tsv"
    ));
    assert!(scores.starts_with("test_loss"), "{scores}");

    let whole = FIT.replace("max_epochs 1", "max_epochs 2");
    let whole = place.succeed(&format!("fit {whole} --trainer.default_root_dir whole"));
    let resumed = place.succeed(&format!(
        "fit --ckpt_path {checkpoint} --trainer.max_epochs 2"
    ));
    assert_eq!(resumed, whole);
    assert!(!place.path("logs/version_1").exists());
    let name = "version_0/checkpoints/epoch=1-step=10/model.safetensors";
    assert!(
        fs::read(place.path(&format!("logs/{name}"))).unwrap()
            == fs::read(place.path(&format!("whole/{name}"))).unwrap()
    );
    // And once more, of the newest.
    let again = place.run("fit --ckpt_path last --trainer.max_epochs 3");
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(
        place
            .path("logs/version_0/checkpoints/epoch=2-step=15")
            .is_dir()
    );
}

#[test]
fn a_fold_of_the_training_rows_says_nothing_of_new_rows() {
    let (place, _) = trained();
    let fit = FIT.replace(
        "--data.path",
        "--data.cv_num_folds 3 --data.cv_test_fold_id 1 --data.path",
    );
    place.succeed(&format!("fit {fit} --trainer.default_root_dir folds"));
    let newest = "--trainer.default_root_dir folds --ckpt_path last";
    place.succeed(&format!(
        "predict {newest} --data.path new.tsv --output p.tsv"
    ));
    assert_eq!(place.read("p.tsv").lines().count(), 3);
    // Its own rows are those of its fold.
    place.succeed(&format!("predict {newest} --output own.tsv"));
    assert_eq!(place.read("own.tsv").lines().count(), 9);

    // A run of all folds goes on without another word, too.
    let all = FIT.replace("--data.path", "--data.cv_num_folds 3 --data.path");
    let scores = place.succeed(&format!("fit {all} --trainer.default_root_dir all"));
    let table = place.path("all/version_0/folds.tsv");
    assert!(table.is_file());
    assert_eq!(
        place.succeed("fit --trainer.default_root_dir all --ckpt_path last"),
        scores
    );
    assert_eq!(place.succeed("fit --ckpt_path all/version_0"), scores);
}

#[test]
fn an_export_named_as_the_backbone_is_used_whole() {
    let (place, checkpoint) = trained();
    place.succeed(&format!(
        "predict --ckpt_path {checkpoint} --data.path new.tsv --output p.tsv"
    ));
    place.succeed(&format!(
        "export --ckpt_path {checkpoint} --output my-export"
    ));
    let said = place.run("predict --model.backbone ./my-export --data.path new.tsv --output q.tsv");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(place.read("q.tsv"), place.read("p.tsv"));
    assert!(
        said.err.contains(
            "note: model.backbone: ./my-export holds a model for SequenceClassification, which is used whole, as --ckpt_path ./my-export would be"
        ),
        "{}",
        said.err
    );
    // So it is where the task is named, and as a checkpoint.
    for model in [
        "--model SequenceClassification --model.backbone ./my-export",
        "--ckpt_path my-export",
    ] {
        place.succeed(&format!(
            "predict {model} --data.path new.tsv --output r.tsv"
        ));
        assert_eq!(place.read("r.tsv"), place.read("p.tsv"), "{model}");
    }
    // A text needs no rows, whichever way the model is named.
    let text = place.succeed(&format!("predict --ckpt_path {checkpoint} --text w1"));
    for model in ["--model.backbone ./my-export", "--ckpt_path my-export"] {
        assert_eq!(place.succeed(&format!("predict {model} --text w1")), text);
    }
    let resumed = place.run(&format!("fit {FIT} --ckpt_path my-export"));
    assert_eq!(resumed.code, Some(2), "{resumed:?}");
    assert!(
        resumed
            .err
            .contains("holds a model without the state of its training, as exports do"),
        "{}",
        resumed.err
    );
    // For another task it is a backbone like any other.
    place.succeed("predict --model Embed --model.pooling mean_pooling --model.backbone ./my-export --data.path new.tsv --data.x_col words --output e.tsv");
    assert!(place.read("e.tsv").starts_with("id\te0\t"));
}

#[test]
fn an_option_wins_over_the_null_of_a_saved_experiment() {
    let (place, checkpoint) = trained();
    let saved = "--config logs/version_0/config.yaml";
    let scores = place.succeed(&format!("test {saved} --ckpt_path {checkpoint}"));
    assert_eq!(
        place.succeed(&format!("test --ckpt_path {checkpoint} {saved}")),
        scores
    );
    place.write("mine.yaml", &format!("ckpt_path: {checkpoint}\n"));
    assert_eq!(
        place.succeed(&format!("test --config mine.yaml {saved}")),
        scores
    );
}

#[test]
fn nothing_is_said_of_rows_by_a_head_that_was_never_trained() {
    let (place, _) = trained();
    for (words, owner) in [
        ("test --config logs/version_0/config.yaml", "test"),
        ("validate --config logs/version_0/config.yaml", "validate"),
        (
            "predict --config logs/version_0/config.yaml --output x.tsv",
            "predict",
        ),
        (
            "predict --config logs/version_0/config.yaml --ckpt_path null --output x.tsv",
            "predict",
        ),
        (
            "predict --model SequenceRegression --model.backbone ./tiny --data.path new.tsv --data.x_col words --output x.tsv",
            "predict",
        ),
    ] {
        let said = place.run(words);
        assert_eq!(said.code, Some(2), "{words}: {}", said.err);
        let wanted = format!("ckpt_path: missing, {owner} requires it: ");
        assert!(
            said.err.contains(&wanted)
                && said
                    .err
                    .contains("puts a head with fresh weights on ./tiny"),
            "{words}: {}",
            said.err
        );
    }
    assert!(!place.path("x.tsv").exists());
    let said = place.run("test --model MLM --model.backbone ./lm --model.backbone.from_scratch true --data.path new.tsv --data.x_col words");
    assert!(said.err.contains("start from scratch"), "{}", said.err);
}

#[test]
fn another_backbone_than_the_adapter_was_trained_on_is_said_before_the_rows_are_read() {
    let (place, _) = trained();
    place.succeed(&format!(
        "fit {FIT} --model.backbone.use_peft true --trainer.default_root_dir lora"
    ));
    let checkpoint = "lora/version_0/checkpoints/epoch=0-step=5";
    fs::create_dir(place.path("other")).unwrap();
    for file in ["config.json", "vocab.txt", "model.safetensors"] {
        fs::copy(
            place.path("tiny").join(file),
            place.path("other").join(file),
        )
        .unwrap();
    }
    let file = place.path("other/model.safetensors");
    let mut weights = fs::read(&file).unwrap();
    let last = weights.len() - 2;
    weights[last] ^= 1;
    fs::write(&file, weights).unwrap();
    // There are no such rows; that the backbone is another is said first.
    let said = place.run(&format!(
        "predict --ckpt_path {checkpoint} --model.backbone ./other --data.path nowhere.tsv --output p.tsv"
    ));
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("was trained on the backbone")
            && said.err.contains("./other has other weights"),
        "{}",
        said.err
    );
    place.succeed(&format!(
        "predict --ckpt_path {checkpoint} --model.backbone ./tiny --data.path new.tsv --output p.tsv"
    ));
}
