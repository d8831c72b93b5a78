//! What a run tells, said on a terminal.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engraft_hub::LoadReport;
use engraft_report::number;
use engraft_run::{Display, ProgressLine};
use engraft_train::{Event, Fold, Observer, Plan, Saved};

use crate::failure::{Failure, one_line, print};
use crate::interrupt;
use crate::text::scores;

/// Says on standard error what happens in a run, and watches for signals from the moment on at which there is something to stop.
pub(crate) struct Teller {
    progress: ProgressLine,
    /// Set by the first signal.
    pub(crate) stop: Arc<AtomicBool>,
    /// What the first signal is to say.
    on_signal: &'static str,
    watches: bool,
    /// The stage whose scores are the command's result, and go to standard output.
    result: Option<&'static str>,
    /// The fold that is trained, whose scores are part of a result.
    fold: Option<u64>,
    /// Whether each tensor of a checkpoint is named.
    pub(crate) verbose: bool,
    printed: Result<(), Failure>,
}

impl Teller {
    /// Of a run whose first signal is answered by `on_signal`.
    pub(crate) fn new(on_signal: &'static str) -> Self {
        Self {
            progress: ProgressLine::new(Display::Silent),
            stop: Arc::default(),
            on_signal,
            watches: false,
            result: None,
            fold: None,
            verbose: false,
            printed: Ok(()),
        }
    }

    /// Of a run whose result are the scores of a stage.
    pub(crate) fn printing_scores(self, stage: &'static str) -> Self {
        Self {
            result: Some(stage),
            ..self
        }
    }

    /// Shows progress as the trainer wants it.
    pub(crate) fn show_progress(&mut self, plan: &Plan) {
        let display = Display::detect(plan.progress, plan.log_every_n_steps);
        self.progress = ProgressLine::new(display);
    }

    /// Takes the live line of a pass away that did not come to its end.
    pub(crate) fn ends(&mut self) {
        self.progress.clear();
    }

    /// Whether what was printed arrived.
    pub(crate) fn printed(self) -> Result<(), Failure> {
        self.printed
    }

    /// Watches for signals. Until then there is nothing to save, and a signal ends the program as it would any other.
    fn watch(&mut self) {
        if !self.watches {
            interrupt::watch_with(Arc::clone(&self.stop), self.on_signal);
            self.watches = true;
        }
    }
}

impl Observer for Teller {
    fn event(&mut self, event: Event<'_>) {
        let say = |line: &str| self.progress.say(line);
        match event {
            Event::Note(note) => say(&format!("note: {}", one_line(&note.to_string()))),
            Event::Loaded { name, report, lora } => {
                say(&loaded(name, report, self.verbose));
                if let Some(lora) = lora {
                    say(&format!("LoRA:  {lora}"));
                }
            }
            Event::Started => self.watch(),
            Event::Progress(_) => self.progress.event(event),
            Event::Scored {
                stage,
                scores: found,
                of,
                positive,
            } if self.result == Some(stage) => match self.fold {
                Some(fold) => say(&format!("fold {fold}: {}", inline(found))),
                None => {
                    let positive = positive.map_or_else(String::new, |class| {
                        format!("; F1 and AUROC are of the class {}", one_line(class))
                    });
                    say(&format!("scores      of {of}{positive}"));
                    self.printed = print(&scores(found));
                }
            },
            Event::Saved { what, path } => {
                let path = path.display();
                match what {
                    Saved::Predictions(rows) => say(&format!("predictions  {path} ({rows} rows)")),
                    Saved::Report => say(&format!("report  {path}")),
                    Saved::Preset => say(&format!("preset  {path}")),
                    Saved::Checkpoint => {}
                }
            }
            Event::Stopped { steps, reason } => {
                say(&format!("stopped after {steps} steps: {reason}"));
            }
            Event::Fold { fold, state } => match state {
                Fold::Before(scores) => {
                    say(&format!("fold {fold}: {} (done before)", inline(scores)));
                }
                Fold::Begins([train, validate, test]) => {
                    say(&format!(
                        "fold {fold}: {train} rows to train, {validate} to validate, {test} to test"
                    ));
                    self.fold = Some(fold);
                }
            },
            Event::Scored { .. } | Event::Epoch { .. } => {}
        }
    }
}

/// What became of a checkpoint's tensors: in one line, or with the name of every tensor.
pub(crate) fn loaded(name: &str, report: &LoadReport, verbose: bool) -> String {
    if verbose {
        return format!("model: {name}: {}", report.in_full());
    }
    let report = report.to_string();
    let parts: Vec<&str> = report.lines().map(str::trim).collect();
    format!("model: {name}: {}", parts.join("; "))
}

/// The first scores in one line; the table has all.
fn inline(scores: &[(String, f64)]) -> String {
    const SHOWN: usize = 6;
    let scores = scores.iter().take(SHOWN);
    let scores: Vec<String> = scores
        .map(|(name, score)| format!("{name} {}", number(*score)))
        .collect();
    scores.join(", ")
}
