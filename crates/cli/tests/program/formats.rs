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
