//! A sampler in one line.

use std::fmt;

use engraft_component::Choice;

use super::Sampler;

/// The sampler's name and its arguments, those left out and a temperature of 1 not among them: `top_k k=5 seed=1`.
impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Choice::name(self))?;
        let k = |k: Option<usize>| k.map(|k| k as f64);
        let arguments = match self {
            Self::Greedy(_) | Self::Random(_) => vec![],
            Self::TopK(it) => vec![("k", k(Some(it.k)))],
            Self::TopP(it) => vec![("p", Some(it.p)), ("k", k(it.k))],
            Self::MinP(it) => vec![("min_p", Some(it.min_p))],
            Self::Chain(it) => vec![
                ("top_h", it.top_h),
                ("top_k", k(it.top_k)),
                ("top_p", it.top_p),
                ("min_p", it.min_p),
                ("typical_p", it.typical_p),
                ("epsilon_cutoff", it.epsilon_cutoff),
                ("eta_cutoff", it.eta_cutoff),
            ],
            Self::Beam(it) => {
                let (beams, penalty) = (it.num_beams, it.length_penalty);
                let stopping = it.early_stopping;
                return write!(
                    f,
                    " num_beams={beams} length_penalty={penalty} early_stopping={stopping}"
                );
            }
            Self::BeamKeras(it) => vec![("num_beams", k(Some(it.num_beams)))],
            Self::Contrastive(it) => vec![("k", k(Some(it.k))), ("alpha", Some(it.alpha))],
            Self::Speculative(it) => {
                let draft = it.draft.as_deref().unwrap_or_default();
                let tokens = it.num_speculative_tokens;
                let base = it.base().with_seed(self.seed());
                return write!(
                    f,
                    " draft={draft} num_speculative_tokens={tokens} of {base}"
                );
            }
        };
        for (key, value) in arguments {
            if let Some(value) = value {
                write!(f, " {key}={value}")?;
            }
        }
        if self.temperature() != 1.0 {
            write!(f, " temperature={}", self.temperature())?;
        }
        match self.seed() {
            Some(seed) => write!(f, " seed={seed}"),
            None => Ok(()),
        }
    }
}
