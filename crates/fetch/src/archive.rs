//! Archives of many files, unpacked without ever leaving a folder.
//!
//! Only files and folders are made of what is in one, with the names that a list of files could have. Links, devices and what else an archive can
//! hold are refused, and so is more than was announced.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use crate::client::one_line;
use crate::listing::stays_inside;
use crate::{Error, Result};

/// The longest name and the longest list of attributes of an entry.
const ABOUT: u64 = 1 << 16;

/// The most that an archive may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Files.
    pub files: usize,
    /// Bytes of all files together.
    pub bytes: u64,
}

/// Unpacks a tar file, packed by gzip or not, into a folder that is there; gives the paths of its files, each with
/// the CRC-32C of its bytes.
///
/// # Errors
///
/// It is none, is cut, holds something else than files and folders, a path that leaves the folder, one path twice, or more than `bounds`, or a file
/// cannot be written. What was unpacked by then stays: the folder is to be thrown away.
pub fn unpack(archive: &Path, into: &Path, bounds: Bounds) -> Result<BTreeMap<String, u32>> {
    let io = |error| Error::from(engraft_files::Error::io("read", archive)(error));
    let mut file = File::open(archive).map_err(io)?;
    let mut magic = [0; 4];
    let read = read_up_to(&mut file, &mut magic).map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let file = BufReader::with_capacity(1 << 18, file);
    let unpacked = match &magic[..read] {
        [0x1f, 0x8b, ..] => unpack_tar(MultiGzDecoder::new(file), into, bounds),
        [b'P', b'K', ..] => Err(Problem::Wrong(
            "it is a zip file, and models come as tar files; name its files one by one".to_owned(),
        )),
        _ => unpack_tar(file, into, bounds),
    };
    unpacked.map_err(|problem| match problem {
        Problem::Wrong(reason) => Error::Archive {
            archive: archive.to_path_buf(),
            reason,
        },
        Problem::Write(error) => error.into(),
    })
}

enum Problem {
    /// It is not as it should be.
    Wrong(String),
    /// The disk does not take it.
    Write(engraft_files::Error),
}

impl From<engraft_files::Error> for Problem {
    fn from(error: engraft_files::Error) -> Self {
        Self::Write(error)
    }
}

fn wrong<T>(reason: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::Wrong(reason.into()))
}

fn unpack_tar(
    packed: impl Read,
    into: &Path,
    bounds: Bounds,
) -> Result<BTreeMap<String, u32>, Problem> {
    let cut = |error: io::Error| {
        Problem::Wrong(format!(
            "it is no whole tar file: {}",
            one_line(&error.to_string())
        ))
    };
    let mut archive = tar::Archive::new(packed);
    let mut files = BTreeMap::new();
    let mut bytes = 0_u64;
    // Folders and attributes are entries too.
    let most = bounds.files.saturating_mul(4).saturating_add(1000);
    let mut about = About::default();
    // Entries as they are: names that the library would read for us have no bounds.
    for (number, entry) in archive.entries().map_err(cut)?.raw(true).enumerate() {
        let mut entry = entry.map_err(cut)?;
        if number >= most {
            return wrong(format!(
                "it has more than {most} entries, where {} files were announced",
                bounds.files
            ));
        }
        let kind = entry.header().entry_type();
        let size = match about.size.filter(|_| kind == EntryType::Regular) {
            Some(size) if size != entry.size() => return wrong("it says two lengths of one file"),
            _ => entry.size(),
        };
        match kind {
            EntryType::GNULongName => about.read_name(&mut entry, size).map_err(cut)?,
            EntryType::XHeader => about.read_attributes(&mut entry, size).map_err(cut)?,
            EntryType::XGlobalHeader => {}
            EntryType::Regular | EntryType::Continuous | EntryType::Directory => {
                let stored = entry.header().path_bytes().into_owned();
                let path = about.take(stored);
                let shown = one_line(&String::from_utf8_lossy(&path));
                let path = String::from_utf8(path).ok();
                let path = path
                    .as_deref()
                    .map(|path| path.strip_prefix("./").unwrap_or(path));
                let is_folder = kind == EntryType::Directory;
                let path = path.map(|path| {
                    if is_folder {
                        path.trim_end_matches('/')
                    } else {
                        path
                    }
                });
                let Some(path) = path
                    .filter(|path| stays_inside(path) || (is_folder && matches!(*path, "" | ".")))
                else {
                    return wrong(format!(
                        "{shown:?} in it cannot be the path of a file in a folder"
                    ));
                };
                let place = into.join(path);
                if is_folder {
                    fs::create_dir_all(&place)
                        .map_err(engraft_files::Error::io("create", &place))?;
                    continue;
                }
                if files.insert(path.to_owned(), 0).is_some() {
                    return wrong(format!("{shown:?} is in it twice"));
                }
                bytes = bytes.saturating_add(size);
                if files.len() > bounds.files || bytes > bounds.bytes {
                    return wrong(format!(
                        "it holds more than the {} files of {} bytes that were announced",
                        bounds.files, bounds.bytes
                    ));
                }
                files.insert(path.to_owned(), write(&mut entry, &place, size)?);
            }
            other => {
                let what = match other {
                    EntryType::Link | EntryType::Symlink => "a link",
                    EntryType::Block | EntryType::Char | EntryType::Fifo => "a device",
                    _ => "something else than files",
                };
                return wrong(format!("it holds {what}"));
            }
        }
    }
    Ok(files)
}

/// Writes a file of an archive; gives the CRC-32C of its bytes.
fn write(entry: &mut impl Read, place: &Path, size: u64) -> Result<u32, Problem> {
    let failed = |error| Problem::Write(engraft_files::Error::io("write", place)(error));
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).map_err(engraft_files::Error::io("create", folder))?;
    }
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .open(place)
        .map_err(failed)?;
    let mut held = vec![0; 1 << 18];
    let (mut written, mut sum) = (0_u64, 0);
    loop {
        let read = entry.read(&mut held);
        let read = read.or_else(|error| {
            wrong(format!(
                "it is cut or broken: {}",
                one_line(&error.to_string())
            ))
        })?;
        if read == 0 {
            break;
        }
        file.write_all(&held[..read]).map_err(failed)?;
        sum = crc32c::crc32c_append(sum, &held[..read]);
        written += read as u64;
    }
    if written == size {
        Ok(sum)
    } else {
        wrong(format!(
            "it is cut: {written} of {size} bytes of {}",
            place.display()
        ))
    }
}

/// What an entry says of the one after it.
#[derive(Default)]
struct About {
    path: Option<Vec<u8>>,
    size: Option<u64>,
}

impl About {
    /// Reads a name that is too long for a header.
    fn read_name(&mut self, entry: &mut impl Read, size: u64) -> io::Result<()> {
        let mut name = bounded(entry, size)?;
        while name.last() == Some(&0) {
            name.pop();
        }
        self.path = Some(name);
        Ok(())
    }

    /// Reads attributes, of which the path and the length count.
    fn read_attributes(&mut self, entry: &mut impl Read, size: u64) -> io::Result<()> {
        let attributes = bounded(entry, size)?;
        for attribute in tar::PaxExtensions::new(&attributes) {
            let attribute = attribute?;
            match attribute.key_bytes() {
                b"path" => self.path = Some(attribute.value_bytes().to_vec()),
                b"size" => self.size = attribute.value().ok().and_then(|size| size.parse().ok()),
                key if key.starts_with(b"GNU.sparse") => {
                    return Err(io::Error::other("it holds a file with holes"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The path of an entry whose header has `stored`.
    fn take(&mut self, stored: Vec<u8>) -> Vec<u8> {
        std::mem::take(self).path.unwrap_or(stored)
    }
}

fn bounded(entry: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    if size > ABOUT {
        return Err(io::Error::other("a name in it is longer than names are"));
    }
    let mut bytes = Vec::new();
    entry.take(ABOUT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_up_to(file: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read(&mut into[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use tar::{Builder, Header};

    const BOUNDS: Bounds = Bounds {
        files: 3,
        bytes: 100,
    };

    /// An archive of files by path, whose paths are written as they are given.
    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn try_unpack(bytes: &[u8]) -> (tempfile::TempDir, Result<BTreeMap<String, u32>>) {
        let root = tempfile::tempdir().unwrap();
        let archive = root.path().join("archive");
        fs::write(&archive, bytes).unwrap();
        let into = root.path().join("into");
        fs::create_dir(&into).unwrap();
        let unpacked = unpack(&archive, &into, BOUNDS);
        (root, unpacked)
    }

    fn refusal(bytes: &[u8]) -> String {
        let (root, unpacked) = try_unpack(bytes);
        let beside: Vec<_> = fs::read_dir(root.path()).unwrap().collect();
        assert_eq!(beside.len(), 2, "nothing is made beside the folder");
        unpacked.unwrap_err().to_string()
    }

    #[test]
    fn files_are_unpacked_with_their_folders_whether_packed_by_gzip_or_not() {
        let tar = packed(&[
            ("./config.json", b"{}"),
            ("assets/tokenizer/v.txt", b"word"),
        ]);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&tar).unwrap();
        for bytes in [tar.clone(), gzip.finish().unwrap()] {
            let (root, unpacked) = try_unpack(&bytes);
            let paths: Vec<_> = unpacked.unwrap().into_keys().collect();
            assert_eq!(paths, ["assets/tokenizer/v.txt", "config.json"]);
            let read = fs::read(root.path().join("into/assets/tokenizer/v.txt"));
            assert_eq!(read.unwrap(), b"word");
        }
    }

    #[test]
    fn names_longer_than_a_header_are_read() {
        let long = format!("{}/{}", "a".repeat(120), "b".repeat(90));
        let mut builder = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(1);
        builder.append_data(&mut header, &long, &b"x"[..]).unwrap();
        let (_root, unpacked) = try_unpack(&builder.into_inner().unwrap());
        assert!(unpacked.unwrap().contains_key(&long));
    }

    #[test]
    fn a_path_that_leaves_the_folder_is_refused() {
        for path in ["../x", "/tmp/x", "a/../../x", "a\\..\\x", "a//b", ""] {
            let message = refusal(&packed(&[(path, b"x")]));
            assert!(message.contains("cannot be the path"), "{path}: {message}");
        }
    }

    #[test]
    fn links_and_devices_are_refused() {
        for (kind, what) in [
            (EntryType::Symlink, "a link"),
            (EntryType::Link, "a link"),
            (EntryType::Fifo, "a device"),
            (EntryType::Char, "a device"),
            (EntryType::GNUSparse, "something else"),
        ] {
            let mut builder = Builder::new(Vec::new());
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_path("x").unwrap();
            let _ = header.set_link_name("/etc/passwd");
            header.set_size(0);
            header.set_cksum();
            builder.append(&header, io::empty()).unwrap();
            let message = refusal(&builder.into_inner().unwrap());
            assert!(message.contains(what), "{message}");
        }
    }

    #[test]
    fn more_than_was_announced_is_refused() {
        let many: Vec<_> = ["a", "b", "c", "d"].map(|path| (path, &b"x"[..])).into();
        assert!(refusal(&packed(&many)).contains("more than the 3 files"));
        assert!(
            refusal(&packed(&[("a", &[0; 101])])).contains("more than the 3 files of 100 bytes")
        );
        assert!(refusal(&packed(&[("a", b"x"), ("a", b"y")])).contains("twice"));
    }

    #[test]
    fn a_million_folders_are_refused() {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_path("folder").unwrap();
        header.set_size(0);
        header.set_cksum();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        for _ in 0..1_000_000 {
            gzip.write_all(header.as_bytes()).unwrap();
        }
        let message = refusal(&gzip.finish().unwrap());
        assert!(message.contains("more than 1012 entries"), "{message}");
    }

    #[test]
    fn what_is_cut_or_none_is_refused_in_words() {
        let tar = packed(&[("a", &[7; 90])]);
        assert!(refusal(&tar[..550]).contains("cut"));
        assert!(refusal(&[0x1f, 0x8b, 3]).contains("no whole tar file"));
        assert!(refusal(b"PK\x03\x04").contains("zip file"));
        assert!(refusal(&[b'x'; 600]).contains("no whole tar file"));
    }

    #[test]
    fn a_name_without_end_is_not_read() {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.set_size(1 << 40);
        header.set_cksum();
        let message = refusal(header.as_bytes());
        assert!(message.contains("longer than names are"), "{message}");
    }
}
