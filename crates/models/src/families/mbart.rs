//! mBART, with norms before attention and feed-forward, and a language's token where texts begin or end.
//! Papers: arXiv 2001.08210 (mBART-25), arXiv 2008.00401 (mBART-50).

use super::{Family, bart};
use crate::config::{DecoderStart, NormOrder};

pub(crate) const FAMILY: Family = Family {
    name: "mbart",
    hugging_face: &["mbart"],
    variant: |c, _| (!bart::is_tied(c)).then_some(&UNTIED),
    config: |c| bart::encoder(c, &SHAPE),
    decoder_config: Some(|c, _| bart::decoder(c, &SHAPE)),
    // The reference reads the last end token, which mBART-25 has before the language's.
    classification: &[],
    architectures: [
        "MBartModel",
        "MBartForConditionalGeneration",
        "MBartModel",
        "MBartModel",
    ],
    ..bart::FAMILY
};

const UNTIED: Family = Family {
    encoder: &[bart::OWN, bart::ENCODER],
    decoder: &[bart::DECODERS_OWN, bart::DECODER],
    derived: &["shared.weight"],
    ..FAMILY
};

const SHAPE: bart::Shape = bart::Shape {
    order: NormOrder::Pre { skips_first: false },
    start: DecoderStart::LastWritten(None),
    ..bart::SHAPE
};
