//! Each task that learns, from fitting to predicting, and what it refuses.

use crate::Workplace;

/// A workplace with rows of letters for the built-in encoder of DNA: a class a letter, two numbers, two flags.
fn letters() -> Workplace {
    let place = Workplace::empty();
    let mut rows = String::from("sequences\tlabels\tkd\ttm\tsoluble\tactive\n");
    for row in 0..24usize {
        let length = 4 + row % 5;
        let sequence: String = (0..length)
            .map(|at| b"ACGT"[(row * 7 + at * 3 + at * at) % 4] as char)
            .collect();
        let labels: String = sequence
            .chars()
            .map(|letter| if "GC".contains(letter) { '1' } else { '0' })
            .collect();
        let strong = labels.matches('1').count();
        rows += &format!(
            "{sequence}\t{labels}\t{}\t{}\t{}\t{}\n",
            100.0 + strong as f64,
            300.0 - 2.5 * length as f64,
            usize::from(strong > 2),
            usize::from(row % 3 == 0)
        );
    }
    place.write("rows.tsv", &rows);
    place
}

const TRAINER: &str = "--data.path rows.tsv --data.batch_size 6 --trainer.max_epochs 2";

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

#[test]
fn every_letter_gets_a_class() {
    let place = letters();
    let fit = format!(
        "fit --model TokenClassification --model.backbone aido_dna_debug --model.optimizer.lr 1e-2 --data TokenClassificationDataModule {TRAINER} --trainer.max_epochs 12"
    );
    let scores = place.succeed(&fit);
    let accuracy = scores
        .lines()
        .find(|line| line.starts_with("test_accuracy "))
        .unwrap();
    let accuracy: f64 = last_line(accuracy)
        .split_whitespace()
        .last()
        .unwrap()
        .parse()
        .unwrap();
    assert!(accuracy > 0.95, "{scores}");
    place.succeed("predict --ckpt_path last --data SequencesDataModule --data.x_col sequences --data.path rows.tsv --output p.tsv");
    let (rows, predicted) = (place.read("rows.tsv"), place.read("p.tsv"));
    assert_eq!(predicted.lines().next(), Some("id\tprediction"));
    for (row, told) in rows.lines().zip(predicted.lines()).skip(1) {
        let sequence = row.split('\t').next().unwrap();
        assert_eq!(
            told.split('\t').nth(1).unwrap().len(),
            sequence.len(),
            "{told}"
        );
    }
}

#[test]
fn numbers_are_predicted_in_the_units_of_the_data() {
    let place = letters();
    let fit = format!(
        "fit --model SequenceRegression --model.num_outputs 2 --model.backbone aido_dna_debug --model.adapter LinearMeanPoolAdapter --model.optimizer.lr 1e-2 \
         --data RegressionDataModule --data.x_col sequences --data.y_col [kd,tm] {TRAINER} --trainer.max_epochs 20"
    );
    let scores = place.succeed(&fit);
    assert!(
        scores.contains("test_pearson ") && scores.contains("test_spearman[tm] "),
        "{scores}"
    );
    place.succeed("predict --ckpt_path last --data SequencesDataModule --data.x_col sequences --data.path rows.tsv --output p.csv");
    let told = place.read("p.csv");
    let mut lines = told.lines();
    assert_eq!(lines.next(), Some("id,prediction_kd,prediction_tm"));
    for line in lines {
        let numbers: Vec<f64> = line
            .split(',')
            .skip(1)
            .map(|cell| cell.parse().unwrap())
            .collect();
        assert!((95.0..112.0).contains(&numbers[0]), "{line}");
        assert!((270.0..300.0).contains(&numbers[1]), "{line}");
    }
}

#[test]
fn a_row_may_have_several_classes() {
    let place = letters();
    let fit = format!(
        "fit --model SequenceClassification --model.multilabel true --model.backbone aido_dna_debug --data ClassificationDataModule --data.x_col sequences --data.y_col [soluble,active] {TRAINER}"
    );
    let scores = place.succeed(&fit);
    assert!(
        scores.contains("test_auroc ") && scores.contains("test_f1[active] "),
        "{scores}"
    );
    place.succeed("predict --ckpt_path last --data SequencesDataModule --data.x_col sequences --data.path rows.tsv --output p.tsv");
    assert_eq!(
        place.read("p.tsv").lines().next(),
        Some("id\tprediction\tp_soluble\tp_active")
    );
}

#[test]
fn a_masked_language_model_is_trained_and_becomes_a_backbone() {
    let place = letters();
    let fit = format!(
        "fit --model MLM --model.backbone aido_dna_debug --data MLMDataModule --data.masking_rate 0.3 {TRAINER}"
    );
    let whole = place.succeed(&fit);
    assert!(
        whole.contains("test_loss ") && whole.contains("test_accuracy "),
        "{whole}"
    );
    place.succeed(&format!(
        "{fit} --trainer.max_epochs 1 --trainer.default_root_dir other"
    ));
    let resumed = place.succeed(&format!(
        "{fit} --trainer.default_root_dir other --ckpt_path last"
    ));
    assert_eq!(resumed, whole);
    let checkpoint = std::fs::read_dir(place.path("logs/version_0/checkpoints"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let backbone = format!(
        "./logs/version_0/checkpoints/{}",
        checkpoint.file_name().to_str().unwrap()
    );
    let said = place.run(&format!(
        "fit --model SequenceRegression --model.backbone {backbone} --data SequenceRegressionDataModule --data.y_col kd {TRAINER}"
    ));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("tensors loaded"), "{}", said.err);
    // All tokens may count, as in ModelGenerator.
    let everywhere = place.succeed(&format!(
        "{fit} --model.loss_on_all_tokens true --trainer.default_root_dir all"
    ));
    assert_ne!(everywhere, whole);
}

#[test]
fn what_fits_of_another_tasks_checkpoint_is_taken() {
    let place = letters();
    place.succeed(&format!(
        "fit --model MLM --model.backbone aido_dna_debug --data MLMDataModule {TRAINER}"
    ));
    let other = format!(
        "fit --model SequenceRegression --model.backbone aido_dna_debug --data SequenceRegressionDataModule --data.y_col kd {TRAINER} --trainer.max_epochs 4 --ckpt_path last"
    );
    let said = place.run(&other);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("ckpt_path: "), "{}", said.err);
    let said = place.run(&format!(
        "{other} --model.strict_loading false --model.reset_optimizer_states true"
    ));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err
            .contains("strict_loading: false: the head starts anew"),
        "{}",
        said.err
    );
    // It is a run of its own, and the other keeps its checkpoint.
    for run in ["version_0", "version_1"] {
        let kept = std::fs::read_dir(place.path(&format!("logs/{run}/checkpoints")));
        assert_eq!(kept.unwrap().count(), 1, "{run}");
    }
}

#[test]
fn letters_outside_the_alphabet_are_counted_mapped_or_refused() {
    let place = letters();
    place.write("odd.tsv", "sequence\nACGT\nacg-t\n");
    let predict = "predict --model Embed --model.pooling mean_pooling --model.backbone aido_dna_debug --data SequencesDataModule --data.path odd.tsv --output e.tsv";
    let said = place.run(predict);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err
            .contains("5 letters in 1 of 2 rows are not in the model's alphabet"),
        "{}",
        said.err
    );
    let unknown = place.read("e.tsv");
    place.succeed(&format!("{predict} --model.backbone.letters map"));
    assert_ne!(place.read("e.tsv"), unknown);
    let said = place.run(&format!("{predict} --model.backbone.letters error"));
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("odd.tsv:3: the letter 'a' at position 1"),
        "{}",
        said.err
    );
}

/// The words after `fit`, and part of the one line that answers them.
const REFUSED: &[(&str, &str)] = &[
    (
        "--model TokenClassification --data TokenClassificationDataModule --data.y_col kd",
        "the column \"kd\" has 3 labels for a text of",
    ),
    (
        "--model TokenClassification --data SequenceClassificationDataModule --data.y_col active",
        "this task needs one class a letter or word",
    ),
    (
        "--model SequenceRegression --data SequenceRegressionDataModule --data.y_col sequences",
        "the column \"sequences\" must hold a finite number, here it holds",
    ),
    (
        "--model SequenceRegression --model.num_outputs 3 --data RegressionDataModule --data.x_col sequences --data.y_col [kd,tm]",
        "model.num_outputs: 3 given, but data.y_col names 2: kd, tm",
    ),
    (
        "--model SequenceRegression --model.loss_func HuberLoss --model.loss_func.delta 0 --data SequenceRegressionDataModule --data.y_col kd",
        "model.loss_func.delta: expected a finite number above 0, found 0",
    ),
    (
        "--model MLM --model.use_legacy_adapter false --data MLMDataModule",
        "model.use_legacy_adapter: false",
    ),
    (
        "--model MLM --data MLMDataModule --data.masking_rate 0",
        "masking_rate",
    ),
    (
        "--model SequenceClassification --model.use_legacy_adapter true --model.backbone protein_onehot --data SequenceClassificationDataModule --data.y_col active",
        "models of the family onehot have no classification head of their own",
    ),
];

#[test]
fn tasks_and_data_that_do_not_fit_are_refused() {
    let place = letters();
    for (words, expected) in REFUSED {
        let backbone = if words.contains("--model.backbone") {
            ""
        } else {
            "--model.backbone aido_dna_debug"
        };
        // The model comes first, as its arguments follow it.
        let (model, rest) = words.split_once(" --data ").unwrap();
        let said = place.run(&format!("fit {model} {backbone} --data {rest} {TRAINER}"));
        assert_eq!(said.code, Some(2), "{words}: {}", said.err);
        assert!(said.err.contains(expected), "{words}: {}", said.err);
        assert!(!place.path("logs").exists(), "{words}");
    }
}

#[test]
fn a_model_has_a_data_module_it_is_mostly_used_with() {
    let place = letters();
    place.succeed("predict --model SequenceRegression --model.backbone aido_dna_debug --data.path rows.tsv --output p.tsv --trainer.fast_dev_run true");
    place.succeed(
        "fit --model TokenClassification --model.backbone aido_dna_debug --data.path rows.tsv --trainer.max_steps 1",
    );
}

#[test]
fn rows_without_anything_to_learn_from_are_refused() {
    let place = letters();
    place.write(
        "none.jsonl",
        &"{\"sequences\": \"ACGT\", \"labels\": [null, null, null, null]}\n".repeat(12),
    );
    let said = place.run("fit --model TokenClassification --model.n_classes 2 --model.backbone aido_dna_debug --data.path none.jsonl --trainer.max_epochs 1");
    assert_ne!(said.code, Some(0));
    assert!(
        said.err
            .contains("no training row has anything to learn from"),
        "{}",
        said.err
    );
}
