//! What was done to rows to feed them to a model.

use engraft_component::{Note, NoteKind};
use engraft_tasks::TaskSpec;
use engraft_text::LetterPolicy;

/// What was done to rows to feed them to a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handled {
    /// Rows that were cut to the maximal length.
    pub cut: usize,
    /// Letters that the model's alphabet lacks, and the rows that have some.
    pub outside: [usize; 2],
}

impl Handled {
    /// Adds what was done to the rows of a batch.
    pub(crate) fn add(&mut self, batch: &engraft_tasks::Handled) {
        self.cut += batch.cut;
        self.outside[0] += batch.outside[0];
        self.outside[1] += batch.outside[1];
    }

    /// What a user should know of it, where a model was fed `rows` rows; `stage` says which they are, if anything.
    pub(crate) fn notes(&self, rows: usize, spec: &TaskSpec, stage: &str) -> Vec<Note> {
        let mut notes = Vec::new();
        let prefix = match stage {
            "" => String::new(),
            stage => format!("{stage}: "),
        };
        let mut note = |text: String| {
            notes.push(Note::new(NoteKind::Data, format!("{prefix}{text}")));
        };
        if self.cut > 0 {
            let length = spec.max_length().unwrap_or_default();
            note(format!(
                "{} of {rows} rows were cut to {length} tokens",
                self.cut
            ));
        }
        let [letters, of] = self.outside;
        if letters > 0 {
            let letters = match letters {
                1 => "1 letter".to_owned(),
                _ => format!("{letters} letters"),
            };
            let fate = match spec.tokenizer().letter_policy() {
                Some(LetterPolicy::Map) => {
                    "each became the nearest letter that it has, or else an unknown token"
                }
                _ => {
                    "each became an unknown token (model.backbone.letters: map finds the nearest letter)"
                }
            };
            note(format!(
                "{letters} in {of} of {rows} rows are not in the model's alphabet: {fate}"
            ));
        }
        notes
    }
}
