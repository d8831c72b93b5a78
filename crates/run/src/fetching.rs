//! What the user sees while files of a hub are fetched: one live line on a terminal, now and then a plain line elsewhere.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engraft_hub::fetch::{Plan, Watch, size_in_words, watch_with};
use engraft_train::words::duration;

use crate::Display;
use crate::live_line::{LiveLine, bar};

/// The time between two looks of a live line.
const BEAT: Duration = Duration::from_millis(100);

/// The time between two plain lines.
const PLAIN: Duration = Duration::from_secs(10);

/// Shows on standard error what this process fetches of hubs from now on, unless something else does already.
pub fn show_fetching() {
    watch_with(Fetching {
        display: Display::detect(true, 1),
        now: Mutex::new(None),
    });
}

struct Fetching {
    display: Display,
    now: Mutex<Option<Now>>,
}

/// What is fetched at present.
struct Now {
    plan: Plan,
    /// Bytes that are here.
    done: u64,
    began: Instant,
    said: Instant,
    line: Option<LiveLine>,
}

impl Fetching {
    fn now(&self) -> MutexGuard<'_, Option<Now>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for Fetching {
    fn begins(&self, plan: &Plan) {
        let mut now = self.now();
        let files = if plan.files == 1 { "file" } else { "files" };
        let before = if plan.at_hand > 0 {
            format!(", {} of them from before", size_in_words(plan.at_hand))
        } else {
            String::new()
        };
        eprintln!(
            "fetching    {}: {} {files}, {}{before}",
            plan.name,
            plan.files,
            size_in_words(plan.bytes)
        );
        let line = (self.display == Display::Live).then(LiveLine::on_terminal);
        let began = Instant::now();
        *now = Some(Now {
            plan: plan.clone(),
            done: plan.at_hand,
            began,
            said: began,
            line,
        });
    }

    fn advances(&self, bytes: i64) {
        let mut now = self.now();
        let Some(now) = now.as_mut() else {
            return;
        };
        now.done = now.done.saturating_add_signed(bytes);
        let pause = if now.line.is_some() { BEAT } else { PLAIN };
        if now.said.elapsed() < pause {
            return;
        }
        now.said = Instant::now();
        match &now.line {
            Some(line) => line.show(|columns| now.line(columns)),
            None => eprintln!("fetching    {}", now.line(0)),
        }
    }

    fn ends(&self) {
        *self.now() = None;
    }

    fn note(&self, text: &str) {
        let now = self.now();
        let say = || eprintln!("note: {text}");
        match now.as_ref().and_then(|now| now.line.as_ref()) {
            Some(line) => line.suspend(say),
            None => say(),
        }
    }
}

impl Now {
    /// `hf://org/repo ████░░░░  120.0 MB of 438.0 MB  12.3 MB/s  26 s left`
    fn line(&self, columns: usize) -> String {
        let total = self.plan.bytes.max(self.done);
        let counts = format!("{} of {}", size_in_words(self.done), size_in_words(total));
        let fresh = self.done.saturating_sub(self.plan.at_hand);
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = fresh as f64 / seconds.max(0.001);
        let pace = if fresh == 0 {
            String::new()
        } else {
            let left = (total - self.done) as f64 / rate;
            let left = Duration::try_from_secs_f64(left).unwrap_or_default();
            format!(
                "  {}/s  {} left",
                size_in_words(rate as u64),
                duration(left)
            )
        };
        let bar = bar(self.done, total, 20);
        let attempts = [
            format!("{} {bar}  {counts}{pace}", self.plan.name),
            format!("{bar}  {counts}{pace}"),
            format!("{counts}{pace}"),
        ];
        let plain = format!("{}: {counts}{pace}", self.plan.name);
        let fits = |line: &&String| line.chars().count() <= columns;
        let fitting = attempts.iter().find(fits).cloned();
        if columns == 0 {
            plain
        } else {
            fitting.unwrap_or(counts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is_in_as_many_columns_as_there_are() {
        let began = Instant::now();
        let now = Now {
            plan: plan(),
            done: 50_000_000,
            began,
            said: began,
            line: None,
        };
        assert!(
            now.line(0)
                .starts_with("hf://org/repo: 50.0 MB of 100.0 MB")
        );
        let wide = now.line(120);
        assert!(
            wide.starts_with("hf://org/repo ██████████░░░░░░░░░░  50.0 MB of 100.0 MB"),
            "{wide}"
        );
        for columns in [30, 60, 90] {
            assert!(now.line(columns).chars().count() <= columns);
        }
    }

    fn plan() -> Plan {
        Plan::new("hf://org/repo", 3, 100_000_000, 10_000_000)
    }
}
