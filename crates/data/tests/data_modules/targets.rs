//! Several classes a row, and numbers.

use engraft_data::{Examples, Labels, Stage};

use crate::{CLASSIFY, case, classify};

fn flags(examples: &Option<Examples>) -> (Vec<String>, Vec<Vec<bool>>) {
    match examples.as_ref().unwrap().labels.clone().unwrap() {
        Labels::MultiLabel { names, rows } => (names, rows),
        other => panic!("{other:?}"),
    }
}

fn numbers(examples: &Option<Examples>) -> (Vec<String>, Vec<Vec<f64>>) {
    match examples.as_ref().unwrap().labels.clone().unwrap() {
        Labels::Numbers { names, rows } => (names, rows),
        other => panic!("{other:?}"),
    }
}

const SEVERAL: &str =
    "class_path: SequenceClassificationDataModule\ninit_args: {path: DIR/a, y_col: [up, down]}";

/// Regression on all rows of one file.
fn regress(file: &str, more: &str) -> String {
    format!("class_path: SequenceRegressionDataModule\ninit_args: {{path: DIR/{file}{more}}}")
}

#[test]
fn several_columns_are_several_classes_a_row() {
    let expected = [vec![false, true], vec![true, true]];
    for (name, text) in [
        ("a.csv", "sequences,up,down\nA,0,1\nB,1.0,1\n"),
        (
            "a.tsv",
            "down\tsequences\tup\nTrue\tA\tfalse\ntrue\tB\tTRUE\n",
        ),
        (
            "a.jsonl",
            "{\"sequences\": \"A\", \"up\": 0, \"down\": true}\n{\"sequences\": \"B\", \"up\": 1, \"down\": \"1\"}\n",
        ),
    ] {
        let case = case(&[(name, text)], &SEVERAL.replace("/a", &format!("/{name}")));
        let (names, rows) = flags(&case.load(Stage::Test).test);
        assert_eq!(names, ["up", "down"]);
        assert_eq!(rows, expected, "{name}");
    }
}

#[test]
fn a_column_of_lists_is_several_classes_a_row() {
    for (name, text) in [
        ("a.csv", "sequences,labels\nA,\"[0, 1]\"\nB,[1 1]\n"),
        (
            "a.jsonl",
            "{\"sequences\": \"A\", \"labels\": [0, true]}\n{\"sequences\": \"B\", \"labels\": [1, 1]}\n",
        ),
    ] {
        let case = case(&[(name, text)], &classify(name));
        let (names, rows) = flags(&case.load(Stage::Test).test);
        assert_eq!(names, ["labels_0", "labels_1"]);
        assert_eq!(rows, [vec![false, true], vec![true, true]], "{name}");
    }
}

#[test]
fn a_flag_that_is_none_is_named_with_row_and_column() {
    let error = |rows: &str| {
        let text = format!("sequences,up,down\nA,0,1\n{rows}\n");
        case(&[("a.csv", &text)], &SEVERAL.replace("/a", "/a.csv")).error(Stage::Test)
    };
    assert_eq!(
        error("B,1,2"),
        "a.csv:3: the column \"down\" must hold 0 or 1, here it holds \"2\""
    );
    assert_eq!(
        error("B,acq,0"),
        "a.csv:3: the column \"up\" must hold 0 or 1, here it holds \"acq\""
    );
    assert_eq!(
        error("B,0,"),
        "a.csv:3: the column \"down\" has no value in this row"
    );
    let lists = |rows: &str| {
        let text = format!("sequences,labels\nA,[0 1]\n{rows}\n");
        case(&[("a.csv", &text)], &classify("a.csv")).error(Stage::Test)
    };
    assert_eq!(
        lists("B,[0]"),
        "a.csv:3: the column \"labels\" holds a list of 1 label, that of the first row has 2"
    );
    assert_eq!(
        lists("B,[0 x]"),
        "a.csv:3: the column \"labels\" must hold 0 or 1, here it holds \"x\""
    );
    assert_eq!(
        lists("B,1"),
        "a.csv:3: the column \"labels\" must hold a list, as the first row does, here it holds \"1\""
    );
    let later = "{\"sequences\": \"A\", \"labels\": 1}\n{\"sequences\": \"B\", \"labels\": [1]}\n";
    assert_eq!(
        case(&[("a.jsonl", later)], &classify("a.jsonl")).error(Stage::Test),
        "a.jsonl:2: the column \"labels\" must hold text or a number, here it holds a list"
    );
}

#[test]
fn lists_are_as_long_in_every_split() {
    let files = [
        ("train.csv", "sequences,labels\nA,[0 1]\nB,[1 1]\nC,[1 0]\n"),
        ("test.csv", "sequences,labels\nA,[0 1 1]\n"),
    ];
    let yaml = CLASSIFY.replace("path: DIR", "path: DIR, valid_split_size: 0");
    assert_eq!(
        case(&files, &yaml).error(Stage::Fit),
        "test.csv:2: the column \"labels\" holds a list of 3 labels, that of the first row has 2"
    );
}

#[test]
fn a_class_filter_is_noted_where_rows_have_several_classes() {
    let yaml = SEVERAL.replace("/a,", "/a.csv, class_filter: 1,");
    let case = case(&[("a.csv", "sequences,up,down\nA,0,1\nB,1,1\n")], &yaml);
    let splits = case.load(Stage::Test);
    assert_eq!(flags(&splits.test).1.len(), 2);
    assert_eq!(
        splits.notes,
        ["class_filter is not applied to the test split, whose rows have several classes"]
    );
}

#[test]
fn numbers_are_read_from_every_format() {
    for (name, text) in [
        ("a.csv", "sequences,labels\nA, -1.5\nB,2e-3\n"),
        ("a.tsv", "labels\tsequences\n-1.50\tA\n+0.002\tB\n"),
        (
            "a.jsonl",
            "{\"sequences\": \"A\", \"labels\": -1.5}\n{\"sequences\": \"B\", \"labels\": \"0.002\"}\n",
        ),
    ] {
        let splits = case(&[(name, text)], &regress(name, "")).load(Stage::Test);
        let (names, rows) = numbers(&splits.test);
        assert_eq!(
            (names, rows),
            (vec!["labels".to_owned()], vec![vec![-1.5], vec![0.002]])
        );
    }
}

#[test]
fn several_columns_or_a_list_are_several_numbers_a_row() {
    let table = case(
        &[("a.csv", "x,up,down\nA,0.5,-1\nB,2,3\n")],
        "class_path: RegressionDataModule\ninit_args: {path: DIR/a.csv, x_col: x, y_col: [down, up], normalize: false}",
    );
    assert!(!table.module.normalizes());
    let (names, rows) = numbers(&table.load(Stage::Test).test);
    assert_eq!(names, ["down", "up"]);
    assert_eq!(rows, [vec![-1.0, 0.5], vec![3.0, 2.0]]);
    let lists = "{\"sequences\": \"A\", \"labels\": [1, 0.5]}\n{\"sequences\": \"B\", \"labels\": \"[2, 3]\"}\n";
    let lists = case(&[("a.jsonl", lists)], &regress("a.jsonl", ""));
    let (names, rows) = numbers(&lists.load(Stage::Test).test);
    assert_eq!(names, ["labels_0", "labels_1"]);
    assert_eq!(rows, [vec![1.0, 0.5], vec![2.0, 3.0]]);
}

#[test]
fn a_number_that_is_none_is_named_with_row_column_and_value() {
    for value in ["nan", "inf", "-Infinity", "1e999", "high", "1,5", "true"] {
        let text = format!("sequences,labels\nA,1\nB,\"{value}\"\n");
        assert_eq!(
            case(&[("a.csv", &text)], &regress("a.csv", "")).error(Stage::Test),
            format!(
                "a.csv:3: the column \"labels\" must hold a finite number, here it holds \"{value}\""
            )
        );
    }
    let error = |value: &str| {
        let text = format!("{{\"sequences\": \"A\", \"labels\": {value}}}\n");
        case(&[("a.jsonl", &text)], &regress("a.jsonl", "")).error(Stage::Test)
    };
    assert_eq!(
        error("null"),
        "a.jsonl:1: the column \"labels\" has no value in this row"
    );
    assert_eq!(
        error("true"),
        "a.jsonl:1: the column \"labels\" must hold a finite number, here it holds true"
    );
    assert_eq!(
        error("[]"),
        "a.jsonl:1: the column \"labels\" holds a list of 0 labels, but at least one is needed"
    );
    assert_eq!(
        case(
            &[("a.csv", "sequences,labels\nA,\n")],
            &regress("a.csv", "")
        )
        .error(Stage::Test),
        "a.csv:2: the column \"labels\" has no value in this row"
    );
    assert_eq!(
        case(
            &[("a.csv", "sequences,label\nA,1\n")],
            &regress("a.csv", "")
        )
        .error(Stage::Test),
        "a.csv: no column \"labels\" (y_col); the file has \"sequences\", \"label\". Did you mean \"label\"?"
    );
}

#[test]
fn predicting_does_without_labels_and_says_why_it_left_them_aside() {
    let predict = |text: &str, more: &str| {
        let splits = case(&[("a.csv", text)], &regress("a.csv", more)).load(Stage::Predict);
        (splits.test.unwrap().labels, splits.notes)
    };
    assert_eq!(predict("sequences\nA\n", ""), (None, vec![]));
    let several = ", y_col: [up, down]";
    assert_eq!(predict("sequences\nA\n", several), (None, vec![]));
    let (labels, notes) = predict("sequences,up\nA,1\n", several);
    assert_eq!(labels, None);
    assert!(
        notes[0].ends_with("a.csv: no column \"down\" (y_col); the file has \"sequences\", \"up\"; all labels are left aside"),
        "{notes:?}"
    );
    let (labels, notes) = predict("sequences,labels\nA,1\nB,?\n", "");
    assert_eq!(labels, None);
    assert!(notes[0].contains("a.csv:3: the column \"labels\" must hold a finite number"));
    let (labels, notes) = predict("sequences,labels\nA,1\n", "");
    assert!(labels.is_some_and(|labels| labels.len() == 1) && notes.is_empty());
}

#[test]
fn one_file_is_split_by_seed_with_its_numbers() {
    let rows: String = (0..50).map(|row| format!("S{row},{row}.5\n")).collect();
    let text = format!("sequences,labels\n{rows}");
    let splits = case(&[("a.csv", &text)], &regress("a.csv", "")).load(Stage::Fit);
    let mut seen = vec![];
    for (split, length) in [(&splits.train, 36), (&splits.valid, 4), (&splits.test, 10)] {
        let examples = split.as_ref().unwrap();
        assert_eq!(examples.len(), length);
        for (text, number) in examples.texts[0].iter().zip(examples.numbers().unwrap()) {
            assert_eq!(text.unwrap(), format!("S{}", number[0] - 0.5));
            seen.push(number[0] as usize);
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}

#[test]
fn masked_sequences_need_no_labels_and_read_none() {
    let yaml =
        "class_path: MLMDataModule\ninit_args: {path: DIR/a.csv, x_col: seq, generate_uid: true}";
    let case = case(&[("a.csv", "seq,labels\nEVQL,?\nKK,\n")], yaml);
    let examples = case.load(Stage::Test).test.unwrap();
    assert_eq!(examples.texts, [["EVQL", "KK"]]);
    assert_eq!(examples.labels, None);
    assert_eq!(examples.extra[0].0, "uid");
}
