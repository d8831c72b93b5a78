//! What every task of the library does, whatever its arguments: trained, scored, asked, saved.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use engraft_component::{Choice, Note, NoteKind, Refusal};
use engraft_config::RustDefaults;
use engraft_data::{Batching, Examples, Splits};
use engraft_files::atomic;
use engraft_generate::Sampler;
use engraft_models::Compute;
use engraft_run::{Display, ProgressLine};
use engraft_tasks::{
    Compiled, Grain, Model, PresetForm, RowOutput, TaskSpec, TrainingRows, may_replace,
};
use engraft_train::optimizer::OptimizerState;
use engraft_train::settings::{Amount, Plan, Trainer};
use engraft_train::{Evaluation, Event, Observer, Training};

use crate::builder::{Start, lora_rank};
use crate::error::{Error, Result};
use crate::fit::{Fit, OnEpochEnd};
use crate::history::{Epoch, History};
use crate::preprocessor::Preprocessor;
use crate::rows::{Labelling, Wants};
use crate::scores::Scores;
use crate::setting::Compile;
use crate::stop::Stopper;
use crate::words::in_rust;

/// A model, and all that is done with it.
pub(crate) struct Core {
    pub(crate) model: Model,
    /// How it is trained, once it is compiled.
    training: Option<Training>,
    /// What the optimizer keeps from one training to the next.
    optimizer: OptimizerState,
    /// Steps taken in all trainings.
    steps: u64,
    /// How tokens are chosen, of what writes, where it was compiled with a sampler.
    sampler: Option<Sampler>,
    preprocessing: Preprocessing,
    /// Tells its own preprocessor from those of other models.
    id: u64,
    pub(crate) stopper: Stopper,
    /// What there was to say of the last call.
    notes: Mutex<Vec<String>>,
}

/// What makes tokens of rows.
#[derive(Clone, Debug, Default)]
pub(crate) enum Preprocessing {
    /// The task itself.
    #[default]
    Own,
    /// Nothing: rows are tokens.
    Nothing,
    /// Another.
    Other(Preprocessor),
}

impl From<Option<Preprocessor>> for Preprocessing {
    fn from(preprocessor: Option<Preprocessor>) -> Self {
        match preprocessor {
            None => Self::Nothing,
            Some(preprocessor) => Self::Other(preprocessor),
        }
    }
}

impl Core {
    /// A model that is compiled as it is usual for its task, if `compiles` says so and the task learns.
    pub(crate) fn new(model: Model, preprocessing: Preprocessing, compiles: bool) -> Result<Self> {
        check_preprocessing(&model.spec, &preprocessing)?;
        static MODELS: AtomicU64 = AtomicU64::new(0);
        let mut core = Self {
            model,
            training: None,
            optimizer: OptimizerState::default(),
            steps: 0,
            sampler: None,
            preprocessing,
            id: MODELS.fetch_add(1, Ordering::Relaxed),
            stopper: Stopper::default(),
            notes: Mutex::default(),
        };
        if compiles && core.model.spec.task().learns() {
            core.compile(Compile::default())?;
        }
        Ok(core)
    }

    /// What the task wants of rows.
    pub(crate) fn wants(&self) -> Wants {
        let task = self.model.spec.task();
        let module = task.data_module();
        let labels = match (self.model.spec.objective().grain(), module) {
            (Grain::Pair, _) => Labelling::Pairs,
            (Grain::Unit, _) => Labelling::Units,
            (_, "SequenceClassificationDataModule") => Labelling::Classes,
            (_, "ZeroshotClassificationRetrieveDataModule") => Labelling::Classes,
            (_, "SequenceRegressionDataModule") => Labelling::Numbers,
            (_, "ConditionalMLMDataModule" | "ConditionalDiffusionDataModule") => {
                Labelling::Numbers
            }
            (_, "Seq2SeqDataModule") => Labelling::Texts,
            (_, "CausalLMDataModule") => Labelling::Tokens,
            // A vector each, for what it is compiled with.
            (Grain::Row, "SequencesDataModule") => Labelling::Numbers,
            _ => Labelling::Nothing,
        };
        let classes = self.model.spec.classes();
        let names = classes.and_then(|classes| classes.names());
        Wants {
            module,
            labels,
            classes: classes.map(|classes| classes.count()),
            names: names.map(<[String]>::to_vec).unwrap_or_default(),
        }
    }

    /// Decides how the model is trained and scored.
    pub(crate) fn compile(&mut self, compile: Compile) -> Result<()> {
        let spec = &self.model.spec;
        let name = spec.task().name();
        let nothing = || {
            let problem = format!("{name} has no loss of its own");
            Refusal::of("loss", problem)
        };
        let learning = spec.learning().map_err(|_| nothing())?;
        let sampler = compile.sampler.sampler()?;
        if sampler.is_some() && !self.writes() {
            let problem = format!("{name} writes nothing, so that no tokens are chosen");
            return Err(Refusal::of("sampler", problem)
                .help("Leave it at Auto")
                .into());
        }
        let loss = compile.loss.loss()?;
        match &loss {
            Some(loss) => loss.check(learning.kind(), name)?,
            None if !learning.has_loss() => {
                let help = "Give one: mean_squared_error, cosine_similarity or another of its output and a vector";
                return Err(nothing().help(help).into());
            }
            None => {}
        }
        let own = learning.metrics();
        let metrics = compile.metrics.metrics();
        let weighted = compile.weighted_metrics.metrics();
        let compiled = Compiled {
            loss,
            ..Compiled::default()
        };
        let compiled = compiled.with_metrics(
            &own,
            learning.kind(),
            metrics.as_deref(),
            weighted.as_deref(),
        )?;
        let rate = spec.task().rate_in_rust(spec.checkpoint().family());
        let training = Training {
            optimizer: compile.optimizer.optimizer(rate)?,
            lr_scheduler: compile.lr_scheduler,
            ..RustDefaults::default().training
        };
        training.check()?;
        let spec = spec.compiled(Arc::new(compiled));
        self.model.spec = Arc::new(spec);
        self.training = Some(training);
        self.sampler = sampler;
        self.optimizer = OptimizerState::default();
        Ok(())
    }

    /// Whether it chooses tokens.
    fn writes(&self) -> bool {
        matches!(self.wants().labels, Labelling::Texts | Labelling::Tokens)
    }

    /// The sampler that it was compiled with.
    pub(crate) fn sampler(&self) -> Option<&Sampler> {
        self.sampler.as_ref()
    }

    /// Whether nothing says how it is trained.
    pub(crate) fn is_compiled(&self) -> bool {
        self.training.is_some()
    }

    /// Trains on rows. A copy goes through the loop, so that an error leaves the model as it was.
    pub(crate) fn fit(&mut self, train: Examples, fit: Fit<'_>) -> Result<History> {
        let history = self.trained(train, fit);
        self.stopper.take();
        history
    }

    fn trained(&mut self, train: Examples, mut fit: Fit<'_>) -> Result<History> {
        let training = self.training.clone().ok_or(Error::NotCompiled("fit"))?;
        let mut notes = Vec::new();
        let train = self.prepared(train, &mut notes)?;
        if let (Some(_), Some(_)) = (&train.batches, fit.batch_size) {
            let problem =
                "batch_size: the batches of an iterator are kept as they are; leave it out";
            return Err(Error::Argument(problem.into()));
        }
        let valid = match fit.validation {
            Some(valid) => Some(self.prepared(valid.clone(), &mut notes)?),
            None => None,
        };
        let (train, valid) = divided(train, valid, fit.validation_split)?;
        let plan = plan_of(&fit)?;
        let batching = batching_of(&fit, &train)?;
        let spec = self.model.spec.informed_by(TrainingRows::new(&train))?;
        let callbacks = fit.watched();
        let display = Display::detect(fit.verbose, plan.log_every_n_steps);
        let mut teller = Teller {
            line: ProgressLine::new(display),
            shows: fit.verbose,
            notes,
            on_epoch_end: fit.on_epoch_end.as_mut(),
            stopper: &self.stopper,
            ended_by_user: false,
        };
        let structures = spec.note_on_structures(&train);
        for text in spec.objective().notes().into_iter().chain(structures) {
            (&mut teller as &mut dyn Observer).note(Note::new(NoteKind::Model, text));
        }
        let model = Model {
            spec: Arc::new(spec),
            network: self.model.network.clone(),
        };
        let splits = Splits {
            train: Some(train),
            valid,
            test: None,
            ..Splits::default()
        };
        let outcome = engraft_train::fit(
            model,
            engraft_train::Fit {
                training: &training,
                plan: &plan,
                callbacks: &callbacks,
                splits,
                batching: &batching,
                masking: None,
                seed: fit.seed,
                config: "",
                optimizer: self.optimizer.clone(),
                resume: None,
                fold: None,
                stop: Arc::clone(&self.stopper.0),
                observer: &mut teller,
            },
        );
        let ended_by = if teller.ended_by_user {
            "on_epoch_end"
        } else {
            "the stopper"
        };
        let notes = teller.notes;
        self.remember(notes);
        let outcome = outcome?;
        let by_user = outcome.interrupted;
        let by_user = || by_user.then(|| format!("stopped by {ended_by}"));
        let stopped = outcome.stopped.or_else(by_user);
        self.model = outcome.model;
        self.optimizer = outcome.optimizer;
        self.steps += outcome.steps;
        Ok(History::new(outcome.history, stopped))
    }

    /// One step on rows that are a batch: its loss and metrics.
    pub(crate) fn train_on_batch(&mut self, mut batch: Examples) -> Result<Scores> {
        batch.batches = None;
        let fit = Fit {
            batch_size: Some(batch.len().max(1)),
            shuffle: false,
            // Each step has dropout of its own.
            seed: self.steps,
            verbose: false,
            ..Fit::default()
        };
        let history = self.fit(batch, fit)?;
        let values = history.epochs().last().map(|epoch| epoch.values.to_vec());
        Ok(values.unwrap_or_default().into())
    }

    /// Loss and metrics over labelled rows.
    pub(crate) fn evaluate(&self, examples: Examples) -> Result<Scores> {
        if !self.is_compiled() && self.model.spec.task().learns() {
            return Err(Error::NotCompiled("evaluate"));
        }
        if examples.is_empty() {
            return Err(Error::Argument("there are no rows to score".into()));
        }
        let mut teller = Teller::silent(&self.stopper);
        let examples = self.prepared(examples, &mut teller.notes)?;
        let evaluation = Evaluation {
            stage: "test",
            of: "the model",
            examples: Arc::new(examples),
            batching: &RustDefaults::default().batching,
            masking: None,
            limit: Amount::ALL,
            stop: Some(&self.stopper.0),
            observer: &mut teller,
        };
        let scores = engraft_train::evaluate(&self.model, evaluation);
        self.remember(teller.notes);
        self.stopper.take();
        match scores {
            Err(engraft_train::Error::Interrupted) => Err(Error::Stopped),
            scores => Ok(scores?.into()),
        }
    }

    /// What the model gives for each row, in order.
    pub(crate) fn outputs(&self, examples: Examples) -> Result<Vec<RowOutput>> {
        self.stopper.check()?;
        let mut teller = Teller::silent(&self.stopper);
        let examples = self.prepared(examples, &mut teller.notes)?;
        let prediction = engraft_train::Prediction {
            examples: Arc::new(examples),
            batching: &RustDefaults::default().batching,
            limit: Amount::ALL,
            seed: 0,
            observer: &mut teller,
        };
        let mut outputs = Vec::new();
        let ended = engraft_train::predict(&self.model, prediction, |row: RowOutput| {
            outputs.push(row);
            self.stopper.check()
        });
        self.remember(teller.notes);
        self.stopper.take();
        ended?;
        Ok(outputs)
    }

    /// Rows as the task reads them: by its own preprocessor, by another, or as tokens.
    fn prepared(&self, examples: Examples, notes: &mut Vec<String>) -> Result<Examples> {
        match &self.preprocessing {
            Preprocessing::Own => Ok(examples),
            Preprocessing::Nothing if examples.tokens.is_none() && !examples.is_empty() => {
                let problem = "there is no preprocessor, so that rows are tokens (TokenRow) and not texts; set_preprocessor sets one";
                Err(Error::Argument(problem.into()))
            }
            Preprocessing::Nothing => Ok(examples),
            Preprocessing::Other(preprocessor) => preprocessor.apply(examples, notes),
        }
    }

    pub(crate) fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Its own, which may cut to another length than before, another, or none.
    pub(crate) fn set_preprocessor(&mut self, preprocessor: Option<Preprocessor>) -> Result<()> {
        let preprocessing = match preprocessor {
            Some(own) if own.owner == Some(self.id) => {
                if own.length() != self.model.spec.max_length() {
                    let spec = self.model.spec.with_max_length(own.length())?;
                    self.model.spec = Arc::new(spec);
                }
                Preprocessing::Own
            }
            other => other.into(),
        };
        check_preprocessing(&self.model.spec, &preprocessing)?;
        self.preprocessing = preprocessing;
        Ok(())
    }

    pub(crate) fn preprocessor(&self) -> Option<Preprocessor> {
        match &self.preprocessing {
            Preprocessing::Own => {
                let spec = &self.model.spec;
                let tokenizer = spec.tokenizer().clone();
                Some(Preprocessor::own(tokenizer, spec.max_length(), self.id))
            }
            Preprocessing::Nothing => None,
            Preprocessing::Other(preprocessor) => Some(preprocessor.clone()),
        }
    }

    /// What there was to say of the last call.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn remember(&self, notes: Vec<String>) {
        *self.notes.lock().unwrap_or_else(PoisonError::into_inner) = notes;
    }

    /// Adds low-rank updates to the backbone, which goes on from the weights that it has.
    pub(crate) fn enable_lora(&mut self, start: &Start, rank: usize) -> Result<()> {
        let spec = &self.model.spec;
        let mut wanted = spec.task().clone();
        let backbone = wanted.backbone_mut().backbone_mut();
        if lora_rank(backbone).is_some() || self.model.network.is_adapted() {
            let problem = "enable_lora: the backbone has low-rank updates already";
            return Err(Error::Argument(problem.into()));
        }
        (backbone.use_peft, backbone.lora_r) = (true, rank);
        start.preset.name().clone_into(&mut backbone.preset);
        let learned = spec.objective().learned();
        let compute = Compute {
            device: self.model.network.device(),
            ..start.compute()
        };
        let seed = start.seed;
        let built = Model::build_on(wanted, start.preset.clone(), Some(&learned), &compute, seed)?;
        let mut spec = TaskSpec::clone(&built.spec);
        if let Some(compiled) = self.model.spec.compiled_with() {
            spec = spec.compiled(compiled);
        }
        self.model = Model {
            spec: Arc::new(spec),
            network: built.network.with_values_of(&self.model.network)?,
        };
        self.optimizer = OptimizerState::default();
        Ok(())
    }

    /// Writes a preset.
    pub(crate) fn save_to_preset(&self, folder: &Path) -> Result<()> {
        self.save(PresetForm::Whole, folder)
    }

    /// Writes what was trained beside the backbone's weights alone.
    pub(crate) fn save_lora_weights(&self, folder: &Path) -> Result<()> {
        if !self.model.network.is_adapted() {
            let problem = "the backbone has no low-rank updates: enable_lora adds some";
            return Err(Error::Argument(problem.into()));
        }
        self.save(PresetForm::Adapter, folder)
    }

    fn save(&self, form: PresetForm, folder: &Path) -> Result<()> {
        may_replace(folder)?;
        let folder = atomic::Folder::create(folder)?;
        let Model { spec, network } = self.model.clone().with_family_head();
        spec.write_preset(&network, form, folder.path())?;
        folder.commit()?;
        Ok(())
    }
}

/// How a training goes.
fn plan_of(fit: &Fit<'_>) -> Result<Plan> {
    let (has_checkpoints, folder) = fit.checkpoints();
    let trainer = Trainer {
        max_epochs: Some(i64::try_from(fit.epochs).unwrap_or(i64::MAX)),
        gradient_clip_val: fit.clip_norm,
        enable_report: Some(false),
        enable_checkpointing: Some(has_checkpoints),
        default_root_dir: folder,
        ..RustDefaults::default().trainer
    };
    let (plan, _) = trainer.plan().map_err(engraft_train::Error::from)?;
    Ok(Plan { log: false, ..plan })
}

/// How rows become batches, unless they come in some.
fn batching_of(fit: &Fit<'_>, train: &Examples) -> Result<Batching> {
    let face = RustDefaults::default().batching;
    let batch_size = fit.batch_size.unwrap_or(face.batch_size);
    if batch_size == 0 {
        let problem = "batch_size: a batch has at least one row";
        return Err(Error::Argument(problem.into()));
    }
    Ok(Batching {
        batch_size,
        shuffle: fit.shuffle && train.batches.is_none(),
        ..face
    })
}

/// Refuses other tokens than its own for a task that looks at the texts themselves.
fn check_preprocessing(spec: &TaskSpec, preprocessing: &Preprocessing) -> Result<()> {
    match spec.reads_itself() {
        Some(what) if !matches!(preprocessing, Preprocessing::Own) => {
            let task = spec.task().name();
            let problem = format!("{task} reads {what}, so that it makes tokens itself");
            Err(Refusal::of("preprocessor", problem).into())
        }
        _ => Ok(()),
    }
}

/// The rows with the last `share` of them put aside to be scored, as Keras does it.
fn divided(
    train: Examples,
    valid: Option<Examples>,
    share: f64,
) -> Result<(Examples, Option<Examples>)> {
    if share == 0.0 {
        return Ok((train, valid));
    }
    let refused = |problem: String| Err(Error::Argument(format!("validation_split: {problem}")));
    if !(0.0..1.0).contains(&share) {
        return refused(format!("expected a share from 0 to below 1, found {share}"));
    }
    if valid.is_some() {
        return refused("there are rows for validation already; leave one of both out".into());
    }
    if train.batches.is_some() {
        return refused("the batches of an iterator are kept as they are; give validation".into());
    }
    let rows = train.len();
    let kept = (rows as f64 * (1.0 - share)).floor() as usize;
    if kept == 0 || kept == rows {
        return refused(format!(
            "{share} of {rows} rows leaves none to train on, or none to score"
        ));
    }
    let part = |range: std::ops::Range<usize>| train.select(&range.collect::<Vec<_>>());
    Ok((part(0..kept), Some(part(kept..rows))))
}

/// Shows what happens, remembers what is said, and lets the user look at each epoch.
struct Teller<'a, 'f> {
    line: ProgressLine,
    /// Whether anything is shown, notes among it.
    shows: bool,
    notes: Vec<String>,
    on_epoch_end: Option<&'a mut OnEpochEnd<'f>>,
    stopper: &'a Stopper,
    /// Whether the user's function asked to stop.
    ended_by_user: bool,
}

impl<'a> Teller<'a, '_> {
    /// One that shows nothing.
    fn silent(stopper: &'a Stopper) -> Self {
        Self {
            line: ProgressLine::new(Display::Silent),
            shows: false,
            notes: Vec::new(),
            on_epoch_end: None,
            stopper,
            ended_by_user: false,
        }
    }
}

impl Observer for Teller<'_, '_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Note(note) => {
                let text = in_rust(&note);
                if self.shows {
                    let note = Note::new(note.kind, text.as_str());
                    self.line.event(Event::Note(note));
                }
                self.notes.push(text);
            }
            Event::Epoch { epoch, values } => {
                let epoch = Epoch {
                    number: epoch,
                    values,
                };
                if let Some(look) = &mut self.on_epoch_end
                    && look(&epoch).is_break()
                {
                    self.ended_by_user = true;
                    self.stopper.stop();
                }
            }
            event => self.line.event(event),
        }
    }
}
