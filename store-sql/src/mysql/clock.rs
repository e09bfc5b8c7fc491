//! The server's clock, as this host knows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sqlx::{MySqlConnection, Row};
use workflow_core::Timestamp;
use workflow_core::adapter::{BoxFuture, Clock, Hold, SystemClock};

/// Differences below this are the time that an answer took to travel.
const NOTICEABLE_MILLIS: i64 = 50;

/// What asks the server for its time.
const NOW: &str = "select cast(unix_timestamp(now(3)) * 1000 as signed)";

/// The host's clock, set right by the server's.
#[derive(Debug, Default)]
pub(super) struct ServerClock {
    host: SystemClock,
    ahead_millis: AtomicI64,
}

impl ServerClock {
    /// Takes note of the server's present.
    fn heard(&self, now: Timestamp) {
        let ahead = now.as_millis() - self.host.now().as_millis();
        if (ahead - self.ahead_millis.load(Ordering::Relaxed)).abs() > NOTICEABLE_MILLIS {
            self.ahead_millis.store(ahead, Ordering::Relaxed);
        }
    }
}

impl Clock for ServerClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.host.now().as_millis() + self.ahead_millis.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        self.host.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.host.sleep(duration)
    }
}

/// By which clock a store stamps.
#[derive(Clone)]
pub(super) enum StampClock {
    /// The server's.
    Server(Arc<ServerClock>),
    /// One that was given, as tests do.
    Given(Arc<dyn Clock>),
}

impl StampClock {
    pub(super) fn new(given: Option<Arc<dyn Clock>>) -> Self {
        given.map_or_else(|| StampClock::Server(Arc::default()), StampClock::Given)
    }

    pub(super) fn as_clock(&self) -> Arc<dyn Clock> {
        match self {
            StampClock::Server(clock) => Arc::clone(clock) as Arc<dyn Clock>,
            StampClock::Given(clock) => Arc::clone(clock),
        }
    }

    pub(super) fn hold(&self) -> Hold {
        self.as_clock().hold()
    }

    /// The present, where the server says that it is `now`.
    pub(super) fn hear(&self, now: Timestamp) -> Timestamp {
        match self {
            StampClock::Given(clock) => clock.now(),
            StampClock::Server(clock) => {
                clock.heard(now);
                now
            }
        }
    }

    /// The present.
    pub(super) async fn now(&self, connection: &mut MySqlConnection) -> Result<Timestamp, sqlx::Error> {
        match self {
            StampClock::Given(clock) => Ok(clock.now()),
            StampClock::Server(clock) => {
                let now = sqlx::query_scalar::<_, i64>(NOW).fetch_one(connection).await?;
                clock.heard(Timestamp::from_millis(now));
                Ok(Timestamp::from_millis(now))
            }
        }
    }

    /// Begins a transaction, in one round trip with asking for the present.
    pub(super) async fn begin(&self, connection: &mut MySqlConnection) -> Result<Timestamp, sqlx::Error> {
        match self {
            StampClock::Given(clock) => {
                sqlx::raw_sql("start transaction").execute(connection).await?;
                Ok(clock.now())
            }
            StampClock::Server(clock) => {
                let text = "start transaction; select cast(unix_timestamp(now(3)) * 1000 as signed)";
                let rows = sqlx::raw_sql(text).fetch_all(connection).await?;
                let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
                let now = Timestamp::from_millis(row.try_get(0)?);
                clock.heard(now);
                Ok(now)
            }
        }
    }
}
