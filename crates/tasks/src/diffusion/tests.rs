//! The mathematics of masked diffusion on the cases of `tests/golden/diffusion`, whose draws are given.

use std::cell::RefCell;

use burn::tensor::{Device, Tensor, TensorData};
use engraft_kernels::Key;
use serde_json::Value;

use super::*;
use crate::masking::chosen;

fn cases(name: &str) -> Vec<Value> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/diffusion/cases.json"
    );
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(file["smoothing"].as_f64(), Some(SMOOTHING));
    file[name].as_array().unwrap().clone()
}

fn count(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn whole(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|it| it as usize).collect()
}

fn floats(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|it| it as f32).collect()
}

#[track_caller]
fn close(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() <= 1e-5 * expected.abs().max(1.0),
        "{what}: {found} instead of {expected}"
    );
}

#[test]
fn the_same_tokens_are_masked_for_the_same_draws() {
    for case in cases("noise") {
        let drawn = numbers(&case["uniform"]);
        let tokens = count(&case["count"]);
        let time = time(count(&case["copy"]), count(&case["copies"]), drawn[0]);
        assert!((time - case["time"].as_f64().unwrap()).abs() < 1e-12);
        assert_eq!(masked(tokens, time), count(&case["masked"]));
        let places = chosen((0..tokens).collect(), masked(tokens, time), |draw| {
            drawn[1 + draw as usize]
        });
        assert_eq!(places, whole(&case["places"]));
    }
}

#[test]
fn every_number_of_masked_tokens_is_as_likely_for_the_bound() {
    let draws = 4;
    let mut counts = [0; 6];
    for draw in 0..draws {
        for step in 0..600 {
            let drawn = (f64::from(step) + 0.5) / 600.0;
            counts[stratum(6, draw, draws, drawn) - 1] += 1;
        }
    }
    assert_eq!(counts, [400; 6]);
    assert_eq!(stratum(0, 0, draws, 0.5), 0);
}

#[test]
fn the_loss_of_noised_rows_and_its_gradient_are_those_of_the_formula() {
    let device = Device::flex().autodiff();
    for case in cases("loss") {
        let vocabulary = count(&case["vocabulary"]);
        let logits = floats(&case["logits"]);
        let shape = [logits.len() / vocabulary, vocabulary];
        let logits = Tensor::<2>::from_data(TensorData::new(logits, shape), &device).require_grad();
        let targets: Vec<u32> = whole(&case["targets"])
            .into_iter()
            .map(|it| it as u32)
            .collect();
        let mut weights = numbers(&case["weights"]);
        if case["normalize"].as_bool().unwrap() {
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
        }
        let sites = case["sites"].as_array().unwrap();
        let of_sites = sites.iter().zip(&weights).flat_map(|(sites, weight)| {
            let sites = sites.as_array().unwrap().len();
            std::iter::repeat_n((weight / sites as f64) as f32, sites)
        });
        let of_sites: Vec<f32> = of_sites.collect();
        let of_sites = TensorData::new(of_sites, [shape[0], 1]);
        let of_sites = Tensor::<2>::from_data(of_sites, &device);
        let rows = sites
            .iter()
            .filter(|sites| !sites.as_array().unwrap().is_empty())
            .count();
        let Smoothed { losses, plain } = smoothed(logits.clone(), &targets);
        let loss = (losses * of_sites).sum() / rows as f64;
        close(
            loss.clone().into_scalar::<f32>().into(),
            case["loss"].as_f64().unwrap(),
            "loss",
        );
        let plain: Vec<f32> = plain.inner().into_data().iter().collect();
        let hits: f32 = plain.chunks(2).map(|site| site[1]).sum();
        let expected: usize = whole(&case["hits"]).into_iter().sum();
        assert_eq!(hits as usize, expected);
        let all: Vec<f32> = logits.clone().inner().into_data().iter().collect();
        for ((logits, &target), plain) in all.chunks(vocabulary).zip(&targets).zip(plain.chunks(2))
        {
            close(negative_log(logits, target)[0], plain[0].into(), "-log q");
        }
        let gradients = loss.backward();
        let gradient: Vec<f32> = logits
            .grad(&gradients)
            .unwrap()
            .into_data()
            .iter()
            .collect();
        for (found, expected) in gradient.iter().zip(numbers(&case["gradient"])) {
            close(f64::from(*found), expected, "gradient");
        }
    }
}

#[test]
fn rows_are_written_in_the_same_order_for_the_same_logits() {
    for case in cases("reveal") {
        let reveal = Reveal {
            passes: count(&case["steps"]),
            temperature: case["temperature"].as_f64().unwrap(),
            draws: case["samples"].as_bool().unwrap(),
            ordinary: whole(&case["ordinary"])
                .into_iter()
                .map(|it| it as u32)
                .collect(),
        };
        let (vocabulary, mask) = (count(&case["vocabulary"]), count(&case["mask"]) as u32);
        let rows = case["rows"].as_array().unwrap();
        let ids = |row: &Value, key: &str| -> Vec<u32> {
            whole(&row[key]).into_iter().map(|it| it as u32).collect()
        };
        // Each pass by itself, with the numbers that were drawn.
        for row in rows {
            let mut now = ids(row, "ids");
            for pass in row["passes"].as_array().unwrap() {
                let logits = floats(&pass["logits"]);
                let drawn = numbers(&pass["uniform"]);
                let each = count(&row["each"]);
                let left: Vec<usize> = (0..now.len()).filter(|&at| now[at] == mask).collect();
                let found = reveal.pass(&logits, vocabulary, each, |at| drawn[at]);
                let found: Vec<[usize; 2]> = found
                    .into_iter()
                    .map(|it| [left[it.mask], it.token as usize])
                    .collect();
                let expected: Vec<usize> = whole(&pass["revealed"]);
                assert_eq!(found.concat(), expected);
                for [place, token] in found {
                    now[place] = token as u32;
                }
            }
            assert_eq!(now, ids(row, "written"));
        }
        if reveal.draws {
            continue;
        }
        // All rows together, to the end.
        let mut designs: Vec<Design> = rows
            .iter()
            .map(|row| {
                let ids = ids(row, "ids");
                let types = vec![0; ids.len()];
                Design::new(ids, types, mask, reveal.passes, Key::new(1))
            })
            .collect();
        for (design, row) in designs.iter().zip(rows) {
            assert_eq!(design.each, count(&row["each"]));
        }
        let passes = RefCell::new(vec![0; rows.len()]);
        let logits = |left: &[usize], _: Vec<_>| {
            let logits = left.iter().flat_map(|&row| {
                let pass = passes.borrow()[row];
                passes.borrow_mut()[row] += 1;
                floats(&rows[row]["passes"][pass]["logits"])
            });
            (logits.collect(), vocabulary)
        };
        let mut losses = vec![Vec::new(); rows.len()];
        reveal.write(&mut designs, logits, |row, place, logits| {
            let target = ids(&rows[row], "targets")[place];
            if target != mask {
                let [own, all] = negative_log(logits, target);
                losses[row].push((place, (1.0 - SMOOTHING) * own + SMOOTHING * all));
            }
        });
        for ((design, row), losses) in designs.iter().zip(rows).zip(&losses) {
            assert_eq!(design.ids, ids(row, "written"));
            let weight = row["weight"].as_f64().unwrap();
            let loss = weight * loss_of_passes(losses, &design.passes);
            close(loss, row["loss"].as_f64().unwrap(), "loss");
            let targets = ids(row, "targets");
            let told = losses
                .iter()
                .filter(|(at, _)| design.ids[*at] == targets[*at]);
            assert_eq!(told.count(), count(&row["hits"]));
        }
    }
}

#[test]
fn a_token_is_drawn_as_often_as_it_is_likely_and_special_ones_never() {
    let reveal = Reveal {
        passes: 1,
        temperature: 2.0,
        draws: true,
        ordinary: vec![1, 3],
    };
    // Of the ordinary tokens, exp(2 / 2) against exp(0): 73 %.
    let logits = [9.0, 2.0, 50.0, 0.0];
    let mut counts = [0; 4];
    for step in 0..1000 {
        let drawn = (f64::from(step) + 0.5) / 1000.0;
        for revealed in reveal.pass(&logits, 4, 1, |_| drawn) {
            counts[revealed.token as usize] += 1;
        }
    }
    assert_eq!(counts, [0, 731, 0, 269]);
}
