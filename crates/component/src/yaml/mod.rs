//! YAML text to nodes and back.

mod read;
mod text;
mod write;

pub use read::{read_yaml, read_yaml_file};
pub use write::{to_flow, to_yaml};
