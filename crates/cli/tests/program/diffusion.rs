//! Sequences that are written where they are masked, with and without conditions, from fitting to predicting.

use crate::{Said, Workplace};

/// Sequences of one letter each, so that what is masked has one right answer.
fn repeated() -> Workplace {
    let place = Workplace::empty();
    let mut rows = String::from("sequences\n");
    for row in 0..32usize {
        let sequence = ["A", "C", "G", "T"][row % 4].repeat(12 + row % 9);
        rows += &format!("{sequence}\n");
    }
    place.write("rows.tsv", &rows);
    place.write(
        "masked.tsv",
        &format!(
            "id\tsequences\na\tAAAAAAA[MASK]AAAAAA[MASK][MASK]\nb\tACgtN\nc\tT{}TTTT\n",
            "[MASK]".repeat(9)
        ),
    );
    place
}

const FIT: &str = "fit --model Diffusion --model.backbone aido_dna_debug --model.optimizer.lr 3e-3 --data DiffusionDataModule \
     --data.path rows.tsv --data.batch_size 8";

const PREDICT: &str = "predict --ckpt_path last --data.path masked.tsv";

#[track_caller]
fn succeeds(place: &Workplace, words: &str) -> Said {
    let said = place.run(words);
    assert_eq!(said.code, Some(0), "{words}: {}", said.err);
    said
}

#[track_caller]
fn is_refused(place: &Workplace, words: &str, expected: &str) {
    let said = place.run(words);
    assert_eq!(said.code, Some(2), "{words}: {}", said.err);
    assert!(said.err.contains(expected), "{words}: {}", said.err);
}

/// The cells of a column of a table, after its header.
fn column(table: &str, number: usize) -> Vec<String> {
    let lines = table.lines().skip(1);
    let cells = lines.map(|line| line.split('\t').nth(number).unwrap().to_owned());
    cells.collect()
}

#[test]
fn masks_are_written_and_other_rows_copied_into_tables_and_fasta() {
    let place = repeated();
    let scores = place.succeed(&format!("{FIT} --trainer.max_epochs 25"));
    for name in ["test_loss ", "test_accuracy ", "test_likelihood_bound "] {
        assert!(scores.contains(name), "{scores}");
    }
    let said = succeeds(&place, &format!("{PREDICT} --output p.tsv"));
    let note = "1 of 3 rows has no mask token: it is copied as it is";
    assert!(said.err.contains(note), "{}", said.err);
    let table = place.read("p.tsv");
    assert_eq!(table.lines().next(), Some("id\tprediction"));
    let written = column(&table, 1);
    assert_eq!(written[0], "A".repeat(16));
    assert_eq!(written[1], "ACgtN");
    assert_eq!(written[2], "T".repeat(14));

    succeeds(&place, &format!("{PREDICT} --output p.fasta"));
    let fasta = place.read("p.fasta");
    let expected = format!(
        ">a\n{}\n>b\n{}\n>c\n{}\n",
        written[0], written[1], written[2]
    );
    assert_eq!(fasta, expected);

    // Every pass is said where that is asked for, though the checkpoint was saved without.
    let said = succeeds(
        &place,
        &format!("{PREDICT} --output p.tsv --model.verbose true --model.num_denoise_steps 2"),
    );
    assert!(
        said.err.contains("row a: pass 1 of 2: AAAAAAA"),
        "{}",
        said.err
    );
    assert!(said.err.contains("row c: pass 2 of 2: "), "{}", said.err);
    assert!(!said.err.contains("pass 3"), "{}", said.err);
}

#[test]
fn designs_depend_on_the_seed_and_not_on_the_batch() {
    let place = repeated();
    place.succeed(&format!("{FIT} --trainer.max_epochs 1"));
    let open = "[MASK]".repeat(40);
    let rows: String = (0..6).map(|row| format!("{row}\tA{open}\n")).collect();
    place.write("masked.tsv", &format!("id\tsequences\n{rows}"));
    let design = |words: &str| {
        let sampled = "--model.sample_seq true --model.sampling_temperature 1.5";
        succeeds(
            &place,
            &format!("{PREDICT} {sampled} {words} --output p.tsv"),
        );
        column(&place.read("p.tsv"), 1)
    };
    let (alone, together) = (
        design("--seed_everything 5 --data.batch_size 1"),
        design("--seed_everything 5 --data.batch_size 6"),
    );
    assert_eq!(alone, together);
    assert_ne!(alone, design("--seed_everything 6"));
    // Rows are drawn apart, and hold what may be written alone.
    assert_ne!(alone[0], alone[1]);
    for sequence in alone {
        assert_eq!(sequence.len(), 41, "{sequence}");
        assert!(
            sequence.chars().all(|letter| "ACGTUN".contains(letter)),
            "{sequence}"
        );
    }
}

#[test]
fn an_interrupted_run_of_diffusion_goes_on_to_the_same_bits() {
    let place = repeated();
    let fit = format!(
        "{FIT} --data.timesteps_per_sample 3 --data.randomize_targets true --model.normalize_posterior_weights true"
    );
    let whole = place.succeed(&format!("{fit} --trainer.max_epochs 2"));
    let other = "--trainer.default_root_dir other";
    place.succeed(&format!("{fit} --trainer.max_epochs 1 {other}"));
    let resumed = place.succeed(&format!(
        "{fit} --trainer.max_epochs 2 {other} --ckpt_path last"
    ));
    assert_eq!(resumed, whole);
    let weights = |root: &str| {
        let folder = place.path(&format!("{root}/version_0/checkpoints"));
        let mut folders: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        folders.sort_by_key(std::fs::DirEntry::file_name);
        let last = folders.pop().unwrap().path();
        std::fs::read(last.join("model.safetensors")).unwrap()
    };
    assert!(weights("logs") == weights("other"));
}

#[test]
fn arguments_by_which_nothing_is_written_are_refused() {
    let place = repeated();
    let of = |words: &str| format!("{FIT} --trainer.max_epochs 1 {words}");
    for (words, expected) in [
        (
            "--model.num_denoise_steps 0",
            "model.num_denoise_steps: 0 passes write nothing",
        ),
        (
            "--model.sampling_temperature 0",
            "model.sampling_temperature: expected a finite number above 0, found 0",
        ),
        (
            "--model.use_legacy_adapter false",
            "model.use_legacy_adapter: false needs a new head",
        ),
        (
            "--model.adapter LinearAdapter",
            "model.adapter: the checkpoint's own head is used",
        ),
        (
            "--data.timesteps_per_sample 0",
            "timesteps_per_sample: must be at least 1",
        ),
    ] {
        is_refused(&place, &of(words), expected);
        assert!(!place.path("logs").exists(), "{words}");
    }
    is_refused(
        &place,
        "predict --model Embed --model.pooling mean_pooling --model.backbone aido_dna_debug --data.path rows.tsv --data.x_col sequences --output e.fasta",
        "output: e.fasta: FASTA holds sequences, which Embed does not predict",
    );
    // A head of another kind learns as well.
    place.succeed(&of(
        "--model.use_legacy_adapter false --model.adapter MLPAdapter",
    ));
}

/// Sequences of G and C, or of A and T, with how they are labelled.
fn labelled() -> Workplace {
    let place = Workplace::empty();
    let mut rows = String::from("sequence\tstrong\tother\n");
    for row in 0..48usize {
        let strong = row % 2;
        let letters = [b"AT", b"GC"][strong];
        let sequence: String = (0..10 + row % 5)
            .map(|at| letters[(row / 2 + at * at) % 2] as char)
            .collect();
        rows += &format!("{sequence}\t{}\t{row}\n", 5 + 90 * strong);
    }
    place.write("rows.tsv", &rows);
    let open = "[MASK]".repeat(12);
    place.write(
        "masked.tsv",
        &format!("id\tsequence\tstrong\tother\nweak\t{open}\t5\t1\nstrong\t{open}\t95\t2\n"),
    );
    place
}

/// A small head, whose heads divide the backbone's 64 channels.
const HEAD: &str =
    "--model.adapter.nhead 4 --model.adapter.dim_feedforward 32 --model.adapter.num_layers 1";

fn conditional() -> String {
    format!(
        "fit --model ConditionalDiffusion --model.backbone aido_dna_debug {HEAD} --model.optimizer.lr 3e-3 \
         --data ConditionalDiffusionDataModule --data.path rows.tsv --data.x_col sequence --data.y_col strong --data.batch_size 8 \
         --data.timesteps_per_sample 4"
    )
}

#[test]
fn sequences_are_written_to_their_condition() {
    let place = labelled();
    let scores = place.succeed(&format!("{} --trainer.max_epochs 40", conditional()));
    assert!(scores.contains("test_likelihood_bound "), "{scores}");
    succeeds(&place, &format!("{PREDICT} --output p.tsv"));
    let written = column(&place.read("p.tsv"), 1);
    let strong = |sequence: &str| sequence.chars().filter(|it| "GC".contains(*it)).count();
    assert_eq!(written[0].len(), 12);
    assert!(strong(&written[0]) <= 1, "{written:?}");
    assert!(strong(&written[1]) >= 9, "{written:?}");
    succeeds(&place, &format!("{PREDICT} --output p.fasta"));
    let expected = format!(">weak\n{}\n>strong\n{}\n", written[0], written[1]);
    assert_eq!(place.read("p.fasta"), expected);

    // The condition is needed to predict too, and of the same width.
    is_refused(
        &place,
        &format!("{PREDICT} --data.y_col [strong,other] --output p.tsv"),
        "model.condition_dim: the model is told 1 number of each row, but the condition of masked.tsv:2 has 2 numbers (strong, other)",
    );
    place.write(
        "masked.tsv",
        "sequence\tstrong\n[MASK]A\t5\n[MASK]A\tmuch\n",
    );
    let said = place.run(&format!("{PREDICT} --output p.tsv"));
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("masked.tsv:3: "), "{}", said.err);
    assert!(
        said.err.contains("\"strong\" must hold a finite number"),
        "{}",
        said.err
    );
    is_refused(
        &place,
        "predict --ckpt_path last --data SequencesDataModule --data.path masked.tsv --output p.tsv",
        "data.y_col: the rows have no conditions",
    );
}

#[test]
fn an_interrupted_run_with_conditions_goes_on_to_the_same_bits() {
    let place = labelled();
    let fit = conditional();
    let whole = place.succeed(&format!("{fit} --trainer.max_epochs 2"));
    let other = "--trainer.default_root_dir other";
    place.succeed(&format!("{fit} --trainer.max_epochs 1 {other}"));
    let resumed = place.succeed(&format!(
        "{fit} --trainer.max_epochs 2 {other} --ckpt_path last"
    ));
    assert_eq!(resumed, whole);
}

#[test]
fn conditions_that_no_head_takes_are_refused_before_anything_is_computed() {
    let place = labelled();
    for (words, expected) in [
        (
            "--data.y_col [strong,other]",
            "model.condition_dim: the model is told 1 number of each row, but the condition of rows.tsv:2 has 2 numbers (strong, other)",
        ),
        (
            "--model.condition_dim 0",
            "model.condition_dim: expected a number from 1",
        ),
        (
            "--model.adapter.nhead 5",
            "model.adapter.nhead: 5 heads do not divide the 64 channels",
        ),
        (
            "--model.adapter.num_layers 0",
            "model.adapter.num_layers: expected a number from 1",
        ),
    ] {
        is_refused(
            &place,
            &format!("{} --trainer.max_epochs 1 {words}", conditional()),
            expected,
        );
    }
    let first = place.read("rows.tsv").replace("\t5\t", "\t[5, 1]\t");
    place.write("rows.tsv", &first.replace("\t95\t", "\t[95]\t"));
    is_refused(
        &place,
        &format!(
            "{} --trainer.max_epochs 1 --model.condition_dim 2",
            conditional()
        ),
        "the column \"strong\" holds a list of ",
    );
}

#[test]
fn masked_tokens_are_told_by_conditions() {
    let place = labelled();
    let fit = format!(
        "fit --model ConditionalMLM --model.backbone aido_dna_debug {HEAD} --model.condition_dim 2 \
         --data ConditionalMLMDataModule --data.path rows.tsv --data.x_col sequence --data.y_col [strong,other] --data.batch_size 8 \
         --data.masking_rate 0.3"
    );
    let whole = place.succeed(&format!("{fit} --trainer.max_epochs 2"));
    assert!(whole.contains("test_accuracy "), "{whole}");
    let other = "--trainer.default_root_dir other";
    place.succeed(&format!("{fit} --trainer.max_epochs 1 {other}"));
    let resumed = place.succeed(&format!(
        "{fit} --trainer.max_epochs 2 {other} --ckpt_path last"
    ));
    assert_eq!(resumed, whole);
    let logits = |rows: &str| {
        place.write("masked.tsv", &format!("sequence\tstrong\tother\n{rows}"));
        succeeds(&place, &format!("{PREDICT} --output p.safetensors"));
        std::fs::read(place.path("p.safetensors")).unwrap()
    };
    // One row with another condition has other logits.
    assert_ne!(logits("AC[MASK]T\t5\t1\n"), logits("AC[MASK]T\t95\t1\n"));
}
