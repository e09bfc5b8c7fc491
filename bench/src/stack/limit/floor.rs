//! What the parts of one run take when nothing else is done: no engine, one part after the other.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::sync::mpsc;
use workflow::Timestamp;

use super::consumer::Consumer;
use super::outbox::{MariaDbOutbox, Outbox, PostgresOutbox};
use super::producer::Producer;
use crate::limit::{Moving, now_millis};
use crate::measure::median;
use crate::sql::{Kind, MariaDbWriter, PostgresWriter, Writer, make_tables};
use crate::stack::{RELAY_SHARDS, Stack};

/// Medians of the parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    /// All four transactions of a run.
    pub(crate) commits: Duration,
    /// One read of the outbox.
    pub(crate) read: Duration,
    /// From a send until the event is acknowledged and delivered.
    pub(crate) broker: Duration,
}

impl Floor {
    /// A run of three steps: four transactions, three events.
    pub(crate) fn sum(&self) -> Duration {
        self.commits + 3 * (self.read + self.broker)
    }
}

/// Measures the parts over so many runs.
pub(crate) async fn floor(stack: &Stack, runs: u64) -> anyhow::Result<Floor> {
    let url = stack.database.url()?;
    make_tables(&stack.database).await?;
    match stack.database.kind {
        Kind::MariaDb => {
            let writer = MariaDbWriter::open(&url).await?;
            measure(stack, writer, MariaDbOutbox::open(&url).await?, runs).await
        }
        Kind::Postgres => {
            let writer = PostgresWriter::open(&url).await?;
            measure(stack, writer, PostgresOutbox::open(&url).await?, runs).await
        }
    }
}

async fn measure(
    stack: &Stack,
    mut writer: impl Writer,
    mut outbox: impl Outbox,
    runs: u64,
) -> anyhow::Result<Floor> {
    let producer = Producer::open(&stack.brokers, &stack.namespace).await?;
    let (sender, mut delivered) = mpsc::unbounded_channel();
    let _consumer = Consumer::open(&stack.brokers, &stack.namespace, vec![sender.clone(), sender])?;
    let (mut commits, mut reads, mut brokers) = (vec![Vec::new(); 4], Vec::new(), Vec::new());
    let warm_up = runs / 5;
    for number in 0..warm_up + runs {
        let mut run = Moving::start(number);
        for commit in &mut commits {
            let step = run.step(Timestamp::from_millis(now_millis()));
            let moves = [step];
            let committed = timed(writer.store(&moves, &[])).await?;
            let [step] = moves;
            let shard = u32::from(step.run.run_id.bucket()) % RELAY_SHARDS;
            let begun = Instant::now();
            let rows = outbox.page(shard).await?;
            let read = begun.elapsed();
            ensure!(rows.len() == 1, "{} rows are in the outbox instead of one", rows.len());
            let begun = Instant::now();
            ensure!(producer.send(&rows)?.await.unwrap_or(false), "an event was not delivered");
            if !step.is_last() {
                delivered.recv().await.context("the consumer ended")?;
            }
            let broker = begun.elapsed();
            outbox.delete(&[rows[0].0.clone()]).await?;
            if number >= warm_up {
                commit.push(committed.as_secs_f64());
                if !step.is_last() {
                    reads.push(read.as_secs_f64());
                    brokers.push(broker.as_secs_f64());
                }
            }
            run = step.into();
        }
    }
    Ok(Floor {
        commits: Duration::from_secs_f64(commits.into_iter().map(median).sum()),
        read: Duration::from_secs_f64(median(reads)),
        broker: Duration::from_secs_f64(median(brokers)),
    })
}

async fn timed(done: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    done.await?;
    Ok(begun.elapsed())
}
