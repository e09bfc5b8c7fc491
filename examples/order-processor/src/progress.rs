//! How far it is: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Shows how far it is.
pub enum Progress {
    /// A bar.
    Bar(ProgressBar),
    /// Lines; when the last one was printed.
    Lines(Instant),
    /// Nothing.
    Silent,
}

impl Progress {
    /// A bar if standard error is a terminal and no log is written there, else lines; nothing if `silent`.
    pub fn new(silent: bool, log: bool) -> Self {
        if silent {
            return Progress::Silent;
        }
        if log || !std::io::stderr().is_terminal() {
            return Progress::Lines(Instant::now());
        }
        let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            // A bar that cannot be drawn is no reason to stop.
            let _ = write!(text, "{:.0}", state.per_sec());
        };
        let style =
            ProgressStyle::with_template("{spinner} {pos}/{len} orders {wide_bar} {rate}/s {elapsed}")
                .expect("the template is a constant")
                .with_key("rate", rate);
        Progress::Bar(ProgressBar::new(0).with_style(style))
    }

    /// So many orders are at their end, or paused, of so many that have arrived.
    pub fn at(&mut self, ended: u64, arrived: u64) {
        match self {
            Progress::Bar(bar) => {
                bar.set_length(arrived);
                bar.set_position(ended);
            }
            Progress::Lines(last) if last.elapsed() >= LINE_EVERY => {
                Self::line(ended, arrived);
                *last = Instant::now();
            }
            Progress::Lines(_) | Progress::Silent => {}
        }
    }

    /// Prints a line without breaking the bar.
    pub fn note(&self, line: &str) {
        match self {
            Progress::Bar(bar) => bar.suspend(|| say(line)),
            Progress::Lines(_) | Progress::Silent => say(line),
        }
    }

    /// It is over.
    pub fn end(&mut self, ended: u64, arrived: u64) {
        match self {
            Progress::Bar(bar) => bar.finish_and_clear(),
            Progress::Lines(_) => Self::line(ended, arrived),
            Progress::Silent => {}
        }
    }

    fn line(ended: u64, arrived: u64) {
        say(&format!("{ended} of {arrived} orders are at their end"));
    }
}

/// Prints a line to standard error; one that nobody reads is no error.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
