//! Whatever lies in the cells, a data module reads it or refuses it.

use engraft_data::{Examples, Labels, Stage};
use proptest::prelude::*;

use crate::case;

const MODULES: [&str; 5] = [
    "SequenceClassificationDataModule",
    "TokenClassificationDataModule",
    "SequenceRegressionDataModule",
    "MLMDataModule",
    "Seq2SeqDataModule",
];

/// Each row has labels, one a letter or word where they are of those, and numbers are finite.
fn is_whole(examples: &Examples) -> bool {
    let labels = examples.labels.as_ref();
    labels.is_none_or(|labels| {
        let fits = match labels {
            Labels::Tokens { unit, rows } => {
                let mut pairs = rows.iter().zip(examples.texts[0].iter());
                pairs.all(|(row, text)| row.len() == unit.count(&text.unwrap()))
            }
            Labels::Pairs { unit, rows } => {
                let mut pairs = rows.iter().zip(examples.texts[0].iter());
                pairs.all(|(row, text)| row.length() == unit.count(&text.unwrap()))
            }
            Labels::Numbers { names, rows } => rows
                .iter()
                .all(|row| row.len() == names.len() && row.iter().all(|it| it.is_finite())),
            Labels::MultiLabel { names, rows } => rows.iter().all(|row| row.len() == names.len()),
            Labels::Classes(_) => true,
            Labels::Texts(rows) => rows.iter().all(|text| !text.unwrap().trim().is_empty()),
        };
        fits && labels.len() == examples.len()
    })
}

fn is_read_or_refused(name: &str, text: &str) {
    for module in MODULES {
        for more in [
            "",
            ", max_length: 3, truncate_extra_cols: true, extra_cols: labels",
            ", pairwise: true",
            ", pairwise: true, max_length: 3, on_bad_row: skip",
        ] {
            if !more.is_empty() && module != "TokenClassificationDataModule" {
                continue;
            }
            let column = match module {
                "Seq2SeqDataModule" => ", x_col: sequences",
                _ => "",
            };
            let yaml =
                format!("class_path: {module}\ninit_args: {{path: DIR/{name}{column}{more}}}");
            let case = case(&[(name, text)], &yaml);
            for stage in [Stage::Fit, Stage::Test, Stage::Predict] {
                if let Ok(splits) = case.module.load(stage) {
                    let all = [splits.train, splits.valid, splits.test];
                    assert!(all.iter().flatten().all(is_whole), "{text:?}");
                }
            }
        }
    }
}

proptest! {
    // Each case is written to the disk many times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn arbitrary_cells_of_tables(
        rows in proptest::collection::vec(("[ABé ]{0,4}", "[\\[\\]0-2H,' .-]{0,8}"), 1..5),
    ) {
        let rows = rows.iter().map(|(text, label)| format!("\"{text}\"\t\"{label}\"\n"));
        is_read_or_refused("a.tsv", &format!("sequences\tlabels\n{}", rows.collect::<String>()));
    }

    #[test]
    fn arbitrary_values_of_json(
        rows in proptest::collection::vec(("[ABé ]{0,4}", "(\\[(0|1|null|-100|\"H\"|\\[\\]|0\\.5)?(,(0|1|true|1e300|\"x\")){0,2}\\]|1|\"01\"|-1e-9|null|\\{\\})"), 1..5),
    ) {
        let row = |(text, label): &(String, String)| {
            let label = label.replace("[,", "[0,");
            format!("{{\"sequences\": \"{text}\", \"labels\": {label}}}\n")
        };
        is_read_or_refused("a.jsonl", &rows.iter().map(row).collect::<String>());
    }
}
