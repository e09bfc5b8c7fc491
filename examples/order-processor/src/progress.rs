//! How far it is: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// How often the spinner turns while nothing else changes.
const TURN_EVERY: Duration = Duration::from_millis(100);

/// A bar's look if it is known how many orders will come.
const BAR: &str = "{spinner} {pos}/{len} orders {wide_bar} {rate}/s {elapsed}";

/// Its look if it is not.
const SPINNER: &str = "{spinner} {pos} orders {rate}/s {elapsed}";

/// Shows how far it is.
pub enum Progress {
    /// A bar, or a spinner with a count.
    Bar(ProgressBar),
    /// Lines; when the last one was printed.
    Lines(Instant),
    /// Nothing.
    Silent,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many orders are at their end.
    pub ended: u64,
    /// How many are paused.
    pub paused: u64,
    /// How many have been read.
    pub arrived: u64,
    /// How many there will be, if that is known.
    pub expected: Option<u64>,
}

impl Progress {
    /// A bar if standard error is a terminal and no log is written there, else lines; nothing if `silent`.
    pub fn new(silent: bool, log: bool, expected: Option<u64>) -> Self {
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
        let (bar, look) = match expected {
            Some(orders) => (ProgressBar::new(orders), BAR),
            None => (ProgressBar::new_spinner(), SPINNER),
        };
        let style =
            ProgressStyle::with_template(look).expect("the template is a constant").with_key("rate", rate);
        let bar = bar.with_style(style);
        bar.enable_steady_tick(TURN_EVERY);
        Progress::Bar(bar)
    }

    /// It is so far.
    pub fn at(&mut self, standing: Standing) {
        match self {
            Progress::Bar(bar) => {
                if let Some(orders) = standing.expected {
                    bar.set_length(orders);
                }
                bar.set_position(standing.ended + standing.paused);
            }
            Progress::Lines(last) if last.elapsed() >= LINE_EVERY => {
                say(&standing.in_words());
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

    /// It is over; without a standing, because it failed.
    pub fn end(&mut self, standing: Option<Standing>) {
        match (self, standing) {
            (Progress::Bar(bar), _) => bar.finish_and_clear(),
            (Progress::Lines(_), Some(standing)) => say(&standing.in_words()),
            (Progress::Lines(_), None) | (Progress::Silent, _) => {}
        }
    }
}

impl Standing {
    /// As a line of text.
    pub fn in_words(self) -> String {
        let mut text = match self.expected {
            Some(expected) => format!("orders at their end: {} of {expected}", self.ended),
            None => format!("orders at their end: {} of {} read so far", self.ended, self.arrived),
        };
        if self.paused > 0 {
            text += &format!("; paused: {}", self.paused);
        }
        text
    }
}

/// Prints a line to standard error; one that nobody reads is no error.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
