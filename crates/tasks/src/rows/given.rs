//! Rows whose tokens are given.

use engraft_data::{Examples, TokenRow};
use engraft_text::Encoding;

use super::{EncodedRow, RowEncoder};
use crate::error::{Error, Result, place};
use crate::objective::Reading;

impl RowEncoder {
    /// Rows of tokens as they are: nothing is tokenised, and nothing is cut.
    pub(super) fn encode_given(
        &self,
        given: &[TokenRow],
        examples: &Examples,
        rows: &[usize],
    ) -> Result<Vec<EncodedRow>> {
        let at = |row: usize, problem: String| Error::Row {
            row: place(examples, row),
            problem,
        };
        let encoded = rows.iter().map(|&row| {
            let given = given
                .get(row)
                .ok_or_else(|| at(row, "no tokens".to_owned()))?;
            self.given(given).map_err(|problem| at(row, problem))
        });
        let mut encoded: Vec<EncodedRow> = encoded.collect::<Result<_>>()?;
        let says_nothing = |row: &EncodedRow| row.others.is_empty();
        match &self.reading {
            Reading::Writing(written) if encoded.iter().all(says_nothing) => {
                self.add_written(written, examples, rows, &mut encoded)?;
            }
            Reading::Writing(_) => {
                if let Some((_, &row)) = encoded.iter().zip(rows).find(|(it, _)| says_nothing(it)) {
                    let problem =
                        "no tokens to be written (decoder_token_ids), which other rows have";
                    return Err(at(row, problem.to_owned()));
                }
            }
            _ => {}
        }
        Ok(encoded)
    }

    fn given(&self, row: &TokenRow) -> std::result::Result<EncodedRow, String> {
        if let Some(needs) = self.reading.by_itself() {
            return Err(format!("the task reads {needs}: give texts, not tokens"));
        }
        let encoding = self.encoding(&row.token_ids, &row.segment_ids, self.vocabularies[0])?;
        if encoding.is_empty() {
            return Err("no tokens".to_owned());
        }
        if let Some(longest) = self.longest.filter(|longest| encoding.len() > *longest) {
            let tokens = encoding.len();
            return Err(format!(
                "{tokens} tokens, but the model has positions for {longest}: give fewer, as tokens are not cut"
            ));
        }
        let mut encoded = EncodedRow {
            encoding,
            ..EncodedRow::default()
        };
        if let (Reading::Writing(written), Some(ids)) = (&self.reading, &row.decoder_token_ids) {
            let encoding = self.encoding(ids, &[], self.vocabularies[1])?;
            written
                .check(&encoding)
                .map_err(|problem| format!("the tokens to be written: {problem}"))?;
            encoded.others.push(encoding);
        }
        Ok(encoded)
    }

    fn encoding(
        &self,
        ids: &[u32],
        segments: &[u32],
        vocabulary: usize,
    ) -> std::result::Result<Encoding, String> {
        if let Some(id) = ids.iter().find(|id| **id as usize >= vocabulary) {
            return Err(format!(
                "the token id {id} is outside the model's vocabulary, which ends at {}",
                vocabulary.saturating_sub(1)
            ));
        }
        if !segments.is_empty() && segments.len() != ids.len() {
            return Err(format!(
                "{} segment ids for {} tokens",
                segments.len(),
                ids.len()
            ));
        }
        if let Some(segment) = segments
            .iter()
            .find(|it| **it as usize >= self.segments.max(1))
        {
            return Err(format!(
                "the segment id {segment} is none of the model's, which are below {}",
                self.segments.max(1)
            ));
        }
        let special = self.tokenizer.special_ids();
        let special = [
            special.cls,
            special.sep,
            special.pad,
            special.bos,
            special.eos,
        ];
        Ok(Encoding {
            ids: ids.to_vec(),
            type_ids: match segments {
                [] => vec![0; ids.len()],
                segments => segments.to_vec(),
            },
            special: ids.iter().map(|id| special.contains(&Some(*id))).collect(),
            ..Encoding::default()
        })
    }
}
