//! A cache as one process sees it.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use engraft_files::lock;

use crate::folder::{Folder, is_of};
use crate::held::{Hold, Segment, fits, record_size, write_at};
use crate::record::{Key, RECORD_HEADER, SEGMENT_HEADER, Space};
use crate::segment::{Ending, Place, push_record, scan};

/// Values wait in memory for no more than this many bytes.
const WAITING: usize = 8 << 20;

/// Segments are a thirty-second of the folder's bound, so that little is lost with the oldest, but no smaller than this where the bound allows it.
const SMALLEST: u64 = 1 << 20;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of all segments in the folder, of whichever space.
    pub size: u64,
    /// Values that wait in memory before they are written together.
    pub waiting: usize,
}

/// The values of one space in a folder.
///
/// Dropping it writes what waits.
#[derive(Debug)]
pub struct Cache {
    folder: Folder,
    space: Space,
    limits: Limits,
    segments: Vec<Segment>,
    /// Names of segments that are not looked at.
    passed_over: HashSet<String>,
    index: HashMap<Key, Found>,
    /// Other places of keys that have several.
    others: HashMap<Key, Vec<Found>>,
    /// Where a value was damaged that has not been put again.
    damaged: HashMap<Key, Found>,
    waiting: Waiting,
    /// The segment that this process appends to.
    writes_to: Option<usize>,
    /// Whether anything can be written.
    is_open: bool,
    /// Values that were put and not written, because there was no room or no way.
    left_out: u64,
    notes: Vec<String>,
    noted: HashSet<String>,
}

/// A place in one of the segments.
#[derive(Clone, Copy, Debug)]
struct Found {
    segment: usize,
    place: Place,
}

#[derive(Debug, Default)]
struct Waiting {
    values: Vec<(Key, Vec<u8>)>,
    places: HashMap<Key, usize>,
    bytes: usize,
}

impl Cache {
    /// Opens the values of `space` in a folder, which is made. With `anew` those that are there are removed, or not looked at if another process uses them.
    ///
    /// Where the folder cannot be read there are no values, and where it cannot be written to none are kept; a note says so.
    pub fn open(folder: impl Into<PathBuf>, space: Space, limits: Limits, anew: bool) -> Self {
        let folder = Folder::new(folder.into());
        let prepared = folder.prepare();
        let mut cache = Self {
            folder,
            space,
            limits,
            segments: Vec::new(),
            passed_over: HashSet::new(),
            index: HashMap::new(),
            others: HashMap::new(),
            damaged: HashMap::new(),
            waiting: Waiting::default(),
            writes_to: None,
            is_open: prepared.is_ok(),
            left_out: 0,
            notes: Vec::new(),
            noted: HashSet::new(),
        };
        if let Err(error) = prepared {
            let folder = cache.folder.path().display().to_string();
            cache.note(format!(
                "the cache cannot write to {folder} ({error}), so nothing new is kept"
            ));
        }
        if anew {
            cache.pass_over();
        }
        cache.refresh();
        cache
    }

    /// The value of a key; none if it is not there, or not what was written.
    pub fn get(&mut self, key: Key) -> Option<Vec<u8>> {
        if let Some(&at) = self.waiting.places.get(&key) {
            return self.waiting.values.get(at).map(|(_, value)| value.clone());
        }
        loop {
            let found = *self.index.get(&key)?;
            if let Some(value) = self.read(found, key) {
                return Some(value);
            }
            self.damaged.insert(key, found);
            match self.others.get_mut(&key).and_then(Vec::pop) {
                Some(other) => self.index.insert(key, other),
                None => self.index.remove(&key),
            };
        }
    }

    fn read(&mut self, found: Found, key: Key) -> Option<Vec<u8>> {
        let segment = self.segments.get_mut(found.segment)?;
        let value = found.place.read(&segment.file, key);
        if value.is_some() {
            segment.use_now();
        } else {
            let file = self.folder.file(&segment.name);
            let start = found.place.start();
            self.note(format!(
                "the cache's file {} is damaged at byte {start}: what stood there is computed anew",
                file.display()
            ));
        }
        value
    }

    /// Keeps a value, which depends on nothing but what its key is the hash of.
    pub fn put(&mut self, key: Key, value: Vec<u8>) {
        if self.waiting.places.contains_key(&key) || self.index.contains_key(&key) {
            return;
        }
        if !self.is_open {
            self.left_out += 1;
            return;
        }
        self.waiting.push(key, value);
        if self.waiting.values.len() >= self.limits.waiting || self.waiting.bytes >= WAITING {
            self.flush();
        }
    }

    /// Writes what waits, and learns what other processes have written since.
    pub fn flush(&mut self) {
        if self.waiting.values.is_empty() {
            return;
        }
        let values = mem::take(&mut self.waiting).values;
        let lock = match self.folder.lock() {
            Ok(lock) => lock,
            Err(error) => return self.close(&error, values.len()),
        };
        self.refresh();
        let values: Vec<_> = values
            .into_iter()
            .filter(|(key, value)| !self.index.contains_key(key) && !self.mends(*key, value))
            .collect();
        if let Err((error, left)) = self.write(values) {
            self.close(&error, left);
        }
        drop(lock);
    }

    /// What happened that the user should know, once.
    pub fn take_notes(&mut self) -> Vec<String> {
        mem::take(&mut self.notes)
    }

    /// How many values were put and not written, because there was no room or no way.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The bytes of all segments in the folder.
    pub fn size(&self) -> u64 {
        let segments = self.folder.list().unwrap_or_default();
        segments.iter().map(|segment| segment.size).sum()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn note(&mut self, text: String) {
        if self.noted.insert(text.clone()) {
            self.notes.push(text);
        }
    }

    /// Nothing more is written.
    fn close(&mut self, error: &io::Error, left: usize) {
        self.is_open = false;
        self.left_out += left as u64;
        let folder = self.folder.path().display().to_string();
        self.note(format!(
            "the cache cannot write to {folder} ({error}), so what is computed from here on is not kept"
        ));
    }

    /// Removes the segments of the space, or leaves them to those who use them.
    fn pass_over(&mut self) {
        // What cannot be listed cannot be looked at either.
        for segment in self.folder.list().unwrap_or_default() {
            if is_of(&segment.name, self.space) && !self.folder.remove(&segment.name) {
                self.passed_over.insert(segment.name);
            }
        }
    }

    /// Learns of the records that were written since the last time.
    fn refresh(&mut self) {
        let Ok(listed) = self.folder.list() else {
            return;
        };
        for found in listed {
            if !is_of(&found.name, self.space) || self.passed_over.contains(&found.name) {
                continue;
            }
            let known = self
                .segments
                .iter()
                .position(|segment| segment.name == found.name);
            let is_known =
                |segment: &Segment| segment.end == found.size || segment.hold == Hold::Exclusive;
            let segment = match known {
                Some(at) if is_known(&self.segments[at]) => continue,
                Some(at) => at,
                None => {
                    let file = File::open(self.folder.file(&found.name));
                    // It may have been removed this moment.
                    let Ok(file) = file else { continue };
                    self.segments.push(Segment::new(found.name, file));
                    self.segments.len() - 1
                }
            };
            self.learn(segment);
        }
    }

    /// Takes up the records of a segment that are not known yet.
    fn learn(&mut self, number: usize) {
        let Some(segment) = self.segments.get_mut(number) else {
            return;
        };
        segment.hold();
        let found = match scan(&segment.file, self.space, segment.end) {
            Ok(found) => found,
            Err(error) => {
                let file = self.folder.file(&segment.name);
                self.passed_over.insert(segment.name.clone());
                self.note(format!(
                    "the cache's file {} cannot be read ({error}): what stands there is computed anew",
                    file.display()
                ));
                return;
            }
        };
        segment.end = found.end;
        let name = segment.name.clone();
        for (key, place) in found.records {
            let found = Found {
                segment: number,
                place,
            };
            if let Some(before) = self.index.insert(key, found) {
                self.others.entry(key).or_default().push(before);
            }
        }
        match found.ending {
            Ending::Whole | Ending::Unfinished => {}
            Ending::Later => {
                self.passed_over.insert(name);
            }
            Ending::Damaged => self.cut(number, found.end),
        }
    }

    /// Cuts off what is no record, unless another process is just writing it.
    fn cut(&mut self, number: usize, end: u64) {
        let Some(segment) = self.segments.get_mut(number) else {
            return;
        };
        let file = self.folder.file(&segment.name);
        let writable = File::options().read(true).write(true).open(&file);
        segment.let_go();
        let is_cut = writable.is_ok_and(|file| {
            // Another process may have cut it off and gone on since it was looked at.
            let still = || scan(&file, self.space, end);
            lock::take(&file).is_taken()
                && still().is_ok_and(|found| found.ending == Ending::Damaged && found.end == end)
                && file.set_len(end).is_ok()
        });
        segment.hold();
        if is_cut || segment.hold == Hold::Shared {
            self.note(format!(
                "the cache's file {} is damaged after byte {end}: what stood there is computed anew",
                file.display()
            ));
        }
    }

    /// Puts a value back where it was damaged, if it is bit for bit the one that stood there.
    fn mends(&mut self, key: Key, value: &[u8]) -> bool {
        let Some(found) = self.damaged.remove(&key) else {
            return false;
        };
        let Some(segment) = self.segments.get(found.segment) else {
            return false;
        };
        if !found.place.held(key, value) {
            return false;
        }
        let file = File::options()
            .write(true)
            .open(self.folder.file(&segment.name));
        let is_mended = file
            .and_then(|file| write_at(&file, found.place.start(), value))
            .is_ok();
        if is_mended {
            self.index.insert(key, found);
        }
        is_mended
    }

    /// Appends values to segments of this process; how many could not be is said beside the reason.
    fn write(&mut self, values: Vec<(Key, Vec<u8>)>) -> Result<(), (io::Error, usize)> {
        let largest = self.limits.size.min((self.limits.size / 32).max(SMALLEST));
        let mut left = values.into_iter().peekable();
        while left.peek().is_some() {
            let rest = left.len();
            let mut room = self.room().map_err(|error| (error, rest))?;
            room = room.saturating_sub(SEGMENT_HEADER);
            let mut left_out = 0;
            while left
                .next_if(|(_, value)| record_size(value) > room)
                .is_some()
            {
                left_out += 1;
            }
            self.leave_out(left_out);
            let Some((_, first)) = left.peek() else { break };
            let first = record_size(first);
            let rest = left.len();
            let number = self
                .writable(first, largest)
                .map_err(|error| (error, rest))?;
            let segment = &mut self.segments[number];
            let (mut bytes, mut places) = (Vec::new(), Vec::new());
            if segment.end == 0 {
                bytes.extend_from_slice(&self.space.header());
            }
            loop {
                let end = segment.end + bytes.len() as u64;
                let next = left.next_if(|(_, value)| {
                    let size = record_size(value);
                    size <= room && fits(end, size, largest)
                });
                let Some((key, value)) = next else { break };
                room -= record_size(&value);
                places.push((key, Place::of(end + RECORD_HEADER, key, &value)));
                push_record(&mut bytes, key, &value);
            }
            if let Err(error) = write_at(&segment.file, segment.end, &bytes) {
                // What was written of it would be passed over; where the disk is full its room is wanted.
                let _ = segment.file.set_len(segment.end);
                return Err((error, left.len() + places.len()));
            }
            segment.end += bytes.len() as u64;
            for (key, place) in places {
                let found = Found {
                    segment: number,
                    place,
                };
                self.index.insert(key, found);
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, count: u64) {
        if count == 0 {
            return;
        }
        self.left_out += count;
        let folder = self.folder.path().display().to_string();
        self.note(format!(
            "the cache in {folder} is full of what is in use, so not all that is computed is kept"
        ));
    }

    /// How many bytes may be added to the folder, after making room for several flushes at once.
    fn room(&self) -> io::Result<u64> {
        let limit = self.limits.size;
        let used: u64 = self.folder.list()?.iter().map(|segment| segment.size).sum();
        let wanted = (2 * WAITING as u64).min(limit / 4);
        let left = if limit.saturating_sub(used) < wanted {
            self.folder.shrink(limit - wanted)?
        } else {
            used
        };
        Ok(limit.saturating_sub(left))
    }

    /// The number of the segment to append a record of `size` bytes to: that of before, one that an earlier process left, or a new one.
    fn writable(&mut self, size: u64, largest: u64) -> io::Result<usize> {
        if let Some(number) = self.writes_to.take() {
            let segment = &mut self.segments[number];
            if fits(segment.end, size, largest) {
                self.writes_to = Some(number);
                return Ok(number);
            }
            segment.let_go();
            segment.hold();
        }
        let (folder, passed_over) = (&self.folder, &self.passed_over);
        let left = self.segments.iter_mut().position(|segment| {
            segment.end < largest / 2
                && fits(segment.end, size, largest)
                && !passed_over.contains(&segment.name)
                && segment.take_over(&folder.file(&segment.name))
        });
        let number = match left {
            Some(number) => number,
            None => {
                let (name, file) = self.folder.create(self.space)?;
                self.segments.push(Segment {
                    hold: Hold::Exclusive,
                    is_touched: true,
                    ..Segment::new(name, file)
                });
                self.segments.len() - 1
            }
        };
        self.writes_to = Some(number);
        Ok(number)
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Waiting {
    fn push(&mut self, key: Key, value: Vec<u8>) {
        self.places.insert(key, self.values.len());
        self.bytes += value.len();
        self.values.push((key, value));
    }
}

#[cfg(test)]
mod tests;
