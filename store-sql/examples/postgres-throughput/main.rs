//! How many runs of three steps a second the engine completes on PostgreSQL with 1,000 in flight, beside a hand-written
//! loop that stores the same rows.
//!
//! `WORKFLOW_POSTGRES_URL=postgres://.. cargo run --release -p store-sql --features postgres --example postgres-throughput`
//!
//! With `engine` or `loop` as argument, that side alone is measured.

mod engine;
mod limit;

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store_sql::config::{Dsn, PostgresDsn};

/// How many runs are in flight at once.
const IN_FLIGHT: usize = 1000;

/// How many runs each side makes in a round, and how many rounds there are.
const RUNS: u64 = 40_000;
const ROUNDS: u32 = 3;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = std::env::var("WORKFLOW_POSTGRES_URL").map_err(|_| "WORKFLOW_POSTGRES_URL names no server")?;
    let Dsn::Postgres(server) = url.parse()? else {
        return Err("WORKFLOW_POSTGRES_URL is no PostgreSQL's".into());
    };
    let only = std::env::args().nth(1);
    let wanted = |side: &str| only.as_deref().is_none_or(|only| only == side);
    for round in 1..=ROUNDS {
        if wanted("engine") {
            let rate = in_schema(&server, "throughput_engine", engine::measure).await?;
            println!("round {round}: engine {rate:.0} runs/s");
        }
        if wanted("loop") {
            let rate = in_schema(&server, "throughput_loop", limit::measure).await?;
            println!("round {round}: loop {rate:.0} runs/s");
        }
    }
    Ok(())
}

/// Measures in a schema of its own: runs a second.
async fn in_schema<M, F>(server: &PostgresDsn, name: &str, measure: M) -> Result<f64, Failure>
where
    M: FnOnce(PostgresDsn) -> F,
    F: Future<Output = Result<Duration, Failure>>,
{
    let mut session = PgConnection::connect_with(&server.connect_options()).await?;
    let fresh = format!(
        "set client_min_messages = warning; drop schema if exists {name} cascade; create schema {name}"
    );
    sqlx::raw_sql(AssertSqlSafe(fresh)).execute(&mut session).await?;
    let mut dsn = server.clone();
    dsn.settings.push(("search_path".to_owned(), name.to_owned()));
    let took = measure(dsn).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("drop schema {name} cascade"))).execute(&mut session).await?;
    session.close().await?;
    Ok(RUNS as f64 / took.as_secs_f64())
}
