//! Which rows are in which split.

use engraft_data::{Cell, Label, Stage};

use crate::{CLASSIFY, case, ids, table};

#[test]
fn fit_divides_one_file_and_other_stages_take_all_of_it() {
    let case = case(
        &[("a.tsv", &table(50))],
        &CLASSIFY.replace("DIR", "DIR/a.tsv"),
    );
    let splits = case.load(Stage::Fit);
    assert_eq!(splits.notes.len(), 2, "{:?}", splits.notes);
    let (train, valid, test) = (ids(&splits.train), ids(&splits.valid), ids(&splits.test));
    assert_eq!((train.len(), valid.len(), test.len()), (36, 4, 10));
    let mut all = [train, valid, test].concat();
    all.sort_unstable();
    assert_eq!(all, (0..50).collect::<Vec<_>>());
    let examples = splits.test.unwrap();
    let row: usize = examples.ids.as_ref().unwrap()[0].parse().unwrap();
    assert_eq!(examples.texts[0].get(0).unwrap(), format!("S{row}"));
    assert_eq!(examples.classes().unwrap()[0], Label::Index(row as u64 % 3));
    assert_eq!(examples.origins[0].line, row as u64 + 2);

    assert_eq!(ids(&case.load(Stage::Validate).valid).len(), 50);
    assert_eq!(ids(&case.load(Stage::Test).test).len(), 50);
    let predicted = case.load(Stage::Predict);
    assert_eq!(ids(&predicted.test), (0..50).collect::<Vec<_>>());
    assert_eq!((predicted.train, predicted.valid), (None, None));
}

#[test]
fn a_held_out_split_is_the_same_in_every_stage() {
    let case = case(&[("train.tsv", &table(40))], CLASSIFY);
    let fit = case.load(Stage::Fit);
    assert_eq!(
        (
            ids(&fit.train).len(),
            ids(&fit.valid).len(),
            ids(&fit.test).len()
        ),
        (28, 4, 8)
    );
    assert_eq!(case.load(Stage::Validate).valid, fit.valid);
    assert_eq!(case.load(Stage::Test).test, fit.test);
    assert_eq!(ids(&case.load(Stage::Predict).test), ids(&fit.test));
}

#[test]
fn split_files_are_taken_as_they_are() {
    let files = [
        ("train.tsv", table(9)),
        ("dev.tsv", table(3)),
        ("test.tsv", table(4)),
    ];
    let case = case(
        &files.each_ref().map(|(name, text)| (*name, text.as_str())),
        CLASSIFY,
    );
    let fit = case.load(Stage::Fit);
    assert_eq!(
        (
            ids(&fit.train).len(),
            ids(&fit.valid).len(),
            ids(&fit.test).len()
        ),
        (9, 3, 4)
    );
    let [dev, valid, test] = fit.notes.as_slice() else {
        panic!("{:?}", fit.notes);
    };
    assert!(
        dev.starts_with("valid_split_name is null, so dev.tsv "),
        "{dev}"
    );
    // The files begin with the same rows.
    assert!(
        valid.starts_with("3 of 3 rows of the validation split stand in the training split too"),
        "{valid}"
    );
    assert!(
        test.starts_with("4 of 4 rows of the test split stand in the training split too"),
        "{test}"
    );
    let tested = case.load(Stage::Test);
    assert_eq!(tested.test, fit.test);
    assert_eq!(&tested.notes, std::slice::from_ref(test));
}

#[test]
fn several_files_make_one_split() {
    let lists = "class_path: SequenceClassificationDataModule\n\
        init_args: {path: DIR, train_split_files: 'p*.csv', test_split_size: 0, valid_split_size: 0}";
    let reordered = [
        ("p1.csv", "sequences,labels\nA,0\n"),
        ("p2.csv", "labels,sequences\n1,B\n"),
    ];
    let train = case(&reordered, lists).load(Stage::Fit).train.unwrap();
    assert_eq!(train.texts, [["A", "B"]]);
    assert!(train.origins[1].to_string().ends_with("p2.csv:2"));
    let lacking = [reordered[0], ("p2.csv", "sequences,label\nB,1\n")];
    assert_eq!(
        case(&lacking, lists).error(Stage::Fit),
        "p2.csv:2: the column \"labels\" has no value in this row"
    );
    let adding = [
        ("p1.csv", "labels,sequences,note\n0,A,x\n"),
        reordered[1],
        ("p3.csv", "sequences,labels,more\nC,0,y\n"),
    ];
    let extra = lists.replace("path: DIR,", "path: DIR, extra_cols: [note, more],");
    let train = case(&adding, &extra).load(Stage::Fit).train.unwrap();
    assert_eq!(train.extra[0].1, ["x".into(), Cell::Missing, Cell::Missing]);
    assert_eq!(train.extra[1].1, [Cell::Missing, Cell::Missing, "y".into()]);
}

#[test]
fn a_split_that_is_nowhere_is_an_error() {
    let none = case(&[("a.tsv", &table(5)), ("b.tsv", &table(5))], CLASSIFY);
    assert_eq!(
        none.error(Stage::Fit),
        "DIR: no training split (name its file with train_split_name, or give one file as path); \
         there is \"a.tsv\", \"b.tsv\""
    );
    assert!(
        none.error(Stage::Predict)
            .contains("no test split, nor a training split to hold it out of")
    );
    let off =
        "class_path: SequenceClassificationDataModule\ninit_args: {path: DIR, valid_split_size: 0}";
    let off = case(&[("train.tsv", &table(20))], off);
    assert_eq!(off.load(Stage::Fit).valid, None);
    assert_eq!(
        off.error(Stage::Validate),
        "DIR: there is no valid split, and valid_split_size is 0, so none is held out"
    );
}
