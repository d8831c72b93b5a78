//! Which pairs of letters belong together.

use engraft_data::{Labels, PairRow, Splits, Stage};

use crate::{Case, case};

/// Token classification of pairs on all rows of one file.
fn pairs(name: &str, text: &str, more: &str) -> Case {
    let yaml = format!(
        "class_path: TokenClassificationDataModule\ninit_args: {{path: DIR/{name}, pairwise: true{more}}}"
    );
    case(&[(name, text)], &yaml)
}

fn rows(splits: &Splits) -> Vec<PairRow> {
    match splits.test.as_ref().unwrap().labels.clone().unwrap() {
        Labels::Pairs { rows, .. } => rows,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_matrix_a_list_of_pairs_and_brackets_say_the_same() {
    let expected = [
        PairRow::new(5, [[0, 4], [1, 3]]).unwrap(),
        PairRow::new(2, []).unwrap(),
    ];
    let matrix = "[[0,0,0,0,1],[0,0,0,1,0],[0,0,0,0,0],[0,1,0,0,0],[1,0,0,0,0]]";
    for (name, text) in [
        (
            "a.tsv",
            format!("sequences\tlabels\nGACUC\t{matrix}\nAC\t[[0, 0], [0, 0]]\n"),
        ),
        (
            "a.tsv",
            "sequences\tlabels\nGACUC\t[[4, 0], [1, 3]]\nAC\t[]\n".to_owned(),
        ),
        (
            "a.csv",
            "sequences,labels\n GACUC ,((.))\nAC,..\n".to_owned(),
        ),
        ("a.csv", "sequences,labels\nGACUC,([.])\nAC,-.\n".to_owned()),
        (
            "a.jsonl",
            format!(
                "{{\"sequences\": \"GACUC\", \"labels\": {}}}\n{{\"sequences\": \"AC\", \"labels\": [[false, false], [false, false]]}}\n",
                matrix.replace('1', "true").replace('0', "false")
            ),
        ),
    ] {
        assert_eq!(
            rows(&pairs(name, &text, "").load(Stage::Test)),
            expected,
            "{text}"
        );
    }
}

#[test]
fn pseudoknots_and_pairs_that_are_not_scored_are_kept() {
    let knot = pairs("a.csv", "sequences,labels\nGACUCA,([.)].\n", "").load(Stage::Test);
    assert_eq!(rows(&knot)[0].together(), [[0, 3], [1, 4]]);
    let text = "{\"sequences\": \"GAC\", \"labels\": [[-100, 0, null], [0, 1, 0], [null, 0, 0]]}\n";
    let found = &rows(&pairs("a.jsonl", text, "").load(Stage::Test))[0];
    assert_eq!(found.together(), [[1, 1]]);
    assert_eq!(found.unscored(), [[0, 0], [0, 2]]);
}

#[test]
fn max_length_cuts_pairs_with_their_sequences() {
    let text = "sequences,labels\nGACUC,(().)\n";
    let splits = pairs("a.csv", text, ", max_length: 5").load(Stage::Test);
    assert_eq!(rows(&splits), [PairRow::new(4, [[1, 2]]).unwrap()]);
    assert_eq!(
        splits.notes,
        ["1 of 1 texts of the test split are cut to 4 letters (max_length)"]
    );
}

#[test]
fn what_is_no_matrix_no_pairs_and_no_structure_of_its_sequence_is_refused() {
    for (labels, message) in [
        (
            "[[0,0,1],[0,0,0],[1,0,0]]",
            "holds a matrix of 3 x 3 for a text of 4 letters",
        ),
        (
            "[[0,0,0,0],[0,0,0],[0,0,0,0],[0,0,0,0]]",
            "holds a matrix whose row 1 has 3 entries and row 0 has 4, for a text of 4 letters",
        ),
        (
            "[[0,0,1,0],[0,0,0,0],[0,0,0,0],[0,0,0,0]]",
            "holds a matrix that is not symmetric: 1 at [0, 2], 0 at [2, 0], counted from 0",
        ),
        (
            "[[0, 3], [2, 4]]",
            "holds the pair [2, 4], which is outside a text of 4 letters, counted from 0",
        ),
        (
            "[[0, -1]]",
            "must hold whole numbers from 0 in its pairs, here it holds -1",
        ),
        (
            "[0, 1]",
            "must hold a matrix, a list of pairs, or a structure in brackets, here it holds \"[0, 1]\"",
        ),
        (
            "((.)",
            "has brackets that do not match: \"(\" at place 1 is not closed, for a text of 4 letters",
        ),
        (
            ".).(",
            "has brackets that do not match: \")\" at place 2 closes none, for a text of 4 letters",
        ),
        (
            "(.)",
            "has a structure of 3 characters, for a text of 4 letters",
        ),
        (
            "(x.)",
            "has brackets that do not match: \"x\" at place 2 closes none, for a text of 4 letters",
        ),
    ] {
        let text = format!("sequences\tlabels\nAC\t..\nACGU\t{labels}\n");
        let error = pairs("a.tsv", &text, "").error(Stage::Test);
        assert_eq!(error, format!("a.tsv:3: the column \"labels\" {message}"));
    }
    let missing = pairs("a.tsv", "sequences\tlabels\nAC\t\n", "").error(Stage::Test);
    assert_eq!(
        missing,
        "a.tsv:2: the column \"labels\" has no value in this row"
    );
}

#[test]
fn rows_whose_pairs_cannot_be_read_are_skipped_if_asked_to() {
    let text = "sequences,labels\nAC,..\nACGU,(..)\nACGU,(...\nAA,..\n";
    let splits = pairs("a.csv", text, ", on_bad_row: skip").load(Stage::Test);
    assert_eq!(rows(&splits).len(), 3);
    assert_eq!(splits.skipped.len(), 1);
}
