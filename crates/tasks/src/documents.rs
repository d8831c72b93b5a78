//! Texts as a causal language model reads them: within which special tokens, in which windows, and which of their tokens are predicted.
//!
//! A model that reads `n` tokens predicts `n`: each from those up to the one before it. So a window of a text is one token longer than what
//! is read of it, and the last token of one window is the first that is read in the next: every token but a text's first is predicted in
//! one window.

use engraft_text::{Encoding, Frame, Row, Tokenizer};

use crate::error::{Error, Result};
use crate::objectives::LongDocuments;
use crate::rows::EncodedRow;

/// How texts become windows.
#[derive(Clone, Debug)]
pub struct Documents {
    frame: Frame,
    /// Tokens that are read at a time; none if any number may be.
    length: Option<usize>,
    long: LongDocuments,
}

impl Documents {
    /// Texts with the tokenizer's first and last token, or without; where that is left open, as the tokenizer itself has it. `length` is how
    /// many tokens a model reads at a time.
    ///
    /// # Errors
    /// A first or last token is asked for that the tokenizer does not have.
    pub(crate) fn new(
        tokenizer: &Tokenizer,
        [add_start, add_end]: [Option<bool>; 2],
        long: LongDocuments,
        length: Option<usize>,
    ) -> Result<Self> {
        let own = tokenizer.frame()?;
        let special = tokenizer.special_ids();
        let side = |own: Vec<u32>, asked: Option<bool>, id: Option<u32>, key: &str, token: &str| {
            match (asked, id) {
                (None, _) => Ok(own),
                (Some(false), _) => Ok(Vec::new()),
                (Some(true), _) if !own.is_empty() => Ok(own),
                (Some(true), Some(id)) => Ok(vec![id]),
                (Some(true), None) => Err(Error::refused(
                    &format!("model.{key}"),
                    format!(
                        "the tokenizer has no {token}; remove {key}, or name one in tokenizer_config.json"
                    ),
                )),
            }
        };
        let start = (add_start, special.bos.or(special.cls));
        let end = (add_end, special.eos.or(special.sep));
        Ok(Self {
            frame: Frame {
                before: side(own.before, start.0, start.1, "add_start_token", "bos_token")?,
                after: side(own.after, end.0, end.1, "add_end_token", "eos_token")?,
            },
            length,
            long,
        })
    }

    /// Tokens that are read at a time.
    pub(crate) fn length(&self) -> Option<usize> {
        self.length
    }

    /// The tokens of a text; where a row has two, the first is a prompt.
    pub(crate) fn encode(
        &self,
        tokenizer: &Tokenizer,
        row: &Row<'_>,
    ) -> engraft_text::Result<EncodedRow> {
        let (prompt, text) = match row.pair {
            Some(text) => (Some(row.text), text),
            None => (None, row.text),
        };
        let (mut encoding, mut given) = tokenizer.encode_document(prompt, text, &self.frame)?;
        let most = self.length.unwrap_or(usize::MAX).saturating_add(1);
        let cut = self.long == LongDocuments::Cut && encoding.len() > most;
        if cut && tokenizer.keeps_ends() {
            let before = self.frame.before.len();
            given = given.saturating_sub(encoding.len() - most).max(before);
            drop_between(&mut encoding, before.min(most), most);
        } else if cut {
            keep(&mut encoding, 0, most);
        }
        Ok(EncodedRow {
            encoding,
            given,
            cut,
            ..EncodedRow::default()
        })
    }

    /// The number of windows that a row of so many tokens is read in, at least 1.
    pub(crate) fn windows(&self, tokens: usize) -> usize {
        let read = tokens.saturating_sub(1);
        self.length
            .map_or(1, |length| read.div_ceil(length.max(1)).max(1))
    }

    /// One window of a row.
    pub(crate) fn window(&self, row: &EncodedRow, number: usize) -> EncodedRow {
        let length = self.length.unwrap_or(usize::MAX);
        let start = number.saturating_mul(length);
        let mut window = row.clone();
        keep(&mut window.encoding, start, length.saturating_add(1));
        window.given = row.given.saturating_sub(start);
        if number > 0 {
            // Counted with the first.
            window.encoding.outside = 0;
            window.encoding.unknown = 0;
            window.encoding.dropped = 0;
            window.encoding.missing.clear();
        }
        window
    }
}

/// Keeps `most` tokens from `start`.
fn keep(encoding: &mut Encoding, start: usize, most: usize) {
    let end = encoding.len().min(start.saturating_add(most));
    let start = start.min(end);
    for ids in [&mut encoding.ids, &mut encoding.type_ids] {
        *ids = ids[start..end].to_vec();
    }
    encoding.special = encoding.special[start..end].to_vec();
}

/// Keeps `most` tokens: the first `before`, and the last others.
fn drop_between(encoding: &mut Encoding, before: usize, most: usize) {
    let resumes = encoding.len().saturating_sub(most.saturating_sub(before));
    for ids in [&mut encoding.ids, &mut encoding.type_ids] {
        ids.drain(before..resumes);
    }
    encoding.special.drain(before..resumes);
}

/// The tokens of a row that are predicted, and the place of the token that each is predicted at, which is the one before it.
pub(crate) fn next_tokens(row: &EncodedRow) -> impl Iterator<Item = (usize, u32)> + '_ {
    let tokens = row.encoding.ids.iter().enumerate();
    tokens.skip(row.given.max(1)).map(|(at, &id)| (at - 1, id))
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::objective::TaskArguments;
    use crate::objectives::CausalLM;

    fn tokenizer() -> Tokenizer {
        let vocabulary = "<cls>\n<pad>\n<eos>\n<unk>\nA\nC\nG\nT\n";
        let read = |file: &str| Ok((file == "vocab.txt").then(|| vocabulary.as_bytes().to_vec()));
        Tokenizer::from_preset_files(&read, &Map::new()).unwrap()
    }

    fn documents(length: Option<usize>, adjust: impl FnOnce(&mut CausalLM)) -> Documents {
        let mut task = CausalLM::on(crate::backbone::Backbone::new("somewhere").into());
        adjust(&mut task);
        let ends = [task.add_start_token, task.add_end_token];
        Documents::new(&tokenizer(), ends, task.long_documents, length).unwrap()
    }

    fn encode(documents: &Documents, row: impl Into<Row<'static>>) -> EncodedRow {
        documents.encode(&tokenizer(), &row.into()).unwrap()
    }

    #[test]
    fn every_token_but_the_first_is_predicted_once_from_those_before_it() {
        for length in 1..12 {
            let documents = documents(Some(length), |_| {});
            let row = encode(&documents, "ACGTACGT");
            let windows = documents.windows(row.encoding.len());
            assert_eq!(windows, 9usize.div_ceil(length));
            let mut all = Vec::new();
            for number in 0..windows {
                let window = documents.window(&row, number);
                assert!(window.encoding.len() <= length + 1);
                for (at, id) in next_tokens(&window) {
                    let whole = number * length + at;
                    assert_eq!(window.encoding.ids[at], row.encoding.ids[whole]);
                    assert_eq!(id, row.encoding.ids[whole + 1]);
                    all.push(whole);
                }
            }
            assert!(all.into_iter().eq(0..9));
        }
    }

    #[test]
    fn a_prompt_is_read_and_not_predicted_in_whichever_window_it_ends() {
        let documents = documents(Some(3), |_| {});
        let row = encode(&documents, ("ACG", "TTAC"));
        assert_eq!(row.given, 4);
        let counts = (0..3).map(|number| next_tokens(&documents.window(&row, number)).count());
        assert_eq!(counts.collect::<Vec<_>>(), [0, 3, 2]);
    }

    #[test]
    fn long_texts_are_cut_if_asked() {
        let documents = documents(Some(4), |task| task.long_documents = LongDocuments::Cut);
        let row = encode(&documents, "ACGTACGT");
        assert_eq!((row.encoding.len(), row.cut), (5, true));
        assert_eq!(documents.windows(5), 1);
        assert!(!encode(&documents, "AC").cut);
    }

    #[test]
    fn first_and_last_tokens_are_the_tokenizers_own_unless_asked_otherwise() {
        let ids = |start, end| {
            let documents = documents(None, |task| {
                (task.add_start_token, task.add_end_token) = (start, end);
            });
            encode(&documents, "AC").encoding.ids
        };
        assert_eq!(ids(None, None), [0, 4, 5, 2]);
        assert_eq!(ids(Some(true), Some(true)), [0, 4, 5, 2]);
        assert_eq!(ids(Some(false), Some(false)), [4, 5]);
    }

    #[test]
    fn in_a_text_of_no_or_one_token_nothing_is_predicted() {
        let documents = documents(Some(4), |task| {
            (task.add_start_token, task.add_end_token) = (Some(false), Some(false));
        });
        for text in ["", "A"] {
            let row = encode(&documents, text);
            assert_eq!(documents.windows(row.encoding.len()), 1);
            assert_eq!(next_tokens(&documents.window(&row, 0)).count(), 0);
        }
    }
}
