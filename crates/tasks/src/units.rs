//! Which token stands for a letter or a word: the first one that begins with it.

use std::ops::Range;

use engraft_data::TokenUnit;

/// A letter or word of a row, and its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The number of the letter or word in its row.
    pub unit: usize,
    /// The number of its token in the row's encoding.
    pub token: usize,
}

/// The words of a list that have a token, given the word of each token and where the tokens are in the encoding.
pub(crate) fn of_words(word_of: &[usize], tokens: &[usize]) -> Vec<Unit> {
    let mut found: Vec<Unit> = Vec::new();
    for (&unit, &token) in word_of.iter().zip(tokens) {
        if found.last().is_none_or(|last| last.unit != unit) {
            found.push(Unit { unit, token });
        }
    }
    found
}

/// The numbers of the letters or words without a token: of `all` of a row those that are not `found`, and where a row `is_cut`, only
/// those before the last that is.
pub(crate) fn without_token(found: &[Unit], all: usize, is_cut: bool) -> Vec<usize> {
    let all = match (is_cut, found.last()) {
        (true, last) => last.map_or(0, |last| last.unit),
        (false, _) => all,
    };
    if found.len() == all {
        return Vec::new();
    }
    let has_token = |number: &usize| found.binary_search_by_key(number, |it| it.unit).is_ok();
    (0..all).filter(|number| !has_token(number)).collect()
}

/// The letters or words of `text` that have a token, given what characters its tokens stand for and where they are in the encoding.
///
/// # Errors
/// A token stands for several letters, so that these could not be told apart.
pub(crate) fn locate(
    text: &str,
    unit: TokenUnit,
    spans: &[Range<usize>],
    tokens: &[usize],
) -> Result<Vec<Unit>, String> {
    let letters: Vec<char> = text.chars().collect();
    let begins = beginnings(&letters, unit);
    let mut found: Vec<Unit> = Vec::new();
    for (span, &token) in spans.iter().zip(tokens) {
        let end = span.end.min(letters.len());
        // White space before a word is part of its token in some vocabularies.
        let start = (span.start..end).find(|&at| !letters[at].is_whitespace());
        let Some(start) = start else { continue };
        if unit == TokenUnit::Letter && end > start + 1 {
            let several: String = letters[start..end].iter().collect();
            if several.starts_with(['[', '<']) {
                continue;
            }
            return Err(format!(
                "the tokenizer makes one token of {several:?}, so its letters cannot have a class each: use a backbone with a vocabulary of letters, or labels for words"
            ));
        }
        let Ok(number) = begins.binary_search(&start) else {
            continue;
        };
        if found.last().is_none_or(|last| last.unit != number) {
            found.push(Unit {
                unit: number,
                token,
            });
        }
    }
    Ok(found)
}

/// Where each letter or word begins; white space around the text belongs to none.
fn beginnings(letters: &[char], unit: TokenUnit) -> Vec<usize> {
    let is_text = |at: &usize| !letters[*at].is_whitespace();
    match unit {
        TokenUnit::Letter => {
            let start = (0..letters.len()).find(is_text).unwrap_or(0);
            let end = (0..letters.len()).rfind(is_text).map_or(0, |last| last + 1);
            (start..end).collect()
        }
        TokenUnit::Word => (0..letters.len())
            .filter(is_text)
            .filter(|&at| at == 0 || letters[at - 1].is_whitespace())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(units: &[Unit]) -> Vec<(usize, usize)> {
        units.iter().map(|unit| (unit.unit, unit.token)).collect()
    }

    #[test]
    fn letters_and_tokens_correspond() {
        let spans = [1..2, 2..3, 3..4];
        let units = locate(" ACG ", TokenUnit::Letter, &spans, &[1, 2, 3]).unwrap();
        assert_eq!(pairs(&units), [(0, 1), (1, 2), (2, 3)]);
    }

    #[test]
    fn a_word_is_told_by_its_first_token() {
        let spans = [0..2, 2..4, 4..7, 8..9];
        let units = locate("unde  is x", TokenUnit::Word, &spans, &[1, 2, 3, 4]).unwrap();
        assert_eq!(pairs(&units), [(0, 1), (1, 3)]);
    }

    #[test]
    fn listed_words_are_told_by_their_first_tokens_and_some_have_none() {
        let units = of_words(&[0, 0, 2, 4], &[1, 2, 3, 4]);
        assert_eq!(pairs(&units), [(0, 1), (2, 3), (4, 4)]);
        assert_eq!(without_token(&units, 6, false), [1, 3, 5]);
        assert_eq!(without_token(&units, 6, true), [1, 3]);
        assert_eq!(without_token(&[], 2, false), [0, 1]);
        assert_eq!(without_token(&[], 2, true), [0; 0]);
    }

    #[test]
    fn tokens_of_several_letters_are_refused_for_letters() {
        let problem = locate("ACGTACA", TokenUnit::Letter, &[0..6, 6..7], &[1, 2]).unwrap_err();
        assert!(problem.contains("\"ACGTAC\""), "{problem}");
    }
}
