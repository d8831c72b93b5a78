//! Encoder-decoders, which write a text for each that they read, in a few lines of Rust.

use engraft_generate::{Generate, Lost, Prompt, Sides, Written};
use engraft_hub::{Kind, NamedPreset};
use engraft_tasks::Seq2SeqLM;

use crate::any_task::Task;
use crate::builder::{Start, TaskBuilder, builder};
use crate::causal_lm::{check_stop_tokens, language_model, without_preprocessor};
use crate::core::{Core, Preprocessing};
use crate::error::{Error, Result};
use crate::face::task_methods;
use crate::input::{Ask, Input, Question};
use crate::task::TaskModel;
use crate::words::in_rust;
use crate::writer::Writer;
use crate::writing::{Begun, Stream, Writing};

/// A model that reads one text and writes another: KerasHub's `Seq2SeqLM`.
///
/// ```no_run
/// use engraft::prelude::*;
///
/// let mut s2s = Seq2SeqLm::from_preset("./bart")?.build()?;
/// s2s.compile(Compile { sampler: Beam::new(4).into(), ..Compile::default() })?;
/// let text: String = s2s.generate("The quick brown fox.", Generate { max_length: Some(30), ..Generate::default() })?;
/// // What is written for the first goes on from the second.
/// let begun: String = s2s.generate(("The quick brown fox.", "A fox"), Generate::default())?;
/// s2s.fit(read_pairs("train.tsv", "text", "summary")?, Fit::default())?;
/// s2s.save_to_preset("my-summariser")?;
/// println!("{text} {begun}");
/// # Ok::<(), engraft::Error>(())
/// ```
#[derive(Debug)]
pub struct Seq2SeqLm {
    task: TaskModel<Seq2SeqLM>,
    writer: Writer,
}

builder!(
    /// A [`Seq2SeqLm`] in the making.
    Seq2SeqLmBuilder
);

impl Seq2SeqLmBuilder {
    /// Changes any argument of the task, by the names that experiments have for them.
    #[must_use]
    pub fn with(self, change: impl FnOnce(&mut Seq2SeqLM)) -> Self {
        let changed = TaskBuilder::<Seq2SeqLM>::new(self.start).with(change);
        Self::new(changed.start)
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

    /// Loads the weights.
    ///
    /// # Errors
    /// The preset is no encoder-decoder, or its weights do not fit.
    pub fn build(self) -> Result<Seq2SeqLm> {
        TaskBuilder::<Seq2SeqLM>::new(self.start)
            .build()?
            .try_into()
    }
}

impl TryFrom<TaskModel<Seq2SeqLM>> for Seq2SeqLm {
    type Error = Error;

    fn try_from(task: TaskModel<Seq2SeqLM>) -> Result<Self> {
        let spec = &task.model().spec;
        let (checkpoint, tokenizer) = (spec.checkpoint().clone(), spec.tokenizer().clone());
        let mut writer = Writer::of(checkpoint, tokenizer, language_model(task.model())?)?;
        writer.set_sampler(task.core().sampler().cloned())?;
        Ok(Self { task, writer })
    }
}

impl TryFrom<Task> for Seq2SeqLm {
    type Error = Error;

    fn try_from(task: Task) -> Result<Self> {
        TaskModel::<Seq2SeqLM>::try_from(task)?.try_into()
    }
}

task_methods!([] Seq2SeqLm);

impl Seq2SeqLm {
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
    pub fn from_preset(preset: &str) -> Result<Seq2SeqLmBuilder> {
        Ok(Seq2SeqLmBuilder::new(Start::of::<Seq2SeqLM>(preset)?))
    }

    /// The presets of such models that have a name and can be used.
    pub fn presets() -> impl Iterator<Item = &'static NamedPreset> {
        engraft_hub::usable_presets().filter(|preset| preset.kind == Kind::EncoderDecoder)
    }

    /// The model with its tokenizers, for all that is not asked for often.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// The same as a task that is trained and scored.
    pub fn task(&self) -> &TaskModel<Seq2SeqLM> {
        &self.task
    }

    /// Writes a text for one that is read, for each of many, or of [`Each`](crate::Each) of an iterator; several of one side by side. A pair is a
    /// text that is read and what the written one begins with. Tokens are answered by tokens, those of the decoder.
    ///
    /// A text that is read is cut as rows are. Without a preprocessor rows are tokens, [`Generate::max_length`] is ignored, and
    /// [`Generate::stop_token_ids`] must be said.
    ///
    /// # Errors
    /// An empty text, one that is too long, settings that contradict each other.
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
    pub fn generate_written<S: Ask>(
        &self,
        sources: impl IntoIterator<Item = S>,
        generate: Generate,
    ) -> Result<Vec<Written>> {
        let inputs = sources.into_iter().map(Ask::input).collect::<Result<_>>()?;
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
        let generate = self.in_its_languages(generate.clone());
        let mut texts = self.writer.texts(&generate, inputs.len())?;
        let prompts = inputs
            .into_iter()
            .map(|input| self.begun(&texts, input, &generate));
        let prompts = prompts.collect::<Result<Vec<_>>>()?;
        self.remember(&prompts, &generate)?;
        let added = texts.add_all(before, &prompts)?;
        texts.finish(added, &stopper)
    }

    /// Writes one text, in pieces as it comes.
    ///
    /// # Errors
    /// Those of [`Self::generate`].
    pub fn stream(&self, source: impl Ask, generate: Generate) -> Result<Stream<'_>> {
        let generate = self.in_its_languages(generate);
        let mut texts = self.writer.one_text(&generate)?;
        let prompt = self.begun(&texts, source.input()?, &generate)?;
        let prompts = [prompt];
        self.remember(&prompts, &generate)?;
        texts.add_all(0, &prompts)?;
        Ok(Stream::of(texts, self.stopper()))
    }

    /// What the decoder begins with for a text, and what the encoder reads.
    fn begun(&self, texts: &Writing<'_>, input: Input, generate: &Generate) -> Result<Begun> {
        let Some(sides) = texts.sides() else {
            return Err(Error::Argument("the model has no encoder".into()));
        };
        let has_none = matches!(self.core().preprocessing(), Preprocessing::Nothing);
        let (text, begins) = match input {
            Input::Text(text) => (text, None),
            Input::Pair(text, begins) => (text, Some(begins)),
            Input::Tokens(row) => {
                if has_none {
                    check_stop_tokens(generate)?;
                }
                let written = row.decoder_token_ids.as_deref().unwrap_or_default();
                return Ok(Begun {
                    prompt: sides.begun_by(written, texts.settings())?,
                    source: Some(Prompt::of_ids(row.token_ids)),
                    ignores_length: has_none,
                    // Padding is that of what the encoder reads.
                    padded_length: None,
                    cut: false,
                });
            }
        };
        if has_none {
            return Err(without_preprocessor());
        }
        let (source, cut) = match self.core().preprocessing() {
            Preprocessing::Other(preprocessor) => {
                let row = preprocessor.row(&Input::Text(text))?;
                (Prompt::of_ids(row.token_ids), false)
            }
            _ => self.source(sides, &text)?,
        };
        Ok(Begun {
            prompt: sides.begun(begins.as_deref(), texts.settings())?,
            source: Some(source),
            cut,
            ..Begun::default()
        })
    }

    /// A text that is read, and whether it was cut to the length that rows are cut to.
    fn source(&self, sides: &Sides, text: &str) -> Result<(Prompt, bool)> {
        let source = sides.source(text)?;
        let length = self.task.model().spec.max_length();
        let Some(most) = length.filter(|most| source.ids.len() > *most) else {
            return Ok((source, false));
        };
        let (encoding, cut) = sides.source.encode_truncated(text, None, most)?;
        let ids = encoding.ids;
        Ok((Prompt { ids, ..source }, cut))
    }

    /// Keeps what is to be said of prompts, and how many texts were cut, for whoever asks what there was to say.
    fn remember(&self, prompts: &[Begun], generate: &Generate) -> Result<()> {
        let cut = prompts.iter().filter(|begun| begun.cut).count();
        let length = self.task.model().spec.max_length().unwrap_or_default();
        let of = prompts.len();
        let note = (cut > 0).then(|| format!("{cut} of {of} texts were cut to {length} tokens"));
        let mut lost = Lost::default();
        for source in prompts.iter().filter_map(|begun| begun.source.as_ref()) {
            lost.add(&source.lost);
        }
        let notes = self.writer.notes(&lost, generate)?;
        let notes = notes.iter().map(in_rust).chain(note);
        self.core().remember(notes.collect());
        Ok(())
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
