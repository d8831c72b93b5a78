use std::fs;

use crate::Model;

use super::*;

/// The proposal for a table in a file of this name, and the experiment that it is.
fn proposed(name: &str, table: &str) -> (Proposal, Experiment) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, table).unwrap();
    let wishes = Wishes {
        backbone: None,
        file: "experiment.yaml".to_owned(),
    };
    let proposal = propose(&path, &wishes).unwrap_or_else(|error| panic!("{error}"));
    let composed = Composed {
        root: read_yaml(proposal.yaml.as_bytes(), "a.yaml").unwrap(),
        notes: Vec::new(),
    };
    let (experiment, notes) = Experiment::read(&composed).unwrap();
    assert_eq!(notes, Vec::new());
    (proposal, experiment)
}

/// The columns of texts and of labels, the backbone, and the model's own arguments on one line.
fn decided(name: &str, table: &str) -> String {
    let (_, experiment) = proposed(name, table);
    let data = experiment.data.unwrap();
    let model = experiment.model.unwrap();
    let own = match &model {
        Model::SequenceClassification(it) => {
            if it.task.multilabel {
                format!("{} flags", it.task.n_classes.unwrap())
            } else {
                let count = it.task.n_classes.map(|count| count.to_string());
                format!("{} classes", count.unwrap_or_else(|| "found".to_owned()))
            }
        }
        Model::SequenceRegression(it) => format!("{} numbers", it.task.num_outputs),
        Model::TokenClassification(_) => "tokens".to_owned(),
        Model::MLM(_) => "masked".to_owned(),
        other => panic!("{other:?}"),
    };
    let task = model.task();
    let backbone = task.backbone().backbone();
    let labels = match data.label_names() {
        [] => "nothing".to_owned(),
        names => names.join("+"),
    };
    let length = backbone.max_length.unwrap();
    format!(
        "{} -> {labels}: {own}, {} of {length}",
        data.text_names().join("+"),
        backbone.preset
    )
}

/// A table of so many rows, with a header and a row made from its number.
fn table(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!("{header}\n{}\n", rows.join("\n"))
}

/// Letters of an alphabet that differ from row to row.
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

const DNA: &str = "ACGT";
const RNA: &str = "ACGU";
const PROTEIN: &str = "ACDEFGHIKLMNPQRSTVWY";

#[test]
fn the_alphabet_decides_the_backbone_and_the_longest_row_the_length() {
    let classes = |alphabet: &'static str, length: usize| {
        table("sequence\tlabel", 60, move |row| {
            format!("{}\t{}", letters(alphabet, row, length), row % 3)
        })
    };
    for (alphabet, length, expected) in [
        (DNA, 40, "aido_dna_debug of 42"),
        (RNA, 40, "aido_dna_debug of 42"),
        (PROTEIN, 40, "sapiens_vh of 42"),
        (PROTEIN, 140, "sapiens_vh of 142"),
        (PROTEIN, 300, "protein_onehot of 302"),
        (DNA, 3000, "aido_dna_debug of 1024"),
    ] {
        let decided = decided("a.tsv", &classes(alphabet, length));
        assert_eq!(decided, format!("sequence -> label: 3 classes, {expected}"));
    }
    let prose = table("text\tlabel", 60, |row| {
        format!("the number {row} is here\t{}", ["a", "b"][row % 2])
    });
    // Which backbone it is depends on the local cache.
    let text = decided("a.tsv", &prose);
    assert!(
        text.starts_with("text -> label: 2 classes, ") && text.ends_with(" of 32"),
        "{text}"
    );
}

#[test]
fn labels_decide_the_task() {
    let with = |header: &str, label: &dyn Fn(usize) -> String| {
        let header = format!("id\tsequences\t{header}");
        let table = table(&header, 60, |row| {
            format!("r{row}\t{}\t{}", letters(PROTEIN, row, 20), label(row))
        });
        let decided = decided("a.tsv", &table);
        decided
            .strip_prefix("sequences -> ")
            .and_then(|it| it.strip_suffix(", sapiens_vh of 22"))
            .unwrap_or(&decided)
            .to_owned()
    };
    /// A column's name, its cells, and what is decided about it.
    type Case<'a> = (&'a str, &'a dyn Fn(usize) -> String, &'a str);
    let cases: [Case<'_>; 14] = [
        ("label", &|row| (row % 5).to_string(), "label: 5 classes"),
        // What numbers that do not count from 0 mean is for the task to find.
        (
            "label",
            &|row| (1 + row % 5).to_string(),
            "label: found classes",
        ),
        (
            "kind",
            &|row| ["EI", "IE", "N"][row % 3].to_owned(),
            "kind: 3 classes",
        ),
        (
            "toxic",
            &|row| (row % 2 == 0).to_string(),
            "toxic: 2 classes",
        ),
        (
            "year",
            &|row| (1990 + row % 9).to_string(),
            "year: 1 numbers",
        ),
        ("kd", &|row| format!("{}.25", row % 9), "kd: 1 numbers"),
        (
            "length",
            &|row| (100 + row).to_string(),
            "length: 1 numbers",
        ),
        (
            "fitness",
            &|row| (row % 12).to_string(),
            "fitness: 1 numbers",
        ),
        (
            "kd\ttm",
            &|row| format!("0.{row}\t{row}"),
            "kd+tm: 2 numbers",
        ),
        (
            "a\tb\tc",
            &|row| format!("{}\t{}\t{}", row % 2, row / 2 % 2, row / 4 % 2),
            "a+b+c: 3 flags",
        ),
        (
            "labels",
            &|row| format!("[{}, 1, 0]", row % 2),
            "labels: 3 flags",
        ),
        (
            "labels",
            &|row| format!("[{row}, 0.5]"),
            "labels: 2 numbers",
        ),
        ("ss3", &|row| letters("HEC", row, 20), "ss3: tokens"),
        ("sites", &|row| letters("01", row, 20), "sites: tokens"),
    ];
    for (header, label, expected) in cases {
        assert_eq!(with(header, label), expected, "{header}");
    }
}

#[test]
fn a_usual_name_goes_before_what_other_columns_hold() {
    let table = table("score\tsequence\tlabel\tfold\tsource", 60, |row| {
        format!(
            "0.{row}\t{}\t{}\t{}\tlab{row}",
            letters(DNA, row, 10),
            row % 2,
            row % 5
        )
    });
    let (proposal, _) = proposed("a.tsv", &table);
    assert_eq!(
        decided("a.tsv", &table),
        "sequence -> label: 2 classes, aido_dna_debug of 12"
    );
    let said = |name: &str| {
        let found = proposal.findings.iter().find(|(column, _)| column == name);
        found.map(|(_, text)| text.as_str()).unwrap()
    };
    assert_eq!(said("score"), "numbers, not used");
    assert!(said("fold").starts_with("names splits or folds"));
    assert_eq!(said("source"), "row ids or names");
    assert!(said("label").ends_with("2 classes (0 50.0 %, 1 50.0 %): the class of each row"));
}

#[test]
fn as_many_classes_are_counted_as_are_named() {
    for (first, expected) in [
        (
            0,
            "3 classes (0 33.3 %, 1 33.3 %, 2 33.3 %): the class of each row",
        ),
        (
            1,
            "3 classes (1 33.3 %, 2 33.3 %, 3 33.3 %): the class of each row",
        ),
    ] {
        let table = table("sequence\tlabel", 60, |row| {
            format!("{}\t{}", letters(DNA, row, 10), first + row % 3)
        });
        let (proposal, _) = proposed("a.tsv", &table);
        let found = proposal
            .findings
            .iter()
            .find(|(column, _)| column == "label");
        assert_eq!(found.unwrap().1, expected);
        assert_eq!(proposal.yaml.contains("n_classes: 3"), first == 0);
        assert!(proposal.yaml.contains("has 3 classes"), "{}", proposal.yaml);
    }
}

#[test]
fn without_labels_the_texts_themselves_are_learned() {
    let sequences = table("id,sequence", 60, |row| {
        format!("r{row},{}", letters(RNA, row, 30))
    });
    assert_eq!(
        decided("a.csv", &sequences),
        "sequence -> nothing: masked, aido_dna_debug of 32"
    );
    let proteins = table("sequence", 60, |row| letters(PROTEIN, row, 400));
    assert_eq!(
        decided("a.csv", &proteins),
        "sequence -> nothing: masked, sapiens_vh of 144"
    );
}

#[test]
fn pairs_are_told_by_their_names() {
    for (one, two) in [
        ("premise", "hypothesis"),
        ("seq1", "seq2"),
        ("chain_a", "chain_b"),
    ] {
        let table = table(&format!("{one}\t{two}\tlabel"), 60, |row| {
            format!(
                "{}\t{}\t{}",
                letters(PROTEIN, row, 20),
                letters(PROTEIN, row + 1, 10),
                row % 2
            )
        });
        assert_eq!(
            decided("a.tsv", &table),
            format!("{one}+{two} -> label: 2 classes, sapiens_vh of 33")
        );
    }
    // Sequences of one length that are not called a pair: the first is read, and the second is no label of it.
    let table = table("mutant\twild_type\tlabel", 60, |row| {
        format!(
            "{}\t{}\t{}",
            letters(PROTEIN, row, 20),
            letters(PROTEIN, row + 1, 20),
            row % 2
        )
    });
    assert_eq!(
        decided("a.tsv", &table),
        "mutant -> label: 2 classes, sapiens_vh of 22"
    );
}

#[test]
fn names_and_paths_that_yaml_would_misread_are_quoted() {
    let table = table("null\t#1: \"label\"", 60, |row| {
        format!("{}\t{}", letters(DNA, row, 12), row % 2)
    });
    assert_eq!(
        decided("it's, a [table].tsv", &table.replace('"', "")),
        "null -> #1: label: 2 classes, aido_dna_debug of 14"
    );
    let (proposal, _) = proposed("a.tsv", &table.replace('"', ""));
    assert!(
        proposal.yaml.contains("x_col: \"null\""),
        "{}",
        proposal.yaml
    );
}

#[test]
fn the_folder_of_an_encoder_lies_beside_the_file_and_is_no_presets_name() {
    for (file, folder) in [
        ("experiment.yaml", "./experiment-encoder"),
        ("runs/a.yaml", "./runs/a-encoder"),
        ("../a.yaml", "../a-encoder"),
        ("/tmp/a.yaml", "/tmp/a-encoder"),
    ] {
        let wishes = Wishes {
            backbone: None,
            file: file.to_owned(),
        };
        assert_eq!(wishes.encoder(), folder);
    }
}

#[test]
fn letters_in_lower_case_are_mapped() {
    let table = table("sequence\tlabel", 60, |row| {
        format!("{}\t{}", letters("acgt", row, 12), row % 2)
    });
    let (proposal, _) = proposed("a.tsv", &table);
    assert!(proposal.yaml.contains("letters: map"), "{}", proposal.yaml);
}

#[test]
fn the_same_table_gives_the_same_proposal_in_which_each_choice_has_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tsv");
    let rows = table("sequence\tlabel", 60, |row| {
        format!("{}\t{}", letters(DNA, row, 12), row % 2)
    });
    fs::write(&path, rows).unwrap();
    let wishes = Wishes::default();
    let first = propose(&path, &wishes).unwrap();
    assert_eq!(propose(&path, &wishes).unwrap(), first);
    let lines: Vec<&str> = first.yaml.lines().collect();
    for key in [
        "class_path: SequenceClassification",
        "backbone:",
        "max_length:",
        "adapter:",
        "optimizer:",
        "x_col:",
        "batch_size:",
        "max_epochs:",
        "callbacks:",
    ] {
        let place = lines
            .iter()
            .position(|line| line.trim().starts_with(key))
            .unwrap();
        assert!(
            lines[place - 1].trim().starts_with("# "),
            "{key}: {}",
            lines[place - 1]
        );
    }
    assert!(lines.iter().all(|line| line.len() <= 120), "{}", first.yaml);
}

#[test]
fn a_backbone_that_is_asked_for_is_taken_with_its_length_and_rate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tsv");
    let rows = table("sequence\tlabel", 60, |row| {
        format!("{}\t{}", letters(PROTEIN, row, 300), row % 2)
    });
    fs::write(&path, rows).unwrap();
    let mut wishes = Wishes {
        backbone: Some("sapiens_vh".to_owned()),
        file: "it's.yaml".to_owned(),
    };
    let proposal = propose(&path, &wishes).unwrap();
    assert!(
        proposal.yaml.contains("max_length: 144"),
        "{}",
        proposal.yaml
    );
    assert!(proposal.yaml.contains("lr: 5e-4"), "{}", proposal.yaml);
    assert_eq!(wishes.command(), "engraft fit --config 'it'\\''s.yaml'");
    wishes.backbone = Some("sapiens_vx".to_owned());
    let error = propose(&path, &wishes).unwrap_err().to_string();
    assert!(
        error.starts_with("--model.backbone: cannot use the preset \"sapiens_vx\"")
            && error.ends_with("Did you mean \"sapiens_vh\"?"),
        "{error}"
    );
}

#[test]
fn what_gives_no_experiment_is_refused_with_the_reason() {
    let refused = |name: &str, table: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, table).unwrap();
        let error = propose(&path, &Wishes::default()).unwrap_err().to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    };
    assert_eq!(
        refused("a.tsv", "a\tb\n1\t2.5\n2\t3\n"),
        "a.tsv: no column holds sequences or texts (there is \"a\" with whole numbers; \"b\" with numbers); name them with data.x_col in an experiment of your own"
    );
    assert_eq!(refused("a.tsv", ""), "a.tsv: the file is empty");
    assert!(refused("a.xlsx", "x").starts_with("a.xlsx: unknown kind of table"));
    // A row without a label is found before the experiment is handed out.
    let gap = table("sequence\tlabel", 30, |row| {
        format!(
            "{}\t{}",
            letters(DNA, row, 12),
            if row == 4 {
                String::new()
            } else {
                (row % 2).to_string()
            }
        )
    });
    let error = refused("a.tsv", &gap);
    assert!(error.starts_with("a.tsv:6: "), "{error}");
}
