//! What a masked language model is asked for.

use engraft_component::Component;

use crate::error::{Error, argument};
use crate::noising::Noising;

/// How much is masked for a masked language model, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Component)]
pub struct Masking {
    /// The part of all tokens that is predicted, above 0 and at most 1.
    #[arg(default = 0.15)]
    pub masking_rate: f64,
    /// The part of these that the mask token stands for.
    #[arg(default = 0.8)]
    pub mask_token_rate: f64,
    /// The part of these that random tokens stand for; the others stay as they are.
    #[arg(default = 0.1)]
    pub random_token_rate: f64,
}

impl Masking {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let rates = [
            ("masking_rate", self.masking_rate),
            ("mask_token_rate", self.mask_token_rate),
            ("random_token_rate", self.random_token_rate),
        ];
        if let Some((key, rate)) = rates.iter().find(|(_, rate)| !(0.0..=1.0).contains(rate)) {
            return Err(argument(key, format!("must be from 0 to 1, found {rate}")));
        }
        if self.masking_rate == 0.0 {
            return Err(argument(
                "masking_rate",
                "must be above 0, or nothing is learned",
            ));
        }
        // A little more than 1, because decimal fractions do not add up exactly.
        let replaced = self.mask_token_rate + self.random_token_rate;
        if replaced > 1.0 + 1e-9 {
            let message =
                format!("must be at most 1 together with random_token_rate, found {replaced}");
            return Err(argument("mask_token_rate", message));
        }
        Ok(())
    }
}

/// How tokens of rows are hidden from a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hiding {
    /// A share of them, for a masked language model.
    Masking(Masking),
    /// As many as a time says, for a diffusion model.
    Noising(Noising),
}

impl Hiding {
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Masking(masking) => masking.check(),
            Self::Noising(noising) => noising.check(),
        }
    }
}
