//! The folder of a cache: its segments, its lock and its size.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use engraft_files::lock::{self, Lock, is_removed};

use crate::record::{Space, hexadecimal};

/// What the names of segments end in.
const EXTENSION: &str = ".segment";

/// The file whose lock is held while records are written and segments removed.
const LOCK: &str = ".lock";

/// How long that lock is waited for: others hold it for as long as some megabytes take to write.
const PATIENCE: Duration = Duration::from_secs(3);

/// The folder for values of which nothing else is said: `ENGRAFT_CACHE`, else `XDG_CACHE_HOME/engraft`, else `~/.cache/engraft`.
pub fn default_folder() -> PathBuf {
    folder_by(|name| std::env::var_os(name))
}

fn folder_by(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let folder = |name: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    folder("ENGRAFT_CACHE")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("engraft")))
        .or_else(|| {
            let home = folder("HOME").or_else(|| folder("USERPROFILE"))?;
            Some(home.join(".cache/engraft"))
        })
        .unwrap_or_else(|| PathBuf::from(".cache/engraft"))
}

/// A folder of segments.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// A segment as the folder lists it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) size: u64,
    used: SystemTime,
}

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes the folder, and finds out whether it can be written to.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        lock::open(&self.file(LOCK)).map(drop)
    }

    /// Waits for the folder's lock, which is held until the file is dropped.
    pub(crate) fn lock(&self) -> io::Result<File> {
        let file = lock::open(&self.file(LOCK))?;
        match lock::wait(&file, PATIENCE) {
            Lock::Busy => {
                let reason = "another process has held its lock for seconds";
                Err(io::Error::new(io::ErrorKind::WouldBlock, reason))
            }
            // Without locks each process has segments of its own, and bounds them alone.
            Lock::Taken | Lock::Unavailable => Ok(file),
        }
    }

    /// All segments, those that were used longest ago first.
    pub(crate) fn list(&self) -> io::Result<Vec<Listed>> {
        let entries = fs::read_dir(&self.path)?.flatten();
        let mut segments: Vec<Listed> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let data = entry.metadata().ok()?;
                (is_segment(&name) && data.is_file()).then(|| Listed {
                    name,
                    size: data.len(),
                    used: data.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                })
            })
            .collect();
        segments.sort_by(|one, other| (one.used, &one.name).cmp(&(other.used, &other.name)));
        Ok(segments)
    }

    /// Removes segments that nobody uses, those that were used longest ago first, until no more than `size` bytes are left; says how many are.
    pub(crate) fn shrink(&self, size: u64) -> io::Result<u64> {
        let segments = self.list()?;
        let mut left = segments.iter().map(|segment| segment.size).sum();
        for segment in segments {
            if left <= size {
                break;
            }
            if self.remove(&segment.name) {
                left -= segment.size;
            }
        }
        Ok(left)
    }

    /// Removes a segment if nobody uses it.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let path = self.file(name);
        // What has no record yet may be on its way to being locked by the process that has made it, which then finds it gone.
        let file = File::options().read(true).write(true).open(&path);
        file.is_ok_and(|file| lock::take(&file).is_taken() && fs::remove_file(&path).is_ok())
    }

    /// A new segment, locked, and its name.
    pub(crate) fn create(&self, space: Space) -> io::Result<(String, File)> {
        loop {
            let name = format!("{}-{}{EXTENSION}", space.name(), unique());
            let path = self.file(&name);
            let mut options = File::options();
            let file = options.read(true).write(true).create_new(true).open(&path);
            let file = match file {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            match lock::take(&file) {
                // Someone who makes room was faster.
                Lock::Busy => continue,
                Lock::Taken if is_removed(&file) => continue,
                // Without locks, its name keeps others from it.
                Lock::Taken | Lock::Unavailable => return Ok((name, file)),
            }
        }
    }
}

/// Whether a segment of this name is one of the space.
pub(crate) fn is_of(name: &str, space: Space) -> bool {
    is_segment(name) && name.starts_with(&space.name())
}

/// `<32 digits>-<16 digits>.segment`
fn is_segment(name: &str) -> bool {
    let digits = |text: &str, count| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let parts = name.strip_suffix(EXTENSION);
    let parts = parts.and_then(|name| name.split_once('-'));
    parts.is_some_and(|(space, number)| digits(space, 32) && digits(number, 16))
}

/// 16 digits that no other process is likely to come by.
fn unique() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or_default().as_nanos();
    let mut hash = blake3::Hasher::new();
    hash.update(&process::id().to_le_bytes());
    hash.update(&number.to_le_bytes());
    hash.update(&now.to_le_bytes());
    hexadecimal(&hash.finalize().as_bytes()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_first_that_the_environment_names() {
        let by = |set: &'static [(&str, &str)]| {
            folder_by(move |name| {
                let found = set.iter().find(|(set, _)| *set == name)?;
                Some(found.1.into())
            })
        };
        let all = &[
            ("ENGRAFT_CACHE", "/a"),
            ("XDG_CACHE_HOME", "/b"),
            ("HOME", "/c"),
        ];
        assert_eq!(by(all), PathBuf::from("/a"));
        let empty = &[
            ("ENGRAFT_CACHE", ""),
            ("XDG_CACHE_HOME", "/b"),
            ("HOME", "/c"),
        ];
        assert_eq!(by(empty), PathBuf::from("/b/engraft"));
        assert_eq!(by(&[("HOME", "/c")]), PathBuf::from("/c/.cache/engraft"));
        assert_eq!(by(&[]), PathBuf::from(".cache/engraft"));
    }

    #[test]
    fn only_files_named_as_segments_are_listed_and_removed() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().to_owned());
        folder.prepare().unwrap();
        for name in ["notes.txt", "a.segment", "precious.segment"] {
            fs::write(folder.file(name), "mine").unwrap();
        }
        let (name, file) = folder.create(Space([1; 32])).unwrap();
        assert_eq!(folder.list().unwrap().len(), 1);
        assert!(!folder.remove(&name), "it is in use");
        drop(file);
        folder.shrink(0).unwrap();
        assert!(folder.file(&name).exists(), "nothing has to go");
        fs::write(folder.file(&name), "some bytes").unwrap();
        assert_eq!(folder.shrink(9).unwrap(), 0);
        assert!(!folder.file(&name).exists());
        assert!(folder.file("precious.segment").exists());
    }
}
