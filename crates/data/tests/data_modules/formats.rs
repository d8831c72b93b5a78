//! Files of every format as a user names them: patterns, compressed splits, labels beside sequences.

use std::fs;
use std::io::Write;

use engraft_data::{Label, Stage};

use crate::{CLASSIFY, Case, case, classify, ids, labels};

const FASTA: &str = ">p1 label=0\nEVQL\n>p2 label=1\nKK\n>p3 label=0\nGGG\n";

fn labelled(path: &str, more: &str) -> String {
    format!("class_path: SequenceClassificationDataModule\ninit_args: {{path: DIR/{path}{more}}}")
}

fn pack(case: &Case, name: &str, text: &str) {
    let file = fs::File::create(case.folder.path().join(name)).unwrap();
    let mut file = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    file.write_all(text.as_bytes()).unwrap();
    file.finish().unwrap();
}

#[test]
fn sequences_and_their_labels_come_from_a_fasta_file() {
    let case = case(
        &[("p.fasta", FASTA)],
        &labelled("p.fasta", ", y_col: label, extra_cols: description"),
    );
    let examples = case.load(Stage::Test).test.unwrap();
    assert_eq!(examples.texts, [["EVQL", "KK", "GGG"]]);
    assert_eq!(examples.ids.clone().unwrap(), ["p1", "p2", "p3"]);
    assert_eq!(
        labels(&Some(examples)),
        [Label::Index(0), Label::Index(1), Label::Index(0)]
    );
    let wrong = crate::case(
        &[("p.fasta", FASTA)],
        &labelled("p.fasta", ", x_col: seq, y_col: label"),
    );
    assert_eq!(
        wrong.error(Stage::Test),
        "p.fasta: no column \"seq\" (x_col); the file has \"id\", \"description\", \"sequence\", \"label\""
    );
}

#[test]
fn plain_text_needs_no_column_name() {
    let yaml = "class_path: SequencesDataModule\ninit_args: {path: DIR/a.txt}";
    let examples = case(&[("a.txt", "one\ntwo\n")], yaml)
        .load(Stage::Predict)
        .test
        .unwrap();
    assert_eq!(examples.texts, [["one", "two"]]);
    assert_eq!(examples.ids.unwrap(), ["0", "1"]);
}

#[test]
fn compressed_files_are_splits_by_their_stem() {
    let case = case(&[("readme.md", "")], CLASSIFY);
    pack(&case, "train.tsv.gz", "sequences\tlabels\nA\t0\nB\t1\n");
    pack(
        &case,
        "dev.jsonl.gz",
        "{\"sequences\": \"C\", \"labels\": 1}\n",
    );
    pack(&case, "test.csv.gz", "sequences,labels\nD,0\n");
    let splits = case.load(Stage::Fit);
    assert_eq!(splits.train.unwrap().texts, [["A", "B"]]);
    assert_eq!(splits.valid.unwrap().texts, [["C"]]);
    assert_eq!(splits.test.unwrap().texts, [["D"]]);
}

#[test]
fn a_pattern_stands_for_files_that_are_read_as_one() {
    let files = [
        ("s1.csv", "sequences,labels\nA,0\n"),
        ("s2.csv", "labels,sequences\n1,B\n"),
        ("t.csv", "x\n1\n"),
    ];
    let case = case(&files, &classify("s?.csv"));
    assert_eq!(case.load(Stage::Test).test.unwrap().texts, [["A", "B"]]);
    let nested = crate::case(&files, &classify("none/*.csv"));
    assert_eq!(
        nested.error(Stage::Test),
        "path: no file here fits the pattern \"none/*.csv\""
    );
    for shard in ["a", "b"] {
        fs::create_dir(case.folder.path().join(shard)).unwrap();
        fs::write(
            case.folder.path().join(format!("{shard}/x.csv")),
            format!("sequences,labels\n{shard},0\n"),
        )
        .unwrap();
    }
    let yaml = classify("?/*.csv").replace("DIR", &case.folder.path().display().to_string());
    let splits = crate::module(&yaml).0.load(Stage::Test).unwrap();
    assert_eq!(splits.test.unwrap().texts, [["a", "b"]]);
}

#[test]
fn labels_come_from_a_table_by_id() {
    let table = "id,labels,description\np3,x,-\np1,y,-\np2,x,-\np9,y,-\n";
    let yaml = labelled("p.fasta", ", label_table: DIR/labels.csv");
    let joined = case(&[("p.fasta", FASTA), ("labels.csv", table)], &yaml);
    let splits = joined.load(Stage::Test);
    assert_eq!(labels(&splits.test), ["y".into(), "x".into(), "x".into()]);
    assert_eq!(
        splits.notes,
        [format!(
            "{}/labels.csv: 1 of 4 rows are of no record that was read: \"p9\"",
            joined.folder.path().display()
        )]
    );
    let error = |table: &str, more: &str| {
        let yaml = labelled("p.fasta", &format!(", label_table: DIR/labels.csv{more}"));
        case(&[("p.fasta", FASTA), ("labels.csv", table)], &yaml).error(Stage::Test)
    };
    assert_eq!(
        error("id,labels\np1,0\n", ""),
        "label_table: labels.csv has no row for the id \"p2\" (p.fasta:3), nor for 1 other"
    );
    assert_eq!(
        error("id,labels\np1,0\np1,1\n", ""),
        "labels.csv:3: the id \"p1\" is also that of labels.csv:2; give each row its own"
    );
    assert_eq!(
        error("name,labels\np1,0\n", ", label_table_id: names"),
        "labels.csv: no column \"names\" (label_table_id); the file has \"name\", \"labels\". Did you mean \"name\"?"
    );
    assert_eq!(
        error("id,label\np1,0\np2,0\np3,0\n", ""),
        "label_table: labels.csv and p.fasta both have a column \"label\"; rename one of them"
    );
    let some = case(
        &[("p.fasta", FASTA), ("labels.csv", "id,labels\np1,0\n")],
        &yaml,
    );
    assert_eq!(some.load(Stage::Predict).test.unwrap().labels, None);
}

#[test]
fn a_label_of_the_wrong_type_is_named_by_row() {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden/tables/kinds.parquet");
    let read = |columns: &str| {
        let yaml = format!(
            "class_path: ClassificationDataModule\ninit_args: {{path: {}, {columns}}}",
            golden.display()
        );
        let error = crate::module(&yaml)
            .0
            .load(Stage::Test)
            .unwrap_err()
            .to_string();
        error.rsplit_once('/').unwrap().1.to_owned()
    };
    assert_eq!(
        read("x_col: list, y_col: truth"),
        "kinds.parquet:1: the column \"list\" must hold text or a number, here it holds a list, which TokenClassificationDataModule reads as words and extra_cols carries along"
    );
    assert_eq!(
        read("x_col: truth, y_col: whole"),
        "kinds.parquet:2: the column \"truth\" has no value in this row"
    );
}

#[test]
fn every_row_of_a_compressed_file_is_held_out_or_trained_on_as_of_a_plain_one() {
    let rows: String = (0..40).map(|row| format!("S{row},{}\n", row % 2)).collect();
    let text = format!("sequences,labels\n{rows}");
    let plain = case(&[("a.csv", &text)], &classify("a.csv"));
    pack(&plain, "b.csv.gz", &text);
    let yaml = classify("b.csv.gz").replace("DIR", &plain.folder.path().display().to_string());
    let packed = crate::module(&yaml).0.load(Stage::Fit).unwrap();
    let plain = plain.load(Stage::Fit);
    assert_eq!(ids(&packed.train), ids(&plain.train));
    assert_eq!(ids(&packed.test), ids(&plain.test));
}
