//! What a diffusion model is asked for.

use engraft_component::Component;

use crate::error::{Error, argument};

/// More would hide nearly the same shares of a row again, and fill memory.
const MOST_COPIES: usize = 10_000;

/// How many noised copies of a row a diffusion model learns from at once, and of which rows.
#[derive(Clone, Copy, Debug, PartialEq, Component)]
pub struct Noising {
    /// Copies of each training row in a batch, the first with the least masked and the last with the most: a batch has batch_size times as many rows. Rows that are scored have one.
    #[arg(default = 10)]
    pub timesteps_per_sample: usize,
    /// Take each copy of a training row from a row drawn at random, with all that belongs to that row.
    #[arg(default = false)]
    pub randomize_targets: bool,
}

impl Noising {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let message = match self.timesteps_per_sample {
            0 => "must be at least 1, or nothing is learned".to_owned(),
            1..=MOST_COPIES => return Ok(()),
            count => format!(
                "{count} copies of a row are more than the {MOST_COPIES} that a batch may have"
            ),
        };
        Err(argument("timesteps_per_sample", message))
    }
}
