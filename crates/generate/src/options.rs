//! The options of generation: what a command line, a YAML or JSON body and a program in Rust can say of it.

use engraft_component::Component;

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::logit_bias::LogitBias;
use crate::penalty::RepetitionPenalty;
use crate::sampler::{EarlyStopping, Random, Sampler};
use crate::stop::{StopStrings, StopTokens};
use crate::token_ids::TokenIds;

/// How texts are written on.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "generate")]
pub struct Generate {
    /// Tokens of a text in all, its prompt included; by default what the preset says, else 1024.
    pub max_length: Option<usize>,
    /// Tokens to write at most, the prompt not included; in the place of a length in all.
    pub max_new_tokens: Option<usize>,
    /// Tokens of a text in all before which no stop token is chosen.
    pub min_length: Option<usize>,
    /// Tokens to write before which no stop token is chosen; in the place of a least length in all.
    pub min_new_tokens: Option<usize>,
    /// How tokens are chosen; by default what the options below imply, else what the preset says, else KerasHub's default.
    pub sampler: Option<Sampler>,
    /// What logits are divided by, above 0.
    pub temperature: Option<f64>,
    /// Keep this many of the most probable tokens.
    pub top_k: Option<usize>,
    /// Keep the most probable tokens that make up this share.
    pub top_p: Option<f64>,
    /// Keep tokens with at least this share of the largest probability.
    pub min_p: Option<f64>,
    /// Keep the tokens whose information is nearest to the entropy and that make up this share.
    pub typical_p: Option<f64>,
    /// Keep tokens with at least this probability.
    pub epsilon_cutoff: Option<f64>,
    /// Keep tokens with at least this probability, or less where the entropy is high.
    pub eta_cutoff: Option<f64>,
    /// Keep the most probable tokens that make up this share of the entropy.
    pub top_h: Option<f64>,
    /// Search with so many beams: texts that go on at a time. More than 1 implies the sampler beam.
    pub num_beams: Option<usize>,
    /// With the sampler beam: above 0, longer texts are preferred; below, shorter ones.
    pub length_penalty: Option<f64>,
    /// With the sampler beam, when a text is done: true, false or never.
    pub early_stopping: Option<EarlyStopping>,
    /// How much a token that resembles those before it loses, from 0 to 1; implies the sampler contrastive, whose k is top_k.
    pub penalty_alpha: Option<f64>,
    /// The preset of a smaller model with the same vocabulary that drafts tokens, so that the same sampler takes less time.
    pub draft: Option<String>,
    /// Tokens that are drafted at a time.
    pub num_speculative_tokens: Option<usize>,
    /// Decides all draws; without it they are other each time.
    pub seed: Option<u64>,
    /// Tokens that end a text: none, auto for the model's own, or ids such as 1,2.
    #[arg(default)]
    pub stop_token_ids: StopTokens,
    /// A string that ends a text, and is no part of it.
    #[arg(default)]
    pub stop: Vec<String>,
    /// Leave the prompt out of the text.
    #[arg(default)]
    pub strip_prompt: bool,
    /// Texts for each prompt, of beams the best ones; by default what the preset says, else 1.
    pub num_return_sequences: Option<usize>,
    /// Above 1, makes tokens that a text has already less probable.
    pub repetition_penalty: Option<f64>,
    /// Let no sequence of so many tokens occur twice in a text; 0 for any.
    pub no_repeat_ngram_size: Option<usize>,
    /// Let no sequence of so many tokens that the encoder read occur, of the prompt in a decoder; 0 for any.
    pub encoder_no_repeat_ngram_size: Option<usize>,
    /// What a token's logit loses for each time that it was written.
    pub frequency_penalty: Option<f64>,
    /// What is added to a token's logit, such as 17:2.5.
    #[arg(default)]
    pub logit_bias: LogitBias,
    /// Token ids that never occur together in this order, such as 1,2.
    #[arg(default)]
    pub bad_words_ids: Vec<TokenIds>,
    /// Tokens that are never chosen: none, or ids such as 1,2.
    pub suppress_tokens: Option<TokenIds>,
    /// Tokens that are not chosen first: none, or ids such as 1,2.
    pub begin_suppress_tokens: Option<TokenIds>,
    /// The token that follows a prompt of one token.
    pub forced_bos_token_id: Option<u32>,
    /// The token that a text ends with where its limit ends it: none, or ids such as 1,2, of which the first is taken.
    pub forced_eos_token_id: Option<TokenIds>,
    /// The language of what an encoder-decoder reads, where it knows several, such as eng_Latn; by default the preset's.
    pub source_lang: Option<String>,
    /// The language of what it writes.
    pub target_lang: Option<String>,
    /// Leave out what the preset's generation_config.json says.
    #[arg(default)]
    pub ignore_generation_config: bool,
    /// Give the log-probability of each new token.
    #[arg(default)]
    pub logprobs: bool,
    /// Tokens that the model may read; by default what its config.json says.
    pub context_length: Option<usize>,
    /// Texts that are written at a time.
    #[arg(default = 32)]
    pub batch_size: usize,
}

/// A request in YAML or JSON is one of it:
///
/// ```
/// use engraft_component::{decode, read_yaml};
/// use engraft_generate::{Generate, StopTokens};
///
/// let body = br#"{"max_new_tokens": 64, "stop_token_ids": [7, 9], "top_p": 0.9}"#;
/// let (generate, _) = decode::<Generate>(&read_yaml(body, "request")?)?;
/// assert_eq!(generate, Generate {
///     max_new_tokens: Some(64),
///     stop_token_ids: StopTokens::Ids(vec![7, 9]),
///     top_p: Some(0.9),
///     ..Generate::default()
/// });
/// # Ok::<(), engraft_component::Refusal>(())
/// ```
impl Generate {
    /// Refuses options that no text can be written by, whatever the model.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self) -> Result<()> {
        let counts = [
            (
                "num_return_sequences",
                self.num_return_sequences.unwrap_or(1),
            ),
            ("num_beams", self.num_beams.unwrap_or(1)),
            (
                "num_speculative_tokens",
                self.num_speculative_tokens.unwrap_or(1),
            ),
            ("batch_size", self.batch_size),
            ("context_length", self.context_length.unwrap_or(1)),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(Error::expected(name, "at least 1", 0));
        }
        self.limits().check()?;
        StopStrings::new(&self.stop)?;
        if let Some(penalty) = self.repetition_penalty {
            RepetitionPenalty::new(penalty)?;
        }
        if let Some(penalty) = self.frequency_penalty.filter(|it| !it.is_finite()) {
            return Err(Error::expected(
                "frequency_penalty",
                "a finite number",
                penalty,
            ));
        }
        // Whether a preset searches by beams is not known yet.
        if self.sampler.is_none() && self.num_beams.is_none() && self.has_beam_rules() {
            return Ok(());
        }
        // A sampler without rules that takes a temperature: what is refused with it is with every preset's.
        self.sampler_or(&Random::default().into())?;
        Ok(())
    }

    /// How long texts may grow.
    pub fn limits(&self) -> Limits {
        Limits {
            max_length: self.max_length,
            max_new_tokens: self.max_new_tokens,
            min_length: self.min_length.unwrap_or_default(),
            min_new_tokens: self.min_new_tokens.unwrap_or_default(),
            ..Limits::default()
        }
    }

    /// Whether nothing is said of how tokens are chosen, a seed aside.
    pub fn leaves_sampler(&self) -> bool {
        let searches = self.num_beams.is_some() || self.penalty_alpha.is_some();
        self.sampler.is_none() && self.temperature.is_none() && !self.has_rules() && !searches
    }

    /// Whether anything is said of a search by beams but their number.
    fn has_beam_rules(&self) -> bool {
        self.length_penalty.is_some() || self.early_stopping.is_some()
    }

    /// Whether a rule is given that says which tokens may be chosen.
    pub(crate) fn has_rules(&self) -> bool {
        let samples = self.penalty_alpha.is_none() && self.top_k.is_some();
        samples || self.shares().iter().any(|(_, share)| share.is_some())
    }

    /// The rules that are shares.
    fn shares(&self) -> [(&'static str, Option<f64>); 6] {
        [
            ("top_p", self.top_p),
            ("min_p", self.min_p),
            ("typical_p", self.typical_p),
            ("epsilon_cutoff", self.epsilon_cutoff),
            ("eta_cutoff", self.eta_cutoff),
            ("top_h", self.top_h),
        ]
    }
}

mod sampler;
#[cfg(test)]
mod tests;
