//! Results of other programs, where they differ from ours.

use engraft_component::Words;

/// A program whose results can be had where they differ from what is right: of the tasks and data modules that take `compat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Words)]
pub enum Compat {
    /// ModelGenerator.
    Mgen,
}
