//! The limit of the full stack: a hand-written loop over the same tables and topics, without any engine.
//!
//! Committers store transitions in bulk, as the loop without Kafka does; relays read the outbox, publish and delete; a
//! consumer gives each event to the committer that holds its run. What each part is has the sizes with which the whole is
//! fastest. Nothing is read before it is written, runs are kept in memory, and nobody else takes part.

mod consumer;
mod floor;
mod outbox;
mod producer;
mod relay;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinSet;
use workflow::{RunId, Timestamp};

use super::{RELAY_SHARDS, Stack};
use crate::limit::{Move, Moving, now_millis};
use crate::load::IN_FLIGHT;
use crate::sql::{Kind, MariaDbWriter, PostgresWriter, Writer, make_tables};
use consumer::Consumer;
pub(crate) use floor::{Floor, floor};
use outbox::{MariaDbOutbox, Outbox, PostgresOutbox};
use producer::Producer;
use relay::{Bell, Relay};

/// How many transactions that store transitions are under way at once.
const COMMITTERS: usize = 2;

/// The loop on either database.
pub(crate) enum StackLimit {
    MariaDb(Loop<MariaDbWriter>),
    Postgres(Loop<PostgresWriter>),
}

impl StackLimit {
    /// Makes tables, roles and topics, and starts relays and the consumer.
    pub(crate) async fn open(stack: &Stack) -> anyhow::Result<Self> {
        let url = stack.database.url()?;
        make_tables(&stack.database).await?;
        Ok(match stack.database.kind {
            Kind::MariaDb => {
                let writers = [MariaDbWriter::open(&url).await?, MariaDbWriter::open(&url).await?];
                StackLimit::MariaDb(Loop::open::<MariaDbOutbox>(stack, writers).await?)
            }
            Kind::Postgres => {
                let writers = [PostgresWriter::open(&url).await?, PostgresWriter::open(&url).await?];
                StackLimit::Postgres(Loop::open::<PostgresOutbox>(stack, writers).await?)
            }
        })
    }

    /// Takes so many runs from their start to their end; tells how long it took.
    pub(crate) async fn drive(&mut self, runs: u64) -> anyhow::Result<Duration> {
        match self {
            StackLimit::MariaDb(all) => all.drive(runs).await,
            StackLimit::Postgres(all) => all.drive(runs).await,
        }
    }
}

/// Committers that share the runs, and what carries the events between their transitions.
pub(crate) struct Loop<W> {
    committers: Vec<Committer<W>>,
    started: Arc<AtomicU64>,
    relays: JoinSet<anyhow::Result<()>>,
    _consumer: Consumer,
}

impl<W: Writer> Loop<W> {
    async fn open<O: Outbox>(stack: &Stack, writers: [W; COMMITTERS]) -> anyhow::Result<Self> {
        let (url, bell) = (stack.database.url()?, Bell::default());
        let producer = Producer::open(&stack.brokers, &stack.namespace).await?;
        let mut relays = JoinSet::new();
        for shard in 0..RELAY_SHARDS {
            let relay = Relay::open::<O>(&url, shard, producer.clone(), bell.ear()).await?;
            relays.spawn(relay.run());
        }
        let started = Arc::<AtomicU64>::default();
        let (mut committers, mut senders) = (Vec::new(), Vec::new());
        for (number, writer) in writers.into_iter().enumerate() {
            let (sender, events) = mpsc::unbounded_channel();
            senders.push(sender);
            let started = Arc::clone(&started);
            let bell = bell.clone();
            committers.push(Committer { number, writer, events, runs: HashMap::new(), started, bell });
        }
        let consumer = Consumer::open(&stack.brokers, &stack.namespace, senders)?;
        Ok(Self { committers, started, relays, _consumer: consumer })
    }

    async fn drive(&mut self, runs: u64) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let end = self.started.load(Ordering::Relaxed) + runs;
        let mut driven = JoinSet::new();
        for mut committer in self.committers.drain(..) {
            driven.spawn(async move {
                committer.drive(end).await?;
                Ok::<_, anyhow::Error>(committer)
            });
        }
        while self.committers.len() < COMMITTERS {
            tokio::select! {
                Some(committer) = driven.join_next() => {
                    self.committers.push(committer.context("a committer panicked")??);
                }
                Some(ended) = self.relays.join_next() => ended.context("a relay panicked")??,
            }
        }
        // Each of them takes a number too many to see that none is left.
        self.started.store(end, Ordering::Relaxed);
        self.committers.sort_by_key(|committer| committer.number);
        Ok(begun.elapsed())
    }
}

/// Stores the transitions of its own half of the runs.
struct Committer<W> {
    number: usize,
    writer: W,
    events: UnboundedReceiver<RunId>,
    /// Runs whose event is under way.
    runs: HashMap<RunId, Moving>,
    started: Arc<AtomicU64>,
    bell: Bell,
}

impl<W: Writer> Committer<W> {
    async fn drive(&mut self, end: u64) -> anyhow::Result<()> {
        let mut told = Vec::with_capacity(W::CHANGES);
        loop {
            let mut batch = Vec::with_capacity(W::CHANGES);
            while batch.len() < W::CHANGES && self.runs.len() + batch.len() < IN_FLIGHT / COMMITTERS {
                let number = self.started.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    break;
                }
                batch.push(own(number, self.number));
            }
            if batch.is_empty() && self.runs.is_empty() {
                return Ok(());
            }
            let room = W::CHANGES - batch.len();
            if batch.is_empty() {
                self.events.recv_many(&mut told, room).await;
            } else {
                while told.len() < room
                    && let Ok(event) = self.events.try_recv()
                {
                    told.push(event);
                }
            }
            // What is published twice finds its run gone on.
            batch.extend(told.drain(..).filter_map(|run_id| self.runs.remove(&run_id)));
            self.transaction(batch).await?;
        }
    }

    async fn transaction(&mut self, batch: Vec<Moving>) -> anyhow::Result<()> {
        let now = Timestamp::from_millis(now_millis());
        let moves: Vec<Move> = batch.into_iter().map(|run| run.step(now)).collect();
        self.writer.store(&moves, &[]).await?;
        self.bell.ring();
        for each in moves.into_iter().filter(|each| !each.is_last()) {
            self.runs.insert(each.run.run_id, each.into());
        }
        Ok(())
    }
}

/// Which committer a run belongs to.
fn owner(run_id: RunId) -> usize {
    usize::from(run_id.bucket()) / 2 % COMMITTERS
}

/// A run of a committer.
fn own(number: u64, committer: usize) -> Moving {
    loop {
        let run = Moving::start(number);
        if owner(run.run_id) == committer {
            return run;
        }
    }
}
