//! One place that runs things: an experiment that was read becomes a training, scores, predictions or a preset.
//!
//! A [`Session`] does all that the commands of the program do, on the same files, with the same words. What happens is told to an
//! [`Observer`](engraft_train::Observer) as [`Event`](engraft_train::Event)s, and what is wrong is an [`Error`] that keeps key, place and
//! remedy apart. A session prints nothing and knows no option of a command line and no exit code: those are for the program, a server, or
//! another language to add. [`ProgressLine`] is an observer that the program and the library share, the one part that writes to a terminal.

mod checkpoint;
mod error;
mod evaluate;
mod export;
mod fetching;
mod fit;
mod fold;
mod folds;
mod live_line;
mod output;
mod predict;
mod progress;
mod session;
mod skipped;
mod sources;
mod work;

pub use checkpoint::checkpoint_folder;
pub use error::{Error, Result};
pub use export::LoraExport;
pub use fetching::show_fetching;
pub use fit::Fitted;
pub use folds::{BrokenOff, Folded};
pub use live_line::{LiveLine, bar};
pub use output::{PredictedRows, check_other, check_place};
pub use progress::{Display, ProgressLine};
pub use session::Session;
pub use sources::{argument, compose_for};
pub use work::Purpose;
