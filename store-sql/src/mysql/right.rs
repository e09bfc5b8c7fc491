//! One process runs engines on a database: a named lock of the server, held by a connection of its own.
//!
//! The server frees the lock when that connection ends, and ends the connection when nothing is heard on it. So the
//! lock goes with the process; and a process that has lost it takes it again, or learns that another one was faster.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use sqlx::{Connection, MySqlConnection};
use tokio::sync::oneshot;
use workflow_core::adapter::{BackendError, Clock, ErrorKind, SystemClock};

use super::server::Server;
use crate::TableNames;

/// How often the connection is used, so that the server knows that the process lives.
const HEARD_EVERY: Duration = Duration::from_secs(5);

/// How soon a lost lock is taken again.
const RETAKEN_AFTER: Duration = Duration::from_millis(250);

/// After how many seconds without a word the server ends the connection.
const SILENCE_SECONDS_MAX: u32 = 30;

/// The lock of a set of tables; lock names are those of the whole server.
const LOCK: &str = "concat('wf-engine-', left(sha1(concat(coalesce(?, database()), '.', ?)), 40))";

/// How many seconds the lock is waited for at the start: the connection of a process that was just killed may be seen for a
/// moment longer.
const WAIT_SECONDS: u32 = 1;

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
    pub(super) async fn take(server: &Arc<Server>) -> Result<Self, BackendError> {
        let Some(connection) = lock(server, WAIT_SECONDS).await? else { return Err(taken(server)) };
        let state = Arc::new(AtomicU8::new(State::Held as u8));
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(keep(Arc::clone(server), connection, Arc::clone(&state), stopped));
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
        if self.state.load(Ordering::Acquire) == State::Taken as u8 { Err(taken(server)) } else { Ok(()) }
    }
}

fn taken(server: &Server) -> BackendError {
    let context = format!(
        "another engine runs on {}: stop it, or only connect to it for triggers, callbacks and reads",
        server.name()
    );
    BackendError::new(ErrorKind::AlreadyRunning, context)
}

/// A connection that has the lock; `None` if another one has it.
async fn lock(server: &Server, wait_seconds: u32) -> Result<Option<MySqlConnection>, BackendError> {
    let mut connection = server.own_connection().await?;
    let locked = async {
        let silence = format!("set session wait_timeout = {SILENCE_SECONDS_MAX}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(silence)).execute(&mut connection).await?;
        let take = sqlx::AssertSqlSafe(format!("select get_lock({LOCK}, {wait_seconds})"));
        let names = server.statements.names();
        let take = sqlx::query_scalar::<_, Option<i64>>(take).bind(names.schema()).bind(names.records());
        take.fetch_one(&mut connection).await
    };
    let locked = locked.await.map_err(|error| server.wrap("take the engines' lock", error))?;
    Ok((locked == Some(1)).then_some(connection))
}

async fn keep(
    server: Arc<Server>,
    connection: MySqlConnection,
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
                free(connection, server.statements.names()).await;
            }
            drop(done);
            return;
        }
        connection = keep_once(&server, connection, &state).await;
    }
}

/// Frees the lock. Should that fail, the server does it when the connection ends, however it does.
async fn free(mut connection: MySqlConnection, names: &TableNames) {
    let free = sqlx::AssertSqlSafe(format!("do release_lock({LOCK})"));
    let free = sqlx::query(free).bind(names.schema()).bind(names.records());
    let freed = free.execute(&mut connection).await;
    let closed = connection.close().await;
    if let Err(error) = freed.and(closed) {
        tracing::debug!(error = %error, "the engines' lock was freed by ending its connection");
    }
}

/// Shows the server that the process lives, or takes the lock again.
async fn keep_once(
    server: &Server,
    connection: Option<MySqlConnection>,
    state: &AtomicU8,
) -> Option<MySqlConnection> {
    if let Some(mut connection) = connection {
        if connection.ping().await.is_ok() {
            return Some(connection);
        }
        tracing::warn!(database = server.name(), "the connection that holds the engines' lock was lost");
        state.store(State::Lost as u8, Ordering::Release);
    }
    match lock(server, 0).await {
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
