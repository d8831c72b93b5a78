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
    /// Before a row has this many tokens, its prompt included, none that ends it is chosen.
    pub min_length: usize,
    /// Before this many tokens were generated, none that ends the row is chosen; in the place of a length in all, unless it is 0.
    pub min_new_tokens: usize,
    /// The file of the preset that the largest number is from, if it is from one.
    pub most_of: Option<&'static str>,
    /// Whether a least number that is too large for a row becomes smaller, as a preset's does, rather than being refused.
    pub least_gives_way: bool,
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
            _ if self.least_gives_way => Ok(()),
            (_, Some(most)) if most < self.min_new_tokens => {
                let limits = *self;
                Err(self.too_few("min_new_tokens", move |name| {
                    limits.most("max_new_tokens", most, name)
                }))
            }
            (Some(most), _) if self.min_new_tokens == 0 && most < self.min_length => {
                let limits = *self;
                Err(self.too_few("min_length", move |name| {
                    limits.most("max_length", most, name)
                }))
            }
            _ => Ok(()),
        }
    }

    /// That a least number is more than something.
    fn too_few(
        &self,
        key: &'static str,
        most: impl Fn(Names<'_>) -> String + Send + Sync + 'static,
    ) -> Error {
        let least = if key == "min_length" {
            self.min_length
        } else {
            self.min_new_tokens
        };
        Error::conflict(key, move |name| {
            format!("{} {least} is more than {}", name(key), most(name))
        })
    }

    /// A largest number, by its option or by the file that it is from.
    fn most(&self, key: &str, most: usize, name: Names<'_>) -> String {
        match self.most_of {
            Some(file) => format!("{key} {most} of the preset's {file}"),
            None => format!("{} {most}", name(key)),
        }
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
            most_of: if given {
                self.most_of
            } else {
                defaults.most_of
            },
            ..self
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
                let limits = *self;
                return Err(Error::conflict("max_length", move |name| {
                    let (length, new_tokens) = (name("max_length"), name("max_new_tokens"));
                    let most = limits.most("max_length", total, name);
                    let help = if limits.most_of.is_some() {
                        format!("give {length} or {new_tokens}")
                    } else {
                        format!("give more, or use {new_tokens}")
                    };
                    format!("the prompt has {prompt} tokens, and {most} counts them; {help}")
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
        let (key, least) = if self.min_new_tokens > 0 {
            ("min_new_tokens", self.min_new_tokens)
        } else {
            ("min_length", self.min_length.saturating_sub(prompt))
        };
        if max_new < least && !self.least_gives_way {
            let (limits, by_context) = (*self, wanted > room);
            return Err(self.too_few(key, move |name| {
                let left = format!("the {max_new} that the prompt of {prompt} tokens leaves");
                match (limits.max_length, limits.max_new_tokens, by_context) {
                    (_, _, true) => format!("{left} in the model's context"),
                    (Some(total), _, false) => {
                        format!("{left} below {}", limits.most("max_length", total, name))
                    }
                    (_, Some(new), false) => limits.most("max_new_tokens", new, name),
                    (None, None, false) => format!(
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
            min_new: least.min(max_new),
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
        min_length: 0,
        min_new_tokens: 0,
        most_of: None,
        least_gives_way: false,
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
    fn a_presets_largest_number_is_called_by_its_file_and_its_least_gives_way() {
        let preset = Limits {
            max_length: Some(20),
            most_of: Some("generation_config.json"),
            ..NONE
        };
        let limits = NONE.or(preset);
        assert_eq!(
            refusal(limits, 30, 100),
            "the prompt has 30 tokens, and max_length 20 of the preset's generation_config.json counts them; give max_length or max_new_tokens"
        );
        let given = Limits {
            min_new_tokens: 9,
            ..NONE
        };
        assert_eq!(
            refusal(given.or(preset), 15, 100),
            "min_new_tokens 9 is more than the 5 that the prompt of 15 tokens leaves below max_length 20 of the preset's generation_config.json"
        );
        let new = Limits {
            max_length: None,
            max_new_tokens: Some(8),
            ..preset
        };
        assert_eq!(
            refusal(given.or(new), 15, 100),
            "min_new_tokens 9 is more than max_new_tokens 8 of the preset's generation_config.json"
        );
        let least = Limits {
            max_new_tokens: Some(4),
            min_new_tokens: 9,
            min_length: 50,
            least_gives_way: true,
            ..NONE
        };
        assert_eq!(least.of_row(3, None).unwrap().min_new, 4);
    }

    #[test]
    fn a_least_length_counts_the_prompt_unless_new_tokens_are_counted() {
        let length = Limits {
            min_length: 10,
            ..NONE
        };
        let least = |limits: Limits, prompt| limits.of_row(prompt, None).unwrap().min_new;
        assert_eq!((least(length, 4), least(length, 12)), (6, 0));
        let both = Limits {
            min_new_tokens: 3,
            ..length
        };
        assert_eq!(least(both, 4), 3);
        let short = Limits {
            max_length: Some(8),
            ..length
        };
        assert_eq!(
            refusal(short, 4, 100),
            "min_length 10 is more than max_length 8"
        );
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
