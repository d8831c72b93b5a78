//! The tasks, one file each.

mod causal_lm;
mod conditional_diffusion;
mod conditional_mlm;
mod diffusion;
mod embed;
mod inference;
mod mlm;
mod mm_sequence_regression;
mod pairwise_token_classification;
mod rnass_pairwise_token_classification;
mod seq2seq_lm;
mod sequence_classification;
mod sequence_regression;
mod sequence_regression_with_scaling;
mod token_classification;
mod zeroshot_prediction_diff;
mod zeroshot_prediction_distance;

use crate::for_each_task;

/// Passes on all that the files show.
macro_rules! show {
    ($($file:ident::$name:ident)+) => {
        $(pub use $file::*;)+
    };
}

for_each_task!(show);
