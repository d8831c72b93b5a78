//! The batches of a split: which rows are computed together, and in which order.

use std::sync::Arc;

use engraft_data::{
    BatchBy, Batching, Examples, Hiding, Order, plan_rows, plan_tokens, plan_window,
};
use engraft_tasks::{Draws, Pass, Source, Split, TaskSpec};

use crate::error::Result;
use crate::settings::Amount;

/// Which rows are computed together, and in which order.
pub(crate) struct Batches {
    batching: Batching,
    /// The seed of the order; none for the order of the file.
    seed: Option<u64>,
    /// Rows, or the windows in which they are read.
    rows: usize,
    /// Tokens of each, where batches depend on them.
    lengths: Option<Vec<usize>>,
    /// Whether batches come in the order of the file.
    in_order: bool,
    /// The numbers of rows, or of the windows in which they are read, of batches that are kept as they are.
    kept: Option<Vec<usize>>,
}

impl Batches {
    /// Those of `source`; shuffled by `seed`, or in the order of the file.
    ///
    /// # Errors
    /// Where batches depend on lengths: a row that cannot be encoded.
    fn new(source: &Source, batching: &Batching, seed: Option<u64>) -> Result<Self> {
        let sorts = batching.token_budget.is_some() || batching.batch_window.is_some();
        Ok(Self {
            lengths: if sorts { Some(source.lengths()?) } else { None },
            rows: source.len(),
            batching: batching.clone(),
            seed,
            in_order: false,
            kept: source.batches(),
        })
    }

    /// Those of `source` in the order of the file, as rows are scored and predicted.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub(crate) fn in_order(source: &Source, batching: &Batching) -> Result<Self> {
        let batching = Batching {
            // Sorting by length would save nothing, as nothing is padded, and cost the order.
            batch_window: None,
            // Windows are known before batches are, and may be long.
            token_budget: batching.token_budget.filter(|_| source.is_divided()),
            ..batching.clone()
        };
        Ok(Self {
            in_order: true,
            ..Self::new(source, &batching, None)?
        })
    }

    /// Number of rows, or of the windows in which they are read.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The rows of each batch of `epoch`.
    pub(crate) fn plan(&self, epoch: u64) -> Vec<Vec<usize>> {
        if let Some(kept) = &self.kept {
            let mut start = 0;
            let batches = kept.iter().map(|count| {
                let rows = start..start + count;
                start = rows.end;
                rows.collect()
            });
            return batches.collect();
        }
        let order = match self.seed {
            Some(seed) => Order::Shuffled { seed, epoch },
            None => Order::File,
        };
        let by = self.batching.by();
        let Some(lengths) = &self.lengths else {
            let rows = match by {
                BatchBy::Rows(rows) => rows,
                BatchBy::Tokens(_) => 1,
            };
            return plan_rows(self.rows, rows, order);
        };
        if let (true, BatchBy::Tokens(budget)) = (self.in_order, by) {
            return plan_tokens(lengths, budget);
        }
        let mean = lengths.iter().sum::<usize>() as f64 / lengths.len().max(1) as f64;
        let window = by.window(self.batching.batch_window, mean);
        let rows = order.rows(self.rows);
        let windows = rows.chunks(window).zip(0u64..).flat_map(|(rows, number)| {
            let lengths: Vec<usize> = rows.iter().map(|&row| lengths[row]).collect();
            plan_window(rows, &lengths, by, self.seed.unwrap_or(0), epoch, number)
        });
        windows.collect()
    }
}

/// The batches of one split that is learned from, or scored.
pub(crate) struct Loader {
    split: Box<dyn Split>,
    batches: Batches,
}

impl Loader {
    /// The batches that `spec` makes of `examples`, shuffled by `seed`, or in the order of the file.
    ///
    /// # Errors
    /// Labels are missing or unknown; where batches depend on lengths, a row that cannot be encoded.
    pub(crate) fn new(
        spec: &TaskSpec,
        examples: Arc<Examples>,
        masking: Option<Hiding>,
        batching: &Batching,
        seed: Option<u64>,
    ) -> Result<Self> {
        let split = spec.bind(examples, masking)?;
        let batches = Batches::new(split.source(), batching, seed)?;
        Ok(Self { split, batches })
    }

    /// The batches of `examples` in the order of the file, as they are scored.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub(crate) fn in_order(
        spec: &TaskSpec,
        examples: Arc<Examples>,
        masking: Option<Hiding>,
        batching: &Batching,
    ) -> Result<Self> {
        let split = spec.bind(examples, masking)?;
        let batches = Batches::in_order(split.source(), batching)?;
        Ok(Self { split, batches })
    }

    /// Number of rows, or of the windows in which they are read.
    pub(crate) fn rows(&self) -> usize {
        self.batches.rows()
    }

    /// Whether every epoch has as many batches as the first.
    pub(crate) fn is_even(&self) -> bool {
        self.batches.lengths.is_none() || self.batches.kept.is_some()
    }

    /// The rows of each batch of `epoch`.
    pub(crate) fn plan(&self, epoch: u64) -> Vec<Vec<usize>> {
        self.batches.plan(epoch)
    }

    /// A pass over batches.
    pub(crate) fn pass(&self, plan: Vec<Vec<usize>>, draws: Draws) -> Box<dyn Pass> {
        self.split.pass(plan, draws)
    }

    /// A hash of every text and label: what tells one table from another.
    ///
    /// # Errors
    /// A text cannot be read from where it is stored.
    pub(crate) fn fingerprint(&self) -> Result<u64> {
        // FNV-1a, whose value will not change with a compiler.
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut eat = |bytes: &[u8]| {
            for &byte in bytes {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        self.split.source().digest(&mut eat)?;
        self.split.digest(&mut eat);
        Ok(hash)
    }

    /// Encodes every row once, so that one that cannot be is found before anything is computed.
    ///
    /// # Errors
    /// The first row that cannot be encoded.
    pub(crate) fn check_rows(&self) -> Result<()> {
        if self.batches.lengths.is_none() {
            self.split.source().check()?;
        }
        Ok(())
    }
}

/// The batches that a limit leaves.
pub(crate) fn limited(mut plan: Vec<Vec<usize>>, limit: Amount) -> Vec<Vec<usize>> {
    let count = limit.of(plan.len() as u64);
    plan.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    plan
}
