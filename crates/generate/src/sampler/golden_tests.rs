//! What the reference library's rules keep, and with which probabilities: `tests/golden/generation/samplers.json`.

use serde_json::Value;

use crate::generation_config::GenerationConfig;

const DRAWS: usize = 2000;

#[test]
fn a_file_that_asks_for_draws_gives_every_token_the_references_share() {
    let golden = include_str!("../../../../tests/golden/generation/samplers.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    let rows: Vec<Vec<f32>> = serde_json::from_value(golden["logits"].clone()).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let file = case["file"].to_string();
        let file = GenerationConfig::read(file.as_bytes(), "f.json").unwrap();
        let sampler = file.sampler(None).unwrap();
        let expected: Vec<Vec<(u32, f64)>> =
            serde_json::from_value(case["probabilities"].clone()).unwrap();
        for (logits, expected) in rows.iter().zip(&expected) {
            // Tokens divide the draws among them in the order of their ids.
            let mut ends = Vec::with_capacity(expected.len());
            let mut sum = 0.0;
            for (id, probability) in expected {
                sum += probability;
                ends.push((*id, sum));
            }
            assert!((sum - 1.0).abs() < 1e-5, "{case}");
            let mut compared = 0;
            for draw in 0..DRAWS {
                let draw = (draw as f64 + 0.5) / DRAWS as f64;
                if ends.iter().any(|(_, end)| (end - draw).abs() < 1e-5) {
                    continue;
                }
                let wanted = ends.iter().find(|(_, end)| draw < *end).unwrap().0;
                let found = sampler.choose(logits, draw).unwrap();
                assert_eq!(found, wanted, "{sampler}, draw {draw}");
                compared += 1;
            }
            assert!(compared > DRAWS * 9 / 10);
        }
    }
}
