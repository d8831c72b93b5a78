//! A segment as this process holds it: its file, and which lock it has on it.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::mem;
use std::path::Path;
use std::time::SystemTime;

use engraft_files::lock::{self, is_removed};

use crate::record::{RECORD_HEADER, SEGMENT_HEADER};

/// A segment that is open in this process.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) file: File,
    pub(crate) hold: Hold,
    /// The end of the records that are known.
    pub(crate) end: u64,
    /// Whether this process has said that it uses it.
    pub(crate) is_touched: bool,
}

/// Which lock this process has on a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    None,
    Shared,
    Exclusive,
}

impl Segment {
    pub(crate) fn new(name: String, file: File) -> Self {
        Self {
            name,
            file,
            hold: Hold::None,
            end: 0,
            is_touched: false,
        }
    }

    /// Keeps others from removing it, where it can.
    pub(crate) fn hold(&mut self) {
        if self.hold == Hold::None && lock::share(&self.file).is_taken() {
            self.hold = Hold::Shared;
        }
    }

    pub(crate) fn let_go(&mut self) {
        // A lock that was there can be given back.
        let _ = self.file.unlock();
        self.hold = Hold::None;
    }

    /// Says that it is used, so that it is not among those that were used longest ago.
    pub(crate) fn use_now(&mut self) {
        self.hold();
        if !mem::replace(&mut self.is_touched, true) {
            // Where that is not allowed it counts as older than it is.
            let _ = self.file.set_modified(SystemTime::now());
        }
    }

    /// Makes it the segment that this process appends to, if no other uses it; cuts off what a dead process left unfinished.
    pub(crate) fn take_over(&mut self, path: &Path) -> bool {
        let Ok(file) = File::options().read(true).write(true).open(path) else {
            return false;
        };
        self.let_go();
        let is_free =
            lock::take(&file).is_taken() && !is_removed(&file) && file.set_len(self.end).is_ok();
        if is_free {
            self.file = file;
            self.hold = Hold::Exclusive;
            self.is_touched = true;
        } else {
            drop(file);
            self.hold();
        }
        is_free
    }
}

/// Whether a record of `size` bytes may stand at `end`: anywhere within the largest size of segments, and a larger one by itself.
pub(crate) fn fits(end: u64, size: u64, largest: u64) -> bool {
    end <= SEGMENT_HEADER || end + size <= largest
}

/// The bytes that a value takes in a segment.
pub(crate) fn record_size(value: &[u8]) -> u64 {
    RECORD_HEADER + value.len() as u64
}

/// Writes bytes from byte `start` of a file on.
pub(crate) fn write_at(file: &File, start: u64, bytes: &[u8]) -> io::Result<()> {
    let mut file = file;
    file.seek(SeekFrom::Start(start))?;
    file.write_all(bytes)
}
