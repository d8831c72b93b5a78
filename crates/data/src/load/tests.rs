//! What is loaded is the same wherever its texts lie.

use std::fs;

use engraft_component::{decode, read_yaml};
use proptest::prelude::*;

use super::*;

const MODULES: [&str; 4] = [
    "SequencesDataModule, init_args: {extra_cols: [sequences], x_col: sequences",
    "SequenceClassificationDataModule, init_args: {class_filter: [0, 1]",
    "TokenClassificationDataModule, init_args: {y_col: tags, max_length: 30, truncate_extra_cols: true, extra_cols: [tags]",
    "RegressionDataModule, init_args: {x_col: [sequences, tags], y_col: labels",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn splits_are_the_same_with_texts_in_a_temporary_file(
        rows in proptest::collection::vec(("[ACGé]{1,60}", 0u8..3), 8..20),
        memory in 0usize..300,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let row = |(text, label): &(String, u8)| {
            let tags: String = text.chars().map(|letter| if letter == 'A' { 'H' } else { 'C' }).collect();
            format!(" {text} \t{label}\t{tags}\n")
        };
        let rows: String = rows.iter().map(row).collect();
        let path = folder.path().join("a.tsv");
        fs::write(&path, format!("sequences\tlabels\ttags\n{rows}")).unwrap();
        for module in MODULES {
            let yaml = format!("{{class_path: {module}, path: {}}}}}", path.display());
            let (module, _): (DataModule, _) = decode(&read_yaml(yaml.as_bytes(), "e").unwrap()).unwrap();
            for stage in [Stage::Fit, Stage::Validate, Stage::Test, Stage::Predict] {
                let held = module.load_within(stage, usize::MAX).map_err(|error| error.to_string());
                let stored = module.load_within(stage, memory).map_err(|error| error.to_string());
                prop_assert_eq!(held, stored);
            }
        }
    }
}
