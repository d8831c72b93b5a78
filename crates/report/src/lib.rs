//! The page at the end of a run: what was trained and scored, how well it went, and on what.
//!
//! A [`Report`] is plain data: curves by name, what was found of the scored rows ([`Findings`]), facts and texts. [`write()`] makes of it
//! one HTML file that needs nothing beside it, and the plots once more as SVG and PNG files.

mod baseline;
mod calibration;
mod curve;
mod data;
mod drawing;
mod error;
mod escape;
mod findings;
mod map;
mod numbers;
mod page;
mod plots;
mod ranking;
mod sample;
mod time;
mod write;

pub use curve::{Curve, Curves, Point};
pub use data::{Facts, Report, Scored};
pub use error::{Error, Result};
pub use findings::{ClassFindings, Findings, LabelFindings, NumberFindings};
pub use map::{ScanMap, ScanPosition, write_map};
pub use numbers::{grouped, number};
pub use time::moment;
pub use write::write;

/// The compiler that built this crate, as it names itself; empty where it could not be asked.
pub const COMPILER: &str = env!("ENGRAFT_RUSTC");
