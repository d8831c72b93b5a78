//! What the user sees while rows pass: one live line on a terminal, now and then a plain line elsewhere.
//!
//! Everything goes to standard error, so that standard output stays the result's. A line that cannot be
//! written is no reason to end a run.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

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
        match enabled {
            false => Self::Silent,
            true if std::io::stderr().is_terminal() => Self::Live,
            true => Self::Lines { every },
        }
    }
}

/// How far a pass over rows has come; all that a line of progress shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What is passing: `epoch 1/3`, `validate`.
    pub label: String,
    /// Steps done, those before a resume included.
    pub done: u64,
    /// Steps there are, if known.
    pub total: Option<u64>,
    /// Steps done since `elapsed` began, which differs from `done` after a resume.
    pub fresh: u64,
    /// Rows done since `elapsed` began.
    pub rows: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// What to show beside: the loss first, then the chosen metrics.
    pub metrics: Vec<(String, f64)>,
}

impl Report {
    /// `epoch 1/3  50/188  loss 0.4120  412 rows/s  12 s left`
    pub fn line(&self) -> String {
        format!("{}  {}", self.label, self.state())
    }

    /// The line without its label: `50/188  loss 0.4120  412 rows/s  12 s left`
    pub fn state(&self) -> String {
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
    pub fn summary(&self) -> String {
        let mut line = self.label.clone();
        self.add_metrics(&mut line);
        self.add_rate(&mut line);
        let _ = write!(line, "  {}", duration(self.elapsed));
        line
    }

    /// Time left at the present pace; none before the first step or when the end is not known.
    pub fn left(&self) -> Option<Duration> {
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

/// Shows one pass after the other.
#[derive(Debug)]
pub struct Progress {
    display: Display,
    report: Report,
    began: Instant,
    drawn: Option<Instant>,
    bar: Option<ProgressBar>,
}

/// A live line is not redrawn more often than eyes can follow.
const REDRAW: Duration = Duration::from_millis(100);

impl Progress {
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

    /// Begins a pass of `total` steps, of which `done` were done before a resume.
    pub fn start(&mut self, label: impl Into<String>, done: u64, total: Option<u64>) {
        self.clear();
        self.report = Report {
            label: label.into(),
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

    /// One more step of `rows` rows is done. `metrics` is asked only when something will be shown.
    pub fn advance(&mut self, rows: u64, metrics: impl FnOnce() -> Vec<(String, f64)>) {
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

    /// Ends the pass with one line of what came out of it.
    pub fn finish(&mut self, metrics: Vec<(String, f64)>) {
        self.clear();
        self.report.elapsed = self.began.elapsed();
        self.report.metrics = metrics;
        if self.display != Display::Silent {
            print(&self.report.summary());
        }
    }

    /// Says something without breaking the live line.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| print(&format!("note: {text}"))),
            None => print(&format!("note: {text}")),
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

impl Drop for Progress {
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

/// A metric in at most about seven characters: `0.8710`, `3.2e-5`.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e4).contains(&size) || value.is_infinite() {
        format!("{value:.4}")
    } else {
        format!("{value:.2e}")
    }
}

/// A time as people say it: `4.2 s`, `41 s`, `3 min 05 s`, `2 h 14 min`.
pub fn duration(time: Duration) -> String {
    let whole = time.as_secs_f64().round() as u64;
    match whole {
        _ if time < Duration::from_millis(9950) => format!("{:.1} s", time.as_secs_f64()),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
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
        let mut progress = Progress::new(Display::Lines { every: 3 });
        progress.start("validate", 2, Some(9));
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
        let mut progress = Progress::new(Display::Silent);
        progress.start("predict", 0, None);
        progress.advance(8, || panic!("asked for metrics"));
        assert_eq!(progress.report.rows, 8);
    }

    #[test]
    fn times_read_as_people_say_them() {
        for (seconds, text) in [
            (0.04, "0.0 s"),
            (4.24, "4.2 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (59.6, "1 min 00 s"),
            (185.0, "3 min 05 s"),
            (3599.9, "1 h 00 min"),
            (8040.0, "2 h 14 min"),
        ] {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn numbers_keep_four_decimals_or_go_to_powers_of_ten() {
        for (value, text) in [
            (0.87, "0.8700"),
            (0.0, "0.0000"),
            (3.2e-5, "3.20e-5"),
            (-123456.0, "-1.23e5"),
            (f64::NAN, "nan"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
