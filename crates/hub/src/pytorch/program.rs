//! The bytes of a pickle, read from front to back.

use super::shown;

/// The longest program that is read, in bytes. Those of real checkpoints take some 200 bytes for each tensor.
const LIMIT: usize = 64 << 20;

/// A pickle and how far it has been read.
#[derive(Debug)]
pub(super) struct Program<'p> {
    bytes: &'p [u8],
    at: usize,
    /// Whether `bytes` was cut to the limit.
    cut: bool,
}

impl<'p> Program<'p> {
    /// The program that begins where `bytes` do; more may follow its end.
    pub(super) fn new(bytes: &'p [u8]) -> Program<'p> {
        Program {
            bytes: bytes.get(..LIMIT).unwrap_or(bytes),
            at: 0,
            cut: bytes.len() > LIMIT,
        }
    }

    /// How many bytes have been read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes there are still, up to the limit.
    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'p [u8], String> {
        let end = self.at.checked_add(count);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(bytes) => {
                self.at += count;
                Ok(bytes)
            }
            None if self.cut => Err(format!(
                "its pickle is longer than the {LIMIT} bytes that are read, so it holds more than tensors"
            )),
            None => Err(format!(
                "its pickle asks for {count} bytes where {} are left (at byte {}); it was cut short or damaged: fetch it again",
                self.left(),
                self.at
            )),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N)?;
        bytes
            .try_into()
            .map_err(|_| "its pickle is damaged: fetch it again".into())
    }

    /// One byte.
    pub(super) fn byte(&mut self) -> Result<u8, String> {
        self.array().map(|[byte]| byte)
    }

    /// A 16-bit number.
    pub(super) fn u16(&mut self) -> Result<u16, String> {
        self.array().map(u16::from_le_bytes)
    }

    /// A 32-bit number.
    pub(super) fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    /// A 32-bit number with a sign.
    pub(super) fn i32(&mut self) -> Result<i32, String> {
        self.array().map(i32::from_le_bytes)
    }

    /// A 64-bit floating-point number, which alone among all numbers has its most significant byte first.
    pub(super) fn f64(&mut self) -> Result<f64, String> {
        self.array().map(f64::from_be_bytes)
    }

    /// Bytes whose number stands before them, as one byte.
    pub(super) fn counted_by_u8(&mut self) -> Result<&'p [u8], String> {
        let count = self.byte()?;
        self.take(usize::from(count))
    }

    /// Bytes whose number stands before them, as four bytes.
    pub(super) fn counted_by_u32(&mut self) -> Result<&'p [u8], String> {
        let count = self.u32()?;
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Bytes whose number stands before them, as eight bytes.
    pub(super) fn counted_by_u64(&mut self) -> Result<&'p [u8], String> {
        let count = self.array().map(u64::from_le_bytes)?;
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// The length of a frame, which must lie within the program; frames mean nothing else when all of it is at hand.
    pub(super) fn frame(&mut self) -> Result<(), String> {
        let length = self.array().map(u64::from_le_bytes)?;
        if length > self.left() as u64 && !self.cut {
            return Err(format!(
                "its pickle claims a frame of {length} bytes where {} are left (at byte {}); it was cut short or damaged: \
                 fetch it again",
                self.left(),
                self.at
            ));
        }
        Ok(())
    }

    /// Text up to the end of the line.
    pub(super) fn line(&mut self) -> Result<&'p str, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n');
        let line = self.take(length.unwrap_or(rest.len().saturating_add(1)))?;
        self.take(1)?;
        self.text(line)
    }

    /// Bytes as text.
    pub(super) fn text(&self, bytes: &'p [u8]) -> Result<&'p str, String> {
        std::str::from_utf8(bytes).map_err(|_| {
            format!(
                "its pickle has text that is not UTF-8 (\"{}\", before byte {}); it is damaged: fetch it again",
                shown(&String::from_utf8_lossy(bytes.get(..80).unwrap_or(bytes))),
                self.at
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_reach_past_the_end_are_refused_without_reading_them() {
        let long = [0xff; 8];
        for read in [
            Program::counted_by_u8 as fn(&mut Program<'static>) -> _,
            Program::counted_by_u32,
            Program::counted_by_u64,
        ] {
            let mut program = Program::new(const { &[0xff; 8] });
            assert!(read(&mut program).unwrap_err().contains("cut short"));
        }
        let message = Program::new(&long).frame().unwrap_err();
        assert!(
            message.contains("frame of 18446744073709551615 bytes where 0 are left"),
            "{message}"
        );
    }

    #[test]
    fn a_line_ends_before_its_line_break_and_must_have_one() {
        let mut program = Program::new(b"os\nsystem");
        assert_eq!(program.line().unwrap(), "os");
        assert_eq!(program.at(), 3);
        assert!(program.line().unwrap_err().contains("cut short"));
    }

    #[test]
    fn a_program_past_the_limit_is_not_read() {
        let bytes = vec![0; LIMIT + 1];
        let message = Program::new(&bytes).take(LIMIT + 1).unwrap_err();
        assert!(
            message.contains("longer than the 67108864 bytes"),
            "{message}"
        );
    }
}
