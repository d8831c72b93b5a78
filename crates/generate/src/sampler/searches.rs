//! Samplers that look further than the next token: beams, contrastive search, drafts.

use std::fmt;

use engraft_component::{Choice, Component, Context, FromNode, Kind, Node, Refusal};

use super::{Chain, Greedy, MinP, Random, Sampler, TopK, TopP};

/// The most probable texts, of which several go on at a time, as Hugging Face's `generate` searches them.
///
/// Each step looks at `max(2, 1 + stop tokens) * num_beams` continuations of all beams. Those that end, among the first `num_beams`, are kept
/// with the score `sum of log-probabilities / new tokens ^ length_penalty`, the end among the tokens; the best others go on.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(name = "beam")]
pub struct Beam {
    /// How many texts go on at a time, at least 1.
    #[arg(default = 5)]
    pub num_beams: usize,
    /// Above 0, longer texts are preferred; below, shorter ones; 0 leaves the sum of the log-probabilities as it is.
    #[arg(default = 1.0)]
    pub length_penalty: f64,
    /// When a text is done: true as soon as `num_beams` have ended; false once none that goes on is likely to be better; never once none can be.
    #[arg(default)]
    pub early_stopping: EarlyStopping,
}

impl Beam {
    /// That many beams, else with defaults.
    pub fn new(num_beams: usize) -> Self {
        Self {
            num_beams,
            ..Self::default()
        }
    }
}

/// The most probable texts as KerasHub searches them: by the sum of the log-probabilities, where beams that have ended go on until all have.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(
    name = "beam_keras",
    alias = "BeamSampler",
    alias = "keras_hub>BeamSampler"
)]
pub struct BeamKeras {
    /// How many texts go on at a time, at least 1.
    #[arg(default = 5)]
    pub num_beams: usize,
    /// False: `num_return_sequences` says how many texts are given.
    #[arg(default)]
    pub return_all_beams: bool,
    /// What logits are divided by, above 0.
    #[arg(default = 1.0)]
    pub temperature: f64,
}

/// Of the `k` most probable tokens the one with the largest `(1 - alpha) * probability - alpha * similarity`, the largest cosine between its
/// hidden state and those of the tokens before it (Su et al., arXiv 2202.06417).
#[derive(Clone, Debug, PartialEq, Component)]
#[component(
    name = "contrastive",
    alias = "ContrastiveSampler",
    alias = "keras_hub>ContrastiveSampler"
)]
pub struct Contrastive {
    /// How many tokens are looked at, at least 1.
    #[arg(default = 5)]
    pub k: usize,
    /// How much a token that resembles those before it loses, from 0 to 1.
    #[arg(default = 0.6)]
    pub alpha: f64,
    /// What logits are divided by, above 0.
    #[arg(default = 1.0)]
    pub temperature: f64,
}

/// What another sampler writes, in less time: a smaller model drafts tokens, which the model reads at once and accepts or replaces so that the
/// distribution of texts is that of the other sampler (Leviathan et al., arXiv 2211.17192).
#[derive(Clone, Debug, PartialEq, Component)]
#[component(
    name = "speculative",
    alias = "SpeculativeSampler",
    alias = "keras_hub>SpeculativeSampler"
)]
pub struct Speculative {
    /// The preset of the model that drafts; its vocabulary is that of the model.
    pub draft: Option<String>,
    /// How many tokens are drafted at a time, at least 1.
    #[arg(default = 5)]
    pub num_speculative_tokens: usize,
    /// The sampler whose texts are written; greedy where there is none.
    pub base_sampler: Option<BaseSampler>,
    /// What the draws depend on, in the place of the other sampler's.
    pub seed: Option<u64>,
}

impl Speculative {
    /// The sampler whose texts are written.
    pub fn base(&self) -> Sampler {
        let base = self.base_sampler.clone().map(Sampler::from);
        base.unwrap_or_else(|| Greedy::default().into())
    }
}

/// How one token after the other is chosen.
#[derive(Clone, Debug, PartialEq, Choice)]
#[choice(default = TopK, kind = "sampler")]
pub enum BaseSampler {
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
}

impl From<BaseSampler> for Sampler {
    fn from(base: BaseSampler) -> Self {
        match base {
            BaseSampler::Greedy(it) => Self::Greedy(it),
            BaseSampler::Random(it) => Self::Random(it),
            BaseSampler::TopK(it) => Self::TopK(it),
            BaseSampler::TopP(it) => Self::TopP(it),
            BaseSampler::MinP(it) => Self::MinP(it),
            BaseSampler::Chain(it) => Self::Chain(it),
        }
    }
}

impl Sampler {
    /// The same as a sampler of one token after the other; none for a search.
    pub(crate) fn into_base(self) -> Option<BaseSampler> {
        Some(match self {
            Self::Greedy(it) => BaseSampler::Greedy(it),
            Self::Random(it) => BaseSampler::Random(it),
            Self::TopK(it) => BaseSampler::TopK(it),
            Self::TopP(it) => BaseSampler::TopP(it),
            Self::MinP(it) => BaseSampler::MinP(it),
            Self::Chain(it) => BaseSampler::Chain(it),
            Self::Beam(_) | Self::BeamKeras(_) | Self::Contrastive(_) | Self::Speculative(_) => {
                return None;
            }
        })
    }

    /// How many beams it searches with; none for a sampler that writes one text.
    pub fn beams(&self) -> Option<usize> {
        match self {
            Self::Beam(it) => Some(it.num_beams),
            Self::BeamKeras(it) => Some(it.num_beams),
            _ => None,
        }
    }

    /// The preset of the model that drafts, if one does.
    pub fn draft(&self) -> Option<&str> {
        match self {
            Self::Speculative(it) => it.draft.as_deref(),
            _ => None,
        }
    }

    /// What cannot be of the arguments that searches have, by argument.
    pub(super) fn refused_of_search(&self) -> Option<(&'static str, String)> {
        let least = |key, count: usize| {
            (count == 0).then(|| (key, "expected a whole number from 1, found 0".to_owned()))
        };
        match self {
            Self::Beam(it) => least("num_beams", it.num_beams).or_else(|| {
                let penalty = it.length_penalty;
                let problem = format!("expected a finite number, found {penalty}");
                (!penalty.is_finite()).then_some(("length_penalty", problem))
            }),
            Self::BeamKeras(it) => least("num_beams", it.num_beams).or_else(|| {
                let problem = "one text a prompt is given; say how many with num_return_sequences";
                it.return_all_beams
                    .then(|| ("return_all_beams", problem.to_owned()))
            }),
            Self::Contrastive(it) => least("k", it.k).or_else(|| {
                let alpha = it.alpha;
                let problem = format!("expected a number from 0 to 1, found {alpha}");
                (!(0.0..=1.0).contains(&alpha)).then_some(("alpha", problem))
            }),
            Self::Speculative(it) => {
                let missing = "expected the preset of a smaller model, found none".to_owned();
                let tokens = least("num_speculative_tokens", it.num_speculative_tokens);
                let draft = it.draft.is_none().then_some(("draft", missing));
                draft.or(tokens)
            }
            _ => None,
        }
    }
}

/// When a search by beams is done with a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyStopping {
    /// As soon as as many texts have ended as there are beams.
    True,
    /// Once the best text that goes on would not be kept if it ended now.
    #[default]
    False,
    /// Once no text that goes on can become one that is kept.
    Never,
}

impl EarlyStopping {
    fn word(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for EarlyStopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// `true`, `false` or `never`.
impl FromNode for EarlyStopping {
    fn from_node(node: &Node, cx: &mut Context) -> Result<Self, Refusal> {
        let scalar = node.as_scalar().map(|scalar| scalar.text.trim());
        let all = [Self::True, Self::False, Self::Never];
        let found = all.into_iter().find(|it| scalar == Some(it.word()));
        found.ok_or_else(|| cx.expected(node, "true, false or never"))
    }

    fn to_node(&self) -> Node {
        Node::plain(self.word())
    }

    fn kind() -> Kind {
        Kind::OneOf(vec![Kind::Boolean, Kind::Words(vec!["never"])])
    }
}
