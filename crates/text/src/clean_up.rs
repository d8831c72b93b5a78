//! Spaces before marks and contractions, taken out of a decoded text as `clean_up_tokenization_spaces` asks for.

/// What is replaced, one after the other, over the whole text.
const REPLACED: [(&str, &str); 10] = [
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
];

/// The text without spaces before marks and contractions.
pub(crate) fn clean_up(text: &str) -> String {
    let replace = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    REPLACED.iter().fold(text.to_owned(), replace)
}

/// How much at the start of a text becomes the same whatever follows: up to the last space that no replacement reaches over.
///
/// All that is replaced begins with a space, so a space can end what is settled, unless something before it may belong to it: another
/// space, or the beginning of a contraction, of which the rest may come to stand next to it.
pub(crate) fn settled(text: &str) -> usize {
    let spaces = text.char_indices().rev().filter(|(_, it)| *it == ' ');
    let is_apart = |before: &str| {
        let word = before.rsplit(' ').next().unwrap_or_default();
        !matches!(word, "" | "'" | "n")
    };
    let ends = spaces.map(|(place, _)| place);
    ends.into_iter()
        .find(|place| text.get(..*place).is_some_and(is_apart))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_settled_stays_whatever_follows(text in "[ .',nmstx]{0,12}", after in "[ .',ntvers]{0,8}") {
            let (start, rest) = text.split_at(settled(&text));
            let whole = clean_up(&format!("{text}{after}"));
            prop_assert_eq!(whole, clean_up(start) + &clean_up(&format!("{rest}{after}")));
        }
    }
}
