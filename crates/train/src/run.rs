//! What stands beside the loop: the run's folder, its log, its checkpoints and the callbacks that decide about them.

use std::path::{Path, PathBuf};

use engraft_component::{FromNode, Refusal, to_flow};
use engraft_files::atomic::{self, remove, remove_unfinished};
use engraft_tasks::{Network, TaskSpec};

use crate::callback::{
    Callback, CheckpointKeeper, ModelCheckpoint, Moment, PLACE, Stopper, Validation, is_counter,
};
use crate::cross_validation::CrossValidation;
use crate::error::{Error, Result};
use crate::layout::{CHECKPOINTS, EXPERIMENT, LAST, new_version};
use crate::lock::RunLock;
use crate::log::Logs;
use crate::optimizer::OptimizerState;
use crate::resume::Resume;
use crate::settings::Plan;
use crate::snapshot::{self, State};
use crate::standing::Watched;

/// The callbacks that decide: which checkpoints are kept, and whether training ends early.
pub(crate) struct Deciders {
    keepers: Vec<CheckpointKeeper>,
    stoppers: Vec<Stopper>,
    validation: Validation,
}

impl Deciders {
    /// Makes them; `known` are the metrics that the run will produce.
    pub(crate) fn new(
        plan: &Plan,
        callbacks: &[Callback],
        known: &[&str],
        validation: Validation,
    ) -> Result<Self> {
        let (mut keepers, mut stoppers) = (Vec::new(), Vec::new());
        for (number, callback) in callbacks.iter().enumerate() {
            let within = |refusal: Refusal| refusal.within(&format!("{PLACE}[{number}]"));
            match callback {
                Callback::ModelCheckpoint(settings) if plan.checkpoints => {
                    keepers.push(CheckpointKeeper::new(settings, known).map_err(within)?);
                }
                Callback::EarlyStopping(settings) => {
                    stoppers.push(Stopper::new(settings, known).map_err(within)?);
                }
                _ => {}
            }
        }
        if plan.checkpoints && keepers.is_empty() {
            keepers.push(CheckpointKeeper::new(&ModelCheckpoint::default(), known)?);
        }
        Ok(Self {
            keepers,
            stoppers,
            validation,
        })
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

    /// The metrics that callbacks watch, each once, with the best value so far.
    pub(crate) fn watched(&self) -> Vec<Watched<'_>> {
        let keepers = self.keepers.iter().filter_map(|keeper| {
            let metric = keeper.settings().monitor.as_deref()?;
            let best = keeper.best().map(|best| best.score);
            Some(Watched { metric, best })
        });
        let stoppers = self.stoppers.iter().map(|stopper| Watched {
            metric: &stopper.settings().monitor,
            best: Some(stopper.state().best).filter(|best| best.is_finite()),
        });
        let mut watched: Vec<Watched<'_>> = Vec::new();
        for one in keepers.chain(stoppers) {
            let is_new = watched.iter().all(|other| other.metric != one.metric);
            if is_new && !is_counter(one.metric) {
                watched.push(one);
            }
        }
        watched
    }

    /// Takes up what each remembers, by its settings.
    fn restore_stoppers(&mut self, state: &State) {
        for stopper in &mut self.stoppers {
            let key = key(stopper.settings());
            if let Some((_, state)) = state.stoppers.iter().find(|(saved, _)| *saved == key) {
                stopper.restore(state.clone());
            }
        }
    }

    fn restore_keepers(&mut self, state: &State) {
        for keeper in &mut self.keepers {
            let key = key(keeper.settings());
            if let Some((_, state)) = state.keepers.iter().find(|(saved, _)| *saved == key) {
                keeper.restore(state.clone());
            }
        }
    }
}

/// The files and callbacks of one run.
pub(crate) struct Run {
    /// The run's folder; none for a rehearsal.
    folder: Option<PathBuf>,
    /// Which fold of how many it is, if it is one of a cross-validation.
    fold: Option<(u64, u64)>,
    /// Held as long as the run goes on.
    _lock: Option<RunLock>,
    logs: Option<Logs>,
    pub(crate) deciders: Deciders,
    /// The experiment as it was resolved, saved with the run and each checkpoint.
    config: String,
    /// The step of the latest checkpoint, and its folder.
    saved: Option<(u64, PathBuf)>,
    /// The step of the latest checkpoint that can be resumed.
    resumable: Option<u64>,
    /// How many checkpoints were saved.
    saves: u64,
}

/// The present weights and moments, for checkpoints.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a> {
    pub(crate) spec: &'a TaskSpec,
    pub(crate) network: &'a Network,
    pub(crate) optimizer: &'a OptimizerState,
}

/// What a run is opened with.
pub(crate) struct Opening<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) deciders: Deciders,
    /// The cross-validation that it is a fold of.
    pub(crate) fold: Option<(&'a mut CrossValidation, u64)>,
    /// Where it goes on.
    pub(crate) resumed: Option<(Resume, &'a State)>,
    pub(crate) config: &'a str,
}

impl Run {
    /// Opens the run's folder: that of the fold if it is one, else a new one under the plan's root, or that of the checkpoint that is resumed
    /// if it is the newest there.
    pub(crate) fn open(opening: Opening<'_>) -> Result<Self> {
        let Opening {
            plan,
            deciders,
            fold,
            resumed,
            config,
        } = opening;
        let mut run = Self {
            folder: None,
            fold: fold.as_ref().map(|(folds, fold)| (*fold, folds.count())),
            _lock: None,
            logs: None,
            deciders,
            config: config.to_owned(),
            saved: None,
            resumable: None,
            saves: 0,
        };
        if let Some((_, state)) = &resumed {
            run.deciders.restore_stoppers(state);
            run.saves = state.saves + 1;
        }
        if !plan.checkpoints && !plan.log {
            return Ok(run);
        }
        let goes_on = resumed.is_some();
        let fold = fold.map(|(folds, fold)| folds.open_fold(fold, goes_on));
        let fold = fold.transpose()?;
        let going_on = resumed.and_then(|(resume, state)| {
            let own = || resume.run(state).map(Path::to_owned);
            let folder = fold.clone().or_else(own)?;
            Some((resume, state, folder))
        });
        match going_on {
            Some((resume, state, folder)) => run.go_on(plan, resume, state, folder)?,
            None => {
                let folder = match fold {
                    Some(folder) => folder,
                    None => new_version(&plan.root, plan.version.as_deref())?,
                };
                run._lock = Some(RunLock::take(&folder)?);
                run.open_logs(plan, &folder, None)?;
                run.settle(folder)?;
            }
        }
        Ok(run)
    }

    /// Goes on in the folder of the run that a checkpoint is the newest of.
    fn go_on(&mut self, plan: &Plan, resume: Resume, state: &State, folder: PathBuf) -> Result<()> {
        let checkpoint = resume.checkpoint().to_owned();
        self._lock = Some(resume.claim(&folder)?);
        self.open_logs(plan, &folder, Some(state))?;
        remove_unfinished(&folder.join(CHECKPOINTS));
        // The run died between a save and the removal that follows it.
        for name in &state.leaving {
            remove(&checkpoint.with_file_name(name));
        }
        self.deciders.restore_keepers(state);
        self.saved = Some((state.position.step, checkpoint));
        self.resumable = Some(state.position.step);
        self.settle(folder)?;
        self.drop_stale_last();
        Ok(())
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
        atomic::write(&folder.join(EXPERIMENT), self.config.as_bytes())?;
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

    /// Whether a keeper is to decide now.
    pub(crate) fn is_due(&self, moment: Moment, epoch: u64, step: u64) -> bool {
        let Deciders {
            keepers,
            validation,
            ..
        } = &self.deciders;
        keepers
            .iter()
            .any(|keeper| keeper.due(moment, epoch, step, *validation))
    }

    /// Lets the keepers decide about the present state and saves what they want; the checkpoints that were saved.
    pub(crate) fn keep(
        &mut self,
        moment: Moment,
        epoch: u64,
        metrics: &[(String, f64)],
        weights: Weights<'_>,
        state: &State,
    ) -> Result<Vec<PathBuf>> {
        let step = state.position.step;
        let validation = self.deciders.validation;
        let mut kept = Vec::new();
        for index in 0..self.deciders.keepers.len() {
            if self.deciders.keepers[index].due(moment, epoch, step, validation) {
                let state = State {
                    moment: Some(moment),
                    ..state.clone()
                };
                kept.extend(self.keep_by(index, epoch, metrics, weights, state)?);
            }
        }
        if !kept.is_empty() {
            self.drop_stale_last();
        }
        Ok(kept)
    }

    /// Saves the end of training under the name that it would have if a checkpoint were due there, so that the name does not depend on where
    /// in an epoch training ends. A checkpoint that is chosen by a metric is only chosen where the metric is measured.
    pub(crate) fn keep_end(
        &mut self,
        epoch: u64,
        metrics: &[(String, f64)],
        weights: Weights<'_>,
        state: State,
    ) -> Result<Vec<PathBuf>> {
        let keeps_any = |keeper: &CheckpointKeeper| {
            keeper.settings().monitor.is_none() && keeper.settings().save_top_k != 0
        };
        match self.deciders.keepers.iter().position(keeps_any) {
            Some(index) => self.keep_by(index, epoch, metrics, weights, state),
            None => Ok(Vec::new()),
        }
    }

    /// Lets one keeper decide, saves what it wants, and then removes what is to go.
    fn keep_by(
        &mut self,
        index: usize,
        epoch: u64,
        metrics: &[(String, f64)],
        weights: Weights<'_>,
        state: State,
    ) -> Result<Vec<PathBuf>> {
        let keeper = &self.deciders.keepers[index];
        let folder = self.place(keeper.settings().dirpath.as_deref());
        let weights_only = keeper.settings().save_weights_only;
        let (step, saves) = (state.position.step, self.saves);
        // What lies there may be what the process saved before it died, and is saved again.
        let is_this = |saved: State| {
            (saved.position, saved.saves) == (state.position, saves)
                && saved.signature == state.signature
        };
        let taken = |name: &str| {
            let path = folder.join(name);
            path.exists() && !snapshot::read_state(&path).is_ok_and(is_this)
        };
        let decision = self.deciders.keepers[index].decide(metrics, epoch, step, taken);
        let last = decision.last.then(|| LAST.to_owned());
        let mut kept = Vec::new();
        for name in decision.save_as.into_iter().chain(last) {
            let state = State {
                leaving: decision.remove.clone(),
                ..state.clone()
            };
            let path = folder.join(&name);
            self.save(&path, weights, state, weights_only)?;
            kept.push(path);
        }
        for name in &decision.remove {
            remove(&folder.join(name));
        }
        Ok(kept)
    }

    /// Saves the `last` of keepers that have decided about this step and whose process died before it was there.
    pub(crate) fn catch_up_on_last(&mut self, weights: Weights<'_>, state: &State) -> Result<()> {
        let step = state.position.step;
        self.keep_last_of(weights, state, |keeper| {
            keeper.state().decided == Some(step)
        })
    }

    /// Saves `last` wherever one is kept and is not of the present step.
    pub(crate) fn bring_last_up(&mut self, weights: Weights<'_>, state: &State) -> Result<()> {
        self.keep_last_of(weights, state, |_| true)
    }

    fn keep_last_of(
        &mut self,
        weights: Weights<'_>,
        state: &State,
        is_meant: impl Fn(&CheckpointKeeper) -> bool,
    ) -> Result<()> {
        let meant = self.deciders.keepers.iter();
        let meant = meant.filter(|keeper| keeper.settings().save_last.0 && is_meant(keeper));
        let places = meant.map(|keeper| {
            let folder = self.place(keeper.settings().dirpath.as_deref());
            (folder.join(LAST), keeper.settings().save_weights_only)
        });
        for (path, weights_only) in places.collect::<Vec<_>>() {
            let step = snapshot::read_state(&path).map(|last| last.position.step);
            if !step.is_ok_and(|step| step == state.position.step) {
                self.save(&path, weights, state.clone(), weights_only)?;
            }
        }
        Ok(())
    }

    /// Whether this step has a checkpoint that can be resumed.
    pub(crate) fn has_resumable(&self, step: u64) -> bool {
        self.resumable == Some(step)
    }

    /// Saves the present state as `last`.
    pub(crate) fn keep_last(&mut self, weights: Weights<'_>, state: State) -> Result<PathBuf> {
        let last = self.place(None).join(LAST);
        self.save(&last, weights, state, false)?;
        Ok(last)
    }

    /// Removes the `last` of an interruption that a later checkpoint has made old.
    pub(crate) fn drop_stale_last(&self) {
        let last = self.place(None).join(LAST);
        let wanted = self
            .deciders
            .keepers
            .iter()
            .any(|keeper| keeper.settings().save_last.0);
        let is_newest = self
            .saved
            .as_ref()
            .is_none_or(|(_, saved)| is_same_place(saved, &last));
        if self.folder.is_some() && !wanted && !is_newest {
            remove(&last);
        }
    }

    fn place(&self, dirpath: Option<&Path>) -> PathBuf {
        match (dirpath, &self.folder) {
            (Some(dirpath), _) => dirpath.to_owned(),
            (None, Some(folder)) => folder.join(CHECKPOINTS),
            (None, None) => PathBuf::from(CHECKPOINTS),
        }
    }

    fn save(
        &mut self,
        path: &Path,
        weights: Weights<'_>,
        state: State,
        weights_only: bool,
    ) -> Result<()> {
        let Deciders {
            keepers, stoppers, ..
        } = &self.deciders;
        let keepers = keepers.iter();
        let stoppers = stoppers.iter();
        let state = State {
            keepers: keepers
                .map(|keeper| (key(keeper.settings()), keeper.state().clone()))
                .collect(),
            stoppers: stoppers
                .map(|stopper| (key(stopper.settings()), stopper.state().clone()))
                .collect(),
            saves: self.saves,
            log_rows: self.logs.as_ref().map(Logs::rows).unwrap_or_default(),
            ..state
        };
        self.saves += 1;
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| {
                Error::checkpoint(path, format!("its folder cannot be created: {error}"))
            })?;
        }
        let step = state.position.step;
        let present = snapshot::Present {
            spec: weights.spec,
            network: weights.network,
            optimizer: (!weights_only).then_some(weights.optimizer),
            state,
            config: &self.config,
        };
        snapshot::save(path, &present)?;
        self.saved = Some((step, path.to_owned()));
        if !weights_only {
            self.resumable = Some(step);
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
        self.deciders.keepers.iter().find_map(|keeper| {
            let monitor = keeper.settings().monitor.clone()?;
            let folder = self.place(keeper.settings().dirpath.as_deref());
            Some((folder.join(&keeper.best()?.name), monitor))
        })
    }
}

/// Whether two paths lead to one folder, whichever way.
fn is_same_place(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// What tells one callback's memory from another's: its settings.
fn key(settings: &impl FromNode) -> String {
    to_flow(&settings.to_node())
}
