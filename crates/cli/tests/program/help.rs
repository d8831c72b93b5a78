//! Help texts.

use crate::Workplace;

#[test]
fn the_version_names_the_program_and_the_engine() {
    let version = format!("engraft {} (burn ", env!("CARGO_PKG_VERSION"));
    let said = Workplace::empty().succeed("--version");
    assert!(
        said.starts_with(&version) && said.ends_with(")\n"),
        "{said}"
    );
}

/// What each page says, word for word: `snapshots/program__help__*.snap`, which `INSTA_UPDATE=always` writes anew, to be read in the difference.
#[test]
fn every_page_of_help_reads_as_it_did() {
    let place = Workplace::empty();
    for words in [
        "--help",
        "init --help",
        "fit --help",
        "validate --help",
        "test --help",
        "predict --help",
        "generate --help",
        "export --help",
        "presets --help",
        "components --help",
        "schema --help",
        "completions --help",
        "fit --model.help",
        "fit --model.help SequenceClassification",
        "fit --model.backbone.help",
        "fit --model.adapter.help MLPPoolAdapter",
        "fit --model.optimizer.help AdamW",
        "fit --data.help SequencesDataModule",
        "fit --trainer.help",
        "fit --trainer.max_epochs.help",
    ] {
        insta::assert_snapshot!(
            words.replace("--", "").replace(' ', "-"),
            place.succeed(words)
        );
    }
}

#[test]
fn help_lists_every_command() {
    let help = Workplace::empty().succeed("--help");
    for command in ["fit", "validate", "test", "predict", "export", "presets"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
    }
}

#[test]
fn help_on_a_command_lists_its_options_and_all_classes() {
    let place = Workplace::empty();
    for command in ["fit", "validate", "test", "predict", "export"] {
        let help = place.succeed(&format!("{command} --help"));
        for word in [
            "--config FILE",
            "--ckpt_path DIR",
            "--threads N",
            "MLPPoolAdapter",
            "StepLR",
            "EarlyStopping",
        ] {
            assert!(help.contains(word), "{command}: {word}");
        }
        assert_eq!(
            help.contains("--output"),
            matches!(command, "test" | "predict" | "export"),
            "{command}"
        );
        assert_eq!(place.succeed(&format!("{command} -h")), help);
    }
    assert!(
        place
            .succeed("presets --help")
            .contains("--model.backbone NAME")
    );
}

#[test]
fn help_on_a_key_lists_arguments_with_type_default_and_meaning() {
    let place = Workplace::empty();
    for (words, expected) in [
        (
            "fit --model.help SequenceClassification",
            vec![
                "--model.backbone <backbone> required",
                "--model.n_classes <whole number or null> default: null",
                "--model.optimizer <optimizer> default: AdamW",
                "Also named modelgenerator.tasks.SequenceClassification, keras_hub.models.TextClassifier.",
            ],
        ),
        (
            "fit --model.adapter.help MLPPoolAdapter",
            vec!["--model.adapter.hidden_sizes <list of whole number> default: []"],
        ),
        (
            "fit --model.backbone.help",
            vec!["--model.backbone NAME", "--model.backbone.max_length"],
        ),
        (
            "fit --model.optimizer.help AdamW",
            vec![
                "--model.optimizer.lr <number> default: 0.001",
                "Accepted without effect:",
            ],
        ),
        (
            "fit --model.help Embed --model.pooling.help",
            vec!["--model.pooling <none, cls_pooling"],
        ),
        (
            "predict --model Embed --model.help",
            vec!["--model Embed", "--model.normalize"],
        ),
        (
            "fit --model.help",
            vec!["where CLASS is one of", "  Inference "],
        ),
        (
            "fit --data.help SequencesDataModule",
            vec!["--data.path <path> required", "--data.x_col"],
        ),
        (
            "fit --trainer.help",
            vec!["--trainer.max_epochs <whole number or null> default: null"],
        ),
        (
            "fit --trainer.max_epochs.help",
            vec!["Passes over the training rows"],
        ),
        ("fit --help trainer", vec!["--trainer.max_epochs"]),
    ] {
        let help = place.succeed(words);
        for line in expected {
            assert!(help.contains(line), "{words}: {line}\n{help}");
        }
    }
}

#[test]
fn no_line_of_help_is_wider_than_100_characters() {
    let place = Workplace::empty();
    for words in [
        "fit --help",
        "predict --help",
        "fit --trainer.help",
        "fit --data.help SequenceClassificationDataModule",
        "presets",
    ] {
        for line in place.succeed(words).lines() {
            assert!(line.chars().count() <= 100, "{words}: {line}");
        }
    }
}

#[test]
fn presets_are_listed_with_their_size_and_where_they_are() {
    let said = Workplace::empty().succeed("presets");
    let sapiens = said.lines().next().unwrap_or_default();
    assert!(
        sapiens.starts_with("sapiens_vh ") && sapiens.contains("MIT"),
        "{said}"
    );
    assert!(said.contains("aido_dna_debug"), "{said}");
    for (name, place) in [
        ("esm2_8m ", "; Hugging Face"),
        ("bert_base_en ", "; Kaggle"),
    ] {
        let line = said.lines().find(|line| line.starts_with(name));
        assert!(line.unwrap_or_default().ends_with(place), "{name}: {said}");
    }
}
