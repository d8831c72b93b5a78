//! Writing safetensors files.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engraft_files::atomic::Writer;
use safetensors::Dtype;
use serde_json::{Map, Value, json};

use crate::header::NOTES;
use crate::{Error, Result};

/// A tensor to be written.
#[derive(Debug, Clone)]
pub struct TensorToWrite<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// Its numbers, row by row.
    pub data: TensorData<'a>,
}

/// The numbers of a tensor to be written.
#[derive(Debug, Clone)]
pub enum TensorData<'a> {
    /// 32-bit floats.
    F32(Cow<'a, [f32]>),
    /// 64-bit integers.
    I64(Cow<'a, [i64]>),
    /// Numbers of any type as safetensors stores them, least significant byte first.
    Bytes {
        /// Their type.
        dtype: Dtype,
        /// The numbers.
        bytes: Cow<'a, [u8]>,
    },
}

impl TensorData<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            TensorData::F32(_) => Dtype::F32,
            TensorData::I64(_) => Dtype::I64,
            TensorData::Bytes { dtype, .. } => *dtype,
        }
    }

    fn len_in_bytes(&self) -> usize {
        match self {
            TensorData::F32(numbers) => size_of_val(&**numbers),
            TensorData::I64(numbers) => size_of_val(&**numbers),
            TensorData::Bytes { bytes, .. } => bytes.len(),
        }
    }

    fn write(&self, file: &mut Writer) -> Result<()> {
        match self {
            TensorData::F32(numbers) => write_numbers(file, numbers, |number| number.to_le_bytes()),
            TensorData::I64(numbers) => write_numbers(file, numbers, |number| number.to_le_bytes()),
            TensorData::Bytes { bytes, .. } => Ok(file.put(bytes)?),
        }
    }
}

/// Writes a safetensors file, complete or not at all.
///
/// Tensors lie in it by falling size of their numbers and then by name, as the reference implementation puts them, so that
/// the same tensors give the same file. `notes` become its `__metadata__`; `format: pt` is added, without which the
/// reference libraries refuse to load a model.
///
/// # Errors
///
/// When a tensor's numbers do not fill its shape, two have one name, or the file cannot be written.
pub fn write_safetensors<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = TensorToWrite<'a>>,
    notes: &BTreeMap<String, String>,
) -> Result<()> {
    let mut tensors: Vec<_> = tensors.into_iter().collect();
    check(&tensors)?;
    tensors.sort_by(|a, b| {
        let size = |tensor: &TensorToWrite<'_>| std::cmp::Reverse(tensor.data.dtype().bitsize());
        (size(a), &a.name).cmp(&(size(b), &b.name))
    });

    let header = header(&tensors, notes);
    let mut file = Writer::create(path)?;
    file.put(&(header.len() as u64).to_le_bytes())?;
    file.put(header.as_bytes())?;
    for tensor in &tensors {
        tensor.data.write(&mut file)?;
    }
    Ok(file.commit()?)
}

fn check(tensors: &[TensorToWrite<'_>]) -> Result<()> {
    let mut names = BTreeSet::new();
    for tensor in tensors {
        let refuse = |reason: String| Error::TensorToWrite {
            tensor: tensor.name.to_string(),
            reason,
        };
        if tensor.name == NOTES {
            return Err(refuse("the format keeps this name for its notes".into()));
        }
        if !names.insert(&tensor.name) {
            return Err(refuse("two tensors have this name".into()));
        }
        let bits = tensor
            .shape
            .iter()
            .try_fold(tensor.data.dtype().bitsize(), |bits, size| {
                bits.checked_mul(*size)
            });
        let bytes = tensor.data.len_in_bytes();
        if bits != bytes.checked_mul(8) {
            return Err(refuse(format!(
                "its {bytes} bytes are not what type {} and shape {:?} need",
                tensor.data.dtype(),
                tensor.shape
            )));
        }
    }
    Ok(())
}

/// The header as JSON, padded so that the tensors begin at a multiple of eight.
fn header(tensors: &[TensorToWrite<'_>], notes: &BTreeMap<String, String>) -> String {
    let mut entries = Map::new();
    let mut all_notes = notes.clone();
    all_notes
        .entry("format".into())
        .or_insert_with(|| "pt".into());
    entries.insert(NOTES.into(), json!(all_notes));
    let mut at = 0;
    for tensor in tensors {
        let end = at + tensor.data.len_in_bytes();
        entries.insert(
            tensor.name.to_string(),
            json!({"dtype": tensor.data.dtype().to_string(), "shape": tensor.shape, "data_offsets": [at, end]}),
        );
        at = end;
    }
    let mut text = Value::Object(entries).to_string();
    text.extend(std::iter::repeat_n(
        ' ',
        text.len().next_multiple_of(8) - text.len(),
    ));
    text
}

fn write_numbers<T: Copy, const SIZE: usize>(
    file: &mut Writer,
    numbers: &[T],
    bytes: impl Fn(T) -> [u8; SIZE],
) -> Result<()> {
    let mut buffer = Vec::with_capacity(SIZE * 4096);
    for chunk in numbers.chunks(4096) {
        buffer.clear();
        buffer.extend(chunk.iter().flat_map(|number| bytes(*number)));
        file.put(&buffer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Weights;
    use proptest::prelude::*;

    fn tensor<'a>(name: &'a str, shape: &[usize], data: TensorData<'a>) -> TensorToWrite<'a> {
        TensorToWrite {
            name: name.into(),
            shape: shape.to_vec(),
            data,
        }
    }

    fn refusal(tensors: Vec<TensorToWrite<'_>>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let message = write_safetensors(&path, tensors, &BTreeMap::new())
            .unwrap_err()
            .to_string();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        message
    }

    #[test]
    fn what_is_written_is_read_back_by_us_and_by_the_reference_implementation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let notes = BTreeMap::from([("seed".to_owned(), "7".to_owned())]);
        let tensors = vec![
            tensor(
                "half",
                &[2],
                TensorData::Bytes {
                    dtype: Dtype::F16,
                    bytes: vec![0, 0x3c, 0, 0xc0].into(),
                },
            ),
            tensor("none", &[0, 4], TensorData::F32(vec![].into())),
            tensor("one", &[], TensorData::F32(vec![3.5].into())),
            tensor("steps", &[2], TensorData::I64(vec![-1, 9].into())),
        ];
        write_safetensors(&path, tensors, &notes).unwrap();

        let weights = Weights::open_file(&path).unwrap();
        assert_eq!(weights.get("half").unwrap().to_f32().unwrap(), [1.0, -2.0]);
        assert_eq!(weights.get("none").unwrap().shape(), [0, 4]);
        assert_eq!(weights.get("one").unwrap().to_f32().unwrap(), [3.5]);
        assert_eq!(weights.notes()["seed"], "7");
        assert_eq!(weights.notes()["format"], "pt");

        let bytes = std::fs::read(&path).unwrap();
        let reference = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let steps = reference.tensor("steps").unwrap();
        assert_eq!(
            steps.data(),
            [(-1i64).to_le_bytes(), 9i64.to_le_bytes()].concat()
        );
        assert_eq!(reference.len(), 4);
    }

    #[test]
    fn a_tensor_that_does_not_fill_its_shape_is_refused_and_leaves_no_file() {
        let message = refusal(vec![tensor(
            "w",
            &[2, 2],
            TensorData::F32(vec![1.0; 3].into()),
        )]);
        assert!(
            message
                .contains("tensor \"w\": its 12 bytes are not what type F32 and shape [2, 2] need"),
            "{message}"
        );
    }

    #[test]
    fn a_name_cannot_be_used_twice_or_be_that_of_the_notes() {
        let one = || TensorData::F32(vec![1.0].into());
        assert!(
            refusal(vec![tensor("w", &[1], one()), tensor("w", &[1], one())])
                .contains("two tensors")
        );
        assert!(refusal(vec![tensor("__metadata__", &[1], one())]).contains("keeps this name"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_floats_under_any_names_survive_to_the_bit(
            tensors in prop::collection::btree_map("\\PC{1,12}", prop::collection::vec(any::<u32>(), 0..9), 0..6)
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.safetensors");
            let numbers: BTreeMap<_, Vec<f32>> =
                tensors.iter().map(|(name, bits)| (name, bits.iter().map(|b| f32::from_bits(*b)).collect())).collect();
            let list = numbers.iter().map(|(name, n)| tensor(name, &[n.len()], TensorData::F32(n.as_slice().into())));
            write_safetensors(&path, list, &BTreeMap::new()).unwrap();
            let weights = Weights::open_file(&path).unwrap();
            prop_assert_eq!(weights.len(), tensors.len());
            for (name, bits) in &tensors {
                let bytes: Vec<u8> = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
                prop_assert_eq!(weights.get(name).unwrap().bytes(), bytes);
            }
        }
    }
}
