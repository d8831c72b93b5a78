//! An encoder that computes what it has not computed before.
//!
//! A sequence is known by its tokens: their ids and types, after cutting and masking. These, the weights and the shape are all that hidden states
//! depend on (positions are counted, factors of embeddings follow from the ids), and the tokenizer, `max_length` and the policy for letters
//! show in nothing else. What is kept is what the rest of the model asks for: where it begins by pooling, the pooled vector alone.
//!
//! A sequence that is not known is computed by itself, on one thread: products over several at once may round otherwise, and a value must be the
//! same whatever was known before, in whichever batch, and on however many threads. So a run that is killed and goes on ends in the same bits
//! although it finds more in the cache.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use burn::tensor::{Device, Tensor, TensorData};
use engraft_cache::{Cache, Key, Limits, Space, default_folder};
use engraft_models::{Mode, PackedTokens, Pooling, TokenBatch, Transformer};
use rayon::{ThreadPool, ThreadPoolBuilder, current_num_threads};

use crate::cache_settings::{ByteSize, CacheSettings};
use crate::error::{Error, Result};
use crate::network::Network;

/// The version of what is kept under a key.
const FORMAT: u32 = 1;

/// The folder of hidden states within the user's folder for caches.
const FOLDER: &str = "hidden-states";

/// An encoder that is not trained, with what it has computed before.
pub(crate) struct CachedEncoder {
    encoder: Transformer,
    /// What computes it.
    device: Device,
    /// What is kept of a sequence: its vectors pooled, or each of them.
    pooling: Option<Pooling>,
    space: Space,
    known: Mutex<Known>,
    /// Threads that compute one sequence each.
    threads: OnceLock<Vec<ThreadPool>>,
}

/// What was computed before, and how often it was asked for.
struct Known {
    cache: Cache,
    limit: ByteSize,
    /// Sequences that were found.
    found: u64,
    /// Sequences that were computed.
    computed: u64,
}

/// The tokens of one sequence.
#[derive(Clone, Copy)]
struct Sequence<'a> {
    ids: &'a [u32],
    type_ids: &'a [u32],
}

impl Network {
    /// Keeps hidden states as `settings` say, and takes them from there; the encoder must not be changed from here on.
    ///
    /// # Errors
    /// The folder's name is that of a file. A folder that cannot be written to is none: notes say so ([`Self::cache_notes`]).
    pub fn open_cache(&mut self, settings: &CacheSettings) -> Result<()> {
        let folder = match &settings.file_cache_dir {
            Some(folder) => folder.clone(),
            None => default_folder().join(FOLDER),
        };
        if folder.is_file() {
            return Err(Error::refused(
                "model.backbone.file_cache_dir",
                format!("{} is a file; name a folder", folder.display()),
            ));
        }
        let encoder = self.encoder().clone();
        let pooling = self.head().pooling();
        let space = space(&encoder, pooling);
        let limits = Limits {
            size: settings.cache_max_size.0,
            waiting: settings.cache_write_buffer_size,
        };
        let cache = Cache::open(folder, space, limits, settings.overwrite_file_cache);
        self.cached = Some(Arc::new(CachedEncoder {
            encoder,
            device: self.device(),
            pooling,
            space,
            known: Mutex::new(Known {
                cache,
                limit: settings.cache_max_size,
                found: 0,
                computed: 0,
            }),
            threads: OnceLock::new(),
        }));
        Ok(())
    }

    /// Takes up the cache of another network if both have one encoder and ask the same of it.
    pub fn share_cache(&mut self, other: &Self) {
        let Some(cached) = &other.cached else { return };
        if space(self.encoder(), self.head().pooling()) == cached.space {
            self.cached = Some(Arc::clone(cached));
        }
    }

    /// What happened to the cache that the user should know, each once; nothing without one.
    pub fn cache_notes(&self) -> Vec<String> {
        let cached = self.cached.as_ref();
        cached.map_or_else(Vec::new, |cached| cached.known().cache.take_notes())
    }

    /// Writes what waits, and says how often hidden states were found and how much there is of them; none without a cache.
    pub fn close_cache(&self) -> Option<String> {
        let cached = self.cached.as_ref()?;
        Some(cached.known().report())
    }
}

impl fmt::Debug for CachedEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedEncoder").finish_non_exhaustive()
    }
}

impl CachedEncoder {
    /// How what it gives is pooled.
    pub(crate) fn pooling(&self) -> Option<Pooling> {
        self.pooling
    }

    /// The vectors of all tokens, `[tokens, hidden]`, or pooled, `[sequences, hidden]`.
    pub(crate) fn forward(&self, tokens: &PackedTokens, device: &Device) -> Tensor<2> {
        let width = self.encoder.config().hidden;
        let sequences = divide(tokens);
        let mut values: Vec<Option<Vec<f32>>> = vec![None; sequences.len()];
        let mut missing: HashMap<Key, Vec<usize>> = HashMap::new();
        let mut order = Vec::new();
        let mut known = self.known();
        for (at, sequence) in sequences.iter().enumerate() {
            let rows = self.rows(sequence);
            if sequence.ids.is_empty() {
                values[at] = Some(vec![0.0; rows * width]);
                continue;
            }
            let key = self.key(sequence);
            let found = known.cache.get(key).and_then(|bytes| numbers(&bytes));
            if let Some(found) = found.filter(|found| found.len() == rows * width) {
                known.found += 1;
                values[at] = Some(found);
                continue;
            }
            // A sequence that the batch has several times is computed once.
            let places = missing.entry(key).or_default();
            if places.is_empty() {
                order.push((key, *sequence))
            } else {
                known.found += 1
            }
            places.push(at);
        }
        known.computed += order.len() as u64;
        drop(known);
        let sequences: Vec<_> = order.iter().map(|(_, sequence)| *sequence).collect();
        let computed = self.compute(&sequences);
        let mut known = self.known();
        for ((key, _), computed) in order.iter().zip(computed) {
            for &at in missing.get(key).into_iter().flatten() {
                values[at] = Some(computed.clone());
            }
            known.cache.put(*key, bytes(&computed));
        }
        let values: Vec<f32> = values.into_iter().flatten().flatten().collect();
        let rows = values.len() / width.max(1);
        Tensor::from_data(TensorData::new(values, [rows, width]), device)
    }

    /// Rows of a sequence's value.
    fn rows(&self, sequence: &Sequence<'_>) -> usize {
        match self.pooling {
            Some(_) => 1,
            None => sequence.ids.len(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // What a thread that died may have left out is a value that is not kept.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hash of all that a sequence's value depends on.
    fn key(&self, sequence: &Sequence<'_>) -> Key {
        let mut hash = blake3::Hasher::new();
        hash.update(&self.space.0);
        hash.update(&(sequence.ids.len() as u64).to_le_bytes());
        for numbers in [sequence.ids, sequence.type_ids] {
            for number in numbers {
                hash.update(&number.to_le_bytes());
            }
        }
        Key(*hash.finalize().as_bytes())
    }

    /// The values of sequences, each computed by itself on one thread, in their order.
    fn compute(&self, sequences: &[Sequence<'_>]) -> Vec<Vec<f32>> {
        let (encoder, pooling) = (&self.encoder, self.pooling);
        let pools = self.threads.get_or_init(|| {
            let pool = |_| ThreadPoolBuilder::new().num_threads(1).build().ok();
            (0..current_num_threads()).filter_map(pool).collect()
        });
        let next = AtomicUsize::new(0);
        let work = |encoder: &Transformer| {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(sequence) = sequences.get(at) else {
                    return done;
                };
                done.push((at, value(encoder, &self.device, pooling, sequence)));
            }
        };
        let mut done = thread::scope(|scope| {
            let workers: Vec<_> = pools
                .iter()
                .take(sequences.len())
                .map(|pool| {
                    let (encoder, work) = (encoder.clone(), &work);
                    scope.spawn(move || pool.install(|| work(&encoder)))
                })
                .collect();
            let done = workers.into_iter().flat_map(|worker| match worker.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            done.collect::<Vec<_>>()
        });
        // What is left where no thread could be started.
        done.extend(work(encoder));
        done.sort_unstable_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, value)| value).collect()
    }
}

impl Known {
    fn report(&mut self) -> String {
        self.cache.flush();
        let left_out = match self.cache.left_out() {
            0 => String::new(),
            count => format!(", {count} of which were not kept"),
        };
        format!(
            "hidden states of {} sequences: {} were in the cache, {} were computed{left_out}; {} holds {} of at most {}",
            self.found + self.computed,
            self.found,
            self.computed,
            self.cache.folder().display(),
            ByteSize(self.cache.size()).rounded(),
            self.limit
        )
    }
}

/// The value of one sequence, which has tokens.
fn value(
    encoder: &Transformer,
    device: &Device,
    pooling: Option<Pooling>,
    sequence: &Sequence<'_>,
) -> Vec<f32> {
    let mut tokens = PackedTokens::default();
    tokens.push(sequence.ids, sequence.type_ids);
    let batch = TokenBatch::new(&tokens, encoder.config(), device);
    let hidden = encoder.forward(&batch, Mode::Evaluate);
    let value = match pooling {
        Some(pooling) => pooling.apply(hidden, &batch),
        None => hidden,
    };
    value.into_data().iter::<f32>().collect()
}

/// What the values of an encoder have in common.
fn space(encoder: &Transformer, pooling: Option<Pooling>) -> Space {
    let mut hash = blake3::Hasher::new();
    hash.update(&FORMAT.to_le_bytes());
    hash.update(&encoder.fingerprint());
    let pooling: u8 = match pooling {
        None => 0,
        Some(Pooling::Cls) => 1,
        Some(Pooling::Mean) => 2,
        Some(Pooling::Max) => 3,
        Some(Pooling::Last) => 4,
        Some(Pooling::MeanSqrtLen) => 5,
        Some(Pooling::WeightedMean) => 6,
    };
    hash.update(&[pooling]);
    Space(*hash.finalize().as_bytes())
}

/// The sequences of a batch.
fn divide(tokens: &PackedTokens) -> Vec<Sequence<'_>> {
    let mut start = 0;
    let lengths = tokens.lengths.iter();
    lengths
        .map(|length| {
            let range = start..start + length;
            start = range.end;
            Sequence {
                ids: &tokens.ids[range.clone()],
                type_ids: &tokens.type_ids[range],
            }
        })
        .collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// None if the bytes are no whole number of numbers.
fn numbers(bytes: &[u8]) -> Option<Vec<f32>> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    let values = numbers.iter().map(|&bytes| f32::from_le_bytes(bytes));
    rest.is_empty().then(|| values.collect())
}

#[cfg(test)]
pub(crate) mod tests;
