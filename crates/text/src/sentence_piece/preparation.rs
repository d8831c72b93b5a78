//! What a family's own tokenizer does to a text before SentencePiece sees it.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// Changes to a text, in the order of the fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Preparation {
    pub(super) lower_case: bool,
    pub(super) rewriting: Option<Rewriting>,
}

/// What ALBERT's and XLNet's tokenizers change. Quotes written as two marks become one in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rewriting {
    /// White space of any kind and length becomes one space.
    pub(super) remove_space: bool,
    pub(super) keep_accents: bool,
}

impl Preparation {
    pub(super) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        if self.lower_case {
            // Letter by letter, as the reference does first: no sigma is final.
            text = Cow::Owned(text.chars().flat_map(char::to_lowercase).collect());
        }
        if let Some(rewriting) = self.rewriting {
            text = Cow::Owned(rewriting.apply(&text));
        }
        if self.lower_case {
            // Decomposition can bring capitals forth.
            text = Cow::Owned(text.to_lowercase());
        }
        text
    }
}

impl Rewriting {
    fn apply(self, text: &str) -> String {
        let mut text = if self.remove_space {
            let words: Vec<&str> = text
                .split(is_space)
                .filter(|word| !word.is_empty())
                .collect();
            words.join(" ")
        } else {
            text.to_owned()
        };
        text = text.replace("``", "\"").replace("''", "\"");
        if !self.keep_accents {
            text = text
                .nfkd()
                .filter(|character| canonical_combining_class(*character) == 0)
                .collect();
        }
        text
    }
}

/// White space as Python has it, which counts four separators among control characters.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_go_with_their_letters_kept_and_quotes_become_one_mark() {
        let preparation = Preparation {
            lower_case: true,
            rewriting: Some(Rewriting {
                remove_space: true,
                keep_accents: false,
            }),
        };
        assert_eq!(
            preparation.apply(" \u{1c}``Zoë''\u{a0} E\u{301}\tΟΔΟΣ \u{1d2c} "),
            "\"zoe\" e οδοσ a"
        );
        assert_eq!(Preparation::default().apply(" A "), " A ");
    }
}
