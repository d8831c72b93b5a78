//! A small encoder of texts that starts from nothing, for whoever has no pretrained one at hand.

use engraft_text::train_tokenizer;
use serde_json::json;

use crate::error::Result;

/// Tokens of its vocabulary at most: with few texts, rarer words are seen too seldom to be learned.
const VOCABULARY: usize = 4000;

/// An encoder's shape and its tokenizer, without weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmallEncoder {
    /// Names of files and what is in them.
    pub files: Vec<(&'static str, String)>,
}

impl SmallEncoder {
    /// Width of its hidden states.
    pub const HIDDEN: usize = 128;
    /// Tokens of a row at most.
    pub const POSITIONS: usize = 512;

    /// A BERT of 4 layers whose tokenizer is made from `texts`. The same texts give the same files.
    ///
    /// # Errors
    /// When no tokenizer can be made, which no text is known to bring about.
    pub fn of<T: AsRef<str> + Send>(texts: impl Iterator<Item = T> + Send) -> Result<Self> {
        let tokenizer = train_tokenizer(texts, VOCABULARY)?;
        let config = json!({
            "architectures": ["BertForMaskedLM"],
            "attention_probs_dropout_prob": 0.1,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "hidden_size": Self::HIDDEN,
            "initializer_range": 0.02,
            "intermediate_size": 2 * Self::HIDDEN,
            "layer_norm_eps": 1e-12,
            "max_position_embeddings": Self::POSITIONS,
            "model_type": "bert",
            "num_attention_heads": 4,
            "num_hidden_layers": 4,
            "pad_token_id": tokenizer.padding,
            "tie_word_embeddings": true,
            "type_vocab_size": 2,
            "vocab_size": tokenizer.size,
        });
        let mut files = tokenizer.files;
        files.push(("config.json", format!("{config:#}\n")));
        Ok(Self { files })
    }
}
