//! Opening a preset as a model, part by part.

mod heads;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use burn::module::Module;
use engraft_component::Refusal;
use engraft_hub::{LoadReport, Preset, TensorRef, Weights};
use serde_json::{Map, Value};

use crate::adapted::{LoraOrigin, Stack};
use crate::config::{DecoderConfig, ModelConfig};
use crate::error::{Error, Result};
use crate::families::Family;
use crate::initial::Initial;
use crate::load::{Loader, Source};
use crate::names::{HeadKind, Names};
use crate::overwrites::overwrite;
use crate::own_code::OwnCode;
use crate::peft::{self, BEGINS, LoraSettings, PeftFolder};
use crate::run_file::RunFile;
use crate::transformer::Transformer;

/// A parameter that every decoder has.
const DECODERS_FIRST: &str = "layers.0.attention.output.weight";

/// A preset whose configuration is understood and whose weights are open.
#[derive(Clone)]
pub struct Checkpoint {
    pub(crate) preset: Preset,
    pub(crate) config: ModelConfig,
    /// The preset's weights, none if it starts from scratch.
    weights: Option<Source>,
    /// Their hash, once it was asked for: it takes reading all of them.
    fingerprint: Arc<OnceLock<String>>,
    /// Weights of heads that lie elsewhere, before the preset's own.
    heads: Vec<Source>,
    /// Heads that the configuration ties to the embeddings, and whose projection is another all the same.
    pub(crate) untied: Vec<HeadKind>,
    pub(crate) lora: Option<LoraOrigin>,
    /// The code that the preset names for its model.
    pub(crate) own_code: Option<OwnCode>,
    /// The run's file that weights were taken from.
    run: Option<RunFile>,
    /// What became of each tensor so far.
    progress: Progress,
}

/// What became of each tensor that was asked for.
#[derive(Clone, Default)]
struct Loaded {
    report: LoadReport,
    /// The names of those that were read.
    used: BTreeSet<String>,
    /// The parts that were found.
    parts: Vec<HeadKind>,
}

/// What became of each tensor so far. A clone goes on by itself.
#[derive(Default)]
struct Progress(Mutex<Loaded>);

impl Progress {
    fn get(&self) -> MutexGuard<'_, Loaded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Progress {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.get().clone()))
    }
}

impl Checkpoint {
    /// Opens `preset`; `overwrites` replace keys of its `config.json`. With `from_scratch` no weights are read, nor needed.
    ///
    /// # Errors
    /// A configuration that is missing, wrong or of an unknown family, an overwrite that the family does not know, weights that cannot be read.
    pub fn open(
        preset: Preset,
        overwrites: &Map<String, Value>,
        from_scratch: bool,
    ) -> Result<Self> {
        Self::open_on(preset, overwrites, |preset, _| {
            if from_scratch {
                return Ok(None);
            }
            Ok(Some(Arc::new(Weights::open(preset)?)))
        })
    }

    /// As [`Self::open`], with the encoder of backbone `number` of a run in the place of the preset's, which may have none.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn open_run(
        preset: Preset,
        overwrites: &Map<String, Value>,
        run: &RunFile,
        number: usize,
    ) -> Result<Self> {
        let opened = Self::open_on(preset, overwrites, |_, family| {
            Ok(Some(Arc::new(run.encoder(number, family))))
        })?;
        Ok(opened.of_run(run))
    }

    /// The same, whose heads or updates are a run's.
    #[must_use]
    pub fn of_run(mut self, run: &RunFile) -> Self {
        self.run = Some(run.clone());
        self
    }

    /// The same with the LoRA updates of backbone `number` of a run, which are as `settings` say.
    ///
    /// # Errors
    /// The settings cannot be.
    pub fn with_updates(
        self,
        run: &RunFile,
        number: usize,
        settings: &LoraSettings,
    ) -> Result<Self> {
        let transposed = self.config.family.transposed;
        let updates = run.updates(number);
        let folder = PeftFolder::of_run(run.name(), settings, transposed, updates)?;
        self.with_lora(LoraOrigin::Saved(Arc::new(folder)))
    }

    fn open_on(
        preset: Preset,
        overwrites: &Map<String, Value>,
        weights: impl FnOnce(&Preset, &'static Family) -> Result<Option<Arc<Weights>>>,
    ) -> Result<Self> {
        let place = preset.locate("config.json");
        let mut json = preset.config()?;
        overwrite(&mut json, overwrites, &place)?;
        let own_code = OwnCode::of(&place, &json);
        let (config, keys) =
            Family::read(&place, json.clone()).map_err(|error| match &own_code {
                Some(code) if overwrites.is_empty() => code.unread(&json, &error),
                _ => error,
            })?;
        keys.check_overwrites(overwrites, config.family)?;
        let weights = weights(&preset, config.family)?;
        let weights = weights.map(|weights| Source::new(weights, "", config.family.prefix));
        let mut checkpoint = Self {
            preset,
            config,
            weights,
            fingerprint: Arc::default(),
            heads: Vec::new(),
            untied: Vec::new(),
            lora: None,
            own_code,
            run: None,
            progress: Progress::default(),
        };
        // Whoever asks for a tied head gets one.
        if !overwrites.contains_key("tie_word_embeddings") {
            checkpoint.untie()?;
        }
        Ok(checkpoint)
    }

    /// The same with LoRA on its encoder; the heads that a saved adapter holds come before the preset's own.
    ///
    /// # Errors
    /// The adapter was trained on other weights.
    pub fn with_lora(mut self, lora: LoraOrigin) -> Result<Self> {
        if let LoraOrigin::Saved(folder) | LoraOrigin::Merged(folder) = &lora {
            folder.check_base(self.preset.name(), || self.fingerprint())?;
            let heads = Arc::clone(&folder.weights);
            self.heads
                .push(Source::new(heads, BEGINS, self.config.family.prefix));
        }
        if let LoraOrigin::Saved(folder) = &lora {
            self.check_trains_whole(folder)?;
        }
        self.lora = Some(lora);
        self.untie()?;
        Ok(self)
    }

    /// The same with heads from a file of their own, before the preset's; `name` is what the file belongs to.
    ///
    /// # Errors
    /// They were trained on other weights.
    pub fn with_heads(mut self, weights: Arc<Weights>, name: &str) -> Result<Self> {
        peft::check_base(name, &weights, self.preset.name(), || self.fingerprint())?;
        self.heads
            .insert(0, Source::new(weights, "", self.config.family.prefix));
        self.untie()?;
        Ok(self)
    }

    /// The understood configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The preset it was opened from.
    pub fn preset(&self) -> &Preset {
        &self.preset
    }

    /// The name that the preset has for the tensor that the reference library calls `name`; none if it has no such tensor.
    pub fn tensor_name(&self, name: &str) -> Option<String> {
        let source = self.weights.as_ref()?;
        let stacks = [Names::encoder(&self.config), Names::decoder(&self.config)];
        let heads = HeadKind::OF_FAMILIES.map(|kind| Names::head(self.config.family, kind));
        let known = stacks.iter().chain(&heads).flat_map(|names| {
            let path = names.path(name);
            path.map(|path| names.for_reading(&path, source.prefixed))
                .unwrap_or_default()
        });
        // A model without a head may be stored without what its names begin with.
        let bare = name.strip_prefix(self.prefix());
        let bare = bare.and_then(|rest| rest.strip_prefix('.').or(Some(rest)));
        let bare = bare.filter(|_| !source.prefixed).map(str::to_owned);
        let mut names = std::iter::once(name.to_owned()).chain(known).chain(bare);
        names.find(|name| source.weights.get(name).is_some())
    }

    /// A tensor of a head of engraft's own, if the preset has one.
    pub fn own_head_name(&self) -> Option<&str> {
        self.tensor_names().find(|name| Names::is_own(name))
    }

    /// The tensor that the reference library calls `name`, under whichever of its names the preset has it; none if it has none.
    pub fn tensor(&self, name: &str) -> Option<TensorRef<'_>> {
        let weights = &self.weights.as_ref()?.weights;
        weights.get(&self.tensor_name(name)?)
    }

    /// The names of all tensors that the preset has.
    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        let weights = self.weights.iter();
        weights.flat_map(|source| source.weights.names())
    }

    /// The reference library's name of the encoder's module at a path of fields, without the family's prefix.
    pub fn module_name(&self, path: &str) -> Option<String> {
        Names::encoder(&self.config).module(path)
    }

    /// The reference library's name of the encoder's parameter at a path of fields, without the family's prefix.
    pub fn parameter_name(&self, path: &str) -> Option<String> {
        Names::encoder(&self.config).parameter(path)
    }

    /// The reference library's name of the parameter at a path of fields of a head.
    pub fn head_parameter_name(&self, kind: HeadKind, path: &str) -> Option<String> {
        Names::head(self.config.family, kind).parameter(path)
    }

    /// What the encoder's names begin with where a head of the family stands beside it.
    pub fn prefix(&self) -> &'static str {
        self.config.family.prefix
    }

    /// The name of its family.
    pub fn family(&self) -> &'static str {
        self.config.family.name
    }

    /// Whether there is a LoRA adapter, trained on or added to the weights.
    pub fn has_lora(&self) -> bool {
        self.lora.is_some()
    }

    /// Whether its encoder has weights, or starts from scratch.
    pub fn has_weights(&self) -> bool {
        self.weights.is_some()
    }

    /// A hash of the weights, none if they start from scratch.
    pub fn fingerprint(&self) -> Option<String> {
        let source = self.weights.as_ref()?;
        let fingerprint = || source.weights.fingerprint();
        Some(self.fingerprint.get_or_init(fingerprint).clone())
    }

    /// The encoder, its LoRA updates included.
    ///
    /// # Errors
    /// A tensor is missing, has another shape, or is not finite; the adapter does not fit.
    pub fn encoder(&self, initial: &Initial) -> Result<Transformer> {
        let fresh = Transformer::new(&self.config.transformer, initial);
        let mut encoder = self.load(fresh, HeadKind::None, initial, true)?;
        self.check_own_code()?;
        encoder.set_frequencies(self.frequencies()?);
        if self.config.transformer.embedding.one_hot {
            encoder = encoder.no_grad();
        }
        self.with_updates_of(encoder, Stack::Encoder, initial)
    }

    /// The shape of the decoder beside the encoder, and of its head.
    ///
    /// # Errors
    /// The family has none.
    pub fn decoder_config(&self) -> Result<&DecoderConfig> {
        let decoder = self.config.decoder.as_ref();
        decoder.ok_or_else(|| self.lacks(HeadKind::Seq2SeqLm))
    }

    /// The decoder beside the encoder, its LoRA updates included.
    ///
    /// # Errors
    /// The family has none or the checkpoint stores none, a tensor is missing, has another shape, or is not finite; the adapter does not fit.
    pub fn decoder(&self, initial: &Initial) -> Result<Transformer> {
        let config = self.decoder_config()?;
        let names = Names::decoder(&self.config);
        if let Some(own) = &self.weights
            && own.get(&names, DECODERS_FIRST).is_none()
        {
            let first = names.of(DECODERS_FIRST, true).into_iter().next();
            let problem = format!(
                "{} is an encoder alone: it stores no {}",
                self.preset.name(),
                first.as_deref().unwrap_or("decoder")
            );
            let help = "Take a checkpoint that was saved with its decoder";
            return Err(Refusal::plain(problem).help(help).into());
        }
        let fresh = Transformer::new(&config.transformer, initial);
        let decoder = self.load(fresh, HeadKind::Decoder, initial, true)?;
        self.with_updates_of(decoder, Stack::Decoder, initial)
    }

    /// A stack with the updates that it has.
    fn with_updates_of(
        &self,
        mut stack: Transformer,
        which: Stack,
        initial: &Initial,
    ) -> Result<Transformer> {
        match &self.lora {
            None => Ok(stack),
            Some(LoraOrigin::Fresh(settings)) => {
                self.adapt(stack.no_grad(), which, settings, &initial.at(3))
            }
            Some(LoraOrigin::Saved(folder)) => {
                self.restore(stack.no_grad(), which, folder, initial)
            }
            Some(LoraOrigin::Merged(folder)) => {
                stack = self.restore(stack, which, folder, initial)?;
                stack.merge_lora();
                Ok(stack)
            }
        }
    }

    /// Refuses a checkpoint of which code of its own makes something else: its encoder has tensors that the family's has not.
    fn check_own_code(&self) -> Result<()> {
        let Some(code) = &self.own_code else {
            return Ok(());
        };
        let Self { config, .. } = self;
        let first = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let names = Names::encoder(config).modules();
        let parts: BTreeSet<String> = names.into_iter().map(first).collect();
        let report = self.report();
        let strange = report.unexpected.iter().find(|name| {
            let bare = name.strip_prefix(config.family.prefix).unwrap_or(name);
            parts.contains(&first(bare))
        });
        match strange {
            Some(name) => Err(code.misfit(config.family, &format!("which has no {name}"))),
            None => Ok(()),
        }
    }

    /// The frequencies of rotations, where the family's checkpoints state them and this one does.
    pub(crate) fn frequencies(&self) -> Result<Option<Vec<f32>>> {
        let (Some(source), Some(rotary)) = (&self.weights, &self.config.transformer.rotary) else {
            return Ok(None);
        };
        let family = self.config.family;
        let stored = family.frequencies.iter().find_map(|name| {
            let prefixed = format!("{}{name}", family.prefix);
            source.weights.get(&prefixed).or(source.weights.get(name))
        });
        let Some(stored) = stored else {
            return Ok(None);
        };
        let frequencies = stored.to_f32()?;
        if frequencies.len() != rotary.pairs() || !frequencies.iter().all(|rate| rate.is_finite()) {
            return Err(Error::Weights {
                preset: self.preset.name().to_owned(),
                report: format!(
                    "{} holds no {} finite frequencies",
                    stored.name(),
                    rotary.pairs()
                ),
            });
        }
        Ok(Some(frequencies))
    }

    /// What became of each tensor of the preset's own weights, for the parts loaded so far.
    pub fn report(&self) -> LoadReport {
        let Loaded {
            mut report,
            used,
            parts,
        } = self.progress.get().clone();
        let Some(source) = &self.weights else {
            return report;
        };
        let prefix = self.config.family.prefix;
        let unread = source.weights.names().filter(|name| !used.contains(*name));
        for name in unread {
            let bare = name.strip_prefix(prefix).unwrap_or(name);
            let derived = self.config.family.derived;
            let repeats = || {
                let tensor = source.weights.get(name);
                // One that cannot be read is of no use to the model either.
                tensor.is_some_and(|tensor| self.repeats_embeddings(&tensor).unwrap_or(false))
            };
            if derived.contains(&with_gaps(bare).as_str()) || repeats() {
                report.derived.push(name.to_owned());
                continue;
            }
            let is_of = |kind: &HeadKind| self.is_in_head(*kind, name);
            // Beside the encoder there are heads alone.
            let is_beside = Names::is_own(name) || source.prefixed && !name.starts_with(prefix);
            let mut others = self.config.family.beside.iter();
            let is_beside = is_beside
                || !parts.contains(&HeadKind::Decoder) && others.any(|part| bare.starts_with(part));
            let is_head = is_beside || HeadKind::OF_FAMILIES.iter().any(is_of);
            if is_head && !parts.iter().any(is_of) {
                let head = bare.split('.').next().unwrap_or(bare);
                let tensors = report.not_needed.entry(head.to_owned()).or_default();
                tensors.push(name.to_owned());
            } else {
                report.unexpected.push(name.to_owned());
            }
        }
        report
    }

    /// Where heads are looked for, in this order.
    pub(crate) fn head_sources(&self) -> Vec<Source> {
        self.heads.iter().chain(&self.weights).cloned().collect()
    }

    /// Where the encoder is looked for, in this order.
    pub(crate) fn encoder_sources(&self) -> Vec<Source> {
        let Some(own) = &self.weights else {
            return Vec::new();
        };
        let adapter = self.adapter_folder().map(|folder| {
            let weights = Arc::clone(&folder.weights);
            Source::new(weights, BEGINS, self.config.family.prefix)
        });
        adapter.into_iter().chain([own.clone()]).collect()
    }

    /// The preset's own weights.
    pub(crate) fn own_source(&self) -> Option<&Source> {
        self.weights.as_ref()
    }

    /// The name of the folder of the saved adapter, if there is one that describes itself.
    pub fn saved_adapter(&self) -> Option<&str> {
        let folder = self.adapter_folder();
        let folder = folder.filter(|folder| !folder.is_described_elsewhere());
        folder.map(PeftFolder::name)
    }

    /// Whether the tensor of this name was read.
    pub fn has_read(&self, name: &str) -> bool {
        self.progress.get().used.contains(name)
    }

    /// The saved adapter, if there is one.
    pub(crate) fn adapter_folder(&self) -> Option<&PeftFolder> {
        match &self.lora {
            Some(LoraOrigin::Saved(folder) | LoraOrigin::Merged(folder)) => Some(folder),
            _ => None,
        }
    }

    pub(crate) fn head_names(&self, kind: HeadKind) -> Names {
        Names::head(self.config.family, kind)
    }

    /// Puts the stored tensors of the encoder, which is of the kind `None`, or of a head in the place of fresh ones.
    fn load<M: Module>(
        &self,
        module: M,
        kind: HeadKind,
        initial: &Initial,
        required: bool,
    ) -> Result<M> {
        let (names, sources) = match kind {
            HeadKind::None => (Names::encoder(&self.config), self.encoder_sources()),
            HeadKind::Decoder => (Names::decoder(&self.config), self.encoder_sources()),
            kind => (self.head_names(kind), self.head_sources()),
        };
        if sources.is_empty() {
            return Ok(module);
        }
        // The updates of a stack stand beside its weights.
        let is_stack = matches!(kind, HeadKind::None | HeadKind::Decoder);
        let adapter = self.adapter_folder().filter(|_| !is_stack);
        let mut loader = Loader::new(
            &sources,
            names,
            initial.device.clone(),
            adapter,
            self.twin(kind),
        );
        let module = module.map(&mut loader);
        let Loader {
            mut report,
            used,
            borrowed,
            error,
            ..
        } = loader;
        if let Some(error) = error {
            return Err(error);
        }
        if report.loaded == 0 && !required {
            // A head that starts anew is no gap in the checkpoint, but worth a word.
            let mut progress = self.progress.get();
            let missing = report.missing_optional;
            progress.report.missing_optional.extend(missing);
            return Ok(module);
        }
        if required {
            report.missing_required = std::mem::take(&mut report.missing_optional);
        }
        // The projection of a classification head for another number of classes starts anew; everything else has to fit.
        let projection = names.of("projection", false);
        // As messages call it, where that is something else.
        let stored = ["projection.weight", "projection.bias"]
            .into_iter()
            .flat_map(|path| {
                sources
                    .iter()
                    .filter_map(move |source| source.get(&names, path))
            });
        let stored: Vec<&str> = stored.map(|tensor| tensor.name()).collect();
        report.mismatched.retain(|mismatch| {
            let is_projection = projection.iter().any(|module| {
                let name = mismatch.name.as_str();
                let module_of = name.strip_suffix(".weight").or(name.strip_suffix(".bias"));
                module_of.is_some_and(|found| found.ends_with(module.as_str()))
            });
            let is_projection = is_projection || stored.contains(&mismatch.name.as_str());
            required || !is_projection || mismatch.expected.get(1..) != mismatch.found.get(1..)
        });
        if !report.is_complete() {
            if let Some(code) = &self.own_code {
                return Err(code.misfit(self.config.family, &missing_or_misshaped(&report)));
            }
            let report = report.to_string().replace("\n  ", "; ");
            if let Some(run) = &self.run {
                return Err(misfit_of_run(run, kind, &report));
            }
            return Err(Error::Weights {
                preset: self.preset.name().to_owned(),
                report,
            });
        }
        report.loaded += borrowed;
        let mut progress = self.progress.get();
        progress.report.merge(report);
        progress.used.extend(used);
        progress.parts.push(kind);
        Ok(module)
    }
}

/// That the tensors of a run's file are not those of the experiment's model.
fn misfit_of_run(run: &RunFile, kind: HeadKind, report: &str) -> Error {
    let held = match kind {
        HeadKind::None => String::new(),
        _ => format!("; the file has {}", run.shown_head()),
    };
    let problem = format!(
        "{} does not fit the experiment's model: {report}{held}",
        run.name()
    );
    Refusal::plain(problem)
        .help("Give the model, backbone and adapter that the run was trained with")
        .into()
}

/// How tensors do not fit, in a few words.
fn missing_or_misshaped(report: &LoadReport) -> String {
    let (missing, misshaped) = (&report.missing_required, &report.mismatched);
    let of = |count: usize, example: Option<&String>| {
        let example = example.map_or_else(String::new, |name| format!(", such as {name}"));
        format!("{count} of its tensors{example}")
    };
    let missing = (!missing.is_empty())
        .then(|| format!("as it lacks {}", of(missing.len(), missing.first())));
    let misshaped = (!misshaped.is_empty()).then(|| {
        let first = misshaped.first().map(|mismatch| &mismatch.name);
        format!("as it has other shapes for {}", of(misshaped.len(), first))
    });
    let both = missing.into_iter().chain(misshaped);
    both.collect::<Vec<_>>().join(", and ")
}

/// A name with `{}` for its numbers, as tables have it.
pub(crate) fn with_gaps(name: &str) -> String {
    let parts = name.split('.').map(|part| match part.parse::<usize>() {
        Ok(_) => "{}",
        Err(_) => part,
    });
    parts.collect::<Vec<_>>().join(".")
}
