//! The right to be the only relay of a database: a lock of a session of its own, as engines have one.

use std::sync::Arc;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio_util::sync::CancellationToken;
use workflow_core::adapter::{BackendError, EpochClaim, Lease};

use super::connect::Place;
use crate::names::Statements;

/// The lock is that of the outbox, so that each schema has its own.
const LOCK: &str =
    "select pg_try_advisory_lock(hashtext('workflow-relay'), 'workflow_outbox'::regclass::oid::integer)";

const UNLOCK: &str = "select pg_advisory_unlock_all()";

/// Where no session is kept, the same lock of a transaction that stays open.
const LOCK_OF_TRANSACTION: &str =
    "select pg_try_advisory_xact_lock(hashtext('workflow-relay'), 'workflow_outbox'::regclass::oid::integer)";

const END: &str = "rollback";

/// Takes the lock; `None` if another relay has it.
pub(super) async fn claim(
    place: &Arc<Place>,
    statements: &Statements,
) -> Result<Option<Lease>, BackendError> {
    let locked = lock(place, statements).await.map_err(|error| place.wrap("take the relay's lock", error))?;
    let Some(session) = locked else { return Ok(None) };
    let (lost, release) = (CancellationToken::new(), CancellationToken::new());
    tokio::spawn(keep(session, Arc::clone(place), lost.clone(), release.clone()));
    Ok(Some(Lease::new(EpochClaim::Next, lost, release)))
}

async fn lock(place: &Place, statements: &Statements) -> Result<Option<PgListener>, sqlx::Error> {
    // A listener waits for what the server says by itself, and so learns of the session's end without asking.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(place.connect_timeout())
        .connect_lazy_with(place.session());
    let mut session = PgListener::connect_with(&pool).await?;
    session.eager_reconnect(false);
    let statement = match place.is_pooled() {
        false => LOCK,
        true => {
            let settings = place.transaction_settings();
            let begin = format!("begin; {settings}; set local idle_in_transaction_session_timeout = 0");
            sqlx::raw_sql(sqlx::AssertSqlSafe(begin)).execute(&mut session).await?;
            LOCK_OF_TRANSACTION
        }
    };
    let locked: bool = sqlx::query_scalar(statements.sql(statement)).fetch_one(&mut session).await?;
    if !locked && place.is_pooled() {
        sqlx::raw_sql(END).execute(&mut session).await?;
    }
    Ok(locked.then_some(session))
}

/// Keeps the session until the lock is given back or the session is lost.
async fn keep(
    mut session: PgListener,
    place: Arc<Place>,
    lost: CancellationToken,
    release: CancellationToken,
) {
    loop {
        tokio::select! {
            () = release.cancelled() => break,
            heard = session.try_recv() => match heard {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => {
                    lost.cancel();
                    tracing::warn!(place = place.name(), "the session with the relay's lock was lost");
                    return;
                }
            },
        }
    }
    let end = if place.is_pooled() { END } else { UNLOCK };
    // A session that is lost has no lock any more.
    let _ = sqlx::raw_sql(end).execute(&mut session).await;
}
