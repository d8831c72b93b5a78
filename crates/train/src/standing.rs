//! Where a run stands: what it has done, and what came of it so far.

use std::collections::BTreeMap;

use engraft_tasks::Scores;
use engraft_tasks::metrics::{Mean, is_of};

use crate::snapshot::{Position, State};

/// Scores of tasks that are means over rows, beside the accuracy.
const MEANS: [&str; 2] = ["mae", "mse"];

/// Where a run stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) position: Position,
    /// Of the present epoch, as the accuracy is.
    pub(crate) loss: Mean,
    pub(crate) accuracy: Mean,
    /// Scores of the present epoch that are means.
    pub(crate) means: BTreeMap<String, Mean>,
    /// What the epochs came to that this run has ended.
    pub(crate) history: Vec<Vec<(String, f64)>>,
    /// The latest value of every metric.
    pub(crate) metrics: BTreeMap<String, f64>,
    /// Why training is to end, if a callback has decided so.
    pub(crate) stopped: Option<String>,
    /// Whether the validation that follows the latest step is yet to be done.
    pub(crate) owes_validation: bool,
    /// The epoch of the latest validation.
    pub(crate) validated: Option<u64>,
}

/// A metric that callbacks watch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Watched<'a> {
    pub(crate) metric: &'a str,
    /// The best value so far, if there is one.
    pub(crate) best: Option<f64>,
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
            ..Self::default()
        }
    }

    /// The latest value of every metric, by name.
    pub(crate) fn metrics(&self) -> Vec<(String, f64)> {
        self.metrics.clone().into_iter().collect()
    }

    /// What the progress shows: the loss of the epoch so far, what callbacks watch, and its latest validation. A validation of an earlier epoch
    /// says nothing of this one; then the best of what is watched is shown.
    pub(crate) fn shown(&self, watched: &[Watched<'_>]) -> Vec<(String, f64)> {
        let mut shown = vec![("loss".to_owned(), self.loss.value())];
        for Watched { metric, best } in watched {
            match (self.present(metric), best) {
                (Some(value), _) => shown.push(((*metric).to_owned(), value)),
                (None, Some(best)) => shown.push((format!("best {metric}"), *best)),
                (None, None) => {}
            }
        }
        if self.accuracy.weight > 0.0 {
            shown.push(("accuracy".to_owned(), self.accuracy.value()));
        }
        for metric in [
            "val_loss",
            "val_accuracy",
            "val_spearman",
            "val_top_L5_acc",
            "val/f1",
        ] {
            let is_new = watched.iter().all(|watched| watched.metric != metric);
            if let Some(value) = self.present(metric).filter(|_| is_new) {
                shown.push((metric.to_owned(), value));
            }
        }
        shown
    }

    /// The latest value of a metric, unless it is of an earlier epoch.
    fn present(&self, metric: &str) -> Option<f64> {
        let is_present = if is_of("val", metric) {
            self.validated == Some(self.position.epoch)
        } else {
            // Those are of whole epochs.
            !metric.ends_with("_epoch")
        };
        self.metrics.get(metric).copied().filter(|_| is_present)
    }

    /// Goes on to the next epoch.
    pub(crate) fn end_epoch(&mut self, watched: &[Watched<'_>]) -> EpochEnd {
        let mut metrics = vec![("train_loss_epoch".to_owned(), self.loss.value())];
        if self.accuracy.weight > 0.0 {
            metrics.push(("train_accuracy_epoch".to_owned(), self.accuracy.value()));
        }
        let means = self.means.iter();
        metrics.extend(means.map(|(name, mean)| (format!("train_{name}_epoch"), mean.value())));
        self.metrics.extend(metrics.iter().cloned());
        self.history.push(self.of_epoch());
        let shown = self.shown(watched);
        self.position = Position {
            epoch: self.position.epoch + 1,
            batch: 0,
            ..self.position
        };
        (self.loss, self.accuracy) = (Mean::default(), Mean::default());
        self.means.clear();
        EpochEnd { metrics, shown }
    }

    /// Adds the scores of a step that are means over its rows.
    pub(crate) fn add_means(&mut self, scores: &Scores) {
        let rows = scores.rows as f64;
        let own = scores
            .all
            .iter()
            .filter(|(name, _)| MEANS.contains(&name.as_str()));
        let own = own.map(|(name, value)| (name, value * rows, rows));
        let beside = scores
            .means
            .iter()
            .map(|(name, mean)| (name, mean.sum, mean.weight));
        for (name, sum, weight) in own.chain(beside) {
            self.means.entry(name.clone()).or_default().add(sum, weight);
        }
    }

    /// What the present epoch came to.
    fn of_epoch(&self) -> Vec<(String, f64)> {
        let mut all = vec![("loss".to_owned(), self.loss.value())];
        if self.accuracy.weight > 0.0 {
            all.push(("accuracy".to_owned(), self.accuracy.value()));
        }
        let means = self.means.iter();
        all.extend(means.map(|(name, mean)| (name.clone(), mean.value())));
        let is_validated = self.validated == Some(self.position.epoch);
        let scores = self
            .metrics
            .iter()
            .filter(|(name, _)| is_validated && is_of("val", name));
        all.extend(scores.map(|(name, value)| (name.clone(), *value)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_without_validation_shows_none() {
        let mut standing = Standing::default();
        let names = |standing: &Standing| {
            let shown = standing.shown(&[]).into_iter();
            shown.map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&standing), ["loss"]);
        standing.metrics.insert("val_loss".to_owned(), 0.5);
        standing.validated = Some(0);
        assert_eq!(names(&standing), ["loss", "val_loss"]);
        let ended = standing.end_epoch(&[]).shown;
        assert_eq!(ended.last(), Some(&("val_loss".to_owned(), 0.5)));
        assert_eq!(names(&standing), ["loss"]);
        let ended = standing.end_epoch(&[]).shown;
        assert!(ended.iter().all(|(name, _)| name != "val_loss"));
        // Callbacks still look at it.
        assert!(standing.metrics().contains(&("val_loss".to_owned(), 0.5)));
    }

    #[test]
    fn what_callbacks_watch_is_shown_or_else_its_best() {
        let mut standing = Standing::default();
        standing.metrics.insert("val_f1".to_owned(), 0.5);
        standing.metrics.insert("val_loss".to_owned(), 0.7);
        let watched = |metric, best| [Watched { metric, best }];
        let names = |standing: &Standing, watched: &[Watched<'_>]| {
            let shown = standing.shown(watched).into_iter().skip(1);
            shown.collect::<Vec<_>>()
        };
        let pair = |name: &str, value| (name.to_owned(), value);
        let f1 = watched("val_f1", Some(0.6));
        assert_eq!(names(&standing, &f1), [pair("best val_f1", 0.6)]);
        assert_eq!(names(&standing, &watched("val_f1", None)), []);
        standing.validated = Some(0);
        assert_eq!(
            names(&standing, &f1),
            [pair("val_f1", 0.5), pair("val_loss", 0.7)]
        );
        // It is shown once.
        let loss = watched("val_loss", Some(0.6));
        assert_eq!(names(&standing, &loss), [pair("val_loss", 0.7)]);
        // The loss of a whole epoch is the one before, while one goes on.
        standing.metrics.insert("train_loss_epoch".to_owned(), 0.9);
        standing.validated = None;
        assert_eq!(
            names(&standing, &watched("train_loss_epoch", Some(0.8))),
            [pair("best train_loss_epoch", 0.8)]
        );
    }
}
