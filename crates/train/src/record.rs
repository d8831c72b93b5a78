//! What a run remembers of itself for the report at its end.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use engraft_data::{Examples, Splits};
use engraft_models::parameters;
use engraft_report::{Curves, Findings};
use engraft_tasks::{Model, Network, Told};

use crate::error::Result;
use crate::evaluate::Scoring;
use crate::log::read_log;
use crate::report::{Sight, files};

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
        model: &Model,
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
        self.curves = Curves::with_perplexity(matches!(model.told(), Told::Tokens));
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
    pub(crate) fn test_sight(&self, model: &Model) -> Sight {
        match self.wanted {
            true => Sight::of(model),
            false => Sight::closed(),
        }
    }

    /// Who looks at the validation rows: nobody where test rows will be looked at instead.
    pub(crate) fn validation_sight(&self, model: &Model) -> Sight {
        match self.shares.iter().any(|share| share.split == "test") {
            true => Sight::closed(),
            false => self.test_sight(model),
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
