//! Masked discrete diffusion (Sahoo et al., arXiv 2406.07524): how much of a row is masked at a time, what its loss is, and what is revealed in
//! which order (Chang et al., arXiv 2202.04200).

mod loss;
mod noise;
mod reveal;

pub(crate) use loss::{SMOOTHING, Smoothed, loss_of_passes, negative_log, smoothed};
pub(crate) use noise::{masked, stratum, time};
pub(crate) use reveal::{Design, Reveal};

#[cfg(test)]
mod tests;
