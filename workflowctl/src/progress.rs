//! How far long work has come: a bar on a terminal, nothing elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;

/// How many steps the bar has for a workflow.
const STEPS: u64 = 1000;

/// How often the spinner turns while a batch is under way.
const TURN_EVERY: Duration = Duration::from_millis(100);

/// A bar on standard error.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar, if standard error is a terminal and the output is for people.
    pub(crate) fn new(output: &Output) -> Self {
        if output.is_json() || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {percent}% {elapsed}");
        let bar = ProgressBar::new(STEPS).with_style(style.expect("the template is a constant"));
        bar.enable_steady_tick(TURN_EVERY);
        Self(bar)
    }

    /// It has come so far, from 0 to 1.
    pub(crate) fn at(&self, part: f64, message: String) {
        self.0.set_position((part.clamp(0.0, 1.0) * STEPS as f64) as u64);
        self.0.set_message(message);
    }

    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
