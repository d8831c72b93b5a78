//! Cross-validation: which rows are in which fold, and which fold serves for what.

use engraft_data::Stage;

use crate::{Case, case, classify, ids, table};

/// All rows of `a.tsv`, with these arguments.
fn folded(text: &str, arguments: &str) -> Case {
    let yaml = classify("a.tsv").replace('}', &format!(", {arguments}}}"));
    case(&[("a.tsv", text)], &yaml)
}

/// A table with the fold of each row beside it.
fn with_folds(folds: &[&str]) -> String {
    let rows = folds.iter().enumerate();
    let rows = rows.map(|(row, fold)| format!("S{row}\t{}\t{fold}\n", row % 3));
    format!("sequences\tlabels\tfold\n{}", rows.collect::<String>())
}

#[test]
fn test_folds_are_disjoint_and_cover_all_rows_and_the_next_one_validates() {
    for (offset, next) in [("1", 1), ("2", 2), ("-1", 3), ("-3", 1), ("5", 1)] {
        let case = folded(
            &table(43),
            &format!("cv_num_folds: 4, cv_val_offset: {offset}"),
        );
        let folds = case.module.load_folds().unwrap();
        assert_eq!(folds.sizes(), [11, 11, 11, 10]);
        let splits: Vec<_> = (0..4).map(|fold| folds.splits(fold).unwrap()).collect();
        let mut tested: Vec<usize> = splits.iter().flat_map(|it| ids(&it.test)).collect();
        tested.sort_unstable();
        assert_eq!(tested, (0..43).collect::<Vec<_>>());
        for (fold, of) in splits.iter().enumerate() {
            assert_eq!(ids(&of.valid), ids(&splits[(fold + next) % 4].test));
            let train = ids(&of.train);
            assert!(train.is_sorted());
            let mut all = [train, ids(&of.valid), ids(&of.test)].concat();
            all.sort_unstable();
            assert_eq!(all, (0..43).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_fold_alone_has_the_rows_that_it_has_among_all() {
    let all = folded(&table(30), "cv_num_folds: 5, random_seed: 7");
    let all = all.module.load_folds().unwrap();
    let alone = folded(
        &table(30),
        "cv_num_folds: 5, random_seed: 7, cv_test_fold_id: 3",
    );
    let fit = alone.load(Stage::Fit);
    let expected = all.splits(3).unwrap();
    assert_eq!(ids(&fit.train), ids(&expected.train));
    assert_eq!(ids(&fit.valid), ids(&expected.valid));
    assert_eq!(ids(&fit.test), ids(&expected.test));
    assert_eq!(fit.notes.len(), 1, "{:?}", fit.notes);
    assert!(
        fit.notes[0]
            .ends_with("a.tsv: 30 rows in 5 folds, by seed 7; fold 3 tests, fold 4 validates"),
        "{:?}",
        fit.notes
    );
    let tested = alone.load(Stage::Test);
    assert_eq!((&tested.train, &tested.valid), (&None, &None));
    assert_eq!(tested.test, fit.test);
    assert!(tested.notes[0].contains("taken are the 6 of fold 3"));
    assert_eq!(alone.load(Stage::Predict).test, fit.test);
    let validated = alone.load(Stage::Validate);
    assert_eq!((&validated.train, &validated.test), (&None, &None));
    assert_eq!(validated.valid, fit.valid);
}

#[test]
fn without_a_validation_fold_all_other_rows_train() {
    let off = folded(
        &table(9),
        "cv_num_folds: 3, cv_test_fold_id: 0, cv_enable_val_fold: false",
    );
    let fit = off.load(Stage::Fit);
    assert_eq!((ids(&fit.train).len(), &fit.valid), (6, &None));
    assert_eq!(
        off.error(Stage::Validate),
        "cv_enable_val_fold: is false, so there are no rows to validate on; use test"
    );
    let replaced = folded(
        &table(9),
        "cv_num_folds: 3, cv_test_fold_id: 0, cv_enable_val_fold: false, cv_replace_val_fold_as_test_fold: true",
    );
    let fit = replaced.load(Stage::Fit);
    assert_eq!((ids(&fit.train).len(), &fit.valid), (6, &fit.test));
}

#[test]
fn a_column_may_say_which_fold_each_row_is_of() {
    let text = with_folds(&["2", "0", "1.0", "0", "2", " 1 "]);
    let case = folded(
        &text,
        "cv_num_folds: 3, cv_fold_id_col: fold, cv_test_fold_id: 0",
    );
    let fit = case.load(Stage::Fit);
    assert_eq!(ids(&fit.test), [1, 3]);
    assert_eq!(ids(&fit.valid), [2, 5]);
    assert_eq!(ids(&fit.train), [0, 4]);
    assert!(fit.notes[0].contains("6 rows in 3 folds, by the column \"fold\""));
}

#[test]
fn a_column_of_other_folds_than_there_are_is_refused() {
    let error = |folds: &[&str], arguments: &str| {
        let arguments = format!("cv_num_folds: 3, cv_test_fold_id: 0, {arguments}");
        folded(&with_folds(folds), &arguments).error(Stage::Fit)
    };
    let named = "cv_fold_id_col: fold";
    let all = "cv_fold_id_col: the column \"fold\" must hold each of the folds 0 to 2 and no other, as cv_num_folds is 3, but ";
    assert_eq!(
        error(&["1", "2", "3", "1"], named),
        format!("{all}no row is of fold 0, and there is fold 3 (first at a.tsv:4)")
    );
    assert_eq!(
        error(&["0", "1", "0"], named),
        format!("{all}no row is of fold 2")
    );
    assert_eq!(
        error(&["0", "1", "2", "9", "7"], named),
        format!("{all}there is fold 7 (first at a.tsv:6), 9 (first at a.tsv:5)")
    );
    assert_eq!(
        error(&["0", "one", "2"], named),
        "a.tsv:3: the column \"fold\" must hold a fold, a whole number from 0, here it holds \"one\""
    );
    assert_eq!(
        error(&["0", "-1", "2"], named),
        "a.tsv:3: the column \"fold\" must hold a fold, a whole number from 0, here it holds \"-1\""
    );
    assert_eq!(
        error(&["0", "", "2"], named),
        "a.tsv:3: the column \"fold\" has no value in this row"
    );
    assert_eq!(
        error(&["0", "1", "2"], "cv_fold_id_col: folds"),
        "a.tsv: no column \"folds\" (cv_fold_id_col); the file has \"sequences\", \"labels\", \"fold\". Did you mean \"fold\"?"
    );
    assert_eq!(
        error(&["0", "1"], named),
        "cv_num_folds: 3 folds of 2 rows would leave folds without rows"
    );
}

#[test]
fn of_a_folder_only_the_training_split_is_divided() {
    let (train, other) = (table(10), table(4));
    let files = [
        ("train.tsv", &*train),
        ("valid.tsv", &*other),
        ("test.tsv", &*other),
    ];
    let yaml = crate::CLASSIFY.replace('}', ", cv_num_folds: 5, cv_test_fold_id: 1}");
    let fit = case(&files, &yaml).load(Stage::Fit);
    let sizes = [&fit.train, &fit.valid, &fit.test].map(|split| ids(split).len());
    assert_eq!(sizes, [6, 2, 2]);
    assert!(
        fit.notes[0].ends_with(
            "the folds are of the training split; the validation and the test split is left aside"
        ),
        "{:?}",
        fit.notes
    );
}

#[test]
fn a_class_filter_acts_on_every_fold() {
    let case = folded(&table(30), "cv_num_folds: 3, class_filter: [0, 2]");
    let folds = case.module.load_folds().unwrap();
    let mut kept: Vec<usize> = (0..3)
        .flat_map(|fold| ids(&folds.splits(fold).unwrap().test))
        .collect();
    kept.sort_unstable();
    let expected: Vec<usize> = (0..30).filter(|row| row % 3 != 1).collect();
    assert_eq!(kept, expected);
}

#[test]
fn what_is_without_effect_is_said() {
    let off = folded(&table(20), "cv_fold_id_col: fold");
    assert_eq!(
        off.load(Stage::Fit).notes[0],
        "cv_fold_id_col: \"fold\" is not looked at, as cv_num_folds is 1"
    );
}
