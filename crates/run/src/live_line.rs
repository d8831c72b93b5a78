//! One line of a terminal that changes in place.

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line on standard error that changes in place, and goes when it is dropped.
#[derive(Debug)]
pub struct LiveLine {
    bar: ProgressBar,
    columns: fn() -> usize,
}

impl LiveLine {
    /// On the terminal that standard error is.
    pub fn on_terminal() -> Self {
        let columns = || usize::from(Term::stderr().size().1);
        Self::on(ProgressDrawTarget::stderr(), columns)
    }

    fn on(target: ProgressDrawTarget, columns: fn() -> usize) -> Self {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(style);
        }
        bar.set_draw_target(target);
        Self { bar, columns }
    }

    /// Shows what `line` makes of the terminal's width; the whole line is drawn at once.
    pub fn show(&self, line: impl FnOnce(usize) -> String) {
        self.bar.set_message(line((self.columns)()));
    }

    /// Takes the line away while `print` writes others.
    pub fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar of `columns` columns, of which as many are full as `done` is of `total`.
pub fn bar(done: u64, total: u64, columns: usize) -> String {
    let share = done as f64 / total.max(1) as f64;
    let full = (share.min(1.0) * columns as f64) as usize;
    "█".repeat(full) + &"░".repeat(columns - full)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;

    /// A terminal of fifty columns that remembers what each flush showed.
    #[derive(Clone, Debug, Default)]
    struct Terminal(Arc<Mutex<(String, Vec<String>)>>);

    impl Terminal {
        fn write(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().0.push_str(text);
            Ok(())
        }
    }

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            50
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.write(text)
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            let mut terminal = self.0.lock().unwrap();
            let shown = std::mem::take(&mut terminal.0);
            terminal.1.push(shown.trim_end().to_owned());
            Ok(())
        }
    }

    #[test]
    fn each_update_is_drawn_once() {
        let terminal = Terminal::default();
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let line = LiveLine::on(target, || 50);
        terminal.0.lock().unwrap().1.clear();
        for step in 1..4 {
            line.show(|columns| format!("step {step} of {columns}"));
        }
        let drawn = terminal.0.lock().unwrap().1.clone();
        assert_eq!(drawn, ["step 1 of 50", "step 2 of 50", "step 3 of 50"]);
    }

    #[test]
    fn a_bar_is_full_when_all_is_done() {
        assert_eq!(bar(0, 4, 8), "░░░░░░░░");
        assert_eq!(bar(1, 4, 8), "██░░░░░░");
        assert_eq!(bar(4, 4, 8), "████████");
        assert_eq!(bar(9, 4, 2), "██");
        assert_eq!(bar(0, 0, 2), "░░");
    }
}
