//! ROUGE (Lin 2004), as rouge-score computes it without a stemmer.

use super::ngrams::Runs;

/// F1 of words, of pairs of words, and of the longest common subsequence of words, each from 0 to 1; 0 where a text has none.
pub(super) fn rouge(written: &str, reference: &str) -> [f64; 3] {
    let texts = [written, reference].map(str::to_lowercase);
    let [written, reference] = texts.each_ref().map(|text| words(text));
    let of_runs = |length| {
        let runs = Runs::of(&written, &reference, length);
        f1(runs.shared, runs.written, runs.reference)
    };
    let common = longest_common_subsequence(&written, &reference);
    [
        of_runs(1),
        of_runs(2),
        f1(common as u64, written.len() as u64, reference.len() as u64),
    ]
}

/// Runs of `a` to `z` and `0` to `9`; all else divides them.
fn words(text: &str) -> Vec<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).collect()
}

fn f1(shared: u64, written: u64, reference: u64) -> f64 {
    if shared == 0 {
        return 0.0;
    }
    let [precision, recall] = [written, reference].map(|all| shared as f64 / all as f64);
    2.0 * precision * recall / (precision + recall)
}

fn longest_common_subsequence(written: &[&str], reference: &[&str]) -> usize {
    // Of each beginning of `reference`, what it has in common with what of `written` was gone through.
    let mut lengths = vec![0; reference.len() + 1];
    for word in written {
        let mut diagonal = 0;
        for (place, other) in reference.iter().enumerate() {
            let above = lengths[place + 1];
            lengths[place + 1] = if word == other {
                diagonal + 1
            } else {
                above.max(lengths[place])
            };
            diagonal = above;
        }
    }
    lengths[reference.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_order_in_a_common_subsequence() {
        let common =
            |one: &str, other: &str| longest_common_subsequence(&words(one), &words(other));
        assert_eq!(common("a b c d", "a c b d"), 3);
        assert_eq!(common("a b", "b a"), 1);
        assert_eq!(common("a a a", "a"), 1);
        assert_eq!(common("a", ""), 0);
    }

    #[test]
    fn only_letters_and_digits_of_ascii_are_words() {
        assert_eq!(
            words("so-called 3.5% über\u{1c}x"),
            ["so", "called", "3", "5", "ber", "x"]
        );
        assert_eq!(rouge("Über", "üBER"), [1.0, 0.0, 1.0]);
        assert_eq!(rouge("中文", "中文"), [0.0; 3]);
    }
}
