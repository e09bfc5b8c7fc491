//! The measurements on the full stack: a database, Kafka, etcd, and relays and workers in processes of their own.

mod idle;
mod latency;
mod limit;
mod relay;
mod takeover;

use super::Size;
use crate::report::Measured;
use crate::sql::Kind;

/// The results of each measurement; the first one is the measurement's name.
pub(crate) const CATALOGUE: [&[&str]; 8] = [
    &[
        "full_stack_of_limit_postgres",
        "full_stack_runs_per_second_postgres",
        "full_stack_limit_runs_per_second_postgres",
        "full_stack_worker_cpu_ms_per_1000_runs_postgres",
        "full_stack_relay_cpu_ms_per_1000_runs_postgres",
    ],
    &[
        "full_stack_of_limit_mariadb",
        "full_stack_runs_per_second_mariadb",
        "full_stack_limit_runs_per_second_mariadb",
        "full_stack_worker_cpu_ms_per_1000_runs_mariadb",
        "full_stack_relay_cpu_ms_per_1000_runs_mariadb",
    ],
    &[
        "idle_run_of_floor",
        "idle_run_of_floor_mariadb",
        "idle_run_p50_ms_mariadb",
        "idle_run_p99_ms_mariadb",
        "idle_run_floor_ms_mariadb",
        "idle_run_of_floor_postgres",
        "idle_run_p50_ms_postgres",
        "idle_run_p99_ms_postgres",
        "idle_run_floor_ms_postgres",
    ],
    &["relay_of_producer_postgres", "relay_rows_per_second_postgres", "producer_events_per_second_postgres"],
    &["relay_of_producer_mariadb", "relay_rows_per_second_mariadb", "producer_events_per_second_mariadb"],
    &["commit_to_handler_p99_ms", "commit_to_handler_p50_ms"],
    &["fail_over_seconds", "hand_over_seconds"],
    &[
        "idle_cpu_percent_of_cluster",
        "idle_sql_queries_per_second_of_cluster",
        "idle_broker_requests_per_second_of_cluster",
        "idle_etcd_requests_per_second_of_cluster",
        "idle_roles_of_cluster",
        "memory_mb_per_100_roles",
        "threads_per_100_roles",
    ],
];

/// Makes the measurement of this name, if it is one of these.
pub(super) fn measure(name: &str, size: Size) -> Option<anyhow::Result<Vec<Measured>>> {
    let extent = size.extent;
    Some(match name {
        "full_stack_of_limit_postgres" => limit::measure(Kind::Postgres, extent),
        "full_stack_of_limit_mariadb" => limit::measure(Kind::MariaDb, extent),
        "idle_run_of_floor" => latency::measure(extent),
        "relay_of_producer_postgres" => relay::measure(Kind::Postgres, extent),
        "relay_of_producer_mariadb" => relay::measure(Kind::MariaDb, extent),
        "commit_to_handler_p99_ms" => latency::measure_handlers(extent),
        "fail_over_seconds" => takeover::measure(extent),
        "idle_cpu_percent_of_cluster" => idle::measure(extent),
        _ => return None,
    })
}
