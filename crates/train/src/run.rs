//! What stands beside the loop: the run's folder, its log, its checkpoints and the callbacks that decide about them.

use std::path::{Path, PathBuf};

use engraft_component::{FromNode, to_flow};
use engraft_hub::atomic;
use engraft_tasks::{Model, Network};

use crate::callback::{Callback, CheckpointKeeper, ModelCheckpoint, Moment, Stopper, Validation};
use crate::cross_validation::CrossValidation;
use crate::error::Result;
use crate::lock::RunLock;
use crate::log::{Logs, new_version};
use crate::optimizer::OptimizerState;
use crate::resume::Resume;
use crate::settings::Plan;
use crate::snapshot::{self, State};

/// The name of the checkpoint that is replaced at each save.
pub(crate) const LAST: &str = "last";

/// The files and callbacks of one run.
pub(crate) struct Run {
    /// The run's folder; none for a rehearsal.
    folder: Option<PathBuf>,
    /// Which fold of how many it is, if it is one of a cross-validation.
    fold: Option<(u64, u64)>,
    /// Held as long as the run goes on.
    lock: Option<RunLock>,
    logs: Option<Logs>,
    keepers: Vec<CheckpointKeeper>,
    stoppers: Vec<Stopper>,
    validation: Validation,
    /// The experiment as it was resolved, saved with the run and each checkpoint.
    config: String,
    /// The step of the latest checkpoint, and its folder.
    saved: Option<(u64, PathBuf)>,
    /// The step of the latest checkpoint that can be resumed.
    resumable: Option<u64>,
    /// How many checkpoints were saved.
    saves: u64,
}

/// All that a checkpoint is made of.
pub(crate) struct Present<'a> {
    pub(crate) model: &'a Model,
    pub(crate) network: &'a Network,
    pub(crate) optimizer: &'a OptimizerState,
    pub(crate) state: State,
}

impl Run {
    /// Makes the callbacks; `known` are the metrics that the run will produce.
    pub(crate) fn new(
        plan: &Plan,
        callbacks: &[Callback],
        known: &[&str],
        validation: Validation,
        config: &str,
    ) -> Result<Self> {
        let mut keepers = Vec::new();
        let mut stoppers = Vec::new();
        for callback in callbacks {
            match callback {
                Callback::ModelCheckpoint(settings) if plan.checkpoints => {
                    keepers.push(CheckpointKeeper::new(settings, known)?)
                }
                Callback::EarlyStopping(settings) => stoppers.push(Stopper::new(settings, known)?),
                _ => {}
            }
        }
        if plan.checkpoints && keepers.is_empty() {
            keepers.push(CheckpointKeeper::new(&ModelCheckpoint::default(), known)?);
        }
        Ok(Self {
            folder: None,
            fold: None,
            lock: None,
            logs: None,
            keepers,
            stoppers,
            validation,
            config: config.to_owned(),
            saved: None,
            resumable: None,
            saves: 0,
        })
    }

    /// A run without files or callbacks.
    pub(crate) fn new_empty() -> Self {
        Self {
            folder: None,
            fold: None,
            lock: None,
            logs: None,
            keepers: Vec::new(),
            stoppers: Vec::new(),
            validation: Validation::Never,
            config: String::new(),
            saved: None,
            resumable: None,
            saves: 0,
        }
    }

    /// Opens the run's folder: that of the fold if it is one, else a new one under the plan's root, or that of the checkpoint that is resumed
    /// if it is the newest there.
    pub(crate) fn open(
        &mut self,
        plan: &Plan,
        fold: Option<(&mut CrossValidation, u64)>,
        resumed: Option<(Resume, &State)>,
    ) -> Result<()> {
        if let Some((_, state)) = &resumed {
            for stopper in &mut self.stoppers {
                let key = key(stopper.settings());
                if let Some((_, state)) = state.stoppers.iter().find(|(saved, _)| *saved == key) {
                    stopper.restore(state.clone());
                }
            }
            self.saves = state.saves + 1;
        }
        if !plan.checkpoints && !plan.log {
            return Ok(());
        }
        let goes_on = resumed.is_some();
        self.fold = fold.as_ref().map(|(folds, fold)| (*fold, folds.count()));
        let fold = fold.map(|(folds, fold)| folds.open_fold(fold, goes_on));
        let fold = fold.transpose()?;
        let Some((resume, state, folder)) = resumed.and_then(|(resume, state)| {
            let own = || resume.run(state).map(Path::to_owned);
            let folder = fold.clone().or_else(own)?;
            Some((resume, state, folder))
        }) else {
            let folder = match fold {
                Some(folder) => folder,
                None => new_version(&plan.root, plan.version.as_deref())?,
            };
            self.lock = Some(RunLock::take(&folder)?);
            self.open_logs(plan, &folder, None)?;
            return self.settle(folder);
        };
        let checkpoint = resume.checkpoint().to_owned();
        self.lock = Some(resume.claim(&folder)?);
        self.open_logs(plan, &folder, Some(state))?;
        remove_unfinished(&folder.join("checkpoints"));
        // The run died between a save and the removal that follows it.
        state
            .leaving
            .iter()
            .for_each(|name| remove(&checkpoint.with_file_name(name)));
        for keeper in &mut self.keepers {
            let key = key(keeper.settings());
            if let Some((_, state)) = state.keepers.iter().find(|(saved, _)| *saved == key) {
                keeper.restore(state.clone());
            }
        }
        self.saved = Some((state.position.step, checkpoint));
        self.resumable = Some(state.position.step);
        self.settle(folder)
    }

    fn open_logs(&mut self, plan: &Plan, folder: &Path, resumed: Option<&State>) -> Result<()> {
        if !plan.log {
            return Ok(());
        }
        let from = resumed.map(|state| state.position.step + 1);
        let mut logs = Logs::open(folder, &plan.log_formats, &self.config, from)?;
        if let Some(state) = resumed {
            logs.truncate(&state.log_rows)?;
        }
        self.logs = Some(logs);
        Ok(())
    }

    /// Saves the resolved experiment in the run's folder.
    fn settle(&mut self, folder: PathBuf) -> Result<()> {
        atomic::write(&folder.join("config.yaml"), self.config.as_bytes())?;
        self.folder = Some(folder);
        Ok(())
    }

    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    pub(crate) fn fold(&self) -> Option<(u64, u64)> {
        self.fold
    }

    /// Adds a row to the logs.
    pub(crate) fn log(&mut self, epoch: u64, step: u64, metrics: &[(String, f64)]) -> Result<()> {
        if let Some(logs) = &mut self.logs {
            logs.append(epoch, step, metrics)?;
        }
        Ok(())
    }

    /// Lets the early stoppers look; the text says why training should end.
    pub(crate) fn observe(&mut self, moment: Moment, metrics: &[(String, f64)]) -> Option<String> {
        let validation = self.validation;
        let due = self
            .stoppers
            .iter_mut()
            .filter(|stopper| stopper.due(moment, validation));
        // Every stopper looks, even after one has decided, so that their states stay in step.
        let reasons: Vec<String> = due.filter_map(|stopper| stopper.observe(metrics)).collect();
        reasons.into_iter().next()
    }

    /// Lets the keepers decide and saves what they want; `present` is asked for only if there is something to save.
    pub(crate) fn keep<'a>(
        &mut self,
        moment: Moment,
        epoch: u64,
        step: u64,
        metrics: &[(String, f64)],
        present: impl Fn() -> Present<'a>,
    ) -> Result<()> {
        for index in 0..self.keepers.len() {
            if !self.keepers[index].due(moment, epoch, step, self.validation) {
                continue;
            }
            let folder = self.place(self.keepers[index].settings().dirpath.as_deref());
            let decision =
                self.keepers[index].decide(metrics, epoch, step, |name| folder.join(name).exists());
            let weights_only = self.keepers[index].settings().save_weights_only;
            let names = decision
                .save_as
                .into_iter()
                .chain(decision.last.then(|| LAST.to_owned()));
            for name in names {
                let mut present = present();
                present.state.moment = Some(moment);
                present.state.leaving.clone_from(&decision.remove);
                self.save(&folder.join(name), present, weights_only)?;
            }
            for name in &decision.remove {
                remove(&folder.join(name));
            }
        }
        Ok(())
    }

    /// Saves the present state as `last`, unless this step has a checkpoint that can be resumed already.
    pub(crate) fn keep_last(&mut self, enabled: bool, present: Present<'_>) -> Result<()> {
        if !enabled || self.resumable == Some(present.state.position.step) {
            return Ok(());
        }
        let folder = self.place(None);
        self.save(&folder.join(LAST), present, false)
    }

    /// Removes the `last` of an interruption that a later checkpoint has made old.
    pub(crate) fn drop_stale_last(&self) {
        let last = self.place(None).join(LAST);
        let wanted = self
            .keepers
            .iter()
            .any(|keeper| keeper.settings().save_last.0);
        let is_newest = self.saved.as_ref().is_none_or(|(_, saved)| *saved == last);
        if self.folder.is_some() && !wanted && !is_newest {
            remove(&last);
        }
    }

    fn place(&self, dirpath: Option<&Path>) -> PathBuf {
        match (dirpath, &self.folder) {
            (Some(dirpath), _) => dirpath.to_owned(),
            (None, Some(folder)) => folder.join("checkpoints"),
            (None, None) => PathBuf::from("checkpoints"),
        }
    }

    fn save(&mut self, path: &Path, present: Present<'_>, weights_only: bool) -> Result<()> {
        let mut state = present.state;
        let keepers = self.keepers.iter();
        state.keepers = keepers
            .map(|keeper| (key(keeper.settings()), keeper.state().clone()))
            .collect();
        let stoppers = self.stoppers.iter();
        state.stoppers = stoppers
            .map(|stopper| (key(stopper.settings()), stopper.state().clone()))
            .collect();
        state.saves = self.saves;
        self.saves += 1;
        state.log_rows = self.logs.as_ref().map(Logs::rows).unwrap_or_default();
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| crate::Error::Checkpoint {
                checkpoint: path.display().to_string(),
                problem: format!("its folder cannot be created: {error}"),
            })?;
        }
        let optimizer = (!weights_only).then_some(present.optimizer);
        snapshot::save(
            path,
            present.model,
            present.network,
            optimizer,
            &state,
            &self.config,
        )?;
        self.saved = Some((state.position.step, path.to_owned()));
        if !weights_only {
            self.resumable = Some(state.position.step);
        }
        Ok(())
    }

    /// The checkpoint that a user wants: the best by the first monitored metric, else the newest.
    pub(crate) fn checkpoint(&self) -> Option<PathBuf> {
        self.best()
            .map(|(path, _)| path)
            .or_else(|| self.saved.as_ref().map(|(_, path)| path.clone()))
    }

    /// The best checkpoint and the metric that says so.
    pub(crate) fn best(&self) -> Option<(PathBuf, String)> {
        self.keepers.iter().find_map(|keeper| {
            let monitor = keeper.settings().monitor.clone()?;
            let folder = self.place(keeper.settings().dirpath.as_deref());
            Some((folder.join(&keeper.best()?.name), monitor))
        })
    }
}

/// What tells one callback's memory from another's: its settings.
fn key(settings: &impl FromNode) -> String {
    to_flow(&settings.to_node())
}

/// Removes what a killed process had begun to write.
fn remove_unfinished(checkpoints: &Path) {
    for entry in std::fs::read_dir(checkpoints)
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.starts_with('.') && name.contains(".tmp-"))
        {
            remove(&entry.path());
        }
    }
}

/// Removes a checkpoint that nobody wants any more; one that is gone already is no reason to stop a run.
///
/// It is renamed first: a process killed half-way leaves something to clear away, not half a checkpoint.
pub(crate) fn remove(path: &Path) {
    let hidden = path.file_name().map(|name| {
        format!(
            ".{}.tmp-removed",
            name.to_string_lossy().trim_start_matches('.')
        )
    });
    let aside = hidden
        .map(|name| path.with_file_name(name))
        .filter(|aside| std::fs::rename(path, aside).is_ok());
    let _ = std::fs::remove_dir_all(aside.as_deref().unwrap_or(path));
}
