//! What a file holds, and the hashes that hubs publish of it.

use std::sync::Arc;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Bytes of a generated file repeat at this distance, except for the first eight of each block, which carry its index.
const BLOCK: usize = 64 * 1024;

/// Bytes read at once when a file is hashed or sent.
pub(crate) const PIECE: usize = 256 * 1024;

/// What a file holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// Pseudo-random bytes that follow from seed and position; a file of any size costs no memory.
    Generated {
        /// Files of different seeds differ everywhere.
        seed: u64,
        /// Bytes in the file.
        size: u64,
    },
}

impl Content {
    /// Bytes in the file.
    pub fn size(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Generated { size, .. } => *size,
        }
    }

    /// The whole file, for a test to compare with.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut whole = vec![0; self.size() as usize];
        Source::of(self).read_at(0, &mut whole);
        whole
    }

    /// SHA-256 in hexadecimal digits, by which Hugging Face names files stored as LFS.
    pub fn sha256(&self) -> String {
        Source::of(self).sha256()
    }

    /// The name that git gives the file: SHA-1 of `blob <size>\0` and the bytes.
    pub fn git_blob(&self) -> String {
        Source::of(self).git_blob()
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Content::Bytes(bytes.into())
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Content::Bytes(bytes.into())
    }
}

impl<const N: usize> From<&[u8; N]> for Content {
    fn from(bytes: &[u8; N]) -> Self {
        Content::Bytes(bytes.as_slice().into())
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Content::Bytes(text.as_bytes().into())
    }
}

/// Content in a form that any range is read from quickly.
#[derive(Debug)]
pub(crate) enum Source {
    Bytes(Arc<[u8]>),
    Blocks {
        block: Box<[u8]>,
        seed: u64,
        size: u64,
    },
}

impl Source {
    pub(crate) fn of(content: &Content) -> Source {
        match content {
            Content::Bytes(bytes) => Source::Bytes(bytes.clone()),
            Content::Generated { seed, size } => {
                let block = (0..BLOCK as u64 / 8)
                    .flat_map(|word| mix(*seed, word).to_le_bytes())
                    .collect();
                Source::Blocks {
                    block,
                    seed: *seed,
                    size: *size,
                }
            }
        }
    }

    pub(crate) fn size(&self) -> u64 {
        match self {
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::Blocks { size, .. } => *size,
        }
    }

    /// Fills `out` with what lies at `position`; the caller stays within the size.
    pub(crate) fn read_at(&self, position: u64, out: &mut [u8]) {
        match self {
            Source::Bytes(bytes) => {
                let start = position as usize;
                out.copy_from_slice(&bytes[start..start + out.len()]);
            }
            Source::Blocks { block, seed, .. } => read_blocks(block, *seed, position, out),
        }
    }

    /// Calls `each` with the bytes in order.
    fn pieces(&self, mut each: impl FnMut(&[u8])) {
        let mut buffer = vec![0; PIECE];
        let mut position = 0;
        while position < self.size() {
            let length = (self.size() - position).min(PIECE as u64) as usize;
            self.read_at(position, &mut buffer[..length]);
            each(&buffer[..length]);
            position += length as u64;
        }
    }

    pub(crate) fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        self.pieces(|piece| hash.update(piece));
        hexadecimal(&hash.finalize())
    }

    pub(crate) fn git_blob(&self) -> String {
        let mut hash = Sha1::new();
        hash.update(format!("blob {}\0", self.size()));
        self.pieces(|piece| hash.update(piece));
        hexadecimal(&hash.finalize())
    }

    /// CRC-32C and MD5, the hashes of Google's storage.
    pub(crate) fn crc32c_and_md5(&self) -> (u32, [u8; 16]) {
        let mut hash = Md5::new();
        let mut crc = 0;
        self.pieces(|piece| {
            hash.update(piece);
            crc = crc32c::crc32c_append(crc, piece);
        });
        (crc, hash.finalize().into())
    }
}

fn read_blocks(block: &[u8], seed: u64, mut position: u64, mut out: &mut [u8]) {
    while !out.is_empty() {
        let index = position / BLOCK as u64;
        let offset = (position % BLOCK as u64) as usize;
        let length = out.len().min(BLOCK - offset);
        let (here, rest) = out.split_at_mut(length);
        here.copy_from_slice(&block[offset..offset + length]);
        if offset < 8 {
            let stamp = mix(!seed, index).to_le_bytes();
            let end = length.min(8 - offset);
            here[..end].copy_from_slice(&stamp[offset..offset + end]);
        }
        position += length as u64;
        out = rest;
    }
}

/// 64 bits for place `index` under `seed`: SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(seed: u64, index: u64) -> u64 {
    let mut bits = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_of_generated_content_is_the_same_as_in_the_whole() {
        let content = Content::Generated {
            seed: 7,
            size: 3 * BLOCK as u64 + 5,
        };
        let whole = content.to_vec();
        let source = Source::of(&content);
        for (start, length) in [
            (0, 1),
            (3, 9),
            (BLOCK - 3, 20),
            (BLOCK + 2, 3),
            (BLOCK + 5, 2 * BLOCK),
            (3 * BLOCK, 5),
        ] {
            let mut part = vec![0; length];
            source.read_at(start as u64, &mut part);
            assert_eq!(part, whole[start..start + length]);
        }
        assert_ne!(whole[..BLOCK], whole[BLOCK..2 * BLOCK]);
    }

    #[test]
    fn hashes_are_the_published_ones() {
        let content = Content::from(b"hello\n");
        assert_eq!(
            content.git_blob(),
            "ce013625030ba8dba906f756967f9e9ca394464a"
        );
        assert_eq!(
            content.sha256(),
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        let (crc, md5) = Source::of(&Content::from("123456789")).crc32c_and_md5();
        assert_eq!(crc, 0xe306_9283);
        assert_eq!(hexadecimal(&md5), "25f9e794323b453885f5181f1b624d0b");
    }
}
