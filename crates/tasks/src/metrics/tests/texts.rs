//! Scores of written texts, against sacreBLEU, rouge-score and NLTK.

use super::*;

#[derive(Deserialize)]
struct Case {
    /// What was written, and what was wanted.
    rows: Vec<[String; 2]>,
    all: BTreeMap<String, f64>,
    each: Vec<BTreeMap<String, f64>>,
}

fn golden() -> BTreeMap<String, Case> {
    cases(include_str!(
        "../../../../../tests/golden/text_metrics/cases.json"
    ))
}

fn scored(rows: &[[String; 2]]) -> TextScores {
    let mut scores = TextScores::default();
    for [written, reference] in rows {
        scores.update(written, reference);
    }
    scores
}

#[track_caller]
fn assert_scores(what: &str, scores: &TextScores, expected: &BTreeMap<String, f64>) {
    let names: Vec<String> = scores.values().into_iter().map(|(name, _)| name).collect();
    let all = [
        "exact_match",
        "edit_distance",
        "chrf",
        "bleu",
        "rouge1",
        "rouge2",
        "rougeL",
    ];
    assert_eq!(names, all);
    assert_eq!(expected.len(), all.len());
    for (name, value) in scores.values() {
        let off = (value - expected[&name]).abs();
        assert!(
            off < 1e-6,
            "{what}: {name} is {value}, the reference has {}",
            expected[&name]
        );
    }
}

#[test]
fn scores_of_texts_are_those_of_the_references() {
    for (name, case) in golden() {
        assert_scores(&name, &scored(&case.rows), &case.all);
    }
}

#[test]
fn scores_of_single_rows_are_those_of_the_references() {
    for (name, case) in golden() {
        assert_eq!(case.rows.len(), case.each.len());
        for (row, expected) in case.rows.iter().zip(&case.each) {
            assert_scores(
                &format!("{name}: {row:?}"),
                &scored(std::slice::from_ref(row)),
                expected,
            );
        }
    }
}

#[test]
fn what_was_written_and_what_was_wanted_are_not_the_same_to_scores() {
    let one = scored(&[["a b c d e".to_owned(), "a b c d e f g".to_owned()]]);
    let other = scored(&[["a b c d e f g".to_owned(), "a b c d e".to_owned()]]);
    for at in [1, 2, 3] {
        assert_ne!(one.finish()[at], other.finish()[at]);
    }
}
