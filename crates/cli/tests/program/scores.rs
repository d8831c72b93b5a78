//! What is said of scores and while they come: which class, which rows and which checkpoint they are of.

use crate::Workplace;

/// A place whose table has two classes instead of three.
fn binary() -> Workplace {
    let place = Workplace::new();
    let rows = place.read("train.tsv").replace("\tmiddle\t", "\tlow\t");
    place.write("rows.tsv", &rows);
    place
}

const BINARY: &str = "-c fit.yaml --data.path rows.tsv --model.use_legacy_adapter false";

#[test]
fn scores_of_single_classes_carry_their_names_and_are_said_once() {
    let place = Workplace::new();
    let said = place.run("fit -c fit.yaml");
    assert_eq!(said.code, Some(0), "{}", said.err);
    for class in ["low", "middle", "high"] {
        for score in ["accuracy", "f1", "auroc"] {
            let name = format!("\ntest_{score}[{class}] ");
            assert!(said.out.contains(&name), "{name}: {}", said.out);
        }
    }
    assert!(
        said.err.contains(
            "scores      of logs/version_0/checkpoints/epoch=1-step=10 (the end of training)\n"
        ),
        "{}",
        said.err
    );
    assert!(!said.err.contains("test_"), "{}", said.err);
    let log = place.read("logs/version_0/metrics.csv");
    assert!(log.lines().next().unwrap().contains(",test_f1[middle],"));

    let said = place.run("test -c fit.yaml --ckpt_path last");
    assert!(
        said.err
            .contains("scores      of logs/version_0/checkpoints/epoch=1-step=10\n"),
        "{}",
        said.err
    );
    assert!(!said.err.contains("test_accuracy"), "{}", said.err);
}

#[test]
fn two_classes_say_which_is_the_positive_one() {
    let place = binary();
    let said = place.run(&format!(
        "fit {BINARY} --trainer.callbacks ModelCheckpoint --trainer.callbacks.monitor val_f1 --trainer.callbacks.mode max"
    ));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err
            .contains(" (best val_f1); F1 and AUROC are of the class low\n"),
        "{}",
        said.err
    );
    // What is monitored is shown at the end of each epoch.
    let epochs = said.err.lines().filter(|line| line.starts_with("epoch "));
    let ended: Vec<&str> = epochs.filter(|line| !line.contains(" left")).collect();
    assert_eq!(ended.len(), 2, "{}", said.err);
    assert!(
        ended.iter().all(|line| line.contains("  val_f1 ")),
        "{ended:?}"
    );
    let said = place.run("validate --ckpt_path last");
    assert!(
        said.err.contains("; F1 and AUROC are of the class low\n"),
        "{}",
        said.err
    );
    assert!(said.out.contains("\nval_f1 "), "{}", said.out);
}

#[test]
fn progress_counts_epochs_as_names_do_and_ends_where_training_ends() {
    let place = Workplace::new();
    let said = place.run("fit -c fit.yaml --trainer.max_steps 7 --trainer.log_every_n_steps 1 --trainer.callbacks ModelCheckpoint --trainer.callbacks.monitor val_mcc --trainer.callbacks.mode max --trainer.callbacks.save_top_k -1");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let lines: Vec<&str> = said.err.lines().collect();
    let steps = |begin: &str| lines.iter().filter(|line| line.starts_with(begin)).count();
    // Five batches an epoch, the last of which is the summary, and two of the second.
    assert_eq!(steps("epoch 0/1  1/5  loss "), 1, "{}", said.err);
    assert_eq!(steps("epoch 0/1  4/5  loss "), 1, "{}", said.err);
    assert_eq!(steps("epoch 1/1  1/2  loss "), 1, "{}", said.err);
    assert_eq!(steps("epoch 1/1  2/"), 0, "{}", said.err);
    assert!(
        place
            .path("logs/version_0/checkpoints/epoch=0-step=5")
            .is_dir()
    );
    // In an epoch that was not validated yet the best so far is shown, and no line has a stale one.
    let second = lines.iter().find(|line| line.starts_with("epoch 1/1  1/2"));
    let second = second.unwrap();
    assert!(
        second.contains("  best val_mcc ") && !second.contains("val_loss"),
        "{second}"
    );
    assert!(second.contains(" left"), "{second}");
}

#[test]
fn a_limit_is_said_beside_the_rows_that_were_cut() {
    let place = Workplace::new();
    let fit = "fit -c fit.yaml --model.backbone.max_length 3";
    let said = place.run(&format!(
        "{fit} --trainer.limit_train_batches 2 --trainer.limit_test_batches 1"
    ));
    for note in [
        "note: training: 8 of the 8 rows that trainer.limit_train_batches leaves were cut to 3 tokens\n",
        "note: test: 4 of the 4 rows that trainer.limit_test_batches leaves were cut to 3 tokens\n",
    ] {
        assert!(said.err.contains(note), "{note}: {}", said.err);
    }
    // An epoch that is broken off says what it has read.
    let said = place.run(&format!("{fit} --trainer.max_steps 3"));
    assert!(
        said.err
            .contains("note: training: 12 of the 12 rows read were cut to 3 tokens\n"),
        "{}",
        said.err
    );
    let said = place.run(
        "predict --ckpt_path last --trainer.limit_predict_batches 2 --data.path train.tsv --output p.tsv",
    );
    assert!(
        said.err.contains(
            "note: 8 of the 8 rows that trainer.limit_predict_batches leaves were cut to 3 tokens\n"
        ),
        "{}",
        said.err
    );
}

#[test]
fn predicting_notes_the_rows_that_were_trained_on_as_testing_does() {
    let place = Workplace::new();
    place.succeed("fit -c fit.yaml");
    let note = |command: &str| {
        let said = place.run(&format!("{command} --ckpt_path last"));
        assert_eq!(said.code, Some(0), "{}", said.err);
        let mut lines = said.err.lines().map(str::to_owned);
        lines.find(|line| line.starts_with("note: data.path: "))
    };
    let trained = "those that logs/version_0/checkpoints/epoch=1-step=10 was trained on among them";
    assert_eq!(
        note("predict --output p.tsv"),
        Some(format!(
            "note: data.path: every row of train.tsv is predicted, {trained}"
        ))
    );
    assert_eq!(
        note("test"),
        Some(format!(
            "note: data.path: every row of train.tsv is scored, {trained}; fit itself holds rows out, and scores those at its end"
        ))
    );
    place.write("new.tsv", "id\tsequences\nn\ta w1\n");
    assert_eq!(note("predict --data.path new.tsv --output p.tsv"), None);
}
