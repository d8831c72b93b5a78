//! Pegasus: BART with norms before attention and feed-forward, and fixed sines for positions.
//! Paper: arXiv 1912.08777.

use super::{Family, bart};
use crate::config::{DecoderStart, NormOrder, PositionVectors, Sinusoids};

pub(crate) const FAMILY: Family = Family {
    name: "pegasus",
    hugging_face: &["pegasus"],
    variant: |c, _| (!bart::is_tied(c)).then_some(&UNTIED),
    config: |c| bart::encoder(c, &SHAPE),
    decoder_config: Some(|c, _| bart::decoder(c, &SHAPE)),
    classification: &[],
    derived: SINES,
    architectures: [
        "PegasusModel",
        "PegasusForConditionalGeneration",
        "PegasusModel",
        "PegasusModel",
    ],
    ..bart::FAMILY
};

const UNTIED: Family = Family {
    encoder: &[bart::OWN, bart::ENCODER],
    decoder: &[bart::DECODERS_OWN, bart::DECODER],
    derived: &[
        "encoder.embed_positions.weight",
        "decoder.embed_positions.weight",
        "shared.weight",
    ],
    ..FAMILY
};

/// Tables of sines that are stored all the same.
pub(super) const SINES: &[&str] = &[
    "encoder.embed_positions.weight",
    "decoder.embed_positions.weight",
];

const SHAPE: bart::Shape = bart::Shape {
    order: NormOrder::Pre { skips_first: false },
    embedding_norm: false,
    offset: 0,
    positions: PositionVectors::Fixed(Sinusoids::Halves),
    start: DecoderStart::Token(0),
    ..bart::SHAPE
};
