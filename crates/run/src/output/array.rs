//! Predictions as one NumPy array, in version 1.0 of its format.

use std::path::Path;

use engraft_files::atomic::Writer;
use engraft_tasks::RowOutput;
use engraft_tasks::output::largest;

use super::columns::Columns;
use crate::error::{Error, Result};

/// What the file begins with.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// Values begin at a multiple of so many bytes.
const ALIGNED: usize = 64;

/// Writes the rows' predictions, `[rows, ...]`, where all rows have one shape.
pub(super) fn write(path: &Path, columns: &Columns, rows: Vec<RowOutput>) -> Result<()> {
    let places = columns.wants_places();
    let mut shape = rows
        .first()
        .map(|row| row.shape.clone())
        .unwrap_or_default();
    if places {
        shape.pop();
    }
    shape.insert(0, rows.len());
    let kind = if places { "<i8" } else { "<f4" };
    let mut file = Writer::create(path).map_err(Error::during)?;
    file.put(&header(kind, &shape)).map_err(Error::during)?;
    for row in &rows {
        let bytes: Vec<u8> = if places {
            let places = row.vectors().map(|values| largest(values) as i64);
            places.flat_map(i64::to_le_bytes).collect()
        } else {
            row.values.iter().flat_map(|it| it.to_le_bytes()).collect()
        };
        file.put(&bytes).map_err(Error::during)?;
    }
    file.commit().map_err(Error::during)
}

/// The magic, the length of the description, and the description in Python's notation, filled up with blanks.
fn header(kind: &str, shape: &[usize]) -> Vec<u8> {
    let shape: Vec<String> = shape.iter().map(|size| format!("{size},")).collect();
    let mut text = format!(
        "{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}), }}",
        shape.join(" ")
    );
    let before = MAGIC.len() + 2;
    let whole = (before + text.len() + 1).next_multiple_of(ALIGNED);
    let blanks = whole - before - text.len() - 1;
    text.push_str(&" ".repeat(blanks));
    text.push('\n');
    // A shape of a few numbers is far below what two bytes count.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [MAGIC, &length.to_le_bytes(), text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_as_numpy_writes_it() {
        // numpy.save of numpy.zeros((3, 2), "float32"), its first 128 bytes.
        let mut expected =
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }"
                .to_vec();
        expected.resize(127, b' ');
        expected.push(b'\n');
        let ours = header("<f4", &[3, 2]);
        assert_eq!(ours.len(), 128);
        let plain = |bytes: &[u8]| {
            let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
            text.replace(",)", ")").replace(' ', "")
        };
        assert_eq!(plain(&ours), plain(&expected));
        assert_eq!(ours[8..10], expected[8..10]);
    }
}
