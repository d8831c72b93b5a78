//! Alignments as files write them, whole or cut, and what is wrong with some.

use std::fs;

use engraft_component::{decode, read_yaml};

use crate::module::DataModule;
use crate::stage::Stage;

use super::*;

/// Two rows of an alignment and numbers, in a file of this name.
fn rows(file: &str) -> String {
    let rows = [
        (
            r#""MKV""#,
            r#"["M-V","--W"]"#,
            "[[0.5,1],[-2,3.25],[0,1e-3]]",
        ),
        (r#""GW""#, r#"["G-"]"#, "[[1,2],[3,4]]"),
    ];
    if file.ends_with(".tsv") {
        let row = |(text, msa, structures): &(&str, &str, &str)| {
            format!("{}\t1\t{msa}\t{structures}\n", text.trim_matches('"'))
        };
        let rows: String = rows.iter().map(row).collect();
        return format!("sequences\tlabels\tmsa\tstr_emb\n{rows}");
    }
    let row = |(text, msa, structures): &(&str, &str, &str)| {
        format!(
            "{{\"sequences\": {text}, \"labels\": 1, \"msa\": {msa}, \"str_emb\": {structures}}}\n"
        )
    };
    rows.iter().map(row).collect()
}

fn module(class: &str, path: &std::path::Path, arguments: &str) -> DataModule {
    let yaml = format!(
        "{{class_path: {class}, init_args: {{path: {}, is_rag_dataset: true{arguments}}}}}",
        path.display()
    );
    let node = read_yaml(yaml.as_bytes(), "e.yaml").unwrap();
    decode(&node).unwrap().0
}

#[test]
fn a_row_that_is_left_out_says_nothing_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let uneven =
        "{\"sequences\": \"GW\", \"labels\": 1, \"msa\": [\"GW\"], \"str_emb\": [[1],[3,4]]}\n";
    fs::write(&path, format!("{uneven}{}", rows("rows.jsonl"))).unwrap();
    let module = module("SequenceRegressionDataModule", &path, ", on_bad_row: skip");
    let held = module.load(Stage::Test).unwrap().test.unwrap();
    assert_eq!(held.texts[0], ["MKV", "GW"]);
}

#[test]
fn alignments_are_read_wherever_their_lists_lie() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["rows.jsonl", "rows.tsv"] {
        let path = folder.path().join(file);
        fs::write(&path, rows(file)).unwrap();
        let arguments = ", max_context_length: 7, msa_random_seed: 3";
        let module = module("SequenceRegressionDataModule", &path, arguments);
        let held = module.load(Stage::Test).unwrap().test.unwrap();
        let alignments = held.alignments.as_ref().unwrap();
        assert_eq!(alignments.len(), 2);
        assert_eq!((alignments.context, alignments.seed), (7, 3));
        assert_eq!(alignments.width(), Some(2));
        assert_eq!(alignments.sequences(0).unwrap(), ["M-V", "--W"]);
        let structures = alignments.structures(0).unwrap().unwrap();
        assert_eq!(structures, [[0.5, 1.0], [-2.0, 3.25], [0.0, 1e-3]]);
        assert_eq!(alignments.select(&[1]).sequences(0).unwrap(), ["G-"]);
        let stored = module.load_within(Stage::Test, 0).unwrap().test.unwrap();
        assert_eq!(stored.alignments.unwrap(), *alignments);
    }
}

#[test]
fn what_is_cut_and_carried_along_leaves_alignments_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let text = rows("rows.jsonl").replace("\"labels\": 1", "\"labels\": [0, 1], \"kept\": \"abc\"");
    fs::write(&path, text.replacen("[0, 1]", "[0, 1, 0]", 1)).unwrap();
    let arguments = ", max_length: 3, truncate_extra_cols: true, extra_cols: [msa, kept, str_emb]";
    let module = module("TokenClassificationDataModule", &path, arguments);
    let rows = module.load(Stage::Test).unwrap().test.unwrap();
    assert_eq!(rows.texts, [["MK", "GW"]]);
    let carried: Vec<&str> = rows.extra.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(carried, ["kept"]);
    assert_eq!(rows.extra[0].1[0], "ab".into());
    let alignments = rows.alignments.unwrap();
    assert_eq!(alignments.sequences(0).unwrap(), ["M-V", "--W"]);
}

/// What is wrong with a file of one row.
fn refusal(row: &str, arguments: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    fs::write(&path, row).unwrap();
    let module = module("SequenceRegressionDataModule", &path, arguments);
    let error = module.load(Stage::Test).unwrap_err().to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn alignments_that_do_not_fit_their_sequence_are_refused_by_row_and_column() {
    for (columns, said) in [
        (
            r#""str_emb": [[1]]"#,
            r#"rows.jsonl: no column "msa" (is_rag_dataset)"#,
        ),
        (
            r#""msa": null"#,
            r#"rows.jsonl:1: the column "msa" has no value in this row"#,
        ),
        (
            r#""msa": "MKV""#,
            r#"rows.jsonl:1: the column "msa" must hold a list of aligned sequences"#,
        ),
        (r#""msa": [1, 2]"#, "must hold a list of aligned sequences"),
        (r#""msa": []"#, "holds an alignment of no sequences"),
        (
            r#""msa": ["MKV", "MK"]"#,
            "aligns 2 residues with a sequence of 3: its sequence 2 has another length",
        ),
        (
            r#""msa": ["MKV"], "str_emb": [[1], [2]]"#,
            r#"the column "str_emb" has numbers for 2 residues beside a sequence of 3"#,
        ),
        (
            r#""msa": ["MKV"], "str_emb": [[1], [2], [3, 4]]"#,
            "has 2 numbers for residue 3, where the first of all rows has 1",
        ),
        (
            r#""msa": ["MKV"], "str_emb": [[], [], []]"#,
            "has no numbers for residue 1",
        ),
        (
            r#""msa": ["MKV"], "str_emb": [[1], [null], [3]]"#,
            "must hold a list of finite numbers for each residue",
        ),
        (
            r#""msa": ["MKV"], "str_emb": [[1], [1e99], [3]]"#,
            "must hold a list of finite numbers for each residue",
        ),
        (
            r#""msa": ["MKV"], "str_emb": null"#,
            r#"the column "str_emb" has no value"#,
        ),
    ] {
        let row = format!(r#"{{"sequences": "MKV", "labels": 1, {columns}}}"#);
        let error = refusal(&row, "");
        assert!(error.contains(said), "{columns}: {error}");
    }
    let row = r#"{"sequences": "", "labels": 1, "msa": [""]}"#;
    assert!(refusal(row, "").contains("is aligned with an empty sequence"));
    let said = refusal(row, ", max_context_length: 0");
    assert_eq!(said, "max_context_length: must be at least 1, found 0");
    let said = refusal(row, ", x_col: [sequences, labels]");
    assert!(said.contains("an alignment is one sequence's"), "{said}");
}

#[test]
fn rows_with_a_bad_alignment_can_be_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let bad = rows("rows.jsonl").replace("\"G-\"", "\"G--\"") + &rows("rows.jsonl");
    fs::write(&path, bad).unwrap();
    let module = module("SequenceRegressionDataModule", &path, ", on_bad_row: skip");
    let splits = module.load(Stage::Test).unwrap();
    assert_eq!(splits.test.unwrap().texts, [["MKV", "MKV", "GW"]]);
    assert_eq!(splits.skipped.len(), 1);
    assert!(splits.skipped[0].problem.contains("aligns 3 residues"));
}

#[test]
fn alignments_in_memory_fit_their_sequences() {
    use crate::examples::Examples;
    let examples = || Examples::from_texts(["MK", "G"]);
    let rows = |second: &str| [vec!["M-".to_owned()], vec![second.to_owned()]];
    let aligned = examples().aligned_with(Alignments::new(&rows("A"), None));
    assert_eq!(aligned.unwrap().select(&[1]).alignments.unwrap().len(), 1);
    let structures = [vec![vec![1.0], vec![2.0]], vec![vec![f32::NAN]]];
    let wrong = Alignments::new(&rows("A"), Some(&structures));
    let structures = [vec![vec![1.0], vec![2.0]], vec![vec![1.0, 2.0]]];
    let uneven = Alignments::new(&rows("A"), Some(&structures));
    for (alignments, said) in [
        (
            Alignments::new(&rows("AA"), None),
            "alignments: row 1 aligns 2 residues with a sequence of 1: its sequence 1 has another length",
        ),
        (
            Alignments::new(&rows("A")[..1], None),
            "alignments: there are 1 for 2 texts",
        ),
        (
            wrong,
            "row 1 has numbers about its structure that are not finite",
        ),
        (
            uneven,
            "row 1 has 2 numbers for residue 1, where the first of all rows has 1",
        ),
    ] {
        let error = examples().aligned_with(alignments).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
