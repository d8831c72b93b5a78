//! From probabilities of pairs to the secondary structure of an RNA, and how alike two structures are.

use std::collections::HashSet;

use engraft_models::Plane;
use engraft_text::Tokenizer;

use crate::output::sigmoid;
use crate::rows::EncodedRow;

/// A hairpin has at least so many bases less one between its ends.
const NEAREST: usize = 4;

/// Whether bases pair: A with U, G with C, G with U; T is U.
fn can_pair(one: u8, other: u8) -> bool {
    matches!(
        [one, other],
        [b'A', b'U'] | [b'U', b'A'] | [b'G', b'C'] | [b'C', b'G'] | [b'G', b'U'] | [b'U', b'G']
    )
}

/// The bases of a row as its tokens say them: capital letters with U for T, and `N` for a token that is no single letter.
pub(crate) fn bases(row: &EncodedRow, tokenizer: &Tokenizer) -> Vec<u8> {
    let base = |token: usize| {
        let token = row.encoding.ids.get(token);
        let token = token.and_then(|id| tokenizer.id_to_token(*id));
        match token.as_deref().map(str::as_bytes) {
            Some([b'T' | b't']) => b'U',
            Some([letter]) => letter.to_ascii_uppercase(),
            _ => b'N',
        }
    };
    let units = row.units.iter().flatten();
    units.map(|unit| base(unit.token)).collect()
}

/// Makes the logits of pairs that no structure has minus infinity: of bases that do not pair, or less than four apart.
pub(crate) fn rule_out(logits: &mut [f32], bases: &[u8]) {
    let length = bases.len();
    for (row, &one) in bases.iter().enumerate() {
        for (column, &other) in bases.iter().enumerate() {
            let is_possible = row.abs_diff(column) >= NEAREST && can_pair(one, other);
            if let Some(logit) = logits
                .get_mut(row * length + column)
                .filter(|_| !is_possible)
            {
                *logit = f32::NEG_INFINITY;
            }
        }
    }
}

/// The pairs of the likeliest structures, the most probable first, each with its probability, of logits `[letters, letters]` of pairs that are
/// possible: of the pairs above a probability the likeliest is taken, and all others of its two bases are left out, until none is left.
///
/// What is above a higher probability is what comes first of these, so that one list has the structures of all thresholds from `least` on.
pub(crate) fn likeliest(logits: &[f32], length: usize, least: f64) -> Vec<([usize; 2], f64)> {
    let mut pairs = Vec::new();
    for row in 0..length {
        for column in row + NEAREST..length {
            if let Some(&logit) = logits.get(row * length + column)
                && f64::from(sigmoid(logit)) > least
            {
                pairs.push(([row, column], logit));
            }
        }
    }
    pairs.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let mut is_taken = vec![false; length];
    let mut found = Vec::new();
    for (pair, logit) in pairs {
        if pair.iter().all(|&base| !is_taken[base]) {
            pair.iter().for_each(|&base| is_taken[base] = true);
            found.push((pair, f64::from(sigmoid(logit))));
        }
    }
    found
}

/// Precision, recall and their harmonic mean.
pub(crate) type Likeness = [f64; 3];

/// How alike the beginnings of a list of predicted pairs are to a row's true ones.
pub(crate) struct Comparison {
    /// Of each predicted pair in order, whether it is true, and whether one next to it is.
    hits: Vec<[bool; 2]>,
    /// Of each true pair, how many predicted pairs it takes until it is among them, and until one next to it is.
    found: Vec<[Option<usize>; 2]>,
    /// The same of those that cross another of their own structure: of each predicted pair, whether it does.
    crossing: Vec<bool>,
    true_crossing: HashSet<[usize; 2]>,
    predicted: Vec<[usize; 2]>,
}

/// A pair itself, and those that are one further or nearer at one of its ends.
fn neighbours([one, other]: [usize; 2]) -> [[usize; 2]; 5] {
    [
        [one, other],
        [one.wrapping_sub(1), other],
        [one + 1, other],
        [one, other.wrapping_sub(1)],
        [one, other + 1],
    ]
}

/// The pairs that cross another of the same structure.
fn crossing(pairs: &[[usize; 2]]) -> HashSet<[usize; 2]> {
    let crosses = |[one, other]: [usize; 2], [first, second]: [usize; 2]| {
        one < first && first < other && other < second
    };
    let any = |pair: &&[usize; 2]| {
        let mut others = pairs.iter();
        others.any(|other| crosses(**pair, *other) || crosses(*other, **pair))
    };
    pairs.iter().filter(any).copied().collect()
}

impl Comparison {
    /// Of a row whose true pairs a plane says.
    pub(crate) fn new(predicted: &[([usize; 2], f64)], truth: &Plane) -> Self {
        let rows = 0..truth.length;
        let pairs = rows.flat_map(|row| (row + 1..truth.length).map(move |column| [row, column]));
        let is_true = |[row, column]: &[usize; 2]| truth.class(*row, *column) == 1;
        let truth: Vec<[usize; 2]> = pairs.filter(is_true).collect();
        let true_set: HashSet<[usize; 2]> = truth.iter().copied().collect();
        let predicted: Vec<[usize; 2]> = predicted.iter().map(|(pair, _)| *pair).collect();
        let hit = |pair: &[usize; 2]| {
            let near = neighbours(*pair).iter().any(|near| true_set.contains(near));
            [true_set.contains(pair), near]
        };
        let reached = |pair: &[usize; 2]| {
            let near = neighbours(*pair);
            let position = |wanted: &[[usize; 2]]| {
                let place = predicted.iter().position(|pair| wanted.contains(pair));
                place.map(|place| place + 1)
            };
            [position(&near[..1]), position(&near)]
        };
        let crosses = crossing(&predicted);
        Self {
            hits: predicted.iter().map(hit).collect(),
            found: truth.iter().map(reached).collect(),
            crossing: predicted.iter().map(|it| crosses.contains(it)).collect(),
            true_crossing: crossing(&truth),
            predicted,
        }
    }

    /// How alike the first `count` predicted pairs are to the true ones; `is_relaxed` lets a pair be one off at one of its ends.
    pub(crate) fn likeness(&self, count: usize, is_relaxed: bool) -> Likeness {
        let which = usize::from(is_relaxed);
        let hits = self
            .hits
            .iter()
            .take(count)
            .filter(|hit| hit[which])
            .count();
        let is_found = |found: &&[Option<usize>; 2]| found[which].is_some_and(|it| it <= count);
        let found = self.found.iter().filter(is_found).count();
        likeness(
            share(hits, count.min(self.hits.len())),
            share(found, self.found.len()),
        )
    }

    /// F1 of the pairs that cross others, of a row that has any.
    pub(crate) fn of_crossing(&self, count: usize) -> Option<f64> {
        if self.true_crossing.is_empty() {
            return None;
        }
        // Which pairs cross depends on how many there are.
        let all = self.crossing.iter().take(count).all(|crosses| !crosses);
        let crossing = if all {
            HashSet::new()
        } else {
            crossing(&self.predicted[..count.min(self.predicted.len())])
        };
        let hits = crossing.intersection(&self.true_crossing).count();
        let [_, _, f1] = likeness(
            share(hits, crossing.len()),
            share(hits, self.true_crossing.len()),
        );
        Some(f1)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

fn likeness(precision: f64, recall: f64) -> Likeness {
    let sum = precision + recall;
    let f1 = if sum < 1e-5 {
        0.0
    } else {
        2.0 * precision * recall / sum
    };
    [precision, recall, f1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_pair_once_and_only_where_they_can() {
        let bases = *b"GGAAACCU";
        let mut logits = vec![0.0; 64];
        let mut set = |pair: [usize; 2], logit: f32| {
            logits[pair[0] * 8 + pair[1]] = logit;
            logits[pair[1] * 8 + pair[0]] = logit;
        };
        set([0, 6], 3.0);
        set([1, 6], 2.0);
        set([1, 5], 1.0);
        set([0, 1], 9.0);
        set([3, 7], 0.5);
        rule_out(&mut logits, &bases);
        assert_eq!(logits[1], f32::NEG_INFINITY, "G with G");
        assert_eq!(logits[4 * 8 + 5], f32::NEG_INFINITY, "too near");
        let found = likeliest(&logits, 8, 0.01);
        let pairs: Vec<[usize; 2]> = found.iter().map(|(pair, _)| *pair).collect();
        assert_eq!(pairs, [[0, 6], [1, 5], [3, 7]]);
        assert_eq!(likeliest(&logits, 8, 0.7).len(), 2);
    }

    #[test]
    fn pairs_may_be_one_off_where_scores_are_relaxed() {
        let mut truth = Plane::new(12);
        for pair in [[0, 11], [1, 10], [2, 9]] {
            truth.set(pair, 1);
        }
        let predicted = [([0, 11], 0.9), ([1, 9], 0.8), ([3, 7], 0.7)];
        let comparison = Comparison::new(&predicted, &truth);
        assert_eq!(
            comparison.likeness(3, false),
            [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]
        );
        // [1, 9] is next to [1, 10] and to [2, 9].
        let [precision, recall, f1] = comparison.likeness(3, true);
        assert_eq!((precision, recall), (2.0 / 3.0, 1.0));
        assert!((f1 - 0.8).abs() < 1e-12);
        assert_eq!(comparison.likeness(1, true), [1.0, 1.0 / 3.0, 0.5]);
        assert_eq!(comparison.likeness(0, true), [0.0; 3]);
        assert_eq!(comparison.of_crossing(3), None);
    }

    #[test]
    fn structures_and_their_scores_are_those_of_the_reference() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/golden/pairs/structures.json"
        );
        let cases: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut checked = 0;
        for case in cases.as_array().unwrap() {
            let bases = case["sequence"].as_str().unwrap().as_bytes();
            let rows = case["logits"].as_array().unwrap().iter();
            let logits = rows.flat_map(|row| row.as_array().unwrap());
            let mut logits: Vec<f32> = logits.map(|it| it.as_f64().unwrap() as f32).collect();
            rule_out(&mut logits, bases);
            let predicted = likeliest(&logits, bases.len(), 0.01);
            let mut truth = Plane::new(bases.len());
            let mut open: Vec<(char, usize)> = Vec::new();
            for (at, sign) in case["truth"].as_str().unwrap().chars().enumerate() {
                let opening = match sign {
                    '(' | '[' => {
                        open.push((sign, at));
                        continue;
                    }
                    ')' => '(',
                    ']' => '[',
                    _ => continue,
                };
                let found = open.iter().rposition(|(sign, _)| *sign == opening);
                truth.set([open.remove(found.unwrap()).1, at], 1);
            }
            let comparison = Comparison::new(&predicted, &truth);
            for (threshold, expected) in case["thresholds"].as_object().unwrap() {
                let threshold: f64 = threshold.parse().unwrap();
                let count = predicted.partition_point(|(_, it)| *it > threshold);
                let mut pairs: Vec<[usize; 2]> = predicted.iter().map(|(pair, _)| *pair).collect();
                pairs.truncate(count);
                pairs.sort_unstable();
                assert_eq!(serde_json::json!(pairs), expected["pairs"], "{case}");
                for (name, is_relaxed) in [("relaxed", true), ("strict", false)] {
                    let found = comparison.likeness(count, is_relaxed);
                    for (found, expected) in found.iter().zip(expected[name].as_array().unwrap()) {
                        let expected = expected.as_f64().unwrap();
                        assert!((found - expected).abs() < 1e-6, "{found} {expected} {case}");
                    }
                }
                checked += 1;
            }
        }
        assert_eq!(checked, 12);
    }

    #[test]
    fn pseudoknots_are_scored_by_themselves() {
        let mut truth = Plane::new(12);
        for pair in [[0, 6], [3, 9], [4, 8]] {
            truth.set(pair, 1);
        }
        let predicted = [([3, 9], 0.9), ([4, 8], 0.8), ([0, 6], 0.7)];
        let comparison = Comparison::new(&predicted, &truth);
        assert_eq!(comparison.of_crossing(3), Some(1.0));
        assert_eq!(comparison.of_crossing(2), Some(0.0));
    }
}
