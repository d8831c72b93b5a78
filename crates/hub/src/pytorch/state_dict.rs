//! Which of the things that a pickle built are the checkpoint's tensors, and where their numbers lie.
//!
//! A checkpoint is a dictionary of tensors by name. What training programs save has that one level down, under `state_dict`
//! (Lightning's `.ckpt`) or `model`, beside counters and the optimizer's state, which are left out. So is every item whose
//! name is not text or whose value is not a tensor; numbers under `state_dict` are notes, as tasks keep there what they have tuned.

use std::collections::BTreeMap;
use std::ops::Range;

use super::machine::Built;
use super::shown;
use super::value::{Dict, Heap, Storage, Tensor, TensorAt, Value};
use crate::contents::{Contents, Entry};

/// The names under which training programs put the tensors.
const NESTED: [&str; 2] = ["state_dict", "model"];
/// The longest name of a tensor, in bytes.
const NAME: usize = 4096;

/// The tensors and notes. Each tensor is checked to lie within its storage. `locate` says where a storage's bytes lie in the file, which is
/// `length` bytes long, or why it cannot be found, as a sentence that goes on with the tensor.
pub(super) fn contents(
    built: &Built<'_>,
    length: usize,
    locate: impl Fn(&Storage<'_>) -> Result<Range<usize>, String>,
) -> Result<Contents, String> {
    let heap = &built.heap;
    let mut entries = Vec::new();
    let dict = state_dict(built.value, heap)?;
    for (name, tensor) in named_tensors(dict, heap)? {
        let quoted = || format!("tensor \"{}\"", shown(name));
        let described = heap
            .tensor(tensor)
            .and_then(|tensor| Some((tensor, heap.storage(tensor.storage)?)));
        let (tensor, storage) =
            described.ok_or_else(|| format!("{} is not described", quoted()))?;
        let bytes = locate(storage)
            .map_err(|reason| format!("{reason} {}; it is damaged: fetch it again", quoted()))?;
        let (strides, bytes) = place(tensor, storage, bytes, length)
            .map_err(|reason| format!("{} {reason}", quoted()))?;
        entries.push(Entry {
            name: name.to_owned(),
            dtype: storage.dtype,
            shape: tensor.shape.clone(),
            strides,
            bytes,
        });
    }
    let notes = match built.value {
        Value::Dict(whole) if dict != whole => numbers(dict, heap),
        _ => BTreeMap::new(),
    };
    Ok(Contents { entries, notes })
}

/// The dictionary of tensors.
fn state_dict<'p>(value: Value<'p>, heap: &Heap<'p>) -> Result<Dict, String> {
    let Value::Dict(whole) = value else {
        return Err(format!(
            "it holds {}, not a dictionary of tensors by name; save a model's state_dict()",
            value.kind()
        ));
    };
    let nested = NESTED.iter().find_map(|name| match heap.item(whole, name) {
        Some(Value::Dict(dict)) => Some(dict),
        _ => None,
    });
    Ok(nested.unwrap_or(whole))
}

/// The numbers of a dictionary by name, as text.
fn numbers(dict: Dict, heap: &Heap<'_>) -> BTreeMap<String, String> {
    let items = heap.dict(dict).iter();
    let numbers = items.filter_map(|(key, value)| match (key, value) {
        (Value::Text(name), Value::Float(number)) if name.len() <= NAME => {
            Some(((*name).to_owned(), number.to_string()))
        }
        _ => None,
    });
    numbers.collect()
}

/// The tensors of a dictionary by name.
fn named_tensors<'p>(dict: Dict, heap: &Heap<'p>) -> Result<BTreeMap<&'p str, TensorAt>, String> {
    let mut tensors = BTreeMap::new();
    for (key, value) in heap.dict(dict) {
        let Value::Text(name) = *key else { continue };
        if name.len() > NAME {
            return Err(format!(
                "it has a name of {} bytes (\"{}\"), and a tensor's may have {NAME}",
                name.len(),
                shown(name)
            ));
        }
        match *value {
            Value::Tensor(tensor) => tensors.insert(name, tensor),
            _ => tensors.remove(name),
        };
    }
    if tensors.is_empty() && !heap.dict(dict).is_empty() {
        return Err(format!(
            "it holds no tensors by name, but {}; save a model's state_dict()",
            summary(dict, heap)
        ));
    }
    Ok(tensors)
}

/// The first few items of a dictionary, in words.
fn summary(dict: Dict, heap: &Heap<'_>) -> String {
    let items = heap
        .dict(dict)
        .iter()
        .take(4)
        .map(|(key, value)| match key {
            Value::Text(name) => format!("\"{}\" ({})", shown(name), value.kind()),
            _ => format!("{} ({})", key.kind(), value.kind()),
        });
    items.collect::<Vec<_>>().join(", ")
}

/// How a tensor's numbers lie in its storage's bytes: the strides when they are not simply row by row, and the bytes from
/// the first number to the last.
fn place(
    tensor: &Tensor,
    storage: &Storage<'_>,
    bytes: Range<usize>,
    file: usize,
) -> Result<(Option<Vec<usize>>, Range<usize>), String> {
    let size = storage.dtype.bitsize() / 8;
    let held = bytes.len();
    if storage
        .count
        .checked_mul(size)
        .is_none_or(|claimed| claimed > held)
    {
        return Err(format!(
            "lies in a storage of {} numbers of type {}, but the file holds only {held} bytes of it; it was cut short or \
             damaged: fetch it again",
            storage.count, storage.dtype
        ));
    }
    let Tensor {
        offset,
        shape,
        strides,
        ..
    } = tensor;
    let empty = shape.contains(&0);
    // Sizes of zero are left out, so that no product of some of the others can overflow later.
    let length = shape
        .iter()
        .try_fold(size, |length, size| length.checked_mul((*size).max(1)));
    // A tensor can show a number many times over, but not so often that reading it takes more memory than the file.
    if length.is_none_or(|length| length > file && !empty) {
        return Err(format!(
            "has the shape {shape:?}, which is more than the whole file holds; save it after .contiguous()"
        ));
    }
    if empty {
        return Ok((None, bytes.start..bytes.start));
    }
    let last = shape
        .iter()
        .zip(strides)
        .try_fold(*offset, |last, (size, stride)| {
            last.checked_add((size - 1).checked_mul(*stride)?)
        });
    let Some(last) = last.filter(|last| *last < storage.count) else {
        return Err(format!(
            "begins at number {offset} and has the shape {shape:?} and the strides {strides:?}, which leads out of its storage \
             of {} numbers; it is damaged: fetch it again",
            storage.count
        ));
    };
    // Neither product can overflow: both numbers lie within the storage, which lies within the file.
    let bytes = bytes.start + offset * size..bytes.start + (last + 1) * size;
    if is_row_by_row(shape, strides) {
        return Ok((None, bytes));
    }
    // The stride of a dimension of one is never taken, and the only kind that may still be too large to reckon with.
    let taken = shape
        .iter()
        .zip(strides)
        .map(|(size, stride)| if *size == 1 { 0 } else { *stride });
    Ok((Some(taken.collect()), bytes))
}

/// Whether numbers lie one after the other in the order of their indices. A dimension of one has no neighbours.
fn is_row_by_row(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(size, stride)| {
        let fits = *size == 1 || *stride == expected;
        expected *= size;
        fits
    })
}
