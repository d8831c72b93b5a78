//! M2M-100 and NLLB, which translate between many languages: BART with norms before attention and feed-forward, none of the embeddings,
//! and fixed sines for positions.
//! Papers: arXiv 2010.11125 (M2M-100), arXiv 2207.04672 (NLLB).

use super::{Family, bart};
use crate::config::{
    Activation, DecoderConfig, NormOrder, PositionVectors, Sinusoids, TransformerConfig,
};
use crate::error::Result;
use crate::json::ConfigReader;

pub(crate) const FAMILY: Family = Family {
    name: "m2m_100",
    hugging_face: &["m2m_100"],
    variant: |c, _| (!bart::is_tied(c)).then_some(&UNTIED),
    config: encoder,
    decoder_config: Some(|c, _| decoder(c)),
    logits_bias: None,
    classification: &[],
    beside: &["decoder."],
    derived: SINES,
    architectures: [
        "M2M100Model",
        "M2M100ForConditionalGeneration",
        "M2M100Model",
        "M2M100Model",
    ],
    ..bart::FAMILY
};

const UNTIED: Family = Family {
    encoder: &[bart::OWN, bart::ENCODER],
    decoder: &[bart::DECODERS_OWN, bart::DECODER],
    derived: &[
        "encoder.embed_positions.weights",
        "decoder.embed_positions.weights",
        "shared.weight",
    ],
    ..FAMILY
};

/// Tables of sines, as older files store them.
const SINES: &[&str] = &[
    "encoder.embed_positions.weights",
    "decoder.embed_positions.weights",
];

const SHAPE: bart::Shape = bart::Shape {
    order: NormOrder::Pre { skips_first: false },
    embedding_norm: false,
    offset: 2,
    positions: PositionVectors::Fixed(Sinusoids::WholeRange),
    activation: Activation::Relu,
    scales: true,
    attention_dropout: 0.1,
    vocabulary: 128_112,
    ..bart::SHAPE
};

fn encoder(c: &ConfigReader<'_>) -> Result<TransformerConfig> {
    let mut config = bart::encoder(c, &SHAPE)?;
    count_from_padding(c, &mut config)?;
    Ok(config)
}

fn decoder(c: &ConfigReader<'_>) -> Result<DecoderConfig> {
    let mut config = bart::decoder(c, &SHAPE)?;
    count_from_padding(c, &mut config.transformer)?;
    Ok(config)
}

/// Positions begin after the id of the padding, as in fairseq.
fn count_from_padding(c: &ConfigReader<'_>, config: &mut TransformerConfig) -> Result<()> {
    let key = "pad_token_id";
    let padding = c.id_or(key, 1)?;
    if padding >= config.vocabulary {
        let problem = format!(
            "{padding} is none of the {} tokens of the vocabulary",
            config.vocabulary
        );
        return Err(c.error(key, problem));
    }
    if let Some(positions) = &mut config.embedding.positions {
        positions.offset = padding + 1;
    }
    Ok(())
}
