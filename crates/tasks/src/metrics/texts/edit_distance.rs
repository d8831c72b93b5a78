//! How many letters two texts differ in.

/// The fewest letters to put in, leave out or replace that make one text of the other (Levenshtein 1966).
pub fn edit_distance(written: &str, reference: &str) -> usize {
    let [written, reference] = [written, reference].map(|text| text.chars().collect::<Vec<_>>());
    let (written, reference) = without_common_ends(&written, &reference);
    // Of the beginnings of `reference`, how far each is from what of `written` was gone through.
    let mut distances: Vec<usize> = (0..=reference.len()).collect();
    for (row, letter) in written.iter().enumerate() {
        let mut diagonal = row;
        let mut left = row + 1;
        for (place, other) in reference.iter().enumerate() {
            let above = distances[place + 1];
            let replaced = diagonal + usize::from(letter != other);
            distances[place] = left;
            left = replaced.min(above + 1).min(left + 1);
            diagonal = above;
        }
        distances[reference.len()] = left;
    }
    distances[reference.len()]
}

/// What is left where both begin and end alike.
fn without_common_ends<'a>(one: &'a [char], other: &'a [char]) -> (&'a [char], &'a [char]) {
    let same = |(a, b): &(&char, &char)| a == b;
    let start = one.iter().zip(other).take_while(same).count();
    let (one, other) = (&one[start..], &other[start..]);
    let end = one
        .iter()
        .rev()
        .zip(other.iter().rev())
        .take_while(same)
        .count();
    (&one[..one.len() - end], &other[..other.len() - end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_put_in_left_out_and_replaced() {
        for (written, reference, distance) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("aab", "ab", 1),
            ("ababab", "bababa", 2),
            ("über", "uber", 1),
            ("ˈɔɹʧəɹd", "ˈɔɹʧɚd", 2),
        ] {
            assert_eq!(
                edit_distance(written, reference),
                distance,
                "{written} {reference}"
            );
            assert_eq!(
                edit_distance(reference, written),
                distance,
                "{reference} {written}"
            );
        }
    }
}
