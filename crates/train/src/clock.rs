//! How long a run has been training, resumed parts included, and whether its time is over.

use std::time::{Duration, Instant};

use crate::words::duration;

/// The clock of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    limit: Option<Duration>,
    /// Before this process took up the run.
    before: Duration,
    began: Instant,
}

impl Clock {
    /// Starts a clock that may have a limit.
    pub(crate) fn start(limit: Option<Duration>) -> Self {
        Self {
            limit,
            before: Duration::ZERO,
            began: Instant::now(),
        }
    }

    /// Counts what the run had taken when it was saved.
    pub(crate) fn resume(&mut self, seconds: Option<f64>) {
        let before = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        self.before = before.unwrap_or_default();
    }

    /// Seconds to save with a checkpoint. A run without a limit needs none, and its checkpoints then depend on nothing but its steps.
    pub(crate) fn seconds(&self) -> Option<f64> {
        self.limit.map(|_| self.elapsed().as_secs_f64())
    }

    /// What is left of the limit, if there is one.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.limit.map(|limit| limit.saturating_sub(self.elapsed()))
    }

    fn elapsed(&self) -> Duration {
        self.before.saturating_add(self.began.elapsed())
    }

    /// Why training is to end, if its time is over.
    pub(crate) fn is_over(&self) -> Option<String> {
        let limit = self.limit.filter(|&limit| self.elapsed() >= limit)?;
        Some(format!(
            "the {} of trainer.max_time are over; ckpt_path: last with a longer max_time goes on",
            duration(limit)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_before_a_resume_counts() {
        let hour = Duration::from_secs(3600);
        let mut clock = Clock::start(Some(hour));
        assert_eq!(clock.is_over(), None);
        clock.resume(Some(3600.0));
        assert!(clock.seconds() >= Some(3600.0));
        assert_eq!(clock.left(), Some(Duration::ZERO));
        let reason = clock.is_over().unwrap();
        assert!(reason.starts_with("the 1 h 00 min of"), "{reason}");
    }

    #[test]
    fn a_clock_without_a_limit_never_ends_and_saves_nothing() {
        let mut clock = Clock::start(None);
        clock.resume(Some(1e18));
        assert_eq!((clock.is_over(), clock.seconds()), (None, None));
        assert_eq!(clock.left(), None);
        clock.resume(Some(f64::NAN));
    }
}
