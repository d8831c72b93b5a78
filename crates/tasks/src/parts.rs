//! A batch in parts, so that what is computed at once does not grow with the number of its rows.
//!
//! Outside training rows do not meet: each row's output depends on its own tokens alone. So a batch is what is read, written and
//! scored together, and a part of it is what fills memory with hidden states.

use std::ops::Range;

use engraft_models::PackedTokens;

use crate::batch::Batch;

/// Tokens of a part, unless a row alone has more: enough to keep many cores busy, at a few megabytes for each layer.
pub(crate) const TOKENS_AT_ONCE: usize = 8192;

/// Neighbouring rows of a batch.
#[derive(Debug, PartialEq)]
pub(crate) struct Part {
    /// Their tokens, laid end to end.
    pub(crate) tokens: PackedTokens,
    /// The tokens among these that the head is computed at, where it is not computed at all of them or at whole rows.
    pub(crate) heads: Option<Vec<u32>>,
}

impl Batch {
    /// Its rows in order, in parts of at most so many tokens, or of one row; without the parts that the head is computed nowhere in.
    pub(crate) fn parts(&self, tokens: usize) -> impl Iterator<Item = Part> {
        let lengths = &self.tokens.lengths;
        let (mut row, mut token, mut head) = (0, 0, 0);
        let parts = std::iter::from_fn(move || {
            let mut total = 0;
            let fits = |length: &&usize| {
                total += **length;
                total <= tokens
            };
            let rest = lengths.get(row..).filter(|rest| !rest.is_empty())?;
            let rows = row..row + rest.iter().take_while(fits).count().max(1);
            let tokens = token..token + lengths[rows.clone()].iter().sum::<usize>();
            let heads = head..head + self.heads_of_row[rows.clone()].iter().sum::<usize>();
            (row, token, head) = (rows.end, tokens.end, heads.end);
            Some(self.part(rows, tokens, heads))
        });
        parts.filter(|part| part.heads.as_ref().is_none_or(|heads| !heads.is_empty()))
    }

    fn part(&self, rows: Range<usize>, tokens: Range<usize>, heads: Range<usize>) -> Part {
        let start = tokens.start as u32;
        let from_start = |token: &u32| token - start;
        Part {
            heads: self
                .heads
                .as_ref()
                .map(|all| all[heads].iter().map(from_start).collect()),
            tokens: PackedTokens {
                ids: self.tokens.ids[tokens.clone()].to_vec(),
                type_ids: self.tokens.type_ids[tokens].to_vec(),
                lengths: self.tokens.lengths[rows].to_vec(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of these many tokens, each numbered by its place in the batch, with heads at some places of each row.
    fn batch(lengths: &[usize], heads: Option<&[&[u32]]>) -> Batch {
        let mut batch = Batch::default();
        for (row, &length) in lengths.iter().enumerate() {
            let start = batch.tokens.ids.len() as u32;
            let ids: Vec<u32> = (start..start + length as u32).collect();
            batch.tokens.push(&ids, &vec![row as u32; length]);
            batch.rows.push(row);
            let heads = heads.map_or(&[][..], |heads| heads[row]);
            batch.heads_of_row.push(heads.len());
            let heads = heads.iter().map(|head| start + head);
            batch.heads.get_or_insert_default().extend(heads);
        }
        batch.heads = batch.heads.filter(|_| heads.is_some());
        batch
    }

    fn lengths(batch: &Batch, tokens: usize) -> Vec<Vec<usize>> {
        batch
            .parts(tokens)
            .map(|part| part.tokens.lengths)
            .collect()
    }

    #[test]
    fn parts_have_as_many_rows_as_fit_and_one_at_least() {
        let rows = batch(&[3, 2, 0, 6, 1, 4, 1], None);
        assert_eq!(
            lengths(&rows, 5),
            [vec![3, 2, 0], vec![6], vec![1, 4], vec![1]]
        );
        assert_eq!(lengths(&rows, 17), [vec![3, 2, 0, 6, 1, 4, 1]]);
        assert_eq!(lengths(&batch(&[], None), 5), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn parts_laid_end_to_end_are_the_batch() {
        let whole = batch(&[3, 2, 0, 6, 1, 4, 1], None);
        let mut again = PackedTokens::default();
        for part in whole.parts(4) {
            again.ids.extend(part.tokens.ids);
            again.type_ids.extend(part.tokens.type_ids);
            again.lengths.extend(part.tokens.lengths);
        }
        assert_eq!(again, whole.tokens);
    }

    #[test]
    fn the_head_is_computed_at_the_same_tokens() {
        let heads: [&[u32]; 4] = [&[0, 2], &[], &[1], &[3]];
        let whole = batch(&[3, 2, 2, 4], Some(&heads));
        let parts: Vec<Part> = whole.parts(3).collect();
        let told = parts.iter().flat_map(|part| {
            let heads = part.heads.iter().flatten();
            heads.map(|head| part.tokens.ids[*head as usize])
        });
        // A token's id is its place in the batch. The second row, which has none, is left out.
        assert_eq!(told.collect::<Vec<_>>(), whole.heads.clone().unwrap());
        assert_eq!(lengths(&whole, 3), [[3], [2], [4]]);
    }
}
