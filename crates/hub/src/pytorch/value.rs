//! What a pickle can build here.

use safetensors::Dtype;

use super::class::Class;

/// A value. Containers and tensors lie in a [`Heap`], so that copying or dropping a value never walks what is in it, however
/// deeply a hostile file nests or however often it repeats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'p> {
    /// `None`, and harmless things that no tensor depends on.
    Nothing,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits, least significant byte first.
    LongInt(&'p [u8]),
    /// A floating-point number; none that a tensor depends on.
    Float(f64),
    Text(&'p str),
    Bytes,
    Tuple(List),
    List(List),
    Dict(Dict),
    Storage(StorageAt),
    Tensor(TensorAt),
    Class(Class),
    /// A class or object of a training program that carries settings, of which nothing is known or kept.
    Opaque,
}

impl Value<'_> {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Nothing => "no value",
            Value::Bool(_) => "true or false",
            Value::Int(_) | Value::LongInt(_) | Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::Bytes => "bytes",
            Value::Tuple(_) => "a tuple",
            Value::List(_) => "a list",
            Value::Dict(_) => "a dictionary",
            Value::Storage(_) => "a storage",
            Value::Tensor(_) => "a tensor",
            Value::Class(_) => "a class",
            Value::Opaque => "an object of a training program",
        }
    }
}

/// Where a tuple or a list lies in its heap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct List(usize);

/// Where a dictionary lies in its heap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Dict(usize);

/// Where a storage's description lies in its heap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StorageAt(usize);

/// Where a tensor's description lies in its heap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TensorAt(usize);

/// A run of numbers beside the pickle, as the pickle describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'p> {
    pub(super) dtype: Dtype,
    /// What the container knows it by: letters, digits and underscores.
    pub(super) key: &'p str,
    /// How many numbers it has.
    pub(super) count: usize,
}

/// A view of a storage, as the pickle describes it; nothing of it is checked yet.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    pub(super) storage: StorageAt,
    /// Its first number.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// How many numbers apart neighbours lie along each dimension; as many as `shape` has.
    pub(super) strides: Vec<usize>,
}

/// The containers and tensors that a pickle has built.
#[derive(Debug, Default)]
pub(super) struct Heap<'p> {
    lists: Vec<Vec<Value<'p>>>,
    dicts: Vec<Vec<(Value<'p>, Value<'p>)>>,
    storages: Vec<Storage<'p>>,
    tensors: Vec<Tensor>,
}

impl<'p> Heap<'p> {
    pub(super) fn add_list(&mut self, items: Vec<Value<'p>>) -> List {
        self.lists.push(items);
        List(self.lists.len() - 1)
    }

    pub(super) fn add_dict(&mut self, items: Vec<(Value<'p>, Value<'p>)>) -> Dict {
        self.dicts.push(items);
        Dict(self.dicts.len() - 1)
    }

    pub(super) fn add_storage(&mut self, storage: Storage<'p>) -> StorageAt {
        self.storages.push(storage);
        StorageAt(self.storages.len() - 1)
    }

    pub(super) fn add_tensor(&mut self, tensor: Tensor) -> TensorAt {
        self.tensors.push(tensor);
        TensorAt(self.tensors.len() - 1)
    }

    pub(super) fn list(&self, at: List) -> &[Value<'p>] {
        self.lists.get(at.0).map_or(&[], Vec::as_slice)
    }

    pub(super) fn append(&mut self, at: List, items: &[Value<'p>]) {
        if let Some(list) = self.lists.get_mut(at.0) {
            list.extend_from_slice(items);
        }
    }

    /// A dictionary's items in the order in which they were set; the later of two with one key counts.
    pub(super) fn dict(&self, at: Dict) -> &[(Value<'p>, Value<'p>)] {
        self.dicts.get(at.0).map_or(&[], Vec::as_slice)
    }

    pub(super) fn set(
        &mut self,
        at: Dict,
        items: impl IntoIterator<Item = (Value<'p>, Value<'p>)>,
    ) {
        if let Some(dict) = self.dicts.get_mut(at.0) {
            dict.extend(items);
        }
    }

    /// The value of a dictionary's key.
    pub(super) fn item(&self, at: Dict, key: &str) -> Option<Value<'p>> {
        let mut items = self.dict(at).iter().rev();
        items
            .find(|(name, _)| *name == Value::Text(key))
            .map(|(_, value)| *value)
    }

    pub(super) fn storage(&self, at: StorageAt) -> Option<&Storage<'p>> {
        self.storages.get(at.0)
    }

    pub(super) fn storages(&self) -> &[Storage<'p>] {
        &self.storages
    }

    pub(super) fn tensor(&self, at: TensorAt) -> Option<&Tensor> {
        self.tensors.get(at.0)
    }
}
