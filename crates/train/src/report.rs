//! The report at the end of `fit` and `test`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use engraft_component::Choice;
use engraft_report::{COMPILER, Facts, Findings, Report, Scored, grouped, moment};
use engraft_tasks::{Model, TaskSpec};

use crate::error::Result;
use crate::evaluate::{Evaluation, Scoring};
use crate::record::{Record, files};
use crate::sight::Sight;
use crate::signature::Signature;
use crate::words::duration;

/// The version of the engine, which the workspace manifest pins.
const BURN: &str = "0.22.1";

/// The test rows as they were scored.
#[derive(Debug)]
pub(crate) struct Testing {
    pub(crate) scoring: Scoring,
    pub(crate) findings: Option<Findings>,
}

/// How a run ended.
pub(crate) struct Ending<'a> {
    pub(crate) record: Record,
    pub(crate) spec: &'a TaskSpec,
    pub(crate) folder: &'a Path,
    /// Which fold of how many it was, if it was one.
    pub(crate) fold: Option<(u64, u64)>,
    /// The checkpoint that a user wants.
    pub(crate) checkpoint: Option<PathBuf>,
    /// What the test rows were scored with, in words.
    pub(crate) scored_with: String,
    pub(crate) testing: Option<Testing>,
    pub(crate) steps: u64,
    pub(crate) epochs: u64,
    pub(crate) stopped: Option<&'a str>,
    pub(crate) seed: u64,
    pub(crate) config: &'a str,
}

/// Writes the report of a run that ended into its folder.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn of_fit(ending: Ending<'_>) -> engraft_report::Result<PathBuf> {
    let Ending {
        record,
        spec,
        folder,
        testing,
        ..
    } = &ending;
    let mut run = Facts::new("Run")
        .with("folder", folder.display().to_string())
        .with("steps", grouped(ending.steps))
        .with("epochs finished", grouped(ending.epochs))
        .with("seed", ending.seed.to_string());
    if let Some(checkpoint) = &ending.checkpoint {
        run = run.with("checkpoint", checkpoint.display().to_string());
    }
    if let Some(reason) = ending.stopped {
        run = run.with("ended early", reason);
    }
    if let Some((checkpoint, step)) = &record.resumed {
        let from = format!("{}, at step {step}", checkpoint.display());
        run = run.with("resumed from", from);
    }
    if testing.is_none() && record.validated.is_none() {
        run = run.with("scored", "nothing");
    }
    let [all, trained] = record.parameters;
    let described = described(spec)
        .with("parameters", counted(all))
        .with("trained", counted(trained));
    let mut data = Facts::new("Data");
    for share in &record.shares {
        let rows = format!("{} rows of {}", grouped(share.rows as u64), share.files);
        data = data.with(share.split, rows);
    }
    let report = Report {
        title: match ending.fold {
            Some((fold, count)) => format!("Training report, fold {fold} of {count}"),
            None => "Training report".to_owned(),
        },
        subtitle: format!("{} · {}", headline(spec), folder.display()),
        trains: true,
        scored: scored(&ending),
        facts: vec![run, described, data, timing(&ending), versions()],
        config: ending.config.to_owned(),
        curves: ending.record.curves,
    };
    engraft_report::write(&report, ending.folder)
}

/// What was scored last: the test rows, or else the validation rows.
fn scored(ending: &Ending<'_>) -> Option<Scored> {
    if let Some(testing) = &ending.testing {
        return Some(Scored {
            rows: format!(
                "{} test rows, scored with {}",
                testing.scoring.rows, ending.scored_with
            ),
            stage: "test".to_owned(),
            scores: with_perplexity(ending.spec, &testing.scoring.numbered),
            findings: testing.findings.clone(),
        });
    }
    let validated = ending.record.validated.as_ref()?;
    Some(Scored {
        rows: format!(
            "{} validation rows at step {}, as there are no test rows",
            validated.rows, validated.step
        ),
        stage: "val".to_owned(),
        scores: with_perplexity(ending.spec, &validated.scores),
        findings: validated.findings.clone(),
    })
}

fn timing(ending: &Ending<'_>) -> Facts {
    let record = &ending.record;
    let mut timing = Facts::new("Time")
        .with("started", moment(record.started))
        .with("ended", moment(SystemTime::now()))
        .with("training", paced(record.training, record.trained_rows));
    if record.validations > 0 {
        let times = match record.validations {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let pace = paced(record.validating, record.validated_rows);
        timing = timing.with("validation", format!("{pace}, {times}"));
    }
    if let Some(testing) = &ending.testing {
        timing = timing.with(
            "testing",
            paced(testing.scoring.took, testing.scoring.rows as u64),
        );
    }
    match &record.resumed {
        Some((_, step)) => timing.with(
            "counted",
            format!("the last session alone, from step {step}"),
        ),
        None => timing,
    }
}

/// What [`test()`] scores, and where its report goes.
pub struct Test<'a> {
    /// What is scored, and how.
    pub evaluation: Evaluation<'a>,
    /// The folder of the report; none for none.
    pub folder: Option<&'a Path>,
    /// The experiment as it was resolved.
    pub config: &'a str,
    /// The experiment's seed.
    pub seed: u64,
}

/// What came of a test.
#[derive(Debug)]
pub struct Tested {
    /// As [`evaluate`](crate::evaluate()) gives them.
    pub scores: Vec<(String, f64)>,
    /// The report, or why there is none; none where none was asked for.
    pub report: Option<engraft_report::Result<PathBuf>>,
}

/// Scores the test rows and writes a report of them. A report that cannot be written is no reason to lose the scores.
///
/// # Errors
/// As [`evaluate`](crate::evaluate()).
pub fn test(model: &Model, test: Test<'_>) -> Result<Tested> {
    let Test {
        evaluation,
        folder,
        config,
        seed,
    } = test;
    let with = evaluation.of.to_owned();
    let started = SystemTime::now();
    let examples = Arc::clone(&evaluation.examples);
    let spec = &model.spec;
    let mut sight = match folder {
        Some(_) => Sight::of(spec)?,
        None => Sight::closed(),
    };
    let scoring = evaluation.run(model, &mut sight)?;
    let Scoring {
        scores,
        numbered,
        rows,
        took,
    } = scoring;
    let written = |folder: &Path| {
        let run = Facts::new("Run").with("seed", seed.to_string());
        let data = Facts::new("Data").with(
            "test",
            format!("{} rows of {}", examples.len(), files(&examples)),
        );
        let time = Facts::new("Time")
            .with("started", moment(started))
            .with("ended", moment(SystemTime::now()))
            .with("testing", paced(took, rows as u64));
        let report = Report {
            title: "Test report".to_owned(),
            subtitle: format!("{} · {with}", headline(spec)),
            trains: false,
            scored: Some(Scored {
                rows: format!("{rows} test rows, scored with {with}"),
                stage: "test".to_owned(),
                scores: with_perplexity(spec, &numbered),
                findings: sight.findings(),
            }),
            facts: vec![run, described(spec), data, time, versions()],
            config: config.to_owned(),
            ..Report::default()
        };
        engraft_report::write(&report, folder)
    };
    let report = folder.map(written);
    Ok(Tested { scores, report })
}

/// The scores with the perplexity of a language model behind its loss.
fn with_perplexity(spec: &TaskSpec, scores: &[(String, f64)]) -> Vec<(String, f64)> {
    let mut scores = scores.to_vec();
    if spec.learning().is_ok_and(|it| it.has_perplexity())
        && let Some((name, loss)) = scores.first().cloned()
    {
        scores.insert(1, (name.replace("_loss", "_perplexity"), loss.exp()));
    }
    scores
}

fn headline(spec: &TaskSpec) -> String {
    let task = spec.task();
    let backbone = task.backbone().backbone().preset_name();
    format!("{} on {backbone}", task.name())
}

fn described(spec: &TaskSpec) -> Facts {
    let task = spec.task();
    let backbone = task.backbone().backbone().preset_name();
    Facts::new("Model")
        .with("task", task.name())
        .with("backbone", backbone)
}

fn versions() -> Facts {
    let machine = Signature::machine();
    let known = |name: &str| machine.get(name).cloned().unwrap_or_default();
    let mut versions = Facts::new("Versions")
        .with("Engraft", env!("CARGO_PKG_VERSION"))
        .with("Burn", BURN);
    if !COMPILER.is_empty() {
        versions = versions.with("compiler", COMPILER);
    }
    let system = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
    versions
        .with("system", system)
        .with("processor", known("processor"))
        .with("threads", known("threads"))
}

/// A time with how many rows went through it.
fn paced(time: Duration, rows: u64) -> String {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 && rows > 0 {
        format!("{} ({:.0} rows/s)", duration(time), rows as f64 / seconds)
    } else {
        duration(time)
    }
}

/// A number of parameters: `570 123`, `22.7 million`.
fn counted(parameters: usize) -> String {
    match parameters {
        0..1_000_000 => grouped(parameters as u64),
        1_000_000..1_000_000_000 => format!("{:.1} million", parameters as f64 / 1e6),
        _ => format!("{:.2} billion", parameters as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_engine_is_the_one_in_the_lock_file() {
        let lock = include_str!("../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"burn\"\nversion = \"{BURN}\"")));
    }

    #[test]
    fn a_pace_is_left_out_where_nothing_went_through() {
        assert_eq!(paced(Duration::from_secs(2), 80), "2.0 s (40 rows/s)");
        assert_eq!(paced(Duration::ZERO, 0), "0.0 s");
    }
}
