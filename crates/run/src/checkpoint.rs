//! Checkpoints: which one is meant, and whether it is what the experiment says.

use std::path::{Path, PathBuf};

use engraft_component::{Choice, FromNode, Node, NoteKind, Value, did_you_mean, to_yaml};
use engraft_config::Model as ModelSettings;
use engraft_data::Splits;
use engraft_hub::{Handle, Preset};
use engraft_tasks::{Backbone, CacheSettings, Model, RunFile, Task};
use engraft_train::Plan;

use crate::error::{Error, Result};
use crate::sources::backbone_by_option;
use crate::work::{Purpose, Work};

/// The key that names a checkpoint.
pub(crate) const KEY: &str = "ckpt_path";

/// What stands for the newest checkpoint there is.
pub(crate) const LAST: &str = "last";

/// Where runs of a plan lie.
pub(crate) fn runs(plan: &Plan) -> PathBuf {
    match &plan.version {
        Some(version) => plan.root.join(version),
        None => plan.root.clone(),
    }
}

/// The folder of a checkpoint that is named.
///
/// # Errors
/// There is none.
pub fn checkpoint_folder(named: &str) -> Result<PathBuf> {
    let path = PathBuf::from(named);
    if path.is_dir() {
        return Ok(path);
    }
    let problem = if path.exists() {
        "it is a file, but here a checkpoint is a folder".to_owned()
    } else {
        format!("the folder does not exist{}", nearest_sibling(&path))
    };
    Err(Error::of(
        KEY,
        format!("cannot use the checkpoint \"{named}\": {problem}"),
    ))
}

/// Whether a checkpoint is the file of a run of ModelGenerator's, as far as its place says.
pub(crate) fn is_file(checkpoint: &Path) -> bool {
    checkpoint.is_file()
}

/// That the experiment which a file needs beside it is not there.
pub(crate) fn needs_experiment(file: &Path) -> Error {
    Error::of(
        KEY,
        format!(
            "{} holds the weights of a run and does not say of what: give the experiment too, as --config experiment.yaml, or its --model and --model.backbone",
            file.display()
        ),
    )
}

/// A model from a checkpoint.
pub(crate) struct Opened {
    pub(crate) model: Model,
    /// Whether it is the checkpoint's own, so that its run can go on.
    pub(crate) goes_on: bool,
}

impl Work<'_> {
    /// The checkpoint's folder, or the file of another program's run, if one is named.
    pub(crate) fn checkpoint(&mut self) -> Result<Option<PathBuf>> {
        let experiment = &self.session.experiment;
        let Some(named) = &experiment.ckpt_path else {
            return Ok(None);
        };
        let data = experiment.data.as_ref();
        let fold = data.and_then(|data| data.folds().cv_test_fold_id);
        if named == LAST {
            let newest = engraft_train::newest_checkpoint(&runs(&self.session.plan), fold);
            let newest = newest.map_err(|error| Error::within(KEY, error))?;
            self.is_last(&newest);
            return Ok(Some(newest));
        }
        if is_file(Path::new(named)) {
            let file = PathBuf::from(named);
            if experiment.model.is_none() {
                return Err(needs_experiment(&file));
            }
            return Ok(Some(file));
        }
        let path = checkpoint_folder(named)?;
        if path.join("engraft.yaml").exists() {
            return Ok(Some(path));
        }
        let in_run = |run: &Path| engraft_train::newest_checkpoint_of(run, fold);
        let beside = path.parent().and_then(in_run);
        let found = [
            (
                "the folder of a run; name one of its checkpoints",
                in_run(&path),
            ),
            (
                "a folder of runs; name a checkpoint of one",
                engraft_train::newest_checkpoint(&path, fold).ok(),
            ),
            (
                "a folder of checkpoints; name one of them",
                beside.filter(|newest| newest.parent() == Some(&path)),
            ),
        ];
        let found = found
            .into_iter()
            .find_map(|(is, newest)| Some((is, newest?)));
        if let Some((is, newest)) = found {
            let problem = format!("{named} is {is}, such as {}", newest.display());
            return Err(Error::of(KEY, problem));
        }
        Ok(Some(path))
    }

    /// Says what `last` is.
    pub(crate) fn is_last(&mut self, newest: &Path) {
        let text = format!("{KEY}: last is {}", newest.display());
        self.note(NoteKind::Model, text);
    }

    /// The model of a checkpoint, which must be what the experiment says, if it says anything. With `strict_loading: false` training takes
    /// the experiment's model instead, on what fits of the checkpoint. `splits` are the rows that may name its classes.
    pub(crate) fn open_checkpoint(
        &mut self,
        folder: &Path,
        splits: Option<&Splits>,
    ) -> Result<Opened> {
        if is_file(folder) {
            let model = self.open_file(folder, splits, true)?;
            return Ok(Opened {
                model,
                goes_on: false,
            });
        }
        let preset = preset_in(folder)?;
        let session = self.session;
        let compute = &session.plan.compute;
        let wanted = session.experiment.model.as_ref();
        let saved = Model::saved_task(&preset).map_err(in_checkpoint)?;
        let is_same = |wanted: &ModelSettings| {
            let wanted = wanted.task();
            let saved = saved.as_ref();
            saved.is_some_and(|saved| settled(&wanted, saved) == *saved)
        };
        let adopting = wanted.filter(|wanted| {
            self.purpose == Purpose::Fit && !wanted.training().strict_loading && !is_same(wanted)
        });
        let model = match adopting {
            Some(wanted) => {
                let train = splits.and_then(|splits| self.training_rows(splits));
                let seed = session.experiment.seed_everything.number();
                let adopted = Model::adopt(&wanted.task(), preset, train, compute, seed);
                let (model, notes) = adopted.map_err(in_checkpoint)?;
                self.note(
                    NoteKind::Model,
                    format!(
                        "strict_loading: false: {} holds another model, so a new run begins from its weights",
                        folder.display()
                    ),
                );
                for text in notes {
                    self.note(NoteKind::Model, text);
                }
                model
            }
            None => {
                if let (Some(saved), Some(wanted)) = (&saved, wanted) {
                    self.agree(saved, &wanted.task(), folder)?;
                    self.ignores_backbone(saved, folder);
                }
                let opened = Model::open_with(preset, compute, |task| {
                    self.adjust_backbone(task);
                    if let (Some(compat), Some(own)) =
                        (session.experiment.compat, task.compat_mut())
                    {
                        *own = Some(compat);
                    }
                    if self.purpose != Purpose::Fit
                        && let Some(wanted) = wanted
                    {
                        task.predict_as(&wanted.task());
                    }
                });
                let opened = opened.map_err(in_checkpoint)?;
                let experiment = &session.experiment;
                let asked = experiment.compat.is_some();
                let unused = experiment.unused_compat(opened.spec.task());
                if let Some(note) = unused.filter(|_| asked) {
                    self.observer.note(note);
                }
                opened
            }
        };
        self.loaded(&model, &folder.display().to_string());
        Ok(Opened {
            model: self.with_cache(model)?,
            goes_on: adopting.is_none(),
        })
    }

    /// The experiment's model with the weights of a file of ModelGenerator's; `says` whether what was taken is said.
    pub(crate) fn open_file(
        &mut self,
        file: &Path,
        splits: Option<&Splits>,
        says: bool,
    ) -> Result<Model> {
        let settings = self.model()?;
        let compute = &self.session.plan.compute;
        let seed = self.session.experiment.seed_everything.number();
        let is_strict = self.purpose != Purpose::Fit || settings.training().strict_loading;
        let run = run_in(file)?;
        let train = splits.and_then(|splits| self.training_rows(splits));
        let opened = Model::open_run(&settings.task(), &run, train, compute, seed, is_strict);
        let (model, notes) = opened.map_err(|error| match error.refusal() {
            // What is wrong with an argument of the model is said at its key.
            Some(refusal) if !refusal.key.is_empty() => Error::before(error),
            _ => in_checkpoint(error),
        })?;
        if says {
            if self.purpose == Purpose::Fit {
                let text = format!(
                    "{KEY}: {} is of another program, so a new run begins from its weights",
                    file.display()
                );
                self.note(NoteKind::Model, text);
            }
            for text in notes {
                self.note(NoteKind::Model, text);
            }
            self.loaded(&model, &file.display().to_string());
        }
        self.with_cache(model)
    }

    /// Names the backbone of a saved task that lies elsewhere as the experiment does, for it may have moved since; and reads other letters
    /// as the experiment says, where nothing is trained.
    fn adjust_backbone(&self, saved: &mut Task) {
        let wanted = self.session.experiment.model.as_ref();
        let Some(wanted) = wanted.map(ModelSettings::task) else {
            return;
        };
        let wanted = wanted.backbone().backbone();
        let lies_elsewhere = Model::lies_elsewhere(Some(saved));
        let backbone = saved.backbone_mut().backbone_mut();
        if lies_elsewhere {
            wanted.preset_name().clone_into(&mut backbone.preset);
        }
        if self.purpose.uses_head() {
            backbone.letters = wanted.letters.or(backbone.letters);
        }
    }

    /// Says that the backbone that an option names is not read, where the checkpoint has its own.
    fn ignores_backbone(&mut self, saved: &Task, folder: &Path) {
        let own = &saved.backbone().backbone().preset;
        let named = backbone_by_option(&self.session.composed.root);
        let Some(other) = named.filter(|named| named != own) else {
            return;
        };
        if self.purpose.uses_head() && !Model::lies_elsewhere(Some(saved)) {
            let text = format!(
                "model.backbone: {other} is not read, as {} holds a model of its own",
                folder.display()
            );
            self.note(NoteKind::Model, text);
        }
    }

    /// Refuses a backbone that the checkpoint, or the adapter that the experiment names, was not trained on, before rows and weights are
    /// read.
    pub(crate) fn check_backbone(&self, checkpoint: Option<&Path>) -> Result<()> {
        if let Some(file) = checkpoint.filter(|checkpoint| is_file(checkpoint)) {
            return run_in(file).map(drop);
        }
        let Some(folder) = checkpoint else {
            let model = self.session.experiment.model.as_ref();
            let task = model.map(ModelSettings::task);
            let task = task.filter(|task| task.backbone().backbone().peft_path.is_some());
            let opened = task.map(|task| task.backbone().backbone().open());
            return opened.transpose().map(drop).map_err(Error::before);
        };
        let checked = Model::check_base(&preset_in(folder)?, |task| self.adjust_backbone(task));
        checked.map_err(in_checkpoint)
    }

    /// Refuses a checkpoint of another task, and to train on one whose arguments differ; elsewhere says that they do.
    fn agree(&mut self, saved: &Task, wanted: &Task, folder: &Path) -> Result<()> {
        if saved.name() != wanted.name() {
            return Err(Error::of(
                KEY,
                format!(
                    "{} holds a model for {}, but the experiment's model is {}. To use its encoder for another task, give the folder as model.backbone",
                    folder.display(),
                    saved.name(),
                    wanted.name()
                ),
            ));
        }
        let mut same = settled(wanted, saved);
        let mut described = saved.clone();
        if self.purpose != Purpose::Fit && wanted.compat() != saved.compat() {
            let whose = |task: &Task| task.compat().map_or("null", |_| "mgen");
            let (asked, own) = (whose(wanted), whose(saved));
            let text = format!(
                "model.compat: {asked}, where {} has {own}",
                folder.display()
            );
            self.note(NoteKind::Model, text);
        }
        if self.purpose != Purpose::Fit {
            // How it predicts is the asker's choice, as far as it is made.
            described.predict_as(wanted);
            same.predict_as(&described);
            // A model is the same with its hidden states kept or not, and with other letters read as it is asked, but is not trained to the
            // same.
            let own = saved.backbone().backbone();
            let backbone = same.backbone_mut().backbone_mut();
            backbone.cache.clone_from(&own.cache);
            backbone.letters = own.letters;
        }
        if same == described {
            return Ok(());
        }
        if self.purpose == Purpose::Fit {
            let difference = difference(&same.to_node(), &saved.to_node(), "model");
            return Err(Error::of(
                KEY,
                format!(
                    "{} was trained with other arguments of model than the experiment's{}. Resume with the same, or give the folder as model.backbone to start anew from its weights",
                    folder.display(),
                    difference.unwrap_or_default()
                ),
            ));
        }
        let difference = difference(&same.to_node(), &described.to_node(), "model");
        self.note(
            NoteKind::Model,
            format!(
                "model: what the experiment says differs from the checkpoint {}{}; the checkpoint's own description is used",
                folder.display(),
                difference.unwrap_or_default()
            ),
        );
        Ok(())
    }
}

/// The preset in a folder, whatever its name looks like.
pub(crate) fn preset_in(folder: &Path) -> Result<Preset> {
    let handle = Handle::Folder(folder.to_path_buf());
    Preset::open(&handle).map_err(Error::before)
}

/// The run whose checkpoint file it is.
fn run_in(file: &Path) -> Result<RunFile> {
    RunFile::open(file).map_err(|error| in_checkpoint(error.into()))
}

/// What is wrong with a checkpoint.
pub(crate) fn in_checkpoint(error: engraft_tasks::Error) -> Error {
    Error::within(KEY, error)
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
    wanted.fill_in(saved);
    let lies_here = !Model::lies_elsewhere(Some(saved));
    let described = saved.backbone().backbone();
    settle(wanted.backbone_mut().backbone_mut(), described, lies_here);
    for (slot, described) in wanted.others_mut().into_iter().zip(saved.others()) {
        let described = described.backbone();
        let lies_here = described.preset.starts_with('.');
        settle(slot.backbone_mut(), described, lies_here);
    }
    wanted
}

/// A backbone as a checkpoint of it would describe it, which may hold all of its weights.
fn settle(backbone: &mut Backbone, described: &Backbone, lies_here: bool) {
    if backbone.max_length.is_none() {
        // Left open, it is what the preset's preprocessor says.
        let preset = Preset::from_name(backbone.preset_name()).ok();
        let stated = preset.and_then(|preset| preset.text_length());
        backbone.max_length = stated.filter(|length| described.max_length == Some(*length));
    }
    backbone.preset.clone_from(&described.preset);
    backbone.peft_path.clone_from(&described.peft_path);
    backbone.from_scratch = false;
    backbone.cache = CacheSettings {
        enable_cache: backbone.cache.enable_cache,
        ..described.cache.clone()
    };
    if lies_here {
        backbone.config_overwrites = None;
        backbone.save_peft_only = described.save_peft_only;
    }
}

/// `. Did you mean "last.v2"?`, by the names beside a folder that is not there.
fn nearest_sibling(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str());
    let (Some(parent), Some(name)) = (path.parent(), name) else {
        return String::new();
    };
    let here = Path::new(".");
    let parent = Some(parent).filter(|parent| !parent.as_os_str().is_empty());
    let entries = std::fs::read_dir(parent.unwrap_or(here));
    let names = entries.into_iter().flatten().flatten();
    let names: Vec<String> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let help = did_you_mean(name, &names, "").filter(|help| help.starts_with("Did"));
    help.map(|help| format!(". {help}")).unwrap_or_default()
}
