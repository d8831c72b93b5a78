//! Plans against the rhythms they should keep.

use super::*;
use crate::settings::CSVLogger;

fn plan(trainer: Trainer) -> Plan {
    trainer.plan().unwrap().0
}

#[test]
fn training_ends_even_if_nobody_says_when() {
    let unset = Trainer::default();
    let endless = Trainer {
        max_epochs: Some(-1),
        ..Trainer::default()
    };
    for (trainer, part) in [(unset, "neither"), (endless, "no end")] {
        let (plan, notes) = trainer.plan().unwrap();
        assert_eq!((plan.max_epochs, plan.max_steps), (Some(1), None));
        assert!(notes.len() == 1 && notes[0].contains(part), "{notes:?}");
    }
    let steps = Trainer {
        max_steps: 100,
        ..Trainer::default()
    };
    let (plan, notes) = steps.plan().unwrap();
    assert_eq!(
        (plan.max_epochs, plan.max_steps, notes.len()),
        (None, Some(100), 0)
    );
}

#[test]
fn steps_count_the_last_incomplete_accumulation() {
    let trainer = Trainer {
        max_epochs: Some(3),
        accumulate_grad_batches: 4,
        ..Trainer::default()
    };
    assert_eq!(plan(trainer.clone()).steps_in_epoch(10), 3);
    assert_eq!(plan(trainer.clone()).total_steps(10), Some(9));
    let steps = Trainer {
        max_steps: 7,
        ..trainer.clone()
    };
    assert_eq!(plan(steps).total_steps(10), Some(7));
    let part = Trainer {
        limit_train_batches: Some(Amount::Fraction(0.5)),
        ..trainer
    };
    assert_eq!(plan(part).total_steps(10), Some(6));
}

/// The batches, counted from 1 across epochs, after which this trainer validates.
fn validations(trainer: Trainer, epochs: u64, batches: u64) -> Vec<u64> {
    let plan = plan(trainer);
    let interval = plan.validation_interval(batches).unwrap();
    let all = (0..epochs * batches)
        .filter(|at| plan.validates_after(at / batches, at % batches, at + 1, interval));
    all.map(|at| at + 1).collect()
}

#[test]
fn validation_keeps_its_rhythm_within_or_across_epochs() {
    let default = Trainer::default();
    assert_eq!(validations(default.clone(), 3, 10), [10, 20, 30]);
    let quarters = Trainer {
        val_check_interval: Some(Amount::Fraction(0.25)),
        ..default.clone()
    };
    assert_eq!(validations(quarters, 1, 10), [2, 4, 6, 8, 10]);
    let fours = Trainer {
        val_check_interval: Some(Amount::Count(4)),
        ..default.clone()
    };
    assert_eq!(validations(fours.clone(), 2, 10), [4, 8, 14, 18]);
    let across = Trainer {
        check_val_every_n_epoch: None,
        ..fours
    };
    assert_eq!(validations(across, 2, 10), [4, 8, 12, 16, 20]);
    let second = Trainer {
        check_val_every_n_epoch: Some(2),
        ..default
    };
    assert_eq!(validations(second, 5, 10), [20, 40]);
}

#[test]
fn an_interval_longer_than_the_epoch_is_refused_unless_it_counts_across() {
    let trainer = Trainer {
        val_check_interval: Some(Amount::Count(500)),
        ..Trainer::default()
    };
    let error = plan(trainer.clone()).validation_interval(94).unwrap_err();
    assert_eq!(
        error.to_string(),
        "trainer.val_check_interval: 500 is more than the 94 batches of an epoch; \
         set check_val_every_n_epoch to null to count across epochs"
    );
    let across = Trainer {
        check_val_every_n_epoch: None,
        ..trainer
    };
    assert_eq!(plan(across).validation_interval(94), Ok(500));
}

#[test]
fn callbacks_learn_the_rhythm_of_validation() {
    let default = Trainer::default();
    assert_eq!(plan(default.clone()).validation(5), Validation::EveryEpoch);
    assert_eq!(plan(default.clone()).validation(0), Validation::Never);
    let none = Trainer {
        limit_val_batches: Some(Amount::Count(0)),
        ..default.clone()
    };
    assert_eq!(plan(none).validation(5), Validation::Never);
    let half = Trainer {
        val_check_interval: Some(Amount::Fraction(0.5)),
        ..default
    };
    assert_eq!(plan(half).validation(5), Validation::Otherwise);
}

#[test]
fn a_rehearsal_is_short_and_keeps_nothing() {
    let trainer = Trainer {
        fast_dev_run: FastDevRun(2),
        max_epochs: Some(30),
        ..Trainer::default()
    };
    let plan = plan(trainer);
    assert_eq!(plan.total_steps(100), Some(2));
    assert_eq!(plan.limits.val.of(100), 2);
    assert!(plan.rehearsal && !plan.checkpoints && !plan.log);
}

#[test]
fn a_clip_of_zero_clips_nothing() {
    let clip = |value| {
        plan(Trainer {
            gradient_clip_val: value,
            ..Trainer::default()
        })
        .clip
    };
    assert_eq!(
        [clip(None), clip(Some(0.0)), clip(Some(0.1))],
        [None, None, Some(Clip::Norm(0.1))]
    );
}

#[test]
fn a_table_with_a_place_of_its_own_moves_the_runs_there() {
    let table = |save_dir: Option<&str>, name: Option<&str>| {
        let table = CSVLogger {
            save_dir: save_dir.map(PathBuf::from),
            name: name.map(str::to_owned),
            version: None,
        };
        plan(Trainer {
            logger: Logging::By(vec![table.into()]),
            ..Trainer::default()
        })
        .root
    };
    assert_eq!(plan(Trainer::default()).root, PathBuf::from("logs"));
    assert_eq!(table(None, Some("a")), PathBuf::from("logs/a"));
    assert_eq!(table(Some("b"), None), PathBuf::from("b"));
}

#[test]
fn settings_out_of_range_are_refused_by_key() {
    let default = Trainer::default;
    for (trainer, key) in [
        (
            Trainer {
                max_steps: -2,
                ..default()
            },
            "max_steps",
        ),
        (
            Trainer {
                max_epochs: Some(-5),
                ..default()
            },
            "max_epochs",
        ),
        (
            Trainer {
                accumulate_grad_batches: 0,
                ..default()
            },
            "accumulate_grad_batches",
        ),
        (
            Trainer {
                log_every_n_steps: Some(0),
                ..default()
            },
            "log_every_n_steps",
        ),
        (
            Trainer {
                check_val_every_n_epoch: Some(0),
                ..default()
            },
            "check_val_every_n_epoch",
        ),
        (
            Trainer {
                val_check_interval: Some(Amount::Count(0)),
                ..default()
            },
            "val_check_interval",
        ),
        (
            Trainer {
                gradient_clip_val: Some(-1.0),
                ..default()
            },
            "gradient_clip_val",
        ),
        (
            Trainer {
                gradient_clip_val: Some(f64::NAN),
                ..default()
            },
            "gradient_clip_val",
        ),
    ] {
        let error = trainer.plan().unwrap_err().to_string();
        assert!(error.starts_with(&format!("trainer.{key}: ")), "{error}");
    }
}
