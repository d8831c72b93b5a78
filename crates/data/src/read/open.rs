//! Opening a file and undoing its compression.
//!
//! Gzip and Zstandard say where they end, so that a file that was cut short is never taken for a shorter table. Concatenated
//! members are read as one; of files by `bgzip`, which are many members, the empty one that ends them must be there.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::format::Compression;
use crate::error::Error;

/// Bytes read from a file at once.
const BUFFER: usize = 1 << 16;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The last member of a file by `bgzip`, which is empty.
const BGZIP_END: [u8; 28] = [
    0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 0xff, 0x06, 0, b'B', b'C', 0x02, 0, 0x1b, 0, 0x03, 0, 0,
    0, 0, 0, 0, 0, 0, 0,
];

/// What a table is read from.
pub(super) enum Contents<'a> {
    /// A file on the disk.
    File(File),
    /// The bytes of one.
    Bytes(&'a [u8]),
}

impl<'a> Contents<'a> {
    /// Opens a file.
    ///
    /// # Errors
    /// It is missing or unreadable.
    pub(super) fn open(path: &Path) -> Result<Contents<'static>, Error> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => Error::NotFound {
                path: path.to_path_buf(),
            },
            _ => read_failed(path, source),
        };
        let file = File::open(path).map_err(failed)?;
        // A folder opens like a file and fails only when it is read.
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        Ok(Contents::File(file))
    }

    /// Whether there are no bytes.
    pub(super) fn is_empty(&self, path: &Path) -> Result<bool, Error> {
        match self {
            Contents::File(file) => {
                let metadata = file.metadata();
                let metadata = metadata.map_err(|source| read_failed(path, source))?;
                Ok(metadata.len() == 0)
            }
            Contents::Bytes(bytes) => Ok(bytes.is_empty()),
        }
    }

    /// How the bytes are compressed, by how they begin.
    ///
    /// # Errors
    /// The name says otherwise, or the file cannot be read.
    pub(super) fn compression(&mut self, path: &Path) -> Result<Option<Compression>, Error> {
        let mut start = [0; 4];
        let filled = self.look(&mut start);
        let filled = filled.map_err(|source| read_failed(path, source))?;
        let start = &start[..filled];
        let found = match start {
            _ if start.starts_with(GZIP) => Some(Compression::Gzip),
            _ if start.starts_with(ZSTD) => Some(Compression::Zstd),
            _ => None,
        };
        let name = path.file_name().and_then(|name| name.to_str());
        let named = name.and_then(|name| Compression::split(name).1);
        match named {
            Some(named) if found != Some(named) && filled > 0 => Err(Error::Damaged {
                path: path.to_path_buf(),
                line: None,
                reason: format!(
                    "the name promises {} data, but the file does not begin like them; it is damaged or misnamed",
                    named.name()
                ),
            }),
            _ => Ok(found),
        }
    }

    /// The bytes, decompressed.
    ///
    /// # Errors
    /// The file is not what its name says, is known to be cut short, or cannot be read.
    pub(super) fn decompressed(mut self, path: &Path) -> Result<Box<dyn Read + 'a>, Error> {
        let compression = self.compression(path)?;
        if compression == Some(Compression::Gzip) {
            self.check_bgzip(path)?;
        }
        let bytes: Box<dyn BufRead + 'a> = match self {
            Contents::File(file) => Box::new(BufReader::with_capacity(BUFFER, file)),
            Contents::Bytes(bytes) => Box::new(Cursor::new(bytes)),
        };
        Ok(match compression {
            None => bytes,
            Some(Compression::Gzip) => Box::new(Decompressed {
                inner: MultiGzDecoder::new(bytes),
                compression: Compression::Gzip,
            }),
            Some(Compression::Zstd) => {
                let inner = zstd::stream::read::Decoder::with_buffer(bytes);
                Box::new(Decompressed {
                    inner: inner.map_err(|source| read_failed(path, source))?,
                    compression: Compression::Zstd,
                })
            }
        })
    }

    /// The first bytes, which are still to be read; says how many there are.
    fn look(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Contents::File(file) => {
                let filled = read_start(file, buffer);
                file.rewind().and(filled)
            }
            Contents::Bytes(bytes) => {
                let filled = bytes.len().min(buffer.len());
                buffer[..filled].copy_from_slice(&bytes[..filled]);
                Ok(filled)
            }
        }
    }

    /// The last bytes, if there are as many.
    fn look_at_end(&mut self, buffer: &mut [u8; BGZIP_END.len()]) -> io::Result<()> {
        match self {
            Contents::File(file) => {
                let length = file.seek(SeekFrom::End(0))?;
                let last = length.saturating_sub(buffer.len() as u64);
                file.seek(SeekFrom::Start(last))?;
                read_start(file, buffer)?;
                file.rewind()
            }
            Contents::Bytes(bytes) => {
                *buffer = bytes.last_chunk().copied().unwrap_or(*buffer);
                Ok(())
            }
        }
    }

    /// Refuses a file by `bgzip` without its end.
    fn check_bgzip(&mut self, path: &Path) -> Result<(), Error> {
        let mut start = [0; 18];
        let mut end = [0; BGZIP_END.len()];
        self.look(&mut start)
            .and_then(|_| self.look_at_end(&mut end))
            .map_err(|source| read_failed(path, source))?;
        // An extra field that begins with the subfield BC, of two bytes.
        let is_bgzip = start[3] & 4 != 0 && start[12..16] == [b'B', b'C', 2, 0];
        if is_bgzip && end != BGZIP_END {
            return Err(Error::Damaged {
                path: path.to_path_buf(),
                line: None,
                reason: "the file is cut short: the end that bgzip writes is missing; fetch or copy it again"
                    .to_owned(),
            });
        }
        Ok(())
    }
}

/// Reads until the buffer is full or the file ends.
fn read_start(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Says in the words of a user what a decompressor complains about.
struct Decompressed<R> {
    inner: R,
    compression: Compression,
}

impl<R: Read> Read for Decompressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let name = self.compression.name();
            let reason = match error.kind() {
                io::ErrorKind::Interrupted => return error,
                io::ErrorKind::UnexpectedEof => format!(
                    "the file is cut short: its {name} data end in the middle; fetch or copy it again"
                ),
                // Both libraries call what they cannot decode invalid or other; the rest are the system's.
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                    format!("the {name} data are damaged ({error}); fetch or copy the file again")
                }
                _ => return error,
            };
            io::Error::other(Unreadable { reason })
        })
    }
}

/// Why compressed data could not be read, on its way through readers that know only [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Unreadable {
    pub(super) reason: String,
}

/// What went wrong while reading a file: what a reader below said of it, or what the system said.
pub(super) fn read_failed(path: &Path, source: io::Error) -> Error {
    match source.downcast::<Error>() {
        Ok(error) => error,
        Err(source) => match source.downcast::<Unreadable>() {
            Ok(Unreadable { reason }) => Error::Damaged {
                path: path.to_path_buf(),
                line: None,
                reason,
            },
            Err(source) => Error::Io {
                path: path.to_path_buf(),
                action: "read the file",
                source,
            },
        },
    }
}
