//! A transaction: in a task of its own, tried again where that helps, and never in doubt for long.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, PgPool, Row, SqlStr};
use workflow_core::Timestamp;
use workflow_core::adapter::{BackendError, BoxFuture, Clock, ErrorKind, SystemClock};

use super::clock::StampClock;
use super::connect::{Conn, Place};
use super::error::{Class, class, code, no_connection};
use super::reading::Reading;
use super::trust::{Prepared, Wariness};
use crate::names::Statements;

/// How often a transaction is tried. With a lock's time-out that is longer than a frozen owner may keep a lock.
const ATTEMPTS_MAX: u32 = 5;

/// How long the pause between two attempts is at most, in milliseconds, for each attempt made.
const PAUSE_MILLIS_MAX: u64 = 20;

/// How often the fate of a transaction is asked for, when its commit was not answered.
const LOOKS_MAX: u32 = 50;

/// How long the pause between two looks is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The number of the transaction and the server's present: both are had with the beginning, for no price.
const BEGIN: &str =
    "begin; select pg_current_xact_id()::text, floor(extract(epoch from now()) * 1000)::bigint";

/// The same for a commit that trusts: it waits for nobody's lock, since one transaction's would hold up many runs.
const BEGIN_TRUSTING: &str = "begin; set local lock_timeout = '10ms'; \
    select pg_current_xact_id()::text, floor(extract(epoch from now()) * 1000)::bigint";

/// How long is looked for the reason when no connection was had.
const REASON_WAIT: Duration = Duration::from_secs(1);

/// A commit must not be cut short: with a synchronous standby it would stay, and be reported as failed.
const COMMIT: &str = "set local statement_timeout = 0; commit";

/// A database: its pool, its place, its clock and the names of its tables. Clones share them.
#[derive(Clone)]
pub(super) struct Database {
    pool: PgPool,
    place: Arc<Place>,
    clock: StampClock,
    statements: Statements,
    wariness: Arc<Wariness>,
}

/// A transaction that has begun.
pub(super) struct Tx {
    connection: PoolConnection<sqlx::Postgres>,
    statements: Statements,
    wariness: Arc<Wariness>,
    xid: String,
    now: Timestamp,
    repeated: bool,
    trusts: bool,
    prepared: Option<Prepared>,
    ended: bool,
}

/// Prepares what a transaction that trusts will write, while the server begins it.
type Prepare = Box<dyn Fn() -> Option<Prepared> + Send + Sync>;

/// How a transaction goes about what others may have done meanwhile.
enum Manner {
    /// It locks and looks before it writes.
    Looks,
    /// Its first attempt writes at once, and is undone if something was not as it should be.
    Trusts(Prepare),
}

impl Tx {
    /// The driver's connection.
    pub(super) fn raw(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// The connection with the names of the tables.
    pub(super) fn conn(&mut self) -> Conn<'_> {
        Conn::new(&mut self.connection, &self.statements)
    }

    /// The text of a statement that is written with the default names.
    pub(super) fn sql(&self, text: &'static str) -> SqlStr {
        self.statements.sql(text)
    }

    /// Whether an attempt before it failed.
    pub(super) fn is_repeated(&self) -> bool {
        self.repeated
    }

    /// Whether it may write before it looks: what is not as it should be is [`surprised`], and then it is made again.
    pub(super) fn trusts(&self) -> bool {
        self.trusts
    }

    /// What was prepared for it, for the first who asks.
    pub(super) fn take_prepared(&mut self) -> Option<Prepared> {
        self.prepared.take()
    }

    /// What trusting commits remember.
    pub(super) fn wariness(&self) -> &Wariness {
        &self.wariness
    }

    /// When it began, in whole milliseconds.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        // What was left in the middle, by a panic or the end of the runtime, is not for the next one to use.
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}

/// Where a transaction failed.
enum Failed<V> {
    /// Before its commit: nothing of it is stored.
    Before(sqlx::Error),
    /// In its commit, which may have happened or not.
    Unknown { error: sqlx::Error, xid: String, value: V },
}

/// What became of a transaction whose commit was not answered.
enum Fate {
    Committed,
    RolledBack,
    Unknown,
}

impl Database {
    pub(super) fn new(pool: PgPool, place: Arc<Place>, clock: StampClock, statements: Statements) -> Self {
        Self { pool, place, clock, statements, wariness: Arc::default() }
    }

    pub(super) fn statements(&self) -> &Statements {
        &self.statements
    }

    pub(super) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    pub(super) fn clock(&self) -> &StampClock {
        &self.clock
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection; one that is `tested` was alive a moment ago.
    pub(super) async fn connection(
        &self,
        tested: bool,
    ) -> Result<PoolConnection<sqlx::Postgres>, sqlx::Error> {
        // Each dead one that is found leaves the pool, so that there is an end.
        for _ in 0..self.place.connections_max() {
            let mut connection = self.acquire().await?;
            if !tested || connection.ping().await.is_ok() {
                return Ok(connection);
            }
            connection.close_on_drop();
        }
        self.acquire().await
    }

    /// A connection for queries.
    pub(super) async fn reading(&self, tested: bool) -> Result<Reading, sqlx::Error> {
        Reading::begin(self.connection(tested).await?, &self.place).await
    }

    async fn acquire(&self) -> Result<PoolConnection<sqlx::Postgres>, sqlx::Error> {
        match self.pool.acquire().await {
            Err(sqlx::Error::PoolTimedOut) => Err(self.why_no_connection().await),
            acquired => acquired,
        }
    }

    /// A pool that waits for a server says no more than that it has waited; the server itself says why.
    async fn why_no_connection(&self) -> sqlx::Error {
        if self.pool.size() >= self.place.connections_max() {
            return sqlx::Error::PoolTimedOut;
        }
        match tokio::time::timeout(REASON_WAIT, self.place.connect()).await {
            Ok(Err(error)) => no_connection(error),
            Ok(Ok(_)) | Err(_) => sqlx::Error::PoolTimedOut,
        }
    }

    /// What begins a transaction; its last row is the number and the present.
    fn begin_statement(&self, trusts: bool) -> Cow<'static, str> {
        let begin = if trusts { BEGIN_TRUSTING } else { BEGIN };
        match self.place.is_pooled() {
            true => begin.replace("begin;", &format!("begin; {};", self.place.transaction_settings())).into(),
            false => begin.into(),
        }
    }

    /// Has work done in a transaction, as a whole again if others were in the way or the connection was lost.
    ///
    /// A caller that stops waiting leaves the transaction whole.
    pub(super) async fn transaction<V, W>(&self, what: &'static str, work: W) -> Result<V, BackendError>
    where
        V: Send + 'static,
        W: for<'c> Fn(&'c mut Tx) -> BoxFuture<'c, Result<V, sqlx::Error>> + Send + Sync + 'static,
    {
        self.spawn(what, Manner::Looks, work).await
    }

    /// The same of work whose first attempt may trust that all is as it should be; what that writes is prepared while the
    /// server begins it.
    pub(super) async fn trusting<V, W>(
        &self,
        what: &'static str,
        prepare: impl Fn() -> Option<Prepared> + Send + Sync + 'static,
        work: W,
    ) -> Result<V, BackendError>
    where
        V: Send + 'static,
        W: for<'c> Fn(&'c mut Tx) -> BoxFuture<'c, Result<V, sqlx::Error>> + Send + Sync + 'static,
    {
        self.spawn(what, Manner::Trusts(Box::new(prepare)), work).await
    }

    async fn spawn<V, W>(&self, what: &'static str, manner: Manner, work: W) -> Result<V, BackendError>
    where
        V: Send + 'static,
        W: for<'c> Fn(&'c mut Tx) -> BoxFuture<'c, Result<V, sqlx::Error>> + Send + Sync + 'static,
    {
        let database = self.clone();
        let task = tokio::spawn(async move { database.persist(what, manner, work).await });
        task.await.unwrap_or_else(|error| {
            let context = format!("{what} in {}: its task ended in the middle", self.place.name());
            Err(BackendError::with_source(ErrorKind::UnknownOutcome, context, error))
        })
    }

    async fn persist<V, W>(&self, what: &str, manner: Manner, work: W) -> Result<V, BackendError>
    where
        W: for<'c> Fn(&'c mut Tx) -> BoxFuture<'c, Result<V, sqlx::Error>>,
    {
        let _hold = self.clock.hold();
        let (mut attempt, mut repeated) = (0, false);
        let mut trusts = match manner {
            Manner::Looks => None,
            Manner::Trusts(prepare) => Some(prepare),
        };
        loop {
            let prepare = trusts.take();
            let trusted = prepare.is_some();
            let made = self.attempt(&work, std::mem::replace(&mut repeated, true), prepare).await;
            attempt += 1;
            let error = match made {
                Ok(value) => return Ok(value),
                // It does not count: what stands against a change is told by the next attempt.
                Err(Failed::Before(error)) if trusted && is_in_the_way(&error) => {
                    tracing::debug!(what, error = %error, "a transaction looks before it writes");
                    attempt = 0;
                    continue;
                }
                Err(Failed::Before(error)) => error,
                Err(Failed::Unknown { error, xid, value }) => match self.fate(&xid).await {
                    Fate::Committed => return Ok(value),
                    Fate::RolledBack => error,
                    Fate::Unknown => return Err(self.unknown(what, error)),
                },
            };
            if attempt == ATTEMPTS_MAX || !matches!(class(&error), Class::Again | Class::Lost) {
                return Err(self.place.wrap(what, error));
            }
            tracing::debug!(what, attempt, error = %error, "a transaction is tried again");
            let pause = fastrand::u64(1..=PAUSE_MILLIS_MAX * u64::from(attempt));
            SystemClock::new().sleep(Duration::from_millis(pause)).await;
        }
    }

    fn unknown(&self, what: &str, error: sqlx::Error) -> BackendError {
        let context = format!("{what} in {}: the commit was not answered", self.place.name());
        BackendError::with_source(ErrorKind::UnknownOutcome, context, error)
    }

    async fn attempt<V, W>(&self, work: &W, repeated: bool, prepare: Option<Prepare>) -> Result<V, Failed<V>>
    where
        W: for<'c> Fn(&'c mut Tx) -> BoxFuture<'c, Result<V, sqlx::Error>>,
    {
        let begin = self.begin(repeated, prepare.is_some());
        // The first is on its way to the server when the second begins.
        let (tx, prepared) = join(begin, async { prepare.and_then(|prepare| prepare()) }).await;
        let mut tx = tx.map_err(Failed::Before)?;
        tx.prepared = prepared;
        match work(&mut tx).await {
            Ok(value) => match execute(&mut tx.connection, COMMIT).await {
                Ok(()) => {
                    tx.ended = true;
                    Ok(value)
                }
                Err(error) if refused(&error) => Err(Failed::Before(roll_back(tx, error).await)),
                Err(error) => Err(Failed::Unknown { xid: tx.xid.clone(), error, value }),
            },
            Err(error) => Err(Failed::Before(roll_back(tx, error).await)),
        }
    }

    async fn begin(&self, repeated: bool, trusts: bool) -> Result<Tx, sqlx::Error> {
        let mut tx = Tx {
            connection: self.connection(repeated).await?,
            statements: self.statements.clone(),
            wariness: Arc::clone(&self.wariness),
            xid: String::new(),
            now: Timestamp::from_millis(0),
            repeated,
            trusts,
            prepared: None,
            ended: false,
        };
        let begin = sqlx::AssertSqlSafe(self.begin_statement(trusts));
        let rows = sqlx::raw_sql(begin).fetch_all(tx.raw()).await?;
        let row = rows.last().ok_or(sqlx::Error::RowNotFound)?;
        tx.xid = row.try_get(0)?;
        tx.now = self.clock.now(Timestamp::from_millis(row.try_get(1)?));
        Ok(tx)
    }

    /// Asks the server what became of a transaction.
    async fn fate(&self, xid: &str) -> Fate {
        for _ in 0..LOOKS_MAX {
            match self.status(xid).await.as_deref() {
                Ok("committed") => return Fate::Committed,
                Ok("aborted") => return Fate::RolledBack,
                // Its session may still be at it, or the server may be on its way up.
                Ok(_) | Err(_) => SystemClock::new().sleep(LOOK_EVERY).await,
            }
        }
        Fate::Unknown
    }

    async fn status(&self, xid: &str) -> Result<String, sqlx::Error> {
        let mut reading = self.reading(true).await?;
        let status = "select coalesce(pg_xact_status($1::text::xid8), 'forgotten')";
        let status = sqlx::query_scalar(status).bind(xid).fetch_one(&mut *reading).await?;
        reading.end().await?;
        Ok(status)
    }
}

/// Something was not as a transaction that trusts had it.
#[derive(Debug, thiserror::Error)]
#[error("something has changed meanwhile")]
struct Surprised;

/// Has a transaction that trusts undone, and made again by one that looks.
pub(super) fn surprised() -> sqlx::Error {
    sqlx::Error::AnyDriverError(Box::new(Surprised))
}

/// Whether an attempt that trusts failed over something that one that looks can deal with.
fn is_in_the_way(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::AnyDriverError(inner) => inner.is::<Surprised>(),
        error => class(error) == Class::Again,
    }
}

/// Whether the server refused a commit, so that nothing of it is stored; all else may be either way.
fn refused(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code.starts_with("40") || code.starts_with("23"))
}

/// Rolls a transaction back and gives the reason; a connection that cannot even do that is closed.
async fn roll_back(mut tx: Tx, error: sqlx::Error) -> sqlx::Error {
    let lost = class(&error) == Class::Lost;
    tx.ended = !lost && execute(&mut tx.connection, "rollback").await.is_ok();
    error
}

async fn execute(connection: &mut PgConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(statement).execute(connection).await.map(drop)
}
