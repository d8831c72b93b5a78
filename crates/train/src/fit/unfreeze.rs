//! Training more and more of the model.

use super::Loop;

impl Loop<'_> {
    /// Begins an epoch with what is to be trained in it, and says so where that is more than before.
    pub(super) fn release(&mut self, epoch: u64) {
        self.unfreeze(epoch);
        let note = self.unfreezing.as_ref().and_then(|it| it.note(epoch));
        if let Some(note) = note {
            self.fit.progress.note(&note);
        }
    }

    /// Trains what is to be trained in `epoch`, and freezes the rest.
    pub(super) fn unfreeze(&mut self, epoch: u64) {
        if let Some(unfreezing) = &self.unfreezing {
            let network = self.network.take();
            self.network = network.map(|network| unfreezing.apply(network, epoch));
        }
    }
}
