//! Rows of a text that is read and, where it is known, the text to be written for it.

use std::borrow::Cow;

use engraft_data::{Examples, Texts};
use engraft_text::{Encoding, Row, Tokenizer};

use super::{EncodedRow, RowEncoder};
use crate::error::{Error, Result, place};

/// How the texts that are written become tokens.
#[derive(Clone, Debug)]
pub struct WrittenTexts {
    pub(crate) tokenizer: Tokenizer,
    /// They are cut to this many tokens.
    pub(crate) max_length: Option<usize>,
    /// The longest that the decoder has positions for; none if any has.
    pub(crate) longest: Option<usize>,
}

impl RowEncoder {
    /// The tokens of what is read, and beside them of what is to be written where rows have that.
    pub(super) fn encode_writing(
        &self,
        written: &WrittenTexts,
        examples: &Examples,
        rows: &[usize],
    ) -> Result<Vec<EncodedRow>> {
        let read = examples.texts.first();
        let read = match read {
            Some(texts) => encoded(&self.tokenizer, self.max_length, texts, examples, rows, "")?,
            None => Vec::new(),
        };
        let mut encoded_rows = Vec::with_capacity(rows.len());
        for ((encoding, cut), &row) in read.into_iter().zip(rows) {
            let checked = self.checked(encoding, cut, "", None);
            encoded_rows.push(checked.map_err(|problem| Error::Row {
                row: place(examples, row),
                problem,
            })?);
        }
        self.add_written(written, examples, rows, &mut encoded_rows)?;
        Ok(encoded_rows)
    }

    /// Adds the tokens of the texts that are to be written for `rows`, where there are some, to what is read for them.
    pub(super) fn add_written(
        &self,
        written: &WrittenTexts,
        examples: &Examples,
        rows: &[usize],
        encoded_rows: &mut [EncodedRow],
    ) -> Result<()> {
        let Some(texts) = examples.texts_to_write() else {
            return Ok(());
        };
        let what = "the text to be written: ";
        let targets = encoded(
            &written.tokenizer,
            written.max_length,
            texts,
            examples,
            rows,
            what,
        )?;
        for (((encoding, cut), row), &number) in targets.into_iter().zip(encoded_rows).zip(rows) {
            written.check(&encoding).map_err(|problem| Error::Row {
                row: place(examples, number),
                problem: format!("{what}{problem}"),
            })?;
            row.cut |= cut;
            row.others.push(encoding);
        }
        Ok(())
    }
}

impl WrittenTexts {
    /// Refuses tokens that the decoder cannot take.
    pub(super) fn check(&self, encoding: &Encoding) -> std::result::Result<(), String> {
        if encoding.is_empty() {
            return Err("it has no tokens".into());
        }
        match self.longest.filter(|longest| encoding.len() > *longest) {
            Some(longest) => Err(format!(
                "{} tokens, but the decoder has positions for {longest}: give model.max_output_length to cut long texts",
                encoding.len()
            )),
            None => Ok(()),
        }
    }
}

/// The tokens of texts, and whether each was cut; `what` begins what is said of one.
fn encoded(
    tokenizer: &Tokenizer,
    max_length: Option<usize>,
    texts: &Texts,
    examples: &Examples,
    rows: &[usize],
    what: &str,
) -> Result<Vec<(Encoding, bool)>> {
    let at = |row: usize, problem: String| Error::Row {
        row: place(examples, row),
        problem: format!("{what}{problem}"),
    };
    let text = |&row: &usize| texts.get(row).map_err(|error| at(row, error.to_string()));
    let texts: Vec<Cow<'_, str>> = rows.iter().map(text).collect::<Result<_>>()?;
    let texts: Vec<Row<'_>> = texts.iter().map(|text| Row { text, pair: None }).collect();
    let encoded = tokenizer.encode_rows(&texts, max_length);
    encoded.map_err(|error| match (error, rows) {
        (engraft_text::Error::Row { row, source }, _) => at(
            rows.get(row).copied().unwrap_or_default(),
            source.to_string(),
        ),
        (error, [row]) => at(*row, error.to_string()),
        (error, _) => Error::Text(error),
    })
}
