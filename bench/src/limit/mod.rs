//! The limit: a hand-written loop that writes the rows of the load's runs, without any engine.
//!
//! It knows the three steps, does nothing else than to make the rows and store them, in transactions of the size that
//! is asked for, and keeps as many runs in flight as the engine does. Tables, indexes, columns, durability and fence are
//! the store's; an event's row is deleted in the transaction that stores what became of it.

mod rows;
mod statements;

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Row, SqliteConnection};
use workflow::{EventId, Timestamp};

use crate::load::IN_FLIGHT;
pub(crate) use rows::{Move, Moving};
use statements::Statements;
pub(crate) use statements::number;

/// The roles of the three steps, whose epoch each transaction looks at.
const ROLES: [&str; 3] = ["load-1-consumer", "load-2-consumer", "load-3-consumer"];

/// What the engine's writer is set to.
const CACHE_KIB: u32 = 64 * 1024;
const CHECKPOINT_PAGES: u32 = 4000;

/// The loop, on a file that has the store's tables.
pub(crate) struct Limit {
    connection: SqliteConnection,
    statements: Statements,
    /// Events that wait for their step, in the order in which they were made.
    ready: VecDeque<Moving>,
    /// Rows of events that nobody waits for.
    unread: Vec<EventId>,
    started: u64,
}

impl Limit {
    pub(crate) async fn open(file: &Path) -> anyhow::Result<Self> {
        // The store makes its own tables.
        drop(workflow::sqlite::Sqlite::open(file).await?);
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false)
            .statement_cache_capacity(200)
            .pragma("cache_size", format!("-{CACHE_KIB}"))
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string());
        let mut connection = SqliteConnection::connect_with(&options).await?;
        for role in ROLES {
            sqlx::query("insert into workflow_roles (role, epoch) values (?, 1)")
                .bind(role)
                .execute(&mut connection)
                .await?;
        }
        Ok(Self {
            connection,
            statements: Statements::new(),
            ready: VecDeque::new(),
            unread: Vec::new(),
            started: 0,
        })
    }

    /// Takes so many runs from their start to their end; tells how long it took.
    pub(crate) async fn drive(&mut self, runs: u64, transaction_changes: usize) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let end = self.started + runs;
        loop {
            while self.ready.len() < IN_FLIGHT && self.started < end {
                self.ready.push_back(Moving::start(self.started));
                self.started += 1;
            }
            if self.ready.is_empty() {
                break;
            }
            let taken = self.ready.len().min(transaction_changes.max(1));
            let batch: Vec<Moving> = self.ready.drain(..taken).collect();
            self.transaction(batch).await?;
        }
        Ok(begun.elapsed())
    }

    async fn transaction(&mut self, batch: Vec<Moving>) -> anyhow::Result<()> {
        let now = Timestamp::from_millis(now_millis());
        let mut acked = std::mem::take(&mut self.unread);
        acked.extend(batch.iter().filter_map(Moving::event_at_hand));
        let moves: Vec<Move> = batch.into_iter().map(|run| run.step(now)).collect();
        sqlx::query("begin immediate").execute(&mut self.connection).await?;
        self.check_fence().await?;
        self.statements.write(&mut self.connection, &moves, &acked).await?;
        sqlx::query("commit").execute(&mut self.connection).await?;
        for each in moves {
            if each.is_last() {
                self.unread.push(each.event_id);
            } else {
                self.ready.push_back(each.into());
            }
        }
        Ok(())
    }

    async fn check_fence(&mut self) -> anyhow::Result<()> {
        let mut query = sqlx::query("select role, epoch from workflow_roles where role in (?, ?, ?)");
        for role in ROLES {
            query = query.bind(role);
        }
        for row in query.fetch_all(&mut self.connection).await? {
            ensure!(row.try_get::<i64, _>(1)? == 1, "the role has another owner");
        }
        Ok(())
    }
}

/// The present.
pub(crate) fn now_millis() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
