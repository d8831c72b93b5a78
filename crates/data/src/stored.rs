//! Long texts in a temporary file, so that a table may be larger than memory.
//!
//! The file has no name in its folder, so nothing is left of it however the program ends. Texts are read from their places
//! in it rather than mapped: mapped pages would count as the program's memory.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;

/// Bytes gathered before they are written.
const BUFFER: usize = 1 << 20;

/// A text that lies in a temporary file; cheap to clone.
#[derive(Clone)]
pub struct StoredText {
    file: Arc<TextFile>,
    start: u64,
    length: usize,
}

struct TextFile {
    file: File,
    folder: PathBuf,
}

impl StoredText {
    /// The text.
    ///
    /// # Errors
    /// The system cannot read the temporary file.
    pub fn read(&self) -> Result<String, Error> {
        let mut bytes = vec![0; self.length];
        let read = read_at(&self.file.file, &mut bytes, self.start);
        let text = read.and_then(|()| String::from_utf8(bytes).map_err(io::Error::other));
        text.map_err(|source| Error::Store {
            folder: self.file.folder.clone(),
            action: "read back",
            source,
        })
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// A part of it, given as bytes that lie between characters.
    pub(crate) fn part(&self, start: usize, length: usize) -> StoredText {
        let start = start.min(self.length);
        StoredText {
            file: Arc::clone(&self.file),
            start: self.start + start as u64,
            length: length.min(self.length - start),
        }
    }
}

impl fmt::Debug for StoredText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredText({} bytes)", self.length)
    }
}

/// Two texts that read alike; none that cannot be read.
impl PartialEq for StoredText {
    fn eq(&self, other: &StoredText) -> bool {
        let same = Arc::ptr_eq(&self.file, &other.file) && self.start == other.start;
        self.length == other.length
            && (same || matches!((self.read(), other.read()), (Ok(a), Ok(b)) if a == b))
    }
}

/// Writes texts to a temporary file. What it gives is to be read once [`TextWriter::flush`] is done.
#[derive(Debug)]
pub(crate) struct TextWriter {
    file: Arc<TextFile>,
    writer: BufWriter<File>,
    end: u64,
}

impl fmt::Debug for TextFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TextFile({})", self.folder.display())
    }
}

impl TextWriter {
    /// Begins a file in the system's folder for temporary files.
    pub(crate) fn create() -> Result<TextWriter, Error> {
        let folder = std::env::temp_dir();
        let file = tempfile::tempfile_in(&folder);
        let both = file.and_then(|file| Ok((file.try_clone()?, file)));
        let (writer, file) = both.map_err(|source| write_failed(&folder, source))?;
        Ok(TextWriter {
            file: Arc::new(TextFile { file, folder }),
            writer: BufWriter::with_capacity(BUFFER, writer),
            end: 0,
        })
    }

    pub(crate) fn write(&mut self, text: &str) -> Result<StoredText, Error> {
        let written = self.writer.write_all(text.as_bytes());
        written.map_err(|source| write_failed(&self.file.folder, source))?;
        let start = self.end;
        self.end += text.len() as u64;
        Ok(StoredText {
            file: Arc::clone(&self.file),
            start,
            length: text.len(),
        })
    }

    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.writer.flush();
        flushed.map_err(|source| write_failed(&self.file.folder, source))
    }
}

fn write_failed(folder: &Path, source: io::Error) -> Error {
    Error::Store {
        folder: folder.to_path_buf(),
        action: "put",
        source,
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], start: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, start)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut start: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, start) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Ok(count) => {
                bytes = &mut bytes[count..];
                start += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back_from_their_places() {
        let mut writer = TextWriter::create().unwrap();
        let texts = ["", "né🧬", "ACGT"].map(|text| (text, writer.write(text).unwrap()));
        writer.flush().unwrap();
        for (text, stored) in &texts {
            assert_eq!(stored.read().unwrap(), *text);
            assert_eq!(stored.len(), text.len());
        }
        let [_, _, (_, letters)] = &texts;
        assert_eq!(letters.part(1, 2).read().unwrap(), "CG");
        assert_eq!(letters.part(3, 9).read().unwrap(), "T");
        assert_eq!(letters.part(9, 9).read().unwrap(), "");
        assert_ne!(letters.part(0, 1), letters.part(1, 1));
    }

    #[test]
    fn texts_outlive_their_writer() {
        let mut writer = TextWriter::create().unwrap();
        let stored = writer.write("text").unwrap();
        writer.flush().unwrap();
        drop(writer);
        assert_eq!(stored.clone(), stored);
        assert_eq!(stored.read().unwrap(), "text");
    }
}
