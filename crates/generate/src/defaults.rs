//! What a preset generates with where the user says nothing, and why.

use std::fmt;

use engraft_text::Tokenizer;

use crate::error::Result;
use crate::generation_config::{GENERATION_CONFIG, GenerationConfig};
use crate::limits::Limits;
use crate::penalty::RepetitionPenalty;
use crate::sampler::{Greedy, Sampler, TopK};

/// Sampler, end tokens and limits of a preset.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// How tokens are chosen.
    pub sampler: Sampler,
    /// The tokens that end a text: what [`StopTokens::Auto`](crate::StopTokens::Auto) means.
    pub stop_token_ids: Vec<u32>,
    /// What tokens lose that are already there, if anything.
    pub repetition_penalty: Option<RepetitionPenalty>,
    /// How long texts grow.
    pub limits: Limits,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    File { samples: bool },
    Family,
}

impl Defaults {
    /// Those of a preset of `family` (`llama`, `gemma2`, ..): its `generation_config.json` if it has one, which messages call `file`; else
    /// KerasHub's sampler for the family and the tokenizer's end tokens.
    ///
    /// # Errors
    /// A file that says what no sampler can do.
    pub fn new(
        family: &str,
        tokenizer: &Tokenizer,
        config: Option<&GenerationConfig>,
        file: &str,
    ) -> Result<Self> {
        let end_tokens = || end_tokens(family, tokenizer);
        let Some(config) = config else {
            return Ok(Self {
                sampler: keras_hub(family),
                stop_token_ids: end_tokens(),
                repetition_penalty: None,
                limits: Limits::default(),
                reason: Reason::Family,
            });
        };
        let penalty = config.repetition_penalty.map(|penalty| {
            RepetitionPenalty::new(penalty).map_err(|_| crate::Error::Preset {
                file: file.to_owned(),
                key: "repetition_penalty".to_owned(),
                reason: format!("expected a number above 0, found {penalty}"),
            })
        });
        Ok(Self {
            sampler: config.sampler(file)?,
            stop_token_ids: if config.eos_token_id.is_empty() {
                end_tokens()
            } else {
                config.eos_token_id.clone()
            },
            repetition_penalty: penalty.transpose()?.filter(|penalty| !penalty.is_none()),
            limits: config.limits(),
            reason: Reason::File {
                samples: config.do_sample,
            },
        })
    }
}

/// The sampler and why it was chosen, in one line.
impl fmt::Display for Defaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sampler: {} (", self.sampler)?;
        match self.reason {
            Reason::File { samples: true } => {
                write!(f, "as the preset's {GENERATION_CONFIG} says)")
            }
            Reason::File { samples: false } => {
                write!(
                    f,
                    "the preset's {GENERATION_CONFIG} does not ask for sampling)"
                )
            }
            Reason::Family => {
                write!(
                    f,
                    "KerasHub's default; the preset has no {GENERATION_CONFIG})"
                )
            }
        }
    }
}

/// What `compile` chooses for the family's `CausalLM` in KerasHub: `greedy` for Gemma of every generation, else `top_k` with 5 tokens.
fn keras_hub(family: &str) -> Sampler {
    if family.starts_with("gemma") {
        Greedy::default().into()
    } else {
        TopK::default().into()
    }
}

/// The tokens that `generate` stops at in KerasHub: the tokenizer's end token, and those that end a turn of a conversation in the families
/// trained on them.
fn end_tokens(family: &str, tokenizer: &Tokenizer) -> Vec<u32> {
    let turn: &[&str] = match family {
        "llama" => &["<|eot_id|>"],
        "phi3" => &["<|end|>"],
        family if family.starts_with("gemma3") => &["<end_of_turn>"],
        _ => &[],
    };
    let special = tokenizer.special_ids();
    // Tokenizers whose files name no end token may call the same token a separator.
    let mut ids: Vec<u32> = special.eos.or(special.sep).into_iter().collect();
    ids.extend(turn.iter().filter_map(|token| tokenizer.token_to_id(token)));
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn tokenizer() -> Tokenizer {
        let vocabulary = "<cls>\n<pad>\n<eos>\n<unk>\nA\nC\nG\nT\n<end_of_turn>\n";
        let read = |file: &str| Ok((file == "vocab.txt").then(|| vocabulary.as_bytes().to_vec()));
        Tokenizer::from_preset_files(&read, &Map::new()).unwrap()
    }

    fn defaults(family: &str, config: Option<Value>) -> Defaults {
        let config = config.map(|config| {
            GenerationConfig::read(config.to_string().as_bytes(), GENERATION_CONFIG).unwrap()
        });
        Defaults::new(family, &tokenizer(), config.as_ref(), GENERATION_CONFIG).unwrap()
    }

    #[test]
    fn without_a_file_the_sampler_is_keras_hubs_for_the_family() {
        assert_eq!(
            defaults("llama", None).to_string(),
            "sampler: top_k k=5 (KerasHub's default; the preset has no generation_config.json)"
        );
        for family in ["gemma", "gemma2", "gemma3_text"] {
            assert_eq!(
                defaults(family, None).to_string(),
                "sampler: greedy (KerasHub's default; the preset has no generation_config.json)"
            );
        }
        assert_eq!(defaults("gpt2", None).stop_token_ids, [2]);
        assert_eq!(defaults("gemma3_text", None).stop_token_ids, [2, 8]);
    }

    #[test]
    fn a_file_decides_all_that_it_speaks_of() {
        let file = json!({"do_sample": true, "top_k": 20, "eos_token_id": [4, 5], "repetition_penalty": 1.2, "max_new_tokens": 99});
        let with_file = defaults("gemma", Some(file));
        assert_eq!(
            with_file.to_string(),
            "sampler: top_k k=20 (as the preset's generation_config.json says)"
        );
        assert_eq!(with_file.stop_token_ids, [4, 5]);
        assert_eq!(
            with_file.repetition_penalty,
            Some(RepetitionPenalty::new(1.2).unwrap())
        );
        assert_eq!(with_file.limits.max_new_tokens, Some(99));
        let silent = defaults("llama", Some(json!({"repetition_penalty": 1.0})));
        assert_eq!(
            silent.to_string(),
            "sampler: greedy (the preset's generation_config.json does not ask for sampling)"
        );
        assert_eq!(silent.stop_token_ids, [2]);
        assert_eq!(silent.repetition_penalty, None);
    }

    #[test]
    fn a_penalty_that_cannot_be_is_refused_by_file_and_key() {
        let config = GenerationConfig {
            repetition_penalty: Some(-1.0),
            ..GenerationConfig::default()
        };
        let error = Defaults::new("llama", &tokenizer(), Some(&config), "f.json").unwrap_err();
        assert_eq!(
            error.to_string(),
            "f.json: repetition_penalty: expected a number above 0, found -1"
        );
    }
}
