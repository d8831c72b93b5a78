//! Encoder-decoders, which write a text for each that they read, in a few lines of Rust.

use std::path::Path;

use engraft_data::Examples;
use engraft_generate::{Generate, LanguageModel, Prompt, Written};
use engraft_tasks::{Backbone, Seq2SeqLM};

use crate::error::{Error, Result};
use crate::scores::Scores;
use crate::task::{Fit, Task, TaskBuilder};
use crate::writer::{Compile, Writer};
use crate::writing::Stream;

/// A model that reads one text and writes another: KerasHub's `Seq2SeqLM`.
///
/// ```no_run
/// use engraft::prelude::*;
///
/// let mut s2s = Seq2SeqLm::from_preset("./bart")?.build()?;
/// s2s.compile(Compile { sampler: Beam::new(4).into() })?;
/// let texts = s2s.generate(["The quick brown fox."], Generate { max_length: Some(30), ..Generate::default() })?;
/// let begun = s2s.generate([("The quick brown fox.", "A fox")], Generate::default())?;
/// s2s.fit(&read_pairs("train.tsv", "text", "summary")?, Fit::default())?;
/// s2s.save_to_preset("my-summariser")?;
/// println!("{} {}", texts[0], begun[0]);
/// # Ok::<(), engraft::Error>(())
/// ```
#[derive(Debug)]
pub struct Seq2SeqLm {
    task: Task<Seq2SeqLM>,
    writer: Writer,
}

/// A [`Seq2SeqLm`] in the making.
#[derive(Clone, Debug)]
pub struct Seq2SeqLmBuilder(TaskBuilder<Seq2SeqLM>);

/// What is read for a text, and perhaps what the text begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// What the encoder reads.
    pub text: String,
    /// What the decoder goes on from.
    pub begins: Option<String>,
}

impl From<&str> for Source {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Source {
    fn from(text: String) -> Self {
        Self { text, begins: None }
    }
}

impl<T: Into<String>, U: Into<String>> From<(T, U)> for Source {
    fn from((text, begins): (T, U)) -> Self {
        Self {
            text: text.into(),
            begins: Some(begins.into()),
        }
    }
}

impl Seq2SeqLmBuilder {
    /// Changes any argument of the task, by the names that experiments have for them.
    #[must_use]
    pub fn with(self, change: impl FnOnce(&mut Seq2SeqLM)) -> Self {
        Self(self.0.with(change))
    }

    /// Changes any argument of the backbone.
    #[must_use]
    pub fn backbone(self, change: impl FnOnce(&mut Backbone)) -> Self {
        Self(self.0.backbone(change))
    }

    /// Texts that are read are cut to this many tokens; without it to as many as the encoder has positions for.
    #[must_use]
    pub fn max_length(self, tokens: usize) -> Self {
        Self(self.0.max_length(tokens))
    }

    /// Texts that are learned are cut to this many tokens.
    #[must_use]
    pub fn max_output_length(self, tokens: usize) -> Self {
        self.with(|task| task.max_output_length = Some(tokens))
    }

    /// Reads texts in one language and writes in another, of a model that knows several.
    #[must_use]
    pub fn languages(self, source: impl Into<String>, target: impl Into<String>) -> Self {
        let languages = (source.into(), target.into());
        self.with(|task| {
            task.source_lang = Some(languages.0);
            task.target_lang = Some(languages.1);
        })
    }

    /// Trains low-rank updates of both stacks: KerasHub's `enable_lora`.
    #[must_use]
    pub fn lora(self, rank: usize) -> Self {
        Self(self.0.lora(rank))
    }

    /// Decides fresh weights.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self(self.0.seed(seed))
    }

    /// Loads the weights.
    ///
    /// # Errors
    /// The preset is no encoder-decoder, or its weights do not fit.
    pub fn build(self) -> Result<Seq2SeqLm> {
        let task = self.0.build()?;
        let spec = &task.model().spec;
        let model = language_model(&task)?;
        let tokenizer = spec.tokenizer().clone();
        let writer = Writer::of(spec.checkpoint().clone(), tokenizer, model)?;
        Ok(Seq2SeqLm { task, writer })
    }
}

/// The weights of a task, ready to write.
fn language_model(task: &Task<Seq2SeqLM>) -> Result<LanguageModel> {
    let model = task.model().network.language_model();
    model.ok_or_else(|| Error::Argument("the task has no head that writes".into()))
}

impl Seq2SeqLm {
    /// A preset by name: built in, `hf://org/repo`, or a folder, among them one that [`Self::save_to_preset`] wrote.
    ///
    /// # Errors
    /// There is no such preset.
    pub fn from_preset(preset: &str) -> Result<Seq2SeqLmBuilder> {
        Ok(Seq2SeqLmBuilder(Task::from_preset(preset)?))
    }

    /// Trains on pairs of a text that is read and one that is to be written; the latest value of every metric.
    ///
    /// # Errors
    /// The examples have no texts to be written, one is too long, the loss is no longer finite.
    pub fn fit(&mut self, train: &Examples, fit: Fit<'_>) -> Result<Scores> {
        let fitted = self.task.fit(train, fit);
        self.writer.set_model(language_model(&self.task)?);
        fitted
    }

    /// The loss and the scores of pairs.
    ///
    /// # Errors
    /// The examples have no texts to be written, or one is too long.
    pub fn evaluate(&self, examples: &Examples) -> Result<Scores> {
        self.task.evaluate(examples)
    }

    /// Writes a preset, as [`Task::save_to_preset`] does; it opens in transformers.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save_to_preset(&self, folder: impl AsRef<Path>) -> Result<()> {
        self.task.save_to_preset(folder)
    }

    /// Chooses how tokens are chosen.
    ///
    /// # Errors
    /// Arguments that no sampler can have.
    pub fn compile(&mut self, compile: Compile) -> Result<()> {
        self.writer.compile(compile)
    }

    /// The model with its tokenizers, for all that is not asked for often.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Writes a text for each that is read, in their order, several of one side by side. A text may be given what it begins with: `(read, begins)`.
    ///
    /// # Errors
    /// An empty text, one that is too long, settings that contradict each other.
    pub fn generate<S: Into<Source>>(
        &self,
        sources: impl IntoIterator<Item = S>,
        generate: Generate,
    ) -> Result<Vec<String>> {
        let written = self.generate_written(sources, generate)?;
        Ok(written.into_iter().map(|written| written.text).collect())
    }

    /// As [`Self::generate`], with ids, log-probabilities and why each text ended.
    ///
    /// # Errors
    /// Those of [`Self::generate`].
    pub fn generate_written<S: Into<Source>>(
        &self,
        sources: impl IntoIterator<Item = S>,
        generate: Generate,
    ) -> Result<Vec<Written>> {
        let generate = self.in_its_languages(generate);
        let sources: Vec<Source> = sources.into_iter().map(Into::into).collect();
        let mut texts = self.writer.texts(&generate, sources.len())?;
        let prompts = sources.iter().map(|source| texts.about(source));
        let prompts = prompts.collect::<Result<Vec<_>>>()?;
        let added = texts.add_all(&prompts)?;
        texts.finish(added)
    }

    /// Writes one text, in pieces as it comes.
    ///
    /// # Errors
    /// Those of [`Self::generate`].
    pub fn stream(&self, source: impl Into<Source>, generate: Generate) -> Result<Stream<'_>> {
        let generate = self.in_its_languages(generate);
        let mut texts = self.writer.one_text(&generate)?;
        let prompt = texts.about(&source.into())?;
        texts.add_all(&[prompt])?;
        Ok(Stream::of(texts))
    }

    /// The languages of the task, where others are not asked for.
    fn in_its_languages(&self, generate: Generate) -> Generate {
        let task = self.task.model().spec.task().clone();
        let own = Seq2SeqLM::try_from(task).ok();
        let own = own.map(|task| [task.source_lang, task.target_lang]);
        let [source, target] = own.unwrap_or_default();
        Generate {
            source_lang: generate.source_lang.or(source),
            target_lang: generate.target_lang.or(target),
            ..generate
        }
    }
}

impl crate::writing::Writing<'_> {
    /// What the decoder begins with for a text, and what the encoder reads.
    fn about(&self, source: &Source) -> Result<(Prompt, Option<Prompt>)> {
        let Some(sides) = self.sides() else {
            return Err(Error::Argument("the model has no encoder".into()));
        };
        let begun = sides.begun(source.begins.as_deref(), self.settings())?;
        Ok((begun, Some(sides.source(&source.text)?)))
    }
}
