//! What the bytes of a file must add up to.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The digest that a hub announces for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    /// Of files in Git LFS, as 64 hexadecimal digits.
    Sha256(String),
    /// What git calls a file of this size: the SHA-1 of `blob SIZE`, a zero and the bytes, as 40 hexadecimal digits.
    GitBlob { sha1: String, size: u64 },
    /// What Google's storage says of a file: the MD5 of its bytes.
    Md5([u8; 16]),
    /// The same of a file that was put together there.
    Crc32c(u32),
}

impl Digest {
    /// The digest of a file of the cache of Hugging Face, whose name is its digest; none if the name is another.
    pub(crate) fn of_blob(name: &str, size: u64) -> Option<Self> {
        if !is_hex(name) {
            return None;
        }
        match name.len() {
            64 => Some(Self::Sha256(name.to_owned())),
            40 => Some(Self::GitBlob {
                sha1: name.to_owned(),
                size,
            }),
            _ => None,
        }
    }

    /// The digest in a header `x-goog-hash`, as in `crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ==`; MD5 where both are there.
    ///
    /// Format: <https://cloud.google.com/storage/docs/xml-api/reference-headers#xgooghash>.
    pub(crate) fn of_google<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut found = None;
        for part in values.into_iter().flat_map(|value| value.split(',')) {
            let Some((name, value)) = part.trim().split_once('=') else {
                continue;
            };
            let Ok(bytes) = STANDARD.decode(value) else {
                continue;
            };
            match name {
                "md5" => {
                    if let Ok(md5) = bytes.try_into() {
                        return Some(Self::Md5(md5));
                    }
                }
                "crc32c" => {
                    if let Ok(crc) = bytes.try_into() {
                        found = Some(Self::Crc32c(u32::from_be_bytes(crc)));
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// A digest as [`to_text`](Self::to_text) writes it, of a file of this size.
    pub(crate) fn from_text(text: &str, size: u64) -> Option<Self> {
        let (kind, value) = text.split_once(':')?;
        match kind {
            "md5" => Some(Self::Md5(STANDARD.decode(value).ok()?.try_into().ok()?)),
            "crc32c" => Some(Self::Crc32c(value.parse().ok()?)),
            "sha256" | "git" => Self::of_blob(value, size),
            _ => None,
        }
    }

    /// The digest as a word.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Sha256(hex) => format!("sha256:{hex}"),
            Self::GitBlob { sha1, .. } => format!("git:{sha1}"),
            Self::Md5(md5) => format!("md5:{}", STANDARD.encode(md5)),
            Self::Crc32c(crc) => format!("crc32c:{crc}"),
        }
    }

    /// What its bytes are to be given to.
    pub(crate) fn sum(&self) -> Sum {
        match self {
            Self::Sha256(_) => Sum::Sha256(Sha256::new()),
            Self::GitBlob { size, .. } => {
                Sum::GitBlob(Sha1::new_with_prefix(format!("blob {size}\0")), *size)
            }
            Self::Md5(_) => Sum::Md5(Md5::new()),
            Self::Crc32c(_) => Sum::Crc32c(0),
        }
    }

    /// Whether the bytes of a file add up to it.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub(crate) fn is_of(&self, path: &Path) -> io::Result<bool> {
        let mut sum = self.sum();
        sum.add_start_of(&mut File::open(path)?, u64::MAX)?;
        Ok(sum.end() == *self)
    }
}

/// A digest being made.
#[derive(Clone, Debug)]
pub(crate) enum Sum {
    Sha256(Sha256),
    GitBlob(Sha1, u64),
    Md5(Md5),
    Crc32c(u32),
}

impl Sum {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(sum) => sum.update(bytes),
            Self::GitBlob(sum, _) => sum.update(bytes),
            Self::Md5(sum) => sum.update(bytes),
            Self::Crc32c(sum) => *sum = crc32c::crc32c_append(*sum, bytes),
        }
    }

    /// Adds at most so many bytes of a file; gives how many there were.
    pub(crate) fn add_start_of(&mut self, file: &mut File, most: u64) -> io::Result<u64> {
        let mut buffer = vec![0; 1 << 18];
        let mut file = file.take(most);
        let mut count = 0;
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(count),
                read => {
                    self.add(&buffer[..read]);
                    count += read as u64;
                }
            }
        }
    }

    pub(crate) fn end(self) -> Digest {
        match self {
            Self::Sha256(sum) => Digest::Sha256(hex(&sum.finalize())),
            Self::GitBlob(sum, size) => Digest::GitBlob {
                sha1: hex(&sum.finalize()),
                size,
            },
            Self::Md5(sum) => Digest::Md5(sum.finalize().into()),
            Self::Crc32c(sum) => Digest::Crc32c(sum),
        }
    }
}

/// Whether a text is of lower-case hexadecimal digits alone.
pub(crate) fn is_hex(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(digest: &Digest, bytes: &[u8]) -> Digest {
        let mut sum = digest.sum();
        let (start, end) = bytes.split_at(bytes.len() / 2);
        sum.add(start);
        sum.add(end);
        sum.end()
    }

    #[test]
    fn digests_are_those_that_others_make() {
        // `git hash-object`, `sha256sum`, `openssl md5 -binary | base64` of "hello\n".
        let git = Digest::of_blob("ce013625030ba8dba906f756967f9e9ca394464a", 6).unwrap();
        assert_eq!(of(&git, b"hello\n"), git);
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        let sha256 = Digest::of_blob(sha256, 6).unwrap();
        assert_eq!(of(&sha256, b"hello\n"), sha256);
        let md5 = Digest::of_google(["crc32c=AAAAAA==", "md5=sZRqySSS0jR8YjW00mERhA=="]).unwrap();
        assert_eq!(of(&md5, b"hello\n"), md5);
        // The check value of the polynomial: CRC-32C of "123456789".
        let crc = Digest::of_google(["crc32c=4waSgw=="]).unwrap();
        assert_eq!(of(&crc, b"123456789"), crc);
        assert_ne!(of(&crc, b"123456788"), crc);
    }

    #[test]
    fn a_digest_is_read_as_it_was_written() {
        for digest in [
            Digest::Md5([7; 16]),
            Digest::Crc32c(9),
            Digest::Sha256("ab".repeat(32)),
            Digest::GitBlob {
                sha1: "cd".repeat(20),
                size: 3,
            },
        ] {
            assert_eq!(Digest::from_text(&digest.to_text(), 3), Some(digest));
        }
        assert_eq!(Digest::from_text("md5:x", 3), None);
    }

    #[test]
    fn a_name_that_is_no_digest_and_a_header_without_one_give_none() {
        for name in ["", "abc", &"g".repeat(64), &"A".repeat(40), "../x"] {
            assert_eq!(Digest::of_blob(name, 1), None, "{name}");
        }
        for header in ["", "md5", "md5=%%%", "md5=AAAA", "sha=AAAA"] {
            assert_eq!(Digest::of_google([header]), None, "{header}");
        }
    }
}
