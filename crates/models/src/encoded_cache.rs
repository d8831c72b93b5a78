//! Keys and values that a decoder's layers have of what its encoder has read, computed once a text.

use std::ops::Range;

use burn::tensor::{Device, Tensor};
use engraft_kernels::write_rows;

use crate::config::TransformerConfig;

/// The keys and values of what the encoder has read for each slot of a [`KeyValueCache`](crate::KeyValueCache), several of which may have
/// the same.
///
/// A layer's are two tensors `[blocks * rows, key/value heads * dim]`: what is read for one slot lies in a block.
#[derive(Debug)]
pub struct EncodedCache {
    /// Keys and values of each layer.
    layers: Vec<[Tensor<2>; 2]>,
    /// The block of each slot, and how many rows of it are filled.
    slots: Vec<Option<(usize, usize)>>,
    /// Rows of a block.
    rows: usize,
    blocks: usize,
}

impl EncodedCache {
    /// Room for `slots` slots; blocks are made as they are needed.
    pub fn new(config: &TransformerConfig, slots: usize, device: &Device) -> Self {
        let width = config.key_value_heads * config.head_dim;
        let empty = || [(); 2].map(|()| Tensor::zeros([0, width], device));
        Self {
            layers: (0..config.passes().len()).map(|_| empty()).collect(),
            slots: vec![None; slots],
            rows: 0,
            blocks: 0,
        }
    }

    /// Adds empty slots, so that there are `slots` at least.
    pub fn reserve(&mut self, slots: usize) {
        let slots = slots.max(self.slots.len());
        self.slots.resize(slots, None);
    }

    /// Forgets what was read for `slot`.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn clear(&mut self, slot: usize) {
        self.slots[slot] = None;
    }

    /// Gives slot `to` what slot `from` has.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn share(&mut self, from: usize, to: usize) {
        self.slots[to] = self.slots[from];
    }

    /// The rows that slot `slot` has.
    ///
    /// # Panics
    /// If nothing was read for it.
    pub(crate) fn range(&self, slot: usize) -> Range<usize> {
        match self.slots[slot] {
            Some((block, length)) => block * self.rows..block * self.rows + length,
            None => unreachable!("slot {slot}, for which nothing was read"),
        }
    }

    /// Finds blocks for sequences of these lengths, read for these slots; returns the rows of all their tokens.
    pub(crate) fn begin(&mut self, slots: &[usize], lengths: &[usize]) -> Vec<usize> {
        slots.iter().for_each(|&slot| self.clear(slot));
        let rows = lengths.iter().copied().max().unwrap_or(0).max(self.rows);
        let is_taken = |block: &usize| self.slots.iter().flatten().any(|(it, _)| it == block);
        let mut free = (0..).filter(|block| !is_taken(block));
        let found: Vec<usize> = free.by_ref().take(slots.len()).collect();
        let blocks = found.last().map_or(0, |last| last + 1).max(self.blocks);
        if rows > self.rows || blocks > self.blocks {
            self.grow(rows, blocks);
        }
        for ((&slot, &block), &length) in slots.iter().zip(&found).zip(lengths) {
            self.slots[slot] = Some((block, length));
        }
        slots.iter().flat_map(|&slot| self.range(slot)).collect()
    }

    /// Keeps what layer `pass` has of the tokens whose rows [`Self::begin`] returned.
    pub(crate) fn write(&mut self, pass: usize, rows: &[usize], new: [Tensor<2>; 2]) {
        for (kept, new) in self.layers[pass].iter_mut().zip(new) {
            let empty = Tensor::zeros([0, new.dims()[1]], &new.device());
            let before = std::mem::replace(kept, empty);
            *kept = write_rows(before, rows.to_vec(), new);
        }
    }

    /// Keys and values of layer `pass`.
    pub(crate) fn layer(&self, pass: usize) -> [Tensor<2>; 2] {
        self.layers[pass].clone()
    }

    /// Makes room for `blocks` blocks of `rows` rows. More rows than before are rounded up, so that the next longer text moves nothing.
    fn grow(&mut self, rows: usize, blocks: usize) {
        let before = self.rows;
        let rows = if rows > before {
            rows.next_multiple_of(16)
        } else {
            rows
        };
        let taken: Vec<(usize, usize)> = {
            let mut taken: Vec<_> = self.slots.iter().flatten().copied().collect();
            taken.sort_unstable();
            taken.dedup();
            taken
        };
        let place = |rows: usize| {
            let rows = taken
                .iter()
                .flat_map(move |&(block, length)| block * rows..block * rows + length);
            rows.collect::<Vec<usize>>()
        };
        let (from, to) = (place(before), place(rows));
        for kept in self.layers.iter_mut().flatten() {
            let device = kept.device();
            let [_, width] = kept.dims();
            let room = Tensor::zeros([blocks * rows, width], &device);
            *kept = if from.is_empty() {
                room
            } else {
                let numbers: Vec<i32> = from.iter().map(|&row| row as i32).collect();
                let numbers = Tensor::from_data(&numbers[..], &device);
                let moved = engraft_kernels::gather_rows(kept.clone(), numbers);
                write_rows(room, to.clone(), moved)
            };
        }
        (self.rows, self.blocks) = (rows, blocks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(slots: usize) -> EncodedCache {
        let config = TransformerConfig::bert(9, 2, 1, 1);
        EncodedCache::new(&config, slots, &Device::flex())
    }

    /// Keeps `value` for each token that is read for a slot.
    fn read(cache: &mut EncodedCache, read: &[(usize, usize, f32)]) {
        let (slots, lengths): (Vec<_>, Vec<_>) = read.iter().map(|it| (it.0, it.1)).unzip();
        let rows = cache.begin(&slots, &lengths);
        let values = read
            .iter()
            .flat_map(|&(_, length, value)| vec![value; 2 * length]);
        let values: Vec<f32> = values.collect();
        let new = Tensor::<1>::from_data(&values[..], &Device::flex());
        let new = new.reshape([rows.len(), 2]);
        cache.write(0, &rows, [new.clone(), new]);
    }

    fn kept(cache: &EncodedCache, slot: usize) -> Vec<f32> {
        let [keys, _] = cache.layer(0);
        let values: Vec<f32> = keys.into_data().iter::<f32>().collect();
        cache.range(slot).map(|row| values[2 * row]).collect()
    }

    #[test]
    fn what_is_read_for_a_slot_stays_while_any_slot_has_it() {
        let mut cache = cache(4);
        read(&mut cache, &[(0, 2, 1.0), (2, 3, 2.0)]);
        cache.share(2, 3);
        cache.clear(2);
        read(&mut cache, &[(1, 30, 3.0), (2, 1, 4.0)]);
        assert_eq!(kept(&cache, 0), [1.0; 2]);
        assert_eq!(kept(&cache, 1), [3.0; 30]);
        assert_eq!(kept(&cache, 2), [4.0]);
        assert_eq!(kept(&cache, 3), [2.0; 3]);
        // A block that nobody has is used again.
        let blocks = cache.blocks;
        cache.clear(3);
        cache.clear(0);
        read(&mut cache, &[(0, 5, 5.0), (3, 6, 6.0)]);
        assert_eq!(cache.blocks, blocks);
        assert_eq!(kept(&cache, 0), [5.0; 5]);
        assert_eq!(kept(&cache, 1), [3.0; 30]);
    }
}
