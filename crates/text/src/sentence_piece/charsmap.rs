//! Rules of replacement as SentencePiece stores them (`precompiled_charsmap`): four bytes for the size of a table, the table,
//! and the replacements, each ended by a null character.
//!
//! The table is a trie as a double array: each unit of four bytes has a label, an offset to its children, and says whether
//! a key ends there; the child of label 0 is then the place of the replacement. Layout: Darts-clone.

/// No rule makes more of a character than this many bytes; known ones make 33.
const LONGEST_REPLACEMENT: usize = 8000;

/// Rules of replacement, checked.
#[derive(Debug, Clone, Default)]
pub(super) struct Charsmap {
    units: Vec<Unit>,
    replacements: String,
}

#[derive(Debug, Clone, Copy)]
struct Unit(u32);

impl Unit {
    fn is_value(self) -> bool {
        self.0 >> 31 == 1
    }

    fn value(self) -> u32 {
        self.0 & 0x7fff_ffff
    }

    /// The byte that leads to it; no byte leads to a value.
    fn label(self) -> u32 {
        self.0 & 0x8000_00ff
    }

    fn ends_key(self) -> bool {
        (self.0 >> 8) & 1 == 1
    }

    fn offset(self) -> usize {
        let offset = (self.0 >> 10) << ((self.0 & (1 << 9)) >> 6);
        usize::try_from(offset).unwrap_or(usize::MAX)
    }
}

impl Charsmap {
    /// Reads rules; none at all if there are no bytes.
    pub(super) fn read(bytes: &[u8]) -> Result<Charsmap, String> {
        if bytes.is_empty() {
            return Ok(Charsmap::default());
        }
        let refuse = |reason: String| format!("its precompiled_charsmap is damaged: {reason}");
        let (size, rest) = bytes
            .split_first_chunk::<4>()
            .ok_or_else(|| refuse("it has less than four bytes".to_owned()))?;
        let size = u32::from_le_bytes(*size);
        let (table, replacements) = usize::try_from(size)
            .ok()
            .and_then(|size| rest.split_at_checked(size))
            .ok_or_else(|| {
                refuse(format!(
                    "its table says it has {size} bytes, but {} are left",
                    rest.len()
                ))
            })?;
        let (units, odd) = table.as_chunks::<4>();
        if !odd.is_empty() || units.is_empty() {
            return Err(refuse(format!(
                "its table has {size} bytes, not a multiple of four"
            )));
        }
        let charsmap = Charsmap {
            units: units
                .iter()
                .map(|unit| Unit(u32::from_le_bytes(*unit)))
                .collect(),
            replacements: std::str::from_utf8(replacements)
                .map_err(|_| refuse("its replacements are not UTF-8 text".to_owned()))?
                .to_owned(),
        };
        charsmap.check().map_err(refuse)?;
        Ok(charsmap)
    }

    /// Checks every unit at which a search can find a key to end.
    fn check(&self) -> Result<(), String> {
        for (place, unit) in self.units.iter().enumerate() {
            if unit.is_value() || !unit.ends_key() {
                continue;
            }
            let value = self
                .units
                .get(place ^ unit.offset())
                .filter(|value| value.is_value())
                .ok_or_else(|| format!("unit {place} of its table has no value"))?;
            if self.replacement(*value).is_none() {
                return Err(format!(
                    "unit {place} of its table leads to {}, where no replacement of at most {LONGEST_REPLACEMENT} bytes begins",
                    value.value()
                ));
            }
        }
        Ok(())
    }

    /// The longest rule that a text begins with: how many bytes it replaces, and by what.
    pub(super) fn longest(&self, text: &str) -> Option<(usize, &str)> {
        let mut place = self.units.first()?.offset();
        let mut found = None;
        for (index, byte) in text.bytes().enumerate() {
            place ^= usize::from(byte);
            let Some(unit) = self.units.get(place) else {
                break;
            };
            if unit.label() != u32::from(byte) {
                break;
            }
            place ^= unit.offset();
            if unit.ends_key() && text.is_char_boundary(index + 1) {
                let value = self.units.get(place);
                found = value
                    .and_then(|value| Some((index + 1, self.replacement(*value)?)))
                    .or(found);
            }
        }
        found
    }

    fn replacement(&self, value: Unit) -> Option<&str> {
        let begin = usize::try_from(value.value()).ok()?;
        let rest = self.replacements.get(begin..)?;
        let end = match rest
            .bytes()
            .take(LONGEST_REPLACEMENT + 1)
            .position(|byte| byte == 0)
        {
            Some(end) => end,
            None if rest.len() <= LONGEST_REPLACEMENT => rest.len(),
            None => return None,
        };
        rest.get(..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A unit with a label whose children are at `offset`, relative to itself.
    fn unit(label: u8, offset: u32, ends_key: bool) -> u32 {
        u32::from(label) | (u32::from(ends_key) << 8) | (offset << 10)
    }

    fn stored(units: &[u32], replacements: &str) -> Vec<u8> {
        let mut bytes = u32::try_from(units.len() * 4)
            .unwrap()
            .to_le_bytes()
            .to_vec();
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.extend(replacements.bytes());
        bytes
    }

    /// "a" becomes "x", "ab" becomes "yz".
    fn two_rules() -> Vec<u8> {
        let (a, b) = (usize::from(b'a'), usize::from(b'b'));
        let mut units = vec![0; 512];
        units[0] = unit(0, 256, false);
        // Children of the root are at 256 ^ byte.
        units[256 ^ a] = unit(b'a', 0, true);
        // Those of "a" at its own place ^ byte; label 0 would be "a" itself, so its offset moves them.
        units[256 ^ a] = unit(b'a', 0x80, true);
        let base = (256 ^ a) ^ 0x80;
        units[base] = 0x8000_0000;
        units[base ^ b] = unit(b'b', 1, true);
        units[(base ^ b) ^ 1] = 0x8000_0002;
        stored(&units, "x\0yz\0")
    }

    #[test]
    fn the_longest_rule_applies() {
        let charsmap = Charsmap::read(&two_rules()).unwrap();
        assert_eq!(charsmap.longest("abc"), Some((2, "yz")));
        assert_eq!(charsmap.longest("ac"), Some((1, "x")));
        assert_eq!(charsmap.longest("b"), None);
        assert_eq!(charsmap.longest("\0"), None);
        assert_eq!(Charsmap::default().longest("a"), None);
    }

    #[test]
    fn a_damaged_map_is_refused_before_it_is_used() {
        let refusal = |bytes: &[u8]| Charsmap::read(bytes).unwrap_err();
        let good = two_rules();
        assert!(refusal(&good[..3]).contains("less than four bytes"));
        assert!(refusal(&good[..40]).contains("says it has 2048 bytes, but 36 are left"));
        let end = good.len() - 4;
        assert!(refusal(&good[..end]).contains("leads to 2, where no replacement"));
        assert!(refusal(&[2, 0, 0, 0, 1, 1]).contains("not a multiple of four"));
        assert!(refusal(&[&good[..end], &[0xff]].concat()).contains("not UTF-8"));
        let dangling = stored(&[unit(0, 1, true)], "");
        assert!(refusal(&dangling).contains("unit 0 of its table has no value"));
        let long = stored(&[unit(0, 1, true), 0x8000_0000], &"x".repeat(8001));
        assert!(refusal(&long).contains("at most 8000 bytes"));
    }

    proptest! {
        #[test]
        fn any_units_are_refused_or_searched_within_bounds(
            units in prop::collection::vec(any::<u32>(), 1..40),
            replacements in "[a-cé\0]{0,20}",
            text in "\\PC{0,20}",
        ) {
            if let Ok(charsmap) = Charsmap::read(&stored(&units, &replacements))
                && let Some((length, _)) = charsmap.longest(&text)
            {
                prop_assert!(length > 0 && text.is_char_boundary(length));
            }
        }
    }
}
