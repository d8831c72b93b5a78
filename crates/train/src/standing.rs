//! Where a run stands: what it has done, and what came of it so far.

use std::collections::BTreeMap;

use engraft_tasks::metrics::Mean;

use crate::snapshot::{Position, State};

/// Where a run stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) position: Position,
    /// Of the present epoch, as the accuracy is.
    pub(crate) loss: Mean,
    pub(crate) accuracy: Mean,
    /// The latest value of every metric.
    pub(crate) metrics: BTreeMap<String, f64>,
    /// Why training is to end, if a callback has decided so.
    pub(crate) stopped: Option<String>,
    /// Whether the validation that follows the latest step is yet to be done.
    pub(crate) owes_validation: bool,
    /// The epoch of the latest validation.
    pub(crate) validated: Option<u64>,
}

/// What an epoch ends with.
pub(crate) struct EpochEnd {
    /// What is logged.
    pub(crate) metrics: Vec<(String, f64)>,
    /// What the progress shows.
    pub(crate) shown: Vec<(String, f64)>,
}

impl Standing {
    /// Where a checkpoint was written.
    pub(crate) fn of(state: &State) -> Self {
        let metrics = state.metrics.iter();
        Self {
            position: state.position,
            loss: state.loss,
            accuracy: state.accuracy,
            metrics: metrics.map(|it| (it.name.clone(), it.value)).collect(),
            stopped: state.stopped.clone(),
            owes_validation: state.owes_validation,
            validated: state.validated,
        }
    }

    /// The latest value of every metric, by name.
    pub(crate) fn metrics(&self) -> Vec<(String, f64)> {
        self.metrics.clone().into_iter().collect()
    }

    /// What the progress shows: the epoch so far, and its latest validation. That of an earlier epoch says nothing of this one.
    pub(crate) fn shown(&self) -> Vec<(String, f64)> {
        let mut shown = vec![("loss".to_owned(), self.loss.value())];
        if self.accuracy.weight > 0.0 {
            shown.push(("accuracy".to_owned(), self.accuracy.value()));
        }
        let names: &[&str] = if self.validated == Some(self.position.epoch) {
            &["val_loss", "val_accuracy", "val_spearman"]
        } else {
            &[]
        };
        let latest = names
            .iter()
            .filter_map(|&name| Some((name.to_owned(), *self.metrics.get(name)?)));
        shown.extend(latest);
        shown
    }

    /// Goes on to the next epoch.
    pub(crate) fn end_epoch(&mut self) -> EpochEnd {
        let mut metrics = vec![("train_loss_epoch".to_owned(), self.loss.value())];
        if self.accuracy.weight > 0.0 {
            metrics.push(("train_accuracy_epoch".to_owned(), self.accuracy.value()));
        }
        self.metrics.extend(metrics.iter().cloned());
        let shown = self.shown();
        self.position = Position {
            epoch: self.position.epoch + 1,
            batch: 0,
            ..self.position
        };
        (self.loss, self.accuracy) = (Mean::default(), Mean::default());
        EpochEnd { metrics, shown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_without_validation_shows_none() {
        let mut standing = Standing::default();
        let names = |standing: &Standing| {
            let shown = standing.shown().into_iter();
            shown.map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&standing), ["loss"]);
        standing.metrics.insert("val_loss".to_owned(), 0.5);
        standing.validated = Some(0);
        assert_eq!(names(&standing), ["loss", "val_loss"]);
        let ended = standing.end_epoch().shown;
        assert_eq!(ended.last(), Some(&("val_loss".to_owned(), 0.5)));
        assert_eq!(names(&standing), ["loss"]);
        let ended = standing.end_epoch().shown;
        assert!(ended.iter().all(|(name, _)| name != "val_loss"));
        // Callbacks still look at it.
        assert!(standing.metrics().contains(&("val_loss".to_owned(), 0.5)));
    }
}
