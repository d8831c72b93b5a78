//! What a run tells whoever runs it, while it does.

use std::path::Path;
use std::time::Duration;

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
    /// An epoch of training has ended.
    Epoch {
        /// Its number, from 0.
        epoch: u64,
        /// What it came to: `loss` and other means over its rows, and the scores of its validation, as `val_loss`.
        values: &'a [(String, f64)],
    },
    /// Rows were scored.
    Scored {
        /// `val` or `test`.
        stage: &'a str,
        /// The scores, `test_accuracy` and the like, and of single classes, labels or numbers `test_f1[positive]`.
        scores: &'a [(String, f64)],
        /// What was scored, in words: the checkpoint, or other weights.
        of: &'a str,
        /// The class that F1 and the area under the ROC curve are of, where there are two.
        positive: Option<&'a str>,
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
        /// What is passing: `epoch 0/2`, the first of three, or `test`. Epochs are counted from 0, as in logs and names of checkpoints.
        label: &'a str,
        /// Batches that were done before a resume.
        done: u64,
        /// Batches there are.
        total: Option<u64>,
        /// What follows it in its training; none where it is no part of one.
        ahead: Option<Ahead>,
    },
    /// A batch is done.
    Advanced {
        /// Its rows.
        rows: u64,
        /// What came of the pass so far, computed only when asked for.
        metrics: &'a dyn Fn() -> Vec<(String, f64)>,
    },
    /// A batch of a pass inside this one is done, such as of a validation.
    Inside {
        /// What is passing there: `val`.
        label: &'a str,
        /// Batches that are done.
        done: u64,
        /// Batches there are.
        total: Option<u64>,
    },
    /// The pass is over.
    Ended {
        /// What came of it.
        metrics: &'a [(String, f64)],
    },
}

/// What a training has before it when a pass of it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// Batches after the pass; none if their number is not known.
    pub batches: Option<u64>,
    /// What is left of the time that it may take.
    pub time: Option<Duration>,
}

impl std::fmt::Debug for Progress<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Began { label, .. } => write!(f, "Began({label})"),
            Self::Advanced { rows, .. } => write!(f, "Advanced({rows})"),
            Self::Inside { label, done, .. } => write!(f, "Inside({label}, {done})"),
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

/// An observer of a pass inside another.
pub(crate) struct Inside<'a> {
    observer: &'a mut dyn Observer,
    label: String,
    done: u64,
    total: Option<u64>,
}

impl<'a> Inside<'a> {
    /// That tells it to the observer of the pass around it.
    pub(crate) fn new(observer: &'a mut dyn Observer) -> Self {
        Self {
            observer,
            label: String::new(),
            done: 0,
            total: None,
        }
    }
}

impl Observer for Inside<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Progress(Progress::Began {
                label, done, total, ..
            }) => (self.label, self.done, self.total) = (label.to_owned(), done, total),
            Event::Progress(Progress::Advanced { .. }) => {
                self.done += 1;
                self.observer.event(Event::Progress(Progress::Inside {
                    label: &self.label,
                    done: self.done,
                    total: self.total,
                }));
            }
            Event::Progress(_) => {}
            event => self.observer.event(event),
        }
    }
}

impl dyn Observer + '_ {
    /// Tells a note.
    pub fn note(&mut self, note: Note) {
        self.event(Event::Note(note));
    }
}
