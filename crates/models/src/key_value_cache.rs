//! Keys and values of the tokens that a decoder has read, so that the next token costs one token.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};
use engraft_kernels::{gather_rows, write_rows};

use crate::config::TransformerConfig;

/// The keys and values of several sequences, each in a slot of its own.
///
/// A layer's are two tensors `[slots * rows, key/value heads * dim]`. A layer whose attention has a window keeps that many rows a slot and
/// writes them in turn, as a ring: rotations are part of the keys, so that their order does not matter.
#[derive(Debug)]
pub struct KeyValueCache {
    layers: Vec<Kept>,
    /// Tokens read into each slot.
    lengths: Vec<usize>,
    /// Tokens that a slot has room for.
    capacity: usize,
    /// What is read next: the slot, and how many tokens.
    reading: Vec<(usize, usize)>,
}

/// What one layer keeps.
#[derive(Debug)]
struct Kept {
    keys: Tensor<2>,
    values: Tensor<2>,
    /// How far attention reaches.
    window: Option<usize>,
}

/// One layer's part of a cache during a forward pass.
pub(crate) struct LayerCache<'a> {
    kept: &'a mut Kept,
    lengths: &'a [usize],
    reading: &'a [(usize, usize)],
    capacity: usize,
}

impl KeyValueCache {
    /// Room for `slots` sequences of `capacity` tokens each, which grows when it is needed; of use to decoders only.
    pub fn new(config: &TransformerConfig, slots: usize, capacity: usize, device: &Device) -> Self {
        let capacity = capacity.max(1);
        let width = config.key_value_heads * config.head_dim;
        let layer = |pass| {
            let window = config.window(pass);
            let rows = slots * window.map_or(capacity, |window| window.min(capacity));
            let empty = || Tensor::zeros([rows, width], device);
            Kept {
                keys: empty(),
                values: empty(),
                window,
            }
        };
        Self {
            layers: (0..config.passes().len()).map(layer).collect(),
            lengths: vec![0; slots],
            capacity,
            reading: Vec::new(),
        }
    }

    /// Number of slots.
    pub fn slots(&self) -> usize {
        self.lengths.len()
    }

    /// Tokens read into `slot`.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn length(&self, slot: usize) -> usize {
        self.lengths[slot]
    }

    /// Empties `slot`.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn clear(&mut self, slot: usize) {
        self.lengths[slot] = 0;
    }

    /// Announces what a forward pass reads: for each of its sequences the slot, each its own, and how many tokens. Either all slots are
    /// empty, or each takes one token.
    ///
    /// # Panics
    /// If a slot holds tokens and any is to take several at once.
    pub(crate) fn begin(&mut self, reading: Vec<(usize, usize)>) {
        let continues = reading.iter().any(|&(slot, _)| self.lengths[slot] > 0);
        assert!(
            !continues || reading.iter().all(|&(_, count)| count == 1),
            "a sequence goes on token by token"
        );
        let needed = reading
            .iter()
            .map(|&(slot, count)| self.lengths[slot] + count);
        let needed = needed.max().unwrap_or(0);
        if needed > self.capacity {
            self.grow(needed.max(2 * self.capacity));
        }
        self.reading = reading;
    }

    /// The tokens announced have been read.
    pub(crate) fn end(&mut self) {
        for (slot, count) in self.reading.drain(..) {
            self.lengths[slot] += count;
        }
    }

    pub(crate) fn layer(&mut self, pass: usize) -> LayerCache<'_> {
        LayerCache {
            kept: &mut self.layers[pass],
            lengths: &self.lengths,
            reading: &self.reading,
            capacity: self.capacity,
        }
    }

    fn grow(&mut self, capacity: usize) {
        let before = self.capacity;
        self.capacity = capacity;
        for kept in &mut self.layers {
            let [old, new] = [before, capacity].map(|capacity| kept.ring(capacity));
            if old == new {
                continue;
            }
            // A ring that still grows has not come round: its rows are in order.
            let rows = self.lengths.iter().enumerate().flat_map(|(slot, &length)| {
                let length = length.min(old);
                (0..length).map(move |row| (slot * old + row, slot * new + row))
            });
            let (from, to): (Vec<usize>, Vec<usize>) = rows.unzip();
            for tensor in [&mut kept.keys, &mut kept.values] {
                let device = tensor.device();
                let [_, width] = tensor.dims();
                let room = Tensor::zeros([self.lengths.len() * new, width], &device);
                let moved = gather_rows(tensor.clone(), upload(&from, &device));
                *tensor = write_rows(room, to.clone(), moved);
            }
        }
    }
}

fn upload(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    let count = rows.len();
    Tensor::from_data(TensorData::new(rows, [count]), device)
}

impl Kept {
    /// Rows of a slot that has room for `capacity` tokens.
    fn ring(&self, capacity: usize) -> usize {
        self.window.map_or(capacity, |window| window.min(capacity))
    }
}

impl LayerCache<'_> {
    /// Whether any sequence goes on.
    pub(crate) fn continues(&self) -> bool {
        let mut reading = self.reading.iter();
        reading.any(|&(slot, _)| self.lengths[slot] > 0)
    }

    /// Keeps the keys and values of the tokens announced, `[tokens, width]`; returns all that are kept.
    pub(crate) fn write(&mut self, key: Tensor<2>, value: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let ring = self.kept.ring(self.capacity);
        let (mut from, mut to) = (Vec::new(), Vec::new());
        let mut row = 0;
        for &(slot, count) in self.reading {
            let start = self.lengths[slot];
            // Of more tokens than fit the last ones stay.
            for token in count.saturating_sub(ring)..count {
                from.push(row + token);
                to.push(slot * ring + (start + token) % ring);
            }
            row += count;
        }
        let device = key.device();
        let all = from.len() == row;
        let keep = |kept: &mut Tensor<2>, new: Tensor<2>| {
            let new = if all {
                new
            } else {
                gather_rows(new, upload(&from, &device))
            };
            let empty = Tensor::zeros([0, new.dims()[1]], &device);
            let before = std::mem::replace(kept, empty);
            *kept = write_rows(before, to.clone(), new);
            kept.clone()
        };
        let keys = keep(&mut self.kept.keys, key);
        (keys, keep(&mut self.kept.values, value))
    }

    /// The rows that each sequence's one new token attends to, its own included.
    pub(crate) fn visible(&self) -> Vec<Range<usize>> {
        let ring = self.kept.ring(self.capacity);
        let reading = self.reading.iter();
        reading
            .map(|&(slot, count)| {
                let kept = (self.lengths[slot] + count).min(ring);
                slot * ring..slot * ring + kept
            })
            .collect()
    }
}
