//! What became of the orders.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;
use workflow::Timestamp;
use workflow::prelude::*;

use crate::order::{Order, OrderStatus};
use crate::timing::StepTimes;

/// How many paused orders are shown with their reasons.
const PAUSED_SHOWN_MAX: usize = 20;

/// What became of the orders of an input.
#[derive(Debug)]
pub struct Report {
    /// When this began.
    pub began: Timestamp,
    /// How many lines were orders.
    pub orders: u64,
    /// How many were not.
    pub rejected_lines: u64,
    /// How many orders ended in which status.
    pub by_status: BTreeMap<&'static str, u64>,
    /// How many of the orders were there before this began.
    pub there_before: u64,
    /// How many of those had ended before this began.
    pub ended_before: u64,
    /// How many are paused.
    pub paused: u64,
    /// The first of the paused ones: id and reason.
    pub paused_shown: Vec<(String, String)>,
    /// Whether somebody ended it before its input was.
    pub interrupted: bool,
    /// How long it took.
    pub took: Duration,
    /// How long the steps took.
    pub steps: Vec<StepTimes>,
}

/// The report for programs. The order of its fields is what is promised.
#[derive(Serialize)]
struct Json<'a> {
    orders: u64,
    rejected_lines: u64,
    by_status: &'a BTreeMap<&'static str, u64>,
    unfinished: u64,
    runs_per_second: f64,
    database: &'a str,
}

impl Report {
    /// Nothing yet.
    pub fn new(began: Timestamp) -> Self {
        Self {
            began,
            orders: 0,
            rejected_lines: 0,
            by_status: BTreeMap::new(),
            there_before: 0,
            ended_before: 0,
            paused: 0,
            paused_shown: Vec::new(),
            interrupted: false,
            took: Duration::ZERO,
            steps: Vec::new(),
        }
    }

    /// Counts an order that is at rest; tells whether that is the work of this time.
    pub fn count(&mut self, run: &StoredRun<Order, OrderStatus>) -> bool {
        self.there_before += u64::from(run.created_at() < self.began);
        let name = match run.run_state() {
            RunState::Paused => {
                self.paused += 1;
                if self.paused_shown.len() < PAUSED_SHOWN_MAX {
                    self.paused_shown.push((run.foreign_id().to_string(), run.reason().to_owned()));
                }
                return false;
            }
            RunState::Cancelled => "Cancelled",
            _ => run.status().name(),
        };
        *self.by_status.entry(name).or_default() += 1;
        let now = run.updated_at() >= self.began;
        self.ended_before += u64::from(!now);
        now
    }

    /// How many orders have come to an end.
    pub fn ended(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// How many have not.
    pub fn unfinished(&self) -> u64 {
        self.orders - self.ended().min(self.orders)
    }

    /// How many came to an end in each second, not counting those that had before.
    fn runs_per_second(&self) -> f64 {
        let seconds = self.took.as_secs_f64();
        if seconds > 0.0 { (self.ended() - self.ended_before) as f64 / seconds } else { 0.0 }
    }

    /// What the program's exit code says.
    pub fn exit_code(&self) -> u8 {
        if self.interrupted || self.unfinished() > 0 {
            4
        } else if self.rejected_lines > 0 {
            3
        } else {
            0
        }
    }

    /// For programs.
    ///
    /// # Errors
    /// None: a report can be written as JSON.
    pub fn json(&self, database: &str) -> serde_json::Result<String> {
        serde_json::to_string(&Json {
            orders: self.orders,
            rejected_lines: self.rejected_lines,
            by_status: &self.by_status,
            unfinished: self.unfinished(),
            runs_per_second: (self.runs_per_second() * 10.0).round() / 10.0,
            database,
        })
    }

    /// For people.
    ///
    /// # Errors
    /// None: a String takes everything.
    pub fn table(&self, database: &str) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        self.outcomes(&mut text)?;
        self.paused_orders(&mut text)?;
        self.step_times(&mut text)?;
        writeln!(text, "\n{}", self.summary())?;
        writeln!(text, "database: {database}")?;
        Ok(text)
    }

    fn outcomes(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\n{:<14} {:>8}", "outcome", "orders")?;
        for (name, count) in &self.by_status {
            writeln!(text, "{name:<14} {count:>8}")?;
        }
        let unfinished = self.unfinished() - self.paused.min(self.unfinished());
        for (name, count) in [("(paused)", self.paused), ("(unfinished)", unfinished)] {
            if count > 0 {
                writeln!(text, "{name:<14} {count:>8}")?;
            }
        }
        writeln!(text, "{:<14} {:>8}", "all", self.orders)
    }

    fn paused_orders(&self, text: &mut String) -> std::fmt::Result {
        if self.paused > 0 {
            writeln!(text, "\npaused, because no further attempt would help:")?;
        }
        for (order, reason) in &self.paused_shown {
            writeln!(text, "  {order}: {reason}")?;
        }
        match self.paused - self.paused_shown.len() as u64 {
            0 => Ok(()),
            more => writeln!(text, "  and {more} more"),
        }
    }

    fn step_times(&self, text: &mut String) -> std::fmt::Result {
        if self.steps.is_empty() {
            return Ok(());
        }
        writeln!(
            text,
            "\n{:<14} {:>8} {:>10} {:>10} {:>10} {:>10}",
            "step", "calls", "work p50", "work p99", "stay p50", "stay p99"
        )?;
        for StepTimes { name, calls, work, stay } in &self.steps {
            let (work, stay) = (work.map(work_shown), stay.map(stay_shown));
            writeln!(
                text,
                "{name:<14} {calls:>8} {:>10} {:>10} {:>10} {:>10}",
                work[0], work[1], stay[0], stay[1]
            )?;
        }
        writeln!(text, "work: how long the step's function ran")?;
        writeln!(
            text,
            "stay: from the commit before it to its own: waiting in line, the function, the commit"
        )
    }

    fn summary(&self) -> String {
        let mut text = match self.ended() - self.ended_before {
            0 => "no order came to an end this time".to_owned(),
            _ => format!(
                "{} runs per second ({:.2} s)",
                rate_shown(self.runs_per_second()),
                self.took.as_secs_f64()
            ),
        };
        if self.there_before > 0 {
            let (there, ended) = (self.there_before, self.ended_before);
            let were = if there == 1 { "was" } else { "were" };
            text += &format!(
                "\n{there} of the orders {were} there already, {ended} of them at their end: not run again"
            );
        }
        match self.rejected_lines {
            0 => {}
            1 => text += "\n1 line was no order",
            lines => text += &format!("\n{lines} lines were no orders"),
        }
        text
    }
}

/// A rate; the smallest ones have a digit more.
fn rate_shown(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

/// A time of work, which is kept in microseconds.
fn work_shown(work: Duration) -> String {
    match work.as_micros() {
        0 => "< 1 µs".to_owned(),
        micros @ 1..1_000 => format!("{micros} µs"),
        micros @ 1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        micros => format!("{:.2} s", micros as f64 / 1e6),
    }
}

/// A time between commits, which is kept in milliseconds.
fn stay_shown(stay: Duration) -> String {
    match stay.as_millis() {
        0 => "< 1 ms".to_owned(),
        millis @ 1..1_000 => format!("{millis} ms"),
        millis => format!("{:.2} s", millis as f64 / 1e3),
    }
}
