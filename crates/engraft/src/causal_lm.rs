//! Language models that write on, in a few lines of Rust.

use engraft_generate::{
    Defaults, Generate, LanguageModel, Lost, Prompt, Sampler, Settings, StopTokens, Written,
};
use engraft_hub::{Kind, LoadReport, NamedPreset};
use engraft_tasks::{CausalLM, Model};

use crate::any_task::Task;
use crate::builder::{Start, TaskBuilder, builder};
use crate::core::{Core, Preprocessing};
use crate::error::{Error, Result};
use crate::face::task_methods;
use crate::input::{Ask, Input, Question};
use crate::task::TaskModel;
use crate::words::in_rust;
use crate::writer::Writer;
use crate::writing::{Begun, Stream, Writing};

/// A language model that goes on from a prompt: a decoder, its head and its tokenizer. KerasHub's `CausalLM`.
///
/// ```no_run
/// use engraft::prelude::*;
///
/// let mut lm = CausalLm::from_preset("./gpt2")?.build()?;
/// lm.compile(Compile { sampler: TopK { k: 5, temperature: 0.8, seed: Some(1) }.into(), ..Compile::default() })?;
/// let text: String = lm.generate("Keras is a", Generate { max_length: Some(64), ..Generate::default() })?;
/// let texts: Vec<String> = lm.generate(["Keras is a", "Rust is a"], Generate { strip_prompt: true, ..Generate::default() })?;
/// for piece in lm.stream("Once upon a time", Generate::default())? {
///     print!("{}", piece?);
/// }
/// let score = lm.score("a sentence")?;
/// println!("{text} {} {:.1}", texts[0], score.perplexity());
/// # Ok::<(), engraft::Error>(())
/// ```
#[derive(Debug)]
pub struct CausalLm {
    task: TaskModel<CausalLM>,
    writer: Writer,
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

builder!(
    /// A [`CausalLm`] in the making.
    CausalLmBuilder
);

impl CausalLmBuilder {
    /// Changes any argument of the task, by the names that experiments have for them.
    #[must_use]
    pub fn with(self, change: impl FnOnce(&mut CausalLM)) -> Self {
        let changed = TaskBuilder::<CausalLM>::new(self.start).with(change);
        Self::new(changed.start)
    }

    /// Loads the weights.
    ///
    /// # Errors
    /// The preset has no language-model head, is an encoder-decoder, or its weights do not fit.
    pub fn build(self) -> Result<CausalLm> {
        TaskBuilder::<CausalLM>::new(self.start).build()?.try_into()
    }
}

impl TryFrom<TaskModel<CausalLM>> for CausalLm {
    type Error = Error;

    fn try_from(task: TaskModel<CausalLM>) -> Result<Self> {
        let spec = &task.model().spec;
        let (checkpoint, tokenizer) = (spec.checkpoint().clone(), spec.tokenizer().clone());
        let mut writer = Writer::of(checkpoint, tokenizer, language_model(task.model())?)?;
        writer.set_sampler(task.core().sampler().cloned())?;
        Ok(Self { task, writer })
    }
}

impl TryFrom<Task> for CausalLm {
    type Error = Error;

    fn try_from(task: Task) -> Result<Self> {
        TaskModel::<CausalLM>::try_from(task)?.try_into()
    }
}

/// The weights of a task, ready to write.
pub(crate) fn language_model(model: &Model) -> Result<LanguageModel> {
    let model = model.network.language_model();
    model.ok_or_else(|| Error::Argument("the task has no head that writes".into()))
}

task_methods!([] CausalLm);

impl CausalLm {
    fn core(&self) -> &Core {
        self.task.core()
    }

    fn parts(&mut self) -> (&mut Core, &Start) {
        self.task.parts()
    }

    /// Writes from then on by the weights and the sampler that the task has.
    fn renew(&mut self) -> Result<()> {
        self.writer.set_model(language_model(self.task.model())?);
        self.writer.set_sampler(self.core().sampler().cloned())
    }

    /// A preset: a name (`gpt2_base_en`), `hf://org/repo`, `kaggle://owner/model/framework/variation`, or a folder, among them one that
    /// [`Self::save_to_preset`] wrote. What is missing is fetched.
    ///
    /// # Errors
    /// There is no such preset.
    pub fn from_preset(preset: &str) -> Result<CausalLmBuilder> {
        Ok(CausalLmBuilder::new(Start::of::<CausalLM>(preset)?))
    }

    /// The presets of such models that have a name and can be used.
    pub fn presets() -> impl Iterator<Item = &'static NamedPreset> {
        engraft_hub::usable_presets().filter(|preset| preset.kind == Kind::Decoder)
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
    pub fn prompt_notes<P: AsRef<str>>(
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
    pub fn tokenizer(&self) -> &engraft_text::Tokenizer {
        self.writer.tokenizer()
    }

    /// The model without its tokenizer.
    pub fn model(&self) -> &LanguageModel {
        self.writer.model()
    }

    /// The same as a task that is trained and scored.
    pub fn task(&self) -> &TaskModel<CausalLM> {
        &self.task
    }

    /// Goes on from a prompt, from many, or from [`Each`](crate::Each) of an iterator: texts from texts, tokens from tokens. Several texts of
    /// one prompt stand side by side.
    ///
    /// Without a preprocessor prompts are tokens, [`Generate::max_length`] is ignored (a row that has padding may become as long as that), and the
    /// model's own stop tokens are not known, so that [`Generate::stop_token_ids`] must say them.
    ///
    /// # Errors
    /// An empty prompt, one that leaves no room, settings that contradict each other.
    pub fn generate<'m, Q: Question + 'm>(
        &'m self,
        question: Q,
        generate: Generate,
    ) -> Result<Q::Answer<'m, <Q::Item as Ask>::Written>>
    where
        <Q::Item as Ask>::Written: 'm,
    {
        let stripped = generate.strip_prompt;
        question.answered(move |before, inputs| {
            let written = self.written(before, inputs, &generate)?;
            Ok(written
                .into_iter()
                .map(|it| <Q::Item as Ask>::written(it, stripped))
                .collect())
        })
    }

    /// As [`Self::generate`] of many, with ids, log-probabilities and why each text ended.
    ///
    /// # Errors
    /// Those of [`Self::generate`].
    pub fn generate_written<P: Ask>(
        &self,
        prompts: impl IntoIterator<Item = P>,
        generate: Generate,
    ) -> Result<Vec<Written>> {
        let inputs = prompts.into_iter().map(Ask::input).collect::<Result<_>>()?;
        self.written(0, inputs, &generate)
    }

    fn written(
        &self,
        before: usize,
        inputs: Vec<Input>,
        generate: &Generate,
    ) -> Result<Vec<Written>> {
        let stopper = self.stopper();
        stopper.check()?;
        let prompts = inputs.into_iter().map(|input| self.begun(input, generate));
        let prompts = prompts.collect::<Result<Vec<_>>>()?;
        self.remember(&prompts, generate)?;
        let mut texts = self.writer.texts(generate, prompts.len())?;
        let added = texts.add_all(before, &prompts)?;
        texts.finish(added, &stopper)
    }

    /// Keeps what is to be said of prompts, for whoever asks what there was to say.
    fn remember(&self, prompts: &[Begun], generate: &Generate) -> Result<()> {
        let mut lost = Lost::default();
        for begun in prompts {
            lost.add(&begun.prompt.lost);
        }
        let notes = self.writer.notes(&lost, generate)?;
        self.task
            .core()
            .remember(notes.iter().map(in_rust).collect());
        Ok(())
    }

    /// A prompt as tokens.
    fn begun(&self, input: Input, generate: &Generate) -> Result<Begun> {
        let prompt = match (self.core().preprocessing(), input) {
            (_, Input::Pair(..)) => {
                let problem = "two texts: a language model goes on from one";
                return Err(Error::Argument(problem.into()));
            }
            (Preprocessing::Own, Input::Text(text)) => self.encode(&text)?,
            (Preprocessing::Other(preprocessor), Input::Text(text)) => {
                match preprocessor.tokenizer() {
                    Some(tokenizer) => Prompt::of_text(tokenizer.inner(), &text)?,
                    None => {
                        let row = preprocessor.row(&Input::Text(text.clone()))?;
                        Prompt {
                            text: Some(text),
                            ..Prompt::of_ids(row.token_ids)
                        }
                    }
                }
            }
            (Preprocessing::Nothing, Input::Text(_)) => return Err(without_preprocessor()),
            (preprocessing, Input::Tokens(row)) => {
                let has_none = matches!(preprocessing, Preprocessing::Nothing);
                if has_none {
                    check_stop_tokens(generate)?;
                }
                return Ok(Begun {
                    prompt: Prompt::of_ids(row.token_ids),
                    ignores_length: has_none,
                    padded_length: row.padded_length,
                    ..Begun::default()
                });
            }
        };
        Ok(Begun {
            prompt,
            ..Begun::default()
        })
    }

    /// Goes on from one prompt, the text in pieces as it comes: its prompt first, unless that is stripped.
    ///
    /// # Errors
    /// Those of [`Self::generate`].
    pub fn stream(&self, prompt: &str, generate: Generate) -> Result<Stream<'_>> {
        let mut texts = self.writer.one_text(&generate)?;
        let prompts = [self.begun(Input::Text(prompt.to_owned()), &generate)?];
        self.remember(&prompts, &generate)?;
        texts.add_all(0, &prompts)?;
        Ok(Stream::of(texts, self.stopper()))
    }

    /// How likely the model finds a text, each of many, or of [`Each`](crate::Each) of an iterator; tokens as well as texts.
    ///
    /// # Errors
    /// An empty text, one with more tokens than the model has positions for.
    pub fn score<'m, Q: Question + 'm>(&'m self, question: Q) -> Result<Q::Answer<'m, Score>> {
        question.answered(|_, rows| {
            let stopper = self.stopper();
            let score = |input: Input| {
                stopper.check()?;
                let ids = match input {
                    Input::Tokens(row) => row.token_ids,
                    text => self.begun(text, &Generate::default())?.prompt.ids,
                };
                let scores = self.model().score(&ids)?;
                Ok(Score {
                    nll: 0.0 - scores.iter().sum::<f64>(),
                    tokens: scores.len(),
                })
            };
            rows.into_iter().map(score).collect()
        })
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

/// That texts are given where rows are tokens.
pub(crate) fn without_preprocessor() -> Error {
    let problem = "there is no preprocessor, so that prompts are tokens (TokenRow) and not texts; set_preprocessor sets one";
    Error::Argument(problem.into())
}

/// Refuses to leave stop tokens to a preprocessor that there is not.
pub(crate) fn check_stop_tokens(generate: &Generate) -> Result<()> {
    if generate.stop_token_ids == StopTokens::Auto {
        let problem = "stop_token_ids: Auto is what the preprocessor says, and there is none; give StopTokens::None or ids";
        return Err(Error::Argument(problem.into()));
    }
    Ok(())
}
