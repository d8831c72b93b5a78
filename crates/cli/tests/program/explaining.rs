//! What the program says of itself, and the experiments it proposes: `components`, `schema`, `init`.

use std::path::Path;

use crate::Workplace;

#[test]
fn components_lists_every_kind_and_explains_one_by_any_of_its_names() {
    let place = Workplace::empty();
    let all = place.succeed("components");
    for line in [
        "optimizer, at model.optimizer\n  AdamW (default)",
        "data module, at data\n",
        "callback, at trainer.callbacks\n",
        "  SequenceClassification ",
    ] {
        assert!(all.contains(line), "{line}\n{all}");
    }
    let page = place.succeed("components Adam");
    for line in [
        "Named at model.optimizer, of every model.",
        "--model.optimizer.lr <number> default: 0.001, from Rust 5.0e-5",
        "Also named torch.optim.Adam.",
        "Accepted without effect:",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    assert_eq!(place.succeed("components torch.optim.Adam"), page);
    insta::assert_snapshot!("components", all);
    insta::assert_snapshot!("components-Adam", page);
    let batches = place.succeed("components SequenceClassificationDataModule");
    assert!(
        batches.contains("--data.batch_size <whole number> default: 128, from Rust 32"),
        "{batches}"
    );
    assert!(place.succeed("components optimizers").contains("  Adam "));
    for line in all.lines().chain(page.lines()) {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn components_are_told_to_programs_too() {
    let place = Workplace::empty();
    let told: serde_json::Value =
        serde_json::from_str(&place.succeed("components --json Adam")).unwrap();
    let adam = &told[0]["components"][0];
    assert_eq!(adam["name"], "Adam");
    assert_eq!(adam["arguments"][0]["default"], 1e-3);
    assert_eq!(adam["arguments"][0]["default_from_rust"], 5e-5);
    let all: serde_json::Value = serde_json::from_str(&place.succeed("components --json")).unwrap();
    assert!(all.as_array().unwrap().len() >= 8);
}

#[test]
fn what_is_no_component_is_refused_with_the_nearest() {
    let place = Workplace::empty();
    let answers = [
        "components AdmaW",
        "components Adam AdamW",
        "components --jsn",
        "schema experiment.json",
        "init",
        "init nowhere.tsv",
    ]
    .map(|words| {
        let said = place.run(words);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{words}");
        format!("{words}\n    {}", said.err)
    });
    insta::assert_snapshot!("refused", answers.join("\n"));
}

#[test]
fn the_schema_is_of_the_draft_that_editors_read_and_requires_less_of_parts() {
    let place = Workplace::empty();
    let schema: serde_json::Value = serde_json::from_str(&place.succeed("schema")).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    let keys = schema["properties"].as_object().unwrap();
    assert!(
        ["model", "data", "trainer"]
            .iter()
            .all(|key| keys.contains_key(*key))
    );
    let partial = place.succeed("schema --partial");
    let count = |text: &str| text.matches("\"required\"").count();
    assert!(count(&partial) < count(&schema.to_string()));
}

/// A table in the folder, of rows made from their numbers.
fn table(place: &Workplace, name: &str, header: &str, row: impl Fn(usize) -> String) {
    let rows: Vec<String> = (0..40).map(row).collect();
    place.write(name, &format!("{header}\n{}\n", rows.join("\n")));
}

/// Letters that differ from row to row.
fn letters(alphabet: &str, row: usize, length: usize) -> String {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let mut state = row as u64 + 1;
    let mut draw = || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize
    };
    (0..length)
        .map(|_| alphabet[draw() % alphabet.len()])
        .collect()
}

/// Proposes an experiment for a table and runs a batch of each of its stages.
fn proposed_runs(place: &Workplace, words: &str, task: &str) {
    let said = place.succeed(&format!("init {words} --force"));
    assert!(said.contains(&format!("{task} on ")), "{words}: {said}");
    assert!(
        said.contains("engraft fit --config experiment.yaml"),
        "{said}"
    );
    let said = place.run("fit --config experiment.yaml --trainer.fast_dev_run true");
    assert_eq!(
        said.code,
        Some(0),
        "{words}: {said:?}\n{}",
        place.read("experiment.yaml")
    );
}

#[test]
fn the_experiment_that_is_proposed_for_each_kind_of_table_runs() {
    let place = Workplace::new();
    let protein = |row| letters("ACDEFGHIKLMNPQRSTVWY", row, 18);
    let rna = |row| letters("ACGU", row, 25);
    table(&place, "classes.tsv", "sequence\tkind", |row| {
        format!("{}\t{}", rna(row), ["a", "b", "c"][row % 3])
    });
    table(&place, "numbers.csv", "seq,kd,tm", |row| {
        format!("{},0.{row},{row}.5", protein(row))
    });
    table(&place, "flags.tsv", "sequences\tnucleus\tmembrane", |row| {
        format!("{}\t{}\t{}", protein(row), row % 2, row / 2 % 2)
    });
    table(&place, "tokens.tsv", "sequences\tss3", |row| {
        format!("{}\t{}", protein(row), letters("HEC", row, 18))
    });
    table(&place, "pairs.tsv", "heavy\tlight\tlabel", |row| {
        format!("{}\t{}\t{}", protein(row), protein(row + 9), row % 2)
    });
    table(&place, "masked.tsv", "id\tsequence", |row| {
        format!("r{row}\t{}", rna(row))
    });
    table(&place, "lower.tsv", "sequence\tlabel", |row| {
        format!("{}\t{}", rna(row).to_lowercase(), row % 2)
    });
    for (table, task) in [
        ("classes.tsv", "SequenceClassification"),
        ("numbers.csv", "SequenceRegression"),
        ("flags.tsv", "SequenceClassification"),
        ("tokens.tsv", "TokenClassification"),
        ("pairs.tsv", "SequenceClassification"),
        ("masked.tsv", "MLM"),
        ("lower.tsv", "SequenceClassification"),
        // Of this the backbone reads words.
        (
            "train.tsv --model.backbone ./tiny",
            "SequenceClassification",
        ),
    ] {
        proposed_runs(&place, table, task);
    }
}

#[test]
fn the_experiments_that_are_proposed_for_the_tables_of_the_repository_run() {
    let place = Workplace::empty();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for (folder, backbone) in [("splice", "aido_dna_debug"), ("peptides", "sapiens_vh")] {
        let folder = examples.join(folder);
        proposed_runs(
            &place,
            &folder.display().to_string(),
            "SequenceClassification",
        );
        assert!(place.read("experiment.yaml").contains(backbone));
        let file = folder.join("valid.tsv");
        proposed_runs(
            &place,
            &file.display().to_string(),
            "SequenceClassification",
        );
    }
}

#[test]
fn a_file_that_is_there_is_written_over_only_when_told_to() {
    let place = Workplace::empty();
    table(&place, "a.tsv", "sequence\tlabel", |row| {
        format!("{}\t{}", letters("ACGT", row, 12), row % 2)
    });
    place.write("experiment.yaml", "mine");
    let said = place.run("init a.tsv");
    assert_eq!(said.code, Some(2));
    assert_eq!(
        said.err,
        "error: experiment.yaml: is there already. Choose another name with --output, or write over it with --force\n"
    );
    assert_eq!(place.read("experiment.yaml"), "mine");
    place.succeed("init a.tsv --output other.yaml");
    place.succeed("init a.tsv --force");
    let comparable = |name: &str| place.read(name).replace(name, "");
    assert_eq!(comparable("other.yaml"), comparable("experiment.yaml"));
}

#[test]
fn texts_train_a_small_encoder_of_their_own_at_once_and_a_pretrained_one_is_named() {
    let place = Workplace::empty();
    table(&place, "a.tsv", "text\tlabel", |row| {
        format!("the number {row} is here\t{}", row % 2)
    });
    let said = place.run("init a.tsv");
    assert_eq!(said.code, Some(0));
    assert!(
        said.out
            .contains("experiment.yaml and ./experiment-encoder are written."),
        "{}",
        said.out
    );
    assert!(
        said.err.contains("fresh weights, where a pretrained model would do better: model.backbone: hf://sentence-transformers/all-MiniLM-L6-v2 is not in the cache; `engraft download"),
        "{}",
        said.err
    );
    assert!(
        place
            .read("experiment.yaml")
            .contains("# class_path: hf://sentence-transformers/all-MiniLM-L6-v2")
    );
    let vocabulary = place.read("experiment-encoder/tokenizer.json");
    let config = place.read("experiment-encoder/config.json");
    assert!(config.contains("\"hidden_size\": 128") && config.contains("\"num_hidden_layers\": 4"));
    // A folder that is there is left alone too.
    std::fs::remove_file(place.path("experiment.yaml")).unwrap();
    let said = place.run("init a.tsv");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("experiment-encoder/"), "{}", said.err);
    proposed_runs(&place, "a.tsv", "SequenceClassification");
    assert_eq!(place.read("experiment-encoder/tokenizer.json"), vocabulary);
    table(&place, "b.csv", "text", |row| {
        format!("the number {row} is here")
    });
    proposed_runs(&place, "b.csv", "MLM");
}
