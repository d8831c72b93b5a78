//! The header of a safetensors file: which tensor lies where, checked before any of it is believed.
//!
//! The format: eight bytes that say how long the header is, the header as JSON, the tensors end to end.
//! <https://huggingface.co/docs/safetensors>. Read here rather than by the crate `safetensors` because that one adds the
//! file's own offsets without a check for overflow and does not name the tensor that is wrong.

use std::collections::BTreeMap;
use std::fmt;

use safetensors::tensor::TensorInfo;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::contents::{Contents, Entry};

/// Bytes before the header.
pub(crate) const LENGTH: usize = 8;
/// The longest header that is read, as in the reference implementation.
const HEADER_LIMIT: usize = 100_000_000;
/// The key of the header that holds notes rather than a tensor.
pub(crate) const NOTES: &str = "__metadata__";

/// Reads and checks the header of a whole file; the reason when it cannot be one.
///
/// After this every entry's byte range lies within the file, fits its type and shape, and overlaps no other.
pub(crate) fn parse(file: &[u8]) -> Result<Contents, String> {
    let Some((length, rest)) = file.split_first_chunk::<LENGTH>() else {
        return Err(format!(
            "it is {} bytes long, too short to hold anything; fetch it again",
            file.len()
        ));
    };
    if file.starts_with(b"version https://git-lfs") {
        return Err(
            "it is a Git LFS pointer, not the weights; run `git lfs pull` in its folder".into(),
        );
    }
    let claimed = u64::from_le_bytes(*length);
    let header = usize::try_from(claimed)
        .ok()
        .filter(|length| *length <= HEADER_LIMIT)
        .ok_or_else(|| {
            format!("its first bytes claim a header of {claimed} bytes, so it is of another format")
        })?;
    let Some((text, data)) = rest.split_at_checked(header) else {
        return Err(format!(
            "its header should be {header} bytes long, but only {} bytes follow; it was cut short: fetch it again",
            rest.len()
        ));
    };
    let Raw { tensors, notes } = serde_json::from_slice(text)
        .map_err(|error| format!("its header is not valid: {error}"))?;

    let mut entries = Vec::with_capacity(tensors.len());
    for (name, value) in tensors {
        let info: TensorInfo = serde_json::from_value(value)
            .map_err(|error| format!("its entry for tensor \"{name}\" is not valid: {error}"))?;
        entries.push(entry(name, info, data.len(), LENGTH + header)?);
    }
    check_layout(&mut entries, LENGTH + header, file.len())?;
    Ok(Contents { entries, notes })
}

/// One tensor's entry, if what it says of itself agrees with itself and with the length of the file.
fn entry(name: String, info: TensorInfo, data: usize, start: usize) -> Result<Entry, String> {
    let (from, to) = info.data_offsets;
    if from > to {
        return Err(format!(
            "tensor \"{name}\" ends (at {to}) before it begins (at {from})"
        ));
    }
    if to > data {
        return Err(format!(
            "tensor \"{name}\" should end at byte {to} of the data, but there are only {data}; it was cut short: fetch it again"
        ));
    }
    let bits = info
        .shape
        .iter()
        .try_fold(info.dtype.bitsize(), |bits, size| bits.checked_mul(*size));
    // Eight times the length cannot overflow: it is at most the length of something in memory.
    if bits != (to - from).checked_mul(8) {
        return Err(format!(
            "tensor \"{name}\" has {} bytes, which is not what its type {} and shape {:?} need",
            to - from,
            info.dtype,
            info.shape
        ));
    }
    Ok(Entry {
        name,
        dtype: info.dtype,
        shape: info.shape,
        strides: None,
        bytes: start + from..start + to,
    })
}

/// Puts the tensors in the order of the file and refuses overlaps, gaps and repeated names.
fn check_layout(entries: &mut [Entry], start: usize, end: usize) -> Result<(), String> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(twice) = entries
        .windows(2)
        .find(|pair| matches!(pair, [a, b] if a.name == b.name))
    {
        let name = twice
            .first()
            .map(|entry| entry.name.as_str())
            .unwrap_or_default();
        return Err(format!("tensor \"{name}\" occurs twice in its header"));
    }
    entries.sort_by_key(|entry| (entry.bytes.start, entry.bytes.end));
    let mut at = start;
    for entry in entries.iter() {
        if entry.bytes.start != at {
            let problem = if entry.bytes.start < at {
                "overlaps the one before it"
            } else {
                "leaves a gap before it"
            };
            return Err(format!("tensor \"{}\" {problem}", entry.name));
        }
        at = entry.bytes.end;
    }
    if at != end {
        return Err(format!("{} bytes follow its last tensor", end - at));
    }
    Ok(())
}

/// The header as JSON, its tensors not yet understood so that a wrong one can be named.
struct Raw {
    tensors: Vec<(String, Value)>,
    notes: BTreeMap<String, String>,
}

impl<'de> serde::Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut raw = Raw {
                    tensors: Vec::new(),
                    notes: BTreeMap::new(),
                };
                while let Some(key) = map.next_key::<String>()? {
                    if key == NOTES {
                        raw.notes = map.next_value::<Option<_>>()?.unwrap_or_default();
                    } else {
                        raw.tensors.push((key, map.next_value()?));
                    }
                }
                Ok(raw)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        file.resize(file.len() + data, 0);
        file
    }

    fn refusal(header: &str, data: usize) -> String {
        parse(&file(header, data)).unwrap_err()
    }

    #[test]
    fn tensors_are_found_where_the_header_says() {
        let header = r#"{"b":{"dtype":"F16","shape":[2],"data_offsets":[4,8]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},
            "__metadata__":{"format":"pt"}}"#;
        let parsed = parse(&file(header, 8)).unwrap();
        let start = 8 + header.len();
        let names: Vec<_> = parsed
            .entries
            .iter()
            .map(|e| (e.name.as_str(), e.bytes.clone()))
            .collect();
        assert_eq!(
            names,
            [("a", start..start + 4), ("b", start + 4..start + 8)]
        );
        assert_eq!(parsed.notes["format"], "pt");
    }

    #[test]
    fn a_file_without_tensors_is_valid() {
        assert!(parse(&file("{}", 0)).unwrap().entries.is_empty());
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let whole = file(
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            8,
        );
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
        assert!(parse(&whole[..20]).unwrap_err().contains("cut short"));
        assert!(
            parse(&whole[..whole.len() - 1])
                .unwrap_err()
                .contains("tensor \"a\"")
        );
    }

    #[test]
    fn a_header_longer_than_the_file_or_the_limit_is_refused() {
        assert!(
            parse(&[1, 0, 0, 0, 0, 0, 0, 0])
                .unwrap_err()
                .contains("only 0 bytes follow")
        );
        assert!(parse(&[0xff; 64]).unwrap_err().contains("another format"));
    }

    #[test]
    fn overlaps_gaps_and_trailing_bytes_are_refused() {
        let two = |a: &str, b: &str| {
            format!(
                r#"{{"a":{{"dtype":"U8","shape":[4],"data_offsets":{a}}},"b":{{"dtype":"U8","shape":[4],"data_offsets":{b}}}}}"#
            )
        };
        assert!(refusal(&two("[0,4]", "[2,6]"), 6).contains("tensor \"b\" overlaps"));
        assert!(refusal(&two("[0,4]", "[5,9]"), 9).contains("leaves a gap"));
        assert!(refusal(&two("[0,4]", "[4,8]"), 9).contains("1 bytes follow"));
    }

    #[test]
    fn offsets_and_shapes_chosen_to_overflow_are_refused() {
        let one = |shape: &str, offsets: &str| {
            format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#)
        };
        assert!(
            refusal(&one("[4611686018427387904]", "[0,18446744073709551608]"), 8)
                .contains("should end at byte")
        );
        assert!(
            refusal(&one("[18446744073709551615,2]", "[0,8]"), 8)
                .contains("has 8 bytes, which is not what")
        );
        assert!(refusal(&one("[2]", "[8,0]"), 8).contains("before it begins"));
        assert!(refusal(&one("[2]", "[-8,0]"), 8).contains("tensor \"a\" is not valid"));
    }

    #[test]
    fn a_repeated_or_unknown_entry_is_named() {
        let entry = r#"{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#;
        assert!(
            refusal(&format!(r#"{{"a":{entry},"a":{entry}}}"#), 0).contains("\"a\" occurs twice")
        );
        assert!(
            refusal(r#"{"a":{"dtype":"Q9","shape":[],"data_offsets":[0,0]}}"#, 0)
                .contains("tensor \"a\"")
        );
    }

    #[test]
    fn a_git_lfs_pointer_is_recognised() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
        assert!(parse(pointer).unwrap_err().contains("git lfs pull"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_header_of_plausible_form_leads_only_into_the_file(
            dtype in prop::sample::select(vec!["F32", "F16", "U8", "F4", "F6_E2M3"]),
            shape in prop::collection::vec(prop_oneof![0u64..5, any::<u64>()], 0..4),
            from in prop_oneof![0u64..20, any::<u64>()],
            to in prop_oneof![0u64..20, any::<u64>()],
            data in 0usize..20,
        ) {
            let header = format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{from},{to}]}}}}"#);
            let bytes = file(&header, data);
            if let Ok(parsed) = parse(&bytes) {
                prop_assert!(parsed.entries.iter().all(|entry| bytes.get(entry.bytes.clone()).is_some()));
            }
        }
    }
}
