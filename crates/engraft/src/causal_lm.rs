//! Language models that write on, in a few lines of Rust.

use std::any::Any;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::OnceLock;

use engraft_component::Refusal;
use engraft_data::Examples;
use engraft_generate::{
    Acceptance, Batch, Defaults, GENERATION_CONFIG, Generate, GenerationConfig, LanguageModel,
    Lost, Piece, Prompt, Request, RowLimits, RowSeed, Sampler, Settings, TextOptions, Texts,
    Written, fresh_seed,
};
use engraft_hub::{LoadReport, Preset};
use engraft_models::{CausalLmHead, Checkpoint, Compute};
use engraft_tasks::{Backbone, CausalLM, Model, TaskArguments, preset_tokenizer};
use engraft_text::Tokenizer;

use crate::draft::Draft;
use crate::error::{Error, Result};
use crate::scores::Scores;
use crate::task::{Fit, Task};

/// Why a text that beams search for is no stream.
pub const BEAMS_DO_NOT_STREAM: &str =
    "which text beams find is known at its end alone, so that it cannot be shown as it is written";

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
    name: String,
    backbone: Backbone,
    model: LanguageModel,
    /// The same with what training needs, once it was trained.
    trained: Option<Task<CausalLM>>,
    tokenizer: Tokenizer,
    defaults: Defaults,
    sampler: Option<Sampler>,
    /// The smaller model that drafts tokens, once one was asked for.
    draft: OnceLock<Draft>,
    /// What became of each tensor of the preset.
    report: LoadReport,
    /// What a user should know of the preset's files.
    preset_notes: Vec<String>,
}

/// How tokens are chosen, unless a [`Generate`] says otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compile {
    /// The sampler; none for the preset's default.
    pub sampler: Option<Sampler>,
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
        let checkpoint = backbone.open()?;
        checkpoint.causal_lm_config()?;
        let tokenizer = preset_tokenizer(&checkpoint, backbone.letters)?;
        let ignores = generate.is_some_and(|generate| generate.ignore_generation_config);
        let defaults = defaults(&checkpoint, &tokenizer, ignores)?;
        if let Some(generate) = generate {
            let vocabulary = checkpoint.config().transformer.vocabulary;
            Settings::new(generate, &defaults, None, vocabulary)?;
        }
        let model = LanguageModel::load(&checkpoint, Compute::cpu().device, 0)?;
        Ok(Self {
            name: checkpoint.preset().name().to_owned(),
            backbone: backbone.clone(),
            trained: None,
            model,
            tokenizer,
            defaults,
            sampler: None,
            draft: OnceLock::new(),
            report: checkpoint.report(),
            preset_notes: checkpoint.notes(),
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
        let network = &task.model().network;
        let head: &dyn Any = network.head();
        if let Some(head) = head.downcast_ref::<CausalLmHead>() {
            let device = network.device();
            self.model = LanguageModel::new(network.encoder().clone(), head.clone(), device);
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
                self.name
            ))),
        }
    }

    /// Chooses how tokens are chosen.
    ///
    /// # Errors
    /// Arguments that no sampler can have.
    pub fn compile(&mut self, compile: Compile) -> Result<()> {
        if let Some(sampler) = &compile.sampler {
            sampler.check()?;
        }
        self.sampler = compile.sampler;
        Ok(())
    }

    /// How tokens are chosen.
    ///
    /// # Errors
    /// The preset asks for what no sampler can do.
    pub fn sampler(&self) -> Result<Sampler> {
        match &self.sampler {
            Some(sampler) => Ok(sampler.clone()),
            None => Ok(self.defaults.sampler(None)?),
        }
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
        let mut notes = self.preset_notes.clone();
        notes.extend(self.defaults.notes(generate, self.sampler.as_ref())?);
        let mut lost = Lost::default();
        for prompt in prompts {
            lost.add(&self.encode(prompt.as_ref())?.lost);
        }
        if !lost.is_none() {
            notes.push(lost.to_string());
        }
        Ok(notes)
    }

    /// What the preset itself asks for.
    pub fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// The name of the preset.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What became of each tensor of the preset.
    pub fn report(&self) -> &LoadReport {
        &self.report
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The model without its tokenizer.
    pub fn model(&self) -> &LanguageModel {
        &self.model
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
            .map(|prompt| self.encode(prompt.as_ref()));
        let prompts = prompts.collect::<Result<Vec<_>>>()?;
        let mut texts = self.texts(&generate, prompts.len())?;
        let added = texts.add_all(&prompts)?;
        while !texts.is_done() {
            texts.step()?;
        }
        Ok((0..added).map(|row| texts.take(row)).collect())
    }

    /// Goes on from one prompt, the text in pieces as it comes: its prompt first, unless that is stripped.
    ///
    /// # Errors
    /// Those of [`Self::generate`].
    pub fn stream(&self, prompt: &str, generate: Generate) -> Result<Stream<'_>> {
        let settings = self.settings(&generate)?;
        if settings.sequences != 1 {
            let problem = "one text can be streamed at a time; leave it at 1";
            return Err(Refusal::of("num_return_sequences", problem).into());
        }
        if settings.sampler.beams().is_some() {
            return Err(Refusal::of("sampler", BEAMS_DO_NOT_STREAM).into());
        }
        let mut texts = self.texts(&generate, 1)?;
        texts.add_all(&[self.encode(prompt)?])?;
        Ok(Stream {
            texts,
            ready: VecDeque::new(),
        })
    }

    /// How likely the model finds each text.
    ///
    /// # Errors
    /// An empty text, one with more tokens than the model has positions for.
    pub fn score<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Result<Vec<Score>> {
        let score = |text: T| {
            let scores = self.model.score(&self.encode(text.as_ref())?.ids)?;
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
        Ok(Prompt::of_text(&self.tokenizer, prompt)?)
    }

    /// What `generate` asks for, and the preset where it does not.
    ///
    /// # Errors
    /// Those of [`Self::texts`].
    pub fn settings(&self, generate: &Generate) -> Result<Settings> {
        let vocabulary = self.model.config().vocabulary;
        let settings = Settings::new(generate, &self.defaults, self.sampler.as_ref(), vocabulary)?;
        settings.limits.check()?;
        Ok(settings)
    }

    /// The smaller model that `preset` is, which is opened once.
    fn draft(&self, preset: &str) -> Result<&LanguageModel> {
        let draft = match self.draft.get() {
            Some(draft) => draft,
            None => {
                let draft = Draft::open(preset, &self.model, &self.tokenizer)?;
                self.draft.get_or_init(|| draft)
            }
        };
        if draft.preset != preset {
            let problem = format!(
                "{} drafts already; open the model once more for {preset}",
                draft.preset
            );
            return Err(Refusal::of("draft", problem).into());
        }
        Ok(&draft.model)
    }

    /// Texts to be written: `prompts` of them, so that no more room is taken than they need.
    ///
    /// # Errors
    /// Settings that contradict each other; a default of the preset that cannot be and that no option replaces, by its file and key.
    pub fn texts(&self, generate: &Generate, prompts: usize) -> Result<Writing<'_>> {
        let settings = self.settings(generate)?;
        let options = TextOptions {
            stop: settings.stop.clone(),
            strip_prompt: generate.strip_prompt,
        };
        let requests = match settings.sampler.beams() {
            Some(_) => prompts,
            None => prompts.saturating_mul(settings.sequences),
        };
        let width = requests.clamp(1, generate.batch_size);
        let batch = match settings.sampler.draft() {
            Some(preset) => Batch::with_draft(&self.model, self.draft(preset)?, width)?,
            None => Batch::new(&self.model, width),
        };
        Ok(Writing {
            texts: Texts::of(batch, &self.tokenizer, options),
            context: self.context(generate.context_length)?,
            seed: settings.sampler.seed().unwrap_or_else(fresh_seed),
            settings,
            log_probabilities: generate.logprobs,
            prompts: 0,
        })
    }

    /// Tokens that a text may have: what is asked for, which positions bound, else what the model's file says.
    fn context(&self, wanted: Option<usize>) -> Result<Option<usize>> {
        match (wanted, self.model.config().longest()) {
            (Some(wanted), Some(positions)) if wanted > positions => {
                let problem = format!(
                    "{wanted} is more than the {positions} positions of {}",
                    self.name
                );
                Err(Refusal::of("context_length", problem).into())
            }
            (Some(wanted), _) => Ok(Some(wanted)),
            (None, _) => Ok(self.model.context()),
        }
    }
}

/// Texts being written by a [`CausalLm`].
#[derive(Debug)]
pub struct Writing<'m> {
    texts: Texts<'m>,
    settings: Settings,
    context: Option<usize>,
    seed: u64,
    log_probabilities: bool,
    prompts: u64,
}

impl Writing<'_> {
    /// Tokens that a text may have, as far as the model bounds them.
    pub fn context(&self) -> Option<usize> {
        self.context
    }

    /// Texts for each prompt.
    pub fn sequences(&self) -> usize {
        self.settings.sequences
    }

    /// How much of what a smaller model drafted was accepted so far.
    pub fn acceptance(&self) -> Acceptance {
        self.texts.acceptance()
    }

    /// Adds a prompt; its texts get the next numbers. Returns how long they may grow.
    ///
    /// # Errors
    /// An empty prompt, ids outside the vocabulary, no room to write.
    pub fn add(&mut self, prompt: &Prompt) -> Result<RowLimits> {
        let settings = &self.settings;
        let limits = settings.limits.of_row(prompt.ids.len(), self.context)?;
        // Beams give several texts at once; any other sampler writes each by itself.
        let (requests, sequences) = match settings.sampler.beams() {
            Some(_) => (1, settings.sequences),
            None => (settings.sequences, 1),
        };
        for sequence in 0..requests {
            self.texts.add(Request {
                prompt: prompt.clone(),
                limits,
                stop_tokens: settings.stop_tokens.clone(),
                sampler: settings.sampler.clone(),
                processors: settings.processors.clone(),
                seed: RowSeed::new(self.seed, self.prompts, sequence as u64),
                sequences,
                log_probabilities: self.log_probabilities,
            })?;
        }
        self.prompts += 1;
        Ok(limits)
    }

    /// Adds several; returns the number of texts.
    fn add_all(&mut self, prompts: &[Prompt]) -> Result<usize> {
        for (number, prompt) in prompts.iter().enumerate() {
            let added = self.add(prompt);
            added.map_err(|error| match prompts.len() {
                1 => error,
                _ => Error::Prompt {
                    number: number + 1,
                    error: Box::new(error),
                },
            })?;
        }
        Ok(prompts.len() * self.sequences())
    }

    /// Whether all texts have ended.
    pub fn is_done(&self) -> bool {
        self.texts.is_done()
    }

    /// The next token of every text that is being written; all tokens of one that beams have found.
    ///
    /// # Errors
    /// Logits that are no numbers.
    pub fn step(&mut self) -> Result<Vec<Piece>> {
        Ok(self.texts.step()?)
    }

    /// What became of a text, which is not kept any longer.
    pub fn take(&mut self, row: usize) -> Written {
        self.texts.take(row)
    }
}

/// A text in pieces, as it is written.
#[derive(Debug)]
pub struct Stream<'m> {
    texts: Writing<'m>,
    ready: VecDeque<String>,
}

impl Iterator for Stream<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(Ok(piece));
            }
            if self.texts.is_done() {
                return None;
            }
            match self.texts.step() {
                Ok(pieces) => {
                    let pieces = pieces.into_iter().map(|piece| piece.text);
                    self.ready.extend(pieces.filter(|piece| !piece.is_empty()));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// What a preset asks for of generation, but for its `generation_config.json` where that is to be ignored.
fn defaults(checkpoint: &Checkpoint, tokenizer: &Tokenizer, ignores: bool) -> Result<Defaults> {
    let (preset, config) = (checkpoint.preset(), checkpoint.config());
    let generation_config = match preset.read(GENERATION_CONFIG)? {
        Some(bytes) if !ignores => {
            let file = preset.locate(GENERATION_CONFIG);
            Some(GenerationConfig::read(&bytes, &file)?)
        }
        _ => None,
    };
    Ok(Defaults::new(
        config.family.name,
        tokenizer,
        config.transformer.vocabulary,
        generation_config,
        GenerationConfig::of_config(&config.json, &preset.locate("config.json")),
    ))
}
