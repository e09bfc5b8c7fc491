//! The right to run engines on a database: a lock of a session of its own.
//!
//! The server frees the lock when the session ends, however that happens. A session that is lost may have been the
//! server's restart: then the right is had again as soon as the server is back, unless another engine was faster.
//!
//! Engines of a cluster hold the same lock in its shared form: it excludes an engine that wants the database for itself, and is
//! excluded by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use workflow_core::adapter::{BackendError, Clock, Reach, SystemClock};

use super::connect::Place;
use crate::held::refused;
use crate::names::Statements;

/// The lock is that of the table of records, so that each schema has its own.
const LOCK: &str =
    "select pg_try_advisory_lock(hashtext('workflow-engine'), 'workflow_records'::regclass::oid::integer)";

const LOCK_SHARED: &str = "select pg_try_advisory_lock_shared(hashtext('workflow-engine'), 'workflow_records'::regclass::oid::integer)";

const UNLOCK: &str = "select pg_advisory_unlock_all()";

/// Where no session is kept, the same lock of a transaction that stays open: it reads nothing and writes nothing, so it
/// holds up neither others nor the removal of old rows.
const LOCK_OF_TRANSACTION: &str = "select pg_try_advisory_xact_lock(hashtext('workflow-engine'), 'workflow_records'::regclass::oid::integer)";

const LOCK_OF_TRANSACTION_SHARED: &str = "select pg_try_advisory_xact_lock_shared(hashtext('workflow-engine'), 'workflow_records'::regclass::oid::integer)";

const END: &str = "rollback";

/// How often the lock is tried before somebody else is said to have it: a session that has just ended may be seen for a
/// moment longer.
const TRIES_MAX: u32 = 10;

/// How long the pause between two tries is.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// How long the pause is between two attempts to have a lost right again.
const RETAKE_EVERY: Duration = Duration::from_secs(1);

/// The right; given back when it is dropped, and when [`EngineRight::give_back`] has answered for certain.
pub(super) struct EngineRight {
    held: Arc<AtomicBool>,
    end: oneshot::Sender<()>,
    keeper: JoinHandle<()>,
}

impl EngineRight {
    pub(super) async fn take(
        place: &Arc<Place>,
        statements: &Statements,
        reach: Reach,
    ) -> Result<Self, BackendError> {
        for _ in 0..TRIES_MAX {
            if let Some(session) = lock(place, statements, reach)
                .await
                .map_err(|error| place.wrap("take the engine's lock", error))?
            {
                let held = Arc::new(AtomicBool::new(true));
                let (end, ended) = oneshot::channel();
                let kept = (Arc::clone(place), statements.clone(), reach);
                let keeper = tokio::spawn(keep(session, kept, Arc::clone(&held), ended));
                return Ok(Self { held, end, keeper });
            }
            SystemClock::new().sleep(TRY_EVERY).await;
        }
        Err(refused(place.name()))
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Ends the session and waits until the lock is free.
    pub(super) async fn give_back(self) {
        let Self { end, keeper, .. } = self;
        drop(end);
        // If the keeper failed its session has ended, too.
        let _ = keeper.await;
    }
}

/// A session with the lock; `None` if somebody else has it.
async fn lock(
    place: &Place,
    statements: &Statements,
    reach: Reach,
) -> Result<Option<PgListener>, sqlx::Error> {
    // A listener waits for what the server says by itself, and so learns of the session's end without asking.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(place.connect_timeout())
        .connect_lazy_with(place.session());
    let mut session = PgListener::connect_with(&pool).await?;
    session.eager_reconnect(false);
    let statement = match (place.is_pooled(), reach) {
        (false, Reach::Process) => LOCK,
        (false, Reach::Cluster) => LOCK_SHARED,
        (true, reach) => {
            let settings = place.transaction_settings();
            let begin = format!("begin; {settings}; set local idle_in_transaction_session_timeout = 0");
            sqlx::raw_sql(sqlx::AssertSqlSafe(begin)).execute(&mut session).await?;
            match reach {
                Reach::Process => LOCK_OF_TRANSACTION,
                Reach::Cluster => LOCK_OF_TRANSACTION_SHARED,
            }
        }
    };
    let locked: bool = sqlx::query_scalar(statements.sql(statement)).fetch_one(&mut session).await?;
    if !locked && place.is_pooled() {
        sqlx::raw_sql(END).execute(&mut session).await?;
    }
    Ok(locked.then_some(session))
}

async fn keep(
    session: PgListener,
    (place, statements, reach): (Arc<Place>, Statements, Reach),
    held: Arc<AtomicBool>,
    mut ended: oneshot::Receiver<()>,
) {
    let mut session = Some(session);
    loop {
        match &mut session {
            Some(present) => {
                tokio::select! {
                    _ = &mut ended => break,
                    heard = present.try_recv() => if matches!(heard, Ok(Some(_))) { continue },
                }
                held.store(false, Ordering::Release);
                session = None;
                tracing::warn!(place = place.name(), "the session with the engine's lock was lost");
            }
            None => {
                match lock(&place, &statements, reach).await {
                    Ok(Some(again)) => {
                        session = Some(again);
                        held.store(true, Ordering::Release);
                        tracing::info!(place = place.name(), "the engine's lock is held again");
                        continue;
                    }
                    Ok(None) => tracing::warn!(place = place.name(), "another engine has the engine's lock"),
                    Err(error) => {
                        tracing::warn!(error = %error, "the engine's lock cannot be taken again yet")
                    }
                }
                tokio::select! {
                    _ = &mut ended => break,
                    () = SystemClock::new().sleep(RETAKE_EVERY) => {}
                }
            }
        }
    }
    if let Some(mut session) = session {
        // A session that is lost has no lock any more.
        let end = if place.is_pooled() { END } else { UNLOCK };
        let _ = sqlx::raw_sql(end).execute(&mut session).await;
    }
}
