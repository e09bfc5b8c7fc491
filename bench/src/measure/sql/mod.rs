//! The measurements on database servers.

mod backlog;
mod group;
mod idle;
mod limit;
mod records;

use std::time::Duration;

use super::Size;
use crate::report::Measured;
use crate::sql::Kind;

/// The results of each measurement; the first one is the measurement's name.
pub(crate) const CATALOGUE: [&[&str]; 6] = [
    &[
        "mariadb_engine_of_limit",
        "mariadb_limit_runs_per_second",
        "mariadb_engine_runs_per_second",
        "mariadb_limit_cpu_ms_per_1000_runs",
        "mariadb_engine_cpu_ms_per_1000_runs",
        "mariadb_limit_changes_per_transaction",
        "mariadb_engine_changes_per_transaction",
    ],
    &[
        "postgres_engine_of_limit",
        "postgres_limit_runs_per_second",
        "postgres_engine_runs_per_second",
        "postgres_limit_cpu_ms_per_1000_runs",
        "postgres_engine_cpu_ms_per_1000_runs",
        "postgres_limit_changes_per_transaction",
        "postgres_engine_changes_per_transaction",
    ],
    &[
        "group_commit_of_single",
        "mariadb_group_commit_of_single",
        "mariadb_single_runs_per_second",
        "postgres_group_commit_of_single",
        "postgres_single_runs_per_second",
    ],
    &[
        "outbox_million",
        "mariadb_outbox_million",
        "mariadb_outbox_rows_per_second",
        "postgres_outbox_million",
        "postgres_outbox_rows_per_second",
    ],
    &["idle_queries_per_second", "mariadb_idle_queries_per_second", "postgres_idle_queries_per_second"],
    &["ten_million", "mariadb_ten_million", "postgres_ten_million"],
];

/// Makes the measurement of this name, if it is one of these.
pub(super) fn measure(name: &str, size: Size) -> Option<anyhow::Result<Vec<Measured>>> {
    Some(match name {
        "mariadb_engine_of_limit" => limit::measure(Kind::MariaDb, size.extent),
        "postgres_engine_of_limit" => limit::measure(Kind::Postgres, size.extent),
        "group_commit_of_single" => group::measure(size.extent),
        "outbox_million" => backlog::measure(size.extent),
        "idle_queries_per_second" => idle::measure(size.extent),
        "ten_million" => records::measure(size),
        _ => return None,
    })
}

fn runs_per_second(runs: u64, took: Duration) -> f64 {
    runs as f64 / took.as_secs_f64()
}
