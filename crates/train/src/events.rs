//! What a run tells whoever runs it, while it does.

use std::path::Path;

use engraft_component::Note;
use engraft_hub::LoadReport;

/// Something that happened in a run.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// Something that the user should know.
    Note(Note),
    /// The weights are there.
    Loaded {
        /// The preset or checkpoint.
        name: &'a str,
        /// What became of each tensor.
        report: &'a LoadReport,
        /// What LoRA updates there are, if any.
        lora: Option<&'a str>,
    },
    /// Everything is checked and the run begins: what goes wrong from here on breaks it.
    Started,
    /// How far a pass over rows has come.
    Progress(Progress<'a>),
    /// Rows were scored.
    Scored {
        /// `val` or `test`.
        stage: &'a str,
        /// The scores, `test_accuracy` and the like.
        scores: &'a [(String, f64)],
    },
    /// Something was written, and is complete.
    Saved {
        /// What it is.
        what: Saved,
        /// Its file or folder.
        path: &'a Path,
    },
    /// Training ended before its time.
    Stopped {
        /// Optimizer steps done.
        steps: u64,
        /// Why.
        reason: &'a str,
    },
    /// A fold of a cross-validation.
    Fold {
        /// Its number.
        fold: u64,
        /// What is to be said of it.
        state: Fold<'a>,
    },
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// A checkpoint's folder, in the middle of a run.
    Checkpoint,
    /// A file of predictions, of so many rows.
    Predictions(usize),
    /// A report.
    Report,
    /// A preset's folder.
    Preset,
}

/// How far a fold has come.
#[derive(Clone, Copy, Debug)]
pub enum Fold<'a> {
    /// It was finished in an earlier session.
    Before(&'a [(String, f64)]),
    /// It begins, with so many rows to train, validate and test on.
    Begins([usize; 3]),
}

/// How far a pass over rows has come.
#[derive(Clone, Copy)]
pub enum Progress<'a> {
    /// A pass begins.
    Began {
        /// What is passing: `epoch 1/3`, `test`.
        label: &'a str,
        /// Batches that were done before a resume.
        done: u64,
        /// Batches there are.
        total: Option<u64>,
    },
    /// A batch is done.
    Advanced {
        /// Its rows.
        rows: u64,
        /// What came of the pass so far, computed only when asked for.
        metrics: &'a dyn Fn() -> Vec<(String, f64)>,
    },
    /// The pass is over.
    Ended {
        /// What came of it.
        metrics: &'a [(String, f64)],
    },
}

impl std::fmt::Debug for Progress<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Began { label, .. } => write!(f, "Began({label})"),
            Self::Advanced { rows, .. } => write!(f, "Advanced({rows})"),
            Self::Ended { metrics } => write!(f, "Ended({metrics:?})"),
        }
    }
}

/// Who is told what happens in a run.
pub trait Observer {
    /// Takes notice of an event.
    fn event(&mut self, event: Event<'_>);
}

/// Nobody is told.
impl Observer for () {
    fn event(&mut self, _: Event<'_>) {}
}

impl<F: FnMut(Event<'_>)> Observer for F {
    fn event(&mut self, event: Event<'_>) {
        self(event);
    }
}

/// An observer that is told everything but how far a pass has come.
pub(crate) struct WithoutProgress<'a>(pub(crate) &'a mut dyn Observer);

impl Observer for WithoutProgress<'_> {
    fn event(&mut self, event: Event<'_>) {
        if !matches!(event, Event::Progress(_)) {
            self.0.event(event);
        }
    }
}

impl dyn Observer + '_ {
    /// Tells a note.
    pub fn note(&mut self, note: Note) {
        self.event(Event::Note(note));
    }
}
