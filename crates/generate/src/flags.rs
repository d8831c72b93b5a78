//! The sampler that a command line asks for.

use engraft_component::{Choice, Node, decode};

use crate::error::{Error, Result};
use crate::sampler::{Chain, MinP, Sampler, TopK, TopP};

/// What a command line says of the sampler: `--sampler`, `--temperature`, `--top-k`, `--top-p`, `--min-p`, `--seed`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SamplerFlags {
    /// The sampler's name.
    pub sampler: Option<String>,
    /// What logits are divided by.
    pub temperature: Option<f64>,
    /// How many of the most probable tokens stay.
    pub top_k: Option<usize>,
    /// The share of the probability whose most probable tokens stay.
    pub top_p: Option<f64>,
    /// The share of the largest probability that tokens have that stay.
    pub min_p: Option<f64>,
    /// What the draws depend on.
    pub seed: Option<u64>,
}

impl SamplerFlags {
    /// The sampler, where `default` is the preset's.
    ///
    /// Without a name, the rules given name it: `top_k`, `top_p` (with `--top-k` as its `k`) or `min_p`, which with another is `chain`; its
    /// temperature is the default's if none is given. Without any rule, it is the default.
    ///
    /// # Errors
    /// An unknown name, a flag that the sampler has no use for, or a value that it cannot have.
    pub fn resolve(&self, default: &Sampler) -> Result<Sampler> {
        let mut sampler = match &self.sampler {
            Some(name) => named(name)?,
            None => self.implied(default),
        };
        self.set_rules(&mut sampler)?;
        if let Some(temperature) = self.temperature {
            if !sampler.draws() && temperature > 0.0 {
                return Err(Error::Argument(
                    "--temperature changes nothing with the sampler greedy; choose one that draws, such as --sampler random"
                        .to_owned(),
                ));
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
        set("--top-k", name, self.top_k, k)?;
        set("--top-p", name, self.top_p, p)?;
        set("--min-p", name, self.min_p, min_p)
    }
}

/// The sampler of a name, with its defaults.
fn named(name: &str) -> Result<Sampler> {
    let decoded = decode::<Sampler>(&Node::text(name));
    decoded
        .map(|(sampler, _)| sampler)
        .map_err(|error| Error::Argument(format!("--sampler: {error}")))
}

/// Sets an argument of the sampler, which must have it if it is given.
fn set<T>(flag: &str, sampler: &str, given: Option<T>, slot: Option<&mut Option<T>>) -> Result<()> {
    match (given, slot) {
        (None, _) => Ok(()),
        (given, Some(slot)) => {
            *slot = given;
            Ok(())
        }
        (Some(_), None) => Err(Error::Argument(format!(
            "{flag} changes nothing with the sampler {sampler}; leave it out, or choose another --sampler"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::Greedy;

    fn told(flags: SamplerFlags, default: &Sampler) -> String {
        match flags.resolve(default) {
            Ok(sampler) => sampler.to_string(),
            Err(error) => error.to_string(),
        }
    }

    fn none() -> SamplerFlags {
        SamplerFlags::default()
    }

    #[test]
    fn rules_name_the_sampler_where_nothing_else_does() {
        let default = Sampler::from(Chain {
            top_k: Some(50),
            temperature: 0.6,
            ..Chain::default()
        });
        let told = |flags| told(flags, &default);
        assert_eq!(told(none()), "chain top_k=50 temperature=0.6");
        let top_k = || SamplerFlags {
            top_k: Some(3),
            ..none()
        };
        assert_eq!(told(top_k()), "top_k k=3 temperature=0.6");
        let both = SamplerFlags {
            top_p: Some(0.9),
            temperature: Some(1.0),
            seed: Some(4),
            ..top_k()
        };
        assert_eq!(told(both), "top_p p=0.9 k=3 seed=4");
        assert_eq!(
            told(SamplerFlags {
                min_p: Some(0.2),
                ..none()
            }),
            "min_p min_p=0.2 temperature=0.6"
        );
        let mixed = SamplerFlags {
            min_p: Some(0.2),
            ..top_k()
        };
        assert_eq!(told(mixed), "chain top_k=3 min_p=0.2 temperature=0.6");
        assert_eq!(
            told(SamplerFlags {
                temperature: Some(2.0),
                ..none()
            }),
            "chain top_k=50 temperature=2"
        );
    }

    #[test]
    fn a_name_takes_its_own_arguments_and_refuses_others() {
        let default = Sampler::default();
        let with = |name: &str| SamplerFlags {
            sampler: Some(name.to_owned()),
            ..none()
        };
        assert_eq!(told(with("top_p"), &default), "top_p p=0.1");
        assert_eq!(told(with("TopKSampler"), &default), "top_k k=5");
        assert_eq!(
            told(
                SamplerFlags {
                    top_k: Some(9),
                    ..with("top_k")
                },
                &default
            ),
            "top_k k=9"
        );
        assert_eq!(
            told(
                SamplerFlags {
                    top_p: Some(0.5),
                    ..with("top_k")
                },
                &default
            ),
            "--top-p changes nothing with the sampler top_k; leave it out, or choose another --sampler"
        );
        for flags in [
            SamplerFlags {
                top_k: Some(1),
                ..with("greedy")
            },
            SamplerFlags {
                temperature: Some(0.5),
                ..with("greedy")
            },
            SamplerFlags {
                top_k: Some(1),
                ..with("min_p")
            },
            SamplerFlags {
                min_p: Some(0.1),
                ..with("random")
            },
        ] {
            assert!(told(flags, &default).contains(" changes nothing with the sampler "));
        }
        assert_eq!(
            told(
                SamplerFlags {
                    seed: Some(1),
                    ..with("greedy")
                },
                &default
            ),
            "greedy"
        );
        let message = told(with("topk"), &default);
        assert!(
            message.starts_with("--sampler: unknown sampler \"topk\". Did you mean \"top_k\"?"),
            "{message}"
        );
        assert!(told(with("beam"), &default).starts_with("--sampler: beam cannot be used: "));
    }

    #[test]
    fn values_that_no_sampler_can_have_are_refused() {
        let greedy = Sampler::from(Greedy::default());
        let cold = SamplerFlags {
            temperature: Some(0.0),
            ..none()
        };
        for default in [&greedy, &Sampler::default()] {
            assert!(
                told(cold.clone(), default)
                    .contains("temperature: expected a number above 0, found 0")
            );
        }
        let zero = SamplerFlags {
            top_k: Some(0),
            ..none()
        };
        assert_eq!(
            told(zero, &greedy),
            "sampler top_k: k: expected a whole number from 1, found 0"
        );
        let hot = SamplerFlags {
            temperature: Some(0.7),
            ..none()
        };
        assert!(
            told(hot, &greedy).starts_with("--temperature changes nothing with the sampler greedy")
        );
    }
}
