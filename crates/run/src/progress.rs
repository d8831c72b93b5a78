//! What the user sees while rows pass: one live line on a terminal, now and then a plain line elsewhere.
//!
//! Everything goes to standard error, so that standard output stays the result's. A line that cannot be
//! written is no reason to end a run.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

use engraft_train::words::{duration, number};
use engraft_train::{Ahead, Event, Observer, Progress};

use crate::live_line::{LiveLine, bar};

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Display {
    /// Not at all, but for notes.
    Silent,
    /// One plain line every so many steps, and every ten seconds where these take longer, and one at the end.
    Lines {
        /// How many.
        every: u64,
    },
    /// One line that changes in place.
    Live,
}

impl Display {
    /// What fits standard error: a live line on a terminal, else plain lines.
    pub fn detect(enabled: bool, every: u64) -> Self {
        if !enabled {
            Self::Silent
        } else if std::io::stderr().is_terminal() {
            Self::Live
        } else {
            Self::Lines { every }
        }
    }
}

/// How far a pass over rows has come; all that a line of progress shows.
#[derive(Clone, Debug, Default, PartialEq)]
struct Report {
    /// What is passing: `epoch 0/2`, `val`.
    label: String,
    /// Steps done, those before a resume included.
    done: u64,
    /// Steps there are, if known.
    total: Option<u64>,
    /// How far a pass inside this one has come: `val 3/12`.
    inside: Option<String>,
    /// Rows done since `elapsed` began.
    rows: u64,
    /// How long it took.
    elapsed: Duration,
    /// What to show beside: the loss first, then the chosen metrics.
    metrics: Vec<(String, f64)>,
    /// Time left, of all epochs where it is one of several.
    left: Option<Duration>,
}

/// What of a report fits a line.
#[derive(Clone, Copy)]
struct Parts {
    /// Columns of the bar.
    bar: usize,
    rate: bool,
    /// How many of the metrics.
    metrics: usize,
    count: bool,
}

impl Parts {
    const LINE: Self = Self {
        bar: 0,
        rate: true,
        metrics: usize::MAX,
        count: true,
    };
}

impl Report {
    /// `epoch 0/2  50/188  loss 0.4120  412 rows/s  12 s left`
    fn line(&self) -> String {
        self.with(Parts::LINE)
    }

    /// The line with a bar in at most `columns` columns, without what matters least where they are few.
    fn fitted(&self, columns: usize) -> String {
        let bars = [20, 10].map(|bar| Parts { bar, ..Parts::LINE });
        let slow = |metrics, count| Parts {
            rate: false,
            metrics,
            count,
            ..Parts::LINE
        };
        let all = self.metrics.len();
        let metrics = (2.min(all)..=all).rev();
        let attempts = bars.into_iter().chain([Parts::LINE]);
        let attempts = attempts.chain(metrics.map(|metrics| slow(metrics, true)));
        let narrow = [(2, false), (1, true), (1, false), (0, false)];
        let attempts = attempts.chain(narrow.map(|(metrics, count)| slow(metrics, count)));
        let mut lines = attempts.map(|parts| self.with(parts));
        let fitting = lines.find(|line| line.chars().count() <= columns);
        fitting.unwrap_or_else(|| self.label.clone())
    }

    fn with(&self, parts: Parts) -> String {
        let mut line = self.label.clone();
        if let (Some(total), 1..) = (self.total, parts.bar) {
            line.push(' ');
            line += &bar(self.done, total, parts.bar);
        }
        // Writing to a string cannot fail, here and below.
        let _ = match self.total {
            _ if !parts.count => Ok(()),
            Some(total) => write!(line, "  {}/{total}", self.done),
            None => write!(line, "  {}", self.done),
        };
        if let Some(inside) = &self.inside {
            let _ = write!(line, "  {inside}");
        }
        self.add_metrics(&mut line, parts.metrics);
        if parts.rate {
            self.add_rate(&mut line);
        }
        if let Some(left) = self.left {
            let _ = write!(line, "  {} left", duration(left));
        }
        line
    }

    /// `epoch 0/2  loss 0.4120  accuracy 0.8710  412 rows/s  41 s`
    fn summary(&self) -> String {
        let mut line = self.label.clone();
        self.add_metrics(&mut line, usize::MAX);
        self.add_rate(&mut line);
        let _ = write!(line, "  {}", duration(self.elapsed));
        line
    }

    fn add_metrics(&self, line: &mut String, most: usize) {
        for (name, value) in self.metrics.iter().take(most) {
            let _ = write!(line, "  {name} {}", number(*value));
        }
    }

    fn add_rate(&self, line: &mut String) {
        let rate = self.rows as f64 / self.elapsed.as_secs_f64();
        if rate.is_finite() && self.rows > 0 {
            let digits = if rate < 10.0 { 1 } else { 0 };
            let _ = write!(line, "  {rate:.digits$} rows/s");
        }
    }
}

/// The pace of a pass, or of all epochs of a training so far, and what it is to go.
#[derive(Clone, Copy, Debug)]
struct Pace {
    began: Instant,
    /// Steps done since.
    fresh: u64,
    /// What follows the present pass, if it is one of a training.
    ahead: Option<Ahead>,
    /// When the time of the training is over, if it is limited.
    until: Option<Instant>,
}

impl Pace {
    fn new(ahead: Option<Ahead>) -> Self {
        let began = Instant::now();
        let time = ahead.and_then(|ahead| ahead.time);
        Self {
            began,
            fresh: 0,
            ahead,
            until: time.and_then(|time| began.checked_add(time)),
        }
    }

    /// The pace with which the next pass begins: that of its training so far, if both are passes of one.
    fn next(self, ahead: Option<Ahead>) -> Self {
        let next = Self::new(ahead);
        if self.ahead.is_some() && ahead.is_some() {
            let Self { began, fresh, .. } = self;
            Self {
                began,
                fresh,
                ..next
            }
        } else {
            next
        }
    }

    /// Time left where the present pass has `rest` steps to go; none before the first step, and where no end is known.
    fn left(&self, rest: Option<u64>) -> Option<Duration> {
        let now = Instant::now();
        let after = self.ahead.map_or(Some(0), |ahead| ahead.batches);
        let steps = rest.zip(after).map(|(rest, after)| rest + after);
        let pace = now.duration_since(self.began).as_secs_f64() / self.fresh as f64;
        let by_steps = steps.and_then(|steps| {
            let left = Duration::try_from_secs_f64(pace * steps as f64);
            left.ok()
        });
        let by_time = self.until.map(|until| until.saturating_duration_since(now));
        match (by_steps, by_time) {
            (Some(steps), Some(time)) => Some(steps.min(time)),
            (left, None) | (None, left) => left,
        }
    }
}

/// Shows one pass after the other, and says notes.
#[derive(Debug)]
pub struct ProgressLine {
    display: Display,
    report: Report,
    pace: Pace,
    began: Instant,
    drawn: Option<Instant>,
    line: Option<LiveLine>,
}

/// A live line is not redrawn more often than eyes can follow.
const REDRAW: Duration = Duration::from_millis(100);

/// Plain lines are never further apart, however long a step takes, as far as steps allow.
const SILENCE: Duration = Duration::from_secs(10);

impl Observer for ProgressLine {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Progress(Progress::Began {
                label,
                done,
                total,
                ahead,
            }) => self.begin(label, done, total, ahead),
            Event::Progress(Progress::Advanced { rows, metrics }) => self.advance(rows, metrics),
            Event::Progress(Progress::Inside { label, done, total }) => {
                self.advance_inside(label, done, total);
            }
            Event::Progress(Progress::Ended { metrics }) => self.end(metrics),
            Event::Note(note) => self.say(&format!("note: {note}")),
            // Those of validation are among the metrics of the epoch.
            Event::Scored {
                stage: "test",
                scores,
                of,
                ..
            } if self.display != Display::Silent => {
                let scores = scores.iter();
                let scores: Vec<String> = scores
                    .map(|(name, value)| format!("{name} {}", number(*value)))
                    .collect();
                self.say(&format!("{of}: {}", scores.join("  ")));
            }
            _ => {}
        }
    }
}

impl ProgressLine {
    /// Nothing is passing yet.
    pub fn new(display: Display) -> Self {
        Self {
            display,
            report: Report::default(),
            pace: Pace::new(None),
            began: Instant::now(),
            drawn: None,
            line: None,
        }
    }

    fn begin(&mut self, label: &str, done: u64, total: Option<u64>, ahead: Option<Ahead>) {
        self.clear();
        self.report = Report {
            label: label.to_owned(),
            done,
            total,
            ..Report::default()
        };
        self.pace = self.pace.next(ahead);
        self.began = Instant::now();
        self.drawn = None;
        if self.display == Display::Live {
            let line = LiveLine::on_terminal();
            line.show(|columns| self.report.fitted(columns));
            self.line = Some(line);
        }
    }

    fn advance(&mut self, rows: u64, metrics: &dyn Fn() -> Vec<(String, f64)>) {
        self.report.done += 1;
        self.report.rows += rows;
        self.report.inside = None;
        self.pace.fresh += 1;
        if self.is_due() {
            self.report.metrics = metrics();
            self.draw();
        }
    }

    fn advance_inside(&mut self, label: &str, done: u64, total: Option<u64>) {
        if self.is_overdue() {
            let total = total.map_or_else(String::new, |total| format!("/{total}"));
            self.report.inside = Some(format!("{label} {done}{total}"));
            self.draw();
        }
    }

    fn draw(&mut self) {
        self.drawn = Some(Instant::now());
        let report = &mut self.report;
        report.elapsed = self.began.elapsed();
        let rest = report.total.map(|total| total.saturating_sub(report.done));
        report.left = self.pace.left(rest);
        match &self.line {
            Some(line) => line.show(|columns| report.fitted(columns)),
            None => print(&report.line()),
        }
    }

    fn end(&mut self, metrics: &[(String, f64)]) {
        self.clear();
        self.report.elapsed = self.began.elapsed();
        self.report.metrics = metrics.to_vec();
        if self.display != Display::Silent {
            print(&self.report.summary());
        }
    }

    /// Says something on standard error without breaking the live line.
    pub fn say(&self, line: &str) {
        match &self.line {
            Some(live) => live.suspend(|| print(line)),
            None => print(line),
        }
    }

    /// Takes the live line away, as before an error or another program's output.
    pub fn clear(&mut self) {
        self.line = None;
    }

    /// Whether the present step is one to show. The last one is not: its summary follows.
    fn is_due(&self) -> bool {
        let is_counted = match self.display {
            Display::Lines { every } => every > 0 && self.report.done.is_multiple_of(every),
            Display::Silent | Display::Live => false,
        };
        let is_last = Some(self.report.done) == self.report.total;
        (is_counted || self.is_overdue()) && (self.display == Display::Live || !is_last)
    }

    /// Whether so much time has passed since something was shown that it is to be shown again.
    fn is_overdue(&self) -> bool {
        match self.display {
            Display::Silent => false,
            Display::Live => self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW),
            Display::Lines { .. } => self.drawn.unwrap_or(self.began).elapsed() >= SILENCE,
        }
    }
}

fn print(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            label: "epoch 0/2".to_owned(),
            done: 50,
            total: Some(188),
            inside: None,
            rows: 800,
            elapsed: Duration::from_secs(20),
            metrics: vec![("loss".to_owned(), 0.412), ("accuracy".to_owned(), 0.87)],
            left: Some(Duration::from_secs(55)),
        }
    }

    /// A pace of `fresh` steps in 20 seconds.
    fn pace(fresh: u64, ahead: Option<Ahead>) -> Pace {
        let pace = Pace::new(ahead);
        Pace {
            began: pace.began.checked_sub(Duration::from_secs(20)).unwrap(),
            fresh,
            ..pace
        }
    }

    /// The time left in whole seconds, as some pass while a test runs.
    fn seconds(pace: &Pace, rest: Option<u64>) -> Option<u64> {
        pace.left(rest)
            .map(|left| left.as_secs_f64().round() as u64)
    }

    #[test]
    fn a_line_says_how_far_how_well_how_fast_and_how_long() {
        assert_eq!(
            report().line(),
            "epoch 0/2  50/188  loss 0.4120  accuracy 0.8700  40 rows/s  55 s left"
        );
        assert_eq!(
            report().summary(),
            "epoch 0/2  loss 0.4120  accuracy 0.8700  40 rows/s  20 s"
        );
        let validating = Report {
            inside: Some("val 3/12".to_owned()),
            metrics: Vec::new(),
            ..report()
        };
        assert_eq!(
            validating.line(),
            "epoch 0/2  50/188  val 3/12  40 rows/s  55 s left"
        );
    }

    #[test]
    fn a_line_leaves_out_what_is_not_known() {
        let first = Report {
            done: 0,
            rows: 0,
            elapsed: Duration::ZERO,
            left: None,
            ..report()
        };
        assert_eq!(
            first.line(),
            "epoch 0/2  0/188  loss 0.4120  accuracy 0.8700"
        );
        let endless = Report {
            total: None,
            metrics: Vec::new(),
            left: None,
            ..report()
        };
        assert_eq!(endless.line(), "epoch 0/2  50  40 rows/s");
        assert_eq!(endless.fitted(80), "epoch 0/2  50  40 rows/s");
    }

    #[test]
    fn a_live_line_fits_its_terminal_and_keeps_what_matters_most() {
        let report = Report {
            metrics: [("loss", 0.412), ("val_f1", 0.8), ("accuracy", 0.87)]
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
            ..report()
        };
        let lines = [100, 90, 80, 65, 50, 42, 40, 20];
        let lines = lines.map(|columns| (columns, report.fitted(columns)));
        for (columns, line) in &lines {
            assert!(line.chars().count() <= *columns, "{columns}: {line}");
        }
        assert_eq!(
            lines.map(|(_, line)| line),
            [
                "epoch 0/2 ██████████  50/188  loss 0.4120  val_f1 0.8000  accuracy 0.8700  40 rows/s  55 s left"
                    .replace("██████████", "██░░░░░░░░"),
                "epoch 0/2  50/188  loss 0.4120  val_f1 0.8000  accuracy 0.8700  40 rows/s  55 s left".to_owned(),
                "epoch 0/2  50/188  loss 0.4120  val_f1 0.8000  accuracy 0.8700  55 s left".to_owned(),
                "epoch 0/2  50/188  loss 0.4120  val_f1 0.8000  55 s left".to_owned(),
                "epoch 0/2  loss 0.4120  val_f1 0.8000  55 s left".to_owned(),
                "epoch 0/2  50/188  loss 0.4120  55 s left".to_owned(),
                "epoch 0/2  loss 0.4120  55 s left".to_owned(),
                "epoch 0/2  55 s left".to_owned(),
            ]
        );
    }

    #[test]
    fn the_time_left_after_a_resume_goes_by_the_steps_since() {
        assert_eq!(seconds(&pace(5, None), Some(10)), Some(40));
    }

    #[test]
    fn the_time_left_is_that_of_all_epochs_or_until_the_time_is_over() {
        let ahead = |batches, time: Option<u64>| Ahead {
            batches,
            time: time.map(Duration::from_secs),
        };
        let left = |ahead| seconds(&pace(5, Some(ahead)), Some(10));
        assert_eq!(left(ahead(Some(20), None)), Some(120));
        assert_eq!(left(ahead(Some(20), Some(90))), Some(90));
        assert_eq!(left(ahead(Some(20), Some(900))), Some(120));
        assert_eq!(left(ahead(None, Some(90))), Some(90));
        assert_eq!(left(ahead(None, None)), None);
        assert_eq!(seconds(&pace(0, None), Some(10)), None);

        // The next epoch goes on at the pace of those before it, a test at its own.
        let next = pace(5, Some(ahead(Some(20), None))).next(Some(ahead(Some(10), None)));
        assert_eq!(seconds(&next, Some(10)), Some(80));
        assert_eq!(next.next(None).fresh, 0);
    }

    #[test]
    fn plain_lines_come_at_their_interval_and_never_with_the_summary() {
        let mut progress = ProgressLine::new(Display::Lines { every: 3 });
        progress.begin("validate", 2, Some(9), None);
        let mut shown = Vec::new();
        for _ in 0..7 {
            progress.report.done += 1;
            if progress.is_due() {
                shown.push(progress.report.done);
            }
        }
        assert_eq!(shown, [3, 6]);
    }

    #[test]
    fn plain_lines_come_every_ten_seconds_where_steps_take_long() {
        let mut progress = ProgressLine::new(Display::Lines { every: 50 });
        progress.begin("epoch 0/2", 0, Some(9), None);
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
        progress.report.done = 1;
        assert!(!progress.is_due() && !progress.is_overdue());
        progress.began = ago(11).unwrap();
        assert!(progress.is_due() && progress.is_overdue());
        progress.drawn = ago(9);
        assert!(!progress.is_due());
        progress.drawn = ago(11);
        assert!(progress.is_due());
        progress.report.done = 9;
        assert!(!progress.is_due());
    }

    #[test]
    fn metrics_are_not_computed_for_nobody() {
        let mut progress = ProgressLine::new(Display::Silent);
        progress.begin("predict", 0, None, None);
        progress.advance(8, &|| panic!("asked for metrics"));
        assert_eq!(progress.report.rows, 8);
    }
}
