//! How long the steps took, out of the histories of the runs.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use workflow::prelude::*;
use workflow::{HistoryEntry, Timestamp};

use crate::flow;
use crate::order::{Order, OrderStatus};

/// How many runs are looked at; of more, a random choice.
const SAMPLE_MAX: usize = 2000;

/// The longest time that is told from longer ones: an hour, in microseconds.
const MICROS_MAX: u64 = 3_600_000_000;

/// A random choice of the runs that came to an end.
#[derive(Default)]
pub struct Sample {
    runs: Vec<RunId>,
    offered: usize,
}

/// How long a step took.
#[derive(Debug)]
pub struct StepTimes {
    /// The step's function.
    pub name: &'static str,
    /// How many calls were measured.
    pub calls: u64,
    /// How long the function itself ran: half of the calls no longer, all but one in a hundred no longer.
    pub work: [Duration; 2],
    /// How long the orders were in its status, from the commit that brought them there to the one that took them on.
    /// The times of commits are kept in milliseconds.
    pub stay: [Duration; 2],
}

impl Sample {
    /// Takes a run, or not: each that was offered is as likely to be in the choice.
    pub fn offer(&mut self, run: RunId) {
        self.offered += 1;
        if self.runs.len() < SAMPLE_MAX {
            self.runs.push(run);
        } else if let Some(place) = self.runs.get_mut(fastrand::usize(..self.offered)) {
            *place = run;
        }
    }

    /// Measures the steps that were taken since an instant.
    ///
    /// # Errors
    /// If a history cannot be read.
    pub async fn measure(
        &self,
        client: &Client<Order, OrderStatus>,
        since: Timestamp,
    ) -> Result<Vec<StepTimes>, workflow::Error> {
        let mut steps: BTreeMap<(i32, &'static str), [Histogram<u64>; 2]> = BTreeMap::new();
        for run in &self.runs {
            for pair in client.history(run).await?.windows(2).filter(|pair| pair[0].at >= since) {
                let Some(step) = step_of(&pair[1]) else { continue };
                let [work, stay] = steps.entry(step).or_insert_with(|| [histogram(), histogram()]);
                work.saturating_record(micros(pair[1].duration));
                stay.saturating_record(micros(pair[1].at.since(pair[0].at)));
            }
        }
        let both = |times: &Histogram<u64>| {
            [0.5, 0.99].map(|quantile| Duration::from_micros(times.value_at_quantile(quantile)))
        };
        let times = steps.into_iter().map(|((_, name), [work, stay])| StepTimes {
            name,
            calls: work.len(),
            work: both(&work),
            stay: both(&stay),
        });
        Ok(times.collect())
    }
}

/// Which step made an entry of a history, in the order in which an order comes to them.
fn step_of(entry: &HistoryEntry) -> Option<(i32, &'static str)> {
    let from = entry.from_status?;
    Some((from.get(), flow::step_name(OrderStatus::from_code(from)?, &entry.actor)?))
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MICROS_MAX, 3).expect("the bounds and 3 significant digits are allowed")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
