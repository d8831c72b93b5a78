//! The sampler that options name or imply.

use engraft_component::Choice;

use super::Generate;
use crate::error::{Error, Result};
use crate::sampler::{Beam, Chain, Contrastive, Greedy, MinP, Sampler, Speculative, TopK, TopP};

impl Generate {
    /// The sampler, where `default` is the preset's.
    ///
    /// Without one, the rules given imply it: `num_beams` above 1 the sampler `beam`, `penalty_alpha` `contrastive`, `top_k`, `top_p` (with `top_k` as its
    /// `k`) or `min_p` the one of that name; it is `chain` for any other, and for `min_p` with another. Its temperature is the default's if none is
    /// given. Without any rule, it is the default. With a `draft` it is `speculative` of all that.
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
        if let Sampler::Speculative(it) = &mut sampler {
            let mut base = it.base();
            self.set_rules(&mut base)?;
            it.base_sampler = base.into_base();
        } else {
            self.set_rules(&mut sampler)?;
        }
        self.set_draft(&mut sampler)?;
        if let Some(temperature) = self.temperature {
            if !sampler.takes_temperature() && temperature > 0.0 {
                let sampler = match &sampler {
                    Sampler::Speculative(it) => Choice::name(&it.base()),
                    sampler => Choice::name(sampler),
                };
                return Err(Error::conflict("temperature", move |name| {
                    let (temperature, option) = (name("temperature"), name("sampler"));
                    let of_file = file.map_or_else(String::new, |file| {
                        format!(", which the preset's {file} leads to")
                    });
                    format!(
                        "{temperature} changes nothing with the sampler {sampler}{of_file}; choose one that draws, such as {option} random"
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
        if let Some(beams) = self.num_beams {
            return match default {
                // How many beams it has is set with the rules.
                Sampler::Beam(_) | Sampler::BeamKeras(_) if beams > 1 => default.clone(),
                _ if beams > 1 => Beam::new(beams).into(),
                Sampler::Beam(_) | Sampler::BeamKeras(_) => Greedy::default().into(),
                _ => self.implied_by_rules(default),
            };
        }
        self.implied_by_rules(default)
    }

    fn implied_by_rules(&self, default: &Sampler) -> Sampler {
        let rules = (
            self.top_k.is_some(),
            self.top_p.is_some(),
            self.min_p.is_some(),
        );
        let sampler: Sampler = match rules {
            _ if self.penalty_alpha.is_some() => return Contrastive::default().into(),
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
            Sampler::Greedy(_)
            | Sampler::Random(_)
            | Sampler::Beam(_)
            | Sampler::BeamKeras(_)
            | Sampler::Speculative(_) => (None, None, None),
            Sampler::TopK(TopK { k, .. }) | Sampler::Contrastive(Contrastive { k, .. }) => {
                *k = self.top_k.unwrap_or(*k);
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
        set("top_h", name, self.top_h, top_h)?;
        self.set_search(sampler)
    }

    /// Sets what searches have.
    fn set_search(&self, sampler: &mut Sampler) -> Result<()> {
        let name = Choice::name(sampler);
        let (mut beams, mut penalty, mut stopping, mut alpha) = (None, None, None, None);
        match sampler {
            Sampler::Beam(it) => {
                beams = Some(&mut it.num_beams);
                penalty = Some(&mut it.length_penalty);
                stopping = Some(&mut it.early_stopping);
            }
            Sampler::BeamKeras(it) => beams = Some(&mut it.num_beams),
            Sampler::Contrastive(it) => alpha = Some(&mut it.alpha),
            _ => {}
        }
        // A single beam is no search.
        let counts = |count: &usize| *count > 1 || beams.is_some();
        let count = self.num_beams.filter(counts);
        require("num_beams", name, count, beams)?;
        require("length_penalty", name, self.length_penalty, penalty)?;
        require("early_stopping", name, self.early_stopping, stopping)?;
        require("penalty_alpha", name, self.penalty_alpha, alpha)
    }

    /// Lets a smaller model draft, if one is given.
    fn set_draft(&self, sampler: &mut Sampler) -> Result<()> {
        if let (Some(_), false) = (&self.draft, matches!(sampler, Sampler::Speculative(_))) {
            let name = Choice::name(sampler);
            let Some(base) = sampler.clone().into_base() else {
                return Err(Error::conflict("draft", move |option| {
                    let (draft, sampler) = (option("draft"), option("sampler"));
                    format!(
                        "{draft} changes nothing with the sampler {name}; leave it out, or choose another {sampler}"
                    )
                }));
            };
            *sampler = Speculative {
                base_sampler: Some(base),
                ..Speculative::default()
            }
            .into();
        }
        let name = Choice::name(sampler);
        let mut tokens = None;
        if let Sampler::Speculative(it) = sampler {
            it.draft = self.draft.clone().or(it.draft.take());
            tokens = Some(&mut it.num_speculative_tokens);
        }
        let given = self.num_speculative_tokens;
        require("num_speculative_tokens", name, given, tokens)
    }
}

/// Sets an argument that the sampler always has a value of.
fn require<T>(
    rule: &'static str,
    sampler: &'static str,
    given: Option<T>,
    slot: Option<&mut T>,
) -> Result<()> {
    match (given, slot) {
        (Some(given), Some(slot)) => *slot = given,
        (given, _) => set(rule, sampler, given, None)?,
    }
    Ok(())
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
