//! Rows that cannot be used: refused, or skipped and listed.

use engraft_data::{Cell, Splits, Stage};

use crate::{Case, case};

/// A case whose rows are skipped, with one whose are not.
fn both(files: &[(&str, &str)], class: &str, arguments: &str) -> [Case; 2] {
    ["", ", on_bad_row: skip"].map(|more| {
        let yaml = format!(
            "class_path: {class}\ninit_args: {{path: DIR/{}{arguments}{more}}}",
            files[0].0
        );
        case(files, &yaml)
    })
}

/// The lines of the rows that were left out, with what is wrong with each.
fn skipped(splits: &Splits) -> Vec<(u64, &str)> {
    let rows = splits.skipped.iter();
    rows.map(|row| (row.origin.line, row.problem.as_str()))
        .collect()
}

#[test]
fn rows_without_a_text_or_a_label_are_refused_or_skipped() {
    let rows = "{\"sequences\": \"A\", \"labels\": 0}\n\
                {\"sequences\": null, \"labels\": 1}\n\
                {\"sequences\": \"B\", \"labels\": 1}\n\
                {\"sequences\": \"C\", \"labels\": null}\n\
                {\"sequences\": \"D\", \"labels\": 1}\n\
                {\"sequences\": \"E\", \"labels\": 0}\n";
    let [refuse, skip] = both(&[("a.jsonl", rows)], "SequenceClassificationDataModule", "");
    assert_eq!(
        refuse.error(Stage::Test),
        "a.jsonl:2: the column \"sequences\" has no value in this row"
    );
    let splits = skip.load(Stage::Test);
    let no_text = (2, "the column \"sequences\" has no value in this row");
    let no_label = (4, "the column \"labels\" has no value in this row");
    assert_eq!(skipped(&splits), [no_text, no_label]);
    let folder = skip.folder.path().display();
    assert_eq!(
        splits.notes,
        [format!(
            "2 rows are skipped (data.on_bad_row: skip), the first {folder}/a.jsonl:2: the column \"sequences\" has no value in this row"
        )]
    );
    let examples = splits.test.unwrap();
    assert_eq!(examples.texts, [["A", "B", "D", "E"]]);
    // Rows keep their numbers, so that what is predicted is found again.
    assert_eq!(examples.ids.unwrap(), ["0", "2", "4", "5"]);
    // Predicting needs no label.
    let splits = skip.load(Stage::Predict);
    assert_eq!(skipped(&splits), [no_text]);
    assert_eq!(splits.test.unwrap().texts, [["A", "B", "C", "D", "E"]]);
}

#[test]
fn rows_of_every_kind_of_label_may_be_skipped() {
    for (class, text, arguments, line, problem) in [
        (
            "SequenceRegressionDataModule",
            "sequences,labels\nA,1\nB,x\nC,2\n",
            "",
            3,
            "the column \"labels\" must hold a finite number, here it holds \"x\"",
        ),
        (
            "SequenceRegressionDataModule",
            "sequences,labels\nA,\"[1, 2]\"\nB,\"[1, nan]\"\nC,\"[2, 3]\"\n",
            "",
            3,
            "the column \"labels\" must hold a finite number, here it holds \"nan\"",
        ),
        (
            "SequenceRegressionDataModule",
            "sequences,labels\nA,\"[1, 2]\"\nB,\"[1]\"\nC,\"[2, 3]\"\n",
            "",
            3,
            "the column \"labels\" holds a list of 1 label, that of the first row has 2",
        ),
        (
            "SequenceClassificationDataModule",
            "sequences,x,y\nA,1,0\nB,1,2\nC,0,0\n",
            ", y_col: [x, y]",
            3,
            "the column \"y\" must hold 0 or 1, here it holds \"2\"",
        ),
        (
            "TokenClassificationDataModule",
            "sequences,labels\nAC,01\nGT,0\nC,1\n",
            "",
            3,
            "the column \"labels\" has 1 label for a text of 2 letters",
        ),
        (
            "SequenceClassificationDataModule",
            "sequences,labels\nA,1\nB\nC,0\n",
            "",
            3,
            "expected 2 cells as in the header, found 1",
        ),
    ] {
        let [refuse, skip] = both(&[("a.csv", text)], class, arguments);
        assert_eq!(
            refuse.error(Stage::Test),
            format!("a.csv:{line}: {problem}")
        );
        let splits = skip.load(Stage::Test);
        assert_eq!(skipped(&splits), [(line, problem)], "{text}");
        assert_eq!(splits.test.unwrap().len(), 2);
    }
}

#[test]
fn most_rows_are_not_skipped() {
    let text = "sequences,labels\nA,1\nB,x\nC,y\n";
    let [_, skip] = both(&[("a.csv", text)], "SequenceRegressionDataModule", "");
    assert_eq!(
        skip.error(Stage::Test),
        "a.csv:3: the column \"labels\" must hold a finite number, here it holds \"x\" (2 of 3 rows cannot be read, which are too many to be skipped)"
    );
}

#[test]
fn records_without_a_row_of_labels_may_be_skipped() {
    let files = [
        ("p.fasta", ">p1\nEV\n>p2\nKK\n>p2\nGG\n>p3\n>p4\nLL\n"),
        ("labels.csv", "id,labels\np1,0\np2,1\n"),
    ];
    let more = ", label_table: DIR/labels.csv";
    let [refuse, skip] = both(&files, "SequenceClassificationDataModule", more);
    assert_eq!(
        refuse.error(Stage::Test),
        "label_table: labels.csv has no row for the id \"p4\" (p.fasta:8)"
    );
    let splits = skip.load(Stage::Test);
    assert_eq!(
        skipped(&splits),
        [
            (7, "the record \"p3\" has no sequence"),
            (8, "the column \"labels\" has no value in this row"),
        ]
    );
    let folder = format!("{}/", skip.folder.path().display());
    let notes: Vec<String> = splits
        .notes
        .iter()
        .map(|note| note.replace(&folder, ""))
        .collect();
    assert_eq!(
        notes,
        [
            "p.fasta: 1 record has the id of an earlier one: \"p2\" on line 5 and on line 3; each is a row under the id that it has",
            "p.fasta: 1 record has no sequence and is left out: \"p3\" on line 7",
            "2 rows are skipped (data.on_bad_row: skip), the first p.fasta:7: the record \"p3\" has no sequence",
        ]
    );
    let examples = splits.test.unwrap();
    assert_eq!(examples.texts, [["EV", "KK", "GG"]]);
    assert_eq!(examples.ids.unwrap(), ["p1", "p2", "p2"]);
}

#[test]
fn each_fold_lists_its_rows() {
    let text = "sequences,labels\nA,1\nB,x\nC,2\nD,3\nE,4\nF,5\nG\n";
    let more = ", cv_num_folds: 3";
    let [_, skip] = both(&[("a.csv", text)], "SequenceRegressionDataModule", more);
    let rows = skip.module.load_folds().unwrap();
    for fold in 0..3 {
        let splits = rows.splits(fold).unwrap();
        let lines: Vec<u64> = skipped(&splits).iter().map(|row| row.0).collect();
        assert_eq!(lines, [8, 3]);
        let parts = [splits.train, splits.valid, splits.test];
        assert_eq!(
            parts.iter().flatten().map(|part| part.len()).sum::<usize>(),
            5
        );
    }
}

#[test]
fn lists_of_numbers_and_texts_come_through() {
    let lists = [
        Cell::from(vec![1i64, 2]),
        Cell::from(vec![0.5, -1.0]),
        Cell::from(vec!["a", ""]),
        Cell::List(vec![Cell::from(vec![1i64]), Cell::List(vec![])]),
    ];
    let row = "{\"sequence\": \"A\", \"w\": [1, 2], \"x\": [0.5, -1.0], \"y\": [\"a\", \"\"], \"z\": [[1], []]}\n";
    let yaml =
        "class_path: SequencesDataModule\ninit_args: {path: DIR/a.jsonl, extra_cols: [w, x, y, z]}";
    let examples = case(&[("a.jsonl", row)], yaml)
        .load(Stage::Predict)
        .test
        .unwrap();
    let carried: Vec<Cell> = examples
        .extra
        .iter()
        .map(|(_, cells)| cells[0].clone())
        .collect();
    assert_eq!(carried, lists);
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden/tables/kinds.parquet");
    let yaml = format!(
        "class_path: SequencesDataModule\ninit_args: {{path: {}, x_col: truth, extra_cols: [list, words], on_bad_row: skip}}",
        golden.display()
    );
    let examples = crate::module(&yaml).0.load(Stage::Predict).unwrap();
    assert_eq!(
        skipped(&examples),
        [(2, "the column \"truth\" has no value in this row")]
    );
    let extra = examples.test.unwrap().extra;
    assert_eq!(extra[0].1, [Cell::from(vec![1i64, 2]), Cell::List(vec![])]);
    assert_eq!(
        extra[1].1,
        [Cell::from(vec![Some("a"), None]), Cell::from(vec!["b"])]
    );
}
