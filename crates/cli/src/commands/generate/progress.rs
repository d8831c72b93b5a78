//! How far texts that go to a file have come: one live line on a terminal, a plain line now and then elsewhere.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use engraft_generate::Piece;
use engraft_run::{LiveLine, bar};
use engraft_train::words::duration;

use crate::failure::say;

/// How often a line is written where it stays.
const LINES: Duration = Duration::from_secs(10);

/// A live line is not redrawn more often than eyes can follow.
const REDRAW: Duration = Duration::from_millis(100);

pub(super) struct Progress {
    /// None where nothing is shown, as where texts themselves are.
    shown: Option<Shown>,
    state: State,
    began: Instant,
}

struct Shown {
    line: Option<LiveLine>,
    last: Instant,
}

/// What a line shows.
#[derive(Clone, Copy, Default)]
struct State {
    texts: usize,
    ended: usize,
    tokens: usize,
    elapsed: Duration,
}

impl Progress {
    /// Of `texts` texts.
    pub(super) fn new(enabled: bool, texts: usize) -> Self {
        let shown = || {
            let live = std::io::stderr().is_terminal();
            Shown {
                line: live.then(LiveLine::on_terminal),
                last: Instant::now(),
            }
        };
        Self {
            shown: enabled.then(shown),
            state: State {
                texts,
                ..State::default()
            },
            began: Instant::now(),
        }
    }

    /// After these pieces.
    pub(super) fn advance(&mut self, pieces: &[Piece]) {
        let state = &mut self.state;
        state.tokens += pieces.iter().filter(|piece| piece.token.is_some()).count();
        state.ended += pieces.iter().filter(|piece| piece.end.is_some()).count();
        let Some(shown) = &mut self.shown else { return };
        let every = if shown.line.is_some() { REDRAW } else { LINES };
        if shown.last.elapsed() < every {
            return;
        }
        shown.last = Instant::now();
        state.elapsed = self.began.elapsed();
        match &shown.line {
            Some(line) => line.show(|columns| state.fitted(columns)),
            None => say(&state.line()),
        }
    }

    /// All were written to `path`.
    pub(super) fn finish(mut self, path: &Path) {
        if self.shown.take().is_none() {
            return;
        }
        self.state.elapsed = self.began.elapsed();
        say(&format!(
            "texts  {} ({})",
            path.display(),
            self.state.summary()
        ));
    }
}

impl State {
    /// `12/40 texts  412 tokens/s  20 s left`
    fn line(self) -> String {
        let mut line = format!("{}/{} texts", self.ended, self.texts);
        line += &format!("  {}", self.rate());
        let seconds = self.elapsed.as_secs_f64() * (self.texts - self.ended) as f64;
        let left = Duration::try_from_secs_f64(seconds / self.ended as f64);
        if let Ok(left) = left {
            line += &format!("  {} left", duration(left));
        }
        line
    }

    /// The line in at most `columns` columns, with a bar where it fits.
    fn fitted(self, columns: usize) -> String {
        const BAR: usize = 12;
        let bar = bar(self.ended as u64, self.texts as u64, BAR);
        let line = self.line();
        if BAR + 1 + line.chars().count() <= columns {
            format!("{bar} {line}")
        } else {
            line
        }
    }

    /// `40 rows, 3210 tokens, 412 tokens/s`
    fn summary(self) -> String {
        let (texts, tokens) = (self.texts, self.tokens);
        let rows = if texts == 1 { "row" } else { "rows" };
        let words = if tokens == 1 { "token" } else { "tokens" };
        format!("{texts} {rows}, {tokens} {words}, {}", self.rate())
    }

    fn rate(self) -> String {
        let rate = self.tokens as f64 / self.elapsed.as_secs_f64().max(1e-3);
        let digits = if rate < 10.0 { 1 } else { 0 };
        format!("{rate:.digits$} tokens/s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_in_fifty_columns() {
        let state = State {
            texts: 40,
            ended: 12,
            tokens: 3210,
            elapsed: Duration::from_secs(10),
        };
        assert_eq!(state.line(), "12/40 texts  321 tokens/s  23 s left");
        assert_eq!(state.summary(), "40 rows, 3210 tokens, 321 tokens/s");
        let first = State { ended: 0, ..state };
        assert_eq!(first.line(), "0/40 texts  321 tokens/s");
        let slow = State {
            texts: 1,
            ended: 1,
            tokens: 1,
            elapsed: Duration::from_millis(400),
        };
        assert_eq!(slow.summary(), "1 row, 1 token, 2.5 tokens/s");
        assert_eq!(
            state.fitted(50),
            "███░░░░░░░░░ 12/40 texts  321 tokens/s  23 s left"
        );
        assert_eq!(state.fitted(40), state.line());
    }
}
