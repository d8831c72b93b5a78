//! The options of generation: what a command line, a YAML or JSON body and a program in Rust can say of it.

use engraft_component::{Choice, Component};

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::penalty::RepetitionPenalty;
use crate::sampler::{Chain, MinP, Random, Sampler, TopK, TopP};
use crate::stop::{StopStrings, StopTokens};

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
    /// Tokens before which no stop token is chosen.
    #[arg(default = 0)]
    pub min_new_tokens: usize,
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
            min_new_tokens: self.min_new_tokens,
        }
    }

    /// Whether nothing is said of how tokens are chosen, a seed aside.
    pub fn leaves_sampler(&self) -> bool {
        self.sampler.is_none()
            && self.temperature.is_none()
            && self.top_k.is_none()
            && self.top_p.is_none()
            && self.min_p.is_none()
    }

    /// The sampler, where `default` is the preset's.
    ///
    /// Without one, the rules given imply it: `top_k`, `top_p` (with `top_k` as its `k`) or `min_p`, which with another is `chain`; its
    /// temperature is the default's if none is given. Without any rule, it is the default.
    ///
    /// # Errors
    /// A rule that the sampler has no use for, or a value that it cannot have.
    pub fn sampler_or(&self, default: &Sampler) -> Result<Sampler> {
        let mut sampler = match &self.sampler {
            Some(sampler) => sampler.clone(),
            None => self.implied(default),
        };
        self.set_rules(&mut sampler)?;
        if let Some(temperature) = self.temperature {
            if !sampler.draws() && temperature > 0.0 {
                return Err(Error::conflict("temperature", |name| {
                    let (temperature, sampler) = (name("temperature"), name("sampler"));
                    format!(
                        "{temperature} changes nothing with the sampler greedy; choose one that draws, such as {sampler} random"
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
        set("min_p", name, self.min_p, min_p)
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
