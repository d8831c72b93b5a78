//! PredictionWriter among the callbacks, in `predict` and in `test`.

use crate::Workplace;

/// A workplace with an experiment that names these arguments of a writer.
fn with_writer(arguments: &str) -> Workplace {
    let place = Workplace::new();
    writer(&place, arguments);
    place
}

fn writer(place: &Workplace, arguments: &str) {
    place.write(
        "writer.yaml",
        &format!(
            "trainer:\n  callbacks:\n  - class_path: modelgenerator.callbacks.PredictionWriter\n    init_args: {{output_dir: out, {arguments}}}\n"
        ),
    );
}

const PREDICT: &str = "predict -c fit.yaml -c writer.yaml";

/// What a writer with such arguments refuses.
fn refused(arguments: &str) -> String {
    let said = with_writer(arguments).run(PREDICT);
    assert_eq!(said.code, Some(2), "{arguments}: {said:?}");
    said.err
}

#[test]
fn columns_are_those_asked_for_in_their_order() {
    let place = with_writer("filetype: tsv, write_cols: [labels, predictions, sequences, uid]");
    place.succeed(PREDICT);
    let text = place.read("out/predict_predictions.tsv");
    let mut lines = text.lines();
    let header = lines.next().unwrap();
    assert!(
        header.starts_with("labels\tprediction\t") && header.ends_with("\tsequences\tuid"),
        "{header}"
    );
    let first: Vec<&str> = lines.next().unwrap().split('\t').collect();
    assert_eq!(
        (first[0], first[first.len() - 2], first[first.len() - 1]),
        ("low", "a w0 w0", "r0")
    );
    writer(
        &place,
        "filetype: tsv, argmax_predictions: true, write_cols: [id, prediction, input_ids]",
    );
    let said = place.run(PREDICT);
    assert!(
        said.err
            .contains("write_cols: input_ids is not written here"),
        "{}",
        said.err
    );
    assert!(
        place
            .read("out/predict_predictions.tsv")
            .starts_with("id\tprediction\nr0\t")
    );
}

#[test]
fn what_a_writer_cannot_do_is_refused_in_a_sentence() {
    let said = refused("filetype: tsv, write_cols: [id, predictons]");
    assert!(
        said.contains(
            "write_cols: there is no column \"predictons\". Did you mean \"predictions\"?"
        ),
        "{said}"
    );
    let said = refused("filetype: tsv, write_cols: [predictions, prediction]");
    assert!(
        said.contains("prediction names a column a second time"),
        "{said}"
    );
    let said = refused("filetype: pt, write_cols: [id]");
    assert!(said.contains("Add predictions to the columns"), "{said}");
    let said = refused("filetype: csv");
    assert!(
        said.contains("filetype: expected tsv or pt, found \"csv\""),
        "{said}"
    );
    let said = refused("filetype: tsv, write_interval: step");
    assert!(
        said.contains("write_interval: expected batch or epoch, found \"step\""),
        "{said}"
    );
    let said = refused("filetype: tsv, write_cols: []");
    assert!(said.contains("write_cols: names no column"), "{said}");
    let place = Workplace::new();
    let twice = "[{class_path: PredictionWriter, init_args: {output_dir: out, filetype: tsv}}, {class_path: PredictionWriter, init_args: {output_dir: out, filetype: tsv}}]";
    let said = place.run_words(&["predict", "-c", "fit.yaml", "--trainer.callbacks", twice]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err
            .contains("two of them write out/predict_predictions.tsv"),
        "{}",
        said.err
    );
}

#[test]
fn batches_have_files_of_their_own_and_those_of_other_runs_are_left_alone() {
    let place = with_writer("filetype: tsv, write_interval: batch");
    std::fs::create_dir(place.path("out")).unwrap();
    place.write("out/predict_predictions_0_99.tsv", "stale\n");
    let said = place.run(&format!("{PREDICT} --data.batch_size 5"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err
            .contains("predict_predictions_0_99.tsv and what else"),
        "{}",
        said.err
    );
    let whole = place.read("out/predict_predictions.tsv");
    let parts: Vec<String> = (0..5)
        .map(|batch| place.read(&format!("out/predict_predictions_0_{batch}.tsv")))
        .collect();
    assert!(!place.path("out/predict_predictions_0_5.tsv").exists());
    let rows: Vec<&str> = parts.iter().flat_map(|part| part.lines().skip(1)).collect();
    assert_eq!(rows, whole.lines().skip(1).collect::<Vec<_>>());
    assert_eq!(parts[4].lines().count(), 5);
    assert!(
        parts
            .iter()
            .all(|part| part.lines().next() == whole.lines().next())
    );
    assert_eq!(place.read("out/predict_predictions_0_99.tsv"), "stale\n");
    writer(
        &place,
        "filetype: tsv, write_interval: batch, delete_intermediate_files: true",
    );
    place.succeed(&format!("{PREDICT} --data.batch_size 5"));
    assert_eq!(place.read("out/predict_predictions.tsv"), whole);
    assert_eq!(std::fs::read_dir(place.path("out")).unwrap().count(), 2);
}

#[test]
fn a_row_id_is_written_once_where_that_is_wanted() {
    let place = with_writer("filetype: tsv, remove_duplicates: true");
    let rows = place.read("train.tsv");
    let again: String = rows
        .lines()
        .skip(1)
        .take(3)
        .map(|row| format!("{row}\n"))
        .collect();
    place.write("train.tsv", &format!("{rows}{again}"));
    let said = place.run(PREDICT);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err
            .contains("remove_duplicates: 3 rows have the id of an earlier row"),
        "{}",
        said.err
    );
    assert_eq!(
        place.read("out/predict_predictions.tsv").lines().count(),
        25
    );
}

#[test]
fn test_writes_every_row_beside_its_scores_and_several_writers_all_write() {
    let place = Workplace::new();
    let writers = "[{class_path: PredictionWriter, init_args: {output_dir: out, filetype: tsv, write_cols: [id, labels, label]}}, \
        {class_path: PredictionWriter, init_args: {output_dir: out, filetype: pt, argmax_predictions: true, write_cols: [predictions, labels]}}]";
    let said = place.run_words(&["test", "-c", "fit.yaml", "--trainer.callbacks", writers]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let text = place.read("out/test_predictions.tsv");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .map(|row| row.split('\t').collect())
        .collect();
    assert_eq!(rows.len(), 24);
    let right = rows.iter().filter(|row| row[1] == row[2]).count() as f64 / 24.0;
    let accuracy = said
        .out
        .lines()
        .find(|line| line.starts_with("test_accuracy "))
        .unwrap();
    let accuracy: f64 = accuracy.split_whitespace().last().unwrap().parse().unwrap();
    assert!((right - accuracy).abs() < 1e-3, "{right}: {}", said.out);
    let bytes = std::fs::read(place.path("out/test_predictions.safetensors")).unwrap();
    let (_, about) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let notes = about.metadata().as_ref().unwrap();
    assert!(
        notes["labels"].starts_with("[\"low\",\"middle\",\"high\""),
        "{notes:?}"
    );
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let told = tensors.tensor("predictions").unwrap();
    assert_eq!(
        (told.shape(), told.dtype()),
        (&[24][..], safetensors::Dtype::I64)
    );
}

#[test]
fn tokens_fit_a_table_as_lists_without_the_special_ones_where_that_is_wanted() {
    let place = Workplace::empty();
    place.write("dna.tsv", "sequences\nACGT\nAC\n");
    let predict = "predict --model Inference --model.backbone aido_dna_debug --data SequencesDataModule --data.path dna.tsv --data.x_col sequences \
        --trainer.callbacks PredictionWriter --trainer.callbacks.output_dir out --trainer.callbacks.filetype tsv --trainer.callbacks.argmax_predictions true";
    let lengths = |place: &Workplace| -> Vec<usize> {
        let text = place.read("out/predict_predictions.tsv");
        assert_eq!(text.lines().next(), Some("id\tpredictions"));
        let lists = text
            .lines()
            .skip(1)
            .map(|row| row.split('\t').nth(1).unwrap().trim_matches('"'));
        lists
            .map(|list| serde_json::from_str::<Vec<i64>>(list).unwrap().len())
            .collect()
    };
    place.succeed(predict);
    assert_eq!(lengths(&place), [6, 4]);
    place.succeed(&format!(
        "{predict} --trainer.callbacks.drop_special_tokens true"
    ));
    assert_eq!(lengths(&place), [4, 2]);
}
