//! Whether bytes are what the [layout](super::layout) says, in Thrift's compact protocol.
//!
//! The crate that reads them believes the counts of lists in fields that it does not know. Values that take no byte for it
//! (truth values), or none at the end of the file, keep it busy for a minute with a file of a kilobyte. Here each value takes
//! a byte at least, so that the work is bounded by the bytes, and what passes is read by that crate in the same steps.

use super::layout::{Fields, Kind};

/// How many levels values may be nested: each is a call within a call.
const DEEPEST: usize = 64;

/// Why bytes are not a struct.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// The bytes end within it.
    Ends,
    /// What it does.
    Wrong(&'static str),
}

/// Checks that bytes begin with a struct of these fields.
pub(super) fn check(bytes: &[u8], fields: Fields) -> Result<(), Fault> {
    Walk { rest: bytes }.fields(fields, DEEPEST)
}

/// A number of seven bits a byte, the lowest first, and what follows it.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

/// The types of values, as they are written before fields and lists.
mod code {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const INTEGER_16: u8 = 4;
    pub(super) const INTEGER_64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BYTES: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const MAP: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const UUID: u8 = 13;
}

struct Walk<'a> {
    rest: &'a [u8],
}

impl Walk<'_> {
    fn fields(&mut self, fields: Fields, depth: usize) -> Result<(), Fault> {
        let mut last = 0_i16;
        loop {
            let head = self.byte()?;
            let code = head & 0x0f;
            if code == 0 {
                return Ok(());
            }
            let number = match i16::from(head >> 4) {
                0 => i16::try_from(self.signed()?).ok(),
                more => last.checked_add(more),
            };
            last = number.ok_or(Fault::Wrong("numbers a field beyond all bounds"))?;
            match fields.iter().find(|(number, _)| *number == last) {
                Some((_, kind)) => self.defined(*kind, code, depth)?,
                None => self.any(code, depth)?,
            }
        }
    }

    /// A value of a field that the format defines.
    fn defined(&mut self, kind: Kind, code: u8, depth: usize) -> Result<(), Fault> {
        if !is_of(code, kind) {
            return Err(Fault::Wrong("holds a value of another kind than its field"));
        }
        match kind {
            Kind::Struct(fields) => self.fields(fields, depth - 1),
            Kind::List(kind) => {
                let (code, count) = self.list()?;
                if count > 0 && !is_of(code, *kind) {
                    return Err(Fault::Wrong("holds a list of another kind than its field"));
                }
                (0..count).try_for_each(|_| self.defined(*kind, code, depth - 1))
            }
            Kind::Truth | Kind::Byte | Kind::Integer | Kind::Double | Kind::Bytes => {
                self.any(code, depth)
            }
        }
    }

    /// A value of whatever kind.
    fn any(&mut self, code: u8, depth: usize) -> Result<(), Fault> {
        if depth == 0 {
            return Err(Fault::Wrong(
                "holds values within values more than 64 times",
            ));
        }
        match code {
            code::TRUE | code::FALSE => Ok(()),
            code::BYTE => self.skip(1),
            code::INTEGER_16..=code::INTEGER_64 => self.unsigned().map(|_| ()),
            code::DOUBLE => self.skip(8),
            code::BYTES => {
                let length = self.unsigned()?;
                self.skip(length)
            }
            code::LIST | code::SET => {
                let (code, count) = self.list()?;
                if count > 0 {
                    sized(code)?;
                }
                (0..count).try_for_each(|_| self.any(code, depth - 1))
            }
            code::MAP => {
                let count = self.unsigned()?;
                if count == 0 {
                    return Ok(());
                }
                let codes = self.byte()?;
                let (key, value) = (codes >> 4, codes & 0x0f);
                sized(key)?;
                sized(value)?;
                (0..count).try_for_each(|_| {
                    self.any(key, depth - 1)?;
                    self.any(value, depth - 1)
                })
            }
            code::STRUCT => self.fields(&[], depth - 1),
            code::UUID => self.skip(16),
            _ => Err(Fault::Wrong("holds a value of no kind")),
        }
    }

    /// The type and the number of a list's values.
    fn list(&mut self) -> Result<(u8, u64), Fault> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.unsigned()?,
            count => count.into(),
        };
        Ok((head & 0x0f, count))
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let (first, rest) = self.rest.split_first().ok_or(Fault::Ends)?;
        self.rest = rest;
        Ok(*first)
    }

    fn skip(&mut self, length: u64) -> Result<(), Fault> {
        let length = usize::try_from(length).map_err(|_| Fault::Ends)?;
        self.rest = self.rest.get(length..).ok_or(Fault::Ends)?;
        Ok(())
    }

    fn unsigned(&mut self) -> Result<u64, Fault> {
        let (value, rest) = varint(self.rest).ok_or(match self.rest.len() {
            0..10 => Fault::Ends,
            _ => Fault::Wrong("holds a number of more than 64 bits"),
        })?;
        self.rest = rest;
        Ok(value)
    }

    /// A number in zigzag: the lowest bit is the sign.
    fn signed(&mut self) -> Result<i64, Fault> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}

fn is_of(code: u8, kind: Kind) -> bool {
    match kind {
        Kind::Truth => matches!(code, code::TRUE | code::FALSE),
        Kind::Byte => code == code::BYTE,
        Kind::Integer => (code::INTEGER_16..=code::INTEGER_64).contains(&code),
        Kind::Double => code == code::DOUBLE,
        Kind::Bytes => code == code::BYTES,
        Kind::List(_) => code == code::LIST,
        Kind::Struct(_) => code == code::STRUCT,
    }
}

/// Truth values in lists are no part of footers and headers, and how many bytes each takes is not agreed upon.
fn sized(code: u8) -> Result<(), Fault> {
    match code {
        code::TRUE | code::FALSE => Err(Fault::Wrong(
            "holds a list of truth values, which the format has nowhere",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: Fields = &[
        (1, Kind::Integer),
        (2, Kind::List(&Kind::Bytes)),
        (3, Kind::Struct(&[(1, Kind::Truth), (2, Kind::Double)])),
    ];

    #[test]
    fn a_struct_of_its_fields_and_of_unknown_ones_passes() {
        let mut bytes = vec![0x15, 0x96, 0x01]; // 1: 75
        bytes.extend([0x19, 0x28, 0x01, b'a', 0x00]); // 2: "a" and ""
        bytes.extend([0x1c, 0x11, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0x00]); // 3: true and 0.0
        bytes.extend([0x1b, 0x01, 0x85, 0x01, b'k', 0x04]); // 4: a map from "k" to 2
        bytes.extend([0x09, 0x28, 0x00]); // 20, in full: no list
        bytes.extend([0x1c, 0x12, 0x00, 0x00]); // 21: a struct, then the end
        assert_eq!(check(&bytes, FIELDS), Ok(()));
        for length in 0..bytes.len() {
            assert_eq!(
                check(&bytes[..length], FIELDS),
                Err(Fault::Ends),
                "{length}"
            );
        }
    }

    #[test]
    fn what_claims_more_values_than_bytes_ends_early() {
        // 2147483647 of each kind, in a field that is not defined.
        for code in 3..=13 {
            let bytes = [0x49, 0xf0 | code, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0];
            assert!(check(&bytes, FIELDS).is_err(), "{code}");
        }
        let bytes = [0x19, 0xf8, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0];
        assert!(check(&bytes, FIELDS).is_err());
    }

    #[test]
    fn lists_of_truth_values_are_refused() {
        let wrong = Err(Fault::Wrong(
            "holds a list of truth values, which the format has nowhere",
        ));
        for code in [1, 2] {
            assert_eq!(check(&[0x49, 0x10 | code, 0, 0], FIELDS), wrong);
            assert_eq!(check(&[0x4b, 1, 0x30 | code, 0, 0], FIELDS), wrong);
            assert_eq!(check(&[0x4b, 1, code << 4 | 3, 0, 0], FIELDS), wrong);
        }
    }

    #[test]
    fn a_field_of_another_kind_is_refused() {
        for bytes in [&[0x18, 0x00, 0x00][..], &[0x29, 0x15, 0x00, 0x00]] {
            assert!(matches!(check(bytes, FIELDS), Err(Fault::Wrong(_))));
        }
    }

    #[test]
    fn values_nested_too_deeply_are_refused() {
        let bytes = [0x4c; 100];
        let lists = [[0x49].as_slice(), &[0x19; 100]].concat();
        for bytes in [&bytes[..], &lists] {
            assert_eq!(
                check(bytes, FIELDS),
                Err(Fault::Wrong(
                    "holds values within values more than 64 times"
                ))
            );
        }
    }
}
