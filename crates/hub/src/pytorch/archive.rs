//! The zip container, which PyTorch writes since 1.6: `<root>/data.pkl`, one entry `<root>/data/<key>` for each storage, and
//! `<root>/byteorder`.
//!
//! The entries are stored, not compressed, so that they can be mapped. Reading them takes the directory at the end of the
//! file and nothing else of the format, which is why no crate is used: those that read zip archives copy entries out and
//! decompress them, neither of which may happen here. Checksums are not checked, as that would read the whole file.
//! The format: <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>, sections 4.3 and 4.5.3.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{machine, shown, state_dict};
use crate::contents::Contents;

/// The first bytes of an entry, of an entry of the directory, and of the three records that end the file.
const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const WIDE_END: &[u8] = b"PK\x06\x06";
const WIDE_LOCATOR: &[u8] = b"PK\x06\x07";
const END: &[u8] = b"PK\x05\x06";

/// How long those records are without what varies.
const LOCAL_LENGTH: usize = 30;
const CENTRAL_LENGTH: usize = 46;
const WIDE_END_LENGTH: usize = 56;
const WIDE_LOCATOR_LENGTH: usize = 20;
const END_LENGTH: usize = 22;

/// The longest comment that may follow the last record.
const COMMENT: usize = 0xffff;
/// The kind of extra field that holds numbers too large for 32 bits.
const WIDE: u16 = 1;

/// Whether a file begins as a zip archive does.
pub(super) fn recognises(file: &[u8]) -> bool {
    file.starts_with(LOCAL) || file.starts_with(END)
}

/// Finds what a checkpoint that is a zip archive holds.
pub(super) fn parse(file: &[u8]) -> Result<Contents, String> {
    let archive = entries(file)?;
    let mut roots = archive
        .keys()
        .filter_map(|name| name.strip_suffix("/data.pkl"))
        .filter(|root| !root.contains('/'));
    let root = match (roots.next(), roots.next()) {
        (Some(root), None) => root,
        (None, _) => {
            return Err(
                "it is a zip archive without <name>/data.pkl, so torch.save did not write it"
                    .into(),
            );
        }
        (Some(one), Some(other)) => {
            return Err(format!(
                "it holds {}/data.pkl and {}/data.pkl, so it does not say which is meant",
                shown(one),
                shown(other)
            ));
        }
    };
    let part = |name: &str| archive.get(format!("{root}/{name}").as_str());
    let bytes = |name: &str| part(name).and_then(|range| file.get(range.clone()));

    if let Some(order) = bytes("byteorder")
        && order != b"little"
    {
        return Err(format!(
            "its numbers are in \"{}\" byte order, and only little is read; save it anew on a common processor",
            shown(&String::from_utf8_lossy(order.get(..80).unwrap_or(order)))
        ));
    }
    let built = machine::run(bytes("data.pkl").unwrap_or_default())?;
    state_dict::contents(&built, file.len(), |storage| {
        part(&format!("data/{}", storage.key))
            .cloned()
            .ok_or_else(|| format!("it has no entry {}/data/{} for", shown(root), storage.key))
    })
}

/// Where each entry's bytes lie, by name. All lie within the file, before the directory.
fn entries(file: &[u8]) -> Result<BTreeMap<&str, Range<usize>>, String> {
    let Directory { mut at, end, count } = directory(file)?;
    let start = at;
    let mut found = BTreeMap::new();
    for _ in 0..count {
        let header = Record::at(file, at, CENTRAL_LENGTH, CENTRAL).filter(|_| at < end);
        let header = header.ok_or("its directory is shorter than it says; fetch it again")?;
        let [name, extra, comment] = [28, 30, 32].map(|field| usize::from(header.u16(field)));
        let name_at = at + CENTRAL_LENGTH;
        let variable = file
            .get(name_at..name_at + name + extra)
            .unwrap_or_default();
        let (Some((name, extra)), true) = (
            variable.split_at_checked(name),
            name_at + name + extra + comment <= end,
        ) else {
            return Err("its directory is shorter than it says; fetch it again".into());
        };
        let name = std::str::from_utf8(name)
            .map_err(|_| format!("it has an entry whose name, at byte {name_at}, is not UTF-8"))?;
        at = name_at + name.len() + extra.len() + comment;
        let bytes = stored(file, name, &header, extra, start)?;
        if found.insert(name, bytes).is_some() {
            return Err(format!(
                "it has two entries named {}, so it does not say which is meant",
                shown(name)
            ));
        }
    }
    Ok(found)
}

/// The bytes of one entry, given its record in the directory, which begins at `directory`.
fn stored(
    file: &[u8],
    name: &str,
    header: &Record<'_>,
    extra: &[u8],
    directory: usize,
) -> Result<Range<usize>, String> {
    let refuse = |what: &str| Err(format!("its entry {} {what}", shown(name)));
    if header.u16(8) & 1 != 0 {
        return refuse("is encrypted; save it anew with torch.save");
    }
    if header.u16(10) != 0 {
        return refuse("is compressed, which PyTorch never does; save it anew with torch.save");
    }
    // Numbers that do not fit 32 bits are all ones here and follow, in this order, in an extra field.
    let mut wide = wide_field(extra).chunks_exact(8);
    let mut number = |field: usize| match header.u32(field) {
        u32::MAX => wide
            .next()
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_le_bytes),
        narrow => Some(u64::from(narrow)),
    };
    let (length, packed, offset) = (number(24), number(20), number(42));
    if length != packed {
        return refuse("has two lengths, though it is not compressed; fetch it again");
    }
    let offset = offset.and_then(|offset| usize::try_from(offset).ok());
    let length = length.and_then(|length| usize::try_from(length).ok());
    let bounds = offset.zip(length).and_then(|(offset, length)| {
        let local = Record::at(file, offset, LOCAL_LENGTH, LOCAL)?;
        let name_at = offset + LOCAL_LENGTH;
        let name_end = name_at + usize::from(local.u16(26));
        let from = name_end + usize::from(local.u16(28));
        let to = from.checked_add(length).filter(|to| *to <= directory)?;
        // Another name here would mean that programs disagree about what the file holds.
        (file.get(name_at..name_end) == Some(name.as_bytes())).then_some(from..to)
    });
    match bounds {
        Some(bounds) => Ok(bounds),
        None => refuse(
            "does not lie where the directory says; it was cut short or damaged: fetch it again",
        ),
    }
}

/// The extra field with the numbers too large for 32 bits; empty without one.
fn wide_field(mut extra: &[u8]) -> &[u8] {
    while let Some((&[kind_low, kind_high, length_low, length_high], rest)) =
        extra.split_first_chunk()
    {
        let length = usize::from(u16::from_le_bytes([length_low, length_high]));
        let Some((field, next)) = rest.split_at_checked(length) else {
            break;
        };
        if u16::from_le_bytes([kind_low, kind_high]) == WIDE {
            return field;
        }
        extra = next;
    }
    &[]
}

/// Where the directory lies and how many entries it has.
struct Directory {
    at: usize,
    end: usize,
    count: u64,
}

fn directory(file: &[u8]) -> Result<Directory, String> {
    let missing = "it has no directory at its end; it was cut short: fetch it again";
    let last = file.len().checked_sub(END_LENGTH).ok_or(missing)?;
    let (at, end) = (last.saturating_sub(COMMENT)..=last)
        .rev()
        .find_map(|at| {
            let end = Record::at(file, at, END_LENGTH, END)?;
            (at + END_LENGTH + usize::from(end.u16(20)) == file.len()).then_some((at, end))
        })
        .ok_or(missing)?;
    let (count, length, offset, limit) = match wide_end(file, at)? {
        Some((record, limit)) => (record.u64(32), record.u64(40), record.u64(48), limit),
        None => (
            u64::from(end.u16(10)),
            u64::from(end.u32(12)),
            u64::from(end.u32(16)),
            at,
        ),
    };
    let range = offset.checked_add(length).and_then(|end| {
        let (from, to) = (usize::try_from(offset).ok()?, usize::try_from(end).ok()?);
        (to <= limit).then_some((from, to))
    });
    match range {
        Some((at, end)) => Ok(Directory { at, end, count }),
        None => Err(format!(
            "its directory of {length} bytes should lie at byte {offset}, which is not before its last record; it was cut \
             short or damaged: fetch it again"
        )),
    }
}

/// The last record of a large archive, and where it lies; none when the archive has only the one at `end`.
fn wide_end(file: &[u8], end: usize) -> Result<Option<(Record<'_>, usize)>, String> {
    let locator = end
        .checked_sub(WIDE_LOCATOR_LENGTH)
        .and_then(|at| Record::at(file, at, WIDE_LOCATOR_LENGTH, WIDE_LOCATOR));
    let Some(locator) = locator else {
        return Ok(None);
    };
    let record = usize::try_from(locator.u64(8)).ok().filter(|at| *at < end);
    record
        .and_then(|at| Some((Record::at(file, at, WIDE_END_LENGTH, WIDE_END)?, at)))
        .map(Some)
        .ok_or_else(|| "its last record does not lie where its locator says; fetch it again".into())
}

/// The fixed part of one of the format's records, long enough for every field that is asked for.
struct Record<'f>(&'f [u8]);

impl<'f> Record<'f> {
    fn at(file: &'f [u8], at: usize, length: usize, signature: &[u8]) -> Option<Record<'f>> {
        let bytes = file.get(at..at.checked_add(length)?)?;
        bytes.starts_with(signature).then_some(Record(bytes))
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        let bytes = self.0.get(at..at + N);
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or([0; N])
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.field(at))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.field(at))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.field(at))
    }
}
