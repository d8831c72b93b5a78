//! Files of sequences, texts and columns, named on the command line.

use std::path::Path;

use crate::Workplace;

const PREDICT: &str = "predict --model SequenceClassification --model.backbone ./tiny --model.use_legacy_adapter true";

/// A copy of a file that other programs wrote, without what lies beyond `length`.
fn copy(place: &Workplace, name: &str, length: usize) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/tables");
    let bytes = std::fs::read(golden.join(name)).unwrap();
    std::fs::write(place.path(name), &bytes[..bytes.len().min(length)]).unwrap();
}

#[test]
fn sequences_and_plain_text_are_predicted_without_naming_a_column() {
    let place = Workplace::new();
    for name in ["proteins.fasta.gz", "reads.fastq.zst", "lines.txt"] {
        copy(&place, name, usize::MAX);
    }
    let ids = |data: &str| -> String {
        place.succeed(&format!("{PREDICT} --data.path {data} --output p.tsv"));
        let table = place.read("p.tsv");
        let ids = table
            .lines()
            .skip(1)
            .filter_map(|line| line.split('\t').next());
        ids.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids("proteins.fasta.gz"), "p1 p2 p3");
    assert_eq!(ids("reads.fastq.zst"), "r1 r2");
    assert_eq!(ids("lines.txt"), "0 1 2");
    assert_eq!(
        ids("lines.txt --data.extra_reader_kwargs.sample_by paragraph"),
        "0 1"
    );
    assert_eq!(ids("*.fasta.gz"), "p1 p2 p3");
}

#[test]
fn a_model_is_fitted_on_the_labels_of_headers_and_of_a_table_alike() {
    let place = Workplace::new();
    let label = |row: usize| ["low", "middle", "high"][row % 3];
    let record = |row: usize| {
        format!(
            ">r{row} kind={}\n{}\n",
            label(row),
            ["a", "b", "c"][row % 3]
        )
    };
    place.write("p.fasta", &(0..24).map(record).collect::<String>());
    let rows: String = (0..24)
        .map(|row| format!("r{row}\t{}\n", label(row)))
        .collect();
    place.write("labels.tsv", &format!("id\tlabels\n{rows}"));
    let fit = |more: &str| place.succeed(&format!("fit -c fit.yaml --data.path p.fasta {more}"));
    let headers = fit("--data.y_col kind");
    assert!(headers.contains("test_accuracy"), "{headers}");
    assert_eq!(fit("--data.label_table labels.tsv"), headers);
}

#[test]
fn what_is_wrong_with_a_file_is_one_sentence_and_exit_code_2() {
    let place = Workplace::new();
    copy(&place, "rows.parquet", 900);
    copy(&place, "binary.parquet", usize::MAX);
    copy(&place, "rows.tsv.gz", 60);
    for (data, expected) in [
        (
            "rows.parquet",
            "error: rows.parquet: cannot be read as Parquet: it does not end as Parquet does, so it is cut short or another format; fetch or write it again",
        ),
        (
            "binary.parquet",
            "error: binary.parquet:2: the column \"sequences\" holds bytes that are not UTF-8",
        ),
        (
            "rows.tsv.gz",
            "the file is cut short: its gzip data end in the middle; fetch or copy it again",
        ),
        (
            "none/*.tsv",
            "error: --data.path: no file here fits the pattern \"none/*.tsv\"",
        ),
        (
            "train.tsv --data.extra_reader_kwargs.skiprow 1",
            "unknown key. Did you mean \"skiprows\"?",
        ),
        (
            "train.tsv --data.extra_reader_kwargs.sample_by document",
            "error: --data.extra_reader_kwargs.sample_by: has no meaning for TSV files, only for plain text",
        ),
    ] {
        let said = place.run(&format!("{PREDICT} --data.path {data} --output p.tsv"));
        assert_eq!(said.code, Some(2), "{data}: {said:?}");
        let errors: Vec<&str> = said
            .err
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert!(
            matches!(errors[..], [error] if error.contains(expected)),
            "{data}: {}",
            said.err
        );
    }
    assert!(!place.path("p.tsv").exists());
}

#[test]
fn rows_that_were_skipped_are_listed_beside_the_output() {
    let place = Workplace::new();
    place.write("rows.csv", "id,sequences\nr1,a w1\nr2\nr3,b w2\nr4,c w3\n");
    let predict = format!("{PREDICT} --data.path rows.csv --output p.tsv");
    let refused = place.run(&predict);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused
            .err
            .contains("rows.csv:3: expected 2 cells as in the header, found 1"),
        "{refused:?}"
    );
    let said = place.run(&format!("{predict} --data.on_bad_row skip"));
    assert_eq!(said.code, Some(0), "{said:?}");
    for note in [
        "1 row is skipped (data.on_bad_row: skip), the first rows.csv:3: expected 2 cells as in the header, found 1",
        "1 row that is left out is listed in p.skipped.tsv",
    ] {
        assert!(said.err.contains(note), "{said:?}");
    }
    let ids = |table: String| -> Vec<String> {
        let rows = table.lines().skip(1);
        rows.map(|row| row.split('\t').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(place.read("p.tsv")), ["r1", "r3", "r4"]);
    assert_eq!(
        place.read("p.skipped.tsv"),
        "file\tline\tproblem\nrows.csv\t3\texpected 2 cells as in the header, found 1\n"
    );
    // A list of an earlier run is not left beside a table of all rows.
    place.write("rows.csv", "id,sequences\nr1,a w1\n");
    place.succeed(&predict);
    assert_eq!(place.read("p.skipped.tsv"), "file\tline\tproblem\n");
    // Records without a sequence are listed whatever is asked for.
    place.write("p.pep", ">p1\na\n>p2\n>p1\nb\n");
    let said = place.run(&format!("{PREDICT} --data.path p.pep --output q.tsv"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(ids(place.read("q.tsv")), ["p1", "p1"]);
    assert_eq!(
        place.read("q.skipped.tsv"),
        "file\tline\tproblem\np.pep\t3\t\"the record \"\"p2\"\" has no sequence\"\n"
    );
    // Training lists them in the folder of its run.
    let rows = place.read("train.tsv") + "r24\ta\tlow\n";
    place.write("train.tsv", &rows);
    place.succeed("fit -c fit.yaml --data.on_bad_row skip");
    assert_eq!(
        place.read("logs/version_0/skipped.tsv"),
        "file\tline\tproblem\ntrain.tsv\t26\texpected 4 cells as in the header, found 3\n"
    );
}

#[test]
fn listed_words_are_classified_and_those_without_a_token_are_named() {
    let place = Workplace::new();
    let row = |row: usize| {
        let words = [
            ["a", "w1", "b w2"],
            ["b", "\u{200b}", "c"],
            ["w3", "a", "w4"],
        ][row % 3];
        let words = serde_json::to_string(&words).unwrap();
        format!("{{\"tokens\": {words}, \"ner_tags\": [0, 1, 2], \"scores\": [0.5, {row}]}}\n")
    };
    place.write("ner.jsonl", &(0..12).map(row).collect::<String>());
    let data = "--data TokenClassificationDataModule --data.path ner.jsonl --data.x_col tokens --data.y_col ner_tags";
    let said = place.run(&format!(
        "fit --model TokenClassification --model.backbone ./tiny {data} --data.test_split_size 0 --data.valid_split_size 0 --trainer.max_epochs 1"
    ));
    assert_eq!(said.code, Some(0), "{said:?}");
    let note = "4 words in 4 of 12 rows have no token, so nothing is learned, scored or predicted there: word 2, \"\\u{200b}\", of ner.jsonl:";
    assert!(said.err.contains(note), "{said:?}");
    place.succeed(&format!(
        "predict --ckpt_path last {data} --data.extra_cols [scores] --output p.jsonl"
    ));
    let predicted = place.read("p.jsonl");
    let rows: Vec<serde_json::Value> = predicted
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 12);
    for (number, row) in rows.iter().enumerate() {
        let classes = row["prediction"].as_array().unwrap();
        let known: Vec<bool> = classes.iter().map(|class| !class.is_null()).collect();
        assert_eq!(known, [true, number % 3 != 1, true], "{row}");
        assert_eq!(row["scores"], serde_json::json!([0.5, number]));
    }
}
