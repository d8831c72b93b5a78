//! The two headers of a segment, as bytes.

use std::fmt::Write as _;

/// The hash of everything that a value depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(pub [u8; 32]);

/// One set of values that are used together, by the hash of what they have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space(pub [u8; 32]);

/// The length of a segment's header.
pub const SEGMENT_HEADER: u64 = 64;

/// The length of a record's header.
pub(crate) const RECORD_HEADER: u64 = 64;

const MAGIC: [u8; 8] = *b"ENGRAFTC";

const VERSION: u32 = 1;

/// Where the check of a header begins.
const CHECKED: usize = 56;

/// What says whether a value is the one that was written: the first 16 bytes of the hash of its key and itself.
pub(crate) type Check = [u8; 16];

/// What a record says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) key: Key,
    pub(crate) length: u64,
    pub(crate) check: Check,
}

/// What the beginning of a file says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// A segment of this space.
    Of(Space),
    /// A segment that a later version has written.
    Later,
    /// Something else.
    Damaged,
}

impl Space {
    /// What the names of its segments begin with.
    pub(crate) fn name(&self) -> String {
        hexadecimal(&self.0[..16])
    }

    /// The header of one of its segments.
    pub fn header(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..48].copy_from_slice(&self.0);
        seal(&mut bytes);
        bytes
    }
}

impl Beginning {
    pub(crate) fn read(bytes: &[u8; 64]) -> Self {
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = *bytes;
        if !is_sealed(bytes) || bytes[..8] != MAGIC {
            return Self::Damaged;
        }
        match u32::from_le_bytes([a, b, c, d]) {
            VERSION => {
                let mut space = [0; 32];
                space.copy_from_slice(&bytes[16..48]);
                Self::Of(Space(space))
            }
            later if later > VERSION => Self::Later,
            _ => Self::Damaged,
        }
    }
}

impl RecordHeader {
    pub(crate) fn of(key: Key, value: &[u8]) -> Self {
        Self {
            key,
            length: value.len() as u64,
            check: check(key, value),
        }
    }

    pub(crate) fn bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.key.0);
        bytes[32..40].copy_from_slice(&self.length.to_le_bytes());
        bytes[40..56].copy_from_slice(&self.check);
        seal(&mut bytes);
        bytes
    }

    /// None if it is not as it was written.
    pub(crate) fn read(bytes: &[u8; 64]) -> Option<Self> {
        if !is_sealed(bytes) {
            return None;
        }
        let (mut key, mut length, mut check) = ([0; 32], [0; 8], [0; 16]);
        key.copy_from_slice(&bytes[..32]);
        length.copy_from_slice(&bytes[32..40]);
        check.copy_from_slice(&bytes[40..56]);
        Some(Self {
            key: Key(key),
            length: u64::from_le_bytes(length),
            check,
        })
    }
}

/// What the value of a key is checked by.
pub(crate) fn check(key: Key, value: &[u8]) -> Check {
    let mut hash = blake3::Hasher::new();
    hash.update(&key.0).update(value);
    let mut check = Check::default();
    check.copy_from_slice(&hash.finalize().as_bytes()[..16]);
    check
}

fn seal(header: &mut [u8; 64]) {
    let hash = blake3::hash(&header[..CHECKED]);
    header[CHECKED..].copy_from_slice(&hash.as_bytes()[..8]);
}

fn is_sealed(header: &[u8; 64]) -> bool {
    blake3::hash(&header[..CHECKED]).as_bytes()[..8] == header[CHECKED..]
}

/// Two digits for each byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_back_as_they_were_written_and_not_with_one_bit_changed() {
        let space = Space([7; 32]);
        assert_eq!(Beginning::read(&space.header()), Beginning::Of(space));
        let record = RecordHeader::of(Key([9; 32]), b"value");
        assert_eq!(RecordHeader::read(&record.bytes()), Some(record));
        for bit in 0..8 * 64 {
            let mut changed = space.header();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Beginning::read(&changed), Beginning::Damaged);
            let mut changed = record.bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::read(&changed), None);
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let mut header = Space([7; 32]).header();
        header[8] = 2;
        seal(&mut header);
        assert_eq!(Beginning::read(&header), Beginning::Later);
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let header = Space([7; 32]).header();
        assert_eq!(&header[..16], b"ENGRAFTC\x01\0\0\0\0\0\0\0");
        assert_eq!(header[16..48], [7; 32]);
        assert_eq!(header[48..56], [0; 8]);
        let record = RecordHeader::of(Key([9; 32]), b"abc").bytes();
        assert_eq!(record[..32], [9; 32]);
        assert_eq!(record[32..40], [3, 0, 0, 0, 0, 0, 0, 0]);
        let hash = blake3::hash(&[&[9; 32][..], b"abc"].concat());
        assert_eq!(record[40..56], hash.as_bytes()[..16]);
    }
}
