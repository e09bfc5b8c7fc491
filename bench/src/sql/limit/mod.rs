//! The limit: a hand-written loop that writes the rows of the load's runs in bulk, without any engine.
//!
//! It knows the three steps, does nothing else than to make the rows and store them, and keeps as many runs in flight as
//! the engine does. Tables, indexes, columns, durability and fence are the store's; an event's row is deleted in the
//! transaction that stores what became of it. The sizes of its transactions are those with which it is fastest.

mod mariadb;
mod postgres;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;
use workflow::prelude::{MySql, Postgres};
use workflow::{EventId, Timestamp};

use super::database::{Database, Kind};
use super::tuned::Sizes;
use crate::limit::{Move, Moving};
use crate::load::IN_FLIGHT;
pub(crate) use mariadb::MariaDbWriter;
pub(crate) use postgres::PostgresWriter;

/// How many transactions are under way at once: more of them are no faster.
const COMMITTERS: usize = 2;

/// The roles of the three steps, whose epoch each transaction looks at.
const ROLES: [&str; 3] = ["load-1-consumer", "load-2-consumer", "load-3-consumer"];

/// Stores transitions on one connection.
pub(crate) trait Writer: Send + 'static {
    /// How many transitions a transaction has when it is fastest.
    const CHANGES: usize;

    /// Stores transitions in one transaction, and deletes the rows of events.
    fn store(&mut self, moves: &[Move], acked: &[EventId])
    -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Makes the tables, as the store does, and the roles.
pub(crate) async fn make_tables(database: &Database) -> anyhow::Result<()> {
    let url = database.url()?;
    match database.kind {
        Kind::MariaDb => drop(MySql::connect(&url).await?),
        Kind::Postgres => Postgres::connect(&url).await?.store().close().await,
    }
    let roles = ROLES.map(|role| format!("('{role}', 1)")).join(", ");
    database.run(&format!("insert into workflow_roles (role, epoch) values {roles}")).await
}

/// The loop on either server.
pub(crate) enum Limit {
    MariaDb(Loop<MariaDbWriter>),
    Postgres(Loop<PostgresWriter>),
}

impl Limit {
    /// Makes the tables and opens the connections.
    pub(crate) async fn open(database: &Database) -> anyhow::Result<Self> {
        let url = database.url()?;
        make_tables(database).await?;
        Ok(match database.kind {
            Kind::MariaDb => {
                let writers = [MariaDbWriter::open(&url).await?, MariaDbWriter::open(&url).await?];
                Limit::MariaDb(Loop::new(writers))
            }
            Kind::Postgres => {
                let writers = [PostgresWriter::open(&url).await?, PostgresWriter::open(&url).await?];
                Limit::Postgres(Loop::new(writers))
            }
        })
    }

    /// Takes so many runs from their start to their end; tells how long it took.
    pub(crate) async fn drive(&mut self, runs: u64) -> anyhow::Result<Duration> {
        match self {
            Limit::MariaDb(all) => all.drive(runs).await,
            Limit::Postgres(all) => all.drive(runs).await,
        }
    }

    /// The sizes of the transactions since the last call.
    pub(crate) fn sizes(&self) -> Vec<f64> {
        match self {
            Limit::MariaDb(all) => all.sizes.take(),
            Limit::Postgres(all) => all.sizes.take(),
        }
    }
}

/// Committers that share the runs.
pub(crate) struct Loop<W> {
    committers: Vec<Committer<W>>,
    started: Arc<AtomicU64>,
    sizes: Sizes,
}

impl<W: Writer> Loop<W> {
    fn new(writers: [W; COMMITTERS]) -> Self {
        let (started, sizes) = (Arc::<AtomicU64>::default(), Sizes::default());
        let committer = |writer| Committer {
            writer,
            ready: VecDeque::new(),
            unread: Vec::new(),
            started: Arc::clone(&started),
            sizes: sizes.clone(),
        };
        Self { committers: writers.map(committer).into(), started, sizes }
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
        while let Some(committer) = driven.join_next().await {
            self.committers.push(committer.context("a committer panicked")??);
        }
        // Each of them takes a number too many to see that none is left.
        self.started.store(end, Ordering::Relaxed);
        Ok(begun.elapsed())
    }
}

struct Committer<W> {
    writer: W,
    /// Events that wait for their step, in the order in which they were made.
    ready: VecDeque<Moving>,
    /// Rows of events that nobody waits for.
    unread: Vec<EventId>,
    /// How many runs all committers have started.
    started: Arc<AtomicU64>,
    sizes: Sizes,
}

impl<W: Writer> Committer<W> {
    async fn drive(&mut self, end: u64) -> anyhow::Result<()> {
        loop {
            while self.ready.len() < IN_FLIGHT / COMMITTERS {
                let number = self.started.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    break;
                }
                self.ready.push_back(Moving::start(number));
            }
            if self.ready.is_empty() {
                return Ok(());
            }
            let taken = self.ready.len().min(W::CHANGES);
            let batch: Vec<Moving> = self.ready.drain(..taken).collect();
            self.transaction(batch).await?;
        }
    }

    async fn transaction(&mut self, batch: Vec<Moving>) -> anyhow::Result<()> {
        let now = Timestamp::from_millis(crate::limit::now_millis());
        let mut acked = std::mem::take(&mut self.unread);
        acked.extend(batch.iter().filter_map(Moving::event_at_hand));
        let moves: Vec<Move> = batch.into_iter().map(|run| run.step(now)).collect();
        self.sizes.note(moves.len());
        self.writer.store(&moves, &acked).await?;
        for each in moves {
            if each.is_last() {
                self.unread.push(each.event_id);
            } else {
                self.ready.push_back(each.into());
            }
        }
        Ok(())
    }
}
