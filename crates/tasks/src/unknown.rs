//! What a vocabulary lacks of the texts of rows.

use std::collections::BTreeMap;

use engraft_component::Refusal;
use engraft_data::Examples;
use engraft_text::most_often;

use crate::error::Result;
use crate::rows::EncodedRow;
use crate::spec::TaskSpec;

/// Rows that are looked at before training.
const SAMPLE: usize = 256;

/// How many letters or words a message names.
const MOST_NAMED: usize = 5;

/// How many letters or words are counted apart.
const MOST_COUNTED: usize = 4096;

/// What a vocabulary lacks of the texts of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Tokens that are the unknown token, and letters that no token stands for.
    pub tokens: usize,
    /// All tokens of the texts, and those letters.
    pub of: usize,
    /// Rows that have some.
    pub rows: usize,
    /// What is lacking, letters or the beginnings of words, and how often it is met.
    pub missing: BTreeMap<String, usize>,
}

impl Unknown {
    /// Counts a row.
    pub(crate) fn add(&mut self, row: &EncodedRow) {
        for encoding in row.encodings() {
            let tokens = encoding.special.iter().filter(|special| !**special).count();
            self.merge(&Self {
                tokens: encoding.unknown + encoding.dropped,
                of: tokens + encoding.dropped,
                rows: 0,
                missing: encoding.missing.clone(),
            });
        }
        let has_unknown = row.encodings().any(|it| it.unknown + it.dropped > 0);
        self.rows += usize::from(has_unknown);
    }

    /// Counts other rows too.
    pub fn merge(&mut self, other: &Self) {
        self.tokens += other.tokens;
        self.of += other.of;
        self.rows += other.rows;
        for (what, count) in &other.missing {
            if let Some(known) = self.missing.get_mut(what) {
                *known += count;
            } else if self.missing.len() < MOST_COUNTED {
                self.missing.insert(what.clone(), *count);
            }
        }
    }

    /// What is most often lacking, such as `"é" (12 times), "ß"`; empty if nothing is known of it.
    pub fn most_often(&self) -> String {
        let missing = most_often(&self.missing);
        let named = missing.iter().take(MOST_NAMED).map(|(what, count)| {
            if *count == 1 {
                format!("{what:?}")
            } else {
                format!("{what:?} ({count} times)")
            }
        });
        named.collect::<Vec<_>>().join(", ")
    }
}

impl TaskSpec {
    /// Refuses training rows of whose texts the vocabulary lacks more than half: of those nothing could be learned.
    ///
    /// # Errors
    /// They are such.
    pub(crate) fn check_known(&self, examples: &Examples) -> Result<()> {
        let encoder = self.row_encoder();
        encoder.check_sequences(examples)?;
        let step = examples.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<usize> = (0..examples.len()).step_by(step).collect();
        // What else is wrong with a row is said where it is read for good.
        let Ok(rows) = encoder.encode(examples, &sample, None) else {
            return Ok(());
        };
        let mut unknown = Unknown::default();
        rows.iter().for_each(|row| unknown.add(row));
        if unknown.tokens * 2 <= unknown.of {
            return Ok(());
        }
        let whole = if sample.len() < examples.len() {
            format!("{} of the {}", sample.len(), examples.len())
        } else {
            format!("the {}", sample.len())
        };
        let often = match unknown.most_often().as_str() {
            "" => String::new(),
            often => format!(", most often {often}"),
        };
        let problem = format!(
            "in {whole} training rows {} of {} tokens are unknown to the vocabulary of {}{often}: nothing could be learned of them",
            unknown.tokens,
            unknown.of,
            self.checkpoint.preset().name()
        );
        let help = sentence(&self.tokenizer.expects());
        Err(Refusal::plain(problem).help(help).into())
    }
}

/// With a capital letter.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use engraft_models::Compute;
    use engraft_text::LetterPolicy;
    use serde_json::json;

    use crate::backbone::Backbone;
    use crate::building::TrainingRows;
    use crate::objective::TaskArguments;
    use crate::objectives::SequenceClassification;
    use crate::spec::Model;

    use super::*;

    /// A folder of a tiny BERT without weights, with the vocabulary of a golden case.
    fn folder(vocabulary: &str) -> tempfile::TempDir {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/tokenizers");
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "model_type": "bert", "vocab_size": 300, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 8, "max_position_embeddings": 64,
        });
        let settings = json!({"tokenizer_class": "BertTokenizer", "do_lower_case": false});
        for (file, content) in [("config.json", config), ("tokenizer_config.json", settings)] {
            fs::write(folder.path().join(file), content.to_string()).unwrap();
        }
        fs::copy(golden.join(vocabulary), folder.path().join("vocab.txt")).unwrap();
        folder
    }

    /// What is said of training on texts, of two classes in turn.
    fn built(
        vocabulary: &str,
        texts: &[&str],
        letters: Option<LetterPolicy>,
    ) -> std::result::Result<Model, String> {
        let folder = folder(vocabulary);
        let backbone = Backbone {
            from_scratch: true,
            letters,
            ..Backbone::new(folder.path().to_str().unwrap())
        };
        let task = SequenceClassification::on(backbone.into());
        let names = ["a", "b"].into_iter().cycle().take(texts.len());
        let train = Examples::from_texts(texts.iter().copied())
            .labelled(names)
            .unwrap();
        let model = Model::build(
            &task.into(),
            Some(TrainingRows::new(&train)),
            &Compute::cpu(),
            1,
        );
        model.map_err(|error| {
            error
                .to_string()
                .replace(folder.path().to_str().unwrap(), "FOLDER")
        })
    }

    fn refusal(vocabulary: &str, texts: &[&str]) -> String {
        built(vocabulary, texts, None).map(|_| ()).unwrap_err()
    }

    #[test]
    fn training_on_texts_that_the_vocabulary_does_not_know_is_refused_with_what_it_expects() {
        let proteins = [
            "MKTAYIAKQRQISFVKSHFSRQ",
            "EVQLV",
            "MKTAYIAKQRQISFVKSHFSRQ",
            "EVQ",
        ];
        assert_eq!(
            refusal("settings/letters.txt", &proteins),
            "in the 4 training rows 4 of 4 tokens are unknown to the vocabulary of FOLDER, most often \"MKTAYIAKQRQISFVKSHFSRQ\" (2 times), \
             \"EVQ\", \"EVQLV\": nothing could be learned of them. Its vocabulary has single letters with spaces between them: give \
             model.backbone.letters: unknown, which reads sequences as they are, or write them with spaces"
        );
        assert!(
            built(
                "settings/letters.txt",
                &proteins,
                Some(LetterPolicy::Unknown)
            )
            .is_ok()
        );
        assert!(built("settings/letters.txt", &["M K T", "E V Q"], None).is_ok());
        let dna = ["ACGTACGT", "TTTACG"];
        assert!(
            refusal("settings/kmers.txt", &dna)
                .contains("Its vocabulary has k-mers of 3 letters with spaces between them")
        );
        assert!(built("settings/kmers.txt", &dna, Some(LetterPolicy::Map)).is_ok());
        let strange = ["漢字 漢字", "the 漢字 漢字"];
        let message = refusal("wordpiece/vocab.txt", &strange);
        assert!(
            message.starts_with(
                "in the 2 training rows 8 of 9 tokens are unknown to the vocabulary of FOLDER, most often \"字\" (4 times), \"漢\" (4 times): \
                 nothing could be learned of them. Its vocabulary has pieces such as"
            ),
            "{message}"
        );
        // Half of them may be unknown.
        assert!(built("wordpiece/vocab.txt", &["the 漢", "the bank"], None).is_ok());
    }

    #[test]
    fn letters_of_another_case_are_refused_unless_they_are_mapped() {
        let lower = ["mkv", "evq"];
        let message = refusal("settings/letters.txt", &lower);
        assert!(message.contains("single letters with spaces"), "{message}");
        let unknown = built("settings/letters.txt", &lower, Some(LetterPolicy::Unknown));
        let message = unknown.map(|_| ()).unwrap_err();
        assert!(
            message.ends_with(
                "take model.backbone.letters: map for the nearest letter, or a backbone that knows yours"
            ),
            "{message}"
        );
        assert!(built("settings/letters.txt", &lower, Some(LetterPolicy::Map)).is_ok());
    }
}
