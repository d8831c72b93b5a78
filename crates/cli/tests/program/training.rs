//! Optimizers, schedules and gradual unfreezing from the command line, and that runs with them resume to the same bits.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::{Said, Workplace};

/// Steps of an epoch: the rows of `train.tsv` that are not held out, in batches of four.
const STEPS: usize = 5;

/// The checkpoints of the first run in `root`, by the name of their folder.
fn checkpoints(place: &Workplace, root: &str) -> BTreeMap<String, PathBuf> {
    let folder = place.path(&format!("{root}/version_0/checkpoints"));
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect()
}

/// The values of a column of the log, where it has any.
fn column(place: &Workplace, root: &str, name: &str) -> Vec<f64> {
    let log = place.read(&format!("{root}/version_0/metrics.csv"));
    let mut rows = log.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let at = header.iter().position(|column| *column == name).unwrap();
    rows.filter_map(|row| row.get(at)?.parse().ok()).collect()
}

/// The tensors of a checkpoint.
fn weights(folder: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(folder.join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors = tensors.tensors().into_iter();
    tensors
        .map(|(name, tensor)| (name, tensor.data().to_vec()))
        .collect()
}

fn refused(place: &Workplace, words: &str, wanted: &str) {
    let Said { code, err, .. } = place.run(words);
    assert_eq!(code, Some(2), "{words}: {err}");
    assert!(err.contains(wanted), "{words}: {err}");
}

#[test]
fn every_optimizer_with_state_resumes_to_the_same_bits_in_the_middle_of_an_epoch() {
    let place = Workplace::new();
    place.write(
        "ft.yaml",
        "0: [adapter.*]\n1: ['backbone.encoder.encoder.layer.1.*']\n2: [backbone.*]\n",
    );
    let variants = [
        "--model.optimizer SGD --model.optimizer.momentum 0.9 --model.optimizer.lr 0.05",
        "--model.optimizer Adafactor --model.optimizer.layer_decay 0.8",
        "--model.optimizer.amsgrad true --model.optimizer.exclude_norm_and_bias true",
        "--model.optimizer RMSprop --model.optimizer.centered true --model.optimizer.lr 1e-4",
        "--model.lr_scheduler ReduceLROnPlateau --model.lr_scheduler.patience 0 --model.lr_scheduler.threshold_mode abs --model.lr_scheduler.threshold 10",
        "--trainer.callbacks FTScheduler --trainer.callbacks.ft_schedule_path ft.yaml",
    ];
    // Within the second epoch, and at the end of it, where the next one frees more.
    for (variant, stop) in variants.iter().zip([7, 10].into_iter().cycle()) {
        let fit = format!("fit -c fit.yaml {variant} --trainer.max_epochs 4");
        for root in ["whole", "parts"] {
            let _ = fs::remove_dir_all(place.path(root));
        }
        place.succeed(&format!("{fit} --trainer.default_root_dir whole"));
        let part = format!("{fit} --trainer.default_root_dir parts");
        place.succeed(&format!("{part} --trainer.max_steps {stop}"));
        place.succeed(&format!("{part} --ckpt_path last"));

        let log = "version_0/metrics.csv";
        assert_eq!(
            place.read(&format!("whole/{log}")),
            place.read(&format!("parts/{log}")),
            "{variant}"
        );
        let whole = checkpoints(&place, "whole");
        let parts = checkpoints(&place, "parts");
        let name = format!("epoch=3-step={}", 4 * STEPS);
        for file in ["model.safetensors", "training/optimizer.safetensors"] {
            assert!(
                fs::read(whole[&name].join(file)).unwrap()
                    == fs::read(parts[&name].join(file)).unwrap(),
                "{variant}: {file}"
            );
        }
    }
    let _ = fs::remove_dir_all(place.path("plateau"));
    let plateau = variants[4];
    place.succeed(&format!(
        "fit -c fit.yaml {plateau} --trainer.max_epochs 3 --trainer.log_every_n_steps 1 --trainer.default_root_dir plateau"
    ));
    // The first look is an improvement on nothing; the second is none on the first.
    let rates = column(&place, "plateau", "lr");
    let wanted = [[1e-3; STEPS], [1e-3; STEPS], [1e-4; STEPS]].concat();
    let near = |(rate, wanted): (&f64, &f64)| (rate - wanted).abs() < 1e-9;
    assert!(
        rates.len() == 15 && rates.iter().zip(&wanted).all(near),
        "{rates:?}"
    );
}

#[test]
fn a_state_that_the_optimizer_does_not_keep_as_it_is_set_now_is_refused() {
    let place = Workplace::new();
    place.succeed("fit -c fit.yaml --model.optimizer SGD --trainer.max_epochs 1");
    let again = "fit -c fit.yaml --ckpt_path last --model.optimizer SGD";
    refused(
        &place,
        &format!("{again} --model.optimizer.momentum 0.9"),
        "lacks \"momentum\", which SGD keeps as it is set now; model.reset_optimizer_states: true starts the optimizer anew",
    );
    place.succeed(&format!(
        "{again} --model.optimizer.momentum 0.9 --model.reset_optimizer_states true"
    ));
    let other =
        "fit -c fit.yaml --ckpt_path last --model.optimizer Adafactor --trainer.max_epochs 3";
    refused(&place, other, "started with the optimizer SGD");
    place.succeed(&format!("{other} --model.reset_optimizer_states true"));
    place.succeed("fit -c fit.yaml --model.optimizer.amsgrad true --trainer.max_epochs 1");
    refused(
        &place,
        "fit -c fit.yaml --ckpt_path last",
        "hold more than AdamW keeps",
    );
}

#[test]
fn a_schedule_file_frees_more_of_the_model_from_epoch_to_epoch() {
    let place = Workplace::new();
    place.write(
        "ft.yaml",
        "2: [bert.embeddings.word_embeddings]\n0: adapter.*\n1:\n- 'backbone\\.encoder\\.encoder\\.layer\\.1\\.'\n- backbone.encoder.layer.0.output\n",
    );
    let said = place.run(
        "fit -c fit.yaml --trainer.max_epochs 3 --trainer.callbacks+=ModelCheckpoint --trainer.callbacks.save_top_k -1 \
         --trainer.callbacks+=FTScheduler --trainer.callbacks.ft_schedule_path ft.yaml",
    );
    assert_eq!(said.code, Some(0), "{}", said.err);
    for epoch in 0..3 {
        let note = format!("weights are trained from epoch {epoch} on");
        assert!(said.err.contains(&note), "{}", said.err);
    }
    let kept = checkpoints(&place, "logs");
    let mut before = weights(&place.path("tiny"));
    let moved: Vec<Vec<String>> = (0..3)
        .map(|epoch| {
            let name = format!("epoch={epoch}-step={}", (epoch + 1) * STEPS);
            let now = weights(&kept[&name]);
            let moved = now.iter().filter(|(name, now)| before[*name] != **now);
            let moved = moved.map(|(name, _)| name.clone()).collect();
            before = now;
            moved
        })
        .collect();
    let is_head = |name: &str| name.starts_with("classifier.") || name.contains(".pooler.");
    assert!(moved[0].iter().all(|name| is_head(name)), "{:?}", moved[0]);
    assert_eq!(moved[0].len(), 4);
    let freed = |name: &str| {
        is_head(name)
            || name.starts_with("bert.encoder.layer.1.")
            || name.starts_with("bert.encoder.layer.0.output.")
    };
    assert!(moved[1].iter().all(|name| freed(name)), "{:?}", moved[1]);
    assert!(moved[1].len() > 15, "{:?}", moved[1]);
    let embedding = "bert.embeddings.word_embeddings.weight";
    assert!(
        moved[2].iter().all(|name| freed(name) || name == embedding),
        "{:?}",
        moved[2]
    );
    assert!(moved[2].iter().any(|name| name == embedding));
}

#[test]
fn an_expression_that_matches_nothing_is_refused_with_the_nearest_name() {
    let place = Workplace::new();
    let fit = "fit -c fit.yaml --trainer.callbacks FTScheduler --trainer.callbacks.ft_schedule_path ft.yaml";
    for (schedule, error) in [
        (
            "0: [adapter.*]\n1: [backbone.encoder.encodr.layer.1.*]\n",
            "ft.yaml:2: 1: \"backbone.encoder.encodr.layer.1.*\" matches no module that can be trained. Did you mean \"backbone.encoder.encoder.layer.1\"?",
        ),
        (
            "0: [head]\n",
            "ft.yaml:1: 0: \"head\" matches no module that can be trained. Did you mean \"adapter\"?",
        ),
        ("1: [adapter]\n", "ft.yaml:1: nothing is trained in epoch 0"),
    ] {
        place.write("ft.yaml", schedule);
        refused(&place, fit, error);
    }
    assert!(!place.path("logs").exists());
    // What the model would not train anyway cannot be freed.
    place.write("ft.yaml", "0: [adapter.*]\n1: [backbone.*]\n");
    refused(
        &place,
        &format!("{fit} --model.backbone.frozen true"),
        "\"backbone.*\" matches no module that can be trained",
    );
    place.succeed(&format!("{fit} --model.backbone.use_peft true"));
}

#[test]
fn schedules_within_schedules_are_given_in_a_file_and_on_the_command_line() {
    let place = Workplace::new();
    let fit = "fit -c fit.yaml --trainer.max_epochs 2 --trainer.log_every_n_steps 1";
    place.write(
        "schedule.yaml",
        "model:
  init_args:
    lr_scheduler:
      class_path: torch.optim.lr_scheduler.SequentialLR
      init_args:
        schedulers:
        - {class_path: torch.optim.lr_scheduler.ConstantLR, init_args: {factor: 0.5, total_iters: 100}}
        - {class_path: torch.optim.lr_scheduler.ExponentialLR, init_args: {gamma: 0.5}}
        milestones: [3]
",
    );
    place.succeed(&format!(
        "{fit} -c schedule.yaml --trainer.default_root_dir file"
    ));
    let rates = column(&place, "file", "lr");
    let wanted = [
        0.5, 0.5, 0.5, 1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625,
    ];
    let near = |(rate, wanted): (&f64, &f64)| (rate - 1e-3 * wanted).abs() < 1e-9;
    assert!(
        rates.len() == 10 && rates.iter().zip(&wanted).all(near),
        "{rates:?}"
    );
    place.succeed(&format!(
        "{fit} --model.lr_scheduler CosineAnnealingLR --model.lr_scheduler.T_max 10 --model.lr_scheduler.eta_min 1e-4 --trainer.default_root_dir option"
    ));
    let rates = column(&place, "option", "lr");
    assert!(
        (rates[0] - 1e-3).abs() < 1e-9 && (rates[5] - 5.5e-4).abs() < 1e-9,
        "{rates:?}"
    );
}

#[test]
fn a_class_whose_only_row_is_held_out_is_a_class_of_the_model() {
    let place = Workplace::new();
    let rows: Vec<String> = (0..24).map(|row| format!("a w{row}\tn{row}\n")).collect();
    place.write("rare.tsv", &format!("sequences\tlabels\n{}", rows.concat()));
    let fit = "fit -c fit.yaml --model.use_legacy_adapter false --trainer.max_epochs 1 --data.path rare.tsv";
    place.succeed(&format!("{fit} --model.n_classes 24"));
    refused(
        &place,
        &format!("{fit} --model.n_classes 23"),
        "model.n_classes: 23 given, but the training labels have 24 names",
    );
}

#[test]
fn a_test_of_rows_that_were_trained_on_says_so() {
    let place = Workplace::new();
    place.succeed("fit -c fit.yaml --trainer.max_epochs 1");
    let note =
        "note: data.path: every row of train.tsv is scored, those that logs/version_0/checkpoints/";
    let said = place.run("test -c fit.yaml --ckpt_path last");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains(note), "{}", said.err);
    place.write("other.tsv", &place.read("train.tsv"));
    let said = place.run("test -c fit.yaml --ckpt_path last --data.path other.tsv");
    assert!(!said.err.contains("every row of"), "{}", said.err);
}
