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

/// Sequences of sixteen to twenty letters, of which two that are each a G or a C are in contact, in the three forms that labels have.
fn contacts() -> Workplace {
    let place = Workplace::empty();
    let mut rows = String::from("sequences\tlabels\n");
    for row in 0..40usize {
        let length = 16 + row % 5;
        let sequence: Vec<u8> = (0..length)
            .map(|at| b"ACGT"[(row * 5 + at * 3 + at * at * (row % 3)) % 4])
            .collect();
        let touch = |one: usize, other: usize| {
            usize::from(
                one != other && [one, other].iter().all(|at| b"GC".contains(&sequence[*at])),
            )
        };
        let labels = if row % 2 == 0 {
            let line = |one| {
                (0..length)
                    .map(|other| touch(one, other))
                    .collect::<Vec<_>>()
            };
            format!("{:?}", (0..length).map(line).collect::<Vec<_>>())
        } else {
            let pairs = (0..length).flat_map(|one| (one..length).map(move |other| [one, other]));
            let pairs = pairs.filter(|[one, other]| touch(*one, *other) == 1);
            format!("{:?}", pairs.collect::<Vec<_>>())
        };
        rows += &format!("{}\t{labels}\n", String::from_utf8(sequence).unwrap());
    }
    place.write("contacts.tsv", &rows);
    place
}

#[test]
fn pairs_of_letters_are_learned_and_predicted() {
    let place = contacts();
    let fit = "fit --model PairwiseTokenClassification --model.backbone aido_dna_debug --model.optimizer.lr 1e-2 \
         --model.adapter MLPAdapterWithoutOutConcat --model.adapter.hidden_sizes [16] --model.adapter.activation_layer ReLU \
         --model.adapter_dim_multiplier 1 --data TokenClassificationDataModule --data.pairwise true \
         --data.path contacts.tsv --data.batch_size 4 --trainer.max_epochs 15";
    let scores = place.succeed(fit);
    for name in ["test_top_L_acc ", "test_top_L2_acc ", "test_top_L10_acc "] {
        assert!(scores.contains(name), "{scores}");
    }
    let line = scores
        .lines()
        .find(|line| line.starts_with("test_top_L5_acc "));
    let accuracy: f64 = line
        .unwrap()
        .split_whitespace()
        .last()
        .unwrap()
        .parse()
        .unwrap();
    assert!(accuracy > 0.9, "{scores}");
    let predict = "predict --ckpt_path last --data SequencesDataModule --data.x_col sequences --data.path contacts.tsv --output";
    place.succeed(&format!("{predict} p.tsv"));
    let (rows, predicted) = (place.read("contacts.tsv"), place.read("p.tsv"));
    assert_eq!(predicted.lines().next(), Some("id\tprediction"));
    let mut hits = 0;
    for (row, told) in rows.lines().zip(predicted.lines()).skip(1) {
        let sequence = row.split('\t').next().unwrap().as_bytes();
        let told: Vec<[usize; 2]> = serde_json::from_str(told.split('\t').nth(1).unwrap()).unwrap();
        hits += told
            .iter()
            .filter(|pair| pair.iter().all(|at| b"GC".contains(&sequence[*at])))
            .count();
        assert!(
            told.iter()
                .all(|[one, other]| one < other && *other < sequence.len()),
            "{told:?}"
        );
    }
    assert!(hits > 100, "{hits}");
    place.succeed(&format!("{predict} p.safetensors"));
    assert!(std::fs::read(place.path("p.safetensors")).unwrap().len() > 40 * 16 * 16 * 4);
}

#[test]
fn pairs_that_are_no_pairs_of_their_row_are_refused() {
    let place = contacts();
    let fit = "fit --model PairwiseTokenClassification --model.backbone aido_dna_debug --data TokenClassificationDataModule --data.path rows.tsv --data.valid_split_size 0 --data.test_split_size 0";
    let refuse = |labels: &str, more: &str| {
        let row = format!("ACGTACGTAC\t{labels}\n");
        place.write("rows.tsv", &format!("sequences\tlabels\nACG\t...\n{row}"));
        let said = place.run(&format!("{fit} {more}"));
        assert_eq!(said.code, Some(2), "{said:?}");
        said.err
    };
    for (labels, problem) in [
        (
            "[[0, 1, 0], [1, 0, 0]]",
            "rows.tsv:3: the column \"labels\" holds a matrix of 2 x 3 for a text of 10 letters",
        ),
        ("[[0, 10]]", "which is outside a text of 10 letters"),
        ("((.......)", "is not closed"),
    ] {
        let error = refuse(labels, "--data.pairwise true");
        assert!(error.contains(problem), "{error}");
    }
    let error = refuse("..........", "");
    assert!(error.contains("pairwise: true"), "{error}");
    let error = refuse(
        "..........",
        "--data.pairwise true --model.adapter_dim_multiplier 1",
    );
    assert!(
        error.contains("model.adapter_dim_multiplier: 1 given, but LinearAdapter takes 2"),
        "{error}"
    );
}

#[test]
fn structures_of_rna_are_learned_from_files_and_written_in_brackets() {
    let place = Workplace::empty();
    for (folder, count) in [("train", 12), ("valid", 4), ("test", 4)] {
        std::fs::create_dir_all(place.path("rna").join(folder)).unwrap();
        for row in 0..count {
            let stem = ["GGCA", "GCAG", "CGGA"][row % 3];
            let partner = |base: char| match base {
                'G' => 'C',
                'C' => 'G',
                _ => 'T',
            };
            let back: String = stem.chars().rev().map(partner).collect();
            let loops = "A".repeat(4 + row % 2);
            let sequence = format!("{stem}{loops}{back}");
            let (name, text) = if row % 2 == 0 {
                let dots = ".".repeat(loops.len());
                (
                    format!("r{row}.dbn"),
                    format!(">r{row}\n{sequence}\n(((({dots}))))\n"),
                )
            } else {
                let last = sequence.len() + 1;
                let line = |(at, base)| {
                    let at: usize = at + 1;
                    let partner = if at <= 4 || at > last - 5 {
                        last - at
                    } else {
                        0
                    };
                    format!("{at} {base} {partner}\n")
                };
                let lines = sequence.chars().enumerate().map(line);
                (format!("r{row}.bpseq"), lines.collect())
            };
            place.write(&format!("rna/{folder}/{name}"), &text);
        }
    }
    let fit = "fit --model RNASSPairwiseTokenClassification --model.backbone aido_dna_debug --model.optimizer.lr 3e-3 \
         --model.adapter ResNet2DAdapter --model.adapter.conv_channels 8 --model.adapter.num_res_blocks 1 --data RNASSPairwiseTokenClassification --data.path rna \
         --data.batch_size 2 --trainer.max_epochs 6 --trainer.callbacks ModelCheckpoint \
         --trainer.callbacks.monitor val/f1 --trainer.callbacks.mode max";
    let scores = place.succeed(fit);
    for name in [
        "test/f1 ",
        "test/precision ",
        "test/recall ",
        "test_strict_f1 ",
    ] {
        assert!(scores.contains(name), "{scores}");
    }
    place.succeed("predict --ckpt_path last --data.path rna/test/*.dbn --output p.tsv");
    let predicted = place.read("p.tsv");
    assert_eq!(predicted.lines().next(), Some("id\tstructure"));
    for line in predicted.lines().skip(1) {
        let structure = line.split('\t').nth(1).unwrap();
        assert!([12, 13].contains(&structure.len()), "{line}");
        let count = |sign| structure.matches(sign).count();
        assert_eq!(count('('), count(')'), "{line}");
    }
    // What is written in any of the formats is read again, as the truth that the same model predicts wholly.
    for extension in ["dbn", "ct", "bpseq"] {
        place.succeed(&format!(
            "predict --ckpt_path last --data.path rna/test/*.dbn --output again.{extension}"
        ));
        place.succeed(&format!(
            "predict --ckpt_path last --data.path again.{extension} --output again.tsv"
        ));
        assert_eq!(place.read("again.tsv"), predicted, "{extension}");
        let scores = place.succeed(&format!(
            "test --ckpt_path last --data.path again.{extension}"
        ));
        assert!(
            scores.contains("test_strict_f1           1.0000"),
            "{extension}: {scores}"
        );
    }
    let said = place.run("predict --ckpt_path last --data.path rna/test/*.dbn --output p.fasta");
    assert!(
        said.err.contains(
            "p.fasta: FASTA holds sequences, which RNASSPairwiseTokenClassification does not predict"
        ),
        "{said:?}"
    );
    let broken = ">r\nGGGAAACCC\n(((...))\n";
    place.write("broken.dbn", broken);
    let said = place.run("test --ckpt_path last --data.path broken.dbn");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err
            .contains("broken.dbn:2: the column \"structure\" has a structure of 8 characters"),
        "{said:?}"
    );
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
