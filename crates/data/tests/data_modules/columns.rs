//! What columns are read as.

use engraft_data::{Cell, Label, Stage};

use crate::{CLASSIFY, case, ids, labels, table};

#[test]
fn a_label_is_a_number_or_a_name_whatever_the_others_are() {
    let numbers = case(
        &[
            ("train.csv", "sequences,labels\nA,0\nB,02\n"),
            ("test.csv", "sequences,labels\nC,1.0\n"),
        ],
        CLASSIFY,
    );
    let yaml =
        "class_path: SequenceClassificationDataModule\ninit_args: {path: DIR, valid_split_size: 0}";
    let names = case(
        &[
            ("train.csv", "sequences,labels\nA,0\nB,02\n"),
            ("test.csv", "sequences,labels\nC,acq\n"),
        ],
        yaml,
    );
    assert_eq!(labels(&numbers.load(Stage::Test).test), [Label::Index(1)]);
    assert_eq!(
        labels(&names.load(Stage::Fit).train),
        [Label::Index(0), "02".into()]
    );
    assert_eq!(labels(&names.load(Stage::Fit).test), ["acq".into()]);
}

#[test]
fn a_missing_column_lists_those_of_the_file() {
    let label = case(
        &[("a.csv", "sequences,label\nA,0\n")],
        &CLASSIFY.replace("DIR", "DIR/a.csv"),
    );
    assert_eq!(
        label.error(Stage::Test),
        "a.csv: no column \"labels\" (y_col); the file has \"sequences\", \"label\". Did you mean \"label\"?"
    );
    assert_eq!(label.load(Stage::Predict).test.unwrap().labels, None);
    let text = case(
        &[("a.csv", "seq,labels\nA,0\n")],
        &CLASSIFY.replace("DIR", "DIR/a.csv"),
    );
    assert!(
        text.error(Stage::Predict)
            .starts_with("a.csv: no column \"sequences\" (x_col)")
    );
}

#[test]
fn a_row_without_label_is_named_and_predicting_does_without() {
    let case = case(
        &[("a.csv", "sequences,labels\nA,0\nB, \n")],
        &CLASSIFY.replace("DIR", "DIR/a.csv"),
    );
    assert_eq!(
        case.error(Stage::Test),
        "a.csv:3: the column \"labels\" has no value in this row"
    );
    let predicted = case.load(Stage::Predict);
    assert_eq!(predicted.test.unwrap().labels, None);
    assert!(
        predicted.notes[0].ends_with("no value in this row; all labels are left aside"),
        "{:?}",
        predicted.notes
    );
}

#[test]
fn ids_are_verbatim_or_row_numbers() {
    let yaml = "class_path: SequencesDataModule\ninit_args: {path: DIR/a.csv, x_col: text}";
    let given = case(&[("a.csv", "id,text\n007,A\nx y,\n")], yaml)
        .load(Stage::Predict)
        .test
        .unwrap();
    assert_eq!(given.ids.unwrap(), ["007", "x y"]);
    assert_eq!(given.texts, [["A", ""]]);
    let counted = case(&[("a.csv", "text\nA\nB\n")], yaml)
        .load(Stage::Predict)
        .test
        .unwrap();
    assert_eq!(counted.ids.unwrap(), ["0", "1"]);
    let named = yaml.replace("x_col: text", "x_col: text, id_col: name");
    assert_eq!(
        case(&[("a.csv", "names,text\n1,A\n")], &named).error(Stage::Predict),
        "a.csv: no column \"name\" (id_col); the file has \"names\", \"text\". Did you mean \"names\"?"
    );
}

#[test]
fn json_numbers_are_text_and_lists_are_not() {
    let yaml = "class_path: SequencesDataModule\ninit_args: {path: DIR/a.jsonl, x_col: text}";
    let numbers = case(
        &[(
            "a.jsonl",
            "{\"text\": 12, \"id\": 5}\n{\"text\": 1.5, \"id\": \"b\"}\n",
        )],
        yaml,
    );
    let numbers = numbers.load(Stage::Predict).test.unwrap();
    assert_eq!(numbers.texts, [["12", "1.5"]]);
    assert_eq!(numbers.ids.unwrap(), ["5", "b"]);
    let list = case(&[("a.jsonl", "{\"text\": \"a\"}\n{\"text\": [1]}\n")], yaml);
    assert_eq!(
        list.error(Stage::Predict),
        "a.jsonl:2: the column \"text\" must hold text or a number, here it holds a list, which TokenClassificationDataModule reads as words and extra_cols carries along"
    );
    let missing = case(&[("a.jsonl", "{\"text\": \"a\"}\n{\"txt\": 1}\n")], yaml);
    assert_eq!(
        missing.error(Stage::Predict),
        "a.jsonl:2: the column \"text\" has no value in this row"
    );
}

#[test]
fn pairs_extra_columns_and_row_numbers_travel_along() {
    let yaml = "class_path: ClassificationDataModule\n\
        init_args: {path: DIR/a.jsonl, x_col: [q, a], y_col: y, extra_cols: [source], generate_uid: true}";
    let rows = "{\"q\": \"Q\", \"a\": \"A\", \"y\": 1, \"source\": [1]}\n{\"q\": \"R\", \"a\": \"B\", \"y\": 0}\n";
    let case = case(&[("a.jsonl", rows)], yaml);
    let examples = case.load(Stage::Test).test.unwrap();
    assert_eq!(examples.texts, [["Q", "R"], ["A", "B"]]);
    assert_eq!(
        examples.extra,
        [
            (
                "source".to_owned(),
                vec![Cell::List(vec![Cell::Integer(1)]), Cell::Missing]
            ),
            ("uid".to_owned(), vec![Cell::Integer(0), Cell::Integer(1)]),
        ]
    );
}

#[test]
fn renaming_offers_a_column_under_another_name() {
    let file = [("a.csv", "seq,labels\nA,0\n")];
    let init = "class_path: SequenceClassificationDataModule\ninit_args: {path: DIR/a.csv, X rename_cols: {seq: sequences}}";
    for x_col in ["x_col: seq,", ""] {
        let case = case(&file, &init.replace("X", x_col));
        assert_eq!(case.module.text_names(), ["sequences"]);
        assert_eq!(case.load(Stage::Test).test.unwrap().texts, [["A"]]);
    }
    let wrong = case(
        &file,
        &init
            .replace("X", "x_col: seq,")
            .replace("{seq: sequences}", "{sq: sequences}"),
    );
    assert_eq!(
        wrong.error(Stage::Test),
        "rename_cols: \"sq\" is no text column (x_col is \"seq\"). Did you mean \"seq\"?"
    );
}

#[test]
fn class_filter_keeps_rows_of_its_classes() {
    let filtered = |filter: &str| {
        let init = format!("{{path: DIR/a.tsv, class_filter: {filter}}}");
        case(
            &[("a.tsv", &table(9))],
            &format!("class_path: SequenceClassificationDataModule\ninit_args: {init}"),
        )
    };
    assert_eq!(ids(&filtered("1").load(Stage::Test).test), [1, 4, 7]);
    assert_eq!(
        ids(&filtered("[0, 2]").load(Stage::Predict).test),
        [0, 2, 3, 5, 6, 8]
    );
    assert_eq!(
        filtered("7").error(Stage::Test),
        "a.tsv: class_filter (\"7\") leaves no row in the test split"
    );
    let unlabelled = case(
        &[("a.tsv", "sequences\nA\n")],
        "class_path: SequenceClassificationDataModule\ninit_args: {path: DIR/a.tsv, class_filter: 1}",
    );
    assert_eq!(
        unlabelled.load(Stage::Predict).notes,
        ["class_filter is not applied to the test split, which has no labels"]
    );
}
