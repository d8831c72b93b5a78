//! Chi-squared tests: 20,000 draws of each sampler against the exact distribution of the tokens its rule keeps.

use super::*;
use crate::seed::RowSeed;

const DRAWS: u64 = 20_000;

/// The model's probabilities by id. In falling order the ids are 1, 3, 5, 4, 7, 8, 0, 9, 2, 6.
const PROBABILITIES: [f64; 10] = [0.05, 0.30, 0.02, 0.20, 0.10, 0.15, 0.01, 0.08, 0.06, 0.03];

/// The 0.999 quantiles of the chi-squared distribution with 1 to 9 degrees of freedom (any table of it).
const QUANTILES: [f64; 9] = [
    10.828, 13.816, 16.266, 18.467, 20.515, 22.458, 24.322, 26.124, 27.877,
];

/// The distribution of the tokens `kept` at a temperature: `p^(1 / temperature)`, made to sum to 1.
fn exact(kept: &[usize], temperature: f64) -> [f64; 10] {
    let weights = std::array::from_fn(|id| {
        if kept.contains(&id) {
            PROBABILITIES[id].powf(1.0 / temperature)
        } else {
            0.0
        }
    });
    let total: f64 = weights.iter().sum();
    weights.map(|weight| weight / total)
}

fn counts(sampler: &Sampler, seed: u64) -> [u64; 10] {
    sampler.check().unwrap();
    // A constant added to all logits changes nothing.
    let logits = PROBABILITIES.map(|p| p.ln() as f32 + 11.5);
    let row = RowSeed::new(seed, 0, 0);
    let mut counts = [0; 10];
    for position in 0..DRAWS {
        let id = sampler.choose(&logits, row.draw(position)).unwrap();
        counts[id as usize] += 1;
    }
    counts
}

/// The statistic over its 0.999 quantile: above 1, the draws are not from `expected`.
fn misfit(counts: &[u64; 10], expected: &[f64; 10]) -> f64 {
    let mut statistic = 0.0;
    let mut tokens = 0;
    for (&count, &p) in counts.iter().zip(expected) {
        if p > 0.0 {
            let wanted = p * DRAWS as f64;
            statistic += (count as f64 - wanted).powi(2) / wanted;
            tokens += 1;
        } else if count > 0 {
            return f64::INFINITY;
        }
    }
    statistic / QUANTILES[tokens - 2]
}

/// Every sampler with the tokens that its definition keeps, found by hand.
fn cases() -> Vec<(Sampler, [f64; 10])> {
    let all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    let random = |temperature| Random {
        temperature,
        ..Random::default()
    };
    let top_p = |p, k| TopP {
        p,
        k,
        ..TopP::default()
    };
    let chain = |top_k, top_p, min_p| Chain {
        top_k,
        top_p,
        min_p,
        ..Chain::default()
    };
    vec![
        (random(1.0).into(), exact(&all, 1.0)),
        (random(1.1).into(), exact(&all, 1.1)),
        (random(0.5).into(), exact(&all, 0.5)),
        (TopK::default().into(), exact(&[1, 3, 5, 4, 7], 1.0)),
        (
            TopK {
                k: 3,
                temperature: 2.0,
                ..TopK::default()
            }
            .into(),
            exact(&[1, 3, 5], 2.0),
        ),
        // Before id 4 there are 0.65, before id 7 there are 0.75.
        (top_p(0.7, None).into(), exact(&[1, 3, 5, 4], 1.0)),
        (top_p(0.1, Some(9)).into(), exact(&[1], 1.0)),
        // 0.66 of all tokens, not of the four that k keeps: these would lose ids 5 and 4, as in the chain.
        (top_p(0.66, Some(4)).into(), exact(&[1, 3, 5, 4], 1.0)),
        (chain(Some(4), Some(0.66), None).into(), exact(&[1, 3], 1.0)),
        (
            MinP {
                min_p: 0.18,
                ..MinP::default()
            }
            .into(),
            exact(&[1, 3, 5, 4, 7, 8], 1.0),
        ),
        (
            chain(None, Some(0.9), Some(0.4)).into(),
            exact(&[1, 3, 5], 1.0),
        ),
        (chain(None, None, None).into(), exact(&all, 1.0)),
    ]
}

#[test]
fn draws_follow_the_exact_distribution_of_every_sampler() {
    for (sampler, expected) in cases() {
        let counts = counts(&sampler, 5);
        if expected.contains(&1.0) {
            assert_eq!(counts[1], DRAWS, "{sampler}");
        } else {
            let misfit = misfit(&counts, &expected);
            assert!(misfit < 1.0, "{sampler}: {misfit} {counts:?}");
        }
    }
}

#[test]
fn draws_of_one_sampler_do_not_pass_for_those_of_another() {
    let cases = cases();
    let mut compared = 0;
    for (sampler, own) in &cases {
        let counts = counts(sampler, 6);
        for (other, expected) in &cases {
            if own != expected && !expected.contains(&1.0) {
                let misfit = misfit(&counts, expected);
                assert!(misfit > 1.5, "{sampler} passes for {other}: {misfit}");
                compared += 1;
            }
        }
    }
    assert!(compared > 80, "{compared}");
}

#[test]
fn the_first_token_stays_whatever_its_share_and_sums_up_to_p_itself_keep_the_next() {
    let logits = [0.25f32, 0.5, 0.25].map(f32::ln);
    let ids = |p| {
        let sampler = Sampler::from(TopP {
            p,
            ..TopP::default()
        });
        let mut ids: Vec<u32> = (0..100)
            .map(|i| sampler.choose(&logits, f64::from(i) / 100.0).unwrap())
            .collect();
        ids.dedup();
        ids
    };
    assert_eq!(ids(0.01), [1]);
    // 0.5 is not above 0.5; of the two equal tokens the lower id is next.
    assert_eq!(ids(0.5), [0, 1]);
    assert_eq!(ids(0.74), [0, 1]);
    assert_eq!(ids(0.75), [0, 1, 2]);
    assert_eq!(ids(1.0), [0, 1, 2]);
}

#[test]
fn of_equal_tokens_the_lowest_ids_stay() {
    let logits = [1.0, 2.0, 2.0, 2.0, 0.0];
    let choose = |sampler: Sampler, draw| sampler.choose(&logits, draw).unwrap();
    let two = || TopK {
        k: 2,
        ..TopK::default()
    };
    assert_eq!(choose(Greedy::default().into(), 0.9), 1);
    assert_eq!(choose(two().into(), 0.0), 1);
    assert_eq!(choose(two().into(), 0.999), 2);
}

#[test]
fn logits_that_differ_by_rounding_choose_alike() {
    let sampler = Sampler::default();
    // The two nearly equal tokens change ranks, and with it nothing else.
    let one = [0.0f32, 3.0, 3.0f32.next_up(), -1.0];
    let other = [0.0f32, 3.0f32.next_up(), 3.0, -1.0];
    for i in 0..1000 {
        let draw = f64::from(i) / 1000.0 + 0.000_31;
        assert_eq!(
            sampler.choose(&one, draw).unwrap(),
            sampler.choose(&other, draw).unwrap()
        );
    }
}

#[test]
fn rules_on_a_whole_vocabulary_keep_what_sorting_all_of_it_keeps() {
    let key = engraft_kernels::Key::new(9);
    for (spread, temperature) in [(0.01, 1.0), (1.0, 1.0), (4.0, 0.7), (30.0, 1.5)] {
        let logits: Vec<f32> = (0..50_000)
            .map(|i| (key.normal(i) * spread) as f32)
            .collect();
        let row = candidates::Logits::new(&logits, temperature as f32).unwrap();
        let mut ranked: Vec<usize> = (0..logits.len()).collect();
        ranked.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        let weights: Vec<f64> = ranked
            .iter()
            .map(|&id| (f64::from(logits[id] - logits[ranked[0]]) / temperature).exp())
            .collect();
        let total: f64 = weights.iter().sum();
        for share in [0.05, 0.5, 0.9, 0.999] {
            let rule = Rule {
                top_p: Some(share),
                ..Rule::default()
            };
            let mut kept = rule.kept(&row).unwrap();
            kept.sort_unstable_by(candidates::by_rank);
            let mut before = 0.0;
            let count = weights
                .iter()
                .take_while(|&&weight| {
                    let stays = before <= share * total;
                    before += weight;
                    stays
                })
                .count();
            // Single precision may see the bound a few tokens earlier or later.
            assert!(
                kept.len().abs_diff(count) <= 2 + count / 1000,
                "{} {count}",
                kept.len()
            );
            let first: Vec<usize> = kept.iter().map(|it| it.id as usize).collect();
            assert_eq!(first, ranked[..kept.len()]);
        }
    }
}
