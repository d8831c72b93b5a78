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
        reason: printable(reason),
    })
}

/// A reason that quotes the file, without the control characters with which a file could write to the terminal as it likes.
fn printable(reason: String) -> String {
    if !reason.contains(char::is_control) {
        return reason;
    }
    let mut text = String::with_capacity(reason.len());
    for character in reason.chars() {
        if character.is_control() {
            text.extend(character.escape_debug());
        } else {
            text.push(character);
        }
    }
    text
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_file_cannot_write_to_the_terminal() {
        let header = r#"{"\u001b[31m\n":{"dtype":"F32","shape":[9],"data_offsets":[0,0]}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        let message = read("model.safetensors", &file).unwrap_err().to_string();
        assert!(
            message.contains(r#"tensor "\u{1b}[31m\n" has 0 bytes"#),
            "{message}"
        );
    }
}
