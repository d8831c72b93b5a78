//! The operations as fused, parallel loops on the CPU.
//!
//! Single precision is what they are written for; other types take the plain bodies, as the table of operations in `ops` sees to. Parallel
//! tasks own disjoint parts of the output or add up in a fixed order, so that results do not depend on timing.

pub(crate) mod activation;
pub(crate) mod attention;
mod buffer;
pub(crate) mod linear;
pub(crate) mod linear_cross_entropy;
pub(crate) mod low_rank;
mod math;
pub(crate) mod norm;
mod product;
pub(crate) mod rotary;
pub(crate) mod rows;
pub(crate) mod step;

pub(crate) use buffer::{contiguous, is_f32};
pub(crate) use product::product;
