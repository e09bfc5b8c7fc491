//! The engine with the in-process streamer.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use store_sql::Postgres;
use store_sql::config::PostgresDsn;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use workflow_core::{Client, Options, Run, Start, Status, StatusCode, Step, Workflow};

use crate::{Failure, IN_FLIGHT, RUNS};

/// The object of a run, of a size that orders have.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Order {
    customer: String,
    article: String,
    cents: u64,
    pub(crate) steps: u32,
}

impl Order {
    pub(crate) fn new(number: u64) -> Self {
        let article = "a box of 12 pencils, soft, with a rubber".to_owned();
        Self { customer: format!("customer-{number:09}"), article, cents: 100 + number % 9_900, steps: 0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Progress {
    Placed = 1,
    Paid = 2,
    Packed = 3,
    Sent = 4,
}

impl Status for Progress {
    const ALL: &'static [Self] = &[Progress::Placed, Progress::Paid, Progress::Packed, Progress::Sent];
    fn code(self) -> StatusCode {
        StatusCode::from_declared(self as i32)
    }
    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
    fn name(self) -> &'static str {
        match self {
            Progress::Placed => "Placed",
            Progress::Paid => "Paid",
            Progress::Packed => "Packed",
            Progress::Sent => "Sent",
        }
    }
}

type Ends = mpsc::UnboundedSender<()>;

async fn pay(run: &mut Run<Order, Progress>) -> Step<Progress> {
    run.object.steps += 1;
    Ok(Progress::Paid)
}

async fn pack(run: &mut Run<Order, Progress>) -> Step<Progress> {
    run.object.steps += 1;
    Ok(Progress::Packed)
}

async fn send(run: &mut Run<Order, Progress>, ends: &Ends) -> Step<Progress> {
    run.object.steps += 1;
    // Whoever drives the load may have enough already.
    let _ = ends.send(());
    Ok(Progress::Sent)
}

pub(crate) async fn measure(dsn: PostgresDsn) -> Result<Duration, Failure> {
    let backend = Postgres::options().connect_to(&dsn).await?;
    let (sender, mut ends) = mpsc::unbounded_channel();
    let workflow = Workflow::builder("load")
        .step(Progress::Placed, pay, [Progress::Paid])
        .step(Progress::Paid, pack, [Progress::Packed])
        .step(Progress::Packed, send, [Progress::Sent])
        .options(Options::new().in_flight(IN_FLIGHT))
        .state(sender)
        .build()?;
    let running = workflow.run(&backend).await?;
    let (begun, mut started, mut ended) = (Instant::now(), 0, 0);
    let (mut triggers, mut told) = (JoinSet::new(), Vec::new());
    while ended < RUNS {
        let room = (IN_FLIGHT as u64 + ended - started).min(RUNS - started);
        if room > 0 {
            triggers.spawn(trigger(running.client(), started..started + room));
            started += room;
        }
        ended += ends.recv_many(&mut told, IN_FLIGHT).await as u64;
        told.clear();
    }
    while let Some(triggered) = triggers.join_next().await {
        triggered??;
    }
    let took = begun.elapsed();
    running.shutdown(Duration::from_secs(10)).await;
    backend.store().close().await;
    Ok(took)
}

async fn trigger(client: Client<Order, Progress>, numbers: std::ops::Range<u64>) -> Result<(), Failure> {
    let starts = numbers.map(|number| Start::new(format!("order-{number:012}"), Order::new(number)));
    for started in client.trigger_all(starts).await? {
        started?;
    }
    Ok(())
}
