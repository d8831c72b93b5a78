use std::fs;

use super::*;

fn looked_at(name: &str, text: &str) -> Survey {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    survey(&path).unwrap()
}

/// The contents of the columns of a table.
fn contents(name: &str, text: &str) -> Vec<Content> {
    let survey = looked_at(name, text);
    survey.columns.iter().map(|column| column.content).collect()
}

#[test]
fn a_column_is_what_all_of_its_cells_are() {
    let table = "a\tb\tc\td\te\tf\tg\n\
                 0\t3\t0.5\tACGT\tGIGKF\tan apple\tx_1\n\
                 1\t12\t-2\tTTGA\tMKLLW\tpear\ty_2\n";
    assert_eq!(
        contents("a.tsv", table),
        [
            Content::Flags,
            Content::Whole,
            Content::Numbers,
            Content::Sequences(Alphabet::Dna),
            Content::Sequences(Alphabet::Protein),
            Content::Prose,
            Content::Words,
        ]
    );
    let rows = "{\"a\": [0, 1], \"b\": [0.5, 2], \"c\": [\"O\"], \"d\": {\"k\": 1}, \"e\": null, \"f\": true}\n\
                {\"a\": [1, 1], \"b\": [1, -2], \"c\": [\"O\", \"B\"], \"d\": {}, \"e\": null, \"f\": false}\n";
    assert_eq!(
        contents("a.jsonl", rows),
        [
            Content::FlagLists(2),
            Content::NumberLists(2),
            Content::Lists,
            Content::Mixed,
            Content::Nothing,
            Content::Flags,
        ]
    );
}

#[test]
fn values_lengths_and_gaps_are_counted() {
    let survey = looked_at("a.csv", "text,label\none two,b\nthree,a\nfour,a\n,b\n");
    assert_eq!(survey.rows, 4);
    let text = survey.column("text").unwrap();
    assert_eq!((text.filled, text.missing), (3, 1));
    assert_eq!(text.words.longest, 2);
    assert_eq!((text.letters.median, text.letters.longest), (5, 7));
    let label = survey.column("label").unwrap();
    let values: Vec<(&str, usize)> = label
        .values
        .iter()
        .flatten()
        .map(|(value, count)| (value.as_str(), *count))
        .collect();
    assert_eq!(values, [("a", 2), ("b", 2)]);
}

#[test]
fn labels_of_letters_and_of_words_are_as_many_as_there_are() {
    let survey = looked_at("a.tsv", "seq\tss\tno\nGIGKF\tCHHHC\tCH\nMKL\tHHC\tHHC\n");
    assert_eq!(survey.token_labels("seq", "ss"), Some(TokenUnit::Letter));
    assert_eq!(survey.token_labels("seq", "no"), None);
    let rows = "{\"text\": \"Marie lived\", \"tags\": [\"P\", \"O\"]}\n{\"text\": \"in Paris\", \"tags\": [\"O\", \"P\"]}\n";
    let survey = looked_at("a.jsonl", rows);
    assert_eq!(survey.token_labels("text", "tags"), Some(TokenUnit::Word));
    let survey = looked_at("a.tsv", "a\tb\nx\ty\n");
    assert_eq!(survey.token_labels("a", "b"), None);
}

#[test]
fn the_splits_of_a_folder_are_its_files() {
    let folder = tempfile::tempdir().unwrap();
    for (name, rows) in [
        ("train.tsv", "1\n2\n"),
        ("dev.tsv", "1\n"),
        ("other.md", ""),
    ] {
        fs::write(folder.path().join(name), format!("x\n{rows}")).unwrap();
    }
    let found = survey(folder.path()).unwrap();
    assert_eq!(found.rows, 2);
    let splits = found.splits.unwrap();
    let names = splits
        .iter()
        .map(|split| split.as_ref().map(|it| (it.name.as_str(), it.rows)));
    assert_eq!(
        names.collect::<Vec<_>>(),
        [Some(("train", 2)), Some(("dev", 1)), None]
    );
}

#[test]
fn a_folder_of_one_table_is_that_table() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rows.tsv"), "x\n1\n").unwrap();
    fs::write(folder.path().join("README.md"), "rows").unwrap();
    let found = survey(folder.path()).unwrap();
    assert_eq!(found.path, folder.path().join("rows.tsv"));
    assert!(found.splits.is_none());
}

#[test]
fn a_folder_without_training_rows_and_a_file_that_is_not_there_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.tsv", "my_train.tsv"] {
        fs::write(folder.path().join(name), "x\n1\n").unwrap();
    }
    let error = survey(folder.path()).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "no file of training rows, such as train.tsv; there is \"a.tsv\", \"my_train.tsv\". Did you mean \"my_train.tsv\"?"
        ),
        "{error}"
    );
    let error = survey(&folder.path().join("no.tsv")).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("no.tsv: there is no such file or folder")
    );
}
