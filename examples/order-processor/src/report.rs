//! What became of the orders.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::json;
use workflow::Status;
use workflow::prelude::*;

use crate::order::{Order, OrderStatus};

/// What became of the orders of an input.
#[derive(Debug, Default)]
pub struct Report {
    /// How many lines were orders.
    pub orders: u64,
    /// How many were not.
    pub rejected_lines: u64,
    /// How many orders ended in which status.
    pub by_status: BTreeMap<String, u64>,
    /// How many of them had ended before this began.
    pub resumed: u64,
    /// How many are paused.
    pub paused: u64,
    /// How long it took.
    pub took: Duration,
    /// How long the orders were in each status.
    pub steps: Vec<Step>,
}

/// How long orders were in a status: from the commit that brought them there to the one that took them on.
#[derive(Debug)]
pub struct Step {
    /// The status.
    pub name: &'static str,
    /// How many orders were measured.
    pub count: u64,
    /// Half of them took no longer, in milliseconds.
    pub p50_ms: u64,
    /// All but one in a hundred took no longer.
    pub p99_ms: u64,
}

impl Report {
    /// Counts an order that is at rest.
    pub fn count(&mut self, run: &StoredRun<Order, OrderStatus>) {
        let name = match run.run_state() {
            RunState::Paused => {
                self.paused += 1;
                return;
            }
            RunState::Cancelled => "Cancelled",
            _ => run.status().name(),
        };
        *self.by_status.entry(name.to_owned()).or_default() += 1;
    }

    /// How many orders have come to an end.
    pub fn ended(&self) -> u64 {
        self.by_status.values().sum()
    }

    /// How many have not.
    pub fn unfinished(&self) -> u64 {
        self.orders - self.ended().min(self.orders)
    }

    fn runs_per_second(&self) -> f64 {
        let seconds = self.took.as_secs_f64();
        if seconds > 0.0 { self.ended() as f64 / seconds } else { 0.0 }
    }

    /// What the program's exit code says.
    pub fn exit_code(&self) -> u8 {
        match (self.unfinished(), self.rejected_lines) {
            (0, 0) => 0,
            (0, _) => 3,
            _ => 4,
        }
    }

    /// For programs.
    pub fn json(&self, database: &Path) -> String {
        json!({
            "orders": self.orders,
            "rejected_lines": self.rejected_lines,
            "by_status": self.by_status,
            "unfinished": self.unfinished(),
            "runs_per_second": (self.runs_per_second() * 10.0).round() / 10.0,
            "database": database.display().to_string(),
        })
        .to_string()
    }

    /// For people.
    pub fn table(&self, database: &Path) -> String {
        let mut text = String::from("\noutcome        orders\n");
        let line = |text: &mut String, name: &str, count: u64| {
            writeln!(text, "{name:<12} {count:>8}").expect("a String takes everything");
        };
        for (name, count) in &self.by_status {
            line(&mut text, name, *count);
        }
        if self.unfinished() > 0 {
            line(&mut text, "(unfinished)", self.unfinished());
        }
        line(&mut text, "all", self.orders);
        if !self.steps.is_empty() {
            text.push_str("\ntime in status   orders   p50 ms   p99 ms\n");
        }
        for Step { name, count, p50_ms, p99_ms } in &self.steps {
            writeln!(text, "{name:<14} {count:>8} {p50_ms:>8} {p99_ms:>8}")
                .expect("a String takes everything");
        }
        let seconds = self.took.as_secs_f64();
        let rate = self.runs_per_second();
        writeln!(text, "\n{rate:.0} runs per second ({:.2} s)", seconds).expect("a String takes everything");
        if self.rejected_lines > 0 {
            writeln!(text, "{} lines were no orders", self.rejected_lines)
                .expect("a String takes everything");
        }
        writeln!(text, "database: {}", database.display()).expect("a String takes everything");
        text
    }
}

impl Step {
    /// Reads how long runs were in each status from their histories.
    ///
    /// # Errors
    /// If a history cannot be read.
    pub async fn measure(
        running: &Running<Order, OrderStatus>,
        runs: &[RunId],
    ) -> Result<Vec<Step>, workflow::Error> {
        let mut times: BTreeMap<i32, Histogram<u64>> = BTreeMap::new();
        for run in runs {
            let history = running.history(run).await?;
            for pair in history.windows(2) {
                let waited = pair[1].at.since(pair[0].at);
                let millis = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
                let times = times
                    .entry(pair[0].to_status.get())
                    .or_insert_with(|| Histogram::new(3).expect("3 significant digits are allowed"));
                times.saturating_record(millis);
            }
        }
        let named =
            OrderStatus::ALL.iter().filter_map(|status| Some((status, times.get(&status.code().get())?)));
        Ok(named
            .map(|(status, times)| Step {
                name: status.name(),
                count: times.len(),
                p50_ms: times.value_at_quantile(0.5),
                p99_ms: times.value_at_quantile(0.99),
            })
            .collect())
    }
}
