//! Which parameters are trained in which epoch, where an FTScheduler says so.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use engraft_component::{Refusal, did_you_mean, listed};
use engraft_models::ParameterPath;
use engraft_tasks::{Network, TaskSpec};

use crate::callback::{Callback, Release, ReleasePlan};
use crate::error::Result;
use crate::outset::trained_parameters;

/// From which epoch on each parameter is trained.
pub(crate) struct Unfreezing {
    /// Of every parameter that the model would train without: its path, with the epoch, none if it stays frozen, and its size.
    parameters: BTreeMap<String, (Option<u64>, usize)>,
}

/// A parameter under each name that users know it by.
struct Named {
    path: String,
    names: Vec<String>,
}

impl Unfreezing {
    /// What the callbacks' FTScheduler says of a network, if there is one.
    ///
    /// # Errors
    /// Its file is missing or wrong, or an expression in it matches nothing that could be trained.
    pub(crate) fn of(
        callbacks: &[Callback],
        spec: &TaskSpec,
        network: &Network,
    ) -> Result<Option<Self>> {
        let Some(plan) = ReleasePlan::of(callbacks)? else {
            return Ok(None);
        };
        let trained = trained_parameters(network);
        let named: Vec<Named> = trained
            .iter()
            .map(|(path, _)| Named {
                path: path.clone(),
                names: spec.parameter_names(network.head_kind(), path),
            })
            .collect();
        let mut parameters: BTreeMap<String, (Option<u64>, usize)> = trained
            .into_iter()
            .map(|(path, shape)| (path, (None, shape.iter().product())))
            .collect();
        for release in &plan.releases {
            let mut found = false;
            for parameter in named.iter().filter(|it| it.is_matched_by(release)) {
                found = true;
                if let Some((epoch, _)) = parameters.get_mut(&parameter.path) {
                    *epoch = Some(epoch.map_or(release.epoch, |it| it.min(release.epoch)));
                }
            }
            if !found {
                return Err(unmatched(release, &named).into());
            }
        }
        Ok(Some(Self { parameters }))
    }

    /// The network with what is trained in `epoch` trained, and the rest frozen.
    pub(crate) fn apply(&self, network: Network, epoch: u64) -> Network {
        network.map(&mut Switch {
            path: ParameterPath::default(),
            unfreezing: self,
            epoch,
        })
    }

    /// What changes at the beginning of `epoch`, if anything does.
    pub(crate) fn note(&self, epoch: u64) -> Option<String> {
        let count = |fits: &dyn Fn(u64) -> bool| -> usize {
            let parameters = self.parameters.values();
            let counted = parameters.filter(|(from, _)| from.is_some_and(fits));
            counted.map(|(_, size)| size).sum()
        };
        let all: usize = self.parameters.values().map(|(_, size)| size).sum();
        let (new, trained) = (count(&|from| from == epoch), count(&|from| from <= epoch));
        (new > 0).then(|| {
            format!("FTScheduler: {trained} of {all} weights are trained from epoch {epoch} on")
        })
    }
}

impl Named {
    /// Whether a name of it, or of a module around it, begins as the expression says.
    fn is_matched_by(&self, release: &Release) -> bool {
        self.names.iter().any(|name| {
            let modules = name.match_indices('.').map(|(at, _)| &name[..at]);
            let mut all = modules.chain([name.as_str()]);
            all.any(|name| release.pattern.is_match(name))
        })
    }
}

/// The error that an expression matches nothing, with the nearest names.
fn unmatched(release: &Release, named: &[Named]) -> Refusal {
    let mut modules = BTreeSet::new();
    for name in named.iter().filter_map(|it| it.names.first()) {
        modules.extend(name.match_indices('.').map(|(at, _)| &name[..at]));
    }
    // What an expression mostly ends in says nothing about what was meant.
    let stem = release.written.replace('\\', "");
    let stem = stem.trim_end_matches(['*', '+', '$', '.']);
    let near: Vec<&str> = modules.iter().copied().collect();
    let near = did_you_mean(stem, &near, "").filter(|help| help.starts_with("Did"));
    // Down to the number of a layer, all are listed.
    let outer = modules.iter().copied().filter(|name| {
        let inner = name.split('.').rev().skip(1);
        inner.into_iter().all(|word| word.parse::<u64>().is_err())
    });
    let outer: Vec<&str> = outer.collect();
    let problem = format!(
        "{:?} matches no module that can be trained",
        release.written
    );
    let error = Refusal::new(&release.span, release.epoch.to_string(), problem);
    error.help(near.unwrap_or_else(|| format!("There are {}", listed(&outer))))
}

/// Walks a network and turns gradients on and off.
struct Switch<'a> {
    path: ParameterPath,
    unfreezing: &'a Unfreezing,
    epoch: u64,
}

impl ModuleMapper for Switch<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.leave(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let known = self.unfreezing.parameters.get(&self.path.joined());
        let Some((from, _)) = known else { return param };
        let trained = from.is_some_and(|from| from <= self.epoch);
        if param.is_require_grad() == trained {
            param
        } else {
            param.set_require_grad(trained)
        }
    }
}
