//! The older container: five pickles end to end, then the numbers.
//!
//! The pickles are a magic number, the version of the container, facts about the machine that wrote it, the checkpoint, and
//! the list of its storages. The storages follow in the order of that list, each as its length in numbers (eight bytes) and
//! its numbers.

use std::collections::BTreeMap;
use std::ops::Range;

use safetensors::Dtype;

use super::machine::{self, Built};
use super::value::{Storage, Value};
use super::{shown, state_dict};
use crate::contents::Contents;

/// The magic number, least significant byte first.
const MAGIC: &[u8] = &[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The one version of the container.
const VERSION: i64 = 1001;

/// Whether a file begins as a pickle of protocol 2 to 5 does.
pub(super) fn recognises(file: &[u8]) -> bool {
    matches!(file, [0x80, 2..=5, ..])
}

/// Finds the tensors of a checkpoint that is pickles and numbers.
pub(super) fn parse(file: &[u8]) -> Result<Contents, String> {
    let mut reader = Reader { file, at: 0 };
    if reader.pickle()?.value != Value::LongInt(MAGIC) {
        return Err(
            "it is a pickle, but torch.save did not write it; save it with torch.save or as safetensors".into(),
        );
    }
    if reader.pickle()?.value != Value::Int(VERSION) {
        return Err(format!(
            "it is of another version than {VERSION} of the older container; save it anew with torch.save"
        ));
    }
    let facts = reader.pickle()?;
    if let Value::Dict(dict) = facts.value
        && facts.heap.item(dict, "little_endian") == Some(Value::Bool(false))
    {
        return Err(
            "its numbers are in big byte order, and only little is read; save it anew on a common processor".into(),
        );
    }
    let built = reader.pickle()?;
    let storages = reader.storages(built.heap.storages())?;
    state_dict::contents(&built, file.len(), |storage| {
        match storages.get(storage.key) {
            Some(found) if found.count == storage.count && found.dtype == storage.dtype => {
                Ok(found.bytes.clone())
            }
            Some(_) => Err(format!(
                "it describes the storage {} in two ways, one of them for",
                storage.key
            )),
            None => Err(format!("its list of storages lacks {} for", storage.key)),
        }
    })
}

/// A storage that has been found.
struct Found {
    dtype: Dtype,
    count: usize,
    bytes: Range<usize>,
}

struct Reader<'f> {
    file: &'f [u8],
    at: usize,
}

impl<'f> Reader<'f> {
    fn rest(&self) -> &'f [u8] {
        self.file.get(self.at..).unwrap_or_default()
    }

    fn pickle(&mut self) -> Result<Built<'f>, String> {
        let built = machine::run(self.rest())?;
        self.at += built.length;
        Ok(built)
    }

    /// Finds the storages that the list names. How long a number is, only the checkpoint's own description says.
    fn storages(&mut self, described: &[Storage<'f>]) -> Result<BTreeMap<&'f str, Found>, String> {
        let mut dtypes = BTreeMap::new();
        for storage in described {
            dtypes.entry(storage.key).or_insert(storage.dtype);
        }
        let list = self.pickle()?;
        let Value::List(keys) = list.value else {
            return Err(format!(
                "it holds {} where the list of its storages should be; it is damaged: fetch it again",
                list.value.kind()
            ));
        };
        let mut found = BTreeMap::new();
        for key in list.heap.list(keys) {
            let Value::Text(key) = *key else {
                return Err(format!(
                    "its list of storages holds {}; it is damaged: fetch it again",
                    key.kind()
                ));
            };
            let dtype = dtypes.get(key).ok_or_else(|| {
                format!(
                    "it holds a storage \"{}\" that it does not describe; it is damaged: fetch it again",
                    shown(key)
                )
            })?;
            let storage = self.storage(key, *dtype)?;
            if found.insert(key, storage).is_some() {
                return Err(format!(
                    "it holds the storage {key} twice, so it does not say which is meant"
                ));
            }
        }
        Ok(found)
    }

    fn storage(&mut self, key: &str, dtype: Dtype) -> Result<Found, String> {
        let (count, numbers) = self.rest().split_first_chunk().ok_or_else(|| {
            format!("it ends before its storage {key}; it was cut short: fetch it again")
        })?;
        let claimed = u64::from_le_bytes(*count);
        let count = usize::try_from(claimed).ok();
        let length = count.and_then(|count| count.checked_mul(dtype.bitsize() / 8));
        let (Some(count), Some(length)) = (count, length.filter(|length| *length <= numbers.len()))
        else {
            return Err(format!(
                "its storage {key} should have {claimed} numbers of type {dtype}, but only {} bytes follow; it was cut short \
                 or damaged: fetch it again",
                numbers.len()
            ));
        };
        let from = self.file.len() - numbers.len();
        self.at = from + length;
        Ok(Found {
            dtype,
            count,
            bytes: from..self.at,
        })
    }
}
