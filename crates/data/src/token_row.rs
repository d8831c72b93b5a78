//! Rows that are tokens already.

use crate::error::{Error, argument};

/// The tokens of a row, as a model reads them: without a tokenizer, and without padding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRow {
    /// What the model reads; of an encoder-decoder, what the encoder reads.
    pub token_ids: Vec<u32>,
    /// Which of two texts each token belongs to; empty where all belong to the first.
    pub segment_ids: Vec<u32>,
    /// Of an encoder-decoder, what is written about it.
    pub decoder_token_ids: Option<Vec<u32>>,
    /// How many tokens it had with its padding, if it had some: as long as that a text may become that goes on from it.
    pub padded_length: Option<usize>,
}

impl<I: Into<Vec<u32>>> From<I> for TokenRow {
    fn from(token_ids: I) -> Self {
        Self {
            token_ids: token_ids.into(),
            ..Self::default()
        }
    }
}

impl TokenRow {
    /// A row with padding, as KerasHub has it: the tokens whose mask is 1.
    ///
    /// # Errors
    /// There are more or fewer masks than tokens.
    pub fn padded(token_ids: &[u32], padding_mask: &[u8]) -> Result<Self, Error> {
        if token_ids.len() != padding_mask.len() {
            let (masks, tokens) = (padding_mask.len(), token_ids.len());
            let problem = format!("there are {masks} for {tokens} tokens");
            return Err(argument("padding_mask", problem));
        }
        let ids = token_ids.iter().zip(padding_mask);
        Ok(Self {
            token_ids: ids
                .filter(|(_, mask)| **mask != 0)
                .map(|(id, _)| *id)
                .collect(),
            padded_length: Some(token_ids.len()),
            ..Self::default()
        })
    }

    /// The same where each token belongs to one of two texts.
    #[must_use]
    pub fn in_segments(self, segment_ids: impl Into<Vec<u32>>) -> Self {
        Self {
            segment_ids: segment_ids.into(),
            ..self
        }
    }

    /// The same where the decoder of an encoder-decoder writes these tokens.
    #[must_use]
    pub fn written(self, decoder_token_ids: impl Into<Vec<u32>>) -> Self {
        Self {
            decoder_token_ids: Some(decoder_token_ids.into()),
            ..self
        }
    }
}
