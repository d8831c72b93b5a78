//! What the keys of the trainer do to a run.

use crate::Workplace;

#[test]
fn a_run_whose_time_is_over_is_saved_and_goes_on_with_more() {
    let place = Workplace::new();
    let fit = "fit -c fit.yaml --trainer.max_epochs null --trainer.log_every_n_steps 1 --trainer.max_time";
    let said = place.run(&format!("{fit} soon"));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err
            .contains("trainer.max_time: expected a span of time above 0 as DD:HH:MM:SS"),
        "{}",
        said.err
    );
    let words: Vec<&str> = fit.split_whitespace().collect();
    let said = place.run_words(&[&words[..], &["{seconds: 0.5}"]].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err
            .contains("of trainer.max_time are over; ckpt_path: last"),
        "{}",
        said.err
    );
    assert!(said.out.contains("test_loss"), "{}", said.out);
    // The time that it had counts.
    let again = place.run_words(&[&words[..], &["{seconds: 0.5}", "--ckpt_path", "last"]].concat());
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(
        again.err.contains("of trainer.max_time are over"),
        "{}",
        again.err
    );
    let steps = |text: &str| -> u64 {
        let line = text
            .lines()
            .find(|line| line.starts_with("stopped after "))
            .unwrap();
        line.split(' ').nth(2).unwrap().parse().unwrap()
    };
    // A checkpoint may have been saved a moment before the time was over.
    assert!(steps(&again.err) <= steps(&said.err) + 10, "{}", again.err);
    let more = steps(&again.err) + 3;
    let on = place.run(&format!(
        "fit -c fit.yaml --trainer.max_epochs 1000000 --trainer.max_steps {more} --trainer.max_time 00:00:20:00 --ckpt_path last"
    ));
    assert_eq!(on.code, Some(0), "{on:?}");
    assert!(!on.err.contains("are over"), "{}", on.err);
}

#[test]
fn a_loss_that_is_no_number_is_traced_to_its_place_where_that_is_wanted() {
    let place = Workplace::new();
    let fit = "fit -c fit.yaml --model.optimizer.lr 1e30 --trainer.max_epochs 3";
    let said = place.run(fit);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err
            .contains("trainer.detect_anomaly: true finds where"),
        "{}",
        said.err
    );
    let said = place.run(&format!("{fit} --trainer.detect_anomaly true"));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains(", first in the "), "{}", said.err);
    let sound = "fit -c fit.yaml --trainer.default_root_dir";
    let plain = place.succeed(&format!("{sound} plain"));
    assert_eq!(
        place.succeed(&format!("{sound} watched --trainer.detect_anomaly true")),
        plain
    );
}

#[test]
fn clipping_by_value_trains_otherwise_than_by_norm_and_a_wide_limit_not_at_all() {
    let place = Workplace::new();
    let loss = |words: &str| {
        let scores = place.succeed(&format!("fit -c fit.yaml {words}"));
        scores
            .lines()
            .find(|line| line.starts_with("test_loss"))
            .unwrap()
            .to_owned()
    };
    let free = loss("");
    let value = "--trainer.gradient_clip_algorithm value --trainer.gradient_clip_val";
    assert_eq!(loss(&format!("{value} 1e6")), free);
    let held = loss(&format!("{value} 1e-3"));
    assert_ne!(held, free);
    assert_ne!(held, loss("--trainer.gradient_clip_val 1e-3"));
}

#[test]
fn rhythms_of_validation_and_checkpoints_are_kept() {
    let place = Workplace::new();
    place.write(
        "callbacks.yaml",
        "trainer:\n  callbacks:\n  - {class_path: ModelCheckpoint, init_args: {every_n_epochs: 2, save_top_k: -1, filename: 'e{epoch}', auto_insert_metric_name: false, save_last: true}}\n  \
         - {class_path: ModelCheckpoint, init_args: {every_n_train_steps: 5, save_top_k: -1, filename: 's{step}', auto_insert_metric_name: false, save_weights_only: true}}\n  \
         - {class_path: ModelCheckpoint, init_args: {train_time_interval: {seconds: 0.000001}, filename: clock}}\n",
    );
    place.succeed("fit -c fit.yaml -c callbacks.yaml --trainer.max_epochs 4 --trainer.check_val_every_n_epoch 2");
    let folder = place.path("logs/version_0/checkpoints");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let by_epoch: Vec<&String> = names.iter().filter(|name| name.starts_with('e')).collect();
    assert_eq!(by_epoch, ["e1", "e3"]);
    assert!(
        names.contains(&"last".to_owned()) && names.contains(&"s5".to_owned()),
        "{names:?}"
    );
    assert!(
        names.iter().any(|name| name.starts_with("clock")),
        "{names:?}"
    );
    let optimizer = |name: &str| {
        folder
            .join(name)
            .join("training/optimizer.safetensors")
            .exists()
    };
    assert!(optimizer("e1") && optimizer("last") && !optimizer("s5"));
    let log = place.read("logs/version_0/metrics.csv");
    let at = log
        .lines()
        .next()
        .unwrap()
        .split(',')
        .position(|name| name == "val_loss")
        .unwrap();
    let validated = log
        .lines()
        .skip(1)
        .filter(|row| !row.split(',').nth(at).unwrap().is_empty());
    let epochs: Vec<&str> = validated
        .map(|row| row.split(',').next().unwrap())
        .collect();
    assert_eq!(epochs, ["1", "3"]);
}
