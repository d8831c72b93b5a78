//! The weights of a preset of KerasHub: its data sets, made of tensors, in one file or several.

use std::collections::BTreeMap;
use std::path::Path;

use engraft_files::atomic;
use safetensors::Dtype;
use serde_json::{Map, Value, json};

use super::h5::{self, DataSetToWrite};
use super::{KerasModel, python};
use crate::keras::map::{Part, Scaled};
use crate::keras::{OF_TASK, SHARDS, TASK_WEIGHTS, WEIGHTS};
use crate::{Error, Result, TensorRef};

/// What was counted of the weights.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub(super) dtype: Dtype,
    pub(super) numbers: usize,
}

impl KerasModel {
    /// Writes the weights; gives the type of the backbone's numbers and how many there are.
    pub(super) fn write_weights<'w>(
        &self,
        folder: &Path,
        shard: usize,
        find: &dyn Fn(&str) -> Option<TensorRef<'w>>,
    ) -> Result<Counted> {
        let mut sets: BTreeMap<&str, Vec<&Part>> = BTreeMap::new();
        for part in &self.map.parts {
            sets.entry(&part.path).or_default().push(part);
        }
        let find = |name: &str| {
            let twin = || find(self.map.twins.get(name)?);
            find(name).or_else(twin)
        };
        let mut head = Vec::new();
        let mut files = Shards::new(folder, shard);
        let mut counted = Counted {
            dtype: Dtype::F32,
            numbers: 0,
        };
        let mut sizes = BTreeMap::new();
        let mut total = 0;
        for (path, parts) in &sets {
            let dtype = dtype_of(parts, &find);
            let count: usize = parts.first().map_or(0, |part| part.stored.iter().product());
            sizes.insert(*path, (dtype, count));
            if !path.starts_with(OF_TASK) {
                total += count * dtype.bitsize() / 8;
                counted.numbers += count;
                if dtype == Dtype::BF16 {
                    counted.dtype = dtype;
                }
            }
        }
        let constants: usize = self
            .map
            .constants
            .iter()
            .map(|(_, numbers)| numbers.len())
            .sum();
        total += 4 * constants;
        counted.numbers += constants;
        files.sharded = total > shard;
        for (path, parts) in sets {
            let (dtype, count) = sizes[path];
            let mut bytes = vec![0; count * dtype.bitsize() / 8];
            for part in &parts {
                if let Some(tensor) = find(&part.tensor) {
                    self.carry(part, &tensor, dtype, &mut bytes)?;
                    let scaled = self.map.scaled.as_ref();
                    if let Some(scaled) = scaled.filter(|it| it.tensor == part.tensor) {
                        scale(&mut bytes, dtype, tensor.shape(), scaled);
                    }
                } else if self.is_norm_weight(&part.tensor) {
                    change(&mut bytes, dtype, std::iter::repeat(()), |_, ()| 1.0);
                }
            }
            for folded in self.map.folded.iter().filter(|folded| folded.table == path) {
                if let Some(row) = find(&folded.row) {
                    add_row(&mut bytes, dtype, &row)?;
                }
            }
            let shape = parts
                .first()
                .map(|part| part.stored.clone())
                .unwrap_or_default();
            let mut set = DataSetToWrite {
                path: path.to_owned(),
                dtype,
                shape,
                bytes,
            };
            match path.strip_prefix(OF_TASK) {
                Some(own) => {
                    set.path = own.to_owned();
                    head.push(set);
                }
                None => files.add(set)?,
            }
        }
        for (path, numbers) in &self.map.constants {
            files.add(DataSetToWrite {
                path: path.clone(),
                dtype: Dtype::F32,
                shape: vec![numbers.len()],
                bytes: numbers
                    .iter()
                    .flat_map(|number| number.to_le_bytes())
                    .collect(),
            })?;
        }
        files.finish(total)?;
        if !head.is_empty() {
            h5::write(&folder.join(TASK_WEIGHTS), head)?;
        }
        Ok(counted)
    }

    /// Whether a tensor is what a norm multiplies by: of one dimension only these are called weights.
    fn is_norm_weight(&self, name: &str) -> bool {
        let shape = self.map.tensors.get(name).map(Vec::len);
        shape == Some(1) && name.ends_with(".weight")
    }

    /// Puts the numbers of a tensor where a data set has them.
    fn carry(
        &self,
        part: &Part,
        tensor: &TensorRef<'_>,
        dtype: Dtype,
        bytes: &mut [u8],
    ) -> Result<()> {
        let whole = self
            .map
            .tensors
            .get(&part.tensor)
            .map_or(&[][..], Vec::as_slice);
        if tensor.shape() != whole {
            return Err(Error::Weights {
                file: tensor.file().to_owned(),
                format: "weights",
                reason: format!(
                    "{} has the shape {:?}, where {} asks for {whole:?}",
                    tensor.name(),
                    tensor.shape(),
                    self.backbone.class
                ),
            });
        }
        let back = part.moved.back();
        let size = dtype.bitsize() / 8;
        if tensor.dtype() == dtype {
            back.carry(&tensor.bytes(), bytes, size);
        } else {
            let numbers = tensor.to_f32()?;
            let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
            back.carry(&numbers, bytes, size);
        }
        Ok(())
    }
}

/// The files of a backbone's weights: one, or several that a list names.
struct Shards<'a> {
    folder: &'a Path,
    largest: usize,
    sharded: bool,
    /// What the file that comes next is to hold, and how much that is.
    held: Vec<DataSetToWrite>,
    size: usize,
    /// The file of each group that is in one already.
    places: Map<String, Value>,
    count: usize,
}

impl<'a> Shards<'a> {
    fn new(folder: &'a Path, largest: usize) -> Self {
        Self {
            folder,
            largest,
            sharded: false,
            held: Vec::new(),
            size: 0,
            places: Map::new(),
            count: 0,
        }
    }

    fn add(&mut self, set: DataSetToWrite) -> Result<()> {
        if self.sharded && !self.held.is_empty() && self.size + set.bytes.len() > self.largest {
            self.write()?;
        }
        self.size += set.bytes.len();
        self.held.push(set);
        Ok(())
    }

    /// Writes what is held as the next file.
    fn write(&mut self) -> Result<()> {
        let name = format!("model_{:05}.weights.h5", self.count);
        self.count += 1;
        for set in &self.held {
            let group = set.path.rsplit_once('/').map_or("", |(group, _)| group);
            let place = self
                .places
                .entry(format!("/{group}"))
                .or_insert(json!(name));
            // A group that straddles files lies in each of them.
            match place {
                Value::Array(names) if names.last() != Some(&json!(name)) => {
                    names.push(json!(name))
                }
                Value::String(first) if *first != name => *place = json!([first, name]),
                _ => {}
            }
        }
        self.size = 0;
        h5::write(&self.folder.join(name), std::mem::take(&mut self.held))
    }

    fn finish(mut self, total: usize) -> Result<()> {
        if !self.sharded {
            return h5::write(&self.folder.join(WEIGHTS), self.held);
        }
        self.write()?;
        let list = json!({"metadata": {"total_size": total}, "weight_map": self.places});
        let path = self.folder.join(SHARDS);
        Ok(atomic::write(&path, python::indented(&list).as_bytes())?)
    }
}

/// The type of a data set: that of the tensors that it is made of, 32-bit floats if they differ.
fn dtype_of<'w>(parts: &[&Part], find: &dyn Fn(&str) -> Option<TensorRef<'w>>) -> Dtype {
    let mut found = parts
        .iter()
        .filter_map(|part| Some(find(&part.tensor)?.dtype()));
    let Some(first) = found.next() else {
        return Dtype::F32;
    };
    let is_float = matches!(first, Dtype::F32 | Dtype::F16 | Dtype::BF16);
    if is_float && found.all(|other| other == first) {
        first
    } else {
        Dtype::F32
    }
}

/// Adds a row of numbers to each row of a table, if there is anything to add.
pub(super) fn add_row(bytes: &mut [u8], dtype: Dtype, row: &TensorRef<'_>) -> Result<()> {
    let row = row.to_f32()?;
    if row.iter().any(|number| *number != 0.0) {
        change(bytes, dtype, row.iter().cycle(), |number, added| {
            number + added
        });
    }
    Ok(())
}

/// Multiplies a table of a shape, but for the row that becomes zero.
pub(super) fn scale(bytes: &mut [u8], dtype: Dtype, shape: &[usize], scaled: &Scaled) {
    let width: usize = shape.iter().skip(1).product();
    let rows = 0..shape.first().copied().unwrap_or(0);
    let factors = rows.flat_map(|row| {
        let factor = if row == scaled.zero {
            0.0
        } else {
            scaled.factor
        };
        std::iter::repeat_n(factor, width)
    });
    change(bytes, dtype, factors, |number, factor| number * factor);
}

/// Makes of each number what `to` makes of it and of the one beside it in `by`.
fn change<N>(
    bytes: &mut [u8],
    dtype: Dtype,
    by: impl Iterator<Item = N>,
    to: impl Fn(f32, N) -> f32,
) {
    match dtype {
        Dtype::F32 => {
            for (number, by) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(by) {
                *number = to(f32::from_le_bytes(*number), by).to_le_bytes();
            }
        }
        Dtype::F16 => {
            for (number, by) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(by) {
                let changed = to(half::f16::from_le_bytes(*number).to_f32(), by);
                *number = half::f16::from_f32(changed).to_le_bytes();
            }
        }
        _ => {
            for (number, by) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(by) {
                let changed = to(half::bf16::from_le_bytes(*number).to_f32(), by);
                *number = half::bf16::from_f32(changed).to_le_bytes();
            }
        }
    }
}
