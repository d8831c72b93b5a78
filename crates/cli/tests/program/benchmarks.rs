//! Data sets by the names of published benchmarks, where Hugging Face's tools have put them or a user has.

use std::fs;

use crate::Workplace;

/// Rows of DNA of two classes, under the columns that the benchmark has.
fn table(rows: usize) -> String {
    let row = |row: usize| {
        let letters = ["ACGTTGCA", "TTGACCAA"][row % 2];
        format!("{}{letters},{}\n", ["A", "C", "G"][row % 3], row % 2)
    };
    let rows: String = (0..rows).map(row).collect();
    format!("sequence,label\n{rows}")
}

const FIT: &str = "fit --model SequenceClassification --model.backbone aido_dna_debug --data GUEClassification \
                   --data.batch_size 8 --trainer.max_epochs 1 --trainer.logger false";

#[test]
fn a_benchmark_is_found_in_the_cache_of_hugging_faces_tools() {
    let place = Workplace::empty();
    let snapshot = "hf/hub/datasets--leannmlindsey--GUE/snapshots/abc";
    for folder in [format!("{snapshot}/mouse"), format!("{snapshot}/emp_H3")] {
        fs::create_dir_all(place.path(&folder)).unwrap();
        place.write(&format!("{folder}/train.csv"), &table(24));
        place.write(&format!("{folder}/test.csv"), &table(8));
    }
    let card = "---\nconfigs:\n- config_name: mouse_0\n  data_files:\n  - {split: train, path: mouse/train.csv}\n  - {split: test, path: mouse/test.csv}\n---\n";
    place.write(&format!("{snapshot}/README.md"), card);
    fs::create_dir_all(place.path("hf/hub/datasets--leannmlindsey--GUE/refs")).unwrap();
    place.write("hf/hub/datasets--leannmlindsey--GUE/refs/main", "abc");

    // Its default, which the card does not name, and one that it does.
    place.succeed(FIT);
    place.succeed(&format!("{FIT} --data.config_name mouse_0"));
    let said = place.run(&format!("{FIT} --data.config_name mouse_1"));
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err
            .contains("leannmlindsey/GUE has no configuration \"mouse_1\""),
        "{}",
        said.err
    );
}

#[test]
fn a_benchmark_that_is_not_here_is_said_with_where_to_put_it() {
    let place = Workplace::empty();
    let said = place.run(FIT);
    assert_eq!(said.code, Some(2), "{}", said.err);
    for part in [
        "\"leannmlindsey/GUE\" is no folder here, and cannot fetch hf://datasets/leannmlindsey/GUE",
        "into the folder leannmlindsey/GUE/emp_H3 here",
        "GENBIO_DATA_DIR",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    let folder = "leannmlindsey/GUE/emp_H3";
    fs::create_dir_all(place.path(folder)).unwrap();
    place.write(&format!("{folder}/train.csv"), &table(24));
    place.write(&format!("{folder}/test.csv"), &table(8));
    place.succeed(FIT);
    // Below the folder that the variable names.
    fs::create_dir_all(place.path("elsewhere")).unwrap();
    fs::rename(
        place.path("leannmlindsey"),
        place.path("elsewhere/leannmlindsey"),
    )
    .unwrap();
    let mut command = place.command();
    command.args(FIT.split_whitespace());
    command.env("GENBIO_DATA_DIR", place.path("elsewhere"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn an_experiment_file_names_a_benchmark_by_its_dotted_path() {
    let place = Workplace::empty();
    fs::create_dir_all(place.path("gue")).unwrap();
    place.write("gue/train.csv", &table(24));
    place.write("gue/test.csv", &table(8));
    place.write(
        "published.yaml",
        "model:\n  class_path: modelgenerator.tasks.SequenceClassification\n  init_args:\n    backbone: {class_path: modelgenerator.backbones.aido_dna_7b}\n\
         data:\n  class_path: modelgenerator.data.GUEClassification\n  init_args: {config_name: null, path: leannmlindsey/GUE}\n\
         trainer: {max_epochs: 1, logger: false}\n",
    );
    let printed = place.succeed(
        "fit --config published.yaml --model.backbone aido_dna_debug --data.path gue --print_config",
    );
    assert!(
        printed.contains("class_path: SequenceClassificationDataModule")
            && printed.contains("sequence: sequences"),
        "{printed}"
    );
    place.succeed("fit --config published.yaml --model.backbone aido_dna_debug --data.path gue");
}
