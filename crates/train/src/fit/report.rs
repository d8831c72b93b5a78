//! What a run tells of itself at its end.

use std::path::{Path, PathBuf};

use engraft_data::Splits;

use super::Loop;
use crate::record::Record;
use crate::report::{Ending, Testing, of_fit};
use crate::run::Run;

impl Loop<'_> {
    /// What the report will need of the beginning; an earlier log that cannot be read is no reason to stop.
    pub(super) fn begin_record(&mut self, from: Option<&Path>) {
        let step = self.position.step;
        let from = from.map(|path| (path, step));
        let log = self.run.folder().filter(|_| self.fit.plan.log);
        if let Some(network) = &self.network
            && let Err(error) = self.record.begin(&self.model, network, from, log)
        {
            let note = format!("the curves of the report begin at step {step}: {error}");
            self.fit.progress.note(&note);
        }
    }

    /// Writes the report; that it cannot be written is said, and no reason to lose the run.
    pub(super) fn report(&mut self, run: &Run, testing: Option<Testing>) -> Option<PathBuf> {
        let wanted = self.fit.plan.report && !self.interrupted;
        let folder = run.folder().filter(|_| wanted)?;
        let written = of_fit(Ending {
            record: std::mem::replace(&mut self.record, Record::new(&Splits::default(), false)),
            model: &self.model,
            folder,
            fold: run.fold(),
            checkpoint: run.checkpoint(),
            scored_with: match run.best() {
                Some((path, monitor)) => format!("{} (best {monitor})", path.display()),
                None => format!("the weights of step {}", self.position.step),
            },
            testing,
            steps: self.position.step,
            epochs: self.position.epoch,
            stopped: self.stopped.as_deref().or(self.out_of_time.as_deref()),
            seed: self.fit.seed,
            config: self.fit.config,
        });
        let note = |error| {
            let progress = &self.fit.progress;
            progress.note(&format!("no report was written: {error}"));
        };
        written.map_err(note).ok()
    }
}
