//! Marian, the translation models of OPUS-MT: BART without a norm of the embeddings, with fixed sines for positions. Source and target may
//! have vocabularies of their own.
//! Papers: Junczys-Dowmunt et al., ACL 2018; Tiedemann and Thottingal, EAMT 2020.

use super::{Family, bart, pegasus};
use crate::config::{DecoderConfig, DecoderStart, PositionVectors, Sinusoids};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "marian",
    hugging_face: &["marian"],
    variant: |c, _| (!is_shared(c)).then_some(&SEPARATE),
    config: |c| bart::encoder(c, &SHAPE),
    decoder_config: Some(|c, _| decoder(c)),
    classification: &[],
    derived: pegasus::SINES,
    architectures: ["MarianModel", "MarianMTModel", "MarianModel", "MarianModel"],
    ..bart::FAMILY
};

/// With a vocabulary of each language.
const SEPARATE: Family = Family {
    encoder: &[bart::OWN, bart::ENCODER],
    decoder: &[bart::DECODERS_OWN, bart::DECODER],
    derived: &[
        "encoder.embed_positions.weight",
        "decoder.embed_positions.weight",
        "shared.weight",
    ],
    ..FAMILY
};

const SHAPE: bart::Shape = bart::Shape {
    embedding_norm: false,
    offset: 0,
    positions: PositionVectors::Fixed(Sinusoids::Halves),
    vocabulary: 58101,
    start: DecoderStart::Token(58100),
    ..bart::SHAPE
};

/// Whether both stacks have one table.
fn is_shared(c: &ConfigReader<'_>) -> bool {
    let key = "share_encoder_decoder_embeddings";
    c.flag_or(key, true).unwrap_or(true) && bart::is_tied(c)
}

fn decoder(c: &ConfigReader<'_>) -> Result<DecoderConfig> {
    let mut decoder = bart::decoder(c, &SHAPE)?;
    let shared = c.flag_or("share_encoder_decoder_embeddings", true)?;
    decoder.transformer.embedding.shared &= shared;
    let vocabulary = c.optional_size("decoder_vocab_size")?;
    if shared {
        c.ignores(
            &["decoder_vocab_size"],
            "with share_encoder_decoder_embeddings: false",
        );
    } else if let Some(vocabulary) = vocabulary {
        decoder.transformer.vocabulary = vocabulary;
    }
    Ok(decoder)
}
