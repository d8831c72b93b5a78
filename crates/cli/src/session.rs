//! What every run begins with: the experiment read, its notes said, its model and rows found.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use engraft_component::{FromNode, Node, Value, class_word, did_you_mean, to_yaml};
use engraft_config::{Composed, Experiment, Model as ModelSettings, Seed, Source, compose};
use engraft_data::{DataModule, Error as DataError, Examples, Splits, Stage};
use engraft_hub::Preset;
use engraft_tasks::{CacheSettings, Model, Task, TrainingRows};
use engraft_train::Plan;
use engraft_train::progress::{Display, Progress};

use crate::arguments::{Command, LoraExport, Tail};
use crate::failure::{Failure, note, print, say};
use crate::{fold, help};

/// An experiment that was read and is to be run.
#[derive(Debug)]
pub(crate) struct Session {
    command: Command,
    /// The file or folder to write.
    pub(crate) output: Option<PathBuf>,
    /// What export makes of LoRA updates.
    pub(crate) lora: Option<LoraExport>,
    /// The experiment.
    pub(crate) experiment: Experiment,
    /// What its trainer means.
    pub(crate) plan: Plan,
    composed: Composed,
}

impl Session {
    /// Reads the tail of a command line; help or a configuration that is asked for is printed instead of going on.
    pub(crate) fn open(command: Command, words: &[String]) -> Result<Self, Failure> {
        let tail = Tail::read(command, words)?;
        if let Some(topic) = &tail.help {
            return Err(help::answer(command, topic, &tail.sources)?);
        }
        let composed = compose(&with_data_module(tail.sources.clone()))?;
        let (mut experiment, notes) = Experiment::read(&composed)?;
        notes.iter().for_each(|text| note(text));
        if tail.print_config {
            print(&experiment.to_yaml())?;
            return Err(Failure::Done);
        }
        if experiment.seed_everything == Seed::Fresh {
            let seed = experiment.seed_everything.number();
            note(&format!(
                "seed_everything: false: this run has the seed {seed}"
            ));
            experiment.seed_everything = Seed::Fixed(seed);
        }
        if let (Command::Fit, Some(model)) = (command, &experiment.model) {
            let checked = model.task().check_training();
            checked.map_err(|error| {
                Failure::refused(Experiment::locate(&composed, &error.to_string()))
            })?;
        }
        use_threads(tail.threads)?;
        let (plan, notes) = experiment.trainer.plan().map_err(Failure::refused)?;
        if command == Command::Fit || plan.rehearsal {
            notes.iter().for_each(|text| note(text));
        }
        let session = Self {
            command,
            output: tail.output,
            lora: tail.lora,
            experiment,
            plan,
            composed,
        };
        session.suggest_checkpoint();
        Ok(session)
    }

    /// What is computed and how it is trained, as the experiment says.
    pub(crate) fn model(&self) -> Result<&ModelSettings, Failure> {
        self.experiment.model.as_ref().ok_or_else(|| {
            let or_checkpoint = match self.command {
                Command::Fit => "",
                _ => ", or --ckpt_path with a checkpoint, which holds its model",
            };
            self.lacks(
                "model",
                &format!("--model CLASS or a --config with a model{or_checkpoint}"),
            )
        })
    }

    /// Where the rows come from.
    pub(crate) fn data(&self) -> Result<&DataModule, Failure> {
        let data = self.experiment.data.as_ref();
        data.ok_or_else(|| self.lacks("data", "--data CLASS or a --config with data"))
    }

    fn lacks(&self, key: &str, remedy: &str) -> Failure {
        Failure::refused(format!(
            "{key}: missing, {} requires it. Give {remedy}",
            self.command.name()
        ))
    }

    /// Reads the rows of a stage; of a cross-validation, those of the fold that is asked for, or else of the checkpoint's.
    pub(crate) fn rows(&self, stage: Stage, checkpoint: Option<&Path>) -> Result<Splits, Failure> {
        let data = self.data()?;
        let splits = match fold::meant(data, checkpoint)? {
            Some(fold) => data.with_test_fold(fold).load(stage),
            None => data.load(stage),
        };
        let splits = splits.map_err(in_data)?;
        splits.notes.iter().for_each(|text| note(text));
        Ok(splits)
    }

    /// The checkpoint's folder, if one is named.
    pub(crate) fn checkpoint(&self) -> Result<Option<PathBuf>, Failure> {
        let Some(named) = &self.experiment.ckpt_path else {
            return Ok(None);
        };
        let data = self.experiment.data.as_ref();
        let fold = data.and_then(|data| data.folds().cv_test_fold_id);
        if named == "last" {
            let root = &self.plan.root;
            let version = self.plan.version.as_ref();
            let root = version.map_or_else(|| root.clone(), |version| root.join(version));
            let newest = engraft_train::newest_checkpoint(&root, fold);
            let newest = newest.map_err(|error| Failure::refused(format!("ckpt_path: {error}")))?;
            note(&format!("ckpt_path: last is {}", newest.display()));
            return Ok(Some(newest));
        }
        let path = PathBuf::from(named);
        if let (false, Some(newest)) = (
            path.join("engraft.yaml").exists(),
            engraft_train::newest_checkpoint_of(&path, fold),
        ) {
            return Err(Failure::refused(format!(
                "ckpt_path: {named} is the folder of a run; name one of its checkpoints, such as {}",
                newest.display()
            )));
        }
        if path.is_dir() {
            return Ok(Some(path));
        }
        let problem = match path.exists() {
            true => {
                "it is a file, but a checkpoint is a folder; files of other programs are not read"
                    .to_owned()
            }
            false => format!("the folder does not exist{}", nearest_sibling(&path)),
        };
        Err(Failure::refused(format!(
            "ckpt_path: cannot use the checkpoint \"{named}\": {problem}"
        )))
    }

    /// The model of a checkpoint, which must be what the experiment says, if it says anything. With `strict_loading: false` training takes
    /// the experiment's model instead, on what fits of the checkpoint. `splits` are the rows that may name its classes.
    pub(crate) fn open_checkpoint(
        &self,
        folder: &Path,
        splits: Option<&Splits>,
    ) -> Result<Opened, Failure> {
        let preset = preset_in(folder)?;
        let device = Default::default();
        let wanted = self.experiment.model.as_ref();
        let saved = Model::saved_task(&preset).map_err(in_checkpoint)?;
        let is_same = |wanted: &ModelSettings| {
            let wanted = wanted.task();
            saved
                .as_ref()
                .is_some_and(|saved| settled(&wanted, saved) == *saved)
        };
        let adopting = wanted.filter(|wanted| {
            self.command == Command::Fit && !wanted.training().strict_loading && !is_same(wanted)
        });
        let model = match adopting {
            Some(wanted) => {
                let train = splits.and_then(|splits| self.training_rows(splits));
                let seed = self.experiment.seed_everything.number();
                let (model, notes) = Model::adopt(&wanted.task(), preset, train, &device, seed)
                    .map_err(in_checkpoint)?;
                note(&format!(
                    "strict_loading: false: {} holds another model, so a new run begins from its weights",
                    folder.display()
                ));
                notes.iter().for_each(|text| note(text));
                model
            }
            None => {
                if let (Some(saved), Some(wanted)) = (&saved, wanted) {
                    agree(self.command, saved, &wanted.task(), folder)?;
                }
                // A backbone that has moved since is where the experiment says.
                let moved = wanted.map(|wanted| {
                    let task = wanted.task();
                    task.backbone().backbone().preset_name().to_owned()
                });
                Model::open_with(preset, &device, |task| {
                    let backbone = task.backbone_mut().backbone_mut();
                    if let (Some(moved), true) = (moved, Model::lies_elsewhere(saved.as_ref())) {
                        backbone.preset = moved;
                    }
                })
                .map_err(in_checkpoint)?
            }
        };
        loaded(&model, &folder.display().to_string());
        Ok(Opened {
            model: self.with_cache(model)?,
            goes_on: adopting.is_none(),
        })
    }

    /// What training rows say about a model; rows held out of the same files, by folds or by seed, may name classes too.
    pub(crate) fn training_rows<'a>(&'a self, splits: &'a Splits) -> Option<TrainingRows<'a>> {
        let data = self.experiment.data.as_ref();
        let train = splits.train.as_ref()?;
        let own = files(train);
        let held_out = |rows: &&Examples| files(rows).is_subset(&own);
        let others = [&splits.valid, &splits.test].map(|split| split.as_ref().filter(held_out));
        Some(TrainingRows {
            others,
            normalize: data.is_some_and(DataModule::normalizes),
            class_weight: data.and_then(DataModule::class_weight),
            ..TrainingRows::new(train)
        })
    }

    /// The model that the experiment describes, on its backbone; `splits` are the rows that may name its classes.
    pub(crate) fn build(&self, splits: Option<&Splits>) -> Result<Model, Failure> {
        let model = self.build_silently(splits)?;
        loaded(&model, &model.task().backbone().backbone().preset);
        Ok(model)
    }

    /// [`Self::build`] without a word about what was loaded.
    pub(crate) fn build_silently(&self, splits: Option<&Splits>) -> Result<Model, Failure> {
        let task = self.model()?.task();
        let seed = self.experiment.seed_everything.number();
        let train = splits.and_then(|splits| self.training_rows(splits));
        let model = Model::build(&task, train, &Default::default(), seed);
        let model = model.map_err(|error| {
            Failure::refused(Experiment::locate(&self.composed, &error.to_string()))
        })?;
        self.with_cache(model)
    }

    /// The model with the cache of hidden states that the experiment asks for.
    fn with_cache(&self, mut model: Model) -> Result<Model, Failure> {
        let task = self.experiment.model.as_ref().map(ModelSettings::task);
        let settings = task.as_ref().map(|task| &task.backbone().backbone().cache);
        let settings = settings.filter(|settings| settings.enable_cache);
        let Some(settings) = settings.filter(|_| self.command != Command::Export) else {
            return Ok(model);
        };
        model.open_cache(settings).map_err(|error| {
            Failure::refused(Experiment::locate(&self.composed, &error.to_string()))
        })?;
        model.cache_notes().iter().for_each(|text| note(text));
        Ok(model)
    }

    /// Where progress shows.
    pub(crate) fn progress(&self) -> Progress {
        Progress::new(Display::detect(
            self.plan.progress,
            self.plan.log_every_n_steps,
        ))
    }

    /// Scores by a new head are those of chance, which is easily overlooked.
    fn suggest_checkpoint(&self) {
        let scores = matches!(
            self.command,
            Command::Validate | Command::Test | Command::Predict
        );
        let no_checkpoint = self.experiment.ckpt_path.is_none();
        if let (true, true, Some(model)) = (scores, no_checkpoint, &self.experiment.model)
            && model.task().is_trainable()
            && !model.task().uses_legacy_adapter()
        {
            note(
                "no --ckpt_path is given, so the head has fresh weights and its predictions mean nothing",
            );
        }
    }
}

/// The files that rows are from.
fn files(examples: &Examples) -> BTreeSet<&Path> {
    let files = examples.origins.iter().map(|origin| &*origin.file);
    files.collect()
}

/// The sources with a data module before them, where options speak of the data and of a model but no option names a module: the one that
/// the model is mostly used with. A file that names another goes before it.
fn with_data_module(mut sources: Vec<Source>) -> Vec<Source> {
    let keys = || {
        sources.iter().filter_map(|source| match source {
            Source::Override { key, value } => Some((key.as_str(), value.as_deref())),
            Source::File(_) => None,
        })
    };
    let is_named = keys().any(|(key, _)| key == "data" || key == "data.class_path");
    let is_used = keys().any(|(key, _)| key.starts_with("data."));
    let model = keys().find(|(key, _)| *key == "model" || *key == "model.class_path");
    let word = model.and_then(|(_, value)| class_word(value?));
    let module = match word {
        Some("SequenceClassification") => "SequenceClassificationDataModule",
        Some("TokenClassification") => "TokenClassificationDataModule",
        Some("SequenceRegression") => "SequenceRegressionDataModule",
        Some("MLM") => "MLMDataModule",
        Some("CausalLM") => "CausalLMDataModule",
        Some("Embed" | "Inference") => "SequencesDataModule",
        _ => return sources,
    };
    if is_used && !is_named {
        let default = Source::Override {
            key: "data".to_owned(),
            value: Some(module.to_owned()),
        };
        sources.insert(0, default);
    }
    sources
}

/// A model from a checkpoint.
pub(crate) struct Opened {
    pub(crate) model: Model,
    /// Whether it is the checkpoint's own, so that its run can go on.
    pub(crate) goes_on: bool,
}

/// Closes the cache of hidden states, if there is one, and says what it was good for.
pub(crate) fn close_cache(model: &Model) {
    let report = model.close_cache();
    let notes = model.cache_notes().into_iter();
    notes.chain(report).for_each(|text| note(&text));
}

/// What is wrong with the rows.
pub(crate) fn in_data(error: DataError) -> Failure {
    match error {
        DataError::Argument { .. } => Failure::refused(format!("data.{error}")),
        other => Failure::refused(other),
    }
}

/// What is wrong with a checkpoint.
pub(crate) fn in_checkpoint(error: engraft_tasks::Error) -> Failure {
    Failure::refused(format!("ckpt_path: {error}"))
}

/// The preset in a folder, whatever its name looks like.
pub(crate) fn preset_in(folder: &Path) -> Result<Preset, Failure> {
    let handle = engraft_hub::Handle::Folder(folder.to_path_buf());
    Preset::open(&handle).map_err(Failure::refused)
}

/// Says what was loaded, and what of it was not as expected.
fn loaded(model: &Model, name: &str) {
    let report = model.report().to_string();
    let parts: Vec<&str> = report.lines().map(str::trim).collect();
    say(&format!("model: {name}: {}", parts.join("; ")));
    if let Some(lora) = model.lora() {
        say(&format!("LoRA:  {lora}"));
    }
}

/// Refuses a checkpoint of another task, and to train on one whose arguments differ; elsewhere says that they do.
fn agree(command: Command, saved: &Task, wanted: &Task, folder: &Path) -> Result<(), Failure> {
    use engraft_component::Choice;
    if saved.name() != wanted.name() {
        return Err(Failure::refused(format!(
            "ckpt_path: {} holds a model for {}, but the experiment's model is {}. To use its encoder for another task, give the folder as model.backbone",
            folder.display(),
            saved.name(),
            wanted.name()
        )));
    }
    let mut same = settled(wanted, saved);
    if command != Command::Fit {
        // A model is the same with its hidden states kept or not, but is not trained to the same.
        let cache = &saved.backbone().backbone().cache;
        same.backbone_mut().backbone_mut().cache.clone_from(cache);
    }
    if same != *saved {
        if command == Command::Fit {
            let (wanted, saved) = (settled(wanted, saved).to_node(), saved.to_node());
            let difference = difference(&wanted, &saved, "model").unwrap_or_default();
            return Err(Failure::refused(format!(
                "ckpt_path: {} was trained with other arguments of model than the experiment's{difference}. Resume with the same, or give the folder as model.backbone to start anew from its weights",
                folder.display()
            )));
        }
        note(&format!(
            "model: what the experiment says differs from the checkpoint {}; the checkpoint's own description is used",
            folder.display()
        ));
    }
    Ok(())
}

/// `: model.backbone.lora_r is 8, and was 16`, by the first argument that differs.
pub(crate) fn difference(wanted: &Node, saved: &Node, key: &str) -> Option<String> {
    if let (Value::Map(wanted), Value::Map(saved)) = (&wanted.value, &saved.value) {
        return wanted.iter().find_map(|entry| {
            let other = saved.iter().find(|other| other.key == entry.key)?;
            let key = match entry.key.as_str() {
                "init_args" => key.to_owned(),
                inner if key.is_empty() => inner.to_owned(),
                inner => format!("{key}.{inner}"),
            };
            difference(&entry.value, &other.value, &key)
        });
    }
    let [wanted, saved] = [wanted, saved].map(|node| to_yaml(node).trim().replace('\n', ", "));
    (wanted != saved).then(|| format!(": {key} is {wanted}, and was {saved}"))
}

/// The task as a checkpoint of it would describe it: what only building it needs is left out, what it left open is filled in.
fn settled(wanted: &Task, saved: &Task) -> Task {
    let mut wanted = wanted.clone();
    let (backbone, described) = (
        wanted.backbone_mut().backbone_mut(),
        saved.backbone().backbone(),
    );
    backbone.preset.clone_from(&described.preset);
    backbone.peft_path.clone_from(&described.peft_path);
    backbone.from_scratch = false;
    backbone.cache = CacheSettings {
        enable_cache: backbone.cache.enable_cache,
        ..described.cache.clone()
    };
    if !Model::lies_elsewhere(Some(saved)) {
        backbone.config_overwrites = None;
        backbone.save_peft_only = described.save_peft_only;
    }
    if let (Task::Embed(wanted), Task::Embed(saved)) = (&mut wanted, saved) {
        wanted.pooling = wanted.pooling.or(saved.pooling);
        wanted.normalize = wanted.normalize.or(saved.normalize);
    }
    wanted
}

/// `. Did you mean "last.v2"?`, by the names beside a folder that is not there.
fn nearest_sibling(path: &Path) -> String {
    let (Some(parent), Some(name)) = (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) else {
        return String::new();
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let names: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !name.starts_with('.'))
        .collect();
    let help = did_you_mean(name, &names, "").filter(|help| help.starts_with("Did"));
    help.map(|help| format!(". {help}")).unwrap_or_default()
}

/// Sets how many threads compute; by default one for each core.
pub(crate) fn use_threads(count: Option<usize>) -> Result<(), Failure> {
    let Some(count) = count else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .build_global();
    pool.map_err(|error| {
        Failure::refused(format!("--threads: cannot start {count} threads: {error}"))
    })
}
