//! What a run remembers of itself for the report at its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use engraft_data::{Examples, Splits};
use engraft_models::parameters;
use engraft_report::{Curves, Findings};
use engraft_tasks::{Network, TaskSpec};

use crate::error::Result;
use crate::evaluate::Scoring;
use crate::log::read_log;
use crate::sight::Sight;

/// The rows of a split in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// `training`, `validation` or `test`.
    pub(crate) split: &'static str,
    pub(crate) rows: usize,
    /// The files that they are from.
    pub(crate) files: String,
}

/// The latest look at the validation rows.
#[derive(Debug)]
pub(crate) struct Validated {
    pub(crate) step: u64,
    pub(crate) rows: usize,
    pub(crate) scores: Vec<(String, f64)>,
    pub(crate) findings: Option<Findings>,
}

/// What a run remembers of itself.
#[derive(Debug)]
pub(crate) struct Record {
    /// Whether there will be a report.
    wanted: bool,
    pub(crate) shares: Vec<Share>,
    /// Parameters in all, and those that are trained.
    pub(crate) parameters: [usize; 2],
    pub(crate) curves: Curves,
    pub(crate) started: SystemTime,
    began: Instant,
    /// Taken by the training loop, validation apart.
    pub(crate) training: Duration,
    pub(crate) trained_rows: u64,
    pub(crate) validating: Duration,
    pub(crate) validated_rows: u64,
    pub(crate) validations: u64,
    pub(crate) validated: Option<Validated>,
    /// The checkpoint that this session began from, and its step.
    pub(crate) resumed: Option<(PathBuf, u64)>,
}

impl Record {
    /// Of a run that is about to begin on these rows; `wanted` says whether it will end with a report.
    pub(crate) fn new(splits: &Splits, wanted: bool) -> Self {
        let share = |split, examples: &Option<Examples>| {
            let examples = examples.as_ref().filter(|examples| !examples.is_empty())?;
            Some(Share {
                split,
                rows: examples.len(),
                files: files(examples),
            })
        };
        let shares = [
            share("training", &splits.train),
            share("validation", &splits.valid),
            share("test", &splits.test),
        ];
        Self {
            wanted,
            shares: shares.into_iter().flatten().collect(),
            parameters: [0; 2],
            curves: Curves::default(),
            started: SystemTime::now(),
            began: Instant::now(),
            training: Duration::ZERO,
            trained_rows: 0,
            validating: Duration::ZERO,
            validated_rows: 0,
            validations: 0,
            validated: None,
            resumed: None,
        }
    }

    /// Notes what is trained, and what an earlier session has logged.
    ///
    /// # Errors
    /// The log cannot be read.
    pub(crate) fn begin(
        &mut self,
        spec: &TaskSpec,
        network: &Network,
        resumed: Option<(&Path, u64)>,
        log: Option<&Path>,
    ) -> Result<()> {
        let count = |trained: bool| -> usize {
            let all = parameters(network).into_iter();
            all.filter(|(_, _, tensor)| !trained || tensor.is_tracked())
                .map(|(_, shape, _)| shape.iter().product::<usize>())
                .sum()
        };
        self.parameters = [count(false), count(true)];
        self.curves = Curves::with_perplexity(spec.learning()?.has_perplexity());
        self.resumed = resumed.map(|(path, step)| (path.to_owned(), step));
        self.began = Instant::now();
        if let (Some(folder), Some(_)) = (log.filter(|_| self.wanted), resumed) {
            read_log(folder, |step, metric, value| {
                self.curves.add(step, [(metric, value)]);
            })?;
        }
        Ok(())
    }

    /// Notes metrics of a step.
    pub(crate) fn step(&mut self, step: u64, metrics: &[(String, f64)]) {
        let metrics = metrics.iter().map(|(name, value)| (name.as_str(), *value));
        self.curves.add(step, metrics);
    }

    /// Who looks at the test rows.
    ///
    /// # Errors
    /// The task only predicts.
    pub(crate) fn test_sight(&self, spec: &TaskSpec) -> Result<Sight> {
        if self.wanted {
            Sight::of(spec)
        } else {
            Ok(Sight::closed())
        }
    }

    /// Who looks at the validation rows: nobody where test rows will be looked at instead.
    ///
    /// # Errors
    /// The task only predicts.
    pub(crate) fn validation_sight(&self, spec: &TaskSpec) -> Result<Sight> {
        if self.shares.iter().any(|share| share.split == "test") {
            Ok(Sight::closed())
        } else {
            self.test_sight(spec)
        }
    }

    /// Notes a validation.
    pub(crate) fn validated(&mut self, step: u64, scoring: &Scoring, seen: Sight) {
        self.step(step, &scoring.scores);
        self.validating += scoring.took;
        self.validated_rows += scoring.rows as u64;
        self.validations += 1;
        self.validated = Some(Validated {
            step,
            rows: scoring.rows,
            scores: scoring.scores.clone(),
            findings: seen.findings(),
        });
    }

    /// Notes that training is over.
    pub(crate) fn trained(&mut self) {
        self.training = self.began.elapsed().saturating_sub(self.validating);
    }
}

/// The files that rows are from, with those beyond the first three counted.
pub(crate) fn files(examples: &Examples) -> String {
    const SHOWN: usize = 3;
    let mut names: Vec<String> = Vec::new();
    let mut latest: Option<&Arc<Path>> = None;
    for origin in &examples.origins {
        if latest.is_some_and(|file| Arc::ptr_eq(file, &origin.file)) {
            continue;
        }
        latest = Some(&origin.file);
        let name = origin.file.display().to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - more].join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more files"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_once_and_many_are_counted() {
        let mut examples = Examples::from_texts(["a", "b", "c", "d", "e"]);
        assert_eq!(files(&examples), "(in memory)");
        for (origin, name) in examples.origins.iter_mut().zip(["1", "2", "1", "3", "4"]) {
            origin.file = Arc::from(Path::new(name));
        }
        assert_eq!(files(&examples), "1, 2, 3 and 1 more files");
    }
}
