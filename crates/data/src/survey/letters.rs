//! Which alphabet sequences are written in.

use std::collections::BTreeSet;

/// An alphabet of biological sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// A, C, G, T, and N or another code for several.
    Dna,
    /// A, C, G, U, and N or another code for several.
    Rna,
    /// The amino acids.
    Protein,
}

/// How often each letter occurs in the texts of a column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letters {
    upper: [usize; 26],
    lower: usize,
    /// Gaps and stops, which sequences may have.
    marks: usize,
    others: usize,
    seen: BTreeSet<char>,
}

impl Letters {
    pub(crate) fn count(&mut self, text: &str) {
        for letter in text.chars() {
            if !letter.is_whitespace() {
                self.seen.insert(letter.to_ascii_uppercase());
            }
            let place = u32::from(letter.to_ascii_uppercase()).wrapping_sub(u32::from('A'));
            match self.upper.get_mut(place as usize) {
                Some(count) => {
                    *count += 1;
                    self.lower += usize::from(letter.is_ascii_lowercase());
                }
                None if matches!(letter, '-' | '*' | '.') => self.marks += 1,
                None => self.others += 1,
            }
        }
    }

    /// Whether any letter is in lower case.
    pub(super) fn has_lower_case(&self) -> bool {
        self.lower > 0
    }

    /// How many different characters occur, white space aside and upper and lower case as one.
    pub(super) fn size(&self) -> usize {
        self.seen.len()
    }

    fn of(&self, letters: &str) -> usize {
        letters
            .bytes()
            .filter_map(|letter| self.upper.get(usize::from(letter - b'A')))
            .sum()
    }

    /// The alphabet, if all letters are of one.
    ///
    /// Nucleotides have codes for several (R is A or G), of which a real table has few: nine letters in ten must be plain, or
    /// proteins would pass. Words in lower case are no proteins.
    pub(crate) fn alphabet(&self) -> Option<Alphabet> {
        let total: usize = self.upper.iter().sum();
        if total == 0 || self.others > 0 || self.marks > total {
            return None;
        }
        let (plain, codes) = (self.of("ACGTUN"), self.of("ACGTUNRYSWKMBDHV"));
        let (thymine, uracil) = (self.of("T"), self.of("U"));
        if codes == total && plain * 10 >= total * 9 {
            return match (thymine, uracil) {
                (_, 0) => Some(Alphabet::Dna),
                (0, _) => Some(Alphabet::Rna),
                _ => None,
            };
        }
        // Every letter but none stands for an amino acid, so that a text of capitals might be one; J and O hardly ever occur.
        let rare = self.of("BJOUXZ");
        (self.lower == 0 && rare * 10 <= total).then_some(Alphabet::Protein)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alphabet(text: &str) -> Option<Alphabet> {
        let mut letters = Letters::default();
        letters.count(text);
        letters.alphabet()
    }

    #[test]
    fn an_alphabet_is_told_by_its_letters() {
        for (text, expected) in [
            ("ACGTACGTNN", Some(Alphabet::Dna)),
            ("acgtacgt", Some(Alphabet::Dna)),
            ("ACGTACGTACGTACGTACGR", Some(Alphabet::Dna)),
            ("ACGUACGU", Some(Alphabet::Rna)),
            ("ACGUT", None),
            ("GIGKFLKKAKKF", Some(Alphabet::Protein)),
            ("MKV-LL*", Some(Alphabet::Protein)),
            ("ACGTRYRYRYKMSW", Some(Alphabet::Protein)),
            ("hello", None),
            ("AC GT", None),
            ("(((...)))", None),
            ("---", None),
            ("0120", None),
            ("", None),
        ] {
            assert_eq!(alphabet(text), expected, "{text}");
        }
    }
}
