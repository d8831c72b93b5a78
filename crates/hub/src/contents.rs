//! What a weights file holds and where, whichever format it is in.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use safetensors::Dtype;

use crate::{Error, Result, header, pytorch};

/// Where one tensor lies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// How many numbers apart neighbours lie along each dimension; none when the numbers lie row by row without gaps.
    pub(crate) strides: Option<Vec<usize>>,
    /// Its bytes, counted from the start of the file.
    pub(crate) bytes: Range<usize>,
}

/// What a file says about itself.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Contents {
    pub(crate) entries: Vec<Entry>,
    pub(crate) notes: BTreeMap<String, String>,
}

/// Finds the tensors of a whole file, whose format shows in its first bytes; `label` is its name, for messages.
///
/// After this every entry's byte range lies within the file, and every number of the tensor within that range.
pub(crate) fn read(label: &str, file: &[u8]) -> Result<Contents> {
    let (format, contents) = if is_safetensors(file) {
        ("safetensors", header::parse(file))
    } else if pytorch::recognises(file) || is_named_as_pytorch(label) {
        ("PyTorch", pytorch::parse(file))
    } else {
        ("safetensors", header::parse(file))
    };
    contents.map_err(|reason| Error::Weights {
        file: label.to_owned(),
        format,
        reason,
    })
}

/// Whether JSON begins where it does in a safetensors file. In PyTorch's files that byte is none that could be a brace.
fn is_safetensors(file: &[u8]) -> bool {
    file.get(header::LENGTH) == Some(&b'{')
}

/// Whether a file's name says that PyTorch wrote it, so that messages about a damaged one speak of the right format.
fn is_named_as_pytorch(label: &str) -> bool {
    Path::new(label).extension().is_some_and(|ending| {
        ["bin", "pt", "pth", "ckpt"]
            .iter()
            .any(|known| ending == *known)
    })
}
