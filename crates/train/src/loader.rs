//! Batches in order, tokenised ahead on a thread of its own.

mod windows;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use engraft_data::{
    BatchBy, Batching, Examples, Order, Texts, TokenUnit, plan_rows, plan_tokens, plan_window,
};
use engraft_tasks::{Batch, Draws, Model, RowEncoder, Targets};

use self::windows::Windows;
use crate::error::{Error, Result};

/// Batches that wait to be computed.
const AHEAD: usize = 4;

/// The batches of one split: of its rows, or of the windows in which they are read.
pub(crate) struct Loader {
    encoder: RowEncoder,
    examples: Arc<Examples>,
    targets: Arc<Targets>,
    /// What has a class each, where letters or words have.
    unit: Option<TokenUnit>,
    batching: Batching,
    /// The seed of the order; none for the order of the file.
    seed: Option<u64>,
    /// Tokens of each row, or of each window, where batches depend on them.
    lengths: Option<Vec<usize>>,
    /// The windows in which rows are read, where these may be several.
    windows: Option<Arc<Windows>>,
    /// Whether batches come in the order of the file.
    in_order: bool,
}

impl Loader {
    /// The batches of `examples`; shuffled by `seed`, or in the order of the file.
    ///
    /// # Errors
    /// Where batches depend on lengths: a row that cannot be encoded.
    pub(crate) fn new(
        model: &Model,
        examples: Arc<Examples>,
        targets: Targets,
        batching: &Batching,
        seed: Option<u64>,
    ) -> Result<Self> {
        let encoder = model.row_encoder();
        let sorts = batching.token_budget.is_some() || batching.batch_window.is_some();
        let unit = match encoder.locates().then(|| targets.unit().or(model.unit())) {
            Some(None) => Some(TokenUnit::of_texts(&examples.texts)?),
            known => known.flatten(),
        };
        let windows = match encoder.divides() {
            true => Some(Windows::of(&encoder, &examples)?),
            false => None,
        };
        let lengths = match &windows {
            _ if !sorts => None,
            Some(windows) => Some(windows.lengths()),
            None => Some(encoder.lengths(&examples, unit)?),
        };
        Ok(Self {
            windows: windows.map(Arc::new),
            in_order: false,
            encoder,
            examples,
            targets: Arc::new(targets),
            unit,
            batching: batching.clone(),
            seed,
            lengths,
        })
    }

    /// The batches of `examples` in the order of the file, as they are scored and predicted.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub(crate) fn in_order(
        model: &Model,
        examples: Arc<Examples>,
        targets: Targets,
        batching: &Batching,
    ) -> Result<Self> {
        let divides = model.row_encoder().divides();
        let batching = Batching {
            // Sorting by length would save nothing, as nothing is padded, and cost the order.
            batch_window: None,
            // Windows are known before batches are, and may be long.
            token_budget: batching.token_budget.filter(|_| divides),
            ..batching.clone()
        };
        let loader = Self::new(model, examples, targets, &batching, None)?;
        Ok(Self {
            in_order: true,
            ..loader
        })
    }

    /// Number of rows, or of the windows in which they are read.
    pub(crate) fn rows(&self) -> usize {
        let windows = self.windows.as_ref();
        windows.map_or(self.examples.len(), |windows| windows.len())
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
        for text in self.examples.texts.iter().flat_map(Texts::iter) {
            eat(text?.as_bytes());
            eat(&[0xff]);
        }
        self.targets.digest(&mut eat);
        Ok(hash)
    }

    /// Encodes every row once, so that one that cannot be is found before anything is computed.
    ///
    /// Where every row fits, nothing is done.
    ///
    /// # Errors
    /// The first row that is too long.
    pub(crate) fn check_rows(&self) -> Result<()> {
        if !self.encoder.refuses() || self.lengths.is_some() || self.windows.is_some() {
            return Ok(());
        }
        let lengths = self.encoder.lengths(&self.examples, self.unit);
        lengths.map(drop).map_err(Into::into)
    }

    /// Whether every epoch has as many batches as the first.
    pub(crate) fn is_even(&self) -> bool {
        self.lengths.is_none()
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
        if let (true, BatchBy::Tokens(budget)) = (self.in_order, by) {
            return plan_tokens(lengths, budget);
        }
        let mean = lengths.iter().sum::<usize>() as f64 / lengths.len().max(1) as f64;
        let window = by.window(self.batching.batch_window, mean);
        let rows = order.rows(self.rows());
        let windows = rows.chunks(window).zip(0u64..).flat_map(|(rows, number)| {
            let lengths: Vec<usize> = rows.iter().map(|&row| lengths[row]).collect();
            plan_window(rows, &lengths, by, self.seed.unwrap_or(0), epoch, number)
        });
        windows.collect()
    }

    /// The batches of `plan`, tokenised ahead, tokens masked by `draws`. Dropping the iterator ends the thread.
    pub(crate) fn batches(&self, plan: Vec<Vec<usize>>, draws: Draws) -> Batches {
        let left = plan.len();
        let (sender, receiver): (_, Receiver<Result<Batch>>) = sync_channel(AHEAD);
        let (encoder, examples) = (self.encoder.clone(), Arc::clone(&self.examples));
        let (targets, unit) = (Arc::clone(&self.targets), self.unit);
        let windows = self.windows.clone();
        std::thread::spawn(move || {
            for numbers in plan {
                let (rows, encoded) = match &windows {
                    Some(windows) => windows.encode(&encoder, &examples, &numbers),
                    None => {
                        let encoded = encoder.encode(&examples, &numbers, unit);
                        (numbers, encoded)
                    }
                };
                let batch = encoded
                    .map(|rows_encoded| Batch::collate(&rows, rows_encoded, &targets, draws));
                if sender.send(batch.map_err(Into::into)).is_err() {
                    return;
                }
            }
        });
        Batches { receiver, left }
    }
}

/// The batches of a plan, as they come.
pub(crate) struct Batches {
    receiver: Receiver<Result<Batch>>,
    /// Batches still to come.
    left: usize,
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        // A thread that died must not look like the end of the rows.
        Some(self.receiver.recv().unwrap_or_else(|_| {
            Err(Error::Argument(
                "internal error: tokenising ended before the rows did; please report it".into(),
            ))
        }))
    }
}
