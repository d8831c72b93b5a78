//! The tasks, one file each.

mod causal_lm;
mod embed;
mod inference;
mod mlm;
mod sequence_classification;
mod sequence_regression;
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
