//! Rows of two texts that are compared: a reference and a variant of it, each a sequence by itself.

use std::borrow::Cow;

use engraft_data::Examples;
use engraft_text::Encoding;
use rayon::prelude::*;

use super::{EncodedRow, RowEncoder};
use crate::error::{Error, Result, place};
use crate::objective::Comparison;

/// The texts of some rows.
type Texts<'a> = Option<Vec<Cow<'a, str>>>;

impl RowEncoder {
    /// The tokens of rows of `examples`, whose first and second texts are given.
    ///
    /// # Errors
    /// Rows have one text, or one of them cannot be compared.
    pub(super) fn encode_variants(
        &self,
        comparison: Comparison,
        examples: &Examples,
        rows: &[usize],
        texts: [Texts<'_>; 2],
    ) -> Result<Vec<EncodedRow>> {
        let [Some(references), Some(variants)] = texts else {
            return Err(Error::plain(
                "each row has one text, where a reference and a variant of it are compared: give both",
            ));
        };
        let first = match examples.texts.first() {
            Some(texts) if comparison.shares_reference => Some(texts.get(0)?),
            _ => None,
        };
        let pairs = references.par_iter().zip(&variants);
        let encoded: Vec<_> = pairs
            .map(|(reference, variant)| {
                if first.as_ref().is_some_and(|first| first != reference) {
                    return Err("the reference is another than that of the first row, which model.shared_ref says is that of all: leave it out".to_owned());
                }
                self.encode_pair(comparison, [reference, variant])
            })
            .collect();
        let encoded = encoded.into_iter().zip(rows);
        encoded
            .map(|(encoded, &row)| {
                encoded.map_err(|problem| Error::Row {
                    row: place(examples, row),
                    problem,
                })
            })
            .collect()
    }

    fn encode_pair(
        &self,
        comparison: Comparison,
        texts: [&str; 2],
    ) -> std::result::Result<EncodedRow, String> {
        let [(mut encoding, cut), (variant, variant_cut)] =
            [self.tokens_of(texts[0])?, self.tokens_of(texts[1])?];
        self.check(&encoding)?;
        self.check(&variant)?;
        note_unknown(&mut encoding, &variant);
        let row = EncodedRow {
            encoding,
            variant: Some(variant),
            cut: cut || variant_cut,
            ..EncodedRow::default()
        };
        (comparison.check)(&row, texts)?;
        Ok(row)
    }
}

/// Counts what the vocabulary lacks of either text once: most of it is in both.
fn note_unknown(encoding: &mut Encoding, variant: &Encoding) {
    encoding.outside = encoding.outside.max(variant.outside);
    encoding.unknown = encoding.unknown.max(variant.unknown);
    encoding.dropped = encoding.dropped.max(variant.dropped);
    for (missing, &times) in &variant.missing {
        let own = encoding.missing.entry(missing.clone()).or_default();
        *own = times.max(*own);
    }
}
