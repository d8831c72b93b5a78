//! What is kept of sequences of scores.

use std::collections::BTreeSet;

use super::*;
use crate::callback::{Mode, SaveLast};

fn settings() -> ModelCheckpoint {
    ModelCheckpoint {
        monitor: Some("val_loss".to_owned()),
        filename: Some("{step}".to_owned()),
        auto_insert_metric_name: false,
        ..ModelCheckpoint::default()
    }
}

/// A folder of checkpoints, kept as decided, saved and read again before each decision.
struct Folder {
    keeper: CheckpointKeeper,
    names: BTreeSet<String>,
    step: u64,
}

impl Folder {
    fn new(settings: &ModelCheckpoint) -> Self {
        let keeper = CheckpointKeeper::new(settings, &["val_loss", "train_loss"]).unwrap();
        Self {
            keeper,
            names: BTreeSet::new(),
            step: 0,
        }
    }

    fn save(&mut self, score: f64) -> Decision {
        self.step += 1;
        let saved = serde_json::to_string(self.keeper.state()).unwrap();
        self.keeper.restore(serde_json::from_str(&saved).unwrap());
        let metrics = [("val_loss".to_owned(), score)];
        let names = &self.names;
        let decision = self
            .keeper
            .decide(&metrics, 0, self.step, |name| names.contains(name));
        self.names.extend(decision.save_as.clone());
        for old in &decision.remove {
            assert!(self.names.remove(old), "{old} is not there");
        }
        decision
    }

    /// The names kept after these scores, at steps 1, 2, ..., and the best of them.
    fn after(settings: &ModelCheckpoint, scores: &[f64]) -> (Vec<String>, Option<String>) {
        let mut folder = Self::new(settings);
        for score in scores {
            folder.save(*score);
        }
        let best = folder.keeper.best().map(|kept| kept.name.clone());
        (folder.names.into_iter().collect(), best)
    }
}

fn kept(settings: &ModelCheckpoint, scores: &[f64]) -> (String, String) {
    let (names, best) = Folder::after(settings, scores);
    (names.join(" "), best.unwrap_or_default())
}

fn pair(names: &str, best: &str) -> (String, String) {
    (names.to_owned(), best.to_owned())
}

#[test]
fn the_best_k_are_kept_and_the_earliest_of_equals_is_the_best() {
    let scores = [0.5, 0.3, 0.4, 0.3, 0.9, 0.2];
    let top = |save_top_k| ModelCheckpoint {
        save_top_k,
        ..settings()
    };
    assert_eq!(kept(&top(1), &scores), pair("6", "6"));
    assert_eq!(kept(&top(1), &scores[..5]), pair("2", "2"));
    assert_eq!(kept(&top(2), &scores[..5]), pair("2 4", "2"));
    assert_eq!(kept(&top(3), &scores), pair("2 4 6", "6"));
    assert_eq!(kept(&top(-1), &scores), pair("1 2 3 4 5 6", "6"));
    assert_eq!(kept(&top(0), &scores), pair("", ""));
    let most = ModelCheckpoint {
        mode: Mode::Max,
        ..top(2)
    };
    assert_eq!(kept(&most, &scores), pair("1 5", "5"));
}

#[test]
fn of_equal_scores_the_one_with_the_better_loss_is_kept() {
    let most = ModelCheckpoint {
        monitor: Some("val_f1".to_owned()),
        mode: Mode::Max,
        ..settings()
    };
    let kept = |save_top_k, loss: &str, scores: &[[f64; 2]]| {
        let settings = ModelCheckpoint {
            save_top_k,
            ..most.clone()
        };
        let mut keeper = CheckpointKeeper::new(&settings, &["val_f1"]).unwrap();
        let mut names = BTreeSet::new();
        for (step, [f1, value]) in (1..).zip(scores) {
            let saved = serde_json::to_string(keeper.state()).unwrap();
            keeper.restore(serde_json::from_str(&saved).unwrap());
            let metrics = [("val_f1".to_owned(), *f1), (loss.to_owned(), *value)];
            let decision = keeper.decide(&metrics, 0, step, |_| false);
            names.extend(decision.save_as);
            decision.remove.iter().for_each(|old| {
                names.remove(old);
            });
        }
        let names: Vec<String> = names.into_iter().collect();
        pair(&names.join(" "), &keeper.best().unwrap().name)
    };
    let scores = [[0.5, 0.9], [0.5, 0.7], [0.5, 0.8], [0.4, 0.1], [0.5, 0.7]];
    assert_eq!(kept(1, "val_loss", &scores), pair("2", "2"));
    assert_eq!(kept(1, "train_loss_epoch", &scores), pair("2", "2"));
    assert_eq!(kept(2, "val_loss", &scores), pair("2 5", "2"));
    assert_eq!(kept(1, "another", &scores), pair("1", "1"));
    // A checkpoint from before the loss was remembered stays, as it did.
    let old: Kept = serde_json::from_str(r#"{"name": "1", "score": "0.5"}"#).unwrap();
    assert!(old.loss.is_nan());
}

#[test]
fn a_score_of_nan_is_never_the_best_and_gives_way_to_any_other() {
    let nan = f64::NAN;
    assert_eq!(kept(&settings(), &[nan]), pair("1", ""));
    assert_eq!(kept(&settings(), &[nan, 0.9, nan]), pair("2", "2"));
    let most = ModelCheckpoint {
        mode: Mode::Max,
        save_top_k: 2,
        ..settings()
    };
    assert_eq!(kept(&most, &[nan, 0.1, nan, 0.2]), pair("2 4", "4"));
    assert_eq!(kept(&most, &[f64::NEG_INFINITY, nan]), pair("1 2", "1"));
}

#[test]
fn without_a_metric_the_latest_is_kept() {
    let latest = ModelCheckpoint {
        monitor: None,
        ..settings()
    };
    assert_eq!(kept(&latest, &[0.1, 0.2, 0.3]), pair("3", "3"));
    let all = ModelCheckpoint {
        save_top_k: -1,
        ..latest
    };
    assert_eq!(kept(&all, &[0.1, 0.2]), pair("1 2", "2"));
}

#[test]
fn a_name_that_is_taken_gets_a_version_unless_it_is_being_given_up() {
    let fixed = ModelCheckpoint {
        filename: Some("best".to_owned()),
        ..settings()
    };
    let mut folder = Folder::new(&fixed);
    assert_eq!(folder.save(0.5).save_as.as_deref(), Some("best"));
    let better = folder.save(0.4);
    assert_eq!(better.save_as.as_deref(), Some("best"));
    assert!(better.remove.is_empty());

    let two = ModelCheckpoint {
        save_top_k: 2,
        ..fixed.clone()
    };
    assert_eq!(kept(&two, &[0.5, 0.4, 0.3]), pair("best best-v1", "best"));
    let over = ModelCheckpoint {
        enable_version_counter: false,
        ..two
    };
    assert_eq!(kept(&over, &[0.5, 0.4, 0.3]), pair("best", "best"));
}

#[test]
fn last_is_saved_whenever_one_was_due_even_if_it_is_not_among_the_best() {
    let settings = ModelCheckpoint {
        save_last: SaveLast(true),
        ..settings()
    };
    let mut folder = Folder::new(&settings);
    assert!(folder.save(0.1).last);
    let worse = folder.save(0.9);
    assert!(worse.last && worse.save_as.is_none());
    let unmeasured = folder.keeper.decide(&[], 0, 9, |_| false);
    assert!(unmeasured.last && unmeasured.save_as.is_none());
}

#[test]
fn one_step_is_decided_once() {
    let mut keeper = CheckpointKeeper::new(&settings(), &["val_loss"]).unwrap();
    let mut decide = |score: f64, step| {
        let metrics = [("val_loss".to_owned(), score)];
        keeper.decide(&metrics, 0, step, |_| false)
    };
    assert!(decide(0.5, 7).save_as.is_some());
    assert_eq!(decide(0.4, 7), Decision::default());
    assert!(decide(0.4, 8).save_as.is_some());
}

#[test]
fn checkpoints_fall_due_by_steps_or_by_epochs() {
    let keeper = |steps, epochs| {
        let settings = ModelCheckpoint {
            every_n_train_steps: steps,
            every_n_epochs: epochs,
            ..settings()
        };
        CheckpointKeeper::new(&settings, &["val_loss"]).unwrap()
    };
    let every = Validation::EveryEpoch;
    let default = keeper(None, None);
    assert!(default.due(Moment::TrainEpochEnd, 0, 5, every));
    assert!(!default.due(Moment::Step, 0, 5, every));
    assert!(!default.due(Moment::ValidationEnd, 0, 5, every));
    assert!(default.due(Moment::ValidationEnd, 0, 5, Validation::Otherwise));
    let steps = keeper(Some(10), None);
    assert!(steps.due(Moment::Step, 0, 20, every) && !steps.due(Moment::Step, 0, 25, every));
    assert!(!steps.due(Moment::TrainEpochEnd, 0, 20, every));
    let epochs = keeper(Some(0), Some(2));
    assert!(!epochs.due(Moment::TrainEpochEnd, 0, 5, every));
    assert!(epochs.due(Moment::TrainEpochEnd, 1, 5, every));
}

#[test]
fn metrics_that_no_run_produces_are_refused_with_those_that_there_are() {
    let refused = |settings: ModelCheckpoint| {
        CheckpointKeeper::new(&settings, &["train_loss"])
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(settings()),
        "monitor: ModelCheckpoint: there is no metric \"val_loss\" to monitor. This run has: train_loss"
    );
    let filename = Some("{epoch}-{val_f1:.3f}".to_owned());
    let named = ModelCheckpoint {
        filename,
        ..ModelCheckpoint::default()
    };
    assert!(refused(named).contains("\"val_f1\" to put into filename"));
}

#[test]
fn arguments_that_exclude_each_other_are_refused() {
    for (settings, part) in [
        (
            ModelCheckpoint {
                save_top_k: -2,
                ..settings()
            },
            "save_top_k",
        ),
        (
            ModelCheckpoint {
                save_top_k: 2,
                monitor: None,
                ..settings()
            },
            "monitor",
        ),
        (
            ModelCheckpoint {
                every_n_epochs: Some(1),
                every_n_train_steps: Some(5),
                ..settings()
            },
            "exclude each other",
        ),
    ] {
        let error = CheckpointKeeper::new(&settings, &["val_loss"])
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_checkpoint_by_the_clock_is_due_at_steps_once_its_time_has_passed() {
    let by = |interval: std::time::Duration| ModelCheckpoint {
        train_time_interval: Some(TimeSpan(interval)),
        ..ModelCheckpoint::default()
    };
    let due = |settings: &ModelCheckpoint, moment| {
        let keeper = CheckpointKeeper::new(settings, &[]).unwrap();
        keeper.due(moment, 0, 1, Validation::EveryEpoch)
    };
    let now = by(std::time::Duration::ZERO);
    assert!(due(&now, Moment::Step) && !due(&now, Moment::TrainEpochEnd));
    let in_a_day = by(std::time::Duration::from_secs(86_400));
    assert!(!due(&in_a_day, Moment::Step));
    let both = ModelCheckpoint {
        every_n_epochs: Some(1),
        ..now
    };
    let error = CheckpointKeeper::new(&both, &[]).unwrap_err().to_string();
    assert!(error.contains("train_time_interval excludes"), "{error}");
}
