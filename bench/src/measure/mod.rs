//! The measurements, and which results each of them gives.

mod allocations;
mod distributed;
mod idle;
mod latency;
mod limit;
mod memory;
mod million;
mod pair;
mod sql;
mod waiting;

use anyhow::bail;

use crate::report::Measured;

pub use allocations::allocations_per_transition;
pub(crate) use distributed::CATALOGUE as DISTRIBUTED;
pub(crate) use sql::CATALOGUE as SQL;

/// How large a measurement is, and of how many rows if that was said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) extent: Extent,
    pub(crate) rows: Option<u64>,
}

/// How large a measurement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Full,
    Quick,
}

impl Extent {
    /// How often a comparison is repeated; the median counts.
    pub(crate) fn repetitions(self) -> usize {
        self.pick(5, 3)
    }

    pub(crate) fn pick<V>(self, full: V, quick: V) -> V {
        match self {
            Extent::Full => full,
            Extent::Quick => quick,
        }
    }
}

/// The results of each embedded measurement; the first one is the measurement's name.
pub(crate) const EMBEDDED: [&[&str]; 9] = [
    &[
        "sqlite_engine_of_limit",
        "sqlite_limit_runs_per_second",
        "sqlite_engine_runs_per_second",
        "sqlite_limit_cpu_ms_per_1000_runs",
        "sqlite_engine_cpu_ms_per_1000_runs",
        "sqlite_changes_per_transaction",
    ],
    &[
        "memory_engine_of_sqlite_engine",
        "memory_engine_runs_per_second",
        "memory_transitions_per_core_second",
        "sqlite_transitions_per_core_second",
    ],
    &["memory_allocations_per_transition"],
    &[
        "idle_run_latency_memory_p50_ms",
        "idle_run_latency_memory_p99_ms",
        "idle_run_latency_sqlite_p50_ms",
        "idle_run_latency_sqlite_p99_ms",
    ],
    &["idle_cpu_percent", "idle_wakeups_per_second"],
    &["million_finished_of_empty", "million_finished_runs_per_second", "empty_runs_per_second"],
    &[
        "million_finished_of_empty_scattered_keys",
        "million_finished_runs_per_second_scattered_keys",
        "empty_runs_per_second_scattered_keys",
    ],
    &["bytes_per_waiting_run_sqlite"],
    &["bytes_per_waiting_run_memory"],
];

/// Makes the measurement of this name.
pub(crate) fn measure(name: &str, size: Size) -> anyhow::Result<Vec<Measured>> {
    if let Some(measured) = sql::measure(name, size) {
        return measured;
    }
    if let Some(measured) = distributed::measure(name, size) {
        return measured;
    }
    let extent = size.extent;
    match name {
        "sqlite_engine_of_limit" => limit::measure(extent),
        "memory_engine_of_sqlite_engine" => memory::measure(extent),
        "memory_allocations_per_transition" => allocations::measure(extent),
        "idle_run_latency_memory_p50_ms" => latency::measure(extent),
        "idle_cpu_percent" => idle::measure(extent),
        "million_finished_of_empty" => million::measure(extent),
        "million_finished_of_empty_scattered_keys" => million::measure_scattered(extent),
        "bytes_per_waiting_run_sqlite" => waiting::measure_sqlite(),
        "bytes_per_waiting_run_memory" => waiting::measure_memory(),
        _ => bail!("there is no measurement {name:?}"),
    }
}

/// Tells what is being done; the results go elsewhere.
pub(crate) fn progress(what: impl std::fmt::Display) {
    eprintln!("  {what}");
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (middle, even) = (values.len() / 2, values.len().is_multiple_of(2));
    match values.get(middle) {
        Some(upper) if even => (values[middle - 1] + upper) / 2.0,
        Some(value) => *value,
        None => f64::NAN,
    }
}

/// The runtime that the engine's user would have.
pub(crate) fn threads() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// A runtime of one thread.
pub(crate) fn one_thread() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn no_two_measurements_give_one_result() {
        let mut names: Vec<&str> = [EMBEDDED.concat(), SQL.concat(), DISTRIBUTED.concat()].concat();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
