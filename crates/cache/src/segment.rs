//! Reading one segment: where its records are, and their values.

use std::fs::File;
use std::io;

use crate::record::{
    Beginning, Check, Key, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, Space, check,
};

/// How much is read at once where records are small.
const WINDOW: u64 = 1 << 16;

/// Bytes that can be read anywhere.
pub trait Source {
    /// How many there are.
    ///
    /// # Errors
    /// The system's.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` from byte `start` on.
    ///
    /// # Errors
    /// The system's, and that there are not as many.
    fn read_at(&self, start: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl Source for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&self, start: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, start)
    }

    #[cfg(not(unix))]
    fn read_at(&self, start: u64, buffer: &mut [u8]) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self;
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(buffer)
    }
}

impl Source for &[u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, start: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = usize::try_from(start).ok().and_then(|start| {
            let end = start.checked_add(buffer.len())?;
            self.get(start..end)
        });
        let bytes = bytes.ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// Where the value of a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The first byte of the value.
    start: u64,
    length: u64,
    check: Check,
}

/// What was found in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The records, in order.
    pub records: Vec<(Key, Place)>,
    /// Where the last of them ends.
    pub end: u64,
    /// What follows them.
    pub ending: Ending,
}

/// What follows the records of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing.
    Whole,
    /// The beginning of a record, or of the segment itself: a process is writing it, or died while it did.
    Unfinished,
    /// Something that is no record.
    Damaged,
    /// Records of a later version: nothing is known of them.
    Later,
}

/// Finds the records of a segment of `space` from byte `from` on, which is 0 or the end of an earlier scan. Values are not looked at.
///
/// # Errors
/// It cannot be read.
pub fn scan(source: &impl Source, space: Space, from: u64) -> io::Result<Scan> {
    let size = source.size()?;
    let mut found = Scan {
        records: Vec::new(),
        end: from,
        ending: Ending::Unfinished,
    };
    if from == 0 {
        if size < SEGMENT_HEADER {
            return Ok(found);
        }
        let mut header = [0; 64];
        source.read_at(0, &mut header)?;
        match Beginning::read(&header) {
            Beginning::Of(found) if found == space => {}
            Beginning::Later => {
                found.ending = Ending::Later;
                return Ok(found);
            }
            Beginning::Of(_) | Beginning::Damaged => {
                found.ending = Ending::Damaged;
                return Ok(found);
            }
        }
        found.end = SEGMENT_HEADER;
    }
    let mut window = Window::default();
    loop {
        let left = size.saturating_sub(found.end);
        if left == 0 {
            found.ending = Ending::Whole;
            return Ok(found);
        }
        if left < RECORD_HEADER {
            return Ok(found);
        }
        let header = window.header(source, found.end, size)?;
        let Some(header) = RecordHeader::read(&header) else {
            found.ending = Ending::Damaged;
            return Ok(found);
        };
        if header.length > left - RECORD_HEADER {
            return Ok(found);
        }
        let place = Place {
            start: found.end + RECORD_HEADER,
            length: header.length,
            check: header.check,
        };
        found.records.push((header.key, place));
        found.end = place.start + place.length;
    }
}

/// A stretch of a source that was read at once.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
    /// Where the header before was asked for.
    before: u64,
}

impl Window {
    /// The 64 bytes at `start`, of which the source, `size` bytes long, has as many.
    fn header(&mut self, source: &impl Source, start: u64, size: u64) -> io::Result<[u8; 64]> {
        let is_inside = |window: &Self| {
            start >= window.start
                && start + RECORD_HEADER <= window.start + window.bytes.len() as u64
        };
        if !is_inside(self) {
            // Where records are large their headers alone are read.
            let is_small = start - self.before < WINDOW / 4;
            let wanted = if is_small { WINDOW } else { RECORD_HEADER };
            self.bytes.resize(wanted.min(size - start) as usize, 0);
            source.read_at(start, &mut self.bytes)?;
            self.start = start;
        }
        self.before = start;
        let at = (start - self.start) as usize;
        let mut header = [0; 64];
        header.copy_from_slice(&self.bytes[at..at + 64]);
        Ok(header)
    }
}

impl Place {
    pub(crate) fn of(start: u64, key: Key, value: &[u8]) -> Self {
        Self {
            start,
            length: value.len() as u64,
            check: check(key, value),
        }
    }

    /// The first byte of the value.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Whether `value` is what was written here.
    pub(crate) fn held(&self, key: Key, value: &[u8]) -> bool {
        self.length == value.len() as u64 && self.check == check(key, value)
    }

    /// The value of `key`; none if it is not the one that was written.
    pub fn read(&self, source: &impl Source, key: Key) -> Option<Vec<u8>> {
        // What a scan has found is no longer than its source, so that this cannot ask for more memory than there is file.
        let mut value = vec![0; usize::try_from(self.length).ok()?];
        source.read_at(self.start, &mut value).ok()?;
        self.held(key, &value).then_some(value)
    }
}

/// Adds a record as it stands in a segment.
pub fn push_record(bytes: &mut Vec<u8>, key: Key, value: &[u8]) {
    bytes.extend_from_slice(&RecordHeader::of(key, value).bytes());
    bytes.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPACE: Space = Space([3; 32]);

    fn segment(values: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = SPACE.header().to_vec();
        for (number, value) in values.iter().enumerate() {
            push_record(&mut bytes, key(number), value);
        }
        bytes
    }

    fn key(number: usize) -> Key {
        Key(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    fn values() -> impl Strategy<Value = Vec<Vec<u8>>> {
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..12)
    }

    #[test]
    fn large_and_small_records_are_found_alike() {
        let sizes = [10, 200_000, 70_000, 5, 0, 16_385, 16_383, 100_000, 1];
        let values: Vec<Vec<u8>> = sizes.iter().map(|&size| vec![size as u8; size]).collect();
        let bytes = segment(&values);
        let found = scan(&bytes.as_slice(), SPACE, 0).unwrap();
        assert_eq!(found.ending, Ending::Whole);
        let read: Vec<_> = found
            .records
            .iter()
            .map(|(key, place)| place.read(&bytes.as_slice(), *key).unwrap())
            .collect();
        assert_eq!(read, values);
    }

    proptest! {
        #[test]
        fn a_scan_finds_what_was_written_and_goes_on_where_it_ended(
            values in values(), more in values(),
        ) {
            let bytes = segment(&values);
            let first = scan(&bytes.as_slice(), SPACE, 0).unwrap();
            prop_assert_eq!(first.records.len(), values.len());
            prop_assert_eq!(first.end, bytes.len() as u64);
            let all = [values, more].concat();
            let bytes = segment(&all);
            let second = scan(&bytes.as_slice(), SPACE, first.end).unwrap();
            let records = first.records.into_iter().chain(second.records);
            for ((number, value), (found, place)) in all.iter().enumerate().zip(records) {
                prop_assert_eq!(found, key(number));
                prop_assert_eq!(&place.read(&bytes.as_slice(), found), &Some(value.clone()));
            }
        }

        #[test]
        fn a_segment_cut_anywhere_has_its_first_records_and_is_unfinished(
            values in values(), cut in 0.0..1.0f64,
        ) {
            let whole = segment(&values);
            let cut = (cut * whole.len() as f64) as usize;
            let bytes = &whole[..cut];
            let found = scan(&bytes, SPACE, 0).unwrap();
            prop_assert!(found.end <= cut as u64);
            let expected = if found.end == cut as u64 && cut > 0 { Ending::Whole } else { Ending::Unfinished };
            prop_assert_eq!(found.ending, expected);
            for ((number, value), (key_found, place)) in values.iter().enumerate().zip(&found.records) {
                prop_assert_eq!(*key_found, key(number));
                prop_assert_eq!(&place.read(&bytes, *key_found), &Some(value.clone()));
            }
        }

        #[test]
        fn whatever_bytes_change_a_value_is_the_one_that_was_written_or_absent(
            values in values(),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), 1..=255u8), 1..6),
        ) {
            let mut bytes = segment(&values);
            for (at, change) in changes {
                let at = at.index(bytes.len());
                bytes[at] ^= change;
            }
            let found = scan(&bytes.as_slice(), SPACE, 0).unwrap();
            for (found, place) in found.records {
                let number = (0..values.len()).find(|number| key(*number) == found);
                let value = place.read(&bytes.as_slice(), found);
                prop_assert!(value.is_none() || number.is_some_and(|number| value.as_ref() == Some(&values[number])));
            }
        }
    }
}
