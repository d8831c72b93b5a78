//! Pairs of texts: one that is read, one to be written.

use engraft_data::{Examples, Stage};

use crate::{Case, case, ids, module};

/// Pairs of all rows of one file.
fn pairs(name: &str, text: &str, more: &str) -> Case {
    let yaml = format!("class_path: Seq2SeqDataModule\ninit_args: {{path: DIR/{name}{more}}}");
    case(&[(name, text)], &yaml)
}

/// The texts that are read, and those to be written.
fn both(examples: &Option<Examples>) -> Vec<[String; 2]> {
    let examples = examples.as_ref().unwrap();
    let written = examples.texts_to_write().unwrap();
    let rows = examples.texts[0].iter().zip(written.iter());
    rows.map(|(read, written)| [read, written].map(|text| text.unwrap().into_owned()))
        .collect()
}

#[test]
fn pairs_come_from_every_format_with_two_columns() {
    let expected = [["a cat", "ə kˈæt"], ["12", "twelve, it is"]];
    for (name, text) in [
        ("a.tsv", "text\tlabels\na cat\tə kˈæt\n12\ttwelve, it is\n"),
        ("a.csv", "labels,text\nə kˈæt,a cat\n\"twelve, it is\",12\n"),
        (
            "a.jsonl",
            "{\"text\": \"a cat\", \"labels\": \"ə kˈæt\"}\n{\"text\": 12, \"labels\": \"twelve, it is\"}\n",
        ),
        (
            "a.json",
            "[{\"text\": \"a cat\", \"labels\": \"ə kˈæt\"}, {\"text\": 12, \"labels\": \"twelve, it is\"}]",
        ),
    ] {
        for stage in [Stage::Test, Stage::Predict] {
            let splits = pairs(name, text, "").load(stage);
            assert_eq!(both(&splits.test), expected, "{name}");
            assert_eq!(splits.notes, Vec::<String>::new());
        }
    }
    let fasta = pairs(
        "a.fasta",
        ">p1|DDPV\nMKTA\n",
        ", y_col: states, extra_reader_kwargs: {sep: '|', names: [id, states]}",
    );
    let splits = fasta.load(Stage::Test);
    assert_eq!(both(&splits.test), [["MKTA", "DDPV"]]);
    assert_eq!(splits.test.unwrap().ids.unwrap(), ["p1"]);
}

#[test]
fn pairs_keep_together_in_splits_folds_and_filters() {
    let rows: String = (0..40).map(|row| format!("r{row}\tw{row}\n")).collect();
    let text = format!("text\tlabels\n{rows}");
    let check = |examples: &Option<Examples>| {
        let ids = ids(examples);
        let expected = ids.iter().map(|id| [format!("r{id}"), format!("w{id}")]);
        assert_eq!(both(examples), expected.collect::<Vec<_>>());
        ids
    };
    let splits = pairs(
        "a.tsv",
        &text,
        ", valid_split_size: 5, test_split_size: 0.25",
    )
    .load(Stage::Fit);
    let mut all = [&splits.train, &splits.valid, &splits.test]
        .map(check)
        .concat();
    assert_eq!(splits.valid.unwrap().len(), 5);
    assert_eq!(splits.test.unwrap().len(), 10);
    all.sort_unstable();
    assert_eq!(all, (0..40).collect::<Vec<_>>());
    let folds = pairs(
        "a.tsv",
        &text,
        ", cv_num_folds: 4, cv_test_fold_id: 1, cv_enable_val_fold: false",
    );
    let splits = folds.load(Stage::Fit);
    assert_eq!(
        [&splits.train, &splits.test].map(|it| check(it).len()),
        [30, 10]
    );
}

#[test]
fn a_pair_without_its_second_text_is_refused_by_file_row_and_column() {
    for (name, text) in [
        ("a.tsv", "text\tlabels\na\tA\nb\t\nc\tC\n"),
        ("a.tsv", "text\tlabels\na\tA\nb\t  \nc\tC\n"),
        ("a.csv", "text,labels\na,A\nb,\nc,C\n"),
    ] {
        let refuse = pairs(name, text, "");
        let problem = "the column \"labels\" has no value in this row";
        for stage in [Stage::Fit, Stage::Validate, Stage::Test] {
            assert_eq!(refuse.error(stage), format!("{name}:3: {problem}"));
        }
        let splits = pairs(name, text, ", on_bad_row: skip").load(Stage::Test);
        assert_eq!(both(&splits.test), [["a", "A"], ["c", "C"]]);
        assert_eq!(
            (
                splits.skipped[0].origin.line,
                splits.skipped[0].problem.as_str()
            ),
            (3, problem)
        );
        // Predicting does without.
        let splits = refuse.load(Stage::Predict);
        let examples = splits.test.unwrap();
        assert_eq!((examples.len(), examples.labels), (3, None));
        assert!(
            splits.notes[0].ends_with("all labels are left aside"),
            "{:?}",
            splits.notes
        );
    }
    assert_eq!(
        pairs(
            "a.jsonl",
            "{\"text\": \"a\", \"labels\": \"A\"}\n{\"text\": \"b\"}\n",
            ""
        )
        .error(Stage::Test),
        "a.jsonl:2: the column \"labels\" has no value in this row"
    );
    assert_eq!(
        pairs("a.jsonl", "{\"text\": \"a\", \"labels\": {\"A\": 1}}\n", "").error(Stage::Test),
        "a.jsonl:1: the column \"labels\" must hold text or a number, here it holds an object"
    );
    let without = pairs("a.tsv", "text\tlabel\na\tA\nb\tB\n", "");
    assert_eq!(
        without.error(Stage::Test),
        "a.tsv: no column \"labels\" (y_col); the file has \"text\", \"label\". Did you mean \"label\"?"
    );
    let splits = without.load(Stage::Predict);
    assert_eq!(splits.test.unwrap().labels, None);
    assert_eq!(splits.notes, Vec::<String>::new());
}

#[test]
fn many_long_texts_of_both_columns_are_the_same_as_few() {
    // More than is held in memory, so that they lie in a temporary file.
    let long = |row: usize, letter: &str| format!("{row}{}", letter.repeat(3 << 20));
    let rows: String = (0..8)
        .map(|row| format!("{}\t{}\n", long(row, "a"), long(row, "b")))
        .collect();
    let case = pairs("a.tsv", &format!("text\tlabels\n{rows}"), "");
    let test = case.load(Stage::Test).test.unwrap();
    let chosen = test.select(&[7, 2]);
    let written = chosen.texts_to_write().unwrap();
    assert_eq!(written.bytes(0), 1 + (3 << 20));
    assert!(written.get(0).unwrap() == long(7, "b") && written.get(1).unwrap() == long(2, "b"));
    assert!(chosen.texts[0].get(1).unwrap() == long(2, "a"));
}

#[test]
fn one_column_is_read_and_another_is_written() {
    for (arguments, message) in [
        (
            "x_col: [a, b]",
            "x_col: give one column, that of the texts that are read",
        ),
        (
            "y_col: []",
            "y_col: give one column, that of the texts to be written",
        ),
        (
            "y_col: [a, b]",
            "y_col: give one column, that of the texts to be written",
        ),
        (
            "y_col: text",
            "y_col: \"text\" is the column that is read (x_col); name that of the texts to be written",
        ),
    ] {
        let yaml = format!(
            "class_path: Seq2SeqDataModule\ninit_args: {{path: no/such/file, {arguments}}}"
        );
        let error = module(&yaml).0.load(Stage::Fit).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let (module, _) = module("class_path: Seq2SeqDataModule\ninit_args: {path: d}");
    assert_eq!(
        (module.text_names(), module.label_names()),
        (vec!["text"], &["labels".to_owned()][..])
    );
    assert!(module.is_labelled() && !module.normalizes() && module.hiding().is_none());
}
