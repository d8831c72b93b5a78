//! Planning batches: which rows are computed together, and in which order.
//!
//! Batches are ragged, so no row pays for the length of another. Sorting a window by length only
//! serves batches of a token budget, whose row counts it makes even, and kernels that like equal
//! lengths side by side.

use crate::shuffle::{Draws, Stream, permutation, shuffle};

/// The order in which rows are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they lie in the file.
    File,
    /// Shuffled anew in each epoch.
    Shuffled {
        /// The seed of the run.
        seed: u64,
        /// The epoch, from 0.
        epoch: u64,
    },
}

impl Order {
    /// The rows `0..n` in this order.
    pub fn rows(self, n: usize) -> Vec<usize> {
        match self {
            Order::File => (0..n).collect(),
            Order::Shuffled { seed, epoch } => permutation(n, seed, Stream::RowOrder, epoch),
        }
    }
}

/// What bounds a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchBy {
    /// At most so many rows.
    Rows(usize),
    /// At most so many tokens; a row that is longer alone is a batch of its own.
    Tokens(usize),
}

impl BatchBy {
    /// How many rows of the visiting order make one window, at least 1.
    ///
    /// `batches` is the window's size in batches; by default 1 for a count of rows and 64 for a
    /// budget of tokens. `mean_length` is the mean row's length in tokens, as well as it is known
    /// before rows are tokenised; it must be computed alike in every epoch of a run.
    pub fn window(self, batches: Option<usize>, mean_length: f64) -> usize {
        let rows = match self {
            BatchBy::Rows(rows) => rows.saturating_mul(batches.unwrap_or(1)),
            BatchBy::Tokens(budget) => {
                // A mean that is not a positive number counts as one token a row.
                let rows_of_batch = budget as f64 / mean_length.max(1.0);
                (rows_of_batch.max(1.0) * batches.unwrap_or(64) as f64).ceil() as usize
            }
        };
        rows.max(1)
    }
}

/// The rows `0..n` in batches of `batch_size` rows, the last one possibly smaller.
///
/// A `batch_size` of 0 counts as 1.
pub fn plan_rows(n: usize, batch_size: usize, order: Order) -> Vec<Vec<usize>> {
    order
        .rows(n)
        .chunks(batch_size.max(1))
        .map(<[usize]>::to_vec)
        .collect()
}

/// One window of rows, cut into batches.
///
/// `rows` are the window's rows as they are visited and `lengths` their lengths in tokens, in the
/// same order (a row without a length counts as empty). Rows are sorted by length, rows of equal
/// length staying in order, cut into batches, and the batches put in an order drawn from the seed,
/// the epoch and the number of the window. A window that one batch of rows can hold keeps its order.
pub fn plan_window(
    rows: &[usize],
    lengths: &[usize],
    by: BatchBy,
    seed: u64,
    epoch: u64,
    window: u64,
) -> Vec<Vec<usize>> {
    if rows.is_empty() {
        return vec![];
    }
    if matches!(by, BatchBy::Rows(size) if rows.len() <= size) {
        return vec![rows.to_vec()];
    }
    let length = |position: usize| lengths.get(position).copied().unwrap_or(0);
    let mut sorted: Vec<(usize, usize)> = rows
        .iter()
        .enumerate()
        .map(|(position, row)| (length(position), *row))
        .collect();
    sorted.sort_by_key(|(length, _)| *length);
    let mut batches = match by {
        BatchBy::Rows(size) => {
            let batches = sorted.chunks(size.max(1));
            batches
                .map(|batch| batch.iter().map(|(_, row)| *row).collect())
                .collect()
        }
        BatchBy::Tokens(budget) => cut_by_tokens(&sorted, budget),
    };
    shuffle(
        &mut batches,
        Draws::new(seed, Stream::BatchOrder, epoch).part(window),
    );
    batches
}

/// The rows of these lengths in the order of the file, in batches of at most `budget` tokens; a row that is longer alone is a batch of its
/// own.
pub fn plan_tokens(lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let rows: Vec<(usize, usize)> = lengths.iter().copied().zip(0..).collect();
    cut_by_tokens(&rows, budget)
}

/// Fills batches in order of `(length, row)` as long as the sum of lengths stays in the budget.
fn cut_by_tokens(sorted: &[(usize, usize)], budget: usize) -> Vec<Vec<usize>> {
    let mut batches = vec![];
    let mut batch = vec![];
    let mut tokens: usize = 0;
    for (length, row) in sorted {
        let together = tokens.saturating_add(*length);
        if together > budget && !batch.is_empty() {
            batches.push(std::mem::take(&mut batch));
            tokens = *length;
        } else {
            tokens = together;
        }
        batch.push(*row);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_in_file_order_are_cut_by_count() {
        assert_eq!(
            plan_rows(5, 2, Order::File),
            [vec![0, 1], vec![2, 3], vec![4]]
        );
        assert!(plan_rows(0, 2, Order::File).is_empty());
    }

    #[test]
    fn an_epoch_has_its_own_order() {
        let epoch = |epoch| plan_rows(40, 40, Order::Shuffled { seed: 3, epoch });
        assert_eq!(epoch(0), epoch(0));
        assert_ne!(epoch(0), epoch(1));
    }

    #[test]
    fn a_window_of_one_batch_of_rows_keeps_its_order() {
        assert_eq!(
            plan_window(&[7, 3, 5], &[9, 1, 4], BatchBy::Rows(4), 0, 0, 0),
            [vec![7, 3, 5]]
        );
    }

    #[test]
    fn a_window_is_sorted_by_length_and_ties_stay_in_order() {
        let mut batches = plan_window(&[7, 3, 5, 1], &[9, 2, 4, 2], BatchBy::Rows(2), 0, 0, 0);
        batches.sort_by_key(|batch| batch[0]);
        assert_eq!(batches, [vec![3, 1], vec![5, 7]]);
    }

    #[test]
    fn a_token_budget_is_filled_and_a_long_row_stands_alone() {
        let mut batches = plan_window(
            &[0, 1, 2, 3, 4],
            &[5, 4, 50, 3, 3],
            BatchBy::Tokens(10),
            0,
            0,
            0,
        );
        batches.sort_by_key(|batch| batch.iter().copied().min());
        assert_eq!(batches, [vec![0], vec![3, 4, 1], vec![2]]);
    }

    #[test]
    fn rows_in_file_order_are_cut_by_tokens() {
        assert_eq!(
            plan_tokens(&[5, 4, 50, 3, 3], 10),
            [vec![0, 1], vec![2], vec![3, 4]]
        );
        assert!(plan_tokens(&[], 10).is_empty());
    }

    #[test]
    fn the_order_of_batches_depends_on_seed_epoch_and_window() {
        let rows: Vec<usize> = (0..60).collect();
        let plan =
            |seed, epoch, window| plan_window(&rows, &rows, BatchBy::Rows(2), seed, epoch, window);
        assert_eq!(plan(1, 1, 1), plan(1, 1, 1));
        assert_ne!(plan(1, 1, 1), plan(2, 1, 1));
        assert_ne!(plan(1, 1, 1), plan(1, 2, 1));
        assert_ne!(plan(1, 1, 1), plan(1, 1, 2));
    }

    #[test]
    fn default_windows_are_one_batch_of_rows_or_64_of_tokens() {
        assert_eq!(BatchBy::Rows(16).window(None, 100.0), 16);
        assert_eq!(BatchBy::Rows(16).window(Some(4), 100.0), 64);
        assert_eq!(BatchBy::Tokens(1000).window(None, 100.0), 640);
        assert_eq!(BatchBy::Tokens(1000).window(Some(2), f64::NAN), 2000);
        assert_eq!(BatchBy::Tokens(10).window(Some(0), 100.0), 1);
    }

    proptest! {
        #[test]
        fn batches_hold_every_row_once_within_the_budget(
            lengths in proptest::collection::vec(0usize..60, 0..80),
            limit in 1usize..100,
            by_tokens: bool,
            seed: u64,
        ) {
            let rows: Vec<usize> = (0..lengths.len()).rev().collect();
            let of_rows: Vec<usize> = rows.iter().map(|row| lengths[*row]).collect();
            let by = if by_tokens { BatchBy::Tokens(limit) } else { BatchBy::Rows(limit) };
            let batches = plan_window(&rows, &of_rows, by, seed, 2, 5);
            for batch in &batches {
                let tokens: usize = batch.iter().map(|row| lengths[*row]).sum();
                prop_assert!(!batch.is_empty());
                match by {
                    BatchBy::Rows(size) => prop_assert!(batch.len() <= size),
                    BatchBy::Tokens(budget) => prop_assert!(tokens <= budget || batch.len() == 1),
                }
            }
            let mut all: Vec<usize> = batches.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
        }
    }
}
