//! Modules that only serve predicting: chosen columns, and the mutants of sequences.

use engraft_data::{Cell, Stage};

use crate::case;

const TABLE: &str = "name\tseq\tfamily\tlength\nx1\tACG\tf\t3\nx2\tTT\tg\t2\n";

fn retrieval(arguments: &str) -> crate::Case {
    let yaml = format!(
        "class_path: modelgenerator.data.ColumnRetrievalDataModule\ninit_args: {{path: DIR/a.tsv, {arguments}}}"
    );
    case(&[("a.tsv", TABLE)], &yaml)
}

#[test]
fn retrieved_columns_come_under_their_new_names_and_the_text_is_one_of_them() {
    let case = retrieval("in_cols: [family, seq, name], out_cols: [kind, sequences, ids]");
    assert_eq!(case.module.text_names(), ["sequences"]);
    let examples = case.load(Stage::Predict).test.unwrap();
    assert_eq!(examples.texts, [["ACG", "TT"]]);
    assert_eq!(examples.ids.as_deref().unwrap(), ["x1", "x2"]);
    let names: Vec<&str> = examples.extra.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["kind", "sequences"]);
    assert_eq!(examples.extra[0].1, ["f".into(), "g".into()]);
}

#[test]
fn without_names_the_first_retrieved_column_is_the_text() {
    let case = retrieval("in_cols: [seq, length]");
    assert_eq!(case.module.text_names(), ["seq"]);
    let examples = case.load(Stage::Predict).test.unwrap();
    assert_eq!(examples.texts, [["ACG", "TT"]]);
    assert_eq!(examples.ids.as_deref().unwrap(), ["0", "1"]);
    assert_eq!(
        examples.extra[1],
        ("length".to_owned(), vec!["3".into(), "2".into()])
    );
}

#[test]
fn columns_to_retrieve_are_checked() {
    let refused = |arguments: &str| retrieval(arguments).error(Stage::Predict);
    assert_eq!(
        refused("out_cols: [a]"),
        "in_cols: name at least one column"
    );
    assert_eq!(
        refused("in_cols: [seq, name], out_cols: [a]"),
        "out_cols: give one name for each of in_cols: 1 for 2"
    );
    assert_eq!(
        refused("in_cols: [seq, seq]"),
        "in_cols: \"seq\" is given twice"
    );
    assert_eq!(
        refused("in_cols: [seq, name], out_cols: [a, a]"),
        "out_cols: \"a\" is given twice"
    );
    assert_eq!(
        refused("in_cols: [seq, nam]"),
        "a.tsv: no column \"nam\" (in_cols); the file has \"name\", \"seq\", \"family\", \"length\". Did you mean \"name\"?"
    );
    assert_eq!(
        refused("in_cols: [sequence]"),
        "a.tsv: no column \"sequence\" (in_cols); the file has \"name\", \"seq\", \"family\", \"length\""
    );
}

fn mapping(arguments: &str) -> crate::Case {
    let yaml = format!(
        "class_path: modelgenerator.data.DependencyMappingDataModule\ninit_args: {{path: DIR/a.tsv, vocab_file: DIR/vocab.txt, {arguments}}}"
    );
    case(&[("a.tsv", TABLE), ("vocab.txt", "A\nT\n")], &yaml)
}

#[test]
fn a_dependency_map_has_every_mutant_and_then_the_sequence() {
    let case = mapping("x_col: seq, id_col: name, extra_cols: [family]");
    let predicted = case.load(Stage::Predict);
    let examples = predicted.test.unwrap();
    assert_eq!(
        examples.texts,
        [[
            "ACG", "TCG", "AAG", "ATG", "ACA", "ACT", "ACG", "AT", "TT", "TA", "TT", "TT"
        ]]
    );
    let ids = examples.ids.unwrap();
    assert_eq!((&*ids[6], &*ids[7]), ("x1", "x2"));
    let names: Vec<&str> = examples.extra.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["family", "pos_i", "mut_i"]);
    let numbers = |numbers: &[i64]| {
        numbers
            .iter()
            .map(|n| Cell::Integer(*n))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        examples.extra[1].1,
        numbers(&[0, 0, 1, 1, 2, 2, -1, 0, 0, 1, 1, -1])
    );
    assert_eq!(
        examples.extra[2].1,
        numbers(&[0, 1, 0, 1, 0, 1, -1, 0, 1, 0, 1, -1])
    );
    assert_eq!(
        predicted.notes,
        ["2 sequences have 10 mutants of one letter"]
    );
    for stage in [Stage::Fit, Stage::Validate, Stage::Test] {
        assert_eq!(
            case.error(stage),
            "class_path: DependencyMappingDataModule only serves predict"
        );
    }
    assert_eq!(
        mapping("x_col: [seq, name]").error(Stage::Predict),
        "x_col: give one column, whose letters are replaced"
    );
}
