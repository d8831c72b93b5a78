//! Samplers: how the next token is chosen from a row of logits.
//!
//! All but [`Greedy`] and searches draw from `p = softmax(logits / temperature)` after leaving tokens out by a rule, in proportion to what `p` gives those
//! that stay. The rules of `greedy`, `random`, `top_k` and `top_p`, their arguments, defaults and serialised names are KerasHub's
//! (`keras_hub.samplers`); `min_p` is arXiv 2407.01082; `chain` is what Hugging Face's `generate` does with several rules at once. Searches
//! ([`Beam`], [`BeamKeras`], [`Contrastive`], [`Speculative`]) look at more than one row of logits, and are done by a [`Batch`](crate::Batch).

mod candidates;
#[cfg(test)]
mod distribution_tests;
mod entropy;
#[cfg(test)]
mod golden_tests;
mod rule;
mod searches;
#[cfg(test)]
mod tests;
mod words;

use engraft_component::{Choice, Component, Refusal, Span};

use crate::error::{Error, Result};
use rule::Rule;

pub use candidates::log_probability;
pub(crate) use candidates::{log_softmax, possible};
pub use searches::{BaseSampler, Beam, BeamKeras, Contrastive, EarlyStopping, Speculative};

/// Tokens with their probabilities, which sum to 1.
pub(crate) type Distribution = Vec<(u32, f64)>;

/// How the next token is chosen.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(default = TopK, kind = "sampler")]
pub enum Sampler {
    /// The most probable token.
    Greedy(Greedy),
    /// Any token, by its probability.
    Random(Random),
    /// One of the k most probable tokens.
    TopK(TopK),
    /// One of the most probable tokens that make up a share of the probability.
    TopP(TopP),
    /// One of the tokens nearly as probable as the most probable one.
    MinP(MinP),
    /// Several rules one after the other.
    Chain(Chain),
    /// The most probable texts, as Hugging Face searches them.
    Beam(Beam),
    /// The most probable texts, as KerasHub searches them.
    BeamKeras(BeamKeras),
    /// Probable tokens that do not resemble those before them.
    Contrastive(Contrastive),
    /// What another sampler writes, drafted by a smaller model.
    Speculative(Speculative),
}

/// The most probable token; of equally probable ones that with the lowest id.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(
    name = "greedy",
    alias = "GreedySampler",
    alias = "keras_hub>GreedySampler"
)]
pub struct Greedy {
    /// What logits are divided by, above 0; it changes nothing here.
    #[arg(default = 1.0)]
    pub temperature: f64,
}

/// Any token, by its probability `softmax(logits / temperature)`.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(
    name = "random",
    alias = "RandomSampler",
    alias = "keras_hub>RandomSampler"
)]
pub struct Random {
    /// What the draws depend on; left out, they are other each time.
    pub seed: Option<u64>,
    /// What logits are divided by, above 0.
    #[arg(default = 1.0)]
    pub temperature: f64,
}

/// One of the `k` most probable tokens, in proportion to their probabilities.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "top_k", alias = "TopKSampler", alias = "keras_hub>TopKSampler")]
pub struct TopK {
    /// How many tokens stay, at least 1.
    #[arg(default = 5)]
    pub k: usize,
    /// What the draws depend on; left out, they are other each time.
    pub seed: Option<u64>,
    /// What logits are divided by, above 0.
    #[arg(default = 1.0)]
    pub temperature: f64,
}

/// One of the most probable tokens that make up a share `p` of the probability (Holtzman et al., arXiv 1904.09751).
///
/// In the order of falling probability, the first token stays, and another if those before it have `p` or less together. With `k`, only
/// the `k` most probable tokens are looked at, with the probabilities they have among all.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "top_p", alias = "TopPSampler", alias = "keras_hub>TopPSampler")]
pub struct TopP {
    /// The share, above 0 and at most 1.
    #[arg(default = 0.1)]
    pub p: f64,
    /// How many tokens stay at most; left out, any number.
    pub k: Option<usize>,
    /// What the draws depend on; left out, they are other each time.
    pub seed: Option<u64>,
    /// What logits are divided by, above 0.
    #[arg(default = 1.0)]
    pub temperature: f64,
}

/// One of the tokens with at least `min_p` times the largest probability (Nguyen et al., arXiv 2407.01082).
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "min_p", alias = "MinPSampler")]
pub struct MinP {
    /// The share of the largest probability, from 0 to 1.
    #[arg(default = 0.1)]
    pub min_p: f64,
    /// What the draws depend on; left out, they are other each time.
    pub seed: Option<u64>,
    /// What logits are divided by, above 0.
    #[arg(default = 1.0)]
    pub temperature: f64,
}

/// The rules below in their order, each on the probabilities of the tokens that the one before left, which are made to sum to 1 again. This is how Hugging Face's `generate` reads a `generation_config.json`.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "chain")]
pub struct Chain {
    /// The share of the entropy of the 100 most probable tokens that the most probable ones make up which stay, above 0 and at most 1
    /// (arXiv 2509.02510); left out, all stay.
    pub top_h: Option<f64>,
    /// How many tokens stay, at least 1; left out, all.
    pub top_k: Option<usize>,
    /// The share of the probability, from 0 to 1; left out, all of it.
    pub top_p: Option<f64>,
    /// The share of the largest probability, from 0 to 1; left out, 0.
    pub min_p: Option<f64>,
    /// The share of the probability that tokens make up whose information is nearest to the entropy, above 0 and at most 1 (Meister et al.,
    /// arXiv 2202.00666); left out, all of it.
    pub typical_p: Option<f64>,
    /// The probability that a token must have, from 0 to 1; left out, 0.
    pub epsilon_cutoff: Option<f64>,
    /// The same where the entropy is low, and less where it is high: `min(eta, sqrt(eta) e^-entropy)` (Hewitt et al., arXiv 2210.15191).
    pub eta_cutoff: Option<f64>,
    /// What the draws depend on; left out, they are other each time.
    pub seed: Option<u64>,
    /// What logits are divided by, above 0.
    #[arg(default = 1.0)]
    pub temperature: f64,
}

impl Sampler {
    /// Refuses arguments that no sampler can have.
    ///
    /// # Errors
    /// [`Error::Refused`], whose place is the sampler and whose key is its argument.
    pub fn check(&self) -> Result<()> {
        let place = Span::source(format!("sampler {}", Choice::name(self)));
        let refuse = |key: &str, problem: String| {
            let refusal = Refusal::new(&place, key, problem);
            Err(Error::from(refusal))
        };
        let temperature = self.temperature();
        // Computed in single precision, in which a tiny temperature would be 0.
        let single = temperature as f32;
        if !(single.is_normal() && single > 0.0) {
            let mut problem = format!("expected a number above 0, found {temperature}");
            if temperature == 0.0 {
                problem.push_str("; the sampler greedy always takes the most probable token");
            }
            return refuse("temperature", problem);
        }
        if let Some((key, problem)) = self.refused_of_search() {
            return refuse(key, problem);
        }
        if let Self::Speculative(it) = self {
            return it.base().check();
        }
        let Some(rule) = self.rule() else {
            return Ok(());
        };
        let [k, p] = match self {
            Self::Chain(_) => ["top_k", "top_p"],
            _ => ["k", "p"],
        };
        if rule.top_k == Some(0) {
            return refuse(k, "expected a whole number from 1, found 0".to_owned());
        }
        // As Hugging Face has it, a share of 0 leaves the most probable token.
        let least = matches!(self, Self::Chain(_)) && rule.top_p == Some(0.0);
        let above = [
            (p, rule.top_p.filter(|_| !least)),
            ("top_h", rule.top_h),
            ("typical_p", rule.typical_p),
        ];
        let from = [
            ("min_p", rule.min_p),
            ("epsilon_cutoff", rule.epsilon_cutoff),
            ("eta_cutoff", rule.eta_cutoff),
        ];
        for (key, share) in above {
            if let Some(share) = share.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
                let problem = format!("expected a number above 0 and at most 1, found {share}");
                return refuse(key, problem);
            }
        }
        for (key, share) in from {
            if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                return refuse(key, format!("expected a number from 0 to 1, found {share}"));
            }
        }
        Ok(())
    }

    /// The token to follow, as its place in `logits` (`[vocabulary]`), by a `draw` uniform in `[0, 1)`; for a search, the most probable one.
    ///
    /// Tokens with a logit of minus infinity are never chosen. The arguments must have passed [`check`](Self::check). Tokens that stay divide
    /// `[0, 1)` among them in the order of their ids, so that logits that differ by rounding alone choose alike.
    ///
    /// # Errors
    /// [`Error::Logits`] if a logit is not a number or infinite, or no token is left.
    pub fn choose(&self, logits: &[f32], draw: f64) -> Result<u32> {
        match self.rule() {
            None => candidates::largest_one(logits),
            Some(rule) => rule.choose(logits, self.temperature() as f32, draw),
        }
    }

    /// The probability of every token that [`choose`](Self::choose) may choose, by rising id.
    ///
    /// # Errors
    /// Those of [`choose`](Self::choose).
    pub(crate) fn distribution(&self, logits: &[f32]) -> Result<Distribution> {
        match self.rule() {
            None => candidates::largest_one(logits).map(|id| vec![(id, 1.0)]),
            Some(rule) => rule.distribution(logits, self.temperature() as f32),
        }
    }

    /// What logits are divided by.
    pub fn temperature(&self) -> f64 {
        match self {
            Self::Beam(_) => 1.0,
            Self::BeamKeras(it) => it.temperature,
            Self::Contrastive(it) => it.temperature,
            Self::Speculative(it) => it.base().temperature(),
            Self::Greedy(it) => it.temperature,
            Self::Random(it) => it.temperature,
            Self::TopK(it) => it.temperature,
            Self::TopP(it) => it.temperature,
            Self::MinP(it) => it.temperature,
            Self::Chain(it) => it.temperature,
        }
    }

    /// The same with another temperature.
    #[must_use]
    pub fn with_temperature(mut self, new: f64) -> Self {
        match &mut self {
            Self::Greedy(Greedy { temperature })
            | Self::Random(Random { temperature, .. })
            | Self::TopK(TopK { temperature, .. })
            | Self::TopP(TopP { temperature, .. })
            | Self::MinP(MinP { temperature, .. })
            | Self::Chain(Chain { temperature, .. })
            | Self::BeamKeras(BeamKeras { temperature, .. })
            | Self::Contrastive(Contrastive { temperature, .. }) => *temperature = new,
            Self::Beam(_) => {}
            Self::Speculative(it) => {
                it.base_sampler = it.base().with_temperature(new).into_base();
            }
        }
        self
    }

    /// What the draws depend on, if that was said.
    pub fn seed(&self) -> Option<u64> {
        match self {
            Self::Greedy(_) | Self::Beam(_) | Self::BeamKeras(_) | Self::Contrastive(_) => None,
            Self::Speculative(it) => it.seed.or(it.base().seed()),
            Self::Random(it) => it.seed,
            Self::TopK(it) => it.seed,
            Self::TopP(it) => it.seed,
            Self::MinP(it) => it.seed,
            Self::Chain(it) => it.seed,
        }
    }

    /// Whether the choice depends on the draw.
    pub fn draws(&self) -> bool {
        match self {
            Self::Greedy(_) | Self::Beam(_) | Self::BeamKeras(_) | Self::Contrastive(_) => false,
            Self::Speculative(it) => it.base().draws(),
            _ => true,
        }
    }

    /// Whether a temperature changes anything.
    pub(crate) fn takes_temperature(&self) -> bool {
        self.draws() || matches!(self, Self::BeamKeras(_) | Self::Contrastive(_))
    }

    /// The same with another seed, where there is one.
    #[must_use]
    pub fn with_seed(mut self, new: Option<u64>) -> Self {
        match &mut self {
            Self::Greedy(_) | Self::Beam(_) | Self::BeamKeras(_) | Self::Contrastive(_) => {}
            Self::Random(Random { seed, .. })
            | Self::Speculative(Speculative { seed, .. })
            | Self::TopK(TopK { seed, .. })
            | Self::TopP(TopP { seed, .. })
            | Self::MinP(MinP { seed, .. })
            | Self::Chain(Chain { seed, .. }) => *seed = new,
        }
        self
    }

    /// Which tokens stay; none for [`Greedy`] and searches.
    fn rule(&self) -> Option<Rule> {
        let all = Rule::default();
        match self {
            Self::Greedy(_) | Self::Beam(_) | Self::BeamKeras(_) | Self::Contrastive(_) => None,
            Self::Speculative(it) => it.base().rule(),
            Self::Random(_) => Some(all),
            Self::TopK(it) => Some(Rule {
                top_k: Some(it.k),
                ..all
            }),
            Self::TopP(it) => Some(Rule {
                top_k: it.k,
                top_p: Some(it.p),
                ..all
            }),
            Self::MinP(it) => Some(Rule {
                min_p: Some(it.min_p),
                ..all
            }),
            Self::Chain(it) => Some(Rule {
                top_h: it.top_h,
                top_k: it.top_k,
                top_p: it.top_p,
                min_p: it.min_p,
                typical_p: it.typical_p,
                epsilon_cutoff: it.epsilon_cutoff,
                eta_cutoff: it.eta_cutoff,
                renormalizes: true,
            }),
        }
    }
}

/// So that `TopK { .. }.into()` serves where a sampler may be left out.
macro_rules! optional {
    ($($sampler:ident),+) => {$(
        impl From<$sampler> for Option<Sampler> {
            fn from(sampler: $sampler) -> Self {
                Some(sampler.into())
            }
        }
    )+};
}

optional!(
    Greedy,
    Random,
    TopK,
    TopP,
    MinP,
    Chain,
    Beam,
    BeamKeras,
    Contrastive,
    Speculative
);
