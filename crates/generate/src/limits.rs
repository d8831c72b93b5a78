//! How long a row may grow.

use engraft_component::Refusal;

use crate::error::{Error, Names, Result};

/// The length of a row, prompt included, where nothing else is said: KerasHub's `sequence_length` of generation.
pub const DEFAULT_MAX_LENGTH: usize = 1024;

/// How long rows may grow, as the user or the preset says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The most tokens of a row, its prompt and the start token included, as KerasHub counts.
    pub max_length: Option<usize>,
    /// The most tokens that are generated.
    pub max_new_tokens: Option<usize>,
    /// Before this many tokens were generated, none that ends the row is chosen.
    pub min_new_tokens: usize,
}

/// The limits of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowLimits {
    /// The prompt's tokens.
    pub prompt: usize,
    /// The most tokens that are generated, at least 1.
    pub max_new: usize,
    /// Before this many tokens were generated, none that ends the row is chosen.
    pub min_new: usize,
    /// Whether the model's context, rather than what was asked for, ends the row after `max_new` tokens.
    pub cut_by_context: bool,
}

impl Limits {
    /// Refuses limits that contradict each other, whatever the prompt.
    ///
    /// # Errors
    /// Two limits at once, one of 0, or a least number above the largest.
    pub fn check(&self) -> Result<()> {
        match (self.max_length, self.max_new_tokens) {
            (Some(total), Some(new)) => Err(Error::conflict("max_length", move |name| {
                let (length, new_tokens) = (name("max_length"), name("max_new_tokens"));
                format!(
                    "{length} {total} and {new_tokens} {new} both limit the text; give one of them"
                )
            })),
            (Some(0), _) => Err(Error::expected("max_length", "at least 1", 0)),
            (_, Some(0)) => Err(Error::expected("max_new_tokens", "at least 1", 0)),
            (_, Some(most)) if most < self.min_new_tokens => {
                Err(self.too_few(move |name| format!("{} {most}", name("max_new_tokens"))))
            }
            _ => Ok(()),
        }
    }

    /// That `min_new_tokens` is more than something.
    fn too_few(&self, most: impl Fn(Names<'_>) -> String + Send + Sync + 'static) -> Error {
        let least = self.min_new_tokens;
        Error::conflict("min_new_tokens", move |name| {
            format!(
                "{} {least} is more than {}",
                name("min_new_tokens"),
                most(name)
            )
        })
    }

    /// The same where what is not given is taken from a preset's `defaults`. A limit of either kind that is given replaces both.
    #[must_use]
    pub fn or(self, defaults: Self) -> Self {
        let given = self.max_length.is_some() || self.max_new_tokens.is_some();
        // Hugging Face lets the number of new tokens win where a file has both.
        let total = defaults
            .max_length
            .filter(|_| defaults.max_new_tokens.is_none());
        Self {
            max_length: self.max_length.or(total.filter(|_| !given)),
            max_new_tokens: self
                .max_new_tokens
                .or(defaults.max_new_tokens.filter(|_| !given)),
            min_new_tokens: self.min_new_tokens,
        }
    }

    /// The limits of a row with a prompt of `prompt` tokens, in a model that reads at most `context` tokens (none: any number).
    ///
    /// Without a limit, a row has [`DEFAULT_MAX_LENGTH`] tokens in all. A row never outgrows the context: what was asked for is cut to it, which
    /// [`RowLimits::cut_by_context`] tells.
    ///
    /// # Errors
    /// Those of [`check`](Self::check); an empty prompt; a prompt that leaves no room for a token below `max_length` or in the context, or
    /// less than `min_new_tokens` wants.
    pub fn of_row(&self, prompt: usize, context: Option<usize>) -> Result<RowLimits> {
        self.check()?;
        if prompt == 0 {
            return Err(Refusal::plain(
                "the prompt is empty, and the tokenizer adds no start token; give at least one token to go on from",
            )
            .into());
        }
        let room = match context {
            Some(context) if prompt >= context => {
                return Err(Refusal::plain(format!(
                    "the prompt has {prompt} tokens, which leaves no room in the model's context of {context}; shorten it"
                ))
                .into());
            }
            Some(context) => context - prompt,
            None => usize::MAX,
        };
        let wanted = match (self.max_new_tokens, self.max_length) {
            (Some(new), _) => new,
            (None, Some(total)) if prompt >= total => {
                return Err(Error::conflict("max_length", move |name| {
                    let (length, new_tokens) = (name("max_length"), name("max_new_tokens"));
                    format!(
                        "the prompt has {prompt} tokens, and {length} {total} counts them; give more, or use {new_tokens}"
                    )
                }));
            }
            (None, Some(total)) => total - prompt,
            (None, None) if prompt >= DEFAULT_MAX_LENGTH => {
                return Err(Error::conflict("max_length", move |name| {
                    let (length, new_tokens) = (name("max_length"), name("max_new_tokens"));
                    format!(
                        "the prompt has {prompt} tokens, and texts have at most {DEFAULT_MAX_LENGTH} in all by default; \
                         give {length} or {new_tokens}"
                    )
                }));
            }
            (None, None) => DEFAULT_MAX_LENGTH - prompt,
        };
        let max_new = wanted.min(room);
        if max_new < self.min_new_tokens {
            let (total, by_context) = (self.max_length, wanted > room);
            return Err(self.too_few(move |name| {
                let left = format!("the {max_new} that the prompt of {prompt} tokens leaves");
                match (total, by_context) {
                    (_, true) => format!("{left} in the model's context"),
                    (Some(total), false) => format!("{left} below {} {total}", name("max_length")),
                    (None, false) => format!(
                        "{left} of the default length {DEFAULT_MAX_LENGTH}; give {}",
                        name("max_new_tokens")
                    ),
                }
            }));
        }
        let explicit = self.max_length.is_some() || self.max_new_tokens.is_some();
        Ok(RowLimits {
            prompt,
            max_new,
            min_new: self.min_new_tokens,
            cut_by_context: explicit && wanted > room,
        })
    }
}

impl RowLimits {
    /// Makes the tokens of `stop` impossible in `logits` (`[vocabulary]`) while fewer tokens than the least number were generated.
    pub fn forbid_early_stops(&self, generated: usize, stop: &[u32], logits: &mut [f32]) {
        if generated >= self.min_new {
            return;
        }
        for &id in stop {
            if let Some(logit) = usize::try_from(id).ok().and_then(|id| logits.get_mut(id)) {
                *logit = f32::NEG_INFINITY;
            }
        }
    }

    /// Whether a row of so many generated tokens is full.
    pub fn is_full(&self, generated: usize) -> bool {
        generated >= self.max_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Limits = Limits {
        max_length: None,
        max_new_tokens: None,
        min_new_tokens: 0,
    };

    fn refusal(limits: Limits, prompt: usize, context: usize) -> String {
        limits
            .of_row(prompt, Some(context))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn without_limits_a_row_has_keras_hubs_length_cut_to_the_context() {
        let of = |context| NONE.of_row(24, context).unwrap();
        assert_eq!((of(None).max_new, of(None).cut_by_context), (1000, false));
        assert_eq!(of(Some(8192)).max_new, 1000);
        assert_eq!(
            (of(Some(64)).max_new, of(Some(64)).cut_by_context),
            (40, false)
        );
    }

    #[test]
    fn max_length_counts_the_prompt_and_max_new_tokens_does_not() {
        let total = Limits {
            max_length: Some(64),
            ..NONE
        };
        assert_eq!(total.of_row(24, Some(100)).unwrap().max_new, 40);
        let new = Limits {
            max_new_tokens: Some(64),
            ..NONE
        };
        assert_eq!(new.of_row(24, Some(100)).unwrap().max_new, 64);
        let cut = new.of_row(60, Some(100)).unwrap();
        assert_eq!((cut.max_new, cut.cut_by_context), (40, true));
        assert!(cut.is_full(40) && !cut.is_full(39));
    }

    #[test]
    fn conflicts_name_arguments_as_whoever_reads_them_writes_them() {
        let both = Limits {
            max_length: Some(64),
            max_new_tokens: Some(8),
            ..NONE
        };
        assert_eq!(
            refusal(both, 5, 100),
            "max_length 64 and max_new_tokens 8 both limit the text; give one of them"
        );
        let Err(Error::Conflict(conflict)) = both.check() else {
            panic!("two limits at once");
        };
        assert_eq!(
            conflict.say(|name| format!("--{}", name.replace('_', "-"))),
            "--max-length 64 and --max-new-tokens 8 both limit the text; give one of them"
        );
        let error = both.check().unwrap_err();
        assert_eq!(error.refusal().unwrap().key, "max_length");
        let least = Limits {
            max_new_tokens: Some(8),
            min_new_tokens: 9,
            ..NONE
        };
        assert_eq!(
            refusal(least, 5, 100),
            "min_new_tokens 9 is more than max_new_tokens 8"
        );
        for zero in [
            Limits {
                max_length: Some(0),
                ..NONE
            },
            Limits {
                max_new_tokens: Some(0),
                ..NONE
            },
        ] {
            assert!(refusal(zero, 5, 100).ends_with("expected at least 1, found 0"));
        }
    }

    #[test]
    fn prompts_without_room_are_refused() {
        let total = Limits {
            max_length: Some(64),
            ..NONE
        };
        assert_eq!(
            refusal(total, 64, 100),
            "the prompt has 64 tokens, and max_length 64 counts them; give more, or use max_new_tokens"
        );
        assert_eq!(
            refusal(NONE, 100, 100),
            "the prompt has 100 tokens, which leaves no room in the model's context of 100; shorten it"
        );
        assert!(refusal(NONE, 1024, 4000).contains("1024 in all by default"));
        assert!(refusal(NONE, 0, 4000).starts_with("the prompt is empty"));
        assert_eq!(NONE.of_row(99, Some(100)).unwrap().max_new, 1);
        let at_least = |limits: Limits| Limits {
            min_new_tokens: 50,
            ..limits
        };
        assert!(refusal(at_least(total), 20, 100).ends_with("leaves below max_length 64"));
        assert!(
            refusal(at_least(NONE), 60, 100)
                .ends_with("the 40 that the prompt of 60 tokens leaves in the model's context")
        );
        assert!(refusal(at_least(NONE), 1000, 4000).contains("of the default length 1024"));
    }

    #[test]
    fn what_is_given_replaces_the_presets_limits_of_either_kind() {
        let preset = Limits {
            max_length: Some(20),
            max_new_tokens: Some(256),
            ..NONE
        };
        assert_eq!(NONE.or(preset).max_new_tokens, Some(256));
        assert_eq!(NONE.or(preset).max_length, None);
        let total = Limits {
            max_length: Some(64),
            min_new_tokens: 3,
            ..NONE
        };
        assert_eq!(total.or(preset), total);
        let short = Limits {
            max_length: Some(20),
            ..NONE
        };
        assert_eq!(NONE.or(short), short);
    }

    #[test]
    fn tokens_that_end_a_row_are_impossible_until_the_least_number() {
        let row = Limits {
            min_new_tokens: 2,
            ..NONE
        }
        .of_row(1, None)
        .unwrap();
        for (generated, expected) in [(0, f32::NEG_INFINITY), (1, f32::NEG_INFINITY), (2, 1.0)] {
            let mut logits = [1.0; 4];
            row.forbid_early_stops(generated, &[2, 77], &mut logits);
            assert_eq!(logits, [1.0, 1.0, expected, 1.0]);
        }
    }
}
