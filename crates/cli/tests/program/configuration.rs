//! The resolved experiment.

use crate::Workplace;

#[test]
fn the_printed_configuration_is_complete_and_prints_itself() {
    let place = Workplace::new();
    let printed = place.succeed("fit -c fit.yaml --trainer.max_steps 7 --print_config");
    for line in [
        "seed_everything: 3",
        "  class_path: SequenceClassification",
        "      class_path: Pretrained",
        "    strict_loading: true",
        "  max_steps: 7",
        "  log_every_n_steps: 2",
        "  default_root_dir: logs",
        "ckpt_path: null",
    ] {
        assert!(printed.lines().any(|it| it == line), "{line}\n{printed}");
    }
    place.write("resolved.yaml", &printed);
    let said = place.run("fit -c resolved.yaml --print_config");
    assert_eq!((said.out, said.err), (printed, String::new()));
}

#[test]
fn printing_the_configuration_needs_no_model_and_opens_no_file() {
    let place = Workplace::empty();
    assert!(place.succeed("fit --print_config").contains("model: null"));
    let printed = place.succeed("fit --model Embed --model.backbone ./nowhere --print_config");
    assert!(printed.contains("preset: ./nowhere"), "{printed}");
}

#[test]
fn a_saved_configuration_reruns_its_run() {
    let place = Workplace::new();
    let first = place.succeed("fit -c fit.yaml");
    let second = place.succeed("fit -c logs/version_0/config.yaml");
    assert_eq!(first, second);
    let weights = |run: &str| {
        let folder = place.path(run).join("checkpoints");
        let checkpoint = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
        std::fs::read(checkpoint.path().join("model.safetensors")).unwrap()
    };
    assert!(weights("logs/version_0") == weights("logs/version_1"));
}

#[test]
fn a_seed_that_is_drawn_is_said_and_saved() {
    let place = Workplace::new();
    let said = place.run("fit -c fit.yaml --seed_everything false --trainer.max_steps 1");
    let seed = said
        .err
        .lines()
        .find_map(|line| line.split_once("this run has the seed "))
        .unwrap()
        .1;
    assert!(
        place
            .read("logs/version_0/config.yaml")
            .contains(&format!("seed_everything: {seed}\n"))
    );
}

#[test]
fn keys_without_meaning_here_are_noted_in_one_line_each() {
    let place = Workplace::new();
    let said = place.run("fit -c fit.yaml --trainer.precision bf16 --data.num_workers 4 --model.batch_size 8 --print_config");
    assert_eq!(said.code, Some(0));
    let notes: Vec<&str> = said.err.lines().collect();
    assert_eq!(
        notes,
        [
            "note: --model.batch_size: ignored, the data module's batch_size is used",
            "note: --data.num_workers: ignored, tokenising runs ahead on a thread of its own",
            "note: --trainer.precision: ignored, everything is computed in 32-bit floats",
        ]
    );
}
