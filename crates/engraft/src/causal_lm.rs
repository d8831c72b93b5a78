//! Language models that write on, in a few lines of Rust.

use std::path::Path;

use engraft_data::Examples;
use engraft_generate::{
    Defaults, Generate, LanguageModel, Lost, Prompt, Sampler, Settings, Written,
};
use engraft_hub::{LoadReport, Preset};
use engraft_models::Compute;
use engraft_tasks::{Backbone, CausalLM, Model, TaskArguments};
use engraft_text::Tokenizer;

use crate::error::{Error, Result};
use crate::scores::Scores;
use crate::task::{Fit, Task};
use crate::writer::{Compile, Writer};
use crate::writing::{Stream, Writing};

/// A language model that goes on from a prompt: a decoder, its head and its tokenizer.
///
/// ```no_run
/// use engraft::prelude::*;
///
/// let mut lm = CausalLm::from_preset("./gpt2")?;
/// lm.compile(Compile { sampler: TopK { k: 5, temperature: 0.8, seed: Some(1) }.into() })?;
/// let texts = lm.generate(["Keras is a", "Rust is a"], Generate { max_length: Some(64), strip_prompt: true, ..Generate::default() })?;
/// for piece in lm.stream("Once upon a time", Generate::default())? {
///     print!("{}", piece?);
/// }
/// let scores = lm.score(["a sentence"])?;
/// println!("{} {:.1}", texts[0], scores[0].perplexity());
/// # Ok::<(), engraft::Error>(())
/// ```
#[derive(Debug)]
pub struct CausalLm {
    backbone: Backbone,
    writer: Writer,
    /// The same with what training needs, once it was trained.
    trained: Option<Task<CausalLM>>,
}

/// How likely a model finds a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// The sum of the negative log-likelihoods of all tokens but the first, in nats.
    pub nll: f64,
    /// How many tokens that are.
    pub tokens: usize,
}

impl Score {
    /// `exp(nll / tokens)`; 1 for a text of one token, which nothing is said of.
    pub fn perplexity(&self) -> f64 {
        (self.nll / self.tokens.max(1) as f64).exp()
    }
}

impl CausalLm {
    /// Opens a preset: a folder, `hf://org/repo`, or a built-in name.
    ///
    /// # Errors
    /// There is no such preset, it has no language-model head, its weights do not fit.
    pub fn from_preset(preset: &str) -> Result<Self> {
        Self::from_backbone(&Backbone::new(preset))
    }

    /// As [`Self::from_preset`], with all that a backbone can be told: a LoRA adapter to add, keys of `config.json` to replace.
    ///
    /// # Errors
    /// Those of [`Self::from_preset`].
    pub fn from_backbone(backbone: &Backbone) -> Result<Self> {
        Self::open(backbone, None)
    }

    /// As [`Self::from_backbone`], to write as `generate` asks for: what is to be refused of that with this preset is, before the weights are read.
    ///
    /// # Errors
    /// Those of [`Self::from_backbone`] and of [`Self::texts`].
    pub fn to_write(backbone: &Backbone, generate: &Generate) -> Result<Self> {
        Self::open(backbone, Some(generate))
    }

    fn open(backbone: &Backbone, generate: Option<&Generate>) -> Result<Self> {
        let writer = Writer::open(backbone, generate)?;
        if writer.reads() {
            return Err(Error::Argument(format!(
                "{} is an encoder-decoder, which writes about what it reads; open it as Seq2SeqLm",
                writer.name()
            )));
        }
        Ok(Self {
            backbone: backbone.clone(),
            writer,
            trained: None,
        })
    }

    /// Trains on texts; the latest value of every metric. What is generated from then on comes from the trained weights.
    ///
    /// # Errors
    /// A text that the tokenizer refuses, a loss that is no longer finite.
    pub fn fit(&mut self, train: &Examples, fit: Fit<'_>) -> Result<Scores> {
        let was_trained = self.trained.is_some();
        let mut task = match self.trained.take() {
            Some(task) => task,
            None => Task::from(Model::build_on(
                CausalLM::on(self.backbone.clone().into()).in_rust().into(),
                Preset::from_name(self.backbone.preset_name())?,
                None,
                &Compute::cpu(),
                fit.seed,
            )?),
        };
        let fitted = task.fit(train, fit);
        if let Some(model) = task.model().network.language_model() {
            self.writer.set_model(model);
        }
        // What was never trained is the preset itself, and stays that if training fails.
        if was_trained || fitted.is_ok() {
            self.trained = Some(task);
        }
        fitted
    }

    /// Writes a preset, as [`Task::save_to_preset`] does.
    ///
    /// # Errors
    /// The model was not trained, so that its preset is the one it was opened from; the folder cannot be written.
    pub fn save_to_preset(&self, folder: impl AsRef<Path>) -> Result<()> {
        match &self.trained {
            Some(task) => task.save_to_preset(folder),
            None => Err(Error::Argument(format!(
                "{} was not trained: what would be saved is that preset itself",
                self.name()
            ))),
        }
    }

    /// Chooses how tokens are chosen.
    ///
    /// # Errors
    /// Arguments that no sampler can have.
    pub fn compile(&mut self, compile: Compile) -> Result<()> {
        self.writer.compile(compile)
    }

    /// How tokens are chosen.
    ///
    /// # Errors
    /// The preset asks for what no sampler can do.
    pub fn sampler(&self) -> Result<Sampler> {
        self.writer.sampler()
    }

    /// What is to be said before these prompts are gone on from: the sampler, where that is left to the preset, what of the preset's
    /// `generation_config.json` is not honoured, and what of the prompts the vocabulary lacks.
    ///
    /// # Errors
    /// Those of [`Self::encode`]; the preset asks for what no sampler can do.
    pub fn notes<P: AsRef<str>>(
        &self,
        prompts: impl IntoIterator<Item = P>,
        generate: &Generate,
    ) -> Result<Vec<String>> {
        let mut lost = Lost::default();
        for prompt in prompts {
            lost.add(&self.encode(prompt.as_ref())?.lost);
        }
        self.writer.notes(&lost, generate)
    }

    /// What the preset itself asks for.
    pub fn defaults(&self) -> &Defaults {
        self.writer.defaults()
    }

    /// The name of the preset.
    pub fn name(&self) -> &str {
        self.writer.name()
    }

    /// What became of each tensor of the preset.
    pub fn report(&self) -> &LoadReport {
        self.writer.report()
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        self.writer.tokenizer()
    }

    /// The model without its tokenizer.
    pub fn model(&self) -> &LanguageModel {
        self.writer.model()
    }

    /// Goes on from each prompt; the texts in the order of the prompts, several of one prompt side by side.
    ///
    /// # Errors
    /// An empty prompt, one that leaves no room, settings that contradict each other.
    pub fn generate<P: AsRef<str>>(
        &self,
        prompts: impl IntoIterator<Item = P>,
        generate: Generate,
    ) -> Result<Vec<String>> {
        let written = self.generate_written(prompts, generate)?;
        Ok(written.into_iter().map(|written| written.text).collect())
    }

    /// As [`Self::generate`], with ids, log-probabilities and why each text ended.
    ///
    /// # Errors
    /// Those of [`Self::generate`].
    pub fn generate_written<P: AsRef<str>>(
        &self,
        prompts: impl IntoIterator<Item = P>,
        generate: Generate,
    ) -> Result<Vec<Written>> {
        let prompts = prompts
            .into_iter()
            .map(|prompt| Ok((self.encode(prompt.as_ref())?, None)));
        let prompts = prompts.collect::<Result<Vec<_>>>()?;
        let mut texts = self.texts(&generate, prompts.len())?;
        let added = texts.add_all(&prompts)?;
        texts.finish(added)
    }

    /// Goes on from one prompt, the text in pieces as it comes: its prompt first, unless that is stripped.
    ///
    /// # Errors
    /// Those of [`Self::generate`].
    pub fn stream(&self, prompt: &str, generate: Generate) -> Result<Stream<'_>> {
        let mut texts = self.writer.one_text(&generate)?;
        texts.add_all(&[(self.encode(prompt)?, None)])?;
        Ok(Stream::of(texts))
    }

    /// How likely the model finds each text.
    ///
    /// # Errors
    /// An empty text, one with more tokens than the model has positions for.
    pub fn score<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Result<Vec<Score>> {
        let score = |text: T| {
            let scores = self.model().score(&self.encode(text.as_ref())?.ids)?;
            Ok(Score {
                nll: 0.0 - scores.iter().sum::<f64>(),
                tokens: scores.len(),
            })
        };
        texts.into_iter().map(score).collect()
    }

    /// A prompt: the text with its ids, what the tokenizer puts before it among them and what it puts after left out, and what of it the
    /// vocabulary lacks.
    ///
    /// # Errors
    /// An empty text, or one that the tokenizer refuses.
    pub fn encode(&self, prompt: &str) -> Result<Prompt> {
        self.writer.encode(prompt)
    }

    /// What `generate` asks for, and the preset where it does not.
    ///
    /// # Errors
    /// Those of [`Self::texts`].
    pub fn settings(&self, generate: &Generate) -> Result<Settings> {
        self.writer.settings(generate)
    }

    /// Texts to be written: `prompts` of them, so that no more room is taken than they need.
    ///
    /// # Errors
    /// Settings that contradict each other; a default of the preset that cannot be and that no option replaces, by its file and key.
    pub fn texts(&self, generate: &Generate, prompts: usize) -> Result<Writing<'_>> {
        self.writer.texts(generate, prompts)
    }
}
