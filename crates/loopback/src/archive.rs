//! A `.tar.gz` of files, in the format of POSIX.1-1988 (ustar) with GNU's entries for long names.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::content::{PIECE, Source};

const RECORD: usize = 512;

/// The archive of these files.
pub(crate) fn tar_gz<'a>(files: impl Iterator<Item = (&'a str, &'a Source)>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = files
        .into_iter()
        .try_for_each(|(path, source)| entry(&mut encoder, path, source));
    let ended = written
        .and_then(|()| encoder.write_all(&[0; 2 * RECORD]))
        .and_then(|()| encoder.finish());
    // Nothing fails where bytes go to memory.
    ended.unwrap_or_default()
}

fn entry(to: &mut impl Write, path: &str, source: &Source) -> std::io::Result<()> {
    if path.len() > 100 {
        to.write_all(&header("././@LongLink", path.len() as u64 + 1, b'L'))?;
        to.write_all(path.as_bytes())?;
        // The name ends with a zero byte, which belongs to it.
        to.write_all(&vec![0; 1 + padding(path.len() as u64 + 1)])?;
    }
    let size = source.size();
    to.write_all(&header(path, size, b'0'))?;
    let mut buffer = vec![0; PIECE];
    let mut position = 0;
    while position < size {
        let piece = &mut buffer[..(size - position).min(PIECE as u64) as usize];
        source.read_at(position, piece);
        to.write_all(piece)?;
        position += piece.len() as u64;
    }
    to.write_all(&vec![0; padding(size)])
}

fn padding(size: u64) -> usize {
    (RECORD - (size % RECORD as u64) as usize) % RECORD
}

/// The record before an entry: name, mode, owner, size, time, sum, kind.
fn header(path: &str, size: u64, kind: u8) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &path.as_bytes()[..path.len().min(100)]);
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"14525360000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = record.iter().map(|byte| u32::from(*byte)).sum();
    record[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    record
}
