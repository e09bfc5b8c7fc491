//! Poolers that give a connection for one transaction at a time: found out, because sessions are needed.

use sqlx::{Connection, PgConnection};
use workflow_core::adapter::{BackendError, ErrorKind};

use super::connect::Place;

/// How often each of two sessions is asked which process of the server serves it.
const ASKED: usize = 3;

/// What is asked; prepared statements are what such a pooler loses first, so it is sent as text.
const WHO: &str = "select pg_backend_pid()";

/// Refuses a pooler that keeps no sessions, unless the connection string has said that there is one.
///
/// Two sessions that are open at once have a process of the server each, and keep it. Behind such a pooler one of them
/// gets, sooner or later, what the other had: the second is made to hold one in a transaction while the first asks.
pub(super) async fn refuse(first: &mut PgConnection, place: &Place) -> Result<(), BackendError> {
    let kept = async {
        let own = who(first).await?;
        let mut second = place.connect().await?;
        let kept = are_kept(first, &mut second, own).await;
        // It was for this alone.
        let _ = second.close().await;
        kept
    };
    match tokio::time::timeout(place.connect_timeout(), kept).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Err(error)) => Err(place.wrap("connect", error)),
        Ok(Ok(false)) => {
            let context = format!(
                "connect to {}: a pooler stands before the server that gives a connection for one transaction at a time, so \
                 that nothing set for a session is kept: name the server itself, let the pooler keep sessions, or add \
                 pooler=transaction",
                place.name()
            );
            Err(BackendError::new(ErrorKind::Permanent, context))
        }
        Err(_) => {
            let context =
                format!("connect to {}: two connections were not had at once in time", place.name());
            Err(BackendError::new(ErrorKind::Transient, context))
        }
    }
}

async fn are_kept(
    first: &mut PgConnection,
    second: &mut PgConnection,
    own: i32,
) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql("begin").execute(&mut *second).await?;
    let mut kept = who(second).await? != own;
    // With one connection in all, the first would wait for what the second holds.
    for asked in 0..2 * ASKED {
        if kept && asked == ASKED {
            sqlx::raw_sql("rollback").execute(&mut *second).await?;
        }
        kept = kept && who(first).await? == own;
    }
    Ok(kept)
}

async fn who(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    use sqlx::Row;
    sqlx::raw_sql(WHO).fetch_one(connection).await?.try_get(0)
}
