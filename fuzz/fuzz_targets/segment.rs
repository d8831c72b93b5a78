//! A segment of a cache after any change has the values that were written, or lacks them, and reading it ends.

#![no_main]

use engraft_cache::{Ending, Key, Scan, Space, push_record, scan};
use libfuzzer_sys::fuzz_target;

const SPACE: Space = Space([7; 32]);

/// The header of a segment, and of a record.
const HEADER: usize = 64;

fn key(number: usize) -> Key {
    Key([number as u8; 32])
}

fn value(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + number) as u8).collect()
}

/// Makes the header at `at` one that was written so, whatever it says.
fn seal(bytes: &mut [u8], at: usize) {
    if let Some(header) = bytes.get_mut(at..at + HEADER) {
        let hash = blake3::hash(&header[..56]);
        header[56..].copy_from_slice(&hash.as_bytes()[..8]);
    }
}

fn read(bytes: &[u8], from: u64) -> Scan {
    scan(&bytes, SPACE, from).expect("bytes in memory can be read")
}

fuzz_target!(|input: &[u8]| {
    let Some((&count, mut input)) = input.split_first() else {
        return;
    };
    let mut values = Vec::new();
    let mut starts = vec![0];
    let mut bytes = SPACE.header().to_vec();
    for number in 0..usize::from(count % 7) {
        let Some((&length, rest)) = input.split_first() else {
            return;
        };
        input = rest;
        // A few are longer than what is read at once.
        let length = usize::from(length) * if length % 16 == 15 { 400 } else { 1 };
        starts.push(bytes.len());
        values.push(value(number, length));
        push_record(&mut bytes, key(number), &values[number]);
    }
    for change in input.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([change[1], change[2]]));
        let start = starts[at % starts.len()];
        let size = bytes.len().max(1);
        match change[0] % 8 {
            0 => bytes.iter_mut().skip(at % size).take(1).for_each(|byte| *byte ^= change[3]),
            1 => bytes.truncate(at % size),
            2 => bytes.extend(std::iter::repeat_n(change[3], at % 200)),
            3 => bytes.insert((at % size).min(bytes.len()), change[3]),
            4 => {
                // A length of any size, in a header that is whole.
                if let Some(length) = bytes.get_mut(start + 32..start + 40) {
                    length[usize::from(change[3]) % 8] ^= change[1] | 1;
                    seal(&mut bytes, start);
                }
            }
            5 => seal(&mut bytes, start),
            6 => {
                // A record again, elsewhere.
                let again = bytes.get(start..start + at % 300).unwrap_or_default().to_vec();
                bytes.extend(again);
            }
            _ => {
                // Another's key, in a header that is whole.
                if let Some(header) = bytes.get_mut(start..start + 32) {
                    header.fill(change[3] % 8);
                    seal(&mut bytes, start);
                }
            }
        }
    }
    let found = read(&bytes, 0);
    assert!(found.end <= bytes.len() as u64 && found.records.len() <= bytes.len() / HEADER);
    assert_eq!(found.ending == Ending::Whole, found.end == bytes.len() as u64 && found.end > 0);
    for (key, place) in &found.records {
        let read = place.read(&bytes.as_slice(), *key);
        let written = values.get(usize::from(key.0[0]));
        assert!(read.is_none() || read.as_ref() == written, "a value that was never written under its key");
    }
    // Going on from the end of a first look finds the same as one look.
    let cut = bytes.len() / 2;
    let first = read(&bytes[..cut], 0);
    if first.ending == Ending::Unfinished || first.ending == Ending::Whole {
        let rest = read(&bytes, first.end);
        let both = [first.records, rest.records].concat();
        assert_eq!((both, rest.end), (found.records, found.end));
    }
});
