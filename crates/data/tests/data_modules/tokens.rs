//! A class for each letter or word.

use engraft_data::{Cell, Examples, Label, Labels, Stage, TokenUnit};

use crate::{Case, case};

/// Token classification on all rows of one file.
fn tokens(name: &str, text: &str, more: &str) -> Case {
    let yaml =
        format!("class_path: TokenClassificationDataModule\ninit_args: {{path: DIR/{name}{more}}}");
    case(&[(name, text)], &yaml)
}

fn labels(examples: &Option<Examples>) -> (TokenUnit, Vec<Vec<Option<Label>>>) {
    match examples.as_ref().unwrap().labels.clone().unwrap() {
        Labels::Tokens { unit, rows } => (unit, rows),
        other => panic!("{other:?}"),
    }
}

fn indices<const N: usize>(row: [u64; N]) -> Vec<Option<Label>> {
    row.map(|index| Some(Label::Index(index))).to_vec()
}

fn names<const N: usize>(row: [&str; N]) -> Vec<Option<Label>> {
    row.map(|name| Some(name.into())).to_vec()
}

#[test]
fn numbers_may_be_digits_lists_or_separated() {
    let expected = (TokenUnit::Letter, vec![indices([0, 1, 2, 0]), indices([2])]);
    for (name, text) in [
        ("a.csv", "sequences,labels\n EVQL ,0120\nK,2\n"),
        ("a.csv", "sequences,labels\nEVQL,\"[0, 1, 2, 0]\"\nK,[2]\n"),
        ("a.csv", "sequences,labels\nEVQL,\"0,1,2,0\"\nK,2\n"),
        ("a.csv", "sequences,labels\nEVQL,0 1 2 0\nK, 2 \n"),
        ("a.tsv", "labels\tsequences\n[0 1 2 0]\tEVQL\n[2]\tK\n"),
        (
            "a.jsonl",
            "{\"sequences\": \"EVQL\", \"labels\": \"0120\"}\n{\"sequences\": \"K\", \"labels\": \"2\"}\n",
        ),
        (
            "a.jsonl",
            "{\"sequences\": \"EVQL\", \"labels\": [0, 1, 2.0, \"0\"]}\n{\"sequences\": \"K\", \"labels\": [2]}\n",
        ),
    ] {
        let examples = tokens(name, text, "").load(Stage::Test).test;
        assert_eq!(labels(&examples), expected, "{text}");
        assert_eq!(examples.unwrap().texts, [["EVQL", "K"]]);
    }
}

#[test]
fn letters_and_words_are_names() {
    let expected = vec![names(["H", "H", "E", "C"]), indices([0])];
    for text in [
        "sequences,labels\nEVQL,HHEC\nK,0\n",
        "sequences,labels\nEVQL,\"['H', 'H', 'E', 'C']\"\nK,['0']\n",
        "sequences,labels\nEVQL,\"H,H, E,C\"\nK,0\n",
    ] {
        let read = labels(&tokens("a.csv", text, "").load(Stage::Test).test);
        assert_eq!(read, (TokenUnit::Letter, expected.clone()), "{text}");
    }
}

#[test]
fn white_space_in_a_text_makes_words_of_all_texts() {
    let text = "sequences,labels\nThe cat sat,DET NOUN VERB\nHello,INTJ\n";
    let read = labels(&tokens("a.csv", text, "").load(Stage::Test).test);
    let rows = vec![names(["DET", "NOUN", "VERB"]), names(["INTJ"])];
    assert_eq!(read, (TokenUnit::Word, rows));
    let spaced = "sequences,labels\nE V Q,012\n";
    let read = labels(&tokens("a.csv", spaced, "").load(Stage::Test).test);
    assert_eq!(read, (TokenUnit::Word, vec![indices([0, 1, 2])]));
}

#[test]
fn what_is_not_scored_is_nothing() {
    let some = |index: u64| Some(Label::Index(index));
    for (name, text) in [
        ("a.csv", "sequences,labels\nEVQL,\"[0, -100, null, 3]\"\n"),
        (
            "a.jsonl",
            "{\"sequences\": \"EVQL\", \"labels\": [0, -100, null, 3]}\n",
        ),
        ("a.csv", "sequences,labels\nEVQL,\"[0, -100, None, 3]\"\n"),
        ("a.csv", "sequences,labels\nEVQL,0 -100 -100 3\n"),
    ] {
        let (_, rows) = labels(&tokens(name, text, "").load(Stage::Test).test);
        assert_eq!(rows, [[some(0), None, None, some(3)]], "{text}");
    }
}

#[test]
fn lengths_that_differ_are_named() {
    let error = |rows: &str| {
        let text = format!("sequences,labels\nEVQL,0120\n{rows}\n");
        tokens("a.csv", &text, "").error(Stage::Test)
    };
    assert_eq!(
        error("EVQL,012"),
        "a.csv:3: the column \"labels\" has 3 labels for a text of 4 letters"
    );
    assert_eq!(
        error("K,00"),
        "a.csv:3: the column \"labels\" has 2 labels for a text of 1 letter"
    );
    // One row of a list makes the column one of lists, so digits are one number.
    assert_eq!(
        error("EVQL,\"0,1,2,0\""),
        "a.csv:2: the column \"labels\" has 1 label for a text of 4 letters"
    );
    let words = "sequences,labels\na b,0 1\nc,0\nd e,0\n";
    assert_eq!(
        tokens("a.csv", words, "").error(Stage::Test),
        "a.csv:4: the column \"labels\" has 1 label for a text of 2 words"
    );
}

#[test]
fn cells_that_are_no_labels_are_named() {
    let error = |label: &str| {
        let text = format!("{{\"sequences\": \"EV\", \"labels\": {label}}}\n");
        tokens("a.jsonl", &text, "").error(Stage::Test)
    };
    assert_eq!(
        error("12"),
        "a.jsonl:1: the column \"labels\" must hold a text with a letter for each label, or a list of labels, here it holds 12"
    );
    assert_eq!(
        error("[0, [1]]"),
        "a.jsonl:1: the column \"labels\" must hold single labels in its list, here it holds a list"
    );
    assert_eq!(
        error("\"0,\""),
        "a.jsonl:1: the column \"labels\" must hold labels (-100 for what is not scored), here it holds \"\""
    );
    assert_eq!(
        error("null"),
        "a.jsonl:1: the column \"labels\" has no value in this row"
    );
    assert_eq!(
        tokens("a.csv", "sequences,label\nEV,01\n", "").error(Stage::Test),
        "a.csv: no column \"labels\" (y_col); the file has \"sequences\", \"label\". Did you mean \"label\"?"
    );
}

#[test]
fn a_label_is_a_number_or_a_name_whatever_the_others_are() {
    let files = [
        ("train.csv", "sequences,labels\nEV,01\n"),
        ("valid.csv", "sequences,labels\nEV,0H\n"),
        ("test.csv", "sequences,labels\nEV,11\n"),
    ];
    let yaml = "class_path: TokenClassificationDataModule\ninit_args: {path: DIR}";
    let splits = case(&files, yaml).load(Stage::Fit);
    assert_eq!(labels(&splits.train).1, [indices([0, 1])]);
    let mixed = vec![Some(Label::Index(0)), Some("H".into())];
    assert_eq!(labels(&splits.valid).1, [mixed]);
    assert_eq!(labels(&splits.test).1, [indices([1, 1])]);
    let lists = [
        files[0],
        ("valid.csv", "sequences,labels\nEV,0 1\n"),
        files[2],
    ];
    assert_eq!(
        case(&lists, yaml).error(Stage::Fit),
        "train.csv:2: the column \"labels\" has 1 label for a text of 2 letters"
    );
}

#[test]
fn max_length_cuts_texts_labels_and_if_asked_to_extra_columns() {
    let text = "{\"sequences\": \"EVQL\", \"labels\": \"0120\", \"seq\": \"ABCD\", \"list\": [1, 2, 3, 4], \"n\": 7}\n\
                {\"sequences\": \"KK\", \"labels\": \"22\", \"seq\": \"AB\", \"list\": [1], \"n\": 8}\n";
    let more = ", max_length: 4, extra_cols: [seq, list, n], rename_cols: {seq: other}";
    let splits = tokens("a.jsonl", text, more).load(Stage::Test);
    assert_eq!(
        splits.notes,
        ["1 of 2 texts of the test split are cut to 3 letters (max_length)"]
    );
    let rows = vec![indices([0, 1, 2]), indices([2, 2])];
    assert_eq!(labels(&splits.test).1, rows);
    let examples = splits.test.unwrap();
    assert_eq!(examples.texts, [["EVQ", "KK"]]);
    assert_eq!(
        examples.extra[0],
        ("other".to_owned(), vec!["ABCD".into(), "AB".into()])
    );
    let more = format!("{more}, truncate_extra_cols: true");
    let examples = tokens("a.jsonl", text, &more)
        .load(Stage::Test)
        .test
        .unwrap();
    assert_eq!(examples.extra[0].1, ["ABC".into(), "AB".into()]);
    let list = |items: &[i64]| Cell::List(items.iter().copied().map(Cell::Integer).collect());
    assert_eq!(examples.extra[1].1, [list(&[1, 2, 3]), list(&[1])]);
    assert_eq!(examples.extra[2].1, [Cell::Integer(7), Cell::Integer(8)]);
    let words = tokens(
        "a.csv",
        "sequences,labels\nthe  cat sat,0 1 2\n",
        ", max_length: 3",
    );
    let splits = words.load(Stage::Test);
    assert_eq!(labels(&splits.test).1, [indices([0, 1])]);
    assert_eq!(splits.test.unwrap().texts, [["the  cat"]]);
}

#[test]
fn predicting_tokens_needs_no_labels() {
    let splits = tokens(
        "a.csv",
        "sequences\nEVQL\n",
        ", max_length: 3, extra_cols: null",
    )
    .load(Stage::Predict);
    let examples = splits.test.unwrap();
    assert_eq!(examples.labels, None);
    assert_eq!(examples.texts, [["EV"]]);
    let wrong = tokens("a.csv", "sequences,labels\nEVQL,0\n", "").load(Stage::Predict);
    assert_eq!(wrong.test.unwrap().labels, None);
    assert!(
        wrong.notes[0].ends_with("has 1 label for a text of 4 letters; all labels are left aside")
    );
}

#[test]
fn words_may_be_listed_however_a_file_writes_lists() {
    let words = ["New York", "", "rejects", ",", "\u{200b}"];
    let expected = indices([5, 0, 1, 0, 2]);
    for (name, text) in [
        (
            "a.jsonl",
            "{\"tokens\": [\"New York\", \"\", \"rejects\", \",\", \"\u{200b}\"], \"ner_tags\": [5, 0, 1, 0, 2]}\n",
        ),
        (
            "a.tsv",
            "tokens\tner_tags\n['New York', '', 'rejects', ',', '\\u200b']\t[5 0 1 0 2]\n",
        ),
        (
            "a.csv",
            "ner_tags,tokens\n\"[5, 0, 1, 0, 2]\",\"['New York' '' 'rejects' ','\n '\u{200b}']\"\n",
        ),
    ] {
        let case = tokens(name, text, ", x_col: tokens, y_col: ner_tags");
        let examples = case.load(Stage::Test).test;
        assert_eq!(
            labels(&examples),
            (TokenUnit::Word, vec![expected.clone()]),
            "{name}"
        );
        let texts = &examples.unwrap().texts[0];
        assert_eq!(texts.words(0).unwrap(), words);
        assert_eq!(texts.cell(0), Cell::from(words.to_vec()));
    }
    // A text in brackets that is no list of texts is a text.
    let case = tokens("a.csv", "sequences,labels\n[CLS] a [SEP],0 1 2\n", "");
    assert_eq!(
        case.load(Stage::Test).test.unwrap().texts,
        [["[CLS] a [SEP]"]]
    );
}

#[test]
fn listed_words_are_counted_cut_and_refused_like_others() {
    let error = |row: &str| {
        let text = format!("{{\"tokens\": [\"a\"], \"ner_tags\": [0]}}\n{row}\n");
        let more = ", x_col: tokens, y_col: ner_tags";
        tokens("a.jsonl", &text, more).error(Stage::Test)
    };
    assert_eq!(
        error("{\"tokens\": [\"New York\", \"x\"], \"ner_tags\": [1, 2, 3]}"),
        "a.jsonl:2: the column \"ner_tags\" has 3 labels for a text of 2 words"
    );
    assert_eq!(
        error("{\"tokens\": [\"a\", null], \"ner_tags\": [1, 2]}"),
        "a.jsonl:2: the column \"tokens\" must hold text or a number, here it holds a list with entries that are no texts"
    );
    let cut = tokens(
        "a.jsonl",
        "{\"tokens\": [\"New York\", \"x\", \"y\"], \"ner_tags\": [1, 2, 3]}\n{\"tokens\": [], \"ner_tags\": []}\n",
        ", x_col: tokens, y_col: ner_tags, max_length: 3",
    );
    let splits = cut.load(Stage::Test);
    assert_eq!(labels(&splits.test).1, [indices([1, 2]), vec![]]);
    let texts = &splits.test.unwrap().texts[0];
    assert_eq!(texts.words(0).unwrap(), ["New York", "x"]);
    let yaml = "class_path: SequencesDataModule\ninit_args: {path: DIR/a.jsonl, x_col: tokens}";
    assert_eq!(
        case(&[("a.jsonl", "{\"tokens\": [\"a\"]}\n")], yaml).error(Stage::Predict),
        "a.jsonl:1: the column \"tokens\" must hold text or a number, here it holds a list, which TokenClassificationDataModule reads as words and extra_cols carries along"
    );
}
