//! How many runs of three steps a second one process completes on a MariaDB or MySQL server.
//!
//! `cargo run --release -p store-sql --features mysql --example mysql_rate -- URL [RUNS] [IN_FLIGHT]`

use std::time::Instant;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use store_sql::MySql;
use workflow_core::{Run, Running, Status, StatusCode, Step, Workflow};

/// How many runs are measured if nothing else is said.
const RUNS: usize = 20_000;

/// How many of them are on their way at once if nothing else is said.
const IN_FLIGHT: usize = 1_000;

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    First = 1,
    Second = 2,
    Third = 3,
    Done = 4,
}

impl Status for Stage {
    const ALL: &'static [Self] = &[Stage::First, Stage::Second, Stage::Third, Stage::Done];

    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }

    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.code() == code)
    }

    fn name(self) -> &'static str {
        match self {
            Stage::First => "First",
            Stage::Second => "Second",
            Stage::Third => "Third",
            Stage::Done => "Done",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Count {
    count: u32,
    note: String,
}

async fn first(run: &mut Run<Count, Stage>) -> Step<Stage> {
    run.object.count += 1;
    Ok(Stage::Second)
}

async fn second(run: &mut Run<Count, Stage>) -> Step<Stage> {
    run.object.count += 1;
    Ok(Stage::Third)
}

async fn third(run: &mut Run<Count, Stage>) -> Step<Stage> {
    run.object.count += 1;
    Ok(Stage::Done)
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

async fn complete(running: &Running<Count, Stage>, number: usize) -> Result<(), Failed> {
    let count =
        Count { count: 0, note: "a hundred bytes or so of what an order may hold in its fields".to_owned() };
    let run = running.trigger(format!("order-{number}-{}", uuid::Uuid::new_v4()), count).await?;
    let done = running.wait_for(&run).finished().await?;
    if done.status() == Stage::Done { Ok(()) } else { Err("a run ended elsewhere".into()) }
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut args = std::env::args().skip(1);
    let url = args.next().ok_or("usage: mysql_rate URL [RUNS] [IN_FLIGHT]")?;
    let mut number = |default| args.next().map_or(Ok(default), |text| text.parse::<usize>());
    let (runs, in_flight) = (number(RUNS)?, number(IN_FLIGHT)?);
    let workflow = Workflow::builder("rate")
        .step(Stage::First, first, [Stage::Second])
        .step(Stage::Second, second, [Stage::Third])
        .step(Stage::Third, third, [Stage::Done])
        .build()?;
    let running = workflow.run(MySql::connect(&url).await?).await?;
    for (what, runs) in [("warm-up", runs / 10), ("measured", runs)] {
        let begun = Instant::now();
        let all = stream::iter(0..runs).map(Ok::<_, Failed>);
        all.try_for_each_concurrent(in_flight, |number| complete(&running, number)).await?;
        let rate = runs as f64 / begun.elapsed().as_secs_f64();
        println!("{what}: {runs} runs, {in_flight} in flight: {rate:.0} runs/s");
    }
    running.shutdown(std::time::Duration::from_secs(10)).await;
    Ok(())
}
