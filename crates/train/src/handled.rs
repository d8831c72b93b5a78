//! What was done to rows to feed them to a model.

use engraft_component::{Note, NoteKind};
use engraft_tasks::{TaskSpec, Unknown, Unsaid};
use engraft_text::LetterPolicy;

/// What was done to rows to feed them to a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handled {
    /// Rows that were cut to the maximal length.
    pub cut: usize,
    /// Letters that the model's alphabet lacks, and the rows that have some.
    pub outside: [usize; 2],
    /// Words that have no token, where some have none.
    pub unsaid: Option<Unsaid>,
    /// What the vocabulary lacks.
    pub unknown: Unknown,
    /// Rows that are given back as they are, where rows with nothing to predict are.
    pub copied: usize,
}

impl Handled {
    /// Adds what was done to the rows of a batch.
    pub(crate) fn add(&mut self, batch: &engraft_tasks::Handled) {
        self.cut += batch.cut;
        self.copied += batch.copied;
        self.outside[0] += batch.outside[0];
        self.outside[1] += batch.outside[1];
        match (&mut self.unsaid, &batch.unsaid) {
            (Some(all), Some(more)) => {
                all.words += more.words;
                all.rows += more.rows;
            }
            (None, more) => self.unsaid.clone_from(more),
            (Some(_), None) => {}
        }
        self.unknown.merge(&batch.unknown);
    }

    /// What a user should know of it, where a model was fed `rows`, as [`fed`] says them; `stage` says which they are, if anything.
    pub(crate) fn notes(&self, rows: &str, spec: &TaskSpec, stage: &str) -> Vec<Note> {
        let mut notes = Vec::new();
        let prefix = match stage {
            "" => String::new(),
            stage => format!("{stage}: "),
        };
        let mut note = |text: String| {
            notes.push(Note::new(NoteKind::Data, format!("{prefix}{text}")));
        };
        if self.cut > 0 {
            let length = match (spec.max_length(), spec.max_output_length()) {
                (Some(read), Some(written)) => {
                    format!("{read} tokens, or {written} that are written,")
                }
                (None, Some(written)) => format!("{written} tokens that are written"),
                (read, None) => format!("{} tokens", read.unwrap_or_default()),
            };
            let lost = if spec.tokenizer().keeps_ends() {
                " and lost their beginnings"
            } else {
                ""
            };
            let were = if self.cut == 1 { "was" } else { "were" };
            note(format!(
                "{} of {rows} {were} cut to {length}{lost}",
                self.cut
            ));
        }
        if self.copied > 0 {
            let are = match self.copied {
                1 => "has no mask token: it is copied as it is",
                _ => "have no mask token: they are copied as they are",
            };
            note(format!("{} of {rows} {are}", self.copied));
        }
        if let Some(Unsaid {
            words,
            rows: of,
            first,
        }) = &self.unsaid
        {
            let words = match words {
                1 => "1 word has".to_owned(),
                _ => format!("{words} words in {of} of {rows} have"),
            };
            note(format!(
                "{words} no token, so nothing is learned, scored or predicted there: {first}"
            ));
        }
        let often = match self.unknown.most_often().as_str() {
            "" => String::new(),
            often => format!(", most often {often}"),
        };
        let [letters, of] = self.outside;
        if letters > 0 {
            let (letters, are, each) = match letters {
                1 => ("1 letter".to_owned(), "is", "it"),
                _ => (format!("{letters} letters"), "are", "each"),
            };
            let fate = match spec.tokenizer().letter_policy() {
                Some(LetterPolicy::Map) => {
                    "became the nearest letter that it has, or else an unknown token"
                }
                _ => {
                    "became an unknown token (model.backbone.letters: map finds the nearest letter)"
                }
            };
            note(format!(
                "{letters} in {of} of {rows} {are} not in the model's alphabet{often}: {each} {fate}"
            ));
        } else if self.unknown.tokens > 0 {
            let Unknown {
                tokens,
                of,
                rows: with,
                ..
            } = &self.unknown;
            let are = if *tokens == 1 { "is" } else { "are" };
            // A few are no sign of texts that the model was not made for.
            let advice = if tokens * 10 > *of {
                format!("; {}", spec.tokenizer().expects())
            } else {
                String::new()
            };
            note(format!(
                "{tokens} of {of} tokens, in {with} of {rows}, {are} unknown to the model's vocabulary{often}{advice}"
            ));
        }
        notes
    }
}

/// The rows that a model was fed, in words: `fed` of the `planned` ones that the limit `trainer.LIMIT` leaves of all.
pub(crate) fn fed(fed: usize, planned: &[Vec<usize>], all: usize, limit: &str) -> String {
    let planned: usize = planned.iter().map(Vec::len).sum();
    let rows = if fed == 1 { "row" } else { "rows" };
    if fed < planned {
        format!("the {fed} {rows} read")
    } else if planned < all {
        format!("the {fed} {rows} that trainer.{limit} leaves")
    } else {
        format!("{fed} {rows}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_a_limit_leaves_are_told_from_all() {
        let planned = [vec![3, 1], vec![0]];
        let of = |read, all| fed(read, &planned, all, "limit_test_batches");
        assert_eq!(of(3, 3), "3 rows");
        assert_eq!(
            of(3, 9),
            "the 3 rows that trainer.limit_test_batches leaves"
        );
        assert_eq!(of(1, 9), "the 1 row read");
    }
}
