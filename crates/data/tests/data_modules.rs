//! Data modules as a user writes them: from YAML and files to examples.

#![allow(clippy::unwrap_used)]

use std::fs;

use engraft_component::{FromNode, decode, read_yaml, to_yaml};
use engraft_data::{Cell, DataModule, Examples, Label, Splits, Stage};

/// A folder of files, and the data module that `yaml` describes with its path put in for `DIR`.
struct Case {
    folder: tempfile::TempDir,
    module: DataModule,
}

fn module(yaml: &str) -> (DataModule, Vec<String>) {
    decode(&read_yaml(yaml.as_bytes(), "e.yaml").unwrap()).unwrap()
}

fn case(files: &[(&str, &str)], yaml: &str) -> Case {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let yaml = yaml.replace("DIR", &folder.path().display().to_string());
    Case {
        module: module(&yaml).0,
        folder,
    }
}

impl Case {
    fn load(&self, stage: Stage) -> Splits {
        self.module.load(stage).unwrap()
    }

    fn error(&self, stage: Stage) -> String {
        let error = self.module.load(stage).unwrap_err().to_string();
        let folder = self.folder.path().display().to_string();
        error
            .replace(&format!("{folder}/"), "")
            .replace(&folder, "DIR")
    }
}

fn ids(examples: &Option<Examples>) -> Vec<usize> {
    let ids = examples
        .as_ref()
        .and_then(|examples| examples.ids.clone())
        .unwrap_or_default();
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

fn labels(examples: &Option<Examples>) -> Vec<Label> {
    examples.as_ref().unwrap().classes().unwrap().to_vec()
}

/// A table of `rows` rows with the columns `sequences` and `labels`.
fn table(rows: usize) -> String {
    let rows = (0..rows).map(|row| format!("S{row}\t{}\n", row % 3));
    format!("sequences\tlabels\n{}", rows.collect::<String>())
}

const CLASSIFY: &str = "class_path: SequenceClassificationDataModule\ninit_args: {path: DIR}";

#[test]
fn the_defaults_are_those_of_modelgenerator() {
    let (module, notes) =
        module("{class_path: modelgenerator.data.SequencesDataModule, init_args: {path: d}}");
    let source = module.source();
    assert_eq!(to_yaml(&source.test_split_size.to_node()).trim(), "0.2");
    assert_eq!(to_yaml(&source.valid_split_size.to_node()).trim(), "0.1");
    assert_eq!(
        (source.random_seed, module.batching().batch_size),
        (42, 128)
    );
    assert!(module.batching().shuffle);
    assert_eq!(module.text_names(), ["sequence"]);
    assert!(!module.is_labelled());
    assert!(notes.is_empty());
}

#[test]
fn a_module_survives_being_written_and_read() {
    for yaml in [
        "{class_path: SequencesDataModule, init_args: {path: d, token_budget: 4096, x_col: [a, b]}}",
        "{class_path: ClassificationDataModule, init_args: {path: d, x_col: seq, y_col: y, test_split_size: 0, \
         valid_split_size: 12, rename_columns: {seq: sequences}, class_filter: [0, 2], valid_split_name: dev}}",
    ] {
        let (first, _) = module(yaml);
        let text = to_yaml(&first.to_node());
        let (second, notes) = module(&text);
        assert_eq!(first, second, "{text}");
        assert!(notes.is_empty(), "{notes:?}");
    }
}

#[test]
fn keys_without_meaning_here_are_noted() {
    let (_, notes) = module(
        "class_path: SequencesDataModule\ninit_args:\n  path: d\n  num_workers: 4\n  pin_memory: true\n  \
         persistent_workers: true\n  prefetch_factor: 2\n  collate_fn: x\n  backbone_class_path: y\n  \
         extra_reader_kwargs: {keep_default_na: false}\n  sampler: null\n",
    );
    assert_eq!(notes.len(), 7, "{notes:?}");
    assert!(
        notes[0].starts_with("e.yaml:4: init_args.num_workers: ignored, "),
        "{}",
        notes[0]
    );
}

#[test]
fn a_sampler_is_refused_with_its_line() {
    let node = read_yaml(
        b"class_path: SequencesDataModule\ninit_args:\n  path: d\n  sampler: Weighted\n",
        "e.yaml",
    );
    let error = decode::<DataModule>(&node.unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("e.yaml:4: init_args.sampler: samplers are not supported"),
        "{error}"
    );
}

#[test]
fn a_split_size_is_a_fraction_or_a_count() {
    let refused = |size: &str| {
        let yaml = format!(
            "{{class_path: SequencesDataModule, init_args: {{path: d, test_split_size: {size}}}}}"
        );
        decode::<DataModule>(&read_yaml(yaml.as_bytes(), "e.yaml").unwrap())
            .unwrap_err()
            .to_string()
    };
    for size in ["1.5", "-0.1", "half", ".nan", ".inf"] {
        let wanted =
            "init_args.test_split_size: expected a fraction below 1 or a whole number of rows";
        assert!(refused(size).contains(wanted), "{}", refused(size));
    }
}

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
    assert_eq!(examples.texts[0][0], format!("S{row}"));
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
    assert_eq!(fit.notes.len(), 1);
    assert!(
        fit.notes[0].starts_with("valid_split_name is null, so dev.tsv "),
        "{:?}",
        fit.notes
    );
    assert_eq!(case.load(Stage::Test).test, fit.test);
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

#[test]
fn labels_are_numbers_only_if_all_of_them_are() {
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
        ["0".into(), "02".into()]
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
        predicted.notes[0].contains("a.csv:3: the row has no label"),
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
        "a.jsonl:2: the column \"text\" must hold text or a number, here it holds a list"
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

#[test]
fn arguments_that_cannot_be_are_refused_before_any_file_is_read() {
    for (arguments, message) in [
        (
            "cv_num_folds: 5",
            "cv_num_folds: cross-validation is not supported yet, so this must be 1",
        ),
        ("batch_size: 0", "batch_size: must be at least 1"),
        ("token_budget: 0", "token_budget: must be at least 1"),
        ("x_col: []", "x_col: give one column, or two for text pairs"),
        (
            "x_col: [a, b, c]",
            "x_col: give one column, or two for text pairs",
        ),
        (
            "y_col: [a, b]",
            "y_col: give one column; several labels a row are not supported yet",
        ),
        ("extra_cols: [a, a]", "extra_cols: \"a\" is given twice"),
    ] {
        let init = format!("{{path: no/such/file, {arguments}}}");
        let (module, _) = module(&format!(
            "class_path: SequenceClassificationDataModule\ninit_args: {init}"
        ));
        assert_eq!(module.load(Stage::Fit).unwrap_err().to_string(), message);
    }
}
