//! The data sets of an HDF5 file of Keras, and where their bytes lie.

use std::ops::Range;
use std::path::Path;

use hdf5_pure::{Datatype, DatatypeByteOrder, Error as H5Error, File, Group, Layout};
use safetensors::Dtype;

use super::quantised::{self, Scaled};
use crate::bytes::Bytes;
use crate::{Error, Result};

/// Groups within groups that are looked into; Keras makes some ten.
const DEEPEST: usize = 32;

/// How often longer a data set that is read may be than its file, which holds it compressed.
const EXPANSION: usize = 1 << 10;

/// Data sets that a file may have; the largest models of Keras have some ten thousand.
const MOST: usize = 1 << 20;

/// What a data set holds.
#[derive(Debug)]
pub(super) struct DataSet {
    /// Its path, without underscores at the beginnings of names: Keras gave some of them and later took them away.
    pub(super) path: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) place: DataPlace,
}

/// Where the numbers of a data set lie, row by row.
#[derive(Debug)]
pub(super) enum DataPlace {
    /// In the file, from byte to byte.
    File(Range<usize>),
    /// Read, as they lay in pieces or compressed.
    Read(Vec<u8>),
    /// In the file as whole numbers beside their scales.
    Scaled(Scaled),
}

/// The data sets that a file has of numbers that weights may be, in groups called `vars`.
pub(super) fn open(path: &Path) -> Result<Vec<DataSet>> {
    let refuse = |reason: String| Error::Weights {
        file: path.display().to_string(),
        format: "HDF5",
        reason,
    };
    let bytes = Bytes::map(path)?;
    let file = File::open_streaming(path).map_err(|error| refuse(words(&error)))?;
    let mut found = Vec::new();
    let longest = bytes.len().saturating_mul(EXPANSION);
    walk(&file.root(), "", 0, longest, &mut found).map_err(refuse)?;
    for set in &found {
        if let DataPlace::File(range) = &set.place
            && bytes.get(range.clone()).is_none()
        {
            let reason = format!(
                "{} ends at byte {}, but the file has {}: it was cut short",
                set.path,
                range.end,
                bytes.len()
            );
            return Err(refuse(reason));
        }
    }
    quantised::join(found).map_err(refuse)
}

/// Adds the data sets below a group.
fn walk(
    group: &Group,
    path: &str,
    depth: usize,
    longest: usize,
    found: &mut Vec<DataSet>,
) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!("{path} lies more than {DEEPEST} groups deep"));
    }
    if path == "vars" || path.ends_with("/vars") {
        for name in group.datasets().map_err(|error| words(&error))? {
            let path = joined(path, &name);
            let set = data_set(group, &name, path.clone(), longest);
            found.extend(set.map_err(|reason| format!("{path}: {reason}"))?);
            if found.len() > MOST {
                return Err(format!("it has more than {MOST} data sets"));
            }
        }
    }
    for name in group.groups().map_err(|error| words(&error))? {
        let inner = group.group(&name).map_err(|error| words(&error))?;
        walk(&inner, &joined(path, &name), depth + 1, longest, found)?;
    }
    Ok(())
}

/// One data set; none if it holds no numbers that weights may be.
fn data_set(
    group: &Group,
    name: &str,
    path: String,
    longest: usize,
) -> Result<Option<DataSet>, String> {
    let set = group.dataset(name).map_err(|error| words(&error))?;
    let Some(dtype) = dtype(&set.datatype().map_err(|error| words(&error))?) else {
        return Ok(None);
    };
    let shape = set.shape().map_err(|error| words(&error))?;
    let shape: Option<Vec<usize>> = shape
        .into_iter()
        .map(|size| usize::try_from(size).ok())
        .collect();
    let size = |shape: &[usize]| {
        let mut sizes = shape.iter();
        sizes.try_fold(dtype.bitsize() / 8, |product, size| {
            product.checked_mul(*size)
        })
    };
    let too_large = || "its shape is too large".to_owned();
    let shape = shape.ok_or_else(too_large)?;
    let size = size(&shape).ok_or_else(too_large)?;
    let place = match set.layout().map_err(|error| words(&error))? {
        Layout::Contiguous {
            address: Some(start),
            size: stored,
        } => {
            let start = usize::try_from(start).map_err(|_| too_large())?;
            if stored != size as u64 {
                return Err(format!(
                    "it has {stored} bytes, and its shape asks for {size}"
                ));
            }
            DataPlace::File(start..start.checked_add(size).ok_or_else(too_large)?)
        }
        Layout::Contiguous { address: None, .. } if size > 0 => {
            return Err("it has no bytes: the file was not written to its end".to_owned());
        }
        _ if size > longest => return Err("its shape is larger than its file can hold".to_owned()),
        _ => {
            let read = set.read_raw().map_err(|error| words(&error))?;
            if read.len() != size {
                return Err(format!(
                    "it has {} bytes, and its shape asks for {size}",
                    read.len()
                ));
            }
            DataPlace::Read(read)
        }
    };
    Ok(Some(DataSet {
        path,
        dtype,
        shape,
        place,
    }))
}

/// The type of numbers that are least significant byte first; bfloat16 is two bytes that HDF5 has no word for.
fn dtype(datatype: &Datatype) -> Option<Dtype> {
    match datatype {
        Datatype::Opaque { size: 2, .. } => Some(Dtype::BF16),
        Datatype::FloatingPoint {
            size,
            byte_order: DatatypeByteOrder::LittleEndian,
            ..
        } => match size {
            2 => Some(Dtype::F16),
            4 => Some(Dtype::F32),
            8 => Some(Dtype::F64),
            _ => None,
        },
        Datatype::FixedPoint {
            size: 1, layout, ..
        } => Some(if layout.signed { Dtype::I8 } else { Dtype::U8 }),
        _ => None,
    }
}

/// A path below another, without underscores at the beginning of its last name.
fn joined(path: &str, name: &str) -> String {
    let name = name.trim_start_matches('_');
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}/{name}")
    }
}

/// What the reader says, in words that a terminal can take.
fn words(error: &H5Error) -> String {
    let said = error.to_string();
    let said = said.rsplit(" error: ").next().unwrap_or_default();
    let said = match said.strip_prefix("unexpected EOF: ") {
        Some(needs) => format!("it was cut short: {needs}"),
        None => said.to_owned(),
    };
    if said.contains(char::is_control) {
        return said.escape_debug().to_string();
    }
    said
}
