//! Patterns of file names.

/// Whether a file name fits a pattern in which `*` is any text and `?` any character.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut star) = (0, None);
    let mut position = 0;
    while position < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(expected) if *expected == '?' || *expected == name[position] => {
                at += 1;
                position += 1;
            }
            // The last star takes one character more.
            _ => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    (at, position) = (star_at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, fits) in [
            ("*.tsv", "a.tsv", true),
            ("*.tsv", "a.tsv.gz", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1c2b", false),
            ("?", "é", true),
            ("?", "", false),
            ("**", "", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_made_from_a_name_matches_it(name in "[ab]{0,8}", cuts in proptest::collection::vec(0usize..8, 0..3)) {
            let mut pattern: Vec<char> = name.chars().collect();
            for cut in cuts {
                let at = cut.min(pattern.len());
                pattern.insert(at, '*');
            }
            prop_assert!(matches(&pattern.iter().collect::<String>(), &name));
        }
    }
}
