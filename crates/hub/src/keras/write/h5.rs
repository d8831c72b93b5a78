//! HDF5 files as Keras reads them.

use std::collections::BTreeMap;
use std::path::Path;

use engraft_files::atomic::Writer;
use hdf5_pure::{
    AttrValue, Datatype, DatatypeByteOrder, FileBuilder, FloatingPointLayout, GroupBuilder, LibVer,
};
use safetensors::Dtype;

use crate::{Error, Result};

/// A data set to be written.
pub(super) struct DataSetToWrite {
    /// Its path, such as `layers/dense/vars/0`.
    pub(super) path: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// Its numbers, row by row, least significant byte first.
    pub(super) bytes: Vec<u8>,
}

/// What lies below a group.
#[derive(Default)]
struct Group {
    groups: BTreeMap<String, Group>,
    sets: BTreeMap<String, DataSetToWrite>,
}

/// Writes a file of these data sets, each in one piece, complete or not at all.
///
/// # Errors
/// It cannot be written, or a data set is of a type that Keras has no floats of.
pub(super) fn write(path: &Path, sets: Vec<DataSetToWrite>) -> Result<()> {
    let refuse = |reason: String| Error::Weights {
        file: path.display().to_string(),
        format: "HDF5",
        reason,
    };
    let mut root = Group::default();
    for set in sets {
        let mut group = &mut root;
        let (groups, name) = set.path.rsplit_once('/').unwrap_or(("", &set.path));
        for part in groups.split('/').filter(|part| !part.is_empty()) {
            group = group.groups.entry(part.to_owned()).or_default();
        }
        let name = name.to_owned();
        group.sets.insert(name, set);
    }
    let mut builder = FileBuilder::new();
    // The oldest form that the library writes, which every HDF5 since 1.8 reads.
    builder.with_libver_bounds(LibVer::Earliest, LibVer::V18);
    for (name, group) in root.groups {
        let mut built = builder.create_group(&name);
        fill(&mut built, group).map_err(refuse)?;
        builder.add_group(built.finish());
    }
    let mut file = Sink(Writer::create(path)?);
    let written = builder.finish_to(&mut file);
    written.map_err(|error| refuse(error.to_string()))?;
    Ok(file.0.commit()?)
}

/// Puts into a group what lies below it.
fn fill(built: &mut GroupBuilder, group: Group) -> Result<(), String> {
    for (name, set) in group.sets {
        let datatype = datatype(set.dtype).ok_or_else(|| {
            format!(
                "{} has the type {}, which is not written",
                set.path, set.dtype
            )
        })?;
        let count: usize = set.shape.iter().product();
        let shape: Vec<u64> = set.shape.iter().map(|size| *size as u64).collect();
        let written = built
            .create_dataset(&name)
            .with_raw_data(datatype, set.bytes, count as u64)
            .with_shape(&shape);
        if set.dtype == Dtype::BF16 {
            written.set_attr("dtype", AttrValue::VarLenString("bfloat16".to_owned()));
        }
    }
    for (name, inner) in group.groups {
        let mut below = built.create_group(&name);
        fill(&mut below, inner)?;
        built.add_group(below.finish());
    }
    Ok(())
}

/// What HDF5 calls a type; bfloat16 is two bytes that it has no word for.
fn datatype(dtype: Dtype) -> Option<Datatype> {
    let float = |size: u8, exponent: u8, mantissa: u8, bias: u32| Datatype::FloatingPoint {
        size: u32::from(size),
        byte_order: DatatypeByteOrder::LittleEndian,
        layout: FloatingPointLayout {
            bit_offset: 0,
            bit_precision: u16::from(8 * size),
            exponent_location: mantissa,
            exponent_size: exponent,
            mantissa_location: 0,
            mantissa_size: mantissa,
            exponent_bias: bias,
        },
    };
    match dtype {
        Dtype::BF16 => Some(Datatype::Opaque {
            size: 2,
            tag: Vec::new(),
        }),
        Dtype::F16 => Some(float(2, 5, 10, 15)),
        Dtype::F32 => Some(float(4, 8, 23, 127)),
        Dtype::F64 => Some(float(8, 11, 52, 1023)),
        _ => None,
    }
}

/// A file that is there once it is complete, to write to.
struct Sink(Writer);

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.put(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
