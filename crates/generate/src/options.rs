//! The options of generation: what a command line, a YAML or JSON body and a program in Rust can say of it.

use engraft_component::{Choice, Component};

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::penalty::RepetitionPenalty;
use crate::sampler::{Chain, MinP, Random, Sampler, TopK, TopP};
use crate::stop::{StopStrings, StopTokens};
use crate::token_ids::TokenIds;

/// How texts are written on.
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
    /// Texts for each prompt.
    #[arg(default = 1)]
    pub num_return_sequences: usize,
    /// Above 1, makes tokens that a text has already less probable.
    pub repetition_penalty: Option<f64>,
    /// Let no sequence of so many tokens occur twice in a text; 0 for any.
    pub no_repeat_ngram_size: Option<usize>,
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

impl Generate {
    /// Refuses options that no text can be written by, whatever the model.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("num_return_sequences", self.num_return_sequences),
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
        self.sampler.is_none() && self.temperature.is_none() && !self.has_rules()
    }

    /// Whether a rule is given that says which tokens may be chosen.
    pub(crate) fn has_rules(&self) -> bool {
        self.top_k.is_some() || self.shares().iter().any(|(_, share)| share.is_some())
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

    /// The sampler, where `default` is the preset's.
    ///
    /// Without one, the rules given imply it: `top_k`, `top_p` (with `top_k` as its `k`) or `min_p`; it is `chain` for any other, and for `min_p`
    /// with another. Its temperature is the default's if none is given. Without any rule, it is the default.
    ///
    /// # Errors
    /// A rule that the sampler has no use for, or a value that it cannot have.
    pub fn sampler_or(&self, default: &Sampler) -> Result<Sampler> {
        self.sampler_from(default, None)
    }

    /// The same, where the default is what `file` of the preset says.
    pub(crate) fn sampler_from(
        &self,
        default: &Sampler,
        file: Option<&'static str>,
    ) -> Result<Sampler> {
        let mut sampler = match &self.sampler {
            Some(sampler) => sampler.clone(),
            None => self.implied(default),
        };
        self.set_rules(&mut sampler)?;
        if let Some(temperature) = self.temperature {
            if !sampler.draws() && temperature > 0.0 {
                return Err(Error::conflict("temperature", move |name| {
                    let (temperature, sampler) = (name("temperature"), name("sampler"));
                    let of_file = file.map_or_else(String::new, |file| {
                        format!(", which the preset's {file} leads to")
                    });
                    format!(
                        "{temperature} changes nothing with the sampler greedy{of_file}; choose one that draws, such as {sampler} random"
                    )
                }));
            }
            sampler = sampler.with_temperature(temperature);
        }
        if self.seed.is_some() {
            sampler = sampler.with_seed(self.seed);
        }
        sampler.check()?;
        Ok(sampler)
    }

    fn implied(&self, default: &Sampler) -> Sampler {
        let rules = (
            self.top_k.is_some(),
            self.top_p.is_some(),
            self.min_p.is_some(),
        );
        let sampler: Sampler = match rules {
            _ if self.shares()[2..].iter().any(|(_, share)| share.is_some()) => {
                Chain::default().into()
            }
            (false, false, false) => return default.clone(),
            (true, false, false) => TopK::default().into(),
            (_, true, false) => TopP::default().into(),
            (false, false, true) => MinP::default().into(),
            (_, _, true) => Chain::default().into(),
        };
        sampler
            .with_temperature(default.temperature())
            .with_seed(default.seed())
    }

    fn set_rules(&self, sampler: &mut Sampler) -> Result<()> {
        let name = Choice::name(sampler);
        // What a sampler requires is no option there, so it is set on its own.
        let (mut required_k, mut required_share) = (None, None);
        let (k, p, min_p) = match sampler {
            Sampler::Greedy(_) | Sampler::Random(_) => (None, None, None),
            Sampler::TopK(it) => {
                it.k = self.top_k.unwrap_or(it.k);
                (Some(&mut required_k), None, None)
            }
            Sampler::TopP(it) => {
                it.p = self.top_p.unwrap_or(it.p);
                (Some(&mut it.k), Some(&mut required_share), None)
            }
            Sampler::MinP(it) => {
                it.min_p = self.min_p.unwrap_or(it.min_p);
                (None, None, Some(&mut required_share))
            }
            Sampler::Chain(it) => (
                Some(&mut it.top_k),
                Some(&mut it.top_p),
                Some(&mut it.min_p),
            ),
        };
        set("top_k", name, self.top_k, k)?;
        set("top_p", name, self.top_p, p)?;
        set("min_p", name, self.min_p, min_p)?;
        let [typical_p, epsilon, eta, top_h] = match sampler {
            Sampler::Chain(it) => [
                Some(&mut it.typical_p),
                Some(&mut it.epsilon_cutoff),
                Some(&mut it.eta_cutoff),
                Some(&mut it.top_h),
            ],
            _ => [None, None, None, None],
        };
        set("typical_p", name, self.typical_p, typical_p)?;
        set("epsilon_cutoff", name, self.epsilon_cutoff, epsilon)?;
        set("eta_cutoff", name, self.eta_cutoff, eta)?;
        set("top_h", name, self.top_h, top_h)
    }
}

/// Sets an argument of the sampler, which must have it if it is given.
fn set<T>(
    rule: &'static str,
    sampler: &'static str,
    given: Option<T>,
    slot: Option<&mut Option<T>>,
) -> Result<()> {
    match (given, slot) {
        (None, _) => Ok(()),
        (given, Some(slot)) => {
            *slot = given;
            Ok(())
        }
        (Some(_), None) => Err(Error::conflict(rule, move |name| {
            let (rule, other) = (name(rule), name("sampler"));
            format!(
                "{rule} changes nothing with the sampler {sampler}; leave it out, or choose another {other}"
            )
        })),
    }
}

#[cfg(test)]
mod tests;
