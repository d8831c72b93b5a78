//! Keys and values of the tokens that a decoder has read, so that the next token costs one token.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};
use engraft_kernels::{gather_rows, write_rows};

use crate::config::TransformerConfig;

/// The keys and values of several sequences, each in a slot of its own.
///
/// A layer's are two tensors `[slots * rows, key/value heads * dim]`. A layer whose attention has a window keeps that many rows a slot and
/// writes them in turn, as a ring: rotations are part of the keys, so that their order does not matter. A cache that goes
/// [back](Self::that_goes_back) keeps all rows instead.
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
    /// Whether no more rows are kept than attention reaches.
    is_ring: bool,
}

/// What one slot takes over from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotCopy {
    /// The slot that is copied.
    pub from: usize,
    /// The slot that becomes the same.
    pub to: usize,
    /// How many tokens both have in common already, at the front.
    pub shared: usize,
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
        Self::of(config, [slots, capacity], device, true)
    }

    /// The same for sequences that take several tokens at once after others, and whose last tokens may be taken back: layers with a window
    /// keep all tokens.
    pub fn that_goes_back(
        config: &TransformerConfig,
        slots: usize,
        capacity: usize,
        device: &Device,
    ) -> Self {
        Self::of(config, [slots, capacity], device, false)
    }

    fn of(
        config: &TransformerConfig,
        [slots, capacity]: [usize; 2],
        device: &Device,
        rings: bool,
    ) -> Self {
        let capacity = capacity.max(1);
        let width = config.key_value_heads * config.head_dim;
        let layer = |pass| {
            let window = config.window(pass);
            let is_ring = rings && window.is_some();
            let reach = window.filter(|_| is_ring);
            let rows = slots * reach.map_or(capacity, |window| window.min(capacity));
            let empty = || Tensor::zeros([rows, width], device);
            Kept {
                keys: empty(),
                values: empty(),
                window,
                is_ring,
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

    /// Takes the last tokens of `slot` back, so that `length` stay; nothing where it has no more.
    ///
    /// # Panics
    /// If there is no such slot, or a ring has lost what tokens that are taken back were written over.
    pub fn truncate(&mut self, slot: usize, length: usize) {
        let before = self.lengths[slot];
        let lost = |kept: &Kept| kept.is_ring && before > kept.ring(self.capacity);
        assert!(
            length == 0 || length >= before || !self.layers.iter().any(lost),
            "rings do not go back"
        );
        self.lengths[slot] = before.min(length);
    }

    /// Adds empty slots, so that there are `slots` at least.
    pub fn reserve(&mut self, slots: usize) {
        let more = slots.saturating_sub(self.lengths.len());
        if more == 0 {
            return;
        }
        for kept in &mut self.layers {
            let rows = more * kept.ring(self.capacity);
            for tensor in [&mut kept.keys, &mut kept.values] {
                let room = Tensor::zeros([rows, tensor.dims()[1]], &tensor.device());
                *tensor = Tensor::cat(vec![tensor.clone(), room], 0);
            }
        }
        self.lengths.resize(slots, 0);
    }

    /// Makes slots the same as others. No slot is both copied and changed.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn copy(&mut self, copies: &[SlotCopy]) {
        if copies.is_empty() {
            return;
        }
        for kept in &mut self.layers {
            let ring = kept.ring(self.capacity);
            let rows = copies.iter().flat_map(|&SlotCopy { from, to, shared }| {
                let length = self.lengths[from];
                let first = shared.max(length.saturating_sub(ring));
                (first..length).map(move |token| {
                    let row = token % ring;
                    (from * ring + row, to * ring + row)
                })
            });
            let (from, to): (Vec<usize>, Vec<usize>) = rows.unzip();
            if from.is_empty() {
                continue;
            }
            for tensor in [&mut kept.keys, &mut kept.values] {
                let device = tensor.device();
                let moved = gather_rows(tensor.clone(), upload(&from, &device));
                let empty = Tensor::zeros([0, tensor.dims()[1]], &device);
                // Without a second owner, rows are written where they are.
                let before = std::mem::replace(tensor, empty);
                *tensor = write_rows(before, to.clone(), moved);
            }
        }
        for copy in copies {
            self.lengths[copy.to] = self.lengths[copy.from];
        }
    }

    /// Announces what a forward pass reads: for each of its sequences the slot, each its own, and how many tokens.
    ///
    /// # Panics
    /// If a slot holds tokens, any is to take several at once, and there are rings.
    pub(crate) fn begin(&mut self, reading: Vec<(usize, usize)>) {
        let continues = reading.iter().any(|&(slot, _)| self.lengths[slot] > 0);
        let rings = self.layers.iter().any(|kept| kept.is_ring);
        assert!(
            !continues || !rings || reading.iter().all(|&(_, count)| count == 1),
            "with rings a sequence goes on token by token"
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
        let reach = self.window.filter(|_| self.is_ring);
        reach.map_or(capacity, |window| window.min(capacity))
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

    /// The rows that each new token attends to, its own included.
    pub(crate) fn visible(&self) -> Vec<Range<usize>> {
        let ring = self.kept.ring(self.capacity);
        let window = self.kept.window.unwrap_or(usize::MAX);
        let reading = self.reading.iter();
        let rows = reading.flat_map(|&(slot, count)| {
            let before = self.lengths[slot];
            (before + 1..=before + count).map(move |end| {
                // Where a ring has come round, all of its rows are within reach.
                let end = end.min(ring);
                slot * ring + end.saturating_sub(window)..slot * ring + end
            })
        });
        rows.collect()
    }
}
