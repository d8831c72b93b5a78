//! Schedules against the references.

use super::*;
use crate::callback::{Moment, Validation};

fn warmup(steps: Option<u64>, ratio: Option<f64>) -> Warmup {
    Warmup {
        warmup_ratio: ratio,
        num_warmup_steps: steps,
        last_epoch: -1,
    }
}

fn step_lr(step_size: u64) -> LrScheduler {
    LrScheduler::StepLR(StepLR {
        step_size,
        gamma: 0.1,
        last_epoch: -1,
    })
}

fn golden(file: &str) -> serde_json::Map<String, serde_json::Value> {
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    file["cases"].as_object().unwrap().clone()
}

/// JSON as an experiment file would have it.
fn read<T: engraft_component::FromNode>(json: &serde_json::Value) -> T {
    let text = json.to_string();
    let node = engraft_component::read_yaml(text.as_bytes(), "golden.json").unwrap();
    engraft_component::decode(&node).unwrap().0
}

fn numbers(json: &serde_json::Value) -> impl Iterator<Item = f64> {
    let numbers = json.as_array().unwrap().iter();
    numbers.map(|number| number.as_f64().unwrap())
}

/// The factor of a schedule.
fn factor(schedule: &LrScheduler, step: u64, total: Option<u64>) -> Result<f64, Refusal> {
    let base = 1.0;
    schedule.rate(Point { step, total, base })
}

#[test]
fn every_step_of_every_schedule_is_the_references() {
    let mut compared = 0;
    let mut classes = std::collections::BTreeSet::new();
    let cases = golden(include_str!(
        "../../../../tests/golden/training/schedules.json"
    ));
    for (name, case) in &cases {
        let schedule: LrScheduler = read(&case["schedule"]);
        classes.insert(schedule.name());
        let base = case["base"].as_f64().unwrap();
        let total = case["total"].as_u64();
        for (step, expected) in (0..).zip(numbers(&case["rates"])) {
            let found = schedule.rate(Point { step, total, base }).unwrap();
            // The reference goes from step to step, and its rounding errors add up.
            assert!(
                (found - expected).abs() <= 1e-12 * expected.max(base * 1e-3),
                "{name} at {step}: {found}, not {expected}"
            );
            compared += 1;
        }
        let momenta = case.get("momenta");
        assert_eq!(schedule.moves_momentum(), momenta.is_some(), "{name}");
        for (step, expected) in (0..).zip(momenta.into_iter().flat_map(numbers)) {
            let found = schedule.momentum(Point { step, total, base }).unwrap();
            let found = found.unwrap();
            assert!(
                (found - expected).abs() <= 1e-12,
                "{name} at {step}: the momentum is {found}, not {expected}"
            );
        }
    }
    assert!(compared >= 1500);
    // All but the one that follows a metric.
    assert_eq!(classes.len(), LrScheduler::variants().len() - 1);
}

#[test]
fn a_plateau_lowers_the_rate_when_the_reference_does() {
    let cases = golden(include_str!(
        "../../../../tests/golden/training/plateaus.json"
    ));
    assert!(cases.len() >= 10);
    for (name, case) in &cases {
        let settings: ReduceLROnPlateau = read(&case["settings"]);
        let base = case["base"].as_f64().unwrap();
        let mut plateau = Plateau::new(&settings, base, &["val_loss"]).unwrap();
        for (look, (value, expected)) in numbers(&case["values"])
            .zip(numbers(&case["rates"]))
            .enumerate()
        {
            // A checkpoint between any two looks changes nothing.
            let saved = serde_json::to_string(plateau.state()).unwrap();
            plateau = Plateau::new(&settings, base, &["val_loss"]).unwrap();
            plateau.restore(serde_json::from_str(&saved).unwrap());
            plateau.observe(&[("val_loss".to_owned(), value)]);
            let found = plateau.rate();
            assert!(
                (found - expected).abs() <= 1e-12 * expected,
                "{name} at {look}: {found}, not {expected}"
            );
        }
    }
}

#[test]
fn a_plateau_looks_at_its_metric_where_that_is_fresh() {
    let of = |monitor: Option<&str>, known: &[&str]| {
        let settings = ReduceLROnPlateau {
            monitor: monitor.map(str::to_owned),
            ..ReduceLROnPlateau::default()
        };
        Plateau::new(&settings, 1.0, known)
    };
    let known = ["train_loss_epoch", "val_loss"];
    let validated = of(None, &known).unwrap();
    assert!(validated.due(Moment::TrainEpochEnd, Validation::EveryEpoch));
    assert!(validated.due(Moment::ValidationEnd, Validation::Otherwise));
    assert!(!validated.due(Moment::TrainEpochEnd, Validation::Otherwise));
    let trained = of(Some("train_loss_epoch"), &known).unwrap();
    assert!(trained.due(Moment::TrainEpochEnd, Validation::Otherwise));
    let untested = of(None, &known[..1]).unwrap();
    assert!(untested.due(Moment::TrainEpochEnd, Validation::Otherwise));
    assert_eq!(
        of(Some("val_f1"), &known).unwrap_err().to_string(),
        "model.lr_scheduler: ReduceLROnPlateau: there is no metric \"val_f1\" to monitor. This run has: train_loss_epoch, val_loss"
    );
}

#[test]
fn a_part_of_a_sequence_is_relative_to_its_own_length() {
    let schedule: LrScheduler = read(&serde_json::json!({
        "class_path": "SequentialLR",
        "init_args": {
            "schedulers": [
                {"class_path": "ConstantLR", "init_args": {"factor": 0.5, "total_iters": 100}},
                {"class_path": "LinearWithWarmup", "init_args": {"warmup_ratio": 0.5}},
            ],
            "milestones": [4],
        }
    }));
    let rates: Vec<f64> = (0..12)
        .map(|step| factor(&schedule, step, Some(12)).unwrap())
        .collect();
    assert_eq!(
        rates,
        [
            0.5, 0.5, 0.5, 0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25
        ]
    );
}

#[test]
fn a_cycle_is_as_long_as_the_run_unless_it_says_otherwise() {
    let one = |total_steps| {
        LrScheduler::OneCycleLR(OneCycleLR {
            total_steps,
            ..read(&serde_json::json!({"max_lr": 0.1}))
        })
    };
    for step in [0, 7, 19] {
        assert_eq!(
            factor(&one(None), step, Some(20)),
            factor(&one(Some(20)), step, None)
        );
    }
    assert!(factor(&one(None), 0, None).is_err());
    let error = factor(&one(Some(20)), 30, Some(31)).unwrap_err();
    assert!(error.to_string().contains("ends after 20 steps"), "{error}");
}

#[test]
fn compositions_that_cannot_be_are_refused() {
    for (schedule, problem) in [
        (
            serde_json::json!({"class_path": "SequentialLR", "init_args": {"schedulers": ["LinearLR"], "milestones": [3]}}),
            "one milestone less",
        ),
        (
            serde_json::json!({"class_path": "SequentialLR", "init_args": {"schedulers": ["LinearLR", "LinearLR", "LinearLR"], "milestones": [3, 3]}}),
            "milestones must rise",
        ),
        (
            serde_json::json!({"class_path": "SequentialLR", "init_args": {"schedulers": [], "milestones": []}}),
            "one milestone less",
        ),
        (
            serde_json::json!({"class_path": "SequentialLR", "init_args": {"schedulers": ["LinearLR", "ReduceLROnPlateau"], "milestones": [3]}}),
            "stands alone",
        ),
        (
            serde_json::json!({"class_path": "ChainedScheduler", "init_args": {"schedulers": [{"class_path": "OneCycleLR", "init_args": {"max_lr": 1}}]}}),
            "OneCycleLR is no factor",
        ),
        (
            serde_json::json!({"class_path": "ChainedScheduler", "init_args": {"schedulers": []}}),
            "schedulers is empty",
        ),
        (
            serde_json::json!({"class_path": "CyclicLR", "init_args": {"base_lr": 0, "max_lr": 1, "scale_fn": "f"}}),
            "scale_fn is Python code",
        ),
        (
            serde_json::json!({"class_path": "OneCycleLR", "init_args": {"max_lr": 1, "epochs": 3}}),
            "epochs and steps_per_epoch go together",
        ),
    ] {
        let error = read::<LrScheduler>(&schedule).check().unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[test]
fn what_is_wrong_with_a_part_is_said_by_its_key() {
    for (part, key) in [
        (
            serde_json::json!({"class_path": "StepLR", "init_args": {"step_size": 0}}),
            "model.lr_scheduler.schedulers[1].step_size",
        ),
        (
            serde_json::json!("ReduceLROnPlateau"),
            "model.lr_scheduler.schedulers[1]",
        ),
        (
            serde_json::json!({"class_path": "ChainedScheduler", "init_args": {"schedulers": [{"class_path": "ConstantLR", "init_args": {"factor": 2}}]}}),
            "model.lr_scheduler.schedulers[1].schedulers[0].factor",
        ),
        (
            serde_json::json!("CosineWithWarmup"),
            "model.lr_scheduler.schedulers[1]",
        ),
    ] {
        let schedule = serde_json::json!({"class_path": "SequentialLR", "init_args": {"schedulers": ["LinearLR", part], "milestones": [3]}});
        let refusal = read::<LrScheduler>(&schedule).check().unwrap_err();
        assert_eq!(refusal.key, key, "{refusal}");
    }
}

#[test]
fn a_last_epoch_starts_the_schedule_later() {
    let late = LrScheduler::StepLR(StepLR {
        step_size: 3,
        gamma: 0.5,
        last_epoch: 4,
    });
    assert_eq!(factor(&late, 0, None), Ok(0.5));
    assert_eq!(factor(&late, 1, None), Ok(0.25));
}

#[test]
fn warm_up_needs_a_length_and_a_share_of_it_needs_an_end() {
    let missing = LrScheduler::CosineWithWarmup(CosineWithWarmup {
        warmup: warmup(None, None),
    });
    let error = missing.check().unwrap_err().to_string();
    assert!(
        error.contains("warmup_ratio or num_warmup_steps"),
        "{error}"
    );

    let share = ConstantWithWarmup {
        warmup: warmup(None, Some(0.1)),
    };
    let error = factor(&LrScheduler::ConstantWithWarmup(share), 0, None).unwrap_err();
    assert!(error.to_string().contains("max_epochs"), "{error}");

    let steps = ConstantWithWarmup {
        warmup: warmup(Some(2), None),
    };
    assert_eq!(
        factor(&LrScheduler::ConstantWithWarmup(steps), 1, None),
        Ok(0.5)
    );
    let linear = LinearWithWarmup {
        warmup: warmup(Some(2), None),
    };
    assert!(factor(&LrScheduler::LinearWithWarmup(linear), 5, None).is_err());
}

#[test]
fn arguments_out_of_range_are_named() {
    let linear = |start_factor, end_factor, total_iters| {
        LrScheduler::LinearLR(LinearLR {
            start_factor,
            end_factor,
            total_iters,
            last_epoch: -1,
        })
    };
    let ratio = CosineWithWarmup {
        warmup: warmup(None, Some(f64::NAN)),
    };
    let early = StepLR {
        step_size: 1,
        gamma: 0.1,
        last_epoch: -2,
    };
    for (schedule, argument) in [
        (step_lr(0), "step_size"),
        (linear(0.0, 1.0, 5), "start_factor"),
        (linear(0.5, 1.5, 5), "end_factor"),
        (linear(0.5, 1.0, 0), "total_iters"),
        (LrScheduler::CosineWithWarmup(ratio), "warmup_ratio"),
        (LrScheduler::StepLR(early), "last_epoch"),
    ] {
        let error = factor(&schedule, 1, Some(10)).unwrap_err();
        assert_eq!(error.key, format!("model.lr_scheduler.{argument}"));
        assert!(error.to_string().contains(argument), "{error}");
    }
}

#[test]
fn a_rate_that_vanishes_in_the_first_epoch_is_noticed() {
    assert_eq!(step_lr(1).vanishes_within(100, None), Ok(Some(5)));
    assert_eq!(step_lr(30).vanishes_within(100, None), Ok(None));
    let cosine = CosineWithWarmup {
        warmup: warmup(Some(0), None),
    };
    assert_eq!(
        LrScheduler::CosineWithWarmup(cosine).vanishes_within(100, Some(99)),
        Ok(None)
    );
}

#[test]
fn schedules_read_as_experiment_files_write_them() {
    let read = |text: &str| {
        let node = engraft_component::read_yaml(text.as_bytes(), "a.yaml").unwrap();
        engraft_component::decode::<LrScheduler>(&node).map_err(|error| error.to_string())
    };
    let (schedule, notes) = read(
        "class_path: modelgenerator.lr_schedulers.CosineWithWarmup\n\
         init_args: {warmup_ratio: 0.05, num_warmup_steps: null, last_epoch: -1, verbose: false}",
    )
    .unwrap();
    let warmup = warmup(None, Some(0.05));
    assert_eq!(schedule, CosineWithWarmup { warmup }.into());
    assert_eq!(
        notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["a.yaml:2: init_args.verbose: ignored, the learning rate is in the log"]
    );

    let (schedule, _) =
        read("class_path: torch.optim.lr_scheduler.StepLR\ninit_args: {step_size: 1, gamma: 0.1}")
            .unwrap();
    assert_eq!(schedule, step_lr(1));
    assert_eq!(read("LinearLR").unwrap().0, LinearLR::default().into());
    assert!(read("StepLR").unwrap_err().contains("step_size: missing"));
    assert!(
        read("CosineWithWarmpu")
            .unwrap_err()
            .contains("\"CosineWithWarmup\"")
    );
}
