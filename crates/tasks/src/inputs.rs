//! What a network is fed for some rows, and where its head is computed.

use std::ops::Range;

use engraft_models::{DECODER, ENCODER, PackedTokens};

/// Tokens of a part, unless a row alone has more: enough to keep many cores busy, at a few megabytes for each layer.
pub(crate) const TOKENS_AT_ONCE: usize = 8192;

/// What one tower is fed: a sequence of tokens for each row, laid end to end.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// The tower.
    pub tower: &'static str,
    /// Its tokens.
    pub tokens: PackedTokens,
}

/// Where a head is computed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sites {
    /// At each row if it pools, else at every token; what is aligned with a row's sequence is none of its tokens.
    #[default]
    Whole,
    /// At some tokens.
    Tokens {
        /// Their places in the batch, ascending.
        at: Vec<u32>,
        /// How many of them each row has.
        of_row: Vec<usize>,
    },
}

/// Numbers that a head is told of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowValues {
    /// Row by row.
    pub values: Vec<f32>,
    /// How many each row has.
    pub width: usize,
}

/// What a network is fed for some rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inputs {
    /// A stream for each tower, the first tower's first.
    pub streams: Vec<Stream>,
    /// Where the head is computed.
    pub sites: Sites,
    /// What the head is told of each row, where it is told anything.
    pub conditions: Option<RowValues>,
}

impl Inputs {
    /// For a network of one tower, its head computed at each row or at every token.
    pub fn whole(tokens: PackedTokens) -> Self {
        Self {
            streams: vec![Stream {
                tower: ENCODER,
                tokens,
            }],
            sites: Sites::Whole,
            conditions: None,
        }
    }

    /// The same with what the head is told of each row.
    #[must_use]
    pub fn told(self, conditions: Option<RowValues>) -> Self {
        Self { conditions, ..self }
    }

    /// For a network of one tower, its head computed at these tokens; each row's sites are counted from its own first token.
    pub fn at(rows: impl IntoIterator<Item = (Vec<usize>, PackedTokens)>) -> Self {
        let mut tokens = PackedTokens::default();
        let (mut at, mut of_row) = (Vec::new(), Vec::new());
        for (sites, row) in rows {
            let start = tokens.ids.len();
            of_row.push(sites.len());
            at.extend(sites.into_iter().map(|site| (start + site) as u32));
            tokens.append(&row);
        }
        Self {
            sites: Sites::Tokens { at, of_row },
            ..Self::whole(tokens)
        }
    }

    /// What the first tower is fed.
    pub fn first(&self) -> Option<&PackedTokens> {
        self.streams.first().map(|stream| &stream.tokens)
    }

    /// What a tower is fed.
    pub fn stream(&self, tower: &str) -> Option<&PackedTokens> {
        let found = self.streams.iter().find(|stream| stream.tower == tower);
        found.map(|stream| &stream.tokens)
    }

    /// The place among the streams of the one whose tokens a head is computed at: a decoder's, else the first.
    fn sited(&self) -> usize {
        let decoder = self.streams.iter().position(|it| it.tower == DECODER);
        decoder.unwrap_or(0)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.first().map_or(0, |tokens| tokens.lengths.len())
    }

    /// How many tokens of each row the head is computed at, where it is computed at tokens.
    pub(crate) fn of_row(&self) -> Vec<usize> {
        match &self.sites {
            Sites::Tokens { of_row, .. } => of_row.clone(),
            Sites::Whole => {
                let sited = self.streams.get(self.sited());
                sited.map_or(Vec::new(), |stream| stream.tokens.query_lengths())
            }
        }
    }

    /// Whether the head is to be computed nowhere: none of its letters or words is scored, or has a token.
    pub fn is_unscored(&self) -> bool {
        matches!(&self.sites, Sites::Tokens { at, .. } if at.is_empty())
    }

    /// Its rows in order, in parts of at most so many tokens, or of one row; without the parts that the head is computed nowhere in.
    ///
    /// Outside training rows do not meet: each row's output depends on its own tokens alone. So a batch is what is read, written and scored
    /// together, and a part of it is what fills memory with hidden states.
    pub(crate) fn parts(&self, tokens: usize) -> impl Iterator<Item = Inputs> {
        let lengths: Vec<usize> = (0..self.rows()).map(|row| self.length(row)).collect();
        let mut from = Position::default();
        let parts = std::iter::from_fn(move || {
            let mut total = 0;
            let fits = |length: &&usize| {
                total += **length;
                total <= tokens
            };
            let rest = lengths.get(from.row..).filter(|rest| !rest.is_empty())?;
            let rows = from.row..from.row + rest.iter().take_while(fits).count().max(1);
            Some(self.part(rows, &mut from))
        });
        parts.filter(|part| !part.is_unscored())
    }

    /// Tokens of a row, in all streams.
    fn length(&self, row: usize) -> usize {
        let streams = self.streams.iter();
        streams.map(|stream| stream.tokens.lengths[row]).sum()
    }

    /// The rows from a position on, which moves behind them.
    fn part(&self, rows: Range<usize>, from: &mut Position) -> Self {
        from.row = rows.end;
        from.tokens.resize(self.streams.len(), 0);
        let first = from.tokens.get(self.sited()).copied().unwrap_or(0);
        let streams = self.streams.iter().zip(&mut from.tokens);
        let streams = streams.map(|(stream, start)| {
            let tokens = stream.tokens.part(rows.clone(), *start);
            *start += tokens.ids.len();
            Stream {
                tower: stream.tower,
                tokens,
            }
        });
        let conditions = self.conditions.as_ref().map(|told| told.part(rows.clone()));
        Self {
            streams: streams.collect(),
            conditions,
            sites: match &self.sites {
                Sites::Whole => Sites::Whole,
                Sites::Tokens { at, of_row } => {
                    let of_row = of_row[rows].to_vec();
                    let sites = from.sites..from.sites + of_row.iter().sum::<usize>();
                    from.sites = sites.end;
                    let at = at[sites].iter().map(|site| site - first as u32);
                    Sites::Tokens {
                        at: at.collect(),
                        of_row,
                    }
                }
            },
        }
    }
}

impl RowValues {
    /// Those of rows of these numbers.
    pub(crate) fn rows(&self, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|row| {
            let values = self.values.iter().skip(row * self.width);
            values.take(self.width).copied()
        });
        Self {
            values: values.collect(),
            width: self.width,
        }
    }

    /// Those of rows that follow each other.
    fn part(&self, rows: Range<usize>) -> Self {
        let values = rows.start * self.width..rows.end * self.width;
        Self {
            values: self.values[values].to_vec(),
            width: self.width,
        }
    }
}

/// How far a batch is divided.
#[derive(Default)]
struct Position {
    row: usize,
    /// In each stream.
    tokens: Vec<usize>,
    sites: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of these many tokens, each numbered by its place in the batch, with sites at some places of each row.
    fn batch(lengths: &[usize], sites: Option<&[&[usize]]>) -> Inputs {
        let mut start = 0;
        let rows = lengths.iter().enumerate().map(|(row, &length)| {
            let ids: Vec<u32> = (start..start + length as u32).collect();
            start += length as u32;
            let mut tokens = PackedTokens::default();
            tokens.push(&ids, &vec![row as u32; length]);
            (
                sites.map_or(Vec::new(), |sites| sites[row].to_vec()),
                tokens,
            )
        });
        let mut inputs = Inputs::at(rows);
        if sites.is_none() {
            inputs.sites = Sites::Whole;
        }
        inputs
    }

    fn lengths(batch: &Inputs, tokens: usize) -> Vec<Vec<usize>> {
        batch
            .parts(tokens)
            .map(|part| part.first().unwrap().lengths.clone())
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
            let tokens = part.first().unwrap();
            again.ids.extend(&tokens.ids);
            again.type_ids.extend(&tokens.type_ids);
            again.lengths.extend(&tokens.lengths);
        }
        assert_eq!(Some(&again), whole.first());
    }

    #[test]
    fn the_head_is_computed_at_the_same_tokens() {
        let sites: [&[usize]; 4] = [&[0, 2], &[], &[1], &[3]];
        let whole = batch(&[3, 2, 2, 4], Some(&sites));
        let of = |inputs: &Inputs| match &inputs.sites {
            Sites::Tokens { at, .. } => at.clone(),
            Sites::Whole => panic!("sites are lost"),
        };
        let parts: Vec<Inputs> = whole.parts(3).collect();
        let found = parts.iter().flat_map(|part| {
            let ids = part.first().unwrap().ids.clone();
            of(part).into_iter().map(move |site| ids[site as usize])
        });
        // A token's id is its place in the batch. The second row, which has none, is left out.
        assert_eq!(found.collect::<Vec<_>>(), of(&whole));
        assert_eq!(lengths(&whole, 3), [[3], [2], [4]]);
    }

    #[test]
    fn each_row_keeps_what_the_head_is_told_of_it() {
        let told = RowValues {
            values: (0..8u8).map(f32::from).collect(),
            width: 2,
        };
        let whole = batch(&[3, 2, 2, 4], None).told(Some(told.clone()));
        let parts = whole.parts(4);
        let found: Vec<f32> = parts.flat_map(|it| it.conditions.unwrap().values).collect();
        assert_eq!(found, told.values);
    }

    #[test]
    fn streams_of_several_towers_are_divided_by_the_same_rows() {
        let mut both = batch(&[3, 2, 4], None);
        both.streams.push(Stream {
            tower: "decoder",
            tokens: batch(&[1, 5, 2], None).streams.remove(0).tokens,
        });
        let parts: Vec<Inputs> = both.parts(11).collect();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].stream("decoder").unwrap().lengths, [1, 5]);
        assert_eq!(parts[1].stream("decoder").unwrap().ids, [6, 7]);
        assert_eq!(parts[1].first().unwrap().ids, [5, 6, 7, 8]);
    }
}
