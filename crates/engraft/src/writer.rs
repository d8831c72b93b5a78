//! A language model with its tokenizers, ready to write: what models that go on from a text and models that answer one have in common.

use std::fmt;
use std::sync::OnceLock;

use engraft_component::Refusal;
use engraft_generate::{
    Batch, Defaults, Generate, LanguageModel, Lost, Prompt, Sampler, Settings, Sides, TextOptions,
    Texts,
};
use engraft_hub::LoadReport;
use engraft_models::{Checkpoint, Compute};
use engraft_tasks::{Backbone, preset_tokenizer};
use engraft_text::Tokenizer;

use crate::draft::Draft;
use crate::error::Result;
use crate::writing::Writing;

/// Why a text that beams search for is no stream.
pub const BEAMS_DO_NOT_STREAM: &str =
    "which text beams find is known at its end alone, so that it cannot be shown as it is written";

/// A language model with its tokenizers: a decoder that goes on from prompts, or an encoder-decoder that writes about what it reads.
#[derive(Debug)]
pub struct Writer {
    preset: Opened,
    model: LanguageModel,
    sampler: Option<Sampler>,
    /// The smaller model that drafts tokens, once one was asked for.
    draft: OnceLock<Draft>,
    /// What became of each tensor of the preset.
    report: LoadReport,
}

/// A preset of which all but the weights is read.
struct Opened {
    name: String,
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    /// What turns the tokens of texts that are written into text, whatever their language.
    written: Tokenizer,
    defaults: Defaults,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Opened").field(&self.name).finish()
    }
}

impl Opened {
    fn new(checkpoint: Checkpoint, tokenizer: Tokenizer, ignores: bool) -> Result<Self> {
        // What ends texts is a token of those that are written.
        let written = match checkpoint.config().decoder {
            Some(_) => tokenizer.for_target(None)?,
            None => tokenizer.clone(),
        };
        Ok(Self {
            name: checkpoint.preset().name().to_owned(),
            defaults: Defaults::of(&checkpoint, &written, ignores)?,
            checkpoint,
            tokenizer,
            written,
        })
    }

    /// What is read and what is written, of an encoder-decoder.
    fn sides(&self, generate: &Generate) -> Result<Option<Sides>> {
        let languages = [&generate.source_lang, &generate.target_lang].map(Option::as_deref);
        if self.checkpoint.config().decoder.is_none() {
            let named = ["source_lang", "target_lang"].into_iter().zip(languages);
            let mut named = named.filter(|(_, code)| code.is_some());
            return match named.next() {
                Some((key, _)) => {
                    let problem = format!(
                        "{} goes on from a text in the language that it has; leave it out",
                        self.name
                    );
                    Err(Refusal::of(key, problem).into())
                }
                None => Ok(None),
            };
        }
        let sides = Sides::new(&self.checkpoint, &self.tokenizer, &self.defaults, languages)?;
        Ok(Some(sides))
    }

    /// Tokens that the model writes by.
    fn vocabulary(&self) -> usize {
        let config = self.checkpoint.config();
        let decoder = config.decoder.as_ref();
        decoder.map_or(config.transformer.vocabulary, |decoder| {
            decoder.transformer.vocabulary
        })
    }

    /// What `generate` asks for, and the preset where it does not.
    fn settings(
        &self,
        generate: &Generate,
        compiled: Option<&Sampler>,
        sides: Option<&Sides>,
    ) -> Result<Settings> {
        let settings = Settings::new(generate, &self.defaults, compiled, self.vocabulary())?;
        settings.limits.check()?;
        Ok(match sides {
            Some(sides) => sides.settings(settings, generate),
            None => settings,
        })
    }
}

impl Writer {
    /// Opens a preset; to write as `generate` asks for, if that is known: what is to be refused of that with this preset is, before the weights
    /// are read.
    ///
    /// # Errors
    /// There is no such preset, it writes nothing, its weights do not fit; `generate` asks for what it cannot.
    pub fn open(backbone: &Backbone, generate: Option<&Generate>) -> Result<Self> {
        let checkpoint = backbone.open()?;
        if checkpoint.config().decoder.is_none() {
            checkpoint.causal_lm_config()?;
        }
        let tokenizer = preset_tokenizer(&checkpoint, backbone)?;
        let ignores = generate.is_some_and(|generate| generate.ignore_generation_config);
        let preset = Opened::new(checkpoint, tokenizer, ignores)?;
        if let Some(generate) = generate {
            let sides = preset.sides(generate)?;
            preset.settings(generate, None, sides.as_ref())?;
        }
        let model = LanguageModel::load(&preset.checkpoint, &Compute::cpu(), 0)?;
        Ok(Self::new(preset, model))
    }

    /// A model that is in memory already.
    ///
    /// # Errors
    /// A file of its preset cannot be read.
    pub(crate) fn of(
        checkpoint: Checkpoint,
        tokenizer: Tokenizer,
        model: LanguageModel,
    ) -> Result<Self> {
        Ok(Self::new(Opened::new(checkpoint, tokenizer, false)?, model))
    }

    fn new(preset: Opened, model: LanguageModel) -> Self {
        Self {
            report: preset.checkpoint.report(),
            preset,
            model,
            sampler: None,
            draft: OnceLock::new(),
        }
    }

    /// Goes on with other weights.
    pub(crate) fn set_model(&mut self, model: LanguageModel) {
        self.model = model;
    }

    /// Whether an encoder reads what is written about.
    pub fn reads(&self) -> bool {
        self.preset.checkpoint.config().decoder.is_some()
    }

    /// Chooses how tokens are chosen where nothing else is asked for; none for the preset's own.
    ///
    /// # Errors
    /// Arguments that no sampler can have.
    pub fn set_sampler(&mut self, sampler: Option<Sampler>) -> Result<()> {
        if let Some(sampler) = &sampler {
            sampler.check()?;
        }
        self.sampler = sampler;
        Ok(())
    }

    /// How tokens are chosen.
    ///
    /// # Errors
    /// The preset asks for what no sampler can do.
    pub fn sampler(&self) -> Result<Sampler> {
        match &self.sampler {
            Some(sampler) => Ok(sampler.clone()),
            None => Ok(self.preset.defaults.sampler(None)?),
        }
    }

    /// What is to be said before texts are written as `generate` asks for: the sampler, where that is left to the preset, what of the preset's
    /// `generation_config.json` is not honoured, and what is `lost` of prompts.
    ///
    /// # Errors
    /// The preset asks for what no sampler can do.
    pub fn notes(&self, lost: &Lost, generate: &Generate) -> Result<Vec<String>> {
        let mut notes = self.preset.checkpoint.notes();
        if let Some(sides) = self.sides(generate)? {
            let of_both = self.preset.tokenizer.notes();
            let own = sides.target.notes().iter();
            notes.extend(own.filter(|note| !of_both.contains(note)).cloned());
        }
        let defaults = &self.preset.defaults;
        notes.extend(defaults.notes(generate, self.sampler.as_ref())?);
        if !lost.is_none() {
            notes.push(lost.to_string());
        }
        Ok(notes)
    }

    /// What the preset itself asks for.
    pub fn defaults(&self) -> &Defaults {
        &self.preset.defaults
    }

    /// The name of the preset.
    pub fn name(&self) -> &str {
        &self.preset.name
    }

    /// What became of each tensor of the preset.
    pub fn report(&self) -> &LoadReport {
        &self.report
    }

    /// The tokenizer of the preset.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.preset.tokenizer
    }

    /// The model without its tokenizer.
    pub fn model(&self) -> &LanguageModel {
        &self.model
    }

    /// A prompt to go on from: the text with its ids, what the tokenizer puts before it among them and what it puts after left out, and what of it
    /// the vocabulary lacks.
    ///
    /// # Errors
    /// An empty text, or one that the tokenizer refuses.
    pub fn encode(&self, prompt: &str) -> Result<Prompt> {
        Ok(Prompt::of_text(&self.preset.tokenizer, prompt)?)
    }

    /// What is read and what is written, of an encoder-decoder.
    ///
    /// # Errors
    /// A language that the model does not know, or one where it has no choice.
    pub fn sides(&self, generate: &Generate) -> Result<Option<Sides>> {
        self.preset.sides(generate)
    }

    /// What `generate` asks for, and the preset where it does not.
    ///
    /// # Errors
    /// Those of [`Self::texts`].
    pub fn settings(&self, generate: &Generate) -> Result<Settings> {
        let sides = self.sides(generate)?;
        let compiled = self.sampler.as_ref();
        self.preset.settings(generate, compiled, sides.as_ref())
    }

    /// The smaller model that `preset` is, which is opened once.
    fn draft(&self, preset: &str) -> Result<&LanguageModel> {
        let draft = match self.draft.get() {
            Some(draft) => draft,
            None => {
                let draft = Draft::open(preset, self)?;
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
        let context = self.context(generate.context_length)?;
        let texts = Texts::of(batch, &self.preset.written, options);
        let mut writing = Writing::new(texts, settings, self.sides(generate)?, context);
        writing.log_probabilities = generate.logprobs;
        Ok(writing)
    }

    /// [`Self::texts`] for a single text, which is to be shown as it is written.
    ///
    /// # Errors
    /// Those of [`Self::texts`]; several texts, or beams.
    pub(crate) fn one_text(&self, generate: &Generate) -> Result<Writing<'_>> {
        let settings = self.settings(generate)?;
        if settings.sequences != 1 {
            let problem = "one text can be streamed at a time; leave it at 1";
            return Err(Refusal::of("num_return_sequences", problem).into());
        }
        if settings.sampler.beams().is_some() {
            return Err(Refusal::of("sampler", BEAMS_DO_NOT_STREAM).into());
        }
        self.texts(generate, 1)
    }

    /// Tokens that a text may have: what is asked for, which positions bound, else what the model's file says.
    fn context(&self, wanted: Option<usize>) -> Result<Option<usize>> {
        match (wanted, self.model.config().longest()) {
            (Some(wanted), Some(positions)) if wanted > positions => {
                let problem = format!(
                    "{wanted} is more than the {positions} positions of {}",
                    self.name()
                );
                Err(Refusal::of("context_length", problem).into())
            }
            (Some(wanted), _) => Ok(Some(wanted)),
            (None, _) => Ok(self.model.context()),
        }
    }
}
