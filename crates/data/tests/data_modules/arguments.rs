//! Arguments: defaults, what is noted, and what is refused before a file is read.

use engraft_component::{FromNode, decode, read_yaml, to_yaml};
use engraft_data::{ClassWeight, DataModule, Hiding, Masking, Stage};

use crate::module;

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
fn arguments_that_cannot_be_are_refused_before_any_file_is_read() {
    for (arguments, message) in [
        (
            "cv_num_folds: 5, cv_test_fold_id: 5",
            "cv_test_fold_id: there is no fold 5: 5 folds (cv_num_folds) are numbered 0 to 4",
        ),
        (
            "cv_num_folds: 5",
            "cv_test_fold_id: say which fold is meant",
        ),
        (
            "cv_num_folds: 2",
            "cv_num_folds: of 2 folds one tests and one validates, which leaves none to train on; give more folds, or cv_enable_val_fold: false",
        ),
        (
            "cv_num_folds: 5, cv_val_offset: -10",
            "cv_val_offset: -10 would make the test fold its own validation fold; give another, or if that is meant, cv_enable_val_fold: false and cv_replace_val_fold_as_test_fold: true",
        ),
        (
            "class_weight: [1, -0.5]",
            "class_weight: a weight must be 0 or more, found -0.5",
        ),
        (
            "class_weight: [1, .inf]",
            "class_weight: a weight must be 0 or more, found inf",
        ),
        (
            "class_weight: [0, 0]",
            "class_weight: one of the weights must be above 0, or nothing is learned",
        ),
        (
            "class_weight: auto, y_col: [a, b]",
            "class_weight: classes are weighed only where a row has one, and y_col names several columns; remove it",
        ),
        ("batch_size: 0", "batch_size: must be at least 1, found 0"),
        (
            "token_budget: 0",
            "token_budget: must be at least 1, found 0",
        ),
        ("x_col: []", "x_col: give one column, or two for text pairs"),
        (
            "x_col: [a, b, c]",
            "x_col: give one column, or two for text pairs",
        ),
        ("y_col: []", "y_col: give at least one column"),
        ("y_col: [a, b, a]", "y_col: \"a\" is given twice"),
        ("extra_cols: [a, a]", "extra_cols: \"a\" is given twice"),
    ] {
        let init = format!("{{path: no/such/file, {arguments}}}");
        let (module, _) = module(&format!(
            "class_path: SequenceClassificationDataModule\ninit_args: {init}"
        ));
        assert_eq!(module.load(Stage::Fit).unwrap_err().to_string(), message);
    }
}

const ALL: [&str; 18] = [
    "SequencesDataModule",
    "SequenceClassificationDataModule",
    "ClassificationDataModule",
    "TokenClassificationDataModule",
    "SequenceRegressionDataModule",
    "RegressionDataModule",
    "MLMDataModule",
    "DiffusionDataModule",
    "ClassDiffusionDataModule",
    "ConditionalDiffusionDataModule",
    "ConditionalMLMDataModule",
    "ColumnRetrievalDataModule",
    "DependencyMappingDataModule",
    "RNAMeanRibosomeLoadDataModule",
    "ZeroshotClassificationRetrieveDataModule",
    "ClinvarRetrieve",
    "MutationScanDataModule",
    "Seq2SeqDataModule",
];

#[test]
fn every_data_module_has_its_columns_and_says_what_it_is_for() {
    let columns: Vec<_> = ALL
        .iter()
        .map(|name| {
            let given = match *name {
                "ClassificationDataModule" | "RegressionDataModule" => ", x_col: a, y_col: [b, c]",
                "ClassDiffusionDataModule" | "ConditionalDiffusionDataModule" => {
                    ", x_col: a, y_col: [b, c]"
                }
                "ColumnRetrievalDataModule" => ", in_cols: [a, b], out_cols: [id, sequence]",
                "DependencyMappingDataModule" => ", vocab_file: v.txt",
                "ZeroshotClassificationRetrieveDataModule" => {
                    ", reference_file: g.fa, window: 5, method: Diff"
                }
                _ => "",
            };
            let prefix = match *name {
                "MutationScanDataModule" | "Seq2SeqDataModule" => "",
                _ => "modelgenerator.data.",
            };
            let class_path = format!("class_path: {prefix}{name}");
            let (module, _) = module(&format!("{class_path}\ninit_args: {{path: d{given}}}"));
            module.check().unwrap();
            let texts = module.text_names().join(" ");
            let says = (
                module.is_labelled(),
                module.normalizes(),
                module.hiding().is_some(),
            );
            (texts, module.label_names().join(" "), says)
        })
        .collect();
    let row = |texts: &str, labels: &str, says| (texts.to_owned(), labels.to_owned(), says);
    assert_eq!(
        columns,
        [
            row("sequence", "", (false, false, false)),
            row("sequences", "labels", (true, false, false)),
            row("a", "b c", (true, false, false)),
            row("sequences", "labels", (true, false, false)),
            row("sequences", "labels", (true, true, false)),
            row("a", "b c", (true, true, false)),
            row("sequences", "", (false, false, true)),
            row("sequences", "", (false, false, true)),
            row("a", "b c", (true, false, true)),
            row("a", "b c", (true, true, true)),
            row("sequences", "labels", (true, true, true)),
            row("sequence", "", (false, false, false)),
            row("sequence", "", (false, false, false)),
            row("utr", "rl", (true, false, false)),
            row("ref mutate", "label", (true, false, false)),
            row("ref mutate", "effect", (true, false, false)),
            row("sequence", "", (false, false, false)),
            row("text", "labels", (true, false, false)),
        ]
    );
}

#[test]
fn columns_that_only_the_user_can_name_are_required() {
    for name in [
        "ClassificationDataModule",
        "RegressionDataModule",
        "ClassDiffusionDataModule",
        "ConditionalDiffusionDataModule",
    ] {
        let yaml = format!("class_path: {name}\ninit_args: {{path: d, x_col: a}}");
        let node = read_yaml(yaml.as_bytes(), "e.yaml").unwrap();
        let error = decode::<DataModule>(&node).unwrap_err().to_string();
        assert!(error.contains("y_col"), "{error}");
    }
}

#[test]
fn weights_of_classes_are_auto_or_numbers() {
    let weight = |value: &str| {
        let yaml = format!(
            "{{class_path: ClassificationDataModule, init_args: {{path: d, x_col: a, y_col: b, class_weight: {value}}}}}"
        );
        decode::<DataModule>(&read_yaml(yaml.as_bytes(), "e.yaml").unwrap())
            .map(|(module, _)| module.class_weight().cloned())
            .map_err(|error| error.to_string())
    };
    assert_eq!(weight("null").unwrap(), None);
    assert_eq!(weight("auto").unwrap(), Some(ClassWeight::Auto));
    let numbers = ClassWeight::Numbers(vec![1.0, 2.5]);
    assert_eq!(weight("[1, 2.5]").unwrap(), Some(numbers));
    for wrong in ["balanced", "3", "{a: 1}", "[1, x]"] {
        let error = weight(wrong).unwrap_err();
        assert!(error.contains("init_args.class_weight"), "{error}");
    }
}

#[test]
fn modules_of_tasks_that_are_not_here_are_refused_by_name() {
    for name in [
        "StructureTokenDataModule",
        "CellClassificationDataModule",
        "CellWithNeighborDataModule",
        "ProteinInverseFoldingDataModule",
    ] {
        let yaml = format!("{{class_path: modelgenerator.data.{name}, init_args: {{path: d}}}}");
        let error = decode::<DataModule>(&read_yaml(yaml.as_bytes(), "e.yaml").unwrap());
        let error = error.unwrap_err().to_string();
        let expected = format!("e.yaml:1: class_path: {name} cannot be used: there is no ");
        assert!(error.starts_with(&expected), "{error}");
    }
}

fn refused(module_name: &str, arguments: &str) -> String {
    let yaml = format!("class_path: {module_name}\ninit_args: {{path: no/such/file, {arguments}}}");
    let error = module(&yaml).0.load(Stage::Fit).unwrap_err();
    error.to_string()
}

#[test]
fn masking_takes_rates_that_can_be() {
    let (mlm, notes) = module(
        "{class_path: MLMDataModule, init_args: {path: d, y_col: labels, mask_token_rate: 0.9}}",
    );
    let expected = Masking {
        masking_rate: 0.15,
        mask_token_rate: 0.9,
        random_token_rate: 0.1,
    };
    assert_eq!(mlm.hiding(), Some(Hiding::Masking(expected)));
    mlm.check().unwrap();
    assert!(notes[0].contains("y_col: ignored"), "{notes:?}");
    for (arguments, message) in [
        (
            "masking_rate: 1.5",
            "masking_rate: must be from 0 to 1, found 1.5",
        ),
        (
            "masking_rate: .nan",
            "masking_rate: must be from 0 to 1, found NaN",
        ),
        (
            "masking_rate: 0",
            "masking_rate: must be above 0, or nothing is learned",
        ),
        (
            "random_token_rate: -0.1",
            "random_token_rate: must be from 0 to 1, found -0.1",
        ),
        (
            "random_token_rate: 0.5",
            "mask_token_rate: must be at most 1 together with random_token_rate, found 1.3",
        ),
    ] {
        assert_eq!(refused("MLMDataModule", arguments), message);
    }
}

#[test]
fn what_token_classification_cannot_do_is_refused() {
    for (arguments, message) in [
        ("max_length: 1", "max_length: must be at least 2"),
        (
            "x_col: [a, b]",
            "x_col: give one column; letters of text pairs are not labelled",
        ),
        (
            "y_col: [a, b]",
            "y_col: give one column, which holds the classes of all letters of a row",
        ),
    ] {
        assert_eq!(refused("TokenClassificationDataModule", arguments), message);
    }
}
