//! BLEU (Papineni et al. 2002), as sacreBLEU computes it: words of its tokenizer 13a, upper and lower case apart, exponential smoothing.

use serde::{Deserialize, Serialize};

use super::ngrams::{Runs, is_space};

/// The longest runs of words that are compared.
const ORDER: usize = 4;

/// Runs of words of all rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bleu([Runs; ORDER]);

impl Bleu {
    pub(super) fn update(&mut self, written: &str, reference: &str) {
        let texts = [written, reference].map(spaced);
        let [written, reference] = texts.each_ref().map(|text| words(text));
        for (length, sum) in (1..).zip(&mut self.0) {
            sum.add(Runs::of(&written, &reference, length));
        }
    }

    /// From 0 to 100: the geometric mean of the precisions of all lengths, times the brevity penalty `exp(1 - reference / written)` where
    /// fewer words were written than wanted.
    pub(super) fn value(&self) -> f64 {
        let [words, ..] = self.0;
        // Without four words in a row there is no precision of such runs, which counts as 0.
        if self.0.iter().all(|runs| runs.shared == 0) || self.0.iter().any(|it| it.written == 0) {
            return 0.0;
        }
        let mut halving = 1.0;
        let mut logarithms = 0.0;
        for runs in &self.0 {
            let written = runs.written as f64;
            let precision = if runs.shared == 0 {
                // The first length of which nothing is shared counts as half a run, the next as a quarter.
                halving *= 2.0;
                100.0 / (halving * written)
            } else {
                100.0 * runs.shared as f64 / written
            };
            logarithms += precision.ln();
        }
        let ratio = words.reference as f64 / words.written as f64;
        let brevity = (1.0 - ratio).min(0.0).exp();
        brevity * (logarithms / ORDER as f64).exp()
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split(is_space)
        .filter(|word| !word.is_empty())
        .collect()
}

/// A text with white space between its words and its punctuation, by the rules of mteval-v13a.
fn spaced(text: &str) -> String {
    let mut text = text
        .trim_end_matches(is_space)
        .replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ");
    // One after the other: what one of them makes may be read by the next.
    for (entity, letter) in [
        ("&quot;", "\""),
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ] {
        text = text.replace(entity, letter);
    }
    let mut letters = vec![' '];
    for letter in text.chars() {
        if is_apart(letter) {
            letters.extend([' ', letter, ' ']);
        } else {
            letters.push(letter);
        }
    }
    letters.push(' ');
    let is_digit = |letter: char| letter.is_ascii_digit();
    let is_point = |letter: char| matches!(letter, '.' | ',');
    let after_word = between(&letters, |before, point| {
        (!is_digit(before) && is_point(point)).then_some([before, ' ', point, ' '])
    });
    let before_word = between(&after_word, |point, after| {
        (is_point(point) && !is_digit(after)).then_some([' ', point, ' ', after])
    });
    let after_number = between(&before_word, |before, dash| {
        (is_digit(before) && dash == '-').then_some([before, ' ', dash, ' '])
    });
    after_number.into_iter().collect()
}

/// Whether a letter is a word of its own wherever it stands: the punctuation of ASCII but `'`, `,`, `-` and `.`.
fn is_apart(letter: char) -> bool {
    letter.is_ascii_punctuation() && !matches!(letter, '\'' | ',' | '-' | '.')
}

/// Replaces pairs of neighbours from the left, each letter being in one pair at most.
fn between(letters: &[char], replaced: impl Fn(char, char) -> Option<[char; 4]>) -> Vec<char> {
    let mut spaced = Vec::with_capacity(letters.len() * 2);
    let mut rest = letters;
    while let [first, after @ ..] = rest {
        let pair = after.first().and_then(|second| replaced(*first, *second));
        rest = match pair {
            Some(pair) => {
                spaced.extend(pair);
                after.get(1..).unwrap_or_default()
            }
            None => {
                spaced.push(*first);
                after
            }
        };
    }
    spaced
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a text, with a space between two.
    fn split(text: &str) -> String {
        words(&spaced(text)).join(" ")
    }

    #[test]
    fn punctuation_is_apart_and_points_within_numbers_are_not() {
        assert_eq!(split("Hello, world!"), "Hello , world !");
        assert_eq!(split("1,000.50% of $3."), "1,000.50 % of $ 3 .");
        assert_eq!(split("3.a a.3 .5 5. ,"), "3 . a a . 3 . 5 5 . ,");
        assert_eq!(split("1990-1995 a-b 5--"), "1990 - 1995 a-b 5 - -");
        assert_eq!(split("don't 'so'"), "don't 'so'");
        assert_eq!(split("a..b ... 1..2"), "a . . b . . . 1 . . 2");
        assert_eq!(split("„Wörter“ 中文。"), "„Wörter“ 中文。");
    }

    #[test]
    fn entities_marks_and_broken_words_are_resolved_in_their_order() {
        assert_eq!(split("&quot;a&quot; &amp;lt; &gt;"), "\" a \" < >");
        assert_eq!(split("a<skipped>b exam-\nple\nx"), "ab example x");
        // At the end, the line end goes first, so that the dash stays.
        assert_eq!(split("exam-\n"), "exam-");
    }
}
