//! A decoder with its head, ready to write; of an encoder-decoder with the encoder that reads what it writes about.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use engraft_component::Refusal;
use engraft_kernels::{ClassTargets, Key, gather_rows};
use engraft_models::{
    CausalLmHead, Checkpoint, Compute, Encoded, EncodedCache, Initial, Kept, KeyValueCache, Mode,
    PackedTokens, TokenBatch, Transformer, TransformerConfig, rounded,
};

use crate::error::{Error, Result};

/// A decoder with its language-model head, and the encoder before it where there is one.
#[derive(Debug)]
pub struct LanguageModel {
    encoder: Option<Transformer>,
    decoder: Transformer,
    head: CausalLmHead,
    device: Device,
}

impl LanguageModel {
    /// Loads the weights of a preset to where they are computed with; those that start from scratch are drawn from `seed`.
    ///
    /// # Errors
    /// The preset has no language-model head, or its weights do not fit.
    pub fn load(checkpoint: &Checkpoint, compute: &Compute, seed: u64) -> Result<Self> {
        let device = compute.device.clone();
        let initial = Initial {
            device: device.clone(),
            key: Key::new(seed),
        };
        // The head is looked for first: without it nothing else needs to be read.
        if checkpoint.config().decoder.is_some() {
            let head = checkpoint.seq2seq_lm(true, &initial)?;
            let encoder = checkpoint.encoder(&initial)?;
            let model = Self::new(checkpoint.decoder(&initial)?, head, device);
            return Ok(model.after(encoder).rounded(compute));
        }
        let head = checkpoint.causal_lm(true, &initial)?;
        let model = Self::new(checkpoint.encoder(&initial)?, head, device);
        Ok(model.rounded(compute))
    }

    /// The same with weights rounded to the numbers that are computed with.
    fn rounded(self, compute: &Compute) -> Self {
        let dtype = compute.dtype;
        Self {
            encoder: self.encoder.map(|encoder| rounded(encoder, dtype)),
            decoder: rounded(self.decoder, dtype),
            head: rounded(self.head, dtype),
            device: self.device,
        }
    }

    /// A model of parts that are on `device` already.
    pub fn new(decoder: Transformer, head: CausalLmHead, device: Device) -> Self {
        Self {
            encoder: None,
            decoder,
            head,
            device,
        }
    }

    /// The same that writes about what `encoder` reads.
    #[must_use]
    pub fn after(self, encoder: Transformer) -> Self {
        Self {
            encoder: Some(encoder),
            ..self
        }
    }

    /// The shape of the encoder, if there is one.
    pub fn encoder_config(&self) -> Option<&TransformerConfig> {
        self.encoder.as_ref().map(Transformer::config)
    }

    /// The transformer whose token embeddings words are written by.
    fn words(&self) -> &Transformer {
        match &self.encoder {
            Some(encoder) if self.decoder.embeddings.tokens.is_none() => encoder,
            _ => &self.decoder,
        }
    }

    /// The decoder's shape.
    pub fn config(&self) -> &TransformerConfig {
        self.decoder.config()
    }

    /// Tokens that a text may have at most: the positions that the model has vectors for, else the length that its file says it was made for.
    pub fn context(&self) -> Option<usize> {
        let config = self.config();
        config.longest().or(config.context)
    }

    /// Refuses ids that the vocabulary does not have.
    ///
    /// # Errors
    /// The first of them.
    pub fn check_ids(&self, ids: &[u32]) -> Result<()> {
        check_vocabulary(ids, self.config().vocabulary)
    }

    /// Refuses what the encoder cannot read.
    ///
    /// # Errors
    /// There is no encoder, nothing to read, an id outside its vocabulary, more tokens than it has positions for.
    pub fn check_source(&self, ids: &[u32]) -> Result<()> {
        let Some(config) = self.encoder_config() else {
            let problem = "the model has no encoder that could read a text";
            return Err(Refusal::plain(problem).into());
        };
        if ids.is_empty() {
            let problem = "there is nothing to read: give the encoder at least one token";
            return Err(Refusal::plain(problem).into());
        }
        check_vocabulary(ids, config.vocabulary)?;
        match config.longest().filter(|longest| ids.len() > *longest) {
            Some(longest) => Err(Refusal::plain(format!(
                "the text has {} tokens, more than the {longest} positions of the encoder",
                ids.len()
            ))
            .into()),
            None => Ok(()),
        }
    }

    /// The log-probability of each token of a text given those before it; one less than there are tokens.
    ///
    /// # Errors
    /// There is an encoder, an id is outside the vocabulary, there are more tokens than the model has positions for, logits are no numbers.
    pub fn score(&self, ids: &[u32]) -> Result<Vec<f64>> {
        if self.encoder.is_some() {
            let problem =
                "an encoder-decoder writes about what it reads: a text alone has no probability";
            return Err(Refusal::plain(problem).into());
        }
        self.check_ids(ids)?;
        if let Some(longest) = self.config().longest()
            && ids.len() > longest
        {
            return Err(Refusal::plain(format!(
                "the text has {} tokens, more than the {longest} positions of the model",
                ids.len()
            ))
            .into());
        }
        if ids.len() < 2 {
            return Ok(Vec::new());
        }
        let mut packed = PackedTokens::default();
        packed.push(ids, &vec![0; ids.len()]);
        let batch = TokenBatch::new(&packed, self.config(), &self.device);
        let hidden = self.decoder.forward(&batch, Mode::Evaluate);
        let scored = ids.len() - 1;
        let width = hidden.dims()[1];
        let targets = ClassTargets::new(ids[1..].to_vec());
        let hidden = hidden.slice([0..scored, 0..width]);
        let (_, losses) = self.head.loss(hidden, self.words(), targets);
        let losses: Vec<f32> = losses.into_data().iter::<f32>().collect();
        let (losses, _) = losses.as_chunks::<2>();
        let score = |[loss, _]: &[f32; 2]| {
            if loss.is_nan() {
                Err(Error::Logits("is not a number (NaN)"))
            } else {
                Ok(-f64::from(*loss))
            }
        };
        losses.iter().map(score).collect()
    }

    /// An empty cache, which may be one that goes back.
    pub(crate) fn cache(&self, slots: usize, capacity: usize, goes_back: bool) -> KeyValueCache {
        let new = if goes_back {
            KeyValueCache::that_goes_back
        } else {
            KeyValueCache::new
        };
        new(self.config(), slots, capacity, &self.device)
    }

    /// An empty cache of what the encoder has read, if there is one.
    pub(crate) fn encoded_cache(&self, slots: usize) -> Option<EncodedCache> {
        self.encoder.as_ref()?;
        Some(EncodedCache::new(self.config(), slots, &self.device))
    }

    /// Lets the encoder read `sources`, the first for slot `slots[0]` and so on.
    pub(crate) fn encode(&self, sources: &[&[u32]], slots: &[usize], cache: &mut EncodedCache) {
        let Some(encoder) = &self.encoder else {
            return;
        };
        let mut packed = PackedTokens::default();
        for ids in sources {
            packed.push(ids, &vec![0; ids.len()]);
        }
        let batch = TokenBatch::new(&packed, encoder.config(), &self.device);
        let hidden = encoder.forward(&batch, Mode::Evaluate);
        let encoded = Encoded::of(encoder, hidden, &batch);
        self.decoder.keep_encoded(&encoded, slots, cache);
    }

    /// Whether a text's keys must be computed anew once it has `length` tokens instead of one less.
    pub(crate) fn reads_anew_at(&self, length: usize) -> bool {
        let rotary = self.config().rotary.as_ref();
        rotary.is_some_and(|rotary| rotary.changes(length.saturating_sub(1), length))
    }

    /// Reads `tokens`, sequence `i` into slot `slots[i]` after the `starts[i]` tokens that it holds. Of the tokens that the first of `rows` names,
    /// the logits of what follows, one row after another; of those that the second names, the hidden states.
    pub(crate) fn read(
        &self,
        tokens: &PackedTokens,
        starts: Vec<usize>,
        slots: &[usize],
        rows: [&[usize]; 2],
        cache: &mut KeyValueCache,
        encoded: Option<&EncodedCache>,
    ) -> [Vec<f32>; 2] {
        let batch = TokenBatch::continued(tokens, starts, self.config(), &self.device);
        let mut read = || {
            let kept = encoded.map(|cache| Kept {
                cache,
                table: self.words().embeddings.table(),
            });
            let hidden = self.decoder.forward_cached(&batch, slots, cache, kept);
            let states = if rows[1].is_empty() {
                Vec::new()
            } else {
                values(self.rows(hidden.clone(), rows[1]))
            };
            let hidden = self.rows(hidden, rows[0]);
            [values(self.head.forward(hidden, self.words())), states]
        };
        // A token is many small parallel loops: from outside the pool each of them would wake a thread and wait for it.
        rayon::scope(|_| read())
    }

    /// Some rows of a matrix, in rising order.
    fn rows(&self, hidden: Tensor<2>, rows: &[usize]) -> Tensor<2> {
        if hidden.dims()[0] == rows.len() {
            return hidden;
        }
        let rows: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let count = rows.len();
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &self.device);
        gather_rows(hidden, rows)
    }
}

/// Refuses ids that a vocabulary does not have.
fn check_vocabulary(ids: &[u32], vocabulary: usize) -> Result<()> {
    match ids.iter().find(|&&id| id as usize >= vocabulary) {
        Some(id) => Err(Refusal::plain(format!(
            "the token id {id} is outside the model's vocabulary, which ends at {}",
            vocabulary.saturating_sub(1)
        ))
        .into()),
        None => Ok(()),
    }
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    let values = tensor.into_data();
    // Element by element, as other types have to go, 32 rows of logits would take as long as a layer.
    match values.dtype() {
        DType::F32 => values.try_into_vec::<f32>().unwrap_or_default(),
        _ => values.iter::<f32>().collect(),
    }
}
