//! How far it is: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

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
    /// A bar if standard error is a terminal, else lines; nothing if `silent`.
    pub fn new(silent: bool) -> Self {
        if silent {
            return Progress::Silent;
        }
        if !std::io::stderr().is_terminal() {
            return Progress::Lines(Instant::now());
        }
        let style =
            ProgressStyle::with_template("{spinner} {pos}/{len} orders {wide_bar} {per_sec} {elapsed}")
                .expect("the template is a constant");
        Progress::Bar(ProgressBar::new(0).with_style(style))
    }

    /// So many orders have come to an end, of so many that have arrived.
    pub fn at(&mut self, ended: u64, arrived: u64) {
        match self {
            Progress::Bar(bar) => {
                bar.set_length(arrived);
                bar.set_position(ended);
            }
            Progress::Lines(last) if last.elapsed() >= LINE_EVERY => {
                eprintln!("{ended} of {arrived} orders have come to an end");
                *last = Instant::now();
            }
            Progress::Lines(_) | Progress::Silent => {}
        }
    }

    /// Prints a line without breaking the bar.
    pub fn note(&self, line: &str) {
        match self {
            Progress::Bar(bar) => bar.suspend(|| eprintln!("{line}")),
            Progress::Lines(_) | Progress::Silent => eprintln!("{line}"),
        }
    }

    /// It is over.
    pub fn end(&self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
