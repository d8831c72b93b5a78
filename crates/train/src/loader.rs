//! Batches in order, tokenised ahead on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use engraft_data::{BatchBy, Batching, Examples, Order, plan_rows, plan_window};
use engraft_tasks::{Batch, Model, RowEncoder};

use crate::error::Result;

/// Batches that wait to be computed.
const AHEAD: usize = 4;

/// Rows tokenised at once when only their lengths are wanted.
const ROWS_AT_ONCE: usize = 1024;

/// The batches of one split.
pub(crate) struct Loader {
    encoder: RowEncoder,
    examples: Arc<Examples>,
    classes: Option<Arc<Vec<u32>>>,
    batching: Batching,
    /// The seed of the order; none for the order of the file.
    seed: Option<u64>,
    /// Tokens of each row, where batches depend on them.
    lengths: Option<Vec<usize>>,
}

impl Loader {
    /// The batches of `examples`; shuffled by `seed`, or in the order of the file.
    ///
    /// # Errors
    /// Where batches depend on lengths: a row that cannot be encoded.
    pub(crate) fn new(
        model: &Model,
        examples: Arc<Examples>,
        classes: Option<Vec<u32>>,
        batching: &Batching,
        seed: Option<u64>,
    ) -> Result<Self> {
        let encoder = model.row_encoder();
        let sorts = batching.token_budget.is_some() || batching.batch_window.is_some();
        let lengths = if sorts {
            Some(lengths(&encoder, &examples)?)
        } else {
            None
        };
        Ok(Self {
            encoder,
            examples,
            classes: classes.map(Arc::new),
            batching: batching.clone(),
            seed,
            lengths,
        })
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.examples.len()
    }

    /// The rows of each batch of `epoch`.
    pub(crate) fn plan(&self, epoch: u64) -> Vec<Vec<usize>> {
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
            return plan_rows(self.rows(), rows, order);
        };
        let mean = lengths.iter().sum::<usize>() as f64 / lengths.len().max(1) as f64;
        let window = by.window(self.batching.batch_window, mean);
        let rows = order.rows(self.rows());
        let windows = rows.chunks(window).zip(0u64..).flat_map(|(rows, number)| {
            let lengths: Vec<usize> = rows.iter().map(|&row| lengths[row]).collect();
            plan_window(rows, &lengths, by, self.seed.unwrap_or(0), epoch, number)
        });
        windows.collect()
    }

    /// The batches of `plan`, tokenised ahead. Dropping the iterator ends the thread.
    pub(crate) fn batches(
        &self,
        plan: Vec<Vec<usize>>,
    ) -> impl Iterator<Item = Result<Batch>> + use<> {
        let (sender, receiver): (_, Receiver<Result<Batch>>) = sync_channel(AHEAD);
        let (encoder, examples, classes) = (
            self.encoder.clone(),
            Arc::clone(&self.examples),
            self.classes.clone(),
        );
        std::thread::spawn(move || {
            for rows in plan {
                let batch = encoder.encode(&examples, &rows).map(|encoded| {
                    Batch::collate(
                        &rows,
                        &encoded,
                        classes.as_ref().map(|classes| classes.as_slice()),
                    )
                });
                if sender.send(batch.map_err(Into::into)).is_err() {
                    return;
                }
            }
        });
        receiver.into_iter()
    }
}

/// The length of every row in tokens.
fn lengths(encoder: &RowEncoder, examples: &Examples) -> Result<Vec<usize>> {
    let rows: Vec<usize> = (0..examples.len()).collect();
    let mut lengths = Vec::with_capacity(rows.len());
    for rows in rows.chunks(ROWS_AT_ONCE) {
        lengths.extend(
            encoder
                .encode(examples, rows)?
                .iter()
                .map(|row| row.encoding.len()),
        );
    }
    Ok(lengths)
}
