//! What the user sees while rows pass: one live line on a terminal, now and then a plain line elsewhere.
//!
//! Everything goes to standard error, so that standard output stays the result's. A line that cannot be
//! written is no reason to end a run.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

use engraft_train::words::{duration, number};
use engraft_train::{Event, Observer, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Display {
    /// Not at all, but for notes.
    Silent,
    /// One plain line every so many steps, and one at the end.
    Lines {
        /// How many.
        every: u64,
    },
    /// One line that changes in place.
    Live,
}

impl Display {
    /// What fits standard error: a live line on a terminal, else a plain line every `every` steps.
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
    /// What is passing: `epoch 1/3`, `validate`.
    label: String,
    /// Steps done, those before a resume included.
    done: u64,
    /// Steps there are, if known.
    total: Option<u64>,
    /// Steps done since `elapsed` began, which differs from `done` after a resume.
    fresh: u64,
    /// Rows done since `elapsed` began.
    rows: u64,
    /// How long it took.
    elapsed: Duration,
    /// What to show beside: the loss first, then the chosen metrics.
    metrics: Vec<(String, f64)>,
}

impl Report {
    /// `epoch 1/3  50/188  loss 0.4120  412 rows/s  12 s left`
    fn line(&self) -> String {
        format!("{}  {}", self.label, self.state())
    }

    /// The line without its label: `50/188  loss 0.4120  412 rows/s  12 s left`
    fn state(&self) -> String {
        let mut line = match self.total {
            Some(total) => format!("{}/{total}", self.done),
            None => self.done.to_string(),
        };
        self.add_metrics(&mut line);
        self.add_rate(&mut line);
        if let Some(left) = self.left() {
            // Writing to a string cannot fail, here and below.
            let _ = write!(line, "  {} left", duration(left));
        }
        line
    }

    /// `epoch 1/3  loss 0.4120  accuracy 0.8710  412 rows/s  41 s`
    fn summary(&self) -> String {
        let mut line = self.label.clone();
        self.add_metrics(&mut line);
        self.add_rate(&mut line);
        let _ = write!(line, "  {}", duration(self.elapsed));
        line
    }

    /// Time left at the present pace; none before the first step or when the end is not known.
    fn left(&self) -> Option<Duration> {
        let to_do = self.total?.saturating_sub(self.done);
        let seconds = self.elapsed.as_secs_f64() / self.fresh as f64 * to_do as f64;
        Duration::try_from_secs_f64(seconds).ok()
    }

    fn add_metrics(&self, line: &mut String) {
        for (name, value) in &self.metrics {
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

/// Shows one pass after the other, and says notes.
#[derive(Debug)]
pub struct ProgressLine {
    display: Display,
    report: Report,
    began: Instant,
    drawn: Option<Instant>,
    bar: Option<ProgressBar>,
}

/// A live line is not redrawn more often than eyes can follow.
const REDRAW: Duration = Duration::from_millis(100);

impl Observer for ProgressLine {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Progress(Progress::Began { label, done, total }) => {
                self.begin(label, done, total);
            }
            Event::Progress(Progress::Advanced { rows, metrics }) => self.advance(rows, metrics),
            Event::Progress(Progress::Ended { metrics }) => self.end(metrics),
            Event::Note(note) => self.say(&format!("note: {note}")),
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
            began: Instant::now(),
            drawn: None,
            bar: None,
        }
    }

    fn begin(&mut self, label: &str, done: u64, total: Option<u64>) {
        self.clear();
        self.report = Report {
            label: label.to_owned(),
            done,
            total,
            ..Report::default()
        };
        self.began = Instant::now();
        self.drawn = None;
        if self.display == Display::Live {
            self.bar = Some(live_line(&self.report));
        }
    }

    fn advance(&mut self, rows: u64, metrics: &dyn Fn() -> Vec<(String, f64)>) {
        self.report.done += 1;
        self.report.fresh += 1;
        self.report.rows += rows;
        if !self.is_due() {
            return;
        }
        self.report.elapsed = self.began.elapsed();
        self.report.metrics = metrics();
        match &self.bar {
            Some(bar) => {
                self.drawn = Some(Instant::now());
                bar.set_position(self.report.done);
                bar.set_message(self.report.state());
            }
            None => print(&self.report.line()),
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
        match &self.bar {
            Some(bar) => bar.suspend(|| print(line)),
            None => print(line),
        }
    }

    /// Takes the live line away, as before an error or another program's output.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Whether the present step is one to show. The last one is not: its summary follows.
    fn is_due(&self) -> bool {
        match self.display {
            Display::Silent => false,
            Display::Live => self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW),
            Display::Lines { every } => {
                every > 0
                    && self.report.done.is_multiple_of(every)
                    && Some(self.report.done) != self.report.total
            }
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

fn live_line(report: &Report) -> ProgressBar {
    let bar = match report.total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::no_length(),
    };
    let template = match report.total {
        Some(_) => "{prefix} {bar:20} {wide_msg}",
        None => "{prefix} {wide_msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.set_prefix(report.label.clone());
    bar.set_position(report.done);
    bar
}

fn print(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            label: "epoch 1/3".to_owned(),
            done: 50,
            total: Some(188),
            fresh: 50,
            rows: 800,
            elapsed: Duration::from_secs(20),
            metrics: vec![("loss".to_owned(), 0.412), ("accuracy".to_owned(), 0.87)],
        }
    }

    #[test]
    fn a_line_says_how_far_how_well_how_fast_and_how_long() {
        assert_eq!(
            report().line(),
            "epoch 1/3  50/188  loss 0.4120  accuracy 0.8700  40 rows/s  55 s left"
        );
        assert_eq!(
            report().summary(),
            "epoch 1/3  loss 0.4120  accuracy 0.8700  40 rows/s  20 s"
        );
    }

    #[test]
    fn a_line_leaves_out_what_is_not_known() {
        let first = Report {
            done: 0,
            fresh: 0,
            rows: 0,
            elapsed: Duration::ZERO,
            ..report()
        };
        assert_eq!(
            first.line(),
            "epoch 1/3  0/188  loss 0.4120  accuracy 0.8700"
        );
        let endless = Report {
            total: None,
            metrics: Vec::new(),
            ..report()
        };
        assert_eq!(endless.line(), "epoch 1/3  50  40 rows/s");
    }

    #[test]
    fn the_time_left_after_a_resume_goes_by_the_steps_since() {
        let resumed = Report {
            done: 178,
            fresh: 5,
            ..report()
        };
        assert_eq!(resumed.left(), Some(Duration::from_secs(40)));
    }

    #[test]
    fn plain_lines_come_at_their_interval_and_never_with_the_summary() {
        let mut progress = ProgressLine::new(Display::Lines { every: 3 });
        progress.begin("validate", 2, Some(9));
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
    fn metrics_are_not_computed_for_nobody() {
        let mut progress = ProgressLine::new(Display::Silent);
        progress.begin("predict", 0, None);
        progress.advance(8, &|| panic!("asked for metrics"));
        assert_eq!(progress.report.rows, 8);
    }
}
