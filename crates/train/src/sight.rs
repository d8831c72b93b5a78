//! What is seen of rows while they are scored, for the report.

use engraft_report::{ClassFindings, Findings, LabelFindings, NumberFindings};
use engraft_tasks::output::{largest, sigmoid, softmax};
use engraft_tasks::{Observer, Shown, TaskSpec};

use crate::error::Result;

/// Takes what is scored into findings.
#[derive(Debug)]
pub(crate) struct Sight(Option<Findings>);

impl Sight {
    /// Of the rows that a task scores.
    ///
    /// # Errors
    /// The task only predicts.
    pub(crate) fn of(spec: &TaskSpec) -> Result<Self> {
        Ok(Self(match spec.learning()?.shown() {
            Shown::Nothing => None,
            Shown::Classes { names, of } => Some(Findings::Classes(ClassFindings::new(names, of))),
            Shown::Flags { names } => Some(Findings::Labels(LabelFindings::new(names))),
            Shown::Numbers { names } => Some(Findings::Numbers(NumberFindings::new(names))),
        }))
    }

    /// Of nothing.
    pub(crate) fn closed() -> Self {
        Self(None)
    }

    pub(crate) fn findings(self) -> Option<Findings> {
        self.0
    }
}

impl Observer for Sight {
    fn class(&mut self, logits: &[f32], class: usize) {
        if let Some(Findings::Classes(found)) = &mut self.0 {
            let probabilities: Vec<f32> = softmax(logits).collect();
            found.add(&probabilities, largest(logits), class);
        }
    }

    fn flags(&mut self, logits: &[f32], flags: &[bool]) {
        if let Some(Findings::Labels(found)) = &mut self.0 {
            let probabilities: Vec<f32> = logits.iter().copied().map(sigmoid).collect();
            found.add(&probabilities, flags);
        }
    }

    fn numbers(&mut self, predicted: &[f32], truth: &[f32]) {
        if let Some(Findings::Numbers(found)) = &mut self.0 {
            found.add(predicted, truth);
        }
    }
}
