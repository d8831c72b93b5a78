//! What rows are to be told as, in the terms of a model: for a whole split, and for a batch.

use std::sync::Arc;

use engraft_data::TokenUnit;
use engraft_kernels::Key;

use crate::masking::Masker;

/// What the rows of a split are to be told as.
#[derive(Clone, Debug, Default)]
pub enum Targets {
    /// Nothing: they are predicted.
    #[default]
    None,
    /// One class each.
    Classes(Vec<u32>),
    /// Yes or no for each class.
    Flags(Vec<Vec<bool>>),
    /// A class for each letter or word, none for those that are not scored.
    Tokens {
        /// What has a class.
        unit: TokenUnit,
        /// `[row][unit]`.
        rows: Vec<Vec<Option<u32>>>,
    },
    /// Numbers, in the units of the data.
    Numbers(Vec<Vec<f64>>),
    /// The tokens that some masks stand for.
    Masked(Arc<Masker>),
    /// The token after each, of those that are not given.
    NextTokens,
}

/// What the rows of a batch are to be told as.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum BatchTargets {
    /// Nothing.
    #[default]
    None,
    /// One class a row, `[rows]`, or a scored token, `[scored tokens]`.
    Classes(Vec<u32>),
    /// Yes or no, `[rows * classes]`.
    Flags(Vec<bool>),
    /// Numbers in the units of the data, `[rows * outputs]`.
    Numbers(Vec<f64>),
}

/// What batches of a split draw their masks under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    /// Others in each epoch of a run with a seed.
    Epoch {
        /// The seed of the run.
        seed: u64,
        /// From 0.
        epoch: u64,
    },
    /// Always the same, so that scores can be compared.
    Fixed,
}

/// The stream of random draws that masks come from.
const MASKS: u64 = 0x3a;

impl Draws {
    /// The key of a row.
    pub(crate) fn key(self, row: usize) -> Key {
        let key = match self {
            Self::Epoch { seed, epoch } => Key::new(seed).with(MASKS).with(1 + epoch),
            Self::Fixed => Key::new(0).with(MASKS).with(0),
        };
        key.with(row as u64)
    }
}

impl Targets {
    /// Gives every byte to `eat`: what tells these targets from others.
    pub fn digest(&self, eat: &mut dyn FnMut(&[u8])) {
        match self {
            Self::None => {}
            Self::NextTokens => eat(b"next"),
            Self::Classes(classes) => classes.iter().for_each(|class| eat(&class.to_le_bytes())),
            Self::Flags(rows) => rows
                .iter()
                .flatten()
                .for_each(|&flag| eat(&[u8::from(flag)])),
            Self::Tokens { rows, .. } => {
                for row in rows {
                    row.iter().for_each(|class| {
                        eat(&class.map_or(u32::MAX, |class| class).to_le_bytes())
                    });
                    eat(&[0xff]);
                }
            }
            Self::Numbers(rows) => rows
                .iter()
                .flatten()
                .for_each(|number| eat(&number.to_le_bytes())),
            Self::Masked(masker) => eat(format!("{:?}", masker.masking()).as_bytes()),
        }
    }

    /// What letters or words have a class each, if any do.
    pub fn unit(&self) -> Option<TokenUnit> {
        match self {
            Self::Tokens { unit, .. } => Some(*unit),
            _ => None,
        }
    }
}
