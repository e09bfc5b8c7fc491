//! The right to run engines on a database: a named lock of the server, held by a connection of its own.
//!
//! Named locks cannot be shared. So engines of a cluster each hold a lock of their own, one of a fixed number of places; the
//! lock of the whole, the gate, they hold only while they take theirs. An engine that wants the database for itself keeps the gate, and takes
//! it only while no place is.
//!
//! The server frees the lock when that connection ends, and ends the connection when nothing is heard on it. So the
//! lock goes with the process; and a process that has lost it takes it again, or learns that another one was faster.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use sqlx::{Connection, MySqlConnection};
use tokio::sync::oneshot;
use workflow_core::adapter::{BackendError, Clock, Reach, SystemClock};

use super::server::Server;
use crate::TableNames;
use crate::held::refused;

/// How often the connection is used, so that the server knows that the process lives.
const HEARD_EVERY: Duration = Duration::from_secs(5);

/// How soon a lost lock is taken again.
const RETAKEN_AFTER: Duration = Duration::from_millis(250);

/// After how many seconds without a word the server ends the connection.
const SILENCE_SECONDS_MAX: u32 = 30;

/// The lock of a set of tables; lock names are those of the whole server.
const LOCK: &str = "concat('wf-engine-', left(sha1(concat(coalesce(?, database()), '.', ?)), 40))";

/// How many of a cluster's places are taken. There are 256: so many engines can share a database.
const PLACES_TAKEN: &str = "with recursive places as (select 0 as place union all select place + 1 from places where place < 255) \
                            select count(*) from places where is_used_lock(concat(?, '-', place)) is not null";

/// The first place that is free.
const PLACE_FREE: &str = "with recursive places as (select 0 as place union all select place + 1 from places where place < 255) \
                          select cast(min(place) as signed) from places where is_used_lock(concat(?, '-', place)) is null";

/// How many seconds the lock is waited for at the start: the connection of a process that was just killed may be seen for a
/// moment longer.
const WAIT_SECONDS: u32 = 1;

/// The same for the gate, which engines of a cluster that start together hold one after the other.
const GATE_SECONDS: u32 = 5;

/// What became of the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Held = 0,
    /// The connection is gone; whether somebody else has the lock is not known yet.
    Lost = 1,
    /// Somebody else has it.
    Taken = 2,
}

/// The right to run engines; given back by [`EngineRight::release`], or when it is dropped.
pub(super) struct EngineRight {
    state: Arc<AtomicU8>,
    stop: oneshot::Sender<oneshot::Sender<()>>,
}

impl EngineRight {
    /// Takes the lock, or refuses.
    pub(super) async fn take(server: &Arc<Server>, reach: Reach) -> Result<Self, BackendError> {
        let wait_seconds = match reach {
            Reach::Process => WAIT_SECONDS,
            Reach::Cluster => GATE_SECONDS,
        };
        let locked = lock(server, reach, wait_seconds).await?;
        let connection = locked.ok_or_else(|| refused(server.name()))?;
        let state = Arc::new(AtomicU8::new(State::Held as u8));
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(keep(Arc::clone(server), (connection, reach), Arc::clone(&state), stopped));
        Ok(Self { state, stop })
    }

    /// Gives the lock back, and waits until it is free.
    pub(super) async fn release(self) {
        let (done, freed) = oneshot::channel();
        if self.stop.send(done).is_ok() {
            // The keeper drops the sender at the latest when it ends.
            let _ = freed.await;
        }
    }

    /// Refuses if somebody else has the lock now.
    pub(super) fn check(&self, server: &Server) -> Result<(), BackendError> {
        if self.state.load(Ordering::Acquire) == State::Taken as u8 {
            Err(refused(server.name()))
        } else {
            Ok(())
        }
    }
}

/// A connection that has the right; `None` if others exclude it.
async fn lock(
    server: &Server,
    reach: Reach,
    wait_seconds: u32,
) -> Result<Option<MySqlConnection>, BackendError> {
    let mut connection = server.own_connection().await?;
    let had = take_locks(&mut connection, server.statements.names(), reach, wait_seconds).await;
    let had = had.map_err(|error| server.wrap("take the engines' lock", error))?;
    Ok(had.then_some(connection))
}

/// Takes what an engine of this reach holds. Locks of a connection that did not get all it needs end with it.
async fn take_locks(
    connection: &mut MySqlConnection,
    names: &TableNames,
    reach: Reach,
    wait_seconds: u32,
) -> Result<bool, sqlx::Error> {
    let silence = format!("set session wait_timeout = {SILENCE_SECONDS_MAX}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(silence)).execute(&mut *connection).await?;
    let gate = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select {LOCK}")));
    let gate: String = gate.bind(names.schema()).bind(names.records()).fetch_one(&mut *connection).await?;
    if !get(connection, &gate, wait_seconds).await? {
        return Ok(false);
    }
    match reach {
        Reach::Process => {
            let taken = sqlx::query_scalar(PLACES_TAKEN).bind(&gate);
            let taken: i64 = taken.fetch_one(&mut *connection).await?;
            Ok(taken == 0)
        }
        Reach::Cluster => {
            let free = sqlx::query_scalar(PLACE_FREE).bind(&gate);
            let free: Option<i64> = free.fetch_one(&mut *connection).await?;
            let had = match free {
                Some(place) => get(connection, &format!("{gate}-{place}"), 0).await?,
                None => false,
            };
            sqlx::query("do release_lock(?)").bind(&gate).execute(connection).await?;
            Ok(had)
        }
    }
}

async fn get(connection: &mut MySqlConnection, lock: &str, wait_seconds: u32) -> Result<bool, sqlx::Error> {
    let take = sqlx::query_scalar::<_, Option<i64>>("select get_lock(?, ?)").bind(lock).bind(wait_seconds);
    Ok(take.fetch_one(connection).await? == Some(1))
}

async fn keep(
    server: Arc<Server>,
    (connection, reach): (MySqlConnection, Reach),
    state: Arc<AtomicU8>,
    mut stopped: oneshot::Receiver<oneshot::Sender<()>>,
) {
    let mut connection = Some(connection);
    let clock = SystemClock::new();
    loop {
        let lost = state.load(Ordering::Acquire) == State::Lost as u8;
        let wait = if lost { RETAKEN_AFTER } else { HEARD_EVERY };
        let done = tokio::select! {
            done = &mut stopped => Some(done.ok()),
            () = clock.sleep(wait) => None,
        };
        if let Some(done) = done {
            if let Some(connection) = connection {
                free(connection).await;
            }
            drop(done);
            return;
        }
        connection = keep_once(&server, (connection, reach), &state).await;
    }
}

/// Frees the lock. Should that fail, the server does it when the connection ends, however it does.
async fn free(mut connection: MySqlConnection) {
    let freed = sqlx::query("do release_all_locks()").execute(&mut connection).await;
    let closed = connection.close().await;
    if let Err(error) = freed.and(closed) {
        tracing::debug!(error = %error, "the engines' lock was freed by ending its connection");
    }
}

/// Shows the server that the process lives, or takes the lock again.
async fn keep_once(
    server: &Server,
    (connection, reach): (Option<MySqlConnection>, Reach),
    state: &AtomicU8,
) -> Option<MySqlConnection> {
    if let Some(mut connection) = connection {
        if connection.ping().await.is_ok() {
            return Some(connection);
        }
        tracing::warn!(database = server.name(), "the connection that holds the engines' lock was lost");
        state.store(State::Lost as u8, Ordering::Release);
    }
    match lock(server, reach, 0).await {
        Ok(Some(connection)) => {
            tracing::info!(database = server.name(), "the engines' lock is held again");
            state.store(State::Held as u8, Ordering::Release);
            Some(connection)
        }
        Ok(None) => {
            if state.swap(State::Taken as u8, Ordering::AcqRel) != State::Taken as u8 {
                tracing::error!(database = server.name(), "another process has taken the engines' lock");
            }
            None
        }
        Err(error) => {
            tracing::debug!(error = %error, "the engines' lock cannot be taken yet");
            None
        }
    }
}
