//! The right to be the only relay of a database: a named lock of the server, held by a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, MySqlConnection};
use tokio_util::sync::CancellationToken;
use workflow_core::adapter::{BackendError, Clock, EpochClaim, Lease, SystemClock};

use super::server::Server;

/// How often the connection is used, so that both sides know that the other one lives.
const HEARD_EVERY: Duration = Duration::from_secs(1);

/// After how many seconds without a word the server ends the connection.
const SILENCE_SECONDS_MAX: u32 = 10;

/// The lock of a set of tables; lock names are those of the whole server.
const LOCK: &str = "concat('wf-relay-', left(sha1(concat(coalesce(?, database()), '.', ?)), 40))";

/// Takes the lock; `None` if another relay has it.
pub(super) async fn claim(server: &Arc<Server>) -> Result<Option<Lease>, BackendError> {
    let mut connection = server.own_connection().await?;
    let locked = lock(server, &mut connection).await;
    if !locked.map_err(|error| server.wrap("take the relay's lock", error))? {
        // Nothing depends on how it ends.
        let _ = connection.close().await;
        return Ok(None);
    }
    let (lost, release) = (CancellationToken::new(), CancellationToken::new());
    tokio::spawn(keep(Arc::clone(server), connection, lost.clone(), release.clone()));
    Ok(Some(Lease::new(EpochClaim::Next, lost, release)))
}

async fn lock(server: &Server, connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    let silence = format!("set session wait_timeout = {SILENCE_SECONDS_MAX}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(silence)).execute(&mut *connection).await?;
    let names = server.statements.names();
    let take = sqlx::AssertSqlSafe(format!("select get_lock({LOCK}, 0)"));
    let take = sqlx::query_scalar::<_, Option<i64>>(take).bind(names.schema()).bind(names.outbox());
    Ok(take.fetch_one(connection).await? == Some(1))
}

/// Keeps the connection until the lock is given back or the connection is lost.
async fn keep(
    server: Arc<Server>,
    mut connection: MySqlConnection,
    lost: CancellationToken,
    release: CancellationToken,
) {
    let clock = SystemClock::new();
    loop {
        tokio::select! {
            () = release.cancelled() => break,
            () = clock.sleep(HEARD_EVERY) => {}
        }
        if !matches!(tokio::time::timeout(HEARD_EVERY, connection.ping()).await, Ok(Ok(()))) {
            lost.cancel();
            tracing::warn!(database = server.name(), "the connection that holds the relay's lock was lost");
            return;
        }
    }
    // The lock goes with the connection, however that ends.
    let _ = connection.close().await;
}
