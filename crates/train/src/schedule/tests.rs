//! Schedules against the references.

use super::*;

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

/// The schedule of a golden case; none for the constant rate, which needs no schedule.
fn of_case(case: &serde_json::Value) -> Option<LrScheduler> {
    let settings = &case["settings"];
    let number = |key: &str, default: f64| settings[key].as_f64().unwrap_or(default);
    let warmup = warmup(
        settings["num_warmup_steps"].as_u64(),
        settings["warmup_ratio"].as_f64(),
    );
    Some(match case["scheduler"].as_str()? {
        "ConstantWithWarmup" => LrScheduler::ConstantWithWarmup(ConstantWithWarmup { warmup }),
        "LinearWithWarmup" => LrScheduler::LinearWithWarmup(LinearWithWarmup { warmup }),
        "CosineWithWarmup" => LrScheduler::CosineWithWarmup(CosineWithWarmup { warmup }),
        "StepLR" => LrScheduler::StepLR(StepLR {
            step_size: settings["step_size"].as_u64().unwrap(),
            gamma: number("gamma", 0.1),
            last_epoch: -1,
        }),
        "LinearLR" => {
            let default = LinearLR::default();
            LrScheduler::LinearLR(LinearLR {
                start_factor: number("start_factor", default.start_factor),
                end_factor: number("end_factor", default.end_factor),
                total_iters: settings["total_iters"]
                    .as_u64()
                    .unwrap_or(default.total_iters),
                last_epoch: default.last_epoch,
            })
        }
        other => panic!("{other}"),
    })
}

#[test]
fn every_step_of_every_schedule_is_the_references() {
    let golden = include_str!("../../../../tests/golden/training/schedules.json");
    let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
    let mut compared = 0;
    for (name, case) in golden["cases"].as_object().unwrap() {
        let Some(schedule) = of_case(case) else {
            continue;
        };
        let total = case["total_steps"].as_u64();
        for (step, expected) in case["multipliers"].as_array().unwrap().iter().enumerate() {
            let found = schedule.multiplier(step as u64, total).unwrap();
            let expected = expected.as_f64().unwrap();
            assert!(
                (found - expected).abs() < 1e-12,
                "{name} at {step}: {found}, not {expected}"
            );
            compared += 1;
        }
    }
    assert!(compared >= 500);
}

#[test]
fn a_last_epoch_starts_the_schedule_later() {
    let late = LrScheduler::StepLR(StepLR {
        step_size: 3,
        gamma: 0.5,
        last_epoch: 4,
    });
    assert_eq!(late.multiplier(0, None), Ok(0.5));
    assert_eq!(late.multiplier(1, None), Ok(0.25));
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
    let error = LrScheduler::ConstantWithWarmup(share)
        .multiplier(0, None)
        .unwrap_err();
    assert!(error.to_string().contains("max_epochs"), "{error}");

    let steps = ConstantWithWarmup {
        warmup: warmup(Some(2), None),
    };
    assert_eq!(
        LrScheduler::ConstantWithWarmup(steps).multiplier(1, None),
        Ok(0.5)
    );
    let linear = LinearWithWarmup {
        warmup: warmup(Some(2), None),
    };
    assert!(
        LrScheduler::LinearWithWarmup(linear)
            .multiplier(5, None)
            .is_err()
    );
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
        let error = schedule.multiplier(1, Some(10)).unwrap_err().to_string();
        assert!(error.contains(argument), "{error}");
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
        notes,
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
